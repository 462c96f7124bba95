//! The actor of a card, its pockets and holds: takes messages one by one. Holds no rule.

use std::sync::{Arc, atomic::Ordering};

use actix::{Actor, ActorContext, ActorState, Handler, Message, MessageResult};
use tokio::sync::oneshot;

use super::{
    desk::{Letter, Live},
    directory::Directory,
    hosted::{Hosted, Refusal, Request, Target},
    moment::Moment,
    ticket::Fresh,
};
use crate::{
    domain::{command::Command, group::Absorption, ids::ActorId, outcome::Rejection},
    wire,
};

/// Owns one group of accounts.
pub(super) struct CardActor {
    hosted: Hosted,
    directory: Arc<Directory>,
    live: Arc<Live>,
    has_retired: bool,
}

/// A card's context: it sits at its thread's desk, which gives it one message after the other. So a
/// card needs no task and no mailbox of its own, and a hundred thousand of them little memory.
#[derive(Debug, Default)]
pub(super) struct Seat {
    is_leaving: bool,
}

impl Seat {
    /// Whether the card has stopped: the seat is to be given up.
    pub(super) const fn is_leaving(&self) -> bool {
        self.is_leaving
    }
}

impl ActorContext for Seat {
    fn stop(&mut self) {
        self.is_leaving = true;
    }

    fn terminate(&mut self) {
        self.is_leaving = true;
    }

    fn state(&self) -> ActorState {
        if self.is_leaving {
            ActorState::Stopped
        } else {
            ActorState::Running
        }
    }
}

impl Actor for CardActor {
    type Context = Seat;
}

impl CardActor {
    pub(super) const fn new(hosted: Hosted, directory: Arc<Directory>, live: Arc<Live>) -> Self {
        Self {
            hosted,
            directory,
            live,
            has_retired: false,
        }
    }

    /// Who it is.
    pub(super) const fn id(&self) -> ActorId {
        self.hosted.group.id
    }

    /// See [`Hosted::warm`].
    pub(super) fn warm(&self) -> usize {
        let is_used = self.live.last_used.load(Ordering::Relaxed) > 0;
        self.hosted.warm() ^ usize::from(is_used)
    }

    fn is_joining(&self) -> bool {
        self.live.is_joining.load(Ordering::Relaxed)
    }

    /// Counts a message in.
    fn take(&self) {
        self.live.queued.fetch_sub(1, Ordering::Relaxed);
        let tick = self.directory.tick();
        if self.live.last_used.load(Ordering::Relaxed) != tick {
            self.live.last_used.store(tick, Ordering::Relaxed);
        }
    }

    /// Messages can wait behind the one that retired it, but none can come after: each was counted
    /// while the directory's slot was held, and that has a successor since.
    fn stop_when_drained(&self, seat: &mut Seat) {
        if self.has_retired && self.live.queued.load(Ordering::Relaxed) == 0 {
            seat.stop();
        }
    }
}

/// What must be on disk before the outcome may be told: its own record, or, since the domain's no
/// speaks of the state as it is, all that made this state.
fn lsn_of(fresh: &Fresh, last: u64) -> u64 {
    match fresh {
        Ok(answer) => answer.lsn(),
        Err(Refusal::Rejected(_)) => last,
        Err(_) => 0,
    }
}

/// Decide, record, apply. The result says what must be on disk before it may be told.
pub(super) struct Execute<'a> {
    /// What is asked.
    pub(super) request: &'a mut Request,
    /// Whether it is the last of its message: a batch is one message for each card in it.
    pub(super) is_last: bool,
    /// The moment of what is decided in a row: the first of it looks what that is.
    pub(super) moment: &'a mut Option<Moment>,
}

impl Message for Execute<'_> {
    type Result = (u64, Fresh);
}

impl<'a> Handler<Execute<'a>> for CardActor {
    type Result = MessageResult<Execute<'a>>;

    fn handle(&mut self, message: Execute<'a>, seat: &mut Seat) -> Self::Result {
        if message.is_last {
            self.take();
        }
        if self.has_retired || self.is_joining() {
            self.stop_when_drained(seat);
            return MessageResult((0, Err(Refusal::Moved)));
        }
        let shared = self.directory.shared();
        let moment = message.moment.get_or_insert_with(|| Moment::of(shared));
        let outside = (moment, self.live.desk.terms());
        let fresh = self.hosted.execute(message.request, shared, outside);
        let lsn = lsn_of(&fresh, self.hosted.trail.last());
        MessageResult((lsn, fresh))
    }
}

/// Look at the state. The closure answers by itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Look(pub(super) Box<dyn FnOnce(&Hosted) + Send>);

impl Handler<Look> for CardActor {
    type Result = ();

    fn handle(&mut self, message: Look, seat: &mut Seat) {
        self.take();
        // An actor that went to rest or into another group shows what it had when it went, which was
        // after the question came.
        (message.0)(&self.hosted);
        self.stop_when_drained(seat);
    }
}

