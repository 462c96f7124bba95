//! A small receiver of webhooks: one request a connection, read within limits, one after the other.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use serde_json::Value;

use super::{
    super::outcome::{CliError, Out},
    show::Show,
    signature::{Secret, Signed, verify},
};
use crate::clock::Clock;

const HEAD_BYTES_MAX: usize = 32 << 10;
const BODY_BYTES_MAX: usize = 1 << 20;
const HEADERS_MAX: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Receives webhooks.
pub(super) struct Receiver {
    listener: TcpListener,
    secrets: Vec<Secret>,
    status: u16,
    forward: Option<(ureq::Agent, String)>,
}

/// One webhook.
struct Webhook {
    /// By lower-case name.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Webhook {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Receiver {
    pub(super) fn bind(
        listen: &str,
        secrets: Vec<Secret>,
        status: u16,
        forward: Option<String>,
    ) -> Result<Self, CliError> {
        let listener = TcpListener::bind(listen).map_err(|error| {
            if error.kind() == ErrorKind::InvalidInput {
                let what = "must be an address such as 127.0.0.1:8090";
                return CliError::Usage(format!("--listen {what}, was {listen:?}"));
            }
            CliError::Fault(format!("cannot listen on {listen}: {error}"))
        })?;
        let agent = || {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(TIMEOUT))
                .build();
            config.new_agent()
        };
        Ok(Self {
            listener,
            secrets,
            status,
            forward: forward.map(|url| (agent(), url)),
        })
    }

    /// Receives until as many events have come as are wanted.
    pub(super) fn run(&self, show: &mut Show, out: &mut Out) -> Result<(), CliError> {
        let address = self.listener.local_addr()?;
        show.note(&format!("receiving webhooks on http://{address}/"));
        if self.secrets.is_empty() {
            show.note("signatures are not checked: give --secret whsec_… for that");
        }
        loop {
            let (mut socket, _) = self.listener.accept()?;
            let webhook = socket
                .set_read_timeout(Some(TIMEOUT))
                .and_then(|()| socket.set_write_timeout(Some(TIMEOUT)))
                .map_err(|error| (400, error.to_string()))
                .and_then(|()| read(&mut socket));
            match webhook {
                Err((status, what)) => {
                    show.note(&format!("refused: {what}"));
                    answer(&mut socket, status, &what);
                }
                Ok(webhook) => {
                    if self.take(&webhook, &mut socket, show, out)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take(
        &self,
        webhook: &Webhook,
        socket: &mut TcpStream,
        show: &mut Show,
        out: &mut Out,
    ) -> Result<bool, CliError> {
        let signed = Signed {
            id: webhook.header("webhook-id"),
            timestamp: webhook.header("webhook-timestamp"),
            signature: webhook.header("webhook-signature"),
            body: &webhook.body,
        };
        let now = Clock::system().now().seconds();
        if !self.secrets.is_empty()
            && let Err(what) = verify(&signed, &self.secrets, now)
        {
            show.note(&format!("refused: {what}"));
            answer(socket, 401, &what);
            return Ok(false);
        }
        let Ok(payload) = serde_json::from_slice::<Value>(&webhook.body) else {
            show.note("refused: the body is no JSON");
            answer(socket, 400, "the body is no JSON");
            return Ok(false);
        };
        let status = match &self.forward {
            Some((agent, url)) => forward(agent, url, webhook, show),
            None => self.status,
        };
        answer(socket, status, "received");
        show.event(&payload, out)
    }
}

/// Sends a webhook on as it came; the status it was answered with, or 502.
fn forward(agent: &ureq::Agent, url: &str, webhook: &Webhook, show: &Show) -> u16 {
    let mut request = agent.post(url);
    for (name, value) in &webhook.headers {
        if name.starts_with("webhook-") || name == "content-type" || name == "idempotency-key" {
            request = request.header(name, value);
        }
    }
    match request.send(&webhook.body) {
        Ok(response) => response.status().as_u16(),
        Err(error) => {
            show.note(&format!("not forwarded: {error}"));
            502
        }
    }
}

fn answer(socket: &mut TcpStream, status: u16, text: &str) {
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status} \r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // Whoever is gone needs no answer.
    let _ = socket.write_all(format!("{head}{text}").as_bytes());
}

fn read(socket: &mut impl Read) -> Result<Webhook, (u16, String)> {
    let bad = |what: &str| (400, what.to_owned());
    let mut bytes = Vec::new();
    let mut part = [0_u8; 4_096];
    let mut take = |bytes: &mut Vec<u8>| {
        let count = socket
            .read(&mut part)
            .map_err(|error| bad(&error.to_string()))?;
        if count == 0 {
            return Err(bad("the request ended too soon"));
        }
        bytes.extend_from_slice(part.get(..count).unwrap_or_default());
        Ok(())
    };
    let (head, webhook) = loop {
        take(&mut bytes)?;
        if let Some(found) = parse(&bytes)? {
            break found;
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return Err((431, "the headers are too long".to_owned()));
        }
    };
    let length = webhook.header("content-length").map(str::parse::<usize>);
    let Some(Ok(length)) = length else {
        return Err((411, "content-length is missing".to_owned()));
    };
    if length > BODY_BYTES_MAX {
        return Err((413, "the body is too large".to_owned()));
    }
    let whole = head.saturating_add(length);
    while bytes.len() < whole {
        take(&mut bytes)?;
    }
    let body = bytes.get(head..whole).unwrap_or_default().to_vec();
    Ok(Webhook { body, ..webhook })
}

/// The length of the head and what it says, once it is whole.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Webhook)>, (u16, String)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request
        .parse(bytes)
        .map_err(|error| (400, format!("it is no HTTP request: {error}")))?;
    let httparse::Status::Complete(head) = parsed else {
        return Ok(None);
    };
    if request.method != Some("POST") {
        return Err((405, "webhooks are sent with POST".to_owned()));
    }
    let text = |header: &httparse::Header<'_>| {
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        (header.name.to_ascii_lowercase(), value)
    };
    let webhook = Webhook {
        headers: request.headers.iter().map(text).collect(),
        body: Vec::new(),
    };
    Ok(Some((head, webhook)))
}
