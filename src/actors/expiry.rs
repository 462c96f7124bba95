//! When holds end: one coarse wheel for all of them, not a timer each.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::domain::{
    ids::{ActorId, AuthorizationId},
    time::Timestamp,
};

type Slots = BTreeMap<i64, Vec<(ActorId, AuthorizationId)>>;

/// Holds by the second in which they end. A hold that has ended otherwise is simply found closed.
#[derive(Debug)]
pub struct ExpiryWheel {
    shards: Vec<Mutex<Slots>>,
}

const SHARDS: u64 = 16;

impl Default for ExpiryWheel {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl ExpiryWheel {
    /// Notes when a hold ends.
    pub fn schedule(&self, actor: ActorId, id: AuthorizationId, expires_at: Timestamp) {
        let shard = usize::try_from(actor.0 % SHARDS).unwrap_or(0);
        if let Some(shard) = self.shards.get(shard) {
            // The second after, so that the whole of it is over when it is looked at.
            let second = expires_at.seconds().saturating_add(1);
            shard.lock().entry(second).or_default().push((actor, id));
        }
    }

    /// Takes out what has ended by `now`, at most `most` of it (whole seconds at a time).
    pub fn take_due(&self, now: Timestamp, most: usize) -> Vec<(ActorId, AuthorizationId)> {
        let mut due = Vec::new();
        for shard in &self.shards {
            let mut slots = shard.lock();
            while due.len() < most {
                let Some(slot) = slots.first_entry() else {
                    break;
                };
                if *slot.key() > now.seconds() {
                    break;
                }
                due.append(&mut slot.remove());
            }
        }
        due
    }
}
