//! What was applied goes back.

use cardwright::{
    books::{Back, BooksError, Bulk, Stands},
    domain::{
        books::{Kind, State, Step},
        ids::TransactionId,
        money::Amount,
        outcome::Rejection,
    },
};

use super::house::{House, amount, guard, inflight, single, split, story};

fn back(amount: Option<Amount>, skip_queue: bool) -> Back {
    Back {
        amount,
        skip_queue,
        ..Back::default()
    }
}

async fn refund(
    house: &House,
    id: TransactionId,
    cents: Option<i128>,
    skip_queue: bool,
) -> Result<Stands, BooksError> {
    let asked = back(cents.map(amount), skip_queue);
    let done = house
        .books
        .refund(&house.origin, id, asked, Default::default());
    done.await.map(|done| done.value)
}

#[test]
fn no_more_goes_back_than_came() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.balance().await);
        let paid = house.take(single(&a.to_string(), &b.to_string(), 300, "paid"));
        let paid = paid.await.unwrap();
        let part = refund(&house, paid.id, Some(100), false).await.unwrap();
        assert_eq!((part.state, part.kind), (State::Applied, Kind::Refund));
        assert_eq!(part.parent, Some(paid.id));
        assert_eq!(part.source.name, paid.destination.name);
        assert_eq!(house.money(a).await, (800, 0, 0));
        let more = refund(&house, paid.id, Some(201), false).await;
        assert!(matches!(
            more,
            Err(BooksError::Rejected(Rejection::MoreThanApplied { .. }))
        ));
        let rest = refund(&house, paid.id, None, false).await.unwrap();
        assert_eq!(rest.amount, amount(200));
        assert_ne!(rest.terms.reference, part.terms.reference);
        let over = refund(&house, paid.id, None, false).await;
        assert!(matches!(
            over,
            Err(BooksError::Rejected(Rejection::MoreThanApplied { .. }))
        ));
        let now = house.books.get(&house.origin, paid.id).await.unwrap();
        assert_eq!(now.refunded, amount(300));
        assert_eq!(house.money(a).await, (1_000, 0, 0));
        assert_eq!(house.money(b).await, (0, 0, 0));
        house.assert_balanced().await;
    });
}

#[test]
fn what_the_destination_has_spent_cannot_go_back_now() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.balance().await);
        let paid = house.take(single(&a.to_string(), &b.to_string(), 300, "paid"));
        let id = paid.await.unwrap().id;
        house
            .take(single(&b.to_string(), "@Shop", 200, "spent"))
            .await
            .unwrap();
        let refused = refund(&house, id, None, true).await;
        assert!(matches!(refused, Err(BooksError::Short { .. })));
        let rejected = refund(&house, id, None, false).await.unwrap();
        assert_eq!(rejected.state, State::Rejected);
        assert_eq!(house.money(b).await, (100, 0, 0));
        let smaller = refund(&house, id, Some(100), true).await.unwrap();
        assert_eq!(smaller.state, State::Applied);
        assert_eq!(house.money(a).await, (800, 0, 0));
        house.assert_balanced().await;
    });
}

#[test]
fn of_many_refunds_at_once_no_more_goes_back() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.funded(1_000).await);
        let paid = house.take(single(&a.to_string(), &b.to_string(), 300, "paid"));
        let id = paid.await.unwrap().id;
        let mut tasks = Vec::new();
        for _ in 0..20 {
            let (books, origin) = (house.books.clone(), house.origin.clone());
            tasks.push(actix_rt::spawn(async move {
                let asked = back(Some(amount(100)), true);
                books.refund(&origin, id, asked, Default::default()).await
            }));
        }
        let mut done = 0;
        for task in tasks {
            done += i128::from(task.await.unwrap().is_ok());
        }
        assert!((1..=3).contains(&done), "{done}");
        assert_eq!(house.money(a).await, (700 + done * 100, 0, 0));
        assert!(house.engine.shared.books.is_decided());
        house.assert_balanced().await;
    });
}

#[test]
fn commits_go_back_and_so_do_all_parts_of_a_split() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.funded(1_000).await);
        let c = house.balance().await;
        let [sa, sb, sc] = [a, b, c].map(|id| id.to_string());
        let held = house.take(inflight(single(&sa, &sc, 50, "held")));
        let held = held.await.unwrap();
        let early = refund(&house, held.id, None, true).await;
        assert!(matches!(
            early,
            Err(BooksError::Rejected(Rejection::TransactionForbids { .. }))
        ));
        let commit = Step::Commit(None);
        let step = house
            .books
            .step(&house.origin, held.id, commit, None, Default::default());
        step.await.unwrap();
        // By the id of what was inflight: the commit goes back.
        let back = refund(&house, held.id, None, true).await.unwrap();
        assert_eq!(back.state, State::Applied);
        assert_eq!(house.money(a).await, (1_000, 0, 0));
        let three = split(&[(&sa, 100), (&sb, 200)], &[(&sc, 300)], "split");
        let id = house.take(three).await.unwrap().id;
        refund(&house, id, None, true).await.unwrap();
        for (balance, cents) in [(a, 1_000), (b, 1_000), (c, 0)] {
            assert_eq!(house.money(balance).await, (cents, 0, 0));
        }
        assert!(refund(&house, id, None, true).await.is_err());
        let bulk = Bulk {
            asks: vec![
                split(&[(&sa, 10), (&sb, 20)], &[(&sc, 30)], "in-bulk-1"),
                single(&sb, &sc, 5, "in-bulk-2"),
            ],
            is_atomic: true,
            is_inflight: false,
        };
        let taken = house
            .books
            .take_bulk(&house.origin, bulk, Default::default());
        let id = taken.await.unwrap().value.id;
        assert_eq!(house.money(c).await, (35, 0, 0));
        refund(&house, id, None, true).await.unwrap();
        for (balance, cents) in [(a, 1_000), (b, 1_000), (c, 0)] {
            assert_eq!(house.money(balance).await, (cents, 0, 0));
        }
        house.assert_balanced().await;
    });
}

#[test]
fn a_refund_under_one_key_is_made_once() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.balance().await);
        let paid = house.take(single(&a.to_string(), &b.to_string(), 300, "paid"));
        let id = paid.await.unwrap().id;
        let again = || {
            let asked = back(Some(amount(100)), false);
            house.books.refund(&house.origin, id, asked, guard("k"))
        };
        let (first, second) = (again().await.unwrap(), again().await.unwrap());
        assert!(!first.is_replay && second.is_replay);
        assert_eq!(first.value.id, second.value.id);
        assert_eq!(house.money(a).await, (800, 0, 0));
    });
}
