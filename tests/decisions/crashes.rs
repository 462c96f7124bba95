//! `kill -9` between the hold and its answer.

use std::{process::Command, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    DOLLAR, ask_at,
    endpoint::{Endpoint, Says, no, yes},
    server::{Client, Server, wait_until},
    with,
};

/// A server that was killed while the programme thought about a purchase of 70 dollars of 100 and about
/// one of nothing.
fn killed(endpoint: &Endpoint, fallback: &str, abandoned_after_ms: &str) -> (Server, String) {
    let name = "CARDWRIGHT_DECISIONS__ABANDONED_AFTER_MS";
    let mut server = with(&[(name, abandoned_after_ms)]);
    let client = server.client();
    let card = client.card(100_000_000);
    ask_at(&client, &endpoint.url(), 2_000, fallback);
    for (id, dollars) in [("cut", "70.00"), ("nothing", "0.00")] {
        let (client, card) = (server.client(), card.clone());
        let wanted = crate::server::purchase(id, &card, dollars);
        thread::spawn(move || {
            let json = [("content-type", "application/json")];
            let wanted = wanted.to_string();
            let cut = client.try_send(("POST", "/v1/authorizations"), &json, wanted.as_bytes());
            assert!(cut.is_err() || cut.is_ok_and(|reply| reply.status == 503));
        });
    }
    endpoint.wait_for(2);
    server.kill();
    (server, card)
}

fn verified(server: &mut Server) {
    assert_eq!(server.terminate(), Some(0));
    let told = Command::new(env!("CARGO_BIN_EXE_cardwright"))
        .args(["verify", "--json", "--data-dir"])
        .arg(server.data_dir())
        .output()
        .unwrap();
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stdout)
    );
}

#[test]
fn a_retry_after_a_crash_asks_again_under_the_same_id() {
    let endpoint = Endpoint::start(Says::Waits);
    let (mut server, card) = killed(&endpoint, "approve", "600000");
    endpoint.say(no("now I know"));
    server.restart();
    let client = server.client();
    let shown = client.get("/v1/authorizations/cut").expect(200);
    assert_eq!(
        (&shown["state"], &shown["held_amount"]),
        (&json!("pending"), &json!("70000000"))
    );
    let first = client.authorize("cut", &card, "70.00");
    assert!(first.is_replay());
    assert_eq!(
        first.json["decline_reason"], "decision_declined",
        "{}",
        first.text
    );
    // A step asks too, where nobody does.
    let reversed = client.step("nothing", "reverse", "r", "");
    assert_eq!(reversed.code(409), "invalid_state");
    let nothing = client.get("/v1/authorizations/nothing").expect(200);
    assert_eq!(nothing["decision"]["by"], "programme", "{nothing}");
    let ids = |transaction: &str| -> Vec<String> {
        let asked = endpoint.questions().into_iter();
        let own = asked.filter(|asked| asked.json["data"]["transaction_id"] == transaction);
        own.map(|asked| asked.headers["webhook-id"].clone())
            .collect()
    };
    for transaction in ["cut", "nothing"] {
        let ids = ids(transaction);
        assert_eq!(ids.len(), 2, "{transaction}");
        assert_eq!(ids[0], ids[1]);
    }
    server.restart();
    let again = server.client().authorize("cut", &card, "70.00");
    assert_eq!(again.text, first.text, "also from the log alone");
    assert_eq!(
        server.client().balance("inquiry", &card).current,
        100 * DOLLAR
    );
    server.client().trial_balance();
    verified(&mut server);
}

