//! Many transactions in one request.

use serde_json::{Value, json};

use crate::{code, money, pay, prepared, settle};

#[test]
fn a_bulk_is_done_whole_or_not_at_all() {
    let (_server, client, card, shop) = prepared();
    let all = |references: [&str; 3], last: i64| {
        json!([
            pay(&card, &shop, references[0], json!(1)),
            pay(&card, &shop, references[1], json!(2)),
            pay(&card, &shop, references[2], json!(last)),
        ])
    };
    let body = json!({ "atomic": true, "transactions": all(["a", "b", "c"], 3) });
    let told = client.post("/transactions/bulk", &body).expect(201);
    assert_eq!(
        (told["status"].as_str(), told["transaction_count"].as_i64()),
        (Some("applied"), Some(3))
    );
    assert!(told["batch_id"].as_str().unwrap().starts_with("bulk_"));
    assert_eq!(money(&client, &card), [100_000, 600, 0, 0]);
    let part = client.get("/transactions/reference/b").expect(200);
    assert_eq!(part["parent_transaction"], told["batch_id"]);
    let much = json!({ "atomic": true, "transactions": all(["d", "e", "f"], 5000) });
    let refused = client.post("/transactions/bulk", &much);
    assert_eq!(code(&refused, 400), "TXN_INSUFFICIENT_FUNDS");
    assert_eq!(refused.json["error_detail"]["details"]["transaction"], 2);
    assert_eq!(money(&client, &card), [100_000, 600, 0, 0]);
    // Each by itself: those that can be done are.
    let some = json!({ "transactions": all(["d", "e", "f"], 5000) });
    let told = client.post("/transactions/bulk", &some).expect(201);
    assert_eq!(told["transaction_count"], 2);
    assert!(
        told["message"].as_str().unwrap().contains("index 2"),
        "{told}"
    );
    assert_eq!(money(&client, &card), [100_000, 900, 0, 0]);
    client.trial_balance();
}

#[test]
fn a_bulk_is_held_and_settled_by_its_id() {
    let (_server, client, card, shop) = prepared();
    let both = |one: &str, two: &str| {
        let body = json!({ "atomic": true, "inflight": true, "transactions": [
            pay(&card, &shop, one, json!(4)), pay(&card, &shop, two, json!(5)),
        ] });
        let told = client.post("/transactions/bulk", &body).expect(201);
        assert_eq!(told["status"], "inflight");
        told["batch_id"].clone()
    };
    let batch = both("a", "b");
    assert_eq!(money(&client, &card), [100_000, 0, 0, 900]);
    let part = settle(&client, &batch, &json!({ "status": "commit" })).expect(200);
    assert_eq!(part["transaction_id"], batch, "{part}");
    assert_eq!(money(&client, &card), [100_000, 900, 0, 0]);
    let shown = client
        .get(&format!("/transactions/{}", batch.as_str().unwrap()))
        .expect(200);
    assert_eq!(shown["transaction_id"], batch);
    let batch = both("c", "d");
    settle(&client, &batch, &json!({ "status": "void" })).expect(200);
    assert_eq!(money(&client, &card), [100_000, 900, 0, 0]);
    client.trial_balance();
}

#[test]
fn what_is_wrong_with_a_bulk_is_said_with_its_place() {
    let (_server, client, card, shop) = prepared();
    let good = pay(&card, &shop, "a", json!(1));
    let mut bad = pay(&card, &shop, "b", json!(1));
    bad["amount"] = json!(-1);
    let bulk =
        |items: Vec<Value>| client.post("/transactions/bulk", &json!({ "transactions": items }));
    let refused = bulk(vec![good.clone(), bad]);
    assert_eq!(code(&refused, 400), "TXN_INVALID_AMOUNT");
    assert!(refused.text.contains("index 1"), "{}", refused.text);
    assert_eq!(
        refused.json["error_detail"]["details"]["field"],
        "transactions[1].amount"
    );
    assert_eq!(
        code(&bulk(vec![good.clone(), good]), 409),
        "TXN_DUPLICATE_REFERENCE"
    );
    assert_eq!(code(&bulk(Vec::new()), 400), "TXN_BULK_EMPTY");
    assert_eq!(
        code(&bulk(vec![json!({}); 10_001]), 400),
        "TXN_BULK_LIMIT_EXCEEDED"
    );
    assert_eq!(money(&client, &card), [100_000, 0, 0, 0]);
}

#[test]
fn two_thousand_at_once_are_as_many() {
    let (_server, client, card, shop) = prepared();
    let items = (0..2_000).map(|count| pay(&card, &shop, &format!("m-{count}"), json!(0.01)));
    let items: Vec<Value> = items.collect();
    let body = json!({ "atomic": true, "skip_queue": true, "transactions": items });
    let told = client.post("/transactions/bulk", &body).expect(201);
    assert_eq!(told["transaction_count"], 2_000);
    assert_eq!(money(&client, &shop), [2_000, 0, 0, 0]);
    let body = json!({ "run_async": true, "transactions": [pay(&card, &shop, "last", json!(1))] });
    let told = client.post("/transactions/bulk", &body).expect(201);
    assert!(
        told["message"].is_string() && told["batch_id"].is_string(),
        "{told}"
    );
    client.trial_balance();
}
