//! What the journal's tests share.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test binary uses its own part"
)]
#![allow(clippy::indexing_slicing, reason = "a test may stop at a wrong index")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use cardwright::journal::{
    Journal, JournalError, Lsn, Record,
    wal::{OsStorage, Recovered, Storage, WalJournal, WalOptions},
};

/// Polls until `done`, or fails after ten seconds.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::yield_now();
    }
}

/// Options for small logs.
pub fn small(dir: impl AsRef<Path>) -> WalOptions {
    WalOptions {
        segment_bytes: 8192,
        record_bytes_max: 2048,
        min_free_bytes: 0,
        disk_poll: Duration::from_millis(5),
        ..WalOptions::new(dir)
    }
}

/// Options for logs of many segments.
pub fn tiny(dir: impl AsRef<Path>) -> WalOptions {
    WalOptions {
        segment_bytes: 4096,
        record_bytes_max: 1024,
        ..small(dir)
    }
}

pub fn open(options: WalOptions) -> Result<(WalJournal, Recovered), JournalError> {
    WalJournal::open(options, Arc::new(OsStorage))
}

pub fn open_in(
    options: WalOptions,
    storage: &Arc<impl Storage>,
) -> Result<(WalJournal, Recovered), JournalError> {
    let storage: Arc<dyn Storage> = Arc::clone(storage) as Arc<dyn Storage>;
    WalJournal::open(options, storage)
}

/// Appends, waiting while the queue is full.
pub fn append(journal: &dyn Journal, payload: &[u8]) -> Lsn {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match journal.reserve() {
            Ok(place) => return journal.append(place, payload),
            Err(JournalError::Busy { .. }) => {
                assert!(Instant::now() < deadline, "the queue stayed full");
                thread::yield_now();
            }
            Err(error) => panic!("append refused: {error}"),
        }
    }
}

/// Appends and waits until it is durable.
pub fn append_durably(journal: &dyn Journal, payload: &[u8]) -> Lsn {
    let lsn = append(journal, payload);
    wait_until("record is durable", || journal.durable() >= lsn);
    lsn
}

/// All durable records after `after`.
pub fn scan(journal: &dyn Journal, after: Lsn) -> Result<Vec<Record>, JournalError> {
    journal.scan(after)?.collect()
}

/// A payload that depends on `n` alone.
pub fn payload(n: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng(n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (0..len).map(|_| rng.next().to_le_bytes()[3]).collect()
}

/// A small generator of repeatable numbers.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit.max(1)
    }
}

/// Appends until the journal refuses or `count` is reached; every appended record by position.
pub fn append_until_halt(journal: &WalJournal, seed: u64, count: usize) -> BTreeMap<Lsn, Vec<u8>> {
    let mut rng = Rng(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
    let mut appended = BTreeMap::new();
    while appended.len() < count {
        let len = [rng.below(40), rng.below(300), rng.below(1024)]
            [usize::try_from(rng.below(3)).expect("small")];
        let payload = payload(rng.next(), usize::try_from(len).expect("small"));
        match journal.reserve() {
            Ok(place) => {
                let lsn = journal.append(place, &payload);
                appended.insert(lsn, payload);
                if rng.below(4) == 0 {
                    wait_until("durable or halted", || {
                        journal.durable() >= lsn || journal.failure().is_some()
                    });
                }
            }
            Err(JournalError::Busy { .. }) => thread::yield_now(),
            Err(JournalError::Halted { .. }) => break,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    appended
}

/// What is found must be what was appended, in order, without a gap, at least up to `acknowledged`.
pub fn check_found(
    found: &[Record],
    appended: &BTreeMap<Lsn, Vec<u8>>,
    acknowledged: Lsn,
    what: &str,
) {
    let mut expected = appended.iter();
    for record in found {
        let (lsn, payload) = expected
            .next()
            .unwrap_or_else(|| panic!("{what}: {record:?}"));
        assert_eq!((record.lsn, &record.payload), (*lsn, payload), "{what}");
    }
    let lost = expected
        .next()
        .map(|(lsn, _)| *lsn)
        .filter(|lsn| *lsn <= acknowledged);
    assert_eq!(lost, None, "{what}: acknowledged up to {acknowledged}");
}
