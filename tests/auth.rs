//! Sessions: what the SDK does with them, and what ends them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

#[path = "common/server.rs"]
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cardwright::{
    domain::{
        identity::{Identity, IdentityKind},
        registry::{Registry, RegistryEvent},
        time::Timestamp,
        trail::Trail,
    },
    wire::{self, Item},
};
use serde_json::{Map, Value, json};
use server::{Client, HOLDER, KEY, Reply, Server};

fn connect_body(key: &str, alias: &str) -> Value {
    json!({
        "assertion_result": {
            "challengeType": "API_KEY", "value": { "api_key": key, "alias": alias },
        },
        "extra_context": {},
    })
}

#[track_caller]
fn register(client: &Client, origin: &str, (key, alias): (&str, &str), profile: Value) -> String {
    let mut body = connect_body(key, alias);
    body["type"] = "individual".into();
    body["profile"] = profile;
    let nobody = client.with_key(None);
    let reply = nobody.post(&format!("/api/origins/{origin}/register"), &body);
    text(&reply.expect(201)["result"]["access_token"])
}

fn connect(client: &Client, (key, alias): (&str, &str)) -> Reply {
    let path = "/api/origins/sandbox/connect";
    client.with_key(None).post(path, &connect_body(key, alias))
}

fn exchange(client: &Client, body: &Value) -> Reply {
    client.with_key(None).post("/api/api-keys/exchange", body)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn codes_file(server: &Server) -> PathBuf {
    server.data_dir().join("one-time-codes.log")
}

fn last_code(server: &Server) -> String {
    let lines = fs::read_to_string(codes_file(server)).unwrap();
    let line = lines.lines().last().unwrap();
    let (_, rest) = line.split_once(" code ").unwrap();
    rest[..6].to_owned()
}

fn answer(client: &Client, alias: &str, code: &str) -> Reply {
    let body = json!({
        "assertion_result": { "challengeType": "OTP", "alias": alias, "value": { "code": code } },
        "extra_context": {},
    });
    client
        .with_key(None)
        .post("/api/origins/sandbox/connect", &body)
}

#[test]
fn the_sdk_s_exchanges_as_captured() {
    let server = Server::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/auth.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(format!("http://{}", server.address()))
        .arg(KEY)
        .arg(codes_file(&server))
        .output()
        .expect("node, 18 or later, is needed");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains("done: 6 steps"), "{said}");
}

#[test]
fn a_token_ends_with_its_key_and_with_its_time() {
    let server = Server::with(&[("CARDWRIGHT_ACCESS__TOKEN_S", "2")]);
    let client = server.client();
    let new = json!({ "name": "k", "scopes": ["programme"] });
    let made = client.post("/api/api-keys", &new).expect(201);
    let key_id = text(&made["key_id"]);
    let secret = text(&made["secret_key"]);
    let token = || text(&exchange(&client, &json!({ "key": secret })).expect(200)["access_token"]);
    let with = |token: &str| client.with_key(Some(token)).get("/api/accounts");
    let first = token();
    with(&first).expect(200);
    server::wait_until("the token expires", || with(&first).status == 401);
    assert!(with(&first).text.contains("expired"));
    let of_key = token();
    let of_holder =
        text(&connect(&client, (&secret, "demo")).expect(200)["result"]["access_token"]);
    client
        .send(("DELETE", &format!("/api/api-keys/{key_id}")), &[], "")
        .expect(200);
    for ended in [&of_key, &of_holder, &secret] {
        let reply = with(ended);
        assert_eq!(reply.code(401), "unauthorized");
        assert!(!reply.text.contains("expired"), "{}", reply.text);
    }
}

