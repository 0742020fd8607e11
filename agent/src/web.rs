//! Exchanges of several steps, carried out and timed: TLS handshakes, HTTPS requests, DNS queries. The rim; which are due,
//! and what an end means, is decided elsewhere.
//!
//! On a thread of its own with an event loop of its own, so that a handshake's arithmetic never delays a packet of the probing
//! thread. Timed in userspace by the monotonic clock, and labelled so.

mod course;
mod dns;
mod https;
#[cfg(test)]
mod tests;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use azimuth_measurement::ErrorKind;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::warn;

use self::course::Course;
pub use self::tls::Trust;
use crate::clock::{self, Monotonic};
use crate::probe::ProbeToken;
use crate::probe::exchange::{ExchangeEnd, ExchangeOutcome, Request};
use crate::prober::inbox::{Letterbox, Message};

/// Exchanges under way at once; one beyond it counts as a send error. A limit on descriptors and memory.
const MOST_UNDER_WAY: usize = 256;
/// Orders that wait for the event loop.
const ORDERS: usize = 256;

/// An exchange to carry out now.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose.
    pub token: ProbeToken,
    /// Where to.
    pub to: SocketAddr,
    /// When to give it up.
    pub give_up_at: Monotonic,
    /// What to ask.
    pub request: Request,
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Web {
    orders: mpsc::Sender<Order>,
}

impl Web {
    /// Starts the thread, which believes the authorities of the system. Ends go to `letterbox`.
    ///
    /// # Errors
    /// When there is no thread or no event loop to be had.
    pub fn start(letterbox: Letterbox) -> io::Result<Self> {
        Self::start_believing(letterbox, Trust::of_the_system)
    }

    /// The same, believing what `trust` returns; it is called on the new thread.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_believing(
        letterbox: Letterbox,
        trust: impl FnOnce() -> Trust + Send + 'static,
    ) -> io::Result<Self> {
        let (orders, arriving) = mpsc::channel(ORDERS);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("web".to_owned())
            .spawn(move || runtime.block_on(serve(arriving, &letterbox, &trust())))?;
        Ok(Self { orders })
    }

    /// Hands an order over; `false` if there is no room for it.
    #[must_use]
    pub fn take(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }
}

async fn serve(mut orders: mpsc::Receiver<Order>, letterbox: &Letterbox, trust: &Trust) {
    let mut under_way = JoinSet::new();
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            Some(_) = under_way.join_next(), if !under_way.is_empty() => continue,
        };
        let Some(order) = order else { return };
        if under_way.len() >= MOST_UNDER_WAY {
            tell(
                letterbox,
                order.token,
                Course::default().end(ExchangeOutcome::NotSent(Some(ErrorKind::SendNoBuffer))),
            );
            continue;
        }
        let (trust, letterbox) = (trust.clone(), letterbox.clone());
        under_way.spawn(async move {
            let token = order.token;
            tell(&letterbox, token, Box::pin(carry_out(&order, &trust)).await);
        });
    }
}

fn tell(letterbox: &Letterbox, token: ProbeToken, end: ExchangeEnd) {
    if letterbox.put(Message::Ended(token, end)).is_err() {
        // It will be given up as lost when its time has passed.
        warn!(?token, "the end of an exchange could not be told");
    }
}

/// Carries an exchange out until it ends or its time has passed.
async fn carry_out(order: &Order, trust: &Trust) -> ExchangeEnd {
    let mut course = Course::until(order.give_up_at);
    let left_ns = order.give_up_at.since_ns(clock::monotonic());
    if left_ns <= 0 {
        // Nothing was sent, so nothing can be lost: this host was too busy.
        return course.end(ExchangeOutcome::NotSent(Some(ErrorKind::SendNoBuffer)));
    }
    let patience = Duration::from_nanos(left_ns.unsigned_abs());
    let steps = Box::pin(async {
        match &order.request {
            Request::Tls { server_name } => tls::handshake(order.to, server_name, trust, &mut course).await,
            Request::Https { server_name, path } => {
                https::first_byte(order.to, server_name, path, trust, &mut course).await
            }
            Request::Dns { question, kind } => dns::query(order.to, question, *kind, order.give_up_at).await,
        }
    });
    let outcome = match tokio::time::timeout(patience, steps).await {
        Ok(Err(unsent @ ExchangeOutcome::NotSent(_))) => unsent,
        // The timer lets what has arrived have its say first, however late it is looked at.
        Ok(_) if course.is_stuck(clock::monotonic()) => ExchangeOutcome::Lost,
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => ExchangeOutcome::Lost,
    };
    course.end(outcome)
}
