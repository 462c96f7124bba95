//! The commands of the program.

pub mod bench;
pub mod inspect;
pub mod keys;
pub mod ledger;
pub mod listen;
pub mod seed;
pub mod snapshot;
pub mod verify;

mod data_dir;
mod live;
mod outcome;
mod progress;
mod stop;
mod table;
