//! `cardwright ledgers`, `balances`, `transactions`: the books of a running server in the terminal.
//!
//! Reading order: `ask` says what is asked of the ledger face, `record` what it answers, `columns` and `money`
//! how that looks, `list` and `show` put it together, `watch` does so again and again.

mod ask;
mod columns;
mod list;
mod money;
mod record;
mod show;
mod since;
mod watch;

use std::{io::Write, process::ExitCode, time::Duration};

use clap::{Args, Subcommand};

use super::{
    live::{Server, ServerArgs},
    outcome::{CliError, Out, conclude},
    table::has_colour,
};
use crate::{clock::Clock, domain::books::State};
use ask::{Collection, Condition, Query};
use list::Look;
use show::Wanted;

/// Arguments of `cardwright ledgers`.
#[derive(Args)]
pub struct LedgersArgs {
    #[command(subcommand)]
    what: Ledgers,
}

/// Arguments of `cardwright balances`.
#[derive(Args)]
pub struct BalancesArgs {
    #[command(subcommand)]
    what: Balances,
}

/// Arguments of `cardwright transactions`.
#[derive(Args)]
pub struct TransactionsArgs {
    #[command(subcommand)]
    what: Transactions,
}

#[derive(Subcommand)]
enum Ledgers {
    /// The newest ledgers
    List(LedgersList),
    /// One ledger, and its newest balances
    Show(Show),
}

#[derive(Subcommand)]
enum Balances {
    /// The newest balances
    List(BalancesList),
    /// One balance by its id, or by its indicator (@World) and --currency, and its last transactions
    Show(BalanceShow),
}

#[derive(Subcommand)]
enum Transactions {
    /// The newest transactions
    List(TransactionsList),
    /// One transaction by its id or its reference, and its children
    Show(Show),
}

/// How to look.
#[derive(Args)]
struct Looking {
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON: a line for each record of a list, one document of a record that is shown
    #[arg(long)]
    json: bool,
    /// Look again every S seconds (2) and mark what is new (+) or another (*); Ctrl-C ends it
    #[arg(long, value_name = "S", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
    /// Shorten nothing and leave no column out
    #[arg(long)]
    wide: bool,
    /// Fit lines to N columns instead of the terminal's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(20..=10_000))]
    width: Option<u16>,
}

/// What every list can be narrowed to.
#[derive(Args)]
struct Narrowed {
    /// Only those with this in their meta data; may repeat
    #[arg(long, value_name = "KEY=VALUE")]
    meta: Vec<String>,
    /// Only those made since then: an age (15m, 1h, 2d), a day, or a time
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only those made before then
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Which page of so many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    page: u32,
    #[command(flatten)]
    looking: Looking,
}

#[derive(Args)]
struct LedgersList {
    /// Only those with this in their name
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    narrowed: Narrowed,
}

#[derive(Args)]
struct BalancesList {
    /// Only those of this ledger
    #[arg(long, value_name = "ID")]
    ledger: Option<String>,
    /// Only those in this currency
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Only those of this identity
    #[arg(long, value_name = "ID")]
    identity: Option<String>,
    /// Only those with this indicator, such as @World
    #[arg(long, value_name = "@NAME")]
    indicator: Option<String>,
    #[command(flatten)]
    narrowed: Narrowed,
}

#[derive(Args)]
struct TransactionsList {
    /// Only those from or to this balance
    #[arg(long, value_name = "ID")]
    balance: Option<String>,
    /// Only those in this state, such as INFLIGHT; several with commas
    #[arg(long, value_name = "STATUS", value_delimiter = ',', ignore_case = true, value_parser = State::ALL.map(State::word))]
    status: Vec<String>,
    /// Only those in this currency
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Only the one with this reference
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Only the children of this one
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    #[command(flatten)]
    narrowed: Narrowed,
}

#[derive(Args)]
struct Show {
    /// Its id
    #[arg(value_name = "ID")]
    id: String,
    /// How many of what belongs to it
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    limit: u32,
    #[command(flatten)]
    looking: Looking,
}

#[derive(Args)]
struct BalanceShow {
    #[command(flatten)]
    show: Show,
    /// The currency of an indicator
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
}

/// Runs `cardwright ledgers`.
#[must_use]
pub fn ledgers(args: &LedgersArgs) -> ExitCode {
    conclude("ledgers", |out| match &args.what {
        Ledgers::List(list) => {
            let name = list.name.as_ref().map(|name| format!("%{name}%"));
            let name = name.map(|name| Condition::new("name", "ilike", &name));
            let query = list.narrowed.query(Collection::Ledgers, name, Vec::new())?;
            listed(out, &list.narrowed.looking, &query)
        }
        Ledgers::Show(show) => shown(out, Collection::Ledgers, show, None),
    })
}

