//! Two hundred addresses and ways of writing them, and what becomes of each. Nothing is looked up.

use super::*;

use PlanRefusal as R;

fn judged(policy: &Policy, text: &str) -> Result<(), R> {
    policy.judge_host(text).map(|_| ())
}

/// By what they are refused: v4 in all the ways that some resolver reads, then v6.
const REFUSED: &[(R, &[&str])] = &[
    (
        R::Loopback,
        &[
            "127.0.0.1",
            "127.0.0.2",
            "127.1.2.3",
            "127.255.255.255",
            "::1",
            "0:0:0:0:0:0:0:1",
            "0000::0001",
        ],
    ),
    (
        R::Unspecified,
        &[
            "0.0.0.0",
            "0.0.0.1",
            "0.1.2.3",
            "0.255.255.255",
            "::",
            "0:0:0:0:0:0:0:0",
        ],
    ),
    (
        R::Private,
        &[
            "10.0.0.0",
            "10.0.0.1",
            "10.1.2.3",
            "10.255.255.255",
            "172.16.0.0",
            "172.16.0.1",
            "172.20.10.2",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.0.1",
            "192.168.1.1",
            "192.168.255.255",
            "fc00::",
            "fc00::1",
            "fd00::1",
            "fd12:3456:789a:1::1",
            "fdff:ffff::1",
            "fec0::1",
            "feff::1",
        ],
    ),
    (
        R::Shared,
        &["100.64.0.0", "100.64.0.1", "100.100.100.100", "100.127.255.255"],
    ),
    (
        R::LinkLocal,
        &[
            "169.254.0.0",
            "169.254.0.1",
            "169.254.1.1",
            "169.254.255.255",
            "fe80::",
            "fe80::1",
            "fe80::a00:27ff:fe4e:66a1",
            "febf::1",
        ],
    ),
    (
        R::Metadata,
        &[
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "169.254.169.123",
            "169.254.169.253",
            "192.0.0.192",
            "100.100.100.200",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd00:ec2::253",
            "fd00:ec2::123",
            "fd00:ec2::23",
            "fd00:0ec2:0:0:0:0:0:254",
            "FD00:EC2::254",
            "fd20:ce::254",
        ],
    ),
    (
        R::Multicast,
        &[
            "224.0.0.0",
            "224.0.0.1",
            "224.0.0.251",
            "232.1.1.1",
            "239.255.255.250",
            "239.255.255.255",
            "ff00::",
            "ff01::1",
            "ff02::1",
            "ff02::2",
            "ff05::1:3",
            "ff0e::1",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ],
    ),
    (R::Broadcast, &["255.255.255.255"]),
    (
        R::Reserved,
        &[
            "240.0.0.0",
            "240.0.0.1",
            "250.1.2.3",
            "255.0.0.1",
            "255.255.255.254",
            "192.0.0.0",
            "192.0.0.1",
            "192.0.0.8",
            "192.0.0.170",
            "198.18.0.0",
            "198.18.0.1",
            "198.19.255.255",
            "100::",
            "100::1",
            "2001:1::1",
            "2001:2::1",
            "2001:3::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "5f00::1",
            "4000::1",
            "1000::1",
            "8000::1",
            "e000::1",
            "fe00::1",
            "200::1",
            "400::1",
        ],
    ),
    (
        R::Documentation,
        &[
            "192.0.2.0",
            "192.0.2.1",
            "192.0.2.255",
            "198.51.100.1",
            "198.51.100.255",
            "203.0.113.1",
            "203.0.113.255",
            "2001:db8::",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "3fff::1",
            "3fff:fff::1",
        ],
    ),
    (
        R::Transition,
        &[
            // IPv4-mapped, also of addresses that would be refused or allowed by themselves.
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "0:0:0:0:0:ffff:127.0.0.1",
            "::FFFF:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:a00:1",
            "::ffff:169.254.169.254",
            "::ffff:a9fe:a9fe",
            "::ffff:192.168.1.1",
            "::ffff:8.8.8.8",
            "::ffff:808:808",
            "::ffff:0.0.0.0",
            // IPv4-compatible and IPv4-translated.
            "::127.0.0.1",
            "::7f00:1",
            "::10.0.0.1",
            "::8.8.8.8",
            "::2",
            "::169.254.169.254",
            "::ffff:0:127.0.0.1",
            "::ffff:0:8.8.8.8",
            // NAT64, well known and of a network's own.
            "64:ff9b::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "64:ff9b:1:ffff::10.0.0.1",
            // 6to4 and its relays.
            "2002::",
            "2002:7f00:1::",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:101::1",
            "2002:808:808::1",
            "192.88.99.1",
            "192.88.99.255",
            // Teredo.
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:0000:7f00:0001::1",
            "2001:0:a00:1::1",
            // ISATAP.
            "2a01:4f8::5efe:10.0.0.1",
            "2a01:4f8::5efe:127.0.0.1",
            "2a01:4f8::200:5efe:169.254.169.254",
        ],
    ),
    (
        R::Name,
        &[
            // What resolvers read as IPv4 (inet_aton): decimal, octal, hexadecimal, fewer parts.
            "2130706433",
            "017700000001",
            "0x7f000001",
            "0X7F000001",
            "127.1",
            "127.0.1",
            "0x7f.1",
            "0x7f.0.0.1",
            "0x7f.0x0.0x0.0x1",
            "0177.0.0.1",
            "0177.0.0.01",
            "127.0.0.0x1",
            "127.0x1",
            "010.0.0.1",
            "0xa.0.0.1",
            "10.1",
            "167772161",
            "0xa000001",
            "3232235777",
            "0xc0a80101",
            "192.168.257",
            "2852039166",
            "0xa9fea9fe",
            "0xa9.0xfe.0xa9.0xfe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "0",
            "0x0",
            "00000000000",
            "127.0.0.1.",
            "127.1.",
            "0x7f.1.",
            "localhost.0x1",
            // Not an address, and no name either.
            "",
            ".",
            "..",
            "-",
            "256.256.256.256",
            "1.2.3.4.5",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:80",
            "::1%lo",
            "fe80::1%eth0",
            "127.0.0.1/8",
            "http://127.0.0.1/",
            "user@127.0.0.1",
            "127.0.0.1#",
            "a b",
            "a\u{0}b",
            "a\n127.0.0.1",
            "*.example.net",
            "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
            "\u{2488}example.net",
            "ex\u{e4}mple.net",
            "-a.example.net",
            "a-.example.net",
            "a..example.net",
            "1::2::3",
            ":::1",
            "::g",
        ],
    ),
];

