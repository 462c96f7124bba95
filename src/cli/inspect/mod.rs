//! `cardwright inspect`: looks into a data directory and changes nothing, also beside a running
//! server. Secrets and what protects requests are never shown.

mod card;
mod describe;
mod find;
mod log;
mod segments;
mod snapshots;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use super::outcome::conclude;

/// Arguments of `cardwright inspect`.
#[derive(Args)]
pub struct InspectArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The snapshots, and whether each reads back whole; or what is in one
    Snapshots(snapshots::SnapshotsArgs),
    /// The segments of the log, the archived ones too
    Segments(CommonArgs),
    /// The records of the log
    Log(log::LogArgs),
    /// The state of a card, pocket, ledger account or authorization, at any position of the log
    Card(card::CardArgs),
}

#[derive(Args, Clone)]
struct CommonArgs {
    /// Where everything durable is
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: &InspectArgs) -> ExitCode {
    conclude("inspect", |out| match &args.what {
        What::Snapshots(args) => snapshots::run(args, out),
        What::Segments(args) => segments::run(args, out),
        What::Log(args) => log::run(args, out),
        What::Card(args) => card::run(args, out),
    })
}
