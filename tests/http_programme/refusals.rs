//! What is refused, to whom, and how it is said.

use serde_json::json;

use crate::server::{ASSET, HOLDER, ROOT, Server, refused, text, urn};

#[test]
fn a_wrong_field_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let wide: serde_json::Map<_, _> = (0..501).map(|n| (format!("k{n}"), json!(n))).collect();
    let deep = (0..20).fold(json!(1), |inner, _| json!([inner]));
    for (body, status, field) in [
        (json!({}), 400, "holder_urn"),
        (json!({ "holder_urn": 5 }), 400, "holder_urn"),
        (
            json!({ "holder_urn": "did:bloque:sandbox" }),
            400,
            "holder_urn",
        ),
        (
            json!({ "holder_urn": "did:bloque:other:x" }),
            403,
            "holder_urn",
        ),
        (
            json!({ "holder_urn": HOLDER, "nonsense": 1 }),
            400,
            "nonsense",
        ),
        (
            json!({ "holder_urn": HOLDER, "webhook_url": "x" }),
            400,
            "webhook_url",
        ),
        (
            json!({ "holder_urn": HOLDER, "metadata": [] }),
            400,
            "metadata",
        ),
        (
            json!({ "holder_urn": HOLDER, "metadata": wide }),
            400,
            "metadata",
        ),
        (
            json!({ "holder_urn": HOLDER, "metadata": { "a": deep } }),
            400,
            "metadata",
        ),
        (
            json!({ "holder_urn": HOLDER, "metadata": { "a": "x".repeat(40_000) } }),
            400,
            "metadata",
        ),
        (
            json!({ "holder_urn": HOLDER, "metadata": { "default_asset": "XXX/9" } }),
            400,
            "metadata.default_asset",
        ),
        (
            json!({ "holder_urn": HOLDER, "input": { "create": { "card_type": "PHYSICAL" } } }),
            422,
            "input.create.card_type",
        ),
        (
            json!({ "holder_urn": HOLDER, "ledger_account_id": "ldg_x" }),
            404,
            "ledger_account_id",
        ),
    ] {
        refused(&server.post("/api/mediums/card", &body), status, field);
    }
}

#[test]
fn a_body_that_is_none_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    for (text, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        (&"[".repeat(200_000), 400),
    ] {
        let reply = server.send(ROOT, "POST", "/api/mediums/card", Some(text), None);
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let huge = format!("\"{}\"", "x".repeat(400_000));
    let reply = server.send(ROOT, "POST", "/api/mediums/card", Some(&huge), None);
    assert_eq!(reply.status, 413, "{reply:?}");
}

#[test]
fn a_wrong_parameter_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    for (query, field) in [
        ("nonsense=1", "nonsense"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("order=up", "order"),
        ("status=gone", "status"),
        ("created_after=yesterday", "created_after"),
        ("holder_urn=", "holder_urn"),
    ] {
        refused(&server.get(&format!("/api/accounts?{query}")), 400, field);
    }
    let card = urn(&server.card(json!({})));
    for (query, field) in [
        ("limit=501", "limit"),
        ("asset=DUSD", "asset"),
        ("pocket=left", "pocket"),
        ("direction=up", "direction"),
        ("before=x", "before"),
        ("next=nxt_x", "next"),
        ("collapsed_view=maybe", "collapsed_view"),
    ] {
        refused(
            &server.get(&format!("/api/accounts/{card}/movements?{query}")),
            400,
            field,
        );
    }
    // A well-formed token that names no record of the account is a place like any other.
    let page = server.movements(&card, "next=nxt_0123456789abc");
    assert!(page["data"].as_array().is_some(), "{page}");
    refused(&server.get("/api/accounts/balances"), 400, "account_urns");
    let nothing = server.get("/api/accounts/balances?account_urns=did:bloque:x");
    refused(&nothing, 404, "account_urns");
}

#[test]
fn keys_open_only_their_own_origin() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = server.card(json!({ "name": "mine" }));
    let card_urn = urn(&card);
    server.deposit(&card_urn, 1_000, "d-1");
    let other = server.other_origin("acme");
    for (key, status) in [("", 401), ("sk_wrong", 401)] {
        let reply = server.call(key, "GET", "/api/accounts", None, None);
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(
            text(&reply.body["message"]).contains("unauthorized"),
            "{reply:?}"
        );
    }
    let own = json!({ "holder_urn": "did:bloque:acme:u" });
    let theirs = server.call(&other, "POST", "/api/mediums/virtual", Some(&own), None);
    let theirs = urn(&theirs.body["result"]["account"]);
    let amount = json!({ "destination_account_urn": theirs, "amount": "1", "asset": ASSET });
    let to_mine = json!({ "destination_account_urn": card_urn, "amount": "1", "asset": ASSET });
    let status = json!({ "status": "frozen" });
    for (method, path, body) in [
        ("GET", format!("/api/accounts/{card_urn}"), None),
        ("GET", format!("/api/accounts/{card_urn}/balance"), None),
        ("GET", format!("/api/accounts/{card_urn}/movements"), None),
        (
            "GET",
            format!("/api/accounts/balances?account_urns={card_urn}"),
            None,
        ),
        ("PATCH", format!("/api/accounts/{card_urn}"), Some(&status)),
        (
            "POST",
            format!("/api/accounts/{card_urn}/transfer"),
            Some(&amount),
        ),
        (
            "POST",
            format!("/api/accounts/{theirs}/transfer"),
            Some(&to_mine),
        ),
    ] {
        let reply = server.call(&other, method, &path, body, None);
        assert_eq!(reply.status, 404, "{method} {path}: {reply:?}");
        assert!(
            text(&reply.body["message"]).contains("not found"),
            "{reply:?}"
        );
    }
    assert_eq!(server.current(&card_urn), "1000");
}

#[test]
fn lists_and_money_end_at_the_origin() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = server.card(json!({ "name": "mine" }));
    let card_urn = urn(&card);
    let other = server.other_origin("acme");
    let own = json!({ "holder_urn": "did:bloque:acme:u" });
    let theirs = server.call(&other, "POST", "/api/mediums/virtual", Some(&own), None);
    assert_eq!(theirs.status, 201, "{theirs:?}");
    let shared = json!({ "holder_urn": "did:bloque:acme:u",
        "ledger_account_id": card["ledger_account_id"] });
    let reply = server.call(&other, "POST", "/api/mediums/card", Some(&shared), None);
    refused(&reply, 404, "ledger_account_id");
    for query in [
        format!("urn={card_urn}"),
        format!("holder_urn={HOLDER}"),
        format!("ledger_account_id={}", text(&card["ledger_account_id"])),
    ] {
        let reply = server.call(&other, "GET", &format!("/api/accounts?{query}"), None, None);
        assert_eq!(reply.body, json!({ "accounts": [] }), "{query}");
    }
    let all = server.call(&other, "GET", "/api/accounts", None, None);
    assert_eq!(all.body["accounts"].as_array().map(Vec::len), Some(1));
    // One key text in two origins is two keys.
    let made = server.call(
        &other,
        "POST",
        "/api/mediums/virtual",
        Some(&own),
        Some("k"),
    );
    let body = json!({ "holder_urn": HOLDER });
    let mine = server.call(ROOT, "POST", "/api/mediums/virtual", Some(&body), Some("k"));
    assert_eq!((made.status, mine.status), (201, 201));
    assert!(!mine.is_replay);
}
