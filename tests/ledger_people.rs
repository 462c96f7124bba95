//! Identities, scoped keys, hooks and metadata of the ledger face, over a real server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]
#![allow(clippy::too_many_lines, reason = "a walk is told in one go")]

#[path = "webhooks/receiver.rs"]
#[allow(dead_code, reason = "each test binary uses its own part")]
mod receiver;
#[path = "common/server.rs"]
mod server;

use receiver::{Answer, Receiver};
use serde_json::{Value, json};
use server::{Client, KEY, Reply, Server, wait_until};

const PRIVATE: [(&str, &str); 1] = [("CARDWRIGHT_OUTGOING__ALLOW_PRIVATE", "true")];

/// Asks as the SDKs do: by `X-Blnk-Key`.
#[track_caller]
fn ask(client: &Client, key: &str, (method, path): (&str, &str), body: &Value) -> Reply {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let headers = [("x-blnk-key", key), ("content-type", "application/json")];
    client.with_key(None).send((method, path), &headers, body)
}

/// The code of an error of this face, if the status is as expected.
#[track_caller]
fn code(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status, status, "{}", reply.text);
    assert_eq!(reply.json["error"], reply.json["error_detail"]["message"]);
    reply.json["error_detail"]["code"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn person() -> Value {
    json!({
        "identity_type": "individual", "first_name": "Jerry", "last_name": "Muñoz",
        "email_address": "jerry.munoz@example.com", "phone_number": "+57 300 1234567",
        "dob": "1990-01-31T00:00:00Z", "gender": "male", "meta_data": { "tier": 1 },
    })
}

fn in_an_hour() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let micros = i64::try_from(since).unwrap() + 3_600_000_000;
    cardwright::domain::time::Timestamp::from_micros(micros).to_string()
}

