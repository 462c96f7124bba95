//! A group of accounts and its place in the log: where a command becomes a record.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    courier::next_transfer_ids, durability::Undurable, engine::Shared, facts::OriginCell,
    keys::Claim, moment::Moment,
};
use crate::{
    domain::{
        account::Status,
        apply::{self, Stamp},
        books::BooksCommand,
        command::{Command, Context, Simulation, TRANSFERS_MAX},
        event::Event,
        group::Group,
        hold::Authorization,
        ids::{AccountNo, ActorId, AuthorizationId, TransferId},
        outcome::Rejection,
        policy::{Terms, metadata::MetadataError},
        time::Timestamp,
        trail::Trail,
    },
    journal::JournalError,
    wire::{self, Body, Entry, Key, KeyLife},
};

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An account, as the caller named it.
    Account {
        /// Its number.
        no: AccountNo,
        /// The whole URN, if that is what the caller gave.
        urn: Option<Box<str>>,
    },
    /// An authorization.
    Authorization(AuthorizationId),
    /// Our own errands, which need no permission.
    Actor(ActorId),
}

/// A command with what protects it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whom it is for.
    pub target: Target,
    /// Whose key it came with; none for our own errands.
    pub origin: Option<Arc<str>>,
    /// What is asked.
    pub command: Command,
    /// The keys that protect it.
    pub keys: Vec<(Key, KeyLife)>,
    /// Tells the request from others under the same key.
    pub fingerprint: u64,
    /// The authorization it is about, fetched from the log.
    pub recalled: Option<Box<Authorization>>,
}

impl Request {
    /// Reads a little of everything that is read of a purchase when it is decided and recorded, so that it
    /// is in the processor's cache by then: it may have been put together by another, or a thousand
    /// requests ago. What it gives means nothing.
    pub(super) fn warm(&self) -> usize {
        let Command::Authorize(asked) = &self.command else {
            return 0;
        };
        let merchant = &asked.merchant;
        let said = [
            &merchant.id,
            &merchant.name,
            &merchant.city,
            &merchant.country,
            &merchant.address,
            &merchant.terminal_id,
        ];
        let first = |text: &Option<String>| text.as_ref().map_or(0, |text| a_byte(text, 0));
        let said = said.into_iter().fold(0, |all, text| all ^ first(text));
        // The medium is in some lines of the cache, each to be fetched.
        let medium = asked.medium.packed();
        let lines = [0, 64, 128, 192].map(|place| a_byte(medium, place));
        let medium = lines.into_iter().fold(0, |all, line| all ^ line);
        said ^ medium ^ a_byte(&asked.transaction_id, 0)
    }
}

fn a_byte(text: &str, place: usize) -> usize {
    let byte = text.as_bytes().get(place);
    byte.copied().map_or(0, usize::from)
}

/// What a record says, and enough to render it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Where it stands.
    pub lsn: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// Tells the request from others under the same key.
    pub fingerprint: u64,
    /// What happened.
    pub events: Vec<Event>,
    /// The URNs of the accounts in it.
    pub urns: Vec<(AccountNo, Arc<str>)>,
    /// Whether it was recorded by an earlier request under the same key.
    pub is_replay: bool,
}

/// Why there is no new record.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The domain's no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The journal's no.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record stands for the request's key: it is the answer, if the request is the same.
    #[error("a record stands for this key")]
    Known {
        /// Where.
        lsn: u64,
    },
    /// Another request under the same key is being decided at this moment.
    #[error("another request with this key is in progress")]
    Contested,
    /// The authorization or transaction is closed: it must be fetched from the log first.
    #[error("what it is about must be recalled")]
    Recall {
        /// Where its last record stands.
        lsn: u64,
    },
    /// It was decided, and never reached the disk: the process is about to stop.
    #[error("the journal is halted")]
    Halted,
    /// The actor went to rest or came into another: ask its successor.
    #[error("the card has moved")]
    Moved,
    /// The decision panicked; nothing has changed.
    #[error("the decision could not be made")]
    Unavailable,
}

/// A group in memory.
pub struct Hosted {
    /// The state.
    pub group: Group,
    /// Where its records are.
    pub trail: Trail,
    /// The URNs of its accounts: derived, kept because every answer names them.
    urns: Vec<(AccountNo, Arc<str>)>,
    /// The origin of its accounts: derived, kept because every request is held against it.
    origin: Option<Arc<str>>,
    /// What that origin says of all its cards: kept from the first decision on.
    origin_terms: Option<Arc<OriginCell>>,
}

