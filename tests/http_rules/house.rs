//! A server, a client of it, and short words for what the tests ask of them.

use std::{cell::Cell, process::Command};

use serde_json::{Map, Value, json};

use crate::server::{Client, DUSD, HOLDER, Reply, Server, purchase};

/// A running server and its client.
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) client: Client,
    ids: Cell<u32>,
}

/// What an account has of [`DUSD`]: current and pending.
pub(crate) type Money = (i128, i128);

impl House {
    pub(crate) fn open() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let server = Server::with(settings);
        let client = server.client();
        let ids = Cell::new(0);
        Self {
            server,
            client,
            ids,
        }
    }

    /// Kills it and starts it again.
    pub(crate) fn restart(&mut self) {
        self.server.restart();
        self.client = self.server.client();
    }

    /// Stops it and holds its data against every check of `cardwright verify`.
    #[track_caller]
    pub(crate) fn close_and_verify(mut self) {
        self.client.trial_balance();
        assert_eq!(self.server.terminate(), Some(0));
        let verdict = Command::new(env!("CARGO_BIN_EXE_cardwright"))
            .args(["verify", "--data-dir"])
            .arg(self.server.data_dir())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&verdict.stdout);
        assert_eq!(verdict.status.code(), Some(0), "{said}");
    }

    /// A name that none had before.
    pub(crate) fn id(&self, what: &str) -> String {
        self.ids.set(self.ids.get() + 1);
        format!("{what}-{}", self.ids.get())
    }

    #[track_caller]
    pub(crate) fn try_card(&self, metadata: &Value) -> Reply {
        let body = json!({
            "holder_urn": HOLDER, "input": { "create": { "card_type": "VIRTUAL" } },
            "metadata": metadata,
        });
        self.client.post("/api/mediums/card", &body)
    }

    /// The URN of a new card with so much [`DUSD`].
    #[track_caller]
    pub(crate) fn card(&self, amount: u64, metadata: &Value) -> String {
        self.opened(&self.try_card(metadata), amount)
    }

    /// The URN of a new pocket with so much [`DUSD`].
    #[track_caller]
    pub(crate) fn pocket(&self, amount: u64, metadata: &Value) -> String {
        self.pocket_of(HOLDER, amount, metadata)
    }

    #[track_caller]
    pub(crate) fn pocket_of(&self, holder: &str, amount: u64, metadata: &Value) -> String {
        let body = json!({ "holder_urn": holder, "input": {}, "metadata": metadata });
        self.opened(&self.client.post("/api/mediums/virtual", &body), amount)
    }

    #[track_caller]
    fn opened(&self, made: &Reply, amount: u64) -> String {
        assert_eq!(made.status, 201, "{}", made.text);
        let urn = made.json["result"]["account"]["urn"].as_str().unwrap();
        if amount > 0 {
            self.deposit(urn, amount);
        }
        urn.to_owned()
    }

    #[track_caller]
    pub(crate) fn deposit(&self, urn: &str, amount: u64) {
        let body = json!({
            "account_urn": urn, "asset": DUSD, "amount": amount.to_string(),
            "reference": self.id("deposit"),
        });
        self.client.post("/v1/deposits", &body).expect(201);
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.client.send((method, path), &[], body.to_string())
    }

    /// Changes an account.
    #[track_caller]
    pub(crate) fn change(&self, urn: &str, body: &Value) -> Reply {
        self.send("PATCH", &format!("/api/accounts/{urn}"), body)
    }

    /// A purchase under a new id; what `more` has goes before what is usual.
    #[track_caller]
    pub(crate) fn buy(&self, card: &str, amount: &str, more: &Value) -> Value {
        let body = self.asked(card, amount, more);
        self.client.post("/v1/authorizations", &body).expect(200)
    }

    #[track_caller]
    pub(crate) fn approved(&self, card: &str, amount: &str, more: &Value) -> Value {
        let told = self.buy(card, amount, more);
        assert_eq!(told["status"], "approved", "{told}");
        told
    }

    /// The reason, the response code and the details of a decline.
    #[track_caller]
    pub(crate) fn declined(&self, card: &str, amount: &str, more: &Value) -> Value {
        let told = self.buy(card, amount, more);
        assert_eq!(told["status"], "declined", "{told}");
        assert_eq!(told["state"], "declined");
        assert_eq!(told["legs"], json!([]));
        told
    }

    pub(crate) fn asked(&self, card: &str, amount: &str, more: &Value) -> Value {
        let mut body = purchase(&self.id("purchase"), card, amount);
        body["merchant"]["country"] = "USA".into();
        for (key, value) in more.as_object().unwrap_or(&Map::new()) {
            match (body[key].as_object_mut(), value.as_object()) {
                (Some(known), Some(more)) => known.extend(more.clone()),
                _ => body[key] = value.clone(),
            }
        }
        body
    }

    /// Takes a step on an authorization; of all that is left, if `amount` is empty.
    #[track_caller]
    pub(crate) fn step(&self, authorization: &Value, step: &str, amount: &str) -> Value {
        let id = authorization["id"].as_str().unwrap();
        self.client
            .step(id, step, &self.id(step), amount)
            .expect(200)
    }

    /// What `GET …?explain=true` says of an authorization.
    #[track_caller]
    pub(crate) fn explained(&self, authorization: &Value) -> Value {
        let id = authorization["id"].as_str().unwrap();
        let path = format!("/v1/authorizations/{id}?explain=true");
        self.client.get(&path).expect(200)
    }

    #[track_caller]
    pub(crate) fn money(&self, urn: &str) -> Money {
        let path = format!("/api/accounts/{urn}/balance");
        let told = self.client.get(&path).expect(200);
        let balance = crate::server::Balance::of(&told);
        (balance.current, balance.pending)
    }

    /// The movements of an account in [`DUSD`], the latest first.
    #[track_caller]
    pub(crate) fn movements(&self, urn: &str) -> Vec<Value> {
        let path = format!("/api/accounts/{urn}/movements?asset={DUSD}");
        let told = self.client.get(&path).expect(200);
        told["data"].as_array().unwrap().clone()
    }

    /// How each limit of an account stands.
    #[track_caller]
    pub(crate) fn usage(&self, urn: &str) -> Value {
        let path = format!("/v1/cards/{urn}/controls");
        self.client.get(&path).expect(200)["usage"].clone()
    }

    /// Takes exchange rates: base, quote, rate.
    #[track_caller]
    pub(crate) fn rate(&self, (base, quote, rate): (&str, &str, &str), at: Option<&str>) {
        let mut one = json!({ "base": base, "quote": quote, "rate": rate });
        if let Some(at) = at {
            one["at"] = at.into();
        }
        let body = json!({ "rates": [one], "source": "desk" });
        self.send("PUT", "/v1/rates", &body).expect(200);
    }
}

