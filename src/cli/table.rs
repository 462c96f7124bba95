//! Tables that fit the terminal: columns shrink, then the least needed go; colour where somebody looks.

use std::{cmp::Reverse, io::IsTerminal};

use console::{Style, measure_text_width};

/// To which side a column's cells go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// What may be taken from a cell that is too wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nothing.
    Never,
    /// Its end.
    End,
    /// Its middle: of an id, both ends tell something.
    Middle,
}

/// How a cell is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Paint {
    /// As it is.
    #[default]
    Plain,
    /// It is there, but not what one looks for.
    Dim,
    /// Done.
    Good,
    /// Not yet.
    Open,
    /// Refused, or below zero.
    Bad,
    /// Another than a moment ago.
    Changed,
}

/// A cell in its colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// A cell of this colour.
    pub(super) fn new(text: impl Into<String>, paint: Paint) -> Self {
        Self {
            text: text.into(),
            paint,
        }
    }

    /// A cell of no colour.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Paint::Plain)
    }

    /// What it says.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The same cell, marked as another than it was.
    pub(super) fn changed(mut self) -> Self {
        self.paint = Paint::Changed;
        self
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// What stands above it.
    pub(super) title: &'static str,
    /// To which side its cells go.
    pub(super) align: Align,
    /// What may be taken from them.
    pub(super) cut: Cut,
    /// When it goes if all do not fit: the highest first, zero never.
    pub(super) rank: u8,
}

/// A table in the making.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

const GAP: usize = 2;
/// A column is not made narrower than this.
const WIDTH_MIN: usize = 8;
/// Of an id, the prefix and a few letters of both ends.
const ID_WIDTH_MIN: usize = 14;

