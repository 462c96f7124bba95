//! Accounts and their money as the programme face lists them: folded lines, several accounts together,
//! pages under load, accounts that go in front of other money, batches sent again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

#[path = "common/server.rs"]
mod server;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};
use server::{Client, DUSD, HOLDER, Reply, Server};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn open(client: &Client, medium: &str, body: Value) -> Value {
    let mut whole = json!({ "holder_urn": HOLDER, "input": {} });
    for (key, value) in body.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let made = client.post(&format!("/api/mediums/{medium}"), &whole);
    made.expect(201)["result"]["account"].clone()
}

fn urn(account: &Value) -> String {
    text(&account["urn"])
}

fn deposit(client: &Client, urn: &str, amount: u64, reference: &str) {
    let body = json!({ "account_urn": urn, "asset": DUSD, "amount": amount.to_string(),
        "reference": reference });
    client.post("/v1/deposits", &body).expect(201);
}

fn page(client: &Client, path: &str) -> Value {
    client.get(path).expect(200)
}

fn rows(page: &Value, fields: &[&str]) -> Value {
    let row = |movement: &Value| {
        let cell = |name: &&str| match name.strip_prefix('.') {
            Some(inner) => movement["details"]["metadata"][inner].clone(),
            None => movement[*name].clone(),
        };
        fields.iter().map(cell).collect::<Vec<Value>>()
    };
    let data = page["data"].as_array().unwrap();
    data.iter().map(row).collect::<Vec<_>>().into()
}

fn patch(client: &Client, urn: &str, body: &Value) -> Reply {
    client.send(
        ("PATCH", &format!("/api/accounts/{urn}")),
        &[],
        body.to_string(),
    )
}

/// The sum of all lines, money towards the account above zero.
fn net(page: &Value) -> i128 {
    let signed = |movement: &Value| {
        let amount: i128 = text(&movement["amount"]).parse().unwrap();
        if movement["direction"] == "in" {
            amount
        } else {
            -amount
        }
    };
    page["data"].as_array().unwrap().iter().map(signed).sum()
}

#[test]
fn an_authorization_is_one_line_in_the_collapsed_view() {
    let server = Server::start();
    let client = server.client();
    let card = urn(&open(&client, "card", json!({})));
    deposit(&client, &card, 100_000_000, "d-1");
    for id in ["held", "taken", "let-go", "given-back"] {
        client.authorize(id, &card, "10.00").expect(200);
    }
    client
        .step("taken", "capture", "taken-1", "4.00")
        .expect(200);
    client
        .step("taken", "capture", "taken-2", "6.00")
        .expect(200);
    client
        .step("taken", "refund", "taken-3", "2.50")
        .expect(200);
    client.step("let-go", "reverse", "let-go-1", "").expect(200);
    client
        .step("given-back", "capture", "given-1", "")
        .expect(200);
    client
        .step("given-back", "refund", "given-2", "")
        .expect(200);
    let path = format!("/api/accounts/{card}/movements?collapsed_view=true");
    let fields = [
        "reference",
        "status",
        "direction",
        "amount",
        ".authorization_status",
    ];
    let expected = json!([
        ["given-back", "settled", "out", "0", "refunded"],
        ["let-go", "cancelled", "out", "0", "reversed"],
        ["taken", "settled", "out", "7500000", "partially_refunded"],
        ["held", "pending", "out", "10000000", "pending"],
        ["d-1", "confirmed", "in", "100000000", null],
    ]);
    assert_eq!(rows(&page(&client, &path), &fields), expected);
    let list = |query: &str| rows(&page(&client, &format!("{path}&{query}")), &["reference"]);
    assert_eq!(list("pocket=pending"), json!([["held"]]));
    assert_eq!(
        list("pocket=main"),
        json!([["given-back"], ["taken"], ["d-1"]])
    );
    assert_eq!(list("direction=in"), json!([["d-1"]]));
    assert_eq!(list("reference=taken"), json!([["taken"]]));
    assert_eq!(list("asset=KSM/12"), json!([]));
    let taken = &page(&client, &format!("{path}&reference=taken"))["data"][0];
    let metadata = &taken["details"]["metadata"];
    for (name, value) in [
        ("captured_amount", "10000000"),
        ("refunded_amount", "2500000"),
        ("held_amount", "0"),
        ("merchant_name", "AMAZON.COM"),
        ("usd_amount", "10.00"),
        ("local_to_usd_rate", "1"),
        ("selected_asset", DUSD),
        ("operation_type", "authorization"),
    ] {
        assert_eq!(metadata[name], value, "{name} in {metadata}");
    }
    pages_are_filled_up(&client, &path);
}

