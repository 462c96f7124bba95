//! An engine on a journal in memory, and asks in few words.
#![allow(unreachable_pub, reason = "one test binary, many rooms")]

use std::sync::{Arc, atomic::AtomicU64};

use cardwright::{
    actors::{
        Engine, booked::BooksIndex, directory::Directory, durability::Durability, engine::Shared,
        expiry::ExpiryWheel, facts::Facts, indexes::Indexes, keys::Keys,
    },
    books::{Ask, BalanceView, Books, BooksError, Done, Guard, NewBalance, Origin, Share, Stands},
    clock::Clock,
    config::Config,
    domain::{
        books::{Allocation, Marks, Overdraft, Precision},
        decide::decide,
        money::{Amount, Asset},
        time::Timestamp,
        uuids::BalanceId,
    },
    journal::{Journal, Lsn, memory::MemoryJournal},
    replay::{recovery, totals::Totals},
    telemetry::Metrics,
};

/// The moment at which a house with a clock set by hand begins.
pub const BEGINNING: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

pub struct House {
    pub engine: Arc<Engine>,
    pub books: Arc<Books>,
    pub origin: Origin,
}

pub fn usd() -> Asset {
    Asset::of_ledger("USD").unwrap()
}

pub fn amount(minor: i128) -> Amount {
    Amount::from_minor(minor).unwrap()
}

/// Runs a story on a new house.
pub fn story<F: Future<Output = ()>>(story: impl FnOnce(House) -> F) {
    story_on(MemoryJournal::new(), Clock::system(), story);
}

/// The same on a journal that may have records, with a clock.
pub fn story_on<F: Future<Output = ()>>(
    journal: MemoryJournal,
    clock: Clock,
    story: impl FnOnce(House) -> F,
) {
    actix_rt::System::new().block_on(async {
        let engine = engine_on(journal, clock);
        let books = Books::new(engine.clone());
        let origin = "sandbox".into();
        story(House {
            engine,
            books,
            origin,
        })
        .await;
    });
}

fn engine_on(journal: MemoryJournal, clock: Clock) -> Arc<Engine> {
    let mut config = Config::load(None, std::iter::empty()).unwrap();
    config.journal.min_free_mib = 1;
    let journal: Arc<dyn Journal> = Arc::new(journal);
    let metrics = Metrics::new();
    let durability = Durability::new(journal.durable(), metrics.stage_durable.clone());
    journal.watch(durability.clone());
    let shared = Arc::new(Shared {
        journal,
        durability: durability.clone(),
        clock,
        terms: config.terms().unwrap(),
        zone: config.zone().unwrap(),
        decide,
        keys: Keys::default(),
        indexes: Indexes::default(),
        facts: Facts::default(),
        expiry: ExpiryWheel::default(),
        books: BooksIndex::default(),
        outgoing: dashmap::DashMap::new(),
        asked: dashmap::DashMap::new(),
        delivering: dashmap::DashSet::new(),
        numbers: AtomicU64::new(0),
        metrics,
    });
    let directory = Directory::new(shared.clone(), 4_096);
    let (registrar, _) = recovery::recover(&shared, &directory, 3, 3_600).unwrap();
    Arc::new(Engine {
        shared,
        directory,
        durability,
        registrar,
        joining: tokio::sync::Mutex::new(()),
    })
}

impl House {
    /// A new balance in US dollars.
    pub async fn balance(&self) -> BalanceId {
        let new = NewBalance {
            asset: usd(),
            ledger_id: "ldg_test".to_owned(),
            identity_id: None,
            tracks_lineage: false,
            allocation: Allocation::Fifo,
            metadata: "{}".to_owned(),
        };
        let made = self.books.open_balance(&self.origin, new, Guard::default());
        made.await.unwrap().value.id
    }

    /// The same with cents on it, from the world.
    pub async fn funded(&self, cents: i128) -> BalanceId {
        let balance = self.balance().await;
        let ask = Ask {
            overdraft: Overdraft::Unlimited,
            ..single(
                "@World",
                &balance.to_string(),
                cents,
                &format!("fund-{balance}"),
            )
        };
        let funded = self.take(ask).await.unwrap();
        assert_eq!(funded.state.word(), "APPLIED");
        balance
    }

    pub async fn take(&self, ask: Ask) -> Result<Stands, BooksError> {
        let done = self.books.take(&self.origin, ask, Guard::default());
        done.await.map(|done| done.value)
    }

    pub async fn take_under(&self, ask: Ask, key: &str) -> Result<Done<Stands>, BooksError> {
        self.books.take(&self.origin, ask, guard(key)).await
    }

    pub async fn see(&self, id: BalanceId) -> BalanceView {
        self.books.balance(&self.origin, id).await.unwrap()
    }

    /// What a balance has, what is held of it and what is expected.
    pub async fn money(&self, id: BalanceId) -> (i128, i128, i128) {
        let seen = self.see(id).await;
        let balance = seen.balance.incoming - seen.balance.outgoing;
        assert!(seen.reserved.is_zero() && seen.expected_reserved.is_zero());
        (balance, seen.balance.pending, seen.expected.minor())
    }

    /// Waits until nothing is on its way; then per asset the sum of everything is nothing.
    pub async fn assert_balanced(&self) {
        for _ in 0..2_000 {
            if self.engine.shared.outgoing.is_empty() {
                break;
            }
            actix_rt::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert!(self.engine.shared.outgoing.is_empty(), "all has arrived");
        let mut totals = Totals::default();
        for record in self.engine.shared.journal.scan(Lsn::ZERO).unwrap() {
            let record = record.unwrap();
            totals.add(record.lsn, &record.payload).unwrap();
        }
        for (asset, total) in &totals.assets {
            assert!(total.sum().is_zero(), "{asset}");
        }
    }
}

pub fn guard(key: &str) -> Guard {
    Guard {
        idempotency_key: Some(key.to_owned()),
    }
}

pub fn share(name: &str, cents: i128) -> Share {
    Share {
        name: name.into(),
        amount: amount(cents),
        narration: None,
    }
}

pub fn single(source: &str, destination: &str, cents: i128, reference: &str) -> Ask {
    split(&[(source, cents)], &[(destination, cents)], reference)
}

pub fn split(sources: &[(&str, i128)], destinations: &[(&str, i128)], reference: &str) -> Ask {
    let shares = |sides: &[(&str, i128)]| -> Vec<Share> {
        let all = sides.iter();
        all.map(|(name, cents)| share(name, *cents)).collect()
    };
    let cents: i128 = sources.iter().map(|(_, cents)| cents).sum();
    let is_split = sources.len() > 1 || destinations.len() > 1;
    Ask {
        asset: usd(),
        amount: amount(cents),
        precision: Precision::of(amount(cents), 100),
        sources: shares(sources),
        destinations: shares(destinations),
        reference: reference.to_owned(),
        description: "a test".to_owned(),
        overdraft: Overdraft::No,
        marks: Marks {
            atomic: is_split,
            ..Marks::default()
        },
        effective_at: None,
        scheduled_for: None,
        expires_at: None,
        commits_at: None,
        split: if is_split {
            "{}".to_owned()
        } else {
            String::new()
        },
        metadata: "{}".to_owned(),
    }
}

/// The same, held first.
pub fn inflight(mut ask: Ask) -> Ask {
    ask.marks.inflight = true;
    ask
}

/// The same, an error and no record if there is too little.
pub fn at_once(mut ask: Ask) -> Ask {
    ask.marks.skip_queue = true;
    ask
}
