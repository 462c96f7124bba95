//! The index against records made by hand, and against a model of them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test may stop at the first fault, and a law is told in one piece"
)]

use std::{collections::BTreeMap, path::Path, sync::Arc};

use proptest::prelude::*;
use rusqlite::{Connection, types::Value};

use super::{
    batch::Batch,
    condition::{Condition, Given, Order, Subject, Times},
    field::Collection,
    index::{Index, Question, text_of},
    schema, sortable,
};
use crate::{
    domain::{
        account::{Account, Medium, Status},
        books::{
            Allocation, BalanceFace, Booked, Kind, Marks, Overdraft, Precision, Side, State,
            StepKind, Terms, Transaction,
        },
        event::{Event, LedgerAfter, Movement},
        funds::Balance,
        ids::{AccountNo, ActorId, LedgerNo, TransactionId},
        money::{Amount, Asset},
        policy::Policy,
        time::Timestamp,
        trail::Trail,
        uuids::BalanceId,
    },
    wire::{Body, Entry},
};

fn usd() -> Asset {
    Asset::of_ledger("USD").unwrap()
}

fn account(no: u64) -> Event {
    Event::AccountOpened(Box::new(Account {
        no: AccountNo(no),
        medium: Medium::Balance(Box::new(BalanceFace {
            asset: usd(),
            ledger_id: "ldg_1".to_owned(),
            indicator: None,
            identity_id: None,
            tracks_lineage: false,
            allocation: Allocation::Fifo,
        })),
        holder_urn: "did:bloque:acme:ledger".to_owned(),
        ledger: LedgerNo(no),
        status: Status::Active,
        status_reason: None,
        webhook_url: None,
        metadata: format!("{{\"no\":{no}}}"),
        policy: Policy::default(),
        usage: None,
        card: None,
        created_at: Timestamp::from_micros(1_000),
        updated_at: Timestamp::from_micros(1_000),
    }))
}

/// A log of accounts 1 to 3 and what is done with them.
#[derive(Default)]
struct Log {
    entries: Vec<(u64, Entry)>,
    trails: BTreeMap<u64, Trail>,
    balances: BTreeMap<u64, Balance>,
    transactions: Vec<Transaction>,
}

impl Log {
    fn add(&mut self, actor: u64, events: Vec<Event>) -> u64 {
        let lsn = u64::try_from(self.entries.len()).unwrap() * 100 + 100;
        let trail = self.trails.entry(actor).or_default();
        let links = trail.next_links();
        trail.push(lsn);
        let entry = Entry {
            time: Timestamp::from_micros(i64::try_from(lsn).unwrap() * 1_000),
            actor: ActorId(actor),
            sequence: trail.count(),
            links,
            keys: Vec::new(),
            fingerprint: 0,
            body: Body::Group(events),
        };
        self.entries.push((lsn, entry));
        lsn
    }

    fn new() -> Self {
        let mut log = Self::default();
        for no in 1..=3 {
            log.add(no, vec![account(no)]);
        }
        log
    }

    fn after(&self, accounts: &[u64]) -> Movement {
        let after = accounts.iter().map(|no| LedgerAfter {
            ledger: LedgerNo(*no),
            balances: vec![(usd(), self.balances.get(no).copied().unwrap_or_default())],
        });
        Movement {
            postings: Vec::new(),
            after: after.collect(),
        }
    }

