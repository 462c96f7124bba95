//! Long random sequences of the ledger's transactions, legal and not, beside purchases of the network and
//! against a plain model: the same answers, the same balances after every step, and what [books::shell]
//! holds against every record: money is neither made nor lost, and replay gives the same bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

mod books;
mod ledger;

use std::collections::BTreeMap;

use ledger::{ops::op, play::Play};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_books_answer_and_add_up_like_the_model(ops in prop::collection::vec(op(), 1..90)) {
        let mut play = Play::new();
        for op in &ops {
            play.step(op);
        }
        play.finish();
    }
}

/// A generator can go blind without a test failing: every answer must be among what it leads to.
#[test]
fn the_random_sequences_meet_every_answer() {
    let mut runner = TestRunner::deterministic();
    let ops = prop::collection::vec(op(), 60..90);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..150 {
        let mut play = Play::new();
        for op in ops.new_tree(&mut runner).unwrap().current() {
            play.step(&op);
        }
        for said in play.said {
            *seen.entry(said).or_default() += 1;
        }
    }
    let missing: Vec<_> = EVERY_ANSWER
        .iter()
        .filter(|answer| seen.get(**answer).is_none_or(|times| *times < 3))
        .collect();
    assert!(
        missing.is_empty(),
        "{missing:?} seldom or never came; {seen:#?}"
    );
}

const EVERY_ANSWER: [&str; 43] = [
    "Taken APPLIED",
    "Taken INFLIGHT",
    "Taken SCHEDULED",
    "Taken QUEUED",
    "Taken REJECTED",
    "Confirmed APPLIED",
    "Confirmed INFLIGHT",
    "Released REJECTED",
    "Fell APPLIED",
    "Fell INFLIGHT",
    "Fell REJECTED",
    "Fell QUEUED",
    "Committed INFLIGHT",
    "Committed COMMIT",
    "Voided VOID",
    "Expired EXPIRED",
    "Refunded APPLIED",
    "Noted APPLIED",
    "Noted INFLIGHT",
    "Noted COMMIT",
    "sent",
    "approved",
    "declined",
    "unbooked 0: short",
    "unbooked 0: overdraft",
    "unbooked 0: not open",
    "unbooked 1: short",
    "is QUEUED",
    "is SCHEDULED",
    "is INFLIGHT",
    "is APPLIED",
    "is COMMIT",
    "is VOID",
    "is EXPIRED",
    "is REJECTED",
    "no transaction",
    "nothing due",
    "more than inflight",
    "more than applied",
    "other asset",
    "same money",
    "amount",
    "unbooked 2: short",
];
