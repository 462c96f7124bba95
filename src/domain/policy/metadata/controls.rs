//! Limits, lists and hours: `controls`.

use std::sync::Arc;

use super::{
    MetadataError,
    pockets::code,
    read::{Fields, Node, no_twice},
};
use crate::domain::{
    country::{Country, country, is_listed},
    merchant::Mcc,
    money::{Currency, LocalAmount, shown},
    policy::{
        Terms,
        controls::{Channel, Controls, Hours, Limit, MccRange, Rule, Window},
    },
};

/// The most limits, and the most spans of hours.
const LIMITS_MAX: usize = 64;
/// The most members of a list of what is allowed or denied.
const LIST_MAX: usize = 256;
/// The longest id of a merchant: as long as an authorization may name one.
const MERCHANT_MAX: usize = 64;
/// The longest rolling window: a leap year.
const ROLLING_SECONDS_MAX: u32 = 366 * 86_400;
/// The highest count.
const COUNT_MAX: u32 = 1_000_000_000;
const MINUTES_PER_DAY: u16 = 1_440;

const KEYS: [&str; 9] = [
    "currency",
    "limits",
    "mcc",
    "merchants",
    "countries",
    "channels",
    "hours",
    "single_use",
    "merchant_locked",
];

pub(super) fn read(metadata: &Fields<'_>, terms: &Terms) -> Result<Controls, MetadataError> {
    let Some(node) = metadata.get("controls") else {
        return Ok(Controls::NONE);
    };
    let fields = node.fields(&KEYS)?;
    let currency = fields
        .get("currency")
        .map(|node| currency(&node))
        .transpose()?;
    let flag = |key| fields.get(key).map_or(Ok(false), |node| node.flag());
    Ok(Controls {
        currency,
        limits: limits(&fields, currency.unwrap_or(terms.base_currency))?,
        mcc: rule(&fields, "mcc", range)?,
        merchants: rule(&fields, "merchants", merchant)?,
        countries: rule(&fields, "countries", country_of)?,
        channels: channels(&fields)?,
        hours: hours(&fields)?,
        is_single_use: flag("single_use")?,
        is_merchant_locked: flag("merchant_locked")?,
    })
}

fn currency(node: &Node<'_>) -> Result<Currency, MetadataError> {
    let text = node.text()?;
    let wrong = |_| {
        node.wrong(format!(
            "must be an ISO 4217 code such as USD, was {:?}",
            shown(text)
        ))
    };
    text.parse().map_err(wrong)
}

fn limits(fields: &Fields<'_>, currency: Currency) -> Result<Vec<Limit>, MetadataError> {
    let Some(node) = fields.get("limits") else {
        return Ok(Vec::new());
    };
    let members = node.list(LIMITS_MAX)?;
    let limits: Vec<_> = members
        .iter()
        .map(|node| limit(node, currency))
        .collect::<Result<_, _>>()?;
    no_twice(limits.iter().map(|limit| limit.window), &members, ".window")?;
    Ok(limits)
}

fn limit(node: &Node<'_>, currency: Currency) -> Result<Limit, MetadataError> {
    let fields = node.fields(&["window", "amount", "count"])?;
    let window = window(&fields.require("window")?)?;
    let amount = fields.get("amount");
    let amount = amount.map(|node| {
        let amount = LocalAmount::from_decimal(node.number_or_text()?, currency);
        let amount = amount.map_err(|error| node.wrong(format!("is wrong: {error}")))?;
        Ok(amount.minor)
    });
    let amount = amount.transpose()?;
    let count = fields
        .get("count")
        .map(|node| node.whole(0, COUNT_MAX))
        .transpose()?;
    if window == Window::Transaction && count.is_some() {
        let what = "must not be given: a transaction is one";
        return Err(fields.wrong("count", what.to_owned()));
    }
    if amount.is_none() && count.is_none() {
        return Err(node.wrong("must have amount, count or both"));
    }
    Ok(Limit {
        window,
        amount,
        count,
    })
}

