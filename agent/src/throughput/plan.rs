//! Which throughput test is run when: memoryless gaps, never on the hour, one at a time, within the day's budget. Pure; handed the
//! time.
//!
//! Exponential gaps are what ndt7 asks of programs that test by themselves, and what keeps agents from meeting: everyone who tests on
//! the hour measures everyone else who does.

use std::collections::BTreeMap;

use azimuth_measurement::{StopReason, TransferDirection};

use super::estimator::Estimate;
use super::ledger::{Account, DAY_MS, Ledger};

/// No test begins so close to a full hour, on either side, in milliseconds.
const OFF_THE_HOUR_MS: u64 = 120_000;
const HOUR_MS: u64 = 3_600_000;
/// After a test was skipped because the host was busy, how long on average until it is tried again, in milliseconds.
const BUSY_GAP_MS: f64 = 600_000.0;
/// No gap is longer than so many mean ones.
const LONGEST: f64 = 10.0;

/// What tests may cost and how often they come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Tests a day of each target and direction, on average.
    pub tests_per_day: f64,
    /// Most octets of one test, unless its path is known to be faster than they can tell.
    pub test_bytes: u64,
    /// Most octets of one test of such a path; it is tested less often, because a day has no more.
    pub fast_test_bytes: u64,
    /// Most octets a day of each target and direction.
    pub day_bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            tests_per_day: 4.0,
            test_bytes: 10_000_000,
            fast_test_bytes: 40_000_000,
            day_bytes: 40_000_000,
        }
    }
}

impl Budget {
    /// The most that 30 days can cost, in octets, of so many accounts.
    #[must_use]
    pub fn month_bytes(&self, accounts: usize) -> u64 {
        (self.day_bytes * 30).saturating_mul(accounts as u64)
    }

    /// What 30 days come to on average, in octets, of so many accounts, if every test goes to its cap.
    #[must_use]
    pub fn usual_month_bytes(&self, accounts: usize) -> u64 {
        let usual = self.tests_per_day * 30.0 * self.test_bytes as f64 * accounts as f64;
        (usual as u64).min(self.month_bytes(accounts))
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing before then, Unix time in milliseconds.
    Wait(u64),
    /// This test, which was promised so many octets.
    Run(Account, u64),
}

/// What did not happen, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// The day's octets were spent.
    pub spent: u64,
    /// The host's link was busy.
    pub busy: u64,
}

/// Decides.
#[derive(Debug)]
pub struct Planner {
    budget: Budget,
    /// Each account and when it is due.
    due: Vec<(Account, u64)>,
    /// What a test of an account may cost, where that is more than usual.
    fast: BTreeMap<Account, u64>,
    random: fastrand::Rng,
    skipped: Skipped,
}

impl Planner {
    /// A planner for these targets, both directions each, from now on. The seed decides all gaps.
    #[must_use]
    pub fn new(targets: &[String], budget: Budget, seed: u64, now_unix_ms: u64) -> Self {
        let mut planner = Self {
            budget,
            due: Vec::new(),
            fast: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
            skipped: Skipped::default(),
        };
        for target in targets {
            for direction in TransferDirection::ALL {
                let at = planner.next_at(now_unix_ms, planner.mean_ms());
                planner.due.push(((target.clone(), *direction), at));
            }
        }
        planner
    }

    /// What is due, if anything. `busy` says whether the host's link carries something of others. A test that is to be run has had its
    /// octets promised in `ledger`, which is to be written before it begins; the next is asked for when it has ended.
    pub fn poll(&mut self, ledger: &mut Ledger, busy: bool, now_unix_ms: u64) -> Due {
        ledger.turn(now_unix_ms);
        loop {
            let earliest = (0..self.due.len()).min_by_key(|index| self.due[*index].1);
            let Some(index) = earliest else {
                return Due::Wait(now_unix_ms + DAY_MS);
            };
            let at = self.due[index].1;
            // A clock that went back by days leaves nothing waiting for days.
            let longest_ms = (self.mean_ms() * LONGEST) as u64 + HOUR_MS;
            if at > now_unix_ms && at - now_unix_ms <= longest_ms {
                return Due::Wait(at);
            }
            if at > now_unix_ms {
                self.due[index].1 = self.next_at(now_unix_ms, self.mean_ms());
                continue;
            }
            if busy {
                self.skipped.busy += 1;
                self.due[index].1 = self.next_at(now_unix_ms, BUSY_GAP_MS);
                continue;
            }
            // It was not due on the hour, but another test ran until now, or the host slept.
            let after_hour_ms = (now_unix_ms + OFF_THE_HOUR_MS) % HOUR_MS;
            if after_hour_ms < 2 * OFF_THE_HOUR_MS {
                return Due::Wait(now_unix_ms + 2 * OFF_THE_HOUR_MS - after_hour_ms);
            }
            let account = self.due[index].0.clone();
            // The next counts from when this one was due to be run, as gaps of a Poisson process do; one that is long overdue, after
            // a suspend, is run once.
            self.due[index].1 = self.next_at(now_unix_ms, self.mean_ms());
            let bytes = self.test_bytes(&account);
            if ledger.promise(&account, bytes, self.budget.day_bytes) {
                return Due::Run(account, bytes);
            }
            self.skipped.spent += 1;
        }
    }

