//! Plain tables that fit the terminal.

use std::io::IsTerminal;

/// To which side a column's cells go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table in the making.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

const GAP: usize = 2;
/// A column is not made narrower than this.
const WIDTH_MIN: usize = 8;

impl Table {
    /// A table with these columns.
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row: one cell for each column.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let plain = |cell: String| cell.replace(|letter: char| letter.is_control(), "?");
        self.rows.push(cells.into_iter().map(plain).collect());
    }

    /// How many rows there are.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Forgets the rows.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }

    /// The whole table; no line is longer than `width` if text can be shortened to it. Numbers never
    /// are.
    pub(super) fn render(&self, width: Option<usize>) -> String {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .map(|(title, _)| length(title))
            .collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(length(cell));
            }
        }
        if let Some(width) = width {
            self.shrink(&mut widths, width);
        }
        let titles: Vec<String> = self
            .columns
            .iter()
            .map(|(it, _)| (*it).to_owned())
            .collect();
        let mut out = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(&self.columns) {
                let cell = shortened(cell, *width);
                let blank = " ".repeat(width.saturating_sub(length(&cell)));
                match align {
                    Align::Left => line.extend([cell.as_str(), &blank]),
                    Align::Right => line.extend([blank.as_str(), &cell]),
                }
                line.push_str(&" ".repeat(GAP));
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// Takes what is too much from the widest texts.
    fn shrink(&self, widths: &mut [usize], most: usize) {
        let gaps = GAP.saturating_mul(widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>().saturating_add(gaps) > most {
            let texts = widths.iter_mut().zip(&self.columns);
            let widest = texts
                .filter(|(width, (_, align))| *align == Align::Left && **width > WIDTH_MIN)
                .max_by_key(|(width, _)| **width);
            match widest {
                Some((width, _)) => *width = width.saturating_sub(1),
                None => return,
            }
        }
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn shortened(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
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
            let longest = text.lines().map(length).max().unwrap();
            assert!(longest <= width.max(32), "{width}: {text}");
        }
    }
}
