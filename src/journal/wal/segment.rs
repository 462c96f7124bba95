//! Segment files: their names, their header, and how one is made ready before it is needed.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::journal::{JournalError, Lsn};

use super::{
    frame::Fields,
    storage::{Storage, StorageFile, write_all_at},
    zeros::create_zeroed,
};

/// Size of a segment's header, bytes: a sector of its own, never written again.
pub(super) const SEGMENT_HEADER: usize = 512;
/// Which layout the files have.
const FORMAT_VERSION: u32 = 1;
const SEGMENT_MAGIC: [u8; 8] = *b"CWRTLOG\xB7";
const SUFFIX: &str = ".wal";
/// Suffix of files under construction; they are removed at open.
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Where the parts of a journal live.
#[derive(Clone, Debug)]
pub(super) struct Dirs {
    pub(super) root: PathBuf,
    pub(super) wal: PathBuf,
    pub(super) archive: PathBuf,
    pub(super) snapshots: PathBuf,
}

impl Dirs {
    pub(super) fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            wal: root.join("wal"),
            archive: root.join("archive"),
            snapshots: root.join("snapshots"),
        }
    }
}

/// Opens the segment at `path` for reading. A snapshot of a running server may have moved it into the archive since
/// it was found in `wal/`.
pub(super) fn open_segment(storage: &dyn Storage, path: &Path) -> io::Result<Arc<dyn StorageFile>> {
    match storage.open_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let wal = path.parent().and_then(Path::parent);
            let moved = wal
                .zip(path.file_name())
                .map(|(root, name)| Dirs::below(root).archive.join(name));
            moved.map_or(Err(error), |moved| storage.open_read(&moved))
        }
        opened => opened,
    }
}

/// The name of the segment that begins at `base`.
pub(super) fn segment_name(base: u64) -> String {
    format!("{base:016x}{SUFFIX}")
}

/// Where the segment of this name begins; `None` if it is no segment's name.
pub(super) fn parse_segment_name(name: &str) -> Option<u64> {
    let base = u64::from_str_radix(name.strip_suffix(SUFFIX)?, 16).ok()?;
    (segment_name(base) == name).then_some(base)
}

/// The first bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Position of the segment's first byte in the log.
    pub(super) base: u64,
    /// Bytes of the file; the next segment begins at `base + capacity`.
    pub(super) capacity: u64,
    /// Who made it.
    pub(super) epoch: u64,
    /// When, Unix milliseconds.
    pub(super) created_ms: i64,
}

impl SegmentHeader {
    /// Its bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.base.to_le_bytes());
        bytes.extend_from_slice(&self.capacity.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.created_ms.to_le_bytes());
        bytes.resize(SEGMENT_HEADER - 4, 0);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// The header in `bytes`, or what is wrong with it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (body, crc) = bytes
            .get(..SEGMENT_HEADER)
            .and_then(<[u8]>::split_last_chunk::<4>)
            .ok_or("segment header is cut short")?;
        let mut fields = Fields(body);
        if fields.take() != SEGMENT_MAGIC {
            return Err("segment header does not begin as one".to_owned());
        }
        if u32::from_le_bytes(*crc) != crc32fast::hash(body) {
            return Err("segment header fails its checksum".to_owned());
        }
        let version = fields.u32();
        if version != FORMAT_VERSION {
            return Err(format!(
                "segment format must be {FORMAT_VERSION}, was {version}"
            ));
        }
        fields.u32();
        Ok(Self {
            base: fields.u64(),
            capacity: fields.u64(),
            epoch: fields.u64(),
            created_ms: i64::from_le_bytes(fields.take()),
        })
    }

    /// Position behind the segment's last byte: the base of the next.
    pub(super) fn end(&self) -> u64 {
        self.base.saturating_add(self.capacity)
    }
}

/// Creates a segment, filled with zeros and durable under its final name.
///
/// Under a temporary name until then, so that a crash or a full disk leaves nothing half made. After each
/// part `rest` is told how many bytes are there.
pub(super) fn create_segment(
    storage: &dyn Storage,
    dir: &Path,
    header: &SegmentHeader,
    rest: &dyn Fn(u64),
) -> io::Result<Arc<dyn StorageFile>> {
    let name = segment_name(header.base);
    let temporary = dir.join(format!("{name}{TEMPORARY_SUFFIX}"));
    let made = fill_segment(storage, &temporary, header, rest).and_then(|file| {
        storage.rename(&temporary, &dir.join(&name))?;
        storage.sync_dir(dir)?;
        Ok(file)
    });
    if made.is_err() {
        // Best effort: open removes leftovers as well.
        let _ = storage.remove(&temporary);
    }
    made
}

fn fill_segment(
    storage: &dyn Storage,
    path: &Path,
    header: &SegmentHeader,
    rest: &dyn Fn(u64),
) -> io::Result<Arc<dyn StorageFile>> {
    let file = create_zeroed(storage, path, header.capacity, rest)?;
    write_all_at(file.as_ref(), &header.encode(), 0)?;
    file.sync_all()?;
    Ok(file)
}

/// Wraps a system error with what was tried on which path.
pub(super) fn io_failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    move |source| JournalError::Io {
        what: format!("{what} {}", path.display()),
        source,
    }
}

/// Damage at `offset` of the segment that begins at `base`.
pub(super) fn damaged(file: &Path, base: u64, offset: u64, what: impl Display) -> JournalError {
    JournalError::Corrupt {
        file: file.display().to_string(),
        offset,
        lsn: Lsn::new(base.saturating_add(offset)),
        what: what.to_string(),
    }
}
