//! A broken invariant in `apply` stops the process before anything is answered.
//!
//! The test starts itself again as the process that is to stop.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use std::{os::unix::process::ExitStatusExt, process::Command as Process, sync::Arc};

use cardwright::{
    actors::{Engine, Request, Target},
    app,
    config::Config,
    domain::{
        command::{Command, Context},
        decide,
        event::Event,
        group::Group,
        ids::{ActorId, TransferId},
        outcome::Rejection,
    },
};

const INNER: &str = "CARDWRIGHT_TEST_STOP_IN";

/// Says yes to what `apply` cannot do: settles a transfer that was never sent.
fn wrong(group: &Group, command: &Command, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    if matches!(command, Command::SettleTransfer(_)) {
        return Ok(vec![Event::TransferSettled(TransferId(7))]);
    }
    decide::decide(group, command, context)
}

fn be_the_process(dir: &str) {
    let mut config = Config::load(None, std::iter::empty()).unwrap();
    config.data.dir = dir.into();
    config.journal.min_free_mib = 1;
    actix_rt::System::new().block_on(async {
        let engine: Arc<Engine> = app::open_engine(&config, wrong).unwrap();
        engine
            .directory
            .add_arbiter(actix_rt::Arbiter::new().handle());
        engine.directory.create(ActorId(1));
        let answer = engine
            .execute(Request {
                target: Target::Actor(ActorId(1)),
                origin: None,
                command: Command::SettleTransfer(TransferId(7)),
                keys: Vec::new(),
                fingerprint: 0,
                recalled: None,
            })
            .await;
        println!("answered: {answer:?}");
    });
}

#[test]
fn a_panic_in_apply_stops_the_process() {
    if let Ok(dir) = std::env::var(INNER) {
        return be_the_process(&dir);
    }
    let dir = tempfile::tempdir().unwrap();
    let output = Process::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_panic_in_apply_stops_the_process",
            "--nocapture",
        ])
        .env(INNER, dir.path().join("data"))
        .output()
        .unwrap();
    const SIGABRT: i32 = 6;
    assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("Invariant: a settled transfer was on its way"),
        "{said}"
    );
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains("answered"),
        "{output:?}"
    );
}
