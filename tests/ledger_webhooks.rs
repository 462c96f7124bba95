//! The ledger face's events: in Blnk's form and in the house's own, and the calls of hooks, with a real receiver.
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

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use receiver::{Answer, Hook, Receiver};
use serde_json::{Value, json};
use server::{Client, KEY, Reply, Server, wait_until};

const QUICK: [(&str, &str); 3] = [
    ("CARDWRIGHT_OUTGOING__ALLOW_PRIVATE", "true"),
    ("CARDWRIGHT_WEBHOOKS__DELAYS_S", "[1]"),
    ("CARDWRIGHT_WEBHOOKS__PROBE_S_MAX", "1"),
];

#[track_caller]
fn ask(client: &Client, (method, path): (&str, &str), body: &Value) -> Reply {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let headers = [("x-blnk-key", KEY), ("content-type", "application/json")];
    client.with_key(None).send((method, path), &headers, body)
}

#[track_caller]
fn endpoint(client: &Client, body: &Value) -> (String, String) {
    let made = client.post("/v1/webhook-endpoints", body).expect(201);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

/// A balance with money in it: its ledger's id and its own.
#[track_caller]
fn balance(client: &Client, funded: &str) -> (String, String) {
    let ledger = ask(client, ("POST", "/ledgers"), &json!({ "name": "USD" })).expect(201);
    let ledger = ledger["ledger_id"].as_str().unwrap().to_owned();
    let body = json!({ "ledger_id": ledger, "currency": "USD" });
    let made = ask(client, ("POST", "/balances"), &body).expect(201);
    let balance = made["balance_id"].as_str().unwrap().to_owned();
    if !funded.is_empty() {
        let body = json!({
            "amount": funded.parse::<Value>().unwrap(), "precision": 100, "currency": "USD",
            "reference": format!("fund-{balance}"), "source": "@World", "destination": balance,
            "allow_overdraft": true, "description": "",
        });
        ask(client, ("POST", "/transactions"), &body).expect(201);
    }
    (ledger, balance)
}

fn pay(balance: &str, reference: &str, amount: u64) -> Value {
    json!({
        "amount": amount, "precision": 100, "currency": "USD", "reference": reference,
        "source": balance, "destination": "@Shop", "description": "a purchase",
    })
}

/// The events of a transaction in their order, with the status that each shows.
fn of<'a>(hooks: &'a [Hook], id: &str) -> Vec<(&'a str, &'a str)> {
    let own = hooks
        .iter()
        .filter(|hook| hook.json["data"]["transaction_id"] == id);
    own.map(|hook| (hook.event(), hook.json["data"]["status"].as_str().unwrap()))
        .collect()
}

