//! How much may leave: to the cent, once for each transfer, whatever races.

use std::thread;

use serde_json::{Value, json};

use crate::{
    HOLDER, Reply, counted, current, deposit, pocket, policy, register,
    server::{DUSD, Server, wait_until},
    tier, transfer, urn, verify,
};

/// A level without a verification, and one with; cents a day.
fn limited(none: &str, basic: &str) -> Value {
    json!({ "levels": [
        { "level": 0, "name": "Registered", "limits": [
            { "window": "day", "usd_minor_units": none },
            { "window": "year", "usd_minor_units": "100000000" },
        ] },
        { "level": 1, "name": "Basic", "requirements": [{ "key": "identity", "kind": "kyc" }],
          "limits": [{ "window": "day", "usd_minor_units": basic },
                     { "window": "per_transaction", "usd_minor_units": "1500" }] },
    ] })
}

const DOLLAR: u64 = 1_000_000;

#[track_caller]
fn over(reply: &Reply, (window, limit, consumed): (&str, &str, &str)) {
    assert_eq!(reply.code(429), "E_TIER_LIMIT_EXCEEDED");
    assert_eq!(reply.json["code"], "E_TIER_LIMIT_EXCEEDED");
    let details = &reply.json["extra_details"];
    assert_eq!(details["window"], window);
    assert_eq!(details["limit_usd_minor_units"], limit);
    assert_eq!(details["consumed_usd_minor_units"], consumed);
    assert!(details["window_key"].is_string());
    let after: u64 = reply.headers["retry-after"].parse().unwrap();
    assert!((1..=30).contains(&after), "the SDK waits for it");
}

#[test]
fn a_limit_holds_to_the_cent_and_grows_with_the_level() {
    let server = Server::start();
    let client = server.client();
    policy(&client, &limited("1000", "5000"));
    let ana = register(&client, "ana");
    let own = pocket(&client, &urn("ana"), 0);
    let (from, to) = (
        pocket(&client, &urn("ana"), 100 * DOLLAR),
        pocket(&client, HOLDER, 0),
    );
    transfer(&ana, (&from, &to), 4 * DOLLAR, "").expect(200);
    // A part of a cent counts as one.
    transfer(&ana, (&from, &to), DOLLAR + 1, "").expect(200);
    assert_eq!(counted(&ana, &urn("ana"), "day"), "501");
    over(
        &transfer(&ana, (&from, &to), 5 * DOLLAR, ""),
        ("day", "1000", "501"),
    );
    let refused = transfer(&ana, (&from, &to), 5 * DOLLAR, "");
    let reset = refused.json["extra_details"]["reset_at"].as_str().unwrap();
    assert_eq!(
        tier(&ana, &urn("ana"))["limits"]["windows"][0]["reset_at"],
        reset
    );
    transfer(&ana, (&from, &to), 4_990_000, "").expect(200);
    over(
        &transfer(&ana, (&from, &to), 1, ""),
        ("day", "1000", "1000"),
    );
    // What stays with the holder has not left.
    transfer(&ana, (&from, &own), 30 * DOLLAR, "").expect(200);
    assert_eq!(counted(&ana, &urn("ana"), "year"), "1000");
    verify(&client, "ana", &json!({ "status": "approved" }));
    over(
        &transfer(&ana, (&from, &to), 16 * DOLLAR, ""),
        ("per_transaction", "1500", "0"),
    );
    transfer(&ana, (&from, &to), 15 * DOLLAR, "").expect(200);
    assert_eq!(counted(&ana, &urn("ana"), "day"), "2500");
    // The programme's key moves the holder's money under the same limits.
    transfer(&client, (&from, &to), 15 * DOLLAR, "").expect(200);
    over(
        &transfer(&client, (&from, &to), 11 * DOLLAR, ""),
        ("day", "5000", "4000"),
    );
    assert_eq!(current(&client, &to), "39990001");
    client.trial_balance();
}

#[test]
fn what_is_refused_or_repeated_does_not_count() {
    let server = Server::start();
    let client = server.client();
    policy(&client, &limited("1000", "1000"));
    let ana = register(&client, "ana");
    let (from, to) = (
        pocket(&client, &urn("ana"), 5 * DOLLAR),
        pocket(&client, HOLDER, 0),
    );
    let day = || counted(&ana, &urn("ana"), "day");
    let refused = transfer(&ana, (&from, &to), 6 * DOLLAR, "a");
    assert_eq!(refused.code(409), "INSUFFICIENT_FUNDS");
    assert_eq!(day(), "0", "given back");
    transfer(&ana, (&from, &to), 2 * DOLLAR, "b").expect(200);
    for _ in 0..3 {
        let again = transfer(&ana, (&from, &to), 2 * DOLLAR, "b");
        assert!(again.is_replay());
        again.expect(200);
    }
    assert_eq!(day(), "200");
    // Its key again, for something else, counts for nothing either.
    assert_eq!(transfer(&ana, (&from, &to), DOLLAR, "b").status, 409);
    assert_eq!(day(), "200");
    // The same key is good once the money is there, and is counted then.
    deposit(&client, &from, (DUSD, 10 * DOLLAR));
    transfer(&ana, (&from, &to), 6 * DOLLAR, "a").expect(200);
    assert_eq!(day(), "800");
    let gone = transfer(&ana, (&from, "did:bloque:account:virtual:x"), DOLLAR, "");
    assert_eq!((gone.status, day()), (404, "800".to_owned()));
}

