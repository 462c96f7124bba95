//! The one client for what is outside: a GET or a POST with limits on where, how long and how much.

use std::{net::IpAddr, time::Duration};

use ureq::{
    Agent, Error,
    config::Config,
    http::{HeaderMap, StatusCode, Uri, header},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

use super::address::is_public;

/// What the client may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a connection may take.
    pub connect: Duration,
    /// How long the whole may take, redirects and body included.
    pub total: Duration,
    /// How much is read of a body, in bytes.
    pub body_bytes_max: u64,
    /// Whether addresses that are not public are reached.
    pub allow_private: bool,
}

/// How often one call is sent on to another address.
const REDIRECTS_MAX: u32 = 3;
/// The longest name of a content that is kept and sent back.
const ETAG_BYTES_MAX: usize = 256;

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is what it was.
    Unchanged,
    /// This, and how the server names it.
    Body {
        /// The bytes.
        bytes: Vec<u8>,
        /// The server's name of this content, if it gave one.
        etag: Option<String>,
    },
}

/// Why nothing came. No text of it holds a URL, which may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a URL we fetch.
    #[error("it is no http or https URL with a host")]
    Url,
    /// Where it leads is not public.
    #[error(
        "it leads to an address that is not public, which outgoing.allow_private does not allow"
    )]
    Private,
    /// It took too long.
    #[error("it took longer than is allowed")]
    Slow,
    /// There was more than is taken.
    #[error("the body is longer than {max} bytes")]
    TooLarge {
        /// How much is taken.
        max: u64,
    },
    /// The server's no.
    #[error("the server answered {0}")]
    Status(u16),
    /// Anything else on the way.
    #[error("{0}")]
    Transport(String),
}

/// What a server answered to something that was sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// For how many seconds it wants to be left alone, if it says so.
    pub retry_after_s: Option<u64>,
}

/// Fetches over HTTP.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    limits: Limits,
}

impl Client {
    /// A client with those limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::reaching(limits, (reachable(limits), REDIRECTS_MAX))
    }

    /// A client that is sent on to no other address: what is sent is for its receiver alone.
    #[must_use]
    pub fn direct(limits: Limits) -> Self {
        Self::reaching(limits, (reachable(limits), 0))
    }

    fn reaching(limits: Limits, (may_reach, redirects): (fn(IpAddr) -> bool, u32)) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(limits.connect))
            .timeout_global(Some(limits.total))
            .max_redirects(redirects)
            .max_redirects_will_error(redirects > 0)
            .http_status_as_error(false)
            // A proxy would resolve names itself, past the check of what they lead to.
            .proxy(None)
            .user_agent(concat!("cardwright/", env!("CARGO_PKG_VERSION")))
            // A connection is used once: one that was opened to a checked address long ago says
            // nothing of where the name leads today.
            .max_idle_connections(0)
            .build();
        let resolver = Checked::new(may_reach);
        Self {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
            limits,
        }
    }

    /// Fetches `url`, unless it still is what the server called `etag`. Blocks the thread.
    ///
    /// # Errors
    ///
    /// [`FetchError`] if nothing usable came.
    pub fn get(&self, url: &str, etag: Option<&str>) -> Result<Fetched, FetchError> {
        if !is_url(url) {
            return Err(FetchError::Url);
        }
        let mut request = self
            .agent
            .get(url)
            .header(header::ACCEPT, "application/json");
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let mut response = request.call().map_err(|error| self.explain(error))?;
        match response.status() {
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Fetched::Unchanged),
            StatusCode::OK => {}
            other => return Err(FetchError::Status(other.as_u16())),
        }
        let etag = etag_of(response.headers());
        let body = response
            .body_mut()
            .with_config()
            // The library's limit is the length that is too much.
            .limit(self.limits.body_bytes_max.saturating_add(1));
        let bytes = body.read_to_vec().map_err(|error| self.explain(error))?;
        Ok(Fetched::Body { bytes, etag })
    }

    /// Sends `body`, which is JSON, to `url`. Of the answer only its head is read. Blocks the thread.
    ///
    /// # Errors
    ///
    /// [`FetchError`] if no answer came, whatever it says.
    pub fn post(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<Answered, FetchError> {
        if !is_url(url) {
            return Err(FetchError::Url);
        }
        let mut request = self
            .agent
            .post(url)
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send(body).map_err(|error| self.explain(error))?;
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        Ok(Answered {
            status: response.status().as_u16(),
            retry_after_s: retry_after.and_then(|text| text.trim().parse().ok()),
        })
    }

    fn explain(&self, error: Error) -> FetchError {
        explain(error, self.limits.body_bytes_max)
    }
}

