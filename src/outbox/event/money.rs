//! Money that is no purchase: deposits, withdrawals, transfers, fees on their way to who earns them.

use super::{
    Maker,
    json::{Facts, Text},
};
use crate::domain::{
    command::{MoveMoney, Purpose, Transfer},
    event::{Event, Movement, StepKind},
    hold::{Authorization, FeeLine},
    ids::{AccountNo, RecordId},
    money::{Amount, Asset},
    posting::{House, Place, Posting},
};

pub(super) fn tell(maker: &mut Maker<'_>, event: &Event) {
    match event {
        Event::Deposited(moved, _) => tell_moved(maker, moved, ("deposit", "dep_")),
        Event::Withdrawn(moved, _) => tell_moved(maker, moved, ("withdrawal", "wdr_")),
        Event::TransferredWithin(transfer, _) => {
            tell_transfer(maker, transfer, transfer.source, "transfer.sent");
            tell_transfer(maker, transfer, transfer.destination, "transfer.received");
        }
        Event::TransferSent(transfer, _) => match transfer.purpose {
            Purpose::Transfer => tell_transfer(maker, transfer, transfer.source, "transfer.sent"),
            // The purchase's own event tells of it.
            Purpose::Fee | Purpose::FeeRecall | Purpose::Booking => {}
        },
        Event::TransferReceived(transfer, _) => {
            let word = match transfer.purpose {
                Purpose::Transfer => "transfer.received",
                Purpose::Fee => "fee.received",
                Purpose::FeeRecall => "fee.returned",
                // The transaction's own event tells of it.
                Purpose::Booking => return,
            };
            tell_transfer(maker, transfer, transfer.destination, word);
        }
        Event::TransferReturned(transfer, _) => match transfer.purpose {
            Purpose::Transfer => {
                tell_transfer(maker, transfer, transfer.source, "transfer.returned");
            }
            // Whoever earned it is gone: the house's suspense account stands in.
            Purpose::Fee | Purpose::FeeRecall | Purpose::Booking => {}
        },
        Event::AccountOpened(_)
        | Event::AccountChanged { .. }
        | Event::TransferSettled(_)
        | Event::AuthorizationApproved(_)
        | Event::AuthorizationDeclined(_)
        | Event::AuthorizationStepped(_)
        | Event::Absorbed(_)
        | Event::Booked(_) => {}
    }
}

fn tell_moved(maker: &mut Maker<'_>, moved: &MoveMoney, (word, prefix): (&'static str, &str)) {
    let Some(about) = maker.subject(moved.account) else {
        return;
    };
    let data = amount(moved.asset, moved.amount)
        .with("id", &RecordId(maker.lsn).text(prefix))
        .with("reference", &moved.reference)
        .with_object("metadata", &moved.metadata);
    maker.tell(about, ("money", word), &data);
}

fn tell_transfer(maker: &mut Maker<'_>, transfer: &Transfer, whose: AccountNo, word: &'static str) {
    let Some(about) = maker.subject(whose) else {
        return;
    };
    let data = amount(transfer.asset, transfer.amount)
        .with("transfer_id", &Text(transfer.id))
        .with("source_account_urn", &transfer.source_urn)
        .with("destination_account_urn", &transfer.destination_urn)
        .with("reference", &transfer.reference)
        .with_object("metadata", &transfer.metadata);
    maker.tell(about, ("transfer", word), &data);
}

fn amount(asset: Asset, amount: Amount) -> Facts {
    Facts::default()
        .with("asset", &Text(asset))
        .with("amount", &Text(amount))
}

/// Fees that reached, or left, an account of the same group in the record of the purchase: no transfer
/// tells of those.
pub(super) fn tell_fees(maker: &mut Maker<'_>, events: &[Event]) {
    let sent_to = |no: AccountNo| {
        events.iter().any(|event| match event {
            Event::TransferSent(transfer, _) => transfer.destination == no,
            Event::AccountOpened(_)
            | Event::AccountChanged { .. }
            | Event::Deposited(..)
            | Event::Withdrawn(..)
            | Event::TransferredWithin(..)
            | Event::TransferReceived(..)
            | Event::TransferSettled(_)
            | Event::TransferReturned(..)
            | Event::AuthorizationApproved(_)
            | Event::AuthorizationDeclined(_)
            | Event::AuthorizationStepped(_)
            | Event::Absorbed(_)
            | Event::Booked(_) => false,
        })
    };
    for event in events {
        let Some(earned) = Earned::of(event) else {
            continue;
        };
        for &(fee, part) in &earned.parts {
            let here = fee.payee.filter(|no| !part.is_zero() && !sent_to(*no));
            let Some(no) = here.filter(|_| earned.is_posted(part)) else {
                continue;
            };
            tell_earned(maker, (no, fee, part), earned.authorization, earned.word);
        }
    }
}

/// What fees a record moved, and which way.
struct Earned<'a> {
    authorization: &'a Authorization,
    movement: &'a Movement,
    parts: Vec<(&'a FeeLine, Amount)>,
    word: &'static str,
}

impl<'a> Earned<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        if let Some(approved) = event.approved() {
            let fees = approved.authorization.fees.iter();
            return Some(Self {
                authorization: &approved.authorization,
                movement: &approved.movement,
                parts: fees.map(|fee| (fee, fee.charged)).collect(),
                word: "fee.received",
            });
        }
        let stepped = event.stepped()?;
        let word = match stepped.kind {
            StepKind::Capture | StepKind::RefundReversal | StepKind::Concluded(_) => "fee.received",
            StepKind::Refund => "fee.returned",
            StepKind::Increment
            | StepKind::IncrementDeclined(_)
            | StepKind::Reversal
            | StepKind::Expiry => return None,
        };
        let fees = stepped.authorization.fees.iter();
        Some(Self {
            authorization: &stepped.authorization,
            movement: &stepped.movement,
            parts: fees.zip(stepped.fees.iter().copied()).collect(),
            word,
        })
    }

    /// Whether it went to an account, not to suspense because that is gone.
    fn is_posted(&self, part: Amount) -> bool {
        let settlement = Place::House(House::Settlement);
        let fits = |posting: &Posting| {
            let (house, there) = match self.word {
                "fee.returned" => (&posting.destination, &posting.source),
                _ => (&posting.source, &posting.destination),
            };
            *house == settlement && matches!(there, Place::Spendable(_)) && posting.amount == part
        };
        self.movement.postings.iter().any(fits)
    }
}

fn tell_earned(
    maker: &mut Maker<'_>,
    (no, fee, part): (AccountNo, &FeeLine, Amount),
    authorization: &Authorization,
    word: &'static str,
) {
    let source = maker.names.of(authorization.account);
    let (Some(about), Some(source)) = (maker.subject(no), source) else {
        return;
    };
    let data = amount(authorization.asset, part)
        .with("source_account_urn", &source.urn)
        .with("destination_account_urn", &&*fee.treasury)
        .with(
            "reference",
            &format!("{}:{}", authorization.transaction_id, fee.name),
        )
        .with_object("metadata", "{}");
    maker.tell(about, ("transfer", word), &data);
}
