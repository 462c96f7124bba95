//! Endpoints as a programme manages them.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "one story")]
fn an_endpoint_is_made_changed_tested_and_removed() {
    let (server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    let wanted =
        json!({ "url": receiver.url("/1"), "description": "first", "events": ["purchase"] });
    let key = [("idempotency-key", "make-1")];
    let made = client.send(("POST", "/v1/webhook-endpoints"), &key, wanted.to_string());
    let again = client.send(("POST", "/v1/webhook-endpoints"), &key, wanted.to_string());
    assert!(again.is_replay());
    let (made, again) = (made.expect(201), again.expect(201));
    assert_eq!(
        (&made["id"], &made["secret"]),
        (&again["id"], &again["secret"])
    );
    let id = made["id"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert!(id.starts_with("whe_") && secret.starts_with("whsec_"));
    let path = format!("/v1/webhook-endpoints/{id}");
    let shown = client.get(&path).expect(200);
    assert_eq!(shown["description"], "first");
    assert_eq!(shown["secret"], Value::Null, "the secret is shown once");
    let listed = client.get("/v1/webhook-endpoints").expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let tested = client.post(&format!("{path}/test"), &json!({})).expect(200);
    assert_eq!(
        (&tested["delivered"], &tested["status_code"]),
        (&json!(true), &json!(200))
    );
    let ping = receiver.taken("ping").remove(0);
    assert_eq!(tested["event_id"], json!(ping.id()));
    verify(&[ping.signed_with(secret)]);
    // Another URL counts for what waits too; while it is disabled nothing new is taken in.
    let change = json!({ "url": receiver.url("/2"), "description": null }).to_string();
    let changed = client.send(("PATCH", &path), &[], change).expect(200);
    assert_eq!(
        (&changed["description"], &changed["events"]),
        (&json!(""), &json!(["purchase"]))
    );
    let card = client.card(1_000_000_000);
    buy(&client, &card, &ids("a", 2));
    wait_until("they arrive there", || {
        purchases(&receiver, "/2").len() == 2
    });
    client
        .send(
            ("PATCH", &path),
            &[],
            json!({ "enabled": false }).to_string(),
        )
        .expect(200);
    buy(&client, &card, &ids("b", 2));
    client
        .send(
            ("PATCH", &path),
            &[],
            json!({ "enabled": true }).to_string(),
        )
        .expect(200);
    client.send(("DELETE", &path), &[], "").expect(200);
    assert_eq!(client.get(&path).code(404), "endpoint_not_found");
    assert_eq!(
        client.send(("DELETE", &path), &[], "").code(404),
        "endpoint_not_found"
    );
    for wrong in [
        json!({}),
        json!({ "url": "x" }),
        json!({ "url": "https://a.example", "events": [] }),
    ] {
        client.post("/v1/webhook-endpoints", &wrong).code(400);
    }
    let wal = server.data_dir().join("wal");
    for file in std::fs::read_dir(wal).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "the secret stands in the log");
    }
}
