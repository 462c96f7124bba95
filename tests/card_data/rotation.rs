//! Rotation while cards are made and used, and `kill -9` in the middle of it.

use std::{
    fs,
    process::{Command, Output},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use super::{account, new_card, shown, urn};
use crate::server::{self, Client, KEY, Server};
use serde_json::Value;

fn told(client: &Client) -> Value {
    client.get("/v1/vault/keys").expect(200)
}

fn is_settled(client: &Client) -> bool {
    let told = told(client);
    told["running"] == false && told["finished"] == true
}

fn keys(server: &Server, words: &[&str]) -> Output {
    let url = format!("http://{}", server.address());
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardwright"));
    command
        .arg("keys")
        .args(words)
        .args(["--url", &url, "--key", KEY]);
    command.output().unwrap()
}

#[track_caller]
fn says(output: &Output, code: i32, text: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(said.contains(text), "{text}: {said}");
}

/// Makes cards and buys with others until it is told to stop.
fn load(
    client: &Client,
    (number, first): (usize, &[String]),
    stop: &AtomicBool,
    (made, bought): (&Mutex<Vec<String>>, &AtomicUsize),
) {
    let mut count = 0_usize;
    while !stop.load(Ordering::Relaxed) {
        let urn = urn(&new_card(client, "under load"));
        made.lock().unwrap().push(urn);
        let card = &first[count % first.len()];
        let told = client.authorize(&format!("load-{number}-{count}"), card, "1.00");
        assert_eq!(told.expect(200)["status"], "approved");
        bought.fetch_add(1, Ordering::Relaxed);
        count += 1;
    }
}

#[test]
fn keys_rotate_under_load_and_the_old_one_can_go() {
    let mut server = Server::start();
    let client = server.client();
    let first = client.cards(800, 1_000_000_000);
    let before = account(&client, &first[0]);
    let seen: Vec<_> = first
        .iter()
        .step_by(40)
        .map(|urn| shown(&client, urn))
        .collect();
    let (stop, made, bought) = (
        AtomicBool::new(false),
        Mutex::new(Vec::new()),
        AtomicUsize::new(0),
    );
    thread::scope(|scope| {
        for number in 0..2 {
            let (client, stop, made) = (server.client(), &stop, &made);
            let (first, bought) = (&first, &bought);
            scope.spawn(move || load(&client, (number, first), stop, (made, bought)));
        }
        let made_before = || made.lock().unwrap().len();
        server::wait_until("the load runs", || made_before() > 4);
        says(&keys(&server, &["rotate"]), 0, "key 2 (active)");
        let during = made_before();
        server::wait_until("cards are made after it", || made_before() > during + 4);
        // Somebody may be sealing at that moment: then it says so, and is tried again.
        server::wait_until("the old key goes", || {
            keys(&server, &["retire", "1"]).status.success()
        });
        stop.store(true, Ordering::Relaxed);
    });
    assert!(bought.load(Ordering::Relaxed) > 8);
    says(&keys(&server, &["list"]), 0, "key 2 (active)");
    says(&keys(&server, &["retire", "1"]), 1, "there is no key 1");
    says(&keys(&server, &["retire", "2"]), 1, "active");
    let text = fs::read_to_string(server.data_dir().join("vault.keys")).unwrap();
    assert!(
        text.contains("\n2:") && !text.contains("\n1:"),
        "the file has the second key only"
    );
    let now = account(&client, &first[0]);
    assert_eq!(
        before["updated_at"], now["updated_at"],
        "nothing happened to the card"
    );
    let made = made.into_inner().unwrap();
    let all_open = |client: &Client| {
        for (urn, seen) in first.iter().step_by(40).zip(&seen) {
            assert_eq!(shown(client, urn), *seen, "{urn}");
        }
        for urn in &made {
            shown(client, urn);
        }
    };
    all_open(&client);
    server.restart();
    all_open(&server.client());
    let told = told(&server.client());
    assert_eq!(told["data"].as_array().unwrap().len(), 1, "{told}");
    let cards = told["data"][0]["sealed"]["cards"].as_u64().unwrap();
    assert_eq!(usize::try_from(cards).unwrap(), first.len() + made.len());
    server.client().trial_balance();
}

#[test]
fn a_rotation_that_kill_9_ended_goes_on_at_the_next_start() {
    let mut server = Server::start();
    let client = server.client();
    let cards = client.cards(6_000, 0);
    let seen: Vec<_> = cards
        .iter()
        .step_by(500)
        .map(|urn| shown(&client, urn))
        .collect();
    let begun = client.post("/v1/vault/keys", &Value::Null).expect(202);
    assert_eq!(
        (&begun["key_id"], &begun["is_new"]),
        (&2.into(), &true.into())
    );
    let again = client.post("/v1/vault/keys", &Value::Null);
    assert!(again.status == 409 || is_settled(&client), "{}", again.text);
    server::wait_until("the rotation is under way", || {
        told(&client)["resealed"].as_u64() > Some(0)
    });
    server.kill();
    server.restart();
    let client = server.client();
    assert!(
        server
            .said()
            .contains("a rotation of the vault's keys goes on"),
        "it had ended already"
    );
    server::wait_until("the rotation ends", || is_settled(&client));
    let now = told(&client);
    assert_eq!(now["data"][0]["sealed"]["total"], 0, "{now}");
    assert_eq!(now["data"][1]["sealed"]["cards"], 6_000, "{now}");
    client
        .send(("DELETE", "/v1/vault/keys/1"), &[], "")
        .expect(200);
    server.restart();
    let client = server.client();
    for (urn, seen) in cards.iter().step_by(500).zip(&seen) {
        assert_eq!(shown(&client, urn), *seen, "{urn}");
    }
}
