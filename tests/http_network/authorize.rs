//! Authorizations, clearings, and what they answer.

use serde_json::{Value, json};

use crate::server::{Balance, Client, DUSD, Server, purchase};

/// Checks that `answer` has every field of `expected`, with that value.
#[track_caller]
pub(crate) fn check(answer: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&answer[name], value, "{name} of {answer}");
    }
}

/// A full request, as in the contract.
fn full(id: &str, card: &str) -> Value {
    json!({
        "transaction_id": id, "card": card, "transaction_type": "PURCHASE",
        "local_amount": "50.00", "local_currency": "USD",
        "merchant": {
            "id": "m-1", "name": "AMAZON.COM", "mcc": "5411", "city": "Seattle", "country": "USA",
            "address": null, "terminal_id": null,
        },
        "medium": {
            "entry_mode": "CREDENTIAL_ON_FILE", "point_type": "ECOMMERCE", "origin": "DOMESTIC",
            "network": "VISA", "tokenization_wallet_name": null,
        },
        "usd_amount": "50.00", "partial_approval": false, "capture": false,
    })
}

fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

#[test]
fn an_approval_answers_everything_the_contract_names() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    let answer = client
        .post("/v1/authorizations", &full("ctx-1", &card))
        .expect(200);
    check(
        &answer,
        &json!({
            "transaction_id": "ctx-1", "card": card, "status": "approved", "state": "pending",
            "decline_reason": null, "response_code": "00", "asset": DUSD, "amount": "50000000",
            "local_amount": "50.00", "approved_local_amount": "50.00", "local_currency": "USD",
            "exchange_rate": "1",
            "fee_breakdown": {
                "total_fees": "720000",
                "fees": [{ "fee_name": "interchange", "amount": "720000", "rate": 0.0144 }],
                "settlement": "49280000",
            },
            "captured_amount": "0", "reversed_amount": "0", "refunded_amount": "0",
            "held_amount": "50000000",
            "balance": { DUSD: {
                "current": "50000000", "pending": "50000000", "in": "100000000", "out": "0",
            } },
        }),
    );
    assert!(
        answer["id"].as_str().unwrap().starts_with("auth_"),
        "{answer}"
    );
    let leg = &answer["legs"][0];
    check(
        leg,
        &json!({ "account_urn": card, "asset": DUSD, "amount": "50000000" }),
    );
    assert!(
        leg["ledger_account_id"]
            .as_str()
            .unwrap()
            .starts_with("ldg_"),
        "{answer}"
    );
    assert_eq!(answer["legs"].as_array().unwrap().len(), 1);
    assert!(
        is_time(&answer["created_at"]) && is_time(&answer["expires_at"]),
        "{answer}"
    );
    client.trial_balance();
}

#[test]
fn a_decline_is_an_answer_with_its_reason_and_code() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(10_000_000);
    let mut request = full("ctx-1", &card);
    let answer = client.post("/v1/authorizations", &request).expect(200);
    check(
        &answer,
        &json!({
            "status": "declined", "state": "declined", "decline_reason": "insufficient_funds",
            "response_code": "51", "asset": null, "amount": null, "approved_local_amount": null,
            "fee_breakdown": null, "expires_at": null, "legs": [], "held_amount": "0",
            "local_amount": "50.00", "local_currency": "USD", "transaction_id": "ctx-1",
        }),
    );
    assert_eq!(Balance::of(&answer).current, 10_000_000);
    let read = client.get("/v1/authorizations/ctx-1").expect(200);
    check(
        &read,
        &json!({ "id": answer["id"], "state": "declined", "status": "declined" }),
    );
    for (id, field, value, reason) in [
        ("ctx-2", "local_currency", "COP", "currency_not_supported"),
        (
            "ctx-3",
            "transaction_type",
            "ORIGINAL_CREDIT",
            "credit_not_supported",
        ),
    ] {
        request["transaction_id"] = id.into();
        let mut changed = request.clone();
        changed[field] = value.into();
        let answer = client.post("/v1/authorizations", &changed).expect(200);
        check(
            &answer,
            &json!({ "decline_reason": reason, "response_code": "57" }),
        );
    }
    let step = client.step("ctx-1", "capture", "cap-1", "");
    assert_eq!(step.code(409), "invalid_state");
    assert_eq!(step.json["error"]["details"]["state"], "declined");
}

#[test]
fn every_name_of_a_card_and_kind_of_purchase_is_taken() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    let id = card.rsplit(':').next().unwrap().to_owned();
    let kinds = ["PURCHASE", "WITHDRAWAL", "EXTRACASH", "PAYMENT"];
    for (place, kind) in kinds.iter().enumerate() {
        let mut request = purchase(&format!("k-{place}"), &id, "1.00");
        request["transaction_type"] = (*kind).into();
        let answer = client.post("/v1/authorizations", &request).expect(200);
        check(
            &answer,
            &json!({ "status": "approved", "transaction_type": kind, "card": card }),
        );
    }
    let mut number = purchase("n-1", &card, "");
    number["local_amount"] = json!(1.25);
    let answer = client.post("/v1/authorizations", &number).expect(200);
    check(
        &answer,
        &json!({ "local_amount": "1.25", "amount": "1250000" }),
    );
    let unknown = client.authorize("u-1", "crd-0000000000000", "1.00");
    assert_eq!(unknown.code(404), "card_not_found");
    assert_eq!(unknown.json["response_code"], "14");
    let other = card.replace("usr-", "usr-0");
    assert_eq!(
        client.authorize("u-2", &other, "1.00").code(404),
        "card_not_found"
    );
}

