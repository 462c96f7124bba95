//! A second, plain way to add up one actor's records, to hold the first against: it shares the
//! records with the engine and none of its rules.

use std::collections::BTreeMap;

use super::{books, finding::Check};
use crate::{
    domain::{
        account::Account,
        command::Purpose,
        event::{Event, Movement, StepKind},
        funds::Balance,
        group::Absorption,
        hold::Authorization,
        ids::{ActorId, LedgerNo, TransactionId},
        money::Asset,
        posting::{House, Place, Posting},
        time::Timestamp,
    },
    journal::Lsn,
    replay::sum::Sum,
    wire::{Body, Entry},
};

/// What the house has, by asset and account.
pub type Houses = BTreeMap<(Asset, House), Sum>;
/// What each open authorization holds, of all actors: by actor, number and leg. One map for all,
/// because most actors have one or none.
pub type Holds = BTreeMap<(ActorId, u32, usize), (LedgerNo, Asset, i128)>;
/// What each open transaction of the books holds, of all actors; nothing of a head.
pub type Booked = BTreeMap<TransactionId, (LedgerNo, Asset, i128)>;
/// What is wrong with a record.
pub type Faults = Vec<(Check, String)>;
/// Which money was touched, and what it had to spend before.
pub(super) type Touched = Vec<(LedgerNo, Asset, i128)>;

/// What one ledger account has of one asset.
#[derive(Clone, Debug)]
pub struct Money {
    /// The ledger account.
    pub ledger: LedgerNo,
    /// What is counted.
    pub asset: Asset,
    /// As the postings lead to.
    pub balance: Balance,
    /// What the open authorizations say they hold.
    pub holds: i128,
    /// By how much the two differed when it was last said.
    pub(super) hold_gap: i128,
}

/// One actor's records, added up.
#[derive(Clone, Debug, Default)]
pub struct PlainActor {
    positions: Vec<u64>,
    /// By how much the numbers of the records are off, once one was missing.
    shift: u64,
    last_time: Timestamp,
    authorizations: u32,
    pub(super) transactions: u32,
    ledgers: Vec<LedgerNo>,
    /// What each ledger account has.
    pub money: Vec<Money>,
    pub(super) open: usize,
    pub(super) open_transactions: usize,
    /// Actors whose groups came into this one's: their authorizations go on here.
    pub(super) adopted: Vec<ActorId>,
}

/// What many actors share while they are added up.
#[derive(Debug, Default)]
pub struct Sums {
    /// What the house has.
    pub houses: Houses,
    /// What is held.
    pub holds: Holds,
    /// What is held of it for transactions of the books.
    pub booked: Booked,
}

