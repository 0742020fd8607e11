//! Our agent against an ndt7 server that is not ours: made here from a WebSocket library and the text of M-Lab's specification, with
//! measurements as its server words them. It knows no tickets, and shares no code with the reflector.

use std::net::SocketAddr;
use std::time::Duration;

use azimuth_measurement::{StopReason, TransferDirection};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::world::{order, run};

/// As ndt-server 0.20 writes them: more than we read, nested as in the specification's section "measurement".
const MEASUREMENT: &str = r#"{"AppInfo":{"ElapsedTime":512345,"NumBytes":1048576},
    "BBRInfo":{"BW":123456789,"MinRTT":901,"PacingGain":739,"CwndGain":739,"ElapsedTime":512345},
    "ConnectionInfo":{"Client":"[::ffff:127.0.0.1]:33210","Server":"[::ffff:127.0.0.1]:443","UUID":"ndt-x_1700000000_00000000000A1B2C"},
    "Origin":"server","Test":"download",
    "TCPInfo":{"State":1,"CAState":0,"Retransmits":0,"Probes":0,"Backoff":0,"Options":7,"WScale":119,"AppLimited":0,"RTO":204000,
    "ATO":40000,"SndMSS":32768,"RcvMSS":536,"Unacked":12,"Sacked":0,"Lost":0,"Retrans":0,"PMTU":65535,"RcvSsThresh":65483,"RTT":1345,
    "RTTVar":210,"SndSsThresh":2147483647,"SndCwnd":40,"AdvMSS":65483,"Reordering":3,"RcvRTT":0,"RcvSpace":65483,"TotalRetrans":0,
    "PacingRate":999,"MaxPacingRate":-1,"BytesAcked":1040000,"BytesReceived":600,"SegsOut":50,"SegsIn":30,"NotsentBytes":0,"MinRTT":901,
    "DataSegsIn":1,"DataSegsOut":49,"DeliveryRate":88888888,"BusyTime":500000,"RWndLimited":400000,"SndBufLimited":0,"Delivered":49,
    "DeliveredCE":0,"BytesSent":1048576,"BytesRetrans":4344,"DSackDups":0,"ReordSeen":0,"ElapsedTime":512345}}"#;

/// Accepts one connection as the specification has it; what was asked, and the WebSocket.
async fn accept(listener: TcpListener) -> (String, WebSocketStream<TcpStream>) {
    let (stream, _) = listener.accept().await.expect("accepted");
    let mut asked = String::new();
    #[expect(clippy::result_large_err, reason = "the library's own type of a refusal")]
    let callback = |request: &Request, mut response: Response| {
        asked = request.uri().to_string();
        let offered = request.headers().get("Sec-WebSocket-Protocol").cloned();
        let name = HeaderValue::from_static("net.measurementlab.ndt.v7");
        assert_eq!(offered, Some(name));
        let name = offered.expect("offered");
        response.headers_mut().insert("Sec-WebSocket-Protocol", name);
        Ok(response)
    };
    let web = accept_hdr_async(stream, callback).await.expect("a WebSocket");
    (asked, web)
}

async fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let at = listener.local_addr().expect("bound");
    (listener, at)
}

/// Messages of 8 kB that grow to 1 MiB while they are below a sixteenth of what was sent, a measurement beside each, for 5 MB.
fn downloads(listener: TcpListener) -> JoinHandle<String> {
    tokio::spawn(async move {
        let (asked, mut web) = accept(listener).await;
        let (mut bytes, mut sent) = (1 << 13, 0);
        while sent < 5_000_000 {
            web.send(Message::text(MEASUREMENT)).await.expect("told");
            if web.send(Message::Binary(vec![7; bytes].into())).await.is_err() {
                break;
            }
            sent += bytes;
            if bytes < 1 << 20 && bytes < sent / 16 {
                bytes *= 2;
            }
        }
        let _ = web.close(None).await;
        while let Some(Ok(_)) = web.next().await {}
        asked
    })
}

#[tokio::test]
async fn a_download_from_a_server_that_is_not_ours_ends_with_its_close_as_a_lower_bound() {
    let (listener, at) = listening().await;
    let serving = downloads(listener);
    let mut order = order(at, TransferDirection::Download, None);
    order.limits.max_bytes = 100_000_000;
    let load = run(&order).await;
    assert_eq!(serving.await.expect("no panic"), "/ndt/v7/download");
    assert_eq!(
        (load.trouble.as_deref(), load.estimate.stop),
        (None, StopReason::PeerClosed)
    );
    assert!(
        !load.estimate.settled && load.estimate.bps > 0,
        "a lower bound: {load:?}"
    );
    assert!((5_000_000..6_500_000).contains(&load.estimate.bytes), "{load:?}");
    // What it told of its end; it has no field for the congestion control.
    let sender = load.sender.expect("told");
    assert_eq!(
        (
            sender.min_rtt_us,
            sender.retransmitted_bytes,
            sender.congestion_control.as_str()
        ),
        (901, 4_344, "")
    );
    let limit = sender.limited_by.map(azimuth_measurement::TransferLimit::as_str);
    assert_eq!(limit, Some("receive_window"));
}

#[tokio::test]
async fn our_cap_ends_a_download_that_would_go_on() {
    let (listener, at) = listening().await;
    let serving = downloads(listener);
    let mut order = order(at, TransferDirection::Download, None);
    order.limits.max_bytes = 1_000_000;
    let load = run(&order).await;
    assert_eq!((load.trouble, load.estimate.stop), (None, StopReason::ByteCap));
    serving.abort();
}

#[tokio::test]
async fn an_upload_to_a_server_that_is_not_ours_sends_what_it_may_and_no_more() {
    let (listener, at) = listening().await;
    let serving = tokio::spawn(async move {
        let (asked, mut web) = accept(listener).await;
        let (mut octets, mut longest) = (0, 0);
        while let Some(Ok(said)) = web.next().await {
            match said {
                Message::Binary(message) => {
                    octets += message.len();
                    longest = longest.max(message.len());
                    web.send(Message::text(MEASUREMENT)).await.expect("told");
                }
                Message::Text(text) => assert!(text.contains("client"), "{text}"),
                _ => {}
            }
        }
        (asked, octets, longest)
    });
    let mut order = order(at, TransferDirection::Upload, None);
    order.limits.max_bytes = 2_000_000;
    let load = run(&order).await;
    assert_eq!(
        (load.trouble.as_deref(), load.estimate.stop),
        (None, StopReason::ByteCap),
        "{load:?}"
    );
    let served = tokio::time::timeout(Duration::from_secs(10), serving).await;
    let (asked, octets, longest) = served.expect("it ended").expect("no panic");
    assert_eq!((asked.as_str(), octets), ("/ndt/v7/upload", 2_000_000));
    assert!((1 << 13..=1 << 24).contains(&longest), "{longest}");
    assert_eq!(load.sender.expect("ours").congestion_control, "reno");
}