#[test]
fn an_identity_lives_as_the_sdks_have_it() {
    let mut server = Server::start();
    let client = server.client();
    let go = |client: &Client, route: (&str, &str), body: &Value| ask(client, KEY, route, body);
    let made = go(&client, ("POST", "/identities"), &person()).expect(201);
    let id = made["identity_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("idt_") && id.len() == 40, "{made}");
    assert_eq!(made["organization_name"], "");
    assert_eq!(made["dob"], "1990-01-31T00:00:00Z");
    let path = format!("/identities/{id}");
    assert_eq!(go(&client, ("GET", &path), &Value::Null).expect(200), made);
    let change = json!({ "identity_type": "individual", "city": "Cali" });
    let changed = go(&client, ("PUT", &path), &change).expect(200);
    assert_eq!(
        (&changed["city"], &changed["first_name"]),
        (&json!("Cali"), &json!("Jerry"))
    );
    assert_eq!(changed["created_at"], made["created_at"]);
    let own = json!({ "identity_type": "organization", "organization_name": "Acme",
        "identity_id": "idt_0be360ca-86fe-457d-be43-daa3f966d8f0" });
    go(&client, ("POST", "/identities"), &own).expect(201);
    assert_eq!(
        code(&go(&client, ("POST", "/identities"), &own), 409),
        "GEN_CONFLICT"
    );
    let listed = go(&client, ("GET", "/identities"), &Value::Null).expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    for (field, wrong) in [
        ("identity_type", json!({ "identity_type": "robot" })),
        ("identity_type", json!({})),
        (
            "gender",
            json!({ "identity_type": "individual", "gender": "x" }),
        ),
        (
            "dob",
            json!({ "identity_type": "individual", "dob": "yesterday" }),
        ),
        (
            "first_name",
            json!({ "identity_type": "individual", "first_name": 7 }),
        ),
        (
            "first_name",
            json!({ "identity_type": "individual", "first_name": "x".repeat(600) }),
        ),
        (
            "meta_data",
            json!({ "identity_type": "individual", "meta_data": [] }),
        ),
        (
            "identity_id",
            json!({ "identity_type": "individual", "identity_id": "idt_1" }),
        ),
    ] {
        let refused = go(&client, ("POST", "/identities"), &wrong);
        code(&refused, 400);
        assert_eq!(
            refused.json["error_detail"]["details"]["field"], field,
            "{}",
            refused.text
        );
    }
    // Metadata merges deeply, and a null takes a key away.
    let merge = json!({ "meta_data": { "tier": null, "kyc": { "level": 2 } } });
    let meta = format!("/{id}/metadata");
    go(&client, ("POST", &meta), &merge).expect(200);
    let more = json!({ "meta_data": { "kyc": { "by": "x" } } });
    let merged = go(&client, ("POST", &meta), &more).expect(200);
    assert_eq!(
        merged,
        json!({ "meta_data": { "kyc": { "level": 2, "by": "x" } } })
    );
    let large = json!({ "meta_data": { "x": "x".repeat(70_000) } });
    code(&go(&client, ("POST", &meta), &large), 400);
    server.restart();
    let client = server.client();
    let seen = go(&client, ("GET", &path), &Value::Null).expect(200);
    assert_eq!(seen["meta_data"]["kyc"]["by"], "x");
    let gone = go(&client, ("DELETE", &path), &Value::Null).expect(200);
    assert!(gone["message"].is_string());
    for (method, path) in [
        ("GET", path.as_str()),
        ("PUT", &path),
        ("DELETE", &path),
        ("POST", &meta),
    ] {
        let body = if method == "POST" { &more } else { &change };
        let body = if method == "GET" { &Value::Null } else { body };
        assert_eq!(
            code(&go(&client, (method, path), body), 404),
            "GEN_NOT_FOUND",
            "{method}"
        );
    }
    for (path, expected) in [
        (
            "/ldg_0be360ca-86fe-457d-be43-daa3f966d8f0/metadata",
            "LGR_NOT_FOUND",
        ),
        (
            "/bln_0be360ca-86fe-457d-be43-daa3f966d8f0/metadata",
            "BAL_NOT_FOUND",
        ),
        (
            "/txn_0be360ca-86fe-457d-be43-daa3f966d8f0/metadata",
            "TXN_NOT_FOUND",
        ),
        (
            "/bulk_0be360ca-86fe-457d-be43-daa3f966d8f0/metadata",
            "TXN_NOT_FOUND",
        ),
        ("/x_1/metadata", "GEN_NOT_FOUND"),
    ] {
        assert_eq!(
            code(&go(&client, ("POST", path), &more), 404),
            expected,
            "{path}"
        );
    }
}

#[test]
fn a_tokenized_field_shows_a_token_and_keeps_its_original_sealed() {
    let mut server = Server::start();
    let client = server.client();
    let go = |client: &Client, route: (&str, &str), body: &Value| ask(client, KEY, route, body);
    let made = go(&client, ("POST", "/identities"), &person()).expect(201);
    let path = format!("/identities/{}", made["identity_id"].as_str().unwrap());
    let of = |part: &str| format!("{path}/{part}");
    let none = &Value::Null;
    let told = go(&client, ("POST", &of("tokenize/EmailAddress")), none).expect(200);
    assert!(told["message"].is_string());
    let fields = json!({ "fields": ["FirstName", "PhoneNumber"] });
    go(&client, ("POST", &of("tokenize")), &fields).expect(200);
    // Again: nothing changes.
    let before = go(&client, ("GET", &path), none).expect(200);
    go(&client, ("POST", &of("tokenize")), &fields).expect(200);
    let shown = go(&client, ("GET", &path), none).expect(200);
    assert_eq!(before, shown);
    let email = shown["email_address"].as_str().unwrap();
    assert_ne!(email, "jerry.munoz@example.com");
    assert_eq!((email.len(), &email[11..12]), (23, "@"), "{email}");
    assert_ne!(shown["first_name"], "Jerry");
    assert_eq!(shown["last_name"], "Muñoz");
    assert!(!shown.to_string().contains("sealed"), "{shown}");
    let listed = go(&client, ("GET", &of("tokenized-fields")), none).expect(200);
    assert_eq!(
        listed,
        json!({ "tokenized_fields": ["FirstName", "EmailAddress", "PhoneNumber"] })
    );
    let one = go(&client, ("GET", &of("detokenize/EmailAddress")), none).expect(200);
    assert_eq!(
        one,
        json!({ "field": "EmailAddress", "value": "jerry.munoz@example.com" })
    );
    let two = json!({ "fields": ["FirstName"] });
    let two = go(&client, ("POST", &of("detokenize")), &two).expect(200);
    assert_eq!(two, json!({ "fields": { "FirstName": "Jerry" } }));
    // Keys are rotated, the server comes again: it still opens.
    client.send(("POST", "/v1/vault/keys"), &[], "").expect(202);
    wait_until("the rotation ends", || {
        client.get("/v1/vault/keys").expect(200)["rotating"] != true
    });
    server.restart();
    let client = server.client();
    let all = go(
        &client,
        ("POST", &of("detokenize")),
        &json!({ "fields": [] }),
    )
    .expect(200);
    assert_eq!(all["fields"]["PhoneNumber"], "+57 300 1234567", "{all}");
    assert_eq!(all["fields"].as_object().unwrap().len(), 3);
    // The token sent back changes nothing; a new value is tokenized too.
    let back =
        json!({ "identity_type": "individual", "email_address": email, "first_name": "Tom" });
    let changed = go(&client, ("PUT", &path), &back).expect(200);
    assert_eq!(changed["email_address"], email);
    assert_ne!(changed["first_name"], "Tom");
    let all = go(&client, ("GET", &of("detokenize")), none).expect(200);
    assert_eq!(all["fields"]["FirstName"], "Tom");
    assert_eq!(all["fields"]["EmailAddress"], "jerry.munoz@example.com");
    for (method, part, body) in [
        ("POST", "tokenize/Gender", Value::Null),
        ("POST", "tokenize/Street", Value::Null),
        ("POST", "tokenize", json!({ "fields": [] })),
        (
            "POST",
            "tokenize",
            json!({ "fields": ["LastName", "Nope"] }),
        ),
        ("GET", "detokenize/LastName", Value::Null),
    ] {
        let refused = go(&client, (method, &of(part)), &body);
        assert_eq!(code(&refused, 400), "GEN_VALIDATION_ERROR", "{part}");
    }
    assert!(!server.said().contains("jerry"), "{}", server.said());
}

/// A key with those scopes: its secret.
#[track_caller]
fn key(client: &Client, owner: &str, scopes: &[&str]) -> String {
    let body = json!({
        "name": "some", "owner": owner, "scopes": scopes, "expires_at": in_an_hour(),
    });
    let made = ask(client, KEY, ("POST", "/api-keys"), &body).expect(201);
    made["key"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_may_what_its_scopes_say_and_nothing_else() {
    let server = Server::start();
    let client = server.client();
    let made = ask(&client, KEY, ("POST", "/identities"), &person()).expect(201);
    let one = format!("/identities/{}", made["identity_id"].as_str().unwrap());
    let meta = format!("/{}/metadata", made["identity_id"].as_str().unwrap());
    let change = json!({ "identity_type": "individual" });
    let data = json!({ "meta_data": { "a": 1 } });
    let none = Value::Null;
    let routes = [
        ("identities:read", "GET", "/identities", &none, 200),
        ("identities:read", "GET", &one, &none, 200),
        ("identities:write", "POST", "/identities", &change, 201),
        ("identities:write", "PUT", &one, &change, 200),
        ("metadata:write", "POST", &meta, &data, 200),
        (
            "balance-monitors:read",
            "GET",
            "/balance-monitors",
            &none,
            200,
        ),
        ("api-keys:read", "GET", "/api-keys", &none, 200),
        (
            "identities:delete",
            "DELETE",
            "/identities/idt_x",
            &none,
            404,
        ),
        (
            "balance-monitors:delete",
            "DELETE",
            "/balance-monitors/mon_x",
            &none,
            404,
        ),
        ("api-keys:delete", "DELETE", "/api-keys/key_x", &none, 404),
    ];
    let scopes: std::collections::BTreeSet<_> = routes.iter().map(|route| route.0).collect();
    for scope in &scopes {
        let secret = key(&client, "ana", &[scope]);
        let (resource, action) = scope.split_once(':').unwrap();
        let wide = [
            key(&client, "ana", &[&format!("{resource}:*")]),
            key(&client, "ana", &[&format!("*:{action}")]),
            key(&client, "ana", &["*"]),
        ];
        for (needed, method, path, body, status) in &routes {
            let reply = ask(&client, &secret, (method, path), body);
            if needed == scope {
                assert_eq!(
                    reply.status, *status,
                    "{scope} {method} {path}: {}",
                    reply.text
                );
                for wide in &wide {
                    let reply = ask(&client, wide, (method, path), body);
                    assert_eq!(
                        reply.status, *status,
                        "{scope} {method} {path}: {}",
                        reply.text
                    );
                }
            } else {
                let found = code(&reply, 403);
                assert_eq!(
                    found, "AUTH_INSUFFICIENT_PERMISSIONS",
                    "{scope} {method} {path}"
                );
            }
        }
    }
    // Hooks are the master key's, whatever a key's scopes say.
    let all = key(&client, "ana", &["*"]);
    for key in [&all, &key(&client, "ana", &["ledgers:read"])] {
        let refused = ask(&client, key, ("GET", "/hooks"), &none);
        assert_eq!(code(&refused, 403), "AUTH_MASTER_KEY_REQUIRED");
    }
    // No other face knows such a key.
    for path in [
        "/v1/api-keys",
        "/api/accounts",
        "/v1/trial-balance",
        "/v1/events",
    ] {
        assert_eq!(client.with_key(Some(&all)).get(path).status, 403, "{path}");
    }
    // A token of it may no more than it.
    let few = key(&client, "ana", &["identities:read"]);
    let body = json!({ "key": few, "scopes": ["ledger"] });
    let token = client
        .with_key(None)
        .post("/api/api-keys/exchange", &body)
        .expect(200);
    let token = token["access_token"].as_str().unwrap();
    ask(&client, token, ("GET", "/identities"), &none).expect(200);
    let refused = ask(&client, token, ("POST", "/identities"), &change);
    assert_eq!(code(&refused, 403), "AUTH_INSUFFICIENT_PERMISSIONS");
}

#[test]
fn keys_end_belong_to_somebody_and_do_not_grow() {
    let mut server = Server::start();
    let client = server.client();
    let none = Value::Null;
    assert_eq!(
        code(&client.with_key(None).get("/api-keys"), 401),
        "AUTH_MISSING_API_KEY"
    );
    let unknown = ask(&client, "sk_nobody", ("GET", "/api-keys"), &none);
    assert_eq!(code(&unknown, 401), "AUTH_INVALID_API_KEY");
    let body = |owner: &str, scopes: &Value| json!({ "name": "n", "owner": owner, "scopes": scopes, "expires_at": in_an_hour() });
    for (field, wrong) in [
        ("scopes", body("ana", &json!([]))),
        ("scopes", body("ana", &json!(["everything"]))),
        ("scopes", body("ana", &json!("*"))),
        ("owner", body("", &json!(["*"]))),
        (
            "expires_at",
            json!({ "name": "n", "owner": "o", "scopes": ["*"], "expires_at": "soon" }),
        ),
        (
            "expires_at",
            json!({ "name": "n", "owner": "o", "scopes": ["*"],
            "expires_at": "2020-01-01T00:00:00Z" }),
        ),
    ] {
        let refused = ask(&client, KEY, ("POST", "/api-keys"), &wrong);
        code(&refused, 400);
        assert_eq!(
            refused.json["error_detail"]["details"]["field"], field,
            "{}",
            refused.text
        );
    }
    // One that may make keys, for its owner and with what it has.
    let maker = key(&client, "ana", &["api-keys:*", "ledgers:read"]);
    let make = |owner: &str, scopes: &Value| {
        ask(&client, &maker, ("POST", "/api-keys"), &body(owner, scopes))
    };
    let made = make("ana", &json!(["ledgers:read"])).expect(201);
    assert_eq!(made["owner_id"], "ana");
    assert_eq!(
        (&made["is_revoked"], &made["last_used_at"]),
        (&json!(false), &json!("0001-01-01T00:00:00Z"))
    );
    assert_eq!(
        code(&make("ana", &json!(["ledgers:write"])), 403),
        "AUTH_SCOPE_ESCALATION"
    );
    assert_eq!(
        code(&make("ana", &json!(["*"])), 403),
        "AUTH_SCOPE_ESCALATION"
    );
    assert_eq!(
        code(&make("eva", &json!(["ledgers:read"])), 403),
        "AUTH_CROSS_OWNER_ACCESS"
    );
    let eva = key(&client, "eva", &["*"]);
    let seen = ask(&client, &maker, ("GET", "/api-keys"), &none).expect(200);
    let owners: Vec<_> = seen
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["owner_id"])
        .collect();
    assert_eq!(owners, ["ana", "ana"]);
    assert!(seen[0]["key"] == "", "no secret is shown again: {seen}");
    let foreign = ask(&client, &maker, ("GET", "/api-keys?owner=eva"), &none);
    assert_eq!(code(&foreign, 403), "AUTH_CROSS_OWNER_ACCESS");
    let evas = ask(&client, KEY, ("GET", "/api-keys?owner=eva"), &none).expect(200);
    assert_eq!(evas.as_array().unwrap().len(), 1);
    let of_eva = format!("/api-keys/{}", evas[0]["api_key_id"].as_str().unwrap());
    let refused = ask(&client, &maker, ("DELETE", &of_eva), &none);
    assert_eq!(code(&refused, 403), "AUTH_CROSS_OWNER_ACCESS");
    let gone = ask(&client, KEY, ("DELETE", &of_eva), &none);
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    let used = ask(&client, &eva, ("GET", "/identities"), &none);
    assert_eq!(code(&used, 401), "AUTH_INVALID_API_KEY");
    assert_eq!(
        code(&ask(&client, KEY, ("DELETE", &of_eva), &none), 404),
        "APIKEY_NOT_FOUND"
    );
    let evas = ask(&client, KEY, ("GET", "/api-keys?owner=eva"), &none).expect(200);
    assert!(
        evas[0]["is_revoked"] == true && evas[0]["revoked_at"].is_string(),
        "{evas}"
    );
    // Scopes and ends outlive the process.
    let soon = {
        let micros = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() + 1_500_000;
        cardwright::domain::time::Timestamp::from_micros(i64::try_from(micros).unwrap())
    };
    let short = json!({ "name": "n", "owner": "o", "scopes": ["identities:read"],
        "expires_at": soon.to_string() });
    let short = ask(&client, KEY, ("POST", "/api-keys"), &short).expect(201);
    let short = short["key"].as_str().unwrap();
    server.restart();
    let client = server.client();
    let refused = ask(&client, &maker, ("POST", "/identities"), &person());
    assert_eq!(code(&refused, 403), "AUTH_INSUFFICIENT_PERMISSIONS");
    wait_until("the key ends", || {
        ask(&client, short, ("GET", "/identities"), &none).status == 401
    });
    let ended = ask(&client, short, ("GET", "/identities"), &none);
    assert_eq!(code(&ended, 401), "AUTH_EXPIRED_API_KEY");
}

#[test]
fn hooks_are_kept_as_the_sdks_have_them() {
    let mut server = Server::with(&PRIVATE);
    let client = server.client();
    let receiver = Receiver::start();
    receiver.answer(|_| Answer::of(200));
    let body = json!({ "name": "checks", "url": receiver.url("/pre"), "type": "PRE_TRANSACTION",
        "active": true, "timeout": 30, "retry_count": 3 });
    let made = ask(&client, KEY, ("POST", "/hooks"), &body).expect(201);
    for name in ["name", "url", "type", "active", "timeout", "retry_count"] {
        assert_eq!(made[name], body[name], "{name}");
    }
    assert_eq!(made["last_run"], "0001-01-01T00:00:00Z");
    assert_eq!(made["last_success"], false);
    let path = format!("/hooks/{}", made["id"].as_str().unwrap());
    let mut other = body.clone();
    other["type"] = "POST_TRANSACTION".into();
    other["timeout"] = json!(0.5);
    let changed = ask(&client, KEY, ("PUT", &path), &other).expect(200);
    assert_eq!(
        (&changed["timeout"], &changed["created_at"]),
        (&json!(0.5), &made["created_at"])
    );
    ask(&client, KEY, ("POST", "/hooks"), &body).expect(201);
    server.restart();
    let client = server.client();
    let none = Value::Null;
    let all = ask(&client, KEY, ("GET", "/hooks"), &none).expect(200);
    assert_eq!(all.as_array().unwrap().len(), 2);
    let before = ask(&client, KEY, ("GET", "/hooks?type=PRE_TRANSACTION"), &none).expect(200);
    assert_eq!(before.as_array().unwrap().len(), 1);
    code(&ask(&client, KEY, ("GET", "/hooks?type=OTHER"), &none), 400);
    assert_eq!(
        ask(&client, KEY, ("GET", &path), &none).expect(200)["type"],
        "POST_TRANSACTION"
    );
    let with = |name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    for (field, wrong) in [
        ("name", with("name", json!(""))),
        ("url", with("url", json!("ftp://x"))),
        ("url", with("url", json!("http://user:pass@x/"))),
        ("type", with("type", json!("LATER"))),
        ("active", with("active", json!("yes"))),
        ("timeout", with("timeout", json!(0))),
        ("timeout", with("timeout", json!(1000))),
        ("retry_count", with("retry_count", json!(-1))),
        ("retry_count", with("retry_count", json!(1.5))),
    ] {
        let refused = ask(&client, KEY, ("POST", "/hooks"), &wrong);
        code(&refused, 400);
        assert_eq!(
            refused.json["error_detail"]["details"]["field"], field,
            "{}",
            refused.text
        );
    }
    ask(&client, KEY, ("DELETE", &path), &none).expect(200);
    assert_eq!(
        code(&ask(&client, KEY, ("GET", &path), &none), 404),
        "GEN_NOT_FOUND"
    );
}

#[test]
fn another_origin_s_things_are_not_there() {
    let server = Server::start();
    let client = server.client();
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let theirs = acme["api_key"].as_str().unwrap();
    let made = ask(&client, KEY, ("POST", "/identities"), &person()).expect(201);
    let id = made["identity_id"].as_str().unwrap();
    let hook = json!({ "name": "h", "url": "https://hooks.example/x", "type": "POST_TRANSACTION",
        "active": true, "timeout": 1, "retry_count": 0 });
    let hook = ask(&client, KEY, ("POST", "/hooks"), &hook).expect(201);
    let key = json!({ "name": "n", "owner": "o", "scopes": ["*"], "expires_at": in_an_hour() });
    let key = ask(&client, KEY, ("POST", "/api-keys"), &key).expect(201);
    let change = json!({ "identity_type": "individual" });
    let data = json!({ "meta_data": {} });
    let none = Value::Null;
    for (method, path, body) in [
        ("GET", format!("/identities/{id}"), &none),
        ("PUT", format!("/identities/{id}"), &change),
        ("DELETE", format!("/identities/{id}"), &none),
        ("GET", format!("/identities/{id}/tokenized-fields"), &none),
        (
            "POST",
            format!("/identities/{id}/tokenize/FirstName"),
            &none,
        ),
        (
            "GET",
            format!("/identities/{id}/detokenize/FirstName"),
            &none,
        ),
        ("POST", format!("/{id}/metadata"), &data),
        (
            "GET",
            format!("/hooks/{}", hook["id"].as_str().unwrap()),
            &none,
        ),
        (
            "DELETE",
            format!("/hooks/{}", hook["id"].as_str().unwrap()),
            &none,
        ),
        (
            "DELETE",
            format!("/api-keys/{}", key["api_key_id"].as_str().unwrap()),
            &none,
        ),
    ] {
        let reply = ask(&client, theirs, (method, &path), body);
        code(&reply, 404);
        assert!(!reply.text.contains("Jerry"), "{}", reply.text);
    }
    for path in ["/identities", "/hooks", "/api-keys", "/balance-monitors"] {
        let listed = ask(&client, theirs, ("GET", path), &none).expect(200);
        assert_eq!(listed, json!([]), "{path}");
    }
}
