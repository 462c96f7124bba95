//! What came with the ledger face.

use std::sync::Arc;

use cardwright::domain::{
    account::{Account, Medium, Status},
    books::{
        Allocation, BalanceFace, Booked, Kind, Marks, Overdraft, Precision, Reason, Side, State,
        StepKind, Terms, Transaction,
    },
    command::{ChangeAccount, Purpose},
    documents::Shelf,
    event::{Event, Movement},
    ids::{AccountNo, LedgerNo, TransactionId},
    money::Asset,
    policy::Policy,
    registry::RegistryEvent,
};

use super::parts::{actor, amount, largest, movement, pocket, time, transfer};

pub(super) fn bare(code: &str) -> Asset {
    Asset::of_ledger(code).unwrap()
}

pub(super) const fn booked_id(number: u32) -> TransactionId {
    TransactionId {
        actor: actor(240),
        number,
    }
}

fn side(n: u64) -> Side {
    Side {
        account: AccountNo(n),
        ledger: LedgerNo(n + 1),
        name: format!("bln_of_{n}").into(),
    }
}

fn little_side(n: u64) -> Side {
    Side {
        account: AccountNo(n),
        ledger: LedgerNo(n),
        name: "@a".into(),
    }
}

/// One with everything that it may have.
pub(super) fn transaction(number: u32) -> Transaction {
    Transaction {
        id: booked_id(number),
        parent: Some(booked_id(256)),
        head: Some(booked_id(257)),
        kind: Kind::SplitHead,
        state: State::Inflight,
        reason: None,
        asset: bare("USD"),
        amount: largest(),
        precision: Precision {
            factor: u64::MAX,
            amount: "12.5".into(),
        },
        source: side(258),
        destination: side(260),
        terms: Terms {
            reference: "ref-262".into(),
            description: "é-263".into(),
            overdraft: Overdraft::UpTo(amount(264)),
            marks: Marks {
                inflight: true,
                skip_queue: false,
                atomic: true,
            },
            effective_at: Some(time(265)),
            scheduled_for: Some(time(266)),
            expires_at: Some(time(267)),
            commits_at: Some(time(268)),
            split: r#"{"sources":[269]}"#.into(),
        },
        metadata: r#"{"n":270}"#.into(),
        created_at: time(271),
        committed: amount(272),
        released: amount(273),
        refunded: amount(274),
        steps: 275,
        parts: vec![booked_id(276), booked_id(u32::MAX)],
        first_lsn: 277,
        last_lsn: 278,
    }
}

/// One with as little as it may have.
fn plain(number: u32, kind: Kind, state: State) -> Transaction {
    Transaction {
        parent: None,
        head: None,
        kind,
        state,
        asset: "DUSD/6".parse().unwrap(),
        terms: Terms {
            reference: String::new(),
            description: String::new(),
            overdraft: Overdraft::No,
            marks: Marks {
                skip_queue: true,
                ..Marks::default()
            },
            effective_at: None,
            scheduled_for: None,
            expires_at: None,
            commits_at: None,
            split: String::new(),
        },
        precision: Precision {
            factor: 1,
            amount: "9".into(),
        },
        amount: amount(9),
        source: little_side(2),
        destination: little_side(3),
        metadata: "{}".into(),
        parts: Vec::new(),
        ..transaction(number)
    }
}

fn face(allocation: Allocation) -> BalanceFace {
    BalanceFace {
        asset: bare("USD"),
        ledger_id: "ldg_of_a_test".into(),
        indicator: Some("@World".into()),
        identity_id: Some("idt_of_a_test".into()),
        tracks_lineage: true,
        allocation,
    }
}

pub(super) fn balance_account() -> Account {
    Account {
        no: AccountNo(240),
        ledger: LedgerNo(241),
        medium: Medium::Balance(Box::new(face(Allocation::Lifo))),
        holder_urn: "did:bloque:sandbox:ledger".into(),
        ..pocket()
    }
}

fn booked(kind: StepKind, transaction: Transaction, child: Option<Transaction>) -> Event {
    Event::Booked(Box::new(Booked {
        kind,
        transaction: Arc::new(transaction),
        child: child.map(Arc::new),
        movement: Movement::default(),
    }))
}

fn in_full() -> Event {
    let child = plain(281, Kind::Commit, State::Applied);
    let mut event = booked(StepKind::Committed, transaction(280), Some(child));
    if let Event::Booked(booked) = &mut event {
        booked.movement = movement();
    }
    event
}

