//! The command line: what can be asked for, in words that teach. Parses; does nothing.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use azimuth_measurement::Method;
use azimuth_measurement::catalogue::POLITE_PERIOD_MS;
use azimuth_measurement::catalogue::select::Selector;
use clap::{Args, Parser, Subcommand};

use crate::config::web::{is_host_name, is_path};
use crate::probe::lane::MAX_FLOWS;
use crate::reflect::rules::LONGEST_ANSWER;
use crate::reflect::{DEFAULT_MAX_PER_SECOND, Prefix};
use crate::throughput::command::ThroughputArgs;
use crate::throughput::reflector::ThroughputListenArgs;

/// Default UDP port of a reflector.
pub const STAMP_PORT: u16 = 8620;
/// Default TCP port of a reflector.
pub const TCP_PORT: u16 = 8621;

/// Measures round-trip delay and loss to cloud availability zones, with kernel timestamps.
#[derive(Debug, Parser)]
#[command(
    name = "azimuth-agent",
    version,
    about = "Measures round-trip delay and loss to cloud availability zones, with kernel timestamps.",
    long_about = "Measures round-trip delay and loss to cloud availability zones, with kernel timestamps.\n\n\
        An agent stands where users are (`run`), a reflector in each zone (`reflect`). The agent sends STAMP test \
        packets (RFC 8762) on a fixed schedule, the reflector answers, the kernel stamps both ends of each trip, and \
        the time spent in the reflector is subtracted. Every ten seconds a report goes to the collector.",
    after_help = "Try it on this machine:\n  \
        azimuth-agent reflect --listen 127.0.0.1:8620 --allow 127.0.0.0/8 &\n  \
        azimuth-agent probe 127.0.0.1\n\n\
        Log lines go to stderr; AZIMUTH_LOG=debug shows more (error, warn, info, debug).\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure what the configuration names and report to the collector, until told to stop
    #[command(
        after_help = "Example:\n  azimuth-agent config check /etc/azimuth/agent.toml && \
        azimuth-agent run --config /etc/azimuth/agent.toml\n\n\
        SIGTERM or Ctrl-C closes the current interval, tries for two seconds to deliver it, and exits with 0.\n\
        SIGHUP reads the file again: the interval is closed early and the next begins with what the file says now. A file \
        with a mistake changes nothing; the log names each line."
    )]
    Run(RunArgs),
    /// Answer STAMP test packets: the far end, to be run in a zone
    #[command(after_help = "Examples:\n  \
        azimuth-agent reflect --allow 192.0.2.0/24 --allow 2001:db8::/32\n  \
        azimuth-agent reflect --listen 10.0.0.5:8620 --allow 198.51.100.7\n  \
        openssl rand -hex 32 > stamp.key && chmod 640 stamp.key && azimuth-agent reflect --allow-any --key-file stamp.key\n\n\
        A reflector answers from the address it was asked at and never with more octets than it was sent. Name the \
        networks your agents stand in with --allow: a reflector that answers everyone can be made to send packets \
        to someone who did not ask.")]
    Reflect(ReflectArgs),
    /// Measure one or many targets now, side by side: for a person at a terminal
    #[command(after_help = "Examples:\n  \
        azimuth-agent probe 203.0.113.10\n  \
        azimuth-agent probe 203.0.113.10 --count 100 --period-ms 20\n  \
        azimuth-agent probe zone-a.example.net zone-b.example.net 198.51.100.7 --duration-s 60\n  \
        azimuth-agent probe zone-a.example.net:443 --method tcp_connect --json\n  \
        azimuth-agent probe --zones 'country=FR,provider=ovhcloud' --list\n  \
        azimuth-agent probe 203.0.113.10 --flows 8 --dscp 46\n  \
        azimuth-agent probe 203.0.113.10 --payload-bytes 1472 --dont-fragment\n\n\
        `stamp` needs a reflector on the other side; `icmp_echo` a host that answers pings and the right to ping; \
        `tcp_connect` any open TCP port. Several targets end with a ranking by median. On a terminal the table is live; \
        Ctrl-C ends early and still shows it. Exit code 0 if every target answered, 1 if one did not, 2 if one could not \
        be tried.")]
    Probe(ProbeArgs),
    /// Show the routers on the way to a target, with the delay to each (traceroute; needs no privilege)
    #[command(after_help = "Examples:\n  \
        azimuth-agent path 203.0.113.10\n  \
        azimuth-agent path zone-a.example.net --method icmp\n  \
        azimuth-agent path zone-a.example.net:443 --method tcp --json\n\n\
        Packets leave with room for one router, two, three...; the router that has to drop one says so. All of them have \
        the same addresses, ports and checksum, so that routers which balance by flow keep them on one way. A star is a \
        router that says nothing; loss at one hop alone is a router that answers only so often, and no loss of the path. \
        Try another method where the end is not reached: firewalls differ by protocol.\n\n\
        On a terminal the table is live; Ctrl-C ends early and still shows it. Exit code 0 if the target was reached, 1 if \
        not, 2 if it could not be tried.")]
    Path(PathArgs),
    /// Test how much one TCP connection carries from or to a reflector, and what that does to delay meanwhile
    #[command(after_help = "Examples:\n  \
        azimuth-agent throughput zone-a.example.net --identity /var/lib/azimuth-agent/identity.json\n  \
        azimuth-agent throughput 203.0.113.10 --key-file throughput.key --down --deep --json\n  \
        azimuth-agent throughput ndt.example.net:80 --no-probes\n\n\
        The other end is `azimuth-agent reflect --throughput-listen ...`, or any plain ndt7 server. A test stops as soon as its rate \
        has settled, or at 10 MB or 2 s; one that was cut before is reported as a lower bound, with the reason. STAMP probes go to the reflector on a flow of their own before, during and after it.\n\n\
        Ctrl-C ends the test and shows what it found. Exit code 0 if every direction has a rate, 1 if one failed, 2 if it could \
        not be tried.")]
    Throughput(ThroughputArgs),
    /// Try each method on this host with real packets: which work, which clock stamps them, what to do about the rest
    #[command(
        after_help = "Sends only over loopback, to a reflector and servers it starts itself. Run it as the user the agent runs as. Exit \
        code 1 if a method does not work or is not stamped by the kernel, or, with --config, if part of the plan is refused, \
        everything is stopped, or the identity cannot be used."
    )]
    Doctor(DoctorArgs),
    /// Join a collector with a token: make a key on this host, prove it, get a name
    #[command(after_help = "Example:\n  \
        azimuth-agent join --identity /var/lib/azimuth-agent/identity.json - < token\n\n\
        The key stays in that file, which only its owner may read; run this as the user the agent runs as. Should the \
        answer get lost, the same command again gets the same name and uses the token up no further.")]
    Join(JoinArgs),
    /// Give this host, which has joined, another key
    RotateKey(RotateKeyArgs),
    /// Show the plan that the collector gave this host, and what of it is refused
    #[command(
        after_help = "Reads the configuration and the plan that is kept beside the identity; asks nobody. Exit code 1 if a \
        part is refused or everything is stopped. What is refused is decided by [plan] in the configuration."
    )]
    Plan(PlanArgs),
    /// Say in which cloud this host stands: provider, region and physical zone
    #[command(after_help = "Examples:\n  \
        azimuth-agent locate\n  \
        azimuth-agent locate --provider ovhcloud --region eu-west-gra --json\n\n\
        The firmware's tables (DMI) decide whose metadata service is asked, and whether any is: outside a cloud no packet is \
        sent. What is given here wins over what is found. OpenStack's tables name no provider: say it. Exit code 1 if \
        nothing was found.")]
    Locate(LocateArgs),
    /// Look at a configuration file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the reports that wait on disk
    #[command(subcommand)]
    Spool(SpoolCommand),
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Say what it would measure and what its throughput tests come to in 30 days, in GB and money, and end: nothing is sent
    #[arg(long)]
    pub dry_run: bool,
    /// What a GB that leaves a cloud costs, in any currency [default: the file's price_per_gb]
    #[arg(long, value_name = "PRICE", requires = "dry_run", value_parser = price)]
    pub price_per_gb: Option<f64>,
}

