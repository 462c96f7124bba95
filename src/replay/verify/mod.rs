//! Proves a data directory, or says what is wrong with it: every finding, not only the first.
//!
//! The log is read once, in order; its records go to threads by actor ([`worker`]), which add them
//! up in a plain way of their own ([`plain`]) and by the engine's replay, and hold both against each
//! other, against what the records state, and against every snapshot ([`snapshots`]). What concerns
//! several actors is put together at the end: transfers ([`transit`]), keys ([`keys`]) and the trial
//! balance.

mod books;
pub mod files;
pub mod finding;
mod holds;
pub mod keys;
pub mod outcome;
pub mod plain;
pub mod snapshots;
pub mod transit;
pub mod worker;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread::{self, JoinHandle},
};

use self::{
    finding::{Check, Findings, Severity, Spot},
    keys::LogKeys,
    outcome::{AccountMoney, Checked, Joined, Outcome},
    plain::Houses,
    snapshots::Snapshot,
    transit::Passage,
    worker::{Task, Worker},
};
use super::shard::panic_text;
use crate::{
    domain::{ids::ActorId, money::Asset, posting::House},
    journal::{
        JournalError, Lsn,
        wal::{LogEntry, TailCut, WalReader},
    },
    replay::sum::Sum,
    wire,
};

/// How to go about it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many threads add up.
    pub threads: usize,
    /// Whether the accounts and their money are wanted.
    pub with_accounts: bool,
}

/// What came of it.
#[derive(Default)]
pub struct Verdict {
    /// What was found.
    pub findings: Findings,
    /// What was looked at.
    pub checked: Checked,
    /// The last record.
    pub last: Lsn,
    /// What the house has.
    pub houses: Houses,
    /// What ledger accounts have, as the records state: spendable, held, accounts.
    pub stated: BTreeMap<Asset, (Sum, Sum, u64)>,
    /// The accounts, if they were asked for.
    pub accounts: Vec<AccountMoney>,
    /// A document that is sealed under the vault's active key, if there is one.
    pub sealed: Option<Arc<str>>,
    /// How many accounts were compared with a running server, by whoever asked one.
    pub server_accounts: u64,
    keys: LogKeys,
    passages: Vec<Passage>,
}

/// The name of the threads that replay: what panics there is a finding, not a crash.
pub const THREAD_NAME: &str = "verify";
/// What is handed to a thread in one go.
const BATCH: usize = 512;
/// How many batches may wait for a thread.
const BATCHES_WAITING: usize = 16;

/// Verifies what `reader` reads; `progress` hears how far in the log it is.
///
/// # Errors
///
/// [`JournalError::Io`] if the directory cannot be read at all; everything else is a finding.
pub fn verify(
    reader: &WalReader,
    options: Options,
    progress: &mut dyn FnMut(Lsn),
) -> Result<Verdict, JournalError> {
    let mut verdict = Verdict::default();
    let threads = options.threads.max(1);
    let mut workers: Vec<Worker> = (0..threads).map(|_| Worker::default()).collect();
    let findings = &mut verdict.findings;
    let snapshots = snapshots::expectations(reader, findings, |actor, expected| {
        if let Some(worker) = workers.get_mut(share_of(actor, threads)) {
            worker.expect(actor, expected);
        }
    })?;
    let (mut senders, mut handles) = (Vec::new(), Vec::new());
    for mut worker in workers {
        worker.know(&snapshots);
        let (sender, receiver) = mpsc::sync_channel::<Vec<Task>>(BATCHES_WAITING);
        handles.push(start(move || {
            while let Ok(tasks) = receiver.recv() {
                tasks.iter().for_each(|task| worker.take(task));
            }
            worker
        })?);
        senders.push((sender, Vec::with_capacity(BATCH)));
    }
    let is_read = read_log(reader, &mut senders, &mut verdict, progress);
    for (sender, tasks) in senders {
        // A thread that died says why itself.
        let _ = sender.send(tasks);
    }
    let workers = verdict.ended(handles);
    // Only when all have read their part is it known which groups came into others.
    let joined: Joined = (workers.iter())
        .flat_map(|worker| worker.joined.clone())
        .collect();
    let joined = Arc::new(joined);
    let mut handles = Vec::new();
    for worker in workers {
        let joined = joined.clone();
        let finish = move || worker.finish(is_read, options.with_accounts, &joined);
        handles.push(start(finish)?);
    }
    for outcome in verdict.ended(handles) {
        verdict.add(outcome);
    }
    verdict.conclude(reader, &snapshots, (is_read, &joined));
    Ok(verdict)
}

