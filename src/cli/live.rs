//! Talks to a running server. The key is sent, never shown.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::outcome::CliError;

/// Which server, and as whom.
#[derive(Args, Clone)]
pub(super) struct ServerArgs {
    /// The server, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL", env = "CARDWRIGHT_URL")]
    url: String,
    /// An API key of it
    #[arg(
        long,
        value_name = "KEY",
        env = "CARDWRIGHT_KEY",
        hide_env_values = true
    )]
    key: String,
}

impl ServerArgs {
    /// The server they name.
    pub(super) fn server(&self) -> Result<Server, CliError> {
        Server::new(&self.url, &self.key)
    }
}

const TIMEOUT: Duration = Duration::from_secs(60);
const BODY_BYTES_MAX: u64 = 64 << 20;
const EXCERPT_CHARS_MAX: usize = 300;

/// A running server.
pub(super) struct Server {
    agent: ureq::Agent,
    url: String,
    bearer: String,
}

/// What it answered.
pub(super) struct Answer {
    /// What was asked.
    pub(super) request: String,
    /// The status.
    pub(super) status: u16,
    /// The body; null if it is no JSON.
    pub(super) body: Value,
    /// The body as it came.
    pub(super) bytes: Vec<u8>,
}

impl Server {
    /// The server at `url`.
    pub(super) fn new(url: &str, key: &str) -> Result<Self, CliError> {
        let base = url.trim_end_matches('/');
        let host = base.strip_prefix("http://").unwrap_or_default();
        if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
            return Err(CliError::Usage(format!(
                "--url must be http://HOST[:PORT] without a path, was {url:?}"
            )));
        }
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CliError::Usage(
                "--key (or CARDWRIGHT_KEY) must be an API key".to_owned(),
            ));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Ok(Self {
            agent: config.new_agent(),
            url: base.to_owned(),
            bearer: format!("Bearer {key}"),
        })
    }

    /// Asks.
    pub(super) fn get(&self, path: &str) -> Result<Answer, CliError> {
        let call = self.agent.get(format!("{}{path}", self.url));
        received(
            format!("GET {path}"),
            call.header("authorization", &self.bearer).call(),
        )
    }

    /// Asks for something to be gone.
    pub(super) fn delete(&self, path: &str) -> Result<Answer, CliError> {
        let call = self.agent.delete(format!("{}{path}", self.url));
        received(
            format!("DELETE {path}"),
            call.header("authorization", &self.bearer).call(),
        )
    }

    /// Asks for something to be done.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Answer, CliError> {
        let call = self.agent.post(format!("{}{path}", self.url));
        received(
            format!("POST {path}"),
            call.header("authorization", &self.bearer).send_json(body),
        )
    }
}

impl Answer {
    /// The answer, if it is a yes.
    pub(super) fn successful(self) -> Result<Self, CliError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        // The ledger face's errors are a sentence, the others' an object with one.
        let message = self.body.pointer("/error/message");
        let message = message.or_else(|| self.body.get("error"));
        let message = message.and_then(Value::as_str);
        let body = self.body.to_string();
        let said: String = message
            .unwrap_or(&body)
            .chars()
            .take(EXCERPT_CHARS_MAX)
            .collect();
        let (request, status) = (self.request, self.status);
        Err(CliError::Fault(format!(
            "{request} was answered {status}: {said}"
        )))
    }

    /// The body, if it is a yes; nothing if it is to be asked for again.
    pub(super) fn successful_or_busy(self) -> Result<Option<Value>, CliError> {
        if self.status == 503 {
            return Ok(None);
        }
        self.successful().map(|answer| Some(answer.body))
    }

    /// A text in the body.
    pub(super) fn text(&self, pointer: &str) -> Result<&str, CliError> {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.ok_or_else(|| self.lacks(pointer))
    }

    /// What to say if the body has not what it should.
    pub(super) fn lacks(&self, pointer: &str) -> CliError {
        let request = &self.request;
        CliError::Fault(format!(
            "{request} was answered without {pointer}: is this a cardwright server of this version?"
        ))
    }
}

fn received(
    request: String,
    result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Answer, CliError> {
    let read = result.and_then(|mut response| {
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(BODY_BYTES_MAX);
        Ok((status, body.read_to_vec()?))
    });
    match read {
        Ok((status, bytes)) => Ok(Answer {
            request,
            status,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes,
        }),
        Err(error) => Err(CliError::Fault(format!(
            "{request} had no answer: {error}; is the server running there?"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_urls_and_keys_are_taken() {
        assert!(Server::new("http://127.0.0.1:8080/", "sk_1").is_ok());
        for (url, key) in [
            ("https://a", "sk_1"),
            ("a:80", "sk_1"),
            ("http://", "sk_1"),
            ("http://a/b", "sk_1"),
            ("http://u@h", "sk_1"),
            ("http://a", ""),
            ("http://a", "sk_1\r\nx: y"),
        ] {
            assert!(
                matches!(Server::new(url, key), Err(CliError::Usage(_))),
                "{url} {key:?}"
            );
        }
    }
}
