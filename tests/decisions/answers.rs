//! What comes of each answer, and of none.

use std::{thread, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    DOLLAR, ask_at, counted,
    endpoint::{Endpoint, Says, no, yes},
    server::{Balance, purchase, wait_until},
    start, with,
};

#[test]
#[expect(clippy::too_many_lines, reason = "one story from beginning to end")]
fn a_yes_approves_and_a_no_declines_and_gives_the_money_back() {
    let (server, endpoint) = (start(), Endpoint::start(yes()));
    let client = server.client();
    let card = client.card(100_000_000);
    ask_at(&client, &endpoint.url(), 2_000, "decline");
    let told = client.authorize("a-1", &card, "60.00").expect(200);
    assert_eq!(
        (&told["status"], &told["response_code"]),
        (&json!("approved"), &json!("00"))
    );
    assert_eq!(
        (&told["state"], &told["held_amount"]),
        (&json!("pending"), &json!("60000000"))
    );
    let decision = &told["decision"];
    assert_eq!(
        (&decision["asked"], &decision["verdict"], &decision["by"]),
        (&json!(true), &json!("approved"), &json!("programme"))
    );
    assert!(decision["latency_ms"].as_f64().unwrap() > 0.0, "{told}");
    assert!(told.get("operation").is_none(), "{told}");

    endpoint.say(no("over the\\nteam's budget"));
    let told = client.authorize("a-2", &card, "10.00").expect(200);
    assert_eq!(
        (&told["status"], &told["state"]),
        (&json!("declined"), &json!("declined"))
    );
    assert_eq!(
        (
            &told["decline_reason"],
            &told["response_code"],
            &told["amount"]
        ),
        (&json!("decision_declined"), &json!("05"), &Value::Null)
    );
    assert_eq!(told["decision"]["reason"], "over the team's budget");
    let balance = Balance::of(&told);
    assert_eq!(
        (balance.current, balance.pending),
        (40 * DOLLAR, 60 * DOLLAR)
    );

    // What the rules decline, nobody is asked.
    let told = client.authorize("a-3", &card, "50.00").expect(200);
    assert_eq!(told["decline_reason"], "insufficient_funds");
    assert!(told.get("decision").is_none());
    client.balance("inquiry", &card);
    assert_eq!(endpoint.questions().len(), 2);

    // Later it is told the same, and what is declined is over.
    let shown = client
        .get("/v1/authorizations/a-2?explain=true")
        .expect(200);
    assert_eq!(
        (&shown["state"], &shown["decision"]["verdict"]),
        (&json!("declined"), &json!("declined"))
    );
    assert_eq!(shown["explanation"]["decision"], shown["decision"]);
    for step in ["capture", "reverse", "refund"] {
        assert_eq!(
            client.step("a-2", step, step, "").code(409),
            "invalid_state"
        );
    }
    let captured = client.step("a-1", "capture", "c-1", "").expect(200);
    assert_eq!(captured["captured_amount"], "60000000");
    let listed = client
        .get(&format!("/v1/authorizations?card={card}&state=declined"))
        .expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(
        (
            counted(&client, "approved", "programme"),
            counted(&client, "declined", "programme")
        ),
        (1, 1)
    );
    client.trial_balance();
}

