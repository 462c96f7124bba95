//! A disk in memory that fails on demand and forgets what was not synced; for tests only.
//!
//! A file has what readers see and what would survive a loss of power. [`FaultyStorage::crash`]
//! decides for each 512-byte sector written since the last sync whether the old or the new content
//! is there, and for each creation, rename and removal since its directory was synced whether it has
//! happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

pub use super::faulty_disk::{Done, Faults};
use super::{
    faulty_disk::{Coin, Disk, FileState, NameChange},
    storage::{LockGuard, Storage, StorageFile, narrow, widen},
};

/// The disk. Clones share it.
#[derive(Clone, Default)]
pub struct FaultyStorage(Arc<Mutex<Disk>>);

impl FaultyStorage {
    /// An empty disk without limits or faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plans faults; counting begins anew.
    pub fn plan(&self, faults: Faults) {
        let mut disk = self.0.lock();
        disk.faults = faults;
        disk.done = Done::default();
    }

    /// Has syncs of files wait until they are let go on, as on a disk that does not answer.
    pub fn hold_syncs(&self, are_held: bool) {
        let gate = Arc::clone(&self.0.lock().gate);
        gate.shut(are_held);
    }

    /// How much was done since the last plan.
    #[must_use]
    pub fn done(&self) -> Done {
        self.0.lock().done
    }

    /// Limits the disk to `bytes`; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// Bytes that files take.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.0.lock().used()
    }

    /// What is on the disk after the power went, as `seed` decides. The old one is dead.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let mut disk = self.0.lock();
        disk.is_dead = true;
        let mut coin = Coin(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let kept_of_four = coin.below(5);
        let mut names = disk.durable_names.clone();
        for change in &disk.changes {
            if coin.below(4) < kept_of_four {
                change.apply(&mut names);
            }
        }
        let mut files = BTreeMap::new();
        for id in names.values() {
            if let Some(file) = disk.files.get(id) {
                files.insert(*id, file.after_crash(&mut coin, kept_of_four));
            }
        }
        let (durable_names, next_id, capacity) = (names.clone(), disk.next_id, disk.capacity);
        let after = Disk {
            files,
            names,
            durable_names,
            next_id,
            capacity,
            ..Disk::default()
        };
        Self(Arc::new(Mutex::new(after)))
    }

    /// An independent copy, without faults and locks.
    #[must_use]
    pub fn fork(&self) -> Self {
        let copy = self.0.lock().clone();
        let (locks, faults, done) = (BTreeSet::new(), Faults::default(), Done::default());
        Self(Arc::new(Mutex::new(Disk {
            locks,
            faults,
            done,
            is_dead: false,
            ..copy
        })))
    }

    /// Changes the bytes of a file behind everyone's back, durably.
    ///
    /// # Panics
    ///
    /// If there is no such file.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = self.0.lock();
        let id = disk.names.get(path).copied();
        let file = id
            .and_then(|id| disk.files.get_mut(&id))
            .expect("Invariant: the file exists");
        change(&mut file.current);
        file.durable.clone_from(&file.current);
        file.dirty.clear();
    }

    /// The paths of all files, and their bytes.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let disk = self.0.lock();
        let bytes_of = |id: &u64| disk.files.get(id).map(|file| file.current.clone());
        let files = disk.names.iter();
        files
            .map(|(path, id)| (path.clone(), bytes_of(id).unwrap_or_default()))
            .collect()
    }
}

struct Handle {
    disk: Arc<Mutex<Disk>>,
    id: u64,
}

impl Handle {
    fn with<T>(&self, act: impl FnOnce(&mut FileState) -> T) -> io::Result<T> {
        let mut disk = self.disk.lock();
        disk.files
            .get_mut(&self.id)
            .map(act)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        let gate = Arc::clone(&self.disk.lock().gate);
        gate.pass();
        let is_failing = {
            let mut disk = self.disk.lock();
            disk.operate()?;
            disk.done.syncs += 1;
            disk.faults.fail_sync == Some(disk.done.syncs)
        };
        if is_failing {
            self.with(|file| file.dirty.clear())?;
            return Err(io::Error::other("planned sync failure"));
        }
        self.with(FileState::sync)
    }
}

