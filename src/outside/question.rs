//! Asks a programme's endpoint: one POST with little time, no redirects, to a public address.

use std::time::{Duration, Instant};

use ureq::{
    Agent,
    http::{StatusCode, header},
    unversioned::transport::DefaultConnector,
};

use super::client::{Checked, FetchError, Limits, explain, is_url, reachable};

/// How many connections are kept for the next question, and of them to one host.
const IDLE_MAX: usize = 256;
const IDLE_PER_HOST_MAX: usize = 64;
/// How long one is kept: the address that it leads to was checked when it was opened.
const IDLE_AGE_MAX: Duration = Duration::from_secs(10);
/// The longest answer that is read.
pub const ANSWER_BYTES_MAX: u64 = 16 << 10;

/// Asks over HTTP.
#[derive(Clone, Debug)]
pub struct Asker {
    agent: Agent,
}

impl Asker {
    /// An asker that reaches what `limits` allow; each question brings its own time.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let config = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(concat!("cardwright/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections(IDLE_MAX)
            .max_idle_connections_per_host(IDLE_PER_HOST_MAX)
            .max_idle_age(IDLE_AGE_MAX)
            .build();
        let resolver = Checked::new(reachable(limits));
        Self {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
        }
    }

    /// Posts `body` and returns what a 2xx answer says, all within `time`. Blocks the thread.
    ///
    /// A connection that was kept may have been closed by the other side just now: what fails on its way
    /// is sent a second time, if there is time. Both bear the same headers, so that the endpoint can tell.
    ///
    /// # Errors
    ///
    /// [`FetchError`] if no such answer came.
    pub fn ask(
        &self,
        url: &str,
        headers: &[(&str, String)],
        body: &[u8],
        time: Duration,
    ) -> Result<Vec<u8>, FetchError> {
        if !is_url(url) {
            return Err(FetchError::Url);
        }
        let until = Instant::now() + time;
        match self.once(url, headers, body, time) {
            Err(FetchError::Transport(why)) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(FetchError::Transport(why));
                }
                self.once(url, headers, body, left)
            }
            other => other,
        }
    }

    fn once(
        &self,
        url: &str,
        headers: &[(&str, String)],
        body: &[u8],
        time: Duration,
    ) -> Result<Vec<u8>, FetchError> {
        let mut request = self
            .agent
            .post(url)
            .config()
            .timeout_global(Some(time))
            .build()
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value.as_str());
        }
        let explain = |error| explain(error, ANSWER_BYTES_MAX);
        let mut response = request.send(body).map_err(explain)?;
        let status: StatusCode = response.status();
        if !status.is_success() {
            return Err(FetchError::Status(status.as_u16()));
        }
        let body = response.body_mut().with_config();
        let body = body.limit(ANSWER_BYTES_MAX.saturating_add(1));
        body.read_to_vec().map_err(explain)
    }
}
