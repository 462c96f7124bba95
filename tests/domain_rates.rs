//! Rates: which quotes are taken, what follows from them, and the amounts against plain fractions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use cardwright::domain::{
    merchant::Mcc,
    money::{Amount, Asset, Currency, Decimal, LocalAmount, MoneyError},
    policy::{AssetTerm, Terms},
    rate::Rate,
    rates::{NoRate, Quote, RateTable, Unit, Way},
    time::Timestamp,
};
use num_bigint::BigInt;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn asset(text: &str) -> Asset {
    text.parse().unwrap()
}

fn currency(text: &str) -> Currency {
    text.parse().unwrap()
}

fn local(text: &str, code: &str) -> LocalAmount {
    LocalAmount::parse(text, currency(code)).unwrap()
}

fn terms() -> Terms {
    let term = |text: &str, pegged: Option<&str>| AssetTerm {
        asset: asset(text),
        pegged: pegged.map(currency),
    };
    Terms {
        assets: vec![
            term("DUSD/6", Some("USD")),
            term("COPM/2", Some("COP")),
            term("KSM/12", None),
            term("WEI/18", None),
            term("UNIT/0", None),
        ],
        default_asset: asset("DUSD/6"),
        fees: Vec::new(),
        hold_seconds: 1,
        hold_seconds_by_mcc: Vec::<(Mcc, Mcc, i64)>::new(),
        over_capture: Decimal::ONE,
        rate_age_seconds_max: 3_600,
        base_currency: currency("USD"),
    }
}

/// `USD/COP 4012.55 60`: base, quote, rate, age in seconds.
fn quote(line: &str) -> Quote {
    let words: Vec<_> = line.split([' ', '/']).collect();
    let unit = |text: &str| Unit::parse(text, &terms()).unwrap();
    Quote {
        base: unit(words[0]),
        quote: unit(words[1]),
        rate: decimal(words[2]),
        at: NOW.plus_seconds(-words[3].parse::<i64>().unwrap()),
        source: "test".into(),
    }
}

fn table(lines: &[&str]) -> RateTable {
    let quotes: Vec<_> = lines.iter().map(|line| quote(line)).collect();
    RateTable::default().with(&quotes)
}

#[test]
fn a_rate_is_direct_or_inverse_or_crossed() {
    let check = |lines: &[&str], from: &str, to: &str, expect: &str| {
        let mid = table(lines).mid(asset(from), currency(to), &terms(), NOW);
        let said = match mid {
            Ok(mid) => {
                let way = format!("{:?}", mid.way).to_lowercase();
                format!("{way} {} {}s", mid.rate.shown().unwrap(), mid.age_seconds)
            }
            Err(NoRate::Unknown { from, to }) => format!("unknown {from} {to}"),
            Err(NoRate::Stale {
                age_seconds,
                age_seconds_max,
                ..
            }) => format!("stale {age_seconds} of {age_seconds_max}"),
        };
        assert_eq!(said, expect, "{from} to {to} with {lines:?}");
    };
    let some = &["USD/COP 4012.55 60", "EUR/USD 1.08 10", "KSM/USD 17.5 20"];
    check(some, "DUSD/6", "COP", "direct 4012.55 60s");
    check(some, "DUSD/6", "USD", "same 1 0s");
    check(some, "COPM/2", "USD", "inverse 0.000249218078279 60s");
    check(some, "COPM/2", "EUR", "crossed 0.000230757479888 60s");
    check(some, "KSM/12", "USD", "direct 17.5 20s");
    check(some, "KSM/12", "COP", "crossed 70219.625 60s");
    check(some, "KSM/12", "EUR", "crossed 16.2037037037 20s");
    check(some, "DUSD/6", "GBP", "unknown USD GBP");
    check(some, "KSM/12", "GBP", "unknown KSM GBP");
    check(&["COP/EUR 0.00023 5"], "COPM/2", "EUR", "direct 0.00023 5s");
    check(&["USD/COP 4000 3600"], "DUSD/6", "COP", "direct 4000 3600s");
    check(
        &["USD/COP 4000 3601"],
        "DUSD/6",
        "COP",
        "stale 3601 of 3600",
    );
    // A crossed rate is as old as its oldest part, and stands in for a direct one that is too old.
    let old = &["USD/COP 4000 9999", "EUR/USD 1.08 10"];
    check(old, "COPM/2", "EUR", "stale 9999 of 3600");
    let crossed = &["KSM/COP 1 5000", "KSM/USD 17.5 20", "USD/COP 4000 30"];
    check(crossed, "KSM/12", "COP", "crossed 70000 30s");
    let both = &["KSM/COP 1 5000", "KSM/USD 17.5 20"];
    check(both, "KSM/12", "COP", "stale 5000 of 3600");
}

