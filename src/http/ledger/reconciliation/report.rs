//! `/reconciliation/{id}/report`: what matched what, what did not, and why.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde_json::json;

use super::{
    super::{
        access::{Action, Resource, require},
        fault::Fault,
    },
    blocking, broken, invalid, runs,
};
use crate::{
    http::{App, json as json_answer, request_id},
    reconciliation::{
        report::{self, Kind},
        store::Status,
    },
};

const PER_PAGE: usize = 100;
const PER_PAGE_MAX: usize = 10_000;
const PAGE_MAX: usize = 10_000_000;

/// What of a report is wanted.
struct Wanted {
    is_csv: bool,
    kind: Option<Kind>,
    page: usize,
    per_page: usize,
}

fn wanted(query: &str) -> Result<Wanted, Fault> {
    let mut wanted = Wanted {
        is_csv: false,
        kind: None,
        page: 1,
        per_page: PER_PAGE,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let number = |most: usize| {
            let number = value.parse().ok();
            let number = number.filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| invalid(name, format!("{name} must be 1 to {most}")))
        };
        match name {
            "format" => {
                wanted.is_csv = match value {
                    "csv" => true,
                    "json" => false,
                    _ => return Err(invalid("format", "format must be json or csv")),
                };
            }
            "kind" => {
                wanted.kind = match value {
                    "all" => None,
                    "matched" => Some(Kind::Matched),
                    "unmatched_external" => Some(Kind::UnmatchedExternal),
                    "unmatched_internal" => Some(Kind::UnmatchedInternal),
                    _ => {
                        let message = "kind must be all, matched, unmatched_external or \
                                       unmatched_internal";
                        return Err(invalid("kind", message));
                    }
                };
            }
            "page" => wanted.page = number(PAGE_MAX)?,
            "per_page" => wanted.per_page = number(PER_PAGE_MAX)?,
            other => {
                let shown: String = other.chars().take(64).collect();
                return Err(invalid(&shown, "is not known here"));
            }
        }
    }
    Ok(wanted)
}

/// Shows the report of a reconciliation, page by page: pairs with the rule and the drift, then what is left
/// of either side, each with its reason.
#[utoipa::path(
    get, path = "/reconciliation/{id}/report", tag = "ledger",
    params(
        ("id" = String, Path, description = "the reconciliation's id (recon_…)"),
        ("format" = Option<String>, Query, description = "json or csv"),
        ("kind" = Option<String>, Query, description = "all, matched, unmatched_external or unmatched_internal"),
        ("page" = Option<u32>, Query, description = "from 1"),
        ("per_page" = Option<u32>, Query, description = "1 to 10000; 100 if it is not said"),
    ),
    responses(
        (status = 200, description = "the page", body = serde_json::Value),
        (status = 400, description = "a parameter that cannot be: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 404, description = "no such reconciliation"),
        (status = 409, description = "it has no report: it has not ended, or has failed"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    match told(&request, &path, &app, &id).await {
        Ok(response) => response,
        Err(fault) => fault.respond(&id),
    }
}

async fn told(
    request: &HttpRequest,
    path: &str,
    app: &App,
    id: &str,
) -> Result<HttpResponse, Fault> {
    let caller = require(request, app, Resource::Reconciliation, Action::Read)?;
    let wanted = wanted(request.query_string())?;
    let run = runs::run_of(app, &caller, path).await?;
    if run.status != Status::Completed {
        let message = format!(
            "the reconciliation has no report: it is {}",
            run.status.word()
        );
        return Err(Fault::new(StatusCode::CONFLICT, "GEN_CONFLICT", message));
    }
    let file = app.reconciliation.files.results(&run.reconciliation_id);
    let bounds = (
        (wanted.page - 1).saturating_mul(wanted.per_page),
        wanted.per_page,
    );
    let page = blocking(move || report::page(&file, wanted.kind, bounds)).await?;
    let (lines, total) = page.map_err(|error| broken(&error))?;
    if wanted.is_csv {
        let body = report::csv(&lines).map_err(|error| broken(&error))?;
        return Ok(HttpResponse::Ok()
            .insert_header(("x-request-id", id))
            .insert_header(("x-total-count", total.to_string()))
            .content_type("text/csv; charset=utf-8")
            .body(body));
    }
    let view = json!({
        "reconciliation": runs::view(&run),
        "page": wanted.page,
        "per_page": wanted.per_page,
        "total": total,
        "records": lines,
    });
    let body = view.to_string().into_bytes();
    Ok(json_answer(StatusCode::OK, id, body))
}
