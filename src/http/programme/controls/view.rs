//! Controls and their usage as JSON. What is shown is what may be sent.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    country::Country,
    money::{Amount, Currency, LocalAmount},
    policy::controls::{Channel, Controls, Hours, Limit, MccRange, Rule, Standing, Usage, Window},
};

/// What an account may be used for, and how much of it. Whatever is left out is not controlled.
#[derive(Serialize, ToSchema)]
pub struct ControlsView {
    /// The currency of the limits' amounts, ISO 4217; the house's, if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "USD")]
    currency: Option<String>,
    /// At most 64, each window once. What is authorized counts, captured or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    limits: Vec<LimitView>,
    /// Merchant categories: codes such as 5411, or ranges such as 5000-5999.
    #[serde(skip_serializing_if = "Option::is_none")]
    mcc: Option<ListsView>,
    /// Merchants, by the acquirer's id of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    merchants: Option<ListsView>,
    /// Countries, ISO 3166-1: alpha-3, or alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    countries: Option<ListsView>,
    /// Some of ecommerce (mail and telephone order too), pos, atm.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["ecommerce", "pos"]))]
    channels: Vec<&'static str>,
    /// At most 64 spans of the local week in which a purchase may be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hours: Vec<HoursView>,
    /// Whether the card closes after its first capture; false if a request leaves it out.
    #[schema(required = false)]
    single_use: bool,
    /// Whether the card stays with the first merchant that it was approved for; false if a request leaves it out.
    #[schema(required = false)]
    merchant_locked: bool,
}

/// A limit: an amount, a count, or both.
#[derive(Serialize, ToSchema)]
pub struct LimitView {
    /// Over which time.
    window: WindowView,
    /// The most that may be authorized in it, a decimal of the controls' currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "500.00")]
    amount: Option<String>,
    /// How many authorizations may be approved in it; not with the window transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 10)]
    count: Option<u32>,
}

/// Over which time a limit counts.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum WindowView {
    /// transaction, day, week, month, year (of the house's calendar) or lifetime.
    #[schema(value_type = String)]
    Word(&'static str),
    /// The last so many seconds.
    Rolling {
        /// 1 to 31622400.
        rolling_seconds: u32,
    },
}

/// What is allowed and what is denied, at most 256 each; a denial outranks.
#[derive(Serialize, ToSchema)]
pub struct ListsView {
    /// Only these; a purchase that does not say is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<Vec<String>>,
    /// Not these; a purchase that does not say passes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deny: Vec<String>,
}

/// A span of the local week.
#[derive(Serialize, ToSchema)]
pub struct HoursView {
    /// Some of mon, tue, wed, thu, fri, sat, sun.
    #[schema(value_type = Vec<String>, example = json!(["mon", "tue"]))]
    days: Vec<&'static str>,
    /// From this time of day.
    #[schema(example = "08:00")]
    from: String,
    /// Until this time of day, not included; of the next day, if it is not after `from`.
    #[schema(example = "20:00")]
    until: String,
}

/// What was counted, and what is left.
#[derive(Serialize, ToSchema)]
pub struct UsageView {
    /// The currency of the amounts.
    #[schema(example = "USD")]
    currency: String,
    /// The merchant that the card is locked to.
    merchant: Option<String>,
    /// Whether a single-use card was used.
    is_spent: bool,
    /// Each limit, in order.
    limits: Vec<StandingView>,
}

/// How a limit stands now.
#[derive(Serialize, ToSchema)]
pub struct StandingView {
    /// Over which time.
    window: WindowView,
    /// Where an amount is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<AmountStandingView>,
    /// Where a count is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<CountStandingView>,
}

/// How a limit of an amount stands now, in decimals of the currency.
#[derive(Serialize, ToSchema)]
pub struct AmountStandingView {
    /// The most.
    #[schema(example = "500.00")]
    limit: String,
    /// What was authorized.
    #[schema(example = "120.50")]
    used: String,
    /// What may still be.
    #[schema(example = "379.50")]
    left: String,
}

/// How a limit of a count stands now.
#[derive(Serialize, ToSchema)]
pub struct CountStandingView {
    /// The most.
    limit: u32,
    /// How many were approved.
    used: u32,
    /// How many may still be.
    left: u32,
}

