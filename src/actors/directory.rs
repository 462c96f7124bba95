//! Where every group of accounts is: live as an actor, or resting as bytes until it is needed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
};

use actix_rt::ArbiterHandle;
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use super::{
    card_actor::{CardActor, Join, Look, Retire},
    desk::{Desk, Letter, Live, Place},
    engine::{EngineError, Shared},
    hosted::{Hosted, Request, Target},
    replies::Replies,
    ticket::{Errand, Item, Refused, Telling, Ticket},
    wide_map::WideMap,
};
use crate::{
    domain::{ids::ActorId, outcome::Rejection},
    wire,
};

enum Slot {
    Live(Arc<Live>),
    /// As a snapshot holds it.
    Resting(Box<[u8]>),
}

/// How many cards are asked to rest at a time.
const RETIRED_PER_SWEEP: usize = 131_072;
/// How often a message looks for its actor.
const LOOKS_MAX: usize = 8;

/// Finds actors, starts them when first needed, puts idle ones to rest.
pub struct Directory {
    slots: WideMap<ActorId, Slot>,
    /// One for each thread on which actors live.
    desks: RwLock<Vec<Arc<Desk>>>,
    /// Those of threads that started actors while there was none.
    own_desks: RwLock<Vec<Arc<Desk>>>,
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
            slots: WideMap::default(),
            desks: RwLock::new(Vec::new()),
            own_desks: RwLock::new(Vec::new()),
            shared,
            mailbox_max,
            live: AtomicUsize::new(0),
            tick: AtomicU32::new(1),
        })
    }

    /// Adds a thread on which actors may live.
    pub fn add_arbiter(&self, arbiter: ArbiterHandle) {
        let desk = Desk::new(&self.shared.terms);
        let (opened, durability) = (desk.clone(), self.shared.durability.clone());
        arbiter.spawn_fn(move || opened.open(durability));
        self.desks.write().push(desk);
    }

    /// How many threads actors live on.
    #[must_use]
    pub fn arbiters(&self) -> usize {
        self.desks.read().len()
    }

    /// What every actor shares.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
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
        let live = self.slots.get(&actor).and_then(|slot| match &*slot {
            Slot::Live(live) => Some(counted(live)),
            Slot::Resting(_) => None,
        });
        if let Some(live) = live {
            let retire = Retire {
                idle_since: 0,
                is_given_up: true,
            };
            live.desk.put(Letter::Retire(live.place, actor, retire));
            live.desk.wake();
        }
    }

    fn start(self: &Arc<Self>, actor: ActorId, hosted: Hosted) -> Slot {
        let desk = self.desk_for(actor);
        let live = Arc::new(Live {
            place: desk.take_place(),
            desk,
            queued: AtomicU32::new(0),
            is_joining: AtomicBool::new(false),
            last_used: AtomicU32::new(self.tick()),
        });
        self.live.fetch_add(1, Ordering::Relaxed);
        let card = CardActor::new(hosted, self.clone(), live.clone());
        live.desk.put(Letter::Start(live.place, Box::new(card)));
        Slot::Live(live)
    }

    /// Cards are spread over the threads by their numbers.
    fn desk_for(&self, actor: ActorId) -> Arc<Desk> {
        let desks = self.desks.read();
        let count = u64::try_from(desks.len()).unwrap_or(1).max(1);
        let index = usize::try_from(actor.0 % count).unwrap_or(0);
        if let Some(desk) = desks.get(index) {
            return desk.clone();
        }
        drop(desks);
        let mut own_desks = self.own_desks.write();
        if let Some(desk) = own_desks.iter().find(|desk| desk.is_here()) {
            return desk.clone();
        }
        let desk = Desk::new(&self.shared.terms);
        desk.open(self.shared.durability.clone());
        own_desks.push(desk.clone());
        desk
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

    /// Forgets a live group that came into another: the indexes say where it went.
    pub(super) fn forget(&self, actor: ActorId) {
        if self.slots.remove(&actor).is_some() {
            self.live.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether the group is on its way into another at this moment.
    pub(super) fn is_joining(&self, actor: ActorId) -> bool {
        let slot = self.slots.get(&self.shared.indexes.home_of(actor));
        slot.is_some_and(|slot| match &*slot {
            Slot::Live(live) => live.is_joining.load(Ordering::Acquire),
            Slot::Resting(_) => false,
        })
    }

    /// Asks a group to come into another; who waits is told by the message.
    pub(super) fn join(self: &Arc<Self>, actor: ActorId, join: Join) -> Result<(), EngineError> {
        let (actor, live) = self.admit(actor)?;
        live.desk.put(Letter::Join(live.place, actor, join));
        live.desk.wake();
        Ok(())
    }

    /// The live actor, woken if it rests, with one more message counted on its way to it; and its id,
    /// which is another if the group came into that one's.
    pub(super) fn admit(
        self: &Arc<Self>,
        actor: ActorId,
    ) -> Result<(ActorId, Arc<Live>), EngineError> {
        // More than one look is needed only when the group was resting, or has just come into another.
        for _ in 0..LOOKS_MAX {
            let actor = self.shared.indexes.home_of(actor);
            if let Some(slot) = self.slots.get(&actor)
                && let Slot::Live(live) = &*slot
            {
                if live.queued.load(Ordering::Relaxed) >= self.mailbox_max {
                    return Err(EngineError::Busy("the card's queue is full"));
                }
                return Ok((actor, counted(live)));
            }
            if !self.wake(actor)? && self.shared.indexes.home_of(actor) == actor {
                return Err(Rejection::AccountNotFound.into());
            }
        }
        Err(EngineError::Busy("the card is just going to rest"))
    }

    /// Has an actor decide a request; it comes back with its answer.
    pub(super) async fn execute(
        self: &Arc<Self>,
        actor: ActorId,
        mut ticket: Box<Ticket>,
    ) -> Result<Box<Ticket>, EngineError> {
        let (actor, live) = self.admit(actor)?;
        let home = ticket.address(actor);
        live.desk.put(Letter::Execute(live.place, ticket));
        live.desk.wake();
        drop(live);
        home.await.map_err(|_| EngineError::Unavailable)
    }

    /// Has the actors decide many requests: one message for each thread, each actor's in order. Beside
    /// the replies come the requests that were refused.
    pub(super) async fn execute_batch(
        self: &Arc<Self>,
        requests: Vec<Request>,
        telling: Option<Telling>,
        actor_of: impl Fn(&Target) -> ActorId,
    ) -> (Replies, Vec<Refused>) {
        let (mut replies, mut refused) = (Replies::new(requests.len()), Vec::new());
        let (reply, mut home) = mpsc::unbounded_channel();
        let lane = self.shared.durability.lane();
        let mut errands: Vec<(Arc<Desk>, Box<Errand>)> = Vec::new();
        // Cards are spread evenly, or nearly so.
        let share = requests.len().div_ceil(self.arbiters().max(1));
        let room = share.saturating_add(share >> 3);
        let mut seats: Vec<Option<Seated>> = Vec::new();
        seats.resize_with(requests.len(), Option::default);
        let asked = requests.iter().map(|request| actor_of(&request.target));
        let mut by_actor: Vec<(ActorId, usize)> = asked.zip(0_usize..).collect();
        by_actor.sort_unstable();
        for items in by_actor.chunk_by(|(one, _), (next, _)| one == next) {
            let Some((actor, last)) = items.last().copied() else {
                continue;
            };
            match self.admit(actor) {
                Ok((actor, live)) => {
                    let whom = (actor, live.place);
                    let errand = errand_for(&live.desk, &mut errands, || {
                        Errand::new(lane.clone(), telling, (room, reply.clone()))
                    });
                    for (_, number) in items {
                        let seated = Seated {
                            whom,
                            errand,
                            is_last: *number == last,
                        };
                        put(&mut seats, *number, Some(seated));
                    }
                }
                Err(error) => items
                    .iter()
                    .for_each(|(_, number)| replies.put(*number, Err(error.again()))),
            }
        }
        for (number, (request, seated)) in requests.into_iter().zip(seats).enumerate() {
            if let Some(seated) = seated
                && let Some((_, errand)) = errands.get_mut(seated.errand)
            {
                let item = Item::new((number, seated.is_last), seated.whom, request);
                errand.items.push(item);
            }
        }
        drop(reply);
        for (desk, errand) in errands {
            desk.put(Letter::Errand(errand));
            desk.wake();
        }
        while let Some(errand) = home.recv().await {
            refused.extend(errand.open(&mut replies));
        }
        (replies, refused)
    }

    /// Looks at a group's state.
    pub(super) async fn view<T: Send + 'static>(
        self: &Arc<Self>,
        actor: ActorId,
        look: impl FnOnce(&Hosted) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        let look = Look(Box::new(move |hosted: &Hosted| {
            let _ = reply.send(look(hosted));
        }));
        let (actor, live) = self.admit(actor)?;
        live.desk.put(Letter::Look(live.place, actor, look));
        live.desk.wake();
        drop(live);
        answer.await.map_err(|_| EngineError::Unavailable)
    }

    /// Takes a group's bytes for a snapshot without waking it; a live one sends them to `out`.
    pub fn capture(
        &self,
        actor: ActorId,
        out: &std::sync::mpsc::Sender<(ActorId, Vec<u8>)>,
    ) -> Captured {
        let live = match self.slots.get(&actor).as_deref() {
            None => return Captured::Gone,
            Some(Slot::Resting(bytes)) => return Captured::Bytes(bytes.to_vec()),
            Some(Slot::Live(live)) => counted(live),
        };
        let out = out.clone();
        let look = Look(Box::new(move |hosted: &Hosted| {
            let bytes = wire::encode_group(&hosted.group, &hosted.trail);
            let _ = out.send((hosted.group.id, bytes));
        }));
        live.desk.put(Letter::Look(live.place, actor, look));
        live.desk.wake();
        Captured::Coming
    }

    /// Every group's actor id.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorId> {
        self.slots.iter().map(|slot| *slot.key()).collect()
    }

    /// Moves the tick on and puts actors to rest that did nothing for `idle_ticks`; where more than
    /// `live_max` are live, as many as are too many, of those that did nothing for one. Of very many only
    /// some, the others next time.
    pub fn sweep(&self, idle_ticks: u32, live_max: usize) {
        let now = self.tick.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let live = self.live.load(Ordering::Relaxed);
        let excess = live.saturating_sub(live_max);
        if live == 0 || (excess == 0 && !now.is_multiple_of(16)) {
            return;
        }
        let (patience, most) = match excess {
            0 => (idle_ticks, RETIRED_PER_SWEEP),
            // What was in use a moment ago is not to go for nothing.
            _ => (1, RETIRED_PER_SWEEP.min(excess)),
        };
        let idle_since = now.saturating_sub(patience);
        let mut called: Vec<Arc<Desk>> = Vec::new();
        let mut asked = 0_usize;
        for slot in self.slots.iter() {
            if asked == most {
                break;
            }
            // Where something is on its way, it may be this very question.
            if let Slot::Live(live) = slot.value()
                && live.last_used.load(Ordering::Relaxed) <= idle_since
                && live.queued.load(Ordering::Relaxed) == 0
            {
                asked = asked.saturating_add(1);
                let retire = Retire {
                    idle_since,
                    is_given_up: false,
                };
                let live = counted(live);
                live.desk
                    .put(Letter::Retire(live.place, *slot.key(), retire));
                if called.iter().all(|desk| !Arc::ptr_eq(desk, &live.desk)) {
                    called.push(live.desk.clone());
                }
            }
        }
        // Not before: a card that goes to rest writes into the map that was being read.
        for desk in called {
            desk.wake();
        }
    }
}

/// Where an item of a batch goes.
struct Seated {
    whom: (ActorId, Place),
    /// Its thread's errand.
    errand: usize,
    /// Whether no other is for the same card after it: together they are one message.
    is_last: bool,
}

/// Which of the errands is for the desk, with a new one if there was none.
fn errand_for(
    desk: &Arc<Desk>,
    errands: &mut Vec<(Arc<Desk>, Box<Errand>)>,
    new_errand: impl FnOnce() -> Box<Errand>,
) -> usize {
    let mut known = errands.iter();
    let errand = known.position(|(known, _)| Arc::ptr_eq(known, desk));
    errand.unwrap_or_else(|| {
        errands.push((desk.clone(), new_errand()));
        errands.len().saturating_sub(1)
    })
}

/// Counts a message on its way to a card, while its slot is held.
fn counted(live: &Arc<Live>) -> Arc<Live> {
    live.queued.fetch_add(1, Ordering::Relaxed);
    live.clone()
}

fn put<T>(places: &mut [T], number: usize, value: T) {
    if let Some(place) = places.get_mut(number) {
        *place = value;
    }
}
