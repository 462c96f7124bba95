//! The attempts: threads that take what is due, send it, and write down what came of it.

use std::{
    panic::{self, AssertUnwindSafe},
    time::{Duration, Instant},
};

use super::{
    Outbox,
    attempts::{Attempt, Ending},
    event::{OutEvent, words},
    form::{Dressed, dress},
    names::Lookup,
    schedule::Next,
    secrets,
    targets::{Endpoint, Format},
};
use crate::{
    actors::registrar::ChangeError,
    domain::{
        documents::Shelf,
        lists::shown_url,
        outbox::{Destination, EventRef, LaneKey, OutboxRecord, ParkedEvent, Spot, Trouble},
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
    journal::{JournalError, Lsn},
    outside::client::{Answered, FetchError},
    wire,
};

/// How long senders wait at the most before they look whether they are to end.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// No receiver is left alone for longer than a day because it asked so, in microseconds.
const RETRY_AFTER_MAX: i64 = 86_400_000_000;
/// How long what cannot be sent for a reason of our own waits, in microseconds.
const OWN_FAULT: i64 = 5_000_000;

/// What a sender has taken.
struct Job {
    lane: LaneKey,
    spot: Spot,
    destination: Destination,
    trouble: Trouble,
}

/// What came of it.
enum Outcome {
    /// An answer, or none; where it went, what it was, how long it took.
    Sent {
        url: String,
        event: Box<OutEvent>,
        result: Result<Answered, FetchError>,
        latency_ms: u64,
    },
    /// The endpoint takes nothing now.
    Paused,
    /// The endpoint is gone.
    Gone,
    /// The event cannot be made any more.
    Lost(String),
    /// Something of ours is in the way.
    Later(String),
}

/// What a test event came to.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The event's id.
    pub event_id: String,
    /// The answer's status; none if none came.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// Why none came.
    pub error: Option<String>,
}

/// Sends until the outbox is stopped.
pub(super) fn run(outbox: &Outbox) {
    super::give_way();
    while !outbox.is_stopped() {
        let Some(job) = outbox.take() else {
            continue;
        };
        let began = outbox.engine.shared.clock.now();
        // A sender that is gone keeps its place, and in the end nothing is sent any more.
        let attempt = panic::catch_unwind(AssertUnwindSafe(|| outbox.attempt(&job)));
        let outcome = attempt.unwrap_or_else(|_| {
            Outcome::Later("sending it broke off, as where no thread can be started".to_owned())
        });
        if outbox.is_stopped() {
            return;
        }
        outbox.settle(&job, outcome, began);
    }
}

impl Outbox {
    /// What is due, if something is within a while.
    fn take(&self) -> Option<Job> {
        let mut desk = self.desk.lock();
        let now = self.now();
        let lane = match desk.schedule.next(now) {
            Next::Try(lane) => lane,
            Next::At(at) => {
                let micros = u64::try_from(at.saturating_sub(now)).unwrap_or(0);
                let wait = Duration::from_micros(micros).min(WAIT_MAX);
                self.changed.wait_for(&mut desk, wait);
                return None;
            }
            Next::Nothing => {
                self.changed.wait_for(&mut desk, WAIT_MAX);
                return None;
            }
        };
        let head = desk.lanes.lane(lane).and_then(|known| {
            let spot = known.waiting.front()?;
            Some((*spot, known.trouble))
        });
        let destination = desk.lanes.destination(lane.destination).cloned();
        if let (Some((spot, trouble)), Some(destination)) = (head, destination) {
            return Some(Job {
                lane,
                spot,
                destination,
                trouble,
            });
        }
        desk.schedule.ended(lane, true, (now, 0));
        desk.place(lane);
        None
    }

    /// The event that stands there, made anew.
    ///
    /// # Errors
    ///
    /// Whether it is gone for good, and why.
    pub(super) fn event_at(&self, at: EventRef) -> Result<OutEvent, (bool, String)> {
        let read = self.engine.shared.journal.read(Lsn::new(at.lsn));
        let bytes = read.map_err(|error| {
            let is_gone = matches!(error, JournalError::NotFound { .. });
            (is_gone, error.to_string())
        })?;
        let entry = wire::decode_entry(&bytes).map_err(|error| (true, error.to_string()))?;
        let lookup = Lookup::new(&self.engine);
        let made = (self.events)(at.lsn, &entry, &lookup);
        // What could not be looked up now is made again later.
        if lookup.has_failed() {
            return Err((false, "what it needs cannot be looked up".to_owned()));
        }
        let found = made.into_iter().find(|event| event.place == at.place);
        found.ok_or_else(|| (true, "its record has no such event".to_owned()))
    }

