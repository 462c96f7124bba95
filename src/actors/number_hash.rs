//! A hasher for our own numbers: ids that we give out, and keys that are hashes already.
//!
//! Nobody outside chooses them, so nothing has to be guarded against, and one multiplication spreads
//! them over a map's shards and buckets.

use std::hash::{BuildHasher, Hasher};

/// Hashes a number by one multiplication.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberHash(u64);

/// An odd number near 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

impl BuildHasher for NumberHash {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for NumberHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Eight at a time: an array of numbers comes as one piece.
        let (numbers, rest) = bytes.as_chunks();
        for number in numbers {
            self.write_u64(u64::from_ne_bytes(*number));
        }
        for byte in rest {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0.rotate_left(32) ^ number).wrapping_mul(MULTIPLIER);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_usize(&mut self, _: usize) {
        // The length of an array of a fixed length tells nothing.
    }
}
