//! The exact words of every mistake: they are what a person with a broken file at hand has to go by.

use super::*;
use crate::schedule::Pace;

const GOOD: &str = r#"
agent = "paris-free-1"
[collector]
url = "http://127.0.0.1:8360"
[vantage_point]
name = "Paris (Free)"
country = "FR"
city = "Paris"
network = "Free"
asn = 12322
latitude = 48.86
longitude = 2
[[target]]
name = "aws-euw3-az1"
provider = "aws"
region = "eu-west-3"
zone = "euw3-az1"
granularity = "zone"
address = "10.78.1.1"
  [[target.probe]]
  method = "stamp"
  period_ms = 1000
  [[target.probe]]
  method = "tcp_connect"
  port = 443
  period_ms = 10000
  waiting_time_ms = 3000
"#;

fn check(text: &str) -> Result<Config, String> {
    parse(text, Path::new("agent.toml")).map_err(|mistakes| mistakes.to_string())
}

/// The message about GOOD with `from` replaced by `to`.
fn message(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from} is not in the example");
    check(&GOOD.replacen(from, to, 1)).expect_err("a mistake")
}

#[test]
fn an_address_that_is_said_to_be_public_backs_off_and_no_other_does() {
    let seeds = |text: &str| -> Vec<Option<u64>> {
        let plans = check(text).expect("fine").series_plans();
        plans.iter().map(|plan| plan.backs_off).collect()
    };
    assert_eq!(seeds(GOOD), [None, None]);
    let public = seeds(&GOOD.replacen("granularity =", "public = true\ngranularity =", 1));
    assert!(
        public.iter().all(Option::is_some) && public[0] != public[1],
        "{public:?}"
    );
    assert!(
        message("granularity = \"zone\"", "public = 1").contains("target[1].public: expected true or false")
    );
}

#[test]
fn paths_are_traced_unless_told_otherwise() {
    let paths = |section: &str| {
        let text = GOOD.replace("[vantage_point]", &format!("{section}\n[vantage_point]"));
        parse(&text, Path::new("agent.toml")).map(|config| config.paths)
    };
    let default = PathConfig {
        period_s: 1_800,
        on_delay_shift: true,
    };
    assert_eq!(paths("").expect("fine"), Some(default));
    assert_eq!(paths("[path]\nenabled = false").expect("fine"), None);
    let slow = PathConfig {
        period_s: 3_600,
        on_delay_shift: false,
    };
    assert_eq!(
        paths("[path]\nperiod_s = 3600\non_delay_shift = false").expect("fine"),
        Some(slow)
    );
    let wrong = paths("[path]\nperiod_s = 5").expect_err("refused").to_string();
    assert!(
        wrong.contains("path.period_s: 5 is out of range. Use a whole number from 10 to 86400"),
        "{wrong}"
    );
}

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let config = check(GOOD).expect("a good file");
    assert_eq!(
        config.collector,
        CollectorAddress::Http("http://127.0.0.1:8360".into())
    );
    let spool = SpoolConfig {
        directory: None,
        max_bytes: 64 << 20,
    };
    assert_eq!((config.interval_ms, config.spool), (10_000, spool));
    let [stamp, connect] = &config.targets[0].probes[..] else {
        panic!("two probes")
    };
    assert_eq!((stamp.address.port(), stamp.waiting_time_ms), (8620, 2_000));
    assert_eq!((connect.address.port(), connect.waiting_time_ms), (443, 3_000));
    assert_eq!(config.targets[0].zone.to_string(), "aws/eu-west-3/euw3-az1");
}

#[test]
fn plan_and_manifest_number_the_same_series_alike() {
    let config = check(GOOD).expect("a good file");
    let (manifest, plans) = (config.manifest(), config.series_plans());
    assert_eq!(manifest.check(), Ok(()));
    assert_eq!(manifest.series.len(), plans.len());
    for (descriptor, plan) in manifest.series.iter().zip(&plans) {
        assert_eq!(
            (descriptor.address, descriptor.method),
            (plan.address, plan.method)
        );
        assert!(plan.phase_ns < i64::from(plan.period_ms) * 1_000_000);
    }
    assert!(
        config
            .summary()
            .contains("1 targets with 2 probes, 1.1 packets per second")
    );
}

