//! `cardwright ledgers`, `balances` and `transactions`: the real binary against a server that answers as the
//! ledger face does, with amounts no machine word holds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cardwright");

/// What was asked: method, path, body.
type Asked = (String, String, Value);
type Answers = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

/// A server whose answers the test makes.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    fn start(answers: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (known, answers): (_, Arc<Answers>) = (Arc::clone(&asked), Arc::new(answers));
        // The threads end with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (known, answers) = (Arc::clone(&known), Arc::clone(&answers));
                thread::spawn(move || serve(&stream, &known, &*answers));
            }
        });
        Self { url, asked }
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(words)
            .env("CARDWRIGHT_URL", &self.url)
            .env("CARDWRIGHT_KEY", "sk_1")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What a command that succeeds prints.
    fn said(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {text}{errors}");
        text
    }

    fn last_asked(&self) -> Asked {
        self.asked.lock().unwrap().last().cloned().unwrap()
    }
}

fn serve(stream: &TcpStream, asked: &Mutex<Vec<Asked>>, answers: &Answers) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut first = String::new();
        let mut length = 0;
        while reader.read_line(&mut first).ok()? > 0 && !first.ends_with("\r\n\r\n") {
            let line = first.lines().last().unwrap_or_default().to_lowercase();
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
        }
        if first.is_empty() {
            return None;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        assert!(first.to_lowercase().contains("authorization: bearer sk_1"));
        let mut words = first.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let question = (
            method,
            path,
            serde_json::from_slice(&body).unwrap_or(Value::Null),
        );
        asked.lock().unwrap().push(question.clone());
        let (status, text) = answers(&question);
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        (&*stream).write_all((head + &text).as_bytes()).ok()?;
    }
}

const LEDGER: &str = "ldg_073f7ffe-9dfd-42ce-aa50-d1dca1788adc";
const CARD: &str = "bln_6164573b-6cc8-85a4-ad2e-7b4ba6a60f7d";
const SHOP: &str = "bln_0be360ca-86fe-457d-be43-daa3f966d8f0";
const PAYMENT: &str = "txn_6164573b-6cc8-85a4-ad2e-7b4ba6a60f7d";

fn balance(id: &str, amount: &str, held: &str, meta: &Value) -> String {
    format!(
        r#"{{"balance":{amount},"version":3,"inflight_balance":-{held},"credit_balance":{amount},
        "inflight_credit_balance":0,"debit_balance":0,"inflight_debit_balance":{held},
        "queued_debit_balance":0,"ledger_id":"{LEDGER}","identity_id":"","balance_id":"{id}",
        "indicator":"","currency":"USD","created_at":"2026-11-21T10:00:00.123456Z",
        "inflight_expires_at":"0001-01-01T00:00:00Z","meta_data":{meta}}}"#
    )
}

fn transaction(id: &str, made: &str, (status, precise): (&str, &str), parent: &str) -> String {
    format!(
        r#"{{"transaction_id":"{id}","parent_transaction":"{parent}","source":"{CARD}",
        "destination":"{SHOP}","amount":{precise}e-2,"precise_amount":{precise},"precision":100,
        "reference":"ref-{id}","currency":"USD","description":"","status":"{status}",
        "created_at":"{made}","meta_data":{{"merchant_name":"Store \u001b[2J ABC"}}}}"#
    )
}

