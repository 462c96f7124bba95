//! The largest records: what fits is kept and read back, what does not is refused and leaves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use cardwright::{
    actors::{Answer, Engine, EngineError, Request, keys::key_of},
    domain::{command::Command, event::Event, ids::ActorId, money::Amount, outcome::Rejection},
    wire::KeyLife,
};

#[path = "common/engine.rs"]
mod engine;

use engine::{deposit, on_an_engine, open};

const CARD: u64 = 1;
/// What the log takes, in bytes.
const MOST: usize = 1 << 20;

/// A deposit of 7 with a text of that length, under the key of that name.
fn with_text(engine: &Engine, length: usize, name: &str) -> Request {
    let mut request = deposit(engine, CARD, 7);
    request.keys = vec![(key_of("test", "reference", name), KeyLife::Permanent)];
    if let Command::Deposit(deposit) = &mut request.command {
        deposit.metadata = format!("{{\"a\":\"{}\"}}", "x".repeat(length));
    }
    request
}

/// What may be spent after a deposit.
fn spendable(answer: &Answer) -> i128 {
    let Event::Deposited(_, movement) = &answer.events[0] else {
        panic!("a deposit's record tells of one");
    };
    movement.after[0].balances[0].1.current
}

#[test]
fn a_record_that_is_too_large_is_refused_and_its_key_is_free() {
    on_an_engine(async |engine| {
        engine.directory.create(ActorId(CARD));
        engine.execute(open(CARD)).await.unwrap();
        engine.execute(deposit(&engine, CARD, 5)).await.unwrap();
        for length in [MOST, MOST * 3] {
            let refused = engine.execute(with_text(&engine, length, "a")).await;
            let Err(EngineError::Rejected(Rejection::Metadata(error))) = refused else {
                panic!("{length}: {refused:?}");
            };
            assert_eq!(error.key, "metadata");
            assert!(error.what.contains("1 MiB"), "{}", error.what);
        }
        let taken = engine.execute(with_text(&engine, 1, "a")).await.unwrap();
        assert!(!taken.is_replay);
        assert_eq!(spendable(&taken), 12);
    });
}

#[test]
fn a_record_that_just_fits_is_kept_whole() {
    on_an_engine(async |engine| {
        engine.directory.create(ActorId(CARD));
        engine.execute(open(CARD)).await.unwrap();
        // To the byte.
        let (mut fits, mut too_long, mut first) = (MOST / 2, MOST, 0);
        while too_long - fits > 1 {
            let middle = fits.midpoint(too_long);
            let request = with_text(&engine, middle, &format!("{middle:07}"));
            match engine.execute(request).await {
                Ok(answer) => (fits, first) = (middle, answer.lsn),
                Err(_) => too_long = middle,
            }
        }
        let request = with_text(&engine, fits, &format!("{fits:07}"));
        let again = engine.execute(request).await.unwrap();
        assert!(again.is_replay && again.lsn == first, "{first}");
        let Event::Deposited(moved, _) = &again.events[0] else {
            panic!("a deposit's record tells of one");
        };
        assert_eq!(moved.amount, Amount::from_minor(7).unwrap());
        assert_eq!(moved.metadata.len(), fits + r#"{"a":""}"#.len());
        assert!(too_long < MOST && MOST - too_long < 1_024, "{too_long}");
    });
}
