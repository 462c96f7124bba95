//! Order for each account under load, and signatures that another's library finds right.

use std::thread;

use super::*;

#[test]
fn each_account_gets_its_events_in_order_and_signed() {
    const CARDS: usize = 6;
    const EACH: usize = 30;
    let (server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let set = json!({ "api_key": server::KEY, "webhook_secret": secret });
    let path = "/api/api-keys/origins/sandbox/webhook-secret";
    client.send(("PUT", path), &[], set.to_string()).expect(200);
    let wanted = json!({ "url": receiver.url("/all"), "events": ["purchase"] });
    let (_, endpoint_secret) = endpoint(&client, &wanted);
    let url = |n: usize| receiver.url(&format!("/card/{n}"));
    let cards: Vec<_> = (0..CARDS).map(|n| card_to(&client, &url(n))).collect();
    thread::scope(|scope| {
        for (n, card) in cards.iter().enumerate() {
            let client = server.client();
            scope.spawn(move || buy(&client, card, &ids(&format!("c{n}"), EACH)));
        }
    });
    let all = CARDS * EACH;
    wait_until("everything arrives twice", || {
        receiver.taken("purchase").len() >= 2 * all
    });
    for n in 0..CARDS {
        let own = ids(&format!("c{n}"), EACH);
        assert_eq!(purchases(&receiver, &format!("/card/{n}")), own);
        let mut there = purchases(&receiver, "/all");
        there.retain(|id| own.contains(id));
        assert_eq!(there, own, "the endpoint has all accounts, each in order");
    }
    let hooks = receiver.hooks();
    repeats_are_the_same(&hooks);
    let secret_of = |hook: &Hook| {
        if hook.path == "/all" {
            &endpoint_secret
        } else {
            secret
        }
    };
    let signed: Vec<_> = hooks
        .iter()
        .map(|hook| hook.signed_with(secret_of(hook)))
        .collect();
    verify(&signed);
    for hook in &hooks {
        assert!(hook.headers["user-agent"].starts_with("cardwright/"));
        assert_eq!(hook.headers["content-type"], "application/json");
        assert!(!hook.headers["idempotency-key"].is_empty());
    }
    let metrics = client.get("/metrics").text;
    let line = metrics
        .lines()
        .find(|line| line.contains("webhooks_total{result=\"delivered\"}"));
    let count: usize = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count >= 2 * all, "{count}");
    let said = server.said();
    assert!(
        !said.contains(secret) && !said.contains("MfKQ9r8"),
        "no secret in the log"
    );
}

#[test]
fn both_secrets_sign_while_one_is_replaced() {
    let (server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    let (id, first) = endpoint(&client, &json!({ "url": receiver.url("/e") }));
    let card = client.card(1_000_000_000);
    let rotate = |overlap: i64| {
        let body = json!({ "overlap_s": overlap });
        let path = format!("/v1/webhook-endpoints/{id}/rotate-secret");
        let told = client.post(&path, &body).expect(200);
        told["secret"].as_str().unwrap().to_owned()
    };
    let second = rotate(3_600);
    assert_ne!(first, second);
    buy(&client, &card, &ids("r", 1));
    wait_until("it arrives", || purchases(&receiver, "/e").len() == 1);
    let hook = receiver.taken("purchase").remove(0);
    assert_eq!(hook.headers["webhook-signature"].split(' ').count(), 2);
    verify(&[hook.signed_with(&first), hook.signed_with(&second)]);
    let third = rotate(0);
    buy(&client, &card, &ids("s", 1));
    wait_until("it arrives", || purchases(&receiver, "/e").len() == 2);
    let hook = receiver.taken("purchase").remove(1);
    assert_eq!(hook.headers["webhook-signature"].split(' ').count(), 1);
    verify(&[hook.signed_with(&third)]);
}

#[test]
fn a_programmes_own_secret_is_made_at_first_need_and_shown_once() {
    let (server, receiver) = (start(&[]), Receiver::start());
    let client = server.client();
    let card = card_to(&client, &receiver.url("/own"));
    buy(&client, &card, &ids("o", 1));
    wait_until("it arrives", || purchases(&receiver, "/own").len() == 1);
    let told = client.get("/v1/webhook-secret").expect(200);
    let secret = told["secret"].as_str().unwrap().to_owned();
    let again = client.get("/v1/webhook-secret").expect(200);
    assert_eq!(again["secret"], Value::Null);
    assert_eq!(again["made_at"], told["made_at"]);
    let hook = receiver.taken("purchase").remove(0);
    verify(&[hook.signed_with(&secret)]);
    // Any text is taken, and signs as its bytes; the one before goes on beside it.
    let set = json!({ "api_key": server::KEY, "webhook_secret": "a secret of another form" });
    let path = "/api/api-keys/origins/sandbox/webhook-secret";
    client.send(("PUT", path), &[], set.to_string()).expect(200);
    buy(&client, &card, &ids("p", 1));
    wait_until("it arrives", || purchases(&receiver, "/own").len() == 2);
    let hook = receiver.taken("purchase").remove(1);
    let plain = "whsec_YSBzZWNyZXQgb2YgYW5vdGhlciBmb3Jt";
    verify(&[hook.signed_with(&secret), hook.signed_with(plain)]);
}
