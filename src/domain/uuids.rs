//! Ids of the ledger face: a prefix and a UUID.
//!
//! Things that live with an actor have UUIDs of version 8 (RFC 9562) that say where: no table is needed to
//! find them. Part of each is a check, so that another UUID is not taken for one of ours.

use std::{fmt, str::FromStr};

use super::{
    ids::{
        ActorId, AuthorizationId, IdError, LedgerNo, TransactionId, scramble, unscramble, wrong,
    },
    money::Asset,
};

/// What a UUID of ours names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// A transaction of the books, by its actor and number.
    Transaction,
    /// The same of a bulk.
    Bulk,
    /// A balance, by its ledger account and asset.
    Balance,
    /// An authorization of the network face, by its actor and number.
    Authorization,
    /// A movement of another face, by its record and the place in it.
    Movement,
}

impl Named {
    const fn number(self) -> u8 {
        match self {
            Self::Transaction => 1,
            Self::Bulk => 2,
            Self::Balance => 3,
            Self::Authorization => 4,
            Self::Movement => 5,
        }
    }

    fn salt(self) -> u64 {
        0x626f_6f6b_7300_0000 | u64::from(self.number())
    }
}

const CHECK_BITS: u32 = 22;
const CHECK_MASK: u64 = 0x3f_ffff;

fn check(named: Named, mixed: u64, hidden: u32) -> u64 {
    scramble(mixed ^ u64::from(hidden), named.salt().rotate_left(32)) & CHECK_MASK
}

/// `prefix` and the UUID of (`large`, `small`).
fn text(prefix: &str, named: Named, large: u64, small: u32) -> String {
    let mixed = scramble(large, named.salt());
    let hidden = small ^ u32::try_from(mixed & u64::from(u32::MAX)).unwrap_or(0);
    let value = (u128::from(named.number()) << 118)
        | (u128::from(mixed) << 54)
        | (u128::from(hidden) << CHECK_BITS)
        | u128::from(check(named, mixed, hidden));
    let (first, second, third) = (value >> 74, (value >> 62) & 0xfff, value & (MAX_62));
    let uuid = (first << 80) | (8_u128 << 76) | (second << 64) | (2_u128 << 62) | third;
    hyphenated(prefix, uuid)
}

/// `prefix` and a UUID of version 4 made of chance. Source: RFC 9562, section 5.4.
#[must_use]
pub fn of_chance(prefix: &str, random: [u8; 16]) -> String {
    let value = u128::from_be_bytes(random);
    let value = (value & !(0xf << 76)) | (4 << 76);
    hyphenated(prefix, (value & !(3 << 62)) | (2 << 62))
}

fn hyphenated(prefix: &str, uuid: u128) -> String {
    let digits = format!("{uuid:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!(
        "{prefix}{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

const MAX_62: u128 = 0x3fff_ffff_ffff_ffff;

fn read(text: &str, prefix: &str, named: Named) -> Option<(u64, u32)> {
    let rest = text.strip_prefix(prefix)?;
    let bytes = rest.as_bytes();
    let dashes = [8, 13, 18, 23];
    let is_uuid = bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| {
            if dashes.contains(&at) {
                *byte == b'-'
            } else {
                byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)
            }
        });
    if !is_uuid {
        return None;
    }
    let uuid = u128::from_str_radix(&rest.replace('-', ""), 16).ok()?;
    if (uuid >> 76) & 0xf != 8 || (uuid >> 62) & 3 != 2 {
        return None;
    }
    let value = ((uuid >> 80) << 74) | (((uuid >> 64) & 0xfff) << 62) | (uuid & MAX_62);
    if value >> 118 != u128::from(named.number()) {
        return None;
    }
    let mixed = u64::try_from((value >> 54) & u128::from(u64::MAX)).ok()?;
    let hidden = u32::try_from((value >> CHECK_BITS) & u128::from(u32::MAX)).ok()?;
    if value & u128::from(CHECK_MASK) != u128::from(check(named, mixed, hidden)) {
        return None;
    }
    let small = hidden ^ u32::try_from(mixed & u64::from(u32::MAX)).unwrap_or(0);
    Some((unscramble(mixed, named.salt()), small))
}

impl TransactionId {
    /// The same as the id of a bulk: `bulk_…`.
    #[must_use]
    pub fn bulk_text(self) -> String {
        text("bulk_", Named::Bulk, self.actor.0, self.number)
    }

    /// Reads the id of a bulk.
    ///
    /// # Errors
    ///
    /// [`IdError`] for other text.
    pub fn of_bulk(given: &str) -> Result<Self, IdError> {
        let read = read(given, "bulk_", Named::Bulk);
        let (actor, number) = read.ok_or_else(|| wrong("a bulk's id (bulk_…)", given))?;
        Ok(Self {
            actor: ActorId(actor),
            number,
        })
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text("txn_", Named::Transaction, self.actor.0, self.number))
    }
}

