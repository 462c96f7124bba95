//! Waits for the disk: every answer passes through here.
//!
//! Each thread has a lane, in which lies what is for those who ask on it, wherever it was decided. The
//! committer wakes each thread once per commit; the thread then lets go of what its lane holds. So
//! whoever asked is woken once, on their own thread, with a durable answer, and never in between.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    time::Instant,
};

use parking_lot::Mutex;
use prometheus::Histogram;
use tokio::sync::Notify;

use crate::journal::{DurableWatcher, Lsn};

/// The journal halted: the answer will never be durable, and must not be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal is halted")]
pub struct Halted;

/// What is durable, and who waits for it.
#[derive(Debug)]
pub struct Durability {
    durable: AtomicU64,
    halted: AtomicBool,
    lanes: Mutex<Vec<Arc<Lane>>>,
    id: u64,
    /// From a decision to the disk, in seconds.
    waited: Histogram,
}

/// An answer that is not on disk yet, and cannot be read before it is.
#[derive(Debug)]
pub struct Undurable<T> {
    lsn: u64,
    value: T,
}

impl<T> Undurable<T> {
    /// Seals `value` until everything up to `lsn` is on disk.
    #[must_use]
    pub const fn new(lsn: u64, value: T) -> Self {
        Self { lsn, value }
    }

    /// The same seal on what is made of the value.
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> Undurable<U> {
        Undurable::new(self.lsn, make(self.value))
    }

    /// What must be on disk first.
    pub(super) const fn lsn(&self) -> u64 {
        self.lsn
    }

    /// The value, if the caller has seen that it is on disk.
    pub(super) fn open(self, is_durable: bool) -> Option<T> {
        is_durable.then_some(self.value)
    }

    /// The value, if it is on disk by now: for those who do not live on an arbiter's thread.
    #[must_use]
    pub fn if_durable(self, durability: &Durability) -> Option<T> {
        let is_durable = durability.durable() >= self.lsn;
        self.open(is_durable)
    }

    /// Waits for the disk.
    ///
    /// # Errors
    ///
    /// [`Halted`] if it never will be durable.
    pub async fn durable(self, durability: &Arc<Durability>) -> Result<T, Halted> {
        durability.wait(self.lsn).await?;
        Ok(self.value)
    }
}

/// One thread, and what waits there for the disk.
#[derive(Debug, Default)]
pub(super) struct Lane {
    notify: Notify,
    has_waiters: AtomicBool,
    waiters: Mutex<VecDeque<(u64, Due)>>,
}

impl Lane {
    fn push(&self, lsn: u64, due: Due) {
        self.waiters.lock().push_back((lsn, due));
        // Whoever takes the flag away calls the thread after that.
        if !self.has_waiters.load(Ordering::SeqCst) {
            self.has_waiters.store(true, Ordering::SeqCst);
        }
    }
}

/// What is sent home once it is durable.
pub(super) trait Parcel: Send {
    /// When it was decided, if its wait is to be counted.
    fn decided(&self) -> Option<Instant>;

    /// It is durable, or never will be. Called on the thread of its lane.
    fn arrive(self: Box<Self>, is_durable: bool);
}

/// What happens when a position is durable, or never will be.
enum Due {
    Wake(Waker),
    Send(Box<dyn Parcel>),
}

impl std::fmt::Debug for Due {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Due")
    }
}

