//! A shell without a disk: decides, stores and applies like the actor, and after every record holds
//! what must always hold against the state.

use std::collections::{BTreeMap, BTreeSet};

use cardwright::{
    domain::{
        apply::{Stamp, apply, settle_own_lsn},
        books::{self, TAKE_MAX, Transaction},
        command::{Command, Context, Purpose, TRANSFERS_MAX, Transfer},
        decide::decide,
        event::{Event, StepKind},
        funds::Balance,
        group::Group,
        hold::{Authorization, Leg},
        ids::{ActorId, AuthorizationId, LedgerNo, TransactionId, TransferId},
        lists::Lists,
        money::Asset,
        outcome::Rejection,
        policy::{Terms, origin::OriginTerms},
        posting::{House, Place, Posting},
        rates::RateTable,
        time::Timestamp,
        trail::Trail,
    },
    journal::Lsn,
    replay::verify::plain::{Faults, PlainActor, Sums},
    wire::{Body, Entry, decode_entry, decode_group, encode_entry, encode_group},
};
use num_bigint::BigInt;

use super::told::Told;

/// Groups, their copies made from bytes alone, and the house's side of the books.
pub(crate) struct Shell {
    pub(crate) terms: Terms,
    pub(crate) origin: OriginTerms,
    pub(crate) rates: RateTable,
    pub(crate) lists: Lists,
    /// Whose money earns fees: a refund takes them back without asking.
    pub(crate) earners: BTreeSet<LedgerNo>,
    pub(crate) now: Timestamp,
    pub(crate) lsn: u64,
    pub(crate) groups: BTreeMap<ActorId, Group>,
    pub(crate) house: BTreeMap<(House, Asset), BigInt>,
    pub(crate) recalled: BTreeMap<AuthorizationId, Authorization>,
    /// Every transaction of the books, as its last record left it.
    pub(crate) booked: BTreeMap<TransactionId, Transaction>,
    copies: BTreeMap<ActorId, (Group, Trail)>,
    transfers_from: TransferId,
    /// The verification's own sums, which share the records and none of the rules.
    plain: BTreeMap<ActorId, PlainActor>,
    sums: Sums,
    /// What programmes were told of it all.
    pub(crate) told: Told,
}

