//! Ledgers, balances and transactions as JSON, in the shapes that the ledger face's clients read; what
//! events and the index carry is the same.
//!
//! They are texts and not [`serde_json::Value`]s: a sum may have more digits than that takes.

use std::{borrow::Cow, fmt::Write};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{accounts::BalanceView, ledgers::Ledger};
use crate::{
    domain::{
        books::{Kind, Overdraft, Reason, Transaction},
        money::{Amount, Asset},
        time::Timestamp,
    },
    json::{Object, key},
};

/// A moment that is not set, as the clients know it.
pub const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// Under which key of `meta_data` the reason of a rejected transaction stands.
pub const REASON_KEY: &str = "blnk_rejection_reason";

/// A transaction ready to be written, wherever it comes from.
#[derive(Debug)]
pub struct Shown<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it is a part or a step of; empty for nothing.
    pub parent: &'a str,
    /// Where it leaves: a balance's id or an indicator; empty for several.
    pub source: &'a str,
    /// Where it arrives.
    pub destination: &'a str,
    /// `{"sources": […]}` or `{"destinations": […]}` for several, else empty.
    pub split: &'a str,
    /// How much, as a plain decimal of units.
    pub amount: &'a str,
    /// The same in the smallest unit.
    pub precise: Amount,
    /// How many smallest units make one.
    pub precision: u64,
    /// How far the source may go below zero.
    pub overdraft: Overdraft,
    /// Unique per origin, or empty.
    pub reference: &'a str,
    /// What is counted.
    pub asset: Asset,
    /// For people.
    pub description: &'a str,
    /// The word on the wire.
    pub status: &'a str,
    /// Whether it was held first.
    pub inflight: bool,
    /// Whether too little money was to be an error.
    pub skip_queue: bool,
    /// Whether its parts are done all or none.
    pub atomic: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it counts from; none for its making.
    pub effective_at: Option<Timestamp>,
    /// When it is to be done.
    pub scheduled_for: Option<Timestamp>,
    /// When what is inflight is let go.
    pub expires_at: Option<Timestamp>,
    /// When what is inflight is committed.
    pub commits_at: Option<Timestamp>,
    /// Why it was rejected.
    pub reason: Option<Cow<'a, str>>,
    /// A JSON object as text.
    pub metadata: &'a str,
}

impl Shown<'_> {
    /// Writes it at the end of `out`.
    pub fn write_into(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        self.members(&mut object);
        object.end();
    }

    fn members(&self, object: &mut Object<'_>) {
        object.plain(key!("transaction_id"), self.id);
        object.plain(key!("parent_transaction"), self.parent);
        object.text(key!("source"), self.source);
        object.text(key!("destination"), self.destination);
        object.members_of(self.split);
        object.json(key!("amount"), self.amount);
        object.plain(key!("amount_string"), self.amount);
        object.number(key!("precise_amount"), self.precise.minor());
        object.number(key!("precision"), i128::from(self.precision));
        match self.overdraft {
            Overdraft::UpTo(limit) => {
                let units = units_of(limit, self.precision);
                object.json(key!("overdraft_limit"), &units);
            }
            Overdraft::No | Overdraft::Unlimited => object.number(key!("overdraft_limit"), 0),
        }
        object.text(key!("reference"), self.reference);
        let asset = self.asset.to_string();
        object.plain(key!("currency"), &asset);
        object.text(key!("description"), self.description);
        object.plain(key!("status"), self.status);
        object.plain(key!("hash"), &self.hash(&asset));
        let allows = !matches!(self.overdraft, Overdraft::No);
        object.boolean(key!("allow_overdraft"), allows);
        object.boolean(key!("inflight"), self.inflight);
        object.boolean(key!("skip_queue"), self.skip_queue);
        object.boolean(key!("atomic"), self.atomic);
        time(object, key!("created_at"), Some(self.created_at));
        let effective = self.effective_at.unwrap_or(self.created_at);
        time(object, key!("effective_date"), Some(effective));
        time(object, key!("scheduled_for"), self.scheduled_for);
        time(object, key!("inflight_expiry_date"), self.expires_at);
        time(object, key!("inflight_commit_date"), self.commits_at);
        match &self.reason {
            Some(reason) => object.object(key!("meta_data"), |inner| {
                inner.members_of(self.metadata);
                inner.text(key!("blnk_rejection_reason"), reason);
            }),
            None => object.json(key!("meta_data"), self.metadata),
        }
    }

    /// SHA-256 of the amount with at least six decimal places, the reference, the currency, the source and
    /// the destination, one behind the other. Source: Blnk's `HashTxn`. It does not depend on the id.
    fn hash(&self, asset: &str) -> String {
        let places = self.amount.split_once('.').map(|(_, places)| places.len());
        let mut digest = Sha256::new();
        digest.update(self.amount);
        if places.is_none() {
            digest.update(".");
        }
        let missing = 6_usize.saturating_sub(places.unwrap_or(0));
        digest.update("000000".get(..missing).unwrap_or_default());
        for part in [self.reference, asset, self.source, self.destination] {
            digest.update(part);
        }
        let mut text = String::with_capacity(64);
        for byte in digest.finalize() {
            let digit = |at: u8| char::from_digit(u32::from(at), 16).unwrap_or('0');
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        text
    }
}

