//! Transactions: exact sums, overdrafts, splits, references, refunds.

use serde_json::{Value, json};

use crate::{balance, code, money, pay, prepared};

#[test]
fn sums_are_exact_in_every_form() {
    let (_server, client, card, shop) = prepared();
    let forms = [
        (r#""amount":0.29,"precision":100"#, 29, "0.29"),
        (r#""amount":4.35,"precision":100"#, 435, "4.35"),
        (r#""amount":1e1,"precision":1e2"#, 1_000, "10"),
        (r#""amount_string":"12.50","precision":100"#, 1_250, "12.5"),
        (r#""precise_amount":71,"precision":100"#, 71, "0.71"),
        (r#""precise_amount":"  8 ","precision":100"#, 8, "0.08"),
        (
            r#""amount":1.5,"precise_amount":"150","amount_string":"1.50","precision":100"#,
            150,
            "1.5",
        ),
        (r#""precise_amount":5"#, 5, "5"),
    ];
    let mut spent = 0;
    for (place, (form, minor, amount)) in forms.into_iter().enumerate() {
        let body = format!(
            r#"{{{form},"currency":"USD","reference":"f-{place}","source":"{card}","destination":"{shop}"}}"#
        );
        let reply = client.send(("POST", "/transactions"), &[], &body);
        let told = reply.clone().expect(201);
        assert_eq!(told["precise_amount"], minor, "{form}");
        assert_eq!(told["amount_string"], amount, "{form}");
        assert!(
            reply.text.contains(&format!("\"amount\":{amount},")),
            "{}",
            reply.text
        );
        spent += minor;
        assert_eq!(money(&client, &card), [100_000, spent, 0, 0]);
        assert_eq!(money(&client, &shop), [spent, 0, 0, 0]);
    }
    client.trial_balance();
}

#[test]
fn long_sums_keep_every_digit() {
    let (_server, client, ..) = prepared();
    let digits = "123456789012345678901234567890";
    let body = format!(
        r#"{{"precise_amount":{digits},"precision":1000000000000000000,"currency":"ETH","reference":"l",
            "source":"@World","destination":"@Vault","allow_overdraft":true}}"#
    );
    let reply = client.send(("POST", "/transactions"), &[], &body);
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert!(
        reply
            .text
            .contains(&format!("\"precise_amount\":{digits},")),
        "{}",
        reply.text
    );
    assert!(
        reply
            .text
            .contains("\"amount\":123456789012.34567890123456789,"),
        "{}",
        reply.text
    );
    let told = client.get("/balances/indicator/@Vault/currency/ETH");
    assert!(
        told.text.contains(&format!("\"balance\":{digits},")),
        "{}",
        told.text
    );
    let owed = client.get("/balances/indicator/@World/currency/ETH");
    assert!(
        owed.text.contains(&format!("\"balance\":-{digits},")),
        "{}",
        owed.text
    );
}

#[test]
fn an_answer_says_what_was_asked() {
    let (mut server, client, card, shop) = prepared();
    let mut body = pay(&card, &shop, "r/1 ü", json!(12.5));
    body["description"] = "Lunch".into();
    body["meta_data"] = json!({ "merchant_name": "Store" });
    body["effective_date"] = "2024-04-22T15:28:03+00:00".into();
    body["scheduled_for"] = "0001-01-01T00:00:00Z".into();
    let made = client.post("/transactions", &body).expect(201);
    let id = made["transaction_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("txn_") && id.len() == 40);
    for (field, expected) in [
        ("parent_transaction", json!("")),
        ("source", json!(card)),
        ("destination", json!(shop)),
        ("amount", json!(12.5)),
        ("precise_amount", json!(1_250)),
        ("precision", json!(100)),
        ("overdraft_limit", json!(0)),
        ("reference", json!("r/1 ü")),
        ("currency", json!("USD")),
        ("description", json!("Lunch")),
        ("status", json!("APPLIED")),
        ("allow_overdraft", json!(false)),
        ("inflight", json!(false)),
        ("skip_queue", json!(false)),
        ("atomic", json!(false)),
        ("effective_date", json!("2024-04-22T15:28:03.000000Z")),
        ("scheduled_for", json!("0001-01-01T00:00:00Z")),
        ("inflight_expiry_date", json!("0001-01-01T00:00:00Z")),
        ("meta_data", json!({ "merchant_name": "Store" })),
    ] {
        assert_eq!(made[field], expected, "{field}: {made}");
    }
    let hash = made["hash"].as_str().unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let path = format!("/transactions/{id}");
    assert_eq!(client.get(&path).expect(200), made);
    let by_reference = "/transactions/reference/r%2F1%20%C3%BC";
    assert_eq!(client.get(by_reference).expect(200), made);
    assert_eq!(
        code(&client.post("/transactions", &body), 409),
        "TXN_DUPLICATE_REFERENCE"
    );
    server.restart();
    assert_eq!(server.client().get(&path).expect(200), made);
    assert_eq!(server.client().get(by_reference).expect(200), made);
    for nobody in [
        "/transactions/txn_6164573b-6cc8-45a4-ad2e-7b4ba6a60f7d",
        "/transactions/x",
        "/transactions/reference/nobody",
    ] {
        assert_eq!(code(&server.client().get(nobody), 404), "TXN_NOT_FOUND");
    }
}

#[test]
fn too_little_money_is_a_record_or_an_error() {
    let (_server, client, card, shop) = prepared();
    let mut body = pay(&card, &shop, "much", json!(5000));
    let told = client.post("/transactions", &body).expect(201);
    assert_eq!(told["status"], "REJECTED");
    let reason = told["meta_data"]["blnk_rejection_reason"].as_str().unwrap();
    assert!(reason.contains("insufficient funds"), "{reason}");
    let id = told["transaction_id"].as_str().unwrap();
    let shown = client.get(&format!("/transactions/{id}")).expect(200);
    assert_eq!(shown["status"], "REJECTED");
    body["reference"] = "much-2".into();
    body["skip_queue"] = true.into();
    assert_eq!(
        code(&client.post("/transactions", &body), 400),
        "TXN_INSUFFICIENT_FUNDS"
    );
    assert_eq!(
        code(&client.get("/transactions/reference/much-2"), 404),
        "TXN_NOT_FOUND"
    );
    // The same reference is free again: nothing was recorded.
    body["amount"] = json!(1000);
    client.post("/transactions", &body).expect(201);
    let mut owe = pay(&card, &shop, "owe-1", json!(20));
    owe["overdraft_limit"] = json!(20);
    owe["skip_queue"] = true.into();
    let told = client.post("/transactions", &owe).expect(201);
    assert_eq!(told["overdraft_limit"], 20);
    assert_eq!(told["allow_overdraft"], true);
    owe["reference"] = "owe-2".into();
    owe["amount"] = json!(0.01);
    assert_eq!(
        code(&client.post("/transactions", &owe), 400),
        "TXN_INSUFFICIENT_FUNDS"
    );
    owe["overdraft_limit"] = Value::Null;
    owe["allow_overdraft"] = true.into();
    client.post("/transactions", &owe).expect(201);
    assert_eq!(money(&client, &card), [100_000, 102_001, 0, 0]);
    client.trial_balance();
}

#[test]
fn splits_add_up() {
    let (_server, client, card, shop) = prepared();
    let mut body = pay(&card, "", "split", json!(100));
    body["destinations"] = json!([
        { "identifier": shop, "distribution": "20%" },
        { "identifier": "@Fees", "distribution": "12.50" },
        { "identifier": "@Rest", "distribution": "left", "narration": "what is left" },
    ]);
    body["meta_data"] = json!({ "of": "split" });
    let told = client.post("/transactions", &body).expect(201);
    assert_eq!(told["status"], "APPLIED");
    assert_eq!(told["destinations"], body["destinations"]);
    assert_eq!(
        (&told["source"], &told["destination"]),
        (&json!(card), &json!(""))
    );
    assert_eq!(money(&client, &card), [100_000, 10_000, 0, 0]);
    assert_eq!(money(&client, &shop), [2_000, 0, 0, 0]);
    let of = |name: &str| {
        let told = client.get(&format!("/balances/indicator/{name}/currency/USD"));
        told.expect(200)["balance"].as_i64().unwrap()
    };
    assert_eq!((of("@Fees"), of("@Rest")), (1_250, 6_750));
    let mut join = pay("", &card, "join", Value::Null);
    join["precise_amount"] = "1000".into();
    join["sources"] = json!([
        { "identifier": "@Fees", "precise_distribution": "600" },
        { "identifier": "@Rest", "precise_distribution": 400 },
    ]);
    let told = client.post("/transactions", &join).expect(201);
    assert_eq!(
        (told["status"].as_str(), told["amount"].as_f64()),
        (Some("APPLIED"), Some(10.0))
    );
    assert_eq!((of("@Fees"), of("@Rest")), (650, 6_350));
    let id = told["transaction_id"].as_str().unwrap();
    assert_eq!(client.get(&format!("/transactions/{id}")).expect(200), told);
    // One that cannot pay its part: nobody pays.
    join["reference"] = "join-2".into();
    join["skip_queue"] = true.into();
    join["sources"] = json!([
        { "identifier": "@Fees", "distribution": "6.51" },
        { "identifier": "@Rest", "distribution": "left" },
    ]);
    assert_eq!(
        code(&client.post("/transactions", &join), 400),
        "TXN_INSUFFICIENT_FUNDS"
    );
    assert_eq!((of("@Fees"), of("@Rest")), (650, 6_350));
    let wrong = [
        json!([{ "identifier": shop, "distribution": "50%" }, { "identifier": "@X", "distribution": "1" }]),
        json!([{ "identifier": shop, "distribution": "left" }, { "identifier": "@X", "distribution": "left" }]),
        json!([{ "identifier": shop, "distribution": "200" }, { "identifier": "@X", "distribution": "left" }]),
        json!([{ "identifier": shop, "distribution": "1e2" }]),
        json!([{ "identifier": shop }]),
    ];
    for (place, destinations) in wrong.into_iter().enumerate() {
        body["reference"] = format!("wrong-{place}").into();
        body["destinations"] = destinations;
        assert_eq!(
            code(&client.post("/transactions", &body), 400),
            "TXN_INVALID_DISTRIBUTION"
        );
    }
    client.trial_balance();
}

#[test]
fn a_refund_goes_back_once() {
    let (_server, client, card, shop) = prepared();
    let sale = client
        .post("/transactions", &pay(&card, &shop, "sale", json!(5)))
        .expect(201);
    let path = format!(
        "/refund-transaction/{}",
        sale["transaction_id"].as_str().unwrap()
    );
    let body =
        json!({ "description": "Returned", "meta_data": { "why": "broken" }, "skip_queue": true });
    let back = client.post(&path, &body).expect(201);
    assert_eq!(back["parent_transaction"], sale["transaction_id"]);
    assert_eq!(
        (&back["source"], &back["destination"]),
        (&json!(shop), &json!(card))
    );
    assert_eq!(back["description"], "Returned");
    assert_eq!(back["meta_data"]["why"], "broken");
    assert_eq!(money(&client, &card), [100_500, 500, 0, 0]);
    assert_eq!(
        code(&client.post(&path, &Value::Null), 409),
        "TXN_ALREADY_REFUNDED"
    );
    let nobody = "/refund-transaction/txn_6164573b-6cc8-45a4-ad2e-7b4ba6a60f7d";
    assert_eq!(
        code(&client.send(("POST", nobody), &[], ""), 404),
        "TXN_NOT_FOUND"
    );
    client.trial_balance();
}

#[test]
fn an_idempotency_key_pays_once() {
    let (mut server, client, card, shop) = prepared();
    let key = [("idempotency-key", "pay-1")];
    let body = pay(&card, &shop, "once", json!(1)).to_string();
    let first = client.send(("POST", "/transactions"), &key, &body);
    assert!(!first.is_replay());
    let again = client.send(("POST", "/transactions"), &key, &body);
    assert!(again.is_replay(), "{}", again.text);
    assert_eq!(first.text, again.text);
    server.restart();
    let client = server.client();
    let again = client.send(("POST", "/transactions"), &key, &body);
    assert!(again.is_replay(), "{}", again.text);
    assert_eq!(first.text, again.text);
    let other = pay(&card, &shop, "twice", json!(1)).to_string();
    let other = client.send(("POST", "/transactions"), &key, other);
    assert_eq!(code(&other, 409), "GEN_CONFLICT");
    assert_eq!(money(&client, &card), [100_000, 100, 0, 0]);
}

#[test]
fn two_currencies_do_not_meet() {
    let (_server, client, card, _) = prepared();
    let ledger = client.post("/ledgers", &json!({ "name": "L" })).expect(201);
    let other = balance(&client, ledger["ledger_id"].as_str().unwrap());
    let mut body = pay(&card, &other, "eur", json!(1));
    body["currency"] = "EUR".into();
    assert_eq!(
        code(&client.post("/transactions", &body), 400),
        "TXN_VALIDATION_ERROR"
    );
    let own = pay(&card, &card, "own", json!(1));
    assert_eq!(
        code(&client.post("/transactions", &own), 400),
        "TXN_VALIDATION_ERROR"
    );
    assert_eq!(money(&client, &card), [100_000, 0, 0, 0]);
}

#[test]
fn nothing_waits_to_be_recovered() {
    let (_server, client, ..) = prepared();
    let recover =
        |query: &str| client.send(("POST", &*format!("/transactions/recover{query}")), &[], "");
    assert_eq!(
        recover("").expect(200),
        json!({ "recovered": 0, "threshold": "2m0s" })
    );
    assert_eq!(recover("?threshold=5m").expect(200)["threshold"], "5m0s");
    assert_eq!(
        code(&recover("?threshold=soon"), 400),
        "GEN_VALIDATION_ERROR"
    );
    assert_eq!(client.get("/health").expect(200), json!({ "status": "UP" }));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a walk is told in one go")]
fn a_dry_run_says_what_would_come_and_does_nothing() {
    let (_server, client, card, shop) = prepared();
    let mut body = pay(&card, &shop, "dry", json!(10));
    body["dry_run"] = true.into();
    let told = client.post("/transactions", &body).expect(200);
    assert_eq!(
        (&told["dry_run"], &told["would_apply"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (told["status"].as_str(), told["precise_amount"].as_str()),
        (Some("APPLIED"), Some("1000"))
    );
    assert_eq!(told["balances"][0]["role"], "source");
    assert_eq!(told["balances"][0]["current_balance"], "100000");
    assert_eq!(told["balances"][0]["resulting_balance"], "99000");
    assert_eq!(told["balances"][1]["resulting_credit_balance"], "1000");
    let mut unknown = body.clone();
    unknown["destination"] = "@Nobody".into();
    let told = client.post("/transactions", &unknown).expect(200);
    assert_eq!(told["balances"][1]["virtual"], true);
    assert_eq!(
        client
            .get("/balances/indicator/@Nobody/currency/USD")
            .status,
        404
    );
    body["amount"] = json!(5000);
    let told = client.post("/transactions", &body).expect(200);
    assert_eq!(told["would_apply"], false);
    assert_eq!(told["rejection"]["code"], "TXN_INSUFFICIENT_FUNDS");
    assert_eq!(told["balances"][0]["resulting_balance"], "100000");
    // The second of two can only be paid once.
    let bulk = json!({ "dry_run": true, "atomic": true, "transactions": [
        pay(&card, &shop, "b-1", json!(600)), pay(&card, &shop, "b-2", json!(600)),
    ] });
    let told = client.post("/transactions/bulk", &bulk).expect(200);
    assert_eq!(told["would_apply"], false);
    assert_eq!(told["results"][0]["would_apply"], true);
    assert_eq!(told["results"][1]["would_apply"], false);
    assert_eq!(money(&client, &card), [100_000, 0, 0, 0]);
    let mut hold = pay(&card, &shop, "hold", json!(100));
    hold["inflight"] = true.into();
    let hold = client.post("/transactions", &hold).expect(201);
    let path = format!(
        "/transactions/inflight/{}",
        hold["transaction_id"].as_str().unwrap()
    );
    let part = json!({ "status": "commit", "amount": 40, "dry_run": true });
    let told = crate::put(&client, &path, &part).expect(200);
    assert_eq!(
        (told["operation"].as_str(), &told["would_apply"]),
        (Some("commit"), &json!(true))
    );
    assert_eq!(
        told["balances"][0]["resulting_inflight_debit_balance"],
        "6000"
    );
    assert_eq!(told["balances"][0]["resulting_debit_balance"], "4000");
    let much = json!({ "status": "commit", "amount": 140, "dry_run": true });
    let told = crate::put(&client, &path, &much).expect(200);
    assert_eq!(told["rejection"]["code"], "TXN_COMMIT_AMOUNT_EXCEEDED");
    let sale = client
        .post("/transactions", &pay(&card, &shop, "sale", json!(5)))
        .expect(201);
    let path = format!(
        "/refund-transaction/{}",
        sale["transaction_id"].as_str().unwrap()
    );
    let told = client.post(&path, &json!({ "dry_run": true })).expect(200);
    assert_eq!(told["would_apply"], true);
    assert_eq!(money(&client, &card), [100_000, 500, 0, 10_000]);
    client.trial_balance();
}
