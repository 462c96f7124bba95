//! Changes of a ledger balance's face.

use crate::domain::{
    account::{Medium, Status},
    books::{self, PatchBalance},
    command::{ChangeAccount, Context},
    event::Event,
    group::Group,
    outcome::Rejection,
    policy::Policy,
};

pub(super) fn decide(
    group: &Group,
    patch: &PatchBalance,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let known = group
        .account(patch.account)
        .ok_or(Rejection::AccountNotFound)?;
    let mut account = known.clone();
    let Medium::Balance(face) = &mut account.medium else {
        return Err(Rejection::AccountNotFound);
    };
    if known.status == Status::Deleted {
        let status = known.status;
        return Err(Rejection::AccountNotOpen { status });
    }
    if let Some(identity) = &patch.set.identity_id {
        face.identity_id = Some(identity.clone());
    }
    if let Some(changes) = &patch.merge {
        account.metadata = books::merge(&known.metadata, changes)?;
    }
    account.updated_at = context.now;
    let metadata = patch
        .merge
        .is_some()
        .then(|| (account.metadata.clone(), Policy::default()));
    let change = ChangeAccount {
        account: patch.account,
        status: None,
        status_reason: None,
        metadata,
        webhook_url: None,
        card: None,
    };
    Ok(vec![Event::AccountChanged {
        change: Box::new(change),
        account: Box::new(account),
    }])
}
