//! Waits for the disk: every answer passes through here.
//!
//! The committer wakes each thread once per commit; the thread then lets go of what it held back for
//! it. So whoever asked is woken once, with a durable answer, and never in between.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
};

use parking_lot::Mutex;
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
}

/// One thread that has waiters.
#[derive(Debug, Default)]
struct Lane {
    notify: Notify,
    has_waiters: AtomicBool,
}

/// What happens when a position is durable (`true`), or never will be (`false`).
enum Due {
    Wake(Waker),
    Release(Box<dyn FnOnce(bool)>),
}

impl Due {
    fn come(self, is_durable: bool) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Release(release) => release(is_durable),
        }
    }
}

type Waiters = Rc<RefCell<VecDeque<(u64, Due)>>>;

struct LocalLane {
    durability: u64,
    lane: Arc<Lane>,
    waiters: Waiters,
}

thread_local! {
    static LANES: RefCell<Vec<LocalLane>> = const { RefCell::new(Vec::new()) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Durability {
    /// Starts at `durable`.
    #[must_use]
    pub fn new(durable: Lsn) -> Arc<Self> {
        Arc::new(Self {
            durable: AtomicU64::new(durable.get()),
            halted: AtomicBool::new(false),
            lanes: Mutex::new(Vec::new()),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The durable position.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::SeqCst)
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
        let (lane, waiters) = self.local_lane();
        poll_fn(move |context| {
            if self.durable() >= lsn {
                return Poll::Ready(Ok(()));
            }
            if self.halted.load(Ordering::SeqCst) {
                return Poll::Ready(Err(Halted));
            }
            waiters
                .borrow_mut()
                .push_back((lsn, Due::Wake(context.waker().clone())));
            lane.has_waiters.store(true, Ordering::SeqCst);
            // The commit may have come between the first look and the flag: look again.
            match self.durable() >= lsn || self.halted.load(Ordering::SeqCst) {
                true => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Calls `release` once everything up to `lsn` is on disk, or with `false` if it never will be.
    /// To be called on an arbiter's thread, where `release` will run too.
    pub fn release_at(self: &Arc<Self>, lsn: u64, release: impl FnOnce(bool) + 'static) {
        if self.durable() >= lsn {
            return release(true);
        }
        let (lane, waiters) = self.local_lane();
        waiters
            .borrow_mut()
            .push_back((lsn, Due::Release(Box::new(release))));
        lane.has_waiters.store(true, Ordering::SeqCst);
        // The commit may have come between the first look and the flag.
        if self.durable() >= lsn || self.halted.load(Ordering::SeqCst) {
            lane.notify.notify_one();
        }
    }

    fn local_lane(self: &Arc<Self>) -> (Arc<Lane>, Waiters) {
        LANES.with_borrow_mut(|lanes| {
            if let Some(known) = lanes.iter().find(|lane| lane.durability == self.id) {
                return (known.lane.clone(), known.waiters.clone());
            }
            let lane = Arc::new(Lane::default());
            let waiters = Waiters::default();
            self.lanes.lock().push(lane.clone());
            actix_rt::spawn(wake_waiters(self.clone(), lane.clone(), waiters.clone()));
            let local = LocalLane {
                durability: self.id,
                lane: lane.clone(),
                waiters: waiters.clone(),
            };
            lanes.push(local);
            (lane, waiters)
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

/// Runs on a thread as long as it lives, and wakes the thread's waiters after each commit.
async fn wake_waiters(durability: Arc<Durability>, lane: Arc<Lane>, waiters: Waiters) {
    let mut due = Vec::new();
    loop {
        lane.notify.notified().await;
        let durable = durability.durable();
        let all = durability.halted.load(Ordering::SeqCst);
        {
            let mut waiters = waiters.borrow_mut();
            while waiters
                .front()
                .is_some_and(|(lsn, _)| all || *lsn <= durable)
            {
                due.extend(waiters.pop_front());
            }
            if !waiters.is_empty() {
                lane.has_waiters.store(true, Ordering::SeqCst);
            }
        }
        let missed = durability.durable() != durable;
        for (lsn, due) in due.drain(..) {
            due.come(lsn <= durable);
        }
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
