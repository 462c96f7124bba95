//! What the directory must know beside the actors: whose accounts there are, and which do not live
//! with the actor of their own number. Folds over the log, rebuilt at recovery.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use dashmap::{DashMap, Entry, mapref::multiple::RefMulti};

use super::wide_map::WideMap;
use crate::domain::{
    account::{Account, Medium},
    ids::{AccountNo, ActorId, LedgerNo},
};

/// Where accounts live and whose they are.
#[derive(Debug, Default)]
pub struct Indexes {
    /// Accounts that joined another's money.
    relocated: WideMap<AccountNo, ActorId>,
    /// Whether there is any: in a house without pockets nobody looks.
    has_relocated: AtomicBool,
    /// Groups that came into another, by their actors: where each went.
    joined: WideMap<ActorId, ActorId>,
    /// How many there are: mostly none, and then nobody looks.
    joined_count: AtomicUsize,
    /// By holder, in the order of making.
    by_holder: DashMap<Box<str>, Vec<AccountNo>>,
    /// By origin, in the order of making; without ledger balances.
    by_origin: DashMap<Box<str>, Vec<AccountNo>>,
    /// Ledger balances by origin, in the order of making: nobody's but the origin's, and as many as they
    /// may be, the programme's lists do not walk over them.
    balances: DashMap<Box<str>, Vec<AccountNo>>,
    /// Where the events of those accounts go that name an address: mostly few do.
    webhooks: WideMap<AccountNo, Arc<str>>,
    /// Actors of which some account names an address, or did.
    hooked: WideMap<ActorId, ()>,
    /// Whether anyone ever asked for events: until then nobody reads the log for them.
    expects_webhooks: AtomicBool,
    /// The fingerprints of all cards' numbers, and whether a card is recorded with it.
    numbers: WideMap<[u8; 16], bool, RandomState>,
    /// Under which keys of the vault recovery found card data, and how often.
    sealed: DashMap<u32, u64>,
}

impl Indexes {
    /// The actor of an account, if such an account exists.
    #[must_use]
    pub fn actor_of(&self, account: AccountNo) -> ActorId {
        let own = ActorId(account.0);
        if !self.has_relocated.load(Ordering::Acquire) {
            return self.home_of(own);
        }
        let known = self.relocated.get(&account).map(|actor| *actor);
        self.home_of(known.unwrap_or(own))
    }

    /// The actor that has what `actor` had: itself, unless its group came into another.
    #[must_use]
    pub fn home_of(&self, actor: ActorId) -> ActorId {
        let mut home = actor;
        if self.joined_count.load(Ordering::Acquire) == 0 {
            return home;
        }
        // A group that came into another never comes back, so this ends.
        while let Some(next) = self.joined.get(&home).map(|next| *next) {
            home = next;
        }
        home
    }

    /// Someone asks for events. To be said before that is recorded, so that nothing behind it in the
    /// log is passed over.
    pub fn expect_webhooks(&self) {
        if !self.expects_webhooks() {
            self.expects_webhooks.store(true, Ordering::SeqCst);
        }
    }

    /// Whether anyone ever asked for events.
    #[must_use]
    pub fn expects_webhooks(&self) -> bool {
        self.expects_webhooks.load(Ordering::SeqCst)
    }

    /// Notes where the events of an account of `actor` go from now on.
    pub fn hook(&self, actor: ActorId, account: &Account) {
        match &account.webhook_url {
            Some(url) => {
                self.expect_webhooks();
                self.webhooks.insert(account.no, url.as_str().into());
                self.hooked.insert(actor, ());
            }
            None => {
                self.webhooks.remove(&account.no);
            }
        }
    }

    /// Where the events of an account go, if it names an address.
    #[must_use]
    pub fn webhook_of(&self, account: AccountNo) -> Option<Arc<str>> {
        self.webhooks.get(&account).map(|url| url.clone())
    }

