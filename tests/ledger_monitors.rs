//! Monitors on balances: each crossing is told of once, whatever crashes between.
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

use std::collections::BTreeSet;

use receiver::{Answer, Receiver};
use serde_json::{Value, json};
use server::{Client, KEY, Reply, Rng, Server, seed, wait_until};

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
fn balance(client: &Client) -> String {
    let ledger = ask(client, ("POST", "/ledgers"), &json!({ "name": "USD" })).expect(201);
    let body = json!({ "ledger_id": ledger["ledger_id"], "currency": "USD" });
    let made = ask(client, ("POST", "/balances"), &body).expect(201);
    made["balance_id"].as_str().unwrap().to_owned()
}

/// Moves whole dollars into a balance, or out of it.
fn moved(balance: &str, reference: &str, dollars: i64) -> Value {
    let (source, destination) = if dollars > 0 {
        ("@World", balance)
    } else {
        (balance, "@World")
    };
    json!({
        "amount": dollars.abs(), "precision": 100, "currency": "USD", "reference": reference,
        "source": source, "destination": destination, "allow_overdraft": true, "description": "",
    })
}

#[track_caller]
fn go(client: &Client, body: &Value) -> String {
    let made = ask(client, ("POST", "/transactions"), body).expect(201);
    made["transaction_id"].as_str().unwrap().to_owned()
}

fn watch(balance: &str, field: &str, operator: &str, value: i64) -> Value {
    json!({
        "balance_id": balance, "description": "",
        "condition": { "field": field, "operator": operator, "value": value, "precision": 100 },
    })
}

#[track_caller]
fn monitor(client: &Client, body: &Value) -> String {
    let made = ask(client, ("POST", "/balance-monitors"), body).expect(201);
    made["monitor_id"].as_str().unwrap().to_owned()
}

/// The crossings that the feed tells of a monitor: the values, in order.
fn told(client: &Client, monitor: &str) -> Vec<i64> {
    let mut values = Vec::new();
    let mut after = String::new();
    loop {
        let page = client
            .get(&format!(
                "/v1/events?limit=100&event=balance.monitor{after}"
            ))
            .expect(200);
        for event in page["data"].as_array().unwrap() {
            let data = &event["data"]["data"];
            if data["monitor_id"] == monitor {
                values.push(data["crossed_value"].as_i64().unwrap());
            }
        }
        if page["has_more"] != true {
            return values;
        }
        after = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
    }
}

#[test]
fn a_monitor_tells_once_for_each_crossing() {
    let server = Server::with(&QUICK);
    let client = server.client();
    let receiver = Receiver::start();
    let called = Receiver::start();
    let body = json!({ "url": receiver.url("/"), "format": "blnk", "events": ["balance.*"] });
    client.post("/v1/webhook-endpoints", &body).expect(201);
    let secret = client.get("/v1/webhook-secret").expect(200);
    assert!(secret["secret"].is_string());
    let balance = balance(&client);
    let mut above = watch(&balance, "balance", ">", 100);
    above["call_back_url"] = called.url("/crossed").into();
    let above = monitor(&client, &above);
    let below = monitor(&client, &watch(&balance, "balance", "<", 50));
    // It is below already: that is no crossing.
    let step = |n: usize, dollars: i64| go(&client, &moved(&balance, &format!("m-{n}"), dollars));
    for (n, dollars) in [80, 40, 10, -100, 60, 30, 5, -5].into_iter().enumerate() {
        step(n, dollars);
    }
    // 80, 120 !, 130, 30 !, 90, 120 !, 125, 120
    wait_until("all crossings are told", || {
        told(&client, &above).len() == 2 && told(&client, &below).len() == 1
    });
    step(100, -10);
    step(101, -100);
    wait_until("another crossing", || told(&client, &below).len() == 2);
    assert_eq!(told(&client, &above), [12_000, 12_000]);
    assert_eq!(told(&client, &below), [3_000, 1_000]);
    wait_until("they arrive", || {
        receiver.taken("balance.monitor").len() == 4 && called.hooks().len() == 2
    });
    let came = receiver.taken("balance.monitor");
    let data = &came[0].json["data"];
    assert_eq!(
        (&data["monitor_id"], &data["balance_id"]),
        (&json!(above), &json!(balance))
    );
    assert_eq!(data["condition"]["precise_value"], 10_000);
    assert_eq!(data["crossed_value"], 12_000);
    let back = &called.hooks()[0];
    assert_eq!(
        (back.path.as_str(), &back.json),
        ("/crossed", &came[0].json)
    );
    assert!(back.headers.contains_key("x-blnk-signature"));
}

