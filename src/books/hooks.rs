//! Who is called before a transaction is taken, and after.
//!
//! A call before is waited for. The endpoint refuses the transaction by saying so: 400, 402, 403, 409 or 422. That
//! it cannot be reached, is too slow or fails refuses nothing, unless the hook asks for that: the documents of
//! Blnk promise that a hook's failure does not touch the transaction. Calls after are not waited for and live in
//! memory only: whoever must hear of everything has a webhook endpoint.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use tokio::sync::Semaphore;

use crate::{
    actors::Engine,
    domain::{documents::Shelf, time::Timestamp},
    outbox::{secrets, sign::blnk_signature},
    outside::{
        client::{FetchError, Limits},
        question::Asker,
    },
    threads,
    vault::Vault,
};

/// How many calls run at a time: those before, and those after.
const CALLS_MAX: usize = 64;
/// How many calls after may wait for their turn.
const WAITING_MAX: usize = 10_000;
/// How long all attempts of the hooks before one transaction may take together.
const BEFORE_MAX: Duration = Duration::from_secs(60);
/// The first pause between two attempts; each next is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// The answers that refuse a transaction.
const REFUSALS: [u16; 5] = [400, 402, 403, 409, 422];

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum HookKind {
    /// Before a transaction is taken.
    #[serde(rename = "PRE_TRANSACTION")]
    Before,
    /// After it was.
    #[serde(rename = "POST_TRANSACTION")]
    After,
}

impl HookKind {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Before => "PRE_TRANSACTION",
            Self::After => "POST_TRANSACTION",
        }
    }
}

/// What a hook before that could not be asked means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing.
    #[default]
    Allow,
    /// A no.
    Refuse,
}

/// A hook, as its document has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hook {
    /// `hook_` and a UUID.
    pub id: String,
    /// For people.
    pub name: String,
    /// Where to.
    pub url: String,
    /// When.
    #[serde(rename = "type")]
    pub kind: HookKind,
    /// Whether it is called at all.
    pub active: bool,
    /// How long one attempt may take, in seconds.
    pub timeout: Number,
    /// How many attempts may follow the first.
    pub retry_count: u32,
    /// What a failure means.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// RFC 3339.
    pub created_at: String,
}

impl Hook {
    /// How long one attempt may take.
    #[must_use]
    pub fn time(&self) -> Duration {
        let seconds = self.timeout.as_f64().unwrap_or(1.0);
        Duration::try_from_secs_f64(seconds).map_or(BEFORE_MAX, |time| time.min(BEFORE_MAX))
    }
}

/// Hooks by origin, and which state of the shelf they were read from.
struct Known {
    changes: u64,
    hooks: BTreeMap<Box<str>, Vec<Arc<Hook>>>,
}

/// A transaction that a hook refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Which hook.
    pub hook: Arc<Hook>,
    /// What it answered; nothing if it was not reached.
    pub status: Option<u16>,
}

/// Calls hooks.
pub struct Hooks {
    engine: Arc<Engine>,
    vault: Arc<Vault>,
    asker: Asker,
    known: ArcSwapOption<Known>,
    before: Arc<Semaphore>,
    after: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// When each was called last, and whether that went well: since the start.
    runs: DashMap<String, (Timestamp, bool)>,
}

