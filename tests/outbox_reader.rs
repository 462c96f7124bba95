//! The outbox's reader at moments that the clock alone seldom brings about.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first fault")]

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use cardwright::{
    actors::{Engine, EngineError},
    config::Config,
    domain::{
        documents::Shelf, event::Event, ids::ActorId, registry::RegistryEvent, time::Timestamp,
    },
    journal::wal::{LogEntry, WalReader},
    outbox::{
        Outbox, Parts, Stored,
        event::{Names, OutEvent, events_of},
        targets::{Endpoint, Format},
    },
    outside::client::Client,
    vault::{Source, Vault, keys::KeyRing},
    wire::{Body, Entry},
};
use parking_lot::Mutex;

#[path = "common/engine.rs"]
mod engine;

use engine::{deposit, on_an_engine, on_an_engine_in, open};

const CARD: u64 = 1;

/// An endpoint that nobody answers at, so that whatever is for it stays.
async fn make_endpoint(engine: &Engine, id: &str) {
    engine.shared.indexes.expect_webhooks();
    let make = |_: &_, now: Timestamp| {
        let endpoint = Endpoint {
            id: id.to_owned(),
            origin: "sandbox".to_owned(),
            url: "http://127.0.0.1:1/".to_owned(),
            enabled: true,
            events: vec!["deposit".to_owned()],
            format: Format::Standard,
            description: String::new(),
            created_at: now.micros(),
            updated_at: now.micros(),
            disabled_reason: None,
        };
        Ok(vec![RegistryEvent::DocumentSet {
            shelf: Shelf::Endpoint,
            name: id.to_owned(),
            text: Some(endpoint.text()),
            at: now,
        }])
    };
    let made = engine.change_registry::<EngineError>(None, make).await;
    made.unwrap();
}

fn is_deposit(entry: &Entry) -> bool {
    let Body::Group(events) = &entry.body else {
        return false;
    };
    events.iter().any(|it| matches!(it, Event::Deposited(..)))
}

/// Waits, and lets the cards be asked meanwhile: they live on this thread.
async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: never");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What the gate hears, and what lets the reader go on.
type Gate = (mpsc::Receiver<()>, mpsc::Sender<()>);

/// An outbox whose reader stops within the first deposit that it reads, until it is let go on.
fn gated(engine: &Arc<Engine>, dir: &Path, config: &Config) -> (Arc<Outbox>, Gate) {
    let (tell_read, read) = mpsc::channel();
    let (go_on, wait) = mpsc::channel();
    let gate = Mutex::new(Some((tell_read, wait)));
    let events = move |lsn, entry: &Entry, names: &dyn Names| -> Vec<OutEvent> {
        if is_deposit(entry)
            && let Some((tell_read, wait)) = gate.lock().take()
        {
            tell_read.send(()).unwrap();
            wait.recv().unwrap();
        }
        events_of(lsn, entry, names)
    };
    let parts = Parts {
        engine: engine.clone(),
        vault: Arc::new(Vault::new(
            KeyRing::of([7; 32]),
            Source::Environment,
            [1; 32],
        )),
        client: Client::direct(config.webhook_limits()),
        events: Box::new(events),
    };
    let stored = Stored::open(dir, &config.outbox(), engine).unwrap();
    let outbox = Outbox::start(stored, config.outbox(), parts).unwrap();
    (outbox, (read, go_on))
}

/// The file in which the record at `lsn` stands, and where.
fn place_of(data: &Path, lsn: u64) -> (PathBuf, u64) {
    let mut entries = WalReader::open(data).unwrap().records();
    let found = entries.find_map(|entry| match entry {
        Ok(LogEntry::Record {
            segment,
            offset,
            record,
        }) if record.lsn.get() == lsn => Some((data.join("wal").join(&*segment), offset)),
        _ => None,
    });
    found.unwrap()
}

/// Turns a bit of the record there, or turns it back.
fn turn_at(path: &Path, offset: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    let at = offset + 20;
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1;
    file.write_all_at(&byte, at).unwrap();
}

#[test]
fn what_was_read_before_a_failure_is_laid_out() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::load(None, std::iter::empty()).unwrap();
    on_an_engine_in(dir.path(), async |engine| {
        let (outbox, (read, go_on)) = gated(&engine, &dir.path().join("outbox"), &config);
        make_endpoint(&engine, "whe").await;
        engine.directory.create(ActorId(CARD));
        engine.execute(open(CARD)).await.unwrap();
        engine.execute(deposit(&engine, CARD, 7)).await.unwrap();
        wait_until("the first deposit is read", || read.try_recv().is_ok()).await;
        engine.execute(deposit(&engine, CARD, 7)).await.unwrap();
        let last = engine.execute(deposit(&engine, CARD, 7)).await.unwrap().lsn;
        let data = dir.path().join("data");
        let place = place_of(&data, last);
        turn_at(&place.0, place.1);
        go_on.send(()).unwrap();
        let laid = |count| outbox.counts("sandbox", "whe") == (count, 0);
        wait_until("what stands in front of it is laid out", || laid(2)).await;
        turn_at(&place.0, place.1);
        wait_until("and the rest, once it can be read", || laid(3)).await;
        let stopped = actix_rt::task::spawn_blocking(move || outbox.stop());
        stopped.await.unwrap();
    });
}

#[test]
fn an_endpoint_made_while_the_log_is_read_gets_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::load(None, std::iter::empty()).unwrap();
    on_an_engine(async |engine| {
        let (outbox, (read, go_on)) = gated(&engine, dir.path(), &config);
        make_endpoint(&engine, "whe_before").await;
        engine.directory.create(ActorId(CARD));
        engine.execute(open(CARD)).await.unwrap();
        engine.execute(deposit(&engine, CARD, 7)).await.unwrap();
        wait_until("the first deposit is read", || read.try_recv().is_ok()).await;
        make_endpoint(&engine, "whe_meanwhile").await;
        engine.execute(deposit(&engine, CARD, 7)).await.unwrap();
        go_on.send(()).unwrap();
        for (endpoint, expected) in [("whe_before", 2), ("whe_meanwhile", 1)] {
            let is_there = || outbox.counts("sandbox", endpoint) == (expected, 0);
            wait_until(endpoint, is_there).await;
        }
        let stopped = actix_rt::task::spawn_blocking(move || outbox.stop());
        stopped.await.unwrap();
    });
}
