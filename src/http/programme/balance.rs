//! `GET /api/accounts/{urn}/balance` and the sum over several accounts.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{App, problem::Problem},
    list::look,
    problem::{ErrorView, no_account},
    query::Params,
    request::{Reply, account_target, answer, caller},
    view::{self, BalancesView},
};
use crate::domain::ids::LedgerNo;

/// The most accounts summed in one request.
const ACCOUNTS_MAX: usize = 1_000;

/// Balances.
#[derive(Serialize, ToSchema)]
pub struct BalanceResult {
    /// By asset.
    #[schema(value_type = Object)]
    balance: BalancesView,
}

/// Shows what an account has.
#[utoipa::path(
    get, path = "/api/accounts/{urn}/balance", tag = "programme",
    params(("urn" = String, Path, description = "the account's URN, colons as they are, or its id")),
    responses(
        (status = 200, description = "by asset", body = BalanceResult),
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
        let balance = view::balances(&seen.ledger.balances);
        Reply::new(StatusCode::OK, &BalanceResult { balance })
    };
    answer(&request, &app, found).await
}

/// Adds up what several accounts have; money that some of them share counts once.
#[utoipa::path(
    get, path = "/api/accounts/balances", tag = "programme",
    params(("account_urns" = Vec<String>, Query, description = "1 to 1000 accounts, as many as a URL of 64 KiB holds; repeat it")),
    responses(
        (status = 200, description = "by asset", body = BalanceResult),
        (status = 400, description = "a wrong parameter: it is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "one of them is no account", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn sum(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let summed = async {
        let caller = caller(&request, &app)?;
        let params = Params::read(&request, &[], &["account_urns"])?;
        let urns: Vec<&str> = params.all("account_urns").collect();
        if urns.is_empty() || urns.len() > ACCOUNTS_MAX {
            let message = format!("account_urns must name 1 to {ACCOUNTS_MAX} accounts");
            return Err(Problem::malformed("account_urns", message));
        }
        let mut ledgers = BTreeMap::<LedgerNo, _>::new();
        for urn in urns {
            let (target, no) = account_target(Some("account_urns"), urn)?;
            let seen = look(&app, target, no, &caller).await?;
            let seen = seen.ok_or_else(|| no_account(Some("account_urns")))?;
            ledgers.insert(seen.ledger.no, seen.ledger);
        }
        let ledgers: Vec<_> = ledgers.into_values().collect();
        let balance = view::sum(&ledgers);
        Reply::new(StatusCode::OK, &BalanceResult { balance })
    };
    answer(&request, &app, summed).await
}