#[test]
fn unknown_keys_are_refused_wherever_they_are() {
    assert_eq!(
        message("asn = 12322", "asn = 12322\nasm = 1"),
        "agent.toml:11: vantage_point.asm: unknown key. Keys allowed here: name, country, city, network, asn, latitude, longitude"
    );
    assert_eq!(
        message("agent =", "agents = 1\nagent ="),
        "agent.toml:2: agents: unknown key. Keys allowed here: identity, agent, interval_ms, source_ports, collector, vantage_point, spool, path, throughput, names, cloud, plan, target"
    );
    assert_eq!(
        message("  port = 443", "  prot = 443"),
        "agent.toml:25: target[1].probe[2].prot: unknown key. Keys allowed here: method, port, period_ms, schedule, waiting_time_ms, follow_up, direct_measurement, key_file, flows, dscp, source_address, interface, payload_bytes, dont_fragment"
    );
}

#[test]
fn the_spool_has_a_directory_and_a_bound_and_nothing_else() {
    let table = "[spool]\ndirectory = \"/var/lib/azimuth-agent/spool\"\nmax_bytes = 1048576\n[[target]]";
    let config = check(&GOOD.replacen("[[target]]", table, 1)).expect("a good file");
    let spool = SpoolConfig {
        directory: Some("/var/lib/azimuth-agent/spool".into()),
        max_bytes: 1 << 20,
    };
    assert_eq!(config.spool, spool);
    assert_eq!(
        message("[[target]]", "[spool]\npath = \"x\"\n[[target]]"),
        "agent.toml:14: spool.path: unknown key. Keys allowed here: directory, max_bytes"
    );
    assert_eq!(
        message("[[target]]", "[queue]\nmax_bytes = 65536\n[[target]]"),
        "agent.toml:13: queue: unknown key. Keys allowed here: identity, agent, interval_ms, source_ports, collector, vantage_point, spool, path, throughput, names, cloud, plan, target"
    );
}

#[test]
fn missing_keys_are_named_at_the_table_that_lacks_them() {
    assert_eq!(
        message("agent = \"paris-free-1\"", ""),
        "agent.toml:1: agent: missing. Add `agent` to this table"
    );
    assert_eq!(
        message("[collector]\nurl = \"http://127.0.0.1:8360\"", ""),
        "agent.toml:1: collector: missing. Add a table `[collector]`"
    );
    assert_eq!(
        message("  period_ms = 1000\n", ""),
        "agent.toml:20: target[1].probe[1].period_ms: missing. Add `period_ms` to this table"
    );
}

