//! The session against a script of sendings, stamps, answers and timeouts. No network: that is `agent/tests/simulation/`.

use super::*;
use crate::clock::NS_PER_S;
use crate::probe::delay::Discard;
use azimuth_measurement::StampClock;

const WAITING_NS: i64 = 2 * NS_PER_S;
const RTT_NS: i64 = 3 * NS_PER_MS;
const FIRST_SEQUENCE: u32 = u32::MAX - 1;

fn at(ns: i64) -> Moment {
    let start = Moment {
        monotonic: Monotonic::from_ns(0),
        wall: Wall::from_unix_ns(1_700_000_000 * NS_PER_S),
    };
    start.plus_ns(ns)
}

fn interval() -> IntervalOrdinal {
    IntervalOrdinal::FIRST
}

fn session() -> StampSession {
    StampSession::new(WAITING_NS, FIRST_SEQUENCE)
}

/// A reflector that holds nothing back.
fn reflect(request: &Request) -> Reply {
    Reply {
        sequence: request.sequence,
        reflected_at: request.sent_at,
        error: ErrorEstimate::UNSYNCHRONISED,
        session_id: 0,
        received_at: request.sent_at,
        sender_sequence: request.sequence,
        sender_sent_at: request.sent_at,
        sender_error_bits: 1,
        sender_ttl: 64,
    }
}

fn answer(session: &mut StampSession, reply: &Reply, ns: i64) -> Arrival {
    session.handle_reply(reply, Followed::NotSpoken, at(ns), Some(at(ns).wall))
}

const FIRST: Arrival = Arrival::First {
    interval: IntervalOrdinal::FIRST,
    reordered: false,
};

#[test]
fn an_answer_with_both_stamps_is_settled_at_once() {
    let mut session = session();
    let request @ Request { sequence, .. } = session.send(at(0), interval());
    assert!(session.handle_tx_stamp(sequence, at(1_000).wall));
    assert_eq!(answer(&mut session, &reflect(&request), RTT_NS + 1_000), FIRST);
    assert_eq!(
        session.poll_finding(),
        Some(Finding::Returned {
            interval: interval(),
            sequence: FIRST_SEQUENCE,
            verdict: Verdict::Delay(StampClock::Kernel, 3_000),
            missing_tx_stamp: false,
            missing_rx_stamp: false,
            missing_follow_up: false,
            one_way: None,
        })
    );
    assert_eq!((session.poll_finding(), session.unsettled()), (None, 0));
}

#[test]
fn a_stamp_that_comes_after_the_answer_is_still_used() {
    let mut session = session();
    let request @ Request { sequence, .. } = session.send(at(0), interval());
    answer(&mut session, &reflect(&request), RTT_NS);
    assert_eq!(session.poll_finding(), None, "the stamp may still come");
    session.handle_tx_stamp(sequence, at(1_000).wall);
    let finding = session.poll_finding();
    assert!(
        matches!(
            finding,
            Some(Finding::Returned {
                verdict: Verdict::Delay(StampClock::Kernel, 2_999),
                ..
            })
        ),
        "{finding:?}"
    );
}

#[test]
fn a_stamp_that_never_comes_falls_back_and_is_counted() {
    let mut session = session();
    let request = session.send(at(0), interval());
    answer(&mut session, &reflect(&request), RTT_NS);
    session.handle_timeout(at(WAITING_NS).monotonic);
    assert_eq!(
        session.poll_finding(),
        Some(Finding::Returned {
            interval: interval(),
            sequence: FIRST_SEQUENCE,
            verdict: Verdict::Delay(StampClock::KernelRx, 3_000),
            missing_tx_stamp: true,
            missing_rx_stamp: false,
            missing_follow_up: false,
            one_way: None,
        })
    );
}

#[test]
fn no_answer_within_the_waiting_time_is_a_loss_and_stays_one() {
    let mut session = session();
    let request = session.send(at(0), interval());
    session.handle_timeout(at(WAITING_NS - 1).monotonic);
    assert_eq!(session.poll_finding(), None);
    session.handle_timeout(at(WAITING_NS).monotonic);
    assert_eq!(
        session.poll_finding(),
        Some(Finding::Lost {
            interval: interval(),
            missing_tx_stamp: true
        })
    );
    let reply = reflect(&request);
    assert_eq!(
        answer(&mut session, &reply, WAITING_NS + 1),
        Arrival::Late { interval: None }
    );
    assert_eq!(
        answer(&mut session, &reply, WAITING_NS + 2),
        Arrival::Duplicate { interval: None }
    );
    assert_eq!(session.poll_finding(), None);
}

