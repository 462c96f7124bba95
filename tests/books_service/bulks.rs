//! Many at once: each by itself, or all of them or none.

use cardwright::{
    books::{Ask, BooksError, Bulk, BulkDone, Done},
    domain::{
        books::{Kind, Overdraft, Reason, State, Step},
        uuids::BalanceId,
    },
};

use super::house::{House, at_once, guard, single, split, story};

async fn bulk(
    house: &House,
    asks: Vec<Ask>,
    is_atomic: bool,
    is_inflight: bool,
) -> Result<BulkDone, BooksError> {
    let bulk = Bulk {
        asks,
        is_atomic,
        is_inflight,
    };
    let done = house
        .books
        .take_bulk(&house.origin, bulk, Default::default());
    done.await.map(|done| done.value)
}

async fn all(house: &House, count: usize, cents: i128) -> Vec<BalanceId> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(house.funded(cents).await);
    }
    all
}

/// Around a circle: each pays the next.
fn circle(all: &[BalanceId], cents: i128, name: &str) -> Vec<Ask> {
    let next = |place: usize| all[(place + 1) % all.len()].to_string();
    let ask = |(place, id): (usize, &BalanceId)| {
        let reference = format!("{name}-{place}");
        single(&id.to_string(), &next(place), cents, &reference)
    };
    all.iter().enumerate().map(ask).collect()
}

#[test]
fn an_atomic_bulk_across_actors_is_done_whole() {
    story(|house| async move {
        let all = all(&house, 5, 100).await;
        let done = bulk(&house, circle(&all, 60, "c"), true, false).await;
        let done = done.unwrap();
        assert_eq!((done.done, done.first_refused), (5, None));
        let head = house.books.get(&house.origin, done.id).await.unwrap();
        assert_eq!(
            (head.state, head.kind, head.parts.len()),
            (State::Applied, Kind::BulkHead, 5)
        );
        for id in &all {
            assert_eq!(house.money(*id).await, (100, 0, 0));
        }
        let by = house.books.by_reference(&house.origin, "c-3").await;
        assert_eq!(by.unwrap().parent, Some(done.id));
        house.assert_balanced().await;
    });
}

#[test]
fn one_that_cannot_be_done_ends_the_whole_bulk() {
    story(|house| async move {
        let all = all(&house, 5, 100).await;
        for place in 0..5 {
            let mut asks = circle(&all, 60, &format!("f{place}"));
            let short = single(
                &all[place].to_string(),
                "@Shop",
                101,
                &format!("short-{place}"),
            );
            asks.push(short);
            let refused = bulk(&house, asks, true, false).await;
            let Err(BooksError::Short { place: 5, reason }) = refused else {
                panic!("{refused:?}");
            };
            assert!(matches!(reason, Reason::InsufficientFunds { .. }));
            for id in &all {
                assert_eq!(house.money(*id).await, (100, 0, 0));
            }
        }
        assert!(house.engine.shared.books.is_decided());
        let mut asks = circle(&all, 1, "g");
        asks[4].reference = "g-0".to_owned();
        let refused = bulk(&house, asks, true, false).await;
        assert!(matches!(refused, Err(BooksError::Duplicate { reference }) if reference == "g-0"));
        let mut asks = circle(&all, 1, "h");
        asks[2].destinations[0].name = "bln_nothing".into();
        let refused = bulk(&house, asks, true, false).await;
        assert!(matches!(refused, Err(BooksError::NotFound("balance"))));
        house.assert_balanced().await;
    });
}

#[test]
fn what_an_earlier_one_brings_a_later_one_spends() {
    story(|house| async move {
        let a = house.funded(100).await;
        let (b, c) = (house.balance().await, house.balance().await);
        let [sa, sb, sc] = [a, b, c].map(|id| id.to_string());
        for (round, is_atomic) in [(0, true), (1, false)] {
            let asks = vec![
                single(&sa, &sb, 40, &format!("1-{round}")),
                single(&sb, &sc, 30, &format!("2-{round}")),
                single(&sb, &sc, 10, &format!("3-{round}")),
            ];
            let done = bulk(&house, asks, is_atomic, false).await.unwrap();
            assert_eq!((done.done, done.first_refused), (3, None));
        }
        let late = vec![
            at_once(single(&sb, &sc, 1, "late-1")),
            at_once(single(&sa, &sb, 1, "late-2")),
        ];
        assert!(bulk(&house, late, true, false).await.is_err());
        assert_eq!(house.money(b).await, (0, 0, 0));
        assert_eq!(house.money(c).await, (80, 0, 0));
        house.assert_balanced().await;
    });
}

