//! What is asked of the server, and what to do if it cannot answer.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::record::Record;
use crate::cli::{
    live::{Answer, Server},
    outcome::CliError,
};

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    /// `/ledgers`
    Ledgers,
    /// `/balances`
    Balances,
    /// `/transactions`
    Transactions,
}

impl Collection {
    /// Its name, in paths and commands.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ledgers => "ledgers",
            Self::Balances => "balances",
            Self::Transactions => "transactions",
        }
    }

    /// The field that names a record.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Ledgers => "ledger_id",
            Self::Balances => "balance_id",
            Self::Transactions => "transaction_id",
        }
    }
}

/// One thing that must hold of a record.
#[derive(Clone, Debug)]
pub(super) struct Condition(Value);

impl Condition {
    /// The field has the value, compared so.
    pub(super) fn new(field: &str, operator: &str, value: &str) -> Self {
        Self(json!({ "field": field, "operator": operator, "value": value }))
    }

    /// The field has one of the values.
    pub(super) fn one_of(field: &str, values: &[String]) -> Self {
        match values {
            [one] => Self::new(field, "eq", one),
            several => Self(json!({ "field": field, "operator": "in", "values": several })),
        }
    }
}

/// What is to be listed, the newest first.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// Of what.
    pub(super) collection: Collection,
    /// All of these hold.
    pub(super) all: Vec<Condition>,
    /// And one of these, unless there are none.
    pub(super) either: Vec<Condition>,
    /// How many at the most.
    pub(super) limit: usize,
    /// How many newer ones are left out.
    pub(super) skip: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The records, the newest first.
    pub(super) records: Vec<Record>,
    /// How many there are of them in all, if that was told.
    pub(super) total: Option<u64>,
}

/// Records in one request. Source: the validators of the SDKs.
const LIMIT_MAX: usize = 100;

impl Query {
    /// Asks, as often as it takes.
    pub(super) fn page(&self, server: &Server) -> Result<Page, CliError> {
        let (first, others) = match self.either.split_first() {
            None => return self.listed(server, (&self.all, "and"), (self.skip, self.limit)),
            Some(_) if self.all.is_empty() => {
                return self.listed(server, (&self.either, "or"), (self.skip, self.limit));
            }
            Some(found) => found,
        };
        // No request says «this and one of those», so each of them is one, and the pages are put together.
        let upto = self.skip.saturating_add(self.limit);
        let mut page = Page::default();
        for one in std::iter::once(first).chain(others) {
            let all: Vec<Condition> = self.all.iter().chain([one]).cloned().collect();
            let part = self.listed(server, (&all, "and"), (0, upto))?;
            page.total = match (page.total, part.total) {
                (Some(before), Some(more)) => Some(before.saturating_add(more)),
                (before, more) => before.or(more),
            };
            page.records.extend(part.records);
        }
        page.records
            .sort_by_key(|record| std::cmp::Reverse(made_at(record)));
        let mut seen = BTreeSet::new();
        let id = self.collection.id();
        page.records.retain(|record| seen.insert(record.text(id)));
        page.records = (page.records.into_iter().skip(self.skip))
            .take(self.limit)
            .collect();
        Ok(page)
    }

    fn listed(
        &self,
        server: &Server,
        (conditions, operator): (&[Condition], &str),
        (skip, limit): (usize, usize),
    ) -> Result<Page, CliError> {
        let path = format!("/{}/filter", self.collection.name());
        let filters: Vec<&Value> = conditions.iter().map(|condition| &condition.0).collect();
        let mut page = Page::default();
        // New records push the others on: one that comes again is not taken again.
        let mut seen = BTreeSet::new();
        let mut at = skip;
        while page.records.len() < limit {
            let most = LIMIT_MAX.min(limit.saturating_sub(page.records.len()));
            let body = json!({
                "filters": filters, "logical_operator": operator, "sort_by": "created_at",
                "sort_order": "desc", "include_count": page.total.is_none(), "limit": most,
                "offset": at,
            });
            let part = read_page(&told(server.post(&path, &body)?, self.collection)?)?;
            let count = part.records.len();
            page.total = page.total.or(part.total);
            for record in part.records {
                if seen.insert(record.text(self.collection.id())) {
                    page.records.push(record);
                }
            }
            at = at.saturating_add(most);
            // A page is also shorter by what is gone since it was found.
            let total = page.total.and_then(|total| usize::try_from(total).ok());
            if count == 0 || total.map_or(count < most, |total| at >= total) {
                break;
            }
        }
        Ok(page)
    }
}

/// Asks for one record.
pub(super) fn one(server: &Server, collection: Collection, path: &str) -> Result<Record, CliError> {
    let answer = told(server.get(path)?, collection)?;
    let record = serde_json::from_slice::<Record>(&answer.bytes).ok();
    let record = record.filter(|record| !record.text(collection.id()).is_empty());
    record.ok_or_else(|| answer.lacks(collection.id()))
}

fn read_page(answer: &Answer) -> Result<Page, CliError> {
    #[derive(Deserialize)]
    struct Told {
        #[serde(default)]
        data: Option<Vec<Record>>,
        #[serde(default)]
        total_count: Option<u64>,
    }

    let told = if answer.body.is_array() {
        serde_json::from_slice(&answer.bytes).map(|records| Page {
            records,
            total: None,
        })
    } else {
        serde_json::from_slice(&answer.bytes).map(|told: Told| Page {
            records: told.data.unwrap_or_default(),
            total: told.total_count,
        })
    };
    told.map_err(|_| answer.lacks("/data"))
}

fn made_at(record: &Record) -> Option<Timestamp> {
    record.text("created_at").parse().ok()
}

/// The answer if it is a yes; else what to do about it.
fn told(answer: Answer, collection: Collection) -> Result<Answer, CliError> {
    let name = collection.name();
    let advice = match answer.status {
        401 => "give a key of this server with --key, or in CARDWRIGHT_KEY".to_owned(),
        403 => "this needs a key with the scope ledger".to_owned(),
        404 => format!("`cardwright {name} list` shows what this key may see"),
        429 | 503 => "the server is busy; try again in a moment".to_owned(),
        500.. => "the server's log says why".to_owned(),
        _ => return answer.successful(),
    };
    answer.successful().map_err(|error| match error {
        CliError::Fault(what) => CliError::Fault(format!("{what}\n  {advice}")),
        other @ (CliError::Usage(_) | CliError::Journal(_) | CliError::Output(_)) => other,
    })
}

/// Text as a part of a path.
pub(super) fn escaped(text: &str) -> String {
    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths_are_escaped() {
        assert_eq!(escaped("txn_1-a.b~c"), "txn_1-a.b~c");
        assert_eq!(escaped("@World/é"), "%40World%2F%C3%A9");
    }
}
