//! The `[metrics]` table of the configuration: what of the measurements is on `/metrics`.

use serde::Deserialize;

use super::exponential::Schema;

/// Most pairs shown unless told otherwise: 30 vantage points to 60 zones, and some.
pub const DEFAULT_MAX_PAIRS: usize = 2_000;
/// The most that may be asked for. Each takes up to some 7 KiB in memory (schema 5) and 4 KiB of a page.
const MOST_PAIRS: usize = 100_000;

/// What of the measurements is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether any is.
    pub delays: bool,
    /// Most pairs (agent, zone, method, load label) shown.
    pub max_pairs: usize,
    /// Resolution of the native histograms.
    pub schema: Schema,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delays: true,
            max_pairs: DEFAULT_MAX_PAIRS,
            schema: Schema::DEFAULT,
        }
    }
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    delays: Option<bool>,
    max_pairs: Option<toml::Spanned<i64>>,
    schema: Option<toml::Spanned<i64>>,
}

impl Table {
    /// The settings it asks for.
    ///
    /// # Errors
    /// Offset in the text, and what is wrong there.
    pub fn resolve(&self) -> Result<Settings, (usize, String)> {
        let mut settings = Settings::default();
        settings.delays = self.delays.unwrap_or(settings.delays);
        if let Some(written) = &self.max_pairs {
            settings.max_pairs = usize::try_from(*written.get_ref())
                .ok()
                .filter(|pairs| (1..=MOST_PAIRS).contains(pairs))
                .ok_or_else(|| {
                    let given = written.get_ref();
                    let reason = format!(
                        "metrics.max_pairs = {given} is not between 1 and {MOST_PAIRS}; write {DEFAULT_MAX_PAIRS}, or delays = false for none"
                    );
                    (written.span().start, reason)
                })?;
        }
        if let Some(written) = &self.schema {
            settings.schema = u8::try_from(*written.get_ref())
                .ok()
                .and_then(Schema::new)
                .ok_or_else(|| {
                    let (given, finest) = (written.get_ref(), Schema::FINEST);
                    let reason = format!(
                        "metrics.schema = {given} is not between 0 and {finest}; write {}",
                        Schema::DEFAULT.get()
                    );
                    (written.span().start, reason)
                })?;
        }
        Ok(settings)
    }
}
