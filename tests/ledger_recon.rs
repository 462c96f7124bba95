//! Reconciliation over HTTP: files in, runs, reports; and a card programme's settlement file, end to end.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use std::time::UNIX_EPOCH;

use cardwright::domain::time::Timestamp;
use serde_json::{Value, json};
use server::{Client, Reply, Server, wait_until};

const BOUNDARY: &str = "------------------------104857600";

fn upload(client: &Client, file: &str, source: &str) -> Reply {
    let body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"s.csv\"\r\n\
         Content-Type: text/csv\r\n\r\n{file}\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"source\"\r\n\r\n{source}\r\n--{BOUNDARY}--\r\n"
    );
    send_form(client, &body)
}

fn send_form(client: &Client, body: &str) -> Reply {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", kind.as_str())];
    client.send(("POST", "/reconciliation/upload"), &headers, body)
}

#[track_caller]
fn rule(client: &Client, criteria: Value) -> String {
    let body = json!({ "name": "a rule", "description": "of a test", "criteria": criteria });
    let made = client
        .post("/reconciliation/matching-rules", &body)
        .expect(201);
    made["rule_id"].as_str().unwrap().to_owned()
}

/// The run as it is when it has ended.
#[track_caller]
fn ended(client: &Client, started: &Value) -> Value {
    let id = started["reconciliation_id"].as_str().unwrap();
    let path = format!("/reconciliation/{id}");
    let mut told = Value::Null;
    wait_until("the reconciliation's end", || {
        told = client.get(&path).expect(200);
        !told["completed_at"].is_null()
    });
    told
}

#[track_caller]
fn report(client: &Client, run: &Value, query: &str) -> Value {
    let id = run["reconciliation_id"].as_str().unwrap();
    client
        .get(&format!("/reconciliation/{id}/report?{query}"))
        .expect(200)
}

fn code(reply: &Reply, status: u16) -> &str {
    assert_eq!(reply.status, status, "{}", reply.text);
    reply.json["error_detail"]["code"].as_str().unwrap()
}

fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap()
}

fn by_reference() -> Value {
    json!([
        { "field": "reference", "operator": "equals" },
        { "field": "amount", "operator": "equals" },
        { "field": "currency", "operator": "equals" },
        { "field": "date", "operator": "equals", "allowable_drift": 43200 },
    ])
}

#[test]
fn files_are_taken_or_refused_by_line_and_column() {
    let server = Server::start();
    let client = server.client();
    let good =
        "Reference,AMOUNT,currency,date,note\nr-1,10.00,USD,2026-01-31,x\nr-2,5,USD,2026-01-31,\n";
    let taken = upload(&client, good, "acquirer").expect(200);
    assert_eq!(taken["record_count"], 2);
    assert_eq!(taken["source"], "acquirer");
    assert!(taken["upload_id"].as_str().unwrap().starts_with("upload_"));
    let array = r#"[{"id":"a","amount":1.10,"currency":"USD","date":"2026-01-31"}]"#;
    assert_eq!(upload(&client, array, "").expect(200)["record_count"], 1);
    let lines = format!(
        "{}\n{}",
        &array[1..array.len() - 1],
        &array[1..array.len() - 1]
    );
    assert_eq!(upload(&client, &lines, "x").expect(200)["record_count"], 2);
    for (file, line, column) in [
        (
            "amount,currency,date\n1,USD,2026-01-31\nx,USD,2026-01-31\n",
            3,
            "amount",
        ),
        ("amount,currency,date\n1,USD,31.1.2026\n", 2, "date"),
        ("amount,date\n1,2026-01-31\n", 1, "currency"),
        (
            r#"[{"amount":1,"currency":7,"date":"2026-01-31"}]"#,
            1,
            "currency",
        ),
    ] {
        let refused = upload(&client, file, "s");
        assert_eq!(code(&refused, 400), "GEN_VALIDATION_ERROR", "{file}");
        assert_eq!(
            refused.json["error_detail"]["details"]["line"], line,
            "{file}"
        );
        assert_eq!(
            refused.json["error_detail"]["details"]["field"], column,
            "{file}"
        );
    }
    assert_eq!(code(&upload(&client, "", "s"), 400), "GEN_VALIDATION_ERROR");
    assert_eq!(
        code(&upload(&client, "[1", "s"), 400),
        "GEN_VALIDATION_ERROR"
    );
    let no_file = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"source\"\r\n\r\nx\r\n--{BOUNDARY}--\r\n"
    );
    assert_eq!(
        code(&send_form(&client, &no_file), 400),
        "GEN_MISSING_PARAMETER"
    );
    assert_eq!(
        code(&send_form(&client, "not a form"), 400),
        "GEN_MALFORMED_REQUEST"
    );
    let cut = &no_file[..no_file.len() / 2];
    assert_eq!(code(&send_form(&client, cut), 400), "GEN_MALFORMED_REQUEST");
    let json = client.post("/reconciliation/upload", &json!({}));
    assert_eq!(json.status, 415, "{}", json.text);
    // Nothing half is left behind.
    let folder = server.data_dir().join("reconciliation/uploads");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 3);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a walk is told in one go")]