#[test]
fn nothing_partial_and_whole_amounts() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(10_000_000);
    let zero = client.authorize("zero", &card, "0.00").expect(200);
    check(
        &zero,
        &json!({ "status": "approved", "amount": "0", "held_amount": "0" }),
    );
    let mut part = purchase("part", &card, "50.00");
    part["partial_approval"] = true.into();
    let answer = client.post("/v1/authorizations", &part).expect(200);
    check(
        &answer,
        &json!({
            "status": "partially_approved", "state": "pending", "response_code": "10",
            "local_amount": "50.00", "approved_local_amount": "10.00", "amount": "10000000",
        }),
    );
    part["transaction_id"] = "part-2".into();
    let none = client.post("/v1/authorizations", &part).expect(200);
    check(
        &none,
        &json!({ "status": "declined", "decline_reason": "insufficient_funds" }),
    );
    let known = Balance {
        current: 0,
        pending: 10_000_000,
        incoming: 10_000_000,
        outgoing: 0,
    };
    assert_eq!(client.balance("inq", &card), known);
    let inquiry = client.get("/v1/authorizations/inq").expect(200);
    check(
        &inquiry,
        &json!({ "amount": "0", "transaction_type": "BALANCE_INQUIRY" }),
    );
}

#[test]
fn capture_in_one_holds_nothing_and_pays() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    let mut request = full("ctx-1", &card);
    request["capture"] = true.into();
    let answer = client.post("/v1/authorizations", &request).expect(200);
    check(
        &answer,
        &json!({ "state": "captured", "captured_amount": "50000000", "held_amount": "0" }),
    );
    let after = Balance {
        current: 50_000_000,
        pending: 0,
        incoming: 100_000_000,
        outgoing: 50_000_000,
    };
    assert_eq!(Balance::of(&answer), after);
    let books = client.trial_balance();
    let house = &books["assets"][DUSD]["house"];
    assert_eq!(house["settlement"], "49280000");
    assert_eq!(house["urn:cardwright:treasury:interchange"], "720000");
    assert_eq!(house["world"], "-100000000");
}

#[test]
fn the_books_balance_beyond_what_one_account_can_have() {
    let server = Server::start();
    let client = server.client();
    let dollars = "9".repeat(30);
    for card in client.cards(2, 1) {
        for number in 0..100 {
            let id = format!("{card}-{number}");
            let clearing = purchase(&id, &card, &dollars);
            client.post("/v1/clearings", &clearing).expect(200);
        }
    }
    let books = client.trial_balance();
    let all = &books["assets"][DUSD]["spendable"];
    assert_eq!(
        all, "-199999999999999999999999999999799999998",
        "more than 128 bits"
    );
}

#[test]
fn a_clearing_always_posts_also_below_zero() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(10_000_000);
    let mut clearing = purchase("clr-1", &card, "25.00");
    clearing.as_object_mut().unwrap().remove("transaction_type");
    let answer = client.post("/v1/clearings", &clearing).expect(200);
    check(
        &answer,
        &json!({
            "state": "captured", "status": "approved", "forced": true, "held_amount": "0",
            "captured_amount": "25000000", "amount": "25000000",
        }),
    );
    assert_eq!(Balance::of(&answer).current, -15_000_000);
    assert!(client.post("/v1/clearings", &clearing).is_replay());
    check(
        &client.authorize("no", &card, "0.01").expect(200),
        &json!({ "status": "declined" }),
    );
    let read = client.get("/v1/authorizations/clr-1").expect(200);
    check(&read, &json!({ "id": answer["id"], "forced": true }));
    let back = client.step("clr-1", "refund", "ref-1", "").expect(200);
    check(
        &back,
        &json!({ "state": "refunded", "refunded_amount": "25000000" }),
    );
    assert_eq!(Balance::of(&back).current, 10_000_000);
    client.trial_balance();
}

/// A network's refund sent as a clearing must not charge the cardholder.
#[test]
fn a_clearing_takes_money_and_is_never_a_credit() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(10_000_000);
    for kind in [
        "CREDIT",
        "REFUND",
        "ORIGINAL_CREDIT",
        "CREDIT_VOUCHER",
        "DEPOSIT",
        "BALANCE_INQUIRY",
    ] {
        let mut clearing = purchase(&format!("c-{kind}"), &card, "5.00");
        clearing["transaction_type"] = kind.into();
        let refused = client.post("/v1/clearings", &clearing);
        assert_eq!(refused.status, 422, "{kind}: {}", refused.text);
        assert_eq!(refused.json["error"]["field"], "transaction_type");
        let simulated = client.post("/v1/sandbox/clearings", &clearing);
        assert!(simulated.status >= 400, "{kind}: {}", simulated.text);
    }
    assert_eq!(client.balance("i", &card).current, 10_000_000);
    client.trial_balance();
}

#[test]
fn request_ids_come_back_and_are_made() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(10_000_000);
    let body = purchase("ctx-1", &card, "1.00").to_string();
    let route = ("POST", "/v1/authorizations");
    let mine = client.send(route, &[("x-request-id", "trace-7.a:b_C")], &body);
    assert_eq!(mine.headers["x-request-id"], "trace-7.a:b_C");
    for odd in ["a b", "<script>", &"x".repeat(129)] {
        let made = client.send(route, &[("x-request-id", odd)], &body);
        assert!(
            made.headers["x-request-id"].starts_with("req_"),
            "{odd}: {made:?}"
        );
    }
    let ids =
        |client: &Client| client.get("/v1/authorizations/none").headers["x-request-id"].clone();
    assert_ne!(ids(&client), ids(&client));
    let failed = client.send(("POST", "/v1/clearings"), &[("x-request-id", "mine")], "{");
    assert_eq!(failed.json["request_id"], "mine");
}
