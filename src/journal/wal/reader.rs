//! Reads a data directory for inspection: takes no lock, changes nothing, may run beside a writer.

use std::{collections::VecDeque, path::Path, sync::Arc};

use crate::journal::{ItemIter, JournalError, Lsn, Record, SnapshotInfo, SnapshotStore};

use super::{
    lock::read_epoch,
    open::{ArchiveGap, find_archived, find_segments, floor_of, list_or_none},
    recovery::{TailCut, judge},
    scan::{Break, Chain, SegmentFile, SegmentScan, Step, Window},
    segment::{Dirs, SEGMENT_HEADER, damaged, io_failed, open_segment, segment_name},
    snapshot::Snapshots,
    storage::{OsStorage, Storage, widen},
};

/// One thing found in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// A record that is whole.
    Record {
        /// File name of its segment.
        segment: Arc<str>,
        /// Byte offset of its frame in it.
        offset: u64,
        /// Position and payload.
        record: Record,
    },
    /// What the next opening for writing would cut: an unfinished write, or stray bits. Beside a
    /// running writer it is the batch just being written.
    Torn(TailCut),
}

/// What is in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// File name.
    pub name: String,
    /// Position of its first byte.
    pub base: u64,
    /// Size it was made with, bytes.
    pub capacity: u64,
    /// Bytes used, headers included.
    pub bytes_used: u64,
    /// Records in it.
    pub records: u64,
    /// Whether it lies in `archive/`.
    pub is_archived: bool,
    /// Its first record.
    pub first: Option<Lsn>,
    /// Its last record.
    pub last: Option<Lsn>,
}

/// A segment's file that has fewer bytes than it was made with: no crash does that, a broken copy does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortFile {
    /// File name.
    pub name: String,
    /// Position of its first byte.
    pub base: u64,
    /// Bytes it has.
    pub bytes: u64,
    /// Bytes it was made with.
    pub capacity: u64,
}

/// Reads the log and the snapshots of a data directory.
pub struct WalReader {
    storage: Arc<dyn Storage>,
    snapshots: Snapshots,
    segments: Vec<(SegmentFile, bool)>,
    gap: Option<ArchiveGap>,
}

