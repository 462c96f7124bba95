//! What only a ledger balance has, beside what every account has.

use serde_json::{Map, Value};

use crate::domain::{ids::AccountNo, money::Asset};

/// What an account of medium [`Balance`](crate::domain::account::Medium::Balance) is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceFace {
    /// The one thing that is counted.
    pub asset: Asset,
    /// The ledger (folder) it stands in: the whole id, `ldg_…`.
    pub ledger_id: String,
    /// Its name that begins with `@`, if it was made by one.
    pub indicator: Option<String>,
    /// Whose it is: the whole id, `idt_…`.
    pub identity_id: Option<String>,
    /// Whether the providers of its money are followed.
    pub tracks_lineage: bool,
    /// Which provider's money is spent first, where they are followed.
    pub allocation: Allocation,
}

/// Which provider's money is spent first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// What came first.
    #[default]
    Fifo,
    /// What came last.
    Lifo,
    /// Of each a part.
    Proportional,
}

impl Allocation {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fifo => "FIFO",
            Self::Lifo => "LIFO",
            Self::Proportional => "PROPORTIONAL",
        }
    }
}

/// A change of a ledger balance's face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchBalance {
    /// Which.
    pub account: AccountNo,
    /// Merged into its metadata, deeply; a null removes its key.
    pub merge: Option<Map<String, Value>>,
    /// What else changes.
    pub set: SetFace,
}

/// What else changes of a ledger balance's face; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetFace {
    /// Whose it is from now on.
    pub identity_id: Option<String>,
}
