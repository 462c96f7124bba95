//! The tools of the program as an operator uses them: the real binary, a real server, `kill -9`, and
//! a data directory that was tampered with.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at what it did not expect"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

mod cli;

use cli::{
    KEY, Server, WITHIN, cardwright, copy_dir, flip, json_of, log_of, lsn_of, place_of, tool,
    verified,
};

/// A server's day: purchases, the tools beside it, and `kill -9`.
struct Walk {
    data: PathBuf,
    card: String,
    first: Value,
    second: Value,
    /// The balance after the first purchase, and at the end.
    between: Value,
    after: Value,
    snapshot: String,
}

fn walk(dir: &Path) -> Walk {
    let data = dir.join("data");
    let server = Server::start(&data);
    let card = server.card();
    let first = server.purchase(&card, "first", "12.34");
    let between = server.balance(&card);
    let capture = format!(
        "/v1/authorizations/{}/capture",
        first["id"].as_str().unwrap()
    );
    server.post(&capture, &json!({"transaction_id": "first-capture"}));
    let second = server.purchase(&card, "second", "20.00");
    let declined = server.purchase(&card, "third", "20000.00");
    assert_eq!(declined["status"], "declined");
    let after = server.balance(&card);
    let flags = ["--url", server.url.as_str(), "--key", KEY];
    let with_server = |words: &[&'static str]| [words, &flags[..]].concat();
    let output = cardwright(&with_server(&["snapshot", "--json"]));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let taken: Value = serde_json::from_slice(&output.stdout).unwrap();
    let snapshot = taken["name"].as_str().unwrap().to_owned();
    let output = cardwright(&with_server(&["seed", "--cards", "3"]));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("insufficient_funds") && !text.contains(KEY),
        "{text}"
    );
    let (code, text) = tool(&with_server(&["verify", "--json"]), &data);
    let live: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &live["ok"]), (0, &json!(true)), "{live}");
    assert_eq!(live["checked"]["server_accounts"], 4, "{live}");
    Walk {
        data,
        card,
        first,
        second,
        between,
        after,
        snapshot,
    }
}

fn balance_of(state: &Value) -> Value {
    state["ledger_accounts"][0]["balance"].clone()
}

#[test]
fn after_kill_9_the_tools_say_what_the_api_said() {
    let dir = tempfile::tempdir().unwrap();
    let walk = walk(dir.path());
    let data = &walk.data;
    let (code, verdict) = verified(data);
    assert_eq!((code, &verdict["ok"]), (0, &json!(true)), "{verdict}");
    assert_eq!(verdict["checked"]["snapshots"], 1);
    let now = json_of(&["inspect", "card", &walk.card, "--json"], data);
    assert_eq!(balance_of(&now), walk.after);
    let open = &now["open_authorizations"];
    assert_eq!(open[0]["authorization_id"], walk.second["id"]);
    assert_eq!(now["authorizations"]["total"], 3);
    for name in ["id", "card_token", "ledger_account_id"] {
        let named = now["accounts"][0][name].as_str().unwrap();
        let named = json_of(&["inspect", "card", named, "--json"], data);
        assert_eq!(named, now, "by {name}");
    }
    let id = walk.first["id"].as_str().unwrap();
    let closed = json_of(&["inspect", "card", id, "--json"], data);
    assert_eq!(closed["authorization"]["state"], "captured");
    // The server starts again on what was looked at.
    let server = Server::start(data);
    assert_eq!(server.balance(&walk.card), walk.after);
}

#[test]
fn a_state_can_be_seen_at_any_position() {
    let dir = tempfile::tempdir().unwrap();
    let walk = walk(dir.path());
    let data = &walk.data;
    let records = log_of(data, &["--card", &walk.card]);
    let kinds: Vec<&str> = (records.iter())
        .map(|record| record["events"][0]["kind"].as_str().unwrap())
        .collect();
    let expected = [
        "account_opened",
        "deposited",
        "authorization_approved",
        "authorization_captured",
        "authorization_approved",
        "authorization_declined",
    ];
    assert_eq!(kinds, expected);
    // After the first purchase, before its capture.
    let at = lsn_of(&records[2]).to_string();
    let words = ["inspect", "card", &walk.card, "--at-lsn"];
    let then = json_of(&[&words[..], &[&at, "--json"]].concat(), data);
    assert_eq!(balance_of(&then), walk.between);
    assert_eq!(then["open_authorizations"][0]["transaction_id"], "first");
    let (code, text) = tool(&[&words[..], &["1"]].concat(), data);
    let is_said = text.contains("it came with the record");
    assert!(code == 1 && is_said, "{text}");
    let behind = log_of(data, &["--after", &at, "--limit", "1"]);
    assert!(lsn_of(&behind[0]) > lsn_of(&records[2]));
}

