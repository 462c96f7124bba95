//! Accounts and balances as this face shows them.

use std::{borrow::Cow, collections::BTreeMap};

use num_bigint::BigInt;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::card_data::link::Links;
use crate::domain::{
    account::{Account, Medium},
    funds::{Balance, LedgerAccount},
    money::Asset,
    uuids::BalanceId,
};

/// What an account has of one asset, in the asset's smallest unit.
#[derive(Serialize, ToSchema)]
pub struct BalanceView {
    /// Spendable.
    #[schema(example = "100000000")]
    current: String,
    /// Held for authorizations.
    #[schema(example = "0")]
    pending: String,
    /// All that ever came in.
    #[serde(rename = "in")]
    #[schema(example = "100000000")]
    incoming: String,
    /// All that ever went out.
    #[serde(rename = "out")]
    #[schema(example = "0")]
    outgoing: String,
}

/// Balances by asset, such as `DUSD/6`.
pub type BalancesView = BTreeMap<String, BalanceView>;

/// Renders balances.
#[must_use]
pub fn balances(balances: &[(Asset, Balance)]) -> BalancesView {
    let view = |balance: &Balance| BalanceView {
        current: balance.current.to_string(),
        pending: balance.pending.to_string(),
        incoming: balance.incoming.to_string(),
        outgoing: balance.outgoing.to_string(),
    };
    let entry = |(asset, balance): &(Asset, Balance)| (asset.to_string(), view(balance));
    balances.iter().map(entry).collect()
}

/// Adds up the balances of several ledger accounts, however large the sums become.
#[must_use]
pub fn sum(ledgers: &[LedgerAccount]) -> BalancesView {
    let mut total: BTreeMap<Asset, [BigInt; 4]> = BTreeMap::new();
    for (asset, balance) in ledgers.iter().flat_map(|ledger| &ledger.balances) {
        let parts = [
            balance.current,
            balance.pending,
            balance.incoming,
            balance.outgoing,
        ];
        let sums = total.entry(*asset).or_default();
        sums.iter_mut()
            .zip(parts)
            .for_each(|(sum, part)| *sum += part);
    }
    let view = |[current, pending, incoming, outgoing]: [BigInt; 4]| BalanceView {
        current: current.to_string(),
        pending: pending.to_string(),
        incoming: incoming.to_string(),
        outgoing: outgoing.to_string(),
    };
    let entry = |(asset, sums): (Asset, _)| (asset.to_string(), view(sums));
    total.into_iter().map(entry).collect()
}

/// An account.
#[derive(Serialize, ToSchema)]
pub struct AccountView {
    /// The short id: the last part of the URN.
    id: String,
    /// `did:bloque:account:card:usr-…:crd-…`, `did:bloque:account:virtual:usr-…:vrt-…` or
    /// `did:bloque:account:balance:…`.
    urn: String,
    /// `card`, `card-…`, `virtual` or `balance`.
    #[schema(example = "card")]
    medium: String,
    /// What only accounts of its kind have.
    details: AccountDetails,
    /// The money behind it; accounts with the same share their money.
    ledger_account_id: String,
    /// creation_in_progress, active, frozen, disabled, deleted or creation_failed.
    #[schema(example = "active")]
    status: &'static str,
    /// The holder.
    owner_urn: String,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339; when the account changed, not its money.
    updated_at: String,
    /// Where its events go.
    webhook_url: Option<String>,
    /// The programme's own data.
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    /// What it has; in lists and single reads, not in the answer to a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    balance: Option<BalancesView>,
}

/// What only accounts of a kind have.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum AccountDetails {
    /// Of a card.
    Card(Box<CardDetails>),
    /// Of a ledger balance.
    Balance(BalanceDetails),
    /// Of a pocket.
    Virtual(VirtualDetails),
}

/// Of a ledger balance.
#[derive(Serialize, ToSchema)]
pub struct BalanceDetails {
    id: String,
    /// Its id on the ledger face.
    #[schema(example = "bln_0193b2c4-5d6e-8f70-8a1b-2c3d4e5f6071")]
    balance_id: String,
    /// The ledger it stands in.
    ledger_id: String,
    /// What is counted.
    #[schema(example = "USD")]
    currency: String,
    /// Its name that begins with `@`, if it was made by one.
    indicator: Option<String>,
    /// Whose it is, if that is said.
    identity_id: Option<String>,
}

