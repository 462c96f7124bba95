//! What an origin's metadata says of all its cards.

use serde_json::{Map, Value};

pub use super::metadata::parse_origin as parse;
use super::{
    Terms,
    controls::Controls,
    fees::FeeTerm,
    metadata::{MetadataError, merged, object_text},
};
use crate::domain::decision::Ruling;

/// The middle layer: over the house's terms, under the card's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginTerms {
    /// `spending_fees`.
    pub fees: Vec<FeeTerm>,
    /// `controls`, held against each card by itself.
    pub controls: Controls,
    /// What is said when the programme says nothing, if it is asked before an approval. It comes from
    /// the decision endpoint's settings, not from the metadata.
    pub asks: Option<Ruling>,
}

/// None at all.
pub static NONE: OriginTerms = OriginTerms {
    fees: Vec::new(),
    controls: Controls::NONE,
    asks: None,
};

/// Sets the keys of `changes` in the metadata kept as `known`, removes those whose value is null,
/// and checks the whole: its text as it is kept, and what it says.
///
/// # Errors
///
/// [`MetadataError`] if the whole is too large, or with the first key that is wrong.
///
/// # Panics
///
/// If `known` is no JSON object.
pub fn merge(
    known: &str,
    changes: &Map<String, Value>,
    terms: &Terms,
) -> Result<(String, OriginTerms), MetadataError> {
    let whole = merged(known, changes);
    let text = object_text("metadata", &whole)?;
    Ok((text, parse(&whole, terms)?))
}
