//! One batch of records on its way into the index: what each says, written in one transaction of the database.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    SearchError,
    documents::{self, Document},
    field::Collection,
    rows::{self, At, Row},
    sortable,
    standing::{self, Standings},
};
use crate::{
    domain::{
        account::{Account, Medium},
        books::{Booked, Overdraft, State, Transaction},
        command::{Purpose, Transfer},
        documents::Shelf,
        event::{Event, Movement, Stepped},
        hold::Authorization,
        ids::{AccountNo, ActorId, LedgerNo},
        money::{Amount, Asset},
        registry::RegistryEvent,
        uuids::{AnyTransaction, BalanceId},
    },
    wire::{Body, Entry},
};

/// A number of ours as a column holds it.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The batch.
pub(super) struct Batch<'a> {
    db: &'a Connection,
    /// The origins that are followed.
    origins: &'a BTreeMap<String, i64>,
    /// What a card counts in before it has any money.
    house: Asset,
    standings: Standings,
    /// Whose accounts an actor has; what was looked up in this batch.
    owners: BTreeMap<ActorId, i64>,
    ledgers: BTreeMap<AccountNo, Option<LedgerNo>>,
}

/// Moments and who was there.
#[derive(Clone, Copy)]
struct Place {
    origin: i64,
    at: At,
    version: u64,
}

impl<'a> Batch<'a> {
    /// Begins one. The caller begins and ends the database's transaction.
    pub(super) const fn new(
        db: &'a Connection,
        origins: &'a BTreeMap<String, i64>,
        house: Asset,
    ) -> Self {
        Self {
            db,
            origins,
            house,
            standings: Standings::new(),
            owners: BTreeMap::new(),
            ledgers: BTreeMap::new(),
        }
    }

    /// Takes in what the record at `lsn` says.
    pub(super) fn add(&mut self, lsn: u64, entry: &Entry) -> Result<(), SearchError> {
        match &entry.body {
            Body::Registry(events) => {
                for event in events {
                    self.registry(event)?;
                }
            }
            Body::Group(events) => {
                let Some(origin) = self.owner(entry.actor, events)? else {
                    return Ok(());
                };
                for (place, event) in (0_u32..).zip(events) {
                    let at = At {
                        lsn,
                        place,
                        time: entry.time,
                    };
                    let version = entry.sequence;
                    let place = Place {
                        origin,
                        at,
                        version,
                    };
                    self.event(event, place)?;
                }
            }
        }
        Ok(())
    }

    /// Writes what was gathered.
    pub(super) fn end(self) -> Result<(), SearchError> {
        self.standings.flush(self.db)
    }

    /// The origin of an actor's accounts, if it is followed.
    fn owner(&mut self, actor: ActorId, events: &[Event]) -> Result<Option<i64>, SearchError> {
        if let Some(known) = self.owners.get(&actor) {
            return Ok(Some(*known));
        }
        let opened = events.iter().find_map(|event| {
            if let Event::AccountOpened(account) = event {
                Some(account.origin().to_owned())
            } else {
                None
            }
        });
        let found = match opened {
            Some(name) => self.origins.get(&name).copied(),
            None => {
                let asked = "SELECT origin FROM accounts WHERE no = ?";
                let mut asked = self.db.prepare_cached(asked)?;
                asked
                    .query_row([int(actor.0)], |row| row.get(0))
                    .optional()?
            }
        };
        if let Some(found) = found {
            self.owners.insert(actor, found);
        }
        Ok(found)
    }

    fn registry(&self, event: &RegistryEvent) -> Result<(), SearchError> {
        let RegistryEvent::DocumentSet {
            shelf,
            name,
            text,
            at,
        } = event
        else {
            return Ok(());
        };
        let collection = if *shelf == Shelf::Ledger {
            Collection::Ledgers
        } else if *shelf == Shelf::LedgerIdentity {
            Collection::Identities
        } else {
            return Ok(());
        };
        let Some((origin, id)) = name.split_once('/') else {
            return Ok(());
        };
        let Some(origin) = self.origins.get(origin) else {
            return Ok(());
        };
        let document = Document {
            origin: *origin,
            id,
            text: text.as_deref(),
            at: *at,
        };
        documents::set(self.db, collection, &document)
    }

