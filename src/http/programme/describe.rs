//! Says what a movement was: by whom, for what, with all that the books know of it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    movement::{
        Direction, Folded, Found, MovementDetails, MovementView, Pocket, Rest, Sent, Subject,
    },
    view::text_of,
    walk::{Line, Sum},
};
use crate::domain::{
    command::{Authorize, MoveMoney, Purpose, Transfer},
    decision::Ruling,
    event::{Approved, Event, StepKind, Stepped},
    hold::{Authorization, FeeLine, State},
    merchant::Merchant,
    money::{Amount, Decimal, LocalAmount},
    rate::Rate,
};

/// A movement being described.
pub struct Draft<'a> {
    /// Whose it is.
    pub subject: &'a Subject,
    /// Which money.
    pub pocket: Pocket,
    /// Which way.
    pub direction: Direction,
    /// The request behind a step.
    pub first: Option<&'a Arc<Authorize>>,
}

impl Draft<'_> {
    /// Says all of a movement but how much, which way and when.
    #[must_use]
    pub fn describe(&self, event: &Event) -> Found {
        match event {
            Event::Deposited(moved, _) => self.money("deposit", moved),
            Event::Withdrawn(moved, _) => self.money("withdrawal", moved),
            Event::TransferredWithin(transfer, _) | Event::TransferReceived(transfer, _) => {
                transferred("transfer", transfer, false)
            }
            Event::TransferSent(transfer, _) => {
                let mut found = transferred("transfer", transfer, false);
                found.rest = Rest::Sent(Sent {
                    id: transfer.id,
                    source: transfer.source_actor,
                });
                found
            }
            Event::TransferReturned(transfer, _) => transferred("transfer_return", transfer, true),
            Event::AuthorizationApproved(approved) => self.approved(approved),
            Event::AuthorizationStepped(stepped) => self.stepped(stepped),
            Event::AccountOpened(_)
            | Event::AccountChanged { .. }
            | Event::TransferSettled(_)
            | Event::AuthorizationDeclined(_)
            | Event::Absorbed(_)
            | Event::Booked(_) => self.card("none", BTreeMap::new()),
        }
    }

    fn money(&self, kind: &'static str, moved: &MoveMoney) -> Found {
        let (mut from, mut to) = ("world".to_owned(), self.subject.urn.clone());
        if self.direction == Direction::Out {
            std::mem::swap(&mut from, &mut to);
        }
        let mut found = blank(kind, from, to);
        found.view.kind = self.plain_kind();
        found.view.rail_name = "external";
        found.view.reference.clone_from(&moved.reference);
        found.view.details.metadata = texts(&moved.metadata);
        found
    }

    const fn plain_kind(&self) -> &'static str {
        match self.direction {
            Direction::In => "deposit",
            Direction::Out => "withdraw",
        }
    }

    fn card(&self, kind: &'static str, metadata: BTreeMap<String, String>) -> Found {
        let far = match self.pocket {
            Pocket::Main => "settlement",
            Pocket::Pending => "hold",
        };
        let (mut from, mut to) = (far.to_owned(), self.subject.urn.clone());
        if self.direction == Direction::Out {
            std::mem::swap(&mut from, &mut to);
        }
        let mut found = blank(kind, from, to);
        found.view.kind = self.plain_kind();
        found.view.rail_name = "card";
        let id = metadata.get("transaction_id");
        found.view.reference = id.cloned().unwrap_or_default();
        found.view.details.metadata = metadata;
        if self.pocket == Pocket::Pending {
            found.view.status = "cancelled";
        }
        found
    }

    fn approved(&self, approved: &Approved) -> Found {
        let authorization = &approved.authorization;
        let request = &approved.request;
        let kind = match (authorization.is_forced, self.pocket) {
            (true, _) => "force_post",
            (false, Pocket::Main) => "capture",
            (false, Pocket::Pending) => "authorization",
        };
        let fees = authorization.fees.iter().map(|fee| (fee, fee.amount));
        let mut metadata = self.card_texts(authorization, Some(request));
        put(
            &mut metadata,
            "transaction_id",
            &authorization.transaction_id,
        );
        put(
            &mut metadata,
            "local_amount",
            &authorization.local_amount().to_string(),
        );
        put(&mut metadata, "transaction_type", authorization.kind.word());
        put(&mut metadata, "operation_type", kind);
        put_fees(&mut metadata, fees, authorization.amount());
        put_usd(&mut metadata, request);
        let mut found = self.card(kind, metadata);
        if self.pocket == Pocket::Pending {
            found.rest = Rest::Hold(authorization.id);
        }
        found
    }

    fn stepped(&self, stepped: &Stepped) -> Found {
        let authorization = &stepped.authorization;
        let is_main = self.pocket == Pocket::Main;
        let kind = match (stepped.kind, self.direction) {
            // What a capture brings an account was set aside for it, or is a fee that it earns; a
            // refund takes it back.
            (StepKind::Capture, Direction::In) if is_main => "cashback",
            (StepKind::Refund, Direction::Out) if is_main => "cashback_reversal",
            (StepKind::Concluded(Ruling::Approved), Direction::In) if is_main => "cashback",
            (StepKind::Concluded(Ruling::Approved), _) => "capture",
            (kind, _) => kind.word(),
        };
        let local = LocalAmount {
            minor: stepped.local,
            currency: authorization.currency,
        };
        let own = match stepped.transaction_id.as_str() {
            "" => &authorization.transaction_id,
            own => own,
        };
        let fees = authorization.fees.iter().zip(stepped.fees.iter().copied());
        let mut metadata = self.card_texts(authorization, self.first);
        put(&mut metadata, "transaction_id", own);
        put(&mut metadata, "local_amount", &local.to_string());
        put(&mut metadata, "transaction_type", &step_type(stepped));
        put(&mut metadata, "operation_type", kind);
        if !stepped.fees.is_empty() {
            put_fees(&mut metadata, fees, stepped.amount);
        }
        let mut found = self.card(kind, metadata);
        let is_hold = self.pocket == Pocket::Pending && self.direction == Direction::Out;
        if is_hold {
            found.rest = Rest::Hold(authorization.id);
        }
        found
    }

    /// What every movement of a card's authorization says.
    fn card_texts(
        &self,
        authorization: &Authorization,
        request: Option<&Arc<Authorize>>,
    ) -> BTreeMap<String, String> {
        let mut metadata = BTreeMap::new();
        if let Some(request) = request {
            put_merchant(&mut metadata, &request.merchant);
        }
        if let Some((id, last_four)) = self.subject.cards.get(&authorization.account) {
            put(&mut metadata, "card_id", id);
            put(&mut metadata, "card_last_four", last_four);
        }
        let rate = authorization.rate.to_string();
        put(
            &mut metadata,
            "authorization_id",
            &authorization.id.to_string(),
        );
        put(
            &mut metadata,
            "original_transaction_id",
            &authorization.transaction_id,
        );
        put(
            &mut metadata,
            "local_currency",
            authorization.currency.code(),
        );
        put(&mut metadata, "exchange_rate", &rate);
        put(
            &mut metadata,
            "selected_asset",
            &authorization.asset.to_string(),
        );
        metadata
    }
}

