//! What stands on a card: its number, made from the house's range; its CVV, which is nowhere kept.

use hmac::Mac;
use zeroize::Zeroizing;

use super::{Vault, VaultError};
use crate::domain::{card::Sealed, ids::AccountNo, time::Month};

/// How many digits a number has. Source: ISO/IEC 7812.
const DIGITS: usize = 16;

/// The first digits of the house's numbers: six or eight. Source: ISO/IEC 7812 (IIN).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bin(String);

impl std::str::FromStr for Bin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_sound =
            matches!(text.len(), 6 | 8) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_sound {
            return Err("must be 6 or 8 digits");
        }
        // Cards are shown as VISA's, so their numbers are to be Visa's.
        if !text.starts_with('4') {
            return Err("must begin with 4: cards are Visa's");
        }
        Ok(Self(text.to_owned()))
    }
}

/// A card's number. It is shown by [`Pan::digits`] and in no other way.
#[derive(Clone, PartialEq, Eq)]
pub struct Pan(Zeroizing<[u8; DIGITS]>);

impl std::fmt::Debug for Pan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pan")
    }
}

impl Pan {
    /// A number of that range with those random digits in its middle.
    #[must_use]
    pub fn new(bin: &Bin, random: [u8; DIGITS]) -> Self {
        let mut digits = random.map(|byte| b'0'.saturating_add(byte % 10));
        for (digit, given) in digits.iter_mut().zip(bin.0.bytes()) {
            *digit = given;
        }
        if let Some((last, before)) = digits.split_last_mut() {
            *last = b'0'.saturating_add(check_digit(before));
        }
        Self(Zeroizing::new(digits))
    }

    fn random(bin: &Bin) -> Result<Self, VaultError> {
        let mut random = [0_u8; DIGITS];
        getrandom::fill(&mut random).map_err(|_| VaultError::NoRandomness)?;
        for byte in &mut random {
            // The digits are to be equally likely: 250 is the most of a byte that ten divides.
            while *byte == 0 || *byte > 250 {
                getrandom::fill(std::slice::from_mut(byte))
                    .map_err(|_| VaultError::NoRandomness)?;
            }
        }
        Ok(Self::new(bin, random))
    }

    /// All of it.
    #[must_use]
    pub fn digits(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }

    /// Its last four digits, as ASCII.
    #[must_use]
    pub fn last_four(&self) -> [u8; 4] {
        self.0.last_chunk().copied().unwrap_or([b'0'; 4])
    }
}

/// The digit that makes a number whole whose other digits, as ASCII, are these. Source: ISO/IEC 7812-1,
/// annex B (Luhn).
#[must_use]
pub fn check_digit(digits: &[u8]) -> u8 {
    let mut whole = digits.to_vec();
    whole.push(b'0');
    let check = 10_u32.saturating_sub(luhn(&whole)) % 10;
    u8::try_from(check).unwrap_or(0)
}

/// The sum whose last digit is 0 for a number that is whole. Source: ISO/IEC 7812-1, annex B (Luhn).
fn luhn(digits: &[u8]) -> u32 {
    let digit = |(place, byte): (usize, &u8)| {
        let digit = u32::from(byte.saturating_sub(b'0'));
        let twice = digit.saturating_mul(2);
        match place % 2 {
            0 => digit,
            _ if twice > 9 => twice.saturating_sub(9),
            _ => twice,
        }
    };
    digits.iter().rev().enumerate().map(digit).sum::<u32>() % 10
}

/// What a card shows its holder.
pub struct CardData {
    /// Its number.
    pub pan: Pan,
    /// Valid through the last day of this month.
    pub expiry: Month,
}

impl Vault {
    /// A new number of that range; the caller sees to it that nobody has it.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoRandomness`].
    pub fn new_pan(&self, bin: &Bin) -> Result<Pan, VaultError> {
        Pan::random(bin)
    }

    /// What two cards never have in common: it says nothing of the number to those without the key.
    #[must_use]
    pub fn fingerprint(&self, pan: &Pan) -> [u8; 16] {
        let mac = self
            .mac_for("pan-fingerprint")
            .chain_update(pan.0.as_slice())
            .finalize();
        mac.into_bytes().first_chunk().copied().unwrap_or_default()
    }

