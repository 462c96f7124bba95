//! Snapshots as files: written beside the traffic, proven before they are seen.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::warn;

use crate::journal::{ItemIter, JournalError, Lsn, SnapshotInfo, SnapshotSink, SnapshotStore};

use super::{
    open::list_or_none,
    segment::{TEMPORARY_SUFFIX, damaged, io_failed},
    snapshot_read::{
        encode_footer, encode_header, item_header, open_snapshot, parse_snapshot_name,
        snapshot_name,
    },
    storage::{Storage, StorageFile, widen, write_all_at},
};

const BUFFER_BYTES: usize = 256 << 10;

/// The snapshots of one journal.
pub(super) struct Snapshots {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    /// No snapshot may be ahead of this; unset where nothing is written.
    durable: Option<Arc<AtomicU64>>,
    sync_bytes: usize,
    made: AtomicU64,
}

impl Snapshots {
    pub(super) fn new(storage: Arc<dyn Storage>, dir: PathBuf) -> Self {
        Self {
            storage,
            dir,
            durable: None,
            sync_bytes: usize::MAX,
            made: AtomicU64::new(0),
        }
    }

    /// Allows snapshots up to the durable position.
    pub(super) fn up_to(mut self, durable: Arc<AtomicU64>, sync_bytes: usize) -> Self {
        self.durable = Some(durable);
        self.sync_bytes = sync_bytes.max(1);
        self
    }

    /// Refuses a log that ends before a snapshot taken of it: records were lost, and new ones would
    /// get positions that replay passes over.
    pub(super) fn refuse_ahead_of(&self, last: Lsn) -> Result<(), JournalError> {
        match self.lsns()?.into_iter().find(|lsn| *lsn > last) {
            Some(lsn) => {
                let path = self.path(lsn);
                let what = format!(
                    "snapshot is ahead of the log, which ends at lsn {last}: records were lost; restore \
                     wal/ from a backup, and keep this file"
                );
                Err(damaged(&path, lsn.get(), 0, what))
            }
            None => Ok(()),
        }
    }

    fn path(&self, lsn: Lsn) -> PathBuf {
        self.dir.join(snapshot_name(lsn))
    }

    /// Positions of the snapshots, newest first.
    fn lsns(&self) -> Result<Vec<Lsn>, JournalError> {
        let names = list_or_none(self.storage.as_ref(), &self.dir)?;
        let mut lsns: Vec<_> = names
            .iter()
            .filter_map(|name| parse_snapshot_name(name))
            .collect();
        lsns.sort_unstable_by(|a, b| b.cmp(a));
        Ok(lsns)
    }

    /// What is known of a snapshot that is not whole: it is listed, so that nobody overlooks it.
    fn damaged_info(&self, lsn: Lsn, error: &JournalError) -> SnapshotInfo {
        warn!(%error, "snapshot is damaged");
        let name = snapshot_name(lsn);
        let size = self
            .storage
            .open_read(&self.path(lsn))
            .and_then(|file| file.size());
        let bytes = size.unwrap_or_default();
        SnapshotInfo {
            lsn,
            items: 0,
            bytes,
            created_ms: 0,
            name,
        }
    }
}

impl SnapshotStore for Snapshots {
    fn create(&self, lsn: Lsn, created_ms: i64) -> Result<Box<dyn SnapshotSink>, JournalError> {
        let durable = self
            .durable
            .as_ref()
            .map_or(0, |durable| durable.load(Ordering::Acquire));
        if lsn.get() > durable {
            let what =
                format!("snapshot at lsn {lsn} would be ahead of what is durable, {durable}");
            return Err(JournalError::Io {
                what,
                source: io::ErrorKind::InvalidInput.into(),
            });
        }
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let temporary = self
            .dir
            .join(format!("{}.{number}{TEMPORARY_SUFFIX}", snapshot_name(lsn)));
        let file = self
            .storage
            .create(&temporary)
            .map_err(io_failed("creating", &temporary))?;
        let header = encode_header(lsn, created_ms);
        let mut whole = crc32fast::Hasher::new();
        whole.update(&header);
        Ok(Box::new(Sink {
            storage: Arc::clone(&self.storage),
            dir: self.dir.clone(),
            path: self.path(lsn),
            temporary: Some(temporary),
            lsn,
            file,
            buffer: header,
            written: 0,
            unsynced: 0,
            sync_bytes: self.sync_bytes,
            whole,
            count: 0,
            item_bytes: 0,
        }))
    }

