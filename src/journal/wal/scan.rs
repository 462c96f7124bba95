//! Reads one segment from front to back, checking everything; says where and how it ends.

use std::{io, path::PathBuf, sync::Arc};

use crate::journal::Lsn;

use super::{
    frame::{
        BATCH_HEADER, BatchHeader, BatchKind, FRAME_HEADER, FRAME_OVERHEAD, FrameHeader, is_zero,
        payload_of,
    },
    segment::SEGMENT_HEADER,
    storage::{StorageFile, narrow, read_full_at, widen},
};

const WINDOW_BYTES: usize = 1 << 20;

/// A file seen through a buffer that is refilled with large reads.
pub(super) struct Window {
    file: Arc<dyn StorageFile>,
    buf: Vec<u8>,
    start: u64,
    filled: usize,
}

impl Window {
    pub(super) fn new(file: Arc<dyn StorageFile>) -> Self {
        Self {
            file,
            buf: Vec::new(),
            start: 0,
            filled: 0,
        }
    }

    /// Up to `len` bytes at `offset`; fewer only where the file ends.
    pub(super) fn get(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let held = offset
            .checked_sub(self.start)
            .map(narrow)
            .filter(|skip| skip.saturating_add(len) <= self.filled);
        let skip = match held {
            Some(skip) => skip,
            None => {
                self.refill(offset, len)?;
                0
            }
        };
        let end = skip.saturating_add(len).min(self.filled);
        Ok(self.buf.get(skip..end).unwrap_or_default())
    }

    fn refill(&mut self, offset: u64, len: usize) -> io::Result<()> {
        let wanted = len.max(WINDOW_BYTES);
        if self.buf.len() < wanted {
            self.buf.resize(wanted, 0);
        }
        self.filled = 0;
        let filled = read_full_at(self.file.as_ref(), &mut self.buf, offset)?;
        (self.start, self.filled) = (offset, filled);
        Ok(())
    }

    /// Whether the file is all zeros from `offset` up to `end`, or to its own end.
    pub(super) fn is_zero_between(&mut self, offset: u64, end: u64) -> io::Result<bool> {
        let mut at = offset;
        while at < end {
            let bytes = self.get(at, WINDOW_BYTES.min(narrow(end - at)))?;
            if bytes.is_empty() {
                break;
            }
            if !is_zero(bytes) {
                return Ok(false);
            }
            at += widen(bytes.len());
        }
        Ok(true)
    }
}

/// A segment as found in a directory.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    pub(super) path: PathBuf,
    pub(super) base: u64,
    pub(super) capacity: u64,
}

/// Where a segment stops making sense.
#[derive(Clone, Debug)]
pub(super) struct Break {
    /// Offset of the first thing that is not whole.
    pub(super) offset: u64,
    /// The batch it is in, if that batch's own header is whole.
    pub(super) batch: Option<BatchHeader>,
    /// What was expected there.
    pub(super) what: &'static str,
}

/// What [`SegmentScan::step`] finds next.
pub(super) enum Step<'a> {
    /// A batch begins (or, with [`BatchKind::Cut`], the open one ends).
    Batch(BatchHeader),
    /// A record; its payload is verified unless it was to be skipped.
    Record {
        offset: u64,
        lsn: Lsn,
        payload: &'a [u8],
    },
    /// No batch begins here: zeros, or the end of the file.
    Unused { offset: u64 },
    /// Damage, or a write that did not finish.
    Broken(Break),
}

struct OpenBatch {
    header: BatchHeader,
    end: u64,
    left: u32,
}

/// Walks the batches and records of one segment.
pub(super) struct SegmentScan {
    window: Window,
    base: u64,
    capacity: u64,
    offset: u64,
    batch: Option<OpenBatch>,
    unverified_to: Lsn,
}

enum Next {
    Batch(BatchHeader),
    Record(u64, FrameHeader),
    Unused,
    Broken(&'static str),
}

impl SegmentScan {
    /// Starts behind the segment's header.
    pub(super) fn new(file: Arc<dyn StorageFile>, base: u64, capacity: u64) -> Self {
        Self {
            window: Window::new(file),
            base,
            capacity,
            offset: widen(SEGMENT_HEADER),
            batch: None,
            unverified_to: Lsn::ZERO,
        }
    }

    /// Passes over the payloads of records up to `lsn` without checking them.
    pub(super) fn skip_to(mut self, lsn: Lsn) -> Self {
        self.unverified_to = lsn;
        self
    }

    /// Position of what comes next.
    pub(super) fn position(&self) -> u64 {
        self.base + self.offset
    }

    /// Whether a batch is open, with records still to come.
    pub(super) fn is_inside_batch(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.left > 0)
    }

    /// Forgets what was read, so that the next step sees what is in the file now.
    pub(super) fn refresh(&mut self) {
        self.window.filled = 0;
    }

    /// The file as seen by the scan.
    pub(super) fn window(&mut self) -> &mut Window {
        &mut self.window
    }

