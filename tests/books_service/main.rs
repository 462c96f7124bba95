//! The books' service over an engine in process: transactions of all kinds, across actors, raced, by the
//! time, and after a crash behind any record.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

mod bulks;
mod crash;
mod house;
mod inflight;
mod refunds;
mod singles;
mod splits;
