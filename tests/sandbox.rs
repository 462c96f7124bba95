//! Every step of a card's life, played by an integrator with the scope programme alone: no processor, no
//! operator.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use serde_json::{Value, json};
use server::{Balance, Client, HOLDER, Reply, Server};

/// A key with the scope programme and no other.
fn programme(client: &Client) -> Client {
    let body = json!({ "name": "app", "scopes": ["programme"] });
    let made = client.post("/v1/api-keys", &body).expect(201);
    client.with_key(made["secret_key"].as_str())
}

fn create(client: &Client, metadata: &Value) -> Reply {
    let body = json!({ "holder_urn": HOLDER, "input": {}, "metadata": metadata });
    client.post("/api/mediums/card", &body)
}

fn card(client: &Client) -> String {
    let made = create(client, &json!({})).expect(201);
    made["result"]["account"]["urn"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn fund(client: &Client, urn: &str, amount: &str) -> Value {
    let body = json!({ "account_urn": urn, "amount": amount });
    client.post("/v1/sandbox/deposits", &body).expect(201)
}

fn pay(client: &Client, body: &Value) -> Reply {
    client.post("/v1/sandbox/authorizations", body)
}

fn step(client: &Client, authorization: &Value, step: &str, body: &Value) -> Reply {
    let id = authorization["id"].as_str().unwrap();
    client.post(&format!("/v1/sandbox/authorizations/{id}/{step}"), body)
}

/// Status, state, what is held, captured and refunded.
#[track_caller]
fn stand(told: &Value, expect: [&str; 5]) {
    let names = [
        "status",
        "state",
        "held_amount",
        "captured_amount",
        "refunded_amount",
    ];
    let said = names.map(|name| told[name].as_str().unwrap_or("none"));
    assert_eq!(said, expect, "{told}");
}

#[test]
fn a_purchase_is_played_from_hold_to_reversed_refund() {
    let server = Server::start();
    let (all, client) = (server.client(), programme(&server.client()));
    let urn = card(&client);
    let funded = fund(&client, &urn, "100000000");
    assert_eq!(funded["asset"], "DUSD/6");
    assert!(funded["reference"].as_str().unwrap().starts_with("sim_"));
    let told = pay(&client, &json!({ "card": urn, "amount": "20.00" })).expect(200);
    stand(&told, ["approved", "pending", "20000000", "0", "0"]);
    assert!(told["transaction_id"].as_str().unwrap().starts_with("sim_"));
    let more = step(&client, &told, "increment", &json!({ "amount": "5.00" })).expect(200);
    stand(&more, ["approved", "pending", "25000000", "0", "0"]);
    let part = step(&client, &told, "capture", &json!({ "amount": "10.00" })).expect(200);
    stand(
        &part,
        [
            "approved",
            "partially_captured",
            "15000000",
            "10000000",
            "0",
        ],
    );
    // No body at all: all that is left.
    let id = told["id"].as_str().unwrap();
    let path = format!("/v1/sandbox/authorizations/{id}/capture");
    let rest = client.send(("POST", &path), &[], "").expect(200);
    stand(&rest, ["approved", "captured", "0", "25000000", "0"]);
    let refund = step(&client, &told, "refund", &json!({ "local_amount": "5.00" })).expect(200);
    stand(
        &refund,
        ["approved", "partially_refunded", "0", "25000000", "5000000"],
    );
    let operation = refund["operation"]["id"].as_str().unwrap();
    let path = format!("/v1/sandbox/refunds/{operation}/reverse");
    let undone = client.post(&path, &json!({})).expect(200);
    stand(&undone, ["approved", "captured", "0", "25000000", "0"]);
    assert_eq!(client.post(&path, &json!({})).code(409), "already_reversed");
    // It is the network's own authorization, by its id and by its transaction id.
    let seen = all.get(&format!(
        "/v1/authorizations/{}",
        told["transaction_id"].as_str().unwrap()
    ));
    assert_eq!(seen.expect(200)["id"], told["id"]);
    let reversed = pay(&client, &json!({ "card": urn, "amount": 7 })).expect(200);
    let reversed = step(&client, &reversed, "reverse", &json!({})).expect(200);
    stand(&reversed, ["approved", "reversed", "0", "0", "0"]);
    let forced = json!({ "card": urn, "amount": "3.00", "merchant": "hotel" });
    let forced = client.post("/v1/sandbox/clearings", &forced).expect(200);
    stand(&forced, ["approved", "captured", "0", "3000000", "0"]);
    assert_eq!(
        all.balance("b", &urn).current,
        100_000_000 - 25_000_000 - 3_000_000
    );
    all.trial_balance();
}

#[test]
fn a_hold_expires_when_it_is_told_to_and_the_record_says_so() {
    let mut server = Server::start();
    let client = server.client();
    let urn = card(&client);
    fund(&client, &urn, "50000000");
    let told = pay(&client, &json!({ "card": urn, "amount": "20.00" })).expect(200);
    let over = step(
        &client,
        &told,
        "expire",
        &json!({ "transaction_id": "over-1" }),
    )
    .expect(200);
    stand(&over, ["approved", "expired", "0", "0", "0"]);
    assert_eq!(over["operation"]["type"], "expiry", "{over}");
    assert_eq!(over["operation"]["transaction_id"], "over-1");
    assert_eq!(over["operation"]["amount"], "20000000");
    assert!(
        over["expires_at"].as_str().unwrap() <= over["operation"]["created_at"].as_str().unwrap()
    );
    assert!(over["expires_at"].as_str().unwrap() < told["expires_at"].as_str().unwrap());
    assert_eq!(Balance::of(&over).current, 50_000_000);
    let again = step(
        &client,
        &told,
        "expire",
        &json!({ "transaction_id": "over-1" }),
    );
    assert!(again.is_replay());
    assert_eq!(again.expect(200), over);
    let refused = step(&client, &told, "expire", &json!({}));
    assert_eq!(refused.code(409), "invalid_state");
    assert_eq!(refused.json["error"]["details"]["state"], "expired");
    let amount = step(&client, &told, "expire", &json!({ "amount": "1" }));
    assert_eq!(amount.json["error"]["field"], "local_amount");
    // A hold that was partly captured gives back the rest only.
    let told = pay(&client, &json!({ "card": urn, "amount": "20.00" })).expect(200);
    step(&client, &told, "capture", &json!({ "amount": "5.00" })).expect(200);
    let over = step(&client, &told, "expire", &json!({})).expect(200);
    assert_eq!(
        (&over["held_amount"], &over["captured_amount"]),
        (&json!("0"), &json!("5000000"))
    );
    server.restart();
    let client = server.client();
    let seen = client.get(&format!(
        "/v1/authorizations/{}",
        told["id"].as_str().unwrap()
    ));
    assert_eq!(seen.expect(200)["held_amount"], "0");
    assert_eq!(client.balance("b", &urn).current, 45_000_000);
    client.trial_balance();
}

#[test]
fn the_rules_are_the_ones_that_hold_for_processors() {
    let server = Server::start();
    let client = server.client();
    let metadata = json!({ "controls": { "mcc": { "deny": ["7995"] } } });
    let urn = create(&client, &metadata).expect(201);
    let urn = urn["result"]["account"]["urn"].as_str().unwrap().to_owned();
    let decline = |body: Value| {
        let mut body = body;
        body["card"] = urn.as_str().into();
        let told = pay(&client, &body).expect(200);
        told["decline_reason"].as_str().unwrap_or("none").to_owned()
    };
    assert_eq!(decline(json!({ "amount": "1.00" })), "insufficient_funds");
    fund(&client, &urn, "100000000");
    assert_eq!(decline(json!({ "amount": "1.00" })), "none");
    assert_eq!(
        decline(json!({ "amount": "1.00", "merchant": "gambling" })),
        "mcc_not_allowed"
    );
    let refund = json!({ "amount": "1.00", "transaction_type": "REFUND" });
    assert_eq!(decline(refund), "credit_not_supported");
    let freeze = json!({ "status": "frozen" }).to_string();
    let path = format!("/api/accounts/{urn}");
    client.send(("PATCH", &path), &[], freeze).expect(200);
    assert_eq!(decline(json!({ "amount": "1.00" })), "card_frozen");
    client.trial_balance();
}

#[test]
fn merchants_wallets_and_currencies_are_ready_to_use() {
    let server = Server::with(&[("CARDWRIGHT_SANDBOX__RATES", "true")]);
    let client = server.client();
    let urn = card(&client);
    fund(&client, &urn, "100000000");
    let known = client.get("/v1/sandbox/test-data").expect(200);
    for name in known["merchants"].as_object().unwrap().keys() {
        let body = json!({ "card": urn, "amount": "0.10", "merchant": name });
        assert_eq!(
            pay(&client, &body).expect(200)["status"],
            "approved",
            "{name}"
        );
    }
    for wallet in known["wallets"].as_array().unwrap() {
        let body = json!({ "card": urn, "amount": "0.10", "wallet": wallet });
        assert_eq!(
            pay(&client, &body).expect(200)["status"],
            "approved",
            "{wallet}"
        );
    }
    let rates = known["rates"].as_array().unwrap();
    assert!(
        rates
            .iter()
            .all(|rate| rate["source"] == "sandbox" && rate["stale"] == false)
    );
    // 4,000 pesos are a dollar; the conversion's spread of 2 % makes it a little more.
    let body = json!({ "card": urn, "amount": "4000", "currency": "COP" });
    let told = pay(&client, &body).expect(200);
    assert_eq!(
        (&told["status"], &told["amount"]),
        (&json!("approved"), &json!("1020409"))
    );
    let movements = client.get(&format!(
        "/api/accounts/{urn}/movements?asset=DUSD/6&pocket=pending"
    ));
    assert!(
        movements.text.contains("TEST GROCERY"),
        "{}",
        movements.text
    );
}

#[test]
fn other_rates_take_the_place_of_the_sandbox_s() {
    let mut server = Server::with(&[("CARDWRIGHT_SANDBOX__RATES", "true")]);
    let client = server.client();
    let rates = |client: &Client| {
        let told = client.get("/v1/rates").expect(200);
        let rows = told["rates"].as_array().unwrap().clone();
        rows.into_iter()
            .map(|row| {
                (
                    format!("{}{}", row["base"], row["quote"]),
                    row["rate"].clone(),
                    row["source"].clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    let row = |rows: &[(String, Value, Value)], pair: &str| {
        let found = rows
            .iter()
            .find(|(known, _, _)| known.replace('"', "") == pair);
        found.map(|(_, rate, source)| (rate.clone(), source.clone()))
    };
    // An older one, too: the table's are nobody's.
    let older = json!({ "rates": [
        { "base": "USD", "quote": "COP", "rate": "4100", "at": "2026-01-02T03:04:05Z" },
    ] });
    client
        .send(("PUT", "/v1/rates"), &[], older.to_string())
        .expect(200);
    let known = rates(&client);
    assert_eq!(
        row(&known, "USDCOP"),
        Some((json!("4100"), json!("operator")))
    );
    assert_eq!(row(&known, "USDMXN"), Some((json!("18"), json!("sandbox"))));
    client.post("/v1/sandbox/rates", &json!({})).expect(200);
    server.restart();
    let known = rates(&server.client());
    assert_eq!(
        row(&known, "USDCOP"),
        Some((json!("4100"), json!("operator")))
    );
}

#[test]
fn rates_are_set_when_they_are_asked_for() {
    let server = Server::start();
    let client = server.client();
    let urn = card(&client);
    fund(&client, &urn, "100000000");
    let pay = || {
        let body = json!({ "card": urn, "amount": "4000", "currency": "COP" });
        pay(&client, &body).expect(200)
    };
    let known = client.get("/v1/rates").expect(200);
    assert_eq!(known["rates"], json!([]));
    assert_eq!(pay()["decline_reason"], "currency_not_supported");
    let set = client.post("/v1/sandbox/rates", &json!({})).expect(200);
    let known = client.get("/v1/rates").expect(200);
    assert_eq!(set["set"], known["rates"].as_array().unwrap().len());
    assert_eq!(pay()["status"], "approved");
}

#[test]
fn rates_of_the_sandbox_do_not_become_too_old() {
    let settings = [
        ("CARDWRIGHT_SANDBOX__RATES", "true"),
        ("CARDWRIGHT_RATES__AGE_MAX_S", "2"),
    ];
    let server = Server::with(&settings);
    let client = server.client();
    let at = || {
        let known = client.get("/v1/rates").expect(200);
        known["rates"][0]["at"].as_str().unwrap().to_owned()
    };
    let first = at();
    server::wait_until("the rates are renewed twice", || {
        let second = at();
        second != first && {
            server::wait_until("again", || at() != second);
            true
        }
    });
}

#[test]
fn a_creation_can_wait_and_can_fail() {
    let mut server = Server::start();
    let client = server.client();
    let status = |client: &Client, urn: &str| {
        let told = client.get(&format!("/api/accounts?urn={urn}")).expect(200);
        told["accounts"][0]["status"].as_str().unwrap().to_owned()
    };
    let made = |metadata: &str| {
        let reply = create(&client, &json!({ "sandbox_creation": metadata })).expect(201);
        let account = &reply["result"]["account"];
        assert_eq!(account["status"], "creation_in_progress");
        account["urn"].as_str().unwrap().to_owned()
    };
    let failed = made("failed");
    assert_eq!(status(&client, &failed), "creation_failed");
    let (held, lost) = (made("held"), made("held"));
    assert_eq!(status(&client, &held), "creation_in_progress");
    // It is not there to be paid with, and nobody else makes it active.
    let told = pay(&client, &json!({ "card": held, "amount": "1.00" })).expect(200);
    assert_eq!(told["decline_reason"], "card_not_active");
    let path = format!("/api/accounts/{held}");
    let body = json!({ "status": "active" }).to_string();
    let refused = client.send(("PATCH", &path), &[], body);
    assert_eq!(refused.code(409), "account_not_active");
    let money = json!({ "card": held, "amount": "1" });
    let refused = client.post("/v1/sandbox/deposits", &money);
    assert_eq!(refused.code(409), "account_not_active");
    server.restart();
    let client = server.client();
    let end =
        |urn: &str, step: &str| client.post(&format!("/v1/sandbox/cards/{urn}/{step}"), &json!({}));
    let active = end(&held, "activate").expect(200);
    assert_eq!(active["result"]["account"]["status"], "active");
    assert_eq!(
        end(&lost, "fail").expect(200)["result"]["account"]["status"],
        "creation_failed"
    );
    for (urn, step) in [(&held, "fail"), (&held, "activate"), (&failed, "activate")] {
        assert_eq!(end(urn, step).code(409), "illegal_transition", "{step}");
    }
    assert_eq!(end(&held, "freeze").code(404), "not_found");
    fund(&client, &held, "5000000");
    let told = pay(&client, &json!({ "card": held, "amount": "1.00" })).expect(200);
    assert_eq!(told["status"], "approved");
    let odd = create(&client, &json!({ "sandbox_creation": "odd" }));
    assert_eq!(
        odd.json["extra_details"]["field"],
        "metadata.sandbox_creation"
    );
    // Another origin's metadata is its own business, and there is nothing for it to play with.
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let acme = client.with_key(acme["api_key"].as_str());
    let body = json!({
        "holder_urn": "did:bloque:acme:ana", "metadata": { "sandbox_creation": "odd" },
    });
    let theirs = acme.post("/api/mediums/card", &body).expect(201);
    assert_eq!(theirs["result"]["account"]["status"], "active");
    let urn = theirs["result"]["account"]["urn"].clone();
    let money = json!({ "card": urn, "amount": "1" });
    assert_eq!(
        acme.post("/v1/sandbox/deposits", &money).code(404),
        "not_found"
    );
    assert_eq!(
        client.post("/v1/sandbox/deposits", &money).code(404),
        "account_not_found"
    );
}

#[test]
fn a_device_s_token_is_put_to_use() {
    let server = Server::start();
    let client = programme(&server.client());
    let urn = card(&client);
    fund(&client, &urn, "50000000");
    let body = json!({ "device_id": "d", "wallet_account_id": "w" });
    let made = client
        .post(&format!("/api/accounts/{urn}/tokenize/google"), &body)
        .expect(201);
    let id = made["result"]["token"]["id"].as_str().unwrap();
    let take = |step: &str| client.post(&format!("/v1/sandbox/tokens/{id}/{step}"), &json!({}));
    let told = pay(&client, &json!({ "card": id, "amount": "1.00" })).expect(200);
    assert_eq!(told["decline_reason"], "card_not_active");
    assert_eq!(take("activate").expect(200)["token"]["status"], "active");
    let body = json!({ "card": id, "amount": "1.00", "wallet": "Google Pay" });
    assert_eq!(pay(&client, &body).expect(200)["status"], "approved");
    assert_eq!(take("suspend").expect(200)["token"]["status"], "suspended");
    assert_eq!(
        pay(&client, &body).expect(200)["decline_reason"],
        "card_not_active"
    );
    assert_eq!(
        take("deactivate").expect(200)["token"]["status"],
        "deactivated"
    );
    assert_eq!(take("activate").code(409), "illegal_transition");
    assert_eq!(take("fly").code(404), "not_found");
}

#[test]
fn a_retry_is_one_and_a_wrong_request_is_named() {
    let server = Server::start();
    let client = server.client();
    let urn = card(&client);
    fund(&client, &urn, "50000000");
    let send = |path: &str, body: &Value| {
        client.send(
            ("POST", path),
            &[("idempotency-key", "one")],
            body.to_string(),
        )
    };
    let body = json!({ "card": urn, "amount": "1.00" });
    let first = send("/v1/sandbox/authorizations", &body);
    let again = send("/v1/sandbox/authorizations", &body);
    assert!(!first.is_replay() && again.is_replay(), "{}", again.text);
    assert_eq!(first.text, again.text);
    let other = json!({ "card": urn, "amount": "2.00" });
    let other = send("/v1/sandbox/authorizations", &other);
    assert_eq!(other.code(409), "idempotency_conflict");
    for (body, field) in [
        (json!({ "amount": "1" }), "card"),
        (json!({ "card": urn }), "local_amount"),
        (
            json!({ "card": urn, "amount": "1", "local_amount": "1" }),
            "local_amount",
        ),
        (
            json!({ "card": urn, "amount": "1", "merchant": "nowhere" }),
            "merchant",
        ),
        (
            json!({ "card": urn, "amount": "1", "merchant": { "mcc": "54" } }),
            "merchant.mcc",
        ),
        (
            json!({ "card": urn, "amount": "1", "nonsense": 1 }),
            "nonsense",
        ),
        (json!({ "card": urn, "amount": "1.001" }), "local_amount"),
        (
            json!({ "card": urn, "amount": "1", "currency": "XXX1" }),
            "local_currency",
        ),
        (json!({ "card": urn, "amount": true }), "local_amount"),
    ] {
        let reply = pay(&client, &body);
        assert!(matches!(reply.status, 400 | 422), "{field}: {}", reply.text);
        assert_eq!(reply.json["error"]["field"], field, "{}", reply.text);
    }
    let unknown = json!({ "card": "crd-0000000000000", "amount": "1" });
    assert_eq!(pay(&client, &unknown).code(404), "card_not_found");
}
