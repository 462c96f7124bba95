//! A simulated purchase: the same answer as the real one, and nothing changed.

use serde_json::{Value, json};

use crate::house::{House, refusing, smart};

const NONE: Value = Value::Null;

/// What of an answer is of the moment and not of the decision.
fn decided(mut told: Value) -> Value {
    for name in ["id", "created_at", "expires_at", "simulated"] {
        told.as_object_mut().unwrap().remove(name);
    }
    told
}

/// Simulates, sees that nothing came of it, then asks in earnest, and holds one against the other.
#[track_caller]
fn both(house: &House, card: &str, watched: &[&String], (amount, more): (&str, &Value)) -> Value {
    let state = || {
        let money: Vec<_> = watched.iter().map(|urn| house.money(urn)).collect();
        let usage: Vec<_> = watched.iter().map(|urn| house.usage(urn)).collect();
        let list = format!("/v1/authorizations?card={card}");
        let list = house.client.get(&list).expect(200);
        (money, usage, list, house.client.trial_balance())
    };
    let body = house.asked(card, amount, more);
    let before = state();
    let told = house
        .client
        .post("/v1/authorizations/simulate", &body)
        .expect(200);
    assert_eq!(told["id"], NONE);
    assert_eq!(told["simulated"], true);
    assert_eq!(
        state(),
        before,
        "nothing has changed, the log's end included"
    );
    let real = house.client.post("/v1/authorizations", &body).expect(200);
    let explained = house.explained(&real);
    assert_eq!(decided(told.clone()), decided(explained.clone()));
    assert_eq!(explained["id"], real["id"]);
    told
}

#[test]
fn what_is_simulated_is_what_happens_then() {
    let house = House::open();
    house.rate(("USD", "COP", "4000"), None);
    let jar = &house.pocket(0, &json!({}));
    let food = &house.pocket(30_000_000, &json!({}));
    let main = &house.pocket(
        100_000_000,
        &json!({ "controls": { "limits": [{ "window": "day", "amount": "60.00" }] } }),
    );
    let mut metadata = smart(&[food, main], &[(food, &["5411"])]);
    metadata["cashback_programs"] =
        json!([{ "program_name": "change", "type": "round_up", "target_pocket_urn": jar }]);
    metadata["controls"] = json!({
        "mcc": { "deny": ["7995"] }, "limits": [{ "window": "day", "amount": "90.00" }],
    });
    let card = &house.card(1_000_000, &metadata);
    let watched = [jar, food, main, card];
    let check = |amount: &str, more: &Value| both(&house, card, &watched, (amount, more));

    let split = check("34.70", &NONE);
    assert_eq!(split["surcharge_amount"], "300000");
    assert_eq!(split["legs"].as_array().unwrap().len(), 2);
    let converted = check("39200.00", &json!({ "local_currency": "COP" }));
    assert_eq!(converted["exchange_rate"], "3920");
    let denied = check("1.00", &json!({ "merchant": { "mcc": "7995" } }));
    assert_eq!(refusing(&denied), Some("mcc"));
    let over = check("50.00", &NONE);
    assert_eq!(refusing(&over), Some("limits"));
    let short = check("45.30", &NONE);
    assert_eq!(short["decline_reason"], "insufficient_funds");
    assert_eq!(refusing(&short), Some("asset"));
    let partial = check(
        "45.20",
        &json!({ "partial_approval": true, "capture": true }),
    );
    assert_eq!(partial["state"], "captured");
    house
        .change(card, &json!({ "status": "frozen" }))
        .expect(200);
    let frozen = check("1.00", &NONE);
    assert_eq!(refusing(&frozen), Some("card_status"));
    assert_eq!(frozen["response_code"], "62");
    house.close_and_verify();
}

#[test]
fn an_explanation_stays_through_capture_and_refund() {
    let mut house = House::open();
    let card = &house.card(100_000_000, &json!({}));
    let bought = house.approved(card, "50.00", &NONE);
    let first = house.explained(&bought)["explanation"].clone();
    assert_eq!(first["fees"][0]["amount"], "720000");
    for (step, amount, state) in [
        ("capture", "", "captured"),
        ("refund", "20.00", "partially_refunded"),
        ("refund", "", "refunded"),
    ] {
        house.step(&bought, step, amount);
        let told = house.explained(&bought);
        assert_eq!(told["state"], state);
        assert_eq!(told["explanation"], first, "of the decision, after {step}");
    }
    house.restart();
    assert_eq!(house.explained(&bought)["explanation"], first);
    let by_transaction = bought["transaction_id"].as_str().unwrap();
    let path = format!("/v1/authorizations/{by_transaction}?explain=false");
    assert_eq!(house.client.get(&path).expect(200).get("explanation"), None);
}

#[test]
fn what_cannot_be_simulated_or_explained_is_refused_by_its_field() {
    let house = House::open();
    let card = &house.card(1_000_000, &json!({}));
    let simulate = |body: &Value| house.client.post("/v1/authorizations/simulate", body);
    let body = |field: &str, value: Value| {
        let mut body = house.asked(card, "1.00", &NONE);
        body[field] = value;
        body
    };
    let unknown = simulate(&body("card", json!("crd-0000000000000")));
    assert_eq!(unknown.code(404), "card_not_found");
    assert_eq!(unknown.json["response_code"], "14");
    let wrong = simulate(&body("local_amount", json!("1.001")));
    wrong.code(422);
    assert_eq!(wrong.json["error"]["field"], "local_amount");
    let extra = simulate(&body("amuont", json!("1.00")));
    extra.code(400);
    assert_eq!(extra.json["error"]["field"], "amuont", "{}", extra.text);
    let get = |path: &str| house.client.get(&format!("/v1/authorizations/{path}"));
    assert_eq!(
        get("nobody?explain=true").code(404),
        "authorization_not_found"
    );
    let known = house.approved(card, "1.00", &NONE);
    let id = known["id"].as_str().unwrap();
    for (query, field) in [("explain=maybe", "explain"), ("explian=true", "explian")] {
        let refused = get(&format!("{id}?{query}"));
        refused.code(400);
        assert_eq!(refused.json["error"]["field"], field, "{}", refused.text);
    }
}
