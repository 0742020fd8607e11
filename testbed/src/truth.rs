//! The ground truth: what the relay really did to every packet, added up and written down as JSON lines.
//!
//! Not what the plan says should happen: delays here are write time minus read time, as the relay's clock saw them.
//! Format of `truth.jsonl`: one JSON object per line with a `kind`; times in UTC, ISO 8601. See [`mod@line`].

pub mod ledger;
pub mod line;
pub mod writer;
