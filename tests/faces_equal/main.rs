//! One money, three faces: whatever is done through one reads the same through the others, after every step
//! of random sequences and against a model that knows only sums.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may")]

mod lists;
#[path = "../common/server.rs"]
mod server;
mod steps;

use std::{
    collections::BTreeMap,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use cardwright::domain::{ids::LedgerNo, uuids::BalanceId};
use serde_json::{Value, json};
use server::{Balance, Client, DUSD, HOLDER, Rng, Server};

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
