//! How an endpoint does: counts by what came of the questions, and how long they took, since the start.

use std::sync::Arc;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::domain::decision::{Conclusion, Decider, Ruling};

/// The longest time that is told apart, in microseconds.
const LATENCY_US_MAX: u64 = 10_000_000;

/// One origin's endpoint: who may ask at this moment, and what came of those who did.
pub(super) struct Endpoint {
    /// A place for each question that may wait for it at a time.
    pub(super) places: Arc<Semaphore>,
    figures: Mutex<Inner>,
}

struct Inner {
    counts: [[u64; 2]; Decider::ALL.len()],
    /// Of questions that went out, in microseconds.
    latency: Option<Histogram<u64>>,
}

/// What an endpoint counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Approved and declined, by decider.
    pub counts: Vec<(Decider, u64, u64)>,
    /// Half of the questions that went out took no longer, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Endpoint {
    pub(super) fn new(in_flight_max: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(in_flight_max)),
            figures: Mutex::new(Inner {
                counts: Default::default(),
                latency: Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).ok(),
            }),
        }
    }

    /// Counts one that is recorded.
    pub(super) fn count(&self, conclusion: &Conclusion) {
        let mut inner = self.figures.lock();
        let place = Decider::ALL.iter().position(|by| *by == conclusion.by);
        if let Some([approved, declined]) = place.and_then(|place| inner.counts.get_mut(place)) {
            let counter = match conclusion.verdict {
                Ruling::Approved => approved,
                Ruling::Declined => declined,
            };
            *counter = counter.saturating_add(1);
        }
        let went_out = match conclusion.by {
            Decider::Programme | Decider::Timeout | Decider::Fault => true,
            Decider::Overload | Decider::Abandoned => false,
        };
        if let (Some(latency), true) = (&mut inner.latency, went_out) {
            latency.saturating_record(conclusion.latency_us.max(1));
        }
    }

    /// What was counted so far.
    pub(super) fn figures(&self) -> Figures {
        let inner = self.figures.lock();
        let counts = Decider::ALL.iter().zip(inner.counts);
        let at = |quantile: f64| {
            let latency = inner.latency.as_ref().filter(|latency| !latency.is_empty());
            latency.map_or(0, |latency| latency.value_at_quantile(quantile))
        };
        Figures {
            counts: counts.map(|(by, [yes, no])| (*by, yes, no)).collect(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            max_us: at(1.0),
        }
    }
}
