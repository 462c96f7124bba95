//! `GET /v1/events` of a real server: pages, waits, streams, over kills; and who sees what.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first fault"
)]

#[path = "common/server.rs"]
mod server;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use server::{Client, HOLDER, KEY, Server, wait_until};

fn names(page: &Value) -> Vec<String> {
    let all = page["data"].as_array().unwrap().iter();
    all.map(|event| event["event"].as_str().unwrap().to_owned())
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn cursor(page: &Value) -> String {
    text(&page["next_cursor"])
}

fn feed(client: &Client, query: &str) -> Value {
    client.get(&format!("/v1/events?{query}")).expect(200)
}

/// A card of 100 dollars; 50 bought, captured, half refunded.
fn flow(client: &Client) -> String {
    let card = client.card(100_000_000);
    client.authorize("ctx-1", &card, "50.00").expect(200);
    client.step("ctx-1", "capture", "cap-1", "").expect(200);
    client.step("ctx-1", "refund", "ref-1", "25.00").expect(200);
    card
}

const FLOW: [&str; 6] = [
    "card.created",
    "card.status_changed",
    "deposit",
    "purchase",
    "debit_adjustment",
    "credit_adjustment",
];

#[test]
fn a_purchase_s_life_is_told_in_order_by_pages() {
    let server = Server::start();
    let client = server.client();
    let card = flow(&client);
    let other = client.card(1_000_000);
    client.authorize("ctx-2", &other, "500.00").expect(200);
    let whole = feed(&client, &format!("account_urn={card}"));
    assert_eq!(names(&whole), FLOW);
    assert_eq!(whole["has_more"], false);
    let keys = whole["data"].as_array().unwrap()[3..].iter();
    let keys: Vec<_> = keys.map(|event| text(&event["idempotency_key"])).collect();
    assert_eq!(
        keys,
        [
            "authorization-purchase-ctx-1",
            "adjustment-debit_adjustment-cap-1",
            "adjustment-credit_adjustment-ref-1",
        ]
    );
    assert_eq!(whole["data"][5]["data"]["amount"], "25000000");
    assert_eq!(whole["data"][5]["data"]["merchant"]["name"], "AMAZON.COM");
    for limit in [1, 2, 3] {
        let (mut seen, mut at) = (Vec::new(), String::new());
        loop {
            let page = feed(&client, &format!("account_urn={card}&limit={limit}{at}"));
            assert!(page["data"].as_array().unwrap().len() <= limit);
            seen.extend(page["data"].as_array().unwrap().clone());
            at = format!("&cursor={}", cursor(&page));
            if page["has_more"] == false {
                break;
            }
        }
        assert_eq!(json!(seen), whole["data"], "in pages of {limit}");
    }
    for event in whole["data"].as_array().unwrap() {
        let id = text(&event["id"]);
        assert_eq!(client.get(&format!("/v1/events/{id}")).expect(200), *event);
    }
    // A capture at once is two events of one record: a page may end between them.
    let mut at_once = server::purchase("ctx-3", &card, "1.00");
    at_once["capture"] = true.into();
    client.post("/v1/authorizations", &at_once).expect(200);
    let one = feed(
        &client,
        &format!("limit=1&cursor={}&account_urn={card}", cursor(&whole)),
    );
    assert_eq!(
        (names(&one), &one["has_more"]),
        (vec!["purchase".into()], &json!(true))
    );
    let two = feed(
        &client,
        &format!("limit=1&cursor={}&account_urn={card}", cursor(&one)),
    );
    assert_eq!(names(&two), ["debit_adjustment"]);
    let none = feed(&client, &format!("cursor={}", cursor(&two)));
    assert_eq!(names(&none), Vec::<String>::new());
}

#[test]
fn filters_and_what_is_wrong_with_them() {
    let server = Server::start();
    let client = server.client();
    let begun = feed(&client, "cursor=now");
    let card = flow(&client);
    let poor = client.card(1);
    client.authorize("ctx-2", &poor, "5.00").expect(200);
    let after = format!("cursor={}", cursor(&begun));
    for (query, expected) in [
        ("event=purchase", vec!["purchase"]),
        ("event=card.cr*", vec!["card.created", "card.created"]),
        (
            "event=rejected_*&event=credit_adjustment",
            vec!["credit_adjustment", "rejected_insufficient_funds"],
        ),
        ("since=2100-01-01T00:00:00Z", vec![]),
        ("until=2020-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(
            names(&feed(&client, &format!("{after}&{query}"))),
            expected,
            "{query}"
        );
    }
    // From the beginning by time alone, without a cursor.
    let whole = feed(&client, &format!("account_urn={card}"));
    let deposited = text(&whole["data"][2]["created_at"]);
    let since = feed(&client, &format!("account_urn={card}&since={deposited}"));
    assert_eq!(since["data"], json!(whole["data"].as_array().unwrap()[2..]));
    let until = feed(&client, &format!("account_urn={card}&until={deposited}"));
    assert_eq!(names(&until), ["card.created", "card.status_changed"]);
    for (query, field) in [
        ("event=nonsense", "event"),
        ("cursor=cur_x", "cursor"),
        ("cursor=cur_00000000000000000", "cursor"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("wait=31", "wait"),
        ("since=yesterday", "since"),
        ("account_urn=nobody", "account_urn"),
        ("nonsense=1", "nonsense"),
    ] {
        let reply = client.get(&format!("/v1/events?{query}"));
        assert_eq!(reply.code(400), "malformed_request", "{query}");
        assert_eq!(reply.json["error"]["field"], field, "{query}");
    }
    for id in ["evt_", "evt_00000000000000000", "cur_x", "x"] {
        let reply = client.get(&format!("/v1/events/{id}"));
        assert_eq!(reply.code(404), "event_not_found", "{id}");
    }
}

#[test]
fn a_wait_ends_with_the_event_or_with_its_time() {
    let server = Server::with(&[("CARDWRIGHT_EVENTS__WAITING_MAX", "2")]);
    let client = server.client();
    let card = client.card(100_000_000);
    let begun = Instant::now();
    let none = feed(&client, "cursor=now&wait=1");
    assert_eq!(names(&none), Vec::<String>::new());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let at = cursor(&none);
    let waiters: Vec<_> = (0..2)
        .map(|_| {
            let (client, query) = (
                server.client(),
                format!("event=purchase&wait=30&cursor={at}"),
            );
            thread::spawn(move || {
                loop {
                    // The one who looks whether both wait may have their place for a moment.
                    let reply = client.get(&format!("/v1/events?{query}"));
                    if reply.status != 503 {
                        return (reply.expect(200), Instant::now());
                    }
                }
            })
        })
        .collect();
    // Both wait once a third finds no place.
    wait_until("both wait", || {
        client
            .get(&format!("/v1/events?wait=1&event=deposit&cursor={at}"))
            .status
            == 503
    });
    // Something that does not fit wakes nobody for good.
    client.authorize("ctx-0", &card, "5000.00").expect(200);
    client.authorize("ctx-1", &card, "5.00").expect(200);
    let answered = Instant::now();
    for waiter in waiters {
        let (page, when) = waiter.join().unwrap();
        assert_eq!(names(&page), ["purchase"]);
        let took = when.saturating_duration_since(answered);
        assert!(took < Duration::from_secs(1), "it took {took:?}");
    }
    wait_until("places are given back", || {
        client
            .get(&format!("/v1/events?wait=1&event=purchase&cursor={at}"))
            .status
            == 200
    });
}

#[test]
fn each_sees_its_own() {
    let server = Server::start();
    let client = server.client();
    let card = flow(&client);
    let made = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let acme = client.with_key(made["api_key"].as_str());
    assert_eq!(names(&feed(&acme, "limit=1000")), Vec::<String>::new());
    assert_eq!(
        names(&feed(&acme, &format!("account_urn={card}"))),
        Vec::<String>::new()
    );
    let whole = feed(&client, &format!("account_urn={card}"));
    let id = text(&whole["data"][0]["id"]);
    assert_eq!(
        acme.get(&format!("/v1/events/{id}")).code(404),
        "event_not_found"
    );
    let holder = |alias: &str| {
        let value = json!({ "api_key": KEY, "alias": alias });
        let mut body = json!({
            "assertion_result": { "challengeType": "API_KEY", "value": value },
            "extra_context": {},
        });
        let way = if alias == "demo" {
            "connect"
        } else {
            body["type"] = "individual".into();
            "register"
        };
        let path = format!("/api/origins/sandbox/{way}");
        let status = if way == "connect" { 200 } else { 201 };
        let session = client.post(&path, &body).expect(status);
        client.with_key(session["result"]["access_token"].as_str())
    };
    let (demo, eva) = (holder("demo"), holder("eva"));
    assert_eq!(names(&feed(&eva, "")), Vec::<String>::new());
    assert_eq!(
        eva.get(&format!("/v1/events/{id}")).code(404),
        "event_not_found"
    );
    let body = json!({ "holder_urn": "did:bloque:sandbox:eva", "input": {} });
    client.post("/api/mediums/virtual", &body).expect(201);
    let made = ["account.created", "account.status_changed"];
    assert_eq!(names(&feed(&eva, "")), made);
    let own = feed(&demo, "");
    assert_eq!(
        names(&own),
        FLOW,
        "the holder's accounts, nothing of the programme"
    );
    assert!(
        own["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|event| event["holder_urn"] == HOLDER)
    );
    let all = names(&feed(&client, ""));
    assert!(all.contains(&"identity.created".to_owned()), "{all:?}");
}

/// A stream that is being read.
struct Stream {
    lines: BufReader<TcpStream>,
    /// The id sent last.
    last: String,
}

impl Stream {
    fn open(server: &Server, query: &str, last: Option<&str>) -> Self {
        Self::with_key(server, KEY, query, last)
    }

    /// The answer has begun when this returns, so its first page is being read.
    fn with_key(server: &Server, key: &str, query: &str, last: Option<&str>) -> Self {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let last_id = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        write!(
            socket,
            "GET /v1/events?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
             Accept: text/event-stream\r\n{last_id}\r\n"
        )
        .unwrap();
        let mut stream = Self {
            lines: BufReader::new(socket),
            last: last.unwrap_or_default().to_owned(),
        };
        let status = stream.line().unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        stream
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
        }
    }

    /// The next event; nothing once the stream has ended.
    fn next(&mut self) -> Option<Value> {
        let mut id = String::new();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            assert!(Instant::now() < deadline, "no event came");
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                // A chunk that is cut off by a kill is no whole event.
                let event = serde_json::from_str(data).ok()?;
                self.last = id;
                return Some(event);
            }
        }
    }
}

