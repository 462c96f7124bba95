//! A provider's webhooks: signed, recent, taken once.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{Client, POLICY, Reply, gates, register, server::Server, urn, verification};

fn now() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// As Standard Webhooks has it.
fn sign(secret: &str, id: &str, time: &str, body: &str) -> String {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let tag = mac.chain_update(format!("{id}.{time}.{body}")).finalize();
    format!("v1,{}", STANDARD.encode(tag.into_bytes()))
}

fn send(client: &Client, secret: &str, (id, time): (&str, i64), body: &Value) -> Reply {
    let (time, body) = (time.to_string(), body.to_string());
    let signature = sign(secret, id, &time, &body);
    raw(client, (id, &time, &signature), &body)
}

fn raw(client: &Client, (id, time, signature): (&str, &str, &str), body: &str) -> Reply {
    let headers = [
        ("webhook-id", id),
        ("webhook-timestamp", time),
        ("webhook-signature", signature),
    ];
    let route = ("POST", "/v1/compliance/webhook/sandbox");
    client.with_key(None).send(route, &headers, body)
}

fn secret(client: &Client, body: &Value) -> Reply {
    client.post(&format!("{POLICY}/webhook-secret"), body)
}

#[test]
fn a_signed_word_counts_once_and_no_other_counts_at_all() {
    let server = Server::start();
    let client = server.client();
    gates(&client, json!({ "create_card": 1 }));
    register(&client, "ana");
    let word = json!({ "urn": urn("ana"), "requirements": { "identity": "pending" } });
    let foreign = format!("whsec_{}", STANDARD.encode([1; 32]));
    assert_eq!(
        send(&client, &foreign, ("m1", now()), &word).status,
        401,
        "no secret yet"
    );
    let made = secret(&client, &json!({})).expect(200);
    assert_eq!(made["webhook_path"], "/v1/compliance/webhook/sandbox");
    let own = made["webhook_secret"].as_str().unwrap();
    let status = || client.get(&verification("ana")).expect(200)["status"].clone();
    for (secret, time) in [
        (foreign.as_str(), now()),
        (own, now() - 310),
        (own, now() + 310),
    ] {
        let told = send(&client, secret, ("m1", time), &word);
        assert_eq!(told.code(401), "unauthorized");
    }
    let text = word.to_string();
    let time = now().to_string();
    let signature = sign(own, "m1", &time, &text);
    assert_eq!(
        raw(&client, ("m2", &time, &signature), &text).status,
        401,
        "another id"
    );
    let other = text.replace("pending", "satisfied");
    assert_eq!(
        raw(&client, ("m1", &time, &signature), &other).status,
        401,
        "another body"
    );
    let taken = raw(&client, ("m1", &time, &signature), &text);
    assert_eq!(
        taken.clone().expect(200)["status"],
        "awaiting_compliance_verification"
    );
    let approved = json!({ "urn": urn("ana"), "status": "approved" });
    let both = format!("v1,AAAA {}", sign(own, "m2", &time, &approved.to_string()));
    raw(&client, ("m2", &time, &both), &approved.to_string()).expect(200);
    assert_eq!(status(), "approved");
    // The first comes again, late: it was taken, and changes nothing any more.
    let again = send(&client, own, ("m1", now()), &word);
    assert!(again.is_replay());
    again.expect(200);
    assert_eq!(status(), "approved");
    let reused = send(&client, own, ("m1", now()), &approved);
    assert_eq!(reused.code(409), "idempotency_conflict");
    let told = client.get(&verification("ana")).expect(200);
    assert_eq!(told["requirements"]["identity"]["by"], "provider");
    for (body, status) in [
        (
            json!({ "urn": "did:bloque:acme:ana", "status": "approved" }),
            404,
        ),
        (json!({ "urn": urn("ana") }), 400),
        (json!({ "urn": urn("ana"), "status": "fine" }), 400),
        (json!({ "status": "approved" }), 400),
    ] {
        let told = send(&client, own, ("m9", now()), &body);
        assert_eq!(told.status, status, "{body}: {}", told.text);
    }
}

#[test]
fn a_new_secret_and_the_one_before_both_count_also_after_a_restart() {
    let mut server = Server::start();
    let client = server.client();
    register(&client, "ana");
    let given = format!("whsec_{}", STANDARD.encode([9; 24]));
    let told = secret(&client, &json!({ "webhook_secret": given })).expect(200);
    assert_eq!(told["webhook_secret"], given.as_str());
    let headers = [("idempotency-key", "rotate")];
    let path = format!("{POLICY}/webhook-secret");
    let rotate = |client: &Client| client.send(("POST", &path), &headers, "{}").expect(200);
    let made = rotate(&client);
    assert_eq!(rotate(&client), made, "a retry shows the same");
    server.restart();
    let client = server.client();
    assert_eq!(rotate(&client), made);
    let word = json!({ "urn": urn("ana"), "status": "rejected" });
    let new = made["webhook_secret"].as_str().unwrap();
    send(&client, new, ("a", now()), &word).expect(200);
    send(&client, &given, ("b", now()), &word).expect(200);
    secret(&client, &json!({})).expect(200);
    assert_eq!(
        send(&client, &given, ("c", now()), &word).status,
        401,
        "two back"
    );
    send(&client, new, ("d", now()), &word).expect(200);
    for wrong in ["x", "whsec_", "whsec_AAAA", "whsec_!"] {
        let reply = secret(&client, &json!({ "webhook_secret": wrong }));
        assert_eq!(reply.code(400), "malformed_request");
        assert_eq!(reply.json["error"]["field"], "webhook_secret");
    }
    // No secret lies anywhere in clear.
    let policy = client.get(POLICY);
    assert!(!policy.text.contains("whsec"), "{}", policy.text);
    assert_eq!(server.terminate(), Some(0));
    for secret in [new, &given] {
        let bytes = STANDARD.decode(&secret[6..]).unwrap();
        let text = &secret.as_bytes()[6..];
        for found in [bytes.as_slice(), text] {
            assert!(
                !holds(server.data_dir(), found),
                "a secret lies in the data directory"
            );
        }
    }
}

fn holds(folder: &std::path::Path, wanted: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, wanted);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(wanted.len()).any(|part| part == wanted)
    })
}
