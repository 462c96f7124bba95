//! Amounts, assets, currencies and decimals: tables of texts, and the laws of proportions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

use cardwright::domain::{
    money::{
        Amount, Asset, Currency, Decimal, LocalAmount, MoneyError, apportion, apportion_fees, sum,
    },
    rate::Rate,
};
use num_bigint::BigInt;
use proptest::prelude::*;

fn amount(minor: i128) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// In one word, so that a table reads as lines.
const fn word(error: &MoneyError) -> &'static str {
    match error {
        MoneyError::Negative { .. } => "negative",
        MoneyError::NotAnAmount { .. } => "not an amount",
        MoneyError::NotADecimal { .. } => "not a decimal",
        MoneyError::TooLarge { .. } => "too large",
        MoneyError::TooPrecise { .. } => "too precise",
        MoneyError::NotAnAsset { .. } => "not an asset",
        MoneyError::NotACurrency { .. } => "not a currency",
        MoneyError::OutOfRange => "out of range",
    }
}

fn said<T: std::fmt::Display>(result: Result<T, MoneyError>) -> String {
    result.map_or_else(|error| word(&error).to_owned(), |value| value.to_string())
}

const THIRTY: &str = "999999999999999999999999999999";
const THIRTY_ONE: &str = "1000000000000000000000000000000";
const THIRTY_NINE: &str = "170141183460469231731687303715884105727";

#[test]
fn texts_of_amounts() {
    let zeros = "0".repeat(1_000);
    let table = [
        ("0", "0"),
        ("1", "1"),
        ("50000000", "50000000"),
        ("007", "7"),
        (&zeros, "0"),
        (THIRTY, THIRTY),
        (&format!("{zeros}{THIRTY}"), THIRTY),
        (THIRTY_ONE, "too large"),
        (THIRTY_NINE, "too large"),
        (&"9".repeat(10_000), "too large"),
        ("", "not an amount"),
        ("-1", "not an amount"),
        ("+1", "not an amount"),
        ("-0", "not an amount"),
        (" 1", "not an amount"),
        ("1 ", "not an amount"),
        ("1.0", "not an amount"),
        ("1e3", "not an amount"),
        ("0x10", "not an amount"),
        ("1_000", "not an amount"),
        ("1,000", "not an amount"),
        ("١٢", "not an amount"),
        ("NaN", "not an amount"),
        ("1\0", "not an amount"),
    ];
    for (text, expected) in table {
        assert_eq!(said(text.parse::<Amount>()), expected, "{text:?}");
    }
}

#[test]
fn texts_of_decimals() {
    let table = [
        ("0", "0"),
        ("50.00", "50.00"),
        ("0.0144", "0.0144"),
        ("-1.5", "-1.5"),
        ("-0.05", "-0.05"),
        ("-0", "0"),
        ("007.10", "7.10"),
        (THIRTY, THIRTY),
        (
            "0.000000000000000000000000000001",
            "0.000000000000000000000000000001",
        ),
        ("0.0000000000000000000000000000001", "too large"),
        ("123456789012345678901234567890.1", "too large"),
        (THIRTY_ONE, "too large"),
        (THIRTY_NINE, "too large"),
        ("", "not a decimal"),
        (".", "not a decimal"),
        ("1.", "not a decimal"),
        (".5", "not a decimal"),
        ("-", "not a decimal"),
        ("--1", "not a decimal"),
        ("-+1", "not a decimal"),
        ("+1", "not a decimal"),
        ("1.2.3", "not a decimal"),
        ("1.-2", "not a decimal"),
        ("1e3", "not a decimal"),
        ("1,5", "not a decimal"),
        (" 1", "not a decimal"),
        ("Infinity", "not a decimal"),
        ("0.५", "not a decimal"),
    ];
    for (text, expected) in table {
        assert_eq!(said(text.parse::<Decimal>()), expected, "{text:?}");
    }
}

