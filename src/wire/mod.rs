//! Domain to bytes and back: the only place that knows how things are stored.
//!
//! Every stored thing begins with its format's version. The field order stands in `layout`, by name,
//! apart from the types themselves: moving a field in the domain changes no byte, and golden files in
//! `snapshots/golden` prove it for every version ever written. The newest is written, all are read.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod codec;
mod layout;

use std::sync::Arc;

use crate::domain::{
    event::Event,
    group::{Absorption, Group},
    ids::ActorId,
    outbox::{OutboxItem, OutboxRecord},
    registry::{Registry, RegistryEvent},
    time::Timestamp,
    trail::{Links, Trail},
};

/// The version that is written.
pub const VERSION: u8 = 3;

/// Bytes that are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A version this program does not know.
    #[error("{kind} has format version {version}, this program knows 1 to {VERSION}")]
    Version {
        /// What was read.
        kind: &'static str,
        /// What it says.
        version: u8,
    },
    /// Bytes that do not decode.
    #[error("{kind} does not decode: {what}")]
    Undecodable {
        /// What was read.
        kind: &'static str,
        /// The codec's words.
        what: String,
    },
    /// Bytes left over.
    #[error("{kind} has {extra} bytes too many")]
    Trailing {
        /// What was read.
        kind: &'static str,
        /// How many.
        extra: usize,
    },
}

/// What a key of a request protects. Keys of one class never meet those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u64; 2]);

/// Whether a key is ever forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLife {
    /// A transaction id, a reference, a transfer: never.
    Permanent,
    /// An `Idempotency-Key` header: after the configured time.
    Expiring,
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was decided.
    pub time: Timestamp,
    /// Whose it is.
    pub actor: ActorId,
    /// The how-manieth of that actor, from 1.
    pub sequence: u64,
    /// Where the actor's earlier records are.
    pub links: Links,
    /// The keys that protect the request.
    pub keys: Vec<(Key, KeyLife)>,
    /// Tells the request from others under the same key.
    pub fingerprint: u64,
    /// What happened.
    pub body: Body,
}

/// What happened, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// To a group of accounts.
    Group(Vec<Event>),
    /// To the registry.
    Registry(Vec<RegistryEvent>),
}

/// One item of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The registry.
    Registry(Registry, Trail),
    /// A group of accounts.
    Group(Box<Group>, Trail),
    /// Keys and the records they stand for.
    Keys(Vec<(Key, KeyLife, u64)>),
    /// Groups that came into another, by their actors, and into which.
    Joined(Vec<(ActorId, ActorId)>),
}

/// Writes `entry` into `out`, which is emptied first; the allocation is reused.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    codec::encode(entry, out);
}

/// Reads a record.
///
/// # Errors
///
/// [`WireError`] for other bytes.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, WireError> {
    codec::decode(bytes, "record")
}

/// Reads only whose record it is and the how-manieth: enough to skip it.
///
/// # Errors
///
/// [`WireError`] for other bytes.
pub fn decode_entry_head(bytes: &[u8]) -> Result<(Timestamp, ActorId, u64), WireError> {
    codec::decode_prefix(bytes, "record")
}

/// The group that a record takes in, if it takes one in. Another record costs little more than its
/// head.
///
/// # Errors
///
/// [`WireError`] for other bytes.
pub fn absorbed_in(bytes: &[u8]) -> Result<Option<Arc<Absorption>>, WireError> {
    type Head = (Timestamp, ActorId, u64, Links, Vec<(Key, KeyLife)>, u64);
    const GROUP: u8 = 0;
    const ABSORBED: u8 = 12;
    // Whose body it is, how many events, the kind of the first: a record of none ends before that.
    let kind: Result<(Head, u8, u64, u8), _> = codec::decode_prefix(bytes, "record");
    if !matches!(kind, Ok((_, GROUP, _, ABSORBED))) {
        return Ok(None);
    }
    let Body::Group(events) = decode_entry(bytes)?.body else {
        return Ok(None);
    };
    Ok(events.iter().find_map(|event| event.absorption().cloned()))
}

