//! Ledgers and identities in the index: documents of the registry.

use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value as Stored};
use serde_json::Value;

use super::{
    SearchError,
    field::{Collection, Kind, Words},
    rows::words_of,
};
use crate::domain::time::Timestamp;

/// A document as it is set.
pub(super) struct Document<'a> {
    pub(super) origin: i64,
    pub(super) id: &'a str,
    /// Its text; nothing if it is gone.
    pub(super) text: Option<&'a str>,
    pub(super) at: Timestamp,
}

/// Brings its row to what the document says now.
pub(super) fn set(
    db: &Connection,
    collection: Collection,
    document: &Document<'_>,
) -> Result<(), SearchError> {
    let (table, id) = (collection.word(), collection.id());
    let known = format!("SELECT seq, created_at FROM {table} WHERE origin = ? AND {id} = ?");
    let known: Option<(i64, i64)> = db
        .prepare_cached(&known)?
        .query_row((document.origin, document.id), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((seq, _)) = known {
        for table in [table.to_owned(), format!("{table}_words")] {
            let key = if table.ends_with("_words") {
                "rowid"
            } else {
                "seq"
            };
            let forget = format!("DELETE FROM {table} WHERE {key} = ?");
            db.prepare_cached(&forget)?.execute([seq])?;
        }
    }
    let said = document
        .text
        .and_then(|text| serde_json::from_str(text).ok());
    let Some(Value::Object(said)) = said else {
        return Ok(());
    };
    let mut columns = vec!["seq", "origin", id];
    let mut values = vec![
        known.map_or(Stored::Null, |(seq, _)| Stored::Integer(seq)),
        Stored::Integer(document.origin),
        Stored::Text(document.id.to_owned()),
    ];
    let first_seen = known.map_or(document.at.micros(), |(_, at)| at);
    for field in collection.fields().iter().skip(1) {
        let given = said.get(field.name);
        columns.push(field.name);
        values.push(match (field.name, field.kind) {
            ("created_at", _) => Stored::Integer(micros(given).unwrap_or(first_seen)),
            (_, Kind::Time) => micros(given).map_or(Stored::Null, Stored::Integer),
            (_, Kind::Json) => Stored::Text(object(given)),
            (_, Kind::Text | Kind::Amount | Kind::Decimal | Kind::Integer | Kind::Flag) => {
                text(given).map_or(Stored::Null, Stored::Text)
            }
        });
    }
    let marks = vec!["?"; columns.len()].join(", ");
    let insert = format!(
        "INSERT INTO {table}({}) VALUES({marks})",
        columns.join(", ")
    );
    db.prepare_cached(&insert)?
        .execute(params_from_iter(values.iter()))?;
    let seq = db.last_insert_rowid();
    put_words(db, collection, seq, (&columns, &values))
}

fn put_words(
    db: &Connection,
    collection: Collection,
    seq: i64,
    (columns, values): (&[&str], &[Stored]),
) -> Result<(), SearchError> {
    let mut names = vec!["rowid"];
    let mut words = vec![Stored::Integer(seq)];
    for field in collection.fields().iter() {
        let at = columns.iter().position(|name| *name == field.name);
        let value = at.and_then(|at| values.get(at));
        if let (Words::Each, Some(Stored::Text(text))) = (field.words, value) {
            names.push(field.name);
            let is_json = field.kind == Kind::Json;
            words.push(Stored::Text(if is_json {
                words_of(text)
            } else {
                text.clone()
            }));
        }
    }
    let marks = vec!["?"; names.len()].join(", ");
    let add = format!(
        "INSERT INTO {}_words({}) VALUES({marks})",
        collection.word(),
        names.join(", ")
    );
    db.prepare_cached(&add)?
        .execute(params_from_iter(words.iter()))?;
    Ok(())
}

/// A moment, in whatever form a document has it.
fn micros(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            let text = if text.len() == 10 {
                format!("{text}T00:00:00Z")
            } else {
                text.clone()
            };
            let time: Timestamp = text.parse().ok()?;
            Some(time.micros())
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn object(value: Option<&Value>) -> String {
    match value {
        Some(object @ Value::Object(_)) => object.to_string(),
        _ => "{}".to_owned(),
    }
}
