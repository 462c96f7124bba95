//! What the books know beside the actors: money inflight towards balances, when what falls due, heads that
//! are not decided, balances by indicator. Folds over the log, rebuilt at recovery.

use crate::domain::{
    account::Account,
    event::Event,
    group::Group,
    ids::{AccountNo, ActorId, LedgerNo},
    money::{Amount, Asset},
};

/// The folds.
#[derive(Debug, Default)]
pub struct BooksIndex {}

impl BooksIndex {
    /// Follows what was just applied.
    pub fn follow(&self, _actor: ActorId, _event: &Event) {}

    /// Notes what recovery found.
    pub fn recovered(&self, _group: &Group) {}

    /// Notes an account that was opened, or that recovery found.
    pub fn opened(&self, _account: &Account) {}

    /// What is inflight towards a balance, what heads that are not decided would bring it, and up to where
    /// the log must be on disk for that to be true.
    #[must_use]
    pub fn expected(&self, _ledger: LedgerNo, _asset: Asset) -> (Amount, Amount, u64) {
        (Amount::ZERO, Amount::ZERO, 0)
    }

    /// The balance of an indicator, if it was made.
    #[must_use]
    pub fn indicator(&self, _origin: &str, _indicator: &str, _asset: Asset) -> Option<AccountNo> {
        None
    }
}
