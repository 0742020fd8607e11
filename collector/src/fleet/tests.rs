//! Joining, sessions and revocation over the whole room, with real keys and real files; the network is not needed.

use std::sync::Barrier;

use ring::signature::{Ed25519KeyPair, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::clock::monotonic;

const T0: u64 = 1_795_428_000_000;
const HOUR_MS: u64 = 3_600_000;

struct World {
    directory: TempDir,
    fleet: Fleet,
    now: Instant,
}

fn world() -> World {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let fleet = Fleet::open(directory.path(), false).expect("a fleet");
    let now = monotonic();
    World {
        directory,
        fleet,
        now,
    }
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key")
}

fn public(pair: &Ed25519KeyPair) -> [u8; 32] {
    pair.public_key().as_ref().try_into().expect("32 bytes")
}

fn id(agent: &str) -> AgentId {
    agent.parse().expect("an id")
}

impl World {
    fn token(&self, uses: u32) -> Made {
        let wanted = Wanted {
            site: "paris".to_owned(),
            uses,
            ttl_ms: HOUR_MS,
            address: "http://127.0.0.1:8360".to_owned(),
            tls: TlsTrust::System,
        };
        self.fleet.make_token(wanted, T0).expect("made")
    }

    fn join(
        &self,
        secret: &[u8; 32],
        pair: &Ed25519KeyPair,
        wish: Option<&str>,
        at: u64,
    ) -> Result<String, &'static str> {
        let (challenge, key) = (self.fleet.challenge(self.now), public(pair));
        let signature = base64url::encode(pair.sign(&join_statement(&challenge, &key)).as_ref());
        let proof = Proof {
            challenge: &base64url::encode(&challenge),
            signature: &signature,
        };
        self.fleet
            .join(
                &base64url::encode(secret),
                &base64url::encode(&key),
                wish,
                &proof,
                self.now,
                at,
            )
            .map(|entry| entry.agent)
            .map_err(|problem| problem.reason())
    }

    fn session(
        &self,
        agent: &str,
        pair: &Ed25519KeyPair,
        instance: &str,
        at: u64,
    ) -> Result<String, &'static str> {
        let challenge = self.fleet.challenge(self.now);
        let statement = session_statement(&challenge, &id(agent), instance);
        let proof = Proof {
            challenge: &base64url::encode(&challenge),
            signature: &base64url::encode(pair.sign(&statement).as_ref()),
        };
        self.fleet
            .open_session(&id(agent), instance, &proof, self.now, at)
            .map_err(|problem| problem.reason())
    }

    fn agent_of(&self, bearer: &str) -> Result<String, &'static str> {
        let agent = self.fleet.agent_of(bearer, self.now, T0);
        agent
            .map(|agent| agent.to_string())
            .map_err(|problem| problem.reason())
    }

    /// The same after the collector was killed and started again.
    fn again(self) -> Self {
        let Self {
            directory,
            fleet,
            now,
        } = self;
        drop(fleet);
        let fleet = Fleet::open(directory.path(), false).expect("a fleet");
        Self {
            directory,
            fleet,
            now,
        }
    }
}

#[test]
fn a_race_of_a_hundred_joins_on_a_token_for_one_lets_one_in() {
    let world = world();
    let secret = world.token(1).token.secret;
    let start = Barrier::new(100);
    let joined: Vec<_> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..100)
            .map(|seed| {
                let (world, start) = (&world, &start);
                scope.spawn(move || {
                    let pair = pair(seed);
                    start.wait();
                    world.join(&secret, &pair, None, T0)
                })
            })
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().expect("no panic"))
            .collect()
    });
    assert_eq!(joined.iter().filter(|one| one.is_ok()).count(), 1);
    assert_eq!(
        joined.iter().filter(|one| **one == Err("token_used_up")).count(),
        99
    );
    let world = world.again();
    assert_eq!(world.fleet.agents().len(), 1);
    assert_eq!(
        world.join(&secret, &pair(200), None, T0),
        Err("token_used_up"),
        "after a restart too"
    );
}