#[test]
fn a_bulk_of_splits_held_first_is_committed_whole() {
    story(|house| async move {
        let all = all(&house, 4, 1_000).await;
        let [a, b, c, d] = [0, 1, 2, 3].map(|n| all[n].to_string());
        let ask = |name: &str| {
            vec![
                split(&[(&a, 10), (&b, 20)], &[(&d, 30)], &format!("{name}-1")),
                split(&[(&c, 50)], &[(&a, 25), (&d, 25)], &format!("{name}-2")),
                single(&b, &c, 5, &format!("{name}-3")),
            ]
        };
        let first = bulk(&house, ask("x"), true, true).await.unwrap();
        let second = bulk(&house, ask("y"), true, true).await.unwrap();
        assert_eq!(house.money(all[1]).await, (1_000, 50, 0));
        assert_eq!(house.money(all[3]).await, (1_000, 0, 110));
        let step = |id, step| {
            let (books, origin) = (house.books.clone(), house.origin.clone());
            async move {
                let done = books.step(&origin, id, step, None, Default::default());
                done.await.unwrap().value.state
            }
        };
        assert_eq!(step(first.id, Step::Commit(None)).await, State::Committed);
        assert_eq!(step(second.id, Step::Void).await, State::Voided);
        let split = house.books.by_reference(&house.origin, "x-1").await;
        let split = split.unwrap();
        assert_eq!(
            (split.kind, split.state),
            (Kind::SplitHead, State::Committed)
        );
        for (id, cents) in all.iter().zip([1_015, 975, 955, 1_055]) {
            assert_eq!(house.money(*id).await, (cents, 0, 0));
        }
        house.assert_balanced().await;
    });
}

#[test]
fn each_by_itself_leaves_out_what_cannot_be_done() {
    story(|house| async move {
        let all = all(&house, 3, 100).await;
        let [a, b, c] = [0, 1, 2].map(|n| all[n].to_string());
        let asks = || {
            vec![
                single(&a, &b, 100, "1"),
                single(&a, &b, 1, "2"),
                at_once(single(&c, "@Shop", 500, "3")),
                split(&[(&b, 50), (&c, 50)], &[("@Shop", 100)], "4"),
                single("bln_nobody", &b, 1, "5"),
                single(&b, &c, 1, "1"),
                single(&b, &c, 150, "7"),
            ]
        };
        let take = || {
            let bulk = Bulk {
                asks: asks(),
                is_atomic: false,
                is_inflight: false,
            };
            house.books.take_bulk(&house.origin, bulk, guard("k"))
        };
        let Done { value, is_replay } = take().await.unwrap();
        assert!(!is_replay);
        let why = "insufficient funds: 0 available, 1 required".to_owned();
        assert_eq!((value.done, &value.first_refused), (3, &Some((1, why))));
        let again = take().await.unwrap();
        assert!(again.is_replay);
        assert_eq!((again.value.id, again.value.done), (value.id, 3));
        assert_eq!(again.value.first_refused, value.first_refused);
        let head = house.books.get(&house.origin, value.id).await.unwrap();
        assert_eq!((head.state, head.parts.len()), (State::Applied, 3));
        for (id, cents) in all.iter().zip([0, 0, 200]) {
            assert_eq!(house.money(*id).await, (cents, 0, 0));
        }
        house.assert_balanced().await;
    });
}

#[test]
fn ten_thousand_are_done_and_none_of_ten_thousand() {
    story(|house| async move {
        let all = all(&house, 40, 1_000).await;
        let asks = |name: &str, count: usize| -> Vec<Ask> {
            let ask = |place: usize| {
                let (from, to) = (place % 40, (place * 7 + 1) % 40);
                let to = if from == to { (to + 1) % 40 } else { to };
                let reference = format!("{name}-{place}");
                let mut ask = single(&all[from].to_string(), &all[to].to_string(), 1, &reference);
                ask.overdraft = Overdraft::Unlimited;
                ask
            };
            (0..count).map(ask).collect()
        };
        let done = bulk(&house, asks("atomic", 10_000), true, false).await;
        assert_eq!(done.unwrap().done, 10_000);
        let mut refused = asks("none", 3_000);
        refused.push(single(&all[39].to_string(), "@Shop", 1_000_000, "too-much"));
        let refused = bulk(&house, refused, true, false).await;
        assert!(matches!(
            refused,
            Err(BooksError::Short { place: 3_000, .. })
        ));
        let done = bulk(&house, asks("each", 3_000), false, false).await;
        assert_eq!(done.unwrap().done, 3_000);
        let mut sum = 0;
        for id in &all {
            let (balance, pending, expected) = house.money(*id).await;
            assert_eq!((pending, expected), (0, 0));
            sum += balance;
        }
        assert_eq!(sum, 40_000);
        house.assert_balanced().await;
    });
}
