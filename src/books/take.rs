//! Taking transactions that one record can take; what is more goes to [`super::heads`].

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Ask, Books, BooksError, Done, Guard, Origin, Stands, heads,
    names::{NO_BALANCE, Resolver},
    plan::{Piece, Plan, words_of},
    send::{Keyed, booked_in, request, settled},
};
use crate::{
    actors::{Answer, EngineError, keys::key_of},
    domain::{
        books::{BooksCommand, OnShort, State, Take},
        outcome::Rejection,
    },
    wire::{self, Key, KeyLife},
};

pub(super) async fn take(
    books: &Arc<Books>,
    origin: &Origin,
    ask: Ask,
    guard: Guard,
) -> Result<Done<Stands>, BooksError> {
    let idempotency = Idempotency::new(origin, &guard, "ledger transaction", || words_of(&[&ask]));
    if let Some(answer) = books.replayed(idempotency.as_ref()).await? {
        let value = books.answered(origin, &answer).await?;
        let is_replay = true;
        return Ok(Done { value, is_replay });
    }
    let on_short = on_short(ask.marks.skip_queue);
    let resolved = Resolver::new(books, origin).resolve(ask).await?;
    let plan = Plan::of(books, origin, resolved);
    books.take_plan(origin, plan, (idempotency, on_short)).await
}

const fn on_short(skip_queue: bool) -> OnShort {
    if skip_queue {
        OnShort::Refuse
    } else {
        OnShort::Record
    }
}

/// The key of an `Idempotency-Key` header, and what tells its request from others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idempotency {
    pub(super) key: Key,
    pub(super) fingerprint: u64,
}

impl Idempotency {
    /// That of a request, if it has one; `words` says all of the request.
    pub(super) fn new(
        origin: &Origin,
        guard: &Guard,
        class: &str,
        words: impl FnOnce() -> String,
    ) -> Option<Self> {
        let text = guard.idempotency_key.as_deref()?;
        Some(Self {
            key: key_of(origin, "idempotency", text),
            fingerprint: wire::fingerprint(class, &words()),
        })
    }
}

/// The keys of a record: the header's first, then the references'.
pub(super) fn keyed<'a>(
    idempotency: Option<Idempotency>,
    pieces: impl Iterator<Item = &'a Piece>,
) -> Keyed {
    let references = pieces.filter_map(|piece| piece.key);
    let header = idempotency.iter().map(|it| (it.key, KeyLife::Expiring));
    Keyed {
        keys: header
            .chain(references.map(|key| (key, KeyLife::Permanent)))
            .collect(),
        fingerprint: idempotency.map_or(0, |it| it.fingerprint),
    }
}

