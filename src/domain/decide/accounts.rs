//! Making accounts and changing their faces.

use serde_json::{Map, Value};

use super::card_file;
use crate::domain::{
    account::{Account, Medium, Status},
    card::CardChange,
    command::{ChangeAccount, Context, LinkAccount, OpenAccount, PatchAccount},
    event::Event,
    funds::Balance,
    group::{ACCOUNTS_MAX, Group},
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
    let mut account = begun(group, open, context)?;
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

/// A new account that stays in `creation_in_progress` until a sandbox says how that ends.
pub(super) fn open_held(
    group: &Group,
    open: &OpenAccount,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let account = begun(group, open, context)?;
    Ok(Event::AccountOpened(Box::new(account)))
}

fn begun(group: &Group, open: &OpenAccount, context: &Context<'_>) -> Result<Account, Rejection> {
    if group.account(open.no).is_some() {
        return Err(Rejection::AccountExists);
    }
    let shares_money = open.ledger.0 != open.no.0;
    if shares_money && group.ledger(open.ledger).is_none() {
        return Err(Rejection::LedgerNotFound);
    }
    if group.accounts.len() >= ACCOUNTS_MAX {
        return Err(Rejection::TooManyAccounts(ACCOUNTS_MAX));
    }
    // What a ledger balance's metadata says steers nothing.
    let policy = match open.medium {
        Medium::Balance(_) => Policy::default(),
        Medium::Card { .. } | Medium::Virtual => open.policy.clone(),
    };
    check_links(group, (open.no, &open.holder_urn), &policy, &[])?;
    Ok(Account {
        no: open.no,
        medium: open.medium.clone(),
        holder_urn: open.holder_urn.clone(),
        ledger: open.ledger,
        status: Status::CreationInProgress,
        status_reason: None,
        webhook_url: open.webhook_url.clone(),
        metadata: open.metadata.clone(),
        policy,
        usage: None,
        card: open.card.clone(),
        created_at: context.now,
        updated_at: context.now,
    })
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
        if from == Status::CreationInProgress {
            // Whoever makes the account says when it is made, nobody else.
            return Err(Rejection::AccountNotOpen { status: from });
        }
        account.status = to;
        account.status_reason = change.status_reason;
    } else if change.status_reason.is_some() {
        account.status_reason = change.status_reason;
    }
    if let Some((metadata, policy)) = &change.metadata {
        if known.status == Status::Deleted {
            let status = known.status;
            return Err(Rejection::AccountNotOpen { status });
        }
        let own = (account.no, account.holder_urn.as_str());
        check_links(group, own, policy, &known.policy.linked())?;
        account.metadata.clone_from(metadata);
        if !matches!(account.medium, Medium::Balance(_)) {
            account.policy.clone_from(policy);
        }
    }
    if let Some(webhook_url) = &change.webhook_url {
        account.webhook_url.clone_from(webhook_url);
    }
    if let Some(card) = &change.card {
        card_file::change(&mut account, card, context.now)?;
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

/// The same, and the account goes in front of other money of its holder. Money that nobody else could
/// reach is not left behind, and neither is its past: refunds still go to where they came from.
pub(super) fn link(
    group: &Group,
    link: &LinkAccount,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let known = group
        .account(link.change.account)
        .ok_or(Rejection::AccountNotFound)?;
    let Some(face) = group.account(link.face.account) else {
        return Err(Rejection::Apart {
            holder_urn: known.holder_urn.clone(),
            links: vec![link.face.clone()],
        });
    };
    link.face
        .check(face, &known.holder_urn)
        .map_err(Rejection::Link)?;
    if face.ledger != link.ledger {
        return Err(Rejection::LedgerNotFound);
    }
    if known.ledger != link.ledger {
        may_leave(group, known)?;
    }
    let mut event = match &link.merge {
        Some(merge) => merged(group, &link.change, (None, merge), context)?,
        None => change(group, &link.change, context)?,
    };
    if let Event::AccountChanged { account, .. } = &mut event {
        account.ledger = link.ledger;
    }
    Ok(event)
}

fn may_leave(group: &Group, account: &Account) -> Result<(), Rejection> {
    let status = account.status;
    if status == Status::Deleted {
        return Err(Rejection::AccountNotOpen { status });
    }
    let holds = group.open.values().any(|open| {
        let authorization = open.authorization();
        let mut legs = authorization.legs.iter();
        legs.any(|leg| leg.account == account.no && !leg.held().is_zero())
    });
    let books = group.books.as_deref();
    let mut booked = books.into_iter().flat_map(|books| books.open.values());
    let is_booked = booked.any(|open| {
        open.transaction.source.account == account.no && !open.transaction.held().is_zero()
    });
    if holds || is_booked {
        return Err(Rejection::CannotLink(HAS_HOLDS));
    }
    let is_other = |other: &&Account| other.no != account.no && other.status != Status::Deleted;
    let mut others = group.accounts.iter().filter(is_other);
    let has_other_face = others.any(|other| other.ledger == account.ledger);
    let never_had = |(_, balance): &(_, Balance)| *balance == Balance::default();
    let ledger = group.ledger(account.ledger);
    if has_other_face || ledger.is_none_or(|ledger| ledger.balances.iter().all(never_had)) {
        Ok(())
    } else {
        Err(Rejection::CannotLink(HAS_MONEY))
    }
}

const HAS_HOLDS: &str = "ledger_account_id: purchases or transactions of this account hold money; \
                         it can be changed when they are over";
const HAS_MONEY: &str = "ledger_account_id: this account is the only one in front of money with a past, \
                         which nobody could reach any more; open another account with that \
                         ledger_account_id instead";

/// The same with the metadata merged; what the merge came to stands in the event.
pub(super) fn patch(
    group: &Group,
    patch: &PatchAccount,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    merged(group, &patch.change, (patch.within, &patch.merge), context)
}

fn merged(
    group: &Group,
    asked: &ChangeAccount,
    (within, merge): (Option<&'static str>, &Map<String, Value>),
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let known = group
        .account(asked.account)
        .ok_or(Rejection::AccountNotFound)?;
    let settled = metadata::merge(&known.metadata, within, merge, context.terms)?;
    let mut whole = asked.clone();
    whole.metadata = Some(settled);
    change(group, &whole, context)
}
