//! The bytes of the log: batch headers and record frames, little-endian, each byte under a checksum.
//!
//! ```text
//! batch  = header (64 bytes) frame*
//! header = magic4 kind4 total4 count4 position8 synced_to8 prev_lsn8 epoch8 sparse4 zero4 crc4 end4
//! frame  = len4 payload_crc4 check4 payload trailer4      check = crc(len, payload_crc, lsn)
//! ```
//!
//! Every byte of `end` and `trailer` has several bits set, so that one flipped bit never makes it
//! zero: a zero there means the bytes were never written.

use crate::journal::Lsn;

use super::storage::{narrow, widen};

/// Size of a batch header, bytes.
pub(super) const BATCH_HEADER: usize = 64;
/// Size of what stands before a record's payload, bytes.
pub(super) const FRAME_HEADER: usize = 12;
/// What a record costs beyond its payload, bytes.
pub(super) const FRAME_OVERHEAD: usize = 16;
/// What a disk writes whole or not at all, bytes.
pub(super) const SECTOR: u64 = 512;
/// A sector of written data with at most this many bits set might be taken for one never written.
const SPARSE_BITS_MAX: u32 = 8;

/// How every batch begins; searched for when damage must be judged.
pub(super) const BATCH_MAGIC: [u8; 4] = [0xCB, 0x57, 0xB7, 0x6D];
const BATCH_END: [u8; 4] = [0xB5, 0x9D, 0xE7, 0x6B];
/// How every record ends.
pub(super) const TRAILER: [u8; 4] = [0xD6, 0xA7, 0x5B, 0xE9];

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchKind {
    /// Holds records.
    Records,
    /// The log was closed cleanly here.
    Close,
    /// Recovery cut the batch in which this stands; the batch ends here.
    Cut,
}