#[test]
fn each_field_is_watched() {
    let server = Server::with(&QUICK);
    let client = server.client();
    let (one, other) = (balance(&client), balance(&client));
    go(&client, &moved(&one, "fund", 100));
    let fields = [
        (&one, "balance", "<", 60),
        (&one, "credit_balance", ">", 100),
        (&one, "debit_balance", ">=", 50),
        (&one, "inflight_debit_balance", "=", 50),
        (&one, "inflight_balance", "<=", -50),
        (&other, "inflight_credit_balance", "!=", 0),
        (&other, "inflight_balance", ">", 0),
        (&other, "credit_balance", "=", 20),
    ];
    let monitors: Vec<_> = fields
        .iter()
        .map(|(balance, field, operator, value)| {
            monitor(&client, &watch(balance, field, operator, *value))
        })
        .collect();
    let mut hold = moved(&one, "hold", -50);
    hold["destination"] = json!(other);
    hold["inflight"] = json!(true);
    let held = go(&client, &hold);
    let values = || -> Vec<Vec<i64>> { monitors.iter().map(|id| told(&client, id)).collect() };
    wait_until("the hold is seen", || {
        values().iter().flatten().count() == 4
    });
    assert_eq!(
        values(),
        [
            vec![],
            vec![],
            vec![],
            vec![5_000],
            vec![-5_000],
            vec![5_000],
            vec![5_000],
            vec![]
        ]
    );
    let path = format!("/transactions/inflight/{held}");
    ask(
        &client,
        ("PUT", &path),
        &json!({ "status": "commit", "amount": 20 }),
    )
    .expect(200);
    wait_until("the commit is seen", || values()[7].len() == 1);
    ask(&client, ("PUT", &path), &json!({ "status": "commit" })).expect(200);
    wait_until("the rest is seen", || !values()[2].is_empty());
    let mut again = moved(&one, "again", -1);
    again["destination"] = json!(other);
    again["inflight"] = json!(true);
    let held = go(&client, &again);
    wait_until("another hold is seen", || values()[5].len() == 2);
    let path = format!("/transactions/inflight/{held}");
    ask(&client, ("PUT", &path), &json!({ "status": "void" })).expect(200);
    go(&client, &moved(&one, "more", 1));
    wait_until("the money is seen", || !values()[1].is_empty());
    assert_eq!(
        values(),
        [
            vec![5_000],
            vec![10_100],
            vec![5_000],
            vec![5_000],
            vec![-5_000],
            vec![5_000, 100],
            vec![5_000, 100],
            vec![2_000],
        ]
    );
}

#[test]
fn a_crash_neither_loses_nor_doubles_a_crossing() {
    let seed = seed();
    println!("seed {seed}");
    let mut rng = Rng::new(seed);
    let mut server = Server::with(&QUICK);
    let receiver = Receiver::start();
    receiver.answer(|_| Answer::of(200));
    let client = server.client();
    let body = json!({ "url": receiver.url("/"), "format": "blnk", "events": ["balance.monitor"] });
    client.post("/v1/webhook-endpoints", &body).expect(201);
    let balance = balance(&client);
    let id = monitor(&client, &watch(&balance, "balance", ">=", 50));
    let mut dollars = 0_i64;
    let mut expected = Vec::new();
    for n in 0..40 {
        let client = server.client();
        let by = i64::try_from(rng.below(60)).unwrap() + 1;
        let by = if dollars > 50 { -by } else { by };
        go(&client, &moved(&balance, &format!("c-{n}"), by));
        let (before, now) = (dollars, dollars + by);
        if before < 50 && now >= 50 {
            expected.push(now * 100);
        }
        dollars = now;
        // Often before anybody has looked at what was just answered.
        if n % 8 == 7 {
            server.restart();
        }
    }
    server.restart();
    let client = server.client();
    wait_until("all crossings are told", || {
        told(&client, &id).len() >= expected.len()
    });
    // One more that is seen, and that no other is like: nothing behind it may come.
    let low = dollars.min(-1);
    if low < dollars {
        go(&client, &moved(&balance, "down", low - dollars));
    }
    go(&client, &moved(&balance, "up", 660 - low));
    expected.push(66_000);
    wait_until("the last one is told", || {
        told(&client, &id).last() == Some(&66_000)
    });
    assert_eq!(told(&client, &id), expected, "seed {seed}");
    // At least once each, under ids that tell them apart.
    wait_until("all arrive", || {
        let hooks = receiver.taken("balance.monitor");
        let ids: BTreeSet<_> = hooks.iter().map(|hook| hook.id().to_owned()).collect();
        ids.len() == expected.len()
    });
}

