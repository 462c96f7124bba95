//! Transactions by id and by reference.

use std::sync::Arc;

use super::{
    Books, BooksError, Origin, Stands,
    plan::reference_key,
    send::{booked_in, left_behind},
};
use crate::{
    actors::{EngineError, Target},
    domain::{ids::TransactionId, outcome::Rejection},
    wire::Body,
};

pub(super) const NO_TRANSACTION: BooksError = BooksError::NotFound("transaction");

/// Where a transaction is.
enum Found {
    Open(Stands),
    Closed(u64),
}

pub(super) async fn get(
    books: &Books,
    origin: &Origin,
    id: TransactionId,
) -> Result<Stands, BooksError> {
    let found = books.find(Some(origin), id).await?;
    found.ok_or(NO_TRANSACTION)
}

impl Books {
    /// A transaction of any origin, for what is done by itself.
    pub(super) async fn look(&self, id: TransactionId) -> Result<Option<Stands>, BooksError> {
        self.find(None, id).await
    }

    async fn find(
        &self,
        origin: Option<&Origin>,
        id: TransactionId,
    ) -> Result<Option<Stands>, BooksError> {
        let target = Target::Actor(id.actor);
        let found = self.engine.read(target, origin.cloned(), move |hosted| {
            let known = hosted.group.books.as_deref()?;
            if let Some(open) = known.open.get(&id) {
                return Some(Found::Open(Arc::new(open.current())));
            }
            known.closed.get(&id).map(|lsn| Found::Closed(*lsn))
        });
        match found.await.map_err(not_found)? {
            None => Ok(None),
            Some(Found::Open(open)) => Ok(Some(open)),
            Some(Found::Closed(lsn)) => {
                let Body::Group(events) = self.engine.entry(lsn)?.body else {
                    return Ok(None);
                };
                Ok(left_behind(&events, id, lsn))
            }
        }
    }
}

pub(super) async fn by_reference(
    books: &Books,
    origin: &Origin,
    reference: &str,
) -> Result<Stands, BooksError> {
    let engine = &books.engine;
    let lsn = engine.shared.keys.get(reference_key(origin, reference));
    let lsn = lsn.ok_or(NO_TRANSACTION)?;
    let waited = engine.durability.wait(lsn).await;
    waited.map_err(EngineError::from)?;
    let Body::Group(events) = engine.entry(lsn)?.body else {
        return Err(NO_TRANSACTION);
    };
    let mut booked = booked_in(&events);
    let known = booked.find(|booked| booked.transaction.terms.reference == reference);
    let id = known.ok_or(NO_TRANSACTION)?.transaction.id;
    get(books, origin, id).await
}

/// What is not the caller's does not exist.
pub(super) fn not_found(error: EngineError) -> BooksError {
    match error {
        EngineError::Rejected(Rejection::AccountNotFound | Rejection::TransactionNotFound) => {
            NO_TRANSACTION
        }
        other @ (EngineError::Rejected(_)
        | EngineError::KeyConflict
        | EngineError::Busy(_)
        | EngineError::Unavailable
        | EngineError::Halted(_)
        | EngineError::Journal(_)
        | EngineError::Wire(_)) => other.into(),
    }
}
