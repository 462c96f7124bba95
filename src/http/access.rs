//! Who asks, and may they: the one place where roles are told apart. README.md has the table.
//!
//! An origin's key, or a token made with it, has the key's scopes and sees all of the origin's. A
//! holder's token has the scope programme and sees what is the holder's; the rest is not there for it.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
};

use super::{App, problem::Problem};
use crate::{
    access::token::{Signer, TokenError},
    actors::registrar::Principal,
    domain::registry::{Scope, Scopes},
};

/// The one behind the request's key or token, if it allows `scope`.
///
/// # Errors
///
/// 401 without a key or token of ours, 403 if it does not allow it.
pub fn require(request: &HttpRequest, app: &App, scope: Scope) -> Result<Arc<Principal>, Problem> {
    let principal = anyone(request, app)?;
    if !principal.scopes.allow(scope) {
        let message = format!("this key has no scope {}", scope.word());
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    Ok(principal)
}

/// The one behind the request's key or token, whatever it allows.
///
/// # Errors
///
/// 401 without a key or token of ours.
pub fn anyone(request: &HttpRequest, app: &App) -> Result<Arc<Principal>, Problem> {
    behind(request.headers().get(header::AUTHORIZATION), app)
}

/// The one behind the value of an `Authorization` header.
///
/// # Errors
///
/// 401 without a key or token of ours.
pub fn behind(value: Option<&header::HeaderValue>, app: &App) -> Result<Arc<Principal>, Problem> {
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
    if Signer::is_token(secret) {
        return behind_token(secret, app);
    }
    behind_key(secret, app).ok_or_else(|| unauthorized("the key is unknown or revoked"))
}

/// The one behind a secret key.
pub fn behind_key(secret: &str, app: &App) -> Option<Arc<Principal>> {
    let now = app.engine.shared.clock.now();
    app.engine.registrar.authenticate(secret, now)
}

fn behind_token(token: &str, app: &App) -> Result<Arc<Principal>, Problem> {
    let now = app.engine.shared.clock.now();
    let grant = app.access.signer.read(token, now);
    let grant = grant.map_err(|error| match error {
        TokenError::Unknown => unauthorized("the token is unknown"),
        TokenError::Expired => unauthorized("the token has expired: get another"),
    })?;
    let holder = grant.holder.as_deref();
    if holder.is_some_and(|holder| app.engine.registrar.is_disabled(holder)) {
        return Err(unauthorized("the holder is disabled"));
    }
    let (mut key_id, mut generation, mut scopes) = (String::new(), 0, grant.scopes);
    if let Some((id, of)) = grant.key {
        let key = app.engine.registrar.live_key(&id, of, now);
        let key = key.filter(|key| *key.origin == grant.origin);
        let key = key.ok_or_else(|| unauthorized("the key behind the token has ended"))?;
        scopes = scopes.of_both(key.scopes);
        (key_id, generation) = (id, of);
    }
    Ok(Arc::new(Principal {
        origin: grant.origin.into(),
        scopes,
        key_id,
        generation,
        expires_at: None,
        holder: grant.holder.map(Into::into),
    }))
}

/// 401.
#[must_use]
pub fn unauthorized(message: &str) -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        format!("unauthorized: {message}"),
    )
}

/// Whether a holder's thing is there for the caller, who is of the same origin.
#[must_use]
pub fn may_see(principal: &Principal, holder_urn: &str) -> bool {
    let own = principal.holder.as_deref();
    own.is_none_or(|own| own == holder_urn)
}

/// What a caller may give on: no scope that it has not, and nothing of the house's.
#[must_use]
pub fn holder_scopes(given: Scopes) -> Scopes {
    given.of_both(Scopes::of(&[Scope::Programme]))
}