    /// Takes a transaction: held, or moved at once. A destination elsewhere gets its money by the way.
    fn take(&mut self, from: u64, to: u64, amount: i64, inflight: bool) {
        let minor = i128::from(amount);
        let side = |no: u64| Side {
            account: AccountNo(no),
            ledger: LedgerNo(no),
            name: BalanceId::new(LedgerNo(no), usd()).to_string().into(),
        };
        let number = u32::try_from(self.transactions.len()).unwrap() + 1;
        let transaction = Transaction {
            id: TransactionId {
                actor: ActorId(from),
                number,
            },
            parent: None,
            head: None,
            kind: Kind::Single,
            state: if inflight {
                State::Inflight
            } else {
                State::Applied
            },
            reason: None,
            asset: usd(),
            amount: Amount::from_minor(minor).unwrap(),
            precision: Precision {
                factor: 100,
                amount: format!("{}.{:02}", amount / 100, amount % 100),
            },
            source: side(from),
            destination: side(to),
            terms: Terms {
                reference: format!("ref-{number}"),
                description: String::new(),
                overdraft: Overdraft::Unlimited,
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
            metadata: format!("{{\"cents\":{amount}}}"),
            created_at: Timestamp::from_micros(i64::from(number) * 1_000_000),
            committed: Amount::ZERO,
            released: Amount::ZERO,
            refunded: Amount::ZERO,
            steps: 0,
            parts: Vec::new(),
            first_lsn: 0,
            last_lsn: 0,
        };
        let own = self.balances.entry(from).or_default();
        own.current -= minor;
        if inflight {
            own.pending += minor;
        } else {
            own.outgoing += minor;
            self.arrive(to, minor);
        }
        self.transactions.push(transaction.clone());
        self.booked(StepKind::Taken, transaction, &[from, to]);
    }

    fn arrive(&mut self, to: u64, minor: i128) {
        let own = self.balances.entry(to).or_default();
        own.current += minor;
        own.incoming += minor;
    }

    fn booked(&mut self, kind: StepKind, transaction: Transaction, touched: &[u64]) {
        let actor = transaction.id.actor.0;
        let booked = Booked {
            kind,
            transaction: Arc::new(transaction),
            child: None,
            movement: self.after(touched),
        };
        self.add(actor, vec![Event::Booked(Box::new(booked))]);
    }

    /// Ends a held one, if it is one.
    fn end(&mut self, place: usize, commits: bool) {
        let place = place % self.transactions.len().max(1);
        let Some(mut known) = self.transactions.get(place).cloned() else {
            return;
        };
        if known.state != State::Inflight {
            return;
        }
        let (from, to) = (known.source.ledger.0, known.destination.ledger.0);
        let minor = known.amount.minor();
        let own = self.balances.entry(from).or_default();
        own.pending -= minor;
        if commits {
            own.outgoing += minor;
            self.arrive(to, minor);
            known.committed = known.amount;
            known.state = State::Committed;
        } else {
            own.current += minor;
            known.released = known.amount;
            known.state = State::Voided;
        }
        self.transactions[place] = known.clone();
        self.booked(StepKind::Committed, known, &[from, to]);
    }

    /// An index of it, `step` records at a time.
    fn index(&self, path: &Path, step: usize) -> Index {
        let db = schema::open(path).unwrap();
        schema::add_origin(&db, "acme").unwrap();
        let origins = schema::origins(&db).unwrap().into_iter().collect();
        for entries in self.entries.chunks(step) {
            let writing = db.unchecked_transaction().unwrap();
            let mut batch = Batch::new(&writing, &origins, usd());
            for (lsn, entry) in entries {
                batch.add(*lsn, entry).unwrap();
            }
            batch.end().unwrap();
            writing.commit().unwrap();
        }
        Index::new(path, origins)
    }
}

fn question(collection: Collection, condition: Condition) -> Question {
    let created = Subject::named(collection, "created_at").unwrap();
    Question {
        collection,
        condition,
        sort: vec![(created, false)],
        limit: 1_000,
        offset: 0,
        counts: true,
    }
}

fn rows(index: &Index, collection: Collection, condition: Condition) -> Vec<Vec<Value>> {
    let answer = index.ask("acme", &question(collection, condition)).unwrap();
    assert_eq!(answer.found, u64::try_from(answer.rows.len()).ok());
    answer.rows
}

fn ids(index: &Index, condition: Condition) -> Vec<String> {
    let all = Collection::Transactions;
    let found = rows(index, all, condition);
    let of = |row: &Vec<Value>| text_of(all, row, "reference").to_owned();
    found.iter().map(of).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Take(u64, u64, i64, bool),
    End(usize, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let take = (1_u64..=3, 1_u64..=3, 1_i64..300, any::<bool>());
    let take = take.prop_filter_map("two accounts", |(from, to, amount, inflight)| {
        (from != to).then_some(Step::Take(from, to, amount, inflight))
    });
    let end = (0_usize..40, any::<bool>()).prop_map(|(place, commits)| Step::End(place, commits));
    proptest::collection::vec(prop_oneof![take, end], 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever was done, the index has what the accounts have, in however many batches it came.
    #[test]
    fn the_index_has_what_the_accounts_have(steps in steps(), step in 1_usize..50, limit in 0_i64..300) {
        let mut log = Log::new();
        for step in steps {
            match step {
                Step::Take(from, to, amount, inflight) => log.take(from, to, amount, inflight),
                Step::End(place, commits) => log.end(place, commits),
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let index = log.index(&dir.path().join("i.sqlite"), step);
        let all = Collection::Balances;
        for row in rows(&index, all, Condition::everything()) {
            let id: BalanceId = text_of(all, &row, "balance_id").parse().unwrap();
            let no = id.ledger.0;
            let has = log.balances.get(&no).copied().unwrap_or_default();
            let amount = |name: &str| sortable::read(text_of(all, &row, name));
            let open = log.transactions.iter().filter(|it| it.state == State::Inflight);
            let expected: i128 = open
                .filter(|it| it.destination.ledger.0 == no)
                .map(|it| it.amount.minor())
                .sum();
            prop_assert_eq!(amount("credit_balance"), has.incoming);
            prop_assert_eq!(amount("debit_balance"), has.outgoing);
            prop_assert_eq!(amount("balance"), has.incoming - has.outgoing);
            prop_assert_eq!(amount("inflight_debit_balance"), has.pending);
            prop_assert_eq!(amount("inflight_credit_balance"), expected);
            prop_assert_eq!(amount("inflight_balance"), expected - has.pending);
            for (lsn, entry) in &log.entries {
                let then = index.balance_at("acme", id, entry.time).unwrap();
                let before = log.entries.iter().take_while(|(other, _)| other <= lsn);
                let last = before
                    .filter_map(|(_, entry)| match &entry.body {
                        Body::Group(events) => events.last()?.movement(),
                        Body::Registry(_) => None,
                    })
                    .filter_map(|movement| movement.after.iter().find(|after| after.ledger.0 == no))
                    .last();
                let balance = last.map(|after| after.balances[0].1).unwrap_or_default();
                prop_assert_eq!((then.credit, then.debit), (balance.incoming, balance.outgoing));
            }
        }
        let amount = Subject::named(Collection::Transactions, "precise_amount").unwrap();
        for (order, fits) in [
            (Order::Is, (|a, b| a == b) as fn(i128, i128) -> bool),
            (Order::IsNot, |a, b| a != b),
            (Order::Above, |a, b| a > b),
            (Order::AtLeast, |a, b| a >= b),
            (Order::Below, |a, b| a < b),
            (Order::AtMost, |a, b| a <= b),
        ] {
            let given = Given::Number(limit.to_string());
            let inside = Subject::named(Collection::Transactions, "meta_data.cents").unwrap();
            let expected: Vec<String> = log
                .transactions
                .iter()
                .filter(|it| fits(it.amount.minor(), limit.into()))
                .map(|it| it.terms.reference.clone())
                .collect();
            for subject in [amount.clone(), inside] {
                let condition = Condition::Compare(subject, order, given.clone(), Times::Text);
                prop_assert_eq!(&ids(&index, condition), &expected, "{:?}", order);
            }
        }
    }
}

#[test]
fn a_database_of_another_form_is_not_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("i.sqlite");
    let db = schema::open(&path).unwrap();
    schema::note_use(&db, false).unwrap();
    assert_eq!(schema::fault(&db).unwrap(), None);
    db.pragma_update(None, "user_version", 77).unwrap();
    assert!(schema::fault(&db).unwrap().is_some());
    drop(db);
    std::fs::write(&path, vec![b'x'; 5_000]).unwrap();
    let db = Connection::open(&path).unwrap();
    assert!(schema::fault(&db).is_err());
}

#[test]
fn a_machine_that_stopped_leaves_an_index_that_is_built_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = schema::open(&dir.path().join("i.sqlite")).unwrap();
    schema::note_use(&db, false).unwrap();
    let other = "UPDATE facts SET value = 'another boot' WHERE name = 'boot'";
    db.execute(other, []).unwrap();
    assert!(schema::fault(&db).unwrap().is_some());
    db.execute("UPDATE facts SET value = 'yes' WHERE name = 'clean'", [])
        .unwrap();
    assert_eq!(schema::fault(&db).unwrap(), None, "it was closed cleanly");
}
