//! What the ledger face asks of a group.

use crate::domain::{
    books::BooksCommand, command::Context, event::Event, group::Group, outcome::Rejection,
};

pub(super) fn decide(
    _group: &Group,
    _command: &BooksCommand,
    _context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    Err(Rejection::TransactionNotFound)
}
