//! Which version of the plan it is, whether everything is stopped, and the signed plan of each agent. What must outlive the
//! process is one small file, `DATA_DIR/fleet/plan.json`; the rest follows from the plan and from what is known of agents.
//!
//! A version is the Unix time in milliseconds at which the plan changed, and always more than the one before: agents refuse
//! to go back, so that an old plan, signed once, cannot be put before them again.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use azimuth_measurement::enrolment::{base64url, plan_statement};
use azimuth_measurement::plan::{Plan, SignedPlan};
use azimuth_measurement::{AgentId, PlanStanding};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::agents::Labels;
use super::expand::{Expanded, expand};
use super::file::{Entry, PlanFile};
use super::reflectors::Places;
use crate::fleet::keys::CollectorKey;
use crate::secret::{hex, sha256};
use crate::whole_file::{Readers, replace};

/// What is known of agents is read again after so long, because their configurations change.
const LABELS_KEPT: Duration = Duration::from_secs(30);
/// And for an agent that is not known yet after so long.
const LABELS_KEPT_FOR_A_STRANGER: Duration = Duration::from_secs(1);
/// Hexadecimal digits of a tag that tell two plans of one version apart.
const TAG_DIGITS: usize = 16;

/// Why there is no desk, or why an order could not be kept.
#[derive(Debug, Error)]
pub enum DeskError {
    /// The system refuses.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// What is in it is not ours. It may say that everything is stopped, so it is not passed over.
    #[error(
        "{}: {reason}; put the file back from a backup, or move it away, which takes everything up again that was stopped",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Why it is not understood.
        reason: String,
    },
}

/// What outlives the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The version.
    pub version: u64,
    /// Whether nothing is to be sent by anybody.
    pub stopped: bool,
    /// Since when it is this version.
    pub changed_at_unix_ms: u64,
    /// SHA-256 of the entries, hexadecimal: they changed if it is another.
    digest: String,
}

impl Standing {
    /// Whether it is the version of this plan.
    pub fn is_of(&self, plan: &PlanFile) -> bool {
        self.digest == digest(plan)
    }
}

/// What was kept in `data_dir`; nothing, if no collector has run there.
///
/// # Errors
/// When the file cannot be read or understood.
pub fn kept(data_dir: &Path) -> Result<Option<Standing>, DeskError> {
    let file = file_in(data_dir);
    match std::fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| DeskError::Damaged {
                file,
                reason: error.to_string(),
            }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DeskError::Io { file, source }),
    }
}

fn file_in(data_dir: &Path) -> PathBuf {
    data_dir.join("fleet").join("plan.json")
}

/// The plan of one agent, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Names the plan: another one has another tag.
    pub tag: String,
    /// What is sent.
    pub signed: SignedPlan,
}

/// The plan and who has which.
pub struct PlanDesk {
    plan: Arc<PlanFile>,
    file: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    standing: Standing,
    labels: BTreeMap<String, Labels>,
    /// The plan with its reflectors where they stand, and where that is.
    placed: Arc<PlanFile>,
    places: Places,
    /// What agents say that they measure by.
    running: BTreeMap<String, PlanStanding>,
    looked_at: Option<Instant>,
    /// The tags, each with what it was made for.
    tags: HashMap<String, (u64, Labels, String)>,
}

impl PlanDesk {
    /// Opens what is in `data_dir`/fleet, which is there. Another plan than the last one gets another version.
    ///
    /// # Errors
    /// When the file cannot be read, understood or written.
    pub fn open(data_dir: &Path, plan: Arc<PlanFile>, now_unix_ms: u64) -> Result<Self, DeskError> {
        let file = file_in(data_dir);
        let digest = digest(&plan);
        let standing = match kept(data_dir)? {
            Some(standing) if standing.digest == digest => standing,
            before => {
                let standing = Standing {
                    version: after(before.as_ref(), now_unix_ms),
                    stopped: before.is_some_and(|before| before.stopped),
                    changed_at_unix_ms: now_unix_ms,
                    digest,
                };
                keep(&file, &standing)?;
                standing
            }
        };
        Ok(Self {
            plan: Arc::clone(&plan),
            file,
            inner: Mutex::new(Inner {
                standing,
                labels: BTreeMap::new(),
                placed: plan,
                places: Places::new(),
                running: BTreeMap::new(),
                looked_at: None,
                tags: HashMap::new(),
            }),
        })
    }

    /// The plan as it was written, with the reflectors whose place is known.
    pub fn plan(&self) -> Arc<PlanFile> {
        Arc::clone(&self.lock().placed)
    }

    /// Which version it is.
    pub fn standing(&self) -> Standing {
        self.lock().standing.clone()
    }

    /// Has everybody stop, or take up again. A new version either way, also if nothing changes by it: who asks wants to be
    /// sure that it is told.
    ///
    /// # Errors
    /// When it cannot be kept; nothing has changed then.
    pub fn set_stopped(&self, stopped: bool, now_unix_ms: u64) -> Result<Standing, DeskError> {
        let mut inner = self.lock();
        let standing = Standing {
            version: after(Some(&inner.standing), now_unix_ms),
            stopped,
            changed_at_unix_ms: now_unix_ms,
            digest: inner.standing.digest.clone(),
        };
        keep(&self.file, &standing)?;
        inner.standing = standing.clone();
        Ok(standing)
    }

