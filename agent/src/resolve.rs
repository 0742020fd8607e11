//! Looking names up, by the system's resolver, once a cycle. On a thread of its own: the system's resolver blocks for as long
//! as it likes. Decides nothing; see [`crate::roster`].

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock;
use crate::roster::Lookup;

/// Cycles that wait to be taken.
const CYCLES: usize = 2;

/// The thread; it ends when this is dropped, a look-up under way excepted.
#[derive(Debug)]
pub struct Resolver {
    cycles: Option<mpsc::Receiver<Vec<Lookup>>>,
    _alive: SyncSender<()>,
}

impl Resolver {
    /// Looks all of `hosts` up now, and again every `every`. Without hosts there is no thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(hosts: Vec<String>, every: Duration) -> io::Result<Self> {
        Self::start_some(hosts.into_iter().enumerate().collect(), every)
    }

    /// The same for some of them, each with its place among all.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start_some(hosts: Vec<(usize, String)>, every: Duration) -> io::Result<Self> {
        let (alive, ended) = sync_channel(1);
        if hosts.is_empty() {
            return Ok(Self {
                cycles: None,
                _alive: alive,
            });
        }
        let (tell, cycles) = mpsc::channel(CYCLES);
        std::thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || {
                loop {
                    let cycle = hosts.iter().map(|(host, name)| look_up(*host, name));
                    if tell.blocking_send(cycle.collect()).is_err()
                        || ended.recv_timeout(every) != Err(RecvTimeoutError::Timeout)
                    {
                        return;
                    }
                }
            })?;
        Ok(Self {
            cycles: Some(cycles),
            _alive: alive,
        })
    }

    /// The next cycle; never, without hosts.
    pub async fn next(&mut self) -> Vec<Lookup> {
        let next = match &mut self.cycles {
            Some(cycles) => cycles.recv().await,
            None => None,
        };
        match next {
            Some(cycle) => cycle,
            None => std::future::pending().await,
        }
    }
}

fn look_up(host: usize, name: &str) -> Lookup {
    let began = clock::monotonic();
    let found = (name, 0).to_socket_addrs();
    Lookup {
        host,
        took_ns: clock::monotonic().since_ns(began),
        found: match found {
            Ok(found) => Ok(found.map(|address| address.ip()).collect::<Vec<IpAddr>>()),
            Err(error) => Err(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_looked_up_at_once_and_a_wrong_one_says_why() {
        // Neither leaves this host: the one is in its files, the other no name at all.
        let hosts = vec!["localhost".to_owned(), "no such name".to_owned()];
        let mut resolver = Resolver::start(hosts, Duration::from_secs(3_600)).expect("a thread");
        let cycle = resolver.next().await;
        let found = cycle[0].found.as_ref().expect("known to every host");
        assert!(
            found.iter().all(IpAddr::is_loopback) && !found.is_empty(),
            "{found:?}"
        );
        assert!(cycle[0].took_ns > 0);
        assert!(cycle[1].found.is_err());
        assert_eq!((cycle[0].host, cycle[1].host), (0, 1));
    }
}
