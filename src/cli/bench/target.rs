//! The server under load: somebody's, or one of our own on a temporary data directory.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::args::BenchArgs;
use super::error::{BenchError, excerpt};
use super::rng::entropy;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Where the load goes and as whom.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// `HOST:PORT`, for the header and for URLs.
    pub(super) host: String,
    pub(super) key: String,
    pub(super) holder: String,
    pub(super) server: Option<OwnServer>,
}

impl Target {
    /// Takes the server the arguments name, or starts one.
    pub(super) fn open(args: &BenchArgs) -> Result<Self, BenchError> {
        let Some(url) = &args.url else {
            return OwnServer::start(args);
        };
        let host = host_of(url)?;
        let key = args.key.clone().unwrap_or_default();
        let address = resolve(&host)?;
        Ok(Self {
            address,
            host,
            key,
            holder: args.holder.clone(),
            server: None,
        })
    }

    pub(super) fn data_dir(&self) -> Option<&Path> {
        self.server
            .as_ref()
            .map(|server| server.directory.0.as_path())
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(|server| server.process.0.id())
    }
}

/// A server of our own; gone with its data when dropped, also after an error or a panic.
#[derive(Debug)]
pub(super) struct OwnServer {
    // Declared first, so dropped first: the process ends before its directory goes.
    process: Process,
    directory: TemporaryDirectory,
}

#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    /// Kills without asking: a graceful stop would write a snapshot of data about to be removed.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Debug)]
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn create(parent: &Path) -> Result<Self, BenchError> {
        let path = parent.join(format!("cardwright-bench-{:016x}", entropy()));
        fs::create_dir_all(&path).map_err(|source| BenchError::File {
            what: "making the directory",
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The line a server prints when it is ready.
#[derive(Debug, Deserialize)]
struct Ready {
    listening: String,
    sandbox: ReadySandbox,
}

#[derive(Debug, Deserialize)]
struct ReadySandbox {
    api_key: String,
    holder_urn: String,
}

impl OwnServer {
    fn start(args: &BenchArgs) -> Result<Target, BenchError> {
        let program = match &args.server_exe {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(|source| BenchError::Spawn {
                program: PathBuf::from("the current executable"),
                source,
            })?,
        };
        let parent = args.data_dir.clone().unwrap_or_else(std::env::temp_dir);
        let directory = TemporaryDirectory::create(&parent)?;
        let log_path = directory.0.join("server.log");
        let log = File::create(&log_path).map_err(|source| BenchError::File {
            what: "making the log",
            path: log_path.clone(),
            source,
        })?;
        let child = Command::new(&program)
            .args([
                "serve",
                "--sandbox",
                "--listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(directory.0.join("data"))
            .env(
                "CARDWRIGHT_SANDBOX_KEY",
                format!("sk_sandbox_{:016x}{:016x}", entropy(), entropy()),
            )
            // Dead endpoints are on this machine.
            .env(
                "CARDWRIGHT_OUTGOING__ALLOW_PRIVATE",
                args.dead_endpoints.is_some().to_string(),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            // A group of its own: an interrupt from the terminal is for the bench to handle.
            .process_group(0)
            .spawn()
            .map_err(|source| BenchError::Spawn { program, source })?;
        let mut server = Self {
            process: Process(child),
            directory,
        };
        let ready = server.wait_ready(&log_path)?;
        let address = resolve(&ready.listening)?;
        Ok(Target {
            address,
            host: ready.listening,
            key: ready.sandbox.api_key,
            holder: ready.sandbox.holder_urn,
            server: Some(server),
        })
    }

    fn wait_ready(&mut self, log: &Path) -> Result<Ready, BenchError> {
        let not_ready = |reason: String| BenchError::NotReady {
            reason,
            log: log_tail(log),
        };
        let Some(stdout) = self.process.0.stdout.take() else {
            return Err(not_ready("it has no standard output".to_owned()));
        };
        let (send, receive) = mpsc::channel();
        // The thread keeps reading after the first line, so that the server never has a closed pipe.
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut first = String::new();
            let _ = send.send(lines.read_line(&mut first).map(|_| first));
            let _ = io::copy(&mut lines, &mut io::sink());
        });
        let line = match receive.recv_timeout(READY_WITHIN) {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => return Err(not_ready(error.to_string())),
            Err(_) => return Err(not_ready(format!("no line within {READY_WITHIN:?}"))),
        };
        if line.is_empty() {
            let status = self
                .process
                .0
                .wait()
                .map_or(String::new(), |status| status.to_string());
            return Err(not_ready(format!("it ended with {status}")));
        }
        serde_json::from_str(&line).map_err(|error| {
            not_ready(format!(
                "its first line was not understood ({error}): {}",
                excerpt(line.as_bytes())
            ))
        })
    }
}

/// The last lines of the server's log, for an error message.
fn log_tail(path: &Path) -> String {
    const LINES_MAX: usize = 15;
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<_> = text.lines().collect();
    let tail = lines
        .get(lines.len().saturating_sub(LINES_MAX)..)
        .unwrap_or_default();
    if tail.is_empty() {
        String::new()
    } else {
        format!("; its log ends:\n{}", tail.join("\n"))
    }
}

/// `HOST:PORT` of a URL.
fn host_of(url: &str) -> Result<String, BenchError> {
    let refused = || BenchError::Url {
        url: url.to_owned(),
    };
    let host = url
        .strip_prefix("http://")
        .ok_or_else(refused)?
        .trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
        return Err(refused());
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    })
}

fn resolve(host: &str) -> Result<SocketAddr, BenchError> {
    let error = |source| BenchError::Resolve {
        host: host.to_owned(),
        source,
    };
    let mut addresses = host.to_socket_addrs().map_err(error)?;
    addresses
        .next()
        .ok_or_else(|| error(io::Error::from(io::ErrorKind::NotFound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_hosts() {
        assert_eq!(host_of("http://127.0.0.1:8080").unwrap(), "127.0.0.1:8080");
        assert_eq!(host_of("http://cards.local/").unwrap(), "cards.local:80");
        assert_eq!(host_of("http://[::1]:9").unwrap(), "[::1]:9");
        for url in ["https://a", "a:80", "http://", "http://a/b", "http://u@h"] {
            assert!(host_of(url).is_err(), "{url}");
        }
    }

    #[test]
    fn temporary_directories_go_when_dropped() {
        let directory = TemporaryDirectory::create(&std::env::temp_dir()).unwrap();
        let path = directory.0.clone();
        fs::write(path.join("x"), "y").unwrap();
        drop(directory);
        assert!(!path.exists());
    }
}