#[test]
fn a_pair_is_known_once_in_whichever_direction() {
    let one = table(&["USD/COP 4000 60"]);
    let two = one.with(&[quote("COP/USD 0.0002 10")]);
    let mid = two.mid(asset("DUSD/6"), currency("COP"), &terms(), NOW);
    assert_eq!(mid.as_ref().map(|mid| mid.way), Ok(Way::Inverse));
    assert_eq!(mid.unwrap().rate.shown(), Ok(decimal("5000")));
    assert_eq!(two.quotes().count(), 1);
    assert_eq!(one.quotes().count(), 1, "the first table is what it was");
}

#[test]
fn quotes_that_cannot_be_taken() {
    let known = table(&["USD/COP 4000 60"]);
    let check = |line: &str, earlier: &[&str], expect: &str| {
        let earlier: Vec<_> = earlier.iter().map(|line| quote(line)).collect();
        let said = match known.accept(&quote(line), &earlier, NOW) {
            Ok(at) => format!("{}", NOW.seconds() - at.seconds()),
            Err(error) => error.field().to_owned(),
        };
        assert_eq!(said, expect, "{line} after {earlier:?}");
    };
    check("USD/COP 4012.55 10", &[], "10");
    check("USD/COP 4012.55 60", &[], "60");
    check("USD/COP 4012.55 -5", &[], "0");
    check("USD/COP 4012.55 61", &[], "at");
    check("COP/USD 0.0002 61", &[], "at");
    check("USD/COP 4012.55 -6", &[], "at");
    check("USD/USD 1 0", &[], "quote");
    check("USD/EUR 0.9 0", &["USD/COP 4000 0"], "0");
    check("USD/EUR 0.9 0", &["EUR/USD 1.1 0"], "quote");
    check("USD/EUR 0 0", &[], "rate");
    check("USD/EUR 0.000 0", &[], "rate");
    check("USD/EUR -1.1 0", &[], "rate");
    check("USD/EUR 1000000000000000 0", &[], "0");
    check("USD/EUR 1000000000000000.1 0", &[], "rate");
    check("USD/EUR 0.000000000000001 0", &[], "0");
    check("USD/EUR 0.0000000000000009 0", &[], "rate");
    check("USD/EUR 999999999999999999999999999999 0", &[], "rate");
}

#[test]
fn units_are_currencies_and_assets_without_a_peg() {
    let check = |text: &str, expect: &str| {
        let unit = Unit::parse(text, &terms());
        let said = unit.map_or_else(|error| error.to_string(), |unit| unit.to_string());
        assert!(said.contains(expect), "{text}: {said}");
    };
    check("USD", "USD");
    check("KSM", "KSM");
    check("DUSD", "give the rate of USD");
    for wrong in ["", "usd", "XYZW", "KSM/12", "a-very-long-unit-that-is-none"] {
        check(wrong, "must be an ISO 4217 code");
    }
}

#[test]
fn a_spread_of_two_percent_leaves_the_rate_times_0_98() {
    let mid = Rate::from_decimal(decimal("4012.55")).unwrap();
    let applied = mid.less(decimal("0.02")).unwrap();
    assert_eq!(applied.shown(), Ok(decimal("3932.299")));
    // 100,000.00 pesos at 3932.299 are 25.4304161 dollars and a bit.
    let debit = applied.debit(local("100000.00", "COP"), asset("DUSD/6"));
    assert_eq!(debit.map(Amount::minor), Ok(25_430_417));
    let both = mid.less(decimal("0.015")).unwrap();
    assert_eq!(both.shown(), Ok(decimal("3952.36175")));
    assert_eq!(mid.less(decimal("0")).unwrap(), mid);
    for wrong in ["1", "1.5", "-0.01"] {
        let refused = mid.less(decimal(wrong)).map(|_| ());
        assert_eq!(refused, Err(MoneyError::OutOfRange), "{wrong}");
    }
}

