//! `/v1/decision-endpoint`.

use serde_json::{Value, json};

use crate::{
    ask_at,
    endpoint::{Endpoint, yes},
    put,
    server::Server,
    start,
};

const PATH: &str = "/v1/decision-endpoint";

#[test]
fn settings_are_set_shown_kept_and_removed() {
    let (mut server, endpoint) = (start(), Endpoint::start(yes()));
    let client = server.client();
    assert_eq!(client.get(PATH).code(404), "decision_endpoint_not_found");
    let made = put(&client, &json!({ "url": endpoint.url() })).expect(200);
    assert_eq!(
        [
            &made["enabled"],
            &made["budget_ms"],
            &made["fallback"],
            &made["answer_within_ms"]
        ],
        [
            &json!(true),
            &json!(2_000),
            &json!("decline"),
            &json!(1_800)
        ]
    );
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let changed =
        json!({ "url": endpoint.url(), "enabled": false, "budget_ms": 300, "fallback": "approve" });
    let key = [("idempotency-key", "e-1")];
    let set = client.send(("PUT", PATH), &key, changed.to_string());
    let again = client.send(("PUT", PATH), &key, changed.to_string());
    assert!(again.is_replay());
    assert_eq!(again.text, set.text);
    assert_eq!(set.json.get("secret"), None, "it is shown once");
    server.restart();
    let client = server.client();
    let mut shown = client.get(PATH).expect(200);
    shown.as_object_mut().unwrap().remove("figures").unwrap();
    assert_eq!(shown, set.json);
    // It is off: the rules alone decide.
    let card = client.card(100_000_000);
    let told = client.authorize("off", &card, "1.00").expect(200);
    assert_eq!(told.get("decision"), None);
    ask_at(&client, &endpoint.url(), 2_000, "decline");
    server.restart();
    let client = server.client();
    let told = client.authorize("on", &card, "1.00").expect(200);
    assert_eq!(told["decision"]["by"], "programme", "also after a restart");
    client.send(("DELETE", PATH), &[], "").expect(200);
    assert_eq!(
        client.send(("DELETE", PATH), &[], "").code(404),
        "decision_endpoint_not_found"
    );
    let rotate = ("POST", "/v1/decision-endpoint/rotate-secret");
    assert_eq!(
        client.send(rotate, &[], "").code(404),
        "decision_endpoint_not_found"
    );
    let told = client.authorize("gone", &card, "1.00").expect(200);
    assert_eq!(told.get("decision"), None);
}

#[test]
fn wrong_settings_are_refused_by_name() {
    let server = Server::start();
    let client = server.client();
    for (body, status, field) in [
        (json!({}), 400, "url"),
        (json!({ "url": 1 }), 400, "url"),
        (json!({ "url": "ftp://x.example" }), 422, "url"),
        (json!({ "url": "https://me:secret@x.example" }), 422, "url"),
        (json!({ "url": "http://127.0.0.1:9/" }), 422, "url"),
        (json!({ "url": "http://[::1]/" }), 422, "url"),
        (
            json!({ "url": "https://x.example", "budget_ms": 99 }),
            422,
            "budget_ms",
        ),
        (
            json!({ "url": "https://x.example", "budget_ms": 2_001 }),
            422,
            "budget_ms",
        ),
        (
            json!({ "url": "https://x.example", "fallback": "maybe" }),
            400,
            "fallback",
        ),
        (
            json!({ "url": "https://x.example", "else": 1 }),
            400,
            "else",
        ),
    ] {
        let reply = put(&client, &body);
        assert_eq!(reply.status, status, "{body}: {}", reply.text);
        assert_eq!(
            reply.json["error"]["field"], field,
            "{body}: {}",
            reply.text
        );
    }
    // A name may lead to a private address: that is seen when it is asked, and is no answer.
    ask_at(&client, "http://localhost:9/", 500, "decline");
    let card = client.card(100_000_000);
    let told = client.authorize("hidden", &card, "1.00").expect(200);
    assert_eq!(told["decision"]["by"], "fault");
}

#[test]
fn each_programme_has_its_own() {
    let (server, endpoint) = (start(), Endpoint::start(yes()));
    let client = server.client();
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let acme = client.with_key(acme["api_key"].as_str());
    ask_at(&client, &endpoint.url(), 2_000, "decline");
    assert_eq!(acme.get(PATH).code(404), "decision_endpoint_not_found");
    let seed = json!({
        "holder_urn": "did:bloque:acme:ana", "cards": 1, "asset": "DUSD/6", "amount": "100000000",
    });
    let card = acme.post("/v1/sandbox/seed", &seed).expect(201)["cards"][0].clone();
    let told = acme
        .authorize("theirs", card.as_str().unwrap(), "1.00")
        .expect(200);
    assert_eq!(
        (&told["status"], told.get("decision")),
        (&json!("approved"), None)
    );
    let theirs = ask_at(&acme, &endpoint.url(), 2_000, "decline");
    let mut shown = client.get(PATH).expect(200);
    assert_eq!(shown["figures"]["approved"], 0);
    assert_ne!(theirs["secret"], Value::Null);
    assert_eq!(shown["origin"].take(), "sandbox");
}
