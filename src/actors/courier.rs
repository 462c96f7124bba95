//! Carries money between actors: from transit to its destination, exactly once, or back.

use super::{
    engine::{Engine, EngineError},
    hosted::{Request, Target},
    keys::key_of,
};
use crate::{
    domain::{
        command::{Command, Transfer},
        ids::{ActorId, TransferId},
        outcome::Rejection,
    },
    wire::KeyLife,
};

/// Where a transfer's money ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At its destination.
    Arrived,
    /// Back at its source.
    Returned,
}

/// Delivers a transfer that has left its source. Safe to repeat: the destination takes it once,
/// under the transfer's own key, and the source lets go of it once.
///
/// # Errors
///
/// [`EngineError`] if it could not be finished now; it stays in transit and is tried again.
pub async fn deliver(engine: &Engine, transfer: Transfer) -> Result<Delivery, EngineError> {
    // One delivery of a transfer at a time: were one refused and another accepted a moment later, the
    // first would bring back what the second has delivered.
    let Some(_claim) = Claim::of(engine, transfer.id) else {
        return Err(EngineError::Busy("the transfer is being delivered"));
    };
    if !engine.shared.outgoing.contains_key(&transfer.id) {
        return Err(EngineError::Busy(
            "the transfer was just finished by another delivery",
        ));
    }
    let (id, source) = (transfer.id, transfer.source_actor);
    let key = key_of("", "transit", &id.to_string());
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

/// The right to deliver a transfer, given back when dropped.
struct Claim<'a>(&'a Engine, TransferId);

impl<'a> Claim<'a> {
    fn of(engine: &'a Engine, id: TransferId) -> Option<Self> {
        engine
            .shared
            .delivering
            .insert(id)
            .then_some(Self(engine, id))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.shared.delivering.remove(&self.1);
    }
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