#[test]
fn rates_as_they_are_shown() {
    let rate = |over: &str, under: &str| {
        let under = Rate::from_decimal(decimal(under)).unwrap().inverse();
        Rate::from_decimal(decimal(over)).unwrap().then(&under)
    };
    for (over, under, expect) in [
        ("1", "3", "0.333333333333"),
        ("2", "3", "0.666666666667"),
        ("1", "8", "0.125"),
        ("6", "3", "2"),
        ("7", "6", "1.16666666667"),
        ("1000000", "3", "333333.333333"),
        ("999999999999.5", "3", "333333333333"),
        ("10000000000001", "3", "3333333333334"),
        ("0.000000000000001", "3", "0.000000000000000333333333333"),
        // Half to even, of what no finite decimal equals: just above and just below a half.
        ("999999999999.999", "999", "1001001001.001"),
        (
            "123456789012345678901234567890",
            "10",
            "12345678901234567890123456789",
        ),
        (
            "999999999999999999999999999999",
            "7",
            "142857142857142857142857142857",
        ),
        (
            "0.000000000000000000000000000001",
            "7",
            "0.00000000000000000000000000000014285714",
        ),
    ] {
        let shown = rate(over, under).shown().unwrap();
        assert_eq!(shown.to_string(), expect, "{over} / {under}");
    }
    // A million times over and back again: the same rate by another fraction, in big integers.
    let wide = rate("999999999999999999999999999999", "7");
    let back = wide.then(&wide).then(&wide.clone().inverse());
    assert_eq!(back, wide);
    assert_eq!(back.shown(), wide.shown());
}

#[test]
fn amounts_at_the_edges() {
    let one = Rate::ONE;
    let debit = |text: &str, code: &str, rate: &Rate, to: &str| {
        let debit = rate.debit(local(text, code), asset(to));
        debit.map_or_else(|error| error.to_string(), |amount| amount.to_string())
    };
    assert_eq!(debit("50.00", "USD", &one, "DUSD/6"), "50000000");
    assert_eq!(debit("0.01", "USD", &one, "UNIT/0"), "1");
    assert_eq!(debit("0.00", "USD", &one, "WEI/18"), "0");
    let thirty = "9999999999999999999999999999.99";
    assert_eq!(debit(thirty, "USD", &one, "COPM/2"), "9".repeat(30));
    assert_eq!(
        debit(thirty, "USD", &one, "DUSD/6"),
        format!("{}0000", "9".repeat(30))
    );
    assert_eq!(
        debit(thirty, "USD", &one, "WEI/18"),
        "the sum is out of range"
    );
    let tiny = Rate::from_decimal(decimal("0.000000000000001")).unwrap();
    assert_eq!(
        debit(thirty, "USD", &tiny, "DUSD/6"),
        "the sum is out of range"
    );
    assert_eq!(
        debit("0.01", "USD", &tiny, "WEI/18"),
        format!("1{}", "0".repeat(31))
    );
    assert_eq!(debit("1", "JPY", &tiny.inverse(), "UNIT/0"), "1");
}

/// A fraction of two big integers, as slow and plain as can be.
fn fraction(rate: Decimal) -> (BigInt, BigInt) {
    (
        BigInt::from(rate.mantissa),
        BigInt::from(10).pow(rate.scale.into()),
    )
}

fn ceil(over: &BigInt, under: &BigInt) -> BigInt {
    (over + under - 1) / under
}

/// From 10^-14 to 10^14.
fn a_rate() -> impl Strategy<Value = Decimal> {
    let digits = prop_oneof![1_i128..100, 1_i128..1_000_000_000, 1_i128..10_i128.pow(24)];
    let any = (digits, 0_u8..20).prop_map(|(mantissa, scale)| Decimal { mantissa, scale });
    any.prop_filter("a sane rate", |rate| {
        let (over, under) = fraction(*rate);
        let wide = BigInt::from(10).pow(14);
        over <= &under * &wide && under <= over * wide
    })
}

