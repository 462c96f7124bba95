//! What is noted of a transaction without moving money: what went back of it, and callers' own data.

use serde_json::{Map, Value};

use super::page::{Moved, Page};
use crate::domain::{
    books::{self, Kind, State, StepKind, Transaction},
    command::Context,
    event::Event,
    group::Group,
    money::Amount,
    outcome::Rejection,
};

/// Notes a refund, or that it was not one after all.
pub(super) fn refund(
    group: &Group,
    mut transaction: Transaction,
    (amount, is_taken): (Amount, bool),
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let moved_money = matches!(
        transaction.kind,
        Kind::Single | Kind::Part | Kind::Commit | Kind::Refund
    );
    if transaction.state != State::Applied || !moved_money {
        let state = transaction.state;
        return Err(Rejection::TransactionForbids { state });
    }
    let left = if is_taken {
        transaction.amount.minus_or_zero(transaction.refunded)
    } else {
        transaction.refunded
    };
    if amount.is_zero() || amount > left {
        let asked = amount;
        return Err(Rejection::MoreThanApplied { left, asked });
    }
    if is_taken {
        transaction.refunded = transaction.refunded.plus(amount)?;
        transaction.steps = transaction.steps.saturating_add(1);
    } else {
        transaction.refunded = transaction.refunded.minus_or_zero(amount);
    }
    let mut page = Page::new(group, context);
    page.write(StepKind::Refunded, (transaction, None), Moved::default());
    Ok(page.finish())
}

/// Merges into the metadata.
pub(super) fn merge(
    group: &Group,
    mut transaction: Transaction,
    changes: &Map<String, Value>,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    transaction.metadata = books::merge(&transaction.metadata, changes)?;
    let mut page = Page::new(group, context);
    page.write(StepKind::Noted, (transaction, None), Moved::default());
    Ok(page.finish())
}
