//! Progress on a terminal; nothing is drawn elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar up to `total` things.
pub(super) fn bar(total: usize, things: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    bar.set_message(things);
    styled(
        bar,
        "{bar:40} {human_pos}/{human_len} {msg}, {elapsed}, {eta} left",
    )
}

/// A sign of life while `what` runs.
pub(super) fn spinner(what: String) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed}");
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    bar.with_style(
        ProgressStyle::with_template(template).expect("Invariant: the template is valid"),
    )
}