fn rules_are_made_changed_and_removed() {
    let server = Server::start();
    let client = server.client();
    let path = "/reconciliation/matching-rules";
    let criteria = json!([
        { "field": "amount", "operator": "equals", "allowable_drift": 0.01 },
        { "field": "reference", "operator": "contains" },
        { "field": "currency", "operator": "equals", "value": "USD" },
    ]);
    let body = json!({ "name": "one", "description": "d", "criteria": criteria });
    let headers = [("idempotency-key", "k-1")];
    let made = client.send(("POST", path), &headers, body.to_string());
    let again = client.send(("POST", path), &headers, body.to_string());
    assert!(!made.is_replay() && again.is_replay());
    let (made, again) = (made.expect(201), again.expect(201));
    assert_eq!(made["rule_id"], again["rule_id"]);
    assert_eq!(made["criteria"], criteria);
    let one = format!("{path}/{}", made["rule_id"].as_str().unwrap());
    let change = json!({ "name": "two", "description": "", "criteria": by_reference() });
    let changed = client
        .send(("PUT", &one), &[], change.to_string())
        .expect(200);
    assert_eq!(changed["created_at"], made["created_at"]);
    assert_ne!(changed["updated_at"], made["updated_at"]);
    assert_eq!(client.get(&one).expect(200), changed);
    assert_eq!(client.get(path).expect(200), json!([changed]));
    for (criteria, field) in [
        (json!([]), "criteria[0].field"),
        (
            json!([{ "field": "amount", "operator": "contains" }]),
            "criteria[0].operator",
        ),
        (
            json!([{ "field": "amount", "operator": "equals", "allowable_drift": 3 }]),
            "criteria[0].allowable_drift",
        ),
        (
            json!([{ "field": "amount", "operator": "equals", "allowable_drift": "x" }]),
            "criteria[0].allowable_drift",
        ),
        (
            json!([{ "field": "date", "operator": "equals", "value": "soon" }]),
            "criteria[0].value",
        ),
    ] {
        let body = json!({ "name": "x", "description": "", "criteria": criteria });
        let refused = client.post(path, &body);
        assert_eq!(code(&refused, 400), "GEN_VALIDATION_ERROR");
        assert_eq!(
            refused.json["error_detail"]["details"]["field"], field,
            "{}",
            refused.text
        );
    }
    for body in [
        json!({ "name": "x" }),
        json!({ "name": 7, "criteria": [] }),
        json!([]),
    ] {
        assert_eq!(
            code(&client.post(path, &body), 400),
            "GEN_MALFORMED_REQUEST"
        );
    }
    let gone = client.send(("DELETE", &one), &[], "").expect(200);
    assert_eq!(gone["message"], "matching rule deleted successfully");
    assert_eq!(code(&client.get(&one), 404), "GEN_NOT_FOUND");
    assert_eq!(
        code(&client.send(("DELETE", &one), &[], ""), 404),
        "GEN_NOT_FOUND"
    );
    assert_eq!(
        code(&client.send(("PUT", &one), &[], change.to_string()), 404),
        "GEN_NOT_FOUND"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
fn what_cannot_be_started_is_refused() {
    let server = Server::start();
    let client = server.client();
    let file = "reference,amount,currency,date\nr-1,10.00,USD,2026-01-31\n";
    let upload_id = upload(&client, file, "s").expect(200)["upload_id"].clone();
    let rule_id = rule(&client, by_reference());
    let start = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({
            "upload_id": upload_id, "strategy": "one_to_one", "dry_run": true,
            "grouping_criteria": "", "matching_rule_ids": [rule_id],
        });
        change(&mut body);
        client.post("/reconciliation/start", &body)
    };
    assert_eq!(
        code(&start(&|body| body["strategy"] = "all".into()), 400),
        "GEN_MALFORMED_REQUEST"
    );
    assert_eq!(
        code(&start(&|body| body["strategy"] = "one_to_many".into()), 400),
        "GEN_MISSING_PARAMETER"
    );
    assert_eq!(
        code(&start(&|body| body["matching_rule_ids"] = json!([])), 400),
        "GEN_VALIDATION_ERROR"
    );
    assert_eq!(
        code(
            &start(&|body| body["matching_rule_ids"] = json!(["x"])),
            404
        ),
        "GEN_NOT_FOUND"
    );
    for id in ["upload_x", "../../log", ""] {
        assert_eq!(
            code(&start(&|body| body["upload_id"] = id.into()), 404),
            "GEN_NOT_FOUND"
        );
    }
    let run = ended(&client, &start(&|_| {}).expect(200));
    assert_eq!(run["status"], "completed", "{run}");
    assert_eq!(run["upload_id"], upload_id);
    assert_eq!(run["is_dry_run"], true);
    assert_eq!(
        (&run["matched_transactions"], &run["unmatched_transactions"]),
        (&json!(0), &json!(1))
    );
    let told = report(&client, &run, "");
    assert_eq!(told["records"][0]["why"], "no_candidate", "{told}");
    let id = run["reconciliation_id"].as_str().unwrap();
    for query in [
        "format=xml",
        "page=0",
        "per_page=100000",
        "kind=some",
        "what=1",
    ] {
        let refused = client.get(&format!("/reconciliation/{id}/report?{query}"));
        assert_eq!(code(&refused, 400), "GEN_VALIDATION_ERROR", "{query}");
    }
    for id in ["recon_x", "recon_", &id.replace(&id[10..14], "zzzz")] {
        assert_eq!(
            code(&client.get(&format!("/reconciliation/{id}")), 404),
            "GEN_NOT_FOUND"
        );
    }
    let records = json!([{ "id": "a", "amount": "x", "currency": "USD", "date": "2026-01-31" }]);
    let instant = |records: &Value| {
        let body = json!({
            "external_transactions": records, "strategy": "one_to_one",
            "matching_rule_ids": [rule_id],
        });
        client.post("/reconciliation/start-instant", &body)
    };
    let refused = instant(&records);
    assert_eq!(code(&refused, 400), "GEN_VALIDATION_ERROR");
    assert_eq!(refused.json["error_detail"]["details"]["field"], "amount");
    assert_eq!(code(&instant(&json!([])), 400), "GEN_VALIDATION_ERROR");
}

#[test]
fn nothing_is_told_without_a_key_or_to_another_origin() {
    let server = Server::start();
    let client = server.client();
    let file = "reference,amount,currency,date\nr-1,10.00,USD,2026-01-31\n";
    let upload_id = upload(&client, file, "s").expect(200)["upload_id"].clone();
    let rule_id = rule(&client, by_reference());
    let body = json!({
        "upload_id": upload_id, "strategy": "one_to_one", "dry_run": false,
        "matching_rule_ids": [rule_id],
    });
    let started = client.post("/reconciliation/start", &body).expect(200);
    let run = ended(&client, &started);
    let id = run["reconciliation_id"].as_str().unwrap();
    let rule_path = format!("/reconciliation/matching-rules/{rule_id}");
    let new_rule = json!({ "name": "n", "description": "", "criteria": by_reference() });
    let instant = json!({
        "external_transactions": [{ "amount": 1, "currency": "USD", "date": "2026-01-31" }],
        "strategy": "one_to_one", "matching_rule_ids": [rule_id],
    });
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let foreign = client.with_key(acme["api_key"].as_str());
    let scopes = json!({ "name": "some", "scopes": ["network", "operator", "programme"] });
    let other = client.post("/v1/api-keys", &scopes).expect(201);
    let unfit = client.with_key(other["secret_key"].as_str());
    for (method, path, body, seen) in [
        ("POST", "/reconciliation/upload", json!({}), 415),
        (
            "POST",
            "/reconciliation/matching-rules",
            new_rule.clone(),
            201,
        ),
        ("GET", "/reconciliation/matching-rules", Value::Null, 200),
        ("GET", &rule_path, Value::Null, 404),
        ("PUT", &rule_path, new_rule, 404),
        ("DELETE", &rule_path, Value::Null, 404),
        ("POST", "/reconciliation/start", body, 404),
        ("POST", "/reconciliation/start-instant", instant, 404),
        ("GET", &format!("/reconciliation/{id}"), Value::Null, 404),
        (
            "GET",
            &format!("/reconciliation/{id}/report"),
            Value::Null,
            404,
        ),
    ] {
        let ask = |client: &Client| client.send((method, path), &[], body.to_string());
        assert_eq!(ask(&client.with_key(None)).status, 401, "{method} {path}");
        assert_eq!(
            ask(&client.with_key(Some("sk_wrong"))).status,
            401,
            "{method} {path}"
        );
        let refused = ask(&unfit);
        assert_eq!(
            code(&refused, 403),
            "AUTH_INSUFFICIENT_PERMISSIONS",
            "{method} {path}"
        );
        let reply = ask(&foreign);
        assert_eq!(reply.status, seen, "{method} {path}: {}", reply.text);
        assert!(!reply.text.contains(id), "{method} {path}");
    }
}

/// A purchase that was captured, and when.
struct Captured {
    reference: String,
    dollars: String,
    micros: i64,
}

fn captured(client: &Client, card: &str, number: usize, dollars: &str) -> Captured {
    let authorization = format!("auth-{number}");
    client.authorize(&authorization, card, dollars).expect(200);
    let reference = format!("stl-{number}");
    client
        .step(&authorization, "capture", &reference, "")
        .expect(200);
    Captured {
        reference,
        dollars: dollars.to_owned(),
        micros: now(),
    }
}

/// A ledger with a card's balance and a shop's.
fn books(client: &Client) -> (String, String) {
    let ledger = client
        .post("/ledgers", &json!({ "name": "USD Ledger" }))
        .expect(201);
    let balance = || {
        let wanted = json!({ "ledger_id": ledger["ledger_id"], "currency": "USD" });
        let made = client.post("/balances", &wanted).expect(201);
        made["balance_id"].as_str().unwrap().to_owned()
    };
    (balance(), balance())
}

fn pay(client: &Client, sides: (&str, &str), reference: &str, more: &Value) -> Value {
    let mut body = json!({
        "precision": 100, "currency": "USD", "reference": reference, "description": "",
        "source": sides.0, "destination": sides.1, "allow_overdraft": true,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    client.post("/transactions", &body).expect(201)
}

/// A purchase of the ledger face: inflight, then committed, by a transaction without a reference of its own.
fn ledger_purchase(client: &Client, reference: &str, dollars: &str) -> Captured {
    let (card, shop) = books(client);
    let more = json!({ "amount_string": dollars, "inflight": true });
    let held = pay(client, (&card, &shop), reference, &more);
    let path = format!(
        "/transactions/inflight/{}",
        held["transaction_id"].as_str().unwrap()
    );
    let commit = json!({ "status": "commit" });
    client
        .send(("PUT", &path), &[], commit.to_string())
        .expect(200);
    Captured {
        reference: reference.to_owned(),
        dollars: dollars.to_owned(),
        micros: now(),
    }
}

fn row(place: usize, of: &Captured, dollars: &str, later_s: i64) -> String {
    let date = Timestamp::from_micros(of.micros).plus_seconds(later_s);
    format!(
        "{place},{},{dollars},USD,{date},card purchase,acquirer\n",
        of.reference
    )
}

/// The lines of a report by the external reference, or the internal one where there is none.
fn told_of<'a>(report: &'a Value, kind: &str, reference: &str) -> Vec<&'a Value> {
    let records = report["records"].as_array().unwrap();
    let own = if kind == "unmatched_internal" {
        "internal"
    } else {
        "external"
    };
    let wanted = |line: &&Value| {
        let records = line[own].as_array().unwrap();
        line["kind"] == kind
            && records
                .iter()
                .any(|record| record["reference"] == reference)
    };
    records.iter().filter(wanted).collect()
}

#[test]
fn a_settlement_file_says_exactly_what_is_wrong() {
    let mut server = Server::start();
    let client = server.client();
    let card = client.card(1_000_000_000);
    let dollars = ["25.00", "12.34", "10.00", "7.77", "99.99", "3.50"];
    let bought: Vec<_> = dollars
        .iter()
        .enumerate()
        .map(|(number, dollars)| captured(&client, &card, number, dollars))
        .collect();
    let shop = ledger_purchase(&client, "led-1", "42.42");
    // Held, not captured: it is in nobody's file.
    client.authorize("auth-held", &card, "8.00").expect(200);
    let mut file = "id,reference,amount,currency,date,description,source\n".to_owned();
    file.push_str(&row(1, &bought[0], &bought[0].dollars, 60));
    file.push_str(&row(2, &bought[1], &bought[1].dollars, 60));
    // Twice.
    file.push_str(&row(3, &bought[1], &bought[1].dollars, 90));
    // A cent too much.
    file.push_str(&row(4, &bought[2], "10.01", 60));
    // A day late.
    file.push_str(&row(5, &bought[3], &bought[3].dollars, 86_400));
    // Fine, then one that is missing (number 5), and one that nobody knows.
    file.push_str(&row(6, &bought[4], &bought[4].dollars, 0));
    file.push_str(&row(8, &shop, &shop.dollars, 30));
    let unknown = Captured {
        reference: "stl-unknown".to_owned(),
        ..captured(&client, &card, 77, "1.00")
    };
    file.push_str(&row(7, &unknown, "444.44", 0));
    let upload_id = upload(&client, &file, "acquirer").expect(200)["upload_id"].clone();
    let rule_id = rule(&client, by_reference());
    let start = |client: &Client, is_dry: bool, include: bool| {
        let body = json!({
            "upload_id": upload_id, "strategy": "one_to_one", "dry_run": is_dry,
            "grouping_criteria": "reference", "matching_rule_ids": [rule_id],
            "include_matched": include,
        });
        let started = client.post("/reconciliation/start", &body).expect(200);
        let run = ended(client, &started);
        assert_eq!(run["status"], "completed", "{run}");
        run
    };
    for is_dry in [true, false] {
        let run = start(&client, is_dry, false);
        assert_eq!(run["matched_transactions"], 4, "{run}");
        assert_eq!(run["unmatched_transactions"], 4, "{run}");
        let told = report(&client, &run, "per_page=1000");
        for reference in ["stl-0", "stl-1", "stl-4", "led-1"] {
            let lines = told_of(&told, "matched", reference);
            assert_eq!(lines.len(), 1, "{reference}: {told}");
            assert_eq!(lines[0]["internal"][0]["reference"], reference);
            assert_eq!(lines[0]["rule_id"], rule_id.as_str());
        }
        check_what_is_wrong(&told);
    }
    // What was matched for good is not matched again, unless that is asked for; also after a crash.
    server.kill();
    server.restart();
    let client = server.client();
    let run = start(&client, true, false);
    assert_eq!(run["matched_transactions"], 0, "{run}");
    assert_eq!(run["summary"]["internal"]["matched_earlier"], 4, "{run}");
    let told = report(&client, &run, "per_page=1000");
    assert_eq!(
        told_of(&told, "unmatched_external", "stl-0")[0]["why"],
        "matched_earlier"
    );
    let run = start(&client, true, true);
    assert_eq!(run["matched_transactions"], 4, "{run}");
    check_pages(&client, &run);
    client.trial_balance();
}

fn check_what_is_wrong(told: &Value) {
    let one = |kind: &str, reference: &str| {
        let lines = told_of(told, kind, reference);
        assert_eq!(lines.len(), 1, "{kind} {reference}: {told}");
        lines[0].clone()
    };
    let failed = |line: &Value| -> Vec<Value> {
        let criteria = line["criteria"].as_array().unwrap();
        let failed = criteria.iter().filter(|finding| finding["holds"] == false);
        failed.cloned().collect()
    };
    let double = one("unmatched_external", "stl-1");
    assert_eq!(double["why"], "already_matched", "{double}");
    let cent = one("unmatched_external", "stl-2");
    assert_eq!(cent["why"], "criterion");
    let why = failed(&cent);
    assert_eq!(why.len(), 1, "{cent}");
    assert_eq!(
        (&why[0]["field"], &why[0]["difference"]),
        (&json!("amount"), &json!("0.01"))
    );
    assert_eq!(cent["internal"][0]["amount"], "10");
    let late = one("unmatched_external", "stl-3");
    let why = failed(&late);
    assert_eq!(why.len(), 1, "{late}");
    assert_eq!(
        (&why[0]["field"], &why[0]["allowed"]),
        (&json!("date"), &json!("43200"))
    );
    let difference: f64 = why[0]["difference"].as_str().unwrap().parse().unwrap();
    assert!((86_390.0..86_430.0).contains(&difference), "{late}");
    assert_eq!(
        one("unmatched_external", "stl-unknown")["why"],
        "no_candidate"
    );
    let missing = one("unmatched_internal", "stl-5");
    assert_eq!(missing["why"], "no_candidate", "{missing}");
    assert_eq!(missing["internal"][0]["amount"], "3.5");
    // The other side of what is a cent off, or late, is told from its side too; what is held is not.
    assert_eq!(one("unmatched_internal", "stl-2")["why"], "criterion");
    assert_eq!(one("unmatched_internal", "stl-3")["why"], "criterion");
    assert!(
        told_of(told, "unmatched_internal", "auth-held").is_empty(),
        "{told}"
    );
}

fn check_pages(client: &Client, run: &Value) {
    let all = report(client, run, "per_page=1000");
    let total = all["total"].as_u64().unwrap();
    let mut seen = Vec::new();
    for page in 1..=total {
        let told = report(client, run, &format!("page={page}&per_page=1"));
        seen.extend(told["records"].as_array().unwrap().clone());
    }
    assert_eq!(json!(seen), all["records"]);
    let matched = report(client, run, "kind=matched");
    assert_eq!(matched["total"], 4);
    let id = run["reconciliation_id"].as_str().unwrap();
    let csv = client.get(&format!(
        "/reconciliation/{id}/report?format=csv&kind=matched"
    ));
    assert_eq!(csv.status, 200);
    assert_eq!(csv.headers["x-total-count"], "4");
    let lines: Vec<_> = csv.text.lines().collect();
    assert_eq!(lines.len(), 5, "{}", csv.text);
    assert!(lines[0].starts_with("kind,why,reason,"), "{}", csv.text);
    assert!(csv.text.contains("stl-0"), "{}", csv.text);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a walk is told in one go")]
fn payouts_and_instalments_are_taken_together() {
    let server = Server::start();
    let client = server.client();
    let (card, shop) = books(&client);
    let described =
        |text: &str, dollars: &str| json!({ "amount_string": dollars, "description": text });
    for (number, dollars) in ["10.10", "20.20", "0.03"].iter().enumerate() {
        let more = described("payout 7", dollars);
        pay(&client, (&card, &shop), &format!("p-{number}"), &more);
    }
    pay(
        &client,
        (&card, &shop),
        "p-8",
        &described("payout 8", "5.00"),
    );
    pay(
        &client,
        (&card, &shop),
        "whole",
        &described("invoice 9", "90.00"),
    );
    let rule_id = rule(
        &client,
        json!([
            { "field": "description", "operator": "equals" },
            { "field": "amount", "operator": "equals" },
            { "field": "currency", "operator": "equals" },
        ]),
    );
    let date = Timestamp::from_micros(now()).to_string();
    let record = |id: &str, dollars: f64, text: &str| {
        json!({
            "id": id, "amount": dollars, "reference": id, "currency": "USD", "description": text,
            "date": date, "source": "bank",
        })
    };
    let run = |strategy: &str, records: Value| {
        let body = json!({
            "external_transactions": records, "strategy": strategy, "dry_run": false,
            "grouping_criteria": "description", "matching_rule_ids": [rule_id],
        });
        let started = client
            .post("/reconciliation/start-instant", &body)
            .expect(200);
        let run = ended(&client, &started);
        assert_eq!(run["status"], "completed", "{run}");
        report(&client, &run, "kind=matched")
    };
    let told = run(
        "one_to_many",
        json!([
            record("a", 30.33, "Payout 7"),
            record("b", 5.01, "Payout 8")
        ]),
    );
    assert_eq!(told["total"], 1, "{told}");
    assert_eq!(
        told["records"][0]["internal"].as_array().unwrap().len(),
        3,
        "{told}"
    );
    let counts = &told["reconciliation"]["summary"];
    assert_eq!(counts["internal"]["matched"], 3, "{told}");
    assert_eq!(counts["internal"]["unmatched"], 2, "{told}");
    let parts = json!([
        record("c", 50.5, "invoice 9"),
        record("d", 39.5, "invoice 9"),
        record("e", 1.0, "other")
    ]);
    let told = run("many_to_one", parts);
    assert_eq!(told["total"], 1, "{told}");
    assert_eq!(
        told["records"][0]["external"].as_array().unwrap().len(),
        2,
        "{told}"
    );
    assert_eq!(told["reconciliation"]["matched_transactions"], 2);
    assert_eq!(told["reconciliation"]["unmatched_transactions"], 1);
}

#[test]
fn a_run_that_a_crash_interrupts_is_marked_and_may_begin_again() {
    let mut server = Server::start();
    let client = server.client();
    let mut file = "reference,amount,currency,date\n".to_owned();
    for number in 0..20_000 {
        file.push_str(&format!("r-{number},{}.5,USD,2026-01-31\n", number % 50));
    }
    let upload_id = upload(&client, &file, "s").expect(200)["upload_id"].clone();
    let rule_id = rule(&client, by_reference());
    let body = json!({
        "upload_id": upload_id, "strategy": "one_to_one", "dry_run": false,
        "matching_rule_ids": [rule_id],
    });
    let start = |client: &Client| client.post("/reconciliation/start", &body);
    let runs: Vec<_> = (0..6).map(|_| start(&client).expect(200)).collect();
    server.kill();
    server.restart();
    let client = server.client();
    let ends: Vec<_> = runs
        .iter()
        .map(|run| ended(&client, run)["status"].clone())
        .collect();
    assert!(
        ends.iter().all(|end| end == "completed" || end == "failed"),
        "{ends:?}"
    );
    assert_eq!(ends.last().unwrap(), "failed", "{ends:?}");
    let failed = runs.last().unwrap()["reconciliation_id"].as_str().unwrap();
    let none = client.get(&format!("/reconciliation/{failed}/report"));
    assert_eq!(code(&none, 409), "GEN_CONFLICT");
    let again = ended(&client, &start(&client).expect(200));
    assert_eq!(again["status"], "completed", "{again}");
    assert_eq!(again["unmatched_transactions"], 20_000);
}
