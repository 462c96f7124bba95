//! Accounts: made, read, listed, changed.

use serde_json::{Value, json};

use crate::server::{ASSET, HOLDER, Server, refused, text, urn};

#[test]
fn accounts_are_made_and_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = server.card(json!({ "name": "First", "custom_id": "c-1", "level": 3 }));
    let pocket = server.pocket();
    let card_urn = urn(&card);
    assert!(
        card_urn.starts_with("did:bloque:account:card:usr-"),
        "{card_urn}"
    );
    assert!(urn(&pocket).starts_with("did:bloque:account:virtual:usr-"));
    assert_eq!(card["status"], "active");
    assert_eq!(card["owner_urn"], HOLDER);
    assert_eq!(card["webhook_url"], Value::Null);
    assert_eq!(card["metadata"]["name"], "First");
    let last_four = text(&card["details"]["card_last_four"]);
    assert!(last_four.len() == 4 && last_four.bytes().all(|b| b.is_ascii_digit()));
    assert_eq!(card["details"]["card_status"], "ACTIVE");

    let got = server.get(&format!("/api/accounts/{card_urn}")).body["account"].clone();
    assert_eq!(got["balance"], json!({}));
    assert_eq!(got["id"], card["id"]);
    let escaped = card_urn.replace(':', "%3A");
    assert_eq!(
        server.get(&format!("/api/accounts/{escaped}")).body["account"],
        got
    );
    let short = server.get(&format!("/api/accounts/{}", text(&card["id"])));
    assert_eq!(short.body["account"], got);
    let wrong = card_urn.replace(":card:", ":virtual:");
    assert_eq!(server.get(&format!("/api/accounts/{wrong}")).status, 404);
    server.deposit(&card_urn, 500, "d-1");
    let got = server.get(&format!("/api/accounts/{card_urn}")).body["account"].clone();
    let balance = json!({ "current": "500", "pending": "0", "in": "500", "out": "0" });
    assert_eq!(got["balance"][ASSET], balance);
}

#[test]
fn lists_have_what_was_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = server.card(json!({ "name": "First", "custom_id": "c-1", "level": 3 }));
    let pocket = server.pocket();
    let card_urn = urn(&card);
    let gold = server.post("/api/mediums/card-gold", &json!({ "holder_urn": HOLDER }));
    assert_eq!(gold.status, 201, "{gold:?}");
    let gold = gold.body["result"]["account"].clone();
    assert_eq!(gold["medium"], "card-gold");

    let found = |query: &str| {
        let reply = server.get(&format!("/api/accounts?{query}"));
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        let accounts = reply.body["accounts"].as_array().expect("a list").clone();
        assert!(
            accounts
                .iter()
                .all(|account| account["balance"].is_object())
        );
        accounts
            .iter()
            .map(|account| text(&account["urn"]))
            .collect::<Vec<_>>()
    };
    let (pocket_urn, gold_urn) = (urn(&pocket), urn(&gold));
    let all = [gold_urn.clone(), pocket_urn.clone(), card_urn.clone()];
    assert_eq!(found(""), all);
    assert_eq!(found(&format!("holder_urn={HOLDER}")), all);
    assert_eq!(found("limit=1"), all[..1]);
    assert_eq!(found("limit=2&offset=1"), all[1..]);
    assert_eq!(found("order=asc&limit=1"), all[2..]);
    assert_eq!(found("medium=virtual"), all[1..2]);
    assert_eq!(found("medium=card"), [gold_urn.clone(), card_urn.clone()]);
    assert_eq!(found("medium=card-gold"), all[..1]);
    assert_eq!(found("q=fir"), all[2..]);
    assert_eq!(found("metadata[custom_id]=c-1&metadata[level]=3"), all[2..]);
    assert_eq!(found("custom_id=c-2"), [""; 0]);
    assert_eq!(
        found(&format!(
            "urns={card_urn}&urns={gold_urn}&urns=did:bloque:account:card:a:b"
        )),
        [gold_urn, card_urn.clone()]
    );
    assert_eq!(found(&format!("urn={card_urn}&medium=virtual")), [""; 0]);
    assert_eq!(
        found(&format!(
            "ledger_account_id={}",
            text(&card["ledger_account_id"])
        )),
        all[2..]
    );
    let made = text(&pocket["created_at"]);
    assert_eq!(found(&format!("created_after={made}")), all[..1]);
    assert_eq!(found(&format!("created_before={made}")), all[2..]);
    assert_eq!(
        server
            .patch(&pocket_urn, &json!({ "status": "deleted" }))
            .status,
        200
    );
    assert_eq!(found("status=deleted"), all[1..2]);
    assert_eq!(found("status=active&status=frozen").len(), 2);
    assert_eq!(found("holder_urn=did:bloque:sandbox:nobody"), [""; 0]);
}

