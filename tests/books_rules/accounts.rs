//! What accounts have to do with it: gone, frozen, linked, brought together, changed.

use super::*;

#[test]
fn what_comes_to_a_gone_balance_ends_in_suspense() {
    let mut shell = shell();
    let taken = take(vec![new(1, 10, 300, false)], false, OnShort::Refuse);
    let events = shell
        .run(ActorId(1), &Command::Books(Box::new(taken)))
        .unwrap();
    let Event::TransferSent(transfer, _) = &events[1] else {
        panic!("{events:?}");
    };
    let receive = |transfer: &Transfer| Command::ReceiveTransfer(Box::new(transfer.clone()));
    shell.run(ActorId(10), &status(10, Status::Frozen)).unwrap();
    shell.run(ActorId(10), &receive(transfer)).unwrap();
    shell
        .run(ActorId(1), &Command::SettleTransfer(transfer.id))
        .unwrap();
    assert_eq!(has(&shell, 10, 10), (1_300, 0), "frozen or not");
    assert!(
        shell.groups[&ActorId(10)].received.is_empty(),
        "arrivals are not remembered"
    );
    let taken = take(vec![new(1, 10, 50, true)], false, OnShort::Refuse);
    let held = ask(&mut shell, 1, taken).unwrap()[0].id;
    shell
        .run(ActorId(10), &status(10, Status::Deleted))
        .unwrap();
    let commit = Command::Books(Box::new(step(held, Step::Commit(None), None)));
    let events = shell.run(ActorId(1), &commit).unwrap();
    let Event::TransferSent(transfer, _) = &events[1] else {
        panic!("{events:?}");
    };
    assert!(shell.run(ActorId(10), &receive(transfer)).is_err());
    shell
        .run(ActorId(1), &Command::ReturnTransfer(transfer.id))
        .unwrap();
    assert_eq!(shell.house(House::Suspense, usd()), 50.into());
}

fn status(no: u64, status: Status) -> Command {
    Command::ChangeAccount(Box::new(ChangeAccount {
        account: AccountNo(no),
        status: Some(status),
        status_reason: None,
        metadata: None,
        webhook_url: None,
        card: None,
    }))
}

#[test]
fn a_balance_is_patched_deeply_and_only_a_balance() {
    let mut shell = shell();
    shell.run(ActorId(1), &open(5, 1, card())).unwrap();
    let patch = |no, merge: Option<Value>, identity: Option<&str>| {
        BooksCommand::Patch(PatchBalance {
            account: AccountNo(no),
            merge: merge.map(|it| it.as_object().unwrap().clone()),
            set: SetFace {
                identity_id: identity.map(str::to_owned),
            },
        })
    };
    let merge = json!({"a": {"y": 2}, "default_asset": "whatever"});
    ask(&mut shell, 1, patch(1, Some(merge), None)).unwrap();
    ask(&mut shell, 1, patch(1, None, Some("idt_1"))).unwrap();
    let account = shell.groups[&ActorId(1)].account(AccountNo(1)).unwrap();
    assert_eq!(
        account.metadata,
        r#"{"a":{"x":1,"y":2},"default_asset":"whatever"}"#
    );
    assert_eq!(account.policy, Policy::default(), "it steers nothing");
    let Medium::Balance(face) = &account.medium else {
        panic!("{account:?}");
    };
    assert_eq!(face.identity_id.as_deref(), Some("idt_1"));
    for no in [5, 99] {
        let refused = ask(&mut shell, 1, patch(no, Some(json!({})), None));
        assert_eq!(refused, Err(Rejection::AccountNotFound));
    }
    let long = json!({ "c": "x".repeat(METADATA_BYTES_MAX) });
    let long = ask(&mut shell, 1, patch(1, Some(long), None));
    assert!(matches!(long, Err(Rejection::Metadata(_))));
}

#[test]
fn a_group_that_comes_in_brings_its_transactions() {
    let mut shell = shell();
    let held = ask(
        &mut shell,
        10,
        take(vec![new(10, 1, 300, true)], false, OnShort::Refuse),
    );
    let held = held.unwrap()[0].id;
    ask(
        &mut shell,
        10,
        take(vec![new(10, 1, 10, true)], false, OnShort::Refuse),
    )
    .unwrap();
    ask(&mut shell, 10, step(id(10, 2), Step::Void, None)).unwrap();
    let other = shell.groups.remove(&ActorId(10)).unwrap();
    let mut trail = Trail::default();
    for lsn in 1..=other.sequence {
        trail.push(lsn);
    }
    let absorption = Absorption {
        group: other,
        trail,
    };
    shell
        .run(ActorId(1), &Command::Absorb(Arc::new(absorption)))
        .unwrap();
    assert_eq!(has(&shell, 1, 10), (700, 300));
    // Its transactions keep their ids, and what follows is numbered here.
    let merged = &shell.groups[&ActorId(1)];
    let books = merged.books.as_ref().unwrap();
    assert_eq!(
        (books.taken, books.open.len(), books.closed.len()),
        (0, 1, 2)
    );
    let mut group = merged.clone();
    let terms = terms();
    let command = Command::Books(Box::new(step(held, Step::Commit(None), None)));
    let context = Context::plain(shell.now.plus_seconds(1), &terms);
    let events = decide(&group, &command, &context).unwrap();
    let booked = events[0].booked().unwrap();
    assert_eq!(
        (booked.transaction.id, booked.transaction.state),
        (held, State::Committed)
    );
    assert_eq!(booked.child.as_ref().unwrap().id, id(1, 1));
    assert_eq!(events.len(), 1, "the destination lives here now");
    // And there is an end to numbers.
    group.books.as_mut().unwrap().taken = u32::MAX;
    assert_eq!(
        decide(&group, &command, &context),
        Err(Rejection::TooManyTransactions)
    );
    let taken = take(vec![new(1, 2, 1, false)], false, OnShort::Record);
    let refused = decide(&group, &Command::Books(Box::new(taken)), &context);
    assert_eq!(refused, Err(Rejection::TooManyTransactions));
}

