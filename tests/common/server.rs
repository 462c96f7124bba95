//! The real program on a directory of its own, and a small client for it.
//!
//! A test takes it in by `#[path = "common/server.rs"] mod server;`.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test binary uses its own part"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The sandbox's key in every test.
pub const KEY: &str = "sk_sandbox_test";
/// Whose cards the tests make.
pub const HOLDER: &str = "did:bloque:sandbox:demo";
/// The asset the tests pay with, a US dollar in millionths.
pub const DUSD: &str = "DUSD/6";

/// So that many servers have room on a disk that is nearly full; a test may set these itself.
const SMALL_DISK: [(&str, &str); 2] = [
    ("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "8"),
    ("CARDWRIGHT_JOURNAL__MIN_FREE_MIB", "16"),
];

const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// Polls until `done`, or fails after thirty seconds.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A server that did not start.
#[derive(Debug)]
pub struct Refused {
    pub code: Option<i32>,
    /// What it wrote to standard error.
    pub said: String,
}

/// A running `cardwright serve --sandbox`; killed when dropped.
pub struct Server {
    child: Child,
    /// The line it printed when it was ready.
    pub announced: Value,
    data_dir: PathBuf,
    log: PathBuf,
    settings: Vec<(String, String)>,
    temp: Option<TempDir>,
}

impl Server {
    /// On a new directory, with the shipped settings but for [`SMALL_DISK`].
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// On a new directory; `settings` such as `("CARDWRIGHT_HOLDS__DEFAULT_S", "1")`.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut server = Self::on(&temp.path().join("data"), settings);
        server.temp = Some(temp);
        server
    }

    /// On a directory that may exist.
    pub fn on(data_dir: &Path, settings: &[(&str, &str)]) -> Self {
        match Self::try_on(data_dir, settings) {
            Ok(server) => server,
            Err(refused) => panic!("the server did not start: {refused:?}"),
        }
    }

    /// On a directory that may exist; an error if it ends before it is ready.
    pub fn try_on(data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self, Refused> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings: Vec<_> = settings.iter().map(owned).collect();
        let log = data_dir.with_extension(format!("{}.log", unique()));
        let (child, announced) = launch(data_dir, &log, &settings)?;
        Ok(Self {
            child,
            announced,
            data_dir: data_dir.to_owned(),
            log,
            settings,
            temp: None,
        })
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM; does not wait.
    pub fn ask_to_stop(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success(), "SIGTERM could not be sent");
    }

    /// Waits for the end; the exit code, or nothing if a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + STOP_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "never stopped: {}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> Option<i32> {
        self.ask_to_stop();
        self.wait()
    }

    /// Starts again on the same directory; kills first what still runs. The address is another.
    pub fn restart(&mut self) {
        self.kill();
        match launch(&self.data_dir, &self.log, &self.settings) {
            Ok((child, announced)) => (self.child, self.announced) = (child, announced),
            Err(refused) => panic!("the server did not start again: {refused:?}"),
        }
    }

    /// Starts again on the same directory and kills after `delay`, whether it is ready or not.
    pub fn stumble(&mut self, delay: Duration) {
        self.kill();
        self.child = spawn(&self.data_dir, &self.log, &self.settings);
        thread::sleep(delay);
        self.kill();
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What it wrote to standard error so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.announced["listening"].as_str().unwrap()
    }

    /// A client with connections of its own and the sandbox's key.
    pub fn client(&self) -> Client {
        Client::new(self.address(), Some(KEY))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let said = self.said();
            let start = said.floor_char_boundary(said.len().saturating_sub(4_000));
            eprintln!("--- the server said ---\n{}\n---", &said[start..]);
        }
    }
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

fn spawn(data_dir: &Path, log: &Path, settings: &[(String, String)]) -> Child {
    std::fs::create_dir_all(data_dir.parent().unwrap()).unwrap();
    let errors = File::options().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardwright"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARDWRIGHT_")) {
        command.env_remove(name);
    }
    command
        .args(["serve", "--sandbox", "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(data_dir)
        .env("CARDWRIGHT_SANDBOX_KEY", KEY)
        .envs(SMALL_DISK)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .unwrap()
}

fn launch(
    data_dir: &Path,
    log: &Path,
    settings: &[(String, String)],
) -> Result<(Child, Value), Refused> {
    let mut child = spawn(data_dir, log, settings);
    let stdout = child.stdout.take().unwrap();
    let (ready, line) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let _ = ready.send(line);
    });
    let line = line.recv_timeout(START_WITHIN).unwrap_or_else(|_| {
        let _ = child.kill();
        format!("not ready within {START_WITHIN:?}")
    });
    if let Ok(announced) = serde_json::from_str(&line) {
        return Ok((child, announced));
    }
    let code = child.wait().unwrap().code();
    let said = std::fs::read_to_string(log).unwrap_or_default();
    Err(Refused {
        code,
        said: format!("{line}{said}"),
    })
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub text: String,
    /// The body; null if it is no JSON.
    pub json: Value,
}

impl Reply {
    /// The body, if the status is as expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// The error's code, if the status is as expected.
    #[track_caller]
    pub fn code(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.text);
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn is_replay(&self) -> bool {
        self.headers
            .get("idempotency-replayed")
            .is_some_and(|value| value == "true")
    }

    /// Whether the body has these words. Request ids do not count: their digits are chance, and
    /// look like an amount or a PIN now and then.
    pub fn tells(&self, words: &str) -> bool {
        without_request_ids(&self.text).contains(words)
    }

    /// Whether a header has these words.
    pub fn headers_tell(&self, words: &str) -> bool {
        without_request_ids(&format!("{:?}", self.headers)).contains(words)
    }
}

