//! The keys of past requests: same key, same answer.

use std::{collections::VecDeque, num::NonZeroU64};

use dashmap::Entry;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::wide_map::WideMap;
use crate::{
    domain::time::Timestamp,
    wire::{Key, KeyLife},
};

/// What a claim finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody used the key; it is the caller's now.
    New,
    /// A record stands for it.
    Known(u64),
    /// Another request holds it at this moment.
    Contested,
}

/// A record's position with the key's life in the lowest bit; 0 for a claim in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held(u64);

impl Held {
    const CLAIMED: Self = Self(0);

    const fn new(lsn: u64, life: KeyLife) -> Self {
        let bit = match life {
            KeyLife::Permanent => 0,
            KeyLife::Expiring => 1,
        };
        Self((lsn << 1) | bit)
    }

    const fn lsn(self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.0 >> 1)
    }

    const fn life(self) -> KeyLife {
        if self.0 & 1 == 0 {
            KeyLife::Permanent
        } else {
            KeyLife::Expiring
        }
    }
}

/// Which record stands for which key.
#[derive(Debug, Default)]
pub struct Keys {
    records: WideMap<Key, Held>,
    /// Expiring keys in the order of their time, seconds.
    expiring: Mutex<VecDeque<(i64, Key)>>,
}

impl Keys {
    /// Claims `key`, or says what stands for it. Two racing claims never both get
    /// [`Claim::New`].
    pub fn claim(&self, key: Key) -> Claim {
        match self.records.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Held::CLAIMED);
                Claim::New
            }
            Entry::Occupied(known) => match known.get().lsn() {
                Some(lsn) => Claim::Known(lsn.get()),
                None => Claim::Contested,
            },
        }
    }

    /// Gives a claim back.
    pub fn release(&self, key: Key) {
        self.records
            .remove_if(&key, |_, held| *held == Held::CLAIMED);
    }

    /// Says which record stands for a key, claimed before or read from the log.
    pub fn settle(&self, key: Key, life: KeyLife, lsn: u64, time: Timestamp) {
        self.records.insert(key, Held::new(lsn, life));
        if life == KeyLife::Expiring {
            self.expiring.lock().push_back((time.seconds(), key));
        }
    }

    /// The record that stands for `key`.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<u64> {
        self.records
            .get(&key)
            .and_then(|held| held.lsn())
            .map(NonZeroU64::get)
    }

    /// Forgets expiring keys from before `moment`.
    pub fn forget_before(&self, moment: Timestamp) {
        let mut expiring = self.expiring.lock();
        while let Some((seconds, key)) = expiring.front().copied() {
            if seconds >= moment.seconds() {
                return;
            }
            expiring.pop_front();
            self.records.remove(&key);
        }
    }

    /// How many keys are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Calls `visit` with every settled key, in batches, for a snapshot.
    ///
    /// # Errors
    ///
    /// The first error of `visit`.
    pub fn for_each_batch<E>(
        &self,
        batch: usize,
        mut visit: impl FnMut(Vec<(Key, KeyLife, u64)>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut items = Vec::with_capacity(batch);
        for known in self.records.iter() {
            let Some(lsn) = known.value().lsn() else {
                continue;
            };
            items.push((*known.key(), known.value().life(), lsn.get()));
            if items.len() == batch {
                visit(std::mem::replace(&mut items, Vec::with_capacity(batch)))?;
            }
        }
        if items.is_empty() {
            Ok(())
        } else {
            visit(items)
        }
    }
}

/// The key of `text` under an origin and a class of requests (`authorization`, `capture`, …).
#[must_use]
pub fn key_of(origin: &str, class: &str, text: &str) -> Key {
    let mut hash = Sha256::new();
    for part in [origin, class, text] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let half = |from: usize| {
        let bytes = digest
            .get(from..from.saturating_add(8))
            .and_then(|b| b.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    Key([half(0), half(8)])
}
