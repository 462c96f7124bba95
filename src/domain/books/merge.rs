//! Callers' own data: a difference is merged into it, object by object.

use serde_json::{Map, Value};

use crate::domain::policy::metadata::MetadataError;

/// The longest metadata of the ledger face, in bytes of its JSON text.
pub const METADATA_BYTES_MAX: usize = 64 << 10;

/// The metadata kept as `known` with `changes` merged into it: objects key by key, at every depth; a null
/// removes its key; any other value replaces what was there.
///
/// # Errors
///
/// [`MetadataError`] if `known` is no JSON object, or the whole is too long.
pub fn merge(known: &str, changes: &Map<String, Value>) -> Result<String, MetadataError> {
    let wrong = |what: String| MetadataError {
        key: "meta_data".to_owned(),
        what,
    };
    let read: Result<Map<String, Value>, _> = serde_json::from_str(known);
    let mut whole = read.map_err(|_| wrong("must be a JSON object".to_owned()))?;
    merge_into(&mut whole, changes);
    let text = serde_json::to_string(&whole).map_err(|error| wrong(error.to_string()))?;
    if text.len() > METADATA_BYTES_MAX {
        return Err(wrong(format!(
            "must have at most {METADATA_BYTES_MAX} bytes as JSON text, would have {}",
            text.len()
        )));
    }
    Ok(text)
}

/// `changes` merged into `known`.
pub fn merge_into(known: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (key, change) in changes {
        if change.is_null() {
            known.remove(key);
        } else if let Value::Object(inner) = change {
            let slot = known.entry(key.clone()).or_insert(Value::Null);
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(object) = slot {
                merge_into(object, inner);
            }
        } else {
            known.insert(key.clone(), change.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).expect("a JSON object")
    }

    #[test]
    fn objects_merge_key_by_key_at_every_depth() {
        let check = |known: &str, changes: &str, expect: &str| {
            let merged = merge(known, &object(changes));
            assert_eq!(merged.as_deref(), Ok(expect), "{known} with {changes}");
        };
        check("{}", "{}", "{}");
        check("{}", r#"{"a":1}"#, r#"{"a":1}"#);
        check(r#"{"a":1,"b":2}"#, r#"{"b":[3]}"#, r#"{"a":1,"b":[3]}"#);
        check(r#"{"a":1}"#, r#"{"a":null,"b":null}"#, "{}");
        check(
            r#"{"a":{"x":1,"y":{"z":1}}}"#,
            r#"{"a":{"y":{"w":2},"x":null}}"#,
            r#"{"a":{"y":{"w":2,"z":1}}}"#,
        );
        check(r#"{"a":5}"#, r#"{"a":{"x":1}}"#, r#"{"a":{"x":1}}"#);
        check(r#"{"a":{"x":1}}"#, r#"{"a":5}"#, r#"{"a":5}"#);
        check("{}", r#"{"a":{"x":null}}"#, r#"{"a":{}}"#);
    }

    #[test]
    fn the_whole_is_bounded() {
        let long = "x".repeat(METADATA_BYTES_MAX - 8);
        let known = format!(r#"{{"a":"{long}"}}"#);
        assert_eq!(known.len(), METADATA_BYTES_MAX);
        assert_eq!(merge(&known, &Map::new()).as_deref(), Ok(known.as_str()));
        assert!(merge(&known, &object(r#"{"b":1}"#)).is_err());
        assert!(merge(&known, &object(r#"{"a":1}"#)).is_ok());
        assert!(merge("[]", &Map::new()).is_err());
    }
}
