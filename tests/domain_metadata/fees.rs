//! One layer of fees.

use super::*;

#[test]
fn an_origins_fees_read_as_documented() {
    let terms = terms();
    let origin = origin::parse(&object(&origin_fees()), &terms).unwrap();
    let fees: Vec<_> = origin
        .fees
        .iter()
        .map(|fee| (&*fee.name, fee.value.to_string(), fee.category))
        .collect();
    assert_eq!(
        fees,
        [
            ("interchange", "0.0144".to_owned(), FeeCategory::Interchange),
            ("fx", "0.02".to_owned(), FeeCategory::Fx),
            ("high_ticket_fx", "0.035".to_owned(), FeeCategory::Fx),
            ("apple_wallet", "0.01".to_owned(), FeeCategory::Custom),
        ]
    );
    let rules: Vec<_> = origin.fees.iter().map(|fee| fee.rule.clone()).collect();
    let range = FeeRule::AmountRangeUsd {
        min: Some(decimal("500")),
        max: Some(decimal("5000")),
    };
    let wallet = FeeRule::Wallet("Apple".into());
    assert_eq!(
        rules,
        [None, Some(FeeRule::FxConversion), Some(range), Some(wallet)]
    );
    assert!(origin.fees.iter().all(|fee| fee.payee.is_none()));
    assert!(origin.controls.is_none());
    assert_eq!(
        parse(&origin_fees()).unwrap().rules().fees,
        origin.fees,
        "as on a card"
    );
}

#[test]
fn a_cards_fees_name_their_payees() {
    let fee = |account: &str, basis: &str, value: Value| json!({ "fee_name": "f", "account_urn": account, "type": basis, "value": value });
    let check = |account: &str, payee: Option<u64>| {
        let card = json!({ "spending_fees": [fee(account, "flat", json!(100_000))] });
        let policy = parse(&card).unwrap();
        let fee = &policy.rules().fees[0];
        assert_eq!(fee.payee, payee.map(AccountNo), "{account}");
        assert_eq!(&*fee.treasury, account);
        assert_eq!((fee.basis, fee.value), (FeeBasis::Flat, decimal("100000")));
    };
    check(&urn(7), Some(7));
    check("urn:bloque:treasury:fx", None);
    check("did:bloque:treasury:fx", None);
    check("did:bloque:demo:alice", None);
    for wrong in [
        "",
        "treasury",
        "urn:bloque",
        "urn::x",
        "urn:x:",
        "https://x:y:z",
        "urn:bloque:a b",
        "did:bloque:account:card:usr-x:pocket-food",
        "did:bloque:account:",
    ] {
        let card = json!({ "spending_fees": [fee(wrong, "flat", json!(1))] });
        refused(
            &card,
            "metadata.spending_fees[0].account_urn",
            "must be the URN of",
        );
    }
    // The layers of the merge table: one fee overridden, one added.
    let layer = json!({ "spending_fees": [
        {
            "fee_name": "interchange", "account_urn": "urn:bloque:treasury:interchange",
            "type": "percentage", "value": 0.01, "category": "interchange",
        },
        {
            "fee_name": "fx", "account_urn": "urn:bloque:treasury:fx", "type": "percentage",
            "value": 0.015, "category": "fx", "rule": "fx_conversion",
        },
        {
            "fee_name": "premium", "account_urn": "urn:bloque:treasury:premium",
            "type": "percentage", "value": 0.005,
        },
    ] });
    let policy = parse(&layer).unwrap();
    let values: Vec<_> = policy
        .rules()
        .fees
        .iter()
        .map(|fee| fee.value.to_string())
        .collect();
    assert_eq!(values, ["0.01", "0.015", "0.005"]);
}

