//! The reader: follows the log, keeps the sums of what is watched, records crossings.
//!
//! What it knows is a fold of the log from the bases in the monitors' documents on. It is written to a file now
//! and then, so that a start need not read from there; without the file nothing is lost but time.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Base, Cause, Crossing, Monitor, Wanted, base_of, fold};
use crate::{
    actors::{Engine, EngineError, registrar::ChangeError},
    domain::{
        documents::Shelf,
        ids::ActorId,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
        uuids::BalanceId,
    },
    journal::{JournalError, Lsn, Record},
    wire::{self, Body, Entry},
};

/// How long it rests when it has caught up.
const REST: Duration = Duration::from_millis(20);
/// How long it rests while nobody watches anything.
const IDLE: Duration = Duration::from_millis(100);
/// How much of the log may go by before what is known is written down, in bytes.
const WRITE_BYTES: u64 = 4 << 20;

/// How many balances are looked through for a record's actor; with more, every record is read.
const LOOKED_THROUGH_MAX: usize = 32;

/// What is known.
#[derive(Default)]
struct State {
    /// Up to here the log was read.
    lsn: u64,
    /// By balance.
    balances: BTreeMap<BalanceId, Watched>,
}

/// The same as the file has it.
#[derive(Serialize, Deserialize)]
struct Written {
    lsn: u64,
    balances: Vec<Watched>,
}

/// A balance that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    base: Base,
    /// By the names of their documents.
    monitors: BTreeMap<String, Watching>,
}

/// A monitor at its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watching {
    monitor: Monitor,
    /// Whether its condition was true after the last record.
    is_met: bool,
}

/// Follows the log on a thread of its own from now on.
pub fn start(engine: &Arc<Engine>, wanted: &Arc<Wanted>, file: PathBuf) {
    let documents = &engine.shared.facts.documents;
    if !documents.of(Shelf::Monitor).is_empty() {
        wanted.expect();
    }
    let mut follower = Follower {
        engine: engine.clone(),
        wanted: wanted.clone(),
        state: State::default(),
        written: 0,
        crossed: VecDeque::new(),
        recorded: 0,
        is_news: false,
        file,
    };
    let thread = thread::Builder::new().name("monitors".to_owned());
    let begun = thread.spawn(move || {
        follower.begin();
        loop {
            if let Err(error) = follower.run() {
                tracing::warn!(%error, "monitors stand still; they are tried again");
                thread::sleep(Duration::from_secs(1));
            }
        }
    });
    if let Err(error) = begun {
        tracing::error!(%error, "monitors do not run");
    }
}

struct Follower {
    engine: Arc<Engine>,
    wanted: Arc<Wanted>,
    state: State,
    /// Up to here what is known stands in the file.
    written: u64,
    /// Crossings that are to be recorded: the monitor's document, since when it is so, which.
    crossed: VecDeque<(String, i64, Crossing)>,
    /// Where the last crossing was recorded.
    recorded: u64,
    /// Whether something was told or asked since what is known was written.
    is_news: bool,
    file: PathBuf,
}

impl Follower {
    /// Where to begin: where the file ends, or at the oldest base.
    fn begin(&mut self) {
        let durable = self.engine.durability.durable();
        let text = std::fs::read_to_string(&self.file).ok();
        let known: Option<Written> = text.and_then(|text| serde_json::from_str(&text).ok());
        // A log that was put back from a copy may end before the file.
        if let Some(known) = known.filter(|known| known.lsn <= durable) {
            let id = |watched: &Watched| {
                let (_, watching) = watched.monitors.first_key_value()?;
                watching.monitor.balance_id.parse().ok()
            };
            let balances = known.balances.into_iter();
            self.state = State {
                lsn: known.lsn,
                balances: balances.filter_map(|it| Some((id(&it)?, it))).collect(),
            };
            self.written = self.state.lsn;
            if !self.state.balances.is_empty() {
                self.wanted.expect();
            }
            return;
        }
        let documents = self.engine.shared.facts.documents.of(Shelf::Monitor);
        let bases = documents.iter().filter_map(|(_, text)| Monitor::read(text));
        let oldest = bases.map(|monitor| monitor.base.lsn).min();
        self.state = State {
            lsn: oldest.unwrap_or(durable),
            balances: BTreeMap::new(),
        };
    }

