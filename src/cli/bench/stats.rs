//! What a phase counts while it runs: per operation, per second, and what went wrong.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::traffic::Operation;

/// Latencies are recorded in microseconds; longer ones count as this.
const LATENCY_US_MAX: u64 = 120_000_000;
/// Kinds of failure kept apart.
const FAILURE_KINDS_MAX: usize = 20;

/// How the items of one answer, or of many, came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Came out as wanted.
    pub(super) good: u64,
    /// Turned away with 503.
    pub(super) busy: u64,
    /// Came out in any other way.
    pub(super) unexpected: u64,
    pub(super) approved: u64,
    pub(super) declined: u64,
}

impl Outcome {
    pub(super) fn good(items: u64) -> Self {
        Self {
            good: items,
            ..Self::default()
        }
    }

    pub(super) fn busy(items: u64) -> Self {
        Self {
            busy: items,
            ..Self::default()
        }
    }

    pub(super) fn unexpected(items: u64) -> Self {
        Self {
            unexpected: items,
            ..Self::default()
        }
    }

    pub(super) fn items(&self) -> u64 {
        self.good + self.busy + self.unexpected
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.busy += other.busy;
        self.unexpected += other.unexpected;
        self.approved += other.approved;
        self.declined += other.declined;
    }
}

/// The measured part of a phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) start: Instant,
    pub(super) end: Instant,
}

impl Window {
    pub(super) fn length(&self) -> Duration {
        self.end.duration_since(self.start)
    }

    fn second_of(&self, at: Instant) -> Option<usize> {
        let since = at.checked_duration_since(self.start)?;
        if at >= self.end {
            return None;
        }
        usize::try_from(since.as_secs()).ok()
    }
}

/// One answered request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) operation: Operation,
    pub(super) outcome: Outcome,
    pub(super) sent: Instant,
    pub(super) done: Instant,
    pub(super) body_bytes: usize,
}

/// Figures of one operation inside the window.
#[derive(Clone, Debug)]
pub(super) struct OperationStats {
    pub(super) requests: u64,
    pub(super) outcome: Outcome,
    pub(super) body_bytes: u64,
    pub(super) latency_us: Histogram<u64>,
}

/// Figures of one second of the window.
#[derive(Clone, Debug)]
pub(super) struct SecondStats {
    pub(super) outcome: Outcome,
    pub(super) latency_us: Histogram<u32>,
}

/// A kind of failure: how often, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) count: u64,
    pub(super) sample: String,
}

/// Everything one client thread counts in one phase.
#[derive(Clone, Debug)]
pub(super) struct Stats {
    window: Window,
    operations: Vec<OperationStats>,
    pub(super) seconds: Vec<SecondStats>,
    /// Also of the warm-up: what goes wrong there is wrong too.
    pub(super) failures: BTreeMap<String, Failure>,
    /// Times a connection was made anew before the phase was over.
    pub(super) reconnects: u64,
}

impl Stats {
    pub(super) fn new(window: Window) -> Self {
        let operation = OperationStats {
            requests: 0,
            outcome: Outcome::default(),
            body_bytes: 0,
            latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
                .expect("Invariant: the bounds and digits are valid"),
        };
        let second = SecondStats {
            outcome: Outcome::default(),
            latency_us: Histogram::new_with_bounds(1, LATENCY_US_MAX, 2)
                .expect("Invariant: the bounds and digits are valid"),
        };
        let seconds = usize::try_from(window.length().as_secs())
            .unwrap_or(0)
            .max(1);
        Self {
            window,
            operations: vec![operation; Operation::ALL.len()],
            seconds: vec![second; seconds],
            failures: BTreeMap::new(),
            reconnects: 0,
        }
    }

