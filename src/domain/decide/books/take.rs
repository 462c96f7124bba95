//! New transactions: all of a record, or none.

use super::page::{Moved, Page};
use crate::domain::{
    account::Account,
    books::{
        Kind, METADATA_BYTES_MAX, NewTransaction, OnShort, ParentOf, Reason, State, StepKind, Take,
        Transaction,
    },
    command::Context,
    decide::money::require_counted,
    event::Event,
    group::Group,
    ids::TransactionId,
    money::Amount,
    outcome::Rejection,
    policy::metadata::MetadataError,
};

pub(super) fn decide(
    group: &Group,
    take: &Take,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let mut page = Page::new(group, context);
    let transactions = noted(group, take, &mut page)?;
    let mut moved = Vec::with_capacity(transactions.len());
    for (place, (transaction, new)) in transactions.iter().zip(&take.new).enumerate() {
        match (page.begin(transaction, new.awaited)?, take.on_short) {
            (Ok(money), _) => moved.push(money),
            (Err(reason), OnShort::Refuse) => return Err(Rejection::Unbooked { place, reason }),
            (Err(reason), OnShort::Record) => {
                // What was drawn up so far is thrown away.
                let page = Page::new(group, context);
                return Ok(rejected(transactions, (place, reason), page));
            }
        }
    }
    for (transaction, money) in transactions.into_iter().zip(moved) {
        page.write(StepKind::Taken, (transaction, None), money);
    }
    Ok(page.finish())
}

/// All of them as rejected, because that one cannot be done.
fn rejected(
    transactions: Vec<Transaction>,
    (place, reason): (usize, Reason),
    mut page: Page<'_>,
) -> Vec<Event> {
    for (at, mut transaction) in transactions.into_iter().enumerate() {
        transaction.state = State::Rejected;
        transaction.reason = Some(if at == place {
            reason.clone()
        } else {
            Reason::OtherPart
        });
        page.write(StepKind::Taken, (transaction, None), Moved::default());
    }
    page.finish()
}

/// All of them as they will be if they can be done.
fn noted(group: &Group, take: &Take, page: &mut Page<'_>) -> Result<Vec<Transaction>, Rejection> {
    if take.new.is_empty() {
        return Err(Rejection::NothingDue);
    }
    let mut all: Vec<Transaction> = Vec::with_capacity(take.new.len());
    for new in &take.new {
        let mut transaction = transaction(new, page.next_id()?, page);
        check(group, new, &transaction)?;
        transaction.parent = above(new.parent, &all, &mut transaction)?;
        if take.waits {
            transaction.head = if new.kind == Kind::Refund {
                // What goes back waits for the original to note it, which may be closed and of this group.
                transaction.parent
            } else {
                head_of(group, new.parent, &all)?
            };
            if transaction.head.is_none() && !transaction.is_head() {
                return Err(Rejection::TransactionNotFound);
            }
            transaction.state = State::Reserved;
        }
        if let ParentOf::Earlier(place) = new.parent
            && let Some(parent) = all.get_mut(place)
        {
            parent.parts.push(transaction.id);
        }
        all.push(transaction);
    }
    Ok(all)
}

fn transaction(new: &NewTransaction, id: TransactionId, page: &Page<'_>) -> Transaction {
    let is_later = |at| at > page.now();
    let mut transaction = Transaction {
        id,
        parent: None,
        head: None,
        kind: new.kind,
        state: State::Scheduled,
        reason: None,
        asset: new.asset,
        amount: new.amount,
        precision: new.precision.clone(),
        source: new.source.clone(),
        destination: new.destination.clone(),
        terms: new.terms.clone(),
        metadata: new.metadata.clone(),
        created_at: page.now(),
        committed: Amount::ZERO,
        released: Amount::ZERO,
        refunded: Amount::ZERO,
        steps: 0,
        parts: Vec::new(),
        first_lsn: 0,
        last_lsn: 0,
    };
    // A split that is scheduled falls as one, with the decision on its head, even if its time came just now.
    let is_split = matches!(new.kind, Kind::SplitHead | Kind::Part);
    let at = new.terms.scheduled_for;
    if !at.is_some_and(|at| is_split || is_later(at)) {
        transaction.state = transaction.asked();
    }
    transaction
}

/// What the transaction is a part of. What is a part of something scheduled is scheduled with it.
fn above(
    parent: ParentOf,
    earlier: &[Transaction],
    transaction: &mut Transaction,
) -> Result<Option<TransactionId>, Rejection> {
    let place = match parent {
        ParentOf::None => return Ok(None),
        ParentOf::Known(parent) | ParentOf::Below { parent, .. } => return Ok(Some(parent)),
        ParentOf::Earlier(place) => place,
    };
    let known = earlier.get(place).filter(|known| known.is_head());
    let known = known.ok_or(Rejection::TransactionNotFound)?;
    if known.state == State::Scheduled {
        transaction.state = State::Scheduled;
        transaction.terms.scheduled_for = known.terms.scheduled_for;
    }
    Ok(Some(known.id))
}

/// Who decides about a transaction that waits. Refused if it is this group's and waits no longer.
fn head_of(
    group: &Group,
    parent: ParentOf,
    earlier: &[Transaction],
) -> Result<Option<TransactionId>, Rejection> {
    let id = match parent {
        ParentOf::None => return Ok(None),
        ParentOf::Earlier(place) => {
            let known = earlier.get(place);
            return Ok(known.map(|known| known.head.unwrap_or(known.id)));
        }
        ParentOf::Known(id) | ParentOf::Below { head: id, .. } => id,
    };
    let books = group.books.as_deref();
    if let Some(open) = books.and_then(|books| books.open.get(&id)) {
        let state = open.transaction.state;
        if state != State::Reserved {
            return Err(Rejection::TransactionForbids { state });
        }
        return Ok(Some(open.transaction.head.unwrap_or(id)));
    }
    let is_over = books.is_some_and(|books| books.closed.contains_key(&id));
    if is_over || id.actor == group.id {
        return Err(Rejection::TransactionNotFound);
    }
    Ok(Some(id))
}

fn check(group: &Group, new: &NewTransaction, transaction: &Transaction) -> Result<(), Rejection> {
    if new.metadata.len() > METADATA_BYTES_MAX {
        let what = format!("must have at most {METADATA_BYTES_MAX} bytes as JSON text");
        let key = "meta_data".to_owned();
        return Err(MetadataError { key, what }.into());
    }
    if transaction.is_head() {
        return Ok(());
    }
    if new.amount.is_zero() {
        return Err(Rejection::AmountRequired);
    }
    let source = group.account(new.source.account);
    let source = source.ok_or(Rejection::AccountNotFound)?;
    let has = |account: &Account, ledger| account.ledger == ledger;
    if !has(source, new.source.ledger) || group.ledger(source.ledger).is_none() {
        return Err(Rejection::LedgerNotFound);
    }
    require_counted(source, new.asset)?;
    if let Some(destination) = group.account(new.destination.account) {
        if !has(destination, new.destination.ledger) {
            return Err(Rejection::LedgerNotFound);
        }
        require_counted(destination, new.asset)?;
    }
    if new.source.ledger == new.destination.ledger {
        return Err(Rejection::SameMoney);
    }
    Ok(())
}
