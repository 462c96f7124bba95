//! What was appended and is not yet on disk; positions are given out here.

use std::{collections::VecDeque, mem, sync::Arc};

use parking_lot::RwLock;

use crate::journal::Lsn;

use super::{
    frame::{
        BATCH_HEADER, BatchHeader, BatchKind, FRAME_OVERHEAD, FrameHeader, count_sparse,
        payload_of, put_frame,
    },
    segment::SEGMENT_HEADER,
    storage::{narrow, widen},
};

/// A batch is sealed at this size; a single record may be larger.
const BATCH_BYTES_MAX: usize = 4 << 20;
const SPARES_MAX: usize = 4;
/// What the system's cache reads and writes as a whole.
const PAGE_BYTES: u64 = 4096;

/// Records that will be written with one write.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Base of the segment it is in.
    pub(super) segment: u64,
    /// Position of its header.
    pub(super) start: u64,
    /// Header (zeros until [`Batch::finish`]) and frames.
    pub(super) bytes: Vec<u8>,
    pub(super) count: u32,
    /// Its last record, or the last one before it.
    pub(super) last: Lsn,
    is_marker: bool,
}

/// What stands before a batch when it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) synced_to: u64,
    pub(super) last: Lsn,
    pub(super) epoch: u64,
}

impl Batch {
    fn begin(segment: u64, start: u64, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        bytes.resize(BATCH_HEADER, 0);
        Self {
            segment,
            start,
            bytes,
            count: 0,
            last: Lsn::ZERO,
            is_marker: false,
        }
    }

    /// Position behind it.
    pub(super) fn end(&self) -> u64 {
        self.start + widen(self.bytes.len())
    }

    fn is_empty(&self) -> bool {
        self.count == 0 && !self.is_marker
    }

    /// Completes the header; the batch is then what goes to the disk.
    pub(super) fn finish(&mut self, before: Before) {
        let total = u32::try_from(self.bytes.len());
        let header = BatchHeader {
            kind: if self.is_marker {
                BatchKind::Close
            } else {
                BatchKind::Records
            },
            total: total.expect("Invariant: a batch is smaller than 4 GiB"),
            count: self.count,
            position: self.start,
            synced_to: before.synced_to,
            prev_lsn: before.last,
            epoch: before.epoch,
            sparse: count_sparse(&self.bytes, self.start - self.segment),
        };
        if self.is_marker {
            self.last = before.last;
        }
        if let Some(place) = self.bytes.first_chunk_mut::<BATCH_HEADER>() {
            *place = header.encode();
        }
    }

    /// Adds zeros up to the next page of a file of `capacity` bytes, which has zeros there already: a page
    /// that is written whole need not be read first. [`Batch::end`] then says where they end.
    pub(super) fn pad(&mut self, capacity: u64) {
        let end = self.end() - self.segment;
        let page_end = end.next_multiple_of(PAGE_BYTES).min(capacity);
        let more = narrow(page_end.saturating_sub(end));
        self.bytes.resize(self.bytes.len() + more, 0);
    }

    fn read(&self, lsn: Lsn) -> Option<Vec<u8>> {
        let at = narrow(lsn.get().checked_sub(self.start)?);
        let bytes = self.bytes.get(at..).filter(|_| at >= BATCH_HEADER)?;
        let frame = FrameHeader::decode(bytes, lsn)?;
        payload_of(bytes.get(..frame.frame_len())?, frame).map(<[u8]>::to_vec)
    }
}

/// A batch on its way to the disk, shared with readers.
pub(super) type InFlight = Arc<RwLock<Batch>>;

/// Where a record that may not be on disk yet was found.
pub(super) enum Lookup {
    /// Still in memory: its payload, or nothing if no record begins there.
    Held(Option<Vec<u8>>),
    /// Being written: look into it without holding the queue.
    InFlight(InFlight),
    /// On disk, or never.
    Written,
}

/// The appenders' side of the journal, under one short lock.
#[derive(Debug)]
pub(super) struct Queue {
    active: Batch,
    segment_end: u64,
    /// Capacities of the segments behind the current one that differ from `segment_bytes`.
    ahead: VecDeque<u64>,
    segment_bytes: u64,
    sealed: VecDeque<Batch>,
    in_flight: Option<(u64, InFlight)>,
    spares: Vec<Vec<u8>>,
    /// Set while the committer waits for work.
    pub(super) is_committer_asleep: bool,
    /// The committer, who lets records gather, is woken when so many wait.
    pub(super) wake_at: Option<u32>,
    /// Set once nothing more may be appended: the committer drains and ends.
    pub(super) is_closing: bool,
    /// Set when the committer is to end without draining.
    pub(super) is_abandoned: bool,
}

/// Where the log goes on.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) segment: u64,
    pub(super) capacity: u64,
    pub(super) end: u64,
    pub(super) ahead: VecDeque<u64>,
    pub(super) segment_bytes: u64,
}

impl Queue {
    pub(super) fn new(tail: Tail) -> Self {
        Self {
            active: Batch::begin(tail.segment, tail.end, Vec::new()),
            segment_end: tail.segment + tail.capacity,
            ahead: tail.ahead,
            segment_bytes: tail.segment_bytes,
            sealed: VecDeque::new(),
            in_flight: None,
            spares: Vec::new(),
            is_committer_asleep: false,
            wake_at: None,
            is_closing: false,
            is_abandoned: false,
        }
    }

