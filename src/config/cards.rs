//! The settings of cards and of where their pages are.

use super::{Config, ConfigError, range, wrong};
use crate::{outside::client, vault::issue::Bin};

impl Config {
    /// The first digits of new cards' numbers.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if they are none.
    pub fn bin(&self) -> Result<Bin, ConfigError> {
        let bin = self.cards.bin.parse();
        bin.map_err(|what: &str| wrong("cards.bin", format!("{what}, was {:?}", self.cards.bin)))
    }

    pub(super) fn check_cards(&self) -> Result<(), ConfigError> {
        self.bin()?;
        let seconds = u64::try_from(self.cards.details_link_s).unwrap_or(0);
        range("cards.details_link_s", seconds, 1, 86_400)?;
        let url = &self.server.public_url;
        if !url.is_empty() && (!client::is_url(url) || url.contains(['?', '#'])) {
            let what = "must be a URL such as https://cards.example, or empty";
            return Err(wrong("server.public_url", what));
        }
        Ok(())
    }
}
