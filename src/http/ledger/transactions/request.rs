//! What is asked for, read and checked: from JSON to what the books take.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    amounts::{self, INVALID_AMOUNT, Wrong},
    split::{self, LegRequest},
};
use crate::{
    books::{Ask, Share, view::units_of},
    domain::{
        books::{Marks, Overdraft, Precision},
        money::{Amount, Asset},
        time::Timestamp,
    },
    http::{
        ledger::{
            face::{check_text, metadata},
            fault::Fault,
        },
        network::request::Lend,
    },
};

/// A transaction somebody asks for.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransactionRequest<'a> {
    /// How much, in units. One of `amount`, `precise_amount` and `amount_string` must be there; several
    /// must agree.
    #[serde(borrow, default)]
    #[schema(value_type = Option<f64>, example = 12.5)]
    pub amount: Option<&'a RawValue>,
    /// The same as text.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, example = "12.50")]
    pub amount_string: Option<Lend<'a>>,
    /// The same in the smallest unit, as a number or digits.
    #[serde(borrow, default)]
    #[schema(value_type = Option<i64>, example = 1250)]
    pub precise_amount: Option<&'a RawValue>,
    /// How many smallest units make one unit; 1 if nothing is said.
    #[serde(borrow, default)]
    #[schema(value_type = Option<u64>, example = 100)]
    pub precision: Option<&'a RawValue>,
    /// Unique.
    #[serde(borrow, default)]
    #[schema(value_type = String, max_length = 255)]
    pub reference: Option<Lend<'a>>,
    /// For people.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub description: Option<Lend<'a>>,
    /// What is counted: a code such as `USD`, or an asset such as `DUSD/6`.
    #[serde(borrow, default)]
    #[schema(value_type = String, example = "USD")]
    pub currency: Option<Lend<'a>>,
    /// Of old clients; nothing but 1 is taken.
    #[serde(borrow, default)]
    #[schema(value_type = Option<f64>)]
    pub rate: Option<&'a RawValue>,
    /// Where it leaves: a balance's id, or an indicator such as `@World`.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub source: Option<Lend<'a>>,
    /// Where it leaves, if those are several.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<LegRequest>>)]
    pub sources: Option<Vec<LegRequest<'a>>>,
    /// Where it arrives.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub destination: Option<Lend<'a>>,
    /// Where it arrives, if those are several.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Vec<LegRequest>>)]
    pub destinations: Option<Vec<LegRequest<'a>>>,
    /// Whether it is held first.
    #[serde(default)]
    pub inflight: Option<bool>,
    /// When what is inflight is let go.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub inflight_expiry_date: Option<Lend<'a>>,
    /// When what is inflight is committed.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub inflight_commit_date: Option<Lend<'a>>,
    /// When it is to be done.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub scheduled_for: Option<Lend<'a>>,
    /// When it counts from.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub effective_date: Option<Lend<'a>>,
    /// Whether the source may go below zero: without end, unless a limit is given.
    #[serde(default)]
    pub allow_overdraft: Option<bool>,
    /// How far, in units.
    #[serde(borrow, default)]
    #[schema(value_type = Option<f64>)]
    pub overdraft_limit: Option<&'a RawValue>,
    /// Whether too little money is an error that leaves no record.
    #[serde(default)]
    pub skip_queue: Option<bool>,
    /// Whether the parts of a split are done all or none: they always are.
    #[serde(default)]
    pub atomic: Option<bool>,
    /// Whether it is only said what would come of it.
    #[serde(default)]
    pub dry_run: Option<bool>,
    /// Anything of the caller's own.
    #[serde(borrow, default)]
    #[schema(value_type = Option<Object>)]
    pub meta_data: Option<&'a RawValue>,
}