    fn run(&mut self) -> Result<(), EngineError> {
        while !self.wanted.is_expected() {
            // Whoever makes a monitor says so before it is recorded: nothing up to here is one's.
            let durable = self.engine.durability.durable();
            if !self.wanted.is_expected() {
                self.state.lsn = durable.max(self.state.lsn);
            }
            thread::sleep(IDLE);
        }
        self.record_crossings()?;
        let journal = self.engine.shared.journal.clone();
        let mut log = match journal.follow(Lsn::new(self.state.lsn)) {
            Err(JournalError::NotFound { .. }) => {
                self.begin_anew()?;
                journal.follow(Lsn::new(self.state.lsn))?
            }
            other => other?,
        };
        loop {
            let Some(record) = log.next() else {
                if self.is_news {
                    self.write();
                }
                thread::sleep(REST);
                continue;
            };
            let record = record?;
            self.look_at(&record)?;
            self.state.lsn = record.lsn.get();
            if self.state.lsn.saturating_sub(self.written) >= WRITE_BYTES {
                self.write();
            }
        }
    }

    /// What was to be read is gone: what is watched is watched from now on, and nothing is told of what
    /// happened before.
    fn begin_anew(&mut self) -> Result<(), EngineError> {
        tracing::warn!("the log does not reach back to where monitors stood: they begin anew");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let Ok(runtime) = runtime else {
            return Err(EngineError::Unavailable);
        };
        let durable = self.engine.durability.durable();
        let mut state = State {
            lsn: durable,
            balances: BTreeMap::new(),
        };
        for (name, text) in self.engine.shared.facts.documents.of(Shelf::Monitor) {
            let Some(mut monitor) = Monitor::read(&text) else {
                continue;
            };
            let Ok(id) = monitor.balance_id.parse::<BalanceId>() else {
                continue;
            };
            let Some(base) = runtime.block_on(base_of(&self.engine, None, id))? else {
                continue;
            };
            monitor.base = base;
            watch(&mut state, id, &name, monitor);
        }
        self.state = state;
        Ok(())
    }

    fn look_at(&mut self, record: &Record) -> Result<(), EngineError> {
        let lsn = record.lsn.get();
        let (_, actor, _) = wire::decode_entry_head(&record.payload)?;
        if actor == ActorId::REGISTRY {
            let entry = wire::decode_entry(&record.payload)?;
            return self.take_changes(lsn, &entry);
        }
        if !self.concerns(actor) {
            return Ok(());
        }
        let entry = wire::decode_entry(&record.payload)?;
        for ledger in fold::touched(&entry) {
            let of = |tag| BalanceId { ledger, tag };
            let here = self.state.balances.range_mut(of(0)..=of(u32::MAX));
            for (id, watched) in here {
                if fold::take(&mut watched.base, *id, lsn, &entry) {
                    self.crossed.extend(watched.evaluate(lsn, entry.time));
                }
            }
        }
        self.record_crossings()
    }

    /// Those that were found and are not recorded yet, in their order.
    fn record_crossings(&mut self) -> Result<(), EngineError> {
        while let Some((name, set_at, crossing)) = self.crossed.front().cloned() {
            self.is_news = true;
            self.record(&name, set_at, &crossing)?;
            self.crossed.pop_front();
        }
        Ok(())
    }

    /// Whether that actor's records may change what is watched.
    fn concerns(&self, actor: ActorId) -> bool {
        let balances = &self.state.balances;
        if balances.len() > LOOKED_THROUGH_MAX {
            return true;
        }
        let indexes = &self.engine.shared.indexes;
        let home = indexes.home_of(actor);
        balances.iter().any(|(id, watched)| {
            // What is inflight towards a balance may be held anywhere.
            watched.knows_expected() || indexes.home_of(indexes.actor_of_ledger(id.ledger)) == home
        })
    }

    /// Monitors that came, changed and went.
    fn take_changes(&mut self, lsn: u64, entry: &Entry) -> Result<(), EngineError> {
        let Body::Registry(events) = &entry.body else {
            return Ok(());
        };
        for event in events {
            let RegistryEvent::DocumentSet {
                shelf: Shelf::Monitor,
                name,
                text,
                ..
            } = event
            else {
                continue;
            };
            let monitor = text.as_deref().and_then(Monitor::read);
            self.is_news |= monitor.is_none();
            let Some(monitor) = monitor else {
                unwatch(&mut self.state, name);
                continue;
            };
            if monitor.cause == Cause::Crossed {
                continue;
            }
            self.is_news = true;
            unwatch(&mut self.state, name);
            let mut monitor = monitor;
            let Ok(id) = monitor.balance_id.parse::<BalanceId>() else {
                continue;
            };
            let known = self.state.balances.get(&id);
            let needs_more = monitor.condition.field.needs_expected()
                && known.is_some_and(|known| !known.knows_expected());
            if known.is_none() || needs_more {
                self.catch_up(&mut monitor, id, lsn)?;
            }
            if needs_more && let Some(watched) = self.state.balances.get_mut(&id) {
                // Until now nobody asked what others hold for it.
                watched.base.sums.expected = monitor.base.sums.expected;
                watched.base.expected_lsn = lsn;
            }
            watch(&mut self.state, id, name, monitor);
        }
        Ok(())
    }