#[test]
fn faces_change_and_states_have_their_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = urn(&server.card(json!({ "name": "A", "keep": { "x": 1 } })));
    let body = json!({ "metadata": { "name": "B", "source": "sdk", "keep": null },
        "webhook_url": "https://a.example/hook" });
    let account = server.patch(&card, &body).body["result"]["account"].clone();
    assert_eq!(account["metadata"], json!({ "name": "B", "source": "sdk" }));
    assert_eq!(account["webhook_url"], "https://a.example/hook");
    let account = server.patch(&card, &json!({ "webhook_url": null })).body;
    assert_eq!(account["result"]["account"]["webhook_url"], Value::Null);
    refused(&server.patch(&card, &json!({})), 400, "body");
    refused(
        &server.patch(&card, &json!({ "ledger_account_id": "ldg_x" })),
        404,
        "ledger_account_id",
    );
    refused(
        &server.patch(&card, &json!({ "input": { "pin": "12" } })),
        400,
        "input.pin",
    );
    let wrong = json!({ "metadata": { "fallback_asset": 5 } });
    refused(&server.patch(&card, &wrong), 400, "metadata.fallback_asset");

    let to = |status: &str| server.patch(&card, &json!({ "status": status }));
    let check = |status: &str, from: &str, allowed: &[&str]| {
        let reply = to(status);
        assert_eq!(reply.status, 409, "{reply:?}");
        assert_eq!(reply.body["code"], "illegal_transition");
        assert_eq!(
            reply.body["extra_details"],
            json!({ "status": from, "allowed": allowed })
        );
        for word in allowed {
            assert!(text(&reply.body["message"]).contains(word), "{reply:?}");
        }
    };
    check("active", "active", &["frozen", "disabled", "deleted"]);
    let reason = json!({ "status": "frozen", "input": { "status_reason": "STOLEN" } });
    let frozen = server.patch(&card, &reason).body["result"]["account"].clone();
    assert_eq!(frozen["details"]["status_reason"], "STOLEN");
    assert_eq!(frozen["details"]["card_status"], "FROZEN");
    assert_eq!(to("active").status, 200);
    assert_eq!(to("disabled").status, 200);
    check("active", "disabled", &["deleted"]);
    check("creation_failed", "disabled", &["deleted"]);
    assert_eq!(to("deleted").status, 200);
    check("active", "deleted", &[]);
    assert_eq!(
        server.get(&format!("/api/accounts/{card}")).body["account"]["status"],
        "deleted"
    );
}

#[test]
fn merges_at_once_are_all_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = urn(&server.card(json!({})));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (server, card) = (&server, &card);
            scope.spawn(move || {
                for n in 0..10 {
                    let key = format!("k{thread}-{n}");
                    let reply = server.patch(card, &json!({ "metadata": { key: n } }));
                    assert_eq!(reply.status, 200, "{reply:?}");
                }
            });
        }
    });
    let account = server.get(&format!("/api/accounts/{card}")).body["account"].clone();
    assert_eq!(
        account["metadata"].as_object().map(serde_json::Map::len),
        Some(80)
    );
}

#[test]
fn every_route_is_in_the_document() {
    let document: Value =
        serde_json::from_str(&cardwright::http::openapi::json()).expect("a JSON document");
    for (path, method) in [
        ("/api/mediums/card", "post"),
        ("/api/mediums/card-{programme}", "post"),
        ("/api/mediums/virtual", "post"),
        ("/api/accounts", "get"),
        ("/api/accounts/{urn}", "get"),
        ("/api/accounts/{urn}", "patch"),
        ("/api/accounts/{urn}/balance", "get"),
        ("/api/accounts/balances", "get"),
        ("/api/accounts/{urn}/movements", "get"),
        ("/api/accounts/{urn}/transfer", "post"),
        ("/api/accounts/batch/transfer", "post"),
    ] {
        let route = &document["paths"][path][method];
        assert!(
            route["responses"].is_object(),
            "{method} {path} is not there"
        );
    }
    // Each schema that is named is there.
    let whole = document.to_string();
    for named in whole.split("#/components/schemas/").skip(1) {
        let name = named.split('"').next().unwrap_or_default();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
}
