//! Documents of rates as services and people write them.

use std::sync::Arc;

use cardwright::{
    config::Config,
    domain::{
        policy::Terms,
        quotes::{self, Coming},
        rates::RateTable,
        time::Timestamp,
    },
    outside::document::Document,
};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn terms() -> Terms {
    let config = Config::load(None, std::iter::empty()).unwrap();
    config.terms().unwrap()
}

/// What is recorded of a document beside `known`: each rate with its age in seconds.
fn taken(text: &[u8], known: &RateTable) -> Result<Vec<String>, String> {
    let terms = terms();
    let document = Document::read(text, &terms).map_err(|error| error.to_string())?;
    let source: Arc<str> = "test".into();
    let quotes = quotes::read(&document.drafts(), &source, NOW, &terms);
    let quotes = quotes.map_err(|error| error.to_string())?;
    let quotes = quotes::accept(&quotes, known, (NOW, &terms), Coming::Fetched);
    let quotes = quotes.map_err(|error| error.to_string())?;
    let said = quotes.iter().map(|quote| {
        let age = NOW.seconds() - quote.at.seconds();
        format!("{}/{} {} {age}", quote.base, quote.quote, quote.rate)
    });
    Ok(said.collect())
}

#[test]
fn either_form_is_read() {
    let none = RateTable::default();
    let check = |text: &str, expect: &[&str]| {
        let taken = taken(text.as_bytes(), &none);
        assert_eq!(taken.as_deref().unwrap(), expect, "{text}");
    };
    check(
        r#"{"rates":[{"base":"USD","quote":"COP","rate":"4012.55","at":"2027-01-15T07:59:00Z"}]}"#,
        &["USD/COP 4012.55 60"],
    );
    check(
        r#"{"base":"USD","rates":{"USD":1,"COP":4012.55,"EUR":9.2e-1,"BTC":0,"XXY":"n"}}"#,
        &["USD/COP 4012.55 0", "USD/EUR 0.92 0"],
    );
    check(
        r#"{"timestamp":1799999000,"license":"x","base":"EUR","rates":{"COP":"4400.1"}}"#,
        &["EUR/COP 4400.1 1000"],
    );
    check(
        r#"{"at":"2027-01-15T07:59:00Z","base":"KSM","rates":{"USD":17.50}}"#,
        &["KSM/USD 17.50 60"],
    );
}

#[test]
fn what_is_wrong_is_said() {
    let none = RateTable::default();
    for (text, said) in [
        ("", "EOF"),
        ("[]", "invalid"),
        ("{}", "missing field `rates`"),
        (r#"{"rates":null}"#, "expected"),
        (r#"{"rates":[]}"#, "rates must be"),
        (r#"{"rates":{"COP":1}}"#, "base is missing"),
        (
            r#"{"base":"DUSD","rates":{"COP":1}}"#,
            "give the rate of USD",
        ),
        (
            r#"{"base":"USD","rates":{"COP":[1]}}"#,
            "COP must be a number",
        ),
        (
            r#"{"base":"USD","rates":{"COP":1,"COP":2}}"#,
            "rates[1].quote",
        ),
        (r#"{"base":"USD","rates":{"COP":-1}}"#, "rates[0].rate"),
        (r#"{"base":"USD","rates":{"COP":0}}"#, "rates[0].rate"),
        (r#"{"base":"USD","rates":{"BTC":1}}"#, "rates must be"),
        (
            r#"{"at":"soon","base":"USD","rates":{"COP":1}}"#,
            "rates[0].at",
        ),
        (
            r#"{"timestamp":9999999999,"base":"USD","rates":{"COP":1}}"#,
            "future",
        ),
        (
            r#"{"timestamp":9223372036854775807,"base":"USD","rates":{"COP":1}}"#,
            "rates[0].at",
        ),
        (
            r#"{"rates":[{"base":"USD","quote":"XXY","rate":1}]}"#,
            "rates[0].quote",
        ),
        (
            r#"{"rates":[{"base":"USD","quote":"COP","rate":1,"x":1}]}"#,
            "unknown field",
        ),
    ] {
        let error = taken(text.as_bytes(), &none).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn what_says_nothing_new_is_not_recorded_until_it_grows_old() {
    let terms = terms();
    let quarter = terms.rate_age_seconds_max / 4;
    let text = br#"{"base":"USD","rates":{"COP":4012.55}}"#;
    let source: Arc<str> = "test".into();
    let known = |age: i64, rate: &str| {
        let document = Document::read(text, &terms).unwrap();
        let at = NOW.plus_seconds(-age);
        let mut quotes = quotes::read(&document.drafts(), &source, at, &terms).unwrap();
        quotes[0].rate = rate.parse().unwrap();
        RateTable::default().with(&quotes)
    };
    let recorded = |table: &RateTable| taken(text, table).unwrap().len();
    assert_eq!(recorded(&known(0, "4012.55")), 0);
    assert_eq!(recorded(&known(quarter - 1, "4012.550")), 0);
    assert_eq!(recorded(&known(quarter, "4012.55")), 1);
    assert_eq!(recorded(&known(0, "4012.56")), 1, "it corrects");
    assert_eq!(recorded(&known(-1, "4012.56")), 0, "it is older");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_document_stops_the_process(
        noise in "\\PC{0,40}",
        number in "-?[0-9]{1,25}(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        unit in "[A-Z]{3}",
    ) {
        let none = RateTable::default();
        let quoted = serde_json::to_string(&noise).unwrap();
        for text in [
            noise.clone(),
            format!(r#"{{"base":"USD","rates":{{"{unit}":{number}}}}}"#),
            format!(r#"{{"base":"USD","timestamp":{number},"rates":{{"COP":1}}}}"#),
            format!(r#"{{"base":{quoted},"rates":{{{quoted}:{quoted}}}}}"#),
            format!(r#"{{"rates":[{{"base":"USD","quote":{quoted},"rate":{number},"at":{quoted}}}]}}"#),
            format!(r#"{{"rates":[{{"base":"USD","quote":"COP","rate":{number}}}]}}"#),
        ] {
            if let Ok(rates) = taken(text.as_bytes(), &none) {
                prop_assert!(rates.len() <= 1, "{}", text);
            }
        }
    }
}
