//! Finds what an id names, and folds the accounts that share money with it, as of any position of
//! the log.
//!
//! The state is folded from the log's beginning, the archive included. A snapshot would be quicker
//! and can be ahead of its own position, so it cannot say how things stood at a position.

use super::super::{outcome::CliError, progress};
use crate::{
    domain::{
        account::{Account, Medium},
        event::Event,
        group::Group,
        hold::Authorization,
        ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransactionId},
        uuids::{AnyTransaction, BalanceId},
    },
    journal::{
        Lsn,
        wal::{LogEntry, WalReader},
    },
    replay::shard::Shard,
    wire::{self, Body, Entry},
};

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Account(AccountNo),
    Ledger(LedgerNo),
    Authorization(AuthorizationId),
    Transaction(TransactionId),
}

impl Subject {
    fn parse(id: &str) -> Result<Self, CliError> {
        let refused = |error| CliError::Fault(format!("{error}"));
        if id.starts_with("auth_") {
            return id.parse().map(Self::Authorization).map_err(refused);
        }
        if id.starts_with("ldg_") {
            return id.parse().map(Self::Ledger).map_err(refused);
        }
        if id.starts_with("bln_") {
            let balance = id.parse().map(|balance: BalanceId| balance.ledger);
            return balance.map(Self::Ledger).map_err(refused);
        }
        if id.starts_with("bulk_") {
            return TransactionId::of_bulk(id)
                .map(Self::Transaction)
                .map_err(refused);
        }
        if id.starts_with("txn_") {
            return match id.parse().map_err(refused)? {
                AnyTransaction::Booked(id) | AnyTransaction::Bulk(id) => Ok(Self::Transaction(id)),
                AnyTransaction::Authorization(id) => Ok(Self::Authorization(id)),
                AnyTransaction::Movement { .. } => Err(CliError::Fault(
                    "the id is a movement of another face: look for it with `inspect log`".into(),
                )),
            };
        }
        id.parse().map(Self::Account).map_err(refused)
    }

    /// The actor where it lives, but for accounts that joined another's money.
    const fn likely_actor(self) -> ActorId {
        match self {
            Self::Account(no) => ActorId(no.0),
            Self::Ledger(no) => ActorId(no.0),
            Self::Authorization(id) => id.actor,
            Self::Transaction(id) => id.actor,
        }
    }

    /// Whether the group has it, under just that name.
    fn is_in(self, group: &Group, name: &str) -> bool {
        match self {
            Self::Account(no) => group.account(no).is_some_and(|it| is_named(it, name)),
            Self::Ledger(no) => group.ledger(no).is_some(),
            Self::Authorization(id) => {
                group.open.contains_key(&id) || group.closed.contains_key(&id)
            }
            Self::Transaction(id) => {
                let books = group.books.as_deref();
                books.is_some_and(|it| it.open.contains_key(&id) || it.closed.contains_key(&id))
            }
        }
    }
}

fn is_named(account: &Account, name: &str) -> bool {
    let is_card = matches!(account.medium, Medium::Card { .. });
    let is_token = is_card && account.no.card_token() == name;
    account.urn() == name || account.id() == name || is_token
}

/// A group at a position.
pub(super) struct Found {
    pub(super) group: Group,
    /// The last record of the group.
    pub(super) record: Lsn,
    /// The last record that was looked at.
    pub(super) lsn: Lsn,
    /// The authorization that was asked for.
    pub(super) authorization: Option<Authorization>,
    /// Into whose group it came by then.
    joined: Option<ActorId>,
}

/// The actor of whatever `id` names, and those whose groups came into its.
pub(super) fn actors_of(reader: &WalReader, id: &str) -> Result<Vec<ActorId>, CliError> {
    let found = find(reader, id, Lsn::new(u64::MAX))?;
    Ok(found.group.numberers().collect())
}

/// What `id` names, and all that shares money with it, as of `at`.
pub(super) fn find(reader: &WalReader, id: &str, at: Lsn) -> Result<Found, CliError> {
    let subject = Subject::parse(id)?;
    let likely = subject.likely_actor();
    if let Some(found) = fold(reader, likely, subject, at)?
        && subject.is_in(&found.group, id)
    {
        return Ok(found);
    }
    let unknown = |why: String| CliError::Fault(format!("there is no {id} {why}"));
    let Some((actor, opened)) = locate(reader, subject, id)? else {
        return Err(unknown("in this log".to_owned()));
    };
    if opened > at {
        return Err(unknown(format!(
            "at lsn {at}: it came with the record at lsn {opened}"
        )));
    }
    let found = fold(reader, actor, subject, at)?;
    found.ok_or_else(|| unknown(format!("at lsn {at}")))
}

