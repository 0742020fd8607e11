//! What the service manager is told: ready, reloading, alive, stopping (sd_notify(3)). Without one, nothing is said.
//! Decides nothing but the pace of the sign of life.

use std::convert::Infallible;
use std::future;

use sd_notify::NotifyState;

fn tell(states: &[NotifyState<'_>]) {
    // Without NOTIFY_SOCKET this does nothing. A manager that cannot be told will act by its own timeouts.
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be told: {error}");
    }
}

/// Requests are answered from now on.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A new configuration is being taken up; [`ready`] ends it.
pub fn reloading() {
    // Newer managers want the time of it (Type=notify-reload); older ones ignore it.
    let at = NotifyState::monotonic_usec_now();
    let mut states = vec![NotifyState::Reloading];
    states.extend(at);
    tell(&states);
}

/// The end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Gives a sign of life at half the interval the manager asks for (`WatchdogSec=`) until dropped.
pub async fn keep_alive() -> Infallible {
    let Some(within) = sd_notify::watchdog_enabled() else {
        return future::pending().await;
    };
    let mut ticks = tokio::time::interval(within / 2);
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}
