//! One thread's part of a verification: some of the actors, record by record, added up twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    finding::{Check, Severity, Spot},
    outcome::{Joined, Outcome, Taken, money_of},
    plain::{Faults, PlainActor, Sums, shown},
    snapshots::{Expected, Snapshot, Standing, digest},
    transit,
};
use crate::{
    domain::{
        documents::Shelf, event::Event, group::Group, ids::ActorId, registry::Registry,
        trail::Trail,
    },
    journal::{Lsn, Record},
    replay::{
        recovery::fold_registry,
        shard::{Folded, Shard},
    },
    wire::{self, Body, Entry},
};

/// A record and where it was found.
pub struct Task {
    /// The segment's file name.
    pub segment: Arc<str>,
    /// The frame's offset in it.
    pub offset: u64,
    /// The record.
    pub record: Record,
}

#[derive(Default)]
struct Followed {
    plain: PlainActor,
    expected: Vec<Expected>,
}

/// After how many records the groups go to rest, to keep memory small.
const RECORDS_PER_REST: u32 = 50_000;

/// One thread's part.
#[derive(Default)]
pub struct Worker {
    snapshots: Vec<Snapshot>,
    actors: BTreeMap<ActorId, Followed>,
    sums: Sums,
    registry: (Registry, Trail),
    shard: Shard,
    /// Actors whose replay stopped at a fault.
    stopped: BTreeSet<ActorId>,
    /// The groups that its records take in.
    pub(super) joined: Joined,
    /// Actors that a snapshot does not hold: a fault, unless they came into others.
    absent: Vec<(ActorId, Spot, String)>,
    since_rest: u32,
    out: Outcome,
}

impl Worker {
    /// Notes what a snapshot says of an actor.
    pub fn expect(&mut self, actor: ActorId, expected: Expected) {
        let followed = self.actors.entry(actor).or_default();
        followed.expected.reserve_exact(1);
        followed.expected.push(expected);
    }

    /// Which snapshots there are.
    pub fn know(&mut self, snapshots: &[Snapshot]) {
        self.snapshots = snapshots.to_vec();
    }

    /// Takes the next record.
    pub fn take(&mut self, task: &Task) {
        let lsn = task.record.lsn;
        let mut spot = Spot {
            lsn: Some(lsn),
            file: Some(task.segment.clone()),
            offset: Some(task.offset),
            actor: None,
        };
        let bytes = task.record.payload.len();
        self.out.checked.records = self.out.checked.records.saturating_add(1);
        self.out.checked.bytes =
            (self.out.checked.bytes).saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let entry = match wire::decode_entry(&task.record.payload) {
            Ok(entry) => entry,
            Err(error) => {
                self.fault(Check::Record, &spot, error.to_string());
                return;
            }
        };
        spot.actor = Some(entry.actor);
        self.count(&entry);
        self.add_up(lsn, &entry, &spot);
        self.note_joined(lsn, &entry, &spot);
        self.out.keys.add(lsn, &entry);
        self.note_transfers(&entry, &spot);
        self.replay(task, &entry, &spot);
        self.hold_against_snapshots(lsn, &entry, &spot);
        self.since_rest = self.since_rest.saturating_add(1);
        if self.since_rest >= RECORDS_PER_REST {
            self.since_rest = 0;
            self.shard.rest();
        }
    }

    fn fault(&mut self, check: Check, spot: &Spot, what: String) {
        let spot = spot.clone();
        self.out.findings.push(Severity::Fault, check, spot, what);
    }

    fn count(&mut self, entry: &Entry) {
        let checked = &mut self.out.checked;
        let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        match &entry.body {
            Body::Registry(events) => {
                checked.events = checked.events.saturating_add(count(events.len()));
            }
            Body::Group(events) => {
                checked.events = checked.events.saturating_add(count(events.len()));
                for movement in events.iter().filter_map(|event| event.movement()) {
                    let postings = count(movement.postings.len());
                    checked.postings = checked.postings.saturating_add(postings);
                }
            }
        }
    }

    fn add_up(&mut self, lsn: Lsn, entry: &Entry, spot: &Spot) {
        let mut faults = Faults::new();
        let followed = self.actors.entry(entry.actor).or_default();
        followed
            .plain
            .follow(lsn, entry, &mut self.sums, &mut faults);
        for (check, what) in faults {
            self.fault(check, spot, what);
        }
    }

