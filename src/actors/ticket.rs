//! Requests on their way to cards and back: made once by who asks, handed on by reference, and home
//! again when what came of them is on disk.

use std::{sync::Arc, time::Instant};

use tokio::sync::{mpsc, oneshot};

use super::{
    desk::Place,
    durability::{Lane, Parcel},
    hosted::{Answer, Refusal, Request, Undurable},
};
use crate::domain::ids::ActorId;

/// What came of a request a moment ago, not yet on disk.
pub(super) type Fresh = Result<Undurable<Answer>, Refusal>;

/// One request.
pub struct Ticket {
    /// What is asked.
    pub(super) request: Request,
    /// Whom.
    pub(super) actor: ActorId,
    /// Where who asks waits.
    pub(super) lane: Arc<Lane>,
    fresh: Option<Fresh>,
    decided: Option<Instant>,
    is_durable: bool,
    reply: Option<oneshot::Sender<Box<Self>>>,
}

impl Ticket {
    /// A request that was not sent yet.
    pub(super) fn new(request: Request, lane: Arc<Lane>) -> Box<Self> {
        Box::new(Self {
            request,
            actor: ActorId(0),
            lane,
            fresh: None,
            decided: None,
            is_durable: false,
            reply: None,
        })
    }

    /// Makes it ready to be sent to `actor`, and tells where it will come back.
    pub(super) fn address(&mut self, actor: ActorId) -> oneshot::Receiver<Box<Self>> {
        let (reply, home) = oneshot::channel();
        (self.actor, self.reply) = (actor, Some(reply));
        home
    }

    /// Notes what came of it, not to be read before it is on disk.
    pub(super) fn seal(&mut self, fresh: Fresh) {
        (self.fresh, self.decided) = (Some(fresh), Some(Instant::now()));
    }

    /// What came of it: an answer is on disk.
    pub(super) fn open(&mut self) -> Result<Answer, Refusal> {
        open(self.fresh.take(), self.is_durable)
    }
}

impl Parcel for Ticket {
    fn decided(&self) -> Option<Instant> {
        self.decided
    }

    fn arrive(mut self: Box<Self>, is_durable: bool) {
        self.is_durable = is_durable;
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(self);
        }
    }
}

fn open(fresh: Option<Fresh>, is_durable: bool) -> Result<Answer, Refusal> {
    let undurable = fresh.unwrap_or(Err(Refusal::Unavailable))?;
    undurable.open(is_durable).ok_or(Refusal::Halted)
}

/// One request among many.
pub(super) struct Item {
    /// Its place in the batch.
    pub(super) number: usize,
    /// Whom.
    pub(super) actor: ActorId,
    /// Where that sits.
    pub(super) place: Place,
    /// Whether no other item of the batch is for the same card after it.
    pub(super) is_last: bool,
    /// What is asked.
    pub(super) request: Request,
    /// What came of it.
    pub(super) fresh: Option<Fresh>,
}

impl Item {
    /// The request and what came of it, if that is on disk.
    pub(super) fn open(self, is_durable: bool) -> (Request, Result<Answer, Refusal>) {
        (self.request, open(self.fresh, is_durable))
    }
}

/// The requests of a batch for the cards of one thread.
pub(super) struct Errand {
    /// In the order of the batch.
    pub(super) items: Vec<Item>,
    /// How many of them are done.
    pub(super) done: usize,
    /// What must be on disk before any of it may be told.
    pub(super) lsn: u64,
    /// Where who asks waits.
    pub(super) lane: Arc<Lane>,
    /// Whether it came back with all of it on disk.
    pub(super) is_durable: bool,
    reply: mpsc::UnboundedSender<Box<Self>>,
}

impl Errand {
    /// Nothing to do yet.
    pub(super) fn new(lane: Arc<Lane>, reply: mpsc::UnboundedSender<Box<Self>>) -> Box<Self> {
        Box::new(Self {
            items: Vec::new(),
            done: 0,
            lsn: 0,
            lane,
            is_durable: false,
            reply,
        })
    }
}

impl Parcel for Errand {
    fn decided(&self) -> Option<Instant> {
        None
    }

    fn arrive(mut self: Box<Self>, is_durable: bool) {
        self.is_durable = is_durable;
        let reply = self.reply.clone();
        let _ = reply.send(self);
    }
}
