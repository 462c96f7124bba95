//! An engine in this process, without HTTP, and what is asked of its cards.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test binary uses its own part"
)]

use std::{ops::Deref, path::Path, sync::Arc};

use cardwright::{
    actors::{Engine, Request, Target, engine::Decide},
    app,
    config::Config,
    domain::{
        account::Medium,
        command::{Command, MoveMoney, OpenAccount},
        decide::decide,
        ids::{AccountNo, ActorId, LedgerNo},
        money::Amount,
        policy::Policy,
        time::Month,
    },
};

pub fn request(actor: u64, command: Command) -> Request {
    Request {
        target: Target::Actor(ActorId(actor)),
        origin: None,
        command,
        keys: Vec::new(),
        fingerprint: 0,
        recalled: None,
    }
}

pub fn open(no: u64) -> Request {
    let open = OpenAccount {
        card: None,
        no: AccountNo(no),
        medium: Medium::Card {
            programme: "card".into(),
            last_four: *b"1234",
            expiry: Month {
                year: 2040,
                month: 1,
            },
        },
        holder_urn: "did:bloque:sandbox:demo".into(),
        ledger: LedgerNo(no),
        webhook_url: None,
        metadata: "{}".into(),
        policy: Policy::default(),
    };
    request(no, Command::OpenAccount(Box::new(open)))
}

pub fn deposit(engine: &Engine, no: u64, amount: i128) -> Request {
    let deposit = MoveMoney {
        account: AccountNo(no),
        asset: engine.shared.terms.default_asset,
        amount: Amount::from_minor(amount).unwrap(),
        reference: String::new(),
        metadata: "{}".into(),
    };
    request(no, Command::Deposit(deposit))
}

/// An engine in this process; its log ends with it, before its directory does. Actors on threads of their own
/// would keep the log open, and a log that makes its next segment where no directory is any more stops the
/// process.
pub struct Running(Arc<Engine>);

impl Running {
    pub fn on(config: &Config, decide: Decide) -> Self {
        Self(app::open_engine(config, decide).unwrap())
    }
}

impl Deref for Running {
    type Target = Arc<Engine>;

    fn deref(&self) -> &Arc<Engine> {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A story of damage has a log that failed already.
        let _ = self.0.shared.journal.close();
    }
}

/// Tells the story on an engine of its own; all on the current thread but what the story starts.
pub fn on_an_engine(story: impl AsyncFnOnce(Arc<Engine>)) {
    let dir = tempfile::tempdir().unwrap();
    on_an_engine_in(dir.path(), story);
}

/// The same with its data in `dir`.
pub fn on_an_engine_in(dir: &Path, story: impl AsyncFnOnce(Arc<Engine>)) {
    let mut config = Config::load(None, std::iter::empty()).unwrap();
    config.data.dir = dir.join("data");
    config.journal.min_free_mib = 1;
    actix_rt::System::new().block_on(async {
        let engine = Running::on(&config, decide);
        story(engine.clone()).await;
    });
}
