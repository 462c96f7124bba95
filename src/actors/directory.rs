//! Where every group of accounts is: live as an actor, or resting as bytes until it is needed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use actix::{Actor, Addr, Handler, Message};
use actix_rt::ArbiterHandle;
use dashmap::DashMap;
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use super::{
    card_actor::{CardActor, Execute, ExecuteMany, Outcome, Pulse, Retire, View},
    engine::{EngineError, Shared},
    hosted::{Hosted, Request, Target},
    number_hash::NumberHash,
};
use crate::{
    domain::{ids::ActorId, outcome::Rejection},
    wire,
};

enum Slot {
    Live(Addr<CardActor>, Arc<Pulse>),
    /// As a snapshot holds it.
    Resting(Box<[u8]>),
}

/// Finds actors, starts them when first needed, puts idle ones to rest.
pub struct Directory {
    slots: DashMap<ActorId, Slot, NumberHash>,
    arbiters: RwLock<Vec<ArbiterHandle>>,
    shared: Arc<Shared>,
    mailbox_max: u32,
    live: AtomicUsize,
    tick: AtomicU32,
}

/// What a snapshot takes of one group.
pub enum Captured {
    /// The group at rest: these bytes.
    Bytes(Vec<u8>),
    /// The group is live: its bytes will come through the channel.
    Coming,
    /// There is no such group any more.
    Gone,
}

impl Directory {
    /// A directory without actors; `mailbox_max` messages may wait for each.
    #[must_use]
    pub fn new(shared: Arc<Shared>, mailbox_max: u32) -> Arc<Self> {
        Arc::new(Self {
            slots: DashMap::default(),
            arbiters: RwLock::new(Vec::new()),
            shared,
            mailbox_max,
            live: AtomicUsize::new(0),
            tick: AtomicU32::new(1),
        })
    }

    /// Adds a thread on which actors may live.
    pub fn add_arbiter(&self, arbiter: ArbiterHandle) {
        self.arbiters.write().push(arbiter);
    }

    /// How many threads actors live on.
    #[must_use]
    pub fn arbiters(&self) -> usize {
        self.arbiters.read().len()
    }

