//! Whatever is sent, the answer is a 4xx that names the field, and the server lives on.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "../common/server.rs"]
mod server;

mod bytes;
mod values;

use serde_json::{Value, json};
use server::{Client, Reply, Server, purchase};

/// A server with a card that has money, an authorization `base` and a captured one, `paid`.
pub(crate) fn prepared() -> (Server, Client, String) {
    let server = Server::start();
    let client = server.client();
    let card = client.card(1_000_000_000);
    client.authorize("base", &card, "100.00").expect(200);
    client.authorize("paid", &card, "100.00").expect(200);
    client.step("paid", "capture", "paid", "").expect(200);
    (server, client, card)
}

/// Every route that reads a body, with a request that is right.
pub(crate) fn routes(card: &str) -> Vec<(&'static str, Value)> {
    let mut full = purchase("v-1", card, "1.00");
    full["merchant"] = json!({
        "id": "m-1", "name": "Ana's \"Café\" \\ 7", "mcc": "5411", "city": "Bogotá",
        "country": "COL", "address": "x", "terminal_id": "t",
    });
    full["medium"] = json!({ "entry_mode": "CHIP", "network": "VISA" });
    full["usd_amount"] = "1.00".into();
    full["partial_approval"] = false.into();
    full["capture"] = false.into();
    let money = json!({
        "account_urn": card, "asset": "DUSD/6", "amount": "7", "reference": "m-1",
        "metadata": { "a": [1, { "b": null }] },
    });
    let step = json!({
        "transaction_id": "s-1", "local_amount": "0.01", "local_currency": "USD",
    });
    let mut capture = step.clone();
    capture["final"] = false.into();
    vec![
        ("/v1/authorizations", full.clone()),
        ("/v1/clearings", full),
        ("/v1/authorizations/base/increment", step.clone()),
        ("/v1/authorizations/base/capture", capture),
        ("/v1/authorizations/base/reverse", step.clone()),
        ("/v1/authorizations/paid/refund", step),
        ("/v1/deposits", money.clone()),
        ("/v1/withdrawals", money),
        ("/v1/origins", json!({ "name": "acme" })),
        (
            "/v1/api-keys",
            json!({ "name": "k", "scopes": ["network", "ledger"] }),
        ),
        (
            "/v1/sandbox/seed",
            json!({
                "holder_urn": server::HOLDER, "cards": 1, "asset": "DUSD/6", "amount": "5",
            }),
        ),
    ]
}

/// Checks that a refusal is one: 4xx, a code, a sentence, a request id.
#[track_caller]
pub(crate) fn refusal<'a>(reply: &'a Reply, what: &str) -> &'a str {
    assert!(
        (400..500).contains(&reply.status),
        "{what}: {} {}",
        reply.status,
        reply.text
    );
    let error = &reply.json["error"];
    assert!(
        error["code"].is_string() && error["message"].is_string(),
        "{what}: {}",
        reply.text
    );
    assert!(
        reply.json["request_id"].is_string(),
        "{what}: {}",
        reply.text
    );
    assert!(
        reply.text.len() < 2_000,
        "{what}: a refusal of {} bytes",
        reply.text.len()
    );
    error["field"].as_str().unwrap_or_default()
}

/// Checks that the server is alive and the books are in order.
#[track_caller]
pub(crate) fn alive(client: &Client, card: &str) {
    client.get("/readyz").expect(200);
    let id = format!("alive-{card}");
    client.authorize(&id, card, "0.01").expect(200);
    client.trial_balance();
}
