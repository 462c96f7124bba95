//! The only reader of wall time.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::time::Timestamp;

/// Tells the time; never goes back, even when the machine's clock does.
#[derive(Debug)]
pub struct Clock {
    latest_micros: AtomicI64,
    /// A clock that tests set by hand reads nothing.
    is_manual: bool,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self {
            latest_micros: AtomicI64::new(0),
            is_manual: false,
        }
    }

    /// A clock that stands at `start` until it is moved.
    #[must_use]
    pub const fn manual(start: Timestamp) -> Self {
        Self {
            latest_micros: AtomicI64::new(start.micros()),
            is_manual: true,
        }
    }

    /// Now, at least as late as ever before.
    pub fn now(&self) -> Timestamp {
        if self.is_manual {
            return Timestamp::from_micros(self.latest_micros.load(Ordering::Acquire));
        }
        let micros = wall_micros();
        let before = self.latest_micros.fetch_max(micros, Ordering::AcqRel);
        Timestamp::from_micros(micros.max(before))
    }

    /// Makes sure that the time is at least `time`: after recovery, the last record's.
    pub fn advance_to(&self, time: Timestamp) {
        self.latest_micros
            .fetch_max(time.micros(), Ordering::AcqRel);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the reader of wall time")]
fn wall_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}
