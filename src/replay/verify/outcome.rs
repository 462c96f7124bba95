//! What one thread of a verification came to.

use std::{collections::BTreeMap, sync::Arc};

use super::{finding::Findings, keys::LogKeys, plain::Houses, transit::Passage};
use crate::{
    domain::{
        funds::Balance,
        group::Group,
        ids::{ActorId, LedgerNo},
        money::Asset,
    },
    journal::Lsn,
    replay::sum::Sum,
};

/// How many things were looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checked {
    /// Records of the log.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Events in them.
    pub events: u64,
    /// Postings in them.
    pub postings: u64,
    /// Actors, the registry too.
    pub actors: u64,
    /// Accounts.
    pub accounts: u64,
    /// Balances: one for each ledger account and asset.
    pub balances: u64,
    /// Authorizations that hold money.
    pub open_holds: u64,
    /// Transfers between actors.
    pub transfers: u64,
    /// Of them, those still on their way.
    pub in_transit: u64,
    /// Keys of requests.
    pub keys: u64,
    /// Snapshots that were read.
    pub snapshots: u64,
    /// Groups in snapshots that were compared with the replay.
    pub snapshot_groups: u64,
    /// Keys in snapshots that were compared with the log.
    pub snapshot_keys: u64,
    /// Records of the outbox's log.
    pub outbox_records: u64,
}

impl Checked {
    /// Adds another part's.
    pub fn add(&mut self, other: &Self) {
        for (own, others) in [
            (&mut self.records, other.records),
            (&mut self.bytes, other.bytes),
            (&mut self.events, other.events),
            (&mut self.postings, other.postings),
            (&mut self.actors, other.actors),
            (&mut self.accounts, other.accounts),
            (&mut self.balances, other.balances),
            (&mut self.open_holds, other.open_holds),
            (&mut self.snapshot_groups, other.snapshot_groups),
        ] {
            *own = own.saturating_add(others);
        }
    }
}

/// An account and its money, to be held against a running server.
#[derive(Clone, Debug)]
pub struct AccountMoney {
    /// Its URN.
    pub urn: String,
    /// Its origin.
    pub origin: String,
    /// The money behind it.
    pub ledger: LedgerNo,
    /// What it has.
    pub balances: Vec<(Asset, Balance)>,
}

/// What a record says of a group that came into another.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Into whose it came.
    pub home: ActorId,
    /// The record.
    pub lsn: Lsn,
    /// The digest of the group as a snapshot would hold it.
    pub digest: u128,
}

/// The groups that came into others, by their actors.
pub type Joined = BTreeMap<ActorId, Taken>;

/// What one thread came to.
#[derive(Default)]
pub struct Outcome {
    /// What it found.
    pub findings: Findings,
    /// What it looked at.
    pub checked: Checked,
    /// What the house has.
    pub houses: Houses,
    /// What ledger accounts have, as the records state: spendable, held, accounts.
    pub stated: BTreeMap<Asset, (Sum, Sum, u64)>,
    /// Steps of transfers.
    pub passages: Vec<Passage>,
    /// Keys of requests.
    pub keys: LogKeys,
    /// Accounts, if they were asked for.
    pub accounts: Vec<AccountMoney>,
    /// A document of the vault.
    pub sealed: Option<Arc<str>>,
}

/// The accounts of a group and their money.
pub(super) fn money_of(group: &Group) -> impl Iterator<Item = AccountMoney> {
    group.accounts.iter().map(|account| AccountMoney {
        urn: account.urn(),
        origin: account.origin().to_owned(),
        ledger: account.ledger,
        balances: group
            .ledger(account.ledger)
            .map(|ledger| ledger.balances.clone())
            .unwrap_or_default(),
    })
}
