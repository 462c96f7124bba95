//! What of a record stands in which column.

use super::{ask::Collection, money, record::Record};
use crate::cli::table::{Align, Cell, Column, Cut, Paint};

/// A column and what stands in it.
pub(super) struct Field {
    /// The column.
    pub(super) column: Column,
    /// The cell of a record; the other argument says whether there is room for all of it.
    pub(super) cell: fn(&Record, bool) -> Cell,
}

fn id(title: &'static str, rank: u8, cell: fn(&Record, bool) -> Cell) -> Field {
    field((title, Align::Left, Cut::Middle), rank, cell)
}

fn text(title: &'static str, rank: u8, cell: fn(&Record, bool) -> Cell) -> Field {
    field((title, Align::Left, Cut::End), rank, cell)
}

fn word(title: &'static str, rank: u8, cell: fn(&Record, bool) -> Cell) -> Field {
    field((title, Align::Left, Cut::Never), rank, cell)
}

fn amount(title: &'static str, rank: u8, cell: fn(&Record, bool) -> Cell) -> Field {
    field((title, Align::Right, Cut::Never), rank, cell)
}

fn field(
    (title, align, cut): (&'static str, Align, Cut),
    rank: u8,
    cell: fn(&Record, bool) -> Cell,
) -> Field {
    let column = Column {
        title,
        align,
        cut,
        rank,
    };
    Field { column, cell }
}

/// The columns of a collection, from the left.
pub(super) fn of(collection: Collection) -> Vec<Field> {
    match collection {
        Collection::Ledgers => vec![
            id("ledger", 0, |it, _| Cell::plain(it.text("ledger_id"))),
            text("name", 0, |it, _| Cell::plain(it.text("name"))),
            word("created", 1, made),
            text("meta data", 2, meta),
        ],
        Collection::Balances => vec![
            id("balance", 0, |it, _| Cell::plain(it.text("balance_id"))),
            amount("available", 0, |it, _| {
                money_cell(it, &money::available(it).unwrap_or_default())
            }),
            amount("of", 1, |it, _| money_cell(it, &it.text("balance"))),
            amount("inflight out", 2, |it, _| {
                held(it, "inflight_debit_balance")
            }),
            amount("inflight in", 4, |it, _| {
                held(it, "inflight_credit_balance")
            }),
            word("currency", 0, |it, _| Cell::plain(it.text("currency"))),
            text("indicator", 3, |it, _| Cell::plain(it.text("indicator"))),
            id("ledger", 6, |it, _| Cell::plain(it.text("ledger_id"))),
            id("identity", 8, |it, _| Cell::plain(it.text("identity_id"))),
            word("created", 5, made),
            text("meta data", 7, meta),
        ],
        Collection::Transactions => vec![
            id("transaction", 0, |it, _| {
                Cell::plain(it.text("transaction_id"))
            }),
            word("status", 0, |it, _| status(&it.text("status"))),
            amount("amount", 0, |it, _| Cell::plain(money::of_transaction(it))),
            word("currency", 0, |it, _| Cell::plain(it.text("currency"))),
            id("from", 1, |it, _| Cell::plain(side(it, "source"))),
            id("to", 2, |it, _| Cell::plain(side(it, "destination"))),
            text("reference", 4, |it, _| Cell::plain(it.text("reference"))),
            word("created", 3, made),
            id("parent", 6, |it, _| {
                Cell::plain(it.text("parent_transaction"))
            }),
            text("description", 5, |it, _| {
                Cell::plain(it.text("description"))
            }),
            text("meta data", 7, meta),
        ],
    }
}

/// An amount of a balance, in its currency.
pub(super) fn money_cell(balance: &Record, integer: &str) -> Cell {
    let decimals = money::decimals_of(&balance.text("currency"));
    let paint = if integer.starts_with('-') {
        Paint::Bad
    } else {
        Paint::Plain
    };
    Cell::new(money::shown(integer, decimals), paint)
}

fn held(balance: &Record, name: &str) -> Cell {
    let integer = balance.text(name);
    let paint = if integer == "0" {
        Paint::Dim
    } else {
        Paint::Open
    };
    Cell::new(money_cell(balance, &integer).text(), paint)
}

/// Done, not yet, refused, or over.
pub(super) fn status(text: &str) -> Cell {
    let paint = match text {
        "APPLIED" | "COMMIT" => Paint::Good,
        "INFLIGHT" | "QUEUED" | "SCHEDULED" => Paint::Open,
        "REJECTED" => Paint::Bad,
        _ => Paint::Dim,
    };
    Cell::new(text, paint)
}

/// A side of a transaction: a balance, or how many.
fn side(transaction: &Record, name: &str) -> String {
    let one = transaction.text(name);
    if !one.is_empty() {
        return one;
    }
    let several = transaction.json(&format!("{name}s"));
    let several =
        several.and_then(|json| serde_json::from_str::<Vec<serde::de::IgnoredAny>>(json).ok());
    several.map_or_else(String::new, |all| format!("({} {name}s)", all.len()))
}

/// When it was made; to the second unless there is room for more.
fn made(record: &Record, is_wide: bool) -> Cell {
    let time = record.text("created_at");
    Cell::new(if is_wide { time } else { short(&time) }, Paint::Dim)
}

/// A time to the second, in UTC.
pub(super) fn short(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => time.to_owned(),
    }
}

fn meta(record: &Record, _: bool) -> Cell {
    let pairs = record.pairs("meta_data").into_iter();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Cell::new(pairs.join(" "), Paint::Dim)
}
