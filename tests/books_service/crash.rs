//! A crash behind any record: after recovery every head is decided, every part follows, all money has
//! arrived, and nothing is half there.

use std::{cell::Cell, rc::Rc};

use cardwright::{
    books::{Ask, Back, Bulk},
    clock::Clock,
    domain::{books::State, uuids::BalanceId},
    journal::{Journal, Lsn, Record, memory::MemoryJournal},
};

use super::house::{BEGINNING, House, inflight, single, split, story, story_on};

/// References of what is done whole or not at all, and what each moves from the first balance.
const WHOLE: [(&str, &[&str]); 4] = [
    ("bulk", &["bulk-1", "bulk-2", "bulk-3"]),
    ("split", &["split"]),
    ("refused", &["refused-1", "refused-2"]),
    ("later", &["later"]),
];

async fn bulk(house: &House, asks: Vec<Ask>) {
    let bulk = Bulk {
        asks,
        is_atomic: true,
        is_inflight: false,
    };
    let _ = house
        .books
        .take_bulk(&house.origin, bulk, Default::default())
        .await;
}

/// Bulks, splits, a refund, what is held and what comes later, across three actors.
async fn short_life(house: &House) -> [BalanceId; 3] {
    house.books.start_clock();
    let a = house.funded(1_000).await;
    let (b, c) = (house.funded(1_000).await, house.balance().await);
    let [sa, sb, sc] = [a, b, c].map(|id| id.to_string());
    bulk(
        house,
        vec![
            single(&sa, &sb, 10, "bulk-1"),
            single(&sb, &sc, 20, "bulk-2"),
            split(&[(&sa, 5), (&sc, 5)], &[(&sb, 10)], "bulk-3"),
        ],
    )
    .await;
    house
        .take(split(&[(&sa, 100), (&sb, 100)], &[(&sc, 200)], "split"))
        .await
        .unwrap();
    bulk(
        house,
        vec![
            single(&sa, &sb, 1, "refused-1"),
            single(&sb, &sc, 100_000, "refused-2"),
        ],
    )
    .await;
    let paid = house.take(single(&sa, &sb, 50, "paid")).await.unwrap();
    house
        .books
        .refund(&house.origin, paid.id, Back::default(), Default::default())
        .await
        .unwrap();
    let now = house.engine.shared.clock.now();
    let mut later = split(&[(&sa, 3), (&sb, 3)], &[(&sc, 6)], "later");
    later.scheduled_for = Some(now.plus_seconds(1));
    house.take(later).await.unwrap();
    until_applied(house, "later").await;
    house
        .take(inflight(split(&[(&sa, 7), (&sb, 7)], &[(&sc, 14)], "held")))
        .await
        .unwrap();
    [a, b, c]
}

async fn until_applied(house: &House, reference: &str) {
    for _ in 0..1_000 {
        if state(house, reference).await == Some(State::Applied) {
            return;
        }
        actix_rt::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{reference} was never applied");
}

fn records() -> (Vec<Record>, [BalanceId; 3]) {
    let (out, told) = std::sync::mpsc::channel();
    story(|house| async move {
        let ids = short_life(&house).await;
        house.assert_balanced().await;
        let records = house.engine.shared.journal.scan(Lsn::ZERO).unwrap();
        let records: Result<Vec<_>, _> = records.collect();
        out.send((records.unwrap(), ids)).unwrap();
    });
    told.recv().unwrap()
}

async fn state(house: &House, reference: &str) -> Option<State> {
    let known = house.books.by_reference(&house.origin, reference).await;
    known.ok().map(|known| known.state)
}

#[test]
fn after_a_crash_behind_any_record_everything_is_whole_or_absent() {
    let (records, ids) = records();
    let [whole, absent, interrupted] = [0; 3].map(|none: usize| Rc::new(Cell::new(none)));
    for end in 0..records.len() {
        let journal = MemoryJournal::new();
        for record in &records[..=end] {
            let lsn = journal.append(journal.reserve().unwrap(), &record.payload);
            assert_eq!(lsn, record.lsn);
        }
        let counts = [whole.clone(), absent.clone(), interrupted.clone()];
        // Long after: what was scheduled is due.
        let clock = Clock::manual(BEGINNING.plus_seconds(10_000_000));
        story_on(journal, clock, |house| async move {
            let [whole, absent, interrupted] = counts;
            let add = |count: &Cell<usize>, is: bool| count.set(count.get() + usize::from(is));
            add(&interrupted, !house.engine.shared.books.is_decided());
            house.books.finish_interrupted().await.unwrap();
            assert!(house.engine.shared.books.is_decided(), "record {end}");
            house.books.start_clock();
            for _ in 0..1_000 {
                let later = state(&house, "later").await;
                if !matches!(later, Some(State::Scheduled | State::Reserved)) {
                    break;
                }
                actix_rt::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            house.assert_balanced().await;
            assert!(house.engine.shared.books.is_decided(), "record {end}");
            for (name, references) in WHOLE {
                let mut states = Vec::new();
                for reference in references {
                    states.push(state(&house, reference).await);
                }
                let applied = states.iter().filter(|it| **it == Some(State::Applied));
                let applied = applied.count();
                assert!(
                    applied == 0 || applied == states.len(),
                    "record {end}, {name}: {states:?}"
                );
                assert!(
                    states
                        .iter()
                        .flatten()
                        .all(|it| matches!(it, State::Applied | State::Rejected)),
                    "record {end}, {name}: {states:?}"
                );
                add(&whole, applied > 0);
                add(&absent, applied == 0);
            }
            let held = state(&house, "held").await;
            let is_held = held == Some(State::Inflight);
            assert!(is_held || held.is_none() || held == Some(State::Rejected));
            let mut sum = 0;
            for (id, pending) in ids.into_iter().zip([7, 7, 0]) {
                let Ok(seen) = house.books.balance(&house.origin, id).await else {
                    continue;
                };
                let due = if is_held { pending } else { 0 };
                assert_eq!(seen.balance.pending, due, "record {end}");
                assert!(seen.reserved.is_zero() && seen.expected_reserved.is_zero());
                sum += seen.balance.incoming - seen.balance.outgoing;
            }
            assert!([0, 1_000, 2_000].contains(&sum), "record {end}: {sum}");
        });
    }
    let [whole, absent, interrupted] = [whole, absent, interrupted].map(|count| count.get());
    assert!(whole > 10 && absent > 10, "{whole} {absent}");
    assert!(interrupted > 5, "{interrupted}");
}
