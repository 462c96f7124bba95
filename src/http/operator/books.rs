//! `GET /v1/trial-balance`: proof that no money was made or lost.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::Serialize;

use super::super::{App, access, json, network::view::Text, problem::Problem, request_id};
use crate::{
    domain::{posting::House, registry::Scope},
    replay::{sum::Sum, totals::AssetTotals},
    threads,
};

#[derive(Serialize)]
struct TrialBalanceView {
    lsn: u64,
    assets: BTreeMap<String, AssetView>,
    balanced: bool,
}

#[derive(Serialize)]
struct AssetView {
    sum: Text<Sum>,
    accounts: u64,
    spendable: Text<Sum>,
    held: Text<Sum>,
    house: BTreeMap<String, Text<Sum>>,
}

/// Adds up every posting of the log to its durable end. The sum of every asset is zero.
#[utoipa::path(
    get, path = "/v1/trial-balance", tag = "operator",
    responses(
        (status = 200, description = "the trial balance", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
    ),
)]
pub async fn trial_balance(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match add_up(&request, &app).await {
        Ok(body) => json(StatusCode::OK, &id, body),
        Err(problem) => problem.respond(&id),
    }
}

async fn add_up(request: &HttpRequest, app: &Data<App>) -> Result<Vec<u8>, Problem> {
    access::require(request, app, Scope::Operator)?;
    let worker = app.clone();
    let folded = threads::aside(move || {
        worker
            .trial_balance
            .at_durable(worker.engine.shared.journal.as_ref())
    });
    let fault = |error: String| {
        tracing::error!(error, "the books could not be added up");
        let message = "the log could not be read; the operator's log says where";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "storage_fault", message)
    };
    let folded = folded.await.map_err(|error| fault(error.to_string()))?;
    let (lsn, assets) = folded.map_err(|error| fault(error.to_string()))?;
    let balanced = assets.values().all(|totals| totals.sum().is_zero());
    let assets = assets
        .iter()
        .map(|(asset, totals)| (asset.to_string(), view(totals)))
        .collect();
    let view = TrialBalanceView {
        lsn: lsn.get(),
        assets,
        balanced,
    };
    serde_json::to_vec(&view).map_err(|error| fault(error.to_string()))
}

fn view(totals: &AssetTotals) -> AssetView {
    AssetView {
        sum: Text(totals.sum()),
        accounts: totals.accounts,
        spendable: Text(totals.spendable.clone()),
        held: Text(totals.held.clone()),
        house: totals
            .house
            .iter()
            .map(|(house, sum)| (house_name(house), Text(sum.clone())))
            .collect(),
    }
}

/// A house account's name for people.
#[must_use]
pub fn house_name(house: &House) -> String {
    match house {
        House::World => "world".to_owned(),
        House::Settlement => "settlement".to_owned(),
        House::Treasury(urn) => urn.to_string(),
        House::Transit => "transit".to_owned(),
        House::Suspense => "suspense".to_owned(),
    }
}