/// The metadata of a smart card: pockets in order, and the categories of some.
pub(crate) fn smart(pockets: &[&str], lists: &[(&str, &[&str])]) -> Value {
    let lists: Map<String, Value> = lists
        .iter()
        .map(|(urn, codes)| ((*urn).to_owned(), json!(codes)))
        .collect();
    json!({ "spending_control": "smart", "priority_mcc": pockets, "mcc_whitelist": lists })
}

/// A purchase at a merchant of that category.
pub(crate) fn at(mcc: &str) -> Value {
    json!({ "merchant": { "mcc": mcc } })
}

/// Who pays how much.
pub(crate) fn legs(told: &Value) -> Vec<(String, i128)> {
    let leg = |leg: &Value| {
        let urn = leg["account_urn"].as_str().unwrap().to_owned();
        (urn, leg["amount"].as_str().unwrap().parse().unwrap())
    };
    told["legs"].as_array().unwrap().iter().map(leg).collect()
}

/// The same as it is expected.
pub(crate) fn paid(legs: &[(&str, i128)]) -> Vec<(String, i128)> {
    let leg = |(urn, amount): &(&str, i128)| ((*urn).to_owned(), *amount);
    legs.iter().map(leg).collect()
}

/// The check of an explanation that refused.
pub(crate) fn refusing(told: &Value) -> Option<&str> {
    let checks = told["explanation"]["checks"].as_array().unwrap();
    let refused = checks.iter().find(|check| check["result"] == "refused")?;
    refused["check"].as_str()
}
