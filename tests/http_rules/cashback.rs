//! Cashback: on top of the debit, into pockets at capture, back in proportion at refunds.

use serde_json::{Value, json};

use crate::house::{House, legs, paid, smart};

const NONE: Value = Value::Null;

fn programmes(target: &str) -> Value {
    json!([
        { "program_name": "savings", "type": "extra_savings", "target_pocket_urn": target,
          "fee_type": "percentage", "value": 0.03 },
        { "program_name": "change", "type": "round_up", "target_pocket_urn": target },
    ])
}

fn parts(told: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let parts = told["surcharges"].as_array().unwrap().iter();
    parts
        .map(|part| (text(&part["type"]), text(&part["amount"])))
        .collect()
}

fn both(savings: &str, change: &str) -> Vec<(String, String)> {
    vec![
        ("extra_savings".to_owned(), savings.to_owned()),
        ("round_up".to_owned(), change.to_owned()),
    ]
}

#[test]
fn extra_savings_and_round_up_are_held_on_top_and_set_aside_at_capture() {
    let mut house = House::open();
    let jar = &house.pocket(0, &json!({ "name": "Jar" }));
    let card = &house.card(
        100_000_000,
        &json!({ "cashback_programs": programmes(jar) }),
    );
    let bought = house.approved(card, "34.70", &NONE);
    assert_eq!(bought["amount"], "34700000");
    assert_eq!(parts(&bought), both("1041000", "300000"));
    assert_eq!(bought["surcharges"][0]["local_amount"], "1.041");
    assert_eq!(bought["surcharges"][1]["target_account_urn"], **jar);
    assert_eq!(bought["surcharge_amount"], "1341000");
    assert_eq!(legs(&bought), paid(&[(card, 36_041_000)]));
    assert_eq!(bought["held_amount"], "36041000");
    // Fees are of the debit alone.
    assert_eq!(bought["fee_breakdown"]["total_fees"], "499680");
    assert_eq!(
        (house.money(jar), house.money(card)),
        ((0, 0), (63_959_000, 36_041_000))
    );
    house.restart();
    let captured = house.step(&bought, "capture", "");
    assert_eq!(parts(&captured["operation"]), both("1041000", "300000"));
    assert_eq!(
        (house.money(jar), house.money(card)),
        ((1_341_000, 0), (63_959_000, 0))
    );
    assert_eq!(house.movements(jar)[0]["details"]["type"], "cashback");
    let half = house.step(&bought, "refund", "17.35");
    assert_eq!(parts(&half["operation"]), both("520500", "150000"));
    assert_eq!(
        (house.money(jar), house.money(card)),
        ((670_500, 0), (81_979_500, 0))
    );
    house.step(&bought, "refund", "");
    assert_eq!(
        (house.money(jar), house.money(card)),
        ((0, 0), (100_000_000, 0))
    );
    assert_eq!(
        house.movements(jar)[0]["details"]["type"],
        "cashback_reversal"
    );
    house.close_and_verify();
}

#[test]
fn a_released_hold_sets_nothing_aside_and_a_part_of_it_its_part() {
    let house = House::open();
    let jar = &house.pocket(0, &json!({}));
    let card = &house.card(
        100_000_000,
        &json!({ "cashback_programs": programmes(jar) }),
    );
    let gone = house.approved(card, "34.70", &NONE);
    house.step(&gone, "reverse", "");
    assert_eq!(
        (house.money(jar), house.money(card)),
        ((0, 0), (100_000_000, 0))
    );
    let part = house.approved(card, "34.70", &NONE);
    let captured = house.step(&part, "capture", "17.35");
    assert_eq!(parts(&captured["operation"]), both("520500", "150000"));
    assert_eq!(house.money(card), (63_959_000, 18_020_500));
    house.step(&part, "reverse", "");
    assert_eq!(
        (house.money(jar), house.money(card)),
        ((670_500, 0), (81_979_500, 0))
    );
    house.close_and_verify();
}

#[test]
fn what_the_jar_no_longer_has_is_not_asked_back() {
    let house = House::open();
    let jar = &house.pocket(0, &json!({}));
    let card = &house.card(
        100_000_000,
        &json!({ "cashback_programs": programmes(jar) }),
    );
    let bought = house.approved(card, "34.70", &json!({ "capture": true }));
    let spent = json!({
        "account_urn": jar, "asset": "DUSD/6", "amount": "1341000", "reference": "spent",
    });
    house.client.post("/v1/withdrawals", &spent).expect(201);
    let refund = house.step(&bought, "refund", "");
    assert_eq!(refund["operation"]["amount"], "34700000");
    assert_eq!(
        (house.money(jar), house.money(card)),
        ((0, 0), (98_659_000, 0))
    );
    house.close_and_verify();
}

#[test]
fn a_surcharge_is_split_with_its_debit_and_left_out_of_a_partial_approval() {
    let house = House::open();
    let jar = &house.pocket(0, &json!({}));
    let food = &house.pocket(20_000_000, &json!({}));
    let main = &house.pocket(20_000_000, &json!({}));
    let mut metadata = smart(&[food, main], &[]);
    metadata["cashback_programs"] = programmes(jar);
    let card = &house.card(0, &metadata);
    let bought = house.approved(card, "34.70", &NONE);
    assert_eq!(
        legs(&bought),
        paid(&[(food, 20_000_000), (main, 16_041_000)])
    );
    house.step(&bought, "reverse", "");
    // 39.90 and its surcharges are more than there is: the debit alone, as far as it goes.
    let partial = json!({ "partial_approval": true });
    let part = house.buy(card, "39.90", &partial);
    assert_eq!(part["status"], "approved", "{part}");
    assert_eq!(part["amount"], "39900000");
    assert_eq!(part.get("surcharges"), None);
    house.step(&part, "reverse", "");
    let part = house.buy(card, "41.00", &partial);
    assert_eq!(
        (&part["status"], &part["response_code"]),
        (&json!("partially_approved"), &json!("10"))
    );
    assert_eq!(
        (&part["approved_local_amount"], &part["amount"]),
        (&json!("40.00"), &json!("40000000"))
    );
    house.close_and_verify();
}
