//! Exchange rates from a file and from a URL. What cannot be read changes nothing: the last good
//! rates stand, and grow old.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    after_failures,
    client::{Client, FetchError, Fetched},
    document::{Document, NotRates},
    jittered,
};
use crate::{
    actors::{Engine, EngineError, registrar::ChangeError},
    domain::{
        lists::shown_url,
        quotes::{self, Coming, DraftError},
        registry::RegistryEvent,
        time::Timestamp,
    },
};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why no rates were taken.
#[derive(Debug, thiserror::Error)]
enum RatesError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("the file is longer than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    #[error(transparent)]
    Document(#[from] NotRates),
    #[error("it is no document of rates: {0}")]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Reads the file's rates now and whenever it changes from now on.
pub fn follow_file(engine: &Arc<Engine>, path: PathBuf) {
    let mut seen = None;
    look(engine, &path, &mut seen);
    let engine = engine.clone();
    thread::spawn(move || {
        loop {
            thread::sleep(LOOK_EVERY);
            look(&engine, &path, &mut seen);
        }
    });
}

/// What tells one content of a file from another: when it was written, and its length.
type Seen = Option<(SystemTime, u64)>;

fn look(engine: &Engine, path: &Path, seen: &mut Option<Seen>) {
    let found: Seen = fs::metadata(path)
        .ok()
        .and_then(|known| Some((known.modified().ok()?, known.len())));
    if *seen == Some(found) {
        return;
    }
    *seen = Some(found);
    let read = read_file(path, found)
        .and_then(|(bytes, at)| take(engine, &Document::read(&bytes, terms(engine))?, "file", at));
    conclude(engine, &read, &path.display().to_string());
}

fn read_file(path: &Path, found: Seen) -> Result<(Vec<u8>, Timestamp), RatesError> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    let read = file
        .take(FILE_BYTES_MAX.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read > FILE_BYTES_MAX) {
        return Err(RatesError::TooLarge);
    }
    // Rates that say no time of their own are from when the file was written: a file that lies there
    // does not become new because we start again.
    let written = found.map_or(UNIX_EPOCH, |(written, _)| written);
    let since = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or_default();
    Ok((bytes, Timestamp::from_micros(micros)))
}

/// Fetches the URL's rates every so often, from now on.
pub fn poll(engine: &Arc<Engine>, client: &Client, url: String, every: Duration) {
    let (engine, client) = (engine.clone(), client.clone());
    thread::spawn(move || {
        let source = shown_url(&url);
        let mut last = Last::default();
        let mut failures = 0_u32;
        loop {
            let taken = fetch(&engine, &client, (&url, &source), &mut last);
            conclude(&engine, &taken, &source);
            let wait = if taken.is_ok() {
                failures = 0;
                jittered(every)
            } else {
                failures = failures.saturating_add(1);
                after_failures(failures, every)
            };
            thread::sleep(wait);
        }
    });
}

/// The last document that was taken, and how the server names it.
#[derive(Default)]
struct Last {
    document: Option<Document>,
    etag: Option<String>,
}

fn fetch(
    engine: &Engine,
    client: &Client,
    (url, source): (&str, &str),
    last: &mut Last,
) -> Result<usize, RatesError> {
    let now = engine.shared.clock.now();
    match client.get(url, last.etag.as_deref())? {
        Fetched::Body { bytes, etag } => {
            let document = Document::read(&bytes, terms(engine))?;
            let taken = take(engine, &document, source, now)?;
            *last = Last {
                document: Some(document),
                etag,
            };
            Ok(taken)
        }
        // The server says that its document holds today: so do its rates, but for those that say
        // themselves when they were true.
        Fetched::Unchanged => match last.document.as_ref().map(Document::without_time) {
            Some(again) if !again.is_empty() => take(engine, &again, source, now),
            Some(_) | None => Ok(0),
        },
    }
}

fn terms(engine: &Engine) -> &crate::domain::policy::Terms {
    &engine.shared.terms
}

/// Records those of the document's rates that say something new; how many those are.
fn take(
    engine: &Engine,
    document: &Document,
    source: &str,
    at: Timestamp,
) -> Result<usize, RatesError> {
    let terms = terms(engine);
    let source: Arc<str> = source.into();
    let decide = |registry: &crate::domain::registry::Registry, now: Timestamp| {
        let quotes = quotes::read(&document.drafts(), &source, at, terms)?;
        let quotes = quotes::accept(&quotes, &registry.rates, (now, terms), Coming::Fetched)?;
        if quotes.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![RegistryEvent::RatesAccepted { quotes, at: now }])
    };
    match engine.registrar.change(None, &engine.shared, decide) {
        Ok(recorded) => Ok(recorded.events.iter().map(count).sum()),
        Err(ChangeError::Refused(error)) => Err(RatesError::Draft(error)),
        Err(ChangeError::Engine(error)) => Err(error.into()),
        Err(ChangeError::Known { .. } | ChangeError::Contested) => Ok(0),
    }
}

fn count(event: &RegistryEvent) -> usize {
    match event {
        RegistryEvent::RatesAccepted { quotes, .. } => quotes.len(),
        RegistryEvent::OriginOpened(_)
        | RegistryEvent::KeyIssued(_)
        | RegistryEvent::KeyRevoked { .. }
        | RegistryEvent::OriginMetadataChanged { .. }
        | RegistryEvent::ListFetched { .. }
        | RegistryEvent::SigningKeyMade { .. }
        | RegistryEvent::IdentityRegistered(_)
        | RegistryEvent::IdentityChanged(_)
        | RegistryEvent::KeyRotated { .. }
        | RegistryEvent::DocumentSet { .. }
        | RegistryEvent::WebhookSecretSet { .. } => 0,
    }
}

fn conclude(engine: &Engine, taken: &Result<usize, RatesError>, source: &str) {
    let counted = &engine.shared.metrics.rates;
    match taken {
        Ok(0) => counted.unchanged.inc(),
        Ok(rates) => {
            counted.new.inc();
            tracing::info!(source, rates, "rates were taken");
        }
        Err(error) => {
            counted.failed.inc();
            tracing::warn!(source, %error, "no rates were taken; the last good ones stand");
        }
    }
}