#[test]
fn the_question_says_it_all_and_is_signed() {
    let (server, endpoint) = (start(), Endpoint::start(yes()));
    let client = server.client();
    let card = client.card(100_000_000);
    let secret = ask_at(&client, &endpoint.url(), 1_500, "decline")["secret"].clone();
    let mut wanted = purchase("q-1", &card, "12.34");
    wanted["medium"] = json!({ "entry_mode": "CONTACTLESS" });
    let told = client.post("/v1/authorizations", &wanted).expect(200);
    let question = endpoint.questions().remove(0);
    let (asked, data) = (&question.json, &question.json["data"]);
    assert_eq!(
        (&asked["type"], &asked["answer_within_ms"]),
        (&json!("authorization.request"), &json!(1_300))
    );
    for name in [
        "id",
        "transaction_id",
        "card",
        "amount",
        "asset",
        "legs",
        "local_amount",
    ] {
        assert_eq!(data[name], told[name], "{name}");
    }
    assert_eq!(
        (&data["merchant"]["mcc"], &data["medium"]["entry_mode"]),
        (&json!("5411"), &json!("CONTACTLESS"))
    );
    let id = question.headers["webhook-id"].clone();
    assert_eq!(asked["id"], id);
    assert_eq!(id.replace("dec_", "auth_"), told["id"].as_str().unwrap());
    let signed = signature(&secret, &question.headers, &question.text);
    assert_eq!(question.headers["webhook-signature"], signed);

    // For a day a question bears the signatures of both secrets.
    let route = ("POST", "/v1/decision-endpoint/rotate-secret");
    let rotated = client
        .send(route, &[("idempotency-key", "r-1")], "")
        .expect(200);
    let again = client.send(route, &[("idempotency-key", "r-1")], "");
    assert!(again.is_replay());
    assert_eq!(again.expect(200)["secret"], rotated["secret"]);
    client.authorize("q-2", &card, "1.00").expect(200);
    let question = endpoint.questions().remove(1);
    let both = [&rotated["secret"], &secret]
        .map(|secret| signature(secret, &question.headers, &question.text));
    assert_eq!(question.headers["webhook-signature"], both.join(" "));
    assert_ne!(both[0], both[1]);
}

