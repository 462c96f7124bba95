//! The result of a run as data: what JSON shows, and what the table and the drawing read.

use std::collections::BTreeMap;

use hdrhistogram::{Counter, Histogram};
use serde::Serialize;

use super::args::BenchArgs;
use super::books::BooksFacts;
use super::load::Phase;
use super::machine::Machine;
use super::plan;
use super::setup::SetupFacts;
use super::stats::{OperationStats, Outcome, SecondStats, Stats};

/// Everything measured in one run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) command: String,
    pub(super) version: &'static str,
    pub(super) target: String,
    pub(super) machine: Machine,
    pub(super) setup: SetupFacts,
    /// Absent where the ledger face is not measured.
    pub(super) books: Option<BooksFacts>,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) warmup_s: u64,
    pub(super) duration_s: u64,
    /// Bytes of an echo's answer body; absent without a baseline.
    pub(super) echo_bytes: Option<usize>,
    /// Name of the phase the run is about.
    pub(super) main: String,
    pub(super) phases: Vec<PhaseReport>,
    pub(super) ratios: Vec<Ratio>,
    pub(super) memory: Option<Memory>,
    pub(super) ok: bool,
}

/// Resident bytes of the own server.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Memory {
    pub(super) before_setup_bytes: u64,
    pub(super) after_setup_bytes: u64,
    pub(super) after_load_bytes: u64,
}

/// One throughput over another, round by round.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) over: String,
    pub(super) under: String,
    pub(super) median: f64,
    pub(super) rounds: Vec<f64>,
}

/// Latencies in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) mean_ms: f64,
    pub(super) p50_ms: f64,
    pub(super) p90_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

/// Items counted; `good + busy + unexpected = items`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Items {
    pub(super) items: u64,
    pub(super) good: u64,
    pub(super) busy: u64,
    pub(super) unexpected: u64,
    pub(super) approved: u64,
    pub(super) declined: u64,
}

/// One operation in one phase.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OperationReport {
    pub(super) name: &'static str,
    pub(super) requests: u64,
    #[serde(flatten)]
    pub(super) items: Items,
    /// Good items.
    pub(super) per_second: f64,
    #[serde(flatten)]
    pub(super) latency: Latency,
    pub(super) mean_body_bytes: f64,
}

/// One second of a phase.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SecondReport {
    /// From the start of the measured part, the first is 0.
    pub(super) second: usize,
    /// Good items.
    pub(super) per_second: f64,
    #[serde(flatten)]
    pub(super) items: Items,
    #[serde(flatten)]
    pub(super) latency: Latency,
}

/// What went wrong in one way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FailureReport {
    pub(super) what: String,
    pub(super) count: u64,
    pub(super) sample: String,
}

/// One phase.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PhaseReport {
    pub(super) name: String,
    pub(super) round: usize,
    pub(super) hot_percent: u8,
    pub(super) items_per_request: usize,
    pub(super) measured_s: f64,
    pub(super) requests: u64,
    #[serde(flatten)]
    pub(super) items: Items,
    /// Good items.
    pub(super) per_second: f64,
    /// Of what takes two requests, both of them good: as many as were completed.
    pub(super) transactions_per_second: Option<f64>,
    /// Of all operations together.
    #[serde(flatten)]
    pub(super) latency: Latency,
    /// Mean number of cores busy with the client, warm-up included.
    pub(super) client_cores: Option<f64>,
    pub(super) server_cores: Option<f64>,
    /// More than none says that the server did not keep its connections.
    pub(super) reconnects: u64,
    pub(super) operations: Vec<OperationReport>,
    pub(super) series: Vec<SecondReport>,
    /// Of the warm-up too.
    pub(super) failures: Vec<FailureReport>,
}

impl PhaseReport {
    pub(super) fn new(phase: &Phase, round: usize, stats: &Stats) -> Self {
        let seconds = stats.window_s();
        let mut outcome = Outcome::default();
        let mut requests = 0;
        let mut latency_us: Option<Histogram<u64>> = None;
        for (_, operation) in stats.operations() {
            outcome.add(&operation.outcome);
            requests += operation.requests;
            match &mut latency_us {
                None => latency_us = Some(operation.latency_us.clone()),
                Some(all) => all
                    .add(&operation.latency_us)
                    .expect("Invariant: all operations' histograms have the same bounds"),
            }
        }
        Self {
            name: phase.name.clone(),
            round,
            hot_percent: phase.hot_percent,
            items_per_request: phase.work.items(),
            measured_s: seconds,
            requests,
            items: Items::of(&outcome),
            per_second: rate(outcome.good, seconds),
            transactions_per_second: phase.work.completed_by().map(|last| {
                let completed = stats.operations().find(|(operation, _)| *operation == last);
                rate(
                    completed.map_or(0, |(_, stats)| stats.outcome.good),
                    seconds,
                )
            }),
            latency: latency_us.as_ref().map_or(Latency::NONE, Latency::of),
            client_cores: None,
            server_cores: None,
            reconnects: stats.reconnects,
            operations: stats
                .operations()
                .map(|(operation, stats)| OperationReport::new(operation.name(), stats, seconds))
                .collect(),
            series: stats
                .seconds
                .iter()
                .enumerate()
                .map(SecondReport::new)
                .collect(),
            failures: stats
                .failures
                .iter()
                .map(|(what, failure)| FailureReport {
                    what: what.clone(),
                    count: failure.count,
                    sample: failure.sample.clone(),
                })
                .collect(),
        }
    }
}

