//! What is verified of a holder, and what that allows.
//!
//! `gate` and `limits` are asked by the handlers that make cards and move money; the rest are routes.

pub mod gate;
pub mod limits;
pub mod page;
pub mod policy;
pub mod set;
pub mod start;
pub mod store;
pub mod tier;
pub mod webhook;

use actix_web::web;
use utoipa::OpenApi;

pub use self::{
    gate::{may_set, require},
    limits::{Leaving, Reserved, give_back, reserve},
};
use super::super::resource;

/// This file's routes for the OpenAPI document.
#[derive(OpenApi)]
#[openapi(paths(
    start::post,
    start::get,
    tier::get,
    policy::get,
    policy::put,
    policy::set_secret,
    set::get,
    set::patch,
    webhook::post,
    page::show,
    page::decide,
))]
pub struct Paths;

/// Adds this file's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/compliance").route(web::post().to(start::post)))
        .service(resource("/api/compliance/{urn}").route(web::get().to(start::get)))
        .service(resource("/api/compliance/{urn}/tier-status").route(web::get().to(tier::get)))
        .service(
            resource("/v1/origins/{origin}/compliance-policy")
                .route(web::get().to(policy::get))
                .route(web::put().to(policy::put)),
        )
        .service(
            resource("/v1/origins/{origin}/compliance-policy/webhook-secret")
                .route(web::post().to(policy::set_secret)),
        )
        .service(
            resource("/v1/identities/{urn}/verification")
                .route(web::get().to(set::get))
                .route(web::patch().to(set::patch)),
        )
        .service(resource("/v1/compliance/webhook/{origin}").route(web::post().to(webhook::post)))
        .service(
            resource("/verification/{token}")
                .route(web::get().to(page::show))
                .route(web::post().to(page::decide)),
        );
}
