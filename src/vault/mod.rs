//! Keys for what must not be read from the log: card numbers, PINs, tokens, secrets.

pub mod pin;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The keys of the house. Its Debug form shows none of them.
pub struct Vault {
    derivation: [u8; 32],
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// A vault of one key, from which all others come.
    #[must_use]
    pub const fn new(derivation: [u8; 32]) -> Self {
        Self { derivation }
    }

    /// A key for one purpose, such as `pin`. It is the same for as long as the house stands, also after
    /// the keys that seal data were rotated.
    ///
    /// # Panics
    ///
    /// Never: HMAC takes keys of every length.
    #[must_use]
    pub fn key_for(&self, purpose: &str) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.derivation);
        let mut mac = mac.expect("Invariant: HMAC takes keys of every length");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}
