//! What may be spent, from what, at what price: the house's terms, and what a card's metadata says.

pub mod fees;
pub mod metadata;
pub mod route;

use std::sync::Arc;

use super::{
    merchant::Mcc,
    money::{Asset, Currency, Decimal},
};

/// What a card's metadata says of money; parsed when it is set, kept with the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `default_asset`.
    pub default_asset: Option<Asset>,
    /// `fallback_asset`.
    pub fallback_asset: Option<Asset>,
    /// `currency_asset_map`, in the order of the currencies' codes.
    pub currency_assets: Vec<(Currency, Vec<Asset>)>,
}

/// An asset the house knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetTerm {
    /// The asset.
    pub asset: Asset,
    /// The currency whose unit it equals, if any.
    pub pegged: Option<Currency>,
}

/// A fee the house sets. Source: Bloque docs, Fee Configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeTerm {
    /// Its name; a later layer replaces a fee of the same name.
    pub name: Arc<str>,
    /// Who earns it.
    pub treasury: Arc<str>,
    /// A fraction of the debit.
    pub fraction: Decimal,
}

/// The house's terms, from the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Every asset that may be held.
    pub assets: Vec<AssetTerm>,
    /// What a card draws on unless its metadata says otherwise.
    pub default_asset: Asset,
    /// The base layer of fees.
    pub fees: Vec<FeeTerm>,
    /// How long a hold lasts, in seconds.
    pub hold_seconds: i64,
    /// Other lifetimes by category, in seconds; the first range that holds the code counts.
    pub hold_seconds_by_mcc: Vec<(Mcc, Mcc, i64)>,
    /// How far a capture may exceed its authorization before the rest is an adjustment, as a
    /// fraction of the authorized amount.
    pub over_capture: Decimal,
}

impl Terms {
    /// What the house knows of `asset`.
    #[must_use]
    pub fn asset(&self, asset: Asset) -> Option<&AssetTerm> {
        self.assets.iter().find(|term| term.asset == asset)
    }

    /// How long a hold for this category lasts, in seconds.
    #[must_use]
    pub fn hold_seconds(&self, mcc: Option<Mcc>) -> i64 {
        let listed = mcc.and_then(|mcc| {
            let fits = |(from, to, _): &&(Mcc, Mcc, i64)| *from <= mcc && mcc <= *to;
            self.hold_seconds_by_mcc.iter().find(fits)
        });
        listed.map_or(self.hold_seconds, |(_, _, seconds)| *seconds)
    }
}
