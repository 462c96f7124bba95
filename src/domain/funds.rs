//! Ledger accounts and their balances, and the one way they change: postings.

use super::{
    ids::LedgerNo,
    money::{Amount, Asset, MoneyError},
    posting::{Place, Posting},
};

/// What a ledger account has of one asset, in smallest units.
///
/// Always `current + pending == incoming − outgoing`, and `pending >= 0`. `current` goes below
/// zero only by a clearing, which cannot be declined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Spendable.
    pub current: i128,
    /// Held for authorizations.
    pub pending: i128,
    /// All that ever arrived.
    pub incoming: i128,
    /// All that ever left.
    pub outgoing: i128,
}

impl Balance {
    /// What may be spent: nothing where `current` is below zero.
    #[must_use]
    pub fn available(&self) -> Amount {
        Amount::from_minor(self.current.max(0)).unwrap_or(Amount::ZERO)
    }

    fn leave(&mut self, held: bool, amount: Amount, outward: bool) -> Result<(), MoneyError> {
        let side = if held {
            &mut self.pending
        } else {
            &mut self.current
        };
        *side = side
            .checked_sub(amount.minor())
            .ok_or(MoneyError::OutOfRange)?;
        if outward {
            self.outgoing = self
                .outgoing
                .checked_add(amount.minor())
                .ok_or(MoneyError::OutOfRange)?;
        }
        Ok(())
    }

    fn arrive(&mut self, held: bool, amount: Amount, inward: bool) -> Result<(), MoneyError> {
        let side = if held {
            &mut self.pending
        } else {
            &mut self.current
        };
        *side = side
            .checked_add(amount.minor())
            .ok_or(MoneyError::OutOfRange)?;
        if inward {
            self.incoming = self
                .incoming
                .checked_add(amount.minor())
                .ok_or(MoneyError::OutOfRange)?;
        }
        Ok(())
    }

    /// Whether the two sides agree and nothing negative is held.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let has = self.current.checked_add(self.pending);
        has.is_some() && has == self.incoming.checked_sub(self.outgoing) && self.pending >= 0
    }
}

/// The money behind one or more accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerAccount {
    /// Its number.
    pub no: LedgerNo,
    /// By asset, in the order in which they first came.
    pub balances: Vec<(Asset, Balance)>,
}

impl LedgerAccount {
    /// Without money.
    #[must_use]
    pub const fn new(no: LedgerNo) -> Self {
        Self {
            no,
            balances: Vec::new(),
        }
    }

    /// The balance of `asset`, zero if it never had any.
    #[must_use]
    pub fn balance(&self, asset: Asset) -> Balance {
        let held = self.balances.iter().find(|(known, _)| *known == asset);
        held.map(|(_, balance)| *balance).unwrap_or_default()
    }

    fn entry(&mut self, asset: Asset) -> &mut Balance {
        let index = self.balances.iter().position(|(known, _)| *known == asset);
        let index = index.unwrap_or_else(|| {
            self.balances.push((asset, Balance::default()));
            self.balances.len().saturating_sub(1)
        });
        let (_, balance) = self
            .balances
            .get_mut(index)
            .expect("Invariant: the asset's entry was just found or made");
        balance
    }
}

/// Moves money between ledger accounts and the house.
///
/// The house's side is not kept here: it is a fold over the log.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`] if a balance would leave the range of i128; then the accounts are
/// half changed and to be thrown away (callers that decide work on a copy).
pub fn post(ledgers: &mut [LedgerAccount], posting: &Posting) -> Result<(), MoneyError> {
    let crosses = posting.source.ledger() != posting.destination.ledger();
    for (place, arrives) in [(&posting.source, false), (&posting.destination, true)] {
        let Some(no) = place.ledger() else { continue };
        let held = matches!(place, Place::Held(_));
        let ledger = ledgers.iter_mut().find(|ledger| ledger.no == no);
        let ledger = ledger.ok_or(MoneyError::OutOfRange)?;
        let balance = ledger.entry(posting.asset);
        if arrives {
            balance.arrive(held, posting.amount, crosses)?;
        } else {
            balance.leave(held, posting.amount, crosses)?;
        }
    }
    Ok(())
}