fn window(node: &Node<'_>) -> Result<Window, MetadataError> {
    if node.value.is_object() {
        let seconds = node
            .fields(&["rolling_seconds"])?
            .require("rolling_seconds")?;
        return seconds.whole(1, ROLLING_SECONDS_MAX).map(Window::Rolling);
    }
    let words = Window::WORDS.map(|window| (window.word(), window));
    let known = words
        .iter()
        .find(|(word, _)| node.value.as_str() == Some(word));
    known.map(|(_, window)| *window).ok_or_else(|| {
        let words = words.map(|(word, _)| word).join(", ");
        node.wrong(format!(
            "must be one of {words}, or {{\"rolling_seconds\": 3600}}"
        ))
    })
}

fn rule<T>(
    fields: &Fields<'_>,
    key: &str,
    member: fn(&Node<'_>) -> Result<T, MetadataError>,
) -> Result<Rule<T>, MetadataError> {
    let Some(node) = fields.get(key) else {
        return Ok(Rule::ANY);
    };
    let lists = node.fields(&["allow", "deny"])?;
    let list = |key| {
        let members = lists.get(key).map(|node| node.list(LIST_MAX)).transpose()?;
        let members = members.map(|members| members.iter().map(member).collect());
        members.transpose()
    };
    Ok(Rule {
        allow: list("allow")?,
        deny: list("deny")?.unwrap_or_default(),
    })
}

fn range(node: &Node<'_>) -> Result<MccRange, MetadataError> {
    let Some((from, to)) = node.value.as_str().and_then(|text| text.split_once('-')) else {
        return code(node).map(|mcc| MccRange { from: mcc, to: mcc });
    };
    let ends: Option<(Mcc, Mcc)> = from.parse().ok().zip(to.parse().ok());
    match ends {
        Some((from, to)) if from <= to => Ok(MccRange { from, to }),
        _ => Err(node.wrong(
            "must be a merchant category code such as \"5411\", or a range such as \"5000-5999\"",
        )),
    }
}

fn merchant(node: &Node<'_>) -> Result<Arc<str>, MetadataError> {
    node.name(MERCHANT_MAX).map(Into::into)
}

fn country_of(node: &Node<'_>) -> Result<Country, MetadataError> {
    let text = node.text()?;
    country(text)
        .filter(|code| is_listed(*code))
        .ok_or_else(|| {
            let what = "must be an ISO 3166-1 country code such as COL or CO";
            node.wrong(format!("{what}, was {:?}", shown(text)))
        })
}

fn channels(fields: &Fields<'_>) -> Result<Vec<Channel>, MetadataError> {
    let Some(node) = fields.get("channels") else {
        return Ok(Vec::new());
    };
    let words = Channel::ALL.map(|channel| (channel.word(), channel));
    let members = node.some(LIST_MAX)?;
    let channels: Vec<_> = members
        .iter()
        .map(|node| node.word(&words))
        .collect::<Result<_, _>>()?;
    no_twice(channels.iter().map(|channel| channel.word()), &members, "")?;
    Ok(channels)
}

fn hours(fields: &Fields<'_>) -> Result<Vec<Hours>, MetadataError> {
    let Some(node) = fields.get("hours") else {
        return Ok(Vec::new());
    };
    node.some(LIMITS_MAX)?.iter().map(span).collect()
}

fn span(node: &Node<'_>) -> Result<Hours, MetadataError> {
    let fields = node.fields(&["days", "from", "until"])?;
    let mut days = 0;
    for day in fields.require("days")?.some(Hours::DAYS.len())? {
        days |= day.word(&Hours::DAYS)?;
    }
    let (from, until) = (fields.require("from")?, fields.require("until")?);
    Ok(Hours {
        days,
        from: minute(&from)
            .filter(|minute| *minute < MINUTES_PER_DAY)
            .ok_or_else(|| from.wrong("must be a time of day from \"00:00\" to \"23:59\""))?,
        until: minute(&until)
            .ok_or_else(|| until.wrong("must be a time of day from \"00:00\" to \"24:00\""))?,
    })
}

/// The minute of the day of `HH:MM`, up to 24:00.
fn minute(node: &Node<'_>) -> Option<u16> {
    let (hours, minutes) = node.value.as_str()?.split_once(':')?;
    let two = |text: &str| {
        let is_two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_two)
    };
    let minutes = two(minutes).filter(|minutes| *minutes < 60)?;
    let minute = two(hours)?.checked_mul(60)?.checked_add(minutes)?;
    (minute <= MINUTES_PER_DAY).then_some(minute)
}
