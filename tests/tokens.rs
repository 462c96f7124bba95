//! PINs and tokens over the real server: what is kept, what a wallet can open, and how tokens live and end
//! with their card. The wallet is a program of its own in another language.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use server::{Client, HOLDER, Reply, Server, purchase};

/// A card with a dollar file of its own and some money.
fn card(client: &Client) -> String {
    let body = json!({ "holder_urn": HOLDER, "input": {}, "metadata": { "name": "Travel" } });
    let made = client.post("/api/mediums/card", &body).expect(201);
    let urn = made["result"]["account"]["urn"]
        .as_str()
        .unwrap()
        .to_owned();
    let money = json!({ "card": urn, "amount": "500000000" });
    client.post("/v1/sandbox/deposits", &money).expect(201);
    urn
}

fn pocket(client: &Client) -> String {
    let body = json!({ "holder_urn": HOLDER, "input": {} });
    let made = client.post("/api/mediums/virtual", &body).expect(201);
    made["result"]["account"]["urn"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn patch(client: &Client, urn: &str, body: &Value) -> Reply {
    let path = format!("/api/accounts/{urn}");
    client.send(("PATCH", &path), &[], body.to_string())
}

fn set_pin(client: &Client, urn: &str, pin: &Value) -> Reply {
    patch(client, urn, &json!({ "input": { "pin": pin } }))
}

#[track_caller]
fn try_pin(client: &Client, urn: &str, pin: &str, expect: (bool, u64)) {
    let path = format!("/v1/cards/{urn}/pin/verify");
    let told = client.post(&path, &json!({ "pin": pin })).expect(200);
    let (valid, left) = expect;
    assert_eq!(
        told,
        json!({ "valid": valid, "attempts_remaining": left }),
        "{pin}"
    );
}

#[test]
fn a_pin_is_verified_and_three_wrong_ones_shut_it() {
    let mut server = Server::start();
    let client = server.client();
    let urn = card(&client);
    let path = format!("/v1/cards/{urn}/pin/verify");
    let none = client.post(&path, &json!({ "pin": "4929" }));
    assert_eq!(none.code(409), "pin_not_set");
    set_pin(&client, &urn, &json!("4929")).expect(200);
    try_pin(&client, &urn, "4929", (true, 3));
    try_pin(&client, &urn, "4920", (false, 2));
    try_pin(&client, &urn, "4929", (true, 3));
    for left in [2, 1, 0] {
        try_pin(&client, &urn, "0000", (false, left));
    }
    try_pin(&client, &urn, "4929", (false, 0));
    set_pin(&client, &urn, &json!("123456789012")).expect(200);
    try_pin(&client, &urn, "4929", (false, 2));
    try_pin(&client, &urn, "123456789012", (true, 3));
    // Another card with that PIN, and the same card after a restart.
    let other = card(&client);
    set_pin(&client, &other, &json!("4929")).expect(200);
    try_pin(&client, &other, "4929", (true, 3));
    server.restart();
    let client = server.client();
    try_pin(&client, &urn, "123456789012", (true, 3));
    try_pin(&client, &other, "4929", (true, 3));
}

#[test]
fn many_tries_at_once_are_three() {
    let server = Server::start();
    let urn = card(&server.client());
    set_pin(&server.client(), &urn, &json!("4929")).expect(200);
    let path = format!("/v1/cards/{urn}/pin/verify");
    let counted: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (client, path) = (server.client(), path.clone());
                scope.spawn(move || {
                    let told = client.post(&path, &json!({ "pin": "1111" })).expect(200);
                    assert_eq!(told["valid"], false);
                    told["attempts_remaining"].as_u64().unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for left in [2, 1] {
        assert_eq!(
            counted.iter().filter(|told| **told == left).count(),
            1,
            "{counted:?}"
        );
    }
    try_pin(&server.client(), &urn, "4929", (false, 0));
}

#[test]
fn wrong_pins_are_refused_by_name_and_never_repeated() {
    let server = Server::start();
    let client = server.client();
    let urn = card(&client);
    let wrong = [
        json!("31"),
        json!(31_337),
        json!("31337a"),
        json!("3133731337313"),
        json!(["31337"]),
    ];
    for pin in wrong {
        let reply = set_pin(&client, &urn, &pin);
        assert_eq!(reply.code(400), "malformed_request", "{pin}");
        assert_eq!(reply.json["extra_details"]["field"], "input.pin");
        assert!(!reply.tells("31"), "{reply:?}");
        let path = format!("/v1/cards/{urn}/pin/verify");
        let reply = client.post(&path, &json!({ "pin": pin }));
        assert_eq!(reply.json["error"]["field"], "pin", "{}", reply.text);
        assert!(!reply.tells("31"), "{reply:?}");
    }
    let reply = set_pin(&client, &pocket(&client), &json!("4929"));
    assert_eq!(reply.code(400), "malformed_request");
    assert_eq!(reply.json["extra_details"]["field"], "input.pin");
    patch(&client, &urn, &json!({ "status": "deleted" })).expect(200);
    assert_eq!(
        set_pin(&client, &urn, &json!("4929")).code(409),
        "account_not_active"
    );
}

#[test]
fn a_pin_is_nowhere_on_disk_and_told_apart_only_by_a_key() {
    let mut server = Server::with(&[("CARDWRIGHT_LOG__LEVEL", "trace")]);
    let client = server.client();
    let urn = card(&client);
    let path = format!("/api/accounts/{urn}");
    // So odd that it is nowhere by chance.
    let body = |pin: &str| json!({ "input": { "pin": pin }, "metadata": { "n": 1 } }).to_string();
    let headers = [("idempotency-key", "pin-1")];
    let route = ("PATCH", path.as_str());
    let first = client.send(route, &headers, body("918273645501"));
    assert!(!first.is_replay());
    let again = client.send(route, &headers, body("918273645501"));
    assert!(again.is_replay(), "{}", again.text);
    let other = client.send(route, &headers, body("918273645502"));
    assert_eq!(other.code(409), "idempotency_conflict");
    for reply in [&first, &again, &other] {
        assert!(!reply.text.contains("9182736455"), "{}", reply.text);
    }
    // The same without a PIN, to see that a plain fingerprint would be found.
    let plain = json!({ "metadata": { "n": 2 } }).to_string();
    client
        .send(route, &[("idempotency-key", "pin-2")], plain)
        .expect(200);
    let print = |text: &str| {
        let class = format!("PATCH {path}");
        cardwright::wire::fingerprint(&class, &text).to_le_bytes()
    };
    let plain = print(r#"{"metadata":{"n":2,},}"#);
    let hidden = print(r#"{"input":{"pin":"918273645501",},"metadata":{"n":1,},}"#);
    client.post("/v1/snapshots", &json!({})).expect(202);
    assert_eq!(server.terminate(), Some(0));
    assert!(!server.said().contains("9182736455"));
    assert!(is_on_disk(&server, &plain), "the plain fingerprint");
    assert!(
        !is_on_disk(&server, &hidden),
        "a fingerprint to try PINs at"
    );
    assert!(!is_on_disk(&server, b"9182736455"), "the PIN itself");
}

/// Whether the bytes stand anywhere in what the server keeps.
fn is_on_disk(server: &Server, wanted: &[u8]) -> bool {
    let mut waiting = vec![server.data_dir().to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        if bytes.windows(wanted.len()).any(|window| window == wanted) {
            return true;
        }
    }
    false
}

/// Runs a command in `folder`; what it wrote.
fn run(folder: &Path, program: &str, args: &[&str], input: &str) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?}: {said}");
    done.stdout
}

/// A device's key with its certificates, each DER in base64, the leaf first.
struct Device {
    folder: tempfile::TempDir,
    certificates: Vec<String>,
}

impl Device {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |args: &[&str]| run(folder.path(), "openssl", args, "");
        let key = [
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
        ];
        for name in ["ca.key", "leaf.key"] {
            openssl(&[&key[..], &[name]].concat());
        }
        let root = [
            "req", "-x509", "-new", "-sha256", "-days", "30", "-key", "ca.key",
        ];
        openssl(
            &[
                &root[..],
                &["-subj", "/CN=Test Wallet Root", "-out", "ca.pem"],
            ]
            .concat(),
        );
        let ask = [
            "req",
            "-new",
            "-key",
            "leaf.key",
            "-subj",
            "/CN=Test Wallet",
        ];
        openssl(&[&ask[..], &["-out", "leaf.csr"]].concat());
        let issue = [
            "x509", "-req", "-sha256", "-days", "30", "-in", "leaf.csr", "-CA", "ca.pem",
        ];
        let by = ["-CAkey", "ca.key", "-CAcreateserial", "-out", "leaf.pem"];
        openssl(&[&issue[..], &by[..]].concat());
        let der = |name| openssl(&["x509", "-in", name, "-outform", "DER"]);
        let certificates = ["leaf.pem", "ca.pem"].map(|name| STANDARD.encode(der(name)));
        Self {
            certificates: certificates.to_vec(),
            folder,
        }
    }

    fn asks(&self) -> Value {
        json!({
            "certificates": self.certificates, "nonce": "bm9uY2UtMQ==",
            "nonce_signature": "c2lnbmF0dXJl",
        })
    }

    /// What the wallet finds inside.
    fn opens(&self, kind: &str, client: &Client, answer: &Value) -> Value {
        let known = client.get("/v1/sandbox/test-data").expect(200);
        let asked = json!({
            "kind": kind, "answer": answer, "keys": known["tokenization"],
            "leaf_key": fs::read_to_string(self.folder.path().join("leaf.key")).unwrap(),
        });
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wallet/wallet.mjs");
        let said = run(self.folder.path(), "node", &[script], &asked.to_string());
        serde_json::from_slice(&said).unwrap()
    }
}

fn tokenize(client: &Client, urn: &str, wallet: &str, body: &Value) -> Reply {
    client.post(&format!("/api/accounts/{urn}/tokenize/{wallet}"), body)
}

fn google(device: &str) -> Value {
    json!({ "device_id": device, "wallet_account_id": "wallet-1" })
}

/// Each token's status and its own.
fn standing(client: &Client, urn: &str) -> Vec<(String, String)> {
    let told = client.get(&format!("/v1/cards/{urn}/tokens")).expect(200);
    let word = |token: &Value, name: &str| token[name].as_str().unwrap().to_owned();
    let tokens = told["data"].as_array().unwrap().iter();
    tokens
        .map(|token| (word(token, "status"), word(token, "own_status")))
        .collect()
}

#[track_caller]
fn stand(client: &Client, urn: &str, expect: &[(&str, &str)]) {
    let told = standing(client, urn);
    let told: Vec<_> = told.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(told, expect);
}

fn is_luhn(number: &str) -> bool {
    let digits = number.bytes().rev().map(|byte| u32::from(byte - b'0'));
    let counted = digits
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        });
    counted.sum::<u32>() % 10 == 0
}

#[test]
fn an_apple_wallet_opens_its_pass_and_verifies_the_activation_data() {
    let server = Server::start();
    let client = server.client();
    let (urn, device) = (card(&client), Device::new());
    let headers = [("idempotency-key", "apple-1")];
    let path = format!("/api/accounts/{urn}/tokenize/apple");
    let body = device.asks().to_string();
    let first = client.send(("POST", &path), &headers, &body);
    let again = client.send(("POST", &path), &headers, &body);
    assert!(again.is_replay());
    assert_eq!(first.text, again.text, "a retry gets the same payload");
    let told = first.expect(201);
    let tokenization = &told["result"]["tokenization"];
    let token = &told["result"]["token"];
    let inside = device.opens("apple", &client, tokenization);
    let pass = &inside["pass"];
    let number = pass["primaryAccountNumber"].as_str().unwrap();
    assert!(
        number.len() == 16 && number.starts_with("990017") && is_luhn(number),
        "{number}"
    );
    assert_eq!(token["last_four"], number[12..], "{token}");
    let account = client.get(&format!("/api/accounts/{urn}")).expect(200);
    let details = &account["account"]["details"];
    assert_eq!(pass["primaryAccountSuffix"], details["card_last_four"]);
    assert_eq!(pass["primaryAccountIdentifier"], token["id"]);
    assert_eq!(pass["nonce"], "bm9uY2UtMQ==");
    assert_eq!(pass["nonceSignature"], "c2lnbmF0dXJl");
    assert_eq!(inside["header"]["alg"], "HS256");
    assert_eq!(inside["activation"]["sub"], token["id"]);
    assert_eq!(inside["activation"]["nonce"], "bm9uY2UtMQ==");
    // Another token for the same device takes the first one's place, under another key and number.
    let next = tokenize(&client, &urn, "apple", &device.asks()).expect(201);
    assert_ne!(next["result"]["tokenization"], *tokenization);
    stand(
        &client,
        &urn,
        &[("deactivated", "deactivated"), ("issued", "issued")],
    );
    let other = Device::new();
    tokenize(&client, &urn, "apple", &other.asks()).expect(201);
    stand(
        &client,
        &urn,
        &[
            ("deactivated", "deactivated"),
            ("issued", "issued"),
            ("issued", "issued"),
        ],
    );
    // The number is nowhere in clear.
    let listed = client.get(&format!("/v1/cards/{urn}/tokens"));
    assert!(!listed.text.contains(number) && !told.to_string().contains(number));
}

#[test]
fn a_google_wallet_opens_its_payment_card() {
    let mut server = Server::start();
    let client = server.client();
    let (urn, device) = (card(&client), Device::new());
    let path = format!("/api/accounts/{urn}/tokenize/google");
    let send = |client: &Client| {
        let body = google("device-abc").to_string();
        client.send(("POST", &path), &[("idempotency-key", "google-1")], body)
    };
    let first = send(&client);
    server.restart();
    let client = server.client();
    let again = send(&client);
    assert!(again.is_replay(), "also after a restart");
    assert_eq!(first.text, again.text);
    let told = first.expect(201);
    let inside = device.opens("google", &client, &told["result"]["tokenization"]);
    assert_eq!(inside["header"]["alg"], "dir");
    assert_eq!(inside["header"]["enc"], "A256GCM");
    let inside = &inside["card"];
    assert_eq!(inside["sub"], told["result"]["token"]["id"]);
    assert_eq!(inside["deviceId"], "device-abc");
    assert_eq!(inside["walletAccountId"], "wallet-1");
    assert!(is_luhn(inside["primaryAccountNumber"].as_str().unwrap()));
    let listed = client.get(&format!("/v1/cards/{urn}/tokens"));
    assert!(
        !listed.text.contains("device-abc"),
        "a hardware id is a person's"
    );
}

#[test]
fn a_retry_is_answered_also_when_the_vault_s_key_has_gone_since() {
    let mut server = Server::start();
    let client = server.client();
    let urn = card(&client);
    let path = format!("/api/accounts/{urn}/tokenize/google");
    let send = |client: &Client| {
        let body = google("device-abc").to_string();
        client.send(("POST", &path), &[("idempotency-key", "google-1")], body)
    };
    let first = send(&client);
    client.post("/v1/vault/keys", &Value::Null).expect(202);
    server::wait_until("the rotation ends", || {
        let told = client.get("/v1/vault/keys").expect(200);
        told["running"] == false && told["finished"] == true
    });
    let gone = client.send(("DELETE", "/v1/vault/keys/1"), &[], "");
    assert_eq!(gone.status, 200, "{}", gone.text);
    assert_eq!(send(&client).text, first.text);
    server.restart();
    assert_eq!(send(&server.client()).text, first.text);
}

#[test]
fn tokens_are_used_suspended_and_end_with_their_card() {
    let server = Server::start();
    let client = server.client();
    let urn = card(&client);
    let made = tokenize(&client, &urn, "google", &google("one")).expect(201);
    let id = made["result"]["token"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/cards/{urn}/tokens/{id}");
    let set = |status: &str| {
        let body = json!({ "status": status }).to_string();
        client.send(("PATCH", &path), &[], body)
    };
    let mut count = 0;
    let mut pay = |expect: (&str, Value)| {
        count += 1;
        let told = client
            .authorize(&format!("t-{count}"), &id, "1.00")
            .expect(200);
        assert_eq!(
            (told["status"].as_str().unwrap(), &told["decline_reason"]),
            (expect.0, &expect.1)
        );
        assert_eq!(told["card"], urn.as_str());
    };
    pay(("declined", json!("card_not_active")));
    assert_eq!(set("active").expect(200)["token"]["status"], "active");
    pay(("approved", Value::Null));
    assert_eq!(set("suspended").expect(200)["token"]["status"], "suspended");
    pay(("declined", json!("card_not_active")));
    client.authorize("plain", &urn, "1.00").expect(200);
    let refused = set("issued");
    assert_eq!(refused.code(409), "illegal_transition");
    let legal = json!(["active", "deactivated"]);
    assert_eq!(refused.json["extra_details"]["allowed"], legal);
    assert_eq!(set("gone").json["extra_details"]["field"], "status");
    set("active").expect(200);
    patch(&client, &urn, &json!({ "status": "frozen" })).expect(200);
    stand(&client, &urn, &[("suspended", "active")]);
    pay(("declined", json!("card_frozen")));
    let frozen = tokenize(&client, &urn, "google", &google("two"));
    assert_eq!(frozen.code(409), "account_not_active");
    patch(&client, &urn, &json!({ "status": "active" })).expect(200);
    stand(&client, &urn, &[("active", "active")]);
    pay(("approved", Value::Null));
    patch(&client, &urn, &json!({ "status": "disabled" })).expect(200);
    stand(&client, &urn, &[("deactivated", "active")]);
    let refused = set("suspended");
    assert_eq!(refused.code(409), "illegal_transition");
    assert_eq!(refused.json["extra_details"]["allowed"], json!([]));
    client.trial_balance();
}

#[test]
fn a_token_of_no_card_pays_nothing() {
    let server = Server::start();
    let client = server.client();
    let (urn, other) = (card(&client), card(&client));
    let made = tokenize(&client, &urn, "google", &google("one")).expect(201);
    let id = made["result"]["token"]["id"].as_str().unwrap();
    // The same card, another number; and no id at all.
    let flipped = if id.ends_with('0') { '1' } else { '0' };
    let absent = format!("{}{flipped}", &id[..id.len() - 1]);
    for name in [absent.as_str(), "tok_0", "tok_"] {
        let reply = client.authorize(&format!("a-{name}"), name, "1.00");
        assert_eq!(reply.code(404), "card_not_found", "{name}");
        assert_eq!(reply.json["response_code"], "14");
    }
    let path = format!("/v1/cards/{other}/tokens/{id}");
    let body = json!({ "status": "active" }).to_string();
    let reply = client.send(("PATCH", &path), &[], body);
    assert_eq!(reply.code(404), "token_not_found");
    // A processor's own names for tokens are none of ours, also beside a card.
    let mut own = purchase("own", &urn, "1.00");
    own["medium"] = json!({ "token_id": "tok_theirs" });
    assert_eq!(
        client.post("/v1/authorizations", &own).expect(200)["status"],
        "approved"
    );
    let mut two = purchase("two", id, "1.00");
    two["medium"] = json!({ "token_id": absent });
    let reply = client.post("/v1/authorizations", &two);
    assert_eq!(
        reply.json["error"]["field"], "medium.token_id",
        "{}",
        reply.text
    );
}

#[test]
fn what_a_wallet_sends_wrong_is_named() {
    let server = Server::start();
    let client = server.client();
    let (urn, device, other) = (card(&client), Device::new(), Device::new());
    let leaf = &device.certificates[0];
    let past = ["x509", "-req", "-in", "leaf.csr", "-signkey", "leaf.key"];
    let past = [&past[..], &["-days", "-1", "-outform", "DER"]].concat();
    let old = run(device.folder.path(), "openssl", &past, "");
    let rsa = run(
        device.folder.path(),
        "openssl",
        &[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "rsa.key", "-subj",
            "/CN=Rsa", "-outform", "DER",
        ],
        "",
    );
    let with = |certificates: Value| {
        let mut body = device.asks();
        body["certificates"] = certificates;
        body
    };
    let mut flipped = STANDARD.decode(leaf).unwrap();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let flipped = STANDARD.encode(flipped);
    let root = &device.certificates[1];
    let mut empty = device.asks();
    empty["nonce"] = "".into();
    let mut odd = device.asks();
    odd["extra"] = 1.into();
    for (body, field) in [
        (with(json!([])), "certificates"),
        (with(json!(vec![leaf; 6])), "certificates"),
        (with(json!(["?"])), "certificates[0]"),
        (
            with(json!([STANDARD.encode("no certificate")])),
            "certificates[0]",
        ),
        (with(json!([STANDARD.encode(old)])), "certificates[0]"),
        (with(json!([STANDARD.encode(rsa)])), "certificates[0]"),
        (with(json!([root, leaf])), "certificates[0]"),
        (
            with(json!([leaf, other.certificates[1]])),
            "certificates[0]",
        ),
        (with(json!([flipped, root])), "certificates[0]"),
        (with(json!("x")), "certificates"),
        (empty, "nonce"),
        (odd, "extra"),
        (
            json!({ "certificates": [leaf], "nonce": "x" }),
            "nonce_signature",
        ),
    ] {
        let reply = tokenize(&client, &urn, "apple", &body);
        assert_eq!(reply.status, 400, "{field}: {}", reply.text);
        assert_eq!(
            reply.json["extra_details"]["field"], field,
            "{}",
            reply.text
        );
    }
    let reply = tokenize(&client, &urn, "google", &json!({ "device_id": "x" }));
    assert_eq!(reply.json["extra_details"]["field"], "wallet_account_id");
    assert_eq!(
        tokenize(&client, &pocket(&client), "google", &google("x")).status,
        400
    );
    assert_eq!(standing(&client, &urn), []);
    // A leaf by itself will do.
    tokenize(&client, &urn, "apple", &with(json!([leaf]))).expect(201);
}

#[test]
fn another_s_card_is_not_found() {
    let server = Server::start();
    let client = server.client();
    let urn = card(&client);
    let made = tokenize(&client, &urn, "google", &google("one")).expect(201);
    let id = made["result"]["token"]["id"].as_str().unwrap();
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let foreign = client.with_key(acme["api_key"].as_str());
    assert_eq!(
        tokenize(&foreign, &urn, "google", &google("x")).code(404),
        "account_not_found"
    );
    assert_eq!(
        foreign.authorize("x", id, "1.00").code(404),
        "card_not_found"
    );
    assert_eq!(
        foreign.get(&format!("/v1/cards/{urn}/tokens")).code(404),
        "account_not_found"
    );
    assert_eq!(
        set_pin(&foreign, &urn, &json!("4929")).code(404),
        "account_not_found"
    );
    stand(&client, &urn, &[("issued", "issued")]);
}
