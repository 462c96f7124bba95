//! Who an account is: its URN and holder never change and are remembered; its address is looked up.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use parking_lot::Mutex;

use super::event::{Name, Names};
use crate::{
    actors::{Engine, directory::Captured},
    domain::ids::AccountNo,
    wire,
};

/// How many accounts are remembered.
const KNOWN_MAX: usize = 65_536;
/// How often an account that just moved into another's group is looked for again.
const TURNS_MAX: usize = 4;
/// How long a busy actor may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

type Known = (Arc<str>, Arc<str>);

/// Names of accounts, for threads that may wait.
pub(super) struct Book {
    engine: Arc<Engine>,
    /// How often an account could not be asked in time.
    missed: AtomicU64,
    known: DashMap<AccountNo, Known>,
    order: Mutex<VecDeque<AccountNo>>,
}

impl Book {
    /// Nobody is known yet.
    #[must_use]
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: engine.clone(),
            missed: AtomicU64::new(0),
            known: DashMap::new(),
            order: Mutex::default(),
        }
    }

    /// How often an account could not be asked in time: what was made of a record meanwhile may not be
    /// all of it.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::SeqCst)
    }

    fn look_up(&self, account: AccountNo) -> Option<Known> {
        if let Some(known) = self.known.get(&account) {
            return Some(known.clone());
        }
        let found = (0..TURNS_MAX).find_map(|_| self.ask(account))?;
        if self.known.insert(account, found.clone()).is_none() {
            let mut order = self.order.lock();
            order.push_back(account);
            if order.len() > KNOWN_MAX
                && let Some(oldest) = order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        Some(found)
    }

    fn ask(&self, account: AccountNo) -> Option<Known> {
        let actor = self.engine.shared.indexes.actor_of(account);
        let (out, captured) = std::sync::mpsc::channel();
        let bytes = match self.engine.directory.capture(actor, &out) {
            Captured::Bytes(bytes) => bytes,
            Captured::Coming => match captured.recv_timeout(ANSWER_WITHIN) {
                Ok((_, bytes)) => bytes,
                Err(_) => {
                    self.missed.fetch_add(1, Ordering::SeqCst);
                    return None;
                }
            },
            Captured::Gone => return None,
        };
        let (group, _) = wire::decode_group(&bytes).ok()?;
        let account = group.account(account)?;
        Some((account.urn().into(), account.holder_urn.as_str().into()))
    }
}

impl Names for Book {
    fn of(&self, account: AccountNo) -> Option<Name> {
        let (urn, holder_urn) = self.look_up(account)?;
        let webhook_url = self.engine.shared.indexes.webhook_of(account);
        Some(Name {
            urn: urn.to_string(),
            holder_urn: holder_urn.to_string(),
            webhook_url: webhook_url.map(|url| url.to_string()),
        })
    }
}
