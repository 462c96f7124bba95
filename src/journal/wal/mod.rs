//! The journal in local files: preallocated segments, group commit, recovery that refuses to guess.
//!
//! Reading order: `frame` and `segment` (bytes), `scan` (one segment), `recovery` and `open` (the
//! whole log), `queue`, `committer` and `disk` (what runs), `snapshot`, `reader` (inspection).
//!
//! A position is PostgreSQL's: the place of the record's frame in the log, counted in bytes from
//! the beginning of time, headers included.

mod catalog;
mod committer;
mod disk;
pub mod faulty;
mod faulty_disk;
mod frame;
mod iter;
mod lock;
mod open;
mod options;
mod pace;
mod queue;
mod reader;
mod recovery;
mod running;
mod scan;
mod segment;
mod shared;
mod snapshot;
mod snapshot_read;
mod storage;
mod zeros;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

pub use self::{
    committer::CommitObserver,
    open::{ArchiveGap, Recovered},
    options::{Clock, WalOptions},
    reader::{LogEntry, Records, SegmentInfo, ShortFile, WalReader},
    recovery::TailCut,
    shared::WalStats,
    storage::{LockGuard, OsStorage, Storage, StorageFile},
};
use self::{
    iter::{LogIter, read_one},
    queue::{Lookup, read_in_flight},
    running::Running,
    shared::Core,
    snapshot::Snapshots,
    storage::widen,
};
use super::{DurableWatcher, Journal, JournalError, Lsn, RecordIter, Reservation, SnapshotStore};

/// A journal in a directory.
///
/// Dropped without [`Journal::close`], it leaves what is queued unwritten, as a crash would.
pub struct WalJournal {
    core: Arc<Core>,
    options: WalOptions,
    snapshots: Snapshots,
    running: Mutex<Option<Running>>,
}

impl WalJournal {
    /// Opens the journal in `options.dir`, creating it if it is new, and verifies all of it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Locked`] if another holds the directory, [`JournalError::Corrupt`] if
    /// anything but an unfinished last write is found, [`JournalError::Io`].
    pub fn open(
        options: WalOptions,
        storage: Arc<dyn Storage>,
    ) -> Result<(Self, Recovered), JournalError> {
        open::open(options, storage)
    }

    /// Bytes appended and not yet durable.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.core.queued_bytes()
    }

    /// What the committer has done since the journal was opened.
    #[must_use]
    pub fn stats(&self) -> WalStats {
        self.core.counters.read()
    }

    /// Free bytes of the disk when last looked; about once a second.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.core.ready.free_bytes()
    }

    /// Whether appends are refused for want of disk space.
    #[must_use]
    pub fn is_disk_low(&self) -> bool {
        self.core.ready.is_low()
    }

    /// Why the journal halted, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.core.failure()
    }

    fn disk_low(&self) -> JournalError {
        let required = self.options.min_free_bytes.max(self.options.segment_bytes);
        JournalError::DiskLow {
            free_bytes: self.core.ready.free_bytes(),
            required_bytes: required,
        }
    }
}

impl Journal for WalJournal {
    fn reserve(&self) -> Result<Reservation, JournalError> {
        let core = &self.core;
        if let Some(reason) = core.stopped() {
            return Err(JournalError::Halted { reason });
        }
        if core.ready.is_low() {
            return Err(self.disk_low());
        }
        let queued_bytes = core.queued_bytes();
        let is_room_made = core.head() + self.options.slack_bytes() <= core.ready.end();
        if queued_bytes >= self.options.queue_bytes_max || !is_room_made {
            return Err(JournalError::Busy { queued_bytes });
        }
        Ok(Reservation { _private: () })
    }

    /// # Panics
    ///
    /// If `record` is larger than [`WalOptions::record_bytes_max`]; nothing is appended then.
    fn append(&self, _reservation: Reservation, record: &[u8]) -> Lsn {
        assert!(
            record.len() <= self.options.record_bytes_max,
            "Invariant: a record is at most {} bytes, was {}",
            self.options.record_bytes_max,
            record.len()
        );
        self.core.append(record)
    }

    fn appended(&self) -> Lsn {
        self.core.appended()
    }

    fn durable(&self) -> Lsn {
        self.core.durable()
    }

    fn committing_for(&self) -> Option<Duration> {
        self.core.committing_for()
    }

    fn watch(&self, watcher: Arc<dyn DurableWatcher>) {
        self.core.watch(watcher);
    }

    fn read(&self, lsn: Lsn) -> Result<Vec<u8>, JournalError> {
        let found = self.core.queue.lock().look_up(lsn);
        let held = match found {
            Lookup::Held(payload) => payload,
            Lookup::InFlight(batch) => read_in_flight(&batch, lsn),
            Lookup::Written => return read_one(&self.core.catalog, lsn, self.core.head()),
        };
        held.ok_or(JournalError::NotFound { lsn })
    }

    fn scan(&self, after: Lsn) -> Result<RecordIter, JournalError> {
        let end = self.core.durable_end();
        let catalog = Arc::clone(&self.core.catalog);
        Ok(Box::new(LogIter::new(catalog, after, end)?))
    }

    fn follow(&self, after: Lsn) -> Result<RecordIter, JournalError> {
        let core = Arc::clone(&self.core);
        let log = LogIter::new(Arc::clone(&core.catalog), after, core.durable_end())?;
        Ok(Box::new(log.following(move || core.durable_end())))
    }

    fn oldest(&self) -> Lsn {
        self.core.catalog.floor()
    }

    fn retire(&self, lsn: Lsn) -> Result<usize, JournalError> {
        self.core.catalog.retire(lsn, self.options.keep_archive)
    }

    fn epoch(&self) -> u64 {
        self.core.epoch
    }

    fn snapshots(&self) -> &dyn SnapshotStore {
        &self.snapshots
    }

    fn close(&self) -> Result<(), JournalError> {
        if let Some(running) = self.running.lock().take() {
            running.close(&self.core);
        }
        self.core
            .failure()
            .map_or(Ok(()), |reason| Err(JournalError::Halted { reason }))
    }
}

impl Drop for WalJournal {
    fn drop(&mut self) {
        if let Some(running) = self.running.get_mut().take() {
            running.abandon(&self.core);
        }
    }
}

const _: () = assert!(
    size_of::<usize>() == 8,
    "Invariant: positions fit memory sizes"
);

impl std::fmt::Debug for WalJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WalJournal")
            .field("options", &self.options)
            .field("appended", &self.core.appended())
            .field("durable", &self.core.durable())
            .field("queued_bytes", &widen(self.queued_bytes()))
            .finish_non_exhaustive()
    }
}
