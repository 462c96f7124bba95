//! An ordered, durable log of opaque records, with a store of snapshots beside it; knows no card.
//!
//! The traits here are the border: they show no file, path or backend type, so that the same
//! conformance suite runs against every backend and a replicated log can come later.

pub mod memory;
pub mod wal;

use std::{io, sync::Arc, time::Duration};

/// A position in the journal.
///
/// Positions grow strictly from record to record; they are not consecutive. [`Lsn::ZERO`] stands
/// before the first record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// The position before the first record.
    pub const ZERO: Self = Self(0);

    /// Wraps a raw position, as read from a record, a file name or an argument.
    #[must_use]
    pub const fn new(position: u64) -> Self {
        Self(position)
    }

    /// The raw position.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// From when on a commit under way says that the disk does not answer. A usual one takes well below a
/// millisecond.
pub const STALLED: Duration = Duration::from_secs(5);

/// One record as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub lsn: Lsn,
    /// What the caller appended; opaque here.
    pub payload: Vec<u8>,
}

/// A promise that the next append will be taken: checked before anything is decided.
#[derive(Debug)]
#[must_use = "a reservation is to be spent on one append"]
pub struct Reservation {
    _private: (),
}

/// Hears of every advance of the durable position, and of the halt. Called on the committer's
/// thread, so it must return at once.
pub trait DurableWatcher: Send + Sync {
    /// Everything up to `lsn` is on disk.
    fn durable(&self, lsn: Lsn);
    /// The journal has failed; nothing more will become durable.
    fn halted(&self, reason: &str);
}

/// An ordered, durable log of opaque records.
pub trait Journal: Send + Sync + 'static {
    /// Checks that one more record will be taken: the queue has room, the disk has space, the
    /// journal is not halted.
    ///
    /// # Errors
    ///
    /// [`JournalError::Busy`] or [`JournalError::DiskLow`] (retry later), [`JournalError::Halted`].
    fn reserve(&self) -> Result<Reservation, JournalError>;

    /// Queues `record` behind all earlier ones and returns its position at once; it is durable
    /// when [`Journal::durable`] reaches that position.
    fn append(&self, reservation: Reservation, record: &[u8]) -> Lsn;

    /// The position of the last record appended.
    fn appended(&self) -> Lsn;

    /// The position up to which every record is durable.
    fn durable(&self) -> Lsn;

    /// How long the commit under way has taken so far; nothing if none is. From [`STALLED`] on nobody
    /// should be sent here: no answer is given before the disk has answered.
    fn committing_for(&self) -> Option<Duration>;

    /// Registers a watcher for the life of the journal.
    fn watch(&self, watcher: Arc<dyn DurableWatcher>);

    /// Reads the record at `lsn`, durable or still queued.
    ///
    /// # Errors
    ///
    /// [`JournalError::NotFound`] if no record begins there (or it was retired),
    /// [`JournalError::Corrupt`] if its bytes are damaged.
    fn read(&self, lsn: Lsn) -> Result<Vec<u8>, JournalError>;

    /// Reads every durable record after `after`, in order, up to the durable position at the time
    /// of the call.
    ///
    /// # Errors
    ///
    /// [`JournalError::NotFound`] if records after `after` were retired; the iterator yields
    /// [`JournalError::Corrupt`] where bytes are damaged, and ends there.
    fn scan(&self, after: Lsn) -> Result<RecordIter, JournalError>;

    /// Like [`Journal::scan`], but its end is the end for now: asked again, it goes on with what has
    /// become durable since, and finds its place without looking for it.
    ///
    /// # Errors
    ///
    /// As [`Journal::scan`]. After an error it yields nothing more.
    fn follow(&self, after: Lsn) -> Result<RecordIter, JournalError>;

    /// The position after which every record is kept.
    fn oldest(&self) -> Lsn;

    /// Lets go of storage whose records all stand at or below `lsn`.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`]; nothing is lost then.
    fn retire(&self, lsn: Lsn) -> Result<usize, JournalError>;

    /// Grows by one each time the journal is opened for writing; a writer of an older epoch is
    /// fenced off.
    fn epoch(&self) -> u64;

    /// The snapshots kept beside the log.
    fn snapshots(&self) -> &dyn SnapshotStore;

    /// Makes everything appended durable, closes the log cleanly, and stops the committer.
    ///
    /// # Errors
    ///
    /// [`JournalError::Halted`] if the last write failed.
    fn close(&self) -> Result<(), JournalError>;
}

