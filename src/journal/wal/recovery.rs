//! Reads the whole log at open and decides what its end is: clean, torn (cut), or damaged (refused).
//!
//! A break is cut only if no later batch proves that it had been synced, and if bytes are missing
//! as an interrupted write leaves them: the file ends, or a sector is still zeros that the batch
//! says is not. Whole bytes that fail their checksum were changed after they were written.

use std::{path::PathBuf, sync::Arc};

use tracing::warn;

use crate::journal::{JournalError, Lsn};

use super::{
    frame::{
        BATCH_HEADER, BATCH_MAGIC, BatchHeader, BatchKind, SECTOR, bits_set, count_zero, is_zero,
    },
    scan::{Break, Chain, SegmentFile, SegmentScan, Step, Window},
    segment::{SEGMENT_HEADER, damaged, io_failed, open_segment},
    storage::{Storage, StorageFile, narrow, widen, write_all_at},
    zeros::fill_zeros,
};

const SEARCH_BYTES: usize = 1 << 20;
/// With at most this many bits set, what follows the log is stray bits, not a batch: a batch's
/// header alone has more.
const STRAY_BITS_MAX: u32 = 8;

/// What recovery removed from the end of the log: never acknowledged, or never written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailCut {
    /// Which file.
    pub file: PathBuf,
    /// Offset from which it was cleared.
    pub offset: u64,
    /// The position there.
    pub lsn: Lsn,
    /// From there to the last byte that was not zero.
    pub bytes: u64,
    /// What was found there.
    pub what: String,
}

/// What is known of the log once it was read.
#[derive(Debug, Default)]
pub(super) struct LogState {
    /// Records found.
    pub(super) records: u64,
    /// Bytes of their payloads.
    pub(super) bytes: u64,
    /// Where the next batch goes; zero if there is no segment.
    pub(super) end: u64,
    /// Whether a close marker stands at the end.
    pub(super) is_closed: bool,
    /// What must be cut.
    pub(super) cuts: Vec<Cut>,
    /// The last record of each segment that has one.
    pub(super) last_lsns: Vec<(u64, Lsn)>,
    /// The batch at the end, which nothing later proves to be synced.
    pub(super) last_batch: Option<(usize, u64)>,
    /// Continuity, last record and highest epoch.
    pub(super) chain: Chain,
}

impl LogState {
    /// The last record, or a position where none is known: that before the first one to come.
    pub(super) fn last_lsn(&self, segments: &[SegmentFile]) -> Lsn {
        let first = segments.first().map_or(0, |segment| segment.base);
        self.chain.last().unwrap_or(Lsn::new(first))
    }
}

/// One decision to clear the rest of a segment.
#[derive(Debug)]
pub(super) struct Cut {
    segment: usize,
    /// Set if records of the batch stay before it.
    keeps: Option<BatchHeader>,
    pub(super) report: TailCut,
}

/// Reads all `segments`, in order. Changes nothing.
pub(super) fn examine(
    storage: &dyn Storage,
    segments: &[SegmentFile],
) -> Result<LogState, JournalError> {
    let mut state = LogState::default();
    for (index, segment) in segments.iter().enumerate() {
        let file = storage
            .open_read(&segment.path)
            .map_err(io_failed("opening", &segment.path))?;
        if index == 0 {
            state.end = segment.base + widen(SEGMENT_HEADER);
            state.chain = Chain::from_segment(segment.base);
        }
        if let Some(found) = examine_segment(&mut state, index, segment, file)? {
            let later = segments.get(index + 1..).unwrap_or_default();
            let cut = judge(storage, segment, later, index, found)?;
            if cut.keeps.is_some() {
                state.end = cut.report.lsn.get();
            }
            state.cuts.push(cut);
        }
    }
    Ok(state)
}

