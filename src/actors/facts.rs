//! What decisions take from outside, as it is known now: exchange rates, lists, what origins say.
//! Each can be read at any time without a wait, and is replaced as a whole.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dashmap::DashMap;

use super::agenda::Agenda;
use crate::domain::{lists::Lists, policy::origin::OriginTerms, rates::RateTable};

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
