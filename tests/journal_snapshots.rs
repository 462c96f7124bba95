//! A damaged snapshot is refused, whatever the damage; a snapshot ahead of its log is too.
#![allow(clippy::indexing_slicing, reason = "a test may stop at a wrong index")]

mod common;

use std::{path::PathBuf, sync::Arc};

use cardwright::journal::{
    Journal, JournalError, Lsn, SnapshotStore,
    wal::{WalOptions, faulty::FaultyStorage},
};
use common::{append_durably, open_in, payload, tiny};

type Change<'a> = &'a dyn Fn(&mut Vec<u8>);

fn options() -> WalOptions {
    tiny("/d")
}

fn snapshot_disk() -> (Arc<FaultyStorage>, Lsn, PathBuf, Vec<Vec<u8>>) {
    let items: Vec<_> = [0, 1, 40, 300, 7]
        .iter()
        .map(|len| payload(3, *len))
        .collect();
    let disk = Arc::new(FaultyStorage::new());
    let (journal, _) = open_in(options(), &disk).expect("opens");
    let lsn = append_durably(&journal, b"one");
    let mut sink = journal.snapshots().create(lsn, 42).expect("creates");
    for item in &items {
        sink.put(item).expect("puts");
    }
    let name = sink.finish().expect("finishes").name;
    drop(journal);
    (disk, lsn, PathBuf::from("/d/snapshots").join(name), items)
}

fn read_snapshot(store: &dyn SnapshotStore, lsn: Lsn) -> Result<Vec<Vec<u8>>, JournalError> {
    store.open(lsn)?.collect()
}

#[test]
fn a_snapshot_truncated_at_every_byte_or_with_any_bit_flipped_is_refused() {
    let (disk, lsn, path, items) = snapshot_disk();
    let len = disk.contents()[&path].len();
    let check = |what: String, change: &dyn Fn(&mut Vec<u8>)| {
        let bad = Arc::new(disk.fork());
        bad.edit(&path, change);
        let (journal, _) = open_in(options(), &bad).expect("the log is whole");
        assert_eq!(
            journal.snapshots().list().expect("lists").len(),
            1,
            "{what}"
        );
        let whole = journal
            .snapshots()
            .open(lsn)
            .map(|read| read.map_while(Result::ok).collect());
        let whole: Vec<_> = whole.unwrap_or_default();
        assert!(
            items.starts_with(&whole),
            "{what}: a damaged item is handed out"
        );
        let found = read_snapshot(journal.snapshots(), lsn);
        assert!(
            matches!(found, Err(JournalError::Corrupt { .. })),
            "{what}: {found:?}"
        );
    };
    for at in 0..len {
        check(format!("truncated at {at} of {len}"), &|bytes| {
            bytes.truncate(at)
        });
    }
    for bit in 0..len * 8 {
        check(format!("bit {bit} flipped"), &|bytes| {
            bytes[bit / 8] ^= 1 << (bit % 8)
        });
    }
    check("a byte too long".to_owned(), &|bytes| bytes.push(0));
    let (journal, _) = open_in(options(), &disk).expect("opens");
    assert_eq!(
        read_snapshot(journal.snapshots(), lsn).expect("whole"),
        items
    );
}

#[test]
fn a_log_that_ends_before_its_snapshot_is_refused() {
    let (disk, _, _, _) = snapshot_disk();
    disk.edit(&PathBuf::from("/d/wal/0000000000000000.wal"), |bytes| {
        bytes[512..].fill(0)
    });
    assert!(matches!(
        open_in(options(), &disk),
        Err(JournalError::Corrupt { .. })
    ));
}

#[test]
fn pruning_keeps_whole_ones_and_leaves_damaged_ones_to_a_person() {
    let (disk, lsn, path, _) = snapshot_disk();
    let (journal, _) = open_in(options(), &disk).expect("opens");
    for n in 0..3 {
        let lsn = append_durably(&journal, &payload(n, 10));
        journal
            .snapshots()
            .create(lsn, 0)
            .and_then(|sink| sink.finish())
            .expect("finishes");
    }
    let newest = journal.snapshots().list().expect("lists")[0].clone();
    let newest_path = PathBuf::from("/d/snapshots").join(newest.name);
    disk.edit(&newest_path, |bytes| bytes[3] ^= 1);
    assert_eq!(journal.snapshots().prune(1).expect("prunes"), 2);
    let left = disk.contents();
    assert!(left.contains_key(&newest_path) && !left.contains_key(&path));
    let listed = journal.snapshots().list().expect("lists");
    assert_eq!(listed.len(), 2);
    assert!(read_snapshot(journal.snapshots(), listed[0].lsn).is_err());
    assert!(read_snapshot(journal.snapshots(), listed[1].lsn).is_ok());
    assert!(matches!(
        journal.snapshots().open(lsn),
        Err(JournalError::NotFound { .. })
    ));
}

#[test]
fn items_that_are_whole_but_missing_or_in_another_order_are_refused() {
    let (disk, lsn, path, _) = snapshot_disk();
    // Header 32 bytes; items of 0, 1, 40, 300 and 7 bytes, each behind 8 bytes.
    let (first, second, third) = (32, 40, 49);
    let without = |bytes: &mut Vec<u8>| drop(bytes.drain(second..third));
    let twice = |bytes: &mut Vec<u8>| {
        let item = bytes[second..third].to_vec();
        bytes.splice(second..second, item);
    };
    let swapped = |bytes: &mut Vec<u8>| bytes[first..third].rotate_left(second - first);
    let changes: [Change<'_>; 3] = [&without, &twice, &swapped];
    for (n, change) in changes.into_iter().enumerate() {
        let bad = Arc::new(disk.fork());
        bad.edit(&path, change);
        let (journal, _) = open_in(options(), &bad).expect("opens");
        let found = read_snapshot(journal.snapshots(), lsn);
        assert!(
            matches!(found, Err(JournalError::Corrupt { .. })),
            "change {n}: {found:?}"
        );
    }
}