impl PlainActor {
    /// The number of the last record.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        count(&self.positions).wrapping_add(self.shift)
    }

    /// How many authorizations hold money.
    #[must_use]
    pub const fn open_holds(&self) -> usize {
        self.open
    }

    /// Of how many transactions of the books something may still become.
    #[must_use]
    pub const fn open_transactions(&self) -> usize {
        self.open_transactions
    }

    /// Takes the next record of the actor.
    pub fn follow(&mut self, lsn: Lsn, entry: &Entry, sums: &mut Sums, faults: &mut Faults) {
        self.follow_head(lsn, entry, faults);
        match &entry.body {
            Body::Registry(_) if entry.actor == ActorId::REGISTRY => {}
            Body::Group(_) if entry.actor == ActorId::REGISTRY => {
                faults.push((Check::Record, "the registry holds no money".into()));
            }
            Body::Registry(_) => {
                faults.push((Check::Record, "only actor 0 is the registry".into()));
            }
            Body::Group(events) => {
                // Within a record money that a transaction held may leave by the transfer behind it.
                let mut touched = Vec::new();
                let mut floor = Some(0);
                for event in events {
                    if let Some(absorption) = event.absorption() {
                        self.adopt(lsn, entry.time, absorption, (sums, faults));
                    }
                    floor = floor_of(event, floor);
                    let seen = (&mut touched, floor);
                    self.follow_event(entry.actor, event, seen, (sums, faults));
                }
                self.check_holds(&touched, faults);
            }
        }
    }

    fn follow_head(&mut self, lsn: Lsn, entry: &Entry, faults: &mut Faults) {
        let due = self.sequence().wrapping_add(1);
        if entry.sequence != due {
            let what = format!("the record is number {}, {due} was due", entry.sequence);
            faults.push((Check::Sequence, what));
            self.shift = entry
                .sequence
                .wrapping_sub(count(&self.positions))
                .wrapping_sub(1);
        }
        if self.shift == 0 {
            let previous = self.position(entry.sequence.wrapping_sub(1));
            let skip = self.position(entry.sequence & entry.sequence.wrapping_sub(1));
            if (entry.links.previous, entry.links.skip) != (previous, skip) {
                let what = format!(
                    "the record points at lsn {} and {}, its actor's earlier records are at \
                     {previous} and {skip}",
                    entry.links.previous, entry.links.skip
                );
                faults.push((Check::Links, what));
            }
        }
        if entry.time <= self.last_time {
            let what = format!(
                "the record's time {} is not after the one before, {}",
                entry.time, self.last_time
            );
            faults.push((Check::Time, what));
        }
        self.last_time = entry.time;
        self.positions.push(lsn.get());
    }

    /// Where record `number` stands, 0 for none.
    fn position(&self, number: u64) -> u64 {
        let index = number.checked_sub(1).map(usize::try_from);
        let known = index.and_then(|index| self.positions.get(index.ok()?));
        known.copied().unwrap_or(0)
    }

    fn follow_event(
        &mut self,
        actor: ActorId,
        event: &Event,
        (seen, floor): (&mut Touched, Option<i128>),
        (sums, faults): (&mut Sums, &mut Faults),
    ) {
        if let Event::AccountOpened(account) = event {
            self.open(account);
        }
        if let Some(id) = event.authorization_id() {
            let is_new = event.stepped().is_none();
            let due = self.authorizations.saturating_add(1);
            let fits = if id.actor != actor {
                !is_new && self.adopted.contains(&id.actor)
            } else if is_new {
                id.number == due
            } else {
                (1..due).contains(&id.number)
            };
            if !fits {
                let what = format!("authorization {id} is not one of this actor, or not the next");
                faults.push((Check::Record, what));
            }
            if id.actor == actor {
                self.authorizations = self.authorizations.max(id.number);
            }
        }
        let mut touched = Vec::new();
        if let Some(movement) = event.movement() {
            for posting in &movement.postings {
                self.post(posting, &mut sums.houses, &mut touched, faults);
            }
            self.compare(movement, &touched, faults);
            self.check_overdraft(floor, &touched, faults);
        }
        if let Some(authorization) = authorization_of(event) {
            let numberer = authorization.id.actor;
            let is_adopted = self.adopted.contains(&numberer);
            self.file(
                if is_adopted { numberer } else { actor },
                authorization,
                (&mut sums.holds, &mut touched),
                faults,
            );
        }
        if let Some(booked) = event.booked() {
            self.file_booked(actor, booked, (&mut sums.booked, &mut touched), faults);
        }
        seen.extend(touched);
    }

    /// Goes on from what the record says of the group it takes in; that this is what the group's own
    /// records come to is looked at when all are read.
    fn adopt(
        &mut self,
        lsn: Lsn,
        time: Timestamp,
        absorption: &Absorption,
        (sums, faults): (&mut Sums, &mut Faults),
    ) {
        let group = &absorption.group;
        if time <= group.last_time || lsn.get() <= absorption.trail.last() {
            let what = format!("actor {} is taken in before its last record", group.id.0);
            faults.push((Check::Time, what));
        }
        let come = std::iter::once(group.id).chain(group.branches.iter().map(|it| it.actor));
        for actor in come {
            self.adopted.push(actor);
            // Its sum on this thread is over. What it held when that ended may have been let go since, in
            // a group whose records another thread adds up.
            let holds = (actor, 0, 0)..=(actor, u32::MAX, usize::MAX);
            sums.holds.extract_if(holds, |_, _| true).for_each(drop);
            let booked = TransactionId { actor, number: 0 }..=TransactionId {
                actor,
                number: u32::MAX,
            };
            sums.booked.extract_if(booked, |_, _| true).for_each(drop);
        }
        group.accounts.iter().for_each(|account| self.open(account));
        let mut touched = Vec::new();
        for ledger in &group.ledgers {
            for (asset, balance) in &ledger.balances {
                if !balance.is_sound() {
                    let what = format!("{asset} on {}: {}", ledger.no, shown(balance));
                    faults.push((Check::Soundness, what));
                }
                self.money(ledger.no, *asset).balance = *balance;
                touched.push((ledger.no, *asset, 0));
            }
        }
        for (id, open) in &group.open {
            let authorization = open.authorization();
            self.file(
                id.actor,
                &authorization,
                (&mut sums.holds, &mut touched),
                faults,
            );
        }
        for open in group.books.iter().flat_map(|books| books.open.values()) {
            self.keep(&open.transaction, (&mut sums.booked, &mut touched));
        }
        self.check_holds(&touched, faults);
    }

    fn open(&mut self, account: &Account) {
        if !self.ledgers.contains(&account.ledger) {
            self.ledgers.reserve_exact(1);
            self.ledgers.push(account.ledger);
        }
    }

    fn post(
        &mut self,
        posting: &Posting,
        houses: &mut Houses,
        touched: &mut Touched,
        faults: &mut Faults,
    ) {
        let amount = posting.amount.minor();
        if amount <= 0 {
            faults.push((
                Check::Balance,
                format!("a posting of {amount} moves nothing"),
            ));
        }
        let crosses = posting.source.ledger() != posting.destination.ledger();
        for (place, change) in [(&posting.source, -amount), (&posting.destination, amount)] {
            let ledger = match place {
                Place::House(house) => {
                    let sum = houses.entry((posting.asset, house.clone())).or_default();
                    *sum += change;
                    continue;
                }
                Place::Spendable(ledger) | Place::Held(ledger) => *ledger,
            };
            if !self.ledgers.contains(&ledger) {
                let what = format!("a posting is on {ledger}, which is not this actor's");
                faults.push((Check::Balance, what));
            }
            let balance = &mut self.money(ledger, posting.asset).balance;
            if touched
                .iter()
                .all(|(known, asset, _)| (*known, *asset) != (ledger, posting.asset))
            {
                touched.push((ledger, posting.asset, balance.current));
            }
            let side = match place {
                Place::Held(_) => &mut balance.pending,
                Place::Spendable(_) | Place::House(_) => &mut balance.current,
            };
            *side = side.saturating_add(change);
            if crosses && change < 0 {
                balance.outgoing = balance.outgoing.saturating_add(amount);
            } else if crosses {
                balance.incoming = balance.incoming.saturating_add(amount);
            }
        }
    }

    pub(super) fn money(&mut self, ledger: LedgerNo, asset: Asset) -> &mut Money {
        let known = self
            .money
            .iter()
            .position(|money| (money.ledger, money.asset) == (ledger, asset));
        let index = known.unwrap_or_else(|| {
            // Most ledger accounts have one asset: no room for more is kept.
            self.money.reserve_exact(1);
            self.money.push(Money {
                ledger,
                asset,
                balance: Balance::default(),
                holds: 0,
                hold_gap: 0,
            });
            self.money.len().saturating_sub(1)
        });
        self.money
            .get_mut(index)
            .expect("Invariant: it was just found or made")
    }

    /// Holds what the record states against what the postings lead to, and goes on from what is
    /// stated, so that one fault is said once.
    fn compare(
        &mut self,
        movement: &Movement,
        touched: &[(LedgerNo, Asset, i128)],
        faults: &mut Faults,
    ) {
        for after in &movement.after {
            let own = self
                .money
                .iter()
                .filter(|money| money.ledger == after.ledger)
                .filter(|money| money.balance != Balance::default());
            for money in own {
                let is_stated = after
                    .balances
                    .iter()
                    .any(|(asset, _)| *asset == money.asset);
                if !is_stated {
                    let (asset, ledger) = (money.asset, money.ledger);
                    let what = format!("the balance of {asset} on {ledger} is not stated");
                    faults.push((Check::Balance, what));
                }
            }
            for (asset, stated) in &after.balances {
                let led_to = self.money(after.ledger, *asset);
                if led_to.balance != *stated {
                    let what = format!(
                        "{asset} on {}: the postings lead to {}, the record states {}",
                        after.ledger,
                        shown(&led_to.balance),
                        shown(stated)
                    );
                    faults.push((Check::Balance, what));
                    led_to.balance = *stated;
                }
                let has = stated.current.checked_add(stated.pending);
                let came = stated.incoming.checked_sub(stated.outgoing);
                if has.is_none() || has != came || stated.pending < 0 {
                    let what = format!("{asset} on {}: {}", after.ledger, shown(stated));
                    faults.push((Check::Soundness, what));
                }
            }
        }
        for (ledger, asset, _) in touched {
            if movement.after.iter().all(|after| after.ledger != *ledger) {
                let what = format!("{asset} on {ledger} moves, and its balance is not stated");
                faults.push((Check::Balance, what));
            }
        }
    }

    fn check_overdraft(
        &mut self,
        floor: Option<i128>,
        touched: &[(LedgerNo, Asset, i128)],
        faults: &mut Faults,
    ) {
        let Some(floor) = floor else { return };
        for (ledger, asset, before) in touched {
            let current = self.money(*ledger, *asset).balance.current;
            if current < floor && current < *before {
                let what = format!(
                    "{asset} on {ledger} goes from {before} to {current} by what could have been \
                     declined"
                );
                faults.push((Check::Overdraft, what));
            }
        }
    }
}

