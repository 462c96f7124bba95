//! What the books say, page by page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::server::{ASSET, Server, text, times, urn};

/// Some fields of each movement.
fn table(page: &Value, fields: &[&str]) -> Value {
    let data = page["data"].as_array().expect("a list");
    let row = |movement: &Value| fields.iter().map(|name| movement[name].clone()).collect();
    data.iter().map(row).collect::<Vec<Value>>().into()
}

#[test]
fn movements_tell_what_happened() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let (card, pocket) = (urn(&server.card(json!({}))), urn(&server.pocket()));
    server.deposit(&card, 100_000_000, "d-1");
    let id = text(&server.authorize(&card, "ctx-1", "50.00")["id"]);
    let held = server.movements(&card, "pocket=pending");
    let expected = json!([["out", "pending", "50000000"]]);
    assert_eq!(table(&held, &["direction", "status", "amount"]), expected);
    assert_eq!(times(&server.movements(&card, "")).len(), 1);

    server.step(
        &id,
        "capture",
        &json!({ "transaction_id": "cap-1", "local_amount": "30.00", "final": true }),
    );
    server.step(
        &id,
        "refund",
        &json!({ "transaction_id": "ref-1", "local_amount": "10.00" }),
    );
    let held = server.movements(&card, "pocket=pending");
    let expected = json!([
        ["in", "cancelled", "20000000"],
        ["out", "settled", "50000000"]
    ]);
    assert_eq!(table(&held, &["direction", "status", "amount"]), expected);
    let path = format!("/api/accounts/{card}/transfer");
    let order = json!({ "destination_account_urn": pocket, "amount": "5", "asset": ASSET });
    assert_eq!(server.post(&path, &order).status, 200);
    let page = server.movements(&card, "asset=DUSD/6");
    let expected = json!([
        ["out", "transfer", "5"],
        ["in", "deposit", "10000000"],
        ["out", "withdraw", "30000000"],
        ["in", "deposit", "100000000"],
    ]);
    assert_eq!(table(&page, &["direction", "type", "amount"]), expected);
    describes_the_capture(&page["data"][2]["details"]["metadata"]);
    assert_eq!(page["has_more"], false);
    for (query, count) in [
        ("direction=in", 2),
        ("reference=cap-1", 1),
        ("asset=KSM/12", 0),
    ] {
        assert_eq!(
            times(&server.movements(&card, query)).len(),
            count,
            "{query}"
        );
    }
    assert_eq!(
        server.movements(&pocket, "")["data"][0]["from_account_id"],
        card
    );
}

fn describes_the_capture(details: &Value) {
    for (name, value) in [
        ("merchant_name", "AMAZON.COM"),
        ("merchant_mcc", "5411"),
        ("transaction_id", "cap-1"),
        ("original_transaction_id", "ctx-1"),
        ("transaction_type", "PURCHASE"),
        ("operation_type", "capture"),
        ("local_amount", "30.00"),
        ("local_currency", "USD"),
        ("total_fees", "432000"),
    ] {
        assert_eq!(details[name], value, "{name} in {details}");
    }
    assert!(
        details
            .as_object()
            .expect("an object")
            .values()
            .all(Value::is_string)
    );
}

#[test]
fn pages_lose_and_repeat_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = urn(&server.card(json!({})));
    for n in 0..60 {
        server.deposit(&card, 1_000_000, &format!("d-{n}"));
        server.authorize(&card, &format!("a-{n}"), "0.10");
    }
    let whole = times(&server.movements(&card, "limit=500"));
    assert_eq!(whole.len(), 60);
    assert_eq!(
        whole.iter().collect::<BTreeSet<_>>().len(),
        60,
        "a time for each"
    );
    assert!(whole.is_sorted_by(|newer, older| newer > older));
    // With the seed's loop, and with the token, while new movements come in.
    let mut arrived = 0;
    let mut arrive = || {
        arrived += 1;
        server.deposit(&card, 1, &format!("new-{arrived}"));
    };
    let (mut by_time, mut before) = (Vec::new(), String::new());
    loop {
        let page = times(&server.movements(&card, &format!("limit=7{before}")));
        arrive();
        by_time.extend(page.iter().cloned());
        if page.len() < 7 {
            break;
        }
        before = format!("&before={}", page[6]);
    }
    assert_eq!(by_time, whole);
    let start = format!(
        "before={}",
        server.movements(&card, "reference=d-59")["data"][0]["created_at"]
            .as_str()
            .expect("a time")
    );
    let (mut by_token, mut next) = (Vec::new(), format!("&{start}"));
    loop {
        let page = server.movements(&card, &format!("limit=10{next}"));
        arrive();
        by_token.extend(times(&page));
        let Some(token) = page["next"].as_str() else {
            assert_eq!(page["has_more"], false);
            break;
        };
        assert_eq!(page["has_more"], true);
        next = format!("&next={token}");
    }
    assert_eq!(by_token, whole[1..]);
    let (after, before) = (&whole[40], &whole[20]);
    let between = times(&server.movements(&card, &format!("after={after}&before={before}")));
    assert_eq!(between, whole[21..40]);
}
