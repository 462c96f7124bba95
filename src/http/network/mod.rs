//! The network face: authorizations and what follows them, for processors. The hot path.

pub mod authorize;
pub mod batch;
pub mod explain;
pub mod find;
mod items;
pub mod money;
pub mod pin;
pub mod question;
pub mod request;
pub mod schema;
pub mod steps;
pub mod view;

use actix_web::{
    guard::{GuardContext, fn_guard},
    http::Method,
    web,
};

use super::resource;

/// Adds the face's routes. The hottest come first: routes are tried in order.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/v1/authorizations")
                .route(web::route().guard(fn_guard(is_post)).to(authorize::post))
                .route(web::get().to(find::list)),
        )
        .service(
            resource("/v1/authorizations/batch")
                .route(web::post().to(batch::post))
                .route(web::get().to(find::one_called)),
        )
        .service(
            resource("/v1/authorizations/simulate")
                .route(web::post().to(authorize::simulate))
                .route(web::get().to(find::one_called)),
        )
        .service(resource("/v1/authorizations/{id}").route(web::get().to(find::one)))
        .service(resource("/v1/authorizations/{id}/{step}").route(web::post().to(steps::post)))
        .service(
            resource("/v1/refunds/{operation_id}/reverse")
                .route(web::post().to(steps::reverse_refund)),
        )
        .service(resource("/v1/clearings").route(web::post().to(authorize::post_clearing)))
        .service(resource("/v1/cards/{urn}/pin/verify").route(web::post().to(pin::verify)))
        .service(resource("/v1/deposits").route(web::post().to(money::deposit)))
        .service(resource("/v1/withdrawals").route(web::post().to(money::withdraw)));
}

/// What `web::post()` asks, without its note in a map of each request of what it asked.
fn is_post(context: &GuardContext<'_>) -> bool {
    context.head().method == Method::POST
}