#[test]
fn a_token_is_good_for_its_uses_and_its_time_and_until_it_is_revoked() {
    let world = world();
    let Made { token, entry } = world.token(3);
    let first = world.join(&token.secret, &pair(1), None, T0).expect("in");
    assert!(first.starts_with("paris-"), "{first}");
    assert_eq!(
        world.join(&token.secret, &pair(1), None, T0),
        Ok(first),
        "its first answer was lost"
    );
    assert_eq!(world.fleet.tokens()[0].used, 1);
    assert_eq!(
        world.join(&token.secret, &pair(2), Some("edge-2"), T0),
        Ok("edge-2".to_owned())
    );
    assert_eq!(
        world.join(&token.secret, &pair(3), Some("edge-2"), T0),
        Err("agent_name_taken")
    );
    assert_eq!(
        world.join(&token.secret, &pair(3), Some("Edge 2"), T0),
        Err("agent_name_wrong")
    );
    assert_eq!(world.join(&[9; 32], &pair(3), None, T0), Err("token_unknown"));
    assert_eq!(
        world.join(&token.secret, &pair(3), None, T0 + HOUR_MS),
        Err("token_expired")
    );
    world.fleet.revoke_token(&entry.id, T0).expect("revoked");
    let world = world.again();
    assert_eq!(
        world.join(&token.secret, &pair(3), None, T0),
        Err("token_revoked")
    );
    assert_eq!(world.fleet.tokens()[0].used, 2);
}

#[test]
fn who_has_not_the_key_gets_nothing_and_a_proof_is_good_once() {
    let world = world();
    let secret = world.token(5).token.secret;
    let (own, other) = (pair(1), pair(2));
    let (challenge, key) = (world.fleet.challenge(world.now), public(&own));
    let by = |pair: &Ed25519KeyPair| base64url::encode(pair.sign(&join_statement(&challenge, &key)).as_ref());
    let ask = |signature: &str| {
        let proof = Proof {
            challenge: &base64url::encode(&challenge),
            signature,
        };
        let (secret, key) = (base64url::encode(&secret), base64url::encode(&key));
        let joined = world.fleet.join(&secret, &key, None, &proof, world.now, T0);
        joined
            .map(|entry| entry.agent)
            .map_err(|problem| problem.reason())
    };
    assert_eq!(ask(&by(&other)), Err("bad_proof"));
    assert_eq!(
        ask(&by(&own)),
        Err("stale_challenge"),
        "a challenge is answered once, well or not"
    );
    let agent = world.join(&secret, &own, None, T0).expect("in");
    assert_eq!(world.session(&agent, &other, "x", T0), Err("bad_proof"));
    assert_eq!(world.session("nobody", &own, "x", T0), Err("agent_unknown"));
}

#[test]
fn a_session_reports_for_its_agent_only_until_it_is_revoked() {
    let world = world();
    let secret = world.token(5).token.secret;
    let agent = world.join(&secret, &pair(1), None, T0).expect("in");
    let bearer = world.session(&agent, &pair(1), "x", T0).expect("open");
    assert_eq!(world.agent_of(&bearer), Ok(agent.clone()));
    assert_eq!(
        world.agent_of(&base64url::encode(&[0; 32])),
        Err("session_unknown")
    );
    let may = |sender: Option<&str>, of: &str| {
        let sender = sender.map(id);
        let may = world.fleet.may_report(sender.as_ref(), &id(of));
        may.map_err(|problem| problem.reason())
    };
    assert_eq!(may(Some(&agent), &agent), Ok(()));
    assert_eq!(may(Some(&agent), "other"), Err("agent_mismatch"));
    assert_eq!(
        may(None, &agent),
        Err("session_required"),
        "nobody else is this agent"
    );
    assert_eq!(may(None, "other"), Ok(()), "who never joined is taken as before");
    world.fleet.revoke_agent(&agent, T0).expect("revoked");
    assert_eq!(
        may(Some(&agent), &agent),
        Err("agent_revoked"),
        "also what was under way"
    );
    assert_eq!(world.agent_of(&bearer), Err("session_unknown"));
    let world = world.again();
    assert_eq!(world.session(&agent, &pair(1), "y", T0), Err("agent_revoked"));
    assert_eq!(
        world.join(&secret, &pair(1), None, T0),
        Err("agent_name_taken"),
        "a revoked key stays out"
    );
    let required = Fleet::open(tempfile::tempdir().expect("a directory").path(), true).expect("a fleet");
    assert!(required.may_report(None, &id("other")).is_err());
}

