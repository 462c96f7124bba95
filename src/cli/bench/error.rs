//! What can stop a bench run before it has a result.

use std::io;
use std::path::PathBuf;

/// Why a bench run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum BenchError {
    #[error("url must be http://HOST[:PORT] without a path, was {url:?}")]
    Url { url: String },
    #[error("{name}: there is no folder {folder:?}; make it first")]
    Folder { name: &'static str, folder: PathBuf },
    #[error("host {host:?} did not resolve: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("own server could not be started from {program:?}: {source}")]
    Spawn { program: PathBuf, source: io::Error },
    #[error("own server did not get ready: {reason}{log}")]
    NotReady { reason: String, log: String },
    #[error("{what} {path:?} failed: {source}")]
    File {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{request} was answered {status}: {body}")]
    Setup {
        request: String,
        status: u16,
        body: String,
    },
    #[error("{request} had no answer: {source}")]
    Transport {
        request: String,
        source: Box<ureq::Error>,
    },
    #[error("{request} was answered with a body that has no {missing}: {body}")]
    Answer {
        request: String,
        missing: &'static str,
        body: String,
    },
    #[error("client runtime could not be started: {source}")]
    Runtime { source: io::Error },
    #[error("phase {phase:?} did not end within {waited_s} s: the server stopped answering")]
    Stalled { phase: String, waited_s: u64 },
    #[error("phase {phase:?} got no answer at all{sample}")]
    NoAnswers { phase: String, sample: String },
    #[error("interrupted")]
    Interrupted,
}

/// The beginning of a body, fit for an error message.
pub(super) fn excerpt(body: &[u8]) -> String {
    const EXCERPT_BYTES_MAX: usize = 300;
    let head = body.get(..EXCERPT_BYTES_MAX).unwrap_or(body);
    let text = String::from_utf8_lossy(head).replace(['\n', '\r'], " ");
    if body.len() > head.len() {
        format!("{text}...")
    } else {
        text
    }
}
