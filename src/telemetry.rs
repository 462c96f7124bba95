//! Names of logs and metrics.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntGauge, Opts, Registry, TextEncoder, core::Collector,
};

use crate::domain::{
    decision::{Conclusion, Decider, Ruling},
    event::{Event, StepKind},
    hold::Authorization,
    outcome::DeclineReason,
};

/// Everything counted, each with a handle that costs nothing to find.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    approved: IntCounter,
    partially_approved: IntCounter,
    forced: IntCounter,
    declined: Vec<IntCounter>,
    steps: Vec<IntCounter>,
    /// Approved and declined, by decider.
    decisions: Vec<[IntCounter; 2]>,
    decision_seconds: Histogram,
    /// From the request's first byte to the answer's last, in seconds.
    pub http_request: Histogram,
    /// Whole batches of authorizations, in seconds.
    pub http_batch: Histogram,
    /// From the actor's answer to the disk's, in seconds.
    pub stage_durable: Histogram,
    /// Writing one commit, in seconds.
    pub journal_write: Histogram,
    /// Syncing one commit, in seconds.
    pub journal_sync: Histogram,
    /// Records in one commit.
    pub journal_batch: Histogram,
    /// Bytes waiting for the journal.
    pub journal_queued: IntGauge,
    /// How long the journal's commit under way has taken, in seconds.
    pub committing: IntGauge,
    /// Groups of accounts.
    pub groups: IntGauge,
    /// Groups that are live actors.
    pub actors: IntGauge,
    /// Authorizations that hold money.
    pub holds: IntGauge,
    /// Requests refused because of load.
    pub busy: IntCounter,
    /// Transfers in transit.
    pub in_transit: IntGauge,
    /// Seconds by which the log is ahead of the machine's clock.
    pub clock_ahead: IntGauge,
    /// Idempotency keys remembered.
    pub keys: IntGauge,
    /// Documents of exchange rates, read or fetched.
    pub rates: Fetches,
    /// Lists of merchant categories, fetched.
    pub lists: Fetches,
    /// Webhooks sent and waiting.
    pub webhooks: Webhooks,
}

/// Webhooks sent and waiting.
#[derive(Clone)]
pub struct Webhooks {
    /// Arrived.
    pub delivered: IntCounter,
    /// Attempts that failed.
    pub failed: IntCounter,
    /// Given up.
    pub parked_total: IntCounter,
    /// Events that wait in memory.
    pub pending: IntGauge,
    /// Events given up and not sent again since.
    pub parked: IntGauge,
    /// How old the oldest event is that waits, in seconds.
    pub oldest_s: IntGauge,
    /// One attempt, in seconds.
    pub latency: Histogram,
}

impl Webhooks {
    fn of(registry: &Registry) -> Self {
        let result = |result: &str| {
            let opts = Opts::new(
                "cardwright_webhooks_total",
                "Webhooks, by what came of them",
            )
            .const_label("result", result);
            counter(registry, opts)
        };
        let name = "cardwright_webhooks_oldest_pending_seconds";
        Self {
            delivered: result("delivered"),
            failed: result("failed"),
            parked_total: result("parked"),
            pending: gauge(registry, "cardwright_webhooks_pending", "Events that wait"),
            parked: gauge(registry, "cardwright_webhooks_parked", "Events given up"),
            oldest_s: gauge(registry, name, "Age of the oldest event that waits"),
            latency: histogram(
                registry,
                "cardwright_webhook_attempt_seconds",
                "One attempt to deliver a webhook",
                &[
                    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
                ],
            ),
        }
    }
}

/// What came of asking outside.
#[derive(Clone)]
pub struct Fetches {
    /// Something new came.
    pub new: IntCounter,
    /// What is known still holds.
    pub unchanged: IntCounter,
    /// Nothing usable came.
    pub failed: IntCounter,
}

impl Fetches {
    fn of(registry: &Registry, what: &str) -> Self {
        let outcome = |outcome: &str| {
            let help = "Facts asked for outside: exchange rates, lists";
            let opts = Opts::new("cardwright_fetches_total", help)
                .const_label("what", what)
                .const_label("outcome", outcome);
            counter(registry, opts)
        };
        Self {
            new: outcome("new"),
            unchanged: outcome("unchanged"),
            failed: outcome("failed"),
        }
    }
}

const STEPS: [&str; 8] = [
    "increment",
    "increment_declined",
    "capture",
    "reversal",
    "expiry",
    "refund",
    "refund_reversal",
    "decision",
];

