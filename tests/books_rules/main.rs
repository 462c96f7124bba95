//! The books' rules by example: what the random sequences of `books_model` do not say in words.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

mod accounts;
#[path = "../books/mod.rs"]
mod books;
mod transactions;

use std::sync::Arc;

use books::{currency, shell::Shell, terms};
use cardwright::domain::{
    account::{Medium, Status},
    books::{
        Allocation, BalanceFace, BooksCommand, Kind, METADATA_BYTES_MAX, Marks, NewTransaction,
        OnShort, Overdraft, ParentOf, PatchBalance, Precision, Reason, SetFace, Side, State, Step,
        StepOn, TAKE_MAX, Take, Terms, Transaction,
    },
    command::{
        Authorize, ChangeAccount, Command, Context, LinkAccount, MoveMoney, OpenAccount, Transfer,
    },
    decide::decide,
    event::Event,
    group::{Absorption, Group},
    hold::TransactionType,
    ids::{AccountNo, ActorId, LedgerNo, TransactionId},
    merchant::{Merchant, TransactionMedium},
    money::{Amount, Asset, LocalAmount},
    outcome::Rejection,
    policy::{Link, Policy},
    posting::House,
    time::Month,
    trail::Trail,
};
use serde_json::{Map, Value, json};

const LEDGER: &str = "did:bloque:sandbox:ledger";
const DEMO: &str = "did:bloque:sandbox:demo";

fn usd() -> Asset {
    Asset::of_ledger("USD").unwrap()
}

fn amount(minor: i128) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn balance(code: &str) -> Medium {
    Medium::Balance(Box::new(BalanceFace {
        asset: Asset::of_ledger(code).unwrap(),
        ledger_id: "ldg_1".into(),
        indicator: None,
        identity_id: None,
        tracks_lineage: false,
        allocation: Allocation::Fifo,
    }))
}

fn card() -> Medium {
    Medium::Card {
        programme: "card".into(),
        last_four: *b"4242",
        expiry: Month {
            year: 2030,
            month: 1,
        },
    }
}

fn open(no: u64, ledger: u64, medium: Medium) -> Command {
    let holder_urn = match medium {
        Medium::Balance(_) => LEDGER,
        Medium::Card { .. } | Medium::Virtual => DEMO,
    };
    Command::OpenAccount(Box::new(OpenAccount {
        no: AccountNo(no),
        medium,
        holder_urn: holder_urn.into(),
        ledger: LedgerNo(ledger),
        webhook_url: None,
        metadata: r#"{"a":{"x":1}}"#.into(),
        policy: Policy::default(),
        card: None,
    }))
}

fn money(no: u64, asset: Asset, minor: i128) -> MoveMoney {
    MoveMoney {
        account: AccountNo(no),
        asset,
        amount: amount(minor),
        reference: "r".into(),
        metadata: "{}".into(),
    }
}

/// Two balances with 1,000 each in one group, a third in another.
fn shell() -> Shell {
    let mut shell = Shell::new(terms());
    for (no, actor) in [(1, 1), (2, 1), (10, 10)] {
        let opened = shell.run(ActorId(actor), &open(no, no, balance("USD")));
        opened.unwrap();
        let deposit = Command::Deposit(money(no, usd(), 1_000));
        shell.run(ActorId(actor), &deposit).unwrap();
    }
    shell
}

fn side(no: u64) -> Side {
    Side {
        account: AccountNo(no),
        ledger: LedgerNo(no),
        name: format!("bln_{no}").into(),
    }
}

fn new(source: u64, destination: u64, minor: i128, inflight: bool) -> NewTransaction {
    NewTransaction {
        kind: Kind::Single,
        parent: ParentOf::None,
        asset: usd(),
        amount: amount(minor),
        precision: Precision::of(amount(minor), 100),
        source: side(source),
        destination: side(destination),
        terms: Terms {
            reference: "ref".into(),
            description: "for people".into(),
            overdraft: Overdraft::No,
            marks: Marks {
                inflight,
                ..Marks::default()
            },
            effective_at: None,
            scheduled_for: None,
            expires_at: None,
            commits_at: None,
            split: String::new(),
        },
        metadata: r#"{"a":{"x":1,"y":2},"b":1}"#.into(),
        awaited: Amount::ZERO,
    }
}

fn part(of: usize, new: NewTransaction) -> NewTransaction {
    let parent = ParentOf::Earlier(of);
    let kind = Kind::Part;
    NewTransaction {
        kind,
        parent,
        ..new
    }
}

fn head(kind: Kind, new: NewTransaction) -> NewTransaction {
    NewTransaction { kind, ..new }
}

fn take(new: Vec<NewTransaction>, waits: bool, on_short: OnShort) -> BooksCommand {
    BooksCommand::Take(Take {
        new,
        waits,
        on_short,
    })
}

fn ask(
    shell: &mut Shell,
    actor: u64,
    command: BooksCommand,
) -> Result<Vec<Arc<Transaction>>, Rejection> {
    let events = shell.run(ActorId(actor), &Command::Books(Box::new(command)))?;
    let booked = events.iter().filter_map(Event::booked);
    Ok(booked.map(|booked| booked.transaction.clone()).collect())
}

fn step(id: TransactionId, step: Step, merge: Option<Value>) -> BooksCommand {
    BooksCommand::Step(Box::new(StepOn {
        id,
        step,
        merge: merge.map(|it| it.as_object().unwrap().clone()),
        recalled: None,
    }))
}

fn id(actor: u64, number: u32) -> TransactionId {
    let actor = ActorId(actor);
    TransactionId { actor, number }
}

fn has(shell: &Shell, actor: u64, ledger: u64) -> (i128, i128) {
    let ledger = shell.groups[&ActorId(actor)].ledger(LedgerNo(ledger));
    let balance = ledger.unwrap().balance(usd());
    (balance.current, balance.pending)
}
