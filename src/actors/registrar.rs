//! Keeps what belongs to the whole house: few records, one lock, the same log.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use dashmap::DashSet;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

pub use super::principals::Principal;
use super::{
    durability::{Durability, Undurable},
    engine::{EngineError, Shared},
    hosted::{AbortOnPanic, with_scratch},
    keys::Claim,
    principals::Principals,
};
use crate::{
    domain::{
        decision,
        documents::Shelf,
        identity::{Contact, Identity, IdentityStatus},
        ids::ActorId,
        policy::{metadata::MetadataError, origin},
        registry::{ApiKey, NO_METADATA, Origin, Registry, RegistryEvent, Scopes},
        time::Timestamp,
        trail::Trail,
    },
    wire::{self, Body, Entry, Key, KeyLife},
};

/// Origins and keys, and who is behind a secret.
pub struct Registrar {
    state: Mutex<(Registry, Trail)>,
    principals: Principals,
    /// The URNs of holders who may not act.
    disabled: DashSet<Box<str>>,
    has_phone: AtomicBool,
}

/// What protects a request for a change.
#[derive(Clone, Copy, Debug)]
pub struct Keyed {
    /// The key.
    pub key: Key,
    /// Tells the request from others under the same key.
    pub fingerprint: u64,
}

/// A change as the log has it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Where it stands; where the last record stands, if nothing had to change.
    pub lsn: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// What happened.
    pub events: Vec<RegistryEvent>,
    /// Whether it was recorded by an earlier request under the same key.
    pub is_replay: bool,
}

/// Why there is no change.
#[derive(Debug)]
pub enum ChangeError<E> {
    /// The decision's no.
    Refused(E),
    /// A record stands for the request's key.
    Known {
        /// Where.
        lsn: u64,
    },
    /// Another request under the same key is being decided at this moment.
    Contested,
    /// It cannot be recorded.
    Engine(EngineError),
}

/// An origin whose metadata, right when it was set, is wrong under the settings of today.
#[derive(Debug, thiserror::Error)]
#[error("the metadata of origin {origin} does not go with the settings: {source}")]
pub struct OriginError {
    /// Which origin.
    origin: String,
    /// What is wrong.
    #[source]
    source: MetadataError,
}

impl Registrar {
    /// From what recovery found; the facts are known from then on.
    ///
    /// # Errors
    ///
    /// [`OriginError`]: an origin's fees and limits must not be lost in silence.
    pub fn new(registry: Registry, trail: Trail, shared: &Shared) -> Result<Self, OriginError> {
        for origin in &registry.origins {
            learn_origin(origin, &registry, shared)?;
        }
        shared.facts.rates.store(registry.rates.clone());
        shared.facts.lists.store(registry.lists.clone());
        for (shelf, name, text) in registry.documents.iter() {
            shared.facts.documents.set(shelf, name, Some(text.clone()));
        }
        let keys = registry.keys.clone();
        let registrar = Self {
            state: Mutex::new((registry, trail)),
            principals: Principals::new(),
            disabled: DashSet::new(),
            has_phone: AtomicBool::new(false),
        };
        for identity in registrar.state.lock().0.identities.iter() {
            registrar.heed(identity);
        }
        for key in &keys {
            registrar.principals.admit(key);
        }
        Ok(registrar)
    }

