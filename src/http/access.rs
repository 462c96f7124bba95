//! Who asks, and may they.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
};

use super::{App, problem::Problem};
use crate::{actors::registrar::Principal, domain::registry::Scope};

/// The one behind the request's key, if the key allows `scope`.
///
/// # Errors
///
/// 401 without a key of ours, 403 if the key does not allow it.
pub fn require(request: &HttpRequest, app: &App, scope: Scope) -> Result<Arc<Principal>, Problem> {
    let unauthorized = |message: &str| {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            format!("unauthorized: {message}"),
        )
    };
    let value = request.headers().get(header::AUTHORIZATION);
    let value = value
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| unauthorized("send your secret key as \"Authorization: Bearer sk_…\""))?;
    let is_bearer = value
        .get(..7)
        .is_some_and(|word| word.eq_ignore_ascii_case("bearer "));
    let secret = if is_bearer {
        value.get(7..).unwrap_or_default().trim()
    } else {
        value
    };
    let principal = app.engine.registrar.authenticate(secret);
    let principal = principal.ok_or_else(|| unauthorized("the key is unknown or revoked"))?;
    if !principal.scopes.allow(scope) {
        let message = format!("this key has no scope {}", scope.word());
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    Ok(principal)
}
