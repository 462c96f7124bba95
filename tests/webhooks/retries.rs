//! Receivers that are down, slow, wrong or gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::*;
use crate::receiver::Answer;

#[test]
fn a_receiver_that_was_down_gets_everything_in_order() {
    // More than memory may hold: the rest waits in the outbox's log.
    let server = start(&[
        ("CARDWRIGHT_WEBHOOKS__LANE_MAX", "4"),
        ("CARDWRIGHT_WEBHOOKS__WAITING_MAX", "16"),
    ]);
    let mut server = server;
    let client = server.client();
    let port = Receiver::start().port;
    let cards: Vec<_> = (0..6)
        .map(|n| card_to(&client, &format!("http://127.0.0.1:{port}/{n}")))
        .collect();
    for (n, card) in cards.iter().enumerate() {
        buy(&client, card, &ids(&format!("d{n}"), 40));
    }
    wait_until("an attempt failed", || {
        !deliveries(&client, "status=failed").is_empty()
    });
    server.restart();
    let client = server.client();
    for (n, card) in cards.iter().enumerate() {
        buy(&client, card, &ids(&format!("e{n}"), 10));
    }
    let receiver = Receiver::on(port);
    wait_until("everything arrives", || {
        (0..6).all(|n| purchases(&receiver, &format!("/{n}")).len() == 50)
    });
    for n in 0..6 {
        let expected = [ids(&format!("d{n}"), 40), ids(&format!("e{n}"), 10)].concat();
        assert_eq!(purchases(&receiver, &format!("/{n}")), expected);
    }
}

