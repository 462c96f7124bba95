//! Controls and limits: each declines by its reason, says what is left, and is given back.

use serde_json::{Value, json};

use crate::{
    house::{House, refusing},
    server::wait_until,
};

const NONE: Value = Value::Null;

fn controlled(controls: &Value) -> Value {
    json!({ "controls": controls })
}

#[test]
fn every_limit_declines_what_would_exceed_it_and_says_what_is_left() {
    let house = House::open();
    let windows = ["day", "week", "month", "year", "lifetime"];
    let windows = windows.iter().map(|word| (json!(word), (*word).to_owned()));
    let rolling = (
        json!({ "rolling_seconds": 3600 }),
        "rolling_3600".to_owned(),
    );
    for (window, name) in windows.chain([rolling]) {
        let limit = json!({ "limits": [{ "window": window, "amount": "15.00", "count": 2 }] });
        let card = &house.card(100_000_000, &controlled(&limit));
        house.approved(card, "10.00", &NONE);
        let over = house.declined(card, "5.01", &NONE);
        assert_eq!(over["decline_reason"], "amount_limit_exceeded");
        assert_eq!(over["response_code"], "61");
        let expect = json!({
            "scope": "account", "account_urn": card, "control": format!("limits.{name}.amount"),
            "limit": "15.00", "left": "5.00", "currency": "USD",
        });
        assert_eq!(over["decline_details"], expect);
        house.approved(card, "4.00", &NONE);
        let often = house.declined(card, "1.00", &NONE);
        assert_eq!(often["decline_reason"], "count_limit_exceeded");
        assert_eq!(often["response_code"], "65");
        let expect = json!({
            "scope": "account", "account_urn": card, "control": format!("limits.{name}.count"),
            "limit": "2", "left": "0", "currency": null,
        });
        assert_eq!(often["decline_details"], expect);
        assert_eq!(refusing(&house.explained(&often)), Some("limits"));
        let stands = json!([{
            "window": window,
            "amount": { "limit": "15.00", "used": "14.00", "left": "1.00" },
            "count": { "limit": 2, "used": 2, "left": 0 },
        }]);
        assert_eq!(house.usage(card)["limits"], stands);
        assert_eq!(house.money(card), (86_000_000, 14_000_000));
    }
    let limit = json!({ "limits": [{ "window": "transaction", "amount": "15.00" }] });
    let card = &house.card(100_000_000, &controlled(&limit));
    house.approved(card, "15.00", &NONE);
    let over = house.declined(card, "15.01", &NONE);
    assert_eq!(
        over["decline_details"]["control"],
        "limits.transaction.amount"
    );
    assert_eq!(over["decline_details"]["left"], "15.00");
}

