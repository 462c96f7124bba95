//! Keys of requests: none protects two records, and snapshots know them all.

use super::finding::{Check, Findings, Severity, Spot};
use crate::{
    domain::time::Timestamp,
    journal::Lsn,
    wire::{Entry, Key, KeyLife},
};

/// An expiring key is remembered at least this long. Source: DESIGN.md, idempotency.
const REMEMBERED_S: i64 = 24 * 3_600;

/// The keys of the log, or of a part of it.
#[derive(Default)]
pub struct LogKeys {
    permanent: Vec<(Key, u64)>,
    expiring: Vec<(Key, u64, Timestamp)>,
}

impl LogKeys {
    /// Notes the keys of a record.
    pub fn add(&mut self, lsn: Lsn, entry: &Entry) {
        for (key, life) in &entry.keys {
            match life {
                KeyLife::Permanent => self.permanent.push((*key, lsn.get())),
                KeyLife::Expiring => self.expiring.push((*key, lsn.get(), entry.time)),
            }
        }
    }

    /// Adds those of another part.
    pub fn append(&mut self, mut other: Self) {
        self.permanent.append(&mut other.permanent);
        self.expiring.append(&mut other.expiring);
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        let len = self.permanent.len().saturating_add(self.expiring.len());
        u64::try_from(len).unwrap_or(u64::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts them in order and says which stand for two records.
    pub fn settle(&mut self, findings: &mut Findings) {
        self.permanent.sort_unstable();
        self.expiring.sort_unstable();
        let mut say = |lsn: u64, first: u64| {
            let what = format!("the key of this record protects the record at lsn {first} too");
            let spot = Spot {
                lsn: Some(Lsn::new(lsn)),
                ..Spot::default()
            };
            findings.push(Severity::Fault, Check::Key, spot, what);
        };
        for pair in self.permanent.windows(2) {
            if let [(a, first), (b, second)] = pair
                && a == b
            {
                say(*second, *first);
            }
        }
        for pair in self.expiring.windows(2) {
            if let [(a, first, from), (b, second, to)] = pair
                && a == b
                && *to < from.plus_seconds(REMEMBERED_S)
            {
                say(*second, *first);
            }
        }
    }

    /// Whether the log has `key` for the record at `lsn`. Only after [`LogKeys::settle`].
    #[must_use]
    pub fn has(&self, key: Key, life: KeyLife, lsn: u64) -> bool {
        match life {
            KeyLife::Permanent => self.permanent.binary_search(&(key, lsn)).is_ok(),
            KeyLife::Expiring => self
                .expiring
                .binary_search_by(|known| (known.0, known.1).cmp(&(key, lsn)))
                .is_ok(),
        }
    }

    /// How many permanent keys stand for records up to `lsn`.
    #[must_use]
    pub fn permanent_up_to(&self, lsn: Lsn) -> u64 {
        let keys = self.permanent.iter();
        let count = keys.filter(|(_, known)| *known <= lsn.get()).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}
