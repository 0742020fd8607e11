//! Where the host of a running agent stands: what its owner says, before what was found. Asks once, again after a failure, later and
//! later, and no more once it knows. Shared, on one thread, between who asks and who measures. What is found goes into the manifest.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use azimuth_measurement::CloudPlace;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::dmi::{DIRECTORY, Dmi};
use super::{Labels, LocateError, locate};
use crate::config::cloud::CloudConfig;

/// From a failure to the next question; twice as long each time, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// A metadata service that is switched off is asked so often.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Where a host is looked at. Tests stand in for both.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The firmware's tables.
    pub dmi: PathBuf,
    /// Asked instead of the metadata address.
    pub instead: Option<SocketAddr>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            dmi: DIRECTORY.into(),
            instead: None,
        }
    }
}

/// What is known.
#[derive(Debug)]
pub struct Standing {
    surroundings: Surroundings,
    said: RefCell<CloudConfig>,
    found: RefCell<CloudPlace>,
    asked: Cell<u32>,
    changed: Notify,
    wanted: Notify,
}

impl Standing {
    /// Nothing found yet.
    #[must_use]
    pub fn new(surroundings: Surroundings, said: &CloudConfig) -> Self {
        Self {
            surroundings,
            said: RefCell::new(said.clone()),
            found: RefCell::default(),
            asked: Cell::default(),
            changed: Notify::new(),
            wanted: Notify::new(),
        }
    }

    /// A configuration says something else.
    pub fn say(&self, said: &CloudConfig) {
        if *self.said.borrow() != *said {
            *self.said.borrow_mut() = said.clone();
            self.found.take();
            self.wanted.notify_one();
        }
    }

    /// Where it stands, as far as that is known.
    #[must_use]
    pub fn place(&self) -> CloudPlace {
        let said = self.said.borrow();
        let place = labels(&said.place).or(labels(&self.found.borrow())).into_place();
        // A part of what was found behind a part that was said otherwise.
        if place.check().is_ok() {
            place
        } else {
            said.place.clone()
        }
    }

    /// Waits until that is another place.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How often a metadata service, or the firmware's tables, were asked.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.asked.get()
    }

    /// Finds it.
    pub async fn look(&self) -> Infallible {
        loop {
            let mut wait = FIRST_WAIT;
            while self.is_wanted() && !self.ask().await {
                tokio::select! {
                    () = tokio::time::sleep(wait) => wait = (2 * wait).min(LONGEST_WAIT),
                    () = self.wanted.notified() => wait = FIRST_WAIT,
                }
            }
            self.wanted.notified().await;
        }
    }

    fn is_wanted(&self) -> bool {
        let said = self.said.borrow();
        said.locate && !labels(&said.place).are_whole()
    }

    /// Whether there is nothing more to learn.
    async fn ask(&self) -> bool {
        self.asked.set(self.asked.get().saturating_add(1));
        let said = self.said.borrow().clone();
        let dmi = Dmi::read(&self.surroundings.dmi);
        match locate(&dmi, labels(&said.place), self.surroundings.instead).await {
            Ok(found) => {
                let found = found.into_place();
                info!(
                    provider = found.provider,
                    region = found.region,
                    zone = found.zone,
                    "where this host stands"
                );
                *self.found.borrow_mut() = found;
                self.changed.notify_one();
                true
            }
            // In no cloud, or in one that is not asked: nothing was sent, and nothing will be.
            Err(LocateError::NoProvider | LocateError::NoRecipe(_)) => true,
            Err(error) => {
                if self.asked.get() == 1 {
                    warn!(
                        "{error}; measuring goes on, and it is asked again later. [cloud] in the configuration can say it"
                    );
                }
                false
            }
        }
    }
}

fn labels(place: &CloudPlace) -> Labels {
    let known = |part: &String| (!part.is_empty()).then(|| part.clone());
    Labels {
        provider: known(&place.provider),
        region: known(&place.region),
        zone: known(&place.zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_comes_before_what_is_found() {
        let place = |provider: &str, region: &str, zone: &str| CloudPlace {
            provider: provider.to_owned(),
            region: region.to_owned(),
            zone: zone.to_owned(),
        };
        let found = place("aws", "eu-west-3", "euw3-az1");
        for (said, wanted) in [
            (place("", "", ""), found.clone()),
            (
                place("aws", "eu-west-3", "euw3-az9"),
                place("aws", "eu-west-3", "euw3-az9"),
            ),
            (place("aws", "", ""), found.clone()),
        ] {
            let said = CloudConfig {
                place: said,
                locate: true,
            };
            let standing = Standing::new(Surroundings::default(), &said);
            *standing.found.borrow_mut() = found.clone();
            assert_eq!(standing.place(), wanted);
        }
    }
}
