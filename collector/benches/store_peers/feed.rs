//! Delivers a fleet's intervals to a server: every vantage point on its own connection, one interval after the other, as
//! fast as the server answers.

use std::net::SocketAddr;

use azimuth_collector::clock;

use super::client::Client;
use super::system::Exporter;
use super::truth::Slot;

/// Most connections at once: below the most that the collector takes from one address.
const MAX_CONNECTIONS: usize = 64;

/// What was delivered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fed {
    /// Bytes of bodies.
    pub(crate) body_bytes: u64,
    /// From the first request to the last answer, seconds.
    pub(crate) wall_s: f64,
}

/// Delivers the slots of every exporter, `per_request` slots in one body.
pub(crate) fn feed(
    address: SocketAddr,
    exporters: &mut [Box<dyn Exporter>],
    slots: &[Slot],
    per_request: usize,
) -> anyhow::Result<Fed> {
    let began = clock::monotonic();
    let share = exporters.len().div_ceil(MAX_CONNECTIONS);
    let body_bytes = std::thread::scope(|scope| {
        let threads: Vec<_> = exporters
            .chunks_mut(share)
            .map(|mine| scope.spawn(move || deliver(address, mine, slots, per_request)))
            .collect();
        let mut body_bytes = 0;
        for thread in threads {
            body_bytes += thread
                .join()
                .map_err(|_| anyhow::anyhow!("a delivering thread panicked"))??;
        }
        anyhow::Ok(body_bytes)
    })?;
    Ok(Fed {
        body_bytes,
        wall_s: (clock::monotonic() - began).as_secs_f64(),
    })
}

fn deliver(
    address: SocketAddr,
    exporters: &mut [Box<dyn Exporter>],
    slots: &[Slot],
    per_request: usize,
) -> anyhow::Result<u64> {
    let mut client = Client::connect(address)?;
    let mut body_bytes = 0;
    for slots in slots.chunks(per_request) {
        for exporter in &mut *exporters {
            let body = exporter.body(slots)?;
            body_bytes += body.len() as u64;
            let (path, headers) = exporter.target();
            let answer = client.request("POST", path, headers, &body)?;
            exporter.settled(answer)?;
        }
    }
    Ok(body_bytes)
}
