//! Opens a data directory for writing: lock, find, examine, fence, repair, start.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use tracing::warn;

use crate::journal::{JournalError, Lsn};

use super::{
    WalJournal,
    catalog::Catalog,
    committer::Committer,
    disk::{Ready, ReadySegment, Steward},
    iter::read_prefix,
    lock::{lock, read_epoch, write_epoch},
    options::WalOptions,
    pace::Pace,
    queue::{Queue, Tail},
    recovery::{LogState, TailCut, examine, repair},
    running::Running,
    scan::{SegmentFile, SegmentScan, Step, Window},
    segment::{
        Dirs, SEGMENT_HEADER, SegmentHeader, TEMPORARY_SUFFIX, create_segment, damaged, io_failed,
        open_segment, parse_segment_name, segment_name,
    },
    shared::Core,
    snapshot::Snapshots,
    storage::{Storage, StorageFile},
};

/// What was found when a journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The epoch of this opening.
    pub epoch: u64,
    /// Records read and verified (those not yet retired).
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Segments read.
    pub segments: usize,
    /// The last record.
    pub last: Lsn,
    /// Whether the log was closed cleanly before.
    pub is_clean: bool,
    /// What was cut from the end; empty after a clean close and after most crashes.
    pub cuts: Vec<TailCut>,
}

/// See [`WalJournal::open`].
pub(super) fn open(
    options: WalOptions,
    storage: Arc<dyn Storage>,
) -> Result<(WalJournal, Recovered), JournalError> {
    options.check()?;
    let dirs = Dirs::below(&options.dir);
    for dir in [&dirs.root, &dirs.wal, &dirs.archive, &dirs.snapshots] {
        storage
            .create_dir_all(dir)
            .map_err(io_failed("creating", dir))?;
    }
    let guard = lock(storage.as_ref(), &dirs)?;
    for dir in [&dirs.root, &dirs.wal, &dirs.snapshots] {
        remove_temporaries(storage.as_ref(), dir)?;
    }
    let epoch_before = read_epoch(storage.as_ref(), &dirs.root)?;
    let segments = find_or_create(&options, storage.as_ref(), &dirs, epoch_before)?;
    let mut state = examine(storage.as_ref(), &segments)?;
    let last = state.last_lsn(&segments);
    let snapshots = Snapshots::new(Arc::clone(&storage), dirs.snapshots.clone());
    snapshots.refuse_ahead_of(last)?;
    let epoch = epoch_before.unwrap_or_default().max(state.chain.epoch()) + 1;
    write_epoch(storage.as_ref(), &dirs.root, epoch)?;
    let cuts = repair(storage.as_ref(), &segments, &mut state, epoch)?;
    let recovered = Recovered {
        epoch,
        records: state.records,
        bytes: state.bytes,
        segments: segments.len(),
        last,
        is_clean: state.is_closed && cuts.is_empty(),
        cuts,
    };
    let journal = start(
        options,
        storage,
        dirs,
        (guard, snapshots),
        (segments, state, &recovered),
    )?;
    Ok((journal, recovered))
}

fn start(
    options: WalOptions,
    storage: Arc<dyn Storage>,
    dirs: Dirs,
    (guard, snapshots): (super::storage::LockGuard, Snapshots),
    (segments, state, recovered): (Vec<SegmentFile>, LogState, &Recovered),
) -> Result<WalJournal, JournalError> {
    let tail_of = |segment: &&SegmentFile| segment.base < state.end;
    let active = segments
        .iter()
        .rfind(tail_of)
        .expect("Invariant: the log ends in a segment");
    let catalog = Arc::new(catalog_of(&storage, &dirs, &segments, &state, active.base)?);
    let behind: Vec<_> = segments.iter().filter(|it| it.base > active.base).collect();
    let tail = Tail {
        segment: active.base,
        capacity: active.capacity,
        end: state.end,
        ahead: behind.iter().map(|segment| segment.capacity).collect(),
        segment_bytes: options.segment_bytes,
    };
    let mut ready = VecDeque::new();
    for segment in behind {
        let file = open_write(storage.as_ref(), &segment.path)?;
        ready.push_back(ReadySegment {
            base: segment.base,
            file,
        });
    }
    let ready_end = segments
        .last()
        .map_or(0, |segment| segment.base + segment.capacity);
    let (last, end) = (recovered.last, state.end);
    let ready = Ready::new(ready, ready_end);
    let core = Arc::new(Core::new(
        Queue::new(tail),
        catalog,
        ready,
        recovered.epoch,
        (last, end),
    ));
    let committer = Committer {
        core: Arc::clone(&core),
        segment: active.base,
        file: open_write(storage.as_ref(), &active.path)?,
        capacity: active.capacity,
        last,
        end,
        observer: options.observer.clone(),
        pace: Pace::new(options.commit_pause),
    };
    let steward = Steward {
        core: Arc::clone(&core),
        storage,
        dirs,
        segment_bytes: options.segment_bytes,
        min_free_bytes: options.min_free_bytes,
        poll: options.disk_poll,
        clock: options.clock.clone(),
    };
    if steward.measure() {
        warn!(
            required = options.min_free_bytes,
            "disk is low: refusing appends"
        );
    }
    let marked_end = state.is_closed.then_some(end);
    let running = Running::start(committer, steward, guard, marked_end)?;
    let snapshots = snapshots.up_to(core.durable_cell(), options.snapshot_sync_bytes);
    Ok(WalJournal {
        core,
        options,
        snapshots,
        running: Mutex::new(Some(running)),
    })
}

