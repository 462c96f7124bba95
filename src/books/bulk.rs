//! Many transactions in one request: all of them or none, or each by itself.

use std::{collections::BTreeSet, mem, sync::Arc};

use super::{
    Ask, Books, BooksError, Bulk, BulkDone, Done, Guard, Origin, heads,
    heads::Live,
    names::{Resolved, Resolver},
    plan::{Plan, bulk_head, words_of},
    send::{booked_in, request, transfers_in},
    take::{Idempotency, keyed, nothing_asked, placed, references_of},
};
use crate::{
    actors::{Answer, EngineError, Request},
    domain::{
        books::{
            BooksCommand, Marks, NewTransaction, OnShort, ParentOf, Reason, State, Take,
            Transaction,
        },
        command::Transfer,
        ids::{ActorId, LedgerNo, TransactionId},
    },
    wire::{Key, KeyLife},
};

/// How many transactions are asked for at once before their money is brought where it goes.
const WAVE_MAX: usize = 1_024;

pub(super) async fn take(
    books: &Arc<Books>,
    origin: &Origin,
    mut bulk: Bulk,
    guard: Guard,
) -> Result<Done<BulkDone>, BooksError> {
    if bulk.asks.is_empty() {
        return Err(nothing_asked());
    }
    for ask in &mut bulk.asks {
        ask.marks.inflight |= bulk.is_inflight;
    }
    let later = bulk.asks.iter().position(|ask| ask.scheduled_for.is_some());
    if let Some(place) = later.filter(|_| bulk.is_atomic) {
        return Err(BooksError::Invalid {
            field: format!("transactions[{place}].scheduled_for"),
            message: "an atomic bulk is done at once: ask for what is scheduled by itself"
                .to_owned(),
        });
    }
    let idempotency = Idempotency::new(origin, &guard, "ledger bulk", || {
        let all: Vec<&Ask> = bulk.asks.iter().collect();
        format!("{}\n{}", bulk.is_atomic, words_of(&all))
    });
    if let Some(answer) = books.replayed(idempotency.as_ref()).await? {
        let value = again(books, origin, &bulk, &answer).await?;
        let is_replay = true;
        return Ok(Done { value, is_replay });
    }
    let (books, origin) = (books.clone(), origin.clone());
    let taken = actix_rt::spawn(async move {
        if bulk.is_atomic {
            all_or_none(&books, &origin, bulk, idempotency).await
        } else {
            each(&books, &origin, bulk, idempotency).await
        }
    });
    taken.await.map_err(|_| EngineError::Unavailable)?
}

/// What an earlier request under the same `Idempotency-Key` was answered with.
async fn again(
    books: &Arc<Books>,
    origin: &Origin,
    bulk: &Bulk,
    answer: &Answer,
) -> Result<BulkDone, BooksError> {
    let head = books.answered(origin, answer).await?;
    if bulk.is_atomic {
        return match head.state {
            State::Rejected => Err(BooksError::Short {
                place: 0,
                reason: head.reason.clone().unwrap_or(Reason::OtherPart),
            }),
            State::Reserved
            | State::Scheduled
            | State::Inflight
            | State::Applied
            | State::Committed
            | State::Voided
            | State::Expired => Ok(BulkDone {
                id: head.id,
                done: bulk.asks.len(),
                first_refused: None,
            }),
        };
    }
    let done: BTreeSet<TransactionId> = head.parts.iter().copied().collect();
    let mut first_refused = None;
    for (place, ask) in bulk.asks.iter().enumerate() {
        let why = match books.by_reference(origin, &ask.reference).await {
            Ok(known) if done.contains(&known.id) => continue,
            Ok(known) => why_rejected(&known).unwrap_or_else(|| {
                let reference = ask.reference.clone();
                BooksError::Duplicate { reference }.to_string()
            }),
            Err(BooksError::NotFound(_)) => "the transaction could not be done".to_owned(),
            Err(error) => return Err(error),
        };
        first_refused = Some((place, why));
        break;
    }
    Ok(BulkDone {
        id: head.id,
        done: done.len(),
        first_refused,
    })
}

