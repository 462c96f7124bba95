//! All of it again after a kill: balances, explanations, what is left of limits, answers to retries.

use serde_json::{Value, json};

use crate::{
    house::{House, smart},
    server::{Reply, wait_until},
};

const NONE: Value = Value::Null;

/// Sends it again; the same bytes, marked as a replay.
#[track_caller]
fn again(house: &House, path: &str, body: &Value, first: &str) {
    let told = house.client.post(path, body);
    assert!(told.is_replay(), "{}", told.text);
    assert_eq!(told.text, first);
}

/// All that is shown of those accounts and of what was answered.
fn seen(house: &House, accounts: &[&str], answers: &[Reply]) -> Value {
    let of_account = |urn: &&str| {
        let (current, pending) = house.money(urn);
        json!([
            current.to_string(),
            pending.to_string(),
            house.usage(urn),
            house.movements(urn),
        ])
    };
    let explained = |answer: &Reply| house.explained(&answer.json);
    json!([
        accounts.iter().map(of_account).collect::<Value>(),
        answers.iter().map(explained).collect::<Value>(),
        house.client.trial_balance()["assets"],
    ])
}

#[test]
fn a_killed_server_knows_every_rule_again_and_answers_retries_with_the_same_bytes() {
    let mut house = House::open();
    house.rate(("USD", "COP", "4000"), None);
    let jar = house.pocket(0, &json!({}));
    let food = house.pocket(30_000_000, &json!({}));
    let limit = json!({ "limits": [{ "window": "lifetime", "amount": "60.00", "count": 3 }] });
    let main = house.pocket(100_000_000, &json!({ "controls": limit }));
    let mut metadata = smart(&[&food, &main], &[(&food, &["5411"])]);
    metadata["cashback_programs"] =
        json!([{ "program_name": "change", "type": "round_up", "target_pocket_urn": jar }]);
    metadata["controls"] = json!({
        "merchant_locked": true,
        "limits": [{ "window": "lifetime", "amount": "80.00" }],
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
    let seen = |house: &House| seen(house, &[&jar, &food, &main, &card], &answers);
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
        wait_until("the snapshot is whole", || {
            let told = house.client.get("/v1/snapshots").expect(200);
            !told["data"].as_array().unwrap().is_empty() && told["running"] == false
        });
    }
    let locked = house.declined(&card, "1.00", &json!({ "merchant": { "id": "m-2" } }));
    assert_eq!(locked["decline_details"]["control"], "merchant_locked");
    house.close_and_verify();
}
