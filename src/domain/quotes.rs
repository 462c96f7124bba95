//! Reads rates as people and programs write them: every text checked, every fault named by its field.

use std::sync::Arc;

use super::{
    money::{Decimal, MoneyError},
    policy::Terms,
    rates::{QUOTES_MAX, Quote, QuoteError, RateTable, Unit},
    time::Timestamp,
};

/// A rate as it was written.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// Of which one unit is priced.
    pub base: &'a str,
    /// In which it is priced.
    pub quote: &'a str,
    /// A decimal, in plain or scientific notation.
    pub rate: &'a str,
    /// RFC 3339; the moment it came, if it is not said.
    pub at: Option<&'a str>,
}

/// A rate that cannot be taken: then none of those with it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {what}")]
pub struct DraftError {
    /// The field, with its path.
    pub field: String,
    /// What is wrong with it.
    pub what: String,
    /// Whether what is known is newer, and nothing else is wrong.
    pub is_older: bool,
}

/// How rates came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// Somebody sent them on purpose: each is recorded, an older one than the known is refused.
    Sent,
    /// They come again and again: older ones are passed over, and so are those that say what is
    /// known. To keep a rate that does not change from becoming too old, it is recorded again once
    /// a quarter of the allowed age has passed.
    Fetched,
}

/// Reads `drafts`; `at` is the time of those that say none.
///
/// # Errors
///
/// [`DraftError`] with the first field that is wrong.
pub fn read(
    drafts: &[Draft<'_>],
    source: &Arc<str>,
    at: Timestamp,
    terms: &Terms,
) -> Result<Vec<Quote>, DraftError> {
    if drafts.is_empty() || drafts.len() > QUOTES_MAX {
        let what = format!("must be from 1 to {QUOTES_MAX}");
        return Err(wrong("rates", what));
    }
    let one = |(place, draft): (usize, &Draft<'_>)| {
        let field = |name: &str| format!("rates[{place}].{name}");
        let unit = |name: &str, text: &str| {
            Unit::parse(text, terms).map_err(|error| wrong(&field(name), error.to_string()))
        };
        let rate = decimal(draft.rate);
        let moment = draft.at.map_or(Ok(at), str::parse::<Timestamp>);
        Ok(Quote {
            base: unit("base", draft.base)?,
            quote: unit("quote", draft.quote)?,
            rate: rate.map_err(|error| wrong(&field("rate"), error.to_string()))?,
            at: moment.map_err(|error| wrong(&field("at"), error.to_string()))?,
            source: source.clone(),
        })
    };
    drafts.iter().enumerate().map(one).collect()
}

/// Those of `quotes` that are to be recorded beside what `known` has, each with its time as it
/// counts.
///
/// # Errors
///
/// [`DraftError`] with the first field that is wrong.
pub fn accept(
    quotes: &[Quote],
    known: &RateTable,
    (now, terms): (Timestamp, &Terms),
    coming: Coming,
) -> Result<Vec<Quote>, DraftError> {
    let mut accepted = Vec::with_capacity(quotes.len());
    for (place, quote) in quotes.iter().enumerate() {
        let earlier = quotes.get(..place).unwrap_or_default();
        match known.accept(quote, earlier, now) {
            Ok(at) => {
                let quote = Quote {
                    at,
                    ..quote.clone()
                };
                if coming == Coming::Sent || !says_the_same(&quote, known, terms) {
                    accepted.push(quote);
                }
            }
            Err(QuoteError::Older { .. }) if coming == Coming::Fetched => {}
            Err(error) => {
                let field = format!("rates[{place}].{}", error.field());
                let mut refused = wrong(&field, error.to_string());
                refused.is_older = matches!(error, QuoteError::Older { .. });
                return Err(refused);
            }
        }
    }
    Ok(accepted)
}

fn says_the_same(quote: &Quote, known: &RateTable, terms: &Terms) -> bool {
    let while_fresh = terms.rate_age_seconds_max.div_euclid(4);
    known.quote(quote.base, quote.quote).is_some_and(|known| {
        let is_recent = known.at == quote.at || quote.at < known.at.plus_seconds(while_fresh);
        known.base == quote.base && known.rate.trimmed() == quote.rate.trimmed() && is_recent
    })
}

fn wrong(field: &str, what: String) -> DraftError {
    DraftError {
        field: field.to_owned(),
        what,
        is_older: false,
    }
}

/// The largest exponent that is read; beyond it no rate is sane.
const EXPONENT_MAX: i32 = 40;

/// A decimal in plain or scientific notation, as JSON writes numbers: `4012.55`, `2.5e-05`.
///
/// # Errors
///
/// [`MoneyError`] for any other text, or more digits than are taken.
pub fn decimal(text: &str) -> Result<Decimal, MoneyError> {
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else {
        return text.parse();
    };
    let not_a_decimal = || MoneyError::NotADecimal {
        text: super::money::shown(text),
    };
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let exponent: i32 = exponent.parse().map_err(|_| not_a_decimal())?;
    if exponent.saturating_abs() > EXPONENT_MAX {
        return Err(MoneyError::OutOfRange);
    }
    let parsed: Decimal = digits.parse()?;
    let scale = i32::from(parsed.scale).saturating_sub(exponent);
    let up = u32::try_from(scale.saturating_neg()).unwrap_or(0);
    let factor = 10_i128.checked_pow(up).ok_or(MoneyError::OutOfRange)?;
    let mantissa = parsed.mantissa.checked_mul(factor);
    let shifted = Decimal {
        mantissa: mantissa.ok_or(MoneyError::OutOfRange)?,
        scale: u8::try_from(scale.max(0)).map_err(|_| MoneyError::OutOfRange)?,
    };
    Ok(shifted.trimmed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_json_writes_them() {
        let check = |text: &str, expect: &str| {
            let said = decimal(text).map_or_else(|_| "refused".to_owned(), |d| d.to_string());
            assert_eq!(said, expect, "{text}");
        };
        check("4012.55", "4012.55");
        check("2.5e-05", "0.000025");
        check("2.5E+3", "2500");
        check("1e0", "1");
        check("1.50e1", "15");
        for wrong in [
            "",
            "e",
            "1e",
            "1e99",
            "1e-41",
            "1e2147483648",
            "x",
            "1.e2",
            "0x1p3",
            "1ee2",
        ] {
            check(wrong, "refused");
        }
    }
}
