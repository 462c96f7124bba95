//! The whole, wired on one screen: open, recover, start, bind; and the drain, in reverse.

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::Actor;
use actix_rt::Arbiter;
use actix_web::{
    App as WebApp, HttpServer,
    dev::ServerHandle,
    web::{self, Data},
};

use crate::{
    actors::{
        Engine,
        booked::BooksIndex,
        directory::Directory,
        durability::Durability,
        engine::{Decide, Shared},
        expiry::ExpiryWheel,
        facts::Facts,
        indexes::Indexes,
        keys::Keys,
        supervisor::{Care, Supervisor},
    },
    books::Books,
    clock::Clock,
    config::{self, Config},
    domain::identity::{Identity, IdentityKind},
    domain::registry::{Registry, RegistryEvent, Scope, Scopes},
    http::{
        self,
        operator::{reseal::Resealer, simulate::rates, snapshots::Snapshots},
    },
    journal::{
        DurableWatcher, Journal, Lsn,
        wal::{Clock as FileClock, CommitObserver, OsStorage, WalJournal, WalOptions},
    },
    outbox::{
        feed::Feed,
        notices::{
            self,
            sender::{self, NoticeSender, Token},
        },
    },
    outside::{self, client::Client},
    reconciliation::runs::Reconciler,
    replay::{recovery, totals::TrialBalance},
    search::Search,
    telemetry::Metrics,
    threads,
};

mod descriptors;
mod faces;
mod given;
mod secrets;
mod signals;
mod start;
mod webhooks;

pub use given::{Given, RootKey, SandboxOptions, VaultKeys, sandbox_key};

