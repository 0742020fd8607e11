//! One test at the far end, once the WebSocket stands: sends or receives until a cap, the client's end, or silence, and tells what
//! it sees ten times a second (ndt7, section "measurement message"). A download's long messages go from a file in memory, where the
//! connection is plain.

use std::io;
use std::time::Duration;

use azimuth_measurement::TransferDirection;
use futures_util::{FutureExt, SinkExt, StreamExt};
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::bulk::{Frames, Place};
use super::ndt7::{
    self, Addition, AppInfo, ConnectionInfo, FIRST_MESSAGE_BYTES, LONGEST_MESSAGE_BYTES, MEASURE_EVERY_MS,
    Measurement, TcpInfoText,
};
use super::quota::{Bounded, Quota};
use super::serve::Facts;
use super::stall::{LOOK_NS, Pulse};
use crate::clock::{Monotonic, NS_PER_MS, NS_PER_S};
use crate::net::tcp_info::TcpInfo;

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

/// A connection that a test runs over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// The socket, where octets go to it as they are.
    fn plain(&self) -> Option<&TcpStream>;
}

impl Wire for TcpStream {
    fn plain(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl Wire for TlsStream<TcpStream> {
    fn plain(&self) -> Option<&TcpStream> {
        None
    }
}

type Socket<S> = WebSocketStream<Bounded<S>>;

/// Runs it; how it ended, and the octets of messages moved.
pub(super) async fn serve<S: Wire>(
    mut socket: Socket<S>,
    far: Far<'_>,
    now: fn() -> Monotonic,
) -> (Ended, u64) {
    let (mut moved, mut place) = (0, Place::default());
    let began = now();
    let Far { test, quota, .. } = far;
    quota.begin(match test.direction {
        TransferDirection::Download => BESIDE_DOWNLOAD_BYTES,
        TransferDirection::Upload => test.max_bytes.saturating_add(BESIDE_UPLOAD_BYTES),
    });
    let running = async {
        match test.direction {
            TransferDirection::Download => {
                download(&mut socket, far, (began, now), &mut moved, &mut place).await
            }
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
        // A word within a message would be part of it.
        while !place.is_between() {
            let Some(Ok(sent)) = send_frames(&socket, far.frames, &mut place, 0).await else {
                return;
            };
            moved += sent;
        }
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
pub(super) struct Far<'a> {
    pub(super) test: &'a Test,
    pub(super) facts: &'a Facts,
    pub(super) quota: &'a Quota,
    /// `None` where the system gives no file in memory.
    pub(super) frames: Option<&'a Frames>,
}

/// `None` where octets have to be copied.
async fn send_frames<S: Wire>(
    socket: &Socket<S>,
    frames: Option<&Frames>,
    place: &mut Place,
    more: u64,
) -> Option<io::Result<u64>> {
    let (to, frames) = (socket.get_ref().get_ref().plain()?, frames?);
    Some(frames.send(to, place, more).await)
}

async fn download<S: Wire>(
    socket: &mut Socket<S>,
    far: Far<'_>,
    (began, now): Clock,
    moved: &mut u64,
    place: &mut Place,
) -> Result<Ended, Error> {
    let Far {
        test, facts, quota, ..
    } = far;
    let payload = payload();
    let mut last = FIRST_MESSAGE_BYTES;
    let mut tell_at = began;
    while *moved < test.max_bytes {
        let at = now();
        if at >= tell_at && place.is_between() {
            let text = measurement(test, facts, at.since_ns(began), *moved);
            if !send(socket, text, facts, now).await? {
                return Ok(Ended::Stalled);
            }
            tell_at = at.plus_ns(i64::from(MEASURE_EVERY_MS) * NS_PER_MS);
        }
        let left = test.max_bytes - *moved;
        let bytes = ndt7::next_message_bytes(last, *moved, left);
        last = bytes.max(FIRST_MESSAGE_BYTES);
        let mut more = (left - place.left_bytes().min(left)) / LONGEST_MESSAGE_BYTES as u64;
        if at >= tell_at {
            more = 0;
        }
        let is_long = !place.is_between() || (bytes == LONGEST_MESSAGE_BYTES && more > 0);
        let sending = send_frames(socket, far.frames.filter(|_| is_long), place, more);
        match unless_still(facts, now, sending).await {
            None => return Ok(Ended::Stalled),
            Some(Some(sent)) => *moved += sent?,
            Some(None) => {
                let message = Message::Binary(payload.slice(..bytes));
                if !send(socket, message, facts, now).await? {
                    return Ok(Ended::Stalled);
                }
                *moved += bytes as u64;
            }
        }
        if quota.is_spent() {
            return Ok(Ended::Malformed);
        }
        // Whoever reads may answer, and not within a message.
        while place.is_between()
            && let Some(said) = socket.next().now_or_never()
        {
            match said {
                None | Some(Ok(Message::Close(_))) => return Ok(Ended::ByClient),
                Some(Ok(Message::Binary(_))) => return Ok(Ended::Malformed),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            }
        }
    }
    let text = measurement(test, facts, now().since_ns(began), *moved);
    Ok(match send(socket, text, facts, now).await? {
        true => Ended::ByteCap,
        false => Ended::Stalled,
    })
}

/// Sends, unless nothing moves for as long as a stall takes; whether it did.
async fn send<S: Wire>(
    socket: &mut Socket<S>,
    message: Message,
    facts: &Facts,
    now: fn() -> Monotonic,
) -> Result<bool, Error> {
    match unless_still(facts, now, socket.send(message)).await {
        Some(sent) => sent.map(|()| true),
        None => Ok(false),
    }
}

/// Waits for `step` as long as the peer takes octets at all: room for more can be a long time coming on a slow line. `None` when
/// it stands still.
async fn unless_still<T>(facts: &Facts, now: fn() -> Monotonic, step: impl Future<Output = T>) -> Option<T> {
    let look = Duration::from_nanos(LOOK_NS.unsigned_abs());
    tokio::pin!(step);
    // Most steps wait for nothing.
    if let Some(done) = step.as_mut().now_or_never() {
        return Some(done);
    }
    let mut pulse = Pulse::new(now());
    loop {
        if let Ok(done) = tokio::time::timeout(look, &mut step).await {
            return Some(done);
        }
        let acked = TcpInfo::of(&facts.socket).map_or(0, |info| info.bytes_acked);
        if pulse.stands_still(now(), acked) {
            return None;
        }
    }
}

async fn upload<S: Wire>(
    socket: &mut Socket<S>,
    Far {
        test, facts, quota, ..
    }: Far<'_>,
    (began, now): Clock,
    moved: &mut u64,
) -> Result<Ended, Error> {
    let every = Duration::from_millis(MEASURE_EVERY_MS.into());
    let (mut tell_at, mut pulse) = (began, Pulse::new(began));
    loop {
        let at = now();
        // Octets, and not messages: one can take long on a slow line.
        if pulse.stands_still(at, quota.read_bytes()) && !quota.is_spent() {
            return Ok(Ended::Stalled);
        }
        if at >= tell_at {
            let text = measurement(test, facts, at.since_ns(began), *moved);
            if !send(socket, text, facts, now).await? {
                return Ok(Ended::Stalled);
            }
            tell_at = at.plus_ns(i64::from(MEASURE_EVERY_MS) * NS_PER_MS);
        }
        let Ok(said) = tokio::time::timeout(every, socket.next()).await else {
            if quota.is_spent() {
                return Ok(Ended::ByteCap);
            }
            continue;
        };
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
