//! Every route under every key: 401, 403 or 404, and nothing of another's is told.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at a wrong index"
)]

#[path = "common/server.rs"]
mod server;

use serde_json::{Value, json};
use server::{Client, KEY, Reply, Server, purchase};

/// What another origin's key gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Foreign {
    /// 404: the thing is not theirs.
    NotFound,
    /// 422 with the field: they may not name that holder.
    Refused,
    /// Their own things are told, which are other ones.
    Own,
    /// 403: only for the house.
    Forbidden,
}

/// The scopes that play in a sandbox: either will do.
const PLAYER: &str = "operator|programme";

/// A certificate of a key on P-256, valid until 2126.
const CERTIFICATE: &str = "MIIBbzCCARWgAwIBAgIURxVBoDB6bl/l1sRlN8tbbe9RytwwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBVDAgFw0yNj\
    ExMjExNTExNTJaGA8yMTI2MTAyODE1MTE1MlowDDEKMAgGA1UEAwwBVDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\
    BKrVgQSA1y345hB05owyC9VzKmC3WIchWWzI2+LPsLt8CK+4WKEw4mcD0Oyv/tR2OzpAPUbAuZ9qlyHB3N/mdNujUz\
    BRMB0GA1UdDgQWBBRsEv26AufSfgDH9xBE7Xbyq45nrjAfBgNVHSMEGDAWgBRsEv26AufSfgDH9xBE7Xbyq45nrjAP\
    BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCICkzNYTyMMVjhli3ZbkPuv3fZJpx2HOuL2f0evXqgG+IAi\
    EAtUGGogXX1Y6spEsjcZffbP1cMDnAPICasWpyFBJZ0Lc=";

struct Route {
    method: &'static str,
    path: String,
    body: Value,
    scope: &'static str,
    foreign: Foreign,
    /// What the right key gets.
    status: u16,
}

/// What is in the house: a card, its authorization, its refund.
struct Things {
    card: String,
    authorization: String,
    refund: String,
    key_id: String,
    endpoint: String,
    /// A device's token of the card below.
    token: String,
    /// A card with a file of its own.
    filed: String,
    /// A card whose creation has not ended.
    held: String,
    /// An authorization of that card, which is open.
    open: String,
    event: String,
}