fn price(text: &str) -> Result<f64, String> {
    let price: Option<f64> = text.parse().ok();
    price
        .filter(|price| (0.0..=1_000.0).contains(price))
        .ok_or_else(|| "not a price from 0 to 1000; write 0.09".to_owned())
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The token that azimuth-collector token create printed; - reads it from standard input, where nobody else sees it
    pub token: String,
    /// Where to keep the identity
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/lib/azimuth-agent/identity.json"
    )]
    pub identity: PathBuf,
    /// The name to ask for [default: made from the token's site and the key]
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Send the token in the clear, where something else protects the way
    #[arg(long)]
    pub allow_plain_http: bool,
    /// Also write a configuration, so that the agent can be started and measures what the collector's plan says
    #[arg(long, value_name = "FILE", requires = "vantage_point")]
    pub write_config: Option<PathBuf>,
    /// Where its users are, for --write-config: NAME, COUNTRY, CITY, NETWORK, ASN, LATITUDE, LONGITUDE, for example "Brest (Orange), FR,
    /// Brest, Orange, 3215, 48.39, -4.49"
    #[arg(long, value_name = "PLACE", requires = "write_config")]
    pub vantage_point: Option<String>,
}

/// `locate`.
#[derive(Debug, Args)]
pub struct LocateArgs {
    /// The provider, by its key in the catalogue, for example ovhcloud
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Its region
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// Its physical zone
    #[arg(long, value_name = "NAME")]
    pub zone: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `rotate-key`.
#[derive(Debug, Args)]
pub struct RotateKeyArgs {
    /// Where the identity is
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/lib/azimuth-agent/identity.json"
    )]
    pub identity: PathBuf,
    /// Talk in the clear, where something else protects the way
    #[arg(long)]
    pub allow_plain_http: bool,
}

