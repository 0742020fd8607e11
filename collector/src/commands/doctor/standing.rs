//! What the doctor says of access and of the plan: who may do what, from where, and by which plan the fleet measures. Reads the
//! files, and asks a collector that runs over the socket in its data directory. Changes nothing, judges no login.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use azimuth_measurement::enrolment::base64url;

use super::Finding;
use crate::access::accounts::Accounts;
use crate::access::files::{AccessFiles, FileError};
use crate::access::role::Role;
use crate::access::settings::Settings;
use crate::commands::fleet::asked_of;
use crate::config::Config;
use crate::fleet::keys::CollectorKey;
use crate::plan::admin::{AgentLine, Overview};
use crate::plan::desk::kept;
use crate::utc::UtcInstant;

/// Names that are listed of each kind; the rest is counted.
const MOST_NAMED: usize = 5;

/// Access, then the plan.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let accounts = AccessFiles::new(&config.data_dir).accounts();
    let mut findings = access(accounts, &config.access, config.listen);
    findings.push(reports(config));
    findings.push(plan(config));
    findings
}

fn access(accounts: Result<Accounts, FileError>, settings: &Settings, listen: SocketAddr) -> Vec<Finding> {
    let here = listen.ip().is_loopback();
    let accounts = match accounts {
        Ok(accounts) => accounts,
        Err(error) => {
            let remedy = "put a copy back, or make the accounts again; until then nobody is let in";
            return vec![Finding::ill("access", error.to_string(), remedy)];
        }
    };
    let mut findings = vec![people(&accounts, settings, here)];
    if !accounts.tokens.is_empty() {
        let tokens = accounts
            .tokens
            .iter()
            .map(|(name, token)| (name.as_str(), token.role));
        findings.push(Finding::well("tokens", by_role(tokens)));
    }
    if let Some(oidc) = &settings.oidc {
        let groups = by_role(
            oidc.mapping
                .roles
                .iter()
                .map(|(group, role)| (group.as_str(), *role)),
        );
        let found = format!(
            "{} at {}: {groups}; others: {}",
            oidc.name,
            oidc.issuer,
            or_nothing(oidc.mapping.role)
        );
        findings.push(Finding::well("provider", found));
    }
    if let Some(proxy) = &settings.proxy {
        let from: Vec<String> = proxy.addresses.iter().map(ToString::to_string).collect();
        let found = format!(
            "names people in {} from {}; those without an account: {}",
            proxy.user_header,
            from.join(", "),
            or_nothing(proxy.role)
        );
        findings.push(Finding::well("proxy", found));
    }
    if settings.public {
        findings.push(Finding::well(
            "public",
            "anybody looks at measurements, with places blurred".to_owned(),
        ));
    }
    findings.push(if here {
        Finding::well("reach", "this machine only".to_owned())
    } else {
        let remedy = "listen on 127.0.0.1 and put a proxy with TLS in front; docs/operations.md has examples";
        let found = "others too, and what is said can be read on the way, passwords among it";
        Finding::ill("reach", found.to_owned(), remedy)
    });
    findings
}

fn people(accounts: &Accounts, settings: &Settings, here: bool) -> Finding {
    let subject = "access";
    if accounts.is_empty() && !settings.knows_others() {
        return if here {
            Finding::well(
                subject,
                "no accounts: whoever is on this machine administers".to_owned(),
            )
        } else {
            Finding::ill(
                subject,
                "no accounts, and others can reach it".to_owned(),
                "make one: `azimuth-collector user add NAME --role administer`; else `serve` makes `admin` and shows its password once",
            )
        };
    }
    let users = accounts
        .users
        .iter()
        .map(|(name, user)| (name.as_str(), user.role));
    let found = if accounts.users.is_empty() {
        "no accounts of people".to_owned()
    } else {
        by_role(users)
    };
    let others_administer = settings
        .proxy
        .as_ref()
        .is_some_and(|proxy| proxy.role == Some(Role::Administer))
        || settings.oidc.as_ref().is_some_and(|oidc| {
            oidc.mapping.role == Some(Role::Administer)
                || oidc.mapping.roles.values().any(|role| *role == Role::Administer)
        });
    if accounts.has_administrator() || others_administer {
        Finding::well(subject, found)
    } else {
        Finding::ill(
            subject,
            format!("{found}; nobody administers but by the unix socket"),
            "`azimuth-collector user add NAME --role administer`",
        )
    }
}

fn or_nothing(role: Option<Role>) -> &'static str {
    role.map_or("nothing", Role::as_str)
}

