//! Which of the collector's complaints are worth a line in the log: each when it begins, when its words change, and when it
//! is over, never with every post. Pure; `uplink.rs` writes the lines.

use std::collections::BTreeMap;

use super::answer::{RefusedRecords, Verdict};

/// Settled items in a row after which a complaint that did not come again is over.
const OVER_AFTER: u32 = 30;

/// What to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It began, or is about something else now.
    Begins {
        /// The collector's word for it.
        reason: String,
        /// What it is about.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// It did not come again.
    Over {
        /// The collector's word for it.
        reason: String,
        /// How many items it was about.
        items: u64,
    },
}

/// The complaints that stand.
#[derive(Debug, Default)]
pub struct Complaints {
    standing: BTreeMap<String, Standing>,
}

#[derive(Debug)]
struct Standing {
    what: String,
    items: u64,
    quiet: u32,
}

impl Complaints {
    /// Takes one item's verdict; what of it is news.
    pub fn note(&mut self, verdict: &Verdict) -> Vec<Told> {
        let mut told = Vec::new();
        let mut named = Vec::new();
        match verdict {
            // What the collector says of an item may name the item, which makes it no other complaint.
            Verdict::Refused { reason, detail } | Verdict::Later { reason, detail } if !reason.is_empty() => {
                told.extend(self.stand(reason, detail, false));
                named.push(reason.as_str());
            }
            Verdict::Refused { .. } | Verdict::Later { .. } => {}
            Verdict::Delivered { refused } => {
                for (reason, records) in refused.by_reason() {
                    let what = format!("{records} series of each report are not kept");
                    told.extend(self.stand(reason, &what, true));
                    named.push(reason);
                }
            }
            Verdict::ManifestWanted => return told,
        }
        for (reason, standing) in &mut self.standing {
            standing.quiet = if named.contains(&reason.as_str()) {
                0
            } else {
                standing.quiet + 1
            };
        }
        self.standing.retain(|reason, standing| {
            let over = standing.quiet >= OVER_AFTER;
            if over {
                told.push(Told::Over {
                    reason: reason.clone(),
                    items: standing.items,
                });
            }
            !over
        });
        told
    }

    /// Counts it; what there is to tell, if anything. `by_words`: other words are news.
    fn stand(&mut self, reason: &str, what: &str, by_words: bool) -> Option<Told> {
        let known = self.standing.contains_key(reason);
        let standing = self
            .standing
            .entry(reason.to_owned())
            .or_insert_with(|| Standing {
                what: what.to_owned(),
                items: 0,
                quiet: 0,
            });
        standing.items += 1;
        if known && (!by_words || standing.what == what) {
            return None;
        }
        what.clone_into(&mut standing.what);
        Some(Told::Begins {
            reason: reason.to_owned(),
            what: what.to_owned(),
            remedy: remedy(reason),
        })
    }
}

impl RefusedRecords {
    fn by_reason(self) -> impl Iterator<Item = (&'static str, u32)> {
        [
            ("series_limit", self.series_limit),
            ("new_series_rate", self.new_series_rate),
        ]
        .into_iter()
        .filter(|(_, records)| *records > 0)
    }
}

fn remedy(reason: &str) -> &'static str {
    match reason {
        "identity_conflict" => {
            "another host reports as this agent, or this one was put back to an earlier state: give one of the two \
             another `agent` id and an empty spool directory"
        }
        "series_limit" => {
            "measure fewer targets, or raise series_per_agent or series under [limits] of the collector"
        }
        "new_series_rate" => {
            "nothing; they are taken within hours, sooner with a higher new_series_per_agent_per_hour under [limits] of \
             the collector"
        }
        "new_manifest_rate" => {
            "keep targets and addresses the same for an hour, or raise new_manifests_per_agent_per_hour under [limits] of \
             the collector; the reports wait in the spool"
        }
        "agent_limit" => "remove agents that are no more, or give this one a collector of its own",
        _ => "see what the collector says of it; its log has a line for each",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: &str) -> Verdict {
        Verdict::Refused {
            reason: reason.to_owned(),
            detail: "said".to_owned(),
        }
    }

    fn kept_but(new_series_rate: u32) -> Verdict {
        Verdict::Delivered {
            refused: RefusedRecords {
                series_limit: 0,
                new_series_rate,
            },
        }
    }

    /// The reasons of what begins, and of what is over with a minus.
    fn told(complaints: &mut Complaints, verdict: &Verdict) -> Vec<String> {
        let told = complaints.note(verdict).into_iter();
        told.map(|told| match told {
            Told::Begins { reason, .. } => reason,
            Told::Over { reason, items } => format!("-{reason} {items}"),
        })
        .collect()
    }

    #[test]
    fn a_complaint_is_told_when_it_begins_when_it_changes_and_when_it_is_over() {
        let mut complaints = Complaints::default();
        assert_eq!(told(&mut complaints, &kept_but(3)), ["new_series_rate"]);
        for _ in 0..100 {
            assert_eq!(
                told(&mut complaints, &kept_but(3)),
                [""; 0],
                "once, not with every report"
            );
        }
        assert_eq!(
            told(&mut complaints, &kept_but(1)),
            ["new_series_rate"],
            "fewer now"
        );
        assert_eq!(
            told(&mut complaints, &refused("identity_conflict")),
            ["identity_conflict"]
        );
        assert_eq!(told(&mut complaints, &refused("identity_conflict")), [""; 0]);
        let after: Vec<Vec<String>> = (0..OVER_AFTER)
            .map(|_| told(&mut complaints, &kept_but(0)))
            .collect();
        let ends = after.concat();
        assert_eq!(ends, ["-new_series_rate 102", "-identity_conflict 2"]);
        assert_eq!(
            told(&mut complaints, &refused("identity_conflict")),
            ["identity_conflict"],
            "news again"
        );
    }

    #[test]
    fn two_hosts_that_take_turns_are_one_complaint() {
        let mut complaints = Complaints::default();
        assert_eq!(
            told(&mut complaints, &refused("identity_conflict")),
            ["identity_conflict"]
        );
        for _ in 0..50 {
            assert_eq!(told(&mut complaints, &kept_but(0)), [""; 0]);
            assert_eq!(told(&mut complaints, &refused("identity_conflict")), [""; 0]);
        }
    }

    #[test]
    fn every_complaint_has_a_remedy_and_waiting_for_a_manifest_is_none() {
        let mut complaints = Complaints::default();
        assert_eq!(complaints.note(&Verdict::ManifestWanted), []);
        let begun = complaints.note(&refused("identity_conflict"));
        assert!(
            matches!(&begun[..], [Told::Begins { what, remedy, .. }] if what == "said" && remedy.contains("spool directory")),
            "{begun:?}"
        );
        assert!(!remedy("a word of a later release").is_empty());
    }
}
