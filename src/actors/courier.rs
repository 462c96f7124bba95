//! Carries money between actors: from transit to its destination, exactly once, or back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
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
    match engine.execute(arrival(engine, transfer)).await {
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

/// Carries transfers that were sent a moment ago to where they go, and answers once their arrivals are on
/// disk. That the source is told so comes after: it must not cost whoever waits. Not to be dropped half way:
/// to be called in a task of its own.
///
/// # Errors
///
/// For each one [`EngineError`] if it could not be finished now; it stays in transit and is tried again.
pub async fn carry(
    engine: &Arc<Engine>,
    transfers: Vec<Transfer>,
) -> Vec<Result<Delivery, EngineError>> {
    let (mut fresh, mut ends) = (Vec::new(), Vec::with_capacity(transfers.len()));
    for (place, transfer) in transfers.into_iter().enumerate() {
        let id = transfer.id;
        // Whoever has the right to act on it and finds it watched can be sure that nobody has: what was
        // sent back or has arrived is watched no more before the right is given back.
        let claim = Claim::at_once(engine, id);
        let is_watched = engine.shared.outgoing.contains_key(&id);
        match claim.filter(|_| is_watched) {
            Some(claim) => {
                fresh.push((place, claim, transfer));
                ends.push(Err(EngineError::Unavailable));
            }
            None => ends.push(deliver(engine, transfer).await),
        }
    }
    let mut arrivals = Vec::with_capacity(fresh.len());
    let mut claims = Vec::with_capacity(fresh.len());
    for (place, claim, transfer) in fresh {
        claims.push((place, claim, transfer.source_actor));
        arrivals.push(arrival(engine, transfer));
    }
    let mut settled = Vec::with_capacity(claims.len());
    let answers = engine.execute_batch(arrivals).await;
    for ((place, claim, source), answer) in claims.into_iter().zip(answers) {
        let end = match answer {
            Ok(_) | Err(EngineError::Rejected(Rejection::TransferKnown)) => {
                settled.push((claim, source));
                Ok(Delivery::Arrived)
            }
            Err(EngineError::Rejected(_)) => {
                let command = Command::ReturnTransfer(claim.1);
                let closed = close(engine, source, command).await;
                closed.map(|()| Delivery::Returned)
            }
            Err(error) => Err(error),
        };
        if let Some(slot) = ends.get_mut(place) {
            *slot = end;
        }
    }
    settle_later(engine, settled);
    ends
}

/// Tells the sources of what has arrived. What a crash prevents the sweep finds: it has arrived.
fn settle_later(engine: &Arc<Engine>, arrived: Vec<(Claim, ActorId)>) {
    if arrived.is_empty() {
        return;
    }
    let engine = engine.clone();
    actix_rt::spawn(async move {
        let settle = |(claim, source): &(Claim, ActorId)| Request {
            target: Target::Actor(*source),
            origin: None,
            command: Command::SettleTransfer(claim.1),
            keys: Vec::new(),
            fingerprint: 0,
            recalled: None,
        };
        let settles = arrived.iter().map(settle).collect();
        for answer in engine.execute_batch(settles).await {
            match answer {
                Ok(_) | Err(EngineError::Rejected(Rejection::TransferNotFound)) => {}
                Err(error) => tracing::debug!(%error, "a transfer is settled by the sweep"),
            }
        }
        drop(arrived);
    });
}

fn arrival(engine: &Engine, mut transfer: Transfer) -> Request {
    let id = transfer.id;
    // Accounts move when actors merge, and a fee's earner was never looked for when it was decided.
    transfer.destination_actor = engine.shared.indexes.actor_of(transfer.destination);
    Request {
        target: Target::Actor(transfer.destination_actor),
        origin: None,
        command: Command::ReceiveTransfer(Box::new(transfer)),
        keys: vec![(key(id), KeyLife::Permanent)],
        fingerprint: id.0,
        recalled: None,
    }
}

/// The right to act on a transfer, given back when dropped. A delivery dropped in the middle leaves its
/// last message in an actor's queue, before whatever the next one sends there.
struct Claim(Arc<Shared>, TransferId);

impl Claim {
    fn at_once(engine: &Engine, id: TransferId) -> Option<Self> {
        let is_free = engine.shared.delivering.insert(id);
        is_free.then(|| Self(engine.shared.clone(), id))
    }

    async fn wait_for(engine: &Engine, id: TransferId) -> Result<Self, EngineError> {
        for _ in 0..TURNS_MAX {
            if let Some(claim) = Self::at_once(engine, id) {
                return Ok(claim);
            }
            actix_rt::time::sleep(Duration::from_millis(1)).await;
        }
        Err(EngineError::Busy("the transfer is being delivered"))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.delivering.remove(&self.1);
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
