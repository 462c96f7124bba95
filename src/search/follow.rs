//! Follows the engine's log behind the durable position and brings the index to it.
//!
//! Only the programmes that use this face are followed, and nothing is read while there is none. Records gather
//! while nobody waits for them, and the thread takes at most a fifth of a processor then, at a low priority: a
//! load of purchases does not feel it. Whoever asks makes it hurry.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{
    Search, SearchError,
    batch::Batch,
    index::Index,
    schema::{self, Reached},
};
use crate::{
    actors::Engine,
    domain::{
        documents::Shelf,
        ids::{AccountNo, ActorId},
    },
    journal::{JournalError, Lsn, Record, RecordIter},
    wire,
};

/// How often it looks after itself when nothing happens.
const TICK: Duration = Duration::from_millis(200);
/// The most records of one transaction of the database.
const RECORDS_MAX: usize = 8_192;
/// The longest that one transaction of the database takes in, about.
const BATCH: Duration = Duration::from_millis(100);
/// After a batch it rests this many times as long as the batch took, unless somebody waits.
const REST: u32 = 4;

/// One index being written.
struct Writer {
    path: PathBuf,
    db: Connection,
    origins: BTreeMap<String, i64>,
    reached: Reached,
    tail: Option<RecordIter>,
}

impl Writer {
    /// Opens or makes the one at `path`.
    fn open(path: &Path, wanted: &BTreeSet<String>) -> Result<Self, SearchError> {
        let db = schema::open(path)?;
        let reached = schema::reached(&db)?;
        if reached.lsn == 0 {
            for name in wanted {
                schema::add_origin(&db, name)?;
            }
        }
        schema::note_use(&db, false)?;
        let origins = schema::origins(&db)?.into_iter().collect();
        Ok(Self {
            path: path.to_owned(),
            db,
            origins,
            reached,
            tail: None,
        })
    }

    fn index(&self) -> Arc<Index> {
        Arc::new(Index::new(&self.path, self.origins.clone()))
    }

    /// Whether an actor's accounts are of a programme that is followed.
    fn concerns(&self, engine: &Engine, actor: ActorId) -> bool {
        if actor == ActorId::REGISTRY {
            return true;
        }
        // All accounts of an actor are one programme's, and the first has its number.
        let indexes = &engine.shared.indexes;
        let mut origins = self.origins.keys();
        origins.any(|origin| indexes.is_of(AccountNo(actor.0), origin))
    }

    /// Takes in what is durable by now, up to some; whether there may be more.
    fn advance(&mut self, engine: &Engine) -> Result<bool, SearchError> {
        if self.tail.is_none() {
            let journal = &engine.shared.journal;
            self.tail = Some(match journal.follow(Lsn::new(self.reached.lsn)) {
                Err(JournalError::NotFound { .. }) => {
                    let oldest = journal.oldest();
                    return Err(SearchError::NoBeginning { oldest });
                }
                other => other?,
            });
        }
        let Some(mut tail) = self.tail.take() else {
            return Ok(false);
        };
        let begun = Instant::now();
        let mut next = tail.next().transpose()?;
        if next.is_none() {
            self.tail = Some(tail);
            return Ok(false);
        }
        let writing = self.db.unchecked_transaction()?;
        let mut batch = Batch::new(&writing, &self.origins, engine.shared.terms.default_asset);
        let mut reached = self.reached.clone();
        let mut count = 0_usize;
        while let Some(record) = next {
            self.look_at(engine, &record, &mut batch)?;
            reached = Reached {
                lsn: record.lsn.get(),
                check: check_of(&record.payload),
                records: reached.records.saturating_add(1),
            };
            count = count.saturating_add(1);
            if count >= RECORDS_MAX || begun.elapsed() >= BATCH {
                break;
            }
            next = tail.next().transpose()?;
        }
        batch.end()?;
        schema::note_reached(&writing, &reached)?;
        writing.commit()?;
        self.reached = reached;
        self.tail = Some(tail);
        Ok(true)
    }

