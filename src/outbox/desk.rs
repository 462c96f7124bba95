//! What waits and when it is tried, under one lock, and the log that both are written to.

use std::{path::Path, sync::Arc, time::Duration};

use super::{Outbox, Settings, StopOnHalt, attempts::Attempts, lanes::Lanes, schedule::Schedule};
use crate::{
    actors::Engine,
    domain::outbox::{Destination, LaneKey, OutboxRecord},
    journal::{
        Journal, JournalError, Lsn,
        wal::{Clock, OsStorage, WalJournal, WalOptions},
    },
    wire::{self, WireError},
};

/// The size of a segment of the outbox's log: it is small, and old ones go.
const SEGMENT_BYTES: u64 = 4 << 20;
const QUEUE_BYTES_MAX: usize = 8 << 20;
/// The largest record: one turn of the reader.
const RECORD_BYTES_MAX: usize = 256 << 10;
/// How often a full queue is asked again before something small is kept in memory only.
const TRIES_MAX: u32 = 200;

/// Why the outbox cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its log or a snapshot cannot be used.
    #[error("the outbox: {0}")]
    Journal(#[from] JournalError),
    /// A record of it does not decode.
    #[error("the outbox: {0}")]
    Wire(#[from] WireError),
    /// It knows of records that the engine's log does not have: their positions would be used again, and
    /// what stands there then would never be sent.
    #[error(
        "outbox/ has read the log up to position {read_to}, but the log ends at {end}: records that \
         were answered are missing from wal/. Restore wal/ and snapshots/ from the copy that belongs \
         to them. If there is none, move outbox/ away: the server then goes on without those records, \
         and without what waited to be sent"
    )]
    Ahead {
        /// Up to where it has read.
        read_to: u64,
        /// The log's last record.
        end: u64,
    },
}

/// What waits, when it is tried, what was tried.
pub(super) struct Desk {
    pub(super) lanes: Lanes,
    pub(super) schedule: Schedule,
    pub(super) attempts: Attempts,
    /// Where the newest snapshot stands.
    pub(super) snapshot: Lsn,
}

/// What is found on the disk.
pub struct Stored {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) desk: Desk,
}

impl Stored {
    /// Opens the outbox's log in `dir` and folds it. A new one begins at what is durable now: what
    /// happened before is nobody's.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if anything stored is damaged or in use, or the engine's log ends too early.
    pub fn open(dir: &Path, settings: &Settings, engine: &Engine) -> Result<Self, OpenError> {
        open(dir, settings, engine)
    }
}