fn count(positions: &[u64]) -> u64 {
    u64::try_from(positions.len()).unwrap_or(u64::MAX)
}

/// A balance for people.
#[must_use]
pub fn shown(balance: &Balance) -> String {
    format!(
        "current {} pending {} in {} out {}",
        balance.current, balance.pending, balance.incoming, balance.outgoing
    )
}

fn authorization_of(event: &Event) -> Option<&Authorization> {
    let approved = event.approved().map(|approved| &*approved.authorization);
    approved.or(event.stepped().map(|stepped| &*stepped.authorization))
}

/// How far the event may take what may be spent: not below this, or as far as it takes. `before` is that
/// of the event before it in its record: a transfer goes with its transaction.
fn floor_of(event: &Event, before: Option<i128>) -> Option<i128> {
    if let Some(booked) = event.booked() {
        return books::floor_of(booked);
    }
    let is_booking = matches!(
        event,
        Event::TransferSent(transfer, _) if transfer.purpose == Purpose::Booking
    );
    if is_booking {
        return before;
    }
    (!may_overdraw(event)).then_some(0)
}

/// Only what the network pays whatever we say, and what an earner of fees owes back.
fn may_overdraw(event: &Event) -> bool {
    let is_forced = event
        .approved()
        .is_some_and(|approved| approved.authorization.is_forced);
    let is_step = event.stepped().is_some_and(|stepped| match stepped.kind {
        StepKind::Capture => !stepped.over.tolerated.is_zero() || !stepped.over.adjusted.is_zero(),
        StepKind::RefundReversal => true,
        StepKind::Refund => {
            let mut fees = stepped.authorization.fees.iter().zip(&stepped.fees);
            fees.any(|(fee, part)| fee.payee.is_some() && !part.is_zero())
        }
        StepKind::Increment
        | StepKind::IncrementDeclined(_)
        | StepKind::Reversal
        | StepKind::Expiry
        | StepKind::Concluded(_) => false,
    });
    let is_recall = matches!(
        event,
        Event::TransferReceived(transfer, _) if transfer.purpose == Purpose::FeeRecall
    );
    is_forced || is_step || is_recall
}
