//! One record with all its fields, and what belongs to it.

use super::{
    ask::{self, Collection, Condition, Query, escaped},
    columns, list, money,
    record::Record,
    watch::Seen,
};
use crate::cli::{
    live::Server,
    outcome::CliError,
    table::{Align, Cell, Column, Cut, Table},
};

/// Which record, and how many of what belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Of what.
    pub(super) collection: Collection,
    /// Its id, an indicator, or a reference.
    pub(super) name: String,
    /// The currency of an indicator.
    pub(super) currency: Option<String>,
    /// How many of what belongs to it.
    pub(super) limit: usize,
}

/// A record and what belongs to it.
pub(super) struct Found {
    collection: Collection,
    record: Record,
    /// Its balances, its last transactions, or its children.
    others: Vec<Record>,
    total: Option<u64>,
}

impl Wanted {
    /// Asks for it.
    pub(super) fn find(&self, server: &Server) -> Result<Found, CliError> {
        let record = ask::one(server, self.collection, &self.path()?)?;
        let (all, either) = self.belonging(&record);
        let query = Query {
            collection: others_of(self.collection),
            all,
            either,
            limit: self.limit,
            skip: 0,
        };
        let page = query.page(server)?;
        Ok(Found {
            collection: self.collection,
            record,
            others: page.records,
            total: page.total,
        })
    }

    /// What must hold of what belongs to it: all of these, and one of those.
    fn belonging(&self, record: &Record) -> (Vec<Condition>, Vec<Condition>) {
        let id = record.text(self.collection.id());
        let is = |field: &str| Condition::new(field, "eq", &id);
        match self.collection {
            Collection::Ledgers => (vec![is("ledger_id")], Vec::new()),
            Collection::Transactions => (vec![is("parent_transaction")], Vec::new()),
            Collection::Balances => {
                let indicator = record.text("indicator");
                let mut sides = vec![is("source"), is("destination")];
                if indicator.is_empty() {
                    return (Vec::new(), sides);
                }
                // Transactions name it as they were told to, and it has one name in all currencies.
                let named = |side| Condition::new(side, "eq", &indicator);
                sides.extend(["source", "destination"].map(named));
                let currency = Condition::new("currency", "eq", &record.text("currency"));
                (vec![currency], sides)
            }
        }
    }

    fn path(&self) -> Result<String, CliError> {
        let name = escaped(&self.name);
        if name.is_empty() {
            return Err(CliError::Usage("the id must not be empty".to_owned()));
        }
        let is_indicator = self.name.starts_with('@');
        Ok(match self.collection {
            Collection::Ledgers => format!("/ledgers/{name}"),
            Collection::Balances if is_indicator => {
                let Some(currency) = &self.currency else {
                    let what = format!("which {}? say --currency, such as USD", self.name);
                    return Err(CliError::Usage(what));
                };
                let currency = escaped(currency);
                format!("/balances/indicator/{name}/currency/{currency}")
            }
            Collection::Balances => format!("/balances/{name}?with_queued=true"),
            Collection::Transactions if is_id(&self.name) => format!("/transactions/{name}"),
            Collection::Transactions => format!("/transactions/reference/{name}"),
        })
    }
}

fn is_id(name: &str) -> bool {
    name.starts_with("txn_") || name.starts_with("bulk_")
}

const fn others_of(collection: Collection) -> Collection {
    match collection {
        Collection::Ledgers => Collection::Balances,
        Collection::Balances | Collection::Transactions => Collection::Transactions,
    }
}

impl Found {
    /// All of it as one document.
    pub(super) fn json(&self) -> String {
        let (name, others) = match self.collection {
            Collection::Ledgers => ("ledger", "balances"),
            Collection::Balances => ("balance", "transactions"),
            Collection::Transactions => ("transaction", "children"),
        };
        let lines: Vec<String> = self.others.iter().map(Record::line).collect();
        let available = match self.collection {
            Collection::Balances => money::available(&self.record),
            Collection::Ledgers | Collection::Transactions => None,
        };
        let available = available.map_or_else(String::new, |it| format!(",\"available\":{it}"));
        let record = self.record.line();
        format!(
            "{{\"{name}\":{record}{available},\"{others}\":[{}]}}",
            lines.join(",")
        )
    }

    /// All of it for people.
    pub(super) fn text(&self, look: &list::Look, seen: &mut Seen) -> String {
        let column = |title, align| Column {
            title,
            align,
            cut: Cut::Never,
            rank: 0,
        };
        let mut table = Table::of(vec![
            column("", Align::Left),
            column("field", Align::Left),
            column("value", Align::Left),
        ]);
        for (name, cell) in self.lines() {
            let (news, cells) = seen.mark(&format!("field {name}"), vec![cell]);
            let cells = [news.cell(), Cell::plain(name)].into_iter().chain(cells);
            table.painted_row(cells);
        }
        let fields = table.render_in(None, look.has_colour);
        // The titles say nothing that the fields do not.
        let mut text: String = fields
            .lines()
            .skip(1)
            .map(|line| format!("{}\n", line.strip_prefix("   ").unwrap_or(line)))
            .collect();
        let title = match self.collection {
            Collection::Ledgers => "balances",
            Collection::Balances => "last transactions",
            Collection::Transactions => "children",
        };
        if self.others.is_empty() {
            return text;
        }
        let count = match self.total.and_then(|total| usize::try_from(total).ok()) {
            Some(total) if total > self.others.len() => {
                format!(" ({} of {total})", self.others.len())
            }
            Some(_) | None => String::new(),
        };
        text.push_str(&format!("\n{title}{count}\n"));
        text.push_str(&list::table(
            others_of(self.collection),
            &self.others,
            look,
            seen,
        ));
        text
    }

    /// Each field, and what is inside its meta data.
    fn lines(&self) -> Vec<(String, Cell)> {
        let record = &self.record;
        let mut lines = Vec::new();
        for (name, json) in record.fields() {
            if name == "meta_data" {
                continue;
            }
            let is_amount = name == "balance" || name.ends_with("_balance");
            let cell = match self.collection {
                Collection::Balances if is_amount => {
                    columns::money_cell(record, &record.text(name))
                }
                Collection::Transactions if name == "status" => columns::status(&record.text(name)),
                Collection::Transactions if name == "amount" => {
                    Cell::plain(money::of_transaction(record))
                }
                Collection::Ledgers | Collection::Balances | Collection::Transactions => {
                    Cell::plain(value(json, &record.text(name)))
                }
            };
            lines.push((name.to_owned(), cell));
            if self.collection == Collection::Balances && name == "balance" {
                let available = money::available(record).unwrap_or_default();
                lines.push((
                    "available".to_owned(),
                    columns::money_cell(record, &available),
                ));
            }
        }
        let meta = record.pairs("meta_data").into_iter();
        lines.extend(meta.map(|(name, value)| (format!("meta_data.{name}"), Cell::plain(value))));
        lines
    }
}

/// A value for people; what is not there is a dash.
fn value(json: &str, text: &str) -> String {
    // The clients' languages have no empty time, so the first of all stands for it.
    let is_nothing = json == "null" || text.is_empty() || text == "0001-01-01T00:00:00Z";
    if is_nothing {
        "-".to_owned()
    } else {
        text.to_owned()
    }
}