    /// The three digits on the back.
    #[must_use]
    pub fn cvv(&self, card: &CardData) -> String {
        let mac = self.mac_for("cvv").chain_update(card.pan.0.as_slice());
        let mac = mac
            .chain_update(card.expiry.to_string())
            .finalize()
            .into_bytes();
        let number = mac.first_chunk().copied().map_or(0, u64::from_be_bytes);
        format!("{:03}", number % 1_000)
    }

    /// Opens a card's number and expiry.
    ///
    /// # Errors
    ///
    /// [`VaultError`].
    pub fn open_card(&self, account: AccountNo, sealed: &Sealed) -> Result<CardData, VaultError> {
        let plain = self.open(&card_aad(account), sealed)?;
        read_card(&plain).ok_or(VaultError::Malformed)
    }
}

/// What a card's number and expiry are sealed for.
#[must_use]
pub fn card_aad(account: AccountNo) -> String {
    format!("card/{}", account.0)
}

/// What a device token's number is sealed for.
#[must_use]
pub fn token_aad(token_id: &str) -> String {
    format!("token/{token_id}")
}

/// Number and expiry as they are sealed: sixteen digits, `MMYYYY`.
#[must_use]
pub fn card_text(card: &CardData) -> Zeroizing<String> {
    let expiry = card.expiry;
    Zeroizing::new(format!(
        "{}{:02}{:04}",
        card.pan.digits(),
        expiry.month,
        expiry.year
    ))
}

fn read_card(plain: &[u8]) -> Option<CardData> {
    let (digits, expiry) = plain.split_first_chunk::<DIGITS>()?;
    let (month, year) = std::str::from_utf8(expiry).ok()?.split_at_checked(2)?;
    let expiry = Month {
        year: year.parse().ok()?,
        month: month.parse().ok()?,
    };
    let is_whole = digits.iter().all(u8::is_ascii_digit) && luhn(digits) == 0;
    let pan = Pan(Zeroizing::new(*digits));
    is_whole.then_some(CardData { pan, expiry })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Source, keys::KeyRing},
        *,
    };

    #[test]
    fn numbers_are_of_the_range_and_whole() {
        for bin in ["400000", "40000012"] {
            let range: Bin = bin.parse().expect("a range");
            for _ in 0..1_000 {
                let pan = Pan::random(&range).expect("random");
                assert!(pan.digits().starts_with(bin) && pan.digits().len() == 16);
                assert_eq!(luhn(pan.digits().as_bytes()), 0);
                assert!(
                    pan.digits()
                        .ends_with(std::str::from_utf8(&pan.last_four()).expect("ASCII"))
                );
            }
        }
        assert_eq!(luhn(b"4242424242424242"), 0);
        assert_eq!(luhn(b"4111111111111111"), 0);
        assert_ne!(luhn(b"4111111111111112"), 0);
        assert_eq!(format!("{:?}", Pan(Zeroizing::new([b'4'; 16]))), "Pan");
    }

    #[test]
    fn ranges_are_six_or_eight_digits_of_visa() {
        for wrong in ["", "40000", "4000000", "400000000", "40000a", "510000"] {
            assert!(wrong.parse::<Bin>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_card_opens_for_itself_alone_and_has_one_cvv() {
        let vault = Vault::new(KeyRing::of([7; 32]), Source::Environment, [1; 32]);
        let pan = vault
            .new_pan(&"400000".parse().expect("a range"))
            .expect("random");
        let expiry = Month {
            year: 2031,
            month: 4,
        };
        let card = CardData { pan, expiry };
        let sealed = vault.seal(&card_aad(AccountNo(5)), card_text(&card).as_bytes());
        let sealed = sealed.expect("sealed");
        let opened = vault.open_card(AccountNo(5), &sealed).expect("opened");
        assert_eq!((&opened.pan, opened.expiry), (&card.pan, expiry));
        assert!(vault.open_card(AccountNo(6), &sealed).is_err());
        assert_eq!(vault.cvv(&card), vault.cvv(&opened));
        assert_eq!(vault.cvv(&card).len(), 3);
        let later = CardData {
            expiry: Month {
                year: 2032,
                month: 4,
            },
            ..opened
        };
        let cvvs: std::collections::BTreeSet<_> = (2000..2100)
            .map(|year| {
                vault.cvv(&CardData {
                    pan: later.pan.clone(),
                    expiry: Month { year, month: 1 },
                })
            })
            .collect();
        assert!(cvvs.len() > 80, "{}", cvvs.len());
    }
}
