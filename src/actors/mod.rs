//! The thin shell around the domain: one actor for each group of accounts, found by a directory,
//! looked after by a supervisor. No rule of money is in here.
//!
//! The order of things inside one message: reserve a place in the log, claim the request's keys,
//! decide, hand the record over, apply, answer. All of it happens without a wait; only the one who
//! asked waits for the disk ([`Undurable::durable`]).

pub mod agenda;
pub mod booked;
mod card_actor;
pub mod courier;
mod desk;
pub mod directory;
pub mod durability;
pub mod engine;
pub mod expiry;
pub mod facts;
pub mod hosted;
pub mod indexes;
pub mod joining;
pub mod keys;
mod moment;
pub mod names;
pub mod number_hash;
mod principals;
pub mod recall;
pub mod registrar;
pub mod replies;
pub mod snapshots;
pub mod supervisor;
mod ticket;
mod wide_map;

pub use durability::Undurable;
pub use engine::{Engine, EngineError};
pub use hosted::{Answer, Refusal, Request, Target};
pub use replies::{Replies, Reply};
pub use ticket::{Said, Telling, Ticket};