    fn list(&self) -> Result<Vec<SnapshotInfo>, JournalError> {
        let mut infos = Vec::new();
        for lsn in self.lsns()? {
            match open_snapshot(self.storage.as_ref(), &self.path(lsn), lsn) {
                Ok(opened) => infos.push(opened.info),
                Err(error @ JournalError::Corrupt { .. }) => {
                    infos.push(self.damaged_info(lsn, &error));
                }
                // Pruned since it was listed.
                Err(JournalError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(infos)
    }

    fn open(&self, lsn: Lsn) -> Result<ItemIter, JournalError> {
        match open_snapshot(self.storage.as_ref(), &self.path(lsn), lsn) {
            Ok(opened) => Ok(Box::new(opened.items())),
            Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(JournalError::NotFound { lsn })
            }
            Err(error) => Err(error),
        }
    }

    fn prune(&self, keep: usize) -> Result<usize, JournalError> {
        let mut kept = 0;
        let mut removed = 0;
        for lsn in self.lsns()? {
            let path = self.path(lsn);
            // A damaged one does not count as kept, and is left for a person to look at.
            if let Err(error) = open_snapshot(self.storage.as_ref(), &path, lsn) {
                warn!(%error, "not pruning a snapshot that cannot be read");
            } else if kept < keep {
                kept += 1;
            } else {
                self.storage
                    .remove(&path)
                    .map_err(io_failed("removing", &path))?;
                removed += 1;
            }
        }
        if removed > 0 {
            self.storage
                .sync_dir(&self.dir)
                .map_err(io_failed("syncing", &self.dir))?;
        }
        Ok(removed)
    }
}

struct Sink {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    path: PathBuf,
    /// Unset once the snapshot has its final name.
    temporary: Option<PathBuf>,
    lsn: Lsn,
    file: Arc<dyn StorageFile>,
    buffer: Vec<u8>,
    written: u64,
    unsynced: usize,
    sync_bytes: usize,
    whole: crc32fast::Hasher,
    count: u64,
    item_bytes: u64,
}

impl Sink {
    /// Writes the buffer out; syncs now and then, so that a large snapshot never leaves a mass of
    /// dirty pages that would hold up the log's own sync.
    fn flush(&mut self) -> io::Result<()> {
        write_all_at(self.file.as_ref(), &self.buffer, self.written)?;
        self.written += widen(self.buffer.len());
        self.unsynced += self.buffer.len();
        self.buffer.clear();
        if self.unsynced >= self.sync_bytes {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    fn publish(&mut self, temporary: &Path) -> io::Result<()> {
        self.storage.rename(temporary, &self.path)?;
        self.temporary = None;
        self.storage.sync_dir(&self.dir)
    }
}

impl SnapshotSink for Sink {
    fn put(&mut self, item: &[u8]) -> Result<(), JournalError> {
        let head = item_header(item).ok_or_else(|| JournalError::Io {
            what: format!(
                "snapshot item must be below 4 GiB, was {} bytes",
                item.len()
            ),
            source: io::ErrorKind::InvalidInput.into(),
        })?;
        for part in [&head[..], item] {
            self.whole.update(part);
            self.buffer.extend_from_slice(part);
        }
        self.count += 1;
        self.item_bytes += widen(item.len());
        if self.buffer.len() >= BUFFER_BYTES.min(self.sync_bytes) {
            let path = self.path.clone();
            self.flush().map_err(io_failed("writing", &path))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<SnapshotInfo, JournalError> {
        let path = self.path.clone();
        let whole = self.whole.clone().finalize();
        self.buffer
            .extend_from_slice(&encode_footer(self.count, self.item_bytes, whole));
        let written = self.flush().and_then(|()| self.file.sync_all());
        written.map_err(io_failed("writing", &path))?;
        let temporary = self
            .temporary
            .clone()
            .expect("Invariant: a sink finishes once");
        // Proven under the temporary name, so that no one ever sees one that is not readable.
        let proven = open_snapshot(self.storage.as_ref(), &temporary, self.lsn)?.prove()?;
        let complete = (proven.items, proven.bytes) == (self.count, self.written);
        if !complete {
            return Err(damaged(
                &temporary,
                self.lsn.get(),
                0,
                "read-back finds other items",
            ));
        }
        self.publish(&temporary)
            .map_err(io_failed("publishing", &path))?;
        Ok(SnapshotInfo {
            name: snapshot_name(self.lsn),
            ..proven
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Best effort: open removes leftovers as well.
            let _ = self.storage.remove(temporary);
        }
    }
}