#[test]
fn values_out_of_range_say_what_is_allowed() {
    let table = [
        (
            "period_ms = 1000\n",
            "period_ms = 5\n",
            "agent.toml:22: target[1].probe[1].period_ms: 5 is out of range. Use a whole number from 10 to 3600000",
        ),
        (
            "waiting_time_ms = 3000",
            "waiting_time_ms = 60001",
            "agent.toml:27: target[1].probe[2].waiting_time_ms: 60001 is out of range. Use a whole number from 1 to 60000",
        ),
        (
            "waiting_time_ms = 3000",
            "schedule = \"random\"",
            "agent.toml:27: target[1].probe[2].schedule: \"random\" is not a schedule. Use \"periodic\" or \"poisson\"",
        ),
        (
            "waiting_time_ms = 3000",
            "follow_up = false",
            "agent.toml:27: target[1].probe[2].follow_up: only stamp has follow-ups. Remove the key",
        ),
        (
            "waiting_time_ms = 3000",
            "direct_measurement = true",
            "agent.toml:27: target[1].probe[2].direct_measurement: only stamp has direct measurement. Remove the key",
        ),
        (
            "waiting_time_ms = 3000",
            "follow_up = 1",
            "agent.toml:27: target[1].probe[2].follow_up: expected true or false, found integer. Write true or false, without quotes",
        ),
        (
            "port = 443",
            "port = 65536",
            "agent.toml:25: target[1].probe[2].port: 65536 is out of range. Use a whole number from 1 to 65535",
        ),
        (
            "latitude = 48.86",
            "latitude = 90.5",
            "agent.toml:11: vantage_point.latitude: 90.5 is out of range. Use a number from -90 to 90",
        ),
        (
            "longitude = 2",
            "longitude = nan",
            "agent.toml:12: vantage_point.longitude: nan is out of range. Use a number from -180 to 180",
        ),
        (
            "asn = 12322",
            "asn = \"AS12322\"",
            "agent.toml:10: vantage_point.asn: expected whole number, found string. Use a whole number from 0 to 4294967295",
        ),
        (
            "country = \"FR\"",
            "country = \"fr\"",
            "agent.toml:7: vantage_point.country: \"fr\" is not a country code. Use two upper-case letters (ISO 3166-1 alpha-2), for example FR",
        ),
        (
            "paris-free-1",
            "Paris",
            "agent.toml:2: agent: \"Paris\" is not an agent id. Use 1 to 63 lower-case letters, digits and hyphens, not starting with a hyphen",
        ),
        (
            "http://127.0.0.1:8360",
            "ftp://x",
            "agent.toml:4: collector.url: \"ftp://x\" is not the address of a collector. Use https://host:port, unix:/path/to/collector.sock, or http://127.0.0.1:port on this machine",
        ),
        (
            "http://127.0.0.1:8360",
            "http://192.0.2.1:8360",
            "agent.toml:4: collector.url: http://192.0.2.1:8360 is reached in the clear: anybody on the way could read and change reports. Use https://, or say `allow_plain_http = true` if something else protects the way",
        ),
        (
            "10.78.1.1",
            "10.78.1.256",
            "agent.toml:19: target[1].address: \"10.78.1.256\" is neither an address nor a name. Use an IPv4 or IPv6 address, or a host name such as zone-a.example.net",
        ),
        (
            "10.78.1.1",
            "224.0.0.1",
            "agent.toml:19: target[1].address: 224.0.0.1 is not the address of one host. Use a unicast address",
        ),
        (
            "granularity = \"zone\"",
            "granularity = \"rack\"",
            "agent.toml:18: target[1].granularity: \"rack\" is not valid. Use one of: zone, region, campus",
        ),
        (
            "method = \"stamp\"",
            "method = \"ping\"",
            "agent.toml:21: target[1].probe[1].method: \"ping\" is not a method. Use stamp, icmp_echo, tcp_connect, tls_handshake, https_first_byte or dns_query",
        ),
        (
            "method = \"stamp\"",
            "method = \"dns_query\"",
            "agent.toml:20: target[1].probe[1].question: missing. Add `question` to this table",
        ),
        (
            "agent =",
            "interval_ms = 1500\nagent =",
            "agent.toml:2: interval_ms: 1500 is not a whole number of seconds. Use a multiple of 1000",
        ),
        (
            "agent =",
            "collector = 1\nagent =",
            "agent.toml:4: not valid TOML: duplicate key. See https://toml.io",
        ),
    ];
    for (from, to, expected) in table {
        assert_eq!(message(from, to), expected);
    }
}

#[test]
fn what_occurs_twice_points_back_at_the_first() {
    let name_twice = GOOD.to_owned()
        + "[[target]]\nname = \"aws-euw3-az1\"\nprovider = \"aws\"\nregion = \"r\"\nzone = \"z\"\naddress = \"10.0.0.1\"\n[[target.probe]]\nmethod = \"stamp\"\nperiod_ms = 1000\n";
    assert_eq!(
        check(&name_twice).expect_err("a mistake"),
        "agent.toml:29: target[2].name: \"aws-euw3-az1\" names a target already (line 14). Give each target a name of its own"
    );
    let probe_twice = GOOD.to_owned() + "[[target.probe]]\nmethod = \"stamp\"\nperiod_ms = 1000\n";
    assert_eq!(
        check(&probe_twice).expect_err("a mistake"),
        "agent.toml:29: target[1].probe[3].method: 10.78.1.1:8620 is measured by stamp already (line 21). Remove one of the two, use another port, or `flows` for several"
    );
}

