//! Reads a document of exchange rates, from a file or a URL, in either of two forms.
//!
//! `{"rates": [{"base": "USD", "quote": "COP", "rate": "4012.55", "at": "…"}]}` is what
//! `PUT /v1/rates` takes: everything in it must be right. `{"base": "USD", "rates": {"COP": 4012.55,
//! …}}` is how many services publish: units that the house does not know are passed over in it, and a
//! time is read from `at` (RFC 3339) or `timestamp` (seconds since 1970), if there is one.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::domain::{policy::Terms, quotes::Draft, rates::Unit, time::Timestamp};

/// A document that cannot be read, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no document of rates: {0}")]
pub struct NotRates(String);

/// The rates of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(Vec<Written>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    base: String,
    quote: String,
    rate: String,
    at: Option<String>,
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    rates: &'a RawValue,
    base: Option<String>,
    at: Option<String>,
    timestamp: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item<'a> {
    base: String,
    quote: String,
    #[serde(borrow)]
    rate: &'a RawValue,
    at: Option<String>,
}

/// The members of an object as they stand there, also those that come twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of rates")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

impl Document {
    /// Reads a document in either form.
    ///
    /// # Errors
    ///
    /// [`NotRates`] for anything else.
    pub fn read(bytes: &[u8], terms: &Terms) -> Result<Self, NotRates> {
        let wrong = |error: serde_json::Error| NotRates(shown(&error.to_string()));
        let outer: Outer<'_> = serde_json::from_slice(bytes).map_err(wrong)?;
        if outer.rates.get().starts_with('[') {
            let items: Vec<Item<'_>> = serde_json::from_str(outer.rates.get()).map_err(wrong)?;
            let written = items.into_iter().map(|item| {
                Ok(Written {
                    rate: number("rate", item.rate)?,
                    base: item.base,
                    quote: item.quote,
                    at: item.at,
                })
            });
            return written.collect::<Result<_, _>>().map(Self);
        }
        let members: Members<'_> = serde_json::from_str(outer.rates.get()).map_err(wrong)?;
        Self::of_members(members, &outer, terms)
    }

    fn of_members(
        members: Members<'_>,
        outer: &Outer<'_>,
        terms: &Terms,
    ) -> Result<Self, NotRates> {
        let base = outer.base.as_deref();
        let base = base.ok_or_else(|| NotRates("base is missing".to_owned()))?;
        Unit::parse(base, terms).map_err(|error| NotRates(format!("base {error}")))?;
        let at = outer.timestamp.map(|seconds| {
            let micros = seconds.saturating_mul(1_000_000);
            Timestamp::from_micros(micros).to_string()
        });
        let at = outer.at.clone().or(at);
        let mut written = Vec::new();
        for (quote, rate) in members.0 {
            let rate = number(&quote, rate)?;
            // A service lists its base too, as one; and units that nobody here holds.
            if quote == base || Unit::parse(&quote, terms).is_err() {
                continue;
            }
            written.push(Written {
                base: base.to_owned(),
                quote,
                rate,
                at: at.clone(),
            });
        }
        Ok(Self(written))
    }

    /// The rates, to be read on.
    #[must_use]
    pub fn drafts(&self) -> Vec<Draft<'_>> {
        fn draft(written: &Written) -> Draft<'_> {
            Draft {
                base: &written.base,
                quote: &written.quote,
                rate: &written.rate,
                at: written.at.as_deref(),
            }
        }
        self.0.iter().map(draft).collect()
    }

    /// Those rates that say no time of their own: they are as true as the document is new.
    #[must_use]
    pub fn without_time(&self) -> Self {
        let timeless = self.0.iter().filter(|written| written.at.is_none());
        Self(timeless.cloned().collect())
    }

    /// Whether it has no rates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The digits of a number, or of a string.
fn number(name: &str, raw: &RawValue) -> Result<String, NotRates> {
    let text = raw.get();
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    match quoted.or(is_number.then_some(text)) {
        Some(digits) => Ok(digits.to_owned()),
        None => Err(NotRates(format!("{} must be a number", shown(name)))),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}