#[test]
fn a_slow_or_failing_receiver_holds_up_nobody_else() {
    let (server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    let may_pass = Arc::new(AtomicBool::new(false));
    let opened = may_pass.clone();
    receiver.answer(move |hook| match hook.path.as_str() {
        "/slow" => Answer {
            after: Duration::from_secs(2),
            ..Answer::of(200)
        },
        "/bad" if !opened.load(Ordering::SeqCst) => Answer::of(500),
        _ => Answer::of(200),
    });
    // Another host, so that they share no gate.
    let other = Receiver::start();
    let slow = card_to(&client, &receiver.url("/slow"));
    let bad = card_to(&client, &receiver.url("/bad"));
    let good = card_to(&client, &other.url("/good"));
    buy(&client, &slow, &ids("s", 3));
    buy(&client, &bad, &ids("b", 3));
    let began = Instant::now();
    buy(&client, &good, &ids("g", 20));
    wait_until("the good one has all", || {
        purchases(&other, "/good").len() == 20
    });
    assert!(
        purchases(&receiver, "/slow").len() < 3,
        "the slow one is not done after {:?}",
        began.elapsed()
    );
    wait_until("the bad one was asked twice", || {
        let mut asked = receiver.hooks();
        asked.retain(|hook| hook.path == "/bad");
        asked.len() >= 2
    });
    assert_eq!(purchases(&receiver, "/bad"), Vec::<String>::new());
    let told = deliveries(&client, "status=failed");
    let failed = told
        .iter()
        .find(|it| it["url"] == json!(receiver.url("/bad")))
        .unwrap();
    assert_eq!(failed["status_code"], 500);
    assert_eq!(failed["account_urn"], json!(bad));
    assert!(failed["next_attempt_at"].is_string() && failed["latency_ms"].is_u64());
    may_pass.store(true, Ordering::SeqCst);
    wait_until("the bad one has all", || {
        purchases(&receiver, "/bad").len() == 3
    });
    assert_eq!(purchases(&receiver, "/bad"), ids("b", 3));
    // Only the head was tried again and again.
    let hooks = receiver.hooks();
    let mut refused = hooks.iter().filter(|hook| hook.status == 500);
    let first = hooks
        .iter()
        .find(|hook| hook.status == 500)
        .unwrap()
        .id()
        .to_owned();
    assert!(refused.all(|hook| hook.id() == first));
}

#[test]
fn a_receiver_that_asks_for_time_gets_it() {
    let (server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    let first = Arc::new(AtomicBool::new(true));
    receiver.answer(move |_| {
        if first.swap(false, Ordering::SeqCst) {
            return Answer {
                headers: "retry-after: 4\r\n".to_owned(),
                ..Answer::of(429)
            };
        }
        Answer::of(200)
    });
    let began = Instant::now();
    let (_, _) = endpoint(
        &client,
        &json!({ "url": receiver.url("/e"), "events": ["purchase"] }),
    );
    let card = client.card(1_000_000_000);
    buy(&client, &card, &ids("t", 1));
    wait_until("it arrives", || purchases(&receiver, "/e").len() == 1);
    assert!(
        began.elapsed() >= Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(receiver.hooks().len(), 2);
}

#[test]
fn gone_disables_an_endpoint_and_parks_for_an_account() {
    let (server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    receiver.answer(|_| Answer::of(410));
    let (id, _) = endpoint(
        &client,
        &json!({ "url": receiver.url("/e"), "events": ["purchase"] }),
    );
    let card = card_to(&client, &receiver.url("/a"));
    buy(&client, &card, &ids("g", 2));
    let path = format!("/v1/webhook-endpoints/{id}");
    wait_until("it is disabled", || {
        client.get(&path).expect(200)["enabled"] == false
    });
    let shown = client.get(&path).expect(200);
    assert_eq!(shown["disabled_reason"], "it answered 410 Gone");
    wait_until("the account's are parked", || {
        deliveries(&client, "status=parked&event=purchase").len() == 2
    });
    receiver.answer(|_| Answer::of(200));
    let on = json!({ "enabled": true }).to_string();
    client.send(("PATCH", &path), &[], on).expect(200);
    wait_until("what waited goes out", || {
        purchases(&receiver, "/e").len() == 2
    });
    assert_eq!(purchases(&receiver, "/e"), ids("g", 2));
    assert_eq!(purchases(&receiver, "/a"), Vec::<String>::new());
    let parked = deliveries(&client, "status=parked&event=purchase");
    for delivery in parked.iter().rev() {
        let path = format!(
            "/v1/webhook-deliveries/{}/replay",
            delivery["id"].as_str().unwrap()
        );
        client.post(&path, &json!({})).expect(202);
    }
    wait_until("the account's arrive", || {
        purchases(&receiver, "/a").len() == 2
    });
    assert!(deliveries(&client, "status=parked&event=purchase").is_empty());
}

#[test]
fn what_is_given_up_is_kept_and_can_be_had_again() {
    let mut server = start(&[("CARDWRIGHT_WEBHOOKS__GIVE_UP_S", "1")]);
    let receiver = Receiver::start();
    let client = server.client();
    receiver.answer(|_| Answer::of(503));
    let (id, _) = endpoint(
        &client,
        &json!({ "url": receiver.url("/e"), "events": ["purchase"] }),
    );
    let card = client.card(1_000_000_000);
    buy(&client, &card, &ids("k", 5));
    let query = format!("status=parked&endpoint={id}");
    wait_until("all are parked", || deliveries(&client, &query).len() == 5);
    server.restart();
    let client = server.client();
    let parked = deliveries(&client, &query);
    assert_eq!(parked.len(), 5, "they are durable");
    assert!(
        parked
            .iter()
            .all(|it| it["status_code"] == 503 && it["event"] == "purchase")
    );
    let first = client
        .get(&format!("/v1/webhook-deliveries?{query}&limit=2"))
        .expect(200);
    let next = first["next"].as_str().unwrap();
    let rest = deliveries(&client, &format!("{query}&next={next}"));
    assert_eq!(
        (first["data"].as_array().unwrap().len(), rest.len()),
        (2, 3)
    );
    receiver.answer(|_| Answer::of(200));
    let path = format!("/v1/webhook-endpoints/{id}/replay");
    let told = client
        .post(&path, &json!({ "only_parked": true }))
        .expect(202);
    assert_eq!(told["events"], 5);
    wait_until("all arrive", || purchases(&receiver, "/e").len() == 5);
    assert_eq!(purchases(&receiver, "/e"), ids("k", 5));
    wait_until("none is parked", || deliveries(&client, &query).is_empty());
    repeats_are_the_same(&receiver.hooks());
}

#[test]
fn an_endpoint_can_have_a_range_again_also_from_before_it_was_made() {
    let (mut server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    let card = client.card(1_000_000_000);
    buy(&client, &card, &ids("a", 5));
    let (id, _) = endpoint(
        &client,
        &json!({ "url": receiver.url("/e"), "events": ["purchase"] }),
    );
    buy(&client, &card, &ids("b", 5));
    wait_until("the new ones arrive", || {
        purchases(&receiver, "/e").len() == 5
    });
    assert_eq!(
        purchases(&receiver, "/e"),
        ids("b", 5),
        "what was before is not sent"
    );
    let path = format!("/v1/webhook-endpoints/{id}/replay");
    let hooks = receiver.taken("purchase");
    let third = hooks
        .iter()
        .find(|hook| hook.transaction() == "b-002")
        .unwrap();
    client
        .post(&path, &json!({ "since": third.id() }))
        .expect(202);
    wait_until("what is behind it arrives", || {
        receiver.taken("purchase").len() == 7
    });
    let again: Vec<_> = receiver.taken("purchase").split_off(5);
    let again: Vec<_> = again.iter().map(Hook::transaction).collect();
    assert_eq!(again, ["b-003", "b-004"]);
    let wrong = client.post(&path, &json!({ "since": "yesterday" }));
    assert_eq!(wrong.json["error"]["field"], "since", "{}", wrong.text);
    client.post(&path, &json!({})).expect(202);
    // What was asked for is durable.
    server.restart();
    wait_until("all arrive", || purchases(&receiver, "/e").len() == 10);
    let expected = [ids("b", 5), ids("a", 5)].concat();
    assert_eq!(
        purchases(&receiver, "/e"),
        expected,
        "in order of first arrival"
    );
    repeats_are_the_same(&receiver.hooks());
}
