//! What is held first, and what comes by the time.

use std::time::Duration;

use cardwright::{
    books::{BooksError, Stands},
    clock::Clock,
    domain::{
        books::{State, Step},
        ids::TransactionId,
        outcome::Rejection,
    },
    journal::memory::MemoryJournal,
};

use super::house::{BEGINNING, House, amount, guard, inflight, single, split, story, story_on};

async fn step(house: &House, id: TransactionId, step: Step) -> Result<Stands, BooksError> {
    let done = house
        .books
        .step(&house.origin, id, step, None, Default::default());
    done.await.map(|done| done.value)
}

#[test]
fn parts_are_committed_until_nothing_is_left() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.balance().await);
        let held = house.take(inflight(single(&a.to_string(), &b.to_string(), 300, "h")));
        let held = held.await.unwrap();
        assert_eq!(held.state, State::Inflight);
        assert_eq!(house.money(a).await, (1_000, 300, 0));
        assert_eq!(house.money(b).await, (0, 0, 300));
        let child = step(&house, held.id, Step::Commit(Some(amount(100))));
        let child = child.await.unwrap();
        assert_eq!(child.parent, Some(held.id));
        assert_eq!(child.amount, amount(100));
        assert_eq!(house.money(a).await, (900, 200, 0));
        assert_eq!(house.money(b).await, (100, 0, 200));
        let more = step(&house, held.id, Step::Commit(Some(amount(201)))).await;
        assert!(matches!(
            more,
            Err(BooksError::Rejected(Rejection::MoreThanInflight { .. }))
        ));
        step(&house, held.id, Step::Void).await.unwrap();
        assert_eq!(house.money(a).await, (900, 0, 0));
        assert_eq!(house.money(b).await, (100, 0, 0));
        let over = step(&house, held.id, Step::Commit(None)).await;
        assert!(matches!(
            over,
            Err(BooksError::Rejected(Rejection::TransactionForbids { .. }))
        ));
        let child = house.books.get(&house.origin, child.id).await.unwrap();
        assert_eq!(child.state, State::Applied);
        house.assert_balanced().await;
    });
}

#[test]
fn a_commit_under_one_key_is_made_once() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.balance().await);
        let held = house.take(inflight(single(&a.to_string(), &b.to_string(), 300, "h")));
        let id = held.await.unwrap().id;
        let commit = || {
            let what = Step::Commit(Some(amount(100)));
            house.books.step(&house.origin, id, what, None, guard("k"))
        };
        let first = commit().await.unwrap();
        let again = commit().await.unwrap();
        assert!(!first.is_replay && again.is_replay);
        assert_eq!(first.value, again.value);
        assert_eq!(house.money(b).await, (100, 0, 200));
    });
}

#[test]
fn of_many_commits_at_once_no_more_is_taken_than_was_held() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.balance().await);
        let held = house.take(inflight(single(&a.to_string(), &b.to_string(), 300, "h")));
        let id = held.await.unwrap().id;
        let mut tasks = Vec::new();
        for _ in 0..40 {
            let (books, origin) = (house.books.clone(), house.origin.clone());
            tasks.push(actix_rt::spawn(async move {
                let what = Step::Commit(Some(amount(20)));
                books
                    .step(&origin, id, what, None, Default::default())
                    .await
            }));
        }
        let mut done = 0;
        for task in tasks {
            done += i32::from(task.await.unwrap().is_ok());
        }
        assert_eq!(done, 15);
        assert_eq!(house.money(a).await, (700, 0, 0));
        assert_eq!(house.money(b).await, (300, 0, 0));
        house.assert_balanced().await;
    });
}

async fn until(house: &House, id: TransactionId, state: State) {
    for _ in 0..1_000 {
        let now = house.books.get(&house.origin, id).await.unwrap();
        if now.state == state {
            return;
        }
        actix_rt::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} never became {state:?}");
}

#[test]
fn what_comes_by_the_time_comes() {
    let clock = Clock::manual(BEGINNING);
    story_on(MemoryJournal::new(), clock, |house| async move {
        let (a, b) = (house.funded(1_000).await, house.funded(1_000).await);
        let c = house.balance().await;
        let [sa, sb, sc] = [a, b, c].map(|id| id.to_string());
        let later = BEGINNING.plus_seconds(60);
        let mut expires = inflight(single(&sa, &sc, 10, "expires"));
        expires.expires_at = Some(later);
        let mut commits = inflight(single(&sa, &sc, 20, "commits"));
        commits.commits_at = Some(later);
        let mut scheduled = single(&sa, &sc, 40, "scheduled");
        scheduled.scheduled_for = Some(later);
        let mut short = single(&sa, &sc, 100_000, "short");
        short.scheduled_for = Some(later);
        let mut apart = split(&[(&sa, 80), (&sb, 80)], &[(&sc, 160)], "apart");
        apart.scheduled_for = Some(later);
        let mut lacking = split(&[(&sa, 80), (&sb, 90_000)], &[(&sc, 90_080)], "lacking");
        lacking.scheduled_for = Some(later);
        let mut held = inflight(split(&[(&sa, 160), (&sb, 160)], &[(&sc, 320)], "held"));
        held.expires_at = Some(later);
        let mut ids = Vec::new();
        for ask in [expires, commits, scheduled, short, apart, lacking, held] {
            ids.push(house.take(ask).await.unwrap().id);
        }
        let states = [
            State::Inflight,
            State::Inflight,
            State::Scheduled,
            State::Scheduled,
            State::Scheduled,
            State::Scheduled,
            State::Inflight,
        ];
        for (id, state) in ids.iter().zip(states) {
            let now = house.books.get(&house.origin, *id).await.unwrap();
            assert_eq!(now.state, state, "{}", now.terms.reference);
        }
        assert_eq!(house.see(a).await.expires_at, Some(later));
        assert_eq!(house.money(a).await, (1_000, 190, 0));
        assert_eq!(house.money(c).await, (0, 0, 350));
        house.books.start_clock();
        house.engine.shared.clock.advance_to(later.plus_seconds(1));
        let states = [
            State::Expired,
            State::Committed,
            State::Applied,
            State::Rejected,
            State::Applied,
            State::Rejected,
            State::Expired,
        ];
        for (id, state) in ids.iter().zip(states) {
            until(&house, *id, state).await;
        }
        house.assert_balanced().await;
        assert_eq!(house.money(a).await, (860, 0, 0));
        assert_eq!(house.money(b).await, (920, 0, 0));
        assert_eq!(house.money(c).await, (220, 0, 0));
        assert_eq!(house.see(a).await.expires_at, None);
    });
}
