//! Whose money a balance has: what came in carries the provider it came from, and what goes out takes from the
//! providers in the balance's order. Worked out from the index when somebody asks: nothing is kept for it.

use std::collections::BTreeMap;

use rusqlite::params;
use serde_json::Value;

use super::{SearchError, index::Index, sortable};
use crate::domain::{
    books::Allocation,
    money::{Amount, apportion},
};

/// Under which key of `meta_data` the provider stands.
pub const PROVIDER_KEY: &str = "BLNK_LINEAGE_PROVIDER";

/// What of a provider's money came and went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provided {
    /// Its name.
    pub provider: String,
    /// All that came.
    pub amount: Amount,
    /// Of that, what was spent.
    pub spent: Amount,
}

impl Provided {
    /// What is left.
    #[must_use]
    pub const fn available(&self) -> Amount {
        self.amount.minus_or_zero(self.spent)
    }
}

/// The money of a balance by who provided it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// By provider, in the order in which they first came.
    pub providers: Vec<Provided>,
    /// What of it is left, in the order in which it came.
    lots: Vec<(usize, Amount)>,
}

/// One movement of a balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The transaction.
    pub id: String,
    /// What it is a step of; empty for nothing.
    pub parent: String,
    /// Whether it came.
    pub comes: bool,
    /// How much.
    pub amount: Amount,
    /// Whose it is, if that is said.
    pub provider: Option<String>,
}

impl Lineage {
    /// What is left of all providers' money.
    #[must_use]
    pub fn total(&self) -> Amount {
        let left = self.providers.iter().map(Provided::available);
        left.fold(Amount::ZERO, Amount::saturating_plus)
    }

    /// Money came from a provider.
    pub fn credit(&mut self, provider: &str, amount: Amount) {
        let known = self.providers.iter().position(|it| it.provider == provider);
        let place = known.unwrap_or_else(|| {
            self.providers.push(Provided {
                provider: provider.to_owned(),
                ..Provided::default()
            });
            self.providers.len().saturating_sub(1)
        });
        if let Some(provided) = self.providers.get_mut(place) {
            provided.amount = provided.amount.saturating_plus(amount);
        }
        self.lots.push((place, amount));
    }

    /// Money went: takes it from the providers, and says from whom how much. What is beyond their money is
    /// nobody's.
    pub fn debit(&mut self, amount: Amount, order: Allocation) -> Vec<(String, Amount)> {
        let wanted = amount.min(self.total());
        let taken = match order {
            Allocation::Fifo => self.take(wanted, false),
            Allocation::Lifo => self.take(wanted, true),
            Allocation::Proportional => self.take_shares(wanted),
        };
        let mut told = Vec::new();
        for (place, part) in taken {
            if let Some(provided) = self.providers.get_mut(place)
                && !part.is_zero()
            {
                provided.spent = provided.spent.saturating_plus(part);
                told.push((provided.provider.clone(), part));
            }
        }
        told
    }

    fn take(&mut self, wanted: Amount, from_end: bool) -> BTreeMap<usize, Amount> {
        let mut left = wanted;
        let mut taken: BTreeMap<usize, Amount> = BTreeMap::new();
        let places: Vec<usize> = if from_end {
            (0..self.lots.len()).rev().collect()
        } else {
            (0..self.lots.len()).collect()
        };
        for place in places {
            let Some((provider, lot)) = self.lots.get_mut(place) else {
                continue;
            };
            let part = left.min(*lot);
            *lot = lot.minus_or_zero(part);
            left = left.minus_or_zero(part);
            let of = taken.entry(*provider).or_default();
            *of = of.saturating_plus(part);
            if left.is_zero() {
                break;
            }
        }
        self.lots.retain(|(_, lot)| !lot.is_zero());
        taken
    }

    /// Of each provider the part that its money is of all.
    fn take_shares(&mut self, wanted: Amount) -> BTreeMap<usize, Amount> {
        let shares: Vec<Amount> = self.providers.iter().map(Provided::available).collect();
        let none = vec![Amount::ZERO; shares.len()];
        let parts = apportion(&shares, &none, wanted).unwrap_or(none);
        for (provider, part) in parts.iter().enumerate() {
            let mut left = *part;
            for (of, lot) in &mut self.lots {
                if *of == provider {
                    let taken = left.min(*lot);
                    *lot = lot.minus_or_zero(taken);
                    left = left.minus_or_zero(taken);
                }
            }
        }
        self.lots.retain(|(_, lot)| !lot.is_zero());
        parts.into_iter().enumerate().collect()
    }