/// An authorization with all that became of it as one line: what it took for good and still holds, less
/// what it brought back.
#[must_use]
pub fn folded(folded: &Folded, sum: &Sum, mut view: MovementView) -> Line {
    let (subject, ledger) = (&folded.subject, folded.subject.ledger);
    let Some(authorization) = &sum.authorization else {
        return Line {
            view,
            has_captured: false,
            is_held: false,
        };
    };
    let legs = authorization.legs.iter().filter(|leg| leg.ledger == ledger);
    let held = legs.fold(Amount::ZERO, |sum, leg| sum.saturating_plus(leg.held()));
    let out = sum.went.saturating_add(held.minor().unsigned_abs());
    let direction = if sum.came > out {
        Direction::In
    } else {
        Direction::Out
    };
    let draft = Draft {
        subject,
        pocket: Pocket::Main,
        direction,
        first: None,
    };
    let mut metadata = draft.card_texts(authorization, folded.request.as_ref());
    let operation = if authorization.is_forced {
        "force_post"
    } else {
        "authorization"
    };
    for (name, text) in [
        ("transaction_id", authorization.transaction_id.clone()),
        ("local_amount", authorization.local_amount().to_string()),
        ("transaction_type", authorization.kind.word().to_owned()),
        ("operation_type", operation.to_owned()),
        (
            "authorization_status",
            authorization.state().word().to_owned(),
        ),
        ("held_amount", held.to_string()),
        ("captured_amount", sum.went.to_string()),
        ("refunded_amount", sum.came.to_string()),
    ] {
        put(&mut metadata, name, &text);
    }
    if let Some(request) = &folded.request {
        put_usd(&mut metadata, request);
    }
    let found = draft.card(operation, metadata);
    view = MovementView {
        amount: out.abs_diff(sum.came).to_string(),
        direction: direction.word(),
        status: match authorization.state() {
            State::Pending | State::PartiallyCaptured => "pending",
            State::Captured | State::PartiallyRefunded | State::Refunded => "settled",
            State::Reversed | State::Expired | State::Declined => "cancelled",
        },
        asset: view.asset,
        created_at: view.created_at,
        ..found.view
    };
    Line {
        view,
        has_captured: sum.went > 0,
        is_held: !held.is_zero(),
    }
}