    /// Adds a record; returns its position, that behind it, and whether a new segment was begun.
    pub(super) fn push(&mut self, payload: &[u8], payload_crc: u32) -> (Lsn, u64, bool) {
        let frame_len = FRAME_OVERHEAD + payload.len();
        let is_new_segment = self.make_room(frame_len);
        let lsn = Lsn::new(self.active.end());
        put_frame(&mut self.active.bytes, lsn, payload, payload_crc);
        self.active.count += 1;
        self.active.last = lsn;
        (lsn, self.active.end(), is_new_segment)
    }

    /// How many records wait in the batch that still grows.
    pub(super) const fn waiting(&self) -> u32 {
        self.active.count
    }

    /// Whether a batch waits that cannot grow any more.
    pub(super) fn has_full_batch(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Whether the committer is to be woken: said once.
    pub(super) fn is_committer_due(&mut self) -> bool {
        let is_enough = self
            .wake_at
            .is_some_and(|enough| self.waiting() >= enough || self.has_full_batch());
        if is_enough {
            self.wake_at = None;
        }
        mem::take(&mut self.is_committer_asleep) || is_enough
    }

    /// Adds the marker of a clean close.
    pub(super) fn push_close(&mut self) -> u64 {
        if !self.active.is_empty() {
            self.seal(self.active.segment, self.active.end());
        }
        self.make_room(0);
        self.active.is_marker = true;
        self.active.end()
    }

    /// Rolls over to the next segment if the frame does not fit, leaving room for a close marker.
    fn make_room(&mut self, frame_len: usize) -> bool {
        let header = widen(BATCH_HEADER);
        let reserve = if frame_len == 0 { 0 } else { header };
        let room = self.segment_end.saturating_sub(self.active.start + reserve);
        if widen(self.active.bytes.len() + frame_len) > room {
            let base = self.segment_end;
            let capacity = self.ahead.pop_front().unwrap_or(self.segment_bytes);
            self.seal(base, base + widen(SEGMENT_HEADER));
            self.segment_end = base + capacity;
            return true;
        }
        if self.active.count > 0 && self.active.bytes.len() + frame_len > BATCH_BYTES_MAX {
            self.seal(self.active.segment, self.active.end());
        }
        false
    }

    fn seal(&mut self, segment: u64, start: u64) {
        let spare = self.spares.pop().unwrap_or_default();
        let sealed = mem::replace(&mut self.active, Batch::begin(segment, start, spare));
        if sealed.is_empty() {
            self.recycle(sealed.bytes);
        } else {
            self.sealed.push_back(sealed);
        }
    }

    /// Takes the next batch to write, and takes back the buffer of the one before.
    pub(super) fn take(&mut self, done: Option<InFlight>) -> Option<InFlight> {
        self.in_flight = None;
        if let Some(batch) = done.and_then(Arc::into_inner) {
            self.recycle(batch.into_inner().bytes);
        }
        if self.sealed.is_empty() && !self.active.is_empty() {
            self.seal(self.active.segment, self.active.end());
        }
        let next = self.sealed.pop_front()?;
        let start = next.start;
        let next = Arc::new(RwLock::new(next));
        self.in_flight = Some((start, Arc::clone(&next)));
        Some(next)
    }

    fn recycle(&mut self, bytes: Vec<u8>) {
        if self.spares.len() < SPARES_MAX && bytes.capacity() <= 2 * BATCH_BYTES_MAX {
            self.spares.push(bytes);
        }
    }

    /// Looks for the record at `lsn` among what is not written.
    pub(super) fn look_up(&self, lsn: Lsn) -> Lookup {
        let position = lsn.get();
        if position >= self.active.start {
            return Lookup::Held(self.active.read(lsn));
        }
        let sealed = self
            .sealed
            .iter()
            .rev()
            .find(|batch| batch.start <= position);
        if let Some(batch) = sealed {
            return Lookup::Held(batch.read(lsn));
        }
        let in_flight = self
            .in_flight
            .as_ref()
            .filter(|(start, _)| *start <= position);
        in_flight.map_or(Lookup::Written, |(_, batch)| {
            Lookup::InFlight(Arc::clone(batch))
        })
    }
}

/// Reads the record at `lsn` from a batch on its way to the disk.
pub(super) fn read_in_flight(batch: &InFlight, lsn: Lsn) -> Option<Vec<u8>> {
    batch.read().read(lsn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_batch_ends_with_a_page_or_with_the_file() {
        for (start, len, capacity, expected) in [
            (512, 100, 16_384, 4_096),
            (512, 3_584, 16_384, 4_096),
            (512, 3_585, 16_384, 8_192),
            (16_000, 300, 16_384, 16_384),
            (600, 700, 2_048, 2_048),
        ] {
            let segment = 1 << 30;
            let mut batch = Batch::begin(segment, segment + start, Vec::new());
            batch.bytes.resize(len, 7);
            batch.pad(capacity);
            assert_eq!(batch.end(), segment + expected);
            assert!(batch.bytes.drain(len..).all(|byte| byte == 0));
            assert!(batch.bytes.iter().all(|byte| *byte == 7 || *byte == 0));
        }
    }
}
