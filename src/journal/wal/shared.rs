//! What the appenders, the committer and the steward share: positions, the queue, watchers, halt.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, RwLock};
use tracing::error;

use crate::journal::{DurableWatcher, Lsn};

use super::{catalog::Catalog, disk::Ready, queue::Queue, storage::narrow};

/// Shared state of one open journal.
pub(super) struct Core {
    pub(super) queue: Mutex<Queue>,
    /// Wakes the committer.
    pub(super) wake: Condvar,
    pub(super) catalog: Arc<Catalog>,
    pub(super) ready: Ready,
    pub(super) epoch: u64,
    pub(super) counters: Counters,
    appended: AtomicU64,
    /// Position behind the last record appended.
    head: AtomicU64,
    durable: Arc<AtomicU64>,
    /// Position behind the last batch that is durable.
    durable_end: AtomicU64,
    /// When the commit under way began.
    commit_began: Mutex<Option<Instant>>,
    is_stopped: AtomicBool,
    /// Why `reserve` refuses: closed or failed.
    stop_reason: Mutex<Option<String>>,
    /// The first failure.
    failure: Mutex<Option<String>>,
    watchers: RwLock<Arc<[Arc<dyn DurableWatcher>]>>,
}

/// Running totals of the committer.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) batches: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) sync_us_total: AtomicU64,
    pub(super) sync_us_last: AtomicU64,
}

/// What the committer has done since the journal was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Batches made durable; each cost one write and one sync.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Time spent in syncs, microseconds.
    pub sync_us_total: u64,
    /// Time of the latest sync, microseconds.
    pub sync_us_last: u64,
}

impl Counters {
    /// The totals now.
    pub(super) fn read(&self) -> WalStats {
        WalStats {
            batches: self.batches.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            sync_us_total: self.sync_us_total.load(Ordering::Relaxed),
            sync_us_last: self.sync_us_last.load(Ordering::Relaxed),
        }
    }
}

impl Core {
    pub(super) fn new(
        queue: Queue,
        catalog: Arc<Catalog>,
        ready: Ready,
        epoch: u64,
        (last, end): (Lsn, u64),
    ) -> Self {
        Self {
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            catalog,
            ready,
            epoch,
            counters: Counters::default(),
            appended: AtomicU64::new(last.get()),
            head: AtomicU64::new(end),
            durable: Arc::new(AtomicU64::new(last.get())),
            durable_end: AtomicU64::new(end),
            commit_began: Mutex::new(None),
            is_stopped: AtomicBool::new(false),
            stop_reason: Mutex::new(None),
            failure: Mutex::new(None),
            watchers: RwLock::new(Arc::from([])),
        }
    }

    /// Queues a record.
    pub(super) fn append(&self, record: &[u8]) -> Lsn {
        let crc = crc32fast::hash(record);
        let mut queue = self.queue.lock();
        let (lsn, end, is_new_segment) = queue.push(record, crc);
        self.appended.store(lsn.get(), Ordering::Release);
        self.head.store(end, Ordering::Release);
        let is_due = queue.is_committer_due();
        drop(queue);
        if is_due {
            self.wake.notify_one();
        }
        if is_new_segment {
            self.ready.nudge();
        }
        lsn
    }

    /// The last record appended.
    pub(super) fn appended(&self) -> Lsn {
        Lsn::new(self.appended.load(Ordering::Acquire))
    }

    /// The last record that is durable.
    pub(super) fn durable(&self) -> Lsn {
        Lsn::new(self.durable.load(Ordering::Acquire))
    }

    /// The durable position, for those who outlive a borrow.
    pub(super) fn durable_cell(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.durable)
    }

    /// Position behind the last record appended.
    pub(super) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// Position behind the last batch that is durable.
    pub(super) fn durable_end(&self) -> u64 {
        self.durable_end.load(Ordering::Acquire)
    }

    /// Bytes appended and not yet durable.
    pub(super) fn queued_bytes(&self) -> usize {
        let durable_end = self.durable_end();
        narrow(self.head().saturating_sub(durable_end))
    }

    /// Notes that a commit is under way until what comes back is dropped.
    pub(super) fn begin_commit(self: &Arc<Self>) -> UnderWay {
        *self.commit_began.lock() = Some(Instant::now());
        UnderWay(Arc::clone(self))
    }

    /// How long the commit under way has taken so far.
    pub(super) fn committing_for(&self) -> Option<Duration> {
        self.commit_began.lock().map(|began| began.elapsed())
    }

    /// Publishes that everything up to `last`, which ends at `end`, is on disk; not once the journal has
    /// halted, which another thread may have found out in this moment.
    pub(super) fn publish(&self, last: Lsn, end: u64) {
        // Held until all are told, so that nobody hears of it after the halt.
        let failure = self.failure.lock();
        if failure.is_some() {
            return;
        }
        self.durable_end.store(end, Ordering::Release);
        let before = self.durable.swap(last.get(), Ordering::AcqRel);
        if before == last.get() {
            return;
        }
        let watchers = Arc::clone(&self.watchers.read());
        for watcher in watchers.iter() {
            watcher.durable(last);
        }
        drop(failure);
    }

    /// Registers a watcher; if the journal has halted already, says so at once.
    pub(super) fn watch(&self, watcher: Arc<dyn DurableWatcher>) {
        // Held over the registration, so that a halt is told exactly once.
        let failure = self.failure.lock();
        let Some(reason) = failure.clone() else {
            let mut watchers = self.watchers.write();
            *watchers = watchers.iter().cloned().chain([watcher]).collect();
            return;
        };
        drop(failure);
        watcher.halted(&reason);
    }

    /// Refuses everything from now on, for good, and tells the watchers. Nothing is written after.
    pub(super) fn halt(&self, reason: &str) {
        {
            let mut failure = self.failure.lock();
            if failure.is_some() {
                return;
            }
            *failure = Some(reason.to_owned());
        }
        self.stop(reason);
        error!(reason, "journal halted");
        self.abandon();
        let watchers = Arc::clone(&self.watchers.read());
        for watcher in watchers.iter() {
            watcher.halted(reason);
        }
    }

    /// Ends both threads without writing what is queued.
    pub(super) fn abandon(&self) {
        self.queue.lock().is_abandoned = true;
        self.wake.notify_all();
        self.ready.stop();
    }

    /// Refuses reservations from now on.
    pub(super) fn stop(&self, reason: &str) {
        *self.stop_reason.lock() = Some(reason.to_owned());
        self.is_stopped.store(true, Ordering::Release);
    }

    /// The failure that halted the journal, if one did.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Why nothing more is taken, if so.
    pub(super) fn stopped(&self) -> Option<String> {
        if !self.is_stopped.load(Ordering::Acquire) {
            return None;
        }
        self.stop_reason.lock().clone()
    }
}

/// A commit under way.
pub(super) struct UnderWay(Arc<Core>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.commit_began.lock() = None;
    }
}

/// Halts the journal if the thread that holds it panics, so that nobody waits forever.
pub(super) struct HaltOnPanic(pub(super) Arc<Core>);

impl Drop for HaltOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.halt("a thread of the journal panicked");
        }
    }
}
