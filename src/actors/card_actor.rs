//! The actor of a card, its pockets and holds: takes messages one by one. Holds no rule.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use actix::{Actor, ActorContext, Context, Handler, Message};
use tokio::sync::{mpsc, oneshot};

use super::{
    directory::Directory,
    engine::Shared,
    hosted::{Answer, Hosted, Refusal, Request, Undurable},
};

/// What came of a request, with the request, so that it can be tried again. An answer in it is on
/// disk.
pub type Outcome = (Request, Result<Answer, Refusal>);

/// What came of a request a moment ago, not yet on disk.
type Fresh = (Request, Result<Undurable<Answer>, Refusal>);

/// Owns one group of accounts.
pub struct CardActor {
    hosted: Hosted,
    shared: Arc<Shared>,
    directory: Arc<Directory>,
    pulse: Arc<Pulse>,
    has_retired: bool,
}

/// What the directory sees of a live actor from outside.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Messages on their way to it.
    pub queued: AtomicU32,
    /// When it last did something, in the directory's ticks.
    pub last_used: AtomicU32,
}

impl CardActor {
    pub(super) const fn new(
        hosted: Hosted,
        shared: Arc<Shared>,
        directory: Arc<Directory>,
        pulse: Arc<Pulse>,
    ) -> Self {
        Self {
            hosted,
            shared,
            directory,
            pulse,
            has_retired: false,
        }
    }

    /// Counts a message in.
    fn take(&self) {
        self.pulse.queued.fetch_sub(1, Ordering::Relaxed);
        self.pulse
            .last_used
            .store(self.directory.tick(), Ordering::Relaxed);
    }

    /// Decides a request, or sends it back for the successor if this actor has gone to rest.
    ///
    /// Messages can wait behind the one that retired it, but none can come after: the directory's
    /// slot was replaced under a lock that every sender holds.
    fn execute(&mut self, mut request: Request) -> Fresh {
        if self.has_retired {
            return (request, Err(Refusal::Moved));
        }
        let outcome = self.hosted.execute(&mut request, &self.shared);
        (request, outcome)
    }

    fn stop_when_drained(&self, context: &mut Context<Self>) {
        if self.has_retired && self.pulse.queued.load(Ordering::Relaxed) == 0 {
            context.stop();
        }
    }
}

impl Actor for CardActor {
    type Context = Context<Self>;
}

/// What must be on disk before the outcome may be told: its own record, or, since the domain's no
/// speaks of the state as it is, all that made this state.
fn lsn_of((_, result): &Fresh, last: u64) -> u64 {
    match result {
        Ok(answer) => answer.lsn(),
        Err(Refusal::Rejected(_)) => last,
        Err(_) => 0,
    }
}

fn open((request, result): Fresh, is_durable: bool) -> Outcome {
    let result = result.and_then(|undurable| undurable.open(is_durable).ok_or(Refusal::Halted));
    (request, result)
}

/// Decide, record, apply.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Execute {
    /// What is asked.
    pub request: Request,
    /// Who waits.
    pub reply: oneshot::Sender<Outcome>,
}

impl Handler<Execute> for CardActor {
    type Result = ();

    fn handle(&mut self, message: Execute, context: &mut Context<Self>) {
        self.take();
        let (fresh, reply) = (self.execute(message.request), message.reply);
        let lsn = lsn_of(&fresh, self.hosted.trail.last());
        let (shared, decided) = (self.shared.clone(), Instant::now());
        // Who asked may have gone away; what was decided stands all the same.
        self.shared.durability.release_at(lsn, move |is_durable| {
            let waited = decided.elapsed().as_secs_f64();
            shared.metrics.stage_durable.observe(waited);
            let _ = reply.send(open(fresh, is_durable));
        });
        self.stop_when_drained(context);
    }
}

/// Decide, record and apply several, in order.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ExecuteMany {
    /// What is asked, each with its place in the batch.
    pub requests: Vec<(usize, Request)>,
    /// Who waits.
    pub reply: mpsc::UnboundedSender<Vec<(usize, Outcome)>>,
}

impl Handler<ExecuteMany> for CardActor {
    type Result = ();

    fn handle(&mut self, message: ExecuteMany, context: &mut Context<Self>) {
        self.take();
        let execute = |(place, request)| (place, self.execute(request));
        let fresh: Vec<_> = message.requests.into_iter().map(execute).collect();
        let lsn = fresh
            .iter()
            .map(|(_, fresh)| lsn_of(fresh, self.hosted.trail.last()))
            .max()
            .unwrap_or(0);
        let reply = message.reply;
        self.shared.durability.release_at(lsn, move |is_durable| {
            let open = |(place, fresh)| (place, open(fresh, is_durable));
            let _ = reply.send(fresh.into_iter().map(open).collect());
        });
        self.stop_when_drained(context);
    }
}

/// Look at the state. The closure answers by itself.
#[derive(Message)]
#[rtype(result = "()")]
pub struct View(pub Box<dyn FnOnce(&Hosted) + Send>);

impl Handler<View> for CardActor {
    type Result = ();

    fn handle(&mut self, message: View, context: &mut Context<Self>) {
        self.take();
        // An actor gone to rest shows what it had when it went, which was after the question came.
        (message.0)(&self.hosted);
        self.stop_when_drained(context);
    }
}

/// Go to rest if nothing came since `idle_since` (in the directory's ticks), or vanish if there is
/// nothing to keep.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Retire {
    /// The tick since which nothing may have come.
    pub idle_since: u32,
    /// Whether who made the group has given it up: otherwise its first record is still to come.
    pub is_given_up: bool,
}

impl Handler<Retire> for CardActor {
    type Result = ();

    fn handle(&mut self, message: Retire, context: &mut Context<Self>) {
        let last_used = self.pulse.last_used.load(Ordering::Relaxed);
        self.take();
        self.pulse.last_used.store(last_used, Ordering::Relaxed);
        let is_idle = last_used <= message.idle_since;
        let is_empty = self.hosted.trail.count() == 0;
        let may_go = if is_empty {
            message.is_given_up
        } else {
            is_idle
        };
        if !self.has_retired && may_go {
            self.has_retired = true;
            self.directory.rest(&self.hosted);
        }
        self.stop_when_drained(context);
    }
}
