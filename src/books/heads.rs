//! What no single record can take: a head and parts of several actors, all of them or none.
//!
//! First everything is reserved, the head first; then one record says what becomes of it all; then all parts
//! follow that. Whoever comes to decide a second time finds the first decision.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Books, BooksError, Done, Origin, Stands,
    plan::{Piece, Plan},
    send::{Keyed, booked_in, left_behind, request, settled, transfers_in},
    take::{Idempotency, keyed, nothing_asked, placed, references_of},
};
use crate::{
    actors::{Answer, EngineError, keys::key_of},
    domain::{
        books::{BooksCommand, NewTransaction, OnShort, ParentOf, State, StepKind, TAKE_MAX, Take},
        command::Transfer,
        ids::{ActorId, TransactionId},
        outcome::Rejection,
    },
    wire::KeyLife,
};

/// Some of a plan's pieces, for one record.
struct Chunk {
    actor: ActorId,
    places: Vec<usize>,
}

/// A plan on its way.
struct Work<'a> {
    books: &'a Arc<Books>,
    origin: &'a Origin,
    pieces: Vec<Piece>,
    ids: Vec<Option<TransactionId>>,
    on_short: OnShort,
    waits: bool,
}

/// What is said of the parts when a head is decided.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) direct: Vec<TransactionId>,
    pub(super) below: Vec<(TransactionId, Vec<TransactionId>)>,
}

pub(super) async fn take(
    books: &Arc<Books>,
    origin: &Origin,
    mut plan: Plan,
    (idempotency, on_short): (Option<Idempotency>, OnShort),
) -> Result<Done<Stands>, BooksError> {
    plan.await_earlier();
    let mut chunks = chunks_of(&plan.pieces).into_iter();
    let first = chunks.next().ok_or_else(nothing_asked)?;
    let mut work = Work {
        books,
        origin,
        ids: vec![None; plan.pieces.len()],
        pieces: plan.pieces,
        on_short,
        waits: true,
    };
    let begun = work.begin(&first, idempotency).await?;
    let root = booked_in(&begun.events).next();
    let root = root.ok_or(EngineError::Unavailable)?;
    if begun.is_replay || root.transaction.state != State::Reserved {
        return Ok(Done {
            value: books.answered(origin, &begun).await?,
            is_replay: begun.is_replay,
        });
    }
    let head = root.transaction.id;
    let live = Live::new(books, head);
    let rest: Vec<Chunk> = chunks.collect();
    let reserved = work.reserve(head, &rest).await;
    let actors = rest.iter().map(|chunk| chunk.actor);
    let actors = actors.chain([first.actor]).collect();
    let value = books
        .conclude(head, reserved.is_ok(), work.parts(), actors)
        .await?;
    drop(live);
    match reserved {
        // What was to leave a record leaves the head's.
        Err(BooksError::Short { .. }) if on_short == OnShort::Record => {}
        Err(error) => return Err(error),
        Ok(()) if value.state == State::Rejected => {
            // The clock was quicker: this took too long.
            return Err(EngineError::Busy("the transaction could not be decided in time").into());
        }
        Ok(()) => {}
    }
    let is_replay = false;
    Ok(Done { value, is_replay })
}

/// Notes a split whose time has not come: nothing moves before. If it is noted only in part, because the
/// house stops or is too busy, nothing of it will be done: the parts do not add up to the head then.
pub(super) async fn schedule(
    books: &Arc<Books>,
    origin: &Origin,
    plan: Plan,
    idempotency: Option<Idempotency>,
) -> Result<Done<Stands>, BooksError> {
    let mut chunks = chunks_of(&plan.pieces).into_iter();
    let first = chunks.next().ok_or_else(nothing_asked)?;
    let mut work = Work {
        books,
        origin,
        ids: vec![None; plan.pieces.len()],
        pieces: plan.pieces,
        on_short: OnShort::Refuse,
        waits: false,
    };
    let begun = work.begin(&first, idempotency).await?;
    let value = books.answered(origin, &begun).await?;
    let is_replay = begun.is_replay;
    if !is_replay {
        // Should its time come now, it is not looked at before it is complete.
        let _live = Live::new(books, value.id);
        let rest: Vec<Chunk> = chunks.collect();
        work.reserve(value.id, &rest).await?;
    }
    Ok(Done { value, is_replay })
}

