//! The programme face over real HTTP: a server process, two programmes, restarts.
#![allow(clippy::indexing_slicing, reason = "a test may stop at a wrong index")]

mod accounts;
mod controls;
mod keys;
mod money;
mod movements;
mod refusals;
mod server;