impl BatchKind {
    fn code(self) -> u32 {
        match self {
            Self::Records => 1,
            Self::Close => 2,
            Self::Cut => 3,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        [Self::Records, Self::Close, Self::Cut]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// What stands before the records of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchHeader {
    /// What the batch is for.
    pub(super) kind: BatchKind,
    /// Bytes of the batch, this header included.
    pub(super) total: u32,
    /// Records in it.
    pub(super) count: u32,
    /// Where it stands in the log.
    pub(super) position: u64,
    /// Everything before this position was synced when the batch was written: the end of the batch
    /// before it.
    pub(super) synced_to: u64,
    /// The last record before this batch.
    pub(super) prev_lsn: Lsn,
    /// Who wrote it.
    pub(super) epoch: u64,
    /// How many of its sectors are so nearly zero that they prove nothing about a torn write.
    pub(super) sparse: u32,
}

impl BatchHeader {
    /// A batch without records.
    pub(super) fn marker(kind: BatchKind, position: u64, prev_lsn: Lsn, epoch: u64) -> Self {
        let total = u32::try_from(BATCH_HEADER).expect("Invariant: 64 fits 32 bits");
        let (count, sparse, synced_to) = (0, 0, position);
        Self {
            kind,
            total,
            count,
            position,
            synced_to,
            prev_lsn,
            epoch,
            sparse,
        }
    }

    /// Its bytes.
    pub(super) fn encode(&self) -> [u8; BATCH_HEADER] {
        let mut bytes = Vec::with_capacity(BATCH_HEADER);
        bytes.extend_from_slice(&BATCH_MAGIC);
        bytes.extend_from_slice(&self.kind.code().to_le_bytes());
        bytes.extend_from_slice(&self.total.to_le_bytes());
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.position.to_le_bytes());
        bytes.extend_from_slice(&self.synced_to.to_le_bytes());
        bytes.extend_from_slice(&self.prev_lsn.get().to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.sparse.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.extend_from_slice(&BATCH_END);
        bytes
            .try_into()
            .expect("Invariant: the fields of a batch header are 64 bytes")
    }

    /// The header in `bytes`, if it is whole and was written for `position`.
    pub(super) fn decode(bytes: &[u8], position: u64) -> Option<Self> {
        let (body, tail) = bytes.get(..BATCH_HEADER)?.split_last_chunk::<8>()?;
        if !body.starts_with(&BATCH_MAGIC) {
            return None;
        }
        let mut tail = Fields(tail);
        if tail.u32() != crc32fast::hash(body) || tail.0 != BATCH_END {
            return None;
        }
        let mut fields = Fields(body.get(BATCH_MAGIC.len()..)?);
        let header = Self {
            kind: BatchKind::from_code(fields.u32())?,
            total: fields.u32(),
            count: fields.u32(),
            position: fields.u64(),
            synced_to: fields.u64(),
            prev_lsn: Lsn::new(fields.u64()),
            epoch: fields.u64(),
            sparse: fields.u32(),
        };
        let least = BATCH_HEADER + FRAME_OVERHEAD * narrow(header.count.into());
        let whole = fields.u32() == 0
            && header.position == position
            && header.synced_to <= position
            && narrow(header.total.into()) >= least
            && (header.count == 0) == (header.kind != BatchKind::Records);
        whole.then_some(header)
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHeader {
    /// Bytes of payload.
    pub(super) len: usize,
    /// Checksum of the payload.
    pub(super) payload_crc: u32,
}

impl FrameHeader {
    /// The frame header at the start of `bytes`, if it is whole and was written for `lsn`.
    pub(super) fn decode(bytes: &[u8], lsn: Lsn) -> Option<Self> {
        let mut fields = Fields(bytes.get(..FRAME_HEADER)?);
        let (len, payload_crc, check) = (fields.u32(), fields.u32(), fields.u32());
        let len_narrow = narrow(len.into());
        (check == frame_check(len, payload_crc, lsn)).then_some(Self {
            len: len_narrow,
            payload_crc,
        })
    }

    /// Bytes of the whole frame.
    pub(super) fn frame_len(self) -> usize {
        self.len.saturating_add(FRAME_OVERHEAD)
    }
}

/// Adds a record to a batch under construction. `payload_crc` is computed by the caller, outside
/// of any lock.
pub(super) fn put_frame(buf: &mut Vec<u8>, lsn: Lsn, payload: &[u8], payload_crc: u32) {
    let len = u32::try_from(payload.len()).expect("Invariant: a record is smaller than 4 GiB");
    buf.reserve(FRAME_OVERHEAD + payload.len());
    buf.extend_from_slice(&len.to_le_bytes());
    buf.extend_from_slice(&payload_crc.to_le_bytes());
    buf.extend_from_slice(&frame_check(len, payload_crc, lsn).to_le_bytes());
    buf.extend_from_slice(payload);
    buf.extend_from_slice(&TRAILER);
}

/// The payload of a whole frame, if its checksum and trailer hold.
pub(super) fn payload_of(frame: &[u8], header: FrameHeader) -> Option<&[u8]> {
    let (payload, trailer) = frame.get(FRAME_HEADER..)?.split_at_checked(header.len)?;
    (trailer == TRAILER && crc32fast::hash(payload) == header.payload_crc).then_some(payload)
}

/// Counts the whole sectors behind the header of a `batch` at `offset` in its file that have hardly
/// a bit set, as payloads of zeros make them.
pub(super) fn count_sparse(batch: &[u8], offset: u64) -> u32 {
    count_sectors(batch, offset, SPARSE_BITS_MAX)
}

/// Counts the whole sectors behind the header of a `batch` at `offset` that are all zeros.
pub(super) fn count_zero(batch: &[u8], offset: u64) -> u32 {
    count_sectors(batch, offset, 0)
}

fn count_sectors(batch: &[u8], offset: u64, bits_max: u32) -> u32 {
    let body_at = offset + widen(BATCH_HEADER);
    let lead = narrow(body_at.next_multiple_of(SECTOR) - offset);
    let sectors = batch
        .get(lead..)
        .unwrap_or_default()
        .chunks_exact(narrow(SECTOR));
    let found = sectors
        .filter(|sector| bits_set(sector, bits_max) <= bits_max)
        .count();
    u32::try_from(found).expect("Invariant: a batch is smaller than 4 GiB")
}

/// Counts the bits set in `bytes`; may stop early once above `enough`.
pub(super) fn bits_set(bytes: &[u8], enough: u32) -> u32 {
    let mut bits = 0;
    for word in bytes.chunks(64) {
        bits += word.iter().map(|byte| byte.count_ones()).sum::<u32>();
        if bits > enough {
            break;
        }
    }
    bits
}

/// Whether `bytes` are all zeros.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(256)
        .all(|chunk| chunk.iter().fold(0, |seen, byte| seen | byte) == 0)
}

fn frame_check(len: u32, payload_crc: u32, lsn: Lsn) -> u32 {
    let low = u64::from(len) | (u64::from(payload_crc) << 32);
    let bytes = u128::from(low) | (u128::from(lsn.get()) << 64);
    crc32fast::hash(&bytes.to_le_bytes())
}

/// Takes little-endian fields off the front of bytes whose length was checked.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    /// The next four bytes.
    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// The next eight bytes.
    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// The next `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self
            .0
            .split_first_chunk::<N>()
            .expect("Invariant: the length was checked before its fields are read");
        self.0 = rest;
        *field
    }
}
