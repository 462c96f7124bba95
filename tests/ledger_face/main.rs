//! The ledger face over real sockets, as any client sees it: what it answers, and the money behind.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "../common/server.rs"]
mod server;

mod access;
mod bulk;
mod folders;
mod inflight;
mod input;
mod network;
mod sums;

use serde_json::{Value, json};
use server::{Client, Reply, Server};

/// A server, a client, and a balance with 1,000.00 USD, another with nothing.
pub(crate) fn prepared() -> (Server, Client, String, String) {
    let server = Server::start();
    let client = server.client();
    let ledger = client
        .post("/ledgers", &json!({ "name": "USD Ledger" }))
        .expect(201);
    let ledger = ledger["ledger_id"].as_str().unwrap().to_owned();
    let (card, shop) = (balance(&client, &ledger), balance(&client, &ledger));
    let fund = json!({
        "amount": 1000, "precision": 100, "currency": "USD", "reference": "fund", "description": "Funding",
        "source": "@World", "destination": card, "allow_overdraft": true,
    });
    let told = client.post("/transactions", &fund).expect(201);
    assert_eq!(told["status"], "APPLIED", "{told}");
    (server, client, card, shop)
}

pub(crate) fn balance(client: &Client, ledger: &str) -> String {
    let wanted =
        json!({ "ledger_id": ledger, "currency": "USD", "meta_data": { "card_state": "ACTIVE" } });
    let made = client.post("/balances", &wanted).expect(201);
    made["balance_id"].as_str().unwrap().to_owned()
}

/// So many dollars from one to the other.
pub(crate) fn pay(source: &str, destination: &str, reference: &str, amount: Value) -> Value {
    json!({
        "amount": amount, "precision": 100, "currency": "USD", "reference": reference,
        "description": "", "source": source, "destination": destination,
    })
}

/// Credit, debit, inflight credit, inflight debit.
#[track_caller]
pub(crate) fn money(client: &Client, id: &str) -> [i64; 4] {
    let told = client.get(&format!("/balances/{id}")).expect(200);
    let of = |name: &str| told[name].as_i64().unwrap();
    let money = [
        of("credit_balance"),
        of("debit_balance"),
        of("inflight_credit_balance"),
        of("inflight_debit_balance"),
    ];
    assert_eq!(of("balance"), money[0] - money[1], "{told}");
    assert_eq!(of("inflight_balance"), money[2] - money[3], "{told}");
    money
}

/// The code, if the status is as expected.
#[track_caller]
pub(crate) fn code(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status, status, "{}", reply.text);
    let detail = &reply.json["error_detail"];
    assert_eq!(reply.json["error"], detail["message"], "{}", reply.text);
    detail["code"].as_str().unwrap().to_owned()
}

pub(crate) fn put(client: &Client, path: &str, body: &Value) -> Reply {
    client.send(("PUT", path), &[], body.to_string())
}

/// Commits or voids.
pub(crate) fn settle(client: &Client, id: &Value, body: &Value) -> Reply {
    put(
        client,
        &format!("/transactions/inflight/{}", id.as_str().unwrap()),
        body,
    )
}
