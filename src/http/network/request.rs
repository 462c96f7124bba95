//! What processors send, read into commands.

use std::{borrow::Cow, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::super::{
    body::{decimal_text, object, plain_text},
    problem::Problem,
};
use crate::domain::{
    command::{Authorize, StepAmount},
    hold::TransactionType,
    ids::AccountNo,
    merchant::{Merchant, TOKEN_ID, TransactionMedium},
    money::{Currency, Decimal, LocalAmount},
};

/// `POST /v1/authorizations` and `POST /v1/clearings`.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationRequest<'a> {
    /// The processor's id of the authorization: the idempotency key of the request.
    #[serde(borrow)]
    #[schema(value_type = String, max_length = 128, example = "ctx-1")]
    pub transaction_id: Cow<'a, str>,
    /// The card: account URN, account id, card token, or the id of a device's token (`tok_…`).
    #[serde(borrow)]
    #[schema(value_type = String, example = "did:bloque:account:card:usr-…:crd-…")]
    pub card: Cow<'a, str>,
    /// PURCHASE, WITHDRAWAL, EXTRACASH, BALANCE_INQUIRY or PAYMENT; PURCHASE if missing.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "PURCHASE",
        pattern = "^(PURCHASE|WITHDRAWAL|EXTRACASH|BALANCE_INQUIRY|PAYMENT|CREDIT|REFUND|ORIGINAL_CREDIT|CREDIT_VOUCHER|DEPOSIT)$")]
    pub transaction_type: Option<Lend<'a>>,
    /// A decimal with at most as many places as ISO 4217 gives the currency; a balance inquiry needs none.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "50.00", pattern = r"^[0-9]{1,30}(\.[0-9]{1,4})?$")]
    pub local_amount: Option<&'a RawValue>,
    /// ISO 4217.
    #[serde(borrow)]
    #[schema(value_type = String, example = "USD", pattern = "^[A-Z]{3}$")]
    pub local_currency: Cow<'a, str>,
    /// Who asks.
    #[serde(borrow, default, deserialize_with = "object")]
    pub merchant: Option<MerchantRequest<'a>>,
    /// By what means: names and values, as listed in the network-face contract.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub medium: Option<MediumRequest>,
    /// The network's USD settlement amount, a decimal.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "50.00")]
    pub usd_amount: Option<&'a RawValue>,
    /// Whether less than asked may be approved.
    #[serde(default)]
    pub partial_approval: Option<bool>,
    /// Whether to hold and capture in one.
    #[serde(default)]
    pub capture: Option<bool>,
}

/// The merchant.
#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MerchantRequest<'a> {
    /// The acquirer's id of the merchant.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    pub id: Option<Lend<'a>>,
    /// As on the statement.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub name: Option<Lend<'a>>,
    /// Four digits.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{4}$", example = "5411")]
    pub mcc: Option<Lend<'a>>,
    /// The city.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub city: Option<Lend<'a>>,
    /// ISO 3166-1.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, max_length = 64, example = "USA")]
    pub country: Option<Lend<'a>>,
    /// The street.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    pub address: Option<Lend<'a>>,
    /// The terminal.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    pub terminal_id: Option<Lend<'a>>,
}

/// A text that is borrowed from the body wherever it has no escapes, also inside an `Option`.
pub struct Lend<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Lend<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lender;
        impl<'de> Visitor<'de> for Lender {
            type Value = Lend<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Lend(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Lend(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Lender)
    }
}

impl std::ops::Deref for Lend<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The most fields of a medium.
const MEDIUM_FIELDS_MAX: usize = 32;

/// How the card was used: names and plain values.
#[derive(Default)]
pub struct MediumRequest(TransactionMedium);

