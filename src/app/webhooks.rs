//! The outbox as the settings want it.

use std::sync::Arc;

use super::ServeError;
use crate::{
    actors::Engine,
    config::Config,
    outbox::{self, Outbox, Stored},
    outside::client::Client,
    vault::Vault,
};

/// The outbox as it was left. Comes before anything is written to the engine's log: it may know of records
/// that the log has lost.
pub(super) fn open_stored(engine: &Engine, config: &Config) -> Result<Stored, ServeError> {
    let dir = config.data.dir.join("outbox");
    Ok(Stored::open(&dir, &config.outbox(), engine)?)
}

/// Delivers webhooks from now on.
pub(super) fn start_outbox(
    engine: &Arc<Engine>,
    (stored, vault): (Stored, &Arc<Vault>),
    config: &Config,
) -> Result<Arc<Outbox>, ServeError> {
    let parts = outbox::Parts {
        engine: engine.clone(),
        vault: vault.clone(),
        client: Client::direct(config.webhook_limits()),
        events: Box::new(outbox::event::events_of),
    };
    Outbox::start(stored, config.outbox(), parts).map_err(|source| ServeError::Io {
        what: "starting the threads of webhooks",
        source,
    })
}
