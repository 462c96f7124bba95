//! Opens at the start what is secret: the vault, and what tokens are signed with; and goes on with a
//! rotation of the vault's keys.

use std::{path::PathBuf, sync::Arc};

use actix_web::web::Data;

use super::{ServeError, VaultKeys};
use crate::{
    access::{
        Access,
        codes::Rules,
        sender::{CodeSender, FileSender, LogSender},
    },
    actors::Engine,
    config::Config,
    domain::{
        documents::Shelf,
        registry::{Registry, RegistryEvent, SigningKey},
    },
    http::{self, programme::card_data::CardSettings},
    vault::{
        Vault,
        file::{self, DERIVATION, KeyPlace},
        text,
    },
};

/// Opens the vault; a new house's derivation key is recorded, sealed.
pub(super) async fn open_vault(
    engine: &Engine,
    config: &Config,
    keys: Option<&VaultKeys>,
) -> Result<Vault, ServeError> {
    let documents = &engine.shared.facts.documents;
    let known = documents.get(Shelf::Vault, DERIVATION);
    let place = KeyPlace {
        environment: keys.map(|keys| keys.0.as_str()),
        key_file: &config.vault.key_file,
        data_dir: &config.data.dir,
    };
    let opened = file::open_vault(&place, known.as_deref())?;
    let mut needed = engine.shared.indexes.sealed_at_start();
    let of_documents = |registry: &Registry| {
        let all = registry.documents.iter();
        all.flat_map(|(_, _, text)| text::keys_in(text))
            .collect::<Vec<_>>()
    };
    for id in engine.look_at_registry(of_documents).await? {
        needed.entry(id).or_default();
    }
    opened.vault.check_has(needed.into_keys())?;
    if let Some(text) = opened.document {
        let text: Arc<str> = text.into();
        let record = |_: &Registry, at| {
            Ok(vec![RegistryEvent::DocumentSet {
                shelf: Shelf::Vault,
                name: DERIVATION.into(),
                text: Some(text.clone()),
                at,
            }])
        };
        let recorded = engine.change_registry::<crate::actors::EngineError>(None, record);
        recorded.await?;
    }
    Ok(opened.vault)
}

/// Signs under a key that comes from the vault. A house from before there was a vault goes on with the
/// key that it recorded, so that its tokens stay good.
pub(super) async fn open_access(
    engine: &Engine,
    config: &Config,
    vault: &Vault,
) -> Result<Access, ServeError> {
    let known = |registry: &Registry| registry.signing_key.clone();
    let recorded = engine.look_at_registry(known).await?;
    let key = recorded.unwrap_or_else(|| SigningKey(vault.key_for("token-signing")));
    let settings = &config.access;
    let rules = Rules {
        lifetime_s: settings.code_s,
        attempts_max: settings.code_attempts_max,
        sent_max: settings.codes_sent_max,
        sent_per_address_max: settings.codes_per_address_max,
        sent_per_origin_max: settings.codes_per_origin_max,
    };
    let sender: Arc<dyn CodeSender> = match settings.codes_to.as_str() {
        "log" => Arc::new(LogSender),
        _ if settings.codes_file.is_empty() => {
            Arc::new(FileSender::new(config.data.dir.join("one-time-codes.log")))
        }
        _ => Arc::new(FileSender::new(PathBuf::from(&settings.codes_file))),
    };
    Ok(Access::new(&key, settings.token_s, rules, sender))
}

/// A rotation that a crash interrupted, or that keys from the environment began, goes on by itself.
pub(super) fn finish_rotation(app: &Data<http::App>) {
    if app.resealer.is_finished() {
        return;
    }
    if let Some(claim) = app.resealer.claim() {
        tracing::info!(
            key = app.vault.active(),
            "a rotation of the vault's keys goes on"
        );
        claim.begin();
    }
}

/// What the settings say of cards.
pub(super) fn card_settings(config: &Config) -> Result<CardSettings, ServeError> {
    Ok(CardSettings {
        bin: config.bin()?,
        details_link_s: config.cards.details_link_s,
        public_url: config.server.public_url.clone(),
    })
}
