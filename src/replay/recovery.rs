//! Builds everything in memory again: the newest readable snapshot, then the log behind it, in
//! parallel by actor.

use std::{
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread,
};

use super::shard::{FoldError, Folded, Shard};
use crate::{
    actors::{
        directory::Directory,
        engine::Shared,
        registrar::{OriginError, Registrar},
    },
    domain::{group::Group, ids::ActorId, registry::Registry, time::Timestamp, trail::Trail},
    journal::{JournalError, Lsn, Record},
    wire::{self, Body, Entry, Item, KeyLife},
};

/// Why recovery stopped. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The log or a snapshot cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record does not follow from those before it.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The log begins later than where recovery must begin.
    #[error(
        "the log has no record {lsn}, after which recovery begins: the first segments of wal/ and \
         archive/, or the snapshot that replaced them, are missing"
    )]
    NoBeginning {
        /// The snapshot's position; 0 if there is none.
        lsn: Lsn,
    },
    /// What an origin says cannot be read under the settings.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A thread of the recovery died.
    #[error("a recovery thread died: {0}")]
    Thread(String),
}

/// What recovery found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The snapshot it began from.
    pub snapshot: Option<Lsn>,
    /// Records applied.
    pub applied: u64,
    /// Records the snapshot held already.
    pub skipped: u64,
    /// Groups of accounts.
    pub groups: u64,
    /// Authorizations that hold money.
    pub holds: u64,
    /// Transfers in transit.
    pub in_transit: u64,
}

/// What is handed to a shard in one go.
const BATCH: usize = 512;
/// How many batches may wait for a shard.
const BATCHES_WAITING: usize = 16;

enum Work {
    Groups(Vec<Vec<u8>>),
    Records(Vec<Record>),
}

/// What waits to be handed to one shard.
struct Lane {
    sender: SyncSender<Work>,
    groups: Vec<Vec<u8>>,
    records: Vec<Record>,
}

struct Feed {
    shards: Vec<Lane>,
}

impl Feed {
    fn shard(&mut self, actor: ActorId) -> &mut Lane {
        let count = u64::try_from(self.shards.len()).unwrap_or(1).max(1);
        let index = usize::try_from(actor.0 % count).unwrap_or(0);
        self.shards
            .get_mut(index)
            .expect("Invariant: the index is below the number of shards")
    }

    fn group(&mut self, actor: ActorId, bytes: Vec<u8>) -> bool {
        let lane = self.shard(actor);
        lane.groups.push(bytes);
        lane.groups.len() < BATCH || lane.send_groups()
    }

    fn record(&mut self, actor: ActorId, record: Record) -> bool {
        let lane = self.shard(actor);
        lane.records.push(record);
        lane.records.len() < BATCH
            || lane
                .sender
                .send(Work::Records(std::mem::take(&mut lane.records)))
                .is_ok()
    }

    fn flush_groups(&mut self) -> bool {
        self.shards.iter_mut().all(Lane::send_groups)
    }

    fn finish(self) {
        for lane in self.shards {
            // A shard that died says why itself.
            let _ = lane.sender.send(Work::Records(lane.records));
        }
    }
}

impl Lane {
    fn send_groups(&mut self) -> bool {
        self.sender
            .send(Work::Groups(std::mem::take(&mut self.groups)))
            .is_ok()
    }
}

