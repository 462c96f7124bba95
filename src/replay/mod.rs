//! Readers that fold the log: recovery, the trial balance, time travel.

pub mod recovery;
pub mod shard;
pub mod totals;
