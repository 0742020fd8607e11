//! A plan as people write it: what its entries choose, what they come to for each agent, and how a mistake is named.

use super::*;
use crate::plan::agents::Labels;
use crate::plan::expand::{Expanded, expand};

/// Two reflectors of the user's own, one of which answers TCP too, and somebody else's server.
const OWN: &str = r#"
[[provider]]
id = "mine"
name = "My cloud"
[[region]]
provider = "mine"
id = "lyon"
name = "Lyon"
country = "FR"
city = "Lyon"
metro = "Lyon"
latitude = 45.76
longitude = 4.84
coordinate_accuracy_km = 5
zones = ["lyon-1", "lyon-2"]
[[endpoint]]
provider = "mine"
region = "lyon"
zone = "lyon-1"
host = "198.51.100.1"
port = 862
granularity = "zone"
methods = ["stamp", "icmp_echo", "tcp_connect"]
ownership = "own"
least_period_ms = 100
[[endpoint]]
provider = "mine"
region = "lyon"
zone = "lyon-2"
host = "reflector.example.net"
port = 862
granularity = "zone"
methods = ["stamp"]
ownership = "own"
least_period_ms = 100
[[endpoint]]
provider = "mine"
region = "lyon"
zone = "lyon-2"
host = "theirs.example.net"
port = 443
granularity = "zone"
methods = ["tcp_connect"]
ownership = "third_party"
consent = true
"#;

const PLAN: &str = r#"
catalogue = "own.toml"
[[entry]]
name = "stamp"
agents = "country=FR"
zones = "country=FR"
method = "stamp"
period_ms = 1000
[[entry]]
name = "public"
agents = "all"
method = "tcp_connect"
period_ms = 30000
addresses = "every"
[[entry]]
name = "again"
agents = "agent=paris-1"
zones = "provider=mine"
method = "stamp"
period_ms = 200
"#;

fn read(text: &str) -> Result<PlanFile, String> {
    let parsed = PlanFile::parse(text, Path::new("plan.toml"), |named| {
        assert_eq!(named, Path::new("own.toml"));
        Ok(Catalogue::built_in().overlaid(OWN).expect("a catalogue"))
    });
    parsed.map_err(|error| error.to_string())
}

fn of(plan: &PlanFile, agent: &str, country: &str) -> Expanded {
    let labels = Labels {
        agent: agent.to_owned(),
        country: country.to_owned(),
        ..Labels::default()
    };
    expand(plan, &labels)
}

#[test]
fn each_agent_gets_what_is_chosen_for_it_once_and_grouped_by_address() {
    let plan = read(PLAN).expect("valid");
    let stamp = plan.entries[0].chosen.iter().map(|chosen| &*chosen.host);
    assert_eq!(
        stamp.collect::<Vec<_>>(),
        ["198.51.100.1", "reflector.example.net"],
        "one a zone"
    );
    let public = &plan.entries[1];
    assert!(public.need_consent > 0 && public.chosen.len() > 100, "{public:?}");
    assert!(
        public
            .chosen
            .iter()
            .all(|chosen| chosen.host != "theirs.example.net")
    );

    let paris = of(&plan, "paris-1", "FR");
    assert_eq!(paris.shadowed, 2, "the first entry for an address counts");
    let mine = &paris.targets[0];
    assert_eq!((&*mine.zone, &*mine.host), ("lyon-1", "198.51.100.1"));
    let probes: Vec<_> = mine
        .probes
        .iter()
        .map(|probe| (&*probe.method, probe.port, probe.period_ms))
        .collect();
    assert_eq!(probes, [("stamp", 862, 1_000), ("tcp_connect", 862, 30_000)]);
    let berlin = of(&plan, "berlin-1", "DE");
    assert!(
        berlin
            .targets
            .iter()
            .flat_map(|target| &target.probes)
            .all(|probe| probe.method == "tcp_connect")
    );
    // Not heard yet: chosen by name and by `all` only.
    assert_eq!(of(&plan, "paris-2", "").targets, berlin.targets);
    let names: std::collections::HashSet<_> = paris.targets.iter().map(|target| &target.name).collect();
    assert_eq!(names.len(), paris.targets.len(), "each has a name of its own");
}

#[test]
fn one_address_a_region_unless_every_one_is_asked_for() {
    let first = read(&PLAN.replace("addresses = \"every\"\n", "")).expect("valid");
    let every = read(PLAN).expect("valid");
    assert!(first.entries[1].chosen.len() < every.entries[1].chosen.len());
    let mut seen = std::collections::HashSet::new();
    for chosen in &first.entries[1].chosen {
        assert!(
            seen.insert((&chosen.provider, &chosen.region, &chosen.zone)),
            "{chosen:?}"
        );
    }
}

#[test]
fn consent_is_given_by_name_only() {
    let text = PLAN.replace(
        "addresses = \"every\"",
        "addresses = \"every\"\nwith_consent = true",
    );
    let plan = read(&text).expect("valid");
    assert_eq!(plan.entries[1].need_consent, 0);
    let hosts = plan.entries[1].chosen.iter().map(|chosen| &*chosen.host);
    assert!(hosts.into_iter().any(|host| host == "theirs.example.net"));
}

