//! Progress of long work, on a terminal's standard error; nothing is drawn elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::journal::{Lsn, wal::WalReader};

/// A bar over the log that `reader` reads.
pub(super) fn over_log(reader: &WalReader, what: &'static str) -> LogBar {
    let (first, end) = reader.bounds();
    let bar = ProgressBar::new(end.saturating_sub(first));
    let template = "{bar:40} {percent}% {msg}, {elapsed}, {eta} left";
    bar.set_style(
        ProgressStyle::with_template(template).expect("Invariant: the template is valid"),
    );
    bar.set_message(what);
    LogBar { bar, first }
}

/// A sign of life while `what` runs.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let template = "{spinner} {msg}, {elapsed}";
    bar.set_style(
        ProgressStyle::with_template(template).expect("Invariant: the template is valid"),
    );
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// See [`over_log`]; gone when dropped.
pub(super) struct LogBar {
    bar: ProgressBar,
    first: u64,
}

impl LogBar {
    /// The reader has come to `lsn`.
    pub(super) fn at(&self, lsn: Lsn) {
        self.bar.set_position(lsn.get().saturating_sub(self.first));
    }
}

impl Drop for LogBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
