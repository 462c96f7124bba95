//! A directory of which a part is gone, as of a broken copy: the log's end, where what was made of the log tells, the
//! archive, or what a start needs beside the log.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use cardwright::{
    domain::outbox::OutboxRecord,
    journal::{
        Journal, Lsn,
        wal::{LogEntry, OsStorage, WalJournal, WalOptions, WalReader},
    },
    wire,
};
use serde_json::{Value, json};

#[path = "common/server.rs"]
mod server;

use server::{Client, Server, wait_until};

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
        (&json!("size"), &json!("info"))
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

/// A file, the check that must see it, and what is done to it.
type Case<'a> = (&'a str, &'a str, &'a dyn Fn(&Path));

/// What a start refuses, verification does not call sound.
#[test]
fn what_a_start_needs_beside_the_log_is_looked_at() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    a_killed_life(&data, true);
    let moved = temp.path().join("moved");
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let cases: [Case<'_>; 8] = [
        ("outbox/wal", "outbox", &|wal| {
            fs::remove_dir_all(wal).unwrap();
        }),
        ("outbox/wal", "outbox", &|wal| {
            fs::remove_dir_all(wal).unwrap();
            fs::create_dir(wal).unwrap();
        }),
        ("outbox/EPOCH", "epoch", &|epoch| flip(epoch, 10)),
        ("EPOCH", "epoch", &|epoch| flip(epoch, 10)),
        ("vault.keys", "vault", &|keys| {
            let end = fs::read(keys).unwrap().len();
            flip(keys, end - 10);
        }),
        ("vault.keys", "vault", &|keys| fs::write(keys, "").unwrap()),
        ("vault.keys", "vault", &|keys| {
            fs::write(keys, "1:abc\n").unwrap()
        }),
        ("outbox/wal", "outbox", &|wal| {
            with_a_hole(wal.parent().unwrap())
        }),
    ];
    for (name, check, damage) in cases {
        let path = data.join(name);
        copy(&path, &moved);
        damage(&path);
        let (code, verdict) = verify(&data);
        assert_eq!(code, Some(1), "{name}: {verdict}");
        let found = finding(&verdict, check);
        assert_eq!(found["severity"], "damage", "{verdict}");
        assert!(found["do"].as_str().unwrap().len() > 20, "{verdict}");
        let refused = Server::try_on(&data, &[]).err();
        assert!(refused.is_some(), "{name}: it started");
        copy(&moved, &path);
    }
    assert_eq!(verify(&data).0, Some(0));
    // Keys that lie elsewhere are the operator's to name; whether they fit is said then.
    let keys = temp.path().join("keys");
    fs::rename(data.join("vault.keys"), &keys).unwrap();
    let (code, verdict) = verify(&data);
    let told = finding(&verdict, "vault");
    assert_eq!((code, &told["severity"]), (Some(0), &json!("info")));
    let named = |file: &Path| {
        tool(
            &["verify", "--vault-key-file", file.to_str().unwrap()],
            &data,
        )
    };
    let (code, verdict) = named(&keys);
    assert_eq!((code, &verdict["findings"]), (Some(0), &json!([])));
    flip(&keys, fs::read(&keys).unwrap().len() - 10);
    assert_eq!(named(&keys).0, Some(1));
    assert_eq!(named(&temp.path().join("none")).0, Some(1));
}

