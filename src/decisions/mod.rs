//! Asks a programme before a purchase is final, and sees to it that each question has one end.
//!
//! The rules approve first and the hold is placed and durable, so that no other purchase can have the
//! money while the programme thinks; only then is it asked, here, away from the card's actor. What comes
//! of it is a command of its own under a key of its own, so that of several who bring an end (the one who
//! asked, a retry after a crash, the sweep) the first one counts and all others read the same.

mod figures;
pub mod settings;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dashmap::{DashMap, Entry};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

pub use self::figures::Figures;
use self::{figures::Endpoint, settings::Settings};
use crate::{
    actors::{Answer, Engine, EngineError, Request, Target, keys::key_of},
    domain::{
        command::Command,
        decision::{Conclusion, Decider, Decision, REASON_CHARS_MAX, Ruling},
        documents::Shelf,
        event::{Approved, Event},
        ids::AuthorizationId,
        outcome::Rejection,
        time::Timestamp,
    },
    outside::{
        client::{FetchError, Limits},
        question::Asker,
    },
    threads,
    vault::Vault,
    wire::{Key, KeyLife},
};

/// How questions are asked.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What of each budget is ours: reading, deciding, and writing to disk twice.
    pub own_share: Duration,
    /// How many questions may wait for one endpoint at a time.
    pub in_flight_max: usize,
    /// How long a hold waits for somebody who asks, before the fallback decides.
    pub abandoned_after: Duration,
}

/// What is asked of a programme: the JSON of the question with that id about the approval in an answer,
/// for an endpoint that has so much time. It is the network face's: it knows the words.
pub type Worded = fn(answer: &Answer, id: &str, time: Duration) -> Option<String>;

/// Everything it takes to ask.
pub struct Decisions {
    engine: Arc<Engine>,
    vault: Arc<Vault>,
    asker: Asker,
    worded: Worded,
    rules: Rules,
    /// Whether addresses that are not public may be asked.
    pub allow_private: bool,
    /// The questions being asked by this process; each ends when its sender is dropped.
    running: DashMap<AuthorizationId, watch::Receiver<()>>,
    endpoints: DashMap<Box<str>, Arc<Endpoint>>,
}

/// How often the end of a question is tried to be recorded, and how long is waited between.
const RECORD_ATTEMPTS_MAX: u32 = 20;
const RECORD_PAUSE: Duration = Duration::from_millis(50);
/// How many questions the sweep ends in one go.
const SWEEP_MAX: usize = 256;
/// How often the sweep looks.
const SWEEP_EVERY: Duration = Duration::from_millis(250);

/// What an endpoint answers. Other fields are passed over; an amount that would approve a part of a
/// purchase is one of them.
#[derive(Deserialize)]
struct Said {
    approved: bool,
    #[serde(default)]
    reason: Option<String>,
}

/// What is asked about, as its first record has it.
struct Asked<'a> {
    approved: &'a Approved,
    fallback: Ruling,
}

/// The question in an answer, if its first record asked one.
fn asked(first: &Answer) -> Option<Asked<'_>> {
    let approved = first.events.iter().find_map(Event::approved)?;
    match approved.authorization.decision {
        Decision::Asked { fallback, .. } => Some(Asked { approved, fallback }),
        Decision::NotAsked | Decision::Concluded(_) => None,
    }
}

/// The key of a question's end.
fn key_of_end(id: AuthorizationId) -> Key {
    key_of("", "decision", &id.text())
}

/// The id that a question bears each time it is asked.
#[must_use]
pub fn question_id(id: AuthorizationId) -> String {
    id.text().replacen("auth_", "dec_", 1)
}

