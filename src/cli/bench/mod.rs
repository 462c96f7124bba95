//! `cardwright bench`: drives real HTTP load at a server and reports throughput and latency.
//!
//! Reading order: `args` says what can be asked, `plan` makes phases of it, `target` finds or
//! starts the server, `setup` makes the cards and `books` the balances, `load` runs a phase on `connection`s, each of which
//! sends its `traffic` (rendered by `template`), reads answers (`response`), looks at them
//! (`scan`, `judge`) and counts (`stats`); `report` is the result, `table` and `svg` show it.

mod args;
mod axis;
mod books;
mod cards;
mod connection;
mod error;
mod judge;
mod load;
mod machine;
mod plan;
mod progress;
mod report;
mod response;
mod rng;
pub mod ruled;
mod scan;
mod setup;
mod stats;
mod svg;
mod table;
mod target;
mod template;
mod traffic;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use args::{BenchArgs, Mix};
use books::BooksFacts;
use cards::Cards;
use error::BenchError;
use load::{Driver, Phase};
use machine::Machine;
use report::{Memory, PhaseReport, Report};
use setup::{Funding, SetupFacts};
use target::Target;
use template::Templates;

/// Runs the bench and prints its report: exit 0 if all answers were as wanted, 1 if not.
pub fn run(args: BenchArgs) -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    // So that the own server and its data go.
    let stopping = Arc::clone(&stop);
    super::stop::on_signals(move || stopping.store(true, Ordering::Relaxed));
    let outcome = check_files(&args)
        .and_then(|()| measure(&args, &stop))
        .and_then(|report| publish(&args, &report));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("cardwright bench: there were unexpected answers, see above");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cardwright bench: {error}");
            if matches!(error, BenchError::Url { .. } | BenchError::Folder { .. }) {
                return ExitCode::from(2);
            }
            ExitCode::FAILURE
        }
    }
}

/// Sees before the run that what it measures can be written.
fn check_files(args: &BenchArgs) -> Result<(), BenchError> {
    for (name, path) in [("--json", &args.json), ("--svg", &args.svg)] {
        let folder = path.as_deref().and_then(std::path::Path::parent);
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let folder = folder.to_owned();
            return Err(BenchError::Folder { name, folder });
        }
    }
    Ok(())
}

/// Starts, sets up, drives and stops: the whole run on one screen.
fn measure(args: &BenchArgs, stop: &Arc<AtomicBool>) -> Result<Report, BenchError> {
    let target = Target::open(args)?;
    let machine = Machine::examine(target.data_dir());
    announce(&target, &machine);
    let resident = || target.pid().map_or(0, machine::resident_bytes);
    let before_setup_bytes = resident();
    let run = rng::entropy();
    let stage = set_up(args, &target, run, stop)?;
    let after_setup_bytes = resident();
    let mut driver = Driver {
        address: target.address,
        templates: Arc::new(Templates::new(&target.host, &target.key)),
        cards: Arc::new(stage.cards),
        ruled: Arc::new(stage.ruled),
        balances: Arc::new(stage.balances),
        connections: args.connections,
        threads: args.threads.min(args.connections),
        run,
        stop: Arc::clone(stop),
        phases: 0,
    };
    let mut report = Report {
        command: command_line(std::env::args()),
        version: env!("CARGO_PKG_VERSION"),
        target: target.host.clone(),
        machine,
        setup: stage.setup,
        books: stage.books,
        connections: args.connections,
        threads: driver.threads,
        warmup_s: args.warmup,
        duration_s: args.duration,
        echo_bytes: None,
        main: plan::main_name(args),
        phases: Vec::new(),
        ratios: Vec::new(),
        memory: None,
        ok: false,
    };
    if args.baseline {
        let sample = drive(&mut driver, &target, 0, &plan::sample(args))?;
        let body_bytes = sample
            .operations
            .first()
            .map_or(0.0, |one| one.mean_body_bytes);
        report.echo_bytes = Some(body_bytes.round() as usize);
        report.phases.push(sample);
    }
    for (round, phase) in plan::rounds(args, report.echo_bytes) {
        let measured = drive(&mut driver, &target, round, &phase)?;
        report.phases.push(measured);
    }
    let phases = among_the_dead(args, (&mut driver, &target), stop)?;
    report.phases.extend(phases);
    if args.memory && target.pid().is_some() {
        let after_load_bytes = resident();
        report.memory = Some(Memory {
            before_setup_bytes,
            after_setup_bytes,
            after_load_bytes,
        });
    }
    report.conclude(args);
    Ok(report)
}

/// What the load is driven on.
struct Stage {
    cards: Cards,
    ruled: Cards,
    balances: Cards,
    setup: SetupFacts,
    books: Option<BooksFacts>,
}