#[test]
fn without_a_retry_the_fallback_decides() {
    for (fallback, state) in [("approve", "pending"), ("decline", "declined")] {
        let endpoint = Endpoint::start(Says::Waits);
        let (mut server, card) = killed(&endpoint, fallback, "2500");
        endpoint.say(yes());
        server.restart();
        let client = server.client();
        let shown = |id: &str| client.get(&format!("/v1/authorizations/{id}")).expect(200);
        wait_until("the sweep", || {
            shown("cut")["decision"]["verdict"] != Value::Null
        });
        wait_until("the sweep", || {
            shown("nothing")["decision"]["verdict"] != Value::Null
        });
        let told = shown("cut");
        assert_eq!(
            (&told["state"], &told["decision"]["by"]),
            (&json!(state), &json!("abandoned"))
        );
        assert_eq!(endpoint.questions().len(), 2, "nobody was asked again");
        let retry = client.authorize("cut", &card, "70.00");
        assert!(retry.is_replay());
        assert_eq!(retry.json["decision"], told["decision"]);
        assert_eq!(endpoint.questions().len(), 2);
        let held = if fallback == "approve" { 70 } else { 0 };
        let balance = client.balance("inquiry", &card);
        assert_eq!(
            (balance.current, balance.pending),
            ((100 - held) * DOLLAR, held * DOLLAR)
        );
        verified(&mut server);
    }
}

/// Every authorization of a card, page by page.
fn all_of(client: &Client, card: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/authorizations?card={card}&limit=500{cursor}");
        let listed = client.get(&path).expect(200);
        all.extend_from_slice(listed["data"].as_array().unwrap());
        match listed["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story from beginning to end")]
fn kills_at_any_moment_leave_one_answer_and_no_money_lost() {
    let says = Says::This(
        200,
        r#"{"approved":true}"#.into(),
        Duration::from_millis(15),
    );
    let endpoint = Endpoint::start(says);
    let mut server = with(&[]);
    let client = server.client();
    let cards = client.cards(4, 50_000_000);
    ask_at(&client, &endpoint.url(), 2_000, "decline");
    let mut known: std::collections::BTreeMap<String, (usize, String)> = Default::default();
    for round in 0..6_u64 {
        let workers: Vec<_> = (0..4_usize)
            .map(|worker| {
                let (client, card) = (server.client(), cards[worker].clone());
                thread::spawn(move || {
                    let mut told = Vec::new();
                    for n in 0..200 {
                        let id = format!("k-{round}-{worker}-{n}");
                        let wanted = crate::server::purchase(&id, &card, "3.00").to_string();
                        let json = [("content-type", "application/json")];
                        let route = ("POST", "/v1/authorizations");
                        match client.try_send(route, &json, wanted.as_bytes()) {
                            Ok(reply) if reply.status == 200 => told.push((id, worker, reply.text)),
                            _ => break,
                        }
                    }
                    told
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(60 + 37 * round));
        server.kill();
        for worker in workers {
            for (id, card, text) in worker.join().unwrap() {
                known.insert(id, (card, text));
            }
        }
        server.restart();
        let client = server.client();
        for (id, (card, text)) in &known {
            assert_eq!(
                &client.authorize(id, &cards[*card], "3.00").text,
                text,
                "{id}"
            );
        }
    }
    assert!(
        known
            .values()
            .any(|(_, text)| text.contains("\"programme\""))
    );
    let client = server.client();
    wait_until("every question has its end", || {
        let is_ended = |one: &Value| {
            one.get("decision")
                .is_none_or(|it| it["verdict"] != Value::Null)
        };
        cards
            .iter()
            .all(|card| all_of(&client, card).iter().all(is_ended))
    });
    for (n, card) in cards.iter().enumerate() {
        let held: i128 = all_of(&client, card)
            .iter()
            .map(|one| {
                one["held_amount"]
                    .as_str()
                    .unwrap()
                    .parse::<i128>()
                    .unwrap()
            })
            .sum();
        let balance = client.balance(&format!("last-{n}"), card);
        assert_eq!(
            (balance.current, balance.pending),
            (50 * DOLLAR - held, held)
        );
        assert!(balance.current >= 0);
    }
    client.trial_balance();
    verified(&mut server);
}