    fn note_joined(&mut self, lsn: Lsn, entry: &Entry, spot: &Spot) {
        let Body::Group(events) = &entry.body else {
            return;
        };
        for absorption in events.iter().filter_map(Event::absorption) {
            let (actor, home) = (absorption.group.id, entry.actor);
            let bytes = wire::encode_group(&absorption.group, &absorption.trail);
            let digest = digest(&bytes);
            let taken = Taken { home, lsn, digest };
            if self.joined.insert(actor, taken).is_some() {
                let what = format!("actor {} is taken in a second time", actor.0);
                self.fault(Check::Record, spot, what);
            }
        }
    }

    fn note_transfers(&mut self, entry: &Entry, spot: &Spot) {
        let Body::Group(events) = &entry.body else {
            return;
        };
        let (findings, passages) = (&mut self.out.findings, &mut self.out.passages);
        for event in events {
            let mut say = |what| {
                findings.push(Severity::Fault, Check::Transit, spot.clone(), what);
            };
            passages.extend(transit::passage(event, spot, &mut say));
        }
    }

    /// The engine's own replay; an actor is left alone after its first fault there.
    fn replay(&mut self, task: &Task, entry: &Entry, spot: &Spot) {
        if self.stopped.contains(&entry.actor) {
            return;
        }
        let replayed = match &entry.body {
            Body::Registry(_) => fold_registry(&mut self.registry, &task.record).map(|_| ()),
            Body::Group(_) => self.shard.fold_entry(task.record.lsn, entry).map(|_| ()),
        };
        if let Err(error) = replayed {
            self.stopped.insert(entry.actor);
            self.fault(Check::Replay, spot, error.to_string());
        }
    }

    fn hold_against_snapshots(&mut self, lsn: Lsn, entry: &Entry, spot: &Spot) {
        let Some(followed) = self.actors.get_mut(&entry.actor) else {
            return;
        };
        let is_stopped = self.stopped.contains(&entry.actor);
        for (number, snapshot) in self.snapshots.iter().enumerate() {
            let known = (followed.expected.iter_mut()).find(|it| it.snapshot == number);
            let what = match known {
                None if lsn <= snapshot.lsn => {
                    followed.expected.push(Expected::missing(number));
                    let what = format!("{} does not hold this actor", snapshot.name);
                    self.absent.push((entry.actor, spot.clone(), what));
                    continue;
                }
                None => continue,
                Some(expected)
                    if expected.standing == Standing::Awaited
                        && expected.sequence == entry.sequence =>
                {
                    expected.standing = Standing::Met;
                    let bytes = if entry.actor == ActorId::REGISTRY {
                        Some(wire::encode_registry(&self.registry.0, &self.registry.1))
                    } else {
                        let group = self.shard.group(entry.actor);
                        group.map(|(group, trail)| wire::encode_group(group, trail))
                    };
                    let compared = &mut self.out.checked.snapshot_groups;
                    *compared = compared.saturating_add(1);
                    let is_same = bytes.is_some_and(|bytes| digest(&bytes) == expected.digest);
                    if is_same || is_stopped {
                        continue;
                    }
                    expected.standing = Standing::Wrong;
                    format!(
                        "{} holds another state of this actor than the log gives at its record {}",
                        snapshot.name, entry.sequence
                    )
                }
                Some(expected)
                    if expected.standing != Standing::Wrong
                        && expected.sequence < entry.sequence
                        && lsn <= snapshot.lsn =>
                {
                    expected.standing = Standing::Wrong;
                    format!(
                        "{} ends at this actor's record {}, this one is number {} and should be \
                         in it",
                        snapshot.name, expected.sequence, entry.sequence
                    )
                }
                Some(_) => continue,
            };
            let findings = &mut self.out.findings;
            findings.push(Severity::Fault, Check::Snapshot, spot.clone(), what);
        }
    }

