//! Cashback programmes.

use super::*;

#[test]
fn cashback_programmes_read_as_documented() {
    let policy = parse(&programmes()).unwrap();
    let saved = |basis, value: &str| ProgrammeKind::ExtraSavings {
        basis,
        value: decimal(value),
    };
    let kinds: Vec<_> = policy.rules().cashback.iter().map(|one| one.kind).collect();
    assert_eq!(
        kinds,
        [
            saved(FeeBasis::Percentage, "0.03"),
            ProgrammeKind::RoundUp,
            saved(FeeBasis::Flat, "0.25"),
        ]
    );
    let links = policy.linked();
    assert_eq!(links[1].account, AccountNo(5));
    assert_eq!(
        links[1].key,
        "metadata.cashback_programs[1].target_pocket_urn"
    );
}

#[test]
fn cashback_programmes_that_are_wrong_are_refused_by_name() {
    let check = |n: usize, key: &str, value: Value, words: &str| {
        let mut card = programmes();
        card["cashback_programs"][n][key] = value;
        refused(
            &card,
            &format!("metadata.cashback_programs[{n}].{key}"),
            words,
        );
    };
    for key in [
        "program_name",
        "type",
        "target_pocket_urn",
        "fee_type",
        "value",
    ] {
        check(0, key, Value::Null, "is required");
    }
    check(0, "program_name", json!(""), "1 to 64");
    check(1, "program_name", json!("Savings"), "comes twice");
    check(0, "type", json!("gift"), "extra_savings, round_up");
    check(0, "fee_type", json!("half"), "percentage, flat");
    check(0, "value", json!(3), "a fraction from 0 to 1");
    check(0, "value", json!(-1), "must not be negative");
    check(2, "value", json!("0.25"), "must be a number");
    check(1, "value", json!(1), "must not be given");
    check(1, "fee_type", json!("flat"), "must not be given");
    check(
        1,
        "target_pocket_urn",
        json!("urn:bloque:treasury:fx"),
        "an account here",
    );
    check(1, "target_pocket_urn", json!(4), "must be a string");
    check(1, "rate", json!(4), "known are program_name, type");
    let many = vec![json!({}); 9];
    refused(
        &json!({ "cashback_programs": many }),
        "metadata.cashback_programs",
        "at most 8",
    );
    let key = "metadata.whatsapp_notification";
    refused(
        &json!({ "whatsapp_notification": "yes" }),
        key,
        "true or false",
    );
    assert!(parse(&json!({ "whatsapp_notification": false })).is_ok());
}
