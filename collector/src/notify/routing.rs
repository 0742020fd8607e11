//! Which channels are told of a page: by the route of its rule and by its severity. Pure.

use super::page::Page;
use crate::alert::rules::model::{DEFAULT_ROUTE, Severity};

/// What a channel wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wants {
    /// Routes; a channel's own name is one of them without being said.
    pub routes: Vec<String>,
    /// Nothing less urgent.
    pub least: Severity,
}

impl Wants {
    fn route(&self, name: &str, route: &str) -> bool {
        name == route || self.routes.iter().any(|wanted| wanted == route)
    }
}

/// Which channels get the page, and whether its route led nowhere, so that it goes where the default route leads.
///
/// A route leads nowhere when no channel has it at all; a channel that has it but wants more urgent pages only is a
/// decision, and nothing else is tried.
pub fn channels<'a>(page: &Page, channels: &[(&'a str, &'a Wants)]) -> (Vec<&'a str>, bool) {
    let of = |route: &str| -> Vec<(&'a str, &'a Wants)> {
        let all = channels.iter().copied();
        all.filter(|(name, wants)| wants.route(name, route)).collect()
    };
    let mut found = of(&page.route);
    let nowhere = found.is_empty();
    if nowhere {
        found = of(DEFAULT_ROUTE);
    }
    let urgent = found
        .into_iter()
        .filter(|(_, wants)| page.severity >= wants.least);
    (urgent.map(|(name, _)| name).collect(), nowhere)
}

#[cfg(test)]
mod tests {
    use super::super::page::State;
    use super::super::page::tests::page;
    use super::*;

    #[test]
    fn a_page_goes_by_route_and_severity_and_a_lost_route_to_the_default() {
        let wants = |routes: &[&str], least| Wants {
            routes: routes.iter().map(|route| (*route).to_owned()).collect(),
            least,
        };
        let set = [
            ("all", wants(&["default", "night"], Severity::Info)),
            ("pager", wants(&["night"], Severity::Critical)),
            ("chat", wants(&["default"], Severity::Warning)),
        ];
        let to = |route: &str, severity| {
            let mut page = page("a", 1, State::Firing);
            (page.route, page.severity) = (route.to_owned(), severity);
            let set = set.each_ref().map(|(name, wants)| (*name, wants));
            channels(&page, &set)
        };
        assert_eq!(to("default", Severity::Warning), (vec!["all", "chat"], false));
        assert_eq!(to("default", Severity::Info), (vec!["all"], false));
        assert_eq!(to("night", Severity::Critical), (vec!["all", "pager"], false));
        assert_eq!(to("pager", Severity::Critical), (vec!["pager"], false));
        assert_eq!(to("pager", Severity::Info), (vec![], false));
        assert_eq!(to("nowhere", Severity::Warning), (vec!["all", "chat"], true));
    }
}
