//! The seam between the log and the file system, so that tests can make either fail.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use super::zeros::fill_past_cache;

/// An open file. All access is by offset, so that readers and the writer share it.
pub trait StorageFile: Send + Sync {
    /// Its size in bytes.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn size(&self) -> io::Result<u64>;

    /// Reads up to `buf.len()` bytes at `offset`; zero means the end of the file.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `buf` at `offset` and says how much.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts or extends the file to `bytes`; what is new reads as zeros.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Makes written data durable, and the size if it changed.
    ///
    /// # Errors
    ///
    /// Any of the system's; what was written since the last sync is then in an unknown state.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes data and metadata durable.
    ///
    /// # Errors
    ///
    /// Any of the system's; what was written since the last sync is then in an unknown state.
    fn sync_all(&self) -> io::Result<()>;

    /// Advises that cached pages are not needed, so that a read-back reads the disk.
    fn forget_cached(&self) {}
}

/// Held while the data directory is ours; dropping it lets go.
pub type LockGuard = Box<dyn Send + Sync>;

/// A file system, as far as the log needs one.
pub trait Storage: Send + Sync + 'static {
    /// Creates a directory and its parents.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Locks the file at `path`, creating it; `None` if another holder has it.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>>;

    /// Creates an empty file for reading and writing, replacing what was there.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;

    /// Fills the empty file at `path` with `bytes` zeros past the cache; `false` if that cannot be done
    /// here. After each part `rest` is told how many bytes are there.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn fill_past_cache(&self, _path: &Path, _bytes: u64, _rest: &dyn Fn(u64)) -> io::Result<bool> {
        Ok(false)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>>;

    /// Renames a file, replacing the target.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Names of the files in `dir`, sorted.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes creations, renames and removals in `dir` durable.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes a process without privileges can still write below `dir`.
    ///
    /// # Errors
    ///
    /// Any of the system's.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsStorage;

impl StorageFile for File {
    fn size(&self) -> io::Result<u64> {
        self.metadata().map(|meta| meta.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, buf, offset)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        Self::set_len(self, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        Self::sync_all(self)
    }

    fn forget_cached(&self) {
        // Advice only: a file system without it still reads correctly.
        let _ = rustix::fs::fadvise(self, 0, None, rustix::fs::Advice::DontNeed);
    }
}

impl Storage for OsStorage {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let missing = dir.ancestors().take_while(|level| !level.exists()).count();
        fs::create_dir_all(dir)?;
        // Each new directory is durable once its parent is synced.
        for parent in dir.ancestors().skip(1).take(missing) {
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            self.sync_dir(parent)?;
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Some(Box::new(file)))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(Arc::new(file))
    }

    fn fill_past_cache(&self, path: &Path, bytes: u64, rest: &dyn Fn(u64)) -> io::Result<bool> {
        fill_past_cache(path, bytes, rest)
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(File::open(path)?))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(
            OpenOptions::new().read(true).write(true).open(path)?,
        ))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Reads until `buf` is full or the file ends; says how much was read.
pub(super) fn read_full_at(
    file: &dyn StorageFile,
    buf: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + widen(done)) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all of `buf`.
pub(super) fn write_all_at(file: &dyn StorageFile, buf: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = buf.get(done..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, offset + widen(done)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the system ran out of room, which an operator can cure, unlike other failures.
pub(super) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether too many files are open, here or in the whole system: connections that end cure it.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(
        errno,
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
    )
}

/// A length in memory as a length on disk.
pub(super) fn widen(len: usize) -> u64 {
    u64::try_from(len).expect("Invariant: a length in memory fits 64 bits")
}

/// A length on disk as a length in memory.
pub(super) fn narrow(len: u64) -> usize {
    usize::try_from(len).expect("Invariant: a length on disk fits memory on a 64-bit machine")
}
