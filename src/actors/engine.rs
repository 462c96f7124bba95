//! What the faces talk to: routes a request to its actor, waits for the disk, fetches from the log.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dashmap::{DashMap, DashSet};

use super::{
    booked::BooksIndex,
    directory::Directory,
    durability::{Durability, Halted, Undurable},
    expiry::ExpiryWheel,
    facts::Facts,
    hosted::{Answer, Hosted, Refusal, Request, Target},
    indexes::Indexes,
    keys::Keys,
    registrar::{ChangeError, Keyed, Recorded, Registrar},
    replies::Replies,
    ticket::{Said, Telling, Ticket},
};
use crate::{
    clock::{Clock, Zone},
    domain::{
        account::Account,
        command::{Command, Context},
        event::{Event, StepKind, Stepped},
        group::Group,
        ids::{ActorId, AuthorizationId, TransferId},
        outcome::Rejection,
        policy::Terms,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
    journal::{Journal, JournalError, Lsn},
    telemetry::Metrics,
    wire::{self, Body, Entry},
};

/// How a command is decided: the domain's function, or a test's.
pub type Decide = fn(&Group, &Command, &Context<'_>) -> Result<Vec<Event>, Rejection>;

/// What every actor shares.
pub struct Shared {
    /// The log.
    pub journal: Arc<dyn Journal>,
    /// Who waits for the disk.
    pub durability: Arc<Durability>,
    /// The time.
    pub clock: Clock,
    /// The house's terms.
    pub terms: Terms,
    /// The house's time zone.
    pub zone: Zone,
    /// How commands are decided.
    pub decide: Decide,
    /// The keys of past requests.
    pub keys: Keys,
    /// Whose accounts there are.
    pub indexes: Indexes,
    /// What decisions take from outside.
    pub facts: Facts,
    /// When holds end.
    pub expiry: ExpiryWheel,
    /// What the ledger face knows beside the actors.
    pub books: BooksIndex,
    /// Transfers on their way, by who sent them.
    pub outgoing: DashMap<TransferId, ActorId>,
    /// Authorizations of which the programme is to be asked, and since when that is known here.
    pub asked: DashMap<AuthorizationId, Timestamp>,
    /// Transfers being delivered at this moment.
    pub delivering: DashSet<TransferId>,
    /// The last account number given.
    pub numbers: AtomicU64,
    /// What is counted.
    pub metrics: Metrics,
}

impl Shared {
    /// Keeps the folds beside the actors up to date with what was just applied; `lsn` is its record.
    pub fn follow(&self, actor: ActorId, lsn: u64, events: &[Event]) {
        for event in events {
            self.metrics.count(event);
            match event {
                Event::AccountOpened(account) => {
                    self.indexes.opened(actor, account);
                    self.books.opened(account);
                    self.want_lists(account);
                }
                Event::AccountChanged { change, account } => {
                    self.facts.faces.changed(account.no);
                    self.want_lists(account);
                    if change.webhook_url.is_some() {
                        self.indexes.hook(actor, account);
                    }
                }
                Event::AuthorizationApproved(approved) => {
                    let authorization = &approved.authorization;
                    if authorization.decision.is_open() {
                        self.asked
                            .insert(authorization.id, authorization.created_at);
                    }
                    if authorization.is_open() {
                        self.expiry
                            .schedule(actor, authorization.id, authorization.expires_at);
                    }
                }
                Event::TransferSent(transfer, _) => {
                    self.outgoing.insert(transfer.id, actor);
                }
                Event::TransferReturned(transfer, _) => {
                    self.outgoing.remove(&transfer.id);
                }
                Event::TransferSettled(id) => {
                    self.outgoing.remove(id);
                }
                // Holds and transfers go on under the old actor, which leads to this one.
                Event::Absorbed(absorption) => self.indexes.joined(absorption.group.id, actor),
                Event::Deposited(..)
                | Event::Withdrawn(..)
                | Event::TransferredWithin(..)
                | Event::TransferReceived(..)
                | Event::AuthorizationDeclined(_) => {}
                Event::Booked(booked) => self.books.follow(lsn, booked),
                Event::AuthorizationStepped(stepped) => self.follow_step(actor, stepped),
            }
        }
    }

    fn follow_step(&self, actor: ActorId, stepped: &Stepped) {
        if !matches!(stepped.kind, StepKind::Concluded(_)) {
            return;
        }
        let authorization = &stepped.authorization;
        self.asked.remove(&authorization.id);
        // Its time may have run out while nobody had answered, and that was passed over.
        if authorization.is_open() {
            let ends = authorization.expires_at;
            self.expiry.schedule(actor, authorization.id, ends);
        }
    }

    /// Says what must be known before `events` are recorded.
    pub(super) fn foresee(&self, events: &[Event]) {
        let asks = |event: &Event| match event {
            Event::AccountOpened(account) | Event::AccountChanged { account, .. } => {
                account.webhook_url.is_some()
            }
            Event::Deposited(..)
            | Event::Withdrawn(..)
            | Event::TransferredWithin(..)
            | Event::TransferSent(..)
            | Event::TransferReceived(..)
            | Event::TransferSettled(_)
            | Event::TransferReturned(..)
            | Event::AuthorizationApproved(_)
            | Event::AuthorizationDeclined(_)
            | Event::AuthorizationStepped(_)
            | Event::Absorbed(_)
            | Event::Booked(_) => false,
        };
        if events.iter().any(asks) {
            self.indexes.expect_webhooks();
        }
    }

    /// Asks for the lists that the account's pockets need.
    pub fn want_lists(&self, account: &Account) {
        for url in account.policy.urls() {
            if !self.facts.wanted.want(url) {
                tracing::warn!("too many lists are wanted: one more is not fetched");
            }
        }
    }

    /// A number nobody has.
    pub fn next_number(&self) -> u64 {
        self.numbers
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The domain's no, or there is no such thing.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The key was used for another request.
    #[error("the key was used for another request")]
    KeyConflict,
    /// Retry later.
    #[error("busy: {0}")]
    Busy(&'static str),
    /// The decision could not be made.
    #[error("the decision could not be made")]
    Unavailable,
    /// The journal halted.
    #[error(transparent)]
    Halted(#[from] Halted),
    /// The log could not be read.
    #[error(transparent)]
    Journal(JournalError),
    /// A record does not decode.
    #[error(transparent)]
    Wire(#[from] wire::WireError),
}

impl From<JournalError> for EngineError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Busy { .. } => Self::Busy("the journal takes no more for now"),
            JournalError::DiskLow { .. } => Self::Busy("the disk is nearly full"),
            JournalError::Halted { .. } => Self::Halted(Halted),
            other @ (JournalError::Corrupt { .. }
            | JournalError::NotFound { .. }
            | JournalError::Locked { .. }
            | JournalError::Io { .. }) => Self::Journal(other),
        }
    }
}

impl EngineError {
    /// The same error for another request that met the same actor.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Rejected(rejection) => Self::Rejected(rejection.clone()),
            Self::KeyConflict => Self::KeyConflict,
            Self::Busy(why) => Self::Busy(why),
            Self::Halted(halted) => Self::Halted(*halted),
            Self::Unavailable | Self::Journal(_) | Self::Wire(_) => Self::Unavailable,
        }
    }
}

/// The engine: cards as actors, a log under them.
pub struct Engine {
    /// What every actor shares.
    pub shared: Arc<Shared>,
    /// Where the actors are.
    pub directory: Arc<Directory>,
    /// Who waits for the disk.
    pub durability: Arc<Durability>,
    /// Origins and keys.
    pub registrar: Registrar,
    /// Held by whoever brings groups together: one at a time.
    pub joining: tokio::sync::Mutex<()>,
}

/// How often a request is tried again when it meets itself, a closed authorization, an actor
/// that just went to rest, or accounts that must be brought together first.
const ATTEMPTS_MAX: usize = 16;

impl Engine {
    /// Decides `request` and answers when the answer is on disk.
    ///
    /// # Errors
    ///
    /// [`EngineError`].
    pub async fn execute(&self, request: Request) -> Result<Answer, EngineError> {
        let ticket = Ticket::new(request, self.durability.lane(), None);
        answer_of(self.send(ticket).await?)
    }

    /// A request packed for its way, small to hold while it is waited for; its answer is told by
    /// `telling`.
    #[must_use]
    pub fn ticket(&self, request: Request, telling: Telling) -> Box<Ticket> {
        Ticket::new(request, self.durability.lane(), Some(telling))
    }

    /// Decides the request of `ticket` and answers when the answer is on disk: with its words, unless
    /// the answer itself is wanted, or is one from the past.
    ///
    /// # Errors
    ///
    /// [`EngineError`].
    pub async fn send(&self, ticket: Box<Ticket>) -> Result<Said<Vec<u8>>, EngineError> {
        let actor = self.actor_of(&ticket.request.target);
        let mut ticket = self.directory.execute(actor, ticket).await?;
        match ticket.open() {
            Ok(said) => Ok(said),
            // Rare, and large: it is not to make every request's future larger.
            Err(refusal) => Box::pin(self.insist(refusal, ticket)).await,
        }
    }

    async fn insist(
        &self,
        mut refusal: Refusal,
        mut ticket: Box<Ticket>,
    ) -> Result<Said<Vec<u8>>, EngineError> {
        for _ in 0..ATTEMPTS_MAX {
            if let Some(answer) = self.overcome(refusal, &mut ticket.request).await? {
                return Ok(Said::Answer(answer));
            }
            let actor = self.actor_of(&ticket.request.target);
            ticket = self.directory.execute(actor, ticket).await?;
            match ticket.open() {
                Ok(said) => return Ok(said),
                Err(again) => refusal = again,
            }
        }
        Err(EngineError::Busy(
            "the request keeps meeting another with its key",
        ))
    }

    /// Says what a request would come to, and changes nothing. The answer is told when what it rests on
    /// is on disk.
    ///
    /// # Errors
    ///
    /// [`EngineError`].
    pub async fn simulate(&self, request: Request) -> Result<Answer, EngineError> {
        let (target, origin) = (request.target.clone(), request.origin.clone());
        let shared = self.shared.clone();
        let simulated = self
            .read(target, origin, move |hosted| {
                hosted.simulate(&request, &shared)
            })
            .await?;
        simulated.map_err(|refusal| match refusal {
            Refusal::Rejected(rejection) => rejection.into(),
            Refusal::Journal(error) => error.into(),
            Refusal::Known { .. }
            | Refusal::Contested
            | Refusal::Recall { .. }
            | Refusal::Moved
            | Refusal::Unavailable => EngineError::Unavailable,
            Refusal::Halted => EngineError::Halted(Halted),
        })
    }

    /// Decides many requests; the answers stand in the order of the requests.
    pub async fn execute_batch(&self, requests: Vec<Request>) -> Vec<Result<Answer, EngineError>> {
        self.send_batch(requests, None).await.into_answers()
    }

    /// Decides many requests and has the answers told by `telling`, in the order of the requests; see
    /// [`Engine::send`].
    pub async fn send_batch(&self, requests: Vec<Request>, telling: Option<Telling>) -> Replies {
        let (mut replies, mut refused) = self
            .directory
            .execute_batch(requests, telling, |target| self.actor_of(target))
            .await;
        refused.sort_unstable_by_key(|(number, ..)| *number);
        for (number, request, refusal) in refused {
            let settled = Box::pin(self.settle_batched(request, refusal)).await;
            replies.put(number, settled);
        }
        replies
    }

    async fn settle_batched(
        &self,
        mut request: Request,
        refusal: Refusal,
    ) -> Result<Answer, EngineError> {
        match self.overcome(refusal, &mut request).await? {
            Some(answer) => Ok(answer),
            None => self.execute(request).await,
        }
    }

    /// What a refusal leads to: an answer from the past, another try, or an error.
    async fn overcome(
        &self,
        refusal: Refusal,
        request: &mut Request,
    ) -> Result<Option<Answer>, EngineError> {
        match refusal {
            Refusal::Rejected(Rejection::Apart { holder_urn, links }) => {
                self.bring_to(request, &holder_urn, &links).await?;
                Ok(None)
            }
            Refusal::Rejected(rejection) => Err(rejection.into()),
            Refusal::Journal(error) => Err(error.into()),
            Refusal::Unavailable => Err(EngineError::Unavailable),
            Refusal::Halted => Err(EngineError::Halted(Halted)),
            Refusal::Contested | Refusal::Moved => {
                self.wait_until_joined(&request.target).await;
                tokio::task::yield_now().await;
                Ok(None)
            }
            Refusal::Known { lsn } => {
                let answer = self.past(lsn).await?;
                if !is_same(request, &answer) {
                    return Err(EngineError::KeyConflict);
                }
                Ok(Some(answer))
            }
            Refusal::Recall { lsn } => {
                if let Command::Books(command) = &mut request.command {
                    if let Some((id, _)) = command.recalls() {
                        command.bring(self.recall_transaction(lsn, id).await?);
                    }
                } else {
                    request.recalled = Some(Box::new(self.recall(lsn)?));
                }
                Ok(None)
            }
        }
    }

    /// The answer that the record at `lsn` was.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if it cannot be read.
    pub async fn past(&self, lsn: u64) -> Result<Answer, EngineError> {
        self.durability.wait(lsn).await?;
        let entry = self.entry(lsn)?;
        let Body::Group(events) = entry.body else {
            // The key was used for something of the whole house.
            return Err(EngineError::KeyConflict);
        };
        let target = Target::Actor(entry.actor);
        let (events, urns) = self
            .read(target, None, move |hosted| {
                let urns = hosted.urns(&events);
                (events, urns)
            })
            .await?;
        let (time, fingerprint) = (entry.time, entry.fingerprint);
        Ok(Answer {
            lsn,
            time,
            fingerprint,
            events,
            urns,
            is_replay: true,
        })
    }

    /// Changes what belongs to the whole house, and answers when the answer is on disk; a retry
    /// under the same key is answered from the record.
    ///
    /// # Errors
    ///
    /// The decision's no, or an [`EngineError`].
    pub async fn change_registry<E: From<EngineError>>(
        &self,
        keyed: Option<Keyed>,
        decide: impl Fn(&Registry, Timestamp) -> Result<Vec<RegistryEvent>, E>,
    ) -> Result<Recorded, E> {
        for _ in 0..ATTEMPTS_MAX {
            match self.registrar.change(keyed, &self.shared, &decide) {
                Ok(recorded) => {
                    let waited = self.durability.wait(recorded.lsn).await;
                    waited.map_err(EngineError::from)?;
                    return Ok(recorded);
                }
                Err(ChangeError::Refused(error)) => return Err(error),
                Err(ChangeError::Engine(error)) => return Err(error.into()),
                Err(ChangeError::Contested) => tokio::task::yield_now().await,
                Err(ChangeError::Known { lsn }) => {
                    let asked = keyed.map(|keyed| keyed.fingerprint);
                    return Ok(self.past_change(lsn, asked).await?);
                }
            }
        }
        Err(EngineError::Busy("the request keeps meeting another with its key").into())
    }

    /// Looks at what belongs to the whole house and answers when what was seen is on disk.
    ///
    /// # Errors
    ///
    /// [`EngineError::Halted`] if it never will be.
    pub async fn look_at_registry<T>(
        &self,
        look: impl FnOnce(&Registry) -> T,
    ) -> Result<T, EngineError> {
        let seen = self.registrar.look(look);
        Ok(seen.durable(&self.durability).await?)
    }

    async fn past_change(&self, lsn: u64, asked: Option<u64>) -> Result<Recorded, EngineError> {
        self.durability.wait(lsn).await?;
        let entry = self.entry(lsn)?;
        match entry.body {
            Body::Registry(events) if Some(entry.fingerprint) == asked => Ok(Recorded {
                lsn,
                time: entry.time,
                events,
                is_replay: true,
            }),
            Body::Registry(_) | Body::Group(_) => Err(EngineError::KeyConflict),
        }
    }

    /// Reads the record at `lsn`.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if it cannot be read.
    pub fn entry(&self, lsn: u64) -> Result<Entry, EngineError> {
        Ok(wire::decode_entry(
            &self.shared.journal.read(Lsn::new(lsn))?,
        )?)
    }

    /// Looks at a group and answers when what was seen is on disk.
    ///
    /// # Errors
    ///
    /// [`EngineError`]; an account of another origin is not found.
    pub async fn read<T: Send + 'static>(
        &self,
        target: Target,
        origin: Option<Arc<str>>,
        look: impl FnOnce(&Hosted) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let actor = self.actor_of(&target);
        let seen = self
            .directory
            .view(actor, move |hosted| {
                let admitted = hosted.admits(&target, origin.as_deref());
                admitted.then(|| Undurable::new(hosted.trail.last(), look(hosted)))
            })
            .await?;
        let seen = seen.ok_or(Rejection::AccountNotFound)?;
        Ok(seen.durable(&self.durability).await?)
    }

    /// Who must be asked.
    #[must_use]
    pub fn actor_of(&self, target: &Target) -> ActorId {
        match target {
            Target::Account { no, .. } => self.shared.indexes.actor_of(*no),
            Target::Authorization(id) => self.shared.indexes.home_of(id.actor),
            Target::Actor(actor) => self.shared.indexes.home_of(*actor),
        }
    }
}