/// Go to rest if nothing came since `idle_since` (in the directory's ticks), or vanish if there is
/// nothing to keep.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Retire {
    /// The tick since which nothing may have come.
    pub(super) idle_since: u32,
    /// Whether who made the group has given it up: otherwise its first record is still to come.
    pub(super) is_given_up: bool,
}

impl Handler<Retire> for CardActor {
    type Result = ();

    fn handle(&mut self, message: Retire, seat: &mut Seat) {
        let last_used = self.live.last_used.load(Ordering::Relaxed);
        self.take();
        self.live.last_used.store(last_used, Ordering::Relaxed);
        let is_idle = last_used <= message.idle_since;
        let is_empty = self.hosted.trail.count() == 0;
        let may_go = if is_empty {
            message.is_given_up
        } else {
            is_idle
        };
        if !self.has_retired && !self.is_joining() && may_go {
            self.has_retired = true;
            self.directory.rest(&self.hosted);
        }
        self.stop_when_drained(seat);
    }
}

/// Come into another group.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Join {
    /// The group to come into.
    pub(super) into: ActorId,
    /// Who waits; dropped if the other's queue is full.
    pub(super) reply: oneshot::Sender<Joined>,
}

/// Where the record stands by which a group came into another.
pub(super) type Joined = Result<u64, Refusal>;

/// The longest group that is handed over, in bytes: it must fit into one record.
const JOIN_BYTES_MAX: usize = 896 << 10;

impl Handler<Join> for CardActor {
    type Result = ();

    /// From here on nothing is decided until the other group has answered. So the state that is handed
    /// over is the last one, or still the present one.
    fn handle(&mut self, message: Join, seat: &mut Seat) {
        self.take();
        if self.has_retired || self.is_joining() {
            let _ = message.reply.send(Err(Refusal::Moved));
            return self.stop_when_drained(seat);
        }
        let (group, trail) = (&self.hosted.group, &self.hosted.trail);
        if wire::encode_group(group, trail).len() > JOIN_BYTES_MAX {
            let refusal = Rejection::CannotJoin(TOO_LONG).into();
            let _ = message.reply.send(Err(refusal));
            return;
        }
        let Ok((actor, other)) = self.directory.admit(message.into) else {
            return;
        };
        self.live.is_joining.store(true, Ordering::Release);
        let absorption = Absorption {
            group: group.clone(),
            trail: trail.clone(),
        };
        let absorb = Absorb {
            absorption: Arc::new(absorption),
            giver: Giver {
                live: self.live.clone(),
                actor: group.id,
                has_moved: false,
            },
            reply: message.reply,
        };
        other.desk.put(Letter::Absorb(other.place, actor, absorb));
        other.desk.wake();
    }
}

const TOO_LONG: &str = "has too long a history to share money with accounts that have one";

/// Take in a group that waits for the answer.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Absorb {
    absorption: Arc<Absorption>,
    giver: Giver,
    reply: oneshot::Sender<Joined>,
}

/// The group that waits: it is told what came of it in any case, also when nobody took the message.
struct Giver {
    live: Arc<Live>,
    actor: ActorId,
    has_moved: bool,
}

impl Drop for Giver {
    fn drop(&mut self) {
        let has_moved = self.has_moved;
        let answered = Letter::Answered(self.live.place, self.actor, Answered { has_moved });
        self.live.desk.put(answered);
        self.live.desk.wake();
    }
}

impl Handler<Absorb> for CardActor {
    type Result = ();

    fn handle(&mut self, message: Absorb, seat: &mut Seat) {
        self.take();
        let mut giver = message.giver;
        let joined = if self.has_retired || self.is_joining() {
            Err(Refusal::Moved)
        } else {
            let mut request = Request {
                target: Target::Actor(self.hosted.group.id),
                origin: None,
                command: Command::Absorb(message.absorption),
                keys: Vec::new(),
                fingerprint: 0,
                recalled: None,
            };
            let shared = self.directory.shared();
            let outside = (&mut Moment::of(shared), self.live.desk.terms());
            let recorded = self.hosted.execute(&mut request, shared, outside);
            recorded.map(|answer| answer.lsn())
        };
        if joined.is_ok() {
            giver.has_moved = true;
            self.directory.forget(giver.actor);
        }
        drop(giver);
        let _ = message.reply.send(joined);
        self.stop_when_drained(seat);
    }
}

/// What the other group answered.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Answered {
    has_moved: bool,
}

impl Handler<Answered> for CardActor {
    type Result = ();

    fn handle(&mut self, message: Answered, seat: &mut Seat) {
        self.has_retired |= message.has_moved;
        self.live.is_joining.store(false, Ordering::Release);
        self.stop_when_drained(seat);
    }
}
