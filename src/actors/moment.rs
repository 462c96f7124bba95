//! A moment, as decisions see it: the time, and what is known from outside by then.

use std::sync::Arc;

use arc_swap::Guard;

use super::{engine::Shared, facts::OriginCell};
use crate::domain::{
    lists::Lists,
    policy::origin::{self, OriginTerms},
    rates::RateTable,
    time::Timestamp,
};

/// What decisions take from outside, read once for all that are made in a row.
pub(super) struct Moment {
    now: Timestamp,
    rates: Guard<Arc<RateTable>>,
    lists: Guard<Arc<Lists>>,
    /// What the origin of the last card says, and where that stands.
    origin: Option<(Arc<OriginCell>, Guard<Arc<OriginTerms>>)>,
}

impl Moment {
    /// This one.
    #[must_use]
    pub(super) fn of(shared: &Shared) -> Self {
        Self {
            now: shared.clock.now(),
            rates: shared.facts.rates.load(),
            lists: shared.facts.lists.load(),
            origin: None,
        }
    }

    /// When it is.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// The exchange rates.
    pub(super) fn rates(&self) -> &RateTable {
        &self.rates
    }

    /// The lists.
    pub(super) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Looks what the origin of the next card says.
    pub(super) fn see(&mut self, cell: Option<&Arc<OriginCell>>) {
        let seen = self.origin.as_ref().map(|(seen, _)| Arc::as_ptr(seen));
        if seen != cell.map(Arc::as_ptr) {
            self.origin = cell.map(|cell| (cell.clone(), cell.load()));
        }
    }

    /// What the origin says that was looked at last; nothing special without one.
    pub(super) fn origin(&self) -> &OriginTerms {
        let seen = self.origin.as_ref();
        seen.map_or(&origin::NONE, |(_, terms)| terms)
    }
}
