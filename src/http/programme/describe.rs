//! Says what a movement was: by whom, for what, with all that the books know of it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    movement::{Direction, Found, MovementDetails, MovementView, Pocket, Subject},
    view::text_of,
};
use crate::domain::{
    command::{Authorize, MoveMoney, Purpose, Transfer},
    decision::Ruling,
    event::{Approved, Event, StepKind, Stepped},
    hold::{Authorization, FeeLine},
    merchant::Merchant,
    money::{Amount, LocalAmount},
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
            Event::TransferredWithin(transfer, _)
            | Event::TransferSent(transfer, _)
            | Event::TransferReceived(transfer, _) => transferred("transfer", transfer, false),
            Event::TransferReturned(transfer, _) => transferred("transfer_return", transfer, true),
            Event::AuthorizationApproved(approved) => self.approved(approved),
            Event::AuthorizationStepped(stepped) => self.stepped(stepped),
            Event::AccountOpened(_)
            | Event::AccountChanged { .. }
            | Event::TransferSettled(_)
            | Event::AuthorizationDeclined(_)
            | Event::Absorbed(_) => self.card("none", BTreeMap::new()),
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
        if let Some(usd) = request.required_usd() {
            put(&mut metadata, "usd_amount", &usd.to_string());
        }
        let mut found = self.card(kind, metadata);
        found.hold = (self.pocket == Pocket::Pending).then_some(authorization.id);
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
        found.hold = is_hold.then_some(authorization.id);
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

fn blank(kind: &str, from: String, to: String) -> Found {
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
        hold: None,
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

fn put(metadata: &mut BTreeMap<String, String>, name: &str, text: &str) {
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
fn texts(object: &str) -> BTreeMap<String, String> {
    let object: serde_json::Map<String, Value> = serde_json::from_str(object).unwrap_or_default();
    let all = object.into_iter().filter(|(_, value)| !value.is_null());
    all.map(|(key, value)| (key, text_of(&value).into_owned()))
        .collect()
}
