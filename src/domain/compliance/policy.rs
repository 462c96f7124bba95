//! An origin's policy: levels with what each requires, what each gate wants, and how much may be sent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::money::Amount;

/// The most levels.
const LEVELS_MAX: usize = 16;
/// The highest number of a level.
const LEVEL_MAX: u32 = 100;
/// The most requirements of a level.
const REQUIREMENTS_MAX: usize = 32;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The longest address, in bytes.
const URL_BYTES_MAX: usize = 2 << 10;
/// The highest limit, in cents: ten trillion dollars.
const LIMIT_MAX: i128 = 1_000_000_000_000_000;

/// The keys of a card's metadata that steer money: what a policy may keep from holders.
pub const STEERING_KEYS: [&str; 9] = [
    "default_asset",
    "fallback_asset",
    "currency_asset_map",
    "spending_control",
    "priority_mcc",
    "mcc_whitelist",
    "spending_fees",
    "cashback_programs",
    "controls",
];

/// What may need a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Making a card.
    CreateCard,
    /// Making a pocket.
    CreateVirtual,
    /// Sending money.
    Transfer,
    /// Sending money many times at once.
    BatchTransfer,
    /// Bringing a card into a device's wallet.
    Tokenize,
    /// Coming back to a session.
    Connect,
}

impl Gate {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CreateCard => "create_card",
            Self::CreateVirtual => "create_virtual",
            Self::Transfer => "transfer",
            Self::BatchTransfer => "batch_transfer",
            Self::Tokenize => "tokenize",
            Self::Connect => "connect",
        }
    }
}

/// How something is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person's identity, by a provider.
    Kyc,
    /// A firm's, by a provider.
    Kyb,
    /// Terms that were accepted.
    Tos,
    /// A document.
    Document,
    /// Somebody looks at it.
    ManualReview,
    /// A provider's list.
    ProviderCheck,
}

impl Kind {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kyc => "kyc",
            Self::Kyb => "kyb",
            Self::Tos => "tos",
            Self::Document => "document",
            Self::ManualReview => "manual_review",
            Self::ProviderCheck => "provider_check",
        }
    }

    /// Whether a verification of identity, as a whole, decides it.
    #[must_use]
    pub const fn is_identity(self) -> bool {
        matches!(self, Self::Kyc | Self::Kyb)
    }
}

/// Over what a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Each transfer by itself.
    PerTransaction,
    /// A calendar day of the house's zone, like those below.
    Day,
    /// From Monday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Window {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PerTransaction => "per_transaction",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// Something that must be verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its name, once in a policy.
    pub key: String,
    /// How it is verified.
    pub kind: Kind,
}

/// How much may leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Over what it counts.
    pub window: Window,
    /// US cents, as a string of digits.
    pub usd_minor_units: String,
}

impl Limit {
    /// US cents. A policy that was checked has no other texts than numbers.
    #[must_use]
    pub fn cents(&self) -> Amount {
        self.usd_minor_units.parse().unwrap_or(Amount::ZERO)
    }
}

/// A level of verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Its number; each is higher than the one before.
    pub level: u32,
    /// For people.
    pub name: String,
    /// What it wants, beside what those below want.
    #[serde(default)]
    pub requirements: Vec<Requirement>,
    /// How much its holders may send; no limit that is not here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
}

/// An origin's policy. The default wants nothing of anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The name of whoever verifies; `cardwright` if nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Where holders are sent to be verified, with `{urn}` and `{type}` in it; a page of the server's own
    /// if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_url: Option<String>,
    /// From the lowest.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Which level each gate wants.
    #[serde(default)]
    pub gates: BTreeMap<Gate, u32>,
    /// Which keys of metadata that steer money a holder's token may set; all if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_may_set: Option<BTreeSet<String>>,
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {what}")]
pub struct PolicyError {
    /// Which part.
    pub field: String,
    /// What it must be.
    pub what: String,
}

fn wrong(field: impl Into<String>, what: impl Into<String>) -> PolicyError {
    PolicyError {
        field: field.into(),
        what: what.into(),
    }
}

fn require_name(field: &str, text: &str) -> Result<(), PolicyError> {
    let is_plain = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if is_plain && text.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    let what = format!("must be a text of 1 to {NAME_BYTES_MAX} bytes without control characters");
    Err(wrong(field, what))
}

impl Policy {
    /// Checks what its form does not.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with the first field that is wrong.
    pub fn check(&self) -> Result<(), PolicyError> {
        if let Some(provider) = &self.provider {
            require_name("provider", provider)?;
        }
        if let Some(url) = &self.verification_url {
            check_url(url)?;
        }
        self.check_levels()?;
        for (gate, level) in &self.gates {
            if !self.levels.iter().any(|known| known.level == *level) {
                let field = format!("gates.{}", gate.word());
                return Err(wrong(
                    field,
                    format!("must be a level of levels, was {level}"),
                ));
            }
        }
        for key in self.holder_may_set.iter().flatten() {
            if !STEERING_KEYS.contains(&key.as_str()) {
                let what = format!("must have some of {}", STEERING_KEYS.join(", "));
                return Err(wrong("holder_may_set", what));
            }
        }
        Ok(())
    }

    fn check_levels(&self) -> Result<(), PolicyError> {
        if self.levels.len() > LEVELS_MAX {
            return Err(wrong(
                "levels",
                format!("must have at most {LEVELS_MAX} items"),
            ));
        }
        let (mut before, mut keys) = (None, BTreeSet::new());
        for (place, level) in self.levels.iter().enumerate() {
            let path = format!("levels[{place}]");
            let is_higher = before.is_none_or(|before| level.level > before);
            if !is_higher || level.level > LEVEL_MAX {
                let what = format!("must be above the level before and at most {LEVEL_MAX}");
                return Err(wrong(format!("{path}.level"), what));
            }
            before = Some(level.level);
            require_name(&format!("{path}.name"), &level.name)?;
            check_requirements(&path, level, &mut keys)?;
            check_limits(&path, &level.limits)?;
        }
        Ok(())
    }

