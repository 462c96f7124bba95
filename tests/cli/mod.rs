//! A real server and the real tools, for tests of the command line.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cardwright");
pub(crate) const KEY: &str = "sk_sandbox_cli_tools_0123456789abcdef";
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

/// A server of its own; killed without asking when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        let mut process = Command::new(PROGRAM)
            .args([
                "serve",
                "--sandbox",
                "--listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(data)
            .env("CARDWRIGHT_SANDBOX_KEY", KEY)
            .env("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4")
            .env("CARDWRIGHT_JOURNAL__MIN_FREE_MIB", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        let (send, ready) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            let _ = send.send(lines.next());
            for _ in lines {}
        });
        let url = String::new();
        let mut server = Self { process, url };
        let line = ready.recv_timeout(WITHIN).unwrap().unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        server.url = format!("http://{}", line["listening"].as_str().unwrap());
        server
    }

    fn call(&self, request: ureq::http::request::Builder, body: &Value) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(WITHIN))
            .build()
            .into();
        let request = request
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json");
        let mut response = agent.run(request.body(body.to_string()).unwrap()).unwrap();
        let status = response.status().as_u16();
        (status, response.body_mut().read_json().unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let request = ureq::http::Request::post(format!("{}{path}", self.url));
        let (status, answer) = self.call(request, body);
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let mut response = ureq::get(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {KEY}"))
            .call()
            .unwrap();
        response.body_mut().read_json().unwrap()
    }

    /// A card with 100 dollars on it.
    pub(crate) fn card(&self) -> String {
        let body = json!({"holder_urn": "did:bloque:sandbox:demo", "cards": 1, "asset": "DUSD/6",
            "amount": "100000000"});
        let made = self.post("/v1/sandbox/seed", &body);
        made["cards"][0].as_str().unwrap().to_owned()
    }

    pub(crate) fn purchase(&self, card: &str, id: &str, amount: &str) -> Value {
        let body = json!({"transaction_id": id, "card": card, "transaction_type": "PURCHASE",
            "local_amount": amount, "local_currency": "USD",
            "merchant": {"id": "m", "name": "SHOP", "mcc": "5411", "country": "USA"}});
        self.post("/v1/authorizations", &body)
    }

    pub(crate) fn balance(&self, urn: &str) -> Value {
        self.get(&format!("/api/accounts/{urn}/balance"))["balance"].clone()
    }
}

pub(crate) fn cardwright(words: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(words)
        .env_remove("CARDWRIGHT_KEY")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs a tool on a data directory; its exit code and what it printed.
pub(crate) fn tool(words: &[&str], data: &Path) -> (i32, String) {
    let mut all = words.to_vec();
    all.extend(["--data-dir", data.to_str().unwrap()]);
    let output = cardwright(&all);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text + &errors)
}

pub(crate) fn json_of(words: &[&str], data: &Path) -> Value {
    let (code, text) = tool(words, data);
    assert_eq!(code, 0, "{words:?}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// What verification says of a directory: exit code and JSON.
pub(crate) fn verified(data: &Path) -> (i32, Value) {
    let (code, text) = tool(&["verify", "--json"], data);
    let value = serde_json::from_str(&text);
    (
        code,
        value.unwrap_or_else(|error| panic!("{error}: {text}")),
    )
}

pub(crate) fn log_of(data: &Path, more: &[&str]) -> Vec<Value> {
    let mut words = vec!["inspect", "log", "--json"];
    words.extend(more);
    let (code, text) = tool(&words, data);
    assert_eq!(code, 0, "{text}");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn flip(path: &Path, offset: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

/// The segment in which `lsn` stands, and the offset in it.
pub(crate) fn place_of(data: &Path, lsn: u64) -> (PathBuf, u64) {
    let segments = json_of(&["inspect", "segments", "--json"], data);
    let segments = segments["segments"].as_array().unwrap();
    let base = |segment: &Value| segment["base"].as_u64().unwrap();
    let segment = segments.iter().rev().find(|it| base(it) <= lsn).unwrap();
    let file = data.join("wal").join(segment["name"].as_str().unwrap());
    (file, lsn - base(segment))
}

pub(crate) fn lsn_of(record: &Value) -> u64 {
    record["lsn"].as_u64().unwrap()
}
