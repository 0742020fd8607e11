//! Which throughput tickets the collector signs: within bounds, and only so many an hour for one agent. Pure; handed a monotonic time.
//! Whether a reflector has room for the test is the reflector's to say, and so are the octets of its month.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use azimuth_measurement::AgentId;
use azimuth_measurement::enrolment::ticket::{LONGEST_TICKET_MS, TestTicket};

use crate::problem::Problem;

/// What "lately" is.
const PACE_OVER: Duration = Duration::from_secs(3_600);

/// What is signed for at most; `[limits]` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketBounds {
    /// Octets of a ticket.
    pub bytes: u64,
    /// Load of a ticket, in milliseconds.
    pub load_ms: u32,
    /// Tickets of one agent within an hour; 0 signs none.
    pub per_agent_per_hour: usize,
}

impl Default for TicketBounds {
    /// A test in depth; and a hundred reflectors, tested each way every two hours.
    fn default() -> Self {
        Self {
            bytes: 250_000_000,
            load_ms: 10_000,
            per_agent_per_hour: 120,
        }
    }
}

/// What was signed lately, by agent.
pub struct Signed {
    bounds: TicketBounds,
    lately: HashMap<AgentId, VecDeque<Instant>>,
}

impl Signed {
    /// Nothing yet.
    #[must_use]
    pub fn new(bounds: TicketBounds) -> Self {
        Self {
            bounds,
            lately: HashMap::new(),
        }
    }

    /// Whether a ticket is signed for the agent that proved to have asked for it; noted if so.
    ///
    /// # Errors
    /// Why it is not.
    pub fn judge(&mut self, asker: &AgentId, ticket: &TestTicket, now: Instant) -> Result<(), Problem> {
        if ticket.agent != *asker {
            let detail = format!("the ticket is for {}, and {asker} asks for it", ticket.agent);
            return Err(Problem::new(StatusCode::FORBIDDEN, "ticket_agent", detail));
        }
        let over = [
            ("octets", ticket.max_bytes, self.bounds.bytes),
            ("ms of load", ticket.max_ms.into(), self.bounds.load_ms.into()),
            (
                "ms to begin in",
                ticket.good_for_ms.into(),
                LONGEST_TICKET_MS.into(),
            ),
        ];
        for (what, asked, most) in over {
            if asked > most {
                let detail = format!("a ticket is for at most {most} {what}, and {asked} were asked for");
                return Err(Problem::new(StatusCode::FORBIDDEN, "ticket_over_cap", detail));
            }
        }
        let most = self.bounds.per_agent_per_hour;
        let lately = self.lately.entry(asker.clone()).or_default();
        while lately
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) >= PACE_OVER)
        {
            lately.pop_front();
        }
        if lately.len() >= most {
            let detail = format!("an agent gets {most} tickets an hour; test less often");
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "ticket_pace", detail);
            return Err(problem.retry_after_s(60));
        }
        lately.push_back(now);
        Ok(())
    }

    /// Nothing is known of an agent any more.
    pub fn forget(&mut self, agent: &str) {
        self.lately.retain(|known, _| known.as_str() != agent);
    }
}

#[cfg(test)]
mod tests {
    use azimuth_measurement::TransferDirection;

    use super::*;
    use crate::clock::monotonic;

    fn ticket() -> TestTicket {
        TestTicket {
            agent: "brest-1".parse().expect("an id"),
            reflector: "paris-a".parse().expect("a name"),
            direction: TransferDirection::Download,
            max_bytes: 250_000_000,
            max_ms: 10_000,
            max_bps: 0,
            good_for_ms: LONGEST_TICKET_MS,
            challenge: [0; 32],
        }
    }

    #[test]
    fn a_ticket_is_for_its_asker_and_within_bounds() {
        let (mut signed, now) = (Signed::new(TicketBounds::default()), monotonic());
        let mut judge = |asker: &str, change: fn(&mut TestTicket)| {
            let mut ticket = ticket();
            change(&mut ticket);
            let asker = asker.parse().expect("an id");
            signed
                .judge(&asker, &ticket, now)
                .map_err(|problem| problem.reason())
        };
        assert_eq!(judge("brest-1", |_| {}), Ok(()));
        assert_eq!(judge("brest-2", |_| {}), Err("ticket_agent"));
        assert_eq!(
            judge("brest-1", |wrong| wrong.max_bytes += 1),
            Err("ticket_over_cap")
        );
        assert_eq!(
            judge("brest-1", |wrong| wrong.max_ms += 1),
            Err("ticket_over_cap")
        );
        assert_eq!(
            judge("brest-1", |wrong| wrong.good_for_ms += 1),
            Err("ticket_over_cap")
        );
    }

    #[test]
    fn an_agent_gets_so_many_an_hour_and_others_do_not_pay_for_it() {
        let (mut signed, began) = (Signed::new(TicketBounds::default()), monotonic());
        let mut judge = |agent: &str, after: Duration| {
            let agent: AgentId = agent.parse().expect("an id");
            let ticket = TestTicket {
                agent: agent.clone(),
                ..ticket()
            };
            signed
                .judge(&agent, &ticket, began + after)
                .map_err(|problem| problem.reason())
        };
        for second in 0..120 {
            assert_eq!(judge("a", Duration::from_secs(second)), Ok(()));
        }
        let nearly = PACE_OVER - Duration::from_millis(1);
        assert_eq!(judge("a", nearly), Err("ticket_pace"));
        assert_eq!(judge("b", nearly), Ok(()));
        assert_eq!(judge("a", PACE_OVER), Ok(()), "the first is an hour old");
        assert_eq!(judge("a", PACE_OVER), Err("ticket_pace"));
    }

    #[test]
    fn bounds_are_the_configurations() {
        let bounds = TicketBounds {
            bytes: 1_000,
            load_ms: 50,
            per_agent_per_hour: 1,
        };
        let (mut signed, now) = (Signed::new(bounds), monotonic());
        let mut judge = |max_bytes, max_ms| {
            let ticket = TestTicket {
                max_bytes,
                max_ms,
                ..ticket()
            };
            let asker = ticket.agent.clone();
            let judged = signed.judge(&asker, &ticket, now);
            judged.map_err(|problem| problem.reason())
        };
        assert_eq!(judge(1_001, 50), Err("ticket_over_cap"));
        assert_eq!(judge(1_000, 51), Err("ticket_over_cap"));
        assert_eq!(judge(1_000, 50), Ok(()));
        assert_eq!(judge(1_000, 50), Err("ticket_pace"));
        let mut none = Signed::new(TicketBounds {
            per_agent_per_hour: 0,
            ..TicketBounds::default()
        });
        let refused = none.judge(&ticket().agent, &ticket(), now).expect_err("none");
        assert_eq!(refused.reason(), "ticket_pace");
    }
}