    /// Whether it limits what holders send.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.levels.iter().any(|level| !level.limits.is_empty())
    }

    /// Who verifies.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.provider.as_deref().unwrap_or("cardwright")
    }

    /// Where a holder is sent, if the policy says so.
    #[must_use]
    pub fn url_for(&self, urn: &str, kind: &str) -> Option<String> {
        let url = self.verification_url.as_deref()?;
        Some(url.replace("{urn}", urn).replace("{type}", kind))
    }

    /// Every requirement, from the lowest level.
    pub fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.levels.iter().flat_map(|level| &level.requirements)
    }

    /// Whether a holder may set that key of its metadata.
    #[must_use]
    pub fn lets_holder_set(&self, key: &str) -> bool {
        let some = self.holder_may_set.as_ref();
        some.is_none_or(|some| !STEERING_KEYS.contains(&key) || some.contains(key))
    }
}

fn check_url(url: &str) -> Result<(), PolicyError> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic());
    if has_host && is_plain && url.len() <= URL_BYTES_MAX {
        return Ok(());
    }
    let what = "must be a URL such as https://kyc.example/start?holder={urn}&type={type}";
    Err(wrong("verification_url", what))
}

fn check_requirements<'a>(
    path: &str,
    level: &'a Level,
    keys: &mut BTreeSet<&'a str>,
) -> Result<(), PolicyError> {
    if level.requirements.len() > REQUIREMENTS_MAX {
        let what = format!("must have at most {REQUIREMENTS_MAX} items");
        return Err(wrong(format!("{path}.requirements"), what));
    }
    for (place, requirement) in level.requirements.iter().enumerate() {
        let field = format!("{path}.requirements[{place}].key");
        let key = requirement.key.as_str();
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
        if key.is_empty() || key.len() > NAME_BYTES_MAX || !key.bytes().all(plain) {
            let what = format!("must be 1 to {NAME_BYTES_MAX} lower-case letters, digits or _-.");
            return Err(wrong(field, what));
        }
        if !keys.insert(key) {
            return Err(wrong(field, "must be there once in the whole policy"));
        }
    }
    Ok(())
}

fn check_limits(path: &str, limits: &[Limit]) -> Result<(), PolicyError> {
    let mut windows = BTreeSet::new();
    for (place, limit) in limits.iter().enumerate() {
        let field = format!("{path}.limits[{place}]");
        if !windows.insert(limit.window) {
            let what = "must be there once in a level";
            return Err(wrong(format!("{field}.window"), what));
        }
        let cents = limit.usd_minor_units.parse::<Amount>();
        if !cents.is_ok_and(|cents| cents.minor() <= LIMIT_MAX) {
            let what = format!("must be US cents as a string of digits, at most {LIMIT_MAX}");
            return Err(wrong(format!("{field}.usd_minor_units"), what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        let policy: Policy = serde_json::from_str(text).expect(text);
        policy
            .check()
            .err()
            .map_or(String::new(), |error| error.field)
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, field) in [
            ("{}", ""),
            (r#"{"provider":""}"#, "provider"),
            (r#"{"verification_url":"ftp://x"}"#, "verification_url"),
            (r#"{"verification_url":"https://"}"#, "verification_url"),
            (r#"{"verification_url":"https://x/{urn}"}"#, ""),
            (r#"{"gates":{"transfer":1}}"#, "gates.transfer"),
            (r#"{"holder_may_set":["note"]}"#, "holder_may_set"),
            (r#"{"holder_may_set":["controls"]}"#, ""),
            (
                r#"{"levels":[{"level":101,"name":"a"}]}"#,
                "levels[0].level",
            ),
            (r#"{"levels":[{"level":0,"name":" "}]}"#, "levels[0].name"),
            (
                r#"{"levels":[{"level":1,"name":"a"},{"level":1,"name":"b"}]}"#,
                "levels[1].level",
            ),
            (
                r#"{"levels":[{"level":1,"name":"a","requirements":[{"key":"A","kind":"kyc"}]}]}"#,
                "levels[0].requirements[0].key",
            ),
            (
                r#"{"levels":[{"level":1,"name":"a","requirements":
                    [{"key":"a","kind":"kyc"},{"key":"a","kind":"tos"}]}]}"#,
                "levels[0].requirements[1].key",
            ),
            (
                r#"{"levels":[{"level":1,"name":"a","limits":[{"window":"day","usd_minor_units":"x"}]}]}"#,
                "levels[0].limits[0].usd_minor_units",
            ),
            (
                r#"{"levels":[{"level":1,"name":"a","limits":[{"window":"day","usd_minor_units":"1"},
                    {"window":"day","usd_minor_units":"2"}]}]}"#,
                "levels[0].limits[1].window",
            ),
        ] {
            assert_eq!(check(text), field, "{text}");
        }
    }

    #[test]
    fn keys_that_steer_no_money_are_free() {
        let policy: Policy = serde_json::from_str(r#"{"holder_may_set":["controls"]}"#).unwrap();
        assert!(policy.lets_holder_set("controls") && policy.lets_holder_set("note"));
        assert!(!policy.lets_holder_set("spending_fees"));
        assert!(Policy::default().lets_holder_set("spending_fees"));
    }
}
