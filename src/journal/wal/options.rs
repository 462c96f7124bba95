//! What can be chosen when a journal is opened.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::journal::JournalError;

use super::{
    committer::CommitObserver,
    frame::{BATCH_HEADER, FRAME_OVERHEAD},
    segment::SEGMENT_HEADER,
    storage::widen,
};

/// Stamps files with the time they were made; nothing depends on it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// Uses `now_ms`, which returns Unix milliseconds.
    pub fn new(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    pub(super) fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How to open a [`super::WalJournal`].
#[derive(Clone)]
pub struct WalOptions {
    /// The data directory; holds `wal/`, `snapshots/`, `archive/`, `EPOCH` and `LOCK`.
    pub dir: PathBuf,
    /// Size of new segment files, bytes. Default 64 MiB.
    pub segment_bytes: u64,
    /// `reserve` answers Busy once this many bytes are queued. Default 64 MiB.
    pub queue_bytes_max: usize,
    /// The largest record that may be appended, bytes. Default 1 MiB.
    pub record_bytes_max: usize,
    /// `reserve` answers `DiskLow` while fewer bytes are free. Default 256 MiB.
    pub min_free_bytes: u64,
    /// Whether retired segments are moved to `archive/` (and stay readable) or removed. Default:
    /// moved.
    pub keep_archive: bool,
    /// After a commit of three records or more, how long appends gather before the next, at the
    /// most, and at most 24 microseconds for each record of that commit. Under load each commit costs
    /// the same whether it holds six records or sixty; a lone record never waits. Default none.
    pub commit_pause: Duration,
    /// How often free space is looked at. Default one second.
    pub disk_poll: Duration,
    /// A snapshot in the making is synced each time this many bytes were written. Default 4 MiB.
    pub snapshot_sync_bytes: usize,
    /// Stamps segment headers. The default stamps zero.
    pub clock: Clock,
    /// Hears of each commit.
    pub observer: Option<Arc<dyn CommitObserver>>,
}

impl fmt::Debug for WalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalOptions")
            .field("dir", &self.dir)
            .field("segment_bytes", &self.segment_bytes)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("record_bytes_max", &self.record_bytes_max)
            .field("min_free_bytes", &self.min_free_bytes)
            .field("keep_archive", &self.keep_archive)
            .finish_non_exhaustive()
    }
}

impl WalOptions {
    /// The defaults, in `dir`.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            dir: dir.as_ref().to_owned(),
            segment_bytes: 64 << 20,
            queue_bytes_max: 64 << 20,
            record_bytes_max: 1 << 20,
            min_free_bytes: 256 << 20,
            keep_archive: true,
            commit_pause: Duration::ZERO,
            disk_poll: Duration::from_secs(1),
            snapshot_sync_bytes: 4 << 20,
            clock: Clock::new(|| 0),
            observer: None,
        }
    }

    /// Room kept free in front of the appenders, so that what was reserved always fits into
    /// segments that exist.
    pub(super) fn slack_bytes(&self) -> u64 {
        (8 * widen(self.record_bytes_max + FRAME_OVERHEAD)).min(self.segment_bytes / 2)
    }

    /// Checks that the largest record fits a segment, and a segment a batch.
    pub(super) fn check(&self) -> Result<(), JournalError> {
        let overhead = SEGMENT_HEADER + 2 * BATCH_HEADER + FRAME_OVERHEAD;
        let least = widen(self.record_bytes_max.saturating_add(overhead));
        if self.segment_bytes >= least && self.segment_bytes <= u64::from(u32::MAX) {
            return Ok(());
        }
        let what = format!(
            "segment_bytes must be from {least} (record_bytes_max and headers) to {}, was {}",
            u32::MAX,
            self.segment_bytes
        );
        Err(JournalError::Io {
            what,
            source: io::ErrorKind::InvalidInput.into(),
        })
    }
}
