//! One money, three faces: whatever is done through one reads the same through the others, after every step
//! of random sequences and against a model that knows only sums.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

#[path = "common/server.rs"]
mod server;

use std::{
    collections::BTreeMap,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use cardwright::domain::{ids::LedgerNo, uuids::BalanceId};
use serde_json::{Value, json};
use server::{Balance, Client, DUSD, HOLDER, Reply, Rng, Server};

const STEPS: usize = 120;
const CENT: i128 = 10_000;

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// An amount of the ledger face: a JSON number, of any length.
fn number(value: &Value) -> i128 {
    value
        .to_string()
        .trim_matches('"')
        .parse()
        .unwrap_or_else(|_| panic!("no amount: {value}"))
}

/// What an account has, by the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Money {
    came: i128,
    went: i128,
    held: i128,
    expected: i128,
}

impl Money {
    const fn available(&self) -> i128 {
        self.came - self.went - self.held
    }
}

/// One money with its names on each face.
struct Account {
    /// Of the account that the programme face shows.
    urn: String,
    /// Of its card, if it has one.
    card: Option<String>,
    balance: String,
    money: Money,
}

/// What can still become something.
#[derive(Clone, Debug)]
enum Open {
    /// An authorization on a card: what is held, captured and refunded.
    Purchase {
        id: String,
        on: usize,
        held: i128,
        captured: i128,
    },
    /// Inflight on the ledger face.
    Inflight {
        id: String,
        from: usize,
        to: usize,
        left: i128,
    },
    /// Applied on the ledger face.
    Applied {
        id: String,
        from: usize,
        to: usize,
        amount: i128,
    },
}

struct House {
    server: Server,
    client: Client,
    accounts: Vec<Account>,
    open: Vec<Open>,
    count: usize,
    rng: Rng,
}

fn medium(client: &Client, medium: &str, more: &Value) -> Value {
    let mut body = json!({ "holder_urn": HOLDER, "input": {} });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    let made = client.post(&format!("/api/mediums/{medium}"), &body);
    made.expect(201)["result"]["account"].clone()
}

/// The balance of the ledger face that is the account's money.
fn balance_of(account: &Value) -> String {
    let ledger: LedgerNo = text(&account["ledger_account_id"]).parse().unwrap();
    BalanceId::new(ledger, DUSD.parse().unwrap()).to_string()
}

impl House {
    fn open(seed: u64) -> Self {
        let server = Server::start();
        let client = server.client();
        let ledger = client
            .post("/ledgers", &json!({ "name": "Together" }))
            .expect(201);
        let mut accounts = Vec::new();
        let mut add = |account: &Value, card: bool, balance: String| {
            let urn = text(&account["urn"]);
            accounts.push(Account {
                card: card.then(|| urn.clone()),
                urn,
                balance,
                money: Money::default(),
            });
        };
        // Of the programme: a card, and a pocket.
        let card = medium(&client, "card", &json!({}));
        add(&card, true, balance_of(&card));
        let pocket = medium(&client, "virtual", &json!({}));
        add(&pocket, false, balance_of(&pocket));
        // Of the ledger: a balance that is given a card, one by its own id and one by its money's, and
        // one that is only a balance.
        for by_balance in [true, false] {
            let made = client
                .post(
                    "/balances",
                    &json!({ "ledger_id": ledger["ledger_id"], "currency": DUSD }),
                )
                .expect(201);
            let balance = text(&made["balance_id"]);
            let id: BalanceId = balance.parse().unwrap();
            let name = if by_balance {
                balance.clone()
            } else {
                id.ledger.to_string()
            };
            let card = medium(&client, "card", &json!({ "ledger_account_id": name }));
            add(&card, true, balance);
        }
        Self {
            server,
            client,
            accounts,
            open: Vec::new(),
            count: 0,
            rng: Rng::new(seed),
        }
    }

