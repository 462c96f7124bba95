//! Runs reconciliations, one after another, beside the requests.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{
    intake,
    record::{Span, Units},
    report,
    rules::Field,
    store::{Counts, Files, Run, Status, Upload, run_name, upload_name},
    work::{Earlier, Internal, Task, reconcile},
};
use crate::{
    actors::{Engine, EngineError},
    domain::{
        documents::Shelf,
        money::Asset,
        policy::Terms,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
        uuids::AnyTransaction,
    },
    search::{Search, SearchError, TransactionRow},
    threads,
};

/// How many runs wait at the most.
pub const WAITING_MAX: usize = 32;
/// How many transactions one run goes through.
const TRANSACTIONS_MAX: usize = 2_000_000;

/// Why a run has no report.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{0}")]
    File(#[from] intake::BadFile),
    #[error("a file could not be read or written: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Rule(#[from] super::rules::BadRule),
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error(transparent)]
    Stopped(#[from] super::matcher::Stopped),
    #[error("the file's time has more than {TRANSACTIONS_MAX} transactions: send it in parts")]
    TooMany,
    #[error("the run was given up by its thread")]
    Lost,
}

/// Why the room cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folders cannot be made.
    #[error("reconciliation/ in the data directory: {0}")]
    Io(#[from] io::Error),
    /// What was interrupted cannot be marked.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A run that waits for its turn.
struct Waiting {
    origin: String,
    id: String,
}

/// A place among those that wait.
pub struct Place(mpsc::OwnedPermit<Waiting>);

impl Place {
    /// Takes it for a run whose document is recorded.
    pub fn take(self, origin: &str, id: &str) {
        let (origin, id) = (origin.to_owned(), id.to_owned());
        self.0.send(Waiting { origin, id });
    }
}

/// Runs reconciliations.
pub struct Reconciler {
    engine: Arc<Engine>,
    search: Arc<Search>,
    /// The files.
    pub files: Files,
    queue: mpsc::Sender<Waiting>,
    waiting: Mutex<Option<mpsc::Receiver<Waiting>>>,
    is_stopping: AtomicBool,
    /// What runs that count have matched, by origin; filled when an origin first needs it.
    matched: Mutex<BTreeMap<String, Earlier>>,
}

impl Reconciler {
    /// In a data directory. What the last process did not finish is marked before anybody can ask.
    ///
    /// # Errors
    ///
    /// If its folders cannot be made, or that cannot be recorded.
    pub async fn open(
        data_dir: &Path,
        engine: &Arc<Engine>,
        search: &Arc<Search>,
    ) -> Result<Arc<Self>, OpenError> {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let opened = Arc::new(Self {
            engine: engine.clone(),
            search: search.clone(),
            files: Files::open(data_dir)?,
            queue,
            waiting: Mutex::new(Some(waiting)),
            is_stopping: AtomicBool::new(false),
            matched: Mutex::default(),
        });
        opened.finish_interrupted().await?;
        Ok(opened)
    }

    /// A place among those that wait, if there is one.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.queue.clone().try_reserve_owned().ok().map(Place)
    }

    /// Marks runs that the last process did not finish as failed: whoever started one sees that, and may
    /// start it again from the same upload.
    async fn finish_interrupted(&self) -> Result<(), EngineError> {
        let documents = self.engine.shared.facts.documents.of(Shelf::Reconciliation);
        for (name, text) in documents {
            let Ok(run) = serde_json::from_str::<Run>(&text) else {
                // An upload.
                continue;
            };
            if matches!(run.status, Status::Started | Status::InProgress) {
                let why = "the server stopped before its end: start it again";
                self.note(&name, |run, now| {
                    run.status = Status::Failed;
                    run.error = Some(why.to_owned());
                    run.completed_micros = Some(now.micros());
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Begins to run what waits, on the arbiter that calls.
    pub fn start(self: &Arc<Self>) {
        let Some(mut waiting) = self.waiting.lock().take() else {
            return;
        };
        let own = self.clone();
        actix_rt::spawn(async move {
            while let Some(next) = waiting.recv().await {
                if own.is_stopping.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = own.run(&next).await {
                    tracing::error!(%error, id = next.id, "a reconciliation could not be noted");
                }
            }
        });
    }

    /// Gives up what is under way: the next start marks it as failed.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Changes a run's document.
    async fn note(
        &self,
        name: &str,
        change: impl Fn(&mut Run, Timestamp),
    ) -> Result<(), EngineError> {
        let changed = |registry: &Registry, now: Timestamp| {
            let text = registry.documents.get(Shelf::Reconciliation, name);
            let run = text.and_then(|text| serde_json::from_str::<Run>(text).ok());
            let changed = run.and_then(|mut run| {
                change(&mut run, now);
                serde_json::to_string(&run).ok()
            });
            let event = changed.map(|text| RegistryEvent::DocumentSet {
                shelf: Shelf::Reconciliation,
                name: name.to_owned(),
                text: Some(text.into()),
                at: now,
            });
            Ok(event.into_iter().collect())
        };
        self.engine
            .change_registry::<EngineError>(None, changed)
            .await?;
        Ok(())
    }

    async fn run(self: &Arc<Self>, next: &Waiting) -> Result<(), EngineError> {
        let name = run_name(&next.origin, &next.id);
        let documents = &self.engine.shared.facts.documents;
        let text = documents.get(Shelf::Reconciliation, &name);
        let Some(run) = text.and_then(|text| serde_json::from_str::<Run>(&text).ok()) else {
            return Ok(());
        };
        self.note(&name, |run, _| run.status = Status::InProgress)
            .await?;
        let done = self.work(next.origin.clone(), run).await;
        if self.is_stopping.load(Ordering::Relaxed) && done.is_err() {
            return Ok(());
        }
        if let Err(error) = &done {
            tracing::warn!(%error, id = next.id, "a reconciliation failed");
        }
        self.note(&name, |run, now| {
            run.completed_micros = Some(now.micros());
            match &done {
                Ok(counts) => (run.status, run.counts) = (Status::Completed, *counts),
                Err(error) => {
                    run.status = Status::Failed;
                    run.error = Some(error.to_string());
                }
            }
        })
        .await
    }

    async fn work(self: &Arc<Self>, origin: String, run: Run) -> Result<Counts, RunError> {
        let own = self.clone();
        let work = move || own.work_through(&origin, &run);
        let done = threads::aside(work).await;
        done.unwrap_or(Err(RunError::Lost))
    }

    /// All of a run that takes its time, on a thread for that.
    fn work_through(&self, origin: &str, run: &Run) -> Result<Counts, RunError> {
        let documents = &self.engine.shared.facts.documents;
        let upload = documents.get(Shelf::Reconciliation, &upload_name(origin, &run.upload_id));
        let upload = upload.and_then(|text| serde_json::from_str::<Upload>(&text).ok());
        let source = upload.map(|upload| upload.source).unwrap_or_default();
        let rules: Result<Vec<_>, _> = run.rules.iter().map(|rule| rule.rule()).collect();
        let task = Task {
            strategy: run.strategy,
            grouping: run.grouping_criteria.unwrap_or(Field::Reference),
            rules: rules?,
            externals: intake::read(&self.files.upload(&run.upload_id), &source)?,
            include_matched: run.include_matched,
        };
        let internals = match task.looked_at() {
            Some(time) => self.transactions(origin, time)?,
            None => Vec::new(),
        };
        let earlier = self.matched_before(origin)?;
        let terms = &self.engine.shared.terms;
        let spelling = |text: &str| one_name(text, terms);
        let goes_on = || !self.is_stopping.load(Ordering::Relaxed);
        let done = reconcile(task, internals, earlier, &spelling, &goes_on)?;
        report::write(&self.files.results(&run.reconciliation_id), done.lines())?;
        if !run.is_dry_run {
            let id: Arc<str> = run.reconciliation_id.as_str().into();
            let mut matched = self.matched.lock();
            let known = matched.entry(origin.to_owned()).or_default();
            known.extend(done.matched().into_iter().map(|found| (found, id.clone())));
        }
        Ok(done.counts)
    }

    fn transactions(&self, origin: &str, time: Span) -> Result<Vec<Internal>, RunError> {
        let mut found = Vec::new();
        let mut is_too_much = false;
        let mut visit = |row: TransactionRow| {
            if found.len() >= TRANSACTIONS_MAX {
                is_too_much = true;
            } else if has_moved(&row) {
                found.push(internal(row));
            }
        };
        let bounds = (Some(time.first), Some(time.last.next()));
        self.search
            .transactions_between(origin, bounds, &mut visit)?;
        if is_too_much {
            return Err(RunError::TooMany);
        }
        Ok(found)
    }

    /// What runs that count have matched: read from their reports once, and kept.
    fn matched_before(&self, origin: &str) -> Result<Earlier, RunError> {
        let mut matched = self.matched.lock();
        if let Some(known) = matched.get(origin) {
            return Ok(known.clone());
        }
        let mut known = Earlier::new();
        let documents = &self.engine.shared.facts.documents;
        for (name, text) in documents.of(Shelf::Reconciliation) {
            let is_own = name
                .strip_prefix(origin)
                .is_some_and(|rest| rest.starts_with("/run/"));
            let run = serde_json::from_str::<Run>(&text).ok();
            let counts = |run: &Run| run.status == Status::Completed && !run.is_dry_run;
            if let Some(run) = run.filter(|run| is_own && counts(run)) {
                let id: Arc<str> = run.reconciliation_id.as_str().into();
                report::each(&self.files.results(&id), |line| {
                    if line.kind == report::Kind::Matched {
                        let ids = line.internal.iter();
                        let ids = ids.filter_map(|found| found.transaction_id.parse().ok());
                        known.extend(ids.map(|found: AnyTransaction| (found, id.clone())));
                    }
                })?;
            }
        }
        matched.insert(origin.to_owned(), known.clone());
        Ok(known)
    }
}

/// Whether money has moved by it for good. A hold is not in anybody's file; what was committed of it is a
/// transaction of its own.
fn has_moved(row: &TransactionRow) -> bool {
    match row.id {
        AnyTransaction::Bulk(_) => false,
        AnyTransaction::Booked(_) | AnyTransaction::Authorization(_) => row.status == "APPLIED",
        AnyTransaction::Movement { .. } => row.status == "APPLIED" || row.status == "COMMIT",
    }
}

fn internal(row: TransactionRow) -> Internal {
    Internal {
        id: row.id,
        amount: Units::of(row.amount, row.asset.decimals()),
        currency: row.asset.to_string(),
        reference: row.reference,
        description: row.description,
        date: Span::at(row.effective_at.unwrap_or(row.created_at)),
        source: row.source,
        destination: row.destination,
    }
}

/// One name for a currency and for the assets that stand for it: a file says USD where a card has DUSD/6.
fn one_name(text: &str, terms: &Terms) -> String {
    let text = text.trim().to_uppercase();
    if let Ok(asset) = text.parse::<Asset>() {
        let pegged = terms.asset(asset).and_then(|term| term.pegged);
        return pegged.map_or_else(|| asset.symbol().to_owned(), |to| to.to_string());
    }
    let mut named = terms.assets.iter();
    let named = named.find(|term| term.asset.symbol() == text);
    let pegged = named.and_then(|term| term.pegged);
    pegged.map_or(text, |to| to.to_string())
}