    fn look_at(
        &self,
        engine: &Engine,
        record: &Record,
        batch: &mut Batch<'_>,
    ) -> Result<(), SearchError> {
        let head = wire::decode_entry_head(&record.payload);
        let is_wanted = head.is_ok_and(|(_, actor, _)| self.concerns(engine, actor));
        if !is_wanted {
            return Ok(());
        }
        match wire::decode_entry(&record.payload) {
            Ok(entry) => batch.add(record.lsn.get(), &entry),
            Err(error) => {
                tracing::error!(lsn = %record.lsn, %error, "a record does not decode: it is not in the index");
                Ok(())
            }
        }
    }

    /// Whether it is an index of this log: the record it came to says so.
    fn is_of(&self, engine: &Engine) -> bool {
        if self.reached.lsn == 0 {
            return true;
        }
        let record = engine.shared.journal.read(Lsn::new(self.reached.lsn));
        record.is_ok_and(|bytes| check_of(&bytes) == self.reached.check)
    }
}

fn check_of(payload: &[u8]) -> u32 {
    crc32fast::hash(payload)
}

/// What the thread keeps between its turns.
struct Follower<'a> {
    search: &'a Search,
    current: Option<Writer>,
    /// The one that is to take its place.
    next: Option<Writer>,
    documents_seen: Option<u64>,
}

/// Follows until the index is stopped.
pub(super) fn run(search: &Search) {
    super::give_way();
    let mut follower = Follower {
        search,
        current: None,
        next: None,
        documents_seen: None,
    };
    while !search.is_stopped.load(Ordering::Acquire) {
        let begun = Instant::now();
        let has_more = match follower.turn() {
            Ok(has_more) => has_more,
            Err(error) => {
                follower.failed(&error);
                true
            }
        };
        if search.is_awaited() && has_more {
            continue;
        }
        let rest = if has_more {
            begun.elapsed().saturating_mul(REST)
        } else {
            TICK
        };
        search.bell.wait(rest);
    }
    for writer in [&follower.current, &follower.next].into_iter().flatten() {
        if let Err(error) = schema::note_use(&writer.db, true) {
            tracing::warn!(%error, "the index was not closed cleanly: it is built again if the machine stops");
        }
    }
}

