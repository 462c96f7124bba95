//! Transfers, one and many.

use serde_json::json;

use crate::server::{ASSET, HOLDER, ROOT, Server, refused, urn};

#[test]
fn money_moves_between_accounts() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = server.card(json!({}));
    let (from, to) = (urn(&card), urn(&server.pocket()));
    server.deposit(&from, 1_000, "d-1");
    let path = format!("/api/accounts/{from}/transfer");
    let order = |to: &str, amount: &str| {
        json!({ "destination_account_urn": to, "amount": amount, "asset": ASSET,
            "metadata": { "note": "n" } })
    };
    let reply = server.post(&path, &order(&to, "400"));
    assert_eq!(
        (reply.status, &reply.body["result"]["status"]),
        (200, &json!("completed"))
    );
    assert_eq!(
        (server.current(&from), server.current(&to)),
        ("600".into(), "400".into())
    );

    assert_eq!(
        server.patch(&to, &json!({ "status": "frozen" })).status,
        200
    );
    let frozen = server.post(&path, &order(&to, "5"));
    assert_eq!(
        (frozen.status, &frozen.body["code"]),
        (409, &json!("account_not_active"))
    );
    assert_eq!(server.current(&from), "600");
    let books = server.get("/v1/trial-balance");
    assert_eq!(books.body["balanced"], true, "{books:?}");
}

#[test]
fn a_transfer_that_cannot_be_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = server.card(json!({}));
    let (from, to) = (urn(&card), urn(&server.pocket()));
    server.deposit(&from, 600, "d-1");
    let path = format!("/api/accounts/{from}/transfer");
    let order = |to: &str, amount: &str| json!({ "destination_account_urn": to, "amount": amount, "asset": ASSET });
    let poor = server.post(&path, &order(&to, "601"));
    assert_eq!(
        (poor.status, &poor.body["code"]),
        (409, &json!("INSUFFICIENT_FUNDS")),
        "{poor:?}"
    );
    for (body, status, field) in [
        (order(&to, "0"), 400, "amount"),
        (order(&to, "-1"), 400, "amount"),
        (order(&to, "1.5"), 400, "amount"),
        (order(&to, &"9".repeat(39)), 400, "amount"),
        (
            json!({ "destination_account_urn": to, "amount": 5, "asset": ASSET }),
            400,
            "amount",
        ),
        (
            json!({ "destination_account_urn": to, "amount": "5", "asset": "X" }),
            400,
            "asset",
        ),
        (
            json!({ "destination_account_urn": to, "amount": "5", "asset": "XXX/2" }),
            400,
            "asset",
        ),
        (
            order("did:bloque:account:card:usr-1:crd-2", "5"),
            404,
            "destination_account_urn",
        ),
        (order(&from, "5"), 400, "destination_account_urn"),
    ] {
        refused(&server.post(&path, &body), status, field);
    }
}

#[test]
fn faces_of_the_same_money_share_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let card = server.card(json!({}));
    let (from, to) = (urn(&card), urn(&server.pocket()));
    server.deposit(&from, 600, "d-1");
    server.deposit(&to, 400, "d-2");
    let path = format!("/api/accounts/{from}/transfer");
    let shared = json!({ "holder_urn": HOLDER, "ledger_account_id": card["ledger_account_id"] });
    let face = server.post("/api/mediums/virtual", &shared);
    assert_eq!(face.status, 201, "{face:?}");
    let face = urn(&face.body["result"]["account"]);
    assert_eq!(server.current(&face), "600");
    let order = json!({ "destination_account_urn": face, "amount": "5", "asset": ASSET });
    refused(&server.post(&path, &order), 400, "destination_account_urn");
    let query =
        format!("/api/accounts/balances?account_urns={from}&account_urns={face}&account_urns={to}");
    assert_eq!(server.get(&query).body["balance"][ASSET]["current"], "1000");
}

