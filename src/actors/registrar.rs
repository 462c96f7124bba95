//! Keeps origins and keys: few records, one lock, the same log.

use std::sync::Arc;

use dashmap::DashMap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{
    durability::Durability,
    engine::{EngineError, Shared},
    hosted::{AbortOnPanic, with_scratch},
};
use crate::{
    domain::{
        ids::ActorId,
        registry::{ApiKey, Origin, Registry, RegistryEvent, Scopes},
        trail::Trail,
    },
    wire::{self, Body, Entry},
};

/// Who asks, as their key says.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Whose key it is.
    pub origin: Arc<str>,
    /// What it allows.
    pub scopes: Scopes,
    /// The key's public id.
    pub key_id: String,
}

/// Origins and keys, and who is behind a secret.
pub struct Registrar {
    state: Mutex<(Registry, Trail)>,
    principals: DashMap<[u8; 32], Arc<Principal>>,
}

impl Registrar {
    /// From what recovery found.
    #[must_use]
    pub fn new(registry: Registry, trail: Trail) -> Self {
        let registrar = Self {
            state: Mutex::new((Registry::default(), Trail::default())),
            principals: DashMap::new(),
        };
        for key in &registry.keys {
            registrar.admit(key);
        }
        *registrar.state.lock() = (registry, trail);
        registrar
    }

    fn admit(&self, key: &ApiKey) {
        if key.revoked_at.is_some() {
            self.principals.remove(&key.hash);
            return;
        }
        let principal = Principal {
            origin: key.origin.as_str().into(),
            scopes: key.scopes,
            key_id: key.id.clone(),
        };
        self.principals.insert(key.hash, Arc::new(principal));
    }

    /// Who is behind a secret key, if it is one of ours and not revoked.
    #[must_use]
    pub fn authenticate(&self, secret: &str) -> Option<Arc<Principal>> {
        self.principals
            .get(&hash_of(secret))
            .map(|known| known.clone())
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
                });
                (record(&mut state, vec![event], shared)?, true)
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
        let id = format!("key_{}", hex(hash.get(..8).unwrap_or_default()));
        let lsn = {
            let mut state = self.state.lock();
            let is_known = self.principals.contains_key(&hash);
            let key = ApiKey {
                id: id.clone(),
                origin: origin.to_owned(),
                name: name.to_owned(),
                hash,
                scopes,
                created_at: shared.clock.now(),
                revoked_at: None,
            };
            if is_known {
                state.1.last()
            } else {
                let events = vec![RegistryEvent::KeyIssued(key.clone())];
                let lsn = record(&mut state, events, shared)?;
                self.admit(&key);
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
                |key: &&ApiKey| key.origin == origin && key.id == id && key.revoked_at.is_none();
            let Some(key) = state.0.keys.iter().find(is_live).cloned() else {
                return Ok(false);
            };
            let event = RegistryEvent::KeyRevoked {
                id: id.to_owned(),
                at: shared.clock.now(),
            };
            let lsn = record(&mut state, vec![event], shared)?;
            self.principals.remove(&key.hash);
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

fn record(
    state: &mut (Registry, Trail),
    events: Vec<RegistryEvent>,
    shared: &Shared,
) -> Result<u64, EngineError> {
    let (registry, trail) = state;
    let reservation = shared.journal.reserve()?;
    let time = shared.clock.now().max(registry.last_time.next());
    let entry = Entry {
        time,
        actor: ActorId::REGISTRY,
        sequence: trail.count().saturating_add(1),
        links: trail.next_links(),
        keys: Vec::new(),
        fingerprint: 0,
        body: Body::Registry(events),
    };
    let lsn = with_scratch(|scratch| {
        wire::encode_entry(&entry, scratch);
        shared.journal.append(reservation, scratch)
    });
    let guard = AbortOnPanic("registry");
    if let Body::Registry(events) = &entry.body {
        registry.apply(events, time);
    }
    trail.push(lsn.get());
    std::mem::forget(guard);
    Ok(lsn.get())
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