    fn event(&mut self, event: &Event, place: Place) -> Result<(), SearchError> {
        match event {
            Event::AccountOpened(account) => self.opened(account, place)?,
            Event::AccountChanged { account, .. } => self.changed(account, place)?,
            Event::Deposited(moved, movement) | Event::Withdrawn(moved, movement) => {
                let comes = matches!(event, Event::Deposited(..));
                let own = self.side(moved.account, moved.asset)?;
                let row = Row::with_world(moved, own, comes, place.at);
                self.put(&row, None, place)?;
                self.stand(movement, place)?;
            }
            Event::TransferredWithin(transfer, movement) => {
                self.transferred(transfer, place)?;
                self.stand(movement, place)?;
            }
            Event::TransferSent(transfer, movement) => {
                if matches!(transfer.purpose, Purpose::Transfer | Purpose::Fee) {
                    self.transferred(transfer, place)?;
                }
                self.stand(movement, place)?;
            }
            Event::TransferReceived(_, movement) => self.stand(movement, place)?,
            Event::TransferReturned(transfer, movement) => {
                let undo = "UPDATE transactions SET status = ?, applied = NULL WHERE transfer = ?";
                let undone = params![State::Rejected.word(), int(transfer.id.0)];
                self.db.prepare_cached(undo)?.execute(undone)?;
                self.stand(movement, place)?;
            }
            Event::TransferSettled(_) | Event::Absorbed(_) => {}
            Event::AuthorizationApproved(approved) => {
                let own = self.drawn(&approved.authorization)?;
                let row = Row::approved(approved, own, place.at);
                self.put(&row, None, place)?;
                self.stand(&approved.movement, place)?;
            }
            Event::AuthorizationDeclined(declined) => {
                let asset = declined.movement.after.first();
                let asset = asset.and_then(|after| after.balances.first());
                let own = match asset {
                    Some((asset, _)) => self.side(declined.request.account, *asset)?,
                    None => String::new(),
                };
                if let Some(row) = Row::declined(declined, own, place.at) {
                    self.put(&row, None, place)?;
                }
                self.stand(&declined.movement, place)?;
            }
            Event::AuthorizationStepped(stepped) => self.stepped(stepped, place)?,
            Event::Booked(booked) => self.booked(booked, place)?,
        }
        Ok(())
    }

    fn opened(&mut self, account: &Account, place: Place) -> Result<(), SearchError> {
        self.owners
            .entry(ActorId(account.no.0))
            .or_insert(place.origin);
        self.ledgers.insert(account.no, Some(account.ledger));
        standing::put_account(self.db, account, place.origin)?;
        let asset = match &account.medium {
            Medium::Balance(face) => face.asset,
            Medium::Card { .. } | Medium::Virtual => self.house,
        };
        if let Some(standing) = self.standings.of(self.db, (account.ledger, asset))? {
            standing.seen(place.version);
        }
        standing::refresh_faces(self.db, account.ledger)
    }

    fn changed(&mut self, account: &Account, place: Place) -> Result<(), SearchError> {
        let before = self.ledger_of(account.no)?;
        self.ledgers.insert(account.no, Some(account.ledger));
        standing::put_account(self.db, account, place.origin)?;
        standing::refresh_faces(self.db, account.ledger)?;
        match before {
            Some(before) if before != account.ledger => standing::refresh_faces(self.db, before),
            _ => Ok(()),
        }
    }

    fn ledger_of(&mut self, account: AccountNo) -> Result<Option<LedgerNo>, SearchError> {
        if let Some(known) = self.ledgers.get(&account) {
            return Ok(*known);
        }
        let asked = "SELECT ledger FROM accounts WHERE no = ?";
        let mut asked = self.db.prepare_cached(asked)?;
        let found: Option<i64> = asked
            .query_row([int(account.0)], |row| row.get(0))
            .optional()?;
        let found = found
            .and_then(|number| u64::try_from(number).ok())
            .map(LedgerNo);
        self.ledgers.insert(account, found);
        Ok(found)
    }

    /// The balance behind an account, as callers name it.
    fn side(&mut self, account: AccountNo, asset: Asset) -> Result<String, SearchError> {
        let ledger = self.ledger_of(account)?;
        let id = ledger.map(|ledger| BalanceId::new(ledger, asset).to_string());
        Ok(id.unwrap_or_default())
    }