    /// Counts one answered request, if it was answered inside the window.
    pub(super) fn record(&mut self, sample: &Sample) {
        let Some(second) = self.window.second_of(sample.done) else {
            return;
        };
        let micros = sample.done.duration_since(sample.sent).as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX).max(1);
        // Only what was really served has a latency: a quick refusal must not flatter.
        let served = sample.outcome.good > 0;
        if let Some(stats) = self.operations.get_mut(index(sample.operation)) {
            stats.requests += 1;
            stats.body_bytes += sample.body_bytes as u64;
            stats.outcome.add(&sample.outcome);
            if served {
                stats.latency_us.saturating_record(micros);
            }
        }
        if let Some(stats) = self.seconds.get_mut(second) {
            stats.outcome.add(&sample.outcome);
            if served {
                stats.latency_us.saturating_record(micros);
            }
        }
    }

    /// Takes note of `count` items that went wrong in the way `kind`.
    pub(super) fn fail(&mut self, kind: String, count: u64, sample: impl FnOnce() -> String) {
        let known = self.failures.contains_key(&kind);
        let full = self.failures.len() >= FAILURE_KINDS_MAX;
        let kind = if full && !known {
            "other".to_owned()
        } else {
            kind
        };
        let failure = self.failures.entry(kind);
        failure
            .or_insert_with(|| Failure {
                count: 0,
                sample: sample(),
            })
            .count += count;
    }

    /// Adds what another thread counted in the same window.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.operations.iter_mut().zip(&other.operations) {
            mine.requests += theirs.requests;
            mine.body_bytes += theirs.body_bytes;
            mine.outcome.add(&theirs.outcome);
            add_histogram(&mut mine.latency_us, &theirs.latency_us);
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(&other.seconds) {
            mine.outcome.add(&theirs.outcome);
            add_histogram(&mut mine.latency_us, &theirs.latency_us);
        }
        self.reconnects += other.reconnects;
        for (kind, failure) in &other.failures {
            self.fail(kind.clone(), failure.count, || failure.sample.clone());
        }
    }

    /// The operations that were answered at least once.
    pub(super) fn operations(&self) -> impl Iterator<Item = (Operation, &OperationStats)> {
        let all = Operation::ALL.into_iter().zip(&self.operations);
        all.filter(|(_, stats)| stats.requests > 0)
    }

    pub(super) fn window_s(&self) -> f64 {
        self.window.length().as_secs_f64()
    }
}

fn add_histogram<T: hdrhistogram::Counter>(mine: &mut Histogram<T>, theirs: &Histogram<T>) {
    mine.add(theirs)
        .expect("Invariant: both histograms have the same bounds");
}

fn index(operation: Operation) -> usize {
    Operation::ALL
        .iter()
        .position(|other| *other == operation)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(seconds: u64) -> Window {
        let start = Instant::now();
        Window {
            start,
            end: start + Duration::from_secs(seconds),
        }
    }

    fn sample(window: Window, at_ms: u64, took_us: u64, outcome: Outcome) -> Sample {
        let sent = window.start + Duration::from_millis(at_ms);
        let done = sent + Duration::from_micros(took_us);
        Sample {
            operation: Operation::Authorize,
            outcome,
            sent,
            done,
            body_bytes: 10,
        }
    }

    #[test]
    fn counts_only_inside_the_window() {
        let window = window(3);
        let mut stats = Stats::new(window);
        for (at_ms, took_us) in [(0, 500), (999, 2000), (2999, 500), (2999, 5000), (4000, 1)] {
            stats.record(&sample(window, at_ms, took_us, Outcome::good(1)));
        }
        let by_second: Vec<_> = stats
            .seconds
            .iter()
            .map(|second| second.outcome.good)
            .collect();
        assert_eq!(by_second, [1, 1, 1]);
        let (operation, figures) = stats.operations().next().unwrap();
        assert_eq!((operation, figures.requests), (Operation::Authorize, 3));
        assert_eq!((figures.outcome.good, figures.body_bytes), (3, 30));
        assert_eq!(stats.operations().count(), 1);
    }

    #[test]
    fn percentiles_are_those_of_what_was_served() {
        let window = window(1);
        let mut stats = Stats::new(window);
        for took_us in 1..=1000 {
            stats.record(&sample(window, 0, took_us, Outcome::good(1)));
        }
        stats.record(&sample(window, 0, 900_000, Outcome::busy(1)));
        let (_, figures) = stats.operations().next().unwrap();
        assert_eq!(figures.latency_us.value_at_quantile(0.5), 500);
        assert_eq!(figures.latency_us.value_at_quantile(0.99), 990);
        assert_eq!(figures.latency_us.max(), 1000);
        assert_eq!(figures.outcome.items(), 1001);
        let second = &stats.seconds[0].latency_us;
        assert!(second.value_at_quantile(0.99).abs_diff(990) <= 10);
    }

    #[test]
    fn threads_add_up() {
        let window = window(1);
        let mut one = Stats::new(window);
        let mut two = Stats::new(window);
        one.record(&sample(window, 0, 100, Outcome::good(4)));
        two.record(&sample(
            window,
            0,
            300,
            Outcome {
                declined: 1,
                ..Outcome::unexpected(1)
            },
        ));
        two.fail("x".to_owned(), 2, || "first".to_owned());
        one.merge(&two);
        one.merge(&two);
        let (_, figures) = one.operations().next().unwrap();
        assert_eq!(figures.requests, 3);
        assert_eq!((figures.outcome.items(), figures.outcome.declined), (6, 2));
        let failure = Failure {
            count: 4,
            sample: "first".to_owned(),
        };
        assert_eq!(one.failures.get("x"), Some(&failure));
    }

    #[test]
    fn kinds_of_failure_are_bounded() {
        let mut stats = Stats::new(window(1));
        for kind in 0..100 {
            stats.fail(format!("{kind:03}"), 1, String::new);
        }
        assert_eq!(stats.failures.len(), FAILURE_KINDS_MAX + 1);
        assert_eq!(stats.failures["other"].count, 80);
    }
}
