//! An index that can be asked: its connections, its questions.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use rusqlite::{Connection, Row as Found, params_from_iter, types::Value};

use super::{
    SearchError,
    condition::{Condition, Sql, Subject, Wrong},
    field::{Collection, Field, Kind},
    schema, sortable,
};

/// How many connections are kept for the next question.
const READERS_MAX: usize = 8;

/// An index that can be asked.
pub struct Index {
    path: PathBuf,
    /// The origins that are in it.
    origins: BTreeMap<String, i64>,
    readers: Mutex<Vec<Connection>>,
    /// Whether another has taken its place.
    is_retired: AtomicBool,
}

/// Who still asks one that was retired goes on; its files go with the last of them.
impl Drop for Index {
    fn drop(&mut self) {
        if self.is_retired.load(Ordering::Acquire) {
            self.readers.lock().clear();
            super::follow::remove(&self.path);
        }
    }
}

/// What is wanted, in which order, and which part of it.
#[derive(Clone, Debug)]
pub struct Question {
    /// Of what.
    pub collection: Collection,
    /// Which.
    pub condition: Condition,
    /// By what, and whether the largest come first; then the newest first.
    pub sort: Vec<(Subject, bool)>,
    /// How many at the most.
    pub limit: usize,
    /// How many are passed over.
    pub offset: usize,
    /// Whether all that fit are counted.
    pub counts: bool,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Each with all of its fields, in the collection's order.
    pub rows: Vec<Vec<Value>>,
    /// How many there are in all, if that was asked.
    pub found: Option<u64>,
    /// How many there are of that collection.
    pub out_of: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// What is asked cannot be.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// The index cannot answer.
    #[error(transparent)]
    Search(#[from] SearchError),
}

impl From<rusqlite::Error> for AskError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Search(error.into())
    }
}

impl Index {
    /// One whose database is at `path`.
    pub(super) fn new(path: &Path, origins: BTreeMap<String, i64>) -> Self {
        Self {
            path: path.to_owned(),
            origins,
            readers: Mutex::default(),
            is_retired: AtomicBool::new(false),
        }
    }

    /// Another takes its place.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
    }

    pub(super) fn has(&self, origin: &str) -> bool {
        self.origins.contains_key(origin)
    }

    /// Gives `work` a connection and the origin's number, in one view of the database. Blocks.
    pub(super) fn look<T, E: From<SearchError>>(
        &self,
        origin: &str,
        work: impl FnOnce(&Connection, i64) -> Result<T, E>,
    ) -> Result<T, E> {
        let number = self.origins.get(origin).copied().unwrap_or(0);
        let kept = self.readers.lock().pop();
        let db = match kept {
            Some(db) => db,
            None => schema::open_to_read(&self.path)?,
        };
        let view = db.unchecked_transaction().map_err(SearchError::from)?;
        let done = work(&view, number);
        let ended = view.finish().map_err(SearchError::from);
        if done.is_ok() && ended.is_ok() {
            let mut readers = self.readers.lock();
            if readers.len() < READERS_MAX {
                readers.push(db);
            }
        }
        done
    }

    /// Answers a question. Blocks.
    ///
    /// # Errors
    ///
    /// [`AskError`].
    pub fn ask(&self, origin: &str, question: &Question) -> Result<Answer, AskError> {
        self.look(origin, |db, number| {
            let rows = rows(db, number, question)?;
            let (mut found, mut out_of) = (None, None);
            if question.counts {
                found = Some(count(db, number, question)?);
                let all = Question {
                    condition: Condition::everything(),
                    ..question.clone()
                };
                out_of = Some(count(db, number, &all)?);
            }
            Ok(Answer {
                rows,
                found,
                out_of,
            })
        })
    }

    /// Words in the index that are nearly `word`: at most `distance` letters are other ones. Blocks.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn near(
        &self,
        collection: Collection,
        word: &str,
        distance: usize,
    ) -> Result<Vec<String>, SearchError> {
        const LOOKED_AT_MAX: i64 = 20_000;
        const NEAR_MAX: usize = 8;
        let Some(first) = word.chars().next() else {
            return Ok(Vec::new());
        };
        // The first letter is hardly ever the wrong one, and without it all words would be looked at.
        let table = collection.word();
        let asked = format!(
            "SELECT term FROM {table}_known WHERE term >= ? AND term < ? LIMIT {LOOKED_AT_MAX}"
        );
        self.look("", |db, _| {
            let mut asked = db.prepare_cached(&asked)?;
            let end = format!("{first}\u{10ffff}");
            let known = asked.query_map([first.to_string(), end], |row| row.get(0))?;
            let mut near: Vec<(usize, String)> = Vec::new();
            for term in known {
                let term: String = term?;
                let apart = strsim::damerau_levenshtein(&term, word);
                if apart > 0 && apart <= distance {
                    near.push((apart, term));
                }
            }
            near.sort_unstable();
            near.truncate(NEAR_MAX);
            Ok(near.into_iter().map(|(_, term)| term).collect())
        })
    }
}