#[test]
fn a_rotated_secret_s_tokens_end_and_a_key_expires() {
    let server = Server::start();
    let client = server.client();
    let new = json!({ "name": "k", "expiration": 3 });
    let made = client.post("/api/api-keys", &new).expect(201);
    let key_id = text(&made["key_id"]);
    let path = format!("/api/api-keys/{key_id}");
    let key = json!({ "key": made["secret_key"] });
    let old = text(&exchange(&client, &key).expect(200)["access_token"]);
    let rotated = client
        .post(&format!("{path}/rotate"), &json!({}))
        .expect(200);
    let secret = text(&rotated["secret_key"]);
    let get = |key: &str| client.with_key(Some(key)).get("/api/accounts");
    assert_eq!(get(&old).code(401), "unauthorized");
    let new = text(&exchange(&client, &json!({ "key": secret })).expect(200)["access_token"]);
    get(&new).expect(200);
    server::wait_until("the key expires", || get(&secret).status == 401);
    assert_eq!(get(&new).code(401), "unauthorized");
    assert_eq!(client.get(&path).expect(200)["status"], "expired");
}

#[test]
fn sessions_identities_and_keys_outlive_a_restart_with_and_without_a_snapshot() {
    let mut server = Server::start();
    for round in 0..2 {
        let client = server.client();
        let alias = format!("ana-{round}");
        let email = json!({ "email": "ana@example.com" });
        let session = register(&client, "sandbox", (KEY, &alias), email);
        let new = client
            .post("/api/api-keys", &json!({ "name": "k" }))
            .expect(201);
        let rotate = format!("/api/api-keys/{}/rotate", text(&new["key_id"]));
        let secret = client.post(&rotate, &json!({})).expect(200);
        let token = exchange(&client, &json!({ "key": secret["secret_key"] })).expect(200);
        let patch = json!({ "metadata": { "round": round } }).to_string();
        let own = client.with_key(Some(&session));
        own.send(("PATCH", "/api/identities/me"), &[], patch)
            .expect(200);
        if round == 1 {
            assert_eq!(server.terminate(), Some(0));
        }
        server.restart();
        let client = server.client();
        let me = client
            .with_key(Some(&session))
            .get("/api/identities/me")
            .expect(200);
        assert_eq!(me["urn"], format!("did:bloque:sandbox:{alias}"));
        assert_eq!(me["profile"]["email"], "ana@example.com");
        assert_eq!(me["metadata"]["round"], round);
        for (key, status) in [
            (&token["access_token"], 200),
            (&secret["secret_key"], 200),
            (&new["secret_key"], 401),
        ] {
            let reply = client.with_key(key.as_str()).get("/api/accounts");
            assert_eq!(reply.status, status, "{}", reply.text);
        }
        connect(&client, (KEY, "ana-0")).expect(200);
    }
}

#[test]
fn a_key_that_ends_ends_for_every_thread_that_knew_it() {
    let server = Server::with(&[("CARDWRIGHT_SERVER__WORKERS", "4")]);
    let client = server.client();
    let made = client
        .post(
            "/api/api-keys",
            &json!({ "name": "short", "scopes": ["programme"] }),
        )
        .expect(201);
    let path = format!("/api/api-keys/{}", text(&made["key_id"]));
    let first = text(&made["secret_key"]);
    // Connections that stay open, spread over the threads.
    let connections: Vec<_> = (0..16)
        .map(|_| Client::new(server.address(), None))
        .collect();
    let all_get = |secret: &str, status: u16| {
        for connection in &connections {
            let reply = connection.with_key(Some(secret)).get("/api/accounts");
            assert_eq!(reply.status, status, "{}", reply.text);
        }
    };
    all_get(&first, 200);
    let rotated = client.post(&format!("{path}/rotate"), &json!({}));
    let second = text(&rotated.expect(200)["secret_key"]);
    // It is the same key, and was used.
    let was_used = || client.get(&path).expect(200)["last_used_at"].is_string();
    assert!(was_used());
    all_get(&first, 401);
    all_get(&second, 200);
    client.send(("DELETE", &path), &[], "").expect(200);
    all_get(&second, 401);
    assert!(was_used());
}

