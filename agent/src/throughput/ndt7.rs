//! The words of ndt7 (M-Lab, protocol specification 0.11): paths, subprotocol, sizes of messages, and the measurements that both
//! ends tell each other as JSON text. Pure.

use azimuth_measurement::throughput::is_congestion_control;
use azimuth_measurement::{SenderView, TransferDirection, TransferLimit};
use serde::{Deserialize, Serialize};

use crate::net::tcp_info::TcpInfo;

/// What both ends name in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "net.measurementlab.ndt.v7";
/// Octets of the first messages.
pub const FIRST_MESSAGE_BYTES: usize = 1 << 13;
/// Octets of the longest messages we send.
pub const LONGEST_MESSAGE_BYTES: usize = 1 << 16;
/// Octets of the longest message we take. The specification lets senders go to 2^24; its clients stop at 2^20.
pub const MOST_MESSAGE_BYTES: usize = 1 << 20;
/// Messages grow so long as they are below this share of what was sent.
const SHARE: u64 = 16;
/// At most ten measurements a second.
pub const MEASURE_EVERY_MS: u32 = 100;
/// The longest text that is read as a measurement.
const MOST_TEXT_BYTES: usize = 16 << 10;

/// Where a direction is asked for.
#[must_use]
pub const fn path(direction: TransferDirection) -> &'static str {
    match direction {
        TransferDirection::Download => "/ndt/v7/download",
        TransferDirection::Upload => "/ndt/v7/upload",
    }
}

/// The direction that is asked for.
#[must_use]
pub fn direction(asked: &str) -> Option<TransferDirection> {
    let mut all = TransferDirection::ALL.iter().copied();
    all.find(|direction| path(*direction) == asked)
}

/// Octets of the next message, after one of `last` and `sent` in all, of which there are at most `left` more.
#[must_use]
pub fn next_message_bytes(last: usize, sent: u64, left: u64) -> usize {
    let grows = last < LONGEST_MESSAGE_BYTES && last as u64 * SHARE <= sent;
    let next = if grows { last * 2 } else { last };
    usize::try_from(left).unwrap_or(usize::MAX).min(next)
}

/// One measurement, as either end tells it. What is missing was not told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Measurement {
    /// What the program saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_info: Option<AppInfo>,
    /// Who is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_info: Option<ConnectionInfo>,
    /// What the kernel saw.
    #[serde(rename = "TCPInfo", skip_serializing_if = "Option::is_none")]
    pub tcp_info: Option<TcpInfoText>,
    /// `client` or `server`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// `download` or `upload`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub test: String,
    /// What ndt7 has no word for; others pass over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azimuth: Option<Addition>,
}

/// What the program saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AppInfo {
    /// Since the test began, in microseconds.
    pub elapsed_time: u64,
    /// Octets of messages.
    pub num_bytes: u64,
}

/// Who is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConnectionInfo {
    /// `ip:port`.
    pub client: String,
    /// `ip:port`.
    pub server: String,
    /// Names the connection.
    #[serde(rename = "UUID")]
    pub uuid: String,
}

/// `TCP_INFO` under the names of ndt7; times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the names are the specification's; see TcpInfo")]
pub struct TcpInfoText {
    pub busy_time: u64,
    pub bytes_acked: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub bytes_retrans: u64,
    pub elapsed_time: u64,
    #[serde(rename = "MinRTT")]
    pub min_rtt: u32,
    #[serde(rename = "RTT")]
    pub rtt: u32,
    #[serde(rename = "RTTVar")]
    pub rtt_var: u32,
    #[serde(rename = "RWndLimited")]
    pub rwnd_limited: u64,
    pub snd_buf_limited: u64,
}

/// Ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Addition {
    /// The sender's congestion control.
    pub congestion_control: String,
}

impl TcpInfoText {
    /// As it is told `elapsed_us` after the start.
    #[must_use]
    pub fn of(info: &TcpInfo, elapsed_us: u64) -> Self {
        Self {
            busy_time: info.busy_us,
            bytes_acked: info.bytes_acked,
            bytes_received: info.bytes_received,
            bytes_sent: info.bytes_sent,
            bytes_retrans: info.bytes_retrans,
            elapsed_time: elapsed_us,
            min_rtt: info.min_rtt_us,
            rtt: info.rtt_us,
            rtt_var: info.rttvar_us,
            rwnd_limited: info.rwnd_limited_us,
            snd_buf_limited: info.sndbuf_limited_us,
        }
    }
}