/// Runs `cardwright balances`.
#[must_use]
pub fn balances(args: &BalancesArgs) -> ExitCode {
    conclude("balances", |out| match &args.what {
        Balances::List(list) => {
            let is = [
                ("ledger_id", &list.ledger),
                ("currency", &list.currency),
                ("identity_id", &list.identity),
                ("indicator", &list.indicator),
            ];
            let query = (list.narrowed).query(Collection::Balances, equal(&is), Vec::new())?;
            listed(out, &list.narrowed.looking, &query)
        }
        Balances::Show(show) => {
            let currency = show.currency.clone();
            shown(out, Collection::Balances, &show.show, currency)
        }
    })
}

/// Runs `cardwright transactions`.
#[must_use]
pub fn transactions(args: &TransactionsArgs) -> ExitCode {
    conclude("transactions", |out| match &args.what {
        Transactions::List(list) => {
            let is = [
                ("currency", &list.currency),
                ("reference", &list.reference),
                ("parent_transaction", &list.parent),
            ];
            let mut all = equal(&is);
            let status: Vec<String> = list.status.iter().map(|it| it.to_uppercase()).collect();
            if !status.is_empty() {
                all.push(Condition::one_of("status", &status));
            }
            let sides = list.balance.iter().flat_map(|balance| {
                ["source", "destination"].map(|side| Condition::new(side, "eq", balance))
            });
            let query = (list.narrowed).query(Collection::Transactions, all, sides.collect())?;
            listed(out, &list.narrowed.looking, &query)
        }
        Transactions::Show(show) => shown(out, Collection::Transactions, show, None),
    })
}

fn equal(given: &[(&str, &Option<String>)]) -> Vec<Condition> {
    let given = given.iter();
    let given = given.filter_map(|(field, value)| Some((field, value.as_ref()?)));
    given
        .map(|(field, value)| Condition::new(field, "eq", value))
        .collect()
}

impl Narrowed {
    fn query(
        &self,
        collection: Collection,
        more: impl IntoIterator<Item = Condition>,
        either: Vec<Condition>,
    ) -> Result<Query, CliError> {
        let mut all: Vec<Condition> = more.into_iter().collect();
        for pair in &self.meta {
            let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                let what = format!("--meta must be KEY=VALUE, was {pair:?}");
                return Err(CliError::Usage(what));
            };
            all.push(Condition::new(&format!("meta_data.{key}"), "eq", value));
        }
        let now = Clock::system().now().micros();
        let now = jiff::Timestamp::from_microsecond(now).unwrap_or(jiff::Timestamp::MAX);
        for (flag, operator, given) in [
            ("--since", "gte", &self.since),
            ("--until", "lt", &self.until),
        ] {
            if let Some(text) = given {
                let at = since::moment(text, now)
                    .map_err(|what| CliError::Usage(format!("{flag} {what}")))?;
                all.push(Condition::new("created_at", operator, &at.to_string()));
            }
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let page = usize::try_from(self.page).unwrap_or(usize::MAX);
        Ok(Query {
            collection,
            all,
            either,
            limit,
            skip: page.saturating_sub(1).saturating_mul(limit),
        })
    }
}

impl Looking {
    fn look(&self) -> Look {
        Look {
            width: self.width.map(usize::from),
            is_wide: self.wide,
            has_colour: has_colour(),
            is_watching: self.watch.is_some(),
        }
    }

    /// Draws once, or until it is stopped.
    fn draw(
        &self,
        out: &mut Out,
        mut text: impl FnMut(&Server, &mut watch::Seen) -> Result<String, CliError>,
    ) -> Result<bool, CliError> {
        let server = self.server.server()?;
        match self.watch {
            Some(seconds) => {
                let every = Duration::from_secs(seconds);
                watch::run(out, every, |seen| text(&server, seen))?;
            }
            None => write!(out, "{}", text(&server, &mut watch::Seen::default())?)?,
        }
        Ok(true)
    }
}

fn listed(out: &mut Out, looking: &Looking, query: &Query) -> Result<bool, CliError> {
    let look = looking.look();
    let mut is_again = false;
    looking.draw(out, |server, seen| {
        let page = query.page(server)?;
        if looking.json {
            let lines = list::lines(query.collection, &page, is_again, seen);
            is_again = true;
            return Ok(lines);
        }
        Ok(list::text(query, &page, &look, seen))
    })
}

fn shown(
    out: &mut Out,
    collection: Collection,
    show: &Show,
    currency: Option<String>,
) -> Result<bool, CliError> {
    let wanted = Wanted {
        collection,
        name: show.id.clone(),
        currency,
        limit: usize::try_from(show.limit).unwrap_or(usize::MAX),
    };
    let look = show.looking.look();
    show.looking.draw(out, |server, seen| {
        let found = wanted.find(server)?;
        if !show.looking.json {
            return Ok(found.text(&look, seen));
        }
        let line = found.json();
        let (_, _) = seen.mark("document", vec![super::table::Cell::plain(line.as_str())]);
        Ok(line + "\n")
    })
}