fn an_amount() -> impl Strategy<Value = i128> {
    prop_oneof![
        0_i128..1_000_000,
        0_i128..10_i128.pow(15),
        0_i128..10_i128.pow(30)
    ]
}

fn a_spread() -> impl Strategy<Value = Decimal> {
    (0_i128..9_999).prop_map(|mantissa| Decimal { mantissa, scale: 4 })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn debits_and_covers_agree_with_plain_fractions(
        (first, second, turned) in (a_rate(), a_rate(), any::<(bool, bool)>()),
        spread in a_spread(),
        minor in an_amount(),
        decimals in 0_u8..=18,
        code in prop_oneof![Just("JPY"), Just("COP"), Just("KWD"), Just("CLF")],
    ) {
        let turn = |rate: Rate, turned: bool| if turned { rate.inverse() } else { rate };
        let legs = [(first, turned.0), (second, turned.1)];
        let rate = turn(Rate::from_decimal(first).unwrap(), turned.0)
            .then(&turn(Rate::from_decimal(second).unwrap(), turned.1))
            .less(spread)
            .unwrap();
        let (mut over, mut under) = (BigInt::from(10_000 - spread.mantissa), BigInt::from(10_000));
        for (leg, turned) in legs {
            let (a, b) = fraction(leg);
            let (a, b) = if turned { (b, a) } else { (a, b) };
            over *= a;
            under *= b;
        }
        let currency = currency(code);
        let asset = Asset::new("X", decimals).unwrap();
        let (to_asset, to_local) = (
            BigInt::from(10).pow(decimals.into()),
            BigInt::from(10).pow(currency.digits().into()),
        );
        let amount = Amount::from_minor(minor).unwrap();

        let asked = LocalAmount { minor: amount, currency };
        let expect = ceil(&(amount.minor() * &under * &to_asset), &(&over * &to_local));
        match rate.debit(asked, asset) {
            Ok(debit) => {
                prop_assert_eq!(BigInt::from(debit.minor()), expect);
                if let Ok(covered) = rate.covered_by(debit, asset, currency) {
                    prop_assert!(covered.minor >= amount, "a debit covers what it was for");
                }
            }
            Err(error) => {
                prop_assert_eq!(error, MoneyError::OutOfRange);
                prop_assert!(expect > BigInt::from(i128::MAX));
            }
        }
        let expect: BigInt = minor * &over * &to_local / (&under * &to_asset);
        match rate.covered_by(amount, asset, currency) {
            Ok(covered) => {
                prop_assert_eq!(BigInt::from(covered.minor.minor()), expect);
                let debit = rate.debit(covered, asset).unwrap();
                prop_assert!(debit <= amount, "what is covered costs no more");
            }
            Err(_) => prop_assert!(expect > BigInt::from(i128::MAX)),
        }
    }

    #[test]
    fn what_is_shown_is_the_rate_or_its_first_twelve_digits(
        (first, second) in (a_rate(), a_rate()),
        wide in any::<bool>(),
    ) {
        let second_rate = Rate::from_decimal(second).unwrap();
        let mut rate = Rate::from_decimal(first).unwrap().then(&second_rate.clone().inverse());
        if wide {
            // The same value by a longer fraction.
            rate = rate.then(&second_rate).then(&second_rate.inverse());
        }
        let (a, b) = fraction(first);
        let (d, c) = fraction(second);
        let (over, under) = (a * c, b * d);
        let shown = rate.shown().unwrap();
        let (x, y) = fraction(shown);
        if &x * &under == &over * &y {
            return Ok(());
        }
        // Then it is off by at most half of its twelfth digit, or of the last before the point.
        let digits = i64::try_from(shown.mantissa.to_string().len()).unwrap();
        let twelfth = (digits - i64::from(shown.scale) - 12).clamp(-38, 0);
        let steps = BigInt::from(10).pow(u32::try_from(-twelfth).unwrap());
        let off = (&x * &under - &over * &y).magnitude().clone();
        prop_assert!(
            BigInt::from(off) * steps * 2 <= under * y,
            "{shown} is not near"
        );
    }
}
