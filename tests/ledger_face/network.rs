//! What the network face did, seen and settled through this one.

use serde_json::{Value, json};

use crate::{
    code, money, prepared,
    server::{Client, DUSD},
    settle,
};

fn by_reference(client: &Client, reference: &str) -> Value {
    client
        .get(&format!("/transactions/reference/{reference}"))
        .expect(200)
}

/// A purchase as a transaction, and the balance of its card.
fn bought(client: &Client, card: &str, id: &str, dollars: &str) -> (Value, String) {
    client.authorize(id, card, dollars).expect(200);
    let told = by_reference(client, id);
    let source = told["source"].as_str().unwrap().to_owned();
    (told, source)
}

#[test]
fn an_authorization_is_a_transaction_that_is_inflight() {
    let (_server, client, ..) = prepared();
    let card = client.card(100_000_000);
    let (told, source) = bought(&client, &card, "a-1", "25.00");
    assert_eq!(told["status"], "INFLIGHT");
    assert_eq!(told["destination"], "@Network");
    assert_eq!(told["currency"], DUSD);
    assert_eq!(
        (told["precise_amount"].as_i64(), told["precision"].as_i64()),
        (Some(25_000_000), Some(1_000_000))
    );
    assert_eq!(told["reference"], "a-1");
    assert_eq!(money(&client, &source), [100_000_000, 0, 0, 25_000_000]);
    let shown = client.get(&format!("/balances/{source}")).expect(200);
    assert_eq!(shown["ledger_id"], "cards_ledger_id");
    let part = settle(
        &client,
        &told["transaction_id"],
        &json!({ "status": "commit", "amount": 10 }),
    );
    let part = part.expect(200);
    assert_eq!(part["parent_transaction"], told["transaction_id"]);
    assert_eq!(
        (part["status"].as_str(), part["amount"].as_f64()),
        (Some("COMMIT"), Some(10.0))
    );
    let path = format!("/transactions/{}", part["transaction_id"].as_str().unwrap());
    assert_eq!(client.get(&path).expect(200), part);
    assert_eq!(
        money(&client, &source),
        [100_000_000, 10_000_000, 0, 15_000_000]
    );
    let much = settle(
        &client,
        &told["transaction_id"],
        &json!({ "status": "commit", "precise_amount": 15_000_001 }),
    );
    assert_eq!(code(&much, 400), "TXN_COMMIT_AMOUNT_EXCEEDED");
    settle(
        &client,
        &told["transaction_id"],
        &json!({ "status": "commit" }),
    )
    .expect(200);
    assert_eq!(money(&client, &source), [100_000_000, 25_000_000, 0, 0]);
    assert_eq!(by_reference(&client, "a-1")["status"], "COMMIT");
    for status in ["commit", "void"] {
        let again = settle(
            &client,
            &told["transaction_id"],
            &json!({ "status": status }),
        );
        assert_eq!(code(&again, 409), "TXN_ALREADY_COMMITTED");
    }
    let state = client.get("/v1/authorizations/a-1").expect(200);
    assert_eq!(state["state"], "captured");
    let back = format!(
        "/refund-transaction/{}",
        told["transaction_id"].as_str().unwrap()
    );
    let back = client.post(&back, &Value::Null).expect(201);
    assert_eq!(
        (back["source"].as_str(), back["destination"].as_str()),
        (Some("@Network"), Some(&*source))
    );
    assert_eq!(money(&client, &source), [125_000_000, 25_000_000, 0, 0]);
    client.trial_balance();
}

