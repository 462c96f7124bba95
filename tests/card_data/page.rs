//! Numbers, links and the page.

use std::{collections::BTreeSet, thread};

use super::{account, follow, is_whole, link, new_card, read, set_status, shown, urn};
use crate::server::{self, HOLDER, Server};
use serde_json::json;

#[test]
fn a_card_has_a_number_a_cvv_and_a_link() {
    let server = Server::with(&[("CARDWRIGHT_CARDS__BIN", "40000012")]);
    let client = server.client();
    let made = new_card(&client, "Groceries");
    let url = made["details"]["card_url_details"].as_str().unwrap();
    assert!(
        url.starts_with(&format!("http://{}/card-details/", server.address())),
        "{url}"
    );
    let page = follow(&client, &link(&made));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(
            page.headers.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    let policy = &page.headers["content-security-policy"];
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    assert!(page.text.contains("Groceries"));
    let first = read(&page);
    assert!(first.pan.starts_with("40000012") && is_whole(&first.pan));
    assert_eq!(
        &first.pan[12..],
        made["details"]["card_last_four"].as_str().unwrap()
    );
    assert_eq!((first.cvv.len(), first.expiry.len()), (3, 5));
    assert_eq!(shown(&client, &urn(&made)), first, "the same each time");
    let listed = client.get("/api/accounts").expect(200);
    assert_eq!(read(&follow(&client, &link(&listed["accounts"][0]))), first);
    let seeded = client.card(5);
    assert!(is_whole(&shown(&client, &seeded).pan));
    let pocket = json!({ "holder_urn": HOLDER, "input": {} });
    let pocket = client.post("/api/mediums/virtual", &pocket).expect(201);
    assert!(
        pocket["result"]["account"]["details"]
            .get("card_url_details")
            .is_none()
    );
}

#[test]
fn a_link_ends_with_its_time_and_with_the_card() {
    let settings = [
        ("CARDWRIGHT_CARDS__DETAILS_LINK_S", "2"),
        (
            "CARDWRIGHT_SERVER__PUBLIC_URL",
            "https://cards.example/pay/",
        ),
    ];
    let server = Server::with(&settings);
    let client = server.client();
    let made = new_card(&client, "c");
    let url = made["details"]["card_url_details"].as_str().unwrap();
    assert!(
        url.starts_with("https://cards.example/pay/card-details/"),
        "{url}"
    );
    let first = link(&made);
    let pan = read(&follow(&client, &first)).pan;
    server::wait_until("the link ends", || follow(&client, &first).status == 410);
    let urn = urn(&made);
    for (status, is_shown) in [
        ("frozen", false),
        ("active", true),
        ("disabled", false),
        ("deleted", false),
    ] {
        let before = account(&client, &urn);
        set_status(&client, &urn, status);
        let now = account(&client, &urn);
        assert_eq!(
            now["details"]["card_url_details"].is_string(),
            is_shown,
            "{status}"
        );
        if is_shown {
            assert_eq!(read(&follow(&client, &link(&now))).pan, pan);
        } else if before["details"]["card_url_details"].is_string() {
            let page = follow(&client, &link(&before));
            assert!(
                [403, 410].contains(&page.status),
                "{status}: {}",
                page.status
            );
            assert!(!page.text.contains(&pan[12..]), "{status}");
            assert_eq!(page.headers["cache-control"], "no-store");
        }
    }
}

#[test]
fn a_link_that_is_not_ours_leads_nowhere() {
    let server = Server::start();
    let client = server.client();
    let (one, two) = (link(&new_card(&client, "1")), link(&new_card(&client, "2")));
    let start = "/card-details/".len();
    for place in (start..one.len()).step_by(5) {
        let mut changed = one.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(follow(&client, &changed).status, 404, "{place}");
    }
    // The signature of one card's link under another's.
    let mixed = format!("{}{}", &one[..start + 21], &two[start + 21..]);
    for path in [
        mixed.as_str(),
        "/card-details/x",
        "/card-details/%00",
        "/card-details/..%2f..",
    ] {
        let page = follow(&client, path);
        assert_eq!(page.status, 404, "{path}");
        assert!(
            page.headers["content-type"].starts_with("text/html"),
            "{path}"
        );
    }
    assert_eq!(client.send(("POST", &one), &[], "").status, 405);
}

#[test]
fn a_retry_shows_the_same_card() {
    let server = Server::start();
    let client = server.client();
    let wanted = json!({ "holder_urn": HOLDER, "input": {}, "metadata": {} }).to_string();
    let make = || {
        client.send(
            ("POST", "/api/mediums/card"),
            &[("idempotency-key", "k")],
            &wanted,
        )
    };
    let (first, again) = (make(), make());
    assert!(again.is_replay() && !first.is_replay());
    let account = |reply: &server::Reply| reply.json["result"]["account"].clone();
    let (mut one, mut two) = (account(&first), account(&again));
    let seen = |account| read(&follow(&client, &link(account)));
    assert_eq!(seen(&one), seen(&two));
    for account in [&mut one, &mut two] {
        account["details"]["card_url_details"].take();
    }
    assert_eq!(one, two, "but for the link, which is signed anew");
}

#[test]
fn many_cards_made_at_once_have_numbers_of_their_own_also_after_a_restart() {
    let mut server = Server::start();
    let made: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let client = server.client();
                scope.spawn(move || {
                    let one = |count: usize| urn(&new_card(&client, &format!("{number}-{count}")));
                    let mut urns: Vec<_> = (0..20).map(one).collect();
                    urns.extend(client.cards(30, 1));
                    urns
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let client = server.client();
    let pans: Vec<_> = made.iter().map(|urn| shown(&client, urn)).collect();
    let distinct: BTreeSet<_> = pans.iter().map(|shown| &shown.pan).collect();
    assert_eq!(distinct.len(), made.len());
    let cvvs: BTreeSet<_> = pans.iter().map(|shown| &shown.cvv).collect();
    assert!(
        cvvs.len() > 100,
        "{} CVVs of {} cards",
        cvvs.len(),
        made.len()
    );
    server.restart();
    let client = server.client();
    for (urn, before) in made.iter().zip(&pans) {
        assert_eq!(shown(&client, urn), *before, "{urn}");
    }
}
