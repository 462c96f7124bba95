//! `GET /api/accounts` and `GET /api/accounts/{urn}`.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    super::{App, problem::Problem},
    create::AccountEnvelope,
    problem::{ErrorView, no_account},
    query::Params,
    request::{Reply, account_target, answer, origin},
    view::{self, AccountView},
};
use crate::{
    actors::{
        EngineError, Target,
        indexes::{Order, Owner},
    },
    domain::{
        account::{Account, Medium, Status},
        funds::LedgerAccount,
        ids::{AccountNo, LedgerNo},
        outcome::Rejection,
        time::Timestamp,
    },
};

/// The most accounts in one answer.
const LIMIT_MAX: usize = 1_000;
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

/// Looks at an account; nothing if there is none for this origin.
///
/// # Errors
///
/// [`Problem`] if it cannot be looked at now.
pub async fn look(
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
        let origin = origin(&request, &app)?;
        let (target, no) = account_target(None, &path)?;
        let seen = look(&app, target, no, &origin).await?;
        let account = show(&seen.ok_or_else(|| no_account(None))?);
        Reply::new(StatusCode::OK, &AccountEnvelope { account })
    };
    answer(&request, &app, found).await
}

fn show(seen: &Seen) -> AccountView {
    AccountView::new(&seen.account, Some(view::balances(&seen.ledger.balances)))
}

