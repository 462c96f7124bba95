//! Many records: a table, or a line of JSON for each.

use super::{
    ask::{Collection, Page, Query},
    columns,
    record::Record,
    watch::{News, Seen},
};
use crate::{
    cli::table::{Align, Cell, Column, Cut, Table, terminal_width},
    clock::Clock,
};

/// How it is to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The most that a line may have.
    pub(super) width: Option<usize>,
    /// Nothing is shortened.
    pub(super) is_wide: bool,
    /// There are colours.
    pub(super) has_colour: bool,
    /// It is looked at again and again.
    pub(super) is_watching: bool,
}

impl Look {
    fn width(&self) -> Option<usize> {
        if self.is_wide {
            None
        } else {
            self.width.or_else(terminal_width)
        }
    }
}

/// A page for people, and what is beyond it.
pub(super) fn text(query: &Query, page: &Page, look: &Look, seen: &mut Seen) -> String {
    let name = query.collection.name();
    let mut text = if page.records.is_empty() {
        String::new()
    } else {
        table(query.collection, &page.records, look, seen)
    };
    text.push_str(&summary(query, page, name));
    if look.is_watching {
        let now = Clock::system().now().text();
        let now = columns::short(now.as_str());
        text.push_str(&format!(", at {now} UTC; Ctrl-C ends it"));
    }
    text.push('\n');
    text
}

fn summary(query: &Query, page: &Page, name: &str) -> String {
    let count = page.records.len();
    let total = page.total.and_then(|total| usize::try_from(total).ok());
    let upto = query.skip.saturating_add(count);
    match total {
        _ if count == 0 && query.skip > 0 => format!("no more {name}"),
        _ if count == 0 => format!("no {name}"),
        Some(total) if total > upto => {
            let next = upto.div_ceil(query.limit.max(1)).saturating_add(1);
            let first = query.skip.saturating_add(1);
            format!("{first} to {upto} of {total} {name}; --page {next} goes on")
        }
        Some(total) => format!("{count} of {total} {name}"),
        None => format!("{count} {name}"),
    }
}

/// The records as a table, without the columns in which nothing stands.
pub(super) fn table(
    collection: Collection,
    records: &[Record],
    look: &Look,
    seen: &mut Seen,
) -> String {
    let fields = columns::of(collection);
    let rows: Vec<(String, Vec<Cell>)> = (records.iter())
        .map(|record| {
            let cells = fields
                .iter()
                .map(|field| (field.cell)(record, look.is_wide));
            (record.text(collection.id()), cells.collect())
        })
        .collect();
    let is_used = |place: usize| {
        let cell =
            |(_, cells): &(String, Vec<Cell>)| cells.get(place).map(|it| it.text().is_empty());
        rows.iter().any(|row| cell(row) == Some(false))
    };
    let used: Vec<bool> = (0..fields.len()).map(is_used).collect();
    let mark = Column {
        title: " ",
        align: Align::Left,
        cut: Cut::Never,
        rank: 0,
    };
    let shown = fields.iter().zip(&used).filter(|(_, is_used)| **is_used);
    let shown = shown.map(|(field, _)| field.column);
    let marks = look.is_watching.then_some(mark);
    let mut table = Table::of(marks.into_iter().chain(shown).collect());
    for (id, cells) in rows {
        let (news, cells) = seen.mark(&id, cells);
        let mark = look.is_watching.then(|| news.cell());
        let cells = cells
            .into_iter()
            .zip(&used)
            .filter(|(_, is_used)| **is_used);
        table.painted_row(mark.into_iter().chain(cells.map(|(cell, _)| cell)));
    }
    table.render_in(look.width(), look.has_colour)
}

/// A line of JSON for each record; of those looked at before, for each that is another.
pub(super) fn lines(
    collection: Collection,
    page: &Page,
    is_again: bool,
    seen: &mut Seen,
) -> String {
    let mut text = String::new();
    // The oldest first, where lines follow others.
    let mut records: Vec<&Record> = page.records.iter().collect();
    if is_again {
        records.reverse();
    }
    for record in records {
        let line = record.line();
        let (news, _) = seen.mark(
            &record.text(collection.id()),
            vec![Cell::plain(line.as_str())],
        );
        if !is_again || news != News::None {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}