/// What a request is told apart by from others under the same key.
#[must_use]
pub fn fingerprint(class: &str, request: &impl bincode::Encode) -> u64 {
    codec::fingerprint(class, request)
}

/// Writes a group and its trail as a snapshot holds them.
#[must_use]
pub fn encode_group(group: &Group, trail: &Trail) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    codec::encode_with_tag(1, &(group, trail), &mut out);
    out
}

/// Writes the registry as a snapshot holds it.
#[must_use]
pub fn encode_registry(registry: &Registry, trail: &Trail) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    codec::encode_with_tag(0, &(registry, trail), &mut out);
    out
}

/// Writes keys as a snapshot holds them.
#[must_use]
pub fn encode_keys(keys: &Vec<(Key, KeyLife, u64)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(keys.len().saturating_mul(26).saturating_add(16));
    codec::encode_with_tag(2, keys, &mut out);
    out
}

/// Writes which groups came into which as a snapshot holds it.
#[must_use]
pub fn encode_joined(joined: &Vec<(ActorId, ActorId)>) -> Vec<u8> {
    let mut out = Vec::new();
    codec::encode_with_tag(3, joined, &mut out);
    out
}

/// Reads an item of a snapshot.
///
/// # Errors
///
/// [`WireError`] for other bytes.
pub fn decode_item(bytes: &[u8]) -> Result<Item, WireError> {
    match codec::tag(bytes, "snapshot item")? {
        0 => {
            let (registry, trail) = codec::decode_tagged(bytes, "registry")?;
            Ok(Item::Registry(registry, trail))
        }
        1 => {
            let (group, trail) = codec::decode_tagged(bytes, "group")?;
            Ok(Item::Group(Box::new(group), trail))
        }
        2 => codec::decode_tagged(bytes, "keys").map(Item::Keys),
        3 => codec::decode_tagged(bytes, "joined groups").map(Item::Joined),
        other => Err(WireError::Undecodable {
            kind: "snapshot item",
            what: format!("unknown kind {other}"),
        }),
    }
}

/// Writes a record of the outbox's own log into `out`, which is emptied first.
pub fn encode_outbox_record(record: &OutboxRecord, out: &mut Vec<u8>) {
    codec::encode(record, out);
}

/// Reads a record of the outbox's own log.
///
/// # Errors
///
/// [`WireError`] for other bytes.
pub fn decode_outbox_record(bytes: &[u8]) -> Result<OutboxRecord, WireError> {
    codec::decode(bytes, "outbox record")
}

/// Writes an item of the outbox's snapshot.
#[must_use]
pub fn encode_outbox_item(item: &OutboxItem) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    codec::encode(item, &mut out);
    out
}

/// Reads an item of the outbox's snapshot.
///
/// # Errors
///
/// [`WireError`] for other bytes.
pub fn decode_outbox_item(bytes: &[u8]) -> Result<OutboxItem, WireError> {
    codec::decode(bytes, "outbox item")
}

/// Whether a snapshot's item is a group.
#[must_use]
pub fn is_group(bytes: &[u8]) -> bool {
    codec::tag(bytes, "snapshot item").is_ok_and(|tag| tag == 1)
}

/// Reads a group and its trail.
///
/// # Errors
///
/// [`WireError`] for other bytes.
pub fn decode_group(bytes: &[u8]) -> Result<(Group, Trail), WireError> {
    require_group(bytes)?;
    codec::decode_tagged(bytes, "group")
}

/// Reads the id and count of a group without the rest.
///
/// # Errors
///
/// [`WireError`] for other bytes.
pub fn decode_group_head(bytes: &[u8]) -> Result<(ActorId, u64), WireError> {
    require_group(bytes)?;
    codec::decode_tagged_prefix(bytes, "group")
}

/// bincode is positional: another kind of item might decode to a group without an error.
fn require_group(bytes: &[u8]) -> Result<(), WireError> {
    if codec::tag(bytes, "group")? == 1 {
        return Ok(());
    }
    Err(WireError::Undecodable {
        kind: "group",
        what: "it is another kind of item".into(),
    })
}
