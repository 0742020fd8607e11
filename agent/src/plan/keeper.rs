//! The plan that is in use: kept on disk beside the identity, and when the next one is asked for. Shared, on one thread, between
//! who fetches it and who measures by it. Told the time and the chance.
//!
//! A plan is asked for when the answer to a report names another one than is in use, and every few minutes anyway. One that was
//! refused is not asked for again before that, however often it is named.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use azimuth_measurement::enrolment::KEY_BYTES;
use azimuth_measurement::plan::{MAX_PLAN_BYTES, Plan};
use azimuth_measurement::report::PlanStanding;
use azimuth_measurement::{AgentId, PlanRefusal};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::judge::judge;
use crate::identity::Identity;

/// From one question to the next, on average, in milliseconds.
const EVERY_MS: u64 = 300_000;
/// The first question after the start comes within this, so that a fleet that comes back does not ask at once.
const FIRST_WITHIN_MS: u64 = 10_000;
/// From a failure to the next question, on average.
const AFTER_FAILURE_MS: u64 = 60_000;
/// A file that is longer holds no plan: every character of it may be escaped.
const MOST_BYTES: u64 = 4 * MAX_PLAN_BYTES as u64;

/// The plan of this agent.
pub struct Keeper {
    file: PathBuf,
    agent: AgentId,
    collector_key: [u8; KEY_BYTES],
    inner: RefCell<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    plan: Option<Plan>,
    /// As the collector named it.
    etag: Option<String>,
    /// The last one that was refused.
    refused_etag: Option<String>,
    ask_at_ms: u64,
    /// Whole plans that were refused since the start.
    plans_refused: BTreeMap<PlanRefusal, u32>,
    /// What of the plan in use is refused.
    parts_refused: BTreeMap<PlanRefusal, u32>,
}

/// What an answer of the collector was.
#[derive(Debug)]
pub enum Answer<'a> {
    /// It is the plan in use.
    Same,
    /// This plan, named so.
    Plan {
        /// What came.
        body: &'a [u8],
        /// How it is named.
        etag: Option<String>,
    },
    /// The collector gives none.
    None,
    /// It was not reached, or not now.
    Failed,
}

impl Keeper {
    /// The keeper of the plan of `identity`, whose file is `identity_file`. What is on disk is judged as if it had just come.
    /// `chance` is from 0 to 1.
    #[must_use]
    pub fn open(identity_file: &Path, identity: &Identity, now_ms: u64, chance: f64) -> Self {
        let keeper = Self {
            file: file_beside(identity_file),
            agent: identity.agent.clone(),
            collector_key: identity.collector_key,
            inner: RefCell::default(),
            changed: Notify::new(),
        };
        match kept(&keeper.file, identity) {
            Ok(plan) => keeper.inner.borrow_mut().plan = plan,
            Err(why) => {
                let file = keeper.file.display();
                warn!("{file}: {why}; the agent does without a plan until the collector gives it one");
            }
        }
        keeper.inner.borrow_mut().ask_at_ms = now_ms + scaled(FIRST_WITHIN_MS, chance);
        keeper
    }

    /// Whether the collector is to be asked now.
    #[must_use]
    pub fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.inner.borrow().ask_at_ms
    }

    /// How the plan in use is named.
    #[must_use]
    pub fn etag(&self) -> Option<String> {
        self.inner.borrow().etag.clone()
    }

    /// The collector named the plan that this agent should have.
    pub fn note_named(&self, tag: &str, now_ms: u64) {
        let named = Some(format!("\"{tag}\""));
        let mut inner = self.inner.borrow_mut();
        if named != inner.etag && named != inner.refused_etag {
            inner.ask_at_ms = inner.ask_at_ms.min(now_ms);
        }
    }

    /// Takes an answer in. A plan that is taken is on disk before anybody measures by it.
    pub fn take(&self, answer: Answer<'_>, now_ms: u64, chance: f64) {
        let mut inner = self.inner.borrow_mut();
        let pause_ms = match &answer {
            Answer::Failed => AFTER_FAILURE_MS,
            _ => EVERY_MS,
        };
        inner.ask_at_ms = now_ms + pause_ms / 2 + scaled(pause_ms, chance);
        let Answer::Plan { body, etag } = answer else {
            return;
        };
        let least = inner.plan.as_ref().map_or(0, |plan| plan.version);
        match judge(body, &self.collector_key, &self.agent, least) {
            Ok((_, plan)) => {
                if let Err(error) = write(&self.file, body) {
                    // It is in use all the same: after a restart the collector is asked again.
                    let file = self.file.display();
                    warn!("{file}: {error}; the plan is not kept, and lasts until the agent stops");
                }
                let is_new = inner.plan.as_ref() != Some(&plan);
                (inner.plan, inner.etag, inner.refused_etag) = (Some(plan), etag, None);
                drop(inner);
                if is_new {
                    self.changed.notify_one();
                }
            }
            Err(why) => {
                *inner.plans_refused.entry(why).or_default() += 1;
                inner.refused_etag = etag;
                warn!(reason = %why, "the collector's plan is refused; the one before stays in use");
            }
        }
    }

    /// The plan in use.
    #[must_use]
    pub fn plan(&self) -> Option<Plan> {
        self.inner.borrow().plan.clone()
    }

    /// Waits until another plan is to be used.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What of the plan in use is refused, as of now.
    pub fn set_refused(&self, refused: BTreeMap<PlanRefusal, u32>) {
        let mut inner = self.inner.borrow_mut();
        if inner.parts_refused != refused {
            info!(?refused, "what this host does not do of its plan");
        }
        inner.parts_refused = refused;
    }

    /// For the reports; `None` before there was a plan.
    #[must_use]
    pub fn standing(&self) -> Option<PlanStanding> {
        let inner = self.inner.borrow();
        if inner.plan.is_none() && inner.plans_refused.is_empty() {
            return None;
        }
        let mut refused = inner.parts_refused.clone();
        for (why, count) in &inner.plans_refused {
            *refused.entry(*why).or_default() += count;
        }
        Some(PlanStanding {
            version: inner.plan.as_ref().map_or(0, |plan| plan.version),
            stopped: inner.plan.as_ref().is_some_and(|plan| plan.stopped),
            refused: refused.into_iter().collect(),
        })
    }
}

/// Where the plan of the identity in `identity_file` is kept.
#[must_use]
pub fn file_beside(identity_file: &Path) -> PathBuf {
    identity_file.with_file_name("plan.json")
}

/// The plan on disk; `None` if there is none.
///
/// # Errors
/// Why it is not used, for people.
pub fn kept(file: &Path, identity: &Identity) -> Result<Option<Plan>, String> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut body = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(opened, MOST_BYTES), &mut body)
        .map_err(|error| error.to_string())?;
    judge(&body, &identity.collector_key, &identity.agent, 0)
        .map(|(_, plan)| Some(plan))
        .map_err(|why| format!("the plan there is refused ({why})"))
}

/// Whole beside the old one, then in its place.
fn write(file: &Path, body: &[u8]) -> io::Result<()> {
    let fresh = file.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut open = OpenOptions::new();
    let mut out = open.write(true).create_new(true).mode(0o600).open(&fresh)?;
    out.write_all(body)?;
    out.sync_all()?;
    fs::rename(&fresh, file)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// A part of `most`.
fn scaled(most: u64, chance: f64) -> u64 {
    (most as f64 * chance.clamp(0.0, 1.0)) as u64
}

#[cfg(test)]
mod tests;