impl WalReader {
    /// Finds what is in the data directory `dir`.
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] if a segment is missing or its header damaged,
    /// [`JournalError::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::open_in(dir, Arc::new(OsStorage))
    }

    /// The same on another file system.
    ///
    /// # Errors
    ///
    /// As [`WalReader::open`].
    pub fn open_in(dir: impl AsRef<Path>, storage: Arc<dyn Storage>) -> Result<Self, JournalError> {
        let dirs = Dirs::below(dir.as_ref());
        let (segments, gap) = find_all(storage.as_ref(), &dirs)?;
        let snapshots = Snapshots::new(Arc::clone(&storage), dirs.snapshots);
        Ok(Self {
            storage,
            snapshots,
            segments,
            gap,
        })
    }

    /// The newest archived segment that could not be used, so that it and what is older were not read.
    #[must_use]
    pub const fn gap(&self) -> Option<&ArchiveGap> {
        self.gap.as_ref()
    }

    /// Everything in the log, archive first.
    #[must_use]
    pub fn records(&self) -> Records {
        self.records_of(
            self.segments
                .iter()
                .map(|(segment, _)| segment.clone())
                .collect(),
        )
    }

    /// The records after `after`, read from the segment in which it stands.
    pub fn records_after(
        &self,
        after: Lsn,
    ) -> impl Iterator<Item = Result<LogEntry, JournalError>> + Send + use<> {
        let begin = self
            .segments
            .partition_point(|(segment, _)| segment.base <= after.get());
        let segments = self.segments.iter().skip(begin.saturating_sub(1));
        let records = self.records_of(segments.map(|(segment, _)| segment.clone()).collect());
        records.filter(move |entry| match entry {
            Ok(LogEntry::Record { record, .. }) => record.lsn > after,
            Ok(LogEntry::Torn(_)) | Err(_) => true,
        })
    }

    /// The epoch of the directory's last opening for writing; `None` if there was none.
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] if its file is damaged, [`JournalError::Io`].
    pub fn epoch(dir: impl AsRef<Path>) -> Result<Option<u64>, JournalError> {
        read_epoch(&OsStorage, dir.as_ref())
    }

    /// The segments whose files have become shorter.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn short_files(&self) -> Result<Vec<ShortFile>, JournalError> {
        let mut short = Vec::new();
        for (segment, _) in &self.segments {
            let bytes = open_segment(self.storage.as_ref(), &segment.path)
                .and_then(|file| file.size())
                .map_err(io_failed("reading", &segment.path))?;
            if bytes < segment.capacity {
                short.push(ShortFile {
                    name: segment_name(segment.base),
                    base: segment.base,
                    bytes,
                    capacity: segment.capacity,
                });
            }
        }
        Ok(short)
    }

    /// The last record in front of the first segment; zero if the log has its beginning.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn floor(&self) -> Result<Lsn, JournalError> {
        let first = self.segments.first();
        first.map_or(Ok(Lsn::ZERO), |(segment, _)| {
            floor_of(self.storage.as_ref(), segment)
        })
    }

    /// Where the first segment begins and the last one ends, for which bytes there is room.
    #[must_use]
    pub fn bounds(&self) -> (u64, u64) {
        let first = self.segments.first().map_or(0, |(segment, _)| segment.base);
        let last = self.segments.last();
        let end = last.map_or(first, |(segment, _)| segment.base + segment.capacity);
        (first, end)
    }

    /// Reads every segment and says what is in it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`], [`JournalError::Io`].
    pub fn segments(&self) -> Result<Vec<SegmentInfo>, JournalError> {
        let mut infos: Vec<SegmentInfo> = Vec::new();
        for (segment, is_archived) in &self.segments {
            infos.push(SegmentInfo {
                name: segment_name(segment.base),
                base: segment.base,
                capacity: segment.capacity,
                bytes_used: widen(SEGMENT_HEADER),
                records: 0,
                is_archived: *is_archived,
                first: None,
                last: None,
            });
        }
        let mut records = self.records();
        for entry in records.by_ref() {
            let LogEntry::Record { record, .. } = entry? else {
                continue;
            };
            let at = infos.partition_point(|info| info.base <= record.lsn.get());
            if let Some(info) = at.checked_sub(1).and_then(|at| infos.get_mut(at)) {
                info.records += 1;
                info.first = info.first.or(Some(record.lsn));
                info.last = Some(record.lsn);
            }
        }
        for (info, used) in infos.iter_mut().zip(records.used) {
            info.bytes_used = used;
        }
        Ok(infos)
    }

    /// The finished snapshots, newest first.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`].
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>, JournalError> {
        self.snapshots.list()
    }

    /// The items of the snapshot at `lsn`.
    ///
    /// # Errors
    ///
    /// [`JournalError::NotFound`], [`JournalError::Corrupt`], [`JournalError::Io`].
    pub fn open_snapshot(&self, lsn: Lsn) -> Result<ItemIter, JournalError> {
        self.snapshots.open(lsn)
    }

    fn records_of(&self, segments: Vec<SegmentFile>) -> Records {
        Records {
            storage: Arc::clone(&self.storage),
            chain: Chain::from_segment(segments.first().map_or(0, |segment| segment.base)),
            waiting: segments.into(),
            current: None,
            used: Vec::new(),
        }
    }
}

/// How often the files are listed while a server changes them.
const FINDS_MAX: u32 = 16;

type Found = (Vec<(SegmentFile, bool)>, Option<ArchiveGap>);

/// The segments, archive first, each with whether it lies there.
fn find_all(storage: &dyn Storage, dirs: &Dirs) -> Result<Found, JournalError> {
    let mut before = None;
    let mut tries = 0;
    loop {
        tries += 1;
        let found = find_segments(storage, &dirs.wal).and_then(|(live, _)| {
            let first = live.first().map_or(0, |segment| segment.base);
            let (archived, gap) = find_archived(storage, &dirs.archive, first)?;
            let archived = archived.into_iter().map(|segment| (segment, true));
            let live = live.into_iter().map(|segment| (segment, false));
            Ok((archived.chain(live).collect(), gap))
        });
        let is_doubtful = !matches!(found, Ok((_, None)));
        if !is_doubtful {
            return found;
        }
        // A list of files that a running server moves meanwhile may have holes that are none: only what is found
        // wrong twice among the same files is wrong.
        let names = list_or_none(storage, &dirs.wal)?;
        if before.as_ref() == Some(&names) || tries == FINDS_MAX {
            return found;
        }
        before = Some(names);
    }
}

/// How often what looks like the end, or like damage, is read again: a writer may be at work there.
const LOOKS_MAX: u32 = 4;

struct Current {
    segment: SegmentFile,
    name: Arc<str>,
    scan: SegmentScan,
    /// Where the last doubt was, and how often it was looked at.
    doubt: (u64, u32),
}

