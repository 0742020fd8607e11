//! One test at the far end, once the WebSocket stands: sends or receives until a cap, the client's end, or silence, and tells what
//! it sees ten times a second (ndt7, section "measurement message").

use std::time::Duration;

use azimuth_measurement::TransferDirection;
use futures_util::{FutureExt, SinkExt, StreamExt};
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::ndt7::{
    self, Addition, AppInfo, ConnectionInfo, FIRST_MESSAGE_BYTES, LONGEST_MESSAGE_BYTES, MEASURE_EVERY_MS,
    Measurement, TcpInfoText,
};
use super::quota::Quota;
use super::serve::Facts;
use crate::clock::{Monotonic, NS_PER_MS, NS_PER_S};
use crate::net::tcp_info::TcpInfo;

/// Nothing moved for so long is a stall.
const STALL: Duration = Duration::from_secs(2);
/// How long the client has to take its leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a client may send beyond the octets of its ticket: frames around them, measurements, and a message that crosses the end.
const BESIDE_UPLOAD_BYTES: u64 = 64 << 10;
/// What a client may send during a download: measurements.
const BESIDE_DOWNLOAD_BYTES: u64 = 256 << 10;

/// What may be moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    pub(super) direction: TransferDirection,
    pub(super) max_bytes: u64,
    pub(super) max: Duration,
    pub(super) max_bps: u64,
}

/// How a test ended at the far end. [`as_str`](Self::as_str) is the counter's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client said that it has seen enough.
    ByClient,
    /// All octets of the ticket were moved.
    ByteCap,
    /// The time of the ticket is over.
    TimeCap,
    /// Nothing moved any more.
    Stalled,
    /// The connection broke.
    Broken,
    /// What came was not ndt7.
    Malformed,
    /// It did not begin, because the account could not be written down.
    Ledger,
}

impl Ended {
    /// Every end, as they are counted.
    pub const ALL: [Self; 7] = [
        Self::ByClient,
        Self::ByteCap,
        Self::TimeCap,
        Self::Stalled,
        Self::Broken,
        Self::Malformed,
        Self::Ledger,
    ];

    /// A short, stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByClient => "by_client",
            Self::ByteCap => "byte_cap",
            Self::TimeCap => "time_cap",
            Self::Stalled => "stalled",
            Self::Broken => "broken",
            Self::Malformed => "malformed",
            Self::Ledger => "ledger",
        }
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => Self::ByClient,
            Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Broken,
            _ => Self::Malformed,
        }
    }
}

/// Runs it; how it ended, and the octets of messages moved.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    test: &Test,
    facts: &Facts,
    quota: &Quota,
    now: fn() -> Monotonic,
) -> (Ended, u64) {
    let mut moved = 0;
    let began = now();
    quota.begin(match test.direction {
        TransferDirection::Download => BESIDE_DOWNLOAD_BYTES,
        TransferDirection::Upload => test.max_bytes.saturating_add(BESIDE_UPLOAD_BYTES),
    });
    let far = Far { test, facts, quota };
    let running = async {
        match test.direction {
            TransferDirection::Download => download(&mut socket, far, (began, now), &mut moved).await,
            TransferDirection::Upload => upload(&mut socket, far, (began, now), &mut moved).await,
        }
    };
    let ended = match tokio::time::timeout(test.max, running).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => Ended::of(&error),
        Err(_) => Ended::TimeCap,
    };
    // The specification lets a server close at any time. What the client still sends is read away, as far as it may send any, and
    // then left where it is for a while, so that our words arrive before a reset does.
    let farewell = async {
        if socket.close(None).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
    (ended, moved)
}

type Clock = (Monotonic, fn() -> Monotonic);

/// What this end knows of a test.
#[derive(Clone, Copy)]
struct Far<'a> {
    test: &'a Test,
    facts: &'a Facts,
    quota: &'a Quota,
}

