//! What follows an authorization, to the unit.

use serde_json::{Value, json};

use crate::{
    authorize::check,
    server::{Balance, Client, DUSD, Server, purchase, wait_until},
};

/// A card with 100 dollars and an authorization `a` of 50.
fn fifty_of_a_hundred(client: &Client) -> String {
    let card = client.card(100_000_000);
    check(
        &client.authorize("a", &card, "50.00").expect(200),
        &json!({ "state": "pending" }),
    );
    card
}

/// Checks the amounts captured, held, reversed and refunded, and that a read says the same.
#[track_caller]
fn amounts(client: &Client, answer: &Value, state: &str, [cap, held, rev, refd]: [&str; 4]) {
    let expected = json!({
        "state": state, "captured_amount": cap, "held_amount": held, "reversed_amount": rev,
        "refunded_amount": refd,
    });
    check(answer, &expected);
    let id = answer["id"].as_str().unwrap();
    let mut read = client.get(&format!("/v1/authorizations/{id}")).expect(200);
    let mut known = answer.clone();
    for json in [&mut known, &mut read] {
        json.as_object_mut().unwrap().remove("operation");
    }
    assert_eq!(known, read);
}

#[track_caller]
fn conflict(client: &Client, (step, dollars): (&str, &str), code: &str, details: &Value) {
    let refused = client.step("a", step, &format!("no-{step}-{dollars}"), dollars);
    assert_eq!(refused.code(409), code);
    check(&refused.json["error"]["details"], details);
}

#[test]
fn captures_in_parts_add_up_to_the_unit() {
    let server = Server::start();
    let client = server.client();
    fifty_of_a_hundred(&client);
    let first = client.step("a", "capture", "c1", "16.67").expect(200);
    amounts(
        &client,
        &first,
        "partially_captured",
        ["16670000", "33330000", "0", "0"],
    );
    check(
        &first["operation"],
        &json!({
            "type": "capture", "status": "approved", "transaction_id": "c1",
            "amount": "16670000", "local_amount": "16.67",
            "fee_breakdown": {
                "total_fees": "240048", "settlement": "16429952",
                "fees": [{ "fee_name": "interchange", "amount": "240048", "rate": 0.0144 }],
            },
        }),
    );
    let second = client.step("a", "capture", "c2", "16.67").expect(200);
    amounts(
        &client,
        &second,
        "partially_captured",
        ["33340000", "16660000", "0", "0"],
    );
    // All that is left: final by itself.
    let third = client.step("a", "capture", "c3", "").expect(200);
    amounts(&client, &third, "captured", ["50000000", "0", "0", "0"]);
    assert_eq!(third["operation"]["local_amount"], "16.66");
    let house = &client.trial_balance()["assets"][DUSD]["house"];
    assert_eq!(house["urn:cardwright:treasury:interchange"], "720000");
    assert_eq!(house["settlement"], "49280000");
    let left = json!({ "state": "captured", "left": "0" });
    conflict(&client, ("capture", "1.00"), "invalid_state", &left);
    conflict(&client, ("reverse", ""), "invalid_state", &left);
    conflict(&client, ("increment", "1.00"), "invalid_state", &left);
}

#[test]
fn a_final_capture_lets_the_rest_go_and_another_does_not() {
    let server = Server::start();
    let client = server.client();
    let card = fifty_of_a_hundred(&client);
    let capture = |id: &str, dollars: &str, is_final: bool| {
        let body = json!({ "transaction_id": id, "local_amount": dollars, "final": is_final });
        client
            .post("/v1/authorizations/a/capture", &body)
            .expect(200)
    };
    let open = capture("c1", "20.00", false);
    amounts(
        &client,
        &open,
        "partially_captured",
        ["20000000", "30000000", "0", "0"],
    );
    let ended = capture("c2", "10.00", true);
    amounts(
        &client,
        &ended,
        "captured",
        ["30000000", "0", "20000000", "0"],
    );
    let after = Balance {
        current: 70_000_000,
        pending: 0,
        incoming: 100_000_000,
        outgoing: 30_000_000,
    };
    assert_eq!(client.balance("b", &card), after);
    client.trial_balance();
}

