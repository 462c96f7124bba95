//! What callers call balances: ids, indicators, accounts' URNs.

use std::{collections::BTreeMap, sync::Arc};

use super::{Ask, Books, BooksError, Origin, Share};
use crate::{
    actors::Target,
    domain::{
        books::Side,
        ids::{AccountNo, ActorId, LedgerNo},
        money::Asset,
        uuids::BalanceId,
    },
};

pub(super) const NO_BALANCE: BooksError = BooksError::NotFound("balance");

/// An ask whose balances are found.
pub(super) struct Resolved {
    pub(super) ask: Ask,
    /// In the order of the ask.
    pub(super) sources: Vec<Side>,
    /// The same.
    pub(super) destinations: Vec<Side>,
}

/// Finds balances, each name once.
pub(super) struct Resolver<'a> {
    books: &'a Arc<Books>,
    origin: &'a Origin,
    found: BTreeMap<(Arc<str>, Asset), Side>,
}

impl<'a> Resolver<'a> {
    pub(super) const fn new(books: &'a Arc<Books>, origin: &'a Origin) -> Self {
        Self {
            books,
            origin,
            found: BTreeMap::new(),
        }
    }

    /// Finds the balances of an ask; those of indicators are made if there are none.
    pub(super) async fn resolve(&mut self, ask: Ask) -> Result<Resolved, BooksError> {
        let sources = self.sides(&ask.sources, ask.asset).await?;
        let destinations = self.sides(&ask.destinations, ask.asset).await?;
        Ok(Resolved {
            ask,
            sources,
            destinations,
        })
    }

    async fn sides(&mut self, shares: &[Share], asset: Asset) -> Result<Vec<Side>, BooksError> {
        let mut sides = Vec::with_capacity(shares.len());
        for share in shares {
            let key = (share.name.clone(), asset);
            if let Some(known) = self.found.get(&key) {
                sides.push(known.clone());
                continue;
            }
            let side = self.books.side(self.origin, &share.name, asset).await?;
            self.found.insert(key, side.clone());
            sides.push(side);
        }
        Ok(sides)
    }
}

impl Books {
    /// The balance that is called so, in an asset.
    async fn side(
        self: &Arc<Self>,
        origin: &Origin,
        name: &Arc<str>,
        asset: Asset,
    ) -> Result<Side, BooksError> {
        if name.starts_with('@') {
            let account = self.indicator_account(origin, name, asset).await?;
            return Ok(Side {
                account,
                ledger: LedgerNo(account.0),
                name: name.clone(),
            });
        }
        if let Ok(id) = name.parse::<BalanceId>() {
            return self.by_id(origin, id, asset).await;
        }
        let account: AccountNo = name.parse().map_err(|_| NO_BALANCE)?;
        let urn = name.starts_with("did:").then(|| Box::from(&**name));
        self.by_account(origin, (account, urn), asset).await
    }

    async fn by_id(
        &self,
        origin: &Origin,
        id: BalanceId,
        asset: Asset,
    ) -> Result<Side, BooksError> {
        let account = AccountNo(id.ledger.0);
        // A balance of this face stays what it was made as: nobody has to be asked.
        if let Some(known) = self.index().known(account)
            && id == BalanceId::new(id.ledger, known.asset)
        {
            if known.origin != *origin {
                return Err(NO_BALANCE);
            }
            if known.asset != asset {
                return Err(other_asset(known.asset));
            }
            return Ok(side(account, id.ledger, asset));
        }
        let view = self.balance(origin, id).await?;
        if view.asset != asset {
            return Err(other_asset(view.asset));
        }
        Ok(side(view.account, id.ledger, asset))
    }

    async fn by_account(
        &self,
        origin: &Origin,
        (no, urn): (AccountNo, Option<Box<str>>),
        asset: Asset,
    ) -> Result<Side, BooksError> {
        let target = Target::Account { no, urn };
        let found = self
            .engine
            .read(target, Some(origin.clone()), move |hosted| {
                hosted.group.account(no).map(|account| account.ledger)
            })
            .await;
        let ledger = found.map_err(super::accounts::not_found)?;
        let ledger = ledger.ok_or(NO_BALANCE)?;
        if let Some(known) = self.index().known(no)
            && known.asset != asset
        {
            return Err(other_asset(known.asset));
        }
        Ok(side(no, ledger, asset))
    }

    /// Where what is done with that money is decided.
    pub(super) fn actor_of(&self, side: &Side) -> ActorId {
        self.engine.shared.indexes.actor_of(side.account)
    }
}

fn side(account: AccountNo, ledger: LedgerNo, asset: Asset) -> Side {
    Side {
        account,
        ledger,
        name: BalanceId::new(ledger, asset).to_string().into(),
    }
}

fn other_asset(expected: Asset) -> BooksError {
    BooksError::Invalid {
        field: "currency".to_owned(),
        message: format!("the balance is in {expected}: ask for a transaction in that currency"),
    }
}