/// Recovers into `shared` and `directory`; `key_retention_s` says how long expiring keys count.
///
/// # Errors
///
/// [`RecoveryError`] if anything is damaged: then nothing may be served.
pub fn recover(
    shared: &Arc<Shared>,
    directory: &Arc<Directory>,
    threads: usize,
    key_retention_s: i64,
) -> Result<(Registrar, Report), RecoveryError> {
    let now = shared.clock.now();
    let oldest_key = now.plus_seconds(key_retention_s.saturating_neg());
    let (mut lanes, mut handles) = (Vec::new(), Vec::new());
    for _ in 0..threads.max(1) {
        let (sender, receiver) = mpsc::sync_channel(BATCHES_WAITING);
        lanes.push(Lane {
            sender,
            groups: Vec::new(),
            records: Vec::new(),
        });
        let shared = shared.clone();
        handles.push(thread::spawn(move || {
            run_shard(&receiver, &shared, oldest_key)
        }));
    }
    let mut feed = Feed { shards: lanes };
    let mut registry = (Registry::default(), Trail::default());
    let fed = feed_all(shared, &mut feed, &mut registry, (now, oldest_key));
    feed.finish();
    // What a shard found says more than that it stopped listening.
    let shards = joined(handles)?;
    let mut report = Report {
        snapshot: fed?,
        ..Report::default()
    };
    // Only now is it known which groups came into others: of those the other's record holds all.
    for (actor, home) in shards.iter().flat_map(|shard| &shard.joined) {
        shared.indexes.joined(*actor, *home);
    }
    let settle = |shard| {
        let (shared, directory) = (shared.clone(), directory.clone());
        thread::spawn(move || settle_shard(shard, &shared, &directory))
    };
    for part in joined(shards.into_iter().map(settle).collect())? {
        add(&mut report, &part);
    }
    shared.clock.advance_to(registry.0.last_time);
    shared.indexes.sort();
    Ok((Registrar::new(registry.0, registry.1, shared)?, report))
}

/// What the threads came to, or the first reason why one did not.
fn joined<T>(
    handles: Vec<thread::JoinHandle<Result<T, FoldError>>>,
) -> Result<Vec<T>, RecoveryError> {
    let ended: Vec<_> = handles.into_iter().map(thread::JoinHandle::join).collect();
    let result = |ended: thread::Result<Result<T, FoldError>>| match ended {
        Ok(result) => result.map_err(RecoveryError::from),
        Err(panic) => Err(RecoveryError::Thread(super::shard::panic_text(
            panic.as_ref(),
        ))),
    };
    ended.into_iter().map(result).collect()
}

fn add(report: &mut Report, part: &Report) {
    report.applied = report.applied.saturating_add(part.applied);
    report.skipped = report.skipped.saturating_add(part.skipped);
    report.groups = report.groups.saturating_add(part.groups);
    report.holds = report.holds.saturating_add(part.holds);
    report.in_transit = report.in_transit.saturating_add(part.in_transit);
}

fn feed_all(
    shared: &Shared,
    feed: &mut Feed,
    registry: &mut (Registry, Trail),
    (now, oldest_key): (Timestamp, Timestamp),
) -> Result<Option<Lsn>, RecoveryError> {
    let snapshot = shared
        .journal
        .snapshots()
        .list()?
        .into_iter()
        .next()
        .map(|info| info.lsn);
    if let Some(lsn) = snapshot {
        for item in shared.journal.snapshots().open(lsn)? {
            let bytes = item?;
            if let Ok((actor, _)) = wire::decode_group_head(&bytes)
                && wire::is_group(&bytes)
            {
                if !feed.group(actor, bytes) {
                    return Ok(snapshot);
                }
                continue;
            }
            match wire::decode_item(&bytes).map_err(FoldError::Item)? {
                Item::Registry(known, trail) => *registry = (known, trail),
                Item::Keys(keys) => {
                    for (key, life, lsn) in keys {
                        shared.keys.settle(key, life, lsn, now);
                    }
                }
                Item::Joined(pairs) => {
                    for (actor, home) in pairs {
                        shared.indexes.joined(actor, home);
                    }
                }
                Item::Group(..) => {}
            }
        }
        if !feed.flush_groups() {
            return Ok(snapshot);
        }
    }
    let tail = shared.journal.scan(snapshot.unwrap_or(Lsn::ZERO));
    let tail = tail.map_err(|error| match error {
        JournalError::NotFound { lsn } => RecoveryError::NoBeginning { lsn },
        other @ (JournalError::Busy { .. }
        | JournalError::DiskLow { .. }
        | JournalError::Halted { .. }
        | JournalError::Corrupt { .. }
        | JournalError::Locked { .. }
        | JournalError::Io { .. }) => RecoveryError::Journal(other),
    });
    for record in tail? {
        let record = record?;
        let lsn = record.lsn;
        let wire = |source| FoldError::Wire { lsn, source };
        let (_, actor, _) = wire::decode_entry_head(&record.payload).map_err(wire)?;
        if actor == ActorId::REGISTRY {
            let entry = fold_registry(registry, &record)?;
            settle_keys(shared, &entry, lsn, oldest_key);
        } else if !feed.record(actor, record) {
            break;
        }
    }
    Ok(snapshot)
}

