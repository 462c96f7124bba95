//! A journal in memory, for tests and simulation: durable at once, or when the test says so.

use std::{collections::BTreeMap, io, ops::Bound, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{
    DurableWatcher, ItemIter, Journal, JournalError, Lsn, Record, RecordIter, Reservation,
    SnapshotInfo, SnapshotSink, SnapshotStore,
};

/// Distance between the positions of records beyond their length, as a log of frames has it.
const RECORD_OVERHEAD: u64 = 16;
const QUEUE_BYTES_MAX: usize = 64 << 20;

/// A journal that keeps its records in memory.
///
/// By default a record is durable, and the watchers are told, before `append` returns, on the
/// appender's own thread. One made by [`MemoryJournal::held`] waits for [`MemoryJournal::release`].
pub struct MemoryJournal {
    state: Arc<Mutex<State>>,
    /// Held while the durable position moves and is told, so that news come in order.
    telling: Mutex<()>,
    watchers: Mutex<Vec<Arc<dyn DurableWatcher>>>,
    snapshots: MemorySnapshots,
    queue_bytes_max: usize,
    epoch: u64,
}

#[derive(Clone, Default)]
struct State {
    records: BTreeMap<Lsn, Vec<u8>>,
    next: u64,
    appended: Lsn,
    durable: Lsn,
    floor: Lsn,
    queued_bytes: usize,
    is_held: bool,
    refusal: Option<String>,
    failure: Option<String>,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryJournal {
    /// An empty journal in which everything is durable at once.
    #[must_use]
    pub fn new() -> Self {
        Self::with(
            State {
                next: RECORD_OVERHEAD,
                ..State::default()
            },
            MemorySnapshots::default(),
            1,
        )
    }

    /// An empty journal in which nothing is durable before [`MemoryJournal::release`].
    #[must_use]
    pub fn held() -> Self {
        let journal = Self::new();
        journal.hold();
        journal
    }

    /// Makes `reserve` answer Busy once `bytes` wait.
    #[must_use]
    pub fn with_queue_bytes_max(mut self, bytes: usize) -> Self {
        self.queue_bytes_max = bytes;
        self
    }

    fn with(state: State, snapshots: MemorySnapshots, epoch: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
            telling: Mutex::new(()),
            watchers: Mutex::new(Vec::new()),
            snapshots,
            queue_bytes_max: QUEUE_BYTES_MAX,
            epoch,
        }
    }

    /// From now on, nothing becomes durable before [`MemoryJournal::release`].
    pub fn hold(&self) {
        self.state.lock().is_held = true;
    }

    /// Makes everything up to `lsn` durable; the journal stays held.
    pub fn release_to(&self, lsn: Lsn) {
        self.advance(|state| lsn.min(state.appended));
    }

    /// Makes everything appended so far durable; the journal stays held.
    pub fn release(&self) {
        self.advance(|state| state.appended);
    }

    /// Fails, as a disk would: nothing more becomes durable.
    pub fn halt(&self, reason: &str) {
        let _in_order = self.telling.lock();
        {
            let mut state = self.state.lock();
            if state.failure.is_some() {
                return;
            }
            state.failure = Some(reason.to_owned());
            state.refusal = Some(reason.to_owned());
        }
        for watcher in self.watchers.lock().clone() {
            watcher.halted(reason);
        }
    }

    /// What a new process finds after this one died: the durable records and the snapshots, under
    /// the next epoch. This journal is halted, unless it was closed.
    #[must_use]
    pub fn restart(&self) -> Self {
        let is_closed = self.state.lock().refusal.is_some();
        if !is_closed {
            self.halt("fenced off by a newer epoch");
        }
        let mut state = self.state.lock().clone();
        let durable = state.durable;
        state.records.retain(|lsn, _| *lsn <= durable);
        let kept = State {
            records: state.records,
            next: state.next,
            appended: durable,
            durable,
            floor: state.floor,
            is_held: state.is_held,
            ..State::default()
        };
        let restarted = Self::with(kept, self.snapshots.clone(), self.epoch + 1);
        restarted.with_queue_bytes_max(self.queue_bytes_max)
    }

    fn advance(&self, target: impl FnOnce(&State) -> Lsn) {
        let _in_order = self.telling.lock();
        let target = {
            let mut state = self.state.lock();
            let target = target(&state);
            if state.failure.is_some() || target <= state.durable {
                return;
            }
            state.durable = target;
            let waiting = (Bound::Excluded(target), Bound::Unbounded);
            state.queued_bytes = state
                .records
                .range(waiting)
                .map(|(_, bytes)| bytes.len())
                .sum();
            self.snapshots.0.lock().durable = target;
            target
        };
        for watcher in self.watchers.lock().clone() {
            watcher.durable(target);
        }
    }
}

impl Journal for MemoryJournal {
    fn reserve(&self) -> Result<Reservation, JournalError> {
        let state = self.state.lock();
        if let Some(reason) = state.refusal.clone() {
            return Err(JournalError::Halted { reason });
        }
        let queued_bytes = state.queued_bytes;
        if queued_bytes >= self.queue_bytes_max {
            return Err(JournalError::Busy { queued_bytes });
        }
        Ok(Reservation { _private: () })
    }

    fn append(&self, _reservation: Reservation, record: &[u8]) -> Lsn {
        let (lsn, is_held) = {
            let mut state = self.state.lock();
            let lsn = Lsn::new(state.next);
            let len = u64::try_from(record.len()).expect("Invariant: a length fits 64 bits");
            state.next += len + RECORD_OVERHEAD;
            state.records.insert(lsn, record.to_vec());
            state.appended = lsn;
            state.queued_bytes += record.len();
            (lsn, state.is_held)
        };
        if !is_held {
            self.release();
        }
        lsn
    }

    fn appended(&self) -> Lsn {
        self.state.lock().appended
    }

    fn committing_for(&self) -> Option<Duration> {
        None
    }

    fn durable(&self) -> Lsn {
        self.state.lock().durable
    }

    fn watch(&self, watcher: Arc<dyn DurableWatcher>) {
        let _in_order = self.telling.lock();
        let failure = self.state.lock().failure.clone();
        match failure {
            Some(reason) => watcher.halted(&reason),
            None => self.watchers.lock().push(watcher),
        }
    }

    fn read(&self, lsn: Lsn) -> Result<Vec<u8>, JournalError> {
        self.state
            .lock()
            .records
            .get(&lsn)
            .cloned()
            .ok_or(JournalError::NotFound { lsn })
    }

    fn scan(&self, after: Lsn) -> Result<RecordIter, JournalError> {
        let state = self.state.lock();
        if after < state.floor {
            return Err(JournalError::NotFound { lsn: after });
        }
        let upto = state.durable.max(after);
        let range = (Bound::Excluded(after), Bound::Included(upto));
        let found = if after == upto {
            None
        } else {
            Some(state.records.range(range))
        };
        let records: Vec<_> = found
            .into_iter()
            .flatten()
            .map(|(lsn, payload)| {
                Ok(Record {
                    lsn: *lsn,
                    payload: payload.clone(),
                })
            })
            .collect();
        Ok(Box::new(records.into_iter()))
    }

    fn follow(&self, after: Lsn) -> Result<RecordIter, JournalError> {
        if after < self.oldest() {
            return Err(JournalError::NotFound { lsn: after });
        }
        let (state, mut last) = (Arc::clone(&self.state), after);
        let next = move || {
            let state = state.lock();
            let behind = (Bound::Excluded(last), Bound::Unbounded);
            let (lsn, payload) = state.records.range(behind).next()?;
            let record = (*lsn <= state.durable).then(|| Record {
                lsn: *lsn,
                payload: payload.clone(),
            })?;
            last = record.lsn;
            Some(Ok(record))
        };
        Ok(Box::new(std::iter::from_fn(next)))
    }

    fn oldest(&self) -> Lsn {
        self.state.lock().floor
    }

    /// Each record is a storage of its own here; the last durable one stays.
    fn retire(&self, lsn: Lsn) -> Result<usize, JournalError> {
        let mut state = self.state.lock();
        let before = state.records.len();
        let durable = state.durable;
        let is_retired = |at: &Lsn| *at <= lsn && *at < durable;
        let last = state.records.keys().rfind(|at| is_retired(at)).copied();
        state.records.retain(|at, _| !is_retired(at));
        state.floor = last.unwrap_or(state.floor);
        Ok(before - state.records.len())
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn snapshots(&self) -> &dyn SnapshotStore {
        &self.snapshots
    }

    fn close(&self) -> Result<(), JournalError> {
        self.release();
        let mut state = self.state.lock();
        if let Some(reason) = state.failure.clone() {
            return Err(JournalError::Halted { reason });
        }
        state.refusal = Some("closed".to_owned());
        Ok(())
    }
}

/// The snapshots, shared with the sinks that add to them.
#[derive(Clone, Default)]
struct MemorySnapshots(Arc<Mutex<SnapshotState>>);

#[derive(Default)]
struct SnapshotState {
    durable: Lsn,
    kept: BTreeMap<Lsn, Stored>,
}

#[derive(Clone, Default)]
struct Stored {
    created_ms: i64,
    items: Vec<Vec<u8>>,
}

impl Stored {
    fn info(&self, lsn: Lsn) -> SnapshotInfo {
        let size = |len: usize| u64::try_from(len).expect("Invariant: a length fits 64 bits");
        SnapshotInfo {
            lsn,
            items: size(self.items.len()),
            bytes: self.items.iter().map(|item| size(item.len())).sum(),
            created_ms: self.created_ms,
            name: format!("memory-{lsn}"),
        }
    }
}

impl SnapshotStore for MemorySnapshots {
    fn create(&self, lsn: Lsn, created_ms: i64) -> Result<Box<dyn SnapshotSink>, JournalError> {
        let durable = self.0.lock().durable;
        if lsn > durable {
            let what =
                format!("snapshot at lsn {lsn} would be ahead of what is durable, {durable}");
            return Err(JournalError::Io {
                what,
                source: io::ErrorKind::InvalidInput.into(),
            });
        }
        let stored = Stored {
            created_ms,
            items: Vec::new(),
        };
        Ok(Box::new(MemorySink {
            store: self.clone(),
            lsn,
            stored,
        }))
    }

    fn list(&self) -> Result<Vec<SnapshotInfo>, JournalError> {
        let state = self.0.lock();
        Ok(state
            .kept
            .iter()
            .rev()
            .map(|(lsn, stored)| stored.info(*lsn))
            .collect())
    }

    fn open(&self, lsn: Lsn) -> Result<ItemIter, JournalError> {
        let stored = self.0.lock().kept.get(&lsn).cloned();
        let stored = stored.ok_or(JournalError::NotFound { lsn })?;
        Ok(Box::new(stored.items.into_iter().map(Ok)))
    }

    fn prune(&self, keep: usize) -> Result<usize, JournalError> {
        let mut state = self.0.lock();
        let surplus = state.kept.len().saturating_sub(keep);
        for _ in 0..surplus {
            state.kept.pop_first();
        }
        Ok(surplus)
    }
}

struct MemorySink {
    store: MemorySnapshots,
    lsn: Lsn,
    stored: Stored,
}

impl SnapshotSink for MemorySink {
    fn put(&mut self, item: &[u8]) -> Result<(), JournalError> {
        self.stored.items.push(item.to_vec());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<SnapshotInfo, JournalError> {
        let info = self.stored.info(self.lsn);
        self.store.0.lock().kept.insert(self.lsn, self.stored);
        Ok(info)
    }
}
