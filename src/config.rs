//! The settings: defaults, then a file, then the environment, then flags; then validated, each
//! refused by name.

mod cards;
mod decisions;
mod events;
mod terms;
mod webhooks;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use toml::{Table, Value};

pub use events::no_whatsapp_token;
pub use terms::listen_address;

use crate::clock::Zone;
use crate::domain::{
    hold::{FeeBasis, FeeCategory},
    money::{Asset, Currency, Decimal},
    policy::{
        AssetTerm, Terms,
        fees::{FeeRule, FeeTerm},
    },
};
use crate::outside::client::{self, Limits};

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{path}: {what}")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A setting does not exist, or has the wrong type or value.
    #[error("setting {name}: {what}")]
    Setting {
        /// Its name with its section.
        name: String,
        /// What is wrong.
        what: String,
    },
}

fn wrong(name: &str, what: impl Into<String>) -> ConfigError {
    ConfigError::Setting {
        name: name.to_owned(),
        what: what.into(),
    }
}

/// Every setting. The shipped `config.toml` says what each is for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.toml documents every setting, once")]
pub struct Config {
    pub server: Server,
    pub data: Data,
    pub journal: JournalSettings,
    pub snapshots: SnapshotSettings,
    pub actors: Actors,
    pub keys: Keys,
    pub access: Access,
    pub vault: Vault,
    pub cards: Cards,
    pub holds: Holds,
    pub decisions: Decisions,
    pub money: Money,
    pub fees: Fees,
    pub rates: Rates,
    pub lists: Lists,
    pub sandbox: Sandbox,
    pub outgoing: Outgoing,
    pub events: Events,
    pub notices: Notices,
    pub webhooks: Webhooks,
    pub log: Log,
}

macro_rules! section {
    ($($name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        #[doc = concat!("Settings; see the section in config.toml.")]
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "config.toml documents every setting, once")]
        pub struct $name { $(pub $field: $type),* }
    )*};
}

section! {
    Server {
        listen: String,
        public_url: String,
        workers: usize,
        pin_workers: bool,
        body_kib_max: usize,
        body_s: u64,
        batch_items_max: usize,
        keep_alive_s: u64,
        connections_max: usize,
        stop_s: u64,
    }
    Data { dir: PathBuf }
    JournalSettings { segment_mib: u64, commit_pause_us: u64, queue_mib_max: usize, min_free_mib: u64 }
    SnapshotSettings { keep: usize, every_mib: u64, on_stop: bool }
    Actors { mailbox_max: u32, idle_s: u32, live_max: usize }
    Keys { retention_hours: i64 }
    Access {
        token_s: i64,
        code_s: i64,
        code_attempts_max: u32,
        codes_sent_max: usize,
        codes_per_address_max: u32,
        codes_per_origin_max: u32,
        codes_to: String,
        codes_file: String,
    }
    Vault { key_file: String }
    Cards { bin: String, details_link_s: i64 }
    Holds {
        default_s: i64,
        over_capture: String,
        expiry_every_ms: u64,
        by_mcc: Vec<MccLifetime>,
    }
    Decisions { own_share_ms: u64, in_flight_max: usize, abandoned_after_ms: u64 }
    MccLifetime { from: String, to: String, seconds: i64 }
    Money {
        default_asset: String,
        base_currency: String,
        time_zone: String,
        assets: Vec<AssetSetting>,
    }
    Fees {
        interchange: String,
        interchange_account_urn: String,
        fx: String,
        fx_account_urn: String,
    }
    Rates { age_max_s: i64, file: String, url: String, poll_s: u64 }
    Sandbox { rates: bool }
    Lists { refresh_s: u64 }
    Outgoing { allow_private: bool, connect_ms: u64, total_ms: u64, body_kib_max: u64 }
    Events { waiting_max: usize }
    Notices {
        to: String,
        base_url: String,
        api_version: String,
        phone_number_id: String,
        template: String,
        language: String,
        attempts_max: u32,
    }
    Webhooks {
        delays_s: Vec<u64>,
        give_up_s: u64,
        connect_ms: u64,
        timeout_ms: u64,
        senders: usize,
        per_endpoint: usize,
        probe_s_max: u64,
        secret_overlap_s: i64,
        lane_max: usize,
        waiting_max: usize,
        parked_max: usize,
        attempts_max: usize,
    }
    Log { level: String, format: String }
}

/// An asset and the currency it equals.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetSetting {
    /// `SYMBOL/DECIMALS`.
    pub asset: String,
    /// ISO 4217.
    #[serde(default)]
    pub currency: Option<String>,
}

/// The shipped file: it is the defaults.
const DEFAULTS: &str = include_str!("../config.toml");