/// A measurement in text from the other end; `None` when it is none.
#[must_use]
pub fn read(text: &str) -> Option<Measurement> {
    // An empty list would read as a measurement of nothing.
    if text.len() > MOST_TEXT_BYTES || !text.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// What the sending end told, for a result. A name from outside that cannot be one is not passed on.
#[must_use]
pub fn sender_view(info: &TcpInfoText, congestion_control: &str, load_us: u64) -> SenderView {
    SenderView {
        congestion_control: if is_congestion_control(congestion_control) {
            congestion_control.to_owned()
        } else {
            String::new()
        },
        retransmitted_bytes: info
            .bytes_retrans
            .min(azimuth_measurement::throughput::MAX_TEST_BYTES),
        min_rtt_us: info.min_rtt,
        limited_by: limit(info, load_us),
    }
}

/// What held the sender back for most of its time.
fn limit(info: &TcpInfoText, load_us: u64) -> Option<TransferLimit> {
    if load_us == 0 || info.busy_time == 0 {
        return None;
    }
    let network_us = info
        .busy_time
        .saturating_sub(info.rwnd_limited)
        .saturating_sub(info.snd_buf_limited);
    let shares = [
        (network_us, TransferLimit::Network),
        (info.rwnd_limited, TransferLimit::ReceiveWindow),
        (info.snd_buf_limited, TransferLimit::SendBuffer),
        (load_us.saturating_sub(info.busy_time), TransferLimit::Sender),
    ];
    shares
        .into_iter()
        .max_by_key(|(us, limit)| (*us, std::cmp::Reverse(limit.wire())))
        .map(|(_, limit)| limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_grow_with_what_was_sent_and_never_beyond_what_is_left() {
        let (mut last, mut sent) = (FIRST_MESSAGE_BYTES, 0_u64);
        let mut sizes = Vec::new();
        while sent < 1_500_000 {
            last = next_message_bytes(last, sent, 1_500_000 - sent);
            sent += last as u64;
            sizes.push(last);
        }
        assert_eq!((sizes[0], sent), (8_192, 1_500_000));
        assert_eq!(sizes.iter().max(), Some(&65_536));
        assert!(
            sizes
                .iter()
                .rev()
                .skip(1)
                .rev()
                .all(|size| size.is_power_of_two())
        );
    }

    #[test]
    fn a_measurement_reads_as_others_write_it_and_rubbish_is_none() {
        // As in the specification's example, shortened.
        let text = r#"{"AppInfo":{"ElapsedTime":1234,"NumBytes":5678},
            "ConnectionInfo":{"Client":"1.2.3.4:5678","Server":"[::1]:2345","UUID":"host_1_2"},
            "Origin":"server","Test":"download","Unknown":[1],
            "TCPInfo":{"BusyTime":1234,"BytesAcked":1234,"MinRTT":1234,"RTT":3456,"RWndLimited":7,"SndBufLimited":5}}"#;
        let read_back = read(text).expect("a measurement");
        let info = read_back.tcp_info.expect("told");
        assert_eq!(
            (info.min_rtt, info.rtt, info.rwnd_limited, info.snd_buf_limited),
            (1_234, 3_456, 7, 5)
        );
        assert_eq!(read_back.app_info.expect("told").num_bytes, 5_678);
        for rubbish in ["", "[]", "{\"AppInfo\":{\"NumBytes\":-1}}", "nul"] {
            assert_eq!(read(rubbish), None, "{rubbish}");
        }
        assert_eq!(read(&format!("{{\"Test\":\"{}\"}}", "x".repeat(20_000))), None);
        let ours = Measurement {
            tcp_info: Some(info),
            ..Measurement::default()
        };
        let text = serde_json::to_string(&ours).expect("text");
        assert!(
            text.contains("\"RTTVar\":0") && !text.contains("AppInfo"),
            "{text}"
        );
        assert_eq!(read(&text), Some(ours));
    }

    #[test]
    fn the_limit_is_what_took_most_of_the_time() {
        let info = |rwnd_limited, snd_buf_limited| TcpInfoText {
            busy_time: 1_000,
            rwnd_limited,
            snd_buf_limited,
            ..TcpInfoText::default()
        };
        let found = |info, load_us| sender_view(&info, "cubic", load_us).limited_by;
        assert_eq!(found(info(0, 0), 1_000), Some(TransferLimit::Network));
        assert_eq!(found(info(600, 0), 1_000), Some(TransferLimit::ReceiveWindow));
        assert_eq!(found(info(100, 600), 1_000), Some(TransferLimit::SendBuffer));
        assert_eq!(found(info(0, 0), 5_000), Some(TransferLimit::Sender));
        assert_eq!(found(TcpInfoText::default(), 5_000), None);
        assert_eq!(sender_view(&info(0, 0), "no name", 1).congestion_control, "");
    }
}