#[test]
fn the_lists_are_whole_and_show_nothing_secret() {
    let dir = tempfile::tempdir().unwrap();
    let walk = walk(dir.path());
    let data = &walk.data;
    assert_eq!(log_of(data, &["--tail", "2"]).len(), 2);
    let snapshots = json_of(&["inspect", "snapshots", "--json"], data);
    assert_eq!(snapshots["snapshots"][0]["name"], walk.snapshot.as_str());
    assert_eq!(snapshots["snapshots"][0]["whole"], true);
    let content = ["inspect", "snapshots", &walk.snapshot, "--json"];
    let content = json_of(&content, data);
    assert_eq!(
        content["groups"][0]["accounts"][0]["urn"],
        walk.card.as_str()
    );
    assert_eq!(content["registry"]["api_keys"], 1);
    let (code, text) = tool(&["inspect", "segments"], data);
    assert!(code == 0 && text.contains("0000000000000000.wal"), "{text}");
    let everything = tool(&["inspect", "log"], data).1
        + &tool(&["inspect", "log", "--json"], data).1
        + &tool(&["inspect", "snapshots", &walk.snapshot], data).1
        + &content.to_string();
    assert!(!everything.contains(KEY) && !everything.contains("hash"));
}

/// A directory with two segments and a snapshot, of a server that was killed.
fn killed(dir: &Path) -> PathBuf {
    let data = dir.join("sound");
    let server = Server::start(&data);
    let body = json!({"holder_urn": "did:bloque:sandbox:demo", "cards": 9_000,
        "asset": "DUSD/6", "amount": "100"});
    server.post("/v1/sandbox/seed", &body);
    server.post("/v1/snapshots", &Value::Null);
    let deadline = Instant::now() + WITHIN;
    while server.get("/v1/snapshots")["data"][0].is_null() {
        assert!(Instant::now() < deadline, "there is no snapshot");
        thread::sleep(Duration::from_millis(20));
    }
    server.post("/v1/sandbox/seed", &body);
    let card = server.card();
    server.purchase(&card, "one", "1.00");
    server.purchase(&card, "two", "2.00");
    data
}

#[test]
fn one_flipped_byte_in_the_middle_is_named_by_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let data = killed(dir.path());
    let (code, verdict) = verified(&data);
    assert_eq!((code, &verdict["ok"]), (0, &json!(true)), "{verdict}");
    let records = log_of(&data, &[]);
    let lsn = lsn_of(&records[records.len() / 2]);
    let (file, offset) = place_of(&data, lsn);
    flip(&file, offset + 20);
    let (code, verdict) = verified(&data);
    let finding = &verdict["findings"][0];
    let said = (code, &verdict["ok"], &finding["severity"]);
    assert_eq!(said, (1, &json!(false), &json!("damage")), "{verdict}");
    assert_eq!(finding["check"], "log");
    let named = finding["file"].as_str().unwrap();
    assert!(named.ends_with(file.file_name().unwrap().to_str().unwrap()));
    let number = |name: &str| finding[name].as_u64().unwrap();
    assert!(number("offset") <= offset + 20, "{finding}");
    assert!(number("lsn") <= lsn, "{finding}");
    assert!(finding["do"].as_str().unwrap().contains("backup"));
    assert_eq!(tool(&["inspect", "log"], &data).0, 1);
}

#[test]
fn an_unfinished_last_write_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let data = killed(dir.path());
    let last = lsn_of(&log_of(&data, &["--tail", "1"])[0]);
    let (file, offset) = place_of(&data, last);
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(offset + 30).unwrap();
    let (code, verdict) = verified(&data);
    assert_eq!((code, &verdict["ok"]), (0, &json!(true)), "{verdict}");
    let finding = &verdict["findings"][0];
    assert_eq!(finding["severity"], "info");
    assert_eq!(finding["check"], "tail");
    assert!(finding["what"].as_str().unwrap().contains("torn tail"));
}

#[test]
fn a_snapshot_with_another_byte_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = killed(dir.path());
    let list = json_of(&["inspect", "snapshots", "--json"], &data);
    let name = list["snapshots"][0]["name"].as_str().unwrap();
    let path = data.join("snapshots").join(name);
    flip(&path, fs::metadata(&path).unwrap().len() / 2);
    let (code, verdict) = verified(&data);
    let finding = &verdict["findings"][0];
    let said = (code, &finding["check"], &finding["file"]);
    assert_eq!(said, (1, &json!("snapshot"), &json!(name)), "{verdict}");
    let (code, text) = tool(&["inspect", "snapshots"], &data);
    assert!(code == 1 && text.contains("NO"), "{text}");
}

