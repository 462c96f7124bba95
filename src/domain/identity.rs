//! Who holds accounts: the people and firms of an origin, and what is known of them. Pure.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use super::time::Timestamp;

/// The longest alias, in bytes.
const ALIAS_BYTES_MAX: usize = 128;
/// The most bytes of a profile, as JSON.
const PROFILE_BYTES_MAX: usize = 8 << 10;
/// The most bytes of an identity's metadata, as JSON.
const METADATA_BYTES_MAX: usize = 32 << 10;
/// The longest contact, in bytes. Source: RFC 5321, section 4.5.3.1.3.
const CONTACT_BYTES_MAX: usize = 254;

/// What an identity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityKind {
    /// A person.
    Individual,
    /// A firm.
    Business,
    /// An organisation without a legal form.
    Dao,
    /// One that acts for another.
    Proxy,
    /// Anything else, such as the origin itself.
    Other,
}

impl IdentityKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Individual,
        Self::Business,
        Self::Dao,
        Self::Proxy,
        Self::Other,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Individual => "individual",
            Self::Business => "business",
            Self::Dao => "dao",
            Self::Proxy => "proxy",
            Self::Other => "other",
        }
    }
}

/// Whether an identity may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityStatus {
    /// It may.
    Active,
    /// It may not: it gets no session, and its sessions have ended.
    Disabled,
}

impl IdentityStatus {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// A holder of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its programme.
    pub origin: String,
    /// Its name there: the last part of its URN.
    pub alias: String,
    /// What it is.
    pub kind: IdentityKind,
    /// Whether it may act.
    pub status: IdentityStatus,
    /// Names and contacts: a JSON object as text.
    pub profile: String,
    /// Anything of the programme's own: a JSON object as text.
    pub metadata: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Where one-time codes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// A telephone number.
    Phone(String),
    /// An e-mail address.
    Email(String),
}

/// What is wrong with a part of an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {what}")]
pub struct IdentityError {
    /// Which part.
    pub field: String,
    /// What it must be.
    pub what: &'static str,
}

fn wrong(field: impl Into<String>, what: &'static str) -> IdentityError {
    let field = field.into();
    IdentityError { field, what }
}

/// The alias of the holder of an origin's ledger balances: nobody registers under it, and so nobody's token
/// reaches them.
pub const LEDGER_ALIAS: &str = "ledger";

/// The URN of a holder.
#[must_use]
pub fn urn(origin: &str, alias: &str) -> String {
    format!("did:bloque:{origin}:{alias}")
}

/// Whether a text can be an alias: 1 to 128 letters, digits or `-_.@+~`.
#[must_use]
pub fn is_alias(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+~".contains(&byte);
    !text.is_empty() && text.len() <= ALIAS_BYTES_MAX && text.bytes().all(plain)
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] for an alias or a profile that cannot be.
    pub fn new(
        (origin, alias): (&str, &str),
        kind: IdentityKind,
        profile: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Self, IdentityError> {
        if !is_alias(alias) {
            let what = "must be 1 to 128 letters, digits or -_.@+~";
            return Err(wrong("alias", what));
        }
        if alias == LEDGER_ALIAS {
            return Err(wrong(
                "alias",
                "is the holder's of ledger balances: take another",
            ));
        }
        let blank = Self {
            origin: origin.to_owned(),
            alias: alias.to_owned(),
            kind,
            status: IdentityStatus::Active,
            profile: "{}".to_owned(),
            metadata: "{}".to_owned(),
            created_at: now,
            updated_at: now,
        };
        blank.patched(profile, &Map::new(), now)
    }

    /// Its URN.
    #[must_use]
    pub fn urn(&self) -> String {
        urn(&self.origin, &self.alias)
    }

    /// The same with keys of its profile and metadata set; a null removes its key.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] for what would be too large, or a contact that is no text.
    pub fn patched(
        &self,
        profile: &Map<String, Value>,
        metadata: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Self, IdentityError> {
        for name in ["email", "phone"] {
            let contact = profile.get(name).filter(|value| !value.is_null());
            if contact.is_some_and(|value| !is_contact(value)) {
                let what = "must be a text of 1 to 254 bytes without control characters";
                return Err(wrong(format!("profile.{name}"), what));
            }
        }
        let too_large = "is too large";
        let merged = |known: &str, changes, bytes_max, field: &str| {
            let text = merge(known, changes);
            let fits = text.len() <= bytes_max;
            fits.then_some(text).ok_or_else(|| wrong(field, too_large))
        };
        Ok(Self {
            profile: merged(&self.profile, profile, PROFILE_BYTES_MAX, "profile")?,
            metadata: merged(&self.metadata, metadata, METADATA_BYTES_MAX, "metadata")?,
            updated_at: now,
            ..self.clone()
        })
    }

    /// Where its one-time codes go: to the telephone, else by e-mail.
    #[must_use]
    pub fn contact(&self) -> Option<Contact> {
        let profile: Map<String, Value> = serde_json::from_str(&self.profile).ok()?;
        let text = |name: &str| profile.get(name)?.as_str().map(str::to_owned);
        text("phone")
            .map(Contact::Phone)
            .or_else(|| text("email").map(Contact::Email))
    }
}

fn is_contact(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        (1..=CONTACT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
    })
}

