//! The data keys: each under a number, one of them active; and the text they are written in.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

/// How many bytes a key has.
const KEY_BYTES: usize = 32;
/// The most keys of a ring: a rotation that was never followed by a `retire` would grow it for ever.
const KEYS_MAX: usize = 64;

/// What is wrong with a text of keys. No part of a key is said.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// No key at all.
    #[error(
        "has no key: it must be 32 random bytes in base64 or hex, such as `openssl rand -base64 32` makes"
    )]
    Empty,
    /// One that is no key.
    #[error(
        "entry {place} is no key: it must be 32 random bytes in base64 or hex, with NUMBER: before it \
         if there are several"
    )]
    Entry {
        /// Its place, from 1.
        place: usize,
    },
    /// Two under one number.
    #[error("has two keys with the number {id}")]
    Twice {
        /// The number.
        id: u32,
    },
    /// More than a ring takes.
    #[error("has more than {KEYS_MAX} keys: retire those that seal nothing")]
    TooMany,
}

/// One key and its number.
pub(super) struct DataKey {
    pub(super) id: u32,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    pub(super) aead: LessSafeKey,
}

impl DataKey {
    fn new(id: u32, bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let aead = UnboundKey::new(&AES_256_GCM, bytes.as_slice());
        let aead = LessSafeKey::new(aead.expect("Invariant: AES-256 takes 32 bytes"));
        Self { id, bytes, aead }
    }
}

/// The keys that data was sealed under, and the one it is sealed under now: the last of the text.
pub struct KeyRing {
    keys: BTreeMap<u32, Arc<DataKey>>,
    active: Arc<DataKey>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({:?}, active {})", self.ids(), self.active.id)
    }
}

impl KeyRing {
    /// A ring of one key.
    #[must_use]
    pub fn of(bytes: [u8; KEY_BYTES]) -> Self {
        let active = Arc::new(DataKey::new(1, Zeroizing::new(bytes)));
        let keys = BTreeMap::from([(active.id, active.clone())]);
        Self { keys, active }
    }

    /// Reads keys between commas or line ends, each `NUMBER:KEY`, or a lone `KEY`, whose number is 1.
    /// Lines that begin with `#` are passed over. The last key is the active one.
    ///
    /// # Errors
    ///
    /// [`KeyTextError`].
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let entries = lines.flat_map(|line| line.split(',')).map(str::trim);
        let mut keys = BTreeMap::new();
        let mut active = None;
        for (place, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
            let place = place.saturating_add(1);
            let (id, bytes) = read_entry(entry).ok_or(KeyTextError::Entry { place })?;
            let key = Arc::new(DataKey::new(id, bytes));
            if keys.insert(id, key.clone()).is_some() {
                return Err(KeyTextError::Twice { id });
            }
            active = Some(key);
        }
        if keys.len() > KEYS_MAX {
            return Err(KeyTextError::TooMany);
        }
        let active = active.ok_or(KeyTextError::Empty)?;
        Ok(Self { keys, active })
    }

    /// The text that [`KeyRing::parse`] reads.
    #[must_use]
    pub(super) fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(1 << 12));
        for key in self.others().chain([&self.active]) {
            let bytes = Zeroizing::new(STANDARD.encode(key.bytes.as_slice()));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}:{}", key.id, bytes.as_str());
        }
        text
    }

    /// The same with one more key, which is the active one; nothing if there is no room.
    #[must_use]
    pub(super) fn with_next(&self, bytes: Zeroizing<[u8; KEY_BYTES]>) -> Option<Self> {
        let last = self.keys.keys().next_back().copied().unwrap_or(0);
        let active = Arc::new(DataKey::new(last.checked_add(1)?, bytes));
        let mut keys = self.keys.clone();
        keys.insert(active.id, active.clone());
        (keys.len() <= KEYS_MAX).then_some(Self { keys, active })
    }

    /// The same without that key.
    #[must_use]
    pub(super) fn without(&self, id: u32) -> Self {
        let mut keys = self.keys.clone();
        keys.remove(&id);
        let active = self.active.clone();
        Self { keys, active }
    }

    /// The key of that number.
    pub(super) fn get(&self, id: u32) -> Option<&Arc<DataKey>> {
        self.keys.get(&id)
    }

    /// The one that data is sealed under now.
    pub(super) const fn active(&self) -> &Arc<DataKey> {
        &self.active
    }

    /// All but the active one.
    pub(super) fn others(&self) -> impl Iterator<Item = &Arc<DataKey>> {
        let active = self.active.id;
        self.keys.values().filter(move |key| key.id != active)
    }

    /// The numbers of the keys, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.keys.keys().copied().collect()
    }
}

fn read_entry(entry: &str) -> Option<(u32, Zeroizing<[u8; KEY_BYTES]>)> {
    let (id, text) = match entry.split_once(':') {
        Some((id, text)) => (id.trim().parse().ok().filter(|id| *id > 0)?, text.trim()),
        None => (1, entry),
    };
    let bytes = Zeroizing::new(if text.len() == KEY_BYTES.saturating_mul(2) {
        unhex(text)?
    } else {
        let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
        engines.iter().find_map(|engine| engine.decode(text).ok())?
    });
    let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().ok()?;
    let bytes = Zeroizing::new(bytes);
    // A key of one byte over and over is a mistake, such as a device that gave zeros.
    let is_sound = bytes.iter().any(|byte| Some(byte) != bytes.first());
    is_sound.then_some((id, bytes))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((high << 4) | low),
        _ => None,
    };
    digits?.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(byte: u8) -> String {
        let mut bytes = [byte; 32];
        bytes[0] = 0xAA;
        STANDARD.encode(bytes)
    }

    #[test]
    fn the_last_key_is_active_and_the_text_reads_back() {
        let hex = format!("7:{}01", "ab".repeat(31));
        let ring = KeyRing::parse(&format!("# keys\n2:{}\n{hex} , 5:{}\n", text(1), text(2)));
        let ring = ring.expect("a ring");
        assert_eq!((ring.ids(), ring.active.id), (vec![2, 5, 7], 5));
        let again = KeyRing::parse(&ring.text()).expect("the same");
        assert_eq!((again.ids(), again.active.id), (vec![2, 5, 7], 5));
        assert_eq!(*again.text(), *ring.text());
        let next = ring.with_next(Zeroizing::new([3; 32])).expect("room");
        assert_eq!((next.ids(), next.active.id), (vec![2, 5, 7, 8], 8));
        assert_eq!(next.without(2).ids(), [5, 7, 8]);
        assert_eq!(format!("{next:?}"), "KeyRing([2, 5, 7, 8], active 8)");
    }

    #[test]
    fn a_lone_key_is_the_first() {
        assert_eq!(KeyRing::parse(&text(9)).expect("a ring").ids(), [1]);
    }

    #[test]
    fn what_is_no_key_is_refused_by_its_place() {
        let good = text(1);
        for (wrong, error) in [
            (String::new(), KeyTextError::Empty),
            ("# nothing\n".to_owned(), KeyTextError::Empty),
            (format!("1:{good},abc"), KeyTextError::Entry { place: 2 }),
            (format!("0:{good}"), KeyTextError::Entry { place: 1 }),
            (format!("x:{good}"), KeyTextError::Entry { place: 1 }),
            ("00".repeat(32), KeyTextError::Entry { place: 1 }),
            ("zz".repeat(32), KeyTextError::Entry { place: 1 }),
            (format!("3:{good},3:{good}"), KeyTextError::Twice { id: 3 }),
        ] {
            assert_eq!(KeyRing::parse(&wrong).err(), Some(error));
        }
    }
}
