//! Balances: made, found by name, looked at, changed.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Books, BooksError, Done, Guard, Origin, names::NO_BALANCE, send};
use crate::{
    actors::{Answer, EngineError, Request, Target, engine::Shared, hosted::Hosted, keys::key_of},
    domain::{
        account::{Account, Medium},
        books::{Allocation, BalanceFace, BooksCommand, PatchBalance, SetFace},
        command::{ChangeAccount, Command, OpenAccount, PatchAccount},
        funds, identity,
        ids::{AccountNo, ActorId, LedgerNo},
        money::{Amount, Asset},
        outcome::Rejection,
        policy::Policy,
        time::Timestamp,
        uuids::BalanceId,
    },
    wire::{self, Key, KeyLife},
};

/// A balance to make.
#[derive(Clone, Debug)]
pub struct NewBalance {
    /// What is counted.
    pub asset: Asset,
    /// The ledger it stands in: the whole id.
    pub ledger_id: String,
    /// Whose it is.
    pub identity_id: Option<String>,
    /// Whether the providers of its money are followed.
    pub tracks_lineage: bool,
    /// Which provider's money is spent first.
    pub allocation: Allocation,
    /// A JSON object as text.
    pub metadata: String,
}

/// The ledger in which balances by indicator stand: one for each origin, not made by anyone.
pub const GENERAL_LEDGER_ID: &str = "general_ledger_id";
/// The ledger in which the programme's cards and pockets stand.
pub const CARDS_LEDGER_ID: &str = "cards_ledger_id";

/// A balance as it stands, on disk.
#[derive(Clone, Debug)]
pub struct BalanceView {
    /// Its id.
    pub id: BalanceId,
    /// The first account in front of the money.
    pub account: AccountNo,
    /// That account's URN.
    pub urn: String,
    /// What only a ledger balance has; none for the money of a card or pocket.
    pub face: Option<BalanceFace>,
    /// What is counted.
    pub asset: Asset,
    /// The money.
    pub balance: funds::Balance,
    /// What of `balance.pending` is reserved for heads that are not decided.
    pub reserved: Amount,
    /// What is inflight towards it.
    pub expected: Amount,
    /// What heads that are not decided would bring it.
    pub expected_reserved: Amount,
    /// When the first of what is inflight from it is let go.
    pub expires_at: Option<Timestamp>,
    /// How many records of its group there are.
    pub version: u64,
    /// A JSON object as text.
    pub metadata: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl BalanceView {
    /// The ledger it stands in.
    #[must_use]
    pub fn ledger_id(&self) -> &str {
        self.face
            .as_ref()
            .map_or(CARDS_LEDGER_ID, |face| &face.ledger_id)
    }
}

impl Books {
    /// Makes a balance.
    ///
    /// # Errors
    ///
    /// [`BooksError`]. Whether the ledger and the identity exist, the caller has seen.
    pub async fn open_balance(
        self: &Arc<Self>,
        origin: &Origin,
        new: NewBalance,
        guard: Guard,
    ) -> Result<Done<BalanceView>, BooksError> {
        let face = BalanceFace {
            asset: new.asset,
            ledger_id: new.ledger_id,
            indicator: None,
            identity_id: new.identity_id,
            tracks_lineage: new.tracks_lineage,
            allocation: new.allocation,
        };
        let (keys, fingerprint) = match &guard.idempotency_key {
            Some(text) => {
                let said = format!("{face:?}\n{}", new.metadata);
                (
                    vec![(key_of(origin, "idempotency", text), KeyLife::Expiring)],
                    wire::fingerprint("ledger balance", &said),
                )
            }
            None => (Vec::new(), 0),
        };
        let opened = self.open(origin, (face, new.metadata), keys, fingerprint);
        let opened = opened.await?;
        let account = account_opened(&opened).ok_or(EngineError::KeyConflict)?;
        let id = BalanceId::new(account.ledger, new.asset);
        Ok(Done {
            value: self.balance(origin, id).await?,
            is_replay: opened.is_replay,
        })
    }

