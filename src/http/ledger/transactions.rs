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

/// Why a transaction was rejected, for people.
#[must_use]
pub fn sentence(reason: &crate::domain::books::Reason) -> String {
    use crate::domain::books::Reason;
    match reason {
        Reason::InsufficientFunds {
            available,
            required,
        } => format!(
            "insufficient funds in source balance: {available} available, {required} required"
        ),
        Reason::OverdraftLimit {
            available,
            required,
        } => format!(
            "transaction exceeds overdraft limit: {available} available with it, {required} required"
        ),
        Reason::AccountNotOpen { .. } => "a balance of the transaction is not active".to_owned(),
        Reason::OtherPart => "another transaction of the same batch could not be done".to_owned(),
        Reason::Hook => "a pre-transaction hook refused".to_owned(),
    }
}
