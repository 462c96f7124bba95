//! When a record of the one side and a record of the other are the same thing.

use num_bigint::BigInt;
use serde::{Deserialize, Serialize};

use super::{
    record::{Entry, Span, Units, folded},
    text,
};

/// The most criteria of a rule.
pub const CRITERIA_MAX: usize = 16;
/// The longest value or pattern.
const VALUE_BYTES_MAX: usize = 256;
/// The longest time by which dates may differ: ten years of seconds.
const SECONDS_MAX: u64 = 315_576_000;
const BILLION: u64 = 1_000_000_000;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// How much, in whole units.
    Amount,
    /// Of what.
    Currency,
    /// What both sides know it by.
    Reference,
    /// For people.
    Description,
    /// When; of a transaction its effective date, else when it was made.
    Date,
}

impl Field {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Reference => "reference",
            Self::Description => "description",
            Self::Date => "date",
        }
    }

    fn text_of(self, entry: &Entry) -> &str {
        match self {
            Self::Currency => &entry.currency,
            Self::Reference => &entry.reference,
            Self::Description => &entry.description,
            Self::Amount | Self::Date => "",
        }
    }
}

/// How it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The same, or different by no more than `allowable_drift`.
    Equals,
    /// The external one is larger, or later.
    #[serde(alias = "after")]
    GreaterThan,
    /// The external one is smaller, or earlier.
    #[serde(alias = "before")]
    LessThan,
    /// Either text has the other in it.
    Contains,
}

impl Operator {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::GreaterThan => "greater_than",
            Self::LessThan => "less_than",
            Self::Contains => "contains",
        }
    }
}

/// A criterion as it is asked for and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// What is compared.
    pub field: Field,
    /// How.
    pub operator: Operator,
    /// Instead of each other, both records are held against this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Both records' texts must be like this, where `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// By how much they may differ, a decimal: of an amount the part of the internal one (0.01 is one
    /// percent), of a date seconds, of a text percent of its characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowable_drift: Option<String>,
}

/// What is wrong with a criterion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("criteria[{place}].{field}: {message}")]
pub struct BadRule {
    /// Which, from 0.
    pub place: usize,
    /// What of it.
    pub field: &'static str,
    /// Why.
    pub message: String,
}

/// Something a pair must fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// So much of the internal amount, in 10^-18 of it.
    Amount(Operator, BigInt),
    /// So many microseconds.
    Date(Operator, u64),
    /// The same currency.
    Currency,
    /// A text, and by how many billionths of its characters it may differ.
    Text(Field, Operator, u64),
}

/// Something a record must fulfil by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Alone {
    Amount(Operator, Units),
    Date(Operator, Span),
    Text(Field, Operator, String),
    Like(Field, String),
}

/// A rule: all that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    pub(super) checks: Vec<Check>,
    alone: Vec<Alone>,
}

/// How far apart two records are that fulfil a rule; less is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// The sum of what each criterion's drift is of what it may be, in billionths; 0 if all is exact.
    pub drift: u64,
    /// Whether they are known by other references.
    pub is_known_otherwise: bool,
    /// How many microseconds lie between them.
    pub gap: u64,
}