impl Hosted {
    /// A group without accounts.
    #[must_use]
    pub fn new(id: ActorId) -> Self {
        Self::from_parts(Group::new(id), Trail::default())
    }

    /// A group as it was stored.
    #[must_use]
    pub fn from_parts(group: Group, trail: Trail) -> Self {
        let mut hosted = Self {
            group,
            trail,
            urns: Vec::new(),
            origin: None,
            origin_terms: None,
        };
        hosted.learn();
        hosted
    }

    /// Remembers what is derived of accounts that were just opened.
    fn learn(&mut self) {
        if self.origin.is_none() {
            self.origin = self
                .group
                .accounts
                .first()
                .map(|first| first.origin().into());
        }
        for account in self.group.accounts.iter().skip(self.urns.len()) {
            self.urns.push((account.no, account.urn().into()));
        }
    }

    /// Reads a little of everything that a purchase reads, so that it is in the processor's cache by
    /// then. What it gives means nothing.
    pub(super) fn warm(&self) -> usize {
        let group = &self.group;
        let face = group.accounts.first().map_or(0, |account| {
            let lengths = account.metadata.len() ^ account.policy.currency_assets.len();
            let parts = [
                account.status == Status::Active,
                account.usage.is_some(),
                account.updated_at == group.last_time,
            ];
            parts.iter().filter(|is_so| **is_so).count() ^ lengths
        });
        let ledger = group.ledgers.first();
        let money = ledger.and_then(|ledger| ledger.balances.first());
        let has_money = money.is_some_and(|(asset, balance)| {
            (balance.current > 0) ^ (balance.outgoing > 0) ^ asset.is_bare()
        });
        let records = usize::from(self.trail.count() > 1);
        let urn = self.urns.first().map(|(_, urn)| urn.as_bytes());
        let letter = urn.and_then(<[u8]>::last).copied().unwrap_or(0);
        let latest = group.open.last_key_value();
        let is_own = latest.is_some_and(|(id, _)| id.actor == group.id);
        face ^ records ^ usize::from(has_money) ^ usize::from(letter) ^ usize::from(is_own)
    }

    /// Whether the request may see this group at all.
    #[must_use]
    pub fn admits(&self, target: &Target, origin: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        let is_same = |own: &str| std::ptr::eq(own, origin) || own == origin;
        let is_own = self.origin.as_deref().is_none_or(is_same);
        let named = match target {
            Target::Account { no, urn: Some(urn) } => {
                let known = self.urns.iter().find(|(known, _)| known == no);
                known.is_none_or(|(_, known)| **known == **urn)
            }
            Target::Account { .. } | Target::Authorization(_) | Target::Actor(_) => true,
        };
        is_own && named
    }

    /// Decides, records and applies a request, in one go.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; then nothing has changed and nothing is recorded.
    pub(super) fn execute(
        &mut self,
        request: &mut Request,
        shared: &Shared,
        (moment, terms): (&mut Moment, &Terms),
    ) -> Result<Undurable<Answer>, Refusal> {
        if !self.admits(&request.target, request.origin.as_deref()) {
            return Err(Rejection::AccountNotFound.into());
        }
        let reservation = shared.journal.reserve()?;
        let claims = shared.keys.claim_all(&request.keys).map_err(taken)?;
        if let (None, Some(origin)) = (&self.origin_terms, &self.origin) {
            self.origin_terms = Some(shared.facts.origin(origin));
            // One text for all cards of an origin: there is no need to read it to know it.
            if let Some(asked) = &request.origin {
                self.origin = Some(asked.clone());
            }
        }
        let time = moment.now().max(self.after_all(request));
        let events = match self.decide(request, shared, (moment, terms), time) {
            Ok(events) => events,
            Err(refusal) => {
                claims.release(&request.keys, &shared.keys);
                return Err(refusal);
            }
        };
        // Below this line nothing may refuse, but a record that is too large for the log.
        shared.foresee(&events);
        let entry = Entry {
            time,
            actor: self.group.id,
            sequence: self.trail.count().saturating_add(1),
            links: self.trail.next_links(),
            keys: std::mem::take(&mut request.keys),
            fingerprint: request.fingerprint,
            body: Body::Group(events),
        };
        let lsn = with_scratch(|scratch| {
            wire::encode_entry(&entry, scratch);
            let fits = scratch.len() <= RECORD_BYTES_MAX;
            fits.then(|| shared.journal.append(reservation, scratch).get())
        });
        let Some(lsn) = lsn else {
            claims.release(&entry.keys, &shared.keys);
            request.keys = entry.keys;
            return Err(too_large(&request.command).into());
        };
        let keys = entry.keys;
        let Body::Group(events) = entry.body else {
            return Err(Refusal::Unavailable);
        };
        let guard = AbortOnPanic("apply");
        apply::apply(&mut self.group, &events, Stamp { lsn, time });
        self.trail.push(lsn);
        self.learn();
        claims.settle(&keys, &shared.keys, (lsn, time));
        shared.follow(self.group.id, lsn, &events);
        std::mem::forget(guard);
        let urns = self.urns(&events);
        let fingerprint = request.fingerprint;
        let answer = Answer {
            lsn,
            time,
            fingerprint,
            events,
            urns,
            is_replay: false,
        };
        Ok(Undurable::new(lsn, answer))
    }

