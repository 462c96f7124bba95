//! The rules of money end to end: over HTTP, on the real program, through kills and restarts.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "../common/server.rs"]
mod server;

mod cashback;
mod controls;
mod conversion;
mod earners;
mod house;
mod pockets;
mod refusals;
mod restart;
mod simulate;