/// All heads first, then what lives with the first of them, then the others in their order.
fn chunks_of(pieces: &[Piece]) -> Vec<Chunk> {
    let Some(home) = pieces.first().map(|first| first.actor) else {
        return Vec::new();
    };
    let mut first: Vec<usize> = Vec::new();
    let mut own: Vec<usize> = Vec::new();
    let mut others: BTreeMap<ActorId, Vec<usize>> = BTreeMap::new();
    for (place, piece) in pieces.iter().enumerate() {
        if piece.is_head() {
            first.push(place);
        } else if piece.actor == home {
            own.push(place);
        } else {
            others.entry(piece.actor).or_default().push(place);
        }
    }
    first.append(&mut own);
    let all = std::iter::once((home, first)).chain(others);
    let mut chunks = Vec::new();
    for (actor, places) in all {
        for places in places.chunks(TAKE_MAX) {
            let places = places.to_vec();
            chunks.push(Chunk { actor, places });
        }
    }
    chunks
}

impl Work<'_> {
    /// Records the head, and with it what fits into its record.
    async fn begin(
        &mut self,
        chunk: &Chunk,
        idempotency: Option<Idempotency>,
    ) -> Result<Answer, BooksError> {
        let pieces = self.pieces_of(chunk);
        let keyed = keyed(idempotency, pieces.iter());
        let keys = keyed.keys.clone();
        let request = self.request(chunk, None, (keyed, self.on_short));
        let answer = self.books.insist(request).await;
        let references = references_of(&pieces);
        let recorded = self.books.recorded(answer, &keys, &references);
        let answer = recorded.map_err(|error| self.place(error, chunk))?;
        if !answer.is_replay {
            self.learn(chunk, &answer);
        }
        Ok(answer)
    }

    /// Reserves everything else; what was refused first says why.
    async fn reserve(&mut self, head: TransactionId, rest: &[Chunk]) -> Result<(), BooksError> {
        let mut requests = Vec::with_capacity(rest.len());
        let mut keys = Vec::with_capacity(rest.len());
        for chunk in rest {
            let pieces = self.pieces_of(chunk);
            let keyed = keyed(None, pieces.iter());
            keys.push((keyed.keys.clone(), references_of(&pieces)));
            requests.push(self.request(chunk, Some(head), (keyed, OnShort::Refuse)));
        }
        let answers = self.books.insist_all(requests).await;
        let mut first_refused = Ok(());
        for ((chunk, (keys, references)), answer) in rest.iter().zip(keys).zip(answers) {
            match self.books.recorded(answer, &keys, &references) {
                Ok(answer) => self.learn(chunk, &answer),
                Err(error) if first_refused.is_ok() => {
                    first_refused = Err(self.place(error, chunk));
                }
                Err(_) => {}
            }
        }
        first_refused
    }

    fn pieces_of(&self, chunk: &Chunk) -> Vec<Piece> {
        let places = chunk.places.iter();
        places
            .filter_map(|place| self.pieces.get(*place).cloned())
            .collect()
    }

    fn request(
        &self,
        chunk: &Chunk,
        head: Option<TransactionId>,
        (keyed, on_short): (Keyed, OnShort),
    ) -> crate::actors::Request {
        let mut new = Vec::with_capacity(chunk.places.len());
        for place in &chunk.places {
            if let Some(piece) = self.pieces.get(*place) {
                new.push(NewTransaction {
                    parent: self.parent(piece, chunk, head),
                    ..piece.new.clone()
                });
            }
        }
        let take = Take {
            new,
            waits: self.waits,
            on_short,
        };
        let command = BooksCommand::Take(take);
        request(chunk.actor, Some(self.origin), command, keyed)
    }

    fn parent(&self, piece: &Piece, chunk: &Chunk, head: Option<TransactionId>) -> ParentOf {
        let Some(above) = piece.above else {
            return ParentOf::None;
        };
        if let Some(place) = chunk.places.iter().position(|place| *place == above) {
            return ParentOf::Earlier(place);
        }
        let parent = self.ids.get(above).copied().flatten();
        match (head, parent) {
            (Some(head), Some(parent)) if parent != head => ParentOf::Below { parent, head },
            (Some(head), _) => ParentOf::Known(head),
            (None, _) => ParentOf::None,
        }
    }

    /// Notes the ids that a record gave.
    fn learn(&mut self, chunk: &Chunk, answer: &Answer) {
        let taken = booked_in(&answer.events).filter(|booked| booked.kind == StepKind::Taken);
        for (place, booked) in chunk.places.iter().zip(taken) {
            if let Some(id) = self.ids.get_mut(*place) {
                *id = Some(booked.transaction.id);
            }
        }
    }

    fn place(&self, error: BooksError, chunk: &Chunk) -> BooksError {
        let item = |place: &usize| self.pieces.get(*place).map_or(0, |piece| piece.item);
        let items: Vec<usize> = chunk.places.iter().map(item).collect();
        placed(error, &items)
    }

    /// Who is a part of what, as far as it was reserved.
    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        let mut below: BTreeMap<usize, Vec<TransactionId>> = BTreeMap::new();
        for (piece, id) in self.pieces.iter().zip(&self.ids) {
            match (piece.above, id) {
                (Some(0), Some(id)) => parts.direct.push(*id),
                (Some(above), Some(id)) => below.entry(above).or_default().push(*id),
                (None, _) | (_, None) => {}
            }
        }
        let named = below.into_iter().filter_map(|(above, list)| {
            let head = self.ids.get(above).copied().flatten();
            head.map(|head| (head, list))
        });
        parts.below = named.collect();
        parts
    }
}