    async fn open(
        &self,
        origin: &Origin,
        (face, metadata): (BalanceFace, String),
        keys: Vec<(Key, KeyLife)>,
        fingerprint: u64,
    ) -> Result<Answer, EngineError> {
        let no = self.engine.shared.next_number();
        let actor = ActorId(no);
        let open = OpenAccount {
            no: AccountNo(no),
            medium: Medium::Balance(Box::new(face)),
            holder_urn: identity::urn(origin, identity::LEDGER_ALIAS),
            ledger: LedgerNo(no),
            webhook_url: None,
            metadata,
            policy: Policy::default(),
            card: None,
        };
        self.engine.directory.create(actor);
        let request = Request {
            target: Target::Actor(actor),
            origin: Some(origin.clone()),
            command: Command::OpenAccount(Box::new(open)),
            keys,
            fingerprint,
            recalled: None,
        };
        let opened = self.engine.execute(request).await;
        if !matches!(&opened, Ok(answer) if !answer.is_replay) {
            self.engine.directory.discard_if_empty(actor);
        }
        opened
    }

    /// A balance by its id.
    ///
    /// # Errors
    ///
    /// [`BooksError::NotFound`], also for another origin's.
    pub async fn balance(&self, origin: &Origin, id: BalanceId) -> Result<BalanceView, BooksError> {
        let actor = self.engine.shared.indexes.actor_of_ledger(id.ledger);
        let views = self.views(origin, Target::Actor(actor), move |hosted, shared| {
            let assets = assets_of(hosted, id.ledger, shared);
            let asset = assets.into_iter().find(|asset| {
                let known = BalanceId::new(id.ledger, *asset);
                known == id
            });
            let view = asset.and_then(|asset| view(hosted, id.ledger, asset, shared));
            view.into_iter().collect()
        });
        views.await?.into_iter().next().ok_or(NO_BALANCE)
    }

    /// The balance of an indicator (`@World`) in an asset, made now if there is none.
    ///
    /// # Errors
    ///
    /// [`BooksError`].
    pub async fn indicator(
        self: &Arc<Self>,
        origin: &Origin,
        indicator: &str,
        asset: Asset,
    ) -> Result<BalanceView, BooksError> {
        let account = self.indicator_account(origin, indicator, asset).await?;
        let id = BalanceId::new(LedgerNo(account.0), asset);
        self.balance(origin, id).await
    }

    /// The account of an indicator, made now if there is none: of two at once one is made, and both get it.
    pub(super) async fn indicator_account(
        self: &Arc<Self>,
        origin: &Origin,
        indicator: &str,
        asset: Asset,
    ) -> Result<AccountNo, BooksError> {
        if let Some(known) = self.index().indicator(origin, indicator, asset) {
            return Ok(known);
        }
        let face = BalanceFace {
            asset,
            ledger_id: GENERAL_LEDGER_ID.to_owned(),
            indicator: Some(indicator.to_owned()),
            identity_id: None,
            tracks_lineage: false,
            allocation: Allocation::Fifo,
        };
        let text = format!("{indicator}/{asset}");
        let key = key_of(origin, "ledger-indicator", &text);
        let keys = vec![(key, KeyLife::Permanent)];
        let opened = self.open(origin, (face, "{}".to_owned()), keys, 0).await?;
        let account = account_opened(&opened).ok_or(EngineError::KeyConflict)?;
        Ok(account.no)
    }

    /// The balance of an indicator in an asset, if there is one.
    ///
    /// # Errors
    ///
    /// [`BooksError::NotFound`].
    pub async fn known_indicator(
        &self,
        origin: &Origin,
        indicator: &str,
        asset: Asset,
    ) -> Result<BalanceView, BooksError> {
        let account = self.index().indicator(origin, indicator, asset);
        let account = account.ok_or(NO_BALANCE)?;
        let id = BalanceId::new(LedgerNo(account.0), asset);
        self.balance(origin, id).await
    }

    /// Every balance in front of the money of an account: one for each asset.
    ///
    /// # Errors
    ///
    /// [`BooksError::NotFound`], also for another origin's.
    pub async fn balances_of(
        &self,
        origin: &Origin,
        account: AccountNo,
    ) -> Result<Vec<BalanceView>, BooksError> {
        let target = Target::Account {
            no: account,
            urn: None,
        };
        let views = self.views(origin, target, move |hosted, shared| {
            let Some(account) = hosted.group.account(account) else {
                return Vec::new();
            };
            let ledger = account.ledger;
            let assets = assets_of(hosted, ledger, shared).into_iter();
            assets
                .filter_map(|asset| view(hosted, ledger, asset, shared))
                .collect()
        });
        let views = views.await?;
        if views.is_empty() {
            return Err(NO_BALANCE);
        }
        Ok(views)
    }

