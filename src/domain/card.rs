//! What only a card has beside its face: its sealed data, the verifier of its PIN, the tokens that stand
//! in for it on devices. Nothing here can be read without the vault's keys.

use super::{account::Status, time::Timestamp};

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

    /// What it comes to under a card in that state: a frozen card suspends its tokens, one that ended
    /// or never came to be has none that live.
    #[must_use]
    pub const fn under(self, card: Status) -> Self {
        match (card, self) {
            (Status::Disabled | Status::Deleted | Status::CreationFailed, _)
            | (_, Self::Deactivated) => Self::Deactivated,
            (Status::Frozen | Status::CreationInProgress, _) => Self::Suspended,
            (Status::Active, own) => own,
        }
    }

    /// Every state.
    pub const ALL: [Self; 4] = [
        Self::Issued,
        Self::Active,
        Self::Suspended,
        Self::Deactivated,
    ];
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A card's state and a token's own, and what they come to.
    #[test]
    fn a_token_lives_no_longer_and_no_more_than_its_card() {
        use TokenStatus::{Active, Deactivated, Issued, Suspended};
        let check = |card: Status, expect: [TokenStatus; 4]| {
            assert_eq!(
                TokenStatus::ALL.map(|own| own.under(card)),
                expect,
                "{card:?}"
            );
        };
        check(Status::Active, [Issued, Active, Suspended, Deactivated]);
        let waits = [Suspended, Suspended, Suspended, Deactivated];
        check(Status::Frozen, waits);
        check(Status::CreationInProgress, waits);
        for gone in [Status::Disabled, Status::Deleted, Status::CreationFailed] {
            check(gone, [Deactivated; 4]);
        }
    }

    #[test]
    fn a_card_that_goes_on_never_brings_a_token_back_that_ended() {
        for own in TokenStatus::ALL {
            for card in Status::ALL {
                for later in card.next() {
                    let (before, after) = (own.under(card), own.under(*later));
                    let is_back = before == TokenStatus::Deactivated && after != before;
                    assert!(!is_back, "{own:?}: {card:?} -> {later:?}");
                }
            }
        }
    }
}
