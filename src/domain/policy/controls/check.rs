//! Which control refuses a purchase, and what it says.

use super::{
    Calendar, Controls, Hours, Limit, MccRange, Refused, Rule, Scope, Shown, Usage, Window,
};
use crate::domain::{
    merchant::Mcc,
    money::{Amount, Currency},
    outcome::DeclineReason,
    time::Timestamp,
};

impl Controls {
    /// Whether nothing is controlled.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        // Asked of every purchase. All of them by name, so that a new one cannot be left out.
        let Self {
            currency,
            limits,
            mcc,
            merchants,
            countries,
            channels,
            hours,
            is_single_use,
            is_merchant_locked,
        } = self;
        currency.is_none()
            && limits.is_empty()
            && mcc.is_any()
            && merchants.is_any()
            && countries.is_any()
            && channels.is_empty()
            && hours.is_empty()
            && !*is_single_use
            && !*is_merchant_locked
    }

    /// Whether anything is counted.
    #[must_use]
    pub const fn has_limits(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Whether anything is counted whose value in [`Self::currency`] must be known.
    #[must_use]
    pub fn has_amount_limits(&self) -> bool {
        self.limits.iter().any(|limit| limit.amount.is_some())
    }

    /// How far back its longest rolling window looks, in seconds.
    #[must_use]
    pub fn rolling_seconds(&self) -> u32 {
        let seconds = self.limits.iter().map(|limit| match limit.window {
            Window::Rolling(seconds) => seconds,
            Window::Transaction
            | Window::Day
            | Window::Week
            | Window::Month
            | Window::Year
            | Window::Lifetime => 0,
        });
        seconds.max().unwrap_or(0)
    }

    /// The currency that its limits of amounts are in: `house` unless they name one.
    #[must_use]
    pub fn currency_or(&self, house: Currency) -> Currency {
        self.currency.unwrap_or(house)
    }

    /// The tallies in which a purchase must be counted for these controls: the one of mere numbers
    /// as soon as there is any limit, so that a number survives a change of limits; and the one of
    /// their currency, `house` unless they name one, if an amount is limited.
    pub fn counted_in(&self, house: Currency) -> impl Iterator<Item = Option<Currency>> {
        let numbers = self.has_limits().then_some(None);
        let amounts = self
            .has_amount_limits()
            .then(|| Some(self.currency_or(house)));
        numbers.into_iter().chain(amounts)
    }

    /// The first rule, limits aside, that refuses the purchase. They are asked in this order: single
    /// use, merchant lock, MCC, merchant, country, channel, hours; of a rule's two lists, the denied
    /// before the allowed.
    ///
    /// A list of what is allowed refuses a purchase that does not say; a list of what is denied
    /// lets it pass.
    #[must_use]
    pub fn refuses(
        &self,
        scope: Scope,
        shown: &Shown<'_>,
        usage: Option<&Usage>,
    ) -> Option<(DeclineReason, Refused)> {
        use DeclineReason as Reason;
        let (reason, control) = if self.is_single_use && usage.is_some_and(|usage| usage.is_spent) {
            (Reason::SingleUseSpent, "single_use")
        } else if self.is_locked_out(shown.merchant, usage) {
            (Reason::MerchantNotAllowed, "merchant_locked")
        } else if let Some(list) = self.mcc.refusing(shown.mcc, |range, mcc| range.holds(mcc)) {
            (Reason::MccNotAllowed, list.named("mcc.deny", "mcc.allow"))
        } else if let Some(list) = self
            .merchants
            .refusing(shown.merchant, |known, merchant| **known == *merchant)
        {
            let control = list.named("merchants.deny", "merchants.allow");
            (Reason::MerchantNotAllowed, control)
        } else if let Some(list) = self
            .countries
            .refusing(shown.country, |known, country| *known == country)
        {
            let control = list.named("countries.deny", "countries.allow");
            (Reason::CountryNotAllowed, control)
        } else if !self.channels.is_empty()
            && shown
                .channel
                .is_none_or(|channel| !self.channels.contains(&channel))
        {
            (Reason::ChannelNotAllowed, "channels")
        } else if !self.hours.is_empty()
            && !self.hours.iter().any(|hours| hours.holds(&shown.calendar))
        {
            (Reason::TimeNotAllowed, "hours")
        } else {
            return None;
        };
        let refused = Refused {
            scope,
            control: control.to_owned(),
            limit: None,
            left: None,
            currency: None,
        };
        Some((reason, refused))
    }

    /// Before the first approval any merchant may be the one, if it says who it is: one that does
    /// not could never be locked to.
    fn is_locked_out(&self, merchant: Option<&str>, usage: Option<&Usage>) -> bool {
        let locked = usage.and_then(|usage| usage.merchant.as_deref());
        self.is_merchant_locked && (merchant.is_none() || (locked.is_some() && locked != merchant))
    }

    /// The first limit, in the order in which they are listed, that a further purchase would
    /// exceed; of one limit, the amount before the count.
    ///
    /// `value` is in the minor unit of `currency`, which is the controls' own or the house's; a
    /// purchase that cannot be valued in it is refused by the first limit of an amount. What an
    /// increment adds is no purchase of its own: it is held against amounts alone.
    #[expect(
        clippy::too_many_arguments,
        reason = "all of it is the caller's, and none of it belongs together"
    )]
    #[must_use]
    pub fn over_limit(
        &self,
        scope: Scope,
        value: Option<Amount>,
        is_purchase: bool,
        usage: Option<&Usage>,
        currency: Currency,
        calendar: &Calendar,
        now: Timestamp,
    ) -> Option<(DeclineReason, Refused)> {
        self.limits.iter().find_map(|limit| {
            let used = || usage.map_or(Amount::ZERO, |u| u.used(limit, currency, calendar, now));
            if let Some(most) = limit.amount
                && let Some(left) = limit.exceeded(most, value, used)
            {
                let refused = Refused {
                    scope,
                    control: limit.named("amount"),
                    limit: Some(most),
                    left,
                    currency: Some(currency),
                };
                return Some((DeclineReason::AmountLimitExceeded, refused));
            }
            let most = limit.count.filter(|_| is_purchase)?;
            let made = usage.map_or(0, |usage| usage.made(limit.window, calendar, now));
            let refused = || Refused {
                scope,
                control: limit.named("count"),
                limit: Some(count(most)),
                left: Some(Amount::ZERO),
                currency: None,
            };
            (made >= most).then(|| (DeclineReason::CountLimitExceeded, refused()))
        })
    }

    /// The limit for one transaction that a purchase of `total` in all would exceed: for an
    /// increment, which [`Self::over_limit`] sees without what was authorized before it.
    #[must_use]
    pub fn over_transaction(
        &self,
        scope: Scope,
        total: Option<Amount>,
        currency: Currency,
    ) -> Option<(DeclineReason, Refused)> {
        let ones = |limit: &&Limit| limit.window == Window::Transaction;
        self.limits.iter().filter(ones).find_map(|limit| {
            let most = limit.amount?;
            let left = limit.exceeded(most, total, || Amount::ZERO)?;
            let refused = Refused {
                scope,
                control: limit.named("amount"),
                limit: Some(most),
                left,
                currency: Some(currency),
            };
            Some((DeclineReason::AmountLimitExceeded, refused))
        })
    }
}

