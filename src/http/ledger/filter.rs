//! Lists and filters: `GET /{collection}`, `POST /{collection}/filter`.
//!
//! The resources of the collections themselves are those of who makes things in them, which call the lists.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data},
};
use utoipa::OpenApi;

use super::fault::Fault;
use crate::http::{App, request_id};

/// Adds the routes.
pub fn routes(_config: &mut web::ServiceConfig) {}

/// `GET /ledgers`.
pub async fn list_ledgers(request: HttpRequest, app: Data<App>) -> HttpResponse {
    not_yet(&request, &app)
}

/// `GET /balances`.
pub async fn list_balances(request: HttpRequest, app: Data<App>) -> HttpResponse {
    not_yet(&request, &app)
}

/// `GET /transactions`.
pub async fn list_transactions(request: HttpRequest, app: Data<App>) -> HttpResponse {
    not_yet(&request, &app)
}

fn not_yet(request: &HttpRequest, app: &App) -> HttpResponse {
    let status = StatusCode::NOT_IMPLEMENTED;
    Fault::new(status, "GEN_INTERNAL", "lists are not there yet").respond(&request_id(request, app))
}

#[derive(OpenApi)]
#[openapi(paths())]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
