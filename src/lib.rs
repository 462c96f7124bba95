//! Cardwright: issues virtual cards and authorizes their payments.
//!
//! Read in this order: [`domain`] (the rules), [`wire`] (their bytes), [`journal`] (the log),
//! [`actors`] (the shell), [`access`] (tokens and codes), [`vault`] (keys), [`tokens`] (a card on a device),
//! [`replay`] (what the log folds to), [`outside`] (rates and lists from elsewhere), [`decisions`] (asking
//! programmes before an approval), [`outbox`] (events and their delivery), [`books`]
//! (transactions across actors), [`monitors`] (watches on balances), [`search`] (what is found by other things
//! than its name), [`reconciliation`] (external records against transactions), [`threads`]
//! (where they run), [`http`] (the faces), [`app`]
//! (the whole, wired).

pub mod access;
pub mod actors;
pub mod app;
pub mod books;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decisions;
pub mod domain;
pub mod http;
pub mod journal;
pub mod json;
pub mod monitors;
pub mod outbox;
pub mod outside;
pub mod reconciliation;
pub mod replay;
pub mod search;
pub mod telemetry;
pub mod threads;
pub mod tokens;
pub mod vault;
pub mod wire;