thread_local! {
    static LANES: RefCell<Vec<(u64, Arc<Lane>)>> = const { RefCell::new(Vec::new()) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Durability {
    /// Starts at `durable`; `waited` counts how long answers wait.
    #[must_use]
    pub fn new(durable: Lsn, waited: Histogram) -> Arc<Self> {
        Arc::new(Self {
            durable: AtomicU64::new(durable.get()),
            halted: AtomicBool::new(false),
            lanes: Mutex::new(Vec::new()),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            waited,
        })
    }

    /// The durable position.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::SeqCst)
    }

    fn is_over(&self, lsn: u64) -> bool {
        self.durable() >= lsn || self.halted.load(Ordering::SeqCst)
    }

    /// Returns once everything up to `lsn` is on disk. To be awaited on an arbiter's thread.
    ///
    /// # Errors
    ///
    /// [`Halted`] if it never will be.
    pub async fn wait(self: &Arc<Self>, lsn: u64) -> Result<(), Halted> {
        if self.durable() >= lsn {
            return Ok(());
        }
        let lane = self.lane();
        poll_fn(move |context| {
            if self.durable() >= lsn {
                return Poll::Ready(Ok(()));
            }
            if self.halted.load(Ordering::SeqCst) {
                return Poll::Ready(Err(Halted));
            }
            lane.push(lsn, Due::Wake(context.waker().clone()));
            // The commit may have come between the first look and the flag: look again.
            if self.is_over(lsn) {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    /// Sends `parcel` home over `lane` once everything up to `lsn` is on disk, or never will be.
    pub(super) fn deliver(&self, lane: &Arc<Lane>, lsn: u64, parcel: Box<dyn Parcel>) {
        if self.durable() >= lsn && self.is_here(lane) {
            if let Some(decided) = parcel.decided() {
                self.waited.observe(decided.elapsed().as_secs_f64());
            }
            return parcel.arrive(true);
        }
        lane.push(lsn, Due::Send(parcel));
        // It may have been durable before, or the commit may have come between the look and the flag.
        if self.is_over(lsn) {
            lane.notify.notify_one();
        }
    }

    fn is_here(&self, lane: &Arc<Lane>) -> bool {
        LANES.with_borrow(|lanes| lanes.iter().any(|(_, known)| Arc::ptr_eq(known, lane)))
    }

    /// The lane of the current thread, which must be an arbiter's.
    pub(super) fn lane(self: &Arc<Self>) -> Arc<Lane> {
        LANES.with_borrow_mut(|lanes| {
            if let Some((_, known)) = lanes.iter().find(|(id, _)| *id == self.id) {
                return known.clone();
            }
            let lane = Arc::new(Lane::default());
            self.lanes.lock().push(lane.clone());
            actix_rt::spawn(serve_lane(self.clone(), lane.clone()));
            lanes.push((self.id, lane.clone()));
            lane
        })
    }

    fn notify_lanes(&self) {
        for lane in self.lanes.lock().iter() {
            if lane.has_waiters.swap(false, Ordering::SeqCst) {
                lane.notify.notify_one();
            }
        }
    }
}

/// Runs on a thread as long as it lives, and lets go of what its lane holds after each commit.
async fn serve_lane(durability: Arc<Durability>, lane: Arc<Lane>) {
    let waited = durability.waited.local();
    let mut due = Vec::new();
    loop {
        lane.notify.notified().await;
        let durable = durability.durable();
        let all = durability.halted.load(Ordering::SeqCst);
        {
            let mut waiters = lane.waiters.lock();
            let is_due = |(lsn, _): &(u64, Due)| all || *lsn <= durable;
            while waiters.front().is_some_and(is_due) {
                due.extend(waiters.pop_front());
            }
            if !waiters.is_empty() {
                lane.has_waiters.store(true, Ordering::SeqCst);
            }
        }
        let missed = durability.durable() != durable;
        let now = Instant::now();
        for (lsn, due) in due.drain(..) {
            match due {
                Due::Wake(waker) => waker.wake(),
                Due::Send(parcel) => {
                    if let Some(decided) = parcel.decided() {
                        waited.observe(now.saturating_duration_since(decided).as_secs_f64());
                    }
                    parcel.arrive(lsn <= durable);
                }
            }
        }
        waited.flush();
        if missed {
            lane.notify.notify_one();
        }
    }
}

impl DurableWatcher for Durability {
    fn durable(&self, lsn: Lsn) {
        self.durable.store(lsn.get(), Ordering::SeqCst);
        self.notify_lanes();
    }

    fn halted(&self, _reason: &str) {
        self.halted.store(true, Ordering::SeqCst);
        self.notify_lanes();
    }
}
