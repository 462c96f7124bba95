//! What the ledger moves among the programme's lists.

use serde_json::{Value, json};

use super::{
    balance_of, medium, number,
    server::{Client, DUSD, Server},
    text,
};

/// The fields of each movement, newest first; those with a dot are of its metadata.
fn lines(client: &Client, path: &str, fields: &[&str]) -> Value {
    let page = client.get(path).expect(200);
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

/// Money comes, some is taken, some let go, some held, some split.
fn move_some(client: &Client, balance: &str) {
    let shop = client.post(
        "/balances",
        &json!({ "ledger_id": "general_ledger_id", "currency": DUSD, "indicator": "@Shop" }),
    );
    assert!(shop.status == 201, "{}", shop.text);
    let book = |reference: &str, cents: u64, more: &Value| {
        let mut body = json!({
            "precise_amount": (cents * 10_000).to_string(), "precision": 1_000_000,
            "currency": DUSD, "reference": reference, "description": format!("about {reference}"),
            "source": balance, "destination": "@Shop",
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        text(&client.post("/transactions", &body).expect(201)["transaction_id"])
    };
    let put = |id: &str, body: &Value| {
        let path = format!("/transactions/inflight/{id}");
        client
            .send(("PUT", &path), &[], body.to_string())
            .expect(200)
    };
    book(
        "fund",
        10_000,
        &json!({ "source": "@World", "destination": balance, "allow_overdraft": true }),
    );
    let inflight = json!({ "inflight": true, "meta_data": { "merchant_name": "Store ABC" } });
    let taken = book("taken", 2_000, &inflight);
    let let_go = book("let-go", 300, &inflight);
    book("open", 40, &inflight);
    put(&taken, &json!({ "status": "commit" }));
    put(&let_go, &json!({ "status": "void" }));
    let split = json!({
        "precise_amount": "1000000", "precision": 1_000_000, "currency": DUSD, "reference": "split",
        "description": "", "source": balance, "destinations": [
            { "identifier": "@Shop", "distribution": "25%" },
            { "identifier": "@Fees", "distribution": "left" },
        ],
    });
    client.post("/transactions", &split).expect(201);
}

#[test]
fn what_the_ledger_moves_is_listed_as_movements_of_the_card() {
    let server = Server::start();
    let client = server.client();
    let card = medium(&client, "card", &json!({}));
    let urn = text(&card["urn"]);
    move_some(&client, &balance_of(&card));
    let path = format!("/api/accounts/{urn}/movements");
    let fields = [
        "reference",
        "direction",
        "amount",
        "status",
        ".counterparty_name",
        ".merchant_name",
        ".operation_type",
    ];
    let mut main = lines(&client, &path, &fields);
    let main_rows = main.as_array_mut().unwrap();
    // The parts of a split have one moment.
    main_rows[..2].sort_by_key(|row| row[2].to_string());
    let expected = json!([
        [
            "split",
            "out",
            "250000",
            "confirmed",
            "@Shop",
            null,
            "ledger"
        ],
        [
            "split",
            "out",
            "750000",
            "confirmed",
            "@Fees",
            null,
            "ledger"
        ],
        [
            "taken",
            "out",
            "20000000",
            "confirmed",
            "@Shop",
            "Store ABC",
            "ledger_commit"
        ],
        [
            "fund",
            "in",
            "100000000",
            "confirmed",
            "@World",
            null,
            "ledger"
        ],
    ]);
    assert_eq!(main, expected);
    holds_are_told(&client, &path);
    let all = format!("/api/accounts/transactions?account_urns={urn}&limit=500");
    let all = lines(&client, &all, &["reference"]);
    assert_eq!(all.as_array().unwrap().len(), 4);
    client.trial_balance();
}

/// What was held, as it stands now.
fn holds_are_told(client: &Client, path: &str) {
    let fields = ["reference", "direction", "amount", "status"];
    let pending = lines(client, &format!("{path}?pocket=pending"), &fields);
    let expected = json!([
        ["let-go", "in", "3000000", "cancelled"],
        ["open", "out", "400000", "pending"],
        ["let-go", "out", "3000000", "cancelled"],
        ["taken", "out", "20000000", "settled"],
    ]);
    assert_eq!(pending, expected);
    let held = format!("{path}?collapsed_view=true&pocket=pending");
    let open = json!([["open", "out", "400000", "pending"]]);
    assert_eq!(lines(client, &held, &fields), open);
    let named = lines(
        client,
        &format!("{path}?reference=fund"),
        &["reference", ".description"],
    );
    assert_eq!(named, json!([["fund", "about fund"]]));
}

#[test]
fn ledger_balances_are_listed_only_where_they_are_asked_for() {
    let mut server = Server::start();
    let client = server.client();
    let ledger = client.post("/ledgers", &json!({ "name": "L" })).expect(201);
    let made = client.post(
        "/balances",
        &json!({ "ledger_id": ledger["ledger_id"], "currency": "USD" }),
    );
    let made = made.expect(201);
    let card = medium(
        &client,
        "card",
        &json!({ "ledger_account_id": made["balance_id"] }),
    );
    let check = |client: &Client| {
        let list = |query: &str| {
            let page = client.get(&format!("/api/accounts{query}")).expect(200);
            page["accounts"].as_array().unwrap().clone()
        };
        let urns = |query: &str| -> Vec<String> {
            list(query).iter().map(|one| text(&one["urn"])).collect()
        };
        let own = vec![text(&card["urn"])];
        assert_eq!(urns(""), own);
        let money = text(&card["ledger_account_id"]);
        assert_eq!(urns(&format!("?ledger_account_id={money}")), own);
        let mut balances = list("?medium=balance");
        balances.retain(|one| one["details"]["indicator"].is_null());
        assert_eq!(balances.len(), 1);
        let details = &balances[0]["details"];
        for name in ["balance_id", "ledger_id", "currency"] {
            assert_eq!(details[name], made[name], "{name} in {details}");
        }
        let by_name = urns(&format!("?urn={}", text(&balances[0]["urn"])));
        assert_eq!(by_name.len(), 1);
        assert_eq!(balances[0]["ledger_account_id"], card["ledger_account_id"]);
    };
    check(&client);
    // A card in front of a currency spends it.
    let body = json!({
        "amount": 100, "precision": 100, "currency": "USD", "reference": "fund", "description": "",
        "source": "@World", "destination": made["balance_id"], "allow_overdraft": true,
    });
    client.post("/transactions", &body).expect(201);
    let urn = text(&card["urn"]);
    let bought = client.authorize("p-1", &urn, "30.00").expect(200);
    assert_eq!(bought["status"], "approved", "{bought}");
    let path = format!("/balances/{}", text(&made["balance_id"]));
    let told = client.get(&path).expect(200);
    let money = ["balance", "inflight_debit_balance"].map(|name| number(&told[name]));
    assert_eq!(money, [10_000, 3_000], "{told}");
    let told = client
        .get(&format!("/api/accounts/{urn}/balance"))
        .expect(200);
    let usd = &told["balance"]["USD"];
    assert_eq!(
        (&usd["current"], &usd["pending"]),
        (&json!("7000"), &json!("3000"))
    );
    client.trial_balance();
    server.restart();
    check(&server.client());
}
