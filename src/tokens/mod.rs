//! Tokens: numbers that stand in for a card's on a device, and what a wallet is told so that it takes
//! them in. Who issues them is behind a trait; the embedded provider issues test payloads, see README.md.

pub mod certificate;
pub mod embedded;
pub mod number;

use crate::domain::time::{Month, Timestamp};

/// What a wallet sent.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Apple Pay, in-app provisioning.
    Apple {
        /// X.509 certificates in DER, the leaf first.
        certificates: Vec<Vec<u8>>,
        /// Used once, Apple's.
        nonce: String,
        /// The device's signature of it.
        nonce_signature: String,
    },
    /// Google Pay, push provisioning.
    Google {
        /// The device's stable hardware id.
        device_id: String,
        /// The wallet's own id.
        wallet_account_id: String,
    },
}

/// The token that a payload is about.
pub struct Subject<'a> {
    /// Its public id: `tok_…`. The same id asks for the same payload again.
    pub id: &'a str,
    /// Its number: digits.
    pub number: &'a str,
    /// The last four digits of the card's own number.
    pub card_last_four: &'a str,
    /// Until when the card is valid.
    pub expiry: Month,
    /// When the token was made.
    pub created_at: Timestamp,
}

/// What the wallet is handed, each part in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// For `PKAddPaymentPassRequest`.
    Apple {
        /// What the network checks before it activates the token.
        activation_data: String,
        /// The pass data, encrypted for the leaf certificate's key.
        encrypted_pass_data: String,
        /// The public half of the key it was encrypted with.
        ephemeral_public_key: String,
    },
    /// For `PushTokenizeRequest`.
    Google {
        /// The opaque payment card.
        opc: String,
    },
}

/// Why there is no payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The wallet's request is wrong: the caller's to mend.
    #[error("{field} {what}")]
    Asked {
        /// The field, with its path.
        field: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The provider cannot issue now: to be tried again.
    #[error("the token provider gave none: {0}")]
    Unavailable(&'static str),
}

impl TokenError {
    fn asked(field: impl Into<String>, what: &'static str) -> Self {
        Self::Asked {
            field: field.into(),
            what,
        }
    }
}

/// Issues tokens: a card network's token service, or the embedded one. It may block, and is called on a
/// thread where that is allowed.
pub trait TokenProvider: Send + Sync {
    /// Checks what a wallet sent and says which device it is, in a name that is no person's.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    fn device(&self, asked: &Asked, now: Timestamp) -> Result<String, TokenError>;

    /// A number for a new token.
    ///
    /// # Errors
    ///
    /// [`TokenError::Unavailable`].
    fn new_number(&self) -> Result<number::TokenNumber, TokenError>;

    /// What the wallet is handed. The same token and request give the same payload again, so that a
    /// retry is answered as the first time.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    fn payload(&self, token: &Subject<'_>, asked: &Asked) -> Result<Payload, TokenError>;

    /// What a wallet under test needs to verify the payloads; null where they are real ones.
    fn test_keys(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}
