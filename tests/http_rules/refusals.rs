//! Metadata that is wrong is refused by its path, on every way in, and changes nothing.

use serde_json::{Value, json};

use crate::house::{House, smart};

const POCKET: &str = "did:bloque:account:virtual:usr-0000000000001:vrt-0000000000001";

fn of_assets() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({ "default_asset": "NOPE/6" }),
            "metadata.default_asset",
        ),
        (json!({ "default_asset": 6 }), "metadata.default_asset"),
        (
            json!({ "fallback_asset": "DUSD/5" }),
            "metadata.fallback_asset",
        ),
        (
            json!({ "currency_asset_map": [] }),
            "metadata.currency_asset_map",
        ),
        (
            json!({ "currency_asset_map": { "XXQ": ["DUSD/6"] } }),
            "metadata.currency_asset_map.XXQ",
        ),
        (
            json!({ "currency_asset_map": { "USD": ["DUSD/6", "X"] } }),
            "metadata.currency_asset_map.USD[1]",
        ),
    ]
}

fn of_pockets() -> Vec<(Value, &'static str)> {
    let mut twice = smart(&[POCKET, POCKET], &[]);
    twice["mcc_whitelist"] = Value::Null;
    vec![
        (
            json!({ "spending_control": "clever" }),
            "metadata.spending_control",
        ),
        (
            json!({ "spending_control": "smart" }),
            "metadata.priority_mcc",
        ),
        (smart(&[], &[]), "metadata.priority_mcc"),
        (smart(&["pocket-food"], &[]), "metadata.priority_mcc[0]"),
        (twice, "metadata.priority_mcc[1]"),
    ]
}

fn of_fees() -> Vec<(Value, &'static str)> {
    let fee = |key: &str, value: Value| {
        let mut fee = json!({
            "fee_name": "f", "account_urn": "urn:bloque:treasury:f", "type": "percentage",
            "value": 0.01,
        });
        fee[key] = value;
        json!({ "spending_fees": [fee] })
    };
    vec![
        (json!({ "spending_fees": {} }), "metadata.spending_fees"),
        (
            fee("fee_name", json!("")),
            "metadata.spending_fees[0].fee_name",
        ),
        (
            fee("type", json!("share")),
            "metadata.spending_fees[0].type",
        ),
        (
            fee("value", json!(-0.01)),
            "metadata.spending_fees[0].value",
        ),
        (fee("value", json!(1.5)), "metadata.spending_fees[0].value"),
        (
            fee("value", json!("0.01")),
            "metadata.spending_fees[0].value",
        ),
        (
            fee("category", json!("misc")),
            "metadata.spending_fees[0].category",
        ),
        (fee("rule", json!("moon")), "metadata.spending_fees[0].rule"),
        (fee("vlaue", json!(1)), "metadata.spending_fees[0].vlaue"),
    ]
}

fn of_cashback() -> Vec<(Value, &'static str)> {
    let programme = |key: &str, value: Value| {
        let mut programme = json!({
            "program_name": "p", "type": "extra_savings", "target_pocket_urn": POCKET,
            "fee_type": "percentage", "value": 0.03,
        });
        programme[key] = value;
        json!({ "cashback_programs": [programme] })
    };
    vec![
        (
            programme("type", json!("lottery")),
            "metadata.cashback_programs[0].type",
        ),
        (
            programme("type", json!("round_up")),
            "metadata.cashback_programs[0].fee_type",
        ),
        (
            programme("value", json!(2)),
            "metadata.cashback_programs[0].value",
        ),
        (
            programme("target_pocket_urn", json!("jar")),
            "metadata.cashback_programs[0].target_pocket_urn",
        ),
    ]
}

fn of_controls() -> Vec<(Value, &'static str)> {
    let controls = |controls: Value| json!({ "controls": controls });
    let limit = |limit: Value| controls(json!({ "limits": [limit] }));
    vec![
        (controls(json!([])), "metadata.controls"),
        (controls(json!({ "limit": [] })), "metadata.controls.limit"),
        (
            limit(json!({ "window": "hour", "count": 1 })),
            "metadata.controls.limits[0].window",
        ),
        (
            limit(json!({ "window": "day", "amount": "1.001" })),
            "metadata.controls.limits[0].amount",
        ),
        (
            limit(json!({ "window": "day", "amount": -1 })),
            "metadata.controls.limits[0].amount",
        ),
        (
            limit(json!({ "window": "day" })),
            "metadata.controls.limits[0]",
        ),
        (
            controls(json!({ "currency": "US" })),
            "metadata.controls.currency",
        ),
        (
            controls(json!({ "mcc": { "allow": ["5999-5000"] } })),
            "metadata.controls.mcc.allow[0]",
        ),
        (
            controls(json!({ "countries": { "deny": ["Narnia"] } })),
            "metadata.controls.countries.deny[0]",
        ),
        (
            controls(json!({ "channels": ["fax"] })),
            "metadata.controls.channels[0]",
        ),
        (
            controls(json!({ "hours": [{ "days": ["mon"], "from": "24:00", "until": "24:00" }] })),
            "metadata.controls.hours[0].from",
        ),
        (
            controls(json!({ "single_use": "yes" })),
            "metadata.controls.single_use",
        ),
    ]
}

#[test]
fn wrong_metadata_is_refused_by_its_path_and_changes_nothing() {
    let house = House::open();
    let card = &house.card(0, &json!({ "name": "Before" }));
    let cases = [
        of_assets(),
        of_pockets(),
        of_fees(),
        of_cashback(),
        of_controls(),
    ]
    .concat();
    for (metadata, field) in cases {
        let change = house.change(card, &json!({ "metadata": metadata }));
        for refused in [house.try_card(&metadata), change] {
            assert_eq!(refused.status, 400, "{metadata}: {}", refused.text);
            assert_eq!(refused.json["error"]["field"], field, "{}", refused.text);
            assert_eq!(refused.json["extra_details"]["field"], field);
            let message = refused.json["message"].as_str().unwrap();
            assert!(message.starts_with(field), "{message}");
        }
    }
    let account = house
        .client
        .get(&format!("/api/accounts/{card}"))
        .expect(200);
    assert_eq!(account["account"]["metadata"], json!({ "name": "Before" }));
}

#[test]
fn what_an_origin_may_not_say_is_refused_by_its_path() {
    let house = House::open();
    for (metadata, field) in [of_fees(), of_controls()].concat() {
        let body = json!({ "metadata": metadata });
        let refused = house.send("PATCH", "/v1/origins/sandbox/metadata", &body);
        assert!(
            matches!(refused.status, 400 | 422),
            "{metadata}: {}",
            refused.text
        );
        assert_eq!(refused.json["error"]["field"], field, "{}", refused.text);
    }
    let told = house.client.get("/v1/origins/sandbox/metadata").expect(200);
    assert_eq!(told["metadata"], json!({}));
}
