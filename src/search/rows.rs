//! What the log's records say of transactions, in one form for all faces.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::{
    books::view,
    domain::{
        books::{Kind, Overdraft, State, Transaction},
        command::{MoveMoney, Transfer},
        event::{Approved, Declined, StepKind, Stepped},
        hold::{self, Authorization},
        merchant::Merchant,
        money::{Amount, Asset, sum},
        time::Timestamp,
        uuids::AnyTransaction,
    },
    json::{Object, key},
};

/// Where deposits come from and withdrawals go, as this face names it.
pub const WORLD: &str = "@World";
/// Where what a card pays goes: the card network, which owes it to merchants.
pub const NETWORK: &str = "@Network";

/// A transaction as it is from a record on.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) reference: String,
    pub(super) description: String,
    pub(super) asset: Asset,
    /// As a plain decimal of units.
    pub(super) units: String,
    pub(super) amount: Amount,
    pub(super) precision: u64,
    pub(super) status: &'static str,
    pub(super) overdraft: Overdraft,
    pub(super) inflight: bool,
    pub(super) skip_queue: bool,
    pub(super) atomic: bool,
    pub(super) created_at: Timestamp,
    pub(super) effective_at: Option<Timestamp>,
    pub(super) scheduled_for: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) commits_at: Option<Timestamp>,
    pub(super) metadata: String,
    pub(super) split: String,
    /// Whether a head stands for it.
    pub(super) is_part: bool,
    /// What is still held by it.
    pub(super) left: Amount,
    /// Whether money moved for good by this record.
    pub(super) is_applied: bool,
    /// The transfer it is, so that its return finds it.
    pub(super) transfer: Option<u64>,
}

/// How many smallest units make one.
pub(super) fn factor(asset: Asset) -> u64 {
    10_u64.checked_pow(u32::from(asset.decimals())).unwrap_or(1)
}

/// A transaction of the books; nothing for the head of a bulk, which is no transaction to callers.
pub(super) fn booked(transaction: &Transaction) -> Option<Row> {
    if transaction.kind == Kind::BulkHead {
        return None;
    }
    let terms = &transaction.terms;
    let has_many = |name: &str| {
        let text = terms.split.get(2..);
        text.is_some_and(|text| text.starts_with(name))
    };
    let named = |is_many: bool, name: &str| {
        if is_many {
            String::new()
        } else {
            name.to_owned()
        }
    };
    let holds = !transaction.is_head() && transaction.state.is_open();
    let holds = holds && transaction.state != State::Scheduled;
    let moves = match transaction.kind {
        Kind::Single | Kind::Part | Kind::Refund => transaction.state == State::Applied,
        Kind::Commit => true,
        Kind::SplitHead | Kind::BulkHead | Kind::Void => false,
    };
    Some(Row {
        id: view::id_text(transaction),
        parent: view::parent_text(transaction),
        source: named(has_many("sources"), &transaction.source.name),
        destination: named(has_many("destinations"), &transaction.destination.name),
        reference: terms.reference.clone(),
        description: terms.description.clone(),
        asset: transaction.asset,
        units: transaction.precision.amount.clone(),
        amount: transaction.amount,
        precision: transaction.precision.factor,
        status: transaction.state.word(),
        overdraft: terms.overdraft,
        inflight: terms.marks.inflight,
        skip_queue: terms.marks.skip_queue,
        atomic: terms.marks.atomic,
        created_at: transaction.created_at,
        effective_at: terms.effective_at,
        scheduled_for: terms.scheduled_for,
        expires_at: terms.expires_at,
        commits_at: terms.commits_at,
        metadata: with_reason(transaction),
        split: terms.split.clone(),
        is_part: transaction.kind == Kind::Part,
        left: if holds {
            transaction.left()
        } else {
            Amount::ZERO
        },
        is_applied: moves,
        transfer: None,
    })
}