fn without_request_ids(text: &str) -> String {
    let mut parts = text.split("req_");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        rest.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit()));
    }
    rest
}

/// A blocking client that keeps its connections.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    key: Option<String>,
}

impl Client {
    pub fn new(address: &str, key: Option<&str>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self {
            agent: config.new_agent(),
            base: format!("http://{address}"),
            key: key.map(str::to_owned),
        }
    }

    /// The same connections with another key, or none.
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self {
            key: key.map(str::to_owned),
            ..self.clone()
        }
    }

    /// What it sends as its key.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Sends anything; an error if no whole answer came.
    pub fn try_send(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, String> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = if matches!(method, "GET" | "DELETE" | "HEAD" | "OPTIONS") {
            self.agent
                .run(request.body(()).map_err(|error| error.to_string())?)
        } else {
            self.agent
                .run(request.body(body).map_err(|error| error.to_string())?)
        };
        let mut response = sent.map_err(|error| error.to_string())?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()))
            .collect();
        let bytes = response
            .body_mut()
            .with_config()
            .limit(256 << 20)
            .read_to_vec();
        let text = String::from_utf8_lossy(&bytes.map_err(|error| error.to_string())?).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Reply {
            status: response.status().as_u16(),
            headers,
            text,
            json,
        })
    }

    /// Sends anything with JSON's content type unless `headers` say another.
    #[track_caller]
    pub fn send(
        &self,
        route: (&str, &str),
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Reply {
        let mut all = headers.to_vec();
        let names_type = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if route.0 != "GET" && !names_type {
            all.push(("content-type", "application/json"));
        }
        match self.try_send(route, &all, body.as_ref()) {
            Ok(reply) => reply,
            Err(error) => panic!("{route:?}: {error}"),
        }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.send(("GET", path), &[], "")
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(("POST", path), &[], body.to_string())
    }

    /// New cards with `amount` smallest units of [`DUSD`] each: their URNs.
    #[track_caller]
    pub fn cards(&self, count: usize, amount: u64) -> Vec<String> {
        let wanted = json!({
            "holder_urn": HOLDER, "cards": count, "asset": DUSD, "amount": amount.to_string(),
        });
        let made = self.post("/v1/sandbox/seed", &wanted).expect(201);
        let urns = made["cards"].as_array().unwrap();
        urns.iter()
            .map(|urn| urn.as_str().unwrap().to_owned())
            .collect()
    }

    /// One new card.
    #[track_caller]
    pub fn card(&self, amount: u64) -> String {
        self.cards(1, amount).remove(0)
    }

    /// Authorizes a purchase in US dollars.
    #[track_caller]
    pub fn authorize(&self, id: &str, card: &str, dollars: &str) -> Reply {
        self.post("/v1/authorizations", &purchase(id, card, dollars))
    }

    /// Takes a step (`capture`, …) on an authorization; `dollars` may be empty: all that is left.
    #[track_caller]
    pub fn step(&self, authorization: &str, step: &str, id: &str, dollars: &str) -> Reply {
        let mut body = json!({ "transaction_id": id });
        if !dollars.is_empty() {
            body["local_amount"] = dollars.into();
        }
        self.post(&format!("/v1/authorizations/{authorization}/{step}"), &body)
    }

    /// The card's balance of [`DUSD`] as a balance inquiry `id` tells it.
    #[track_caller]
    pub fn balance(&self, id: &str, card: &str) -> Balance {
        let mut inquiry = purchase(id, card, "0");
        inquiry["transaction_type"] = "BALANCE_INQUIRY".into();
        Balance::of(&self.post("/v1/authorizations", &inquiry).expect(200))
    }

    /// The trial balance, which must be one: every asset's sum zero.
    #[track_caller]
    pub fn trial_balance(&self) -> Value {
        let told = self.get("/v1/trial-balance").expect(200);
        assert_eq!(told["balanced"], true, "{told}");
        for (asset, totals) in told["assets"].as_object().unwrap() {
            assert_eq!(totals["sum"], "0", "{asset}: {told}");
        }
        told
    }
}

/// A purchase as a processor asks for it.
pub fn purchase(id: &str, card: &str, dollars: &str) -> Value {
    json!({
        "transaction_id": id, "card": card, "transaction_type": "PURCHASE",
        "local_amount": dollars, "local_currency": "USD",
        "merchant": { "id": "m-1", "name": "AMAZON.COM", "mcc": "5411" },
    })
}

/// The money of a card in [`DUSD`]; nothing at all if it never had any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub current: i128,
    pub pending: i128,
    pub incoming: i128,
    pub outgoing: i128,
}

impl Balance {
    /// From the `balance` of an answer.
    #[track_caller]
    pub fn of(answer: &Value) -> Self {
        let told = &answer["balance"][DUSD];
        if told.is_null() {
            return Self::default();
        }
        let read = |name: &str| told[name].as_str().unwrap().parse().unwrap();
        let balance = Self {
            current: read("current"),
            pending: read("pending"),
            incoming: read("in"),
            outgoing: read("out"),
        };
        assert_eq!(
            balance.current + balance.pending,
            balance.incoming - balance.outgoing,
            "{answer}"
        );
        balance
    }
}

/// A small generator of numbers, the same on every machine.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `end - 1`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

/// The seed of a random test: `CARDWRIGHT_TEST_SEED`, or another each time. Failures must print it.
pub fn seed() -> u64 {
    let given = std::env::var("CARDWRIGHT_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        since.as_secs() ^ (u64::from(since.subsec_nanos()) << 32)
    })
}
