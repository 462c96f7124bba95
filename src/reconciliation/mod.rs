//! Reconciliation: somebody else's records against the transactions of the ledger.
//!
//! `record`, `rules`, `groups`, `matcher`, `explain` and what they use are pure: records in, pairs and reasons
//! out, without a float; `work` makes one report of them. `intake` reads files into records, `report` writes
//! what came of a run, `store` knows what is kept, and `runs` runs one after another beside the requests.

pub mod explain;
pub mod groups;
pub mod intake;
pub mod matcher;
pub mod record;
pub mod report;
pub mod rules;
pub mod runs;
pub mod store;
pub mod work;

mod assign;
mod candidates;
mod text;
