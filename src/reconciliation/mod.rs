//! Reconciliation: somebody else's records against the transactions of the ledger.
//!
//! `record`, `rules`, `matcher` and what they use are pure: records in, pairs out, without a float. `intake`
//! reads files into records, `results` writes what came of a run, `runs` runs one after another on a thread
//! of its own and remembers them as documents of the registry.

pub mod explain;
pub mod groups;
pub mod matcher;
pub mod record;
pub mod rules;

mod assign;
mod candidates;
mod text;
