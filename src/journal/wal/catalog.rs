//! Which segments there are, where each file is, and how old ones are let go.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;

use crate::journal::{JournalError, Lsn};

use super::{
    scan::SegmentFile,
    segment::{Dirs, io_failed, segment_name},
    storage::{Storage, StorageFile},
};

const OPEN_FILES_MAX: usize = 16;
const OPEN_TRIES_MAX: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Entry {
    capacity: u64,
    /// Known once a later segment is written to, or from recovery.
    last: Option<Lsn>,
    is_archived: bool,
}

#[derive(Default)]
struct Inner {
    segments: BTreeMap<u64, Entry>,
    /// The last record that is gone.
    floor: Lsn,
    /// Where the writer is.
    active: u64,
    open: VecDeque<(u64, Arc<dyn StorageFile>)>,
}

/// The segments of one journal.
pub(super) struct Catalog {
    storage: Arc<dyn Storage>,
    dirs: Dirs,
    inner: Mutex<Inner>,
    /// Serializes retirements, whose directory syncs must not hold up readers and the committer.
    /// Whether the last one's syncs are still to be done.
    retiring: Mutex<bool>,
}

impl Catalog {
    pub(super) fn new(storage: Arc<dyn Storage>, dirs: Dirs, floor: Lsn) -> Self {
        let inner = Mutex::new(Inner {
            floor,
            ..Inner::default()
        });
        Self {
            storage,
            dirs,
            inner,
            retiring: Mutex::new(false),
        }
    }

    /// Takes up a segment of `wal/` or, if `is_archived`, of `archive/`.
    pub(super) fn add(&self, base: u64, capacity: u64, is_archived: bool) {
        let entry = Entry {
            capacity,
            last: None,
            is_archived,
        };
        self.inner.lock().segments.insert(base, entry);
    }

    /// Notes the last record of the segment at `base`.
    pub(super) fn set_last(&self, base: u64, last: Lsn) {
        if let Some(entry) = self.inner.lock().segments.get_mut(&base) {
            entry.last = Some(last);
        }
    }

    /// Notes that the writer has reached the segment at `base`.
    pub(super) fn set_active(&self, base: u64) {
        self.inner.lock().active = base;
    }

    /// The last record that is gone: nothing after it was retired.
    pub(super) fn floor(&self) -> Lsn {
        self.inner.lock().floor
    }

    /// The segment in which `position` stands.
    pub(super) fn containing(&self, position: u64) -> Option<SegmentFile> {
        let inner = self.inner.lock();
        let (base, entry) = inner.segments.range(..=position).next_back()?;
        (position - base < entry.capacity).then(|| self.segment_file(*base, entry))
    }

    /// The first segment there is.
    pub(super) fn first(&self) -> Option<SegmentFile> {
        let inner = self.inner.lock();
        inner
            .segments
            .first_key_value()
            .map(|(base, entry)| self.segment_file(*base, entry))
    }

    /// Opens the segment at `base` for reading, from the cache if it is there; `None` if it is
    /// gone.
    pub(super) fn open(&self, base: u64) -> Result<Option<Arc<dyn StorageFile>>, JournalError> {
        let mut failure = None;
        for _ in 0..OPEN_TRIES_MAX {
            let path = {
                let mut inner = self.inner.lock();
                let cached = inner.open.iter().position(|(open, _)| *open == base);
                if let Some(entry) = cached.and_then(|at| inner.open.remove(at)) {
                    inner.open.push_back(entry.clone());
                    return Ok(Some(entry.1));
                }
                match inner.segments.get(&base) {
                    Some(entry) => self.path(base, entry.is_archived),
                    None => return Ok(None),
                }
            };
            match self.storage.open_read(&path) {
                Ok(file) => {
                    self.keep_open(base, &file);
                    return Ok(Some(file));
                }
                // It may just have moved to the archive, or be gone: look again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    failure = Some(io_failed("opening", &path)(error));
                }
                Err(error) => return Err(io_failed("opening", &path)(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    fn keep_open(&self, base: u64, file: &Arc<dyn StorageFile>) {
        let mut inner = self.inner.lock();
        if inner.segments.contains_key(&base) {
            inner.open.push_back((base, Arc::clone(file)));
            if inner.open.len() > OPEN_FILES_MAX {
                inner.open.pop_front();
            }
        }
    }

    /// Moves to the archive, or removes, the oldest segments while their records all stand at or
    /// below `lsn`. The segment of the last durable record and all behind it stay.
    pub(super) fn retire(&self, lsn: Lsn, keep_archive: bool) -> Result<usize, JournalError> {
        let mut is_unsynced = self.retiring.lock();
        if *is_unsynced {
            self.sync_dirs()?;
            *is_unsynced = false;
        }
        let mut retired = 0;
        while let Some((base, last)) = self.next_retired(lsn) {
            let (from, to) = (self.path(base, false), self.path(base, true));
            let retiring = || io_failed("retiring", &from);
            // One by one, each synced: a hole in the middle must not come about.
            if keep_archive {
                self.storage.rename(&from, &to).map_err(retiring())?;
            } else {
                self.storage.remove(&from).map_err(retiring())?;
            }
            // Whatever becomes of the syncs, that is where it is now.
            self.let_go(base, last, keep_archive);
            *is_unsynced = true;
            self.sync_dirs()?;
            *is_unsynced = false;
            retired += 1;
        }
        Ok(retired)
    }

    fn sync_dirs(&self) -> Result<(), JournalError> {
        for dir in [&self.dirs.archive, &self.dirs.wal] {
            let synced = self.storage.sync_dir(dir);
            synced.map_err(io_failed("syncing after a segment was retired:", dir))?;
        }
        Ok(())
    }

    fn next_retired(&self, lsn: Lsn) -> Option<(u64, Lsn)> {
        let inner = self.inner.lock();
        let (base, entry) = inner
            .segments
            .iter()
            .find(|(_, entry)| !entry.is_archived)?;
        let last = entry.last?;
        (*base < inner.active && last <= lsn).then_some((*base, last))
    }

    fn let_go(&self, base: u64, last: Lsn, keep_archive: bool) {
        let mut inner = self.inner.lock();
        if keep_archive {
            if let Some(entry) = inner.segments.get_mut(&base) {
                entry.is_archived = true;
            }
            return;
        }
        // What an earlier configuration archived ends where the hole begins.
        inner.segments.retain(|other, _| *other > base);
        inner.open.retain(|(other, _)| *other > base);
        inner.floor = last;
    }

    fn path(&self, base: u64, is_archived: bool) -> PathBuf {
        let dir = if is_archived {
            &self.dirs.archive
        } else {
            &self.dirs.wal
        };
        dir.join(segment_name(base))
    }

    fn segment_file(&self, base: u64, entry: &Entry) -> SegmentFile {
        let path = self.path(base, entry.is_archived);
        SegmentFile {
            path,
            base,
            capacity: entry.capacity,
        }
    }
}