    /// Whether what is known of agents has to be read again before `agent` is answered. Who is told so reads it; others that
    /// ask meanwhile are answered by what was known before, but for the first time of all.
    pub fn wants_labels(&self, agent: &AgentId, now: Instant) -> bool {
        let mut inner = self.lock();
        let kept = if inner.labels.contains_key(agent.as_str()) {
            LABELS_KEPT
        } else {
            LABELS_KEPT_FOR_A_STRANGER
        };
        let Some(looked_at) = inner.looked_at else {
            return true;
        };
        let is_old = now.saturating_duration_since(looked_at) >= kept;
        if is_old {
            inner.looked_at = Some(now);
        }
        is_old
    }

    /// Takes in what is known of all agents, and by which plan they measure.
    pub fn learn(
        &self,
        labels: impl IntoIterator<Item = Labels>,
        mut places: Places,
        running: BTreeMap<String, PlanStanding>,
        now: Instant,
    ) {
        let has_reflector = |agent: &String| {
            let mut reflectors = self.plan.reflectors.iter();
            reflectors.any(|reflector| reflector.agent.as_str() == agent)
        };
        places.retain(|agent, place| has_reflector(agent) && !place.is_unknown());
        // Most plans name none, and where hosts stand rarely changes: only then is there anything to work out.
        let placed = (self.lock().places != places).then(|| self.plan.placed(&places));
        let mut inner = self.lock();
        if let Some((plan, left)) = placed {
            for agent in left {
                tracing::warn!(%agent, "its reflector has no place: the agent does not say where its host stands, or the catalogue does not know the region");
            }
            inner.placed = Arc::new(plan);
            inner.places = places;
            inner.tags.clear();
        }
        inner.running = running;
        inner.labels = labels
            .into_iter()
            .map(|labels| (labels.agent.clone(), labels))
            .collect();
        inner.looked_at = Some(now);
        let Inner { labels, tags, .. } = &mut *inner;
        tags.retain(|agent, _| labels.contains_key(agent));
    }

    /// What is known of all agents, by name.
    pub fn labels(&self) -> Vec<Labels> {
        self.lock().labels.values().cloned().collect()
    }

    /// By which plan an agent measured when that was looked at last.
    pub fn running(&self, agent: &str) -> Option<PlanStanding> {
        self.lock().running.get(agent).cloned()
    }

    /// What `labels` is to measure, stopped or not.
    pub fn expanded(&self, labels: &Labels) -> Expanded {
        expand(&self.plan(), labels)
    }

    /// The tag of the plan of one agent.
    pub fn tag(&self, agent: &AgentId) -> String {
        let (version, labels) = {
            let inner = self.lock();
            let labels = inner.labels_of(agent);
            if let Some((version, of, tag)) = inner.tags.get(agent.as_str())
                && *version == inner.standing.version
                && *of == labels
            {
                return tag.clone();
            }
            (inner.standing.version, labels)
        };
        let tag = tag_of(&self.text(agent));
        let mut inner = self.lock();
        if inner.standing.version == version && inner.labels.contains_key(agent.as_str()) {
            inner
                .tags
                .insert(agent.as_str().to_owned(), (version, labels, tag.clone()));
        }
        tag
    }

    /// The plan of one agent, signed.
    pub fn give(&self, agent: &AgentId, key: &CollectorKey) -> Given {
        let text = self.text(agent);
        let signature = key.sign(&plan_statement(agent, text.as_bytes()));
        Given {
            tag: tag_of(&text),
            signed: SignedPlan {
                plan: text,
                signature: base64url::encode(&signature),
            },
        }
    }

    fn text(&self, agent: &AgentId) -> String {
        let (standing, labels) = {
            let inner = self.lock();
            (inner.standing.clone(), inner.labels_of(agent))
        };
        let plan = Plan {
            version: standing.version,
            agent: agent.as_str().to_owned(),
            stopped: standing.stopped,
            targets: if standing.stopped {
                Vec::new()
            } else {
                self.expanded(&labels).targets
            },
        };
        // Numbers and text: it always has a form.
        serde_json::to_string(&plan).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn labels_of(&self, agent: &AgentId) -> Labels {
        self.labels
            .get(agent.as_str())
            .cloned()
            .unwrap_or_else(|| Labels {
                agent: agent.as_str().to_owned(),
                ..Labels::default()
            })
    }
}

/// The version after this one.
fn after(before: Option<&Standing>, now_unix_ms: u64) -> u64 {
    before
        .map_or(1, |before| before.version.saturating_add(1))
        .max(now_unix_ms)
}

fn keep(file: &Path, standing: &Standing) -> Result<(), DeskError> {
    let io = |source| DeskError::Io {
        file: file.to_owned(),
        source,
    };
    let bytes = serde_json::to_vec(standing).map_err(|error| io(error.into()))?;
    replace(file, &bytes, Readers::Owner).map_err(io)
}

/// As an entity tag holds it (RFC 9110 section 8.8.3), without the quotes.
fn tag_of(text: &str) -> String {
    hex(&sha256(text.as_bytes())).chars().take(TAG_DIGITS).collect()
}

fn digest(plan: &PlanFile) -> String {
    let row = |entry: &Entry| {
        serde_json::json!([
            entry.name,
            entry.agents.to_string(),
            entry.method.as_str(),
            entry.period_ms,
            entry.waiting_time_ms,
            entry.chosen,
        ])
    };
    let reflectors = plan.reflectors.iter().map(|one| {
        let methods: Vec<_> = one.methods.iter().map(|method| method.as_str()).collect();
        serde_json::json!([one.agent.as_str(), one.host, one.port, methods])
    });
    let rows: Vec<_> = plan.entries.iter().map(row).chain(reflectors).collect();
    hex(&sha256(serde_json::Value::from(rows).to_string().as_bytes()))
}

#[cfg(test)]
mod tests;