impl<'de> Deserialize<'de> for MediumRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = MediumRequest;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of names and plain values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut medium = TransactionMedium::default();
                let mut count = 0_usize;
                while let Some(name) = map.next_key::<Lend<'de>>()? {
                    count = count.saturating_add(1);
                    if count > MEDIUM_FIELDS_MAX {
                        return Err(A::Error::custom(format!(
                            "at most {MEDIUM_FIELDS_MAX} fields are taken"
                        )));
                    }
                    if medium.get(&name).is_some() {
                        return Err(A::Error::custom(format!("duplicate field `{}`", &*name)));
                    }
                    let Plain(Some(value)) = map.next_value::<Plain<'de>>()? else {
                        continue;
                    };
                    let fits = !name.is_empty() && name.len() <= 64 && value.len() <= 256;
                    if !fits || !medium.add(&name, &value) {
                        return Err(A::Error::custom(
                            "a name must have 1 to 64 bytes and its value at most 256, without control \
                             characters",
                        ));
                    }
                }
                Ok(MediumRequest(medium))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// The text of a string, number or boolean; nothing of a null; lists and objects are refused.
struct Plain<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Plain<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taker;
        impl<'de> Visitor<'de> for Taker {
            type Value = Plain<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Plain(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Plain(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Plain(Some(Cow::Borrowed(if value {
                    "true"
                } else {
                    "false"
                }))))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Plain(Some(Cow::Owned(value.to_string()))))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Plain(Some(Cow::Owned(value.to_string()))))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Plain(Some(Cow::Owned(value.to_string()))))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Plain(None))
            }
        }
        deserializer.deserialize_any(Taker)
    }
}

/// Whether a request may do without an amount, and with nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An authorization.
    Authorize,
    /// A clearing without one.
    Clear,
}

/// Reads a request into a command for `account`.
///
/// # Errors
///
/// 400 or 422 with the field.
pub fn read(
    request: &mut AuthorizationRequest<'_>,
    account: AccountNo,
    purpose: Purpose,
) -> Result<Arc<Authorize>, Problem> {
    plain_text("transaction_id", &request.transaction_id, 128)?;
    let kind = transaction_type(request.transaction_type.as_deref().unwrap_or("PURCHASE"))?;
    if purpose == Purpose::Clear {
        clears(kind)?;
    }
    let currency: Currency = request.local_currency.parse().map_err(|error| {
        Problem::impossible("local_currency", format!("local_currency: {error}"))
    })?;
    let local = local_amount(request.local_amount, currency, kind)?;
    if purpose == Purpose::Clear && local.minor.is_zero() {
        return Err(Problem::impossible(
            "local_amount",
            "local_amount must be above zero",
        ));
    }
    Ok(Arc::new(Authorize {
        account,
        transaction_id: request.transaction_id.as_ref().to_owned(),
        kind,
        local,
        usd_amount: request.usd_amount.map(usd_amount).transpose()?,
        merchant: request
            .merchant
            .as_ref()
            .map(merchant)
            .transpose()?
            .unwrap_or_default(),
        medium: medium(request)?,
        allow_partial: request.partial_approval.unwrap_or(false),
        capture: request.capture.unwrap_or(false),
    }))
}

/// By what means; a device's token that stands in for the card is one of them.
#[inline]
fn medium(request: &mut AuthorizationRequest<'_>) -> Result<TransactionMedium, Problem> {
    let medium = request.medium.take().unwrap_or_default().0;
    if !request.card.starts_with("tok_") {
        return Ok(medium);
    }
    with_token(medium, request)
}

fn with_token(
    mut medium: TransactionMedium,
    request: &AuthorizationRequest<'_>,
) -> Result<TransactionMedium, Problem> {
    match medium.get(TOKEN_ID) {
        None => {
            medium.add(TOKEN_ID, &request.card);
        }
        Some(named) if *named == *request.card => {}
        Some(_) => {
            let message = "medium.token_id is another token than card";
            return Err(Problem::impossible("medium.token_id", message));
        }
    }
    Ok(medium)
}

/// A clearing takes money from a card: posted as one, a credit would go the wrong way.
fn clears(kind: TransactionType) -> Result<(), Problem> {
    let message = match kind {
        TransactionType::Credit => {
            "transaction_type of a clearing must take money from the card: give a purchase back by \
             POST /v1/authorizations/{id}/refund, and other money by POST /v1/deposits"
        }
        TransactionType::BalanceInquiry => {
            "transaction_type of a clearing must move money: send a BALANCE_INQUIRY to \
             POST /v1/authorizations"
        }
        TransactionType::Purchase
        | TransactionType::Withdrawal
        | TransactionType::ExtraCash
        | TransactionType::Payment => return Ok(()),
    };
    Err(Problem::impossible("transaction_type", message))
}