/// How one criterion judges a pair, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was compared.
    pub field: Field,
    /// How.
    pub operator: Operator,
    /// The external record's.
    pub external: String,
    /// The internal record's.
    pub internal: String,
    /// How far apart they are: units, seconds, or percent of the characters.
    pub difference: String,
    /// How far they may be, in the same.
    pub allowed: String,
    /// Whether it is fulfilled.
    pub holds: bool,
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    ///
    /// [`BadRule`] for one that cannot be meant.
    pub fn new(id: &str, name: &str, criteria: &[Criterion]) -> Result<Self, BadRule> {
        let bad = |place, field, message: &str| BadRule {
            place,
            field,
            message: message.to_owned(),
        };
        if criteria.is_empty() || criteria.len() > CRITERIA_MAX {
            let message = format!("a rule has 1 to {CRITERIA_MAX} criteria");
            return Err(bad(0, "field", &message));
        }
        let mut rule = Self {
            id: id.to_owned(),
            name: name.to_owned(),
            checks: Vec::new(),
            alone: Vec::new(),
        };
        for (place, criterion) in criteria.iter().enumerate() {
            rule.take(criterion)
                .map_err(|(field, message)| bad(place, field, &message))?;
        }
        if rule.checks.is_empty() {
            let message =
                "at least one criterion must compare the two records: leave out its value";
            return Err(bad(0, "value", message));
        }
        // The cheapest first, so that most pairs are passed over without a look at their texts.
        rule.checks.sort_by_key(|check| match check {
            Check::Currency => 0,
            Check::Date(..) => 1,
            Check::Amount(..) => 2,
            Check::Text(_, Operator::Contains, _) => 4,
            Check::Text(..) => 3,
        });
        Ok(rule)
    }

    fn take(&mut self, criterion: &Criterion) -> Result<(), (&'static str, String)> {
        let (field, operator) = (criterion.field, criterion.operator);
        let fits = match field {
            Field::Amount | Field::Date => operator != Operator::Contains,
            Field::Currency => operator == Operator::Equals,
            Field::Reference | Field::Description => {
                matches!(operator, Operator::Equals | Operator::Contains)
            }
        };
        if !fits {
            let message = format!("{} is not for {}", operator.word(), field.word());
            return Err(("operator", message));
        }
        if let Some(pattern) = &criterion.pattern {
            if matches!(field, Field::Amount | Field::Date) {
                return Err(("pattern", "patterns are for texts".to_owned()));
            }
            check_len("pattern", pattern)?;
            self.alone.push(Alone::Like(field, folded(pattern)));
        }
        let drift = criterion.allowable_drift.as_deref().unwrap_or("0");
        let drift = drift_of(field, operator, drift)?;
        match &criterion.value {
            Some(value) => self.alone.push(held_against(field, operator, value)?),
            None => self.checks.push(match field {
                Field::Amount => Check::Amount(operator, drift),
                Field::Date => Check::Date(operator, micros_of(&drift)),
                Field::Currency => Check::Currency,
                Field::Reference | Field::Description => {
                    Check::Text(field, operator, billionths_of_percent(&drift))
                }
            }),
        }
        Ok(())
    }

    /// Whether a record may take part at all.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        self.alone.iter().all(|alone| alone.holds(entry))
    }

    /// How far apart two admitted records are, if the rule says that they are the same thing.
    #[must_use]
    pub fn cost(&self, external: &Entry, internal: &Entry) -> Option<Cost> {
        let mut drift = 0_u64;
        for check in &self.checks {
            drift = drift.saturating_add(check.cost(external, internal)?);
        }
        Some(Cost {
            drift,
            is_known_otherwise: external.reference != internal.reference,
            gap: external.span.gap(internal.span),
        })
    }

    /// How each criterion judges a pair.
    #[must_use]
    pub fn findings(&self, external: &Entry, internal: &Entry) -> Vec<Finding> {
        let judged = |check: &Check| check.finding(external, internal);
        self.checks.iter().map(judged).collect()
    }

    /// By how many microseconds dates may differ; nothing if the rule does not look at dates.
    #[must_use]
    pub fn date_drift(&self) -> Option<u64> {
        let of = |check: &Check| match check {
            Check::Date(Operator::Equals, drift) => Some(*drift),
            Check::Date(..) | Check::Amount(..) | Check::Currency | Check::Text(..) => None,
        };
        self.checks.iter().filter_map(of).max()
    }
}