/// What [`Journal::scan`] returns.
pub type RecordIter = Box<dyn Iterator<Item = Result<Record, JournalError>> + Send>;

/// What is known of a stored snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Replay goes on after this position.
    pub lsn: Lsn,
    /// How many items it holds.
    pub items: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was finished, Unix milliseconds; as the caller of [`SnapshotStore::create`] said.
    pub created_ms: i64,
    /// Its name for people.
    pub name: String,
}

/// Keeps snapshots: each a sequence of opaque items, checksummed one by one and as a whole.
pub trait SnapshotStore: Send + Sync {
    /// Begins a snapshot after whose `lsn` replay will go on. It is visible only once finished.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    fn create(&self, lsn: Lsn, created_ms: i64) -> Result<Box<dyn SnapshotSink>, JournalError>;

    /// The finished snapshots, newest first. Reads headers and footers only.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    fn list(&self) -> Result<Vec<SnapshotInfo>, JournalError>;

    /// Reads the items of the snapshot at `lsn` in order, checking each, and the whole at the end.
    ///
    /// # Errors
    ///
    /// [`JournalError::NotFound`], [`JournalError::Corrupt`], [`JournalError::Io`].
    fn open(&self, lsn: Lsn) -> Result<ItemIter, JournalError>;

    /// Removes all but the newest `keep`.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    fn prune(&self, keep: usize) -> Result<usize, JournalError>;
}

/// What [`SnapshotStore::open`] returns.
pub type ItemIter = Box<dyn Iterator<Item = Result<Vec<u8>, JournalError>> + Send>;

/// A snapshot being written; dropped unfinished, it leaves nothing.
pub trait SnapshotSink: Send {
    /// Adds one item.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    fn put(&mut self, item: &[u8]) -> Result<(), JournalError>;

    /// Completes it: footer, sync, rename, directory sync, then a whole read-back that proves it
    /// readable.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`], or [`JournalError::Corrupt`] if the read-back fails.
    fn finish(self: Box<Self>) -> Result<SnapshotInfo, JournalError>;
}

/// What can go wrong, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Retry later: the queue is full, or the next segment is not there yet.
    #[error("the journal takes no more for now: {queued_bytes} bytes wait to be written")]
    Busy {
        /// Bytes queued and not yet written.
        queued_bytes: usize,
    },
    /// Retry later: an operator must free space.
    #[error("disk is nearly full: {free_bytes} bytes free, {required_bytes} required")]
    DiskLow {
        /// What is left.
        free_bytes: u64,
        /// The configured floor.
        required_bytes: u64,
    },
    /// Stop: a write or sync failed, nothing more is taken.
    #[error("journal is halted: {reason}")]
    Halted {
        /// The first failure.
        reason: String,
    },
    /// Stop: stored bytes are damaged.
    #[error("{file} is damaged at offset {offset} (lsn {lsn}): {what}")]
    Corrupt {
        /// Which file.
        file: String,
        /// Byte offset in it.
        offset: u64,
        /// The position there.
        lsn: Lsn,
        /// What was found.
        what: String,
    },
    /// Refuse: there is no such record or snapshot.
    #[error("no record or snapshot at lsn {lsn}")]
    NotFound {
        /// What was asked for.
        lsn: Lsn,
    },
    /// Refuse: another process has the data directory.
    #[error("data directory {dir} is in use by another process")]
    Locked {
        /// The directory.
        dir: String,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}