const CODE: &str = "TXN_VALIDATION_ERROR";
const MISSING: &str = "GEN_MISSING_PARAMETER";
/// The longest name of a source or destination, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// What the books are to take.
///
/// # Errors
///
/// 400 with the field.
pub(super) fn ask_of(parsed: &TransactionRequest<'_>) -> Result<Ask, Fault> {
    let factor = amounts::precision(parsed.precision)?;
    let (amount, words) = sum(parsed, factor)?;
    let reference = text(parsed.reference.as_ref(), "reference", 255)?;
    if reference.is_empty() {
        return Err(Fault::invalid(
            MISSING,
            "reference",
            "reference is required",
        ));
    }
    let currency = parsed.currency.as_deref().unwrap_or_default();
    if currency.is_empty() {
        return Err(Fault::invalid(MISSING, "currency", "currency is required"));
    }
    let asset = Asset::of_ledger(currency)
        .map_err(|error| Fault::invalid(CODE, "currency", format!("currency: {error}")))?;
    check_rate(parsed.rate)?;
    check_routing(parsed)?;
    let total = (amount, factor);
    let (sources, of_sources) = side(
        ("source", parsed.source.as_ref()),
        ("sources", parsed.sources.as_deref()),
        total,
    )?;
    let (destinations, of_destinations) = side(
        ("destination", parsed.destination.as_ref()),
        ("destinations", parsed.destinations.as_deref()),
        total,
    )?;
    let marks = Marks {
        inflight: parsed.inflight.unwrap_or(false),
        skip_queue: parsed.skip_queue.unwrap_or(false),
        atomic: parsed.atomic.unwrap_or(false),
    };
    // Only what is held can be let go or committed by the time.
    let of_held = |given: Option<&Lend<'_>>, field| {
        let read = time(given, field)?;
        Ok::<_, Fault>(read.filter(|_| marks.inflight))
    };
    Ok(Ask {
        asset,
        amount,
        precision: Precision {
            factor,
            amount: words,
        },
        sources,
        destinations,
        reference: reference.to_owned(),
        description: text(parsed.description.as_ref(), "description", 1_024)?.to_owned(),
        overdraft: overdraft(parsed, factor)?,
        marks,
        effective_at: time(parsed.effective_date.as_ref(), "effective_date")?,
        scheduled_for: time(parsed.scheduled_for.as_ref(), "scheduled_for")?,
        expires_at: of_held(parsed.inflight_expiry_date.as_ref(), "inflight_expiry_date")?,
        commits_at: of_held(parsed.inflight_commit_date.as_ref(), "inflight_commit_date")?,
        split: if of_sources.is_empty() {
            of_destinations
        } else {
            of_sources
        },
        metadata: metadata("meta_data", parsed.meta_data)?,
    })
}

/// How much, and the same in units.
fn sum(parsed: &TransactionRequest<'_>, factor: u64) -> Result<(Amount, String), Fault> {
    let known = given(
        (parsed.amount, parsed.amount_string.as_deref()),
        parsed.precise_amount,
        factor,
    )?;
    let known = known.ok_or_else(|| {
        let message = "Either 'amount' or 'precise_amount' must be provided";
        Fault::invalid(MISSING, "amount", message)
    })?;
    if known.0.is_zero() {
        let message = "amount must be above zero";
        return Err(Fault::invalid(INVALID_AMOUNT, "amount", message));
    }
    Ok(known)
}

/// What is given of `amount`, `amount_string` and `precise_amount`, which must agree.
///
/// # Errors
///
/// 400 with the field.
pub(super) fn given(
    (amount, amount_string): (Option<&RawValue>, Option<&str>),
    precise_amount: Option<&RawValue>,
    factor: u64,
) -> Result<Option<(Amount, String)>, Fault> {
    let wrong =
        |field: &str, why: Wrong| Fault::invalid(INVALID_AMOUNT, field, why.sentence(field));
    let amount = amount.map(RawValue::get);
    if amount.is_some_and(|text| !amounts::is_number(text)) {
        return Err(Fault::invalid(CODE, "amount", "amount must be a number"));
    }
    let mut known: Option<(Amount, String)> = None;
    let agree = |known: &Option<(Amount, String)>, field: &str, read: Amount| {
        if known.as_ref().is_some_and(|(known, _)| *known != read) {
            let message = format!("{field} does not agree with amount times precision");
            return Err(Fault::invalid(INVALID_AMOUNT, field, message));
        }
        Ok(())
    };
    for (field, text) in [("amount", amount), ("amount_string", amount_string)] {
        let Some(text) = text else { continue };
        let units = amounts::number(text).map_err(|why| wrong(field, why))?;
        let read = amounts::precise(units, factor).map_err(|why| wrong(field, why))?;
        agree(&known, field, read)?;
        known.get_or_insert_with(|| (read, units.to_string()));
    }
    if let Some(raw) = precise_amount {
        let field = "precise_amount";
        let read = amounts::whole(raw).map_err(|why| match why {
            Wrong::NotANumber | Wrong::TooPrecise | Wrong::Negative => Fault::invalid(
                INVALID_AMOUNT,
                field,
                "precise_amount must be a non-negative integer string or number",
            ),
            Wrong::TooLarge => wrong(field, why),
        })?;
        agree(&known, field, read)?;
        known.get_or_insert_with(|| (read, units_of(read, factor)));
    }
    Ok(known)
}

fn check_rate(given: Option<&RawValue>) -> Result<(), Fault> {
    let Some(raw) = given else { return Ok(()) };
    let plain = amounts::is_number(raw.get()).then(|| amounts::number(raw.get()).ok());
    let is_plain = plain
        .flatten()
        .is_some_and(|rate| rate.scale == 0 && (rate.mantissa == 0 || rate.mantissa == 1));
    if is_plain {
        return Ok(());
    }
    let message = "rate is not for this version: source and destination count the same; \
                   convert by two transactions";
    Err(Fault::invalid(CODE, "rate", message))
}

