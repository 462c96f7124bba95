//! Failing writes, failing syncs, a full disk, lost power: what was acknowledged is there after.
#![allow(clippy::indexing_slicing, reason = "a test may stop at a wrong index")]

mod common;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use cardwright::journal::{
    DurableWatcher, Journal, JournalError, Lsn,
    wal::{
        CommitObserver, LogEntry, WalJournal, WalOptions, WalReader,
        faulty::{Faults, FaultyStorage},
    },
};
use common::{
    append, append_durably, append_until_halt, check_found, open, open_in, payload, scan, small,
    tiny, wait_until,
};

fn options() -> WalOptions {
    tiny("/d")
}

/// Remembers what it was told.
#[derive(Default)]
struct Heard {
    durable: AtomicU64,
    halted: AtomicUsize,
    reasons: Mutex<Vec<String>>,
}

impl DurableWatcher for Heard {
    fn durable(&self, lsn: Lsn) {
        assert_eq!(
            self.halted.load(Ordering::SeqCst),
            0,
            "durable after the halt"
        );
        self.durable.store(lsn.get(), Ordering::SeqCst);
    }

    fn halted(&self, reason: &str) {
        self.reasons.lock().expect("ok").push(reason.to_owned());
        self.halted.fetch_add(1, Ordering::SeqCst);
    }
}

