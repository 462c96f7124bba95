//! What belongs to the whole house: origins (programmes) and their keys, the exchange rates accepted
//! last, the lists fetched last. Pure, like everything here.

use std::sync::Arc;

use super::{
    documents::{Documents, Shelf},
    identity::{Identities, Identity},
    lists::{List, Lists},
    rates::{Quote, RateTable},
    time::Timestamp,
};

/// What a key allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Authorizations and what follows them.
    Network,
    /// Deposits, withdrawals, snapshots, trial balance.
    Operator,
    /// Cards, pockets, transfers.
    Programme,
    /// The ledger face.
    Ledger,
    /// Origins and keys of all programmes.
    Root,
}

impl Scope {
    /// Every scope; the position of each is its permanent bit.
    pub const ALL: [Self; 5] = [
        Self::Network,
        Self::Operator,
        Self::Programme,
        Self::Ledger,
        Self::Root,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Operator => "operator",
            Self::Programme => "programme",
            Self::Ledger => "ledger",
            Self::Root => "root",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Network => 1,
            Self::Operator => 2,
            Self::Programme => 4,
            Self::Ledger => 8,
            Self::Root => 16,
        }
    }
}

impl Scopes {
    /// From the bits a record holds.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits a record holds.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// All of `scopes`.
    #[must_use]
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn of_both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Their words.
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        Scope::ALL
            .iter()
            .filter(|scope| self.allow(**scope))
            .map(|scope| scope.word())
            .collect()
    }
}

/// A programme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its name: the third part of its holders' URNs.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// A JSON object as text: what it says of all its cards.
    pub metadata: String,
    /// What its webhooks are signed with, if it has set one.
    pub webhook_secret: Option<String>,
}

/// The metadata of an origin that has said nothing.
pub const NO_METADATA: &str = "{}";

/// A secret key, of which only a hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public id: `key_…`.
    pub id: String,
    /// Whose it is.
    pub origin: String,
    /// For people.
    pub name: String,
    /// SHA-256 of the secret. The secret has 160 random bits or more, so a slow hash adds nothing.
    pub hash: [u8; 32],
    /// What it allows.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Where its publishable half may be used: for the programme's own pages, not checked here.
    pub domains: Vec<String>,
    /// A JSON object as text.
    pub metadata: String,
    /// How many times its secret was replaced. Tokens name it, so that they end with the secret.
    pub generation: u32,
}

impl ApiKey {
    /// Whether it has ended, and how, at that time.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> &'static str {
        if self.revoked_at.is_some() {
            "revoked"
        } else if self.expires_at.is_some_and(|end| end <= now) {
            "expired"
        } else {
            "active"
        }
    }
}

/// What tokens are signed with. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(pub [u8; 32]);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// What happened to the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryEvent {
    /// A programme was made.
    OriginOpened(Origin),
    /// A key was made.
    KeyIssued(ApiKey),
    /// A key was revoked.
    KeyRevoked {
        /// Which.
        id: String,
        /// When.
        at: Timestamp,
    },
    /// Exchange rates were accepted.
    RatesAccepted {
        /// Each with its own time and source.
        quotes: Vec<Quote>,
        /// When they were accepted.
        at: Timestamp,
    },
    /// What an origin says of all its cards changed.
    OriginMetadataChanged {
        /// Which origin.
        origin: String,
        /// The whole new metadata, a JSON object as text.
        metadata: String,
        /// When.
        at: Timestamp,
    },
    /// A list of merchant categories came, and was another than before.
    ListFetched {
        /// Where from.
        url: Arc<str>,
        /// What came, and when.
        list: List,
    },
    /// The key for tokens was made.
    SigningKeyMade {
        /// The key.
        key: SigningKey,
        /// When.
        at: Timestamp,
    },
    /// A holder was registered.
    IdentityRegistered(Arc<Identity>),
    /// A holder's profile or metadata changed: as it is now.
    IdentityChanged(Arc<Identity>),
    /// A key got another secret; the one before ended.
    KeyRotated {
        /// Which.
        id: String,
        /// SHA-256 of the new secret.
        hash: [u8; 32],
        /// When.
        at: Timestamp,
    },
    /// A document was set or removed.
    DocumentSet {
        /// Where it stands.
        shelf: Shelf,
        /// Its name there.
        name: String,
        /// What it says now: JSON; nothing if it is gone.
        text: Option<Arc<str>>,
        /// When.
        at: Timestamp,
    },
    /// An origin's webhooks are signed otherwise from now on.
    WebhookSecretSet {
        /// Which origin.
        origin: String,
        /// With what.
        secret: String,
        /// When.
        at: Timestamp,
    },
}

/// Origins and keys, in the order of making; rates and lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// How many records made it.
    pub sequence: u64,
    /// The moment of the last record.
    pub last_time: Timestamp,
    /// Programmes.
    pub origins: Vec<Origin>,
    /// Keys.
    pub keys: Vec<ApiKey>,
    /// The exchange rates accepted last.
    pub rates: Arc<RateTable>,
    /// The lists fetched last.
    pub lists: Arc<Lists>,
    /// Holders of accounts.
    pub identities: Identities,
    /// What tokens are signed with, once there is one.
    pub signing_key: Option<SigningKey>,
    /// Settings made while the house runs.
    pub documents: Documents,
}

impl Registry {
    /// Whether that origin exists.
    #[must_use]
    pub fn has_origin(&self, name: &str) -> bool {
        self.origin(name).is_some()
    }

    /// The origin of that name.
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.name == name)
    }

    /// Applies the events of one record.
    pub fn apply(&mut self, events: &[RegistryEvent], time: Timestamp) {
        for event in events {
            match event {
                RegistryEvent::OriginOpened(origin) => self.origins.push(origin.clone()),
                RegistryEvent::KeyIssued(key) => self.keys.push(key.clone()),
                RegistryEvent::KeyRevoked { id, at } => {
                    for key in self.keys.iter_mut().filter(|key| key.id == *id) {
                        key.revoked_at = Some(*at);
                    }
                }
                RegistryEvent::RatesAccepted { quotes, .. } => {
                    self.rates = Arc::new(self.rates.with(quotes));
                }
                RegistryEvent::OriginMetadataChanged {
                    origin, metadata, ..
                } => {
                    let named = |known: &&mut Origin| known.name == *origin;
                    for known in self.origins.iter_mut().filter(named) {
                        known.metadata.clone_from(metadata);
                    }
                }
                RegistryEvent::ListFetched { url, list } => {
                    Arc::make_mut(&mut self.lists).set(url.clone(), list.clone());
                }
                RegistryEvent::SigningKeyMade { key, .. } => self.signing_key = Some(key.clone()),
                RegistryEvent::IdentityRegistered(identity)
                | RegistryEvent::IdentityChanged(identity) => self.identities.set(identity.clone()),
                RegistryEvent::KeyRotated { id, hash, .. } => {
                    for key in self.keys.iter_mut().filter(|key| key.id == *id) {
                        key.hash = *hash;
                        key.generation = key.generation.saturating_add(1);
                    }
                }
                RegistryEvent::DocumentSet {
                    shelf, name, text, ..
                } => {
                    self.documents.set(*shelf, name, text.clone());
                }
                RegistryEvent::WebhookSecretSet { origin, secret, .. } => {
                    let named = |known: &&mut Origin| known.name == *origin;
                    for known in self.origins.iter_mut().filter(named) {
                        known.webhook_secret = Some(secret.clone());
                    }
                }
            }
        }
        self.sequence = self.sequence.saturating_add(1);
        self.last_time = time;
    }
}
