//! What is asked as the transactions it comes to, in order: a single one, a head and its parts, a bulk.

use std::collections::{BTreeMap, VecDeque};

use super::{Ask, Books, Origin, Share, names::Resolved};
use crate::{
    actors::keys::key_of,
    domain::{
        books::{
            Kind, Marks, NewTransaction, Overdraft, ParentOf, Precision, Side, TAKE_MAX, Terms,
        },
        ids::{ActorId, LedgerNo},
        money::{Amount, Asset},
        time::Timestamp,
    },
    wire::Key,
};

/// A transaction to take.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Without its parent, which is known only when it is taken.
    pub(super) new: NewTransaction,
    /// The place of the piece it is a part of.
    pub(super) above: Option<usize>,
    /// The place of its ask in a bulk.
    pub(super) item: usize,
    /// The key of its reference.
    pub(super) key: Option<Key>,
    /// Who decides it: of a head the one of its first part.
    pub(super) actor: ActorId,
}

impl Piece {
    pub(super) const fn is_head(&self) -> bool {
        matches!(self.new.kind, Kind::SplitHead | Kind::BulkHead)
    }
}

/// Transactions that are taken all or not at all, in order; a head stands before its parts.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) pieces: Vec<Piece>,
}

impl Plan {
    /// That of one ask.
    pub(super) fn of(books: &Books, origin: &Origin, resolved: Resolved) -> Self {
        let mut plan = Self::default();
        plan.add(books, origin, resolved, 0, None);
        plan
    }

    /// That of asks which are done together: a head, then they.
    pub(super) fn of_bulk(
        books: &Books,
        origin: &Origin,
        asks: Vec<Resolved>,
        head: NewTransaction,
    ) -> Self {
        let mut plan = Self::default();
        let actor = books.actor_of(&head.source);
        plan.pieces.push(Piece {
            new: head,
            above: None,
            item: 0,
            key: None,
            actor,
        });
        for (item, resolved) in asks.into_iter().enumerate() {
            plan.add(books, origin, resolved, item, Some(0));
        }
        plan
    }

    fn add(
        &mut self,
        books: &Books,
        origin: &Origin,
        resolved: Resolved,
        item: usize,
        above: Option<usize>,
    ) {
        let Resolved {
            ask,
            sources,
            destinations,
        } = resolved;
        let moves = moves_of(&ask, &sources, &destinations);
        let key = Some(reference_key(origin, &ask.reference));
        let is_split = ask.sources.len() > 1 || ask.destinations.len() > 1;
        let mut above = above;
        let mut head = None;
        if is_split && let Some(first) = moves.first() {
            let new = whole_of(&ask, Kind::SplitHead, first);
            let actor = books.actor_of(&new.source);
            let place = self.pieces.len();
            self.pieces.push(Piece {
                new,
                above,
                item,
                key,
                actor,
            });
            above = Some(place);
            head = Some(place);
        }
        for one in &moves {
            let new = if head.is_some() {
                part_of(&ask, one)
            } else {
                whole_of(&ask, Kind::Single, one)
            };
            let actor = books.actor_of(&new.source);
            self.pieces.push(Piece {
                new,
                above,
                item,
                key: key.filter(|_| head.is_none()),
                actor,
            });
        }
    }

    /// Whether one record can take it all.
    pub(super) fn fits_one_record(&self) -> bool {
        let mut actors = self.pieces.iter().map(|piece| piece.actor);
        let first = actors.next();
        self.pieces.len() <= TAKE_MAX && actors.all(|actor| Some(actor) == first)
    }

    /// Whether it is a split whose time has not come. One whose time is over is done like any other.
    pub(super) fn is_later(&mut self, now: Timestamp) -> bool {
        let first = self.pieces.first().filter(|first| first.is_head());
        let at = first.and_then(|first| first.new.terms.scheduled_for);
        if at.is_some_and(|at| at > now) {
            return true;
        }
        if first.is_some() {
            for piece in &mut self.pieces {
                piece.new.terms.scheduled_for = None;
            }
        }
        false
    }

    /// Says of each part what earlier ones bring to its source: none of it has come when it is reserved.
    pub(super) fn await_earlier(&mut self) {
        let mut brought: BTreeMap<(LedgerNo, Asset), Amount> = BTreeMap::new();
        for piece in &mut self.pieces {
            if piece.is_head() || piece.new.terms.marks.inflight {
                continue;
            }
            let new = &mut piece.new;
            let source = (new.source.ledger, new.asset);
            new.awaited = brought.get(&source).copied().unwrap_or_default();
            let destination = (new.destination.ledger, new.asset);
            let sum = brought.entry(destination).or_default();
            *sum = sum.saturating_plus(new.amount);
        }
    }

