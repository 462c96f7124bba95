//! Holders who may not act, codes that are asked for too often, and what is the programme's to set.

use serde_json::{Value, json};

use crate::{
    KEY, Reply, connect, make, policy, register,
    server::{Client, Server, wait_until},
    urn,
};

fn set_status(client: &Client, alias: &str, status: &str) -> Reply {
    let path = format!("/api/identities/{}", urn(alias));
    let body = json!({ "status": status }).to_string();
    client.send(("PATCH", &path), &[], body)
}

#[test]
fn a_disabled_holder_s_sessions_end_at_once_and_its_cards_go_on() {
    let mut server = Server::start();
    let client = server.client();
    let ana = register(&client, "ana");
    let card = make(&ana, "card", &urn("ana")).expect(201);
    let card = card["result"]["account"]["urn"]
        .as_str()
        .unwrap()
        .to_owned();
    let refused = set_status(&ana, "ana", "disabled");
    assert_eq!(refused.code(403), "forbidden", "not the holder itself");
    assert_eq!(set_status(&client, "ana", "gone").status, 400);
    assert_eq!(set_status(&client, "nobody", "disabled").status, 404);
    assert_eq!(set_status(&client, "sandbox", "disabled").status, 400);
    let told = set_status(&client, "ana", "disabled").expect(200);
    assert_eq!(told["result"]["identity"]["status"], "disabled");
    let is_out = |client: &Client, ana: &Client| {
        assert_eq!(ana.get("/api/accounts").code(401), "unauthorized");
        assert_eq!(ana.get("/api/identities/me").status, 401);
        assert_eq!(connect(client, "ana").code(403), "identity_disabled");
        let as_ana = json!({ "key": KEY, "as_identity": "ana" });
        let reply = client.post("/api/api-keys/exchange", &as_ana);
        assert_eq!(reply.code(403), "identity_disabled");
        // Without a key nobody is told that there is such a holder.
        let nobody = client.with_key(None);
        let path = "/api/origins/sandbox/assert?alias=";
        let (one, other) = (
            nobody.get(&format!("{path}ana")),
            nobody.get(&format!("{path}zoe")),
        );
        assert_eq!(one.code(404), other.code(404));
        client
            .authorize(&format!("p-{}", server_time()), &card, "0")
            .expect(200)
    };
    let told = is_out(&client, &ana);
    assert_eq!(told["status"], "approved", "the card itself goes on");
    server.restart();
    let client = server.client();
    let ana = client.with_key(ana_key(&ana).as_deref());
    is_out(&client, &ana);
    set_status(&client, "ana", "active").expect(200);
    ana.get("/api/accounts").expect(200);
    connect(&client, "ana").expect(200);
}

fn server_time() -> u128 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()
}

fn ana_key(client: &Client) -> Option<String> {
    client.key().map(str::to_owned)
}

#[test]
fn codes_are_limited_for_an_address_and_for_an_origin() {
    let ask = |client: &Client, alias: &str| {
        let path = format!("/api/origins/sandbox/assert?alias={alias}");
        client.with_key(None).get(&path)
    };
    for setting in [
        "CARDWRIGHT_ACCESS__CODES_PER_ADDRESS_MAX",
        "CARDWRIGHT_ACCESS__CODES_PER_ORIGIN_MAX",
    ] {
        let server = Server::with(&[(setting, "2"), ("CARDWRIGHT_ACCESS__CODE_S", "3")]);
        let client = server.client();
        for alias in ["ana", "eva", "zoe"] {
            register(&client, alias);
        }
        ask(&client, "ana").expect(200);
        ask(&client, "eva").expect(200);
        let refused = ask(&client, "zoe");
        assert_eq!(refused.code(429), "rate_limited", "{setting}");
        let after: u64 = refused.headers["retry-after"].parse().unwrap();
        assert!((1..=4).contains(&after));
        wait_until("the window passes", || ask(&client, "zoe").status == 200);
    }
}

#[test]
fn a_policy_keeps_keys_that_steer_money_from_holders() {
    let server = Server::start();
    let client = server.client();
    let ana = register(&client, "ana");
    let fees = json!([{ "fee_name": "interchange", "account_urn": "urn:bloque:treasury:x", "type": "percentage",
                        "value": 0, "category": "interchange" }]);
    let metadata = json!({ "spending_fees": fees, "note": "n" });
    let create = |caller: &Client, metadata: &Value| {
        let body = json!({ "holder_urn": urn("ana"), "input": {}, "metadata": metadata });
        caller.post("/api/mediums/card", &body)
    };
    let card = create(&ana, &metadata).expect(201)["result"]["account"]["urn"].clone();
    let card = card.as_str().unwrap();
    policy(&client, &json!({ "holder_may_set": ["controls"] }));
    #[track_caller]
    fn kept(reply: &Reply, field: &str) {
        assert_eq!(reply.code(403), "forbidden");
        assert_eq!(reply.json["extra_details"]["field"], field);
    }
    let patch = |caller: &Client, metadata: Value| {
        let body = json!({ "metadata": metadata }).to_string();
        caller.send(("PATCH", &format!("/api/accounts/{card}")), &[], body)
    };
    kept(&create(&ana, &metadata), "metadata.spending_fees");
    kept(
        &patch(&ana, json!({ "spending_fees": null })),
        "metadata.spending_fees",
    );
    kept(
        &patch(&ana, json!({ "cashback_programs": [] })),
        "metadata.cashback_programs",
    );
    patch(
        &ana,
        json!({ "note": "other", "controls": { "single_use": false } }),
    )
    .expect(200);
    patch(&client, json!({ "spending_fees": fees })).expect(200);
    let controls = format!("/v1/cards/{card}/controls");
    let limit = json!({ "single_use": true }).to_string();
    ana.send(("PUT", &controls), &[], &limit).expect(200);
    policy(&client, &json!({ "holder_may_set": [] }));
    for method in ["PUT", "PATCH"] {
        kept(&ana.send((method, &controls), &[], &limit), "controls");
    }
    kept(&ana.send(("DELETE", &controls), &[], ""), "controls");
    client.send(("DELETE", &controls), &[], "").expect(200);
}
