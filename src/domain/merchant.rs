//! Who asks for the money, and by what means: as the network tells it.

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
/// Source: Bloque docs, Card Webhooks (`TransactionMedium`). Kept as pairs, because processors send
/// more of them than any one page lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionMedium(pub Vec<(String, String)>);

impl TransactionMedium {
    /// The value of `name`, if it was sent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}
