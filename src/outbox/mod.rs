//! What happened, told to whoever wants to know: events made of the log's records, and their delivery.
//!
//! Nothing here stands on an authorization's path: it reads what is durable already. Reading order:
//! `event` (what is told), `reader` (follows the engine's log and lays events out), `lanes` (what waits:
//! a fold of the outbox's own log), `schedule` (when which is tried), `desk` (the two together, and their
//! record), `sender` (the attempts), `sign`, `secrets`, `targets`, `attempts`. `feed`
//! tells the same events to those who ask.

pub mod attempts;
mod desk;
pub mod event;
pub mod feed;
mod form;
pub mod lanes;
pub mod names;
pub mod notices;
mod query;
mod reader;
pub mod schedule;
pub mod secrets;
mod sender;
pub mod sign;
pub mod targets;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use self::{
    desk::Desk,
    event::{Names, OutEvent},
    lanes::Bounds,
    reader::Bell,
    schedule::Limits,
    targets::Targets,
};
pub use self::{
    desk::{OpenError, Stored},
    query::{DeliveryId, Listed, Wanted},
    sender::Tested,
};
use crate::{
    actors::Engine,
    domain::documents::Shelf,
    journal::{DurableWatcher, Journal, Lsn},
    outside::client::Client,
    vault::Vault,
    wire::Entry,
};

/// How events are made of a record.
pub type Events = dyn Fn(u64, &Entry, &dyn Names) -> Vec<OutEvent> + Send + Sync;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long to wait after the first failure, the second and so on; the last goes on.
    pub delays: Vec<Duration>,
    /// After how long an event that does not arrive is given up.
    pub give_up: Duration,
    /// For how long the secret before signs beside a new one.
    pub secret_overlap_s: i64,
    /// How many attempts run at a time.
    pub limits: Limits,
    /// How much may be in memory.
    pub bounds: Bounds,
    /// How many attempts are kept to be looked at.
    pub attempts_max: usize,
    /// How much the outbox's log may grow before what waits is written anew, in bytes.
    pub snapshot_bytes: u64,
}

/// The outbox: follows the log, lays events out, delivers them.
pub struct Outbox {
    engine: Arc<Engine>,
    vault: Arc<Vault>,
    client: Client,
    events: Box<Events>,
    settings: Settings,
    journal: Arc<dyn Journal>,
    desk: Mutex<Desk>,
    /// Senders wait here.
    changed: Condvar,
    bell: Arc<Bell>,
    targets: Targets,
    is_stopped: AtomicBool,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

/// What an outbox is made of.
pub struct Parts {
    /// Whose log is followed.
    pub engine: Arc<Engine>,
    /// Opens the secrets.
    pub vault: Arc<Vault>,
    /// Sends.
    pub client: Client,
    /// Makes events.
    pub events: Box<Events>,
}

impl Outbox {
    /// Goes on where the outbox was left: reads the engine's log and delivers from now on.
    ///
    /// # Errors
    ///
    /// The system's, if a thread cannot be started.
    pub fn start(stored: Stored, settings: Settings, parts: Parts) -> io::Result<Arc<Self>> {
        let bell = Arc::new(Bell::default());
        let outbox = Arc::new(Self {
            engine: parts.engine,
            vault: parts.vault,
            client: parts.client,
            events: parts.events,
            settings,
            journal: stored.journal,
            desk: Mutex::new(stored.desk),
            changed: Condvar::new(),
            bell,
            targets: Targets::default(),
            is_stopped: AtomicBool::new(false),
            threads: Mutex::default(),
        });
        let documents = &outbox.engine.shared.facts.documents;
        let is_watched = documents.changes(Shelf::Monitor) > 0;
        if is_watched || !outbox.endpoints().is_empty() {
            outbox.engine.shared.indexes.expect_webhooks();
        }
        outbox.schedule_all();
        let follower = Arc::new(reader::Follower::new(&outbox));
        outbox.engine.shared.journal.watch(follower.clone());
        let reading = outbox.clone();
        let thread = std::thread::Builder::new().name("webhooks-read".to_owned());
        let handle = thread.spawn(move || reader::run(&reading, &follower))?;
        outbox.threads.lock().push(handle);
        for _ in 0..outbox.settings.limits.senders {
            let sending = outbox.clone();
            let thread = std::thread::Builder::new().name("webhooks-send".to_owned());
            // Senders are not waited for when stopping: what they do is done again.
            thread.spawn(move || sender::run(&sending))?;
        }
        Ok(outbox)
    }

    fn endpoints(&self) -> Arc<targets::Endpoints> {
        self.targets.now(&self.engine.shared.facts.documents)
    }

    fn now(&self) -> i64 {
        self.engine.shared.clock.now().micros()
    }

    /// Whether it is to end.
    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Ends reading and sending, writes down what waits, closes the outbox's log.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.bell.ring();
        self.changed.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            let _ = thread.join();
        }
        if let Err(error) = self.snapshot() {
            tracing::warn!(%error, "what waits in the outbox was not written anew; its log has it");
        }
        if let Err(error) = self.journal.close() {
            tracing::warn!(%error, "the outbox's log was not closed cleanly");
        }
    }

    /// For how long a secret signs beside the one that follows it, if nobody says otherwise.
    #[must_use]
    pub const fn secret_overlap_s(&self) -> i64 {
        self.settings.secret_overlap_s
    }

    /// An endpoint changed: what waits for it is looked at anew.
    pub fn endpoint_changed(&self, id: &str) {
        self.pause_or_resume(id);
        self.bell.ring();
    }
}

/// Lets this thread go after those that answer requests, where there is not time for all.
fn give_way() {
    // On Linux this is the thread's own; if it is refused, nothing is lost but the order.
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "the threads of webhooks run at the usual priority");
    }
}

/// Stops the process when the outbox's log fails, as that of the engine does: what is sent must be
/// written down.
struct StopOnHalt;

impl DurableWatcher for StopOnHalt {
    fn durable(&self, _lsn: Lsn) {}

    fn halted(&self, reason: &str) {
        if reason == "closed" {
            return;
        }
        tracing::error!(reason, "the outbox's log failed: the process stops");
        std::process::exit(1);
    }
}
