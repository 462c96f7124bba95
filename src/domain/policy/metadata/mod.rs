//! Reads the keys of a card's metadata that steer money, and refuses them by name when they are wrong.

mod assets;
mod cashback;
mod controls;
mod fees;
mod names;
mod pockets;
mod read;

use serde_json::{Map, Value};

use self::read::Fields;
use super::{Policy, Rules, Terms, origin::OriginTerms};

/// A key of the metadata that cannot be used, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {what}")]
pub struct MetadataError {
    /// The key, with its path.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

/// The longest metadata, in bytes of its JSON text.
pub const TEXT_BYTES_MAX: usize = 32 << 10;
/// The deepest metadata; the object itself is the first level.
pub const DEPTH_MAX: usize = 16;
/// The most keys, those of inner objects included.
pub const KEYS_MAX: usize = 500;

/// Checks `metadata` and returns it as it is kept: its text, and what it says of money.
///
/// # Errors
///
/// [`MetadataError`] if it is too large, or with the first key that is wrong.
pub fn settle(
    metadata: &Map<String, Value>,
    terms: &Terms,
) -> Result<(String, Policy), MetadataError> {
    let text = object_text("metadata", metadata)?;
    Ok((text, parse(metadata, terms)?))
}

/// The text of an object from outside, if it is not too large.
///
/// # Errors
///
/// [`MetadataError`] under `key` if it is too long, too deep or has too many keys.
pub fn object_text(key: &str, object: &Map<String, Value>) -> Result<String, MetadataError> {
    let too_large = |what: String| MetadataError {
        key: key.to_owned(),
        what,
    };
    if !fits_object(object, 1, &mut 0) {
        return Err(too_large(format!(
            "must have at most {KEYS_MAX} keys and {DEPTH_MAX} levels"
        )));
    }
    let text = serde_json::to_string(object).map_err(|error| too_large(error.to_string()))?;
    if text.len() > TEXT_BYTES_MAX {
        return Err(too_large(format!(
            "must have at most {TEXT_BYTES_MAX} bytes as JSON text, was {}",
            text.len()
        )));
    }
    Ok(text)
}

/// Sets the keys of `changes` in the metadata kept as `known`, removes those whose value is null,
/// and checks the whole; with a key `within`, all that happens in the object of that key.
///
/// # Errors
///
/// [`MetadataError`] if the whole is too large, or with the first key that is wrong.
///
/// # Panics
///
/// If `known` is not what [`settle`] returned.
pub fn merge(
    known: &str,
    within: Option<&str>,
    changes: &Map<String, Value>,
    terms: &Terms,
) -> Result<(String, Policy), MetadataError> {
    let Some(key) = within else {
        return settle(&merged(known, changes), terms);
    };
    let mut whole = merged(known, &Map::new());
    let mut inner = match whole.remove(key) {
        Some(Value::Object(inner)) => inner,
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        )
        | None => Map::new(),
    };
    set(&mut inner, changes);
    if !inner.is_empty() {
        whole.insert(key.to_owned(), Value::Object(inner));
    }
    settle(&whole, terms)
}

/// The object kept as `known` with the keys of `changes` set, those whose value is null removed.
///
/// # Panics
///
/// If `known` is no JSON object.
#[must_use]
pub fn merged(known: &str, changes: &Map<String, Value>) -> Map<String, Value> {
    let mut whole: Map<String, Value> =
        serde_json::from_str(known).expect("Invariant: kept metadata is a JSON object");
    set(&mut whole, changes);
    whole
}

fn set(object: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (key, value) in changes {
        if value.is_null() {
            object.remove(key);
        } else {
            object.insert(key.clone(), value.clone());
        }
    }
}

fn fits_object(object: &Map<String, Value>, depth: usize, keys: &mut usize) -> bool {
    *keys = keys.saturating_add(object.len());
    let next = depth.saturating_add(1);
    depth <= DEPTH_MAX && *keys <= KEYS_MAX && object.values().all(|value| fits(value, next, keys))
}