    /// Whether an account of that actor names an address, or did.
    #[must_use]
    pub fn is_hooked(&self, actor: ActorId) -> bool {
        self.hooked.contains_key(&actor)
    }

    /// Whether the account is of that origin.
    #[must_use]
    pub fn is_of(&self, account: AccountNo, origin: &str) -> bool {
        [&self.by_origin, &self.balances].into_iter().any(|index| {
            let accounts = index.get(origin);
            accounts.is_some_and(|accounts| accounts.binary_search(&account).is_ok())
        })
    }

    /// Notes that the group of `actor` came into that of `home`.
    pub fn joined(&self, actor: ActorId, home: ActorId) {
        if self.is_hooked(actor) {
            self.hooked.insert(home, ());
        }
        if self.joined.insert(actor, home).is_none() {
            self.joined_count.fetch_add(1, Ordering::Release);
        }
    }

    /// The groups that came into another, and into which, in no order.
    #[must_use]
    pub fn all_joined(&self) -> Vec<(ActorId, ActorId)> {
        let pair = |entry: RefMulti<'_, ActorId, ActorId>| (*entry.key(), *entry.value());
        self.joined.iter().map(pair).collect()
    }

    /// The actor of a ledger account, if it exists.
    #[must_use]
    pub fn actor_of_ledger(&self, ledger: LedgerNo) -> ActorId {
        // It has the number of the account it was made with.
        self.actor_of(AccountNo(ledger.0))
    }

    /// Notes that an account lives with `actor`, if that is not what its number says.
    fn locate(&self, actor: ActorId, account: &Account) {
        if account.no.0 != actor.0 {
            self.relocated.insert(account.no, actor);
            self.has_relocated.store(true, Ordering::Release);
        }
    }

    /// Notes a new account of `actor`.
    pub fn opened(&self, actor: ActorId, account: &Account) {
        self.locate(actor, account);
        if is_balance(account) {
            push(&self.balances, account.origin(), account.no);
        } else {
            push(&self.by_holder, &account.holder_urn, account.no);
            push(&self.by_origin, account.origin(), account.no);
        }
        if account.webhook_url.is_some() {
            self.hook(actor, account);
        }
        self.issued(account);
    }

    fn issued(&self, account: &Account) {
        if let Some(file) = &account.card {
            self.numbers.insert(file.fingerprint, true);
        }
    }

