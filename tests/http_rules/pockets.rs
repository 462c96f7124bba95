//! Smart cards: pockets by category and in order, one hold over several, refunds back to them.

use serde_json::{Value, json};

use crate::{
    house::{House, at, legs, paid, smart},
    server::HOLDER,
};

const NONE: Value = Value::Null;

#[test]
fn one_hold_is_split_over_pockets_and_a_refund_finds_its_way_back() {
    let house = House::open();
    let food = &house.pocket(30_000_000, &json!({ "name": "Food" }));
    let rides = &house.pocket(10_000_000, &json!({ "name": "Rides" }));
    let main = &house.pocket(100_000_000, &json!({ "name": "Main" }));
    let lists: [(&str, &[&str]); 2] = [(food, &["5411", "5812"]), (rides, &["4121"])];
    let card = &house.card(0, &smart(&[food, rides, main], &lists));

    let dinner = house.approved(card, "50.00", &at("5812"));
    assert_eq!(
        legs(&dinner),
        paid(&[(food, 30_000_000), (main, 20_000_000)])
    );
    assert_eq!(dinner["amount"], "50000000");
    assert_eq!(dinner["held_amount"], "50000000");
    assert_eq!(
        dinner["balance"],
        json!({}),
        "the card's own money, of which it has none"
    );
    assert_eq!(house.money(food), (0, 30_000_000));
    assert_eq!(house.money(main), (80_000_000, 20_000_000));

    let taxi = house.approved(card, "15.00", &at("4121"));
    assert_eq!(legs(&taxi), paid(&[(rides, 10_000_000), (main, 5_000_000)]));
    let books = house.approved(card, "60.00", &at("5942"));
    assert_eq!(legs(&books), paid(&[(main, 60_000_000)]));
    let more = house.declined(card, "15.01", &at("5411"));
    assert_eq!(more["decline_reason"], "insufficient_funds");
    assert_eq!(more["response_code"], "51");
    assert_eq!(house.money(main), (15_000_000, 85_000_000), "nothing of it");

    let captured = house.step(&dinner, "capture", "");
    assert_eq!(
        captured["operation"]["fee_breakdown"]["total_fees"],
        "720000"
    );
    assert_eq!(
        (house.money(food), house.money(main)),
        ((0, 0), (15_000_000, 65_000_000))
    );
    house.step(&dinner, "refund", "25.00");
    assert_eq!(
        (house.money(food), house.money(main)),
        ((15_000_000, 0), (25_000_000, 65_000_000))
    );
    house.step(&dinner, "refund", "");
    house.step(&taxi, "reverse", "");
    house.step(&books, "reverse", "");
    assert_eq!(
        (house.money(food), house.money(main)),
        ((30_000_000, 0), (100_000_000, 0))
    );
    assert_eq!(house.money(rides), (10_000_000, 0));
    let seen: Vec<_> = house
        .movements(food)
        .iter()
        .map(|one| one["amount"].clone())
        .collect();
    assert_eq!(seen, ["15000000", "15000000", "30000000", "30000000"]);
    house.close_and_verify();
}