#[test]
fn more_than_is_held_is_taken_within_the_tolerance_and_adjusted_beyond() {
    let server = Server::start();
    let client = server.client();
    let card = fifty_of_a_hundred(&client);
    // 15 % of 50 is 7.50.
    let answer = client.step("a", "capture", "c1", "60.00").expect(200);
    amounts(&client, &answer, "captured", ["60000000", "0", "0", "0"]);
    check(
        &answer["operation"],
        &json!({ "amount": "60000000", "over_capture": "7500000", "adjustment": "2500000" }),
    );
    assert_eq!(client.balance("b", &card).current, 40_000_000);
    let all = client.step("a", "refund", "r1", "").expect(200);
    amounts(
        &client,
        &all,
        "refunded",
        ["60000000", "0", "0", "60000000"],
    );
    let house = &client.trial_balance()["assets"][DUSD]["house"];
    assert_eq!(house["settlement"], "0");
    assert_eq!(house["urn:cardwright:treasury:interchange"], "0");
}

#[test]
fn increments_hold_more_or_are_declined() {
    let server = Server::start();
    let client = server.client();
    fifty_of_a_hundred(&client);
    let more = client.step("a", "increment", "i1", "25.50").expect(200);
    check(
        &more,
        &json!({ "amount": "75500000", "local_amount": "75.50", "status": "approved" }),
    );
    check(
        &more["operation"],
        &json!({ "type": "increment", "amount": "25500000" }),
    );
    assert_eq!(more["fee_breakdown"]["total_fees"], "1087200");
    amounts(&client, &more, "pending", ["0", "75500000", "0", "0"]);
    let declined = client.step("a", "increment", "i2", "24.51").expect(200);
    check(
        &declined["operation"],
        &json!({ "status": "declined", "decline_reason": "insufficient_funds" }),
    );
    assert_eq!(declined["operation"]["response_code"], "51");
    amounts(&client, &declined, "pending", ["0", "75500000", "0", "0"]);
    client.step("a", "increment", "i3", "24.50").expect(200);
    assert_eq!(
        client.step("a", "increment", "i4", "").code(400),
        "malformed_request"
    );
    client.trial_balance();
}

#[test]
fn reversals_let_go_in_parts_and_then_nothing_is_left() {
    let server = Server::start();
    let client = server.client();
    let card = fifty_of_a_hundred(&client);
    let part = client.step("a", "reverse", "v1", "20.00").expect(200);
    amounts(
        &client,
        &part,
        "pending",
        ["0", "30000000", "20000000", "0"],
    );
    assert_eq!(part["operation"]["type"], "reversal");
    let state = json!({ "state": "pending", "left": "30.00", "asked": "30.01" });
    conflict(&client, ("reverse", "30.01"), "more_than_left", &state);
    let whole = client.step("a", "reverse", "v2", "").expect(200);
    amounts(&client, &whole, "reversed", ["0", "0", "50000000", "0"]);
    let left = json!({ "state": "reversed", "left": "0" });
    for step in [
        ("capture", ""),
        ("capture", "1.00"),
        ("reverse", ""),
        ("refund", ""),
    ] {
        conflict(&client, step, "invalid_state", &left);
    }
    let after = Balance {
        current: 100_000_000,
        pending: 0,
        incoming: 100_000_000,
        outgoing: 0,
    };
    assert_eq!(client.balance("b", &card), after);
    assert_eq!(
        client.step("nobody", "reverse", "v3", "").code(404),
        "authorization_not_found"
    );
    assert_eq!(client.step("a", "shred", "v4", "").status, 404);
}

