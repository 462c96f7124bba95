//! Every route of the ledger face under every key: without one, with one that has not the scope, and with
//! another origin's. The routes are those of the OpenAPI document, so that none is forgotten.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

#[path = "common/server.rs"]
mod server;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use server::{Client, KEY, Reply, Server};

/// Routes that need no key.
const OPEN: [&str; 1] = ["/health"];

/// One route, with ids that are there.
struct Route {
    method: String,
    /// As it is documented.
    template: String,
    path: String,
    body: Value,
}

/// What is in the house; every name and note of it has the word secret.
struct Things {
    ids: BTreeMap<&'static str, String>,
}

fn text(reply: &Reply, name: &str) -> String {
    assert!(reply.status < 300, "{name}: {}", reply.text);
    reply.json[name].as_str().unwrap().to_owned()
}

fn things(client: &Client) -> Things {
    let note = json!({ "note": "secret-note" });
    let ledger = json!({ "name": "secret-ledger", "meta_data": note });
    let ledger = text(&client.post("/ledgers", &ledger), "ledger_id");
    let identity = json!({
        "identity_type": "individual", "first_name": "secret-first", "last_name": "secret-last",
        "email_address": "secret@example.com", "category": "secret-category", "meta_data": note,
    });
    let identity = text(&client.post("/identities", &identity), "identity_id");
    let balance = json!({ "ledger_id": ledger, "currency": "USD", "meta_data": note });
    let balance = text(&client.post("/balances", &balance), "balance_id");
    let pay = |reference: &str, source: &str, destination: &str, inflight: bool| {
        let body = json!({
            "amount": 7.5, "precision": 100, "currency": "USD", "reference": reference,
            "description": "secret-payment", "source": source, "destination": destination,
            "allow_overdraft": true, "inflight": inflight, "meta_data": note,
        });
        text(&client.post("/transactions", &body), "transaction_id")
    };
    pay("secret-fund", "@World", &balance, false);
    let transaction = pay("secret-held", &balance, "@Secret", true);
    let condition = json!({ "field": "balance", "operator": ">", "value": 100, "precision": 100 });
    let monitor =
        json!({ "balance_id": balance, "condition": condition, "description": "secret-monitor" });
    let monitor = text(&client.post("/balance-monitors", &monitor), "monitor_id");
    let hook = json!({
        "name": "secret-hook", "url": "https://secret.example/x", "type": "POST_TRANSACTION",
        "active": false, "timeout": 1, "retry_count": 0,
    });
    let hook = text(&client.post("/hooks", &hook), "id");
    let key = json!({
        "name": "secret-key", "owner": "secret-owner", "scopes": ["ledgers:read"],
        "expires_at": "2099-01-01T00:00:00Z",
    });
    let key = client.post("/api-keys", &key);
    assert!(key.status < 300, "{}", key.text);
    let key = key.json["api_key_id"].as_str().or(key.json["id"].as_str());
    let rule = json!({
        "name": "secret-rule", "description": "d",
        "criteria": [{ "field": "reference", "operator": "equals" }],
    });
    let rule = text(
        &client.post("/reconciliation/matching-rules", &rule),
        "rule_id",
    );
    let run = json!({
        "external_transactions": [{
            "id": "e", "amount": 7.5, "reference": "secret-held", "currency": "USD",
            "description": "d", "date": "2026-11-21T10:00:00Z", "source": "bank",
        }],
        "strategy": "one_to_one", "dry_run": true, "matching_rule_ids": [rule],
    });
    let run = client.post("/reconciliation/start-instant", &run);
    let run = text(&run, "reconciliation_id");
    let ids = [
        ("/ledgers", ledger),
        ("/identities", identity),
        ("/balances", balance),
        ("/transactions", transaction.clone()),
        ("/refund-transaction", transaction),
        ("/balance-monitors", monitor),
        ("/hooks", hook),
        ("/api-keys", key.unwrap().to_owned()),
        ("/reconciliation/matching-rules", rule),
        ("/reconciliation", run),
    ];
    Things {
        ids: ids.into_iter().collect(),
    }
}