    /// All in one record.
    pub(super) fn into_new(self) -> Vec<NewTransaction> {
        let parented = |piece: Piece| NewTransaction {
            parent: piece.above.map_or(ParentOf::None, ParentOf::Earlier),
            ..piece.new
        };
        self.pieces.into_iter().map(parented).collect()
    }
}

/// The key under which a reference stands for one transaction.
pub(super) fn reference_key(origin: &str, reference: &str) -> Key {
    key_of(origin, "ledger-reference", reference)
}

/// One movement of an ask.
struct Move {
    source: Side,
    destination: Side,
    amount: Amount,
    narration: Option<String>,
}

/// Pairs sources with destinations in their order, each as far as it goes.
fn moves_of(ask: &Ask, sources: &[Side], destinations: &[Side]) -> Vec<Move> {
    let mut moves = Vec::with_capacity(sources.len().max(destinations.len()));
    let shares = |shares: &[Share], sides: &[Side]| -> VecDeque<(Amount, Side, Option<String>)> {
        let pairs = shares.iter().zip(sides);
        pairs
            .map(|(share, side)| (share.amount, side.clone(), share.narration.clone()))
            .collect()
    };
    let mut from = shares(&ask.sources, sources);
    let mut to = shares(&ask.destinations, destinations);
    while let (Some(source), Some(destination)) = (from.front_mut(), to.front_mut()) {
        let amount = source.0.min(destination.0);
        if !amount.is_zero() {
            moves.push(Move {
                source: source.1.clone(),
                destination: destination.1.clone(),
                amount,
                narration: destination.2.clone().or_else(|| source.2.clone()),
            });
        }
        source.0 = source.0.minus_or_zero(amount);
        destination.0 = destination.0.minus_or_zero(amount);
        let (is_spent, is_full) = (source.0.is_zero(), destination.0.is_zero());
        if is_spent {
            from.pop_front();
        }
        if is_full {
            to.pop_front();
        }
    }
    moves
}

/// A single one, or the head of a split.
fn whole_of(ask: &Ask, kind: Kind, first: &Move) -> NewTransaction {
    NewTransaction {
        kind,
        parent: ParentOf::None,
        asset: ask.asset,
        amount: ask.amount,
        precision: ask.precision.clone(),
        source: first.source.clone(),
        destination: first.destination.clone(),
        terms: Terms {
            reference: ask.reference.clone(),
            description: ask.description.clone(),
            overdraft: ask.overdraft,
            marks: ask.marks,
            effective_at: ask.effective_at,
            scheduled_for: ask.scheduled_for,
            expires_at: ask.expires_at,
            commits_at: ask.commits_at,
            split: ask.split.clone(),
        },
        metadata: ask.metadata.clone(),
        awaited: Amount::ZERO,
    }
}

fn part_of(ask: &Ask, one: &Move) -> NewTransaction {
    let whole = whole_of(ask, Kind::Part, one);
    NewTransaction {
        amount: one.amount,
        precision: Precision::of(one.amount, ask.precision.factor),
        terms: Terms {
            reference: String::new(),
            description: one
                .narration
                .clone()
                .unwrap_or_else(|| ask.description.clone()),
            split: String::new(),
            ..whole.terms
        },
        metadata: "{}".to_owned(),
        ..whole
    }
}

/// The head of a bulk: it has the first ask's asset, and of those in it the sum.
pub(super) fn bulk_head(asks: &[Resolved], marks: Marks) -> Option<NewTransaction> {
    let first = asks.first()?;
    let (source, destination) = (first.sources.first()?, first.destinations.first()?);
    let asset = first.ask.asset;
    let of_asset = asks.iter().filter(|one| one.ask.asset == asset);
    let amount = of_asset.fold(Amount::ZERO, |sum, one| sum.saturating_plus(one.ask.amount));
    Some(NewTransaction {
        kind: Kind::BulkHead,
        parent: ParentOf::None,
        asset,
        amount,
        precision: Precision::of(amount, first.ask.precision.factor),
        source: source.clone(),
        destination: destination.clone(),
        terms: Terms {
            reference: String::new(),
            description: String::new(),
            overdraft: Overdraft::No,
            marks,
            effective_at: None,
            scheduled_for: None,
            expires_at: None,
            commits_at: None,
            split: String::new(),
        },
        metadata: "{}".to_owned(),
        awaited: Amount::ZERO,
    })
}

/// The words of an ask, to tell it from others under the same key.
pub(super) fn words_of(asks: &[&Ask]) -> String {
    asks.iter().map(|ask| format!("{ask:?}\n")).collect()
}
