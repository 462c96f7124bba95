//! The steps of the random sequences, each with what the model makes of it.

use serde_json::{Value, json};

use super::{
    CENT, House, Money, Open,
    server::{DUSD, Reply},
    text,
};

impl House {
    pub(super) fn fresh(&mut self, what: &str) -> String {
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

    pub(super) fn step(&mut self) -> String {
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
}
