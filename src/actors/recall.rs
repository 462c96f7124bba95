//! What is no longer in memory, from the record that said it last.

use super::engine::{Engine, EngineError};
use crate::{
    domain::{
        apply::settle_own_lsn,
        books::{self, Transaction},
        event::Event,
        hold::{Authorization, State},
        ids::TransactionId,
        outcome::Rejection,
    },
    wire::Body,
};

impl Engine {
    /// The authorization as it stood after the record at `lsn`.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if it cannot be read, or was declined.
    pub fn recall(&self, lsn: u64) -> Result<Authorization, EngineError> {
        let entry = self.entry(lsn)?;
        let Body::Group(events) = entry.body else {
            return Err(Rejection::AuthorizationNotFound.into());
        };
        authorization_in(&events, lsn).ok_or_else(|| {
            Rejection::StateForbids {
                state: State::Declined,
                step: "act on",
            }
            .into()
        })
    }

    /// The transaction of the books as it stood after the record at `lsn`.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if it cannot be read, or is not in that record.
    pub async fn recall_transaction(
        &self,
        lsn: u64,
        id: TransactionId,
    ) -> Result<Transaction, EngineError> {
        self.durability.wait(lsn).await?;
        let entry = self.entry(lsn)?;
        let Body::Group(events) = entry.body else {
            return Err(Rejection::TransactionNotFound.into());
        };
        transaction_in(&events, id, lsn).ok_or_else(|| Rejection::TransactionNotFound.into())
    }
}

/// The transaction of that id as a record's events leave it behind.
#[must_use]
pub fn transaction_in(events: &[Event], id: TransactionId, lsn: u64) -> Option<Transaction> {
    let left = events.iter().rev().filter_map(Event::booked);
    let mut left = left.flat_map(|booked| [booked.child.as_ref(), Some(&booked.transaction)]);
    let left = left.find_map(|known| known.filter(|known| known.id == id))?;
    let mut transaction = (**left).clone();
    books::settle_own_lsn(&mut transaction, lsn);
    Some(transaction)
}

/// The authorization that a record's events leave behind, as the state or a reader knows it.
#[must_use]
pub fn authorization_in(events: &[Event], lsn: u64) -> Option<Authorization> {
    let left = events.iter().rev().find_map(|event| {
        let approved = event.approved().map(|approved| &approved.authorization);
        approved.or(event.stepped().map(|stepped| &stepped.authorization))
    });
    let mut authorization = (**left?).clone();
    settle_own_lsn(&mut authorization, lsn);
    Some(authorization)
}
