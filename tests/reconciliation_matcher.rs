//! The matcher of reconciliations: what holds of its pairs, whatever it is given.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

use std::collections::BTreeSet;

use cardwright::{
    domain::time::Timestamp,
    reconciliation::{
        explain::{Explainer, Why},
        groups::grouped,
        matcher::pairs,
        record::{Entry, Span},
        rules::{Criterion, Field, Operator, Rule},
    },
};
use proptest::prelude::*;

fn entry(id: &str, amount: &str, reference: &str, seconds: i64) -> Entry {
    Entry {
        span: Span::at(Timestamp::from_micros(seconds * 1_000_000)),
        amount: amount.parse().unwrap(),
        currency: "USD".to_owned(),
        reference: reference.to_owned(),
        description: String::new(),
        ids: vec![id.to_owned()],
        members: vec![0],
    }
}

fn criterion(field: Field, operator: Operator, drift: &str) -> Criterion {
    Criterion {
        field,
        operator,
        value: None,
        pattern: None,
        allowable_drift: (!drift.is_empty()).then(|| drift.to_owned()),
    }
}

fn rule(id: &str, criteria: &[(Field, Operator, &str)]) -> Rule {
    let criteria: Vec<_> = criteria
        .iter()
        .map(|(field, operator, drift)| criterion(*field, *operator, drift))
        .collect();
    Rule::new(id, id, &criteria).unwrap()
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort();
    entries
}

/// The ids of the pairs, and under which rule they were found.
fn found(
    externals: &[Entry],
    internals: &[Entry],
    rules: &[Rule],
) -> BTreeSet<(String, String, usize)> {
    let pairs = pairs(externals, internals, rules, &|| true).unwrap();
    let named = pairs.iter().map(|pair| {
        let external = externals[pair.external].ids.join("+");
        let internal = internals[pair.internal].ids.join("+");
        (external, internal, pair.rule)
    });
    named.collect()
}

fn known_rules() -> Vec<Rule> {
    use Field::{Amount, Currency, Date, Description, Reference};
    use Operator::{Contains, Equals, GreaterThan, LessThan};
    vec![
        rule(
            "same",
            &[
                (Reference, Equals, ""),
                (Amount, Equals, ""),
                (Currency, Equals, ""),
            ],
        ),
        rule("amount", &[(Amount, Equals, "0.1"), (Date, Equals, "60")]),
        rule("day", &[(Currency, Equals, ""), (Date, Equals, "30")]),
        rule("moment", &[(Amount, Equals, ""), (Date, Equals, "")]),
        rule(
            "alike",
            &[(Reference, Equals, "40"), (Amount, Equals, "0.5")],
        ),
        rule("part", &[(Reference, Contains, "")]),
        rule("fee", &[(Reference, Equals, ""), (Amount, LessThan, "")]),
        rule("later", &[(Date, GreaterThan, ""), (Amount, Equals, "")]),
        rule(
            "told",
            &[(Description, Contains, "10"), (Amount, GreaterThan, "")],
        ),
        rule("only", &[(Currency, Equals, "")]),
    ]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let amount = prop::sample::select(vec!["10", "10.01", "10.5", "11", "20", "-10", "0"]);
    let reference =
        prop::sample::select(vec!["", "ref-1", "ref-12", "ref-123", "x-ref-12", "other"]);
    let text = prop::sample::select(vec!["", "coffee", "coffee at noon", "tea"]);
    let currency = prop::sample::select(vec!["USD", "USD", "EUR"]);
    let is_day = prop::bool::weighted(0.2);
    (amount, reference, text, currency, 0_i64..200, is_day).prop_map(
        |(amount, reference, text, currency, seconds, is_day)| {
            let mut made = entry("", amount, reference, seconds);
            made.description = text.to_owned();
            made.currency = currency.to_owned();
            if is_day {
                made.span = "1970-01-01".parse().unwrap();
            }
            made
        },
    )
}