/// What the purchase was in US dollars, and the rate that says so.
fn put_usd(metadata: &mut BTreeMap<String, String>, request: &Authorize) {
    let Some(usd) = request.required_usd() else {
        return;
    };
    put(metadata, "usd_amount", &usd.to_string());
    if let Some(rate) = usd_rate(request, usd) {
        put(metadata, "local_to_usd_rate", &rate);
    }
}

/// US dollars for one unit of the local currency, rounded for show.
fn usd_rate(request: &Authorize, usd: Decimal) -> Option<String> {
    let local = Decimal {
        mantissa: request.local.minor.minor(),
        scale: request.local.currency.digits(),
    };
    let (usd, local) = (
        Rate::from_decimal(usd).ok()?,
        Rate::from_decimal(local).ok()?,
    );
    let rate = usd.then(&local.inverse()).shown().ok()?;
    Some(rate.trimmed().to_string())
}

/// A movement of which only the ends are known.
pub(super) fn blank(kind: &str, from: String, to: String) -> Found {
    Found {
        view: MovementView {
            amount: String::new(),
            asset: String::new(),
            from_account_id: from,
            to_account_id: to,
            direction: "",
            kind: "transfer",
            reference: String::new(),
            rail_name: "transfer",
            status: "confirmed",
            details: MovementDetails {
                kind: kind.to_owned(),
                metadata: BTreeMap::new(),
            },
            created_at: String::new(),
        },
        rest: Rest::Nothing,
    }
}

fn transferred(kind: &'static str, transfer: &Transfer, is_back: bool) -> Found {
    let (mut from, mut to) = (
        transfer.source_urn.clone(),
        transfer.destination_urn.clone(),
    );
    if is_back {
        std::mem::swap(&mut from, &mut to);
    }
    let mut found = blank(kind, from, to);
    found.view.reference = match transfer.reference.as_str() {
        "" => transfer.id.to_string(),
        own => own.to_owned(),
    };
    found.view.details.metadata = texts(&transfer.metadata);
    let purpose = match transfer.purpose {
        Purpose::Transfer => None,
        Purpose::Fee => Some("fee"),
        Purpose::FeeRecall => Some("fee_returned"),
        Purpose::Booking => Some("ledger"),
    };
    if let Some(purpose) = purpose {
        found.view.details.kind = purpose.to_owned();
    }
    put(
        &mut found.view.details.metadata,
        "transfer_id",
        &transfer.id.to_string(),
    );
    found
}

/// The network's word for a step. Source: Bloque SDK, lifecycle by transaction type.
fn step_type(stepped: &Stepped) -> String {
    let kind = stepped.authorization.kind.word();
    match stepped.kind {
        StepKind::Increment
        | StepKind::IncrementDeclined(_)
        | StepKind::Capture
        | StepKind::Concluded(Ruling::Approved) => kind.to_owned(),
        StepKind::Reversal | StepKind::Expiry | StepKind::Concluded(Ruling::Declined) => {
            format!("REVERSAL_{kind}")
        }
        StepKind::Refund => "REFUND".to_owned(),
        StepKind::RefundReversal => "REVERSAL_REFUND".to_owned(),
    }
}

pub(super) fn put(metadata: &mut BTreeMap<String, String>, name: &str, text: &str) {
    metadata.insert(name.to_owned(), text.to_owned());
}

fn put_merchant(metadata: &mut BTreeMap<String, String>, merchant: &Merchant) {
    let mcc = merchant.mcc.map(|mcc| mcc.to_string());
    for (name, value) in [
        ("merchant_id", &merchant.id),
        ("merchant_name", &merchant.name),
        ("merchant_mcc", &mcc),
        ("merchant_city", &merchant.city),
        ("merchant_country", &merchant.country),
        ("merchant_address", &merchant.address),
        ("merchant_terminal_id", &merchant.terminal_id),
    ] {
        if let Some(value) = value {
            put(metadata, name, value);
        }
    }
}

/// Each fee as `fee_` and its name, their sum, and what the network got.
fn put_fees<'a>(
    metadata: &mut BTreeMap<String, String>,
    fees: impl Iterator<Item = (&'a FeeLine, Amount)>,
    whole: Amount,
) {
    let mut total = Amount::ZERO;
    for (fee, amount) in fees {
        total = total.saturating_plus(amount);
        put(metadata, &format!("fee_{}", fee.name), &amount.to_string());
    }
    put(metadata, "total_fees", &total.to_string());
    put(
        metadata,
        "settlement",
        &whole.minus_or_zero(total).to_string(),
    );
}

/// An object's values as texts.
pub(super) fn texts(object: &str) -> BTreeMap<String, String> {
    let object: serde_json::Map<String, Value> = serde_json::from_str(object).unwrap_or_default();
    let all = object.into_iter().filter(|(_, value)| !value.is_null());
    all.map(|(key, value)| (key, text_of(&value).into_owned()))
        .collect()
}