/// Sets one key of the first fee, or removes it.
fn with_fee(key: &str, value: Value) -> Value {
    let mut card = origin_fees();
    card["spending_fees"][2][key] = value;
    card
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
fn fees_that_are_wrong_are_refused_by_name() {
    let check = |key: &str, value: Value, at: &str, words: &str| {
        let at = format!("metadata.spending_fees[2].{at}");
        refused(&with_fee(key, value), &at, words);
    };
    for key in ["fee_name", "account_urn", "type", "value"] {
        check(key, Value::Null, key, "is required");
    }
    check("fee_name", json!(1), "fee_name", "must be a string");
    for wrong in ["", " x", "x ", "a\nb", &"x".repeat(65)] {
        check(
            "fee_name",
            json!(wrong),
            "fee_name",
            "1 to 64 printable characters",
        );
    }
    check("fee_name", json!("fx"), "fee_name", "comes twice");
    check("type", json!("share"), "type", "percentage, flat");
    check("type", json!(1), "type", "percentage, flat");
    check("value", json!("0.01"), "value", "must be a number");
    check("value", json!(true), "value", "must be a number");
    check("value", json!(-0.01), "value", "must not be negative");
    check("value", json!(1.01), "value", "a fraction from 0 to 1");
    check("value", json!(1e30), "value", "at most 30 digits");
    check("value", json!(1e-31), "value", "at most 30 digits");
    check(
        "category",
        json!("tax"),
        "category",
        "fx, interchange, custom",
    );
    check("category", json!(5), "category", "fx, interchange, custom");
    check(
        "rule",
        json!("moon"),
        "rule",
        "fx_conversion, amount_range_usd, wallet",
    );
    check(
        "rule",
        Value::Null,
        "rule",
        "is required beside rule_params",
    );
    check("rule_params", Value::Null, "rule_params", "is required");
    check("rule_params", json!([]), "rule_params", "must be an object");
    check("rule_params", json!({}), "rule_params", "min, max or both");
    let params = |key: &str| format!("rule_params.{key}");
    check(
        "rule_params",
        json!({ "mni": 5 }),
        &params("mni"),
        "known are min, max",
    );
    check(
        "rule_params",
        json!({ "min": "5" }),
        &params("min"),
        "must be a number",
    );
    check(
        "rule_params",
        json!({ "max": -5 }),
        &params("max"),
        "must not be negative",
    );
    check(
        "rule_params",
        json!({ "min": 10, "max": 9.99 }),
        &params("min"),
        "at most max, 9.99",
    );
    check(
        "rule_param",
        json!({}),
        "rule_param",
        "known are fee_name, account_urn",
    );

    let whole = |key: &str, value: Value, more: Value| {
        let mut card = json!({ "spending_fees": [
            { "fee_name": "f", "account_urn": "urn:a:b", "type": "flat", "value": 1 },
        ] });
        card["spending_fees"][0][key] = value;
        for (key, value) in object(&more) {
            card["spending_fees"][0][key] = value;
        }
        card
    };
    let at = |key: &str| format!("metadata.spending_fees[0].{key}");
    let none = json!({});
    refused(
        &whole("value", json!(0.5), none.clone()),
        &at("value"),
        "whole number",
    );
    refused(
        &whole("category", json!("fx"), none.clone()),
        &at("type"),
        "must be percentage",
    );
    let conversion = json!({ "rule_params": { "x": 1 } });
    let key = at("rule_params.x");
    refused(
        &whole("rule", json!("fx_conversion"), conversion),
        &key,
        "is unknown",
    );
    assert!(
        parse(&whole(
            "rule",
            json!("fx_conversion"),
            json!({ "rule_params": {} })
        ))
        .is_ok()
    );
    let key = at("rule_params.wallet_name");
    for (name, words) in [
        (json!(""), "1 to 64"),
        (json!(1), "a string"),
        (json!(null), "required"),
    ] {
        let params = json!({ "rule_params": { "wallet_name": name } });
        refused(&whole("rule", json!("wallet"), params), &key, words);
    }
}

#[test]
fn a_layer_of_fees_is_bounded() {
    let layer = |values: &[Value]| {
        let fee = |(n, value): (usize, &Value)| {
            let name = format!("f{n}");
            json!({
                "fee_name": name, "account_urn": "urn:a:b", "type": "percentage", "value": value,
                "category": "custom", "rule": "wallet", "rule_params": { "wallet_name": "w" },
            })
        };
        json!({ "spending_fees": values.iter().enumerate().map(fee).collect::<Vec<_>>() })
    };
    assert!(parse(&layer(&vec![json!(0.03); 32])).is_ok());
    refused(
        &layer(&vec![json!(0.03); 33]),
        "metadata.spending_fees",
        "at most 32",
    );
    let whole = metadata::settle(&object(&layer(&vec![json!(0.03); 32])), &terms());
    assert!(whole.is_ok(), "as many keys as such a layer has are taken");
    let sum = "sum to less than 1";
    refused(&layer(&[json!(1)]), "metadata.spending_fees", sum);
    refused(
        &layer(&[json!(0.5), json!(0.5)]),
        "metadata.spending_fees",
        sum,
    );
    assert!(parse(&layer(&[json!(0.5), json!(0.4999999999999999)])).is_ok());
    refused(
        &json!({ "spending_fees": {} }),
        "metadata.spending_fees",
        "must be a list",
    );
    refused(
        &json!({ "spending_fees": [5] }),
        "metadata.spending_fees[0]",
        "must be an object",
    );
}
