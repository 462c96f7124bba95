//! Reads durable records: many in order, or one by its position.

use std::sync::Arc;

use crate::journal::{JournalError, Lsn, Record};

use super::{
    catalog::Catalog,
    frame::{FRAME_HEADER, FrameHeader, payload_of},
    scan::{Chain, SegmentFile, SegmentScan, Step},
    segment::{SEGMENT_HEADER, damaged, io_failed},
    storage::{StorageFile, narrow, read_full_at, widen},
};

/// Most records fit, so that one read suffices.
const READ_BYTES: usize = 2048;

/// Streams the records after a position, up to an end that is durable.
pub(super) struct LogIter {
    catalog: Arc<Catalog>,
    next_segment: Option<SegmentFile>,
    current: Option<(SegmentFile, SegmentScan)>,
    chain: Chain,
    after: Lsn,
    end: u64,
}

/// A [`LogIter`] that goes on from its end when more has become durable.
pub(super) struct Following<F> {
    log: LogIter,
    durable_end: F,
    has_failed: bool,
}

impl<F: Fn() -> u64> Iterator for Following<F> {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let mut next = self.log.advance();
        if matches!(next, Ok(None)) && self.log.extend((self.durable_end)()) {
            next = self.log.advance();
        }
        self.has_failed = next.is_err();
        next.transpose()
    }
}

impl LogIter {
    /// Records after `after` that stand before position `end`.
    pub(super) fn new(catalog: Arc<Catalog>, after: Lsn, end: u64) -> Result<Self, JournalError> {
        if after < catalog.floor() {
            return Err(JournalError::NotFound { lsn: after });
        }
        let next_segment = catalog.containing(after.get()).or_else(|| catalog.first());
        let first = next_segment.as_ref().map_or(0, |segment| segment.base);
        let (current, chain) = (None, Chain::from_segment(first));
        Ok(Self {
            catalog,
            next_segment,
            current,
            chain,
            after,
            end,
        })
    }

    /// Makes it go on from its end each time it is asked again.
    pub(super) fn following<F: Fn() -> u64>(self, durable_end: F) -> Following<F> {
        Following {
            log: self,
            durable_end,
            has_failed: false,
        }
    }

    /// Moves the end on; `false` if it is where it was. What lay behind the old end is read anew.
    fn extend(&mut self, end: u64) -> bool {
        if end <= self.end {
            return false;
        }
        self.end = end;
        if let Some((_, scan)) = &mut self.current {
            scan.refresh();
        }
        if self.current.is_none() && self.next_segment.is_none() {
            let known = self.catalog.containing(self.after.get());
            self.next_segment = known.or_else(|| self.catalog.first());
        }
        true
    }

    fn advance(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            let Some((segment, scan)) = &mut self.current else {
                if !self.open_next()? {
                    return Ok(None);
                }
                continue;
            };
            let position = scan.position();
            if position >= self.end {
                return Ok(None);
            }
            let step = scan.step().map_err(io_failed("reading", &segment.path))?;
            match step {
                Step::Batch(header) => {
                    let refuse =
                        |what| damaged(&segment.path, segment.base, position - segment.base, what);
                    self.chain.enter(&header).map_err(refuse)?;
                }
                Step::Record { lsn, payload, .. } => {
                    let record = (lsn > self.after).then(|| payload.to_vec());
                    self.chain.pass(lsn, scan.position());
                    if let Some(payload) = record {
                        return Ok(Some(Record { lsn, payload }));
                    }
                }
                Step::Unused { offset } => {
                    let next = segment.base + segment.capacity;
                    if self.end <= next {
                        let what = "durable records are missing here";
                        return Err(damaged(&segment.path, segment.base, offset, what));
                    }
                    self.next_segment = self.catalog.containing(next);
                    if self.next_segment.is_none() {
                        return Err(JournalError::NotFound { lsn: self.after });
                    }
                    self.current = None;
                }
                Step::Broken(found) => {
                    return Err(damaged(
                        &segment.path,
                        segment.base,
                        found.offset,
                        found.what,
                    ));
                }
            }
        }
    }

    fn open_next(&mut self) -> Result<bool, JournalError> {
        let Some(segment) = self.next_segment.take() else {
            return Ok(false);
        };
        if segment.base >= self.end {
            return Ok(false);
        }
        let file = self.catalog.open(segment.base)?;
        let file = file.ok_or(JournalError::NotFound { lsn: self.after })?;
        let scan = SegmentScan::new(file, segment.base, segment.capacity).skip_to(self.after);
        self.current = Some((segment, scan));
        Ok(true)
    }
}

impl Iterator for LogIter {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.current = None;
            self.next_segment = None;
        }
        next
    }
}

/// Reads the one durable record at `lsn`.
pub(super) fn read_one(catalog: &Catalog, lsn: Lsn, end: u64) -> Result<Vec<u8>, JournalError> {
    let missing = || JournalError::NotFound { lsn };
    let segment = catalog.containing(lsn.get()).ok_or_else(missing)?;
    let offset = lsn.get() - segment.base;
    if offset < widen(SEGMENT_HEADER) || lsn.get() >= end {
        return Err(missing());
    }
    let file = catalog.open(segment.base)?.ok_or_else(missing)?;
    let reading = || io_failed("reading", &segment.path);
    let mut bytes = vec![0; READ_BYTES];
    let read = read_full_at(file.as_ref(), &mut bytes, offset).map_err(reading())?;
    bytes.truncate(read);
    if let Some(frame) = FrameHeader::decode(&bytes, lsn) {
        let frame_len = frame.frame_len();
        if widen(frame_len) <= segment.capacity - offset && frame_len > bytes.len() {
            bytes.resize(frame_len, 0);
            let read = read_full_at(file.as_ref(), &mut bytes, offset).map_err(reading())?;
            bytes.truncate(read);
        }
        let is_whole = payload_of(bytes.get(..frame_len).unwrap_or_default(), frame).is_some();
        if is_whole {
            bytes.truncate(FRAME_HEADER + frame.len);
            bytes.drain(..FRAME_HEADER);
            return Ok(bytes);
        }
    }
    Err(explain(&segment, file, lsn)?)
}

/// Why there is no whole record at `lsn`: none begins there, or its bytes are damaged.
fn explain(
    segment: &SegmentFile,
    file: Arc<dyn StorageFile>,
    lsn: Lsn,
) -> Result<JournalError, JournalError> {
    let before = Lsn::new(lsn.get().saturating_sub(1));
    let mut scan = SegmentScan::new(file, segment.base, segment.capacity).skip_to(before);
    loop {
        let position = scan.position();
        if position > lsn.get() {
            return Ok(JournalError::NotFound { lsn });
        }
        match scan.step().map_err(io_failed("reading", &segment.path))? {
            Step::Batch(_) | Step::Record { .. } => {}
            Step::Unused { .. } => return Ok(JournalError::NotFound { lsn }),
            Step::Broken(found) => {
                let (path, base) = (&segment.path, segment.base);
                return Ok(damaged(path, base, found.offset, found.what));
            }
        }
    }
}

/// Reads a prefix of a file.
pub(super) fn read_prefix(file: &dyn StorageFile, len: usize) -> std::io::Result<Vec<u8>> {
    let size = file.size()?;
    let mut bytes = vec![0; len.min(narrow(size))];
    let read = read_full_at(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}