impl Shell {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            origin: OriginTerms::default(),
            rates: RateTable::default(),
            lists: Lists::default(),
            earners: BTreeSet::new(),
            now: "2026-01-15T12:00:00Z".parse().unwrap(),
            lsn: 100,
            groups: BTreeMap::new(),
            house: BTreeMap::new(),
            recalled: BTreeMap::new(),
            booked: BTreeMap::new(),
            copies: BTreeMap::new(),
            transfers_from: TransferId(1 << 62),
            plain: BTreeMap::new(),
            sums: Sums::default(),
            told: Told::default(),
        }
    }

    /// Runs one command, one second after the one before.
    pub(crate) fn run(
        &mut self,
        actor: ActorId,
        command: &Command,
    ) -> Result<Vec<Event>, Rejection> {
        self.now = self.now.plus_seconds(1);
        let group = self
            .groups
            .entry(actor)
            .or_insert_with(|| Group::new(actor));
        self.transfers_from.0 += TRANSFERS_MAX + TAKE_MAX as u64;
        let context = Context {
            origin: &self.origin,
            rates: &self.rates,
            lists: &self.lists,
            transfers_from: self.transfers_from,
            recalled: subject(command).and_then(|id| self.recalled.get(&id)),
            ..Context::plain(self.now, &self.terms)
        };
        let decided = decide(group, command, &context);
        let again = decide(group, command, &context);
        assert_eq!(decided, again, "deciding twice gives the same");
        let events = decided?;
        let before = group.clone();
        self.record(actor, &events);
        self.check(&before, &self.groups[&actor], may_go_below_zero(command));
        Ok(events)
    }

    fn record(&mut self, actor: ActorId, events: &[Event]) {
        self.lsn += 1;
        let group = self.groups.get_mut(&actor).unwrap();
        let copy = self.copies.entry(actor);
        let (copy, trail) = copy.or_insert_with(|| (Group::new(actor), Trail::default()));
        let entry = Entry {
            time: self.now,
            actor,
            sequence: group.sequence + 1,
            links: trail.next_links(),
            keys: Vec::new(),
            fingerprint: self.lsn,
            body: Body::Group(events.to_vec()),
        };
        let mut bytes = Vec::new();
        encode_entry(&entry, &mut bytes);
        let stored = decode_entry(&bytes).unwrap();
        assert_eq!(stored, entry, "a record reads back");
        let Body::Group(stored) = stored.body else {
            panic!("a group's record is a group's");
        };
        let stamp = Stamp {
            lsn: self.lsn,
            time: self.now,
        };
        trail.push(self.lsn);
        apply(group, events, stamp);
        apply(copy, &stored, stamp);
        let live = encode_group(group, trail);
        assert_eq!(
            live,
            encode_group(copy, trail),
            "replay gives the same bytes"
        );
        let (read, _) = decode_group(&live).unwrap();
        assert_eq!(read, *group, "a group reads back");
        let mut faults = Faults::new();
        let plain = self.plain.entry(actor).or_default();
        plain.follow(Lsn::new(self.lsn), &entry, &mut self.sums, &mut faults);
        assert_eq!(faults, [], "verification finds nothing");
        let books = group.books.as_ref().map_or(0, |books| books.open.len());
        let open = (group.open.len(), books);
        assert_eq!((plain.open_holds(), plain.open_transactions()), open);
        self.told.hear(self.lsn, entry);
        for event in events {
            self.remember(event);
        }
    }

    fn remember(&mut self, event: &Event) {
        for posting in event
            .movement()
            .map_or(&[][..], |movement| &movement.postings)
        {
            self.fold(posting);
        }
        let authorization = match event {
            Event::AuthorizationApproved(approved) => &approved.authorization,
            Event::AuthorizationStepped(stepped) => &stepped.authorization,
            Event::Booked(booked) => {
                for known in booked.child.iter().chain([&booked.transaction]) {
                    self.remember_booked(known);
                }
                return;
            }
            Event::AccountOpened(_)
            | Event::AccountChanged { .. }
            | Event::Deposited(..)
            | Event::Withdrawn(..)
            | Event::TransferredWithin(..)
            | Event::TransferSent(..)
            | Event::TransferReceived(..)
            | Event::TransferSettled(_)
            | Event::TransferReturned(..)
            | Event::AuthorizationDeclined(_)
            | Event::Absorbed(_) => return,
        };
        let mut known = (**authorization).clone();
        settle_own_lsn(&mut known, self.lsn);
        let group = &self.groups[&known.id.actor];
        if known.is_open() {
            assert_eq!(
                group.open.get(&known.id).map(|open| open.current()),
                Some(known.clone()),
                "what is open is kept"
            );
            assert!(!group.closed.contains_key(&known.id));
        } else {
            assert_eq!(
                group.closed.get(&known.id),
                Some(&self.lsn),
                "what is closed is placed"
            );
            assert!(!group.open.contains_key(&known.id));
        }
        self.told.check(&known);
        self.recalled.insert(known.id, known);
    }

    fn remember_booked(&mut self, transaction: &Transaction) {
        let mut known = transaction.clone();
        books::settle_own_lsn(&mut known, self.lsn);
        let books = self.groups[&known.id.actor].books.as_ref().unwrap();
        if known.state.is_open() {
            let open = books.open.get(&known.id).map(|open| open.current());
            assert_eq!(open, Some(known.clone()), "what is open is kept");
            assert!(!books.closed.contains_key(&known.id));
        } else {
            let place = books.closed.get(&known.id);
            assert_eq!(place, Some(&self.lsn), "what is closed is placed");
            assert!(!books.open.contains_key(&known.id));
        }
        self.booked.insert(known.id, known);
    }

    fn fold(&mut self, posting: &Posting) {
        let amount = BigInt::from(posting.amount.minor());
        assert!(amount > BigInt::ZERO, "no empty posting: {posting:?}");
        let mut add = |place: &Place, amount: BigInt| {
            if let Place::House(house) = place {
                *self
                    .house
                    .entry((house.clone(), posting.asset))
                    .or_default() += amount;
            }
        };
        add(&posting.source, -&amount);
        add(&posting.destination, amount);
    }

    fn check(&self, before: &Group, after: &Group, below_zero: bool) {
        let mut sums: BTreeMap<Asset, BigInt> = BTreeMap::new();
        for ((_, asset), amount) in &self.house {
            *sums.entry(*asset).or_default() += amount;
        }
        for group in self.groups.values() {
            for (_, asset, balance) in balances(group) {
                assert!(balance.is_sound(), "{asset}: {balance:?}");
                *sums.entry(asset).or_default() += BigInt::from(balance.current) + balance.pending;
            }
        }
        for (asset, sum) in sums {
            assert_eq!(
                sum,
                BigInt::ZERO,
                "money of {asset} is neither made nor lost"
            );
        }
        for (ledger, asset, balance) in balances(after) {
            let was = before
                .ledger(ledger)
                .map_or(0, |old| old.balance(asset).current);
            assert!(
                balance.current >= was.min(0) || below_zero || self.earners.contains(&ledger),
                "{asset} of {ledger} went from {was} to {}",
                balance.current
            );
        }
        let held = after.open.values().flat_map(|open| {
            let authorization = open.authorization().into_owned();
            let asset = authorization.asset;
            let leg = move |leg: Leg| (leg.ledger, asset, leg.held().minor());
            authorization.legs.into_iter().map(leg)
        });
        let mut pending: BTreeMap<(LedgerNo, Asset), i128> = BTreeMap::new();
        for (ledger, asset, held) in held {
            *pending.entry((ledger, asset)).or_default() += held;
        }
        let booked = after.books.iter().flat_map(|books| books.open.values());
        for open in booked {
            let known = &open.transaction;
            let of = (known.source.ledger, known.asset);
            *pending.entry(of).or_default() += known.held().minor();
        }
        for (ledger, asset, balance) in balances(after) {
            let held = pending.get(&(ledger, asset)).copied().unwrap_or(0);
            assert_eq!(
                balance.pending, held,
                "{asset} of {ledger}: pending is what is held"
            );
        }
    }

    /// What the house has on one of its accounts.
    pub(crate) fn house(&self, house: House, asset: Asset) -> BigInt {
        self.house.get(&(house, asset)).cloned().unwrap_or_default()
    }

    /// Holds the house's books against all authorizations: what is captured and not refunded is
    /// with the settlement and the treasuries, and nowhere else.
    pub(crate) fn check_fees_and_settlement(&self) {
        let mut paid: BTreeMap<Asset, BigInt> = BTreeMap::new();
        let mut fees: BTreeMap<(House, Asset), BigInt> = BTreeMap::new();
        for known in self.recalled.values() {
            let of_asset = paid.entry(known.asset).or_default();
            *of_asset += known.captured().minor() - known.refunded().minor();
            for fee in &known.fees {
                let house = House::Treasury(fee.treasury.clone());
                let kept = fee.charged.minor() - fee.returned.minor();
                *paid.entry(known.asset).or_default() -= kept;
                *fees.entry((house, known.asset)).or_default() += kept;
            }
        }
        for (asset, settlement) in paid {
            assert_eq!(
                self.house(House::Settlement, asset),
                settlement,
                "settlement of {asset}"
            );
        }
        for ((house, asset), kept) in fees {
            assert_eq!(
                self.house(house.clone(), asset),
                kept,
                "{house:?} of {asset}"
            );
        }
    }
}