    /// Decides, records and applies a change, in one go; nothing is recorded if `decide` says that
    /// nothing happened and no key asks for a record. The caller waits for the disk.
    ///
    /// # Errors
    ///
    /// A [`ChangeError`]; then nothing has changed and nothing is recorded.
    pub fn change<E>(
        &self,
        keyed: Option<Keyed>,
        shared: &Shared,
        decide: impl FnOnce(&Registry, Timestamp) -> Result<Vec<RegistryEvent>, E>,
    ) -> Result<Recorded, ChangeError<E>> {
        let mut state = self.state.lock();
        if let Some(keyed) = keyed {
            match shared.keys.claim(keyed.key) {
                Claim::New => {}
                Claim::Known(lsn) => return Err(ChangeError::Known { lsn }),
                Claim::Contested => return Err(ChangeError::Contested),
            }
        }
        let changed = decide(&state.0, shared.clock.now())
            .map_err(ChangeError::Refused)
            .and_then(|events| {
                if events.is_empty() && keyed.is_none() {
                    let (lsn, time) = (state.1.last(), state.0.last_time);
                    return Ok(Recorded {
                        lsn,
                        time,
                        events,
                        is_replay: false,
                    });
                }
                record(&mut state, events, keyed, shared).map_err(ChangeError::Engine)
            });
        match (&changed, keyed) {
            (Ok(recorded), _) => {
                publish(&state.0, &recorded.events, shared);
                self.follow(&state.0, &recorded.events);
            }
            (Err(_), Some(keyed)) => shared.keys.release(keyed.key),
            (Err(_), None) => {}
        }
        changed
    }

    /// Looks at the registry; what is seen is durable once the position that comes with it is.
    pub fn look<T>(&self, look: impl FnOnce(&Registry) -> T) -> Undurable<T> {
        let state = self.state.lock();
        Undurable::new(state.1.last(), look(&state.0))
    }

    /// Whether a holder may act counts so from now on.
    fn heed(&self, identity: &Identity) {
        let urn = identity.urn();
        match identity.status {
            IdentityStatus::Active => self.disabled.remove(urn.as_str()).is_some(),
            IdentityStatus::Disabled => self.disabled.insert(urn.into()),
        };
        if !self.has_phone() && matches!(identity.contact(), Some(Contact::Phone(_))) {
            self.has_phone.store(true, Ordering::SeqCst);
        }
    }

    /// Whether any holder ever had a telephone: until then nobody is told anything by it.
    #[must_use]
    pub fn has_phone(&self) -> bool {
        self.has_phone.load(Ordering::SeqCst)
    }

    /// Whether that is a holder who may not act.
    #[must_use]
    pub fn is_disabled(&self, urn: &str) -> bool {
        self.disabled.contains(urn)
    }

    /// Keys that were made, replaced or revoked, and holders, count so from now on.
    fn follow(&self, registry: &Registry, events: &[RegistryEvent]) {
        for event in events {
            let id = match event {
                RegistryEvent::KeyIssued(key) => &key.id,
                RegistryEvent::KeyRevoked { id, .. } | RegistryEvent::KeyRotated { id, .. } => id,
                RegistryEvent::IdentityRegistered(identity)
                | RegistryEvent::IdentityChanged(identity) => {
                    self.heed(identity);
                    continue;
                }
                RegistryEvent::OriginOpened(_)
                | RegistryEvent::RatesAccepted { .. }
                | RegistryEvent::OriginMetadataChanged { .. }
                | RegistryEvent::ListFetched { .. }
                | RegistryEvent::SigningKeyMade { .. }
                | RegistryEvent::DocumentSet { .. }
                | RegistryEvent::WebhookSecretSet { .. } => continue,
            };
            if let Some(key) = registry.keys.iter().rfind(|key| key.id == *id) {
                self.principals.admit(key);
            }
        }
    }

    /// Who is behind a secret key, if it is one of ours and lives at that time.
    #[must_use]
    pub fn authenticate(&self, secret: &str, now: Timestamp) -> Option<Arc<Principal>> {
        self.principals.behind(hash_of(secret), now)
    }

    /// Whether a secret is that of a key of ours whose time is over.
    #[must_use]
    pub fn is_expired(&self, secret: &str, now: Timestamp) -> bool {
        let end = self.principals.end_of(hash_of(secret));
        end.is_some_and(|end| end <= now)
    }

    /// Whose key that is, if it lives at that time with that generation of its secret.
    #[must_use]
    pub fn live_key(&self, id: &str, generation: u32, now: Timestamp) -> Option<Arc<Principal>> {
        let principal = self.principals.of_key(id, now);
        principal.filter(|principal| principal.generation == generation)
    }

    /// When a key was used last since the server started.
    #[must_use]
    pub fn last_used(&self, id: &str) -> Option<Timestamp> {
        self.principals.last_used(id)
    }

