//! The operator's face: health, metrics, the books, snapshots, origins and keys, exchange rates,
//! the sandbox.

pub mod books;
pub mod health;
pub mod keys;
pub mod rates;
pub mod reseal;
pub mod sandbox;
pub mod simulate;
pub mod snapshots;
pub mod vault_keys;

use actix_web::web;

use super::{origins, resource};

/// Adds the face's routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(simulate::routes)
        .configure(vault_keys::routes)
        .service(
            resource("/healthz")
                .route(web::get().to(health::live))
                .route(web::head().to(health::live)),
        )
        .service(
            resource("/readyz")
                .route(web::get().to(health::ready))
                .route(web::head().to(health::ready)),
        )
        .service(
            resource("/metrics")
                .route(web::get().to(health::metrics))
                .route(web::head().to(health::metrics)),
        )
        .service(resource("/v1/trial-balance").route(web::get().to(books::trial_balance)))
        .service(
            resource("/v1/snapshots")
                .route(web::post().to(snapshots::take))
                .route(web::get().to(snapshots::list)),
        )
        .service(
            resource("/v1/origins")
                .route(web::post().to(keys::open_origin))
                .route(web::get().to(keys::list_origins)),
        )
        .service(
            resource("/v1/origins/{origin}/metadata")
                .route(web::get().to(origins::get))
                .route(web::patch().to(origins::patch)),
        )
        .service(
            resource("/v1/rates")
                .route(web::get().to(rates::list))
                .route(web::put().to(rates::put)),
        )
        .service(
            resource("/v1/api-keys")
                .route(web::post().to(keys::issue))
                .route(web::get().to(keys::list)),
        )
        .service(resource("/v1/api-keys/{id}").route(web::delete().to(keys::revoke)))
        .service(resource("/v1/sandbox/seed").route(web::post().to(sandbox::seed)))
        .service(
            resource("/v1/bench/echo")
                .app_data(web::PayloadConfig::new(sandbox::ECHO_BYTES_MAX))
                .route(web::post().to(sandbox::echo)),
        );
}