impl Config {
    /// Reads the settings: `file` over the defaults, `environment` over both.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the name of the first setting that cannot be used.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = parse(Path::new("config.toml (built in)"), DEFAULTS)?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File {
                path: path.to_owned(),
                source,
            })?;
            overlay(&mut table, parse(path, &text)?);
        }
        for (name, value) in environment {
            set_from_environment(&mut table, &name, &value)?;
        }
        let config: Self =
            serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
                let name = error.path().to_string();
                let what = error.into_inner().to_string();
                wrong(&name, what.trim().replace('\n', " "))
            })?;
        config.terms()?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        range("server.workers", wide(self.server.workers), 0, 1_024)?;
        range(
            "server.body_kib_max",
            wide(self.server.body_kib_max),
            4,
            65_536,
        )?;
        range(
            "server.batch_items_max",
            wide(self.server.batch_items_max),
            1,
            10_000,
        )?;
        range(
            "server.connections_max",
            wide(self.server.connections_max),
            1,
            1_000_000,
        )?;
        range("server.keep_alive_s", self.server.keep_alive_s, 1, 86_400)?;
        range("server.body_s", self.server.body_s, 1, 3_600)?;
        range("server.stop_s", self.server.stop_s, 0, 3_600)?;
        range("journal.segment_mib", self.journal.segment_mib, 4, 2_048)?;
        range(
            "journal.queue_mib_max",
            wide(self.journal.queue_mib_max),
            1,
            4_096,
        )?;
        range(
            "journal.commit_pause_us",
            self.journal.commit_pause_us,
            0,
            100_000,
        )?;
        range("snapshots.every_mib", self.snapshots.every_mib, 0, 1 << 20)?;
        range("snapshots.keep", wide(self.snapshots.keep), 1, 1_000)?;
        range(
            "actors.mailbox_max",
            self.actors.mailbox_max.into(),
            1,
            1_000_000,
        )?;
        range(
            "actors.live_max",
            wide(self.actors.live_max),
            0,
            1_000_000_000,
        )?;
        range("actors.idle_s", self.actors.idle_s.into(), 1, 1_000_000)?;
        range(
            "holds.expiry_every_ms",
            self.holds.expiry_every_ms,
            10,
            60_000,
        )?;
        self.decisions.check()?;
        self.check_addresses()?;
        self.check_outside()?;
        self.check_access()?;
        self.check_cards()?;
        self.check_events()?;
        self.check_webhooks()?;
        let hours = u64::try_from(self.keys.retention_hours).unwrap_or(0);
        range("keys.retention_hours", hours, 24, 876_000)?;
        if !["text", "json"].contains(&self.log.format.as_str()) {
            return Err(wrong("log.format", "must be text or json"));
        }
        self.check_log_level()
    }

    /// A filter's reader takes a word that is no level for the name of a module, and then says nothing
    /// of all others, not even their errors.
    fn check_log_level(&self) -> Result<(), ConfigError> {
        const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
        let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        let mut words = self.log.level.split(',').map(str::trim);
        match words.find(|word| !is_level(word) && !word.contains(['=', '['])) {
            None => Ok(()),
            Some(word) => Err(wrong(
                "log.level",
                format!(
                    "must be error, warn, info, debug, trace, or a filter such as \
                     info,cardwright=debug; was {word:?}"
                ),
            )),
        }
    }

    fn check_access(&self) -> Result<(), ConfigError> {
        let access = &self.access;
        let seconds = |value: i64| u64::try_from(value).unwrap_or(0);
        range("access.token_s", seconds(access.token_s), 1, 86_400)?;
        range("access.code_s", seconds(access.code_s), 1, 86_400)?;
        let attempts = access.code_attempts_max.into();
        range("access.code_attempts_max", attempts, 1, 10)?;
        let sent = u64::try_from(access.codes_sent_max).unwrap_or(u64::MAX);
        range("access.codes_sent_max", sent, 1, 100)?;
        let (address, origin) = (access.codes_per_address_max, access.codes_per_origin_max);
        range("access.codes_per_address_max", address.into(), 1, 1_000_000)?;
        range("access.codes_per_origin_max", origin.into(), 1, 10_000_000)?;
        if !["file", "log"].contains(&access.codes_to.as_str()) {
            return Err(wrong("access.codes_to", "must be file or log"));
        }
        Ok(())
    }

    fn check_outside(&self) -> Result<(), ConfigError> {
        range("rates.poll_s", self.rates.poll_s, 1, 604_800)?;
        range("lists.refresh_s", self.lists.refresh_s, 1, 604_800)?;
        let outgoing = &self.outgoing;
        range("outgoing.connect_ms", outgoing.connect_ms, 1, 600_000)?;
        range("outgoing.total_ms", outgoing.total_ms, 1, 600_000)?;
        range("outgoing.body_kib_max", outgoing.body_kib_max, 1, 65_536)?;
        if !self.rates.url.is_empty() && !client::is_url(&self.rates.url) {
            let what = "must be a URL such as https://rates.example/latest.json, or empty";
            return Err(wrong("rates.url", what));
        }
        Ok(())
    }

    /// The house's terms that the settings say.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the name of the first setting that cannot be used.
    pub fn terms(&self) -> Result<Terms, ConfigError> {
        let mut assets = Vec::new();
        for (place, setting) in self.money.assets.iter().enumerate() {
            let name = format!("money.assets[{place}]");
            let asset: Asset = setting
                .asset
                .parse()
                .map_err(|error| wrong(&name, format!("{error}")))?;
            let currency = setting
                .currency
                .as_deref()
                .map(str::parse::<Currency>)
                .transpose();
            let pegged = currency.map_err(|error| wrong(&name, format!("{error}")))?;
            assets.push(AssetTerm { asset, pegged });
        }
        terms::check_assets(&assets)?;
        let default_asset: Asset = self
            .money
            .default_asset
            .parse()
            .map_err(|error| wrong("money.default_asset", format!("{error}")))?;
        if assets.iter().all(|term| term.asset != default_asset) {
            return Err(wrong("money.default_asset", "must be one of money.assets"));
        }
        let interchange = FeeTerm {
            name: "interchange".into(),
            treasury: self.fees.interchange_account_urn.as_str().into(),
            payee: None,
            basis: FeeBasis::Percentage,
            value: fraction("fees.interchange", &self.fees.interchange)?,
            category: FeeCategory::Interchange,
            rule: None,
        };
        let fx = FeeTerm {
            name: "fx".into(),
            treasury: self.fees.fx_account_urn.as_str().into(),
            payee: None,
            basis: FeeBasis::Percentage,
            value: fraction("fees.fx", &self.fees.fx)?,
            category: FeeCategory::Fx,
            rule: Some(FeeRule::FxConversion),
        };
        Ok(Terms {
            assets,
            default_asset,
            fees: vec![interchange, fx],
            hold_seconds: lifetime("holds.default_s", self.holds.default_s)?,
            hold_seconds_by_mcc: self.lifetimes()?,
            over_capture: fraction("holds.over_capture", &self.holds.over_capture)?,
            rate_age_seconds_max: lifetime("rates.age_max_s", self.rates.age_max_s)?,
            base_currency: self
                .money
                .base_currency
                .parse()
                .map_err(|error| wrong("money.base_currency", format!("{error}")))?,
        })
    }

    /// The house's time zone.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a name that is none.
    pub fn zone(&self) -> Result<Zone, ConfigError> {
        let name = &self.money.time_zone;
        Zone::named(name).ok_or_else(|| {
            let what = format!("must be an IANA time zone such as UTC, was {name:?}");
            wrong("money.time_zone", what)
        })
    }

    /// What the client for what is outside may do.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        let outgoing = &self.outgoing;
        Limits {
            connect: Duration::from_millis(outgoing.connect_ms),
            total: Duration::from_millis(outgoing.total_ms),
            body_bytes_max: outgoing.body_kib_max << 10,
            allow_private: outgoing.allow_private,
        }
    }

    fn lifetimes(
        &self,
    ) -> Result<
        Vec<(
            crate::domain::merchant::Mcc,
            crate::domain::merchant::Mcc,
            i64,
        )>,
        ConfigError,
    > {
        let mut lifetimes = Vec::new();
        for (place, range) in self.holds.by_mcc.iter().enumerate() {
            let name = format!("holds.by_mcc[{place}]");
            let code = |text: &str| {
                text.parse()
                    .map_err(|error| wrong(&name, format!("{error}")))
            };
            let seconds = lifetime(&name, range.seconds)?;
            lifetimes.push((code(&range.from)?, code(&range.to)?, seconds));
        }
        terms::check_ranges(&lifetimes)?;
        Ok(lifetimes)
    }
}

