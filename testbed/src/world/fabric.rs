//! The network of a world without its programs: namespaces, devices and the relay between them.

use std::sync::mpsc::SyncSender;

use crate::clock::Clock;
use crate::namespace::{Namespace, NamespaceError};
use crate::plan::Plan;
use crate::relay::network::Network;
use crate::relay::thread::{PacketRecords, Relay, RelayEnd};
use crate::truth::line::{EndLine, WorldLine};
use crate::truth::writer::Message;

/// A running network. Dropping it takes every namespace and device away.
#[derive(Debug)]
pub struct Fabric {
    /// In node order: vantage points, then zones.
    pub namespaces: Vec<Namespace>,
    /// The thread between them.
    pub relay: Relay,
    /// Its clock, 0 when the world began.
    pub clock: Clock,
}

/// Why a network could not be built or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// A namespace could not be made.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The relay could not start or met an error.
    #[error("the relay: {0}")]
    Relay(#[from] std::io::Error),
}

impl Fabric {
    /// Builds every namespace of `plan` and starts the relay; the world's clock starts last.
    ///
    /// `progress` is told how many namespaces stand.
    ///
    /// # Errors
    /// [`FabricError`]; whatever was built until then is gone again.
    pub fn build(
        plan: &Plan,
        truth: &SyncSender<Message>,
        records: PacketRecords,
        mut progress: impl FnMut(usize),
    ) -> Result<Self, FabricError> {
        let mut namespaces = Vec::new();
        let mut tuns = Vec::new();
        for (ipv4, ipv6) in plan.addresses() {
            let (namespace, tun) = Namespace::create(ipv4, ipv6)?;
            namespaces.push(namespace);
            tuns.push(tun);
            progress(namespaces.len());
        }
        let clock = Clock::start();
        let relay = Relay::start(Network::new(plan.clone()), tuns, clock, truth.clone(), records)?;
        let real_time = relay.priority == crate::namespace::RelayPriority::RealTime;
        // A closed queue is the writer's error, reported when it is joined.
        let _ = truth.send(Message::World(WorldLine::of(
            plan,
            clock.began_unix_ns(),
            real_time,
        )));
        Ok(Self {
            namespaces,
            relay,
            clock,
        })
    }

    /// Stops the relay and reads the last counters; the namespaces go with `self`.
    ///
    /// # Errors
    /// When the relay had met an error.
    pub fn finish(self) -> Result<EndLine, FabricError> {
        let end = self.relay.stop()?;
        let device_drops = self
            .namespaces
            .iter()
            .map(Namespace::device_drops)
            .sum::<Result<u64, _>>()
            .ok();
        Ok(end_line(&end, device_drops, self.clock.unix_ns()))
    }
}

fn end_line(end: &RelayEnd, device_drops: Option<u64>, now_unix_ns: u64) -> EndLine {
    EndLine {
        at: crate::clock::iso8601(now_unix_ns),
        strays: end
            .strays
            .iter()
            .map(|(reason, count)| (reason.as_str(), *count))
            .collect(),
        in_flight: end.in_flight as u64,
        device_drops,
        packet_lines_lost: end.packet_lines_lost,
    }
}
