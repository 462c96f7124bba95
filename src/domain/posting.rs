//! Double entry: one movement of money, balanced because it has a source and a destination.

use std::sync::Arc;

use super::{
    ids::LedgerNo,
    money::{Amount, Asset},
};

/// An account of the house: only ever a sum over the log, never in an actor's way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum House {
    /// Everything outside: where deposits come from and withdrawals go.
    World,
    /// What merchants are owed by way of the network.
    Settlement,
    /// Who earns a fee, by the fee's account URN.
    Treasury(Arc<str>),
    /// Money between two actors.
    Transit,
    /// Money whose account is gone.
    Suspense,
}

/// Where money is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A ledger account's `current`: what it may spend.
    Spendable(LedgerNo),
    /// A ledger account's `pending`: what is held.
    Held(LedgerNo),
    /// A house account.
    House(House),
}

impl Place {
    /// The ledger account, unless it is the house's.
    #[must_use]
    pub const fn ledger(&self) -> Option<LedgerNo> {
        match self {
            Self::Spendable(ledger) | Self::Held(ledger) => Some(*ledger),
            Self::House(_) => None,
        }
    }
}

/// One movement: `amount` of `asset` leaves `source` and reaches `destination`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Where it leaves.
    pub source: Place,
    /// Where it arrives.
    pub destination: Place,
    /// What is counted.
    pub asset: Asset,
    /// How much, in the asset's smallest unit.
    pub amount: Amount,
}
