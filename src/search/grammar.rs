//! The grammar of searches: `filter_by`, `sort_by`, `query_by`. Source: Typesense's documentation of search
//! parameters, as far as the clients use it.
//!
//! `field:=value` is equality and `field:value` the same for numbers, while of a text it finds the words;
//! `:!=`, `:>`, `:>=`, `:<`, `:<=`; `[a, b]` is any of those and `[1..5]` a range with both ends; `&&` before
//! `||`, parentheses; backquotes around a value that has signs of the grammar in it.

use super::{
    condition::{Condition, Given, Order, Subject, Times, Wrong},
    field::{Collection, Field, Kind, Words},
};

/// The longest text that is read.
const TEXT_MAX: usize = 4_096;
/// The deepest parentheses.
const DEPTH_MAX: usize = 16;
/// The most comparisons.
const COMPARISONS_MAX: usize = 128;
/// The most fields to sort by.
const SORTS_MAX: usize = 3;

/// Why a text is not of the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at position {position}")]
pub struct GrammarError {
    /// Where, in characters from 0.
    pub position: usize,
    /// What is wrong.
    pub message: String,
}

struct Reader<'a> {
    collection: Collection,
    text: &'a str,
    /// In bytes.
    at: usize,
    depth: usize,
    comparisons: usize,
}