#[test]
fn an_answer_read_late_but_stamped_in_time_is_not_late() {
    let mut session = session();
    let request = session.send(at(0), interval());
    let read = at(WAITING_NS + NS_PER_S);
    let arrival = session.handle_reply(
        &reflect(&request),
        Followed::NotSpoken,
        read,
        Some(at(RTT_NS).wall),
    );
    assert_eq!(arrival, FIRST);
    let request = session.send(at(0), interval());
    let unstamped = session.handle_reply(&reflect(&request), Followed::NotSpoken, read, None);
    assert_eq!(
        unstamped,
        Arrival::Late {
            interval: Some(interval())
        }
    );
}

#[test]
fn further_answers_are_duplicates() {
    let mut session = session();
    let request @ Request { sequence, .. } = session.send(at(0), interval());
    let reply = reflect(&request);
    answer(&mut session, &reply, RTT_NS);
    assert_eq!(
        answer(&mut session, &reply, RTT_NS + 1),
        Arrival::Duplicate {
            interval: Some(interval())
        }
    );
    session.handle_tx_stamp(sequence, at(0).wall);
    assert_eq!(
        answer(&mut session, &reply, RTT_NS + 2),
        Arrival::Duplicate { interval: None }
    );
}

#[test]
fn an_answer_after_a_later_probes_answer_is_reordered_even_across_the_wrap() {
    let mut session = session();
    let requests: Vec<_> = (0..4).map(|n| session.send(at(n), interval())).collect();
    assert_eq!(answer(&mut session, &reflect(&requests[0]), RTT_NS), FIRST);
    assert_eq!(answer(&mut session, &reflect(&requests[3]), RTT_NS + 1), FIRST);
    for request in &requests[1..3] {
        let reordered = Arrival::First {
            interval: interval(),
            reordered: true,
        };
        assert_eq!(answer(&mut session, &reflect(request), RTT_NS + 2), reordered);
    }
}

#[test]
fn answers_to_probes_not_sent_or_with_another_timestamp_are_foreign() {
    let mut session = session();
    let request = session.send(at(0), interval());
    let mut forged = reflect(&request);
    forged.sender_sent_at = NtpTimestamp::from_wall(at(1).wall);
    assert_eq!(answer(&mut session, &forged, RTT_NS), Arrival::Foreign);
    let mut ahead = reflect(&request);
    ahead.sender_sequence = ahead.sender_sequence.wrapping_add(1);
    assert_eq!(answer(&mut session, &ahead, RTT_NS), Arrival::Foreign);
    assert_eq!(session.unsettled(), 1);
}

#[test]
fn a_stamp_from_before_the_send_call_is_refused() {
    let mut session = session();
    let sequence = session.send(at(0), interval()).sequence;
    assert!(!session.handle_tx_stamp(sequence, at(-2 * NS_PER_MS).wall));
    assert!(
        !session.handle_tx_stamp(sequence.wrapping_add(1), at(0).wall),
        "not sent"
    );
}

#[test]
fn a_probe_the_system_would_not_send_was_never_there() {
    let mut session = session();
    let first = session.send(at(0), interval()).sequence;
    session.handle_send_error();
    let again = session.send(at(1), interval()).sequence;
    assert_eq!((first, session.unsettled()), (again, 1));
}

#[test]
fn at_the_end_answered_probes_count_and_the_fate_of_others_stays_unknown() {
    let mut session = session();
    let request = session.send(at(0), interval());
    session.send(at(1), interval());
    let mut odd = reflect(&request);
    odd.reflected_at = NtpTimestamp::from_wall(at(NS_PER_S).wall);
    answer(&mut session, &odd, RTT_NS);
    assert_eq!(session.withdraw(), [interval()]);
    let finding = session.poll_finding();
    let expected = Verdict::Discarded(Discard::Residence);
    assert!(
        matches!(finding, Some(Finding::Returned { verdict, .. }) if verdict == expected),
        "{finding:?}"
    );
}

mod follow_up {
    use super::*;

    /// Between T2 and T3 of every reply, and between its T3 and the kernel's stamp.
    const HELD_NS: i64 = 40_000;
    const SEND_CALL_NS: i64 = 15_000;

    fn asking() -> StampSession {
        StampSession::new(WAITING_NS, 10).asking_follow_up()
    }