fn open_write(storage: &dyn Storage, path: &Path) -> Result<Arc<dyn StorageFile>, JournalError> {
    storage.open_write(path).map_err(io_failed("opening", path))
}

fn remove_temporaries(storage: &dyn Storage, dir: &Path) -> Result<(), JournalError> {
    let names = storage.list(dir).map_err(io_failed("listing", dir))?;
    for name in names.iter().filter(|name| name.ends_with(TEMPORARY_SUFFIX)) {
        let path = dir.join(name);
        warn!(file = %path.display(), "removing what an interrupted run left half made");
        storage
            .remove(&path)
            .map_err(io_failed("removing", &path))?;
    }
    Ok(())
}

/// The segments of `wal/`; in a new directory, the first one is made.
fn find_or_create(
    options: &WalOptions,
    storage: &dyn Storage,
    dirs: &Dirs,
    epoch_before: Option<u64>,
) -> Result<Vec<SegmentFile>, JournalError> {
    let (mut segments, unmade) = find_segments(storage, &dirs.wal)?;
    let create_at = match unmade {
        Some(base) => Some(base),
        None if segments.is_empty() => {
            if epoch_before.is_some() {
                let what = "there is no segment, though the journal was used before";
                return Err(damaged(&dirs.wal, 0, 0, what));
            }
            Some(0)
        }
        None => None,
    };
    if let Some(base) = create_at {
        let epoch = epoch_before.unwrap_or_default() + 1;
        let (capacity, created_ms) = (options.segment_bytes, options.clock.now_ms());
        let header = SegmentHeader {
            base,
            capacity,
            epoch,
            created_ms,
        };
        create_segment(storage, &dirs.wal, &header, &|_| ())
            .map_err(io_failed("filling", &dirs.wal))?;
        let path = dirs.wal.join(super::segment::segment_name(base));
        segments.push(SegmentFile {
            path,
            base,
            capacity,
        });
    }
    Ok(segments)
}

/// The segments in `dir`, in order, without gaps. A last one that was never used and whose header
/// is not whole is given by its base alone.
///
/// # Errors
///
/// [`JournalError::Corrupt`] if one is missing or its header damaged.
pub(super) fn find_segments(
    storage: &dyn Storage,
    dir: &Path,
) -> Result<(Vec<SegmentFile>, Option<u64>), JournalError> {
    let mut bases = bases_in(storage, dir)?.into_iter().peekable();
    let mut segments: Vec<SegmentFile> = Vec::new();
    let mut expected = None;
    while let Some((base, path)) = bases.next() {
        if expected.is_some_and(|end| end != base) {
            let what = format!("segment before this one must end at {base}, one is missing");
            return Err(damaged(&path, base, 0, what));
        }
        let is_last = bases.peek().is_none();
        match read_header(storage, &path, base)? {
            Ok(header) => {
                expected = Some(header.end());
                segments.push(SegmentFile {
                    path,
                    base,
                    capacity: header.capacity,
                });
            }
            Err(what) if is_last && is_never_used(storage, &path)? => {
                warn!(file = %path.display(), what, "the last segment was never used: remaking it");
                return Ok((segments, Some(base)));
            }
            Err(what) => return Err(damaged(&path, base, 0, what)),
        }
    }
    Ok((segments, None))
}

fn bases_in(storage: &dyn Storage, dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let names = list_or_none(storage, dir)?;
    let base_of = |name: &String| Some((parse_segment_name(name)?, dir.join(name)));
    let mut bases: Vec<_> = names.iter().filter_map(base_of).collect();
    bases.sort();
    Ok(bases)
}

