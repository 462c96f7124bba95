//! `/transactions`: money from balances to balances.

use actix_web::web;
use utoipa::OpenApi;

/// Adds the routes.
pub fn routes(_config: &mut web::ServiceConfig) {}

#[derive(OpenApi)]
#[openapi(paths())]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub use crate::books::view::sentence;
