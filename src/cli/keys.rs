//! `cardwright keys`: the vault's keys of a running server, and their rotation.

use std::{
    io::Write,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    live::{Answer, Server, ServerArgs},
    outcome::{CliError, conclude, json_line},
    progress,
};

/// Arguments of `cardwright keys`.
#[derive(Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// What each key still seals
    List(Asked),
    /// Make a new key and seal everything under it; go on with a rotation that was not finished
    Rotate(RotateArgs),
    /// Forget a key that seals nothing any more
    Retire(RetireArgs),
}

#[derive(Args)]
struct Asked {
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct RotateArgs {
    #[command(flatten)]
    asked: Asked,
    /// How long to wait for the end, in seconds
    #[arg(long, value_name = "S", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    wait: u64,
}

#[derive(Args)]
struct RetireArgs {
    /// The key's number
    id: u32,
    #[command(flatten)]
    asked: Asked,
}

const PATH: &str = "/v1/vault/keys";
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs the command.
#[must_use]
pub fn run(args: &KeysArgs) -> ExitCode {
    conclude("keys", |out| {
        let (asked, told) = match &args.what {
            What::List(asked) => {
                let server = asked.server.server()?;
                (asked, server.get(PATH)?.successful()?)
            }
            What::Rotate(rotate) => {
                let within = Duration::from_secs(rotate.wait);
                let server = rotate.asked.server.server()?;
                (&rotate.asked, rotated(&server, within)?)
            }
            What::Retire(retire) => {
                let server = retire.asked.server.server()?;
                let path = format!("{PATH}/{}", retire.id);
                (&retire.asked, server.delete(&path)?.successful()?)
            }
        };
        if asked.json {
            json_line(out, &told.body)?;
        } else {
            show(out, &told)?;
        }
        Ok(true)
    })
}

/// Waits for the end of a rotation.
fn rotated(server: &Server, within: Duration) -> Result<Answer, CliError> {
    let deadline = Instant::now() + within;
    let bar = progress::spinner("the server seals everything under its new key");
    server.post(PATH, &Value::Null)?.successful()?;
    while Instant::now() < deadline {
        let told = server.get(PATH)?.successful()?;
        if told.body.get("running") == Some(&Value::Bool(false)) {
            bar.finish_and_clear();
            if told.body.get("finished") == Some(&Value::Bool(true)) {
                return Ok(told);
            }
            let what = "the rotation is not finished; the server's log says why";
            return Err(CliError::Fault(what.to_owned()));
        }
        thread::sleep(LOOK_EVERY);
    }
    let what = "the rotation goes on, longer than was to be waited; `keys list` tells";
    Err(CliError::Fault(what.to_owned()))
}

fn show(out: &mut dyn Write, told: &Answer) -> Result<(), CliError> {
    let keys = told.body.get("data").and_then(Value::as_array);
    let keys = keys.ok_or_else(|| told.lacks("/data"))?;
    for key in keys {
        let number = |pointer: &str| key.pointer(pointer).map_or(Value::Null, Clone::clone);
        let is_active = key.get("is_active") == Some(&Value::Bool(true));
        let mark = if is_active { " (active)" } else { "" };
        write!(out, "key {}{mark}", number("/id"))?;
        if key.get("sealed").is_some_and(Value::is_object) {
            write!(
                out,
                ": {} cards, {} tokens, {} secrets",
                number("/sealed/cards"),
                number("/sealed/tokens"),
                number("/sealed/secrets")
            )?;
            if !is_active && number("/sealed/total") == 0 {
                write!(
                    out,
                    "; `cardwright keys retire {}` forgets it",
                    number("/id")
                )?;
            }
        }
        writeln!(out)?;
    }
    if told.body.get("running") == Some(&Value::Bool(true)) {
        let done = told.body.get("resealed").cloned().unwrap_or_default();
        writeln!(out, "a rotation is under way: {done} sealed anew so far")?;
    }
    Ok(())
}