fn check_len(field: &'static str, text: &str) -> Result<(), (&'static str, String)> {
    if text.is_empty() || text.len() > VALUE_BYTES_MAX {
        return Err((field, format!("must have 1 to {VALUE_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// The drift in 10^-18, if it can be meant.
fn drift_of(
    field: Field,
    operator: Operator,
    text: &str,
) -> Result<BigInt, (&'static str, String)> {
    let wrong = |message: String| ("allowable_drift", message);
    let drift: Units = text.parse().map_err(|error| wrong(format!("{error}")))?;
    if drift.is_negative() {
        return Err(wrong("must not be negative".to_owned()));
    }
    let has_drift = drift != Units::default();
    let compares_order = matches!(operator, Operator::GreaterThan | Operator::LessThan);
    if has_drift && (compares_order || field == Field::Currency) {
        let message = format!("{} {} takes no drift", field.word(), operator.word());
        return Err(wrong(message));
    }
    let (most, hint) = match field {
        Field::Amount => (1, "of an amount it is a part of it: 0.01 is one percent"),
        Field::Date => (SECONDS_MAX, "of a date it is in seconds"),
        Field::Reference | Field::Description | Field::Currency => (
            100,
            "of a text it is in percent of its characters: 0 to 100",
        ),
    };
    if *drift.atoms() > BigInt::from(most) * Units::one() {
        return Err(wrong(format!("must be at most {most}: {hint}")));
    }
    Ok(drift.atoms().clone())
}

fn micros_of(drift: &BigInt) -> u64 {
    let micros = drift * BigInt::from(1_000_000) / Units::one();
    u64::try_from(micros).unwrap_or(u64::MAX)
}

fn billionths_of_percent(drift: &BigInt) -> u64 {
    let part = drift * BigInt::from(BILLION / 100) / Units::one();
    u64::try_from(part).unwrap_or(u64::MAX)
}

fn held_against(
    field: Field,
    operator: Operator,
    value: &str,
) -> Result<Alone, (&'static str, String)> {
    check_len("value", value)?;
    Ok(match field {
        Field::Amount => {
            let amount = value.parse::<Units>();
            Alone::Amount(
                operator,
                amount.map_err(|error| ("value", error.to_string()))?,
            )
        }
        Field::Date => {
            let span = value.parse::<Span>();
            Alone::Date(
                operator,
                span.map_err(|error| ("value", error.to_string()))?,
            )
        }
        Field::Currency => Alone::Text(field, operator, value.trim().to_uppercase()),
        Field::Reference | Field::Description => Alone::Text(field, operator, folded(value)),
    })
}

impl Alone {
    fn holds(&self, entry: &Entry) -> bool {
        match self {
            Self::Amount(operator, value) => match operator {
                Operator::Equals | Operator::Contains => entry.amount == *value,
                Operator::GreaterThan => entry.amount > *value,
                Operator::LessThan => entry.amount < *value,
            },
            Self::Date(operator, value) => match operator {
                Operator::Equals | Operator::Contains => entry.span.gap(*value) == 0,
                Operator::GreaterThan => entry.span.first > value.last,
                Operator::LessThan => entry.span.last < value.first,
            },
            Self::Text(field, operator, value) => {
                let text = field.text_of(entry);
                if *operator == Operator::Contains {
                    return text.contains(value.as_str());
                }
                text == value
            }
            Self::Like(field, pattern) => match field {
                Field::Currency => text::is_like(&folded(&entry.currency), pattern),
                Field::Amount | Field::Reference | Field::Description | Field::Date => {
                    text::is_like(field.text_of(entry), pattern)
                }
            },
        }
    }
}

/// `part` of `whole` in billionths.
fn billionths(part: u64, whole: u64) -> u64 {
    let scaled = u128::from(part) * u128::from(BILLION) / u128::from(whole.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

impl Check {
    /// What its drift is of what it may be, in billionths; nothing if it is more.
    fn cost(&self, external: &Entry, internal: &Entry) -> Option<u64> {
        match self {
            Self::Currency => (external.currency == internal.currency).then_some(0),
            Self::Date(operator, most) => {
                let (one, other) = (external.span, internal.span);
                match operator {
                    Operator::Equals | Operator::Contains => {
                        let gap = one.gap(other);
                        (gap <= *most).then(|| billionths(gap, *most).max(u64::from(gap > 0)))
                    }
                    Operator::GreaterThan => (one.first > other.last).then_some(0),
                    Operator::LessThan => (one.last < other.first).then_some(0),
                }
            }
            Self::Amount(operator, drift) => {
                amount_cost(*operator, drift, &external.amount, &internal.amount)
            }
            Self::Text(field, operator, most) => {
                let (one, other) = (field.text_of(external), field.text_of(internal));
                text_cost(*operator, *most, one, other)
            }
        }
    }

    fn finding(&self, external: &Entry, internal: &Entry) -> Finding {
        let (field, operator) = match self {
            Self::Amount(operator, _) => (Field::Amount, *operator),
            Self::Date(operator, _) => (Field::Date, *operator),
            Self::Currency => (Field::Currency, Operator::Equals),
            Self::Text(field, operator, _) => (*field, *operator),
        };
        let words = |entry: &Entry| match field {
            Field::Amount => entry.amount.to_string(),
            Field::Date => entry.span.to_string(),
            Field::Currency | Field::Reference | Field::Description => {
                field.text_of(entry).to_owned()
            }
        };
        let (difference, allowed) = self.distance(external, internal);
        Finding {
            field,
            operator,
            external: words(external),
            internal: words(internal),
            difference,
            allowed,
            holds: self.cost(external, internal).is_some(),
        }
    }

    /// How far apart they are, and how far they may be, in words.
    fn distance(&self, external: &Entry, internal: &Entry) -> (String, String) {
        match self {
            Self::Amount(_, drift) => {
                let allowed = drift * internal.amount.magnitude() / Units::one();
                let difference = external.amount.minus(&internal.amount);
                (
                    difference.to_string(),
                    Units::from_atoms(allowed).to_string(),
                )
            }
            Self::Date(_, most) => (
                decimal(external.span.gap(internal.span), 1_000_000),
                decimal(*most, 1_000_000),
            ),
            Self::Currency => {
                let differs = external.currency != internal.currency;
                (if differs { "100" } else { "0" }.to_owned(), "0".to_owned())
            }
            Self::Text(field, _, most) => {
                let (one, other) = (field.text_of(external), field.text_of(internal));
                let distance = text::distance(one, other);
                (
                    decimal(distance, BILLION / 100),
                    decimal(*most, BILLION / 100),
                )
            }
        }
    }

    /// How far beyond what is allowed a pair is that does not fulfil it, roughly, in billionths.
    pub(super) fn excess(&self, external: &Entry, internal: &Entry) -> u64 {
        if self.cost(external, internal).is_some() {
            return 0;
        }
        let excess = match self {
            Self::Amount(..) => {
                let (one, other) = (external.amount.magnitude(), internal.amount.magnitude());
                let larger = one.max(other).max(BigInt::from(1));
                let apart = external.amount.minus(&internal.amount).magnitude();
                u64::try_from(apart * BigInt::from(BILLION) / larger).unwrap_or(BILLION)
            }
            // A month apart is as far as anything is.
            Self::Date(..) => billionths(external.span.gap(internal.span), 2_592_000_000_000),
            Self::Currency => BILLION,
            Self::Text(field, ..) => {
                text::distance(field.text_of(external), field.text_of(internal))
            }
        };
        excess.clamp(1, BILLION)
    }
}

fn decimal(count: u64, per_unit: u64) -> String {
    let up = 1_000_000_000_000_000_000_u64 / per_unit.max(1);
    Units::from_atoms(BigInt::from(count) * BigInt::from(up)).to_string()
}

fn amount_cost(
    operator: Operator,
    drift: &BigInt,
    external: &Units,
    internal: &Units,
) -> Option<u64> {
    match operator {
        Operator::GreaterThan => return (external > internal).then_some(0),
        Operator::LessThan => return (external < internal).then_some(0),
        Operator::Equals | Operator::Contains => {}
    }
    if external == internal {
        return Some(0);
    }
    if drift.sign() == num_bigint::Sign::NoSign {
        return None;
    }
    let apart = external.minus(internal).magnitude() * Units::one();
    let most = drift * internal.magnitude();
    if apart > most {
        return None;
    }
    let part = apart * BigInt::from(BILLION) / most;
    Some(u64::try_from(part).unwrap_or(BILLION).max(1))
}

fn text_cost(operator: Operator, most: u64, one: &str, other: &str) -> Option<u64> {
    // A record without a reference is not the same thing as another without one.
    if one.is_empty() || other.is_empty() {
        return None;
    }
    if one == other {
        return Some(0);
    }
    if operator == Operator::Contains
        && let Some(more) = text::containment(one, other)
    {
        return Some(more.max(1));
    }
    if most == 0 {
        return None;
    }
    let distance = text::distance_within(one, other, most)?;
    Some(billionths(distance, most).max(1))
}
