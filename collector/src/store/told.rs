//! What a commit tells of: each report that has just become durable, decoded at most once for all who want to look into it.
//! Not kept: it lives as long as it is told of.

use std::cell::OnceCell;

use azimuth_measurement::Report;
use azimuth_measurement::codec::decode_report;

use super::VerifiedReport;
use super::dictionary::KnownManifest;

/// Hears of every report that was stored, once, after it is durable.
pub type Tell<'a> = &'a mut dyn FnMut(&JustStored<'_>);

/// A report that has just become durable.
#[derive(Debug)]
pub struct JustStored<'a> {
    report: &'a VerifiedReport,
    /// Its bytes as they were kept.
    frame: &'a [u8],
    known: Option<&'a KnownManifest>,
    decoded: OnceCell<Option<Report>>,
}

impl<'a> JustStored<'a> {
    pub(super) fn new(report: &'a VerifiedReport, frame: &'a [u8], known: Option<&'a KnownManifest>) -> Self {
        Self {
            report,
            frame,
            known,
            decoded: OnceCell::new(),
        }
    }

    /// The report as it came.
    pub fn report(&self) -> &'a VerifiedReport {
        self.report
    }

    /// What is in it, and what its records mean: decoded by whoever asks first. `None` when it cannot be read back or its
    /// manifest is not known, which is a fault of the store.
    pub fn content(&self) -> Option<(&Report, &'a KnownManifest)> {
        let decoded = self.decoded.get_or_init(|| decode_report(self.frame).ok());
        decoded.as_ref().zip(self.known)
    }
}
