//! Fees that another account earns: at once in the same actor, through transit elsewhere.

use serde_json::{Value, json};

use crate::{
    house::{House, smart},
    server::wait_until,
};

const NONE: Value = Value::Null;

/// A tenth of the debit for that account.
fn tenth_for(urn: &str) -> Value {
    json!([{ "fee_name": "partner", "account_urn": urn, "type": "percentage", "value": 0.1 }])
}

fn arrives(house: &House, urn: &str, current: i128) {
    wait_until("the fee arrives", || {
        house.client.trial_balance();
        house.money(urn).0 == current
    });
}

fn in_transit(house: &House) -> Value {
    house.client.trial_balance()["assets"]["DUSD/6"]["house"]["transit"].clone()
}

#[test]
fn an_earner_of_the_same_actor_has_its_fee_with_the_capture_and_owes_it_back() {
    let house = House::open();
    let main = &house.pocket(100_000_000, &json!({}));
    let partner = &house.pocket(0, &json!({}));
    let mut metadata = smart(&[main, partner], &[]);
    metadata["spending_fees"] = tenth_for(partner);
    let card = &house.card(0, &metadata);
    let bought = house.approved(card, "50.00", &NONE);
    assert_eq!(bought["fee_breakdown"]["total_fees"], "5720000");
    assert_eq!(house.money(partner), (0, 0), "a hold earns nothing");
    house.step(&bought, "capture", "20.00");
    assert_eq!(house.money(partner), (2_000_000, 0));
    house.step(&bought, "capture", "");
    assert_eq!(house.money(partner), (5_000_000, 0));
    house.step(&bought, "refund", "10.00");
    assert_eq!(house.money(partner), (4_000_000, 0));
    // What it has spent of it, it owes.
    let spent = json!({
        "account_urn": partner, "asset": "DUSD/6", "amount": "3000000", "reference": "spent",
    });
    house.client.post("/v1/withdrawals", &spent).expect(201);
    house.step(&bought, "refund", "");
    assert_eq!(house.money(partner), (-3_000_000, 0));
    assert_eq!(house.money(main), (100_000_000, 0));
    house.close_and_verify();
}

#[test]
fn an_earner_elsewhere_is_reached_through_transit_and_called_back_by_a_refund() {
    let mut house = House::open();
    let partner = &house.card(0, &json!({ "name": "Partner" }));
    let card = &house.card(100_000_000, &json!({ "spending_fees": tenth_for(partner) }));
    let bought = house.approved(card, "50.00", &NONE);
    house.step(&bought, "capture", "");
    arrives(&house, partner, 5_000_000);
    let earned = house.movements(partner);
    assert_eq!(earned.len(), 1, "{earned:?}");
    assert_eq!(earned[0]["details"]["type"], "fee");
    assert_eq!(
        (&earned[0]["direction"], &earned[0]["amount"]),
        (&json!("in"), &json!("5000000"))
    );
    let half = house.step(&bought, "refund", "25.00");
    assert_eq!(half["operation"]["fee_breakdown"]["total_fees"], "2860000");
    arrives(&house, partner, 2_500_000);

    // Killed with a recall on its way, which takes more than is left.
    house.step(&house.approved(partner, "2.00", &NONE), "capture", "");
    house.step(&bought, "refund", "");
    house.restart();
    arrives(&house, partner, -2_000_000);
    assert_eq!(house.money(card), (100_000_000, 0));
    wait_until("nothing is in transit", || in_transit(&house) == "0");
    house.close_and_verify();
}

#[test]
fn the_fee_of_an_earner_that_is_gone_ends_in_suspense_and_comes_back_from_there() {
    let house = House::open();
    let partner = &house.card(0, &json!({}));
    let card = &house.card(100_000_000, &json!({ "spending_fees": tenth_for(partner) }));
    house
        .change(partner, &json!({ "status": "deleted" }))
        .expect(200);
    let bought = house.approved(card, "50.00", &NONE);
    let suspense = |expect: &str| {
        wait_until("the fee is in suspense, or back", || {
            let told = house.client.trial_balance();
            let of_house = &told["assets"]["DUSD/6"]["house"];
            of_house["suspense"] == expect && of_house["transit"] == "0"
        });
    };
    house.step(&bought, "capture", "");
    suspense("5000000");
    house.step(&bought, "refund", "");
    suspense("0");
    assert_eq!(house.money(card), (100_000_000, 0));
    house.close_and_verify();
}

#[test]
fn a_fee_account_must_be_one_of_ours_or_a_treasury() {
    let house = House::open();
    for urn in ["", "treasury", "did:bloque:account:card:usr-1:nonsense"] {
        let refused = house.try_card(&json!({ "spending_fees": tenth_for(urn) }));
        refused.code(400);
        let field = &refused.json["error"]["field"];
        assert_eq!(field, "metadata.spending_fees[0].account_urn", "{urn:?}");
    }
}
