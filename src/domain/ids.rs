//! Names of things: compact numbers inside, opaque texts outside.
//!
//! An id carries where its thing lives, so that no table is needed to find it. Outside it is the
//! number under a fixed bijection, in base 32: no secret, only no temptation to count.

use std::{fmt, str::FromStr};

/// Text that names nothing of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {expected}, was {text:?}")]
pub struct IdError {
    /// What would have been right.
    pub expected: &'static str,
    /// The start of what was given.
    pub text: String,
}

pub(super) fn wrong(expected: &'static str, text: &str) -> IdError {
    IdError {
        expected,
        text: super::money::shown(text),
    }
}

/// The owner of a group of accounts that share money; 0 is the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(pub u64);

impl ActorId {
    /// The actor of origins and keys.
    pub const REGISTRY: Self = Self(0);
}

/// An account: a card, a pocket, a ledger balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountNo(pub u64);

/// A ledger account: the money behind one or more accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerNo(pub u64);

/// An authorization: the actor that took it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorizationId {
    /// The actor that took it.
    pub actor: ActorId,
    /// The how-manieth of that actor, from 1.
    pub number: u32,
}

/// A transaction of the books: the actor that took it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId {
    /// The actor that took it.
    pub actor: ActorId,
    /// The how-manieth of that actor, from 1.
    pub number: u32,
}

/// Money on its way between two actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u64);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS_OF_U64: usize = 13;
const DIGITS_OF_U32: usize = 7;
const DIGITS_OF_U16: usize = 4;

/// An odd multiplier and a shift, in two rounds: a bijection of 64 bits with a known inverse.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const INVERSE: u64 = 0xF1DE_83E1_9937_733D;

pub(super) const fn scramble(number: u64, salt: u64) -> u64 {
    let mut mixed = number.wrapping_mul(MULTIPLIER) ^ salt;
    mixed ^= mixed >> 32;
    mixed = mixed.wrapping_mul(MULTIPLIER);
    mixed ^ (mixed >> 32)
}

pub(super) const fn unscramble(text: u64, salt: u64) -> u64 {
    let mut mixed = text ^ (text >> 32);
    mixed = mixed.wrapping_mul(INVERSE);
    mixed ^= mixed >> 32;
    (mixed ^ salt).wrapping_mul(INVERSE)
}

const SALT_ACCOUNT: u64 = 0x6163_636f_756e_7431;
const SALT_LEDGER: u64 = 0x6c65_6467_6572_3132;
const SALT_TOKEN: u64 = 0x746f_6b65_6e31_3233;
const SALT_AUTHORIZATION: u64 = 0x6175_7468_3132_3334;
const SALT_RECORD: u64 = 0x7265_636f_7264_3132;
const SALT_DEVICE: u64 = 0x6465_7669_6365_746b;
const SALT_TRANSFER: u64 = 0x7472_616e_7366_6572;
const SALT_EVENT: u64 = 0x6576_656e_7431_3233;

/// Which digit a letter is; 255 for none.
const DIGIT_OF: [u8; 256] = {
    let mut table = [255; 256];
    let mut digit = 0_u8;
    let mut rest: &[u8] = ALPHABET;
    while let [letter, behind @ ..] = rest {
        let (slots, _) = table.split_at_mut(256);
        set(slots, *letter, digit);
        digit = digit.saturating_add(1);
        rest = behind;
    }
    table
};

/// `slots[at] = value`, in a constant.
const fn set(slots: &mut [u8], at: u8, value: u8) {
    let mut left = at;
    let mut rest = slots;
    while let [slot, behind @ ..] = rest {
        if left == 0 {
            *slot = value;
            return;
        }
        left = left.saturating_sub(1);
        rest = behind;
    }
}

/// Writes the digits of `value` over all of `places`.
fn put_digits(places: &mut [u8], value: u64) {
    let mut rest = value;
    for place in places.iter_mut().rev() {
        let digit = usize::try_from(rest & 31).unwrap_or(0);
        *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
        rest >>= 5;
    }
}

fn push_digits(out: &mut String, value: u64, digits: usize) {
    let mut text = [b'0'; DIGITS_OF_U64];
    let text = text.get_mut(..digits).unwrap_or_default();
    put_digits(text, value);
    out.push_str(std::str::from_utf8(text).unwrap_or_default());
}

fn read_digits(text: &str, digits: usize) -> Option<u64> {
    if text.len() != digits {
        return None;
    }
    text.bytes().try_fold(0_u64, |value, letter| {
        let digit = DIGIT_OF
            .get(usize::from(letter))
            .copied()
            .filter(|digit| *digit < 32)?;
        value.checked_mul(32)?.checked_add(u64::from(digit))
    })
}

fn encode(prefix: &str, number: u64, salt: u64) -> String {
    let mut out = String::with_capacity(prefix.len().saturating_add(DIGITS_OF_U64));
    out.push_str(prefix);
    push_digits(&mut out, scramble(number, salt), DIGITS_OF_U64);
    out
}

