//! `cardwright inspect card`: the accounts that share money with it, as of any position of the log.

use std::io::Write;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    super::{
        data_dir,
        outcome::{CliError, Out, json_line},
        table::{Align, Table, terminal_width},
    },
    CommonArgs,
    describe::{authorization_view, balance_view},
    find::{Found, find},
};
use crate::{
    domain::{
        account::{Account, Medium},
        books::{Books, Kind},
        group::Group,
    },
    journal::Lsn,
};

#[derive(Args)]
pub(super) struct CardArgs {
    /// An account URN, an account id (crd-…, vrt-…), a card token (ctk_…), a ledger account id
    /// (ldg_…), an authorization id (auth_…), a balance's id (bln_…) or a transaction's (txn_…, bulk_…)
    id: String,
    /// As it was after this position: every record up to it, and none behind it
    #[arg(long, value_name = "LSN")]
    at_lsn: Option<u64>,
    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn run(args: &CardArgs, out: &mut Out) -> Result<bool, CliError> {
    let reader = data_dir::open(&args.common.data_dir)?;
    let at = Lsn::new(args.at_lsn.unwrap_or(u64::MAX));
    let found = find(&reader, &args.id, at)?;
    if args.common.json {
        json_line(out, &view(&found))?;
    } else {
        print(&found, out)?;
    }
    Ok(true)
}

fn view(found: &Found) -> Value {
    let mut view = group_view(&found.group);
    if let Some(fields) = view.as_object_mut() {
        fields.insert("as_of_lsn".to_owned(), json!(found.lsn.get()));
        fields.insert("last_record_lsn".to_owned(), json!(found.record.get()));
        if let Some(authorization) = &found.authorization {
            let authorization = authorization_view(authorization);
            fields.insert("authorization".to_owned(), authorization);
        }
    }
    view
}

/// A group as JSON, in the API's words.
pub(super) fn group_view(group: &Group) -> Value {
    let account = |account: &Account| {
        let is_card = matches!(account.medium, Medium::Card { .. });
        json!({
            "urn": account.urn(),
            "id": account.id(),
            "card_token": is_card.then(|| account.no.card_token()),
            "medium": account.medium_word(),
            "status": account.status.word(),
            "status_reason": account.status_reason.map(|reason| reason.word()),
            "holder_urn": account.holder_urn,
            "ledger_account_id": account.ledger.to_string(),
            "created_at": account.created_at.to_string(),
            "updated_at": account.updated_at.to_string(),
        })
    };
    let ledger = |ledger: &crate::domain::funds::LedgerAccount| {
        let balances: Map<String, Value> = (ledger.balances.iter())
            .map(|(asset, balance)| (asset.to_string(), balance_view(balance)))
            .collect();
        json!({ "ledger_account_id": ledger.no.to_string(), "balance": balances })
    };
    let open = group.open.values();
    let in_transit = group.outgoing.values().map(|transfer| {
        json!({
            "transfer_id": transfer.id.to_string(),
            "source_urn": transfer.source_urn,
            "destination_urn": transfer.destination_urn,
            "asset": transfer.asset.to_string(),
            "amount": transfer.amount.to_string(),
        })
    });
    json!({
        "actor": group.id.0,
        "sequence": group.sequence,
        "last_time": group.last_time.to_string(),
        "accounts": group.accounts.iter().map(account).collect::<Vec<_>>(),
        "ledger_accounts": group.ledgers.iter().map(ledger).collect::<Vec<_>>(),
        "open_authorizations":
            open.map(|it| authorization_view(&it.authorization())).collect::<Vec<_>>(),
        "authorizations": {
            "total": group.authorizations,
            "open": group.open.len(),
            "closed": group.closed.len(),
        },
        "transactions": group.books.as_deref().map(books_view),
        "transfers_in_transit": in_transit.collect::<Vec<_>>(),
        "transfers_received": group.received.len(),
    })
}

/// The ledger's transactions of a group: those that are open in full.
fn books_view(books: &Books) -> Value {
    let open = books.open.values().map(|open| {
        let transaction = &open.transaction;
        json!({
            "transaction_id": transaction.id.to_string(),
            "parent_transaction": transaction.parent.map(|id| id.to_string()),
            "kind": kind_word(transaction.kind),
            "status": transaction.state.word(),
            "asset": transaction.asset.to_string(),
            "amount": transaction.amount.to_string(),
            "held": transaction.held().to_string(),
            "source": &*transaction.source.name,
            "destination": &*transaction.destination.name,
            "reference": transaction.terms.reference,
            "lsn": open.last_lsn,
        })
    });
    json!({
        "total": books.taken,
        "open": open.collect::<Vec<_>>(),
        "closed": books.closed.len(),
    })
}

const fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Single => "single",
        Kind::SplitHead => "split",
        Kind::BulkHead => "bulk",
        Kind::Part => "part",
        Kind::Commit => "commit",
        Kind::Void => "void",
        Kind::Refund => "refund",
    }
}

