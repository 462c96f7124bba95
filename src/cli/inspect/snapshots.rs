//! `cardwright inspect snapshots`: the list, or what is in one of them.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::{
    super::{
        data_dir,
        outcome::{CliError, Out, json_line},
        progress,
        table::{Align, Table, terminal_width},
    },
    CommonArgs,
    describe::quote,
};
use crate::{
    domain::{group::Group, lists::shown_url, registry::Registry, time::Timestamp},
    journal::{JournalError, Lsn, SnapshotInfo, wal::WalReader},
    wire::{self, Item, KeyLife},
};

#[derive(Args)]
pub(super) struct SnapshotsArgs {
    /// Show what is in this one: its name or its lsn
    which: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

pub(super) fn run(args: &SnapshotsArgs, out: &mut Out) -> Result<bool, CliError> {
    let reader = data_dir::open(&args.common.data_dir)?;
    let infos = reader.snapshots()?;
    let Some(which) = &args.which else {
        return list(&reader, &infos, args.common.json, out);
    };
    let named = |info: &&SnapshotInfo| info.name == *which || info.lsn.to_string() == *which;
    let Some(info) = infos.iter().find(named) else {
        return Err(CliError::Fault(format!(
            "there is no snapshot {which:?}; `cardwright inspect snapshots` lists them"
        )));
    };
    show(&reader, info, args.common.json, out)
}

/// Reads all of it; what is wrong with it, if anything.
fn prove(reader: &WalReader, lsn: Lsn) -> Result<(), JournalError> {
    reader
        .open_snapshot(lsn)?
        .try_for_each(|item| item.map(|_| ()))
}

fn list(
    reader: &WalReader,
    infos: &[SnapshotInfo],
    is_json: bool,
    out: &mut Out,
) -> Result<bool, CliError> {
    let bar = progress::spinner("reading the snapshots");
    let proven: Vec<_> = infos
        .iter()
        .map(|info| (info, prove(reader, info.lsn).err().map(|it| it.to_string())))
        .collect();
    bar.finish_and_clear();
    let is_well = proven.iter().all(|(_, error)| error.is_none());
    if is_json {
        let data: Vec<_> = (proven.iter())
            .map(|(info, error)| view(info, error.as_deref()))
            .collect();
        json_line(out, &json!({ "snapshots": data }))?;
        return Ok(is_well);
    }
    let mut table = Table::new(&[
        ("name", Align::Left),
        ("lsn", Align::Right),
        ("items", Align::Right),
        ("bytes", Align::Right),
        ("created", Align::Left),
        ("whole", Align::Left),
    ]);
    for (info, error) in &proven {
        table.row([
            info.name.clone(),
            info.lsn.to_string(),
            info.items.to_string(),
            info.bytes.to_string(),
            created(info),
            if error.is_none() { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    write!(out, "{}", table.render(terminal_width()))?;
    for (_, error) in &proven {
        if let Some(error) = error {
            writeln!(out, "{error}")?;
        }
    }
    Ok(is_well)
}

fn created(info: &SnapshotInfo) -> String {
    Timestamp::from_micros(info.created_ms.saturating_mul(1_000)).to_string()
}

fn view(info: &SnapshotInfo, error: Option<&str>) -> Value {
    json!({
        "name": info.name,
        "lsn": info.lsn.get(),
        "items": info.items,
        "bytes": info.bytes,
        "created_at": created(info),
        "whole": error.is_none(),
        "error": error,
    })
}

/// Writes the groups as they come, so that a snapshot of many cards needs no memory.
fn show(
    reader: &WalReader,
    info: &SnapshotInfo,
    is_json: bool,
    out: &mut Out,
) -> Result<bool, CliError> {
    const ROWS_PER_TABLE: usize = 1_000;
    let mut table = Table::new(&[
        ("actor", Align::Right),
        ("records", Align::Right),
        ("accounts", Align::Right),
        ("first account", Align::Left),
        ("open", Align::Right),
        ("closed", Align::Right),
        ("balances", Align::Left),
    ]);
    let (mut registry, mut permanent, mut expiring, mut joined) = (None, 0_u64, 0_u64, 0_usize);
    if is_json {
        write!(out, "{{\"groups\":[")?;
    }
    let mut is_first = true;
    for item in reader.open_snapshot(info.lsn)? {
        let item = wire::decode_item(&item?);
        match item.map_err(|error| CliError::Fault(format!("{}: {error}", info.name)))? {
            Item::Registry(known, _) => registry = Some(known),
            Item::Joined(pairs) => joined = pairs.len(),
            Item::Keys(keys) => {
                for (_, life, _) in keys {
                    match life {
                        KeyLife::Permanent => permanent = permanent.saturating_add(1),
                        KeyLife::Expiring => expiring = expiring.saturating_add(1),
                    }
                }
            }
            Item::Group(group, _) if is_json => {
                if !std::mem::take(&mut is_first) {
                    write!(out, ",")?;
                }
                json_line(out, &super::card::group_view(&group))?;
            }
            Item::Group(group, _) => {
                table.row(cells(&group));
                if table.len() == ROWS_PER_TABLE {
                    write!(out, "{}", table.render(terminal_width()))?;
                    table.clear();
                }
            }
        }
    }
    let registry = registry.as_ref().map(registry_view);
    if is_json {
        let rest = json!({
            "snapshot": view(info, None), "registry": registry,
            "keys": { "permanent": permanent, "expiring": expiring },
            "joined_groups": joined,
        });
        let rest = rest.to_string();
        write!(out, "],{}", rest.strip_prefix('{').unwrap_or(&rest))?;
        writeln!(out)?;
        return Ok(true);
    }
    if table.len() > 0 {
        write!(out, "{}", table.render(terminal_width()))?;
    }
    writeln!(
        out,
        "\n{} at lsn {}, {} items, {} bytes, {}\nregistry: {}\nkeys of requests: {permanent} \
         permanent, {expiring} expiring\ngroups that came into others: {joined}",
        info.name,
        info.lsn,
        info.items,
        info.bytes,
        created(info),
        registry.unwrap_or(Value::Null)
    )?;
    Ok(true)
}

fn registry_view(registry: &Registry) -> Value {
    let revoked = (registry.keys.iter()).filter(|key| key.revoked_at.is_some());
    json!({
        "records": registry.sequence,
        "origins": registry.origins.len(),
        "api_keys": registry.keys.len(),
        "api_keys_revoked": revoked.count(),
        "rates": registry.rates.quotes().map(quote).collect::<Vec<_>>(),
        "lists": registry.lists.iter().map(|(url, list)| json!({
            "url": shown_url(url), "codes": list.codes.len(), "at": list.at.to_string(),
        })).collect::<Vec<_>>(),
    })
}

fn cells(group: &Group) -> [String; 7] {
    let first = group.accounts.first();
    let balances: Vec<String> = (group.ledgers.iter())
        .flat_map(|ledger| &ledger.balances)
        .map(|(asset, balance)| format!("{}+{} {asset}", balance.current, balance.pending))
        .collect();
    [
        group.id.0.to_string(),
        group.sequence.to_string(),
        group.accounts.len().to_string(),
        first
            .map(crate::domain::account::Account::id)
            .unwrap_or_default(),
        group.open.len().to_string(),
        group.closed.len().to_string(),
        balances.join(", "),
    ]
}
