//! What a server is given beside its settings: secrets of the environment, and the sandbox's key.

use zeroize::Zeroizing;

use crate::outbox::notices::sender::Token;

/// The first key of a server, from the environment: it may open programmes and nothing else.
pub struct RootKey(pub(super) String);

impl RootKey {
    /// Takes a secret of 24 characters or more.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the secret itself is not said.
    pub fn new(secret: String) -> Result<Self, &'static str> {
        let is_plain = secret.bytes().all(|byte| byte.is_ascii_graphic());
        if secret.len() < 24 || !is_plain {
            return Err("must have at least 24 characters and no spaces");
        }
        Ok(Self(secret))
    }
}

/// The vault's data keys, from the environment.
pub struct VaultKeys(pub(super) Zeroizing<String>);

impl VaultKeys {
    /// Takes their text; whether they are keys is seen at the start.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// Secrets that the environment gives.
#[derive(Default)]
pub struct Given {
    /// The first key.
    pub root_key: Option<RootKey>,
    /// The keys that card data is sealed under.
    pub vault_keys: Option<VaultKeys>,
    /// The bearer token of the WhatsApp Cloud API.
    pub whatsapp: Option<Token>,
}

/// The sandbox, as it was asked for.
pub struct SandboxOptions {
    /// The key, if it is to be a certain one.
    pub key: Option<String>,
}

/// Takes the key that the sandbox is to have: one that fits into a header.
///
/// # Errors
///
/// What is wrong with it; the key itself is not said.
pub fn sandbox_key(text: String) -> Result<String, &'static str> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || !is_plain {
        return Err("must not be empty and must have no spaces");
    }
    Ok(text)
}