const fn left(title: &'static str) -> (&'static str, Align) {
    (title, Align::Left)
}

const fn right(title: &'static str) -> (&'static str, Align) {
    (title, Align::Right)
}

fn print(found: &Found, out: &mut Out) -> Result<(), CliError> {
    let (group, width) = (&found.group, terminal_width());
    writeln!(
        out,
        "actor {} at lsn {}: {} records, the last at lsn {} of {}\n",
        group.id.0, found.lsn, group.sequence, found.record, group.last_time
    )?;
    write!(
        out,
        "{}\n{}",
        accounts(group).render(width),
        balances(group).render(width)
    )?;
    let authorizations = authorizations(found);
    if authorizations.len() > 0 {
        write!(out, "\n{}", authorizations.render(width))?;
    }
    writeln!(
        out,
        "\n{} authorizations: {} open, {} closed; {} transfers in transit, {} received",
        group.authorizations,
        group.open.len(),
        group.closed.len(),
        group.outgoing.len(),
        group.received.len()
    )?;
    if let Some(books) = group.books.as_deref() {
        print_books(books, out)?;
    }
    for transfer in group.outgoing.values() {
        writeln!(
            out,
            "{} in transit: {} {} to {}",
            transfer.id, transfer.amount, transfer.asset, transfer.destination_urn
        )?;
    }
    Ok(())
}

fn print_books(books: &Books, out: &mut Out) -> Result<(), CliError> {
    let (open, closed) = (books.open.len(), books.closed.len());
    writeln!(
        out,
        "{} transactions: {open} open, {closed} closed",
        books.taken
    )?;
    for open in books.open.values() {
        let transaction = &open.transaction;
        writeln!(
            out,
            "{} {}: {} {} from {} to {}, {} of it held",
            transaction.id,
            transaction.state.word(),
            transaction.amount,
            transaction.asset,
            transaction.source.name,
            transaction.destination.name,
            transaction.held()
        )?;
    }
    Ok(())
}

fn accounts(group: &Group) -> Table {
    let mut table = Table::new(&["account", "medium", "status", "ledger account"].map(left));
    for account in &group.accounts {
        table.row([
            account.urn(),
            account.medium_word().to_owned(),
            account.status.word().to_owned(),
            account.ledger.to_string(),
        ]);
    }
    table
}

fn balances(group: &Group) -> Table {
    let mut table = Table::new(&[
        left("ledger account"),
        right("current"),
        right("pending"),
        right("in"),
        right("out"),
        left("asset"),
    ]);
    for ledger in &group.ledgers {
        for (asset, balance) in &ledger.balances {
            table.row([
                ledger.no.to_string(),
                balance.current.to_string(),
                balance.pending.to_string(),
                balance.incoming.to_string(),
                balance.outgoing.to_string(),
                asset.to_string(),
            ]);
        }
    }
    table
}

/// The open ones, and the one that was asked for.
fn authorizations(found: &Found) -> Table {
    let mut table = Table::new(&[
        left("authorization"),
        left("transaction"),
        left("state"),
        right("amount"),
        right("held"),
        right("captured"),
        right("reversed"),
        right("refunded"),
        left("asset"),
        left("expires"),
    ]);
    let open = found.group.open.values().map(|it| it.authorization());
    let asked = found.authorization.iter();
    let asked = asked.filter(|it| !found.group.open.contains_key(&it.id));
    let asked = asked.map(std::borrow::Cow::Borrowed);
    for known in open.chain(asked) {
        table.row([
            known.id.to_string(),
            known.transaction_id.clone(),
            known.state().word().to_owned(),
            known.amount().to_string(),
            known.held().to_string(),
            known.captured().to_string(),
            known.released().to_string(),
            known.refunded().to_string(),
            known.asset.to_string(),
            known.expires_at.to_string(),
        ]);
    }
    table
}
