//! How long records gather between two commits.
//!
//! A commit costs the same for six records as for sixty, so under load fewer and larger ones leave more
//! of the processors to the requests. But whoever waits for a commit sends nothing new: if all wait for
//! the same one, the processors idle while it is synced. So so many records are waited for as leave
//! enough others on their way to fill the time of the sync, and how many that is, is learned from how
//! many came during the last one.

use std::time::Duration;

/// A commit of so many records shows that more are on their way.
const RECORDS_MIN: u32 = 3;
/// What each record of a commit adds to the longest pause after it: where fewer come than one in this
/// time, waiting for them costs more than it saves.
const PER_RECORD: Duration = Duration::from_micros(24);

/// How long records gather, learned from how they come.
#[derive(Debug)]
pub(super) struct Pace {
    longest: Duration,
    goal: u32,
}

/// A pause: until so many records wait, or so much time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) until: u32,
    pub(super) at_most: Duration,
}

/// Records that came in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) records: u32,
    pub(super) time: Duration,
}

impl Pace {
    /// Pauses of at most `longest`; none at all if that is zero.
    pub(super) const fn new(longest: Duration) -> Self {
        Self {
            longest,
            goal: RECORDS_MIN,
        }
    }

    /// The pause after a commit of `records` during which `came` did.
    pub(super) fn pause(&mut self, records: u32, came: Came) -> Option<Pause> {
        let at_most = self.longest.min(PER_RECORD.saturating_mul(records));
        if records < RECORDS_MIN || at_most.is_zero() {
            return None;
        }
        if came.records >= self.goal {
            // More came by themselves than were hoped for.
            self.goal = came.records.saturating_add(1);
            return None;
        }
        Some(Pause {
            until: self.goal,
            at_most,
        })
    }

    /// Learns from what came during the commit, and during the pause behind it.
    pub(super) fn learn(&mut self, commit: Came, pause: Came) {
        let all = commit.records.saturating_add(pause.records);
        let time = commit.time.saturating_add(pause.time);
        // Fewer than seven eighths of what came in as long a time of both: the requests had run out.
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let came = u64::from(commit.records).saturating_mul(micros(time));
        let hoped = u64::from(all).saturating_mul(micros(commit.time));
        let is_starved = came.saturating_mul(8) < hoped.saturating_mul(7);
        if is_starved {
            let less = self.goal.div_ceil(8);
            self.goal = self.goal.saturating_sub(less).max(RECORDS_MIN);
        } else if all >= self.goal {
            self.goal = self.goal.saturating_add(self.goal.div_ceil(32));
        } else {
            self.goal = all.max(RECORDS_MIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC_US: u64 = 250;

    /// Clients that each ask again when they are answered, on processors that take `each_us` for a
    /// request: how many requests are answered in a second, and how many in a commit.
    fn closed_loop(clients: u64, each_us: u64) -> (u64, u64) {
        let mut pace = Pace::new(Duration::from_micros(1_500));
        // Requests that are being worked on, in the order in which they will be ready; the clock; and
        // what the processors have done of the first.
        let (mut working, mut queued, mut spent) = (clients, 0, 0);
        let mut run = |time: u64, until: u64, working: &mut u64, queued: &mut u64| {
            let mut passed = 0;
            while passed < time && *queued < until {
                passed += 1;
                spent = if *working == 0 { 0 } else { spent + 1 };
                if spent == each_us {
                    (spent, *working, *queued) = (0, *working - 1, *queued + 1);
                }
            }
            passed
        };
        let came = |records: u64, micros: u64| Came {
            records: u32::try_from(records).unwrap(),
            time: Duration::from_micros(micros),
        };
        let (mut clock, mut answered, mut commits) = (0, 0, 0);
        for round in 0..3_000 {
            while queued == 0 {
                clock += run(1, u64::MAX, &mut working, &mut queued);
            }
            let taken = std::mem::take(&mut queued);
            clock += run(SYNC_US, u64::MAX, &mut working, &mut queued);
            let during_commit = came(queued, SYNC_US);
            working += taken;
            let before = queued;
            if let Some(pause) = pace.pause(u32::try_from(taken).unwrap(), during_commit) {
                let most = u64::try_from(pause.at_most.as_micros()).unwrap();
                let time = run(most, pause.until.into(), &mut working, &mut queued);
                clock += time;
                pace.learn(during_commit, came(queued - before, time));
            }
            if round == 1_000 {
                (clock, answered, commits) = (0, 0, 0);
            }
            (answered, commits) = (answered + taken, commits + 1);
        }
        (answered * 1_000_000 / clock, answered / commits)
    }

    #[test]
    fn the_processors_are_kept_busy_and_commits_are_few() {
        // At 15 microseconds a request, 66,666 in a second are all there can be.
        let (rate, records) = closed_loop(64, 15);
        assert!(rate > 63_000, "64 clients: {rate} a second");
        assert!((28..64).contains(&records), "64 clients: {records}");
        let (rate, records) = closed_loop(256, 15);
        assert!(rate > 66_000, "256 clients: {rate} a second");
        assert!(records > 90, "256 clients: {records} in a commit");
        // Who is alone is not kept waiting: a sync and its own work.
        let (rate, records) = closed_loop(1, 15);
        assert_eq!(records, 1);
        assert!(rate > 1_000_000 / (SYNC_US + 17), "one client: {rate}");
        // Few who come seldom are hardly kept waiting.
        let (rate, _) = closed_loop(8, 100);
        assert!(rate > 9_000, "eight slow clients: {rate} a second");
    }

    #[test]
    fn without_a_longest_pause_there_is_none() {
        let mut pace = Pace::new(Duration::ZERO);
        let came = Came::default();
        assert_eq!(pace.pause(1_000, came), None);
        let mut pace = Pace::new(Duration::from_millis(1));
        assert_eq!(pace.pause(2, came), None, "two are no crowd");
        let pause = pace.pause(1_000, came).unwrap();
        assert_eq!(pause.at_most, Duration::from_millis(1));
    }
}
