//! `GET /api/accounts` and `GET /api/accounts/{urn}`.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{App, access, problem::Problem},
    card_data::link::Links,
    create::AccountEnvelope,
    filter::Filter,
    problem::{ErrorView, no_account},
    request::{Reply, account_target, answer, caller},
    view::{self, AccountView},
};
use crate::{
    actors::{
        EngineError, Target,
        indexes::{Order, Owner},
        registrar::Principal,
    },
    domain::{
        account::Account,
        funds::LedgerAccount,
        ids::{AccountNo, LedgerNo},
        outcome::Rejection,
    },
};

/// The most accounts looked at for one answer.
const LOOKED_AT_MAX: usize = 20_000;
/// How many accounts are taken from the index at once.
const CHUNK: usize = 256;

/// A list of accounts.
#[derive(Serialize, ToSchema)]
pub struct AccountsResult {
    /// The accounts, each with its balance.
    accounts: Vec<AccountView>,
}

/// An account and its money at one moment.
pub struct Seen {
    /// The account.
    pub account: Account,
    /// Its money.
    pub ledger: LedgerAccount,
}

/// Looks at an account; nothing if there is none for this caller.
///
/// # Errors
///
/// [`Problem`] if it cannot be looked at now.
pub async fn look(
    app: &App,
    target: Target,
    no: AccountNo,
    caller: &Principal,
) -> Result<Option<Seen>, Problem> {
    let seen = look_across(app, target, no, &caller.origin).await?;
    Ok(seen.filter(|seen| access::may_see(caller, &seen.account.holder_urn)))
}

