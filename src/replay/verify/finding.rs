//! What a verification says: findings, each with its place and what to do about it.

use std::sync::Arc;

use super::snapshots::place_of;
use crate::{
    domain::ids::ActorId,
    journal::{JournalError, Lsn},
};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Stored bytes cannot be read as they were written.
    Damage,
    /// What is stored can be read and is wrong.
    Fault,
}

impl Severity {
    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Damage => "damage",
            Self::Fault => "fault",
        }
    }
}

/// Which check a finding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Frames and checksums of the log.
    Log,
    /// Its files can be read.
    Unreadable,
    /// The epoch's file is whole.
    Epoch,
    /// Segments are as long as they were made.
    Size,
    /// An unfinished write at the log's end.
    Tail,
    /// Positions grow.
    Order,
    /// A record decodes, and says what its actor may say.
    Record,
    /// Each actor's records are numbered without a gap.
    Sequence,
    /// Each record points at its actor's earlier ones.
    Links,
    /// Time grows from record to record of an actor.
    Time,
    /// Postings lead to the balances that a record states.
    Balance,
    /// `current + pending == in − out`, and `pending >= 0`.
    Soundness,
    /// `current` goes below zero only where a clearing cannot be declined.
    Overdraft,
    /// Open authorizations hold exactly what is pending.
    Hold,
    /// No key protects two requests.
    Key,
    /// Money between actors leaves once and ends once.
    Transit,
    /// Everything together is zero.
    TrialBalance,
    /// The engine's own replay comes to the same state.
    Replay,
    /// The log reaches as far as what was made of it.
    Lost,
    /// Snapshots are whole and say what the log says.
    Snapshot,
    /// What waits to be sent can be read.
    Outbox,
    /// The vault's keys open what was sealed.
    Vault,
    /// A running server says what the log says.
    Server,
}

impl Check {
    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Unreadable => "unreadable",
            Self::Epoch => "epoch",
            Self::Size => "size",
            Self::Tail => "tail",
            Self::Order => "order",
            Self::Record => "record",
            Self::Sequence => "sequence",
            Self::Links => "links",
            Self::Time => "time",
            Self::Balance => "balance",
            Self::Soundness => "soundness",
            Self::Overdraft => "overdraft",
            Self::Hold => "hold",
            Self::Key => "key",
            Self::Transit => "transit",
            Self::TrialBalance => "trial_balance",
            Self::Replay => "replay",
            Self::Lost => "lost",
            Self::Snapshot => "snapshot",
            Self::Outbox => "outbox",
            Self::Vault => "vault",
            Self::Server => "server",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Log => {
                "stop the server, keep a copy of the whole data directory, and restore this \
                 segment from a backup or a replica; do not edit or remove it"
            }
            Self::Lost => {
                "stop the server, keep a copy of the whole data directory, and restore the log's \
                 segments from a backup or a replica; do not remove the snapshot: it may be all \
                 that is left of the records behind the log's end"
            }
            Self::Unreadable => {
                "nothing says that the data is damaged: see that this user may read the file and \
                 that the disk is well, then verify again"
            }
            Self::Epoch => {
                "move this file out of the directory: the next start makes a new one, from what the \
                 log says"
            }
            Self::Size => {
                "compare the file with the one it was copied from, or with a backup, and take the \
                 longer one; if there is no other, nothing can be done"
            }
            Self::Tail => {
                "nothing: it was never acknowledged; the next start cuts it, and beside a running \
                 server it is the write under way"
            }
            Self::Snapshot => {
                "move this file out of snapshots/ so that recovery takes an older one or the \
                 whole log, then take a new snapshot and verify again"
            }
            Self::Outbox => {
                "stop the server, keep a copy of the whole data directory, and restore outbox/ from a \
                 backup or a replica; without one, move outbox/ away: what waited to be sent is lost \
                 then, the money is as it was"
            }
            Self::Vault => {
                "name the keys that the server has, by --vault-key-file or in CARDWRIGHT_VAULT_KEY, and \
                 verify again; if these are they, restore the file from a backup: without its keys \
                 the server does not start and no card number can be shown, the money is as it was"
            }
            Self::Server => {
                "check that the server runs on this data directory and the key sees these \
                 accounts; if so, stop it: it rebuilds its state from the log"
            }
            Self::Order
            | Self::Record
            | Self::Sequence
            | Self::Links
            | Self::Time
            | Self::Balance
            | Self::Soundness
            | Self::Overdraft
            | Self::Hold
            | Self::Key
            | Self::Transit
            | Self::TrialBalance
            | Self::Replay => {
                "stop the server, keep a copy of the whole data directory, look at the record \
                 with `cardwright inspect log --after LSN`, and report it: money may be wrong \
                 from here on"
            }
        }
    }
}

/// Where something was found, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Position in the log.
    pub lsn: Option<Lsn>,
    /// File name.
    pub file: Option<Arc<str>>,
    /// Byte offset in it.
    pub offset: Option<u64>,
    /// Whose records they are.
    pub actor: Option<ActorId>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which check it comes from.
    pub check: Check,
    /// Where.
    pub spot: Spot,
    /// What.
    pub what: String,
}

/// Findings, at most so many that a wholly broken log does not fill the memory.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Those that are kept.
    pub kept: Vec<Finding>,
    /// How many more there were.
    pub more: u64,
    has_failed: bool,
}

const KEPT_MAX: usize = 1_000;

impl Findings {
    /// Adds one.
    pub fn push(&mut self, severity: Severity, check: Check, spot: Spot, what: impl Into<String>) {
        self.add(Finding {
            severity,
            check,
            spot,
            what: what.into(),
        });
    }

    /// Adds what an error of the journal says: a file that cannot be read is not for that damaged.
    pub fn refused(&mut self, check: Check, error: JournalError) {
        let is_read = !matches!(error, JournalError::Io { .. });
        let check = if is_read { check } else { Check::Unreadable };
        let (spot, what) = place_of(error);
        self.push(Severity::Damage, check, spot, what);
    }

    fn add(&mut self, finding: Finding) {
        self.has_failed |= finding.severity > Severity::Info;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(finding);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Adds those of another part.
    pub fn append(&mut self, other: Self) {
        self.has_failed |= other.has_failed;
        self.more = self.more.saturating_add(other.more);
        for finding in other.kept {
            self.add(finding);
        }
    }

    /// Puts them in the order of the log.
    pub fn sort(&mut self) {
        self.kept
            .sort_by(|a, b| (&a.spot, a.check).cmp(&(&b.spot, b.check)));
    }

    /// Whether every check holds.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        !self.has_failed
    }
}
