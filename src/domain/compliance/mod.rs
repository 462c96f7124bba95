//! What an origin wants verified of a holder before it may act, what is verified, and how much a holder
//! may send. Pure: documents in, answers out.

pub mod file;
pub mod policy;
pub mod spent;

pub use file::{Outcome, Standing, VerificationFile};
pub use policy::{Gate, Policy, PolicyError};
pub use spent::{Span, Spent};