/// `reflect`.
#[derive(Debug, Args)]
pub struct ReflectArgs {
    /// UDP address to answer STAMP at; may be repeated [default: 0.0.0.0:8620 and [::]:8620]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<SocketAddr>,
    /// TCP address to accept and close connections at, for tcp_connect probes; may be repeated [default: none]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub tcp_listen: Vec<SocketAddr>,
    /// Answer this network, for example 192.0.2.0/24 or one address; may be repeated
    #[arg(
        long,
        value_name = "PREFIX",
        required_unless_present = "allow_any",
        conflicts_with = "allow_any"
    )]
    pub allow: Vec<Prefix>,
    /// Answer everyone. Only where something else keeps strangers out
    #[arg(long)]
    pub allow_any: bool,
    /// Answer each address (IPv6: each /64) at most this often a second; what is beyond gets no answer and is counted
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_PER_SECOND)]
    pub max_per_second: NonZeroU32,
    /// Answer only STAMP packets signed with the key in this file (hexadecimal digits), and sign the answers
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The throughput port
    #[command(flatten)]
    pub throughput: ThroughputListenArgs,
}

/// `probe`.
#[derive(Clone, Debug, Args)]
pub struct ProbeArgs {
    /// Address or name, with or without a port: 203.0.113.10, [2001:db8::1]:8620, zone-a.example.net; may be repeated
    #[arg(value_name = "TARGET", required_unless_present = "zones")]
    pub targets: Vec<String>,
    /// Instead of targets: public addresses of the catalogue, for example country=FR,provider=ovhcloud. Keys: country, provider,
    /// region, zone, city, metro, operator, parent, qualification; values of one key widen, keys narrow. Only addresses that
    /// need nobody's consent, and none more often than it allows
    #[arg(long, value_name = "SELECTOR", conflicts_with = "targets")]
    pub zones: Option<Selector>,
    /// With --zones: a catalogue of your own (TOML), laid over the built-in one
    #[arg(long, value_name = "FILE", requires = "zones")]
    pub catalogue: Option<PathBuf>,
    /// With --zones: only say which addresses are meant; send nothing
    #[arg(long, requires = "zones")]
    pub list: bool,
    /// How: stamp (UDP, needs a reflector, port 8620), icmp_echo, tcp_connect (port 8621), tls or https (port 443), dns (port
    /// 53) [default: stamp; with --zones tcp_connect]
    #[arg(long, value_parser = method)]
    pub method: Option<Method>,
    /// How many probes to send to each target [default: 10; with --zones 3]
    #[arg(long, value_name = "N", conflicts_with = "duration_s", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub count: Option<u64>,
    /// Seconds to go on for, instead of a count
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub duration_s: Option<u64>,
    /// Milliseconds from one probe to the next, per target [default: 200; with --zones what the addresses allow, 30000]
    #[arg(long, visible_alias = "interval-ms", value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    pub period_ms: Option<u32>,
    /// Milliseconds after which an unanswered probe is lost
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub waiting_time_ms: u32,
    /// With stamp: sign the probes with the key in this file, as the reflector's --key-file asks
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// How the probes leave
    #[command(flatten)]
    pub leaving: LeavingArgs,
    /// With tls and https: the name in the certificate, if it is not the target's own
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub server_name: Option<String>,
    /// With https: what to ask for
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = path)]
    pub path: String,
    /// With dns: the name to ask for (an A record); needed there
    #[arg(long, value_name = "NAME", value_parser = host_name, required_if_eq_any = [("method", "dns"), ("method", "dns_query")])]
    pub question: Option<String>,
    /// Print one JSON object a line and target instead of the table
    #[arg(long)]
    pub json: bool,
}