    /// Whether that origin exists.
    #[must_use]
    pub fn has_origin(&self, name: &str) -> bool {
        self.state.lock().0.has_origin(name)
    }

    /// Every origin, in the order of making.
    #[must_use]
    pub fn origins(&self) -> Vec<Origin> {
        self.state.lock().0.origins.clone()
    }

    /// Makes an origin unless it exists.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if it cannot be recorded.
    pub async fn open_origin(
        &self,
        name: &str,
        shared: &Shared,
        durability: &Arc<Durability>,
    ) -> Result<bool, EngineError> {
        let (lsn, is_new) = {
            let mut state = self.state.lock();
            if state.0.has_origin(name) {
                (state.1.last(), false)
            } else {
                let created_at = shared.clock.now();
                let event = RegistryEvent::OriginOpened(Origin {
                    name: name.to_owned(),
                    created_at,
                    metadata: NO_METADATA.to_owned(),
                    webhook_secret: None,
                });
                (record(&mut state, vec![event], None, shared)?.lsn, true)
            }
        };
        durability.wait(lsn).await?;
        Ok(is_new)
    }

    /// Makes a key for a secret that only the caller knows; nothing if the secret is known already.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if it cannot be recorded.
    pub async fn issue_key(
        &self,
        origin: &str,
        name: &str,
        (secret, scopes): (&str, Scopes),
        shared: &Shared,
        durability: &Arc<Durability>,
    ) -> Result<String, EngineError> {
        let hash = hash_of(secret);
        let mut id = format!("key_{}", hex(hash.get(..8).unwrap_or_default()));
        let lsn = {
            let mut state = self.state.lock();
            // A secret that was revoked or replaced and comes again is another key: tokens of the first
            // must not live again.
            let same = |key: &&ApiKey| key.id.starts_with(&id);
            let before = state.0.keys.iter().filter(same).count();
            if before > 0 && !self.principals.has(hash) {
                id = format!("{id}_{before}");
            }
            let is_known = self.principals.has(hash);
            let key = ApiKey {
                id: id.clone(),
                origin: origin.to_owned(),
                name: name.to_owned(),
                hash,
                scopes,
                created_at: shared.clock.now(),
                revoked_at: None,
                expires_at: None,
                domains: Vec::new(),
                metadata: NO_METADATA.to_owned(),
                generation: 0,
            };
            if is_known {
                state.1.last()
            } else {
                let events = vec![RegistryEvent::KeyIssued(key.clone())];
                let lsn = record(&mut state, events, None, shared)?.lsn;
                self.principals.admit(&key);
                lsn
            }
        };
        durability.wait(lsn).await?;
        Ok(id)
    }

    /// Every key of an origin, without its hash's use.
    #[must_use]
    pub fn keys_of(&self, origin: &str) -> Vec<ApiKey> {
        let state = self.state.lock();
        state
            .0
            .keys
            .iter()
            .filter(|key| key.origin == origin)
            .cloned()
            .collect()
    }

    /// Revokes a key of an origin; `false` if there is no such live key.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if it cannot be recorded.
    pub async fn revoke_key(
        &self,
        origin: &str,
        id: &str,
        shared: &Shared,
        durability: &Arc<Durability>,
    ) -> Result<bool, EngineError> {
        let lsn = {
            let mut state = self.state.lock();
            let is_live =
                |key: &ApiKey| key.origin == origin && key.id == id && key.revoked_at.is_none();
            if !state.0.keys.iter().any(is_live) {
                return Ok(false);
            }
            let event = RegistryEvent::KeyRevoked {
                id: id.to_owned(),
                at: shared.clock.now(),
            };
            let lsn = record(&mut state, vec![event], None, shared)?.lsn;
            self.principals.forget(id);
            lsn
        };
        durability.wait(lsn).await?;
        Ok(true)
    }

    /// The registry as a snapshot holds it.
    #[must_use]
    pub fn capture(&self) -> Vec<u8> {
        let state = self.state.lock();
        wire::encode_registry(&state.0, &state.1)
    }
}

