//! Which level is needed for what, how it is told, and how it is reached.

use serde_json::{Value, json};

use crate::{
    HOLDER, POLICY, Reply, connect, gates, levels, make, pocket, policy, register,
    server::{DUSD, Server},
    tier, transfer, urn, verification, verify,
};

/// The refusal as the SDK reads it.
#[track_caller]
fn required(reply: &Reply, levels: (i64, i64), missing: &[&str], pending: &[&str]) {
    let is_pending = !missing.is_empty() && missing == pending;
    let code = if is_pending {
        "E_VERIFICATION_PENDING"
    } else {
        "E_VERIFICATION_REQUIRED"
    };
    assert_eq!(reply.code(403), code);
    assert_eq!(reply.json["code"], code);
    let details = &reply.json["extra_details"];
    assert_eq!(details["current_level"], levels.0);
    assert_eq!(details["required_level"], levels.1);
    assert_eq!(details["missing_requirements"], json!(missing));
    assert_eq!(details["pending_requirements"], json!(pending));
    let flow = &details["verification_flow"];
    assert_eq!(flow["method"], "POST");
    assert_eq!(flow["start_endpoint"], "/api/compliance");
    assert!(flow["type"].is_string());
}

#[test]
fn without_a_policy_everything_works_at_once() {
    let server = Server::start();
    let client = server.client();
    let told = client.get(POLICY).expect(200);
    assert_eq!(
        (&told["policy_version"], &told["gates"]),
        (&json!("0"), &json!({}))
    );
    let ana = register(&client, "ana");
    make(&ana, "card", &urn("ana")).expect(201);
    let told = tier(&ana, &urn("ana"));
    assert_eq!(
        (&told["effective_level"], &told["levels"]),
        (&json!(-1), &json!([]))
    );
    // A word on the whole is kept all the same.
    let told = verify(&client, "ana", &json!({ "status": "approved" }));
    assert_eq!(told["status"], "approved");
}

/// What a gate keeps.
fn all_gates() -> Value {
    json!({
        "create_card": 1, "create_virtual": 1, "transfer": 2, "batch_transfer": 2, "connect": 1,
    })
}

const IDENTITY: &[&str] = &["identity"];
const BOTH: &[&str] = &["identity", "income"];

#[test]
fn each_gate_wants_its_level_whoever_asks() {
    let server = Server::start();
    let client = server.client();
    let ana = register(&client, "ana");
    let set = gates(&client, all_gates());
    assert_eq!(
        (&set["policy_version"], &set["gates"]),
        (&json!("1"), &all_gates())
    );
    for caller in [&ana, &client] {
        for medium in ["card", "card-gold", "virtual"] {
            required(&make(caller, medium, &urn("ana")), (0, 1), IDENTITY, &[]);
        }
    }
    required(&connect(&client, "ana"), (0, 1), IDENTITY, &[]);
    // What was sent in is looked at.
    let pending = json!({ "requirements": { "identity": "pending" } });
    verify(&client, "ana", &pending);
    required(&make(&ana, "card", &urn("ana")), (0, 1), IDENTITY, IDENTITY);
    verify(&client, "ana", &json!({ "status": "approved" }));
    make(&ana, "card", &urn("ana")).expect(201);
    make(&ana, "virtual", &urn("ana")).expect(201);
    connect(&client, "ana").expect(200);
    // Rejected again: the gates close again.
    verify(&client, "ana", &json!({ "status": "rejected" }));
    required(&make(&ana, "card", &urn("ana")), (0, 1), IDENTITY, &[]);
    required(&connect(&client, "ana"), (0, 1), IDENTITY, &[]);
}

#[test]
fn money_leaves_at_the_level_that_it_needs() {
    let server = Server::start();
    let client = server.client();
    let ana = register(&client, "ana");
    let from = pocket(&client, &urn("ana"), 50_000_000);
    let to = pocket(&client, HOLDER, 0);
    gates(&client, all_gates());
    let send = |caller| transfer(caller, (&from, &to), 1, "");
    required(&send(&ana), (0, 2), BOTH, &[]);
    required(&send(&client), (0, 2), BOTH, &[]);
    // A batch: the holder's as a whole, the programme's one by one.
    let operation = json!({
        "from_account_urn": from, "to_account_urn": to, "reference": "r", "amount": "1", "asset": DUSD,
    });
    let batch = json!({ "operations": [operation], "reference": "b" });
    let path = "/api/accounts/batch/transfer";
    required(&ana.post(path, &batch), (0, 2), BOTH, &[]);
    let told = client.post(path, &batch).expect(200);
    let one = &told["result"]["operations"][0];
    assert_eq!(
        (&one["status"], &one["code"]),
        (&json!("failed"), &json!("E_VERIFICATION_REQUIRED"))
    );
    assert_eq!(one["extra_details"]["required_level"], 2);
    verify(
        &client,
        "ana",
        &json!({ "requirements": { "identity": "pending" } }),
    );
    required(&send(&ana), (0, 2), BOTH, IDENTITY);
    verify(&client, "ana", &json!({ "status": "approved" }));
    required(&send(&ana), (1, 2), &["income"], &[]);
    verify(
        &client,
        "ana",
        &json!({ "requirements": { "income": "satisfied" } }),
    );
    send(&ana).expect(200);
    ana.post(path, &batch).expect(200);
    client.trial_balance();
}

