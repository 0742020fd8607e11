//! The life of one alert: inactive, pending, firing, recovering, resolved; acknowledged, silenced, suppressed. Pure, and
//! all of its state is data: stored after any step and read back, it goes on as if nothing had happened.
//!
//! A notice comes out when somebody is to be told. What holds, under any order of events:
//!
//! * An episode (from firing to resolved) is told at most once, and resolved at most once, and only if it was told.
//! * An alert that is firing and neither silenced, suppressed nor acknowledged has been told; so a silence that ends
//!   during an episode tells it then.
//! * An episode that was told is resolved aloud even if it is silenced by then: whoever was told waits for the end.
//! * The periods run on the time of the data. Where no data came, nothing moves: a gap neither fires nor resolves.

use serde::{Deserialize, Serialize};

use super::rules::watch::{Ending, Evidence, Signal};
use super::settings::MINUTE_MS;

/// Two words of a condition further apart than this have a gap between them, which does not count as time observed.
pub const GAP_MS: u64 = 10 * MINUTE_MS;

/// Time observed between two samples: none across a gap, none backwards.
pub fn observed_ms(from_unix_ms: u64, to_unix_ms: u64) -> u64 {
    let between_ms = to_unix_ms.saturating_sub(from_unix_ms);
    if between_ms > GAP_MS { 0 } else { between_ms }
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// Nothing to say.
    Inactive,
    /// The condition holds, not yet for long enough.
    Pending {
        /// Since when, Unix time in milliseconds.
        since_unix_ms: u64,
        /// For how long, by the data.
        held_ms: u64,
    },
    /// The condition holds.
    Firing {
        /// Since when, Unix time in milliseconds.
        fired_at_unix_ms: u64,
    },
    /// The condition has gone, not yet for long enough.
    Recovering {
        /// Since when the alert fires, Unix time in milliseconds.
        fired_at_unix_ms: u64,
        /// Since when the condition has gone.
        since_unix_ms: u64,
        /// For how long, by the data.
        gone_ms: u64,
    },
    /// Over.
    Resolved {
        /// Since when it had fired, Unix time in milliseconds.
        fired_at_unix_ms: u64,
        /// When it was over.
        resolved_at_unix_ms: u64,
        /// How.
        ending: Ending,
    },
}

impl Phase {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending { .. } => "pending",
            Self::Firing { .. } => "firing",
            Self::Recovering { .. } => "recovering",
            Self::Resolved { .. } => "resolved",
        }
    }

    /// Whether its condition still has something to say about it: pending, firing or recovering.
    pub fn is_going_on(self) -> bool {
        matches!(self, Self::Pending { .. }) || self.is_open()
    }

    /// Whether the episode goes on.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Firing { .. } | Self::Recovering { .. })
    }
}

/// Who took an alert upon themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// What they had to say.
    pub comment: String,
    /// When, Unix time in milliseconds.
    pub at_unix_ms: u64,
}

/// The periods of the alert's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// How long a condition must hold before the alert fires, in milliseconds.
    pub pending_ms: u64,
    /// How long it must have gone before the alert is over, in milliseconds.
    pub keep_firing_ms: u64,
}

/// What happens to an alert.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Its condition has spoken.
    Signal(Signal),
    /// Somebody took it upon themselves.
    Acknowledge(Acknowledgement),
    /// They gave it back.
    Unacknowledge,
    /// A silence or a maintenance window covers it, or no longer does.
    Silenced(bool),
    /// An incident speaks for it, or no longer does.
    Suppressed(bool),
}

/// Somebody is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "notice")]
pub enum Notice {
    /// The episode began.
    Fired {
        /// Its number within the alert, from 1.
        episode: u64,
    },
    /// The episode, of which was told, is over.
    Resolved {
        /// Its number within the alert.
        episode: u64,
    },
}

/// The state of one alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Where it stands.
    #[serde(flatten)]
    pub phase: Phase,
    /// Episodes begun.
    pub episode: u64,
    /// Whether the present or last episode was told.
    pub told: bool,
    /// The condition's latest word while it held.
    pub evidence: Option<Evidence>,
    /// Who took it upon themselves.
    pub acknowledged: Option<Acknowledgement>,
    /// A silence covers it.
    pub silenced: bool,
    /// An incident speaks for it.
    pub suppressed: bool,
    /// Latest signal, Unix time in milliseconds.
    last_unix_ms: u64,
}

impl Default for Alert {
    fn default() -> Self {
        Self {
            phase: Phase::Inactive,
            episode: 0,
            told: false,
            evidence: None,
            acknowledged: None,
            silenced: false,
            suppressed: false,
            last_unix_ms: 0,
        }
    }
}

