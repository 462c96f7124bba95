//! The power goes, at any moment, again and again: what was acknowledged is there after.
#![allow(clippy::indexing_slicing, reason = "a test may stop at a wrong index")]

mod common;

use std::{collections::BTreeMap, sync::Arc};

use cardwright::journal::{
    Journal, Lsn,
    wal::{
        WalOptions,
        faulty::{Faults, FaultyStorage},
    },
};
use common::{Rng, append_durably, append_until_halt, check_found, open_in, payload, scan, tiny};

fn options() -> WalOptions {
    tiny("/d")
}

/// A machine that loses power again and again, at any operation, during opening as well.
fn lives_through_crashes(seed: u64) {
    let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut disk = Arc::new(FaultyStorage::new());
    let mut appended = BTreeMap::new();
    let mut acknowledged = Lsn::ZERO;
    let mut epoch = 0;
    for life in 0..4 {
        let what = format!("seed {seed}, life {life}");
        let power_loss = Some(1 + rng.below(120));
        disk.plan(Faults {
            power_loss,
            ..Faults::default()
        });
        if let Ok((journal, recovered)) = open_in(options(), &disk) {
            assert!(recovered.epoch > epoch, "{what}");
            epoch = recovered.epoch;
            if let Ok(found) = scan(&journal, Lsn::ZERO) {
                check_found(&found, &appended, acknowledged, &what);
                let last = found.last().map_or(Lsn::ZERO, |record| record.lsn);
                assert_eq!(recovered.last, last, "{what}");
                acknowledged = last;
                appended.retain(|lsn, _| *lsn <= last);
                let count = usize::try_from(1 + rng.below(40)).expect("small");
                appended.append(&mut append_until_halt(&journal, rng.next(), count));
                if rng.below(3) == 0 {
                    let _ = journal.close();
                }
            }
            acknowledged = acknowledged.max(journal.durable());
            drop(journal);
        }
        disk = Arc::new(disk.crash(rng.next()));
    }
    let (journal, recovered) =
        open_in(options(), &disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let found = scan(&journal, Lsn::ZERO).expect("scans");
    check_found(
        &found,
        &appended,
        acknowledged,
        &format!("seed {seed}, {recovered:?}"),
    );
}

#[test]
fn two_thousand_machines_lose_power_and_nothing_acknowledged() {
    for seed in 0..2000 {
        lives_through_crashes(seed);
    }
}

#[test]
fn power_lost_while_retiring_leaves_no_hole() {
    for seed in 0..300 {
        let keep_archive = seed % 2 == 0;
        let options = || WalOptions {
            keep_archive,
            ..options()
        };
        let disk = Arc::new(FaultyStorage::new());
        let (journal, _) = open_in(options(), &disk).expect("opens");
        let lsns: Vec<_> = (0..30)
            .map(|n| append_durably(&journal, &payload(n, 600)))
            .collect();
        disk.plan(Faults {
            power_loss: Some(1 + seed % 14),
            ..Faults::default()
        });
        let _ = journal.retire(lsns[20]);
        drop(journal);
        let disk = Arc::new(disk.crash(seed));
        let (journal, recovered) =
            open_in(options(), &disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(recovered.last, lsns[29], "seed {seed}");
        assert_eq!(
            scan(&journal, lsns[20]).expect("scans").len(),
            9,
            "seed {seed}"
        );
        if keep_archive {
            assert_eq!(
                scan(&journal, Lsn::ZERO).expect("scans").len(),
                30,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn power_lost_while_a_snapshot_is_made_leaves_whole_ones_only() {
    for seed in 0..300 {
        let disk = Arc::new(FaultyStorage::new());
        let small = WalOptions {
            snapshot_sync_bytes: 1000,
            ..options()
        };
        let (journal, _) = open_in(small, &disk).expect("opens");
        let lsn = append_durably(&journal, b"one");
        disk.plan(Faults {
            power_loss: Some(1 + seed % 20),
            ..Faults::default()
        });
        let made = journal.snapshots().create(lsn, 1).and_then(|mut sink| {
            for n in 0..20 {
                sink.put(&payload(n, 300))?;
            }
            sink.finish()
        });
        drop(journal);
        let disk = Arc::new(disk.crash(seed));
        let (journal, _) = open_in(options(), &disk).expect("opens");
        let listed = journal.snapshots().list().expect("lists");
        assert!(
            made.is_err() || listed.len() == 1,
            "seed {seed}: finished, then lost"
        );
        for info in listed {
            let items: Result<Vec<_>, _> =
                journal.snapshots().open(info.lsn).expect("opens").collect();
            assert_eq!(items.expect("whole").len(), 20, "seed {seed}");
        }
        let mut snapshots = disk
            .contents()
            .into_keys()
            .filter(|it| it.starts_with("/d/snapshots"));
        let is_left = snapshots.any(|it| it.extension() == Some("tmp".as_ref()));
        assert!(!is_left, "seed {seed}: leftovers are removed");
    }
}
