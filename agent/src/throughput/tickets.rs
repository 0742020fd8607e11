//! Where the near end has its tickets from: made with a key that it shares with the reflector, or asked of its collector for a
//! challenge that the reflector gives. The rim: two connections; what a ticket says and who takes it is decided elsewhere.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use azimuth_measurement::enrolment::base64url;
use azimuth_measurement::enrolment::ticket::{LONGEST_TICKET_MS, TICKET_CHALLENGE_BYTES, TestTicket};
use azimuth_measurement::{AgentId, StopReason};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::http::header::WWW_AUTHENTICATE;

use super::client::{Order, request, said_in};
use super::serve::socket_config;
use super::ticket::{LIFETIME_MS, Ticket};
use crate::clock::{self, NS_PER_MS};
use crate::config::CollectorAddress;
use crate::identity::Identity;
use crate::stamp::StampKey;
use crate::uplink::link::Link;
use crate::uplink::session;

/// In a query: who asks wants a challenge, and no test yet.
pub const ASK: &str = "challenge";
/// How long a reflector has to give a challenge.
const CHALLENGE_TIME: Duration = Duration::from_secs(5);
/// A ticket of a shared key is made before the quiet phase, and used after it.
const TICKET_WAITS_MS: u64 = 10_000;

/// What a reflector offers to who has no ticket: its name, and what a ticket of the collector has to answer. As text it is the value
/// of `WWW-Authenticate` (RFC 9110 section 11.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The reflector's name.
    pub reflector: AgentId,
    /// To be answered once.
    pub challenge: [u8; TICKET_CHALLENGE_BYTES],
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let challenge = base64url::encode(&self.challenge);
        write!(
            f,
            "Azimuth reflector=\"{}\", challenge=\"{challenge}\"",
            self.reflector
        )
    }
}

impl FromStr for Offer {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let said = text.strip_prefix("Azimuth reflector=\"").ok_or(())?;
        let (reflector, said) = said.split_once("\", challenge=\"").ok_or(())?;
        let challenge = said.strip_suffix('"').ok_or(())?;
        Ok(Self {
            reflector: reflector.parse().map_err(|_| ())?,
            challenge: base64url::decode_exactly(challenge).ok_or(())?,
        })
    }
}

/// Where tickets come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Tickets {
    /// Made here.
    Shared {
        /// The reflector's.
        key: StampKey,
        /// Its name.
        reflector: AgentId,
    },
    /// Asked of the collector that this host has joined.
    Collector {
        /// The file of the identity, read for each ticket, so that a changed key is taken up.
        identity: PathBuf,
        /// Where the collector is.
        collector: CollectorAddress,
        /// The name that the reflector has to have; `None` for the one that it says.
        reflector: Option<AgentId>,
    },
}

impl Tickets {
    /// A ticket for this order.
    ///
    /// # Errors
    /// How the test has ended before it began, and why, for a person.
    pub async fn take(&self, agent: &AgentId, order: &Order) -> Result<String, (StopReason, String)> {
        let max_bytes = order.limits.max_bytes;
        let max_ms = u32::try_from(order.limits.max_ns / NS_PER_MS).unwrap_or(u32::MAX);
        match self {
            Self::Shared { key, reflector } => {
                let ticket = Ticket {
                    agent: agent.clone(),
                    reflector: reflector.clone(),
                    direction: order.direction,
                    max_bytes,
                    max_ms,
                    max_bps: 0,
                    expires_unix_ms: clock::wall().unix_ms() + LIFETIME_MS + TICKET_WAITS_MS,
                    nonce: fastrand::u128(..),
                };
                Ok(ticket.sign(key))
            }
            Self::Collector {
                identity,
                collector,
                reflector,
            } => {
                let refused = |why: String| (StopReason::Refused, why);
                let identity = Identity::load(identity).map_err(|error| refused(error.to_string()))?;
                let offer = offered(order).await?;
                if let Some(named) = reflector.as_ref().filter(|named| **named != offer.reflector) {
                    let said = offer.reflector;
                    return Err(refused(format!(
                        "{} says that it is the reflector {said}, and not {named}",
                        order.to
                    )));
                }
                let ticket = TestTicket {
                    agent: identity.agent.clone(),
                    reflector: offer.reflector,
                    direction: order.direction,
                    max_bytes,
                    max_ms,
                    max_bps: 0,
                    good_for_ms: LONGEST_TICKET_MS,
                    challenge: offer.challenge,
                };
                // Of its own: the next ticket is asked for hours from now.
                let link = Link::new(collector, identity.tls);
                session::test_ticket(&link, &identity, &ticket)
                    .await
                    .map_err(|error| refused(format!("no ticket: {error}")))
            }
        }
    }
}

/// What the reflector offers to who has no ticket.
async fn offered(order: &Order) -> Result<Offer, (StopReason, String)> {
    let to = order.to;
    let unreachable = |why: String| (StopReason::Unreachable, format!("no connection to {to}: {why}"));
    let malformed = |why: String| {
        let trouble = format!("{to} gives no challenge for a ticket of the collector: {why}");
        (StopReason::Malformed, trouble)
    };
    let asking = async {
        let stream = TcpStream::connect(to)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let request =
            request(&order.host, order.direction, Some(ASK)).map_err(|error| malformed(error.to_string()))?;
        match client_async_with_config(request, stream, Some(socket_config())).await {
            Ok(_) => Err(malformed("it wants no ticket".to_owned())),
            Err(Error::Http(response)) => {
                let header = response.headers().get(WWW_AUTHENTICATE);
                let offer = header.and_then(|value| value.to_str().ok()?.parse().ok());
                offer.ok_or_else(|| malformed(format!("{} {}", response.status(), said_in(&response))))
            }
            Err(Error::Io(error)) => Err(unreachable(error.to_string())),
            Err(error) => Err(malformed(error.to_string())),
        }
    };
    tokio::time::timeout(CHALLENGE_TIME, asking)
        .await
        .unwrap_or_else(|_| {
            let why = format!("no answer within {} s", CHALLENGE_TIME.as_secs());
            Err(unreachable(why))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_as_it_is_written() {
        let offer = Offer {
            reflector: "paris-a".parse().expect("a name"),
            challenge: [0xfe; TICKET_CHALLENGE_BYTES],
        };
        let text = offer.to_string();
        assert_eq!(text.parse(), Ok(offer));
        for wrong in [
            "",
            "Bearer",
            "Azimuth reflector=\"\", challenge=\"\"",
            &text[..text.len() - 2],
        ] {
            assert_eq!(wrong.parse::<Offer>(), Err(()), "{wrong}");
        }
    }
}