fn examine_segment(
    state: &mut LogState,
    index: usize,
    segment: &SegmentFile,
    file: Arc<dyn StorageFile>,
) -> Result<Option<Break>, JournalError> {
    let reading = || io_failed("reading", &segment.path);
    let mut scan = SegmentScan::new(file, segment.base, segment.capacity);
    loop {
        let position = scan.position();
        match scan.step().map_err(reading())? {
            Step::Batch(header) => {
                let offset = position - segment.base;
                let refuse = |what| damaged(&segment.path, segment.base, offset, what);
                state.chain.enter(&header).map_err(refuse)?;
                state.is_closed = header.kind == BatchKind::Close;
                if header.kind != BatchKind::Cut {
                    state.last_batch = Some((index, offset));
                }
            }
            Step::Record { lsn, payload, .. } => {
                state.records += 1;
                state.bytes += widen(payload.len());
                let end = scan.position();
                state.chain.pass(lsn, end);
                match state
                    .last_lsns
                    .last_mut()
                    .filter(|(base, _)| *base == segment.base)
                {
                    Some((_, last)) => *last = lsn,
                    None => state.last_lsns.push((segment.base, lsn)),
                }
            }
            Step::Unused { offset } => {
                let rest = scan.window().is_zero_between(offset, segment.capacity);
                if rest.map_err(reading())? {
                    return Ok(None);
                }
                let what = "something stands behind the end of the log";
                return Ok(Some(Break {
                    offset,
                    batch: None,
                    what,
                }));
            }
            Step::Broken(found) => return Ok(Some(found)),
        }
        if !scan.is_inside_batch() {
            state.end = scan.position();
        }
    }
}

/// Decides whether `found` is an unfinished write.
///
/// # Errors
///
/// [`JournalError::Corrupt`] if it is not, or if something later proves that it had been synced.
pub(super) fn judge(
    storage: &dyn Storage,
    segment: &SegmentFile,
    later: &[SegmentFile],
    index: usize,
    found: Break,
) -> Result<Cut, JournalError> {
    let corrupt = |what: String| damaged(&segment.path, segment.base, found.offset, what);
    let broken_at = segment.base + found.offset;
    let mut from = found.offset + 1;
    for candidate in std::iter::once(segment).chain(later) {
        let proof = find_proof(storage, candidate, from, broken_at)
            .map_err(io_failed("reading", &candidate.path))?;
        if let Some(position) = proof {
            return Err(corrupt(format!(
                "{}, yet position {position} follows",
                found.what
            )));
        }
        from = widen(SEGMENT_HEADER);
    }
    let file = open_segment(storage, &segment.path).map_err(io_failed("opening", &segment.path))?;
    let size = file.size().map_err(io_failed("reading", &segment.path))?;
    let mut window = Window::new(file);
    let capacity = segment.capacity.min(size);
    let evidence = Evidence {
        base: segment.base,
        capacity,
        found: &found,
    };
    let (is_unwritten, last_used) = evidence
        .weigh(&mut window)
        .map_err(io_failed("reading", &segment.path))?;
    if !is_unwritten {
        return Err(corrupt(format!(
            "{}, though all of it was written",
            found.what
        )));
    }
    let starts_at = |header: &BatchHeader| header.position - segment.base;
    let is_kept = |header: &BatchHeader| found.offset > starts_at(header) + widen(BATCH_HEADER);
    let keeps = found.batch.filter(is_kept);
    let offset = match (keeps, found.batch) {
        (None, Some(header)) => starts_at(&header),
        _ => found.offset,
    };
    let report = TailCut {
        file: segment.path.clone(),
        offset,
        lsn: Lsn::new(segment.base + offset),
        bytes: last_used.saturating_sub(offset),
        what: found.what.to_owned(),
    };
    Ok(Cut {
        segment: index,
        keeps,
        report,
    })
}

/// A whole batch header at or behind `from` that says everything before it, and so `broken_at`, was
/// synced.
fn find_proof(
    storage: &dyn Storage,
    segment: &SegmentFile,
    from: u64,
    broken_at: u64,
) -> std::io::Result<Option<u64>> {
    let mut window = Window::new(open_segment(storage, &segment.path)?);
    let mut at = from;
    loop {
        let bytes = window.get(at, SEARCH_BYTES)?;
        if bytes.len() < BATCH_HEADER {
            return Ok(None);
        }
        for (skip, candidate) in bytes.windows(BATCH_HEADER).enumerate() {
            if candidate.starts_with(&BATCH_MAGIC) {
                let position = segment.base + at + widen(skip);
                let header = BatchHeader::decode(candidate, position);
                if header.is_some_and(|header| header.synced_to > broken_at) {
                    return Ok(Some(position));
                }
            }
        }
        at += widen(bytes.len() - BATCH_HEADER + 1);
    }
}

struct Evidence<'a> {
    base: u64,
    capacity: u64,
    found: &'a Break,
}