    /// How many groups there are, and how many of them are live.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        (self.slots.len(), self.live.load(Ordering::Relaxed))
    }

    /// The current tick: seconds, roughly.
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    /// Adds a group as recovery found it.
    pub fn insert_resting(&self, actor: ActorId, bytes: Box<[u8]>) {
        self.slots.insert(actor, Slot::Resting(bytes));
    }

    /// Makes a new group and its actor.
    pub fn create(self: &Arc<Self>, actor: ActorId) {
        let slot = self.start(actor, Hosted::new(actor));
        self.slots.insert(actor, slot);
    }

    /// Lets go of a group that has no record.
    pub fn discard_if_empty(&self, actor: ActorId) {
        if let Some(slot) = self.slots.get(&actor)
            && let Slot::Live(address, pulse) = &*slot
        {
            pulse.queued.fetch_add(1, Ordering::Relaxed);
            address.do_send(Retire {
                idle_since: 0,
                is_given_up: true,
            });
        }
    }

    fn start(self: &Arc<Self>, actor: ActorId, hosted: Hosted) -> Slot {
        let pulse = Arc::new(Pulse::default());
        pulse.last_used.store(self.tick(), Ordering::Relaxed);
        let (directory, shared, seen) = (self.clone(), self.shared.clone(), pulse.clone());
        let make = move || CardActor::new(hosted, shared, directory, seen);
        let arbiters = self.arbiters.read();
        let count = u64::try_from(arbiters.len()).unwrap_or(1).max(1);
        let index = usize::try_from(actor.0 % count).unwrap_or(0);
        self.live.fetch_add(1, Ordering::Relaxed);
        let address = match arbiters.get(index) {
            Some(arbiter) => CardActor::start_in_arbiter(arbiter, move |_| make()),
            None => make().start(),
        };
        Slot::Live(address, pulse)
    }

    /// Wakes a resting group; `Ok(false)` if there is none.
    fn wake(self: &Arc<Self>, actor: ActorId) -> Result<bool, EngineError> {
        let Some(mut slot) = self.slots.get_mut(&actor) else {
            return Ok(false);
        };
        if let Slot::Resting(bytes) = &*slot {
            let (group, trail) = wire::decode_group(bytes)?;
            *slot = self.start(actor, Hosted::from_parts(group, trail));
        }
        Ok(true)
    }

    /// Notes that an actor went to rest; one without a record vanishes.
    pub(super) fn rest(&self, hosted: &Hosted) {
        self.live.fetch_sub(1, Ordering::Relaxed);
        if hosted.trail.count() == 0 {
            self.slots.remove(&hosted.group.id);
            return;
        }
        let bytes = wire::encode_group(&hosted.group, &hosted.trail).into_boxed_slice();
        self.slots.insert(hosted.group.id, Slot::Resting(bytes));
    }

    fn send<M>(self: &Arc<Self>, actor: ActorId, message: M) -> Result<(), EngineError>
    where
        M: Message<Result = ()> + Send + 'static,
        CardActor: Handler<M>,
    {
        let mut message = Some(message);
        // A second look is needed only when the group was resting.
        for _ in 0..2 {
            if let Some(slot) = self.slots.get(&actor)
                && let Slot::Live(address, pulse) = &*slot
            {
                if pulse.queued.load(Ordering::Relaxed) >= self.mailbox_max {
                    return Err(EngineError::Busy("the card's queue is full"));
                }
                pulse.queued.fetch_add(1, Ordering::Relaxed);
                if let Some(message) = message.take() {
                    address.do_send(message);
                }
                return Ok(());
            }
            if !self.wake(actor)? {
                return Err(Rejection::AccountNotFound.into());
            }
        }
        Err(EngineError::Busy("the card is just going to rest"))
    }

    /// Has an actor decide a request.
    pub(super) async fn execute(
        self: &Arc<Self>,
        actor: ActorId,
        request: Request,
    ) -> Result<Outcome, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(actor, Execute { request, reply })?;
        answer.await.map_err(|_| EngineError::Unavailable)
    }

    /// Has the actors decide many requests: one message for each actor, each actor's in order.
    pub(super) async fn execute_batch(
        self: &Arc<Self>,
        requests: Vec<Request>,
        actor_of: impl Fn(&Target) -> ActorId,
    ) -> Vec<Result<Outcome, EngineError>> {
        let count = requests.len();
        let mut by_actor: BTreeMap<ActorId, Vec<(usize, Request)>> = BTreeMap::new();
        for (place, request) in requests.into_iter().enumerate() {
            by_actor
                .entry(actor_of(&request.target))
                .or_default()
                .push((place, request));
        }
        let mut results: Vec<Option<Result<Outcome, EngineError>>> =
            (0..count).map(|_| None).collect();
        let mut put = |place: usize, result| {
            if let Some(slot) = results.get_mut(place) {
                *slot = Some(result);
            }
        };
        let (reply, mut answers) = mpsc::unbounded_channel();
        for (actor, requests) in by_actor {
            let places: Vec<usize> = requests.iter().map(|(place, _)| *place).collect();
            let message = ExecuteMany {
                requests,
                reply: reply.clone(),
            };
            if let Err(error) = self.send(actor, message) {
                for place in places {
                    put(place, Err(error.again()));
                }
            }
        }
        drop(reply);
        while let Some(outcomes) = answers.recv().await {
            for (place, outcome) in outcomes {
                put(place, Ok(outcome));
            }
        }
        let missing = || Err(EngineError::Unavailable);
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(missing))
            .collect()
    }

    /// Looks at a group's state.
    pub(super) async fn view<T: Send + 'static>(
        self: &Arc<Self>,
        actor: ActorId,
        look: impl FnOnce(&Hosted) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |hosted: &Hosted| {
            let _ = reply.send(look(hosted));
        });
        self.send(actor, View(look))?;
        answer.await.map_err(|_| EngineError::Unavailable)
    }

    /// Takes a group's bytes for a snapshot without waking it; a live one sends them to `out`.
    pub fn capture(
        &self,
        actor: ActorId,
        out: &std::sync::mpsc::Sender<(ActorId, Vec<u8>)>,
    ) -> Captured {
        let Some(slot) = self.slots.get(&actor) else {
            return Captured::Gone;
        };
        match &*slot {
            Slot::Resting(bytes) => Captured::Bytes(bytes.to_vec()),
            Slot::Live(address, pulse) => {
                let out = out.clone();
                pulse.queued.fetch_add(1, Ordering::Relaxed);
                address.do_send(View(Box::new(move |hosted| {
                    let bytes = wire::encode_group(&hosted.group, &hosted.trail);
                    let _ = out.send((hosted.group.id, bytes));
                })));
                Captured::Coming
            }
        }
    }

    /// Every group's actor id.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorId> {
        self.slots.iter().map(|slot| *slot.key()).collect()
    }

    /// Moves the tick on and puts actors to rest that did nothing for `idle_ticks`; for fewer where
    /// more than `live_max` are live.
    pub fn sweep(&self, idle_ticks: u32, live_max: usize) {
        let now = self.tick.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let live = self.live.load(Ordering::Relaxed);
        let patience = if live > live_max { 1 } else { idle_ticks };
        if live == 0 || (live <= live_max && !now.is_multiple_of(16)) {
            return;
        }
        let idle_since = now.saturating_sub(patience);
        for slot in &self.slots {
            if let Slot::Live(address, pulse) = slot.value()
                && pulse.last_used.load(Ordering::Relaxed) <= idle_since
            {
                pulse.queued.fetch_add(1, Ordering::Relaxed);
                address.do_send(Retire {
                    idle_since,
                    is_given_up: false,
                });
            }
        }
    }
}
