//! Brings accounts that are to share money into one actor.
//!
//! One group hands over all it has and waits; the other takes it in with one record, or refuses. The
//! record is the whole of it: before it nothing has happened, after it the first group is no more.

use tokio::sync::oneshot;

use super::{
    card_actor::Join,
    engine::{Engine, EngineError},
    hosted::{Refusal, Request, Target},
};
use crate::domain::{
    account::Account,
    books::Books,
    command::Command,
    group::ACCOUNTS_MAX,
    ids::ActorId,
    outcome::Rejection,
    policy::{Link, metadata::MetadataError},
};

/// How often two groups are tried that are just moving.
const TRIES_MAX: usize = 64;
/// How long a request waits for a group that is just moving.
const JOINING_MS_MAX: usize = 5_000;

impl Engine {
    /// Brings the accounts that a request names to where the request goes. An account that is still to
    /// be opened goes to them instead.
    pub(super) async fn bring_to(
        &self,
        request: &mut Request,
        holder_urn: &str,
        links: &[Link],
    ) -> Result<(), EngineError> {
        let home = self.actor_of(&request.target);
        let is_new = matches!(request.command, Command::OpenAccount(_))
            && self
                .read(Target::Actor(home), None, |it| it.trail.count())
                .await?
                == 0;
        let together = self
            .bring_together((!is_new).then_some(home), holder_urn, links)
            .await?;
        if is_new {
            request.target = Target::Actor(together);
            self.directory.discard_if_empty(home);
        }
        Ok(())
    }

    /// Brings the accounts of `links` into one actor, with those of `home` if there is one; returns
    /// which. They must be `holder_urn`'s. What was brought together stays together.
    ///
    /// # Errors
    ///
    /// [`Rejection::Link`] with the key of the first account that is not there, is another holder's, or
    /// would be one too many; [`EngineError`] if it cannot be done now.
    pub async fn bring_together(
        &self,
        home: Option<ActorId>,
        holder_urn: &str,
        links: &[Link],
    ) -> Result<ActorId, EngineError> {
        let _turn = self.joining.lock().await;
        let mut together = home;
        let mut accounts = match home {
            Some(home) => self.weigh(home).await?.accounts,
            // The account that is still to be opened comes on top.
            None => 1,
        };
        let mut actors: Vec<ActorId> = home.into_iter().collect();
        for link in links {
            self.check_link(link, holder_urn).await?;
            let actor = self.shared.indexes.actor_of(link.account);
            if actors.contains(&actor) {
                continue;
            }
            actors.push(actor);
            accounts = accounts.saturating_add(self.weigh(actor).await?.accounts);
            if accounts > ACCOUNTS_MAX {
                let what = format!(
                    "would bring {accounts} accounts together, at most {ACCOUNTS_MAX} may share money"
                );
                return Err(refused(link, what));
            }
        }
        for link in links {
            let actor = self.shared.indexes.actor_of(link.account);
            together = Some(match together {
                None => actor,
                Some(known) => self
                    .join(known, actor)
                    .await
                    .map_err(|error| named(error, link))?,
            });
        }
        together.ok_or_else(|| Rejection::AccountNotFound.into())
    }

    /// An account of another programme is not there at all.
    async fn check_link(&self, link: &Link, holder_urn: &str) -> Result<(), EngineError> {
        let no = link.account;
        let target = Target::Account {
            no,
            urn: Some((*link.urn).into()),
        };
        let look = move |hosted: &super::hosted::Hosted| hosted.group.account(no).cloned();
        let found: Option<Account> = match self.read(target, None, look).await {
            Ok(found) => found,
            Err(EngineError::Rejected(Rejection::AccountNotFound)) => None,
            Err(error) => return Err(error),
        };
        let origin = holder_urn.split(':').nth(2).unwrap_or_default();
        let Some(account) = found.filter(|account| account.origin() == origin) else {
            return Err(refused(link, "must be an account that exists".to_owned()));
        };
        link.check(&account, holder_urn).map_err(Rejection::Link)?;
        Ok(())
    }

    /// Makes one group of two, unless they are one already; the one with the shorter history comes into
    /// the other, because all of it goes into the record.
    async fn join(&self, one: ActorId, other: ActorId) -> Result<ActorId, EngineError> {
        for _ in 0..TRIES_MAX {
            let home_of = |actor| self.shared.indexes.home_of(actor);
            let (one, other) = (home_of(one), home_of(other));
            if one == other {
                return Ok(one);
            }
            let is_longer = self.weigh(one).await?.history >= self.weigh(other).await?.history;
            let (into, from) = if is_longer {
                (one, other)
            } else {
                (other, one)
            };
            let (reply, joined) = oneshot::channel();
            self.directory.join(from, Join { into, reply })?;
            match joined.await {
                Ok(Ok(_)) => return Ok(into),
                Ok(Err(Refusal::Rejected(rejection))) => return Err(rejection.into()),
                Ok(Err(Refusal::Journal(error))) => return Err(error.into()),
                Ok(Err(Refusal::Unavailable)) => return Err(EngineError::Unavailable),
                Ok(Err(
                    Refusal::Moved
                    | Refusal::Known { .. }
                    | Refusal::Contested
                    | Refusal::Recall { .. }
                    | Refusal::Halted,
                )) => actix_rt::time::sleep(std::time::Duration::from_millis(1)).await,
                Err(_) => return Err(EngineError::Busy("the card's queue is full")),
            }
        }
        Err(EngineError::Busy("the accounts are being brought together"))
    }

    /// Waits while the group that a request met is on its way into another: a moment.
    pub(super) async fn wait_until_joined(&self, target: &Target) {
        for _ in 0..JOINING_MS_MAX {
            if !self.directory.is_joining(self.actor_of(target)) {
                return;
            }
            actix_rt::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    async fn weigh(&self, actor: ActorId) -> Result<Weight, EngineError> {
        let look = |hosted: &super::hosted::Hosted| {
            let group = &hosted.group;
            Weight {
                accounts: group.accounts.len(),
                history: (group.closed.len())
                    .saturating_add(group.open.len())
                    .saturating_add(group.received.len())
                    .saturating_add(group.books.as_deref().map_or(0, Books::len)),
            }
        };
        self.read(Target::Actor(actor), None, look).await
    }
}

/// How much a group has to hand over.
struct Weight {
    accounts: usize,
    history: usize,
}

fn refused(link: &Link, what: String) -> EngineError {
    let key = link.key.clone();
    Rejection::Link(MetadataError { key, what }).into()
}

/// Says which account the refusal is about.
fn named(error: EngineError, link: &Link) -> EngineError {
    if let EngineError::Rejected(Rejection::CannotJoin(why)) = error {
        refused(link, why.to_owned())
    } else {
        error
    }
}