impl PhaseReport {
    /// What a second brought: transactions where each takes two requests, items elsewhere.
    pub(super) fn rate(&self) -> f64 {
        self.transactions_per_second.unwrap_or(self.per_second)
    }

    /// What [`Self::rate`] counts.
    pub(super) fn unit(&self) -> &'static str {
        match (self.transactions_per_second, self.items_per_request) {
            (Some(_), _) => "transactions per second",
            (None, 1) => "requests per second",
            (None, _) => "items per second",
        }
    }
}

impl OperationReport {
    fn new(name: &'static str, stats: &OperationStats, seconds: f64) -> Self {
        Self {
            name,
            requests: stats.requests,
            items: Items::of(&stats.outcome),
            per_second: rate(stats.outcome.good, seconds),
            latency: Latency::of(&stats.latency_us),
            mean_body_bytes: rounded(stats.body_bytes as f64 / stats.requests.max(1) as f64),
        }
    }
}

impl SecondReport {
    fn new((second, stats): (usize, &SecondStats)) -> Self {
        Self {
            second,
            per_second: rate(stats.outcome.good, 1.0),
            items: Items::of(&stats.outcome),
            latency: Latency::of(&stats.latency_us),
        }
    }
}

impl Items {
    fn of(outcome: &Outcome) -> Self {
        Self {
            items: outcome.items(),
            good: outcome.good,
            busy: outcome.busy,
            unexpected: outcome.unexpected,
            approved: outcome.approved,
            declined: outcome.declined,
        }
    }
}

impl Latency {
    const NONE: Self = Self {
        mean_ms: 0.0,
        p50_ms: 0.0,
        p90_ms: 0.0,
        p99_ms: 0.0,
        p999_ms: 0.0,
        max_ms: 0.0,
    };

    fn of<T: Counter>(latency_us: &Histogram<T>) -> Self {
        let at = |quantile| latency_us.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            mean_ms: rounded(latency_us.mean() / 1000.0),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: latency_us.max() as f64 / 1000.0,
        }
    }
}

impl Report {
    /// Computes the ratios and the verdict from the phases.
    pub(super) fn conclude(&mut self, args: &BenchArgs) {
        self.ratios = plan::comparisons(args)
            .into_iter()
            .map(|(over, under)| ratio(&self.phases, over, under))
            .collect();
        self.ok = self.phases.iter().all(|phase| phase.failures.is_empty());
    }

    /// The main phase whose throughput is in the middle of its rounds'.
    pub(super) fn typical(&self) -> Option<&PhaseReport> {
        let mut phases: Vec<_> = self
            .phases
            .iter()
            .filter(|phase| phase.name == self.main)
            .collect();
        phases.sort_by(|one, two| one.per_second.total_cmp(&two.per_second));
        phases.get(phases.len() / 2).copied()
    }
}

fn ratio(phases: &[PhaseReport], over: String, under: String) -> Ratio {
    let by_round = |name: &str| {
        let mut rates: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for phase in phases.iter().filter(|phase| phase.name == name) {
            rates.entry(phase.round).or_default().push(phase.rate());
        }
        rates
    };
    let unders = by_round(&under);
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let rounds: Vec<_> = by_round(&over)
        .iter()
        .filter_map(|(round, rates)| Some((mean(rates), mean(unders.get(round)?))))
        .map(|(over, under)| rounded(over / under.max(f64::MIN_POSITIVE)))
        .collect();
    Ratio {
        over,
        under,
        median: rounded(plan::median(&rounds)),
        rounds,
    }
}

fn rate(count: u64, seconds: f64) -> f64 {
    rounded(count as f64 / seconds.max(f64::MIN_POSITIVE))
}

/// Three digits after the point are all a bench can tell.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