#[test]
fn a_card_goes_in_front_of_a_balance_and_stays_while_it_holds() {
    let mut shell = shell();
    shell.run(ActorId(1), &open(5, 5, card())).unwrap();
    let link = |shell: &Shell, ledger: u64, key: &str| {
        let face = shell.groups[&ActorId(1)]
            .account(AccountNo(ledger))
            .unwrap();
        let Command::ChangeAccount(change) = status(5, Status::Active) else {
            panic!("a change is a change");
        };
        Command::LinkAccount(Box::new(LinkAccount {
            change: ChangeAccount {
                status: None,
                ..*change
            },
            merge: None,
            ledger: LedgerNo(ledger),
            face: Link {
                account: face.no,
                urn: face.urn().into(),
                key: key.to_owned(),
            },
        }))
    };
    let as_pocket = link(&shell, 1, "metadata.priority_mcc[0]");
    let refused = shell.run(ActorId(1), &as_pocket);
    assert!(
        matches!(refused, Err(Rejection::Link(_))),
        "a pocket is the holder's own"
    );
    let as_face = link(&shell, 1, Link::LEDGER_KEY);
    shell.run(ActorId(1), &as_face).unwrap();
    let mut from_card = new(1, 2, 10, true);
    from_card.source.account = AccountNo(5);
    let held = ask(&mut shell, 1, take(vec![from_card], false, OnShort::Refuse));
    let held = held.unwrap()[0].id;
    let away = link(&shell, 2, Link::LEDGER_KEY);
    let refused = shell.run(ActorId(1), &away);
    assert!(
        matches!(refused, Err(Rejection::CannotLink(_))),
        "{refused:?}"
    );
    ask(&mut shell, 1, step(held, Step::Void, None)).unwrap();
    shell.run(ActorId(1), &away).unwrap();
}

#[test]
fn a_balance_of_another_origin_is_not_gone_in_front_of() {
    let account = |holder: &str| {
        let mut shell = Shell::new(terms());
        let Command::OpenAccount(mut opened) = open(1, 1, balance("USD")) else {
            panic!("an opening is an opening");
        };
        opened.holder_urn = holder.to_owned();
        shell
            .run(ActorId(1), &Command::OpenAccount(opened))
            .unwrap();
        let group: &Group = &shell.groups[&ActorId(1)];
        group.accounts[0].clone()
    };
    let check = |holder: &str| {
        let account = account(holder);
        let link = Link {
            account: account.no,
            urn: account.urn().into(),
            key: Link::LEDGER_KEY.to_owned(),
        };
        link.check(&account, DEMO)
    };
    assert!(check(LEDGER).is_ok());
    assert!(check("did:bloque:elsewhere:ledger").is_err());
}

#[test]
fn what_takes_no_part_is_said() {
    let mut shell = shell();
    shell.run(ActorId(1), &status(1, Status::Frozen)).unwrap();
    let rejected = ask(
        &mut shell,
        1,
        take(vec![new(1, 2, 1, false)], false, OnShort::Record),
    );
    let account = AccountNo(1);
    let reason = Some(Reason::AccountNotOpen { account });
    assert_eq!(rejected.unwrap()[0].reason, reason);
    ask(
        &mut shell,
        1,
        take(vec![new(2, 1, 1, false)], false, OnShort::Refuse),
    )
    .unwrap();
    assert_eq!(has(&shell, 1, 1), (1_001, 0), "frozen money still comes");
    for (command, expected) in [
        (
            take(Vec::new(), false, OnShort::Refuse),
            Rejection::NothingDue,
        ),
        (
            take(vec![new(7, 1, 1, false)], false, OnShort::Refuse),
            Rejection::AccountNotFound,
        ),
        (
            take(vec![new(2, 2, 1, false)], false, OnShort::Refuse),
            Rejection::SameMoney,
        ),
        (
            take(vec![new(2, 1, 1, false)], true, OnShort::Refuse),
            Rejection::TransactionNotFound,
        ),
        (
            step(id(1, 99), Step::Void, None),
            Rejection::TransactionNotFound,
        ),
        (
            BooksCommand::Note {
                id: id(9, 1),
                merge: Map::new(),
                recalled: None,
            },
            Rejection::TransactionNotFound,
        ),
    ] {
        assert_eq!(ask(&mut shell, 1, command), Err(expected));
    }
}