impl Alert {
    /// Takes what happened at an instant, and says whether somebody is to be told.
    pub fn step(&mut self, at_unix_ms: u64, input: Input, periods: Periods) -> Option<Notice> {
        match input {
            Input::Signal(signal) => {
                let observed_ms = observed_ms(self.last_unix_ms, at_unix_ms);
                let at_unix_ms = at_unix_ms.max(self.last_unix_ms);
                self.last_unix_ms = at_unix_ms;
                match signal {
                    Signal::Holds(evidence) => self.holds(evidence, at_unix_ms, observed_ms, periods),
                    Signal::Gone(ending) => {
                        if let Some(notice) = self.gone(ending, at_unix_ms, observed_ms, periods) {
                            return Some(notice);
                        }
                    }
                }
            }
            Input::Acknowledge(who) => self.acknowledged = self.phase.is_open().then_some(who),
            Input::Unacknowledge => self.acknowledged = None,
            Input::Silenced(silenced) => self.silenced = silenced,
            Input::Suppressed(suppressed) => self.suppressed = suppressed,
        }
        self.tell()
    }

    fn holds(&mut self, evidence: Evidence, at_unix_ms: u64, observed_ms: u64, periods: Periods) {
        self.phase = match self.phase {
            Phase::Inactive | Phase::Resolved { .. } => Phase::Pending {
                since_unix_ms: at_unix_ms,
                held_ms: 0,
            },
            Phase::Pending {
                since_unix_ms,
                held_ms,
            } => Phase::Pending {
                since_unix_ms,
                held_ms: held_ms + observed_ms,
            },
            Phase::Recovering { fired_at_unix_ms, .. } => Phase::Firing { fired_at_unix_ms },
            firing @ Phase::Firing { .. } => firing,
        };
        if let Phase::Pending { held_ms, .. } = self.phase
            && held_ms >= periods.pending_ms
        {
            self.phase = Phase::Firing {
                fired_at_unix_ms: at_unix_ms,
            };
            self.episode += 1;
            self.told = false;
        }
        self.evidence = Some(evidence);
    }

    fn gone(
        &mut self,
        ending: Ending,
        at_unix_ms: u64,
        observed_ms: u64,
        periods: Periods,
    ) -> Option<Notice> {
        let (fired_at_unix_ms, since_unix_ms, gone_ms) = match self.phase {
            Phase::Inactive | Phase::Resolved { .. } => return None,
            Phase::Pending { .. } => {
                self.phase = Phase::Inactive;
                self.evidence = None;
                return None;
            }
            Phase::Firing { fired_at_unix_ms } => (fired_at_unix_ms, at_unix_ms, 0),
            Phase::Recovering {
                fired_at_unix_ms,
                since_unix_ms,
                gone_ms,
            } => (fired_at_unix_ms, since_unix_ms, gone_ms + observed_ms),
        };
        if ending == Ending::Recovered && gone_ms < periods.keep_firing_ms {
            self.phase = Phase::Recovering {
                fired_at_unix_ms,
                since_unix_ms,
                gone_ms,
            };
            return None;
        }
        self.phase = Phase::Resolved {
            fired_at_unix_ms,
            resolved_at_unix_ms: at_unix_ms,
            ending,
        };
        self.acknowledged = None;
        let episode = self.episode;
        self.told.then_some(Notice::Resolved { episode })
    }

