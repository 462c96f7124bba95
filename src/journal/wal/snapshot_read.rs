//! The bytes of a snapshot file, and reading it with every check.
//!
//! ```text
//! header = magic8 version4 lsn8 created_ms8 crc4
//! item   = len4 crc4 bytes                        crc over len and bytes
//! footer = ffffffff count8 bytes8 whole_crc4 crc4 magic8
//! ```

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::journal::{JournalError, Lsn, SnapshotInfo};

use super::{
    frame::Fields,
    iter::read_prefix,
    scan::Window,
    segment::io_failed,
    storage::{Storage, StorageFile, narrow, read_full_at, widen},
};

const VERSION: u32 = 1;
const HEADER_MAGIC: [u8; 8] = *b"CWRTSNAP";
const FOOTER_MAGIC: [u8; 8] = *b"CWRTSEND";
const FOOTER_MARK: u32 = u32::MAX;
const HEADER_BYTES: usize = 32;
const FOOTER_BYTES: usize = 36;
/// What stands before an item, bytes.
pub(super) const ITEM_HEADER: usize = 8;
const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".snap";

/// The file name of the snapshot at `lsn`.
pub(super) fn snapshot_name(lsn: Lsn) -> String {
    format!("{PREFIX}{:020}{SUFFIX}", lsn.get())
}

/// The position in a snapshot's name; `None` if it is no snapshot's.
pub(super) fn parse_snapshot_name(name: &str) -> Option<Lsn> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let lsn = Lsn::new(digits.parse().ok()?);
    (snapshot_name(lsn) == name).then_some(lsn)
}

