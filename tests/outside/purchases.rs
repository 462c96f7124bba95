//! What came from outside decides purchases: a rate, a list, what the origin says.

use serde_json::{Value, json};

use crate::{
    pages::{Page, Pages},
    server::{Client, DUSD, HOLDER, KEY, Reply, Server, purchase, wait_until},
};

fn pesos(client: &Client, id: &str, card: &str, amount: &str) -> Reply {
    let mut body = purchase(id, card, amount);
    body["local_currency"] = "COP".into();
    client.post("/v1/authorizations", &body)
}

#[test]
fn a_rate_that_was_put_converts_the_next_purchase_and_an_old_one_none() {
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    let declined = pesos(&client, "a1", &card, "100000.00").expect(200);
    assert_eq!(declined["status"], "declined");
    assert_eq!(declined["decline_reason"], "currency_not_supported");
    let put = |client: &Client, at: &str| {
        let rate = format!(r#"{{"base":"USD","quote":"COP","rate":"4012.55"{at}}}"#);
        let body = format!(r#"{{"rates":[{rate}]}}"#);
        client.send(("PUT", "/v1/rates"), &[], body).expect(200);
    };
    put(&client, r#","at":"2026-01-01T00:00:00Z""#);
    let declined = pesos(&client, "a2", &card, "100000.00").expect(200);
    assert_eq!(
        declined["decline_reason"], "currency_not_supported",
        "{declined}"
    );
    put(&client, "");
    let check = |client: &Client, id: &str| {
        let approved = pesos(client, id, &card, "100000.00").expect(200);
        // 2 % less than 4012.55, and 100000 / 3932.299 in millionths, rounded up.
        assert_eq!(approved["exchange_rate"], "3932.299", "{approved}");
        assert_eq!(approved["amount"], "25430417", "{approved}");
        assert_eq!(approved["asset"], DUSD);
    };
    check(&client, "a3");
    server.restart();
    check(&server.client(), "a4");
    server.client().trial_balance();
}

fn account(client: &Client, path: &str, ledger: Option<&Value>, metadata: &Value) -> Value {
    let mut body = json!({ "holder_urn": HOLDER, "input": {}, "metadata": metadata });
    if path.ends_with("card") {
        body["input"] = json!({ "create": { "card_type": "VIRTUAL" } });
    }
    if let Some(ledger) = ledger {
        body["ledger_account_id"] = ledger.clone();
    }
    let made = client.post(path, &body);
    assert!(made.status < 300, "{}", made.text);
    made.json["result"]["account"].clone()
}

/// A purchase at a merchant of that category: the status.
fn buy(client: &Client, id: &str, card: &str, mcc: &str) -> String {
    let mut body = purchase(id, card, "0.10");
    body["merchant"]["mcc"] = mcc.into();
    let told = client.post("/v1/authorizations", &body).expect(200);
    told["status"].as_str().unwrap().to_owned()
}

/// A card whose only pocket has 100 dollars, for the merchants of the list at `url`.
fn smart_card(client: &Client, url: &str) -> String {
    let pocket = account(
        client,
        "/api/mediums/virtual",
        None,
        &json!({ "name": "Food" }),
    );
    let urn = pocket["urn"].as_str().unwrap();
    let deposit = json!({
        "account_urn": urn, "asset": DUSD, "amount": "100000000", "reference": "r1",
    });
    client.post("/v1/deposits", &deposit).expect(201);
    let metadata = json!({
        "spending_control": "smart", "priority_mcc": [urn],
        "mcc_whitelist": { urn: url },
    });
    let ledger = &pocket["ledger_account_id"];
    let card = account(client, "/api/mediums/card", Some(ledger), &metadata);
    card["urn"].as_str().unwrap().to_owned()
}

#[test]
fn a_pocket_is_for_the_merchants_of_a_list_at_a_url() {
    let temp = tempfile::tempdir().unwrap();
    let pages = Pages::start();
    let settings = [
        ("CARDWRIGHT_LISTS__REFRESH_S", "1"),
        ("CARDWRIGHT_OUTGOING__ALLOW_PRIVATE", "true"),
    ];
    let mut server = Server::on(&temp.path().join("data"), &settings);
    let client = server.client();
    let card = smart_card(&client, &pages.url("/food.json"));
    let card = card.as_str();
    wait_until("the list is asked for", || {
        !pages.visits("/food.json").is_empty()
    });
    assert_eq!(
        buy(&client, "b0", card, "5411"),
        "declined",
        "it never arrived"
    );
    let mut count = 0;
    let mut until = |client: &Client, mcc: &str, status: &str| {
        wait_until("the list decides", || {
            count += 1;
            buy(client, &format!("c{count}"), card, mcc) == status
        });
    };
    pages.set(
        "/food.json",
        Page::json(r#"["5411"]"#).with("etag", "\"1\""),
    );
    until(&client, "5411", "approved");
    assert_eq!(buy(&client, "b1", card, "5812"), "declined");
    pages.set("/food.json", Page::json("[5812]").with("etag", "\"2\""));
    until(&client, "5812", "approved");
    assert_eq!(buy(&client, "b2", card, "5411"), "declined");
    pages.set("/food.json", Page::status(500));
    server.restart();
    let client = server.client();
    assert_eq!(
        buy(&client, "b3", card, "5812"),
        "approved",
        "the last good list"
    );
    assert_eq!(
        server.terminate(),
        Some(0),
        "fetching does not hold up the end"
    );
    server.restart();
    let client = server.client();
    assert_eq!(
        buy(&client, "b4", card, "5812"),
        "approved",
        "from a snapshot"
    );
    assert_eq!(buy(&client, "b5", card, "5411"), "declined");
    let before = pages.visits("/food.json").len();
    wait_until("it is asked for again", || {
        pages.visits("/food.json").len() > before
    });
    pages.set("/food.json", Page::json("[5411]").with("etag", "\"3\""));
    until(&client, "5411", "approved");
    client.trial_balance();
}

#[test]
fn an_origin_s_fee_goes_before_the_house_s() {
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    let fee = |client: &Client, id: &str| {
        let told = client.authorize(id, &card, "1.00").expect(200);
        told["fee_breakdown"]["total_fees"].clone()
    };
    assert_eq!(fee(&client, "a1"), "14400");
    let set = |client: &Client, value: &Value| {
        let metadata = json!({ "spending_fees": [{
            "fee_name": "interchange", "account_urn": "urn:acme:treasury:interchange",
            "type": "percentage", "value": value, "category": "interchange",
        }] });
        let body = json!({ "api_key": KEY, "metadata": metadata }).to_string();
        let path = ("PATCH", "/api/origins/sandbox/metadata");
        client.with_key(None).send(path, &[], body)
    };
    set(&client, &json!(0.01)).expect(200);
    assert_eq!(
        fee(&client, "a2"),
        "10000",
        "for a card that was live already"
    );
    let refused = set(&client, &json!("much"));
    assert_eq!(refused.status, 400, "{}", refused.text);
    let field = refused.json["extra_details"]["field"].as_str().unwrap();
    assert!(field.starts_with("metadata.spending_fees[0]"), "{field}");
    server.restart();
    assert_eq!(fee(&server.client(), "a3"), "10000", "after a restart");
}
