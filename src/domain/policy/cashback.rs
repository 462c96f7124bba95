//! Cashback programmes: what a purchase sets aside for the cardholder, on top of the debit.
//!
//! Source: Bloque SDK 0.10, `cashback_programs`.

use std::sync::Arc;

use crate::domain::{
    hold::{FeeBasis, Surcharge},
    ids::AccountNo,
    money::{Amount, Asset, Decimal, LocalAmount, MoneyError},
    rate::Rate,
};

/// One programme of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programme {
    /// `program_name`.
    pub name: Arc<str>,
    /// What it sets aside.
    pub kind: ProgrammeKind,
    /// Where that goes.
    pub target: AccountNo,
    /// The whole URN of that.
    pub target_urn: Arc<str>,
}

/// What a programme sets aside of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgrammeKind {
    /// `extra_savings`: a fraction of the local amount, or so much of the local currency.
    ExtraSavings {
        /// How `value` is meant.
        basis: FeeBasis,
        /// The fraction, or the amount in units (not minor units) of the local currency.
        value: Decimal,
    },
    /// `round_up`: what is missing to the next whole unit of the local currency.
    RoundUp,
}

impl ProgrammeKind {
    /// What it sets aside of a purchase of `local`, in units of the local currency, exactly: it may be
    /// finer than the minor unit. 3 % of 34.70 is 1.041.
    ///
    /// # Errors
    ///
    /// [`MoneyError::OutOfRange`].
    pub fn of(self, local: LocalAmount) -> Result<Decimal, MoneyError> {
        let whole = Decimal {
            mantissa: local.minor.minor(),
            scale: local.currency.digits(),
        };
        match self {
            Self::ExtraSavings {
                basis: FeeBasis::Percentage,
                value,
            } => whole.times(value),
            Self::ExtraSavings {
                basis: FeeBasis::Flat,
                value,
            } => Ok(value),
            Self::RoundUp => {
                let unit = 10_i128
                    .checked_pow(whole.scale.into())
                    .ok_or(MoneyError::OutOfRange)?;
                let over = whole.mantissa.rem_euclid(unit);
                let mantissa = if over == 0 {
                    0
                } else {
                    unit.saturating_sub(over)
                };
                Ok(Decimal { mantissa, ..whole }.trimmed())
            }
        }
    }
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ExtraSavings { .. } => "extra_savings",
            Self::RoundUp => "round_up",
        }
    }
}

/// What `programmes` set aside of a purchase of `local` that `asset` pays at `rate`; each part is
/// rounded up to the asset's smallest unit, as a debit is. What is nothing is left out.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn surcharges(
    programmes: &[Programme],
    local: LocalAmount,
    asset: Asset,
    rate: &Rate,
) -> Result<Vec<Surcharge>, MoneyError> {
    if local.minor.is_zero() {
        return Ok(Vec::new());
    }
    let mut surcharges = Vec::with_capacity(programmes.len());
    for programme in programmes {
        let part = programme.kind.of(local)?;
        let amount = rate.debit_of(part, asset)?;
        if amount.is_zero() {
            continue;
        }
        surcharges.push(Surcharge {
            name: programme.name.clone(),
            kind: programme.kind,
            target: programme.target,
            local: part,
            amount,
            captured: Amount::ZERO,
            released: Amount::ZERO,
            returned: Amount::ZERO,
        });
    }
    Ok(surcharges)
}

/// Grows the parts that follow the local amount to a purchase that was incremented to `local`; what
/// was rounded up, or flat, stays.
///
/// # Errors
///
/// [`MoneyError::OutOfRange`].
pub fn regrow(
    surcharges: &mut [Surcharge],
    local: LocalAmount,
    asset: Asset,
    rate: &Rate,
) -> Result<(), MoneyError> {
    for surcharge in surcharges {
        if let ProgrammeKind::ExtraSavings {
            basis: FeeBasis::Percentage,
            ..
        } = surcharge.kind
        {
            surcharge.local = surcharge.kind.of(local)?;
            let grown = rate.debit_of(surcharge.local, asset)?;
            surcharge.amount = grown.max(surcharge.amount);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str, currency: &str) -> LocalAmount {
        LocalAmount::parse(text, currency.parse().unwrap()).unwrap()
    }

    #[test]
    fn what_is_set_aside_is_exact() {
        let percent = |text: &str| ProgrammeKind::ExtraSavings {
            basis: FeeBasis::Percentage,
            value: text.parse().unwrap(),
        };
        let flat = |text: &str| ProgrammeKind::ExtraSavings {
            basis: FeeBasis::Flat,
            value: text.parse().unwrap(),
        };
        for (kind, of, currency, expect) in [
            (ProgrammeKind::RoundUp, "34.70", "USD", "0.3"),
            (ProgrammeKind::RoundUp, "35.00", "USD", "0"),
            (ProgrammeKind::RoundUp, "0.01", "USD", "0.99"),
            (ProgrammeKind::RoundUp, "35", "JPY", "0"),
            (ProgrammeKind::RoundUp, "1.001", "BHD", "0.999"),
            (percent("0.03"), "34.70", "USD", "1.041"),
            (percent("0.05"), "100.00", "USD", "5"),
            (flat("2.5"), "34.70", "USD", "2.5"),
        ] {
            let part = kind.of(local(of, currency)).unwrap();
            assert_eq!(part.to_string(), expect, "{kind:?} of {of} {currency}");
        }
    }
}