    /// The earliest moment of the next record: after this group's last one, and after that of a group
    /// which comes into it.
    fn after_all(&self, request: &Request) -> Timestamp {
        let own = self.group.last_time.next();
        if let Command::Absorb(absorption) = &request.command {
            own.max(absorption.group.last_time.next())
        } else {
            own
        }
    }

    /// Where this group's records are in the log: its own, and those of the groups that came into it;
    /// of each the actor and the newest record.
    #[must_use]
    pub fn lines(&self) -> Vec<(ActorId, u64)> {
        let branches = self.group.branches.iter();
        let mut lines = vec![(self.group.id, self.trail.last())];
        lines.extend(branches.map(|branch| (branch.actor, branch.newest)));
        lines
    }

    fn decide(
        &self,
        request: &Request,
        shared: &Shared,
        (moment, terms): (&mut Moment, &Terms),
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        if let Some(lsn) = self.needs_recall(request) {
            return Err(Refusal::Recall { lsn });
        }
        let recalled = request.recalled.as_deref();
        moment.see(self.origin_terms.as_ref());
        let context = Context {
            now,
            terms,
            origin: moment.origin(),
            rates: moment.rates(),
            lists: moment.lists(),
            calendar: shared.zone.calendar(now),
            transfers_from: transfers_from(&request.command, shared),
            recalled,
        };
        let decided = catch_unwind(AssertUnwindSafe(|| {
            (shared.decide)(&self.group, &request.command, &context)
        }));
        match decided {
            Ok(decided) => Ok(decided?),
            Err(_) => {
                tracing::error!(
                    actor = self.group.id.0,
                    "a decision panicked; nothing has changed"
                );
                Err(Refusal::Unavailable)
            }
        }
    }

    /// Where the authorization's last record stands, if the state no longer holds it and the request
    /// does not bring it along as it is now.
    fn needs_recall(&self, request: &Request) -> Option<u64> {
        let step = match &request.command {
            Command::Increment(step)
            | Command::Capture(step)
            | Command::Reverse(step)
            | Command::Refund(step)
            | Command::ReverseRefund { step, .. }
            | Command::Simulate(Simulation::ExpireNow(step)) => step,
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
            | Command::Expire(_)
            | Command::Absorb(_)
            | Command::Simulate(Simulation::OpenHeld(_) | Simulation::EndCreation { .. }) => {
                return None;
            }
            Command::Books(command) => return self.needs_transaction(command),
        };
        let lsn = self.group.closed.get(&step.authorization)?;
        let is_current = request
            .recalled
            .as_ref()
            .is_some_and(|recalled| recalled.last_lsn == *lsn);
        (!is_current).then_some(*lsn)
    }

    /// The same of a transaction of the books.
    fn needs_transaction(&self, command: &BooksCommand) -> Option<u64> {
        let (id, recalled) = command.recalls()?;
        let lsn = self.group.books.as_ref()?.closed.get(&id)?;
        let is_current = recalled.is_some_and(|recalled| recalled.last_lsn == *lsn);
        (!is_current).then_some(*lsn)
    }

    /// What a purchase would come to at this moment; nothing changes and nothing is recorded.
    ///
    /// # Errors
    ///
    /// A [`Refusal`].
    pub fn simulate(&self, request: &Request, shared: &Shared) -> Result<Answer, Refusal> {
        if !self.admits(&request.target, request.origin.as_deref()) {
            return Err(Rejection::AccountNotFound.into());
        }
        let mut moment = Moment::of(shared);
        let time = moment.now().max(self.group.last_time.next());
        let events = self.decide(request, shared, (&mut moment, &shared.terms), time)?;
        let urns = self.urns(&events);
        Ok(Answer {
            lsn: 0,
            time,
            fingerprint: request.fingerprint,
            events,
            urns,
            is_replay: false,
        })
    }