/// Lists accounts of the key's origin.
#[utoipa::path(
    get, path = "/api/accounts", tag = "programme",
    params(
        ("holder_urn" = Option<String>, Query, description = "of this holder"),
        ("urn" = Option<String>, Query, description = "this account"),
        ("urns" = Option<Vec<String>>, Query, description = "these accounts; repeat it"),
        ("medium" = Option<String>, Query, description = "card (every card), card-… or virtual"),
        ("status" = Option<Vec<String>>, Query, description = "in one of these states; repeat it"),
        ("q" = Option<String>, Query, description = "part of metadata.name, in any case"),
        ("custom_id" = Option<String>, Query, description = "the same as metadata[custom_id]"),
        ("created_after" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("created_before" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("ledger_account_id" = Option<String>, Query, description = "in front of this money"),
        ("ledger_account_ids" = Option<Vec<String>>, Query, description = "of these; repeat it"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 if missing"),
        ("offset" = Option<u32>, Query, description = "how many to pass over"),
        ("order" = Option<String>, Query, description = "desc (newest first, the default) or asc"),
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
        let origin = origin(&request, &app)?;
        let filter = Filter::read(&request)?;
        let accounts = collect(&app, &origin, &filter).await?;
        Reply::new(StatusCode::OK, &AccountsResult { accounts })
    };
    answer(&request, &app, listed).await
}

struct Filter {
    holder_urn: Option<String>,
    names: Option<Vec<String>>,
    ledgers: Option<BTreeSet<LedgerNo>>,
    medium: Option<String>,
    statuses: Vec<Status>,
    name_part: Option<String>,
    metadata: Vec<(String, String)>,
    created_after: Option<Timestamp>,
    created_before: Option<Timestamp>,
    limit: usize,
    offset: usize,
    order: Order,
}

impl Filter {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        const ONCE: [&str; 11] = [
            "holder_urn",
            "urn",
            "medium",
            "q",
            "custom_id",
            "created_after",
            "created_before",
            "ledger_account_id",
            "limit",
            "offset",
            "order",
        ];
        const MANY: [&str; 4] = ["urns", "status", "ledger_account_ids", "metadata["];
        let params = Params::read(request, &ONCE, &MANY)?;
        let given = |one: &'static str, many: &'static str| {
            let all: Vec<String> = params
                .all(one)
                .chain(params.all(many))
                .map(str::to_owned)
                .collect();
            (!all.is_empty()).then_some(all)
        };
        // A text that names nothing of ours matches nothing.
        let ledgers = given("ledger_account_id", "ledger_account_ids");
        let ledgers = ledgers.map(|all| all.iter().filter_map(|text| text.parse().ok()).collect());
        let order = match params.word("order", &["asc", "desc"])? {
            Some("asc") => Order::OldestFirst,
            Some(_) | None => Order::NewestFirst,
        };
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let custom_id = params
            .one("custom_id")
            .map(|value| own(("custom_id", value)));
        Ok(Self {
            holder_urn: params.one("holder_urn").map(str::to_owned),
            names: given("urn", "urns"),
            ledgers,
            medium: params.one("medium").map(str::to_owned),
            statuses: params.all("status").map(status).collect::<Result<_, _>>()?,
            name_part: params.one("q").map(str::to_lowercase),
            metadata: params.map("metadata").map(own).chain(custom_id).collect(),
            created_after: params.time("created_after")?,
            created_before: params.time("created_before")?,
            limit: params.number("limit", 100, (1, LIMIT_MAX))?,
            offset: params.number("offset", 0, (0, usize::MAX))?,
            order,
        })
    }

    /// Whether the index alone says who is in the list.
    fn is_plain(&self) -> bool {
        self.medium.is_none()
            && self.statuses.is_empty()
            && self.name_part.is_none()
            && self.metadata.is_empty()
            && self.created_after.is_none()
            && self.created_before.is_none()
    }

    fn fits(&self, account: &Account) -> bool {
        let created = account.created_at;
        self.holder_urn
            .as_ref()
            .is_none_or(|urn| account.holder_urn == *urn)
            && self
                .ledgers
                .as_ref()
                .is_none_or(|all| all.contains(&account.ledger))
            && self
                .medium
                .as_deref()
                .is_none_or(|word| is_medium(account, word))
            && (self.statuses.is_empty() || self.statuses.contains(&account.status))
            && self.created_after.is_none_or(|after| created > after)
            && self.created_before.is_none_or(|before| created < before)
            && self.fits_metadata(account)
    }

    fn fits_metadata(&self, account: &Account) -> bool {
        if self.name_part.is_none() && self.metadata.is_empty() {
            return true;
        }
        let metadata: Map<String, Value> =
            serde_json::from_str(&account.metadata).unwrap_or_default();
        let name = metadata.get("name").and_then(Value::as_str);
        let name = name.unwrap_or_default().to_lowercase();
        let equals = |(key, wanted): &(String, String)| {
            metadata.get(key).is_some_and(|value| match value.as_str() {
                Some(text) => text == wanted,
                None => value.to_string() == *wanted,
            })
        };
        self.name_part
            .as_ref()
            .is_none_or(|part| name.contains(part.as_str()))
            && self.metadata.iter().all(equals)
    }
}

fn status(word: &str) -> Result<Status, Problem> {
    let known = Status::ALL.iter().find(|status| status.word() == word);
    known.copied().ok_or_else(|| {
        let words: Vec<_> = Status::ALL.iter().map(|status| status.word()).collect();
        let message = format!("status must be one of {}", words.join(", "));
        Problem::malformed("status", message)
    })
}

/// `card` stands for every card, so that the SDK's list of cards has those of programmes too.
fn is_medium(account: &Account, word: &str) -> bool {
    let is_card = matches!(account.medium, Medium::Card { .. });
    account.medium_word() == word || (word == "card" && is_card)
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
    origin: &Arc<str>,
    filter: &Filter,
) -> Result<Vec<AccountView>, Problem> {
    let mut passing = Passing {
        filter,
        left: filter.offset,
        found: Vec::new(),
    };
    match source(app, origin, filter).await? {
        Source::Listed(candidates) => {
            for (target, no) in candidates {
                if passing.found.len() == filter.limit {
                    break;
                }
                passing.take(look(app, target, no, origin).await?);
            }
        }
        Source::Index(owner) => from_index(app, origin, owner, &mut passing).await?,
    }
    Ok(passing.found)
}

struct Passing<'a> {
    filter: &'a Filter,
    /// How many are still passed over.
    left: usize,
    found: Vec<AccountView>,
}

impl Passing<'_> {
    fn take(&mut self, seen: Option<Seen>) {
        let Some(seen) = seen.filter(|seen| self.filter.fits(&seen.account)) else {
            return;
        };
        if self.left > 0 {
            self.left = self.left.saturating_sub(1);
        } else {
            self.found.push(show(&seen));
        }
    }
}

async fn from_index(
    app: &App,
    origin: &Arc<str>,
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
            let target = Target::Account { no, user: None };
            passing.take(look(app, target, no, origin).await?);
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
async fn behind(
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
                let target = |no| (Target::Account { no, user: None }, no);
                found.extend(numbers.into_iter().map(target));
            }
            Err(EngineError::Rejected(Rejection::AccountNotFound)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}
