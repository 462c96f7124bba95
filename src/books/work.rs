//! How it is done.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Ask, Books, BooksError, Bulk, BulkDone, Done, Guard, Origin, Stands};
use crate::domain::{books::Step, ids::TransactionId, money::Amount};

const NOT_FOUND: BooksError = BooksError::NotFound("transaction");

pub(super) async fn take(
    _books: &Arc<Books>,
    _origin: &Origin,
    _ask: Ask,
    _guard: Guard,
) -> Result<Done<Stands>, BooksError> {
    Err(NOT_FOUND)
}

pub(super) async fn take_bulk(
    _books: &Arc<Books>,
    _origin: &Origin,
    _bulk: Bulk,
    _guard: Guard,
) -> Result<Done<BulkDone>, BooksError> {
    Err(NOT_FOUND)
}

pub(super) async fn step(
    _books: &Arc<Books>,
    _origin: &Origin,
    _id: TransactionId,
    (_step, _merge): (Step, Option<Map<String, Value>>),
    _guard: Guard,
) -> Result<Done<Stands>, BooksError> {
    Err(NOT_FOUND)
}

pub(super) async fn refund(
    _books: &Arc<Books>,
    _origin: &Origin,
    _id: TransactionId,
    (_amount, _skip_queue): (Option<Amount>, bool),
    _guard: Guard,
) -> Result<Done<Stands>, BooksError> {
    Err(NOT_FOUND)
}

pub(super) async fn note(
    _books: &Arc<Books>,
    _origin: &Origin,
    _id: TransactionId,
    _merge: Map<String, Value>,
) -> Result<Stands, BooksError> {
    Err(NOT_FOUND)
}

pub(super) async fn get(
    _books: &Books,
    _origin: &Origin,
    _id: TransactionId,
) -> Result<Stands, BooksError> {
    Err(NOT_FOUND)
}

pub(super) async fn by_reference(
    _books: &Books,
    _origin: &Origin,
    _reference: &str,
) -> Result<Stands, BooksError> {
    Err(NOT_FOUND)
}

pub(super) async fn finish_interrupted(_books: &Arc<Books>) -> Result<(), BooksError> {
    Ok(())
}

pub(super) fn start_clock(_books: &Arc<Books>) {}
