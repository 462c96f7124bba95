//! Checks the settings that name an address, an asset or a range, and variables that were meant as settings.

use toml::{Table, Value};

use super::{Config, ConfigError, wrong};
use crate::domain::{merchant::Mcc, policy::AssetTerm};

/// The longest URN of an account of the house's.
const URN_BYTES_MAX: usize = 256;

/// Reads where to listen: a host and a port.
///
/// # Errors
///
/// What it must be.
pub fn listen_address(text: &str) -> Result<String, String> {
    let known = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace());
        is_host && (is_bracketed || !host.contains(':')) && port.parse::<u16>().is_ok()
    });
    if known {
        return Ok(text.to_owned());
    }
    Err(format!(
        "must be HOST:PORT such as 127.0.0.1:8080 or [::1]:8080, was {text:?}"
    ))
}

impl Config {
    pub(super) fn check_addresses(&self) -> Result<(), ConfigError> {
        listen_address(&self.server.listen).map_err(|what| wrong("server.listen", what))?;
        for (name, urn) in [
            (
                "fees.interchange_account_urn",
                &self.fees.interchange_account_urn,
            ),
            ("fees.fx_account_urn", &self.fees.fx_account_urn),
        ] {
            let is_plain = urn.bytes().all(|byte| byte.is_ascii_graphic());
            if urn.is_empty() || urn.len() > URN_BYTES_MAX || !is_plain {
                let what = "must be a URN such as urn:cardwright:treasury:interchange";
                return Err(wrong(name, what));
            }
        }
        Ok(())
    }
}

/// Refuses an asset that stands twice: which currency it is pegged to would be a matter of order.
pub(super) fn check_assets(assets: &[AssetTerm]) -> Result<(), ConfigError> {
    for (place, term) in assets.iter().enumerate() {
        let before = assets.iter().take(place);
        if let Some(first) = before.clone().position(|known| known.asset == term.asset) {
            let what = format!("{} is money.assets[{first}] already", term.asset);
            return Err(wrong(&format!("money.assets[{place}]"), what));
        }
    }
    Ok(())
}

/// Refuses a range of merchant categories that ends before it begins, or that has codes of another.
pub(super) fn check_ranges(ranges: &[(Mcc, Mcc, i64)]) -> Result<(), ConfigError> {
    for (place, (from, to, _)) in ranges.iter().enumerate() {
        let name = format!("holds.by_mcc[{place}]");
        if from > to {
            let what = format!("must not end before it begins, was {from} to {to}");
            return Err(wrong(&name, what));
        }
        let mut before = ranges.iter().take(place);
        if let Some(first) = before.position(|(other, end, _)| from <= end && other <= to) {
            let what = format!("{from} to {to} has codes of holds.by_mcc[{first}]");
            return Err(wrong(&name, what));
        }
    }
    Ok(())
}

/// Refuses a variable that is a setting's name but for the second underscore: it would say nothing.
pub(super) fn check_underscores(table: &Table, name: &str, path: &str) -> Result<(), ConfigError> {
    let path = path.to_ascii_lowercase();
    for (section, settings) in table {
        let setting = path
            .strip_prefix(section.as_str())
            .and_then(|rest| rest.strip_prefix('_'));
        let known = settings.as_table().zip(setting);
        if known.is_some_and(|(settings, setting)| settings.get(setting).is_some_and(is_setting)) {
            let setting = setting.unwrap_or_default();
            let meant = format!("CARDWRIGHT_{section}__{setting}").to_ascii_uppercase();
            let what = format!("write {meant}: two underscores behind the section");
            return Err(wrong(name, what));
        }
    }
    Ok(())
}

fn is_setting(value: &Value) -> bool {
    !value.is_table()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(over: &[(&str, &str)]) -> Result<Config, String> {
        let variables = over
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(None, variables).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_and_others_variables_are_taken() {
        for listen in [
            "127.0.0.1:0",
            "localhost:8080",
            "[::1]:65535",
            "a.example:1",
        ] {
            let config = load(&[("CARDWRIGHT_SERVER__LISTEN", listen)]).unwrap();
            assert_eq!(config.server.listen, listen);
        }
        let others = ["CARDWRIGHT_SANDBOX_KEY", "CARDWRIGHT_HOME", "DATA_DIR"];
        load(&others.map(|name| (name, "x"))).unwrap();
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let ranges = |second: &str| format!("[{{from=\"3000\",to=\"4000\",seconds=9}},{second}]");
        let inside = ranges("{from=\"4000\",to=\"4001\",seconds=8}");
        let around = ranges("{from=\"2000\",to=\"5000\",seconds=8}");
        let backwards = "[{from=\"7011\",to=\"3000\",seconds=9}]";
        let twice = "[{asset=\"DUSD/6\"},{asset=\"DUSD/2\"},{asset=\"DUSD/6\"}]";
        for (variable, value, name) in [
            ("SERVER__LISTEN", "8080", "server.listen"),
            ("SERVER__LISTEN", ":8080", "server.listen"),
            ("SERVER__LISTEN", "::1:8080", "server.listen"),
            ("SERVER__LISTEN", "h:80800", "server.listen"),
            ("FEES__FX_ACCOUNT_URN", "", "fees.fx_account_urn"),
            ("MONEY__ASSETS", twice, "money.assets[2]"),
            ("HOLDS__BY_MCC", backwards, "holds.by_mcc[0]"),
            ("HOLDS__BY_MCC", &inside, "holds.by_mcc[1]"),
            ("HOLDS__BY_MCC", &around, "holds.by_mcc[1]"),
            ("DATA_DIR", "/x", "CARDWRIGHT_DATA__DIR"),
            ("LOG_LEVEL", "debug", "CARDWRIGHT_LOG__LEVEL"),
            (
                "JOURNAL_SEGMENT_MIB",
                "8",
                "CARDWRIGHT_JOURNAL__SEGMENT_MIB",
            ),
        ] {
            let refused = load(&[(&format!("CARDWRIGHT_{variable}"), value)]).unwrap_err();
            assert!(refused.contains(name), "{refused} should name {name}");
        }
    }
}
