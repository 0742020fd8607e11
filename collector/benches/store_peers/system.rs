//! What a system under measurement must be able to do. One implementation per system; the phases know no other words.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::client::{Answer, Client};
use super::feed::feed;
use super::process::Server;
use super::truth::Slot;

/// A stretch of time asked about, unix seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) from_s: u64,
    pub(crate) to_s: u64,
}

/// One vantage point's deliveries.
pub(crate) trait Exporter: Send {
    /// Path and header lines of its requests.
    fn target(&self) -> (&'static str, &'static str);
    /// The body that delivers these slots.
    fn body(&mut self, slots: &[Slot]) -> anyhow::Result<Vec<u8>>;
    /// Holds the answer against what was delivered.
    fn settled(&mut self, answer: Answer) -> anyhow::Result<()>;
}

/// What a system takes on disk once it has nothing more to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtRest {
    /// What the server spent on getting there, seconds.
    pub(crate) cpu_s: f64,
    /// The form that answers at the resolution delivered, everything included.
    pub(crate) bytes: u64,
    /// Of it, what grows with every interval.
    pub(crate) sample_bytes: u64,
    /// With all rollups.
    pub(crate) with_rollups_bytes: u64,
}

/// What a map says of one pair.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub(crate) agent: String,
    pub(crate) zone: String,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// A server of one kind.
pub(crate) trait System {
    /// Its name in the table.
    fn name(&self) -> &'static str;
    /// How it is started on a directory, listening on an address.
    fn command(&self, directory: &Path, address: SocketAddr) -> Command;
    /// What answers 200 once it takes requests.
    fn ready_path(&self) -> &'static str;
    /// Deliveries of one vantage point to these many zones.
    fn exporter(&self, vantage: u32, zones: u32) -> Box<dyn Exporter>;
    /// Makes what was delivered visible to queries.
    fn make_visible(&self, client: &mut Client) -> anyhow::Result<()>;
    /// Brings everything into the form in which it stays, and measures that. `hours` of data are complete.
    fn settle(&self, server: Server, directory: &Path, hours: u64) -> anyhow::Result<(Server, AtRest)>;
    /// The requests that together say p50, p99 and loss of every pair in the window, or of the first vantage points only.
    fn map_questions(&self, window: Window, vantages: Option<u32>) -> Vec<String>;
    /// The requests that together say p50, p99 and loss of one pair, step by step.
    fn series_questions(&self, vantage: u32, zone: u32, window: Window, step_s: u64) -> Vec<String>;
    /// Reads the answers to the questions of a map.
    fn read_map(&self, answers: &[Vec<u8>]) -> anyhow::Result<Vec<Cell>>;
    /// Counts the steps with a median in the answers to the questions of a series.
    fn count_steps(&self, answers: &[Vec<u8>]) -> anyhow::Result<usize>;
    /// A server that holds these slots of the first vantage point, as though it had been there all the time.
    fn remember(&self, directory: &Path, zones: u32, slots: &[Slot]) -> anyhow::Result<Server>;
}

/// Starts a system on a directory.
pub(crate) fn start(system: &dyn System, directory: &Path) -> anyhow::Result<Server> {
    std::fs::create_dir_all(directory)?;
    let log = directory.with_extension("log");
    Server::start(
        |address| system.command(directory, address),
        system.ready_path(),
        &log,
    )
}

/// Feeds the past to a server in the order of time, an hour or ten minutes of it in one request.
pub(crate) fn feed_the_past(
    system: &dyn System,
    directory: &Path,
    zones: u32,
    slots: &[Slot],
) -> anyhow::Result<Server> {
    const SLOTS_PER_REQUEST: usize = 60;
    let server = start(system, directory)?;
    feed(
        server.address,
        &mut [system.exporter(0, zones)],
        slots,
        SLOTS_PER_REQUEST,
    )?;
    system.make_visible(&mut Client::connect(server.address)?)?;
    Ok(server)
}
