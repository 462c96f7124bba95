//! A shared map for what there are millions of.

use std::{
    fmt,
    hash::{BuildHasher, Hash},
    ops::Deref,
};

use dashmap::DashMap;

use super::number_hash::NumberHash;

/// How many parts it has. Each grows by itself, all of it at once, and whoever adds to it waits: with as
/// few as usual (four a processor) that is milliseconds at a million entries, and a processor does nothing
/// else meanwhile.
const PARTS: usize = 4_096;

/// A [`DashMap`] of many parts.
pub(super) struct WideMap<K, V, S = NumberHash>(DashMap<K, V, S>);

impl<K, V, S> fmt::Debug for WideMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WideMap")
    }
}

impl<K: Eq + Hash, V, S: BuildHasher + Clone + Default> Default for WideMap<K, V, S> {
    fn default() -> Self {
        Self(DashMap::with_hasher_and_shard_amount(S::default(), PARTS))
    }
}

impl<K, V, S> Deref for WideMap<K, V, S> {
    type Target = DashMap<K, V, S>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_holds_many() {
        let map = WideMap::<u64, ()>::default();
        // Numbers as accounts have them: one after the other.
        for number in 0..500_000 {
            map.insert(number, ());
        }
        for held in [0, 1, 77_777, 499_999] {
            let _held = map.get_mut(&held);
            let locked = (0..500_000).filter(|number| map.try_get(number).is_locked());
            let locked = locked.count();
            assert!((1..500).contains(&locked), "{locked} beside {held}");
        }
    }
}
