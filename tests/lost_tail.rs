//! A log of which a part is gone, as of a broken copy: at its end, where what was made of the log tells, or in the
//! archive.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use std::{
    fs::{self, OpenOptions},
    path::Path,
    process::Command,
};

use cardwright::{
    domain::outbox::OutboxRecord,
    journal::{
        Lsn,
        wal::{LogEntry, WalReader},
    },
    wire,
};
use serde_json::{Value, json};

#[path = "common/server.rs"]
mod server;

use server::{Server, wait_until};

/// The records of a log: segment, offset, position and bytes.
fn records(dir: &Path) -> Vec<(String, u64, Lsn, Vec<u8>)> {
    let entries = WalReader::open(dir).unwrap().records();
    let record = |entry| match entry {
        LogEntry::Record {
            segment,
            offset,
            record,
        } => Some((
            segment.to_string(),
            offset,
            record.lsn,
            record.payload.to_vec(),
        )),
        LogEntry::Torn(_) => None,
    };
    entries.filter_map(|entry| record(entry.unwrap())).collect()
}

/// Up to where the outbox says it has read.
fn outbox_read_to(data: &Path) -> u64 {
    let mut reached = 0;
    for (.., bytes) in records(&data.join("outbox")) {
        if let OutboxRecord::Laid { read_to, .. } = wire::decode_outbox_record(&bytes).unwrap() {
            reached = reached.max(read_to);
        }
    }
    reached
}

fn tool(words: &[&str], data: &Path) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_cardwright"))
        .args(words)
        .args(["--json", "--data-dir"])
        .arg(data)
        .output()
        .unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), said)
}

fn verify(data: &Path) -> (Option<i32>, Value) {
    tool(&["verify"], data)
}

fn finding<'a>(verdict: &'a Value, check: &str) -> &'a Value {
    let findings = verdict["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("no {check}: {verdict}"))
}

/// Five purchases, with or without an endpoint, and a kill; the position of the last one.
fn a_killed_life(data: &Path, has_endpoint: bool) -> Lsn {
    let mut server = Server::on(data, &[("CARDWRIGHT_OUTGOING__ALLOW_PRIVATE", "true")]);
    let client = server.client();
    let card = client.card(100_000_000);
    if has_endpoint {
        // Nobody listens there: what is laid out waits.
        let endpoint = json!({ "url": "http://127.0.0.1:9/", "events": ["purchase"] });
        client.post("/v1/webhook-endpoints", &endpoint).expect(201);
    }
    for id in ["a", "b", "c", "d", "e"] {
        client.authorize(id, &card, "1.00").expect(200);
    }
    let last = records(data).last().unwrap().2;
    if has_endpoint {
        wait_until("the outbox has read it", || {
            outbox_read_to(data) >= last.get()
        });
    }
    server.kill();
    last
}

/// Cuts the file off in front of the last two records, as a copy that broke off.
fn shorten(data: &Path) {
    let known = records(data);
    let (segment, offset, ..) = &known[known.len() - 2];
    let path = data.join("wal").join(segment);
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(*offset).unwrap();
}

#[test]
fn a_log_that_ends_before_what_was_sent_of_it_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let last = a_killed_life(&data, true);
    let (code, verdict) = verify(&data);
    assert_eq!(code, Some(0), "{verdict}");
    assert!(verdict["checked"]["outbox_records"].as_u64() > Some(0));
    shorten(&data);
    let before: Vec<_> = records(&data).into_iter().map(|record| record.2).collect();
    let (code, verdict) = verify(&data);
    assert_eq!(code, Some(1), "{verdict}");
    let lost = finding(&verdict, "lost");
    assert_eq!(lost["severity"], "fault");
    let what = lost["what"].as_str().unwrap();
    assert!(what.contains(&last.to_string()), "{what}");
    for _ in 0..3 {
        let refused = Server::try_on(&data, &[]).err().unwrap();
        assert_eq!(refused.code, Some(1), "{}", refused.said);
        for word in ["outbox/", "wal/", &last.to_string()] {
            assert!(refused.said.contains(word), "{}", refused.said);
        }
    }
    // However often it is tried, nothing is written where the lost records stood.
    let after: Vec<_> = records(&data).into_iter().map(|record| record.2).collect();
    assert_eq!(before, after);
    // Whoever has no other copy goes on without what is lost, and without what was to be sent.
    fs::rename(data.join("outbox"), temp.path().join("outbox-before")).unwrap();
    let server = Server::on(&data, &[]);
    let client = server.client();
    assert_eq!(client.get("/v1/authorizations/e").status, 404);
    client.get("/v1/authorizations/b").expect(200);
}

