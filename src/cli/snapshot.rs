//! `cardwright snapshot`: asks a running server for one and waits until it is there.

use std::{
    io::Write,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::Value;

use super::{
    live::{Answer, Server, ServerArgs},
    outcome::{CliError, conclude, json_line},
    progress,
};

/// Arguments of `cardwright snapshot`.
#[derive(Args)]
pub struct SnapshotArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// How long to wait for it, in seconds
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs the command.
#[must_use]
pub fn run(args: &SnapshotArgs) -> ExitCode {
    conclude("snapshot", |out| {
        let snapshot = take(&args.server.server()?, Duration::from_secs(args.wait))?;
        if args.json {
            json_line(out, &snapshot)?;
        } else {
            let text = |name: &str| match snapshot.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            writeln!(
                out,
                "{} at lsn {}: {} items, {} bytes, {}",
                text("name"),
                text("lsn"),
                text("items"),
                text("bytes"),
                text("created_at")
            )?;
        }
        Ok(true)
    })
}

/// A snapshot counts if it was not there before: its time or its position is another.
fn take(server: &Server, within: Duration) -> Result<Value, CliError> {
    let deadline = Instant::now() + within;
    let bar = progress::spinner("the server takes a snapshot");
    let before = listed(&server.get("/v1/snapshots")?.successful()?)?;
    // One that is being taken already may have begun too early: ours comes after it.
    let (mut is_asked, mut was_running) = (false, false);
    while Instant::now() < deadline {
        if !is_asked {
            let asked = server.post("/v1/snapshots", &Value::Null)?;
            is_asked = asked.status != 409;
            if is_asked {
                asked.successful()?;
            }
        }
        let answer = server.get("/v1/snapshots")?.successful()?;
        let is_running = answer.body.get("running") == Some(&Value::Bool(true));
        if is_asked && !is_running {
            let new = listed(&answer)?
                .into_iter()
                .find(|known| !before.contains(known));
            if let Some(new) = new {
                bar.finish_and_clear();
                return Ok(new);
            }
            if was_running {
                let what = "the snapshot failed; the server's log says why";
                return Err(CliError::Fault(what.to_owned()));
            }
        }
        was_running = is_asked && is_running;
        thread::sleep(LOOK_EVERY);
    }
    let what = "there is no new snapshot in time; the server's log may say why";
    Err(CliError::Fault(what.to_owned()))
}

fn listed(answer: &Answer) -> Result<Vec<Value>, CliError> {
    let data = answer.body.get("data").and_then(Value::as_array);
    data.cloned().ok_or_else(|| answer.lacks("/data"))
}