impl Hooks {
    /// The hooks of an engine's origins, which reach what `limits` allow.
    #[must_use]
    pub fn new(engine: &Arc<Engine>, vault: &Arc<Vault>, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            engine: engine.clone(),
            vault: vault.clone(),
            asker: Asker::new(limits),
            known: ArcSwapOption::empty(),
            before: Arc::new(Semaphore::new(CALLS_MAX)),
            after: Arc::new(Semaphore::new(CALLS_MAX)),
            waiting: AtomicUsize::new(0),
            runs: DashMap::new(),
        })
    }

    /// When a hook was called last and whether that went well, since the server started.
    #[must_use]
    pub fn last_run(&self, id: &str) -> Option<(Timestamp, bool)> {
        self.runs.get(id).map(|run| *run)
    }

    /// An origin's hooks of a kind that are called now. Without any hook in the house this is one look at a
    /// number.
    #[must_use]
    pub fn active(&self, origin: &str, kind: HookKind) -> Vec<Arc<Hook>> {
        let documents = &self.engine.shared.facts.documents;
        let changes = documents.changes(Shelf::Hook);
        if changes == 0 {
            return Vec::new();
        }
        let known = self.known.load();
        let known = match known.as_ref().filter(|known| known.changes == changes) {
            Some(known) => known.clone(),
            None => self.read_anew(changes),
        };
        let own = known.hooks.get(origin).into_iter().flatten();
        own.filter(|hook| hook.kind == kind).cloned().collect()
    }

    fn read_anew(&self, changes: u64) -> Arc<Known> {
        let mut hooks: BTreeMap<Box<str>, Vec<Arc<Hook>>> = BTreeMap::new();
        for (name, text) in self.engine.shared.facts.documents.of(Shelf::Hook) {
            let origin = name.split_once('/').map(|(origin, _)| origin);
            let hook: Option<Hook> = serde_json::from_str(&text).ok();
            if let (Some(origin), Some(hook)) = (origin, hook)
                && hook.active
            {
                hooks.entry(origin.into()).or_default().push(Arc::new(hook));
            }
        }
        for own in hooks.values_mut() {
            own.sort_by(|one, other| one.created_at.cmp(&other.created_at));
        }
        let known = Arc::new(Known { changes, hooks });
        self.known.store(Some(known.clone()));
        known
    }

    /// Asks an origin's hooks about a transaction that is to be taken, one after the other; `data` is its JSON.
    ///
    /// # Errors
    ///
    /// [`Refused`] by the first that says no.
    pub async fn ask_before(
        self: &Arc<Self>,
        origin: &str,
        hooks: Vec<Arc<Hook>>,
        data: &str,
    ) -> Result<(), Refused> {
        let until = tokio::time::Instant::now() + BEFORE_MAX;
        for hook in hooks {
            let call = self.attempts(
                origin,
                &hook,
                body(HookKind::Before, "transaction.queued", data),
            );
            let place = self.before.clone().acquire_owned();
            let called = async {
                let place = place.await;
                let called = call.await;
                drop(place);
                called
            };
            let called = match tokio::time::timeout_at(until, called).await {
                Ok(called) => called,
                Err(_) => Err(FetchError::Slow),
            };
            self.note(&hook, called.is_ok());
            let status = match called {
                Ok(()) => continue,
                Err(FetchError::Status(status)) => Some(status),
                Err(
                    FetchError::Url
                    | FetchError::Private
                    | FetchError::Slow
                    | FetchError::TooLarge { .. }
                    | FetchError::Transport(_),
                ) => None,
            };
            let is_no = status.is_some_and(|status| REFUSALS.contains(&status));
            if is_no || hook.on_failure == OnFailure::Refuse {
                return Err(Refused { hook, status });
            }
            tracing::warn!(
                origin,
                hook = hook.id,
                ?status,
                "a hook before a transaction failed"
            );
        }
        Ok(())
    }

    /// Tells an origin's hooks of a transaction that was taken, some time soon; `data` is its JSON.
    pub fn tell_after(
        self: &Arc<Self>,
        origin: &str,
        hooks: Vec<Arc<Hook>>,
        (event, data): (&str, &str),
    ) {
        for hook in hooks {
            if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                tracing::warn!(
                    origin,
                    hook = hook.id,
                    "too many calls of hooks wait: one is dropped"
                );
                self.note(&hook, false);
                continue;
            }
            let (own, origin) = (self.clone(), origin.to_owned());
            let body = body(HookKind::After, event, data);
            actix_rt::spawn(async move {
                let place = own.after.clone().acquire_owned().await;
                let called = own.attempts(&origin, &hook, body).await;
                drop(place);
                own.waiting.fetch_sub(1, Ordering::Relaxed);
                own.note(&hook, called.is_ok());
                if let Err(error) = called {
                    tracing::warn!(origin, hook = hook.id, %error, "a hook after a transaction failed");
                }
            });
        }
    }

    fn note(&self, hook: &Hook, is_good: bool) {
        let now = self.engine.shared.clock.now();
        self.runs.insert(hook.id.clone(), (now, is_good));
    }

    /// One call, as often as the hook asks.
    async fn attempts(
        self: &Arc<Self>,
        origin: &str,
        hook: &Arc<Hook>,
        body: String,
    ) -> Result<(), FetchError> {
        let body: Arc<str> = body.into();
        let mut pause = PAUSE;
        let mut left = hook.retry_count;
        loop {
            let (own, hook) = (self.clone(), hook.clone());
            let (body, origin) = (body.clone(), origin.to_owned());
            let called = threads::aside(move || own.call(&origin, &hook, &body));
            let died = |_| FetchError::Transport("the calling thread died".to_owned());
            let error = match called.await.map_err(died) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) | Err(error) => error,
            };
            let is_no = matches!(error, FetchError::Status(status) if REFUSALS.contains(&status));
            if left == 0 || is_no {
                return Err(error);
            }
            left = left.saturating_sub(1);
            actix_rt::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(5));
        }
    }

    /// One attempt. Blocks the thread.
    fn call(&self, origin: &str, hook: &Hook, body: &str) -> Result<(), FetchError> {
        let secrets = secrets::live(&self.engine, &self.vault, origin);
        let secrets = secrets.map_err(|error| FetchError::Transport(error.to_string()))?;
        let seconds = self.engine.shared.clock.now().seconds().to_string();
        let secret = secrets.first().map(String::as_str).unwrap_or_default();
        let headers = [
            ("x-blnk-signature", blnk_signature(secret, &seconds, body)),
            ("x-blnk-timestamp", seconds),
            ("x-hook-id", hook.id.clone()),
            ("x-hook-type", hook.kind.word().to_owned()),
        ];
        let asked = self
            .asker
            .ask(&hook.url, &headers, body.as_bytes(), hook.time());
        match asked {
            // What it says is not read.
            Ok(_) | Err(FetchError::TooLarge { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn body(kind: HookKind, event: &str, data: &str) -> String {
    let kind = kind.word();
    format!("{{\"event\":\"{event}\",\"hook_type\":\"{kind}\",\"data\":{data}}}")
}
