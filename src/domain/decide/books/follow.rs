//! The one decision about a head, and what follows from it here.

use super::page::{Moved, Page};
use crate::domain::{
    books::{Reason, Side, State, StepKind, TAKE_MAX, Transaction},
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

/// The parts that wait here for that head: as many as one record takes, and heads of splits, which move
/// nothing, beside them.
fn reserved(group: &Group, head: TransactionId) -> Vec<Transaction> {
    let books = group.books.as_deref();
    let (mut moving, mut bytes) = (0_usize, 0_usize);
    let open = books.into_iter().flat_map(|books| books.open.values());
    open.filter(|open| {
        let known = &open.transaction;
        known.state == State::Reserved && known.head == Some(head)
    })
    .filter(|open| {
        let moves = !open.transaction.is_head();
        moving = moving.saturating_add(usize::from(moves));
        let is_first = bytes == 0;
        bytes = bytes.saturating_add(weight(group, &open.transaction));
        is_first || ((!moves || moving <= TAKE_MAX) && bytes <= BYTES_MAX)
    })
    .map(|open| open.current())
    .collect()
}

/// How much of parts one record takes, in bytes: well below what the log takes, the head and its list of
/// parts beside them.
const BYTES_MAX: usize = 512 << 10;
/// Of a part, what is no text: its numbers, its postings, its transfer.
const PART_BYTES: usize = 512;
/// Of a balance that a movement states.
const BALANCE_BYTES: usize = 64;

/// About how much of a record the part takes.
fn weight(group: &Group, part: &Transaction) -> usize {
    let assets = |side: &Side| {
        let ledger = group.ledger(side.ledger);
        ledger.map_or(0, |ledger| ledger.balances.len())
    };
    let stated = assets(&part.source).saturating_add(assets(&part.destination));
    let terms = &part.terms;
    let texts = [
        &part.metadata,
        &terms.description,
        &terms.reference,
        &terms.split,
    ];
    let listed = part.parts.len().saturating_mul(16);
    texts
        .iter()
        .fold(PART_BYTES, |sum, text| sum.saturating_add(text.len()))
        .saturating_add(stated.saturating_mul(BALANCE_BYTES))
        .saturating_add(listed)
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