fn merge(known: &str, changes: &Map<String, Value>) -> String {
    let mut object: Map<String, Value> = serde_json::from_str(known).unwrap_or_default();
    for (key, value) in changes {
        if value.is_null() {
            object.remove(key);
        } else {
            object.insert(key.clone(), value.clone());
        }
    }
    Value::Object(object).to_string()
}

/// Every identity, by URN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities(BTreeMap<Box<str>, Arc<Identity>>);

impl Identities {
    /// The one of that URN.
    #[must_use]
    pub fn get(&self, urn: &str) -> Option<&Arc<Identity>> {
        self.0.get(urn)
    }

    /// Sets one.
    pub fn set(&mut self, identity: Arc<Identity>) {
        self.0.insert(identity.urn().into(), identity);
    }

    /// All, in the order of their URNs.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Identity>> {
        self.0.values()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).expect("an object")
    }

    fn ana() -> Identity {
        let profile = object(r#"{"first_name":"Ana","email":"ana@example.com"}"#);
        let kind = IdentityKind::Individual;
        Identity::new(("acme", "ana"), kind, &profile, Timestamp::from_micros(1)).expect("sound")
    }

    #[test]
    fn a_patch_merges_and_a_null_removes() {
        let (profile, metadata) = (
            object(r#"{"first_name":null,"age":3}"#),
            object(r#"{"a":1}"#),
        );
        let now = Timestamp::from_micros(2);
        let ana = ana().patched(&profile, &metadata, now).expect("sound");
        assert_eq!(ana.profile, r#"{"age":3,"email":"ana@example.com"}"#);
        assert_eq!((ana.metadata.as_str(), ana.updated_at), (r#"{"a":1}"#, now));
    }

    #[test]
    fn codes_go_to_the_telephone_first() {
        let email = Some(Contact::Email("ana@example.com".to_owned()));
        assert_eq!(ana().contact(), email);
        let with_phone =
            ana().patched(&object(r#"{"phone":"+57"}"#), &Map::new(), ana().created_at);
        let phone = Some(Contact::Phone("+57".to_owned()));
        assert_eq!(with_phone.expect("sound").contact(), phone);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let long = "x".repeat(PROFILE_BYTES_MAX);
        for (profile, field) in [
            (r#"{"email":5}"#.to_owned(), "profile.email"),
            (r#"{"phone":""}"#.to_owned(), "profile.phone"),
            (format!(r#"{{"a":"{long}"}}"#), "profile"),
        ] {
            let refused = ana().patched(&object(&profile), &Map::new(), ana().created_at);
            assert_eq!(refused.expect_err("refused").field, field);
        }
        for alias in ["", "a b", "a:b", &"a".repeat(129)] {
            let kind = IdentityKind::Other;
            let made = Identity::new(("acme", alias), kind, &Map::new(), ana().created_at);
            assert_eq!(made.expect_err(alias).field, "alias");
        }
    }
}