fn named(mut entries: Vec<Entry>, prefix: &str) -> Vec<Entry> {
    for (place, entry) in entries.iter_mut().enumerate() {
        entry.ids = vec![format!("{prefix}{place}")];
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pairs_are_right_and_nothing_is_left(
        externals in prop::collection::vec(any_entry(), 0..24),
        internals in prop::collection::vec(any_entry(), 0..24),
        chosen in prop::sample::subsequence(known_rules(), 1..4),
        seed in any::<u64>(),
    ) {
        let externals = named(externals, "e");
        let internals = named(internals, "i");
        let (one, other) = (sorted(externals.clone()), sorted(internals.clone()));
        let pairs = pairs(&one, &other, &chosen, &|| true).unwrap();
        let mut taken = (BTreeSet::new(), BTreeSet::new());
        for pair in &pairs {
            prop_assert!(taken.0.insert(pair.external), "{} twice", pair.external);
            prop_assert!(taken.1.insert(pair.internal), "{} twice", pair.internal);
            let (external, internal) = (&one[pair.external], &other[pair.internal]);
            let cost = chosen[pair.rule].cost(external, internal);
            prop_assert!(cost.is_some(), "{external:?} {internal:?}");
            prop_assert!(!pair.is_exact || cost.unwrap().drift == 0);
            for finding in chosen[pair.rule].findings(external, internal) {
                prop_assert!(finding.holds, "{finding:?}");
            }
        }
        for (place, external) in one.iter().enumerate().filter(|(place, _)| !taken.0.contains(place)) {
            for (at, internal) in other.iter().enumerate().filter(|(at, _)| !taken.1.contains(at)) {
                for rule in &chosen {
                    prop_assert!(rule.cost(external, internal).is_none(), "left: {place} {at}");
                }
            }
        }
        // The same in another order.
        let turned = |entries: &[Entry]| {
            let mut turned = entries.to_vec();
            let len = turned.len().max(1);
            turned.rotate_left(usize::try_from(seed).unwrap_or(0) % len);
            turned.reverse();
            sorted(turned)
        };
        prop_assert_eq!(
            found(&one, &other, &chosen),
            found(&turned(&externals), &turned(&internals), &chosen)
        );
    }

    #[test]
    fn groups_keep_every_record_and_every_cent(
        entries in prop::collection::vec(any_entry(), 0..40),
        by in prop::sample::select(vec![Field::Amount, Field::Currency, Field::Reference, Field::Description, Field::Date]),
    ) {
        let entries = named(entries, "e");
        let groups = grouped(entries.clone(), by);
        let ids = |entries: &[Entry]| -> BTreeSet<String> {
            entries.iter().flat_map(|entry| entry.ids.clone()).collect()
        };
        prop_assert_eq!(ids(&entries), ids(&groups));
        let sum = |entries: &[Entry]| {
            entries.iter().fold("0".parse().unwrap(), |sum: cardwright::reconciliation::record::Units, entry| sum.plus(&entry.amount))
        };
        prop_assert_eq!(sum(&entries), sum(&groups));
    }
}

#[test]
fn what_is_exact_goes_before_what_is_near() {
    let rules = [rule(
        "a",
        &[
            (Field::Amount, Operator::Equals, "0.05"),
            (Field::Currency, Operator::Equals, ""),
        ],
    )];
    let externals = sorted(vec![
        entry("near", "10.01", "", 0),
        entry("same", "10", "", 5),
    ]);
    let internals = sorted(vec![entry("i", "10", "", 0), entry("j", "10.40", "", 0)]);
    let pairs = found(&externals, &internals, &rules);
    let expected = [
        ("near".to_owned(), "j".to_owned(), 0),
        ("same".to_owned(), "i".to_owned(), 0),
    ];
    assert_eq!(pairs, BTreeSet::from(expected));
}

#[test]
fn a_large_bucket_of_equal_amounts_is_matched_whole() {
    let rules = [rule("a", &[(Field::Amount, Operator::Equals, "")])];
    let many = |prefix: &str, count: i64, shift: i64| {
        let made = (0..count).map(|n| entry(&format!("{prefix}{n}"), "5", "", n * 60 + shift));
        sorted(made.collect())
    };
    let (externals, internals) = (many("e", 400, 0), many("i", 500, 3_000));
    assert_eq!(found(&externals, &internals, &rules).len(), 400);
    // The same reference goes before the nearest time.
    let marked = |entries: Vec<Entry>| -> Vec<Entry> {
        let with = |(place, mut entry): (usize, Entry)| {
            entry.reference = format!("r{}", (place * 7) % 400);
            entry
        };
        sorted(entries.into_iter().enumerate().map(with).collect())
    };
    let (externals, internals) = (marked(many("e", 400, 0)), many("i", 400, 0));
    let internals = sorted(
        internals
            .into_iter()
            .enumerate()
            .map(|(place, mut entry)| {
                entry.reference = format!("r{place}");
                entry
            })
            .collect(),
    );
    let pairs = pairs(&externals, &internals, &rules, &|| true).unwrap();
    assert_eq!(pairs.len(), 400);
    for pair in pairs {
        assert_eq!(
            externals[pair.external].reference,
            internals[pair.internal].reference
        );
    }
}

#[test]
fn several_transactions_are_one_payout() {
    let rules = [rule(
        "sum",
        &[
            (Field::Amount, Operator::Equals, ""),
            (Field::Reference, Operator::Equals, ""),
        ],
    )];
    let mut internals = Vec::new();
    for (id, amount) in [("a", "10.10"), ("b", "20.20"), ("c", "0.03")] {
        internals.push(entry(id, amount, "payout-1", 0));
    }
    internals.push(entry("d", "1", "payout-2", 0));
    let groups = grouped(internals, Field::Reference);
    let externals = vec![entry("p", "30.33", "payout-1", 0)];
    let pairs = found(&externals, &groups, &rules);
    assert_eq!(pairs.len(), 1);
    let ids = &pairs.first().unwrap().1;
    assert!(
        ids.contains('a') && ids.contains('b') && ids.contains('c'),
        "{ids}"
    );
}

#[test]
fn what_is_left_is_told_why() {
    let rules = [rule(
        "all",
        &[
            (Field::Reference, Operator::Equals, ""),
            (Field::Amount, Operator::Equals, ""),
            (Field::Date, Operator::Equals, "3600"),
        ],
    )];
    let internals = sorted(vec![
        entry("cent", "10.00", "r-1", 0),
        entry("late", "20.00", "r-2", 0),
        entry("once", "30.00", "r-3", 0),
    ]);
    let externals = sorted(vec![
        entry("cent", "10.01", "r-1", 0),
        entry("late", "20.00", "r-2", 86_400),
        entry("once", "30.00", "r-3", 0),
        entry("twice", "30.00", "r-3", 0),
        entry("strange", "777.77", "nothing", 0),
    ]);
    let pairs = pairs(&externals, &internals, &rules, &|| true).unwrap();
    assert_eq!(pairs.len(), 1);
    let explainer = Explainer::new(&internals, false, &rules);
    let is_taken = |place: usize| pairs.iter().any(|pair| pair.internal == place);
    let why = |id: &str| {
        let entry = externals.iter().find(|entry| entry.ids[0] == id).unwrap();
        explainer.why(entry, &is_taken)
    };
    let failed = |why: Why| match why {
        Why::Differs { findings, .. } => {
            let failed: Vec<_> = findings
                .into_iter()
                .filter(|finding| !finding.holds)
                .collect();
            assert_eq!(failed.len(), 1, "{failed:?}");
            (
                failed[0].field,
                failed[0].difference.clone(),
                failed[0].allowed.clone(),
            )
        }
        Why::Alone | Why::Taken { .. } | Why::TooMany { .. } => panic!("{why:?}"),
    };
    let cent = (Field::Amount, "0.01".to_owned(), "0".to_owned());
    assert_eq!(failed(why("cent")), cent);
    let late = (Field::Date, "86400".to_owned(), "3600".to_owned());
    assert_eq!(failed(why("late")), late);
    assert!(matches!(why("twice"), Why::Taken { .. }));
    assert_eq!(why("strange"), Why::Alone);
}

#[test]
fn rules_that_cannot_be_meant_are_refused() {
    use Field::{Amount, Currency, Date, Reference};
    use Operator::{Contains, Equals, GreaterThan};
    for (field, operator, drift, part) in [
        (Amount, Contains, "", "operator"),
        (Reference, GreaterThan, "", "operator"),
        (Currency, Equals, "1", "allowable_drift"),
        (Amount, Equals, "5", "allowable_drift"),
        (Amount, Equals, "-0.1", "allowable_drift"),
        (Amount, GreaterThan, "0.1", "allowable_drift"),
        (Reference, Equals, "101", "allowable_drift"),
        (Date, Equals, "1e30", "allowable_drift"),
    ] {
        let refused = Rule::new("r", "r", &[criterion(field, operator, drift)]).unwrap_err();
        assert_eq!((refused.place, refused.field), (0, part), "{refused}");
    }
    assert!(Rule::new("r", "r", &[]).is_err());
    let mut fixed = criterion(Currency, Equals, "");
    fixed.value = Some("USD".to_owned());
    assert!(
        Rule::new("r", "r", &[fixed]).is_err(),
        "it compares nothing"
    );
}

#[test]
fn values_and_patterns_choose_the_records() {
    let mut only = criterion(Field::Reference, Operator::Equals, "");
    only.pattern = Some("stl-*".to_owned());
    let mut large = criterion(Field::Amount, Operator::GreaterThan, "");
    large.value = Some("15".to_owned());
    let rules = [Rule::new("r", "r", &[only, large]).unwrap()];
    let made = |prefix: &str| {
        sorted(vec![
            entry(&format!("{prefix}1"), "20", "stl-1", 0),
            entry(&format!("{prefix}2"), "20", "other", 0),
            entry(&format!("{prefix}3"), "10", "stl-3", 0),
        ])
    };
    let pairs = found(&made("e"), &made("i"), &rules);
    assert_eq!(
        pairs,
        BTreeSet::from([("e1".to_owned(), "i1".to_owned(), 0)])
    );
}
