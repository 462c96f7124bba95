//! Where webhooks may not go.

use super::*;
use crate::receiver::Answer;

#[test]
fn a_redirect_is_not_followed() {
    let (server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    let to = receiver.url("/inside");
    receiver.answer(move |_| Answer {
        headers: format!("location: {to}\r\n"),
        ..Answer::of(307)
    });
    let card = card_to(&client, &receiver.url("/a"));
    buy(&client, &card, &ids("r", 1));
    wait_until("it fails", || {
        !deliveries(&client, "status=failed").is_empty()
    });
    let told = deliveries(&client, "status=failed");
    assert_eq!(told[0]["status_code"], 307);
    assert!(receiver.hooks().iter().all(|hook| hook.path == "/a"));
}

#[test]
fn no_notation_of_a_private_address_is_reached() {
    let server = Server::with(&[("CARDWRIGHT_WEBHOOKS__DELAYS_S", "[1]")]);
    let receiver = Receiver::start();
    let client = server.client();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::]",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.0.1",
    ];
    let port = receiver.port;
    let urls: Vec<_> = hosts
        .iter()
        .map(|host| format!("http://{host}:{port}/x"))
        .collect();
    let mut refused = Vec::new();
    for (n, url) in urls.iter().enumerate() {
        let card = client.card(1_000_000_000);
        let body = json!({ "webhook_url": url }).to_string();
        let path = format!("/api/accounts/{card}");
        let set = client.send(("PATCH", &path), &[], body);
        if set.status == 400 {
            refused.push(url.clone());
            continue;
        }
        set.expect(200);
        buy(&client, &card, &ids(&format!("x{n}"), 1));
    }
    let failed = |url: &String| {
        let told = deliveries(&client, "status=failed&limit=200");
        let found = told.iter().find(|it| it["url"] == json!(url)).cloned();
        found.map(|it| it["error"].as_str().unwrap().to_owned())
    };
    for url in urls.iter().filter(|url| !refused.contains(url)) {
        wait_until(url, || failed(url).is_some());
        let error = failed(url).unwrap();
        // A notation that the system does not read as an address is a name that leads nowhere.
        let is_refused = error.contains("not public") || error.contains("host is not found");
        assert!(is_refused, "{url}: {error}");
    }
    assert_eq!(receiver.connections(), 0, "nothing reached it");
    let wrong = |url: &str| {
        let made = client.post("/v1/webhook-endpoints", &json!({ "url": url }));
        assert_eq!(made.code(400), "malformed_request", "{url}");
        assert_eq!(made.json["error"]["field"], "url", "{url}");
    };
    for url in [
        "ftp://a.example/",
        "https://me:pw@a.example/",
        "a.example",
        "https://",
    ] {
        wrong(url);
    }
    let (id, _) = endpoint(&client, &json!({ "url": urls[0] }));
    let tested = client.post(&format!("/v1/webhook-endpoints/{id}/test"), &json!({}));
    let tested = tested.expect(200);
    assert_eq!(tested["delivered"], false);
    assert!(tested["error"].as_str().unwrap().contains("not public"));
}
