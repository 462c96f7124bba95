//! Keys for what must not be read from the log: card numbers, PINs, tokens, secrets.
//!
//! Two kinds of key. *Data keys* seal bytes (AES-256-GCM, a fresh random 96-bit nonce each time, bound
//! to what they are for by additional data); they are the operator's, come from outside the log, and are
//! rotated. The *derivation key*, from which `key_for` takes all others, is made once, stands in the log
//! sealed under a data key, and never changes: fingerprints, verifiers and CVVs made with it must be the
//! same in ten years.

pub mod file;
pub mod issue;
pub mod keys;
pub mod text;

use std::{path::PathBuf, sync::Arc};

pub mod pin;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::{Mutex, RwLock};
use ring::aead::{Aad, NONCE_LEN, Nonce};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::card::Sealed;
use keys::{DataKey, KeyRing, KeyTextError};

/// Where the data keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `CARDWRIGHT_VAULT_KEY`.
    Environment,
    /// A file.
    File(PathBuf),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment => f.write_str("CARDWRIGHT_VAULT_KEY"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why the vault cannot do its work. No part of a key or of what is sealed is said.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    NoRandomness,
    /// Something is sealed under a key that is not there.
    #[error("sealed under the vault key {id}, which {at} does not have (it has {has:?})")]
    NoKey {
        /// The key's number.
        id: u32,
        /// Where the keys come from.
        at: Source,
        /// The numbers of those that are there.
        has: Vec<u32>,
    },
    /// It does not open: another key under that number, bytes changed, or meant for something else.
    #[error(
        "the vault key {id} of {at} does not open it: it is another key, or the data was changed"
    )]
    NotOpened {
        /// The key's number.
        id: u32,
        /// Where the keys come from.
        at: Source,
    },
    /// Not the form in which sealed bytes are kept.
    #[error("not the form of sealed data")]
    Malformed,
    /// The keys cannot be read or written.
    #[error("the vault's keys in {path}: {what}")]
    File {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The keys of the environment or a file are none.
    #[error("the vault's keys: {at} {source}")]
    Text {
        /// Where they come from.
        at: Source,
        /// What is wrong.
        #[source]
        source: KeyTextError,
    },
    /// Nothing can be opened without the keys, and they are not there.
    #[error(
        "this data needs the vault's keys and they are not there: give back {at} as it was, or set \
         CARDWRIGHT_VAULT_KEY or vault.key_file; without them no card number can be shown again"
    )]
    Lost {
        /// Where they were looked for.
        at: Source,
    },
    /// The house's data does not open at the start.
    #[error("the vault cannot be opened, so the server does not start: {0}")]
    Start(#[source] Box<Self>),
    /// The keys are the environment's: no new one can be written there.
    #[error(
        "the keys come from CARDWRIGHT_VAULT_KEY: add the next one to it as NUMBER:KEY behind the \
         present ones, and start again; everything is then sealed under it"
    )]
    KeysAreGiven,
    /// No room for one more key.
    #[error("there are too many keys: retire those that seal nothing")]
    TooManyKeys,
    /// The key is the active one.
    #[error("key {0} is the active one: rotate first")]
    Active(u32),
    /// There is no such key.
    #[error("there is no key {0}")]
    Unknown(u32),
    /// The key is the environment's: it cannot be removed from there.
    #[error(
        "the keys come from CARDWRIGHT_VAULT_KEY: take key {0} out of it and start again; it seals \
         nothing any more"
    )]
    GivenToDrop(u32),
    /// Somebody is sealing under that key at this moment.
    #[error("key {0} is in use at this moment: try again")]
    InUse(u32),
}

/// The keys of the house. Its Debug form shows none of them.
pub struct Vault {
    keys: RwLock<KeyRing>,
    source: Source,
    derivation: Zeroizing<[u8; 32]>,
    /// Held by whoever writes the file.
    writing: Mutex<()>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

/// The key that was active when this was made. While it is held, that key cannot be retired: whoever
/// seals and then records holds it until the record is made.
pub struct Hold(Arc<DataKey>);

impl Hold {
    /// Seals bytes; they open only with the same `aad`, which says what they are for and whose they are,
    /// such as `card/17`.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoRandomness`].
    ///
    /// # Panics
    ///
    /// Never: AES-GCM refuses only texts of many gigabytes.
    pub fn seal(&self, aad: &str, plain: &[u8]) -> Result<Sealed, VaultError> {
        let mut nonce = [0_u8; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| VaultError::NoRandomness)?;
        let mut text = Vec::with_capacity(plain.len().saturating_add(NONCE_LEN + 16));
        text.extend_from_slice(plain);
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        let sealed = self
            .0
            .aead
            .seal_in_place_append_tag(nonce_used, Aad::from(aad), &mut text);
        sealed.expect("Invariant: a text of some bytes can be sealed");
        text.splice(0..0, nonce);
        Ok(Sealed {
            key_id: self.0.id,
            bytes: text,
        })
    }
}

impl Vault {
    /// A vault of these data keys with this derivation key.
    #[must_use]
    pub fn new(keys: KeyRing, source: Source, derivation: [u8; 32]) -> Self {
        Self {
            keys: RwLock::new(keys),
            source,
            derivation: Zeroizing::new(derivation),
            writing: Mutex::new(()),
        }
    }