impl FromStr for TransactionId {
    type Err = IdError;

    fn from_str(given: &str) -> Result<Self, IdError> {
        let read = read(given, "txn_", Named::Transaction);
        let (actor, number) = read.ok_or_else(|| wrong("a transaction's id (txn_…)", given))?;
        Ok(Self {
            actor: ActorId(actor),
            number,
        })
    }
}

/// What a transaction's id of the ledger face names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnyTransaction {
    /// One of the books.
    Booked(TransactionId),
    /// The head of a bulk.
    Bulk(TransactionId),
    /// An authorization of the network face.
    Authorization(AuthorizationId),
    /// A movement of another face: where its record stands, and the place of the event in it.
    Movement {
        /// The record.
        lsn: u64,
        /// The place.
        place: u32,
    },
}

impl fmt::Display for AnyTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Booked(id) => id.fmt(f),
            Self::Bulk(id) => f.write_str(&id.bulk_text()),
            Self::Authorization(id) => {
                f.write_str(&text("txn_", Named::Authorization, id.actor.0, id.number))
            }
            Self::Movement { lsn, place } => {
                f.write_str(&text("txn_", Named::Movement, *lsn, *place))
            }
        }
    }
}

impl FromStr for AnyTransaction {
    type Err = IdError;

    fn from_str(given: &str) -> Result<Self, IdError> {
        if let Ok(id) = given.parse() {
            return Ok(Self::Booked(id));
        }
        if let Ok(id) = TransactionId::of_bulk(given) {
            return Ok(Self::Bulk(id));
        }
        if let Some((actor, number)) = read(given, "txn_", Named::Authorization) {
            let actor = ActorId(actor);
            return Ok(Self::Authorization(AuthorizationId { actor, number }));
        }
        let movement = read(given, "txn_", Named::Movement);
        let (lsn, place) = movement.ok_or_else(|| wrong("a transaction's id (txn_…)", given))?;
        Ok(Self::Movement { lsn, place })
    }
}

/// A balance of the ledger face: one asset of one ledger account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BalanceId {
    /// The money.
    pub ledger: LedgerNo,
    /// Which of its assets: see [`BalanceId::tag_of`].
    pub tag: u32,
}

impl BalanceId {
    /// That of an asset of a ledger account.
    #[must_use]
    pub fn new(ledger: LedgerNo, asset: Asset) -> Self {
        let tag = Self::tag_of(asset);
        Self { ledger, tag }
    }

    /// What tells the asset from others of one ledger account.
    #[must_use]
    pub fn tag_of(asset: Asset) -> u32 {
        // FNV-1a: a name, not a defence. An account has a handful of assets.
        asset
            .to_string()
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            })
    }
}

impl fmt::Display for BalanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text("bln_", Named::Balance, self.ledger.0, self.tag))
    }
}

impl FromStr for BalanceId {
    type Err = IdError;

    fn from_str(given: &str) -> Result<Self, IdError> {
        let read = read(given, "bln_", Named::Balance);
        let (ledger, tag) = read.ok_or_else(|| wrong("a balance's id (bln_…)", given))?;
        Ok(Self {
            ledger: LedgerNo(ledger),
            tag,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_are_told_apart() {
        for number in [0_u64, 1, 77, u64::MAX] {
            let actor = ActorId(number);
            for small in [0_u32, 1, 500, u32::MAX] {
                let booked = TransactionId {
                    actor,
                    number: small,
                };
                let authorization = AuthorizationId {
                    actor,
                    number: small,
                };
                let all = [
                    AnyTransaction::Booked(booked),
                    AnyTransaction::Bulk(booked),
                    AnyTransaction::Authorization(authorization),
                    AnyTransaction::Movement {
                        lsn: number,
                        place: small,
                    },
                ];
                for id in all {
                    let text = id.to_string();
                    assert_eq!(text.parse(), Ok(id), "{text}");
                    assert!(text.parse::<BalanceId>().is_err());
                }
                let balance = BalanceId {
                    ledger: LedgerNo(number),
                    tag: small,
                };
                assert_eq!(balance.to_string().parse(), Ok(balance));
                assert_eq!(balance.to_string().as_bytes()[18], b'8', "version 8");
            }
        }
    }

    #[test]
    fn other_uuids_are_not_ours() {
        for text in [
            "txn_",
            "txn_00000000-0000-0000-0000-000000000000",
            "txn_6164573b-6cc8-45a4-ad2e-7b4ba6a60f7d",
            "txn_6164573b-6cc8-85a4-ad2e-7b4ba6a60f7d",
            "bln_6164573b-6cc8-85a4-ad2e-7b4ba6a60f7d",
            "txn_é164573b-6cc8-85a4-ad2e-7b4ba6a60f",
        ] {
            assert!(text.parse::<AnyTransaction>().is_err(), "{text}");
            assert!(text.parse::<BalanceId>().is_err(), "{text}");
        }
    }
}
