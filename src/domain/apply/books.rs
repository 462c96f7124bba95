//! Transactions of the ledger face.

use super::{Stamp, move_money};
use crate::domain::{books::Booked, group::Group};

pub(super) fn apply(group: &mut Group, booked: &Booked, _stamp: Stamp) {
    move_money(group, &booked.movement);
}
