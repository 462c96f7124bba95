//! Same key, same request: the same bytes again, before and after a crash. Another: 409.

use serde_json::{Value, json};

use crate::{
    authorize::check,
    server::{Client, Reply, Server, purchase},
};

/// Every kind of request that has an id of its own, on cards that exist.
fn requests(card: &str) -> Vec<(&'static str, Value)> {
    let step = |id: &str, amount: &str| json!({ "transaction_id": id, "local_amount": amount });
    let money = |reference: &str| {
        json!({
            "account_urn": card, "asset": "DUSD/6", "amount": "7", "reference": reference,
            "metadata": { "b": 1, "a": { "y": "1", "x": [1, 2] } },
        })
    };
    let mut full = purchase("a-1", card, "50.00");
    full["medium"] = json!({ "network": "VISA", "entry_mode": "CHIP", "point_type": "POS" });
    vec![
        ("/v1/authorizations", full),
        ("/v1/authorizations", purchase("declined", card, "5000.00")),
        ("/v1/authorizations/a-1/increment", step("i-1", "1.00")),
        ("/v1/authorizations/a-1/increment", step("i-2", "5000.00")),
        ("/v1/authorizations/a-1/capture", step("c-1", "20.00")),
        ("/v1/authorizations/a-1/reverse", step("v-1", "30.00")),
        ("/v1/authorizations/a-1/refund", step("r-1", "5.00")),
        (
            "/v1/authorizations/a-1/capture",
            json!({ "transaction_id": "c-2" }),
        ),
        ("/v1/clearings", purchase("f-1", card, "1.00")),
        ("/v1/deposits", money("d-1")),
        ("/v1/withdrawals", money("w-1")),
    ]
}

/// The same JSON with the members of every object in reverse order.
fn turned(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().rev();
            let members =
                members.map(|(name, value)| format!("{}: {}", json!(name), turned(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(" , "))
        }
        Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            value.to_string()
        }
    }
}

#[track_caller]
fn same(first: &Reply, again: &Reply) {
    assert!(again.is_replay(), "{again:?}");
    assert_eq!((first.status, &first.text), (again.status, &again.text));
}

#[test]
fn replays_are_the_same_bytes_before_and_after_a_crash() {
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    let requests = requests(&card);
    let firsts: Vec<Reply> = requests
        .iter()
        .map(|(path, body)| client.post(path, body))
        .collect();
    for ((path, body), first) in requests.iter().zip(&firsts) {
        assert!(
            [200, 201].contains(&first.status) && !first.is_replay(),
            "{path}: {first:?}"
        );
        same(first, &client.post(path, body));
        same(first, &client.send(("POST", path), &[], turned(body)));
    }
    let before = client.balance("b", &card);
    let conflicts = |client: &Client| {
        for (path, body) in &requests {
            let mut other = body.clone();
            let field = if body["amount"].is_string() {
                "amount"
            } else {
                "local_amount"
            };
            other[field] = "9".into();
            assert_eq!(
                client.post(path, &other).code(409),
                "idempotency_conflict",
                "{path}"
            );
        }
    };
    conflicts(&client);
    server.restart();
    let client = server.client();
    for ((path, body), first) in requests.iter().zip(&firsts) {
        same(first, &client.post(path, body));
    }
    conflicts(&client);
    assert_eq!(client.balance("b2", &card), before);
    client.trial_balance();
}

#[test]
fn an_idempotency_key_protects_beside_the_transaction_id() {
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    let body = purchase("a-1", &card, "50.00");
    let other = purchase("a-2", &card, "50.00");
    let route = ("POST", "/v1/authorizations");
    let key = [("Idempotency-Key", "k-1")];
    let first = client.send(route, &key, body.to_string());
    check(&first.clone().expect(200), &json!({ "status": "approved" }));
    same(&first, &client.send(route, &key, body.to_string()));
    same(&first, &client.post(route.1, &body));
    let conflict = |client: &Client| {
        let refused = client.send(route, &key, other.to_string());
        assert_eq!(refused.code(409), "idempotency_conflict");
    };
    conflict(&client);
    server.restart();
    let client = server.client();
    same(&first, &client.send(route, &key, body.to_string()));
    conflict(&client);
    // The refused one left nothing behind: its own id is free.
    assert!(!client.post(route.1, &other).is_replay());
    let long = "k".repeat(256);
    let refused = client.send(route, &[("Idempotency-Key", &long)], other.to_string());
    assert_eq!(refused.json["error"]["field"], "Idempotency-Key");
}

#[test]
fn ids_belong_to_their_kind_of_request_and_their_origin() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    client.authorize("x", &card, "10.00").expect(200);
    let captured = client.step("x", "capture", "x", "4.00");
    assert!(!captured.is_replay());
    assert_eq!(captured.expect(200)["captured_amount"], "4000000");
    assert!(!client.step("x", "reverse", "x", "1.00").is_replay());
    // The same step id on another authorization is another request.
    client.authorize("y", &card, "10.00").expect(200);
    assert_eq!(
        client.step("y", "capture", "x", "4.00").code(409),
        "idempotency_conflict"
    );
    let made = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let acme = client.with_key(made["api_key"].as_str());
    assert_eq!(
        acme.get("/v1/authorizations/x").code(404),
        "authorization_not_found"
    );
}
