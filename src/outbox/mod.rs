//! What happened, told to whoever wants to know: events made of the log's records, and their delivery.
//!
//! Nothing here stands on an authorization's path: it reads what is durable already.

pub mod event;
pub mod feed;
pub mod names;