fn range(name: &str, value: u64, from: u64, to: u64) -> Result<(), ConfigError> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(wrong(
        name,
        format!("must be from {from} to {to}, was {value}"),
    ))
}

fn lifetime(name: &str, seconds: i64) -> Result<i64, ConfigError> {
    if (1..=31_536_000).contains(&seconds) {
        return Ok(seconds);
    }
    Err(wrong(
        name,
        format!("must be from 1 second to a year, was {seconds}"),
    ))
}

fn fraction(name: &str, text: &str) -> Result<Decimal, ConfigError> {
    let decimal: Decimal = text
        .parse()
        .map_err(|error| wrong(name, format!("{error}")))?;
    let one = 10_i128
        .checked_pow(decimal.scale.into())
        .unwrap_or(i128::MAX);
    if decimal.mantissa < 0 || decimal.mantissa > one {
        return Err(wrong(name, format!("must be from 0 to 1, was {text}")));
    }
    Ok(decimal.trimmed())
}

fn parse(path: &Path, text: &str) -> Result<Table, ConfigError> {
    text.parse()
        .map_err(|error: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            what: error.to_string().trim().to_owned(),
        })
}

fn overlay(under: &mut Table, over: Table) {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(Value::Table(under)), Value::Table(over)) => overlay(under, over),
            (_, value) => {
                under.insert(name, value);
            }
        }
    }
}