/// Its metadata as it is shown: with the reason why it was rejected.
fn with_reason(transaction: &Transaction) -> String {
    let Some(reason) = &transaction.reason else {
        return transaction.metadata.clone();
    };
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
    object.members_of(&transaction.metadata);
    object.text(key!("blnk_rejection_reason"), &view::sentence(reason));
    object.end();
    String::from_utf8(out).unwrap_or_default()
}

/// Where a record stands, and when it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) lsn: u64,
    pub(super) place: u32,
    pub(super) time: Timestamp,
}

impl Row {
    /// A movement of another face: over and done when it is recorded.
    fn movement(at: At, asset: Asset, amount: Amount) -> Self {
        let precision = factor(asset);
        Self {
            id: AnyTransaction::Movement {
                lsn: at.lsn,
                place: at.place,
            }
            .to_string(),
            parent: String::new(),
            source: String::new(),
            destination: String::new(),
            reference: String::new(),
            description: String::new(),
            asset,
            units: view::units_of(amount, precision),
            amount,
            precision,
            status: State::Applied.word(),
            overdraft: Overdraft::No,
            inflight: false,
            skip_queue: true,
            atomic: false,
            created_at: at.time,
            effective_at: None,
            scheduled_for: None,
            expires_at: None,
            commits_at: None,
            metadata: "{}".to_owned(),
            split: String::new(),
            is_part: false,
            left: Amount::ZERO,
            is_applied: true,
            transfer: None,
        }
    }

    /// A deposit (towards `own`) or a withdrawal.
    pub(super) fn with_world(moved: &MoveMoney, own: String, comes: bool, at: At) -> Self {
        let (source, destination) = if comes {
            (WORLD.to_owned(), own)
        } else {
            (own, WORLD.to_owned())
        };
        Self {
            source,
            destination,
            reference: moved.reference.clone(),
            metadata: object_or_none(&moved.metadata),
            ..Self::movement(at, moved.asset, moved.amount)
        }
    }

    /// A transfer of the programme face, or a fee that goes to somebody's account.
    pub(super) fn transfer(transfer: &Transfer, sides: (String, String), at: At) -> Self {
        Self {
            source: sides.0,
            destination: sides.1,
            reference: transfer.reference.clone(),
            metadata: object_or_none(&transfer.metadata),
            transfer: Some(transfer.id.0),
            ..Self::movement(at, transfer.asset, transfer.amount)
        }
    }

    /// An approved purchase.
    pub(super) fn approved(approved: &Approved, own: String, at: At) -> Self {
        let authorization = &approved.authorization;
        let held = authorization_amount(authorization);
        let is_done = authorization.state() == hold::State::Captured;
        let request = &approved.request;
        let mut said = said_of(&request.merchant);
        said.insert("authorization_id".into(), authorization.id.text().into());
        said.insert("transaction_type".into(), authorization.kind.word().into());
        said.insert("local_amount".into(), request.local.to_string().into());
        let currency = request.local.currency.code();
        said.insert("local_currency".into(), currency.into());
        said.insert(
            "exchange_rate".into(),
            authorization.rate.to_string().into(),
        );
        Self {
            id: AnyTransaction::Authorization(authorization.id).to_string(),
            source: own,
            destination: NETWORK.to_owned(),
            reference: authorization.transaction_id.clone(),
            description: authorization.kind.word().to_owned(),
            status: authorization_status(authorization, is_done),
            inflight: true,
            expires_at: Some(authorization.expires_at),
            metadata: of_network(said),
            is_applied: is_done,
            ..Self::movement(at, authorization.asset, held)
        }
    }

    /// A declined purchase.
    pub(super) fn declined(declined: &Declined, own: String, at: At) -> Option<Self> {
        let request = &declined.request;
        let asset = Asset::of_ledger(request.local.currency.code()).ok()?;
        let mut said = said_of(&request.merchant);
        said.insert("authorization_id".into(), declined.id.text().into());
        said.insert("transaction_type".into(), request.kind.word().into());
        let shown = json!({ "network_face": said, view::REASON_KEY: declined.reason.word() });
        Some(Self {
            id: AnyTransaction::Authorization(declined.id).to_string(),
            source: own,
            destination: NETWORK.to_owned(),
            reference: request.transaction_id.clone(),
            description: request.kind.word().to_owned(),
            status: State::Rejected.word(),
            inflight: true,
            metadata: shown.to_string(),
            is_applied: false,
            ..Self::movement(at, asset, request.local.minor)
        })
    }