#[test]
fn texts_of_assets() {
    let table = [
        ("DUSD/6", "DUSD/6"),
        ("COPM/2", "COPM/2"),
        ("A/0", "A/0"),
        ("A1/18", "A1/18"),
        ("ABCDEFGHIJK/18", "ABCDEFGHIJK/18"),
        ("ABCDEFGHIJKL/6", "not an asset"),
        ("DUSD/19", "not an asset"),
        ("DUSD/06", "not an asset"),
        ("DUSD/00", "not an asset"),
        ("DUSD/", "not an asset"),
        ("DUSD", "not an asset"),
        ("/6", "not an asset"),
        ("1USD/6", "not an asset"),
        ("D USD/6", "not an asset"),
        ("DÜSD/6", "not an asset"),
        ("DUSD/-6", "not an asset"),
        ("DUSD/+6", "not an asset"),
        ("DUSD/6/6", "not an asset"),
        ("DUSD/256", "not an asset"),
        ("", "not an asset"),
    ];
    for (text, expected) in table {
        assert_eq!(said(text.parse::<Asset>()), expected, "{text:?}");
    }
}

#[test]
fn assets_stand_in_the_order_of_their_symbols_and_decimals() {
    let of = |text: &str| Asset::of_ledger(text).unwrap();
    let sorted = [
        "A/0",
        "A/18",
        "A1/0",
        "AB/2",
        "ABCDEFGH/2",
        "ABCDEFGHI/2",
        "ABCDEFGHIJ/2",
        "ABCDEFGHIJK/1",
        "ABCDEFGHIJK/2",
        "USD/2",
        "USD/6",
        "USD",
        "a/0",
    ];
    for (place, one) in sorted.iter().enumerate() {
        for (other_place, other) in sorted.iter().enumerate() {
            let (order, is_same) = (of(one).cmp(&of(other)), of(one) == of(other));
            assert_eq!(order, place.cmp(&other_place), "{one} {other}");
            assert_eq!(is_same, place == other_place, "{one} {other}");
        }
    }
}

#[test]
fn currencies_know_their_decimal_places() {
    let table = [
        ("USD", 2),
        ("EUR", 2),
        ("COP", 2),
        ("JPY", 0),
        ("CLP", 0),
        ("BHD", 3),
        ("KWD", 3),
    ];
    for (code, digits) in table {
        assert_eq!(currency(code).digits(), digits, "{code}");
        assert_eq!(currency(code).to_string(), code);
    }
    for text in ["", "US", "USDX", "usd", "ZZZ", "U$D", "12A", "€"] {
        assert_eq!(said(text.parse::<Currency>()), "not a currency", "{text:?}");
    }
}

#[test]
fn local_amounts_have_the_places_of_their_currency() {
    let table = [
        ("50.00", "USD", "50.00"),
        ("50", "USD", "50.00"),
        ("50.1", "USD", "50.10"),
        ("0", "USD", "0.00"),
        ("-0", "USD", "0.00"),
        ("50.001", "USD", "too precise"),
        ("50.000", "USD", "too precise"),
        ("-0.01", "USD", "negative"),
        ("-0.001", "USD", "negative"),
        ("50", "JPY", "50"),
        ("50.0", "JPY", "too precise"),
        ("1.234", "BHD", "1.234"),
        ("1.2", "BHD", "1.200"),
        ("1.2345", "BHD", "too precise"),
        (THIRTY, "BHD", "999999999999999999999999999999.000"),
        (THIRTY_ONE, "USD", "too large"),
        ("fifty", "USD", "not a decimal"),
    ];
    for (text, code, expected) in table {
        let parsed = LocalAmount::parse(text, currency(code));
        assert_eq!(said(parsed), expected, "{text:?} {code}");
    }
}

#[test]
fn an_asset_of_the_same_value_rounds_up_and_covers_down() {
    // Local minor units, currency, asset, what they cost, what that covers again.
    let table = [
        (5_000, "USD", "DUSD/6", 50_000_000, 5_000),
        (1, "USD", "FINE/18", 10_000_000_000_000_000, 1),
        (150, "USD", "UNIT/0", 2, 200),
        (100, "USD", "UNIT/0", 1, 100),
        (1, "USD", "UNIT/0", 1, 100),
        (0, "USD", "UNIT/0", 0, 0),
        (7, "JPY", "YEN/0", 7, 7),
        (7, "JPY", "YENF/2", 700, 7),
        (1_001, "BHD", "BHDX/1", 11, 1_100),
        (1_000, "BHD", "BHDX/1", 10, 1_000),
    ];
    for (minor, code, asset, cost, covers) in table {
        let (currency, asset) = (currency(code), asset.parse().unwrap());
        let local = LocalAmount {
            minor: amount(minor),
            currency,
        };
        assert_eq!(
            Rate::ONE.debit(local, asset),
            Ok(amount(cost)),
            "{local} in {asset}"
        );
        let covered = Rate::ONE.covered_by(amount(cost), asset, currency).unwrap();
        assert_eq!(covered.minor, amount(covers), "{cost} of {asset}");
    }
    let asset: Asset = "DUSD/6".parse().unwrap();
    let covered = Rate::ONE.covered_by(amount(19_999), asset, currency("USD"));
    assert_eq!(covered.unwrap().minor, amount(1));
    let huge = LocalAmount::parse(THIRTY, currency("USD")).unwrap();
    assert_eq!(
        Rate::ONE.debit(huge, "FINE/18".parse().unwrap()),
        Err(MoneyError::OutOfRange)
    );
}

