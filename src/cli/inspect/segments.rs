//! `cardwright inspect segments`.

use std::io::Write;

use serde_json::json;

use super::{
    super::{
        data_dir,
        outcome::{CliError, Out, json_line},
        progress,
        table::{Align, Table, terminal_width},
    },
    CommonArgs,
};
use crate::journal::{
    Lsn,
    wal::{ArchiveGap, SegmentInfo},
};

pub(super) fn run(args: &CommonArgs, out: &mut Out) -> Result<bool, CliError> {
    let reader = data_dir::open(&args.data_dir)?;
    let bar = progress::spinner("reading the log");
    let segments = reader.segments()?;
    bar.finish_and_clear();
    let gap = reader.gap();
    if args.json {
        let list: Vec<_> = segments.iter().map(view).collect();
        let gap = gap.map(|gap| json!({ "name": gap.name, "what": gap.what }));
        json_line(out, &json!({ "segments": list, "archive_gap": gap }))?;
        return Ok(gap.is_none());
    }
    let mut table = Table::new(&[
        ("name", Align::Left),
        ("base", Align::Right),
        ("bytes used", Align::Right),
        ("of", Align::Right),
        ("records", Align::Right),
        ("first lsn", Align::Right),
        ("last lsn", Align::Right),
        ("archived", Align::Left),
    ]);
    let lsn = |lsn: Option<Lsn>| lsn.map_or("-".to_owned(), |lsn| lsn.to_string());
    for segment in &segments {
        table.row([
            segment.name.clone(),
            segment.base.to_string(),
            segment.bytes_used.to_string(),
            segment.capacity.to_string(),
            segment.records.to_string(),
            lsn(segment.first),
            lsn(segment.last),
            if segment.is_archived { "yes" } else { "no" }.to_owned(),
        ]);
    }
    write!(out, "{}", table.render(terminal_width()))?;
    if let Some(gap) = gap {
        let ArchiveGap { name, what } = gap;
        writeln!(
            out,
            "archive/{name} and what is older were not read: {what}"
        )?;
    }
    Ok(gap.is_none())
}

fn view(segment: &SegmentInfo) -> serde_json::Value {
    json!({
        "name": segment.name,
        "base": segment.base,
        "capacity": segment.capacity,
        "bytes_used": segment.bytes_used,
        "records": segment.records,
        "first_lsn": segment.first.map(Lsn::get),
        "last_lsn": segment.last.map(Lsn::get),
        "archived": segment.is_archived,
    })
}
