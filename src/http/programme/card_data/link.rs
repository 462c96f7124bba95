//! Links to the page with a card's number: signed, and good for a short time.
//!
//! What is signed is the account and the moment at which the link ends, under a key of its own. Whether
//! the card may be shown is looked up when the link is used.

use actix_web::HttpRequest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::super::super::App;
use crate::{
    domain::{
        account::{Account, Status},
        ids::AccountNo,
        time::Timestamp,
    },
    vault::Vault,
};

const PURPOSE: &str = "details-link";
const SIGNED_BYTES: usize = 16;

/// Signs links for one answer.
pub struct Links {
    mac: Hmac<Sha256>,
    base: String,
    /// When they end, in seconds.
    ends: i64,
}

impl Links {
    /// Links as whoever sent `request` can follow them.
    #[must_use]
    pub fn of(request: &HttpRequest, app: &App) -> Self {
        let now = app.engine.shared.clock.now().seconds();
        Self {
            mac: app.vault.mac_for(PURPOSE),
            base: base(request, &app.cards.public_url),
            ends: now.saturating_add(app.cards.details_link_s),
        }
    }

    /// The link to an account's card data; none while there is none to show.
    #[must_use]
    pub fn of_card(&self, account: &Account) -> Option<String> {
        is_shown(account).then(|| {
            let link = sign(self.mac.clone(), account.no, self.ends);
            format!("{}/card-details/{link}", self.base)
        })
    }
}

/// Whether the account's card data may be shown.
#[must_use]
pub fn is_shown(account: &Account) -> bool {
    account.status == Status::Active && account.card.is_some()
}

/// What stands before our paths. Without the setting it is what the caller itself called us.
#[must_use]
pub fn base(request: &HttpRequest, public_url: &str) -> String {
    if !public_url.is_empty() {
        return public_url.trim_end_matches('/').to_owned();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let host = request.headers().get(actix_web::http::header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let host = host.filter(|host| (1..=255).contains(&host.len()) && host.bytes().all(plain));
    match host {
        Some(host) => format!("http://{host}"),
        None => format!("http://{}", request.app_config().local_addr()),
    }
}

fn sign(mac: Hmac<Sha256>, no: AccountNo, ends: i64) -> String {
    let mut bytes = Vec::with_capacity(SIGNED_BYTES + 32);
    bytes.extend(no.0.to_be_bytes());
    bytes.extend(ends.to_be_bytes());
    let tag = mac.chain_update(&bytes).finalize().into_bytes();
    bytes.extend(tag);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    /// The account.
    pub no: AccountNo,
    /// How many seconds are left; none if it has ended.
    pub left_s: Option<i64>,
}

/// Reads a link; nothing if it is not one of ours.
#[must_use]
pub fn read(vault: &Vault, link: &str, now: Timestamp) -> Option<Led> {
    let bytes = URL_SAFE_NO_PAD.decode(link).ok()?;
    let (signed, tag) = bytes.split_first_chunk::<SIGNED_BYTES>()?;
    let mac = vault.mac_for(PURPOSE).chain_update(signed);
    mac.verify_slice(tag).ok()?;
    let (no, ends) = signed.split_first_chunk::<8>()?;
    let ends = i64::from_be_bytes(*ends.first_chunk::<8>()?);
    let left = ends.saturating_sub(now.seconds());
    Some(Led {
        no: AccountNo(u64::from_be_bytes(*no)),
        left_s: Some(left).filter(|left| *left > 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Source, keys::KeyRing};

    fn vault() -> Vault {
        Vault::new(KeyRing::of([7; 32]), Source::Environment, [1; 32])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_link_leads_to_its_account_until_it_ends() {
        let vault = vault();
        let link = sign(vault.mac_for(PURPOSE), AccountNo(77), 1_000);
        let no = AccountNo(77);
        let led = |now| read(&vault, &link, at(now)).expect("ours");
        assert_eq!(
            led(700),
            Led {
                no,
                left_s: Some(300)
            }
        );
        assert_eq!(
            led(999),
            Led {
                no,
                left_s: Some(1)
            }
        );
        assert_eq!(led(1_000), Led { no, left_s: None });
    }

    #[test]
    fn no_changed_letter_and_no_other_key_is_taken() {
        let vault = vault();
        let link = sign(vault.mac_for(PURPOSE), AccountNo(77), 1_000);
        for place in 0..link.len() {
            let mut changed = link.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(read(&vault, &changed, at(1)), None, "{place}");
            assert_eq!(read(&vault, &link[..place], at(1)), None, "{place} letters");
        }
        let other = sign(vault.mac_for("another"), AccountNo(77), 1_000);
        assert_eq!(read(&vault, &other, at(1)), None);
    }
}