#[test]
fn monitors_are_kept_as_the_sdks_have_them() {
    let mut server = Server::with(&QUICK);
    let client = server.client();
    let (one, other) = (balance(&client), balance(&client));
    let body = json!({
        "balance_id": one, "description": "low", "call_back_url": "https://hooks.example/x",
        "condition": { "field": "debit_balance", "operator": ">", "value": 1000.50, "precision": 100 },
    });
    let made = ask(&client, ("POST", "/balance-monitors"), &body).expect(201);
    let id = made["monitor_id"].as_str().unwrap();
    assert!(id.starts_with("mon_"), "{made}");
    assert_eq!(made["condition"]["precise_value"], 100_050);
    assert_eq!(made["condition"]["value"], 1000.5);
    for name in ["balance_id", "description", "call_back_url"] {
        assert_eq!(made[name], body[name], "{name}");
    }
    let path = format!("/balance-monitors/{id}");
    let second = monitor(&client, &watch(&other, "balance", "<", -5));
    server.restart();
    let client = server.client();
    let none = Value::Null;
    assert_eq!(ask(&client, ("GET", &path), &none).expect(200), made);
    let all = ask(&client, ("GET", "/balance-monitors"), &none).expect(200);
    assert_eq!(all.as_array().unwrap().len(), 2);
    let of = format!("/balance-monitors/balances/{other}");
    let listed = ask(&client, ("GET", &of), &none).expect(200);
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["monitor_id"]),
        (1, &json!(second))
    );
    let changed = ask(&client, ("PUT", &path), &watch(&one, "balance", ">", 7)).expect(200);
    assert_eq!(changed["condition"]["precise_value"], 700);
    assert_eq!(changed["created_at"], made["created_at"]);
    // The new condition counts, the old one does not.
    go(&client, &moved(&one, "in", 8));
    wait_until("the new condition is told", || told(&client, id) == [800]);
    let with = |pointer: &str, value: Value| {
        let mut body = body.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for (status, field, wrong) in [
        (
            400,
            "condition.field",
            with("/condition/field", json!("queued_balance")),
        ),
        (
            400,
            "condition.operator",
            with("/condition/operator", json!("==")),
        ),
        (
            400,
            "condition.value",
            with("/condition/value", json!(0.005)),
        ),
        (
            400,
            "condition.value",
            with("/condition/value", json!(1e40)),
        ),
        (
            400,
            "condition.value",
            with("/condition/value", json!("much")),
        ),
        (
            400,
            "condition.precision",
            with("/condition/precision", json!(0)),
        ),
        (
            400,
            "call_back_url",
            with("/call_back_url", json!("nowhere")),
        ),
        (400, "balance_id", with("/balance_id", json!(7))),
        (
            404,
            "",
            with(
                "/balance_id",
                json!("bln_0be360ca-86fe-457d-be43-daa3f966d8f0"),
            ),
        ),
    ] {
        let refused = ask(&client, ("POST", "/balance-monitors"), &wrong);
        assert_eq!(refused.status, status, "{field}: {}", refused.text);
        if status == 400 {
            assert_eq!(
                refused.json["error_detail"]["details"]["field"], field,
                "{}",
                refused.text
            );
        }
    }
    ask(&client, ("DELETE", &path), &none).expect(200);
    for method in ["GET", "DELETE"] {
        let gone = ask(&client, (method, &path), &none);
        assert_eq!(
            gone.json["error_detail"]["code"], "BAL_MONITOR_NOT_FOUND",
            "{}",
            gone.text
        );
    }
    go(&client, &moved(&one, "out", -8));
    go(&client, &moved(&one, "in-again", 8));
    go(&client, &moved(&other, "below", -6));
    wait_until("the other is told", || told(&client, &second) == [-600]);
    assert_eq!(told(&client, id), [800], "what is gone tells nothing");
}