/// A head whose decision somebody is bringing about at this moment.
pub(super) struct Live {
    books: Arc<Books>,
    head: TransactionId,
}

impl Live {
    pub(super) fn new(books: &Arc<Books>, head: TransactionId) -> Self {
        books.live.insert(head);
        let books = books.clone();
        Self { books, head }
    }

    /// Refused while somebody else is about it.
    pub(super) fn claim(books: &Arc<Books>, head: TransactionId) -> Result<Self, BooksError> {
        if !books.live.insert(head) {
            return Err(EngineError::Busy("another request is about this transaction").into());
        }
        let books = books.clone();
        Ok(Self { books, head })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.books.live.remove(&self.head);
    }
}

impl Books {
    /// Brings about the decision on a head and all that follows from it; the decision stands, whoever made
    /// it. `actors` are those that have parts of it.
    pub(super) async fn conclude(
        self: &Arc<Self>,
        head: TransactionId,
        is_done: bool,
        parts: Parts,
        actors: Vec<ActorId>,
    ) -> Result<Stands, BooksError> {
        let command = BooksCommand::Decide {
            head,
            is_done,
            parts: parts.direct,
            below: parts.below,
        };
        let decided = self.insist(request(
            head.actor,
            None,
            command,
            Keyed {
                keys: vec![(
                    key_of("", "books-head", &head.to_string()),
                    KeyLife::Permanent,
                )],
                // The same for yes and no: the second one to come gets the first one's record.
                fingerprint: u64::from(head.number),
            },
        ));
        let decided = decided.await?;
        let stands = left_behind(&decided.events, head, decided.lsn);
        let stands = stands.ok_or(EngineError::KeyConflict)?;
        let is_done = stands.state != State::Rejected;
        let mut transfers = transfers_in(&decided.events);
        transfers.extend(self.follow(head, is_done, actors).await);
        self.carry_all(transfers).await;
        Ok(stands)
    }

    /// Lets the parts that wait with `actors` follow a decision; returns the money that leaves by it. Those
    /// that cannot follow now the clock finds.
    pub(super) async fn follow(
        &self,
        head: TransactionId,
        is_done: bool,
        mut actors: Vec<ActorId>,
    ) -> Vec<Transfer> {
        let mut transfers = Vec::new();
        actors.sort_unstable();
        actors.dedup();
        while !actors.is_empty() {
            let follow = |actor: &ActorId| {
                let command = BooksCommand::Follow { head, is_done };
                request(*actor, None, command, Keyed::default())
            };
            let requests = actors.iter().map(follow).collect();
            let answers = self.insist_all(requests).await;
            let mut unfinished = Vec::new();
            for (actor, answer) in actors.into_iter().zip(answers) {
                match answer {
                    Ok(answer) => {
                        transfers.extend(transfers_in(&answer.events));
                        // One record takes so many of them, and so much: it is asked until none is left.
                        unfinished.push(actor);
                    }
                    Err(EngineError::Rejected(_)) => {}
                    Err(error) => {
                        tracing::warn!(%head, %error, "parts follow their head later");
                    }
                }
            }
            actors = unfinished;
        }
        transfers
    }
}

/// Whether the refusal says that there is nothing left to do.
pub(super) const fn is_over(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Rejected(
            Rejection::NothingDue
                | Rejection::TransactionNotFound
                | Rejection::TransactionForbids { .. }
        )
    )
}

/// The transaction of a record's only fact.
pub(super) fn only(answer: &Answer) -> Result<Stands, EngineError> {
    let booked = booked_in(&answer.events).next();
    let booked = booked.ok_or(EngineError::Unavailable)?;
    Ok(settled(&booked.transaction, answer.lsn))
}