impl ProbeArgs {
    /// How.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method.unwrap_or(match self.zones {
            Some(_) => Method::TcpConnect,
            None => Method::Stamp,
        })
    }

    /// How many probes to send to each target, if not for a duration.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.unwrap_or(if self.zones.is_some() { 3 } else { 10 })
    }

    /// From one probe to the next.
    #[must_use]
    pub fn period_ms(&self) -> u32 {
        let usual = if self.zones.is_some() {
            POLITE_PERIOD_MS
        } else {
            200
        };
        self.period_ms.unwrap_or(usual)
    }
}

/// `path`.
#[derive(Debug, Args)]
pub struct PathArgs {
    /// Address or name, with or without a port: 203.0.113.10, [2001:db8::1]:8620, zone-a.example.net
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// How: stamp (UDP, port 8620), icmp or tcp (SYN, port 8621)
    #[arg(long, default_value = "stamp", value_parser = traced_method)]
    pub method: Method,
    /// How many packets to send to each hop
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub count: u32,
    /// The farthest hop to look for
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub max_hops: u8,
    /// Milliseconds after which an unanswered packet is lost
    #[arg(long, value_name = "MS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=900))]
    pub waiting_time_ms: u32,
    /// With stamp: sign the packets with the key in this file, as the reflector's --key-file asks
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,
}

/// How the probes of `probe` leave this host.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "How the probes leave")]
pub struct LeavingArgs {
    /// Measure each target by this many flows, each from a source port of its own (ICMP: an identifier), so that routers
    /// that share traffic between equal paths may show several. Each flow has a line of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_FLOWS)))]
    pub flows: Option<u16>,
    /// Differentiated services code point of the probes (RFC 2474), 0 to 63; 46 is expedited forwarding
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=63))]
    pub dscp: Option<u8>,
    /// Send from this address of this host
    #[arg(long, value_name = "ADDRESS")]
    pub source_address: Option<IpAddr>,
    /// Send by this network interface, whatever the routes say (SO_BINDTODEVICE)
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Octets above the UDP or ICMP header [default: as many as the method needs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=LONGEST_ANSWER as i64))]
    pub payload_bytes: Option<u16>,
    /// Let no router cut the probes in pieces; those too long for the way are not sent (EMSGSIZE) or lost
    #[arg(long)]
    pub dont_fragment: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The configuration file (TOML): say also as whom and by which plan this host measures
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check a configuration file: every mistake with its line, key and remedy
    Check {
        /// The configuration file (TOML)
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print what would be measured as JSON
        #[arg(long)]
        json: bool,
    },
}

