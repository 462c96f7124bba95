//! What the disk of [`super::faulty`] holds: for each file what readers see and what would survive.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::{Condvar, Mutex};

use super::{
    frame::SECTOR,
    storage::{narrow, widen},
};

/// When to fail; each counts from one and over all files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// This write fails after writing half.
    pub fail_write: Option<u64>,
    /// This write writes half and says so.
    pub short_write: Option<u64>,
    /// This sync of a file fails; what it should have synced stays in the cache, marked clean.
    pub fail_sync: Option<u64>,
    /// This sync of a directory fails.
    pub fail_dir_sync: Option<u64>,
    /// The power goes at this operation: it and all later ones fail.
    pub power_loss: Option<u64>,
    /// No file can be created: the process has too many open.
    pub no_descriptors: bool,
}

/// How much was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Writes.
    pub writes: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Syncs of directories.
    pub dir_syncs: u64,
    /// All that changes something.
    pub operations: u64,
}

#[derive(Clone, Default)]
pub(super) struct FileState {
    pub(super) current: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) dirty: BTreeSet<usize>,
}

#[derive(Clone)]
pub(super) enum NameChange {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, u64),
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Link(path, id) => {
                names.insert(path.clone(), *id);
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, id) => {
                names.remove(from);
                names.insert(to.clone(), *id);
            }
        }
    }

    pub(super) fn touches(&self, dir: &Path) -> bool {
        match self {
            Self::Link(path, _) | Self::Unlink(path) => path.parent() == Some(dir),
            Self::Rename(from, to, _) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) files: BTreeMap<u64, FileState>,
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) durable_names: BTreeMap<PathBuf, u64>,
    pub(super) changes: Vec<NameChange>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) next_id: u64,
    pub(super) capacity: Option<u64>,
    pub(super) faults: Faults,
    pub(super) done: Done,
    pub(super) is_dead: bool,
    pub(super) gate: Arc<Gate>,
}

/// What syncs of files wait at while it is shut.
#[derive(Default)]
pub(super) struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn shut(&self, is_shut: bool) {
        *self.is_shut.lock() = is_shut;
        self.opened.notify_all();
    }

    pub(super) fn pass(&self) {
        let mut is_shut = self.is_shut.lock();
        self.opened.wait_while(&mut is_shut, |is_shut| *is_shut);
    }
}

impl Disk {
    pub(super) fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|id| self.files.get(id))
            .map(FileState::len)
            .sum()
    }

    /// Counts an operation; fails if the power is, or goes, off.
    pub(super) fn operate(&mut self) -> io::Result<()> {
        self.done.operations += 1;
        self.is_dead |= self
            .faults
            .power_loss
            .is_some_and(|at| self.done.operations >= at);
        self.alive()
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        if self.is_dead {
            Err(io::Error::other("power is off"))
        } else {
            Ok(())
        }
    }

    pub(super) fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    pub(super) fn id_of(&self, path: &Path) -> io::Result<u64> {
        self.alive()?;
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl FileState {
    pub(super) fn len(&self) -> u64 {
        widen(self.current.len())
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.current.len() < end {
            self.current.resize(end, 0);
        }
        if let Some(place) = self.current.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
        let sector = narrow(SECTOR);
        self.dirty.extend(offset / sector..end.div_ceil(sector));
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let from = self.current.len().min(len) / narrow(SECTOR);
        self.current.resize(len, 0);
        self.dirty.extend(from..len.div_ceil(narrow(SECTOR)));
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.current.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            copy_sector(&self.current, &mut self.durable, sector);
        }
    }

    pub(super) fn after_crash(&self, coin: &mut Coin, kept_of_four: u64) -> Self {
        let mut left = self.durable.clone();
        if self.current.len() != left.len() && coin.below(2) == 1 {
            left.resize(self.current.len(), 0);
        }
        for sector in &self.dirty {
            if coin.below(4) < kept_of_four {
                copy_sector(&self.current, &mut left, *sector);
            }
        }
        Self {
            current: left.clone(),
            durable: left,
            dirty: BTreeSet::new(),
        }
    }
}

fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let size = narrow(SECTOR);
    let end = ((sector + 1) * size).min(from.len()).min(to.len());
    let range = (sector * size).min(end)..end;
    if let (Some(from), Some(to)) = (from.get(range.clone()), to.get_mut(range)) {
        to.copy_from_slice(from);
    }
}

pub(super) struct Coin(pub(super) u64);

impl Coin {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}
