//! Who is behind a secret key, for every request: looked up without a wait for other threads.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use dashmap::DashMap;

use crate::domain::{
    registry::{ApiKey, Scopes},
    time::Timestamp,
};

/// Who asks, as their key says.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Whose key it is.
    pub origin: Arc<str>,
    /// What it allows.
    pub scopes: Scopes,
    /// The public id of the key, or of the key behind the token; none behind a one-time code.
    pub key_id: String,
    /// The generation of the key's secret.
    pub generation: u32,
    /// When the key ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The one holder whose things the caller may see and move; everyone's of the origin if none.
    pub holder: Option<Arc<str>>,
}

/// What is kept of a secret.
type Hash = [u8; 32];

/// A key that lives.
struct LiveKey {
    hash: Hash,
    principal: Arc<Principal>,
    used: Arc<LastUse>,
}

/// When a key was used last, in microseconds; 0 for not since the start.
#[derive(Default)]
struct LastUse(AtomicI64);

/// How exactly it is known when a key was used last: threads that use the same one would have to wait for
/// each other to note every use.
const USED_MICROS: i64 = 1_000;

impl LiveKey {
    /// Its principal as the caller has it, if the key lives at that time.
    fn used(&self, own: &Arc<Principal>, now: Timestamp) -> Option<Arc<Principal>> {
        if own.expires_at.is_some_and(|end| end <= now) {
            return None;
        }
        let used = &self.used.0;
        if now.micros().saturating_sub(used.load(Ordering::Relaxed)) >= USED_MICROS {
            used.store(now.micros(), Ordering::Relaxed);
        }
        Some(own.clone())
    }
}

/// The keys that live.
pub(super) struct Principals {
    by_hash: DashMap<Hash, Arc<LiveKey>>,
    /// The same by the public id.
    by_id: DashMap<String, Arc<LiveKey>>,
    /// By the public id, of all keys that were there since the start.
    uses: DashMap<String, Arc<LastUse>>,
    /// Tells these keys, as they are now, from what a thread has at hand: another number after every change.
    edition: AtomicU64,
}

impl Principals {
    /// No keys.
    pub(super) fn new() -> Self {
        Self {
            by_hash: DashMap::new(),
            by_id: DashMap::new(),
            uses: DashMap::new(),
            edition: AtomicU64::new(next_edition()),
        }
    }

    /// A key counts as it is from now on.
    pub(super) fn admit(&self, key: &ApiKey) {
        self.forget(&key.id);
        if key.revoked_at.is_some() {
            return;
        }
        let principal = Principal {
            origin: key.origin.as_str().into(),
            scopes: key.scopes,
            key_id: key.id.clone(),
            generation: key.generation,
            expires_at: key.expires_at,
            holder: None,
        };
        let live = Arc::new(LiveKey {
            hash: key.hash,
            principal: Arc::new(principal),
            used: self.uses.entry(key.id.clone()).or_default().clone(),
        });
        self.by_hash.insert(key.hash, live.clone());
        self.by_id.insert(key.id.clone(), live);
    }

    /// A key does not count any more.
    pub(super) fn forget(&self, id: &str) {
        if let Some((_, before)) = self.by_id.remove(id) {
            self.by_hash.remove(&before.hash);
        }
        // After it is gone: what a thread looks up from now on is not the key as it was.
        self.edition.store(next_edition(), Ordering::SeqCst);
    }

    /// Whether there is a key with a secret of that hash.
    pub(super) fn has(&self, hash: Hash) -> bool {
        self.by_hash.contains_key(&hash)
    }

    /// Who is behind the secret of that hash, if its key lives at that time.
    pub(super) fn behind(&self, hash: Hash, now: Timestamp) -> Option<Arc<Principal>> {
        AT_HAND.with_borrow_mut(|at_hand| {
            // Before the keys are looked at: what changes after it makes another edition.
            at_hand.keep_to(self.edition.load(Ordering::SeqCst));
            if !at_hand.keys.contains_key(&hash) {
                let live = self.by_hash.get(&hash)?.clone();
                at_hand.add(hash, live);
            }
            let (live, own) = at_hand.keys.get(&hash)?;
            live.used(own, now)
        })
    }

    /// When the key with a secret of that hash ends by itself, if it does.
    pub(super) fn end_of(&self, hash: Hash) -> Option<Timestamp> {
        self.by_hash.get(&hash)?.principal.expires_at
    }

    /// Whose key that is, if it lives at that time.
    pub(super) fn of_key(&self, id: &str, now: Timestamp) -> Option<Arc<Principal>> {
        let live = self.by_id.get(id)?.clone();
        live.used(&live.principal, now)
    }

