//! What the faces have beside the engine: those who are asked before a purchase, and before and after a
//! transaction.

use std::sync::Arc;

use crate::{actors::Engine, books::hooks::Hooks, config::Config, decisions::Decisions, http};

/// Asks programmes before a purchase is final, in the network face's words.
pub(super) fn open_decisions(
    engine: &Arc<Engine>,
    vault: &Arc<crate::vault::Vault>,
    config: &Config,
) -> Arc<Decisions> {
    Decisions::new(
        engine.clone(),
        vault.clone(),
        config.limits(),
        config.decisions.rules(),
        http::network::question::question,
    )
}

/// What the ledger face keeps in memory.
pub(super) fn open_ledger(
    engine: &Arc<Engine>,
    vault: &Arc<crate::vault::Vault>,
    config: &Config,
) -> http::ledger::Desk {
    http::ledger::Desk {
        keys: http::ledger::access::KnownKeys::default(),
        hooks: Hooks::new(engine, vault, config.limits()),
        monitors: Arc::default(),
    }
}
