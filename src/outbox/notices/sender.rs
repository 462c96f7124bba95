//! Who carries notices: a trait for a provider, one for the WhatsApp Cloud API, and the operator's file
//! or log as long as there is none.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use super::{Notice, masked};

/// Why a notice was not carried.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// It may be carried later.
    #[error("{0}")]
    Later(String),
    /// It never will be.
    #[error("{0}")]
    Refused(String),
}

/// Carries notices. It may block.
pub trait NoticeSender: Send {
    /// Carries one.
    ///
    /// # Errors
    ///
    /// [`NoticeError`]; neither the number nor the provider's token is in it.
    fn send(&self, notice: &Notice) -> Result<(), NoticeError>;
}

fn line(notice: &Notice) -> Value {
    json!({
        "to": masked(&notice.phone),
        "card_urn": notice.card_urn,
        "card_last_four": notice.last_four,
        "amount": notice.amount,
        "merchant": notice.merchant,
        "transaction_id": notice.transaction_id,
    })
}

/// Writes a line for each notice to a file that only the operator's user reads.
pub struct FileSender(pub PathBuf);

impl NoticeSender for FileSender {
    fn send(&self, notice: &Notice) -> Result<(), NoticeError> {
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(&self.0);
        let written = file.and_then(|mut file| writeln!(file, "{}", line(notice)));
        written.map_err(|error| NoticeError::Later(error.to_string()))
    }
}

/// Says each notice in the operator's log, at info.
pub struct LogSender;

impl NoticeSender for LogSender {
    fn send(&self, notice: &Notice) -> Result<(), NoticeError> {
        tracing::info!("notice to a cardholder: {}", line(notice));
        Ok(())
    }
}

/// The provider's token: shown nowhere.
pub struct Token(String);

impl Token {
    /// Takes a token.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the token itself is not said.
    pub fn new(token: String) -> Result<Self, &'static str> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must be the bearer token of the WhatsApp Cloud API");
        }
        Ok(Self(token))
    }
}

/// Sends templates by the WhatsApp Cloud API. Source: Meta for Developers, Cloud API, Send Messages.
pub struct WhatsApp {
    agent: ureq::Agent,
    url: String,
    bearer: String,
    template: String,
    language: String,
}

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

impl WhatsApp {
    /// Sends to `{base}/{version}/{phone_number_id}/messages`.
    #[must_use]
    pub fn new(
        (base, version, phone_number_id): (&str, &str, &str),
        (template, language): (&str, &str),
        token: &Token,
    ) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("cardwright/", env!("CARGO_PKG_VERSION")))
            .build();
        let base = base.trim_end_matches('/');
        Self {
            agent: config.new_agent(),
            url: format!("{base}/{version}/{phone_number_id}/messages"),
            bearer: format!("Bearer {}", token.0),
            template: template.to_owned(),
            language: language.to_owned(),
        }
    }

    fn body(&self, notice: &Notice) -> Value {
        // The API takes a number's digits, with the country's code and without a plus.
        let to: String = notice.phone.chars().filter(char::is_ascii_digit).collect();
        let text = |text: &str| json!({ "type": "text", "text": text });
        let parameters = [&notice.amount, &notice.merchant, &notice.last_four];
        json!({
            "messaging_product": "whatsapp",
            "to": to,
            "type": "template",
            "template": {
                "name": self.template,
                "language": { "code": self.language },
                "components": [{
                    "type": "body",
                    "parameters": parameters.map(|part| text(part)),
                }],
            },
        })
    }
}

impl NoticeSender for WhatsApp {
    fn send(&self, notice: &Notice) -> Result<(), NoticeError> {
        let call = self.agent.post(&self.url);
        let sent = call
            .header("authorization", &self.bearer)
            .send_json(self.body(notice));
        // An error may name the URL, in which nothing is secret.
        let response = sent.map_err(|error| NoticeError::Later(error.to_string()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let what = format!("the provider answered {}", status.as_u16());
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(NoticeError::Later(what));
        }
        Err(NoticeError::Refused(what))
    }
}
