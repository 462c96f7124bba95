//! The settings of webhooks.

use std::time::Duration;

use super::{Config, ConfigError, range, wrong};
use crate::{
    outbox::{Settings, lanes::Bounds, schedule},
    outside::client::Limits,
};

/// The most delays between attempts.
const DELAYS_MAX: usize = 64;

impl Config {
    pub(super) fn check_webhooks(&self) -> Result<(), ConfigError> {
        let webhooks = &self.webhooks;
        let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        if webhooks.delays_s.is_empty() || webhooks.delays_s.len() > DELAYS_MAX {
            let what = format!("must have 1 to {DELAYS_MAX} numbers of seconds");
            return Err(wrong("webhooks.delays_s", what));
        }
        for delay in &webhooks.delays_s {
            range("webhooks.delays_s", *delay, 1, 604_800)?;
        }
        range("webhooks.give_up_s", webhooks.give_up_s, 1, 2_592_000)?;
        range("webhooks.connect_ms", webhooks.connect_ms, 1, 60_000)?;
        range("webhooks.timeout_ms", webhooks.timeout_ms, 1, 60_000)?;
        range("webhooks.senders", wide(webhooks.senders), 1, 256)?;
        range("webhooks.per_endpoint", wide(webhooks.per_endpoint), 1, 256)?;
        range("webhooks.probe_s_max", webhooks.probe_s_max, 1, 86_400)?;
        let overlap = u64::try_from(webhooks.secret_overlap_s).unwrap_or(u64::MAX);
        range("webhooks.secret_overlap_s", overlap, 0, 2_592_000)?;
        range("webhooks.lane_max", wide(webhooks.lane_max), 4, 65_536)?;
        let waiting = wide(webhooks.waiting_max);
        range("webhooks.waiting_max", waiting, 16, 100_000_000)?;
        range(
            "webhooks.parked_max",
            wide(webhooks.parked_max),
            1,
            10_000_000,
        )?;
        range(
            "webhooks.attempts_max",
            wide(webhooks.attempts_max),
            1,
            1_000_000,
        )
    }

    /// How webhooks are delivered.
    #[must_use]
    pub fn outbox(&self) -> Settings {
        let webhooks = &self.webhooks;
        let seconds = webhooks.delays_s.iter().copied();
        let closed_max = i64::try_from(webhooks.probe_s_max).unwrap_or(i64::MAX);
        Settings {
            delays: seconds.map(Duration::from_secs).collect(),
            give_up: Duration::from_secs(webhooks.give_up_s),
            secret_overlap_s: webhooks.secret_overlap_s,
            limits: schedule::Limits {
                senders: webhooks.senders,
                per_gate: webhooks.per_endpoint,
                closed_max: closed_max.saturating_mul(1_000_000),
            },
            bounds: Bounds {
                lane_max: webhooks.lane_max,
                waiting_max: webhooks.waiting_max,
                parked_max: webhooks.parked_max,
            },
            attempts_max: webhooks.attempts_max,
            snapshot_bytes: 16 << 20,
        }
    }

    /// What the client that delivers webhooks may do.
    #[must_use]
    pub const fn webhook_limits(&self) -> Limits {
        Limits {
            connect: Duration::from_millis(self.webhooks.connect_ms),
            total: Duration::from_millis(self.webhooks.timeout_ms),
            body_bytes_max: self.outgoing.body_kib_max << 10,
            allow_private: self.outgoing.allow_private,
        }
    }
}
