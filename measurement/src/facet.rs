//! Which side of a target a series shows, where one probe has several: the name that led to its address, the phase of the
//! exchange, the kind of the answer. Not what is measured how: that is the [method](crate::method).

use crate::method::{Answer, Phase};
use crate::text::{self, TextError};

/// The side of a target that a series shows. The default is all there is of a probe that is one packet and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Facet {
    /// The host name whose address is probed, or the DNS question; empty where an address was configured.
    pub host: String,
    /// The part of the exchange.
    pub phase: Phase,
    /// The kind of the answer.
    pub answer: Answer,
}

impl Default for Facet {
    fn default() -> Self {
        Self {
            host: String::new(),
            phase: Phase::Whole,
            answer: Answer::Ordinary,
        }
    }
}

impl Facet {
    /// Whether its delays are what the method stands for, so that maps, alerts and exporters take them without being asked.
    pub fn is_main(&self) -> bool {
        self.phase == Phase::Whole && self.answer == Answer::Ordinary
    }

    /// Refuses a name that cannot be shown.
    pub(crate) fn check(&self) -> Result<(), TextError> {
        if self.host.is_empty() {
            Ok(())
        } else {
            text::check("host name", &self.host)
        }
    }
}
