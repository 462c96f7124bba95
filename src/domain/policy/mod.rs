//! What may be spent, from what, at what price: the house's terms, and what a card's metadata says.

pub mod cashback;
pub mod controls;
pub mod fees;
pub mod metadata;
pub mod origin;
pub mod price;
mod purse;
pub mod route;

use std::sync::Arc;

use self::{cashback::Programme, controls::Controls, fees::FeeTerm, metadata::MetadataError};
use super::{
    account::{Account, Medium, Status},
    ids::AccountNo,
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
    /// What it says beyond which assets pay; most cards say nothing of it.
    pub rules: Option<Box<Rules>>,
}

/// The part of a [`Policy`] that few cards have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// With `spending_control: "smart"`, the pockets of `priority_mcc` in order; empty with the
    /// default control, where the card itself pays.
    pub pockets: Vec<Pocket>,
    /// `spending_fees`: the last layer.
    pub fees: Vec<FeeTerm>,
    /// `cashback_programs`.
    pub cashback: Vec<Programme>,
    /// `controls`: limits, allowed and denied merchants, hours.
    pub controls: Controls,
}

/// A pocket that a smart card may draw on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pocket {
    /// Its account.
    pub account: AccountNo,
    /// The whole URN, as the metadata named it.
    pub urn: Arc<str>,
    /// Which merchants it is for; any, if none is said.
    pub whitelist: Option<Whitelist>,
}

/// Which merchant categories a pocket is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whitelist {
    /// These, sorted.
    Codes(Vec<Mcc>),
    /// Those of the JSON array at this URL; none while it was never fetched.
    Url(Arc<str>),
}

impl Policy {
    /// The rules, or none at all.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        static NONE: Rules = Rules::NONE;
        self.rules.as_deref().unwrap_or(&NONE)
    }

    /// The accounts that must share the card's actor: its pockets, and where its cashback goes; each
    /// with its URN and the metadata's key that names it.
    #[must_use]
    pub fn linked(&self) -> Vec<Link> {
        let rules = self.rules();
        let pockets = rules.pockets.iter().enumerate().map(|(n, pocket)| Link {
            account: pocket.account,
            urn: pocket.urn.clone(),
            key: format!("metadata.priority_mcc[{n}]"),
        });
        let targets = rules
            .cashback
            .iter()
            .enumerate()
            .map(|(n, programme)| Link {
                account: programme.target,
                urn: programme.target_urn.clone(),
                key: format!("metadata.cashback_programs[{n}].target_pocket_urn"),
            });
        pockets.chain(targets).collect()
    }

    /// The URLs whose lists it needs.
    pub fn urls(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rules()
            .pockets
            .iter()
            .filter_map(|pocket| match &pocket.whitelist {
                Some(Whitelist::Url(url)) => Some(url),
                Some(Whitelist::Codes(_)) | None => None,
            })
    }
}

/// An account that a card's metadata names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The account.
    pub account: AccountNo,
    /// The whole URN.
    pub urn: Arc<str>,
    /// The key that names it.
    pub key: String,
}

impl Link {
    /// The key that puts an account in front of other money.
    pub const LEDGER_KEY: &'static str = "ledger_account_id";

    /// Says whether `account` may be drawn on by a card of `holder_urn`.
    ///
    /// # Errors
    ///
    /// [`MetadataError`] under the link's key if it is deleted, has another URN or another holder.
    pub fn check(&self, account: &Account, holder_urn: &str) -> Result<(), MetadataError> {
        let refused = |what: &str| {
            Err(MetadataError {
                key: self.key.clone(),
                what: what.to_owned(),
            })
        };
        if account.status == Status::Deleted || *account.urn() != *self.urn {
            return refused("must be an account that exists");
        }
        if account.holder_urn != holder_urn && !self.is_balance(account, holder_urn) {
            return refused("must be an account of the same holder");
        }
        Ok(())
    }

    /// Whether it puts an account in front of a ledger balance of the holder's origin: balances are the
    /// origin's own. Whether the caller may say so is its face's to know.
    fn is_balance(&self, account: &Account, holder_urn: &str) -> bool {
        let origin = holder_urn.split(':').nth(2).unwrap_or_default();
        self.key == Self::LEDGER_KEY
            && matches!(account.medium, Medium::Balance(_))
            && account.origin() == origin
    }
}

impl Rules {
    /// None at all.
    pub const NONE: Self = Self {
        pockets: Vec::new(),
        fees: Vec::new(),
        cashback: Vec::new(),
        controls: Controls::NONE,
    };
}

/// An asset the house knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetTerm {
    /// The asset.
    pub asset: Asset,
    /// The currency whose unit it equals, if any.
    pub pegged: Option<Currency>,
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
    /// How old a rate may be and still be used, in seconds.
    pub rate_age_seconds_max: i64,
    /// The house's own currency: two others are compared through it, and limits count in it unless
    /// they say otherwise.
    pub base_currency: Currency,
}

impl Terms {
    /// The same terms with texts of their own. Processors that share a text wait for each other whenever one
    /// of them takes it up or puts it down.
    #[must_use]
    pub fn apart(&self) -> Self {
        let mut own = self.clone();
        for fee in &mut own.fees {
            (fee.name, fee.treasury) = ((*fee.name).into(), (*fee.treasury).into());
        }
        own
    }

    /// What the house knows of `asset`: what its configuration says; and a bare code of ISO 4217 is that
    /// currency itself.
    #[must_use]
    pub fn asset(&self, asset: Asset) -> Option<AssetTerm> {
        if !asset.is_bare() {
            return self.assets.iter().find(|term| term.asset == asset).copied();
        }
        let currency: Option<Currency> = asset.symbol().parse().ok();
        let currency = currency.filter(|currency| currency.digits() == asset.decimals());
        currency.map(|currency| AssetTerm {
            asset,
            pegged: Some(currency),
        })
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