/// `spool`.
#[derive(Debug, Subcommand)]
pub enum SpoolCommand {
    /// Say what is in a spool, what is damaged and what was lost. Only reads; the agent may be running
    #[command(
        after_help = "Example:\n  azimuth-agent spool check /var/lib/azimuth-agent/spool\n\n\
        While the agent runs, a report that is just being written shows as a torn tail. Exit code 1 if something is \
        damaged or lost, or the directory cannot be read."
    )]
    Check {
        /// The `directory` of `[spool]` in the agent's configuration
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,
    },
}

fn method(text: &str) -> Result<Method, String> {
    match text {
        "tls" => Ok(Method::TlsHandshake),
        "https" => Ok(Method::HttpsFirstByte),
        "dns" => Ok(Method::DnsQuery),
        _ => text
            .parse()
            .map_err(|_| "use stamp, icmp_echo, tcp_connect, tls, https or dns".to_owned()),
    }
}

fn host_name(text: &str) -> Result<String, String> {
    if is_host_name(text) {
        Ok(text.to_owned())
    } else {
        Err("write a host name, for example zone-a.example.net".to_owned())
    }
}

fn path(text: &str) -> Result<String, String> {
    if is_path(text) {
        Ok(text.to_owned())
    } else {
        Err("write visible ASCII characters that begin with /".to_owned())
    }
}

/// The short names people know from other tools are taken as well.
fn traced_method(text: &str) -> Result<Method, String> {
    match text {
        "stamp" | "udp" => Ok(Method::Stamp),
        "icmp" | "icmp_echo" => Ok(Method::IcmpEcho),
        "tcp" | "tcp_connect" => Ok(Method::TcpConnect),
        _ => Err("use stamp, icmp or tcp".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_price_is_for_a_dry_run_and_a_number() {
        let parsed = |arguments: &[&str]| {
            let all = ["azimuth-agent", "run", "--config", "a.toml"]
                .iter()
                .chain(arguments);
            Cli::try_parse_from(all).map_err(|error| error.to_string())
        };
        assert!(parsed(&["--dry-run", "--price-per-gb", "0.09"]).is_ok());
        assert!(parsed(&["--price-per-gb", "0.09"]).is_err());
        for wrong in ["nan", "-1", "cheap"] {
            let said = parsed(&["--dry-run", &format!("--price-per-gb={wrong}")]).expect_err(wrong);
            assert!(said.contains("write 0.09"), "{said}");
        }
    }

    #[test]
    fn a_reflector_must_be_told_whom_to_answer() {
        assert!(Cli::try_parse_from(["azimuth-agent", "reflect"]).is_err());
        assert!(Cli::try_parse_from(["azimuth-agent", "reflect", "--allow-any", "--allow", "::1"]).is_err());
        assert!(Cli::try_parse_from(["azimuth-agent", "reflect", "--allow", "10.0.0.0/8"]).is_ok());
    }

    #[test]
    fn methods_have_short_names_and_a_question_is_asked_for() {
        let parsed = |arguments: &[&str]| {
            let all = ["azimuth-agent", "probe", "::1"].iter().chain(arguments);
            Cli::try_parse_from(all).map_err(|error| error.to_string())
        };
        let wrong = parsed(&["--method", "quic"]).expect_err("refused");
        assert!(
            wrong.contains("use stamp, icmp_echo, tcp_connect, tls, https or dns"),
            "{wrong}"
        );
        assert!(parsed(&["--method", "tls"]).is_ok());
        assert!(parsed(&["--method", "https", "--path", "healthz"]).is_err());
        let wrong = parsed(&["--method", "dns"]).expect_err("refused");
        assert!(wrong.contains("--question"), "{wrong}");
        assert!(parsed(&["--method", "dns", "--question", "zone-a.example.net"]).is_ok());
    }
}
