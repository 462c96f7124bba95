//! What the books know beside the actors: money inflight towards balances, when what falls due, heads that
//! are not decided, balances by indicator. Folds over the log, rebuilt at recovery.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::{DashMap, DashSet};
use parking_lot::Mutex;

use crate::domain::{
    account::{Account, Medium},
    books::{Booked, DueKind, Kind, State, StepKind, Transaction},
    group::Group,
    ids::{AccountNo, LedgerNo, TransactionId},
    money::{Amount, Asset},
    time::Timestamp,
    uuids::BalanceId,
};

/// The folds.
#[derive(Debug, Default)]
pub struct BooksIndex {
    /// Transactions that hold money, with what they count for.
    open: DashMap<TransactionId, Counted>,
    /// What they come to, by balance.
    sums: DashMap<BalanceId, Sums>,
    /// Where the newest record stands after which a balance had no sums any more.
    cleared: AtomicU64,
    /// Those that wait for a decision.
    reserved: DashMap<TransactionId, Waiting>,
    /// Heads of which something may still become.
    heads: DashSet<TransactionId>,
    /// Open parts of splits that live elsewhere than their head, which may not name them yet: by the head.
    strays: DashMap<TransactionId, BTreeSet<TransactionId>>,
    /// What comes by the time, by the second in which it is due.
    due: Mutex<BTreeMap<i64, Vec<Due>>>,
    /// Balances of the ledger face: what they count and whose they are.
    balances: DashMap<AccountNo, Known>,
    /// Those made by an indicator.
    indicators: DashMap<Box<str>, AccountNo>,
    /// The names of origins, each once.
    origins: DashMap<Box<str>, Arc<str>>,
}

/// What a transaction counts for.
#[derive(Clone, Copy, Debug)]
struct Counted {
    source: BalanceId,
    destination: BalanceId,
    inflight: Amount,
    reserved: Amount,
    expires_at: Option<Timestamp>,
}

/// What the open transactions of a balance come to.
#[derive(Debug, Default)]
struct Sums {
    inflight_in: Amount,
    reserved_in: Amount,
    reserved_out: Amount,
    expiries: BTreeSet<(Timestamp, TransactionId)>,
    lsn: u64,
}

impl Sums {
    fn is_empty(&self) -> bool {
        self.inflight_in.is_zero()
            && self.reserved_in.is_zero()
            && self.reserved_out.is_zero()
            && self.expiries.is_empty()
    }
}

/// A transaction that waits for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub id: TransactionId,
    /// Whose decision it waits for: its own, of a head.
    pub head: TransactionId,
    /// What it is.
    pub kind: Kind,
    /// Whether a head's parts are done all or none.
    pub is_atomic: bool,
    /// Whether it was scheduled, and its time came.
    pub is_due: bool,
    /// Since when.
    pub since: Timestamp,
}

/// Something that comes by the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Of which transaction.
    pub id: TransactionId,
    /// What.
    pub kind: DueKind,
    /// Whether it is a head: its parts come first.
    pub is_head: bool,
}

/// A balance of the ledger face, as far as it never changes.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it counts.
    pub asset: Asset,
    /// Whose it is.
    pub origin: Arc<str>,
}

impl BooksIndex {
    /// Follows what was just applied; its record stands at `lsn`.
    pub fn follow(&self, lsn: u64, booked: &Booked) {
        let transaction = &booked.transaction;
        self.count(transaction, lsn);
        let begins = matches!(
            booked.kind,
            StepKind::Taken | StepKind::Confirmed | StepKind::Fell
        );
        if begins {
            self.note_due(transaction);
        }
    }

    /// Notes what recovery found.
    pub fn recovered(&self, group: &Group) {
        let books = group.books.iter();
        for open in books.flat_map(|books| books.open.values()) {
            self.count(&open.transaction, open.last_lsn);
            self.note_due(&open.transaction);
        }
    }

    /// Notes an account that was opened, or that recovery found.
    pub fn opened(&self, account: &Account) {
        let Medium::Balance(face) = &account.medium else {
            return;
        };
        let origin = self.origin(account.origin());
        if let Some(indicator) = &face.indicator {
            let name = indicator_name(&origin, indicator, face.asset);
            self.indicators.insert(name.into(), account.no);
        }
        let asset = face.asset;
        self.balances.insert(account.no, Known { asset, origin });
    }

