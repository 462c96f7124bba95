//! What every journal must do, run against each backend.
#![allow(clippy::indexing_slicing, reason = "a test may stop at a wrong index")]

mod common;

use std::sync::Arc;

use cardwright::journal::{
    DurableWatcher, Journal, JournalError, Lsn, Record, memory::MemoryJournal, wal::WalJournal,
};
use common::{append, append_durably, open, payload, scan, small, wait_until};
use std::{sync::Mutex, time::Duration};

/// A backend under test: opens, and opens again what was closed or left.
trait Backend {
    type Log: Journal;
    fn open(&mut self) -> Self::Log;
}

struct Memory(Option<Arc<MemoryJournal>>);

/// Shares the journal with the backend, so that it can be reopened.
struct Shared(Arc<MemoryJournal>);

struct Wal(tempfile::TempDir);

impl Backend for Wal {
    type Log = WalJournal;

    fn open(&mut self) -> WalJournal {
        open(small(self.0.path())).expect("opens").0
    }
}

impl Backend for Memory {
    type Log = Shared;

    fn open(&mut self) -> Shared {
        let next = self
            .0
            .as_ref()
            .map_or_else(MemoryJournal::new, |journal| journal.restart());
        let next = Arc::new(next);
        self.0 = Some(Arc::clone(&next));
        Shared(next)
    }
}

