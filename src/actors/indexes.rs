//! What the directory must know beside the actors: whose accounts there are, and which do not live
//! with the actor of their own number. Folds over the log, rebuilt at recovery.

use dashmap::DashMap;

use crate::domain::{
    account::Account,
    ids::{AccountNo, ActorId, LedgerNo},
};

/// Where accounts live and whose they are.
#[derive(Debug, Default)]
pub struct Indexes {
    /// Accounts that joined another's money.
    relocated: DashMap<AccountNo, ActorId>,
    /// By holder, in the order of making.
    by_holder: DashMap<Box<str>, Vec<AccountNo>>,
    /// By origin, in the order of making.
    by_origin: DashMap<Box<str>, Vec<AccountNo>>,
}

impl Indexes {
    /// The actor of an account, if such an account exists.
    #[must_use]
    pub fn actor_of(&self, account: AccountNo) -> ActorId {
        self.relocated
            .get(&account)
            .map_or(ActorId(account.0), |actor| *actor)
    }

    /// The actor of a ledger account, if it exists.
    #[must_use]
    pub const fn actor_of_ledger(&self, ledger: LedgerNo) -> ActorId {
        ActorId(ledger.0)
    }

    /// Notes a new account of `actor`.
    pub fn opened(&self, actor: ActorId, account: &Account) {
        if account.no.0 != actor.0 {
            self.relocated.insert(account.no, actor);
        }
        push(&self.by_holder, &account.holder_urn, account.no);
        push(&self.by_origin, account.origin(), account.no);
    }

    /// The holder's accounts, newest first.
    #[must_use]
    pub fn of_holder(&self, holder_urn: &str) -> Vec<AccountNo> {
        newest_first(self.by_holder.get(holder_urn).as_deref())
    }

    /// The origin's accounts, newest first.
    #[must_use]
    pub fn of_origin(&self, origin: &str) -> Vec<AccountNo> {
        newest_first(self.by_origin.get(origin).as_deref())
    }
}

fn push(index: &DashMap<Box<str>, Vec<AccountNo>>, name: &str, account: AccountNo) {
    if let Some(mut accounts) = index.get_mut(name) {
        // Accounts come in the order of their numbers but for races and recovery's threads.
        let place = accounts.partition_point(|known| *known < account);
        accounts.insert(place, account);
        return;
    }
    let mut accounts = index.entry(name.into()).or_default();
    let place = accounts.partition_point(|known| *known < account);
    accounts.insert(place, account);
}

fn newest_first(accounts: Option<&Vec<AccountNo>>) -> Vec<AccountNo> {
    accounts
        .map(|accounts| accounts.iter().rev().copied().collect())
        .unwrap_or_default()
}
