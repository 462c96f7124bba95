//! A ledger team's house: ledgers, balances, payments.

use serde_json::{Value, json};

use super::server::{Client, Server};

pub(crate) struct House {
    pub(crate) client: Client,
}

impl House {
    pub(crate) fn new(server: &Server) -> Self {
        Self {
            client: server.client(),
        }
    }

    pub(crate) fn ledger(&self, name: &str) -> String {
        let made = self
            .client
            .post("/ledgers", &json!({ "name": name }))
            .expect(201);
        made["ledger_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn balance(&self, ledger: &str, currency: &str, metadata: Value) -> String {
        let body = json!({ "ledger_id": ledger, "currency": currency, "meta_data": metadata });
        let made = self.client.post("/balances", &body).expect(201);
        made["balance_id"].as_str().unwrap().to_owned()
    }

    /// Moves so many cents; the transaction's id.
    pub(crate) fn pay(
        &self,
        (source, destination): (&str, &str),
        cents: i64,
        reference: &str,
        with: Value,
    ) -> String {
        let mut body = json!({
            "precise_amount": cents, "precision": 100, "currency": "USD", "reference": reference,
            "description": "", "source": source, "destination": destination, "skip_queue": true,
        });
        for (name, value) in with.as_object().unwrap() {
            body[name] = value.clone();
        }
        let made = self.client.post("/transactions", &body).expect(201);
        made["transaction_id"].as_str().unwrap().to_owned()
    }

    /// The server's time, as the newest transaction or balance made for it says: something is made for it.
    pub(crate) fn now(&self) -> String {
        let made = self
            .client
            .post("/ledgers", &json!({ "name": "clock" }))
            .expect(201);
        made["created_at"].as_str().unwrap().to_owned()
    }
}
