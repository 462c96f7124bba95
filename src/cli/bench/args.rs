//! The arguments of `cardwright bench`.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use serde::Serialize;

/// Settings of one bench run.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// Server to drive, such as http://127.0.0.1:8080; without it the bench starts its own
    #[arg(long, value_name = "URL", requires = "key")]
    pub url: Option<String>,

    /// API key for --url
    #[arg(
        long,
        value_name = "KEY",
        env = "CARDWRIGHT_BENCH_KEY",
        hide_env_values = true
    )]
    pub key: Option<String>,

    /// Keep-alive connections, each with one request outstanding
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one(16_384))]
    pub connections: usize,

    /// Cards created and funded before the load
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_one(10_000_000))]
    pub cards: usize,

    /// Seconds measured in each phase
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub duration: u64,

    /// Seconds driven before each measured phase
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub warmup: u64,

    /// Share of the traffic, in percent, that goes to one single card, or through the ledger face to
    /// one single merchant's balance
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub hot: u8,

    /// What the traffic consists of
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Mix::Authorize)]
    pub mix: Mix,

    /// Measure the ledger face beside the network face: the same as --mix ledger
    #[arg(long, conflicts_with_all = ["mix", "batch"])]
    pub compare_faces: bool,

    /// Measure in the same run an echo route of the same sizes that does nothing, and the ratio
    #[arg(long)]
    pub baseline: bool,

    /// Use the batch form of authorization, with N items in each request
    #[arg(long, value_name = "N", conflicts_with = "mix", value_parser = at_least_one(10_000))]
    pub batch: Option<usize>,

    /// Measure in the same run the same load while the cards' webhooks go to N dead addresses, half of
    /// which refuse connections and half of which never answer, and the ratio; only with the own server
    #[arg(long, value_name = "N", conflicts_with = "url", value_parser = at_least_one(250))]
    pub dead_endpoints: Option<usize>,

    /// Rounds of baseline and load in turn; the median ratio is reported
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one(100))]
    pub repeat: usize,

    /// Write everything measured, with a series by the second, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Draw throughput and latency over time
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// Client threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one(256))]
    pub threads: usize,

    /// Directory under which the own server's temporary data directory is made
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub data_dir: Option<PathBuf>,

    /// Report the own server's resident memory and processor time too
    #[arg(long, conflicts_with = "url")]
    pub memory: bool,

    /// Holder of the cards when --url is given
    #[arg(long, hide = true, default_value = "did:bloque:sandbox:demo")]
    pub holder: String,

    /// Program started as the server instead of this executable
    #[arg(long, hide = true, value_name = "FILE")]
    pub server_exe: Option<PathBuf>,
}

/// Which operations the load consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mix {
    /// Authorizations only
    Authorize,
    /// Authorize 40 %, capture 30 %, reverse 10 %, refund 10 %, decline 10 %
    Lifecycle,
    /// Authorizations on smart cards with 5 pockets, 6 fees, 10 limits and a conversion, and the
    /// plain ones beside them
    Rules,
    /// Inflight transactions and their commits through the ledger face, and authorizations and their
    /// captures through the network face beside them
    Ledger,
}

impl BenchArgs {
    /// What the traffic consists of.
    pub(super) fn mix(&self) -> Mix {
        if self.compare_faces {
            Mix::Ledger
        } else {
            self.mix
        }
    }
}

fn at_least_one(max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::<usize>::new().range(1..=max)
}
