//! `/transactions`: money from balances to balances.

mod amounts;
pub mod bulk;
pub mod create;
pub mod inflight;
mod movements;
mod network;
mod preview;
pub mod read;
pub mod refund;
pub mod request;
pub mod split;

use actix_web::{
    guard::{GuardContext, fn_guard},
    http::Method,
    web,
};
use utoipa::OpenApi;

use super::filter;
use crate::http::resource;

pub use crate::books::view::sentence;

/// Adds the routes that have the most to do, before all others: routes are tried in order.
pub fn hot_routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/transactions")
                .route(web::route().guard(fn_guard(is_post)).to(create::post))
                .route(web::get().to(filter::list_transactions)),
        )
        .service(
            resource("/transactions/inflight/{id}")
                .route(web::route().guard(fn_guard(is_put)).to(inflight::put)),
        );
}

/// Adds the other routes: behind those of the lists, whose names could be ids.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/transactions/inflight/bulk/commit")
                .route(web::post().to(inflight::bulk_commit)),
        )
        .service(
            resource("/transactions/inflight/bulk/void").route(web::post().to(inflight::bulk_void)),
        )
        .service(
            resource("/transactions/bulk")
                .app_data(web::PayloadConfig::new(bulk::BODY_BYTES_MAX))
                .route(web::post().to(bulk::post)),
        )
        .service(resource("/transactions/recover").route(web::post().to(read::recover)))
        .service(
            resource("/transactions/reference/{reference}")
                .route(web::get().to(read::by_reference)),
        )
        .service(resource("/transactions/{id}").route(web::get().to(read::get)))
        .service(resource("/refund-transaction/{id}").route(web::post().to(refund::post)))
        .service(resource("/health").route(web::get().to(read::health)));
}

/// What `web::post()` asks, without its note in a map of each request of what it asked.
fn is_post(context: &GuardContext<'_>) -> bool {
    context.head().method == Method::POST
}

fn is_put(context: &GuardContext<'_>) -> bool {
    context.head().method == Method::PUT
}

#[derive(OpenApi)]
#[openapi(paths(
    create::post,
    inflight::put,
    inflight::bulk_commit,
    inflight::bulk_void,
    bulk::post,
    read::recover,
    read::by_reference,
    read::get,
    read::health,
    refund::post,
))]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
