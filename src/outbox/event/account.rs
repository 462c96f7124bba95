//! What becomes of accounts beside their money: made, changed, their tokens.

use super::{Maker, Subject, json::Facts, ledger};
use crate::domain::{
    account::{Account, Medium},
    card::{CardChange, DeviceToken, TokenStatus},
    command::ChangeAccount,
    event::Event,
};

pub(super) fn tell(maker: &mut Maker<'_>, event: &Event) {
    match event {
        Event::AccountOpened(account) => {
            if let Some(face) = ledger::face_of(account) {
                ledger::tell_opened(maker, account, face);
                return;
            }
            let data = facts(account).with_object("metadata", &account.metadata);
            let word = pick(account, ["card.created", "account.created"]);
            say(maker, account, word, data);
        }
        Event::AccountChanged { change, account } => tell_change(maker, change, account),
        Event::Deposited(..)
        | Event::Withdrawn(..)
        | Event::TransferredWithin(..)
        | Event::TransferSent(..)
        | Event::TransferReceived(..)
        | Event::TransferSettled(_)
        | Event::TransferReturned(..)
        | Event::AuthorizationApproved(_)
        | Event::AuthorizationDeclined(_)
        | Event::AuthorizationStepped(_)
        | Event::Absorbed(_)
        | Event::Booked(_) => {}
    }
}

fn tell_change(maker: &mut Maker<'_>, change: &ChangeAccount, account: &Account) {
    if change.status.is_some() || change.status_reason.is_some() {
        let word = pick(account, ["card.status_changed", "account.status_changed"]);
        say(maker, account, word, facts(account));
    }
    if change.metadata.is_some() {
        let words = ["card.metadata_updated", "account.metadata_updated"];
        let data = facts(account).with_object("metadata", &account.metadata);
        say(maker, account, pick(account, words), data);
    }
    if change.webhook_url.is_some() {
        let data = facts(account).with("webhook_url", &account.webhook_url);
        let word = pick(account, ["card.updated", "account.updated"]);
        say(maker, account, word, data);
    }
    if let Some(change) = &change.card {
        tell_card_change(maker, change, account);
    }
}

fn tell_card_change(maker: &mut Maker<'_>, change: &CardChange, account: &Account) {
    let tokens = account.card.as_ref().map(|file| file.tokens.as_slice());
    let tokens = tokens.unwrap_or_default();
    match change {
        CardChange::SetPin(_) => say(maker, account, "card.pin_changed", facts(account)),
        CardChange::AddToken(added) => {
            // One of the same device has ended for it.
            let has_ended = |known: &&DeviceToken| {
                known.id != added.id
                    && known.status == TokenStatus::Deactivated
                    && known.updated_at == maker.at
            };
            let ended: Vec<_> = tokens.iter().filter(has_ended).collect();
            for token in ended {
                say_token(maker, account, "token.status_changed", token);
            }
            say_token(maker, account, "token.created", added);
        }
        CardChange::SetTokenStatus { id, .. } => {
            if let Some(token) = tokens.iter().find(|token| token.id == *id) {
                say_token(maker, account, "token.status_changed", token);
            }
        }
        // The same data under another key: nothing that anybody could see has changed.
        CardChange::Reseal { .. } | CardChange::ResealTokens(_) => {}
    }
}

/// What an account is, without what only the vault may open.
fn facts(account: &Account) -> Facts {
    let facts = Facts::default()
        .with("id", &account.id())
        .with("medium", &account.medium_word())
        .with("ledger_account_id", &account.ledger.text())
        .with("status", &account.status.word());
    let reason = account.status_reason.map(|reason| reason.word());
    let facts = facts.with_some("status_reason", reason.as_ref());
    match &account.medium {
        Medium::Card { last_four, .. } => facts.with("card_last_four", &digits(*last_four)),
        Medium::Virtual | Medium::Balance(_) => facts,
    }
}

fn digits(digits: [u8; 4]) -> String {
    digits.into_iter().map(char::from).collect()
}

fn pick(account: &Account, [card, other]: [&'static str; 2]) -> &'static str {
    match account.medium {
        Medium::Card { .. } => card,
        Medium::Virtual | Medium::Balance(_) => other,
    }
}

fn about(account: &Account) -> Subject {
    Subject::of_account(account.no, account.urn(), account.holder_urn.clone())
}

fn say(maker: &mut Maker<'_>, account: &Account, event: &'static str, data: Facts) {
    maker.tell(about(account), ("account", event), &data);
}

fn say_token(maker: &mut Maker<'_>, account: &Account, event: &'static str, token: &DeviceToken) {
    let data = Facts::default()
        .with("id", &token.id)
        .with("wallet", &token.wallet.word())
        .with("token_last_four", &digits(token.last_four))
        .with("status", &token.status.word());
    maker.tell(about(account), ("token", event), &data);
}