#[test]
fn a_fraction_of_an_amount_rounds_down() {
    let table = [
        ("0.0144", 50_000_000, 720_000),
        ("0.0144", 25_000_000, 360_000),
        ("0.0144", 69, 0),
        ("0.0144", 70, 1),
        ("1", 7, 7),
        ("0", 7, 0),
        ("-0.5", 7, 0),
        ("0.999999999999999999999999999999", 7, 6),
        ("2.5", 3, 7),
    ];
    for (fraction, of, expected) in table {
        let part = decimal(fraction).of_rounded_down(amount(of));
        assert_eq!(part, Ok(amount(expected)), "{fraction} of {of}");
    }
    let wide = Decimal {
        mantissa: 1,
        scale: 39,
    };
    assert_eq!(wide.of_rounded_down(amount(1)), Err(MoneyError::OutOfRange));
    assert_eq!(
        decimal("2").of_rounded_down(amount(i128::MAX)),
        Err(MoneyError::OutOfRange)
    );
    assert_eq!(
        decimal("1.0").of_rounded_down(amount(i128::MAX)),
        Ok(amount(i128::MAX))
    );
}

#[test]
fn decimals_lose_only_their_last_zeros() {
    for (text, expected) in [
        ("1.50", "1.5"),
        ("100", "100"),
        ("0.00", "0"),
        ("-2.10", "-2.1"),
    ] {
        assert_eq!(decimal(text).trimmed().to_string(), expected);
    }
}

#[test]
fn amounts_stay_in_their_range() {
    let most = amount(i128::MAX);
    assert_eq!(
        Amount::from_minor(-1),
        Err(MoneyError::Negative { minor: -1 })
    );
    assert_eq!(most.plus(amount(1)), Err(MoneyError::OutOfRange));
    assert_eq!(most.plus(Amount::ZERO), Ok(most));
    assert_eq!(amount(3).minus_or_zero(amount(5)), Amount::ZERO);
    assert_eq!(amount(5).minus_or_zero(amount(3)), amount(2));
    assert_eq!(most.part_rounded_down(most, most), Ok(most));
    assert_eq!(
        most.part_rounded_down(most, amount(1)),
        Err(MoneyError::OutOfRange)
    );
    assert_eq!(
        most.part_rounded_down(amount(1), Amount::ZERO),
        Err(MoneyError::OutOfRange)
    );
    assert_eq!(sum(&[most, amount(1)]), Err(MoneyError::OutOfRange));
    assert_eq!(sum(&[]), Ok(Amount::ZERO));
}

#[test]
fn what_cannot_be_split_is_refused() {
    let shares = [amount(3), amount(4)];
    let taken = [amount(1), amount(1)];
    assert_eq!(
        apportion(&shares, &taken, amount(8)),
        Err(MoneyError::OutOfRange)
    );
    assert_eq!(
        apportion(&shares, &taken, amount(1)),
        Err(MoneyError::OutOfRange)
    );
    assert_eq!(
        apportion(&shares, &taken[..1], amount(5)),
        Err(MoneyError::OutOfRange)
    );
    assert_eq!(apportion(&[], &[], Amount::ZERO), Ok(Vec::new()));
    let nothing = [Amount::ZERO; 2];
    assert_eq!(
        apportion(&nothing, &nothing, Amount::ZERO),
        Ok(nothing.to_vec())
    );
}

