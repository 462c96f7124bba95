//! The outbox's reader at moments that the clock alone seldom brings about.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first fault")]

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use cardwright::{
    actors::{Engine, EngineError},
    config::Config,
    domain::{
        documents::Shelf, event::Event, ids::ActorId, registry::RegistryEvent, time::Timestamp,
    },
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

use engine::{deposit, on_an_engine, open};

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

#[test]
fn an_endpoint_made_while_the_log_is_read_gets_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::load(None, std::iter::empty()).unwrap();
    on_an_engine(async |engine| {
        // The reader stops within the first deposit that it reads, until it is let go on.
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
        let stored = Stored::open(dir.path(), &config.outbox(), &engine).unwrap();
        let outbox = Outbox::start(stored, config.outbox(), parts);
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