#[test]
fn a_card_goes_to_no_device_before_its_level() {
    let server = Server::start();
    let client = server.client();
    let ana = register(&client, "ana");
    let card = make(&ana, "card", &urn("ana")).expect(201);
    let card = card["result"]["account"]["urn"]
        .as_str()
        .unwrap()
        .to_owned();
    gates(&client, json!({ "tokenize": 1 }));
    let path = format!("/api/accounts/{card}/tokenize/google");
    let body = json!({ "device_id": "device-1", "wallet_account_id": "wallet-1" }).to_string();
    let ask = |key: &str| ana.send(("POST", &path), &[("idempotency-key", key)], &body);
    required(&ask("a"), (0, 1), IDENTITY, &[]);
    verify(&client, "ana", &json!({ "status": "approved" }));
    let made = ask("a").expect(201);
    verify(&client, "ana", &json!({ "status": "rejected" }));
    assert_eq!(ask("a").expect(201), made, "a retry gets its answer");
    required(&ask("b"), (0, 1), IDENTITY, &[]);
}

#[test]
fn a_retry_gets_its_answer_again_and_the_programme_itself_is_never_asked() {
    let server = Server::start();
    let client = server.client();
    let to = pocket(&client, HOLDER, 0);
    let house = pocket(&client, &urn("sandbox"), 5_000_000);
    let ana = register(&client, "ana");
    let from = pocket(&client, &urn("ana"), 5_000_000);
    let body = json!({ "input": {} }).to_string();
    let create = || {
        ana.send(
            ("POST", "/api/mediums/card"),
            &[("idempotency-key", "c")],
            &body,
        )
    };
    let made = create().expect(201);
    let sent = transfer(&ana, (&from, &to), 7, "t").expect(200);
    gates(&client, json!({ "create_card": 2, "transfer": 2 }));
    let again = create();
    assert!(again.is_replay());
    assert_eq!(again.expect(201), made);
    assert_eq!(transfer(&ana, (&from, &to), 7, "t").expect(200), sent);
    assert_eq!(transfer(&ana, (&from, &to), 7, "u").status, 403);
    transfer(&client, (&house, &to), 7, "").expect(200);
    make(&client, "card", &urn("sandbox")).expect(201);
}

#[test]
fn a_wrong_policy_is_refused_by_its_field_and_changes_nothing() {
    let server = Server::start();
    let client = server.client();
    gates(&client, json!({ "create_card": 1 }));
    for (body, field) in [
        (
            json!({ "gates": { "create_card": 1 } }),
            "gates.create_card",
        ),
        (json!({ "gates": { "fly": 1 } }), "gates"),
        (
            json!({ "levels": [{ "level": "1", "name": "a" }] }),
            "levels[0].level",
        ),
        (json!({ "levels": [{ "level": 1 }] }), "levels[0].name"),
        (
            json!({ "levels": [{ "level": 1, "name": "a", "colour": 1 }] }),
            "levels[0].colour",
        ),
        (json!({ "verification_url": "x" }), "verification_url"),
        (json!({ "holder_may_set": ["name"] }), "holder_may_set"),
        (json!({ "nonsense": 1 }), "nonsense"),
    ] {
        let reply = client.send(("PUT", POLICY), &[], body.to_string());
        assert_eq!(reply.code(400), "malformed_request", "{body}");
        let named = reply.json["error"]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{body}: {}", reply.text);
    }
    let told = client.get(POLICY).expect(200);
    assert_eq!(
        (&told["policy_version"], &told["levels"][2]["name"]),
        (&json!("1"), &json!("Full"))
    );
    for (body, field) in [
        (json!({}), "body"),
        (json!({ "status": "maybe" }), "status"),
        (
            json!({ "requirements": { "height": "satisfied" } }),
            "requirements.height",
        ),
        (
            json!({ "requirements": { "identity": "fine" } }),
            "requirements.identity",
        ),
    ] {
        let reply = client.send(("PATCH", &verification("ana")), &[], body.to_string());
        assert_eq!(reply.code(400), "malformed_request", "{body}");
        assert_eq!(reply.json["error"]["field"], field);
    }
}