impl Things {
    /// The document's path with ids that are there.
    fn filled(&self, template: &str) -> String {
        let fixed = [
            ("{balance_id}", self.ids["/balances"].as_str()),
            ("{entity_id}", self.ids["/balances"].as_str()),
            ("{reference}", "secret-held"),
            ("{indicator}", "@Secret"),
            ("{currency}", "USD"),
            ("{collection}", "balances"),
            ("{field}", "first_name"),
        ];
        let mut path = template.to_owned();
        for (name, value) in fixed {
            path = path.replace(name, value);
        }
        if let Some((before, _)) = path.split_once("/{") {
            let prefix =
                |prefix: &&str| before == *prefix || before.starts_with(&format!("{prefix}/"));
            let known = self
                .ids
                .keys()
                .copied()
                .filter(prefix)
                .max_by_key(|it| it.len());
            let id = &self.ids[known.unwrap_or_else(|| panic!("no thing for {template}"))];
            let (_, rest) = path.split_once("/{").unwrap();
            let (_, rest) = rest.split_once('}').unwrap();
            path = format!("{before}/{id}{rest}");
        }
        assert!(!path.contains('{'), "{template}: {path}");
        if path.ends_with("/at") {
            path.push_str("?timestamp=2099-01-01T00:00:00Z");
        }
        path
    }

    /// A body with which the route would do something.
    fn body(&self, method: &str, template: &str) -> Value {
        let of = |name: &str| self.ids[name].clone();
        let payment = || {
            json!({
                "amount": 1, "precision": 100, "currency": "USD", "reference": "r",
                "description": "d", "source": of("/balances"), "destination": "@Elsewhere",
                "allow_overdraft": true, "skip_queue": true,
            })
        };
        match (method, template) {
            ("POST", "/transactions") => payment(),
            ("POST", "/transactions/bulk") => {
                json!({ "transactions": [payment()], "atomic": true, "skip_queue": true })
            }
            ("PUT", "/transactions/inflight/{id}") => json!({ "status": "void" }),
            ("POST", "/transactions/inflight/bulk/commit") => {
                json!({ "transactions": [{ "transaction_id": of("/transactions") }] })
            }
            ("POST", "/transactions/inflight/bulk/void") => {
                json!({ "transaction_ids": [of("/transactions")] })
            }
            ("PUT", "/ledgers/{id}") => json!({ "name": "taken" }),
            ("POST", "/balances") => json!({ "ledger_id": of("/ledgers"), "currency": "USD" }),
            ("PUT", "/balances/{id}/identity") => json!({ "identity_id": of("/identities") }),
            ("POST", "/{entity_id}/metadata") => json!({ "meta_data": { "taken": true } }),
            ("PUT", "/identities/{id}") => json!({ "first_name": "taken" }),
            ("POST", _) if template.contains("/search/") => json!({ "q": "*" }),
            ("POST", "/multi-search") => {
                json!({ "searches": [{ "collection": "balances", "q": "*" }] })
            }
            ("POST", _) if template.ends_with("/filter") => json!({ "filters": [] }),
            ("GET" | "DELETE", _) => Value::Null,
            _ => json!({}),
        }
    }
}

/// Every route of the face in the document.
fn routes(client: &Client, known: &Things) -> Vec<Route> {
    let document = client.get("/openapi.json").expect(200);
    let mut routes = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let tags = operation["tags"].as_array();
            if !tags.is_some_and(|tags| tags.contains(&json!("ledger"))) {
                continue;
            }
            let method = method.to_uppercase();
            routes.push(Route {
                path: known.filled(template),
                body: known.body(&method, template),
                template: template.clone(),
                method,
            });
        }
    }
    assert!(routes.len() > 50, "{} routes", routes.len());
    routes
}

