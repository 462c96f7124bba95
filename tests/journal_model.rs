//! Any course of events leaves the file journal with what a plain list holds; a reader beside it too.

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use cardwright::journal::{
    Journal, Lsn, Record,
    wal::{LogEntry, WalReader, faulty::FaultyStorage},
};
use common::{append, open_in, payload, scan, tiny, wait_until};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Append(usize),
    Wait,
    Close,
    Retire,
    Crash(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..1025_usize).prop_map(Event::Append),
        2 => Just(Event::Wait),
        1 => Just(Event::Close),
        1 => Just(Event::Retire),
        1 => any::<u64>().prop_map(Event::Crash),
    ]
}

/// Plays the events against a list that keeps what is durable.
fn play(events: Vec<Event>) {
    let mut disk = Arc::new(FaultyStorage::new());
    let mut log = open_in(tiny("/d"), &disk).expect("opens").0;
    let mut model: Vec<Record> = Vec::new();
    for (n, event) in (0..).zip(events) {
        match event {
            Event::Append(len) => {
                let payload = payload(n, len);
                model.push(Record {
                    lsn: append(&log, &payload),
                    payload,
                });
                continue;
            }
            Event::Wait => wait_until("durable", || log.durable() == log.appended()),
            Event::Close => log.close().expect("closes"),
            Event::Retire => {
                log.retire(log.durable()).expect("retires");
                continue;
            }
            Event::Crash(seed) => {
                let acknowledged = log.durable();
                disk = Arc::new(disk.crash(seed));
                log = open_in(tiny("/d"), &disk).expect("opens").0;
                assert!(log.durable() >= acknowledged);
                model.retain(|record| record.lsn <= log.durable());
            }
        }
        if matches!(event, Event::Close) {
            drop(log);
            log = open_in(tiny("/d"), &disk).expect("opens").0;
        }
        assert_eq!(scan(&log, Lsn::ZERO).expect("scans"), model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_events_leaves_what_a_list_holds(events in prop::collection::vec(event(), 1..80)) {
        play(events);
    }
}

#[test]
fn a_reader_beside_a_writer_sees_a_whole_prefix() {
    let disk = Arc::new(FaultyStorage::new());
    let (log, _) = open_in(tiny("/d"), &disk).expect("opens");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..3000 {
                append(&log, &payload(n, 90));
            }
            is_over.store(true, Ordering::SeqCst);
        });
        while !is_over.load(Ordering::SeqCst) {
            let reader = WalReader::open_in("/d", disk.clone()).expect("opens");
            let mut seen = 0;
            for entry in reader.records() {
                match entry.unwrap_or_else(|error| panic!("after {seen}: {error}")) {
                    LogEntry::Record { record, .. } => {
                        assert_eq!(record.payload, payload(seen, 90));
                        seen += 1;
                    }
                    LogEntry::Torn(_) => {}
                }
            }
        }
    });
}
