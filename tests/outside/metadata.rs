//! What an origin says of all its cards: set by its key in the body or by an operator, merged,
//! recorded, replayed.

use serde_json::{Value, json};

use crate::server::{Client, KEY, Reply, Server};

fn patch(client: &Client, origin: &str, key: &str, metadata: &Value) -> Reply {
    let body = json!({ "api_key": key, "metadata": metadata });
    let path = format!("/api/origins/{origin}/metadata");
    client
        .with_key(None)
        .send(("PATCH", &path), &[], body.to_string())
}

fn get(client: &Client, origin: &str) -> Value {
    let path = format!("/v1/origins/{origin}/metadata");
    client.get(&path).expect(200)["metadata"].clone()
}

#[test]
fn metadata_is_merged_and_survives_restarts() {
    let mut server = Server::start();
    let client = server.client();
    assert_eq!(get(&client, "sandbox"), json!({}));
    let told = patch(
        &client,
        "sandbox",
        KEY,
        &json!({ "plan": "gold", "a": { "x": 1 } }),
    );
    assert_eq!(
        told.expect(200),
        json!({
            "origin_name": "sandbox", "metadata": { "plan": "gold", "a": { "x": 1 } },
            "updated": true,
        })
    );
    patch(
        &client,
        "sandbox",
        KEY,
        &json!({ "a": { "y": 2 }, "plan": null, "b": 3 }),
    )
    .expect(200);
    let expect = json!({ "a": { "y": 2 }, "b": 3 });
    assert_eq!(get(&client, "sandbox"), expect);
    let body = json!({ "metadata": { "c": [1] } }).to_string();
    let told = client.send(("PATCH", "/v1/origins/sandbox/metadata"), &[], body);
    let expect = json!({ "a": { "y": 2 }, "b": 3, "c": [1] });
    assert_eq!(told.expect(200)["metadata"], expect);
    server.restart();
    assert_eq!(get(&server.client(), "sandbox"), expect, "from the log");
    assert_eq!(server.terminate(), Some(0));
    server.restart();
    assert_eq!(get(&server.client(), "sandbox"), expect, "from a snapshot");
}

#[test]
fn only_a_key_of_the_origin_changes_it() {
    let server = Server::start();
    let client = server.client();
    let made = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let acme = made["api_key"].as_str().unwrap();
    let key = |scopes: &[&str]| {
        let body = json!({ "name": "k", "scopes": scopes });
        client.post("/v1/api-keys", &body).expect(201)
    };
    let network = key(&["network", "ledger"]);
    let revoked = key(&["programme"]);
    let path = format!("/v1/api-keys/{}", revoked["key_id"].as_str().unwrap());
    client.send(("DELETE", &path), &[], "").expect(200);
    let text = |made: &Value| made["secret_key"].as_str().unwrap().to_owned();
    let some = json!({ "plan": "x" });
    for (origin, key, status) in [
        ("sandbox", "", 401),
        ("sandbox", "sk_wrong", 401),
        ("sandbox", &text(&revoked), 401),
        ("sandbox", acme, 403),
        ("acme", KEY, 403),
        ("nobody", KEY, 403),
        ("sandbox", &text(&network), 403),
    ] {
        let reply = patch(&client, origin, key, &some);
        assert_eq!(reply.status, status, "{origin} {key}: {}", reply.text);
        assert_eq!(
            reply.json["extra_details"]["field"], "api_key",
            "{}",
            reply.text
        );
        assert!(
            key.is_empty() || !reply.text.contains(key),
            "{}",
            reply.text
        );
    }
    assert_eq!(get(&client, "sandbox"), json!({}));
    assert_eq!(
        get(&client, "acme"),
        json!({}),
        "the root scope sees every origin"
    );
    patch(&client, "sandbox", &text(&key(&["programme"])), &some).expect(200);
    patch(&client, "acme", acme, &some).expect(200);
    // The operator of one origin does not see another's.
    let foreign = client.with_key(Some(acme));
    let path = "/v1/origins/sandbox/metadata";
    assert_eq!(foreign.get(path).code(404), "origin_not_found");
    let body = json!({ "metadata": {} }).to_string();
    assert_eq!(
        foreign.send(("PATCH", path), &[], &body).code(404),
        "origin_not_found"
    );
    assert_eq!(
        client.get("/v1/origins/nobody/metadata").code(404),
        "origin_not_found"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let server = Server::start();
    let client = server.client();
    let send = |body: &str| {
        let path = ("PATCH", "/api/origins/sandbox/metadata");
        client.with_key(None).send(path, &[], body)
    };
    let long = format!(
        r#"{{"api_key":"{KEY}","metadata":{{"a":"{}"}}}}"#,
        "x".repeat(40_000)
    );
    let deep = format!(
        r#"{{"api_key":"{KEY}","metadata":{{"a":{}{}}}}}"#,
        "[".repeat(30),
        "]".repeat(30)
    );
    for (body, field) in [
        ("{}", "api_key"),
        ("[]", "body"),
        (r#"{"api_key":1,"metadata":{}}"#, "api_key"),
        (r#"{"api_key":"x"}"#, "metadata"),
        (r#"{"api_key":"x","metadata":[]}"#, "metadata"),
        (r#"{"api_key":"x","metadata":{},"more":1}"#, "more"),
        (&long, "metadata"),
        (&deep, "metadata"),
    ] {
        let reply = send(body);
        let shown: String = body.chars().take(60).collect();
        assert_eq!(reply.status, 400, "{shown}: {}", reply.text);
        assert_eq!(
            reply.json["extra_details"]["field"], field,
            "{shown}: {}",
            reply.text
        );
    }
    assert_eq!(get(&client, "sandbox"), json!({}));
}

#[test]
fn the_same_key_gets_the_same_answer() {
    let mut server = Server::start();
    let send = |server: &Server, plan: &str| {
        let body = json!({ "api_key": KEY, "metadata": { "plan": plan } });
        let path = ("PATCH", "/api/origins/sandbox/metadata");
        let headers = [("idempotency-key", "k1")];
        server
            .client()
            .with_key(None)
            .send(path, &headers, body.to_string())
    };
    let told = send(&server, "gold").expect(200);
    patch(&server.client(), "sandbox", KEY, &json!({ "plan": "lead" })).expect(200);
    server.restart();
    let again = send(&server, "gold");
    assert!(again.is_replay());
    assert_eq!(again.expect(200), told);
    assert_eq!(send(&server, "tin").code(409), "idempotency_conflict");
    assert_eq!(get(&server.client(), "sandbox"), json!({ "plan": "lead" }));
}
