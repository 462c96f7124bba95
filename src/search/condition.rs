//! What is wanted of a collection, and how a database is asked for it: every name is one of ours, every value
//! a bound parameter.

use rusqlite::types::Value;

use super::{
    field::{Collection, Field, Kind, Words},
    sortable,
};
use crate::domain::time::Timestamp;

/// The longest path into a JSON object, in bytes.
const PATH_MAX: usize = 200;
/// The longest pattern.
const PATTERN_MAX: usize = 256;
/// The most words of one search.
const WORDS_MAX: usize = 16;

/// A thing that is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A field.
    Field(&'static Field),
    /// A value inside a JSON object: the field, and the path as the database reads it.
    Inside(&'static Field, String),
}

/// In which words moments are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// RFC 3339.
    Text,
    /// Whole seconds since 1970; the field counts them too.
    Seconds,
}

/// A value as the caller gave it.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// A text.
    Text(String),
    /// A number, its digits as they were sent.
    Number(String),
    /// A truth.
    Flag(bool),
}

impl Given {
    /// Its letters.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
            Self::Flag(true) => "true",
            Self::Flag(false) => "false",
        }
    }
}

/// How two things stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The same.
    Is,
    /// Another, or none.
    IsNot,
    /// Larger.
    Above,
    /// As large or larger.
    AtLeast,
    /// Smaller.
    Below,
    /// As small or smaller.
    AtMost,
}

impl Order {
    const fn sign(self) -> &'static str {
        match self {
            Self::Is => " = ",
            Self::IsNot => " IS NOT ",
            Self::Above => " > ",
            Self::AtLeast => " >= ",
            Self::Below => " < ",
            Self::AtMost => " <= ",
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of them; everything, if there are none.
    All(Vec<Self>),
    /// One of them.
    Any(Vec<Self>),
    /// A comparison.
    Compare(Subject, Order, Given, Times),
    /// A pattern of `%` and `_`, and whether the case of letters counts.
    Like(Subject, String, bool),
    /// Nothing is there.
    IsNull(Subject),
    /// Something is there.
    IsNotNull(Subject),
    /// Has each of these words in one of these fields; the last may be a word's beginning, if that is said.
    Words(Vec<&'static Field>, Vec<String>, bool),
}

/// Why something cannot be wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    /// Which field.
    pub field: String,
    /// What to do.
    pub message: String,
}

/// Of a field and a sentence.
#[must_use]
pub fn wrong(field: &str, message: impl Into<String>) -> Wrong {
    Wrong {
        field: field.to_owned(),
        message: message.into(),
    }
}

impl Subject {
    /// A field of that name, or `meta_data.` and a path.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for a name that is none.
    pub fn named(collection: Collection, name: &str) -> Result<Self, Wrong> {
        if let Some(field) = collection.field(name) {
            return Ok(Self::Field(field));
        }
        let inside = name.split_once('.');
        if let Some((json, path)) = inside
            && let Some(field) = collection.field(json)
            && field.kind == Kind::Json
        {
            let is_good = |part: &str| {
                !part.is_empty()
                    && !part
                        .chars()
                        .any(|c| c == '"' || c == '\\' || c.is_control())
            };
            if path.len() > PATH_MAX || !path.split('.').all(is_good) {
                return Err(wrong(
                    name,
                    format!("{name} must be meta_data. and a key, or keys with dots between"),
                ));
            }
            let mut text = String::from("$");
            for part in path.split('.') {
                text.push_str(".\"");
                text.push_str(part);
                text.push('"');
            }
            return Ok(Self::Inside(field, text));
        }
        let known: Vec<_> = collection.fields().iter().map(|field| field.name).collect();
        let shown: String = name.chars().take(64).collect();
        Err(wrong(
            &shown,
            format!(
                "{shown} is not a field of {}: it has {}",
                collection.word(),
                known.join(", ")
            ),
        ))
    }

    /// Its name.
    #[must_use]
    pub const fn field(&self) -> &'static Field {
        match self {
            Self::Field(field) | Self::Inside(field, _) => field,
        }
    }
}

/// A question put together.
#[derive(Debug, Default)]
pub struct Sql {
    /// Its text.
    pub text: String,
    /// What is bound to it, in order.
    pub values: Vec<Value>,
}

impl Sql {
    /// Adds text of ours.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a value.
    pub fn bind(&mut self, value: impl Into<Value>) {
        self.text.push('?');
        self.values.push(value.into());
    }

    /// Adds what is compared.
    pub fn subject(&mut self, subject: &Subject) {
        match subject {
            Subject::Field(field) => self.push(field.name),
            Subject::Inside(field, path) => {
                self.push("json_extract(");
                self.push(field.name);
                self.push(", ");
                self.bind(path.clone());
                self.push(")");
            }
        }
    }
}

