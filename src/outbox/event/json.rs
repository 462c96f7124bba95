//! How events are written: fields in a fixed order, exact numbers, nothing that is not known.

use std::{collections::BTreeMap, fmt::Display};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Maker, Subject};
use crate::domain::{
    hold::FeeLine,
    merchant::{Merchant, TransactionMedium},
    money::{Amount, Decimal, LocalAmount},
};

/// A JSON number with exactly these digits: never through a float.
pub(super) struct Number(Box<RawValue>);

impl Number {
    pub(super) fn of(decimal: Decimal) -> Self {
        Self::from_text(decimal.to_string())
    }

    /// In units of the currency, with its decimal places.
    pub(super) fn local(local: LocalAmount) -> Self {
        Self::from_text(local.to_string())
    }

    fn from_text(text: String) -> Self {
        let raw = RawValue::from_string(text);
        Self(raw.expect("Invariant: a decimal number is JSON"))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Anything as a JSON string.
pub(super) struct Text<T>(pub(super) T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A card event. Source: Bloque docs, Card Webhooks.
#[derive(Default, Serialize)]
pub(super) struct CardPayload<'a> {
    pub(super) account_urn: String,
    pub(super) transaction_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) original_transaction_id: Option<&'a str>,
    pub(super) authorization_id: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) direction: &'static str,
    pub(super) event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lifecycle_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transaction_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<Text<Amount>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) asset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) local_amount: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) local_currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exchange_rate: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) merchant: Option<MerchantView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) medium: Option<BTreeMap<&'a str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fee_breakdown: Option<FeeBreakdown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) over_capture: Option<Text<Amount>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) adjustment: Option<Text<Amount>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suspended: Option<Text<Amount>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) surcharge_total: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) programs: Option<Vec<Programme<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) required_usd: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
    pub(super) created_at: String,
}

#[derive(Serialize)]
pub(super) struct MerchantView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mcc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal_id: Option<&'a str>,
}

/// The merchant, if anything is known of it.
pub(super) fn merchant(merchant: &Merchant) -> Option<MerchantView<'_>> {
    let is_known = *merchant != Merchant::default();
    is_known.then(|| MerchantView {
        id: merchant.id.as_deref(),
        name: merchant.name.as_deref(),
        mcc: merchant.mcc.map(|mcc| mcc.to_string()),
        address: merchant.address.as_deref(),
        city: merchant.city.as_deref(),
        country: merchant.country.as_deref(),
        terminal_id: merchant.terminal_id.as_deref(),
    })
}

/// How the card was used, by name: the order in which a processor sends says nothing.
pub(super) fn medium(medium: &TransactionMedium) -> Option<BTreeMap<&str, &str>> {
    let all: BTreeMap<_, _> = medium.pairs().collect();
    (!all.is_empty()).then_some(all)
}

#[derive(Serialize)]
pub(super) struct FeeBreakdown<'a> {
    total_fees: Text<Amount>,
    fees: Vec<Fee<'a>>,
    settlement: Text<Amount>,
}

#[derive(Serialize)]
struct Fee<'a> {
    fee_name: &'a str,
    amount: Text<Amount>,
    rate: Number,
}

/// Each fee's part of `amount`, their sum, and what is left for the network.
pub(super) fn breakdown<'a>(
    fees: impl Iterator<Item = (&'a FeeLine, Amount)>,
    amount: Amount,
) -> FeeBreakdown<'a> {
    let mut total = Amount::ZERO;
    let mut view = Vec::new();
    for (fee, part) in fees {
        // Of an increment each fee's difference is rounded by itself: together they may be a unit more.
        let part = part.min(amount.minus_or_zero(total));
        total = total.saturating_plus(part);
        view.push(Fee {
            fee_name: &fee.name,
            amount: Text(part),
            rate: Number::of(fee.value),
        });
    }
    FeeBreakdown {
        total_fees: Text(total),
        fees: view,
        settlement: Text(amount.minus_or_zero(total)),
    }
}

/// What one cashback programme sets aside, in units of the local currency.
#[derive(Serialize)]
pub(super) struct Programme<'a> {
    pub(super) name: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) amount: Number,
}

/// What a non-card event says beside its envelope, by name.
#[derive(Default)]
pub(super) struct Facts(BTreeMap<&'static str, Box<RawValue>>);

impl Facts {
    pub(super) fn with(mut self, name: &'static str, value: &impl Serialize) -> Self {
        let raw = serde_json::value::to_raw_value(value);
        self.0
            .insert(name, raw.expect("Invariant: plain values are JSON"));
        self
    }

    pub(super) fn with_some(self, name: &'static str, value: Option<&impl Serialize>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A stored JSON object, as it is.
    pub(super) fn with_object(self, name: &'static str, text: &str) -> Self {
        match RawValue::from_string(text.to_owned()) {
            Ok(raw) => self.with(name, &raw),
            Err(_) => self,
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_urn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder_urn: Option<&'a str>,
    origin: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    event: &'a str,
    event_id: String,
    created_at: String,
    data: &'a RawValue,
}

impl Maker<'_> {
    /// Tells of anything that is no card event, in the envelope of all such.
    pub(super) fn tell(
        &mut self,
        about: Subject,
        (kind, event): (&'static str, &str),
        data: &Facts,
    ) {
        let data = serde_json::value::to_raw_value(&data.0);
        let data = data.expect("Invariant: plain values are JSON");
        self.tell_raw(about, (kind, event), &data);
    }

    /// The same of what is JSON already: an object.
    pub(super) fn tell_raw(
        &mut self,
        about: Subject,
        (kind, event): (&'static str, &str),
        data: &RawValue,
    ) {
        let envelope = Envelope {
            account_urn: about.account.as_ref().map(|(_, urn)| urn.as_str()),
            holder_urn: about.holder_urn.as_deref(),
            origin: &about.origin,
            kind,
            event,
            event_id: self.next_id().text("evt_"),
            created_at: self.at.to_string(),
            data,
        };
        let payload = text_of(&envelope);
        self.push(about, event, None, payload);
    }
}

pub(super) fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("Invariant: payloads are JSON")
}
