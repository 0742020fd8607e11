//! Traces through a simulated line of routers: nothing sleeps, nothing is sent.

use super::*;

const TARGET: [u8; 4] = [203, 0, 113, 9];

/// A line of routers, the target behind the last; `None` never answers.
struct Line {
    routers: Vec<Option<u8>>,
    target_answers: bool,
    quotes: bool,
    delay_ns: i64,
}

fn line(routers: &[Option<u8>]) -> Line {
    Line {
        routers: routers.to_vec(),
        target_answers: true,
        quotes: true,
        delay_ns: 5 * NS_PER_MS,
    }
}

fn router(number: u8) -> IpAddr {
    IpAddr::from([10, 0, number, 1])
}

impl Line {
    fn answer(&self, sending: Sending) -> Option<Answer> {
        let at = usize::from(sending.hops) - 1;
        let (from, said) = match self.routers.get(at) {
            Some(number) => (router((*number)?), Said::Error(ErrorKind::TtlExceeded)),
            None if self.target_answers => (TARGET.into(), Said::Arrived),
            None => return None,
        };
        Some(Answer {
            id: self.quotes.then_some(sending.id),
            from,
            said,
            delay_us: u32::from(sending.hops) * 1_000,
        })
    }

    /// Runs a trace to its end; how many packets it took, and the most under way at once.
    fn run(&self, trace: &mut Trace) -> (usize, usize) {
        let mut now = Monotonic::from_ns(0);
        let mut arriving: Vec<(Monotonic, Answer)> = Vec::new();
        let (mut sent, mut most) = (0, 0);
        while let Some(next) = trace.poll_timeout() {
            now = arriving
                .iter()
                .map(|(at, _)| *at)
                .chain([next])
                .min()
                .unwrap_or(next)
                .max(now);
            arriving.retain(|(at, answer)| {
                if *at <= now {
                    trace.handle_answer(*answer, now);
                }
                *at > now
            });
            trace.handle_timeout(now);
            while let Some(sending) = trace.poll_send(now) {
                sent += 1;
                arriving.extend(
                    self.answer(sending)
                        .map(|answer| (now.plus_ns(self.delay_ns), answer)),
                );
            }
            most = most.max(trace.under_way.len());
            assert!(sent < 10_000, "it never ends");
        }
        (sent, most)
    }
}

fn trace() -> Trace {
    Trace::new(TracePlan::default(), TARGET.into(), Monotonic::from_ns(0))
}

fn addresses(path: &Path) -> Vec<Option<IpAddr>> {
    path.hops
        .iter()
        .map(|hop| hop.addresses.first().copied())
        .collect()
}

#[test]
fn every_router_is_seen_as_often_as_asked_and_the_target_ends_it() {
    let mut trace = trace();
    let (sent, most) = line(&[Some(1), Some(2), Some(3)]).run(&mut trace);
    let path = trace.path();
    assert!(path.reached);
    assert_eq!(
        addresses(&path),
        [
            Some(router(1)),
            Some(router(2)),
            Some(router(3)),
            Some(TARGET.into())
        ]
    );
    for (index, hop) in path.hops.iter().enumerate() {
        let delay_us = Some((index as u32 + 1) * 1_000);
        assert_eq!((hop.sent, hop.answered), (3, 3), "{hop:?}");
        assert_eq!((hop.min_us, hop.median_us), (delay_us, delay_us));
    }
    assert!(most <= TracePlan::default().window);
    assert!(
        sent <= 12 + TracePlan::default().window,
        "{sent} packets: nothing much beyond the target"
    );
}

#[test]
fn a_slow_path_is_not_probed_far_beyond_its_end() {
    let mut slow = line(&[Some(1), Some(2)]);
    slow.delay_ns = 300 * NS_PER_MS;
    let mut trace = trace();
    let (sent, _) = slow.run(&mut trace);
    assert!(trace.path().reached);
    assert!(sent <= 9 + TracePlan::default().window, "{sent}");
}

#[test]
fn silence_is_a_hop_without_an_address_and_silence_at_the_end_is_none() {
    let mut trace = trace();
    line(&[Some(1), None, None, Some(4)]).run(&mut trace);
    let path = trace.path();
    assert_eq!(
        addresses(&path),
        [Some(router(1)), None, None, Some(router(4)), Some(TARGET.into())]
    );
    assert_eq!(
        (path.hops[1].sent, path.hops[1].answered, path.hops[1].min_us),
        (3, 0, None)
    );

    let mut unreachable = line(&[Some(1), Some(2)]);
    unreachable.target_answers = false;
    let mut trace = self::trace();
    let (sent, _) = unreachable.run(&mut trace);
    let path = trace.path();
    assert_eq!((path.reached, path.hops.len()), (false, 2));
    assert_eq!(sent, 8 * 3, "six beyond the last that answered, three times");
}