    /// A vault with that derivation key, for tests.
    #[cfg(test)]
    #[must_use]
    pub fn of(derivation: [u8; 32]) -> Self {
        Self::new(KeyRing::of([7; 32]), Source::Environment, derivation)
    }

    /// Keeps the active key from being retired while something sealed under it is not yet recorded.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold(self.keys.read().active().clone())
    }

    /// Seals bytes under the active key; see [`Hold::seal`].
    ///
    /// # Errors
    ///
    /// [`VaultError::NoRandomness`].
    pub fn seal(&self, aad: &str, plain: &[u8]) -> Result<Sealed, VaultError> {
        self.hold().seal(aad, plain)
    }

    /// Opens what was sealed for the same `aad`.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoKey`], [`VaultError::NotOpened`].
    pub fn open(&self, aad: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        open(&self.keys.read(), &self.source, aad, sealed)
    }

    /// The number of the active key.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.keys.read().active().id
    }

    /// The numbers of all keys.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.keys.read().ids()
    }

    /// Refuses the start if one of the keys that something is sealed under is missing.
    ///
    /// # Errors
    ///
    /// [`VaultError::Start`].
    pub fn check_has(&self, needed: impl Iterator<Item = u32>) -> Result<(), VaultError> {
        let has = self.ids();
        let mut needed = needed;
        let missing = needed.find(|id| !has.contains(id));
        missing.map_or(Ok(()), |id| {
            let at = self.source.clone();
            Err(VaultError::Start(Box::new(VaultError::NoKey {
                id,
                at,
                has,
            })))
        })
    }

    /// Where the data keys come from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Makes a new key, which is on disk when this returns, and seals under it from now on.
    ///
    /// # Errors
    ///
    /// [`VaultError::KeysAreGiven`] if there is no file to write to, [`VaultError::File`],
    /// [`VaultError::TooManyKeys`]; then nothing has changed.
    pub fn rotate(&self) -> Result<u32, VaultError> {
        let Source::File(path) = &self.source else {
            return Err(VaultError::KeysAreGiven);
        };
        let _writing = self.writing.lock();
        let mut random = Zeroizing::new([0_u8; 32]);
        getrandom::fill(random.as_mut_slice()).map_err(|_| VaultError::NoRandomness)?;
        let next = self
            .keys
            .read()
            .with_next(random)
            .ok_or(VaultError::TooManyKeys)?;
        file::write(path, &next)?;
        let id = next.active().id;
        *self.keys.write() = next;
        Ok(id)
    }

    /// Forgets a key, in the file too. Whether it still seals anything, the caller has found out after
    /// [`Vault::check_idle`] said that nobody seals under it.
    ///
    /// # Errors
    ///
    /// [`VaultError`]; then nothing has changed.
    pub fn retire(&self, id: u32) -> Result<(), VaultError> {
        let Source::File(path) = &self.source else {
            return Err(VaultError::GivenToDrop(id));
        };
        let _writing = self.writing.lock();
        self.check_idle(id)?;
        let left = self.keys.read().without(id);
        file::write(path, &left)?;
        *self.keys.write() = left;
        Ok(())
    }

    /// Whether nobody holds another key than the active one: nothing sealed under it is still to come.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let keys = self.keys.read();
        let mut others = keys.others();
        others.all(|key| Arc::strong_count(key) == 1)
    }

    /// Refuses unless the key is there, not active, and nobody holds it.
    ///
    /// # Errors
    ///
    /// [`VaultError::Unknown`], [`VaultError::Active`], [`VaultError::InUse`].
    pub fn check_idle(&self, id: u32) -> Result<(), VaultError> {
        let keys = self.keys.read();
        let key = keys.get(id).ok_or(VaultError::Unknown(id))?;
        if keys.active().id == id {
            return Err(VaultError::Active(id));
        }
        if Arc::strong_count(key) > 1 {
            return Err(VaultError::InUse(id));
        }
        Ok(())
    }

    /// A key for one purpose, such as `pin`. It is the same for as long as the house stands, also after
    /// the keys that seal data were rotated.
    ///
    /// # Panics
    ///
    /// Never: HMAC takes keys of every length.
    #[must_use]
    pub fn key_for(&self, purpose: &str) -> [u8; 32] {
        let mac = keyed(self.derivation.as_slice());
        mac.chain_update(purpose.as_bytes())
            .finalize()
            .into_bytes()
            .into()
    }

    /// A MAC under the key for one purpose.
    #[must_use]
    pub fn mac_for(&self, purpose: &str) -> Hmac<Sha256> {
        keyed(&self.key_for(purpose))
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    mac.expect("Invariant: HMAC takes keys of every length")
}

