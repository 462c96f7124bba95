//! Damage, a full disk, wrong settings, a stop under load: a clear refusal or the whole truth.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use server::{Client, Refused, Reply, Server, purchase, wait_until};

const SMALL: &[(&str, &str)] = &[("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4")];

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Where `text` stands in a file, if it does.
fn find(file: &Path, text: &str) -> Option<usize> {
    let bytes = fs::read(file).unwrap();
    bytes
        .windows(text.len())
        .position(|window| window == text.as_bytes())
}

fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

fn segments(server: &Server) -> Vec<PathBuf> {
    let mut files = files(&server.data_dir().join("wal"));
    files.retain(|path| fs::metadata(path).unwrap().len() > 1 << 20);
    files
}

/// A server that was killed, with its card, some records, and the answers.
fn dead_server(count: usize) -> (Server, String, Vec<Reply>) {
    let mut server = Server::with(SMALL);
    let client = server.client();
    let card = client.card(1_000_000_000);
    let ask = |number| client.authorize(&format!("auth-number-{number:04}"), &card, "1.00");
    let answers = (0..count).map(ask).collect();
    server.kill();
    (server, card, answers)
}

/// Starts on the directory; it must refuse with exit code 1 and name `file`.
#[track_caller]
fn refuses(server: &Server, file: &str) {
    match Server::try_on(server.data_dir(), SMALL) {
        Ok(_) => panic!("it started although {file} is damaged"),
        Err(Refused { code, said }) => {
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(file), "{file} is not named: {said}");
        }
    }
}

#[test]
fn a_flipped_bit_in_the_middle_of_the_log_stops_the_start() {
    let (server, _, _) = dead_server(50);
    let holds = |file: &&PathBuf| find(file, "auth-number-0025").is_some();
    let segment = segments(&server).iter().find(holds).unwrap().clone();
    let offset = find(&segment, "auth-number-0025").unwrap();
    flip(&segment, offset);
    refuses(&server, name(&segment));
    // Refusing has changed nothing: with the bit back, all is there.
    flip(&segment, offset);
    let healed = Server::on(server.data_dir(), SMALL);
    let read = healed
        .client()
        .get("/v1/authorizations/auth-number-0049")
        .expect(200);
    assert_eq!(read["state"], "pending");
    healed.client().trial_balance();
}

fn fill(client: &Client, card: &str, name: &str) {
    let items = (0..5_000).map(|number| purchase(&format!("{name}-{number}"), card, "0.01"));
    client
        .post("/v1/authorizations/batch", &items.collect::<Value>())
        .expect(200);
}

#[test]
fn a_missing_segment_stops_the_start() {
    let mut server = Server::with(SMALL);
    let client = server.client();
    let card = client.card(1_000_000_000);
    let written = |server: &Server| {
        let mut written = segments(server);
        written.retain(|path| {
            fs::read(path).unwrap()[1 << 20..]
                .iter()
                .any(|byte| *byte != 0)
        });
        written
    };
    for turn in 0.. {
        fill(&client, &card, &format!("f{turn}"));
        if written(&server).len() >= 3 {
            break;
        }
        assert!(turn < 20, "the log does not grow");
    }
    server.kill();
    let segments = written(&server);
    let middle = &segments[1];
    let away = server.data_dir().join("away");
    fs::rename(middle, &away).unwrap();
    // The hole is seen from the file behind it.
    refuses(&server, name(&segments[2]));
    fs::rename(&away, middle).unwrap();
    let first = &segments[0];
    fs::rename(first, &away).unwrap();
    refuses(&server, "the first segments of wal/ and archive/");
    fs::rename(&away, first).unwrap();
    Server::on(server.data_dir(), SMALL)
        .client()
        .trial_balance();
}

#[test]
fn a_damaged_snapshot_stops_the_start() {
    let mut server = Server::with(SMALL);
    let client = server.client();
    let cards = client.cards(200, 1_000_000_000);
    client.authorize("a", &cards[7], "1.00").expect(200);
    assert_eq!(server.terminate(), Some(0));
    let snapshots = files(&server.data_dir().join("snapshots"));
    let snapshot = snapshots.last().unwrap();
    let whole = fs::read(snapshot).unwrap();
    for offset in [3, whole.len() / 3, whole.len() / 2, whole.len() - 3] {
        flip(snapshot, offset);
        refuses(&server, name(snapshot));
        fs::write(snapshot, &whole).unwrap();
    }
    fs::write(snapshot, &whole[..whole.len() / 2]).unwrap();
    refuses(&server, name(snapshot));
    fs::write(snapshot, &whole).unwrap();
    let healed = Server::on(server.data_dir(), SMALL);
    assert_eq!(
        healed.client().get("/v1/authorizations/a").expect(200)["state"],
        "pending"
    );
}