    /// Follows the movements of a balance; says what those that are wanted took from whom, together.
    pub fn follow(
        &mut self,
        flows: &[Flow],
        order: Allocation,
        is_wanted: impl Fn(&Flow) -> bool,
    ) -> Vec<(String, Amount)> {
        let mut told: Vec<(String, Amount)> = Vec::new();
        for flow in flows {
            if flow.comes {
                if let Some(provider) = &flow.provider {
                    self.credit(provider, flow.amount);
                }
                continue;
            }
            let taken = self.debit(flow.amount, order);
            for (provider, part) in taken.into_iter().filter(|_| is_wanted(flow)) {
                match told.iter_mut().find(|(known, _)| *known == provider) {
                    Some((_, sum)) => *sum = sum.saturating_plus(part),
                    None => told.push((provider, part)),
                }
            }
        }
        told
    }
}

impl Index {
    /// What came to a balance and went from it for good, in the order of the log. Blocks.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn flows(&self, origin: &str, balance: &str) -> Result<Vec<Flow>, SearchError> {
        const FLOWS: &str = "SELECT transaction_id, destination = ?1, precise_amount, meta_data, \
            parent_transaction, applied, seq FROM transactions WHERE origin = ?2 AND source = ?1 AND applied IS NOT NULL \
            UNION ALL SELECT transaction_id, 1, precise_amount, meta_data, parent_transaction, applied, seq \
            FROM transactions \
            WHERE origin = ?2 AND destination = ?1 AND source IS NOT ?1 AND applied IS NOT NULL \
            ORDER BY applied, seq";
        self.look(origin, |db, number| {
            let mut asked = db.prepare_cached(FLOWS)?;
            let found = asked.query_map(params![balance, number], |row| {
                let amount = sortable::read(&row.get::<_, String>(2)?);
                let metadata: String = row.get(3)?;
                Ok(Flow {
                    id: row.get(0)?,
                    parent: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
                    comes: row.get(1)?,
                    amount: Amount::from_minor(amount).unwrap_or(Amount::ZERO),
                    provider: provider_in(&metadata),
                })
            })?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }
}

/// The provider that a transaction's metadata names.
#[must_use]
pub fn provider_in(metadata: &str) -> Option<String> {
    if !metadata.contains(PROVIDER_KEY) {
        return None;
    }
    let read: Value = serde_json::from_str(metadata).ok()?;
    let name = read.get(PROVIDER_KEY)?.as_str()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(minor: i128) -> Amount {
        Amount::from_minor(minor).unwrap()
    }

    type Parts = Vec<(String, i128)>;

    fn after(order: Allocation) -> (Parts, Parts) {
        let mut lineage = Lineage::default();
        lineage.credit("stripe", amount(100));
        lineage.credit("bank", amount(50));
        lineage.credit("stripe", amount(50));
        let taken = lineage.debit(amount(120), order);
        let plain = |pairs: Vec<(String, Amount)>| {
            let pairs = pairs.into_iter();
            pairs.map(|(name, part)| (name, part.minor())).collect()
        };
        let left = lineage.providers.iter();
        let left = left
            .map(|it| (it.provider.clone(), it.available()))
            .collect();
        assert_eq!(lineage.total(), amount(80));
        (plain(taken), plain(left))
    }

    #[test]
    fn each_order_takes_from_its_own_providers() {
        let named = |stripe: i128, bank: i128| {
            vec![("stripe".to_owned(), stripe), ("bank".to_owned(), bank)]
        };
        assert_eq!(after(Allocation::Fifo), (named(100, 20), named(50, 30)));
        assert_eq!(after(Allocation::Lifo), (named(70, 50), named(80, 0)));
        assert_eq!(
            after(Allocation::Proportional),
            (named(90, 30), named(60, 20))
        );
    }

    #[test]
    fn what_is_beyond_the_providers_is_nobodys() {
        let mut lineage = Lineage::default();
        assert!(lineage.debit(amount(5), Allocation::Fifo).is_empty());
        lineage.credit("a", amount(3));
        let taken = lineage.debit(amount(5), Allocation::Proportional);
        assert_eq!(taken, [("a".to_owned(), amount(3))]);
        assert_eq!(lineage.total(), Amount::ZERO);
    }
}
