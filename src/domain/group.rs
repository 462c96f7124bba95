//! The state one actor owns: accounts that share money, the money, and its holds.

use std::collections::BTreeMap;

use super::{
    account::{Account, Status},
    books::Books,
    command::Transfer,
    funds::LedgerAccount,
    ids::{AccountNo, ActorId, AuthorizationId, LedgerNo, TransferId},
    kept::OpenAuthorization,
    time::Timestamp,
    trail::Trail,
};

/// Accounts that share money, the money, and what is held of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Who owns it.
    pub id: ActorId,
    /// How many records made it.
    pub sequence: u64,
    /// The moment of the last record; each record's moment is later than the one before.
    pub last_time: Timestamp,
    /// The faces, in the order of making.
    pub accounts: Vec<Account>,
    /// The money, in the order of making.
    pub ledgers: Vec<LedgerAccount>,
    /// How many authorizations were decided here.
    pub authorizations: u32,
    /// Authorizations that hold money.
    pub open: BTreeMap<AuthorizationId, OpenAuthorization>,
    /// The others: where the last record of each stands in the log.
    pub closed: BTreeMap<AuthorizationId, u64>,
    /// Money sent to other actors and not yet known to have arrived.
    pub outgoing: BTreeMap<TransferId, Transfer>,
    /// Transfers that arrived, so that none arrives twice.
    pub received: BTreeMap<TransferId, u64>,
    /// The groups that came into this one, and into those, in the order of their coming.
    pub branches: Vec<Branch>,
    /// The transactions of the ledger face that were decided here; none for most groups.
    pub books: Option<Box<Books>>,
}

/// A group that came into another: where the past of its accounts is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Who owned it.
    pub actor: ActorId,
    /// Where its last record stands in the log.
    pub newest: u64,
    /// Where the record stands by which it came.
    pub joined: u64,
}

/// A group as it was when another took it in, with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absorption {
    /// Its state.
    pub group: Group,
    /// Where its records are.
    pub trail: Trail,
}

/// How many accounts one group holds at the most: each purchase looks at them.
pub const ACCOUNTS_MAX: usize = 64;

impl Group {
    /// Without accounts.
    #[must_use]
    pub const fn new(id: ActorId) -> Self {
        Self {
            id,
            sequence: 0,
            last_time: Timestamp::from_micros(0),
            accounts: Vec::new(),
            ledgers: Vec::new(),
            authorizations: 0,
            open: BTreeMap::new(),
            closed: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            received: BTreeMap::new(),
            branches: Vec::new(),
            books: None,
        }
    }

    /// The account with that number.
    #[must_use]
    pub fn account(&self, no: AccountNo) -> Option<&Account> {
        self.accounts.iter().find(|account| account.no == no)
    }

    /// The ledger account with that number.
    #[must_use]
    pub fn ledger(&self, no: LedgerNo) -> Option<&LedgerAccount> {
        self.ledgers.iter().find(|ledger| ledger.no == no)
    }

    /// Who gave the numbers to the authorizations of this group, the latest first: itself, then those
    /// that came into it. Of one account, all that a later one numbered is newer.
    pub fn numberers(&self) -> impl Iterator<Item = ActorId> {
        let before = self.branches.iter().rev().map(|branch| branch.actor);
        std::iter::once(self.id).chain(before)
    }

    /// Whether some account in front of that money still exists.
    #[must_use]
    pub fn has_face(&self, no: LedgerNo) -> bool {
        self.accounts
            .iter()
            .any(|account| account.ledger == no && account.status != Status::Deleted)
    }
}
