//! Taking another group in: its accounts are to share money with this one's.

use std::sync::Arc;

use crate::domain::{
    account::Account,
    event::Event,
    group::{ACCOUNTS_MAX, Absorption, Group},
    outcome::Rejection,
};

/// Only groups of one programme become one: every request is held against the origin of all the
/// accounts it could reach.
pub(super) fn decide(group: &Group, absorption: &Arc<Absorption>) -> Result<Event, Rejection> {
    let other = &absorption.group;
    let origin = |group: &Group| group.accounts.first().map(|it| it.origin().to_owned());
    let (Some(own), Some(others)) = (origin(group), origin(other)) else {
        return Err(Rejection::AccountNotFound);
    };
    if own != others {
        return Err(Rejection::CannotJoin(OTHER_ORIGIN));
    }
    let is_known = |account: &Account| group.account(account.no).is_some();
    if other.id == group.id || other.accounts.iter().any(is_known) {
        return Err(Rejection::AccountExists);
    }
    if group.accounts.len().saturating_add(other.accounts.len()) > ACCOUNTS_MAX {
        return Err(Rejection::CannotJoin(TOO_MANY));
    }
    Ok(Event::Absorbed(absorption.clone()))
}

const OTHER_ORIGIN: &str = "accounts of two programmes cannot share money";
const TOO_MANY: &str = "would bring more than 64 accounts together, which is the most that may \
                        share money";
