//! Fees on their way to who earns them, and back: a treasury of the house, an account of this actor,
//! or one that lives elsewhere and is reached through transit.

use super::draft::Draft;
use crate::domain::{
    account::Status,
    command::{Context, Purpose, Transfer},
    event::{Event, Movement},
    group::Group,
    hold::{Authorization, FeeLine},
    ids::{AccountNo, ActorId, TransferId},
    money::{Amount, MoneyError},
    posting::{House, Place, Posting},
};

/// Which way fees go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the network's account to the earner.
    Out,
    /// From the earner to the network's account.
    Back,
}

enum Earner {
    Here(Place),
    Elsewhere(AccountNo),
}

fn earner(group: &Group, fee: &FeeLine) -> Earner {
    let Some(no) = fee.payee else {
        return Earner::Here(Place::House(House::Treasury(fee.treasury.clone())));
    };
    match group.account(no) {
        None => Earner::Elsewhere(no),
        Some(account) if account.status == Status::Deleted => {
            Earner::Here(Place::House(House::Suspense))
        }
        Some(account) => Earner::Here(Place::Spendable(account.ledger)),
    }
}

/// Moves a part of each fee, in the order of the fees; what goes through transit comes back as
/// events of their own.
pub(super) fn settle(
    authorization: &Authorization,
    parts: &[Amount],
    way: Way,
    (group, draft): (&Group, &mut Draft<'_>),
    context: &Context<'_>,
) -> Result<Vec<Event>, MoneyError> {
    let settlement = || Place::House(House::Settlement);
    let mut sent = Vec::new();
    for (fee, part) in authorization.fees.iter().zip(parts) {
        if part.is_zero() {
            continue;
        }
        match earner(group, fee) {
            Earner::Here(place) => {
                let (from, to) = match way {
                    Way::Out => (settlement(), place),
                    Way::Back => (place, settlement()),
                };
                draft.post(from, to, authorization.asset, *part)?;
            }
            Earner::Elsewhere(no) => {
                let place = u64::try_from(sent.len()).map_err(|_| MoneyError::OutOfRange)?;
                let id = TransferId(context.transfers_from.0.saturating_add(place));
                sent.push(through_transit(
                    (authorization, fee, no),
                    (id, *part),
                    way,
                    group,
                ));
            }
        }
    }
    Ok(sent)
}

fn through_transit(
    (authorization, fee, earner): (&Authorization, &FeeLine, AccountNo),
    (id, amount): (TransferId, Amount),
    way: Way,
    group: &Group,
) -> Event {
    let (settlement, transit) = (
        Place::House(House::Settlement),
        Place::House(House::Transit),
    );
    let (source, destination, purpose) = match way {
        Way::Out => (settlement, transit, Purpose::Fee),
        Way::Back => (transit, settlement, Purpose::FeeRecall),
    };
    let account = group.account(authorization.account);
    let transfer = Transfer {
        id,
        source: authorization.account,
        source_urn: account
            .map(crate::domain::account::Account::urn)
            .unwrap_or_default(),
        source_actor: group.id,
        destination: earner,
        destination_urn: fee.treasury.to_string(),
        // Where it lived at first; the courier asks where it lives now.
        destination_actor: ActorId(earner.0),
        asset: authorization.asset,
        amount,
        reference: format!("{}:{}", authorization.transaction_id, fee.name),
        metadata: "{}".into(),
        purpose,
    };
    let posting = Posting {
        source,
        destination,
        asset: authorization.asset,
        amount,
    };
    let movement = Movement {
        postings: vec![posting],
        after: Vec::new(),
    };
    Event::TransferSent(Box::new(transfer), movement)
}
