//! Regression detection: told what a series measured and when, it says when the series got worse, since when, by how
//! much, and when that was over. Pure: no IO, no clock, no randomness; the same ticks give the same events. It never
//! looks ahead, and an event comes out of the tick that caused it. It is not the notifications.
//!
//! From tick to event:
//!
//! 1. A [`Tick`] is what one series measured in one interval: a histogram of delays, or a single delay, and counts. Feed
//!    idle series only: a delay measured under load (`LoadLabel` other than `Idle`) says nothing about the path.
//! 2. [`unit`] merges ticks to at least one minute. Probes of the same minute are correlated, so a unit counts as **one**
//!    observation however many delays it holds: that is the honest effective sample size, and it makes 10 s histograms
//!    and one delay every four minutes the same thing to everything behind it.
//! 3. [`level`] watches one statistic of the units (median, tail, spread) against the reference: the units since the last
//!    accepted change. A clipped cumulative sum ([`ladder`]) confirms a shift, floors in milliseconds and percent say
//!    whether anybody would care, the reference's noise and its serial correlation ([`evidence`]) how far a shift must
//!    stand out, and the bottom of the ladder is the time of the change. An accepted change, in either direction, begins
//!    a new reference.
//! 4. [`caution`] remembers excursions that went away by themselves and asks the series for more confirmation.
//! 5. [`loss`] watches the counts: Page's test of the lost share.
//!    [`rates`] watches the results of throughput tests, which are few, by ranks alone.
//! 6. [`ledger`] pairs each regression with its end: recovered, or a lasting new baseline.
//! 7. [`rules`] say which of it deserves a person, and watch thresholds, absence and objectives beside it.
//! 8. [`lifecycle`] makes alerts of their verdicts, and [`book`] keeps all of them.
//! 9. [`blame`] pools the [`weak`] evidence of many series and names what they have in common; [`incident`] makes an
//!    alert of that, with the series' alerts inside.
//!
//! Many series at once: the ladders are sequential tests, whose false alarms come at a rate per series and day that does
//! not depend on how many series are watched beside it. [`crowd`] says what more each of very many has to prove, so that the
//! rate of all together is bounded too. Tests hold both down (`tests/alert_synthetic.rs`, `tests/alert_crowd.rs`).

pub mod blame;
pub mod book;
pub mod caution;
pub mod crowd;
pub mod detector;
pub mod event;
pub mod evidence;
pub mod hours;
pub mod incident;
pub mod ladder;
pub mod ledger;
pub mod level;
pub mod lifecycle;
pub mod loss;
pub mod rates;
pub mod reference;
pub mod replay;
pub mod rules;
pub mod settings;
pub mod sickness;
pub mod sketch;
pub mod tick;
pub mod unit;
pub mod weak;

pub use detector::Detector;
pub use event::{Change, Direction, End, Event, Statistic};
pub use settings::Settings;
pub use tick::{Delays, Tick, TickRefused};
