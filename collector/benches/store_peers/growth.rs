//! The phase with more series: what stays the same per histogram as a fleet grows, and what does not.

use std::path::Path;

use anyhow::ensure;
use azimuth_collector::clock;

use super::ask::ask;
use super::feed::feed;
use super::figures::{Better, Figures};
use super::system::{Exporter, System, Window, start};
use super::truth::{Slot, ZONES};

const SLOT_MS: u32 = 10_000;
const HOUR_MS: u64 = 3_600_000;
/// Intervals of the map.
const MAP_SLOTS: u64 = 30;
/// Vantage points of the map, whatever the size of the fleet.
pub(crate) const MAP_VANTAGES: u32 = 30;
/// Times the map is asked for.
const TIMES: usize = 10;

/// Measures one system with a fleet of one size.
pub(crate) fn measure(
    system: &dyn System,
    vantages: u32,
    scratch: &Path,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let name = system.name();
    let series = f64::from(vantages * ZONES);
    let directory = scratch.join(format!("growth-{vantages}-{name}"));
    let server = start(system, &directory)?;
    let mut exporters: Vec<Box<dyn Exporter>> = (0..vantages)
        .map(|vantage| system.exporter(vantage, ZONES))
        .collect();
    eprintln!("== {name}: {series} series");
    let mut note = |what: &str, better, value| {
        figures.note(&format!("{series} series: {what}"), better, None, name, value);
    };

    // A part of an hour that is over, so that it can be brought to rest.
    let hour_unix_ms = (clock::unix_ms() / HOUR_MS - 1) * HOUR_MS;
    let slots = Slot::row(hour_unix_ms, SLOT_MS, MAP_SLOTS + 1);
    let before_s = server.cpu_s()?;
    feed(server.address, &mut exporters, &slots[..1], 1)?;
    let known_s = server.cpu_s()?;
    let fed = feed(server.address, &mut exporters, &slots[1..], 1)?;
    let cpu_s = server.cpu_s()? - known_s;
    eprintln!(
        "   {MAP_SLOTS} intervals delivered in {:.1} s; the server spent {cpu_s:.2} s",
        fed.wall_s
    );
    note(
        "first interval, CPU us per series",
        Better::Less,
        (known_s - before_s) * 1e6 / series,
    );
    note(
        "ingest, histograms per CPU-second",
        Better::More,
        series * MAP_SLOTS as f64 / cpu_s,
    );

    system.make_visible(&mut super::client::Client::connect(server.address)?)?;
    let window = Window {
        from_s: slots[1].start_unix_ms / 1_000,
        to_s: slots[slots.len() - 1].end_unix_ms() / 1_000,
    };
    let (cost, answers) = ask(&server, &system.map_questions(window, Some(MAP_VANTAGES)), TIMES)?;
    let cells = system.read_map(&answers)?.len();
    ensure!(
        cells == (MAP_VANTAGES * ZONES) as usize,
        "{name}: a map of {cells} cells"
    );
    note(
        "map of 30 x 60 of them, 5 min, CPU ms",
        Better::Less,
        cost.cpu_median_ms,
    );
    note("memory, MB, most", Better::Less, server.memory_mb()?.1);

    let (server, at_rest) = system.settle(server, &directory, 1)?;
    let histograms = series * slots.len() as f64;
    note(
        "coming to rest, CPU us per histogram",
        Better::Less,
        at_rest.cpu_s * 1e6 / histograms,
    );
    note(
        "coming to rest, memory, MB, most",
        Better::Less,
        server.memory_mb()?.1,
    );
    server.terminate()?;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
