//! What many cards are told at once: they go to rest while new ones are made, and none is lost or made
//! twice; and nobody waits for all of them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use cardwright::{
    actors::{Engine, Target},
    domain::ids::{ActorId, LedgerNo},
};

#[path = "common/engine.rs"]
mod engine;

use engine::{deposit, on_an_engine, open};

/// Sweeps as if idle cards were too many, all the while.
async fn sweep(engine: Arc<Engine>) {
    loop {
        engine.directory.sweep(1, 0);
        actix_rt::task::yield_now().await;
    }
}

#[test]
fn cards_rest_and_wake_while_others_are_made() {
    on_an_engine(async |engine| {
        let arbiters = [actix_rt::Arbiter::new(), actix_rt::Arbiter::new()];
        for arbiter in &arbiters {
            engine.directory.add_arbiter(arbiter.handle());
        }
        let sweeper = actix_rt::spawn(sweep(engine.clone()));
        for round in 0..20_u64 {
            let numbers = round * 50 + 1..=round * 50 + 50;
            for no in numbers.clone() {
                engine.directory.create(ActorId(no));
                // What a sweep sees of a group whose first record is still to come.
                engine.directory.sweep(1, 0);
            }
            for answer in engine
                .execute_batch(numbers.clone().map(open).collect())
                .await
            {
                answer.unwrap();
            }
            for no in 1..=round * 50 + 50 {
                engine.execute(deposit(&engine, no, 1)).await.unwrap();
            }
        }
        for no in 1..=1_000_u64 {
            let expected = i128::from(20 - (no - 1) / 50);
            let asset = engine.shared.terms.default_asset;
            let look = move |hosted: &cardwright::actors::hosted::Hosted| {
                hosted
                    .group
                    .ledger(LedgerNo(no))
                    .unwrap()
                    .balance(asset)
                    .current
            };
            let current = engine
                .read(Target::Actor(ActorId(no)), None, look)
                .await
                .unwrap();
            assert_eq!(current, expected, "card {no}");
        }
        sweeper.abort();
        let (groups, live) = engine.directory.count();
        assert_eq!(groups, 1_000);
        assert!(
            live < 1_000,
            "{live} of 1,000 are live although all were told to rest"
        );
    });
}

#[test]
fn nobody_waits_for_the_many_that_go_to_rest() {
    const CARDS: u64 = 4_000;
    // On this one thread, everything has its order.
    on_an_engine(async |engine| {
        (1..=CARDS).for_each(|no| engine.directory.create(ActorId(no)));
        let opened = engine.execute_batch((1..=CARDS).map(open).collect()).await;
        opened.into_iter().for_each(|answer| {
            answer.unwrap();
        });
        engine.directory.sweep(1, 0);
        let look = |hosted: &cardwright::actors::hosted::Hosted| hosted.group.id;
        let asked = engine.read(Target::Actor(ActorId(1)), None, look).await;
        assert_eq!(asked.unwrap(), ActorId(1));
        let (_, live) = engine.directory.count();
        assert!(live > 3_000, "only {live} were left when the answer came");
        // The one that was asked is idle no more.
        let deadline = Instant::now() + Duration::from_secs(30);
        while engine.directory.count().1 > 1 {
            assert!(Instant::now() < deadline, "they never went to rest");
            actix_rt::task::yield_now().await;
        }
        let count = usize::try_from(CARDS).unwrap();
        assert_eq!(engine.directory.count(), (count, 1));
        engine.execute(deposit(&engine, CARDS, 7)).await.unwrap();
        assert_eq!(engine.directory.count(), (count, 2));
    });
}

#[test]
fn others_have_their_turn_within_a_long_batch() {
    const CARDS: u64 = 4_000;
    on_an_engine(async |engine| {
        (1..=CARDS).for_each(|no| engine.directory.create(ActorId(no)));
        let batch = engine.execute_batch((1..=CARDS).map(open).collect());
        // Looks at how far the cards are whenever the thread has time for it.
        let (journal, mut seen) = (engine.shared.journal.clone(), BTreeSet::new());
        let other = async {
            loop {
                seen.insert(journal.appended());
                actix_rt::task::yield_now().await;
            }
        };
        let opened = tokio::select! { opened = batch => opened, () = other => Vec::new() };
        opened.into_iter().for_each(|answer| {
            answer.unwrap();
        });
        let turns = seen.len();
        assert!(turns > 20, "others had {turns} turns in 4,000 decisions");
    });
}