#[test]
fn a_bad_zone_and_an_empty_file_are_explained() {
    assert!(
        message("zone = \"euw3-az1\"", "zone = \"a b\"").starts_with("agent.toml:17: target[1].zone: "),
        "{}",
        message("zone = \"euw3-az1\"", "zone = \"a b\"")
    );
    assert_eq!(
        check("").expect_err("a mistake"),
        "agent.toml:1: agent: missing. Add `agent` to this table\n\
         agent.toml:1: collector: missing. Add a table `[collector]`\n\
         agent.toml:1: vantage_point: missing. Add a table `[vantage_point]`\n\
         agent.toml:1: target: nothing to measure. Add at least one `[[target]]`"
    );
}

#[test]
fn tables_in_the_wrong_shape_are_shown_how_to_be_written() {
    assert_eq!(
        check("agent = \"a\"\ncollector = 1\nvantage_point = 2\ntarget = [{ name = \"x\", probe = 3 }]\n")
            .expect_err("mistakes")
            .lines()
            .filter(|line| line.contains("expected"))
            .collect::<Vec<_>>(),
        [
            "agent.toml:2: collector: expected table, found integer. Write `[collector]`",
            "agent.toml:3: vantage_point: expected table, found integer. Write `[vantage_point]`",
            "agent.toml:4: target[1].probe: expected array of tables, found integer. Write `[[target.probe]]`",
        ]
    );
}

#[test]
fn all_mistakes_are_found_at_once_in_the_order_of_their_lines() {
    let broken = GOOD
        .replace("asn = 12322", "asn = -1")
        .replace("paris-free-1", "Paris")
        .replace("port = 443", "port = 0");
    let lines: Vec<String> = check(&broken)
        .expect_err("mistakes")
        .lines()
        .map(|line| line.chars().take(14).collect())
        .collect();
    assert_eq!(lines, ["agent.toml:2: ", "agent.toml:10:", "agent.toml:25:"]);
}

#[test]
fn a_collector_is_reached_over_http_or_a_unix_socket() {
    let address = |url: &str| collector_address(url);
    assert_eq!(
        address("unix:/run/c.sock"),
        Some(CollectorAddress::Unix("/run/c.sock".into()))
    );
    assert_eq!(
        address("http://[::1]:8360/"),
        Some(CollectorAddress::Http("http://[::1]:8360".into()))
    );
    for bad in [
        "unix:c.sock",
        "http://",
        "127.0.0.1:8360",
        "http://a/b",
        "http://u@a/",
        "http://a/?q",
    ] {
        assert_eq!(address(bad), None, "{bad}");
    }
}

#[test]
fn flows_are_series_with_ports_that_stay_and_targets_share_them() {
    let keys = "granularity = \"zone\"\nflows = 3\ndscp = 46";
    let config = check(&GOOD.replacen("granularity = \"zone\"", keys, 1)).expect("a good file");
    let (manifest, plans) = (config.manifest(), config.series_plans());
    let flows: Vec<_> = manifest
        .series
        .iter()
        .map(|series| (series.method.as_str(), series.flow, series.dscp))
        .collect();
    assert_eq!(
        flows,
        [
            ("stamp", 0, 46),
            ("stamp", 1, 46),
            ("stamp", 2, 46),
            ("tcp_connect", 0, 46),
            ("tcp_connect", 1, 46),
            ("tcp_connect", 2, 46),
        ]
    );
    assert_eq!(manifest.check(), Ok(()));
    let ports: std::collections::HashSet<_> = plans.iter().map(|plan| plan.lane.port).collect();
    assert_eq!((ports.len(), ports.contains(&None)), (6, false));
    let phases: std::collections::HashSet<_> = plans.iter().map(|plan| plan.phase_ns).collect();
    assert_eq!(phases.len(), 6, "flows do not burst");
    assert_eq!(config.series_plans(), plans, "nor are they others the next time");

    let plain = check(GOOD).expect("a good file").series_plans();
    assert!(
        plain[0].lane.port.is_some() && plain[1].lane.port.is_none(),
        "without flows, connections come from any port"
    );
}