#[test]
fn a_batch_stops_at_the_limit_and_says_so() {
    let server = Server::start();
    let client = server.client();
    policy(&client, &limited("500", "1000"));
    let ana = register(&client, "ana");
    let (from, to) = (
        pocket(&client, &urn("ana"), 50 * DOLLAR),
        pocket(&client, HOLDER, 0),
    );
    let operation = |n: usize| {
        json!({
            "from_account_urn": from, "to_account_urn": to, "reference": format!("r{n}"),
            "amount": (2 * DOLLAR).to_string(), "asset": DUSD,
        })
    };
    let operations: Vec<_> = (0..3).map(operation).collect();
    let batch = json!({ "operations": operations, "reference": "b" }).to_string();
    let route = ("POST", "/api/accounts/batch/transfer");
    let send = || {
        ana.send(route, &[("idempotency-key", "batch")], &batch)
            .expect(200)
    };
    for _ in 0..2 {
        let told = send();
        let views = &told["result"]["operations"];
        assert_eq!(
            (&views[0]["status"], &views[1]["status"]),
            (&json!("completed"), &json!("completed"))
        );
        assert_eq!(views[2]["code"], "E_TIER_LIMIT_EXCEEDED");
        assert_eq!(views[2]["extra_details"]["consumed_usd_minor_units"], "400");
        assert_eq!(counted(&ana, &urn("ana"), "day"), "400");
    }
    assert_eq!(current(&client, &to), "4000000");
}

#[test]
fn of_many_at_once_no_more_pass_than_the_limit_has_room_for() {
    let server = Server::start();
    let client = server.client();
    policy(&client, &limited("1000", "1000"));
    let ana = register(&client, "ana");
    // Several pockets, so that no actor puts the transfers in a row.
    let to = pocket(&client, HOLDER, 0);
    let from: Vec<_> = (0..4)
        .map(|_| pocket(&client, &urn("ana"), 100 * DOLLAR))
        .collect();
    let lanes: Vec<_> = (0..16)
        .map(|n| {
            let (ana, from, to) = (ana.clone(), from[n % 4].clone(), to.clone());
            // Each pair sends under one key: two requests, one transfer.
            let key = format!("race-{}", n % 4 + 4 * (n / 8));
            thread::spawn(move || transfer(&ana, (&from, &to), 3 * DOLLAR, &key).status)
        })
        .collect();
    let statuses: Vec<_> = lanes.into_iter().map(|lane| lane.join().unwrap()).collect();
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(
        current(&client, &to),
        "9000000",
        "three of three dollars fit into ten"
    );
    assert_eq!(counted(&ana, &urn("ana"), "day"), "900");
    client.trial_balance();
}

#[test]
fn what_was_counted_outlives_a_kill_and_a_stop() {
    let mut server = Server::start();
    let client = server.client();
    policy(&client, &limited("1000", "1000"));
    register(&client, "ana");
    let (from, to) = (
        pocket(&client, &urn("ana"), 50 * DOLLAR),
        pocket(&client, HOLDER, 0),
    );
    transfer(&client, (&from, &to), 4 * DOLLAR, "k1").expect(200);
    server.restart();
    let client = server.client();
    assert_eq!(counted(&client, &urn("ana"), "day"), "400");
    let again = transfer(&client, (&from, &to), 4 * DOLLAR, "k1");
    assert!(again.is_replay());
    transfer(&client, (&from, &to), 4 * DOLLAR, "k2").expect(200);
    assert_eq!(server.terminate(), Some(0));
    server.restart();
    let client = server.client();
    over(
        &transfer(&client, (&from, &to), 3 * DOLLAR, "k3"),
        ("day", "1000", "800"),
    );
    client.trial_balance();
}

#[test]
fn an_asset_without_a_fresh_rate_is_refused_and_one_with_a_rate_is_valued() {
    let server = Server::with(&[("CARDWRIGHT_RATES__AGE_MAX_S", "3")]);
    let client = server.client();
    policy(&client, &limited("1000000", "1000000"));
    let ana = register(&client, "ana");
    let (from, to) = (pocket(&client, &urn("ana"), 0), pocket(&client, HOLDER, 0));
    deposit(&client, &from, ("COPM/2", 1_000_000_000));
    let send = |amount: &str| {
        let body = json!({ "destination_account_urn": to, "amount": amount, "asset": "COPM/2" });
        ana.post(&format!("/api/accounts/{from}/transfer"), &body)
    };
    let rate = || {
        let rates = json!({ "rates": [{ "base": "USD", "quote": "COP", "rate": "4000" }] });
        client
            .send(("PUT", "/v1/rates"), &[], rates.to_string())
            .expect(200);
    };
    // The operator's rate takes the place of the sandbox's own, which does not become too old.
    rate();
    let mut refused = None;
    wait_until("the rate is too old", || {
        let told = send("1");
        let is_old = told.status == 409;
        refused = is_old.then_some(told);
        is_old
    });
    let refused = refused.unwrap();
    assert_eq!(refused.code(409), "rate_unavailable");
    assert_eq!(refused.json["extra_details"]["field"], "asset");
    let cents = || counted(&ana, &urn("ana"), "day").parse::<u64>().unwrap();
    // Each hundredth of a peso before counted as a cent, so a few were spent.
    let before = cents();
    rate();
    send("200000").expect(200);
    // 2,000 pesos at 4,000 are half a dollar.
    assert_eq!(cents() - before, 50);
}
