//! The settings of real-time decisions.

use std::time::Duration;

use super::{ConfigError, Decisions, range};
use crate::decisions::Rules;

impl Decisions {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        range("decisions.own_share_ms", self.own_share_ms, 0, 1_000)?;
        let in_flight = u64::try_from(self.in_flight_max).unwrap_or(u64::MAX);
        range("decisions.in_flight_max", in_flight, 1, 1_024)?;
        // Longer than the longest budget: what is being asked is not abandoned.
        let after = self.abandoned_after_ms;
        range("decisions.abandoned_after_ms", after, 2_500, 600_000)
    }

    /// How questions are asked.
    #[must_use]
    pub const fn rules(&self) -> Rules {
        Rules {
            own_share: Duration::from_millis(self.own_share_ms),
            in_flight_max: self.in_flight_max,
            abandoned_after: Duration::from_millis(self.abandoned_after_ms),
        }
    }
}