#[test]
fn a_stream_loses_and_doubles_nothing_over_a_kill() {
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(1_000_000_000);
    let mut seen = Vec::new();
    let mut last: Option<String> = None;
    for round in 0..3 {
        let mut stream = Stream::open(&server, "event=purchase", last.as_deref());
        let (client, card) = (server.client(), card.clone());
        let buying = thread::spawn(move || {
            for n in 0..40 {
                let body = server::purchase(&format!("ctx-{round}-{n}"), &card, "1.00").to_string();
                let headers = [("content-type", "application/json")];
                let route = ("POST", "/v1/authorizations");
                if client.try_send(route, &headers, body.as_bytes()).is_err() {
                    return;
                }
            }
        });
        // Killed in the middle, with purchases under way.
        for _ in 0..15 {
            seen.push(stream.next().expect("there are more"));
        }
        last = Some(stream.last.clone());
        server.kill();
        buying.join().unwrap();
        server.restart();
    }
    let client = server.client();
    client.authorize("the-last", &card, "1.00").expect(200);
    let mut stream = Stream::open(&server, "event=purchase", last.as_deref());
    loop {
        let event = stream.next().expect("the last one comes");
        let is_last = event["data"]["transaction_id"] == "the-last";
        seen.push(event);
        if is_last {
            break;
        }
    }
    let whole = feed(&client, "event=purchase&limit=1000");
    assert_eq!(json!(seen), whole["data"]);
    let ids: BTreeSet<_> = seen.iter().map(|event| text(&event["id"])).collect();
    assert_eq!(ids.len(), seen.len());
    assert!(seen.len() > 45, "{}", seen.len());
    // Live, too: what happens now comes within a second.
    client.authorize("live", &card, "1.00").expect(200);
    let answered = Instant::now();
    assert_eq!(stream.next().unwrap()["data"]["transaction_id"], "live");
    assert!(answered.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_stream_ends_with_the_server_and_with_its_key() {
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(1_000_000);
    let mut stream = Stream::open(&server, "cursor=now", None);
    client.authorize("ctx-1", &card, "0.01").expect(200);
    assert_eq!(stream.next().unwrap()["event"], "purchase");
    server.ask_to_stop();
    assert_eq!(stream.next(), None, "the stream ends");
    assert_eq!(server.wait(), Some(0), "and does not hold the server up");
}

#[test]
fn a_key_that_ends_ends_its_stream() {
    let server = Server::start();
    let client = server.client();
    let card = client.card(1_000_000);
    let wanted = json!({ "name": "k", "scopes": ["programme"] });
    let made = client.post("/v1/api-keys", &wanted).expect(201);
    let key = text(&made["secret_key"]);
    let mut stream = Stream::with_key(&server, &key, "cursor=now", None);
    client.authorize("ctx-1", &card, "0.01").expect(200);
    assert_eq!(stream.next().unwrap()["event"], "purchase");
    let path = format!("/v1/api-keys/{}", text(&made["key_id"]));
    client.send(("DELETE", &path), &[], "").expect(200);
    client.authorize("ctx-2", &card, "0.01").expect(200);
    assert_eq!(
        stream.next(),
        None,
        "nothing is told to a key that has ended"
    );
}
