//! Whatever is sent, the answer is a 4xx with a code and the field, and no money moves.

use serde_json::{Value, json};

use crate::{
    code, money, pay, prepared,
    server::{Client, Reply, Rng, seed},
};

#[track_caller]
fn refused(reply: &Reply, what: &str) -> String {
    assert!(
        (400..500).contains(&reply.status),
        "{what}: {} {}",
        reply.status,
        reply.text
    );
    let detail = &reply.json["error_detail"];
    assert!(
        detail["code"].is_string() && detail["message"].is_string(),
        "{what}: {}",
        reply.text
    );
    assert!(
        reply.text.len() < 2_000,
        "{what}: a refusal of {} bytes",
        reply.text.len()
    );
    detail["details"]["field"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[track_caller]
fn alive(client: &Client, card: &str, shop: &str) {
    assert_eq!(money(client, card), [100_000, 0, 0, 0]);
    client
        .post("/transactions", &pay(card, shop, "alive", json!(1)))
        .expect(201);
    client.trial_balance();
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
fn wrong_values_are_named() {
    let (_server, client, card, shop) = prepared();
    let nines = "9".repeat(39);
    let forms = [
        ("amount", "-1"),
        ("amount", "0"),
        ("amount", "0.001"),
        ("amount", "1e-9"),
        ("amount", "1e40"),
        ("amount", "1e400"),
        ("amount", "1e99999999999999999999"),
        ("amount", &nines),
        ("amount", "123456789012345678901234567890123456789.5"),
        ("amount", "\"12\""),
        ("amount", "true"),
        ("amount", "[]"),
        ("precise_amount", "1.5"),
        ("precise_amount", "-5"),
        ("precise_amount", &nines),
        ("precise_amount", "\"12.5\""),
        ("precise_amount", "\"+5\""),
        ("precise_amount", "\"\""),
        ("precise_amount", "{}"),
        ("amount_string", "\"1,5\""),
        ("amount_string", "\"0x10\""),
        ("amount_string", "12"),
        ("precision", "1.5"),
        ("precision", "-100"),
        ("precision", "1e30"),
        ("precision", "\"100\""),
        ("currency", "\"\""),
        ("currency", "\"US D\""),
        ("currency", "\"DUSD/99\""),
        ("currency", "5"),
        ("reference", "\"\""),
        ("reference", "null"),
        ("reference", "7"),
        ("source", "\"\""),
        ("source", "\"@\""),
        ("source", "\"@a b\""),
        ("source", "[]"),
        ("destination", "null"),
        ("inflight", "\"yes\""),
        ("allow_overdraft", "1"),
        ("overdraft_limit", "-1"),
        ("overdraft_limit", "\"1\""),
        ("overdraft_limit", "0.001"),
        ("scheduled_for", "\"2026-01-01\""),
        ("scheduled_for", "\"tomorrow\""),
        ("scheduled_for", "5"),
        ("effective_date", "\"2026-13-01T00:00:00Z\""),
        ("inflight_expiry_date", "\"2026-01-01 00:00:00Z\""),
        ("meta_data", "[]"),
        ("meta_data", "\"x\""),
        ("meta_data", "{\"a\":\"\\ud800\"}"),
        ("rate", "1.5"),
        ("surprise", "1"),
    ];
    for (field, value) in forms {
        let mut body = pay(&card, &shop, "x", json!(1));
        if matches!(field, "precise_amount" | "amount_string") {
            body.as_object_mut().unwrap().remove("amount");
        }
        body[field] = json!("PLACE");
        let body = body.to_string().replace("\"PLACE\"", value);
        let reply = client.send(("POST", "/transactions"), &[], &body);
        let what = format!("{field} = {value}");
        assert_eq!(refused(&reply, &what), field, "{what}: {}", reply.text);
    }
    let long = "x".repeat(20_000);
    for (field, value) in [
        ("reference", json!(long)),
        ("description", json!(long)),
        ("source", json!(format!("@{long}"))),
        ("currency", json!(long)),
        ("meta_data", json!({ "a": long })),
        ("reference", json!("a\u{0}b")),
    ] {
        let mut body = pay(&card, &shop, "x", json!(1));
        body[field] = value;
        assert_eq!(refused(&client.post("/transactions", &body), field), field);
    }
    for (source, status, expected) in [
        (
            "bln_6164573b-6cc8-45a4-ad2e-7b4ba6a60f7d",
            404,
            "BAL_NOT_FOUND",
        ),
        ("bln_", 404, "BAL_NOT_FOUND"),
        ("did:bloque:account:card:nobody", 404, "BAL_NOT_FOUND"),
        ("-", 404, "BAL_NOT_FOUND"),
    ] {
        let body = pay(source, &shop, "x", json!(1));
        assert_eq!(
            code(&client.post("/transactions", &body), status),
            expected,
            "{source}"
        );
    }
    alive(&client, &card, &shop);
}

#[test]
fn what_is_no_json_or_too_deep_is_refused() {
    let (_server, client, card, shop) = prepared();
    let deep = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let lists = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let with = |meta: String| {
        let body = pay(&card, &shop, "x", json!(1)).to_string();
        format!("{},\"meta_data\":{meta}}}", body.trim_end_matches('}'))
    };
    let bodies = [
        String::new(),
        "{".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
        "{\"amount\":01}".to_owned(),
        "{\"amount\":.5}".to_owned(),
        "{\"amount\":NaN}".to_owned(),
        "{'amount':1}".to_owned(),
        deep(5_000),
        lists(5_000),
        with(deep(100)),
        with(deep(2_000)),
        with(format!("{{\"a\":{}}}", lists(3_000))),
    ];
    let routes = [
        ("POST", "/transactions"),
        ("POST", "/transactions/bulk"),
        ("POST", "/transactions/inflight/bulk/commit"),
        ("POST", "/transactions/inflight/bulk/void"),
        ("PUT", "/transactions/inflight/txn_x"),
        ("POST", "/ledgers"),
        ("POST", "/balances"),
    ];
    for route in routes {
        for body in &bodies {
            let shown: String = body.chars().take(40).collect();
            refused(
                &client.send(route, &[], body),
                &format!("{route:?} {shown}"),
            );
        }
        let text = client.send(route, &[("content-type", "text/plain")], "{}");
        assert_eq!(text.status, 415, "{route:?}");
    }
    alive(&client, &card, &shop);
}

/// Random damage to a right body: an answer below 500 each time, and what was not taken moved nothing.
#[test]
fn damaged_bodies_break_nothing() {
    let (_server, client, card, shop) = prepared();
    let seed = seed();
    let mut rng = Rng::new(seed);
    let mut right = pay(&card, &shop, "damaged", json!(1.25));
    right["meta_data"] = json!({ "a": [1, { "b": null }] });
    right["destination"] = Value::Null;
    right["destinations"] = json!([
        { "identifier": shop, "distribution": "20%" },
        { "identifier": "@Fees", "precise_distribution": "7" },
        { "identifier": "@Rest", "distribution": "left" },
    ]);
    let right = right.to_string().into_bytes();
    for _ in 0..400 {
        let mut body = right.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(body.len());
            match rng.below(4) {
                0 => body[at] = b"0123456789-.eE\"{}[],:%@ "[rng.below(24)],
                1 if body.len() > 1 => {
                    body.remove(at);
                }
                2 => body.insert(at, b"09.\"{}[]-e%"[rng.below(11)]),
                _ => body.truncate(at.max(1)),
            }
        }
        let reply = client.send(("POST", "/transactions"), &[], &body);
        let sent = String::from_utf8_lossy(&body);
        assert!(reply.status < 500, "seed {seed}: {sent} {}", reply.text);
        if reply.status != 201 {
            refused(&reply, &format!("seed {seed}: {sent}"));
        }
    }
    client.trial_balance();
    client.get("/readyz").expect(200);
}
