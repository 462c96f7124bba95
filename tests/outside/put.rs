//! `GET` and `PUT /v1/rates`: exact, all or none, recorded, replayed, known again after a restart.

use serde_json::{Value, json};

use crate::server::{Client, Reply, Server};

fn put(client: &Client, body: &str) -> Reply {
    client.send(("PUT", "/v1/rates"), &[], body)
}

/// Each rate as `base/quote rate source`.
fn known(client: &Client) -> Vec<String> {
    let told = client.get("/v1/rates").expect(200);
    let rates = told["rates"].as_array().unwrap().iter();
    rates
        .map(|rate| {
            let text = |name: &str| rate[name].as_str().unwrap();
            let (base, quote) = (text("base"), text("quote"));
            format!("{base}/{quote} {} {}", text("rate"), text("source"))
        })
        .collect()
}

#[test]
fn rates_are_taken_exactly_and_survive_restarts() {
    let mut server = Server::start();
    let client = server.client();
    assert_eq!(known(&client), Vec::<String>::new());
    let body = r#"{"rates": [
        {"base": "USD", "quote": "COP", "rate": "4012.55"},
        {"base": "EUR", "quote": "USD", "rate": 1.0837000000000000001234},
        {"base": "KSM", "quote": "USD", "rate": 1.75e1, "at": "2026-01-01T00:00:00Z"}
    ], "source": "desk"}"#;
    let told = put(&client, body).expect(200);
    assert_eq!(told["accepted"], 3);
    assert_eq!(told["rates"][1]["rate"], "1.0837000000000000001234");
    assert_eq!(told["rates"][2]["at"], "2026-01-01T00:00:00.000000Z");
    let three = [
        "USD/COP 4012.55 desk",
        "EUR/USD 1.0837000000000000001234 desk",
        "KSM/USD 17.5 desk",
    ];
    assert_eq!(known(&client), three);
    // A pair is known once: the other direction takes its place.
    put(
        &client,
        r#"{"rates":[{"base":"COP","quote":"USD","rate":0.00025}]}"#,
    )
    .expect(200);
    let after = [
        "COP/USD 0.00025 operator",
        "EUR/USD 1.0837000000000000001234 desk",
        "KSM/USD 17.5 desk",
    ];
    assert_eq!(known(&client), after);
    server.restart();
    assert_eq!(known(&server.client()), after, "from the log");
    assert_eq!(server.terminate(), Some(0));
    server.restart();
    assert_eq!(known(&server.client()), after, "from a snapshot");
}

