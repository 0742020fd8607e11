//! Tickets that a collector signs: what is refused, and at what price. The collector is its key here; the real one is in
//! `collector/tests/binary/tickets.rs`.

use std::io::Write;

use azimuth_agent::identity::Seed;
use azimuth_agent::throughput::Ended;
use azimuth_agent::throughput::ticket::Refusal;
use azimuth_agent::throughput::tickets::Offer;
use azimuth_measurement::enrolment::base64url;
use azimuth_measurement::enrolment::ticket::{TestTicket, ticket_statement};
use azimuth_measurement::{StopReason, TransferDirection};

use crate::world::{World, begun, order, refused_at_what_price, run, until_ended, world_of};

const DOWN: TransferDirection = TransferDirection::Download;

struct Fleet {
    collector: Seed,
    world: World,
}

async fn fleet() -> Fleet {
    let collector = Seed::random().expect("random");
    let key = base64url::encode(&collector.public());
    let arguments = [
        "--throughput-collector-key",
        &key,
        "--throughput-name",
        "paris-a",
        "--throughput-max-bytes",
        "3000000",
    ];
    Fleet {
        world: world_of(&arguments).await,
        collector,
    }
}

impl Fleet {
    /// What the reflector offers to who has no ticket.
    async fn offer(&self) -> Offer {
        let said = refused_at_what_price(&self.world, None).await;
        let offer = said.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("www-authenticate").then_some(value)
        });
        offer.expect("a challenge").trim().parse().expect("an offer")
    }

    async fn ticket(&self, direction: TransferDirection) -> TestTicket {
        let Offer { reflector, challenge } = self.offer().await;
        TestTicket {
            agent: "brest-1".parse().expect("an id"),
            reflector,
            direction,
            max_bytes: 3_000_000,
            max_ms: 5_000,
            max_bps: 0,
            good_for_ms: 60_000,
            challenge,
        }
    }

    fn sign(&self, ticket: &TestTicket) -> String {
        ticket.signed(&self.collector.sign(&ticket_statement(&ticket.to_string())))
    }
}

#[tokio::test]
async fn a_ticket_of_the_collector_opens_both_directions_once() {
    let fleet = fleet().await;
    for (n, direction) in (1..).zip(TransferDirection::ALL.iter().copied()) {
        let text = fleet.sign(&fleet.ticket(direction).await);
        let load = run(&order(fleet.world.at, direction, Some(text.clone()))).await;
        assert_eq!((load.trouble, load.estimate.stop), (None, StopReason::ByteCap));
        until_ended(&fleet.world, Ended::ByteCap, n).await;
        let again = run(&order(fleet.world.at, direction, Some(text))).await;
        assert_eq!(again.estimate.stop, StopReason::Refused, "{again:?}");
        let replayed = fleet.world.serving.counters().refused(Refusal::Replayed);
        assert_eq!(replayed, n);
    }
}

#[tokio::test]
async fn what_is_no_good_ticket_is_refused_by_name_before_a_kilobyte() {
    let fleet = fleet().await;
    let refused = async |refusal: Refusal, ticket: Option<String>| {
        let said = refused_at_what_price(&fleet.world, ticket.as_deref()).await;
        assert!(said.contains(refusal.as_str()), "{refusal:?} in {said}");
    };
    let with = async |change: &dyn Fn(&mut TestTicket)| {
        let mut wrong = fleet.ticket(DOWN).await;
        change(&mut wrong);
        Some(fleet.sign(&wrong))
    };
    refused(Refusal::NoTicket, None).await;
    refused(Refusal::Expired, with(&|wrong| wrong.good_for_ms = 0).await).await;
    refused(Refusal::TooFarAhead, with(&|wrong| wrong.good_for_ms += 1).await).await;
    let up = |wrong: &mut TestTicket| wrong.direction = TransferDirection::Upload;
    refused(Refusal::Direction, with(&up).await).await;
    refused(Refusal::OverCap, with(&|wrong| wrong.max_bytes += 1).await).await;
    let elsewhere = |wrong: &mut TestTicket| wrong.reflector = "paris-b".parse().expect("a name");
    refused(Refusal::Reflector, with(&elsewhere).await).await;
    refused(Refusal::Challenge, with(&|wrong| wrong.challenge[3] ^= 1).await).await;
    // More for an agent that changes what was signed.
    let more = with(&|_| {})
        .await
        .map(|text| text.replace(":3000000:", ":3000001:"));
    refused(Refusal::Signature, more).await;
    // The challenge of one reflector, answered at another.
    let other = self::fleet().await;
    let ticket = other.ticket(DOWN).await;
    refused(Refusal::Challenge, Some(fleet.sign(&ticket))).await;
    refused(Refusal::Signature, Some(other.sign(&ticket))).await;
    // Made with a shared key, of which this reflector has none.
    let shared = crate::world::ticket(DOWN, 1).sign(&crate::world::key());
    refused(Refusal::Signature, Some(shared)).await;
    let counters = fleet.world.serving.counters();
    assert_eq!((counters.tests(), counters.bytes()), (0, 0));
    assert_eq!(fleet.world.serving.month_bytes(), 0, "and has cost nothing");
}

/// A sender that does not stop is not read much further than its ticket says.
#[tokio::test]
async fn an_upload_that_does_not_stop_is_taken_no_further_than_64_kib() {
    let fleet = fleet().await;
    let mut ticket = fleet.ticket(TransferDirection::Upload).await;
    ticket.max_bytes = 1_000_000;
    let text = fleet.sign(&ticket);
    let at = fleet.world.at;
    let sending = tokio::task::spawn_blocking(move || {
        let mut stream = begun(at, TransferDirection::Upload, &text);
        // One message of 1 MiB after the other, masked with zeros.
        let mut message = vec![0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
        message.resize(14 + (1 << 20), 7);
        let mut sent = 0;
        while stream.write_all(&message).is_ok() {
            sent += message.len() as u64;
        }
        sent
    });
    until_ended(&fleet.world, Ended::ByteCap, 1).await;
    sending.await.expect("no panic");
    let cost = fleet.world.serving.month_bytes();
    assert!((1_000_000..=1_065_536).contains(&cost), "{cost}");
}