    /// The balance that a purchase draws on first.
    fn drawn(&mut self, authorization: &Authorization) -> Result<String, SearchError> {
        let asset = authorization.asset;
        match authorization.legs.first() {
            Some(leg) => Ok(BalanceId::new(leg.ledger, asset).to_string()),
            None => self.side(authorization.account, asset),
        }
    }

    fn transferred(&mut self, transfer: &Transfer, place: Place) -> Result<(), SearchError> {
        let source = self.side(transfer.source, transfer.asset)?;
        let destination = self.side(transfer.destination, transfer.asset)?;
        let row = Row::transfer(transfer, (source, destination), place.at);
        self.put(&row, None, place)
    }

    fn stepped(&mut self, stepped: &Stepped, place: Place) -> Result<(), SearchError> {
        let authorization = &stepped.authorization;
        let id = AnyTransaction::Authorization(authorization.id).to_string();
        let at_once = "SELECT applied IS NOT NULL FROM transactions WHERE transaction_id = ?";
        let at_once: Option<bool> = self
            .db
            .prepare_cached(at_once)?
            .query_row([&id], |row| row.get(0))
            .optional()?;
        let amount = rows::authorization_amount(authorization);
        let units = crate::books::view::units_of(amount, rows::factor(authorization.asset));
        let update = "UPDATE transactions SET status = ?, precise_amount = ?, amount = ? \
                      WHERE transaction_id = ?";
        let status = rows::authorization_status(authorization, at_once.unwrap_or(false));
        self.db.prepare_cached(update)?.execute(params![
            status,
            sortable::integer(amount.minor()),
            sortable::decimal(&units),
            id
        ])?;
        let own = self.drawn(authorization)?;
        if let Some(row) = Row::step(stepped, own, place.at) {
            self.put(&row, None, place)?;
        }
        self.stand(&stepped.movement, place)
    }

    fn booked(&mut self, booked: &Booked, place: Place) -> Result<(), SearchError> {
        self.transaction(&booked.transaction, place)?;
        if let Some(child) = &booked.child {
            self.transaction(child, place)?;
        }
        self.stand(&booked.movement, place)
    }

    fn transaction(&mut self, transaction: &Transaction, place: Place) -> Result<(), SearchError> {
        let Some(row) = rows::booked(transaction) else {
            return Ok(());
        };
        let sides = (transaction.source.ledger, transaction.destination.ledger);
        self.put(&row, Some(sides), place)
    }

    /// What each balance has after an event.
    fn stand(&mut self, movement: &Movement, place: Place) -> Result<(), SearchError> {
        for after in &movement.after {
            for (asset, balance) in &after.balances {
                let standing = self.standings.of(self.db, (after.ledger, *asset))?;
                let Some(standing) = standing else { continue };
                standing.seen(place.version);
                if standing.set(balance) {
                    let moment = "INSERT OR REPLACE INTO moments(balance, time, lsn, credit, debit) \
                                  VALUES(?, ?, ?, ?, ?)";
                    self.db.prepare_cached(moment)?.execute(params![
                        standing.seq,
                        place.at.time.micros(),
                        int(place.at.lsn),
                        sortable::integer(balance.incoming),
                        sortable::integer(balance.outgoing),
                    ])?;
                }
            }
        }
        Ok(())
    }

    /// Puts a transaction in, or brings the one that is there to what it is now. What it holds stands at
    /// both of its ends.
    fn put(
        &mut self,
        row: &Row,
        sides: Option<(LedgerNo, LedgerNo)>,
        place: Place,
    ) -> Result<(), SearchError> {
        let known = "SELECT seq, status, left_amount, meta_data, applied FROM transactions \
                     WHERE transaction_id = ?";
        let known = self
            .db
            .prepare_cached(known)?
            .query_row([&row.id], |found| {
                Ok(Known {
                    seq: found.get(0)?,
                    status: found.get(1)?,
                    left: sortable::read(&found.get::<_, String>(2)?),
                    metadata: found.get(3)?,
                    applied: found.get(4)?,
                })
            })
            .optional()?;
        let (queued_before, inflight_before) = known.as_ref().map_or((0, 0), Known::holds);
        let (queued, inflight) = holds(row.status, row.left.minor());
        if let Some((source, destination)) = sides {
            let more = (
                queued.saturating_sub(queued_before),
                inflight.saturating_sub(inflight_before),
            );
            if more != (0, 0) {
                if let Some(from) = self.standings.of(self.db, (source, row.asset))? {
                    from.reserve(more.0);
                }
                if let Some(to) = self.standings.of(self.db, (destination, row.asset))? {
                    to.expect(more);
                }
            }
        }
        match known {
            Some(known) => self.update(row, &known, place),
            None => self.insert(row, place),
        }
    }

