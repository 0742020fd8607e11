//! The keys of `[plan]`: what this host allows the plan of its collector. What the keys mean is [`crate::policy`]'s.

use super::document::{Section, Wrong, boolean, integer, shown, text};
use crate::policy::Policy;

/// The most networks and ports that are listed.
const MOST_LISTED: usize = 256;

/// Reads the table; what it does not say is as it usually is.
pub(super) fn read(section: Option<Section<'_>>) -> Policy {
    let mut policy = Policy::default();
    let Some(mut section) = section else { return policy };
    if let Some(enabled) = section.optional("enabled", boolean) {
        policy.enabled = enabled;
    }
    let allow = section.optional("allow", |value| {
        let remedy = "Use a list of networks, for example [\"10.0.0.0/8\", \"fd12::/16\"]";
        let Some(array) = value.as_array().filter(|array| array.len() <= MOST_LISTED) else {
            return Err(Wrong(
                format!("not a list of at most {MOST_LISTED}"),
                remedy.into(),
            ));
        };
        let prefix = |element: &toml::Spanned<toml::de::DeValue<'_>>| {
            let given = text(element.get_ref())?;
            given
                .parse()
                .map_err(|error| Wrong(format!("{}: {error}", shown(&given)), remedy.into()))
        };
        array.iter().map(prefix).collect()
    });
    if let Some(allow) = allow {
        policy.allow = allow;
    }
    let ports = section.optional("ports", |value| {
        let remedy = "Use a list of ports, for example [443, 862]";
        let Some(array) = value.as_array().filter(|array| array.len() <= MOST_LISTED) else {
            return Err(Wrong(
                format!("not a list of at most {MOST_LISTED}"),
                remedy.into(),
            ));
        };
        let port = |element: &toml::Spanned<toml::de::DeValue<'_>>| {
            let port = integer(1..=u16::MAX.into())(element.get_ref())?;
            u16::try_from(port).map_err(|_| Wrong(format!("{port} is no port"), remedy.into()))
        };
        array.iter().map(port).collect()
    });
    if let Some(ports) = ports {
        policy.ports = ports;
    }
    let narrow = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    if let Some(least) = narrow(section.optional("least_period_ms", integer(10..=3_600_000))) {
        policy.least_period_ms = least;
    }
    if let Some(most) = narrow(section.optional("max_probes_per_s", integer(1..=100_000))) {
        policy.most_probes_per_s = most;
    }
    if let Some(most) = narrow(section.optional("max_targets", integer(0..=1_000))) {
        policy.most_targets = most as usize;
    }
    section.finish();
    policy
}
