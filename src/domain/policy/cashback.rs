//! Cashback programmes: what a purchase sets aside for the cardholder, on top of the debit.
//!
//! Source: Bloque SDK 0.10, `cashback_programs`.

use std::sync::Arc;

use crate::domain::{hold::FeeBasis, ids::AccountNo, money::Decimal};

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
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ExtraSavings { .. } => "extra_savings",
            Self::RoundUp => "round_up",
        }
    }
}