impl Decisions {
    /// Asks by those rules.
    #[must_use]
    pub fn new(
        engine: Arc<Engine>,
        vault: Arc<Vault>,
        limits: Limits,
        rules: Rules,
        worded: Worded,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine,
            vault,
            asker: Asker::new(limits),
            worded,
            rules,
            allow_private: limits.allow_private,
            running: DashMap::new(),
            endpoints: DashMap::new(),
        })
    }

    /// What of a budget is the endpoint's.
    #[must_use]
    pub fn endpoint_time(&self, settings: &Settings) -> Duration {
        settings.endpoint_time(self.rules.own_share)
    }

    /// How many items of one batch are asked about at a time.
    #[must_use]
    pub const fn batch_at_once(&self) -> usize {
        let half = self.rules.in_flight_max / 2;
        if half == 0 { 1 } else { half }
    }

    /// How an origin's endpoint does.
    #[must_use]
    pub fn figures(&self, origin: &str) -> Figures {
        self.endpoint(origin).figures()
    }

    /// The final answer to a purchase: `first` itself, unless its programme is asked; then what came of
    /// that, for every retry the same. A question goes on when whoever waits here goes away.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the end could not be recorded: the hold stays until somebody asks again, or
    /// the fallback decides.
    pub async fn settle(self: &Arc<Self>, first: Answer) -> Result<Answer, EngineError> {
        let Some(known) = asked(&first) else {
            return Ok(first);
        };
        let (id, is_replay) = (known.approved.authorization.id, first.is_replay);
        if self.end_of(id).is_none() {
            self.join(id, first).await;
        }
        let Some(lsn) = self.end_of(id) else {
            return Err(EngineError::Busy(
                "the programme's answer is not recorded yet",
            ));
        };
        let mut last = self.engine.past(lsn).await?;
        last.is_replay = is_replay;
        Ok(last)
    }

    /// Waits until an authorization is no longer being decided; asks, if nobody does.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the end could not be recorded.
    pub async fn finish(self: &Arc<Self>, id: AuthorizationId) -> Result<(), EngineError> {
        let place = self.open(id).await?.map(|(first_lsn, _, _)| first_lsn);
        if let Some(lsn) = place {
            let first = self.engine.past(lsn).await?;
            self.settle(first).await?;
        }
        Ok(())
    }

    /// Ends questions that nobody asks any more, from now on.
    pub fn start_sweep(self: &Arc<Self>) {
        let decisions = self.clone();
        actix_rt::spawn(async move {
            loop {
                actix_rt::time::sleep(SWEEP_EVERY).await;
                decisions.sweep().await;
            }
        });
    }

    /// Where the record of a question's end stands.
    fn end_of(&self, id: AuthorizationId) -> Option<u64> {
        self.engine.shared.keys.get(key_of_end(id))
    }

    /// Waits for the end of a question, which is asked now if it is not being asked.
    async fn join(self: &Arc<Self>, id: AuthorizationId, first: Answer) {
        let mut running = match self.running.entry(id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(free) => {
                let (sender, receiver) = watch::channel(());
                free.insert(receiver.clone());
                let run = Run {
                    decisions: self.clone(),
                    id,
                    _sender: sender,
                };
                actix_rt::spawn(run.ask(first));
                receiver
            }
        };
        // Nothing is ever sent: this is the end.
        let _ = running.changed().await;
    }

    fn endpoint(&self, origin: &str) -> Arc<Endpoint> {
        if let Some(known) = self.endpoints.get(origin) {
            return known.clone();
        }
        let most = self.rules.in_flight_max;
        let entry = self.endpoints.entry(origin.into());
        entry
            .or_insert_with(|| Arc::new(Endpoint::new(most)))
            .clone()
    }

    /// An authorization that is being decided: its first record, its fallback, its origin.
    async fn open(
        &self,
        id: AuthorizationId,
    ) -> Result<Option<(u64, Ruling, String)>, EngineError> {
        let target = Target::Authorization(id);
        let look = move |hosted: &crate::actors::hosted::Hosted| {
            let open = hosted.group.open.get(&id)?;
            let authorization = open.authorization();
            let Decision::Asked { fallback, .. } = authorization.decision else {
                return None;
            };
            let account = hosted.group.account(authorization.account)?;
            Some((open.first_lsn, fallback, account.origin().to_owned()))
        };
        self.engine.read(target, None, look).await
    }

    async fn sweep(&self) {
        let shared = &self.engine.shared;
        let after = i64::try_from(self.rules.abandoned_after.as_micros()).unwrap_or(i64::MAX);
        let now = shared.clock.now();
        let before = Timestamp::from_micros(now.micros().saturating_sub(after));
        let due: Vec<AuthorizationId> = shared
            .asked
            .iter()
            .filter(|asked| *asked.value() <= before && !self.running.contains_key(asked.key()))
            .map(|asked| *asked.key())
            .take(SWEEP_MAX)
            .collect();
        for id in due {
            match self.open(id).await {
                Ok(Some((_, fallback, origin))) => {
                    tracing::warn!(%id, verdict = fallback.word(), "nobody asks any more: the fallback decides");
                    let ended = conclusion(fallback, Decider::Abandoned, Duration::ZERO);
                    self.conclude(id, &origin, ended).await;
                }
                Ok(None) => {
                    shared.asked.remove(&id);
                }
                Err(error) => tracing::warn!(%id, %error, "a question could not be ended now"),
            }
        }
    }

    /// Asks, and says what came of it, in any case.
    async fn ask(&self, origin: &str, id: AuthorizationId, first: &Answer) -> Option<Conclusion> {
        let fallback = asked(first)?.fallback;
        let begun = Instant::now();
        let ended = |by| Some(conclusion(fallback, by, begun.elapsed()));
        let documents = &self.engine.shared.facts.documents;
        let settings = documents.get(Shelf::Decision, origin);
        let Some(settings) = settings.and_then(|text| Settings::parse(&text)) else {
            // It was taken away after the hold was placed.
            return ended(Decider::Fault);
        };
        let Ok(place) = self.endpoint(origin).places.clone().try_acquire_owned() else {
            return ended(Decider::Overload);
        };
        let time = self.endpoint_time(&settings);
        let name = question_id(id);
        let Some(body) = (self.worded)(first, &name, time) else {
            return ended(Decider::Fault);
        };
        let headers = self.headers(origin, &settings, &name, &body);
        let asking = self.post(settings.url, headers, body, (time, place));
        match actix_rt::time::timeout(time, asking).await {
            Ok(Ok(said)) => Some(Conclusion {
                verdict: if said.approved {
                    Ruling::Approved
                } else {
                    Ruling::Declined
                },
                by: Decider::Programme,
                reason: said.reason.and_then(|reason| plain(&reason)),
                latency_us: micros(begun.elapsed()),
            }),
            Err(_) | Ok(Err(FetchError::Slow)) => ended(Decider::Timeout),
            Ok(Err(error)) => {
                tracing::warn!(origin, %id, %error, "a decision endpoint gave no answer");
                ended(Decider::Fault)
            }
        }
    }

    /// Posts on a thread that may block. The place is held for as long as that thread is, which may be
    /// longer than anybody waits.
    async fn post(
        &self,
        url: String,
        headers: Vec<(&'static str, String)>,
        body: String,
        (time, place): (Duration, OwnedSemaphorePermit),
    ) -> Result<Said, FetchError> {
        let asker = self.asker.clone();
        let posted = threads::aside(move || {
            let answer = asker.ask(&url, &headers, body.as_bytes(), time);
            drop(place);
            answer
        });
        let died = |_| FetchError::Transport("the asking thread died".to_owned());
        let bytes = posted.await.map_err(died)??;
        let wrong = |error: serde_json::Error| {
            let what = error.to_string().chars().take(200).collect::<String>();
            FetchError::Transport(format!("the body is no answer: {what}"))
        };
        serde_json::from_slice(&bytes).map_err(wrong)
    }

    /// Source: Standard Webhooks.
    fn headers(
        &self,
        origin: &str,
        settings: &Settings,
        id: &str,
        body: &str,
    ) -> Vec<(&'static str, String)> {
        let now = self.engine.shared.clock.now();
        let seconds = now.seconds().to_string();
        let secrets = settings.secrets(origin, &self.vault, now);
        let signed = secrets.iter().map(|secret| secret.sign(id, &seconds, body));
        let signed = signed.collect::<Vec<_>>().join(" ");
        vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds),
            ("webhook-signature", signed),
        ]
    }

    /// Records the end of a question; of several ends the first one counts.
    async fn conclude(&self, id: AuthorizationId, origin: &str, ended: Conclusion) {
        let mut ended = ended;
        for _ in 0..RECORD_ATTEMPTS_MAX {
            let request = Request {
                target: Target::Authorization(id),
                origin: None,
                command: Command::Conclude(id, Box::new(ended.clone())),
                keys: vec![(key_of_end(id), KeyLife::Permanent)],
                // Whatever the end, it is the same question.
                fingerprint: 0,
                recalled: None,
            };
            match self.engine.execute(request).await {
                Ok(answer) => {
                    if !answer.is_replay {
                        self.endpoint(origin).count(&ended);
                    }
                    return;
                }
                Err(EngineError::Busy(_)) => actix_rt::time::sleep(RECORD_PAUSE).await,
                // A yes that cannot be posted, because a total would leave the range, is a no: the hold
                // must not stand for ever.
                Err(EngineError::Rejected(Rejection::Money(_)))
                    if ended.verdict == Ruling::Approved =>
                {
                    ended = conclusion(Ruling::Declined, Decider::Fault, Duration::ZERO);
                }
                Err(error) => {
                    tracing::warn!(%id, %error, "a programme's answer could not be recorded");
                    return;
                }
            }
        }
    }
}

