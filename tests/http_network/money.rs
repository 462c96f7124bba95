//! Deposits, withdrawals, origins and keys.

use serde_json::{Value, json};

use crate::{
    authorize::check,
    server::{Balance, Client, DUSD, Server},
};

fn moved(card: &str, amount: &str, reference: &str) -> Value {
    json!({ "account_urn": card, "asset": DUSD, "amount": amount, "reference": reference })
}

#[test]
fn money_comes_in_and_goes_out_once_for_each_reference() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(0);
    let mut deposit = moved(&card, "100000000", "dep-1");
    deposit["metadata"] = json!({ "note": "first" });
    let first = client.post("/v1/deposits", &deposit);
    let answer = first.clone().expect(201);
    check(
        &answer,
        &json!({
            "status": "completed", "account_urn": card, "asset": DUSD, "amount": "100000000",
            "reference": "dep-1", "metadata": { "note": "first" },
            "balance": { DUSD: {
                "current": "100000000", "pending": "0", "in": "100000000", "out": "0",
            } },
        }),
    );
    assert!(
        answer["id"].is_string() && answer["created_at"].is_string(),
        "{answer}"
    );
    let again = client.post("/v1/deposits", &deposit);
    assert!(again.is_replay() && !first.is_replay());
    assert_eq!((again.status, &again.text), (201, &first.text));
    deposit["amount"] = "100000001".into();
    assert_eq!(
        client.post("/v1/deposits", &deposit).code(409),
        "idempotency_conflict"
    );
    // One reference, one movement: not a withdrawal's either.
    let crossed = client.post("/v1/withdrawals", &moved(&card, "100000000", "dep-1"));
    assert_eq!(crossed.code(409), "idempotency_conflict");
    let out = client
        .post("/v1/withdrawals", &moved(&card, "30000000", "wdr-1"))
        .expect(201);
    let after = Balance {
        current: 70_000_000,
        pending: 0,
        incoming: 100_000_000,
        outgoing: 30_000_000,
    };
    assert_eq!(Balance::of(&out), after);
    let too_much = client.post("/v1/withdrawals", &moved(&card, "70000001", "wdr-2"));
    assert_eq!(too_much.code(409), "insufficient_funds");
    let details = json!({ "available": "70000000", "required": "70000001", "asset": DUSD });
    check(&too_much.json["error"]["details"], &details);
    // A refusal leaves no trace: the reference is still free.
    client
        .post("/v1/withdrawals", &moved(&card, "70000000", "wdr-2"))
        .expect(201);
    assert_eq!(client.balance("b", &card).current, 0);
    let nobody = client.post("/v1/deposits", &moved("crd-0000000000000", "1", "dep-2"));
    assert_eq!(nobody.code(404), "account_not_found");
    client.trial_balance();
}

#[test]
fn other_assets_stand_beside_each_other() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(5_000_000);
    for (asset, amount) in [("COPM/2", "123456"), ("KSM/12", "1"), ("EURc/6", "7")] {
        let mut deposit = moved(&card, amount, asset);
        deposit["asset"] = asset.into();
        let answer = client.post("/v1/deposits", &deposit).expect(201);
        assert_eq!(answer["balance"][asset]["current"], amount);
    }
    let books = client.trial_balance();
    assert_eq!(books["assets"]["COPM/2"]["house"]["world"], "-123456");
    let inquiry = client.authorize("a", &card, "0").expect(200);
    let assets: Vec<_> = inquiry["balance"].as_object().unwrap().keys().collect();
    assert_eq!(assets.len(), 4, "{inquiry}");
}

fn issue(client: &Client, scopes: &Value) -> String {
    let body = json!({ "name": "k", "scopes": scopes });
    let made = client.post("/v1/api-keys", &body).expect(201);
    made["secret_key"].as_str().unwrap().to_owned()
}

#[test]
fn origins_and_keys_are_made_listed_and_revoked() {
    let mut server = Server::start();
    let client = server.client();
    let made = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    assert_eq!(
        client
            .post("/v1/origins", &json!({ "name": "acme" }))
            .code(409),
        "origin_exists"
    );
    let acme = made["api_key"].as_str().unwrap().to_owned();
    let foreign = client.with_key(Some(&acme));
    let names = client.get("/v1/origins").expect(200)["data"].clone();
    assert_eq!(names.as_array().unwrap().len(), 2, "{names}");
    let reader = issue(&foreign, &json!(["network"]));
    let theirs = foreign.get("/v1/api-keys").expect(200);
    assert_eq!(theirs["data"].as_array().unwrap().len(), 2);
    assert!(
        !theirs.to_string().contains(&reader[3..]),
        "a secret is shown twice"
    );
    assert_eq!(foreign.get("/v1/origins").code(403), "forbidden");
    assert_eq!(
        client.with_key(Some(&reader)).get("/v1/api-keys").code(403),
        "forbidden"
    );
    let root = json!({ "name": "k", "scopes": ["root"] });
    assert!([403, 422].contains(&foreign.post("/v1/api-keys", &root).status));
    let id = made["key_id"].as_str().unwrap();
    let path = format!("/v1/api-keys/{id}");
    assert_eq!(
        client.send(("DELETE", &path), &[], "").code(404),
        "key_not_found"
    );
    foreign.send(("DELETE", &path), &[], "").expect(200);
    assert_eq!(foreign.get("/v1/api-keys").code(401), "unauthorized");
    // Revoked is revoked after a crash too, and a live key lives.
    server.restart();
    let after = server.client();
    assert_eq!(after.with_key(Some(&acme)).get("/v1/api-keys").status, 401);
    assert_eq!(
        after
            .with_key(Some(&reader))
            .get("/v1/authorizations/x")
            .status,
        404
    );
}
