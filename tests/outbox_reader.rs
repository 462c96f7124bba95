//! The outbox's reader at moments that the clock alone seldom brings about.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first fault")]

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use cardwright::{
    actors::{Engine, EngineError, Request, Target},
    app,
    config::Config,
    domain::{
        account::Medium,
        command::{Command, MoveMoney, OpenAccount},
        decide::decide,
        documents::Shelf,
        event::Event,
        ids::{AccountNo, ActorId, LedgerNo},
        money::Amount,
        policy::Policy,
        registry::RegistryEvent,
        time::{Month, Timestamp},
    },
    outbox::{
        Outbox, Parts,
        event::{Names, OutEvent, events_of},
        targets::{Endpoint, Format},
    },
    outside::client::Client,
    vault::{Source, Vault, keys::KeyRing},
    wire::{Body, Entry},
};
use parking_lot::Mutex;

const CARD: ActorId = ActorId(1);

async fn ask(engine: &Engine, command: Command) {
    let request = Request {
        target: Target::Actor(CARD),
        origin: None,
        command,
        keys: Vec::new(),
        fingerprint: 0,
        recalled: None,
    };
    engine.execute(request).await.unwrap();
}

async fn open_card(engine: &Engine) {
    engine.directory.create(CARD);
    let open = OpenAccount {
        card: None,
        no: AccountNo(CARD.0),
        medium: Medium::Card {
            programme: "card".into(),
            last_four: *b"1234",
            expiry: Month {
                year: 2040,
                month: 1,
            },
        },
        holder_urn: "did:bloque:sandbox:demo".into(),
        ledger: LedgerNo(CARD.0),
        webhook_url: None,
        metadata: "{}".into(),
        policy: Policy::default(),
    };
    ask(engine, Command::OpenAccount(Box::new(open))).await;
}

async fn deposit(engine: &Engine) {
    let deposit = MoveMoney {
        account: AccountNo(CARD.0),
        asset: engine.shared.terms.default_asset,
        amount: Amount::from_minor(7).unwrap(),
        reference: String::new(),
        metadata: "{}".into(),
    };
    ask(engine, Command::Deposit(deposit)).await;
}

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

/// Waits until there is a value.
async fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: never");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn an_endpoint_made_while_the_log_is_read_gets_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::load(None, std::iter::empty()).unwrap();
    config.data.dir = dir.path().join("data");
    config.journal.min_free_mib = 1;
    actix_rt::System::new().block_on(async {
        let engine = app::open_engine(&config, decide).unwrap();
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
        let at = dir.path().join("outbox");
        let outbox = Outbox::open(&at, config.outbox(), parts).unwrap();
        make_endpoint(&engine, "whe_before").await;
        open_card(&engine).await;
        deposit(&engine).await;
        wait_for("the first deposit is read", || read.try_recv().ok()).await;
        make_endpoint(&engine, "whe_meanwhile").await;
        deposit(&engine).await;
        go_on.send(()).unwrap();
        for (endpoint, expected) in [("whe_before", 2), ("whe_meanwhile", 1)] {
            let is_there = || outbox.counts("sandbox", endpoint) == (expected, 0);
            wait_for(endpoint, || is_there().then_some(())).await;
        }
        let stopped = outbox.clone();
        actix_rt::task::spawn_blocking(move || stopped.stop())
            .await
            .unwrap();
        engine.shared.journal.close().unwrap();
    });
}
