//! What comes by the time, and what a crash or a task that died left undone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    Books, BooksError,
    find::NO_TRANSACTION,
    heads::{Live, Parts, is_over},
    refund::note_key,
    send::{Keyed, request, transfers_in},
};
use crate::{
    actors::{
        EngineError, Target,
        booked::{Due, Waiting},
    },
    domain::{
        books::{BooksCommand, DueKind, Kind, State},
        command::{Purpose, Transfer},
        ids::{ActorId, TransactionId},
        money::Amount,
        time::Timestamp,
    },
};

/// How often the clock is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// After how long a transaction that waits, and about which nobody is, is decided by the clock.
const PATIENCE_S: i64 = 10;
/// How much is done in one go.
const DUE_MAX: usize = 4_096;
/// How many transfers are brought to their ends at once.
const CARRIED_MAX: usize = 1_024;

pub(super) async fn finish_interrupted(books: &Arc<Books>) -> Result<(), BooksError> {
    let waiting = books.index().waiting();
    if !waiting.is_empty() {
        tracing::info!(count = waiting.len(), "deciding what a crash interrupted");
        decide(books, waiting).await?;
    }
    carry_interrupted(books).await?;
    Ok(())
}

/// Brings the money of the books that is in transit to its ends; other transfers the sweep does.
async fn carry_interrupted(books: &Arc<Books>) -> Result<(), BooksError> {
    let outgoing = &books.engine.shared.outgoing;
    let mut actors: Vec<ActorId> = outgoing.iter().map(|entry| *entry.value()).collect();
    actors.sort_unstable();
    actors.dedup();
    let mut transfers: Vec<Transfer> = Vec::new();
    for actor in actors {
        let sent = books.engine.read(Target::Actor(actor), None, |hosted| {
            let sent = hosted.group.outgoing.values();
            sent.filter(|transfer| transfer.purpose == Purpose::Booking)
                .cloned()
                .collect::<Vec<_>>()
        });
        transfers.append(&mut sent.await?);
        if transfers.len() >= CARRIED_MAX {
            books.carry_all(std::mem::take(&mut transfers)).await;
        }
    }
    books.carry_all(transfers).await;
    Ok(())
}

pub(super) fn start(books: &Arc<Books>) {
    let books = books.clone();
    actix_rt::spawn(async move {
        loop {
            actix_rt::time::sleep(EVERY).await;
            tick(&books).await;
        }
    });
}

async fn tick(books: &Arc<Books>) {
    let now = books.engine.shared.clock.now();
    loop {
        let due = books.index().take_due(now, DUE_MAX);
        if due.is_empty() {
            break;
        }
        fall(books, due).await;
    }
    if books.index().is_decided() {
        return;
    }
    let oldest = now.plus_seconds(PATIENCE_S.saturating_neg());
    let forgotten = books.forgotten(oldest);
    if let Err(error) = decide(books, forgotten).await {
        tracing::warn!(%error, "what nobody decided could not be decided now");
    }
}

impl Books {
    /// What waits since before `oldest` and nobody is about.
    fn forgotten(&self, oldest: Timestamp) -> Vec<Waiting> {
        let mut waiting = self.index().waiting();
        let is_young = |it: &Waiting| it.since >= oldest || self.live.contains(&it.head);
        let young: BTreeSet<TransactionId> = waiting
            .iter()
            .filter(|it| is_young(it))
            .map(|it| it.head)
            .collect();
        // All that wait for one decision are left alone as long as one of them is young.
        waiting.retain(|it| !young.contains(&it.head));
        waiting
    }
}

/// Ends what waits: by the decision that was made, or against it.
async fn decide(books: &Arc<Books>, waiting: Vec<Waiting>) -> Result<(), BooksError> {
    let mut heads: BTreeMap<TransactionId, Vec<Waiting>> = BTreeMap::new();
    for one in waiting {
        if one.kind == Kind::Refund {
            decide_refund(books, one).await?;
        } else {
            heads.entry(one.head).or_default().push(one);
        }
    }
    for (head, waiting) in heads {
        if waiting.iter().any(|one| one.is_due) {
            fall_whole(books, head).await?;
            continue;
        }
        let _live = Live::new(books, head);
        // Each of a bulk that is not atomic was done by itself: the head only says so.
        let is_done = waiting.iter().any(|one| one.id == head && !one.is_atomic);
        let parts = Parts {
            direct: waiting
                .iter()
                .map(|one| one.id)
                .filter(|id| *id != head)
                .collect(),
            below: Vec::new(),
        };
        let actors = waiting.iter().map(|one| one.id.actor).collect();
        tracing::info!(%head, parts = waiting.len(), is_done, "deciding a head nobody is about");
        books.conclude(head, is_done, parts, actors).await?;
    }
    Ok(())
}