/// Applies a record of the registry, unless the snapshot held it already, and returns it.
///
/// # Errors
///
/// [`FoldError`] if it does not follow from those before it.
pub fn fold_registry(
    registry: &mut (Registry, Trail),
    record: &Record,
) -> Result<Entry, FoldError> {
    let lsn = record.lsn;
    let entry =
        wire::decode_entry(&record.payload).map_err(|source| FoldError::Wire { lsn, source })?;
    let (registry, trail) = registry;
    if entry.sequence <= trail.count() {
        return Ok(entry);
    }
    let expected = trail.count().saturating_add(1);
    if entry.sequence != expected {
        return Err(FoldError::Gap {
            lsn,
            actor: 0,
            found: entry.sequence,
            expected,
        });
    }
    if let Body::Registry(events) = &entry.body {
        registry.apply(events, entry.time);
    }
    trail.push(lsn.get());
    Ok(entry)
}

fn run_shard(
    work: &mpsc::Receiver<Work>,
    shared: &Shared,
    oldest_key: Timestamp,
) -> Result<Shard, FoldError> {
    let mut shard = Shard::default();
    while let Ok(work) = work.recv() {
        match work {
            Work::Groups(groups) => {
                for bytes in groups {
                    shard.load(bytes)?;
                }
            }
            Work::Records(records) => {
                for record in records {
                    if let Some(entry) = shard.fold(record.lsn, &record.payload)? {
                        settle_keys(shared, &entry, record.lsn, oldest_key);
                    }
                }
            }
        }
    }
    Ok(shard)
}

/// Hands the groups over as they are now, but for those that came into others.
fn settle_shard(
    mut shard: Shard,
    shared: &Shared,
    directory: &Directory,
) -> Result<Report, FoldError> {
    shared.clock.advance_to(shard.last_time);
    let is_gone = |actor| shared.indexes.home_of(actor) != actor;
    for (actor, error) in std::mem::take(&mut shard.headless) {
        if !is_gone(actor) {
            return Err(error);
        }
    }
    let mut report = Report {
        applied: shard.applied,
        skipped: shard.skipped,
        ..Report::default()
    };
    for group in shard.into_groups() {
        let Folded {
            group,
            trail,
            bytes,
        } = group?;
        if is_gone(group.id) {
            continue;
        }
        let bytes = bytes.unwrap_or_else(|| wire::encode_group(&group, &trail).into_boxed_slice());
        report.groups = report.groups.saturating_add(1);
        settle_group(shared, &group, &mut report);
        directory.insert_resting(group.id, bytes);
    }
    Ok(report)
}

fn settle_keys(shared: &Shared, entry: &Entry, lsn: Lsn, oldest: Timestamp) {
    for (key, life) in &entry.keys {
        if *life == KeyLife::Permanent || entry.time >= oldest {
            shared.keys.settle(*key, *life, lsn.get(), entry.time);
        }
    }
}

/// Rebuilds the folds beside the actors from a group as it is now.
fn settle_group(shared: &Shared, group: &Group, report: &mut Report) {
    shared.clock.advance_to(group.last_time);
    for account in &group.accounts {
        shared.indexes.recovered(group.id, account);
        shared.books.opened(account);
        shared.want_lists(account);
        shared
            .numbers
            .fetch_max(account.no.0, std::sync::atomic::Ordering::Relaxed);
    }
    for open in group.open.values() {
        let authorization = open.authorization();
        shared
            .expiry
            .schedule(group.id, authorization.id, authorization.expires_at);
        if authorization.decision.is_open() {
            // Whoever asked may ask again from now on.
            let now = shared.clock.now();
            shared.asked.insert(authorization.id, now);
        }
        shared.metrics.holds.inc();
        report.holds = report.holds.saturating_add(1);
    }
    shared.books.recovered(group);
    for id in group.outgoing.keys() {
        shared.outgoing.insert(*id, group.id);
        report.in_transit = report.in_transit.saturating_add(1);
    }
}
