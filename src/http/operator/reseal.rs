//! Puts everything that the vault has sealed under its active key, while the server serves.
//!
//! Cards and tokens go first and the vault's own documents last, each by a record of its own. So an
//! unfinished rotation is known by the key of the last one: whoever starts again sees it and goes on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    actors::{Engine, EngineError, Request, Target, snapshots},
    domain::{
        account::Account,
        card::{CardChange, CardFile},
        command::{ChangeAccount, Command},
        documents::Shelf,
        ids::AccountNo,
        outcome::Rejection,
        registry::{Registry, RegistryEvent},
    },
    threads,
    vault::{
        Vault, VaultError,
        file::DERIVATION,
        issue::{card_aad, token_aad},
        text::keys_in,
    },
    wire,
};

/// How many cards are sealed anew before traffic has its turn again.
const CARDS_PER_TURN: usize = 64;
/// How long a turn of traffic is.
const TURN: Duration = Duration::from_millis(2);

/// What is sealed under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Cards' numbers.
    pub cards: u64,
    /// Device tokens' numbers.
    pub tokens: u64,
    /// Secrets in documents.
    pub documents: u64,
}

impl Count {
    /// All of it.
    #[must_use]
    pub const fn all(self) -> u64 {
        self.cards
            .saturating_add(self.tokens)
            .saturating_add(self.documents)
    }
}

/// What is sealed under which key.
#[derive(Debug, Default)]
pub struct Survey {
    /// By key.
    pub counts: BTreeMap<u32, Count>,
    /// Accounts with something under another key than the active one.
    stale: Vec<AccountNo>,
}

impl Survey {
    fn add(&mut self, account: &Account, active: u32) {
        let Some(file) = account.card.as_deref() else {
            return;
        };
        let cards = &mut self.counts.entry(file.sealed.key_id).or_default().cards;
        *cards = cards.saturating_add(1);
        for id in file.keys().skip(1) {
            let tokens = &mut self.counts.entry(id).or_default().tokens;
            *tokens = tokens.saturating_add(1);
        }
        if file.keys().any(|id| id != active) {
            self.stale.push(account.no);
        }
    }
}

/// Why not everything is under the active key.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// Something could not be recorded or looked at.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Something does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Cards that do not open stay as they are.
    #[error("{0} cards could not be sealed anew; the lines above say why")]
    Left(usize),
}

/// Seals anew, one run at a time.
pub struct Resealer {
    engine: Arc<Engine>,
    vault: Arc<Vault>,
    is_running: AtomicBool,
    /// How many cards, tokens and documents this process has sealed anew.
    done: AtomicU64,
}

impl Resealer {
    /// For the house of `engine`.
    #[must_use]
    pub const fn new(engine: Arc<Engine>, vault: Arc<Vault>) -> Self {
        Self {
            engine,
            vault,
            is_running: AtomicBool::new(false),
            done: AtomicU64::new(0),
        }
    }

