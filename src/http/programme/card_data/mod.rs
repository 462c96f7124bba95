//! Card data: new cards' numbers, and the page that shows one to its holder behind a signed link.

pub mod issue;
pub mod link;
pub mod page;
mod render;

use actix_web::web;
use utoipa::OpenApi;

use super::super::resource;

/// What the settings say of cards.
pub struct CardSettings {
    /// The first digits of their numbers.
    pub bin: crate::vault::issue::Bin,
    /// How long a link lasts, in seconds.
    pub details_link_s: i64,
    /// What links begin with; empty for what the request says.
    pub public_url: String,
}

/// This file's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(page::show))]
pub struct Paths;

/// Adds this file's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/card-details/{link}").route(web::get().to(page::show)));
}
