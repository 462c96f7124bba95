//! The programme face: accounts, their money and its movements, as the Bloque SDK calls them.

pub mod balance;
pub mod batch;
pub mod booked;
pub mod card_data;
pub mod codes;
pub mod compliance;
pub mod controls;
pub mod create;
pub mod decisions;
pub mod describe;
pub mod events;
pub mod filter;
pub mod identities;
pub mod input;
pub mod keys;
pub mod list;
pub mod movement;
pub mod movements;
pub mod patch;
pub mod problem;
pub mod query;
pub mod request;
pub mod session;
pub mod tokens;
pub mod transfer;
pub mod view;
pub mod walk;
pub mod webhooks;

use actix_web::web;

use super::resource;

use super::origins;

/// Adds the face's routes. Fixed names come before account URNs.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/v1/cards/{urn}/controls")
                .route(web::get().to(controls::get))
                .route(web::put().to(controls::put))
                .route(web::patch().to(controls::patch))
                .route(web::delete().to(controls::delete)),
        )
        .service(resource("/api/mediums/card").route(web::post().to(create::card)))
        .service(resource("/api/mediums/virtual").route(web::post().to(create::pocket)))
        .service(
            resource("/api/mediums/card-{programme}").route(web::post().to(create::programme_card)),
        )
        .service(
            resource("/api/origins/{origin}/metadata")
                .route(web::patch().to(origins::patch_by_key)),
        )
        .configure(session::routes)
        .configure(identities::routes)
        .configure(keys::routes)
        .configure(card_data::routes)
        .configure(tokens::routes)
        .configure(webhooks::routes)
        .configure(events::routes)
        .configure(compliance::routes)
        .configure(decisions::routes)
        .service(resource("/api/accounts").route(web::get().to(list::list)))
        .service(resource("/api/accounts/balances").route(web::get().to(balance::sum)))
        .service(
            resource("/api/accounts/transactions").route(web::get().to(movements::transactions)),
        )
        .service(
            resource("/api/accounts/batch/transfer")
                .app_data(web::PayloadConfig::new(batch::BODY_BYTES_MAX))
                .route(web::post().to(batch::post)),
        )
        .service(
            resource("/api/accounts/{urn}")
                .route(web::get().to(list::get))
                .route(web::patch().to(patch::patch)),
        )
        .service(resource("/api/accounts/{urn}/balance").route(web::get().to(balance::get)))
        .service(resource("/api/accounts/{urn}/movements").route(web::get().to(movements::get)))
        .service(resource("/api/accounts/{urn}/transfer").route(web::post().to(transfer::post)));
}