impl Journal for Shared {
    fn reserve(&self) -> Result<cardwright::journal::Reservation, JournalError> {
        self.0.reserve()
    }
    fn append(&self, place: cardwright::journal::Reservation, record: &[u8]) -> Lsn {
        self.0.append(place, record)
    }
    fn appended(&self) -> Lsn {
        self.0.appended()
    }
    fn durable(&self) -> Lsn {
        self.0.durable()
    }
    fn committing_for(&self) -> Option<Duration> {
        self.0.committing_for()
    }
    fn watch(&self, watcher: Arc<dyn DurableWatcher>) {
        self.0.watch(watcher);
    }
    fn read(&self, lsn: Lsn) -> Result<Vec<u8>, JournalError> {
        self.0.read(lsn)
    }
    fn scan(&self, after: Lsn) -> Result<cardwright::journal::RecordIter, JournalError> {
        self.0.scan(after)
    }
    fn follow(&self, after: Lsn) -> Result<cardwright::journal::RecordIter, JournalError> {
        self.0.follow(after)
    }
    fn oldest(&self) -> Lsn {
        self.0.oldest()
    }
    fn retire(&self, lsn: Lsn) -> Result<usize, JournalError> {
        self.0.retire(lsn)
    }
    fn epoch(&self) -> u64 {
        self.0.epoch()
    }
    fn snapshots(&self) -> &dyn cardwright::journal::SnapshotStore {
        self.0.snapshots()
    }
    fn close(&self) -> Result<(), JournalError> {
        self.0.close()
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Lsn>>);

impl DurableWatcher for Heard {
    fn durable(&self, lsn: Lsn) {
        self.0.lock().expect("no panic before").push(lsn);
    }
    fn halted(&self, reason: &str) {
        panic!("must not halt: {reason}");
    }
}

fn each_record_comes_back(backend: &mut impl Backend) {
    let journal = backend.open();
    assert_eq!(
        (journal.appended(), journal.durable()),
        (Lsn::ZERO, Lsn::ZERO)
    );
    assert_eq!(scan(&journal, Lsn::ZERO).expect("scans"), []);
    let heard = Arc::new(Heard::default());
    journal.watch(heard.clone());
    let mut expected = Vec::new();
    for n in 0..300 {
        let payload = payload(n, usize::try_from(n * 7 % 1900).expect("small"));
        let lsn = append(&journal, &payload);
        assert!(
            expected.last().is_none_or(|last: &Record| last.lsn < lsn),
            "positions grow"
        );
        assert_eq!(journal.read(lsn).expect("reads what is queued"), payload);
        expected.push(Record { lsn, payload });
    }
    let last = journal.appended();
    assert_eq!(last, expected.last().expect("some").lsn);
    wait_until("all durable", || journal.durable() == last);
    wait_until("watcher told", || {
        heard.0.lock().expect("ok").last() == Some(&last)
    });
    assert!(heard.0.lock().expect("ok").is_sorted());
    check_all(&journal, &expected);
    journal.close().expect("closes");
    journal.close().expect("closes twice");
    assert!(matches!(
        journal.reserve(),
        Err(JournalError::Halted { .. })
    ));
    drop(journal);

    let journal = backend.open();
    assert_eq!((journal.appended(), journal.durable()), (last, last));
    assert_eq!(journal.epoch(), 2);
    check_all(&journal, &expected);
    let next = append_durably(&journal, b"next");
    assert!(next > last);
    expected.push(Record {
        lsn: next,
        payload: b"next".to_vec(),
    });
    check_all(&journal, &expected);
}

fn check_all(journal: &impl Journal, expected: &[Record]) {
    assert_eq!(scan(journal, Lsn::ZERO).expect("scans"), expected);
    for (index, record) in expected.iter().enumerate() {
        assert_eq!(journal.read(record.lsn).expect("reads"), record.payload);
        if index % 17 == 0 {
            assert_eq!(
                scan(journal, record.lsn).expect("scans"),
                expected[index + 1..]
            );
        }
        let beside = Lsn::new(record.lsn.get() + 1);
        assert!(
            matches!(journal.read(beside), Err(JournalError::NotFound { .. })),
            "{beside}"
        );
    }
    let past = Lsn::new(journal.appended().get() + 1_000_000);
    assert!(matches!(
        journal.read(past),
        Err(JournalError::NotFound { .. })
    ));
    assert!(scan(journal, past).expect("scans").is_empty());
}

fn retired_records_are_gone_or_whole(backend: &mut impl Backend) {
    let journal = backend.open();
    let lsns: Vec<_> = (0..100)
        .map(|n| append_durably(&journal, &payload(n, 500)))
        .collect();
    assert_eq!(journal.retire(Lsn::ZERO).expect("retires"), 0);
    assert!(journal.retire(lsns[60]).expect("retires") > 0);
    assert_eq!(
        scan(&journal, lsns[60]).expect("what is after stays").len(),
        39
    );
    assert!(journal.retire(Lsn::new(u64::MAX)).expect("retires") > 0);
    let last = lsns[99];
    assert!(scan(&journal, last).expect("scans").is_empty());
    assert_eq!(
        journal.read(last).expect("the last one stays"),
        payload(99, 500)
    );
    journal.close().expect("closes");
    drop(journal);
    let journal = backend.open();
    assert_eq!(journal.durable(), last);
    assert!(scan(&journal, last).expect("scans").is_empty());
}

fn snapshots_come_back(backend: &mut impl Backend) {
    let journal = backend.open();
    let early = append_durably(&journal, b"one");
    let late = append_durably(&journal, b"two");
    let items: Vec<_> = (0..500)
        .map(|n| payload(n, usize::try_from(n).expect("small")))
        .collect();
    for (lsn, created_ms) in [(early, 1), (late, 2)] {
        let mut sink = journal
            .snapshots()
            .create(lsn, created_ms)
            .expect("creates");
        for item in &items {
            sink.put(item).expect("puts");
        }
        let seen = journal.snapshots().list().expect("lists");
        assert!(
            seen.iter().all(|info| info.lsn != lsn),
            "visible only once finished"
        );
        let info = sink.finish().expect("finishes");
        assert_eq!(
            (info.lsn, info.items, info.created_ms),
            (lsn, 500, created_ms)
        );
    }
    drop(journal.snapshots().create(late, 3).expect("creates"));
    assert!(
        journal
            .snapshots()
            .create(Lsn::new(late.get() + 1), 0)
            .is_err(),
        "ahead of the log"
    );
    journal.close().expect("closes");
    drop(journal);
    let journal = backend.open();
    let store = journal.snapshots();
    let lsns: Vec<_> = store
        .list()
        .expect("lists")
        .iter()
        .map(|info| info.lsn)
        .collect();
    assert_eq!(lsns, [late, early]);
    let read: Result<Vec<_>, _> = store.open(early).expect("opens").collect();
    assert_eq!(read.expect("reads"), items);
    assert_eq!(store.prune(1).expect("prunes"), 1);
    assert!(matches!(
        store.open(early),
        Err(JournalError::NotFound { .. })
    ));
    assert_eq!(store.list().expect("lists").len(), 1);
}

fn appenders_agree_on_order(backend: &mut impl Backend) {
    let journal = backend.open();
    let mut expected: Vec<_> = std::thread::scope(|scope| {
        let appenders: Vec<_> = (0..4_u64)
            .map(|thread| {
                let journal = &journal;
                scope.spawn(move || {
                    let one = |n| {
                        let payload = payload(thread * 1000 + n, 40);
                        Record {
                            lsn: append(journal, &payload),
                            payload,
                        }
                    };
                    let mine: Vec<_> = (0..500).map(one).collect();
                    assert!(mine.is_sorted_by_key(|record| record.lsn));
                    mine
                })
            })
            .collect();
        appenders
            .into_iter()
            .flat_map(|it| it.join().expect("appends"))
            .collect()
    });
    expected.sort_by_key(|record| record.lsn);
    wait_until("all durable", || journal.durable() == journal.appended());
    assert_eq!(scan(&journal, Lsn::ZERO).expect("scans"), expected);
}

fn a_follower_goes_on_where_it_ended(backend: &mut impl Backend) {
    let journal = backend.open();
    let mut from_nothing = journal.follow(Lsn::ZERO).expect("follows");
    assert!(from_nothing.next().is_none(), "there is nothing yet");
    let mut expected = Vec::new();
    let mut seen = Vec::new();
    // Over many segments, asked at every stage: between records, behind many, twice for nothing.
    for n in 0..200_u64 {
        let payload = payload(n, usize::try_from(n * 13 % 1700).expect("small"));
        let lsn = append_durably(&journal, &payload);
        expected.push(Record { lsn, payload });
        if n % 3 == 0 {
            seen.extend(
                from_nothing
                    .by_ref()
                    .map(|record| record.expect("readable")),
            );
            assert_eq!(seen, expected, "after {n}");
            assert!(from_nothing.next().is_none());
        }
    }
    let mut from_the_middle = journal.follow(expected[120].lsn).expect("follows");
    let rest: Vec<_> = from_the_middle
        .by_ref()
        .map(|it| it.expect("readable"))
        .collect();
    assert_eq!(rest, expected[121..]);
    assert!(journal.retire(expected[60].lsn).expect("retires") > 0);
    let oldest = journal.oldest();
    assert_eq!(
        scan(&journal, oldest).expect("scans").last(),
        expected.last()
    );
    assert!(journal.follow(oldest).expect("follows").next().is_some());
    let payload = payload(9, 10);
    let lsn = append_durably(&journal, &payload);
    let next = from_the_middle.next().expect("there is more");
    assert_eq!(next.expect("readable"), Record { lsn, payload });
}

macro_rules! conformance {
    ($($name:ident),*) => {$(
        mod $name {
            #[test]
            fn memory() {
                super::$name(&mut super::Memory(None));
            }
            #[test]
            fn wal() {
                super::$name(&mut super::Wal(tempfile::tempdir().expect("makes a directory")));
            }
        }
    )*};
}

conformance!(
    each_record_comes_back,
    retired_records_are_gone_or_whole,
    snapshots_come_back,
    appenders_agree_on_order,
    a_follower_goes_on_where_it_ended
);
