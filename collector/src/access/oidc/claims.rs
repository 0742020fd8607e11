//! Whether a token whose signature is right is meant for us, now and for this question, and what its bearer may do. Pure: handed
//! the time.
//!
//! Standard: OpenID Connect Core 1.0 section 3.1.3.7, RFC 7519 section 4.1.

use std::collections::BTreeMap;

use serde_json::Value;

use super::refusal::Refusal;
use super::token::Claims;
use crate::access::role::Role;

/// How far the provider's clock may be from ours, seconds.
pub const SKEW_S: u64 = 60;
/// Longest name of a person, in letters; the audit log has 64 for it and for the provider.
const LONGEST_NAME: usize = 48;

/// What a token must say.
#[derive(Debug)]
pub struct Expected<'a> {
    /// Exactly as the provider writes itself.
    pub issuer: &'a str,
    /// Us.
    pub client_id: &'a str,
    /// Who else a token may be for.
    pub audiences: &'a [String],
    /// Of this login.
    pub nonce: &'a str,
}

/// How claims become a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The claim that names a person.
    pub user_claim: String,
    /// The claim with their groups.
    pub role_claim: String,
    /// What each group may do.
    pub roles: BTreeMap<String, Role>,
    /// What somebody may do who is in none of them; nothing, if none.
    pub role: Option<Role>,
}

/// Somebody the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// As shown.
    pub name: String,
    /// The provider's own, which no other person of it has.
    pub subject: String,
    /// What they may do.
    pub role: Role,
}

/// Holds the claims against what was asked.
///
/// # Errors
/// What does not fit.
pub fn judge(claims: &Claims, expected: &Expected<'_>, now_unix_ms: u64) -> Result<(), Refusal> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(Refusal::Issuer);
    }
    let audiences = texts(claims.get("aud"));
    let is_for_us = audiences.contains(&expected.client_id);
    let is_for_strangers = audiences
        .iter()
        .any(|one| *one != expected.client_id && !expected.audiences.iter().any(|other| other == one));
    // Who is named as having asked for it must be us; with several audiences somebody must be named.
    let asked_by = claims.get("azp");
    let is_asked_by_us = match asked_by {
        None => audiences.len() == 1,
        Some(asked_by) => asked_by.as_str() == Some(expected.client_id),
    };
    if !is_for_us || is_for_strangers || !is_asked_by_us {
        return Err(Refusal::Audience);
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(Refusal::Nonce);
    }
    let now_s = now_unix_ms / 1_000;
    let at = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => seconds(value)
            .map(Some)
            .ok_or_else(|| Refusal::Malformed(format!("the token's {name} is no time"))),
    };
    let (Some(ends_at), Some(issued_at)) = (at("exp")?, at("iat")?) else {
        return Err(Refusal::Malformed("the token has no exp or no iat".to_owned()));
    };
    if now_s >= ends_at.saturating_add(SKEW_S) {
        return Err(Refusal::Time(format!(
            "the token ended {} s ago; is the clock here right?",
            now_s - ends_at
        )));
    }
    let begins_at = at("nbf")?.unwrap_or(issued_at).max(issued_at);
    if begins_at > now_s.saturating_add(SKEW_S) {
        return Err(Refusal::Time(format!(
            "the token begins in {} s; is the clock here right?",
            begins_at - now_s
        )));
    }
    Ok(())
}

/// Who it is, and what they may do.
///
/// # Errors
/// When nothing gives them a role, or they have no subject.
pub fn person(claims: &Claims, mapping: &Mapping) -> Result<Person, Refusal> {
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if subject.is_empty() || subject.len() > 255 {
        return Err(Refusal::Malformed("the token has no subject (`sub`)".to_owned()));
    }
    let name = claim(claims, &mapping.user_claim)
        .and_then(Value::as_str)
        .unwrap_or(subject);
    let name: String = name
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST_NAME)
        .collect();
    let groups = texts(claim(claims, &mapping.role_claim));
    let role = groups
        .iter()
        .filter_map(|group| mapping.roles.get(*group).copied())
        .max()
        .or(mapping.role);
    let role = role.ok_or_else(|| {
        Refusal::NoRole(format!(
            "{name} is in no group that `access.oidc.roles` names; the claim {:?} has {} entries",
            mapping.role_claim,
            groups.len()
        ))
    })?;
    Ok(Person {
        name: if name.trim().is_empty() {
            subject.to_owned()
        } else {
            name
        },
        subject: subject.to_owned(),
        role,
    })
}

/// A claim by its name, or by a path with points into claims of claims, such as Keycloak's `realm_access.roles`.
fn claim<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        claim(claims.get(first)?.as_object()?, rest)
    })
}