    /// Holds the two ways of adding up against each other. `is_whole` says that the log was read to
    /// its end; `with_accounts` asks for the accounts; `joined` are the groups that came into others,
    /// of all workers.
    #[must_use]
    pub fn finish(mut self, is_whole: bool, with_accounts: bool, joined: &Joined) -> Outcome {
        for (actor, spot, what) in std::mem::take(&mut self.absent) {
            if !joined.contains_key(&actor) {
                self.fault(Check::Snapshot, &spot, what);
            }
        }
        for group in std::mem::take(&mut self.shard).into_groups() {
            match group {
                Ok(folded) => {
                    let taken = joined.get(&folded.group.id);
                    if let Some(taken) = taken {
                        self.compare_taken(&folded, taken);
                    }
                    self.compare(&folded.group, with_accounts, taken.is_none());
                }
                Err(error) => self.fault(Check::Replay, &Spot::default(), error.to_string()),
            }
        }
        let sealed = self.registry.0.documents.of(Shelf::Vault).next();
        self.out.sealed = sealed.map(|(_, text)| text.clone());
        self.out.houses = std::mem::take(&mut self.sums.houses);
        let actors = std::mem::take(&mut self.actors);
        for (actor, followed) in actors {
            if followed.plain.sequence() > 0 {
                self.out.checked.actors = self.out.checked.actors.saturating_add(1);
            }
            if !joined.contains_key(&actor) {
                self.sum(&followed.plain);
            }
            if is_whole {
                self.missed(actor, &followed);
            }
        }
        self.out
    }

    fn sum(&mut self, plain: &PlainActor) {
        let checked = &mut self.out.checked;
        for money in &plain.money {
            checked.balances = checked.balances.saturating_add(1);
            let stated = self.out.stated.entry(money.asset).or_default();
            stated.0 += money.balance.current;
            stated.1 += money.balance.pending;
            stated.2 = stated.2.saturating_add(1);
        }
        let open = u64::try_from(plain.open_holds()).unwrap_or(u64::MAX);
        checked.open_holds = checked.open_holds.saturating_add(open);
    }

    fn missed(&mut self, actor: ActorId, followed: &Followed) {
        let awaited = |it: &&Expected| it.standing == Standing::Awaited;
        for expected in followed.expected.iter().filter(awaited) {
            let Some(snapshot) = self.snapshots.get(expected.snapshot) else {
                continue;
            };
            let what = format!(
                "the snapshot holds {} records of this actor, the log has {}",
                expected.sequence,
                followed.plain.sequence()
            );
            let spot = snapshot.spot(Some(actor));
            self.fault(Check::Snapshot, &spot, what);
        }
    }

    /// Holds a group's own records against the record by which it came into another.
    fn compare_taken(&mut self, folded: &Folded, taken: &Taken) {
        let (group, trail) = (&folded.group, &folded.trail);
        let is_same = digest(&wire::encode_group(group, trail)) == taken.digest;
        if is_same || self.stopped.contains(&group.id) {
            return;
        }
        let spot = Spot {
            lsn: Some(taken.lsn),
            actor: Some(taken.home),
            ..Spot::default()
        };
        let what = format!(
            "the record takes in another state of actor {} than its own records come to",
            group.id.0
        );
        self.fault(Check::Replay, &spot, what);
    }

    fn compare(&mut self, group: &Group, with_accounts: bool, is_present: bool) {
        if is_present {
            let accounts = u64::try_from(group.accounts.len()).unwrap_or(u64::MAX);
            self.out.checked.accounts = self.out.checked.accounts.saturating_add(accounts);
        }
        if with_accounts && is_present {
            self.out.accounts.extend(money_of(group));
        }
        if self.stopped.contains(&group.id) {
            return;
        }
        let Some(followed) = self.actors.get(&group.id) else {
            return;
        };
        let plain = &followed.plain;
        let mut faults = Vec::new();
        if (group.sequence, group.open.len()) != (plain.sequence(), plain.open_holds()) {
            faults.push(format!(
                "replay has {} records and {} open authorizations, the plain sum {} and {}",
                group.sequence,
                group.open.len(),
                plain.sequence(),
                plain.open_holds()
            ));
        }
        let open = group.books.as_deref().map_or(0, |books| books.open.len());
        if open != plain.open_transactions() {
            faults.push(format!(
                "replay has {open} open transactions, the plain sum {}",
                plain.open_transactions()
            ));
        }
        for money in &plain.money {
            let replayed = group.ledger(money.ledger).map(|it| it.balance(money.asset));
            if replayed != Some(money.balance) {
                faults.push(format!(
                    "{} on {}: replay has {}, the plain sum {}",
                    money.asset,
                    money.ledger,
                    replayed.map_or("nothing".to_owned(), |balance| shown(&balance)),
                    shown(&money.balance)
                ));
            }
        }
        let replayed: usize = group.ledgers.iter().map(|it| it.balances.len()).sum();
        if replayed > plain.money.len() {
            faults.push("replay has balances that no posting made".to_owned());
        }
        let spot = Spot {
            actor: Some(group.id),
            ..Spot::default()
        };
        for what in faults {
            self.fault(Check::Replay, &spot, what);
        }
    }
}
