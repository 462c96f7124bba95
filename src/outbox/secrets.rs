//! The secrets that webhooks are signed with: sealed documents, one for each origin (for the addresses
//! that accounts name) and one for each endpoint.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sign::{SECRET_BYTES, secret_text};
use crate::{
    actors::{Engine, registrar::ChangeError},
    domain::{
        documents::Shelf,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
    vault::{Vault, VaultError},
};

/// A document on the shelf of secrets.
#[derive(Serialize, Deserialize)]
struct Document {
    /// What is signed with.
    current: Value,
    /// What was signed with before, for a while still.
    #[serde(default)]
    previous: Option<Value>,
    /// Until when, Unix microseconds.
    #[serde(default)]
    previous_until: i64,
    /// Since when, Unix microseconds.
    made_at: i64,
    /// Whether somebody has seen the secret.
    #[serde(default)]
    is_shown: bool,
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It does not open, or cannot be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Its document is not one.
    #[error("the document of a webhook secret cannot be read")]
    Document,
    /// It cannot be recorded.
    #[error("a new webhook secret could not be recorded: {0}")]
    Record(String),
}

/// What may be known of a secret.
#[derive(Clone, Debug)]
pub struct SecretFacts {
    /// Since when it signs.
    pub made_at: Timestamp,
    /// Until when the one before signs too.
    pub previous_until: Option<Timestamp>,
    /// Whether somebody has seen it.
    pub is_shown: bool,
}

/// What a secret is sealed for: a programme's own, or an endpoint's.
fn aad(name: &str) -> String {
    format!("webhook-secret/{name}")
}

/// A new secret.
///
/// # Errors
///
/// [`VaultError::NoRandomness`].
pub fn new_secret() -> Result<String, VaultError> {
    let mut random = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(|_| VaultError::NoRandomness)?;
    Ok(secret_text(&random))
}

fn open(vault: &Vault, name: &str, value: &Value) -> Result<String, SecretError> {
    let bytes = vault.open_text(&aad(name), value)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::Document)?;
    Ok(text.to_owned())
}

fn read(text: &str) -> Result<Document, SecretError> {
    serde_json::from_str(text).map_err(|_| SecretError::Document)
}

/// The event that makes `secret` the one that `name` signs with. The one before goes on for `overlap_s`
/// seconds beside it.
///
/// # Errors
///
/// [`SecretError`] if nothing can be sealed.
pub fn set(
    vault: &Vault,
    registry: &Registry,
    (name, secret): (&str, &str),
    (now, overlap_s): (Timestamp, i64),
    is_shown: bool,
) -> Result<RegistryEvent, SecretError> {
    let known = registry.documents.get(Shelf::WebhookSecrets, name);
    let before = known.map(|text| read(text)).transpose()?;
    // One that was set before there was a vault stands in the log as it is.
    let plain = registry
        .origin(name)
        .and_then(|it| it.webhook_secret.as_deref());
    let previous = match (before, plain) {
        (Some(before), _) => Some(before.current),
        (None, Some(plain)) => Some(vault.seal_text(&aad(name), plain.as_bytes())?),
        (None, None) => None,
    };
    let document = Document {
        current: vault.seal_text(&aad(name), secret.as_bytes())?,
        previous,
        previous_until: now.plus_seconds(overlap_s).micros(),
        made_at: now.micros(),
        is_shown,
    };
    record(name, &document, now)
}

fn record(name: &str, document: &Document, now: Timestamp) -> Result<RegistryEvent, SecretError> {
    let text = serde_json::to_string(document).map_err(|_| SecretError::Document)?;
    Ok(RegistryEvent::DocumentSet {
        shelf: Shelf::WebhookSecrets,
        name: name.to_owned(),
        text: Some(text.into()),
        at: now,
    })
}

/// The secret of `name` and what may be known of it; none if there is none.
///
/// # Errors
///
/// [`SecretError`] if it does not open.
pub fn look(
    vault: &Vault,
    registry: &Registry,
    name: &str,
) -> Result<Option<(String, SecretFacts)>, SecretError> {
    if let Some(text) = registry.documents.get(Shelf::WebhookSecrets, name) {
        let document = read(text)?;
        let facts = SecretFacts {
            made_at: Timestamp::from_micros(document.made_at),
            previous_until: document
                .previous
                .is_some()
                .then(|| Timestamp::from_micros(document.previous_until)),
            is_shown: document.is_shown,
        };
        return Ok(Some((open(vault, name, &document.current)?, facts)));
    }
    let origin = registry.origin(name);
    let plain = origin.and_then(|origin| origin.webhook_secret.clone());
    Ok(plain.map(|secret| {
        let facts = SecretFacts {
            made_at: Timestamp::default(),
            previous_until: None,
            // Whoever set it knows it.
            is_shown: true,
        };
        (secret, facts)
    }))
}

/// The event by which the secret of `name` counts as seen; none if it did.
///
/// # Errors
///
/// [`SecretError`] if its document cannot be read.
pub fn shown(
    registry: &Registry,
    name: &str,
    now: Timestamp,
) -> Result<Option<RegistryEvent>, SecretError> {
    let Some(text) = registry.documents.get(Shelf::WebhookSecrets, name) else {
        return Ok(None);
    };
    let mut document = read(text)?;
    if document.is_shown {
        return Ok(None);
    }
    document.is_shown = true;
    record(name, &document, now).map(Some)
}

/// The secrets that sign for `name` now, the newest first: one, or two after a rotation. One is made if
/// there is none. Blocks the thread.
///
/// # Errors
///
/// [`SecretError`].
pub fn live(engine: &Engine, vault: &Arc<Vault>, name: &str) -> Result<Vec<String>, SecretError> {
    let shared = &engine.shared;
    if let Some(text) = shared.facts.documents.get(Shelf::WebhookSecrets, name) {
        return live_in(vault, name, &text, shared.clock.now());
    }
    let secret = new_secret()?;
    // The key is held until what it sealed is recorded.
    let hold = vault.hold();
    let made = |registry: &Registry, now: Timestamp| {
        if registry
            .documents
            .get(Shelf::WebhookSecrets, name)
            .is_some()
        {
            return Ok(Vec::new());
        }
        // One that was set before there was a vault goes on, sealed from now on.
        let plain = registry
            .origin(name)
            .and_then(|it| it.webhook_secret.as_deref());
        let document = Document {
            current: vault.seal_text(&aad(name), plain.unwrap_or(&secret).as_bytes())?,
            previous: None,
            previous_until: 0,
            made_at: now.micros(),
            is_shown: plain.is_some(),
        };
        record(name, &document, now).map(|event| vec![event])
    };
    let changed = engine.registrar.change(None, shared, made);
    drop(hold);
    changed.map_err(|error| match error {
        ChangeError::Refused(error) => error,
        ChangeError::Engine(error) => SecretError::Record(error.to_string()),
        ChangeError::Known { .. } | ChangeError::Contested => SecretError::Document,
    })?;
    let text = shared.facts.documents.get(Shelf::WebhookSecrets, name);
    live_in(
        vault,
        name,
        &text.ok_or(SecretError::Document)?,
        shared.clock.now(),
    )
}

fn live_in(
    vault: &Vault,
    name: &str,
    text: &str,
    now: Timestamp,
) -> Result<Vec<String>, SecretError> {
    let document = read(text)?;
    let mut secrets = vec![open(vault, name, &document.current)?];
    if let Some(previous) = &document.previous
        && now.micros() < document.previous_until
    {
        secrets.push(open(vault, name, previous)?);
    }
    Ok(secrets)
}
