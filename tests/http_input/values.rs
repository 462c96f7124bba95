//! Wrong types and impossible values, field by field.

use serde_json::{Value, json};

use crate::{alive, prepared, refusal, routes};

/// What JSON kinds a field takes: text, number, boolean, null, list, object.
fn kinds(path: &str, field: &str) -> &'static str {
    match field {
        "local_amount" if path.ends_with("authorizations") || path.ends_with("clearings") => "tn",
        "local_amount" if path.ends_with("increment") => "tn",
        "local_amount" | "usd_amount" => "tn0",
        "transaction_type" => "t0",
        "local_currency" if path.contains("/base/") || path.contains("/paid/") => "t0",
        "merchant" | "medium" | "metadata" => "o0",
        "partial_approval" | "capture" | "final" => "b0",
        "cards" => "n",
        "scopes" => "l",
        _ => "t",
    }
}

fn wrong_types(allowed: &str) -> Vec<Value> {
    let deep = (0..40).fold(json!([]), |inner, _| json!([inner]));
    [
        ('t', json!("text")),
        ('n', json!(7)),
        ('n', json!(-1.5)),
        ('b', json!(true)),
        ('0', Value::Null),
        ('l', json!([])),
        ('l', json!(["x"])),
        ('l', deep),
        ('o', json!({})),
        ('o', json!({ "$gt": "" })),
    ]
    .into_iter()
    .filter(|(kind, _)| !allowed.contains(*kind))
    .map(|(_, value)| value)
    .collect()
}

#[test]
fn every_field_of_every_wrong_type_is_named() {
    let (_server, client, card) = prepared();
    for (path, right) in routes(&card) {
        for field in right.as_object().unwrap().keys() {
            for wrong in wrong_types(kinds(path, field)) {
                let mut body = right.clone();
                body[field] = wrong.clone();
                let reply = client.post(path, &body);
                let what = format!("{path} {field} = {wrong}");
                let named = refusal(&reply, &what);
                assert!(named.starts_with(field.as_str()), "{what} named {named:?}");
            }
        }
        for wrong in [
            json!(null),
            json!(7),
            json!("x"),
            json!([]),
            json!([right]),
            json!(true),
        ] {
            refusal(&client.post(path, &wrong), path);
        }
    }
    for field in [
        "id",
        "name",
        "mcc",
        "city",
        "country",
        "address",
        "terminal_id",
    ] {
        for wrong in wrong_types("t0") {
            let mut body = routes(&card)[0].1.clone();
            body["merchant"][field] = wrong.clone();
            let reply = client.post("/v1/authorizations", &body);
            assert_eq!(
                refusal(&reply, field),
                format!("merchant.{field}"),
                "{wrong}"
            );
        }
    }
    for wrong in [json!([]), json!({}), json!([1])] {
        let mut body = routes(&card)[0].1.clone();
        body["medium"]["network"] = wrong;
        let named = refusal(&client.post("/v1/authorizations", &body), "medium").to_owned();
        assert!(named.starts_with("medium"), "{named}");
    }
    alive(&client, &card);
}

#[test]
fn missing_and_unknown_fields_are_named() {
    let (_server, client, card) = prepared();
    for (path, right) in routes(&card) {
        let mut body = right.clone();
        body["surprise"] = json!(1);
        let reply = client.post(path, &body);
        assert_eq!(refusal(&reply, path), "surprise", "{path}: {}", reply.text);
        let optional = [
            "transaction_type",
            "merchant",
            "medium",
            "usd_amount",
            "partial_approval",
            "capture",
        ];
        for field in right.as_object().unwrap().keys() {
            let is_step = path.contains("/base/") || path.contains("/paid/");
            let may_miss = optional.contains(&field.as_str())
                || field == "metadata"
                || (is_step && field != "transaction_id" && !path.ends_with("increment"))
                || (field == "local_currency" && is_step);
            if may_miss {
                continue;
            }
            let mut body = right.clone();
            body.as_object_mut().unwrap().remove(field);
            let reply = client.post(path, &body);
            assert_eq!(refusal(&reply, path), field, "{path}: {}", reply.text);
        }
        let twice = format!(
            "{{\"transaction_id\":\"a\",\"transaction_id\":\"b\",{}",
            &right.to_string()[1..]
        );
        refusal(&client.send(("POST", path), &[], twice), path);
    }
    let mut body = routes(&card)[0].1.clone();
    body["merchant"]["surprise"] = json!("x");
    assert_eq!(
        refusal(&client.post("/v1/authorizations", &body), "merchant"),
        "merchant.surprise"
    );
    alive(&client, &card);
}

