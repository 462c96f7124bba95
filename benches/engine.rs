//! Actors and journal in process, no HTTP, every answer synced: `cargo bench --bench engine`.
//! Prints authorizations per second; `-- SECONDS TASKS CARDS` changes how.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench stops at the first fault"
)]

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cardwright::{
    actors::{Engine, Request, Said, Telling, keys::key_of},
    app,
    config::Config,
    domain::{
        command::{Authorize, Command},
        decide::decide,
        event::Event,
        hold::TransactionType,
        ids::{AccountNo, ActorId},
        merchant::{Merchant, TransactionMedium},
        money::LocalAmount,
    },
    threads,
    wire::KeyLife,
};

#[path = "../tests/common/engine.rs"]
mod in_process;

use in_process::{deposit, open, request};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn make_cards(engine: &Engine, cards: u64) {
    for from in (1..=cards).step_by(5_000) {
        let numbers = from..(from + 5_000).min(cards + 1);
        numbers
            .clone()
            .for_each(|no| engine.directory.create(ActorId(no)));
        let fund = |no: u64| deposit(engine, no, 1_000_000_000_000);
        for answer in engine
            .execute_batch(numbers.clone().map(open).collect())
            .await
        {
            answer.unwrap();
        }
        for answer in engine.execute_batch(numbers.map(fund).collect()).await {
            answer.unwrap();
        }
    }
}

fn purchase(card: u64, count: u64) -> Request {
    let transaction_id = format!("bench-{count}");
    let key = key_of("sandbox", "authorization", &transaction_id);
    let authorize = Authorize {
        account: AccountNo(card),
        transaction_id,
        kind: TransactionType::Purchase,
        local: LocalAmount::parse("1.00", "USD".parse().unwrap()).unwrap(),
        usd_amount: None,
        merchant: Merchant {
            mcc: Some("5411".parse().unwrap()),
            ..Merchant::default()
        },
        medium: TransactionMedium::default(),
        allow_partial: false,
        capture: false,
    };
    let mut request = request(card, Command::Authorize(Arc::new(authorize)));
    request.keys = vec![(key, KeyLife::Permanent)];
    request
}

/// As a face asks: what it wants to know of the answer is told where the card is. Here the hold's id.
const TELLING: Telling = Telling {
    write: |answer, text| {
        let approved = answer.events.iter().find_map(Event::approved);
        approved.is_some_and(|approved| write!(text, "{}", approved.authorization.id).is_ok())
    },
    bytes: 64,
};

async fn drive(
    engine: Arc<Engine>,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    (lane, cards): (u64, u64),
) {
    let mut count = lane << 40;
    let mut card = lane.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        card = card.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let ticket = engine.ticket(purchase(1 + (card >> 33) % cards, count), TELLING);
        match engine.send(ticket).await.unwrap() {
            Said::Told(id) => assert!(id.starts_with(b"auth_")),
            Said::Answer(answer) => panic!("not approved: {:?}", answer.events),
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse::<u64>().ok());
    let seconds = arguments.next().unwrap_or(5);
    let tasks = arguments.next().unwrap_or(512);
    let cards = arguments.next().unwrap_or(10_000);
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::load(None, std::env::vars()).unwrap();
    config.data.dir = dir.path().join("data");
    actix_rt::System::new().block_on(async {
        let engine = app::open_engine(&config, decide).unwrap();
        let arbiters = [actix_rt::Arbiter::new(), actix_rt::Arbiter::new()];
        for (index, arbiter) in arbiters.iter().enumerate() {
            let count = arbiters.len();
            arbiter.spawn_fn(move || {
                threads::keep_to_one(index, count);
            });
            engine.directory.add_arbiter(arbiter.handle());
        }
        make_cards(&engine, cards).await;
        let (stop, done) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        for lane in 0..tasks {
            let place = usize::try_from(lane).unwrap() % arbiters.len();
            let (engine, stop, done) = (engine.clone(), stop.clone(), done.clone());
            arbiters[place].spawn_fn(move || {
                actix_rt::spawn(drive(engine, stop, done, (lane, cards)));
            });
        }
        let begun = Instant::now();
        actix_rt::time::sleep(Duration::from_secs(seconds)).await;
        let count = done.load(Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        println!(
            "actors and journal in process: {rate:.0} authorizations/s, every answer synced \
             ({tasks} tasks, {cards} cards, {seconds} s)"
        );
        let batches = engine.shared.metrics.journal_batch.get_sample_count();
        println!("commits: {batches}");
        std::process::exit(0);
    });
}
