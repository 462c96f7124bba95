//! A decision that panics harms no other command and no other card.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

use std::{sync::Arc, sync::Once};

use actix_rt::{Arbiter, System};
use cardwright::{
    actors::{Answer, Engine, EngineError, Request, Target, engine::Decide, keys::key_of},
    config::Config,
    domain::{
        account::Medium,
        command::{Authorize, Command, Context, MoveMoney, OpenAccount},
        decide,
        event::Event,
        group::Group,
        hold::{State, TransactionType},
        ids::{AccountNo, ActorId, LedgerNo},
        merchant::{Merchant, TransactionMedium},
        money::{Amount, LocalAmount},
        outcome::Rejection,
        policy::Policy,
        time::Month,
    },
    wire::{KeyLife, fingerprint},
};

#[path = "common/engine.rs"]
mod engine;

use engine::Running;

/// Purchases with this in their id make the decision panic.
const MARK: &str = "boom";

fn fragile(
    group: &Group,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    if let Command::Authorize(request) = command {
        assert!(
            !request.transaction_id.contains(MARK),
            "as the test wants it"
        );
    }
    decide::decide(group, command, context)
}

/// The panics are wanted: they need not be read.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if !text.contains("as the test wants it") {
                usual(info);
            }
        }));
    });
}

fn running(dir: &std::path::Path, decide: Decide) -> Running {
    let mut config = Config::load(None, std::iter::empty()).unwrap();
    config.data.dir = dir.join("data");
    let engine = Running::on(&config, decide);
    for _ in 0..2 {
        engine.directory.add_arbiter(Arbiter::new().handle());
    }
    engine
}

fn request(target: ActorId, command: Command, key: (&str, &str), print: u64) -> Request {
    Request {
        target: Target::Actor(target),
        origin: None,
        command,
        keys: vec![(key_of("test", key.0, key.1), KeyLife::Permanent)],
        fingerprint: print,
        recalled: None,
    }
}

async fn open_card(engine: &Engine, no: u64) {
    engine.directory.create(ActorId(no));
    let open = OpenAccount {
        card: None,
        no: AccountNo(no),
        medium: Medium::Card {
            programme: "card".to_owned(),
            last_four: *b"1234",
            expiry: Month {
                year: 2999,
                month: 12,
            },
        },
        holder_urn: "did:bloque:test:demo".to_owned(),
        ledger: LedgerNo(no),
        webhook_url: None,
        metadata: "{}".to_owned(),
        policy: Policy::default(),
    };
    let open = Command::OpenAccount(Box::new(open));
    let name = no.to_string();
    engine
        .execute(request(ActorId(no), open, ("open", &name), 0))
        .await
        .unwrap();
    let deposit = Command::Deposit(MoveMoney {
        account: AccountNo(no),
        asset: "DUSD/6".parse().unwrap(),
        amount: Amount::from_minor(100_000_000).unwrap(),
        reference: name.clone(),
        metadata: "{}".to_owned(),
    });
    engine
        .execute(request(ActorId(no), deposit, ("reference", &name), 0))
        .await
        .unwrap();
}

fn purchase(no: u64, id: &str) -> Request {
    let asked = Authorize {
        account: AccountNo(no),
        transaction_id: id.to_owned(),
        kind: TransactionType::Purchase,
        local: LocalAmount::parse("10.00", "USD".parse().unwrap()).unwrap(),
        usd_amount: None,
        merchant: Merchant::default(),
        medium: TransactionMedium::default(),
        allow_partial: false,
        capture: false,
    };
    let print = fingerprint("authorization", &asked);
    let command = Command::Authorize(Arc::new(asked));
    request(ActorId(no), command, ("authorization", id), print)
}

fn is_approved(answer: &Result<Answer, EngineError>) -> bool {
    let answer = answer.as_ref().unwrap();
    let approved = answer.events.iter().find_map(Event::approved).unwrap();
    approved.authorization.state() == State::Pending
}

async fn held(engine: &Engine, no: u64) -> i128 {
    let look = move |hosted: &cardwright::actors::hosted::Hosted| {
        let ledger = hosted.group.ledger(LedgerNo(no)).unwrap();
        ledger.balance("DUSD/6".parse().unwrap()).pending
    };
    engine
        .read(Target::Actor(ActorId(no)), None, look)
        .await
        .unwrap()
}

#[test]
fn a_panic_in_a_decision_is_unavailable_and_harms_nothing_else() {
    quiet();
    let temp = tempfile::tempdir().unwrap();
    System::new().block_on(async {
        let engine = running(temp.path(), fragile);
        open_card(&engine, 1).await;
        open_card(&engine, 2).await;
        let before = engine.shared.journal.appended();
        for _ in 0..3 {
            let broken = engine.execute(purchase(1, "boom-1")).await;
            assert!(
                matches!(broken, Err(EngineError::Unavailable)),
                "{broken:?}"
            );
        }
        assert_eq!(
            engine.shared.journal.appended(),
            before,
            "a panic was recorded"
        );
        assert!(is_approved(&engine.execute(purchase(1, "fine-1")).await));
        assert!(is_approved(&engine.execute(purchase(2, "fine-2")).await));
        let batch = ["fine-3", "boom-2", "fine-4"]
            .map(|id| purchase(1, id))
            .to_vec();
        let answers = engine.execute_batch(batch).await;
        assert!(is_approved(&answers[0]) && is_approved(&answers[2]));
        assert!(matches!(answers[1], Err(EngineError::Unavailable)));
        assert_eq!(
            (held(&engine, 1).await, held(&engine, 2).await),
            (30_000_000, 10_000_000)
        );
        engine.shared.journal.close().unwrap();
    });
}

#[test]
fn the_id_of_a_decision_that_panicked_is_free_for_its_retry() {
    quiet();
    /// Panics at the first purchase of each process that asks for it.
    fn once_fragile(
        group: &Group,
        command: &Command,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Rejection> {
        static ONCE: Once = Once::new();
        if matches!(command, Command::Authorize(_)) {
            let mut is_first = false;
            ONCE.call_once(|| is_first = true);
            assert!(!is_first, "as the test wants it");
        }
        decide::decide(group, command, context)
    }
    let temp = tempfile::tempdir().unwrap();
    System::new().block_on(async {
        let engine = running(temp.path(), once_fragile);
        open_card(&engine, 1).await;
        let broken = engine.execute(purchase(1, "boom")).await;
        assert!(
            matches!(broken, Err(EngineError::Unavailable)),
            "{broken:?}"
        );
        let first = engine.execute(purchase(1, "boom")).await;
        assert!(is_approved(&first) && !first.unwrap().is_replay);
        let again = engine.execute(purchase(1, "boom")).await.unwrap();
        assert!(again.is_replay);
        assert_eq!(held(&engine, 1).await, 10_000_000);
        engine.shared.journal.close().unwrap();
    });
}