impl Books {
    /// The answer that a request under the same `Idempotency-Key` got.
    pub(super) async fn replayed(
        &self,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Answer>, BooksError> {
        let Some(idempotency) = idempotency else {
            return Ok(None);
        };
        let Some(lsn) = self.engine.shared.keys.get(idempotency.key) else {
            return Ok(None);
        };
        let answer = self.engine.past(lsn).await?;
        if answer.fingerprint != idempotency.fingerprint {
            return Err(EngineError::KeyConflict.into());
        }
        Ok(Some(answer))
    }

    /// What the first transaction of a record was answered with.
    pub(super) async fn answered(
        &self,
        origin: &Origin,
        answer: &Answer,
    ) -> Result<Stands, BooksError> {
        let first = booked_in(&answer.events).next();
        let first = first.ok_or(EngineError::KeyConflict)?;
        let made = first.child.as_ref().unwrap_or(&first.transaction);
        if made.state != State::Reserved {
            return Ok(settled(made, answer.lsn));
        }
        let now = self.get(origin, made.id).await?;
        if now.state == State::Reserved {
            return Err(EngineError::Busy("the transaction is being decided").into());
        }
        Ok(now)
    }

    /// Takes a plan, whatever it takes; it goes on if the caller stops waiting.
    pub(super) async fn take_plan(
        self: &Arc<Self>,
        origin: &Origin,
        mut plan: Plan,
        (idempotency, on_short): (Option<Idempotency>, OnShort),
    ) -> Result<Done<Stands>, BooksError> {
        self.require_fresh(&plan.pieces)?;
        let is_later = plan.is_later(self.engine.shared.clock.now());
        if plan.fits_one_record() {
            let keyed = keyed(idempotency, plan.pieces.iter());
            return self.take_at_once(origin, plan, (keyed, on_short)).await;
        }
        let (books, origin) = (self.clone(), origin.clone());
        let taken = actix_rt::spawn(async move {
            if is_later {
                return heads::schedule(&books, &origin, plan, idempotency).await;
            }
            heads::take(&books, &origin, plan, (idempotency, on_short)).await
        });
        taken.await.map_err(|_| EngineError::Unavailable)?
    }

    async fn take_at_once(
        &self,
        origin: &Origin,
        plan: Plan,
        (keyed, on_short): (Keyed, OnShort),
    ) -> Result<Done<Stands>, BooksError> {
        let Some(actor) = plan.pieces.first().map(|first| first.actor) else {
            return Err(nothing_asked());
        };
        let items: Vec<usize> = plan.pieces.iter().map(|piece| piece.item).collect();
        let references = references_of(&plan.pieces);
        let take = Take {
            new: plan.into_new(),
            waits: false,
            on_short,
        };
        let keys = keyed.keys.clone();
        let request = request(actor, Some(origin), BooksCommand::Take(take), keyed);
        let answer = self.engine.execute(request).await;
        let answer = self.recorded(answer, &keys, &references);
        let answer = answer.map_err(|error| placed(error, &items))?;
        if answer.is_replay {
            let value = self.answered(origin, &answer).await?;
            let is_replay = true;
            return Ok(Done { value, is_replay });
        }
        self.carry(&answer.events).await;
        let first = booked_in(&answer.events).next();
        let first = first.ok_or(EngineError::Unavailable)?;
        Ok(Done {
            value: settled(&first.transaction, answer.lsn),
            is_replay: false,
        })
    }

    /// Refuses references that stand for a transaction already, or twice in one request.
    pub(super) fn require_fresh(&self, pieces: &[Piece]) -> Result<(), BooksError> {
        let mut seen = BTreeSet::new();
        for piece in pieces {
            let Some(key) = piece.key else { continue };
            if !seen.insert(key) || self.engine.shared.keys.get(key).is_some() {
                let reference = piece.new.terms.reference.clone();
                return Err(BooksError::Duplicate { reference });
            }
        }
        Ok(())
    }

    /// What a record under those keys came to. One that an earlier request made is an answer only if that
    /// stands under the `Idempotency-Key`; else a reference was used twice.
    pub(super) fn recorded(
        &self,
        answer: Result<Answer, EngineError>,
        keys: &[(Key, KeyLife)],
        references: &[(Key, String)],
    ) -> Result<Answer, BooksError> {
        let known = &self.engine.shared.keys;
        let header = keys.iter().find(|(_, life)| *life == KeyLife::Expiring);
        let header = header.and_then(|(key, _)| known.get(*key));
        let is_duplicate = match &answer {
            Ok(answer) => answer.is_replay && header != Some(answer.lsn),
            Err(EngineError::KeyConflict) => header.is_none(),
            Err(_) => false,
        };
        if !is_duplicate {
            return answer.map_err(refused);
        }
        let used = references.iter().find(|(key, _)| known.get(*key).is_some());
        let used = used.or(references.first());
        let reference = used.map(|(_, text)| text.clone()).unwrap_or_default();
        Err(BooksError::Duplicate { reference })
    }
}

/// The references of pieces with their keys.
pub(super) fn references_of(pieces: &[Piece]) -> Vec<(Key, String)> {
    let pairs = pieces.iter().filter_map(|piece| {
        let reference = &piece.new.terms.reference;
        piece.key.map(|key| (key, reference.clone()))
    });
    pairs.collect()
}

/// The domain's no in the books' words.
pub(super) fn refused(error: EngineError) -> BooksError {
    match error {
        EngineError::Rejected(Rejection::Unbooked { place, reason }) => {
            BooksError::Short { place, reason }
        }
        EngineError::Rejected(Rejection::AccountNotFound | Rejection::LedgerNotFound) => NO_BALANCE,
        other @ (EngineError::Rejected(_)
        | EngineError::KeyConflict
        | EngineError::Busy(_)
        | EngineError::Unavailable
        | EngineError::Halted(_)
        | EngineError::Journal(_)
        | EngineError::Wire(_)) => other.into(),
    }
}

/// The same with the place of the ask instead of that of the transaction in its record.
pub(super) fn placed(error: BooksError, items: &[usize]) -> BooksError {
    match error {
        BooksError::Short { place, reason } => BooksError::Short {
            place: items.get(place).copied().unwrap_or_default(),
            reason,
        },
        other @ (BooksError::NotFound(_)
        | BooksError::Duplicate { .. }
        | BooksError::Invalid { .. }
        | BooksError::Rejected(_)
        | BooksError::Engine(_)) => other,
    }
}

pub(super) fn nothing_asked() -> BooksError {
    BooksError::Invalid {
        field: "transactions".to_owned(),
        message: "ask for at least one transaction with a source and a destination".to_owned(),
    }
}
