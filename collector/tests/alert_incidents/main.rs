//! Blame and incidents over a made-up fleet on simulated time. Figures are shares of seeded trials, the same in every run.
//! The fleet's noise is drawn: its figures say that the method works on such noise, not what real paths bring.
#![expect(clippy::print_stdout, reason = "the long forms say their figures")]

mod drawn;
mod measured;

use azimuth_collector::alert::rules::SeriesLabels;
use azimuth_collector::query::Label;

const MINUTE_MS: u64 = 60_000;

/// Labels of the series from agent to zone: ten networks, fifteen cities of two agents; regions of three zones, providers of
/// six, five metros that providers share.
fn labels(agent: usize, zone: usize, method: &str) -> SeriesLabels {
    let region = format!("p{}/r{}", zone / 6, zone / 3);
    SeriesLabels::new("t")
        .with(Label::Agent, format!("a{agent}"))
        .with(Label::Network, format!("AS{}", agent % 10))
        .with(Label::City, format!("c{}", agent / 2))
        .with(Label::Country, format!("C{}", agent / 10))
        .with(Label::Zone, format!("{region}/z{zone}"))
        .with(Label::Region, region)
        .with(Label::Metro, format!("m{}", zone / 3 % 5))
        .with(Label::Provider, format!("p{}", zone / 6))
        .with(Label::Method, method)
        .with(Label::Load, "idle")
}

/// Irwin and Hall: twelve uniform numbers less six.
fn normal(rng: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}
