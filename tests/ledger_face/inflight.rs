//! What is held: committed wholly and in parts, let go, many at once, by the time.

use serde_json::json;

use crate::{code, money, pay, prepared, server::wait_until, settle};

fn held(card: &str, shop: &str, reference: &str, amount: i64) -> serde_json::Value {
    let mut body = pay(card, shop, reference, json!(amount));
    body["inflight"] = true.into();
    body["meta_data"] = json!({ "merchant_name": "Store" });
    body
}

/// The guide's walk: authorize, approve in parts, decline.
#[test]
#[expect(clippy::too_many_lines, reason = "a walk is told in one go")]
fn what_is_inflight_is_committed_in_parts_or_let_go() {
    let (_server, client, card, shop) = prepared();
    let hold = client
        .post("/transactions", &held(&card, &shop, "hold", 250))
        .expect(201);
    assert_eq!(
        (hold["status"].as_str(), hold["inflight"].as_bool()),
        (Some("INFLIGHT"), Some(true))
    );
    assert_eq!(money(&client, &card), [100_000, 0, 0, 25_000]);
    assert_eq!(money(&client, &shop), [0, 0, 25_000, 0]);
    let id = &hold["transaction_id"];
    let part = settle(
        &client,
        id,
        &json!({ "status": "commit", "amount": 100, "meta_data": { "n": 1 } }),
    );
    let part = part.expect(200);
    assert_eq!(part["parent_transaction"], *id);
    assert_ne!(part["transaction_id"], *id);
    assert_eq!(
        (part["amount"].as_f64(), part["precise_amount"].as_i64()),
        (Some(100.0), Some(10_000))
    );
    assert_eq!(
        part["meta_data"],
        json!({ "merchant_name": "Store", "n": 1 })
    );
    assert_eq!(money(&client, &shop), [10_000, 0, 15_000, 0]);
    let child = format!("/transactions/{}", part["transaction_id"].as_str().unwrap());
    assert_eq!(client.get(&child).expect(200), part);
    let much = settle(
        &client,
        id,
        &json!({ "status": "commit", "amount": 150.01 }),
    );
    assert_eq!(code(&much, 400), "TXN_COMMIT_AMOUNT_EXCEEDED");
    // What is exact stands for what is rounded, and zero for all that is left.
    let rest = json!({ "status": "commit", "amount": 7, "precise_amount": "5000" });
    assert_eq!(
        settle(&client, id, &rest).expect(200)["precise_amount"],
        5_000
    );
    let rest = json!({ "status": "commit", "amount": 0, "skip_queue": true });
    assert_eq!(
        settle(&client, id, &rest).expect(200)["precise_amount"],
        10_000
    );
    assert_eq!(money(&client, &card), [100_000, 25_000, 0, 0]);
    assert_eq!(money(&client, &shop), [25_000, 0, 0, 0]);
    for status in ["commit", "void"] {
        let again = settle(&client, id, &json!({ "status": status }));
        assert_eq!(code(&again, 409), "TXN_ALREADY_COMMITTED", "{status}");
    }
    let shown = client
        .get(&format!("/transactions/{}", id.as_str().unwrap()))
        .expect(200);
    assert_eq!(shown["status"], "COMMIT");
    let gone = client
        .post("/transactions", &held(&card, &shop, "gone", 40))
        .expect(201);
    let gone = &gone["transaction_id"];
    settle(&client, gone, &json!({ "status": "commit", "amount": 10 })).expect(200);
    let void = settle(&client, gone, &json!({ "status": "void" })).expect(200);
    assert_eq!(
        (void["status"].as_str(), void["precise_amount"].as_i64()),
        (Some("VOID"), Some(3_000))
    );
    for status in ["commit", "void"] {
        let again = settle(&client, gone, &json!({ "status": status }));
        assert_eq!(code(&again, 409), "TXN_ALREADY_VOIDED", "{status}");
    }
    assert_eq!(money(&client, &card), [100_000, 26_000, 0, 0]);
    client.trial_balance();
}

#[test]
fn what_is_inflight_is_not_spent_twice() {
    let (_server, client, card, shop) = prepared();
    client
        .post("/transactions", &held(&card, &shop, "most", 900))
        .expect(201);
    let mut more = pay(&card, &shop, "more", json!(100.01));
    more["skip_queue"] = true.into();
    assert_eq!(
        code(&client.post("/transactions", &more), 400),
        "TXN_INSUFFICIENT_FUNDS"
    );
    more["amount"] = json!(100);
    client.post("/transactions", &more).expect(201);
}