    fn endpoint(&self, id: &str) -> Option<Endpoint> {
        let text = self
            .engine
            .shared
            .facts
            .documents
            .get(Shelf::Endpoint, id)?;
        Endpoint::read(&text)
    }

    fn attempt(&self, job: &Job) -> Outcome {
        let target = job.destination.target.as_str();
        let (url, secret_of, format) = if target.contains("://") {
            (target.to_owned(), job.destination.origin.as_str(), None)
        } else {
            match self.endpoint(target) {
                Some(endpoint) if endpoint.enabled => (endpoint.url, target, Some(endpoint.format)),
                Some(_) => return Outcome::Paused,
                None => return Outcome::Gone,
            }
        };
        let event = match self.event_at(job.spot.event) {
            Ok(event) => event,
            Err((true, why)) => return Outcome::Lost(why),
            Err((false, why)) => return Outcome::Later(why),
        };
        let secrets = match secrets::live(&self.engine, &self.vault, secret_of) {
            Ok(secrets) => secrets,
            Err(error) => return Outcome::Later(error.to_string()),
        };
        // An account's own address gets card events; a watch names one for those who know Blnk's form.
        let of_watch = event.event == words::BALANCE_MONITOR;
        let format = format.unwrap_or(if of_watch {
            Format::Blnk
        } else {
            Format::Standard
        });
        let message = (
            event.id.as_str(),
            event.idempotency_key.as_str(),
            event.payload.as_str(),
        );
        let (result, latency_ms) = self.send(&url, (&secrets, format), message);
        Outcome::Sent {
            url,
            event: Box::new(event),
            result,
            latency_ms,
        }
    }

