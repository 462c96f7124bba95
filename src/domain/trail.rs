//! How an actor finds its own records in the log, newest first or at a moment, without an index.
//!
//! Record `n` points at record `n − 1` and at `n` with its lowest set bit cleared. Following the two,
//! any earlier record is reached in a logarithm of steps, and an actor has to remember only the
//! positions of the prefixes of its count's binary form: a handful.

/// The positions an actor remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// `(record number, position)`, growing; the last is the newest record.
    anchors: Vec<(u64, u64)>,
}

/// Where a record points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The position of the record before, 0 for none.
    pub previous: u64,
    /// The position of the record numbered with the lowest set bit cleared, 0 for none.
    pub skip: u64,
}

impl Trail {
    /// Puts a trail together again from what a snapshot holds.
    #[must_use]
    pub const fn from_anchors(anchors: Vec<(u64, u64)>) -> Self {
        Self { anchors }
    }

    /// What a snapshot holds.
    #[must_use]
    pub fn anchors(&self) -> &[(u64, u64)] {
        &self.anchors
    }

    /// The number of the newest record, 0 for none.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.anchors.last().map_or(0, |(number, _)| *number)
    }

    /// The position of the newest record, 0 for none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.anchors.last().map_or(0, |(_, position)| *position)
    }

    /// Where the next record will point.
    #[must_use]
    pub fn next_links(&self) -> Links {
        let number = self.count().saturating_add(1);
        let target = clear_lowest_bit(number);
        let anchor = self.anchors.iter().find(|(known, _)| *known == target);
        Links {
            previous: self.last(),
            skip: anchor.map_or(0, |(_, position)| *position),
        }
    }

    /// Remembers the next record's position.
    pub fn push(&mut self, position: u64) {
        let number = self.count().saturating_add(1);
        let target = clear_lowest_bit(number);
        while self
            .anchors
            .last()
            .is_some_and(|(known, _)| *known > target)
        {
            self.anchors.pop();
        }
        self.anchors.push((number, position));
    }
}

const fn clear_lowest_bit(number: u64) -> u64 {
    number & number.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_earlier_record_is_reached_in_few_steps() {
        let mut trail = Trail::default();
        let mut links = BTreeMap::new();
        for number in 1..=2_000_u64 {
            links.insert(number * 10, trail.next_links());
            trail.push(number * 10);
            assert!(trail.anchors().len() <= 11, "after {number}");
        }
        assert_eq!(trail.count(), 2_000);
        for wanted in 1..=2_000_u64 {
            let mut at = trail.last();
            let mut steps = 0;
            while at != wanted * 10 {
                let from = links[&at];
                at = if from.skip >= wanted * 10 {
                    from.skip
                } else {
                    from.previous
                };
                steps += 1;
            }
            assert!(steps <= 60, "{wanted} took {steps}");
        }
    }
}