#[test]
fn a_segment_that_became_shorter_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    a_killed_life(&data, false);
    shorten(&data);
    let (code, verdict) = verify(&data);
    assert_eq!(code, Some(0), "nothing proves a loss: {verdict}");
    let findings = verdict["findings"].as_array().unwrap();
    let tells = |finding: &&Value| finding["what"].as_str().unwrap().contains("shorter");
    let told = findings.iter().find(tells).unwrap();
    assert_eq!(
        (&told["check"], &told["severity"]),
        (&json!("tail"), &json!("info"))
    );
}

#[test]
fn a_damaged_outbox_or_epoch_is_a_finding() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    a_killed_life(&data, true);
    let known = records(&data.join("outbox"));
    let (segment, offset, ..) = &known[0];
    for path in [data.join("outbox/wal").join(segment), data.join("EPOCH")] {
        let right = fs::read(&path).unwrap();
        let mut wrong = right.clone();
        let at = usize::try_from(*offset).unwrap().min(wrong.len() - 4) + 2;
        wrong[at] ^= 4;
        fs::write(&path, &wrong).unwrap();
        let (code, verdict) = verify(&data);
        assert_eq!(code, Some(1), "{}: {verdict}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap();
        let findings = verdict["findings"].as_array().unwrap();
        let is_named = |finding: &Value| {
            finding["severity"] == "damage" && finding["file"].as_str().unwrap().ends_with(name)
        };
        assert!(findings.iter().any(is_named), "{name}: {verdict}");
        fs::write(&path, &right).unwrap();
    }
    assert_eq!(verify(&data).0, Some(0));
}

#[test]
fn an_archived_segment_that_does_not_join_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let settings = [
        ("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4"),
        ("CARDWRIGHT_SNAPSHOTS__KEEP", "1"),
    ];
    let mut server = Server::on(&data, &settings);
    let client = server.client();
    let cards = json!({ "holder_urn": "did:bloque:sandbox:demo", "cards": 9_000,
        "asset": "DUSD/6", "amount": "100" });
    for _ in 0..3 {
        client.post("/v1/sandbox/seed", &cards);
    }
    assert_eq!(server.terminate(), Some(0));
    let (code, listed) = tool(&["inspect", "segments"], &data);
    let segments = listed["segments"].as_array().unwrap();
    let archived = segments
        .iter()
        .filter(|segment| segment["archived"] == true);
    let archived: Vec<_> = archived.collect();
    assert!(code == Some(0) && archived.len() > 1, "{listed}");
    assert!(listed["archive_gap"].is_null());
    let name = archived.last().unwrap()["name"].as_str().unwrap();
    let path = data.join("archive").join(name);
    let right = fs::read(&path).unwrap();
    let mut wrong = right.clone();
    wrong[20] ^= 1;
    for damaged in [Some(wrong), None] {
        match damaged {
            Some(wrong) => fs::write(&path, wrong).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        // Where the file itself is gone, the one in front of the gap is named.
        let before = archived[archived.len() - 2]["name"].as_str().unwrap();
        let named = if path.exists() { name } else { before };
        let (code, listed) = tool(&["inspect", "segments"], &data);
        assert_eq!(
            (code, &listed["archive_gap"]["name"]),
            (Some(1), &json!(named))
        );
        let (code, verdict) = verify(&data);
        let found = finding(&verdict, "log");
        assert_eq!(
            (code, &found["file"]),
            (Some(1), &json!(named)),
            "{verdict}"
        );
        // Recovery needs no archive.
        Server::on(&data, &settings).kill();
    }
    fs::write(&path, right).unwrap();
    assert_eq!(verify(&data).0, Some(0));
}
