//! What is measured in which order, and which ratios follow from it.

use std::time::Duration;

use super::args::{BenchArgs, Mix};
use super::load::Phase;
use super::traffic::Work;

pub(super) const ECHO: &str = "echo";
const SPREAD: &str = "spread";

/// The short phase that shows how large an answer is.
pub(super) fn sample(args: &BenchArgs) -> Phase {
    Phase {
        name: "sample".to_owned(),
        work: Work::Authorize,
        hot_percent: args.hot,
        warmup: Duration::ZERO,
        duration: Duration::from_secs(1),
    }
}

/// The phases of one round; `echo_bytes` is the size of the echo's answers, if there is a baseline.
pub(super) fn round(args: &BenchArgs, echo_bytes: Option<usize>) -> Vec<Phase> {
    let main = main_work(args);
    let mut phases = Vec::new();
    if let Some(bytes) = echo_bytes {
        phases.push(phase(args, ECHO.to_owned(), (Work::Echo { bytes }, 0)));
        if args.batch.is_some() {
            let name = named(Work::Authorize, args.hot);
            phases.push(phase(args, name, (Work::Authorize, args.hot)));
        }
        if args.hot > 0 && main != Work::Ledger {
            phases.push(phase(args, SPREAD.to_owned(), (main, 0)));
        }
    }
    if main == Work::Rules {
        let name = named(Work::Authorize, 0);
        phases.push(phase(args, name, (Work::Authorize, 0)));
    }
    if main == Work::Ledger {
        phases.push(phase(args, named(Work::Purchase, 0), (Work::Purchase, 0)));
        if args.hot > 0 {
            phases.push(phase(args, named(main, 0), (main, 0)));
        }
    }
    phases.push(phase(args, main_name(args), (main, args.hot)));
    phases
}

/// All phases of the run with their rounds: a single round has the echo before and after.
pub(super) fn rounds(args: &BenchArgs, echo_bytes: Option<usize>) -> Vec<(usize, Phase)> {
    let mut phases: Vec<_> = (0..args.repeat)
        .flat_map(|number| {
            round(args, echo_bytes)
                .into_iter()
                .map(move |phase| (number, phase))
        })
        .collect();
    if args.repeat == 1 && echo_bytes.is_some() {
        phases.extend(phases.first().cloned());
    }
    phases
}

/// Seconds under load of the whole run, at most.
pub(super) fn load_s(args: &BenchArgs) -> u64 {
    const PHASES_IN_A_ROUND_MAX: u64 = 5;
    let rounds = args.repeat as u64;
    (args.duration + args.warmup)
        .saturating_mul(PHASES_IN_A_ROUND_MAX)
        .saturating_mul(rounds)
        .saturating_add(1)
}

/// Name of the phase the run is about.
pub(super) fn main_name(args: &BenchArgs) -> String {
    named(main_work(args), args.hot)
}

/// The main phase again, while webhooks lead to dead addresses.
pub(super) fn with_the_dead(args: &BenchArgs, count: usize) -> Phase {
    let name = dead_name(args, count);
    phase(args, name, (main_work(args), args.hot))
}

fn dead_name(args: &BenchArgs, count: usize) -> String {
    format!("{}, {count} dead endpoints", main_name(args))
}

/// Pairs of phases to compare, the first over the second, given the phases measured.
pub(super) fn comparisons(args: &BenchArgs) -> Vec<(String, String)> {
    let main = main_name(args);
    let mut pairs = Vec::new();
    if main_work(args) == Work::Rules {
        pairs.push((main.clone(), named(Work::Authorize, 0)));
    }
    if main_work(args) == Work::Ledger {
        let (network, spread) = (named(Work::Purchase, 0), named(Work::Ledger, 0));
        pairs.push((main.clone(), network.clone()));
        if args.hot > 0 {
            pairs.push((spread.clone(), network));
            pairs.push((main.clone(), spread));
        }
    }
    if let Some(count) = args.dead_endpoints {
        pairs.push((dead_name(args, count), main.clone()));
    }
    if !args.baseline {
        return pairs;
    }
    pairs.push((main.clone(), ECHO.to_owned()));
    if args.batch.is_some() {
        let single = named(Work::Authorize, args.hot);
        pairs.push((single.clone(), ECHO.to_owned()));
        pairs.push((main.clone(), single));
    }
    if args.hot > 0 && main_work(args) != Work::Ledger {
        pairs.push((SPREAD.to_owned(), ECHO.to_owned()));
        pairs.push((main, SPREAD.to_owned()));
    }
    pairs
}

