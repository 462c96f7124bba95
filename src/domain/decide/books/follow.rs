//! The one decision about a head, and what follows from it here.

use super::page::{Moved, Page};
use crate::domain::{
    books::{Reason, State, StepKind, TAKE_MAX, Transaction},
    command::Context,
    event::Event,
    group::Group,
    ids::TransactionId,
    outcome::Rejection,
    posting::Place,
};

/// Heads of splits, each with its parts.
type Below = [(TransactionId, Vec<TransactionId>)];

pub(super) fn decide(
    group: &Group,
    (id, is_done): (TransactionId, bool),
    (parts, below): (&[TransactionId], &Below),
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let mut page = Page::new(group, context);
    let books = group.books.as_deref();
    let books = books.ok_or(Rejection::TransactionNotFound)?;
    let Some(open) = books.open.get(&id) else {
        return Err(if books.closed.contains_key(&id) {
            Rejection::NothingDue
        } else {
            Rejection::TransactionNotFound
        });
    };
    let mut head = open.current();
    if !head.is_head() || head.head.is_some() || head.state != State::Reserved {
        let state = head.state;
        return Err(Rejection::TransactionForbids { state });
    }
    head.parts = parts.to_vec();
    conclude(&mut page, head, is_done)?;
    for mut part in reserved(group, id) {
        if let Some((_, parts)) = below.iter().find(|(head, _)| *head == part.id) {
            part.parts.clone_from(parts);
        }
        conclude(&mut page, part, is_done)?;
    }
    Ok(page.finish())
}

pub(super) fn follow(
    group: &Group,
    (head, is_done): (TransactionId, bool),
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let mut page = Page::new(group, context);
    for part in reserved(group, head) {
        conclude(&mut page, part, is_done)?;
    }
    let events = page.finish();
    if events.is_empty() {
        return Err(Rejection::NothingDue);
    }
    Ok(events)
}

/// The parts that wait here for that head, as many as one record takes.
fn reserved(group: &Group, head: TransactionId) -> Vec<Transaction> {
    let books = group.books.as_deref();
    let open = books.into_iter().flat_map(|books| books.open.values());
    open.filter(|open| {
        let known = &open.transaction;
        known.state == State::Reserved && known.head == Some(head)
    })
    .take(TAKE_MAX)
    .map(|open| open.current())
    .collect()
}

fn conclude(
    page: &mut Page<'_>,
    mut transaction: Transaction,
    is_done: bool,
) -> Result<(), Rejection> {
    let held = transaction.held();
    let moves = !transaction.is_head();
    if !is_done {
        let money = if moves {
            page.release(&transaction, held)?
        } else {
            Moved::default()
        };
        transaction.state = State::Rejected;
        transaction.reason = Some(Reason::OtherPart);
        page.write(StepKind::Released, (transaction, None), money);
        return Ok(());
    }
    transaction.state = transaction.asked();
    let money = if moves && transaction.state == State::Applied {
        let from = Place::Held(transaction.source.ledger);
        page.pay(&transaction, from, (held, transaction.id))?
    } else {
        Moved::default()
    };
    page.write(StepKind::Confirmed, (transaction, None), money);
    Ok(())
}
