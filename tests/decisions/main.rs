//! Programmes that are asked before a purchase is final: the real server, and an endpoint that answers as
//! each test has it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

mod answers;
mod crashes;
mod endpoint;
#[path = "../common/server.rs"]
mod server;
mod settings;

use serde_json::{Value, json};
use server::{Client, Server};

/// A dollar in [`server::DUSD`].
const DOLLAR: i128 = 1_000_000;

/// A server that may ask loopback addresses.
fn start() -> Server {
    with(&[])
}

fn with(settings: &[(&str, &str)]) -> Server {
    let mut all = vec![("CARDWRIGHT_OUTGOING__ALLOW_PRIVATE", "true")];
    all.extend_from_slice(settings);
    Server::with(&all)
}

/// Has the sandbox's purchases asked about at `url`; the answer.
#[track_caller]
fn ask_at(client: &Client, url: &str, budget_ms: u64, fallback: &str) -> Value {
    let settings = json!({ "url": url, "budget_ms": budget_ms, "fallback": fallback });
    put(client, &settings).expect(200)
}

fn put(client: &Client, settings: &Value) -> server::Reply {
    let route = ("PUT", "/v1/decision-endpoint");
    client.send(route, &[], settings.to_string())
}

/// The counter of `/metrics` with those labels.
fn counted(client: &Client, verdict: &str, by: &str) -> u64 {
    let text = client.get("/metrics").text;
    let ours = |line: &&str| {
        line.starts_with("cardwright_decisions_total{")
            && line.contains(&format!("verdict=\"{verdict}\""))
            && line.contains(&format!("by=\"{by}\""))
    };
    let line = text.lines().find(ours).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