    fn origin(&self, name: &str) -> Arc<str> {
        if let Some(known) = self.origins.get(name) {
            return known.clone();
        }
        let new = self.origins.entry(name.into());
        new.or_insert_with(|| name.into()).clone()
    }

    /// What is inflight towards a balance, what heads that are not decided would bring it, and up to where
    /// the log must be on disk for that to be true.
    #[must_use]
    pub fn expected(&self, ledger: LedgerNo, asset: Asset) -> (Amount, Amount, u64) {
        match self.sums.get(&BalanceId::new(ledger, asset)) {
            Some(sums) => (sums.inflight_in, sums.reserved_in, sums.lsn),
            None => (
                Amount::ZERO,
                Amount::ZERO,
                self.cleared.load(Ordering::Acquire),
            ),
        }
    }

    /// What of a balance is reserved for heads that are not decided, and when the first of what is inflight
    /// from it is let go. Exact when asked on the thread of the balance's actor.
    #[must_use]
    pub fn held(&self, ledger: LedgerNo, asset: Asset) -> (Amount, Option<Timestamp>) {
        let sums = self.sums.get(&BalanceId::new(ledger, asset));
        sums.map_or((Amount::ZERO, None), |sums| {
            (sums.reserved_out, sums.expiries.first().map(|(at, _)| *at))
        })
    }

    /// The balance of an indicator, if it was made.
    #[must_use]
    pub fn indicator(&self, origin: &str, indicator: &str, asset: Asset) -> Option<AccountNo> {
        let name = indicator_name(origin, indicator, asset);
        self.indicators.get(name.as_str()).map(|no| *no)
    }

    /// A balance of the ledger face, by its account.
    #[must_use]
    pub fn known(&self, account: AccountNo) -> Option<Known> {
        self.balances.get(&account).map(|known| known.clone())
    }

