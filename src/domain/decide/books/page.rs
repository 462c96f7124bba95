//! A record of the books being drawn up: its numbers, its money, its transfers.

use std::sync::Arc;

use crate::domain::{
    account::{Account, Status},
    books::{Booked, Overdraft, Reason, State, StepKind, Transaction},
    command::{Context, Purpose, Transfer},
    decide::draft::Draft,
    event::{Event, Movement},
    group::Group,
    ids::{ActorId, TransactionId, TransferId},
    money::{Amount, MoneyError},
    outcome::Rejection,
    posting::{House, Place},
    time::Timestamp,
};

pub(super) struct Page<'a> {
    group: &'a Group,
    context: &'a Context<'a>,
    draft: Draft<'a>,
    taken: u32,
    sent: u64,
    events: Vec<Event>,
}

/// The money of one transaction: what moved within the group, or what left it.
#[derive(Default)]
pub(super) struct Moved {
    within: Movement,
    sent: Option<Event>,
}

impl<'a> Page<'a> {
    pub(super) fn new(group: &'a Group, context: &'a Context<'a>) -> Self {
        Self {
            group,
            context,
            draft: Draft::new(group),
            taken: group.books.as_ref().map_or(0, |books| books.taken),
            sent: 0,
            events: Vec::with_capacity(2),
        }
    }

    pub(super) const fn now(&self) -> Timestamp {
        self.context.now
    }

    /// The next number.
    pub(super) fn next_id(&mut self) -> Result<TransactionId, Rejection> {
        let next = self.taken.checked_add(1);
        self.taken = next.ok_or(Rejection::TooManyTransactions)?;
        Ok(TransactionId {
            actor: self.group.id,
            number: self.taken,
        })
    }

    /// Moves the money that the transaction's state is to move, if that can be done.
    pub(super) fn begin(
        &mut self,
        transaction: &Transaction,
        awaited: Amount,
    ) -> Result<Result<Moved, Reason>, Rejection> {
        if transaction.is_head() || transaction.state == State::Scheduled {
            return Ok(Ok(Moved::default()));
        }
        let reason = self
            .closed_account(transaction)
            .map_or_else(|| self.shortage(transaction, awaited), |it| Ok(Some(it)))?;
        if let Some(reason) = reason {
            return Ok(Err(reason));
        }
        let from = Place::Spendable(transaction.source.ledger);
        if transaction.state == State::Applied {
            let amount = transaction.amount;
            return self
                .pay(transaction, from, (amount, transaction.id))
                .map(Ok);
        }
        let held = Place::Held(transaction.source.ledger);
        let within = self.within(transaction, (from, held), transaction.amount)?;
        Ok(Ok(within))
    }

    /// A side that takes no part. A destination that is frozen takes money, and one that lives elsewhere
    /// says so itself.
    fn closed_account(&self, transaction: &Transaction) -> Option<Reason> {
        let (source, destination) = (&transaction.source, &transaction.destination);
        let is_ready = |account: &Account| account.is_open() && account.ledger == source.ledger;
        let is_gone =
            |account: &Account| matches!(account.status, Status::Deleted | Status::CreationFailed);
        let not_open = |account| Some(Reason::AccountNotOpen { account });
        if !self.group.account(source.account).is_some_and(is_ready) {
            return not_open(source.account);
        }
        if self.group.account(destination.account).is_some_and(is_gone) {
            return not_open(destination.account);
        }
        None
    }

    /// Why the source cannot pay.
    fn shortage(
        &self,
        transaction: &Transaction,
        awaited: Amount,
    ) -> Result<Option<Reason>, MoneyError> {
        let may_owe = match transaction.terms.overdraft {
            Overdraft::Unlimited => return Ok(None),
            Overdraft::No => Amount::ZERO,
            Overdraft::UpTo(limit) => limit,
        };
        let current = self
            .draft
            .current(transaction.source.ledger, transaction.asset);
        let available = current
            .checked_add(awaited.minor())
            .and_then(|sum| sum.checked_add(may_owe.minor()))
            .ok_or(MoneyError::OutOfRange)?;
        let required = transaction.amount;
        if available >= required.minor() {
            return Ok(None);
        }
        let available = Amount::from_minor(available.max(0))?;
        Ok(Some(match transaction.terms.overdraft {
            Overdraft::UpTo(_) => Reason::OverdraftLimit {
                available,
                required,
            },
            Overdraft::No | Overdraft::Unlimited => Reason::InsufficientFunds {
                available,
                required,
            },
        }))
    }

    /// Lets what is held go back to the source.
    pub(super) fn release(
        &mut self,
        transaction: &Transaction,
        amount: Amount,
    ) -> Result<Moved, Rejection> {
        let ledger = transaction.source.ledger;
        let places = (Place::Held(ledger), Place::Spendable(ledger));
        self.within(transaction, places, amount)
    }

    /// Brings money from a place of the source to the destination, or sends it there; `named` is the
    /// transaction that moves it. What cannot arrive because the destination is gone ends in suspense.
    pub(super) fn pay(
        &mut self,
        transaction: &Transaction,
        from: Place,
        (amount, named): (Amount, TransactionId),
    ) -> Result<Moved, Rejection> {
        let to = match self.group.account(transaction.destination.account) {
            Some(account) if account.status == Status::Deleted => Place::House(House::Suspense),
            Some(account) => Place::Spendable(account.ledger),
            None => Place::House(House::Transit),
        };
        let is_sent = to == Place::House(House::Transit);
        let moved = self.within(transaction, (from, to), amount)?;
        if !is_sent {
            return Ok(moved);
        }
        let transfer = self.transfer(transaction, (amount, named));
        Ok(Moved {
            within: Movement::default(),
            sent: Some(Event::TransferSent(Box::new(transfer), moved.within)),
        })
    }

    fn transfer(
        &mut self,
        transaction: &Transaction,
        (amount, named): (Amount, TransactionId),
    ) -> Transfer {
        let id = TransferId(self.context.transfers_from.0.saturating_add(self.sent));
        self.sent = self.sent.saturating_add(1);
        let (source, destination) = (&transaction.source, &transaction.destination);
        Transfer {
            id,
            source: source.account,
            source_urn: source.name.to_string(),
            source_actor: self.group.id,
            destination: destination.account,
            destination_urn: destination.name.to_string(),
            // Where it lived at first; the courier asks where it lives now.
            destination_actor: ActorId(destination.account.0),
            asset: transaction.asset,
            amount,
            reference: named.to_string(),
            metadata: "{}".to_owned(),
            purpose: Purpose::Booking,
        }
    }

    fn within(
        &mut self,
        transaction: &Transaction,
        (from, to): (Place, Place),
        amount: Amount,
    ) -> Result<Moved, Rejection> {
        self.draft.post(from, to, transaction.asset, amount)?;
        let within = self.draft.cut();
        Ok(Moved { within, sent: None })
    }

    /// Writes a fact down, its transfer behind it.
    pub(super) fn write(
        &mut self,
        kind: StepKind,
        (transaction, child): (Transaction, Option<Transaction>),
        moved: Moved,
    ) {
        self.events.push(Event::Booked(Box::new(Booked {
            kind,
            transaction: Arc::new(transaction),
            child: child.map(Arc::new),
            movement: moved.within,
        })));
        self.events.extend(moved.sent);
    }

    pub(super) fn finish(self) -> Vec<Event> {
        self.events
    }
}