    async fn views(
        &self,
        origin: &Origin,
        target: Target,
        look: impl FnOnce(&Hosted, &Shared) -> Vec<BalanceView> + Send + 'static,
    ) -> Result<Vec<BalanceView>, BooksError> {
        let shared = self.engine.shared.clone();
        let seen = self
            .engine
            .read(target, Some(origin.clone()), move |hosted| {
                look(hosted, &shared)
            })
            .await;
        let mut views = seen.map_err(not_found)?;
        for view in &mut views {
            let (inflight, reserved, lsn) = self.index().expected(view.id.ledger, view.asset);
            let waited = self.engine.durability.wait(lsn).await;
            waited.map_err(EngineError::from)?;
            (view.expected, view.expected_reserved) = (inflight, reserved);
        }
        Ok(views)
    }

    /// Changes a balance's face; answers with its metadata. A card's or pocket's metadata is merged as the
    /// programme face merges it.
    ///
    /// # Errors
    ///
    /// [`BooksError`].
    pub async fn patch_balance(
        &self,
        origin: &Origin,
        id: BalanceId,
        merge: Option<Map<String, Value>>,
        set: SetFace,
    ) -> Result<String, BooksError> {
        let known = self.balance(origin, id).await?;
        let account = known.account;
        let command = if known.face.is_some() {
            Command::Books(Box::new(BooksCommand::Patch(PatchBalance {
                account,
                merge,
                set,
            })))
        } else {
            Command::PatchAccount(Box::new(PatchAccount {
                change: ChangeAccount {
                    account,
                    status: None,
                    status_reason: None,
                    metadata: None,
                    webhook_url: None,
                    card: None,
                },
                within: None,
                merge: merge.unwrap_or_default(),
            }))
        };
        let request = Request {
            target: Target::Account {
                no: account,
                urn: None,
            },
            origin: Some(origin.clone()),
            command,
            keys: Vec::new(),
            fingerprint: 0,
            recalled: None,
        };
        let answer = self.engine.execute(request).await.map_err(not_found)?;
        let changed = answer.events.iter().rev().find_map(send::account_in);
        Ok(changed.map_or(known.metadata, |account| account.metadata.clone()))
    }
}

/// What is not the caller's does not exist.
pub(super) fn not_found(error: EngineError) -> BooksError {
    match error {
        EngineError::Rejected(Rejection::AccountNotFound) => NO_BALANCE,
        other @ (EngineError::Rejected(_)
        | EngineError::KeyConflict
        | EngineError::Busy(_)
        | EngineError::Unavailable
        | EngineError::Halted(_)
        | EngineError::Journal(_)
        | EngineError::Wire(_)) => other.into(),
    }
}

fn account_opened(answer: &Answer) -> Option<&Account> {
    answer.events.iter().find_map(send::account_in)
}

/// The first account in front of that money.
fn face_of(hosted: &Hosted, ledger: LedgerNo) -> Option<&Account> {
    let mut accounts = hosted.group.accounts.iter();
    accounts.find(|account| account.ledger == ledger)
}

/// What that money is counted in: what the balance is for, or for a card what the house counts in; and
/// whatever else it ever had.
fn assets_of(hosted: &Hosted, ledger: LedgerNo, shared: &Shared) -> Vec<Asset> {
    let own = match face_of(hosted, ledger).map(|account| &account.medium) {
        Some(Medium::Balance(face)) => face.asset,
        Some(Medium::Card { .. } | Medium::Virtual) => shared.terms.default_asset,
        None => return Vec::new(),
    };
    let mut assets = vec![own];
    if let Some(money) = hosted.group.ledger(ledger) {
        let held = money.balances.iter().map(|(asset, _)| *asset);
        assets.extend(held.filter(|asset| *asset != own));
    }
    assets
}

/// A balance as it stands here; what is on its way to it is to be filled in.
fn view(hosted: &Hosted, ledger: LedgerNo, asset: Asset, shared: &Shared) -> Option<BalanceView> {
    let account = face_of(hosted, ledger)?;
    let money = hosted.group.ledger(ledger)?;
    let face = match &account.medium {
        Medium::Balance(face) => Some((**face).clone()),
        Medium::Card { .. } | Medium::Virtual => None,
    };
    let (reserved, expires_at) = shared.books.held(ledger, asset);
    Some(BalanceView {
        id: BalanceId::new(ledger, asset),
        account: account.no,
        urn: account.urn(),
        face,
        asset,
        balance: money.balance(asset),
        reserved,
        expected: Amount::ZERO,
        expected_reserved: Amount::ZERO,
        expires_at,
        version: hosted.group.sequence,
        metadata: account.metadata.clone(),
        created_at: account.created_at,
    })
}
