//! What is found by other things than its name: an index beside the log, fed from it, that may be thrown
//! away at any time and is then built again.
//!
//! It is a database of SQLite in `search/` of the data directory. Nothing in it is the truth: a reader finds
//! names here and asks the actors or the log what they stand for.

use std::{path::Path, sync::Arc};

use crate::{
    actors::Engine,
    domain::{
        money::{Amount, Asset},
        time::Timestamp,
        uuids::AnyTransaction,
    },
};

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The database's own.
    #[error("the index in search/ cannot be used: {0}; it may be deleted, and is then built again")]
    Database(#[from] rusqlite::Error),
    /// The folder cannot be made.
    #[error("search/: {0}")]
    Io(#[from] std::io::Error),
    /// The index has not come as far as the log in time.
    #[error("the index is still {behind} bytes behind the log: try again")]
    Behind {
        /// How far.
        behind: u64,
    },
}

/// The index.
pub struct Search {
    #[expect(dead_code, reason = "until the index is there")]
    engine: Arc<Engine>,
}

/// A transaction as the index knows it: of the books, or a movement of another face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRow {
    /// Its id.
    pub id: AnyTransaction,
    /// How much, in the smallest unit.
    pub amount: Amount,
    /// What is counted.
    pub asset: Asset,
    /// Unique per origin, or empty.
    pub reference: String,
    /// For people.
    pub description: String,
    /// The status on the wire.
    pub status: String,
    /// The source's balance id or indicator.
    pub source: String,
    /// The destination's.
    pub destination: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it counts from.
    pub effective_at: Option<Timestamp>,
}

impl Search {
    /// Opens the index in a data directory and follows the engine's log from now on, on a thread of its own.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn open(_data_dir: &Path, engine: &Arc<Engine>) -> Result<Arc<Self>, SearchError> {
        Ok(Arc::new(Self {
            engine: engine.clone(),
        }))
    }

    /// Waits until the index has all that is on disk by now.
    ///
    /// # Errors
    ///
    /// [`SearchError::Behind`] after two seconds.
    pub async fn caught_up(&self) -> Result<(), SearchError> {
        Ok(())
    }

    /// An origin's transactions made from `from` on and before `to`, in the order of their making, given to
    /// `visit` one by one; for those who go through many. It runs on the caller's thread: not for one that
    /// serves requests.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn transactions_between(
        &self,
        _origin: &str,
        (_from, _to): (Option<Timestamp>, Option<Timestamp>),
        _visit: &mut dyn FnMut(TransactionRow),
    ) -> Result<(), SearchError> {
        Ok(())
    }

    /// Stops following the log.
    pub fn stop(&self) {}
}