/// `administer: anna; read: ben, carl and 3 more`.
fn by_role<'a>(all: impl Iterator<Item = (&'a str, Role)>) -> String {
    let mut names: BTreeMap<Role, Vec<&str>> = BTreeMap::new();
    for (name, role) in all {
        names.entry(role).or_default().push(name);
    }
    let lists = names.iter().rev().map(|(role, names)| {
        let named = names
            .iter()
            .take(MOST_NAMED)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        match names.len().saturating_sub(MOST_NAMED) {
            0 => format!("{role}: {named}"),
            more => format!("{role}: {named} and {more} more"),
        }
    });
    lists.collect::<Vec<_>>().join("; ")
}

fn reports(config: &Config) -> Finding {
    let door = config
        .agents
        .as_ref()
        .map_or_else(String::new, |door| format!("; over TLS at {}", door.listen));
    if config.require_enrolment {
        return Finding::well("reports", format!("from agents that joined only{door}"));
    }
    let found = format!("from every agent that reaches {}{door}", config.listen);
    if config.listen.ip().is_loopback() {
        Finding::well("reports", found)
    } else {
        let remedy = "write require_enrolment = true once every agent has joined: until then anybody may report as one that has not";
        Finding::ill("reports", found, remedy)
    }
}

fn plan(config: &Config) -> Finding {
    let subject = "plan";
    let key = match CollectorKey::load(&config.data_dir.join("fleet").join("collector.key")) {
        Ok(key) => key.map(|key| base64url::encode(&key.public())),
        Err(error) => {
            return Finding::ill(
                subject,
                error.to_string(),
                "put the key back from a backup: agents know no other",
            );
        }
    };
    let signed = key.map_or_else(String::new, |key| format!(", signed with the key {key}"));
    // Who runs knows what agents say; otherwise the file says as much as was kept.
    if let Some(told) = running(config) {
        return in_force(&told, &signed);
    }
    match kept(&config.data_dir) {
        Ok(None) => Finding::well(subject, "none yet: no collector has run here".to_owned()),
        Ok(Some(standing)) if standing.stopped => {
            stopped(standing.version, standing.changed_at_unix_ms, &signed)
        }
        Ok(Some(standing)) => {
            let since = UtcInstant::from_unix_ms(standing.changed_at_unix_ms);
            let next = if standing.is_of(&config.plan) {
                ""
            } else {
                "; the configuration says another, which a start takes up"
            };
            let found = format!(
                "version {} since {since}{signed}; no collector runs here{next}",
                standing.version
            );
            Finding::well(subject, found)
        }
        Err(error) => Finding::ill(
            subject,
            error.to_string(),
            "see above; `serve` does not start with it",
        ),
    }
}

fn running(config: &Config) -> Option<Overview> {
    let answer = asked_of(&config.data_dir, "GET", "/admin/plan", &[]).ok()?;
    serde_json::from_slice(&answer.body).ok()
}

fn stopped(version: u64, since_unix_ms: u64, signed: &str) -> Finding {
    let since = UtcInstant::from_unix_ms(since_unix_ms);
    Finding::ill(
        "plan",
        format!("STOPPED since {since}, version {version}{signed}: no agent that joined sends anything"),
        "`azimuth-collector plan resume` takes everything up again",
    )
}