/// Amounts that are none, as they stand in the JSON.
fn impossible_amounts() -> Vec<String> {
    let mut amounts: Vec<String> = [
        "\"\"",
        "\" 1\"",
        "\"1 \"",
        "\"+1\"",
        "\"-1\"",
        "\"-0.01\"",
        "-1",
        "\"1e3\"",
        "1e3",
        "1E2",
        "\"1,00\"",
        "\"1.\"",
        "\".5\"",
        "\"0x10\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\"1.2.3\"",
        "\"\\u0661\"",
        "\"1\\u0000\"",
        "\"--1\"",
        "\"-\"",
        "\".\"",
    ]
    .map(str::to_owned)
    .to_vec();
    for digits in [31, 39, 40, 400, 4_000] {
        amounts.push(format!("\"{}\"", "9".repeat(digits)));
        amounts.push("9".repeat(digits));
        amounts.push(format!("\"1.{}\"", "0".repeat(digits)));
    }
    amounts
}

#[test]
fn impossible_amounts_are_refused_with_their_field() {
    let (_server, client, card) = prepared();
    let before = client.balance("before", &card);
    for (path, right) in routes(&card) {
        for field in ["local_amount", "usd_amount", "amount"] {
            if right[field].is_null() {
                continue;
            }
            let mark = format!("\"{field}\":{}", right[field]);
            assert!(right.to_string().contains(&mark));
            for amount in impossible_amounts() {
                let body = right
                    .to_string()
                    .replace(&mark, &format!("\"{field}\":{amount}"));
                let reply = client.send(("POST", path), &[], body);
                let shown: String = amount.chars().take(50).collect();
                let what = format!("{path} {field} = {shown}");
                assert_eq!(refusal(&reply, &what), field, "{what}: {}", reply.text);
            }
        }
    }
    for amount in [
        "0",
        "1.5",
        "340282366920938463463374607431768211456",
        "-1",
        "1e3",
    ] {
        let mut body = routes(&card)[6].1.clone();
        body["amount"] = amount.into();
        assert_eq!(
            refusal(&client.post("/v1/deposits", &body), amount),
            "amount"
        );
    }
    assert_eq!(client.balance("after", &card), before);
    alive(&client, &card);
}

#[test]
fn a_sum_that_would_leave_the_range_of_amounts_is_refused() {
    let (_server, client, card) = prepared();
    let most = "9".repeat(30);
    let mut body = routes(&card)[6].1.clone();
    for number in 0..3 {
        body["amount"] = most.as_str().into();
        body["reference"] = format!("big-{number}").into();
        client.post("/v1/deposits", &body).expect(201);
    }
    let large = "9".repeat(24);
    let answer = client.authorize("large", &card, &large).expect(200);
    assert_eq!(answer["status"], "approved");
    client.step("large", "capture", "large", "").expect(200);
    for (number, dollars) in ["9".repeat(28), "9".repeat(30)].iter().enumerate() {
        let reply = client.authorize(&format!("l-{number}"), &card, dollars);
        assert!(reply.status < 500, "{}", reply.text);
        let clearing = crate::server::purchase(&format!("c-{number}"), &card, dollars);
        let reply = client.post("/v1/clearings", &clearing);
        assert!(reply.status < 500, "{}", reply.text);
    }
    alive(&client, &card);
}

