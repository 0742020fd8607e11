//! The load phase at the agent's end: one TCP flow in one direction to an ndt7 server, ours or another's, watched by the
//! [`estimator`](super::estimator). Decides nothing of when to stop.
//!
//! A download counts the octets that arrived, an upload those that the other end acknowledged (`TCP_INFO`), both below WebSocket:
//! its frames are 0.1 % of the first messages and 0.02 % of later ones.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use azimuth_measurement::{SenderView, StopReason, TransferDirection};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::estimator::{Estimate, Estimator, Limits};
use super::losses::{LossSample, heeds_losses};
use super::ndt7::{self, FIRST_MESSAGE_BYTES, Measurement, SUBPROTOCOL, TcpInfoText};
use super::serve::socket_config;
use super::transfer::payload;
use crate::clock::{self, Monotonic};
use crate::net::tcp_info::{TcpInfo, congestion_control};

/// How long the connection and the WebSocket may take to stand.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long the other end has to take our close.
const FAREWELL: Duration = Duration::from_millis(200);

/// Whom to test against, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// The ndt7 server.
    pub to: SocketAddr,
    /// What to name in `Host`.
    pub host: String,
    /// Which way.
    pub direction: TransferDirection,
    /// What it may cost.
    pub limits: Limits,
    /// The ticket, if the server wants one.
    pub ticket: Option<String>,
    /// For an upload; `None` leaves the system's.
    pub congestion_control: Option<String>,
}

/// What the load phase found.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The rate, or why there is none.
    pub estimate: Estimate,
    /// What the sender told.
    pub sender: Option<SenderView>,
    /// For a person: what went wrong, in words.
    pub trouble: Option<String>,
}

impl Load {
    /// None: nothing was moved.
    pub(super) fn none(stop: StopReason, trouble: Option<String>) -> Self {
        Self {
            estimate: Estimate {
                bps: 0,
                settled: false,
                bytes: 0,
                duration_ns: 0,
                stop,
            },
            sender: None,
            trouble,
        }
    }
}

