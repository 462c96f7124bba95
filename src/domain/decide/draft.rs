//! A movement being drawn up on copies of the ledger accounts it touches.

use crate::domain::{
    event::{LedgerAfter, Movement},
    funds::{self, LedgerAccount},
    group::Group,
    ids::{AccountNo, LedgerNo},
    money::{Amount, Asset, MoneyError},
    posting::{Place, Posting},
};

/// Collects postings and what they lead to.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    group: &'a Group,
    ledgers: Vec<LedgerAccount>,
    postings: Vec<Posting>,
}

impl<'a> Draft<'a> {
    pub(super) const fn new(group: &'a Group) -> Self {
        Self {
            group,
            ledgers: Vec::new(),
            postings: Vec::new(),
        }
    }

    /// A movement of a card's authorization: what the card itself has comes first in it, because that
    /// is what is shown.
    pub(super) fn of_card(group: &'a Group, card: AccountNo) -> Result<Self, MoneyError> {
        let mut draft = Self::new(group);
        if let Some(account) = group.account(card) {
            draft.touch(account.ledger)?;
        }
        Ok(draft)
    }

    /// Takes a ledger account into the movement, so that its balances stand in the event.
    pub(super) fn touch(&mut self, no: LedgerNo) -> Result<(), MoneyError> {
        if self.ledgers.iter().all(|ledger| ledger.no != no) {
            let ledger = self.group.ledger(no).ok_or(MoneyError::OutOfRange)?;
            self.ledgers.push(ledger.clone());
        }
        Ok(())
    }

    /// Moves `amount`; nothing at all if it is zero.
    pub(super) fn post(
        &mut self,
        source: Place,
        destination: Place,
        asset: Asset,
        amount: Amount,
    ) -> Result<(), MoneyError> {
        for ledger in [source.ledger(), destination.ledger()]
            .into_iter()
            .flatten()
        {
            self.touch(ledger)?;
        }
        if amount.is_zero() {
            return Ok(());
        }
        let posting = Posting {
            source,
            destination,
            asset,
            amount,
        };
        funds::post(&mut self.ledgers, &posting)?;
        self.postings.push(posting);
        Ok(())
    }

    /// What `no` may spend of `asset` after the postings so far.
    pub(super) fn available(&self, no: LedgerNo, asset: Asset) -> Amount {
        let drafted = self.ledgers.iter().find(|ledger| ledger.no == no);
        let ledger = drafted.or_else(|| self.group.ledger(no));
        ledger.map_or(Amount::ZERO, |ledger| ledger.balance(asset).available())
    }

    /// What `no` has to spend of `asset` after the postings so far, below zero if it owes.
    pub(super) fn current(&self, no: LedgerNo, asset: Asset) -> i128 {
        let drafted = self.ledgers.iter().find(|ledger| ledger.no == no);
        let ledger = drafted.or_else(|| self.group.ledger(no));
        ledger.map_or(0, |ledger| ledger.balance(asset).current)
    }

    /// The postings since the last cut and what they lead to, as a movement of its own; what is posted
    /// from now on goes on from there.
    pub(super) fn cut(&mut self) -> Movement {
        let postings = std::mem::take(&mut self.postings);
        let touched = postings
            .iter()
            .flat_map(|posting| [posting.source.ledger(), posting.destination.ledger()])
            .flatten();
        let mut after: Vec<LedgerAfter> = Vec::new();
        for no in touched {
            let is_there = after.iter().any(|known| known.ledger == no);
            let ledger = self.ledgers.iter().find(|ledger| ledger.no == no);
            if let (false, Some(ledger)) = (is_there, ledger) {
                after.push(LedgerAfter {
                    ledger: no,
                    balances: ledger.balances.clone(),
                });
            }
        }
        Movement { postings, after }
    }

    pub(super) fn finish(self) -> Movement {
        let after = |ledger: LedgerAccount| LedgerAfter {
            ledger: ledger.no,
            balances: ledger.balances,
        };
        Movement {
            postings: self.postings,
            after: self.ledgers.into_iter().map(after).collect(),
        }
    }
}