impl StorageFile for Handle {
    fn size(&self) -> io::Result<u64> {
        self.disk.lock().alive()?;
        self.with(|file| file.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.lock().alive()?;
        self.with(|file| {
            let bytes = file.current.get(narrow(offset)..).unwrap_or_default();
            let len = bytes.len().min(buf.len());
            let (from, to) = (bytes.get(..len), buf.get_mut(..len));
            if let (Some(from), Some(to)) = (from, to) {
                to.copy_from_slice(from);
            }
            len
        })
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let half = buf.get(..buf.len() / 2).unwrap_or_default();
        let (is_failing, is_short) = {
            let mut disk = self.disk.lock();
            // A write during which the power goes may have reached the disk in part.
            let is_dying = disk.operate().is_err();
            disk.done.writes += 1;
            let grown = (offset + widen(buf.len()))
                .saturating_sub(disk.files.get(&self.id).map_or(0, FileState::len));
            if grown > 0
                && disk
                    .capacity
                    .is_some_and(|limit| disk.used() + grown > limit)
            {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let writes = Some(disk.done.writes);
            (
                is_dying || disk.faults.fail_write == writes,
                disk.faults.short_write == writes,
            )
        };
        if is_failing {
            self.with(|file| file.write(half, narrow(offset)))?;
            return Err(io::Error::other("planned write failure"));
        }
        let written = if is_short && !half.is_empty() {
            half
        } else {
            buf
        };
        self.with(|file| file.write(written, narrow(offset)))?;
        Ok(written.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.disk.lock().operate()?;
        self.with(|file| file.set_len(narrow(bytes)))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }
}

struct Unlock(Arc<Mutex<Disk>>, PathBuf);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.lock().locks.remove(&self.1);
    }
}

impl Storage for FaultyStorage {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        self.0.lock().alive()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
        let mut disk = self.0.lock();
        disk.alive()?;
        let is_ours = disk.locks.insert(path.to_owned());
        Ok(is_ours.then(|| Box::new(Unlock(Arc::clone(&self.0), path.to_owned())) as LockGuard))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.0.lock();
        if disk.faults.no_descriptors {
            return Err(rustix::io::Errno::MFILE.into());
        }
        disk.operate()?;
        let id = disk.next_id;
        disk.next_id += 1;
        disk.files.insert(id, FileState::default());
        disk.change(NameChange::Link(path.to_owned(), id));
        Ok(Arc::new(Handle {
            disk: Arc::clone(&self.0),
            id,
        }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let id = self.0.lock().id_of(path)?;
        Ok(Arc::new(Handle {
            disk: Arc::clone(&self.0),
            id,
        }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        self.open_read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operate()?;
        let id = disk.id_of(from)?;
        disk.change(NameChange::Rename(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operate()?;
        disk.id_of(path)?;
        disk.change(NameChange::Unlink(path.to_owned()));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.0.lock();
        disk.alive()?;
        let inside = disk.names.keys().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        Ok(inside.filter_map(name).collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operate()?;
        disk.done.dir_syncs += 1;
        if disk.faults.fail_dir_sync == Some(disk.done.dir_syncs) {
            return Err(io::Error::other("planned failure of a directory's sync"));
        }
        let (synced, rest): (Vec<_>, _) = std::mem::take(&mut disk.changes)
            .into_iter()
            .partition(|it| it.touches(dir));
        synced
            .iter()
            .for_each(|change| change.apply(&mut disk.durable_names));
        disk.changes = rest;
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let disk = self.0.lock();
        disk.alive()?;
        Ok(disk
            .capacity
            .map_or(u64::MAX, |limit| limit.saturating_sub(disk.used())))
    }
}
