//! From the flags about sockets to lanes, one a flow; refuses what the method cannot do. Pure.

use anyhow::ensure;
use azimuth_measurement::{Method, Outgoing};

use super::target::Target;
use crate::cli::{LeavingArgs, ProbeArgs};
use crate::probe::contract::ECHO_DATA_BYTES;
use crate::probe::exchange::sides;
use crate::probe::lane::{Lane, PortRange, Transport, WantedPort};
use crate::probe::wire::probe_bytes;
use crate::stamp::extension::LEAST_PADDING_BYTES;

/// The targets, each once a flow, and their lanes.
///
/// # Errors
/// Which flag does not go with what else was asked, and what would.
pub fn flows(targets: Vec<Target>, args: &ProbeArgs) -> anyhow::Result<Vec<(Target, Lane)>> {
    let asked = &args.leaving;
    check(args)?;
    let flows = asked.flows.unwrap_or(1);
    let mut all = Vec::with_capacity(targets.len() * usize::from(flows));
    for target in targets {
        if let Some(source) = asked.source_address {
            ensure!(
                source.is_ipv4() == target.address.is_ipv4(),
                "--source-address {source} and {} are not of one family",
                target.address.ip()
            );
        }
        for flow in 0..flows {
            let name = match flows {
                1 => target.name.clone(),
                _ => format!("{} #{flow}", target.name),
            };
            let lane = lane(args, flow);
            let target = Target {
                name,
                flow,
                ..target.clone()
            };
            all.push((target, lane));
        }
    }
    Ok(all)
}

fn lane(args: &ProbeArgs, flow: u16) -> Lane {
    let asked = &args.leaving;
    let Some(transport) = Transport::of(args.method()) else {
        // What was asked for has been refused.
        return Lane::default();
    };
    let range = match transport {
        Transport::Icmp => PortRange::IDENTIFIERS,
        _ => PortRange::DEFAULT,
    };
    // The same flow has the same port each time it is asked for, so that two runs can be compared.
    let port = asked
        .flows
        .map(|_| WantedPort::hashed(&format!("probe/{}/{flow}", transport.as_str()), range));
    Lane {
        flow,
        port,
        dscp: asked.dscp.unwrap_or(0),
        outgoing: Outgoing {
            source_address: asked.source_address,
            interface: asked.interface.clone(),
            payload_bytes: asked.payload_bytes.unwrap_or(0),
            dont_fragment: asked.dont_fragment,
        },
    }
}

fn check(args: &ProbeArgs) -> anyhow::Result<()> {
    let asked = &args.leaving;
    if !sides(args.method()).is_empty() {
        ensure!(
            *asked == LeavingArgs::default(),
            "{} leaves as the system chooses: leave --flows, --dscp, --source-address, --interface, --payload-bytes and \
             --dont-fragment away, or take another --method",
            args.method()
        );
        return Ok(());
    }
    if args.method() == Method::TcpConnect {
        ensure!(
            asked.payload_bytes.is_none() && !asked.dont_fragment,
            "--payload-bytes and --dont-fragment: tcp_connect carries nothing; leave them away"
        );
        ensure!(
            asked.flows.is_none() || args.waiting_time_ms < args.period_ms(),
            "--flows with tcp_connect: a connection may still hold the source port of its flow; choose --waiting-time-ms \
             below --period-ms"
        );
    }
    let (needed, more) = match args.method() {
        Method::IcmpEcho => (usize::from(ECHO_DATA_BYTES), 1),
        _ => (
            probe_bytes(args.key_file.is_some(), true, false),
            LEAST_PADDING_BYTES,
        ),
    };
    if let Some(bytes) = asked.payload_bytes.map(usize::from) {
        ensure!(
            bytes == needed || bytes >= needed + more,
            "--payload-bytes {bytes} is too few for {}, which needs {needed}; use that, or {} and more",
            args.method(),
            needed + more
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn asked(flags: &[&str]) -> anyhow::Result<Vec<(Target, Lane)>> {
        let line = ["azimuth-agent", "probe", "10.0.0.1"].iter().chain(flags);
        let Command::Probe(args) = Cli::try_parse_from(line)?.command else {
            unreachable!("it is the word")
        };
        let target = Target {
            name: "a".into(),
            host: String::new(),
            address: "10.0.0.1:8620".parse()?,
            flow: 0,
        };
        flows(vec![target], &args)
    }

    #[test]
    fn each_flow_is_a_line_with_a_port_that_stays() {
        let first = asked(&["--flows", "3", "--dscp", "46"]).expect("fine");
        let names: Vec<_> = first.iter().map(|(target, _)| target.name.as_str()).collect();
        assert_eq!(names, ["a #0", "a #1", "a #2"]);
        assert_eq!(first[2].1.dscp, 46);
        assert_ne!(first[0].1.port, first[1].1.port);
        assert_eq!(first, asked(&["--flows", "3", "--dscp", "46"]).expect("fine"));
        assert_eq!(asked(&[]).expect("fine")[0].1, Lane::default());
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_what_would() {
        let refused = |flags: &[&str]| asked(flags).expect_err("refused").to_string();
        assert!(refused(&["--payload-bytes", "65"]).contains("needs 64; use that, or 68"));
        assert!(refused(&["--source-address", "::1"]).contains("not of one family"));
        assert!(refused(&["--method", "tcp_connect", "--dont-fragment"]).contains("carries nothing"));
        assert!(refused(&["--method", "tcp_connect", "--flows", "2"]).contains("below --period-ms"));
        assert!(refused(&["--method", "icmp_echo", "--payload-bytes", "19"]).contains("needs 20"));
        assert!(refused(&["--method", "tls", "--flows", "2"]).contains("leaves as the system chooses"));
        assert!(refused(&["--method", "https", "--dscp", "46"]).contains("leaves as the system chooses"));
        assert!(asked(&["--method", "tls"]).is_ok());
    }
}