const LATENCY_S: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0,
];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero.
    ///
    /// # Panics
    ///
    /// Never: the names are constant and differ.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let outcome = |outcome: &str, reason: &str| {
            let opts = Opts::new("cardwright_authorizations_total", "Authorizations decided")
                .const_label("outcome", outcome)
                .const_label("reason", reason);
            counter(&registry, opts)
        };
        let step = |name: &&str| {
            let opts = Opts::new("cardwright_steps_total", "Steps on authorizations")
                .const_label("step", *name);
            counter(&registry, opts)
        };
        let latency = |name: &str, help: &str| histogram(&registry, name, help, &LATENCY_S);
        let now = |name: &str, help: &str| gauge(&registry, name, help);
        let busy = Opts::new(
            "cardwright_busy_total",
            "Refused under load with 503: requests, and items of batches",
        );
        let sizes = [
            1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0,
        ];
        Self {
            approved: outcome("approved", ""),
            partially_approved: outcome("partially_approved", ""),
            forced: outcome("forced", ""),
            declined: DeclineReason::ALL
                .iter()
                .map(|reason| outcome("declined", decline_label(*reason)))
                .collect(),
            steps: STEPS.iter().map(step).collect(),
            decisions: decisions(&registry),
            decision_seconds: latency("cardwright_decision_seconds", "Asking programmes"),
            http_request: latency(
                "cardwright_http_request_seconds",
                "Authorizations and clearings, from their request's arrival to its answer",
            ),
            http_batch: latency(
                "cardwright_http_batch_seconds",
                "Batches of authorizations, from the arrival of their heads to their answer",
            ),
            stage_durable: latency(
                "cardwright_wait_durable_seconds",
                "Waiting for the disk: a request, or the part of a batch that one thread decides",
            ),
            journal_write: latency("cardwright_journal_write_seconds", "Writing a commit"),
            journal_sync: latency("cardwright_journal_sync_seconds", "Syncing a commit"),
            journal_batch: histogram(
                &registry,
                "cardwright_journal_batch_records",
                "Records in a commit",
                &sizes,
            ),
            journal_queued: now("cardwright_journal_queued_bytes", "Not yet written"),
            committing: now("cardwright_journal_committing_seconds", "Age of a commit"),
            groups: now("cardwright_groups", "Groups of accounts"),
            actors: now("cardwright_actors", "Live actors"),
            holds: now("cardwright_holds", "Authorizations that hold money"),
            busy: counter(&registry, busy),
            clock_ahead: now(
                "cardwright_clock_ahead_seconds",
                "Seconds by which the log is ahead of the machine's clock: its time stands still",
            ),
            in_transit: now("cardwright_transfers_in_transit", "Transfers under way"),
            keys: now("cardwright_idempotency_keys", "Keys remembered"),
            rates: Fetches::of(&registry, "rates"),
            lists: Fetches::of(&registry, "lists"),
            webhooks: Webhooks::of(&registry),
            registry,
        }
    }

    /// Counts what was recorded.
    pub fn count(&self, event: &Event) {
        match event {
            Event::AuthorizationApproved(approved) => {
                let authorization = &approved.authorization;
                // One that the programme is asked about is counted when it has answered.
                if !authorization.decision.is_open() {
                    self.count_approval(authorization);
                }
                if authorization.is_open() {
                    self.holds.inc();
                }
            }
            Event::AuthorizationDeclined(declined) => {
                self.count_decline(declined.reason);
            }
            Event::AuthorizationStepped(stepped) => {
                if let Some(counter) = self.steps.get(step_place(stepped.kind)) {
                    counter.inc();
                }
                if matches!(stepped.kind, StepKind::Concluded(_)) {
                    self.count_conclusion(&stepped.authorization);
                }
                let ends = matches!(
                    stepped.kind,
                    StepKind::Capture
                        | StepKind::Reversal
                        | StepKind::Expiry
                        | StepKind::Concluded(_)
                );
                if ends && !stepped.authorization.is_open() {
                    self.holds.dec();
                }
            }
            Event::AccountOpened(_)
            | Event::AccountChanged { .. }
            | Event::Deposited(..)
            | Event::Withdrawn(..)
            | Event::TransferredWithin(..)
            | Event::TransferSent(..)
            | Event::TransferReceived(..)
            | Event::TransferSettled(_)
            | Event::TransferReturned(..)
            | Event::Absorbed(_)
            | Event::Booked(_) => {}
        }
    }

    fn count_approval(&self, authorization: &Authorization) {
        match (authorization.is_forced, authorization.is_partial) {
            (true, _) => self.forced.inc(),
            (false, true) => self.partially_approved.inc(),
            (false, false) => self.approved.inc(),
        }
    }

    fn count_decline(&self, declined: DeclineReason) {
        let place = DeclineReason::ALL
            .iter()
            .position(|reason| *reason == declined);
        if let Some(counter) = place.and_then(|place| self.declined.get(place)) {
            counter.inc();
        }
    }

    fn count_conclusion(&self, authorization: &Authorization) {
        let Some(conclusion) = authorization.decision.conclusion() else {
            return;
        };
        match conclusion.decline_reason() {
            Some(reason) => self.count_decline(reason),
            None => self.count_approval(authorization),
        }
        self.count_decision(conclusion);
    }

    fn count_decision(&self, conclusion: &Conclusion) {
        let place = Decider::ALL.iter().position(|by| *by == conclusion.by);
        let [approved, declined] = match place.and_then(|place| self.decisions.get(place)) {
            Some(counters) => counters,
            None => return,
        };
        match conclusion.verdict {
            Ruling::Approved => approved.inc(),
            Ruling::Declined => declined.inc(),
        }
        // What was never asked took no time.
        match conclusion.by {
            Decider::Programme | Decider::Timeout | Decider::Fault => {
                let took = std::time::Duration::from_micros(conclusion.latency_us);
                self.decision_seconds.observe(took.as_secs_f64());
            }
            Decider::Overload | Decider::Abandoned => {}
        }
    }

    /// The Prometheus text form.
    #[must_use]
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

