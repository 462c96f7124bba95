//! Every route of this face under every kind of key, as the OpenAPI document lists them: none is forgotten.

use serde_json::{Value, json};

use crate::{
    pay, prepared,
    server::{Client, HOLDER, KEY, Reply},
};

/// Every route with its method, and things of the house's in its path.
fn routes(
    client: &Client,
    balance: &str,
    transaction: &str,
    ledger: &str,
) -> Vec<(String, String)> {
    let document = client.get("/openapi.json").expect(200);
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let is_ours = operation["tags"]
                .as_array()
                .is_some_and(|tags| tags.contains(&json!("ledger")));
            if !is_ours || path == "/health" {
                continue;
            }
            let id = match path.split('/').nth(1).unwrap() {
                "balances" | "balance-monitors" => balance,
                "ledgers" => ledger,
                _ => transaction,
            };
            let mut filled = String::new();
            for part in path.split('/').skip(1) {
                let part = match part {
                    "{reference}" => "fund",
                    "{indicator}" => "@World",
                    "{currency}" => "USD",
                    "{entity_id}" => ledger,
                    other if other.starts_with('{') => id,
                    other => other,
                };
                filled.push('/');
                filled.push_str(part);
            }
            routes.push((method.to_ascii_uppercase(), filled));
        }
    }
    assert!(routes.len() > 40, "only {} routes are listed", routes.len());
    routes
}

fn ask(client: &Client, (method, path): &(String, String)) -> Reply {
    let body = if method == "GET" { "" } else { "{}" };
    client.send((method, path), &[], body)
}

#[track_caller]
fn refused(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{what}: {}", reply.text);
    let code = reply.json["error_detail"]["code"].as_str();
    let code = code.unwrap_or_else(|| panic!("{what}: {}", reply.text));
    assert!(code.starts_with("AUTH_"), "{what}: {code}");
    assert!(!reply.tells(KEY), "{what} tells the key");
}

#[test]
fn no_route_opens_to_a_wrong_key() {
    let (_server, client, card, shop) = prepared();
    let made = client
        .post("/transactions", &pay(&card, &shop, "t", json!(1)))
        .expect(201);
    let id = made["transaction_id"].as_str().unwrap();
    let ledger = client
        .post("/ledgers", &json!({ "name": "secret-name" }))
        .expect(201);
    let ledger = ledger["ledger_id"].as_str().unwrap();
    let keys = json!({ "name": "k", "scopes": ["network", "operator", "programme"] });
    let other = client.post("/v1/api-keys", &keys).expect(201);
    let assertion =
        json!({ "challengeType": "API_KEY", "value": { "api_key": KEY, "alias": "eva" } });
    let body = json!({ "assertion_result": assertion, "extra_context": {}, "type": "individual" });
    let session = client
        .post("/api/origins/sandbox/register", &body)
        .expect(201);
    let session = session["result"]["access_token"].as_str();
    for route in routes(&client, &card, id, ledger) {
        let what = format!("{} {}", route.0, route.1);
        for wrong in [None, Some("sk_sandbox_wrong"), Some("")] {
            refused(&ask(&client.with_key(wrong), &route), 401, &what);
        }
        refused(
            &ask(&client.with_key(other["secret_key"].as_str()), &route),
            403,
            &what,
        );
        refused(&ask(&client.with_key(session), &route), 403, &what);
    }
    client.trial_balance();
}

#[test]
fn another_origin_s_key_finds_nothing() {
    let (_server, client, card, shop) = prepared();
    let made = client
        .post("/transactions", &pay(&card, &shop, "t", json!(1)))
        .expect(201);
    let id = made["transaction_id"].as_str().unwrap();
    let ledger = client
        .post("/ledgers", &json!({ "name": "secret-name" }))
        .expect(201);
    let ledger = ledger["ledger_id"].as_str().unwrap();
    client
        .authorize("auth-1", &client.card(5_000_000), "1.00")
        .expect(200);
    let held = client.get("/transactions/reference/auth-1").expect(200);
    let held = held["transaction_id"].as_str().unwrap();
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let foreign = client.with_key(acme["api_key"].as_str());
    for route in routes(&client, &card, id, ledger) {
        let what = format!("{} {}", route.0, route.1);
        let reply = ask(&foreign, &route);
        assert!(reply.status < 500, "{what}: {}", reply.text);
        for secret in [
            card.as_str(),
            shop.as_str(),
            id,
            "secret-name",
            HOLDER,
            "100000",
        ] {
            let tells = reply.tells(secret) && !route.1.contains(secret);
            assert!(!tells, "{what} tells {secret}: {}", reply.text);
        }
        let is_thing = ["/transactions/", "/balances/", "/ledgers/"]
            .iter()
            .any(|start| route.1.starts_with(start));
        let names_one = route.1.contains(id) || route.1.contains(&card) || route.1.contains(ledger);
        if route.0 == "GET" && is_thing && names_one && !route.1.ends_with("/at") {
            assert_eq!(reply.status, 404, "{what}: {}", reply.text);
        }
    }
    let commit = json!({ "status": "commit" });
    for (path, body) in [
        (format!("/transactions/inflight/{held}"), commit),
        (
            format!("/balances/{card}/identity"),
            json!({ "identity_id": "idt_x" }),
        ),
        (format!("/ledgers/{ledger}"), json!({ "name": "x" })),
    ] {
        assert_eq!(crate::put(&foreign, &path, &body).status, 404, "{path}");
    }
    let body = pay(&card, "@Mine", "steal", json!(1));
    assert_eq!(
        crate::code(&foreign.post("/transactions", &body), 404),
        "BAL_NOT_FOUND"
    );
    let refund = foreign.post(&format!("/refund-transaction/{id}"), &Value::Null);
    assert_eq!(crate::code(&refund, 404), "TXN_NOT_FOUND");
    // References and indicators are each origin's own.
    let mut own = pay("@World", "@Mine", "t", json!(1));
    own["allow_overdraft"] = true.into();
    foreign.post("/transactions", &own).expect(201);
    let world = client
        .get("/balances/indicator/@World/currency/USD")
        .expect(200);
    assert_eq!(world["balance"], -100_000);
    client.trial_balance();
}
