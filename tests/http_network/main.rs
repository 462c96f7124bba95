//! The contract of the network face, over HTTP, against the real program.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "../common/server.rs"]
mod server;

mod authorize;
mod batch;
mod list;
mod money;
mod replay;
mod steps;