/// A value as its column holds it.
fn value_of(field: &Field, order: Order, given: &Given, times: Times) -> Result<Value, Wrong> {
    let text = given.text();
    let bad = |what: &str| {
        let shown: String = text.chars().take(40).collect();
        wrong(
            field.name,
            format!("{} must be {what}, was {shown:?}", field.name),
        )
    };
    let whole = || text.parse::<i64>();
    match field.kind {
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Amount => {
            let sortable = sortable::decimal(text);
            Ok(Value::Text(sortable.ok_or_else(|| bad("a number"))?))
        }
        Kind::Decimal => {
            let sortable = sortable::decimal(text);
            Ok(Value::Text(sortable.ok_or_else(|| bad("a decimal"))?))
        }
        Kind::Integer => Ok(Value::Integer(whole().map_err(|_| bad("a whole number"))?)),
        Kind::Time if times == Times::Seconds => {
            let seconds = whole().map_err(|_| bad("whole seconds since 1970"))?;
            Ok(Value::Integer(seconds))
        }
        Kind::Time => {
            let end = matches!(order, Order::AtMost | Order::Above);
            let micros = moment(text, end).ok_or_else(|| bad("an RFC 3339 time or a date"))?;
            Ok(Value::Integer(micros))
        }
        Kind::Flag => match text {
            "true" => Ok(Value::Integer(1)),
            "false" => Ok(Value::Integer(0)),
            _ => Err(bad("true or false")),
        },
        Kind::Json => Err(bad("asked by its keys: meta_data.key")),
    }
}

/// A moment; of a date alone its beginning, or its end.
fn moment(text: &str, is_end: bool) -> Option<i64> {
    let time = match text {
        _ if text.len() == 10 && is_end => format!("{text}T23:59:59.999999Z"),
        _ if text.len() == 10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    let time: Timestamp = time.parse().ok()?;
    Some(time.micros())
}

impl Condition {
    /// Whatever there is.
    #[must_use]
    pub const fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// Has every word of a text in one of these fields.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for too many words.
    pub fn words(fields: Vec<&'static Field>, text: &str) -> Result<Self, Wrong> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if words.len() > WORDS_MAX || text.len() > PATTERN_MAX {
            return Err(wrong("q", format!("q must have at most {WORDS_MAX} words")));
        }
        Ok(Self::Words(fields, words, true))
    }

    /// Adds the question to `sql`.
    ///
    /// # Errors
    ///
    /// [`Wrong`] for a value that is not one of its field.
    pub fn put(&self, collection: Collection, sql: &mut Sql) -> Result<(), Wrong> {
        match self {
            Self::All(parts) => joined(collection, sql, parts, (" AND ", "1")),
            Self::Any(parts) => joined(collection, sql, parts, (" OR ", "0")),
            Self::Compare(Subject::Field(field), order, given, times) => {
                let value = value_of(field, *order, given, *times)?;
                if field.kind == Kind::Time && *times == Times::Seconds {
                    sql.push("(");
                    sql.push(field.name);
                    // Rounded down, before 1970 too.
                    sql.push(" - ((");
                    sql.push(field.name);
                    sql.push(" % 1000000 + 1000000) % 1000000)) / 1000000");
                } else {
                    sql.push(field.name);
                }
                sql.push(order.sign());
                sql.bind(value);
                Ok(())
            }
            Self::Compare(subject @ Subject::Inside(field, path), order, given, _) => {
                inside(sql, subject, (field, path), *order, given);
                Ok(())
            }
            Self::Like(subject, pattern, is_exact) => like(sql, subject, pattern, *is_exact),
            Self::IsNull(subject) => {
                sql.subject(subject);
                sql.push(" IS NULL");
                Ok(())
            }
            Self::IsNotNull(subject) => {
                sql.subject(subject);
                sql.push(" IS NOT NULL");
                Ok(())
            }
            Self::Words(fields, words, is_start) => {
                put_words(collection, sql, (fields, words), *is_start);
                Ok(())
            }
        }
    }
}

fn joined(
    collection: Collection,
    sql: &mut Sql,
    parts: &[Condition],
    (between, none): (&str, &str),
) -> Result<(), Wrong> {
    if parts.is_empty() {
        sql.push(none);
        return Ok(());
    }
    sql.push("(");
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            sql.push(between);
        }
        part.put(collection, sql)?;
    }
    sql.push(")");
    Ok(())
}

/// A value of somebody's own: compared as what it is given as.
fn inside(
    sql: &mut Sql,
    subject: &Subject,
    (field, path): (&Field, &str),
    order: Order,
    given: &Given,
) {
    let is_equal = matches!(order, Order::Is | Order::IsNot);
    match given {
        Given::Flag(_) if is_equal => {
            sql.push("json_type(");
            sql.push(field.name);
            sql.push(", ");
            sql.bind(path.to_owned());
            sql.push(")");
            sql.push(order.sign());
            sql.bind(given.text().to_owned());
        }
        Given::Text(_) | Given::Number(_) | Given::Flag(_) if is_equal => {
            // A number and its text are the same to somebody who asks by a query's words.
            sql.push("CAST(");
            sql.subject(subject);
            sql.push(" AS TEXT)");
            sql.push(order.sign());
            sql.bind(given.text().to_owned());
        }
        Given::Number(text) => {
            sql.push("(json_type(");
            sql.push(field.name);
            sql.push(", ");
            sql.bind(path.to_owned());
            sql.push(") IN ('integer', 'real') AND ");
            sql.subject(subject);
            sql.push(order.sign());
            match text.parse::<i64>() {
                Ok(whole) => sql.bind(whole),
                Err(_) => sql.bind(text.parse::<f64>().unwrap_or(0.0)),
            }
            sql.push(")");
        }
        Given::Text(_) | Given::Flag(_) => {
            sql.push("(json_type(");
            sql.push(field.name);
            sql.push(", ");
            sql.bind(path.to_owned());
            sql.push(") = 'text' AND ");
            sql.subject(subject);
            sql.push(order.sign());
            sql.bind(given.text().to_owned());
            sql.push(")");
        }
    }
}

