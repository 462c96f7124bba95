//! Money between actors: each transfer leaves once, and arrives once or comes back once.

use std::collections::BTreeMap;

use super::{
    finding::{Check, Findings, Severity, Spot},
    outcome::Joined,
};
use crate::{
    domain::{
        command::{Purpose, Transfer},
        event::{Event, Movement},
        ids::{AccountNo, ActorId, TransferId},
        money::Asset,
        posting::{House, Place},
    },
    replay::sum::Sum,
};

/// What a record says of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It left.
    Sent,
    /// It arrived.
    Received,
    /// Its sender knows that it arrived.
    Settled,
    /// It came back.
    Returned,
}

/// One step of a transfer.
#[derive(Clone, Debug)]
pub struct Passage {
    /// Which.
    pub id: TransferId,
    /// What happened.
    pub step: Step,
    /// Where it says so.
    pub spot: Spot,
    /// What, how much, and for whom; a settlement names only the transfer.
    pub what: Option<(Asset, i128, AccountNo)>,
    /// Who was to record it, where the transfer says that.
    pub own: Option<ActorId>,
}

/// What transit has of a transfer on its way: a recall was paid out of it before it was collected.
const fn owed(transfer: &Transfer) -> i128 {
    match transfer.purpose {
        Purpose::Transfer | Purpose::Fee | Purpose::Booking => transfer.amount.minor(),
        Purpose::FeeRecall => transfer.amount.minor().saturating_neg(),
    }
}

/// Notes what `event` says of a transfer; what is wrong with the event by itself goes to `say`.
pub fn passage(event: &Event, spot: &Spot, say: &mut dyn FnMut(String)) -> Option<Passage> {
    let moved = event.movement().map_or(0, in_transit);
    let (step, transfer, due, own) = match event {
        Event::TransferSent(transfer, _) => {
            (Step::Sent, transfer, owed(transfer), transfer.source_actor)
        }
        Event::TransferReceived(transfer, _) => {
            let amount = owed(transfer).saturating_neg();
            (Step::Received, transfer, amount, transfer.destination_actor)
        }
        Event::TransferReturned(transfer, _) => {
            let amount = owed(transfer).saturating_neg();
            (Step::Returned, transfer, amount, transfer.source_actor)
        }
        Event::TransferSettled(id) => {
            let (id, spot) = (*id, spot.clone());
            let (step, what) = (Step::Settled, None);
            return Some(Passage {
                id,
                step,
                spot,
                what,
                own: None,
            });
        }
        Event::AccountOpened(_)
        | Event::AccountChanged { .. }
        | Event::Deposited(..)
        | Event::Withdrawn(..)
        | Event::TransferredWithin(..)
        | Event::AuthorizationApproved(_)
        | Event::AuthorizationDeclined(_)
        | Event::AuthorizationStepped(_)
        | Event::Absorbed(_)
        | Event::Booked(_) => {
            if moved != 0 {
                say(format!("{moved} goes through transit without a transfer"));
            }
            return None;
        }
    };
    if moved != due {
        say(format!(
            "{}: {moved} goes into transit, {due} was due",
            transfer.id
        ));
    }
    Some(Passage {
        id: transfer.id,
        step,
        spot: spot.clone(),
        what: Some(of(transfer)),
        own: Some(own),
    })
}

fn of(transfer: &Transfer) -> (Asset, i128, AccountNo) {
    let amount = transfer.amount.minor();
    (transfer.asset, amount, transfer.destination)
}

fn in_transit(movement: &Movement) -> i128 {
    let is_transit = |place: &Place| matches!(place, Place::House(House::Transit));
    movement.postings.iter().fold(0, |sum: i128, posting| {
        let amount = posting.amount.minor();
        match (
            is_transit(&posting.source),
            is_transit(&posting.destination),
        ) {
            (true, false) => sum.saturating_sub(amount),
            (false, true) => sum.saturating_add(amount),
            (true, true) | (false, false) => sum,
        }
    })
}