/// Controls, what they let pass, what they do not; reason, control, check.
type Case = (Value, Value, Value, [&'static str; 3]);

fn rules() -> Vec<Case> {
    let mcc = |code: &str| json!({ "merchant": { "mcc": code } });
    let merchant = |id: &str| json!({ "merchant": { "id": id } });
    let country = |code: &str| json!({ "merchant": { "country": code } });
    let point = |point: &str| json!({ "medium": { "point_type": point } });
    let case = |controls, good, bad, names| (controls, good, bad, names);
    vec![
        case(
            json!({ "mcc": { "allow": ["5411", "5800-5899"] } }),
            mcc("5812"),
            mcc("7995"),
            ["mcc_not_allowed", "mcc.allow", "mcc"],
        ),
        case(
            json!({ "mcc": { "deny": ["7800-7999"] } }),
            mcc("5812"),
            mcc("7995"),
            ["mcc_not_allowed", "mcc.deny", "mcc"],
        ),
        case(
            json!({ "merchants": { "allow": ["m-1"] } }),
            merchant("m-1"),
            merchant("m-2"),
            ["merchant_not_allowed", "merchants.allow", "merchants"],
        ),
        case(
            json!({ "merchants": { "deny": ["m-2"] } }),
            merchant("m-1"),
            merchant("m-2"),
            ["merchant_not_allowed", "merchants.deny", "merchants"],
        ),
        case(
            json!({ "countries": { "allow": ["US"] } }),
            country("840"),
            country("COL"),
            ["country_not_allowed", "countries.allow", "countries"],
        ),
        case(
            json!({ "countries": { "deny": ["COL"] } }),
            country("USA"),
            country("CO"),
            ["country_not_allowed", "countries.deny", "countries"],
        ),
        case(
            json!({ "channels": ["pos", "atm"] }),
            point("POS"),
            point("ECOMMERCE"),
            ["channel_not_allowed", "channels", "channels"],
        ),
        case(
            json!({ "single_use": true }),
            json!({ "capture": true }),
            json!({}),
            ["single_use_spent", "single_use", "single_use"],
        ),
        case(
            json!({ "merchant_locked": true }),
            merchant("m-7"),
            merchant("m-2"),
            ["merchant_not_allowed", "merchant_locked", "merchant_locked"],
        ),
    ]
}

#[test]
fn every_rule_declines_by_its_reason_on_cards_and_for_all_cards_of_an_origin() {
    let house = House::open();
    for (controls, good, bad, [reason, control, check]) in rules() {
        let card = &house.card(10_000_000, &controlled(&controls));
        house.approved(card, "1.00", &good);
        let refused = house.declined(card, "1.00", &bad);
        assert_eq!(refused["decline_reason"], reason, "{controls}");
        assert_eq!(refused["response_code"], "57");
        let expect = json!({
            "scope": "account", "account_urn": card, "control": control,
            "limit": null, "left": null, "currency": null,
        });
        assert_eq!(refused["decline_details"], expect);
        assert_eq!(refusing(&house.explained(&refused)), Some(check));
    }
    let origin = json!({ "metadata": controlled(&json!({ "mcc": { "deny": ["7995"] } })) });
    house
        .send("PATCH", "/v1/origins/sandbox/metadata", &origin)
        .expect(200);
    let card = &house.card(10_000_000, &json!({}));
    house.approved(card, "1.00", &NONE);
    let refused = house.declined(card, "1.00", &json!({ "merchant": { "mcc": "7995" } }));
    let details = &refused["decline_details"];
    assert_eq!(
        (&details["scope"], &details["control"]),
        (&json!("origin"), &json!("mcc.deny"))
    );
}

#[test]
fn hours_are_those_of_the_house() {
    let house = House::open();
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let span =
        |days: &[&str]| json!({ "hours": [{ "days": days, "from": "00:00", "until": "24:00" }] });
    let allowed = |house: &House, day: &str| {
        let card = &house.card(10_000_000, &controlled(&span(&[day])));
        let told = house.buy(card, "1.00", &NONE);
        if told["status"] == "declined" {
            assert_eq!(told["decline_reason"], "time_not_allowed");
            assert_eq!(told["decline_details"]["control"], "hours");
            assert_eq!(refusing(&house.explained(&told)), Some("hours"));
        }
        told["status"] == "approved"
    };
    let open = days.iter().filter(|day| allowed(&house, day)).count();
    // Two, if midnight came while they were asked.
    assert!((1..=2).contains(&open), "{open}");
    let card = &house.card(10_000_000, &controlled(&span(&days)));
    house.approved(card, "1.00", &NONE);
}

#[test]
fn what_is_released_gives_its_limit_back_and_what_is_refunded_does_not() {
    let house = House::with(&[
        ("CARDWRIGHT_HOLDS__DEFAULT_S", "2"),
        ("CARDWRIGHT_HOLDS__EXPIRY_EVERY_MS", "20"),
    ]);
    let limit = json!({ "limits": [{ "window": "day", "amount": "15.00", "count": 1 }] });
    let card = &house.card(100_000_000, &controlled(&limit));
    let standing = |used: &str, count: u32| {
        let limits = house.usage(card)["limits"][0].clone();
        limits["amount"]["used"] == used && limits["count"]["used"] == count
    };
    let bought = house.approved(card, "15.00", &NONE);
    house.step(&bought, "reverse", "5.00");
    assert!(standing("10.00", 1));
    house.step(&bought, "reverse", "");
    assert!(standing("0.00", 0));
    let expiring = house.approved(card, "15.00", &NONE);
    wait_until("the hold ends", || standing("0.00", 0));
    assert_eq!(house.explained(&expiring)["state"], "expired");
    let bought = house.approved(card, "12.00", &json!({ "capture": true }));
    house.step(&bought, "refund", "");
    assert!(standing("12.00", 1));
    assert_eq!(
        house.declined(card, "1.00", &NONE)["decline_reason"],
        "count_limit_exceeded"
    );
    house.close_and_verify();
}

#[test]
fn limits_count_in_a_currency_and_what_cannot_be_valued_in_it_is_declined() {
    let house = House::open();
    let limit = json!({ "currency": "COP", "limits": [{ "window": "day", "amount": "50000.00" }] });
    let card = &house.card(100_000_000, &controlled(&limit));
    let unvalued = house.declined(card, "1.00", &NONE);
    assert_eq!(unvalued["decline_reason"], "amount_limit_exceeded");
    assert_eq!(
        unvalued["decline_details"]["left"], NONE,
        "no rate: nobody can say"
    );
    house.rate(("USD", "COP", "4000"), None);
    house.approved(card, "10.00", &NONE);
    let over = house.declined(card, "2.51", &NONE);
    let details = &over["decline_details"];
    assert_eq!(
        (&details["left"], &details["currency"]),
        (&json!("10000.00"), &json!("COP"))
    );
    house.approved(card, "2.50", &NONE);
}

#[test]
fn an_increment_is_held_against_amounts_and_is_no_purchase_of_its_own() {
    let house = House::open();
    let limits = json!({ "limits": [
        { "window": "transaction", "amount": "20.00" },
        { "window": "day", "amount": "30.00", "count": 1 },
    ] });
    let card = &house.card(100_000_000, &controlled(&limits));
    let bought = house.approved(card, "15.00", &NONE);
    let grown = house.step(&bought, "increment", "5.00");
    assert_eq!(grown["operation"]["status"], "approved", "{grown}");
    let over = house.step(&bought, "increment", "0.01");
    assert_eq!(over["operation"]["status"], "declined");
    assert_eq!(over["operation"]["decline_reason"], "amount_limit_exceeded");
    assert_eq!(over["amount"], "20000000", "as it was");
    let used = house.usage(card)["limits"][1].clone();
    assert_eq!(
        (&used["amount"]["used"], &used["count"]["used"]),
        (&json!("20.00"), &json!(1))
    );
}

#[test]
fn a_limit_that_came_after_a_purchase_loses_no_count_of_another() {
    let house = House::open();
    let card = &house.card(100_000_000, &json!({}));
    let early = house.approved(card, "1.00", &NONE);
    let limit = json!({ "limits": [{ "window": "lifetime", "count": 2 }] });
    let path = format!("/v1/cards/{card}/controls");
    house.send("PUT", &path, &limit).expect(200);
    house.step(&early, "increment", "1.00");
    house.approved(card, "1.00", &NONE);
    house.step(&early, "reverse", "");
    let used = house.usage(card)["limits"][0]["count"].clone();
    assert_eq!(used, json!({ "limit": 2, "used": 1, "left": 1 }));
}