/// Reads the log up to `at`; `visit` gets each record and says whether to go on.
fn read(
    reader: &WalReader,
    what: &'static str,
    at: Lsn,
    mut visit: impl FnMut(Lsn, &[u8]) -> Result<bool, CliError>,
) -> Result<(), CliError> {
    let bar = progress::over_log(reader, what);
    let (first, _) = reader.bounds();
    if first > 0 {
        return Err(CliError::Fault(format!(
            "the log begins at position {first}: the segments before it are missing from wal/ and \
             archive/, so that no state can be folded from the beginning"
        )));
    }
    for entry in reader.records() {
        // What is torn was never acknowledged.
        let LogEntry::Record { record, .. } = entry? else {
            continue;
        };
        bar.at(record.lsn);
        if record.lsn > at || !visit(record.lsn, &record.payload)? {
            break;
        }
    }
    Ok(())
}

fn decoded(lsn: Lsn, payload: &[u8]) -> Result<Entry, CliError> {
    wire::decode_entry(payload)
        .map_err(|error| CliError::Fault(format!("the record at lsn {lsn}: {error}")))
}

/// The group of `actor` at `at`, or the one it came into by then.
fn fold(
    reader: &WalReader,
    actor: ActorId,
    subject: Subject,
    at: Lsn,
) -> Result<Option<Found>, CliError> {
    let mut found = fold_one(reader, actor, subject, at)?;
    while let Some(before) = found.take() {
        let Some(home) = before.joined else {
            return Ok(Some(before));
        };
        found = fold_one(reader, home, subject, at)?.map(|mut after| {
            after.authorization = after.authorization.or(before.authorization);
            after
        });
    }
    Ok(None)
}

/// The group of `actor` as its own records lead to, if it has records by then.
fn fold_one(
    reader: &WalReader,
    actor: ActorId,
    subject: Subject,
    at: Lsn,
) -> Result<Option<Found>, CliError> {
    let mut shard = Shard::default();
    let (mut last, mut authorization, mut joined) = (Lsn::ZERO, None, None);
    read(reader, "folding the log", at, |lsn, payload| {
        last = lsn;
        let fault = |error: String| CliError::Fault(format!("the record at lsn {lsn}: {error}"));
        let (_, of, _) = wire::decode_entry_head(payload).map_err(|it| fault(it.to_string()))?;
        if of != actor {
            let taken = wire::absorbed_in(payload).map_err(|it| fault(it.to_string()))?;
            if taken.is_some_and(|taken| taken.group.id == actor) {
                joined = Some(of);
            }
            return Ok(true);
        }
        let entry = decoded(lsn, payload)?;
        shard
            .fold_entry(lsn, &entry)
            .map_err(|error| CliError::Fault(error.to_string()))?;
        if let (Body::Group(events), Subject::Authorization(id)) = (&entry.body, subject) {
            let current = events.iter().rev().find_map(|event| current_of(event, id));
            authorization = current.or(authorization.take());
        }
        Ok(true)
    })?;
    Ok(shard.group(actor).map(|(group, trail)| Found {
        group: group.clone(),
        record: Lsn::new(trail.last()),
        lsn: last,
        authorization,
        joined,
    }))
}

fn current_of(event: &Event, id: AuthorizationId) -> Option<Authorization> {
    let approved = event.approved().map(|approved| &approved.authorization);
    let known = approved.or(event.stepped().map(|stepped| &stepped.authorization))?;
    (known.id == id).then(|| (**known).clone())
}

/// Where it came to be, whatever its number says: the actor and the record.
fn locate(
    reader: &WalReader,
    subject: Subject,
    name: &str,
) -> Result<Option<(ActorId, Lsn)>, CliError> {
    let mut found = None;
    read(
        reader,
        "searching the log",
        Lsn::new(u64::MAX),
        |lsn, payload| {
            let entry = decoded(lsn, payload)?;
            let Body::Group(events) = &entry.body else {
                return Ok(true);
            };
            let makes = |event: &Event| match (subject, event) {
                (Subject::Account(_), Event::AccountOpened(account)) => is_named(account, name),
                (Subject::Ledger(no), Event::AccountOpened(account)) => account.ledger == no,
                (Subject::Authorization(id), _) => event.authorization_id() == Some(id),
                (Subject::Transaction(id), Event::Booked(booked)) => {
                    let child = booked.child.as_ref().map(|child| child.id);
                    booked.transaction.id == id || child == Some(id)
                }
                (Subject::Account(_) | Subject::Ledger(_) | Subject::Transaction(_), _) => false,
            };
            if events.iter().any(makes) {
                found = Some((entry.actor, lsn));
            }
            Ok(found.is_none())
        },
    )?;
    Ok(found)
}
