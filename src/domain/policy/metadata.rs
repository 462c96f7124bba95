//! Reads the keys of a card's metadata that steer money, and refuses them by name when they are wrong.

use serde_json::{Map, Value};

use super::{Policy, Terms};
use crate::domain::money::{Asset, Currency, shown};

/// A key of the metadata that cannot be used, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {what}")]
pub struct MetadataError {
    /// The key, with its path.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

/// The most assets listed for one currency, and the most currencies.
const LIST_MAX: usize = 64;

/// Reads the policy in `metadata`; keys that steer no money are passed over.
///
/// Source: Bloque docs, Spending Controls.
///
/// # Errors
///
/// [`MetadataError`] with the first key that is wrong.
pub fn parse(metadata: &Map<String, Value>, terms: &Terms) -> Result<Policy, MetadataError> {
    let default_asset = asset_at(metadata, "default_asset", terms)?;
    let fallback_asset = asset_at(metadata, "fallback_asset", terms)?;
    let mut currency_assets = Vec::new();
    match metadata.get("currency_asset_map") {
        None | Some(Value::Null) => {}
        Some(Value::Object(map)) if map.len() <= LIST_MAX => {
            for (code, assets) in map {
                currency_assets.push(currency_entry(code, assets, terms)?);
            }
        }
        Some(_) => {
            let what = format!("must be an object of at most {LIST_MAX} currencies");
            return Err(MetadataError {
                key: "metadata.currency_asset_map".into(),
                what,
            });
        }
    }
    currency_assets.sort_by_key(|(currency, _)| *currency);
    Ok(Policy {
        default_asset,
        fallback_asset,
        currency_assets,
    })
}

fn asset_at(
    metadata: &Map<String, Value>,
    key: &str,
    terms: &Terms,
) -> Result<Option<Asset>, MetadataError> {
    match metadata.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => asset(&format!("metadata.{key}"), value, terms).map(Some),
    }
}

fn asset(key: &str, value: &Value, terms: &Terms) -> Result<Asset, MetadataError> {
    let wrong = |what: String| MetadataError {
        key: key.to_owned(),
        what,
    };
    let text = value
        .as_str()
        .ok_or_else(|| wrong("must be an asset such as \"DUSD/6\"".into()))?;
    let asset: Asset = text
        .parse()
        .map_err(|error| wrong(format!("is wrong: {error}")))?;
    if terms.asset(asset).is_none() {
        let known: Vec<_> = terms
            .assets
            .iter()
            .map(|term| term.asset.to_string())
            .collect();
        return Err(wrong(format!(
            "is unknown: {asset}; one of {}",
            known.join(", ")
        )));
    }
    Ok(asset)
}

fn currency_entry(
    code: &str,
    assets: &Value,
    terms: &Terms,
) -> Result<(Currency, Vec<Asset>), MetadataError> {
    let key = format!("metadata.currency_asset_map.{}", shown(code));
    let wrong = |what: &str| MetadataError {
        key: key.clone(),
        what: what.to_owned(),
    };
    let currency = code
        .parse()
        .map_err(|_| wrong("is no ISO 4217 currency code such as USD"))?;
    let list = assets
        .as_array()
        .filter(|list| !list.is_empty() && list.len() <= LIST_MAX);
    let list = list.ok_or_else(|| wrong("must be a list of assets such as [\"DUSD/6\"]"))?;
    let assets: Result<Vec<_>, _> = list
        .iter()
        .enumerate()
        .map(|(n, item)| asset(&format!("{key}[{n}]"), item, terms))
        .collect();
    Ok((currency, assets?))
}
