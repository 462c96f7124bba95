//! What comes by the time.

use super::{page::Page, step};
use crate::domain::{
    books::{DueKind, Kind, State, StepKind, Transaction},
    command::Context,
    event::Event,
    group::Group,
    ids::TransactionId,
    money::Amount,
    outcome::Rejection,
};

pub(super) fn decide(
    group: &Group,
    id: TransactionId,
    kind: DueKind,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let books = group.books.as_deref();
    let open = books.and_then(|books| books.open.get(&id));
    let mut transaction = open.ok_or(Rejection::NothingDue)?.current();
    let terms = &transaction.terms;
    let (at, state) = match kind {
        DueKind::Scheduled | DueKind::Reserve => (terms.scheduled_for, State::Scheduled),
        DueKind::Expiry => (terms.expires_at, State::Inflight),
        DueKind::Commit => (terms.commits_at, State::Inflight),
    };
    let has_come = at.is_some_and(|at| at <= context.now);
    if !has_come || transaction.state != state {
        return Err(Rejection::NothingDue);
    }
    let page = Page::new(group, context);
    match kind {
        DueKind::Scheduled => {
            let state = transaction.asked();
            fall(page, transaction, state)
        }
        DueKind::Reserve => {
            // The head of a split decides about its parts, wherever they are; of anything else nobody would.
            if !transaction.is_head() {
                let parent = transaction
                    .parent
                    .filter(|_| transaction.kind == Kind::Part);
                transaction.head = Some(parent.ok_or(Rejection::NothingDue)?);
            }
            fall(page, transaction, State::Reserved)
        }
        DueKind::Expiry => {
            let expired = (StepKind::Expired, State::Expired);
            step::let_go(page, transaction, expired, None)
        }
        DueKind::Commit => step::commit(page, transaction, (None, None)),
    }
}

/// It is now what its time makes it, or rejected for good.
fn fall(
    mut page: Page<'_>,
    mut transaction: Transaction,
    state: State,
) -> Result<Vec<Event>, Rejection> {
    transaction.state = state;
    match page.begin(&transaction, Amount::ZERO)? {
        Ok(money) => page.write(StepKind::Fell, (transaction, None), money),
        Err(reason) => {
            transaction.state = State::Rejected;
            transaction.reason = Some(reason);
            page.write(StepKind::Fell, (transaction, None), Default::default());
        }
    }
    Ok(page.finish())
}