#[test]
fn an_explanation_says_of_each_pocket_why_it_pays_or_does_not() {
    let house = House::open();
    let food = &house.pocket(30_000_000, &json!({}));
    let cold = &house.pocket(30_000_000, &json!({}));
    let tight = &house.pocket(
        30_000_000,
        &json!({ "controls": { "limits": [{ "window": "day", "amount": "5.00" }] } }),
    );
    let main = &house.pocket(100_000_000, &json!({}));
    let card = &house.card(0, &smart(&[food, cold, tight, main], &[(food, &["5812"])]));
    house
        .change(cold, &json!({ "status": "frozen" }))
        .expect(200);
    let bought = house.approved(card, "6.00", &at("5411"));
    assert_eq!(legs(&bought), paid(&[(main, 6_000_000)]));
    let told = house.explained(&bought);
    let tried = &told["explanation"]["assets"][0];
    assert_eq!(
        (&tried["result"], &tried["required"]),
        (&json!("chosen"), &json!("6000000"))
    );
    let pockets = tried["pockets"].as_array().unwrap();
    let why: Vec<_> = pockets
        .iter()
        .map(|pocket| &pocket["passed_over"])
        .collect();
    assert_eq!(
        why,
        [
            &json!("mcc_not_whitelisted"),
            &json!("not_active"),
            &json!("controls"),
            &NONE
        ]
    );
    let taken: Vec<_> = pockets.iter().map(|pocket| &pocket["taken"]).collect();
    assert_eq!(taken, ["0", "0", "0", "6000000"]);
    let small = house.approved(card, "5.00", &at("5411"));
    assert_eq!(legs(&small), paid(&[(tight, 5_000_000)]));
    let left = &house.usage(tight)["limits"][0]["amount"];
    assert_eq!(
        *left,
        json!({ "limit": "5.00", "used": "5.00", "left": "0.00" })
    );
}

#[test]
fn a_refund_reaches_a_frozen_pocket_and_the_part_of_a_deleted_one_is_in_suspense() {
    let house = House::open();
    let food = &house.pocket(30_000_000, &json!({}));
    let main = &house.pocket(100_000_000, &json!({}));
    let card = &house.card(0, &smart(&[food, main], &[]));
    let bought = house.approved(card, "50.00", &NONE);
    house.step(&bought, "capture", "");
    house
        .change(food, &json!({ "status": "frozen" }))
        .expect(200);
    let refund = house.step(&bought, "refund", "10.00");
    assert_eq!(refund["operation"].get("suspended"), None);
    assert_eq!(
        (house.money(food), house.money(main)),
        ((6_000_000, 0), (84_000_000, 0))
    );
    house
        .change(food, &json!({ "status": "deleted" }))
        .expect(200);
    let refund = house.step(&bought, "refund", "10.00");
    assert_eq!(refund["operation"]["suspended"], "6000000");
    assert_eq!(refund["operation"]["amount"], "10000000");
    assert_eq!(house.money(main), (88_000_000, 0));
    let next = house.approved(card, "1.00", &NONE);
    assert_eq!(legs(&next), paid(&[(main, 1_000_000)]));
    house.close_and_verify();
}

#[test]
fn pockets_with_a_past_of_their_own_come_to_one_card_and_leave_it() {
    let mut house = House::open();
    let shared = &house.pocket(50_000_000, &json!({}));
    let own = &house.pocket(20_000_000, &json!({}));
    let first = &house.card(0, &smart(&[shared], &[]));
    let open = house.approved(first, "10.00", &NONE);
    let second = &house.card(5_000_000, &json!({ "name": "Second" }));
    let earlier = house.approved(second, "1.00", &NONE);

    // They come together with holds open on both sides.
    house
        .change(second, &json!({ "metadata": smart(&[own, shared], &[]) }))
        .expect(200);
    assert_eq!(house.money(shared), (40_000_000, 10_000_000));
    let both = house.approved(second, "25.00", &NONE);
    assert_eq!(legs(&both), paid(&[(own, 20_000_000), (shared, 5_000_000)]));
    house.restart();
    house.step(&open, "capture", "");
    house.step(&earlier, "capture", "");
    house.step(&both, "capture", "");
    let (first_too, second_too) = (
        house.approved(first, "20.00", &NONE),
        house.declined(second, "15.01", &NONE),
    );
    assert_eq!(legs(&first_too), paid(&[(shared, 20_000_000)]));
    assert_eq!(
        second_too["decline_reason"], "insufficient_funds",
        "the other card has it"
    );
    assert_eq!(house.movements(shared).len(), 3, "its past came with it");

    // Unlinked, the card has its own money again; refunds still know who paid.
    let plain = json!({ "spending_control": null, "priority_mcc": null, "mcc_whitelist": null });
    house
        .change(second, &json!({ "metadata": plain }))
        .expect(200);
    let own_money = house.approved(second, "4.00", &NONE);
    assert_eq!(legs(&own_money), paid(&[(second, 4_000_000)]));
    house.step(&both, "refund", "");
    assert_eq!(
        (house.money(own), house.money(shared)),
        ((20_000_000, 0), (20_000_000, 20_000_000))
    );
    house.close_and_verify();
}