/// The middle of `values`; the mean of the two in the middle if they are even.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    f64::midpoint(at(sorted.len() / 2), at(sorted.len().saturating_sub(1) / 2))
}

fn main_work(args: &BenchArgs) -> Work {
    match (args.batch, args.mix()) {
        (Some(items), _) => Work::Batch { items },
        (None, Mix::Authorize) => Work::Authorize,
        (None, Mix::Lifecycle) => Work::Lifecycle,
        (None, Mix::Rules) => Work::Rules,
        (None, Mix::Ledger) => Work::Ledger,
    }
}

fn named(work: Work, hot_percent: u8) -> String {
    let name = match work {
        Work::Authorize => "authorize".to_owned(),
        Work::Lifecycle => "lifecycle".to_owned(),
        Work::Rules => "rules".to_owned(),
        Work::Purchase => "network face".to_owned(),
        Work::Ledger => "ledger face".to_owned(),
        Work::Batch { items } => format!("batch {items}"),
        Work::Echo { .. } => ECHO.to_owned(),
    };
    if hot_percent > 0 {
        format!("{name}, hot {hot_percent} %")
    } else {
        name
    }
}

fn phase(args: &BenchArgs, name: String, (work, hot_percent): (Work, u8)) -> Phase {
    Phase {
        name,
        work,
        hot_percent,
        warmup: Duration::from_secs(args.warmup),
        duration: Duration::from_secs(args.duration),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: BenchArgs,
    }

    fn check(line: &str, phases: &[&str], pairs: &[(&str, &str)]) {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        let args = Line::try_parse_from(words).unwrap().args;
        let echo = args.baseline.then_some(900);
        let names: Vec<_> = rounds(&args, echo)
            .into_iter()
            .map(|(_, phase)| phase.name)
            .collect();
        assert_eq!(names, phases, "{line}");
        let compared = comparisons(&args);
        let compared: Vec<_> = compared
            .iter()
            .map(|(over, under)| (over.as_str(), under.as_str()))
            .collect();
        assert_eq!(compared, pairs, "{line}");
        for (over, under) in compared {
            assert!(
                names.iter().any(|name| name == over),
                "{line}: {over} is not measured"
            );
            assert!(
                names.iter().any(|name| name == under),
                "{line}: {under} is not measured"
            );
        }
    }

    #[test]
    fn plans_follow_from_arguments() {
        check("", &["authorize"], &[]);
        check(
            "--repeat 2 --hot 5",
            &["authorize, hot 5 %", "authorize, hot 5 %"],
            &[],
        );
        check(
            "--baseline",
            &["echo", "authorize", "echo"],
            &[("authorize", "echo")],
        );
        check(
            "--baseline --repeat 2 --mix lifecycle",
            &["echo", "lifecycle", "echo", "lifecycle"],
            &[("lifecycle", "echo")],
        );
        check(
            "--mix rules",
            &["authorize", "rules"],
            &[("rules", "authorize")],
        );
        check(
            "--mix ledger",
            &["network face", "ledger face"],
            &[("ledger face", "network face")],
        );
        check(
            "--compare-faces --hot 100",
            &["network face", "ledger face", "ledger face, hot 100 %"],
            &[
                ("ledger face, hot 100 %", "network face"),
                ("ledger face", "network face"),
                ("ledger face, hot 100 %", "ledger face"),
            ],
        );
        check(
            "--baseline --batch 100",
            &["echo", "authorize", "batch 100", "echo"],
            &[
                ("batch 100", "echo"),
                ("authorize", "echo"),
                ("batch 100", "authorize"),
            ],
        );
        check(
            "--baseline --hot 100",
            &["echo", "spread", "authorize, hot 100 %", "echo"],
            &[
                ("authorize, hot 100 %", "echo"),
                ("spread", "echo"),
                ("authorize, hot 100 %", "spread"),
            ],
        );
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        for line in [
            "--hot 101",
            "--cards 0",
            "--batch 10001",
            "--compare-faces --mix rules",
            "--compare-faces --batch 5",
            "--duration 0",
            "--url http://a",
        ] {
            let words = std::iter::once("bench").chain(line.split_whitespace());
            assert!(Line::try_parse_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
