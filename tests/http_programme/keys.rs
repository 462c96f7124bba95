//! One key, one answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::server::{ASSET, HOLDER, ROOT, Reply, Server, text, urn};

/// The answer without the link to the card's page, which is signed anew each time.
fn same(reply: &Reply) -> Value {
    let mut body = reply.body.clone();
    if let Some(link) = body.pointer_mut("/result/account/details/card_url_details") {
        *link = Value::Null;
    }
    body
}

#[test]
fn a_key_gives_one_answer_also_after_a_kill() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let (from, to) = (urn(&server.card(json!({}))), urn(&server.pocket()));
    server.deposit(&from, 1_000, "d-1");
    let account = format!("/api/accounts/{from}");
    let transfer = format!("{account}/transfer");
    let calls = [
        (
            "POST",
            "/api/mediums/card",
            json!({ "holder_urn": HOLDER, "metadata": { "a": 1, "b": 2 } }),
        ),
        (
            "PATCH",
            account.as_str(),
            json!({ "metadata": { "x": "y", "z": null } }),
        ),
        (
            "PATCH",
            account.as_str(),
            json!({ "status": "frozen", "input": { "status_reason": "LOST" } }),
        ),
        ("PATCH", account.as_str(), json!({ "status": "active" })),
        (
            "POST",
            transfer.as_str(),
            json!({ "destination_account_urn": to, "amount": "300", "asset": ASSET }),
        ),
    ];
    let call = |server: &Server, n: usize| {
        let (method, path, body) = &calls[n];
        server.call(ROOT, method, path, Some(body), Some(&format!("key-{n}")))
    };
    let first: Vec<Reply> = (0..calls.len()).map(|n| call(&server, n)).collect();
    for reply in &first {
        assert!(reply.status < 300 && !reply.is_replay, "{reply:?}");
    }
    let check = |server: &Server| {
        for (n, first) in first.iter().enumerate() {
            let again = call(server, n);
            assert!(again.is_replay, "{again:?}");
            assert_eq!((again.status, same(&again)), (first.status, same(first)));
        }
        assert_eq!(server.current(&from), "700");
        assert_eq!(server.current(&to), "300");
    };
    check(&server);
    server.kill();
    let server = Server::start(dir.path());
    check(&server);
    assert_eq!(count(&server), Some(3));
    let reply = server.post(
        &transfer,
        &json!({ "destination_account_urn": to, "amount": "1", "asset": ASSET }),
    );
    assert_ne!(
        reply.body["result"]["queue_id"],
        first[4].body["result"]["queue_id"]
    );
}

/// The order of a body's keys does not matter; anything else does.
#[test]
fn a_key_is_for_one_request() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let path = "/api/mediums/card";
    let body = json!({ "holder_urn": HOLDER, "metadata": { "a": 1, "b": 2 } });
    let first = server.call(ROOT, "POST", path, Some(&body), Some("key"));
    assert_eq!(first.status, 201, "{first:?}");
    let shuffled = format!(r#"{{"metadata":{{"b":2,"a":1}},"holder_urn":"{HOLDER}"}}"#);
    let again = server.send(ROOT, "POST", path, Some(&shuffled), Some("key"));
    assert_eq!((again.is_replay, &again.body), (true, &first.body));
    for (path, body) in [
        (
            path,
            json!({ "holder_urn": HOLDER, "metadata": { "a": 1, "b": 3 } }),
        ),
        ("/api/mediums/virtual", body),
    ] {
        let reply = server.call(ROOT, "POST", path, Some(&body), Some("key"));
        assert_eq!(reply.status, 409, "{reply:?}");
        assert!(
            text(&reply.body["message"]).contains("idempotency key"),
            "{reply:?}"
        );
    }
    assert_eq!(count(&server), Some(1));
}

fn count(server: &Server) -> Option<usize> {
    server.get("/api/accounts").body["accounts"]
        .as_array()
        .map(Vec::len)
}

#[test]
fn retries_at_once_send_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let (from, to) = (urn(&server.card(json!({}))), urn(&server.pocket()));
    server.deposit(&from, 1_000, "d-1");
    let path = format!("/api/accounts/{from}/transfer");
    let body = json!({ "destination_account_urn": to, "amount": "1", "asset": ASSET });
    let ids = std::sync::Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..20 {
                    let key = format!("key-{n}");
                    let reply = server.call(ROOT, "POST", &path, Some(&body), Some(&key));
                    assert_eq!(reply.body["result"]["status"], "completed", "{reply:?}");
                    ids.lock()
                        .expect("whole")
                        .insert(text(&reply.body["result"]["queue_id"]));
                }
            });
        }
    });
    assert_eq!(ids.lock().expect("whole").len(), 20);
    assert_eq!(
        (server.current(&from), server.current(&to)),
        ("980".into(), "20".into())
    );
}