#[test]
fn a_torn_last_record_is_cut_and_nothing_else() {
    let (server, card, answers) = dead_server(30);
    let holds = |file: &&PathBuf| find(file, "auth-number-0029").is_some();
    let segment = segments(&server).iter().find(holds).unwrap().clone();
    let mut bytes = fs::read(&segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    // As if the last one had only begun to reach the disk, so it was never answered.
    for byte in &mut bytes[end - 40..=end] {
        *byte = 0;
    }
    fs::write(&segment, bytes).unwrap();
    let again = Server::on(server.data_dir(), SMALL);
    let client = again.client();
    for (number, known) in answers.iter().enumerate().take(29) {
        let told = client.authorize(&format!("auth-number-{number:04}"), &card, "1.00");
        assert!(told.is_replay());
        assert_eq!(told.text, known.text);
    }
    assert_eq!(
        client.get("/v1/authorizations/auth-number-0029").status,
        404
    );
    assert_eq!(client.balance("b", &card).pending, 29_000_000);
    assert!(
        !client
            .authorize("auth-number-0029", &card, "1.00")
            .is_replay()
    );
    assert!(
        again.said().contains("torn"),
        "it does not say so: {}",
        again.said()
    );
    client.trial_balance();
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(5_000_000);
    refuses(&server, "in use by another process");
    client.authorize("a", &card, "1.00").expect(200);
}

#[test]
fn writes_are_turned_away_before_the_disk_is_full() {
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(5_000_000);
    client.authorize("a", &card, "1.00").expect(200);
    client.get("/readyz").expect(200);
    server.kill();
    let full = [("CARDWRIGHT_JOURNAL__MIN_FREE_MIB", "1000000000")];
    let full = Server::on(server.data_dir(), &full);
    let client = full.client();
    wait_until("it is not ready", || client.get("/readyz").status == 503);
    let refused = client.authorize("b", &card, "1.00");
    assert_eq!(refused.code(503), "busy");
    assert_eq!(refused.headers["retry-after"], "1");
    let deposit = json!({
        "account_urn": card, "asset": "DUSD/6", "amount": "1", "reference": "d",
    });
    assert_eq!(client.post("/v1/deposits", &deposit).status, 503);
    assert_eq!(client.step("a", "capture", "c", "").status, 503);
    let items = json!([purchase("b", &card, "1.00")]);
    let batch = client.post("/v1/authorizations/batch", &items).expect(200);
    assert_eq!(batch[0]["status"], 503);
    assert_eq!(batch[0]["error"]["retry_after"], 1);
    let said = full.said();
    assert!(
        said.contains("journal.min_free_mib") && said.contains("bytes free"),
        "{said}"
    );
    client.get("/healthz").expect(200);
    assert_eq!(
        client.get("/v1/authorizations/a").expect(200)["state"],
        "pending"
    );
    let listed = client
        .get(&format!("/v1/authorizations?card={card}"))
        .expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    client.trial_balance();
    drop(full);
    // With room again, what was refused has left no trace.
    server.restart();
    let client = server.client();
    assert!(!client.authorize("b", &card, "1.00").is_replay());
    assert_eq!(client.balance("end", &card).pending, 2_000_000);
}

#[test]
fn a_variable_that_is_no_text_is_refused_if_it_is_ours() {
    let odd = OsStr::from_bytes(b"\xff\xfe");
    for (name, says) in [
        ("OTHER", "no-such-file"),
        ("CARDWRIGHT_LOG__LEVEL", "LOG__LEVEL"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_cardwright"))
            .args(["serve", "--config", "no-such-file"])
            .env(name, odd)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn wrong_settings_are_refused_by_name() {
    let temp = tempfile::tempdir().unwrap();
    for (setting, value, named) in [
        (
            "CARDWRIGHT_JOURNAL__SEGMENT_MIB",
            "3",
            "journal.segment_mib",
        ),
        (
            "CARDWRIGHT_JOURNAL__SEGMENT_MB",
            "64",
            "CARDWRIGHT_JOURNAL__SEGMENT_MB",
        ),
        (
            "CARDWRIGHT_JURNAL__SEGMENT_MIB",
            "64",
            "CARDWRIGHT_JURNAL__SEGMENT_MIB",
        ),
        ("CARDWRIGHT_HOLDS__DEFAULT_S", "0", "holds.default_s"),
        (
            "CARDWRIGHT_HOLDS__OVER_CAPTURE",
            "1.01",
            "holds.over_capture",
        ),
        (
            "CARDWRIGHT_HOLDS__BY_MCC",
            "[{from='1',to='2',seconds=3}]",
            "holds.by_mcc",
        ),
        (
            "CARDWRIGHT_KEYS__RETENTION_HOURS",
            "23",
            "keys.retention_hours",
        ),
        ("CARDWRIGHT_FEES__INTERCHANGE", "a lot", "fees.interchange"),
        (
            "CARDWRIGHT_MONEY__DEFAULT_ASSET",
            "GOLD/2",
            "money.default_asset",
        ),
        (
            "CARDWRIGHT_MONEY__ASSETS",
            "[{asset='DUSD/6',currency='USX'}]",
            "money.assets",
        ),
        ("CARDWRIGHT_SERVER__WORKERS", "-1", "server.workers"),
        (
            "CARDWRIGHT_SERVER__BATCH_ITEMS_MAX",
            "10001",
            "server.batch_items_max",
        ),
        ("CARDWRIGHT_LOG__FORMAT", "xml", "log.format"),
        ("CARDWRIGHT_LOG__LEVEL", "cardwright=loud=", "log.level"),
        ("CARDWRIGHT_LOG__LEVEL", "warning", "log.level"),
        ("CARDWRIGHT_LOG__LEVEL", "info,loud", "log.level"),
        ("CARDWRIGHT_LOG__LEVEL", "", "log.level"),
    ] {
        let dir = temp.path().join("data");
        match Server::try_on(&dir, &[(setting, value)]) {
            Ok(_) => panic!("{setting}={value} was taken"),
            Err(Refused { code, said }) => {
                assert_eq!(code, Some(2), "{setting}={value}: {said}");
                assert!(said.contains(named), "{setting}={value}: {said}");
            }
        }
        assert!(!dir.exists(), "{setting}={value}: something was written");
    }
}

/// On which processors each thread of the process with this name may run.
fn processors_of_threads(pid: u32, name: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread may end while the others are looked at.
    let statuses =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let value = |status: &str, field: &str| {
        let mut lines = status.lines();
        let found = lines.find_map(|line| line.strip_prefix(field));
        found.unwrap_or_default().trim().to_owned()
    };
    let of_name = statuses.filter(|status| value(status, "Name:").starts_with(name));
    let mut all: Vec<_> = of_name
        .map(|status| value(&status, "Cpus_allowed_list:"))
        .collect();
    all.sort();
    all
}

#[test]
fn each_thread_that_serves_has_a_processor_of_its_own_unless_told_otherwise() {
    // Not how many it has the time of: that may be less.
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    let count = usize::try_from(allowed.count()).unwrap();
    for (workers, pins) in [(count, "true"), (count, "false"), (count + 1, "true")] {
        let server = Server::with(&[
            ("CARDWRIGHT_SERVER__WORKERS", &workers.to_string()),
            ("CARDWRIGHT_SERVER__PIN_WORKERS", pins),
        ]);
        // Work that is done aside begins on a thread that a pinned one starts.
        server.client().trial_balance();
        let all = processors_of_threads(server.pid(), "journal-commit");
        let mut serving = processors_of_threads(server.pid(), "actix-rt");
        assert_eq!(serving.len(), workers);
        serving.dedup();
        let others = processors_of_threads(server.pid(), "")
            .iter()
            .filter(|allowed| **allowed != all[0])
            .count();
        if (workers, pins) == (count, "true") {
            assert_eq!(serving.len(), count, "two on one: {serving:?}");
            assert!(
                count == 1 || others == count,
                "others are kept too: {others}"
            );
        } else {
            assert_eq!((serving, others), (vec![all[0].clone()], 0));
        }
    }
}

#[test]
fn a_stop_under_load_answers_what_it_took_and_takes_a_snapshot() {
    let mut server = Server::start();
    let client = server.client();
    let cards = client.cards(8, 1_000_000_000);
    // An idle connection must not hold up the stop.
    client.get("/healthz").expect(200);
    let work = |client: Client, number: usize, card: &String| {
        let mut known = Vec::new();
        for count in 0.. {
            let body = purchase(&format!("s{number}-{count}"), card, "0.01");
            let headers = [("content-type", "application/json")];
            let route = ("POST", "/v1/authorizations");
            match client.try_send(route, &headers, body.to_string().as_bytes()) {
                Ok(reply) if reply.status == 200 => known.push((body, reply)),
                Ok(reply) => assert_eq!(reply.status, 503, "{reply:?}"),
                Err(_) => break,
            }
        }
        known
    };
    let (known, code) = thread::scope(|scope| {
        let run = |(number, card)| {
            let client = server.client();
            scope.spawn(move || work(client, number, card))
        };
        let threads: Vec<_> = cards.iter().enumerate().map(run).collect();
        thread::sleep(Duration::from_millis(150));
        let code = server.terminate();
        let known = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        (known.collect::<Vec<_>>(), code)
    });
    assert_eq!(code, Some(0), "{}", server.said());
    assert!(known.len() > 20, "there was no load: {}", known.len());
    assert!(
        !files(&server.data_dir().join("snapshots")).is_empty(),
        "no snapshot"
    );
    server.restart();
    let client = server.client();
    for (body, reply) in &known {
        let again = client.post("/v1/authorizations", body);
        assert!(again.is_replay(), "{again:?}");
        assert_eq!(again.text, reply.text);
    }
    client.trial_balance();
}
