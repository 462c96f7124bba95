//! Checks the settings of events and notices.

use super::{Config, ConfigError, client, range, wrong};

/// The longest name of anything of the provider's.
const NAME_BYTES_MAX: usize = 512;

impl Config {
    pub(super) fn check_events(&self) -> Result<(), ConfigError> {
        let waiting = u64::try_from(self.events.waiting_max).unwrap_or(u64::MAX);
        range("events.waiting_max", waiting, 1, 10_000)?;
        let notices = &self.notices;
        let attempts = notices.attempts_max.into();
        range("notices.attempts_max", attempts, 1, 20)?;
        match notices.to.as_str() {
            "file" | "log" | "off" => Ok(()),
            "whatsapp" => self.check_whatsapp(),
            _ => Err(wrong("notices.to", "must be file, log, whatsapp or off")),
        }
    }

    fn check_whatsapp(&self) -> Result<(), ConfigError> {
        let notices = &self.notices;
        if !client::is_url(&notices.base_url) {
            let what = "must be a URL such as https://graph.facebook.com";
            return Err(wrong("notices.base_url", what));
        }
        for (name, text) in [
            ("notices.api_version", &notices.api_version),
            ("notices.phone_number_id", &notices.phone_number_id),
            ("notices.template", &notices.template),
            ("notices.language", &notices.language),
        ] {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.bytes().all(plain) {
                return Err(wrong(
                    name,
                    "must be letters, digits, dots and dashes for whatsapp",
                ));
            }
        }
        Ok(())
    }
}

/// The provider is named, and there is nothing to call it with.
#[must_use]
pub fn no_whatsapp_token() -> ConfigError {
    let what = "whatsapp needs the provider's token in CARDWRIGHT_WHATSAPP_TOKEN";
    wrong("notices.to", what)
}