    /// Sends at `ns`; the reply, which comes back `RTT_NS` of wire later.
    fn probe(session: &mut StampSession, ns: i64) -> Reply {
        let request @ Request { sequence, .. } = session.send(at(ns), interval());
        assert!(session.handle_tx_stamp(sequence, at(ns).wall));
        let received = at(ns + RTT_NS / 2).wall;
        Reply {
            received_at: NtpTimestamp::from_wall(received),
            reflected_at: NtpTimestamp::from_wall(received.plus_ns(HELD_NS)),
            ..reflect(&request)
        }
    }

    fn arrive(session: &mut StampSession, reply: &Reply, followed: Followed, sent_ns: i64) {
        let back = at(sent_ns + RTT_NS + HELD_NS + SEND_CALL_NS);
        assert_eq!(
            session.handle_reply(reply, followed, back, Some(back.wall)),
            FIRST
        );
    }

    fn follow_up(reply: &Reply, send_call_ns: i64) -> Followed {
        let t3 = reply.received_at;
        let unix = at(0)
            .wall
            .plus_ns(t3.since_ns(NtpTimestamp::from_wall(at(0).wall)));
        Followed::Up(FollowUp {
            sequence: reply.sequence,
            sent_at: NtpTimestamp::from_wall(unix.plus_ns(HELD_NS + send_call_ns)),
        })
    }

    fn delays(session: &mut StampSession) -> Vec<(u32, bool)> {
        std::iter::from_fn(|| session.poll_finding())
            .map(|finding| match finding {
                Finding::Returned {
                    verdict: Verdict::Delay(StampClock::Kernel, delay_us),
                    missing_follow_up,
                    ..
                } => (delay_us, missing_follow_up),
                other => unreachable!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn an_answer_waits_for_the_next_which_takes_the_send_call_out_of_its_delay() {
        let mut session = asking();
        let first = probe(&mut session, 0);
        arrive(&mut session, &first, Followed::Nothing, 0);
        assert_eq!((delays(&mut session), session.awaits_answer()), (vec![], false));
        let second = probe(&mut session, NS_PER_S);
        arrive(&mut session, &second, follow_up(&first, SEND_CALL_NS), NS_PER_S);
        assert_eq!(delays(&mut session), [(3_000, false)]);
        // No third: what the second said itself has to do, and is counted.
        session.handle_timeout(at(NS_PER_S + WAITING_NS).monotonic);
        assert_eq!(delays(&mut session), [(3_015, true)]);
    }

    #[test]
    fn a_reflector_that_does_not_speak_it_is_not_waited_for() {
        let mut session = asking();
        let reply = probe(&mut session, 0);
        arrive(&mut session, &reply, Followed::NotSpoken, 0);
        assert_eq!(delays(&mut session), [(3_015, true)]);
        // A reflector replaced by an older one under way.
        let reply = probe(&mut session, NS_PER_S);
        arrive(&mut session, &reply, Followed::Nothing, NS_PER_S);
        let next = probe(&mut session, NS_PER_S + 1);
        arrive(&mut session, &next, Followed::NotSpoken, NS_PER_S + 1);
        assert_eq!(delays(&mut session), [(3_015, true), (3_015, true)]);
    }

    #[test]
    fn a_follow_up_that_cannot_be_true_is_not_believed() {
        for send_call_ns in [-1_000, LONGEST_SEND_CALL_NS + 1_000] {
            let mut session = asking();
            let first = probe(&mut session, 0);
            arrive(&mut session, &first, Followed::Nothing, 0);
            let second = probe(&mut session, NS_PER_S);
            arrive(&mut session, &second, follow_up(&first, send_call_ns), NS_PER_S);
            assert_eq!(delays(&mut session), []);
            session.handle_timeout(at(WAITING_NS).monotonic);
            assert_eq!(delays(&mut session), [(3_015, true)], "{send_call_ns} ns");
        }
    }

    #[test]
    fn a_follow_up_of_a_reply_not_held_back_changes_nothing() {
        let mut session = asking();
        let first = probe(&mut session, 0);
        let ahead = Followed::Up(FollowUp {
            sequence: first.sequence + 7,
            sent_at: first.reflected_at,
        });
        arrive(&mut session, &first, ahead, 0);
        assert_eq!(delays(&mut session), []);
        // Not even of itself: a reply cannot know its own stamp.
        let second = probe(&mut session, NS_PER_S);
        arrive(&mut session, &second, follow_up(&second, SEND_CALL_NS), NS_PER_S);
        assert_eq!(delays(&mut session), []);
    }
}
