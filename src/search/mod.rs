//! What is found by other things than its name: an index beside the log, fed from it, that may be thrown
//! away at any time and is then built again.
//!
//! It is a database of SQLite in `search/` of the data directory. Nothing in it is the truth: a reader finds
//! names here and asks the actors or the log what they stand for. Reading order: `field` (what can be asked),
//! `condition` (what is wanted, as SQL), `grammar` (the same in the words of searches), `index` (questions),
//! `follow` (the thread behind the log), `batch`, `rows`, `standing`, `documents` (what records say),
//! `schema`, `sortable` (numbers as texts), `past` (balances at a moment), `lineage`.

mod batch;
pub mod condition;
mod documents;
pub mod field;
mod follow;
pub mod grammar;
pub mod index;
pub mod lineage;
mod past;
mod progress;
pub mod rows;
mod schema;
pub mod sortable;
mod standing;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use self::index::Index;
pub use self::{past::Then, progress::Progress};
use crate::{
    actors::Engine,
    domain::{
        money::{Amount, Asset},
        time::Timestamp,
        uuids::AnyTransaction,
    },
    journal::{DurableWatcher, JournalError, Lsn},
};

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The database's own.
    #[error("the index in search/ cannot be used: {0}; it may be deleted, and is then built again")]
    Database(#[from] rusqlite::Error),
    /// The folder cannot be made.
    #[error("search/: {0}")]
    Io(#[from] std::io::Error),
    /// The log cannot be read.
    #[error("the log cannot be read for the index: {0}")]
    Journal(#[from] JournalError),
    /// The log has no beginning: what an index of the rest would find is not all there is.
    #[error(
        "the log begins behind lsn {oldest}: segments are missing from archive/, so that no index can be \
         built; restore them from a backup, and start again"
    )]
    NoBeginning {
        /// The last record in front of what is there.
        oldest: Lsn,
    },
    /// The index has not come as far as the log in time.
    #[error("the index is still {behind} bytes behind the log: try again")]
    Behind {
        /// How far.
        behind: u64,
    },
}

/// How long somebody waits for the index.
const WAIT: Duration = Duration::from_secs(10);

/// The index.
pub struct Search {
    engine: Arc<Engine>,
    dir: PathBuf,
    bell: Arc<Bell>,
    /// The index that is asked, once there is one.
    live: ArcSwapOption<Index>,
    /// Programmes that use this face.
    wanted: Mutex<BTreeSet<String>>,
    /// Up to where the log is in it.
    reached: watch::Sender<u64>,
    awaited: AtomicUsize,
    progress: Mutex<Progress>,
    /// Set for good once an index would have to be built and the log has no beginning.
    has_no_beginning: AtomicBool,
    is_stopped: AtomicBool,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// Wakes the thread.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    fn ring(&self) {
        let mut rung = self.rung.lock();
        if !*rung {
            *rung = true;
            self.heard.notify_one();
        }
    }

    fn wait(&self, most: Duration) {
        let mut rung = self.rung.lock();
        if !*rung {
            self.heard.wait_for(&mut rung, most);
        }
        *rung = false;
    }
}

/// Nobody is woken by what becomes durable: it gathers. Whoever asks rings.
struct WakeAtEnd(Arc<Bell>);

impl DurableWatcher for WakeAtEnd {
    fn durable(&self, _lsn: Lsn) {}

    fn halted(&self, _reason: &str) {
        self.0.ring();
    }
}

/// A transaction as the index knows it: of the books, or a movement of another face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRow {
    /// Its id.
    pub id: AnyTransaction,
    /// How much, in the smallest unit.
    pub amount: Amount,
    /// What is counted.
    pub asset: Asset,
    /// Unique per origin; of a commit that has none the reference of what was inflight; or empty.
    pub reference: String,
    /// For people.
    pub description: String,
    /// The status on the wire.
    pub status: String,
    /// The source's balance id or indicator.
    pub source: String,
    /// The destination's.
    pub destination: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it counts from.
    pub effective_at: Option<Timestamp>,
}

/// Says that somebody waits, for as long as it lives.
struct Awaiting<'a>(&'a Search);

impl<'a> Awaiting<'a> {
    fn new(search: &'a Search) -> Self {
        search.awaited.fetch_add(1, Ordering::SeqCst);
        search.bell.ring();
        Self(search)
    }
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        self.0.awaited.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Search {
    /// Opens the index in a data directory and follows the engine's log from now on, on a thread of its own.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn open(data_dir: &Path, engine: &Arc<Engine>) -> Result<Arc<Self>, SearchError> {
        let dir = data_dir.join("search");
        std::fs::create_dir_all(&dir)?;
        let bell = Arc::new(Bell::default());
        let search = Arc::new(Self {
            engine: engine.clone(),
            dir,
            bell: bell.clone(),
            live: ArcSwapOption::empty(),
            wanted: Mutex::default(),
            reached: watch::Sender::new(0),
            awaited: AtomicUsize::new(0),
            progress: Mutex::default(),
            has_no_beginning: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            thread: Mutex::default(),
        });
        engine.shared.journal.watch(Arc::new(WakeAtEnd(bell)));
        let following = search.clone();
        let thread = std::thread::Builder::new().name("index".to_owned());
        *search.thread.lock() = Some(thread.spawn(move || follow::run(&following))?);
        Ok(search)
    }

    fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::SeqCst) > 0
    }

    fn now(&self) -> Timestamp {
        self.engine.shared.clock.now()
    }

    /// The indexes that are there.
    fn paths(&self) -> Result<Vec<PathBuf>, SearchError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "sqlite")
            {
                found.push(path);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Where the index stands that is to follow the one at `path`: no two ever have the same name.
    fn next_path(&self, path: &Path) -> PathBuf {
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let number = name.and_then(|name| name.rsplit('-').next()?.parse::<u64>().ok());
        let number = number.unwrap_or(0).saturating_add(1);
        self.dir.join(format!("index-{number}.sqlite"))
    }

    /// What an origin has is to be found from now on.
    fn expect(&self, origin: &str) {
        let mut wanted = self.wanted.lock();
        if !wanted.contains(origin) {
            wanted.insert(origin.to_owned());
            drop(wanted);
            self.bell.ring();
        }
    }

    /// Waits until the index has all that is on disk by now.
    ///
    /// # Errors
    ///
    /// [`SearchError::Behind`] after ten seconds.
    pub async fn caught_up(&self) -> Result<(), SearchError> {
        if self.wanted.lock().is_empty() && self.live.load().is_none() {
            // Nobody uses this face: there is nothing to be found.
            return Ok(());
        }
        self.reach(|_| true).await.map(|_| ())
    }

    /// The index of an origin, once it has all that is on disk by now.
    ///
    /// # Errors
    ///
    /// [`SearchError::Behind`] after ten seconds.
    pub async fn ready(&self, origin: &str) -> Result<Arc<Index>, SearchError> {
        self.expect(origin);
        self.reach(|index| index.has(origin)).await
    }

    async fn reach(&self, fits: impl Fn(&Index) -> bool) -> Result<Arc<Index>, SearchError> {
        let wanted = self.engine.shared.journal.durable().get();
        let mut reached = self.reached.subscribe();
        let _awaiting = Awaiting::new(self);
        let look = async {
            loop {
                let at = *reached.borrow_and_update();
                let live = self.live.load_full().filter(|index| fits(index));
                match live {
                    Some(index) if at >= wanted => return Some(Ok(index)),
                    Some(_) => {}
                    None if self.has_no_beginning.load(Ordering::Acquire) => {
                        return Some(Err(self.no_beginning()));
                    }
                    None => {}
                }
                if reached.changed().await.is_err() {
                    return None;
                }
            }
        };
        match tokio::time::timeout(WAIT, look).await {
            Ok(Some(found)) => found,
            Ok(None) | Err(_) => Err(self.behind(wanted)),
        }
    }

    pub(super) fn no_beginning(&self) -> SearchError {
        SearchError::NoBeginning {
            oldest: self.engine.shared.journal.oldest(),
        }
    }

    fn behind(&self, wanted: u64) -> SearchError {
        let reached = *self.reached.borrow();
        SearchError::Behind {
            behind: wanted.saturating_sub(reached),
        }
    }

    /// The same on a thread that serves nobody: it waits however long it takes.
    fn ready_blocking(&self, origin: &str) -> Result<Arc<Index>, SearchError> {
        self.expect(origin);
        let wanted = self.engine.shared.journal.durable().get();
        let _awaiting = Awaiting::new(self);
        while !self.is_stopped.load(Ordering::Acquire) {
            let live = self.live.load_full().filter(|index| index.has(origin));
            match live {
                Some(index) if *self.reached.borrow() >= wanted => return Ok(index),
                Some(_) => {}
                None if self.has_no_beginning.load(Ordering::Acquire) => {
                    return Err(self.no_beginning());
                }
                None => {}
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(self.behind(wanted))
    }

    /// An origin's transactions made from `from` on and before `to`, in the order of their making, given to
    /// `visit` one by one; for those who go through many. It runs on the caller's thread: not for one that
    /// serves requests. A split is its head, not its parts; a bulk is what it consists of.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn transactions_between(
        &self,
        origin: &str,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
        visit: &mut dyn FnMut(TransactionRow),
    ) -> Result<(), SearchError> {
        let index = self.ready_blocking(origin)?;
        past::transactions_between(&index, origin, (from, to), visit)
    }

    /// Builds the index again from the log's beginning, while the one that is there answers; nothing if
    /// that is going on already. Says how far it is.
    pub fn rebuild(&self, origin: &str) -> (bool, Progress) {
        self.expect(origin);
        let mut progress = self.progress.lock();
        let is_new = progress.ask(self.now());
        let told = progress.clone();
        drop(progress);
        self.bell.ring();
        (is_new, told)
    }

    /// How far the building is that was asked for last.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.lock().clone()
    }

    /// Stops following the log.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.bell.ring();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the index's thread ended by itself");
        }
    }
}

/// Lets this thread go after those that answer requests, where there is not time for all.
fn give_way() {
    // On Linux this is the thread's own; if it is refused, nothing is lost but the order.
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "the index's thread runs at the usual priority");
    }
}
