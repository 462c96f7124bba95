//! Runs one phase: client threads, their connections, and the sum of what they counted.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use super::cards::Cards;
use super::connection::{Connection, Shared};
use super::error::BenchError;
use super::rng::Rng;
use super::scan::Scanner;
use super::stats::{Stats, Window};
use super::template::{Templates, TransactionIds};
use super::traffic::{Traffic, Work};

/// How long after its end a phase may wait for answers on their way.
const GRACE: Duration = Duration::from_secs(30);

/// One stretch of load.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) work: Work,
    pub(super) hot_percent: u8,
    pub(super) warmup: Duration,
    pub(super) duration: Duration,
}

/// The client side of a run.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) address: SocketAddr,
    pub(super) templates: Arc<Templates>,
    pub(super) cards: Arc<Cards>,
    /// Those under every kind of rule.
    pub(super) ruled: Arc<Cards>,
    /// Balances of the ledger face.
    pub(super) balances: Arc<Cards>,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) run: u64,
    pub(super) stop: Arc<AtomicBool>,
    /// Phases so far: part of the transaction ids.
    pub(super) phases: u64,
}

impl Driver {
    /// Drives `phase` and returns what was counted in its window.
    pub(super) fn drive(&mut self, phase: &Phase) -> Result<Stats, BenchError> {
        self.phases += 1;
        let start = Instant::now() + phase.warmup;
        let window = Window {
            start,
            end: start + phase.duration,
        };
        let driver = &*self;
        let parts = thread::scope(|scope| {
            let threads: Vec<_> = (0..driver.threads)
                .map(|number| scope.spawn(move || driver.drive_thread(phase, window, number)))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread
                    .join()
                    .expect("Invariant: a client thread does not panic")
            };
            threads
                .into_iter()
                .map(join)
                .collect::<Result<Vec<Stats>, BenchError>>()
        })?;
        if self.stop.load(Ordering::Relaxed) {
            return Err(BenchError::Interrupted);
        }
        let mut total = Stats::new(window);
        for part in &parts {
            total.merge(part);
        }
        if total.operations().next().is_none() {
            let sample = total.failures.first_key_value();
            let sample = sample.map_or(String::new(), |(kind, _)| format!(": {kind}"));
            return Err(BenchError::NoAnswers {
                phase: phase.name.clone(),
                sample,
            });
        }
        Ok(total)
    }

    /// Drives this thread's share of the connections on a runtime of its own.
    fn drive_thread(
        &self,
        phase: &Phase,
        window: Window,
        thread: usize,
    ) -> Result<Stats, BenchError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| BenchError::Runtime { source })?;
        let shared = Shared {
            address: self.address,
            end: window.end,
            stop: Arc::clone(&self.stop),
            scanner: Rc::new(Scanner::new()),
            stats: Rc::new(RefCell::new(Stats::new(window))),
        };
        let local = LocalSet::new();
        let patience = window.end + GRACE - Instant::now();
        let finished = local.block_on(&runtime, async {
            let mut connections = JoinSet::new();
            for number in (thread..self.connections).step_by(self.threads) {
                let connection = Connection::new(shared.clone(), self.traffic(phase, number));
                connections.spawn_local(connection.run());
            }
            tokio::time::timeout(patience, connections.join_all())
                .await
                .is_ok()
        });
        if !finished {
            let waited_s = patience.as_secs();
            return Err(BenchError::Stalled {
                phase: phase.name.clone(),
                waited_s,
            });
        }
        let stats = shared.stats.borrow().clone();
        Ok(stats)
    }

    fn traffic(&self, phase: &Phase, connection: usize) -> Traffic {
        let lane = self.phases << 16 | connection as u64;
        let cards = match phase.work {
            Work::Rules => &self.ruled,
            Work::Ledger => &self.balances,
            Work::Authorize
            | Work::Lifecycle
            | Work::Purchase
            | Work::Batch { .. }
            | Work::Echo { .. } => &self.cards,
        };
        Traffic::new(
            (phase.work, phase.hot_percent),
            Arc::clone(&self.templates),
            Arc::clone(cards),
            TransactionIds::new(self.run, lane),
            Rng::from_seed(self.run ^ lane << 32),
        )
    }
}
