//! Cardwright.
