//! `cardwright listen`: shows events while somebody builds on them, received as webhooks or read from
//! the log.

mod receive;
mod show;
mod signature;

use std::{process::ExitCode, time::Duration};

use clap::Args;
use serde_json::Value;

use super::{
    live::Server,
    outcome::{CliError, Out, conclude},
};
use receive::Receiver;
use show::Show;
use signature::Secret;

/// Arguments of `cardwright listen`.
#[derive(Args)]
pub struct ListenArgs {
    /// Receive webhooks here; port 0 picks a free one
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:4242",
        conflicts_with = "api"
    )]
    listen: String,
    /// Refuse webhooks that are not signed with this secret (whsec_…); may be given twice
    #[arg(
        long,
        value_name = "SECRET",
        env = "CARDWRIGHT_WEBHOOK_SECRET",
        hide_env_values = true
    )]
    secret: Vec<String>,
    /// Answer good webhooks with this status, to see what retries do
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    status: u16,
    /// Send each good webhook on, with its headers, and give the answer's status
    #[arg(long, value_name = "URL")]
    forward: Option<String>,
    /// Follow GET /v1/events of this server instead: no URL that others reach is needed
    #[arg(long, value_name = "URL", requires = "key")]
    api: Option<String>,
    /// An API key of it
    #[arg(
        long,
        value_name = "KEY",
        env = "CARDWRIGHT_KEY",
        hide_env_values = true
    )]
    key: Option<String>,
    /// Only these events, such as purchase or card.*; may repeat
    #[arg(long, value_name = "NAME", requires = "api")]
    event: Vec<String>,
    /// Begin with the oldest event kept, not with the next
    #[arg(long, requires = "api")]
    from_start: bool,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print JSON, one event a line
    #[arg(long)]
    json: bool,
}

/// How long one request waits for an event, in seconds.
const WAIT_S: u64 = 25;
/// How long to stay away after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs the command.
#[must_use]
pub fn run(args: &ListenArgs) -> ExitCode {
    conclude("listen", |out| {
        let mut show = Show::new(args.json, args.count);
        match (&args.api, &args.key) {
            (Some(url), Some(key)) => follow(&Server::new(url, key)?, args, &mut show, out)?,
            (Some(_), None) | (None, _) => receive(args, &mut show, out)?,
        }
        Ok(true)
    })
}

fn receive(args: &ListenArgs, show: &mut Show, out: &mut Out) -> Result<(), CliError> {
    let secrets: Result<Vec<_>, _> = args.secret.iter().map(|text| Secret::read(text)).collect();
    let secrets = secrets.map_err(|what| CliError::Usage(format!("--secret {what}")))?;
    let receiver = Receiver::bind(&args.listen, secrets, args.status, args.forward.clone())?;
    receiver.run(show, out)
}

/// Reads page after page, waiting for each.
fn follow(
    server: &Server,
    args: &ListenArgs,
    show: &mut Show,
    out: &mut Out,
) -> Result<(), CliError> {
    let mut filter = String::new();
    for event in &args.event {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._*".contains(&byte);
        if event.is_empty() || !event.bytes().all(plain) {
            let what = format!("--event must be a name such as purchase or card.*, was {event:?}");
            return Err(CliError::Usage(what));
        }
        filter.push_str("&event=");
        filter.push_str(event);
    }
    let mut at = if args.from_start { "" } else { "&cursor=now" }.to_owned();
    show.note("following GET /v1/events; Ctrl-C ends it");
    let mut has_come = false;
    loop {
        let asked = server.get(&format!("/v1/events?wait={WAIT_S}{filter}{at}"));
        let page = match asked.and_then(super::live::Answer::successful_or_busy) {
            Ok(Some(page)) => page,
            // A server that restarts or is busy comes back; a first call that fails is a mistake.
            Ok(None) => {
                std::thread::sleep(PAUSE);
                continue;
            }
            Err(error) if has_come => {
                show.note(&format!("{error}; trying again"));
                std::thread::sleep(PAUSE);
                continue;
            }
            Err(error) => return Err(error),
        };
        has_come = true;
        for event in page
            .get("data")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if show.event(event.get("data").unwrap_or(&Value::Null), out)? {
                return Ok(());
            }
        }
        if let Some(next) = page.get("next_cursor").and_then(Value::as_str) {
            at = format!("&cursor={next}");
        }
    }
}
