//! A small fast random generator: the load must vary, not be unpredictable.

use std::hash::{BuildHasher, Hasher, RandomState};

/// `SplitMix64`. Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators".
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, by multiplication instead of division.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.next_u64()) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    pub(super) fn percent(&mut self) -> u8 {
        u8::try_from(self.below(100)).unwrap_or(0)
    }
}

/// A number that differs from run to run, from the hash seeds of the standard library.
pub(super) fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut rng = Rng::from_seed(7);
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            seen[rng.below(10)] += 1;
        }
        assert!(
            seen.iter().all(|count| (800..1200).contains(count)),
            "seed 7: {seen:?}"
        );
    }

    #[test]
    fn entropy_differs() {
        assert_ne!(entropy(), entropy());
    }
}
