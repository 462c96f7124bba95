//! What an origin's metadata says of all its cards.

pub use super::metadata::parse_origin as parse;
use super::{controls::Controls, fees::FeeTerm};

/// The middle layer: over the house's terms, under the card's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginTerms {
    /// `spending_fees`.
    pub fees: Vec<FeeTerm>,
    /// `controls`, held against each card by itself.
    pub controls: Controls,
}

/// None at all.
pub static NONE: OriginTerms = OriginTerms {
    fees: Vec::new(),
    controls: Controls::NONE,
};