    /// All that wait for a decision, in the order of their ids.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let mut waiting: Vec<Waiting> = self.reserved.iter().map(|entry| *entry).collect();
        waiting.sort_unstable_by_key(|waiting| waiting.id);
        waiting
    }

    /// Whether nothing waits for a decision.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.reserved.is_empty()
    }

    /// Whether it is a head of which something may still become.
    #[must_use]
    pub fn is_open_head(&self, id: TransactionId) -> bool {
        self.heads.contains(&id)
    }

    /// Open parts of a split that live elsewhere than their head, in the order of their ids.
    #[must_use]
    pub fn strays_of(&self, head: TransactionId) -> Vec<TransactionId> {
        let strays = self.strays.get(&head);
        strays.map_or_else(Vec::new, |strays| strays.iter().copied().collect())
    }

    /// Takes out what is due by `now`, at most `most` of it (whole seconds at a time).
    pub fn take_due(&self, now: Timestamp, most: usize) -> Vec<Due> {
        let mut due = Vec::new();
        let mut slots = self.due.lock();
        while due.len() < most {
            let Some(slot) = slots.first_entry() else {
                break;
            };
            if *slot.key() > now.seconds() {
                break;
            }
            due.append(&mut slot.remove());
        }
        due
    }

    /// Notes that something comes at `at`.
    pub fn schedule(&self, due: Due, at: Timestamp) {
        // The second after, so that the whole of it is over when it is looked at.
        let second = at.seconds().saturating_add(1);
        self.due.lock().entry(second).or_default().push(due);
    }

    fn note_due(&self, transaction: &Transaction) {
        let terms = &transaction.terms;
        let due = |kind| Due {
            id: transaction.id,
            kind,
            is_head: transaction.is_head(),
        };
        let (mut first, mut second) = (None, None);
        match transaction.state {
            // Parts fall with their head.
            State::Scheduled if transaction.kind == Kind::Part => {}
            State::Scheduled => first = terms.scheduled_for.map(|at| (DueKind::Scheduled, at)),
            State::Inflight => {
                first = terms.expires_at.map(|at| (DueKind::Expiry, at));
                second = terms.commits_at.map(|at| (DueKind::Commit, at));
            }
            State::Reserved
            | State::Applied
            | State::Committed
            | State::Voided
            | State::Expired
            | State::Rejected => {}
        }
        for (kind, at) in first.into_iter().chain(second) {
            self.schedule(due(kind), at);
        }
    }

    /// Counts a transaction as it is now in place of as it was.
    fn count(&self, transaction: &Transaction, lsn: u64) {
        let id = transaction.id;
        if transaction.state == State::Reserved {
            let own = transaction.is_head().then_some(id);
            let waiting = Waiting {
                id,
                head: transaction
                    .head
                    .or(own)
                    .or(transaction.parent)
                    .unwrap_or(id),
                kind: transaction.kind,
                is_atomic: transaction.kind != Kind::BulkHead || transaction.terms.marks.atomic,
                is_due: transaction.terms.scheduled_for.is_some(),
                since: transaction.created_at,
            };
            self.reserved.insert(id, waiting);
        } else if !self.reserved.is_empty() {
            self.reserved.remove(&id);
        }
        self.count_kin(transaction);
        let now = counted(transaction);
        let before = match now {
            Some(counted) => self.open.insert(id, counted),
            None => self.open.remove(&id).map(|(_, counted)| counted),
        };
        if let Some(before) = before {
            self.discount(id, &before, lsn);
        }
        if let Some(now) = now {
            self.add(id, &now, lsn);
        }
    }

    /// Keeps heads and parts that live apart from theirs.
    fn count_kin(&self, transaction: &Transaction) {
        let (id, is_open) = (transaction.id, transaction.state.is_open());
        if transaction.is_head() {
            if is_open {
                self.heads.insert(id);
            } else {
                self.heads.remove(&id);
            }
        }
        let parent = transaction.parent.filter(|it| it.actor != id.actor);
        let Some(parent) = parent.filter(|_| transaction.kind == Kind::Part) else {
            return;
        };
        if is_open {
            self.strays.entry(parent).or_default().insert(id);
        } else if let Some(mut strays) = self.strays.get_mut(&parent) {
            strays.remove(&id);
            drop(strays);
            self.strays
                .remove_if(&parent, |_, strays| strays.is_empty());
        }
    }

    fn add(&self, id: TransactionId, counted: &Counted, lsn: u64) {
        {
            let mut source = self.sums.entry(counted.source).or_default();
            source.lsn = source.lsn.max(lsn);
            source.reserved_out = source.reserved_out.saturating_plus(counted.reserved);
            if let Some(at) = counted.expires_at {
                source.expiries.insert((at, id));
            }
        }
        let mut destination = self.sums.entry(counted.destination).or_default();
        destination.lsn = destination.lsn.max(lsn);
        destination.inflight_in = destination.inflight_in.saturating_plus(counted.inflight);
        destination.reserved_in = destination.reserved_in.saturating_plus(counted.reserved);
    }

    fn discount(&self, id: TransactionId, counted: &Counted, lsn: u64) {
        if let Some(mut source) = self.sums.get_mut(&counted.source) {
            source.lsn = source.lsn.max(lsn);
            source.reserved_out = source.reserved_out.minus_or_zero(counted.reserved);
            if let Some(at) = counted.expires_at {
                source.expiries.remove(&(at, id));
            }
        }
        if let Some(mut destination) = self.sums.get_mut(&counted.destination) {
            destination.lsn = destination.lsn.max(lsn);
            destination.inflight_in = destination.inflight_in.minus_or_zero(counted.inflight);
            destination.reserved_in = destination.reserved_in.minus_or_zero(counted.reserved);
        }
        for balance in [counted.source, counted.destination] {
            self.sums.remove_if(&balance, |_, sums| {
                let is_empty = sums.is_empty();
                if is_empty {
                    self.cleared.fetch_max(sums.lsn, Ordering::AcqRel);
                }
                is_empty
            });
        }
    }
}

fn indicator_name(origin: &str, indicator: &str, asset: Asset) -> String {
    format!("{origin}\n{indicator}/{asset}")
}

fn counted(transaction: &Transaction) -> Option<Counted> {
    if transaction.is_head() {
        return None;
    }
    let (inflight, reserved, expires_at) = match transaction.state {
        State::Inflight => (
            transaction.left(),
            Amount::ZERO,
            transaction.terms.expires_at,
        ),
        State::Reserved => (Amount::ZERO, transaction.left(), None),
        State::Scheduled
        | State::Applied
        | State::Committed
        | State::Voided
        | State::Expired
        | State::Rejected => return None,
    };
    Some(Counted {
        source: BalanceId::new(transaction.source.ledger, transaction.asset),
        destination: BalanceId::new(transaction.destination.ledger, transaction.asset),
        inflight,
        reserved,
        expires_at,
    })
}