fn check_routing(parsed: &TransactionRequest<'_>) -> Result<(), Fault> {
    let is_there = |text: Option<&Lend<'_>>| text.is_some_and(|text| !text.is_empty());
    let has_many = |legs: Option<&Vec<LegRequest<'_>>>| legs.is_some_and(|legs| !legs.is_empty());
    let (source, sources) = (
        is_there(parsed.source.as_ref()),
        has_many(parsed.sources.as_ref()),
    );
    let destination = is_there(parsed.destination.as_ref());
    let destinations = has_many(parsed.destinations.as_ref());
    let wrong = |field: &str, message: &str| Err(Fault::invalid(CODE, field, message));
    match (source, sources, destination, destinations) {
        (true, true, ..) => wrong(
            "sources",
            "'source' and 'sources' cannot be provided together",
        ),
        (_, _, true, true) => wrong(
            "destinations",
            "'destination' and 'destinations' cannot be provided together",
        ),
        (_, true, _, true) => wrong(
            "destinations",
            "'sources' requires a single 'destination'; use 'destination' instead of 'destinations'",
        ),
        (false, false, ..) => Err(Fault::invalid(MISSING, "source", "source is required")),
        (_, _, false, false) => Err(Fault::invalid(
            MISSING,
            "destination",
            "destination is required",
        )),
        (true, false, true, false) | (true, false, false, true) | (false, true, true, false) => {
            Ok(())
        }
    }
}

/// One side of it: those that take part, and the caller's words if they are several.
fn side(
    (field, one): (&str, Option<&Lend<'_>>),
    (fields, many): (&str, Option<&[LegRequest<'_>]>),
    (total, factor): (Amount, u64),
) -> Result<(Vec<Share>, String), Fault> {
    if let Some(name) = one.filter(|name| !name.is_empty()) {
        check_name(field, name)?;
        let whole = Share {
            name: (&**name).into(),
            amount: total,
            narration: None,
        };
        return Ok((vec![whole], String::new()));
    }
    split::shares(fields, many.unwrap_or_default(), (total, factor))
}

/// Refuses what cannot be the name of a balance.
///
/// # Errors
///
/// 400 with the field.
pub(super) fn check_name(field: &str, name: &str) -> Result<(), Fault> {
    check_text(CODE, field, name, NAME_BYTES_MAX)?;
    let is_plain = !name.is_empty() && !name.chars().any(char::is_whitespace);
    if !is_plain || name == "@" {
        let message = format!("{field} must be a balance's id or an indicator such as @World");
        return Err(Fault::invalid(CODE, field, message));
    }
    Ok(())
}

fn text<'a>(given: Option<&'a Lend<'_>>, field: &str, len_max: usize) -> Result<&'a str, Fault> {
    let text = given.map(|text| &**text).unwrap_or_default();
    // People's words may have more than one line.
    if field == "description" && text.len() <= len_max {
        return Ok(text);
    }
    check_text(CODE, field, text, len_max)?;
    Ok(text)
}

/// A moment; none for nothing, an empty text, and the year 1, by which other servers say nothing.
fn time(given: Option<&Lend<'_>>, field: &str) -> Result<Option<Timestamp>, Fault> {
    let text = given.map(|text| text.trim()).unwrap_or_default();
    if text.is_empty() || text.starts_with("0001-01-01T") {
        return Ok(None);
    }
    let wrong = || {
        let message = format!(
            "{field} must be an RFC 3339 time such as 2026-01-31T00:00:00Z or \
             2026-01-31T00:00:00+00:00"
        );
        Fault::invalid(CODE, field, message)
    };
    let has_time = text.len() <= 64 && text.as_bytes().get(10).is_some_and(|byte| *byte == b'T');
    let read = text.parse::<Timestamp>().ok().filter(|_| has_time);
    read.map(Some).ok_or_else(wrong)
}

fn overdraft(parsed: &TransactionRequest<'_>, factor: u64) -> Result<Overdraft, Fault> {
    let field = "overdraft_limit";
    let limit = match parsed.overdraft_limit {
        Some(raw) if !amounts::is_number(raw.get()) => {
            return Err(Fault::invalid(
                CODE,
                field,
                "overdraft_limit must be a number",
            ));
        }
        Some(raw) => amounts::number(raw.get())
            .and_then(|units| amounts::precise(units, factor))
            .map_err(|why| Fault::invalid(CODE, field, why.sentence(field)))?,
        None => Amount::ZERO,
    };
    Ok(if !limit.is_zero() {
        Overdraft::UpTo(limit)
    } else if parsed.allow_overdraft.unwrap_or(false) {
        Overdraft::Unlimited
    } else {
        Overdraft::No
    })
}
