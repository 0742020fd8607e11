//! Against real servers on loopback, with certificates made for the occasion. What an end is counted as: `probe/exchange_tally.rs`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use azimuth_measurement::{Answer, Method, Phase, ProbeCounts};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request as HttpRequest, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use simple_dns::{Packet, PacketFlag, RCODE};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;
use crate::clock::NS_PER_MS;
use crate::probe::SeriesPlan;
use crate::probe::exchange::{DnsKind, sides};
use crate::probe::lane::Lane;
use crate::prober::inbox::Change;
use crate::prober::{Delivery, Prober};
use crate::schedule::Pace;

const NAME: &str = "zone-a.example.net";
const PATIENT_MS: i64 = 20_000;

/// 2100-01-01, when the certificates end that have not.
const ENDS_UNIX_S: u64 = 4_102_444_800;

/// An authority, and whoever believes it.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        let issuer = Issuer::new(params, key);
        Self { certificate, issuer }
    }

    fn trust(&self) -> Trust {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("an authority");
        Trust::of(roots)
    }

    /// A server with a certificate for `name` that ends in `until_year`.
    fn server(&self, name: &str, until_year: i32, alpn: &[&[u8]]) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(until_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a pair");
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Serves every connection with `serve`, until the test ends; where.
async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let at = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    at
}

/// A server of HTTP that answers every request with this status after a while; and how many requests it saw.
async fn listen_http(tls: TlsAcceptor, status: u16, after: Duration) -> (SocketAddr, Arc<AtomicU32>) {
    let seen = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&seen);
    let at = listen(move |stream| {
        let (tls, counter) = (tls.clone(), Arc::clone(&counter));
        async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = service_fn(move |request: HttpRequest<Incoming>| {
                counter.fetch_add(1, Ordering::Relaxed);
                let version = if is_http2 {
                    Version::HTTP_2
                } else {
                    Version::HTTP_11
                };
                let right = request.version() == version && request.uri().path() == "/healthz";
                async move {
                    tokio::time::sleep(after).await;
                    let answer = Response::builder()
                        .status(if right { status } else { 421 })
                        .header("location", "https://127.0.0.1:1/")
                        .header("retry-after", "7");
                    Ok::<_, Infallible>(answer.body(Empty::<Bytes>::new()).expect("an answer"))
                }
            });
            let io = TokioIo::new(stream);
            // It ends when the prober has what it wants, which is no error to look at.
            if is_http2 {
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service)
                    .await;
            } else {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await;
            }
        }
    })
    .await;
    (at, seen)
}

async fn run(to: SocketAddr, request: Request, trust: &Trust, patience_ms: i64) -> ExchangeEnd {
    let order = Order {
        token: ProbeToken {
            series: 0,
            sequence: 0,
        },
        to,
        give_up_at: clock::monotonic().plus_ns(patience_ms * NS_PER_MS),
        request,
    };
    carry_out(&order, trust).await
}

fn tls() -> Request {
    Request::Tls {
        server_name: NAME.into(),
    }
}

fn https() -> Request {
    Request::Https {
        server_name: NAME.into(),
        path: "/healthz".into(),
    }
}

fn dns() -> Request {
    Request::Dns {
        question: NAME.into(),
        kind: DnsKind::A,
    }
}

fn phases(end: &ExchangeEnd) -> Vec<Phase> {
    end.passed.iter().map(|(phase, _)| *phase).collect()
}

