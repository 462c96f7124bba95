//! The ledger's transactions across actors: who takes which part, the one decision about a head, what comes
//! by the time, and what recovery finishes.
//!
//! The rules stand in [`crate::domain::books`]; this brings their commands to the actors in the right order
//! and sees to it that what was begun ends, whoever stops waiting and whatever crashes between.

pub mod accounts;
pub mod ask;
mod bulk;
mod clock;
mod error;
mod find;
mod heads;
pub mod hooks;
pub mod identity;
mod ledgers;
mod names;
mod plan;
mod refund;
mod send;
mod steps;
mod take;
pub mod view;

use std::sync::Arc;

use dashmap::DashSet;
use serde_json::{Map, Value};

pub use accounts::{BalanceView, NewBalance};
pub use ask::{Ask, Bulk, BulkDone, Share};
pub use error::BooksError;
pub use ledgers::Ledger;
pub use refund::Back;

use crate::{
    actors::{Engine, booked::BooksIndex},
    domain::{
        books::{Step, Transaction},
        ids::TransactionId,
    },
};

/// The ledger's transactions.
pub struct Books {
    engine: Arc<Engine>,
    /// Transactions about which somebody brings something to its end at this moment.
    live: DashSet<TransactionId>,
}

/// Who asks: an origin's name.
pub type Origin = Arc<str>;

/// A transaction as it stands; what it was made with if a step made it.
pub type Stands = Arc<Transaction>;

/// What protects a request against being done twice, beside its reference.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
}

/// What was done, and whether an earlier request under the same `Idempotency-Key` did it.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// What was done.
    pub value: T,
    /// Whether an earlier request did it.
    pub is_replay: bool,
}

impl Books {
    /// The books of an engine.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self {
            engine,
            live: DashSet::new(),
        })
    }

    fn index(&self) -> &BooksIndex {
        &self.engine.shared.books
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Takes a transaction: a single one, or a split with its parts, all of them or none. Answers when it
    /// and every arrival of its money are on disk.
    ///
    /// # Errors
    ///
    /// [`BooksError::Duplicate`] if the reference was used; [`BooksError::Short`] if there is too little
    /// money and the ask wants an error then; else a transaction that is rejected is an answer.
    pub async fn take(
        self: &Arc<Self>,
        origin: &Origin,
        ask: Ask,
        guard: Guard,
    ) -> Result<Done<Stands>, BooksError> {
        take::take(self, origin, ask, guard).await
    }

    /// Takes a bulk: each by itself, or all of them or none.
    ///
    /// # Errors
    ///
    /// [`BooksError`] if an atomic bulk cannot be done: then nothing has moved.
    pub async fn take_bulk(
        self: &Arc<Self>,
        origin: &Origin,
        bulk: Bulk,
        guard: Guard,
    ) -> Result<Done<BulkDone>, BooksError> {
        bulk::take(self, origin, bulk, guard).await
    }

    /// Commits what is inflight or lets it go; of a head all of its parts. Answers with the child (of a head
    /// with the head as it is then).
    ///
    /// # Errors
    ///
    /// [`BooksError::Rejected`] if its state does not allow that.
    pub async fn step(
        self: &Arc<Self>,
        origin: &Origin,
        id: TransactionId,
        step: Step,
        merge: Option<Map<String, Value>>,
        guard: Guard,
    ) -> Result<Done<Stands>, BooksError> {
        steps::step(self, origin, id, (step, merge), guard).await
    }

    /// Takes back what was applied: a new transaction, source and destination swapped.
    ///
    /// # Errors
    ///
    /// [`BooksError::Rejected`] if it was not applied, or went back before.
    pub async fn refund(
        self: &Arc<Self>,
        origin: &Origin,
        id: TransactionId,
        back: Back,
        guard: Guard,
    ) -> Result<Done<Stands>, BooksError> {
        refund::refund(self, origin, id, back, guard).await
    }

    /// Merges metadata into a transaction's, deeply; answers with the transaction.
    ///
    /// # Errors
    ///
    /// [`BooksError::NotFound`].
    pub async fn note(
        self: &Arc<Self>,
        origin: &Origin,
        id: TransactionId,
        merge: Map<String, Value>,
    ) -> Result<Stands, BooksError> {
        steps::note(self, origin, id, merge).await
    }

    /// A transaction as it stands, on disk.
    ///
    /// # Errors
    ///
    /// [`BooksError::NotFound`], also for another origin's.
    pub async fn get(&self, origin: &Origin, id: TransactionId) -> Result<Stands, BooksError> {
        find::get(self, origin, id).await
    }

    /// The transaction that has a reference.
    ///
    /// # Errors
    ///
    /// [`BooksError::NotFound`].
    pub async fn by_reference(
        &self,
        origin: &Origin,
        reference: &str,
    ) -> Result<Stands, BooksError> {
        find::by_reference(self, origin, reference).await
    }

    /// Finishes what a crash interrupted: heads without a decision are decided against, decided ones
    /// followed, transfers delivered. To be called before the first request is taken.
    ///
    /// # Errors
    ///
    /// [`BooksError`] if the engine cannot.
    pub async fn finish_interrupted(self: &Arc<Self>) -> Result<(), BooksError> {
        clock::finish_interrupted(self).await
    }

    /// From now on does what comes by the time: expiries, commits, scheduled transactions; and finishes
    /// heads whose asker is gone.
    pub fn start_clock(self: &Arc<Self>) {
        clock::start(self);
    }
}