/// Small enough to meet each other often, or as large as six of them may be.
fn share() -> impl Strategy<Value = i128> {
    prop_oneof![0_i128..5, 0_i128..1_000, 0..10_i128.pow(30)]
}

/// Cumulative points that grow to the whole.
fn points(whole: i128, cuts: &[u16]) -> Vec<Amount> {
    let at = |cut: &u16| BigInt::from(whole) * *cut / u16::MAX;
    let mut points: Vec<_> = cuts
        .iter()
        .map(|cut| i128::try_from(at(cut)).unwrap())
        .chain([whole])
        .collect();
    points.sort_unstable();
    points.into_iter().map(amount).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn apportion_takes_exactly_and_never_more_than_there_is(
        shares in prop::collection::vec(share(), 1..6),
        cuts in prop::collection::vec(any::<u16>(), 0..6),
    ) {
        let shares: Vec<_> = shares.into_iter().map(amount).collect();
        let whole = sum(&shares).unwrap();
        let mut taken = vec![Amount::ZERO; shares.len()];
        for point in points(whole.minor(), &cuts) {
            let before = sum(&taken).unwrap();
            let parts = apportion(&shares, &taken, point).unwrap();
            prop_assert_eq!(sum(&parts).unwrap(), point.minus_or_zero(before));
            for ((taken, part), share) in taken.iter_mut().zip(&parts).zip(&shares) {
                *taken = taken.plus(*part).unwrap();
                prop_assert!(*taken <= *share);
            }
            if cuts.is_empty() {
                prop_assert_eq!(&parts, &shares);
            }
        }
        prop_assert_eq!(taken, shares);
    }

    #[test]
    fn fees_add_up_however_often_the_whole_is_cut(
        fees in prop::collection::vec(share(), 0..5),
        rest in share(),
        cuts in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let fees: Vec<_> = fees.into_iter().map(amount).collect();
        let whole = sum(&fees).unwrap().plus(amount(rest)).unwrap();
        let mut taken = vec![Amount::ZERO; fees.len()];
        let mut before = Amount::ZERO;
        for point in points(whole.minor(), &cuts) {
            let parts = apportion_fees((whole, &fees), (before, &taken), point).unwrap();
            prop_assert!(sum(&parts).unwrap() <= point.minus_or_zero(before));
            for (taken, part) in taken.iter_mut().zip(&parts) {
                *taken = taken.plus(*part).unwrap();
            }
            before = point;
        }
        prop_assert_eq!(taken, fees);
    }

    #[test]
    fn a_part_is_the_exact_quotient_rounded_down(
        value in 0..=i128::MAX,
        part in 0..=i128::MAX,
        whole in 1..=i128::MAX,
    ) {
        let exact = BigInt::from(value) * part / whole;
        let got = amount(value).part_rounded_down(amount(part), amount(whole));
        let expected = i128::try_from(exact).map(amount).map_err(|_| MoneyError::OutOfRange);
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn decimals_read_back(mantissa in -10_i128.pow(29)..10_i128.pow(29), scale in 0_u8..28) {
        let value = Decimal { mantissa, scale };
        prop_assert_eq!(value.to_string().parse::<Decimal>(), Ok(value));
    }

    #[test]
    fn a_debit_covers_what_it_was_for_and_not_a_unit_less(
        minor in 0..10_i128.pow(18),
        decimals in 0_u8..=18,
        code in prop::sample::select(vec!["USD", "JPY", "BHD"]),
    ) {
        let (currency, asset) = (currency(code), Asset::new("A", decimals).unwrap());
        let minor = amount(minor);
        let debit = Rate::ONE.debit(LocalAmount { minor, currency }, asset).unwrap();
        prop_assert!(Rate::ONE.covered_by(debit, asset, currency).unwrap().minor >= minor);
        let less = debit.minus_or_zero(amount(1));
        if less < debit {
            prop_assert!(Rate::ONE.covered_by(less, asset, currency).unwrap().minor < minor);
        }
    }

    #[test]
    fn no_text_stops_the_process(text in ".{0,60}") {
        let _ = text.parse::<Amount>();
        let _ = text.parse::<Decimal>().map(|value| value.trimmed().to_string());
        let _ = text.parse::<Asset>();
        let _ = text.parse::<Currency>();
    }
}