/// Runs the load phase. `stop` ends it; `watch` is told the rate and the octets as they come.
pub async fn run(order: &Order, stop: &AtomicBool, watch: &mut (dyn FnMut(u64, u64) + Send)) -> Load {
    let nothing = |stop, trouble: String| Load::none(stop, Some(trouble));
    let opened = tokio::select! {
        opened = tokio::time::timeout(CONNECT_TIME, open(order)) => opened,
        () = stopped(stop) => return nothing(StopReason::Aborted, "stopped".to_owned()),
    };
    let mut flow = match opened {
        Err(_) => {
            let trouble = format!("{} did not answer within {} s", order.to, CONNECT_TIME.as_secs());
            return nothing(StopReason::Unreachable, trouble);
        }
        Ok(Err((stop, trouble))) => return nothing(stop, trouble),
        Ok(Ok(flow)) => flow,
    };
    let began = clock::monotonic();
    let info = TcpInfo::of(&flow.socket).unwrap_or_default();
    flow.acked_at_start = info.bytes_acked;
    flow.delivered_at_start = info.delivered;
    let round_trip_ns = i64::from(info.min_rtt_us) * 1_000;
    let mut estimator = Estimator::new(order.limits, round_trip_ns, began);
    let reason = match order.direction {
        TransferDirection::Download => download(&mut flow, &mut estimator, stop, watch).await,
        TransferDirection::Upload => upload(&mut flow, &mut estimator, order, stop, watch).await,
    };
    let reason = flow.last_look(order.direction, reason, &mut estimator);
    let estimate = estimator.finish(reason);
    let load_us = u64::try_from(estimate.duration_ns / 1_000).unwrap_or(0);
    let sender = flow.sender_view(order.direction, load_us);
    let _ = tokio::time::timeout(FAREWELL, flow.web.close(None)).await;
    Load {
        estimate,
        sender,
        trouble: flow.trouble,
    }
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A flow that stands.
struct Flow {
    web: WebSocketStream<Counted>,
    /// The same socket once more, for the kernel's account.
    socket: OwnedFd,
    /// Octets read so far.
    read: Arc<AtomicU64>,
    congestion_control: String,
    /// The last that the server told.
    told: Option<Measurement>,
    acked_at_start: u64,
    delivered_at_start: u32,
    /// How it broke, in words.
    trouble: Option<String>,
}

impl Flow {
    fn broke(&mut self, error: &Error) -> StopReason {
        self.trouble = Some(error.to_string());
        reason_of(error)
    }

    fn acked(&self) -> u64 {
        TcpInfo::of(&self.socket).map_or(0, |info| info.bytes_acked)
    }

    /// Octets moved since the load began.
    fn moved(&self, direction: TransferDirection) -> u64 {
        match direction {
            // With the head of the answer, because the first messages may have been read together with it.
            TransferDirection::Download => self.read.load(Ordering::Relaxed),
            TransferDirection::Upload => self.acked().saturating_sub(self.acked_at_start),
        }
    }

    /// Packets that have arrived since the load began, as far as the kernel counts them.
    fn arrived(&self, direction: TransferDirection, info: &TcpInfo) -> u64 {
        let packets = match direction {
            TransferDirection::Download => info.data_segments_in,
            TransferDirection::Upload => info.delivered.saturating_sub(self.delivered_at_start),
        };
        packets.into()
    }

    /// Octets moved by now, and packets and the round trip where they are wanted, to the estimator; its word.
    fn look(
        &self,
        direction: TransferDirection,
        estimator: &mut Estimator,
    ) -> (Monotonic, Option<StopReason>) {
        let now = clock::monotonic();
        let (wants_round_trip, wants_packets) =
            (estimator.wants_round_trip(now), estimator.wants_packets(now));
        let info = if wants_round_trip || wants_packets {
            TcpInfo::of(&self.socket).unwrap_or_default()
        } else {
            TcpInfo::default()
        };
        if wants_packets {
            estimator.note_packets(self.arrived(direction, &info));
        }
        if wants_round_trip {
            let round_trip_us = match direction {
                TransferDirection::Download => info.rcv_rtt_us,
                TransferDirection::Upload => info.rtt_us,
            };
            estimator.note_round_trip(now, round_trip_us);
            if direction == TransferDirection::Upload && heeds_losses(&self.congestion_control) {
                estimator.note_losses(now, LossSample::from(&TcpInfoText::of(&info, 0)));
            }
        }
        (now, estimator.note(now, self.moved(direction)))
    }

    /// A server that has all it may have closes, and its close may be read before the last octets are counted.
    fn last_look(
        &self,
        direction: TransferDirection,
        reason: StopReason,
        estimator: &mut Estimator,
    ) -> StopReason {
        if reason != StopReason::PeerClosed {
            return reason;
        }
        match estimator.note(clock::monotonic(), self.moved(direction)) {
            Some(StopReason::ByteCap) => StopReason::ByteCap,
            _ => reason,
        }
    }

    fn sender_view(&self, direction: TransferDirection, load_us: u64) -> Option<SenderView> {
        match direction {
            TransferDirection::Download => {
                let told = self.told.as_ref()?;
                let info = told.tcp_info?;
                let name = told
                    .azimuth
                    .as_ref()
                    .map_or("", |own| own.congestion_control.as_str());
                Some(ndt7::sender_view(&info, name, info.elapsed_time.max(1)))
            }
            TransferDirection::Upload => {
                let info = TcpInfo::of(&self.socket).ok()?;
                let info = TcpInfoText::of(&info, load_us);
                Some(ndt7::sender_view(&info, &self.congestion_control, load_us))
            }
        }
    }

    /// What the server last told of its losses, if it slows down for them.
    fn told_losses(&self) -> Option<LossSample> {
        let told = self.told.as_ref()?;
        let own = told.azimuth.as_ref();
        let heeds = heeds_losses(own.map_or("", |own| own.congestion_control.as_str()));
        told.tcp_info.filter(|_| heeds).as_ref().map(LossSample::from)
    }

    fn hear(&mut self, text: &str) {
        if let Some(measurement) = ndt7::read(text)
            && measurement.tcp_info.is_some()
        {
            self.told = Some(measurement);
        }
    }
}

async fn open(order: &Order) -> Result<Flow, (StopReason, String)> {
    let unreachable = |error: io::Error| {
        let trouble = format!("no connection to {}: {error}", order.to);
        (StopReason::Unreachable, trouble)
    };
    let stream = TcpStream::connect(order.to).await.map_err(unreachable)?;
    let name = congestion_control(&stream, order.congestion_control.as_deref()).map_err(|error| {
        let wanted = order.congestion_control.as_deref().unwrap_or("");
        (
            StopReason::Unreachable,
            format!("congestion control {wanted:?}: {error}; `sysctl net.ipv4.tcp_available_congestion_control` lists them"),
        )
    })?;
    let socket = stream.as_fd().try_clone_to_owned().map_err(unreachable)?;
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        inner: stream,
        read: Arc::clone(&read),
    };
    let query = order
        .ticket
        .as_ref()
        .map(|ticket| format!("access_token={ticket}"));
    let malformed = |what: &dyn std::fmt::Display| {
        let trouble = format!("{} does not speak ndt7: {what}", order.to);
        (StopReason::Malformed, trouble)
    };
    let request =
        request(&order.host, order.direction, query.as_deref()).map_err(|error| malformed(&error))?;
    match client_async_with_config(request, counted, Some(socket_config())).await {
        Ok((web, _)) => Ok(Flow {
            web,
            socket,
            read,
            congestion_control: name,
            told: None,
            acked_at_start: 0,
            delivered_at_start: 0,
            trouble: None,
        }),
        Err(Error::Http(response)) => {
            let trouble = format!(
                "{} refused: {} {}",
                order.to,
                response.status(),
                said_in(&response)
            );
            Err((StopReason::Refused, trouble))
        }
        Err(Error::Io(error)) => Err(unreachable(error)),
        Err(error) => Err(malformed(&error)),
    }
}