/// A sum of smallest units as a plain decimal of units, if it is one exactly; else rounded down at the
/// eighteenth place.
#[must_use]
pub fn units_of(amount: Amount, precision: u64) -> String {
    let factor = i128::from(precision.max(1));
    let minor = amount.minor();
    let whole = minor.checked_div(factor).unwrap_or(minor);
    let mut rest = minor.checked_rem(factor).unwrap_or(0);
    let mut text = whole.to_string();
    let mut places = String::new();
    while rest != 0 && places.len() < 18 {
        rest = rest.saturating_mul(10);
        let digit = rest.checked_div(factor).unwrap_or(0);
        rest = rest.checked_rem(factor).unwrap_or(0);
        let _ = write!(places, "{digit}");
    }
    let places = places.trim_end_matches('0');
    if !places.is_empty() {
        text.push('.');
        text.push_str(places);
    }
    text
}

fn time(object: &mut Object<'_>, name: crate::json::Key, at: Option<Timestamp>) {
    match at {
        Some(at) => object.plain(name, at.text().as_str()),
        None => object.plain(name, NO_TIME),
    }
}

/// Why a transaction was rejected, for people.
#[must_use]
pub fn sentence(reason: &Reason) -> String {
    match reason {
        Reason::InsufficientFunds {
            available,
            required,
        } => format!(
            "insufficient funds in source balance: {available} available, {required} required"
        ),
        Reason::OverdraftLimit {
            available,
            required,
        } => format!(
            "transaction exceeds overdraft limit: {available} available with it, {required} required"
        ),
        Reason::AccountNotOpen { .. } => "a balance of the transaction is not active".to_owned(),
        Reason::OtherPart => "another transaction of the same batch could not be done".to_owned(),
        Reason::Hook => "a pre-transaction hook refused".to_owned(),
    }
}

/// The id of a transaction as callers know it: a bulk's has a prefix of its own.
#[must_use]
pub fn id_text(transaction: &Transaction) -> String {
    match transaction.kind {
        Kind::BulkHead => transaction.id.bulk_text(),
        Kind::Single | Kind::SplitHead | Kind::Part | Kind::Commit | Kind::Void | Kind::Refund => {
            transaction.id.to_string()
        }
    }
}

/// The id of what it is a part or a step of; empty for nothing.
#[must_use]
pub fn parent_text(transaction: &Transaction) -> String {
    let Some(parent) = transaction.parent else {
        return String::new();
    };
    match transaction.kind {
        // What was asked for as such is a part only of a bulk.
        Kind::Single | Kind::SplitHead => parent.bulk_text(),
        Kind::BulkHead | Kind::Part | Kind::Commit | Kind::Void | Kind::Refund => {
            parent.to_string()
        }
    }
}

/// Writes a transaction at the end of `out`.
pub fn transaction_into(transaction: &Transaction, out: &mut Vec<u8>) {
    transaction_as(transaction, transaction.state.word(), out);
}

