//! Who is asked before an approval: `/v1/decision-endpoint`.

use actix_web::web;
use utoipa::OpenApi;

/// This file's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths())]
pub struct Paths;

/// Adds this file's routes.
pub const fn routes(_config: &mut web::ServiceConfig) {}