    /// What became of a purchase; nothing for what only changes the purchase itself.
    pub(super) fn step(stepped: &Stepped, own: String, at: At) -> Option<Self> {
        let authorization = &stepped.authorization;
        let (status, comes) = match stepped.kind {
            StepKind::Capture => (State::Committed, false),
            StepKind::Reversal => (State::Voided, false),
            StepKind::Expiry => (State::Expired, false),
            StepKind::Refund => (State::Applied, true),
            StepKind::RefundReversal => (State::Applied, false),
            StepKind::Increment => (State::Inflight, false),
            StepKind::IncrementDeclined(_) => (State::Rejected, false),
            StepKind::Concluded(_) => return None,
        };
        let over = stepped.over;
        let over = over.tolerated.saturating_plus(over.adjusted);
        let aside = sum(&stepped.surcharges).unwrap_or_default();
        let amount = stepped.amount.saturating_plus(over).saturating_plus(aside);
        let (source, destination) = if comes {
            (NETWORK.to_owned(), own)
        } else {
            (own, NETWORK.to_owned())
        };
        Some(Self {
            parent: AnyTransaction::Authorization(authorization.id).to_string(),
            source,
            destination,
            reference: stepped.transaction_id.clone(),
            description: stepped.kind.word().to_owned(),
            status: status.word(),
            inflight: status == State::Inflight,
            is_applied: matches!(status, State::Committed | State::Applied),
            ..Self::movement(at, authorization.asset, amount)
        })
    }
}

/// All that an authorization asks of its accounts, what is set aside on top included.
pub(super) fn authorization_amount(authorization: &Authorization) -> Amount {
    authorization
        .amount()
        .saturating_plus(authorization.surcharged())
}

/// The word for where a purchase is; `at_once` if it was captured by the record that took it.
pub(super) fn authorization_status(authorization: &Authorization, at_once: bool) -> &'static str {
    use hold::State as Held;
    if authorization.decision.is_open() {
        return State::Reserved.word();
    }
    let state = match authorization.state() {
        Held::Pending | Held::PartiallyCaptured => State::Inflight,
        Held::Captured | Held::Refunded | Held::PartiallyRefunded if at_once => State::Applied,
        Held::Captured | Held::Refunded | Held::PartiallyRefunded => State::Committed,
        Held::Reversed => State::Voided,
        Held::Expired => State::Expired,
        Held::Declined => State::Rejected,
    };
    state.word()
}

/// What only the network face has, as metadata.
fn of_network(said: Map<String, Value>) -> String {
    json!({ "network_face": said }).to_string()
}

fn said_of(merchant: &Merchant) -> Map<String, Value> {
    let mut said = Map::new();
    let mcc = merchant.mcc.map(|mcc| mcc.to_string());
    for (name, value) in [
        ("merchant_id", &merchant.id),
        ("merchant_name", &merchant.name),
        ("mcc", &mcc),
        ("merchant_city", &merchant.city),
        ("merchant_country", &merchant.country),
    ] {
        if let Some(value) = value {
            said.insert(name.to_owned(), json!(value));
        }
    }
    said
}

fn object_or_none(text: &str) -> String {
    if text.trim_start().starts_with('{') {
        text.to_owned()
    } else {
        "{}".to_owned()
    }
}

/// The texts and numbers of a JSON object, without their keys.
pub(super) fn words_of(json: &str) -> String {
    let mut out = String::new();
    if json.len() > 2
        && let Ok(value) = serde_json::from_str::<Value>(json)
    {
        gather(&value, &mut out);
    }
    out
}

fn gather(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            let _ = write!(out, "{number} ");
        }
        Value::String(text) => {
            out.push_str(text);
            out.push(' ');
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, out)),
        Value::Object(members) => members.values().for_each(|item| gather(item, out)),
    }
}