/// Reads a `filter_by`; an empty one wants everything.
///
/// # Errors
///
/// [`GrammarError`] with the position.
pub fn filter(collection: Collection, text: &str) -> Result<Condition, GrammarError> {
    let mut reader = Reader {
        collection,
        text,
        at: 0,
        depth: 0,
        comparisons: 0,
    };
    if text.len() > TEXT_MAX {
        return Err(reader.wrong(format!("filter_by must have at most {TEXT_MAX} bytes")));
    }
    reader.skip_space();
    if reader.rest().is_empty() {
        return Ok(Condition::everything());
    }
    let read = reader.any()?;
    reader.skip_space();
    if reader.rest().is_empty() {
        Ok(read)
    } else {
        Err(reader.wrong("expected && or || or the end"))
    }
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, message: impl Into<String>) -> GrammarError {
        self.wrong_at(self.at, message)
    }

    fn wrong_at(&self, at: usize, message: impl Into<String>) -> GrammarError {
        let before = self.text.get(..at).unwrap_or(self.text);
        GrammarError {
            position: before.chars().count(),
            message: message.into(),
        }
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        let skipped = rest.len().saturating_sub(rest.trim_start().len());
        self.at = self.at.saturating_add(skipped);
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip_space();
        let is_there = self.rest().starts_with(sign);
        if is_there {
            self.at = self.at.saturating_add(sign.len());
        }
        is_there
    }

    fn any(&mut self) -> Result<Condition, GrammarError> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, GrammarError> {
        let mut parts = vec![self.one()?];
        while self.take("&&") {
            parts.push(self.one()?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn one(&mut self) -> Result<Condition, GrammarError> {
        if self.take("(") {
            self.depth = self.depth.saturating_add(1);
            if self.depth > DEPTH_MAX {
                return Err(self.wrong(format!("at most {DEPTH_MAX} parentheses in another")));
            }
            let inner = self.any()?;
            if !self.take(")") {
                return Err(self.wrong("expected )"));
            }
            self.depth = self.depth.saturating_sub(1);
            return Ok(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Condition, GrammarError> {
        self.comparisons = self.comparisons.saturating_add(1);
        if self.comparisons > COMPARISONS_MAX {
            return Err(self.wrong(format!("at most {COMPARISONS_MAX} comparisons")));
        }
        self.skip_space();
        let begun = self.at;
        let rest = self.rest();
        let Some(end) = rest.find(':') else {
            return Err(self.wrong("expected a field, a colon and a value"));
        };
        let name = rest.get(..end).unwrap_or_default().trim();
        let subject = Subject::named(self.collection, name);
        let subject = subject.map_err(|wrong| self.wrong_at(begun, wrong.message))?;
        self.at = self.at.saturating_add(end).saturating_add(1);
        let signs = [
            (":=", true, Order::Is),
            ("!=", true, Order::IsNot),
            (">=", false, Order::AtLeast),
            ("<=", false, Order::AtMost),
            (">", false, Order::Above),
            ("<", false, Order::Below),
            ("=", true, Order::Is),
            ("!", true, Order::IsNot),
        ];
        let found = signs.iter().find(|(sign, ..)| self.take(sign));
        let (order, is_exact) = found.map_or((Order::Is, false), |(_, exact, order)| {
            (*order, *exact || !matches!(order, Order::Is))
        });
        if self.take("[") {
            return self.list(&subject, order, is_exact);
        }
        let at = self.at;
        let (value, was_quoted) = self.value(&["&&", "||", ")"])?;
        self.compare(&subject, order, (&value, was_quoted), is_exact, at)
    }

    /// `[a, b]`, `[1..5]`, behind the bracket.
    fn list(
        &mut self,
        subject: &Subject,
        order: Order,
        is_exact: bool,
    ) -> Result<Condition, GrammarError> {
        let mut parts = Vec::new();
        loop {
            self.skip_space();
            let at = self.at;
            let (value, was_quoted) = self.value(&[",", "]"])?;
            let range = value.split_once("..").filter(|_| !was_quoted);
            parts.push(match range {
                Some((from, to)) => {
                    let (from, to) = ((from.trim(), false), (to.trim(), false));
                    let from = self.compare(subject, Order::AtLeast, from, true, at)?;
                    let to = self.compare(subject, Order::AtMost, to, true, at)?;
                    if order == Order::IsNot {
                        return Err(self.wrong_at(at, "a range cannot be negated"));
                    }
                    Condition::All(vec![from, to])
                }
                None => self.compare(subject, order, (&value, was_quoted), is_exact, at)?,
            });
            if parts.len() > COMPARISONS_MAX {
                return Err(self.wrong(format!("at most {COMPARISONS_MAX} values in a list")));
            }
            if self.take("]") {
                break;
            }
            if !self.take(",") {
                return Err(self.wrong("expected , or ]"));
            }
        }
        Ok(if order == Order::IsNot {
            Condition::All(parts)
        } else {
            Condition::Any(parts)
        })
    }

    /// A value up to one of `ends`, and whether it stood in backquotes.
    fn value(&mut self, ends: &[&str]) -> Result<(String, bool), GrammarError> {
        self.skip_space();
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('`') {
            let Some(end) = quoted.find('`') else {
                return Err(self.wrong("the backquote has no end"));
            };
            self.at = self.at.saturating_add(end).saturating_add(2);
            return Ok((quoted.get(..end).unwrap_or_default().to_owned(), true));
        }
        let end = ends.iter().filter_map(|end| rest.find(end)).min();
        let value = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if value.trim().is_empty() {
            return Err(self.wrong("expected a value"));
        }
        self.at = self.at.saturating_add(value.len());
        Ok((value.trim().to_owned(), false))
    }

    fn compare(
        &self,
        subject: &Subject,
        order: Order,
        (value, was_quoted): (&str, bool),
        is_exact: bool,
        at: usize,
    ) -> Result<Condition, GrammarError> {
        let is_number = !was_quoted
            && value.parse::<f64>().is_ok()
            && value.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let given = match value {
            "true" if !was_quoted => Given::Flag(true),
            "false" if !was_quoted => Given::Flag(false),
            _ if is_number => Given::Number(value.to_owned()),
            _ => Given::Text(value.to_owned()),
        };
        let condition = match subject {
            Subject::Field(field) if field.kind == Kind::Text && !is_exact => match field.words {
                Words::Each => Condition::words(vec![*field], value)
                    .map_err(|wrong| self.wrong_at(at, wrong.message))?,
                Words::Start | Words::No => {
                    let pattern = value.replace('\\', "\\\\").replace('%', "\\%");
                    let pattern = pattern.replace('_', "\\_");
                    Condition::Like(subject.clone(), pattern, false)
                }
            },
            Subject::Field(_) | Subject::Inside(..) => {
                Condition::Compare(subject.clone(), order, given, Times::Seconds)
            }
        };
        // Its value is read once, so that what is wrong with it is said with its place.
        let mut tried = super::condition::Sql::default();
        condition
            .put(self.collection, &mut tried)
            .map_err(|wrong| self.wrong_at(at, wrong.message))?;
        Ok(condition)
    }
}

fn one_or(mut parts: Vec<Condition>, all: impl Fn(Vec<Condition>) -> Condition) -> Condition {
    if parts.len() == 1 {
        return parts.pop().unwrap_or(Condition::everything());
    }
    all(parts)
}

/// Reads a `sort_by`: `field:desc, field:asc`. What is sorted by how well it fits stays in the order of making.
///
/// # Errors
///
/// [`Wrong`] for a field or an order that is none.
pub fn sort(collection: Collection, text: &str) -> Result<Vec<(Subject, bool)>, Wrong> {
    let mut read = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (name, order) = part.rsplit_once(':').unwrap_or((part, "asc"));
        let is_down = match order.trim() {
            "desc" => true,
            "asc" => false,
            other => {
                let shown: String = other.chars().take(20).collect();
                let message = format!("sort_by takes field:asc or field:desc, was {shown:?}");
                return Err(super::condition::wrong("sort_by", message));
            }
        };
        if name.trim() != "_text_match" {
            read.push((Subject::named(collection, name.trim())?, is_down));
        }
    }
    if read.len() > SORTS_MAX {
        let message = format!("sort_by takes at most {SORTS_MAX} fields");
        return Err(super::condition::wrong("sort_by", message));
    }
    Ok(read)
}

/// Reads a `query_by`; without one, every field that has words.
///
/// # Errors
///
/// [`Wrong`] for a field that has none.
pub fn fields(collection: Collection, text: &str) -> Result<Vec<&'static Field>, Wrong> {
    let mut read = Vec::new();
    for name in text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let subject = Subject::named(collection, name)?;
        let field = subject.field();
        if field.words == Words::No {
            let message = format!("{name} is no text: it cannot be searched for words");
            return Err(super::condition::wrong("query_by", message));
        }
        if !read.contains(&field) {
            read.push(field);
        }
    }
    if read.is_empty() {
        let all = collection.fields().iter();
        read.extend(all.filter(|field| field.words != Words::No));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        match filter(Collection::Transactions, text) {
            Ok(condition) => {
                let mut sql = super::super::condition::Sql::default();
                condition.put(Collection::Transactions, &mut sql).unwrap();
                sql.text
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_the_clients_send_is_read() {
        for (given, expected) in [
            ("", "1"),
            ("status:=APPLIED", "status = ?"),
            ("precise_amount:>100", "precise_amount > ?"),
            ("precise_amount: >= 100", "precise_amount >= ?"),
            (
                "precise_amount:[1..5]",
                "((precise_amount >= ? AND precise_amount <= ?))",
            ),
            ("status:=[APPLIED, VOID]", "(status = ? OR status = ?)"),
            (
                "status:!=[APPLIED,VOID]",
                "(status IS NOT ? AND status IS NOT ?)",
            ),
            (
                "status:=A && (currency:=USD || currency:=EUR)",
                "(status = ? AND (currency = ? OR currency = ?))",
            ),
            (
                "status:=A || currency:=B && source:=C",
                "(status = ? OR (currency = ? AND source = ?))",
            ),
            ("inflight:true", "inflight = ?"),
            ("currency:US", "currency LIKE ? ESCAPE '\\'"),
            ("reference:=`a && b`", "reference = ?"),
            (
                "meta_data.city:=Lima",
                "CAST(json_extract(meta_data, ?) AS TEXT) = ?",
            ),
        ] {
            assert_eq!(read(given), expected, "{given}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (given, expected) in [
            (
                "status",
                "expected a field, a colon and a value, at position 0",
            ),
            ("status:=", "expected a value, at position 8"),
            (
                "status:=A &&",
                "expected a field, a colon and a value, at position 12",
            ),
            ("(status:=A", "expected ), at position 10"),
            ("status:=A)", "expected && or || or the end, at position 9"),
            ("status:=`A", "the backquote has no end, at position 8"),
            ("status:=[A", "expected , or ], at position 10"),
        ] {
            assert_eq!(read(given), expected, "{given}");
        }
        assert!(read("é:=1").starts_with("é is not a field of transactions"));
        assert!(read("status:=A && amount:>x").ends_with("at position 21"));
        assert!(read(&"(".repeat(40)).contains("at most 16 parentheses"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "[a-z_:=<>!&|()\\[\\].,` é0-9]{0,60}") {
            let _ = filter(Collection::Transactions, &text);
            let _ = sort(Collection::Balances, &text);
            let _ = fields(Collection::Ledgers, &text);
        }
    }
}