/// Why the server cannot start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A setting cannot be used: the operator's to mend.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The log or a snapshot cannot be used.
    #[error(transparent)]
    Recovery(#[from] recovery::RecoveryError),
    /// The log cannot be used.
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    /// The outbox's log cannot be used.
    #[error(transparent)]
    Outbox(#[from] crate::outbox::OpenError),
    /// The engine could not do what the start needs.
    #[error(transparent)]
    Engine(#[from] crate::actors::EngineError),
    /// The vault's keys are not there, or not those that the data needs: the operator's to mend.
    #[error(transparent)]
    Vault(#[from] crate::vault::VaultError),
    /// The address cannot be had.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What a crash interrupted in the books could not be finished.
    #[error(transparent)]
    Books(#[from] crate::books::BooksError),
    /// The index of the ledger face cannot be used.
    #[error(transparent)]
    Search(#[from] crate::search::SearchError),
    /// Reconciliation.
    #[error(transparent)]
    Reconciliation(#[from] crate::reconciliation::runs::OpenError),
    /// Something of the operating system's.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// The journal's figures go to the metrics.
struct Observer(Metrics);

impl CommitObserver for Observer {
    fn committed(&self, records: usize, _bytes: usize, write_us: u64, sync_us: u64) {
        let seconds = |us: u64| Duration::from_micros(us).as_secs_f64();
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        self.0.journal_batch.observe(records.into());
        self.0.journal_write.observe(seconds(write_us));
        self.0.journal_sync.observe(seconds(sync_us));
    }
}

/// A log that failed is the end: the process stops, and says why.
struct StopOnHalt;

impl DurableWatcher for StopOnHalt {
    fn durable(&self, _lsn: Lsn) {}

    fn halted(&self, reason: &str) {
        if reason == "closed" {
            return;
        }
        tracing::error!(
            reason,
            "the journal failed: the process stops; nothing answered is lost"
        );
        std::process::exit(1);
    }
}

/// Opens the log, recovers, and puts the engine together. No actor runs yet.
///
/// # Errors
///
/// [`ServeError`] if anything stored is damaged or in use.
pub fn open_engine(config: &Config, decide: Decide) -> Result<Arc<Engine>, ServeError> {
    let begun = Instant::now();
    let metrics = Metrics::new();
    let options = WalOptions {
        segment_bytes: config.journal.segment_mib << 20,
        queue_bytes_max: config.journal.queue_mib_max << 20,
        min_free_bytes: config.journal.min_free_mib.saturating_mul(1 << 20),
        commit_pause: Duration::from_micros(config.journal.commit_pause_us),
        clock: FileClock::new(|| Clock::system().now().micros() / 1_000),
        observer: Some(Arc::new(Observer(metrics.clone()))),
        ..WalOptions::new(&config.data.dir)
    };
    let (journal, opened) = WalJournal::open(options, Arc::new(OsStorage))?;
    for cut in &opened.cuts {
        tracing::warn!(?cut, "a torn tail was cut: nothing of it was ever answered");
    }
    let journal: Arc<dyn Journal> = Arc::new(journal);
    start::wait_for_room(journal.as_ref());
    let durability = Durability::new(journal.durable(), metrics.stage_durable.clone());
    journal.watch(durability.clone());
    journal.watch(Arc::new(StopOnHalt));
    let shared = Arc::new(Shared {
        journal,
        durability: durability.clone(),
        clock: Clock::system(),
        terms: config.terms()?,
        zone: config.zone()?,
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
    let directory = Directory::new(shared.clone(), config.actors.mailbox_max);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let retention_s = config.keys.retention_hours.saturating_mul(3_600);
    let (registrar, report) = recovery::recover(&shared, &directory, threads, retention_s)?;
    tracing::info!(
        snapshot = report.snapshot.map(Lsn::get),
        records = report.applied,
        groups = report.groups,
        holds = report.holds,
        in_transit = report.in_transit,
        epoch = opened.epoch,
        elapsed_ms = begun.elapsed().as_millis(),
        "recovered"
    );
    Ok(Arc::new(Engine {
        shared,
        directory,
        durability,
        registrar,
        joining: tokio::sync::Mutex::new(()),
    }))
}

/// Serves until a signal asks to stop.
///
/// # Errors
///
/// [`ServeError`] if the server cannot start.
pub async fn serve(
    config: Config,
    sandbox: Option<SandboxOptions>,
    given: Given,
) -> Result<(), ServeError> {
    let is_serving = start::end_if_it_breaks_off();
    let engine = open_engine(&config, crate::domain::decide::decide)?;
    let stored = webhooks::open_stored(&engine, &config)?;
    let vault = secrets::open_vault(&engine, &config, given.vault_keys.as_ref());
    let vault = Arc::new(vault.await?);
    let sandbox = open_first(&engine, given.root_key, sandbox).await?;
    let snapshots = Arc::new(Snapshots::new(engine.clone(), config.snapshots.keep));
    let outbox = webhooks::start_outbox(&engine, (stored, &vault), &config)?;
    let books = Books::new(engine.clone());
    books.finish_interrupted().await?;
    let search = Search::open(&config.data.dir, &engine)?;
    let reconciliation = Reconciler::open(&config.data.dir, &engine, &search).await?;
    let app = Data::new(http::App {
        engine: engine.clone(),
        access: secrets::open_access(&engine, &config, &vault).await?,
        tokens: Arc::new(crate::tokens::embedded::EmbeddedProvider::new(&vault)),
        resealer: Arc::new(Resealer::new(engine.clone(), vault.clone())),
        decisions: faces::open_decisions(&engine, &vault, &config),
        ledger: faces::open_ledger(&engine, &vault, &config),
        vault,
        pin_tries: http::network::pin::PinTries::default(),
        cards: secrets::card_settings(&config)?,
        fresh_secrets: http::programme::keys::FreshSecrets::default(),
        trial_balance: Arc::new(TrialBalance::default()),
        feed: Feed::new(&engine, config.events.waiting_max),
        books,
        search: search.clone(),
        reconciliation: reconciliation.clone(),
        snapshots: snapshots.clone(),
        outbox: outbox.clone(),
        is_sandbox: sandbox.is_some(),
        body_within: Duration::from_secs(config.server.body_s),
        batch_items_max: config.server.batch_items_max,
        instance: random_u32(),
        requests: AtomicU64::new(0),
        is_ready: AtomicBool::new(false),
    });
    // Before the first connection: whoever reaches the server can also stop it cleanly.
    let stop_asked = signals::StopSignals::listen();
    let (listener, address) = start::listen(&config)?;
    let (server, workers) = start_http(&config, listener, app.clone())?;
    let handle = server.handle();
    let mut serving = actix_rt::spawn(server);
    wait_for_workers(&engine, workers).await;
    begin(&app, &config, given.whatsapp).await?;
    app.is_ready.store(true, Ordering::Relaxed);
    start::announce(&address.to_string(), &config, sandbox.as_ref());
    is_serving.store(true, Ordering::Relaxed);
    let broke_off = start::until_asked(stop_asked, &mut serving).await;
    is_serving.store(false, Ordering::Relaxed);
    stop(&app, &handle, &snapshots, &config).await;
    if broke_off.is_none() {
        let _ = serving.await;
    }
    search.stop();
    let stopped = threads::aside(move || outbox.stop()).await;
    if let Err(error) = stopped {
        tracing::warn!(%error, "the outbox did not stop cleanly; its log has it all");
    }
    engine.shared.journal.close()?;
    if let Some(source) = broke_off {
        let what = "taking connections";
        return Err(ServeError::Io { what, source });
    }
    tracing::info!("stopped cleanly");
    Ok(())
}

/// Begins all that goes on by itself beside the requests.
async fn begin(
    app: &Data<http::App>,
    config: &Config,
    whatsapp: Option<Token>,
) -> Result<(), ServeError> {
    start::watch(&app.engine);
    Supervisor::new(app.engine.clone(), care(config)).start();
    if app.is_sandbox && config.sandbox.rates {
        keep_sandbox_rates(&app.engine).await?;
    }
    start::spawn_snapshots(
        &app.snapshots,
        &app.engine,
        config.snapshots.every_mib << 20,
    );
    start_fetching(&app.engine, config);
    secrets::finish_rotation(app);
    app.decisions.start_sweep();
    app.books.start_clock();
    let watched = config.data.dir.join("monitors.state");
    crate::monitors::start(&app.engine, &app.ledger.monitors, watched);
    app.reconciliation.start();
    start_notices(&app.engine, config, whatsapp)?;
    Ok(())
}

fn care(config: &Config) -> Care {
    Care {
        expiry_every: Duration::from_millis(config.holds.expiry_every_ms),
        idle_s: config.actors.idle_s,
        live_max: config.actors.live_max,
        key_retention_s: config.keys.retention_hours.saturating_mul(3_600),
    }
}

/// Asks for rates and lists from now on. What was known before the start is known already.
fn start_fetching(engine: &Arc<Engine>, config: &Config) {
    let client = Client::new(config.limits());
    let rates = &config.rates;
    if !rates.file.is_empty() {
        outside::rates::follow_file(engine, PathBuf::from(&rates.file));
    }
    if !rates.url.is_empty() {
        let every = Duration::from_secs(rates.poll_s);
        outside::rates::poll(engine, &client, rates.url.clone(), every);
    }
    outside::lists::start(engine, &client, Duration::from_secs(config.lists.refresh_s));
}

/// Tells cardholders of their purchases from now on.
fn start_notices(
    engine: &Arc<Engine>,
    config: &Config,
    token: Option<Token>,
) -> Result<(), ServeError> {
    let settings = &config.notices;
    let sender: Box<dyn NoticeSender> = match (settings.to.as_str(), token) {
        ("off", _) => return Ok(()),
        ("log", _) => Box::new(sender::LogSender),
        ("whatsapp", Some(token)) => {
            let number = &settings.phone_number_id;
            let place = (&*settings.base_url, &*settings.api_version, &**number);
            let template = (&*settings.template, &*settings.language);
            Box::new(sender::WhatsApp::new(place, template, &token))
        }
        ("whatsapp", None) => return Err(config::no_whatsapp_token().into()),
        _ => Box::new(sender::FileSender(config.data.dir.join("notices.log"))),
    };
    let position = config.data.dir.join("notices.position");
    notices::start(engine, sender, (position, settings.attempts_max));
    Ok(())
}

fn start_http(
    config: &Config,
    listener: TcpListener,
    app: Data<http::App>,
) -> Result<(actix_web::dev::Server, usize), ServeError> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let workers = if config.server.workers == 0 {
        cores
    } else {
        config.server.workers
    };
    let connections = descriptors::connections_of(config.server.connections_max, workers);
    let body_bytes_max = config.server.body_kib_max << 10;
    let directory = app.engine.directory.clone();
    let (started, is_pinned) = (Arc::new(AtomicUsize::new(0)), config.server.pin_workers);
    let server = HttpServer::new(move || {
        let index = started.fetch_add(1, Ordering::Relaxed);
        if is_pinned {
            threads::keep_to_one(index, workers);
        }
        // Cards live on the threads that serve HTTP: half of the messages never leave their thread.
        directory.add_arbiter(Arbiter::current());
        WebApp::new()
            .app_data(app.clone())
            .app_data(web::PayloadConfig::new(body_bytes_max))
            .configure(http::routes)
    })
    .workers(workers)
    .backlog(4_096)
    .max_connections(connections)
    .keep_alive(Duration::from_secs(config.server.keep_alive_s))
    .shutdown_timeout(config.server.stop_s)
    .disable_signals()
    .listen(listener)
    .map_err(|source| ServeError::Listen {
        listen: config.server.listen.clone(),
        source,
    })?;
    Ok((server.run(), workers))
}

/// Actors are spread over the workers' threads, so these come first.
async fn wait_for_workers(engine: &Engine, workers: usize) {
    while engine.directory.arbiters() < workers {
        actix_rt::time::sleep(Duration::from_millis(1)).await;
    }
}

fn random_u32() -> u32 {
    getrandom::u32().unwrap_or_default()
}

/// The origins that the arguments ask for; what is told of the sandbox.
async fn open_first(
    engine: &Engine,
    root: Option<RootKey>,
    sandbox: Option<SandboxOptions>,
) -> Result<Option<serde_json::Value>, ServeError> {
    if let Some(key) = root {
        open_root(engine, &key).await?;
    }
    if let Some(options) = sandbox {
        return Ok(Some(open_sandbox(engine, options).await?));
    }
    let has_keys = |registry: &Registry| !registry.keys.is_empty();
    if !engine.look_at_registry(has_keys).await? {
        tracing::warn!(
            "there is no key yet, so nobody can use this server: start it once with CARDWRIGHT_ROOT_KEY, or with \
             --sandbox"
        );
    }
    Ok(None)
}

/// The origin `root` owns no accounts: its key opens the programmes that do.
async fn open_root(engine: &Engine, key: &RootKey) -> Result<(), ServeError> {
    let (shared, durability) = (&engine.shared, &engine.durability);
    let registrar = &engine.registrar;
    registrar.open_origin("root", shared, durability).await?;
    let scopes = Scopes::of(&[Scope::Root]);
    registrar
        .issue_key("root", "first key", (&key.0, scopes), shared, durability)
        .await?;
    Ok(())
}

async fn open_sandbox(
    engine: &Engine,
    options: SandboxOptions,
) -> Result<serde_json::Value, ServeError> {
    let (shared, durability) = (&engine.shared, &engine.durability);
    engine
        .registrar
        .open_origin("sandbox", shared, durability)
        .await?;
    let key = options
        .key
        .unwrap_or_else(|| format!("sk_sandbox_{}", random_hex()));
    let scopes = Scopes::of(&Scope::ALL);
    engine
        .registrar
        .issue_key("sandbox", "sandbox key", (&key, scopes), shared, durability)
        .await?;
    register_demo(engine).await?;
    Ok(serde_json::json!({
        "origin": "sandbox",
        "api_key": key,
        "holder_urn": "did:bloque:sandbox:demo",
    }))
}

fn random_hex() -> String {
    let mut random = [0_u8; 24];
    fill_random(&mut random);
    crate::actors::registrar::hex(&random)
}

fn fill_random(random: &mut [u8]) {
    if let Err(error) = getrandom::fill(random) {
        tracing::error!(%error, "the system gave no randomness");
        std::process::exit(1);
    }
}

/// Sets the sandbox's own rates where there are none, and keeps them from becoming too old.
async fn keep_sandbox_rates(engine: &Arc<Engine>) -> Result<(), ServeError> {
    rates::start(engine).await?;
    let age_max = u64::try_from(engine.shared.terms.rate_age_seconds_max).unwrap_or(0);
    let every = Duration::from_secs((age_max / 2).clamp(1, 3_600));
    let engine = engine.clone();
    actix_rt::spawn(async move {
        loop {
            actix_rt::time::sleep(every).await;
            if let Err(error) = rates::renew(&engine).await {
                tracing::warn!(%error, "the sandbox's rates could not be renewed now");
            }
        }
    });
    Ok(())
}

/// The sandbox's holder of the first steps, so that a client can connect as it.
async fn register_demo(engine: &Engine) -> Result<(), ServeError> {
    let register = |registry: &Registry, now| {
        let demo = Identity::new(
            ("sandbox", "demo"),
            IdentityKind::Individual,
            &serde_json::Map::new(),
            now,
        );
        let is_known = registry.identities.get("did:bloque:sandbox:demo").is_some();
        let demo = demo.ok().filter(|_| !is_known);
        let event = demo.map(|demo| RegistryEvent::IdentityRegistered(Arc::new(demo)));
        Ok(event.into_iter().collect())
    };
    engine
        .change_registry::<crate::actors::EngineError>(None, register)
        .await?;
    Ok(())
}

/// Stops taking requests, lets those under way end, takes a snapshot.
async fn stop(app: &http::App, handle: &ServerHandle, snapshots: &Arc<Snapshots>, config: &Config) {
    tracing::info!("stopping: requests under way end first");
    app.is_ready.store(false, Ordering::Relaxed);
    app.reconciliation.stop();
    app.feed.close();
    if config.snapshots.on_stop {
        // Actors live on the server's threads: the snapshot comes before these end. What is decided
        // after it is in the log.
        let snapshots = snapshots.clone();
        let taken = threads::aside(move || snapshots.take()).await;
        match taken {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "no snapshot was taken; the log has it all"),
            Err(error) => tracing::error!(%error, "no snapshot was taken; the log has it all"),
        }
    }
    handle.stop(true).await;
}