#[test]
fn what_cannot_be_is_named_with_its_line_and_a_remedy() {
    for (from, to, told) in [
        (
            "period_ms = 30000",
            "period_ms = 29999",
            "line 9: entry \"public\": period_ms = 29999 is too often",
        ),
        (
            "period_ms = 200",
            "period_ms = 99",
            "99 is too often for 198.51.100.1:862, 100 ms at least",
        ),
        (
            "name = \"again\"",
            "name = \"stamp\"",
            "line 15: entry \"stamp\": the name is taken",
        ),
        (
            "catalogue = \"own.toml\"",
            "catalogue = \"own.toml\"\n[[reflector]]\nagent = \"far-1\"\nhost = \"[::1]:8620\"",
            "line 3: reflector: host: write a host name",
        ),
        (
            "catalogue = \"own.toml\"",
            "catalogue = \"own.toml\"\n[[reflector]]\nagent = \"far-1\"\nhost = \"11.0.0.1\"\nleast_period_ms = 2000",
            "1000 is too often for the reflector of far-1, 2000 ms at least",
        ),
        (
            "agents = \"all\"",
            "agents = \"land=FR\"",
            "use one of: agent, site",
        ),
        (
            "zones = \"country=FR\"",
            "zones = \"country=XX\"",
            "line 3: entry \"stamp\": zones: no zone",
        ),
        (
            "zones = \"country=FR\"",
            "zones = \"region=eu-west-2\"",
            "region ids collide",
        ),
        (
            "zones = \"country=FR\"",
            "zones = \"country=DE\"",
            "chooses no address",
        ),
        (
            "method = \"stamp\"",
            "method = \"ping\"",
            "\"ping\" is not a method",
        ),
        ("method = \"stamp\"", "method = \"dns_query\"", "needs a question"),
        (
            "period_ms = 1000",
            "period_ms = 1000\nwaiting_time_ms = 0",
            "waiting_time_ms = 0",
        ),
        (
            "period_ms = 1000",
            "period_ms = 1000\nperiod = 2",
            "line 9: unknown field `period`",
        ),
        (
            "method = \"tcp_connect\"",
            "method = \"tcp_connect\"\nownership = \"mine\"",
            "`own`",
        ),
    ] {
        let text = PLAN.replacen(from, to, 1);
        assert_ne!(text, PLAN, "{from}");
        let error = read(&text).expect_err(to);
        assert!(
            error.starts_with("plan.toml, line ") && error.contains(told),
            "{error}"
        );
    }
    let missing = PlanFile::load(Path::new("/no/such/plan.toml")).expect_err("missing");
    assert!(
        missing.to_string().starts_with("/no/such/plan.toml: "),
        "{missing}"
    );
}

#[test]
fn nothing_of_the_built_in_catalogue_that_needs_consent_is_chosen_without_it() {
    let catalogue = Catalogue::built_in();
    let needs = |one: &Chosen| {
        let mut endpoints = catalogue.endpoints().iter();
        endpoints.any(|endpoint| {
            endpoint.consent
                && (&endpoint.provider, &endpoint.region, &endpoint.host)
                    == (&one.provider, &one.region, &one.host)
        })
    };
    for method in ["tcp_connect", "tls_handshake", "https_first_byte", "icmp_echo"] {
        let chosen = |consent: bool| {
            let text = format!(
                "[[entry]]\nname = \"all\"\nagents = \"all\"\nmethod = \"{method}\"\nperiod_ms = 30000\naddresses = \"every\"\n\
                 with_consent = {consent}\n"
            );
            let plan = PlanFile::parse(&text, Path::new("plan.toml"), |_| unreachable!("it names none"));
            plan.expect("valid").entries.remove(0)
        };
        let (without, with) = (chosen(false), chosen(true));
        assert!(!without.chosen.iter().any(needs), "{method}");
        assert!(!without.chosen.is_empty() && with.need_consent == 0, "{method}");
        let asked = with.chosen.iter().filter(|one| needs(one)).count();
        assert_eq!(asked, without.need_consent, "{method}");
    }
}

#[test]
fn agents_are_told_which_addresses_are_somebody_elses() {
    let plan = read(PLAN).expect("valid");
    let given = of(&plan, "paris-1", "FR");
    let of_host = |host: &str| -> Vec<(String, bool)> {
        let target = given.targets.iter().find(|target| target.host == host);
        let probes = &target.expect("given").probes;
        let mut marks: Vec<_> = probes
            .iter()
            .map(|probe| (probe.method.clone(), probe.public))
            .collect();
        marks.sort();
        marks
    };
    let ours = |method: &str| (method.to_owned(), false);
    assert_eq!(of_host("198.51.100.1"), [ours("stamp"), ours("tcp_connect")]);
    assert_eq!(
        of_host("ec2.eu-west-3.amazonaws.com"),
        [("tcp_connect".to_owned(), true)]
    );
}

#[test]
fn no_agent_is_given_more_than_it_would_take() {
    let mut plan = read(PLAN).expect("valid");
    let entry = &mut plan.entries[1];
    let one = entry.chosen[0].clone();
    entry.chosen = (0..1_100)
        .map(|number| Chosen {
            host: format!("host-{number}.example.net"),
            ..one.clone()
        })
        .collect();
    let berlin = of(&plan, "berlin-1", "DE");
    assert_eq!((berlin.targets.len(), berlin.beyond_limit), (1_000, 100));
}
