//! Carries money between actors: from transit to its destination, exactly once, or back.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{
    engine::{Engine, EngineError, Shared},
    hosted::{Request, Target},
    keys::key_of,
};
use crate::{
    domain::{
        command::{Command, Transfer},
        ids::{ActorId, TransferId},
        outcome::Rejection,
    },
    wire::{Key, KeyLife},
};

/// Where a transfer's money ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At its destination.
    Arrived,
    /// Back at its source.
    Returned,
}

/// How often one delivery waits for another of the same transfer.
const TURNS_MAX: usize = 1_000;

/// Delivers a transfer that has left its source, or says how it ended. Safe to repeat, and to do
/// twice at once: one delivery at a time acts on a transfer, and only while its source still watches
/// it. Were one refused and another accepted a moment later, the first would bring back what the
/// second has delivered.
///
/// # Errors
///
/// [`EngineError`] if it could not be finished now; it stays in transit and is tried again.
pub async fn deliver(engine: &Engine, transfer: Transfer) -> Result<Delivery, EngineError> {
    let (id, source) = (transfer.id, transfer.source_actor);
    let _claim = Claim::wait_for(engine, id).await?;
    let is_on_its_way = engine
        .read(Target::Actor(source), None, move |hosted| {
            hosted.group.outgoing.contains_key(&id)
        })
        .await?;
    let key = key(id);
    if !is_on_its_way {
        // What arrived has a record under its key; what came back never had.
        return Ok(match engine.shared.keys.get(key) {
            Some(_) => Delivery::Arrived,
            None => Delivery::Returned,
        });
    }
    // Accounts move when actors merge, and a fee's earner was never looked for when it was decided.
    let mut transfer = transfer;
    transfer.destination_actor = engine.shared.indexes.actor_of(transfer.destination);
    let receive = Request {
        target: Target::Actor(transfer.destination_actor),
        origin: None,
        command: Command::ReceiveTransfer(Box::new(transfer)),
        keys: vec![(key, KeyLife::Permanent)],
        fingerprint: id.0,
        recalled: None,
    };
    match engine.execute(receive).await {
        // Known already: it has arrived, and must not go back as well.
        Ok(_) | Err(EngineError::Rejected(Rejection::TransferKnown)) => {
            close(engine, source, Command::SettleTransfer(id)).await?;
            Ok(Delivery::Arrived)
        }
        // The destination said no before anything was recorded there: the money goes back.
        Err(EngineError::Rejected(_)) => {
            close(engine, source, Command::ReturnTransfer(id)).await?;
            Ok(Delivery::Returned)
        }
        Err(error) => Err(error),
    }
}

/// The permanent key of the record by which a transfer arrives.
#[must_use]
pub fn key(id: TransferId) -> Key {
    key_of("", "transit", &id.to_string())
}

/// The right to act on a transfer, given back when dropped. A delivery dropped in the middle leaves its
/// last message in an actor's queue, before whatever the next one sends there.
struct Claim<'a>(&'a Engine, TransferId);

impl<'a> Claim<'a> {
    async fn wait_for(engine: &'a Engine, id: TransferId) -> Result<Self, EngineError> {
        for _ in 0..TURNS_MAX {
            if engine.shared.delivering.insert(id) {
                return Ok(Self(engine, id));
            }
            actix_rt::time::sleep(Duration::from_millis(1)).await;
        }
        Err(EngineError::Busy("the transfer is being delivered"))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.shared.delivering.remove(&self.1);
    }
}

/// An id that no other transfer has: the moment of its making in microseconds, and 13 bits that
/// tell apart what one moment makes.
///
/// The clock never goes back behind a record, so ids do not repeat after a restart either.
pub fn next_transfer_id(shared: &Shared) -> TransferId {
    next_transfer_ids(shared, 1)
}

/// The first of `count` such ids in a row.
pub fn next_transfer_ids(shared: &Shared, count: u64) -> TransferId {
    static LATEST: AtomicU64 = AtomicU64::new(0);
    let micros = u64::try_from(shared.clock.now().micros()).unwrap_or(0);
    let least = micros.saturating_mul(1 << 13);
    let first = |latest: u64| latest.saturating_add(1).max(least);
    let before = LATEST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |latest| {
        Some(first(latest).saturating_add(count.saturating_sub(1)))
    });
    TransferId(before.map_or(least, first))
}

async fn close(engine: &Engine, source: ActorId, command: Command) -> Result<(), EngineError> {
    let target = Target::Actor(source);
    let request = Request {
        target,
        origin: None,
        command,
        keys: Vec::new(),
        fingerprint: 0,
        recalled: None,
    };
    match engine.execute(request).await {
        // Another delivery of the same transfer was quicker.
        Ok(_) | Err(EngineError::Rejected(Rejection::TransferNotFound)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Delivers everything that is in transit, at most `most`; returns how many were finished.
pub async fn deliver_all(engine: &Engine, most: usize) -> usize {
    let waiting: Vec<(TransferId, ActorId)> = engine
        .shared
        .outgoing
        .iter()
        .take(most)
        .map(|entry| (*entry.key(), *entry.value()))
        .collect();
    let mut finished = 0_usize;
    for (id, source) in waiting {
        let sent = engine
            .read(Target::Actor(source), None, move |hosted| {
                hosted.group.outgoing.get(&id).cloned()
            })
            .await;
        let Ok(Some(transfer)) = sent else { continue };
        match deliver(engine, transfer).await {
            Ok(_) => finished = finished.saturating_add(1),
            Err(error) => tracing::warn!(%id, %error, "a transfer stays in transit"),
        }
    }
    finished
}