#[test]
fn methods_of_one_packet_ask_a_host_at_one_instant_and_hosts_and_exchanges_do_not() {
    let elsewhere = GOOD.replace("10.78.1.1", "10.78.1.2");
    let asked = GOOD.to_owned() + &NAMED.replace("192.0.2.53", "10.78.1.1");
    let phases = |text: &str| -> Vec<i64> {
        let plans = check(text).expect("a good file").series_plans();
        plans.iter().map(|plan| plan.phase_ns).collect()
    };
    let (here, there) = (phases(GOOD), phases(&elsewhere));
    assert_eq!(
        here[0],
        here[1] % 1_000_000_000,
        "the one each 1 s, the other each 10 s"
    );
    assert_eq!(there[0], there[1] % 1_000_000_000);
    assert_ne!(here[0], there[0]);
    assert_ne!(
        here[0],
        phases(&asked)[2] % 1_000_000_000,
        "a DNS question to this host"
    );
}

#[test]
fn a_probe_goes_its_own_way_before_its_target_s() {
    let text = GOOD
        .replacen(
            "granularity = \"zone\"",
            "dont_fragment = true\npayload_bytes = 1200\ninterface = \"eth1\"",
            1,
        )
        .replacen(
            "  method = \"stamp\"",
            "  method = \"stamp\"\n  payload_bytes = 500\n  source_address = \"10.0.0.9\"",
            1,
        );
    let config = check(&text).expect("a good file");
    let [stamp, connect] = &config.targets[0].probes[..] else {
        panic!("two probes")
    };
    let (stamp, connect) = (&stamp.leaving.outgoing, &connect.leaving.outgoing);
    assert_eq!(
        (stamp.payload_bytes, stamp.dont_fragment, stamp.source_address),
        (500, true, "10.0.0.9".parse().ok())
    );
    assert_eq!(
        (connect.payload_bytes, connect.dont_fragment),
        (0, false),
        "a connect carries nothing"
    );
    assert_eq!(
        (stamp.interface.as_deref(), connect.interface.as_deref()),
        (Some("eth1"), Some("eth1"))
    );
    assert!(
        config
            .summary_json()
            .expect("plain data")
            .contains("\"interface\":\"eth1\"")
    );
}

#[test]
fn what_no_socket_can_do_is_refused_at_its_line() {
    let at_probe = |key: &str| message("  method = \"stamp\"", &format!("  method = \"stamp\"\n  {key}"));
    for (key, expected) in [
        (
            "flows = 17",
            "target[1].probe[1].flows: 17 is out of range. Use a whole number from 1 to 16",
        ),
        (
            "dscp = 64",
            "target[1].probe[1].dscp: 64 is out of range. Use a whole number from 0 to 63",
        ),
        (
            "payload_bytes = 66",
            "target[1].probe[1].payload_bytes: 66 octets are too few for these probes, which need 64. \
             Use 64, or 68 to 2048, which is what a reflector gives back",
        ),
        (
            "source_address = \"::1\"",
            "target[1].probe[1].source_address: ::1 and 10.78.1.1 are not of one family. \
             Use an address of this host that is of the target's family",
        ),
        (
            "interface = \"this-name-is-too-long\"",
            "target[1].probe[1].interface: \"this-name-is-too-long\" cannot be the name of an interface. \
             `ip link` lists their names, for example eth0",
        ),
    ] {
        assert_eq!(at_probe(key), format!("agent.toml:22: {expected}"));
    }
    assert_eq!(
        message("  port = 443", "  payload_bytes = 100"),
        "agent.toml:25: target[1].probe[2].payload_bytes: tcp_connect carries nothing. Remove the key"
    );
    assert_eq!(
        message(
            "  waiting_time_ms = 3000",
            "  waiting_time_ms = 10000\n  flows = 2"
        ),
        "agent.toml:27: target[1].probe[2].waiting_time_ms: 10000 ms is not shorter than the period of 10000 ms: \
         a connection would still hold the source port of its flow. Use a shorter `waiting_time_ms`, or remove `flows`"
    );
    assert_eq!(
        message("[collector]", "source_ports = \"8000-9000\"\n[collector]"),
        "agent.toml:3: source_ports: \"8000-9000\" is not valid. \
         Use \"LOW-HIGH\" with at least 32 ports from 10000 up, for example \"61000-65535\""
    );
}

