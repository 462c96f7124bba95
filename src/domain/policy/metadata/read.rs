//! Values of metadata with their paths, so that whatever is wrong can be named.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::MetadataError;
use crate::domain::money::{AMOUNT_DIGITS_MAX, Decimal, shown};

/// The longest part of a path that is repeated: as long as a URN.
const KEY_SHOWN_MAX: usize = 96;

/// A value and where it stands.
pub(super) struct Node<'a> {
    pub(super) path: String,
    pub(super) value: &'a Value,
}

/// An object and where it stands.
pub(super) struct Fields<'a> {
    pub(super) path: String,
    pub(super) map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn root(map: &'a Map<String, Value>) -> Self {
        Self {
            path: "metadata".to_owned(),
            map,
        }
    }

    /// The path of a key, there or not.
    pub(super) fn path_of(&self, key: &str) -> String {
        let key: String = key.chars().take(KEY_SHOWN_MAX).collect();
        format!("{}.{key}", self.path)
    }

    /// The value of a key; a null is as good as none.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        Some(Node {
            path: self.path_of(key),
            value,
        })
    }

    /// The value of a key that must be there.
    pub(super) fn require(&self, key: &str) -> Result<Node<'a>, MetadataError> {
        self.get(key)
            .ok_or_else(|| self.wrong(key, "is required".to_owned()))
    }

    /// That a key is wrong.
    pub(super) fn wrong(&self, key: &str, what: String) -> MetadataError {
        MetadataError {
            key: self.path_of(key),
            what,
        }
    }

    /// Every value, in the order of the keys.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.map.iter().map(|(key, value)| {
            let path = self.path_of(key);
            (key.as_str(), Node { path, value })
        })
    }
}

impl<'a> Node<'a> {
    pub(super) fn wrong(&self, what: impl Into<String>) -> MetadataError {
        MetadataError {
            key: self.path.clone(),
            what: what.into(),
        }
    }

    /// An object that has no other keys than those.
    pub(super) fn fields(&self, known: &[&str]) -> Result<Fields<'a>, MetadataError> {
        let fields = self.object()?;
        let unknown = fields.map.keys().find(|key| !known.contains(&key.as_str()));
        match unknown {
            None => Ok(fields),
            Some(key) => {
                Err(fields.wrong(key, format!("is unknown; known are {}", known.join(", "))))
            }
        }
    }

    /// An object with keys of the programme's own.
    pub(super) fn object(&self) -> Result<Fields<'a>, MetadataError> {
        let map = self.value.as_object();
        let map = map.ok_or_else(|| self.wrong("must be an object"))?;
        Ok(Fields {
            path: self.path.clone(),
            map,
        })
    }

    /// The members of a list of at most so many.
    pub(super) fn list(&self, len_max: usize) -> Result<Vec<Node<'a>>, MetadataError> {
        let list = self.value.as_array();
        let list = list.ok_or_else(|| self.wrong("must be a list"))?;
        if list.len() > len_max {
            let what = format!("must have at most {len_max} members, was {}", list.len());
            return Err(self.wrong(what));
        }
        let member = |(n, value)| Node {
            path: format!("{}[{n}]", self.path),
            value,
        };
        Ok(list.iter().enumerate().map(member).collect())
    }

    /// The members of a list that has some.
    pub(super) fn some(&self, len_max: usize) -> Result<Vec<Node<'a>>, MetadataError> {
        let members = self.list(len_max)?;
        if members.is_empty() {
            return Err(self.wrong("must have at least one member"));
        }
        Ok(members)
    }

    pub(super) fn text(&self) -> Result<&'a str, MetadataError> {
        let text = self.value.as_str();
        text.ok_or_else(|| self.wrong("must be a string"))
    }

    /// A name: printable, of at most so many characters, nothing blank at its ends.
    pub(super) fn name(&self, len_max: usize) -> Result<&'a str, MetadataError> {
        let text = self.text()?;
        let is_plain = !text.chars().any(char::is_control) && text.trim() == text;
        if text.is_empty() || !is_plain || text.chars().count() > len_max {
            return Err(self.wrong(format!(
                "must have 1 to {len_max} printable characters and no blanks at its ends"
            )));
        }
        Ok(text)
    }

    pub(super) fn flag(&self) -> Result<bool, MetadataError> {
        let flag = self.value.as_bool();
        flag.ok_or_else(|| self.wrong("must be true or false"))
    }

    /// One of some words, and what each stands for.
    pub(super) fn word<T: Copy>(&self, known: &[(&str, T)]) -> Result<T, MetadataError> {
        let named = || {
            let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
            words.join(", ")
        };
        let text = self
            .text()
            .map_err(|_| self.wrong(format!("must be a string, one of {}", named())))?;
        let listed = known.iter().find(|(word, _)| *word == text);
        listed
            .map(|(_, meant)| *meant)
            .ok_or_else(|| self.wrong(format!("must be one of {}, was {:?}", named(), shown(text))))
    }

    /// A number that is not negative, as the exact decimal of its shortest text.
    pub(super) fn number(&self) -> Result<Decimal, MetadataError> {
        let number = self.value.as_number();
        let number = number.ok_or_else(|| self.wrong("must be a number"))?;
        self.not_negative(decimal_of(number))
    }

    /// A number, or a decimal text, that is not negative.
    pub(super) fn number_or_text(&self) -> Result<Decimal, MetadataError> {
        match self.value {
            Value::Number(number) => self.not_negative(decimal_of(number)),
            Value::String(text) => self.not_negative(text.parse().ok()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.wrong("must be a decimal such as \"500.00\""))
            }
        }
    }

    fn not_negative(&self, decimal: Option<Decimal>) -> Result<Decimal, MetadataError> {
        let decimal = decimal.ok_or_else(|| {
            self.wrong(format!(
                "must be a decimal number of at most {AMOUNT_DIGITS_MAX} digits"
            ))
        })?;
        if decimal.mantissa < 0 {
            return Err(self.wrong("must not be negative"));
        }
        Ok(decimal.trimmed())
    }

    /// A whole number from one to another, both included.
    pub(super) fn whole(&self, least: u32, most: u32) -> Result<u32, MetadataError> {
        let number = self.value.as_u64().and_then(|n| u32::try_from(n).ok());
        let number = number.filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.wrong(format!("must be a whole number from {least} to {most}")))
    }
}