#[test]
fn a_step_that_cannot_be_is_refused() {
    let (_server, client, card, shop) = prepared();
    let sale = client
        .post("/transactions", &pay(&card, &shop, "sale", json!(5)))
        .expect(201);
    let sale = &sale["transaction_id"];
    let commit = json!({ "status": "commit" });
    assert_eq!(
        code(&settle(&client, sale, &commit), 400),
        "TXN_NOT_INFLIGHT"
    );
    let hold = client
        .post("/transactions", &held(&card, &shop, "hold", 5))
        .expect(201);
    let hold = &hold["transaction_id"];
    for (body, expected) in [
        (json!({ "status": "settle" }), "TXN_INVALID_STATUS_ACTION"),
        (
            json!({ "status": "commit", "amount": 0.001 }),
            "TXN_INVALID_AMOUNT",
        ),
        (
            json!({ "status": "commit", "amount": -1 }),
            "TXN_INVALID_AMOUNT",
        ),
        (
            json!({ "status": "commit", "precise_amount": "1.5" }),
            "TXN_INVALID_AMOUNT",
        ),
        (
            json!({ "status": "void", "amount": 1 }),
            "TXN_VALIDATION_ERROR",
        ),
        (
            json!({ "status": "commit", "meta_data": 7 }),
            "GEN_VALIDATION_ERROR",
        ),
        (json!({ "status": 7 }), "GEN_MALFORMED_REQUEST"),
        (json!({}), "GEN_MALFORMED_REQUEST"),
    ] {
        assert_eq!(code(&settle(&client, hold, &body), 400), expected, "{body}");
    }
    let nobody = json!("txn_6164573b-6cc8-45a4-ad2e-7b4ba6a60f7d");
    assert_eq!(
        code(&settle(&client, &nobody, &commit), 404),
        "TXN_NOT_FOUND"
    );
    assert_eq!(money(&client, &card), [100_000, 500, 0, 500]);
}

#[test]
fn many_are_committed_and_let_go_each_by_itself() {
    let (_server, client, card, shop) = prepared();
    let hold = |reference: &str, amount| {
        let made = client
            .post("/transactions", &held(&card, &shop, reference, amount))
            .expect(201);
        made["transaction_id"].clone()
    };
    let (one, two, three) = (hold("h-1", 1), hold("h-2", 2), hold("h-3", 3));
    let body = json!({ "transactions": [
        { "transaction_id": one }, { "transaction_id": two, "amount": 1 },
        { "transaction_id": "txn_x" }, { "transaction_id": one },
    ], "skip_queue": true });
    let told = client
        .post("/transactions/inflight/bulk/commit", &body)
        .expect(200);
    assert_eq!(
        (told["succeeded"].as_i64(), told["failed"].as_i64()),
        (Some(2), Some(2))
    );
    assert_eq!(
        told["results"][0],
        json!({ "transaction_id": one, "status": "succeeded" })
    );
    assert_eq!(told["results"][2]["code"], "TXN_NOT_FOUND");
    assert_eq!(told["results"][3]["code"], "TXN_ALREADY_COMMITTED");
    let body = json!({ "transaction_ids": [two, three, one] });
    let told = client
        .post("/transactions/inflight/bulk/void", &body)
        .expect(200);
    assert_eq!(
        (told["succeeded"].as_i64(), told["failed"].as_i64()),
        (Some(2), Some(1))
    );
    assert_eq!(money(&client, &card), [100_000, 200, 0, 0]);
    for (path, list) in [
        ("/transactions/inflight/bulk/void", "transaction_ids"),
        ("/transactions/inflight/bulk/commit", "transactions"),
    ] {
        let none = client.post(path, &json!({ list: [] }));
        assert_eq!(code(&none, 400), "TXN_BULK_EMPTY");
        let item = if list == "transactions" {
            json!({ "transaction_id": one })
        } else {
            one.clone()
        };
        let many = client.post(path, &json!({ list: vec![item; 101] }));
        assert_eq!(code(&many, 400), "TXN_BULK_LIMIT_EXCEEDED");
    }
}

#[test]
fn time_lets_go_commits_and_does() {
    let (_server, client, card, shop) = prepared();
    let at = |seconds: u64| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let when = i64::try_from(now + seconds).unwrap();
        let when = cardwright::domain::time::Timestamp::from_micros(when * 1_000_000);
        json!(when.to_string().replace(".000000Z", "+00:00"))
    };
    let mut brief = held(&card, &shop, "brief", 3);
    brief["inflight_expiry_date"] = at(1);
    let mut sure = held(&card, &shop, "sure", 5);
    sure["inflight_commit_date"] = at(1);
    let mut later = pay(&card, &shop, "later", json!(7));
    later["scheduled_for"] = at(1);
    let mut much = held(&card, &shop, "much", 11);
    much["scheduled_for"] = at(3_600);
    client.post("/transactions", &brief).expect(201);
    client.post("/transactions", &sure).expect(201);
    let told = client.post("/transactions", &later).expect(201);
    assert!(
        matches!(told["status"].as_str(), Some("SCHEDULED" | "APPLIED")),
        "{told}"
    );
    let told = client.post("/transactions", &much).expect(201);
    assert_eq!(told["status"], "SCHEDULED");
    let status = |reference: &str| {
        let told = client
            .get(&format!("/transactions/reference/{reference}"))
            .expect(200);
        told["status"].as_str().unwrap().to_owned()
    };
    wait_until("the expiry", || status("brief") == "EXPIRED");
    wait_until("the commit", || status("sure") == "COMMIT");
    wait_until("the time", || status("later") == "APPLIED");
    assert_eq!(status("much"), "SCHEDULED");
    assert_eq!(money(&client, &card), [100_000, 1_200, 0, 0]);
}
