//! Who of several gets how much: fixed sums, parts of a hundred, and what is left.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::amounts::{self, Wrong};
use crate::{
    books::Share,
    domain::{
        books::TAKE_MAX,
        money::{Amount, Decimal},
    },
    http::{
        ledger::{face::check_text, fault::Fault},
        network::request::Lend,
        write::{Object, key},
    },
};

/// One of several sources or destinations.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LegRequest<'a> {
    /// A balance's id, or an indicator such as `@World`.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub identifier: Lend<'a>,
    /// `20%`, `12.50` or `left`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "20%")]
    pub distribution: Option<Lend<'a>>,
    /// A fixed sum in the smallest unit, as a number or digits; it stands for `distribution`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub precise_distribution: Option<&'a RawValue>,
    /// For people.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub narration: Option<Lend<'a>>,
    /// What an answer has; nothing is done with it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    #[expect(
        dead_code,
        reason = "taken from clients that send an answer's entries again"
    )]
    transaction_id: Option<Lend<'a>>,
}

/// What one of several is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Fixed(Amount),
    Percent(Decimal),
    Left,
}

const CODE: &str = "TXN_INVALID_DISTRIBUTION";

/// The most of them.
const LEGS_MAX: usize = TAKE_MAX;

/// Shares `total` out, and says it again in the caller's words. Who gets nothing takes no part.
///
/// # Errors
///
/// `TXN_INVALID_DISTRIBUTION` with the field if the parts do not add up to the total exactly.
pub(super) fn shares(
    field: &str,
    legs: &[LegRequest<'_>],
    (total, factor): (Amount, u64),
) -> Result<(Vec<Share>, String), Fault> {
    let wrong = |message: String| Fault::invalid(CODE, field, message);
    if legs.is_empty() {
        return Err(wrong(format!("'{field}' must be a non-empty array")));
    }
    if legs.len() > LEGS_MAX {
        return Err(wrong(format!(
            "'{field}' must have at most {LEGS_MAX} entries"
        )));
    }
    let mut wanted = Vec::with_capacity(legs.len());
    for (place, leg) in legs.iter().enumerate() {
        let at = |name: &str| format!("{field}[{place}].{name}");
        super::request::check_name(&at("identifier"), &leg.identifier)?;
        if let Some(narration) = &leg.narration {
            check_text("TXN_VALIDATION_ERROR", &at("narration"), narration, 1_024)?;
        }
        let one = wanted_by(leg, factor).map_err(|why| {
            Fault::invalid(
                CODE,
                &at("distribution"),
                format!("{}: {why}", &*leg.identifier),
            )
        })?;
        wanted.push(one);
    }
    let parts = share_out(total, &wanted).map_err(wrong)?;
    let shares = legs.iter().zip(parts).filter(|(_, part)| !part.is_zero());
    let shares = shares.map(|(leg, amount)| Share {
        name: (&*leg.identifier).into(),
        amount,
        narration: leg.narration.as_deref().map(str::to_owned),
    });
    Ok((shares.collect(), words(field, legs)))
}

fn wanted_by(leg: &LegRequest<'_>, factor: u64) -> Result<Wanted, String> {
    if let Some(raw) = leg.precise_distribution {
        let fixed = amounts::whole(raw);
        return fixed.map(Wanted::Fixed).map_err(|why| match why {
            Wrong::NotANumber | Wrong::TooPrecise => {
                "precise_distribution must be a whole number of smallest units".to_owned()
            }
            Wrong::Negative | Wrong::TooLarge => why.sentence("precise_distribution"),
        });
    }
    let text = leg.distribution.as_deref();
    let text = text.ok_or("give 'distribution' or 'precise_distribution'")?;
    if text == "left" {
        return Ok(Wanted::Left);
    }
    let plain = |text: &str| {
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        amounts::number(text).ok().filter(|_| is_plain)
    };
    if let Some(digits) = text.strip_suffix('%') {
        let percent = plain(digits).filter(|percent| {
            let hundred = Decimal {
                mantissa: 100,
                scale: 0,
            };
            percent.compare(hundred).is_le()
        });
        let percent = percent.ok_or("a percentage must be from 0% to 100%")?;
        return Ok(Wanted::Percent(percent));
    }
    let units = plain(text).ok_or("distribution must be such as \"20%\", \"12.50\" or \"left\"")?;
    let fixed = amounts::precise(units, factor);
    fixed
        .map(Wanted::Fixed)
        .map_err(|why| why.sentence("distribution"))
}

/// Fixed sums first, then percentages of the total, then what is left.
///
/// Percentages are cut together: the first k of them get the whole part of their sum, less what came
/// before, so that those which make a hundred in all use the total up exactly.
fn share_out(total: Amount, wanted: &[Wanted]) -> Result<Vec<Amount>, String> {
    let exceeds = || "total distribution exceeds the specified amount".to_owned();
    let mut left = total;
    let mut take = |part: Amount| {
        if part > left {
            return Err(exceeds());
        }
        left = left.minus_or_zero(part);
        Ok(part)
    };
    let mut parts = vec![Amount::ZERO; wanted.len()];
    for (part, wanted) in parts.iter_mut().zip(wanted) {
        if let Wanted::Fixed(fixed) = wanted {
            *part = take(*fixed)?;
        }
    }
    let mut percent = Decimal {
        mantissa: 0,
        scale: 0,
    };
    let mut before = Amount::ZERO;
    for (part, wanted) in parts.iter_mut().zip(wanted) {
        if let Wanted::Percent(more) = wanted {
            percent = percent.plus(*more).map_err(|_| exceeds())?;
            let cumulative = Decimal {
                scale: percent.scale.saturating_add(2),
                ..percent
            };
            let after = cumulative.of_rounded_down(total).map_err(|_| exceeds())?;
            *part = take(after.minus_or_zero(before))?;
            before = after;
        }
    }
    let mut rests = parts
        .iter_mut()
        .zip(wanted)
        .filter(|(_, wanted)| **wanted == Wanted::Left);
    match (rests.next(), rests.next()) {
        (Some((rest, _)), None) => *rest = left,
        (Some(_), Some(_)) => return Err("only one may get what is 'left'".to_owned()),
        (None, _) if left.is_zero() => {}
        (None, _) => {
            let sum = total.minus_or_zero(left);
            return Err(format!(
                "total distribution sum ({sum}) does not equal the specified amount ({total})"
            ));
        }
    }
    Ok(parts)
}

/// The caller's words as they are kept: `{"sources":[…]}`.
fn words(field: &str, legs: &[LegRequest<'_>]) -> String {
    let mut out = Vec::with_capacity(64_usize.saturating_mul(legs.len()));
    let mut object = Object::begin(&mut out);
    let name = if field == "sources" {
        key!("sources")
    } else {
        key!("destinations")
    };
    object.objects(name, legs.iter(), |inner, leg| {
        inner.text(key!("identifier"), &leg.identifier);
        if let Some(text) = &leg.distribution {
            inner.text(key!("distribution"), text);
        }
        if let Some(raw) = leg.precise_distribution {
            inner.json(key!("precise_distribution"), raw.get());
        }
        if let Some(text) = &leg.narration {
            inner.text(key!("narration"), text);
        }
    });
    object.end();
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(total: i128, legs: &[&str]) -> Result<Vec<i128>, String> {
        let amount = |minor| Amount::from_minor(minor).unwrap();
        let wanted = legs.iter().map(|text| {
            let (name, raw) = text.split_once('=').unwrap_or(("distribution", text));
            let json = format!(r#"{{"identifier":"@x","{name}":"{raw}"}}"#);
            let leg: LegRequest<'_> = serde_json::from_str(&json).unwrap();
            wanted_by(&leg, 100)
        });
        let wanted: Vec<_> = wanted.collect::<Result<_, _>>()?;
        let parts = share_out(amount(total), &wanted)?;
        Ok(parts.into_iter().map(Amount::minor).collect())
    }

    #[test]
    fn parts_add_up_exactly() {
        for (total, legs, expected) in [
            (
                10_000,
                vec!["20%", "12.50", "left"],
                vec![2_000, 1_250, 6_750],
            ),
            (101, vec!["50%", "50%"], vec![50, 51]),
            (100, vec!["33.33%", "33.33%", "33.34%"], vec![33, 33, 34]),
            (
                7,
                vec!["left", "precise_distribution=3", "50%"],
                vec![1, 3, 3],
            ),
            (500, vec!["5"], vec![500]),
            (500, vec!["100%", "left"], vec![500, 0]),
            (1, vec!["50%", "50%"], vec![0, 1]),
        ] {
            assert_eq!(shared(total, &legs), Ok(expected), "{total} {legs:?}");
        }
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        for (total, legs) in [
            (100, vec!["33.33%", "33.33%", "33.33%"]),
            (100, vec!["1.01", "left"]),
            (100, vec!["60%", "60%"]),
            (100, vec!["left", "left"]),
            (100, vec!["0.5"]),
            (100, vec!["0.005", "left"]),
            (100, vec!["101%"]),
            (100, vec!["-1", "left"]),
            (100, vec!["1e0"]),
            (100, vec![" 1"]),
            (100, vec![""]),
            (100, vec!["%", "left"]),
            (100, vec!["precise_distribution=1.5", "left"]),
            (100, vec!["half", "left"]),
        ] {
            assert!(shared(total, &legs).is_err(), "{total} {legs:?}");
        }
    }
}
