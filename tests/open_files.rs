//! A server that may have few files open takes fewer connections, and keeps the log going.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first fault")]

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

#[path = "common/server.rs"]
mod server;

use server::{Client, KEY, purchase};

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn many_idle_connections_do_not_take_the_log_s_files() {
    const FILES: usize = 400;
    let temp = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(temp.path().join("log")).unwrap();
    let limited = format!("ulimit -n {FILES} && exec \"$0\" \"$@\"");
    let mut child = Command::new("sh")
        .args(["-c", &limited, env!("CARGO_BIN_EXE_cardwright"), "serve"])
        .args(["--sandbox", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(temp.path().join("data"))
        .env("CARDWRIGHT_SANDBOX_KEY", KEY)
        .env("CARDWRIGHT_JOURNAL__MIN_FREE_MIB", "1")
        .env("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4")
        .env("CARDWRIGHT_SNAPSHOTS__KEEP", "1")
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut server = Killed(child);
    out.read_line(&mut ready).unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let address = ready["listening"].as_str().unwrap().to_owned();
    let client = Client::new(&address, Some(KEY));
    let card = client.card(1_000_000_000_000);
    // More than the process can have, each with a request that never ends.
    let to = address.parse().unwrap();
    let mut idle = Vec::new();
    while idle.len() < FILES + 100 {
        // Those that are not taken wait in the system's queue, until that is full.
        let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_millis(200)) else {
            break;
        };
        let head = "POST /v1/authorizations HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{";
        stream.write_all(head.as_bytes()).unwrap();
        idle.push(stream);
    }
    assert!(idle.len() > 144, "only {} were made", idle.len());
    // Some segments further, with a snapshot that retires them.
    for round in 0..4 {
        let item = |n: usize| purchase(&format!("{round}-{n}"), &card, "1.00");
        let batch = Value::from_iter((0..5_000).map(item));
        let answers = client.post("/v1/authorizations/batch", &batch).expect(200);
        let answers = answers.as_array().unwrap();
        let approved = |answer: &&Value| answer["body"]["status"] == "approved";
        assert_eq!(answers.iter().filter(approved).count(), 5_000);
    }
    client.post("/v1/snapshots", &json!({})).expect(202);
    assert!(server.0.try_wait().unwrap().is_none(), "it still runs");
    let said = std::fs::read_to_string(temp.path().join("log")).unwrap();
    assert!(said.contains("server.connections_max"), "{said}");
    assert!(!said.contains("Too many open files"), "{said}");
    drop(idle);
    client.trial_balance();
}
