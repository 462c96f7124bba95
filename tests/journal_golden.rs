//! The stored formats, frozen: files of version 1 stay readable, and are still what is written.
//!
//! To regenerate after a deliberate change of the format (under a new version directory, the old
//! one stays): `CARDWRIGHT_WRITE_GOLDEN=1 cargo test --test journal_golden`, then look at the diff.

#![allow(clippy::indexing_slicing, reason = "a test may stop at a wrong index")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cardwright::journal::{
    Journal, Lsn, Record,
    wal::{Clock, LogEntry, WalOptions, WalReader},
};
use common::{append_durably, open, scan, small, wait_until};

const CREATED_MS: i64 = 1_700_000_000_000;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/golden/v1/journal")
}

fn options(dir: &Path) -> WalOptions {
    WalOptions {
        segment_bytes: 2048,
        record_bytes_max: 1024,
        clock: Clock::new(|| CREATED_MS),
        ..small(dir)
    }
}

fn payloads() -> Vec<Vec<u8>> {
    let long = (0..1000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut payloads = vec![
        b"first".to_vec(),
        Vec::new(),
        long,
        vec![0; 1024],
        b"last".to_vec(),
    ];
    payloads.push("ñandú".as_bytes().to_vec());
    payloads
}

fn expected() -> Vec<Record> {
    // Segment header 512, batch header 64, frame header 12 and trailer 4; see wal/frame.rs.
    let positions = [576, 661, 741, 2624, 3728, 3812];
    let records = positions.into_iter().zip(payloads());
    records
        .map(|(lsn, payload)| Record {
            lsn: Lsn::new(lsn),
            payload,
        })
        .collect()
}

/// Writes the golden history into `dir`.
fn write(dir: &Path) {
    let (journal, _) = open(options(dir)).expect("opens");
    let lsns: Vec<_> = payloads()
        .iter()
        .map(|it| append_durably(&journal, it))
        .collect();
    let mut sink = journal
        .snapshots()
        .create(lsns[3], CREATED_MS)
        .expect("creates");
    for item in payloads() {
        sink.put(&item).expect("puts");
    }
    sink.finish().expect("finishes");
    assert_eq!(journal.retire(lsns[2]).expect("retires"), 1);
    wait_until("the next segment is made", || {
        dir.join("wal/0000000000001000.wal").exists()
    });
    journal.close().expect("closes");
    drop(journal);
    fs::remove_file(dir.join("LOCK")).expect("removes");
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for part in ["", "wal", "archive", "snapshots"] {
        for entry in fs::read_dir(dir.join(part)).into_iter().flatten() {
            let path = entry.expect("lists").path();
            if path.is_file() {
                let name = path.strip_prefix(dir).expect("inside").to_owned();
                files.insert(name, fs::read(&path).expect("reads"));
            }
        }
    }
    files
}

#[test]
fn what_is_written_is_still_version_1_byte_for_byte() {
    let dir = tempfile::tempdir().expect("makes a directory");
    write(dir.path());
    let written = files(dir.path());
    if std::env::var_os("CARDWRIGHT_WRITE_GOLDEN").is_some() {
        for (name, bytes) in &written {
            let path = golden().join(name);
            fs::create_dir_all(path.parent().expect("has one")).expect("creates");
            fs::write(path, bytes).expect("writes");
        }
    }
    let golden = files(&golden());
    assert!(
        golden.keys().eq(written.keys()),
        "{:?} {:?}",
        golden.keys(),
        written.keys()
    );
    for (name, bytes) in &golden {
        let differs = bytes.iter().zip(&written[name]).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{} differs at this offset", name.display());
        assert_eq!(bytes.len(), written[name].len(), "{}", name.display());
    }
}

#[test]
fn version_1_is_read() {
    let reader = WalReader::open(golden()).expect("opens");
    let mut records = Vec::new();
    for entry in reader.records() {
        match entry.expect("whole") {
            LogEntry::Record {
                segment,
                offset,
                record,
            } => {
                let base = record.lsn.get() - offset;
                assert_eq!(*segment, *format!("{base:016x}.wal"));
                records.push(record);
            }
            LogEntry::Torn(cut) => panic!("{cut:?}"),
        }
    }
    assert_eq!(records, expected());
    let infos = reader.segments().expect("reads");
    let shape: Vec<_> = infos
        .iter()
        .map(|it| (it.name.as_str(), it.bytes_used, it.records, it.is_archived))
        .collect();
    assert_eq!(
        shape,
        [
            ("0000000000000000.wal", 1757, 3, true),
            ("0000000000000800.wal", 1851, 3, false),
            ("0000000000001000.wal", 512, 0, false),
        ]
    );
    let snapshots = reader.snapshots().expect("lists");
    assert_eq!(snapshots.len(), 1);
    assert_eq!(
        (snapshots[0].lsn, snapshots[0].created_ms),
        (Lsn::new(2624), CREATED_MS)
    );
    assert_eq!(snapshots[0].items, 6);
    let items: Result<Vec<_>, _> = reader
        .open_snapshot(Lsn::new(2624))
        .expect("opens")
        .collect();
    assert_eq!(items.expect("whole"), payloads());
}

#[test]
fn version_1_is_opened_and_written_on() {
    let dir = tempfile::tempdir().expect("makes a directory");
    for (name, bytes) in files(&golden()) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("has one")).expect("creates");
        fs::write(path, bytes).expect("writes");
    }
    let (journal, recovered) = open(options(dir.path())).expect("opens");
    assert!(recovered.is_clean, "{recovered:?}");
    assert_eq!((recovered.epoch, recovered.records), (2, 3));
    assert_eq!(scan(&journal, Lsn::ZERO).expect("scans"), expected());
    append_durably(&journal, b"more");
    assert_eq!(scan(&journal, Lsn::ZERO).expect("scans").len(), 7);
}
