//! Reconciling 100,000 external rows with 100,000 transactions, in memory.
#![allow(missing_docs, reason = "criterion makes a public function")]
#![allow(clippy::unwrap_used, reason = "a bench may stop at the first fault")]

use std::hint::black_box;

use cardwright::{
    domain::time::Timestamp,
    reconciliation::{
        matcher::pairs,
        record::{Entry, Span},
        rules::{Criterion, Field, Operator, Rule},
    },
};
use criterion::{Criterion as Bench, criterion_group, criterion_main};

const ROWS: u64 = 100_000;

/// The same numbers in each run.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const SHOPS: [&str; 8] = [
    "corner coffee",
    "night pharmacy",
    "north fuel station",
    "rail tickets",
    "harbour books",
    "green grocer",
    "city parking",
    "cloud hosting",
];

/// A month of purchases: of the external ones each hundredth is a cent off, each other hundredth a day late,
/// and each description has another ending.
fn month(is_external: bool) -> Vec<Entry> {
    let one = |number: u64| {
        let cents = mixed(number) % 20_000 + 100;
        let cents = cents + u64::from(is_external && number % 100 == 1);
        let late = if is_external && number % 100 == 2 {
            86_400
        } else {
            0
        };
        let delay = if is_external {
            mixed(number ^ 7) % 600
        } else {
            0
        };
        let second = mixed(number ^ 99) % 2_592_000 + late + delay;
        let shop = SHOPS
            .get(usize::try_from(mixed(number ^ 3) % 8).unwrap())
            .unwrap();
        let mark = if is_external { "settled" } else { "card" };
        Entry {
            span: Span::at(Timestamp::from_micros(
                i64::try_from(second * 1_000_000).unwrap(),
            )),
            amount: format!("{}.{:02}", cents / 100, cents % 100)
                .parse()
                .unwrap(),
            currency: "USD".to_owned(),
            reference: format!("auth-{:012x}", mixed(number ^ 1_234) & 0xffff_ffff_ffff),
            description: format!("{shop} {:05} {mark}", number % 100_000),
            ids: vec![format!("{number}")],
            members: Vec::new(),
        }
    };
    let mut entries: Vec<Entry> = (0..ROWS).map(one).collect();
    entries.sort_unstable();
    entries
}

fn rule(criteria: &[(Field, Operator, &str)]) -> Rule {
    let made: Vec<_> = criteria
        .iter()
        .map(|(field, operator, drift)| Criterion {
            field: *field,
            operator: *operator,
            value: None,
            pattern: None,
            allowable_drift: Some((*drift).to_owned()),
        })
        .collect();
    Rule::new("rule", "rule", &made).unwrap()
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

fn reconciliation(bench: &mut Bench) {
    use Field::{Amount, Currency, Date, Description, Reference};
    use Operator::{Contains, Equals};
    let (externals, internals) = (month(true), month(false));
    println!("the records alone: {} KiB at the most", peak_kib());
    let mut group = bench.benchmark_group("reconciliation of 100,000 by 100,000");
    group.sample_size(10);
    let currency = (Currency, Equals, "0");
    for (name, criteria) in [
        (
            "reference and amount",
            vec![currency, (Reference, Equals, "0"), (Amount, Equals, "0")],
        ),
        (
            "reference, amount by 1 %, a day",
            vec![
                currency,
                (Reference, Equals, "0"),
                (Amount, Equals, "0.01"),
                (Date, Equals, "90000"),
            ],
        ),
        (
            "amount by 1 %, an hour",
            vec![currency, (Amount, Equals, "0.01"), (Date, Equals, "3600")],
        ),
        (
            "amount, a day",
            vec![currency, (Amount, Equals, "0"), (Date, Equals, "86400")],
        ),
        (
            "reference contains",
            vec![currency, (Reference, Contains, "0")],
        ),
        (
            "text by 40 %, an hour",
            vec![
                currency,
                (Description, Equals, "40"),
                (Date, Equals, "3600"),
            ],
        ),
    ] {
        let rules = [rule(&criteria)];
        let mut matched = 0;
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let found = pairs(
                    black_box(&externals),
                    black_box(&internals),
                    &rules,
                    &|| true,
                );
                matched = found.unwrap().len();
            });
        });
        println!("{name}: {matched} pairs, {} KiB at the most", peak_kib());
    }
    group.finish();
}

criterion_group!(benches, reconciliation);
criterion_main!(benches);
