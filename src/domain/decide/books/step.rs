//! Steps on what is inflight: a part or all of it is committed, the rest let go.

use serde_json::{Map, Value};

use super::{
    find,
    page::{Moved, Page},
};
use crate::domain::{
    books::{self, Kind, Marks, Precision, State, Step, StepKind, StepOn, Terms, Transaction},
    command::Context,
    event::Event,
    group::Group,
    ids::TransactionId,
    money::Amount,
    outcome::Rejection,
    posting::Place,
    time::Timestamp,
};

/// What a child's metadata differs in from its parent's.
type Merge<'a> = Option<&'a Map<String, Value>>;

pub(super) fn decide(
    group: &Group,
    on: &StepOn,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let transaction = find(group, on.id, on.recalled.as_deref())?;
    if transaction.state != State::Inflight {
        let state = transaction.state;
        return Err(Rejection::TransactionForbids { state });
    }
    let page = Page::new(group, context);
    match on.step {
        Step::Commit(amount) => commit(page, transaction, (amount, on.merge.as_ref())),
        Step::Void => let_go(
            page,
            transaction,
            (StepKind::Voided, State::Voided),
            on.merge.as_ref(),
        ),
    }
}

/// Takes so much of what is inflight, or all that is left.
pub(super) fn commit(
    mut page: Page<'_>,
    mut transaction: Transaction,
    (asked, merge): (Option<Amount>, Merge<'_>),
) -> Result<Vec<Event>, Rejection> {
    let left = transaction.left();
    let asked = asked.unwrap_or(left);
    let amount = if transaction.is_head() {
        // Its parts were held against what is left of each.
        asked.min(left)
    } else {
        asked
    };
    if !transaction.is_head() && (amount.is_zero() || amount > left) {
        return Err(Rejection::MoreThanInflight { left, asked });
    }
    let (child, money) = if transaction.is_head() {
        (None, Moved::default())
    } else {
        let child = (Kind::Commit, State::Applied, amount);
        let child = child_of(&transaction, (page.next_id()?, page.now()), child, merge)?;
        let from = Place::Held(transaction.source.ledger);
        let money = page.pay(&transaction, from, (amount, child.id))?;
        (Some(child), money)
    };
    transaction.committed = transaction.committed.plus(amount)?;
    transaction.steps = transaction.steps.saturating_add(1);
    if transaction.left().is_zero() {
        transaction.state = if transaction.released.is_zero() {
            State::Committed
        } else {
            State::Voided
        };
    }
    page.write(StepKind::Committed, (transaction, child), money);
    Ok(page.finish())
}

/// Lets go what is left: on request, or because its time ran out.
pub(super) fn let_go(
    mut page: Page<'_>,
    mut transaction: Transaction,
    (kind, state): (StepKind, State),
    merge: Merge<'_>,
) -> Result<Vec<Event>, Rejection> {
    let left = transaction.left();
    let (child, money) = if transaction.is_head() {
        (None, Moved::default())
    } else {
        let child = (Kind::Void, state, left);
        let child = child_of(&transaction, (page.next_id()?, page.now()), child, merge)?;
        (Some(child), page.release(&transaction, left)?)
    };
    transaction.released = transaction.released.plus(left)?;
    transaction.steps = transaction.steps.saturating_add(1);
    transaction.state = state;
    page.write(kind, (transaction, child), money);
    Ok(page.finish())
}

/// The transaction that says how much of its parent was committed or let go.
fn child_of(
    parent: &Transaction,
    (id, now): (TransactionId, Timestamp),
    (kind, state, amount): (Kind, State, Amount),
    merge: Merge<'_>,
) -> Result<Transaction, Rejection> {
    let metadata = match merge {
        Some(changes) => books::merge(&parent.metadata, changes)?,
        None => parent.metadata.clone(),
    };
    let precision = if amount == parent.amount {
        parent.precision.clone()
    } else {
        Precision::of(amount, parent.precision.factor)
    };
    Ok(Transaction {
        id,
        parent: Some(parent.id),
        head: None,
        kind,
        state,
        reason: None,
        asset: parent.asset,
        amount,
        precision,
        source: parent.source.clone(),
        destination: parent.destination.clone(),
        terms: Terms {
            reference: String::new(),
            description: parent.terms.description.clone(),
            overdraft: parent.terms.overdraft,
            marks: Marks {
                inflight: false,
                ..parent.terms.marks
            },
            effective_at: parent.terms.effective_at,
            scheduled_for: None,
            expires_at: None,
            commits_at: None,
            split: String::new(),
        },
        metadata,
        created_at: now,
        committed: Amount::ZERO,
        released: Amount::ZERO,
        refunded: Amount::ZERO,
        steps: 0,
        parts: Vec::new(),
        first_lsn: 0,
        last_lsn: 0,
    })
}