#[test]
fn a_revoked_key_stays_revoked_after_a_restart_with_the_same_secret() {
    let mut server = Server::start();
    let client = server.client();
    let keys = client.get("/api/api-keys").expect(200);
    let id = text(&keys[0]["key_id"]);
    let token = text(&exchange(&client, &json!({ "key": KEY })).expect(200)["access_token"]);
    client
        .send(("DELETE", &format!("/api/api-keys/{id}")), &[], "")
        .expect(200);
    // The sandbox's key is given again from the environment: it is another key, and old tokens stay dead.
    server.restart();
    let client = server.client();
    client.get("/api/accounts").expect(200);
    let old = client.with_key(Some(&token)).get("/api/accounts");
    assert_eq!(old.code(401), "unauthorized");
}

#[test]
fn one_time_codes_bear_five_wrong_answers() {
    let server = Server::start();
    let client = server.client();
    register(
        &client,
        "sandbox",
        (KEY, "ana"),
        json!({ "email": "ana@example.com" }),
    );
    register(&client, "sandbox", (KEY, "mute"), json!({}));
    let nobody = client.with_key(None);
    let ask = |alias: &str| nobody.get(&format!("/api/origins/sandbox/assert?alias={alias}"));
    for unknown in ["mute", "nobody"] {
        assert_eq!(ask(unknown).code(404), "identity_not_found");
    }
    let sent = ask("ana").expect(200);
    assert_eq!(sent["value"]["email"], "a***@example.com");
    let code = last_code(&server);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for left in (0..5).rev() {
        let reply = answer(&client, "ana", wrong);
        assert_eq!(reply.code(401), "unauthorized");
        assert_eq!(reply.json["extra_details"]["attempts_remaining"], left);
        assert!(!reply.text.contains(&code));
    }
    assert_eq!(answer(&client, "ana", &code).code(401), "unauthorized");
    // Another one is good again; then too many were asked for.
    ask("ana").expect(200);
    answer(&client, "ana", &last_code(&server)).expect(200);
    for _ in 0..3 {
        ask("ana").expect(200);
    }
    let limited = ask("ana");
    assert_eq!(limited.code(429), "rate_limited");
    let after: u64 = limited.headers["retry-after"].parse().unwrap();
    assert!((1..=601).contains(&after), "{after}");
}

