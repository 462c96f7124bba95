//! Several sources or destinations: all or none, wherever they live.

use cardwright::{
    books::BooksError,
    domain::books::{Kind, State, Step},
};

use super::house::{at_once, inflight, split, story};

#[test]
fn one_source_pays_many_and_many_pay_one() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.funded(500).await);
        let (c, d) = (house.balance().await, house.balance().await);
        let [sa, sb, sc, sd] = [a, b, c, d].map(|id| id.to_string());
        let out = split(&[(&sa, 300)], &[(&sc, 100), (&sd, 200)], "out");
        let out = house.take(out).await.unwrap();
        assert_eq!((out.state, out.kind), (State::Applied, Kind::SplitHead));
        assert_eq!(out.parts.len(), 2);
        let into = split(&[(&sa, 50), (&sb, 450)], &[(&sc, 500)], "into");
        let into = house.take(into).await.unwrap();
        assert_eq!((into.state, into.parts.len()), (State::Applied, 2));
        let seen = house.books.get(&house.origin, into.id).await.unwrap();
        assert_eq!(seen.state, State::Applied);
        for part in &seen.parts {
            let part = house.books.get(&house.origin, *part).await.unwrap();
            assert_eq!((part.state, part.kind), (State::Applied, Kind::Part));
            assert_eq!(part.parent, Some(into.id));
        }
        assert_eq!(house.money(a).await, (650, 0, 0));
        assert_eq!(house.money(b).await, (50, 0, 0));
        assert_eq!(house.money(c).await, (600, 0, 0));
        assert_eq!(house.money(d).await, (200, 0, 0));
        let by = house.books.by_reference(&house.origin, "into").await;
        assert_eq!(by.unwrap().id, into.id);
        house.assert_balanced().await;
    });
}

#[test]
fn if_one_source_is_short_none_pays() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.funded(10).await);
        let c = house.balance().await;
        let [sa, sb, sc] = [a, b, c].map(|id| id.to_string());
        for (first, second) in [(&sa, &sb), (&sb, &sa)] {
            let ask =
                |reference: &str| split(&[(first, 100), (second, 100)], &[(&sc, 200)], reference);
            let refused = house.take(at_once(ask(&format!("no-{first}")))).await;
            assert!(
                matches!(refused, Err(BooksError::Short { .. })),
                "{refused:?}"
            );
            let rejected = house.take(ask(&format!("rec-{first}"))).await.unwrap();
            assert_eq!(rejected.state, State::Rejected);
        }
        assert_eq!(house.money(a).await, (1_000, 0, 0));
        assert_eq!(house.money(b).await, (10, 0, 0));
        assert_eq!(house.money(c).await, (0, 0, 0));
        assert!(house.engine.shared.books.is_decided());
        house.assert_balanced().await;
    });
}

#[test]
fn what_is_split_and_inflight_is_committed_or_let_go_whole() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.funded(1_000).await);
        let c = house.balance().await;
        let [sa, sb, sc] = [a, b, c].map(|id| id.to_string());
        let ask =
            |reference: &str| inflight(split(&[(&sa, 100), (&sb, 200)], &[(&sc, 300)], reference));
        let (first, second) = (
            house.take(ask("one")).await.unwrap(),
            house.take(ask("two")).await.unwrap(),
        );
        assert_eq!(first.state, State::Inflight);
        assert_eq!(house.money(a).await, (1_000, 200, 0));
        assert_eq!(house.money(c).await, (0, 0, 600));
        let step = |id, step| {
            let (books, origin) = (house.books.clone(), house.origin.clone());
            async move {
                let done = books.step(&origin, id, step, None, Default::default());
                done.await.map(|done| done.value)
            }
        };
        let partly = step(first.id, Step::Commit(Some(super::house::amount(1)))).await;
        assert!(matches!(partly, Err(BooksError::Invalid { .. })));
        let committed = step(first.id, Step::Commit(None)).await.unwrap();
        assert_eq!(committed.state, State::Committed);
        let voided = step(second.id, Step::Void).await.unwrap();
        assert_eq!(voided.state, State::Voided);
        for (id, word) in [(first.id, "COMMIT"), (second.id, "VOID")] {
            let again = step(id, Step::Commit(None)).await;
            let Err(BooksError::Rejected(rejection)) = again else {
                panic!("{again:?}");
            };
            assert!(rejection.to_string().contains(word), "{rejection}");
        }
        assert_eq!(house.money(a).await, (900, 0, 0));
        assert_eq!(house.money(b).await, (800, 0, 0));
        assert_eq!(house.money(c).await, (300, 0, 0));
        house.assert_balanced().await;
    });
}
