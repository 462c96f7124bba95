//! `cardwright verify`: proves a data directory, and a running server against it. Exit 0 only if
//! every check holds.

mod server;
mod vault;

use std::{io::Write, panic, path::PathBuf, process::ExitCode, thread};

use clap::Args;
use serde_json::{Value, json};

use super::{
    data_dir,
    live::Server,
    outcome::{CliError, Out, conclude, json_line, unless_closed},
    progress,
};
use crate::{
    domain::ids::ActorId,
    journal::Lsn,
    replay::verify::{
        self, Options, Verdict,
        files::Files,
        finding::{Check, Finding, Severity, Spot},
        outcome::Checked,
    },
};

/// Arguments of `cardwright verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// Where everything durable is
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Compare with the server that runs on this directory, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// An API key of the server, with the scopes operator and programme
    #[arg(
        long,
        value_name = "KEY",
        env = "CARDWRIGHT_KEY",
        hide_env_values = true
    )]
    key: Option<String>,
    /// The file with the vault's keys, as the server's vault.key_file; otherwise vault.keys in the data
    /// directory, or CARDWRIGHT_VAULT_KEY
    #[arg(long, value_name = "FILE", env = "CARDWRIGHT_VAULT__KEY_FILE")]
    vault_key_file: Option<PathBuf>,
    /// How many accounts to compare with the server; 0: all
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    sample: usize,
    /// Threads that add up; 0: one for each core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    threads: u16,
}

/// Runs the command.
#[must_use]
pub fn run(args: &VerifyArgs) -> ExitCode {
    conclude("verify", |out| {
        let verdict = examine(args)?;
        unless_closed(if args.json {
            json_line(out, &view(&verdict))
        } else {
            print(&verdict, out)
        })?;
        Ok(verdict.findings.is_ok())
    })
}

fn examine(args: &VerifyArgs) -> Result<Verdict, CliError> {
    let server = match &args.url {
        None => None,
        Some(url) => {
            let key = args.key.as_deref().unwrap_or_default();
            let server = Server::new(url, key)?;
            server::ask_first(&server)?;
            Some(server)
        }
    };
    quiet_replay();
    let reader = match data_dir::open(&args.data_dir) {
        Ok(reader) => reader,
        Err(CliError::Journal(error)) => {
            let mut verdict = Verdict::default();
            verdict.findings.refused(Check::Log, error);
            return Ok(verdict);
        }
        Err(error) => return Err(error),
    };
    let threads = match usize::from(args.threads) {
        0 => thread::available_parallelism().map_or(1, usize::from),
        some => some,
    };
    let bar = progress::over_log(&reader, "verifying the log");
    let options = Options {
        threads,
        with_accounts: server.is_some(),
    };
    // Before the log: beside a running server the outbox never knows more than the log that is read after it.
    let files = Files::look(&args.data_dir, &reader);
    // Segments that came meanwhile belong to it.
    let reader = data_dir::open(&args.data_dir)?;
    let mut verdict = verify::verify(&reader, options, &mut |lsn| bar.at(lsn))?;
    drop(bar);
    verdict.add_files(files);
    vault::check(&args.data_dir, args.vault_key_file.as_deref(), &mut verdict);
    if let Some(server) = server {
        let compared = server::compare(&server, &args.data_dir, &mut verdict, args.sample);
        if let Err(error) = compared {
            let findings = &mut verdict.findings;
            let what = error.to_string();
            findings.push(Severity::Fault, Check::Server, Spot::default(), what);
        }
    }
    Ok(verdict)
}

/// What panics in a verifying thread becomes a finding; it need not be said twice.
fn quiet_replay() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().name() != Some(verify::THREAD_NAME) {
            usual(info);
        }
    }));
}

fn counts(checked: &Checked) -> [(&'static str, u64); 15] {
    [
        ("records", checked.records),
        ("bytes", checked.bytes),
        ("events", checked.events),
        ("postings", checked.postings),
        ("actors", checked.actors),
        ("accounts", checked.accounts),
        ("balances", checked.balances),
        ("open_holds", checked.open_holds),
        ("transfers", checked.transfers),
        ("in_transit", checked.in_transit),
        ("keys", checked.keys),
        ("snapshots", checked.snapshots),
        ("snapshot_groups", checked.snapshot_groups),
        ("snapshot_keys", checked.snapshot_keys),
        ("outbox_records", checked.outbox_records),
    ]
}

fn view(verdict: &Verdict) -> Value {
    let findings: Vec<Value> = verdict.findings.kept.iter().map(finding_view).collect();
    let mut checked: serde_json::Map<String, Value> = counts(&verdict.checked)
        .into_iter()
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect();
    checked.insert("server_accounts".to_owned(), json!(verdict.server_accounts));
    json!({
        "ok": verdict.findings.is_ok(),
        "last_lsn": verdict.last.get(),
        "findings": findings,
        "more_findings": verdict.findings.more,
        "checked": checked,
    })
}

fn finding_view(finding: &Finding) -> Value {
    let spot = &finding.spot;
    json!({
        "severity": finding.severity.word(),
        "check": finding.check.word(),
        "file": spot.file,
        "offset": spot.offset,
        "lsn": spot.lsn.map(Lsn::get),
        "actor": spot.actor.map(|ActorId(actor)| actor),
        "what": finding.what,
        "do": finding.check.advice(),
    })
}

fn print(verdict: &Verdict, out: &mut Out) -> Result<(), CliError> {
    let findings = &verdict.findings;
    let mut advised = None;
    for finding in &findings.kept {
        let spot = &finding.spot;
        write!(out, "{} {}", finding.severity.word(), finding.check.word())?;
        if let Some(file) = &spot.file {
            write!(out, " {file}")?;
        }
        if let Some(offset) = spot.offset {
            write!(out, " offset {offset}")?;
        }
        if let Some(lsn) = spot.lsn {
            write!(out, " lsn {lsn}")?;
        }
        if let Some(ActorId(actor)) = spot.actor {
            write!(out, " actor {actor}")?;
        }
        writeln!(out, ": {}", finding.what)?;
        if advised != Some(finding.check) {
            advised = Some(finding.check);
            writeln!(out, "    what to do: {}", finding.check.advice())?;
        }
    }
    if findings.more > 0 {
        writeln!(out, "and {} more findings", findings.more)?;
    }
    let shown = |(name, count): (&str, u64)| format!("{count} {}", name.replace('_', " "));
    let counts: Vec<String> = counts(&verdict.checked).into_iter().map(shown).collect();
    writeln!(out, "checked {}", counts.join(", "))?;
    if verdict.server_accounts > 0 {
        writeln!(
            out,
            "compared {} accounts with the server",
            verdict.server_accounts
        )?;
    }
    if findings.is_ok() {
        writeln!(out, "ok: every check holds, up to lsn {}", verdict.last)?;
    } else {
        writeln!(out, "NOT OK: see above")?;
    }
    Ok(())
}
