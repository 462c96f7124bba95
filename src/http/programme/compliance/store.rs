//! The documents: an origin's policy, a holder's file, what a holder has sent.

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::super::super::{App, problem::Problem};
use crate::{
    actors::registrar::Recorded,
    domain::{
        compliance::{Policy, Spent, VerificationFile},
        documents::Shelf,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
};

/// A policy as it is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// How many times it was set; 0 for none.
    #[serde(default)]
    pub(super) version: u64,
    /// What it says.
    #[serde(default)]
    pub(super) policy: Policy,
    /// What a provider signs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<SecretMark>,
}

/// What a provider signs with, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SecretMark {
    /// The last one.
    pub(super) sealed: Value,
    /// The one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Value>,
    /// When the last one was set, in microseconds since the Unix epoch.
    pub(super) made_micros: i64,
}

fn read<T: DeserializeOwned + Default>(text: Option<&Arc<str>>) -> Result<T, Problem> {
    let Some(text) = text else {
        return Ok(T::default());
    };
    serde_json::from_str(text).map_err(|error| {
        tracing::error!(%error, "a document on compliance cannot be read");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "storage_fault",
            "stored data could not be read; the operator's log says where",
        )
    })
}

/// The policy of an origin as it is known now; nothing if it has none.
pub(super) fn policy_now(app: &App, origin: &str) -> Result<Option<Policy>, Problem> {
    let documents = &app.engine.shared.facts.documents;
    let Some(text) = documents.get(Shelf::CompliancePolicy, origin) else {
        return Ok(None);
    };
    let kept: Kept = read(Some(&text))?;
    Ok(Some(kept.policy))
}

/// A holder's file as it is known now.
pub(super) fn file_now(app: &App, urn: &str) -> Result<VerificationFile, Problem> {
    let documents = &app.engine.shared.facts.documents;
    read(documents.get(Shelf::Verification, urn).as_ref())
}

/// The policy of an origin.
pub(super) fn policy_in(registry: &Registry, origin: &str) -> Result<Kept, Problem> {
    read(registry.documents.get(Shelf::CompliancePolicy, origin))
}

/// A holder's file; nothing if nothing is known of it.
pub(super) fn file_in(registry: &Registry, urn: &str) -> Result<Option<VerificationFile>, Problem> {
    let text = registry.documents.get(Shelf::Verification, urn);
    text.map(|text| read(Some(text))).transpose()
}

/// What a holder has sent.
pub(super) fn spent_in(registry: &Registry, urn: &str) -> Result<Spent, Problem> {
    read(registry.documents.get(Shelf::Consumption, urn))
}

/// The event that sets a document.
pub(super) fn set(
    shelf: Shelf,
    name: &str,
    document: &impl Serialize,
    at: Timestamp,
) -> Result<RegistryEvent, Problem> {
    let text = serde_json::to_string(document).map_err(|error| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "render_fault", error.to_string())
    })?;
    Ok(RegistryEvent::DocumentSet {
        shelf,
        name: name.to_owned(),
        text: Some(text.into()),
        at,
    })
}

/// The document that a record set, so that a replay reads the same.
pub(super) fn recorded<T: DeserializeOwned + Default>(
    recorded: &Recorded,
    wanted: Shelf,
) -> Result<Option<T>, Problem> {
    let text = recorded.events.iter().find_map(|event| match event {
        RegistryEvent::DocumentSet { shelf, text, .. } if *shelf == wanted => text.as_ref(),
        RegistryEvent::DocumentSet { .. }
        | RegistryEvent::OriginOpened(_)
        | RegistryEvent::KeyIssued(_)
        | RegistryEvent::KeyRevoked { .. }
        | RegistryEvent::RatesAccepted { .. }
        | RegistryEvent::OriginMetadataChanged { .. }
        | RegistryEvent::ListFetched { .. }
        | RegistryEvent::SigningKeyMade { .. }
        | RegistryEvent::IdentityRegistered(_)
        | RegistryEvent::IdentityChanged(_)
        | RegistryEvent::KeyRotated { .. }
        | RegistryEvent::WebhookSecretSet { .. } => None,
    });
    text.map(|text| read(Some(text))).transpose()
}
