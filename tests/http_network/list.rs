//! Pages of a card's authorizations: nothing lost, nothing twice, while new ones arrive.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    authorize::check,
    server::{Client, Server},
};

fn page(client: &Client, card: &str, query: &str) -> Value {
    client
        .get(&format!("/v1/authorizations?card={card}{query}"))
        .expect(200)
}

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().unwrap().iter();
    data.map(|one| one["transaction_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn pages_lose_and_repeat_nothing_while_new_ones_arrive() {
    let server = Server::start();
    let client = server.client();
    let cards = client.cards(2, 1_000_000_000);
    let card = &cards[0];
    for number in 0..57 {
        let id = format!("t-{number:02}");
        client.authorize(&id, card, "1.00").expect(200);
        match number % 3 {
            0 => drop(client.step(&id, "reverse", &id, "").expect(200)),
            1 => drop(client.step(&id, "capture", &id, "").expect(200)),
            _ => {}
        }
    }
    client.authorize("elsewhere", &cards[1], "1.00").expect(200);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for turn in 0.. {
        assert!(turn < 20, "the pages never end");
        let told = page(&client, card, &format!("&limit=10{cursor}"));
        seen.extend(ids(&told));
        client
            .authorize(&format!("new-{turn}"), card, "1.00")
            .expect(200);
        // One that was read, or will be, changes its place in the log.
        client
            .step("t-02", "capture", &format!("late-{turn}"), "0.01")
            .expect(200);
        if told["has_more"] == false {
            assert_eq!(told["next_cursor"], Value::Null);
            break;
        }
        cursor = format!("&cursor={}", told["next_cursor"].as_str().unwrap());
    }
    let expected: Vec<_> = (0..57)
        .rev()
        .map(|number| format!("t-{number:02}"))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn filters_pick_by_state_and_time() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(10_000_000);
    let mut times = Vec::new();
    for number in 0..9 {
        let id = format!("t-{number}");
        let amount = if number < 6 { "1.00" } else { "100.00" };
        let answer = client.authorize(&id, &card, amount).expect(200);
        times.push(answer["created_at"].as_str().unwrap().to_owned());
    }
    client.step("t-1", "reverse", "v", "").expect(200);
    client.step("t-2", "capture", "c", "").expect(200);
    client.step("t-2", "refund", "r", "").expect(200);
    client.step("t-3", "capture", "c3", "0.50").expect(200);
    let state = |state: &str| ids(&page(&client, &card, &format!("&state={state}")));
    assert_eq!(state("declined"), ["t-8", "t-7", "t-6"]);
    assert_eq!(state("pending"), ["t-5", "t-4", "t-0"]);
    assert_eq!(state("reversed"), ["t-1"]);
    assert_eq!(state("refunded"), ["t-2"]);
    assert_eq!(state("partially_captured"), ["t-3"]);
    let distinct: BTreeSet<_> = times.iter().collect();
    assert_eq!(
        distinct.len(),
        times.len(),
        "two authorizations at one moment"
    );
    let between = format!("&after={}&before={}", times[3], times[7]);
    assert_eq!(ids(&page(&client, &card, &between)), ["t-6", "t-5", "t-4"]);
    let newest = page(&client, &card, "&limit=1");
    check(&newest, &json!({ "has_more": true }));
    assert_eq!(
        newest["data"][0],
        client.get("/v1/authorizations/t-8").expect(200)
    );
    // What does not fit is not more, also right behind a full page.
    for few in [
        "&state=reversed&limit=5",
        "&state=reversed&limit=1",
        "&state=declined&limit=3",
    ] {
        check(
            &page(&client, &card, few),
            &json!({ "has_more": false, "next_cursor": null }),
        );
    }
    let first = page(&client, &card, "&state=pending&limit=2");
    assert_eq!((&first["has_more"], ids(&first).len()), (&json!(true), 2));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = page(
        &client,
        &card,
        &format!("&state=pending&limit=2&cursor={cursor}"),
    );
    assert_eq!(
        (&second["has_more"], ids(&second)),
        (&json!(false), vec!["t-0".to_owned()])
    );
}

#[test]
fn wrong_parameters_are_named() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(0);
    for (query, field) in [
        ("", "card"),
        ("?card=nobody", "card"),
        ("?card={card}&state=open", "state"),
        ("?card={card}&limit=0", "limit"),
        ("?card={card}&limit=501", "limit"),
        ("?card={card}&after=yesterday", "after"),
        ("?card={card}&before=2026-13-01T00:00:00Z", "before"),
        ("?card={card}&cursor=xyz", "cursor"),
    ] {
        let query = query.replace("{card}", &card);
        let refused = client.get(&format!("/v1/authorizations{query}"));
        assert!((400..500).contains(&refused.status), "{query}: {refused:?}");
        assert_eq!(refused.json["error"]["field"], field, "{query}");
    }
    for (query, field) in [
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ] {
        let refused = client.get(&format!("/v1/authorizations?card={card}&{query}"));
        assert_eq!(refused.code(400), "malformed_request", "{query}");
        assert_eq!(refused.json["error"]["field"], field, "{query}");
    }
    assert_eq!(ids(&page(&client, &card, "")), Vec::<String>::new());
    // Where another card's page ended is no place in this card's list.
    let other = client.card(100_000_000);
    for id in ["o1", "o2"] {
        client.authorize(id, &other, "1.00").expect(200);
    }
    let cursor = page(&client, &other, "&limit=1")["next_cursor"].clone();
    let query = format!("?card={card}&cursor={}", cursor.as_str().unwrap());
    let refused = client.get(&format!("/v1/authorizations{query}"));
    assert_eq!(refused.code(400), "malformed_request");
    assert_eq!(refused.json["error"]["field"], "cursor");
}

#[test]
fn an_id_that_is_a_route_s_last_word_too_is_found() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(100_000_000);
    for id in ["batch", "simulate"] {
        assert_eq!(client.get(&format!("/v1/authorizations/{id}")).status, 404);
        let made = client.authorize(id, &card, "1.00").expect(200);
        let found = client.get(&format!("/v1/authorizations/{id}")).expect(200);
        assert_eq!(found["id"], made["id"]);
    }
}

#[test]
fn a_busy_card_s_authorizations_are_not_said_to_be_unknown() {
    let server = Server::with(&[("CARDWRIGHT_ACTORS__MAILBOX_MAX", "1")]);
    let client = server.client();
    let card = client.card(1_000_000_000);
    let made = client.authorize("known", &card, "1.00").expect(200);
    let paths = ["known", made["id"].as_str().unwrap()];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (client, card) = (server.client(), &card);
            scope.spawn(move || {
                for round in 0..150 {
                    let path = format!("/v1/authorizations/{}", paths[round % 2]);
                    let read = client.get(&path);
                    let is_busy = read.status == 503 && read.headers["retry-after"] == "1";
                    assert!(read.status == 200 || is_busy, "{read:?}");
                    client.authorize(&format!("{thread}-{round}"), card, "0.01");
                }
            });
        }
    });
}
