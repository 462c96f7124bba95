//! Card data: numbers and the page that shows them, the vault's keys and their rotation, and that nothing
//! of it is anywhere else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at what it did not expect"
)]

#[path = "../common/server.rs"]
mod server;

mod browser;
mod keys;
mod leaks;
mod page;
mod rotation;

use serde_json::{Value, json};
use server::{Client, HOLDER, Reply};

/// Two data keys.
const ONE: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";
const TWO: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What a page shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    pan: String,
    expiry: String,
    cvv: String,
}

fn new_card(client: &Client, name: &str) -> Value {
    let wanted = json!({
        "holder_urn": HOLDER, "input": { "create": { "card_type": "VIRTUAL" } },
        "metadata": { "name": name },
    });
    let made = client.post("/api/mediums/card", &wanted).expect(201);
    made["result"]["account"].clone()
}

fn urn(account: &Value) -> String {
    account["urn"].as_str().unwrap().to_owned()
}

/// The path of an account's link.
#[track_caller]
fn link(account: &Value) -> String {
    let url = account["details"]["card_url_details"].as_str();
    let url = url.unwrap_or_else(|| panic!("no link: {account}"));
    url[url.find("/card-details/").unwrap()..].to_owned()
}

fn account(client: &Client, urn: &str) -> Value {
    client.get(&format!("/api/accounts/{urn}")).expect(200)["account"].clone()
}

/// Looks at a card's page as its holder does: by a fresh link, without a key.
#[track_caller]
fn shown(client: &Client, urn: &str) -> Shown {
    read(&follow(client, &link(&account(client, urn))))
}

fn follow(client: &Client, link: &str) -> Reply {
    client.with_key(None).get(link)
}

#[track_caller]
fn read(page: &Reply) -> Shown {
    assert_eq!(page.status, 200, "{}", page.text);
    let value = |name: &str| {
        let (_, rest) = page
            .text
            .split_once(&format!("data-secret=\"{name}\""))
            .unwrap();
        let (_, rest) = rest.split_once("data-value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    Shown {
        pan: value("pan"),
        expiry: value("expiry"),
        cvv: value("cvv"),
    }
}

fn is_whole(pan: &str) -> bool {
    let digit = |(place, digit): (usize, char)| {
        let value = digit.to_digit(10).unwrap() * (1 + u32::try_from(place % 2).unwrap());
        if value > 9 { value - 9 } else { value }
    };
    let sum: u32 = pan.chars().rev().enumerate().map(digit).sum();
    sum.is_multiple_of(10)
}

fn set_status(client: &Client, urn: &str, status: &str) {
    let path = format!("/api/accounts/{urn}");
    let body = json!({ "status": status }).to_string();
    client.send(("PATCH", &path), &[], body).expect(200);
}
