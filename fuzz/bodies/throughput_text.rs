//! What both ends of a throughput test read of each other and of a collector: measurements, tickets, offers, ledgers, from any bytes.

use azimuth_agent::stamp::StampKey;
use azimuth_agent::throughput::gate::{Caps, Gate, Now, Signers};
use azimuth_agent::throughput::ledger::Ledger;
use azimuth_agent::throughput::month::Month;
use azimuth_agent::throughput::ndt7;
use azimuth_agent::throughput::tickets::Offer;
use azimuth_measurement::TransferDirection;
use azimuth_measurement::enrolment::ticket::TestTicket;

/// One input.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(measurement) = ndt7::read(&text)
        && let Some(info) = measurement.tcp_info
    {
        let name = measurement.azimuth.map(|own| own.congestion_control);
        let view = ndt7::sender_view(&info, &name.unwrap_or_default(), info.elapsed_time);
        assert!(view.retransmitted_bytes <= azimuth_measurement::throughput::MAX_TEST_BYTES);
    }
    if let Ok(ticket) = text.parse::<TestTicket>() {
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }
    if let Ok(offer) = text.parse::<Offer>() {
        assert_eq!(offer.to_string(), text);
    }
    if let Some(ledger) = Ledger::from_text(&text) {
        assert_eq!(Ledger::from_text(&ledger.to_text()), Some(ledger));
    }
    if let Some(month) = Month::from_text(&text) {
        assert_eq!(Month::from_text(&month.to_text()), Some(month));
    }
    // Nobody has the key, so nothing opens the gate.
    let signers = Signers {
        shared: StampKey::from_bytes(&[9; 32]).ok(),
        collector: None,
    };
    let now = Now {
        unix_ms: 1_767_225_600_000,
        monotonic_ms: 5,
    };
    let name = "reflector".parse().expect("a name");
    let mut gate = Gate::new(
        name,
        signers,
        Caps::default(),
        now.unix_ms,
        Month::new(now.unix_ms),
    );
    let entered = gate.enter(Some(&text), TransferDirection::Download, now);
    assert!(entered.is_err() && gate.month_bytes() == 0);
}
