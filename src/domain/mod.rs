//! The rules of money and cards: pure and synchronous, a function of its arguments and nothing else.
//!
//! No clock, randomness, files, actors or logging in here. [`decide::decide`] says what a command
//! would do and changes nothing; [`apply::apply`] does it and cannot refuse.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic
)]

pub mod account;
pub mod apply;
pub mod books;
pub mod card;
pub mod command;
pub mod compliance;
pub mod country;
pub mod decide;
pub mod decimal;
pub mod decision;
pub mod documents;
pub mod event;
pub mod explanation;
pub mod funds;
pub mod group;
pub mod hold;
pub mod identity;
pub mod ids;
pub mod kept;
pub mod lists;
pub mod merchant;
pub mod money;
pub mod outbox;
pub mod outcome;
pub mod policy;
pub mod posting;
pub mod quotes;
pub mod rate;
pub mod rates;
pub mod registry;
pub mod texts;
pub mod time;
pub mod trail;
pub mod uuids;