/// Whether what was of one actor is of the other, by the groups that came into others.
fn leads_to(from: Option<ActorId>, to: Option<ActorId>, joined: &Joined) -> bool {
    let (mut at, mut steps_left) = (from, joined.len());
    while at != to {
        let next = at.and_then(|actor| joined.get(&actor));
        let Some(next) = next.filter(|_| steps_left > 0) else {
            return false;
        };
        at = Some(next.home);
        steps_left = steps_left.saturating_sub(1);
    }
    true
}

/// Holds the steps of all transfers against each other and against what the house has in transit;
/// returns how many transfers there are and how many are still on their way.
pub fn settle(
    mut passages: Vec<Passage>,
    in_house: &BTreeMap<Asset, Sum>,
    joined: &Joined,
    findings: &mut Findings,
) -> (u64, u64) {
    for passage in &passages {
        let own = passage.own.or(passage.spot.actor);
        if !leads_to(own, passage.spot.actor, joined) {
            let what = format!(
                "{} is recorded by an actor that it does not name",
                passage.id
            );
            findings.push(Severity::Fault, Check::Transit, passage.spot.clone(), what);
        }
    }
    passages.sort_by_key(|passage| (passage.id, passage.step, passage.spot.lsn));
    let (mut transfers, mut open) = (0_u64, 0_u64);
    let mut under_way: BTreeMap<Asset, Sum> = BTreeMap::new();
    for steps in passages.chunk_by(|a, b| a.id == b.id) {
        transfers = transfers.saturating_add(1);
        if let Some((asset, amount)) = one(steps, findings) {
            open = open.saturating_add(1);
            let sum = under_way.entry(asset).or_default();
            *sum += amount;
        }
    }
    for (asset, has) in in_house {
        let due = under_way.remove(asset).unwrap_or_default();
        if *has != due {
            let what = format!("{asset}: transit has {has}, transfers under way have {due}");
            findings.push(Severity::Fault, Check::Transit, Spot::default(), what);
        }
    }
    (transfers, open)
}

/// Checks one transfer; returns what of it is in transit still.
fn one(steps: &[Passage], findings: &mut Findings) -> Option<(Asset, i128)> {
    let mut say = |passage: &Passage, what: String| {
        findings.push(Severity::Fault, Check::Transit, passage.spot.clone(), what);
    };
    let of = |step: Step| steps.iter().filter(move |passage| passage.step == step);
    for step in [Step::Sent, Step::Received, Step::Settled, Step::Returned] {
        for again in of(step).skip(1) {
            say(again, format!("{} is {step:?} a second time", again.id));
        }
    }
    let sent = of(Step::Sent).next();
    let (received, returned) = (of(Step::Received).next(), of(Step::Returned).next());
    let settled = of(Step::Settled).next();
    for passage in [received, settled, returned].into_iter().flatten() {
        let id = passage.id;
        match sent {
            None => say(passage, format!("{id} was never sent")),
            Some(sent) if sent.spot.lsn >= passage.spot.lsn => {
                say(passage, format!("{id} ends before it was sent"));
            }
            Some(sent) if passage.what.is_some() && passage.what != sent.what => {
                say(passage, format!("{id} is not what was sent"));
            }
            Some(_) => {}
        }
    }
    if let (Some(_), Some(returned)) = (received, returned) {
        say(returned, format!("{} arrived and came back", returned.id));
    }
    match (settled, received) {
        (Some(settled), None) => {
            say(
                settled,
                format!("{} is settled, it never arrived", settled.id),
            );
        }
        (Some(settled), Some(received)) if settled.spot.lsn <= received.spot.lsn => {
            say(
                settled,
                format!("{} is settled before it arrived", settled.id),
            );
        }
        (Some(_), Some(_)) | (None, _) => {}
    }
    if let (Some(settled), Some(_)) = (settled, returned) {
        say(settled, format!("{} is settled and came back", settled.id));
    }
    let (asset, amount, _) = sent?.what?;
    (received.is_none() && returned.is_none()).then_some((asset, amount))
}