fn things(client: &Client) -> Things {
    let card = client.card(987_654_321);
    let told = client.authorize("secret-a", &card, "100.00").expect(200);
    client
        .step("secret-a", "capture", "secret-c", "50.00")
        .expect(200);
    let refund = client
        .step("secret-a", "refund", "secret-r", "10.00")
        .expect(200);
    let key = client.post(
        "/v1/api-keys",
        &json!({ "name": "secret-k", "scopes": ["ledger"] }),
    );
    let endpoint = json!({ "url": "http://127.0.0.1:9/hook", "enabled": false });
    let endpoint = client.post("/v1/webhook-endpoints", &endpoint).expect(201);
    let filed = |creation: &str| {
        let metadata = json!({ "sandbox_creation": creation });
        let body = json!({ "holder_urn": server::HOLDER, "input": {}, "metadata": metadata });
        let body = if creation.is_empty() {
            json!({ "holder_urn": server::HOLDER, "input": {} })
        } else {
            body
        };
        let made = client.post("/api/mediums/card", &body).expect(201);
        made["result"]["account"]["urn"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (filed, held) = (filed(""), filed("held"));
    let path = format!("/api/accounts/{filed}");
    let pin = json!({ "input": { "pin": "4929" } }).to_string();
    client.send(("PATCH", &path), &[], pin).expect(200);
    let device = json!({ "device_id": "secret-d", "wallet_account_id": "secret-w" });
    let token = client.post(&format!("{path}/tokenize/google"), &device);
    let token = token.expect(201)["result"]["token"]["id"].clone();
    let open = client.authorize("secret-o", &card, "5.00").expect(200);
    let events = client
        .get(&format!("/v1/events?account_urn={card}"))
        .expect(200);
    Things {
        token: token.as_str().unwrap().to_owned(),
        filed,
        held,
        open: open["id"].as_str().unwrap().to_owned(),
        card,
        event: events["data"][0]["id"].as_str().unwrap().to_owned(),
        endpoint: endpoint["id"].as_str().unwrap().to_owned(),
        authorization: told["id"].as_str().unwrap().to_owned(),
        refund: refund["operation"]["id"].as_str().unwrap().to_owned(),
        key_id: key.expect(201)["key_id"].as_str().unwrap().to_owned(),
    }
}

fn network(method: &'static str, path: &str, body: Value) -> Route {
    Route {
        method,
        path: path.to_owned(),
        body,
        scope: "network",
        foreign: Foreign::NotFound,
        status: 200,
    }
}

fn operator(
    (method, path): (&'static str, &str),
    body: Value,
    foreign: Foreign,
    status: u16,
) -> Route {
    Route {
        method,
        path: path.to_owned(),
        body,
        scope: "operator",
        foreign,
        status,
    }
}

fn network_routes(known: &Things) -> Vec<Route> {
    let Things {
        card,
        authorization,
        refund,
        ..
    } = known;
    let step = |id: &str| json!({ "transaction_id": id, "local_amount": "0.01" });
    let of = |step: &str| format!("/v1/authorizations/{authorization}/{step}");
    let undo = format!("/v1/refunds/{refund}/reverse");
    let list = format!("/v1/authorizations?card={card}");
    let batch = json!([purchase("b", card, "0.01")]);
    let pin = format!("/v1/cards/{}/pin/verify", known.filed);
    let mut batch = network("POST", "/v1/authorizations/batch", batch);
    // Each item is refused by itself.
    batch.foreign = Foreign::Own;
    vec![
        network("POST", "/v1/authorizations", purchase("p", card, "0.01")),
        network("POST", "/v1/clearings", purchase("f", card, "0.01")),
        network("GET", &list, Value::Null),
        network(
            "GET",
            &format!("/v1/authorizations/{authorization}"),
            Value::Null,
        ),
        network("GET", "/v1/authorizations/secret-a", Value::Null),
        network("POST", &of("increment"), step("i")),
        network("POST", &of("reverse"), step("v")),
        network("POST", &of("refund"), step("r")),
        network("POST", "/v1/authorizations/secret-a/capture", step("c2")),
        network("POST", &of("capture"), step("c")),
        network("POST", &undo, json!({ "transaction_id": "u" })),
        network("POST", &pin, json!({ "pin": "4929" })),
        batch,
    ]
}

fn operator_routes(known: &Things) -> Vec<Route> {
    use Foreign::{Forbidden, NotFound, Own, Refused};
    let Things { card, key_id, .. } = known;
    let none = || Value::Null;
    let money = |reference: &str| {
        json!({
            "account_urn": card, "asset": "DUSD/6", "amount": "1", "reference": reference,
        })
    };
    let seed = json!({
        "holder_urn": server::HOLDER, "cards": 1, "asset": "DUSD/6", "amount": "5",
    });
    let keys = json!({ "name": "k", "scopes": ["operator"] });
    let key = format!("/v1/api-keys/{key_id}");
    let rates = json!({ "rates": [{ "base": "USD", "quote": "COP", "rate": "4000" }] });
    let metadata = "/v1/origins/sandbox/metadata";
    let policy = "/v1/origins/sandbox/compliance-policy";
    let secret = format!("{policy}/webhook-secret");
    let verification = format!("/v1/identities/{}/verification", server::HOLDER);
    let approved = json!({ "status": "approved" });
    let root = |method, body, status| Route {
        scope: "root",
        ..operator((method, "/v1/origins"), body, Forbidden, status)
    };
    vec![
        operator(("POST", "/v1/deposits"), money("d"), NotFound, 201),
        operator(("POST", "/v1/withdrawals"), money("w"), NotFound, 201),
        operator(("POST", "/v1/sandbox/seed"), seed, Refused, 201),
        operator(("GET", "/v1/api-keys"), none(), Own, 200),
        operator(("POST", "/v1/api-keys"), keys, Own, 201),
        operator(("DELETE", &key), none(), NotFound, 200),
        operator(("GET", "/v1/trial-balance"), none(), Own, 200),
        operator(("GET", "/v1/snapshots"), none(), Own, 200),
        operator(("POST", "/v1/snapshots"), none(), Own, 202),
        operator(("GET", "/v1/vault/keys"), none(), Own, 200),
        operator(("DELETE", "/v1/vault/keys/99"), none(), NotFound, 404),
        operator(("POST", "/v1/vault/keys"), none(), Own, 202),
        operator(("GET", "/v1/rates"), none(), Own, 200),
        operator(("PUT", "/v1/rates"), rates, Own, 200),
        operator(("GET", metadata), none(), NotFound, 200),
        operator(
            ("PATCH", metadata),
            json!({ "metadata": { "a": 1 } }),
            NotFound,
            200,
        ),
        operator(("GET", policy), none(), NotFound, 200),
        operator(("PUT", policy), json!({ "levels": [] }), NotFound, 200),
        operator(("POST", &secret), json!({}), NotFound, 200),
        operator(("GET", &verification), none(), NotFound, 200),
        operator(("PATCH", &verification), approved, NotFound, 200),
        root("GET", none(), 200),
        root("POST", json!({ "name": "globex" }), 201),
    ]
}

fn programme_routes(known: &Things) -> Vec<Route> {
    let path = format!("/v1/cards/{}/controls", known.card);
    let limits = json!({ "limits": [{ "window": "year", "count": 1000 }] });
    let route = |method, body| Route {
        scope: "programme",
        ..network(method, &path, body)
    };
    vec![
        route("PUT", limits.clone()),
        route("PATCH", limits),
        route("GET", Value::Null),
        route("DELETE", Value::Null),
    ]
}

/// For whoever has one of two scopes, and no holder. It stays off, so that nobody is asked.
fn decision_routes() -> Vec<Route> {
    let route = |method, path: &str, body| Route {
        scope: "programme|operator",
        ..operator((method, path), body, Foreign::Own, 200)
    };
    let path = "/v1/decision-endpoint";
    let off = json!({ "url": "https://programme.example/decide", "enabled": false });
    vec![
        route("PUT", path, off),
        route("GET", path, Value::Null),
        route("POST", &format!("{path}/rotate-secret"), Value::Null),
        route("DELETE", path, Value::Null),
    ]
}

/// For whoever has one of two scopes, and no holder.
fn webhook_routes(known: &Things) -> Vec<Route> {
    use Foreign::{NotFound, Own};
    let none = || Value::Null;
    let route = |method, path: &str, body, foreign, status| Route {
        scope: "programme|operator",
        ..operator((method, path), body, foreign, status)
    };
    let one = format!("/v1/webhook-endpoints/{}", known.endpoint);
    let of = |part: &str| format!("{one}/{part}");
    let new = json!({ "url": "https://hooks.example/x", "enabled": false });
    let delivery = "/v1/webhook-deliveries/whd_0/replay";
    let parked = json!({ "only_parked": true });
    vec![
        route("POST", "/v1/webhook-endpoints", new, Own, 201),
        route("GET", "/v1/webhook-endpoints", none(), Own, 200),
        route("GET", &one, none(), NotFound, 200),
        route("PATCH", &one, json!({ "description": "d" }), NotFound, 200),
        route("POST", &of("test"), none(), NotFound, 200),
        route("POST", &of("rotate-secret"), json!({}), NotFound, 200),
        route("POST", &of("replay"), parked, NotFound, 202),
        route("GET", "/v1/webhook-secret", none(), Own, 200),
        route("POST", "/v1/webhook-secret/rotate", json!({}), Own, 200),
        route("GET", "/v1/webhook-deliveries", none(), Own, 200),
        route("POST", delivery, none(), NotFound, 404),
        route("DELETE", &one, none(), NotFound, 200),
    ]
}

/// The routes of the SDK.
fn api_routes(known: &Things) -> Vec<Route> {
    use Foreign::{Forbidden, NotFound, Own};
    let none = || Value::Null;
    let programme = |method, path: &str, body, foreign, status| Route {
        scope: "programme",
        ..operator((method, path), body, foreign, status)
    };
    let events = |path: &str, foreign| Route {
        scope: "programme|operator",
        ..operator(("GET", path), Value::Null, foreign, 200)
    };
    let account = format!("/api/accounts/{}", known.card);
    let of = |part: &str| format!("{account}/{part}");
    let sum = format!("/api/accounts/balances?account_urns={}", known.card);
    let several = sum.replace("balances", "transactions");
    let holder = format!("/api/identities/{}", server::HOLDER);
    let new = json!({ "holder_urn": server::HOLDER, "input": {} });
    let note = json!({ "metadata": { "note": "n" } });
    let compliance = format!("/api/compliance/{}", server::HOLDER);
    let tier = format!("{compliance}/tier-status");
    let begin = json!({ "urn": server::HOLDER });
    let key = format!("/api/api-keys/{}", known.key_id);
    let rotate = format!("{key}/rotate");
    let keys = json!({ "name": "k", "scopes": ["operator"] });
    vec![
        programme("POST", "/api/mediums/card", new.clone(), Forbidden, 201),
        programme(
            "POST",
            "/api/mediums/card-gold",
            new.clone(),
            Forbidden,
            201,
        ),
        programme("POST", "/api/mediums/virtual", new, Forbidden, 201),
        programme("GET", "/api/accounts", none(), Own, 200),
        programme("GET", &sum, none(), NotFound, 200),
        programme("GET", &account, none(), NotFound, 200),
        programme("PATCH", &account, note.clone(), NotFound, 200),
        programme("GET", &of("balance"), none(), NotFound, 200),
        programme("GET", &of("movements"), none(), NotFound, 200),
        events("/v1/events", Own),
        events(
            "/v1/events?account_urn=X&limit=5"
                .replace('X', &known.card)
                .as_str(),
            Own,
        ),
        events(&format!("/v1/events/{}", known.event), NotFound),
        programme("GET", "/api/accounts/transactions", none(), Own, 200),
        programme("GET", &several, none(), NotFound, 200),
        programme("PATCH", "/api/identities/me", note.clone(), Own, 200),
        programme("GET", "/api/identities/me/aliases", none(), Own, 200),
        programme("GET", &holder, none(), NotFound, 200),
        programme("PATCH", &holder, note, NotFound, 200),
        programme("GET", &format!("{holder}/aliases"), none(), NotFound, 200),
        programme("POST", "/api/compliance", begin, NotFound, 200),
        programme("GET", &compliance, none(), NotFound, 200),
        programme("GET", &tier, none(), NotFound, 200),
        operator(("GET", "/api/api-keys"), none(), Own, 200),
        operator(("POST", "/api/api-keys"), keys, Own, 201),
        operator(("GET", &key), none(), NotFound, 200),
        operator(("POST", &rotate), json!({}), NotFound, 200),
        operator(("DELETE", &key), none(), NotFound, 200),
    ]
}

/// A card on a device.
fn token_routes(known: &Things) -> Vec<Route> {
    let route = |method, path: String, body, status| Route {
        scope: "programme",
        status,
        ..network(method, &path, body)
    };
    let of = |part: &str| format!("/v1/cards/{}/{part}", known.filed);
    let wallet = |name: &str| format!("/api/accounts/{}/tokenize/{name}", known.filed);
    let google = json!({ "device_id": "d", "wallet_account_id": "w" });
    let apple = json!({ "certificates": [CERTIFICATE], "nonce": "n", "nonce_signature": "s" });
    let suspend = json!({ "status": "suspended" });
    vec![
        route("GET", of("tokens"), Value::Null, 200),
        route(
            "PATCH",
            of(&format!("tokens/{}", known.token)),
            suspend,
            200,
        ),
        route("POST", wallet("google"), google, 201),
        route("POST", wallet("apple"), apple, 201),
    ]
}

/// What a sandbox plays: for the sandbox's own keys of two scopes.
fn sandbox_routes(known: &Things) -> Vec<Route> {
    let route = |method, path: &str, body, status| Route {
        scope: PLAYER,
        status,
        ..network(method, path, body)
    };
    let Things { card, open, .. } = known;
    let none = || json!({});
    let step = |name: &str| format!("/v1/sandbox/authorizations/{open}/{name}");
    let pay = || json!({ "card": card, "amount": "0.01" });
    let some = || json!({ "amount": "0.01" });
    let money = json!({ "card": card, "amount": "1" });
    let undo = format!("/v1/sandbox/refunds/{}/reverse", known.refund);
    let token = format!("/v1/sandbox/tokens/{}/activate", known.token);
    let card = format!("/v1/sandbox/cards/{}/activate", known.held);
    // Undone already by the network's route: the last word is that it is.
    vec![
        route("POST", "/v1/sandbox/authorizations", pay(), 200),
        route("POST", "/v1/sandbox/clearings", pay(), 200),
        route("POST", &step("increment"), some(), 200),
        route("POST", &step("capture"), some(), 200),
        route("POST", &step("refund"), some(), 200),
        route("POST", &step("reverse"), some(), 200),
        route("POST", &step("expire"), none(), 200),
        route("POST", &undo, none(), 409),
        route("POST", "/v1/sandbox/deposits", money, 201),
        route("POST", &card, none(), 200),
        route("POST", &token, none(), 200),
        route("POST", "/v1/sandbox/rates", none(), 200),
        route("GET", "/v1/sandbox/test-data", Value::Null, 200),
    ]
}

fn routes(known: &Things) -> Vec<Route> {
    let mut routes = network_routes(known);
    routes.extend(api_routes(known));
    routes.extend(operator_routes(known));
    routes.extend(programme_routes(known));
    routes.extend(webhook_routes(known));
    routes.extend(token_routes(known));
    routes.extend(sandbox_routes(known));
    routes.extend(decision_routes());
    routes
}

fn ask(client: &Client, route: &Route) -> Reply {
    let body = if route.body.is_null() {
        String::new()
    } else {
        route.body.to_string()
    };
    client.send((route.method, &route.path), &[], body)
}

/// Nothing of the house's is in a refusal.
#[track_caller]
fn tells_nothing(reply: &Reply, known: &Things, what: &str) {
    let card = known.card.rsplit(':').next().unwrap();
    let user = known.card.rsplit(':').nth(1).unwrap();
    for secret in [
        card,
        user,
        "secret-",
        "demo",
        "987654321",
        "50000000",
        "DUSD",
        "sandbox",
        "ldg_",
        &known.authorization,
        &known.refund,
        KEY,
    ] {
        let tells = reply.tells(secret) || reply.headers_tell(secret);
        assert!(!tells, "{what} tells {secret}: {reply:?}");
    }
}

fn key(client: &Client, scopes: &[&str]) -> String {
    let made = client
        .post("/v1/api-keys", &json!({ "name": "some", "scopes": scopes }))
        .expect(201);
    made["secret_key"].as_str().unwrap().to_owned()
}

#[test]
#[expect(clippy::too_many_lines, reason = "the walk over all routes")]
fn without_a_right_key_there_is_401_and_without_the_scope_403() {
    let server = Server::start();
    let client = server.client();
    let known = things(&client);
    let scopes = ["network", "operator", "programme", "ledger"];
    let revoked = client
        .post("/v1/api-keys", &json!({ "name": "x", "scopes": scopes }))
        .expect(201);
    let path = format!("/v1/api-keys/{}", revoked["key_id"].as_str().unwrap());
    client.send(("DELETE", &path), &[], "").expect(200);
    let revoked = revoked["secret_key"].as_str().unwrap();
    let lower = KEY.to_ascii_uppercase();
    let wrong = [
        None,
        Some("sk_sandbox_wrong"),
        Some(""),
        Some(revoked),
        Some(&lower),
        Some("x y"),
    ];
    let odd = [
        "Basic c2s6",
        "Bearer",
        "Token x",
        "bearer ",
        "Bearer\t",
        "sk_",
    ];
    for route in routes(&known) {
        let what = format!("{} {}", route.method, route.path);
        for wrong in wrong {
            let reply = ask(&client.with_key(wrong), &route);
            assert_eq!(reply.code(401), "unauthorized", "{what} {wrong:?}");
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
            tells_nothing(&reply, &known, &what);
        }
        for odd in odd {
            let headers = [("authorization", odd), ("content-type", "application/json")];
            let reply = client
                .with_key(None)
                .send((route.method, &route.path), &headers, "{}");
            assert_eq!(reply.code(401), "unauthorized", "{what} {odd:?}");
        }
        // Every scope but the right one.
        let others: Vec<_> = scopes
            .into_iter()
            .filter(|scope| !route.scope.split('|').any(|right| right == *scope))
            .collect();
        let reply = ask(&client.with_key(Some(&key(&client, &others))), &route);
        assert_eq!(reply.code(403), "forbidden", "{what}");
        tells_nothing(&reply, &known, &what);
    }
    let seen = client
        .get(&format!("/v1/authorizations/{}", known.authorization))
        .expect(200);
    assert_eq!(seen["captured_amount"], "50000000", "something was done");
    assert_eq!(
        client.balance("b", &known.card).incoming,
        987_654_321 + 10_000_000
    );
    for route in routes(&known) {
        let reply = ask(&client, &route);
        let is_gone = route.method == "DELETE" && route.path.starts_with("/v1/api-keys");
        assert_eq!(
            reply.status,
            if is_gone { 404 } else { route.status },
            "{} {}: {}",
            route.method,
            route.path,
            reply.text
        );
    }
    client.trial_balance();
}

/// A holder's token, of a holder who has nothing.
fn holder(client: &Client) -> Client {
    let assertion =
        json!({ "challengeType": "API_KEY", "value": { "api_key": KEY, "alias": "eva" } });
    let body = json!({ "assertion_result": assertion, "extra_context": {}, "type": "individual" });
    let session = client
        .post("/api/origins/sandbox/register", &body)
        .expect(201);
    client.with_key(session["result"]["access_token"].as_str())
}

#[test]
fn a_holder_s_token_reaches_no_other_face_and_nothing_of_others() {
    let server = Server::start();
    let client = server.client();
    let known = things(&client);
    let eva = holder(&client);
    for route in routes(&known) {
        let reply = ask(&eva, &route);
        let what = format!("{} {}", route.method, route.path);
        let is_for_holders = route.scope == "programme" || route.path.starts_with("/v1/events");
        let expected = match (is_for_holders, route.foreign) {
            (true, Foreign::NotFound) => 404,
            (true, Foreign::Own) => 200,
            // Making things for another holder, and everything that is not of this face.
            _ => 403,
        };
        assert_eq!(reply.status, expected, "{what}: {}", reply.text);
        if expected != 200 {
            tells_nothing(&reply, &known, &what);
        }
    }
    let accounts = eva.get("/api/accounts").expect(200);
    assert_eq!(accounts["accounts"], json!([]));
    let seen = client
        .get(&format!("/v1/authorizations/{}", known.authorization))
        .expect(200);
    assert_eq!(seen["captured_amount"], "50000000", "something was done");
}

#[test]
fn a_token_of_a_key_may_what_the_key_may() {
    let server = Server::start();
    let client = server.client();
    let known = things(&client);
    let token = |scopes: &[&str]| {
        let body = json!({ "key": KEY, "scopes": scopes });
        let made = client.with_key(None).post("/api/api-keys/exchange", &body);
        made.expect(200)["access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for route in routes(&known) {
        let what = format!("{} {}", route.method, route.path);
        let others: Vec<_> = ["network", "operator", "programme", "ledger", "root"]
            .into_iter()
            .filter(|scope| !route.scope.split('|').any(|right| right == *scope))
            .collect();
        let refused = ask(&client.with_key(Some(&token(&others))), &route);
        assert_eq!(refused.code(403), "forbidden", "{what}");
        // Each route once: the second deletion of the one key finds nothing.
        let right = route.scope.split('|').next().unwrap();
        let reply = ask(&client.with_key(Some(&token(&[right]))), &route);
        let is_gone = route.method == "DELETE" && route.path.starts_with("/v1/api-keys");
        let status = if is_gone { 404 } else { route.status };
        assert_eq!(reply.status, status, "{what}: {}", reply.text);
    }
}

#[test]
fn the_key_of_another_origin_finds_nothing() {
    let server = Server::start();
    let client = server.client();
    let known = things(&client);
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let foreign = client.with_key(acme["api_key"].as_str());
    for route in routes(&known) {
        let reply = ask(&foreign, &route);
        let what = format!("{} {}", route.method, route.path);
        match route.foreign {
            Foreign::NotFound => assert_eq!(reply.status, 404, "{what}: {}", reply.text),
            Foreign::Refused => assert_eq!(reply.status, 422, "{what}: {}", reply.text),
            Foreign::Forbidden => assert_eq!(reply.status, 403, "{what}: {}", reply.text),
            Foreign::Own => assert!(reply.status < 300, "{what}: {}", reply.text),
        }
        // The books and snapshots are the house's: an operator's key of any origin reads them.
        if route.path != "/v1/trial-balance" && route.path != "/v1/snapshots" {
            tells_nothing(&reply, &known, &what);
        }
    }
    let batch = json!([purchase("b", &known.card, "0.01")]);
    let told = foreign.post("/v1/authorizations/batch", &batch).expect(200);
    assert_eq!(told[0]["error"]["code"], "card_not_found");
    let seen = client
        .get(&format!("/v1/authorizations/{}", known.authorization))
        .expect(200);
    assert_eq!(seen["captured_amount"], "50000000", "something was done");
    client.trial_balance();
}

/// An answer without what differs anyway.
fn bare(reply: &Reply) -> (u16, Value) {
    let mut json = reply.json.clone();
    for id in ["request_id", "req_id"] {
        json.as_object_mut().unwrap().remove(id);
    }
    (reply.status, json)
}

#[test]
fn another_s_things_look_like_things_that_do_not_exist() {
    let server = Server::start();
    let client = server.client();
    let known = things(&client);
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let foreign = client.with_key(acme["api_key"].as_str());
    let nothing = Things {
        event: "evt_000000000000000000".to_owned(),
        card: "did:bloque:account:card:usr-0000000000000:crd-0000000000000".to_owned(),
        authorization: "auth_00000000000000000000".to_owned(),
        refund: "op_0000000000000".to_owned(),
        key_id: "key_0000000000000000".to_owned(),
        endpoint: "whe_000000000000000000000000".to_owned(),
        token: "tok_00000000000000000000".to_owned(),
        filed: "did:bloque:account:card:usr-0000000000000:crd-0000000000000".to_owned(),
        held: "did:bloque:account:card:usr-0000000000000:crd-0000000000000".to_owned(),
        open: "auth_00000000000000000000".to_owned(),
    };
    for (theirs, none) in routes(&known).iter().zip(&routes(&nothing)) {
        if theirs.foreign == Foreign::NotFound && !theirs.path.contains("secret-a") {
            let what = format!("{} {}", theirs.method, theirs.path);
            assert_eq!(
                bare(&ask(&foreign, theirs)),
                bare(&ask(&foreign, none)),
                "{what}"
            );
        }
        // Also where the request is wrong.
        if theirs.method == "POST" && theirs.foreign == Foreign::NotFound {
            let (mut wrong, mut absent) = (theirs.body.clone(), none.body.clone());
            for body in [&mut wrong, &mut absent] {
                let field = if body["reference"].is_string() {
                    "reference"
                } else {
                    "transaction_id"
                };
                body[field] = "".into();
            }
            let one = bare(&foreign.post(&theirs.path, &wrong));
            let other = bare(&foreign.post(&none.path, &absent));
            assert_eq!(one, other, "{}", theirs.path);
        }
    }
}

#[test]
fn origins_do_not_share_ids() {
    let server = Server::start();
    let client = server.client();
    let known = things(&client);
    let acme = client
        .post("/v1/origins", &json!({ "name": "acme" }))
        .expect(201);
    let foreign = client.with_key(acme["api_key"].as_str());
    let seed = json!({
        "holder_urn": "did:bloque:acme:ana", "cards": 1, "asset": "DUSD/6", "amount": "100000000",
    });
    let made = foreign.post("/v1/sandbox/seed", &seed).expect(201);
    let theirs = made["cards"][0].as_str().unwrap();
    // The same transaction id, reference and key as the sandbox's: another request all the same.
    let headers = [("idempotency-key", "shared")];
    let one = purchase("shared", &known.card, "1.00").to_string();
    let other = purchase("shared", theirs, "2.00").to_string();
    let route = ("POST", "/v1/authorizations");
    client.send(route, &headers, one).expect(200);
    let reply = foreign.send(route, &headers, other);
    assert!(!reply.is_replay());
    assert_eq!(reply.expect(200)["amount"], "2000000");
    assert_eq!(
        foreign.get("/v1/authorizations/shared").expect(200)["amount"],
        "2000000"
    );
    assert_eq!(
        client.get("/v1/authorizations/shared").expect(200)["amount"],
        "1000000"
    );
    // A name with the holder of one and the card of the other is neither's.
    let user = known.card.rsplit(':').nth(1).unwrap();
    let card = theirs.rsplit(':').next().unwrap();
    let mixed = format!("did:bloque:account:card:{user}:{card}");
    for client in [&client, &foreign] {
        assert_eq!(
            client.authorize("mixed", &mixed, "1.00").code(404),
            "card_not_found"
        );
    }
}

#[test]
fn what_needs_no_key_tells_nothing_of_anybody() {
    let server = Server::start();
    let client = server.client();
    let known = things(&client);
    let nobody = client.with_key(None);
    let no_link = "/card-details/AAAAAAAAAAEAAAAAawGyHgCWHFCpj6kK0FJ4uwU7_xw2s3cGF-0wn9RgkVcQyoMd";
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        (no_link, 404),
    ] {
        let reply = nobody.get(path);
        assert_eq!(reply.status, status, "{path}");
        let card = known.card.rsplit(':').next().unwrap();
        for secret in [card, "secret-", "987654321", KEY] {
            assert!(!reply.tells(secret), "{path} tells {secret}");
        }
    }
}
