//! `cardwright inspect log`: the records, as a table or as JSON lines.

use std::{collections::VecDeque, io::Write};

use clap::Args;

use super::{
    super::{
        data_dir,
        outcome::{CliError, Out, json_line},
        progress,
        table::{Align, Table, terminal_width},
    },
    CommonArgs, describe, find,
};
use crate::{
    domain::ids::ActorId,
    journal::{Lsn, Record, wal::LogEntry},
    wire,
};

#[derive(Args)]
pub(super) struct LogArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Only records behind this position
    #[arg(long, value_name = "LSN", default_value_t = 0)]
    after: u64,
    /// Only records up to this position
    #[arg(long, value_name = "LSN")]
    at_lsn: Option<u64>,
    /// At most so many records
    #[arg(long, value_name = "N", conflicts_with = "tail")]
    limit: Option<u64>,
    /// Only the last so many records
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    /// Only records of this actor (0: the registry)
    #[arg(long, value_name = "N", conflicts_with = "card")]
    actor: Option<u64>,
    /// Only records of the accounts that share money with this card, pocket, ledger account or
    /// authorization
    #[arg(long, value_name = "ID")]
    card: Option<String>,
}

pub(super) fn run(args: &LogArgs, out: &mut Out) -> Result<bool, CliError> {
    let reader = data_dir::open(&args.common.data_dir)?;
    let actors = match &args.card {
        Some(id) => Some(find::actors_of(&reader, id)?),
        None => args.actor.map(|actor| vec![ActorId(actor)]),
    };
    let bar = progress::over_log(&reader, "reading the log");
    let mut shown = Shown::new(args.common.json, out);
    let mut last: VecDeque<Record> = VecDeque::new();
    let mut left = args.limit.unwrap_or(u64::MAX);
    for entry in reader.records_after(Lsn::new(args.after)) {
        let record = match entry? {
            LogEntry::Record { record, .. } => record,
            LogEntry::Torn(cut) => {
                eprintln!(
                    "the log ends in an unfinished write of {} bytes at {} offset {} ({})",
                    cut.bytes,
                    cut.file.display(),
                    cut.offset,
                    cut.what
                );
                continue;
            }
        };
        bar.at(record.lsn);
        if args.at_lsn.is_some_and(|at| record.lsn.get() > at) || left == 0 {
            break;
        }
        if let Some(wanted) = &actors {
            let (_, actor, _) = wire::decode_entry_head(&record.payload)
                .map_err(|error| undecodable(&record, &error))?;
            if !wanted.contains(&actor) {
                continue;
            }
        }
        if let Some(most) = args.tail {
            last.push_back(record);
            if last.len() > most {
                last.pop_front();
            }
            continue;
        }
        left = left.saturating_sub(1);
        shown.record(&record)?;
    }
    drop(bar);
    for record in &last {
        shown.record(record)?;
    }
    shown.flush()?;
    Ok(true)
}

fn undecodable(record: &Record, error: &wire::WireError) -> CliError {
    CliError::Fault(format!("the record at lsn {}: {error}", record.lsn))
}

/// Rows are shown in blocks, so that a long log needs no memory and each column one width.
const ROWS_PER_TABLE: usize = 500;

struct Shown<'a> {
    is_json: bool,
    table: Table,
    out: &'a mut Out,
}

impl<'a> Shown<'a> {
    fn new(is_json: bool, out: &'a mut Out) -> Self {
        let table = Table::new(&[
            ("lsn", Align::Right),
            ("time", Align::Left),
            ("actor", Align::Right),
            ("sequence", Align::Right),
            ("event", Align::Left),
            ("transaction", Align::Left),
            ("amount", Align::Right),
            ("asset", Align::Left),
            ("detail", Align::Left),
            ("postings", Align::Left),
        ]);
        Self {
            is_json,
            table,
            out,
        }
    }

    fn record(&mut self, record: &Record) -> Result<(), CliError> {
        let entry =
            wire::decode_entry(&record.payload).map_err(|error| undecodable(record, &error))?;
        if self.is_json {
            return json_line(self.out, &describe::record(record.lsn, &entry));
        }
        for event in describe::events(record.lsn, &entry) {
            let (amount, asset) = event
                .amount
                .map_or_else(Default::default, |(amount, asset)| {
                    (amount.to_string(), asset.to_string())
                });
            self.table.row([
                record.lsn.to_string(),
                entry.time.to_string(),
                entry.actor.0.to_string(),
                entry.sequence.to_string(),
                event.kind.to_owned(),
                event.transaction_id,
                amount,
                asset,
                event.detail,
                describe::postings_line(&event.fields),
            ]);
        }
        if self.table.len() >= ROWS_PER_TABLE {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), CliError> {
        if self.table.len() > 0 {
            write!(self.out, "{}", self.table.render(terminal_width()))?;
            self.table.clear();
        }
        Ok(())
    }
}
