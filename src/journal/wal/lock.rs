//! Who may write: the directory's lock, and the epoch that grows with each opening.

use std::path::Path;

use crate::journal::JournalError;

use super::{
    frame::Fields,
    segment::{Dirs, TEMPORARY_SUFFIX, damaged, io_failed},
    storage::{LockGuard, Storage, read_full_at, write_all_at},
};

const LOCK_NAME: &str = "LOCK";
const EPOCH_NAME: &str = "EPOCH";
const EPOCH_MAGIC: [u8; 8] = *b"CWRTEPO\x01";
const EPOCH_BYTES: usize = 20;

/// Takes the lock of the data directory.
pub(super) fn lock(storage: &dyn Storage, dirs: &Dirs) -> Result<LockGuard, JournalError> {
    let path = dirs.root.join(LOCK_NAME);
    let held = storage.lock(&path).map_err(io_failed("locking", &path))?;
    held.ok_or_else(|| JournalError::Locked {
        dir: dirs.root.display().to_string(),
    })
}

/// The epoch of the last opening; `None` if there was none.
pub(super) fn read_epoch(storage: &dyn Storage, dir: &Path) -> Result<Option<u64>, JournalError> {
    let path = dir.join(EPOCH_NAME);
    let names = storage.list(dir).map_err(io_failed("listing", dir))?;
    if !names.iter().any(|name| name == EPOCH_NAME) {
        return Ok(None);
    }
    let mut bytes = [0; EPOCH_BYTES];
    let read = storage
        .open_read(&path)
        .and_then(|file| Ok((read_full_at(file.as_ref(), &mut bytes, 0)?, file.size()?)))
        .map_err(io_failed("reading", &path))?;
    let (body, crc) = bytes.split_at(EPOCH_BYTES - 4);
    let is_whole = read == (EPOCH_BYTES, 20)
        && body.starts_with(&EPOCH_MAGIC)
        && crc == crc32fast::hash(body).to_le_bytes();
    if !is_whole {
        return Err(damaged(&path, 0, 0, "epoch file is not whole"));
    }
    let mut fields = Fields(body);
    fields.take::<8>();
    Ok(Some(fields.u64()))
}

/// Records the epoch of this opening, durably.
pub(super) fn write_epoch(
    storage: &dyn Storage,
    dir: &Path,
    epoch: u64,
) -> Result<(), JournalError> {
    let path = dir.join(EPOCH_NAME);
    let temporary = dir.join(format!("{EPOCH_NAME}{TEMPORARY_SUFFIX}"));
    let mut bytes = EPOCH_MAGIC.to_vec();
    bytes.extend_from_slice(&epoch.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let written = storage.create(&temporary).and_then(|file| {
        write_all_at(file.as_ref(), &bytes, 0)?;
        file.sync_all()?;
        storage.rename(&temporary, &path)?;
        storage.sync_dir(dir)
    });
    written.map_err(io_failed("writing", &path))
}
