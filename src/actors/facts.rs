//! What decisions take from outside, as it is known now: exchange rates, lists, what origins say.
//! Each can be read at any time without a wait, and is replaced as a whole.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use dashmap::DashMap;

use super::{agenda::Agenda, names::Faces};
use crate::domain::{
    documents::Shelf, lists::Lists, policy::origin::OriginTerms, rates::RateTable,
};

/// What an origin says of its cards, as it is known now.
pub type OriginCell = ArcSwap<OriginTerms>;

/// The facts. Only the registrar changes them, after it has recorded why.
#[derive(Default)]
pub struct Facts {
    /// The exchange rates accepted last.
    pub rates: ArcSwap<RateTable>,
    /// The lists fetched last.
    pub lists: ArcSwap<Lists>,
    /// The lists that are wanted, and when each is to be fetched.
    pub wanted: Agenda,
    /// Settings made while the house runs.
    pub documents: SharedDocuments,
    /// Who accounts are.
    pub faces: Faces,
    origins: DashMap<Box<str>, Arc<OriginCell>>,
}

impl Facts {
    /// What that origin says; nothing special, if it is unknown. The same cell each time, so that a
    /// card may keep it.
    #[must_use]
    pub fn origin(&self, name: &str) -> Arc<OriginCell> {
        if let Some(known) = self.origins.get(name) {
            return known.clone();
        }
        self.origins.entry(name.into()).or_default().clone()
    }
}

/// The documents, each read and replaced by itself.
#[derive(Default)]
pub struct SharedDocuments {
    known: DashMap<(Shelf, Box<str>), Arc<str>>,
    /// Grows with each change, so that what was made of documents can be made anew.
    changes: AtomicU64,
}

impl SharedDocuments {
    /// The text of that name.
    #[must_use]
    pub fn get(&self, shelf: Shelf, name: &str) -> Option<Arc<str>> {
        let found = self.known.get(&(shelf, name.into()))?;
        Some(found.clone())
    }

    /// Those of one shelf, in the order of their names.
    #[must_use]
    pub fn of(&self, shelf: Shelf) -> Vec<(Box<str>, Arc<str>)> {
        let on_shelf = self.known.iter().filter(|entry| entry.key().0 == shelf);
        let mut found: Vec<_> = on_shelf
            .map(|entry| (entry.key().1.clone(), entry.value().clone()))
            .collect();
        found.sort_unstable();
        found
    }

    /// How many changes there were since the start.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn set(&self, shelf: Shelf, name: &str, text: Option<Arc<str>>) {
        match text {
            Some(text) => self.known.insert((shelf, name.into()), text),
            None => self
                .known
                .remove(&(shelf, name.into()))
                .map(|(_, text)| text),
        };
        self.changes.fetch_add(1, Ordering::Release);
    }
}