    /// What a test of the account came to. A second of the path's rate is what a rate takes to settle, and a tenth of what a test of ten
    /// seconds moves; a path whose octets ran out before it had settled is faster than it seemed.
    pub fn note(&mut self, account: &Account, found: &Estimate) {
        let second = found.bps / 8;
        let wanted = match found.stop {
            StopReason::ByteCap if !found.settled => second.max(found.bytes.saturating_mul(2)),
            _ if found.settled => second,
            // It says nothing of what the path could do.
            _ => return,
        };
        let most = self.budget.fast_test_bytes.min(self.budget.day_bytes);
        if wanted > self.budget.test_bytes && most > self.budget.test_bytes {
            self.fast.insert(account.clone(), wanted.min(most));
        } else {
            self.fast.remove(account);
        }
    }

    /// Most octets of the next test of the account.
    fn test_bytes(&self, account: &Account) -> u64 {
        let fast = self.fast.get(account).copied();
        fast.unwrap_or(self.budget.test_bytes)
    }

    /// What did not happen so far.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    fn mean_ms(&self) -> f64 {
        DAY_MS as f64 / self.budget.tests_per_day.max(1e-3)
    }

    fn next_at(&mut self, now_unix_ms: u64, mean_ms: f64) -> u64 {
        let gap = (-(1.0 - self.random.f64()).ln()).min(LONGEST) * mean_ms;
        let at = now_unix_ms + (gap as u64).max(1);
        let to_hour_ms = (at + OFF_THE_HOUR_MS) % HOUR_MS;
        if to_hour_ms < 2 * OFF_THE_HOUR_MS {
            // Anywhere in the rest of the hour: a fixed step would have everyone meet there instead.
            let clear_ms = at + 2 * OFF_THE_HOUR_MS - to_hour_ms;
            clear_ms + self.random.u64(0..HOUR_MS - 2 * OFF_THE_HOUR_MS)
        } else {
            at
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 20_000 * DAY_MS;

    /// Thirty simulated days of three targets: each test costs up to its cap; every so often the agent is killed between a test's begin
    /// and end, and comes back with what the file says.
    fn month(budget: Budget, seed: u64, kills: bool) -> (Vec<u64>, u64, u64) {
        let targets = ["a", "b", "c"].map(str::to_owned);
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut planner, mut ledger) = (Planner::new(&targets, budget, seed, NOW), Ledger::new(NOW));
        let (mut now, mut sent, mut tests, mut lives) = (NOW, BTreeMap::new(), 0, 0);
        let end = NOW + 30 * DAY_MS;
        while now < end {
            match planner.poll(&mut ledger, false, now) {
                Due::Wait(at) => now = at.min(end),
                Due::Run(account, _) => {
                    assert!(
                        (now + OFF_THE_HOUR_MS) % HOUR_MS >= 2 * OFF_THE_HOUR_MS,
                        "on the hour"
                    );
                    let file = ledger.to_text();
                    let moved = random.u64(budget.test_bytes / 2..=budget.test_bytes);
                    *sent.entry((account.clone(), now / DAY_MS)).or_default() += moved;
                    tests += 1;
                    // The test takes some seconds; a later one may be due meanwhile, and waits.
                    let ends = now + random.u64(1_000..20_000);
                    if kills && random.u8(0..5) == 0 {
                        ledger = Ledger::from_text(&file).expect("whole");
                        lives += 1;
                        planner = Planner::new(&targets, budget, seed + lives, ends);
                    } else {
                        ledger.turn(ends);
                        ledger.settle(&account, budget.test_bytes, moved);
                    }
                    now = ends;
                }
            }
        }
        let days: Vec<u64> = sent.values().copied().collect();
        (days, tests, planner.skipped().spent)
    }

    #[test]
    fn a_month_stays_within_its_budget_with_and_without_kills() {
        // Far more tests than there are octets for: the ledger alone decides.
        let greedy = Budget {
            tests_per_day: 40.0,
            ..Budget::default()
        };
        for (seed, kills) in [(1, false), (2, true), (3, true)] {
            let (days, tests, skipped) = month(greedy, seed, kills);
            let most = days.iter().max().copied().unwrap_or(0);
            // A test over midnight counts on the day it began here, and in the ledger on the next.
            assert!(most <= greedy.day_bytes + greedy.day_bytes / 100, "{most}");
            let total: u64 = days.iter().sum();
            assert!(total <= greedy.month_bytes(6) + greedy.month_bytes(6) / 100);
            assert!(total > greedy.month_bytes(6) / 2, "and it is used: {total}");
            assert!(tests > 0 && (kills || skipped > 0));
        }
    }

    #[test]
    fn the_usual_plan_tests_as_often_as_it_says() {
        let (days, tests, _) = month(Budget::default(), 7, false);
        // 6 accounts, 4 a day, 30 days; a few find the day spent. Four standard deviations of a Poisson count.
        assert!((500..=830).contains(&tests), "{tests}");
        assert!(days.iter().all(|day| *day <= Budget::default().day_bytes));
        assert_eq!(Budget::default().usual_month_bytes(6), 7_200_000_000);
    }

    #[test]
    fn a_path_that_is_fast_gets_the_octets_to_say_so_and_the_day_no_more() {
        let targets = ["a".to_owned()];
        let down = ("a".to_owned(), TransferDirection::Download);
        let (mut planner, mut ledger) = (
            Planner::new(&targets, Budget::default(), 1, NOW),
            Ledger::new(NOW),
        );
        // 400 Mbit/s: cut twice, then an estimate.
        let test = |cap: u64| Estimate {
            bps: if cap < 40_000_000 {
                200_000_000
            } else {
                386_000_000
            },
            settled: cap >= 40_000_000,
            bytes: cap.min(30_000_000),
            duration_ns: 1,
            stop: if cap < 40_000_000 {
                StopReason::ByteCap
            } else {
                StopReason::Stable
            },
        };
        let (mut now, mut caps, mut days) = (NOW, Vec::new(), BTreeMap::<u64, u64>::new());
        while now < NOW + 30 * DAY_MS {
            match planner.poll(&mut ledger, false, now) {
                Due::Wait(at) => now = at,
                Due::Run(account, cap) => {
                    let found = test(cap);
                    ledger.settle(&account, cap, found.bytes);
                    planner.note(&account, &found);
                    if account == down {
                        caps.push(cap);
                        *days.entry(now / DAY_MS).or_default() += found.bytes;
                    }
                    now += 5_000;
                }
            }
        }
        assert_eq!(caps[..3], [10_000_000, 25_000_000, 40_000_000]);
        assert!(caps[3..].iter().all(|cap| *cap == 40_000_000), "{caps:?}");
        assert!(days.values().all(|bytes| *bytes <= Budget::default().day_bytes));
        // Most days have one, since four a day are due on average.
        assert!((20..=33).contains(&caps.len()), "{}", caps.len());
        // A broken test says nothing, and a slower path needs no more than any.
        let found = Estimate {
            stop: StopReason::PeerClosed,
            settled: false,
            ..test(0)
        };
        planner.note(&down, &found);
        assert_eq!(planner.test_bytes(&down), 40_000_000);
        let slower = Estimate {
            bps: 50_000_000,
            ..test(40_000_000)
        };
        planner.note(&down, &slower);
        assert_eq!(planner.test_bytes(&down), 10_000_000);
    }

    #[test]
    fn a_busy_host_is_left_alone_and_asked_again() {
        let targets = ["a".to_owned()];
        let mut planner = Planner::new(&targets, Budget::default(), 1, NOW);
        let mut ledger = Ledger::new(NOW);
        let later = NOW + 10 * DAY_MS;
        let Due::Wait(at) = planner.poll(&mut ledger, true, later) else {
            panic!("a test on a busy host");
        };
        assert!(
            at > later && planner.skipped().busy >= 2,
            "{:?}",
            planner.skipped()
        );
        assert_eq!(ledger.spent(&("a".to_owned(), TransferDirection::Download)), 0);
        // A clock that went back by a year does not stop the tests for a year.
        let Due::Wait(at) = planner.poll(&mut ledger, false, NOW - 365 * DAY_MS) else {
            panic!("not due at once");
        };
        assert!(at < NOW - 361 * DAY_MS, "{at}");
    }
}
