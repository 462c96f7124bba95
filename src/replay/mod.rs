//! Readers that fold the log: recovery, the trial balance, time travel; and one that walks it back.

pub mod history;
pub mod recovery;
pub mod shard;
pub mod sum;
pub mod totals;
pub mod verify;
