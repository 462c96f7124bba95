//! The page that shows a card's number, expiry and CVV, behind a signed link.

use actix_web::web;
use utoipa::OpenApi;

/// This file's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths())]
pub struct Paths;

/// Adds this file's routes.
pub const fn routes(_config: &mut web::ServiceConfig) {}