    /// Takes what stands between a monitor's base and its own record.
    fn catch_up(&self, monitor: &mut Monitor, id: BalanceId, lsn: u64) -> Result<(), EngineError> {
        let journal = &self.engine.shared.journal;
        for record in journal.scan(Lsn::new(monitor.base.lsn))? {
            let record = record?;
            let at = record.lsn.get();
            if at >= lsn {
                break;
            }
            let entry = wire::decode_entry(&record.payload)?;
            fold::take(&mut monitor.base, id, at, &entry);
        }
        Ok(())
    }

    /// Writes a crossing into its monitor's document, once; nothing if somebody has changed the monitor since.
    fn record(&mut self, name: &str, set_at: i64, crossing: &Crossing) -> Result<(), EngineError> {
        let change = |registry: &Registry, now: Timestamp| {
            let text = registry.documents.get(Shelf::Monitor, name);
            let known = text.and_then(|text| Monitor::read(text));
            let is_new = |known: &Monitor| {
                let last = known.crossing.as_ref().map_or(0, |last| last.lsn);
                known.set_at == set_at && last < crossing.lsn
            };
            let crossed = known.filter(is_new).map(|known| Monitor {
                cause: Cause::Crossed,
                crossing: Some(crossing.clone()),
                ..known
            });
            let event = crossed.and_then(|crossed| crossed.set(name, now));
            Ok::<_, std::convert::Infallible>(event.into_iter().collect())
        };
        loop {
            match self
                .engine
                .registrar
                .change(None, &self.engine.shared, change)
            {
                Ok(recorded) => {
                    self.recorded = self.recorded.max(recorded.lsn);
                    return Ok(());
                }
                Err(ChangeError::Refused(never)) => match never {},
                Err(ChangeError::Engine(EngineError::Busy(_)) | ChangeError::Contested) => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(ChangeError::Engine(EngineError::Journal(JournalError::Busy { .. }))) => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(ChangeError::Engine(error)) => return Err(error),
                Err(ChangeError::Known { .. }) => return Ok(()),
            }
        }
    }

    /// Writes down what is known, unless a crossing of it is not on disk yet.
    fn write(&mut self) {
        if !self.crossed.is_empty() || self.engine.durability.durable() < self.recorded {
            return;
        }
        let known = Written {
            lsn: self.state.lsn,
            balances: self.state.balances.values().cloned().collect(),
        };
        let written = serde_json::to_vec(&known)
            .map_err(std::io::Error::other)
            .and_then(|text| write(&self.file, &text));
        self.is_news = false;
        match written {
            Ok(()) => self.written = self.state.lsn,
            Err(error) => {
                tracing::warn!(%error, "how far monitors have come was not written");
                // Not again at once.
                self.written = self.state.lsn;
            }
        }
    }
}

/// Under another name first: a crash leaves the one or the other.
fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(text)?;
    file.sync_data()?;
    std::fs::rename(&fresh, path)
}

/// Watches from here on. What is true already is told of when it becomes true the next time.
fn watch(state: &mut State, id: BalanceId, name: &str, monitor: Monitor) {
    let fresh = || Watched {
        base: monitor.base.clone(),
        monitors: BTreeMap::new(),
    };
    let watched = state.balances.entry(id).or_insert_with(fresh);
    let is_met = monitor.condition.holds(&watched.base.sums);
    let watching = Watching { monitor, is_met };
    watched.monitors.insert(name.to_owned(), watching);
}

fn unwatch(state: &mut State, name: &str) {
    state.balances.retain(|_, watched| {
        watched.monitors.remove(name);
        !watched.monitors.is_empty()
    });
}

impl Watched {
    /// Whether what others hold for it has been followed.
    fn knows_expected(&self) -> bool {
        let mut monitors = self.monitors.values();
        monitors.any(|watching| watching.monitor.condition.field.needs_expected())
    }

    /// The monitors whose condition has just become true.
    fn evaluate(&mut self, lsn: u64, at: Timestamp) -> Vec<(String, i64, Crossing)> {
        let mut crossed = Vec::new();
        for (name, watching) in &mut self.monitors {
            let condition = &watching.monitor.condition;
            let is_met = condition.holds(&self.base.sums);
            if is_met && !watching.is_met {
                let crossing = Crossing {
                    lsn,
                    at: at.to_string(),
                    value: self.base.sums.of(condition.field),
                };
                crossed.push((name.clone(), watching.monitor.set_at, crossing));
            }
            watching.is_met = is_met;
        }
        crossed
    }
}
