//! Fills the next segment with zeros while the one before it is written to.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

use rustix::{
    fs::{FallocateFlags, OFlags, fallocate},
    io::{Errno, retry_on_intr},
};

use super::storage::{Storage, StorageFile, narrow, widen, write_all_at};

/// How much of a file of zeros is written at once: a commit may have to wait for so much.
const FILL_BYTES: u64 = 256 << 10;
/// How much of it may be dirty in the cache at once, so that a commit does not wait for all of it.
const FILL_DIRTY_BYTES: u64 = 4 << 20;
/// What writes past the cache must be aligned to, on every disk that is in use.
const DIRECT_ALIGNMENT: usize = 4096;

/// Creates a file of `bytes` zeros, for reading and writing; not durable before it is synced. After each
/// part `rest` is told how many bytes are there.
pub(super) fn create_zeroed(
    storage: &dyn Storage,
    path: &Path,
    bytes: u64,
    rest: &dyn Fn(u64),
) -> io::Result<Arc<dyn StorageFile>> {
    let file = storage.create(path)?;
    if !storage.fill_past_cache(path, bytes, rest)? {
        fill_zeros(file.as_ref(), (0, bytes), rest)?;
    }
    Ok(file)
}

/// Writes zeros over a range through the cache, and makes none of the last of them durable.
pub(super) fn fill_zeros(
    file: &dyn StorageFile,
    (from, to): (u64, u64),
    rest: &dyn Fn(u64),
) -> io::Result<()> {
    let zeros = vec![0; narrow(FILL_BYTES)];
    let (mut at, mut dirty) = (from, 0);
    while at < to {
        let len = (to - at).min(FILL_BYTES);
        write_all_at(file, zeros.get(..narrow(len)).unwrap_or_default(), at)?;
        at += len;
        dirty += len;
        if dirty >= FILL_DIRTY_BYTES {
            file.sync_data()?;
            dirty = 0;
        }
        rest(at);
    }
    Ok(())
}

/// Fills a new file with zeros that go to the disk past the cache: copying them and writing them back
/// would keep a processor busy for milliseconds on end. `false` if the file system cannot do that, or not
/// for this size.
pub(super) fn fill_past_cache(path: &Path, bytes: u64, rest: &dyn Fn(u64)) -> io::Result<bool> {
    let flag = OFlags::DIRECT.bits().cast_signed();
    let opened = OpenOptions::new().write(true).custom_flags(flag).open(path);
    let Some(file) = if_supported(opened)? else {
        return Ok(false);
    };
    let is_aligned = bytes.is_multiple_of(widen(DIRECT_ALIGNMENT));
    let allocate = || fallocate(&file, FallocateFlags::empty(), 0, bytes);
    let allocated = || retry_on_intr(allocate).map_err(io::Error::from);
    if !is_aligned || if_supported(allocated())?.is_none() {
        return Ok(false);
    }
    let zeros = vec![0_u8; narrow(FILL_BYTES) + DIRECT_ALIGNMENT];
    let skipped = zeros.as_ptr().align_offset(DIRECT_ALIGNMENT);
    let mut at = 0;
    while at < bytes {
        let len = (bytes - at).min(FILL_BYTES);
        let Some(part) = zeros.get(skipped..skipped.saturating_add(narrow(len))) else {
            return Ok(false);
        };
        if if_supported(write_all_at(&file, part, at))?.is_none() {
            return Ok(false);
        }
        at += len;
        rest(at);
    }
    Ok(true)
}

/// Nothing for what the file system does not know.
fn if_supported<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::journal::wal::OsStorage;

    /// Creates a file of zeros; what `rest` was told.
    fn create(dir: &Path, bytes: u64) -> Vec<u64> {
        let path = dir.join("zeros");
        std::fs::write(&path, b"what was there before").unwrap();
        let told = RefCell::new(Vec::new());
        let rest = |filled| told.borrow_mut().push(filled);
        let file = create_zeroed(&OsStorage, &path, bytes, &rest).unwrap();
        assert_eq!(file.size().unwrap(), bytes);
        // What is written through the handle is seen by every reader.
        assert_eq!(file.write_at(b"x", 4_097).unwrap(), 1);
        let mut seen = std::fs::read(&path).unwrap();
        assert_eq!(std::mem::take(&mut seen[4_097]), b'x');
        assert!(seen.iter().all(|byte| *byte == 0));
        told.into_inner()
    }

    #[test]
    fn a_file_of_any_size_is_all_zeros_and_each_part_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let parts = [1, 2, 3].map(|part| part * FILL_BYTES);
        assert_eq!(create(dir.path(), 3 * FILL_BYTES), parts);
        let sizes = [8_192, FILL_BYTES + 4_096, FILL_DIRTY_BYTES + 5_000, 6_000];
        for bytes in sizes {
            let told = create(dir.path(), bytes);
            assert_eq!(told.last(), Some(&bytes), "{told:?}");
            assert!(told.is_sorted(), "{told:?}");
        }
    }

    #[test]
    fn a_size_that_is_not_aligned_goes_through_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zeros");
        std::fs::write(&path, b"").unwrap();
        assert!(!fill_past_cache(&path, 6_000, &|_| ()).unwrap());
        // Whoever has no such file is told so, not sent through the cache.
        fill_past_cache(&dir.path().join("none"), 8_192, &|_| ()).unwrap_err();
    }
}