/// The answer to a request that was to have no words.
fn answer_of<T>(said: Said<T>) -> Result<Answer, EngineError> {
    match said {
        Said::Answer(answer) => Ok(answer),
        Said::Told(_) => Err(EngineError::Unavailable),
    }
}

/// Whether the record was made by the same request. A purchase stands in its record as it was asked,
/// so the two are compared themselves; of other requests the fingerprints.
fn is_same(request: &Request, answer: &Answer) -> bool {
    let recorded = |is_forced: bool| {
        answer.events.iter().find_map(|event| {
            let approved = event
                .approved()
                .filter(|known| known.authorization.is_forced == is_forced);
            let declined = event.declined().filter(|_| !is_forced);
            approved
                .map(|known| &known.request)
                .or(declined.map(|known| &known.request))
        })
    };
    match &request.command {
        Command::Authorize(asked) => recorded(false) == Some(asked),
        Command::ForcePost(asked) => recorded(true) == Some(asked),
        Command::OpenAccount(_)
        | Command::ChangeAccount(_)
        | Command::PatchAccount(_)
        | Command::LinkAccount(_)
        | Command::Deposit(_)
        | Command::Withdraw(_)
        | Command::SendTransfer(_)
        | Command::ReceiveTransfer(_)
        | Command::SettleTransfer(_)
        | Command::ReturnTransfer(_)
        | Command::Conclude(..)
        | Command::Increment(_)
        | Command::Capture(_)
        | Command::Reverse(_)
        | Command::Expire(_)
        | Command::Refund(_)
        | Command::ReverseRefund { .. }
        | Command::Absorb(_)
        | Command::Simulate(_)
        | Command::Books(_) => answer.fingerprint == request.fingerprint,
    }
}
