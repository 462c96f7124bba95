//! Names of accounts and earlier records, looked up in the engine that runs.

use std::cell::Cell;

use super::event::{Name, Names};
use crate::{
    actors::{Engine, names},
    domain::ids::AccountNo,
    journal::Lsn,
    wire::{self, Entry},
};

/// Looks up whatever events need. Blocks: not for the threads on which cards live.
pub struct Lookup<'a> {
    engine: &'a Engine,
    has_failed: Cell<bool>,
}

impl<'a> Lookup<'a> {
    /// Asks `engine`.
    #[must_use]
    pub const fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            has_failed: Cell::new(false),
        }
    }

    /// Whether something could not be looked up since the last call: events made meanwhile may lack
    /// something, must not be told, and are to be made again.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.has_failed.take()
    }

    fn failed(&self, error: &dyn std::error::Error) {
        tracing::warn!(%error, "what an event needs could not be looked up now");
        self.has_failed.set(true);
    }
}

impl Names for Lookup<'_> {
    fn of(&self, account: AccountNo) -> Option<Name> {
        match names::face(self.engine, account) {
            Ok(face) => face.map(|face| Name {
                urn: face.urn.clone(),
                holder_urn: face.holder_urn.clone(),
                webhook_url: face.webhook_url.clone(),
            }),
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn earlier(&self, lsn: u64) -> Option<Entry> {
        let read = self.engine.shared.journal.read(Lsn::new(lsn));
        match read {
            Ok(bytes) => match wire::decode_entry(&bytes) {
                Ok(entry) => Some(entry),
                Err(error) => {
                    self.failed(&error);
                    None
                }
            },
            // It was retired and not archived: what it said is lost.
            Err(crate::journal::JournalError::NotFound { .. }) => None,
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }
}