fn start<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, JournalError> {
    let thread = thread::Builder::new().name(THREAD_NAME.to_owned());
    thread.spawn(run).map_err(|source| JournalError::Io {
        what: "starting a thread".to_owned(),
        source,
    })
}

fn share_of(actor: ActorId, threads: usize) -> usize {
    let threads = u64::try_from(threads).unwrap_or(1).max(1);
    usize::try_from(actor.0 % threads).unwrap_or(0)
}

type Sender = (SyncSender<Vec<Task>>, Vec<Task>);

/// Hands every record to its actor's thread; whether the log was read to its end.
fn read_log(
    reader: &WalReader,
    senders: &mut [Sender],
    verdict: &mut Verdict,
    progress: &mut dyn FnMut(Lsn),
) -> bool {
    let (first, _) = reader.bounds();
    if first > 0 {
        let gap = reader.gap();
        let spot = Spot {
            lsn: Some(Lsn::new(first)),
            file: gap.map(|gap| gap.name.as_str().into()),
            ..Spot::default()
        };
        let why = gap.map_or_else(
            || "the segments before it are missing from wal/ and archive/".to_owned(),
            |gap| format!("archive/{} does not join it: {}", gap.name, gap.what),
        );
        let what = format!(
            "the log begins at position {first}: {why}, so that nothing can be added up from the beginning"
        );
        verdict
            .findings
            .push(Severity::Damage, Check::Log, spot, what);
    }
    let mut count = 0_u64;
    for entry in reader.records() {
        match entry {
            Ok(LogEntry::Record {
                segment,
                offset,
                record,
            }) => {
                let task = Task {
                    segment,
                    offset,
                    record,
                };
                verdict.order(&task);
                count = count.saturating_add(1);
                if count.is_multiple_of(4_096) {
                    progress(verdict.last);
                }
                // Without its beginning, only the log's bytes can be checked.
                if first == 0 && !hand_over(senders, task) {
                    return false;
                }
            }
            Ok(LogEntry::Torn(cut)) => verdict.torn(&cut),
            Err(error) => {
                let findings = &mut verdict.findings;
                findings.refused(Check::Log, error);
                if let Some(finding) = findings.kept.last_mut() {
                    finding.what += "; what stands behind it was not read";
                }
                return false;
            }
        }
    }
    if first > 0 {
        verdict.checked.records = count;
    }
    first == 0
}

/// Whether the thread still listens.
fn hand_over(senders: &mut [Sender], task: Task) -> bool {
    let actor = wire::decode_entry_head(&task.record.payload).map(|(_, actor, _)| actor);
    let share = share_of(actor.unwrap_or_default(), senders.len());
    let Some((sender, tasks)) = senders.get_mut(share) else {
        return false;
    };
    tasks.push(task);
    if tasks.len() < BATCH {
        return true;
    }
    let full = std::mem::replace(tasks, Vec::with_capacity(BATCH));
    sender.send(full).is_ok()
}

impl Verdict {
    /// What the threads came to; one that died is a finding.
    fn ended<T>(&mut self, handles: Vec<JoinHandle<T>>) -> Vec<T> {
        let mut results = Vec::new();
        for handle in handles {
            match handle.join() {
                Ok(result) => results.push(result),
                Err(panic) => self.findings.push(
                    Severity::Fault,
                    Check::Replay,
                    Spot::default(),
                    format!("a verifying thread died: {}", panic_text(panic.as_ref())),
                ),
            }
        }
        results
    }

