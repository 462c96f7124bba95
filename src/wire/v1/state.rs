//! What a snapshot holds.

use super::{stored, stored_kinds};
use crate::domain::{
    account::{Account, Medium},
    funds::{Balance, LedgerAccount},
    group::Group,
    policy::Policy,
    registry::Registry,
};

stored! {
    Balance { current, pending, incoming, outgoing }
    LedgerAccount { no, balances }
    Policy { default_asset, fallback_asset, currency_assets }
    Account {
        no, medium, holder_urn, ledger, status, status_reason, webhook_url, metadata, policy,
        created_at, updated_at,
    }
    Group {
        id, sequence, last_time, accounts, ledgers, authorizations, open, closed, outgoing,
        received,
    }
    Registry { sequence, last_time, origins, keys }
}

stored_kinds! {
    Medium {
        0 => Card { programme: programme, last_four: last_four, expiry: expiry },
        1 => Virtual {},
    }
}