    fn insert(&self, row: &Row, place: Place) -> Result<(), SearchError> {
        const INSERT: &str = "INSERT INTO transactions(origin, transaction_id, parent_transaction, source, \
            destination, reference, description, currency, amount, precise_amount, precision, status, \
            overdraft_limit, allow_overdraft, inflight, skip_queue, atomic, created_at, effective_date, \
            scheduled_for, inflight_expiry_date, inflight_commit_date, meta_data, split, is_part, \
            left_amount, applied, transfer) \
            VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
        let limit = match row.overdraft {
            Overdraft::UpTo(limit) => limit,
            Overdraft::No | Overdraft::Unlimited => Amount::ZERO,
        };
        let effective = row.effective_at.unwrap_or(row.created_at);
        let micros = |time: Option<crate::domain::time::Timestamp>| time.map(|time| time.micros());
        self.db.prepare_cached(INSERT)?.execute(params![
            place.origin,
            row.id,
            some(&row.parent),
            some(&row.source),
            some(&row.destination),
            some(&row.reference),
            some(&row.description),
            row.asset.to_string(),
            sortable::decimal(&row.units).unwrap_or_else(|| sortable::integer(0)),
            sortable::integer(row.amount.minor()),
            int(row.precision),
            row.status,
            sortable::integer(limit.minor()),
            !matches!(row.overdraft, Overdraft::No),
            row.inflight,
            row.skip_queue,
            row.atomic,
            row.created_at.micros(),
            effective.micros(),
            micros(row.scheduled_for),
            micros(row.expires_at),
            micros(row.commits_at),
            row.metadata,
            row.split,
            row.is_part,
            sortable::integer(row.left.minor()),
            row.is_applied.then(|| int(place.at.lsn)),
            row.transfer.map(int),
        ])?;
        self.words(self.db.last_insert_rowid(), row)
    }

    fn update(&self, row: &Row, known: &Known, place: Place) -> Result<(), SearchError> {
        const UPDATE: &str = "UPDATE transactions SET status = ?, meta_data = ?, left_amount = ?, \
            applied = ? WHERE seq = ?";
        let applied = known.applied.or(row.is_applied.then(|| int(place.at.lsn)));
        self.db.prepare_cached(UPDATE)?.execute(params![
            row.status,
            row.metadata,
            sortable::integer(row.left.minor()),
            applied,
            known.seq,
        ])?;
        if known.metadata != row.metadata {
            let forget = "DELETE FROM transactions_words WHERE rowid = ?";
            self.db.prepare_cached(forget)?.execute([known.seq])?;
            self.words(known.seq, row)?;
        }
        Ok(())
    }

    fn words(&self, seq: i64, row: &Row) -> Result<(), SearchError> {
        let said = rows::words_of(&row.metadata);
        if row.reference.is_empty() && row.description.is_empty() && said.is_empty() {
            return Ok(());
        }
        let add = "INSERT INTO transactions_words(rowid, reference, description, meta_data) \
                   VALUES(?, ?, ?, ?)";
        let values = params![seq, row.reference, row.description, said];
        self.db.prepare_cached(add)?.execute(values)?;
        Ok(())
    }
}

/// A transaction as it was in the index before a record.
struct Known {
    seq: i64,
    status: String,
    left: i128,
    metadata: String,
    applied: Option<i64>,
}

impl Known {
    fn holds(&self) -> (i128, i128) {
        holds(&self.status, self.left)
    }
}

/// What of it is queued, and what is inflight.
fn holds(status: &str, left: i128) -> (i128, i128) {
    if status == State::Reserved.word() {
        (left, 0)
    } else if status == State::Inflight.word() {
        (0, left)
    } else {
        (0, 0)
    }
}

/// Nothing for an empty text.
pub(super) fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