fn transaction_type(word: &str) -> Result<TransactionType, Problem> {
    if let Some(kind) = TransactionType::ALL.iter().find(|kind| kind.word() == word) {
        return Ok(*kind);
    }
    match word {
        // Money towards the cardholder, whatever a processor calls it, is one decline.
        "REFUND" | "ORIGINAL_CREDIT" | "CREDIT_VOUCHER" | "DEPOSIT" => Ok(TransactionType::Credit),
        _ => Err(Problem::impossible(
            "transaction_type",
            "transaction_type must be one of PURCHASE, WITHDRAWAL, EXTRACASH, BALANCE_INQUIRY, \
             PAYMENT",
        )),
    }
}

fn local_amount(
    raw: Option<&RawValue>,
    currency: Currency,
    kind: TransactionType,
) -> Result<LocalAmount, Problem> {
    let is_inquiry = kind == TransactionType::BalanceInquiry;
    let text = match raw {
        Some(raw) => decimal_text("local_amount", raw)?,
        None if is_inquiry => "0",
        None => {
            return Err(Problem::malformed(
                "local_amount",
                "missing field `local_amount`",
            ));
        }
    };
    let local = LocalAmount::parse(text, currency)
        .map_err(|error| Problem::money("local_amount", &error))?;
    if is_inquiry && !local.minor.is_zero() {
        let message = "local_amount must be 0 in a balance inquiry, which holds nothing";
        return Err(Problem::impossible("local_amount", message));
    }
    Ok(local)
}

fn usd_amount(raw: &RawValue) -> Result<Decimal, Problem> {
    let text = decimal_text("usd_amount", raw)?;
    let decimal: Decimal = text
        .parse()
        .map_err(|error| Problem::money("usd_amount", &error))?;
    if decimal.mantissa < 0 {
        return Err(Problem::impossible(
            "usd_amount",
            "usd_amount must not be negative",
        ));
    }
    Ok(decimal.trimmed())
}

fn merchant(request: &MerchantRequest<'_>) -> Result<Merchant, Problem> {
    let text = |field: &str, value: &Option<Lend<'_>>, len_max: usize| match value.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => plain_text(field, text, len_max).map(|()| Some(text.to_owned())),
    };
    let mcc = request.mcc.as_deref().map(str::parse).transpose();
    Ok(Merchant {
        id: text("merchant.id", &request.id, 64)?,
        name: text("merchant.name", &request.name, 256)?,
        mcc: mcc.map_err(|error| Problem::impossible("merchant.mcc", format!("{error}")))?,
        city: text("merchant.city", &request.city, 128)?,
        country: text("merchant.country", &request.country, 64)?,
        address: text("merchant.address", &request.address, 256)?,
        terminal_id: text("merchant.terminal_id", &request.terminal_id, 64)?,
    })
}

/// What follows an authorization.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepBody<'a> {
    /// The step's own id: the idempotency key of the request.
    #[serde(borrow)]
    #[schema(value_type = String, max_length = 128, example = "cap-1")]
    pub transaction_id: Cow<'a, str>,
    /// A decimal in the authorization's currency; all that is left if missing.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "25.00")]
    pub local_amount: Option<&'a RawValue>,
    /// If given, must be the authorization's.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "USD")]
    pub local_currency: Option<Lend<'a>>,
    /// Of a capture: whether what is left of the hold is released.
    #[serde(default, rename = "final")]
    pub is_final: Option<bool>,
}

/// Reads a step's amount.
///
/// # Errors
///
/// 400 or 422 with the field.
pub fn step_amount(body: &StepBody<'_>) -> Result<Option<StepAmount>, Problem> {
    let currency = body
        .local_currency
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error| {
            Problem::impossible("local_currency", format!("local_currency: {error}"))
        })?;
    let Some(raw) = body.local_amount.filter(|raw| raw.get() != "null") else {
        return Ok(None);
    };
    let text = decimal_text("local_amount", raw)?;
    let value = text
        .parse()
        .map_err(|error| Problem::money("local_amount", &error))?;
    Ok(Some(StepAmount { value, currency }))
}