fn fits(value: &Value, depth: usize, keys: &mut usize) -> bool {
    let next = depth.saturating_add(1);
    match value {
        Value::Array(list) => {
            depth <= DEPTH_MAX && list.iter().all(|value| fits(value, next, keys))
        }
        Value::Object(object) => fits_object(object, depth, keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Reads the policy in `metadata`; keys that steer no money are passed over.
///
/// Source: Bloque docs, Spending Controls, Fee Configuration; Bloque SDK 0.10.
///
/// # Errors
///
/// [`MetadataError`] with the first key that is wrong.
pub fn parse(metadata: &Map<String, Value>, terms: &Terms) -> Result<Policy, MetadataError> {
    let metadata = Fields::root(metadata);
    let rules = Rules {
        pockets: pockets::read(&metadata)?,
        fees: fees::read(&metadata)?,
        cashback: cashback::read(&metadata)?,
        controls: controls::read(&metadata, terms)?,
    };
    // It steers no money; but who sends messages will rely on it.
    let notifies = metadata.get("whatsapp_notification");
    notifies.map(|node| node.flag()).transpose()?;
    Ok(Policy {
        default_asset: assets::asset_at(&metadata, "default_asset", terms)?,
        fallback_asset: assets::asset_at(&metadata, "fallback_asset", terms)?,
        currency_assets: assets::currency_map(&metadata, terms)?,
        rules: (rules != Rules::NONE).then(|| Box::new(rules)),
    })
}

/// Reads what an origin's `metadata` says of all its cards: `spending_fees` and `controls`; other
/// keys are passed over.
///
/// # Errors
///
/// [`MetadataError`] with the first key that is wrong.
pub fn parse_origin(
    metadata: &Map<String, Value>,
    terms: &Terms,
) -> Result<OriginTerms, MetadataError> {
    let metadata = Fields::root(metadata);
    Ok(OriginTerms {
        fees: fees::read(&metadata)?,
        controls: controls::read(&metadata, terms)?,
        asks: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        money::{Asset, Decimal},
        policy::AssetTerm,
    };

    fn terms() -> Terms {
        let asset: Asset = "DUSD/6".parse().expect("an asset");
        Terms {
            assets: vec![AssetTerm {
                asset,
                pegged: None,
            }],
            default_asset: asset,
            fees: Vec::new(),
            hold_seconds: 1,
            hold_seconds_by_mcc: Vec::new(),
            over_capture: Decimal::ONE,
            rate_age_seconds_max: 1,
            base_currency: "USD".parse().expect("a currency"),
        }
    }

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).expect("a JSON object")
    }

    #[test]
    fn merging_sets_and_removes_top_level_keys() {
        let check = |known: &str, changes: &str, expect: &str| {
            let merged = merge(known, None, &object(changes), &terms()).map(|(text, _)| text);
            assert_eq!(merged.as_deref(), Ok(expect), "{known} with {changes}");
        };
        check("{}", "{}", "{}");
        check("{}", r#"{"name":"A"}"#, r#"{"name":"A"}"#);
        check(r#"{"a":1,"b":2}"#, r#"{"b":3}"#, r#"{"a":1,"b":3}"#);
        check(r#"{"a":1,"b":2}"#, r#"{"b":null,"c":null}"#, r#"{"a":1}"#);
        check(r#"{"a":{"x":1}}"#, r#"{"a":{"y":2}}"#, r#"{"a":{"y":2}}"#);
    }

    #[test]
    fn merging_within_a_key_sets_and_removes_its_keys() {
        let check = |known: &str, changes: &str, expect: &str| {
            let merged = merge(known, Some("a"), &object(changes), &terms()).map(|(text, _)| text);
            assert_eq!(merged.as_deref(), Ok(expect), "{known} with {changes}");
        };
        check("{}", "{}", "{}");
        check("{}", r#"{"x":1}"#, r#"{"a":{"x":1}}"#);
        check(
            r#"{"a":{"x":1},"b":2}"#,
            r#"{"y":2}"#,
            r#"{"a":{"x":1,"y":2},"b":2}"#,
        );
        check(
            r#"{"a":{"x":1},"b":2}"#,
            r#"{"x":null,"b":null}"#,
            r#"{"b":2}"#,
        );
        check(r#"{"a":5}"#, r#"{"x":1}"#, r#"{"a":{"x":1}}"#);
    }

    #[test]
    fn the_whole_is_checked_after_a_merge() {
        let asset = merge(
            "{}",
            None,
            &object(r#"{"default_asset":"XXX/9"}"#),
            &terms(),
        );
        assert_eq!(
            asset.map_err(|error| error.key),
            Err("metadata.default_asset".to_owned())
        );
        let known = serde_json::to_string(&Value::from("x".repeat(TEXT_BYTES_MAX - 20)));
        let known = format!("{{\"a\":{}}}", known.expect("JSON"));
        let changes = object(r#"{"b":"0123456789012345"}"#);
        assert!(merge(&known, None, &Map::new(), &terms()).is_ok());
        assert!(
            merge(&known, None, &changes, &terms()).is_err(),
            "too long together"
        );
    }

    #[test]
    fn depth_and_keys_are_bounded() {
        let nested = |levels: usize| {
            let inner = format!("{}1{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
            object(&format!("{{\"a\":{inner}}}"))
        };
        assert!(settle(&nested(DEPTH_MAX), &terms()).is_ok());
        assert!(settle(&nested(DEPTH_MAX + 1), &terms()).is_err());
        let wide = |keys: usize| {
            let key = |n| (format!("k{n}"), Value::from(n));
            (0..keys).map(key).collect::<Map<_, _>>()
        };
        assert!(settle(&wide(KEYS_MAX), &terms()).is_ok());
        assert!(settle(&wide(KEYS_MAX + 1), &terms()).is_err());
    }
}