fn rows(db: &Connection, origin: i64, question: &Question) -> Result<Vec<Vec<Value>>, AskError> {
    let collection = question.collection;
    let names: Vec<_> = collection.fields().iter().map(|field| field.name).collect();
    let mut sql = Sql::default();
    sql.push("SELECT ");
    sql.push(&names.join(", "));
    sql.push(extra(collection));
    from(&mut sql, origin, question)?;
    sql.push(" ORDER BY ");
    for (subject, is_down) in &question.sort {
        sql.subject(subject);
        sql.push(if *is_down { " DESC, " } else { " ASC, " });
    }
    let is_down = question.sort.first().is_none_or(|(_, is_down)| *is_down);
    sql.push(if is_down { "seq DESC" } else { "seq ASC" });
    sql.push(" LIMIT ");
    sql.bind(i64::try_from(question.limit).unwrap_or(i64::MAX));
    sql.push(" OFFSET ");
    sql.bind(i64::try_from(question.offset).unwrap_or(i64::MAX));
    let width = names.len().saturating_add(extra_count(collection));
    let mut asked = db.prepare_cached(&sql.text)?;
    let found = asked.query_map(params_from_iter(&sql.values), |row| all_of(row, width))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// What stands behind a transaction's fields: for who writes it out.
const fn extra(collection: Collection) -> &'static str {
    match collection {
        Collection::Transactions => ", inflight_commit_date, split",
        Collection::Ledgers | Collection::Balances | Collection::Identities => "",
    }
}

const fn extra_count(collection: Collection) -> usize {
    match collection {
        Collection::Transactions => 2,
        Collection::Ledgers | Collection::Balances | Collection::Identities => 0,
    }
}

fn all_of(row: &Found<'_>, width: usize) -> rusqlite::Result<Vec<Value>> {
    (0..width).map(|place| row.get(place)).collect()
}

fn count(db: &Connection, origin: i64, question: &Question) -> Result<u64, AskError> {
    let mut sql = Sql::default();
    sql.push("SELECT count(*)");
    from(&mut sql, origin, question)?;
    let mut asked = db.prepare_cached(&sql.text)?;
    let count: i64 = asked.query_row(params_from_iter(&sql.values), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn from(sql: &mut Sql, origin: i64, question: &Question) -> Result<(), Wrong> {
    sql.push(" FROM ");
    sql.push(question.collection.word());
    sql.push(" WHERE origin = ");
    sql.bind(origin);
    sql.push(" AND ");
    question.condition.put(question.collection, sql)
}

/// A row's value of a field.
#[must_use]
pub fn value_of<'a>(collection: Collection, row: &'a [Value], name: &str) -> Option<&'a Value> {
    let fields = collection.fields().iter();
    let mut places = fields.zip(row);
    let found = places.find(|(field, _)| field.name == name);
    found.map(|(_, value)| value)
}

/// A row's text of a field; empty if it has none.
#[must_use]
pub fn text_of<'a>(collection: Collection, row: &'a [Value], name: &str) -> &'a str {
    match value_of(collection, row, name) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// A column's value as JSON text, in the form of search documents: moments as Unix seconds, sums as texts.
#[must_use]
pub fn document_value(field: &Field, value: &Value) -> Option<String> {
    let quoted = |text: &str| serde_json::to_string(text).ok();
    match (field.kind, value) {
        (_, Value::Null | Value::Blob(_)) => None,
        (Kind::Amount, Value::Text(text)) if field.name == "overdraft_limit" => {
            Some(sortable::shown(text))
        }
        (Kind::Amount, Value::Text(text)) => quoted(&sortable::shown(text)),
        (Kind::Decimal, Value::Text(text)) => Some(sortable::shown(text)),
        (Kind::Json, Value::Text(text)) => Some(text.clone()),
        (_, Value::Text(text)) => quoted(text),
        (Kind::Time, Value::Integer(micros)) => Some(micros.div_euclid(1_000_000).to_string()),
        (Kind::Flag, Value::Integer(number)) => Some((*number != 0).to_string()),
        (_, Value::Integer(number)) => Some(number.to_string()),
        (_, Value::Real(_)) => None,
    }
}