    /// Finds the next batch or record. Does not move past an end or a break.
    pub(super) fn step(&mut self) -> io::Result<Step<'_>> {
        if self.batch.as_ref().is_some_and(|batch| batch.left == 0) {
            self.batch = None;
        }
        let next = match &self.batch {
            None => self.next_batch()?,
            Some(batch) => {
                let (left, end) = (batch.left, batch.end);
                self.next_record(left, end)?
            }
        };
        match next {
            Next::Batch(header) => {
                let end = self.offset + u64::from(header.total);
                self.offset += widen(BATCH_HEADER);
                self.batch = Some(OpenBatch {
                    left: header.count,
                    header,
                    end,
                });
                Ok(Step::Batch(header))
            }
            Next::Record(offset, frame) => {
                self.offset += widen(frame.frame_len());
                if let Some(batch) = &mut self.batch {
                    batch.left -= 1;
                }
                let lsn = Lsn::new(self.base + offset);
                let bytes = self.window.get(offset + widen(FRAME_HEADER), frame.len)?;
                Ok(Step::Record {
                    offset,
                    lsn,
                    payload: bytes,
                })
            }
            Next::Unused => Ok(Step::Unused {
                offset: self.offset,
            }),
            Next::Broken(what) => {
                let batch = self.batch.as_ref().map(|batch| batch.header);
                Ok(Step::Broken(Break {
                    offset: self.offset,
                    batch,
                    what,
                }))
            }
        }
    }

    fn next_batch(&mut self) -> io::Result<Next> {
        let room = self.capacity.saturating_sub(self.offset);
        let wanted = narrow(room.min(widen(BATCH_HEADER)));
        let bytes = self.window.get(self.offset, wanted)?;
        if is_zero(bytes) {
            return Ok(Next::Unused);
        }
        Ok(match BatchHeader::decode(bytes, self.base + self.offset) {
            Some(header) if header.kind == BatchKind::Cut => {
                Next::Broken("cut marker stands outside of a batch")
            }
            Some(header) if u64::from(header.total) <= room => Next::Batch(header),
            Some(_) => Next::Broken("batch reaches over the end of the segment"),
            None => Next::Broken("batch header is not whole"),
        })
    }

    fn next_record(&mut self, left: u32, end: u64) -> io::Result<Next> {
        let (offset, position) = (self.offset, self.base + self.offset);
        let lsn = Lsn::new(position);
        let is_unverified = lsn <= self.unverified_to;
        let room = narrow(end.saturating_sub(offset));
        let head = self.window.get(offset, FRAME_HEADER.min(room))?;
        let Some(frame) = FrameHeader::decode(head, lsn) else {
            let head = self.window.get(offset, BATCH_HEADER)?;
            let cut = BatchHeader::decode(head, position).filter(|it| it.kind == BatchKind::Cut);
            return Ok(cut.map_or(Next::Broken("record header is not whole"), Next::Batch));
        };
        let is_last = left == 1;
        if frame.frame_len() > room || (is_last && frame.frame_len() != room) {
            return Ok(Next::Broken("record does not fit its batch"));
        }
        let bytes = self.window.get(offset, frame.len + FRAME_OVERHEAD)?;
        let is_short = bytes.len() < frame.frame_len();
        if is_short || (!is_unverified && payload_of(bytes, frame).is_none()) {
            return Ok(Next::Broken("record fails its checksum"));
        }
        Ok(Next::Record(offset, frame))
    }
}

/// Checks that each batch follows the one before it, across segments.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain {
    /// Where the first batch must stand.
    start: u64,
    end: Option<u64>,
    last: Option<Lsn>,
    epoch: u64,
}

impl Chain {
    /// A log read from the segment at `base` on.
    pub(super) fn from_segment(base: u64) -> Self {
        Self {
            start: base + widen(SEGMENT_HEADER),
            ..Self::default()
        }
    }

    /// Checks that `header` continues the log.
    pub(super) fn enter(&mut self, header: &BatchHeader) -> Result<(), &'static str> {
        let is_next = match self.end {
            Some(end) => end == header.synced_to,
            None => self.start == header.position,
        };
        if !is_next {
            return Err("batches before this one are missing");
        }
        if self.last.is_some_and(|last| last != header.prev_lsn) {
            return Err("records before this batch are missing");
        }
        if header.epoch < self.epoch {
            return Err("batch of an older epoch stands behind one of a newer");
        }
        self.epoch = header.epoch;
        self.last = Some(header.prev_lsn);
        self.end = Some(header.position + widen(BATCH_HEADER));
        Ok(())
    }

    /// Notes that a record was passed, up to position `end`.
    pub(super) fn pass(&mut self, lsn: Lsn, end: u64) {
        self.last = Some(lsn);
        self.end = Some(end);
    }

    /// The last record passed, or known to stand before the first batch.
    pub(super) fn last(&self) -> Option<Lsn> {
        self.last
    }

    /// The highest epoch seen.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }
}
