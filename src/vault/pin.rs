//! A card's PIN: read from a request, kept as a keyed verifier, never as itself.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{Vault, keyed};
use crate::domain::{card::PinVerifier, ids::AccountNo};

/// A PIN as somebody typed it. It has no Debug form, so that it gets into no log and no error.
pub struct Pin(String);

impl Pin {
    /// From 4 to 12 digits; nothing for any other text. Source: ISO 9564-1, section 8.1.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = (4..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_one.then(|| Self(text.to_owned()))
    }

    /// What it is kept as: with the card's number in it, so that two cards with one PIN do not show it.
    #[must_use]
    pub fn verifier(&self, vault: &Vault, card: AccountNo) -> PinVerifier {
        PinVerifier(self.mac(vault, card).finalize().into_bytes().into())
    }

    /// Whether it is the one that was kept. Takes the same time whichever digit is wrong.
    #[must_use]
    pub fn is(&self, known: &PinVerifier, vault: &Vault, card: AccountNo) -> bool {
        self.mac(vault, card).verify_slice(&known.0).is_ok()
    }

    /// What stands for it where requests are told from each other: the digits are too few to be hidden
    /// by a hash without a key.
    #[must_use]
    pub fn stand_in(text: &str, vault: &Vault) -> String {
        let mut mac = keyed(&vault.key_for("pin in a request"));
        mac.update(text.as_bytes());
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn mac(&self, vault: &Vault, card: AccountNo) -> Hmac<Sha256> {
        let mut mac = keyed(&vault.key_for("pin"));
        mac.update(&card.0.to_be_bytes());
        mac.update(self.0.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_to_twelve_digits() {
        for good in ["0000", "1234", "123456789012"] {
            assert!(Pin::parse(good).is_some(), "{good}");
        }
        for wrong in ["", "123", "1234567890123", "12a4", " 1234", "١٢٣٤", "-123"] {
            assert!(Pin::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_verifier_is_of_one_card_one_pin_one_house() {
        let (vault, other) = (Vault::of([1; 32]), Vault::of([2; 32]));
        let pin = |text: &str| Pin::parse(text).unwrap();
        let known = pin("1234").verifier(&vault, AccountNo(7));
        assert!(pin("1234").is(&known, &vault, AccountNo(7)));
        assert!(!pin("1235").is(&known, &vault, AccountNo(7)));
        assert!(!pin("12340").is(&known, &vault, AccountNo(7)));
        assert!(
            !pin("1234").is(&known, &vault, AccountNo(8)),
            "a card of its own"
        );
        assert!(
            !pin("1234").is(&known, &other, AccountNo(7)),
            "a house of its own"
        );
        assert_ne!(
            Pin::stand_in("1234", &vault),
            Pin::stand_in("1234", &other),
            "not to be found by trying all"
        );
    }
}
