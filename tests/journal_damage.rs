//! Torn ends are cut, damage is refused; nothing acknowledged is ever lost or changed silently.
#![allow(clippy::indexing_slicing, reason = "a test may stop at a wrong index")]

mod common;

use std::{path::PathBuf, sync::Arc};

use cardwright::journal::{
    Journal, JournalError, Lsn, Record,
    wal::{WalJournal, WalOptions, WalReader, faulty::FaultyStorage},
};
use common::{append_durably, open_in, payload, scan, tiny, wait_until};

fn options() -> WalOptions {
    tiny("/d")
}

fn segment(base: u64) -> PathBuf {
    PathBuf::from(format!("/d/wal/{base:016x}.wal"))
}

/// A log of records of these sizes, each its own batch.
fn log_of(sizes: &[usize], is_closed: bool) -> (Arc<FaultyStorage>, Vec<Record>) {
    let disk = Arc::new(FaultyStorage::new());
    let (journal, _) = open_in(options(), &disk).expect("opens");
    let mut records = Vec::new();
    for (n, size) in (0..).zip(sizes) {
        let payload = payload(n, *size);
        records.push(Record {
            lsn: append_durably(&journal, &payload),
            payload,
        });
    }
    wait_until("next segment is made", || {
        disk.contents()
            .keys()
            .filter(|path| path.starts_with("/d/wal"))
            .count()
            > usize::try_from(journal.appended().get() / 4096 + 1).expect("small")
    });
    if is_closed {
        journal.close().expect("closes");
    }
    drop(journal);
    (disk, records)
}

fn recovered(disk: &Arc<FaultyStorage>) -> Result<(WalJournal, Vec<Record>), JournalError> {
    let (journal, _) = open_in(options(), disk)?;
    let records = scan(&journal, Lsn::ZERO)?;
    Ok((journal, records))
}

/// After a cut, the journal goes on, and what was kept and what is new survives another opening.
fn goes_on(disk: &Arc<FaultyStorage>, journal: WalJournal, mut expected: Vec<Record>, at: &str) {
    let lsn = append_durably(&journal, b"goes on");
    expected.push(Record {
        lsn,
        payload: b"goes on".to_vec(),
    });
    assert_eq!(scan(&journal, Lsn::ZERO).expect("scans"), expected, "{at}");
    drop(journal);
    let (_journal, records) = recovered(disk).unwrap_or_else(|error| panic!("{at}: {error}"));
    assert_eq!(records, expected, "{at}");
}

fn end_of(record: &Record) -> usize {
    usize::try_from(record.lsn.get()).expect("small") + record.payload.len() + 16
}

fn start_of(record: &Record) -> usize {
    usize::try_from(record.lsn.get()).expect("small") - 64
}

fn torn_at_every_byte(tear: impl Fn(&mut Vec<u8>, usize)) {
    for last in [40, 700] {
        let (disk, records) = log_of(&[100, 300, last], false);
        let last = records.last().expect("some");
        for at in start_of(last)..end_of(last) {
            let torn = Arc::new(disk.fork());
            torn.edit(&segment(0), |bytes| tear(bytes, at));
            let what = format!("torn at {at} of {}..{}", start_of(last), end_of(last));
            let reader = WalReader::open_in("/d", torn.clone()).expect("reads");
            let entries: Result<Vec<_>, _> = reader.records().collect();
            let entries = entries.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(
                entries.len(),
                if at == start_of(last) { 2 } else { 3 },
                "{what}"
            );
            let (journal, kept) =
                recovered(&torn).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(kept, records[..2], "{what}");
            goes_on(&torn, journal, kept, &what);
        }
    }
}

#[test]
fn a_log_truncated_at_every_byte_of_its_last_record_loses_that_record_only() {
    torn_at_every_byte(|bytes, at| bytes.truncate(at));
}

#[test]
fn a_log_zeroed_from_every_byte_of_its_last_record_loses_that_record_only() {
    torn_at_every_byte(|bytes, at| bytes[at..].fill(0));
}

#[test]
fn each_missing_sector_of_the_last_batch_is_a_torn_write() {
    for lead in [0, 30, 200, 420, 440, 470] {
        let (disk, records) = log_of(&[lead, 1000], false);
        let last = &records[1];
        for sector in start_of(last) / 512..=(end_of(last) - 1) / 512 {
            let torn = Arc::new(disk.fork());
            torn.edit(&segment(0), |bytes| {
                let from = start_of(last).max(sector * 512);
                bytes[from..end_of(last).min((sector + 1) * 512)].fill(0);
            });
            let what = format!("sector {sector} missing, lead {lead}");
            let (journal, kept) =
                recovered(&torn).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(kept, records[..1], "{what}");
            goes_on(&torn, journal, kept, &what);
        }
    }
}

