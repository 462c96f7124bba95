//! Why a purchase was decided as it was: recorded with it, at small cost, and shown on request.

use std::sync::Arc;

use super::{
    ids::AccountNo,
    money::{Amount, Asset, Decimal},
    policy::controls::{Refused, Scope},
    time::Timestamp,
};

/// What was looked at, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The control that refused; all controls were passed if there is none.
    pub refused: Option<Box<Refused>>,
    /// The assets that were tried.
    pub candidates: Vec<Candidate>,
    /// The purchase in US dollars as rules on it saw it, where one asked.
    pub usd: Option<Decimal>,
}

impl Explanation {
    /// Calls `add` with every account that it names.
    pub fn for_each_account(&self, add: &mut impl FnMut(AccountNo)) {
        if let Some(refused) = &self.refused
            && let Scope::Account(no) = refused.scope
        {
            add(no);
        }
        for source in self.candidates.iter().flat_map(|tried| &tried.sources) {
            add(source.account);
        }
    }
}

/// One asset that might have paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub asset: Asset,
    /// What came of it.
    pub verdict: Verdict,
    /// How it was converted; none for a direct match or where there was no rate.
    pub conversion: Option<Box<Conversion>>,
    /// The whole debit, surcharges included, where it could be worked out.
    pub required: Option<Amount>,
    /// Who was asked, in order; empty where only the card itself could be.
    pub sources: Vec<Source>,
}

/// How an amount was converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Units of local currency per unit of asset, before the spread; rounded for show.
    pub mid: Decimal,
    /// The sum of the `fx` fees that applied.
    pub spread: Decimal,
    /// When the oldest part of the rate was made.
    pub at: Timestamp,
    /// Where it came from.
    pub source: Arc<str>,
}

/// What came of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It pays.
    Chosen,
    /// It pays a part, because that was allowed.
    ChosenInPart,
    /// No rate is known.
    NoRate,
    /// A rate is known, and too old.
    StaleRate,
    /// Its money does not cover the debit.
    Short,
}

/// One account that might have paid a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which.
    pub account: AccountNo,
    /// What it could have paid.
    pub available: Amount,
    /// What it pays.
    pub taken: Amount,
    /// Why it was passed over, if it was.
    pub passed_over: Option<PassedOver>,
}

/// Why an account was not drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// It is not for this merchant's category.
    Category,
    /// Its list of categories has never arrived.
    NoList,
    /// It is not active.
    NotActive,
    /// It is not here: linked by metadata, never brought together.
    NotLinked,
    /// Its own controls refuse.
    Controls,
}

impl PassedOver {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Category => "mcc_not_whitelisted",
            Self::NoList => "whitelist_never_fetched",
            Self::NotActive => "not_active",
            Self::NotLinked => "not_linked",
            Self::Controls => "controls",
        }
    }
}

impl Verdict {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::ChosenInPart => "chosen_in_part",
            Self::NoRate => "no_rate",
            Self::StaleRate => "stale_rate",
            Self::Short => "insufficient_funds",
        }
    }
}
