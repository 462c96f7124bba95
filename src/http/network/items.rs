//! The items of a batch, read one after the other: other requests of the thread have their turn between.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

use super::{
    super::{body, problem::Problem},
    request::AuthorizationRequest,
};

/// How the items of a batch are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A JSON array.
    Array,
    /// NDJSON.
    Lines,
}

/// A list that cannot be read in one go: to find out why, its items are read each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// An array that is being read.
pub(super) struct Items<'a> {
    rest: &'a str,
    is_first: bool,
}

struct Item<'a>(AuthorizationRequest<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Item<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let item = body::object(deserializer)?;
        item.map(Item)
            .ok_or_else(|| D::Error::custom("null is no item"))
    }
}

impl<'a> Items<'a> {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if it is no array.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
        Ok(Self {
            rest: trimmed(text).strip_prefix('[').ok_or(Unreadable)?,
            is_first: true,
        })
    }

    /// The next item; nothing behind the last, with which the text ends.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if it is no authorization, or the list is not JSON.
    pub(super) fn next(&mut self) -> Result<Option<AuthorizationRequest<'a>>, Unreadable> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        let rest = trimmed(self.rest);
        if let Some(behind) = rest.strip_prefix(']') {
            self.rest = "";
            let is_end = trimmed(behind).is_empty();
            return is_end.then_some(None).ok_or(Unreadable);
        }
        let item = if is_first {
            rest
        } else {
            rest.strip_prefix(',').ok_or(Unreadable)?
        };
        let mut reader = serde_json::Deserializer::from_str(item).into_iter();
        let Some(Ok(Item(read))) = reader.next() else {
            return Err(Unreadable);
        };
        self.rest = item.get(reader.byte_offset()..).ok_or(Unreadable)?;
        Ok(Some(read))
    }
}

/// Source: RFC 8259, section 2.
fn trimmed(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

/// The texts of the items, whatever they are.
///
/// # Errors
///
/// 400 for an array that is none.
pub(super) fn split(bytes: &[u8], form: Form) -> Result<Vec<&[u8]>, Problem> {
    match form {
        Form::Lines => Ok(bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
            .collect()),
        Form::Array => {
            let items: Vec<&RawValue> = body::parse_any(bytes)?;
            Ok(items
                .into_iter()
                .map(|item| item.get().as_bytes())
                .collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transaction ids of the items, or nothing if they cannot be read.
    fn read(text: &str) -> Option<Vec<String>> {
        let mut items = Items::open(text.as_bytes()).ok()?;
        let mut ids = Vec::new();
        while let Some(item) = items.next().ok()? {
            ids.push(item.transaction_id.into_owned());
        }
        Some(ids)
    }

    fn item(id: &str) -> String {
        format!(
            r#"{{"transaction_id":"{id}","card":"c","local_amount":"1.00","local_currency":"USD"}}"#
        )
    }

    #[test]
    fn what_it_reads_is_what_the_whole_text_says() {
        let (a, b) = (item("a"), item("b\\u00e9"));
        let texts = [
            format!("[{a},{b}]"),
            format!(" [\n{a}\t,\r {b} ] \n"),
            "[]".to_owned(),
            "[ ]".to_owned(),
        ];
        for text in &texts {
            let whole: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
            let ids = whole
                .iter()
                .map(|item| item["transaction_id"].as_str().unwrap());
            assert_eq!(read(text), Some(ids.map(str::to_owned).collect()), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_of_authorizations_is_not_read() {
        let a = item("a");
        let texts = [
            String::new(),
            a.clone(),
            format!("{a}]"),
            "[".to_owned(),
            format!("[{a}"),
            format!("[{a},"),
            format!("[{a},]"),
            format!("[,{a}]"),
            format!("[{a} {a}]"),
            format!("[{a};{a}]"),
            format!("[{a}]]"),
            format!("[{a}] x"),
            format!("[{a}\u{a0}]"),
            format!("[{a},null]"),
            format!("[{a},7]"),
            format!("[{a},[]]"),
            format!("[{a},\"x\"]"),
            format!("[{a},{{}}]"),
            format!("[{}]", a.replace("\"c\"", "\"c\"c")),
        ];
        for text in texts {
            assert_eq!(read(&text), None, "{text}");
        }
        assert!(Items::open(b"[\"\xff\"]").is_err());
    }
}