/// Of a card.
#[derive(Serialize, ToSchema)]
pub struct CardDetails {
    id: String,
    email: Option<String>,
    operational_country: Option<String>,
    client_id: String,
    card_id: String,
    /// What a processor may hold in place of the card.
    card_token: String,
    #[schema(example = "4242")]
    card_last_four: String,
    card_provider: &'static str,
    card_product_type: &'static str,
    #[schema(example = "ACTIVE")]
    card_status: String,
    /// Where the holder sees number, expiry and CVV: a link of ours that lasts `cards.details_link_s`,
    /// signed anew in each answer. Null unless the card is active, and for cards from before there were
    /// numbers.
    card_url_details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<&'static str>,
    card_type: &'static str,
    user_id: String,
}

/// Of a pocket: the holder's names, as the metadata has them.
#[derive(Serialize, ToSchema)]
pub struct VirtualDetails {
    id: String,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl AccountView {
    /// Renders an account, with its balances where they are known to belong to the same moment.
    #[must_use]
    pub fn new(account: &Account, balance: Option<BalancesView>, links: &Links) -> Self {
        let object = RawValue::from_string(account.metadata.clone());
        Self {
            id: account.id(),
            urn: account.urn(),
            medium: account.medium_word().to_owned(),
            details: details(account, links),
            ledger_account_id: account.ledger.to_string(),
            status: account.status.word(),
            owner_urn: account.holder_urn.clone(),
            created_at: account.created_at.to_string(),
            updated_at: account.updated_at.to_string(),
            webhook_url: account.webhook_url.clone(),
            metadata: object.unwrap_or_default(),
            balance,
        }
    }
}

fn details(account: &Account, links: &Links) -> AccountDetails {
    let metadata: serde_json::Value =
        serde_json::from_str(&account.metadata).unwrap_or(serde_json::Value::Null);
    let text = |key: &str| metadata.get(key)?.as_str().map(str::to_owned);
    match &account.medium {
        Medium::Card { last_four, .. } => AccountDetails::Card(Box::new(CardDetails {
            id: account.id(),
            email: text("email"),
            operational_country: None,
            client_id: account.origin().to_owned(),
            card_id: account.no.card_id(),
            card_token: account.no.card_token(),
            card_last_four: digits(*last_four),
            card_provider: "VISA",
            card_product_type: "DEBIT",
            card_status: account.status.word().to_uppercase(),
            card_url_details: links.of_card(account),
            status_reason: account.status_reason.map(|reason| reason.word()),
            card_type: "VIRTUAL",
            user_id: crate::domain::ids::user_id(&account.holder_urn),
        })),
        Medium::Balance(face) => AccountDetails::Balance(BalanceDetails {
            id: account.id(),
            balance_id: BalanceId::new(account.ledger, face.asset).to_string(),
            ledger_id: face.ledger_id.clone(),
            currency: face.asset.to_string(),
            indicator: face.indicator.clone(),
            identity_id: face.identity_id.clone(),
        }),
        Medium::Virtual => AccountDetails::Virtual(VirtualDetails {
            id: account.id(),
            first_name: text("first_name"),
            last_name: text("last_name"),
        }),
    }
}

/// Digits kept as ASCII.
#[must_use]
pub fn digits(last_four: [u8; 4]) -> String {
    last_four.iter().map(|byte| char::from(*byte)).collect()
}

/// A value as text: a string as it is, anything else as JSON.
#[must_use]
pub fn text_of(value: &serde_json::Value) -> Cow<'_, str> {
    value
        .as_str()
        .map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::LedgerNo;

    #[test]
    fn sums_of_balances_are_exact_however_large() {
        let asset: Asset = "DUSD/6".parse().unwrap();
        let most = Balance {
            current: i128::MAX,
            pending: 0,
            incoming: i128::MAX,
            outgoing: 1,
        };
        let ledgers: Vec<_> = (1..=3)
            .map(|no| LedgerAccount {
                no: LedgerNo(no),
                balances: vec![(asset, most)],
            })
            .collect();
        let sums = sum(&ledgers);
        let shown = sums.get("DUSD/6").unwrap();
        let three = (BigInt::from(i128::MAX) * BigInt::from(3)).to_string();
        assert_eq!((&shown.current, &shown.incoming), (&three, &three));
        assert_eq!(
            (shown.pending.as_str(), shown.outgoing.as_str()),
            ("0", "3")
        );
    }
}
