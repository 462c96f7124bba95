//! Many authorizations in one request.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    authorize::check,
    server::{Client, Reply, Server, purchase},
};

const PATH: &str = "/v1/authorizations/batch";

fn as_lines(client: &Client, lines: &[String]) -> Reply {
    let kind = [("content-type", "application/x-ndjson")];
    client.send(("POST", PATH), &kind, lines.join("\n"))
}

#[test]
fn one_failing_item_never_fails_its_neighbours() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    let mut wrong = purchase("w", &card, "1.001");
    let items = vec![
        purchase("a", &card, "60.00"),
        wrong.clone(),
        json!({ "transaction_id": "no-card" }),
        purchase("b", &card, "60.00"),
        json!(7),
        purchase("nobody", "crd-0000000000000", "1.00"),
        purchase("a", &card, "60.00"),
        purchase("a", &card, "61.00"),
        purchase("c", &card, "40.00"),
    ];
    let told = client.post(PATH, &Value::from(items.clone())).expect(200);
    let told = told.as_array().unwrap();
    let statuses: Vec<_> = told
        .iter()
        .map(|one| one["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 422, 400, 200, 400, 404, 200, 409, 200]);
    check(
        &told[0]["body"],
        &json!({ "status": "approved", "transaction_id": "a" }),
    );
    assert_eq!(told[1]["error"]["field"], "local_amount");
    assert_eq!(told[2]["error"]["code"], "malformed_request");
    check(
        &told[3]["body"],
        &json!({ "status": "declined", "transaction_id": "b" }),
    );
    assert_eq!(told[5]["error"]["code"], "card_not_found");
    assert_eq!(told[6]["body"], told[0]["body"]);
    assert_eq!(told[7]["error"]["code"], "idempotency_conflict");
    check(
        &told[8]["body"],
        &json!({ "status": "approved", "transaction_id": "c" }),
    );
    // As lines: the same answers, in the same order; a broken line is one failing item.
    let mut lines: Vec<_> = items.iter().map(Value::to_string).collect();
    lines.push("{\"transaction_id\":".to_owned());
    let reply = as_lines(&client, &lines);
    assert!(reply.headers["content-type"].starts_with("application/x-ndjson"));
    let again: Vec<Value> = reply
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(again.len(), 10);
    assert_eq!(again[9]["status"], 400);
    for (first, again) in told.iter().zip(&again) {
        assert_eq!(
            (&first["status"], &first["body"]),
            (&again["status"], &again["body"])
        );
    }
    assert!(again[0]["replayed"] == true && again[3]["replayed"] == true);
    wrong["local_amount"] = "1.00".into();
    check(
        &client.post("/v1/authorizations", &wrong).expect(200),
        &json!({ "status": "declined" }),
    );
    client.trial_balance();
}

fn ten_thousand(client: &Client, cards: &[String], prefix: &str) -> Vec<Value> {
    let item = |number: usize| {
        purchase(
            &format!("{prefix}-{number}"),
            &cards[number % cards.len()],
            "0.01",
        )
    };
    let items: Vec<Value> = (0..10_000).map(item).collect();
    let told = client.post(PATH, &Value::from(items)).expect(200);
    let told = told.as_array().unwrap().clone();
    assert_eq!(told.len(), 10_000);
    for (number, one) in told.iter().enumerate() {
        assert_eq!(one["body"]["transaction_id"], format!("{prefix}-{number}"));
    }
    told
}

#[test]
fn ten_thousand_on_one_card_are_decided_in_order() {
    let server = Server::start();
    let client = server.client();
    // Enough for 9,000 of them.
    let cards = client.cards(1, 90_000_000);
    let told = ten_thousand(&client, &cards, "one");
    for (number, one) in told.iter().enumerate() {
        let expected = if number < 9_000 {
            "approved"
        } else {
            "declined"
        };
        assert_eq!(one["body"]["status"], expected, "{number}");
    }
    let ids: BTreeSet<_> = told
        .iter()
        .map(|one| one["body"]["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 10_000);
    assert_eq!(client.balance("b", &cards[0]).pending, 90_000_000);
    let again = ten_thousand(&client, &cards, "one");
    let bodies = |told: &[Value]| {
        told.iter()
            .map(|one| one["body"].clone())
            .collect::<Vec<_>>()
    };
    assert!(bodies(&again) == bodies(&told), "a replay differs");
    client.trial_balance();
}

#[test]
fn ten_thousand_on_many_cards() {
    let server = Server::start();
    let client = server.client();
    let cards = client.cards(1_000, 100_000);
    let told = ten_thousand(&client, &cards, "many");
    assert!(told.iter().all(|one| one["body"]["status"] == "approved"));
    let held = &client.trial_balance()["assets"]["DUSD/6"]["held"];
    assert_eq!(held, "100000000");
}

#[test]
fn lists_that_are_none_too_long_or_empty_are_refused() {
    let server = Server::with(&[("CARDWRIGHT_SERVER__BATCH_ITEMS_MAX", "100")]);
    let client = server.client();
    let card = client.card(1_000_000_000);
    let items = |count: usize| {
        let items = (0..count).map(|number| purchase(&format!("i-{number}"), &card, "1.00"));
        Value::from(items.collect::<Vec<_>>())
    };
    assert_eq!(client.post(PATH, &items(101)).code(413), "batch_too_large");
    assert_eq!(client.get("/v1/authorizations/i-0").status, 404);
    client.post(PATH, &items(100)).expect(200);
    for (body, status) in [
        ("[]", 400),
        ("{}", 400),
        ("", 400),
        ("[{},", 400),
        ("null", 400),
    ] {
        let refused = client.send(("POST", PATH), &[], body);
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        assert_eq!(refused.json["error"]["field"], "body", "{body}");
    }
    assert_eq!(
        as_lines(&client, &[" ".to_owned(), String::new()]).status,
        400
    );
    let csv = client.send(("POST", PATH), &[("content-type", "text/csv")], "[]");
    assert_eq!(csv.code(415), "unsupported_media_type");
    let large = format!("[\"{}\"]", "x".repeat(17 << 20));
    let refused = client.send(("POST", PATH), &[], large);
    assert_eq!(refused.code(413), "payload_too_large");
}
