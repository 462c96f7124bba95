//! What is counted is counted: every stage of a request shows in `/metrics`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

#[path = "common/server.rs"]
mod server;

use serde_json::json;
use server::{Server, purchase};

fn value(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find(|line| line.split(' ').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("{name} is missing"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn every_stage_of_an_authorization_is_counted() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    client.authorize("m-1", &card, "1.00").expect(200);
    client.authorize("m-2", &card, "999.00").expect(200);
    let text = client.get("/metrics").text;
    for stage in [
        "http_request",
        "wait_durable",
        "journal_write",
        "journal_sync",
    ] {
        let count = value(&text, &format!("cardwright_{stage}_seconds_count"));
        assert!(count >= 2.0, "{stage}: {count}");
    }
    let approved = "cardwright_authorizations_total{outcome=\"approved\",reason=\"\"}";
    let declined =
        "cardwright_authorizations_total{outcome=\"declined\",reason=\"insufficient_funds\"}";
    assert!(
        value(&text, approved) >= 1.0 && value(&text, declined) >= 1.0,
        "{text}"
    );
    assert!(value(&text, "cardwright_holds") >= 1.0);
    assert!(value(&text, "cardwright_journal_queued_bytes") >= 0.0);
}

#[test]
fn batches_and_every_refusal_under_load_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let items = |card: &str, prefix: &str| {
        let items = (0..3).map(|number| purchase(&format!("{prefix}-{number}"), card, "1.00"));
        json!(items.collect::<Vec<_>>())
    };
    let card = {
        let server = Server::on(&data, &[]);
        let client = server.client();
        let card = client.card(100_000_000);
        let before = client.get("/metrics").text;
        client
            .post("/v1/authorizations/batch", &items(&card, "b"))
            .expect(200);
        let after = client.get("/metrics").text;
        let count =
            |text: &str, stage: &str| value(text, &format!("cardwright_{stage}_seconds_count"));
        for stage in ["wait_durable", "http_batch"] {
            let grown = count(&after, stage) - count(&before, stage);
            assert!((0.5..1.5).contains(&grown), "{stage}: {grown}");
        }
        card
    };
    let server = Server::on(&data, &[("CARDWRIGHT_JOURNAL__MIN_FREE_MIB", "100000000")]);
    let client = server.client();
    let answers = client.post("/v1/authorizations/batch", &items(&card, "c"));
    for answer in answers.expect(200).as_array().unwrap() {
        assert_eq!(answer["status"], 503, "{answer}");
    }
    let patch = client.send(
        ("PATCH", &format!("/api/accounts/{card}")),
        &[],
        json!({ "metadata": { "a": "b" } }).to_string(),
    );
    assert_eq!(patch.status, 503, "{}", patch.text);
    assert_eq!(client.authorize("d", &card, "1.00").status, 503);
    assert_eq!(client.post("/ledgers", &json!({ "name": "l" })).status, 503);
    let text = client.get("/metrics").text;
    assert_eq!(value(&text, "cardwright_busy_total") as u64, 6, "{text}");
}
