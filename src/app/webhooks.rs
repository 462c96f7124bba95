//! The outbox as the settings want it.

use std::sync::Arc;

use super::ServeError;
use crate::{
    actors::Engine,
    config::Config,
    outbox::{self, Outbox},
    outside::client::Client,
    vault::Vault,
};

/// Delivers webhooks from now on.
pub(super) fn open_outbox(
    engine: &Arc<Engine>,
    vault: &Arc<Vault>,
    config: &Config,
) -> Result<Arc<Outbox>, ServeError> {
    let parts = outbox::Parts {
        engine: engine.clone(),
        vault: vault.clone(),
        client: Client::direct(config.webhook_limits()),
        events: Box::new(outbox::event::events_of),
    };
    let dir = config.data.dir.join("outbox");
    Ok(Outbox::open(&dir, config.outbox(), parts)?)
}
