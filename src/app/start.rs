//! How a server begins to listen, what it says when it is ready, and the snapshots that it takes by itself.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{ServeError, signals::StopSignals};
use crate::{
    actors::Engine,
    config::Config,
    http::operator::snapshots::Snapshots,
    journal::{Journal, JournalError, STALLED},
};

/// How long after a snapshot that failed the next one is tried.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Takes a snapshot each time the log has grown by `every` bytes.
pub(super) fn spawn_snapshots(snapshots: &Arc<Snapshots>, engine: &Arc<Engine>, every: u64) {
    if every == 0 {
        return;
    }
    let (snapshots, engine) = (snapshots.clone(), engine.clone());
    std::thread::spawn(move || {
        let newest = engine.shared.journal.snapshots().list().ok();
        let newest = newest.and_then(|list| list.first().map(|info| info.lsn.get()));
        let mut last = newest.unwrap_or(0);
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = engine.durability.durable();
            if now.saturating_sub(last) < every {
                continue;
            }
            match snapshots.take() {
                Ok(_) => last = now,
                Err(error) => {
                    tracing::error!(%error, "the snapshot failed; the earlier ones and the log stand");
                    std::thread::sleep(AFTER_FAILURE);
                }
            }
        }
    });
}

/// A start or a stop that breaks off ends the process: unwinding would wait for threads that nobody stops. While
/// the server serves, as what is returned says, what breaks off is one request's.
pub(super) fn end_if_it_breaks_off() -> Arc<AtomicBool> {
    let is_serving = Arc::new(AtomicBool::new(false));
    let (serving, main) = (is_serving.clone(), std::thread::current().id());
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        usual(info);
        if !serving.load(Ordering::Relaxed) && std::thread::current().id() == main {
            tracing::error!(
                "it broke off: the panic's message says why; what was answered is on disk"
            );
            std::process::exit(1);
        }
    }));
    is_serving
}

/// Where requests come in.
pub(super) fn listen(config: &Config) -> Result<(TcpListener, SocketAddr), ServeError> {
    let refused = |source| ServeError::Listen {
        listen: config.server.listen.clone(),
        source,
    };
    let listener = TcpListener::bind(&config.server.listen).map_err(refused)?;
    let address = listener.local_addr().map_err(|source| ServeError::Io {
        what: "reading the address listened on",
        source,
    })?;
    Ok((listener, address))
}

/// Waits until somebody asks to stop; or why no connections are taken any more, as where their thread could not
/// be started.
pub(super) async fn until_asked(
    stop_asked: StopSignals,
    serving: &mut actix_rt::task::JoinHandle<io::Result<()>>,
) -> Option<io::Error> {
    let ended = tokio::select! {
        () = stop_asked.wait() => return None,
        ended = serving => ended,
    };
    Some(match ended {
        Ok(Ok(())) => io::Error::other("the server ended by itself"),
        Ok(Err(error)) => error,
        Err(broken) => io::Error::other(broken),
    })
}

/// How long the start waits for the log's next segment.
const ROOM_WITHIN: Duration = Duration::from_secs(30);

/// Waits until the log takes records: where its last segment is nearly full, the next one is made first. A disk
/// that is nearly full is said and not waited for: what is there can be read.
pub(super) fn wait_for_room(journal: &dyn Journal) {
    let begun = Instant::now();
    while let Err(error) = journal.reserve() {
        let is_being_made = matches!(error, JournalError::Busy { .. });
        if is_being_made && begun.elapsed() < ROOM_WITHIN {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        tracing::warn!(
            %error,
            "the log takes nothing now: free space, or lower journal.min_free_mib"
        );
        return;
    }
}

/// How far the log may be ahead of the machine's clock without a word.
const AHEAD_SECONDS: i64 = 5;
/// How often what an operator has to know is looked at, and how seldom it is said again.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS_PER_WORD: u32 = 60;

/// Something that an operator has to know while it lasts.
#[derive(Default)]
struct Trouble {
    looks: u32,
}

/// What is to be said of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Lasts,
    IsOver,
}

impl Trouble {
    /// What is to be said now: at first and each minute that it lasts, and when it is over.
    const fn look(&mut self, is_there: bool) -> Option<Word> {
        let before = self.looks;
        self.looks = if is_there {
            before.saturating_add(1)
        } else {
            0
        };
        if is_there && before.is_multiple_of(LOOKS_PER_WORD) {
            Some(Word::Lasts)
        } else if !is_there && before > 0 {
            Some(Word::IsOver)
        } else {
            None
        }
    }
}