/// Looks at an account of any holder of an origin: for where money goes to.
///
/// # Errors
///
/// [`Problem`] if it cannot be looked at now.
pub async fn look_across(
    app: &App,
    target: Target,
    no: AccountNo,
    origin: &Arc<str>,
) -> Result<Option<Seen>, Problem> {
    let seen = app
        .engine
        .read(target, Some(origin.clone()), move |hosted| {
            let account = hosted.group.account(no)?.clone();
            let ledger = hosted.group.ledger(account.ledger)?.clone();
            Some(Seen { account, ledger })
        });
    match seen.await {
        Ok(seen) => Ok(seen),
        Err(EngineError::Rejected(Rejection::AccountNotFound)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Shows one account.
#[utoipa::path(
    get, path = "/api/accounts/{urn}", tag = "programme",
    params(("urn" = String, Path, description = "the account's URN, colons as they are, or its id")),
    responses(
        (status = 200, description = "the account with its balance", body = AccountEnvelope),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no such account", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = caller(&request, &app)?;
        let (target, no) = account_target(None, &path)?;
        let seen = look(&app, target, no, &caller).await?;
        let seen = seen.ok_or_else(|| no_account(None))?;
        let account = show(&seen, &Links::of(&request, &app));
        Reply::new(StatusCode::OK, &AccountEnvelope { account })
    };
    answer(&request, &app, found).await
}

fn show(seen: &Seen, links: &Links) -> AccountView {
    let balances = view::balances(&seen.ledger.balances);
    AccountView::new(&seen.account, Some(balances), links)
}

/// Lists accounts of the key's origin.
#[utoipa::path(
    get, path = "/api/accounts", tag = "programme",
    params(
        ("holder_urn" = Option<String>, Query, description = "of this holder"),
        ("urn" = Option<String>, Query, description = "this account"),
        ("urns" = Option<Vec<String>>, Query, description = "these accounts; repeat it"),
        ("medium" = Option<String>, Query, description = "card (every card), card-…, virtual, or balance: ledger balances, which are listed only then or by name"),
        ("status" = Option<Vec<String>>, Query, description = "in one of these states; repeat it"),
        ("q" = Option<String>, Query, description = "part of metadata.name in any case, part of the URN, or the last four digits"),
        ("custom_id" = Option<String>, Query, description = "the same as metadata[custom_id]"),
        ("created_after" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("created_before" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("ledger_account_id" = Option<String>, Query, description = "in front of this money"),
        ("ledger_account_ids" = Option<Vec<String>>, Query, description = "of these; repeat it"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 if missing"),
        ("offset" = Option<u32>, Query, description = "how many to pass over"),
        ("order" = Option<String>, Query, description = "desc (newest first, the default) or asc; also created_at:desc, created_at:asc, -created_at, created_at"),
        ("metadata" = Option<Object>, Query, style = DeepObject, description = "metadata[key]=value"),
    ),
    responses(
        (status = 200, description = "the accounts with their balances", body = AccountsResult),
        (status = 400, description = "a wrong parameter, or too many accounts to look at", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = caller(&request, &app)?;
        let mut filter = Filter::read(&request)?;
        if filter.holder_urn.is_none() {
            filter.holder_urn = caller.holder.as_deref().map(str::to_owned);
        }
        let is_theirs = |urn: &String| access::may_see(&caller, urn);
        let mut accounts = Vec::new();
        if filter.holder_urn.as_ref().is_none_or(is_theirs) {
            accounts = collect(&app, &caller, (&filter, Links::of(&request, &app))).await?;
        }
        Reply::new(StatusCode::OK, &AccountsResult { accounts })
    };
    answer(&request, &app, listed).await
}

/// Where candidates come from.
enum Source<'a> {
    /// These, in order.
    Listed(Vec<(Target, AccountNo)>),
    /// From an index, in chunks.
    Index(Owner<'a>),
}

async fn collect(
    app: &App,
    caller: &Principal,
    (filter, links): (&Filter, Links),
) -> Result<Vec<AccountView>, Problem> {
    let mut passing = Passing {
        filter,
        left: filter.offset,
        found: Vec::new(),
        links,
    };
    match source(app, &caller.origin, filter).await? {
        Source::Listed(candidates) => {
            for (target, no) in candidates {
                if passing.found.len() == filter.limit {
                    break;
                }
                passing.take(look(app, target, no, caller).await?);
            }
        }
        Source::Index(owner) => from_index(app, caller, owner, &mut passing).await?,
    }
    Ok(passing.found)
}

struct Passing<'a> {
    filter: &'a Filter,
    /// How many are still passed over.
    left: usize,
    found: Vec<AccountView>,
    links: Links,
}

impl Passing<'_> {
    fn take(&mut self, seen: Option<Seen>) {
        let Some(seen) = seen.filter(|seen| self.filter.fits(&seen.account)) else {
            return;
        };
        if self.left > 0 {
            self.left = self.left.saturating_sub(1);
        } else {
            self.found.push(show(&seen, &self.links));
        }
    }
}

async fn from_index(
    app: &App,
    caller: &Principal,
    owner: Owner<'_>,
    passing: &mut Passing<'_>,
) -> Result<(), Problem> {
    let filter = passing.filter;
    let mut skip = 0;
    if filter.is_plain() {
        skip = std::mem::take(&mut passing.left);
    }
    let (mut last, mut looked_at) = (None, 0_usize);
    while passing.found.len() < filter.limit {
        let page = (skip, CHUNK);
        let chunk = app
            .engine
            .shared
            .indexes
            .listed(owner, filter.order, last, page);
        skip = 0;
        if chunk.is_empty() {
            return Ok(());
        }
        for no in chunk {
            if passing.found.len() == filter.limit {
                return Ok(());
            }
            if looked_at == LOOKED_AT_MAX {
                return Err(too_broad());
            }
            looked_at = looked_at.saturating_add(1);
            last = Some(no);
            let target = Target::Account { no, urn: None };
            passing.take(look(app, target, no, caller).await?);
        }
    }
    Ok(())
}

fn too_broad() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "list_too_broad",
        format!(
            "too few of the first {LOOKED_AT_MAX} accounts fit: narrow the list with holder_urn, \
             urns or ledger_account_ids"
        ),
    )
}

async fn source<'a>(
    app: &App,
    origin: &'a Arc<str>,
    filter: &'a Filter,
) -> Result<Source<'a>, Problem> {
    let mut listed: Vec<(Target, AccountNo)> = if let Some(names) = &filter.names {
        let known = names
            .iter()
            .filter_map(|name| account_target(None, name).ok());
        known.collect()
    } else if let Some(ledgers) = &filter.ledgers {
        behind(app, origin, ledgers).await?
    } else if filter.wants_balances() {
        return Ok(Source::Index(Owner::Balances(origin)));
    } else {
        let of_holder = filter.holder_urn.as_deref().map(Owner::Holder);
        return Ok(Source::Index(of_holder.unwrap_or(Owner::Origin(origin))));
    };
    listed.sort_unstable_by_key(|(_, no)| *no);
    listed.dedup_by_key(|(_, no)| *no);
    if filter.order == Order::NewestFirst {
        listed.reverse();
    }
    Ok(Source::Listed(listed))
}

/// The accounts in front of some ledger accounts.
pub(super) async fn behind(
    app: &App,
    origin: &Arc<str>,
    ledgers: &BTreeSet<LedgerNo>,
) -> Result<Vec<(Target, AccountNo)>, Problem> {
    let mut found = Vec::new();
    for ledger in ledgers {
        let ledger = *ledger;
        let target = Target::Actor(app.engine.shared.indexes.actor_of_ledger(ledger));
        let seen = app
            .engine
            .read(target, Some(origin.clone()), move |hosted| {
                let accounts = hosted.group.accounts.iter();
                let own = accounts.filter(|account| account.ledger == ledger);
                own.map(|account| account.no).collect::<Vec<_>>()
            });
        match seen.await {
            Ok(numbers) => {
                let target = |no| (Target::Account { no, urn: None }, no);
                found.extend(numbers.into_iter().map(target));
            }
            Err(EngineError::Rejected(Rejection::AccountNotFound)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}