/// A refund is done if the original noted it, and never was else.
async fn decide_refund(books: &Arc<Books>, refund: Waiting) -> Result<(), BooksError> {
    let noted = books.engine.shared.keys.get(note_key(refund.id));
    if let Some(lsn) = noted {
        let waited = books.engine.durability.wait(lsn).await;
        waited.map_err(EngineError::from)?;
    }
    let (head, actor) = (refund.head, refund.id.actor);
    let _live = Live::new(books, head);
    let transfers = books.follow(head, noted.is_some(), vec![actor]).await;
    books.carry_all(transfers).await;
    Ok(())
}

/// Does what is due: parts first, then their heads.
async fn fall(books: &Arc<Books>, due: Vec<Due>) {
    let is_split = |one: &Due| one.is_head && one.kind == DueKind::Scheduled;
    let (splits, due): (Vec<Due>, Vec<Due>) = due.into_iter().partition(is_split);
    let (heads, parts): (Vec<Due>, Vec<Due>) = due.into_iter().partition(|one| one.is_head);
    for some in [parts, heads] {
        let command = |one: &Due| BooksCommand::Due(one.id, one.kind);
        let requests = some
            .iter()
            .map(|one| request(one.id.actor, None, command(one), Keyed::default()));
        let answers = books.engine.execute_batch(requests.collect()).await;
        let mut transfers = Vec::new();
        for (one, answer) in some.iter().zip(answers) {
            match answer {
                Ok(answer) => transfers.extend(transfers_in(&answer.events)),
                Err(error) if is_over(&error) => {}
                Err(error) => again(books, one, &error.into()),
            }
        }
        books.carry_all(transfers).await;
    }
    for one in splits {
        if let Err(error) = fall_whole(books, one.id).await {
            again(books, &one, &error);
        }
    }
}

fn again(books: &Books, one: &Due, error: &BooksError) {
    tracing::warn!(id = %one.id, %error, "what is due is tried again");
    let soon = books.engine.shared.clock.now().plus_seconds(1);
    books.index().schedule(*one, soon);
}

/// The time of a split has come: all of its parts are done, or none. Each is reserved, the head last; from
/// then on the decision says the rest. To be repeated if it was interrupted: it goes on where it was.
async fn fall_whole(books: &Arc<Books>, head: TransactionId) -> Result<(), BooksError> {
    let _live = Live::claim(books, head)?;
    let whole = books.look(head).await?.ok_or(NO_TRANSACTION)?;
    let mut parts = whole.parts.clone();
    parts.extend(books.index().strays_of(head));
    parts.sort_unstable();
    parts.dedup();
    let reserve = |id: &TransactionId| {
        let command = BooksCommand::Due(*id, DueKind::Reserve);
        request(id.actor, None, command, Keyed::default())
    };
    let mut requests: Vec<_> = parts.iter().map(reserve).collect();
    for answer in books.insist_all(std::mem::take(&mut requests)).await {
        match answer {
            Ok(_) => {}
            Err(error) if is_over(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match books.insist(reserve(&head)).await {
        Ok(_) => {}
        Err(error) if is_over(&error) => {}
        Err(error) => return Err(error.into()),
    }
    // One that was only half noted, because the house stopped meanwhile, is not done.
    let mut sum = Amount::ZERO;
    for part in &parts {
        let reserved = books.look(*part).await?;
        let reserved = reserved.filter(|part| part.state == State::Reserved);
        sum = reserved.map_or(sum, |part| sum.saturating_plus(part.amount));
    }
    let is_done = sum == whole.amount;
    let actors = parts.iter().map(|part| part.actor).chain([head.actor]);
    let actors = actors.collect();
    let below = Vec::new();
    let direct = parts;
    books
        .conclude(head, is_done, Parts { direct, below }, actors)
        .await?;
    Ok(())
}