/// One flipped bit gives all records or a refusal, whichever bit, and whether or not it was closed.
fn flip_every_bit(sizes: &[usize], is_closed: bool) {
    let (disk, records) = log_of(sizes, is_closed);
    let used = end_of(records.last().expect("some")) + 64;
    let mut refused = 0;
    for base in [0, 4096] {
        let used = used
            .saturating_sub(usize::try_from(base).expect("small"))
            .min(4096);
        for bit in 0..used * 8 {
            let flipped = Arc::new(disk.fork());
            flipped.edit(&segment(base), |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let what = format!("bit {} of byte {} at base {base}", bit % 8, bit / 8);
            match recovered(&flipped) {
                Ok((_journal, kept)) => assert_eq!(kept, records, "{what}"),
                Err(JournalError::Corrupt { .. }) => refused += 1,
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }
    assert!(
        refused > records.iter().map(|it| it.payload.len() * 8).sum::<usize>(),
        "{refused} refused"
    );
}

#[test]
fn every_flipped_bit_of_a_closed_log_is_refused_or_harmless() {
    flip_every_bit(&[0, 5, 900, 60], true);
}

#[test]
fn every_flipped_bit_of_a_log_that_was_not_closed_is_refused_or_harmless() {
    flip_every_bit(&[5, 900, 60], false);
}

#[test]
fn every_flipped_bit_over_two_segments_is_refused_or_harmless() {
    flip_every_bit(&[1000, 1000, 1000, 1000, 100], false);
}

#[test]
fn a_flipped_bit_in_sectors_of_zeros_is_not_taken_for_a_torn_write() {
    let disk = Arc::new(FaultyStorage::new());
    let (journal, _) = open_in(options(), &disk).expect("opens");
    let mut payload = vec![0; 1024];
    payload[700] = 1;
    let lsn = append_durably(&journal, &payload);
    drop(journal);
    let start = usize::try_from(lsn.get()).expect("small");
    for bit in start * 8..(start + 1024 + 16) * 8 {
        let flipped = Arc::new(disk.fork());
        flipped.edit(&segment(0), |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let found = recovered(&flipped).map(|(_, records)| records.len());
        assert!(
            matches!(found, Err(JournalError::Corrupt { .. })),
            "bit {bit}: {found:?}"
        );
    }
}

#[test]
fn a_record_lost_before_a_later_one_is_refused() {
    let (disk, records) = log_of(&[100, 600, 100], false);
    for (from, to) in [(1, 1), (0, 1), (0, 0)] {
        let (from, to) = (start_of(&records[from]), end_of(&records[to]));
        let holed = Arc::new(disk.fork());
        holed.edit(&segment(0), |bytes| bytes[from..to].fill(0));
        let found = recovered(&holed).map(|(_, records)| records.len());
        assert!(
            matches!(found, Err(JournalError::Corrupt { .. })),
            "{from}..{to}: {found:?}"
        );
    }
}

#[test]
fn the_end_of_a_segment_lost_before_a_later_segment_is_refused() {
    let (disk, records) = log_of(&[1000, 1000, 1000, 1000], false);
    assert!(records[3].lsn > Lsn::new(4096));
    for record in &records[..3] {
        for at in [
            start_of(record),
            start_of(record) + 10,
            start_of(record) + 100,
        ] {
            let holed = Arc::new(disk.fork());
            holed.edit(&segment(0), |bytes| bytes[at..].fill(0));
            let found = recovered(&holed).map(|(_, records)| records.len());
            assert!(
                matches!(found, Err(JournalError::Corrupt { .. })),
                "{at}: {found:?}"
            );
        }
    }
}

#[test]
fn a_missing_or_headless_segment_is_refused() {
    let (disk, _) = log_of(&[1000; 10], false);
    let paths: Vec<_> = disk
        .contents()
        .into_keys()
        .filter(|path| path.starts_with("/d/wal"))
        .collect();
    assert!(paths.len() >= 5, "{paths:?}");
    for path in &paths[1..paths.len() - 1] {
        let holed = Arc::new(disk.fork());
        cardwright::journal::wal::Storage::remove(holed.as_ref(), path).expect("removes");
        assert!(
            matches!(recovered(&holed), Err(JournalError::Corrupt { .. })),
            "{path:?}"
        );
    }
    for path in &paths[..paths.len() - 1] {
        let headless = Arc::new(disk.fork());
        headless.edit(path, |bytes| bytes[..512].fill(0));
        assert!(
            matches!(recovered(&headless), Err(JournalError::Corrupt { .. })),
            "{path:?}"
        );
    }
    let unused = Arc::new(disk.fork());
    unused.edit(paths.last().expect("some"), |bytes| bytes[20..].fill(0));
    let (journal, records) = recovered(&unused).expect("a segment never used is made again");
    goes_on(&unused, journal, records, "headless unused segment");
    let emptied = Arc::new(disk.fork());
    for path in &paths {
        cardwright::journal::wal::Storage::remove(emptied.as_ref(), path).expect("removes");
    }
    assert!(
        matches!(recovered(&emptied), Err(JournalError::Corrupt { .. })),
        "all removed"
    );
}

#[test]
fn stray_bits_in_unused_space_are_cleared_and_garbage_is_refused() {
    let (disk, records) = log_of(&[100, 200], false);
    let end = end_of(&records[1]);
    for at in [end, end + 1, end + 30, end + 63, end + 64, end + 500, 4095] {
        for base in [0, 4096] {
            let at = if base == 0 { at } else { at.max(512) };
            let stray = Arc::new(disk.fork());
            stray.edit(&segment(base), |bytes| bytes[at] ^= 4);
            let (journal, kept) = recovered(&stray).expect("stray bit is no record");
            assert_eq!(kept, records, "stray bit at {at} from {base}");
            goes_on(
                &stray,
                journal,
                kept,
                &format!("stray bit at {at} from {base}"),
            );
        }
    }
    let garbage = Arc::new(disk.fork());
    garbage.edit(&segment(0), |bytes| {
        bytes[end..end + 300].copy_from_slice(&payload(9, 300))
    });
    assert!(matches!(
        recovered(&garbage),
        Err(JournalError::Corrupt { .. })
    ));
}

#[test]
fn an_older_epoch_behind_a_newer_is_refused() {
    let (ours, _) = log_of(&[100], false);
    let theirs = Arc::new(ours.fork());
    let (second, _) = open_in(options(), &theirs).expect("opens");
    append_durably(&second, &payload(7, 50));
    let fenced = append_durably(&second, &payload(8, 50));
    drop(second);
    drop(open_in(options(), &ours).expect("opens"));
    let (third, _) = open_in(options(), &ours).expect("opens");
    append_durably(&third, &payload(7, 50));
    drop(third);
    // What the writer of epoch 2 goes on to write behind the writer of epoch 3.
    let at = usize::try_from(fenced.get()).expect("small") - 64;
    let late = theirs.contents().remove(&segment(0)).expect("there");
    ours.edit(&segment(0), |bytes| {
        bytes[at..].copy_from_slice(&late[at..])
    });
    let found = recovered(&ours).map(|(_, records)| records.len());
    assert!(
        matches!(&found, Err(JournalError::Corrupt { what, .. }) if what.contains("epoch")),
        "{found:?}"
    );
}

#[test]
fn a_torn_batch_of_many_records_keeps_those_before_the_tear() {
    let disk = Arc::new(FaultyStorage::new());
    let (journal, _) = open_in(options(), &disk).expect("opens");
    let first = append_durably(&journal, &payload(0, 30));
    let mut records = vec![Record {
        lsn: first,
        payload: payload(0, 30),
    }];
    for n in 1..=8 {
        let payload = payload(n, 150);
        records.push(Record {
            lsn: common::append(&journal, &payload),
            payload,
        });
    }
    wait_until("durable", || journal.durable() == journal.appended());
    drop(journal);
    let whole_end = end_of(records.last().expect("some"));
    for at in end_of(&records[0])..whole_end {
        let torn = Arc::new(disk.fork());
        torn.edit(&segment(0), |bytes| bytes[at..].fill(0));
        let what = format!("zeroed from {at}");
        let (journal, kept) = recovered(&torn).unwrap_or_else(|error| panic!("{what}: {error}"));
        let whole = records.iter().filter(|record| end_of(record) <= at).count();
        assert_eq!(kept, records[..whole], "{what}");
        goes_on(&torn, journal, kept, &what);
    }
}

#[test]
fn damage_under_a_running_journal_is_told_to_the_reader() {
    let disk = Arc::new(FaultyStorage::new());
    let (journal, _) = open_in(options(), &disk).expect("opens");
    let lsns: Vec<_> = (0..3)
        .map(|n| append_durably(&journal, &payload(n, 200)))
        .collect();
    let from = usize::try_from(lsns[1].get()).expect("small");
    for at in from..from + 216 {
        disk.edit(&segment(0), |bytes| bytes[at] ^= 0x10);
        let read = journal.read(lsns[1]);
        assert!(
            matches!(read, Err(JournalError::Corrupt { .. })),
            "byte {at}: {read:?}"
        );
        let mut scan = journal.scan(Lsn::ZERO).expect("begins");
        assert_eq!(scan.next().expect("first").expect("whole").lsn, lsns[0]);
        assert!(
            matches!(scan.next(), Some(Err(JournalError::Corrupt { .. }))),
            "byte {at}"
        );
        assert!(scan.next().is_none(), "ends there");
        assert_eq!(journal.read(lsns[2]).expect("whole"), payload(2, 200));
        disk.edit(&segment(0), |bytes| bytes[at] ^= 0x10);
    }
    assert_eq!(journal.read(lsns[1]).expect("whole"), payload(1, 200));
}

#[test]
fn the_reader_changes_nothing() {
    let (disk, records) = log_of(&[100, 1000, 1000, 1000, 1000, 50], false);
    let end = end_of(records.last().expect("some")) - 4096;
    disk.edit(&segment(4096), |bytes| bytes[end - 10..].fill(0));
    let before = disk.contents();
    let reader = WalReader::open_in("/d", disk.clone()).expect("opens");
    let entries: Result<Vec<_>, _> = reader.records().collect();
    assert_eq!(entries.expect("reads").len(), 6);
    assert_eq!(reader.segments().expect("reads").len(), 3);
    assert!(reader.snapshots().expect("lists").is_empty());
    assert_eq!(disk.contents(), before);
}
