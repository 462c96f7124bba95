//! What the ledger face asks of a group.

mod due;
mod follow;
mod note;
mod page;
mod patch;
mod step;
mod take;

use crate::domain::{
    books::{BooksCommand, Transaction},
    command::Context,
    event::Event,
    group::Group,
    ids::TransactionId,
    outcome::Rejection,
};

pub(super) fn decide(
    group: &Group,
    command: &BooksCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        BooksCommand::Take(asked) => take::decide(group, asked, context),
        BooksCommand::Decide {
            head,
            is_done,
            parts,
            below,
        } => follow::decide(group, (*head, *is_done), (parts, below), context),
        BooksCommand::Follow { head, is_done } => follow::follow(group, (*head, *is_done), context),
        BooksCommand::Step(on) => step::decide(group, on, context),
        BooksCommand::Due(id, kind) => due::decide(group, *id, *kind, context),
        BooksCommand::NoteRefund {
            id,
            amount,
            is_taken,
            recalled,
        } => {
            let found = find(group, *id, recalled.as_deref())?;
            note::refund(group, found, (*amount, *is_taken), context)
        }
        BooksCommand::Note {
            id,
            merge,
            recalled,
        } => {
            let found = find(group, *id, recalled.as_deref())?;
            note::merge(group, found, merge, context)
        }
        BooksCommand::Patch(patch) => patch::decide(group, patch, context),
    }
}

/// The transaction: from the state while something may become of it, else as fetched from the log.
fn find(
    group: &Group,
    id: TransactionId,
    recalled: Option<&Transaction>,
) -> Result<Transaction, Rejection> {
    let books = group.books.as_deref();
    let books = books.ok_or(Rejection::TransactionNotFound)?;
    if let Some(open) = books.open.get(&id) {
        return Ok(open.current());
    }
    let place = books.closed.get(&id);
    let place = place.ok_or(Rejection::TransactionNotFound)?;
    let known = recalled.filter(|known| known.id == id && known.last_lsn == *place);
    known.cloned().ok_or(Rejection::TransactionNotFound)
}