/// Pages that lose lines to a filter end where the next begins, and are short only at the end.
fn pages_are_filled_up(client: &Client, path: &str) {
    let mut paged = Vec::new();
    let mut next = String::new();
    loop {
        let here = page(client, &format!("{path}&pocket=main&limit=1{next}"));
        let data = here["data"].as_array().unwrap();
        assert!(data.len() == 1 || here["has_more"] == false, "{here}");
        paged.extend(data.iter().map(|line| text(&line["reference"])));
        match here["next"].as_str() {
            Some(token) => next = format!("&next={token}"),
            None => break,
        }
    }
    assert_eq!(paged, ["given-back", "taken", "d-1"]);
}

#[test]
fn folded_lines_add_up_to_the_plain_ones() {
    let server = Server::start();
    let client = server.client();
    let food = urn(&open(&client, "virtual", json!({})));
    let main = urn(&open(&client, "virtual", json!({})));
    let aside = urn(&open(&client, "virtual", json!({})));
    // Main pays, earns a fee and gets cashback; what is set aside elsewhere is that pocket's own line.
    let programme = |target: &str| {
        json!({ "program_name": target.rsplit(':').next(), "type": "extra_savings",
            "target_pocket_urn": target, "fee_type": "percentage", "value": 0.05 })
    };
    let smart = open(
        &client,
        "card",
        json!({ "metadata": {
        "spending_control": "smart", "priority_mcc": [food, main], "mcc_whitelist": {},
        "spending_fees": [{ "fee_name": "own", "account_urn": main, "type": "percentage",
            "value": 0.01, "category": "custom" }],
        "cashback_programs": [programme(&main), programme(&aside)] } }),
    );
    deposit(&client, &food, 6_000_000, "f-1");
    deposit(&client, &main, 50_000_000, "m-1");
    for id in ["one", "two", "three"] {
        client.authorize(id, &urn(&smart), "10.00").expect(200);
    }
    client.step("one", "increment", "one-1", "5.00").expect(200);
    client.step("one", "capture", "one-2", "").expect(200);
    client.step("one", "refund", "one-3", "3.33").expect(200);
    client.step("two", "capture", "two-1", "").expect(200);
    for pocket in [&food, &main, &aside] {
        let path = format!("/api/accounts/{pocket}/movements?limit=500");
        let main_side = net(&page(&client, &path));
        let balance = page(&client, &format!("/api/accounts/{pocket}/balance"));
        let read = |name: &str| {
            balance["balance"][DUSD][name]
                .as_str()
                .map_or(0, |n| n.parse::<i128>().unwrap())
        };
        assert_eq!(
            main_side,
            read("current") + read("pending"),
            "{pocket} by movements"
        );
        let folded = page(&client, &format!("{path}&collapsed_view=true"));
        assert_eq!(
            net(&folded),
            read("current"),
            "{pocket} by folded lines: {folded}"
        );
    }
    let lines = page(
        &client,
        &format!("/api/accounts/{main}/movements?collapsed_view=true"),
    );
    let references = rows(&lines, &["reference"]);
    assert_eq!(references, json!([["three"], ["two"], ["one"], ["m-1"]]));
}