/// What asks for a test. The query is as it stands in the address.
pub(super) fn request(
    host: &str,
    direction: TransferDirection,
    query: Option<&str>,
) -> Result<Request<()>, Error> {
    let (path, mark) = (ndt7::path(direction), if query.is_some() { "?" } else { "" });
    let uri = format!("ws://{host}{path}{mark}{}", query.unwrap_or_default());
    let mut request = uri.into_client_request()?;
    let name = HeaderValue::from_static(SUBPROTOCOL);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
    Ok(request)
}

/// The words of a refusal, for a person.
pub(super) fn said_in(response: &Response<Option<Vec<u8>>>) -> String {
    let said = response.body().as_deref().unwrap_or_default();
    String::from_utf8_lossy(said)
        .chars()
        .filter(|character| !character.is_control())
        .take(200)
        .collect()
}

async fn download(
    flow: &mut Flow,
    estimator: &mut Estimator,
    stop: &AtomicBool,
    watch: &mut (dyn FnMut(u64, u64) + Send),
) -> StopReason {
    loop {
        let (now, enough) = flow.look(TransferDirection::Download, estimator);
        if let Some(reason) = enough {
            return reason;
        }
        watch(estimator.recent_bps(), estimator.bytes());
        if stop.load(Ordering::Acquire) {
            return StopReason::Aborted;
        }
        let said = tokio::select! {
            said = flow.web.next() => said,
            () = until(estimator.next_at(), now) => continue,
        };
        match said {
            Some(Ok(Message::Text(text))) => {
                flow.hear(&text);
                if let Some(sample) = flow.told_losses() {
                    estimator.note_losses(clock::monotonic(), sample);
                }
            }
            Some(Ok(Message::Close(_))) | None => return StopReason::PeerClosed,
            Some(Ok(_)) => {}
            Some(Err(error)) => return flow.broke(&error),
        }
    }
}

async fn upload(
    flow: &mut Flow,
    estimator: &mut Estimator,
    order: &Order,
    stop: &AtomicBool,
    watch: &mut (dyn FnMut(u64, u64) + Send),
) -> StopReason {
    let payload = payload();
    let (mut last, mut handed_over) = (FIRST_MESSAGE_BYTES, 0_u64);
    loop {
        // The cap is of what is handed over: it can not be taken back.
        let left = order.limits.max_bytes.saturating_sub(handed_over);
        if left > 0 {
            let bytes = ndt7::next_message_bytes(last, handed_over, left);
            last = bytes.max(FIRST_MESSAGE_BYTES);
            handed_over += bytes as u64;
            if let Err(error) = flow.web.feed(Message::Binary(payload.slice(..bytes))).await {
                return flow.broke(&error);
            }
        }
        // Until there is room for the next; all that time what is acknowledged is looked at, and the server heard.
        loop {
            let (now, enough) = flow.look(TransferDirection::Upload, estimator);
            if let Some(reason) = enough {
                return reason;
            }
            watch(estimator.recent_bps(), estimator.bytes());
            if stop.load(Ordering::Acquire) {
                return StopReason::Aborted;
            }
            let step = async {
                if left > 0 {
                    Step::Flushed(flow.web.flush().await)
                } else {
                    Step::Said(flow.web.next().await)
                }
            };
            let step = tokio::select! {
                step = step => step,
                () = until(estimator.next_at(), now) => continue,
            };
            match step {
                Step::Flushed(Ok(())) => break,
                Step::Flushed(Err(error)) | Step::Said(Some(Err(error))) => return flow.broke(&error),
                Step::Said(None | Some(Ok(Message::Close(_)))) => return StopReason::PeerClosed,
                Step::Said(Some(Ok(Message::Text(text)))) => flow.hear(&text),
                Step::Said(Some(Ok(_))) => {}
            }
        }
        while let Some(said) = flow.web.next().now_or_never() {
            match said {
                Some(Ok(Message::Text(text))) => flow.hear(&text),
                Some(Ok(Message::Close(_))) | None => return StopReason::PeerClosed,
                Some(Ok(_)) => {}
                Some(Err(error)) => return flow.broke(&error),
            }
        }
    }
}

/// What an upload waited for.
enum Step {
    Flushed(Result<(), Error>),
    Said(Option<Result<Message, Error>>),
}

async fn until(at: Monotonic, now: Monotonic) {
    let wait_ns = u64::try_from(at.since_ns(now)).unwrap_or(0);
    tokio::time::sleep(Duration::from_nanos(wait_ns)).await;
}

fn reason_of(error: &Error) -> StopReason {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) => StopReason::PeerClosed,
        // It went away without a word.
        Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => StopReason::PeerClosed,
        _ => StopReason::Malformed,
    }
}

/// Counts the octets that are read.
struct Counted {
    inner: TcpStream,
    read: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, into);
        let more = into.filled().len() - before;
        self.read.fetch_add(more as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