/// Puts a copy of a file or a folder in the place of what is there.
fn copy(from: &Path, to: &Path) {
    if to.is_dir() {
        fs::remove_dir_all(to).unwrap();
    } else if to.exists() {
        fs::remove_file(to).unwrap();
    }
    let copied = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// Makes the outbox's log one whose first segment is missing.
fn with_a_hole(outbox: &Path) {
    let wal = outbox.join("wal");
    fs::remove_dir_all(&wal).unwrap();
    let options = WalOptions {
        segment_bytes: 1 << 16,
        queue_bytes_max: 1 << 15,
        record_bytes_max: 1 << 12,
        min_free_bytes: 1,
        ..WalOptions::new(temp_beside(outbox))
    };
    let made = options.dir.clone();
    let (journal, _) = WalJournal::open(options, Arc::new(OsStorage)).unwrap();
    let record = OutboxRecord::Laid {
        read_to: 0,
        destinations: Vec::new(),
        items: Vec::new(),
    };
    let mut bytes = Vec::new();
    wire::encode_outbox_record(&record, &mut bytes);
    for _ in 0..9_000 {
        server::wait_until("there is room", || {
            let place = journal.reserve();
            place.map(|place| journal.append(place, &bytes)).is_ok()
        });
    }
    journal.close().unwrap();
    let mut names: Vec<_> = fs::read_dir(made.join("wal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() > 2, "{names:?}");
    fs::remove_file(&names[0]).unwrap();
    copy(&made.join("wal"), &wal);
    fs::remove_dir_all(made).unwrap();
}

fn temp_beside(path: &Path) -> PathBuf {
    path.with_extension("made")
}

const SMALL_SEGMENTS: [(&str, &str); 2] = [
    ("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4"),
    ("CARDWRIGHT_SNAPSHOTS__KEEP", "1"),
];

/// A stop at which several segments go to the archive.
fn an_archived_life(data: &Path, before: impl FnOnce(&Client)) {
    let mut server = Server::on(data, &SMALL_SEGMENTS);
    let client = server.client();
    before(&client);
    let cards = json!({ "holder_urn": "did:bloque:sandbox:demo", "cards": 9_000,
        "asset": "DUSD/6", "amount": "100" });
    for _ in 0..3 {
        client.post("/v1/sandbox/seed", &cards);
    }
    assert_eq!(server.terminate(), Some(0));
}

/// What is read from the log says that it cannot be read; it does not say less than there is.
#[test]
fn without_its_archive_the_past_is_refused_and_not_shortened() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let mut card = String::new();
    an_archived_life(&data, |client| {
        card = client.card(100_000_000);
        for id in ["a", "b", "c"] {
            client.authorize(id, &card, "1.00").expect(200);
        }
        let ledger = client
            .post("/ledgers", &json!({ "name": "own" }))
            .expect(201);
        for currency in ["USD", "EUR"] {
            let balance = json!({ "ledger_id": ledger["ledger_id"], "currency": currency });
            client.post("/balances", &balance).expect(201);
        }
    });
    let away = temp.path().join("archive");
    fs::rename(data.join("archive"), &away).unwrap();
    let _ = fs::remove_dir_all(data.join("search"));
    let mut server = Server::on(&data, &SMALL_SEGMENTS);
    let client = server.client();
    // What recovery gives is whole.
    let balance = client.balance("i", &card);
    assert_eq!((balance.current, balance.pending), (97_000_000, 3_000_000));
    client.authorize("d", &card, "1.00").expect(200);
    let paths = [
        format!("/api/accounts/{card}/movements?asset=DUSD/6"),
        format!("/api/accounts/{card}/movements?asset=DUSD/6&collapsed_view=true"),
        "/balances".to_owned(),
        "/transactions".to_owned(),
        "/v1/trial-balance".to_owned(),
    ];
    for path in &paths {
        let reply = client.get(path);
        assert_eq!(reply.status, 500, "{path}: {}", reply.text);
    }
    assert!(server.said().contains("archive/"), "{}", server.said());
    assert_eq!(server.terminate(), Some(0));
    for entry in fs::read_dir(&away).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        fs::rename(&path, data.join("archive").join(name)).unwrap();
    }
    let server = Server::on(&data, &SMALL_SEGMENTS);
    let client = server.client();
    for path in &paths {
        client.get(path).expect(200);
    }
    let balances = client.get("/balances?limit=100").expect(200);
    let own = balances.as_array().unwrap().iter().filter(|balance| {
        let ledger = balance["ledger_id"].as_str().unwrap_or_default();
        ledger != "general_ledger_id"
    });
    assert!(own.count() >= 2, "{balances}");
}

#[test]
fn an_archived_segment_that_does_not_join_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let settings = SMALL_SEGMENTS;
    an_archived_life(&data, |_| ());
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