/// Just beside what is refused, and others.
const TAKEN: &[&str] = &[
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2600::1",
    "2a01:4f8::1",
    "2a01:4f8::5eff:1:2",
    "3ffe::1",
    "3fff:1000::1",
    "example.net",
    "zone-a.example.net",
    "example.net.",
    "a_b.example.net",
    "0x7g.example",
    "127.0.0.1.example.net",
    "xn--mnchen-3ya.example",
];

#[test]
fn two_hundred_addresses_and_encodings() {
    let policy = Policy::default();
    let mut seen = 0;
    for (why, texts) in REFUSED {
        for text in *texts {
            assert_eq!(judged(&policy, text), Err(*why), "{text:?}");
            seen += 1;
        }
    }
    for text in TAKEN {
        // Names are not looked up here: a name that is none of ours has no address on this host's word.
        let host = policy.judge_host(text);
        assert!(host.is_ok(), "{text}: {host:?}");
        seen += 1;
    }
    assert!(seen >= 200, "{seen}");
}

#[test]
fn a_local_file_allows_networks_and_never_a_group_nor_secrets_by_the_way() {
    let prefix = |text: &str| text.parse::<Prefix>().expect("a prefix");
    let policy = Policy {
        allow: ["10.20.0.0/16", "169.254.0.0/16", "0.0.0.0/0", "::/0"]
            .map(prefix)
            .to_vec(),
        ..Policy::default()
    };
    for text in [
        "10.20.1.1",
        "10.21.0.1",
        "127.0.0.1",
        "169.254.0.1",
        "fe80::1",
        "fd00::1",
        "2002::1",
    ] {
        assert_eq!(judged(&policy, text), Ok(()), "{text}");
    }
    for (text, why) in [
        ("169.254.169.254", R::Metadata),
        ("fd00:ec2::254", R::Metadata),
        ("168.63.129.16", R::Metadata),
        ("0.0.0.0", R::Unspecified),
        ("::", R::Unspecified),
        ("224.0.0.1", R::Multicast),
        ("ff02::1", R::Multicast),
        ("255.255.255.255", R::Broadcast),
    ] {
        assert_eq!(judged(&policy, text), Err(why), "{text}");
    }
    let named = Policy {
        allow: vec![prefix("169.254.169.254")],
        ..Policy::default()
    };
    assert_eq!(judged(&named, "169.254.169.254"), Ok(()));
    assert_eq!(judged(&named, "169.254.169.253"), Err(R::Metadata));
    // An allowed IPv4 network does not open the IPv6 addresses that stand for it.
    let v4 = Policy {
        allow: vec![prefix("10.0.0.0/8")],
        ..Policy::default()
    };
    assert_eq!(judged(&v4, "::ffff:10.0.0.1"), Err(R::Transition));
}

#[test]
fn ports_and_rates_are_held_against_lists() {
    let policy = Policy::default();
    for port in [0, 80, 443, 862, STAMP_PORT, TCP_PORT] {
        assert_eq!(policy.judge_port(port), Ok(()), "{port}");
    }
    for port in [22, 25, 53, 111, 445, 3_306, 6_379, 8_360, 65_535] {
        assert_eq!(policy.judge_port(port), Err(R::Port), "{port}");
    }
    assert_eq!(policy.judge_period(1_000), Ok(()));
    assert_eq!(policy.judge_period(999), Err(R::Rate));
}
