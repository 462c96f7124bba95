//! Sessions: signed tokens that end by themselves, one-time codes and who sends them. Knows no HTTP and
//! nothing stored.

pub mod codes;
pub mod sender;
pub mod token;

use std::sync::Arc;

use crate::domain::registry::SigningKey;

/// What a server needs to let callers in.
pub struct Access {
    /// Signs and reads tokens.
    pub signer: token::Signer,
    /// One-time codes that wait for their answer.
    pub codes: codes::Codes,
    /// Brings the codes to people.
    pub sender: Arc<dyn sender::CodeSender>,
}

impl Access {
    /// Under the house's signing key.
    #[must_use]
    pub fn new(
        key: &SigningKey,
        token_s: i64,
        rules: codes::Rules,
        sender: Arc<dyn sender::CodeSender>,
    ) -> Self {
        Self {
            signer: token::Signer::new(key, token_s),
            codes: codes::Codes::new(key, rules),
            sender,
        }
    }
}
