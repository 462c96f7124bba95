//! What snapshots say, to be held against the replay of the log.

use std::{hash::Hasher, sync::Arc};

use siphasher::sip128::{Hasher128, SipHasher24};

use super::{
    finding::{Check, Findings, Severity, Spot},
    keys::LogKeys,
};
use crate::{
    domain::ids::ActorId,
    journal::{JournalError, Lsn, SnapshotInfo, wal::WalReader},
    wire::{self, Item, KeyLife},
};

/// A snapshot that could be read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where replay goes on after it.
    pub lsn: Lsn,
    /// Its file.
    pub name: Arc<str>,
}

impl Snapshot {
    /// As a place.
    #[must_use]
    pub fn spot(&self, actor: Option<ActorId>) -> Spot {
        Spot {
            lsn: Some(self.lsn),
            file: Some(self.name.clone()),
            offset: None,
            actor,
        }
    }
}

/// What one snapshot says of one actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Which snapshot, by its place in the list.
    pub snapshot: usize,
    /// How many of the actor's records it holds.
    pub sequence: u64,
    /// The digest of the actor's bytes in it.
    pub digest: u128,
    /// Whether the replay came to it.
    pub standing: Standing,
}

/// How a snapshot's word of an actor stands to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The replay has not come to it.
    Awaited,
    /// They are the same.
    Met,
    /// They are not, and it was said.
    Wrong,
}

impl Expected {
    /// A snapshot that does not hold an actor that it should.
    #[must_use]
    pub const fn missing(snapshot: usize) -> Self {
        Self {
            snapshot,
            sequence: u64::MAX,
            digest: 0,
            standing: Standing::Wrong,
        }
    }
}

/// Tells bytes apart; not against an attacker.
#[must_use]
pub fn digest(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

/// The snapshots that can be read, and what they say of each actor, which goes to `take`. Those that
/// cannot be read are findings.
///
/// # Errors
///
/// [`JournalError::Io`] if the snapshots cannot be listed.
pub fn expectations(
    reader: &WalReader,
    findings: &mut Findings,
    mut take: impl FnMut(ActorId, Expected),
) -> Result<Vec<Snapshot>, JournalError> {
    let mut snapshots = Vec::new();
    for info in reader.snapshots()? {
        match read_one(reader, &info, snapshots.len()) {
            Ok(expected) => {
                for (actor, expected) in expected {
                    take(actor, expected);
                }
                snapshots.push(Snapshot {
                    lsn: info.lsn,
                    name: info.name.into(),
                });
            }
            Err(Unreadable::Gone) => {}
            Err(Unreadable::Damaged(spot, what)) => {
                findings.push(Severity::Damage, Check::Snapshot, spot, what);
            }
        }
    }
    Ok(snapshots)
}

enum Unreadable {
    /// The server has just removed it.
    Gone,
    Damaged(Spot, String),
}

fn unreadable(reader: &WalReader, info: &SnapshotInfo, error: JournalError) -> Unreadable {
    let is_there = reader
        .snapshots()
        .is_ok_and(|infos| infos.iter().any(|known| known.lsn == info.lsn));
    if !is_there {
        return Unreadable::Gone;
    }
    let (spot, what) = place_of(error);
    let file = Some(info.name.as_str().into());
    Unreadable::Damaged(Spot { file, ..spot }, what)
}

/// Where an error of the journal is, and what it says.
#[must_use]
pub fn place_of(error: JournalError) -> (Spot, String) {
    let whole = error.to_string();
    if let JournalError::Corrupt {
        file,
        offset,
        lsn,
        what,
    } = error
    {
        let spot = Spot {
            lsn: Some(lsn),
            file: Some(file.into()),
            offset: Some(offset),
            actor: None,
        };
        return (spot, what);
    }
    (Spot::default(), whole)
}

fn read_one(
    reader: &WalReader,
    info: &SnapshotInfo,
    snapshot: usize,
) -> Result<Vec<(ActorId, Expected)>, Unreadable> {
    let refuse = |error| unreadable(reader, info, error);
    let undecodable = |error: wire::WireError| {
        let spot = Spot {
            lsn: Some(info.lsn),
            file: Some(info.name.as_str().into()),
            ..Spot::default()
        };
        Unreadable::Damaged(spot, error.to_string())
    };
    let mut expected = Vec::new();
    for item in reader.open_snapshot(info.lsn).map_err(refuse)? {
        let bytes = item.map_err(refuse)?;
        let head = if wire::is_group(&bytes) {
            wire::decode_group_head(&bytes).map_err(undecodable)?
        } else {
            match wire::decode_item(&bytes).map_err(undecodable)? {
                Item::Registry(registry, _) => (ActorId::REGISTRY, registry.sequence),
                Item::Keys(_) | Item::Joined(_) | Item::Group(..) => continue,
            }
        };
        expected.push((
            head.0,
            Expected {
                snapshot,
                sequence: head.1,
                digest: digest(&bytes),
                standing: Standing::Awaited,
            },
        ));
    }
    Ok(expected)
}

/// Holds each snapshot's keys against those of the log; returns how many were compared.
pub fn check_keys(
    reader: &WalReader,
    snapshots: &[Snapshot],
    keys: &LogKeys,
    findings: &mut Findings,
) -> u64 {
    let mut compared = 0_u64;
    for snapshot in snapshots {
        let Ok(items) = reader.open_snapshot(snapshot.lsn) else {
            continue;
        };
        let (mut permanent, mut unknown, mut is_whole) = (0_u64, 0_u64, true);
        for item in items {
            let Ok(bytes) = item else {
                is_whole = false;
                break;
            };
            if wire::is_group(&bytes) {
                continue;
            }
            let Ok(Item::Keys(known)) = wire::decode_item(&bytes) else {
                continue;
            };
            for (key, _, lsn) in known {
                compared = compared.saturating_add(1);
                if keys.has(key, KeyLife::Permanent, lsn) {
                    if lsn <= snapshot.lsn.get() {
                        permanent = permanent.saturating_add(1);
                    }
                } else if !keys.has(key, KeyLife::Expiring, lsn) {
                    unknown = unknown.saturating_add(1);
                }
            }
        }
        if !is_whole {
            continue;
        }
        let missing = keys.permanent_up_to(snapshot.lsn).saturating_sub(permanent);
        for (count, of) in [
            (
                missing,
                "keys of the log are not in this snapshot: after a recovery from it, these requests could be done twice",
            ),
            (
                unknown,
                "keys of this snapshot are not in the log, or stand for other records there",
            ),
        ] {
            if count > 0 {
                let what = format!("{count} {of}");
                findings.push(Severity::Fault, Check::Snapshot, snapshot.spot(None), what);
            }
        }
    }
    compared
}
