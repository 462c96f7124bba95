//! Which of many possible pairs are taken: the nearest first, then as many as can be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::rules::Cost;

/// A possible pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    // The order of the fields is the order in which pairs are taken.
    pub(super) cost: Cost,
    pub(super) external: u32,
    pub(super) internal: u32,
}

/// How many records are looked at to make room for one more pair.
const LOOKED_AT_MAX: usize = 512;

/// The pairs that are taken: each record in one at the most. Nearest pairs are taken first; then a record
/// that found all its candidates taken gets one if those that have them can do with others.
pub(super) fn assign(mut edges: Vec<Edge>) -> Vec<(u32, u32)> {
    edges.sort_unstable();
    edges.dedup();
    let mut taken = Taken::default();
    for edge in &edges {
        taken.take_if_free(edge.external, edge.internal);
    }
    // By external record, the nearest candidate first.
    edges.sort_unstable_by_key(|edge| (edge.external, edge.cost, edge.internal));
    let candidates = |external: u32| {
        let from = edges.partition_point(|edge| edge.external < external);
        let rest = edges.get(from..).unwrap_or_default();
        rest.iter()
            .take_while(move |edge| edge.external == external)
            .map(|edge| edge.internal)
    };
    let mut left: Vec<u32> = edges.iter().map(|edge| edge.external).collect();
    left.dedup();
    left.retain(|external| !taken.internal_of.contains_key(external));
    for external in left {
        taken.make_room(external, &candidates);
    }
    taken.internal_of.into_iter().collect()
}

#[derive(Default)]
struct Taken {
    internal_of: BTreeMap<u32, u32>,
    external_of: BTreeMap<u32, u32>,
}

impl Taken {
    fn take(&mut self, external: u32, internal: u32) {
        self.internal_of.insert(external, internal);
        self.external_of.insert(internal, external);
    }

    fn take_if_free(&mut self, external: u32, internal: u32) {
        let is_free =
            !self.internal_of.contains_key(&external) && !self.external_of.contains_key(&internal);
        if is_free {
            self.take(external, internal);
        }
    }

    /// Looks for a chain of records of which each can give its partner to the one before and take another,
    /// the last a free one. Nobody loses a partner by it.
    fn make_room<I: Iterator<Item = u32>>(&mut self, first: u32, candidates: &impl Fn(u32) -> I) {
        let mut asked_by: BTreeMap<u32, u32> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut waiting = VecDeque::from([first]);
        while let Some(external) = waiting.pop_front() {
            for internal in candidates(external) {
                if seen.len() >= LOOKED_AT_MAX {
                    return;
                }
                if !seen.insert(internal) {
                    continue;
                }
                asked_by.insert(internal, external);
                match self.external_of.get(&internal) {
                    Some(holder) => waiting.push_back(*holder),
                    None => return self.shift(internal, &asked_by),
                }
            }
        }
    }

    fn shift(&mut self, free: u32, asked_by: &BTreeMap<u32, u32>) {
        let mut internal = free;
        while let Some(external) = asked_by.get(&internal).copied() {
            let before = self.internal_of.get(&external).copied();
            self.take(external, internal);
            match before {
                Some(before) => internal = before,
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(drift: u64, external: u32, internal: u32) -> Edge {
        let cost = Cost {
            drift,
            ..Cost::default()
        };
        Edge {
            cost,
            external,
            internal,
        }
    }

    #[test]
    fn the_nearest_come_first() {
        let taken = assign(vec![edge(5, 0, 0), edge(1, 1, 0), edge(7, 0, 1)]);
        assert_eq!(taken, [(0, 1), (1, 0)]);
    }

    #[test]
    fn room_is_made_along_a_chain() {
        // 0 takes 0 first; 1 can only have 0; 0 goes on to 1, which 2 gives up for 2.
        let edges = vec![
            edge(0, 0, 0),
            edge(3, 1, 0),
            edge(4, 0, 1),
            edge(1, 2, 1),
            edge(9, 2, 2),
        ];
        assert_eq!(assign(edges), [(0, 1), (1, 0), (2, 2)]);
    }

    #[test]
    fn whoever_cannot_be_placed_is_left() {
        assert_eq!(assign(vec![edge(1, 0, 0), edge(2, 1, 0)]), [(0, 0)]);
        assert_eq!(assign(Vec::new()), []);
    }
}