fn like(sql: &mut Sql, subject: &Subject, pattern: &str, is_exact: bool) -> Result<(), Wrong> {
    let field = subject.field();
    let is_text = field.kind == Kind::Text || matches!(subject, Subject::Inside(..));
    if !is_text {
        let name = field.name;
        let message = format!("{name} is no text: it takes no pattern");
        return Err(wrong(name, message));
    }
    if pattern.len() > PATTERN_MAX {
        let message = format!("a pattern must have at most {PATTERN_MAX} bytes");
        return Err(wrong(field.name, message));
    }
    sql.subject(subject);
    if is_exact {
        sql.push(" GLOB ");
        sql.bind(glob(pattern));
    } else {
        sql.push(" LIKE ");
        sql.bind(pattern.to_owned());
        sql.push(" ESCAPE '\\'");
    }
    Ok(())
}

/// The same pattern in the words of the one operator that minds the case of letters.
fn glob(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        let plain = match letter {
            '%' => {
                out.push('*');
                continue;
            }
            '_' => {
                out.push('?');
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            other => other,
        };
        match plain {
            '*' | '?' | '[' => {
                out.push('[');
                out.push(plain);
                out.push(']');
            }
            other => out.push(other),
        }
    }
    out
}

/// The words of a text as the index of words splits them.
#[must_use]
pub fn pieces(word: &str) -> Vec<String> {
    let parts = word.split(|letter: char| !letter.is_alphanumeric());
    let named = parts.filter(|part| !part.is_empty());
    named.map(str::to_lowercase).collect()
}

fn put_words(
    collection: Collection,
    sql: &mut Sql,
    (fields, words): (&[&'static Field], &[String]),
    is_start: bool,
) {
    let worded: Vec<&str> = fields
        .iter()
        .filter(|field| field.words == Words::Each)
        .map(|field| field.name)
        .collect();
    sql.push("(1");
    for (place, word) in words.iter().enumerate() {
        let is_last = place.saturating_add(1) == words.len();
        sql.push(" AND (0");
        let asked = matching(&worded, word, is_start && is_last);
        if let Some(asked) = asked {
            sql.push(" OR seq IN (SELECT rowid FROM ");
            sql.push(collection.word());
            sql.push("_words WHERE ");
            sql.push(collection.word());
            sql.push("_words MATCH ");
            sql.bind(asked);
            sql.push(")");
        }
        for field in fields.iter().filter(|field| field.words == Words::Start) {
            sql.push(" OR ");
            sql.push(field.name);
            sql.push(" LIKE ");
            sql.bind(format!("{}%", escaped(word)));
            sql.push(" ESCAPE '\\'");
        }
        sql.push(")");
    }
    sql.push(")");
}

fn escaped(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for letter in word.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// A word in the language of the index of words: its pieces one behind the other, in these columns.
fn matching(columns: &[&str], word: &str, is_start: bool) -> Option<String> {
    let pieces = pieces(word);
    if columns.is_empty() || pieces.is_empty() {
        return None;
    }
    let star = if is_start { "*" } else { "" };
    Some(format!(
        "{{{}}} : \"{}\"{star}",
        columns.join(" "),
        pieces.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_come_into_the_question() {
        for name in [
            "status; DROP TABLE transactions",
            "nothing",
            "meta_data.",
            "meta_data.a\"b",
            "meta_data.a..b",
            "status.x",
            "",
        ] {
            let asked = Subject::named(Collection::Transactions, name);
            assert!(asked.is_err(), "{name}");
        }
        let inside = Subject::named(Collection::Transactions, "meta_data.a b.c'd").unwrap();
        let mut sql = Sql::default();
        let given = Given::Text("'; --".to_owned());
        let condition = Condition::Compare(inside, Order::Is, given, Times::Text);
        condition.put(Collection::Transactions, &mut sql).unwrap();
        assert_eq!(sql.text, "CAST(json_extract(meta_data, ?) AS TEXT) = ?");
        assert_eq!(sql.values.len(), 2);
    }

    #[test]
    fn patterns_that_mind_the_case_are_the_same_patterns() {
        assert_eq!(glob("a%b_c"), "a*b?c");
        assert_eq!(glob("100\\%*[x"), "100%[*][[]x");
        assert_eq!(glob("\\_\\"), "_\\");
    }
}