impl ControlsView {
    /// Shows `controls`, whose amounts are in `currency`.
    #[must_use]
    pub fn new(controls: &Controls, currency: Currency) -> Self {
        let limit = |limit: &Limit| LimitView {
            window: WindowView::new(limit.window),
            amount: limit.amount.map(|minor| decimal(minor, currency)),
            count: limit.count,
        };
        Self {
            currency: controls.currency.map(|currency| currency.to_string()),
            limits: controls.limits.iter().map(limit).collect(),
            mcc: ListsView::new(&controls.mcc, range),
            merchants: ListsView::new(&controls.merchants, ToString::to_string),
            countries: ListsView::new(&controls.countries, country),
            channels: controls
                .channels
                .iter()
                .copied()
                .map(Channel::word)
                .collect(),
            hours: controls.hours.iter().map(HoursView::new).collect(),
            single_use: controls.is_single_use,
            merchant_locked: controls.is_merchant_locked,
        }
    }
}

impl WindowView {
    const fn new(window: Window) -> Self {
        match window {
            Window::Rolling(rolling_seconds) => Self::Rolling { rolling_seconds },
            Window::Transaction
            | Window::Day
            | Window::Week
            | Window::Month
            | Window::Year
            | Window::Lifetime => Self::Word(window.word()),
        }
    }
}

impl ListsView {
    fn new<T>(rule: &Rule<T>, text: fn(&T) -> String) -> Option<Self> {
        let texts = |list: &Vec<T>| list.iter().map(text).collect();
        (!rule.is_any()).then(|| Self {
            allow: rule.allow.as_ref().map(texts),
            deny: texts(&rule.deny),
        })
    }
}

impl HoursView {
    fn new(hours: &Hours) -> Self {
        let days = Hours::DAYS.iter().filter(|(_, bit)| hours.days & bit != 0);
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        Self {
            days: days.map(|(word, _)| *word).collect(),
            from: time(hours.from),
            until: time(hours.until),
        }
    }
}

impl UsageView {
    /// Shows what was counted, and how each limit stands; amounts are in `currency`.
    #[must_use]
    pub fn new(usage: Option<&Usage>, standing: &[Standing], currency: Currency) -> Self {
        Self {
            currency: currency.to_string(),
            merchant: usage.and_then(|usage| usage.merchant.clone()),
            is_spent: usage.is_some_and(|usage| usage.is_spent),
            limits: standing
                .iter()
                .map(|one| StandingView::new(one, currency))
                .collect(),
        }
    }
}

impl StandingView {
    fn new(standing: &Standing, currency: Currency) -> Self {
        let limit = standing.limit;
        Self {
            window: WindowView::new(limit.window),
            amount: limit
                .amount
                .zip(standing.amount_left)
                .map(|(most, left)| AmountStandingView {
                    limit: decimal(most, currency),
                    used: decimal(standing.amount_used, currency),
                    left: decimal(left, currency),
                }),
            count: limit
                .count
                .zip(standing.count_left)
                .map(|(limit, left)| CountStandingView {
                    limit,
                    used: standing.count_used,
                    left,
                }),
        }
    }
}

fn decimal(minor: Amount, currency: Currency) -> String {
    LocalAmount { minor, currency }.to_string()
}

fn range(range: &MccRange) -> String {
    if range.from == range.to {
        range.from.to_string()
    } else {
        format!("{}-{}", range.from, range.to)
    }
}

fn country(code: &Country) -> String {
    String::from_utf8_lossy(code).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_shown_is_what_was_sent() {
        let sent = json!({
            "currency": "USD",
            "limits": [
                { "window": "transaction", "amount": "500.00" },
                { "window": { "rolling_seconds": 3600 }, "amount": "0.05", "count": 3 },
            ],
            "mcc": { "allow": ["5411", "5000-5999"], "deny": ["0742"] },
            "merchants": { "allow": [] },
            "countries": { "deny": ["COL"] },
            "channels": ["pos", "atm"],
            "hours": [{ "days": ["mon", "sun"], "from": "08:05", "until": "24:00" }],
            "single_use": true,
            "merchant_locked": false,
        });
        let config = crate::config::Config::load(None, std::iter::empty()).expect("defaults");
        let terms = config.terms().expect("terms");
        let metadata = json!({ "controls": sent });
        let metadata = metadata.as_object().expect("an object");
        let policy = crate::domain::policy::metadata::parse(metadata, &terms).expect("right");
        let currency = "USD".parse().expect("a currency");
        let view = ControlsView::new(&policy.rules().controls, currency);
        assert_eq!(serde_json::to_value(&view).expect("JSON"), sent);
        let none = ControlsView::new(&Controls::NONE, currency);
        let flags = json!({ "single_use": false, "merchant_locked": false });
        assert_eq!(serde_json::to_value(&none).expect("JSON"), flags);
    }
}
