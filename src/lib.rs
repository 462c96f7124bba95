//! Cardwright: issues virtual cards and authorizes their payments.
pub mod domain;
pub mod journal;
pub mod wire;
