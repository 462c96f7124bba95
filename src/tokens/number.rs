//! Token numbers: drawn by chance from a test range, sealed at rest.

use super::TokenError;
use crate::{
    domain::card::Sealed,
    vault::{
        Hold, Vault,
        issue::{check_digit, token_aad},
    },
};

/// The first digits of the embedded provider's numbers. A number that begins with a nine belongs to no
/// card network, so that none of these can be taken for a real one. Source: ISO/IEC 7812-1.
pub const TEST_BIN: &str = "990017";

/// How many digits a number has.
const DIGITS: usize = 16;

/// A token's number. It has no Debug form.
pub struct TokenNumber(String);

impl TokenNumber {
    /// A number of the test range, from random bytes.
    #[must_use]
    pub fn of_test_range(random: [u8; 16]) -> Self {
        let mut rest = u128::from_be_bytes(random);
        let mut number = TEST_BIN.to_owned();
        while number.len() < DIGITS.saturating_sub(1) {
            let digit = u8::try_from(rest % 10).unwrap_or(0);
            number.push(char::from(b'0'.saturating_add(digit)));
            rest /= 10;
        }
        let check = check_digit(number.as_bytes());
        number.push(char::from(b'0'.saturating_add(check)));
        Self(number)
    }

    /// The digits.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The last four digits, as ASCII.
    #[must_use]
    pub fn last_four(&self) -> [u8; 4] {
        self.0.as_bytes().last_chunk().copied().unwrap_or_default()
    }
}

/// Seals a token's number for storage. The key is held until the token is recorded.
///
/// # Errors
///
/// [`TokenError::Unavailable`] without randomness.
pub fn seal(key: &Hold, id: &str, number: &TokenNumber) -> Result<Sealed, TokenError> {
    let sealed = key.seal(&token_aad(id), number.digits().as_bytes());
    sealed.map_err(|_| TokenError::Unavailable("no randomness"))
}

/// Opens a token's stored number.
///
/// # Errors
///
/// [`TokenError::Unavailable`] if it is not this token's, or was changed.
pub fn open(vault: &Vault, id: &str, sealed: &Sealed) -> Result<TokenNumber, TokenError> {
    const BROKEN: TokenError = TokenError::Unavailable("the stored number does not open");
    let plain = vault.open(&token_aad(id), sealed).map_err(|_| BROKEN)?;
    let digits = std::str::from_utf8(&plain).map_err(|_| BROKEN)?;
    Ok(TokenNumber(digits.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits() {
        for (number, digit) in [
            ("7992739871", 3),
            ("411111111111111", 1),
            ("37828224631000", 5),
            ("0", 0),
        ] {
            assert_eq!(check_digit(number.as_bytes()), digit, "{number}");
        }
    }

    #[test]
    fn numbers_are_of_the_test_range_and_open_only_as_their_own() {
        let vault = Vault::of([7; 32]);
        let number = TokenNumber::of_test_range([0xA5; 16]);
        let digits = number.digits().to_owned();
        assert!(
            digits.starts_with(TEST_BIN) && digits.len() == DIGITS,
            "{digits}"
        );
        assert_eq!(
            check_digit(&digits.as_bytes()[..15]),
            digits.as_bytes()[15] - b'0'
        );
        assert_eq!(number.last_four(), digits.as_bytes()[12..]);
        let sealed = seal(&vault.hold(), "tok_a", &number).unwrap();
        let shown = String::from_utf8_lossy(&sealed.bytes).into_owned();
        assert!(!shown.contains(&digits));
        let opened = open(&vault, "tok_a", &sealed);
        assert_eq!(opened.ok().map(|number| number.0), Some(digits));
        assert!(open(&vault, "tok_b", &sealed).is_err(), "another's");
        for place in 0..sealed.bytes.len() {
            let mut other = sealed.clone();
            other.bytes[place] ^= 1;
            assert!(open(&vault, "tok_a", &other).is_err(), "byte {place}");
        }
    }
}