fn page(records: &[String], total: usize) -> (u16, String) {
    let data = records.join(",");
    (200, format!(r#"{{"data":[{data}],"total_count":{total}}}"#))
}

/// The guide's card, and one with more money than there is.
fn balances() -> Vec<String> {
    let jerry = json!({"card_state": "ACTIVE", "customer_name": "Jerry"});
    vec![
        balance(CARD, "100000", "2599", &jerry),
        balance(SHOP, "123456789012345678901234567890", "0", &json!({})),
    ]
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn balances_are_a_table_that_fits() {
    let fake = Fake::start(|_| page(&balances(), 2));
    let text = fake.said(&["balances", "list"]);
    // Nobody's terminal: nothing is shortened.
    let line = text.lines().nth(1).unwrap();
    for part in [
        CARD,
        " 974.01 ",
        " 1,000.00 ",
        " 25.99 ",
        "USD",
        LEDGER,
        "card_state=ACTIVE",
    ] {
        assert!(line.contains(part), "{part}: {text}");
    }
    assert!(
        text.contains("1,234,567,890,123,456,789,012,345,678.90"),
        "{text}"
    );
    assert!(!text.contains("indicator"), "an empty column: {text}");
    assert!(text.ends_with("\n2 of 2 balances\n"), "{text}");
    let (method, path, body) = fake.last_asked();
    assert_eq!(
        (method.as_str(), path.as_str()),
        ("POST", "/balances/filter")
    );
    let expected = json!({"filters": [], "logical_operator": "and", "sort_by": "created_at",
        "sort_order": "desc", "include_count": true, "limit": 20, "offset": 0});
    assert_eq!(body, expected);
    for width in ["160", "120", "100", "80"] {
        let text = fake.said(&["balances", "list", "--width", width]);
        assert!(widest(&text) <= width.parse().unwrap(), "{width}:\n{text}");
        assert!(text.contains("974.01"), "{width}:\n{text}");
        assert!(
            text.lines().nth(1).unwrap().starts_with("bln_6"),
            "{width}:\n{text}"
        );
    }
    let text = fake.said(&["balances", "list", "--width", "66"]);
    let words: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(words, ["balance", "available", "currency"], "{text}");
    assert!(!text.contains(CARD) && text.contains("bln_616"), "{text}");
    let wide = fake.said(&["balances", "list", "--width", "66", "--wide"]);
    assert!(
        wide.contains(CARD) && wide.contains("2026-11-21T10:00:00.123456Z"),
        "{wide}"
    );
}

#[test]
fn filters_become_conditions() {
    let fake = Fake::start(|_| page(&[], 0));
    let text = fake.said(&[
        "balances",
        "list",
        "--ledger",
        LEDGER,
        "--currency",
        "USD",
        "--meta",
        "card_state=ACTIVE",
        "--meta",
        "a=b=c",
        "--since",
        "2026-11-21",
        "--limit",
        "5",
        "--page",
        "3",
    ]);
    assert_eq!(text, "no more balances\n");
    let is = |field: &str, operator: &str, value: &str| json!({"field": field, "operator": operator, "value": value});
    let body = fake.last_asked().2;
    let expected = json!([
        is("ledger_id", "eq", LEDGER),
        is("currency", "eq", "USD"),
        is("meta_data.card_state", "eq", "ACTIVE"),
        is("meta_data.a", "eq", "b=c"),
        is("created_at", "gte", "2026-11-21T00:00:00Z"),
    ]);
    assert_eq!(body["filters"], expected);
    assert_eq!((&body["limit"], &body["offset"]), (&json!(5), &json!(10)));
    fake.said(&[
        "transactions",
        "list",
        "--status",
        "inflight,queued",
        "--reference",
        "r 1",
    ]);
    let body = fake.last_asked().2;
    let states = json!({"field": "status", "operator": "in", "values": ["INFLIGHT", "QUEUED"]});
    assert_eq!(
        body["filters"],
        json!([is("reference", "eq", "r 1"), states])
    );
    fake.said(&["ledgers", "list", "--name", "USD"]);
    let (_, path, body) = fake.last_asked();
    assert_eq!(path, "/ledgers/filter");
    assert_eq!(body["filters"], json!([is("name", "ilike", "%USD%")]));
}

#[test]
fn a_balance_s_transactions_are_those_of_both_sides() {
    let fake = Fake::start(|(_, _, body)| {
        let field = body["filters"].as_array().unwrap().last().unwrap()["field"].clone();
        let one = |id: &str, made: &str| transaction(id, made, ("APPLIED", "1"), "");
        if field == "source" {
            page(
                &[
                    one("t4", "2026-11-21T10:00:00.4Z"),
                    one("t1", "2026-11-21T10:00:00Z"),
                ],
                2,
            )
        } else {
            page(
                &[
                    one("t3", "2026-11-21T10:00:00.35Z"),
                    one("t1", "2026-11-21T10:00:00Z"),
                ],
                2,
            )
        }
    });
    let words = [
        "transactions",
        "list",
        "--balance",
        CARD,
        "--since",
        "1h",
        "--json",
    ];
    let ids = |text: String| -> Vec<String> {
        let id =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["transaction_id"].clone();
        text.lines()
            .map(|line| id(line).as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(fake.said(&words)), ["t4", "t3", "t1"]);
    let second = [&words[..], &["--limit", "1", "--page", "2"]].concat();
    assert_eq!(ids(fake.said(&second)), ["t3"]);
    // Nothing else must hold: one question does.
    fake.asked.lock().unwrap().clear();
    fake.said(&words[..4]);
    assert_eq!(fake.asked.lock().unwrap().len(), 1);
    assert_eq!(fake.last_asked().2["logical_operator"], "or");
}

#[test]
fn long_lists_come_in_pages_and_nothing_twice() {
    let fake = Fake::start(|(_, _, body)| {
        let (limit, offset) = (
            body["limit"].as_u64().unwrap(),
            body["offset"].as_u64().unwrap(),
        );
        // One that is new came in between: everything has moved on by one.
        let moved = u64::from(offset > 0);
        let records: Vec<String> = (offset..offset + limit)
            .map(|at| (at - moved).min(249))
            .map(|number| {
                transaction(
                    &format!("t{number}"),
                    "2026-11-21T10:00:00Z",
                    ("APPLIED", "1"),
                    "",
                )
            })
            .collect();
        page(&records, 250)
    });
    let text = fake.said(&["transactions", "list", "--limit", "230", "--json"]);
    assert_eq!(text.lines().count(), 230);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 230, "nothing twice");
    assert!(
        fake.asked
            .lock()
            .unwrap()
            .iter()
            .all(|(.., body)| body["limit"].as_u64() <= Some(100))
    );
    let text = fake.said(&["transactions", "list", "--limit", "100"]);
    assert!(
        text.ends_with("1 to 100 of 250 transactions; --page 2 goes on\n"),
        "{text}"
    );
    assert!(
        !text.contains('\u{1b}'),
        "a name must not steer the terminal"
    );
}

#[test]
fn a_balance_is_shown_with_what_is_available_and_its_last_transactions() {
    let fake = Fake::start(|(_, path, _)| {
        if path == "/transactions/filter" {
            let held = transaction(PAYMENT, "2026-11-21T10:00:01Z", ("INFLIGHT", "2599"), "");
            return page(&[held], 1);
        }
        (200, balances()[0].clone())
    });
    let text = fake.said(&["balances", "show", CARD]);
    let value = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("{name}: {text}"))
            .split_whitespace()
            .nth(1)
            .unwrap()
    };
    assert_eq!(
        (value("balance"), value("available")),
        ("1,000.00", "974.01")
    );
    assert_eq!(
        (
            value("inflight_debit_balance"),
            value("meta_data.customer_name")
        ),
        ("25.99", "Jerry")
    );
    assert!(
        text.contains("last transactions\n") && text.contains(PAYMENT),
        "{text}"
    );
    assert!(
        text.contains("INFLIGHT") && text.contains("25.99"),
        "{text}"
    );
    let paths: Vec<String> = (fake.asked.lock().unwrap().iter())
        .map(|it| it.1.clone())
        .collect();
    assert_eq!(
        paths,
        [
            format!("/balances/{CARD}?with_queued=true"),
            "/transactions/filter".to_owned()
        ]
    );
    let shown: Value =
        serde_json::from_str(&fake.said(&["balances", "show", CARD, "--json"])).unwrap();
    assert_eq!(
        (&shown["available"], &shown["balance"]["balance"]),
        (&json!(97401), &json!(100000))
    );
    assert_eq!(shown["transactions"][0]["transaction_id"], PAYMENT);
    fake.said(&["balances", "show", "@World", "--currency", "USD"]);
    assert!(
        fake.asked
            .lock()
            .unwrap()
            .iter()
            .any(|it| it.1 == "/balances/indicator/%40World/currency/USD")
    );
    assert_eq!(
        fake.run(&["balances", "show", "@World"]).status.code(),
        Some(2)
    );
}

#[test]
fn a_transaction_is_shown_with_its_children() {
    let fake = Fake::start(|(_, path, body)| {
        let commit = transaction(
            "txn_child",
            "2026-11-21T10:00:02Z",
            ("APPLIED", "2599"),
            PAYMENT,
        );
        if path == "/transactions/filter" {
            assert_eq!(body["filters"][0]["field"], "parent_transaction");
            return page(&[commit], 1);
        }
        (
            200,
            transaction(PAYMENT, "2026-11-21T10:00:01Z", ("INFLIGHT", "2599"), ""),
        )
    });
    let text = fake.said(&["transactions", "show", PAYMENT]);
    assert!(
        text.contains("children\n") && text.contains("txn_child"),
        "{text}"
    );
    assert!(
        !text.contains('\u{1b}') && text.contains("Store ?[2J ABC"),
        "{text}"
    );
    fake.said(&["transactions", "show", "ref 1"]);
    assert!(
        fake.asked
            .lock()
            .unwrap()
            .iter()
            .any(|it| it.1 == "/transactions/reference/ref%201")
    );
}

#[test]
fn faults_say_what_to_do_next() {
    let fault = |status: u16, code: &str| {
        let code = code.to_owned();
        Fake::start(move |_| {
            (
                status,
                json!({"error": "so it is", "error_detail": {"code": code, "message": "so it is"}})
                    .to_string(),
            )
        })
    };
    let check = |fake: &Fake, words: &[&str], parts: &[&str]| {
        let output = fake.run(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!said.contains("sk_1"));
    };
    let list = ["balances", "list"];
    check(
        &fault(401, "AUTH_INVALID_API_KEY"),
        &list,
        &["401: so it is", "CARDWRIGHT_KEY"],
    );
    check(
        &fault(403, "AUTH_INSUFFICIENT_PERMISSIONS"),
        &list,
        &["scope ledger"],
    );
    let show = ["transactions", "show", PAYMENT];
    check(
        &fault(404, "TXN_NOT_FOUND"),
        &show,
        &["so it is", "cardwright transactions list"],
    );
    check(&fault(503, "GEN_RESOURCE_LOCKED"), &list, &["try again"]);
    check(
        &Fake::start(|_| (200, "{}".to_owned())),
        &show,
        &["this version"],
    );
    let nobody = Fake {
        url: "http://127.0.0.1:1".to_owned(),
        asked: Arc::default(),
    };
    check(&nobody, &list, &["is the server running there?"]);
    for words in [
        &["balances", "list", "--since", "yesterday"][..],
        &["balances", "list", "--meta", "x"],
        &["balances", "list", "--limit", "0"],
        &["balances"],
    ] {
        assert_eq!(nobody.run(words).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn watching_tells_what_is_another_and_ends_at_an_interrupt() {
    let looks = Mutex::new(0_u32);
    let fake = Fake::start(move |_| {
        let mut looks = looks.lock().unwrap();
        *looks += 1;
        let mut all = balances();
        if *looks > 1 {
            all[0] = balance(CARD, "100000", "5000", &json!({}));
        }
        page(&all, 2)
    });
    let mut child = Command::new(PROGRAM)
        .args(["balances", "list", "--watch", "1", "--json"])
        .env("CARDWRIGHT_URL", &fake.url)
        .env("CARDWRIGHT_KEY", "sk_1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let held = |line: &Value| {
        (
            line["balance_id"].as_str().unwrap().to_owned(),
            line["inflight_debit_balance"].clone(),
        )
    };
    assert_eq!(held(&next()), (CARD.to_owned(), json!(2599)));
    assert_eq!(held(&next()).0, SHOP);
    // The other is as it was, and is not told again.
    assert_eq!(held(&next()), (CARD.to_owned(), json!(5000)));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_bench_measures_both_faces_in_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let json_file = dir.path().join("bench.json");
    let output = Command::new(PROGRAM)
        .args([
            "bench",
            "--compare-faces",
            "--cards",
            "20",
            "--connections",
            "4",
        ])
        .args(["--warmup", "0", "--duration", "1", "--hot", "100", "--json"])
        .arg(&json_file)
        .arg("--data-dir")
        .arg(dir.path())
        .env("CARDWRIGHT_JOURNAL__MIN_FREE_MIB", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}{errors}");
    let report: Value = serde_json::from_slice(&std::fs::read(json_file).unwrap()).unwrap();
    let phases = report["phases"].as_array().unwrap();
    let names: Vec<&str> = (phases.iter())
        .map(|phase| phase["name"].as_str().unwrap())
        .collect();
    let expected = ["network face", "ledger face", "ledger face, hot 100 %"];
    assert_eq!(names, expected);
    for phase in phases {
        assert_eq!(phase["unexpected"], 0, "{phase}");
        assert!(phase["transactions_per_second"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(report["books"]["balances"], 20);
    assert_eq!(report["ratios"][1]["over"], "ledger face");
    assert!(text.contains("ratio ledger face / network face"), "{text}");
}