/// One text, or a list of them.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A time in seconds, which some write with a fraction (RFC 7519 section 2).
fn seconds(value: &Value) -> Option<u64> {
    let whole = value.as_u64();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded just before"
    )]
    let broken = value
        .as_f64()
        .filter(|seconds| (0.0..1e12).contains(seconds))
        .map(|seconds| seconds as u64);
    whole.or(broken)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn claims(change: impl FnOnce(&mut Claims)) -> Claims {
        let Value::Object(mut claims) = json!({
            "iss": "https://id.example.org", "sub": "7", "aud": "azimuth", "nonce": "n",
            "iat": NOW_S, "exp": NOW_S + 300, "groups": ["noc", "staff"], "preferred_username": "anna",
        }) else {
            unreachable!("an object")
        };
        change(&mut claims);
        claims
    }

    fn judged(change: impl FnOnce(&mut Claims)) -> Result<(), Refusal> {
        let expected = Expected {
            issuer: "https://id.example.org",
            client_id: "azimuth",
            audiences: &["grafana".to_owned()],
            nonce: "n",
        };
        judge(&claims(change), &expected, NOW_S * 1_000)
    }

    fn set(name: &'static str, value: Value) -> impl FnOnce(&mut Claims) {
        move |claims| {
            claims.insert(name.to_owned(), value);
        }
    }

    #[test]
    fn a_token_is_for_us_now_and_for_this_question() {
        assert_eq!(judged(|_| {}), Ok(()));
        assert_eq!(judged(set("aud", json!(["azimuth"]))), Ok(()));
        assert_eq!(judged(set("azp", json!("azimuth"))), Ok(()));
        assert_eq!(judged(set("exp", json!(NOW_S as f64 + 0.5))), Ok(()));
        assert_eq!(
            judged(set("exp", json!(NOW_S - SKEW_S + 1))),
            Ok(()),
            "clocks differ"
        );
        let both = |claims: &mut Claims| {
            set("aud", json!(["azimuth", "grafana"]))(claims);
            set("azp", json!("azimuth"))(claims);
        };
        assert_eq!(judged(both), Ok(()));

        for (name, value, reason) in [
            ("iss", json!("https://id.example.org/"), "wrong_issuer"),
            ("iss", Value::Null, "wrong_issuer"),
            ("aud", json!("grafana"), "wrong_audience"),
            ("aud", json!(["azimuth", "stranger"]), "wrong_audience"),
            ("aud", json!(["azimuth", "grafana"]), "wrong_audience"),
            ("aud", json!([]), "wrong_audience"),
            ("azp", json!("grafana"), "wrong_audience"),
            ("azp", json!(7), "wrong_audience"),
            ("nonce", json!("m"), "wrong_nonce"),
            ("nonce", Value::Null, "wrong_nonce"),
            ("exp", json!(NOW_S - SKEW_S), "expired"),
            ("iat", json!(NOW_S + SKEW_S + 1), "expired"),
            ("nbf", json!(NOW_S + SKEW_S + 1), "expired"),
            ("exp", json!("tomorrow"), "malformed_token"),
            ("exp", json!(-1), "malformed_token"),
            ("exp", json!(1e300), "malformed_token"),
            ("nbf", json!({}), "malformed_token"),
        ] {
            let shown = format!("{name} = {value}");
            let refused = judged(set(name, value)).map_err(|refusal| refusal.reason());
            assert_eq!(refused, Err(reason), "{shown}");
        }
        for name in ["exp", "iat", "nonce", "aud", "iss"] {
            let without = judged(|claims| {
                claims.remove(name);
            });
            assert!(without.is_err(), "without {name}");
        }
    }

    fn mapping(role_claim: &str, role: Option<Role>) -> Mapping {
        Mapping {
            user_claim: "preferred_username".to_owned(),
            role_claim: role_claim.to_owned(),
            roles: [
                ("noc".to_owned(), Role::Operate),
                ("staff".to_owned(), Role::Read),
            ]
            .into(),
            role,
        }
    }

    #[test]
    fn the_strongest_group_counts_and_nobody_gets_a_role_by_mistake() {
        let role = |claims: &Claims, mapping: &Mapping| person(claims, mapping).map(|person| person.role);
        let groups = mapping("groups", None);
        let anna = person(&claims(|_| {}), &groups).expect("known");
        assert_eq!(
            (anna.name.as_str(), anna.subject.as_str(), anna.role),
            ("anna", "7", Role::Operate)
        );
        assert_eq!(
            role(&claims(set("groups", json!("staff"))), &groups),
            Ok(Role::Read)
        );
        let nested = claims(set("realm_access", json!({"roles": ["staff"]})));
        assert_eq!(
            role(&nested, &mapping("realm_access.roles", None)),
            Ok(Role::Read)
        );
        let dotted = claims(set("https://example.org/groups", json!(["noc"])));
        assert_eq!(
            role(&dotted, &mapping("https://example.org/groups", None)),
            Ok(Role::Operate)
        );
        for none in [
            json!([]),
            json!(["NOC"]),
            json!({"noc": true}),
            json!([["noc"]]),
            Value::Null,
        ] {
            let claims = claims(set("groups", none));
            assert!(
                matches!(role(&claims, &groups), Err(Refusal::NoRole(_))),
                "{claims:?}"
            );
            assert_eq!(
                role(&claims, &mapping("groups", Some(Role::Read))),
                Ok(Role::Read)
            );
        }
    }

    #[test]
    fn a_name_is_short_and_plain_and_falls_back_to_the_subject() {
        let name = |value| {
            person(
                &claims(set("preferred_username", value)),
                &mapping("groups", None),
            )
            .map(|one| one.name)
        };
        assert_eq!(name(json!("a\r\nb")), Ok("ab".to_owned()));
        assert_eq!(
            name(json!("x".repeat(500))).map(|name| name.len()),
            Ok(LONGEST_NAME)
        );
        assert_eq!(name(json!(7)), Ok("7".to_owned()));
        assert_eq!(name(json!(" ")), Ok("7".to_owned()));
        assert!(person(&claims(set("sub", json!(""))), &mapping("groups", None)).is_err());
    }
}