    fn fresh(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}-{}", self.count)
    }

    /// Whole cents: what a purchase can ask for.
    fn amount(&mut self) -> i128 {
        i128::try_from(self.rng.below(4_000) + 1).unwrap() * CENT
    }

    /// Any two of them.
    fn two(&mut self) -> (usize, usize) {
        let from = self.rng.below(self.accounts.len());
        let step = 1 + self.rng.below(self.accounts.len() - 1);
        (from, (from + step) % self.accounts.len())
    }

    fn dollars(amount: i128) -> String {
        let cents = amount / CENT;
        format!("{}.{:02}", cents / 100, cents % 100)
    }

    fn step(&mut self) -> String {
        match self.rng.below(10) {
            0 => self.deposit(),
            1 => self.transfer(),
            2 | 3 => self.book(false),
            4 | 5 => self.book(true),
            6 => self.purchase(),
            7 => self.many(),
            _ => self.go_on(),
        }
    }

    fn deposit(&mut self) -> String {
        let (to, amount) = (self.rng.below(self.accounts.len()), self.amount() * 3);
        let reference = self.fresh("deposit");
        let body = json!({ "account_urn": self.accounts[to].urn, "asset": DUSD,
            "amount": amount.to_string(), "reference": reference });
        self.client.post("/v1/deposits", &body).expect(201);
        self.accounts[to].money.came += amount;
        format!("deposit of {amount} to {to}")
    }

    fn transfer(&mut self) -> String {
        let ((from, to), amount) = (self.two(), self.amount());
        let body = json!({ "destination_account_urn": self.accounts[to].urn,
            "amount": amount.to_string(), "asset": DUSD });
        let path = format!("/api/accounts/{}/transfer", self.accounts[from].urn);
        let reply = self.client.post(&path, &body);
        let is_done = reply.status < 300;
        assert_eq!(
            is_done,
            self.accounts[from].money.available() >= amount,
            "{}",
            reply.text
        );
        if is_done {
            self.accounts[from].money.went += amount;
            self.accounts[to].money.came += amount;
        }
        format!("transfer of {amount} from {from} to {to}: {is_done}")
    }

    fn asked(&mut self, (from, to): (usize, usize), amount: i128) -> Value {
        let reference = self.fresh("ledger");
        json!({
            "precise_amount": amount.to_string(), "precision": 1_000_000, "currency": DUSD,
            "reference": reference, "description": "", "source": self.accounts[from].balance,
            "destination": self.accounts[to].balance,
        })
    }

    /// A transaction of the ledger face, held first or not; what is too much is rejected and recorded.
    fn book(&mut self, inflight: bool) -> String {
        let (pair, amount) = (self.two(), self.amount());
        let mut body = self.asked(pair, amount);
        body["inflight"] = inflight.into();
        let told = self.client.post("/transactions", &body).expect(201);
        let (from, to) = pair;
        let said = format!("ledger transaction of {amount} from {from} to {to}");
        if self.accounts[from].money.available() < amount {
            assert_eq!(told["status"], "REJECTED", "{said}: {told}");
            return format!("{said}, rejected");
        }
        let id = text(&told["transaction_id"]);
        if inflight {
            assert_eq!(told["status"], "INFLIGHT", "{said}: {told}");
            self.accounts[from].money.held += amount;
            self.accounts[to].money.expected += amount;
            let left = amount;
            self.open.push(Open::Inflight { id, from, to, left });
            return format!("{said}, inflight");
        }
        assert_eq!(told["status"], "APPLIED", "{said}: {told}");
        self.accounts[from].money.went += amount;
        self.accounts[to].money.came += amount;
        self.open.push(Open::Applied {
            id,
            from,
            to,
            amount,
        });
        format!("{said}, applied")
    }

    fn purchase(&mut self) -> String {
        let with: Vec<usize> = (0..self.accounts.len())
            .filter(|at| self.accounts[*at].card.is_some())
            .collect();
        let on = with[self.rng.below(with.len())];
        let amount = self.amount();
        let card = self.accounts[on].card.clone().unwrap();
        let id = self.fresh("purchase");
        let told = self
            .client
            .authorize(&id, &card, &Self::dollars(amount))
            .expect(200);
        let is_approved = told["status"] == "approved";
        let covers = self.accounts[on].money.available() >= amount;
        assert_eq!(is_approved, covers, "purchase of {amount} on {on}: {told}");
        if is_approved {
            self.accounts[on].money.held += amount;
            let (id, held) = (text(&told["id"]), amount);
            let captured = 0;
            self.open.push(Open::Purchase {
                id,
                on,
                held,
                captured,
            });
        }
        format!("purchase of {amount} on {on}: {is_approved}")
    }

    /// Two at once, all or none.
    fn many(&mut self) -> String {
        let (first, second) = (self.two(), self.two());
        let (a, b) = (self.amount(), self.amount());
        let bodies = json!([self.asked(first, a), self.asked(second, b)]);
        let body = json!({ "atomic": true, "skip_queue": true, "transactions": bodies });
        let reply = self.client.post("/transactions/bulk", &body);
        let mut after: Vec<Money> = self.accounts.iter().map(|one| one.money).collect();
        let mut covers = true;
        for ((from, to), amount) in [(first, a), (second, b)] {
            covers &= after[from].available() >= amount;
            after[from].went += amount;
            after[to].came += amount;
        }
        let is_done = reply.status < 300;
        assert!(is_done || reply.status == 400, "{}", reply.text);
        // What an earlier one brings a later one may spend, or may not where it is on its way: then all
        // are refused. Without that money it is refused for certain.
        if is_done {
            assert!(covers, "not covered: {}", reply.text);
            for (account, money) in self.accounts.iter_mut().zip(after) {
                account.money = money;
            }
        } else {
            let brings = first.1 == second.0;
            assert!(!covers || brings, "covered: {}", reply.text);
        }
        format!("bulk of {a} from {first:?} and {b} from {second:?}: {is_done}")
    }

    /// The next step of something open.
    fn go_on(&mut self) -> String {
        if self.open.is_empty() {
            return self.deposit();
        }
        let at = self.rng.below(self.open.len());
        match self.open.swap_remove(at) {
            Open::Inflight { id, from, to, left } => self.inflight(&id, (from, to), left),
            Open::Applied {
                id,
                from,
                to,
                amount,
            } => self.refund(&id, (from, to), amount),
            Open::Purchase {
                id,
                on,
                held,
                captured,
            } => self.of_purchase(id, on, (held, captured)),
        }
    }

    fn put(&self, id: &str, body: &Value) -> Reply {
        let path = format!("/transactions/inflight/{id}");
        self.client.send(("PUT", &path), &[], body.to_string())
    }

    fn inflight(&mut self, id: &str, (from, to): (usize, usize), left: i128) -> String {
        let way = self.rng.below(3);
        let part = if way == 1 { (left / 3).max(1) } else { left };
        let body = match way {
            0 => json!({ "status": "void" }),
            1 => json!({ "status": "commit", "precise_amount": part.to_string() }),
            _ => json!({ "status": "commit" }),
        };
        let told = self.put(id, &body).expect(200);
        assert_eq!(told["parent_transaction"], id, "{told}");
        self.accounts[from].money.held -= part;
        self.accounts[to].money.expected -= part;
        if way > 0 {
            self.accounts[from].money.went += part;
            self.accounts[to].money.came += part;
        }
        if part < left {
            let (id, left) = (id.to_owned(), left - part);
            self.open.push(Open::Inflight { id, from, to, left });
        }
        format!("{body} of {left} inflight from {from} to {to}")
    }

    fn refund(&mut self, id: &str, (from, to): (usize, usize), amount: i128) -> String {
        let path = format!("/refund-transaction/{id}");
        let reply = self.client.post(&path, &json!({ "skip_queue": true }));
        let is_done = reply.status < 300;
        let covers = self.accounts[to].money.available() >= amount;
        assert_eq!(
            is_done, covers,
            "refund of {amount} from {to}: {}",
            reply.text
        );
        if is_done {
            self.accounts[to].money.went += amount;
            self.accounts[from].money.came += amount;
        }
        format!("refund of {amount} from {to} to {from}: {is_done}")
    }

    fn of_purchase(&mut self, id: String, on: usize, (held, captured): (i128, i128)) -> String {
        let step = self.fresh("step");
        let way = if held == 0 { 3 } else { self.rng.below(3) };
        let whole = if way == 3 { captured } else { held };
        let part = if self.rng.below(2) == 0 && whole > CENT {
            whole / CENT / 2 * CENT
        } else {
            whole
        };
        let name = ["capture", "capture", "reverse", "refund"][way];
        let mut body = json!({ "transaction_id": step, "local_amount": Self::dollars(part) });
        if name == "capture" {
            body["final"] = false.into();
        }
        let path = format!("/v1/authorizations/{id}/{name}");
        self.client.post(&path, &body).expect(200);
        let (mut held, mut captured) = (held, captured);
        let money = &mut self.accounts[on].money;
        match name {
            "capture" => {
                held -= part;
                captured += part;
                money.held -= part;
                money.went += part;
            }
            "reverse" => {
                held -= part;
                money.held -= part;
            }
            _ => {
                captured -= part;
                money.came += part;
            }
        }
        if held + captured > 0 {
            self.open.push(Open::Purchase {
                id: id.clone(),
                on,
                held,
                captured,
            });
        }
        format!("{name} of {part} of a purchase on {on}")
    }

    /// What every face says of every account, held against the model and by the formulas.
    fn compare(&mut self, after: &str) {
        for at in 0..self.accounts.len() {
            let inquiry = self.fresh("inquiry");
            let (account, client) = (&self.accounts[at], &self.client);
            let Money {
                came,
                went,
                held,
                expected,
            } = account.money;
            let path = format!("/api/accounts/{}/balance", account.urn);
            let programme = Balance::of(&client.get(&path).expect(200));
            let model = Balance {
                current: came - went - held,
                pending: held,
                incoming: came,
                outgoing: went,
            };
            assert_eq!(programme, model, "programme's {at} after {after}");
            if let Some(card) = &account.card {
                let network = client.balance(&inquiry, card);
                assert_eq!(network, programme, "network's {at} after {after}");
            }
            let told = client
                .get(&format!("/balances/{}", account.balance))
                .expect(200);
            let names = [
                "balance",
                "credit_balance",
                "debit_balance",
                "inflight_debit_balance",
                "inflight_credit_balance",
                "inflight_balance",
            ];
            let ledger = names.map(|name| number(&told[name]));
            let wanted = [came - went, came, went, held, expected, expected - held];
            assert_eq!(ledger, wanted, "ledger's {at} after {after}: {told}");
            assert_eq!(
                ledger[0] - ledger[3],
                programme.current,
                "available of {at} after {after}"
            );
        }
    }

    /// Every movement of an account by the programme face: way and amount, how often.
    fn movements(&self, urn: &str) -> BTreeMap<(String, i128), usize> {
        let mut all = BTreeMap::new();
        let mut next = String::new();
        loop {
            let path = format!("/api/accounts/{urn}/movements?limit=100{next}");
            let page = self.client.get(&path).expect(200);
            for one in page["data"].as_array().unwrap() {
                let key = (
                    text(&one["direction"]),
                    text(&one["amount"]).parse().unwrap(),
                );
                *all.entry(key).or_default() += 1;
            }
            let Some(token) = page["next"].as_str() else {
                return all;
            };
            next = format!("&next={token}");
        }
    }

    /// The same by the ledger face: everything that was applied, and what was taken of purchases, which
    /// has the purchase's word for it.
    fn transactions(&self, balance: &str) -> BTreeMap<(String, i128), usize> {
        let mut all = BTreeMap::new();
        for (way, side) in [("out", "source"), ("in", "destination")] {
            for page in 0.. {
                let body = json!({
                    "filters": [
                        { "field": side, "operator": "eq", "value": balance },
                        { "field": "status", "operator": "in", "values": ["APPLIED", "COMMIT"] },
                    ],
                    "limit": 100, "offset": page * 100, "sort_by": "created_at", "sort_order": "asc",
                });
                let told = self.client.post("/transactions/filter", &body).expect(200);
                let rows = told["data"].as_array().unwrap();
                let moved =
                    |one: &&Value| one["status"] == "APPLIED" || one["parent_transaction"] != "";
                let amounts = rows.iter().filter(moved);
                let amounts = amounts.map(|one| number(&one["precise_amount"]));
                // An inquiry moves nothing.
                for amount in amounts.filter(|amount| *amount != 0) {
                    *all.entry((way.to_owned(), amount)).or_default() += 1;
                }
                if rows.len() < 100 {
                    break;
                }
            }
        }
        all
    }

    fn close(mut self) {
        self.client.trial_balance();
        for account in &self.accounts {
            let (movements, urn) = (self.movements(&account.urn), &account.urn);
            let sum = |way: &str| -> i128 {
                let those = movements.iter().filter(|((its, _), _)| its == way);
                those
                    .map(|((_, amount), times)| amount * i128::try_from(*times).unwrap())
                    .sum()
            };
            assert_eq!(
                (sum("in"), sum("out")),
                (account.money.came, account.money.went),
                "movements of {urn}: {movements:?}"
            );
            // The index follows the log.
            let deadline = Instant::now() + Duration::from_secs(20);
            let mut told = self.transactions(&account.balance);
            while told != movements && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
                told = self.transactions(&account.balance);
            }
            assert_eq!(told, movements, "{urn}");
        }
        assert_eq!(self.server.terminate(), Some(0));
        let output = Command::new(env!("CARGO_BIN_EXE_cardwright"))
            .args(["verify", "--data-dir"])
            .arg(self.server.data_dir())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn whatever_is_done_through_one_face_reads_the_same_through_the_others() {
    let seed = server::seed();
    println!("CARDWRIGHT_TEST_SEED={seed}");
    let mut house = House::open(seed);
    for at in 0..house.accounts.len() {
        let reference = house.fresh("first");
        let body = json!({ "account_urn": house.accounts[at].urn, "asset": DUSD,
            "amount": (10_000 * CENT).to_string(), "reference": reference });
        house.client.post("/v1/deposits", &body).expect(201);
        house.accounts[at].money.came = 10_000 * CENT;
    }
    for step in 0..STEPS {
        let did = house.step();
        house.compare(&format!("step {step}: {did} (seed {seed})"));
    }
    // A start from the log, and some more.
    house.server.restart();
    house.client = house.server.client();
    house.compare("a restart");
    for step in 0..STEPS / 4 {
        let did = house.step();
        house.compare(&format!("step {step} after a restart: {did} (seed {seed})"));
    }
    house.close();
}

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

#[test]
fn what_the_ledger_moves_is_listed_as_movements_of_the_card() {
    let server = Server::start();
    let client = server.client();
    let card = medium(&client, "card", &json!({}));
    let (urn, balance) = (text(&card["urn"]), balance_of(&card));
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
    let pending = lines(&client, &format!("{path}?pocket=pending"), &fields[..4]);
    let expected = json!([
        ["let-go", "in", "3000000", "cancelled"],
        ["open", "out", "400000", "pending"],
        ["let-go", "out", "3000000", "cancelled"],
        ["taken", "out", "20000000", "settled"],
    ]);
    assert_eq!(pending, expected);
    let held = format!("{path}?collapsed_view=true&pocket=pending");
    let open = json!([["open", "out", "400000", "pending"]]);
    assert_eq!(lines(&client, &held, &fields[..4]), open);
    let named = lines(
        &client,
        &format!("{path}?reference=fund"),
        &["reference", ".description"],
    );
    assert_eq!(named, json!([["fund", "about fund"]]));
    let all = format!("/api/accounts/transactions?account_urns={urn}&limit=500");
    assert_eq!(
        lines(&client, &all, &["reference"])
            .as_array()
            .unwrap()
            .len(),
        4
    );
    client.trial_balance();
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