/// A question being asked: it is no longer, when this is dropped.
struct Run {
    decisions: Arc<Decisions>,
    id: AuthorizationId,
    /// Dropped after the question is taken from those that run: whoever then looks finds the record.
    _sender: watch::Sender<()>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.decisions.running.remove(&self.id);
    }
}

impl Run {
    async fn ask(self, first: Answer) {
        let (decisions, id) = (&self.decisions, self.id);
        // Between the look for its record and this question it may have ended.
        let origin = match decisions.open(id).await {
            Ok(Some((_, _, origin))) => origin,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%id, %error, "a programme could not be asked");
                return;
            }
        };
        if let Some(ended) = decisions.ask(&origin, id, &first).await {
            decisions.conclude(id, &origin, ended).await;
        }
    }
}

fn conclusion(verdict: Ruling, by: Decider, took: Duration) -> Conclusion {
    Conclusion {
        verdict,
        by,
        reason: None,
        latency_us: micros(took),
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// The programme's words as they are kept: short, on one line.
fn plain(reason: &str) -> Option<String> {
    let one_line = |c: char| if c.is_control() { ' ' } else { c };
    let short: String = reason
        .chars()
        .take(REASON_CHARS_MAX)
        .map(one_line)
        .collect();
    let short = short.trim();
    (!short.is_empty()).then(|| short.to_owned())
}