#[test]
fn more_ways_out_than_sockets_are_refused() {
    let target = |number: usize| {
        format!(
            "[[target]]\nname = \"t{number}\"\nprovider = \"a\"\nregion = \"r\"\nzone = \"z\"\naddress = \"10.0.0.1\"\n\
             [[target.probe]]\nmethod = \"stamp\"\nperiod_ms = 1000\nflows = 16\ndscp = {number}\n"
        )
    };
    let of = |count: usize| {
        let (head, _) = GOOD.split_once("[[target]]").expect("there");
        check(&(head.to_owned() + &(0..count).map(target).collect::<String>()))
    };
    assert!(of(16).is_ok());
    let refused = of(17).expect_err("too many");
    assert!(
        refused.contains("272 ways out are more than one agent may have"),
        "{refused}"
    );
}

const NAMED: &str = r#"
[[target]]
name = "named"
provider = "aws"
region = "eu-west-3"
zone = "euw3-az2"
address = "zone-a.example.net"
  [[target.probe]]
  method = "tls_handshake"
  period_ms = 30000
  [[target.probe]]
  method = "https_first_byte"
  server_name = "www.example.net"
  path = "/healthz?deep=1"
  period_ms = 30000
[[target]]
name = "resolver"
provider = "aws"
region = "eu-west-3"
zone = "euw3-az3"
address = "192.0.2.53"
  [[target.probe]]
  method = "dns_query"
  question = "zone-a.example.net"
  record = "AAAA"
  period_ms = 30000
  [[target.probe]]
  method = "dns_query"
  question = "zone-b.example.net"
  period_ms = 30000
"#;

#[test]
fn a_name_and_exchanges_are_read_with_their_defaults() {
    let config = check(&(GOOD.to_owned() + NAMED)).expect("a good file");
    let defaults = NamesConfig {
        every_s: 300,
        addresses: 4,
    };
    assert_eq!(config.names, defaults);
    let (named, resolver) = (&config.targets[1], &config.targets[2]);
    assert_eq!(named.host.as_deref(), Some("zone-a.example.net"));
    assert_eq!(
        (named.probes[0].address.port(), resolver.probes[0].address.port()),
        (443, 53)
    );
    assert_eq!(
        named.probes[0].request,
        Some(Request::Tls {
            server_name: "zone-a.example.net".into()
        })
    );
    assert_eq!(
        named.probes[1].request,
        Some(Request::Https {
            server_name: "www.example.net".into(),
            path: "/healthz?deep=1".into()
        })
    );
    let (manifest, plans) = (config.manifest(), config.series_plans());
    assert_eq!(plans.len(), 4, "the name has no address yet");
    assert_eq!(manifest.series.len(), 2 + 2 * 7, "each question, and its sides");
    assert_eq!(manifest.series[2].facet.host, "zone-a.example.net");
    assert_eq!(manifest.series[9].facet.host, "zone-b.example.net");
    assert_eq!(manifest.check(), Ok(()));
}

