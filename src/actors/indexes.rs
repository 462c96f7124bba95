//! What the directory must know beside the actors: whose accounts there are, and which do not live
//! with the actor of their own number. Folds over the log, rebuilt at recovery.

use dashmap::DashMap;

use super::number_hash::NumberHash;
use crate::domain::{
    account::Account,
    ids::{AccountNo, ActorId, LedgerNo},
};

/// Where accounts live and whose they are.
#[derive(Debug, Default)]
pub struct Indexes {
    /// Accounts that joined another's money.
    relocated: DashMap<AccountNo, ActorId, NumberHash>,
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

    /// Notes an account that recovery found; [`Indexes::sort`] is to follow.
    pub fn recovered(&self, actor: ActorId, account: &Account) {
        if account.no.0 != actor.0 {
            self.relocated.insert(account.no, actor);
        }
        self.by_holder
            .entry(account.holder_urn.as_str().into())
            .or_default()
            .push(account.no);
        self.by_origin
            .entry(account.origin().into())
            .or_default()
            .push(account.no);
    }

    /// Puts everything that recovery found in order.
    pub fn sort(&self) {
        for index in [&self.by_holder, &self.by_origin] {
            for mut accounts in index.iter_mut() {
                accounts.sort_unstable();
                accounts.shrink_to_fit();
            }
        }
    }

    /// The holder's accounts, newest first: at most `most`, after the first `skip`.
    #[must_use]
    pub fn of_holder(&self, holder_urn: &str, skip: usize, most: usize) -> Vec<AccountNo> {
        newest_first(self.by_holder.get(holder_urn).as_deref(), skip, most)
    }

    /// The origin's accounts, newest first: at most `most`, after the first `skip`.
    #[must_use]
    pub fn of_origin(&self, origin: &str, skip: usize, most: usize) -> Vec<AccountNo> {
        newest_first(self.by_origin.get(origin).as_deref(), skip, most)
    }
}

fn push(index: &DashMap<Box<str>, Vec<AccountNo>>, name: &str, account: AccountNo) {
    if let Some(mut accounts) = index.get_mut(name) {
        insert(&mut accounts, account);
        return;
    }
    insert(&mut index.entry(name.into()).or_default(), account);
}

/// Accounts come in the order of their numbers but for races.
fn insert(accounts: &mut Vec<AccountNo>, account: AccountNo) {
    let place = accounts.partition_point(|known| *known < account);
    accounts.insert(place, account);
}

fn newest_first(accounts: Option<&Vec<AccountNo>>, skip: usize, most: usize) -> Vec<AccountNo> {
    let page = |accounts: &Vec<AccountNo>| {
        accounts
            .iter()
            .rev()
            .skip(skip)
            .take(most)
            .copied()
            .collect()
    };
    accounts.map(page).unwrap_or_default()
}
