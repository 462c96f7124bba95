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
    shelves: DashMap<Shelf, Arc<Texts>>,
}

/// What stands on one shelf.
#[derive(Default)]
struct Texts {
    known: DashMap<Box<str>, Arc<str>>,
    /// Grows with each change, so that what was made of documents can be made anew.
    changes: AtomicU64,
}

impl SharedDocuments {
    fn shelf(&self, shelf: Shelf) -> Arc<Texts> {
        if let Some(known) = self.shelves.get(&shelf) {
            return known.clone();
        }
        self.shelves.entry(shelf).or_default().clone()
    }

    /// The text of that name.
    #[must_use]
    pub fn get(&self, shelf: Shelf, name: &str) -> Option<Arc<str>> {
        let texts = self.shelves.get(&shelf)?;
        let found = texts.known.get(name)?;
        Some(found.clone())
    }

    /// Those of one shelf, in the order of their names.
    #[must_use]
    pub fn of(&self, shelf: Shelf) -> Vec<(Box<str>, Arc<str>)> {
        let texts = self.shelf(shelf);
        let all = texts.known.iter();
        let mut found: Vec<_> = all
            .map(|entry| (entry.key().clone(), entry.value().clone()))
            .collect();
        found.sort_unstable();
        found
    }

    /// How many changes there were on one shelf since the start.
    #[must_use]
    pub fn changes(&self, shelf: Shelf) -> u64 {
        let texts = self.shelves.get(&shelf);
        texts.map_or(0, |texts| texts.changes.load(Ordering::Acquire))
    }

    pub(super) fn set(&self, shelf: Shelf, name: &str, text: Option<Arc<str>>) {
        let texts = self.shelf(shelf);
        match text {
            Some(text) => texts.known.insert(name.into(), text),
            None => texts.known.remove(name).map(|(_, text)| text),
        };
        texts.changes.fetch_add(1, Ordering::Release);
    }
}