#[test]
fn a_log_behind_its_snapshot_is_a_loss_and_the_snapshot_is_to_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let walk = walk(dir.path());
    let first = fs::read_dir(walk.data.join("wal")).unwrap();
    let first = first.map(|entry| entry.unwrap().path()).min().unwrap();
    let file = fs::OpenOptions::new().write(true).open(first).unwrap();
    file.set_len(1_000).unwrap();
    let (code, verdict) = verified(&walk.data);
    assert_eq!((code, &verdict["ok"]), (1, &json!(false)), "{verdict}");
    let findings = verdict["findings"].as_array().unwrap();
    let lost = findings.iter().find(|finding| finding["check"] == "lost");
    let lost = lost.unwrap_or_else(|| panic!("{verdict}"));
    assert!(lost["do"].as_str().unwrap().contains("do not remove"));
}

#[test]
fn a_fault_is_told_by_the_exit_code_also_if_nobody_reads() {
    let dir = tempfile::tempdir().unwrap();
    let data = killed(dir.path());
    let verify = || {
        let mut verify = Command::new(cli::PROGRAM)
            .args(["verify", "--data-dir", data.to_str().unwrap()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        drop(verify.stdout.take());
        verify.wait().unwrap().code()
    };
    assert_eq!(verify(), Some(0));
    let records = log_of(&data, &[]);
    let (file, offset) = place_of(&data, lsn_of(&records[records.len() / 2]));
    flip(&file, offset + 20);
    assert_eq!(verify(), Some(1));
}

#[test]
fn a_segment_that_is_not_there_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let sound = killed(dir.path());
    let list = json_of(&["inspect", "segments", "--json"], &sound);
    let segments = list["segments"].as_array().unwrap();
    assert!(segments.len() >= 3, "two used, one ready: {segments:?}");
    for (number, segment) in segments.iter().take(2).enumerate() {
        let data = dir.path().join(format!("missing-{number}"));
        copy_dir(&sound, &data);
        let name = segment["name"].as_str().unwrap();
        fs::remove_file(data.join("wal").join(name)).unwrap();
        let (code, verdict) = verified(&data);
        let finding = &verdict["findings"][0];
        assert_eq!((code, &finding["check"]), (1, &json!("log")), "{verdict}");
        assert!(finding["what"].as_str().unwrap().contains("missing"));
    }
}

#[test]
fn a_server_of_another_log_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let server = Server::start(&one);
    server.card();
    drop(server);
    let server = Server::start(&two);
    let card = server.card();
    server.purchase(&card, "one", "1.00");
    let (code, text) = tool(
        &["verify", "--json", "--url", &server.url, "--key", KEY],
        &one,
    );
    let verdict: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &verdict["findings"][0]["check"]),
        (1, &json!("server")),
        "{text}"
    );
}

#[test]
fn wrong_usage_exits_with_2_and_unknown_ids_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().to_str().unwrap();
    let check = |words: &[&str], code: i32| {
        let output = cardwright(words);
        assert_eq!(output.status.code(), Some(code), "{words:?} {output:?}");
        assert!(!output.stderr.is_empty(), "{words:?} says why");
    };
    check(&["verify"], 2);
    check(&["verify", "--data-dir", "/nonexistent/x"], 2);
    check(&["verify", "--data-dir", empty], 2);
    check(
        &[
            "verify",
            "--data-dir",
            empty,
            "--url",
            "ftp://x",
            "--key",
            "k",
        ],
        2,
    );
    check(&["verify", "--data-dir", empty, "--url", "http://x"], 2);
    check(&["inspect"], 2);
    check(&["inspect", "cards", "--data-dir", empty], 2);
    check(&["inspect", "log", "--data-dir", empty, "--after", "x"], 2);
    check(
        &[
            "inspect",
            "log",
            "--data-dir",
            empty,
            "--tail",
            "1",
            "--limit",
            "1",
        ],
        2,
    );
    check(&["inspect", "card", "--data-dir", empty], 2);
    check(&["snapshot"], 2);
    check(&["snapshot", "--url", "x", "--key", "k"], 2);
    check(
        &["seed", "--url", "http://x", "--key", "k", "--asset", "?"],
        2,
    );
    check(
        &["snapshot", "--url", "http://127.0.0.1:1", "--key", "k"],
        1,
    );
    let data = dir.path().join("data");
    drop(Server::start(&data));
    let data = data.to_str().unwrap();
    check(&["inspect", "card", "crd-nobody", "--data-dir", data], 1);
    check(
        &["inspect", "card", "crd-0000000000000", "--data-dir", data],
        1,
    );
    check(
        &[
            "inspect",
            "card",
            "auth_00000000000000000000",
            "--data-dir",
            data,
        ],
        1,
    );
    check(&["inspect", "snapshots", "none", "--data-dir", data], 1);
}
