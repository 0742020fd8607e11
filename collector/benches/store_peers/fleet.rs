//! The phase with the fleet of the bars, 30 vantage points by 60 zones: an hour delivered, brought to rest, then the last
//! five minutes delivered and asked about.

use std::path::Path;

use anyhow::ensure;
use azimuth_collector::clock;

use super::ask::ask;
use super::feed::feed;
use super::figures::{Better, Figures};
use super::system::{Cell, Exporter, System, Window, start};
use super::truth::{Path as PathSeen, Slot, ZONES, agent_name, zone_name};

const VANTAGES: u32 = 30;
const SLOT_MS: u32 = 10_000;
const HOUR_MS: u64 = 3_600_000;
/// Intervals of the map.
const MAP_SLOTS: u64 = 30;
/// Times every question is asked.
const TIMES: usize = 25;

/// Measures one system.
pub(crate) fn measure(
    system: &dyn System,
    scratch: &Path,
    quick: bool,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let name = system.name();
    let mut note = |what: &str, better, bar, value| figures.note(what, better, bar, name, value);
    let directory = scratch.join(format!("fleet-{name}"));
    let server = start(system, &directory)?;
    let mut exporters: Vec<Box<dyn Exporter>> = (0..VANTAGES)
        .map(|vantage| system.exporter(vantage, ZONES))
        .collect();

    let hour_unix_ms = (clock::unix_ms() / HOUR_MS - 1) * HOUR_MS;
    let slots = Slot::row(hour_unix_ms, SLOT_MS, if quick { 60 } else { 360 });
    let histograms = slots.len() as f64 * f64::from(VANTAGES * ZONES);
    eprintln!("== {name}: {histograms} histograms of {VANTAGES} x {ZONES} series");
    let before_s = server.cpu_s()?;
    let fed = feed(server.address, &mut exporters, &slots, 1)?;
    let cpu_s = server.cpu_s()? - before_s;
    eprintln!(
        "   delivered in {:.1} s; the server spent {cpu_s:.2} s",
        fed.wall_s
    );
    note(
        "wire, bytes per histogram",
        Better::Less,
        Some(25.0),
        fed.body_bytes as f64 / histograms,
    );
    note(
        "ingest, histograms per CPU-second",
        Better::More,
        Some(200_000.0),
        histograms / cpu_s,
    );
    let (loaded_mb, loaded_most_mb) = server.memory_mb()?;
    let hot_bytes = super::process::bytes_under(&directory);

    let (server, at_rest) = system.settle(server, &directory, 1)?;
    let (_, settled_most_mb) = server.memory_mb()?;
    eprintln!("   at rest; the server spent {:.2} s on that", at_rest.cpu_s);
    note(
        "at rest, bytes per histogram",
        Better::Less,
        Some(22.0),
        at_rest.bytes as f64 / histograms,
    );
    note(
        "  of these without the peers' index",
        Better::Less,
        None,
        at_rest.sample_bytes as f64 / histograms,
    );
    note(
        "  with all rollups",
        Better::Less,
        None,
        at_rest.with_rollups_bytes as f64 / histograms,
    );
    note(
        "  before it came to rest",
        Better::Less,
        None,
        hot_bytes as f64 / histograms,
    );
    note(
        "coming to rest, CPU us per histogram",
        Better::Less,
        None,
        at_rest.cpu_s * 1e6 / histograms,
    );

    let now_unix_ms = clock::unix_ms() / u64::from(SLOT_MS) * u64::from(SLOT_MS);
    let window = Window {
        from_s: now_unix_ms / 1_000 - MAP_SLOTS * 10,
        to_s: now_unix_ms / 1_000,
    };
    // One more in front: a counter's increase needs the value before.
    let first_unix_ms = now_unix_ms - (MAP_SLOTS + 1) * u64::from(SLOT_MS);
    let live = Slot::row(first_unix_ms, SLOT_MS, MAP_SLOTS + 1);
    feed(server.address, &mut exporters, &live, 1)?;
    system.make_visible(&mut super::client::Client::connect(server.address)?)?;
    let (cost, answers) = ask(&server, &system.map_questions(window, None), TIMES)?;
    let cells = system.read_map(&answers)?;
    ensure!(
        cells.len() == (VANTAGES * ZONES) as usize,
        "{name}: a map of {} cells",
        cells.len()
    );
    note(
        "map 30 x 60, 5 min: CPU ms, median",
        Better::Less,
        Some(25.0),
        cost.cpu_median_ms,
    );
    note(
        "map 30 x 60, 5 min: CPU ms, most",
        Better::Less,
        None,
        cost.cpu_max_ms,
    );
    note(
        "map 30 x 60, 5 min: wall ms, median",
        Better::Less,
        None,
        cost.wall_median_ms,
    );
    note(
        "map 30 x 60, 5 min: wall ms, most",
        Better::Less,
        None,
        cost.wall_max_ms,
    );
    let (p50, p99) = errors(&cells, &live[1..]);
    note("  error of p50 in %, worst cell", Better::Less, Some(0.05), p50);
    note("  error of p99 in %, worst cell", Better::Less, Some(0.05), p99);

    let (asked_mb, asked_most_mb) = server.memory_mb()?;
    note(
        "memory at 1,800 series, MB, most",
        Better::Less,
        Some(64.0),
        loaded_most_mb.max(asked_most_mb),
    );
    note("  after the load", Better::Less, None, loaded_mb);
    note("  coming to rest, most", Better::Less, None, settled_most_mb);
    note("  after the maps", Better::Less, None, asked_mb);
    server.terminate()
}

/// The worst relative errors of a map against the delays themselves (nearest rank), percent.
fn errors(cells: &[Cell], slots: &[Slot]) -> (f64, f64) {
    let mut worst = (0.0_f64, 0.0_f64);
    let mut seen = Vec::new();
    for vantage in 0..VANTAGES {
        for zone in 0..ZONES {
            let path = PathSeen::of(vantage, zone);
            let mut delays_us = Vec::new();
            for slot in slots {
                path.see(*slot, &mut seen);
                delays_us.extend_from_slice(&seen);
            }
            delays_us.sort_unstable();
            let (provider, region, name) = zone_name(zone);
            let (agent, zone) = (agent_name(vantage), format!("{provider}/{region}/{name}"));
            let Some(cell) = cells.iter().find(|cell| cell.agent == agent && cell.zone == zone) else {
                continue;
            };
            let error = |share: f64, said_us: f64| {
                let rank = (share * delays_us.len() as f64).ceil() as usize;
                let exact_us = f64::from(delays_us[rank.saturating_sub(1)]);
                (said_us - exact_us).abs() / exact_us * 100.0
            };
            worst = (
                worst.0.max(error(0.5, cell.p50_us)),
                worst.1.max(error(0.99, cell.p99_us)),
            );
        }
    }
    worst
}