/// The addresses that may be reached.
pub(super) fn reachable(limits: Limits) -> fn(IpAddr) -> bool {
    if limits.allow_private {
        |_| true
    } else {
        is_public
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's errors may grow; those unknown to us are told in its words"
)]
pub(super) fn explain(error: Error, body_bytes_max: u64) -> FetchError {
    match error {
        Error::Timeout(_) => FetchError::Slow,
        Error::BodyExceedsLimit(_) => FetchError::TooLarge {
            max: body_bytes_max,
        },
        Error::BadUri(_) => FetchError::Url,
        Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<NotPublic>()) => {
            FetchError::Private
        }
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => FetchError::Slow,
        Error::HostNotFound => FetchError::Transport("its host is not found".to_owned()),
        Error::TooManyRedirects => FetchError::Transport("too many redirects".to_owned()),
        other => FetchError::Transport(other.to_string().chars().take(200).collect()),
    }
}

/// Whether a text is a URL that we fetch: http or https, with a host.
#[must_use]
pub fn is_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        is_http && uri.host().is_some_and(|host| !host.is_empty())
    })
}

fn etag_of(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::ETAG)?.to_str().ok()?;
    (text.len() <= ETAG_BYTES_MAX).then(|| text.to_owned())
}

/// Why a name was not resolved.
#[derive(Debug, thiserror::Error)]
#[error("the address is not public")]
struct NotPublic;

/// Resolves names and keeps to the addresses that may be reached. Every connection, that of a redirect too, goes to an
/// address that came through here, so no name can lead elsewhere between the check and the call.
#[derive(Debug)]
pub(super) struct Checked {
    may_reach: fn(IpAddr) -> bool,
    inner: DefaultResolver,
}

impl Checked {
    pub(super) fn new(may_reach: fn(IpAddr) -> bool) -> Self {
        Self {
            may_reach,
            inner: DefaultResolver::default(),
        }
    }
}

impl Resolver for Checked {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(Error::BadUri("only http and https".to_owned()));
        }
        let found = self.inner.resolve(uri, config, timeout)?;
        let mut allowed = self.empty();
        for address in found
            .iter()
            .filter(|address| (self.may_reach)(address.ip()))
        {
            allowed.push(*address);
        }
        if allowed.is_empty() {
            let error = std::io::Error::other(NotPublic);
            return Err(Error::Io(error));
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::{Ipv4Addr, TcpListener},
    };

    use super::*;

    /// Answers one visit after another with the texts; how many came, when all are over.
    fn serve(listener: TcpListener, answers: Vec<String>) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        })
    }

    #[test]
    fn a_redirect_is_checked_like_the_first_address() {
        // Of this machine's own addresses, only the first counts as public here.
        const OPEN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
        let limits = Limits {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(5),
            body_bytes_max: 100,
            allow_private: false,
        };
        let client = Client::reaching(limits, (|address| address == OPEN, REDIRECTS_MAX));
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = |host: &str| {
            format!(
                "HTTP/1.1 302 x\r\nlocation: http://{host}:{port}/b\r\ncontent-length: 0\r\n\
                 connection: close\r\n\r\n"
            )
        };
        let page = "HTTP/1.1 200 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]";
        let served = serve(
            listener,
            vec![to("127.0.0.1"), page.to_owned(), to("127.0.0.2")],
        );
        let url = format!("http://127.0.0.1:{port}/a");
        let there = client.get(&url, None).unwrap();
        let bytes = b"[]".to_vec();
        assert_eq!(there, Fetched::Body { bytes, etag: None });
        let refused = client.get(&url, None);
        assert!(matches!(refused, Err(FetchError::Private)), "{refused:?}");
        served.join().unwrap();
        let direct = client.get(&format!("http://127.0.0.2:{port}/a"), None);
        assert!(matches!(direct, Err(FetchError::Private)), "{direct:?}");
    }
}