#[test]
fn refunds_never_exceed_what_was_captured_and_can_be_undone() {
    let server = Server::start();
    let client = server.client();
    let card = fifty_of_a_hundred(&client);
    let left = json!({ "state": "pending", "left": "0" });
    conflict(&client, ("refund", ""), "invalid_state", &left);
    client.step("a", "capture", "c1", "").expect(200);
    let part = client.step("a", "refund", "r1", "20.00").expect(200);
    amounts(
        &client,
        &part,
        "partially_refunded",
        ["50000000", "0", "0", "20000000"],
    );
    assert_eq!(part["operation"]["fee_breakdown"]["total_fees"], "288000");
    let state = json!({ "state": "partially_refunded", "left": "30.00" });
    conflict(&client, ("refund", "30.01"), "more_than_left", &state);
    let operation = part["operation"]["id"].as_str().unwrap();
    let undo = |id: &str| {
        let body = json!({ "transaction_id": id });
        client.post(&format!("/v1/refunds/{operation}/reverse"), &body)
    };
    let undone = undo("u1").expect(200);
    amounts(&client, &undone, "captured", ["50000000", "0", "0", "0"]);
    assert_eq!(undone["operation"]["type"], "refund_reversal");
    assert!(undo("u1").is_replay());
    let again = undo("u2");
    assert_eq!(again.code(409), "already_reversed");
    check(
        &again.json["error"]["details"],
        &json!({ "state": "captured", "left": "0" }),
    );
    let whole = client.step("a", "refund", "r2", "").expect(200);
    amounts(
        &client,
        &whole,
        "refunded",
        ["50000000", "0", "0", "50000000"],
    );
    conflict(
        &client,
        ("refund", "0.01"),
        "invalid_state",
        &json!({ "left": "0" }),
    );
    assert_eq!(client.balance("b", &card).current, 100_000_000);
    let no_refund = "/v1/refunds/op_0000000000000/reverse";
    assert_eq!(
        client
            .post(no_refund, &json!({ "transaction_id": "u3" }))
            .status,
        404
    );
    let house = &client.trial_balance()["assets"][DUSD]["house"];
    assert_eq!(house["settlement"], "0");
}

#[test]
fn holds_end_by_themselves() {
    let server = Server::with(&[
        ("CARDWRIGHT_HOLDS__DEFAULT_S", "1"),
        ("CARDWRIGHT_HOLDS__EXPIRY_EVERY_MS", "20"),
    ]);
    let client = server.client();
    let card = fifty_of_a_hundred(&client);
    let mut hotel = purchase("hotel", &card, "10.00");
    hotel["merchant"]["mcc"] = "7011".into();
    client.post("/v1/authorizations", &hotel).expect(200);
    client.authorize("part", &card, "8.00").expect(200);
    client.step("part", "capture", "c1", "3.00").expect(200);
    let state = |id: &str| client.get(&format!("/v1/authorizations/{id}")).expect(200);
    wait_until("the hold ends", || state("a")["state"] == "expired");
    amounts(&client, &state("a"), "expired", ["0", "0", "50000000", "0"]);
    wait_until("the rest of a hold ends", || {
        state("part")["held_amount"] == "0"
    });
    amounts(
        &client,
        &state("part"),
        "captured",
        ["3000000", "0", "5000000", "0"],
    );
    amounts(
        &client,
        &state("hotel"),
        "pending",
        ["0", "10000000", "0", "0"],
    );
    let left = json!({ "state": "expired", "left": "0" });
    conflict(&client, ("capture", ""), "invalid_state", &left);
    let after = Balance {
        current: 87_000_000,
        pending: 10_000_000,
        incoming: 100_000_000,
        outgoing: 3_000_000,
    };
    assert_eq!(client.balance("b", &card), after);
    client.trial_balance();
}

#[test]
fn a_step_in_another_currency_or_precision_is_refused() {
    let server = Server::start();
    let client = server.client();
    fifty_of_a_hundred(&client);
    let take = |id: &str, amount: &str, currency: &str| {
        let body =
            json!({ "transaction_id": id, "local_amount": amount, "local_currency": currency });
        client.post("/v1/authorizations/a/capture", &body)
    };
    for (amount, currency, field) in [
        ("1.00", "EUR", "local_currency"),
        ("1.00", "XXQ", "local_currency"),
        ("1.001", "USD", "local_amount"),
        ("-1.00", "USD", "local_amount"),
        ("0", "USD", "local_amount"),
    ] {
        let refused = take("c1", amount, currency);
        assert_eq!(refused.code(422), "impossible_value");
        assert_eq!(refused.json["error"]["field"], field, "{amount} {currency}");
    }
    // Nothing of this has used up the id.
    let taken = take("c1", "1.00", "USD");
    assert_eq!(taken.json["captured_amount"], "1000000");
    // However the sum is written, a retry is one.
    for amount in ["1", "1.0", "01.00"] {
        let again = take("c1", amount, "USD");
        assert!(again.is_replay(), "{amount}");
        assert_eq!(again.json, taken.json, "{amount}");
    }
    assert_eq!(take("c1", "1.01", "USD").code(409), "idempotency_conflict");
}