fn in_force(told: &Overview, signed: &str) -> Finding {
    if told.stopped {
        return stopped(told.version, told.changed_at_unix_ms, signed);
    }
    let since = UtcInstant::from_unix_ms(told.changed_at_unix_ms);
    let runs = |agent: &&AgentLine| agent.running == Some(told.version);
    let mut found = format!(
        "version {} since {since}{signed}: {} entries, run by {} of {} agents that joined",
        told.version,
        told.entries.len(),
        told.agents.iter().filter(runs).count(),
        told.agents.len()
    );
    let refusing: Vec<String> = told
        .agents
        .iter()
        .filter(|agent| !agent.refused.is_empty())
        .map(|agent| {
            let why: Vec<String> = agent
                .refused
                .iter()
                .map(|(why, count)| format!("{count} {why}"))
                .collect();
            format!("{} ({})", agent.agent, why.join(", "))
        })
        .collect();
    if refusing.is_empty() {
        return Finding::well("plan", found);
    }
    let named = refusing
        .iter()
        .take(MOST_NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    found += &format!("; refused in part by {} of them: {named}", refusing.len());
    let remedy =
        "`azimuth-agent plan` on such a host names each part and why; [plan] in its configuration decides";
    Finding::ill("plan", found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::accounts::User;
    use crate::access::settings::Proxy;

    fn accounts(users: &[(&str, Role)]) -> Accounts {
        let mut accounts = Accounts::default();
        for (name, role) in users {
            let user = User {
                role: *role,
                password_hash: Some("hash".to_owned()),
                created_at_unix_ms: 0,
            };
            accounts.add_user(name, user).expect("new");
        }
        accounts
    }

    fn said(accounts: Accounts, settings: &Settings, listen: &str) -> (String, usize) {
        let listen = listen.parse().expect("an address");
        let findings = access(Ok(accounts), settings, listen);
        let ill = findings.iter().filter(|finding| finding.remedy.is_some()).count();
        let lines: Vec<String> = findings
            .into_iter()
            .map(|finding| format!("{}: {}", finding.subject, finding.found))
            .collect();
        (lines.join("\n"), ill)
    }

    #[test]
    fn who_may_do_what_and_from_where_is_said_and_what_is_open_is_ill() {
        let none = Settings::default();
        let (text, ill) = said(Accounts::default(), &none, "127.0.0.1:8360");
        assert!(
            text.contains("whoever is on this machine administers") && text.contains("this machine only"),
            "{text}"
        );
        assert_eq!(ill, 0);
        let (text, ill) = said(Accounts::default(), &none, "0.0.0.0:8360");
        assert!(text.contains("others can reach it"), "{text}");
        assert_eq!(ill, 2, "nobody is asked, and in the clear");
        let some = accounts(&[
            ("anna", Role::Administer),
            ("ben", Role::Read),
            ("carl", Role::Read),
        ]);
        let (text, ill) = said(some, &none, "[::1]:8360");
        assert!(
            text.contains("access: administer: anna; read: ben, carl"),
            "{text}"
        );
        assert_eq!(ill, 0);
        let (text, ill) = said(accounts(&[("ben", Role::Operate)]), &none, "127.0.0.1:8360");
        assert!(text.contains("nobody administers"), "{text}");
        assert_eq!(ill, 1);
        let proxy = Settings {
            public: true,
            proxy: Some(Proxy {
                addresses: vec!["10.0.0.5".parse().expect("an address")],
                user_header: axum::http::HeaderName::from_static("x-user"),
                role: Some(Role::Administer),
            }),
            ..Settings::default()
        };
        let (text, ill) = said(Accounts::default(), &proxy, "127.0.0.1:8360");
        assert!(
            text.contains("x-user from 10.0.0.5") && text.contains("without an account: administer"),
            "{text}"
        );
        assert!(text.contains("places blurred"), "{text}");
        assert_eq!(ill, 0);
        let names: Vec<String> = (0..7).map(|n| format!("u{n}")).collect();
        let many: Vec<(&str, Role)> = names.iter().map(|name| (name.as_str(), Role::Read)).collect();
        assert!(by_role(many.into_iter()).ends_with("u4 and 2 more"));
    }

    #[test]
    fn a_stopped_plan_and_one_that_is_refused_in_part_have_their_remedies() {
        let line = |agent: &str, refused: &[(&str, u32)]| AgentLine {
            agent: agent.to_owned(),
            site: "paris".to_owned(),
            country: "FR".to_owned(),
            targets: 3,
            probes: 3,
            shadowed: 0,
            beyond_limit: 0,
            running: Some(7),
            refused: refused
                .iter()
                .map(|(why, count)| ((*why).to_owned(), *count))
                .collect(),
        };
        let mut told = Overview {
            version: 7,
            stopped: false,
            changed_at_unix_ms: 0,
            file: None,
            entries: Vec::new(),
            agents: vec![line("a", &[]), line("b", &[])],
        };
        let well = in_force(&told, ", signed with the key K");
        assert_eq!(well.remedy, None);
        assert!(
            well.found
                .contains("signed with the key K: 0 entries, run by 2 of 2"),
            "{}",
            well.found
        );
        told.agents[1] = line("b", &[("private", 2)]);
        let refused = in_force(&told, "");
        assert!(
            refused.found.contains("by 1 of them: b (2 private)"),
            "{}",
            refused.found
        );
        assert!(refused.remedy.expect("a remedy").contains("azimuth-agent plan"));
        told.stopped = true;
        let stopped = in_force(&told, "");
        assert!(stopped.found.contains("STOPPED since"), "{}", stopped.found);
        assert!(stopped.remedy.expect("a remedy").contains("plan resume"));
    }
}
