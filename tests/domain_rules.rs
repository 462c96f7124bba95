//! The money rules against a plain model in exact fractions: which asset pays, at what rate, who is
//! drawn on, what are fees, what is set aside, and what comes back; to the unit, after every step.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests may"
)]

mod books;
mod rules;

use std::collections::BTreeMap;

use cardwright::domain::{command::Command, ids::ActorId};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use rules::{
    cases::{Case, case},
    play::{Op, Play, op, request},
};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_step_is_as_the_model_has_it(
        case in case(),
        ops in prop::collection::vec(op(30), 1..60),
    ) {
        let mut play = Play::new(&case);
        for op in &ops {
            play.step(op);
        }
        while !play.transfers.is_empty() {
            play.deliver(0);
        }
    }

    #[test]
    fn what_is_reversed_and_refunded_leaves_no_trace(
        case in case(),
        ops in prop::collection::vec(op(10), 1..30),
    ) {
        leaves_no_trace(&case, &ops);
    }
}

/// Plays purchases only, on pockets that have enough whenever something is to come back from them;
/// then undoes what is left of them.
fn leaves_no_trace(case: &Case, ops: &[Op]) {
    let mut play = Play::new(case);
    let before = play.money();
    for op in ops.iter().filter(|op| !Play::is_harmful(op)) {
        if matches!(op.verb % 32, 20..25) {
            play.top_up();
        }
        play.step(op);
    }
    play.top_up();
    for id in play.shell.recalled.keys().copied().collect::<Vec<_>>() {
        let known = play.shell.recalled[&id].clone();
        if known.is_open() {
            let said = play.ask(id.actor, &Command::Reverse(request(id, &known, None, None)));
            assert!(said.starts_with("reversed"), "{said}");
        }
        let known = play.shell.recalled[&id].clone();
        if known.local_refundable().minor() > 0 {
            let said = play.ask(id.actor, &Command::Refund(request(id, &known, None, None)));
            assert!(said.starts_with("refunded"), "{said}");
        }
    }
    while !play.transfers.is_empty() {
        play.deliver(0);
    }
    assert_eq!(play.money(), before, "everything is where it began");
    assert!(play.shell.groups[&ActorId(1)].outgoing.is_empty());
    for ((house, asset), amount) in &play.shell.house {
        let is_world = *house == cardwright::domain::posting::House::World;
        assert!(
            is_world || *amount == 0.into(),
            "{amount} of {asset} is left with {house:?}"
        );
    }
}

/// A generator can go blind without a test failing: every answer must be among what it leads to.
#[test]
fn the_random_purchases_meet_every_answer() {
    let mut runner = TestRunner::deterministic();
    let ops = prop::collection::vec(op(30), 40..60);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..300 {
        let case = case().new_tree(&mut runner).unwrap().current();
        let mut play = Play::new(&case);
        for op in ops.new_tree(&mut runner).unwrap().current() {
            play.step(&op);
        }
        for said in play.answers {
            let is_word = |word: &&str| !word.starts_with(|first: char| first.is_ascii_digit());
            let said: Vec<_> = said.split(' ').take_while(is_word).collect();
            *seen.entry(said.join(" ")).or_default() += 1;
        }
    }
    let missing: Vec<_> = EVERY_ANSWER
        .iter()
        .filter(|answer| seen.get(**answer).is_none_or(|times| *times < 8))
        .collect();
    assert!(
        missing.is_empty(),
        "{missing:?} seldom or never came; {seen:#?}"
    );
}

const EVERY_ANSWER: [&str; 30] = [
    "approved",
    "partially approved",
    "posted",
    "incremented",
    "captured",
    "reversed",
    "expired",
    "refunded",
    "refund reversed",
    "changed",
    "deposited",
    "withdrawn",
    "received",
    "settled",
    "declined amount_limit_exceeded",
    "declined count_limit_exceeded",
    "declined card_deleted",
    "declined card_frozen",
    "declined currency_not_supported",
    "declined fees_exceed_amount",
    "declined insufficient_funds",
    "rejected account not open",
    "rejected already reversed",
    "rejected amount required",
    "rejected insufficient funds",
    "rejected more than left",
    "rejected no asset",
    "rejected no refund",
    "rejected out of range",
    "rejected state",
];