    fn send(
        &self,
        url: &str,
        (secrets, format): (&[String], Format),
        (id, key, payload): (&str, &str, &str),
    ) -> (Result<Answered, FetchError>, u64) {
        let seconds = self.now().div_euclid(1_000_000);
        let timestamp = seconds.to_string();
        let Dressed {
            body,
            names,
            signed,
        } = dress(format, secrets, (id, payload), seconds);
        let [at, signature] = names;
        let headers = [
            ("webhook-id", id),
            (at, timestamp.as_str()),
            (signature, signed.as_str()),
            ("idempotency-key", key),
        ];
        let began = Instant::now();
        let result = self.client.post(url, &headers, &body);
        let took = began.elapsed();
        self.engine
            .shared
            .metrics
            .webhooks
            .latency
            .observe(took.as_secs_f64());
        (result, u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
    }

    /// Sends an event `ping` to an endpoint, once, at once. Blocks the thread.
    ///
    /// # Errors
    ///
    /// The secret cannot be had.
    pub fn test(&self, endpoint: &Endpoint) -> Result<Tested, secrets::SecretError> {
        let secrets = secrets::live(&self.engine, &self.vault, &endpoint.id)?;
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(|_| crate::vault::VaultError::NoRandomness)?;
        let id = format!("evt_ping_{}", crate::actors::registrar::hex(&random));
        let at = self.engine.shared.clock.now();
        let body = serde_json::json!({
            "type": "ping", "event": "ping", "id": id, "endpoint": endpoint.id,
            "created_at": at.to_string(),
        });
        let (result, latency_ms) = self.send(
            &endpoint.url,
            (&secrets, endpoint.format),
            (&id, &id, &body.to_string()),
        );
        Ok(Tested {
            event_id: id,
            status: result.as_ref().ok().map(|answered| answered.status),
            latency_ms,
            error: result.err().map(|error| error.to_string()),
        })
    }

    fn settle(&self, job: &Job, outcome: Outcome, began: Timestamp) {
        match outcome {
            Outcome::Sent {
                url,
                event,
                result,
                latency_ms,
            } => {
                let shown = (url, *event);
                match result {
                    Ok(answered) if (200..300).contains(&answered.status) => {
                        self.arrived(job, shown, (answered.status, latency_ms, began));
                    }
                    result => self.missed(job, shown, (result, latency_ms, began)),
                }
            }
            Outcome::Paused => {
                let mut desk = self.desk.lock();
                let gate = super::desk::gate_of(&job.destination);
                desk.schedule.pause(&gate, true);
                self.put_back(&mut desk, job, None);
            }
            Outcome::Gone => {
                let mut desk = self.desk.lock();
                desk.schedule.ended(job.lane, true, (self.now(), 0));
                drop(desk);
                self.pause_or_resume(&job.destination.target);
            }
            Outcome::Lost(why) => {
                tracing::error!(lsn = job.spot.event.lsn, %why, "an event cannot be made any more");
                self.park(job);
            }
            Outcome::Later(why) => {
                tracing::warn!(lsn = job.spot.event.lsn, %why, "an event cannot be sent now");
                let mut desk = self.desk.lock();
                let next_at = self.now().saturating_add(OWN_FAULT);
                self.put_back(&mut desk, job, Some(next_at));
            }
        }
    }

    /// Ends a job without an outcome.
    fn put_back(&self, desk: &mut super::desk::Desk, job: &Job, not_before: Option<i64>) {
        desk.schedule
            .ended(job.lane, true, (self.now(), not_before.unwrap_or(0)));
        desk.place(job.lane);
    }

    fn arrived(
        &self,
        job: &Job,
        (url, event): (String, OutEvent),
        (status, latency_ms, at): (u16, u64, Timestamp),
    ) {
        self.engine.shared.metrics.webhooks.delivered.inc();
        let record = OutboxRecord::Delivered {
            lane: job.lane,
            at: job.spot.at,
        };
        let now = self.now();
        let mut desk = self.desk.lock();
        let woken = desk.schedule.ended(job.lane, true, (now, 0));
        let changed = desk.note(self.journal.as_ref(), &record);
        for key in changed {
            desk.place(key);
        }
        let gate = super::desk::gate_of(&job.destination);
        for lane in woken {
            // Not all in one moment.
            let soon = now.saturating_add(chance_below(1_000_000));
            desk.schedule.set(lane, &gate, Some(soon));
        }
        let mut attempt = attempt_of(job, (url, event), (Ending::Delivered, latency_ms, at));
        attempt.status = Some(status);
        desk.attempts.push(attempt);
        let is_hungry = !desk.lanes.hungry(1).is_empty();
        drop(desk);
        if is_hungry {
            self.bell.ring();
        }
        self.changed.notify_all();
    }

    fn missed(
        &self,
        job: &Job,
        (url, event): (String, OutEvent),
        (result, latency_ms, at): (Result<Answered, FetchError>, u64, Timestamp),
    ) {
        let status = result.as_ref().ok().map(|answered| answered.status);
        let error = match &result {
            Ok(answered) => format!("it answered {}", answered.status),
            Err(error) => error.to_string(),
        };
        let is_endpoint = !job.destination.target.contains("://");
        let is_gone = status == Some(410);
        let now = self.now();
        let failures = job.trouble.failures.saturating_add(1);
        let since = if job.trouble.since == 0 {
            now
        } else {
            job.trouble.since
        };
        let give_up = micros(self.settings.give_up);
        let deadline = event.at.micros().max(since).saturating_add(give_up);
        let asked = self.asked_for(&result, now);
        let next_at = now
            .saturating_add(self.delay(failures))
            .min(deadline)
            .max(asked);
        let is_over = now >= deadline || (is_gone && !is_endpoint);
        tracing::info!(
            url = shown_url(&url), event = event.id, %error, failures, parked = is_over,
            "a webhook did not arrive"
        );
        if is_gone && is_endpoint {
            self.disable(&job.destination.target);
        }
        let ending = if is_over {
            Ending::Parked
        } else {
            Ending::Failed
        };
        let mut attempt = attempt_of(job, (url, event), (ending, latency_ms, at));
        (attempt.status, attempt.error) = (status, Some(error));
        attempt.next_at = (!is_over).then(|| Timestamp::from_micros(next_at));
        self.engine.shared.metrics.webhooks.failed.inc();
        let mut desk = self.desk.lock();
        desk.attempts.push(attempt);
        desk.schedule.ended(job.lane, false, (now, asked));
        if is_over {
            self.park_in(&mut desk, job, status.unwrap_or(0));
            drop(desk);
            self.changed.notify_all();
            return;
        }
        let trouble = Trouble {
            failures,
            next_at,
            since,
        };
        let record = OutboxRecord::Failed {
            lane: job.lane,
            trouble,
        };
        let changed = desk.note(self.journal.as_ref(), &record);
        for key in changed {
            desk.place(key);
        }
        drop(desk);
        self.changed.notify_all();
    }

    /// Gives the head of a lane up, which was never sent; the lane goes on.
    fn park(&self, job: &Job) {
        let mut desk = self.desk.lock();
        desk.schedule.ended(job.lane, true, (self.now(), 0));
        self.park_in(&mut desk, job, 0);
        drop(desk);
        self.changed.notify_all();
    }

    fn park_in(&self, desk: &mut super::desk::Desk, job: &Job, status: u16) {
        self.engine.shared.metrics.webhooks.parked_total.inc();
        let parked = ParkedEvent {
            lane: job.lane,
            event: job.spot.event,
            at: self.now(),
            failures: job.trouble.failures.saturating_add(1),
            status,
        };
        let at = job.spot.at;
        let record = OutboxRecord::Parked { parked, at };
        let changed = desk.note(self.journal.as_ref(), &record);
        for key in changed {
            desk.place(key);
        }
        if !desk.lanes.hungry(1).is_empty() {
            self.bell.ring();
        }
    }

    /// How long to wait after so many failures, more or less by chance.
    fn delay(&self, failures: u32) -> i64 {
        let place = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let delays = &self.settings.delays;
        let delay = delays.get(place).or(delays.last()).copied();
        let whole = micros(delay.unwrap_or(Duration::from_secs(3_600)));
        let part = whole.div_euclid(10);
        whole
            .saturating_sub(part)
            .saturating_add(chance_below(part.saturating_mul(2).max(1)))
    }

    /// Until when the receiver wants to be left alone; 0 if it did not say.
    fn asked_for(&self, result: &Result<Answered, FetchError>, now: i64) -> i64 {
        let Ok(answered) = result else { return 0 };
        let seconds = answered
            .retry_after_s
            .filter(|_| [429, 503].contains(&answered.status));
        let asked = seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        let asked = asked.map(|seconds| seconds.saturating_mul(1_000_000).min(RETRY_AFTER_MAX));
        asked.map_or(0, |micros| now.saturating_add(micros))
    }

    /// An endpoint that says it is gone gets nothing more until somebody enables it.
    fn disable(&self, id: &str) {
        tracing::warn!(
            endpoint = id,
            "an endpoint answered 410 Gone: it is disabled"
        );
        let shared = &self.engine.shared;
        let disable = |registry: &Registry, now: Timestamp| {
            let known = registry.documents.get(Shelf::Endpoint, id);
            let endpoint = known.and_then(|text| Endpoint::read(text));
            let Some(mut endpoint) = endpoint.filter(|endpoint| endpoint.enabled) else {
                return Ok::<_, std::convert::Infallible>(Vec::new());
            };
            endpoint.enabled = false;
            endpoint.updated_at = now.micros();
            endpoint.disabled_reason = Some("it answered 410 Gone".to_owned());
            Ok(vec![RegistryEvent::DocumentSet {
                shelf: Shelf::Endpoint,
                name: id.to_owned(),
                text: Some(endpoint.text()),
                at: now,
            }])
        };
        match self.engine.registrar.change(None, shared, disable) {
            Ok(_) => self.pause_or_resume(id),
            Err(ChangeError::Engine(error)) => {
                tracing::warn!(%error, "an endpoint could not be disabled now");
            }
            Err(ChangeError::Refused(never)) => match never {},
            Err(ChangeError::Known { .. } | ChangeError::Contested) => {}
        }
    }
}

fn attempt_of(
    job: &Job,
    (url, event): (String, OutEvent),
    (ending, latency_ms, at): (Ending, u64, Timestamp),
) -> Attempt {
    Attempt {
        number: 0,
        destination: job.destination.clone(),
        url,
        event: job.spot.event,
        event_id: event.id,
        event_name: event.event,
        account_urn: event.account.map(|(_, urn)| urn),
        lane: job.lane,
        at,
        attempt: job.trouble.failures.saturating_add(1),
        ending,
        status: None,
        latency_ms,
        error: None,
        next_at: None,
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn chance_below(end: i64) -> i64 {
    let chance = i64::from(getrandom::u32().unwrap_or_default());
    chance.rem_euclid(end.max(1))
}