/// Says, while it lasts, what stands in the way of the engine.
pub(super) fn watch(engine: &Arc<Engine>) {
    let engine = engine.clone();
    actix_rt::spawn(async move {
        let (mut clock, mut disk) = (Trouble::default(), Trouble::default());
        loop {
            look_at_clock(&engine, &mut clock);
            look_at_disk(engine.shared.journal.as_ref(), &mut disk);
            actix_rt::time::sleep(LOOK).await;
        }
    });
}

/// Time never goes back: where the machine's clock is behind the log's last record, it stands still.
fn look_at_clock(engine: &Engine, trouble: &mut Trouble) {
    let ahead_seconds = engine.shared.clock.ahead_seconds();
    match trouble.look(ahead_seconds >= AHEAD_SECONDS) {
        Some(Word::Lasts) => tracing::error!(
            ahead_seconds,
            "the log is ahead of the machine's clock: time stands still until that catches up, holds and tokens \
             do not end. Was the clock put back, or ahead before?"
        ),
        Some(Word::IsOver) => {
            tracing::info!("the machine's clock has caught up with the log");
        }
        None => {}
    }
}

/// A commit tells how long it took only when it is over. Where the disk is full it waits for room, which is
/// told elsewhere.
fn look_at_disk(journal: &dyn Journal, trouble: &mut Trouble) {
    let time = journal.committing_for().unwrap_or_default();
    let is_full = matches!(journal.reserve(), Err(JournalError::DiskLow { .. }));
    match trouble.look(time >= STALLED && !is_full) {
        Some(Word::Lasts) => tracing::error!(
            seconds = time.as_secs(),
            "the disk does not answer: a commit is still under way, and nobody is answered until it is over"
        ),
        Some(Word::IsOver) => tracing::info!("the disk answers again"),
        None => {}
    }
}

/// One JSON line for programs on standard output, a few hints for people on standard error.
pub(super) fn announce(listening: &str, config: &Config, sandbox: Option<&serde_json::Value>) {
    let mut line = serde_json::json!({
        "listening": listening,
        "version": env!("CARGO_PKG_VERSION"),
        "data_dir": config.data.dir.display().to_string(),
    });
    if let (Some(sandbox), Some(object)) = (sandbox, line.as_object_mut()) {
        object.insert("sandbox".to_owned(), sandbox.clone());
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
    // Where logs are for programs, nothing else is to stand between their lines.
    let hinted = sandbox.filter(|_| config.log.format == "text");
    let Some(key) = hinted.and_then(|sandbox| sandbox.get("api_key")?.as_str()) else {
        return;
    };
    eprintln!(
        "\nThe sandbox is ready. Try, in another terminal:\n\n  \
         export KEY={key}\n  \
         curl -s http://{listening}/api/mediums/card -H \"Authorization: Bearer $KEY\" \\\n    \
         -H 'Content-Type: application/json' \\\n    \
         -d '{{\"holder_urn\":\"did:bloque:sandbox:demo\",\"input\":{{\"create\":\
         {{\"card_type\":\"VIRTUAL\"}}}},\"metadata\":{{\"name\":\"First card\"}}}}'\n\n\
         The same money as ledgers and balances, for the Blnk clients:\n\n  \
         curl -s http://{listening}/ledgers -H \"X-Blnk-Key: $KEY\" \\\n    \
         -H 'Content-Type: application/json' -d '{{\"name\":\"USD Ledger\"}}'\n  \
         cardwright balances list --url http://{listening} --key $KEY\n\n\
         README.md goes on from there; http://{listening}/docs/ has every route.\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_at_first_each_minute_and_at_its_end() {
        let mut trouble = Trouble::default();
        assert!(trouble.look(false).is_none());
        let said: Vec<_> = (0..150)
            .filter(|_| trouble.look(true) == Some(Word::Lasts))
            .collect();
        assert_eq!(said, [0, 60, 120]);
        assert!(trouble.look(false) == Some(Word::IsOver));
        assert!(trouble.look(false).is_none());
        assert!(trouble.look(true) == Some(Word::Lasts));
    }
}