/// The names in `dir`; none if there is no such directory, as where an archive was never begun.
pub(super) fn list_or_none(storage: &dyn Storage, dir: &Path) -> Result<Vec<String>, JournalError> {
    match storage.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(io_failed("listing", dir)),
    }
}

fn read_header(
    storage: &dyn Storage,
    path: &Path,
    base: u64,
) -> Result<Result<SegmentHeader, String>, JournalError> {
    let bytes = open_segment(storage, path)
        .and_then(|file| read_prefix(file.as_ref(), SEGMENT_HEADER))
        .map_err(io_failed("reading", path))?;
    Ok(SegmentHeader::decode(&bytes).and_then(|header| {
        let is_named_so = header.base == base;
        is_named_so
            .then_some(header)
            .ok_or_else(|| "segment has another's name".to_owned())
    }))
}

fn is_never_used(storage: &dyn Storage, path: &Path) -> Result<bool, JournalError> {
    open_segment(storage, path)
        .and_then(|file| {
            let size = file.size()?;
            Window::new(file).is_zero_between(super::storage::widen(SEGMENT_HEADER), size)
        })
        .map_err(io_failed("reading", path))
}

/// Where the archive breaks off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveGap {
    /// File name of the segment behind which it does.
    pub name: String,
    /// Why the segment does not join.
    pub what: String,
}

/// The archived segments that lead up to position `end` without a gap, oldest first.
pub(super) fn find_archived(
    storage: &dyn Storage,
    dir: &Path,
    end: u64,
) -> Result<(Vec<SegmentFile>, Option<ArchiveGap>), JournalError> {
    let archived = bases_in(storage, dir)?.into_iter().rev();
    // What the caller has found in `wal/` may lie here too: a running server moved it meanwhile, or a copy has it twice.
    let archived = archived.skip_while(move |(base, _)| *base >= end);
    let (mut found, mut end, mut gap) = (Vec::new(), end, None);
    for (base, path) in archived {
        let what = match read_header(storage, &path, base)? {
            Ok(header) if header.end() == end => {
                found.push(SegmentFile {
                    path,
                    base,
                    capacity: header.capacity,
                });
                end = base;
                continue;
            }
            Ok(header) => format!(
                "it ends at position {}, and the next segment there is begins at {end}",
                header.end()
            ),
            Err(what) => what.to_string(),
        };
        warn!(file = %path.display(), what, "archive is damaged or has a gap; older is not read");
        gap = Some(ArchiveGap {
            name: segment_name(base),
            what,
        });
        break;
    }
    found.reverse();
    Ok((found, gap))
}

fn catalog_of(
    storage: &Arc<dyn Storage>,
    dirs: &Dirs,
    segments: &[SegmentFile],
    state: &LogState,
    active: u64,
) -> Result<Catalog, JournalError> {
    let first = segments.first().map_or(0, |segment| segment.base);
    let (archived, _) = find_archived(storage.as_ref(), &dirs.archive, first)?;
    let oldest = archived.iter().chain(segments).next();
    let floor = oldest.map_or(Ok(Lsn::ZERO), |segment| floor_of(storage.as_ref(), segment))?;
    let catalog = Catalog::new(Arc::clone(storage), dirs.clone(), floor);
    for segment in &archived {
        catalog.add(segment.base, segment.capacity, true);
    }
    let mut last = floor;
    for segment in segments {
        catalog.add(segment.base, segment.capacity, false);
        let found = state
            .last_lsns
            .iter()
            .find(|(base, _)| *base == segment.base);
        last = found.map_or(last, |(_, last)| *last);
        if segment.base < active {
            catalog.set_last(segment.base, last);
        }
    }
    catalog.set_active(active);
    Ok(catalog)
}

/// The last record before `segment`, as its first batch says.
pub(super) fn floor_of(storage: &dyn Storage, segment: &SegmentFile) -> Result<Lsn, JournalError> {
    let first = open_segment(storage, &segment.path)
        .map(|file| SegmentScan::new(file, segment.base, segment.capacity))
        .and_then(|mut scan| match scan.step()? {
            Step::Batch(header) => Ok(Some(header.prev_lsn)),
            Step::Record { .. } | Step::Unused { .. } | Step::Broken(_) => Ok(None),
        })
        .map_err(io_failed("reading", &segment.path))?;
    Ok(first.unwrap_or(Lsn::new(segment.base)))
}
