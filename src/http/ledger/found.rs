//! What the index found, told as it stands: balances and transactions by their actors, ledgers and identities
//! by their documents.

use std::sync::Arc;

use actix_web::http::StatusCode;
use rusqlite::types::Value;

use super::{fault::Fault, identities, transactions};
use crate::{
    books::{BooksError, Ledger, view},
    domain::documents::Shelf,
    http::App,
    search::{field::Collection, index::text_of},
};

/// Each as JSON, in the order in which it was found. What is gone meanwhile is left out.
pub(super) async fn shown(
    app: &App,
    origin: &Arc<str>,
    collection: Collection,
    rows: &[Vec<Value>],
) -> Result<Vec<Vec<u8>>, Fault> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let one = match collection {
            Collection::Ledgers => ledger(app, origin, row),
            Collection::Balances => balance(app, origin, row).await?,
            Collection::Transactions => transaction(app, origin, row).await?,
            Collection::Identities => identity(app, origin, row),
        };
        all.extend(one);
    }
    Ok(all)
}

/// A JSON list.
pub(super) fn list_into(items: &[Vec<u8>], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.push(b']');
}

fn ledger(app: &App, origin: &str, row: &[Value]) -> Option<Vec<u8>> {
    let id = text_of(Collection::Ledgers, row, "ledger_id");
    let name = Ledger::document_name(origin, id);
    let documents = &app.engine.shared.facts.documents;
    let ledger = Ledger::read(id, &documents.get(Shelf::Ledger, &name)?)?;
    let mut out = Vec::with_capacity(256);
    view::ledger_into(&ledger, &mut out);
    Some(out)
}

fn identity(app: &App, origin: &str, row: &[Value]) -> Option<Vec<u8>> {
    let id = text_of(Collection::Identities, row, "identity_id");
    let name = format!("{origin}/{id}");
    let documents = &app.engine.shared.facts.documents;
    let text = documents.get(Shelf::LedgerIdentity, &name)?;
    identities::shown(&text).map(|view| view.to_string().into_bytes())
}

async fn balance(app: &App, origin: &Arc<str>, row: &[Value]) -> Result<Option<Vec<u8>>, Fault> {
    let id = text_of(Collection::Balances, row, "balance_id");
    let Ok(id) = id.parse() else {
        return Ok(None);
    };
    match app.books.balance(origin, id).await {
        Ok(known) => {
            let mut out = Vec::with_capacity(1_024);
            view::balance_into(&known, &mut out);
            Ok(Some(out))
        }
        Err(BooksError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn transaction(
    app: &App,
    origin: &Arc<str>,
    row: &[Value],
) -> Result<Option<Vec<u8>>, Fault> {
    let id = text_of(Collection::Transactions, row, "transaction_id");
    let Ok(id) = id.parse() else {
        return Ok(None);
    };
    match transactions::read::shown(app, origin, id).await {
        Ok(shown) => Ok(Some(shown)),
        Err(fault) if fault.status == StatusCode::NOT_FOUND => Ok(None),
        Err(fault) => Err(fault),
    }
}
