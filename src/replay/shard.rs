//! Folds the records of some of the actors: the unit of parallel recovery, of time travel and of
//! verification.

use std::collections::BTreeMap;

use crate::{
    domain::{
        apply::{self, Stamp},
        event::Event,
        ids::ActorId,
        time::Timestamp,
        trail::Trail,
    },
    journal::Lsn,
    wire::{self, Body, Entry, WireError},
};

use crate::domain::group::Group;

/// A record that does not follow from those before it.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// It does not decode.
    #[error("the record at lsn {lsn}: {source}")]
    Wire {
        /// Where it stands.
        lsn: Lsn,
        /// What is wrong.
        #[source]
        source: WireError,
    },
    /// Records of its actor are missing before it.
    #[error("the record at lsn {lsn} is number {found} of actor {actor}, {expected} was due")]
    Gap {
        /// Where it stands.
        lsn: Lsn,
        /// Whose it is.
        actor: u64,
        /// Its number.
        found: u64,
        /// The number that was due.
        expected: u64,
    },
    /// Its links do not point at its actor's earlier records.
    #[error("the record at lsn {lsn} of actor {actor} points at other records than its own")]
    Links {
        /// Where it stands.
        lsn: Lsn,
        /// Whose it is.
        actor: u64,
    },
    /// It breaks an invariant.
    #[error("the record at lsn {lsn} of actor {actor} breaks an invariant: {what}")]
    Invariant {
        /// Where it stands.
        lsn: Lsn,
        /// Whose it is.
        actor: u64,
        /// Which.
        what: String,
    },
    /// A snapshot's item does not decode.
    #[error("a snapshot item: {0}")]
    Item(WireError),
}

/// A group as it is after the fold.
pub struct Folded {
    /// Its state.
    pub group: Group,
    /// Where its records are.
    pub trail: Trail,
    /// As the snapshot held it, if no record came since.
    pub bytes: Option<Box<[u8]>>,
}

enum Slot {
    /// As the snapshot holds it; no record came since.
    Bytes(Box<[u8]>),
    Open(Box<(Group, Trail)>),
}

/// The groups of one shard while they are folded.
#[derive(Default)]
pub struct Shard {
    slots: BTreeMap<ActorId, Slot>,
    /// How many records were applied.
    pub applied: u64,
    /// How many the snapshot held already.
    pub skipped: u64,
    /// The latest moment of a record.
    pub last_time: Timestamp,
    /// The groups that records took in, and into which. What their own records came to stays as it is.
    pub joined: Vec<(ActorId, ActorId)>,
    /// Actors of which the records begin in the middle. That is a fault, unless the group came into
    /// another before the snapshot looked for it, and that other one holds it.
    pub headless: BTreeMap<ActorId, FoldError>,
}

impl Shard {
    /// Takes a group as a snapshot holds it.
    ///
    /// # Errors
    ///
    /// [`FoldError::Item`] for other bytes.
    pub fn load(&mut self, bytes: Vec<u8>) -> Result<(), FoldError> {
        let (actor, _) = wire::decode_group_head(&bytes).map_err(FoldError::Item)?;
        self.slots
            .insert(actor, Slot::Bytes(bytes.into_boxed_slice()));
        Ok(())
    }

    /// Applies a record of one of the shard's actors, unless the snapshot held it already.
    ///
    /// # Errors
    ///
    /// [`FoldError`] if it does not follow from those before it; a beginning that is missing is noted
    /// in [`Shard::headless`].
    pub fn fold(&mut self, lsn: Lsn, payload: &[u8]) -> Result<Option<Entry>, FoldError> {
        let wire = |source| FoldError::Wire { lsn, source };
        let entry = wire::decode_entry(payload).map_err(wire)?;
        match self.fold_entry(lsn, &entry) {
            Ok(is_new) => Ok(is_new.then_some(entry)),
            Err(error @ FoldError::Gap { expected: 1, .. }) => {
                self.headless.entry(entry.actor).or_insert(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The same with a record that is decoded already; `false` if the snapshot held it.
    ///
    /// # Errors
    ///
    /// [`FoldError`] if it does not follow from those before it; the group is not to be used then.
    pub fn fold_entry(&mut self, lsn: Lsn, entry: &Entry) -> Result<bool, FoldError> {
        let Body::Group(events) = &entry.body else {
            return Ok(true);
        };
        let slot = self
            .slots
            .entry(entry.actor)
            .or_insert_with(|| Slot::Open(Box::new((Group::new(entry.actor), Trail::default()))));
        if let Slot::Bytes(bytes) = slot {
            *slot = Slot::Open(Box::new(
                wire::decode_group(bytes).map_err(FoldError::Item)?,
            ));
        }
        let Slot::Open(open) = slot else {
            return Ok(false);
        };
        let (group, trail) = &mut **open;
        self.last_time = self.last_time.max(entry.time);
        if entry.sequence <= trail.count() {
            self.skipped = self.skipped.saturating_add(1);
            return Ok(false);
        }
        let actor = entry.actor.0;
        let expected = trail.count().saturating_add(1);
        if entry.sequence != expected {
            return Err(FoldError::Gap {
                lsn,
                actor,
                found: entry.sequence,
                expected,
            });
        }
        if entry.links != trail.next_links() {
            return Err(FoldError::Links { lsn, actor });
        }
        let stamp = Stamp {
            lsn: lsn.get(),
            time: entry.time,
        };
        let applied = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            apply::apply(group, events, stamp);
        }));
        if let Err(panic) = applied {
            return Err(FoldError::Invariant {
                lsn,
                actor,
                what: panic_text(panic.as_ref()),
            });
        }
        trail.push(lsn.get());
        let taken_in = events.iter().filter_map(Event::absorption);
        self.joined
            .extend(taken_in.map(|it| (it.group.id, entry.actor)));
        self.applied = self.applied.saturating_add(1);
        Ok(true)
    }

    /// A group as it is now, if a record of it was folded and it is not at rest.
    #[must_use]
    pub fn group(&self, actor: ActorId) -> Option<(&Group, &Trail)> {
        match self.slots.get(&actor)? {
            Slot::Open(open) => Some((&open.0, &open.1)),
            Slot::Bytes(_) => None,
        }
    }

    /// Puts every group into the compact form of a snapshot until a record needs it: for a reader
    /// of many cards that has no hurry.
    pub fn rest(&mut self) {
        for slot in self.slots.values_mut() {
            if let Slot::Open(open) = slot {
                let bytes = wire::encode_group(&open.0, &open.1);
                *slot = Slot::Bytes(bytes.into_boxed_slice());
            }
        }
    }

    /// The groups as they are now, in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`FoldError::Item`] if a snapshot's bytes do not decode.
    pub fn into_groups(self) -> impl Iterator<Item = Result<Folded, FoldError>> {
        self.slots.into_values().map(|slot| match slot {
            Slot::Open(open) => Ok(Folded {
                group: open.0,
                trail: open.1,
                bytes: None,
            }),
            Slot::Bytes(bytes) => {
                let (group, trail) = wire::decode_group(&bytes).map_err(FoldError::Item)?;
                Ok(Folded {
                    group,
                    trail,
                    bytes: Some(bytes),
                })
            }
        })
    }
}

/// What a panic said.
#[must_use]
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown")
        .to_owned()
}
