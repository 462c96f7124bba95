//! Events and state to words.

use cardwright::domain::{
    command::Command,
    event::{Event, Stepped},
    hold::Authorization,
    ids::ActorId,
    money::Asset,
    outcome::{DeclineReason, Rejection},
    posting::{House, Place},
};

use super::{Line, World, decimal};
use crate::books::{TREASURY, shell::word_of};

impl World {
    /// Runs the command and says what happened.
    pub(crate) fn run(&mut self, actor: ActorId, command: &Command) -> String {
        match self.shell.run(actor, command) {
            Ok(events) => {
                let last = events.last().unwrap();
                self.postings = last
                    .movement()
                    .map_or(Vec::new(), |known| known.postings.clone());
                said(&events[0])
            }
            Err(rejection) => format!("rejected: {rejection}{}", code(&rejection)),
        }
    }

    /// Says what is there.
    pub(crate) fn look(&self, line: &Line<'_>) -> String {
        let asset = line.asset();
        let shown = |minor: i128| {
            if line.flag("minor") {
                minor.to_string()
            } else {
                decimal(minor, asset)
            }
        };
        match line.verb {
            "balance" => {
                let (actor, no) = self.account(line.words.first().unwrap_or(&"C"));
                let group = &self.shell.groups[&actor];
                let ledger = group.ledger(group.account(no).unwrap().ledger);
                let balance = ledger.unwrap().balance(asset);
                format!(
                    "current {} pending {} in {} out {}",
                    shown(balance.current),
                    shown(balance.pending),
                    shown(balance.incoming),
                    shown(balance.outgoing)
                )
            }
            "show" => {
                let id = self.authorizations[line.words[0]];
                authorization(&self.shell.recalled[&id], shown)
            }
            "house" => {
                let house = match line.words[0] {
                    "world" => House::World,
                    "settlement" => House::Settlement,
                    "transit" => House::Transit,
                    "suspense" => House::Suspense,
                    _ => House::Treasury(TREASURY.into()),
                };
                shown(i128::try_from(self.shell.house(house, asset)).unwrap())
            }
            _ => self.postings(shown),
        }
    }

    fn postings(&self, shown: impl Fn(i128) -> String) -> String {
        let one = |posting: &cardwright::domain::posting::Posting| {
            let (from, to) = (place(&posting.source), place(&posting.destination));
            format!("{from} > {to} {}", shown(posting.amount.minor()))
        };
        self.postings.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

fn place(place: &Place) -> &'static str {
    match place {
        Place::Spendable(_) => "spendable",
        Place::Held(_) => "held",
        Place::House(House::World) => "world",
        Place::House(House::Settlement) => "settlement",
        Place::House(House::Treasury(_)) => "treasury",
        Place::House(House::Transit) => "transit",
        Place::House(House::Suspense) => "suspense",
    }
}

fn authorization(known: &Authorization, shown: impl Fn(i128) -> String) -> String {
    format!(
        "{} held {} captured {} released {} refunded {} local {}",
        known.state().word(),
        shown(known.held().minor()),
        shown(known.captured().minor()),
        shown(known.released().minor()),
        shown(known.refunded().minor()),
        known.local_amount(),
    )
}

fn declined(reason: DeclineReason) -> String {
    format!("declined {} {}", reason.word(), reason.response_code())
}

fn said(event: &Event) -> String {
    match event {
        Event::AccountOpened(_) => "opened".into(),
        Event::AccountChanged { account, .. } => format!("now {}", account.status.word()),
        Event::Deposited(..) => "funded".into(),
        Event::Withdrawn(..) => "withdrawn".into(),
        Event::TransferredWithin(..) => "transferred".into(),
        Event::TransferSent(..) => "sent".into(),
        Event::TransferReceived(..) => "received".into(),
        Event::TransferSettled(_) => "settled".into(),
        Event::TransferReturned(..) => "returned".into(),
        Event::AuthorizationApproved(approved) => {
            let known = &approved.authorization;
            let words = match (known.is_forced, known.is_partial) {
                (true, _) => "posted",
                (false, true) => "partially approved",
                (false, false) => "approved",
            };
            let (amount, asset) = (known.amount().minor(), known.asset);
            format!("{words} {} {asset}", decimal(amount, asset))
        }
        Event::AuthorizationDeclined(no) => declined(no.reason),
        Event::AuthorizationStepped(step) => stepped(step),
        Event::Absorbed(_) => "absorbed".into(),
        Event::Booked(_) => "booked".into(),
    }
}

fn stepped(step: &Stepped) -> String {
    if let cardwright::domain::event::StepKind::IncrementDeclined(reason) = step.kind {
        return declined(reason);
    }
    let asset: Asset = step.authorization.asset;
    let mut words = format!(
        "{} {}",
        word_of(step.kind),
        decimal(step.amount.minor(), asset)
    );
    let fees: i128 = step.fees.iter().map(|fee| fee.minor()).sum();
    let more = [
        ("fees", fees),
        ("tolerated", step.over.tolerated.minor()),
        ("adjusted", step.over.adjusted.minor()),
        ("suspended", step.suspended.minor()),
    ];
    for (name, minor) in more {
        if minor != 0 {
            words.push_str(&format!(" {name} {}", decimal(minor, asset)));
        }
    }
    words
}

/// The state that goes with a refused step.
fn code(rejection: &Rejection) -> String {
    if let Rejection::MoreThanLeft { state, .. } = rejection {
        format!(" ({})", state.word())
    } else {
        String::new()
    }
}