#[test]
fn precision_is_the_currency_s() {
    let (_server, client, card) = prepared();
    let cases = [
        ("USD", "1.001", false),
        ("USD", "1.00", true),
        ("USD", "1.000", false),
        ("JPY", "1.5", false),
        ("JPY", "1", true),
        ("KWD", "1.2345", false),
        ("KWD", "1.234", true),
        ("CLF", "1.23456", false),
        ("usd", "1.00", false),
        ("US", "1.00", false),
        ("USDX", "1.00", false),
        ("", "1.00", false),
        ("U\u{0}D", "1.00", false),
        ("XXQ", "1.00", false),
    ];
    for (place, (currency, amount, is_right)) in cases.into_iter().enumerate() {
        let mut body = crate::server::purchase(&format!("p-{place}"), &card, amount);
        body["local_currency"] = currency.into();
        let reply = client.post("/v1/authorizations", &body);
        if is_right {
            reply.expect(200);
            continue;
        }
        let field = refusal(&reply, currency);
        assert!(
            ["local_amount", "local_currency"].contains(&field),
            "{currency}: {field}"
        );
        assert_eq!(reply.status, 422);
    }
    alive(&client, &card);
}

#[test]
fn absurd_names_are_not_found_or_refused() {
    let (_server, client, card) = prepared();
    let long = "x".repeat(4_000);
    for name in [
        "",
        ":",
        "did:bloque:account:card",
        "did:bloque:account:card::",
        "did:bloque:account:::::",
        "crd-",
        "crd-zzzzzzzzzzzzz",
        "crd-é000000000000",
        "ctk_0000000000000",
        "../../etc/passwd",
        "' OR 1=1 --",
        "\u{0}",
        "\u{202e}",
        "😀",
        &long,
    ] {
        let reply = client.authorize("absurd", name, "1.00");
        assert_eq!(refusal(&reply, name), "card", "{name}: {}", reply.text);
        let mut money = routes(name)[6].1.clone();
        money["reference"] = "absurd".into();
        let reply = client.post("/v1/deposits", &money);
        assert_eq!(
            refusal(&reply, name),
            "account_urn",
            "{name}: {}",
            reply.text
        );
    }
    for id in ["", &long[..129], "a\nb", "a\u{0}", "\u{85}", "\u{7f}"] {
        let reply = client.authorize(id, &card, "1.00");
        assert_eq!(
            refusal(&reply, id),
            "transaction_id",
            "{id:?}: {}",
            reply.text
        );
        let reply = client.step("base", "reverse", id, "0.01");
        assert_eq!(
            refusal(&reply, id),
            "transaction_id",
            "{id:?}: {}",
            reply.text
        );
    }
    for mcc in ["", "541", "54111", "54x1", "-541", "５４１１"] {
        let mut body = crate::server::purchase("mcc", &card, "1.00");
        body["merchant"]["mcc"] = mcc.into();
        let reply = client.post("/v1/authorizations", &body);
        assert_eq!(refusal(&reply, mcc), "merchant.mcc", "{mcc}");
    }
    alive(&client, &card);
}

#[test]
fn odd_texts_come_out_as_they_came_in() {
    let (_server, client, card) = prepared();
    for id in [
        "a\"b\\c/d",
        "é漢字😀",
        "\u{2028}",
        "null",
        "auth_x",
        " ",
        "a b",
        "{}",
    ] {
        let answer = client.authorize(id, &card, "0.01").expect(200);
        assert_eq!(answer["transaction_id"], id);
        assert!(client.authorize(id, &card, "0.01").is_replay(), "{id}");
        let mut step = json!({ "transaction_id": id });
        step["local_amount"] = "0.01".into();
        let path = format!(
            "/v1/authorizations/{}/reverse",
            answer["id"].as_str().unwrap()
        );
        let stepped = client.post(&path, &step).expect(200);
        assert_eq!(stepped["operation"]["transaction_id"], id);
        let mut money = routes(&card)[6].1.clone();
        money["reference"] = id.into();
        assert_eq!(
            client.post("/v1/deposits", &money).expect(201)["reference"],
            id
        );
    }
    alive(&client, &card);
}
