//! `GET` and `POST /v1/vault/keys`, `DELETE /v1/vault/keys/{id}`: the vault's keys and their rotation.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{
    super::{App, access, problem::Problem, request_id, resource},
    reseal::Survey,
};
use crate::{
    domain::registry::Scope,
    threads,
    vault::{Source, VaultError},
};

/// This file's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(list, rotate, retire))]
pub struct Paths;

/// Adds this file's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/v1/vault/keys")
                .route(web::get().to(list))
                .route(web::post().to(rotate)),
        )
        .service(resource("/v1/vault/keys/{id}").route(web::delete().to(retire)));
}

/// Tells the vault's keys by their numbers, and what each still seals.
#[utoipa::path(
    get, path = "/v1/vault/keys", tag = "operator",
    responses(
        (status = 200, description = "the keys; what they seal, unless a rotation is under way", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let told = async {
        access::require(&request, &app, Scope::Operator)?;
        let survey = match app.resealer.is_running() {
            true => None,
            false => Some(app.resealer.survey().await?),
        };
        Ok((StatusCode::OK, told(&app, survey.as_ref())))
    };
    answer(&request, &app, told.await)
}

/// Makes a new key and seals everything under it; goes on with a rotation that was not finished.
#[utoipa::path(
    post, path = "/v1/vault/keys", tag = "operator",
    responses(
        (status = 202, description = "begun", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 409, description = "a rotation is under way, or the keys are the environment's"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn rotate(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let begun = async {
        access::require(&request, &app, Scope::Operator)?;
        let claim = app.resealer.claim().ok_or_else(running)?;
        let is_new = app.resealer.is_finished();
        if is_new {
            let vault = app.vault.clone();
            blocking(move || vault.rotate()).await?;
            tracing::info!(key = app.vault.active(), "the vault has a new key");
        }
        claim.begin();
        let body = json!({ "key_id": app.vault.active(), "is_new": is_new });
        Ok((StatusCode::ACCEPTED, body))
    };
    answer(&request, &app, begun.await)
}

/// Forgets a key that seals nothing any more.
#[utoipa::path(
    delete, path = "/v1/vault/keys/{id}", tag = "operator",
    params(("id" = u32, Path, description = "the key's number")),
    responses(
        (status = 200, description = "gone; the keys that are left", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 404, description = "no such key"),
        (status = 409, description = "it is the active one, or seals something still, or is the environment's"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn retire(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let gone = async {
        access::require(&request, &app, Scope::Operator)?;
        let id: u32 = path.parse().map_err(|_| {
            Problem::not_found(
                "key_not_found",
                format!("there is no key {:?}", path.as_str()),
            )
        })?;
        let claim = app.resealer.claim().ok_or_else(running)?;
        // Before the count: whoever sealed under it has recorded that by now.
        app.vault.check_idle(id).map_err(refused)?;
        let mut survey = app.resealer.survey().await?;
        let sealed = survey.counts.get(&id).copied().unwrap_or_default();
        if sealed.all() > 0 {
            let message = format!(
                "key {id} seals {} cards, {} tokens and {} secrets: rotate first",
                sealed.cards, sealed.tokens, sealed.documents
            );
            return Err(Problem::conflict("key_seals_data", message));
        }
        let vault = app.vault.clone();
        blocking(move || vault.retire(id)).await?;
        tracing::info!(key = id, "a key of the vault was retired");
        survey.counts.remove(&id);
        drop(claim);
        Ok((StatusCode::OK, told(&app, Some(&survey))))
    };
    answer(&request, &app, gone.await)
}

fn told(app: &App, survey: Option<&Survey>) -> Value {
    let active = app.vault.active();
    let view = |id: &u32| {
        let sealed = survey.map(|survey| survey.counts.get(id).copied().unwrap_or_default());
        json!({
            "id": id,
            "is_active": *id == active,
            "sealed": sealed.map(|count| json!({
                "cards": count.cards, "tokens": count.tokens, "secrets": count.documents,
                "total": count.all(),
            })),
        })
    };
    let source = match app.vault.source() {
        Source::Environment => "environment",
        Source::File(_) => "file",
    };
    json!({
        "data": app.vault.ids().iter().map(view).collect::<Vec<_>>(),
        "source": source,
        "running": app.resealer.is_running(),
        "finished": app.resealer.is_finished(),
        "resealed": app.resealer.done(),
    })
}

fn answer(
    request: &HttpRequest,
    app: &App,
    result: Result<(StatusCode, Value), Problem>,
) -> HttpResponse {
    let id = request_id(request, app);
    match result {
        Ok((status, body)) => HttpResponse::build(status)
            .insert_header(("x-request-id", id))
            .json(body),
        Err(problem) => problem.respond(&id),
    }
}

/// The file is written and synced: not on a thread that cards live on.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, Problem> {
    let done = threads::aside(work).await;
    let done = done.map_err(|_| Problem::busy("the work was given up: try again"))?;
    done.map_err(refused)
}

fn running() -> Problem {
    Problem::conflict(
        "rotation_running",
        "a rotation is under way: wait for its end",
    )
}

fn refused(error: VaultError) -> Problem {
    let code = match &error {
        VaultError::Unknown(_) => return Problem::not_found("key_not_found", error.to_string()),
        VaultError::Active(_) => "key_is_active",
        VaultError::InUse(_) => "key_in_use",
        VaultError::KeysAreGiven | VaultError::GivenToDrop(_) => "keys_are_given",
        VaultError::TooManyKeys => "too_many_keys",
        VaultError::NoRandomness
        | VaultError::NoKey { .. }
        | VaultError::NotOpened { .. }
        | VaultError::Malformed
        | VaultError::File { .. }
        | VaultError::Text { .. }
        | VaultError::Lost { .. }
        | VaultError::Start(_) => {
            tracing::error!(%error, "the vault's keys could not be changed");
            return Problem::busy("the vault's keys cannot be written: the server's log says why");
        }
    };
    Problem::conflict(code, error.to_string())
}