#[test]
fn an_authorization_is_let_go_once() {
    let (_server, client, ..) = prepared();
    let card = client.card(100_000_000);
    let (told, source) = bought(&client, &card, "a-1", "25.00");
    let key = [("idempotency-key", "void-1")];
    let path = format!(
        "/transactions/inflight/{}",
        told["transaction_id"].as_str().unwrap()
    );
    let body = json!({ "status": "void" }).to_string();
    let first = client.send(("PUT", &path), &key, &body);
    let again = client.send(("PUT", &path), &key, &body);
    assert!(again.is_replay(), "{}", again.text);
    assert_eq!(first.text, again.text);
    let void = first.expect(200);
    assert_eq!(
        (void["status"].as_str(), void["precise_amount"].as_i64()),
        (Some("VOID"), Some(25_000_000))
    );
    assert_eq!(money(&client, &source), [100_000_000, 0, 0, 0]);
    assert_eq!(by_reference(&client, "a-1")["status"], "VOID");
    assert_eq!(
        code(
            &settle(
                &client,
                &told["transaction_id"],
                &json!({ "status": "commit" })
            ),
            409
        ),
        "TXN_ALREADY_VOIDED"
    );
    let bulk = json!({ "transaction_ids": [told["transaction_id"]] });
    let bulk = client
        .post("/transactions/inflight/bulk/void", &bulk)
        .expect(200);
    assert_eq!(bulk["results"][0]["code"], "TXN_ALREADY_VOIDED");
}

#[test]
fn declines_deposits_and_withdrawals_are_told() {
    let (_server, client, ..) = prepared();
    let card = client.card(1_000_000);
    client.authorize("no", &card, "25.00").expect(200);
    let told = by_reference(&client, "no");
    assert_eq!(told["status"], "REJECTED");
    assert!(
        told["meta_data"]["blnk_rejection_reason"].is_string(),
        "{told}"
    );
    assert_eq!(
        code(
            &settle(
                &client,
                &told["transaction_id"],
                &json!({ "status": "commit" })
            ),
            400
        ),
        "TXN_NOT_INFLIGHT"
    );
    let moved = |reference: &str, amount: &str| json!({ "account_urn": card, "asset": DUSD, "amount": amount, "reference": reference, "metadata": { "n": 1 } });
    client
        .post("/v1/deposits", &moved("d-1", "5000000"))
        .expect(201);
    client
        .post("/v1/withdrawals", &moved("w-1", "2000000"))
        .expect(201);
    let deposit = by_reference(&client, "d-1");
    assert_eq!(
        (deposit["source"].as_str(), deposit["status"].as_str()),
        (Some("@World"), Some("APPLIED"))
    );
    assert_eq!(
        (deposit["amount"].as_f64(), &deposit["meta_data"]),
        (Some(5.0), &json!({ "n": 1 }))
    );
    let withdrawal = by_reference(&client, "w-1");
    assert_eq!(withdrawal["source"], deposit["destination"]);
    assert_eq!(withdrawal["destination"], "@World");
    let path = format!(
        "/transactions/{}",
        withdrawal["transaction_id"].as_str().unwrap()
    );
    assert_eq!(client.get(&path).expect(200), withdrawal);
    assert_eq!(
        code(
            &settle(
                &client,
                &deposit["transaction_id"],
                &json!({ "status": "void" })
            ),
            400
        ),
        "TXN_NOT_INFLIGHT"
    );
}

#[test]
fn a_card_pays_and_is_paid_through_this_face() {
    let (_server, client, ..) = prepared();
    let card = client.card(10_000_000);
    let body = |reference: &str, source: &str, destination: &str| {
        json!({
            "amount": 2.5, "precision": 1_000_000, "currency": DUSD, "reference": reference, "description": "",
            "source": source, "destination": destination, "skip_queue": true,
        })
    };
    let paid = client
        .post("/transactions", &body("p-1", &card, "@Merchant-7"))
        .expect(201);
    let source = paid["source"].as_str().unwrap().to_owned();
    assert!(source.starts_with("bln_"), "{paid}");
    assert_eq!(money(&client, &source), [10_000_000, 2_500_000, 0, 0]);
    client
        .post("/transactions", &body("p-2", "@Merchant-7", &source))
        .expect(201);
    assert_eq!(money(&client, &source), [12_500_000, 2_500_000, 0, 0]);
    assert_eq!(client.balance("q", &card).current, 10_000_000);
    client.trial_balance();
}
