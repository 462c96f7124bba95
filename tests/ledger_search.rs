//! Lists, filters, searches and balances at a moment, over a real server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test may stop at the first fault, and a table is as long as it is"
)]

#[path = "ledger_search/house.rs"]
mod house;
#[path = "common/server.rs"]
mod server;

use std::collections::BTreeMap;

use house::House;
use serde_json::{Value, json};
use server::Server;

fn names(found: &Value, field: &str) -> Vec<String> {
    let items = found
        .as_array()
        .unwrap_or_else(|| panic!("no list: {found}"));
    items
        .iter()
        .map(|item| item[field].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn lists_are_newest_first_and_in_pages() {
    let server = Server::start();
    let house = House::new(&server);
    let ledger = house.ledger("Customers");
    let mut made: Vec<String> = (0..15)
        .map(|number| house.balance(&ledger, "USD", json!({ "number": number })))
        .collect();
    made.reverse();
    let client = &house.client;
    let list = |path: &str| client.get(path).expect(200);
    assert_eq!(names(&list("/balances"), "balance_id"), made[..10]);
    assert_eq!(
        names(&list("/balances?limit=4&offset=3"), "balance_id"),
        made[3..7]
    );
    assert_eq!(names(&list("/ledgers"), "name"), ["Customers"]);
    assert_eq!(list("/transactions"), json!([]));
    made.reverse();
    let oldest = list("/balances?limit=100&sort_by=created_at&sort_order=asc");
    assert_eq!(names(&oldest, "balance_id"), made);
    let one = list("/balances?ledger_id_eq=none");
    assert_eq!(one, json!([]));
    for (wrong, field) in [
        ("/balances?limit=0", "limit"),
        ("/balances?limit=101", "limit"),
        ("/balances?limit=x", "limit"),
        ("/balances?offset=-1", "offset"),
        ("/balances?sort_by=nothing", "sort_by"),
        ("/balances?sort_order=up", "sort_order"),
        ("/balances?colour=red", "colour"),
        ("/transactions?nothing_eq=1", "nothing"),
    ] {
        let reply = client.get(wrong).expect(400);
        assert_eq!(
            reply["error_detail"]["code"], "GEN_VALIDATION_ERROR",
            "{wrong}"
        );
        assert_eq!(reply["error_detail"]["details"]["field"], field, "{wrong}");
    }
}

/// What is in the house of the filters' test: by reference.
fn stocked(house: &House) -> (String, String) {
    let ledger = house.ledger("Main");
    let one = house.balance(&ledger, "USD", json!({ "tier": "gold", "n": 7 }));
    let two = house.balance(
        &ledger,
        "USD",
        json!({ "tier": "iron", "n": 30, "vip": true }),
    );
    let coffee = json!({ "merchant": { "city": "Lima", "mcc": 5814 } });
    house.pay(
        ("@World", &one),
        50_000,
        "fund-1",
        json!({ "allow_overdraft": true }),
    );
    house.pay(
        (&one, &two),
        12_050,
        "pay_100%",
        json!({ "description": "Coffee beans", "meta_data": coffee }),
    );
    house.pay(
        (&one, "@Merchant-A"),
        3_000,
        "hold-1",
        json!({ "inflight": true }),
    );
    let huge = "170000000000000000000000000000";
    let body = json!({
        "precise_amount": huge, "precision": 1, "currency": "WEI", "reference": "huge",
        "description": "coffee plantation", "source": "@World", "destination": "@Farm",
        "allow_overdraft": true, "skip_queue": true,
    });
    house.client.post("/transactions", &body).expect(201);
    (one, two)
}

fn filtered(house: &House, collection: &str, body: &Value) -> Value {
    let path = format!("/{collection}/filter");
    house.client.post(&path, body).expect(200)
}

#[test]
fn each_operator_filters() {
    let server = Server::start();
    let house = House::new(&server);
    let (one, _) = stocked(&house);
    let all = ["fund-1", "pay_100%", "hold-1", "huge"];
    for (filter, expected) in [
        (
            json!({ "field": "status", "operator": "eq", "value": "INFLIGHT" }),
            vec![2],
        ),
        (
            json!({ "field": "status", "operator": "ne", "value": "APPLIED" }),
            vec![2],
        ),
        (
            json!({ "field": "precise_amount", "operator": "gt", "value": 5000000000_i64 }),
            vec![3],
        ),
        (
            json!({ "field": "precise_amount", "operator": "gte", "value": 50000 }),
            vec![0, 3],
        ),
        (
            json!({ "field": "precise_amount", "operator": "lt", "value": 12050 }),
            vec![2],
        ),
        (
            json!({ "field": "precise_amount", "operator": "lte", "value": "12050" }),
            vec![1, 2],
        ),
        (
            json!({ "field": "amount", "operator": "eq", "value": 120.5 }),
            vec![1],
        ),
        (
            json!({ "field": "amount", "operator": "between", "values": [30, 120.50] }),
            vec![1, 2],
        ),
        (
            json!({ "field": "reference", "operator": "in", "values": ["huge", "hold-1", "x"] }),
            vec![2, 3],
        ),
        (
            json!({ "field": "reference", "operator": "like", "value": "pay\\_100\\%" }),
            vec![1],
        ),
        (
            json!({ "field": "reference", "operator": "like", "value": "%-1" }),
            vec![0, 2],
        ),
        (
            json!({ "field": "description", "operator": "like", "value": "coffee%" }),
            vec![3],
        ),
        (
            json!({ "field": "description", "operator": "ilike", "value": "COFFEE%" }),
            vec![1, 3],
        ),
        (
            json!({ "field": "parent_transaction", "operator": "isnull" }),
            vec![0, 1, 2, 3],
        ),
        (
            json!({ "field": "scheduled_for", "operator": "isnotnull" }),
            vec![],
        ),
        (
            json!({ "field": "source", "operator": "eq", "value": one }),
            vec![1, 2],
        ),
        (
            json!({ "field": "destination", "operator": "eq", "value": "@Merchant-A" }),
            vec![2],
        ),
        (
            json!({ "field": "meta_data.merchant.city", "operator": "eq", "value": "Lima" }),
            vec![1],
        ),
        (
            json!({ "field": "meta_data.merchant.mcc", "operator": "gt", "value": 5813 }),
            vec![1],
        ),
        (
            json!({ "field": "meta_data.merchant.mcc", "operator": "eq", "value": "5814" }),
            vec![1],
        ),
        (
            json!({ "field": "meta_data.merchant", "operator": "isnull" }),
            vec![0, 2, 3],
        ),
        (
            json!({ "field": "inflight", "operator": "eq", "value": true }),
            vec![2],
        ),
        (
            json!({ "field": "created_at", "operator": "gt", "value": "2020-01-01" }),
            vec![0, 1, 2, 3],
        ),
        (
            json!({ "field": "created_at", "operator": "lt", "value": "2020-01-01T00:00:00Z" }),
            vec![],
        ),
    ] {
        let body = json!({
            "filters": [filter], "sort_by": "created_at", "sort_order": "asc", "include_count": true,
        });
        let found = filtered(&house, "transactions", &body);
        let expected: Vec<&str> = expected
            .into_iter()
            .map(|place: usize| all[place])
            .collect();
        assert_eq!(names(&found["data"], "reference"), expected, "{filter}");
        assert_eq!(found["total_count"], expected.len(), "{filter}");
    }
    let either = json!({ "logical_operator": "or", "limit": 1, "include_count": true, "filters": [
        { "field": "reference", "operator": "eq", "value": "huge" },
        { "field": "status", "operator": "eq", "value": "INFLIGHT" },
    ] });
    let found = filtered(&house, "transactions", &either);
    assert_eq!(names(&found["data"], "reference"), ["huge"]);
    assert_eq!(found["total_count"], 2);
    let told = house.client.post("/transactions/filter", &either).text;
    assert!(told.contains(":170000000000000000000000000000,"), "{told}");
    let gold = json!({ "filters": [
        { "field": "meta_data.n", "operator": "lt", "value": 9 },
        { "field": "inflight_debit_balance", "operator": "eq", "value": 3000 },
        { "field": "balance", "operator": "eq", "value": 37950 },
    ] });
    let found = filtered(&house, "balances", &gold);
    assert_eq!(names(&found["data"], "balance_id"), [one]);
    assert!(found.get("total_count").is_none());
    let vip = json!({ "filters": [{ "field": "meta_data.vip", "operator": "eq", "value": true }] });
    assert_eq!(
        filtered(&house, "balances", &vip)["data"][0]["meta_data"]["tier"],
        "iron"
    );
    let ledger = json!({ "filters": [{ "field": "name", "operator": "ilike", "value": "m%" }] });
    assert_eq!(
        names(&filtered(&house, "ledgers", &ledger)["data"], "name"),
        ["Main"]
    );
}

#[test]
fn what_cannot_be_filtered_is_named_and_nothing_is_injected() {
    let server = Server::start();
    let house = House::new(&server);
    stocked(&house);
    let eq = |field: &str, value: &str| json!({ "field": field, "operator": "eq", "value": value });
    for (filter, field) in [
        (eq("nothing", "x"), "nothing"),
        (eq("status) OR 1=1 --", "x"), "status) OR 1=1 --"),
        (eq("meta_data.a\"b", "x"), "meta_data.a\"b"),
        (
            json!({ "field": "status", "operator": "drop", "value": "x" }),
            "filters[0].operator",
        ),
        (
            json!({ "field": "status", "operator": "eq" }),
            "filters[0].value",
        ),
        (
            json!({ "field": "status", "operator": "eq", "value": {} }),
            "filters[0].value",
        ),
        (
            json!({ "field": "status", "operator": "in", "values": [] }),
            "filters[0].values",
        ),
        (
            json!({ "field": "amount", "operator": "between", "values": [1] }),
            "amount",
        ),
        (
            json!({ "field": "amount", "operator": "eq", "value": "ten" }),
            "amount",
        ),
        (
            json!({ "field": "amount", "operator": "like", "value": "1%" }),
            "amount",
        ),
        (
            json!({ "field": "created_at", "operator": "gt", "value": "soon" }),
            "created_at",
        ),
        (
            json!({ "field": "status", "operator": "eq", "value": "x", "x": 1 }),
            "filters[0].x",
        ),
    ] {
        let reply = house
            .client
            .post("/transactions/filter", &json!({ "filters": [filter] }));
        let told = reply.expect(400);
        assert_eq!(
            told["error_detail"]["details"]["field"], field,
            "{filter}: {told}"
        );
    }
    for text in [
        "' OR '1'='1",
        "'; DROP TABLE transactions; --",
        "%",
        "\u{0}",
        "?1",
        "\\",
    ] {
        for operator in ["eq", "like", "ilike", "in"] {
            let filter = json!({ "field": "description", "operator": operator, "value": text, "values": [text] });
            let reply = house
                .client
                .post("/transactions/filter", &json!({ "filters": [filter] }));
            let told = reply.expect(200);
            let is_all = operator != "eq" && operator != "in" && text == "%";
            let count = told["data"].as_array().unwrap().len();
            assert_eq!(count, if is_all { 2 } else { 0 }, "{operator} {text}");
        }
        let asked = json!({ "q": text, "query_by": "description" });
        house
            .client
            .post("/search/transactions", &asked)
            .expect(200);
    }
    let left = house.client.get("/transactions?limit=100").expect(200);
    assert_eq!(left.as_array().unwrap().len(), 4);
}

#[test]
fn searches_understand_the_clients_grammar() {
    let server = Server::start();
    let house = House::new(&server);
    let (one, two) = stocked(&house);
    let found = |collection: &str, body: Value| {
        let path = format!("/search/{collection}");
        house.client.post(&path, &body).expect(200)
    };
    let references = |told: &Value| -> Vec<String> {
        let hits = told["hits"].as_array().unwrap();
        let of = |hit: &Value| hit["document"]["reference"].as_str().unwrap().to_owned();
        hits.iter().map(of).collect()
    };
    for (asked, expected) in [
        (
            json!({ "q": "*" }),
            vec!["huge", "hold-1", "pay_100%", "fund-1"],
        ),
        (json!({ "q": "coffee" }), vec!["huge", "pay_100%"]),
        (
            json!({ "q": "coffee bea", "query_by": "description" }),
            vec!["pay_100%"],
        ),
        (
            json!({ "q": "bea coffee", "query_by": "description" }),
            vec![],
        ),
        (json!({ "q": "lima" }), vec!["pay_100%"]),
        (json!({ "q": "lima", "query_by": "description" }), vec![]),
        (json!({ "q": "plantasion" }), vec!["huge"]),
        (json!({ "q": "@Merch" }), vec!["hold-1"]),
        (json!({ "q": one }), vec!["hold-1", "pay_100%", "fund-1"]),
        (
            json!({ "q": "*", "filter_by": "status:=INFLIGHT" }),
            vec!["hold-1"],
        ),
        (
            json!({ "q": "*", "filter_by": "status:!=INFLIGHT && currency:=USD" }),
            vec!["pay_100%", "fund-1"],
        ),
        (
            json!({ "q": "*", "filter_by": "precise_amount:>12050 && currency:USD" }),
            vec!["fund-1"],
        ),
        (
            json!({ "q": "*", "filter_by": "precise_amount:[3000..12050]", "sort_by": "precise_amount:asc" }),
            vec!["hold-1", "pay_100%"],
        ),
        (
            json!({ "q": "*", "filter_by": "(reference:=huge || reference:=fund-1) && created_at:>1000" }),
            vec!["huge", "fund-1"],
        ),
        (json!({ "q": "*", "filter_by": "created_at:<1000" }), vec![]),
        (
            json!({ "q": "*", "filter_by": "description:coffee", "sort_by": "amount:desc,reference:asc" }),
            vec!["huge", "pay_100%"],
        ),
        (
            json!({ "q": "*", "per_page": 2, "page": 2 }),
            vec!["pay_100%", "fund-1"],
        ),
        (
            json!({ "q": "*", "filter_by": "meta_data.merchant.city:=Lima" }),
            vec!["pay_100%"],
        ),
    ] {
        let told = found("transactions", asked.clone());
        assert_eq!(references(&told), expected, "{asked}: {told}");
        assert_eq!(told["out_of"], 4, "{asked}");
        assert_eq!(told["request_params"]["q"], asked["q"]);
    }
    let told = found(
        "transactions",
        json!({ "q": "coffee", "filter_by": "reference:=huge" }),
    );
    let hit = &told["hits"][0];
    assert_eq!(
        hit["document"]["precise_amount"],
        "170000000000000000000000000000"
    );
    assert!(hit["document"]["created_at"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(
        hit["highlight"]["description"]["snippet"],
        "<mark>coffee</mark> plantation"
    );
    assert_eq!(
        (told["found"].as_u64(), told["page"].as_u64()),
        (Some(1), Some(1))
    );
    let told = found("balances", json!({ "q": "gold" }));
    let document = &told["hits"][0]["document"];
    assert_eq!(document["balance_id"], one);
    assert_eq!(
        (&document["balance"], &document["inflight_balance"]),
        (&json!("37950"), &json!("-3000"))
    );
    assert_eq!(document["meta_data"]["tier"], "gold");
    let told = found(
        "balances",
        json!({ "q": "*", "filter_by": format!("balance_id:={two}") }),
    );
    assert_eq!(told["hits"][0]["document"]["credit_balance"], "12050");
    assert_eq!(found("ledgers", json!({ "q": "mai" }))["found"], 1);
    let several = json!({ "searches": [
        { "collection": "ledgers", "q": "*" },
        { "collection": "transactions", "q": "*", "filter_by": "status:" },
        { "collection": "transactions", "q": "huge" },
    ] });
    let told = house.client.post("/multi-search", &several).expect(200);
    assert_eq!(told["results"][0]["found"], 1);
    assert_eq!(told["results"][1]["code"], 400);
    assert_eq!(
        told["results"][2]["hits"][0]["document"]["reference"],
        "huge"
    );
}

#[test]
fn a_wrong_search_is_refused_with_its_place() {
    let server = Server::start();
    let house = House::new(&server);
    let refused = |body: Value| {
        let reply = house.client.post("/search/transactions", &body);
        reply.expect(400)["error_detail"].clone()
    };
    let told = refused(json!({ "q": "*", "filter_by": "status:=A && nothing:=1" }));
    assert_eq!(
        told["details"],
        json!({ "field": "filter_by", "position": 13 })
    );
    for (body, field) in [
        (json!({ "q": " " }), "q"),
        (json!({ "query_by": "status" }), "q"),
        (json!({ "q": "*", "query_by": "amount" }), "query_by"),
        (json!({ "q": "*", "query_by": "nothing" }), "nothing"),
        (json!({ "q": "*", "sort_by": "status:up" }), "sort_by"),
        (json!({ "q": "*", "page": 0 }), "page"),
        (json!({ "q": "*", "per_page": 251 }), "per_page"),
        (json!({ "q": "*", "facet_by": "status" }), "facet_by"),
    ] {
        assert_eq!(refused(body.clone())["details"]["field"], field, "{body}");
    }
    let reply = house
        .client
        .post("/search/cards", &json!({ "q": "*" }))
        .expect(404);
    assert_eq!(reply["error_detail"]["code"], "GEN_NOT_FOUND");
}

#[test]
fn whoever_writes_reads_it() {
    let server = Server::start();
    let house = House::new(&server);
    let ledger = house.ledger("L");
    for number in 0..40 {
        let id = house.balance(&ledger, "USD", json!({ "n": number }));
        let listed = house.client.get("/balances?limit=1").expect(200);
        assert_eq!(names(&listed, "balance_id"), [id.as_str()]);
        let reference = format!("r{number}");
        house.pay(
            ("@World", &id),
            100 + number,
            &reference,
            json!({ "allow_overdraft": true }),
        );
        let listed = house.client.get("/transactions?limit=1").expect(200);
        assert_eq!(names(&listed, "reference"), [reference.as_str()]);
        let asked = json!({ "q": "*", "filter_by": format!("balance_id:={id}") });
        let told = house.client.post("/search/balances", &asked).expect(200);
        let balance = &told["hits"][0]["document"]["balance"];
        assert_eq!(*balance, json!((100 + number).to_string()));
    }
}

/// Everything that lists, filters and searches say.
fn told(house: &House) -> Vec<Value> {
    let client = &house.client;
    let mut all = Vec::new();
    for collection in ["ledgers", "balances", "transactions", "identities"] {
        all.push(client.get(&format!("/{collection}?limit=100")).json);
        let every = json!({ "q": "*", "per_page": 250 });
        let mut found = client
            .post(&format!("/search/{collection}"), &every)
            .expect(200);
        found["search_time_ms"] = 0.into();
        all.push(found);
        let words = json!({ "q": "coffee", "per_page": 250 });
        let mut found = client
            .post(&format!("/search/{collection}"), &words)
            .expect(200);
        found["search_time_ms"] = 0.into();
        all.push(found);
    }
    all
}

#[test]
fn an_index_built_again_says_the_same() {
    let mut server = Server::start();
    let mut house = House::new(&server);
    let (one, two) = stocked(&house);
    let held = json!({ "filters": [{ "field": "status", "operator": "eq", "value": "INFLIGHT" }] });
    let held = filtered(&house, "transactions", &held)["data"][0]["transaction_id"].clone();
    let path = format!("/transactions/inflight/{}", held.as_str().unwrap());
    let part = json!({ "status": "commit", "amount": 10 }).to_string();
    house.client.send(("PUT", &path), &[], part).expect(200);
    house.client.post(
        &format!("/{two}/metadata"),
        &json!({ "meta_data": { "tier": "coffee" } }),
    );
    let card = house.client.card(50_000_000);
    let purchase = house.client.authorize("a1", &card, "10.00").expect(200);
    let id = purchase["id"].as_str().unwrap().to_owned();
    house.client.step(&id, "capture", "c1", "4.00").expect(200);
    let before = told(&house);
    let document = &before[4]["hits"].as_array().unwrap();
    let of = |id: &String| {
        document
            .iter()
            .find(|hit| hit["document"]["balance_id"] == **id)
    };
    assert_eq!(
        of(&one).unwrap()["document"]["inflight_debit_balance"],
        "2000"
    );

    server.restart();
    house = House::new(&server);
    assert_eq!(told(&house), before, "after a kill");
    server.kill();
    std::fs::remove_dir_all(server.data_dir().join("search")).unwrap();
    server.restart();
    house = House::new(&server);
    assert_eq!(told(&house), before, "built from the log");
    let begun = house.client.post("/search/reindex", &json!({})).expect(200);
    assert_eq!(begun["progress"]["status"], "in_progress");
    server::wait_until("the index is built again", || {
        house.client.get("/search/reindex").expect(200)["status"] == "completed"
    });
    let progress = house.client.get("/search/reindex").expect(200);
    assert_eq!(progress["processed_records"], progress["total_records"]);
    assert!(progress["completed_at"].is_string());
    assert_eq!(told(&house), before, "after a rebuild");
    server.kill();
    for entry in std::fs::read_dir(server.data_dir().join("search")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "sqlite")
        {
            std::fs::write(
                path,
                "no database at all, and long enough to be read as one",
            )
            .unwrap();
        }
    }
    server.restart();
    house = House::new(&server);
    assert_eq!(told(&house), before, "after damage");
}

#[test]
fn what_other_faces_did_is_found() {
    let server = Server::start();
    let house = House::new(&server);
    house.ledger("L");
    let client = &house.client;
    let card = client.card(50_000_000);
    let purchase = client.authorize("auth-1", &card, "10.00").expect(200);
    let id = purchase["id"].as_str().unwrap().to_owned();
    client.step(&id, "capture", "cap-1", "4.00").expect(200);
    let all = client
        .get("/transactions?limit=100&sort_order=asc")
        .expect(200);
    let all = all.as_array().unwrap();
    let by_reference: BTreeMap<&str, &Value> = all
        .iter()
        .map(|item| (item["reference"].as_str().unwrap(), item))
        .collect();
    let authorized = by_reference["auth-1"];
    assert_eq!(authorized["status"], "INFLIGHT");
    let captured = by_reference["cap-1"];
    assert_eq!(captured["parent_transaction"], authorized["transaction_id"]);
    assert_eq!(captured["status"], "COMMIT");
    for item in [authorized, captured] {
        let id = item["transaction_id"].as_str().unwrap();
        assert_eq!(
            client.get(&format!("/transactions/{id}")).expect(200),
            *item
        );
        let asked = json!({ "q": "*", "filter_by": format!("transaction_id:={id}") });
        let found = client.post("/search/transactions", &asked).expect(200);
        let document = &found["hits"][0]["document"];
        for field in [
            "source",
            "destination",
            "reference",
            "status",
            "currency",
            "description",
        ] {
            assert_eq!(document[field], item[field], "{field}");
        }
        let precise = document["precise_amount"].as_str().unwrap();
        assert_eq!(precise, item["precise_amount"].to_string());
    }
    let balance = authorized["source"].as_str().unwrap();
    let shown = client.get(&format!("/balances/{balance}")).expect(200);
    let asked = json!({ "q": "*", "filter_by": format!("balance_id:={balance}") });
    let found = client.post("/search/balances", &asked).expect(200);
    let document = &found["hits"][0]["document"];
    for field in [
        "balance",
        "credit_balance",
        "debit_balance",
        "inflight_debit_balance",
    ] {
        assert_eq!(
            document[field].as_str().unwrap(),
            shown[field].to_string(),
            "{field}"
        );
    }
    assert_eq!(document["ledger_id"], "cards_ledger_id");
    let listed = client
        .get("/balances?ledger_id_eq=cards_ledger_id")
        .expect(200);
    assert_eq!(names(&listed, "balance_id"), [balance]);
}

#[test]
fn a_balance_at_any_moment_is_the_same_from_log_and_index() {
    let server = Server::start();
    let house = House::new(&server);
    let ledger = house.ledger("L");
    let before = house.now();
    let one = house.balance(&ledger, "USD", json!({}));
    let two = house.balance(&ledger, "USD", json!({}));
    let (mut sums, mut told) = ([0_i64, 0], Vec::new());
    house.pay(
        ("@World", &one),
        100_000,
        "fund",
        json!({ "allow_overdraft": true }),
    );
    sums[0] += 100_000;
    told.push((house.now(), sums));
    for number in 0_i64..30 {
        let amount = 100 + number * 37 % 90;
        let (from, to) = if number % 3 == 2 { (1, 0) } else { (0, 1) };
        let sides = [&one, &two];
        house.pay(
            (sides[from], sides[to]),
            amount,
            &format!("p{number}"),
            json!({}),
        );
        sums[from] -= amount;
        sums[to] += amount;
        told.push((house.now(), sums));
    }
    for (moment, sums) in &told {
        for (id, sum) in [(&one, sums[0]), (&two, sums[1])] {
            for source in ["true", "false"] {
                let path = format!("/balances/{id}/at?timestamp={moment}&from_source={source}");
                let at = house.client.get(&path).expect(200);
                assert_eq!(
                    at["balance"]["balance"], sum,
                    "{id} at {moment} by {source}"
                );
                assert_eq!(at["from_source"].to_string(), source);
                let credit = at["balance"]["credit_balance"].as_i64().unwrap();
                let debit = at["balance"]["debit_balance"].as_i64().unwrap();
                assert_eq!(credit - debit, sum);
            }
        }
    }
    let gone = house
        .client
        .get(&format!("/balances/{one}/at?timestamp={before}"))
        .expect(404);
    assert_eq!(gone["error_detail"]["code"], "BAL_HISTORY_NOT_FOUND");
    let wrong = house
        .client
        .get(&format!("/balances/{one}/at?timestamp=now"))
        .expect(400);
    assert_eq!(wrong["error_detail"]["code"], "BAL_INVALID_TIMESTAMP");
    house.client.get(&format!("/balances/{one}/at")).expect(400);
    let none = house
        .client
        .get("/balances/bln_x/at?timestamp=2026-01-01T00:00:00Z")
        .expect(404);
    assert_eq!(none["error_detail"]["code"], "BAL_NOT_FOUND");
    let snapshot = house
        .client
        .post("/balances-snapshots?batch_size=10", &json!({}))
        .expect(200);
    assert!(snapshot["message"].is_string());
}

#[test]
fn money_is_followed_to_its_providers() {
    let server = Server::start();
    let house = House::new(&server);
    let ledger = house.ledger("L");
    let identity = json!({ "identity_type": "individual", "first_name": "Ada", "last_name": "L" });
    let identity = house.client.post("/identities", &identity).expect(201);
    for (order, taken) in [
        ("FIFO", [("stripe", 100), ("bank", 20)]),
        ("LIFO", [("bank", 50), ("stripe", 70)]),
        ("PROPORTIONAL", [("stripe", 80), ("bank", 40)]),
    ] {
        let body = json!({
            "ledger_id": ledger, "currency": "USD", "identity_id": identity["identity_id"],
            "track_fund_lineage": true, "allocation_strategy": order,
        });
        let id = house.client.post("/balances", &body).expect(201)["balance_id"].clone();
        let id = id.as_str().unwrap();
        for (provider, amount) in [("stripe", 100), ("bank", 50)] {
            let with = json!({
                "allow_overdraft": true, "meta_data": { "BLNK_LINEAGE_PROVIDER": provider },
            });
            house.pay(("@World", id), amount, &format!("{order}-{provider}"), with);
        }
        let spent = house.pay((id, "@Shop"), 120, &format!("{order}-spend"), json!({}));
        let told = house
            .client
            .get(&format!("/transactions/{spent}/lineage"))
            .expect(200);
        let parts: BTreeMap<&str, i64> = told["fund_allocation"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| {
                (
                    part["provider"].as_str().unwrap(),
                    part["amount"].as_i64().unwrap(),
                )
            })
            .collect();
        assert_eq!(parts, BTreeMap::from(taken), "{order}");
        assert_eq!(told["shadow_transactions"], json!([]));
        let told = house
            .client
            .get(&format!("/balances/{id}/lineage"))
            .expect(200);
        assert_eq!(told["total_with_lineage"], 30, "{order}");
        let stripe = &told["providers"][0];
        assert_eq!(
            (&stripe["provider"], &stripe["amount"]),
            (&json!("stripe"), &json!(100))
        );
        assert_eq!(stripe["spent"], BTreeMap::from(taken)["stripe"], "{order}");
    }
    let plain = house.balance(&ledger, "USD", json!({}));
    let told = house
        .client
        .get(&format!("/balances/{plain}/lineage"))
        .expect(200);
    assert_eq!(told["providers"], json!([]));
}

/// Each route of lists, filters, searches and history.
fn routes(balance: &str, transaction: &str) -> Vec<(&'static str, String, Value)> {
    let nothing = json!({ "filters": [] });
    let all = json!({ "q": "*" });
    let mut routes: Vec<(&'static str, String, Value)> = Vec::new();
    for collection in ["ledgers", "balances", "transactions", "identities"] {
        routes.push(("GET", format!("/{collection}"), Value::Null));
        routes.push(("POST", format!("/{collection}/filter"), nothing.clone()));
        routes.push(("POST", format!("/search/{collection}"), all.clone()));
    }
    let several = json!({ "searches": [{ "collection": "balances", "q": "*" }] });
    routes.push(("POST", "/multi-search".to_owned(), several));
    routes.push(("GET", "/search/reindex".to_owned(), Value::Null));
    routes.push(("POST", "/balances-snapshots".to_owned(), Value::Null));
    routes.push(("GET", format!("/balances/{balance}/lineage"), Value::Null));
    routes.push((
        "GET",
        format!("/transactions/{transaction}/lineage"),
        Value::Null,
    ));
    let at = format!("/balances/{balance}/at?timestamp=2126-01-01T00:00:00Z");
    routes.push(("GET", format!("{at}&from_source=true"), Value::Null));
    routes.push(("GET", at, Value::Null));
    routes
}

#[test]
fn who_may_not_is_refused_and_each_programme_finds_its_own() {
    let server = Server::start();
    let house = House::new(&server);
    let ledger = house.ledger("Secret ledger");
    let balance = house.balance(&ledger, "USD", json!({ "secret": "secret" }));
    let with = json!({ "allow_overdraft": true, "description": "secret" });
    let transaction = house.pay(("@World", &balance), 100, "secret", with);
    let client = &house.client;
    let scopes = json!({ "name": "k", "scopes": ["network", "operator", "programme"] });
    let key = client.post("/v1/api-keys", &scopes).expect(201)["secret_key"].clone();
    let other = client.with_key(key.as_str());
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let foreign = client.with_key(acme["api_key"].as_str());
    let ask = |client: &server::Client, (method, path, body): &(&str, String, Value)| {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        client.send((method, path), &[], body)
    };
    for route in routes(&balance, &transaction) {
        let what = format!("{} {}", route.0, route.1);
        ask(client, &route).expect(200);
        let reply = ask(&client.with_key(None), &route);
        let code = reply.expect(401)["error_detail"]["code"].clone();
        assert!(code.as_str().unwrap().starts_with("AUTH_"), "{what}");
        let reply = ask(&other, &route);
        let code = reply.expect(403)["error_detail"]["code"].clone();
        assert_eq!(code, "AUTH_INSUFFICIENT_PERMISSIONS", "{what}");
        let reply = ask(&foreign, &route);
        let expected = if route.1.contains("_") && route.1.contains('/') && route.1.len() > 40 {
            404
        } else {
            200
        };
        assert_eq!(reply.status, expected, "{what}: {}", reply.text);
        let told = reply.text.to_lowercase();
        let tells = told.contains("secret") || told.contains(&balance);
        assert!(!tells, "{what} tells of another's: {told}");
    }
    // The other programme's own is found from its first ledger on, and beside the first's.
    let made = foreign
        .post("/ledgers", &json!({ "name": "Acme's" }))
        .expect(201);
    assert_eq!(
        names(&foreign.get("/ledgers").expect(200), "ledger_id"),
        [made["ledger_id"].as_str().unwrap()]
    );
    assert_eq!(
        names(&client.get("/ledgers").expect(200), "name"),
        ["Secret ledger"]
    );
    let all = json!({ "q": "*" });
    let found = foreign.post("/search/ledgers", &all).expect(200);
    assert_eq!(
        (found["found"].as_u64(), found["out_of"].as_u64()),
        (Some(1), Some(1))
    );
}

#[test]
fn methods_that_a_route_has_not_are_refused() {
    let server = Server::start();
    let client = server.client();
    for path in [
        "/balances/filter",
        "/search/ledgers",
        "/multi-search",
        "/balances-snapshots",
    ] {
        let reply = client.send(("PATCH", path), &[], "{}");
        assert_eq!(reply.status, 405, "{path}: {}", reply.text);
    }
    let reply = client.send(
        ("POST", "/search/ledgers"),
        &[("content-type", "text/plain")],
        "{}",
    );
    assert_eq!(reply.status, 415, "{}", reply.text);
    for body in ["", "[]", "{", "{\"q\":1}", "{\"filters\":{}}"] {
        for path in ["/search/ledgers", "/ledgers/filter", "/multi-search"] {
            let reply = client.send(("POST", path), &[], body);
            assert_eq!(reply.status, 400, "{path} {body}: {}", reply.text);
        }
    }
}

#[test]
fn killed_while_it_is_written_it_goes_on_right() {
    let mut server = Server::start();
    let mut house = House::new(&server);
    let ledger = house.ledger("L");
    let one = house.balance(&ledger, "USD", json!({}));
    let two = house.balance(&ledger, "USD", json!({ "word": "coffee" }));
    for round in 0..4 {
        // It is asked once a round, so that it hurries, and is killed on its way through the rest.
        for number in 0..25 {
            let reference = format!("{round}-{number}");
            let inflight = number % 3 == 0;
            let with = json!({ "allow_overdraft": true, "inflight": inflight });
            house.pay((&one, &two), 10 + number, &reference, with);
            if number == 5 * round {
                house.client.get("/transactions?limit=1").expect(200);
            }
        }
        server.restart();
        house = House::new(&server);
    }
    let before = told(&house);
    assert_eq!(before[7]["found"], 100);
    let balances = names(&before[3], "balance_id");
    for id in &balances {
        let shown = house.client.get(&format!("/balances/{id}")).expect(200);
        let asked = json!({ "q": "*", "filter_by": format!("balance_id:={id}") });
        let found = house.client.post("/search/balances", &asked).expect(200);
        for field in ["balance", "inflight_balance", "inflight_credit_balance"] {
            let indexed = &found["hits"][0]["document"][field];
            assert_eq!(
                indexed.as_str().unwrap(),
                shown[field].to_string(),
                "{field} of {id}"
            );
        }
    }
    server.kill();
    std::fs::remove_dir_all(server.data_dir().join("search")).unwrap();
    server.restart();
    assert_eq!(told(&House::new(&server)), before);
}