#[test]
fn transactions_of_several_accounts_are_one_list() {
    let server = Server::start();
    let client = server.client();
    let urns: Vec<String> = (0..3)
        .map(|_| urn(&open(&client, "virtual", json!({}))))
        .collect();
    for round in 0..10 {
        for (place, urn) in urns.iter().enumerate() {
            deposit(&client, urn, 1_000, &format!("{round}-{place}"));
        }
    }
    let asked = |urns: &[String]| {
        let all: Vec<_> = urns
            .iter()
            .map(|urn| format!("account_urns={urn}"))
            .collect();
        format!("/api/accounts/transactions?{}", all.join("&"))
    };
    let both = asked(&urns[..2]);
    let whole = page(&client, &both);
    let expected: Vec<_> = (0..10)
        .rev()
        .flat_map(|round| [json!([format!("{round}-1")]), json!([format!("{round}-0")])])
        .collect();
    assert_eq!(rows(&whole, &["reference"]), Value::from(expected.clone()));
    let by_time = {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let here = page(&client, &format!("{both}&limit=3{before}"));
            deposit(&client, &urns[0], 1, &format!("meanwhile-{}", all.len()));
            let data = here["data"].as_array().unwrap();
            all.extend(data.iter().map(|movement| json!([movement["reference"]])));
            if data.len() < 3 {
                break all;
            }
            before = format!("&before={}", text(&data[data.len() - 1]["created_at"]));
        }
    };
    assert_eq!(by_time, expected);
    // A transfer between two of them goes out of one and into the other.
    let transfer = json!({ "destination_account_urn": urns[1], "amount": "7", "asset": DUSD });
    let sent = client
        .post(&format!("/api/accounts/{}/transfer", urns[0]), &transfer)
        .expect(200);
    assert_eq!(sent["result"]["status"], "completed");
    let newest = page(&client, &format!("{both}&limit=2"));
    let fields = [
        "direction",
        "amount",
        "status",
        "from_account_id",
        "to_account_id",
    ];
    let sides = rows(&newest, &fields);
    let side = |way: &str| json!([way, "7", "confirmed", urns[0], urns[1]]);
    assert!(sides == json!([side("in"), side("out")]) || sides == json!([side("out"), side("in")]));
    // All that the caller sees; one account twice counts once.
    let all = page(
        &client,
        "/api/accounts/transactions?limit=500&direction=in&reference=9-2",
    );
    assert_eq!(rows(&all, &["reference"]), json!([["9-2"]]));
    let twice = asked(&[urns[2].clone(), urns[2].clone()]);
    assert_eq!(page(&client, &twice)["data"].as_array().unwrap().len(), 10);
    let unknown = client.get(&asked(&[
        urns[0].clone(),
        "did:bloque:account:virtual:a:b".into(),
    ]));
    assert_eq!(unknown.code(404), "account_not_found");
    assert!(text(&unknown.json["message"]).contains("not found"));
    assert_eq!(unknown.json["extra_details"]["field"], "account_urns");
    let wrong = client.get(&format!("{both}&colour=red"));
    assert_eq!(wrong.json["extra_details"]["field"], "colour", "{wrong:?}");
}

