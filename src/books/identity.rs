//! Identities: whose balances are. Each is a document of the registry, in which tokenized fields are tokens and
//! their originals sealed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::view::NO_TIME;
use crate::{
    domain::time::Timestamp,
    vault::{Vault, VaultError},
};

/// An identity's texts: the names on the wire, in the order in which they are shown.
pub const TEXTS: [&str; 15] = [
    "organization_name",
    "category",
    "first_name",
    "last_name",
    "other_names",
    "gender",
    "email_address",
    "phone_number",
    "nationality",
    "street",
    "country",
    "state",
    "post_code",
    "city",
    "dob",
];

/// What may be tokenized: the name that the clients use, and the name on the wire.
pub const TOKENIZABLE: [(&str, &str); 7] = [
    ("FirstName", "first_name"),
    ("LastName", "last_name"),
    ("OtherNames", "other_names"),
    ("EmailAddress", "email_address"),
    ("PhoneNumber", "phone_number"),
    ("Street", "street"),
    ("PostCode", "post_code"),
];

/// An identity, as its document has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// `idt_` and a UUID.
    pub identity_id: String,
    /// individual or organization.
    #[serde(default)]
    pub identity_type: String,
    /// RFC 3339.
    pub created_at: String,
    /// By their names on the wire: those that are not empty.
    #[serde(flatten)]
    texts: Texts,
    /// The caller's own data.
    #[serde(default)]
    pub meta_data: Map<String, Value>,
    /// The originals of those texts that are tokens, sealed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sealed: BTreeMap<String, Value>,
}

/// Texts by name; those that are not there are not kept.
#[derive(Clone, Debug, Default)]
struct Texts(BTreeMap<String, String>);

impl Serialize for Texts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let text = |(name, value): (String, Value)| match value {
            Value::String(text) if TEXTS.contains(&name.as_str()) => Some((name, text)),
            Value::String(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        };
        Ok(Self(all.into_iter().filter_map(text).collect()))
    }
}

/// What an original is sealed for.
fn aad(name: &str, field: &str) -> String {
    format!("{name}/{field}")
}

impl Identity {
    /// The name of an identity's document.
    #[must_use]
    pub fn name_of(origin: &str, id: &str) -> String {
        format!("{origin}/{id}")
    }

    /// Without anything.
    #[must_use]
    pub fn new(id: &str, now: Timestamp) -> Self {
        Self {
            identity_id: id.to_owned(),
            identity_type: String::new(),
            created_at: now.to_string(),
            texts: Texts::default(),
            meta_data: Map::new(),
            sealed: BTreeMap::new(),
        }
    }

    /// From its document.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As a document.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// As callers see it: every text but a gender that was not given, tokens where there are some.
    #[must_use]
    pub fn view(&self) -> Value {
        let mut view = Map::new();
        let mut put = |name: &str, text: &str| {
            view.insert(name.to_owned(), Value::String(text.to_owned()));
        };
        put("identity_id", &self.identity_id);
        put("identity_type", &self.identity_type);
        for name in TEXTS {
            let none = if name == "dob" { NO_TIME } else { "" };
            let text = self.texts.0.get(name).map_or(none, String::as_str);
            // The clients' type of a gender is of three words, and none of them is empty.
            if name != "gender" || !text.is_empty() {
                put(name, text);
            }
        }
        put("created_at", &self.created_at);
        let data = Value::Object(self.meta_data.clone());
        view.insert("meta_data".to_owned(), data);
        Value::Object(view)
    }