/// That no member of a list has the `key` of one before it; `inner` is where in the member it is.
pub(super) fn no_twice<K: Ord>(
    keys: impl IntoIterator<Item = K>,
    members: &[Node<'_>],
    inner: &str,
) -> Result<(), MetadataError> {
    let mut seen = BTreeSet::new();
    for (key, member) in keys.into_iter().zip(members) {
        if !seen.insert(key) {
            return Err(MetadataError {
                key: format!("{}{inner}", member.path),
                what: "comes twice".to_owned(),
            });
        }
    }
    Ok(())
}

/// The exact decimal of a number's shortest text, which may have an exponent: what JSON calls
/// `1e-7` is 0.0000001. A number that JSON's reader took as a float has its shortest decimal form
/// as its text, so nothing here is computed in floats.
fn decimal_of(number: &Number) -> Option<Decimal> {
    let text = number.to_string();
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let exponent: i64 = exponent
        .strip_prefix('+')
        .unwrap_or(exponent)
        .parse()
        .ok()?;
    let decimal = digits.parse::<Decimal>().ok()?.trimmed();
    if decimal.mantissa == 0 {
        return Some(decimal);
    }
    let scale = i64::from(decimal.scale).checked_sub(exponent)?;
    let (scale, zeros) = (scale.max(0), scale.min(0).checked_neg()?);
    let factor = 10_i128.checked_pow(u32::try_from(zeros).ok()?)?;
    let mantissa = decimal.mantissa.checked_mul(factor)?;
    let scale = u8::try_from(scale)
        .ok()
        .filter(|scale| usize::from(*scale) <= AMOUNT_DIGITS_MAX)?;
    let is_short = mantissa.unsigned_abs().to_string().len() <= AMOUNT_DIGITS_MAX;
    is_short.then_some(Decimal { mantissa, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_decimals_of_their_shortest_text() {
        let check = |text: &str, expect: Option<&str>| {
            let number: Number = serde_json::from_str(text).expect("a JSON number");
            let decimal = decimal_of(&number).map(|decimal| decimal.trimmed().to_string());
            assert_eq!(decimal.as_deref(), expect, "{text}");
        };
        check("0.0144", Some("0.0144"));
        check("0.1", Some("0.1"));
        check("0.0", Some("0"));
        check("-0.0", Some("0"));
        check("-0.5", Some("-0.5"));
        check("1", Some("1"));
        check("1.0", Some("1"));
        check("1.440e-2", Some("0.0144"));
        check("1e-7", Some("0.0000001"));
        check("123.4e-20", Some("0.000000000000000001234"));
        check("1e21", Some("1000000000000000000000"));
        check("1.5E3", Some("1500"));
        check("1e29", Some("100000000000000000000000000000"));
        check("1e30", None);
        check("1e300", None);
        check("1e-31", None);
        check("5e-324", None);
        check("18446744073709551615", Some("18446744073709551615"));
        // More than 64 bits are a float, of which the shortest text counts.
        check("100000000000000000000", Some("100000000000000000000"));
        check("0.30000000000000004", Some("0.30000000000000004"));
    }
}