    fn order(&mut self, task: &Task) {
        let lsn = task.record.lsn;
        if lsn <= self.last {
            let spot = Spot {
                lsn: Some(lsn),
                file: Some(task.segment.clone()),
                offset: Some(task.offset),
                actor: None,
            };
            let what = format!("the record before it is at lsn {}", self.last);
            self.findings
                .push(Severity::Fault, Check::Order, spot, what);
        }
        self.last = lsn;
    }

    fn torn(&mut self, cut: &TailCut) {
        let name = cut.file.file_name().unwrap_or_default();
        let spot = Spot {
            lsn: Some(cut.lsn),
            file: Some(name.to_string_lossy().into()),
            offset: Some(cut.offset),
            actor: None,
        };
        let what = format!(
            "torn tail: an unfinished write of {} bytes ends the log ({})",
            cut.bytes, cut.what
        );
        self.findings.push(Severity::Info, Check::Tail, spot, what);
    }

    fn add(&mut self, outcome: Outcome) {
        self.findings.append(outcome.findings);
        self.checked.add(&outcome.checked);
        for (of, sum) in outcome.houses {
            let total = self.houses.entry(of).or_default();
            *total += &sum;
        }
        for (asset, (spendable, held, accounts)) in outcome.stated {
            let total = self.stated.entry(asset).or_default();
            total.0 += &spendable;
            total.1 += &held;
            total.2 = total.2.saturating_add(accounts);
        }
        self.passages.extend(outcome.passages);
        self.keys.append(outcome.keys);
        self.accounts.extend(outcome.accounts);
        self.sealed = self.sealed.take().or(outcome.sealed);
    }

    /// What concerns several actors.
    fn conclude(
        &mut self,
        reader: &WalReader,
        snapshots: &[Snapshot],
        (is_whole, joined): (bool, &Joined),
    ) {
        self.keys.settle(&mut self.findings);
        self.checked.keys = self.keys.len();
        self.checked.snapshots = u64::try_from(snapshots.len()).unwrap_or(u64::MAX);
        self.check_trial_balance();
        if is_whole {
            let in_house = (self.houses.iter())
                .filter(|((_, house), _)| *house == House::Transit)
                .map(|((asset, _), sum)| (*asset, sum.clone()));
            let in_house: BTreeMap<Asset, Sum> = in_house.collect();
            let passages = std::mem::take(&mut self.passages);
            (self.checked.transfers, self.checked.in_transit) =
                transit::settle(passages, &in_house, joined, &mut self.findings);
            for snapshot in snapshots.iter().filter(|it| it.lsn > self.last) {
                let what = format!(
                    "the snapshot is ahead of the log, which ends at lsn {}: records were lost",
                    self.last
                );
                let spot = snapshot.spot(None);
                self.findings.push(Severity::Fault, Check::Lost, spot, what);
            }
            let keys = &self.keys;
            self.checked.snapshot_keys =
                snapshots::check_keys(reader, snapshots, keys, &mut self.findings);
        }
        self.findings.sort();
    }

    /// Both sides come from different places: the house's from the postings, the accounts' from
    /// what the records state.
    fn check_trial_balance(&mut self) {
        let mut sums: BTreeMap<Asset, Sum> = BTreeMap::new();
        for ((asset, _), sum) in &self.houses {
            let total = sums.entry(*asset).or_default();
            *total += sum;
        }
        for (asset, (spendable, held, _)) in &self.stated {
            let total = sums.entry(*asset).or_default();
            *total += spendable;
            *total += held;
        }
        for (asset, sum) in sums.into_iter().filter(|(_, sum)| !sum.is_zero()) {
            let what = format!("{asset}: all accounts together have {sum}, not zero");
            let spot = Spot::default();
            self.findings
                .push(Severity::Fault, Check::TrialBalance, spot, what);
        }
    }
}