fn decode(text: &str, prefix: &str, salt: u64, expected: &'static str) -> Result<u64, IdError> {
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| read_digits(rest, DIGITS_OF_U64));
    digits
        .map(|value| unscramble(value, salt))
        .ok_or_else(|| wrong(expected, text))
}

impl AccountNo {
    /// The last part of a card's URN, and the card account's id: `crd-…`.
    #[must_use]
    pub fn card_id(self) -> String {
        encode("crd-", self.0, SALT_ACCOUNT)
    }

    /// The last part of a pocket's URN: `vrt-…`.
    #[must_use]
    pub fn virtual_id(self) -> String {
        encode("vrt-", self.0, SALT_ACCOUNT)
    }

    /// The last part of a ledger balance's URN: `bal-…`.
    #[must_use]
    pub fn balance_id(self) -> String {
        encode("bal-", self.0, SALT_ACCOUNT)
    }

    /// What a processor may hold in place of the card: `ctk_…`.
    #[must_use]
    pub fn card_token(self) -> String {
        encode("ctk_", self.0, SALT_TOKEN)
    }
}

/// Reads an account URN, an account id, or a card token. Whether such an account exists, and
/// whether the whole URN is its own, the account's actor says.
impl FromStr for AccountNo {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const EXPECTED: &str =
            "an account URN (did:bloque:account:…), an account id or a card token";
        if text.starts_with("ctk_") {
            return decode(text, "ctk_", SALT_TOKEN, EXPECTED).map(Self);
        }
        let last = text.rsplit(':').next().unwrap_or_default();
        let digits = ["crd-", "vrt-", "bal-"]
            .iter()
            .find_map(|prefix| last.strip_prefix(prefix));
        digits
            .and_then(|digits| read_digits(digits, DIGITS_OF_U64))
            .map(|value| Self(unscramble(value, SALT_ACCOUNT)))
            .ok_or_else(|| wrong(EXPECTED, text))
    }
}

impl LedgerNo {
    /// The id on the wire: `ldg_…`.
    #[must_use]
    pub fn text(self) -> String {
        String::from_utf8_lossy(&self.letters()).into_owned()
    }

    /// The same without an allocation: every purchase's answer has one.
    #[must_use]
    pub fn letters(self) -> [u8; 17] {
        let mut text = *b"ldg_0000000000000";
        let [_, _, _, _, places @ ..] = &mut text;
        put_digits(places, scramble(self.0, SALT_LEDGER));
        text
    }
}

impl fmt::Display for LedgerNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl FromStr for LedgerNo {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        decode(text, "ldg_", SALT_LEDGER, "a ledger account id (ldg_…)").map(Self)
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode("trf_", self.0, SALT_TRANSFER))
    }
}

impl AuthorizationId {
    /// The id on the wire: `auth_…`.
    #[must_use]
    pub fn text(self) -> String {
        String::from_utf8_lossy(&self.letters()).into_owned()
    }

    /// The same without an allocation: every purchase's answer has one.
    #[must_use]
    pub fn letters(self) -> [u8; 25] {
        let mixed = scramble(self.actor.0, SALT_AUTHORIZATION);
        let low = u32::try_from(mixed & u64::from(u32::MAX)).unwrap_or(0);
        let mut text = *b"auth_00000000000000000000";
        let [_, _, _, _, _, places @ ..] = &mut text;
        let (actor, number) = places.split_at_mut(DIGITS_OF_U64);
        put_digits(actor, mixed);
        put_digits(number, u64::from(self.number ^ low));
        text
    }
}

impl fmt::Display for AuthorizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl FromStr for AuthorizationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let read = || {
            let digits = text.strip_prefix("auth_")?;
            let mixed = read_digits(digits.get(..DIGITS_OF_U64)?, DIGITS_OF_U64)?;
            let hidden = read_digits(digits.get(DIGITS_OF_U64..)?, DIGITS_OF_U32)?;
            let low = mixed & u64::from(u32::MAX);
            let number = u32::try_from(hidden ^ low).ok()?;
            Some(Self {
                actor: ActorId(unscramble(mixed, SALT_AUTHORIZATION)),
                number,
            })
        };
        read().ok_or_else(|| wrong("an authorization id (auth_…)", text))
    }
}

/// A token that stands in for a card on a device: its card, and a number by which it differs from the
/// card's others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceTokenId {
    /// The card's account.
    pub account: AccountNo,
    /// Drawn by chance.
    pub number: u32,
}

impl fmt::Display for DeviceTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(24);
        out.push_str("tok_");
        let mixed = scramble(self.account.0, SALT_DEVICE);
        let low = u32::try_from(mixed & u64::from(u32::MAX)).unwrap_or(0);
        push_digits(&mut out, mixed, DIGITS_OF_U64);
        push_digits(&mut out, u64::from(self.number ^ low), DIGITS_OF_U32);
        f.write_str(&out)
    }
}