pub(super) fn of_groups() -> Vec<(&'static str, Vec<Event>)> {
    vec![
        ("record-balance-opened", opened()),
        ("record-balance-changed", vec![changed()]),
        ("record-booked", vec![in_full()]),
        (
            "record-booked-of-every-kind-state-and-step",
            of_every_kind_state_and_step(),
        ),
        ("record-booked-for-every-reason", for_every_reason()),
        ("record-booking-sent", vec![sent()]),
    ]
}

fn opened() -> Vec<Event> {
    let opened = |allocation| {
        let mut account = balance_account();
        account.medium = Medium::Balance(Box::new(face(allocation)));
        Event::AccountOpened(Box::new(account))
    };
    let mut bare = balance_account();
    bare.medium = Medium::Balance(Box::new(BalanceFace {
        indicator: None,
        identity_id: None,
        tracks_lineage: false,
        ..face(Allocation::Fifo)
    }));
    let mut all = vec![Event::AccountOpened(Box::new(bare))];
    all.extend([Allocation::Fifo, Allocation::Lifo, Allocation::Proportional].map(opened));
    all
}

fn changed() -> Event {
    let change = ChangeAccount {
        card: None,
        account: AccountNo(240),
        status: Some(Status::Frozen),
        status_reason: None,
        metadata: Some((r#"{"n":281}"#.into(), Policy::default())),
        webhook_url: None,
    };
    Event::AccountChanged {
        change: Box::new(change),
        account: Box::new(balance_account()),
    }
}

/// Each kind, state and step once, small: a test changes every byte.
fn of_every_kind_state_and_step() -> Vec<Event> {
    let kinds = [
        Kind::Single,
        Kind::SplitHead,
        Kind::BulkHead,
        Kind::Part,
        Kind::Commit,
        Kind::Void,
        Kind::Refund,
    ];
    let states = [
        State::Reserved,
        State::Scheduled,
        State::Inflight,
        State::Applied,
        State::Committed,
        State::Voided,
        State::Expired,
        State::Rejected,
    ];
    let steps = [
        StepKind::Taken,
        StepKind::Confirmed,
        StepKind::Released,
        StepKind::Fell,
        StepKind::Committed,
        StepKind::Voided,
        StepKind::Expired,
        StepKind::Refunded,
        StepKind::Noted,
    ];
    let of = |(place, step): (usize, StepKind)| {
        let number = u32::try_from(place).unwrap();
        let (kind, state) = (kinds[place % kinds.len()], states[place % states.len()]);
        booked(step, plain(number, kind, state), None)
    };
    steps.into_iter().enumerate().map(of).collect()
}

fn for_every_reason() -> Vec<Event> {
    let (available, required) = (amount(310), amount(311));
    let reasons = [
        Reason::InsufficientFunds {
            available,
            required,
        },
        Reason::OverdraftLimit {
            available,
            required,
        },
        Reason::AccountNotOpen {
            account: AccountNo(312),
        },
        Reason::OtherPart,
        Reason::Hook,
    ];
    let of = |(number, reason)| {
        let mut transaction = plain(number, Kind::Single, State::Rejected);
        transaction.reason = Some(reason);
        transaction.terms.overdraft = Overdraft::Unlimited;
        booked(StepKind::Fell, transaction, None)
    };
    (313..).zip(reasons).map(of).collect()
}

fn sent() -> Event {
    let mut transfer = transfer();
    transfer.purpose = Purpose::Booking;
    transfer.asset = bare("KWD");
    Event::TransferSent(Box::new(transfer), movement())
}

pub(super) fn of_the_registry() -> Vec<(&'static str, Vec<RegistryEvent>)> {
    let shelves = [
        Shelf::Ledger,
        Shelf::LedgerIdentity,
        Shelf::Monitor,
        Shelf::Hook,
        Shelf::MatchingRule,
        Shelf::Reconciliation,
        Shelf::LedgerKey,
    ];
    let set = |shelf| RegistryEvent::DocumentSet {
        shelf,
        name: "sandbox/1".into(),
        text: Some(r#"{"n":320}"#.into()),
        at: time(321),
    };
    let events = shelves.map(set).to_vec();
    vec![("record-document-set-of-the-ledger", events)]
}