fn halts_and_keeps(faults: Faults, power_goes: bool, what: &str) -> bool {
    let disk = Arc::new(FaultyStorage::new());
    let Ok((journal, _)) = open_in(options(), &disk) else {
        panic!("{what}: must open")
    };
    let heard = Arc::new(Heard::default());
    journal.watch(heard.clone());
    disk.plan(faults);
    // A quarter of them is waited for by itself: enough commits for every fault, however many share one.
    let appended = append_until_halt(&journal, 5, 240);
    let closed = journal.close();
    let is_halted = closed.is_err();
    assert_eq!(
        heard.halted.load(Ordering::SeqCst),
        usize::from(is_halted),
        "{what}"
    );
    assert_eq!(journal.failure().is_some(), is_halted, "{what}");
    let before = disk.contents();
    assert!(
        matches!(journal.reserve(), Err(JournalError::Halted { .. })),
        "{what}"
    );
    assert_eq!(journal.close().is_err(), is_halted, "{what}");
    assert_eq!(disk.contents(), before, "{what}: written after the halt");
    let late = Arc::new(Heard::default());
    journal.watch(late.clone());
    assert_eq!(
        late.halted.load(Ordering::SeqCst),
        usize::from(is_halted),
        "{what}: told late"
    );
    let acknowledged = journal.durable();
    assert!(
        heard.durable.load(Ordering::SeqCst) <= acknowledged.get(),
        "{what}"
    );
    drop(journal);
    disk.plan(Faults::default());
    let disk = if power_goes {
        Arc::new(disk.crash(3))
    } else {
        disk
    };
    let (journal, recovered) =
        open_in(options(), &disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = scan(&journal, Lsn::ZERO).expect("scans");
    check_found(&found, &appended, acknowledged, what);
    // What recovery reported is durable now, even if a failed sync had left it in the cache only.
    drop(journal);
    let disk = Arc::new(disk.crash(0));
    let (journal, _) = open_in(options(), &disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let kept = scan(&journal, Lsn::ZERO).expect("scans");
    assert_eq!(kept, found, "{what}: {recovered:?}");
    is_halted
}

#[test]
fn each_failing_write_halts_for_good_and_keeps_what_was_acknowledged() {
    let mut halted = 0;
    for nth in 1..=80 {
        for power_goes in [false, true] {
            let faults = Faults {
                fail_write: Some(nth),
                ..Faults::default()
            };
            let what = format!("write {nth} fails, power goes: {power_goes}");
            halted += usize::from(halts_and_keeps(faults, power_goes, &what));
        }
    }
    assert!(halted > 80, "{halted} halted");
}

#[test]
fn each_failing_sync_halts_for_good_and_keeps_what_was_acknowledged() {
    let mut halted = 0;
    for nth in 1..=80 {
        for power_goes in [false, true] {
            let faults = Faults {
                fail_sync: Some(nth),
                ..Faults::default()
            };
            let what = format!("sync {nth} fails, power goes: {power_goes}");
            halted += usize::from(halts_and_keeps(faults, power_goes, &what));
        }
    }
    assert!(halted > 80, "{halted} halted");
}

#[test]
fn a_short_write_is_continued() {
    for nth in 1..=20 {
        let faults = Faults {
            short_write: Some(nth),
            ..Faults::default()
        };
        assert!(!halts_and_keeps(
            faults,
            true,
            &format!("write {nth} is short")
        ));
    }
}

/// A log with a record, and a segment made ahead of need.
fn a_segment_ahead() -> (Arc<FaultyStorage>, WalJournal, Arc<Heard>) {
    let disk = Arc::new(FaultyStorage::new());
    let (journal, _) = open_in(options(), &disk).expect("opens");
    let heard = Arc::new(Heard::default());
    journal.watch(heard.clone());
    append_durably(&journal, b"first");
    wait_until("a segment ahead", || disk.used_bytes() >= 8192);
    (disk, journal, heard)
}

#[test]
fn a_full_disk_refuses_and_takes_again_what_it_took_is_kept() {
    let (disk, journal, heard) = a_segment_ahead();
    let mut appended: BTreeMap<Lsn, Vec<u8>> = scan(&journal, Lsn::ZERO)
        .expect("scans")
        .into_iter()
        .map(|it| (it.lsn, it.payload))
        .collect();
    for round in 0..3 {
        disk.set_capacity(Some(disk.used_bytes() + 100));
        let mut refused = false;
        wait_until("the disk is low", || {
            match journal.reserve() {
                Ok(place) => {
                    let payload = payload(round, 900);
                    appended.insert(journal.append(place, &payload), payload);
                }
                Err(JournalError::Busy { .. }) => thread::yield_now(),
                Err(JournalError::DiskLow { .. }) => refused = true,
                Err(error) => panic!("{error}"),
            }
            refused
        });
        wait_until("what was taken is durable", || {
            journal.durable() == journal.appended()
        });
        assert!(journal.is_disk_low());
        disk.set_capacity(None);
        wait_until("space is back", || journal.reserve().is_ok());
    }
    assert_eq!(heard.halted.load(Ordering::SeqCst), 0);
    disk.set_capacity(Some(disk.used_bytes()));
    let last = *appended.keys().last().expect("some");
    journal.close().expect("closes on a full disk");
    drop(journal);
    let disk = Arc::new(disk.crash(0));
    disk.set_capacity(None);
    let (journal, _) = open_in(options(), &disk).expect("opens");
    check_found(
        &scan(&journal, Lsn::ZERO).expect("scans"),
        &appended,
        last,
        "full disk",
    );
}

#[test]
fn too_many_open_files_hold_the_log_up_and_do_not_end_it() {
    let (disk, journal, heard) = a_segment_ahead();
    disk.plan(Faults {
        no_descriptors: true,
        ..Faults::default()
    });
    // More than the segments that are there can take.
    let mut appended = Vec::new();
    wait_until("the log waits for a segment", || match journal.reserve() {
        Ok(place) => {
            let payload = payload(appended.len() as u64, 900);
            appended.push((journal.append(place, &payload), payload));
            false
        }
        Err(JournalError::Busy { .. }) => {
            let held_up = journal.durable();
            thread::sleep(Duration::from_millis(50));
            held_up == journal.durable()
        }
        Err(error) => panic!("{error}"),
    });
    assert_eq!(heard.halted.load(Ordering::SeqCst), 0);
    disk.plan(Faults::default());
    wait_until("files can be had again", || {
        journal.durable() == journal.appended()
    });
    assert_eq!(heard.halted.load(Ordering::SeqCst), 0);
    let found = scan(&journal, appended[0].0).expect("scans");
    let found: Vec<_> = found.into_iter().map(|it| (it.lsn, it.payload)).collect();
    assert_eq!(found[..], appended[1..]);
    journal.close().expect("closes");
}

#[test]
fn little_free_space_refuses_before_anything_is_taken() {
    let disk = Arc::new(FaultyStorage::new());
    disk.set_capacity(Some(100_000));
    let options = || WalOptions {
        min_free_bytes: 50_000,
        ..options()
    };
    let (journal, _) = open_in(options(), &disk).expect("opens");
    append_durably(&journal, b"first");
    disk.set_capacity(Some(55_000));
    wait_until("refused", || {
        matches!(
            journal.reserve(),
            Err(JournalError::DiskLow {
                required_bytes: 50_000,
                ..
            })
        )
    });
    disk.set_capacity(Some(100_000));
    append_after_low(&journal);
}

#[test]
fn a_low_disk_refuses_the_very_first_append() {
    let disk = Arc::new(FaultyStorage::new());
    disk.set_capacity(Some(100_000));
    let options = WalOptions {
        min_free_bytes: 99_000,
        ..options()
    };
    let (journal, _) = open_in(options, &disk).expect("opens");
    assert!(matches!(
        journal.reserve(),
        Err(JournalError::DiskLow { .. })
    ));
}

fn append_after_low(journal: &WalJournal) {
    wait_until("taken again", || journal.reserve().is_ok());
    append_durably(journal, b"second");
    assert_eq!(scan(journal, Lsn::ZERO).expect("scans").len(), 2);
}

#[test]
fn a_second_opener_is_refused_until_the_first_closes() {
    let dir = tempfile::tempdir().expect("makes a directory");
    let (first, _) = common::open(small(dir.path())).expect("opens");
    let second = common::open(small(dir.path())).map(|_| ());
    assert!(
        matches!(second, Err(JournalError::Locked { .. })),
        "{second:?}"
    );
    let pid = std::fs::read_to_string(dir.path().join("LOCK")).expect("reads");
    assert_eq!(pid.trim(), std::process::id().to_string());
    first.close().expect("closes");
    let (third, recovered) = common::open(small(dir.path())).expect("opens after the close");
    assert!(recovered.is_clean);
    assert_eq!(third.epoch(), 2);
}

#[derive(Default)]
struct Counted(AtomicUsize, AtomicUsize);

impl CommitObserver for Counted {
    fn committed(&self, records: usize, bytes: usize, _: u64, _: u64) {
        self.0.fetch_add(records, Ordering::SeqCst);
        self.1.fetch_add(bytes, Ordering::SeqCst);
    }
}

#[test]
fn a_full_queue_is_busy_and_the_observer_counts() {
    let counted = Arc::new(Counted::default());
    let disk = Arc::new(FaultyStorage::new());
    let observed = WalOptions {
        observer: Some(counted.clone()),
        queue_bytes_max: 1,
        ..options()
    };
    let (journal, _) = open_in(observed, &disk).expect("opens");
    for n in 0..50 {
        append(&journal, &payload(n, 100));
        assert!(journal.queued_bytes() <= 200 + 4096, "bounded");
    }
    wait_until("durable", || journal.durable() == journal.appended());
    assert_eq!(journal.queued_bytes(), 0);
    wait_until("counted", || counted.0.load(Ordering::SeqCst) == 50);
    wait_until("counted", || journal.stats().records == 50);
    assert_eq!(
        u64::try_from(counted.1.load(Ordering::SeqCst)).ok(),
        Some(journal.stats().bytes)
    );
}

fn check_retired(journal: &WalJournal, lsns: &[Lsn], keep_archive: bool) {
    assert_eq!(scan(journal, lsns[20]).expect("scans").len(), 9);
    let (all, first) = (scan(journal, Lsn::ZERO), journal.read(lsns[0]));
    if keep_archive {
        assert_eq!(all.expect("scans").len(), 30);
        assert_eq!(first.expect("reads"), payload(0, 600));
    } else {
        assert!(matches!(all, Err(JournalError::NotFound { .. })));
        assert!(matches!(first, Err(JournalError::NotFound { .. })));
    }
}

/// A journal of thirty records, with or without an archive, and how it is opened again.
fn of_thirty(
    disk: &Arc<FaultyStorage>,
    keep_archive: bool,
) -> (impl Fn() -> WalOptions, WalJournal, Vec<Lsn>) {
    let options = move || WalOptions {
        keep_archive,
        ..options()
    };
    let (journal, _) = open_in(options(), disk).expect("opens");
    let lsns = (0..30)
        .map(|n| append_durably(&journal, &payload(n, 600)))
        .collect();
    (options, journal, lsns)
}

#[test]
fn retired_segments_are_read_from_the_archive_or_gone() {
    for keep_archive in [true, false] {
        let disk = Arc::new(FaultyStorage::new());
        let (options, journal, lsns) = of_thirty(&disk, keep_archive);
        let running = journal.scan(Lsn::ZERO).expect("scans");
        assert!(journal.retire(lsns[20]).expect("retires") >= 3);
        check_retired(&journal, &lsns, keep_archive);
        let is_whole = running.filter(Result::is_ok).count() == 30;
        assert_eq!(
            is_whole, keep_archive,
            "a scan under way follows into the archive"
        );
        journal.close().expect("closes");
        drop(journal);
        let (journal, _) = open_in(options(), &disk).expect("opens");
        check_retired(&journal, &lsns, keep_archive);
        let reader = WalReader::open_in("/d", disk.clone()).expect("opens beside");
        let infos = reader.segments().expect("reads");
        assert_eq!(infos.iter().any(|info| info.is_archived), keep_archive);
        let records: u64 = infos.iter().map(|info| info.records).sum();
        assert_eq!(records == 30, keep_archive);
        assert_eq!(
            infos.iter().filter_map(|info| info.last).max(),
            Some(lsns[29])
        );
    }
}

#[test]
fn a_reader_follows_into_the_archive() {
    let disk = Arc::new(FaultyStorage::new());
    let (_, journal, lsns) = of_thirty(&disk, true);
    let reader = || WalReader::open_in("/d", disk.clone()).expect("opens");
    let (opened, begun) = (reader(), reader());
    let mut begun = begun.records();
    assert!(begun.next().is_some_and(|entry| entry.is_ok()));
    assert!(journal.retire(lsns[20]).expect("retires") >= 3);
    assert_eq!(begun.filter(Result::is_ok).count(), 29);
    assert_eq!(opened.records().filter(Result::is_ok).count(), 30);
    assert!(opened.short_files().expect("reads").is_empty());
    let infos = opened.segments().expect("reads");
    assert_eq!(infos.iter().map(|info| info.records).sum::<u64>(), 30);
}

/// Where a segment is stays known whatever becomes of the syncs, and none is passed over.
#[test]
fn a_failing_sync_of_a_directory_holds_retirement_up_and_loses_nothing() {
    for keep_archive in [true, false] {
        for failing in 1..=4 {
            let disk = Arc::new(FaultyStorage::new());
            let (options, journal, lsns) = of_thirty(&disk, keep_archive);
            disk.plan(Faults {
                fail_dir_sync: Some(failing),
                ..Faults::default()
            });
            assert!(journal.retire(lsns[20]).is_err(), "{failing}");
            assert_eq!(journal.read(lsns[0]).is_ok(), keep_archive, "{failing}");
            assert_eq!(journal.read(lsns[29]).expect("reads"), payload(29, 600));
            // It goes on where it stopped, and what it could not make durable comes first.
            assert!(journal.retire(lsns[20]).expect("retires") >= 1);
            assert!(disk.done().dir_syncs >= failing + 2);
            check_retired(&journal, &lsns, keep_archive);
            drop(journal);
            for seed in 0..8 {
                let after = Arc::new(disk.fork().crash(seed));
                let (journal, _) = open_in(options(), &after).expect("opens");
                check_retired(&journal, &lsns, keep_archive);
            }
        }
    }
}

#[test]
fn files_that_move_while_they_are_listed_are_no_damage() {
    let temp = tempfile::tempdir().expect("makes one");
    let options = || tiny(temp.path());
    let (journal, _) = open(options()).expect("opens");
    let is_over = AtomicBool::new(false);
    let looks = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Until the reader had its chances.
            for n in 0..20_000 {
                let lsn = append_durably(&journal, &payload(n, 600));
                if n % 12 == 0 {
                    journal.retire(lsn).expect("retires");
                }
                if n > 200 && looks.load(Ordering::SeqCst) > 60 {
                    break;
                }
            }
            is_over.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let reader = WalReader::open(temp.path()).expect("opens");
                assert_eq!(reader.gap(), None);
                assert_eq!(reader.bounds().0, 0);
                let mut last = Lsn::ZERO;
                for entry in reader.records() {
                    if let LogEntry::Record { record, .. } = entry.expect("reads") {
                        assert!(record.lsn > last);
                        last = record.lsn;
                    }
                }
                looks.fetch_add(1, Ordering::SeqCst);
            }
        });
    });
    assert!(looks.into_inner() > 5, "the reader had no turn");
}

