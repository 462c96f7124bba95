//! What is counted is counted: every stage of a request shows in `/metrics`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

#[path = "common/server.rs"]
mod server;

use server::Server;

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
