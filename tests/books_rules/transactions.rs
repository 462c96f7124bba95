//! Taken, stepped on, decided.

use super::*;

#[test]
fn a_card_in_front_of_a_balance_spends_its_currency() {
    let mut shell = shell();
    shell.run(ActorId(1), &open(5, 1, card())).unwrap();
    let purchase = |code: &str, minor| {
        Command::Authorize(Arc::new(Authorize {
            account: AccountNo(5),
            transaction_id: format!("ctx-{code}-{minor}"),
            kind: TransactionType::Purchase,
            local: LocalAmount {
                minor: amount(minor),
                currency: currency(code),
            },
            usd_amount: None,
            merchant: Merchant::default(),
            medium: TransactionMedium::default(),
            allow_partial: false,
            capture: false,
        }))
    };
    let events = shell.run(ActorId(1), &purchase("USD", 400)).unwrap();
    let authorization = &events[0].approved().unwrap().authorization;
    assert_eq!(
        (authorization.asset, authorization.amount()),
        (usd(), amount(400))
    );
    assert_eq!(has(&shell, 1, 1), (600, 400));
    let events = shell.run(ActorId(1), &purchase("USD", 601)).unwrap();
    assert!(events[0].declined().is_some(), "the rest is not enough");
    // What the card holds, no transaction spends.
    let refused = ask(
        &mut shell,
        1,
        take(vec![new(1, 2, 601, false)], false, OnShort::Refuse),
    );
    let reason = Reason::InsufficientFunds {
        available: amount(600),
        required: amount(601),
    };
    assert_eq!(refused, Err(Rejection::Unbooked { place: 0, reason }));
    ask(
        &mut shell,
        1,
        take(vec![new(1, 2, 600, true)], false, OnShort::Refuse),
    )
    .unwrap();
    assert_eq!(has(&shell, 1, 1), (0, 1_000));
    let events = shell.run(ActorId(1), &purchase("USD", 1)).unwrap();
    assert!(events[0].declined().is_some(), "and the other way round");
}

#[test]
fn a_balance_counts_its_own_asset_whoever_asks() {
    let mut shell = shell();
    let euro = Asset::of_ledger("EUR").unwrap();
    let other = Rejection::OtherAsset { expected: usd() };
    for asset in [euro, "DUSD/6".parse().unwrap(), "USD/2".parse().unwrap()] {
        let deposit = Command::Deposit(money(1, asset, 1));
        assert_eq!(shell.run(ActorId(1), &deposit), Err(other.clone()));
        let withdrawal = Command::Withdraw(money(1, asset, 1));
        assert_eq!(shell.run(ActorId(1), &withdrawal), Err(other.clone()));
        let mut taken = new(1, 2, 1, false);
        taken.asset = asset;
        let taken = take(vec![taken], false, OnShort::Record);
        assert_eq!(ask(&mut shell, 1, taken), Err(other.clone()));
    }
}