    /// Reserves a card's number by its fingerprint: no for one that a card has or is about to have. Of
    /// two who ask at once one gets it. It stays reserved until the process ends or it is given back.
    #[must_use]
    pub fn reserve_number(&self, fingerprint: [u8; 16]) -> bool {
        match self.numbers.entry(fingerprint) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(false);
                true
            }
        }
    }

    /// Gives a reserved number back, unless a card has it by now.
    pub fn release_number(&self, fingerprint: [u8; 16]) {
        self.numbers
            .remove_if(&fingerprint, |_, is_issued| !is_issued);
    }

    /// Every account of every origin, in no order.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountNo> {
        let mut accounts = Vec::new();
        for index in [&self.by_origin, &self.balances] {
            for of_origin in index {
                accounts.extend_from_slice(of_origin.value());
            }
        }
        accounts
    }

    /// Notes an account that recovery found; [`Indexes::sort`] is to follow.
    pub fn recovered(&self, actor: ActorId, account: &Account) {
        self.locate(actor, account);
        let add = |index: &DashMap<Box<str>, Vec<AccountNo>>, name: &str| {
            index.entry(name.into()).or_default().push(account.no);
        };
        if is_balance(account) {
            add(&self.balances, account.origin());
        } else {
            add(&self.by_holder, &account.holder_urn);
            add(&self.by_origin, account.origin());
        }
        if account.webhook_url.is_some() {
            self.hook(actor, account);
        }
        self.issued(account);
        for key in account.card.iter().flat_map(|file| file.keys()) {
            let mut count = self.sealed.entry(key).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Under which keys of the vault recovery found card data, and how often.
    #[must_use]
    pub fn sealed_at_start(&self) -> BTreeMap<u32, u64> {
        let pairs = self.sealed.iter();
        pairs.map(|entry| (*entry.key(), *entry.value())).collect()
    }

    /// Puts everything that recovery found in order.
    pub fn sort(&self) {
        for index in [&self.by_holder, &self.by_origin, &self.balances] {
            for mut accounts in index.iter_mut() {
                accounts.sort_unstable();
                accounts.shrink_to_fit();
            }
        }
    }

    /// An owner's accounts in the order of their making or against it: at most `most`, those after
    /// `after` in that order, without the first `skip` of them.
    #[must_use]
    pub fn listed(
        &self,
        owner: Owner<'_>,
        order: Order,
        after: Option<AccountNo>,
        (skip, most): (usize, usize),
    ) -> Vec<AccountNo> {
        let known = match owner {
            Owner::Holder(urn) => self.by_holder.get(urn),
            Owner::Origin(name) => self.by_origin.get(name),
            Owner::Balances(name) => self.balances.get(name),
        };
        let Some(accounts) = known else {
            return Vec::new();
        };
        match order {
            Order::OldestFirst => {
                let from = after.map_or(0, |after| accounts.partition_point(|no| *no <= after));
                let rest = accounts.get(from..).unwrap_or_default();
                rest.iter().skip(skip).take(most).copied().collect()
            }
            Order::NewestFirst => {
                let end = after.map_or(accounts.len(), |after| {
                    accounts.partition_point(|no| *no < after)
                });
                let rest = accounts.get(..end).unwrap_or_default();
                rest.iter().rev().skip(skip).take(most).copied().collect()
            }
        }
    }
}

const fn is_balance(account: &Account) -> bool {
    matches!(account.medium, Medium::Balance(_))
}

/// Whose accounts are listed.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// A holder's, by URN.
    Holder(&'a str),
    /// A programme's, by name; without ledger balances.
    Origin(&'a str),
    /// An origin's ledger balances, by its name.
    Balances(&'a str),
}

/// Which come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those made last.
    NewestFirst,
    /// Those made first.
    OldestFirst,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_on_where_they_ended() {
        let indexes = Indexes::default();
        for no in [1_u64, 3, 2, 5, 4] {
            push(&indexes.by_holder, "h", AccountNo(no));
        }
        let page = |order, after: Option<u64>, skip, most| {
            let owner = Owner::Holder("h");
            let page = indexes.listed(owner, order, after.map(AccountNo), (skip, most));
            page.into_iter().map(|no| no.0).collect::<Vec<_>>()
        };
        assert_eq!(page(Order::NewestFirst, None, 0, 2), [5, 4]);
        assert_eq!(page(Order::NewestFirst, Some(4), 0, 9), [3, 2, 1]);
        assert_eq!(page(Order::NewestFirst, None, 1, 2), [4, 3]);
        assert_eq!(page(Order::OldestFirst, None, 1, 2), [2, 3]);
        assert_eq!(page(Order::OldestFirst, Some(3), 0, 9), [4, 5]);
        let nobody = indexes.listed(Owner::Origin("o"), Order::NewestFirst, None, (0, 9));
        assert!(nobody.is_empty());
    }
    #[test]
    fn a_number_is_had_once() {
        let indexes = Indexes::default();
        let fingerprint = [7; 16];
        assert!(indexes.reserve_number(fingerprint));
        assert!(!indexes.reserve_number(fingerprint));
        indexes.release_number(fingerprint);
        assert!(indexes.reserve_number(fingerprint));
        indexes.numbers.insert(fingerprint, true);
        indexes.release_number(fingerprint);
        assert!(!indexes.reserve_number(fingerprint), "a card has it");
    }
}