    /// Whether a run is under way.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    /// How many cards, tokens and documents were sealed anew since the start.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether the last rotation came to its end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let documents = &self.engine.shared.facts.documents;
        let last = documents.get(Shelf::Vault, DERIVATION);
        let active = self.vault.active();
        last.is_some_and(|text| keys_in(&text).iter().all(|id| *id == active))
    }

    /// Keeps everyone else from changing keys; nothing while somebody is.
    #[must_use]
    pub fn claim(self: &Arc<Self>) -> Option<Claim> {
        let is_claimed = self.is_running.swap(true, Ordering::AcqRel);
        (!is_claimed).then(|| Claim(self.clone()))
    }

    async fn run(&self) -> Result<(), ResealError> {
        let mut left_before = usize::MAX;
        loop {
            // Before the survey: what was being sealed under another key is recorded by then.
            let is_quiet = self.vault.is_quiet();
            let survey = self.survey().await?;
            if survey.stale.is_empty() {
                if is_quiet {
                    break;
                }
                actix_rt::time::sleep(TURN).await;
                continue;
            }
            if survey.stale.len() >= left_before {
                return Err(ResealError::Left(survey.stale.len()));
            }
            left_before = survey.stale.len();
            for chunk in survey.stale.chunks(CARDS_PER_TURN) {
                self.reseal_cards(chunk).await?;
                actix_rt::time::sleep(TURN).await;
            }
        }
        let documents = |is_last: bool| {
            move |registry: &Registry| -> Vec<(Shelf, String)> {
                let all = registry.documents.iter();
                all.filter(|(shelf, _, _)| (*shelf == Shelf::Vault) == is_last)
                    .map(|(shelf, name, _)| (shelf, name.to_owned()))
                    .collect()
            }
        };
        for is_last in [false, true] {
            for (shelf, name) in self.engine.look_at_registry(documents(is_last)).await? {
                self.reseal_document(shelf, &name).await?;
            }
        }
        Ok(())
    }

    async fn reseal_cards(&self, accounts: &[AccountNo]) -> Result<(), ResealError> {
        let active = self.vault.active();
        // Nobody may retire the key before what is sealed under it here is recorded.
        let _hold = self.vault.hold();
        let mut requests = Vec::with_capacity(accounts.len());
        for no in accounts {
            let Some(file) = self.card(*no).await?.and_then(|account| account.card) else {
                continue;
            };
            match self.changes(*no, &file, active) {
                Ok(changes) => requests.extend(changes.into_iter().map(|card| change(*no, card))),
                Err(error) => tracing::error!(%error, account = no.0, "card data does not open"),
            }
        }
        for answer in self.engine.execute_batch(requests).await {
            match answer {
                Ok(_) => self.count(),
                // It is looked at again in the next round.
                Err(EngineError::Rejected(Rejection::SealedMeanwhile) | EngineError::Busy(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn changes(
        &self,
        no: AccountNo,
        file: &CardFile,
        active: u32,
    ) -> Result<Vec<CardChange>, VaultError> {
        let mut changes = Vec::new();
        if file.sealed.key_id != active {
            let aad = card_aad(no);
            let plain = self.vault.open(&aad, &file.sealed)?;
            changes.push(CardChange::Reseal {
                from: file.sealed.clone(),
                to: self.vault.seal(&aad, &plain)?,
            });
        }
        let mut tokens = Vec::new();
        for token in &file.tokens {
            if ![0, active].contains(&token.sealed.key_id) {
                let aad = token_aad(&token.id);
                let plain = self.vault.open(&aad, &token.sealed)?;
                tokens.push((token.id.clone(), self.vault.seal(&aad, &plain)?));
            }
        }
        if !tokens.is_empty() {
            changes.push(CardChange::ResealTokens(tokens));
        }
        Ok(changes)
    }

    async fn reseal_document(&self, shelf: Shelf, name: &str) -> Result<(), ResealError> {
        let vault = self.vault.clone();
        let changed = self
            .engine
            .change_registry::<ResealError>(None, |registry, at| {
                let Some(text) = registry.documents.get(shelf, name) else {
                    return Ok(Vec::new());
                };
                // Whatever has no sealed value in it stays as it is.
                let anew = match keys_in(text).is_empty() {
                    true => None,
                    false => vault.reseal_document(text)?,
                };
                let set = anew.map(|text| RegistryEvent::DocumentSet {
                    shelf,
                    name: name.to_owned(),
                    text: Some(text.into()),
                    at,
                });
                Ok(set.into_iter().collect())
            });
        if !changed.await?.events.is_empty() {
            self.count();
        }
        Ok(())
    }

    fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what is sealed under which key. Every account that there was when it began is counted once.
    ///
    /// # Errors
    ///
    /// [`EngineError`] if something cannot be looked at.
    pub async fn survey(&self) -> Result<Survey, EngineError> {
        let (engine, active) = (self.engine.clone(), self.vault.active());
        let mut accounts: BTreeSet<AccountNo> =
            engine.shared.indexes.accounts().into_iter().collect();
        let seen = threads::aside(move || {
            let mut survey = Survey::default();
            let mut visit = |bytes: &[u8]| {
                // Bytes that do not decode are found below, where their account is asked for itself.
                let group = wire::decode_group(bytes);
                for account in group.iter().flat_map(|(group, _)| &group.accounts) {
                    if accounts.remove(&account.no) {
                        survey.add(account, active);
                    }
                }
                Ok(())
            };
            snapshots::each_group(&engine, &mut visit)?;
            Ok((survey, accounts))
        });
        let seen = seen.await.map_err(|_| EngineError::Unavailable)?;
        let (mut survey, missed) = seen.map_err(EngineError::Journal)?;
        // Those that came into another group in the meantime.
        for no in missed {
            if let Some(account) = self.card(no).await? {
                survey.add(&account, active);
            }
        }
        let of_documents = |registry: &Registry| {
            let all = registry.documents.iter();
            all.flat_map(|(_, _, text)| keys_in(text))
                .collect::<Vec<_>>()
        };
        for id in self.engine.look_at_registry(of_documents).await? {
            let documents = &mut survey.counts.entry(id).or_default().documents;
            *documents = documents.saturating_add(1);
        }
        Ok(survey)
    }

    async fn card(&self, no: AccountNo) -> Result<Option<Account>, EngineError> {
        let target = Target::Account { no, urn: None };
        let look = self.engine.read(target, None, move |hosted| {
            hosted.group.account(no).cloned()
        });
        match look.await {
            Err(EngineError::Rejected(Rejection::AccountNotFound)) => Ok(None),
            seen => seen,
        }
    }
}

/// The right to change keys. It ends when this is dropped.
pub struct Claim(Arc<Resealer>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}

impl Claim {
    /// Seals everything anew in the background, on this thread's runtime.
    pub fn begin(self) {
        actix_rt::spawn(async move {
            let key = self.0.vault.active();
            match self.0.run().await {
                Ok(()) => tracing::info!(key, "everything is sealed under the vault's active key"),
                Err(error) => tracing::error!(
                    %error,
                    key,
                    "the rotation is not finished; `cardwright keys rotate` or the next start goes on"
                ),
            }
        });
    }
}

fn change(account: AccountNo, card: CardChange) -> Request {
    let change = ChangeAccount {
        account,
        status: None,
        status_reason: None,
        metadata: None,
        webhook_url: None,
        card: Some(Box::new(card)),
    };
    Request {
        target: Target::Account {
            no: account,
            urn: None,
        },
        origin: None,
        command: Command::ChangeAccount(Box::new(change)),
        keys: Vec::new(),
        fingerprint: 0,
        recalled: None,
    }
}