    /// The URNs of the accounts that the events name.
    #[must_use]
    pub fn urns(&self, events: &[Event]) -> Vec<(AccountNo, Arc<str>)> {
        let mut urns: Vec<(AccountNo, Arc<str>)> = Vec::with_capacity(1);
        let mut add = |no: AccountNo| {
            if urns.iter().all(|(known, _)| *known != no)
                && let Some(known) = self.urns.iter().find(|(known, _)| *known == no)
            {
                urns.push(known.clone());
            }
        };
        for event in events {
            for_each_account(event, &mut add);
        }
        urns
    }
}

fn for_each_account(event: &Event, add: &mut impl FnMut(AccountNo)) {
    match event {
        Event::AccountOpened(account) | Event::AccountChanged { account, .. } => add(account.no),
        Event::Deposited(moved, _) | Event::Withdrawn(moved, _) => add(moved.account),
        Event::TransferredWithin(transfer, _)
        | Event::TransferSent(transfer, _)
        | Event::TransferReceived(transfer, _)
        | Event::TransferReturned(transfer, _) => {
            add(transfer.source);
            add(transfer.destination);
        }
        Event::TransferSettled(_) | Event::Booked(_) => {}
        Event::Absorbed(absorption) => {
            let accounts = &absorption.group.accounts;
            accounts.iter().for_each(|account| add(account.no));
        }
        Event::AuthorizationApproved(approved) => {
            of_authorization(&approved.authorization, add);
            approved.explanation.for_each_account(add);
        }
        Event::AuthorizationDeclined(declined) => {
            add(declined.request.account);
            declined.explanation.for_each_account(add);
        }
        Event::AuthorizationStepped(stepped) => of_authorization(&stepped.authorization, add),
    }
}

fn of_authorization(authorization: &Authorization, add: &mut impl FnMut(AccountNo)) {
    add(authorization.account);
    authorization.legs.iter().for_each(|leg| add(leg.account));
    let targets = authorization.surcharges.iter().map(|part| part.target);
    targets.for_each(add);
}

/// The largest record that is handed to the journal, in bytes; see its options.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// What a request is told whose record would be too large.
fn too_large(command: &Command) -> Rejection {
    if let Command::Absorb(_) = command {
        return Rejection::CannotJoin("have histories that are too long to be brought together");
    }
    Rejection::Metadata(MetadataError {
        key: "metadata".to_owned(),
        what: "and what comes with it need a record of more than 1 MiB: send less, or in parts"
            .to_owned(),
    })
}

fn taken(claim: Claim) -> Refusal {
    match claim {
        Claim::Known(lsn) => Refusal::Known { lsn },
        Claim::New | Claim::Contested => Refusal::Contested,
    }
}

/// Free ids for the transfers that a step may send: only those that move fees do.
fn transfers_from(command: &Command, shared: &Shared) -> TransferId {
    match command {
        Command::ForcePost(_)
        | Command::Conclude(..)
        | Command::Capture(_)
        | Command::Refund(_)
        | Command::ReverseRefund { .. } => next_transfer_ids(shared, TRANSFERS_MAX),
        Command::Authorize(request) if request.capture => next_transfer_ids(shared, TRANSFERS_MAX),
        Command::Authorize(_)
        | Command::OpenAccount(_)
        | Command::ChangeAccount(_)
        | Command::PatchAccount(_)
        | Command::LinkAccount(_)
        | Command::Deposit(_)
        | Command::Withdraw(_)
        | Command::SendTransfer(_)
        | Command::ReceiveTransfer(_)
        | Command::SettleTransfer(_)
        | Command::ReturnTransfer(_)
        | Command::Increment(_)
        | Command::Reverse(_)
        | Command::Expire(_)
        | Command::Absorb(_)
        | Command::Simulate(_) => TransferId(0),
        Command::Books(command) => match command.transfers_max() {
            0 => TransferId(0),
            count => next_transfer_ids(shared, count),
        },
    }
}

/// Lends the thread's encoding buffer.
pub(super) fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static SCRATCH: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(work)
}

/// Stops the process if dropped: forgotten when the work it guards went well. The record is in the
/// log by then, so the state must follow or the process must not go on.
pub(super) struct AbortOnPanic(pub(super) &'static str);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        tracing::error!(
            at = self.0,
            "a broken invariant: the process stops, the log rebuilds it"
        );
        std::process::abort();
    }
}
