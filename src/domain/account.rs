//! Accounts: the faces on money. Their kinds, states, and the steps between states.

use super::{
    books::BalanceFace,
    card::CardFile,
    ids::{AccountNo, LedgerNo, user_id},
    policy::{Policy, controls::Usage},
    time::{Month, Timestamp},
};

/// What kind of face an account is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A card; a programme other than the plain `card` has its name, `card-…`.
    Card {
        /// `card`, or `card-` and the programme's name.
        programme: String,
        /// The last four digits of its number.
        last_four: [u8; 4],
        /// Valid through the last day of this month, UTC.
        expiry: Month,
    },
    /// A pocket.
    Virtual,
    /// A balance of the ledger face.
    Balance(Box<BalanceFace>),
}

/// Where an account is in its life. Source: Bloque docs, Card States.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being made.
    CreationInProgress,
    /// In use.
    Active,
    /// Stopped for a while.
    Frozen,
    /// Stopped for good.
    Disabled,
    /// Gone.
    Deleted,
    /// Never came to be.
    CreationFailed,
}

impl Status {
    /// The states that may follow this one.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::CreationInProgress => &[Self::Active, Self::CreationFailed],
            Self::Active => &[Self::Frozen, Self::Disabled, Self::Deleted],
            Self::Frozen => &[Self::Active, Self::Disabled, Self::Deleted],
            Self::Disabled => &[Self::Deleted],
            Self::Deleted | Self::CreationFailed => &[],
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CreationInProgress => "creation_in_progress",
            Self::Active => "active",
            Self::Frozen => "frozen",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::CreationFailed => "creation_failed",
        }
    }

    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::CreationInProgress,
        Self::Active,
        Self::Frozen,
        Self::Disabled,
        Self::Deleted,
        Self::CreationFailed,
    ];
}

/// Why an account was frozen or disabled. Source: Bloque SDK, status reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusReason {
    /// The programme's own reason.
    Client,
    /// The holder's own reason.
    User,
    /// The processor's own reason.
    Processor,
    /// The provider's own reason.
    Provider,
    /// The card was lost.
    Lost,
    /// The card was stolen.
    Stolen,
    /// The card is broken.
    Broken,
    /// The card was replaced by a better one.
    Upgrade,
}

impl StatusReason {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "CLIENT_INTERNAL_REASON",
            Self::User => "USER_INTERNAL_REASON",
            Self::Processor => "POMELO_INTERNAL_REASON",
            Self::Provider => "PROVIDER_INTERNAL_REASON",
            Self::Lost => "LOST",
            Self::Stolen => "STOLEN",
            Self::Broken => "BROKEN",
            Self::Upgrade => "UPGRADE",
        }
    }

    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Client,
        Self::User,
        Self::Processor,
        Self::Provider,
        Self::Lost,
        Self::Stolen,
        Self::Broken,
        Self::Upgrade,
    ];
}

/// A face on a ledger account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub no: AccountNo,
    /// Its kind.
    pub medium: Medium,
    /// Who it belongs to: `did:bloque:{origin}:{alias}`.
    pub holder_urn: String,
    /// The money behind it.
    pub ledger: LedgerNo,
    /// Where it is in its life.
    pub status: Status,
    /// Why it was last frozen or disabled.
    pub status_reason: Option<StatusReason>,
    /// Where its events go.
    pub webhook_url: Option<String>,
    /// The programme's own data, a JSON object as text.
    pub metadata: String,
    /// What the metadata says of money.
    pub policy: Policy,
    /// What was counted against its limits; none before it first had any.
    pub usage: Option<Box<Usage>>,
    /// What only a card has; none for pockets, and for cards made before there was a vault.
    pub card: Option<Box<CardFile>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed (its face, not its money).
    pub updated_at: Timestamp,
}

impl Account {
    /// The account's URN. Source: Bloque SDK.
    #[must_use]
    pub fn urn(&self) -> String {
        let user = user_id(&self.holder_urn);
        match &self.medium {
            Medium::Card { .. } => format!("did:bloque:account:card:{user}:{}", self.no.card_id()),
            Medium::Virtual => {
                format!("did:bloque:account:virtual:{user}:{}", self.no.virtual_id())
            }
            Medium::Balance(_) => {
                format!("did:bloque:account:balance:{user}:{}", self.no.balance_id())
            }
        }
    }

    /// The account's short id: the last part of its URN.
    #[must_use]
    pub fn id(&self) -> String {
        match &self.medium {
            Medium::Card { .. } => self.no.card_id(),
            Medium::Virtual => self.no.virtual_id(),
            Medium::Balance(_) => self.no.balance_id(),
        }
    }

    /// The medium's word on the wire.
    #[must_use]
    pub fn medium_word(&self) -> &str {
        match &self.medium {
            Medium::Card { programme, .. } => programme,
            Medium::Virtual => "virtual",
            Medium::Balance(_) => "balance",
        }
    }

    /// Whether money may be put in or taken out by transfer, deposit or withdrawal.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.status, Status::Active)
    }

    /// The origin of its holder: the third part of `did:bloque:{origin}:{alias}`.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.holder_urn.split(':').nth(2).unwrap_or_default()
    }
}