#[test]
fn a_commit_is_a_child_with_the_parents_metadata_and_its_own() {
    let mut shell = shell();
    let taken = ask(
        &mut shell,
        1,
        take(vec![new(1, 10, 300, true)], false, OnShort::Record),
    );
    let parent = taken.unwrap()[0].id;
    assert_eq!(has(&shell, 1, 1), (700, 300));
    let merge = json!({"a": {"y": null, "z": [3]}, "b": 2});
    let command = Command::Books(Box::new(step(
        parent,
        Step::Commit(Some(amount(125))),
        Some(merge),
    )));
    let events = shell.run(ActorId(1), &command).unwrap();
    let booked = events[0].booked().unwrap();
    let child = booked.child.as_ref().unwrap();
    assert_eq!(
        (child.parent, child.kind, child.state),
        (Some(parent), Kind::Commit, State::Applied)
    );
    assert_eq!(
        (child.amount, child.precision.amount.as_str()),
        (amount(125), "1.25")
    );
    assert_eq!(child.metadata, r#"{"a":{"x":1,"z":[3]},"b":2}"#);
    assert_eq!(booked.transaction.metadata, new(1, 10, 1, true).metadata);
    assert_eq!(
        (booked.transaction.state, booked.transaction.left()),
        (State::Inflight, amount(175))
    );
    let Event::TransferSent(transfer, _) = &events[1] else {
        panic!("{events:?}");
    };
    assert_eq!(
        (transfer.amount, &transfer.reference),
        (amount(125), &child.id.to_string())
    );
    assert_eq!(
        (transfer.destination_urn.as_str(), transfer.destination),
        ("bln_10", AccountNo(10))
    );
    let more = step(parent, Step::Commit(Some(amount(176))), None);
    let (left, asked) = (amount(175), amount(176));
    assert_eq!(
        ask(&mut shell, 1, more),
        Err(Rejection::MoreThanInflight { left, asked })
    );
    let long = json!({ "c": "x".repeat(METADATA_BYTES_MAX) });
    let long = ask(&mut shell, 1, step(parent, Step::Void, Some(long)));
    assert!(matches!(long, Err(Rejection::Metadata(_))), "{long:?}");
    let ended = ask(&mut shell, 1, step(parent, Step::Void, None)).unwrap();
    assert_eq!(
        (ended[0].state, ended[0].released),
        (State::Voided, amount(175))
    );
    assert_eq!(has(&shell, 1, 1), (875, 0));
}

#[test]
fn a_split_within_a_bulk_is_decided_with_it() {
    let mut shell = shell();
    let bulk = vec![
        head(Kind::BulkHead, new(1, 2, 300, true)),
        part(0, new(1, 2, 100, true)),
        NewTransaction {
            kind: Kind::SplitHead,
            ..part(0, new(1, 2, 200, true))
        },
        part(2, new(1, 2, 150, true)),
    ];
    let taken = ask(&mut shell, 1, take(bulk, true, OnShort::Refuse)).unwrap();
    let (bulk, split) = (taken[0].id, taken[2].id);
    assert_eq!((taken[3].parent, taken[3].head), (Some(split), Some(bulk)));
    assert_eq!(taken[2].parts, [taken[3].id]);
    let below = ParentOf::Below {
        parent: split,
        head: bulk,
    };
    let elsewhere = NewTransaction {
        kind: Kind::Part,
        parent: below,
        ..new(10, 2, 50, true)
    };
    let elsewhere = ask(&mut shell, 10, take(vec![elsewhere], true, OnShort::Refuse)).unwrap();
    assert_eq!(
        (elsewhere[0].parent, elsewhere[0].head),
        (Some(split), Some(bulk))
    );
    let sub = BooksCommand::Decide {
        head: split,
        is_done: false,
        parts: Vec::new(),
        below: Vec::new(),
    };
    let state = State::Reserved;
    assert_eq!(
        ask(&mut shell, 1, sub),
        Err(Rejection::TransactionForbids { state })
    );
    let parts = vec![taken[3].id, elsewhere[0].id];
    let decided = BooksCommand::Decide {
        head: bulk,
        is_done: true,
        parts: vec![taken[1].id, split],
        below: vec![(split, parts.clone())],
    };
    let decided = ask(&mut shell, 1, decided).unwrap();
    assert!(decided.iter().all(|it| it.state == State::Inflight));
    assert_eq!(
        (&decided[0].parts[..], &decided[2].parts),
        (&[taken[1].id, split][..], &parts)
    );
    let follow = BooksCommand::Follow {
        head: bulk,
        is_done: true,
    };
    assert_eq!(
        ask(&mut shell, 10, follow.clone()).unwrap()[0].state,
        State::Inflight
    );
    assert_eq!(ask(&mut shell, 10, follow), Err(Rejection::NothingDue));
    assert_eq!(
        (has(&shell, 1, 1), has(&shell, 10, 10)),
        ((750, 250), (950, 50))
    );
    // The head's own step is noted without money; its parts have theirs.
    let ended = ask(&mut shell, 1, step(split, Step::Commit(None), None)).unwrap();
    assert_eq!((ended[0].state, ended.len()), (State::Committed, 1));
    assert_eq!(has(&shell, 1, 1), (750, 250));
}

#[test]
fn one_part_short_rejects_all_of_a_record() {
    let mut shell = shell();
    let split = || {
        vec![
            head(Kind::SplitHead, new(1, 2, 1_101, false)),
            part(0, new(1, 2, 100, false)),
            part(0, new(1, 2, 901, false)),
        ]
    };
    let taken = ask(&mut shell, 1, take(split(), false, OnShort::Record)).unwrap();
    let short = Reason::InsufficientFunds {
        available: amount(900),
        required: amount(901),
    };
    let reasons: Vec<_> = taken.iter().map(|it| it.reason.clone().unwrap()).collect();
    assert_eq!(
        reasons,
        [Reason::OtherPart, Reason::OtherPart, short.clone()]
    );
    assert!(taken.iter().all(|it| it.state == State::Rejected));
    assert_eq!(has(&shell, 1, 1), (1_000, 0));
    let refused = ask(&mut shell, 1, take(split(), false, OnShort::Refuse));
    let (place, reason) = (2, short);
    assert_eq!(refused, Err(Rejection::Unbooked { place, reason }));
    // What an earlier part brings, a later one may spend.
    let mut chain = split();
    chain[2] = part(0, new(2, 1, 1_100, false));
    ask(&mut shell, 1, take(chain, false, OnShort::Refuse)).unwrap();
    assert_eq!((has(&shell, 1, 1), has(&shell, 1, 2)), ((2_000, 0), (0, 0)));
}

#[test]
fn what_waits_may_spend_what_its_head_is_to_bring() {
    let mut shell = shell();
    let mut later = part(0, new(2, 10, 1_100, false));
    later.awaited = amount(100);
    let bulk = vec![
        head(Kind::BulkHead, new(1, 2, 1_200, false)),
        part(0, new(1, 2, 100, false)),
        later.clone(),
    ];
    let taken = ask(&mut shell, 1, take(bulk.clone(), true, OnShort::Refuse)).unwrap();
    assert_eq!(has(&shell, 1, 2), (-100, 1_100));
    let decide = |head, is_done| BooksCommand::Decide {
        head,
        is_done,
        parts: Vec::new(),
        below: Vec::new(),
    };
    ask(&mut shell, 1, decide(taken[0].id, false)).unwrap();
    assert_eq!(
        (has(&shell, 1, 1), has(&shell, 1, 2)),
        ((1_000, 0), (1_000, 0))
    );
    let taken = ask(&mut shell, 1, take(bulk, true, OnShort::Refuse)).unwrap();
    ask(&mut shell, 1, decide(taken[0].id, true)).unwrap();
    assert_eq!((has(&shell, 1, 1), has(&shell, 1, 2)), ((900, 0), (0, 0)));
    assert_eq!(
        ask(&mut shell, 1, decide(taken[0].id, true)),
        Err(Rejection::NothingDue)
    );
}

#[test]
fn what_is_too_much_for_one_record_follows_in_the_next() {
    let mut shell = shell();
    let bulk = vec![head(Kind::BulkHead, new(1, 2, 600, false))];
    let bulk = ask(&mut shell, 1, take(bulk, true, OnShort::Refuse)).unwrap()[0].id;
    for _ in 0..2 {
        let of = |_| NewTransaction {
            kind: Kind::Part,
            parent: ParentOf::Known(bulk),
            ..new(1, 10, 1, false)
        };
        let parts = (0..300).map(of).collect();
        ask(&mut shell, 1, take(parts, true, OnShort::Refuse)).unwrap();
    }
    let split = NewTransaction {
        kind: Kind::SplitHead,
        parent: ParentOf::Known(bulk),
        ..new(1, 10, 1, false)
    };
    let split = ask(&mut shell, 1, take(vec![split], true, OnShort::Refuse)).unwrap()[0].id;
    let decide = BooksCommand::Decide {
        head: bulk,
        is_done: true,
        parts: vec![split],
        below: vec![(split, vec![id(1, 2)])],
    };
    let decided = ask(&mut shell, 1, decide).unwrap();
    assert_eq!(decided.len(), 2 + TAKE_MAX);
    let last = decided.last().unwrap();
    assert_eq!((last.id, &last.parts[..]), (split, &[id(1, 2)][..]));
    let follow = BooksCommand::Follow {
        head: bulk,
        is_done: true,
    };
    let followed = ask(&mut shell, 1, follow.clone()).unwrap();
    assert_eq!(followed.len(), 600 - TAKE_MAX);
    assert_eq!(ask(&mut shell, 1, follow), Err(Rejection::NothingDue));
    assert_eq!(has(&shell, 1, 1), (400, 0));
    assert_eq!(shell.groups[&ActorId(1)].outgoing.len(), 600);
}
