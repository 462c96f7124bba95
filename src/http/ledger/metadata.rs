//! `POST /{entity_id}/metadata`: the caller's own data of whatever has an id, merged deeply.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{OpenApi, ToSchema};

use super::{
    access::{self, Action, Resource},
    fault::Fault,
    identities,
    reply::{Reply, answer, broken, check_metadata, read},
};
use crate::{
    books::{Ledger, Origin},
    domain::{
        books::{SetFace, merge_into as merge_into_object},
        documents::Shelf,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
        uuids::{AnyTransaction, BalanceId},
    },
    http::{App, body::Body, resource},
};

/// How deep the caller's data may be nested.
const DEPTH_MAX: usize = 16;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/{entity_id}/metadata").route(web::post().to(merge)));
}

#[derive(OpenApi)]
#[openapi(paths(merge), components(schemas(Merge)))]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// What is merged.
#[derive(Deserialize, ToSchema)]
pub struct Merge {
    /// Objects are merged member by member, everything else is replaced; a null removes its key.
    #[schema(value_type = Object)]
    meta_data: Map<String, Value>,
}

/// Merges into the data of a ledger, balance, transaction, bulk or identity; answers with all of it.
#[utoipa::path(
    post, path = "/{entity_id}/metadata", tag = "ledger",
    request_body = Merge,
    params(("entity_id" = String, Path, description = "ldg_…, bln_…, txn_…, bulk_… or idt_…")),
    responses(
        (status = 200, description = "all of the data as it is now", body = Object),
        (status = 400, description = "the field is named, or it is too much", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope metadata:write", body = Object),
        (status = 404, description = "no such thing", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn merge(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let merged = async {
        let caller = access::require(&request, &app, Resource::Metadata, Action::Write)?;
        let (wanted, _) = read::<Merge>(&request, body, &caller)?;
        check_metadata(&wanted.meta_data)?;
        if wanted
            .meta_data
            .values()
            .any(|value| !is_flat(value, DEPTH_MAX))
        {
            let message = format!("meta_data must be nested at most {DEPTH_MAX} deep");
            return Err(Fault::invalid("GEN_VALIDATION_ERROR", "meta_data", message));
        }
        let all = merge_into(&app, &caller.origin, &path, wanted.meta_data).await?;
        Ok(Reply::ok(&json!({ "meta_data": all })))
    };
    answer(&request, &app, merged).await
}

async fn merge_into(
    app: &App,
    origin: &Origin,
    id: &str,
    merge: Map<String, Value>,
) -> Result<Value, Fault> {
    if id.starts_with("idt_") {
        return identities::merge_metadata(app, origin, id, &merge).await;
    }
    if id.starts_with("ldg_") {
        return merge_into_ledger(app, origin, id, &merge).await;
    }
    if id.starts_with("bln_") {
        let no_balance = |_| Fault::not_found("BAL_NOT_FOUND", "balance not found");
        let id: BalanceId = id.parse().map_err(no_balance)?;
        let text = app
            .books
            .patch_balance(origin, id, Some(merge), SetFace::default())
            .await?;
        return serde_json::from_str(&text).map_err(|_| broken("balance"));
    }
    if id.starts_with("txn_") || id.starts_with("bulk_") {
        let no_transaction = |_| Fault::not_found("TXN_NOT_FOUND", "transaction not found");
        let id = match id.parse().map_err(no_transaction)? {
            AnyTransaction::Booked(id) | AnyTransaction::Bulk(id) => id,
            AnyTransaction::Authorization(_) | AnyTransaction::Movement { .. } => {
                let message = "a transaction of another face takes no meta_data here";
                let status = StatusCode::BAD_REQUEST;
                return Err(Fault::new(status, "TXN_INVALID_STATUS_ACTION", message));
            }
        };
        let stands = app.books.note(origin, id, merge).await?;
        return serde_json::from_str(&stands.metadata).map_err(|_| broken("transaction"));
    }
    let message = "no such thing: an id begins with ldg_, bln_, txn_, bulk_ or idt_";
    Err(Fault::not_found("GEN_NOT_FOUND", message))
}

async fn merge_into_ledger(
    app: &App,
    origin: &Origin,
    id: &str,
    merge: &Map<String, Value>,
) -> Result<Value, Fault> {
    let name = Ledger::document_name(origin, id);
    let no_ledger = || Fault::not_found("LGR_NOT_FOUND", "ledger not found");
    let change = |registry: &Registry, at: Timestamp| {
        let text = registry
            .documents
            .get(Shelf::Ledger, &name)
            .ok_or_else(no_ledger)?;
        let mut ledger = Ledger::read(id, text).ok_or_else(|| broken("ledger"))?;
        let known = serde_json::from_str(&ledger.metadata);
        let mut data: Map<String, Value> = known.map_err(|_| broken("ledger"))?;
        merge_into_object(&mut data, merge);
        check_metadata(&data)?;
        ledger.metadata = Value::Object(data).to_string();
        Ok(vec![RegistryEvent::DocumentSet {
            shelf: Shelf::Ledger,
            name: name.clone(),
            text: Some(ledger.text().ok_or_else(|| broken("ledger"))?.into()),
            at,
        }])
    };
    let recorded = app.engine.change_registry::<Fault>(None, change).await?;
    let found = recorded.events.iter().find_map(|event| {
        if let RegistryEvent::DocumentSet { text, .. } = event {
            return Ledger::read(id, text.as_deref()?);
        }
        None
    });
    let ledger = found.ok_or_else(|| broken("ledger"))?;
    serde_json::from_str(&ledger.metadata).map_err(|_| broken("ledger"))
}

fn is_flat(value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Array(items) => items.iter().all(|item| is_flat(item, depth)),
        Value::Object(members) => members.values().all(|member| is_flat(member, depth)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}
