//! What a record of the log means as a movement of one account's money.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    booked::{self, Booking},
    describe::Draft,
};
use crate::domain::{
    command::Authorize,
    event::Event,
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransferId},
    money::Asset,
    posting::Place,
    time::Timestamp,
};

/// Which money is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pocket {
    /// What came and went for good.
    Main,
    /// What was held and let go.
    Pending,
}

/// Which way money went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the account.
    In,
    /// Away from it.
    Out,
}

impl Direction {
    /// That of a change, above zero towards the account.
    #[must_use]
    pub const fn of(change: i128) -> Self {
        if change > 0 { Self::In } else { Self::Out }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// A movement.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovementView {
    /// Smallest units; never negative.
    pub amount: String,
    /// `SYMBOL/DECIMALS`.
    pub asset: String,
    /// An account's URN, or `world`, `settlement` (the card network), `hold`.
    pub from_account_id: String,
    /// The same.
    pub to_account_id: String,
    /// in or out.
    pub direction: &'static str,
    /// deposit, withdraw or transfer.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The caller's reference or transaction id.
    pub reference: String,
    /// card, transfer or external.
    pub rail_name: &'static str,
    /// confirmed; of a hold and of a collapsed line: pending, settled or cancelled; of a transfer sent:
    /// also pending, while it is on its way, and failed, if it came back.
    #[schema(example = "confirmed")]
    pub status: &'static str,
    /// What it was for.
    pub details: MovementDetails,
    /// RFC 3339 with microseconds; no two movements of an account have the same, but for parts of one
    /// transaction or bulk of the ledger face.
    pub created_at: String,
}

/// What a movement was for.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovementDetails {
    /// authorization, capture, refund, deposit, transfer, …; of the ledger face's transactions ledger,
    /// ledger_hold, ledger_commit, ledger_void, ledger_expiry, ledger_refund.
    #[serde(rename = "type")]
    pub kind: String,
    /// Names and texts.
    #[schema(value_type = Object)]
    pub metadata: BTreeMap<String, String>,
}

/// A movement as its record tells it, with what only the present can say.
#[derive(Debug)]
pub struct Found {
    /// As shown, but for what is still to be seen.
    pub view: MovementView,
    /// What that is.
    pub rest: Rest,
}

/// What of a movement is not in its record.
#[derive(Debug)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// Its status: what became of the hold.
    Hold(AuthorizationId),
    /// Its status: whether the money arrived.
    Sent(Sent),
    /// All of it: the authorization is folded into this one line.
    Folded(Box<Folded>),
    /// What a transaction of the ledger face says of it.
    Booked(Box<Booking>),
}

/// Money that left for another actor.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The transfer.
    pub id: TransferId,
    /// Where it left.
    pub source: ActorId,
}

/// An authorization that becomes one line.
#[derive(Debug)]
pub struct Folded {
    /// Which.
    pub id: AuthorizationId,
    /// Whose money it drew.
    pub subject: Arc<Subject>,
    /// As it was asked.
    pub request: Option<Arc<Authorize>>,
}

/// Whose movements are looked for.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The money.
    pub ledger: LedgerNo,
    /// The account that was asked about.
    pub urn: String,
    /// The cards that may draw on the money: id and last four digits.
    pub cards: BTreeMap<AccountNo, (String, String)>,
}

/// How much of each asset a record moved, signed: above zero towards the account.
#[must_use]
pub fn changes(events: &[Event], ledger: LedgerNo, pocket: Pocket) -> BTreeMap<Asset, i128> {
    let mut sums: BTreeMap<Asset, Sums> = BTreeMap::new();
    let movements = events.iter().filter_map(Event::movement);
    for posting in movements.flat_map(|movement| &movement.postings) {
        let of = |place: &Place| place.ledger() == Some(ledger);
        let held = |place: &Place| *place == Place::Held(ledger);
        let (from, to) = (&posting.source, &posting.destination);
        let (leaves, arrives) = (of(from), of(to));
        if !leaves && !arrives {
            continue;
        }
        let sum = sums.entry(posting.asset).or_default();
        let amount = posting.amount.minor();
        if arrives && !leaves {
            sum.crossed = sum.crossed.saturating_add(amount);
        }
        if leaves && !arrives {
            sum.crossed = sum.crossed.saturating_sub(amount);
        }
        if held(to) {
            sum.held = sum.held.saturating_add(amount);
        }
        if held(from) {
            sum.held = sum.held.saturating_sub(amount);
        }
        if leaves && arrives {
            let inward = if held(from) {
                amount
            } else {
                amount.saturating_neg()
            };
            sum.released = sum.released.saturating_add(inward);
        }
    }
    let change = |sum: &Sums| match pocket {
        Pocket::Main => sum.crossed,
        // What was held and captured in one record was never held.
        Pocket::Pending if sum.released < 0 => sum.released.max(sum.held.max(0).saturating_neg()),
        Pocket::Pending => sum.released,
    };
    let all = sums.iter().map(|(asset, sum)| (*asset, change(sum)));
    all.filter(|(_, change)| *change != 0).collect()
}