    /// When a key, also one that ended, was used last since the start, to the millisecond.
    pub(super) fn last_used(&self, id: &str) -> Option<Timestamp> {
        let micros = self.uses.get(id)?.0.load(Ordering::Relaxed);
        (micros > 0).then(|| Timestamp::from_micros(micros))
    }
}

/// How many keys a thread has at hand.
const AT_HAND_MAX: usize = 256;

/// The keys that a thread saw last, each with a principal of the thread's own: to count who holds one that
/// all threads share, they would have to wait for each other at every request.
#[derive(Default)]
struct AtHand {
    edition: u64,
    keys: BTreeMap<Hash, (Arc<LiveKey>, Arc<Principal>)>,
}

thread_local! {
    static AT_HAND: RefCell<AtHand> = RefCell::default();
}

impl AtHand {
    fn keep_to(&mut self, edition: u64) {
        if self.edition != edition {
            self.keys.clear();
            self.edition = edition;
        }
    }

    fn add(&mut self, hash: Hash, live: Arc<LiveKey>) {
        if self.keys.len() >= AT_HAND_MAX {
            self.keys.clear();
        }
        let mut own = (*live.principal).clone();
        own.origin = own.origin.as_ref().into();
        self.keys.insert(hash, (live, Arc::new(own)));
    }
}

/// A number that no keys of this process had.
fn next_edition() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::SeqCst).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::registry::{NO_METADATA, Scope};

    fn key(number: u16, expires_at: Option<Timestamp>) -> ApiKey {
        let mut hash = [0; 32];
        hash[..2].copy_from_slice(&number.to_le_bytes());
        ApiKey {
            id: format!("key_{number}"),
            origin: "sandbox".to_owned(),
            name: "n".to_owned(),
            hash,
            scopes: Scopes::of(&[Scope::Network]),
            created_at: Timestamp::from_micros(1),
            revoked_at: None,
            expires_at,
            domains: Vec::new(),
            metadata: NO_METADATA.to_owned(),
            generation: 0,
        }
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn what_a_thread_has_at_hand_ends_with_the_key() {
        let (keys, others) = (Principals::new(), Principals::new());
        let lasting = key(1, None);
        let ending = key(2, Some(at(5_000)));
        keys.admit(&lasting);
        keys.admit(&ending);
        for _ in 0..2 {
            assert!(keys.behind(lasting.hash, at(4_000)).is_some());
            assert!(keys.behind(ending.hash, at(4_000)).is_some());
            // Not of another engine in the same process.
            assert!(others.behind(lasting.hash, at(4_000)).is_none());
        }
        assert!(keys.behind(ending.hash, at(5_000)).is_none());
        // The same key with another secret.
        let next = ApiKey {
            hash: key(3, None).hash,
            generation: 1,
            ..lasting.clone()
        };
        keys.admit(&next);
        assert!(keys.behind(lasting.hash, at(6_000)).is_none());
        let principal = keys.behind(next.hash, at(6_000)).unwrap();
        assert_eq!((principal.generation, &*principal.origin), (1, "sandbox"));
        keys.forget(&next.id);
        assert!(keys.behind(next.hash, at(7_000)).is_none());
    }

    #[test]
    fn more_keys_than_are_kept_at_hand_are_known_all_the_same() {
        let keys = Principals::new();
        let count = u16::try_from(AT_HAND_MAX * 3).unwrap();
        let all: Vec<_> = (0..count).map(|number| key(number, None)).collect();
        all.iter().for_each(|key| keys.admit(key));
        for key in all.iter().chain(&all) {
            let principal = keys.behind(key.hash, at(1)).unwrap();
            assert_eq!(principal.key_id, key.id);
        }
    }

    #[test]
    fn the_last_use_is_known_to_the_millisecond() {
        let keys = Principals::new();
        let key = key(1, None);
        keys.admit(&key);
        assert_eq!(keys.last_used(&key.id), None);
        for (micros, seen) in [(10_000, 10_000), (10_999, 10_000), (11_000, 11_000)] {
            assert!(keys.behind(key.hash, at(micros)).is_some());
            assert_eq!(keys.last_used(&key.id), Some(at(seen)));
        }
        // With another secret it is the same key, and one that ended was used when it was.
        keys.admit(&key);
        assert_eq!(keys.last_used(&key.id), Some(at(11_000)));
        keys.forget(&key.id);
        assert_eq!(keys.last_used(&key.id), Some(at(11_000)));
    }
}