fn set_up(
    args: &BenchArgs,
    target: &Target,
    run: u64,
    stop: &AtomicBool,
) -> Result<Stage, BenchError> {
    let funding = Funding::for_load(plan::load_s(args), args.cards);
    let is_card_hot = args.hot > 0 && args.mix() != Mix::Ledger;
    let (cards, setup) =
        setup::create_cards(target, args.cards, (funding, is_card_hot), run, stop)?;
    let mut stage = Stage {
        cards,
        ruled: Cards::default(),
        balances: Cards::default(),
        setup,
        books: None,
    };
    match args.mix() {
        Mix::Authorize | Mix::Lifecycle => {}
        Mix::Rules => stage.ruled = setup::create_ruled_cards(target, funding, run, stop)?,
        Mix::Ledger => {
            let (balances, facts) = books::create(target, args.cards, funding, run, stop)?;
            (stage.balances, stage.books) = (balances, Some(facts));
        }
    }
    Ok(stage)
}

/// The same load again, now with webhooks that lead nowhere, if that is asked for.
fn among_the_dead(
    args: &BenchArgs,
    (driver, target): (&mut Driver, &Target),
    stop: &AtomicBool,
) -> Result<Vec<PhaseReport>, BenchError> {
    let Some(count) = args.dead_endpoints else {
        return Ok(Vec::new());
    };
    let _silent = setup::point_at_the_dead(target, &driver.cards, count, stop)?;
    let phase = plan::with_the_dead(args, count);
    (0..args.repeat)
        .map(|round| drive(driver, target, round, &phase))
        .collect()
}

/// Drives one phase and adds what it cost in processor time.
fn drive(
    driver: &mut Driver,
    target: &Target,
    round: usize,
    phase: &Phase,
) -> Result<PhaseReport, BenchError> {
    let spinner = progress::spinner(format!("{} (round {})", phase.name, round + 1));
    let server = target.pid().map(|pid| pid.to_string());
    let used = || {
        let server = server.as_deref().and_then(machine::processor_time_s);
        (machine::processor_time_s("self"), server)
    };
    let (client_before, server_before) = used();
    let started = Instant::now();
    let stats = driver.drive(phase);
    let elapsed_s = started.elapsed().as_secs_f64();
    let (client_after, server_after) = used();
    spinner.finish_and_clear();
    let mut report = PhaseReport::new(phase, round, &stats?);
    let cores = |before: Option<f64>, after: Option<f64>| {
        Some(report::rounded((after? - before?) / elapsed_s))
    };
    report.client_cores = cores(client_before, client_after);
    report.server_cores = cores(server_before, server_after);
    Ok(report)
}

fn announce(target: &Target, machine: &Machine) {
    let Some(directory) = target.data_dir() else {
        return;
    };
    let Some(system) = &machine.file_system else {
        return;
    };
    eprintln!(
        "own server, data in {} ({} on {})",
        directory.display(),
        system.kind,
        system.device
    );
    if system.is_volatile() {
        eprintln!(
            "WARNING: {} is memory, not a disk: a sync costs nothing there and the figures are \
             false; choose a disk with --data-dir",
            system.kind
        );
    }
}

/// Prints and writes the report; true if all was as wanted.
fn publish(args: &BenchArgs, report: &Report) -> Result<bool, BenchError> {
    print!("{}", table::render(report));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(report);
        write(
            path,
            &(text.expect("Invariant: a report has string keys only") + "\n"),
        )?;
    }
    if let Some(path) = &args.svg {
        write(path, &svg::draw(report))?;
    }
    Ok(report.ok)
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(|source| BenchError::File {
        what: "writing",
        path: path.to_owned(),
        source,
    })
}

/// The command as typed, but for the key.
fn command_line(words: impl Iterator<Item = String>) -> String {
    let mut shown = Vec::new();
    let mut secret_follows = false;
    for word in words {
        let word = if secret_follows {
            "***".to_owned()
        } else if word.starts_with("--key=") {
            "--key=***".to_owned()
        } else if word.contains([' ', '\'', '"', '$']) {
            format!("'{}'", word.replace('\'', "'\\''"))
        } else {
            word
        };
        secret_follows = word == "--key";
        shown.push(word);
    }
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_hides_the_key() {
        let check = |words: &[&str], expected: &str| {
            assert_eq!(
                command_line(words.iter().map(|word| (*word).to_owned())),
                expected
            );
        };
        check(
            &["bench", "--key", "sk_1", "--hot", "3"],
            "bench --key *** --hot 3",
        );
        check(
            &["bench", "--key=sk_1", "--json", "a b"],
            "bench --key=*** --json 'a b'",
        );
    }
}