/// Every balance of a group.
pub(crate) fn balances(group: &Group) -> Vec<(LedgerNo, Asset, Balance)> {
    let of = |ledger: &cardwright::domain::funds::LedgerAccount| {
        let no = ledger.no;
        ledger
            .balances
            .clone()
            .into_iter()
            .map(move |(asset, balance)| (no, asset, balance))
    };
    group.ledgers.iter().flat_map(of).collect()
}

/// What a step did, in one word.
pub(crate) const fn word_of(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Increment => "incremented",
        StepKind::IncrementDeclined(_) => "declined",
        StepKind::Capture => "captured",
        StepKind::Reversal => "reversed",
        StepKind::Expiry => "expired",
        StepKind::Refund => "refunded",
        StepKind::RefundReversal => "refund_reversed",
        StepKind::Concluded(_) => "decided",
    }
}

/// The authorization a command is about.
fn subject(command: &Command) -> Option<AuthorizationId> {
    match command {
        Command::Increment(step)
        | Command::Capture(step)
        | Command::Reverse(step)
        | Command::Refund(step)
        | Command::ReverseRefund { step, .. } => Some(step.authorization),
        Command::Expire(id) => Some(*id),
        Command::OpenAccount(_)
        | Command::ChangeAccount(_)
        | Command::PatchAccount(_)
        | Command::LinkAccount(_)
        | Command::Deposit(_)
        | Command::Withdraw(_)
        | Command::SendTransfer(_)
        | Command::ReceiveTransfer(_)
        | Command::SettleTransfer(_)
        | Command::ReturnTransfer(_)
        | Command::Authorize(_)
        | Command::ForcePost(_)
        | Command::Conclude(..)
        | Command::Absorb(_)
        | Command::Books(_)
        | Command::Simulate(_) => None,
    }
}

/// A clearing cannot be declined; everything else needs the money to be there. Transactions of the books
/// may overdraw as far as each says, which their own model knows.
fn may_go_below_zero(command: &Command) -> bool {
    let is_recall = |transfer: &Transfer| transfer.purpose == Purpose::FeeRecall;
    matches!(
        command,
        Command::ForcePost(_)
            | Command::Capture(_)
            | Command::ReverseRefund { .. }
            | Command::Books(_)
    ) || matches!(command, Command::ReceiveTransfer(transfer) if is_recall(transfer))
}
