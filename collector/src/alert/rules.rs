//! Rules: which series a person wants to hear about, and when. A rule has a selector, a condition, a severity and a route;
//! [`file`] reads them from TOML, [`watch`] holds them against the measurements, one verdict at a time. Pure: no IO, no
//! clock. Not the lifecycle of an alert ([`super::lifecycle`]), which turns verdicts into alerts.
//!
//! | condition | what it watches | room |
//! |---|---|---|
//! | regression | the detector's judgement | [`super::detector`] |
//! | threshold | one measure of a window against a limit | [`threshold`] |
//! | absence | that nothing comes any more | [`watch`] |
//! | objective | how fast an error budget burns | [`objective`] |

pub mod calendar;
pub mod cases;
pub mod file;
pub mod measure;
pub mod minute;
pub mod model;
pub mod objective;
mod reading;
pub mod selector;
pub mod threshold;
pub mod watch;

pub use calendar::{Maintenance, When};
pub use file::read;
pub use measure::Measure;
pub use model::{Condition, Rule, RuleSet, Severity};
pub use reading::Mistake;
pub use selector::{Selector, SeriesLabels};
pub use watch::{AlertKey, Evidence, Sample, Signal, Verdict, Watch};
