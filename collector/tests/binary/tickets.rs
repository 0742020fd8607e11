//! A throughput test that the collector has signed for: the real collector, a reflector and an agent that have joined it, and the
//! agent's own side of asking.

use azimuth_agent::clock::NS_PER_S;
use azimuth_agent::config::CollectorAddress;
use azimuth_agent::identity::{Identity, Seed};
use azimuth_agent::reflect::Allowed;
use azimuth_agent::throughput::client::{self, Order};
use azimuth_agent::throughput::estimator::Limits;
use azimuth_agent::throughput::reflector::{Serving, ThroughputListenArgs, start};
use azimuth_agent::throughput::tickets::Tickets;
use azimuth_agent::uplink::link::Link;
use azimuth_agent::uplink::session::{Sessions, join};
use azimuth_measurement::enrolment::{TlsTrust, Token};
use azimuth_measurement::{AgentId, StopReason, TransferDirection};
use clap::Parser;

use crate::enrolment::{deliver, told};
use crate::process::Collector;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    throughput: ThroughputListenArgs,
}

fn order(serving: &Serving) -> Order {
    Order {
        to: serving.at[0],
        host: serving.at[0].to_string(),
        direction: TransferDirection::Download,
        limits: Limits {
            max_bytes: 1_000_000,
            max_ns: 5 * NS_PER_S,
            stall_ns: NS_PER_S,
            to_the_end: true,
        },
        ticket: None,
        congestion_control: None,
    }
}

#[test]
fn an_agent_tests_against_a_reflector_of_its_fleet_until_it_is_revoked() {
    let directory = tempfile::tempdir().expect("a scratch directory");
    let data_dir = directory.path();
    let collector = Collector::start(data_dir);
    let address = CollectorAddress::Http(format!("http://{}", collector.address));
    let token = told(data_dir, &["token", "create", "--site", "paris", "--uses", "2"]).expect("a token");
    let token: Token = token.parse().expect("a token");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let joins = |name: &str| {
        let link = Link::new(&address, TlsTrust::System);
        let key = Seed::random().expect("random");
        let joined = runtime.block_on(join(&link, &token, &key, Some(name)));
        let file = data_dir.join(format!("{name}.json"));
        joined.expect("in").0.save(&file).expect("written");
        file
    };
    let (agent, reflector) = (joins("brest-1"), joins("paris-a"));
    let reflector = reflector.to_str().expect("a path");
    let arguments = [
        "test",
        "--throughput-listen",
        "127.0.0.1:0",
        "--throughput-identity",
        reflector,
    ];
    let arguments = Arguments::try_parse_from(arguments).expect("well formed");
    let serving = runtime.block_on(start(&arguments.throughput, &Allowed::Any));
    let serving = serving.expect("bound").expect("asked for");

    // The daemon has a session; that somebody asks for tickets with its key is no copy of it.
    let link = Link::new(&address, TlsTrust::System);
    let mut sessions = Sessions::new(agent.clone()).expect("random");
    let bearer = runtime.block_on(sessions.bearer(&link)).expect("a session");
    let person: AgentId = "terminal".parse().expect("an id");
    let tickets = |reflector: Option<&str>| Tickets::Collector {
        identity: agent.clone(),
        collector: address.clone(),
        reflector: reflector.map(|name| name.parse().expect("a name")),
    };
    let take = |tickets: &Tickets, order: &Order| runtime.block_on(tickets.take(&person, order));
    for named in [None, Some("paris-a")] {
        let mut order = order(&serving);
        order.ticket = Some(take(&tickets(named), &order).expect("a ticket"));
        let stop = std::sync::atomic::AtomicBool::new(false);
        let load = runtime.block_on(client::run(&order, &stop, &mut |_, _| {}));
        assert_eq!((load.trouble, load.estimate.stop), (None, StopReason::ByteCap));
    }
    assert_eq!(
        (serving.counters().tests(), serving.counters().challenges()),
        (2, 2)
    );
    assert_eq!(deliver(&collector, "brest-1", 0, Some(&bearer)).status, 200);

    let (stop, why) = take(&tickets(Some("paris-b")), &order(&serving)).expect_err("another reflector");
    assert!(stop == StopReason::Refused && why.contains("paris-a"), "{why}");
    let mut too_much = order(&serving);
    too_much.limits.max_bytes = 1 << 40;
    let (_, why) = take(&tickets(None), &too_much).expect_err("more than the collector signs for");
    assert!(why.contains("ticket_over_cap"), "{why}");
    // Somebody with a key of their own under the agent's name.
    let mut strange = Identity::load(&agent).expect("read");
    strange.key = Seed::random().expect("random");
    let file = data_dir.join("strange.json");
    strange.save(&file).expect("written");
    let strange = Tickets::Collector {
        identity: file,
        collector: address.clone(),
        reflector: None,
    };
    let (_, why) = take(&strange, &order(&serving)).expect_err("not the agent");
    assert!(why.contains("bad_proof"), "{why}");
    told(data_dir, &["agent", "revoke", "brest-1"]).expect("revoked");
    let (_, why) = take(&tickets(None), &order(&serving)).expect_err("put out");
    assert!(why.contains("agent_revoked"), "{why}");
    assert_eq!(serving.counters().tests(), 2);
}