fn open(
    keys: &KeyRing,
    at: &Source,
    aad: &str,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let id = sealed.key_id;
    let key = keys.get(id).ok_or_else(|| VaultError::NoKey {
        id,
        at: at.clone(),
        has: keys.ids(),
    })?;
    let not_opened = || VaultError::NotOpened { id, at: at.clone() };
    let (nonce, text) = sealed
        .bytes
        .split_at_checked(NONCE_LEN)
        .ok_or_else(not_opened)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| not_opened())?;
    let mut text = Zeroizing::new(text.to_vec());
    let opened = key.aead.open_in_place(nonce, Aad::from(aad), &mut text);
    let plain_bytes = opened.map_err(|_| not_opened())?.len();
    text.truncate(plain_bytes);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Vault {
        Vault::new(KeyRing::of([7; 32]), Source::Environment, [1; 32])
    }

    #[test]
    fn what_is_sealed_opens_for_what_it_was_sealed_for() {
        let vault = vault();
        let sealed = vault.seal("card/1", b"secret").expect("sealed");
        assert_eq!(
            vault.open("card/1", &sealed).expect("opened").as_slice(),
            b"secret"
        );
        assert!(!sealed.bytes.windows(6).any(|part| part == b"secret"));
        assert_ne!(sealed, vault.seal("card/1", b"secret").expect("sealed"));
        for aad in ["card/2", "card/", ""] {
            let error = vault.open(aad, &sealed).expect_err(aad);
            assert!(
                matches!(error, VaultError::NotOpened { id: 1, .. }),
                "{error}"
            );
        }
        let of_nobody = Sealed {
            key_id: 9,
            ..sealed
        };
        let error = vault.open("card/1", &of_nobody).expect_err("no such key");
        assert!(matches!(error, VaultError::NoKey { id: 9, .. }), "{error}");
    }

    #[test]
    fn no_changed_byte_and_no_shorter_text_opens() {
        let vault = vault();
        let sealed = vault.seal("a", b"secret").expect("sealed");
        for place in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[place] ^= 1;
            assert!(vault.open("a", &changed).is_err(), "{place}");
            changed.bytes.truncate(place);
            assert!(vault.open("a", &changed).is_err(), "{place} bytes");
        }
    }

    #[test]
    fn keys_for_purposes_are_each_their_own() {
        let vault = vault();
        assert_ne!(vault.key_for("pin"), vault.key_for("cvv"));
        let other = Vault::new(KeyRing::of([8; 32]), Source::Environment, [1; 32]);
        assert_eq!(
            vault.key_for("pin"),
            other.key_for("pin"),
            "data keys do not matter"
        );
    }

    #[test]
    fn a_key_in_use_is_not_retired() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("vault.keys");
        let ring = file::create(&path).expect("made");
        let vault = Vault::new(ring, Source::File(path.clone()), [1; 32]);
        let sealed = vault.seal("a", b"x").expect("sealed");
        let hold = vault.hold();
        assert!(matches!(vault.retire(1), Err(VaultError::Active(1))));
        assert_eq!(vault.rotate().expect("rotated"), 2);
        assert!(matches!(vault.retire(1), Err(VaultError::InUse(1))));
        drop(hold);
        assert_eq!(
            vault.open("a", &sealed).expect("still there").as_slice(),
            b"x"
        );
        let written = file::read(&path).expect("read").expect("there");
        assert_eq!(written.ids(), [1, 2]);
        vault.retire(1).expect("retired");
        assert!(matches!(vault.retire(1), Err(VaultError::Unknown(1))));
        assert!(vault.open("a", &sealed).is_err());
        assert_eq!(file::read(&path).expect("read").expect("there").ids(), [2]);
    }
}
