//! A host that answers pings with everything that is wrong, and then with the truth twice. Raw sockets, in the far namespace.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::world::{FAR, World};

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
/// Where the answers to a request of this length say what only the sender knows.
const SENT_AT: usize = 12;
const TOKEN: usize = 20;
const PATIENCE: Duration = Duration::from_secs(30);
/// The host's second address, which nobody pings.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 4);

pub(crate) struct EchoHost {
    at: Socket,
    elsewhere: Socket,
}

impl EchoHost {
    /// At 10.9.0.2; the kernel there answers no pings any more.
    pub(crate) fn new(world: &World) -> Self {
        world.far.ip(&format!("addr add {ELSEWHERE}/24 dev {FAR}"));
        world.far.run(|| {
            std::fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1")
                .expect("a namespace's own setting");
            let socket = |at: Ipv4Addr| {
                let socket =
                    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("root may have it");
                let at = SocketAddr::V4(SocketAddrV4::new(at, 0));
                socket.bind(&at.into()).expect("its own address");
                socket.set_read_timeout(Some(PATIENCE)).expect("set");
                socket
            };
            Self {
                at: socket(Ipv4Addr::new(10, 9, 0, 2)),
                elsewhere: socket(ELSEWHERE),
            }
        })
    }

    /// Plays its part for so many requests.
    pub(crate) fn play(&self, requests: u64) {
        let mut buffer = [0; 256];
        for _ in 0..requests {
            let Some(request) = self.next_request(&mut buffer) else {
                return;
            };
            let truth = answer(&request, |_| {});
            // Cut short, and longer than what was asked.
            self.say(&self.at, &answer(&request[..TOKEN], |_| {}));
            self.say(&self.at, &answer(&[&request[..], &[0; 8]].concat(), |_| {}));
            // Another number in the header than in the payload.
            self.say(&self.at, &answer(&request, |octets| octets[7] ^= 1));
            // The number is easily guessed, the time and the token are not.
            self.say(&self.at, &answer(&request, |octets| octets[SENT_AT + 7] ^= 1));
            self.say(&self.at, &answer(&request, |octets| octets[TOKEN] ^= 1));
            self.say(&self.elsewhere, &truth);
            self.say(&self.at, &truth);
            self.say(&self.at, &truth);
        }
    }

    /// The ICMP message of the next echo request.
    fn next_request(&self, buffer: &mut [u8]) -> Option<Vec<u8>> {
        loop {
            let length = (&self.at).read(buffer).ok()?;
            let message = buffer.get(usize::from(buffer[0] & 0xf) * 4..length)?;
            if message.first() == Some(&ECHO_REQUEST) {
                return Some(message.to_vec());
            }
        }
    }

    fn say(&self, from: &Socket, message: &[u8]) {
        let to = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 0));
        from.send_to(message, &to.into()).expect("sent");
    }
}

/// The answer that repeats `request`, falsified, with a sum that is right.
fn answer(request: &[u8], falsify: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut octets = request.to_vec();
    octets[0] = ECHO_REPLY;
    falsify(&mut octets);
    octets[2..4].fill(0);
    let words = octets
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !(sum as u16);
    octets[2..4].copy_from_slice(&sum.to_be_bytes());
    octets
}
