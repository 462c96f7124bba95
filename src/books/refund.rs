//! What was applied goes back: a new transaction from the destination to the source.
//!
//! The money is reserved where it lies first; then the original notes that it goes back, which is the
//! decision, under a key of the refund's own; then the refund follows. A crash between leaves a reserved
//! refund, and the key says what is to become of it.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Books, BooksError, Done, Guard, Origin, Stands,
    find::{NO_TRANSACTION, not_found},
    heads::{Live, only},
    plan::reference_key,
    send::{Keyed, booked_in, request},
    take::{Idempotency, refused},
};
use crate::{
    actors::{EngineError, keys::key_of},
    domain::{
        books::{
            self, BooksCommand, Kind, Marks, NewTransaction, OnShort, Overdraft, ParentOf,
            Precision, State, Take, Terms, Transaction,
        },
        ids::TransactionId,
        money::Amount,
        outcome::Rejection,
    },
    wire::{Body, Key, KeyLife},
};

/// How a transaction goes back.
#[derive(Clone, Debug, Default)]
pub struct Back {
    /// How much; all that is left if nothing is said.
    pub amount: Option<Amount>,
    /// Whether too little money is an error that leaves no record.
    pub skip_queue: bool,
    /// In place of the description of what goes back.
    pub description: Option<String>,
    /// Merged into its metadata, which begins as that of what goes back.
    pub merge: Option<Map<String, Value>>,
}

pub(super) async fn refund(
    books: &Arc<Books>,
    origin: &Origin,
    id: TransactionId,
    back: Back,
    guard: Guard,
) -> Result<Done<Stands>, BooksError> {
    let idempotency =
        Idempotency::new(origin, &guard, "ledger refund", || format!("{id} {back:?}"));
    if let Some(answer) = books.replayed(idempotency.as_ref()).await? {
        return Ok(Done {
            value: books.answered(origin, &answer).await?,
            is_replay: true,
        });
    }
    let (books, origin) = (books.clone(), origin.clone());
    let refunded =
        actix_rt::spawn(async move { give_back(&books, &origin, id, back, idempotency).await });
    let value = refunded.await.map_err(|_| EngineError::Unavailable)??;
    let is_replay = false;
    Ok(Done { value, is_replay })
}

