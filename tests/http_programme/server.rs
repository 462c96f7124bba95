//! A server process and what is said to it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

pub(crate) const ROOT: &str = "sk_sandbox_test_of_the_programme_face";
pub(crate) const HOLDER: &str = "did:bloque:sandbox:demo";
pub(crate) const ASSET: &str = "DUSD/6";

/// A server process; killed when dropped.
pub(crate) struct Server {
    process: Child,
    url: String,
    agent: ureq::Agent,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) is_replay: bool,
    pub(crate) request_id: String,
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_cardwright"))
            .args([
                "serve",
                "--sandbox",
                "--listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(data)
            .env("CARDWRIGHT_SANDBOX_KEY", ROOT)
            .env("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "8")
            .env("CARDWRIGHT_JOURNAL__MIN_FREE_MIB", "16")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("one JSON line when ready");
        let url = format!(
            "http://{}",
            ready["listening"].as_str().expect("an address")
        );
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.build().into();
        Self {
            process,
            url,
            agent,
        }
    }

    pub(crate) fn call(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
        id: Option<&str>,
    ) -> Reply {
        let text = body.map(Value::to_string);
        self.send(key, method, path, text.as_deref(), id)
    }

    pub(crate) fn send(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<&str>,
        id: Option<&str>,
    ) -> Reply {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(id) = id {
            request = request.header("idempotency-key", id);
        }
        let answer = match body {
            Some(text) => self
                .agent
                .run(request.body(text.to_owned()).expect("a request")),
            None => self.agent.run(request.body(()).expect("a request")),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let (replayed, request_id) = (header("idempotency-replayed"), header("x-request-id"));
        let text = answer.body_mut().read_to_string().expect("a text");
        Reply {
            status: answer.status().as_u16(),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
            is_replay: replayed == "true",
            request_id,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.call(ROOT, "GET", path, None, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.call(ROOT, "POST", path, Some(body), None)
    }

    pub(crate) fn patch(&self, urn: &str, body: &Value) -> Reply {
        self.call(
            ROOT,
            "PATCH",
            &format!("/api/accounts/{urn}"),
            Some(body),
            None,
        )
    }

    pub(crate) fn card(&self, metadata: Value) -> Value {
        let reply = self.post(
            "/api/mediums/card",
            &json!({ "holder_urn": HOLDER, "input": { "create": { "card_type": "VIRTUAL" } },
                "metadata": metadata }),
        );
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.body["result"]["account"].clone()
    }

    pub(crate) fn pocket(&self) -> Value {
        let body = json!({ "holder_urn": HOLDER, "input": {}, "metadata": { "name": "pocket" } });
        let reply = self.post("/api/mediums/virtual", &body);
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.body["result"]["account"].clone()
    }

    pub(crate) fn deposit(&self, urn: &str, amount: u64, reference: &str) {
        let body = json!({ "account_urn": urn, "asset": ASSET, "amount": amount.to_string(),
            "reference": reference });
        let reply = self.post("/v1/deposits", &body);
        assert_eq!(reply.status, 201, "{reply:?}");
    }

    pub(crate) fn authorize(&self, urn: &str, id: &str, dollars: &str) -> Value {
        let body = json!({ "transaction_id": id, "card": urn, "local_amount": dollars,
            "local_currency": "USD", "merchant": { "id": "m-1", "name": "AMAZON.COM",
            "mcc": "5411", "city": "Seattle", "country": "USA" } });
        let reply = self.post("/v1/authorizations", &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    pub(crate) fn step(&self, id: &str, step: &str, body: &Value) {
        let reply = self.post(&format!("/v1/authorizations/{id}/{step}"), body);
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    pub(crate) fn current(&self, urn: &str) -> String {
        let reply = self.get(&format!("/api/accounts/{urn}/balance"));
        assert_eq!(reply.status, 200, "{reply:?}");
        let current = reply.body["balance"][ASSET]["current"].as_str();
        current.unwrap_or("none").to_owned()
    }

    pub(crate) fn movements(&self, urn: &str, query: &str) -> Value {
        let reply = self.get(&format!("/api/accounts/{urn}/movements?{query}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    pub(crate) fn other_origin(&self, name: &str) -> String {
        let reply = self.post("/v1/origins", &json!({ "name": name }));
        assert_eq!(reply.status, 201, "{reply:?}");
        text(&reply.body["api_key"])
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

pub(crate) fn urn(account: &Value) -> String {
    text(&account["urn"])
}

pub(crate) fn refused(reply: &Reply, status: u16, field: &str) {
    assert_eq!(reply.status, status, "{reply:?}");
    assert_eq!(reply.body["extra_details"]["field"], field, "{reply:?}");
    let message = text(&reply.body["message"]);
    assert!(message.contains(field), "{message} does not name {field}");
    assert_eq!(reply.body["error"]["code"], reply.body["code"], "{reply:?}");
    assert_eq!(text(&reply.body["req_id"]), reply.request_id, "{reply:?}");
}

pub(crate) fn times(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().expect("a list");
    data.iter()
        .map(|movement| text(&movement["created_at"]))
        .collect()
}
