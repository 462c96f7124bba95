//! Who asks for the money, and by what means: as the network tells it.

use super::texts::has_control;

/// A merchant category code, four digits. Source: ISO 18245.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mcc(u16);

/// Text that is no merchant category code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mcc must be four digits such as \"5411\", was {text:?}")]
pub struct NotAnMcc {
    text: String,
}

impl Mcc {
    /// Wraps a code below 10,000.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if code < 10_000 {
            Some(Self(code))
        } else {
            None
        }
    }

    /// The number of the four digits.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }
}

impl std::fmt::Display for Mcc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl std::str::FromStr for Mcc {
    type Err = NotAnMcc;

    fn from_str(text: &str) -> Result<Self, NotAnMcc> {
        let four = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        let code = text.parse().ok().filter(|_| four).and_then(Self::new);
        code.ok_or_else(|| NotAnMcc {
            text: super::money::shown(text),
        })
    }
}

/// The merchant of a purchase, each field as the processor sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merchant {
    /// The acquirer's id of the merchant.
    pub id: Option<String>,
    /// As on the statement.
    pub name: Option<String>,
    /// The category.
    pub mcc: Option<Mcc>,
    /// The city.
    pub city: Option<String>,
    /// ISO 3166-1 alpha-3 (or alpha-2) country code.
    pub country: Option<String>,
    /// The street address.
    pub address: Option<String>,
    /// The terminal.
    pub terminal_id: Option<String>,
}

/// How the card was used: names and values as the processor sent them.
///
/// Source: Bloque docs, Card Webhooks (`TransactionMedium`). Processors send more of them than any
/// one page lists, and none steers a purchase by itself: so they are kept packed in one text, not as
/// a dozen fields.
#[derive(Clone, Debug, Default, Eq)]
pub struct TransactionMedium(String);

/// The name under which a purchase says which device's token it was made with.
pub const TOKEN_ID: &str = "token_id";

const BETWEEN: char = '\u{1f}';
/// The same as a byte.
const SEPARATOR: u8 = 0x1f;
const BEHIND: char = '\u{1e}';
/// What the values of most purchases take together.
const USUAL_BYTES: usize = 256;

/// Where the first pair ends.
fn end_of_pair(packed: &str) -> Option<usize> {
    memchr::memchr(0x1e, packed.as_bytes())
}

impl TransactionMedium {
    /// Adds a value; `false`, and nothing added, if either text has a control character.
    pub fn add(&mut self, name: &str, value: &str) -> bool {
        if has_control(name) || has_control(value) {
            return false;
        }
        let more = name.len().saturating_add(value.len()).saturating_add(2);
        // Most have a handful of values: one allocation for all of them.
        let is_first = self.0.is_empty();
        self.0.reserve(if is_first {
            more.max(USUAL_BYTES)
        } else {
            more
        });
        self.0.push_str(name);
        self.0.push(BETWEEN);
        self.0.push_str(value);
        self.0.push(BEHIND);
        true
    }

    /// The names and values, in the order in which they were sent.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .split_terminator(BEHIND)
            .filter_map(|pair| pair.split_once(BETWEEN))
    }

    /// The value of `name`, if it was sent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        // Neither name nor value has either separator, so that whole pairs can be passed over at once.
        let mut rest = self.0.as_str();
        while let Some(behind) = end_of_pair(rest) {
            let (pair, next) = rest.split_at_checked(behind)?;
            // Most names differ in length: one byte tells.
            if pair.as_bytes().get(name.len()) == Some(&SEPARATOR)
                && let Some(value) = pair.strip_prefix(name)
            {
                return value.strip_prefix(BETWEEN);
            }
            rest = next.strip_prefix(BEHIND)?;
        }
        None
    }

    /// As a record holds it.
    #[must_use]
    pub fn packed(&self) -> &str {
        &self.0
    }

    /// From what a record holds.
    #[must_use]
    pub const fn from_packed(packed: String) -> Self {
        Self(packed)
    }
}

/// The order of the names says nothing: a retry may send them in another.
impl PartialEq for TransactionMedium {
    fn eq(&self, other: &Self) -> bool {
        if self.0 == other.0 {
            return true;
        }
        let sorted = |medium: &Self| {
            let mut pairs: Vec<_> = medium
                .pairs()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            pairs.sort_unstable();
            pairs
        };
        sorted(self) == sorted(other)
    }
}
