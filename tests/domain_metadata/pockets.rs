//! What a card draws on: assets, and the pockets of a smart card.

use super::*;

#[test]
fn the_default_control_reads_as_documented() {
    let policy = parse(&default_card()).unwrap();
    assert_eq!(policy.default_asset, Some("DUSD/6".parse().unwrap()));
    assert_eq!(policy.fallback_asset, Some("KSM/12".parse().unwrap()));
    let codes: Vec<_> = policy
        .currency_assets
        .iter()
        .map(|(code, _)| code.code())
        .collect();
    assert_eq!(codes, ["COP", "EUR", "USD"]);
    let asset: Asset = "COPM/2".parse().unwrap();
    assert_eq!(policy.currency_assets[0].1, [asset]);
    assert_eq!(policy.rules, None, "nothing but assets is said");
    assert_eq!(parse(&json!({})), Ok(Policy::default()));
    let nulls = json!({ "spending_control": null, "controls": null, "spending_fees": null });
    assert_eq!(parse(&nulls), Ok(Policy::default()));
    let empty = json!({ "controls": {}, "spending_fees": [], "cashback_programs": [] });
    assert_eq!(parse(&empty), Ok(Policy::default()));
}

#[test]
fn the_smart_control_reads_as_documented() {
    let policy = parse(&smart_card()).unwrap();
    let pockets = &policy.rules().pockets;
    let known: Vec<_> = pockets
        .iter()
        .map(|pocket| (pocket.account.0, &*pocket.urn))
        .collect();
    let urns = [urn(1), urn(2), urn(3)];
    assert_eq!(known, [(1, &*urns[0]), (2, &*urns[1]), (3, &*urns[2])]);
    let codes = |list: &[u16]| {
        let codes = list
            .iter()
            .map(|code| cardwright::domain::merchant::Mcc::new(*code).unwrap());
        Some(Whitelist::Codes(codes.collect()))
    };
    assert_eq!(pockets[0].whitelist, codes(&[5411, 5412, 5812, 5814]));
    assert_eq!(pockets[2].whitelist, None, "accepts any");

    let mut lists = smart_card();
    lists["mcc_whitelist"] = json!({
        urn(1): "https://lists.example.com/food.json",
        urn(2): [4131, "0742", "4111", "4131"],
        urn(3): null,
    });
    let policy = parse(&lists).unwrap();
    let pockets = &policy.rules().pockets;
    let url = "https://lists.example.com/food.json";
    assert_eq!(pockets[0].whitelist, Some(Whitelist::Url(url.into())));
    assert_eq!(
        pockets[1].whitelist,
        codes(&[742, 4111, 4131]),
        "sorted, once each"
    );
    assert_eq!(pockets[2].whitelist, None);
    assert_eq!(policy.urls().map(|url| &**url).collect::<Vec<_>>(), [url]);
    let keys: Vec<_> = policy.linked().into_iter().map(|link| link.key).collect();
    assert_eq!(keys[2], "metadata.priority_mcc[2]");
}

#[test]
fn the_default_control_passes_pockets_over() {
    for control in [json!("default"), Value::Null] {
        let mut card = smart_card();
        card["spending_control"] = control;
        card["mcc_whitelist"] = json!(7);
        assert_eq!(parse(&card).unwrap().rules, None);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
fn pockets_that_are_wrong_are_refused_by_name() {
    let check = |key: &str, value: Value, at: &str, words: &str| {
        let mut card = smart_card();
        card[key] = value;
        refused(&card, at, words);
    };
    let own = "must be the URN of an account here";
    check(
        "spending_control",
        json!("clever"),
        "metadata.spending_control",
        "default, smart",
    );
    check(
        "spending_control",
        json!(1),
        "metadata.spending_control",
        "default, smart",
    );
    check(
        "priority_mcc",
        Value::Null,
        "metadata.priority_mcc",
        "is required",
    );
    check(
        "priority_mcc",
        json!("x"),
        "metadata.priority_mcc",
        "must be a list",
    );
    check(
        "priority_mcc",
        json!([]),
        "metadata.priority_mcc",
        "at least one",
    );
    check(
        "priority_mcc",
        json!([1]),
        "metadata.priority_mcc[0]",
        "must be a string",
    );
    check(
        "priority_mcc",
        json!([urn(1), urn(2), urn(1)]),
        "metadata.priority_mcc[2]",
        "twice",
    );
    let many: Vec<_> = (0..33).map(urn).collect();
    check(
        "priority_mcc",
        json!(many),
        "metadata.priority_mcc",
        "at most 32",
    );
    let seeds = "did:bloque:account:card:usr-xxx:pocket-food";
    for wrong in [
        seeds,
        "",
        "urn:bloque:treasury:fx",
        &AccountNo(1).virtual_id(),
        &AccountNo(1).card_token(),
        &format!("did:bloque:account:{}", AccountNo(1).virtual_id()),
        &format!("did:bloque:account:virtual::{}", AccountNo(1).virtual_id()),
        &format!(
            "did:bloque:account:virtual:usr x:{}",
            AccountNo(1).virtual_id()
        ),
    ] {
        check(
            "priority_mcc",
            json!([urn(1), wrong]),
            "metadata.priority_mcc[1]",
            own,
        );
    }

    let list = |value: Value| json!({ urn(1): value });
    let at = format!("metadata.mcc_whitelist.{}", urn(1));
    check(
        "mcc_whitelist",
        json!([]),
        "metadata.mcc_whitelist",
        "must be an object",
    );
    check("mcc_whitelist", list(json!(5)), &at, "must be a list");
    check("mcc_whitelist", list(json!({})), &at, "must be a list");
    for (n, wrong) in [
        json!("541"),
        json!("54111"),
        json!("54a1"),
        json!(541),
        json!(54.5),
        json!(null),
    ]
    .into_iter()
    .enumerate()
    {
        let at = format!("{at}[{n}]");
        let mut codes = vec![json!("5411"); n];
        codes.push(wrong);
        check("mcc_whitelist", list(json!(codes)), &at, "four digits");
    }
    for wrong in [
        "ftp://x/y",
        "http://",
        "https:///x",
        "https://a b/",
        "https://u:p@h/",
        "5411",
    ] {
        check(
            "mcc_whitelist",
            list(json!(wrong)),
            &at,
            "http or https URL",
        );
    }
    let other = format!("metadata.mcc_whitelist.{}", urn(9));
    check(
        "mcc_whitelist",
        json!({ urn(9): [] }),
        &other,
        "one of priority_mcc",
    );
}
