//! One series: its units, the watches over them, and the numbers that pair a regression with its end. State is bounded
//! (16 KiB) and depends on nothing but the ticks taken: after a restart, feeding the stored past again restores it.

use std::sync::Arc;

use azimuth_measurement::TransferDirection;

use super::crowd::Crowd;
use super::event::{Event, Statistic};
use super::level::{LevelWatch, Observation};
use super::loss::LossWatch;
use super::rates::{Rate, RateWatch};
use super::settings::Settings;
use super::tick::{Tick, TickRefused};
use super::unit::UnitBuilder;
use super::weak::{Kind, Weak};

/// The tail of a unit: of sixty delays the second longest, so that one straggler is not a tail.
const TAIL: f64 = 0.98;

/// The detector of one series.
#[derive(Debug, Clone)]
pub struct Detector {
    settings: Arc<Settings>,
    units: UnitBuilder,
    median: LevelWatch,
    tail: LevelWatch,
    spread: LevelWatch,
    loss: LossWatch,
    /// Of both directions, once a throughput test said anything.
    rates: Option<Box<[RateWatch; 2]>>,
    next_number: u32,
    crowd: Crowd,
    /// What the latest unit says before any threshold, by kind, until it is asked for.
    weak: [Option<Weak>; Kind::ALL.len()],
}

impl Default for Detector {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Detector {
    /// A detector that has seen nothing. Many may share their settings.
    pub fn new(settings: impl Into<Arc<Settings>>) -> Self {
        let settings = settings.into();
        let level = |statistic| LevelWatch::new(statistic, Arc::clone(&settings));
        Self {
            units: UnitBuilder::default(),
            median: level(Statistic::Median),
            tail: level(Statistic::Tail),
            spread: level(Statistic::Spread),
            loss: LossWatch::new(settings.loss),
            rates: None,
            next_number: 0,
            crowd: Crowd::default(),
            weak: [None; Kind::ALL.len()],
            settings,
        }
    }

    /// Is one of so many series that are watched.
    pub fn among(&mut self, series: usize) {
        let crowd = Crowd::of(series);
        if crowd == self.crowd {
            return;
        }
        self.crowd = crowd;
        for level in [&mut self.median, &mut self.tail, &mut self.spread] {
            level.among(crowd);
        }
        self.loss.among(crowd);
        for rate in self.rates.iter_mut().flat_map(|both| both.iter_mut()) {
            rate.among(crowd);
        }
    }

    /// What the median of an hour was of which no tick will come any more, in microseconds: for what is usual at an hour of
    /// the week. Hours come in order.
    pub fn remember_hour(&mut self, start_unix_ms: u64, median_us: f64) {
        self.median.remember_hour(start_unix_ms, median_us);
    }

    /// Takes the next tick and appends what it brought about to `events`. Time stands still without ticks: no data
    /// neither raises nor ends anything.
    ///
    /// # Errors
    /// When the tick cannot be taken; nothing changed then.
    pub fn observe(&mut self, tick: &Tick<'_>, events: &mut Vec<Event>) -> Result<(), TickRefused> {
        tick.check(self.units.last_start_unix_ms())?;
        let Self {
            settings,
            units,
            median,
            tail,
            spread,
            loss,
            next_number,
            weak,
            ..
        } = self;
        let spacing_ms = units.spacing_ms();
        units.push(tick, |unit, delays| {
            loss.observe(&unit, next_number, events);
            weak[1] = loss.weak(&unit, spacing_ms);
            let observation = |value: f64| Observation {
                start_unix_ms: unit.start_unix_ms,
                end_unix_ms: unit.end_unix_ms,
                spacing_ms,
                value,
            };
            if let Some(value) = delays.quantile_us(0.5) {
                median.observe(observation(value), next_number, events);
                weak[0] = median.weak(&observation(value));
            }
            if delays.count() >= settings.spread_delays
                && let (Some(high), Some(low)) = (delays.quantile_us(0.9), delays.quantile_us(0.1))
            {
                spread.observe(observation(high - low), next_number, events);
            }
            if delays.count() >= settings.tail_delays
                && let Some(value) = delays.quantile_us(TAIL)
            {
                tail.observe(observation(value), next_number, events);
            }
        });
        Ok(())
    }

    /// Takes what a throughput test found and appends what it brought about to `events`. One that is not after the last of
    /// its direction was taken before and changes nothing; returns whether it is new.
    pub fn observe_rate(
        &mut self,
        direction: TransferDirection,
        rate: &Rate,
        events: &mut Vec<Event>,
    ) -> bool {
        let (settings, crowd) = (self.settings.rates, self.crowd);
        let [download, upload] = &mut **self.rates.get_or_insert_with(|| {
            let watch = |statistic| {
                let mut watch = RateWatch::new(statistic, settings);
                watch.among(crowd);
                watch
            };
            Box::new([Statistic::Download, Statistic::Upload].map(watch))
        });
        let watch = match direction {
            TransferDirection::Download => download,
            TransferDirection::Upload => upload,
        };
        watch.observe(rate, &mut self.next_number, events)
    }

    /// What the units since this was asked last say before any threshold; nothing when none was completed.
    pub fn take_weak(&mut self) -> impl Iterator<Item = (Kind, Weak)> {
        let weak = std::mem::take(&mut self.weak);
        Kind::ALL
            .into_iter()
            .zip(weak)
            .filter_map(|(kind, weak)| Some((kind, weak?)))
    }

    /// Bytes this detector occupies, on the heap and off it.
    pub fn state_bytes(&self) -> usize {
        size_of::<Self>()
            + self.units.heap_bytes()
            + [&self.median, &self.tail, &self.spread]
                .map(LevelWatch::heap_bytes)
                .iter()
                .sum::<usize>()
            + self
                .rates
                .iter()
                .flat_map(|both| both.iter())
                .map(RateWatch::bytes)
                .sum::<usize>()
    }
}
