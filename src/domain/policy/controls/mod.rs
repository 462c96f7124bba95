//! What a card may be used for, and how much of it: rules beyond the balance.

mod check;
mod shown;
mod standing;
mod usage;

use std::sync::Arc;

pub use self::{shown::Shown, standing::Standing};

use crate::domain::{
    country::Country,
    ids::{AccountNo, AuthorizationId},
    merchant::Mcc,
    money::{Amount, Currency},
    time::Timestamp,
};

/// The controls of a card, a pocket or an origin.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Controls {
    /// The currency in whose minor unit the limits count; the house's if none is said.
    pub currency: Option<Currency>,
    /// How much and how often.
    pub limits: Vec<Limit>,
    /// Merchant categories.
    pub mcc: Rule<MccRange>,
    /// Merchants, by the acquirer's id.
    pub merchants: Rule<Arc<str>>,
    /// Countries, ISO 3166-1 alpha-3 in capitals.
    pub countries: Rule<Country>,
    /// Ways of using the card; any if empty.
    pub channels: Vec<Channel>,
    /// Times of the local week; any if empty.
    pub hours: Vec<Hours>,
    /// Whether the card closes after its first capture.
    pub is_single_use: bool,
    /// Whether the card stays with the first merchant that it was approved for.
    pub is_merchant_locked: bool,
}

impl Controls {
    /// None at all.
    pub const NONE: Self = Self {
        currency: None,
        limits: Vec::new(),
        mcc: Rule::ANY,
        merchants: Rule::ANY,
        countries: Rule::ANY,
        channels: Vec::new(),
        hours: Vec::new(),
        is_single_use: false,
        is_merchant_locked: false,
    };
}

/// What is allowed and what is denied; a denial outranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<T> {
    /// Only these, if there is a list.
    pub allow: Option<Vec<T>>,
    /// Not these.
    pub deny: Vec<T>,
}

impl<T> Rule<T> {
    /// Anything.
    pub const ANY: Self = Self {
        allow: None,
        deny: Vec::new(),
    };
}

impl<T> Default for Rule<T> {
    fn default() -> Self {
        Self::ANY
    }
}

/// Merchant categories from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MccRange {
    /// The first.
    pub from: Mcc,
    /// The last.
    pub to: Mcc,
}

/// How a card is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// `ECOMMERCE`, and mail or telephone order.
    Ecommerce,
    /// `POS`.
    Pos,
    /// `ATM`.
    Atm,
}

/// A span of the local week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The days it is on: bit 0 is Monday.
    pub days: u8,
    /// From this minute of the day.
    pub from: u16,
    /// Until this minute of the day, not included; past midnight if it is not after `from`.
    pub until: u16,
}

/// A limit in one window: of the sum, of the count, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Over which time.
    pub window: Window,
    /// The most that may be authorized in it, in the controls' currency's minor unit.
    pub amount: Option<Amount>,
    /// How many authorizations may be approved in it.
    pub count: Option<u32>,
}

/// The time over which a limit counts.
///
/// What is authorized counts, at the moment of the authorization, captured or not; what is released
/// without capture is given back, what is refunded is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    /// Each purchase by itself.
    Transaction,
    /// Since midnight of the house's time zone.
    Day,
    /// Since Monday.
    Week,
    /// Since the first of the month.
    Month,
    /// Since the first of January.
    Year,
    /// Since ever.
    Lifetime,
    /// The last so many seconds.
    Rolling(u32),
}

/// Where a moment stands in the house's time zone: worked out outside, because rules for time zones
/// change and a replay must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// When its day began.
    pub day: Timestamp,
    /// When its week began: Monday.
    pub week: Timestamp,
    /// When its month began.
    pub month: Timestamp,
    /// When its year began.
    pub year: Timestamp,
    /// The day of the week, 0 is Monday.
    pub weekday: u8,
    /// The minute of the day.
    pub minute: u16,
}

impl Calendar {
    /// Where a moment stands in UTC.
    #[must_use]
    pub fn utc(now: Timestamp) -> Self {
        let (day, in_month, in_year) = now.utc_day();
        let back = |days: i64| day.plus_seconds(days.saturating_mul(-86_400));
        // Day 0, 1 January 1970, was a Thursday.
        let weekday = day
            .seconds()
            .div_euclid(86_400)
            .saturating_add(3)
            .rem_euclid(7);
        let minute = now.seconds().rem_euclid(86_400).div_euclid(60);
        Self {
            day,
            week: back(weekday),
            month: back(in_month),
            year: back(in_year),
            weekday: u8::try_from(weekday).unwrap_or(0),
            minute: u16::try_from(minute).unwrap_or(0),
        }
    }
}

/// What was counted against an account's limits, from the moment it first had any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The merchant that a merchant-locked card stays with.
    pub merchant: Option<String>,
    /// Whether it stays with it only if a purchase there, of which the programme is being asked, is
    /// approved.
    pub is_tentative: bool,
    /// Whether a single-use card was used.
    pub is_spent: bool,
    /// By currency; one without a currency where only purchases are counted.
    pub tallies: Vec<Tally>,
}

/// What was counted in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The currency; none where only purchases are counted.
    pub currency: Option<Currency>,
    /// By calendar window: day, week, month, year, lifetime.
    pub windows: [Counter; 5],
    /// One by one, oldest first, as far back as the longest rolling window looks.
    pub recent: Vec<Recent>,
}

/// What was counted in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// When the window began.
    pub since: Timestamp,
    /// How much, in the currency's minor unit.
    pub amount: Amount,
    /// How many.
    pub count: u32,
}

/// One purchase that a rolling window may look at, or several that were told apart no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Which.
    pub authorization: AuthorizationId,
    /// When.
    pub at: Timestamp,
    /// How much, in the currency's minor unit.
    pub amount: Amount,
    /// How many purchases it counts as: one, or none for what an increment added.
    pub purchases: u32,
}

/// What an approval or a step changes beside money.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Where the moment of the decision stood, if something was counted.
    pub calendar: Option<Calendar>,
    /// How far back each counted account's rolling windows look, in seconds.
    pub rolling_seconds: u32,
    /// Whether the card is locked to the merchant of this purchase from now on; for good, unless the
    /// programme is being asked.
    pub locks_merchant: bool,
    /// Whether the card is no longer locked, because the programme said no to the purchase that did it.
    pub unlocks_merchant: bool,
    /// Whether the card is used up.
    pub spends_card: bool,
}

/// Which rule refused a purchase, and how much it would have left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose rule.
    pub scope: Scope,
    /// Which, by the metadata's key: `mcc.deny`, `limits.day.amount`.
    pub control: String,
    /// What the limit is, in the currency's minor unit, or a count.
    pub limit: Option<Amount>,
    /// How much of it is left.
    pub left: Option<Amount>,
    /// The currency of both; none for a count.
    pub currency: Option<Currency>,
}

/// Whose controls are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The card's, or a pocket's.
    Account(AccountNo),
    /// The origin's.
    Origin,
}
