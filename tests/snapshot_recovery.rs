//! Recovery from a snapshot and the tail gives what the log alone gives.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};
use server::{Balance, Client, Rng, Server, purchase, wait_until};

const SMALL: &[(&str, &str)] = &[
    ("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "4"),
    ("CARDWRIGHT_SNAPSHOTS__KEEP", "2"),
];

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files(from) {
        let target = to.join(file.file_name().unwrap());
        if file.is_dir() {
            copy(&file, &target);
        } else {
            fs::copy(&file, &target).unwrap();
        }
    }
}

/// A life of purchases on `cards` until `stop`.
fn live(client: &Client, cards: &[String], (name, seed): (usize, u64), stop: &AtomicBool) -> usize {
    let mut rng = Rng::new(seed.wrapping_add(u64::try_from(name).unwrap()));
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let id = format!("l{name}-{count}");
        let card = &cards[rng.below(cards.len())];
        let answer = client
            .authorize(&id, card, &format!("{}.00", rng.below(30) + 1))
            .expect(200);
        if answer["status"] == "approved" {
            match rng.below(5) {
                0 => drop(client.step(&id, "reverse", &id, "").expect(200)),
                1 => drop(client.step(&id, "capture", &id, "1.00").expect(200)),
                2 => {
                    client.step(&id, "capture", &id, "").expect(200);
                    client.step(&id, "refund", &id, "0.50").expect(200);
                }
                _ => {}
            }
        }
        count += 1;
    }
    count
}

/// Asks for a snapshot and waits until it is listed.
fn take_snapshot(client: &Client) -> u64 {
    let newest = || {
        let listed = client.get("/v1/snapshots").expect(200);
        let running = listed["running"] == true;
        (listed["data"][0]["lsn"].as_u64(), running)
    };
    wait_until("no snapshot is being taken", || !newest().1);
    let from = client.post("/v1/snapshots", &json!({})).expect(202)["lsn"]
        .as_u64()
        .unwrap();
    wait_until("the snapshot is there", || {
        newest().0.is_some_and(|lsn| lsn >= from)
    });
    wait_until("the snapshot is done", || !newest().1);
    newest().0.unwrap()
}

/// Fills the log: many authorizations in one request.
fn fill(client: &Client, card: &str, name: &str) {
    let items = (0..5_000).map(|number| purchase(&format!("{name}-{number}"), card, "0.01"));
    let told = client
        .post("/v1/authorizations/batch", &items.collect::<Value>())
        .expect(200);
    assert!(
        told.as_array()
            .unwrap()
            .iter()
            .all(|one| one["status"] == 200)
    );
}

/// Everything the API tells of `cards`: the books, each authorization, each balance.
fn everything(client: &Client, cards: &[String]) -> (Value, Vec<String>, Vec<Balance>) {
    let books = client.trial_balance();
    let mut lists = Vec::new();
    for card in cards {
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/authorizations?card={card}&limit=500{cursor}");
            let page = client.get(&path);
            lists.push(page.text.clone());
            let page = page.expect(200);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
    }
    let ask = |(place, card): (usize, &String)| client.balance(&format!("all-{place}"), card);
    (books, lists, cards.iter().enumerate().map(ask).collect())
}

/// Keys whose records are in segments long retired.
fn remembers(client: &Client, card: &str) {
    let again = client.authorize("f0-17", card, "0.01");
    assert!(again.is_replay(), "{again:?}");
    again.expect(200);
    assert_eq!(client.authorize("f0-17", card, "0.02").status, 409);
}

#[test]
fn a_snapshot_under_load_and_the_tail_give_what_the_log_alone_gives() {
    let seed = server::seed();
    println!("CARDWRIGHT_TEST_SEED={seed}");
    let mut server = Server::with(SMALL);
    let client = server.client();
    let mut cards = client.cards(30, 300_000_000);
    let filled = client.card(1_000_000_000);
    let stop = AtomicBool::new(false);
    let archive = server.data_dir().join("archive");
    thread::scope(|scope| {
        let run = |name| {
            let (client, cards, stop) = (server.client(), &cards, &stop);
            scope.spawn(move || live(&client, cards, (name, seed), stop))
        };
        let threads: Vec<_> = (0..3).map(run).collect();
        let mut last = 0;
        for turn in 0..20 {
            fill(&client, &filled, &format!("f{turn}"));
            let lsn = take_snapshot(&client);
            assert!(lsn > last, "snapshots go forward");
            last = lsn;
            if turn >= 4 && files(&archive).len() >= 2 {
                break;
            }
        }
        // The tail.
        fill(&client, &filled, "tail");
        stop.store(true, Ordering::Relaxed);
        let count: usize = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert!(count > 50, "there was no load: {count}");
    });
    assert!(files(&archive).len() >= 2, "segments were retired");
    let kept = files(&server.data_dir().join("snapshots"));
    assert_eq!(kept.len(), 2, "{kept:?}");
    cards.push(filled);
    let live = client.trial_balance();
    server.kill();
    let temp = tempfile::tempdir().unwrap();
    let copied = temp.path().join("copy");
    copy(server.data_dir(), &copied);
    for snapshot in files(&copied.join("snapshots")) {
        fs::remove_file(snapshot).unwrap();
    }
    server.restart();
    let with_snapshot = everything(&server.client(), &cards);
    assert!(
        !server
            .said()
            .rsplit("recovered")
            .next()
            .unwrap()
            .contains("snapshot=None")
    );
    let alone = Server::on(&copied, SMALL);
    let from_log = everything(&alone.client(), &cards);
    assert_eq!(live, with_snapshot.0, "seed {seed}");
    assert_eq!(with_snapshot.0, from_log.0, "seed {seed}");
    assert_eq!(with_snapshot.2, from_log.2, "seed {seed}");
    for (one, other) in with_snapshot.1.iter().zip(&from_log.1) {
        assert!(one == other, "seed {seed}: {one}\n{other}");
    }
    assert_eq!(with_snapshot.1.len(), from_log.1.len());
    for one in [&server, &alone] {
        remembers(&one.client(), &cards[30]);
    }
}

#[test]
fn snapshots_of_an_unchanged_server_do_no_harm() {
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(50_000_000);
    client.authorize("a", &card, "20.00").expect(200);
    let lsn = take_snapshot(&client);
    assert_eq!(take_snapshot(&client), lsn);
    for turn in 0..3 {
        assert_eq!(
            server.terminate(),
            Some(0),
            "turn {turn}: {}",
            server.said()
        );
        server.restart();
    }
    let client = server.client();
    let read = client.get("/v1/authorizations/a").expect(200);
    assert_eq!(read["held_amount"], "20000000");
    assert!(client.authorize("a", &card, "20.00").is_replay());
    assert_eq!(client.balance("b", &card).pending, 20_000_000);
    client.trial_balance();
}
