//! Sealed bytes inside JSON documents: `{"key_id","sealed","for"}`, in one form everywhere, so that a
//! rotation finds them in whatever document they stand.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Hold, Source, Vault, VaultError, keys::KeyRing, open};
use crate::domain::card::Sealed;

/// How deep a document is looked into.
const DEPTH_MAX: usize = 16;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedText {
    key_id: u32,
    sealed: String,
    /// The additional data. Whoever reads names what is expected; this is for those who seal it anew.
    #[serde(rename = "for")]
    aad: String,
}

impl SealedText {
    fn new(aad: &str, sealed: &Sealed) -> Self {
        Self {
            key_id: sealed.key_id,
            sealed: STANDARD.encode(&sealed.bytes),
            aad: aad.to_owned(),
        }
    }

    fn bytes(&self) -> Result<Sealed, VaultError> {
        let bytes = STANDARD.decode(&self.sealed);
        Ok(Sealed {
            key_id: self.key_id,
            bytes: bytes.map_err(|_| VaultError::Malformed)?,
        })
    }
}

impl Vault {
    /// Seals bytes as a value to stand in a document; they open only with the same `aad`, such as
    /// `webhook-secret/acme`.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoRandomness`].
    pub fn seal_text(&self, aad: &str, plain: &[u8]) -> Result<Value, VaultError> {
        seal_text(&self.hold(), aad, plain)
    }

    /// Opens a value that [`Vault::seal_text`] made for the same `aad`.
    ///
    /// # Errors
    ///
    /// [`VaultError`].
    pub fn open_text(&self, aad: &str, value: &Value) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        open_text(&self.keys.read(), &self.source, aad, value)
    }

    /// The document with everything sealed in it under the active key; nothing if it is already.
    ///
    /// # Errors
    ///
    /// [`VaultError`] if something in it does not open.
    pub fn reseal_document(&self, document: &str) -> Result<Option<String>, VaultError> {
        let mut value: Value = serde_json::from_str(document).map_err(|_| VaultError::Malformed)?;
        let hold = self.hold();
        let mut changed = false;
        each(&mut value, DEPTH_MAX, &mut |value| {
            let Some(text) = read(value).filter(|text| text.key_id != hold.0.id) else {
                return Ok(());
            };
            let plain = self.open(&text.aad, &text.bytes()?)?;
            *value = seal_text(&hold, &text.aad, &plain)?;
            changed = true;
            Ok(())
        })?;
        Ok(changed.then(|| value.to_string()))
    }
}

/// The keys under which something stands in a document, each as often as it does.
#[must_use]
pub fn keys_in(document: &str) -> Vec<u32> {
    let mut value: Value = serde_json::from_str(document).unwrap_or_default();
    let mut found = Vec::new();
    // The closure never fails.
    let _ = each(&mut value, DEPTH_MAX, &mut |value| {
        found.extend(read(value).map(|text| text.key_id));
        Ok(())
    });
    found
}

pub(super) fn seal_text(hold: &Hold, aad: &str, plain: &[u8]) -> Result<Value, VaultError> {
    let text = SealedText::new(aad, &hold.seal(aad, plain)?);
    serde_json::to_value(text).map_err(|_| VaultError::Malformed)
}

pub(super) fn open_text(
    keys: &KeyRing,
    at: &Source,
    aad: &str,
    value: &Value,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let text = read(value).ok_or(VaultError::Malformed)?;
    open(keys, at, aad, &text.bytes()?)
}

fn read(value: &Value) -> Option<SealedText> {
    value.get("sealed")?;
    SealedText::deserialize(value).ok()
}

fn each(
    value: &mut Value,
    depth: usize,
    visit: &mut impl FnMut(&mut Value) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    visit(value)?;
    let Some(depth) = depth.checked_sub(1) else {
        return Ok(());
    };
    match value {
        Value::Array(list) => list
            .iter_mut()
            .try_for_each(|item| each(item, depth, visit)),
        Value::Object(object) => object
            .values_mut()
            .try_for_each(|item| each(item, depth, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::file, *};

    #[test]
    fn what_stands_in_a_document_is_sealed_anew_and_still_opens() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("keys");
        let keys = file::create(&path).expect("made");
        let vault = Vault::new(keys, Source::File(path), [1; 32]);
        let one = vault.seal_text("a/1", b"one").expect("sealed");
        let two = vault.seal_text("a/2", b"two").expect("sealed");
        let document = serde_json::json!({ "name": "x", "list": [one, { "in": two }] }).to_string();
        assert_eq!(keys_in(&document), [1, 1]);
        assert!(vault.reseal_document(&document).expect("read").is_none());
        vault.rotate().expect("rotated");
        let anew = vault
            .reseal_document(&document)
            .expect("read")
            .expect("sealed anew");
        assert_eq!(keys_in(&anew), [2, 2]);
        vault.retire(1).expect("retired");
        let anew: Value = serde_json::from_str(&anew).expect("JSON");
        let opened = |aad: &str, at: &str| {
            let opened = vault.open_text(aad, anew.pointer(at).expect(at));
            opened.map(|bytes| bytes.to_vec())
        };
        assert_eq!(opened("a/1", "/list/0").expect("opened"), b"one");
        assert_eq!(opened("a/2", "/list/1/in").expect("opened"), b"two");
        assert!(opened("a/2", "/list/0").is_err());
        assert!(opened("a/2", "/name").is_err());
        assert!(
            vault.reseal_document(&document).is_err(),
            "the old key is gone"
        );
    }
}
