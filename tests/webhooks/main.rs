//! Webhooks with a real receiver: order, signatures, retries, parking, crashes, and where they may not go.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

mod crashes;
mod manage;
mod receiver;
mod refusals;
mod retries;
#[path = "../common/server.rs"]
mod server;
mod signatures;

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use receiver::{Hook, Receiver};
use serde_json::{Value, json};
use server::{Client, Server, wait_until};

/// Quick retries, and receivers on this machine.
const QUICK: [(&str, &str); 3] = [
    ("CARDWRIGHT_OUTGOING__ALLOW_PRIVATE", "true"),
    ("CARDWRIGHT_WEBHOOKS__DELAYS_S", "[1]"),
    ("CARDWRIGHT_WEBHOOKS__PROBE_S_MAX", "1"),
];

fn start(more: &[(&str, &str)]) -> Server {
    Server::with(&[&QUICK, more].concat())
}

/// A funded card whose events go to `url`.
#[track_caller]
fn card_to(client: &Client, url: &str) -> String {
    let card = client.card(1_000_000_000);
    point(client, &card, &json!(url));
    card
}

#[track_caller]
fn point(client: &Client, card: &str, url: &Value) {
    let body = json!({ "webhook_url": url }).to_string();
    client
        .send(("PATCH", &format!("/api/accounts/{card}")), &[], body)
        .expect(200);
}

/// A new endpoint: its id and its secret.
#[track_caller]
fn endpoint(client: &Client, body: &Value) -> (String, String) {
    let made = client.post("/v1/webhook-endpoints", body).expect(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

/// The transactions of the purchases that a receiver took on a path, in order of first arrival.
fn purchases(receiver: &Receiver, path: &str) -> Vec<String> {
    let mut seen = Vec::new();
    for hook in receiver.taken("purchase") {
        let id = hook.transaction().to_owned();
        if hook.path == path && !seen.contains(&id) {
            seen.push(id);
        }
    }
    seen
}

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n:03}")).collect()
}

#[track_caller]
fn buy(client: &Client, card: &str, ids: &[String]) {
    for id in ids {
        client.authorize(id, card, "1.00").expect(200);
    }
}

/// Verifies with the library that is published for Python.
#[track_caller]
fn verify(signed: &[Value]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".tools/standardwebhooks/bin/python");
    assert!(
        python.exists(),
        "{} is missing: tests/run installs it, or: python3 -m venv .tools/standardwebhooks && \
         .tools/standardwebhooks/bin/pip install standardwebhooks==1.1.0",
        python.display()
    );
    let mut child = Command::new(python)
        .arg(root.join("tests/webhooks/verify.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = signed.iter().map(|one| format!("{one}\n")).collect();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "a signature is wrong");
    let count = String::from_utf8(out.stdout).unwrap();
    assert_eq!(count.trim(), signed.len().to_string());
}

/// Each id always with the same key and body.
#[track_caller]
fn repeats_are_the_same(hooks: &[Hook]) {
    let mut known: BTreeMap<&str, &Hook> = BTreeMap::new();
    for hook in hooks {
        let first = known.entry(hook.id()).or_insert(hook);
        let key = "idempotency-key";
        assert_eq!(first.headers[key], hook.headers[key]);
        assert_eq!(first.body, hook.body);
    }
}

/// The attempts that fit, as the API tells them.
#[track_caller]
fn deliveries(client: &Client, query: &str) -> Vec<Value> {
    let told = client
        .get(&format!("/v1/webhook-deliveries?{query}"))
        .expect(200);
    told["data"].as_array().unwrap().clone()
}