#[test]
fn a_key_is_changed_by_both_keys_and_the_old_one_is_taken_for_a_day() {
    let world = world();
    let secret = world.token(1).token.secret;
    let agent = world.join(&secret, &pair(1), None, T0).expect("in");
    let change = |old: &Ed25519KeyPair, new: &Ed25519KeyPair, by_new: &Ed25519KeyPair| {
        let challenge = world.fleet.challenge(world.now);
        let statement = rotation_statement(&challenge, &id(&agent), &public(new));
        let proof = Proof {
            challenge: &base64url::encode(&challenge),
            signature: &base64url::encode(old.sign(&statement).as_ref()),
        };
        let (key, by_new) = (
            base64url::encode(&public(new)),
            base64url::encode(by_new.sign(&statement).as_ref()),
        );
        let changed = world
            .fleet
            .change_key(&id(&agent), &key, &by_new, &proof, world.now, T0);
        changed.map_err(|problem| problem.reason())
    };
    assert_eq!(change(&pair(3), &pair(2), &pair(2)), Err("bad_proof"));
    assert_eq!(change(&pair(1), &pair(2), &pair(3)), Err("bad_proof"));
    assert_eq!(change(&pair(1), &pair(2), &pair(2)), Ok(()));
    assert_eq!(
        change(&pair(1), &pair(2), &pair(2)),
        Ok(()),
        "its first answer was lost"
    );
    let world = world.again();
    assert!(world.session(&agent, &pair(2), "x", T0).is_ok());
    assert!(
        world
            .session(&agent, &pair(1), "x", T0 + OLD_KEY_KEPT_MS - 1)
            .is_ok()
    );
    assert_eq!(
        world.session(&agent, &pair(1), "x", T0 + OLD_KEY_KEPT_MS),
        Err("bad_proof")
    );
}

#[test]
fn a_copied_identity_is_refused_where_it_began_first_and_stays_on_record() {
    let world = world();
    let secret = world.token(1).token.secret;
    let agent = world.join(&secret, &pair(1), None, T0).expect("in");
    let original = world.session(&agent, &pair(1), "original", T0).expect("open");
    let copy = world.session(&agent, &pair(1), "copy", T0).expect("open");
    assert_eq!(
        world.fleet.agents()[0].copied,
        0,
        "it may have been started again"
    );
    assert_eq!(world.agent_of(&original), Err("identity_conflict"));
    assert_eq!(
        world.session(&agent, &pair(1), "original", T0),
        Err("identity_conflict")
    );
    assert_eq!(world.agent_of(&copy), Ok(agent));
    let world = world.again();
    assert_eq!(world.fleet.agents()[0].copied, 1);
}

#[test]
fn a_journal_cut_by_a_kill_is_taken_and_a_damaged_one_is_named() {
    let world = world();
    world.token(1);
    let path = world.directory.path().join("fleet/journal.jsonl");
    let whole = std::fs::read_to_string(&path).expect("readable");
    std::fs::write(&path, format!("{whole}{{\"event\":\"agent_re")).expect("writable");
    let world = world.again();
    assert_eq!(world.fleet.tokens().len(), 1);
    std::fs::write(&path, format!("nonsense\n{whole}")).expect("writable");
    let error = Fleet::open(world.directory.path(), false).err().expect("damaged");
    assert!(error.to_string().contains("journal.jsonl, line 1"), "{error}");
}
