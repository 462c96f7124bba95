//! One source, one destination.

use std::time::{Duration, Instant};

use cardwright::{
    actors::{EngineError, Request, Target},
    books::{Ask, BooksError, Guard},
    domain::{
        account::Medium,
        books::{Overdraft, Reason, State},
        command::{Command, OpenAccount},
        ids::{AccountNo, ActorId, LedgerNo},
        money::Asset,
        policy::Policy,
    },
};

use super::house::{at_once, guard, single, story, usd};

#[test]
fn money_has_arrived_when_it_is_answered() {
    story(|house| async move {
        let (a, b) = (house.funded(1_000).await, house.balance().await);
        let done = house.take(single(&a.to_string(), &b.to_string(), 400, "r-1"));
        let done = done.await.unwrap();
        assert_eq!(done.state, State::Applied);
        assert_eq!(house.money(a).await, (600, 0, 0));
        assert_eq!(house.money(b).await, (400, 0, 0));
        assert_eq!(*done.source.name, *a.to_string());
        let origin = &house.origin;
        let by_id = house.books.get(origin, done.id).await.unwrap();
        let by_reference = house.books.by_reference(origin, "r-1").await.unwrap();
        assert_eq!(by_id, by_reference);
        assert_eq!(*by_id, *done);
        assert!(by_id.first_lsn > 0 && by_id.last_lsn == by_id.first_lsn);
        let other = "elsewhere".into();
        let hidden = house.books.get(&other, done.id).await;
        assert!(matches!(hidden, Err(BooksError::NotFound("transaction"))));
        let hidden = house.books.by_reference(&other, "r-1").await;
        assert!(matches!(hidden, Err(BooksError::NotFound("transaction"))));
        let hidden = house.books.balance(&other, a).await;
        assert!(matches!(hidden, Err(BooksError::NotFound("balance"))));
        let stolen = single(&a.to_string(), "@Thief", 1, "r-2");
        let stolen = house.books.take(&other, stolen, Guard::default()).await;
        assert!(matches!(stolen, Err(BooksError::NotFound("balance"))));
        house.assert_balanced().await;
    });
}

#[test]
fn too_little_money_is_a_record_or_an_error_as_asked() {
    story(|house| async move {
        let a = house.funded(100).await.to_string();
        let refused = house.take(at_once(single(&a, "@Shop", 101, "no-1"))).await;
        let Err(BooksError::Short { place: 0, reason }) = refused else {
            panic!("{refused:?}");
        };
        assert!(matches!(reason, Reason::InsufficientFunds { .. }));
        let unknown = house.books.by_reference(&house.origin, "no-1").await;
        assert!(matches!(unknown, Err(BooksError::NotFound(_))));
        let rejected = house.take(single(&a, "@Shop", 101, "no-1")).await.unwrap();
        assert_eq!(rejected.state, State::Rejected);
        let known = house.books.by_reference(&house.origin, "no-1").await;
        assert_eq!(known.unwrap().state, State::Rejected);
        let again = house.take(single(&a, "@Shop", 1, "no-1")).await;
        assert!(matches!(again, Err(BooksError::Duplicate { .. })));
        let owing = |reference: &str, cents| {
            let mut ask = at_once(single(&a, "@Shop", cents, reference));
            ask.overdraft = Overdraft::UpTo(super::house::amount(50));
            ask
        };
        assert!(house.take(owing("ok-1", 150)).await.is_ok());
        let refused = house.take(owing("ok-2", 1)).await;
        assert!(matches!(
            refused,
            Err(BooksError::Short {
                reason: Reason::OverdraftLimit { .. },
                ..
            })
        ));
        house.assert_balanced().await;
    });
}

#[test]
fn a_reference_stands_for_one_transaction_and_a_key_for_one_answer() {
    story(|house| async move {
        let a = house.funded(1_000).await;
        let ask = single(&a.to_string(), "@Shop", 10, "once");
        let first = house.take_under(ask.clone(), "k-1").await.unwrap();
        assert!(!first.is_replay);
        let again = house.take_under(ask.clone(), "k-1").await.unwrap();
        assert!(again.is_replay);
        assert_eq!(again.value, first.value);
        let other = house.take_under(ask.clone(), "k-2").await;
        assert!(matches!(other, Err(BooksError::Duplicate { reference }) if reference == "once"));
        let plain = house.take(ask).await;
        assert!(matches!(plain, Err(BooksError::Duplicate { .. })));
        let else_asked = single(&a.to_string(), "@Shop", 11, "twice");
        let conflict = house.take_under(else_asked, "k-1").await;
        assert!(matches!(
            conflict,
            Err(BooksError::Engine(EngineError::KeyConflict))
        ));
        assert_eq!(house.money(a).await.0, 990);
    });
}

