//! Long random sequences of commands, legal and not, against a plain model: the same answers, the
//! same books after every step, and what [books::shell] holds against every record.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

mod books;
mod model;
mod play;

use std::collections::BTreeMap;

use cardwright::domain::{
    command::Command, decision::Ruling, hold::Authorization, ids::AuthorizationId,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use play::{Op, Play, Setting, op, setting};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 5_000,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_domain_answers_and_books_like_the_model(
        setting in setting(),
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut play = Play::new(setting);
        play.fund_everybody();
        for op in &ops {
            play.step(op);
        }
        play.compare_everything();
        play.shell.check_fees_and_settlement();
    }

    #[test]
    fn what_is_reversed_and_refunded_leaves_no_trace(
        setting in setting(),
        ops in prop::collection::vec(op(), 1..40),
        cuts in prop::collection::vec(1_u32..2_000, 1..8),
    ) {
        leaves_no_trace(setting, &ops, &cuts);
    }
}

/// Plays what concerns purchases only, then undoes it.
fn leaves_no_trace(setting: Setting, ops: &[Op], cuts: &[u32]) {
    let mut play = Play::new(setting);
    play.fund_everybody();
    let before = play.money();
    for op in ops.iter().filter(|op| op.is_about_purchases()) {
        // Amounts near 2^127 would use up the lifetime totals, and then nothing can be given back.
        play.step(&op.of_this_world());
    }
    let all: Vec<_> = play.shell.recalled.keys().copied().collect();
    let mut cuts = cuts.iter().cycle();
    for id in all {
        if play.shell.recalled[&id].decision.is_open() {
            let verdict = [Ruling::Approved, Ruling::Declined][id.number as usize % 2];
            let said = play.ask(id.actor, &play::conclude(id, verdict));
            assert!(said.starts_with("decided"), "{said}");
        }
        if play.shell.recalled[&id].is_open() {
            let said = play.ask(id.actor, &Command::Reverse(play::request(id, None)));
            assert!(said.starts_with("reversed"), "{said}");
        }
        undo_and_redo(&mut play, id, *cuts.next().unwrap());
        while refundable(&play.shell.recalled[&id]) {
            let cut = play.clamp(id, *cuts.next().unwrap());
            let said = play.ask(id.actor, &Command::Refund(play::request(id, cut)));
            assert!(said.starts_with("refunded"), "{said}");
        }
    }
    assert_eq!(play.money(), before, "everything is where it began");
}

const fn refundable(known: &Authorization) -> bool {
    !known.local_refundable().is_zero()
}

/// A refund and its reversal lead back to where they began.
fn undo_and_redo(play: &mut Play, id: AuthorizationId, cut: u32) {
    if !refundable(&play.shell.recalled[&id]) {
        return;
    }
    let before = play.money();
    let cut = play.clamp(id, cut);
    play.ask(id.actor, &Command::Refund(play::request(id, cut)));
    let step = play::request(id, None);
    let refund = play.shell.lsn;
    play.ask(id.actor, &Command::ReverseRefund { step, refund });
    assert_eq!(play.money(), before, "a refund and its reversal cancel out");
}

/// A generator can go blind without a test failing: every answer must be among what it leads to.
#[test]
fn the_random_sequences_meet_every_answer() {
    let mut runner = TestRunner::deterministic();
    let ops = prop::collection::vec(op(), 60..120);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..400 {
        let mut play = Play::new(setting().new_tree(&mut runner).unwrap().current());
        play.fund_everybody();
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
        .filter(|answer| seen.get(**answer).is_none_or(|times| *times < 20))
        .collect();
    assert!(
        missing.is_empty(),
        "{missing:?} seldom or never came; {seen:#?}"
    );
}

const EVERY_ANSWER: [&str; 47] = [
    "opened",
    "changed",
    "deposited",
    "withdrawn",
    "transferred",
    "sent",
    "received",
    "settled",
    "returned",
    "approved",
    "partially approved",
    "posted",
    "incremented",
    "captured",
    "reversed",
    "expired",
    "refunded",
    "refund reversed",
    "declined insufficient_funds",
    "declined card_frozen",
    "declined card_disabled",
    "declined card_deleted",
    "declined card_expired",
    "declined currency_not_supported",
    "declined credit_not_supported",
    "rejected no account",
    "rejected no ledger",
    "rejected no authorization",
    "rejected no refund",
    "rejected no transfer",
    "rejected account exists",
    "rejected transfer known",
    "rejected illegal transition",
    "rejected account not open",
    "rejected insufficient funds",
    "rejected state",
    "rejected more than left",
    "rejected already reversed",
    "rejected other currency",
    "rejected amount required",
    "rejected too precise",
    "rejected negative",
    "rejected out of range",
    "rejected same money",
    "decided approved",
    "decided declined",
    "rejected being decided",
];
