//! A plain model of the money rules, and random houses, cards and purchases to hold it against.

pub(crate) mod cases;
pub(crate) mod model;
pub(crate) mod play;
pub(crate) mod ratio;
mod steps;