async fn download<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    Far { test, facts, quota }: Far<'_>,
    (began, now): Clock,
    moved: &mut u64,
) -> Result<Ended, Error> {
    let payload = payload();
    let mut last = FIRST_MESSAGE_BYTES;
    let mut tell_at = began;
    while *moved < test.max_bytes {
        let at = now();
        if at >= tell_at {
            let text = measurement(test, facts, at.since_ns(began), *moved);
            if !send(socket, text).await? {
                return Ok(Ended::Stalled);
            }
            tell_at = at.plus_ns(i64::from(MEASURE_EVERY_MS) * NS_PER_MS);
        }
        let bytes = ndt7::next_message_bytes(last, *moved, test.max_bytes - *moved);
        last = bytes.max(FIRST_MESSAGE_BYTES);
        if !send(socket, Message::Binary(payload.slice(..bytes))).await? {
            return Ok(Ended::Stalled);
        }
        *moved += bytes as u64;
        if quota.is_spent() {
            return Ok(Ended::Malformed);
        }
        while let Some(said) = socket.next().now_or_never() {
            match said {
                None | Some(Ok(Message::Close(_))) => return Ok(Ended::ByClient),
                Some(Ok(Message::Binary(_))) => return Ok(Ended::Malformed),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            }
        }
    }
    let text = measurement(test, facts, now().since_ns(began), *moved);
    Ok(match send(socket, text).await? {
        true => Ended::ByteCap,
        false => Ended::Stalled,
    })
}

/// Sends, unless nothing moves for as long as a stall takes; whether it did.
async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    message: Message,
) -> Result<bool, Error> {
    match tokio::time::timeout(STALL, socket.send(message)).await {
        Ok(sent) => sent.map(|()| true),
        Err(_) => Ok(false),
    }
}

async fn upload<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    Far { test, facts, quota }: Far<'_>,
    (began, now): Clock,
    moved: &mut u64,
) -> Result<Ended, Error> {
    let every = Duration::from_millis(MEASURE_EVERY_MS.into());
    let (mut tell_at, mut quiet) = (began, Duration::ZERO);
    loop {
        let at = now();
        if at >= tell_at {
            let text = measurement(test, facts, at.since_ns(began), *moved);
            if !send(socket, text).await? {
                return Ok(Ended::Stalled);
            }
            tell_at = at.plus_ns(i64::from(MEASURE_EVERY_MS) * NS_PER_MS);
        }
        let Ok(said) = tokio::time::timeout(every, socket.next()).await else {
            if quota.is_spent() {
                return Ok(Ended::ByteCap);
            }
            quiet += every;
            if quiet >= STALL {
                return Ok(Ended::Stalled);
            }
            continue;
        };
        quiet = Duration::ZERO;
        match said {
            None | Some(Ok(Message::Close(_))) => return Ok(Ended::ByClient),
            Some(Ok(Message::Binary(message))) => {
                *moved += message.len() as u64;
                if *moved >= test.max_bytes {
                    return Ok(Ended::ByteCap);
                }
                keep_pace(test, *moved, now().since_ns(began)).await;
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error),
        }
    }
}

/// A sender that is faster than its ticket says is read no faster.
async fn keep_pace(test: &Test, moved: u64, passed_ns: i64) {
    if test.max_bps == 0 {
        return;
    }
    let due_ns = u128::from(moved) * 8 * NS_PER_S as u128 / u128::from(test.max_bps);
    let early_ns = due_ns.saturating_sub(u128::try_from(passed_ns).unwrap_or(0));
    if early_ns > 0 {
        tokio::time::sleep(Duration::from_nanos(u64::try_from(early_ns).unwrap_or(u64::MAX))).await;
    }
}

fn measurement(test: &Test, facts: &Facts, elapsed_ns: i64, moved: u64) -> Message {
    let elapsed_us = u64::try_from(elapsed_ns / 1_000).unwrap_or(0);
    let measurement = Measurement {
        app_info: Some(AppInfo {
            elapsed_time: elapsed_us,
            num_bytes: moved,
        }),
        connection_info: Some(ConnectionInfo {
            client: facts.peer.to_string(),
            server: facts.local.to_string(),
            uuid: String::new(),
        }),
        tcp_info: TcpInfo::of(&facts.socket)
            .ok()
            .map(|info| TcpInfoText::of(&info, elapsed_us)),
        origin: "server".to_owned(),
        test: test.direction.to_string(),
        azimuth: Some(Addition {
            congestion_control: facts.congestion_control.clone(),
        }),
    };
    // Numbers and short names: it cannot fail, and an empty text would be no measurement.
    Message::text(serde_json::to_string(&measurement).unwrap_or_default())
}

/// Octets that do not compress, one stretch for all messages.
pub(super) fn payload() -> Bytes {
    let mut octets = vec![0; LONGEST_MESSAGE_BYTES];
    fastrand::fill(&mut octets);
    octets.into()
}