/// Verifies with Python's own HMAC, as Blnk's documents say a receiver does.
#[track_caller]
fn verify(hooks: &[Hook], secret: &str) {
    const CODE: &str = "import sys, json, hmac, hashlib\n\
        for line in sys.stdin:\n    one = json.loads(line)\n    \
        signed = (one['at'] + '.' + one['body']).encode()\n    \
        right = hmac.new(one['secret'].encode(), signed, hashlib.sha256).hexdigest()\n    \
        assert hmac.compare_digest(right, one['signature']), one\n    print('ok')\n";
    let mut child = Command::new("python3")
        .args(["-c", CODE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for hook in hooks {
        let line = json!({
            "secret": secret, "body": hook.body, "at": hook.headers["x-blnk-timestamp"],
            "signature": hook.headers["x-blnk-signature"],
        });
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "a signature is wrong");
    let lines = String::from_utf8(out.stdout).unwrap();
    assert_eq!(lines.lines().count(), hooks.len());
}

#[test]
fn an_endpoint_gets_blnk_s_form_in_the_queue_s_order() {
    let server = Server::with(&QUICK);
    let client = server.client();
    let receiver = Receiver::start();
    let standard = Receiver::start();
    let body = json!({ "url": receiver.url("/blnk"), "format": "blnk" });
    let (id, secret) = endpoint(&client, &body);
    endpoint(&client, &json!({ "url": standard.url("/own") }));
    let (ledger, balance) = balance(&client, "100");
    let identity = json!({ "identity_type": "individual", "first_name": "Jerry" });
    let identity = ask(&client, ("POST", "/identities"), &identity).expect(201);
    let go = |body: &Value| ask(&client, ("POST", "/transactions"), body);
    let with = |reference: &str, amount: u64, name: &str, value: Value| {
        let mut body = pay(&balance, reference, amount);
        body[name] = value;
        body
    };
    let applied = go(&pay(&balance, "applied", 10)).expect(201);
    let quick = go(&with("quick", 10, "skip_queue", json!(true))).expect(201);
    let rejected = go(&pay(&balance, "rejected", 9_000)).expect(201);
    let inflight = go(&with("inflight", 30, "inflight", json!(true))).expect(201);
    let other = go(&with("other", 5, "inflight", json!(true))).expect(201);
    let late = go(&with(
        "late",
        1,
        "scheduled_for",
        json!("2099-01-01T00:00:00Z"),
    ))
    .expect(201);
    let id_of = |told: &Value| told["transaction_id"].as_str().unwrap().to_owned();
    let step = |told: &Value, step: &Value| {
        let path = format!("/transactions/inflight/{}", id_of(told));
        ask(&client, ("PUT", &path), step).expect(200)
    };
    let part = step(&inflight, &json!({ "status": "commit", "amount": 12.5 }));
    let rest = step(&inflight, &json!({ "status": "commit" }));
    let void = step(&other, &json!({ "status": "void" }));
    // Each balance's events come in their order; those of different ones in any.
    wait_until("all is told", || {
        let all = [receiver.hooks(), standard.hooks()];
        let has = |hooks: &[Hook], event: &str| hooks.iter().any(|hook| hook.event() == event);
        all.iter().all(|hooks| {
            !of(hooks, &id_of(&void)).is_empty()
                && of(hooks, &id_of(&applied)).len() == 2
                && has(hooks, "identity.created")
                && has(hooks, "ledger.created")
        })
    });
    let hooks = receiver.hooks();
    for (told, expected) in [
        (
            &applied,
            vec![
                ("transaction.queued", "QUEUED"),
                ("transaction.applied", "APPLIED"),
            ],
        ),
        (&quick, vec![("transaction.applied", "APPLIED")]),
        (
            &rejected,
            vec![
                ("transaction.queued", "QUEUED"),
                ("transaction.rejected", "REJECTED"),
            ],
        ),
        (
            &inflight,
            vec![
                ("transaction.queued", "QUEUED"),
                ("transaction.inflight", "INFLIGHT"),
            ],
        ),
        (&late, vec![("transaction.scheduled", "SCHEDULED")]),
    ] {
        assert_eq!(of(&hooks, &id_of(told)), expected);
    }
    for (told, event, parent) in [
        (&part, "transaction.commit", &inflight),
        (&rest, "transaction.commit", &inflight),
        (&void, "transaction.void", &other),
    ] {
        let own: Vec<_> = of(&hooks, &id_of(told))
            .into_iter()
            .map(|(event, _)| event)
            .collect();
        assert_eq!(own, [event]);
        let hook = hooks
            .iter()
            .find(|hook| hook.json["data"]["transaction_id"] == told["transaction_id"]);
        assert_eq!(
            hook.unwrap().json["data"]["parent_transaction"],
            parent["transaction_id"]
        );
        assert_eq!(
            hook.unwrap().json["data"]["precise_amount"],
            told["precise_amount"]
        );
    }
    // What is told is what the face shows.
    let shown = |event: &str, name: &str, id: &Value| {
        let mut own = hooks.iter().filter(|hook| hook.event() == event);
        let hook = own.find(|hook| hook.json["data"][name] == *id);
        hook.unwrap_or_else(|| panic!("no {event}")).json.clone()
    };
    let told = shown(
        "transaction.applied",
        "transaction_id",
        &applied["transaction_id"],
    );
    assert_eq!(told["data"], applied);
    assert_eq!(told.as_object().unwrap().len(), 2, "{told}");
    let made = shown("ledger.created", "ledger_id", &json!(ledger));
    assert_eq!(made["data"]["name"], "USD");
    let made = shown("balance.created", "balance_id", &json!(balance));
    assert_eq!(made["data"]["balance"], 0);
    let made = shown("identity.created", "identity_id", &identity["identity_id"]);
    assert_eq!(made["data"], identity);
    let why = shown(
        "transaction.rejected",
        "transaction_id",
        &rejected["transaction_id"],
    );
    assert!(
        why["data"]["meta_data"]
            .to_string()
            .contains("insufficient"),
        "{why}"
    );
    verify(&hooks, &secret);
    assert!(
        hooks
            .iter()
            .all(|hook| !hook.headers.contains_key("webhook-signature"))
    );
    // The other endpoint gets the same events in the house's own form.
    let own = standard.hooks();
    let of_applied = own.iter().find(|hook| {
        hook.event() == "transaction.applied"
            && hook.json["data"]["transaction_id"] == applied["transaction_id"]
    });
    let of_applied = of_applied.unwrap();
    assert_eq!(of_applied.json["type"], "transaction");
    assert_eq!(of_applied.json["data"], applied);
    assert!(of_applied.headers.contains_key("webhook-signature"));
    let feed = client.get("/v1/events?limit=100").expect(200);
    assert!(feed.to_string().contains("transaction.void"), "{feed}");
    // A change of a ledger is no making.
    let path = format!("/ledgers/{ledger}");
    ask(&client, ("PUT", &path), &json!({ "name": "Dollars" })).expect(200);
    let path = format!("/v1/webhook-endpoints/{id}");
    let changed = client.send(
        ("PATCH", &path),
        &[],
        json!({ "format": "standard" }).to_string(),
    );
    assert_eq!(changed.expect(200)["format"], "standard");
    let last = go(&pay(&balance, "last", 1)).expect(201);
    wait_until("the last is told", || {
        of(&receiver.hooks(), &id_of(&last)).len() == 2
    });
    let hooks = receiver.hooks();
    let made = hooks.iter().filter(|hook| hook.event() == "ledger.created");
    assert_eq!(made.count(), 1);
    assert_eq!(hooks.last().unwrap().json["type"], "transaction");
    let refused = json!({ "url": "https://hooks.example/x", "format": "other" });
    assert_eq!(
        client.post("/v1/webhook-endpoints", &refused).code(400),
        "malformed_request"
    );
}

#[test]
fn a_split_is_told_by_its_parts() {
    let server = Server::with(&QUICK);
    let client = server.client();
    let receiver = Receiver::start();
    endpoint(
        &client,
        &json!({ "url": receiver.url("/"), "format": "blnk", "events": ["transaction.*"] }),
    );
    let (_, balance) = balance(&client, "100");
    let split = json!({
        "amount": 10, "precision": 100, "currency": "USD", "reference": "split", "source": balance,
        "description": "", "destinations": [
            { "identifier": "@A", "distribution": "20%" }, { "identifier": "@B", "distribution": "left" },
        ],
    });
    let made = ask(&client, ("POST", "/transactions"), &split).expect(201);
    let parts = || -> Vec<Hook> {
        let mut hooks = receiver.hooks();
        hooks.retain(|hook| {
            hook.event() == "transaction.applied"
                && hook.json["data"]["parent_transaction"] == made["transaction_id"]
        });
        hooks
    };
    wait_until("both parts are told", || parts().len() == 2);
    let amounts: Vec<_> = parts()
        .iter()
        .map(|hook| hook.json["data"]["precise_amount"].clone())
        .collect();
    assert_eq!(amounts, [200, 800]);
    assert!(of(&receiver.hooks(), made["transaction_id"].as_str().unwrap()).is_empty());
}

#[test]
fn hooks_are_called_before_and_after() {
    let server = Server::with(&QUICK);
    let client = server.client();
    let receiver = Receiver::start();
    receiver.answer(|hook| match hook.json["data"]["reference"].as_str() {
        Some("no") if hook.path == "/pre" => Answer::of(403),
        Some("broken") if hook.path == "/pre" => Answer::of(500),
        Some("slow") if hook.path == "/pre" => Answer {
            after: Duration::from_secs(5),
            ..Answer::of(200)
        },
        _ => Answer::of(200),
    });
    let (_, balance) = balance(&client, "100");
    let hook = |kind: &str, path: &str| {
        let body = json!({ "name": path, "url": receiver.url(path), "type": kind, "active": true,
            "timeout": 0.3, "retry_count": 1 });
        let made = ask(&client, ("POST", "/hooks"), &body).expect(201);
        (format!("/hooks/{}", made["id"].as_str().unwrap()), body)
    };
    let (before, settings) = hook("PRE_TRANSACTION", "/pre");
    let (after, _) = hook("POST_TRANSACTION", "/post");
    let secret = client.get("/v1/webhook-secret").expect(200)["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    let go = |reference: &str| {
        ask(
            &client,
            ("POST", "/transactions"),
            &pay(&balance, reference, 1),
        )
    };
    let came = |path: &str, reference: &str| -> Vec<Hook> {
        let mut hooks = receiver.hooks();
        hooks.retain(|hook| hook.path == path && hook.json["data"]["reference"] == reference);
        hooks
    };
    let made = go("yes").expect(201);
    assert_eq!(came("/pre", "yes").len(), 1);
    let asked = came("/pre", "yes").remove(0);
    assert_eq!(asked.json["hook_type"], "PRE_TRANSACTION");
    assert_eq!(asked.json["data"]["status"], "QUEUED");
    assert_eq!(asked.json["data"]["precise_amount"], 100);
    assert_eq!(asked.headers["x-hook-type"], "PRE_TRANSACTION");
    wait_until("it is told after", || came("/post", "yes").len() == 1);
    let told = came("/post", "yes").remove(0);
    assert_eq!(told.json["event"], "transaction.applied");
    assert_eq!(told.json["data"], made);
    verify(&[asked, told], &secret);
    // A no is a no, and is asked for once.
    let refused = go("no");
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert_eq!(refused.json["error_detail"]["code"], "TXN_VALIDATION_ERROR");
    assert_eq!(came("/pre", "no").len(), 1);
    assert_eq!(
        ask(&client, ("GET", "/transactions/reference/no"), &Value::Null).status,
        404
    );
    // A failure is none, unless the hook asks for that.
    go("broken").expect(201);
    assert_eq!(came("/pre", "broken").len(), 2, "it is tried again");
    go("slow").expect(201);
    let seen = ask(&client, ("GET", &before), &Value::Null).expect(200);
    assert_eq!(seen["last_success"], false, "{seen}");
    let mut strict = settings.clone();
    strict["on_failure"] = "refuse".into();
    ask(&client, ("PUT", &before), &strict).expect(200);
    receiver.answer(|hook| Answer::of(if hook.path == "/pre" { 500 } else { 200 }));
    assert_eq!(go("strict").status, 400);
    // One that is not active is not called; one that is gone neither.
    let mut off = settings;
    off["active"] = false.into();
    ask(&client, ("PUT", &before), &off).expect(200);
    go("off").expect(201);
    wait_until("it is told after", || came("/post", "off").len() == 1);
    assert_eq!(came("/pre", "off").len(), 0);
    let seen = ask(&client, ("GET", &after), &Value::Null).expect(200);
    assert_eq!(seen["last_success"], true, "{seen}");
    ask(&client, ("DELETE", &after), &Value::Null).expect(200);
    go("gone").expect(201);
    assert_eq!(came("/post", "strict").len(), 0);
    client.trial_balance();
}
