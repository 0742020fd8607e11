//! Whose turn it is: the newest reports or the backlog. Pure; told the time and what came of each request.
//!
//! * Live reports go first, so that the map is right one request after the link is back.
//! * The backlog gets a share of the requests (20 % by default), whether or not live reports are waiting: it neither
//!   starves nor floods a collector on which a whole fleet has just come back.
//! * While the link is down, each request is a probe that carries one report, always the same one if it can: what was
//!   handed to the network can no longer be merged, and this way an outage costs one mergeable report, not all of them.

/// A backlog request may go without a share when nothing has been sent for this long: an agent that measures nothing any
/// more still empties its spool.
const IDLE_MS: u64 = 60_000;
/// What a live request earns and a backlog request costs add up to this.
const WHOLE: u32 = 100;

/// What is waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Items whose interval ended within the live window.
    pub live: usize,
    /// All others.
    pub backlog: usize,
}

/// What the next request should carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// One item, to find out whether the link is back.
    Probe,
    /// The newest reports.
    Live,
    /// The oldest items.
    Backlog,
}

/// Remembers what the shares are made of.
#[derive(Debug, Clone)]
pub struct Picker {
    share_percent: u32,
    credit: u32,
    last: Option<(Turn, u64)>,
    failing: bool,
}

impl Picker {
    /// Gives the backlog `share_percent` of the requests, held to 1..=100.
    pub fn new(share_percent: u8) -> Self {
        let share_percent = u32::from(share_percent).clamp(1, WHOLE);
        Self {
            share_percent,
            credit: WHOLE - share_percent,
            last: None,
            failing: false,
        }
    }

    /// Whose turn it is at `now_ms` (monotonic). `None`: nothing to send now.
    pub fn next(&self, waiting: Waiting, now_ms: u64) -> Option<Turn> {
        if waiting.live + waiting.backlog == 0 {
            return None;
        }
        if self.failing {
            return Some(Turn::Probe);
        }
        let earned = self.credit >= WHOLE - self.share_percent;
        let after_live = self.last.is_some_and(|(turn, _)| turn == Turn::Live);
        if waiting.live > 0 && !(waiting.backlog > 0 && earned && after_live) {
            return Some(Turn::Live);
        }
        let idle = self
            .last
            .is_none_or(|(_, at_ms)| now_ms.saturating_sub(at_ms) >= IDLE_MS);
        (waiting.backlog > 0 && (earned || idle)).then_some(Turn::Backlog)
    }

    /// A request goes out.
    pub fn sent(&mut self, turn: Turn, now_ms: u64) {
        match turn {
            Turn::Probe => {}
            Turn::Live => self.credit = (self.credit + self.share_percent).min(WHOLE),
            Turn::Backlog => self.credit = self.credit.saturating_sub(WHOLE - self.share_percent),
        }
        self.last = Some((turn, now_ms));
    }

    /// The collector answered with verdicts (true), or a request came to nothing (false).
    pub fn answered(&mut self, answered: bool) {
        self.failing = !answered;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(picker: &mut Picker, waiting: Waiting, requests: usize) -> Vec<Turn> {
        (0..requests)
            .map_while(|_| {
                let turn = picker.next(waiting, 0)?;
                picker.sent(turn, 0);
                Some(turn)
            })
            .collect()
    }

    #[test]
    fn live_goes_first_and_the_backlog_gets_its_share_of_requests() {
        let both = Waiting { live: 1, backlog: 9 };
        let order = turns(&mut Picker::new(20), both, 1_000);
        assert_eq!(order[..3], [Turn::Live, Turn::Backlog, Turn::Live]);
        let backlog = order.iter().filter(|turn| **turn == Turn::Backlog).count();
        assert!((200..=201).contains(&backlog), "{backlog} of 1,000");
        assert!(
            order
                .windows(2)
                .all(|pair| pair != [Turn::Backlog, Turn::Backlog])
        );
    }

    #[test]
    fn the_backlog_alone_waits_for_its_share_or_for_silence() {
        let alone = Waiting { live: 0, backlog: 9 };
        let mut picker = Picker::new(20);
        assert_eq!(turns(&mut picker, alone, 10), vec![Turn::Backlog]);
        assert_eq!(picker.next(alone, IDLE_MS - 1), None);
        assert_eq!(picker.next(alone, IDLE_MS), Some(Turn::Backlog));
        assert_eq!(picker.next(Waiting { live: 0, backlog: 0 }, IDLE_MS), None);
        let mut all = Picker::new(100);
        assert_eq!(turns(&mut all, alone, 10).len(), 10);
    }

    #[test]
    fn while_the_link_is_down_every_request_is_a_probe() {
        let mut picker = Picker::new(20);
        picker.answered(false);
        assert_eq!(
            turns(&mut picker, Waiting { live: 3, backlog: 9 }, 3),
            vec![Turn::Probe; 3]
        );
        picker.answered(true);
        assert_eq!(picker.next(Waiting { live: 3, backlog: 9 }, 0), Some(Turn::Live));
    }
}
