//! The thread that turns windows into lines of `truth.jsonl`, so that the relay never waits for a disk.
//!
//! Not the account itself ([`super::ledger`]). The queue towards it is bounded by [`QUEUE`]; a full queue makes the
//! relay keep its windows until the next second, and drop (and count) per-packet lines.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::ledger::Window;
use super::line::{EndLine, IncidentLine, Line, PacketLine, PairLine, RelayLine, WorldLine};
use crate::clock::iso8601;
use crate::plan::Plan;
use crate::relay::network::{DropReason, Flow};
use crate::relay::segment::Segment;
use crate::relay::speech::ProbeKey;

/// Messages on their way to the writer. One window each ten seconds, one batch of packets each second.
pub const QUEUE: usize = 64;

/// The file grows no further than this: about a day of the default world, or its disk is the next incident.
const MAX_BYTES: u64 = 4 << 30;

/// One packet, for `--every-packet`.
#[derive(Debug, Clone, Copy)]
pub struct PacketRecord {
    /// Whose packet.
    pub flow: Flow,
    /// When it was read, UTC nanoseconds.
    pub read_unix_ns: u64,
    /// It is the second of a packet that was doubled on the way.
    pub copy: bool,
    /// Whose probe or answer it is, where its protocol tells.
    pub probe: Option<ProbeKey>,
    /// What it carries of which TCP connection.
    pub segment: Option<Segment>,
    /// Write time minus read time, and write time minus due time, ns; or why it was dropped.
    pub fate: Result<(u64, u64), DropReason>,
}

/// What the writer is told.
#[derive(Debug)]
pub enum Message {
    /// The world begins.
    World(WorldLine),
    /// A window is over.
    Window(Window),
    /// An incident begins.
    Incident(IncidentLine),
    /// Some packets, in the order of their fates.
    Packets(Vec<PacketRecord>),
    /// The world ends; the writer does too.
    End(EndLine),
}

/// The writer's thread.
#[derive(Debug)]
pub struct Writer {
    /// Where to send what is to be written.
    pub queue: SyncSender<Message>,
    thread: JoinHandle<io::Result<()>>,
}

impl Writer {
    /// Starts a thread that writes `path`, replacing what was there.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn start(path: &Path, plan: Plan) -> io::Result<Self> {
        let file = File::create(path)?;
        let (queue, messages) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("truth".to_owned())
            .spawn(move || {
                write(
                    &mut Counted {
                        inner: BufWriter::new(file),
                        bytes: 0,
                    },
                    &plan,
                    &messages,
                )
            })?;
        Ok(Self { queue, thread })
    }

    /// Writes the last line and waits for the file to be whole.
    ///
    /// # Errors
    /// When a line could not be written.
    pub fn finish(self, end: EndLine) -> io::Result<()> {
        // A closed queue means the thread has met an error, which join reports.
        let _ = self.queue.send(Message::End(end));
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the truth writer panicked")))
    }
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Counted<W> {
    fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.bytes += text.len() as u64;
        self.inner.write_all(&text)
    }
}

fn write<W: Write>(out: &mut Counted<W>, plan: &Plan, messages: &Receiver<Message>) -> io::Result<()> {
    let mut full = false;
    for message in messages {
        let at_unix_ns = match message {
            Message::End(end) => {
                out.line(&Line::End(end))?;
                return out.inner.flush();
            }
            _ if full => continue,
            Message::World(world) => {
                out.line(&Line::World(world))?;
                0
            }
            Message::Incident(incident) => {
                out.line(&Line::Incident(incident))?;
                0
            }
            Message::Window(window) => {
                let at_unix_ns = window.start_unix_ns;
                write_window(out, plan, window)?;
                at_unix_ns
            }
            Message::Packets(packets) => {
                for packet in &packets {
                    out.line(&Line::Packet(packet_line(plan, packet)))?;
                }
                packets.last().map_or(0, |packet| packet.read_unix_ns)
            }
        };
        if out.bytes > MAX_BYTES {
            full = true;
            out.line(&Line::Full {
                at: iso8601(at_unix_ns),
            })?;
        }
        // A reader follows the file while the world runs.
        out.inner.flush()?;
    }
    out.inner.flush()
}

fn write_window<W: Write>(out: &mut Counted<W>, plan: &Plan, window: Window) -> io::Result<()> {
    let start_unix_ns = window.start_unix_ns;
    let packets = window.flows.values().map(|tally| tally.packets).sum();
    let late_ns = window
        .flows
        .values()
        .flat_map(|tally| tally.late_ns.iter().copied())
        .collect();
    let mut flows: Vec<_> = window.flows.into_iter().collect();
    flows.sort_unstable_by_key(|(flow, _)| *flow);
    for (flow, tally) in flows {
        out.line(&Line::Pair(PairLine::of(plan, start_unix_ns, flow, tally)))?;
    }
    out.line(&Line::Relay(RelayLine::of(start_unix_ns, packets, late_ns)))
}

fn packet_line(plan: &Plan, packet: &PacketRecord) -> PacketLine {
    let (point, zone) = plan.ends_of(packet.flow.pair);
    let us = |ns: u64| (ns + 500) / 1000;
    PacketLine {
        read_at: iso8601(packet.read_unix_ns),
        read_unix_ns: packet.read_unix_ns,
        probe: packet.probe.map(|key| key.to_string()),
        segment: packet.segment.map(|segment| segment.to_string()),
        copy: packet.copy,
        agent: point.agent.to_string(),
        zone: zone.key.to_string(),
        direction: packet.flow.direction.as_str(),
        protocol: packet.flow.protocol.as_str(),
        delay_us: packet.fate.ok().map(|(delay_ns, _)| us(delay_ns)),
        late_us: packet.fate.ok().map(|(_, late_ns)| us(late_ns)),
        dropped: packet.fate.err().map(DropReason::as_str),
    }
}