#[test]
fn a_verification_begins_and_ends_and_outlives_restarts() {
    let mut server = Server::start();
    let client = server.client();
    let mut wanted = json!({ "levels": levels(), "gates": { "create_card": 1 } });
    wanted["provider"] = "acme-kyc".into();
    wanted["verification_url"] = "https://kyc.example/go?who={urn}&kind={type}".into();
    policy(&client, &wanted);
    let ana = register(&client, "ana");
    let path = format!("/api/compliance/{}", urn("ana"));
    assert_eq!(ana.get(&path).code(404), "verification_not_found");
    let begin = json!({ "urn": urn("ana"), "type": "kyb", "accompliceType": "company" });
    let told = ana.post("/api/compliance", &begin).expect(200);
    let expected = json!({
        "url": format!("https://kyc.example/go?who={}&kind=kyb", urn("ana")),
        "type": "kyb", "level": "basic", "provider": "acme-kyc",
        "status": "awaiting_compliance_verification",
    });
    assert_eq!(told, expected);
    let told = ana.get(&path).expect(200);
    assert_eq!(told["verification_url"], expected["url"]);
    assert_eq!(told["completed_at"], Value::Null);
    verify(&client, "ana", &json!({ "status": "approved" }));
    let before = (ana.get(&path).expect(200), tier(&ana, &urn("ana")));
    assert_eq!(before.0["status"], "approved");
    assert!(before.0["completed_at"].is_string());
    assert_eq!(before.1["effective_level"], 1);
    assert_eq!(before.1["next_level"], 2);
    assert_eq!(before.1["missing_requirements"], json!(["income"]));
    assert_eq!(
        before.1["levels"][1]["requirements"][0]["status"],
        "satisfied"
    );
    assert_eq!(
        before.1["levels"][2]["requirements"][0]["status"],
        "not_satisfied"
    );
    assert_eq!(before.1["verification_flow"]["type"], "document_submission");
    assert_eq!(
        before.1["verification_flow"]["request_body"]["required"],
        json!([])
    );
    let whole = client.get(&verification("ana")).expect(200);
    assert_eq!(whole["requirements"]["identity"]["by"], "operator");
    for is_clean in [false, true] {
        if is_clean {
            assert_eq!(server.terminate(), Some(0));
        }
        server.restart();
        let client = server.client();
        let ana = connect(&client, "ana").expect(200);
        let ana = client.with_key(ana["result"]["access_token"].as_str());
        assert_eq!(
            (ana.get(&path).expect(200), tier(&ana, &urn("ana"))),
            before
        );
        assert_eq!(client.get(&verification("ana")).expect(200), whole);
        assert_eq!(make(&client, "card", &urn("eva")).status, 403);
        make(&ana, "card", &urn("ana")).expect(201);
    }
}

#[test]
fn a_holder_sees_its_own_and_another_origin_nothing() {
    let server = Server::start();
    let client = server.client();
    let (ana, _eva) = (register(&client, "ana"), register(&client, "eva"));
    gates(&client, json!({ "create_card": 1 }));
    verify(&client, "eva", &json!({ "status": "approved" }));
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let acme = client.with_key(acme["api_key"].as_str());
    for other in [&ana, &acme] {
        let path = format!("/api/compliance/{}", urn("eva"));
        assert_eq!(other.get(&path).status, 404);
        assert_eq!(other.get(&format!("{path}/tier-status")).status, 404);
        let begin = json!({ "urn": urn("eva") });
        assert_eq!(other.post("/api/compliance", &begin).status, 404);
    }
    // Nobody verifies itself, and no programme another's holders.
    let change = json!({ "status": "approved" }).to_string();
    let patch = ("PATCH", verification("ana"));
    let of = |client: &crate::Client| client.send((patch.0, &patch.1), &[], &change).status;
    assert_eq!((of(&ana), of(&acme)), (403, 404));
    assert_eq!(make(&ana, "card", &urn("ana")).status, 403);
    assert_eq!(acme.get(POLICY).status, 404);
    for (body, status) in [
        (json!({}), 400),
        (json!({ "urn": "ana" }), 400),
        (json!({ "urn": urn("ana"), "type": "kyx" }), 400),
        (json!({ "urn": urn("ana"), "colour": "red" }), 400),
    ] {
        assert_eq!(
            client.post("/api/compliance", &body).status,
            status,
            "{body}"
        );
    }
}

#[test]
fn the_sandbox_s_page_decides_and_only_by_its_link() {
    let server = Server::start();
    let client = server.client();
    gates(&client, json!({ "create_card": 1 }));
    let ana = register(&client, "ana");
    let told = ana.post("/api/compliance", &json!({})).expect(200);
    assert_eq!(told["provider"], "cardwright");
    assert_eq!(told["expires_in"], "3600");
    let token = told["token"].as_str().unwrap();
    let url = told["url"].as_str().unwrap();
    let path = format!("/verification/{token}");
    assert_eq!(url, format!("http://{}{path}", server.address()));
    let nobody = client.with_key(None);
    let page = nobody.get(&path);
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Not verified yet") && page.text.contains("Approve"));
    assert!(page.headers["content-security-policy"].contains("default-src 'none'"));
    assert_eq!(page.headers["cache-control"], "no-store");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let press = |path: &str, body: &str| nobody.send(("POST", path), &form, body);
    assert_eq!(press(&path, "outcome=maybe").status, 400);
    assert_eq!(press(&format!("{path}x"), "outcome=approved").status, 404);
    assert_eq!(nobody.get("/verification/x.y").status, 404);
    assert_eq!(make(&ana, "card", &urn("ana")).status, 403);
    assert!(press(&path, "outcome=approved").text.contains("Verified."));
    make(&ana, "card", &urn("ana")).expect(201);
    let told = client.get(&verification("ana")).expect(200);
    assert_eq!(told["requirements"]["identity"]["by"], "sandbox");
}