#[test]
fn both_threads_may_fail_but_the_halt_is_told_once() {
    for at in 1..120 {
        let disk = Arc::new(FaultyStorage::new());
        let (journal, _) = open_in(options(), &disk).expect("opens");
        let heard = Arc::new(Heard::default());
        journal.watch(heard.clone());
        disk.plan(Faults {
            power_loss: Some(at),
            ..Faults::default()
        });
        append_until_halt(&journal, at, 1000);
        drop(journal);
        assert_eq!(heard.halted.load(Ordering::SeqCst), 1, "power lost at {at}");
    }
}

#[test]
fn each_opening_has_its_own_epoch() {
    let disk = Arc::new(FaultyStorage::new());
    for epoch in 1..5 {
        let (journal, recovered) = open_in(options(), &disk).expect("opens");
        assert_eq!((journal.epoch(), recovered.epoch), (epoch, epoch));
    }
}

#[test]
fn the_last_durable_record_is_never_retired_even_while_the_next_segment_begins() {
    for fail_write in 1..4 {
        let disk = Arc::new(FaultyStorage::new());
        let options = || WalOptions {
            keep_archive: false,
            ..options()
        };
        let (journal, _) = open_in(options(), &disk).expect("opens");
        for n in 0..3 {
            append_durably(&journal, &payload(n, 1000));
        }
        wait_until("a segment ahead", || disk.used_bytes() >= 8192);
        disk.plan(Faults {
            fail_write: Some(fail_write),
            ..Faults::default()
        });
        append_until_halt(&journal, 1, 1000);
        let durable = journal.durable();
        journal.retire(Lsn::new(u64::MAX)).expect("retires");
        drop(journal);
        let disk = Arc::new(disk.crash(0));
        let (journal, recovered) = open_in(options(), &disk).expect("opens");
        assert!(
            recovered.last >= durable && recovered.records > 0,
            "{recovered:?}"
        );
        assert!(journal.read(recovered.last).is_ok(), "{recovered:?}");
    }
}