impl Follower<'_> {
    fn turn(&mut self) -> Result<bool, SearchError> {
        let engine = &self.search.engine;
        self.look_for_ledgers();
        let wanted = self.search.wanted.lock().clone();
        if wanted.is_empty() {
            return Ok(false);
        }
        let can_build = !self.search.has_no_beginning.load(Ordering::Acquire);
        if self.current.is_none() && can_build {
            self.open(&wanted)?;
        }
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        let mut has_more = current.advance(engine)?;
        self.search.reached.send_replace(current.reached.lsn);
        let lacks = |name: &String| !current.origins.contains_key(name);
        let is_asked = self.search.progress.lock().is_asked();
        if is_asked && !can_build {
            let why = self.search.no_beginning().to_string();
            (self.search.progress.lock()).end(self.search.now(), Some(why));
        }
        if self.next.is_none() && can_build && (is_asked || wanted.iter().any(lacks)) {
            let path = self.search.next_path(&current.path);
            remove(&path);
            let total = current.reached.records;
            self.next = Some(Writer::open(&path, &wanted)?);
            self.search.progress.lock().begin(total, self.search.now());
        }
        if let Some(next) = &mut self.next {
            has_more |= next.advance(engine)?;
            self.search.progress.lock().at(next.reached.records);
            if next.reached.lsn >= current.reached.lsn {
                self.swap()?;
            }
        }
        Ok(has_more)
    }

    /// Programmes with a ledger use this face.
    fn look_for_ledgers(&mut self) {
        let documents = &self.search.engine.shared.facts.documents;
        let changes = documents.changes(Shelf::Ledger);
        if self.documents_seen == Some(changes) {
            return;
        }
        self.documents_seen = Some(changes);
        let mut wanted = self.search.wanted.lock();
        for (name, _) in documents.of(Shelf::Ledger) {
            if let Some((origin, _)) = name.split_once('/')
                && !wanted.contains(origin)
            {
                wanted.insert(origin.to_owned());
            }
        }
    }

    /// Goes on with the index that is there and has come farthest, or begins one.
    fn open(&mut self, wanted: &BTreeSet<String>) -> Result<(), SearchError> {
        let engine = &self.search.engine;
        let mut best: Option<Writer> = None;
        for path in self.search.paths()? {
            let usable = usable(&path, engine);
            match (usable, &best) {
                (Ok(writer), Some(known)) if writer.reached.lsn <= known.reached.lsn => {
                    remove(&writer.path);
                }
                (Ok(writer), _) => {
                    if let Some(known) = best.replace(writer) {
                        remove(&known.path);
                    }
                }
                (Err(why), _) => {
                    tracing::warn!(%why, path = %path.display(), "the index is built again");
                    remove(&path);
                }
            }
        }
        let writer = match best {
            Some(writer) => writer,
            None => Writer::open(&self.search.dir.join("index-1.sqlite"), wanted)?,
        };
        self.search.live.store(Some(writer.index()));
        self.current = Some(writer);
        Ok(())
    }

    fn swap(&mut self) -> Result<(), SearchError> {
        let Some(next) = self.next.take() else {
            return Ok(());
        };
        let before = self.search.live.swap(Some(next.index()));
        self.search.reached.send_replace(next.reached.lsn);
        self.search.progress.lock().end(self.search.now(), None);
        let written = self.current.replace(next);
        if let Some(before) = before {
            before.retire();
        }
        if let Some(written) = written {
            written.db.close().map_err(|(_, error)| error)?;
        }
        Ok(())
    }

    /// Whatever it was: the database is let go of, and if it is damaged, thrown away.
    fn failed(&mut self, error: &SearchError) {
        tracing::error!(%error, "the index could not be brought to the log");
        let has_no_beginning = matches!(error, SearchError::NoBeginning { .. });
        let is_of_next = self.next.is_some();
        if self.next.take().is_some() {
            let text = Some(error.to_string());
            self.search.progress.lock().end(self.search.now(), text);
        }
        if has_no_beginning {
            // It does not come back while the server runs. What an earlier index has stays good.
            self.search.has_no_beginning.store(true, Ordering::Release);
        }
        let keeps = has_no_beginning && is_of_next;
        if !keeps
            && let Some(current) = self.current.take()
            && (has_no_beginning || is_damage(error))
        {
            self.search.live.store(None);
            let path = current.path.clone();
            drop(current);
            remove(&path);
        }
        self.search.reached.send_modify(|_| {});
        self.search.bell.wait(Duration::from_secs(1));
    }
}

fn is_damage(error: &SearchError) -> bool {
    use rusqlite::ErrorCode;
    let SearchError::Database(rusqlite::Error::SqliteFailure(failure, _)) = error else {
        return false;
    };
    // A broken rule between its tables is no less a damage than a broken page.
    matches!(
        failure.code,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation
    )
}

/// The index at `path`, if it can be gone on with.
fn usable(path: &Path, engine: &Engine) -> Result<Writer, String> {
    let look = || -> Result<Option<&'static str>, SearchError> {
        let db = Connection::open(path)?;
        schema::fault(&db)
    };
    match look() {
        Ok(None) => {}
        Ok(Some(why)) => return Err(why.to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    let writer = Writer::open(path, &BTreeSet::new()).map_err(|error| error.to_string())?;
    if writer.is_of(engine) {
        Ok(writer)
    } else {
        Err("it is of another log".to_owned())
    }
}

/// Deletes a database and what stands beside it.
pub(super) fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        if let Err(error) = std::fs::remove_file(&name)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, name = %Path::new(&name).display(), "an old index was not deleted");
        }
    }
}
