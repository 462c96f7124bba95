//! An HTTP server that keeps what it gets and answers as it is told.

#![allow(unreachable_pub, missing_docs, reason = "a part of a test")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// What came.
#[derive(Clone, Debug)]
pub struct Hook {
    pub path: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub json: Value,
    /// What it was answered.
    pub status: u16,
}

impl Hook {
    pub fn event(&self) -> &str {
        self.json["event"].as_str().unwrap_or_default()
    }

    pub fn transaction(&self) -> &str {
        self.json["transaction_id"].as_str().unwrap_or_default()
    }

    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// For the library of another language.
    pub fn signed_with(&self, secret: &str) -> Value {
        let headers: BTreeMap<_, _> = self
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("webhook-"))
            .collect();
        json!({ "secret": secret, "headers": headers, "body": self.body })
    }
}

/// What is answered: a status, headers, after how long.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub after: Duration,
}

impl Answer {
    pub fn of(status: u16) -> Self {
        Self {
            status,
            headers: String::new(),
            after: Duration::ZERO,
        }
    }
}

type Decide = dyn Fn(&Hook) -> Answer + Send + Sync;

struct Inner {
    hooks: Mutex<Vec<Hook>>,
    decide: Mutex<Arc<Decide>>,
    connections: AtomicUsize,
    is_over: AtomicBool,
}

/// A running receiver; stopped when dropped.
pub struct Receiver {
    inner: Arc<Inner>,
    pub port: u16,
    thread: Option<thread::JoinHandle<()>>,
}

impl Receiver {
    /// Answers 200 to all.
    pub fn start() -> Self {
        Self::on(0)
    }

    pub fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            hooks: Mutex::default(),
            decide: Mutex::new(Arc::new(|_: &Hook| Answer::of(200))),
            connections: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let serving = inner.clone();
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream));
            }
        });
        Self {
            inner,
            port,
            thread: Some(thread),
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn answer(&self, decide: impl Fn(&Hook) -> Answer + Send + Sync + 'static) {
        *self.inner.decide.lock().unwrap() = Arc::new(decide);
    }

    /// Everything that came, in order.
    pub fn hooks(&self) -> Vec<Hook> {
        self.inner.hooks.lock().unwrap().clone()
    }

    /// Those that were answered 2xx, of an event.
    pub fn taken(&self, event: &str) -> Vec<Hook> {
        let mut hooks = self.hooks();
        hooks.retain(|hook| hook.status / 100 == 2 && hook.event() == event);
        hooks
    }

    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let len = headers
            .get("content-length")
            .map_or(0, |len| len.parse().unwrap());
        let mut body = vec![0; len];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body = String::from_utf8(body).unwrap();
        let mut hook = Hook {
            path,
            headers,
            json: serde_json::from_str(&body).unwrap_or_default(),
            body,
            status: 0,
        };
        let decide = self.decide.lock().unwrap().clone();
        let answer = decide(&hook);
        hook.status = answer.status;
        thread::sleep(answer.after);
        // Kept before it is answered: what was answered is there.
        self.hooks.lock().unwrap().push(hook);
        let (status, more) = (answer.status, answer.headers);
        let text =
            format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n{more}\r\n");
        let _ = reader.get_mut().write_all(text.as_bytes());
    }
}