/// The same under another status: that which it had at an earlier step.
pub fn transaction_as(transaction: &Transaction, status: &str, out: &mut Vec<u8>) {
    let terms = &transaction.terms;
    let is_of_many = |name: &str| {
        terms
            .split
            .get(2..)
            .is_some_and(|text| text.starts_with(name))
    };
    let is_bulk = transaction.kind == Kind::BulkHead;
    let is_from_many = is_bulk || is_of_many("sources");
    let is_to_many = is_bulk || is_of_many("destinations");
    Shown {
        id: &id_text(transaction),
        parent: &parent_text(transaction),
        source: named(is_from_many, &transaction.source.name),
        destination: named(is_to_many, &transaction.destination.name),
        split: &terms.split,
        amount: &transaction.precision.amount,
        precise: transaction.amount,
        precision: transaction.precision.factor,
        overdraft: terms.overdraft,
        reference: &terms.reference,
        asset: transaction.asset,
        description: &terms.description,
        status,
        inflight: terms.marks.inflight,
        skip_queue: terms.marks.skip_queue,
        atomic: terms.marks.atomic,
        created_at: transaction.created_at,
        effective_at: terms.effective_at,
        scheduled_for: terms.scheduled_for,
        expires_at: terms.expires_at,
        commits_at: terms.commits_at,
        reason: transaction
            .reason
            .as_ref()
            .map(|reason| sentence(reason).into()),
        metadata: &transaction.metadata,
    }
    .write_into(out);
}

/// A side's name; empty if it is several.
const fn named(is_many: bool, name: &str) -> &str {
    if is_many { "" } else { name }
}

/// Writes a balance at the end of `out`.
pub fn balance_into(view: &BalanceView, out: &mut Vec<u8>) {
    let held = Amount::from_minor(view.balance.pending.max(0)).unwrap_or(Amount::ZERO);
    let inflight_debit = held.minus_or_zero(view.reserved).minor();
    let inflight_credit = view.expected.minor();
    let face = view.face.as_ref();
    let mut object = Object::begin(out);
    let standing = view.balance.incoming.saturating_sub(view.balance.outgoing);
    object.number(key!("balance"), standing);
    object.number(key!("version"), i128::from(view.version));
    let inflight = inflight_credit.saturating_sub(inflight_debit);
    object.number(key!("inflight_balance"), inflight);
    object.number(key!("credit_balance"), view.balance.incoming);
    object.number(key!("inflight_credit_balance"), inflight_credit);
    object.number(key!("debit_balance"), view.balance.outgoing);
    object.number(key!("inflight_debit_balance"), inflight_debit);
    object.number(key!("queued_debit_balance"), view.reserved.minor());
    object.number(
        key!("queued_credit_balance"),
        view.expected_reserved.minor(),
    );
    object.text(key!("ledger_id"), view.ledger_id());
    let identity = face.and_then(|face| face.identity_id.as_deref());
    object.text(key!("identity_id"), identity.unwrap_or_default());
    object.plain(key!("balance_id"), &view.id.to_string());
    let indicator = face.and_then(|face| face.indicator.as_deref());
    object.text(key!("indicator"), indicator.unwrap_or_default());
    object.plain(key!("currency"), &view.asset.to_string());
    time(&mut object, key!("created_at"), Some(view.created_at));
    time(&mut object, key!("inflight_expires_at"), view.expires_at);
    object.json(key!("meta_data"), &view.metadata);
    let tracks = face.is_some_and(|face| face.tracks_lineage);
    object.boolean(key!("track_fund_lineage"), tracks);
    let allocation = face.map(|face| face.allocation).unwrap_or_default();
    object.plain(key!("allocation_strategy"), allocation.word());
    object.end();
}

/// Writes a ledger at the end of `out`.
pub fn ledger_into(ledger: &Ledger, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text(key!("ledger_id"), &ledger.id);
    object.text(key!("name"), &ledger.name);
    time(&mut object, key!("created_at"), Some(ledger.created_at));
    object.json(key!("meta_data"), &ledger.metadata);
    object.end();
}

/// A transaction.
#[must_use]
pub fn transaction(transaction: &Transaction) -> Box<RawValue> {
    raw(|out| transaction_into(transaction, out))
}

/// A balance.
#[must_use]
pub fn balance(view: &BalanceView) -> Box<RawValue> {
    raw(|out| balance_into(view, out))
}

/// A ledger.
#[must_use]
pub fn ledger(ledger: &Ledger) -> Box<RawValue> {
    raw(|out| ledger_into(ledger, out))
}

fn raw(write: impl FnOnce(&mut Vec<u8>)) -> Box<RawValue> {
    let mut out = Vec::with_capacity(1_024);
    write(&mut out);
    let text = String::from_utf8(out).unwrap_or_default();
    RawValue::from_string(text).unwrap_or_default()
}
