//! Looks again and again, and shows what is another than it was.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    sync::mpsc,
    time::Duration,
};

use crate::cli::{
    outcome::{CliError, Out},
    stop,
    table::{Cell, Paint},
};

/// What each cell said when it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Seen {
    before: Option<BTreeMap<String, String>>,
    now: BTreeMap<String, String>,
    has_news: bool,
}

/// What became of a record since it was looked at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing, or it is the first look.
    None,
    /// It was not there.
    New,
    /// Something of it is another.
    Changed,
}

impl Seen {
    /// Takes note of a record's cells, named by their places, and marks those that are others than before.
    pub(super) fn mark(&mut self, record: &str, cells: Vec<Cell>) -> (News, Vec<Cell>) {
        let mut news = News::None;
        let mut marked = Vec::new();
        for (place, cell) in cells.into_iter().enumerate() {
            let key = format!("{record} {place}");
            let was = (self.before.as_ref()).map(|before| before.get(&key));
            let is_other = match was {
                None => false,
                Some(None) => {
                    news = News::New;
                    true
                }
                Some(Some(was)) if was != cell.text() => {
                    news = if news == News::New {
                        news
                    } else {
                        News::Changed
                    };
                    true
                }
                Some(Some(_)) => false,
            };
            self.now.insert(key, cell.text().to_owned());
            marked.push(if is_other { cell.changed() } else { cell });
        }
        self.has_news |= news != News::None;
        (news, marked)
    }

    /// The next look begins: what was seen now becomes what was before. Whether anything was another.
    fn turn(&mut self) -> bool {
        let is_first = self.before.is_none();
        let mut before = self.before.take().unwrap_or_default();
        // What has left the page and comes again is not new.
        before.append(&mut self.now);
        self.before = Some(before);
        std::mem::take(&mut self.has_news) || is_first
    }
}

impl News {
    /// How it is marked, for those who see no colours.
    pub(super) fn cell(self) -> Cell {
        match self {
            Self::None => Cell::plain(" "),
            Self::New => Cell::new("+", Paint::Changed),
            Self::Changed => Cell::new("*", Paint::Changed),
        }
    }
}

/// Hides the cursor while it lives.
struct Cursor(console::Term);

impl Cursor {
    fn hidden() -> Self {
        let terminal = console::Term::stdout();
        let _ = terminal.hide_cursor();
        Self(terminal)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let _ = self.0.show_cursor();
    }
}

/// Draws every `every` until an interrupt; on a terminal each time over the one before, elsewhere only what is
/// another. A server that goes away is asked again, unless it was never there.
pub(super) fn run(
    out: &mut Out,
    every: Duration,
    mut draw: impl FnMut(&mut Seen) -> Result<String, CliError>,
) -> Result<(), CliError> {
    let (send, stopped) = mpsc::channel();
    stop::on_signals(move || {
        let _ = send.send(());
    });
    let is_terminal = std::io::stdout().is_terminal();
    let mut seen = Seen::default();
    let mut lines = 0;
    let mut shown = draw(&mut seen)?;
    let _cursor = is_terminal.then(Cursor::hidden);
    loop {
        let is_other = seen.turn();
        if is_terminal {
            lines = over(out, &shown, lines)?;
        } else if is_other && !shown.is_empty() {
            write!(out, "{shown}")?;
            out.flush()?;
        }
        if stopped.recv_timeout(every) != Err(mpsc::RecvTimeoutError::Timeout) {
            return Ok(());
        }
        match draw(&mut seen) {
            Ok(text) => shown = text,
            Err(error) if is_terminal => shown = format!("{error}\ntrying again\n"),
            Err(error) => eprintln!("{error}; trying again"),
        }
    }
}

/// Writes over the `before` lines that were written last; how many lines there are now.
fn over(out: &mut Out, text: &str, before: usize) -> Result<usize, CliError> {
    if before > 0 {
        write!(out, "\u{1b}[{before}A\r")?;
    }
    // What does not fit could not be written over.
    let size = console::Term::stdout().size_checked();
    let size = size.filter(|(rows, columns)| *rows > 1 && *columns > 1);
    let most = size.map_or(usize::MAX, |(rows, _)| usize::from(rows).saturating_sub(1));
    let width = size.map_or(usize::MAX, |(_, columns)| usize::from(columns));
    let all: Vec<&str> = text.lines().collect();
    let fitting: Vec<&str> = if all.len() <= most {
        all
    } else {
        let (last, rest) = all.split_last().unwrap_or((&"", &[]));
        let rest = rest.iter().copied().take(most.saturating_sub(1));
        rest.chain([*last]).collect()
    };
    for line in &fitting {
        let line = console::truncate_str(line, width, "…");
        writeln!(out, "{line}\u{1b}[K")?;
    }
    write!(out, "\u{1b}[J")?;
    out.flush()?;
    Ok(fitting.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: [&str; 2]) -> Vec<Cell> {
        texts.map(Cell::plain).to_vec()
    }

    #[test]
    fn what_is_new_and_what_changed_is_marked_from_the_second_look_on() {
        let mut seen = Seen::default();
        assert_eq!(seen.mark("a", cells(["a", "1"])).0, News::None);
        assert!(seen.turn(), "the first look is shown");
        let (news, marked) = seen.mark("a", cells(["a", "2"]));
        assert_eq!(news, News::Changed);
        assert_eq!(marked, [Cell::plain("a"), Cell::plain("2").changed()]);
        assert_eq!(seen.mark("b", cells(["b", "1"])).0, News::New);
        assert!(seen.turn());
        assert_eq!(seen.mark("a", cells(["a", "2"])).0, News::None);
        assert!(!seen.turn(), "nothing was another");
        assert_eq!(seen.mark("b", cells(["b", "1"])).0, News::None);
    }
}
