//! What metadata says of money: by example, and under whatever JSON comes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

mod cashback;
mod controls;
mod fees;
mod fuzz;
mod pockets;

use std::sync::Arc;

use cardwright::{
    domain::{
        account::{Account, Medium, Status},
        group::Group,
        hold::{FeeBasis, FeeCategory},
        ids::{AccountNo, ActorId, LedgerNo},
        money::{Asset, Decimal},
        policy::{
            AssetTerm, Policy, Terms, Whitelist,
            cashback::ProgrammeKind,
            controls::{Channel, Hours, Limit, Window},
            fees::{FeeRule, FeeTerm},
            metadata::{self, MetadataError},
            origin,
        },
        time::Timestamp,
        trail::Trail,
    },
    wire,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn terms() -> Terms {
    let asset = |text: &str, pegged: Option<&str>| AssetTerm {
        asset: text.parse().unwrap(),
        pegged: pegged.map(|code| code.parse().unwrap()),
    };
    Terms {
        assets: vec![
            asset("DUSD/6", Some("USD")),
            asset("COPM/2", Some("COP")),
            asset("EURc/6", Some("EUR")),
            asset("KSM/12", None),
        ],
        default_asset: "DUSD/6".parse().unwrap(),
        fees: Vec::new(),
        hold_seconds: 1,
        hold_seconds_by_mcc: Vec::new(),
        over_capture: Decimal::ONE,
        rate_age_seconds_max: 1,
        base_currency: "USD".parse().unwrap(),
    }
}

#[test]
fn terms_apart_say_the_same_in_texts_of_their_own() {
    let fee = FeeTerm::percentage("interchange", "house", Decimal::ONE);
    let terms = Terms {
        fees: vec![fee],
        ..terms()
    };
    let apart = terms.apart();
    assert_eq!(apart, terms);
    let (own, other) = (&apart.fees[0], &terms.fees[0]);
    assert!(!Arc::ptr_eq(&own.name, &other.name) && !Arc::ptr_eq(&own.treasury, &other.treasury));
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn parse(value: &Value) -> Result<Policy, MetadataError> {
    metadata::parse(&object(value), &terms())
}

fn urn(no: u64) -> String {
    let id = AccountNo(no).virtual_id();
    format!("did:bloque:account:virtual:usr-x:{id}")
}

fn decimal(text: &str) -> Decimal {
    text.parse::<Decimal>().unwrap().trimmed()
}

/// That `value` is refused at `key`, with words that name what is known or right.
fn refused(value: &Value, key: &str, words: &str) {
    let error = parse(value)
        .map(|policy| format!("accepted: {policy:?}"))
        .unwrap_err();
    assert_eq!(error.key, key, "{value}: {error}");
    assert!(error.what.contains(words), "{value}: {error}");
    assert_eq!(error.to_string(), format!("{key} {}", error.what));
}

fn default_card() -> Value {
    json!({
        "spending_control": "default",
        "default_asset": "DUSD/6",
        "fallback_asset": "KSM/12",
        "currency_asset_map": { "USD": ["DUSD/6"], "COP": ["COPM/2"], "EUR": ["EURc/6"] },
        "whatsapp_notification": true,
    })
}

fn smart_card() -> Value {
    json!({
        "spending_control": "smart",
        "priority_mcc": [urn(1), urn(2), urn(3)],
        "mcc_whitelist": {
            urn(1): ["5411", "5412", "5812", "5814"],
            urn(2): ["4111", "4121", "4131"],
        },
        "default_asset": "DUSD/6",
        "fallback_asset": "KSM/12",
    })
}

/// The fees of an origin, as the programme's documentation has them.
fn origin_fees() -> Value {
    json!({ "spending_fees": [
        {
            "fee_name": "interchange", "account_urn": "urn:bloque:treasury:interchange",
            "type": "percentage", "value": 0.0144, "category": "interchange",
        },
        {
            "fee_name": "fx", "account_urn": "urn:bloque:treasury:fx",
            "type": "percentage", "value": 0.02, "category": "fx", "rule": "fx_conversion",
        },
        {
            "fee_name": "high_ticket_fx", "account_urn": "urn:bloque:treasury:fx",
            "type": "percentage", "value": 0.035, "category": "fx",
            "rule": "amount_range_usd", "rule_params": { "min": 500, "max": 5000 },
        },
        {
            "fee_name": "apple_wallet", "account_urn": "urn:bloque:treasury:wallet",
            "type": "percentage", "value": 0.01,
            "rule": "wallet", "rule_params": { "wallet_name": "Apple" },
        },
    ] })
}

fn programmes() -> Value {
    json!({ "cashback_programs": [
        {
            "program_name": "Savings", "type": "extra_savings", "target_pocket_urn": urn(4),
            "fee_type": "percentage", "value": 0.03,
        },
        { "program_name": "Round up", "type": "round_up", "target_pocket_urn": urn(5) },
        {
            "program_name": "Tip jar", "type": "extra_savings", "target_pocket_urn": urn(4),
            "fee_type": "flat", "value": 0.25,
        },
    ] })
}

fn controls() -> Value {
    json!({ "controls": {
        "currency": "USD",
        "limits": [
            { "window": "transaction", "amount": "500.00" },
            { "window": "day", "amount": 1000, "count": 10 },
            { "window": { "rolling_seconds": 3600 }, "count": 3 },
        ],
        "mcc": { "allow": ["5411", "5000-5999", 4111], "deny": ["5993"] },
        "merchants": { "allow": ["shop-1"], "deny": [] },
        "countries": { "allow": ["COL", "us", "XKX"] },
        "channels": ["ecommerce", "pos"],
        "hours": [
            { "days": ["mon", "tue", "sun"], "from": "08:00", "until": "20:00" },
            { "days": ["sat"], "from": "22:30", "until": "24:00" },
        ],
        "single_use": true,
        "merchant_locked": true,
    } })
}