#[test]
fn of_many_at_once_with_one_reference_one_is_done() {
    story(|house| async move {
        let a = house.funded(1_000).await;
        let mut tasks = Vec::new();
        for number in 0..50 {
            let (books, origin) = (house.books.clone(), house.origin.clone());
            // From many sources, so that they meet at the key alone.
            let source = if number % 2 == 0 {
                a.to_string()
            } else {
                "@Float".to_owned()
            };
            let mut ask = single(&source, "@Shop", 10, "raced");
            ask.overdraft = Overdraft::Unlimited;
            tasks.push(actix_rt::spawn(async move {
                books.take(&origin, ask, Guard::default()).await
            }));
        }
        let mut done = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => done += 1,
                Err(BooksError::Duplicate { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(done, 1);
        house.assert_balanced().await;
    });
}

#[test]
fn an_indicator_is_made_once() {
    story(|house| async move {
        let mut tasks = Vec::new();
        for _ in 0..50 {
            let (books, origin) = (house.books.clone(), house.origin.clone());
            tasks.push(actix_rt::spawn(async move {
                let made = books.indicator(&origin, "@Merchant", usd()).await;
                made.unwrap().id
            }));
        }
        let mut ids = Vec::new();
        for task in tasks {
            ids.push(task.await.unwrap());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let known = house
            .books
            .known_indicator(&house.origin, "@Merchant", usd());
        assert_eq!(known.await.unwrap().id, ids[0]);
        assert_eq!(
            house.engine.directory.count().0,
            1,
            "the others left nothing"
        );
        let euros = Asset::of_ledger("EUR").unwrap();
        let other = house.books.indicator(&house.origin, "@Merchant", euros);
        assert_ne!(other.await.unwrap().id, ids[0]);
        let stranger = "else".into();
        let unknown = house.books.known_indicator(&stranger, "@Merchant", usd());
        assert!(matches!(
            unknown.await,
            Err(BooksError::NotFound("balance"))
        ));
    });
}

#[test]
fn names_that_lead_nowhere_are_not_found_and_other_currencies_said() {
    story(|house| async move {
        let a = house.funded(100).await.to_string();
        for name in [
            "bln_00000000-0000-8000-8000-000000000000",
            "did:bloque:account:card:usr-x:crd-x",
            "nobody",
            "vrt-0000000000000",
            "",
        ] {
            let refused = house.take(single(&a, name, 1, "r")).await;
            assert!(
                matches!(refused, Err(BooksError::NotFound("balance"))),
                "{name}: {refused:?}"
            );
        }
        let mut ask = single(&a, "@Shop", 1, "r");
        ask.asset = Asset::of_ledger("EUR").unwrap();
        let refused = house.take(ask).await;
        assert!(
            matches!(&refused, Err(BooksError::Invalid { field, .. }) if field == "currency"),
            "{refused:?}"
        );
    });
}

#[test]
fn a_balance_is_made_once_under_its_key() {
    story(|house| async move {
        let new = |metadata: &str| cardwright::books::NewBalance {
            asset: usd(),
            ledger_id: "ldg_x".to_owned(),
            identity_id: None,
            tracks_lineage: false,
            allocation: Default::default(),
            metadata: metadata.to_owned(),
        };
        let make = |metadata: &str, key: &str| {
            let (books, origin) = (house.books.clone(), house.origin.clone());
            let (new, guard) = (new(metadata), guard(key));
            async move { books.open_balance(&origin, new, guard).await }
        };
        let first = make("{}", "k").await.unwrap();
        let again = make("{}", "k").await.unwrap();
        assert!(!first.is_replay && again.is_replay);
        assert_eq!(first.value.id, again.value.id);
        assert!(make(r#"{"a":1}"#, "k").await.is_err());
        // The groups that came to nothing go when their threads have their turn.
        let end = Instant::now() + Duration::from_secs(10);
        while house.engine.directory.count().0 != 1 && Instant::now() < end {
            actix_rt::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(house.engine.directory.count().0, 1);
    });
}

#[test]
fn a_pocket_is_a_balance_too_and_pays_by_each_of_its_names() {
    story(|house| async move {
        let no = house.engine.shared.next_number();
        let actor = ActorId(no);
        house.engine.directory.create(actor);
        let open = OpenAccount {
            no: AccountNo(no),
            medium: Medium::Virtual,
            holder_urn: "did:bloque:sandbox:demo".to_owned(),
            ledger: LedgerNo(no),
            webhook_url: None,
            metadata: "{}".to_owned(),
            policy: Policy::default(),
            card: None,
        };
        let request = Request {
            target: Target::Actor(actor),
            origin: None,
            command: Command::OpenAccount(Box::new(open)),
            keys: Vec::new(),
            fingerprint: 0,
            recalled: None,
        };
        house.engine.execute(request).await.unwrap();
        let dollars: Asset = "DUSD/6".parse().unwrap();
        let seen = house.books.balances_of(&house.origin, AccountNo(no)).await;
        let seen = seen.unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].asset, seen[0].face.is_none()), (dollars, true));
        assert_eq!(seen[0].ledger_id(), "cards_ledger_id");
        let short = AccountNo(no).virtual_id();
        let names = [seen[0].id.to_string(), seen[0].urn.clone(), short];
        for (count, name) in names.iter().enumerate() {
            let in_dollars = |ask: Ask| Ask {
                asset: dollars,
                overdraft: Overdraft::Unlimited,
                ..ask
            };
            let into = in_dollars(single("@World", name, 50, &format!("into-{count}")));
            house.take(into).await.unwrap();
            let out = in_dollars(single(name, "@Shop", 20, &format!("out-{count}")));
            let out = house.take(at_once(out)).await.unwrap();
            assert_eq!(*out.source.name, *seen[0].id.to_string());
        }
        let money = house.money(seen[0].id).await;
        assert_eq!(money, (90, 0, 0));
        let stranger = "elsewhere".into();
        let hidden = house.books.balances_of(&stranger, AccountNo(no)).await;
        assert!(matches!(hidden, Err(BooksError::NotFound("balance"))));
        let ask = single(&names[1], "@Theirs", 1, "stolen");
        let stolen = Ask {
            asset: dollars,
            ..ask
        };
        let stolen = house.books.take(&stranger, stolen, Guard::default()).await;
        assert!(matches!(stolen, Err(BooksError::NotFound("balance"))));
        house.assert_balanced().await;
    });
}