fn open(dir: &Path, settings: &Settings, engine: &Engine) -> Result<Stored, OpenError> {
    let clock = crate::clock::Clock::system();
    let options = WalOptions {
        segment_bytes: SEGMENT_BYTES,
        queue_bytes_max: QUEUE_BYTES_MAX,
        record_bytes_max: RECORD_BYTES_MAX,
        min_free_bytes: SEGMENT_BYTES,
        keep_archive: false,
        // Nobody waits for these records: many are written at once.
        commit_pause: Duration::from_millis(2),
        clock: Clock::new(move || clock.now().micros() / 1_000),
        ..WalOptions::new(dir)
    };
    let (journal, _) = WalJournal::open(options, Arc::new(OsStorage))?;
    let is_new = journal.appended() == Lsn::ZERO;
    let begin = engine.shared.journal.durable().get();
    let mut lanes = Lanes::new(settings.bounds, if is_new { begin } else { 0 });
    let newest = journal.snapshots().list()?.into_iter().next();
    let snapshot = newest.map_or(Lsn::ZERO, |info| info.lsn);
    if snapshot > Lsn::ZERO {
        for item in journal.snapshots().open(snapshot)? {
            lanes.restore(wire::decode_outbox_item(&item?)?);
        }
    }
    for record in journal.scan(snapshot)? {
        let record = record?;
        let decoded = wire::decode_outbox_record(&record.payload)?;
        lanes.apply(record.lsn.get(), &decoded);
    }
    let (read_to, end) = (lanes.read_to(), engine.shared.journal.appended().get());
    if read_to > end {
        return Err(OpenError::Ahead { read_to, end });
    }
    journal.watch(Arc::new(StopOnHalt));
    let mut desk = Desk {
        lanes,
        schedule: Schedule::new(settings.limits),
        attempts: Attempts::new(settings.attempts_max),
        snapshot,
    };
    let journal: Arc<dyn Journal> = Arc::new(journal);
    if is_new {
        // Where it begins is on the disk before anything can ask for events.
        desk.note_read(journal.as_ref(), begin)?;
        while journal.durable() < journal.appended() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(Stored { journal, desk })
}

impl Desk {
    /// Writes a record down and does what it says; nothing has happened on an error.
    pub(super) fn append(
        &mut self,
        journal: &dyn Journal,
        record: &OutboxRecord,
    ) -> Result<Vec<LaneKey>, JournalError> {
        let place = journal.reserve()?;
        let mut bytes = Vec::with_capacity(64);
        wire::encode_outbox_record(record, &mut bytes);
        let lsn = journal.append(place, &bytes);
        Ok(self.lanes.apply(lsn.get(), record))
    }

    /// The same for the outcome of an attempt. If it cannot be written down, it counts in memory: after
    /// a crash the event is sent again.
    pub(super) fn note(&mut self, journal: &dyn Journal, record: &OutboxRecord) -> Vec<LaneKey> {
        for _ in 0..TRIES_MAX {
            match self.append(journal, record) {
                Ok(changed) => return changed,
                Err(JournalError::Busy { .. }) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => {
                    tracing::warn!(%error, "the outcome of a webhook is in memory only");
                    break;
                }
            }
        }
        self.lanes.apply(journal.appended().get(), record)
    }

    /// Notes that the engine's log was read up to there and had nothing for anyone.
    pub(super) fn note_read(&mut self, journal: &dyn Journal, to: u64) -> Result<(), JournalError> {
        let record = OutboxRecord::Laid {
            read_to: to,
            destinations: Vec::new(),
            items: Vec::new(),
        };
        self.append(journal, &record).map(|_| ())
    }

    /// Puts a lane where it belongs in the schedule.
    pub(super) fn place(&mut self, key: LaneKey) {
        let Some(destination) = self.lanes.destination(key.destination) else {
            self.schedule.set(key, &Arc::from(""), None);
            return;
        };
        let gate = gate_of(destination);
        let lane = self.lanes.lane(key).filter(|lane| !lane.waiting.is_empty());
        let at = lane.map(|lane| lane.trouble.next_at);
        self.schedule.set(key, &gate, at);
    }
}

/// What lanes fail together: an endpoint, or the host of a URL with the programme that named it.
pub(super) fn gate_of(destination: &Destination) -> Arc<str> {
    let target = destination.target.as_str();
    let Some((scheme, rest)) = target.split_once("://") else {
        return target.into();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest.get(..end).unwrap_or_default();
    format!("{}|{scheme}://{host}", destination.origin).into()
}

impl Outbox {
    /// Everything that waits gets its place in the schedule: once, at the start.
    pub(super) fn schedule_all(&self) {
        let endpoints = self.endpoints();
        let mut desk = self.desk.lock();
        let keys: Vec<_> = desk.lanes.iter().map(|(key, _)| key).collect();
        for key in keys {
            desk.place(key);
        }
        for endpoint in endpoints.values().flatten().filter(|it| !it.enabled) {
            desk.schedule.pause(&endpoint.id.as_str().into(), true);
        }
    }

    /// An endpoint that is disabled keeps what waits for it; one that is gone does not.
    pub(super) fn pause_or_resume(&self, id: &str) {
        let endpoints = self.endpoints();
        let found = endpoints.values().flatten().find(|it| it.id == id).cloned();
        let mut desk = self.desk.lock();
        match found {
            Some(endpoint) => desk.schedule.pause(&id.into(), !endpoint.enabled),
            None => {
                while let Some(number) = desk.lanes.number_of_target(id) {
                    let record = OutboxRecord::Dropped {
                        destination: number,
                    };
                    let changed = desk.note(self.journal.as_ref(), &record);
                    for key in changed {
                        desk.place(key);
                    }
                }
            }
        }
        drop(desk);
        self.changed.notify_all();
    }

    /// Waits until the outbox's log is on the disk up to there. Blocks the thread.
    ///
    /// # Errors
    ///
    /// [`JournalError::Halted`] if that takes too long.
    pub(super) fn wait_durable(&self, lsn: Lsn) -> Result<(), JournalError> {
        let mut waited_ms = 0_u32;
        while self.journal.durable() < lsn {
            if waited_ms > 30_000 {
                let reason = "the outbox's log did not become durable within 30 s".to_owned();
                return Err(JournalError::Halted { reason });
            }
            std::thread::sleep(Duration::from_millis(1));
            waited_ms = waited_ms.saturating_add(1);
        }
        Ok(())
    }

    /// Writes what waits into a snapshot, so that the log before it can go.
    ///
    /// # Errors
    ///
    /// [`JournalError`]; the earlier snapshot and the log stay as they are.
    pub(super) fn snapshot(&self) -> Result<(), JournalError> {
        let (items, lsn) = {
            let mut desk = self.desk.lock();
            let items = desk.lanes.snapshot();
            (items, self.journal.appended())
        };
        self.wait_durable(lsn)?;
        let store = self.journal.snapshots();
        let mut sink = store.create(lsn, self.now().div_euclid(1_000))?;
        for item in &items {
            sink.put(&wire::encode_outbox_item(item))?;
        }
        sink.finish()?;
        store.prune(2)?;
        let needed = {
            let mut desk = self.desk.lock();
            desk.snapshot = lsn;
            desk.lanes.needed_from()
        };
        // A start begins at the older of the two that are kept, if the newest cannot be read.
        let oldest = store.list()?.last().map_or(Lsn::ZERO, |info| info.lsn);
        let needed = needed.map_or(oldest, |lsn| Lsn::new(lsn.saturating_sub(1)));
        self.journal.retire(oldest.min(needed))?;
        Ok(())
    }
}
