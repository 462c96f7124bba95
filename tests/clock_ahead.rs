//! A log that is ahead of the machine's clock, as after one wrong answer of a time server, is told.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

#[path = "cli/log.rs"]
#[allow(dead_code, reason = "for other tests")]
mod log;
#[path = "common/server.rs"]
mod server;

use log::Log;
use server::{Server, wait_until};

#[test]
fn a_log_ahead_of_the_clock_is_told_and_measured() {
    const DAY_S: i64 = 86_400;
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let mut log = Log::new();
    log.time = i64::try_from(now.as_micros()).unwrap() + DAY_S * 1_000_000;
    log.card(1, 500);
    let dir = log.end();
    let server = Server::on(dir.path(), &[]);
    let client = server.client();
    wait_until("it is said", || {
        server.said().contains("ahead of the machine's clock")
    });
    let metrics = client.get("/metrics").text;
    let gauge = metrics
        .lines()
        .find_map(|line| line.strip_prefix("cardwright_clock_ahead_seconds "));
    let ahead: i64 = gauge.unwrap().parse().unwrap();
    assert!((DAY_S - 600..=DAY_S).contains(&ahead), "{ahead}");
    // What is recorded comes behind what was, and a new server says nothing.
    let card = client.card(1_000_000);
    let made = client.authorize("a", &card, "1.00").expect(200);
    assert_eq!(made["status"], "approved");
    let right = Server::start();
    right.client().get("/readyz").expect(200);
    assert!(!right.said().contains("ahead of the machine's clock"));
}
