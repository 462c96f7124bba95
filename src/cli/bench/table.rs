//! The result of a run as text.

use std::fmt::Write;

use super::report::{Latency, Memory, OperationReport, PhaseReport, Ratio, Report};

/// Renders the whole report.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for phase in &report.phases {
        text.push_str(&phase_table(phase));
    }
    text.push_str(&ratio_lines(&report.ratios));
    if let Some(memory) = &report.memory {
        text.push_str(&memory_line(memory));
    }
    if let Some(books) = &report.books {
        let _ = writeln!(
            text,
            "ledger face: {} balances and {} merchants' made and funded in {:.1} s",
            grouped(books.balances as u64),
            grouped(books.merchants as u64),
            books.seconds,
        );
    }
    text.push_str(&facts(report));
    text
}

fn phase_table(phase: &PhaseReport) -> String {
    let mut lines = vec![title(phase)];
    lines.push(format!(
        "  {:<10} {:>11} {:>11} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "operation", "count", "per second", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"
    ));
    lines.extend(phase.operations.iter().map(operation_line));
    if phase.operations.len() > 1 {
        lines.push(line(
            "all",
            phase.items.good,
            phase.per_second,
            &phase.latency,
        ));
    }
    if let Some(rate) = phase.transactions_per_second {
        let rate = grouped_f64(rate);
        lines.push(format!("  transactions of two requests: {rate} per second"));
    }
    if phase.items.busy > 0 {
        lines.push(format!("  busy (503): {}", grouped(phase.items.busy)));
    }
    if phase.reconnects > 0 {
        let times = grouped(phase.reconnects);
        lines.push(format!(
            "  WARNING: connections were made anew {times} times: not keep-alive"
        ));
    }
    for failure in &phase.failures {
        let count = grouped(failure.count);
        lines.push(format!("  UNEXPECTED {count} x {}", failure.what));
        if !failure.sample.is_empty() {
            lines.push(format!("    such as: {}", failure.sample));
        }
    }
    lines.join("\n") + "\n\n"
}

fn title(phase: &PhaseReport) -> String {
    let mut title = format!("{} (round {}", phase.name, phase.round + 1);
    if phase.items_per_request > 1 {
        let requests = phase.requests as f64 / phase.measured_s.max(f64::MIN_POSITIVE);
        let _ = write!(
            title,
            ", {} requests/s, latency of a request",
            grouped_f64(requests)
        );
    }
    for (who, cores) in [
        ("client", phase.client_cores),
        ("server", phase.server_cores),
    ] {
        if let Some(cores) = cores {
            let _ = write!(title, ", {who} {cores:.2} cores");
        }
    }
    title + ")"
}

fn operation_line(operation: &OperationReport) -> String {
    line(
        operation.name,
        operation.items.good,
        operation.per_second,
        &operation.latency,
    )
}

fn line(name: &str, count: u64, per_second: f64, latency: &Latency) -> String {
    format!(
        "  {name:<10} {:>11} {:>11} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {:>9.3}",
        grouped(count),
        grouped_f64(per_second),
        latency.p50_ms,
        latency.p90_ms,
        latency.p99_ms,
        latency.p999_ms,
        latency.max_ms,
    )
}

fn ratio_lines(ratios: &[Ratio]) -> String {
    let mut text = String::new();
    for ratio in ratios {
        let Ratio {
            over,
            under,
            median,
            rounds,
        } = ratio;
        let _ = write!(text, "ratio {over} / {under}: {median:.3}");
        if rounds.len() > 1 {
            let rounds: Vec<_> = rounds.iter().map(|ratio| format!("{ratio:.3}")).collect();
            let _ = write!(text, " (median of {})", rounds.join(", "));
        }
        text.push('\n');
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn memory_line(memory: &Memory) -> String {
    let mebibytes = |bytes: u64| grouped_f64(bytes as f64 / 1024.0 / 1024.0);
    format!(
        "server memory: {} MiB at start, {} MiB after setup, {} MiB after load\n",
        mebibytes(memory.before_setup_bytes),
        mebibytes(memory.after_setup_bytes),
        mebibytes(memory.after_load_bytes),
    )
}

fn facts(report: &Report) -> String {
    let machine = &report.machine;
    let data = match (&machine.data_dir, &machine.file_system) {
        (Some(directory), Some(system)) => {
            format!(
                "{} ({} on {})",
                directory.display(),
                system.kind,
                system.device
            )
        }
        (Some(directory), None) => directory.display().to_string(),
        (None, _) => "not ours to see".to_owned(),
    };
    format!(
        "setup: {} cards ({}) in {:.1} s; {} connections, {} client thread(s), \
         {} s measured after {} s of warm-up\n\
         machine: {} cores, {}, {:.1} GiB, Linux {}, load {} at start\n\
         data: {data}\ncommand: {}\n",
        grouped(report.setup.cards as u64),
        report.setup.way,
        report.setup.seconds,
        report.connections,
        report.threads,
        report.duration_s,
        report.warmup_s,
        machine.cores,
        machine.processor,
        machine.memory_bytes as f64 / 1024.0 / 1024.0 / 1024.0,
        machine.kernel,
        machine.load_average,
        report.command,
    )
}

/// A count with its thousands apart.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate, rounded to a count with its thousands apart.
pub(super) fn grouped_f64(rate: f64) -> String {
    grouped(rate.round().max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(count), text);
        }
        assert_eq!(grouped_f64(999.6), "1,000");
    }
}
