//! What comes from outside: the client's limits, rates, lists, and what origins say of their cards.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

mod client;
mod documents;
#[path = "../common/engine.rs"]
mod engine;
mod lists;
mod metadata;
mod pages;
mod polling;
mod purchases;
mod put;
#[path = "../common/server.rs"]
mod server;