#[test]
fn keys_of_other_origins_open_nothing_here() {
    let server = Server::start();
    let client = server.client();
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let key = text(&acme["api_key"]);
    assert_eq!(connect(&client, (&key, "demo")).code(403), "forbidden");
    let urn = json!({ "key": key, "as_identity": HOLDER });
    assert_eq!(exchange(&client, &urn).code(404), "identity_not_found");
    let path = format!("/api/identities/{HOLDER}");
    let foreign = client.with_key(Some(&key));
    assert_eq!(foreign.get(&path).code(404), "identity_not_found");
    client.get(&path).expect(200);
    // The same alias in both is two holders, and neither's idempotency keys meet the other's.
    let theirs = register(&client, "acme", (&key, "demo"), json!({}));
    let me = client.with_key(Some(&theirs)).get("/api/identities/me");
    assert_eq!(me.expect(200)["urn"], "did:bloque:acme:demo");
    let both = client.with_key(None).get("/api/aliases?alias=demo");
    assert_eq!(both.code(409), "alias_ambiguous");
    // An origin's own name is nobody's alias.
    let mut body = connect_body(&key, "acme");
    body["type"] = "business".into();
    let reply = client
        .with_key(None)
        .post("/api/origins/acme/register", &body);
    assert_eq!(reply.code(409), "identity_exists");
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one list of everything that is not theirs"
)]
fn a_holder_sees_and_moves_only_its_own() {
    let server = Server::start();
    let client = server.client();
    let ana = client.with_key(Some(&register(&client, "sandbox", (KEY, "ana"), json!({}))));
    let eva = client.with_key(Some(&register(&client, "sandbox", (KEY, "eva"), json!({}))));
    let id = [("idempotency-key", "the same for both")];
    let make = |holder: &Client| {
        let route = ("POST", "/api/mediums/virtual");
        let made = holder.send(route, &id, r#"{"input":{}}"#).expect(201);
        made["result"]["account"].clone()
    };
    let (hers, other) = (make(&ana), make(&eva));
    assert_eq!(hers["owner_urn"], "did:bloque:sandbox:ana");
    assert_eq!(other["owner_urn"], "did:bloque:sandbox:eva");
    let (own, foreign) = (text(&hers["urn"]), text(&other["urn"]));
    for (n, urn) in [&own, &foreign].into_iter().enumerate() {
        let deposit = json!({ "account_urn": urn, "asset": "DUSD/6", "amount": "1000",
            "reference": format!("d-{n}") });
        client.post("/v1/deposits", &deposit).expect(201);
    }
    let account = format!("/api/accounts/{foreign}");
    for path in ["", "/balance", "/movements"] {
        let reply = ana.get(&format!("{account}{path}"));
        assert_eq!(reply.code(404), "account_not_found", "{path}");
    }
    let freeze = ana.send(("PATCH", &account), &[], r#"{"status":"frozen"}"#);
    assert_eq!(freeze.code(404), "account_not_found");
    let sum = ana.get(&format!("/api/accounts/balances?account_urns={foreign}"));
    assert_eq!(sum.code(404), "account_not_found");
    let controls = format!("/v1/cards/{foreign}/controls");
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let reply = ana.send((method, &controls), &[], "{}");
        assert_eq!(reply.code(404), "account_not_found", "{method}");
    }
    for query in [
        format!("urn={foreign}"),
        "holder_urn=did:bloque:sandbox:eva".to_owned(),
        format!("ledger_account_id={}", text(&other["ledger_account_id"])),
    ] {
        let listed = ana.get(&format!("/api/accounts?{query}")).expect(200);
        assert_eq!(listed["accounts"], json!([]), "{query}");
    }
    let all = ana.get("/api/accounts").expect(200);
    assert_eq!(all["accounts"].as_array().unwrap().len(), 1);
    let pay = |from: &str, to: &str| {
        let body = json!({ "destination_account_urn": to, "amount": "100", "asset": "DUSD/6" });
        ana.post(&format!("/api/accounts/{from}/transfer"), &body)
    };
    assert_eq!(pay(&foreign, &own).code(404), "account_not_found");
    pay(&own, &foreign).expect(200);
    let batch = json!({ "reference": "b", "operations": [{ "from_account_urn": foreign,
        "to_account_urn": own, "reference": "o", "amount": "1", "asset": "DUSD/6" }] });
    let batch = ana.post("/api/accounts/batch/transfer", &batch).expect(200);
    assert_eq!(
        batch["result"]["operations"][0]["code"],
        "account_not_found"
    );
    let shared = json!({ "ledger_account_id": other["ledger_account_id"], "input": {} });
    let refused = ana.post("/api/mediums/virtual", &shared);
    assert_eq!(refused.code(404), "ledger_account_not_found");
    let as_other = json!({ "holder_urn": "did:bloque:sandbox:eva", "input": {} });
    assert_eq!(
        ana.post("/api/mediums/virtual", &as_other).code(403),
        "forbidden"
    );
    for path in ["", "/aliases"] {
        let reply = ana.get(&format!("/api/identities/did:bloque:sandbox:eva{path}"));
        assert_eq!(reply.code(404), "identity_not_found");
    }
    let patch = r#"{"profile":{"email":"x@y.example"}}"#;
    let route = ("PATCH", "/api/identities/did:bloque:sandbox:eva");
    assert_eq!(ana.send(route, &[], patch).code(404), "identity_not_found");
    // A session cannot be made into another, nor used as a key.
    let token = exchange(&client, &json!({ "key": KEY, "as_identity": "eva" })).expect(200);
    let token = text(&token["access_token"]);
    let more = json!({ "as_identity": "ana" });
    let reply = client
        .with_key(Some(&token))
        .post("/api/api-keys/exchange", &more);
    assert_eq!(reply.code(403), "forbidden");
    assert_eq!(connect(&client, (&token, "ana")).code(401), "unauthorized");
    let seen = eva
        .get(&format!("/api/accounts/{foreign}/balance"))
        .expect(200);
    assert_eq!(seen["balance"]["DUSD/6"]["current"], "1100");
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn no_secret_token_or_code_is_in_the_log_or_the_data() {
    let mut server = Server::with(&[("CARDWRIGHT_LOG__LEVEL", "debug")]);
    let client = server.client();
    let session = register(
        &client,
        "sandbox",
        (KEY, "ana"),
        json!({ "email": "a@b.example" }),
    );
    let made = client
        .post("/api/api-keys", &json!({ "name": "k" }))
        .expect(201);
    let rotate = format!("/api/api-keys/{}/rotate", text(&made["key_id"]));
    let rotated = client.post(&rotate, &json!({})).expect(200);
    let path = "/api/origins/sandbox/assert?alias=ana";
    client.with_key(None).get(path).expect(200);
    let code = last_code(&server);
    answer(&client, "ana", &code).expect(200);
    assert_eq!(server.terminate(), Some(0));
    let secrets = [
        KEY.to_owned(),
        session,
        text(&made["secret_key"]),
        text(&rotated["secret_key"]),
        format!(" {code} "),
        format!("\"{code}\""),
        format!("code {code}"),
    ];
    let mut looked_at = 0;
    for file in files(server.data_dir()) {
        if file == codes_file(&server) {
            continue;
        }
        let bytes = fs::read(&file).unwrap();
        looked_at += 1;
        for secret in &secrets {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{} has {secret}", file.display());
        }
    }
    assert!(looked_at >= 2, "the log and a snapshot");
    // The sandbox's key is shown to who started it, once; nothing else is.
    let said = server.said();
    assert_eq!(said.matches(KEY).count(), 1);
    for secret in secrets.iter().skip(1) {
        assert!(!said.contains(secret.as_str()), "the log has {secret}");
    }
    let sender = fs::read_to_string(codes_file(&server)).unwrap();
    assert!(
        sender.contains(&code),
        "the search would find what is there"
    );
}

#[test]
fn a_million_holders_are_kept_and_one_changes_without_the_rest() {
    let now = Timestamp::from_micros(1);
    let new = |n: u32| {
        let alias = format!("holder-{n}");
        let kind = IdentityKind::Individual;
        let identity = Identity::new(("acme", &alias), kind, &Map::new(), now).unwrap();
        RegistryEvent::IdentityRegistered(identity.into())
    };
    let mut registry = Registry::default();
    for n in 0..1_000_000 {
        registry.apply(&[new(n)], now);
    }
    let bytes = wire::encode_registry(&registry, &Trail::default());
    let Item::Registry(mut read, _) = wire::decode_item(&bytes).unwrap() else {
        panic!("it is another item");
    };
    assert_eq!(read, registry);
    let (changed, other) = ("did:bloque:acme:holder-7", "did:bloque:acme:holder-8");
    let untouched = read.identities.get(other).unwrap().clone();
    let metadata = json!({ "a": 1 }).as_object().unwrap().clone();
    let known = read.identities.get(changed).unwrap();
    let patched = known.patched(&Map::new(), &metadata, now).unwrap();
    read.apply(&[RegistryEvent::IdentityChanged(patched.into())], now);
    assert_eq!(read.identities.get(changed).unwrap().metadata, r#"{"a":1}"#);
    let after = read.identities.get(other).unwrap();
    assert!(std::sync::Arc::ptr_eq(&untouched, after), "it was copied");
    assert_eq!(read.identities.len(), 1_000_000);
}