const fn step_place(kind: StepKind) -> usize {
    match kind {
        StepKind::Increment => 0,
        StepKind::IncrementDeclined(_) => 1,
        StepKind::Capture => 2,
        StepKind::Reversal => 3,
        StepKind::Expiry => 4,
        StepKind::Refund => 5,
        StepKind::RefundReversal => 6,
        StepKind::Concluded(_) => 7,
    }
}

const fn decline_label(reason: DeclineReason) -> &'static str {
    match reason {
        DeclineReason::CardStolen => "card_disabled_stolen",
        DeclineReason::InsufficientFunds
        | DeclineReason::CardNotActive
        | DeclineReason::CardFrozen
        | DeclineReason::CardDisabled
        | DeclineReason::CardDeleted
        | DeclineReason::CardExpired
        | DeclineReason::CurrencyNotSupported
        | DeclineReason::CreditNotSupported
        | DeclineReason::SystemUnavailable
        | DeclineReason::MccNotAllowed
        | DeclineReason::MerchantNotAllowed
        | DeclineReason::CountryNotAllowed
        | DeclineReason::ChannelNotAllowed
        | DeclineReason::TimeNotAllowed
        | DeclineReason::AmountLimitExceeded
        | DeclineReason::CountLimitExceeded
        | DeclineReason::SingleUseSpent
        | DeclineReason::DecisionDeclined
        | DeclineReason::DecisionTimeout
        | DeclineReason::FeesExceedAmount => reason.word(),
    }
}

fn decisions(registry: &Registry) -> Vec<[IntCounter; 2]> {
    let decision = |by: &Decider| {
        [Ruling::Approved, Ruling::Declined].map(|verdict| {
            let help = "What came of asking programmes before an approval";
            let opts = Opts::new("cardwright_decisions_total", help)
                .const_label("verdict", verdict.word())
                .const_label("by", by.word());
            counter(registry, opts)
        })
    };
    Decider::ALL.iter().map(decision).collect()
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry
        .register(Box::new(collector.clone()))
        .expect("Invariant: metric names are constant and differ");
    collector
}

fn counter(registry: &Registry, opts: Opts) -> IntCounter {
    let counter = IntCounter::with_opts(opts).expect("Invariant: metric names are well formed");
    register(registry, counter)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("Invariant: metric names are well formed");
    register(registry, gauge)
}

fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let histogram = Histogram::with_opts(opts).expect("Invariant: metric names are well formed");
    register(registry, histogram)
}

/// Sends logs to standard error as the settings say.
///
/// # Errors
///
/// The filter's error if the level is none.
pub fn start_logging(
    settings: &crate::config::Log,
) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.level)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if settings.format == "json" {
        builder.json().init();
    } else {
        builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init();
    }
    Ok(())
}
