//! A record as the server told it: its fields in their order, its numbers as they were written.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// An object of JSON of which nothing is lost: an amount may have more digits than a machine word.
#[derive(Clone, Debug)]
pub(super) struct Record {
    fields: Vec<(String, Box<RawValue>)>,
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, Box<RawValue>>()? {
                    fields.push(field);
                }
                Ok(Record { fields })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl Record {
    /// The fields with their values as JSON.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        (self.fields.iter()).map(|(name, value)| (name.as_str(), value.get()))
    }

    /// A field's value as JSON; null is none.
    pub(super) fn json(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields().find(|(field, _)| *field == name)?;
        Some(value).filter(|value| *value != "null")
    }

    /// A field as text: a string's content, anything else as it is written. Empty if there is none.
    pub(super) fn text(&self, name: &str) -> String {
        self.json(name).map_or_else(String::new, plain)
    }

    /// The record as one line of JSON.
    pub(super) fn line(&self) -> String {
        let field = |(name, value): (&str, &str)| format!("{}:{}", Value::from(name), flat(value));
        let fields: Vec<String> = self.fields().map(field).collect();
        format!("{{{}}}", fields.join(","))
    }

    /// The pairs of an object in a field, each as text.
    pub(super) fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let object = (self.json(name)).and_then(|json| serde_json::from_str::<Self>(json).ok());
        let object = object.map_or_else(Vec::new, |it| it.fields);
        let pair = |(name, value): (String, Box<RawValue>)| (name, plain(value.get()));
        object.into_iter().map(pair).collect()
    }
}

/// A string's content, anything else as it is written.
fn plain(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| flat(json))
}

/// JSON in one line: in a string no line ends.
fn flat(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_record_is_lost() {
        let text = r#"{"b":12345678901234567890123456789012345,"a":null,"c":{"x":1.10,"y":"z"},"d":"q\"r"}"#;
        let record: Record = serde_json::from_str(text).unwrap();
        assert_eq!(record.line(), text);
        assert_eq!(record.text("b"), "12345678901234567890123456789012345");
        assert_eq!(
            (record.text("a"), record.text("d")),
            (String::new(), "q\"r".to_owned())
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(record.pairs("c"), [pair("x", "1.10"), pair("y", "z")]);
        assert!(serde_json::from_str::<Record>("[1]").is_err());
        let broken: Record = serde_json::from_str("{\"a\":{\n \"b\": 1}}").unwrap();
        assert_eq!(broken.line(), "{\"a\":{  \"b\": 1}}");
    }
}