    /// Gives a text another value; `name` is that of the document. A new value of a tokenized field is
    /// tokenized too; its token that comes back is no new value.
    ///
    /// # Errors
    ///
    /// [`VaultError`] if it cannot be sealed.
    pub fn put(
        &mut self,
        (field, text): (&str, &str),
        vault: &Vault,
        name: &str,
    ) -> Result<(), VaultError> {
        if self.texts.0.get(field).is_some_and(|known| known == text) {
            return Ok(());
        }
        let was_tokenized = self.sealed.remove(field).is_some();
        if text.is_empty() || text == NO_TIME {
            self.texts.0.remove(field);
            return Ok(());
        }
        self.texts.0.insert(field.to_owned(), text.to_owned());
        if was_tokenized {
            self.tokenize(field, vault, name)?;
        }
        Ok(())
    }

    /// What is tokenized, in the clients' words.
    #[must_use]
    pub fn tokenized(&self) -> Vec<&'static str> {
        let pairs = TOKENIZABLE.iter();
        let sealed = pairs.filter(|(_, field)| self.sealed.contains_key(*field));
        sealed.map(|(word, _)| *word).collect()
    }

    /// Puts a token in a field's place; nothing if there is one, or nothing in it.
    ///
    /// # Errors
    ///
    /// [`VaultError`] if it cannot be sealed.
    pub fn tokenize(&mut self, field: &str, vault: &Vault, name: &str) -> Result<(), VaultError> {
        if self.sealed.contains_key(field) {
            return Ok(());
        }
        let Some(plain) = self.texts.0.get(field) else {
            return Ok(());
        };
        let sealed = vault.seal_text(&aad(name, field), plain.as_bytes())?;
        let token = token_like(plain)?;
        self.sealed.insert(field.to_owned(), sealed);
        self.texts.0.insert(field.to_owned(), token);
        Ok(())
    }

    /// The original of a tokenized field.
    ///
    /// # Errors
    ///
    /// [`VaultError`] if it does not open.
    pub fn original(
        &self,
        field: &str,
        vault: &Vault,
        name: &str,
    ) -> Result<Option<String>, VaultError> {
        let Some(sealed) = self.sealed.get(field) else {
            return Ok(None);
        };
        let plain = vault.open_text(&aad(name, field), sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| VaultError::Malformed)?;
        Ok(Some(text.to_owned()))
    }
}

/// A text of chance in the form of another: letters for letters, digits for digits, the rest as it is, so that
/// an address of mail or a number of telephone still looks like one.
fn token_like(plain: &str) -> Result<String, VaultError> {
    const TRIES_MAX: usize = 16;
    let mut token = String::new();
    for _ in 0..TRIES_MAX {
        let mut chances = vec![0_u8; plain.chars().count()];
        getrandom::fill(&mut chances).map_err(|_| VaultError::NoRandomness)?;
        let letters = plain.chars().zip(&chances);
        token = letters
            .map(|(letter, chance)| in_place_of(letter, *chance))
            .collect();
        if token != plain {
            return Ok(token);
        }
    }
    // Nothing in it can be another: signs alone.
    Ok(token.chars().map(|_| '*').collect())
}

fn in_place_of(letter: char, chance: u8) -> char {
    let of = |first: u8, count: u8| {
        char::from(first.saturating_add(chance.checked_rem(count).unwrap_or(0)))
    };
    if letter.is_ascii_digit() || letter.is_numeric() {
        of(b'0', 10)
    } else if letter.is_uppercase() {
        of(b'A', 26)
    } else if letter.is_alphabetic() {
        of(b'a', 26)
    } else {
        letter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_look_like_what_they_stand_for() {
        for plain in [
            "john.doe@example.com",
            "+57 300 123-4567",
            "Ñandú",
            "A",
            "7",
        ] {
            let token = token_like(plain).unwrap();
            assert_ne!(token, plain);
            assert_eq!(token.chars().count(), plain.chars().count());
            for (one, other) in plain.chars().zip(token.chars()) {
                assert_eq!(one.is_alphanumeric(), other.is_alphanumeric(), "{token}");
                if !one.is_alphanumeric() {
                    assert_eq!(one, other, "{token}");
                }
            }
        }
        assert_eq!(token_like("---").unwrap(), "***");
    }
}
