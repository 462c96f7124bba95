//! What happens to holders and to programmes as a whole.

use serde_json::{Map, Value};

use super::{Maker, Subject, json::Facts, ledger};
use crate::domain::{
    documents::Shelf,
    identity::{self, Identity},
    registry::RegistryEvent,
};

/// What of a verification is told: its outcome, never what was shown to get it.
const TOLD_OF_A_VERIFICATION: [&str; 6] = [
    "type",
    "level",
    "status",
    "provider",
    "completed_at",
    "reason",
];

pub(super) fn tell(maker: &mut Maker<'_>, event: &RegistryEvent) {
    match event {
        RegistryEvent::IdentityRegistered(identity) => {
            tell_identity(maker, identity, "identity.created");
        }
        RegistryEvent::IdentityChanged(identity) => {
            tell_identity(maker, identity, "identity.updated");
        }
        RegistryEvent::DocumentSet {
            shelf,
            name,
            text,
            at,
        } => match (shelf, text) {
            (Shelf::Verification, text) => tell_verification(maker, name, text.as_deref()),
            (Shelf::Ledger, Some(text)) => ledger::tell_ledger(maker, name, text, *at),
            (Shelf::LedgerIdentity, Some(text)) => ledger::tell_identity(maker, name, text, *at),
            (Shelf::Monitor, Some(text)) => ledger::tell_monitor(maker, name, text),
            // Settings, and what the house keeps for itself.
            (
                Shelf::Endpoint
                | Shelf::Decision
                | Shelf::CompliancePolicy
                | Shelf::Consumption
                | Shelf::Vault
                | Shelf::Notice
                | Shelf::WebhookSecrets
                | Shelf::Ledger
                | Shelf::LedgerIdentity
                | Shelf::Monitor
                | Shelf::Hook
                | Shelf::MatchingRule
                | Shelf::Reconciliation
                | Shelf::LedgerKey,
                _,
            ) => {}
        },
        RegistryEvent::OriginMetadataChanged {
            origin, metadata, ..
        } => {
            let about = Subject {
                account: None,
                holder_urn: None,
                origin: origin.clone(),
            };
            let data = Facts::default().with_object("metadata", metadata);
            maker.tell(about, ("origin", "origin.updated"), &data);
        }
        // Of keys and secrets nobody is told; rates and lists are the whole house's.
        RegistryEvent::OriginOpened(_)
        | RegistryEvent::KeyIssued(_)
        | RegistryEvent::KeyRevoked { .. }
        | RegistryEvent::KeyRotated { .. }
        | RegistryEvent::RatesAccepted { .. }
        | RegistryEvent::ListFetched { .. }
        | RegistryEvent::SigningKeyMade { .. }
        | RegistryEvent::WebhookSecretSet { .. } => {}
    }
}

/// Without the profile: contacts and birthdays are read where they are, by who may.
fn tell_identity(maker: &mut Maker<'_>, identity: &Identity, word: &'static str) {
    let about = Subject::of_holder(identity::urn(&identity.origin, &identity.alias));
    let data = Facts::default()
        .with("alias", &identity.alias)
        .with("type", &identity.kind.word())
        .with("status", &identity.status.word());
    maker.tell(about, ("identity", word), &data);
}

fn tell_verification(maker: &mut Maker<'_>, holder_urn: &str, text: Option<&str>) {
    let known: Option<Map<String, Value>> = text.and_then(|text| serde_json::from_str(text).ok());
    let known = known.unwrap_or_default();
    let mut data = Facts::default();
    for name in TOLD_OF_A_VERIFICATION {
        data = data.with_some(name, known.get(name).filter(|value| !value.is_null()));
    }
    let about = Subject::of_holder(holder_urn.to_owned());
    maker.tell(about, ("compliance", "compliance.updated"), &data);
}