impl Evidence<'_> {
    /// Whether bytes are missing that an unfinished write leaves missing, and the offset behind the
    /// last byte that is not zero.
    fn weigh(&self, window: &mut Window) -> std::io::Result<(bool, u64)> {
        let (used_to, bits) = self.remainder(window)?;
        let is_unwritten = match self.found.batch {
            Some(header) => self.is_batch_torn(window, &header)?,
            None => bits <= STRAY_BITS_MAX || self.is_header_torn(window)?,
        };
        Ok((is_unwritten, used_to))
    }

    /// Where the last byte that is not zero ends, and how many bits are set (about, once many).
    fn remainder(&self, window: &mut Window) -> std::io::Result<(u64, u32)> {
        let (mut at, mut used_to, mut bits) = (self.found.offset, self.found.offset, 0_u32);
        while at < self.capacity {
            let bytes = window.get(at, SEARCH_BYTES.min(narrow(self.capacity - at)))?;
            if bytes.is_empty() {
                break;
            }
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                used_to = at + widen(last) + 1;
            }
            bits = bits.saturating_add(bits_set(bytes, STRAY_BITS_MAX));
            at += widen(bytes.len());
        }
        Ok((used_to, bits))
    }

    fn is_batch_torn(&self, window: &mut Window, header: &BatchHeader) -> std::io::Result<bool> {
        let total = narrow(header.total.into());
        let at = header.position - self.base;
        let bytes = window.get(at, total)?;
        let is_short = bytes.len() < total;
        let lacks_end = bytes.last().is_none_or(|byte| *byte == 0);
        Ok(is_short || lacks_end || count_zero(bytes, at) > header.sparse)
    }

    /// A header is torn if the file ends in it, or if it is zeros from some byte to the end of a
    /// sector, or from its first byte to the end of the sector that it begins in.
    fn is_header_torn(&self, window: &mut Window) -> std::io::Result<bool> {
        let start = self.found.offset;
        let last = start + widen(BATCH_HEADER) - 1;
        if last >= self.capacity {
            return Ok(true);
        }
        let sector_end = |offset: u64| (offset + 1).next_multiple_of(SECTOR);
        let is_end_missing = window.is_zero_between(last, sector_end(last))?;
        let first_end = sector_end(start);
        let first = window.get(start, narrow(first_end - start))?;
        Ok(is_end_missing || (first_end <= last && is_zero(first)))
    }
}

/// Carries out the cuts of `state`, and makes everything that stays durable.
///
/// The last batch is written again, because a sync that failed before the restart may have left it
/// in the cache only, marked as clean.
pub(super) fn repair(
    storage: &dyn Storage,
    segments: &[SegmentFile],
    state: &mut LogState,
    epoch: u64,
) -> Result<Vec<TailCut>, JournalError> {
    for (index, segment) in segments.iter().enumerate() {
        let repairing = || io_failed("repairing", &segment.path);
        let cut = state.cuts.iter().find(|cut| cut.segment == index);
        let file = storage.open_write(&segment.path).map_err(repairing())?;
        let size = file.size().map_err(repairing())?;
        let mut is_changed = size < segment.capacity;
        if is_changed {
            warn!(file = %segment.path.display(), size, capacity = segment.capacity,
                "segment is shorter than it was made; filling it up with zeros");
            fill_zeros(file.as_ref(), (size, segment.capacity), &|_| ()).map_err(repairing())?;
        }
        if let Some(cut) = cut {
            let TailCut {
                file: path,
                offset,
                lsn,
                bytes,
                what,
            } = &cut.report;
            warn!(file = %path.display(), offset, %lsn, bytes, what, "cutting the end of the log");
            fill_zeros(file.as_ref(), (*offset, segment.capacity), &|_| ()).map_err(repairing())?;
            is_changed = true;
        }
        if is_changed {
            file.sync_all().map_err(repairing())?;
        }
        if let Some((_, batch_at)) = state.last_batch.filter(|(at, _)| *at == index) {
            let end = state
                .end
                .min(segment.base + segment.capacity)
                .saturating_sub(segment.base);
            rewrite(file.as_ref(), batch_at, end).map_err(repairing())?;
        }
        if let Some(Cut {
            keeps: Some(_),
            report,
            ..
        }) = cut
        {
            let last = state.chain.last().unwrap_or_default();
            let marker = BatchHeader::marker(BatchKind::Cut, report.lsn.get(), last, epoch);
            write_all_at(file.as_ref(), &marker.encode(), report.offset).map_err(repairing())?;
            state.end = report.lsn.get() + widen(BATCH_HEADER);
            file.sync_data().map_err(repairing())?;
        }
    }
    Ok(state.cuts.drain(..).map(|cut| cut.report).collect())
}

fn rewrite(file: &dyn StorageFile, from: u64, to: u64) -> std::io::Result<()> {
    let mut bytes = vec![0; narrow(to.saturating_sub(from))];
    let read = super::storage::read_full_at(file, &mut bytes, from)?;
    write_all_at(file, bytes.get(..read).unwrap_or_default(), from)?;
    file.sync_data()
}
