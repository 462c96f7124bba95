//! Looks after the actors: ends holds whose time ran out, finishes transfers, puts idle cards to
//! rest, forgets old keys.

use std::{sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, Handler, Message, WrapFuture};

use super::{
    courier,
    engine::{Engine, EngineError},
    hosted::{Request, Target},
};
use crate::domain::{
    command::Command,
    ids::{ActorId, AuthorizationId},
    time::Timestamp,
};

/// How the supervisor goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Care {
    /// How often holds are looked at.
    pub expiry_every: Duration,
    /// After how many seconds without a message a card goes to rest.
    pub idle_s: u32,
    /// How many cards may be live before idle ones go to rest at once.
    pub live_max: usize,
    /// How long an `Idempotency-Key` is remembered, in seconds.
    pub key_retention_s: i64,
}

/// The supervisor.
pub struct Supervisor {
    engine: Arc<Engine>,
    care: Care,
    is_expiring: bool,
    is_delivering: bool,
}

/// How many holds are ended in one go.
const EXPIRE_MAX: usize = 4_096;
/// How many transfers are finished in one go.
const DELIVER_MAX: usize = 1_024;

impl Supervisor {
    /// A supervisor of `engine`.
    #[must_use]
    pub const fn new(engine: Arc<Engine>, care: Care) -> Self {
        Self {
            engine,
            care,
            is_expiring: false,
            is_delivering: false,
        }
    }

    fn expire(&mut self, context: &mut Context<Self>) {
        if self.is_expiring {
            return;
        }
        let now = self.engine.shared.clock.now();
        let due = self.engine.shared.expiry.take_due(now, EXPIRE_MAX);
        if due.is_empty() {
            return;
        }
        self.is_expiring = true;
        let (engine, address) = (self.engine.clone(), context.address());
        let work = async move {
            expire_all(&engine, due).await;
            address.do_send(Done::Expiring);
        };
        context.spawn(work.into_actor(self));
    }

    fn deliver(&mut self, context: &mut Context<Self>) {
        if self.is_delivering || self.engine.shared.outgoing.is_empty() {
            return;
        }
        self.is_delivering = true;
        let (engine, address) = (self.engine.clone(), context.address());
        let work = async move {
            courier::deliver_all(&engine, DELIVER_MAX).await;
            address.do_send(Done::Delivering);
        };
        context.spawn(work.into_actor(self));
    }

    fn tidy(&mut self, _: &mut Context<Self>) {
        self.engine
            .directory
            .sweep(self.care.idle_s, self.care.live_max);
        let now = self.engine.shared.clock.now();
        let oldest = now.seconds().saturating_sub(self.care.key_retention_s);
        let oldest = Timestamp::from_micros(oldest.saturating_mul(1_000_000));
        self.engine.shared.keys.forget_before(oldest);
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_interval(self.care.expiry_every, Self::expire);
        context.run_interval(Duration::from_secs(1), Self::deliver);
        context.run_interval(Duration::from_secs(1), Self::tidy);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
enum Done {
    Expiring,
    Delivering,
}

impl Handler<Done> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: Done, context: &mut Context<Self>) {
        match message {
            Done::Expiring => {
                self.is_expiring = false;
                // More may be due than one go takes.
                self.expire(context);
            }
            Done::Delivering => self.is_delivering = false,
        }
    }
}

/// Ends holds; one that has ended otherwise meanwhile is passed over.
pub async fn expire_all(engine: &Engine, due: Vec<(ActorId, AuthorizationId)>) {
    let request = |id| Request {
        target: Target::Authorization(id),
        origin: None,
        command: Command::Expire(id),
        keys: Vec::new(),
        fingerprint: 0,
        recalled: None,
    };
    let requests = due.iter().map(|(_, id)| request(*id)).collect();
    let answers = engine.execute_batch(requests).await;
    for ((actor, id), answer) in due.into_iter().zip(answers) {
        match answer {
            Ok(_) | Err(EngineError::Rejected(_)) => {}
            Err(error) => {
                tracing::warn!(%id, %error, "a hold could not be ended now; it is tried again");
                let soon = engine.shared.clock.now().plus_seconds(1);
                engine.shared.expiry.schedule(actor, id, soon);
            }
        }
    }
}