async fn all_or_none(
    books: &Arc<Books>,
    origin: &Origin,
    bulk: Bulk,
    idempotency: Option<Idempotency>,
) -> Result<Done<BulkDone>, BooksError> {
    let count = bulk.asks.len();
    let mut resolver = Resolver::new(books, origin);
    let mut resolved = Vec::with_capacity(count);
    for ask in bulk.asks {
        resolved.push(resolver.resolve(ask).await?);
    }
    let marks = Marks {
        inflight: bulk.is_inflight,
        skip_queue: true,
        atomic: true,
    };
    let head = bulk_head(&resolved, marks).ok_or_else(nothing_asked)?;
    let plan = Plan::of_bulk(books, origin, resolved, head);
    let asked = (idempotency, OnShort::Refuse);
    let taken = books.take_plan(origin, plan, asked).await?;
    Ok(Done {
        value: BulkDone {
            id: taken.value.id,
            done: count,
            first_refused: None,
        },
        is_replay: taken.is_replay,
    })
}

/// What came of an ask: the transaction, or why there is none.
type Ended = Result<TransactionId, String>;

async fn each(
    books: &Arc<Books>,
    origin: &Origin,
    bulk: Bulk,
    idempotency: Option<Idempotency>,
) -> Result<Done<BulkDone>, BooksError> {
    let mut ended: Vec<Option<Ended>> = Vec::new();
    let mut resolver = Resolver::new(books, origin);
    let (mut asks, mut places, mut refusal) = (Vec::new(), Vec::new(), None);
    for (place, ask) in bulk.asks.into_iter().enumerate() {
        match resolver.resolve(ask).await {
            Ok(resolved) => {
                asks.push(resolved);
                places.push(place);
                ended.push(None);
            }
            Err(error @ (BooksError::NotFound(_) | BooksError::Invalid { .. })) => {
                ended.push(Some(Err(error.to_string())));
                refusal.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let marks = Marks {
        inflight: bulk.is_inflight,
        ..Marks::default()
    };
    let Some(head) = bulk_head(&asks, marks) else {
        return Err(refusal.unwrap_or_else(nothing_asked));
    };
    let begun = begin(books, origin, head, idempotency).await?;
    let head = begun.0;
    if begun.1 {
        return Err(EngineError::Busy("the bulk is being done by an earlier request").into());
    }
    let live = Live::new(books, head);
    let mut run = Run {
        books,
        origin,
        head,
        ended,
        wave: Vec::new(),
        reached: BTreeSet::new(),
    };
    for (place, resolved) in places.into_iter().zip(asks) {
        run.add(place, resolved).await;
    }
    run.flush().await;
    let all = run.ended.into_iter().enumerate();
    let (mut parts, mut first_refused) = (heads::Parts::default(), None);
    for (place, ended) in all {
        match ended {
            Some(Ok(id)) => parts.direct.push(id),
            Some(Err(why)) => {
                first_refused.get_or_insert((place, why));
            }
            None => {}
        }
    }
    let done = parts.direct.len();
    let actors = vec![head.actor];
    books.conclude(head, done > 0, parts, actors).await?;
    drop(live);
    Ok(Done {
        value: BulkDone {
            id: head,
            done,
            first_refused,
        },
        is_replay: false,
    })
}

/// Records the head; the others are its parts. Says whether an earlier request did.
async fn begin(
    books: &Arc<Books>,
    origin: &Origin,
    head: NewTransaction,
    idempotency: Option<Idempotency>,
) -> Result<(TransactionId, bool), BooksError> {
    let actor = books.actor_of(&head.source);
    let take = Take {
        new: vec![head],
        waits: true,
        on_short: OnShort::Refuse,
    };
    let keyed = keyed(idempotency, std::iter::empty());
    let request = request(actor, Some(origin), BooksCommand::Take(take), keyed);
    let begun = books.insist(request).await?;
    let booked = booked_in(&begun.events).next();
    let booked = booked.ok_or(EngineError::KeyConflict)?;
    Ok((booked.transaction.id, begun.is_replay))
}

/// One of a wave: its place, its request, and what its answer is read with.
struct Sent {
    place: usize,
    request: Request,
    keys: Vec<(Key, KeyLife)>,
    references: Vec<(Key, String)>,
}

/// A bulk of which each is done by itself.
struct Run<'a> {
    books: &'a Arc<Books>,
    origin: &'a Origin,
    head: TransactionId,
    ended: Vec<Option<Ended>>,
    wave: Vec<Sent>,
    /// Money that the wave brings to other actors: what spends it comes after it has arrived.
    reached: BTreeSet<LedgerNo>,
}

impl Run<'_> {
    async fn add(&mut self, place: usize, resolved: Resolved) {
        let on_short = if resolved.ask.marks.skip_queue {
            OnShort::Refuse
        } else {
            OnShort::Record
        };
        let mut plan = Plan::of(self.books, self.origin, resolved);
        let is_later = plan.is_later(self.books.engine.shared.clock.now());
        let spends = |run: &Self| {
            let mut sources = plan.pieces.iter().map(|piece| piece.new.source.ledger);
            sources.any(|ledger| run.reached.contains(&ledger))
        };
        let Some(actor) = plan.pieces.first().map(|first| first.actor) else {
            return;
        };
        if !plan.fits_one_record() {
            self.flush().await;
            let taken = if is_later {
                heads::schedule(self.books, self.origin, plan, None).await
            } else {
                heads::take(self.books, self.origin, plan, (None, on_short)).await
            };
            let ended = match taken {
                Ok(done) => ended_as(&done.value),
                Err(error) => Err(said(&error)),
            };
            self.end(place, ended);
            return;
        }
        if self.wave.len() >= WAVE_MAX || spends(self) {
            self.flush().await;
        }
        self.reach(&plan, actor);
        let keyed = keyed(None, plan.pieces.iter());
        let (keys, references) = (keyed.keys.clone(), references_of(&plan.pieces));
        let mut new = plan.into_new();
        if let Some(first) = new.first_mut() {
            first.parent = ParentOf::Known(self.head);
        }
        let take = BooksCommand::Take(Take {
            new,
            waits: false,
            on_short,
        });
        self.wave.push(Sent {
            place,
            request: request(actor, Some(self.origin), take, keyed),
            keys,
            references,
        });
    }

    fn reach(&mut self, plan: &Plan, actor: ActorId) {
        for piece in plan.pieces.iter().filter(|piece| !piece.is_head()) {
            let destination = &piece.new.destination;
            if self.books.actor_of(destination) != actor {
                self.reached.insert(destination.ledger);
            }
        }
    }

    /// Has the wave decided, those of one actor in their order, and brings the money where it goes.
    async fn flush(&mut self) {
        self.reached.clear();
        let wave = mem::take(&mut self.wave);
        if wave.is_empty() {
            return;
        }
        let (mut requests, mut sent) = (Vec::new(), Vec::new());
        for one in wave {
            requests.push(one.request);
            sent.push((one.place, one.keys, one.references));
        }
        let answers = self.books.insist_all(requests).await;
        let mut transfers: Vec<Transfer> = Vec::new();
        for ((place, keys, references), answer) in sent.into_iter().zip(answers) {
            let ended = match self.books.recorded(answer, &keys, &references) {
                Ok(answer) => {
                    transfers.extend(transfers_in(&answer.events));
                    let booked = booked_in(&answer.events).next();
                    booked.map_or_else(
                        || Err("the transaction could not be done".to_owned()),
                        |booked| ended_as(&booked.transaction),
                    )
                }
                Err(error) => Err(said(&placed(error, &[place]))),
            };
            self.end(place, ended);
        }
        self.books.carry_all(transfers).await;
    }

    fn end(&mut self, place: usize, ended: Ended) {
        if let Some(slot) = self.ended.get_mut(place) {
            *slot = Some(ended);
        }
    }
}

fn ended_as(transaction: &Transaction) -> Ended {
    why_rejected(transaction).map_or(Ok(transaction.id), Err)
}

fn why_rejected(transaction: &Transaction) -> Option<String> {
    let is_rejected = transaction.state == State::Rejected;
    let reason = transaction.reason.as_ref().filter(|_| is_rejected);
    reason.map(why)
}

fn said(error: &BooksError) -> String {
    match error {
        BooksError::Short { reason, .. } => why(reason),
        BooksError::NotFound(_)
        | BooksError::Duplicate { .. }
        | BooksError::Invalid { .. }
        | BooksError::Rejected(_)
        | BooksError::Engine(_) => error.to_string(),
    }
}

/// Why a transaction cannot be done, for people.
fn why(reason: &Reason) -> String {
    match reason {
        Reason::InsufficientFunds {
            available,
            required,
        } => format!("insufficient funds: {available} available, {required} required"),
        Reason::OverdraftLimit {
            available,
            required,
        } => format!(
            "the overdraft limit would be exceeded: {available} available with it, {required} required"
        ),
        Reason::AccountNotOpen { .. } => "a balance of the transaction is not active".to_owned(),
        Reason::OtherPart => "another transaction with it could not be done".to_owned(),
        Reason::Hook => "a pre-transaction hook refused".to_owned(),
    }
}
