//! kill -9 while events are on their way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{receiver::Answer, server::Rng};

#[test]
#[expect(clippy::too_many_lines, reason = "one story")]
fn nothing_is_lost_over_kill_9_and_the_order_stays() {
    const ROUNDS: usize = 6;
    const CARDS: usize = 4;
    let seed = server::seed();
    let mut rng = Rng::new(seed);
    let (mut server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    // Some fail, so that retries are cut short too.
    let mut turn = 0_u32;
    let counted = std::sync::Mutex::new(move || {
        turn += 1;
        turn.is_multiple_of(29)
    });
    receiver.answer(move |_| {
        let fails = (counted.lock().unwrap())();
        Answer {
            after: Duration::from_millis(5),
            ..Answer::of(if fails { 500 } else { 200 })
        }
    });
    let url = |n: usize| receiver.url(&format!("/{n}"));
    let cards: Vec<_> = (0..CARDS).map(|n| card_to(&client, &url(n))).collect();
    let (_, _) = endpoint(
        &client,
        &json!({ "url": receiver.url("/all"), "events": ["purchase"] }),
    );
    let mut answered: Vec<Vec<String>> = vec![Vec::new(); CARDS];
    for round in 0..ROUNDS {
        let is_over = Arc::new(AtomicBool::new(false));
        let buyers: Vec<_> = cards
            .iter()
            .cloned()
            .enumerate()
            .map(|(n, card)| {
                let (client, is_over) = (server.client(), is_over.clone());
                thread::spawn(move || {
                    let mut answered = Vec::new();
                    for k in 0..10_000 {
                        let id = format!("k{n}-{round}-{k:05}");
                        let body = server::purchase(&id, &card, "0.01").to_string();
                        let route = ("POST", "/v1/authorizations");
                        let headers = [("content-type", "application/json")];
                        match client.try_send(route, &headers, body.as_bytes()) {
                            Ok(reply) if reply.status == 200 => answered.push(id),
                            Ok(_) | Err(_) => break,
                        }
                        if is_over.load(Ordering::SeqCst) {
                            break;
                        }
                        // A receiver of 5 ms takes so many.
                        thread::sleep(Duration::from_millis(30));
                    }
                    answered
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(
            100 + 10 * u64::try_from(rng.below(60)).unwrap(),
        ));
        server.kill();
        is_over.store(true, Ordering::SeqCst);
        for (n, buyer) in buyers.into_iter().enumerate() {
            answered[n].extend(buyer.join().unwrap());
        }
        server.restart();
    }
    let count: usize = answered.iter().map(Vec::len).sum();
    assert!(count > 50, "seed {seed}: only {count} purchases");
    let has_all = |path: &str, wanted: &[String]| {
        let arrived = purchases(&receiver, path);
        wanted.iter().all(|id| arrived.contains(id))
    };
    // Each retry holds its account's up for a second, and the machine may be busy with other tests.
    let deadline = Instant::now() + Duration::from_secs(180);
    let is_there =
        |n: usize| has_all(&format!("/{n}"), &answered[n]) && has_all("/all", &answered[n]);
    while !(0..CARDS).all(is_there) {
        let is_late = Instant::now() > deadline;
        assert!(!is_late, "seed {seed}: not all {count} arrived");
        thread::sleep(Duration::from_millis(50));
    }
    for (n, answered) in answered.iter().enumerate() {
        for path in [format!("/{n}"), "/all".to_owned()] {
            let mut arrived = purchases(&receiver, &path);
            // What was recorded and whose answer was lost arrives too.
            arrived.retain(|id| id.starts_with(&format!("k{n}-")));
            assert!(
                arrived.is_sorted(),
                "seed {seed}: {path} out of order: {arrived:?}"
            );
            assert!(arrived.len() >= answered.len());
        }
    }
    repeats_are_the_same(&receiver.hooks());
}

#[test]
fn what_arrived_and_was_not_written_down_comes_again_as_the_same() {
    let (mut server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    // The answer never comes: the receiver has it, the sender does not know.
    receiver.answer(|_| Answer {
        after: Duration::from_secs(5),
        ..Answer::of(200)
    });
    let wanted = json!({ "url": receiver.url("/a"), "events": ["purchase"] });
    let (_, _) = endpoint(&client, &wanted);
    let card = client.card(1_000_000_000);
    buy(&client, &card, &ids("p", 1));
    wait_until("it is on its way", || receiver.connections() == 1);
    server.kill();
    server.restart();
    receiver.answer(|_| Answer::of(200));
    wait_until("it comes twice", || {
        receiver
            .taken("purchase")
            .iter()
            .filter(|hook| hook.transaction() == "p-000")
            .count()
            >= 2
    });
    repeats_are_the_same(&receiver.hooks());
}

/// What waits is written down anew at a clean stop, however lately it was noted.
#[test]
fn a_clean_stop_writes_down_what_waits() {
    let (mut server, receiver) = (start(&[]), Receiver::start());
    receiver.answer(|_| Answer {
        after: Duration::from_millis(20),
        ..Answer::of(200)
    });
    let card = card_to(&server.client(), &receiver.url("/slow"));
    for round in 0..4 {
        let client = server.client();
        buy(&client, &card, &ids(&format!("stop-{round}"), 12));
        assert_eq!(server.terminate(), Some(0), "{}", server.said());
        let said = server.said();
        assert!(!said.contains("was not written anew"), "{said}");
        let snapshots = server.data_dir().join("outbox/snapshots");
        let written = std::fs::read_dir(snapshots).unwrap().count();
        assert!(written > 0, "a snapshot is there");
        server.restart();
    }
    let wanted: Vec<String> = (0..4)
        .flat_map(|round| ids(&format!("stop-{round}"), 12))
        .collect();
    wait_until("all has come", || {
        purchases(&receiver, "/slow").len() == wanted.len()
    });
    assert_eq!(purchases(&receiver, "/slow"), wanted, "in their order");
}