/// The supervisor and the handler deliver at once, while the destination comes and goes: each
/// transfer ends one way, and as it was told.
#[test]
fn a_transfer_arrives_or_comes_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let (from, to) = (urn(&server.card(json!({}))), urn(&server.pocket()));
    server.deposit(&from, 1_000_000, "d-1");
    let path = format!("/api/accounts/{from}/transfer");
    let body = json!({ "destination_account_urn": to, "amount": "1", "asset": ASSET });
    let mut arrived = 0_u64;
    std::thread::scope(|scope| {
        let sending: Vec<_> = (0..4)
            .map(|thread| {
                let (server, path, body) = (&server, &path, &body);
                scope.spawn(move || {
                    let mut arrived = 0_u64;
                    for n in 0..100 {
                        let key = format!("{thread}-{n}");
                        // Each is asked for twice: the second answer is the first's end.
                        let first = server.call(ROOT, "POST", path, Some(body), Some(&key));
                        if first.status == 409 {
                            continue;
                        }
                        let again = server.call(ROOT, "POST", path, Some(body), Some(&key));
                        assert_eq!(first.body, again.body);
                        arrived += u64::from(first.body["result"]["status"] == "completed");
                    }
                    arrived
                })
            })
            .collect();
        scope.spawn(|| {
            for n in 0..200 {
                let status = ["frozen", "active"][n % 2];
                assert_eq!(server.patch(&to, &json!({ "status": status })).status, 200);
            }
        });
        for thread in sending {
            arrived += thread.join().expect("no panic");
        }
    });
    assert!(arrived > 0, "none arrived");
    assert_eq!(server.current(&to), arrived.to_string());
    assert_eq!(server.current(&from), (1_000_000 - arrived).to_string());
    let books = server.get("/v1/trial-balance");
    assert_eq!(books.body["balanced"], true, "{books:?}");
}

#[test]
fn a_batch_has_a_result_for_each() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path());
    let (from, to) = (urn(&server.card(json!({}))), urn(&server.pocket()));
    server.deposit(&from, 100, "d-1");
    let operation = |n: usize, amount: &str| {
        json!({ "from_account_urn": from, "to_account_urn": to, "reference": format!("op-{n}"),
            "amount": amount, "asset": ASSET })
    };
    let path = "/api/accounts/batch/transfer";
    let operations: Vec<_> = (0..90).map(|n| operation(n, "1")).collect();
    let body = json!({ "operations": operations, "reference": "payroll" });
    let first = server.call(ROOT, "POST", path, Some(&body), Some("batch"));
    let result = &first.body["result"];
    assert_eq!(result["status"], "executed", "{first:?}");
    assert_eq!(
        (&result["total_operations"], &result["total_chunks"]),
        (&json!(90), &json!(2))
    );
    assert_eq!(result["chunks"].as_array().map(Vec::len), Some(2));
    let again = server.call(ROOT, "POST", path, Some(&body), Some("batch"));
    assert_eq!((again.is_replay, &again.body), (true, &first.body));
    assert_eq!(
        (server.current(&from), server.current(&to)),
        ("10".into(), "90".into())
    );
    let other = json!({ "operations": [operation(0, "2")], "reference": "payroll" });
    let reply = server.call(ROOT, "POST", path, Some(&other), Some("batch"));
    assert_eq!(reply.status, 409, "{reply:?}");

    let mixed = json!({ "operations": [operation(0, "50"), operation(1, "3")], "reference": "r" });
    let reply = server.post(path, &mixed).body["result"].clone();
    assert_eq!(reply["status"], "failed");
    assert_eq!(reply["operations"][0]["code"], "INSUFFICIENT_FUNDS");
    assert_eq!(reply["operations"][1]["status"], "completed");
    assert_eq!(server.current(&from), "7");
    for (body, field) in [
        (json!({ "operations": [], "reference": "r" }), "operations"),
        (
            json!({ "operations": [operation(0, "x")], "reference": "r" }),
            "operations[0].amount",
        ),
        (json!({ "operations": [operation(0, "1")] }), "reference"),
    ] {
        refused(&server.post(path, &body), 400, field);
    }
    let movement = &server.movements(&to, "limit=1")["data"][0];
    assert_eq!(movement["reference"], "op-1");
    assert_eq!(movement["details"]["metadata"]["batch_reference"], "r");
}