#[test]
fn where_nobody_answers_it_ends_all_the_same() {
    let mut trace = trace();
    let (sent, _) = line(&[None; 40]).run(&mut trace);
    assert_eq!((sent, trace.path()), (18, Path::default()));
}

#[test]
fn a_path_longer_than_allowed_is_cut() {
    let routers: Vec<_> = (1..=100).map(Some).collect();
    let mut trace = trace();
    line(&routers).run(&mut trace);
    assert_eq!((trace.path().hops.len(), trace.path().reached), (30, false));
}

#[test]
fn answers_that_name_no_packet_are_told_apart_by_sending_one_at_a_time() {
    let mut short = line(&[Some(1), Some(2), Some(3)]);
    short.quotes = false;
    // Longer than the gap, so that several are under way.
    short.delay_ns = 50 * NS_PER_MS;
    let mut trace = trace();
    short.run(&mut trace);
    assert!(trace.unattributed() > 0);
    assert_eq!(
        addresses(&trace.path()),
        [
            Some(router(1)),
            Some(router(2)),
            Some(router(3)),
            Some(TARGET.into())
        ]
    );
    assert_eq!(trace.plan.window, 1);
}

#[test]
fn routers_that_share_the_load_stand_at_one_hop_and_are_bounded() {
    let mut trace = trace();
    for number in 0..8 {
        let sending = trace
            .poll_send(Monotonic::from_ns(number * NS_PER_S))
            .expect("due");
        trace.handle_answer(
            Answer {
                id: Some(sending.id),
                from: router(number as u8),
                said: Said::Error(ErrorKind::TtlExceeded),
                delay_us: 5,
            },
            Monotonic::from_ns(number * NS_PER_S),
        );
        trace.next_hops = 1;
    }
    let hop = &trace.path().hops[0];
    assert_eq!((hop.addresses.len(), hop.answered), (MAX_HOP_ADDRESSES, 8));
}

#[test]
fn a_router_that_says_no_ends_the_path_unless_the_target_is_reached_after_all() {
    let mut trace = trace();
    let now = Monotonic::from_ns(0);
    let first = trace.poll_send(now).expect("due");
    let later = now.plus_ns(NS_PER_S / 10);
    let second = trace.poll_send(later).expect("due");
    let answer = |id, from, said| Answer {
        id: Some(id),
        from,
        said,
        delay_us: 9,
    };
    trace.handle_answer(
        answer(second.id, router(7), Said::Error(ErrorKind::AdminProhibited)),
        later,
    );
    assert_eq!(trace.blocked(), Some((router(7), ErrorKind::AdminProhibited)));
    trace.handle_answer(
        answer(first.id, router(1), Said::Error(ErrorKind::TtlExceeded)),
        later,
    );
    assert_eq!((trace.path().hops.len(), trace.path().reached), (2, false));
    let third = trace
        .poll_send(later.plus_ns(NS_PER_S))
        .expect("the second round");
    assert_eq!(third.hops, 1);
    trace.handle_answer(
        answer(third.id, TARGET.into(), Said::Error(ErrorKind::PortUnreachable)),
        later,
    );
    assert!(trace.path().reached, "its own refusal is an arrival");
    assert_eq!(trace.blocked(), None);
}

#[test]
fn what_is_under_way_when_it_is_stopped_was_not_sent() {
    let mut trace = trace();
    let first = trace.poll_send(Monotonic::from_ns(0)).expect("due");
    trace.handle_answer(
        Answer {
            id: Some(first.id),
            from: router(1),
            said: Said::Error(ErrorKind::TtlExceeded),
            delay_us: 1,
        },
        Monotonic::from_ns(1),
    );
    trace.poll_send(Monotonic::from_ns(NS_PER_S)).expect("due");
    trace.stop();
    assert!(trace.is_done() && trace.poll_timeout().is_none());
    let path = trace.path();
    assert_eq!((path.hops.len(), path.hops[0].sent), (1, 1));
}

const NS_PER_S: i64 = crate::clock::NS_PER_S;