#[test]
fn mistakes_of_names_and_exchanges_are_explained() {
    let message = |from: &str, to: &str| {
        let text = GOOD.to_owned() + NAMED;
        assert!(text.contains(from), "{from} is not in the example");
        check(&text.replacen(from, to, 1)).expect_err("a mistake")
    };
    for (from, to, expected) in [
        (
            "\"www.example.net\"",
            "\"www_.example-.net\"",
            "server_name: \"www_.example-.net\" is not a host name. Use letters",
        ),
        (
            "\"/healthz?deep=1\"",
            "\"healthz\"",
            "path: \"healthz\" is no path. Use at most 1024 visible",
        ),
        (
            "\"AAAA\"",
            "\"MX\"",
            "record: \"MX\" is not a type of record that is asked for. Use A or AAAA",
        ),
        (
            "  question = \"zone-b",
            "  question = \"zone-a",
            "method: 192.0.2.53:53 is measured by dns_query already",
        ),
        (
            "method = \"tls_handshake\"",
            "method = \"tls_handshake\"\n  path = \"/\"",
            "path: unknown key",
        ),
        (
            "[[target]]",
            "[names]\naddresses = 17\n[[target]]",
            "names.addresses: 17",
        ),
        (
            "[[target]]",
            "[names]\nevery_s = 5\n[[target]]",
            "names.every_s: 5",
        ),
    ] {
        let text = message(from, to);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn exchanges_leave_as_the_system_chooses_and_whatever_asks_otherwise_is_refused() {
    let checked = |from: &str, to: &str| {
        let text = GOOD.to_owned() + NAMED;
        assert!(text.contains(from), "{from} is not in the example");
        check(&text.replacen(from, to, 1))
    };
    let method = "method = \"tls_handshake\"";
    for key in [
        "flows = 1",
        "dscp = 0",
        "source_address = \"10.0.0.9\"",
        "interface = \"eth1\"",
        "payload_bytes = 100",
        "dont_fragment = true",
    ] {
        let refused = checked(method, &format!("{method}\n  {key}")).expect_err("refused");
        let name = key.split(' ').next().expect("a word");
        let expected =
            format!("target[2].probe[1].{name}: tls_handshake leaves as the system chooses. Remove the key");
        assert!(refused.contains(&expected), "{refused}");
    }
    let address = "address = \"zone-a.example.net\"";
    let refused = checked(address, &format!("{address}\ndscp = 46")).expect_err("refused");
    for probe in [
        "probe[1].method: tls_handshake",
        "probe[2].method: https_first_byte",
    ] {
        assert!(
            refused.contains(&format!(
                "{probe} leaves as the system chooses, and its target asks for `dscp`. Move `dscp` to the other probes"
            )),
            "{refused}"
        );
    }
    assert!(
        checked(address, &format!("{address}\ndont_fragment = true")).is_ok(),
        "a shape of nothing"
    );
    let config = checked("record = \"AAAA\"", "schedule = \"poisson\"").expect("a good file");
    assert!(matches!(config.series_plans()[2].pace, Pace::Poisson { .. }));
}

#[test]
fn flows_of_a_name_are_its_own_and_its_lanes_count_before_it_is_known() {
    let named = NAMED.replacen(
        "  method = \"tls_handshake\"",
        "  method = \"stamp\"\n  flows = 2\n  source_address = \"2001:db8::9\"",
        1,
    );
    let config = check(&(GOOD.to_owned() + &named)).expect("either family may come");
    let six: Vec<_> = config
        .possible_plans()
        .into_iter()
        .filter(|plan| plan.address.is_ipv6())
        .collect();
    let flows: Vec<_> = six.iter().map(|plan| (plan.method, plan.lane.flow)).collect();
    assert_eq!(
        flows,
        [
            (Method::Stamp, 0),
            (Method::Stamp, 1),
            (Method::HttpsFirstByte, 0)
        ]
    );
    let twice = named.replacen(
        "  method = \"https_first_byte\"\n  server_name = \"www.example.net\"\n  path = \"/healthz?deep=1\"",
        "  method = \"stamp\"\n  source_address = \"2001:db8::9\"",
        1,
    );
    let refused = check(&(GOOD.to_owned() + &twice)).expect_err("they would meet in the first flow");
    assert!(
        refused.contains("zone-a.example.net:8620 is measured by stamp already"),
        "{refused}"
    );
}

#[test]
fn paths_go_to_addresses_and_know_their_series_among_sides() {
    let after = "[[target]]\nname = \"after\"\nprovider = \"aws\"\nregion = \"eu-west-3\"\nzone = \"euw3-az1\"\n\
                 address = \"192.0.2.7\"\n[[target.probe]]\nmethod = \"tls_handshake\"\nperiod_ms = 30000\n";
    let config = check(&(GOOD.to_owned() + NAMED + after)).expect("a good file");
    let traced: Vec<_> = config
        .path_targets()
        .iter()
        .map(|path| (path.series, path.trace.method, path.trace.address.to_string()))
        .collect();
    assert_eq!(
        traced,
        [
            (0, Method::Stamp, "10.78.1.1:8620".to_owned()),
            (2, Method::IcmpEcho, "192.0.2.53:0".to_owned()),
            (16, Method::TcpConnect, "192.0.2.7:443".to_owned()),
        ],
        "without the name"
    );
    let series = config.manifest().series;
    assert_eq!(series[16].target, "after");
}
