//! Cards under every kind of rule: smart, with pockets, fees, limits and a conversion.

use serde_json::{Map, Value, json};

/// How many such cards a run has.
pub const CARDS: usize = 500;
/// The asset they hold; purchases are in US dollars.
pub const ASSET: &str = "EURc/6";
const POCKETS: usize = 5;

/// The rate that purchases are converted at.
#[must_use]
pub fn rates() -> Value {
    json!({"rates": [{"base": "EUR", "quote": "USD", "rate": "1.0842"}], "source": "bench"})
}

/// How many pockets each card has.
#[must_use]
pub const fn pockets() -> usize {
    POCKETS
}

/// The metadata of a card with these pockets: two are for nobody who sells in the bench, so that
/// purchases pass over them.
#[must_use]
pub fn metadata(pockets: &[String]) -> Value {
    let closed = pockets
        .iter()
        .take(2)
        .map(|urn| (urn.clone(), json!(["0742", "0763"])));
    let whitelist: Map<String, Value> = closed.collect();
    json!({
        "source": "cardwright-bench",
        "spending_control": "smart",
        "default_asset": ASSET,
        "priority_mcc": pockets,
        "mcc_whitelist": whitelist,
        "spending_fees": fees(),
        "controls": {
            "currency": "USD",
            "limits": limits(),
            "mcc": {"deny": ["7995"]},
            "countries": {"deny": ["PRK"]},
        },
    })
}

/// Four fees beside the two of the house.
fn fees() -> Value {
    let fee = |name: &str, kind: &str, value: Value| {
        json!({
            "fee_name": name, "account_urn": format!("urn:bench:treasury:{name}"),
            "type": kind, "value": value,
        })
    };
    let mut large = fee("large", "percentage", json!(0.001));
    let mut wallet = fee("wallet", "percentage", json!(0.01));
    if let Some(large) = large.as_object_mut() {
        large.insert("rule".into(), json!("amount_range_usd"));
        large.insert("rule_params".into(), json!({"min": 50, "max": 5000}));
    }
    if let Some(wallet) = wallet.as_object_mut() {
        wallet.insert("rule".into(), json!("wallet"));
        wallet.insert("rule_params".into(), json!({"wallet_name": "Apple"}));
    }
    json!([
        fee("premium", "percentage", json!(0.005)),
        fee("ticket", "flat", json!(1)),
        large,
        wallet,
    ])
}

/// Ten limits that no run reaches: seven of amounts, three of counts.
fn limits() -> Value {
    const ENOUGH: &str = "900000000000.00";
    let amount = |window: Value| json!({"window": window, "amount": ENOUGH});
    let both = |window: &str| json!({"window": window, "amount": ENOUGH, "count": 1_000_000_000});
    json!([
        amount(json!("transaction")),
        both("day"),
        both("week"),
        both("month"),
        amount(json!("year")),
        amount(json!("lifetime")),
        amount(json!({"rolling_seconds": 10})),
    ])
}