#[derive(Default)]
struct Sums {
    /// Over the border of the ledger account.
    crossed: i128,
    /// Onto its held side.
    held: i128,
    /// From its held side to its spendable one.
    released: i128,
}

/// The first request behind a step, if it must be fetched.
#[must_use]
pub fn needs_first(events: &[Event]) -> Option<u64> {
    let stepped = events.iter().find_map(Event::stepped)?;
    Some(stepped.authorization.first_lsn)
}

/// The ledger accounts that a record's postings touch.
#[must_use]
pub fn ledgers_in(events: &[Event]) -> BTreeSet<LedgerNo> {
    let movements = events.iter().filter_map(Event::movement);
    let postings = movements.flat_map(|movement| &movement.postings);
    let both = postings.flat_map(|posting| [posting.source.ledger(), posting.destination.ledger()]);
    both.flatten().collect()
}

/// The movements of a record, one for each asset; of the ledger face's transactions one for each of them.
#[must_use]
pub fn found(
    events: &[Event],
    time: Timestamp,
    subject: &Subject,
    pocket: Pocket,
    first: Option<&Arc<Authorize>>,
) -> Vec<Found> {
    if booked::is_of_books(events) {
        return booked::found(events, time, subject, pocket);
    }
    let mut all = Vec::new();
    for (asset, change) in changes(events, subject.ledger, pocket) {
        let moves = |event: &&Event| {
            let postings = event
                .movement()
                .map(|movement| movement.postings.as_slice());
            let mut postings = postings.unwrap_or_default().iter();
            postings.any(|posting| posting.asset == asset)
        };
        let Some(event) = events.iter().find(moves) else {
            continue;
        };
        let direction = Direction::of(change);
        let draft = Draft {
            subject,
            pocket,
            direction,
            first,
        };
        let (mut found, amount) = (draft.describe(event), change.unsigned_abs());
        found.view.amount = amount.to_string();
        found.view.asset = asset.to_string();
        found.view.direction = direction.word();
        found.view.created_at = time.to_string();
        all.push(found);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        command::MoveMoney,
        event::Movement,
        ids::TransferId,
        money::Amount,
        posting::{House, Posting},
    };

    const OWN: LedgerNo = LedgerNo(1);

    /// A record with these postings; what kind of event carries them does not matter here.
    fn record(postings: &[(Place, Place, i128)]) -> Vec<Event> {
        let posting = |(source, destination, minor): &(Place, Place, i128)| Posting {
            source: source.clone(),
            destination: destination.clone(),
            asset: "DUSD/6".parse().expect("an asset"),
            amount: Amount::from_minor(*minor).expect("not negative"),
        };
        let movement = Movement {
            postings: postings.iter().map(posting).collect(),
            after: Vec::new(),
        };
        let moved = MoveMoney {
            account: AccountNo(1),
            asset: "DUSD/6".parse().expect("an asset"),
            amount: Amount::ZERO,
            reference: String::new(),
            metadata: String::new(),
        };
        vec![
            Event::TransferSettled(TransferId(1)),
            Event::Deposited(moved, movement),
        ]
    }

    #[test]
    fn what_comes_and_goes_is_told_from_what_is_held() {
        let (free, held) = (|| Place::Spendable(OWN), || Place::Held(OWN));
        let net = || Place::House(House::Settlement);
        let fee = || Place::House(House::Treasury("t".into()));
        let check = |what: &str, postings: &[(Place, Place, i128)], main: i128, pending: i128| {
            let sum = |pocket| {
                let changes = changes(&record(postings), OWN, pocket);
                changes.values().sum::<i128>()
            };
            assert_eq!(sum(Pocket::Main), main, "main of {what}");
            assert_eq!(sum(Pocket::Pending), pending, "pending of {what}");
        };
        check("a hold", &[(free(), held(), 50)], 0, -50);
        check("a release", &[(held(), free(), 50)], 0, 50);
        check(
            "a capture",
            &[(held(), net(), 50), (net(), fee(), 1)],
            -50,
            0,
        );
        let part = [(held(), net(), 30), (held(), free(), 20)];
        check("a final capture of a part", &part, -30, 20);
        let over = [(held(), net(), 50), (free(), net(), 5)];
        check("a capture beyond the hold", &over, -55, 0);
        let at_once = [(free(), held(), 50), (held(), net(), 50)];
        check("a hold captured at once", &at_once, -50, 0);
        check("a refund", &[(net(), free(), 50)], 50, 0);
        let within = Place::Spendable(LedgerNo(2));
        check("a transfer", &[(within.clone(), free(), 7)], 7, 0);
        check("another's money", &[(within, net(), 7)], 0, 0);
    }
}
