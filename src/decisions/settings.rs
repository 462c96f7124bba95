//! An origin's decision endpoint: where it is, how long it may take, what is said without it. Kept as a
//! document; the secret that its questions are signed with is made of the house's key and a salt, so that
//! no document holds it.

use std::{net::IpAddr, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    domain::{decision::Ruling, time::Timestamp},
    outside::{address, client},
    vault::Vault,
};

/// The shortest and the longest budget, in milliseconds.
pub const BUDGET_MS: std::ops::RangeInclusive<u64> = 100..=2_000;
/// How long the secret before the last still signs, in seconds.
pub const OVERLAP_S: i64 = 86_400;
/// The longest URL.
const URL_BYTES_MAX: usize = 2 << 10;
/// The purpose under which the vault gives the key that secrets are made with.
const PURPOSE: &str = "decision-endpoint";

/// What is said when the programme says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// What the rules said.
    Approve,
    /// No.
    Decline,
}

impl Fallback {
    /// As a verdict.
    #[must_use]
    pub const fn ruling(self) -> Ruling {
        match self {
            Self::Approve => Ruling::Approved,
            Self::Decline => Ruling::Declined,
        }
    }
}

/// The settings, as the document has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where questions go.
    pub url: String,
    /// Whether any go there. [`crate::domain::decision::asks`] reads this and the fallback.
    pub enabled: bool,
    /// The whole budget, our share of it included, in milliseconds.
    pub budget_ms: u64,
    /// What is said when nothing usable comes in time.
    pub fallback: Fallback,
    /// What the secret is made of.
    pub salt: String,
    /// The salt before, and until when it signs too, in microseconds.
    #[serde(default)]
    pub previous: Option<(String, i64)>,
    /// When it was set first.
    pub created_at: String,
    /// When it was set last.
    pub updated_at: String,
}

impl Settings {
    /// Reads a document.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// What of the budget is the endpoint's, if `own_share` is ours; at least half of it.
    #[must_use]
    pub fn endpoint_time(&self, own_share: Duration) -> Duration {
        let whole = Duration::from_millis(self.budget_ms);
        whole.saturating_sub(own_share.min(whole / 2))
    }

    /// The secrets that sign at `now`, the newest first.
    #[must_use]
    pub fn secrets(&self, origin: &str, vault: &Vault, now: Timestamp) -> Vec<Secret> {
        let previous = self.previous.as_ref();
        let previous = previous.filter(|(_, until)| *until > now.micros());
        let salts = std::iter::once(&self.salt).chain(previous.map(|(salt, _)| salt));
        salts.map(|salt| Secret::of(origin, salt, vault)).collect()
    }
}

/// What questions are signed with. Its Debug form does not show it.
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// The secret of an origin's salt.
    #[must_use]
    pub fn of(origin: &str, salt: &str, vault: &Vault) -> Self {
        Self(mac(&vault.key_for(PURPOSE), &[origin, "\n", salt]))
    }

    /// As the programme keeps it. Source: Standard Webhooks, `whsec_` and base64.
    #[must_use]
    pub fn text(&self) -> String {
        format!("whsec_{}", base64_of(&self.0))
    }

    /// The signature of a message. Source: Standard Webhooks, symmetric signatures.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: &str, body: &str) -> String {
        let signed = mac(&self.0, &[id, ".", seconds, ".", body]);
        format!("v1,{}", base64_of(&signed))
    }
}

fn mac(key: &[u8], parts: &[&str]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.expect("Invariant: HMAC takes keys of every length");
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

/// What is wrong with an endpoint's URL, if anything is. A name is looked up only when it is asked.
#[must_use]
pub fn url_fault(url: &str, allow_private: bool) -> Option<&'static str> {
    if url.len() > URL_BYTES_MAX {
        return Some("url must be at most 2048 bytes long");
    }
    if !client::is_url(url) {
        return Some("url must be an http or https URL with a host");
    }
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("url must hold no user or password: questions are signed instead");
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let address: Option<IpAddr> = host.and_then(|host| host.parse().ok());
    let is_hidden = address.is_some_and(|address| !address::is_public(address));
    if is_hidden && !allow_private {
        return Some(
            "url leads to an address that is not public, which outgoing.allow_private does not allow",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_standard_webhooks_says() {
        // The key and the signature were computed apart from this code, with openssl dgst -hmac.
        let secret = Secret(*b"0123456789abcdef0123456789abcdef");
        assert_eq!(
            secret.text(),
            "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
        );
        let signed = secret.sign("dec_1", "1700000000", "{\"a\":1}");
        assert_eq!(signed, "v1,5rn8aYeM7q0GAtJrrWYCln5Ewah70p9fBllAtKx2uxA=");
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn urls_that_are_refused() {
        for (url, is_fine) in [
            ("https://programme.example/decide?x=1", true),
            ("https://203.1.2.3:8443/x", true),
            ("ftp://programme.example", false),
            ("programme.example/x", false),
            ("https://user:secret@programme.example/", false),
            ("http://127.0.0.1:9/", false),
            ("http://[::1]:9/", false),
            ("http://169.254.169.254/latest", false),
        ] {
            assert_eq!(url_fault(url, false).is_none(), is_fine, "{url}");
        }
        assert_eq!(url_fault("http://127.0.0.1:9/", true), None);
    }

    #[test]
    fn the_share_that_is_ours_never_takes_more_than_half() {
        let settings = |budget_ms| Settings {
            url: String::new(),
            enabled: true,
            budget_ms,
            fallback: Fallback::Decline,
            salt: String::new(),
            previous: None,
            created_at: String::new(),
            updated_at: String::new(),
        };
        let time = |budget| {
            let share = Duration::from_millis(200);
            settings(budget).endpoint_time(share).as_millis()
        };
        assert_eq!((time(2_000), time(500), time(100)), (1_800, 300, 50));
    }
}