#[test]
fn a_rate_tells_its_age_and_whether_it_is_stale() {
    let server = Server::with(&[("CARDWRIGHT_RATES__AGE_MAX_S", "100")]);
    let client = server.client();
    let body = r#"{"rates":[{"base":"USD","quote":"COP","rate":"4000"},
        {"base":"EUR","quote":"USD","rate":"1.1","at":"2026-01-01T00:00:00Z"}]}"#;
    put(&client, body).expect(200);
    let told = client.get("/v1/rates").expect(200);
    assert_eq!(told["age_max_s"], 100);
    assert_eq!(told["base_currency"], "USD");
    let row = |base: &str| {
        let mut rates = told["rates"].as_array().unwrap().iter();
        rates.find(|rate| rate["base"] == base).unwrap().clone()
    };
    assert_eq!(row("USD")["stale"], false);
    assert!(row("USD")["age_s"].as_i64().unwrap() < 100);
    assert_eq!(row("EUR")["stale"], true);
    assert!(row("EUR")["age_s"].as_i64().unwrap() > 1_000_000);
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_taken() {
    let server = Server::start();
    let client = server.client();
    let old =
        r#"{"rates":[{"base":"USD","quote":"COP","rate":"4000","at":"2026-06-01T00:00:00Z"}]}"#;
    put(&client, old).expect(200);
    let check = |rate: &str, status: u16, field: &str| {
        let good = r#"{"base":"EUR","quote":"USD","rate":"1.1"}"#;
        let reply = put(&client, &format!(r#"{{"rates":[{good},{rate}]}}"#));
        assert_eq!(reply.status, status, "{rate}: {}", reply.text);
        assert_eq!(
            reply.json["error"]["field"], field,
            "{rate}: {}",
            reply.text
        );
        assert_eq!(known(&client), ["USD/COP 4000 operator"], "{rate}");
    };
    let rate = |text: &str| format!(r#"{{"base":"USD","quote":"GBP","rate":{text}}}"#);
    for text in [
        "0", "\"0.00\"", "-1", "\"x\"", "\"\"", "1e99", "1e-30", "\"NaN\"", "\"1,5\"",
    ] {
        check(&rate(text), 422, "rates[1].rate");
    }
    for text in ["null", "true", "[1]", "{}"] {
        check(&rate(text), 400, "rates[1].rate");
    }
    let units =
        |base: &str, quote: &str| format!(r#"{{"base":"{base}","quote":"{quote}","rate":"1.5"}}"#);
    check(&units("XYZW", "USD"), 422, "rates[1].base");
    check(&units("USD", "cop"), 422, "rates[1].quote");
    check(&units("DUSD", "COP"), 422, "rates[1].base");
    check(&units("USD", "USD"), 422, "rates[1].quote");
    check(&units("EUR", "USD"), 422, "rates[1].quote");
    check(&units("USD", "EUR"), 422, "rates[1].quote");
    let at = |text: &str| format!(r#"{{"base":"USD","quote":"COP","rate":"1.5","at":"{text}"}}"#);
    check(&at("2999-01-01T00:00:00Z"), 422, "rates[1].at");
    check(&at("yesterday"), 422, "rates[1].at");
    check(&at("2026-05-31T23:59:59Z"), 409, "rates[1].at");
    check(r#"{"base":"USD","quote":"GBP"}"#, 400, "rates[1].rate");
    check(
        r#"{"base":"USD","quote":"GBP","rate":"1","x":1}"#,
        400,
        "rates[1].x",
    );
    for (body, status, field) in [
        ("{}", 400, "rates"),
        (r#"{"rates":[]}"#, 422, "rates"),
        (r#"{"rates":{}}"#, 400, "base"),
        ("[]", 400, "body"),
        (r#"{"rates":[],"source":""}"#, 422, "source"),
        (r#"{"rates":[],"more":1}"#, 400, "more"),
    ] {
        let reply = put(&client, body);
        assert_eq!(reply.status, status, "{body}: {}", reply.text);
        assert_eq!(
            reply.json["error"]["field"], field,
            "{body}: {}",
            reply.text
        );
    }
    let many = vec![json!({ "base": "USD", "quote": "COP", "rate": "1" }); 2_001];
    let reply = put(&client, &json!({ "rates": many }).to_string());
    assert_eq!(reply.status, 422, "{}", reply.text);
    // What is as old as the known rate corrects it.
    put(&client, &old.replace("4000", "4001")).expect(200);
    assert_eq!(known(&client), ["USD/COP 4001 operator"]);
}

#[test]
fn the_same_key_gets_the_same_answer() {
    let mut server = Server::start();
    let body = r#"{"rates":[{"base":"USD","quote":"COP","rate":"4000"}]}"#;
    let send = |server: &Server, key: &str, body: &str| {
        server
            .client()
            .send(("PUT", "/v1/rates"), &[("idempotency-key", key)], body)
    };
    let first = send(&server, "k1", body);
    assert!(!first.is_replay());
    let told: Value = first.expect(200);
    let check = |server: &Server| {
        let again = send(server, "k1", body);
        assert!(again.is_replay());
        assert_eq!(again.expect(200), told);
        let other = send(server, "k1", &body.replace("4000", "1"));
        assert_eq!(other.code(409), "idempotency_conflict");
    };
    check(&server);
    server.restart();
    check(&server);
    assert_eq!(server.terminate(), Some(0));
    server.restart();
    check(&server);
    // A key that stands for rates stands for nothing else, and the other way round.
    let card = server.client().card(10);
    let deposit = json!({
        "account_urn": card, "asset": "DUSD/6", "amount": "1", "reference": "r1",
    });
    let headers = [("idempotency-key", "k1")];
    let path = ("POST", "/v1/deposits");
    let used = server.client().send(path, &headers, deposit.to_string());
    assert_eq!(used.status, 409, "{}", used.text);
    // A refused request leaves its key free.
    assert_eq!(send(&server, "k2", r#"{"rates":[]}"#).status, 422);
    send(&server, "k2", body).expect(200);
}

#[test]
fn rates_of_one_base_may_come_as_an_object() {
    let server = Server::start();
    let client = server.client();
    let body = r#"{"base": "USD", "rates": {"COP": "4012.55", "MXN": 18.25}, "source": "desk"}"#;
    assert_eq!(put(&client, body).expect(200)["accepted"], 2);
    let both = ["USD/COP 4012.55 desk", "USD/MXN 18.25 desk"];
    assert_eq!(known(&client), both);
    for (body, status, field) in [
        (r#"{"rates": {"COP": 1}}"#, 400, "base"),
        (
            r#"{"base": "USD", "rates": [{"base":"USD","quote":"COP","rate":1}]}"#,
            422,
            "base",
        ),
        (
            r#"{"base": "USD", "rates": {"COP": true}}"#,
            400,
            "rates.COP",
        ),
        (
            r#"{"base": "USD", "rates": {"COP": 1, "COP": 2}}"#,
            422,
            "rates[1].quote",
        ),
        (r#"{"base": "USD", "rates": {}}"#, 422, "rates"),
        (r#"{"base": "USD", "rates": 7}"#, 400, "rates"),
    ] {
        let told = put(&client, body).expect(status);
        assert_eq!(told["error"]["field"], field, "{body}");
    }
    assert_eq!(known(&client), both);
}
