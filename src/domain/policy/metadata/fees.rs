//! One layer of fees: `spending_fees`.
//!
//! Source: Bloque docs, Fee Configuration.

use super::{
    MetadataError, names,
    read::{Fields, Node, no_twice},
};
use crate::domain::{
    hold::{FeeBasis, FeeCategory},
    money::Decimal,
    policy::fees::{FeeRule, FeeTerm},
};

/// The most fees of one layer.
const FEES_MAX: usize = 32;
/// The longest name of a fee, a programme or a wallet, in characters.
pub(super) const NAME_MAX: usize = 64;
/// How a value may be meant.
pub(super) const BASES: [(&str, FeeBasis); 2] = [
    ("percentage", FeeBasis::Percentage),
    ("flat", FeeBasis::Flat),
];

const KEYS: [&str; 7] = [
    "fee_name",
    "account_urn",
    "type",
    "value",
    "category",
    "rule",
    "rule_params",
];

pub(super) fn read(metadata: &Fields<'_>) -> Result<Vec<FeeTerm>, MetadataError> {
    let Some(node) = metadata.get("spending_fees") else {
        return Ok(Vec::new());
    };
    let members = node.list(FEES_MAX)?;
    let fees: Vec<_> = members.iter().map(fee).collect::<Result<_, _>>()?;
    no_twice(fees.iter().map(|fee| &fee.name), &members, ".fee_name")?;
    if !is_below_one(&fees) {
        return Err(node.wrong("must have percentages that sum to less than 1"));
    }
    Ok(fees)
}

fn fee(node: &Node<'_>) -> Result<FeeTerm, MetadataError> {
    let fields = node.fields(&KEYS)?;
    let name = fields.require("fee_name")?.name(NAME_MAX)?.into();
    let (payee, treasury) = names::payee(&fields.require("account_urn")?)?;
    let basis = fields.require("type")?.word(&BASES)?;
    let value = fields.require("value")?;
    let value = match basis {
        FeeBasis::Percentage => fraction(&value)?,
        FeeBasis::Flat => units(&value)?,
    };
    let category = category(&fields)?;
    if category == FeeCategory::Fx && basis == FeeBasis::Flat {
        let what = "must be percentage: an fx fee is a spread on the rate";
        return Err(fields.wrong("type", what.to_owned()));
    }
    Ok(FeeTerm {
        name,
        treasury,
        payee,
        basis,
        value,
        category,
        rule: rule(&fields)?,
    })
}

fn category(fields: &Fields<'_>) -> Result<FeeCategory, MetadataError> {
    let known = [
        FeeCategory::Fx,
        FeeCategory::Interchange,
        FeeCategory::Custom,
    ];
    let node = fields.get("category");
    node.map_or(Ok(FeeCategory::Custom), |node| {
        node.word(&known.map(|category| (category.word(), category)))
    })
}

/// A fraction: from 0 to 1.
pub(super) fn fraction(node: &Node<'_>) -> Result<Decimal, MetadataError> {
    let value = node.number()?;
    if !is_at_most(value, Decimal::ONE) {
        return Err(node.wrong(format!(
            "must be a fraction from 0 to 1 (0.0144 is 1.44 %), was {value}"
        )));
    }
    Ok(value)
}

fn units(node: &Node<'_>) -> Result<Decimal, MetadataError> {
    let value = node.number()?;
    if value.scale > 0 {
        return Err(node.wrong(format!(
            "must be a whole number of the asset's smallest unit, was {value}"
        )));
    }
    Ok(value)
}

#[derive(Clone, Copy)]
enum Kind {
    FxConversion,
    AmountRangeUsd,
    Wallet,
}

fn rule(fields: &Fields<'_>) -> Result<Option<FeeRule>, MetadataError> {
    let known = [
        ("fx_conversion", Kind::FxConversion),
        ("amount_range_usd", Kind::AmountRangeUsd),
        ("wallet", Kind::Wallet),
    ];
    let params = fields.get("rule_params");
    let Some(rule) = fields.get("rule") else {
        return match params {
            None => Ok(None),
            Some(_) => Err(fields.wrong("rule", "is required beside rule_params".to_owned())),
        };
    };
    let kind = rule.word(&known)?;
    if let (Kind::FxConversion, None) = (kind, &params) {
        return Ok(Some(FeeRule::FxConversion));
    }
    let params = params.map_or_else(|| fields.require("rule_params"), Ok)?;
    let rule = match kind {
        Kind::FxConversion => params.fields(&[]).map(|_| FeeRule::FxConversion)?,
        Kind::AmountRangeUsd => range(&params)?,
        Kind::Wallet => {
            let name = params.fields(&["wallet_name"])?.require("wallet_name")?;
            FeeRule::Wallet(name.name(NAME_MAX)?.into())
        }
    };
    Ok(Some(rule))
}

fn range(params: &Node<'_>) -> Result<FeeRule, MetadataError> {
    let fields = params.fields(&["min", "max"])?;
    let end = |key| fields.get(key).map(|node| node.number()).transpose();
    let (min, max) = (end("min")?, end("max")?);
    if min.is_none() && max.is_none() {
        return Err(params.wrong("must have min, max or both"));
    }
    if let (Some(min), Some(max)) = (min, max)
        && !is_at_most(min, max)
    {
        return Err(fields.wrong("min", format!("must be at most max, {max}, was {min}")));
    }
    Ok(FeeRule::AmountRangeUsd { min, max })
}

/// Whether a decimal that is not negative is at most another: digit by digit, because their common
/// scale may be past what is counted.
fn is_at_most(a: Decimal, b: Decimal) -> bool {
    let digits = |decimal: Decimal| {
        let text = decimal.to_string();
        let (whole, places) = text.split_once('.').unwrap_or((&text, ""));
        (whole.len(), whole.to_owned(), places.to_owned())
    };
    digits(a.trimmed()) <= digits(b.trimmed())
}

/// Whether what the percentages take together leaves something.
fn is_below_one(fees: &[FeeTerm]) -> bool {
    let is_percentage = |fee: &&FeeTerm| fee.basis == FeeBasis::Percentage;
    let values = fees.iter().filter(is_percentage).map(|fee| fee.value);
    let scale = values.clone().map(|value| value.scale).max().unwrap_or(0);
    let power = |scale: u8| 10_i128.checked_pow(u32::from(scale));
    let sum = values.clone().try_fold(0_i128, |sum, value| {
        let factor = power(scale.checked_sub(value.scale)?)?;
        sum.checked_add(value.mantissa.checked_mul(factor)?)
    });
    // Each is at most 1, and 32 times 10^30 is in range.
    sum.zip(power(scale)).is_some_and(|(sum, one)| sum < one)
}