#[test]
fn a_pocket_of_another_holder_is_refused_by_its_place() {
    let house = House::open();
    let own = &house.pocket(1_000_000, &json!({}));
    let other = &house.pocket_of("did:bloque:sandbox:other", 1_000_000, &json!({}));
    let card = &house.card(0, &json!({}));
    let check = |reply: crate::server::Reply, field: &str| {
        assert_eq!(reply.code(400), "impossible_value");
        assert_eq!(reply.json["error"]["field"], field, "{}", reply.text);
    };
    check(
        house.try_card(&smart(&[own, other], &[])),
        "metadata.priority_mcc[1]",
    );
    let change = json!({ "metadata": smart(&[other], &[]) });
    check(house.change(card, &change), "metadata.priority_mcc[0]");
    let nobody = "did:bloque:account:virtual:usr-0000000000001:vrt-0000000000001";
    check(
        house.try_card(&smart(&[nobody], &[])),
        "metadata.priority_mcc[0]",
    );
    let told = house
        .client
        .get(&format!("/api/accounts/{card}"))
        .expect(200);
    assert_eq!(
        told["account"]["metadata"],
        json!({}),
        "nothing was changed"
    );
    assert_eq!(told["account"]["owner_urn"], HOLDER);
}

#[test]
fn an_increment_counts_for_the_pockets_that_pay_it_and_no_more_than_it_adds() {
    let mut house = House::open();
    let limited = |amount: &str| json!({ "controls": { "limits": [{ "window": "day", "amount": amount, "count": 1 }] } });
    let tight = &house.pocket(500_000_000, &limited("50.00"));
    let main = &house.pocket(500_000_000, &limited("100.00"));
    let card = &house.card(0, &smart(&[tight, main], &[]));
    let used = |house: &House, urn: &str| house.usage(urn)["limits"][0].clone();
    let bought = house.approved(card, "30.00", &NONE);
    let grown = house.step(&bought, "increment", "15.00");
    assert_eq!(grown["operation"]["status"], "approved", "{grown}");
    assert_eq!(legs(&grown), paid(&[(tight, 45_000_000)]));
    let expect = |amount: (&str, &str, &str), count: u32| {
        let (limit, used, left) = amount;
        json!({
            "window": "day", "amount": { "limit": limit, "used": used, "left": left },
            "count": { "limit": 1, "used": count, "left": 1 - count },
        })
    };
    assert_eq!(used(&house, tight), expect(("50.00", "45.00", "5.00"), 1));
    // Past the pocket's limit the next one pays, and has a purchase more.
    let grown = house.step(&bought, "increment", "5.01");
    assert_eq!(
        legs(&grown),
        paid(&[(tight, 45_000_000), (main, 5_010_000)])
    );
    house.restart();
    assert_eq!(used(&house, tight), expect(("50.00", "45.00", "5.00"), 1));
    assert_eq!(used(&house, main), expect(("100.00", "5.01", "94.99"), 1));
    let other = house.declined(card, "1.00", &NONE);
    assert_eq!(
        other["decline_reason"], "insufficient_funds",
        "both counts are used up"
    );
    house.step(&bought, "reverse", "");
    assert_eq!(used(&house, tight), expect(("50.00", "0.00", "50.00"), 0));
    assert_eq!(used(&house, main), expect(("100.00", "0.00", "100.00"), 0));
    house.close_and_verify();
}
