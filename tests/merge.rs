//! Accounts that are to share money come into one actor: under load, in circles, with a crash at every
//! record, and with snapshots all the while, nothing is lost, doubled or forgotten.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cardwright::{
    actors::{
        Engine, EngineError, Request, Target, courier,
        directory::{Captured, Directory},
        durability::Durability,
        engine::Shared,
        expiry::ExpiryWheel,
        facts::Facts,
        indexes::Indexes,
        keys::{Keys, key_of},
        snapshots,
    },
    clock::Clock,
    config::Config,
    domain::{
        account::{Medium, Status},
        command::{
            Authorize, ChangeAccount, Command, MoveMoney, OpenAccount, Purpose, SendTransfer,
            StepRequest, Transfer,
        },
        decide::decide,
        event::Event,
        hold::TransactionType,
        ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, user_id},
        merchant::{Merchant, TransactionMedium},
        money::{Amount, LocalAmount},
        outcome::Rejection,
        policy::{Link, Pocket, Policy, Rules},
    },
    journal::{Journal, Lsn, memory::MemoryJournal, wal::WalReader},
    replay::{history::History, recovery, sum::Sum, totals::Totals, verify},
    telemetry::Metrics,
    wire::{self, Body, KeyLife},
};

#[path = "common/engine.rs"]
mod engine;

use engine::Running;

const HOLDER: &str = "did:bloque:sandbox:demo";
const OTHER_HOLDER: &str = "did:bloque:sandbox:else";
const OTHER_ORIGIN: &str = "did:bloque:elsewhere:demo";
/// Smallest units of the asset in a dollar.
const DOLLAR: i128 = 1_000_000;
/// Dollars on each account at the beginning; each purchase is of one.
const SEEDED: i128 = 30;
/// How many purchases are tried on each account: some are declined.
const TRIED: u64 = 36;
const ACCOUNTS: u64 = 8;

fn config(dir: &Path) -> Config {
    let mut config = Config::load(None, std::iter::empty()).unwrap();
    config.data.dir = dir.to_owned();
    config.journal.min_free_mib = 1;
    config
}

