//! Balances: made, found by name, looked at, changed.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Books, BooksError, Done, Guard, Origin};
use crate::domain::{
    books::{Allocation, BalanceFace, SetFace},
    funds,
    ids::AccountNo,
    money::{Amount, Asset},
    time::Timestamp,
    uuids::BalanceId,
};

/// A balance to make.
#[derive(Clone, Debug)]
pub struct NewBalance {
    /// What is counted.
    pub asset: Asset,
    /// The ledger it stands in: the whole id.
    pub ledger_id: String,
    /// Whose it is.
    pub identity_id: Option<String>,
    /// Whether the providers of its money are followed.
    pub tracks_lineage: bool,
    /// Which provider's money is spent first.
    pub allocation: Allocation,
    /// A JSON object as text.
    pub metadata: String,
}

/// The ledger in which balances by indicator stand: one for each origin, not made by anyone.
pub const GENERAL_LEDGER_ID: &str = "general_ledger_id";
/// The ledger in which the programme's cards and pockets stand.
pub const CARDS_LEDGER_ID: &str = "cards_ledger_id";

/// A balance as it stands, on disk.
#[derive(Clone, Debug)]
pub struct BalanceView {
    /// Its id.
    pub id: BalanceId,
    /// The first account in front of the money.
    pub account: AccountNo,
    /// That account's URN.
    pub urn: String,
    /// What only a ledger balance has; none for the money of a card or pocket.
    pub face: Option<BalanceFace>,
    /// What is counted.
    pub asset: Asset,
    /// The money.
    pub balance: funds::Balance,
    /// What of `balance.pending` is reserved for heads that are not decided.
    pub reserved: Amount,
    /// What is inflight towards it.
    pub expected: Amount,
    /// What heads that are not decided would bring it.
    pub expected_reserved: Amount,
    /// When the first of what is inflight from it is let go.
    pub expires_at: Option<Timestamp>,
    /// How many records of its group there are.
    pub version: u64,
    /// A JSON object as text.
    pub metadata: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl BalanceView {
    /// The ledger it stands in.
    #[must_use]
    pub fn ledger_id(&self) -> &str {
        self.face
            .as_ref()
            .map_or(CARDS_LEDGER_ID, |face| &face.ledger_id)
    }
}

impl Books {
    /// Makes a balance.
    ///
    /// # Errors
    ///
    /// [`BooksError`]. Whether the ledger and the identity exist, the caller has seen.
    pub async fn open_balance(
        self: &Arc<Self>,
        _origin: &Origin,
        _new: NewBalance,
        _guard: Guard,
    ) -> Result<Done<BalanceView>, BooksError> {
        Err(BooksError::NotFound("balance"))
    }

    /// A balance by its id.
    ///
    /// # Errors
    ///
    /// [`BooksError::NotFound`], also for another origin's.
    pub async fn balance(
        &self,
        _origin: &Origin,
        _id: BalanceId,
    ) -> Result<BalanceView, BooksError> {
        Err(BooksError::NotFound("balance"))
    }

    /// The balance of an indicator (`@World`) in an asset, made now if there is none.
    ///
    /// # Errors
    ///
    /// [`BooksError`].
    pub async fn indicator(
        self: &Arc<Self>,
        _origin: &Origin,
        _indicator: &str,
        _asset: Asset,
    ) -> Result<BalanceView, BooksError> {
        Err(BooksError::NotFound("balance"))
    }

    /// The balance of an indicator in an asset, if there is one.
    ///
    /// # Errors
    ///
    /// [`BooksError::NotFound`].
    pub async fn known_indicator(
        &self,
        _origin: &Origin,
        _indicator: &str,
        _asset: Asset,
    ) -> Result<BalanceView, BooksError> {
        Err(BooksError::NotFound("balance"))
    }

    /// Every balance in front of the money of an account: one for each asset.
    ///
    /// # Errors
    ///
    /// [`BooksError::NotFound`], also for another origin's.
    pub async fn balances_of(
        &self,
        _origin: &Origin,
        _account: AccountNo,
    ) -> Result<Vec<BalanceView>, BooksError> {
        Err(BooksError::NotFound("balance"))
    }

    /// Changes a balance's face; answers with its metadata. A card's or pocket's metadata is merged as the
    /// programme face merges it.
    ///
    /// # Errors
    ///
    /// [`BooksError`].
    pub async fn patch_balance(
        &self,
        _origin: &Origin,
        _id: BalanceId,
        _merge: Option<Map<String, Value>>,
        _set: SetFace,
    ) -> Result<String, BooksError> {
        Err(BooksError::NotFound("balance"))
    }
}
