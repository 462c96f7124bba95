//! Arguments and start.

use std::{path::PathBuf, process::ExitCode};

use cardwright::{
    app::{self, SandboxOptions, ServeError},
    cli,
    config::{Config, listen_address},
    outbox::notices::sender::Token,
};
use clap::{Args, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A self-hosted virtual-card engine: issues cards and authorizes their payments.
#[derive(Parser)]
#[command(name = "cardwright", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve HTTP until SIGTERM or SIGINT.
    Serve(ServeArgs),
    /// Drive real HTTP against a server and measure.
    Bench(cli::bench::BenchArgs),
    /// Look into a data directory: snapshots, segments, records, a card's state at any position.
    Inspect(cli::inspect::InspectArgs),
    /// Prove a data directory, and a running server against it: exit 0 only if every check holds.
    Verify(cli::verify::VerifyArgs),
    /// Have a running server take a snapshot.
    Snapshot(cli::snapshot::SnapshotArgs),
    /// The vault's keys of a running server: list, rotate, retire.
    Keys(cli::keys::KeysArgs),
    /// Ledgers of a running server's ledger face: list, show.
    Ledgers(cli::ledger::LedgersArgs),
    /// Balances of a running server's ledger face: list, show.
    Balances(cli::ledger::BalancesArgs),
    /// Transactions of a running server's ledger face: list, show.
    Transactions(cli::ledger::TransactionsArgs),
    /// Make cards, money and a few purchases in a sandbox.
    Seed(cli::seed::SeedArgs),
    /// Show events as they come: receive webhooks, or follow a server's log.
    Listen(cli::listen::ListenArgs),
}

#[derive(Args)]
struct ServeArgs {
    /// The settings' file; the built-in defaults are the shipped config.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 picks a free one.
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address)]
    listen: Option<String>,
    /// Where everything durable is.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Make the origin `sandbox` with a key that has every scope; serve its conveniences.
    #[arg(long)]
    sandbox: bool,
    /// The sandbox's key.
    #[arg(
        long,
        env = "CARDWRIGHT_SANDBOX_KEY",
        hide_env_values = true,
        hide = true
    )]
    sandbox_key: Option<String>,
    /// The first key, which may open programmes (POST /v1/origins); at least 24 characters.
    #[arg(long, env = "CARDWRIGHT_ROOT_KEY", hide_env_values = true, hide = true)]
    root_key: Option<String>,
    /// The keys that card data is sealed under: one, or NUMBER:KEY,NUMBER:KEY, the last one active.
    #[arg(
        long,
        env = "CARDWRIGHT_VAULT_KEY",
        hide_env_values = true,
        hide = true
    )]
    vault_key: Option<String>,
    /// The bearer token of the WhatsApp Cloud API, for notices to cardholders.
    #[arg(
        long,
        env = "CARDWRIGHT_WHATSAPP_TOKEN",
        hide_env_values = true,
        hide = true
    )]
    whatsapp_token: Option<String>,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve(args),
        Command::Bench(args) => cli::bench::run(args),
        Command::Inspect(args) => cli::inspect::run(&args),
        Command::Verify(args) => cli::verify::run(&args),
        Command::Snapshot(args) => cli::snapshot::run(&args),
        Command::Keys(args) => cli::keys::run(&args),
        Command::Ledgers(args) => cli::ledger::ledgers(&args),
        Command::Balances(args) => cli::ledger::balances(&args),
        Command::Transactions(args) => cli::ledger::transactions(&args),
        Command::Seed(args) => cli::seed::run(&args),
        Command::Listen(args) => cli::listen::run(&args),
    }
}

/// The environment's variables. Those of others may be no text.
fn variables() -> Result<impl Iterator<Item = (String, String)>, Box<dyn std::error::Error>> {
    let mut known = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(value) => known.push((name, value)),
            Err(_) if name.starts_with("CARDWRIGHT_") => {
                return Err(format!("the variable {name} is not UTF-8").into());
            }
            Err(_) => {}
        }
    }
    Ok(known.into_iter())
}

fn serve(args: ServeArgs) -> ExitCode {
    let loaded =
        variables().and_then(|variables| Ok(Config::load(args.config.as_deref(), variables)?));
    let mut config = match loaded {
        Ok(config) => config,
        Err(error) => {
            eprintln!("cardwright: {error}");
            return ExitCode::from(2);
        }
    };
    config.server.listen = args.listen.unwrap_or(config.server.listen);
    config.data.dir = args.data_dir.unwrap_or(config.data.dir);
    if let Err(error) = cardwright::telemetry::start_logging(&config.log) {
        eprintln!("cardwright: setting log.level: {error}");
        return ExitCode::from(2);
    }
    let root_key = match args.root_key.map(app::RootKey::new).transpose() {
        Ok(root_key) => root_key,
        Err(what) => {
            eprintln!("cardwright: CARDWRIGHT_ROOT_KEY {what}");
            return ExitCode::from(2);
        }
    };
    let whatsapp = match args.whatsapp_token.map(Token::new).transpose() {
        Ok(token) => token,
        Err(what) => {
            eprintln!("cardwright: CARDWRIGHT_WHATSAPP_TOKEN {what}");
            return ExitCode::from(2);
        }
    };
    let given = app::Given {
        root_key,
        vault_keys: args.vault_key.map(app::VaultKeys::new),
        whatsapp,
    };
    let sandbox_key = args.sandbox_key.map(app::sandbox_key).transpose();
    let key = match sandbox_key {
        Ok(key) => key,
        Err(what) => {
            eprintln!("cardwright: CARDWRIGHT_SANDBOX_KEY {what}");
            return ExitCode::from(2);
        }
    };
    let sandbox = args.sandbox.then_some(SandboxOptions { key });
    let served = actix_rt::System::new().block_on(app::serve(config, sandbox, given));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot serve");
            eprintln!("cardwright: {error}");
            match error {
                ServeError::Config(_) | ServeError::Vault(_) => ExitCode::from(2),
                ServeError::Recovery(_)
                | ServeError::Journal(_)
                | ServeError::Outbox(_)
                | ServeError::Engine(_)
                | ServeError::Books(_)
                | ServeError::Search(_)
                | ServeError::Reconciliation(_)
                | ServeError::Listen { .. }
                | ServeError::Io { .. } => ExitCode::FAILURE,
            }
        }
    }
}
