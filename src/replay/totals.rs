//! The trial balance: every posting of the log, added up by where the money is.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::sum::Sum;
use crate::{
    domain::{
        event::Event,
        ids::LedgerNo,
        money::Asset,
        posting::{House, Place},
    },
    journal::{Journal, JournalError, Lsn},
    wire::{self, Body, WireError},
};

/// What one asset adds up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetTotals {
    /// All that ledger accounts may spend, as the events' balances say.
    pub spendable: Sum,
    /// All that is held, as the events' balances say.
    pub held: Sum,
    /// What the house has, by account, as the postings say.
    pub house: BTreeMap<House, Sum>,
    /// How many ledger accounts have or had the asset.
    pub accounts: u64,
}

impl AssetTotals {
    /// Everything together: zero when the books balance.
    #[must_use]
    pub fn sum(&self) -> Sum {
        let mut all = self.spendable.clone();
        all += &self.held;
        for part in self.house.values() {
            all += part;
        }
        all
    }
}

/// Adds up a log.
///
/// The two sides come from different places: what the house has from the postings, what accounts
/// have from the balances that each record states. So a posting that did not reach a balance, or a
/// balance that moved without a posting, shows as a sum that is not zero.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Up to where.
    pub lsn: Lsn,
    /// How many records.
    pub records: u64,
    /// By asset.
    pub assets: BTreeMap<Asset, AssetTotals>,
    /// The last known balance of each ledger account: spendable and held.
    balances: BTreeMap<(LedgerNo, Asset), (i128, i128)>,
}

impl Totals {
    /// Adds one record.
    ///
    /// # Errors
    ///
    /// [`WireError`] if it does not decode.
    pub fn add(&mut self, lsn: Lsn, payload: &[u8]) -> Result<(), WireError> {
        let entry = wire::decode_entry(payload)?;
        self.lsn = lsn;
        self.records = self.records.saturating_add(1);
        if let Body::Group(events) = &entry.body {
            for event in events {
                self.add_event(event);
            }
        }
        Ok(())
    }

    fn add_event(&mut self, event: &Event) {
        let Some(movement) = event.movement() else {
            return;
        };
        for posting in &movement.postings {
            for (place, sign) in [(&posting.source, -1), (&posting.destination, 1)] {
                if let Place::House(house) = place {
                    let totals = self.assets.entry(posting.asset).or_default();
                    let balance = totals.house.entry(house.clone()).or_default();
                    let change = posting.amount.minor().saturating_mul(sign);
                    *balance += change;
                }
            }
        }
        for after in &movement.after {
            for (asset, balance) in &after.balances {
                let totals = self.assets.entry(*asset).or_default();
                let known = self
                    .balances
                    .entry((after.ledger, *asset))
                    .or_insert_with(|| {
                        totals.accounts = totals.accounts.saturating_add(1);
                        (0, 0)
                    });
                totals.spendable -= known.0;
                totals.spendable += balance.current;
                totals.held -= known.1;
                totals.held += balance.pending;
                *known = (balance.current, balance.pending);
            }
        }
    }
}

/// A trial balance that goes on from where it was.
#[derive(Default)]
pub struct TrialBalance {
    totals: Mutex<Totals>,
}

/// Why the books cannot be added up.
#[derive(Debug, thiserror::Error)]
pub enum TotalsError {
    /// The log cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record does not decode.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl TrialBalance {
    /// Adds up to the durable position and says what it found. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`TotalsError`] if the log cannot be read.
    pub fn at_durable(
        &self,
        journal: &dyn Journal,
    ) -> Result<(Lsn, BTreeMap<Asset, AssetTotals>), TotalsError> {
        let mut totals = self.totals.lock();
        for record in journal.scan(totals.lsn)? {
            let record = record?;
            totals.add(record.lsn, &record.payload)?;
        }
        Ok((totals.lsn, totals.assets.clone()))
    }
}
