//! Verification of holders: gates, limits, who says what, and what outlives a restart.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

#[path = "../common/server.rs"]
mod server;

mod gates;
mod holders;
mod limits;
mod methods;
mod provider;
mod sdk;

use serde_json::{Value, json};
use server::{Client, DUSD, HOLDER, KEY, Reply};

const POLICY: &str = "/v1/origins/sandbox/compliance-policy";

/// Nobody, a person whose identity is known, one whose income is.
fn levels() -> Value {
    json!([
        { "level": 0, "name": "Registered" },
        { "level": 1, "name": "Basic", "requirements": [{ "key": "identity", "kind": "kyc" }] },
        { "level": 2, "name": "Full", "requirements": [{ "key": "income", "kind": "document" }] },
    ])
}

#[track_caller]
fn policy(client: &Client, policy: &Value) -> Value {
    client
        .send(("PUT", POLICY), &[], policy.to_string())
        .expect(200)
}

#[track_caller]
fn gates(client: &Client, gates: Value) -> Value {
    policy(client, &json!({ "levels": levels(), "gates": gates }))
}

fn urn(alias: &str) -> String {
    format!("did:bloque:sandbox:{alias}")
}

fn assertion(alias: &str) -> Value {
    json!({
        "assertion_result": {
            "challengeType": "API_KEY", "value": { "api_key": KEY, "alias": alias },
        },
        "extra_context": {},
    })
}

/// A new holder's token.
#[track_caller]
fn register(client: &Client, alias: &str) -> Client {
    let mut body = assertion(alias);
    body["type"] = "individual".into();
    body["profile"] = json!({ "email": format!("{alias}@example.com") });
    let reply = client
        .with_key(None)
        .post("/api/origins/sandbox/register", &body);
    let token = reply.expect(201)["result"]["access_token"].clone();
    client.with_key(token.as_str())
}

fn connect(client: &Client, alias: &str) -> Reply {
    let path = "/api/origins/sandbox/connect";
    client.with_key(None).post(path, &assertion(alias))
}

fn verification(alias: &str) -> String {
    format!("/v1/identities/{}/verification", urn(alias))
}

#[track_caller]
fn verify(client: &Client, alias: &str, change: &Value) -> Value {
    client
        .send(("PATCH", &verification(alias)), &[], change.to_string())
        .expect(200)
}

fn make(client: &Client, medium: &str, holder: &str) -> Reply {
    let body = json!({ "holder_urn": holder, "input": {} });
    client.post(&format!("/api/mediums/{medium}"), &body)
}

/// A pocket with money.
#[track_caller]
fn pocket(client: &Client, holder: &str, amount: u64) -> String {
    let made = make(client, "virtual", holder).expect(201);
    let pocket = made["result"]["account"]["urn"]
        .as_str()
        .unwrap()
        .to_owned();
    if amount > 0 {
        deposit(client, &pocket, (DUSD, amount));
    }
    pocket
}

#[track_caller]
fn deposit(client: &Client, account: &str, (asset, amount): (&str, u64)) {
    let body = json!({
        "account_urn": account, "asset": asset, "amount": amount.to_string(),
        "reference": format!("{account} {amount} {asset}"),
    });
    client.post("/v1/deposits", &body).expect(201);
}

fn transfer(client: &Client, (from, to): (&str, &str), amount: u64, key: &str) -> Reply {
    let body =
        json!({ "destination_account_urn": to, "amount": amount.to_string(), "asset": DUSD });
    let headers: &[(&str, &str)] = if key.is_empty() {
        &[]
    } else {
        &[("idempotency-key", key)]
    };
    let path = format!("/api/accounts/{from}/transfer");
    client.send(("POST", &path), headers, body.to_string())
}

#[track_caller]
fn tier(client: &Client, holder: &str) -> Value {
    client
        .get(&format!("/api/compliance/{holder}/tier-status"))
        .expect(200)
}

/// What is counted in a window, in cents.
#[track_caller]
fn counted(client: &Client, holder: &str, window: &str) -> String {
    let told = tier(client, holder);
    let windows = told["limits"]["windows"].as_array().unwrap();
    let found = windows.iter().find(|one| one["window_type"] == window);
    found.unwrap()["consumed_usd_minor_units"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[track_caller]
fn current(client: &Client, account: &str) -> String {
    let told = client
        .get(&format!("/api/accounts/{account}/balance"))
        .expect(200);
    let current = told["balance"][DUSD]["current"].as_str();
    current.unwrap_or("0").to_owned()
}
