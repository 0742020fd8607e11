//! SIGTERM and SIGINT (Ctrl-C): the two ways to be told to stop. SIGHUP: to read the configuration again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for either. Made early, so that a signal during start-up is not lost.
#[derive(Debug)]
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Starts listening for both.
    ///
    /// # Errors
    /// When the system will not let signals be handled.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Returns once told to stop.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for SIGHUP.
#[derive(Debug)]
pub struct Hangup(Signal);

impl Hangup {
    /// Starts listening for it.
    ///
    /// # Errors
    /// When the system will not let signals be handled.
    pub fn new() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Returns once asked to read the configuration again.
    pub async fn wait(&mut self) {
        self.0.recv().await;
    }
}