/// A count as a refusal shows it.
fn count(number: u32) -> Amount {
    Amount::from_minor(i128::from(number)).unwrap_or_default()
}

impl Limit {
    /// What is left of the limit, if `value` exceeds that; unknown beside a value that is unknown.
    /// Nothing exceeds nothing: a limit that was lowered below what is used lets a verification of
    /// the card pass.
    fn exceeded(
        &self,
        most: Amount,
        value: Option<Amount>,
        used: impl FnOnce() -> Amount,
    ) -> Option<Option<Amount>> {
        let Some(value) = value else {
            return Some(None);
        };
        if value.is_zero() {
            return None;
        }
        let left = most.minus_or_zero(used());
        (value > left).then_some(Some(left))
    }

    fn named(&self, what: &str) -> String {
        match self.window {
            Window::Rolling(seconds) => format!("limits.rolling_{seconds}.{what}"),
            Window::Transaction
            | Window::Day
            | Window::Week
            | Window::Month
            | Window::Year
            | Window::Lifetime => format!("limits.{}.{what}", self.window.word()),
        }
    }
}

impl Window {
    /// The word in metadata.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
            Self::Lifetime => "lifetime",
            Self::Rolling(_) => "rolling_seconds",
        }
    }

    /// Every window of the calendar, and each by itself.
    pub const WORDS: [Self; 6] = [
        Self::Transaction,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Year,
        Self::Lifetime,
    ];
}

#[derive(Clone, Copy)]
enum List {
    Denied,
    Allowed,
}

impl List {
    const fn named(self, denied: &'static str, allowed: &'static str) -> &'static str {
        match self {
            Self::Denied => denied,
            Self::Allowed => allowed,
        }
    }
}

impl<T> Rule<T> {
    /// Whether anything is allowed.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.allow.is_none() && self.deny.is_empty()
    }

    /// Which list refuses what a purchase shows, if one does.
    fn refusing<V: Copy>(&self, shown: Option<V>, is: impl Fn(&T, V) -> bool) -> Option<List> {
        let holds =
            |list: &[T]| shown.is_some_and(|shown| list.iter().any(|known| is(known, shown)));
        if holds(&self.deny) {
            return Some(List::Denied);
        }
        let is_missing = self.allow.as_ref().is_some_and(|allow| !holds(allow));
        is_missing.then_some(List::Allowed)
    }
}

impl MccRange {
    /// Whether the code lies in it.
    #[must_use]
    pub fn holds(&self, mcc: Mcc) -> bool {
        self.from <= mcc && mcc <= self.to
    }
}

impl Hours {
    /// The days by their words in metadata, each with its bit.
    pub const DAYS: [(&str, u8); 7] = [
        ("mon", 1),
        ("tue", 1 << 1),
        ("wed", 1 << 2),
        ("thu", 1 << 3),
        ("fri", 1 << 4),
        ("sat", 1 << 5),
        ("sun", 1 << 6),
    ];

    /// Whether the moment lies in it.
    #[must_use]
    pub fn holds(&self, at: &Calendar) -> bool {
        let is_on = |weekday: u8| {
            1_u8.checked_shl(weekday.into())
                .is_some_and(|bit| self.days & bit != 0)
        };
        let passes_midnight = self.until <= self.from;
        let yesterday = at.weekday.checked_sub(1).unwrap_or(6);
        let today = is_on(at.weekday)
            && at.minute >= self.from
            && (passes_midnight || at.minute < self.until);
        today || (passes_midnight && is_on(yesterday) && at.minute < self.until)
    }
}
