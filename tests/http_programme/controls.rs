//! A card's controls over HTTP: set, changed, removed, and what is left of a limit.

use serde_json::{Value, json};

use crate::server::{HOLDER, ROOT, Reply, Server, refused, urn};

fn path(urn: &str) -> String {
    format!("/v1/cards/{urn}/controls")
}

fn send(server: &Server, method: &str, urn: &str, body: &Value) -> Reply {
    server.call(ROOT, method, &path(urn), Some(body), None)
}

fn shown(server: &Server, urn: &str) -> Value {
    let reply = server.get(&path(urn));
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.body["account_urn"], urn);
    reply.body
}

/// No controls at all, as they are shown.
fn none() -> Value {
    json!({ "single_use": false, "merchant_locked": false })
}

#[test]
fn controls_are_set_changed_and_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = urn(&server.card(json!({ "name": "Own" })));
    assert_eq!(shown(&server, &card)["controls"], none());
    let first = json!({
        "limits": [{ "window": "day", "amount": "100.00" }],
        "mcc": { "deny": ["7995"] },
    });
    let reply = send(&server, "PUT", &card, &first);
    assert_eq!(reply.status, 200, "{reply:?}");
    let mut expect = first.clone();
    expect["single_use"] = json!(false);
    expect["merchant_locked"] = json!(false);
    assert_eq!(reply.body["controls"], expect);
    assert_eq!(reply.body["usage"], Value::Null);

    let change = json!({ "mcc": null, "channels": ["pos"], "single_use": true });
    let reply = send(&server, "PATCH", &card, &change);
    let expect = json!({
        "limits": [{ "window": "day", "amount": "100.00" }], "channels": ["pos"],
        "single_use": true, "merchant_locked": false,
    });
    assert_eq!(reply.body["controls"], expect, "{reply:?}");
    let account = server.get(&format!("/api/accounts/{card}")).body;
    let metadata = &account["account"]["metadata"];
    let kept = json!({ "limits": first["limits"], "channels": ["pos"], "single_use": true });
    assert_eq!(metadata["controls"], kept, "they are the metadata's");
    assert_eq!(metadata["name"], "Own");

    let reply = send(&server, "PUT", &card, &json!({}));
    assert_eq!(reply.body["controls"], none(), "{reply:?}");
    send(&server, "PUT", &card, &first);
    let gone = server.call(ROOT, "DELETE", &path(&card), None, None);
    assert_eq!((gone.status, &gone.body["controls"]), (200, &none()));
    let account = server.get(&format!("/api/accounts/{card}")).body;
    assert_eq!(account["account"]["metadata"], json!({ "name": "Own" }));
    let pocket = urn(&server.pocket());
    assert_eq!(
        send(&server, "PUT", &pocket, &first).status,
        200,
        "a pocket has its own"
    );
}

#[test]
fn what_is_wrong_is_refused_by_its_path() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = urn(&server.card(json!({})));
    let limit = json!({ "limits": [{ "window": "hour", "count": 1 }] });
    for method in ["PUT", "PATCH"] {
        refused(
            &send(&server, method, &card, &limit),
            400,
            "controls.limits[0].window",
        );
        let unknown = json!({ "limit": 5 });
        refused(
            &send(&server, method, &card, &unknown),
            400,
            "controls.limit",
        );
        assert_eq!(send(&server, method, &card, &json!([])).status, 400);
    }
    let metadata = json!({ "metadata": { "controls": limit } });
    let reply = server.call(
        ROOT,
        "PATCH",
        &format!("/api/accounts/{card}"),
        Some(&metadata),
        None,
    );
    refused(&reply, 400, "metadata.controls.limits[0].window");
    let made = json!({ "holder_urn": HOLDER, "metadata": { "controls": { "hours": [] } } });
    refused(
        &server.post("/api/mediums/card", &made),
        400,
        "metadata.controls.hours",
    );
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let body = (method != "GET").then(|| json!({}));
        let reply = server.call(
            ROOT,
            method,
            &path("crd-0000000000000"),
            body.as_ref(),
            None,
        );
        assert_eq!(reply.status, 404, "{method}: {reply:?}");
    }
    assert_eq!(
        shown(&server, &card)["controls"],
        none(),
        "nothing was changed"
    );
}

#[test]
fn what_was_counted_stays_and_what_is_left_is_shown() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = urn(&server.card(json!({})));
    server.deposit(&card, 1_000_000_000, "d");
    let limits = json!({ "limits": [
        { "window": "lifetime", "amount": "100.00" },
        { "window": { "rolling_seconds": 86400 }, "count": 2 },
    ] });
    assert_eq!(send(&server, "PUT", &card, &limits).status, 200);
    assert_eq!(server.authorize(&card, "a", "60.00")["status"], "approved");
    let over = server.authorize(&card, "b", "40.01");
    assert_eq!(over["decline_reason"], "amount_limit_exceeded", "{over}");
    let usage = shown(&server, &card)["usage"].clone();
    let amount = json!({ "limit": "100.00", "used": "60.00", "left": "40.00" });
    let count = json!({ "limit": 2, "used": 1, "left": 1 });
    let expect = json!([
        { "window": "lifetime", "amount": amount },
        { "window": { "rolling_seconds": 86400 }, "count": count },
    ]);
    assert_eq!(usage["limits"], expect);
    assert_eq!(usage["currency"], "USD");

    let less = json!({ "limits": [{ "window": "lifetime", "amount": "60.00", "count": 5 }] });
    assert_eq!(send(&server, "PATCH", &card, &less).status, 200);
    let limits = shown(&server, &card)["usage"]["limits"].clone();
    assert_eq!(limits[0]["amount"]["left"], "0.00", "{limits}");
    assert_eq!(limits[0]["count"]["used"], 1, "{limits}");
    server.step("a", "reverse", &json!({ "transaction_id": "r" }));
    let limits = shown(&server, &card)["usage"]["limits"].clone();
    assert_eq!(limits[0]["amount"]["left"], "60.00", "{limits}");
    assert_eq!(limits[0]["count"]["used"], 0, "{limits}");
}

#[test]
fn a_key_gives_one_answer() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = urn(&server.card(json!({})));
    let body = json!({ "channels": ["atm"] });
    let call = |method: &str, body: Option<&Value>, key: &str| {
        server.call(ROOT, method, &path(&card), body, Some(key))
    };
    let first = call("PUT", Some(&body), "k-1");
    let gone = call("DELETE", None, "k-2");
    assert!(
        first.status == 200 && gone.status == 200,
        "{first:?} {gone:?}"
    );
    for (first, method, body, key) in [
        (&first, "PUT", Some(&body), "k-1"),
        (&gone, "DELETE", None, "k-2"),
    ] {
        let again = call(method, body, key);
        assert!(again.is_replay, "{again:?}");
        assert_eq!((again.status, &again.body), (first.status, &first.body));
    }
    assert_eq!(call("PATCH", Some(&body), "k-1").status, 409);
    assert_eq!(
        shown(&server, &card)["controls"],
        none(),
        "a repeat changes nothing"
    );
}
