//! All of it again after a kill: balances, explanations, what is left of limits, answers to retries.

use serde_json::{Value, json};

use crate::house::{House, smart};

const NONE: Value = Value::Null;

/// Sends it again; the same bytes, marked as a replay.
#[track_caller]
fn again(house: &House, path: &str, body: &Value, first: &str) {
    let told = house.client.post(path, body);
    assert!(told.is_replay(), "{}", told.text);
    assert_eq!(told.text, first);
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one server followed through its kill"
)]
fn a_killed_server_knows_every_rule_again_and_answers_retries_with_the_same_bytes() {
    let mut house = House::open();
    house.rate(("USD", "COP", "4000"), None);
    let jar = house.pocket(0, &json!({}));
    let food = house.pocket(30_000_000, &json!({}));
    let limit = json!({ "limits": [{ "window": "day", "amount": "60.00", "count": 3 }] });
    let main = house.pocket(100_000_000, &json!({ "controls": limit }));
    let mut metadata = smart(&[&food, &main], &[(&food, &["5411"])]);
    metadata["cashback_programs"] =
        json!([{ "program_name": "change", "type": "round_up", "target_pocket_urn": jar }]);
    metadata["controls"] = json!({
        "merchant_locked": true,
        "limits": [{ "window": "month", "amount": "80.00" }],
    });
    let card = house.card(0, &metadata);
    let asked = [
        house.asked(&card, "34.70", &NONE),
        house.asked(&card, "39200.00", &json!({ "local_currency": "COP" })),
        house.asked(&card, "90.00", &NONE),
        house.asked(&card, "1.00", &json!({ "merchant": { "id": "m-2" } })),
    ];
    let path = "/v1/authorizations";
    let answers: Vec<_> = asked
        .iter()
        .map(|body| house.client.post(path, body))
        .collect();
    let status = |n: usize| answers[n].json["status"].clone();
    assert_eq!([status(0), status(1)], ["approved", "approved"]);
    assert_eq!(answers[2].json["decline_reason"], "amount_limit_exceeded");
    assert_eq!(answers[3].json["decline_reason"], "merchant_not_allowed");
    let id = answers[0].json["id"].as_str().unwrap();
    let steps: Vec<_> = [
        ("capture", json!({ "transaction_id": "c1" })),
        (
            "refund",
            json!({ "transaction_id": "r1", "local_amount": "10.00" }),
        ),
    ]
    .into_iter()
    .map(|(step, body)| {
        let path = format!("{path}/{id}/{step}");
        let told = house.client.post(&path, &body);
        assert_eq!(told.status, 200, "{}", told.text);
        (path, body, told.text)
    })
    .collect();
    let seen = |house: &House| {
        let accounts = [&jar, &food, &main, &card];
        let money: Vec<_> = accounts.iter().map(|urn| house.money(urn)).collect();
        let usage: Vec<_> = accounts.iter().map(|urn| house.usage(urn)).collect();
        let told: Vec<_> = answers
            .iter()
            .map(|answer| house.explained(&answer.json))
            .collect();
        let moved: Vec<_> = accounts.iter().map(|urn| house.movements(urn)).collect();
        (
            money,
            usage,
            told,
            moved,
            house.client.trial_balance()["assets"].clone(),
        )
    };
    let before = seen(&house);
    // From the log alone, then from a snapshot and what came behind it.
    for round in 0..2 {
        house.restart();
        assert_eq!(seen(&house), before, "round {round}");
        for (body, answer) in asked.iter().zip(&answers) {
            again(&house, path, body, &answer.text);
        }
        for (path, body, answer) in &steps {
            again(&house, path, body, answer);
        }
        house.client.post("/v1/snapshots", &json!({})).expect(202);
    }
    let locked = house.declined(&card, "1.00", &json!({ "merchant": { "id": "m-2" } }));
    assert_eq!(locked["decline_details"]["control"], "merchant_locked");
    house.close_and_verify();
}
