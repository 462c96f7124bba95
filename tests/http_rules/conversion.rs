//! Conversions: a rate that was put, fees of three layers, the breakdown wherever it is shown.

use serde_json::{Value, json};

use crate::house::{House, refusing};

const COP: &str = "39400.00";

fn pesos() -> Value {
    json!({ "local_currency": "COP" })
}

fn fee(name: &str, value: f64, category: &str, rule: Option<&str>) -> Value {
    let mut fee = json!({
        "fee_name": name, "account_urn": format!("urn:bloque:treasury:{name}"),
        "type": "percentage", "value": value, "category": category,
    });
    if let Some(rule) = rule {
        fee["rule"] = rule.into();
    }
    fee
}

fn lines(breakdown: &Value) -> Vec<(String, String)> {
    let lines = breakdown["fees"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .map(|line| (text(&line["fee_name"]), text(&line["amount"])))
        .collect()
}

fn expected(fees: &[(&str, &str)]) -> Vec<(String, String)> {
    let line = |(name, amount): &(&str, &str)| ((*name).to_owned(), (*amount).to_owned());
    fees.iter().map(line).collect()
}

/// What a movement tells of the purchase below.
fn is_said_of(said: &Value) {
    for (name, amount) in [
        ("fee_interchange", "144000"),
        ("fee_fx", "150000"),
        ("fee_premium", "50000"),
        ("total_fees", "344000"),
        ("settlement", "9656000"),
        ("exchange_rate", "3940"),
        ("local_amount", COP),
        ("local_currency", "COP"),
    ] {
        assert_eq!(said[name], amount, "{name}: {said}");
    }
}

#[test]
fn a_purchase_in_pesos_is_converted_with_the_fees_of_all_layers() {
    let mut house = House::open();
    house.rate(("USD", "COP", "4000"), None);
    let card = &house.card(
        100_000_000,
        &json!({ "spending_fees": [fee("fx", 0.015, "fx", Some("fx_conversion"))] }),
    );
    let origin =
        json!({ "metadata": { "spending_fees": [fee("premium", 0.005, "custom", None)] } });
    house
        .send("PATCH", "/v1/origins/sandbox/metadata", &origin)
        .expect(200);

    let bought = house.approved(card, COP, &pesos());
    // 1.5 % less than 4000 is 3940: ten dollars.
    assert_eq!(bought["exchange_rate"], "3940");
    assert_eq!(
        (&bought["asset"], &bought["amount"]),
        (&json!("DUSD/6"), &json!("10000000"))
    );
    assert_eq!(bought["local_amount"], COP);
    let fees = [
        ("interchange", "144000"),
        ("fx", "150000"),
        ("premium", "50000"),
    ];
    let is_whole = |breakdown: &Value| {
        assert_eq!(lines(breakdown), expected(&fees));
        assert_eq!(breakdown["total_fees"], "344000");
        assert_eq!(breakdown["settlement"], "9656000");
    };
    is_whole(&bought["fee_breakdown"]);
    assert_eq!(bought["fee_breakdown"]["fees"][1]["rate"], 0.015);
    assert_eq!(house.money(card), (90_000_000, 10_000_000));
    let tried = house.explained(&bought)["explanation"]["assets"][0].clone();
    assert_eq!(tried["conversion"]["mid_rate"], "4000");
    assert_eq!(tried["conversion"]["spread"], "0.015");
    assert_eq!(tried["conversion"]["source"], "desk");

    house.restart();
    // What was decided stays as it was priced, whatever rates and fees say now.
    house.rate(("USD", "COP", "5000"), None);
    let no_more = json!({ "metadata": { "spending_fees": null } });
    house
        .send("PATCH", "/v1/origins/sandbox/metadata", &no_more)
        .expect(200);
    let captured = house.step(&bought, "capture", "");
    is_whole(&captured["operation"]["fee_breakdown"]);
    let moved = &house.movements(card)[0];
    assert_eq!(
        (&moved["direction"], &moved["amount"]),
        (&json!("out"), &json!("10000000"))
    );
    is_said_of(&moved["details"]["metadata"]);
    let half = house.step(&bought, "refund", "19700.00");
    let breakdown = &half["operation"]["fee_breakdown"];
    let halves = [
        ("interchange", "72000"),
        ("fx", "75000"),
        ("premium", "25000"),
    ];
    assert_eq!(lines(breakdown), expected(&halves));
    assert_eq!(house.money(card), (95_000_000, 0));
    let next = house.approved(card, COP, &pesos());
    assert_eq!(
        (&next["exchange_rate"], &next["amount"]),
        (&json!("4925"), &json!("8000000"))
    );
    let house_of = house.client.trial_balance()["assets"]["DUSD/6"]["house"].clone();
    assert_eq!(house_of["urn:bloque:treasury:premium"], "25000");
    assert_eq!(house_of["urn:bloque:treasury:fx"], "75000");
    house.close_and_verify();
}

#[test]
fn amounts_are_rounded_up_to_the_smallest_unit_and_never_else() {
    let house = House::open();
    house.rate(("USD", "COP", "4012.55"), None);
    let card = &house.card(100_000_000, &json!({}));
    // 100000 / (4012.55 × 0.98) is 25.430416…: up. 1.44 % and 2 % of that: down.
    let bought = house.approved(card, "100000.00", &pesos());
    assert_eq!(
        (&bought["exchange_rate"], &bought["amount"]),
        (&json!("3932.299"), &json!("25430417"))
    );
    let fees = [("interchange", "366198"), ("fx", "508608")];
    assert_eq!(lines(&bought["fee_breakdown"]), expected(&fees));
    assert_eq!(bought["fee_breakdown"]["settlement"], "24555611");
    // The smallest purchase costs a smallest unit or more.
    let least = house.approved(card, "0.01", &pesos());
    assert_eq!(least["amount"], "3");
    house.step(&bought, "capture", "");
    house.step(&least, "capture", "");
    house.step(&bought, "refund", "33333.33");
    house.step(&bought, "refund", "");
    house.step(&least, "refund", "");
    assert_eq!(house.money(card), (100_000_000, 0));
    house.close_and_verify();
}

#[test]
fn without_a_fresh_rate_a_currency_is_declined_and_the_explanation_says_why() {
    let house = House::open();
    let card = &house.card(100_000_000, &json!({ "fallback_asset": "EURc/6" }));
    let unknown = house.declined(card, COP, &pesos());
    assert_eq!(unknown["decline_reason"], "currency_not_supported");
    assert_eq!(unknown["response_code"], "57");
    house.rate(("USD", "COP", "4000"), Some("2026-01-01T00:00:00Z"));
    let stale = house.declined(card, COP, &pesos());
    assert_eq!(stale["decline_reason"], "currency_not_supported");
    let results = |authorization: &Value| -> Vec<Value> {
        let told = house.explained(authorization);
        assert_eq!(refusing(&told), Some("asset"));
        let tried = told["explanation"]["assets"].as_array().unwrap().clone();
        let one = |one: &Value| json!([one["asset"], one["result"]]);
        tried.iter().map(one).collect()
    };
    assert_eq!(
        results(&unknown),
        [json!(["DUSD/6", "no_rate"]), json!(["EURc/6", "no_rate"])]
    );
    assert_eq!(
        results(&stale),
        [
            json!(["DUSD/6", "stale_rate"]),
            json!(["EURc/6", "no_rate"])
        ]
    );
    let shown = house.client.get("/v1/rates").expect(200);
    assert_eq!(shown["rates"][0]["stale"], true);
    house.rate(("USD", "COP", "4000"), None);
    house.approved(card, COP, &pesos());
}

#[test]
fn a_clearing_posts_at_what_the_network_settles_or_at_the_last_rate() {
    // No asset of the house is in Argentine pesos.
    let house = House::open();
    let card = &house.card(
        100_000_000,
        &json!({ "spending_fees": [fee("fx", 0.015, "fx", Some("fx_conversion"))] }),
    );
    let clearing = |id: &str, usd: Option<&str>| {
        let mut body = json!({
            "transaction_id": id, "card": card, "local_amount": COP, "local_currency": "ARS",
        });
        if let Some(usd) = usd {
            body["usd_amount"] = usd.into();
        }
        house.client.post("/v1/clearings", &body)
    };
    // Nothing is known: what is missing is said.
    let refused = clearing("c0", None);
    assert_eq!(refused.code(422), "impossible_value");
    let error = &refused.json["error"];
    assert_eq!(error["field"], "local_currency");
    assert!(error["message"].as_str().unwrap().contains("usd_amount"));
    assert_eq!(clearing("c0", Some("0")).code(422), "impossible_value");
    // Ten dollars for 39,400 pesos are 3,940 for one; 1.5 % less than that: 10.152285 dollars.
    let settled = clearing("c1", Some("10.00")).expect(200);
    assert_eq!(
        (&settled["state"], &settled["forced"]),
        (&json!("captured"), &json!(true))
    );
    assert_eq!(settled["captured_amount"], "10152285");
    assert_eq!(settled["exchange_rate"], "3880.9");
    // A rate that is too old to approve at is still the best that is known of a debt.
    house.rate(("USD", "ARS", "4000"), Some("2020-01-01T00:00:00Z"));
    let bought = house.client.post("/v1/authorizations", &{
        let mut body = crate::server::purchase("a1", card, COP);
        body["local_currency"] = "ARS".into();
        body
    });
    assert_eq!(
        bought.expect(200)["decline_reason"],
        "currency_not_supported"
    );
    let posted = clearing("c2", None).expect(200);
    assert_eq!(posted["captured_amount"], "10000000");
    assert_eq!(posted["exchange_rate"], "3940");
    let explained = house.client.get("/v1/authorizations/c2?explain=true");
    let said = explained.expect(200)["explanation"].to_string();
    assert!(
        said.contains("stale_rate") && said.contains("2020-01-01"),
        "{said}"
    );
    // What the network settles goes before it.
    assert_eq!(
        clearing("c3", Some("10.00")).expect(200)["captured_amount"],
        "10152285"
    );
    house.client.trial_balance();
}
