//! Fetches the lists of merchant categories that pockets name by URL, and keeps them fresh. The last
//! good list stands until a better one comes.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, thread, time::Duration};

use parking_lot::Mutex;
use serde::Deserialize;

use super::{
    after_failures,
    client::{Client, FetchError, Fetched},
    jittered,
};
use crate::{
    actors::{Engine, EngineError, registrar::ChangeError},
    domain::{
        lists::{CODES_MAX, List, shown_url},
        merchant::Mcc,
        registry::RegistryEvent,
    },
};

/// How many lists are fetched at a time: a slow server holds up the others no more than that.
const THREADS: usize = 4;

/// Why a list is not a new one.
#[derive(Debug, thiserror::Error)]
enum ListError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("it is no JSON array of merchant category codes: {0}")]
    NotAList(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What all threads know.
struct Fetcher {
    engine: Arc<Engine>,
    client: Client,
    refresh: Duration,
    /// How often each list failed in a row.
    failures: Mutex<BTreeMap<Arc<str>, u32>>,
}

/// Fetches what is wanted from now on, and each list again after about `refresh`.
pub fn start(engine: &Arc<Engine>, client: &Client, refresh: Duration) {
    let fetcher = Arc::new(Fetcher {
        engine: engine.clone(),
        client: client.clone(),
        refresh,
        failures: Mutex::default(),
    });
    for _ in 0..THREADS {
        let fetcher = fetcher.clone();
        thread::spawn(move || {
            loop {
                let url = fetcher.engine.shared.facts.wanted.next();
                let again = fetcher.refresh(&url);
                fetcher.engine.shared.facts.wanted.back(url, again);
            }
        });
    }
}

impl Fetcher {
    /// Fetches one list; how long to wait before the next time.
    fn refresh(&self, url: &Arc<str>) -> Duration {
        let counted = &self.engine.shared.metrics.lists;
        match self.fetch(url) {
            Ok(is_new) => {
                self.failures.lock().remove(url);
                if is_new {
                    tracing::info!(url = shown_url(url), "a list changed");
                    counted.new.inc();
                } else {
                    counted.unchanged.inc();
                }
                jittered(self.refresh)
            }
            Err(error) => {
                counted.failed.inc();
                let times = {
                    let mut failures = self.failures.lock();
                    let times = failures.entry(url.clone()).or_default();
                    *times = times.saturating_add(1);
                    *times
                };
                let url = shown_url(url);
                tracing::warn!(%url, %error, times, "a list was not fetched; the last good one stands");
                after_failures(times, self.refresh)
            }
        }
    }

    fn fetch(&self, url: &Arc<str>) -> Result<bool, ListError> {
        let shared = &self.engine.shared;
        let lists = shared.facts.lists.load_full();
        let known = lists.list(url);
        let etag = known.and_then(|known| known.etag.as_deref());
        let Fetched::Body { bytes, etag } = self.client.get(url, etag)? else {
            return Ok(false);
        };
        let list = List::new(codes(&bytes)?, etag, shared.clock.now());
        if known.is_some_and(|known| known.codes == list.codes) {
            return Ok(false);
        }
        let url = url.clone();
        let fetched = |_: &_, _| {
            let event = RegistryEvent::ListFetched {
                url: url.clone(),
                list: list.clone(),
            };
            Ok::<_, Infallible>(vec![event])
        };
        match self.engine.registrar.change(None, shared, fetched) {
            Ok(_) => Ok(true),
            Err(ChangeError::Engine(error)) => Err(error.into()),
            Err(ChangeError::Refused(never)) => match never {},
            Err(ChangeError::Known { .. } | ChangeError::Contested) => Ok(false),
        }
    }
}

/// A code as a list may write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Number(u16),
}

/// Reads a JSON array of codes, each four digits in a string or the number of them.
fn codes(bytes: &[u8]) -> Result<Vec<Mcc>, ListError> {
    let wrong = |what: String| ListError::NotAList(what);
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'[') {
        return Err(wrong("it does not begin with [".to_owned()));
    }
    let written: Vec<Written> = serde_json::from_slice(bytes)
        .map_err(|error| wrong(error.to_string().chars().take(200).collect()))?;
    if written.len() > CODES_MAX {
        return Err(wrong(format!("it has more than {CODES_MAX} codes")));
    }
    let code = |written: Written| match written {
        Written::Text(text) => text
            .parse::<Mcc>()
            .map_err(|error| wrong(error.to_string())),
        Written::Number(number) => {
            Mcc::new(number).ok_or_else(|| wrong(format!("{number} is above 9999")))
        }
    };
    written.into_iter().map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_as_they_are_written() {
        let read = |text: &str| {
            let codes = codes(text.as_bytes()).ok()?;
            Some(codes.into_iter().map(Mcc::code).collect::<Vec<_>>())
        };
        assert_eq!(read(r#"["5411", "0742", 742]"#), Some(vec![5411, 742, 742]));
        assert_eq!(read(" []"), Some(vec![]));
        for wrong in [
            "",
            "{}",
            r#"{"mcc":[]}"#,
            "null",
            r#"["541"]"#,
            r#"["54111"]"#,
            r#"["54a1"]"#,
            "[5411.0]",
            "[5411.5]",
            "[10000]",
            "[-1]",
            "[null]",
            r#"[["5411"]]"#,
            r#"["5411""#,
            r#"["5411"] x"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let many = format!("[{}1]", "1,".repeat(CODES_MAX));
        assert_eq!(read(&many), None, "too many");
        assert!(read(&format!("[{}1]", "1,".repeat(CODES_MAX - 1))).is_some());
    }
}
