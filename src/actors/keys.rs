//! The keys of past requests: same key, same answer.

use std::{collections::VecDeque, num::NonZeroU64};

use dashmap::{
    Entry,
    mapref::{multiple::RefMulti, one::RefMut},
};
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

    const fn claim(self) -> Claim {
        match self.lsn() {
            Some(lsn) => Claim::Known(lsn.get()),
            None => Claim::Contested,
        }
    }

    const fn life(self) -> KeyLife {
        if self.0 & 1 == 0 {
            KeyLife::Permanent
        } else {
            KeyLife::Expiring
        }
    }
}

/// How many keys are taken out of the map at once for a snapshot, unless that would take too many rounds.
const KEYS_PER_ROUND: usize = 1 << 18;
/// The most rounds: each goes through all keys.
const ROUNDS_MAX: usize = 16;

/// A permanent key that is claimed, with its part of the map locked: for as long as it takes to decide one
/// request, and no other key may be asked for meanwhile.
///
/// What is written where the key will stand is on its way there while the request is decided: given back
/// at once, the lock would wait for it.
pub(super) struct Claimed<'a>(RefMut<'a, Key, Held>);

/// The keys of a request while it is decided.
pub(super) enum Claims<'a> {
    /// Its only key, as most have it.
    One(Claimed<'a>),
    /// Each by itself.
    Each,
}

impl Claims<'_> {
    /// Gives them back.
    pub(super) fn release(self, of: &[(Key, KeyLife)], keys: &Keys) {
        // It unlocks the map.
        drop(self);
        for (key, _) in of {
            keys.release(*key);
        }
    }

    /// Says which record stands for them.
    pub(super) fn settle(self, of: &[(Key, KeyLife)], keys: &Keys, (lsn, time): (u64, Timestamp)) {
        match self {
            Self::One(mut claimed) => *claimed.0 = Held::new(lsn, KeyLife::Permanent),
            Self::Each => {
                for (key, life) in of {
                    keys.settle(*key, *life, lsn, time);
                }
            }
        }
    }
}