#[tokio::test]
async fn a_handshake_is_timed_and_the_certificate_read() {
    let authority = Authority::new();
    let server = authority.server(NAME, 2100, &[]);
    let at = listen(move |stream| {
        let server = server.clone();
        async move { drop(server.accept(stream).await) }
    })
    .await;
    let end = run(at, tls(), &authority.trust(), PATIENT_MS).await;
    assert_eq!(
        (phases(&end), end.stuck),
        (vec![Phase::Connect, Phase::Tls], None)
    );
    assert_eq!(
        end.outcome,
        ExchangeOutcome::Answered(Answer::Ordinary, end.passed[1].1)
    );
    assert_eq!(end.certificate_ends_unix_s, Some(ENDS_UNIX_S));
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_named_by_its_fault() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (server, fault) in [
        (authority.server(NAME, 2002, &[]), Answer::CertificateExpired),
        (
            authority.server("zone-b.example.net", 2100, &[]),
            Answer::CertificateName,
        ),
        (stranger.server(NAME, 2100, &[]), Answer::CertificateUntrusted),
    ] {
        let at = listen(move |stream| {
            let server = server.clone();
            async move { drop(server.accept(stream).await) }
        })
        .await;
        for request in [tls(), https()] {
            let end = run(at, request, &authority.trust(), PATIENT_MS).await;
            assert_eq!(end.outcome, ExchangeOutcome::Refused(fault));
            assert_eq!(
                (phases(&end), end.stuck),
                (vec![Phase::Connect], Some(Phase::Tls))
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_tls_and_what_hangs_up_are_told_apart() {
    let trust = Authority::new().trust();
    let babble = listen(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    let end = run(babble, tls(), &trust, PATIENT_MS).await;
    assert_eq!(end.outcome, ExchangeOutcome::Refused(Answer::TlsFailed));
    let hang_up = listen(|stream| async move { drop(stream) }).await;
    let end = run(hang_up, tls(), &trust, PATIENT_MS).await;
    assert_eq!(end.outcome, ExchangeOutcome::Refused(Answer::Broken));
}

#[tokio::test]
async fn each_class_of_status_is_labelled_and_a_redirect_not_followed() {
    let authority = Authority::new();
    for alpn in [&[b"h2" as &[u8]] as &[&[u8]], &[b"http/1.1"], &[]] {
        for (status, kind) in [
            (200, Answer::Ordinary),
            (302, Answer::Redirect),
            (404, Answer::ClientError),
            (429, Answer::ClientError),
            (500, Answer::ServerError),
            (503, Answer::ServerError),
        ] {
            let server = authority.server(NAME, 2100, alpn);
            let (at, seen) = listen_http(server, status, Duration::ZERO).await;
            let end = run(at, https(), &authority.trust(), PATIENT_MS).await;
            let ExchangeOutcome::Answered(answer, delay_ns) = end.outcome else {
                panic!("{status} by {alpn:?}: {end:?}")
            };
            assert_eq!(answer, kind, "{status} by {alpn:?}");
            assert_eq!(
                phases(&end),
                [Phase::Connect, Phase::Tls, Phase::Request, Phase::FirstByte]
            );
            let sum_ns: i64 = end.passed.iter().map(|(_, took_ns)| took_ns).sum();
            assert!(end.passed.iter().all(|(_, took_ns)| *took_ns >= 0) && sum_ns <= delay_ns);
            assert_eq!(seen.load(Ordering::Relaxed), 1, "nothing but the one request");
            let asked = matches!(status, 429 | 503).then_some(7);
            assert_eq!(end.asked_to_wait_s, asked, "{status} by {alpn:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_answer_is_the_wait_for_its_first_byte_and_nothing_else() {
    let authority = Authority::new();
    let slow = Duration::from_millis(300);
    for alpn in [&[b"h2" as &[u8]] as &[&[u8]], &[b"http/1.1"]] {
        let (at, _) = listen_http(authority.server(NAME, 2100, alpn), 200, slow).await;
        let end = run(at, https(), &authority.trust(), PATIENT_MS).await;
        let (last, wait_ns) = end.passed[3];
        assert_eq!(last, Phase::FirstByte);
        assert!(wait_ns >= 300 * NS_PER_MS, "{alpn:?}: {end:?}");
    }
}

#[tokio::test]
async fn what_hangs_is_lost_in_the_phase_it_hangs_in() {
    let authority = Authority::new();
    let silent = listen(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let end = run(silent, https(), &authority.trust(), 100).await;
    assert_eq!(
        (phases(&end), end.stuck, end.outcome),
        (vec![Phase::Connect], Some(Phase::Tls), ExchangeOutcome::Lost)
    );
    for alpn in [&[b"h2" as &[u8]] as &[&[u8]], &[b"http/1.1"]] {
        let server = authority.server(NAME, 2100, alpn);
        let (at, _) = listen_http(server, 200, Duration::from_secs(3_600)).await;
        let end = run(at, https(), &authority.trust(), 2_000).await;
        assert_eq!(
            (end.stuck, end.outcome),
            (Some(Phase::FirstByte), ExchangeOutcome::Lost)
        );
    }
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let trust = Authority::new().trust();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let at = listener.local_addr().expect("bound");
    drop(listener);
    let end = run(at, tls(), &trust, PATIENT_MS).await;
    assert_eq!(end.outcome, ExchangeOutcome::Refused(Answer::Ordinary));
    assert_eq!((phases(&end), end.stuck), (vec![], Some(Phase::Connect)));
    let end = run(at, dns(), &trust, PATIENT_MS).await;
    assert_eq!(end.outcome, ExchangeOutcome::Refused(Answer::Ordinary));
}

/// A resolver that answers one question with what `answers` make of it.
async fn resolver(answers: impl Fn(Packet<'_>) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let at = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((octets, from)) = socket.recv_from(&mut question).await {
            let packet = Packet::parse(&question[..octets]).expect("a question");
            assert_eq!(packet.questions[0].qname.to_string(), NAME);
            for answer in answers(packet) {
                socket.send_to(&answer, from).await.expect("sent");
            }
        }
    });
    at
}

fn reply(mut to: Packet<'_>, code: RCODE, flags: PacketFlag) -> Vec<u8> {
    to.set_flags(PacketFlag::RESPONSE | flags);
    *to.rcode_mut() = code;
    to.build_bytes_vec().expect("an answer")
}

#[tokio::test]
async fn each_code_of_dns_is_labelled_and_what_answers_nothing_is_passed_over() {
    let trust = Authority::new().trust();
    for (code, flags, kind) in [
        (RCODE::NoError, PacketFlag::empty(), Answer::Ordinary),
        (RCODE::NoError, PacketFlag::TRUNCATION, Answer::Truncated),
        (RCODE::NameError, PacketFlag::empty(), Answer::NoSuchName),
        (RCODE::ServerFailure, PacketFlag::empty(), Answer::ServerFailure),
        (RCODE::Refused, PacketFlag::empty(), Answer::QueryRefused),
        (RCODE::NotImplemented, PacketFlag::empty(), Answer::Other),
    ] {
        let at = resolver(move |packet| {
            let ours = reply(packet, code, flags);
            let (mut other_number, mut other_name) = (ours.clone(), ours.clone());
            other_number[1] ^= 1;
            other_name[13] ^= 1;
            let question = {
                let mut question = ours.clone();
                question[2] &= 0x7f;
                question
            };
            let mut foreign = vec![other_number, other_name, question];
            // Of another kind, so that one taken for the answer is noticed.
            foreign.iter_mut().for_each(|answer| answer[3] ^= 0x0c);
            foreign.extend([vec![0; 3], ours]);
            foreign
        })
        .await;
        let end = run(at, dns(), &trust, PATIENT_MS).await;
        assert!(
            matches!(end.outcome, ExchangeOutcome::Answered(answer, 1..) if answer == kind),
            "{code:?}: {end:?}"
        );
    }
    let silent = resolver(|_| Vec::new()).await;
    assert_eq!(
        run(silent, dns(), &trust, 100).await.outcome,
        ExchangeOutcome::Lost
    );
}

/// A plan whose every exchange ends with the connection.
fn cut_short(at: SocketAddr) -> SeriesPlan {
    SeriesPlan {
        address: at,
        method: Method::TlsHandshake,
        period_ms: 20,
        pace: Pace::Periodic,
        phase_ns: 0,
        waiting_time_ms: 10_000,
        limit: Some(3),
        follow_up: false,
        direct_measurement: false,
        key: None,
        lane: Lane::default(),
        request: Some(tls()),
        backs_off: None,
    }
}

#[tokio::test]
async fn what_is_taken_up_after_its_time_was_never_sent_and_is_no_loss() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.set_nonblocking(true).expect("set");
    let at = listener.local_addr().expect("bound");
    let end = run(at, tls(), &Authority::new().trust(), 0).await;
    assert_eq!(
        end.outcome,
        ExchangeOutcome::NotSent(Some(ErrorKind::SendNoBuffer))
    );
    assert!(listener.accept().is_err(), "nobody came");
}

fn hang_up_three_times() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = listener.local_addr().expect("bound");
    std::thread::spawn(move || (0..3).for_each(|_| drop(listener.accept())));
    at
}

/// What each series of `cut_short` counted, once all three are settled. A slot that a busy host missed is none of the three, and never
/// made up for.
fn three_settled(mut intervals: mpsc::Receiver<Delivery>) -> Vec<ProbeCounts> {
    let sides = sides(Method::TlsHandshake);
    let broken = 1 + sides
        .iter()
        .position(|(_, answer)| *answer == Answer::Broken)
        .expect("a side");
    let mut sums = vec![ProbeCounts::default(); 1 + sides.len()];
    while sums[broken].sent + sums[0].skipped < 3 {
        let delivery = intervals.blocking_recv().expect("an interval");
        for (sum, series) in sums.iter_mut().zip(&delivery.closed.series) {
            *sum = sum.plus(&series.counts).expect("few");
        }
    }
    let sent = sums[broken].sent;
    assert!(sent > 0, "no slot was met");
    assert_eq!((sums[broken].returned, sums[broken].refused), (sent, sent));
    assert_eq!(sums[0].sent, 0, "none of them was as hoped, and none lost");
    assert_eq!((sums[1].sent, sums[1].returned), (sent, sent), "connections");
    sums
}

#[test]
fn the_probing_thread_orders_exchanges_and_counts_their_ends() {
    let (out, intervals) = mpsc::channel(64);
    let plans = [cut_short(hang_up_three_times())];
    let prober = Prober::start_eager(&plans, 1_000, out).expect("a prober");
    let sums = three_settled(intervals);
    assert!(sums.iter().all(|counts| counts.send_errors == 0));
    assert!(prober.join().is_some(), "it has nothing left to do");
}

#[test]
fn a_prober_without_series_waits_for_some() {
    let (out, intervals) = mpsc::channel(64);
    let prober = Prober::start_eager(&[], 1_000, out).expect("a prober");
    let web = Web::start(prober.letterbox()).expect("a thread");
    prober.letterbox().put(Message::Carrier(web)).expect("room");
    let change = Change {
        add: vec![cut_short(hang_up_three_times())],
        ..Change::default()
    };
    prober.letterbox().put(Message::Changed(change)).expect("room");
    three_settled(intervals);
    prober.stopper().stop();
    assert!(prober.join().is_some());
}