/// `CARDWRIGHT_SECTION__NAME=value`; the value is read as TOML where the default is no string.
fn set_from_environment(table: &mut Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some(path) = name.strip_prefix("CARDWRIGHT_") else {
        return Ok(());
    };
    let Some((section, setting)) = path.split_once("__") else {
        return terms::check_underscores(table, name, path);
    };
    let (section, setting) = (section.to_ascii_lowercase(), setting.to_ascii_lowercase());
    let known = table.get_mut(&section).and_then(Value::as_table_mut);
    let unknown = || {
        wrong(
            &format!("{section}.{setting} ({name})"),
            "there is no such setting",
        )
    };
    let known = known
        .and_then(|section| section.get_mut(&setting))
        .ok_or_else(unknown)?;
    if known.is_str() {
        *known = Value::String(value.to_owned());
        return Ok(());
    }
    let parsed: Result<Table, _> = format!("value = {value}").parse();
    let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
    *known = parsed.ok_or_else(|| {
        wrong(
            &format!("{section}.{setting} ({name})"),
            format!("cannot read {value:?}"),
        )
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(Some(&path), environment).map_err(|error| error.to_string())
    }

    #[test]
    fn environment_goes_before_the_file_and_the_file_before_the_defaults() {
        let config = load(
            "[journal]\nsegment_mib = 32\n[actors]\nidle_s = 7",
            &[
                ("CARDWRIGHT_JOURNAL__SEGMENT_MIB", "16"),
                ("CARDWRIGHT_LOG__LEVEL", "debug"),
            ],
        )
        .unwrap();
        assert_eq!(config.journal.segment_mib, 16);
        assert_eq!(config.actors.idle_s, 7);
        assert_eq!(config.log.level, "debug");
        assert_eq!(config.snapshots.keep, 3);
    }

    #[test]
    fn wrong_settings_are_refused_by_name() {
        for (file, variable, name) in [
            ("[journal]\nsegment_mb = 32", None, "journal"),
            ("[journal]\nsegment_mib = 1", None, "journal.segment_mib"),
            (
                "[journal]\nsegment_mib = \"x\"",
                None,
                "journal.segment_mib",
            ),
            (
                "[holds]\nover_capture = \"1.5\"",
                None,
                "holds.over_capture",
            ),
            (
                "[money]\ndefault_asset = \"X/2\"",
                None,
                "money.default_asset",
            ),
            ("[fees]\ninterchange = \"a\"", None, "fees.interchange"),
            ("[rates]\nage_max_s = 0", None, "rates.age_max_s"),
            ("[rates]\nurl = \"ftp://x.example\"", None, "rates.url"),
            ("[rates]\npoll_s = 0", None, "rates.poll_s"),
            ("[lists]\nrefresh_s = 0", None, "lists.refresh_s"),
            ("[cards]\nbin = \"4000\"", None, "cards.bin"),
            ("[cards]\nbin = \"510000\"", None, "cards.bin"),
            ("[cards]\ndetails_link_s = 0", None, "cards.details_link_s"),
            ("[server]\npublic_url = \"x\"", None, "server.public_url"),
            ("[outgoing]\ntotal_ms = 0", None, "outgoing.total_ms"),
            (
                "[outgoing]\nallow_private = 1",
                None,
                "outgoing.allow_private",
            ),
            (
                "",
                Some(("CARDWRIGHT_ACTORS__IDLE", "7")),
                "CARDWRIGHT_ACTORS__IDLE",
            ),
            (
                "",
                Some(("CARDWRIGHT_ACTORS__IDLE_S", "x y")),
                "actors.idle_s",
            ),
        ] {
            let variables: Vec<_> = variable.into_iter().collect();
            let error = load(file, &variables).unwrap_err();
            assert!(error.contains(name), "{error} should name {name}");
        }
    }
}
