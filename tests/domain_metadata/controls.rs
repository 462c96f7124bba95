//! Limits, lists and hours.

use super::*;

#[test]
fn controls_read_as_written() {
    let policy = parse(&controls()).unwrap();
    let controls = &policy.rules().controls;
    let limit = |window, amount: Option<&str>, count| Limit {
        window,
        amount: amount.map(|text| text.parse().unwrap()),
        count,
    };
    assert_eq!(
        controls.limits,
        [
            limit(Window::Transaction, Some("50000"), None),
            limit(Window::Day, Some("100000"), Some(10)),
            limit(Window::Rolling(3_600), None, Some(3)),
        ]
    );
    assert!(controls.has_limits() && controls.has_amount_limits());
    assert_eq!(controls.rolling_seconds(), 3_600);
    let ranges: Vec<_> = controls
        .mcc
        .allow
        .iter()
        .flatten()
        .map(|range| (range.from.code(), range.to.code()))
        .collect();
    assert_eq!(ranges, [(5411, 5411), (5000, 5999), (4111, 4111)]);
    assert_eq!(
        controls.countries.allow,
        Some(vec![*b"COL", *b"USA", *b"XKX"])
    );
    assert_eq!(controls.countries.deny, Vec::<[u8; 3]>::new());
    assert_eq!(
        controls.merchants.allow.as_deref(),
        Some(&["shop-1".into()][..])
    );
    assert_eq!(controls.channels, [Channel::Ecommerce, Channel::Pos]);
    let hours = |days, from, until| Hours { days, from, until };
    let spans = [
        hours(0b100_0011, 480, 1_200),
        hours(0b10_0000, 1_350, 1_440),
    ];
    assert_eq!(controls.hours, spans);
    assert!(controls.is_single_use && controls.is_merchant_locked);

    let pesos = json!({ "controls": {
        "currency": "JPY",
        "limits": [{ "window": "month", "amount": "100000" }, { "window": "lifetime", "amount": 0 }],
    } });
    let policy = parse(&pesos).unwrap();
    assert_eq!(
        policy.rules().controls.limits[0].amount,
        "100000".parse().ok(),
        "yen has no cents"
    );
    let origin = origin::parse(&object(&pesos), &terms()).unwrap();
    assert_eq!(origin.controls, policy.rules().controls);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
fn controls_that_are_wrong_are_refused_by_name() {
    let check = |key: &str, value: Value, at: &str, words: &str| {
        let mut card = controls();
        card["controls"][key] = value;
        refused(&card, &format!("metadata.controls.{at}"), words);
    };
    check("limit", json!([]), "limit", "known are currency, limits");
    check("currency", json!("USDT"), "currency", "ISO 4217");
    check("currency", json!(840), "currency", "must be a string");
    check("limits", json!({}), "limits", "must be a list");
    check("limits", json!(vec![json!({}); 65]), "limits", "at most 64");
    let limit = |value: Value, at: &str, words: &str| {
        check("limits", json!([value]), &format!("limits[0]{at}"), words);
    };
    limit(json!(5), "", "must be an object");
    limit(json!({ "amount": "5" }), ".window", "is required");
    limit(
        json!({ "window": "hour", "count": 1 }),
        ".window",
        "transaction, day, week",
    );
    limit(
        json!({ "window": 3600, "count": 1 }),
        ".window",
        "rolling_seconds",
    );
    limit(
        json!({ "window": { "seconds": 1 }, "count": 1 }),
        ".window.seconds",
        "rolling_seconds",
    );
    for wrong in [
        json!(0),
        json!(31_622_401),
        json!(1.5),
        json!("60"),
        json!(-1),
    ] {
        let window = json!({ "rolling_seconds": wrong });
        limit(
            json!({ "window": window, "count": 1 }),
            ".window.rolling_seconds",
            "1 to 31622400",
        );
    }
    limit(json!({ "window": "day" }), "", "amount, count or both");
    limit(
        json!({ "window": "day", "most": 1 }),
        ".most",
        "known are window, amount, count",
    );
    limit(
        json!({ "window": "transaction", "amount": "1", "count": 1 }),
        ".count",
        "is one",
    );
    limit(
        json!({ "window": "day", "amount": "1.001" }),
        ".amount",
        "2 decimal places",
    );
    limit(
        json!({ "window": "day", "amount": "-1" }),
        ".amount",
        "must not be negative",
    );
    limit(
        json!({ "window": "day", "amount": "lots" }),
        ".amount",
        "decimal number",
    );
    limit(
        json!({ "window": "day", "amount": true }),
        ".amount",
        "500.00",
    );
    limit(
        json!({ "window": "day", "count": 1.5 }),
        ".count",
        "whole number",
    );
    limit(
        json!({ "window": "day", "count": "1" }),
        ".count",
        "whole number",
    );
    let twice = json!([{ "window": "day", "count": 1 }, { "window": "day", "amount": 1 }]);
    check("limits", twice, "limits[1].window", "comes twice");
    for key in ["mcc", "merchants", "countries"] {
        check(key, json!([]), key, "must be an object");
        check(
            key,
            json!({ "permit": [] }),
            &format!("{key}.permit"),
            "known are allow, deny",
        );
        check(
            key,
            json!({ "allow": "x" }),
            &format!("{key}.allow"),
            "must be a list",
        );
        let many = json!({ "deny": vec!["5411"; 257] });
        check(key, many, &format!("{key}.deny"), "at most 256");
    }
    for wrong in [
        "541",
        "5999-5000",
        "5000-",
        "-5000",
        "5000-5999-6000",
        "grocers",
    ] {
        check(
            "mcc",
            json!({ "allow": [wrong] }),
            "mcc.allow[0]",
            "merchant category code",
        );
    }
    check(
        "merchants",
        json!({ "deny": ["a", ""] }),
        "merchants.deny[1]",
        "1 to 64",
    );
    for wrong in ["QQ", "QQQ", "Colombia", ""] {
        check(
            "countries",
            json!({ "deny": [wrong] }),
            "countries.deny[0]",
            "ISO 3166-1",
        );
    }
    check("channels", json!([]), "channels", "at least one");
    check(
        "channels",
        json!(["web"]),
        "channels[0]",
        "ecommerce, pos, atm",
    );
    check(
        "channels",
        json!(["pos", "pos"]),
        "channels[1]",
        "comes twice",
    );
    check("hours", json!([]), "hours", "at least one");
    let hours = |key: &str, value: Value, at: &str, words: &str| {
        let mut span = json!({ "days": ["mon"], "from": "08:00", "until": "20:00" });
        span[key] = value;
        check("hours", json!([span]), &format!("hours[0].{at}"), words);
    };
    hours("days", json!(["monday"]), "days[0]", "mon, tue");
    hours("days", json!([]), "days", "at least one");
    hours("days", Value::Null, "days", "is required");
    for wrong in ["8:00", "24:00", "08:60", "0800", "", "ab:cd", "+8:00"] {
        hours("from", json!(wrong), "from", "\"00:00\" to \"23:59\"");
    }
    hours("until", json!("24:01"), "until", "\"00:00\" to \"24:00\"");
    hours("until", json!(20), "until", "\"00:00\" to \"24:00\"");
    hours("zone", json!("UTC"), "zone", "known are days, from, until");
    check("single_use", json!("true"), "single_use", "true or false");
    check(
        "merchant_locked",
        json!(1),
        "merchant_locked",
        "true or false",
    );
}
