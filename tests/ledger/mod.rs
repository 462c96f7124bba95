//! The books and their model, played side by side.

pub(crate) mod model;
pub(crate) mod ops;
pub(crate) mod play;
mod said;
mod steps;
mod world;