impl Table {
    /// A table with these columns; texts may be cut, numbers not, and none goes.
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        let column = |(title, align): &(&'static str, Align)| Column {
            title,
            align: *align,
            cut: match align {
                Align::Left => Cut::End,
                Align::Right => Cut::Never,
            },
            rank: 0,
        };
        Self::of(columns.iter().map(column).collect())
    }

    /// A table with these columns.
    pub(super) const fn of(columns: Vec<Column>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row: one cell for each column.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.painted_row(cells.into_iter().map(Cell::plain));
    }

    /// Adds a row in colours: one cell for each column.
    pub(super) fn painted_row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let safe = |cell: Cell| Cell {
            text: printable(&cell.text),
            ..cell
        };
        self.rows.push(cells.into_iter().map(safe).collect());
    }

    /// How many rows there are.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Forgets the rows.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }

    /// The whole table without colours; see [`Self::render_in`].
    pub(super) fn render(&self, width: Option<usize>) -> String {
        self.render_in(width, false)
    }

    /// The whole table; no line is longer than `width` if cells can be cut and columns left out so far.
    pub(super) fn render_in(&self, width: Option<usize>, has_colour: bool) -> String {
        let (shown, widths) = self.fitted(width);
        let titles: Vec<Cell> = (self.columns.iter())
            .map(|column| Cell::new(column.title, Paint::Dim))
            .collect();
        let mut out = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut line = String::new();
            let mut blanks = 0;
            for (index, width) in shown.iter().zip(&widths) {
                let (Some(column), Some(cell)) = (self.columns.get(*index), row.get(*index)) else {
                    continue;
                };
                let text = shortened(&cell.text, *width, column.cut);
                let rest = width.saturating_sub(measure_text_width(&text));
                let (before, after) = match column.align {
                    Align::Left => (0, rest),
                    Align::Right => (rest, 0),
                };
                line.push_str(&" ".repeat(blanks + before));
                line.push_str(&painted(&text, cell.paint, has_colour));
                blanks = after + GAP;
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// Which columns are shown, and how wide each is.
    fn fitted(&self, most: Option<usize>) -> (Vec<usize>, Vec<usize>) {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        loop {
            let mut widths: Vec<usize> = shown.iter().map(|index| self.natural(*index)).collect();
            let Some(most) = most else {
                return (shown, widths);
            };
            if self.shrink(&shown, &mut widths, most) {
                return (shown, widths);
            }
            let rank_of = |index: &usize| self.columns.get(*index).map_or(0, |it| it.rank);
            let last = (shown.iter().enumerate())
                .filter(|(_, index)| rank_of(index) > 0)
                .min_by_key(|(_, index)| Reverse(rank_of(index)))
                .map(|(place, _)| place);
            match last {
                Some(place) => shown.remove(place),
                None => return (shown, widths),
            };
        }
    }

    fn natural(&self, index: usize) -> usize {
        let title = self.columns.get(index).map_or("", |column| column.title);
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        cells
            .map(|cell| measure_text_width(&cell.text))
            .fold(measure_text_width(title), usize::max)
    }

    /// Takes what is too much from the widest that may be cut; whether that was enough.
    fn shrink(&self, shown: &[usize], widths: &mut [usize], most: usize) -> bool {
        let gaps = GAP.saturating_mul(widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>().saturating_add(gaps) > most {
            let widest = (widths.iter_mut().zip(shown))
                .filter(|(width, index)| {
                    let cut = self.columns.get(**index).map_or(Cut::Never, |it| it.cut);
                    match cut {
                        Cut::Never => false,
                        Cut::End => **width > WIDTH_MIN,
                        Cut::Middle => **width > ID_WIDTH_MIN,
                    }
                })
                .max_by_key(|(width, _)| **width);
            match widest {
                Some((width, _)) => *width = width.saturating_sub(1),
                None => return false,
            }
        }
        true
    }
}

/// The text without what could steer a terminal, or show it in another order than it is.
pub(super) fn printable(text: &str) -> String {
    let steers = |letter: char| {
        letter.is_control()
            || ('\u{200b}'..='\u{200f}').contains(&letter)
            || ('\u{2028}'..='\u{202e}').contains(&letter)
            || ('\u{2066}'..='\u{2069}').contains(&letter)
    };
    text.replace(steers, "?")
}

/// The text in its colour, if there are colours.
pub(super) fn painted(text: &str, paint: Paint, has_colour: bool) -> String {
    let style = match paint {
        Paint::Plain => return text.to_owned(),
        Paint::Dim => Style::new().dim(),
        Paint::Good => Style::new().green(),
        Paint::Open => Style::new().yellow(),
        Paint::Bad => Style::new().red(),
        Paint::Changed => Style::new().bold().cyan(),
    };
    if has_colour && !text.is_empty() {
        style.force_styling(true).apply_to(text).to_string()
    } else {
        text.to_owned()
    }
}

fn shortened(text: &str, width: usize, cut: Cut) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    let left = width.saturating_sub(1);
    match cut {
        Cut::Never => text.to_owned(),
        Cut::End => first(text.chars(), left) + "…",
        Cut::Middle => {
            let behind = left / 2;
            let end: String = first(text.chars().rev(), behind).chars().rev().collect();
            first(text.chars(), left.saturating_sub(behind)) + "…" + &end
        }
    }
}

/// As many of the letters as fit.
fn first(letters: impl Iterator<Item = char>, width: usize) -> String {
    let mut text = String::new();
    for letter in letters {
        text.push(letter);
        if measure_text_width(&text) > width {
            text.pop();
            break;
        }
    }
    text
}

/// The terminal's width; none if standard output is no terminal.
pub(super) fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stdout).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// Whether there are colours: on a terminal, unless `NO_COLOR` is set or the terminal has none.
pub(super) fn has_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[
            ("lsn", Align::Right),
            ("event", Align::Left),
            ("amount", Align::Right),
            ("of", Align::Left),
        ]);
        let row = |cells: [&str; 4]| cells.map(str::to_owned);
        table.row(row(["7", "authorization_approved", "50000000", "DUSD/6"]));
        table.row(row(["1234", "deposited\u{1b}[31m", "1", "DUSD/6"]));
        table
    }

    #[test]
    fn numbers_are_on_the_right_and_letters_cannot_steer_the_terminal() {
        let expected = [
            " lsn  event                     amount  of",
            "   7  authorization_approved  50000000  DUSD/6",
            "1234  deposited?[31m                 1  DUSD/6",
            "",
        ]
        .join("\n");
        assert_eq!(table().render(None), expected);
    }

    #[test]
    fn text_is_shortened_to_the_width_and_numbers_are_not() {
        let expected = [
            " lsn  event         amount  of",
            "   7  authoriza…  50000000  DUSD/6",
            "1234  deposited…         1  DUSD/6",
            "",
        ]
        .join("\n");
        assert_eq!(table().render(Some(34)), expected);
        for width in 1..60 {
            let text = table().render(Some(width));
            assert!(text.contains("50000000"), "{width}");
            let longest = text.lines().map(measure_text_width).max().unwrap();
            assert!(longest <= width.max(32), "{width}: {text}");
        }
    }

    fn ranked() -> Table {
        let column = |title, align, cut, rank| Column {
            title,
            align,
            cut,
            rank,
        };
        let mut table = Table::of(vec![
            column("id", Align::Left, Cut::Middle, 0),
            column("amount", Align::Right, Cut::Never, 0),
            column("name", Align::Left, Cut::End, 1),
            column("made", Align::Left, Cut::Never, 2),
        ]);
        table.painted_row([
            Cell::plain("bln_6164573b-6cc8-85a4-ad2e-7b4ba6a60f7d"),
            Cell::new("-1,250.00", Paint::Bad),
            Cell::plain("Jérôme 東京 shop"),
            Cell::plain("2026-11-21 10:00"),
        ]);
        table
    }

    #[test]
    fn ids_lose_their_middle_and_the_least_needed_columns_go_first() {
        let line = |width| {
            let text = ranked().render(Some(width));
            text.lines().nth(1).unwrap().to_owned()
        };
        let whole = "bln_6164…6a60f7d  -1,250.00  Jérôme 東京 sh…  2026-11-21 10:00";
        assert_eq!(line(62), whole);
        assert_eq!(line(40), "bln_616…a60f7d  -1,250.00  Jérôme 東京 …");
        assert_eq!(line(26), "bln_616…6a60f7d  -1,250.00");
        assert_eq!(line(3), "bln_616…a60f7d  -1,250.00");
        for width in 25..120 {
            let text = ranked().render(Some(width));
            let longest = text.lines().map(measure_text_width).max().unwrap();
            assert!(longest <= width, "{width}: {text}");
        }
    }

    #[test]
    fn colours_take_no_room() {
        let table = ranked();
        let coloured = table.render_in(Some(60), true);
        assert!(
            coloured.contains("\u{1b}[31m-1,250.00\u{1b}[0m"),
            "{coloured:?}"
        );
        let plain = console::strip_ansi_codes(&coloured);
        assert_eq!(plain, table.render(Some(60)));
        assert_eq!(printable("a\u{202e}b\tc"), "a?b?c");
    }
}