fn signature(
    secret: &Value,
    headers: &std::collections::BTreeMap<String, String>,
    body: &str,
) -> String {
    let secret = secret.as_str().unwrap().strip_prefix("whsec_").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(secret).unwrap()).unwrap();
    mac.update(
        format!(
            "{}.{}.{body}",
            headers["webhook-id"], headers["webhook-timestamp"]
        )
        .as_bytes(),
    );
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story from beginning to end")]
fn without_a_usable_answer_the_fallback_decides() {
    let (server, endpoint) = (start(), Endpoint::start(yes()));
    let client = server.client();
    let card = client.card(1_000_000_000);
    let target = Endpoint::start(yes());
    let late = |says: &str| Says::This(200, says.into(), Duration::from_secs(2));
    let at_once = |status, body: &str| Says::This(status, body.into(), Duration::ZERO);
    let cases = [
        (late(r#"{"approved":true}"#), "timeout"),
        (late(r#"{"approved":false}"#), "timeout"),
        (at_once(500, r#"{"approved":true}"#), "fault"),
        (at_once(404, ""), "fault"),
        (at_once(200, "yes"), "fault"),
        (at_once(200, "{}"), "fault"),
        (at_once(200, r#"{"approved":"true"}"#), "fault"),
        (
            at_once(
                200,
                &format!(r#"{{"approved":true,"reason":"{}"}}"#, "x".repeat(20_000)),
            ),
            "fault",
        ),
        (Says::Elsewhere(target.url()), "fault"),
    ];
    let mut expected = std::collections::BTreeMap::new();
    for (fallback, status) in [("decline", "declined"), ("approve", "approved")] {
        ask_at(&client, &endpoint.url(), 500, fallback);
        for (n, (says, by)) in cases.iter().enumerate() {
            endpoint.say(says.clone());
            let told = client
                .authorize(&format!("{fallback}-{n}"), &card, "1.00")
                .expect(200);
            assert_eq!(
                (&told["status"], &told["decision"]["by"]),
                (&json!(status), &json!(by)),
                "{says:?} {told}"
            );
            if status == "declined" {
                assert_eq!(
                    (&told["decline_reason"], &told["response_code"]),
                    (&json!("decision_timeout"), &json!("91"))
                );
            }
            *expected.entry((status, *by)).or_insert(0) += 1;
        }
        // Nobody listens there.
        ask_at(&client, "http://127.0.0.1:1/decide", 500, fallback);
        let told = client
            .authorize(&format!("{fallback}-refused"), &card, "1.00")
            .expect(200);
        assert_eq!(
            (&told["status"], &told["decision"]["by"]),
            (&json!(status), &json!("fault"))
        );
        *expected.entry((status, "fault")).or_insert(0) += 1;
    }
    assert!(target.questions().is_empty(), "no redirect is followed");
    for ((status, by), count) in expected {
        assert_eq!(counted(&client, status, by), count, "{status} {by}");
    }
    let shown = client.get("/v1/decision-endpoint").expect(200);
    let figures = &shown["figures"];
    assert_eq!(
        (&figures["approved"], &figures["declined"]),
        (&json!(10), &json!(10)),
        "{shown}"
    );
    assert_eq!(
        figures["by"]["timeout"],
        json!({ "approved": 2, "declined": 2 })
    );
    assert!(
        figures["latency_us"]["p99"].as_u64().unwrap() >= 250_000,
        "{shown}"
    );
    let balance = client.balance("inquiry", &card);
    assert_eq!(
        (balance.current, balance.pending),
        (990 * DOLLAR, 10 * DOLLAR)
    );
    client.trial_balance();
}

#[test]
fn two_same_requests_are_one_question_and_one_answer() {
    let (server, endpoint) = (start(), Endpoint::start(Says::Waits));
    let client = server.client();
    let card = client.card(100_000_000);
    ask_at(&client, &endpoint.url(), 2_000, "approve");
    let ask = |_| {
        let (client, card) = (server.client(), card.clone());
        thread::spawn(move || client.authorize("same", &card, "70.00"))
    };
    let asking: Vec<_> = (0..4).map(ask).collect();
    endpoint.wait_for(1);
    // What would follow waits for the answer.
    let reversal = {
        let client = server.client();
        thread::spawn(move || client.step("same", "reverse", "r", ""))
    };
    let shown = client.get("/v1/authorizations/same").expect(200);
    assert_eq!(
        (&shown["state"], &shown["decision"]["verdict"]),
        (&json!("pending"), &Value::Null)
    );
    endpoint.say(no("not today"));
    let replies: Vec<_> = asking
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    let first = replies[0].text.clone();
    assert!(first.contains("decision_declined"), "{first}");
    assert!(replies.iter().all(|reply| reply.text == first));
    assert_eq!(replies.iter().filter(|reply| !reply.is_replay()).count(), 1);
    assert_eq!(reversal.join().unwrap().code(409), "invalid_state");
    let again = client.authorize("same", &card, "70.00");
    assert!(again.is_replay());
    assert_eq!(again.text, first);
    assert_eq!(
        client.authorize("same", &card, "71.00").code(409),
        "idempotency_conflict"
    );
    assert_eq!(endpoint.questions().len(), 1);
    let balance = client.balance("inquiry", &card);
    assert_eq!((balance.current, balance.pending), (100 * DOLLAR, 0));
}

#[test]
fn a_retry_is_answered_the_same_when_the_settings_have_changed() {
    let (server, endpoint) = (start(), Endpoint::start(yes()));
    let client = server.client();
    let card = client.card(100_000_000);
    let plain = client.authorize("plain", &card, "1.00");
    ask_at(&client, &endpoint.url(), 2_000, "decline");
    let mut capture = purchase("captured", &card, "50.00");
    capture["capture"] = true.into();
    let captured = client.post("/v1/authorizations", &capture);
    assert_eq!(captured.json["state"], "captured", "{}", captured.text);
    assert_eq!(captured.json["captured_amount"], "50000000");
    assert_eq!(client.authorize("plain", &card, "1.00").text, plain.text);
    client
        .send(("DELETE", "/v1/decision-endpoint"), &[], "")
        .expect(200);
    assert_eq!(
        client.post("/v1/authorizations", &capture).text,
        captured.text
    );
    let told = client.authorize("later", &card, "1.00").expect(200);
    assert!(told.get("decision").is_none(), "{told}");
    assert_eq!(endpoint.questions().len(), 1);
    let simulated = client
        .post("/v1/authorizations/simulate", &purchase("s", &card, "1.00"))
        .expect(200);
    assert!(simulated.get("decision").is_none());
    ask_at(&client, &endpoint.url(), 2_000, "decline");
    let simulated = client
        .post("/v1/authorizations/simulate", &purchase("s", &card, "1.00"))
        .expect(200);
    assert_eq!(simulated["decision"]["asked"], true, "{simulated}");
    assert_eq!(endpoint.questions().len(), 1, "a simulation asks nobody");
    client.trial_balance();
}

#[test]
fn a_slow_endpoint_lets_nobody_overspend() {
    let (server, endpoint) = (start(), Endpoint::start(Says::Waits));
    let client = server.client();
    let card = client.card(100_000_000);
    ask_at(&client, &endpoint.url(), 2_000, "approve");
    let ask = |n: usize| {
        let (client, card) = (server.client(), card.clone());
        thread::spawn(move || {
            client
                .authorize(&format!("race-{n}"), &card, "30.00")
                .expect(200)
        })
    };
    let asking: Vec<_> = (0..20).map(ask).collect();
    endpoint.wait_for(3);
    endpoint.say(Says::This(
        200,
        r#"{"approved":true}"#.into(),
        Duration::from_millis(50),
    ));
    let told: Vec<_> = asking
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    let approved = told
        .iter()
        .filter(|told| told["status"] == "approved")
        .count();
    let short = told
        .iter()
        .filter(|told| told["decline_reason"] == "insufficient_funds")
        .count();
    assert_eq!((approved, short), (3, 17), "{told:?}");
    let balance = client.balance("inquiry", &card);
    assert_eq!(
        (balance.current, balance.pending),
        (10 * DOLLAR, 90 * DOLLAR)
    );
    client.trial_balance();
}

#[test]
fn beyond_so_many_questions_the_fallback_decides_at_once() {
    let server = with(&[("CARDWRIGHT_DECISIONS__IN_FLIGHT_MAX", "2")]);
    let endpoint = Endpoint::start(Says::Waits);
    let client = server.client();
    let card = client.card(100_000_000);
    ask_at(&client, &endpoint.url(), 2_000, "decline");
    let ask = |n: usize| {
        let (client, card) = (server.client(), card.clone());
        thread::spawn(move || {
            client
                .authorize(&format!("load-{n}"), &card, "1.00")
                .expect(200)
        })
    };
    let asking: Vec<_> = (0..2).map(ask).collect();
    endpoint.wait_for(2);
    let told = client.authorize("one-more", &card, "1.00").expect(200);
    assert_eq!(
        (&told["status"], &told["decision"]["by"]),
        (&json!("declined"), &json!("overload"))
    );
    endpoint.say(yes());
    for told in asking {
        assert_eq!(told.join().unwrap()["status"], "approved");
    }
    wait_until("places are free again", || {
        let id = format!("free-{}", endpoint.questions().len());
        client.authorize(&id, &card, "1.00").expect(200)["status"] == "approved"
    });
}

#[test]
fn each_item_of_a_batch_is_asked_about() {
    let server = with(&[("CARDWRIGHT_DECISIONS__IN_FLIGHT_MAX", "4")]);
    let endpoint = Endpoint::start(yes());
    let client = server.client();
    let card = client.card(100_000_000);
    ask_at(&client, &endpoint.url(), 2_000, "decline");
    let mut items: Vec<_> = (0..12)
        .map(|n| purchase(&format!("item-{n}"), &card, "5.00"))
        .collect();
    items.push(purchase("item-0", &card, "5.00"));
    items.push(purchase("too-much", &card, "99.00"));
    let batch = |items: &[Value]| {
        client
            .post("/v1/authorizations/batch", &json!(items))
            .expect(200)
    };
    let told = batch(&items);
    let bodies: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["body"])
        .collect();
    for body in &bodies[..13] {
        assert_eq!(
            (&body["status"], &body["decision"]["by"]),
            (&json!("approved"), &json!("programme")),
            "{body}"
        );
    }
    assert_eq!(bodies[12], bodies[0], "the same item is one purchase");
    assert_eq!(bodies[13]["decline_reason"], "insufficient_funds");
    assert_eq!(endpoint.questions().len(), 12);
    let again = batch(&items);
    for (first, again) in told
        .as_array()
        .unwrap()
        .iter()
        .zip(again.as_array().unwrap())
    {
        assert_eq!(first["body"], again["body"]);
    }
    let single = client.authorize("item-3", &card, "5.00");
    assert_eq!(&single.json, bodies[3]);
    assert_eq!(endpoint.questions().len(), 12);
}
