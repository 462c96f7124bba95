//! `GET /v1/events`: the log as programmes may read it.

use actix_web::web;
use utoipa::OpenApi;

/// This file's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths())]
pub struct Paths;

/// Adds this file's routes.
pub const fn routes(_config: &mut web::ServiceConfig) {}