/// An engine on a journal in memory.
fn engine_on(journal: MemoryJournal) -> Arc<Engine> {
    let config = config(Path::new("unused"));
    let journal: Arc<dyn Journal> = Arc::new(journal);
    let metrics = Metrics::new();
    let durability = Durability::new(journal.durable(), metrics.stage_durable.clone());
    journal.watch(durability.clone());
    let shared = Arc::new(Shared {
        journal,
        durability: durability.clone(),
        clock: Clock::system(),
        terms: config.terms().unwrap(),
        zone: config.zone().unwrap(),
        decide,
        keys: Keys::default(),
        indexes: Indexes::default(),
        facts: Facts::default(),
        expiry: ExpiryWheel::default(),
        books: cardwright::actors::booked::BooksIndex::default(),
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

fn request(target: Target, command: Command) -> Request {
    Request {
        target,
        origin: None,
        command,
        keys: Vec::new(),
        fingerprint: 0,
        recalled: None,
    }
}

fn account(no: u64) -> Target {
    Target::Account {
        no: AccountNo(no),
        urn: None,
    }
}

async fn open(engine: &Engine, no: u64, holder_urn: &str) {
    engine.directory.create(ActorId(no));
    let open = open_command(no, holder_urn, Policy::default());
    let request = request(Target::Actor(ActorId(no)), open);
    engine.execute(request).await.unwrap();
}

fn open_command(no: u64, holder_urn: &str, policy: Policy) -> Command {
    Command::OpenAccount(Box::new(OpenAccount {
        card: None,
        no: AccountNo(no),
        medium: Medium::Virtual,
        holder_urn: holder_urn.into(),
        ledger: LedgerNo(no),
        webhook_url: None,
        metadata: "{}".into(),
        policy,
    }))
}

async fn fund(engine: &Engine, no: u64, dollars: i128) {
    let deposit = Command::Deposit(MoveMoney {
        account: AccountNo(no),
        asset: engine.shared.terms.default_asset,
        amount: Amount::from_minor(dollars * DOLLAR).unwrap(),
        reference: String::new(),
        metadata: "{}".into(),
    });
    engine.execute(request(account(no), deposit)).await.unwrap();
}

/// A purchase of one dollar.
fn purchase(no: u64, count: u64) -> Request {
    let transaction_id = format!("t-{no}-{count}");
    let authorize = Authorize {
        account: AccountNo(no),
        transaction_id: transaction_id.clone(),
        kind: TransactionType::Purchase,
        local: LocalAmount::parse("1.00", "USD".parse().unwrap()).unwrap(),
        usd_amount: None,
        merchant: Merchant::default(),
        medium: TransactionMedium::default(),
        allow_partial: false,
        capture: false,
    };
    let mut request = request(account(no), Command::Authorize(Arc::new(authorize)));
    let key = key_of("sandbox", "authorization", &transaction_id);
    request.keys = vec![(key, KeyLife::Permanent)];
    request
}

fn step(id: AuthorizationId, word: &str) -> StepRequest {
    StepRequest {
        authorization: id,
        transaction_id: format!("{word}-{id}"),
        local: None,
        is_final: None,
    }
}

/// What a client of one account was told.
#[derive(Default)]
struct Told {
    open: Vec<AuthorizationId>,
    captured: Vec<AuthorizationId>,
    declined: i128,
}

async fn shop(engine: Arc<Engine>, no: u64) -> Told {
    let mut told = Told::default();
    for count in 0..TRIED {
        let answer = engine.execute(purchase(no, count)).await.unwrap();
        assert!(!answer.is_replay);
        let Some(approved) = answer.events[0].approved() else {
            told.declined += 1;
            continue;
        };
        let id = approved.authorization.id;
        if count % 3 == 0 {
            let capture = Command::Capture(step(id, "capture"));
            let capture = request(Target::Authorization(id), capture);
            engine.execute(capture).await.unwrap();
            told.captured.push(id);
        } else {
            told.open.push(id);
        }
    }
    told
}

fn link(no: u64, holder_urn: &str) -> Link {
    let user = user_id(holder_urn);
    let id = AccountNo(no).virtual_id();
    Link {
        account: AccountNo(no),
        urn: format!("did:bloque:account:virtual:{user}:{id}").into(),
        key: format!("metadata.priority_mcc[{no}]"),
    }
}

async fn bring(engine: &Engine, home: u64, others: &[u64]) -> Result<ActorId, EngineError> {
    let links: Vec<Link> = others.iter().map(|no| link(*no, HOLDER)).collect();
    let home = engine.actor_of(&account(home));
    engine.bring_together(Some(home), HOLDER, &links).await
}

/// Every group as its bytes, all at rest.
fn groups(engine: &Engine) -> BTreeMap<ActorId, Vec<u8>> {
    let (out, _) = std::sync::mpsc::channel();
    let bytes = |actor| match engine.directory.capture(actor, &out) {
        Captured::Bytes(bytes) => (actor, bytes),
        Captured::Coming | Captured::Gone => panic!("{actor:?} is not at rest"),
    };
    engine.directory.actors().into_iter().map(bytes).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn assert_verified(dir: &Path, accounts: u64) {
    let reader = WalReader::open(dir).unwrap();
    let options = verify::Options {
        threads: 3,
        with_accounts: true,
    };
    let verdict = verify::verify(&reader, options, &mut |_| {}).unwrap();
    assert!(verdict.findings.is_ok(), "{:?}", verdict.findings.kept);
    assert_eq!(verdict.accounts.len() as u64, accounts);
}

/// Everything that was told is true of the engine as it is now.
async fn check(engine: &Engine, told: &[(u64, Told)]) {
    let asset = engine.shared.terms.default_asset;
    for (no, told) in told {
        let (no, open) = (*no, i128::try_from(told.open.len()).unwrap());
        let captured = i128::try_from(told.captured.len()).unwrap();
        assert_eq!(
            (open + captured, told.declined),
            (SEEDED, 6),
            "account {no}"
        );
        let look = move |hosted: &cardwright::actors::hosted::Hosted| {
            let balance = hosted.group.ledger(LedgerNo(no)).unwrap().balance(asset);
            (hosted.group.clone(), balance, hosted.lines())
        };
        let (group, balance, lines) = engine.read(account(no), None, look).await.unwrap();
        assert_eq!(balance.pending, open * DOLLAR, "account {no}");
        assert_eq!(balance.current, 0, "account {no}");
        assert_eq!(balance.outgoing, captured * DOLLAR, "account {no}");
        assert!(told.open.iter().all(|id| group.open.contains_key(id)));
        assert!(told.captured.iter().all(|id| group.closed.contains_key(id)));
        let again = engine.execute(purchase(no, 0)).await.unwrap();
        assert!(again.is_replay && again.urns.iter().any(|(known, _)| known.0 == no));
        let past = past_of(engine, no, &lines);
        assert_eq!(past, SEEDED + 6 + captured + 2, "records of account {no}");
    }
}

/// How many records name the account, read newest first.
fn past_of(engine: &Engine, no: u64, lines: &[(ActorId, u64)]) -> i128 {
    let mut history = History::new(engine.shared.journal.as_ref(), lines);
    let (mut count, mut last) = (0, u64::MAX);
    while let Some((lsn, entry)) = history.older().unwrap() {
        assert!(lsn < last, "newest first");
        last = lsn;
        let Body::Group(events) = entry.body else {
            panic!("a group's record")
        };
        let names = events.iter().any(|event| {
            let opened = matches!(event, Event::AccountOpened(account) if account.no.0 == no);
            let moved = matches!(event, Event::Deposited(moved, _) if moved.account.0 == no);
            let approved = event.approved().map(|known| known.request.account);
            let declined = event.declined().map(|known| known.request.account);
            let stepped = event.stepped().map(|known| known.account);
            let card = approved.or(declined).or(stepped);
            opened || moved || card.is_some_and(|card| card.0 == no)
        });
        count += i128::from(names);
    }
    count
}

/// Pairs from both sides at once, then pairs of pairs, then all.
async fn bring_all(engine: Arc<Engine>) {
    for width in [1, 2, 4] {
        let mut tasks = Vec::new();
        for first in (1..=ACCOUNTS).step_by(width * 2) {
            let second = first + u64::try_from(width).unwrap();
            for (home, other) in [(first, second), (second, first), (first, second)] {
                let engine = engine.clone();
                tasks.push(actix_rt::spawn(async move {
                    bring(&engine, home, &[other]).await.unwrap();
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: load, merges, answers, restart, books"
)]
fn accounts_come_together_under_load_and_stay_true() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let copied = temp.path().join("copied");
    let alone = temp.path().join("alone");
    let mut from_each = Vec::new();
    let told = actix_rt::System::new().block_on(async {
        let engine = Running::on(&config(&dir), decide);
        let arbiters = [actix_rt::Arbiter::new(), actix_rt::Arbiter::new()];
        for arbiter in &arbiters {
            engine.directory.add_arbiter(arbiter.handle());
        }
        let registrar = &engine.registrar;
        let origin = registrar.open_origin("sandbox", &engine.shared, &engine.durability);
        origin.await.unwrap();
        for no in 1..=ACCOUNTS {
            open(&engine, no, HOLDER).await;
            fund(&engine, no, SEEDED).await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (snapping, taken) = (engine.clone(), stop.clone());
        let snapshots = std::thread::spawn(move || {
            while !taken.load(Ordering::Relaxed) {
                snapshots::take(&snapping).unwrap();
            }
        });
        let (sweeping, swept) = (engine.clone(), stop.clone());
        let sweeper = actix_rt::spawn(async move {
            while !swept.load(Ordering::Relaxed) {
                sweeping.directory.sweep(1, 0);
                // Not faster than the actors take it: each is told once a turn.
                actix_rt::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let shoppers: Vec<_> = (1..=ACCOUNTS)
            .map(|no| (no, actix_rt::spawn(shop(engine.clone(), no))))
            .collect();
        bring_all(engine.clone()).await;
        let mut told = Vec::new();
        for (no, shopper) in shoppers {
            told.push((no, shopper.await.unwrap()));
        }
        stop.store(true, Ordering::Relaxed);
        sweeper.await.unwrap();
        snapshots.join().unwrap();
        assert_eq!(engine.directory.count().0, 1, "all live together");
        check(&engine, &told).await;
        copy(&dir, &copied);
        copy(&dir, &alone);
        told
    });
    // The engine's log has ended: were it still open, it would miss its directory and stop the process.
    fs::remove_dir_all(&dir).unwrap();
    assert_verified(&copied, ACCOUNTS);
    let kept: Vec<_> = fs::read_dir(copied.join("snapshots")).unwrap().collect();
    assert!(!kept.is_empty(), "there were snapshots");
    for snapshot in kept {
        let snapshot = snapshot.unwrap().file_name();
        let one = temp.path().join("one");
        copy(&copied, &one);
        for other in fs::read_dir(one.join("snapshots")).unwrap() {
            let other = other.unwrap();
            if other.file_name() != snapshot {
                fs::remove_file(other.path()).unwrap();
            }
        }
        from_each.push(recovered(&one));
        fs::remove_dir_all(one).unwrap();
    }
    fs::remove_dir_all(alone.join("snapshots")).unwrap();
    assert_verified(&alone, ACCOUNTS);
    let mut found = Vec::new();
    for dir in [&copied, &alone] {
        actix_rt::System::new().block_on(async {
            let engine = Running::on(&config(dir), decide);
            found.push(groups(&engine));
            check(&engine, &told).await;
            // What another actor numbered and closed goes on here.
            for (_, told) in &told {
                let id = told.captured[0];
                let refund = request(Target::Authorization(id), Command::Refund(step(id, "r")));
                engine.execute(refund).await.unwrap();
                let id = told.open[0];
                let reverse = request(Target::Authorization(id), Command::Reverse(step(id, "v")));
                engine.execute(reverse).await.unwrap();
            }
        });
        assert_verified(dir, ACCOUNTS);
    }
    assert_eq!(found[0].len(), 1);
    let alike = |from: &BTreeMap<ActorId, Vec<u8>>| *from == found[1];
    assert!(
        from_each.iter().chain([&found[0]]).all(alike),
        "a snapshot and its tail give what the log gives"
    );
}

/// What a directory recovers to.
fn recovered(dir: &Path) -> BTreeMap<ActorId, Vec<u8>> {
    groups(&Running::on(&config(dir), decide))
}

/// Money of `engine`'s groups, and in how many of them each account is.
fn held_by(engine: &Engine) -> (i128, BTreeMap<u64, usize>) {
    let (mut sum, mut homes) = (0, BTreeMap::new());
    for bytes in groups(engine).values() {
        let (group, _) = wire::decode_group(bytes).unwrap();
        for ledger in &group.ledgers {
            for (_, balance) in &ledger.balances {
                sum += balance.current + balance.pending;
            }
        }
        for account in &group.accounts {
            *homes.entry(account.no.0).or_default() += 1;
            assert_eq!(engine.shared.indexes.actor_of(account.no), group.id);
        }
    }
    (sum, homes)
}

fn transfer(engine: &Engine, from: u64, to: u64) -> Transfer {
    let indexes = &engine.shared.indexes;
    Transfer {
        id: courier::next_transfer_id(&engine.shared),
        source: AccountNo(from),
        source_urn: link(from, HOLDER).urn.to_string(),
        source_actor: indexes.actor_of(AccountNo(from)),
        destination: AccountNo(to),
        destination_urn: link(to, HOLDER).urn.to_string(),
        destination_actor: indexes.actor_of(AccountNo(to)),
        asset: engine.shared.terms.default_asset,
        amount: Amount::from_minor(DOLLAR).unwrap(),
        reference: String::new(),
        metadata: "{}".into(),
        purpose: Purpose::Transfer,
    }
}

async fn send(engine: &Engine, transfer: &Transfer) {
    let send = SendTransfer {
        transfer: transfer.clone(),
        is_within: false,
    };
    let send = Command::SendTransfer(Box::new(send));
    let source = account(transfer.source.0);
    engine.execute(request(source, send)).await.unwrap();
}

/// A chain (3 into 2, then 2 into 1, by length of history), money in transit both ways and purchases
/// before, between and after.
async fn short_life(engine: &Engine) {
    for no in 1..=3 {
        open(engine, no, HOLDER).await;
        fund(engine, no, 100).await;
    }
    let (into, out) = (transfer(engine, 1, 3), transfer(engine, 3, 1));
    for transfer in [&into, &out] {
        send(engine, transfer).await;
    }
    for (count, no) in [1, 1, 2, 1, 2, 3].into_iter().enumerate() {
        let purchase = purchase(no, count as u64);
        engine.execute(purchase).await.unwrap();
    }
    bring(engine, 2, &[3]).await.unwrap();
    assert_eq!(engine.shared.indexes.home_of(ActorId(3)), ActorId(2));
    engine.execute(purchase(3, 7)).await.unwrap();
    for transfer in [into.clone(), out] {
        let delivered = courier::deliver(engine, transfer).await.unwrap();
        assert_eq!(delivered, courier::Delivery::Arrived);
    }
    bring(engine, 3, &[1]).await.unwrap();
    // Delivered once more, it does not arrive twice.
    courier::deliver(engine, into).await.unwrap();
    engine.execute(purchase(3, 8)).await.unwrap();
    let late = transfer(engine, 1, 2);
    send(engine, &late).await;
    courier::deliver(engine, late).await.unwrap();
}

#[test]
fn a_crash_after_any_record_leaves_each_account_in_one_place_with_its_money() {
    let records = actix_rt::System::new().block_on(async {
        let engine = engine_on(MemoryJournal::new());
        short_life(&engine).await;
        let records = engine.shared.journal.scan(Lsn::ZERO).unwrap();
        records.collect::<Result<Vec<_>, _>>().unwrap()
    });
    let (mut totals, mut together) = (Totals::default(), 0);
    for end in 0..records.len() {
        totals.add(records[end].lsn, &records[end].payload).unwrap();
        let journal = MemoryJournal::new();
        for record in &records[..=end] {
            let lsn = journal.append(journal.reserve().unwrap(), &record.payload);
            assert_eq!(lsn, record.lsn);
        }
        let engine = engine_on(journal);
        let (sum, homes) = held_by(&engine);
        let total = totals.assets.values().next();
        let due = total.map_or_else(Sum::default, |asset| {
            let mut due = asset.spendable.clone();
            due += &asset.held;
            due
        });
        assert_eq!(due.to_string(), sum.to_string(), "after record {end}");
        assert!(total.is_none_or(|asset| asset.sum().is_zero()));
        assert!(homes.values().all(|count| *count == 1), "{homes:?}");
        together = together.max(homes.len() - engine.directory.count().0);
        // What was in transit arrives, whatever the groups are by now.
        actix_rt::System::new().block_on(async {
            courier::deliver_all(&engine, 100).await;
            assert!(engine.shared.outgoing.is_empty(), "after record {end}");
        });
    }
    assert_eq!(together, 2, "all three came together");
}

/// By way of 2, 1 comes to 4, whose records are added up where those of 1 were (4 and 1 leave the same rest
/// when divided by the verifier's three threads): what 1 held and 2 let go is not held there any more.
#[test]
fn what_was_let_go_on_the_way_is_held_nowhere() {
    let temp = tempfile::tempdir().unwrap();
    actix_rt::System::new().block_on(async {
        let engine = Running::on(&config(temp.path()), decide);
        let mut first = Vec::new();
        // The longer history takes the shorter in.
        for (no, purchases) in [(1, 2), (2, 6), (4, 12)] {
            open(&engine, no, HOLDER).await;
            fund(&engine, no, 100).await;
            for count in 0..purchases {
                let answer = engine.execute(purchase(no, count)).await.unwrap();
                first.push(answer.events[0].approved().unwrap().authorization.id);
            }
        }
        bring(&engine, 2, &[1]).await.unwrap();
        let target = Target::Authorization(first[0]);
        let capture = Command::Capture(step(first[0], "capture"));
        engine.execute(request(target, capture)).await.unwrap();
        bring(&engine, 4, &[2]).await.unwrap();
        assert_eq!(engine.shared.indexes.home_of(ActorId(1)), ActorId(4));
        let refund = Command::Refund(step(first[0], "refund"));
        let target = Target::Authorization(first[0]);
        engine.execute(request(target, refund)).await.unwrap();
    });
    assert_verified(temp.path(), 3);
}

fn naming(links: &[Link]) -> Policy {
    let pocket = |link: &Link| Pocket {
        account: link.account,
        urn: link.urn.clone(),
        whitelist: None,
    };
    let rules = Rules {
        pockets: links.iter().map(pocket).collect(),
        ..Rules::NONE
    };
    Policy {
        rules: Some(Box::new(rules)),
        ..Policy::default()
    }
}

fn change(no: u64, policy: Policy) -> Request {
    let change = ChangeAccount {
        card: None,
        account: AccountNo(no),
        status: None,
        status_reason: None,
        metadata: Some(("{}".into(), policy)),
        webhook_url: None,
    };
    request(account(no), Command::ChangeAccount(Box::new(change)))
}

#[test]
fn metadata_that_names_accounts_brings_them_to_the_card() {
    actix_rt::System::new().block_on(async {
        let engine = engine_on(MemoryJournal::new());
        for no in 1..=3 {
            open(&engine, no, HOLDER).await;
            fund(&engine, no, 1).await;
        }
        let home = |no: u64| engine.shared.indexes.actor_of(AccountNo(no));
        let named = naming(&[link(2, HOLDER), link(3, HOLDER)]);
        engine.execute(change(1, named.clone())).await.unwrap();
        assert!(home(1) == home(2) && home(2) == home(3));
        // A new card goes where its pockets are, and a second card to the same pocket.
        engine.directory.create(ActorId(9));
        let open = request(Target::Actor(ActorId(9)), open_command(9, HOLDER, named));
        engine.execute(open).await.unwrap();
        assert_eq!(home(9), home(3));
        fund(&engine, 9, 1).await;
        // Taken out of the metadata, they stay together.
        engine.execute(change(1, Policy::default())).await.unwrap();
        assert_eq!(home(1), home(2));
    });
}

#[test]
fn accounts_that_may_not_be_drawn_on_are_named_and_stay_where_they_are() {
    actix_rt::System::new().block_on(async {
        let engine = engine_on(MemoryJournal::new());
        open(&engine, 1, HOLDER).await;
        open(&engine, 2, OTHER_HOLDER).await;
        open(&engine, 3, OTHER_ORIGIN).await;
        open(&engine, 4, HOLDER).await;
        let mut delete = change(4, Policy::default());
        if let Command::ChangeAccount(change) = &mut delete.command {
            change.status = Some(Status::Deleted);
        }
        engine.execute(delete).await.unwrap();
        for (other, said) in [
            (
                link(2, OTHER_HOLDER),
                "must be an account of the same holder",
            ),
            (link(3, OTHER_ORIGIN), "must be an account that exists"),
            (link(4, HOLDER), "must be an account that exists"),
            (link(77, HOLDER), "must be an account that exists"),
        ] {
            let refused = engine
                .execute(change(1, naming(&[other])))
                .await
                .unwrap_err();
            let EngineError::Rejected(Rejection::Link(error)) = &refused else {
                panic!("{refused:?}");
            };
            assert_eq!(error.key, "metadata.priority_mcc[0]");
            assert_eq!(error.what, said);
        }
        assert_eq!(engine.directory.count().0, 4, "nobody moved");
    });
}

#[test]
fn no_more_than_sixty_four_accounts_share_an_actor() {
    actix_rt::System::new().block_on(async {
        let engine = engine_on(MemoryJournal::new());
        for no in 1..=65 {
            open(&engine, no, HOLDER).await;
        }
        let others: Vec<u64> = (2..=64).collect();
        bring(&engine, 1, &others).await.unwrap();
        let refused = bring(&engine, 65, &[1]).await.unwrap_err();
        let EngineError::Rejected(Rejection::Link(error)) = &refused else {
            panic!("{refused:?}");
        };
        assert_eq!(error.key, "metadata.priority_mcc[1]");
        assert!(error.what.contains("at most 64"), "{}", error.what);
        assert_eq!(engine.directory.count().0, 2);
    });
}
