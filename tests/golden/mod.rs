//! The hand-made instances behind the golden files: every kind, every field set to something that
//! could not be another field's.

mod books;
mod events;
mod outbox;
mod parts;
mod state;

use std::sync::Arc;

use cardwright::domain::{
    event::Event,
    outbox::{OutboxItem, OutboxRecord},
    trail::Links,
};
use cardwright::wire::{
    Body, Entry, Item, Key, KeyLife, decode_entry, decode_item, decode_outbox_item,
    decode_outbox_record, encode_entry, encode_group, encode_joined, encode_keys,
    encode_outbox_item, encode_outbox_record, encode_registry,
};

use parts::{actor, time};

/// What a golden file holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Stored {
    Record(Box<Entry>),
    Item(Box<Item>),
    OutboxRecord(Box<OutboxRecord>),
    OutboxItem(Box<OutboxItem>),
}

impl Stored {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Record(entry) => {
                let mut out = Vec::new();
                encode_entry(entry, &mut out);
                out
            }
            Self::Item(item) => match item.as_ref() {
                Item::Registry(registry, trail) => encode_registry(registry, trail),
                Item::Group(group, trail) => encode_group(group, trail),
                Item::Keys(keys) => encode_keys(keys),
                Item::Joined(joined) => encode_joined(joined),
            },
            Self::OutboxRecord(record) => {
                let mut out = Vec::new();
                encode_outbox_record(record, &mut out);
                out
            }
            Self::OutboxItem(item) => encode_outbox_item(item),
        }
    }

    /// Reads bytes of the same kind as this; errors as text.
    pub(crate) fn decode_like(&self, bytes: &[u8]) -> Result<Self, String> {
        match self {
            Self::Record(_) => decode_entry(bytes)
                .map(|entry| Self::Record(Box::new(entry)))
                .map_err(|error| error.to_string()),
            Self::Item(_) => decode_item(bytes)
                .map(|item| Self::Item(Box::new(item)))
                .map_err(|error| error.to_string()),
            Self::OutboxRecord(_) => decode_outbox_record(bytes)
                .map(|record| Self::OutboxRecord(Box::new(record)))
                .map_err(|error| error.to_string()),
            Self::OutboxItem(_) => decode_outbox_item(bytes)
                .map(|item| Self::OutboxItem(Box::new(item)))
                .map_err(|error| error.to_string()),
        }
    }
}

/// Every golden file by its name.
pub(crate) fn all() -> Vec<(&'static str, Stored)> {
    let group = |(name, events)| (name, record(Body::Group(events)));
    let registry = |(name, events)| (name, record(Body::Registry(events)));
    let mut all: Vec<_> = events::of_groups().into_iter().map(group).collect();
    all.extend(events::of_the_registry().into_iter().map(registry));
    all.push(("snapshot-registry", item(state::registry())));
    let facts = state::registry_with_facts();
    all.push(("snapshot-registry-with-facts", item(facts)));
    all.push(("snapshot-group", item(state::group())));
    all.push(("snapshot-group-empty", item(state::empty_group())));
    all.push(("snapshot-keys", item(state::keys())));
    all.push(("snapshot-group-joined", item(state::joined_group())));
    all.push(("snapshot-joined", item(state::joined())));
    all.push(("snapshot-group-books", item(state::group_with_books())));
    all.extend(books::of_groups().into_iter().map(group));
    all.extend(books::of_the_registry().into_iter().map(registry));
    let absorbed = Event::Absorbed(Arc::new(state::absorption()));
    all.push(("record-absorbed", record(Body::Group(vec![absorbed]))));
    let stored = |(name, record)| (name, Stored::OutboxRecord(Box::new(record)));
    all.extend(outbox::records().into_iter().map(stored));
    let stored = |(name, item)| (name, Stored::OutboxItem(Box::new(item)));
    all.extend(outbox::items().into_iter().map(stored));
    all
}

fn item(item: Item) -> Stored {
    Stored::Item(Box::new(item))
}

fn record(body: Body) -> Stored {
    Stored::Record(Box::new(Entry {
        time: time(1),
        actor: actor(2),
        sequence: 300,
        links: Links {
            previous: 70_000,
            skip: 60_000,
        },
        keys: vec![
            (Key([u64::MAX, 1]), KeyLife::Permanent),
            (Key([2, 3]), KeyLife::Expiring),
        ],
        fingerprint: 0x0123_4567_89ab_cdef,
        body,
    }))
}