impl FromStr for DeviceTokenId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let read = || {
            let digits = text.strip_prefix("tok_")?;
            let mixed = read_digits(digits.get(..DIGITS_OF_U64)?, DIGITS_OF_U64)?;
            let hidden = read_digits(digits.get(DIGITS_OF_U64..)?, DIGITS_OF_U32)?;
            let low = mixed & u64::from(u32::MAX);
            let number = u32::try_from(hidden ^ low).ok()?;
            Some(Self {
                account: AccountNo(unscramble(mixed, SALT_DEVICE)),
                number,
            })
        };
        read().ok_or_else(|| wrong("a device token's id (tok_…)", text))
    }
}

/// A thing that is one record of the log: a step, a deposit, a movement. Its text carries the
/// record's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

impl RecordId {
    /// The text with a prefix that says what it is, such as `op_` or `dep_`.
    #[must_use]
    pub fn text(self, prefix: &str) -> String {
        encode(prefix, self.0, SALT_RECORD)
    }

    /// Reads an id with that prefix.
    ///
    /// # Errors
    ///
    /// [`IdError`] for any other text.
    pub fn parse(text: &str, prefix: &str, expected: &'static str) -> Result<Self, IdError> {
        decode(text, prefix, SALT_RECORD, expected).map(Self)
    }
}

/// One event of those that a record of the log is told as: the record's position, and the place among
/// its events. They are in the order of their happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Where the record stands.
    pub lsn: u64,
    /// The how-manieth of its record, from 0.
    pub place: u16,
}

impl EventId {
    /// The text with a prefix that says what it is: `evt_` for an event, `cur_` for the position behind
    /// one.
    #[must_use]
    pub fn text(self, prefix: &str) -> String {
        let mixed = scramble(self.lsn, SALT_EVENT);
        let low = u16::try_from(mixed & u64::from(u16::MAX)).unwrap_or(0);
        let digits = DIGITS_OF_U64.saturating_add(DIGITS_OF_U16);
        let mut out = String::with_capacity(prefix.len().saturating_add(digits));
        out.push_str(prefix);
        push_digits(&mut out, mixed, DIGITS_OF_U64);
        push_digits(&mut out, u64::from(self.place ^ low), DIGITS_OF_U16);
        out
    }

    /// Reads an id with that prefix.
    ///
    /// # Errors
    ///
    /// [`IdError`] for any other text.
    pub fn parse(text: &str, prefix: &str, expected: &'static str) -> Result<Self, IdError> {
        let read = || {
            let digits = text.strip_prefix(prefix)?;
            let mixed = read_digits(digits.get(..DIGITS_OF_U64)?, DIGITS_OF_U64)?;
            let hidden = read_digits(digits.get(DIGITS_OF_U64..)?, DIGITS_OF_U16)?;
            let low = mixed & u64::from(u16::MAX);
            let place = u16::try_from(hidden ^ low).ok()?;
            let lsn = unscramble(mixed, SALT_EVENT);
            Some(Self { lsn, place })
        };
        read().ok_or_else(|| wrong(expected, text))
    }
}

/// A holder's stable short name inside account URNs: `usr-…`, from the holder's own URN.
#[must_use]
pub fn user_id(holder_urn: &str) -> String {
    // FNV-1a: a name, not a defence; two holders with one short name still have other accounts.
    let hash = holder_urn
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    encode("usr-", hash, SALT_ACCOUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for number in [0, 1, 2, 31, 32, 1 << 20, u64::MAX] {
            let account = AccountNo(number);
            let urn = format!("did:bloque:account:card:usr-x:{}", account.card_id());
            for text in [
                account.card_id(),
                account.virtual_id(),
                account.card_token(),
                urn,
            ] {
                assert_eq!(text.parse::<AccountNo>(), Ok(account), "{text}");
            }
            assert_eq!(LedgerNo(number).to_string().parse(), Ok(LedgerNo(number)));
            let id = AuthorizationId {
                actor: ActorId(number),
                number: 7,
            };
            assert_eq!(id.to_string().parse(), Ok(id));
            let token = DeviceTokenId {
                account,
                number: 4_000_000_007,
            };
            assert_eq!(token.to_string().parse(), Ok(token));
            assert_eq!(
                RecordId::parse(&RecordId(number).text("op_"), "op_", ""),
                Ok(RecordId(number))
            );
            for place in [0, 1, u16::MAX] {
                let id = EventId { lsn: number, place };
                assert_eq!(EventId::parse(&id.text("evt_"), "evt_", ""), Ok(id));
                assert!(EventId::parse(&id.text("evt_"), "cur_", "").is_err());
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "crd-",
            "crd-1",
            "auth_",
            "auth_é0000000000000000000",
            "did:bloque:x:pocket-food",
        ] {
            assert!(text.parse::<AccountNo>().is_err(), "{text}");
            assert!(text.parse::<AuthorizationId>().is_err(), "{text}");
            assert!(text.parse::<DeviceTokenId>().is_err(), "{text}");
        }
    }
}