/// Which record stands for which key.
#[derive(Debug, Default)]
pub struct Keys {
    records: WideMap<Key, Held>,
    /// Expiring keys in the order of their time, seconds, with the record that stands for each.
    expiring: Mutex<VecDeque<(i64, Key, u64)>>,
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
            Entry::Occupied(known) => known.get().claim(),
        }
    }

    /// Claims all keys of a request, or none and says what stands for one.
    pub(super) fn claim_all(&self, keys: &[(Key, KeyLife)]) -> Result<Claims<'_>, Claim> {
        if let [(key, KeyLife::Permanent)] = keys {
            return match self.records.entry(*key) {
                Entry::Vacant(vacant) => Ok(Claims::One(Claimed(vacant.insert(Held::CLAIMED)))),
                Entry::Occupied(known) => Err(known.get().claim()),
            };
        }
        for (taken, (key, _)) in keys.iter().enumerate() {
            let claim = self.claim(*key);
            if claim == Claim::New {
                continue;
            }
            for (key, _) in keys.iter().take(taken) {
                self.release(*key);
            }
            return Err(claim);
        }
        Ok(Claims::Each)
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
            let expiring = (time.seconds(), key, lsn);
            self.expiring.lock().push_back(expiring);
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
        while let Some((seconds, key, lsn)) = expiring.front().copied() {
            if seconds >= moment.seconds() {
                return;
            }
            expiring.pop_front();
            // It may stand here twice, from a snapshot and the log behind it, and be another's by now.
            let is_own = |_: &Key, held: &Held| held.lsn().map(NonZeroU64::get) == Some(lsn);
            self.records.remove_if(&key, is_own);
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

    /// Calls `visit` with every settled key, in batches, for a snapshot. No part of the map is locked while
    /// it visits, which may take as long as a disk does.
    ///
    /// # Errors
    ///
    /// The first error of `visit`.
    pub fn for_each_batch<E>(
        &self,
        batch: usize,
        visit: impl FnMut(Vec<(Key, KeyLife, u64)>) -> Result<(), E>,
    ) -> Result<(), E> {
        let rounds = self.records.len() / KEYS_PER_ROUND + 1;
        self.for_each_in(rounds.min(ROUNDS_MAX), batch, visit)
    }

    /// Takes a share of the keys out in each round: all of them at once would be as much again in memory.
    fn for_each_in<E>(
        &self,
        rounds: usize,
        batch: usize,
        mut visit: impl FnMut(Vec<(Key, KeyLife, u64)>) -> Result<(), E>,
    ) -> Result<(), E> {
        for round in 0..rounds {
            // Keys are hashes: their numbers share them out evenly.
            let is_of_round = |Key([_, number]): &Key| {
                let number = usize::try_from(number >> 32).unwrap_or(0);
                number.checked_rem(rounds) == Some(round)
            };
            let settled = |known: RefMulti<'_, Key, Held>| {
                let (key, held) = known.pair();
                let lsn = held.lsn().filter(|_| is_of_round(key))?;
                Some((*key, held.life(), lsn.get()))
            };
            let share: Vec<_> = self.records.iter().filter_map(settled).collect();
            for items in share.chunks(batch.max(1)) {
                visit(items.to_vec())?;
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn key(text: &str, life: KeyLife) -> (Key, KeyLife) {
        (key_of("sandbox", "authorization", text), life)
    }

    /// What stands for the keys, if they cannot be had; given back if they can.
    fn ask(keys: &Keys, of: &[(Key, KeyLife)]) -> Option<Claim> {
        match keys.claim_all(of) {
            Ok(claims) => {
                claims.release(of, keys);
                None
            }
            Err(claim) => Some(claim),
        }
    }

    #[test]
    fn keys_are_one_request_s_until_they_are_settled_or_given_back() {
        let (one, two) = (
            key("ctx-1", KeyLife::Permanent),
            key("ctx-2", KeyLife::Expiring),
        );
        for of in [vec![one], vec![two], vec![one, two], vec![two, one], vec![]] {
            let keys = Keys::default();
            assert_eq!(ask(&keys, &of), None);
            // What was given back is as if it had never been asked for.
            assert!(keys.is_empty());
            let Ok(claims) = keys.claim_all(&of) else {
                panic!("{of:?} are new");
            };
            claims.settle(&of, &keys, (7, NOW));
            for (key, life) in &of {
                assert_eq!(keys.get(*key), Some(7));
                assert_eq!(ask(&keys, &[(*key, *life)]), Some(Claim::Known(7)));
                // What a record stands for is not given back.
                keys.release(*key);
                assert_eq!(keys.get(*key), Some(7));
            }
            assert_eq!(keys.len(), of.len());
        }
    }

    #[test]
    fn of_several_keys_none_is_had_if_one_is_another_s() {
        let keys = Keys::default();
        let (one, two) = (
            key("ctx-1", KeyLife::Permanent),
            key("ctx-2", KeyLife::Permanent),
        );
        assert_eq!(keys.claim(two.0), Claim::New);
        assert_eq!(ask(&keys, &[two]), Some(Claim::Contested));
        assert_eq!(ask(&keys, &[one, two]), Some(Claim::Contested));
        assert_eq!(ask(&keys, &[one]), None);
    }

    #[test]
    fn a_key_that_is_used_again_is_not_forgotten_for_its_first_time() {
        let keys = Keys::default();
        let (key, life) = key("retry-1", KeyLife::Expiring);
        let later = Timestamp::from_micros(9_000_000);
        // As recovery may find it, in a snapshot and in the log.
        keys.settle(key, life, 7, NOW);
        keys.settle(key, life, 7, NOW);
        keys.settle(key, life, 8, later);
        keys.forget_before(later);
        assert_eq!(keys.get(key), Some(8));
        keys.forget_before(Timestamp::from_micros(10_000_000));
        assert_eq!((keys.get(key), keys.is_empty()), (None, true));
    }

    #[test]
    fn nobody_waits_for_a_snapshot_of_the_keys() {
        let keys = Keys::default();
        let lsn_of = |number: u64| number + 1;
        // Hashes, as keys are.
        let all: Vec<_> = (0..20_000)
            .map(|number: u64| key(&number.to_string(), KeyLife::Permanent))
            .collect();
        for ((key, life), number) in all.iter().zip(0..) {
            keys.settle(*key, *life, lsn_of(number), NOW);
        }
        let claimed = key("ctx-1", KeyLife::Permanent).0;
        assert_eq!(keys.claim(claimed), Claim::New);
        let due: Vec<_> = all
            .iter()
            .zip(0..)
            .map(|((key, life), number)| (lsn_of(number), *key, *life))
            .collect();
        for rounds in [1, 7, ROUNDS_MAX] {
            let mut seen = Vec::new();
            let visited: Result<(), ()> = keys.for_each_in(rounds, 1_000, |batch| {
                assert!((1..=1_000).contains(&batch.len()));
                let is_locked =
                    |(key, _): &&(Key, KeyLife)| keys.records.try_get_mut(key).is_locked();
                let locked = all.iter().filter(is_locked).count();
                assert_eq!(locked, 0, "a visit may take as long as a disk does");
                seen.extend(batch.into_iter().map(|(key, life, lsn)| (lsn, key, life)));
                Ok(())
            });
            assert_eq!(visited, Ok(()));
            seen.sort_unstable_by_key(|(lsn, ..)| *lsn);
            assert_eq!(seen, due, "{rounds} rounds");
        }
        assert_eq!(keys.for_each_batch(9, |_| Err(7)), Err(7));
    }

    #[test]
    fn of_many_threads_that_want_a_key_one_gets_it() {
        let keys = Keys::default();
        let of = [key("ctx-1", KeyLife::Permanent)];
        let got = std::thread::scope(|scope| {
            let threads: Vec<_> = (1..=8)
                .map(|lsn| {
                    let (keys, of) = (&keys, &of);
                    scope.spawn(move || {
                        let claims = keys.claim_all(of);
                        claims
                            .map(|claims| claims.settle(of, keys, (lsn, NOW)))
                            .is_ok()
                    })
                })
                .collect();
            let got = threads.into_iter().map(|thread| thread.join().unwrap());
            got.filter(|it| *it).count()
        });
        assert_eq!(got, 1);
    }
}
