//! An identity as it is kept, and what may be given of one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::{
    fault::Fault,
    reply::{broken, check_metadata, check_text},
};
use crate::{
    books::view::NO_TIME,
    domain::time::Timestamp,
    vault::{Vault, VaultError},
};

/// The longest of its texts, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// Its texts: the names on the wire, in the order in which they are shown.
const TEXTS: [&str; 15] = [
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

/// What may be tokenized: the name that the SDKs use, and the name on the wire.
pub(super) const TOKENIZABLE: [(&str, &str); 7] = [
    ("FirstName", "first_name"),
    ("LastName", "last_name"),
    ("OtherNames", "other_names"),
    ("EmailAddress", "email_address"),
    ("PhoneNumber", "phone_number"),
    ("Street", "street"),
    ("PostCode", "post_code"),
];

/// What is given of an identity. What else the clients send is passed over.
#[derive(Deserialize, ToSchema)]
pub struct Given {
    /// `idt_` and a UUID; one is made if none is given.
    pub(super) identity_id: Option<String>,
    /// individual or organization.
    identity_type: Option<String>,
    /// Of an organization.
    organization_name: Option<String>,
    /// The caller's own word for what kind it is.
    category: Option<String>,
    /// Of a person.
    first_name: Option<String>,
    /// Of a person.
    last_name: Option<String>,
    /// Of a person.
    other_names: Option<String>,
    /// male, female or other.
    gender: Option<String>,
    /// When born: RFC 3339.
    dob: Option<String>,
    /// Where mail goes.
    email_address: Option<String>,
    /// Where calls go.
    phone_number: Option<String>,
    /// Where from.
    nationality: Option<String>,
    /// Of the address.
    street: Option<String>,
    /// Of the address.
    country: Option<String>,
    /// Of the address.
    state: Option<String>,
    /// Of the address.
    post_code: Option<String>,
    /// Of the address.
    city: Option<String>,
    /// The caller's own data.
    #[schema(value_type = Option<Object>)]
    meta_data: Option<Map<String, Value>>,
}

impl Given {
    fn text(&self, name: &str) -> Option<&String> {
        let text = match name {
            "organization_name" => &self.organization_name,
            "category" => &self.category,
            "first_name" => &self.first_name,
            "last_name" => &self.last_name,
            "other_names" => &self.other_names,
            "gender" => &self.gender,
            "dob" => &self.dob,
            "email_address" => &self.email_address,
            "phone_number" => &self.phone_number,
            "nationality" => &self.nationality,
            "street" => &self.street,
            "country" => &self.country,
            "state" => &self.state,
            "post_code" => &self.post_code,
            "city" => &self.city,
            _ => &None,
        };
        text.as_ref()
    }

    /// Refuses what cannot be. A new one must say what it is.
    pub(super) fn check(&self, is_new: bool) -> Result<(), Fault> {
        let wrong = |field: &str, message: &str| {
            Err(Fault::invalid("GEN_VALIDATION_ERROR", field, message))
        };
        match self.identity_type.as_deref() {
            Some("individual" | "organization") => {}
            None if !is_new => {}
            _ => {
                let message = "identity_type must be individual or organization";
                return wrong("identity_type", message);
            }
        }
        for name in TEXTS {
            if let Some(text) = self.text(name) {
                check_text(name, text, TEXT_BYTES_MAX)?;
            }
        }
        let gender = self.gender.as_deref().unwrap_or_default();
        if !["", "male", "female", "other"].contains(&gender) {
            return wrong("gender", "gender must be male, female or other");
        }
        let dob = self.dob.as_deref().unwrap_or_default().trim();
        if !dob.is_empty() && dob.parse::<Timestamp>().is_err() {
            return wrong(
                "dob",
                "dob must be an RFC 3339 time such as 1990-01-31T00:00:00Z",
            );
        }
        self.meta_data.as_ref().map_or(Ok(()), check_metadata)
    }
}

/// An identity as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) identity_id: String,
    #[serde(default)]
    pub(super) identity_type: String,
    /// RFC 3339.
    pub(super) created_at: String,
    /// By their names on the wire: those that are not empty.
    #[serde(flatten)]
    texts: Texts,
    #[serde(default)]
    pub(super) meta_data: Map<String, Value>,
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

fn not_sealed(error: &VaultError) -> Fault {
    tracing::error!(%error, "a field of an identity cannot be sealed or opened");
    broken("identity")
}

impl Kept {
    pub(super) fn new(id: &str, now: Timestamp) -> Self {
        Self {
            identity_id: id.to_owned(),
            identity_type: String::new(),
            created_at: now.to_string(),
            texts: Texts::default(),
            meta_data: Map::new(),
            sealed: BTreeMap::new(),
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// As callers see it: every text, tokens where there are some.
    pub(super) fn view(&self) -> Value {
        let mut view = Map::new();
        let mut put = |name: &str, text: &str| {
            view.insert(name.to_owned(), Value::String(text.to_owned()));
        };
        put("identity_id", &self.identity_id);
        put("identity_type", &self.identity_type);
        for name in TEXTS {
            let none = if name == "dob" { NO_TIME } else { "" };
            let text = self.texts.0.get(name);
            put(name, text.map_or(none, String::as_str));
        }
        put("created_at", &self.created_at);
        view.insert(
            "meta_data".to_owned(),
            Value::Object(self.meta_data.clone()),
        );
        Value::Object(view)
    }

    /// Takes what is given; `name` is that of the document.
    pub(super) fn take(&mut self, given: &Given, vault: &Vault, name: &str) -> Result<(), Fault> {
        if let Some(kind) = &given.identity_type {
            self.identity_type.clone_from(kind);
        }
        if let Some(data) = &given.meta_data {
            self.meta_data.clone_from(data);
        }
        for field in TEXTS {
            let Some(text) = given.text(field) else {
                continue;
            };
            // A token that comes back is no new value.
            if self.texts.0.get(field) == Some(text) {
                continue;
            }
            let was_tokenized = self.sealed.remove(field).is_some();
            if text.is_empty() || text == NO_TIME {
                self.texts.0.remove(field);
                continue;
            }
            self.texts.0.insert(field.to_owned(), text.clone());
            if was_tokenized {
                self.tokenize(field, vault, name)?;
            }
        }
        Ok(())
    }

    /// What is tokenized, in the SDKs' words.
    pub(super) fn tokenized(&self) -> Vec<&'static str> {
        let pairs = TOKENIZABLE.iter();
        let sealed = pairs.filter(|(_, field)| self.sealed.contains_key(*field));
        sealed.map(|(word, _)| *word).collect()
    }

    /// Puts a token in a field's place; nothing if there is one, or nothing in it.
    pub(super) fn tokenize(&mut self, field: &str, vault: &Vault, name: &str) -> Result<(), Fault> {
        if self.sealed.contains_key(field) {
            return Ok(());
        }
        let Some(plain) = self.texts.0.get(field) else {
            return Ok(());
        };
        let sealed = vault.seal_text(&aad(name, field), plain.as_bytes());
        let sealed = sealed.map_err(|error| not_sealed(&error))?;
        let token = token_like(plain)?;
        self.sealed.insert(field.to_owned(), sealed);
        self.texts.0.insert(field.to_owned(), token);
        Ok(())
    }

    /// The original of a tokenized field.
    pub(super) fn original(
        &self,
        field: &str,
        vault: &Vault,
        name: &str,
    ) -> Result<Option<String>, Fault> {
        let Some(sealed) = self.sealed.get(field) else {
            return Ok(None);
        };
        let plain = vault.open_text(&aad(name, field), sealed);
        let plain = plain.map_err(|error| not_sealed(&error))?;
        let text = std::str::from_utf8(&plain).map_err(|_| broken("identity"))?;
        Ok(Some(text.to_owned()))
    }
}

/// A text of chance in the form of another: letters for letters, digits for digits, the rest as it is, so that
/// an address of mail or a number of telephone still looks like one.
fn token_like(plain: &str) -> Result<String, Fault> {
    const TRIES_MAX: usize = 16;
    let mut token = String::new();
    for _ in 0..TRIES_MAX {
        let mut chances = vec![0_u8; plain.chars().count()];
        getrandom::fill(&mut chances).map_err(|error| {
            tracing::error!(%error, "the system gave no randomness");
            broken("identity")
        })?;
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