#[test]
fn pages_stay_what_they_were_under_load() {
    let server = Server::start();
    let client = server.client();
    let urns: Vec<String> = (0..4).map(|_| client.card(100_000_000)).collect();
    for n in 0..40 {
        for (place, urn) in urns.iter().enumerate() {
            deposit(&client, urn, 1, &format!("old-{place}-{n}"));
        }
    }
    let named: Vec<_> = urns
        .iter()
        .map(|urn| format!("account_urns={urn}"))
        .collect();
    let path = format!("/api/accounts/transactions?limit=7&{}", named.join("&"));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for (place, urn) in urns.iter().enumerate() {
            let (client, is_over) = (server.client(), &is_over);
            scope.spawn(move || {
                for n in 0_u32.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    deposit(&client, urn, 1, &format!("new-{place}-{n}"));
                    let id = format!("buy-{place}-{n}");
                    client.authorize(&id, urn, "0.01").expect(200);
                    client
                        .step(&id, "capture", &format!("{id}-c"), "")
                        .expect(200);
                }
            });
        }
        for way in ["", "&collapsed_view=true"] {
            for by_token in [false, true] {
                let read = read_all(&client, &format!("{path}{way}"), by_token);
                let old = read
                    .iter()
                    .filter(|(_, reference)| reference.starts_with("old-"));
                assert_eq!(old.count(), 160, "{way} by token: {by_token}");
                let distinct: BTreeSet<_> = read.iter().map(|(_, reference)| reference).collect();
                assert_eq!(distinct.len(), read.len(), "{way}: nothing comes twice");
                assert!(
                    read.is_sorted_by(|newer, older| newer.0 >= older.0),
                    "{way}: newest first"
                );
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Time and reference of each movement, page by page.
fn read_all(client: &Client, path: &str, by_token: bool) -> Vec<(String, String)> {
    let (mut all, mut rest) = (Vec::new(), String::new());
    loop {
        let here = page(client, &format!("{path}{rest}"));
        let data = here["data"].as_array().unwrap();
        let row = |movement: &Value| (text(&movement["created_at"]), text(&movement["reference"]));
        all.extend(data.iter().map(row));
        let next = if by_token {
            here["next"].as_str().map(|token| format!("&next={token}"))
        } else {
            let last = data.last().filter(|_| data.len() >= 7);
            last.map(|last| format!("&before={}", text(&last["created_at"])))
        };
        match next {
            Some(next) => rest = next,
            None => return all,
        }
    }
}

#[test]
fn an_account_goes_in_front_of_other_money() {
    let mut server = Server::start();
    let client = server.client();
    let pocket = open(&client, "virtual", json!({}));
    deposit(&client, &urn(&pocket), 20_000_000, "p-1");
    let card = open(&client, "card", json!({ "metadata": { "name": "Old" } }));
    assert_ne!(card["ledger_account_id"], pocket["ledger_account_id"]);
    let link = json!({ "ledger_account_id": pocket["ledger_account_id"],
        "metadata": { "name": "New" } });
    let linked = patch(&client, &urn(&card), &link).expect(200)["result"]["account"].clone();
    assert_eq!(linked["ledger_account_id"], pocket["ledger_account_id"]);
    assert_eq!(linked["metadata"]["name"], "New");
    assert_eq!(
        client.authorize("buy", &urn(&card), "5.00").expect(200)["status"],
        "approved"
    );
    let current = |client: &Client, urn: &str| {
        let balance = page(client, &format!("/api/accounts/{urn}/balance"));
        text(&balance["balance"][DUSD]["current"])
    };
    for urn in [urn(&card), urn(&pocket)] {
        assert_eq!(current(&client, &urn), "15000000");
    }
    // Not while it holds money, and not away from money that only it reaches.
    let other = open(&client, "virtual", json!({}));
    let away = json!({ "ledger_account_id": other["ledger_account_id"] });
    assert_eq!(
        patch(&client, &urn(&card), &away).code(409),
        "ledger_account_in_use"
    );
    client.step("buy", "capture", "buy-1", "").expect(200);
    patch(&client, &urn(&card), &away).expect(200);
    client.step("buy", "refund", "buy-2", "").expect(200);
    assert_eq!(
        current(&client, &urn(&pocket)),
        "20000000",
        "a refund goes where it came from"
    );
    let refused = patch(&client, &urn(&pocket), &away);
    assert_eq!(refused.code(409), "ledger_account_in_use");
    assert_eq!(refused.json["extra_details"]["field"], "ledger_account_id");
    // Of the same holder, and there at all.
    let theirs = open(
        &client,
        "virtual",
        json!({ "holder_urn": "did:bloque:sandbox:other" }),
    );
    let theirs = json!({ "ledger_account_id": theirs["ledger_account_id"] });
    assert_eq!(patch(&client, &urn(&card), &theirs).status, 400);
    let unknown = patch(
        &client,
        &urn(&card),
        &json!({ "ledger_account_id": "ldg_0" }),
    );
    assert_eq!(unknown.code(404), "ledger_account_not_found");
    client.trial_balance();
    server.restart();
    let client = server.client();
    let again = page(&client, &format!("/api/accounts/{}", urn(&card)));
    assert_eq!(
        again["account"]["ledger_account_id"],
        other["ledger_account_id"]
    );
    client.trial_balance();
}

#[test]
fn at_most_64_accounts_share_money() {
    let server = Server::start();
    let client = server.client();
    let first = open(&client, "virtual", json!({}));
    let ledger = &first["ledger_account_id"];
    for _ in 1..64 {
        open(&client, "virtual", json!({ "ledger_account_id": ledger }));
    }
    let more = json!({ "holder_urn": HOLDER, "ledger_account_id": ledger });
    let refused = client.post("/api/mediums/card", &more);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(refused.json["extra_details"]["field"], "ledger_account_id");
    let alone = open(&client, "card", json!({}));
    let link = json!({ "ledger_account_id": ledger });
    let refused = patch(&client, &urn(&alone), &link);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(refused.json["extra_details"]["field"], "ledger_account_id");
}

#[test]
fn a_deleted_account_says_nothing_new() {
    let server = Server::start();
    let client = server.client();
    let card = urn(&open(&client, "card", json!({})));
    patch(&client, &card, &json!({ "status": "deleted" })).expect(200);
    let path = format!("/v1/cards/{card}/controls");
    for (method, body) in [
        ("PUT", "{}"),
        ("PATCH", r#"{"single_use":true}"#),
        ("DELETE", "{}"),
    ] {
        let refused = client.send((method, &path), &[], body);
        assert_eq!(refused.code(409), "account_not_active", "{method}");
    }
    let refused = patch(&client, &card, &json!({ "metadata": { "name": "x" } }));
    assert_eq!(refused.code(409), "account_not_active");
}

#[test]
fn a_batch_sent_again_moves_no_money_twice() {
    let server = Server::start();
    let client = server.client();
    let (from, to) = (client.card(100), client.card(0));
    let operation = |n: u32, amount: &str| {
        json!({ "from_account_urn": from, "to_account_urn": to, "reference": format!("op-{n}"),
            "amount": amount, "asset": DUSD })
    };
    let send = |operations: &[Value], key: &str| {
        let body = json!({ "operations": operations, "reference": "may" });
        let headers: &[(&str, &str)] = &[("idempotency-key", key)];
        let path = ("POST", "/api/accounts/batch/transfer");
        client.send(path, headers, body.to_string())
    };
    let two = [operation(0, "60"), operation(1, "70")];
    let first = send(&two, "a").expect(200)["result"].clone();
    assert_eq!(first["status"], "failed");
    assert_eq!(first["operations"][0]["status"], "completed");
    assert_eq!(first["operations"][1]["code"], "INSUFFICIENT_FUNDS");
    // The whole again, when there is money: what was sent is not sent again.
    deposit(&client, &from, 100, "more");
    let again = send(&two, "b").expect(200)["result"].clone();
    assert_eq!(again["status"], "executed", "{again}");
    assert_eq!(
        again["operations"][0]["queue_id"],
        first["operations"][0]["queue_id"]
    );
    let current = page(&client, &format!("/api/accounts/{to}/balance"));
    assert_eq!(current["balance"][DUSD]["current"], "130");
    let other = send(&[operation(0, "61")], "c").expect(200)["result"].clone();
    assert_eq!(other["operations"][0]["code"], "reference_conflict");
    for other in [
        vec![two[0].clone()],
        vec![two[0].clone(), two[1].clone(), operation(2, "1")],
    ] {
        let refused = send(&other, "a");
        assert_eq!(refused.code(409), "idempotency_conflict");
        assert!(text(&refused.json["message"]).contains("idempotency key"));
    }
    let same = send(&[operation(5, "1"), operation(5, "1")], "d");
    assert_eq!(
        same.json["extra_details"]["field"], "operations[1].reference",
        "{same:?}"
    );
}

#[test]
fn lists_are_filtered_ordered_and_paged() {
    let server = Server::start();
    let client = server.client();
    let mut made = Vec::new();
    for n in 0..6 {
        let medium = ["card", "virtual", "card-travel"][n % 3];
        let metadata = json!({ "name": format!("Name {n}"), "custom_id": format!("c-{n}"),
            "team": { "id": n % 2 } });
        made.push(open(&client, medium, json!({ "metadata": metadata })));
    }
    patch(&client, &urn(&made[0]), &json!({ "status": "frozen" })).expect(200);
    patch(&client, &urn(&made[1]), &json!({ "status": "disabled" })).expect(200);
    let list = |query: &str| -> Vec<usize> {
        let listed = page(&client, &format!("/api/accounts?{query}"));
        let all = listed["accounts"].as_array().unwrap();
        let place = |account: &Value| made.iter().position(|one| one["urn"] == account["urn"]);
        all.iter().map(|account| place(account).unwrap()).collect()
    };
    let last_four = text(&made[3]["details"]["card_last_four"]);
    let by_digits = list(&format!("q={last_four}"));
    assert!(by_digits.contains(&3), "{last_four}: {by_digits:?}");
    let created = text(&made[2]["created_at"]);
    let cases: [(String, &[usize]); 18] = [
        (String::new(), &[5, 4, 3, 2, 1, 0]),
        ("order=asc&limit=2&offset=1".into(), &[1, 2]),
        ("order=created_at:asc&limit=1".into(), &[0]),
        ("order=-created_at&limit=1".into(), &[5]),
        ("medium=card".into(), &[5, 3, 2, 0]),
        ("medium=card-travel".into(), &[5, 2]),
        ("medium=virtual&order=asc".into(), &[1, 4]),
        ("status=frozen&status=disabled".into(), &[1, 0]),
        ("q=NAME%204".into(), &[4]),
        ("custom_id=c-5".into(), &[5]),
        ("metadata[name]=Name%202".into(), &[2]),
        (format!("created_after={created}"), &[5, 4, 3]),
        (format!("created_before={created}"), &[1, 0]),
        (format!("urn={}", urn(&made[4])), &[4]),
        (
            format!("urns={}&urns={}", urn(&made[4]), urn(&made[0])),
            &[4, 0],
        ),
        (
            format!(
                "ledger_account_ids={}&ledger_account_ids={}",
                text(&made[1]["ledger_account_id"]),
                text(&made[5]["ledger_account_id"])
            ),
            &[5, 1],
        ),
        ("urn=did:bloque:account:card:usr-1:crd-1".into(), &[]),
        (
            format!("holder_urn=did:bloque:other:demo&urn={}", urn(&made[4])),
            &[],
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(list(&query), expected, "{query}");
    }
    for (query, field) in [
        ("order=up", "order"),
        ("limit=0", "limit"),
        ("status=gone", "status"),
        ("created_after=x", "created_after"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ] {
        let refused = client.get(&format!("/api/accounts?{query}"));
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.json["extra_details"]["field"], field, "{query}");
        assert!(text(&refused.json["message"]).contains(field), "{query}");
    }
}

#[test]
fn what_is_not_there_is_refused_in_the_face_s_words() {
    let server = Server::start();
    let client = server.client();
    for (method, path, status, code) in [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api/accounts/x/y/z", 404, "not_found"),
        ("DELETE", "/api/accounts", 405, "method_not_allowed"),
        ("GET", "/api/mediums/card", 405, "method_not_allowed"),
        ("GET", "/api/api-keys/exchange", 405, "method_not_allowed"),
    ] {
        let refused = client.send((method, path), &[], "");
        assert_eq!(refused.status, status, "{method} {path}: {refused:?}");
        assert_eq!(refused.json["code"], code, "{method} {path}");
        assert_eq!(refused.json["req_id"], refused.headers["x-request-id"]);
        let message = text(&refused.json["message"]);
        assert!(status != 404 || message.contains("not found"), "{message}");
    }
    assert_eq!(client.get("/v1/nothing").code(404), "not_found");
}
