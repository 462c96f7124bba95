//! Ledgers and balances.

use serde_json::json;

use crate::{balance, code, money, prepared, put, server::KEY};

#[test]
fn ledgers_are_made_shown_and_named_anew() {
    let (mut server, client, ..) = prepared();
    let wanted = json!({ "name": "Ana's \"Café\"", "meta_data": { "a": { "b": [1, null] } } });
    let made = client.post("/ledgers", &wanted).expect(201);
    let id = made["ledger_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("ldg_") && id.len() == 40, "{id}");
    assert_eq!(made["name"], wanted["name"]);
    assert_eq!(made["meta_data"], wanted["meta_data"]);
    let path = format!("/ledgers/{id}");
    assert_eq!(client.get(&path).expect(200), made);
    let named = put(&client, &path, &json!({ "name": "Other" })).expect(200);
    assert_eq!(named["name"], "Other");
    assert_eq!(named["created_at"], made["created_at"]);
    assert_eq!(named["meta_data"], wanted["meta_data"]);
    // Two may have one name.
    client
        .post("/ledgers", &json!({ "name": "Other" }))
        .expect(201);
    for known in ["general_ledger_id", "cards_ledger_id"] {
        let told = client.get(&format!("/ledgers/{known}")).expect(200);
        assert_eq!(told["ledger_id"], known);
        let renamed = put(
            &client,
            &format!("/ledgers/{known}"),
            &json!({ "name": "x" }),
        );
        assert_eq!(code(&renamed, 400), "GEN_BAD_REQUEST");
    }
    server.restart();
    assert_eq!(server.client().get(&path).expect(200), named);
}

#[test]
fn what_is_wrong_with_a_ledger_is_said() {
    let (_server, client, ..) = prepared();
    let nobody = "/ledgers/ldg_6164573b-6cc8-45a4-ad2e-7b4ba6a60f7d";
    assert_eq!(code(&client.get(nobody), 404), "LGR_NOT_FOUND");
    assert_eq!(
        code(&put(&client, nobody, &json!({ "name": "x" })), 404),
        "LGR_NOT_FOUND"
    );
    for (body, expected) in [
        (json!({ "name": "" }), "GEN_VALIDATION_ERROR"),
        (json!({ "name": "x".repeat(300) }), "GEN_VALIDATION_ERROR"),
        (
            json!({ "name": "x", "meta_data": [] }),
            "GEN_VALIDATION_ERROR",
        ),
        (json!({}), "GEN_MALFORMED_REQUEST"),
        (json!({ "name": 5 }), "GEN_MALFORMED_REQUEST"),
        (
            json!({ "name": "x", "surprise": 1 }),
            "GEN_MALFORMED_REQUEST",
        ),
        (json!([]), "GEN_MALFORMED_REQUEST"),
    ] {
        assert_eq!(
            code(&client.post("/ledgers", &body), 400),
            expected,
            "{body}"
        );
    }
    assert_eq!(
        code(&client.with_key(None).get(nobody), 401),
        "AUTH_MISSING_API_KEY"
    );
    let blnk = [("x-blnk-key", KEY)];
    let told = client
        .with_key(None)
        .send(("GET", "/ledgers/general_ledger_id"), &blnk, "");
    told.expect(200);
}

#[test]
fn an_idempotency_key_makes_one_ledger_and_one_balance() {
    let (_server, client, ..) = prepared();
    let key = [("idempotency-key", "k-1")];
    let body = json!({ "name": "Once" }).to_string();
    let first = client.send(("POST", "/ledgers"), &key, &body);
    let again = client.send(("POST", "/ledgers"), &key, &body);
    assert!(!first.is_replay() && again.is_replay());
    let ledger = first.expect(201);
    assert_eq!(ledger, again.expect(201));
    let other = client.send(
        ("POST", "/ledgers"),
        &key,
        json!({ "name": "Two" }).to_string(),
    );
    assert_eq!(code(&other, 409), "GEN_CONFLICT");
    let key = [("idempotency-key", "k-2")];
    let body = json!({ "ledger_id": ledger["ledger_id"], "currency": "USD" }).to_string();
    let first = client.send(("POST", "/balances"), &key, &body);
    let again = client.send(("POST", "/balances"), &key, &body);
    assert!(again.is_replay());
    assert_eq!(
        first.expect(201)["balance_id"],
        again.expect(201)["balance_id"]
    );
}

#[test]
fn balances_begin_with_nothing_and_say_what_they_are() {
    let (_server, client, card, _) = prepared();
    let ledger = client.post("/ledgers", &json!({ "name": "L" })).expect(201);
    let ledger = ledger["ledger_id"].as_str().unwrap();
    let id = balance(&client, ledger);
    let told = client
        .get(&format!("/balances/{id}?from_source=true&with_queued=true"))
        .expect(200);
    for field in [
        "balance",
        "inflight_balance",
        "credit_balance",
        "inflight_credit_balance",
        "debit_balance",
        "inflight_debit_balance",
        "queued_debit_balance",
        "queued_credit_balance",
    ] {
        assert_eq!(told[field], 0, "{field}: {told}");
    }
    assert_eq!(told["ledger_id"], ledger);
    assert_eq!(told["currency"], "USD");
    assert_eq!(told["identity_id"], "");
    assert_eq!(told["indicator"], "");
    assert_eq!(told["allocation_strategy"], "FIFO");
    assert_eq!(told["track_fund_lineage"], false);
    assert_eq!(told["meta_data"], json!({ "card_state": "ACTIVE" }));
    assert_eq!(told["inflight_expires_at"], "0001-01-01T00:00:00Z");
    assert_eq!(money(&client, &card), [100_000, 0, 0, 0]);
    let world = client
        .get("/balances/indicator/@World/currency/USD")
        .expect(200);
    assert_eq!(world["balance"], -100_000, "{world}");
    assert_eq!(world["indicator"], "@World");
    assert_eq!(world["ledger_id"], "general_ledger_id");
    let encoded = client
        .get("/balances/indicator/%40World/currency/USD")
        .expect(200);
    assert_eq!(encoded["balance_id"], world["balance_id"]);
    client.trial_balance();
}

#[test]
fn what_is_wrong_with_a_balance_is_said() {
    let (_server, client, card, _) = prepared();
    let ledger = client.post("/ledgers", &json!({ "name": "L" })).expect(201)["ledger_id"].clone();
    let ask = |more: serde_json::Value| {
        let mut body = json!({ "ledger_id": ledger, "currency": "USD" });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        client.post("/balances", &body)
    };
    for (more, status, expected) in [
        (json!({ "currency": "" }), 400, "BAL_VALIDATION_ERROR"),
        (
            json!({ "currency": "way too long" }),
            400,
            "BAL_VALIDATION_ERROR",
        ),
        (json!({ "ledger_id": "ldg_x" }), 404, "LGR_NOT_FOUND"),
        (
            json!({ "ledger_id": "cards_ledger_id" }),
            400,
            "BAL_VALIDATION_ERROR",
        ),
        (json!({ "identity_id": "idt_x" }), 404, "GEN_NOT_FOUND"),
        (
            json!({ "track_fund_lineage": true }),
            400,
            "BAL_VALIDATION_ERROR",
        ),
        (
            json!({ "allocation_strategy": "HEAP" }),
            400,
            "BAL_VALIDATION_ERROR",
        ),
        (json!({ "indicator": "@Fees" }), 400, "BAL_VALIDATION_ERROR"),
        (json!({ "meta_data": "x" }), 400, "GEN_VALIDATION_ERROR"),
    ] {
        assert_eq!(code(&ask(more.clone()), status), expected, "{more}");
    }
    let general =
        json!({ "ledger_id": "general_ledger_id", "indicator": "@Fees", "meta_data": { "a": 1 } });
    let made = ask(general.clone()).expect(201);
    assert_eq!(made["indicator"], "@Fees");
    assert_eq!(made["meta_data"], json!({ "a": 1 }));
    assert_eq!(code(&ask(general), 409), "GEN_CONFLICT");
    for path in [
        "/balances/bln_6164573b-6cc8-45a4-ad2e-7b4ba6a60f7d",
        "/balances/x",
        "/balances/indicator/@Nobody/currency/USD",
        "/balances/indicator/@World/currency/EUR",
    ] {
        assert_eq!(code(&client.get(path), 404), "BAL_NOT_FOUND", "{path}");
    }
    let odd = format!("/balances/{card}?from_source=perhaps");
    assert_eq!(code(&client.get(&odd), 400), "GEN_MALFORMED_REQUEST");
    let path = format!("/balances/{card}/identity");
    let nobody = put(&client, &path, &json!({ "identity_id": "idt_x" }));
    assert_eq!(code(&nobody, 404), "GEN_NOT_FOUND");
    let nothing = put(&client, &path, &json!({ "identity_id": "" }));
    assert_eq!(code(&nothing, 400), "GEN_MISSING_PARAMETER");
}