async fn give_back(
    books: &Arc<Books>,
    origin: &Origin,
    id: TransactionId,
    back: Back,
    idempotency: Option<Idempotency>,
) -> Result<Stands, BooksError> {
    let original = books.get(origin, id).await?;
    if !original.is_head() {
        let original = books.applied(origin, original).await?;
        return one(books, origin, &original, &back, idempotency).await;
    }
    if back.amount.is_some() {
        return Err(BooksError::Invalid {
            field: "amount".to_owned(),
            message: "this is the head of several: it goes back whole, or each part by its own id"
                .to_owned(),
        });
    }
    let mut waiting: VecDeque<TransactionId> = original.parts.iter().copied().collect();
    let (mut first, mut refusal) = (None, None);
    let mut idempotency = idempotency;
    while let Some(part) = waiting.pop_front() {
        let part = books.get(origin, part).await?;
        if part.is_head() {
            waiting.extend(&part.parts);
            continue;
        }
        let part = books.applied(origin, part).await?;
        let key = idempotency.take();
        match one(books, origin, &part, &back, key).await {
            Ok(refund) => {
                first.get_or_insert(refund);
            }
            // What went back before, alone, is not in the way of the others.
            Err(BooksError::Rejected(
                error @ (Rejection::MoreThanApplied { .. } | Rejection::TransactionForbids { .. }),
            )) => {
                refusal.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let state = original.state;
    let refusal = refusal.unwrap_or(Rejection::TransactionForbids { state });
    first.ok_or(BooksError::Rejected(refusal))
}

/// The key under which the original notes a refund: the decision about it.
pub(super) fn note_key(refund: TransactionId) -> Key {
    key_of("", "books-refund-note", &refund.to_string())
}

async fn one(
    books: &Arc<Books>,
    origin: &Origin,
    original: &Arc<Transaction>,
    back: &Back,
    idempotency: Option<Idempotency>,
) -> Result<Stands, BooksError> {
    let id = original.id;
    let _live = Live::claim(books, id)?;
    let left = original.amount.minus_or_zero(original.refunded);
    let asked = back.amount.unwrap_or(left);
    require(original, asked, left)?;
    let new = refund_of(books, origin, original, (asked, back))?;
    let actor = books.actor_of(&new.source);
    let reference = reference_key(origin, &new.terms.reference);
    let header = idempotency.iter().map(|it| (it.key, KeyLife::Expiring));
    let keyed = Keyed {
        keys: header.chain([(reference, KeyLife::Permanent)]).collect(),
        fingerprint: idempotency.map_or(0, |it| it.fingerprint),
    };
    let keys = keyed.keys.clone();
    let references = [(reference, new.terms.reference.clone())];
    let take = BooksCommand::Take(Take {
        on_short: if back.skip_queue {
            OnShort::Refuse
        } else {
            OnShort::Record
        },
        new: vec![new],
        waits: true,
    });
    let answer = books.insist(request(actor, Some(origin), take, keyed));
    let answer = books.recorded(answer.await, &keys, &references)?;
    let taken = only(&answer)?;
    if taken.state != State::Reserved {
        return Ok(taken);
    }
    let note = BooksCommand::NoteRefund {
        id,
        amount: asked,
        is_taken: true,
        recalled: None,
    };
    let keyed = Keyed {
        keys: vec![(note_key(taken.id), KeyLife::Permanent)],
        fingerprint: u64::from(taken.id.number),
    };
    let noted = books.insist(request(id.actor, Some(origin), note, keyed));
    let (is_noted, noted) = match noted.await {
        Ok(_) => (true, Ok(())),
        Err(EngineError::Rejected(rejection)) => (false, Err(rejection)),
        // What is not known now, the clock will know: nothing follows before.
        Err(error) => return Err(not_found(error)),
    };
    let transfers = books.follow(id, is_noted, vec![actor]).await;
    books.carry_all(transfers).await;
    noted.map_err(|rejection| refused(rejection.into()))?;
    books.get(origin, taken.id).await
}

fn require(original: &Transaction, asked: Amount, left: Amount) -> Result<(), BooksError> {
    let state = original.state;
    if state != State::Applied {
        return Err(Rejection::TransactionForbids { state }.into());
    }
    if asked.is_zero() || asked > left {
        return Err(Rejection::MoreThanApplied { left, asked }.into());
    }
    Ok(())
}

fn refund_of(
    store: &Books,
    origin: &Origin,
    original: &Transaction,
    (amount, back): (Amount, &Back),
) -> Result<NewTransaction, BooksError> {
    let metadata = match &back.merge {
        Some(merge) => books::merge(&original.metadata, merge).map_err(Rejection::from)?,
        None => original.metadata.clone(),
    };
    let description = back.description.clone();
    let precision = if amount == original.amount {
        original.precision.clone()
    } else {
        Precision::of(amount, original.precision.factor)
    };
    let known = &store.engine.shared.keys;
    let plain = format!("refund_{}", original.id);
    let numbered = (1_u64..).map(|count| format!("refund_{}_{count}", original.id));
    let reference = std::iter::once(plain.clone())
        .chain(numbered)
        .find(|text| known.get(reference_key(origin, text)).is_none());
    Ok(NewTransaction {
        kind: Kind::Refund,
        parent: ParentOf::Known(original.id),
        asset: original.asset,
        amount,
        precision,
        source: original.destination.clone(),
        destination: original.source.clone(),
        terms: Terms {
            reference: reference.unwrap_or(plain),
            description: description.unwrap_or_else(|| original.terms.description.clone()),
            overdraft: Overdraft::No,
            marks: Marks {
                skip_queue: back.skip_queue,
                ..Marks::default()
            },
            effective_at: None,
            scheduled_for: None,
            expires_at: None,
            commits_at: None,
            split: String::new(),
        },
        metadata,
        awaited: Amount::ZERO,
    })
}

impl Books {
    /// What moved the money: of what was inflight and was committed at once the commit.
    async fn applied(&self, origin: &Origin, original: Stands) -> Result<Stands, BooksError> {
        if original.state != State::Committed || original.is_head() {
            return Ok(original);
        }
        let Body::Group(events) = self.engine.entry(original.last_lsn)?.body else {
            return Err(NO_TRANSACTION);
        };
        let mut children = booked_in(&events)
            .filter(|booked| booked.transaction.id == original.id)
            .filter_map(|booked| booked.child.as_ref());
        let commit = children
            .find(|child| child.kind == Kind::Commit && child.amount == original.amount)
            .map(|child| child.id);
        match commit {
            Some(id) => self.get(origin, id).await,
            None => Ok(original),
        }
    }
}
