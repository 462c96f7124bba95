//! What comes by the time.

use super::{page::Page, step};
use crate::domain::{
    books::{DueKind, State, StepKind, Transaction},
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
    let transaction = open.ok_or(Rejection::NothingDue)?.current();
    let terms = &transaction.terms;
    let (at, state) = match kind {
        DueKind::Scheduled => (terms.scheduled_for, State::Scheduled),
        DueKind::Expiry => (terms.expires_at, State::Inflight),
        DueKind::Commit => (terms.commits_at, State::Inflight),
    };
    let has_come = at.is_some_and(|at| at <= context.now);
    if !has_come || transaction.state != state {
        return Err(Rejection::NothingDue);
    }
    let page = Page::new(group, context);
    match kind {
        DueKind::Scheduled => fall(page, transaction),
        DueKind::Expiry => {
            let expired = (StepKind::Expired, State::Expired);
            step::let_go(page, transaction, expired, None)
        }
        DueKind::Commit => step::commit(page, transaction, (None, None)),
    }
}

/// It is done now, or rejected for good.
fn fall(mut page: Page<'_>, mut transaction: Transaction) -> Result<Vec<Event>, Rejection> {
    transaction.state = transaction.asked();
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
