//! Making accounts and changing their faces.

use super::card_file;
use crate::domain::{
    account::{Account, Status},
    card::CardChange,
    command::{ChangeAccount, Context, OpenAccount, PatchAccount},
    event::Event,
    group::Group,
    ids::AccountNo,
    outcome::Rejection,
    policy::{Link, Policy, metadata},
};

/// A new account goes through `creation_in_progress` to `active` in one record: both facts stand in
/// the log, and no reader sees it half made.
pub(super) fn open(
    group: &Group,
    open: &OpenAccount,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    if group.account(open.no).is_some() {
        return Err(Rejection::AccountExists);
    }
    let shares_money = open.ledger.0 != open.no.0;
    if shares_money && group.ledger(open.ledger).is_none() {
        return Err(Rejection::LedgerNotFound);
    }
    check_links(group, (open.no, &open.holder_urn), &open.policy, &[])?;
    let mut account = Account {
        no: open.no,
        medium: open.medium.clone(),
        holder_urn: open.holder_urn.clone(),
        ledger: open.ledger,
        status: Status::CreationInProgress,
        status_reason: None,
        webhook_url: open.webhook_url.clone(),
        metadata: open.metadata.clone(),
        policy: open.policy.clone(),
        usage: None,
        card: open.card.clone(),
        created_at: context.now,
        updated_at: context.now,
    };
    let opened = Event::AccountOpened(Box::new(account.clone()));
    account.status = Status::Active;
    let change = ChangeAccount {
        account: open.no,
        status: Some(Status::Active),
        status_reason: None,
        metadata: None,
        webhook_url: None,
        card: None,
    };
    let activated = Event::AccountChanged {
        change: Box::new(change),
        account: Box::new(account),
    };
    Ok(vec![opened, activated])
}

pub(super) fn change(
    group: &Group,
    change: &ChangeAccount,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let known = group
        .account(change.account)
        .ok_or(Rejection::AccountNotFound)?;
    let mut account = known.clone();
    if let Some(to) = change.status {
        let from = account.status;
        if !from.next().contains(&to) {
            return Err(Rejection::IllegalTransition { from, to });
        }
        account.status = to;
        account.status_reason = change.status_reason;
    } else if change.status_reason.is_some() {
        account.status_reason = change.status_reason;
    }
    if let Some((metadata, policy)) = &change.metadata {
        let own = (account.no, account.holder_urn.as_str());
        check_links(group, own, policy, &known.policy.linked())?;
        account.metadata.clone_from(metadata);
        account.policy.clone_from(policy);
    }
    if let Some(webhook_url) = &change.webhook_url {
        account.webhook_url.clone_from(webhook_url);
    }
    if let Some(card) = &change.card {
        let file = account.card.as_deref_mut().ok_or(Rejection::NoCardFile)?;
        card_file::change(file, card, context.now)?;
    }
    // The same data under another key is no change that anyone outside could see.
    let is_resealing = change.card.as_deref().is_some_and(CardChange::is_resealing);
    if !is_resealing {
        account.updated_at = context.now;
    }
    Ok(Event::AccountChanged {
        change: Box::new(change.clone()),
        account: Box::new(account),
    })
}

/// The accounts that the policy names beyond `known` ones must live here, be the holder's own and
/// still exist. Those that live elsewhere are named in the refusal, so that they can be brought here.
fn check_links(
    group: &Group,
    (own, holder_urn): (AccountNo, &str),
    policy: &Policy,
    known: &[Link],
) -> Result<(), Rejection> {
    let mut apart = Vec::new();
    let is_known = |link: &Link| known.iter().any(|it| it.account == link.account);
    for link in policy.linked() {
        if link.account == own || is_known(&link) {
            continue;
        }
        match group.account(link.account) {
            Some(account) => link.check(account, holder_urn).map_err(Rejection::Link)?,
            None => apart.push(link),
        }
    }
    if apart.is_empty() {
        Ok(())
    } else {
        Err(Rejection::Apart {
            holder_urn: holder_urn.to_owned(),
            links: apart,
        })
    }
}

/// The same with the metadata merged; what the merge came to stands in the event.
pub(super) fn patch(
    group: &Group,
    patch: &PatchAccount,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let known = group
        .account(patch.change.account)
        .ok_or(Rejection::AccountNotFound)?;
    let merged = metadata::merge(&known.metadata, patch.within, &patch.merge, context.terms)?;
    let mut whole = patch.change.clone();
    whole.metadata = Some(merged);
    change(group, &whole, context)
}