/// What [`WalReader::records`] returns. Ends after the first error.
pub struct Records {
    storage: Arc<dyn Storage>,
    waiting: VecDeque<SegmentFile>,
    current: Option<Current>,
    chain: Chain,
    /// Bytes used of each segment that was read to its end.
    used: Vec<u64>,
}

enum End {
    /// Zeros from here to the end of the segment.
    Clean(u64),
    Broken(Break),
}

impl Records {
    fn advance(&mut self) -> Result<Option<LogEntry>, JournalError> {
        loop {
            let Some(current) = &mut self.current else {
                if !self.open_next()? {
                    return Ok(None);
                }
                continue;
            };
            let Current {
                segment,
                name,
                scan,
                ..
            } = current;
            let position = scan.position();
            let end = match scan.step().map_err(io_failed("reading", &segment.path))? {
                Step::Batch(header) => {
                    let refuse =
                        |what| damaged(&segment.path, segment.base, position - segment.base, what);
                    self.chain.enter(&header).map_err(refuse)?;
                    continue;
                }
                Step::Record {
                    offset,
                    lsn,
                    payload,
                } => {
                    let record = Record {
                        lsn,
                        payload: payload.to_vec(),
                    };
                    let segment = Arc::clone(name);
                    self.chain.pass(lsn, scan.position());
                    return Ok(Some(LogEntry::Record {
                        segment,
                        offset,
                        record,
                    }));
                }
                Step::Unused { offset } => current.clean_or_broken(offset)?,
                Step::Broken(found) => End::Broken(found),
            };
            if let Some(entry) = self.conclude(end)? {
                return Ok(Some(entry));
            }
        }
    }

    /// Decides about the end of a segment, unless looking again shows more.
    fn conclude(&mut self, end: End) -> Result<Option<LogEntry>, JournalError> {
        let is_rest_unused = self.is_rest_unused()?;
        let current = self
            .current
            .as_mut()
            .expect("Invariant: a segment is being read");
        let is_settled = is_rest_unused && matches!(end, End::Clean(_));
        let looks = current.look();
        if !is_settled && looks < 2 {
            return Ok(None);
        }
        let (used, torn) = match end {
            End::Clean(used) => (used, None),
            End::Broken(found) => {
                let later = self.waiting.make_contiguous();
                let used = found.offset;
                match judge(self.storage.as_ref(), &current.segment, later, 0, found) {
                    Ok(cut) => (used, Some(LogEntry::Torn(cut.report))),
                    Err(_) if looks < LOOKS_MAX => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        };
        self.used.push(used);
        self.current = None;
        if is_rest_unused {
            // A writer that reaches the next segment only now has also added to this one.
            self.waiting.clear();
        }
        Ok(torn)
    }

    fn is_rest_unused(&self) -> Result<bool, JournalError> {
        for segment in &self.waiting {
            let is_unused = open_segment(self.storage.as_ref(), &segment.path)
                .map(Window::new)
                .and_then(|mut it| it.is_zero_between(widen(SEGMENT_HEADER), segment.capacity))
                .map_err(io_failed("reading", &segment.path))?;
            if !is_unused {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn open_next(&mut self) -> Result<bool, JournalError> {
        let Some(segment) = self.waiting.pop_front() else {
            return Ok(false);
        };
        let file = open_segment(self.storage.as_ref(), &segment.path);
        let file = file.map_err(io_failed("opening", &segment.path))?;
        let scan = SegmentScan::new(file, segment.base, segment.capacity);
        let name = segment_name(segment.base).into();
        self.current = Some(Current {
            segment,
            name,
            scan,
            doubt: (0, 0),
        });
        Ok(true)
    }
}

impl Current {
    fn clean_or_broken(&mut self, offset: u64) -> Result<End, JournalError> {
        let is_clean = self
            .scan
            .window()
            .is_zero_between(offset, self.segment.capacity);
        if is_clean.map_err(io_failed("reading", &self.segment.path))? {
            return Ok(End::Clean(offset));
        }
        let what = "something stands behind the end of the log";
        Ok(End::Broken(Break {
            offset,
            batch: None,
            what,
        }))
    }

    /// Counts the looks at this place; the next step reads it anew.
    fn look(&mut self) -> u32 {
        let position = self.scan.position();
        let looks = if self.doubt.0 == position {
            self.doubt.1 + 1
        } else {
            1
        };
        self.doubt = (position, looks);
        self.scan.refresh();
        looks
    }
}

impl Iterator for Records {
    type Item = Result<LogEntry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if matches!(next, None | Some(Err(_))) {
            self.current = None;
            self.waiting.clear();
        }
        next
    }
}
