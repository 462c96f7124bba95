//! What only a card has beside its face: its sealed data, the verifier of its PIN, the tokens that stand
//! in for it on devices. Nothing here can be read without the vault's keys.

use super::time::Timestamp;

/// Bytes that only the vault can open. Their Debug form says which key they are under and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key they are under.
    pub key_id: u32,
    /// Nonce, ciphertext and tag, as the vault lays them out.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed(key {}, {} bytes)", self.key_id, self.bytes.len())
    }
}

/// What a PIN is held against: a keyed verifier, never the PIN.
#[derive(Clone, PartialEq, Eq)]
pub struct PinVerifier(pub [u8; 32]);

impl std::fmt::Debug for PinVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinVerifier")
    }
}

/// Whose wallet a token is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wallet {
    /// Apple Pay.
    Apple,
    /// Google Pay.
    Google,
}

impl Wallet {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Apple => "apple",
            Self::Google => "google",
        }
    }
}

/// Where a token is in its life. A card that is frozen suspends its tokens and one that ends ends them,
/// whatever stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// Made, not yet used by its device.
    Issued,
    /// In use.
    Active,
    /// Stopped for a while.
    Suspended,
    /// Gone.
    Deactivated,
}

impl TokenStatus {
    /// The states that may follow this one.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Issued => &[Self::Active, Self::Suspended, Self::Deactivated],
            Self::Active => &[Self::Suspended, Self::Deactivated],
            Self::Suspended => &[Self::Active, Self::Deactivated],
            Self::Deactivated => &[],
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deactivated => "deactivated",
        }
    }
}

/// A number that stands in for the card's on one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceToken {
    /// Its public id: `tok_…`.
    pub id: String,
    /// Whose wallet.
    pub wallet: Wallet,
    /// Which device, as its wallet names it; a hash where that name is a person's.
    pub device: String,
    /// The last four digits of its number.
    pub last_four: [u8; 4],
    /// Its number.
    pub sealed: Sealed,
    /// Where it is in its life.
    pub status: TokenStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// The card's own part of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardFile {
    /// Number and expiry.
    pub sealed: Sealed,
    /// A keyed fingerprint of the number, so that no two cards have the same.
    pub fingerprint: [u8; 16],
    /// What its PIN is held against, once it has one.
    pub pin: Option<PinVerifier>,
    /// The tokens that stand in for it, in the order of making.
    pub tokens: Vec<DeviceToken>,
}

impl CardFile {
    /// The keys that something of it is sealed under, each as often as it is. Tokens of a provider's own
    /// keeping have none: their key's number is 0.
    pub fn keys(&self) -> impl Iterator<Item = u32> {
        let tokens = self.tokens.iter().map(|token| token.sealed.key_id);
        std::iter::once(self.sealed.key_id).chain(tokens.filter(|id| *id != 0))
    }
}

/// One change of a card's own part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardChange {
    /// The same data under another key. Refused if the data was sealed anew since it was read.
    Reseal {
        /// What it was.
        from: Sealed,
        /// What it is to be.
        to: Sealed,
    },
    /// Another PIN.
    SetPin(PinVerifier),
    /// One more token; one of the same wallet and device takes its place and ends.
    AddToken(DeviceToken),
    /// A token's next state.
    SetTokenStatus {
        /// Which token.
        id: String,
        /// The state.
        status: TokenStatus,
    },
    /// Every token's number under another key: by id, in any order. Tokens not named stay.
    ResealTokens(Vec<(String, Sealed)>),
}

impl CardChange {
    /// Whether it only puts the same data under another key.
    #[must_use]
    pub const fn is_resealing(&self) -> bool {
        match self {
            Self::Reseal { .. } | Self::ResealTokens(_) => true,
            Self::SetPin(_) | Self::AddToken(_) | Self::SetTokenStatus { .. } => false,
        }
    }
}
