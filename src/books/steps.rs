//! Commits and voids, of a head all of its parts; and what is noted of a transaction.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Books, BooksError, Done, Guard, Origin, Stands,
    find::not_found,
    heads::{Live, is_over, only},
    send::{Keyed, booked_in, request, settled, transfers_in},
    take::{Idempotency, keyed},
};
use crate::{
    actors::EngineError,
    domain::{
        books::{BooksCommand, State, Step, StepOn},
        ids::TransactionId,
        outcome::Rejection,
    },
};

type Merge = Option<Map<String, Value>>;

pub(super) async fn step(
    books: &Arc<Books>,
    origin: &Origin,
    id: TransactionId,
    (step, merge): (Step, Merge),
    guard: Guard,
) -> Result<Done<Stands>, BooksError> {
    let idempotency = Idempotency::new(origin, &guard, "ledger step", || {
        format!("{id} {step:?} {merge:?}")
    });
    if let Some(answer) = books.replayed(idempotency.as_ref()).await? {
        return Ok(Done {
            value: books.answered(origin, &answer).await?,
            is_replay: true,
        });
    }
    if books.index().is_open_head(id) {
        let (books, origin) = (books.clone(), origin.clone());
        let stepped = actix_rt::spawn(async move {
            step_all(&books, &origin, id, (step, merge), idempotency).await
        });
        return stepped.await.map_err(|_| EngineError::Unavailable)?;
    }
    let command = one(id, step, merge);
    let keyed = keyed(idempotency, std::iter::empty());
    let request = request(id.actor, Some(origin), command, keyed);
    let answer = books.engine.execute(request).await.map_err(not_found)?;
    if !answer.is_replay {
        books.carry(&answer.events).await;
    }
    let booked = booked_in(&answer.events).next();
    let booked = booked.ok_or(EngineError::KeyConflict)?;
    let made = booked.child.as_ref().unwrap_or(&booked.transaction);
    Ok(Done {
        value: settled(made, answer.lsn),
        is_replay: answer.is_replay,
    })
}

fn one(id: TransactionId, step: Step, merge: Merge) -> BooksCommand {
    BooksCommand::Step(Box::new(StepOn {
        id,
        step,
        merge,
        recalled: None,
    }))
}

/// Steps on each part of a head that is still inflight, then on the head.
async fn step_all(
    books: &Arc<Books>,
    origin: &Origin,
    id: TransactionId,
    (step, merge): (Step, Merge),
    idempotency: Option<Idempotency>,
) -> Result<Done<Stands>, BooksError> {
    if matches!(step, Step::Commit(Some(_))) {
        return Err(BooksError::Invalid {
            field: "amount".to_owned(),
            message:
                "this is the head of several: it is committed whole, or each part by its own id"
                    .to_owned(),
        });
    }
    let _live = Live::claim(books, id)?;
    let state = books.get(origin, id).await?.state;
    if state != State::Inflight {
        return Err(Rejection::TransactionForbids { state }.into());
    }
    let (leaves, heads) = books.below(origin, id).await?;
    let steps = leaves.iter().map(|part| {
        let command = one(*part, step, merge.clone());
        request(part.actor, Some(origin), command, Keyed::default())
    });
    let (mut transfers, mut failed) = (Vec::new(), None);
    for answer in books.insist_all(steps.collect()).await {
        match answer {
            Ok(answer) => transfers.extend(transfers_in(&answer.events)),
            Err(error) if is_over(&error) => {}
            Err(error) => failed = Some(error),
        }
    }
    books.carry_all(transfers).await;
    if let Some(error) = failed {
        return Err(error.into());
    }
    for head in heads.into_iter().rev() {
        let command = one(head, step, None);
        let request = request(head.actor, Some(origin), command, Keyed::default());
        match books.insist(request).await {
            Ok(_) => {}
            Err(error) if is_over(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let keyed = keyed(idempotency, std::iter::empty());
    let request = request(id.actor, Some(origin), one(id, step, merge), keyed);
    let answer = books.insist(request).await.map_err(not_found)?;
    Ok(Done {
        value: only(&answer)?,
        is_replay: answer.is_replay,
    })
}

impl Books {
    /// All that is below a head: what moves money, and heads, each before its own parts.
    pub(super) async fn below(
        &self,
        origin: &Origin,
        head: TransactionId,
    ) -> Result<(Vec<TransactionId>, Vec<TransactionId>), BooksError> {
        let (mut leaves, mut heads) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        let mut waiting = vec![head];
        while let Some(next) = waiting.pop() {
            let mut parts = self.get(origin, next).await?.parts.clone();
            parts.extend(self.index().strays_of(next));
            for part in parts {
                if !seen.insert(part) {
                    continue;
                }
                if self.index().is_open_head(part) {
                    heads.push(part);
                    waiting.push(part);
                } else {
                    leaves.push(part);
                }
            }
        }
        Ok((leaves, heads))
    }
}

pub(super) async fn note(
    books: &Arc<Books>,
    origin: &Origin,
    id: TransactionId,
    merge: Map<String, Value>,
) -> Result<Stands, BooksError> {
    let command = BooksCommand::Note {
        id,
        merge,
        recalled: None,
    };
    let request = request(id.actor, Some(origin), command, Keyed::default());
    let answer = books.engine.execute(request).await.map_err(not_found)?;
    Ok(only(&answer)?)
}
