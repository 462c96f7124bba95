//! Changes of what only a card has.

use crate::domain::{
    account::{Account, Medium, Status},
    card::{CardChange, CardFile, DeviceToken, TokenStatus},
    outcome::Rejection,
    time::Timestamp,
};

/// The most tokens of a card, ended ones included.
const TOKENS_MAX: usize = 64;

pub(super) fn change(
    account: &mut Account,
    change: &CardChange,
    now: Timestamp,
) -> Result<(), Rejection> {
    if !matches!(account.medium, Medium::Card { .. }) {
        return Err(Rejection::NotACard);
    }
    require_standing(account.status, change)?;
    let file = account.card.as_deref_mut().ok_or(Rejection::NoCardFile)?;
    match change {
        CardChange::Reseal { from, to } => {
            if file.sealed != *from {
                return Err(Rejection::SealedMeanwhile);
            }
            file.sealed = to.clone();
        }
        CardChange::SetPin(verifier) => file.pin = Some(verifier.clone()),
        CardChange::AddToken(token) => add(file, token, now)?,
        CardChange::SetTokenStatus { id, status } => {
            let token = file.tokens.iter_mut().find(|token| token.id == *id);
            let token = token.ok_or(Rejection::TokenNotFound)?;
            if !token.status.next().contains(status) {
                let (from, to) = (token.status, *status);
                return Err(Rejection::IllegalTokenTransition { from, to });
            }
            token.status = *status;
            token.updated_at = now;
        }
        CardChange::ResealTokens(sealed) => {
            for (id, to) in sealed {
                for token in file.tokens.iter_mut().filter(|token| token.id == *id) {
                    token.sealed = to.clone();
                }
            }
        }
    }
    Ok(())
}

/// A card that is not in use gets no token, and one that ended changes no more; its data may still be
/// sealed anew.
const fn require_standing(status: Status, change: &CardChange) -> Result<(), Rejection> {
    let is_over = matches!(
        status,
        Status::Disabled | Status::Deleted | Status::CreationFailed
    );
    match change {
        CardChange::AddToken(_) if !matches!(status, Status::Active) => {
            Err(Rejection::AccountNotOpen { status })
        }
        CardChange::SetPin(_) if is_over => Err(Rejection::AccountNotOpen { status }),
        CardChange::SetTokenStatus { status: to, .. } if is_over => {
            let (from, to) = (TokenStatus::Deactivated, *to);
            Err(Rejection::IllegalTokenTransition { from, to })
        }
        CardChange::AddToken(_)
        | CardChange::SetPin(_)
        | CardChange::SetTokenStatus { .. }
        | CardChange::Reseal { .. }
        | CardChange::ResealTokens(_) => Ok(()),
    }
}

fn add(file: &mut CardFile, token: &DeviceToken, now: Timestamp) -> Result<(), Rejection> {
    if file.tokens.len() >= TOKENS_MAX {
        return Err(Rejection::TooManyTokens(TOKENS_MAX));
    }
    let is_replaced = |known: &&mut DeviceToken| {
        known.wallet == token.wallet
            && known.device == token.device
            && known.status != TokenStatus::Deactivated
    };
    for known in file.tokens.iter_mut().filter(is_replaced) {
        known.status = TokenStatus::Deactivated;
        known.updated_at = now;
    }
    file.tokens.push(token.clone());
    Ok(())
}