/// The header of a snapshot.
pub(super) fn encode_header(lsn: Lsn, created_ms: i64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(&HEADER_MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&lsn.get().to_le_bytes());
    bytes.extend_from_slice(&created_ms.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The footer of a snapshot.
pub(super) fn encode_footer(count: u64, item_bytes: u64, whole_crc: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FOOTER_BYTES);
    bytes.extend_from_slice(&FOOTER_MARK.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&item_bytes.to_le_bytes());
    bytes.extend_from_slice(&whole_crc.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes.extend_from_slice(&FOOTER_MAGIC);
    bytes
}

/// What stands before an item; `None` if the item is too large.
pub(super) fn item_header(item: &[u8]) -> Option<[u8; ITEM_HEADER]> {
    let len = u32::try_from(item.len())
        .ok()
        .filter(|len| *len != FOOTER_MARK)?;
    let packed = u64::from(len) | (u64::from(item_crc(len, item)) << 32);
    Some(packed.to_le_bytes())
}

fn item_crc(len: u32, item: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(crc32fast::hash(&len.to_le_bytes()));
    crc.update(item);
    crc.finalize()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Footer {
    count: u64,
    item_bytes: u64,
    whole_crc: u32,
}

fn decode_header(bytes: &[u8]) -> Result<(Lsn, i64), String> {
    let (body, crc) = bytes
        .get(..HEADER_BYTES)
        .and_then(<[u8]>::split_last_chunk::<4>)
        .ok_or("snapshot header is cut short")?;
    let mut fields = Fields(body);
    if fields.take() != HEADER_MAGIC || *crc != crc32fast::hash(body).to_le_bytes() {
        return Err("snapshot header is not whole".to_owned());
    }
    let version = fields.u32();
    if version != VERSION {
        return Err(format!("snapshot format must be {VERSION}, was {version}"));
    }
    Ok((Lsn::new(fields.u64()), i64::from_le_bytes(fields.take())))
}

fn decode_footer(bytes: &[u8]) -> Option<Footer> {
    let (body, magic) = bytes.split_last_chunk::<8>()?;
    let (body, crc) = body.split_last_chunk::<4>()?;
    let is_whole = bytes.len() == FOOTER_BYTES
        && *magic == FOOTER_MAGIC
        && *crc == crc32fast::hash(body).to_le_bytes();
    let mut fields = Fields(body);
    (is_whole && fields.u32() == FOOTER_MARK).then(|| Footer {
        count: fields.u64(),
        item_bytes: fields.u64(),
        whole_crc: fields.u32(),
    })
}

/// A snapshot whose header and footer are whole.
pub(super) struct Opened {
    pub(super) info: SnapshotInfo,
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    header: Vec<u8>,
    footer: Footer,
}

/// Reads header and footer of the snapshot at `lsn`, which is the file at `path`.
pub(super) fn open_snapshot(
    storage: &dyn Storage,
    path: &Path,
    lsn: Lsn,
) -> Result<Opened, JournalError> {
    let reading = || io_failed("reading", path);
    let corrupt = |offset, what: &str| snapshot_damaged(path, lsn, offset, what);
    let file = storage.open_read(path).map_err(reading())?;
    let size = file.size().map_err(reading())?;
    let header = read_prefix(file.as_ref(), HEADER_BYTES).map_err(reading())?;
    let (named, created_ms) = decode_header(&header).map_err(|what| corrupt(0, &what))?;
    if named != lsn {
        return Err(corrupt(0, "snapshot has another's name"));
    }
    let footer_at = size
        .checked_sub(widen(FOOTER_BYTES))
        .filter(|at| *at >= widen(HEADER_BYTES))
        .ok_or_else(|| corrupt(size, "snapshot is cut short"))?;
    let mut bytes = [0; FOOTER_BYTES];
    let read = read_full_at(file.as_ref(), &mut bytes, footer_at).map_err(reading())?;
    let footer = decode_footer(bytes.get(..read).unwrap_or_default())
        .ok_or_else(|| corrupt(footer_at, "snapshot footer is not whole"))?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let info = SnapshotInfo {
        lsn,
        items: footer.count,
        bytes: size,
        created_ms,
        name,
    };
    Ok(Opened {
        info,
        path: path.to_owned(),
        file,
        header,
        footer,
    })
}

fn snapshot_damaged(path: &Path, lsn: Lsn, offset: u64, what: &str) -> JournalError {
    let (file, what) = (path.display().to_string(), what.to_owned());
    JournalError::Corrupt {
        file,
        offset,
        lsn,
        what,
    }
}

impl Opened {
    /// Reads the items.
    pub(super) fn items(self) -> Items {
        let mut whole = crc32fast::Hasher::new();
        whole.update(&self.header);
        Items {
            window: Window::new(self.file),
            path: self.path,
            lsn: self.info.lsn,
            offset: widen(HEADER_BYTES),
            footer_at: self.info.bytes - widen(FOOTER_BYTES),
            footer: self.footer,
            whole,
            count: 0,
            item_bytes: 0,
            is_done: false,
        }
    }

    /// Reads everything once, from the disk where that can be had, and checks it.
    pub(super) fn prove(self) -> Result<SnapshotInfo, JournalError> {
        self.file.forget_cached();
        let info = self.info.clone();
        let file = Arc::clone(&self.file);
        for item in self.items() {
            item?;
        }
        file.forget_cached();
        Ok(info)
    }
}

/// The items of a snapshot; ends with an error unless everything, and all of it, was there.
pub(super) struct Items {
    window: Window,
    path: PathBuf,
    lsn: Lsn,
    offset: u64,
    footer_at: u64,
    footer: Footer,
    whole: crc32fast::Hasher,
    count: u64,
    item_bytes: u64,
    is_done: bool,
}

impl Items {
    fn advance(&mut self) -> Result<Option<Vec<u8>>, JournalError> {
        let (offset, left) = (self.offset, self.footer_at - self.offset);
        if left == 0 {
            return self.finish();
        }
        let corrupt = |what| Err(snapshot_damaged(&self.path, self.lsn, offset, what));
        if left < widen(ITEM_HEADER) {
            return corrupt("item is cut short");
        }
        let head = self
            .window
            .get(offset, ITEM_HEADER)
            .map_err(io_failed("reading", &self.path))?;
        if head.len() < ITEM_HEADER {
            return corrupt("snapshot shrank while it was read");
        }
        let mut fields = Fields(head);
        let (len, crc) = (fields.u32(), fields.u32());
        if u64::from(len) > left - widen(ITEM_HEADER) {
            return corrupt("item reaches over the footer");
        }
        let total = ITEM_HEADER + narrow(len.into());
        let bytes = self
            .window
            .get(offset, total)
            .map_err(io_failed("reading", &self.path))?;
        let item = bytes.get(ITEM_HEADER..total).unwrap_or_default();
        if bytes.len() < total || item_crc(len, item) != crc {
            return corrupt("item fails its checksum");
        }
        self.whole.update(bytes);
        let item = item.to_vec();
        self.offset += widen(total);
        self.count += 1;
        self.item_bytes += u64::from(len);
        Ok(Some(item))
    }

    fn finish(&self) -> Result<Option<Vec<u8>>, JournalError> {
        let (count, item_bytes) = (self.count, self.item_bytes);
        let found = Footer {
            count,
            item_bytes,
            whole_crc: self.whole.clone().finalize(),
        };
        if found == self.footer {
            return Ok(None);
        }
        let what = "items are not those that the footer counts";
        Err(snapshot_damaged(&self.path, self.lsn, self.offset, what))
    }
}

impl Iterator for Items {
    type Item = Result<Vec<u8>, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.advance().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}