    fn tell(&mut self) -> Option<Notice> {
        let owed = matches!(self.phase, Phase::Firing { .. })
            && !self.told
            && !self.silenced
            && !self.suppressed
            && self.acknowledged.is_none();
        if !owed {
            return None;
        }
        self.told = true;
        Some(Notice::Fired {
            episode: self.episode,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rules::measure::Unit;
    use proptest::prelude::*;

    const PERIODS: Periods = Periods {
        pending_ms: 2 * MINUTE_MS,
        keep_firing_ms: 3 * MINUTE_MS,
    };

    fn holds() -> Input {
        Input::Signal(Signal::Holds(Evidence {
            since_unix_ms: 0,
            value: 2.0,
            against: 1.0,
            unit: Unit::Ms,
        }))
    }

    fn gone() -> Input {
        Input::Signal(Signal::Gone(Ending::Recovered))
    }

    fn who() -> Acknowledgement {
        Acknowledgement {
            by: "anna".to_owned(),
            comment: String::new(),
            at_unix_ms: 0,
        }
    }

    /// Steps at minutes; the phases after each, and the notices with the minute they came at.
    fn run(steps: &[(u64, Input)]) -> (Vec<&'static str>, Vec<(u64, Notice)>) {
        let mut alert = Alert::default();
        let mut notices = Vec::new();
        let phases = steps
            .iter()
            .map(|(minute, input)| {
                let notice = alert.step(minute * MINUTE_MS, input.clone(), PERIODS);
                notices.extend(notice.map(|notice| (*minute, notice)));
                alert.phase.as_str()
            })
            .collect();
        (phases, notices)
    }

    #[test]
    fn a_whole_life_is_told_once_and_resolved_once() {
        let (phases, notices) = run(&[
            (1, holds()),
            (2, gone()),
            (3, holds()),
            (4, holds()),
            (5, holds()),
            (6, gone()),
            (7, holds()),
            (8, gone()),
            (9, gone()),
            (10, gone()),
            (11, gone()),
            (12, gone()),
        ]);
        assert_eq!(
            phases,
            [
                "pending",
                "inactive",
                "pending",
                "pending",
                "firing",
                "recovering",
                "firing",
                "recovering",
                "recovering",
                "recovering",
                "resolved",
                "resolved"
            ]
        );
        let episode = 1;
        assert_eq!(
            notices,
            [(5, Notice::Fired { episode }), (11, Notice::Resolved { episode })]
        );
    }

    #[test]
    fn a_gap_neither_fires_nor_resolves() {
        let (phases, _) = run(&[(1, holds()), (500, holds()), (501, holds()), (502, holds())]);
        assert_eq!(phases, ["pending", "pending", "pending", "firing"]);
        let (phases, _) = run(&[
            (1, holds()),
            (2, holds()),
            (3, holds()),
            (4, gone()),
            (500, gone()),
            (501, gone()),
        ]);
        assert_eq!(phases[3..], ["recovering", "recovering", "recovering"]);
    }

    #[test]
    fn a_silence_delays_the_page_to_its_end_and_an_acknowledgement_keeps_it() {
        let fired = |silence: Input, lift: Input| {
            run(&[(1, silence), (1, holds()), (2, holds()), (3, holds()), (9, lift)]).1
        };
        assert_eq!(
            fired(Input::Silenced(true), Input::Silenced(false)),
            [(9, Notice::Fired { episode: 1 })]
        );
        assert_eq!(
            fired(Input::Suppressed(true), Input::Suppressed(false)),
            [(9, Notice::Fired { episode: 1 })]
        );
        assert_eq!(fired(Input::Silenced(true), Input::Acknowledge(who())), []);
    }

    #[test]
    fn who_was_told_is_told_the_end_even_under_a_silence() {
        let (_, notices) = run(&[
            (1, holds()),
            (2, holds()),
            (3, holds()),
            (4, Input::Silenced(true)),
            (5, Input::Signal(Signal::Gone(Ending::NewBaseline))),
        ]);
        assert_eq!(notices[1], (5, Notice::Resolved { episode: 1 }));
    }

    fn input() -> impl Strategy<Value = Input> {
        prop_oneof![
            4 => Just(holds()),
            4 => Just(gone()),
            1 => Just(Input::Signal(Signal::Gone(Ending::NewBaseline))),
            1 => Just(Input::Signal(Signal::Gone(Ending::Retired))),
            1 => Just(Input::Acknowledge(who())),
            1 => Just(Input::Unacknowledge),
            2 => any::<bool>().prop_map(Input::Silenced),
            2 => any::<bool>().prop_map(Input::Suppressed),
        ]
    }

    proptest! {
        #[test]
        fn no_page_is_lost_or_repeated_and_a_restart_changes_nothing(
            steps in prop::collection::vec((0_i64..12, input()), 0..120),
            pending_min in 0_u64..4,
            keep_min in 0_u64..4,
        ) {
            let periods = Periods { pending_ms: pending_min * MINUTE_MS, keep_firing_ms: keep_min * MINUTE_MS };
            let mut alert = Alert::default();
            let (mut fired, mut resolved) = (Vec::new(), Vec::new());
            let mut minute = 100_i64;
            for (step, input) in steps {
                // Now and then time runs backwards.
                minute += step - 1;
                let stored = serde_json::to_string(&alert).expect("plain data");
                let mut restored: Alert = serde_json::from_str(&stored).expect("what was written");
                let before = alert.clone();
                let at = minute as u64 * MINUTE_MS;
                let notice = alert.step(at, input.clone(), periods);
                prop_assert_eq!(restored.step(at, input.clone(), periods), notice);
                prop_assert_eq!(&restored, &alert);
                match notice {
                    Some(Notice::Fired { episode }) => fired.push(episode),
                    Some(Notice::Resolved { episode }) => {
                        prop_assert!(fired.contains(&episode));
                        resolved.push(episode);
                    }
                    None => {}
                }
                let audible = !alert.silenced && !alert.suppressed && alert.acknowledged.is_none();
                if matches!(alert.phase, Phase::Firing { .. }) && audible {
                    prop_assert_eq!(fired.last(), Some(&alert.episode), "a page is lost");
                }
                if before.phase.is_open() && !alert.phase.is_open() && before.told {
                    prop_assert_eq!(resolved.last(), Some(&alert.episode), "a resolution is lost");
                }
            }
            for told in [&fired, &resolved] {
                prop_assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "repeated: {:?}", told);
            }
        }
    }
}