/// Lets decisions see what was just recorded. What they decide by it stands behind it in the log, so
/// that none of them is durable before it.
fn publish(registry: &Registry, events: &[RegistryEvent], shared: &Shared) {
    for event in events {
        match event {
            RegistryEvent::RatesAccepted { .. } => {
                shared.facts.rates.store(registry.rates.clone());
            }
            RegistryEvent::ListFetched { .. } => shared.facts.lists.store(registry.lists.clone()),
            RegistryEvent::OriginMetadataChanged { origin, .. } => {
                relearn_origin(origin, registry, shared);
            }
            RegistryEvent::DocumentSet {
                shelf, name, text, ..
            } => {
                shared.facts.documents.set(*shelf, name, text.clone());
                if *shelf == Shelf::Decision {
                    relearn_origin(name, registry, shared);
                }
            }
            RegistryEvent::OriginOpened(_)
            | RegistryEvent::KeyIssued(_)
            | RegistryEvent::KeyRevoked { .. }
            | RegistryEvent::SigningKeyMade { .. }
            | RegistryEvent::IdentityRegistered(_)
            | RegistryEvent::IdentityChanged(_)
            | RegistryEvent::KeyRotated { .. }
            | RegistryEvent::WebhookSecretSet { .. } => {}
        }
    }
}

fn relearn_origin(name: &str, registry: &Registry, shared: &Shared) {
    let known = registry.origin(name);
    let learned = known.map(|origin| learn_origin(origin, registry, shared));
    if let Some(Err(error)) = learned {
        tracing::error!(%error, "recorded metadata must be readable");
    }
}

/// What an origin says of its cards: its metadata, and whether it is asked before an approval.
fn learn_origin(origin: &Origin, registry: &Registry, shared: &Shared) -> Result<(), OriginError> {
    let merged = origin::merge(&origin.metadata, &serde_json::Map::new(), &shared.terms);
    let (_, mut terms) = merged.map_err(|source| OriginError {
        origin: origin.name.clone(),
        source,
    })?;
    let endpoint = registry.documents.get(Shelf::Decision, &origin.name);
    terms.asks = endpoint.and_then(|settings| decision::asks(settings));
    shared.facts.origin(&origin.name).store(Arc::new(terms));
    Ok(())
}

/// Records and applies `events`. Below the reservation nothing may refuse.
fn record(
    state: &mut (Registry, Trail),
    events: Vec<RegistryEvent>,
    keyed: Option<Keyed>,
    shared: &Shared,
) -> Result<Recorded, EngineError> {
    let (registry, trail) = state;
    let reservation = shared.journal.reserve()?;
    let time = shared.clock.now().max(registry.last_time.next());
    let entry = Entry {
        time,
        actor: ActorId::REGISTRY,
        sequence: trail.count().saturating_add(1),
        links: trail.next_links(),
        keys: keyed
            .iter()
            .map(|keyed| (keyed.key, KeyLife::Expiring))
            .collect(),
        fingerprint: keyed.map_or(0, |keyed| keyed.fingerprint),
        body: Body::Registry(events),
    };
    let lsn = with_scratch(|scratch| {
        wire::encode_entry(&entry, scratch);
        shared.journal.append(reservation, scratch)
    })
    .get();
    let guard = AbortOnPanic("registry");
    let events = match entry.body {
        Body::Registry(events) => events,
        Body::Group(_) => Vec::new(),
    };
    registry.apply(&events, time);
    trail.push(lsn);
    for (key, life) in &entry.keys {
        shared.keys.settle(*key, *life, lsn, time);
    }
    std::mem::forget(guard);
    Ok(Recorded {
        lsn,
        time,
        events,
        is_replay: false,
    })
}

/// What is kept of a secret.
#[must_use]
pub fn hash_of(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(
        String::with_capacity(bytes.len().saturating_mul(2)),
        |mut out, byte| {
            use std::fmt::Write;
            let _ = write!(out, "{byte:02x}");
            out
        },
    )
}