fn ask(client: &Client, route: &Route, headers: &[(&str, &str)]) -> Reply {
    let is_empty = route.body.is_null();
    let body = if is_empty {
        String::new()
    } else {
        route.body.to_string()
    };
    client.send((&route.method, &route.path), headers, body)
}

fn code(reply: &Reply) -> &str {
    reply.json["error_detail"]["code"]
        .as_str()
        .unwrap_or_default()
}

#[test]
fn no_route_answers_without_the_key_and_the_scope() {
    let server = Server::start();
    let client = server.client();
    let known = things(&client);
    let body = json!({ "name": "k", "scopes": ["network", "programme", "operator"] });
    let other = client.post("/v1/api-keys", &body).expect(201);
    let other = client.with_key(other["secret_key"].as_str());
    for route in routes(&client, &known) {
        let what = format!("{} {}", route.method, route.template);
        if OPEN.contains(&route.template.as_str()) {
            assert_eq!(
                ask(&client.with_key(None), &route, &[]).status,
                200,
                "{what}"
            );
            continue;
        }
        let nobody = ask(&client.with_key(None), &route, &[]);
        assert_eq!(nobody.status, 401, "{what}: {}", nobody.text);
        assert!(
            code(&nobody).starts_with("AUTH_"),
            "{what}: {}",
            nobody.text
        );
        let wrong = ask(&client.with_key(None), &route, &[("x-blnk-key", "sk_no")]);
        assert_eq!(
            code(&wrong),
            "AUTH_INVALID_API_KEY",
            "{what}: {}",
            wrong.text
        );
        let scopeless = ask(&other, &route, &[]);
        assert_eq!(scopeless.status, 403, "{what}: {}", scopeless.text);
        assert!(
            code(&scopeless).starts_with("AUTH_"),
            "{what}: {}",
            scopeless.text
        );
        for reply in [nobody, wrong, scopeless] {
            assert!(!reply.text.contains("secret-"), "{what}: {}", reply.text);
        }
    }
    // Either header will do.
    let path = format!("/balances/{}", known.ids["/balances"]);
    let by_header = client.with_key(None);
    let seen = by_header.send(("GET", &path), &[("x-blnk-key", KEY)], String::new());
    assert_eq!(seen.expect(200), client.get(&path).expect(200));
}

#[test]
fn the_key_of_another_origin_finds_and_changes_nothing() {
    let server = Server::start();
    let client = server.client();
    let known = things(&client);
    let paths = [
        "/ledgers",
        "/balances",
        "/transactions",
        "/identities",
        "/hooks",
    ];
    let seen = |client: &Client| {
        let one = |path: &&str| {
            client
                .get(&format!("{path}/{}", known.ids[*path]))
                .expect(200)
        };
        paths.iter().map(one).collect::<Vec<_>>()
    };
    let before = seen(&client);
    let acme = client.post("/v1/origins", &json!({ "name": "acme" }));
    let acme = acme.expect(201);
    let foreign = client.with_key(acme["api_key"].as_str());
    for route in routes(&client, &known) {
        let reply = ask(&foreign, &route, &[]);
        let what = format!("{} {}: {}", route.method, route.template, reply.text);
        assert!(reply.status < 500, "{what}");
        assert!(!reply.text.contains("secret-"), "{what}");
        // Whoever names a thing of another's is told that it is not there.
        let is_named = route.template.contains("id}") || route.template.contains("{reference}");
        let has_id = known
            .ids
            .values()
            .any(|id| route.body.to_string().contains(id));
        if is_named || has_id {
            let is_refused = reply.status == 404 || reply.status == 400;
            let is_refused = is_refused || reply.json == json!([]);
            let is_each = route.template.contains("/inflight/bulk/");
            assert!(
                is_refused || is_each && reply.json["succeeded"] == 0,
                "{what}"
            );
        }
    }
    assert_eq!(seen(&client), before, "something was done");
    client.trial_balance();
}
