//! An identity's tokenized fields.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    super::{
        access::{self, Action, Resource},
        fault::Fault,
        reply::{Reply, answer, read},
    },
    given::not_sealed,
    known, look, set,
};
use crate::{
    books::identity::{Identity, TOKENIZABLE},
    domain::{registry::Registry, time::Timestamp},
    http::{App, body::Body},
};

/// Which fields.
#[derive(Deserialize, ToSchema)]
pub struct Fields {
    /// FirstName, LastName, OtherNames, EmailAddress, PhoneNumber, Street, PostCode.
    fields: Vec<String>,
}

/// A field by the SDKs' name or that on the wire: both names.
fn field_of(name: &str) -> Result<(&'static str, &'static str), Fault> {
    let mut pairs = TOKENIZABLE.iter();
    let found = pairs.find(|(word, field)| *word == name || *field == name);
    found.copied().ok_or_else(|| {
        let words: Vec<_> = TOKENIZABLE.iter().map(|(word, _)| *word).collect();
        let message = format!("field is not tokenizable; these are: {}", words.join(", "));
        Fault::invalid("GEN_VALIDATION_ERROR", "fields", message)
    })
}

fn fields_of(names: &[String]) -> Result<Vec<(&'static str, &'static str)>, Fault> {
    if names.len() > 32 {
        let message = "fields must have at most 32 items";
        return Err(Fault::invalid("GEN_VALIDATION_ERROR", "fields", message));
    }
    names.iter().map(|name| field_of(name)).collect()
}

/// Says which fields of an identity are tokenized.
#[utoipa::path(
    get, path = "/identities/{id}/tokenized-fields", tag = "ledger",
    params(("id" = String, Path, description = "the identity's id (idt_…)")),
    responses(
        (status = 200, description = "the fields", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:read", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn fields(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let told = async {
        let caller = access::require(&request, &app, Resource::Identities, Action::Read)?;
        let kept = look(&app, &caller.origin, &path).await?;
        Ok(Reply::ok(&json!({ "tokenized_fields": kept.tokenized() })))
    };
    answer(&request, &app, told).await
}

/// Puts tokens in the place of fields: all of them or none. A field that is tokenized stays as it is.
#[utoipa::path(
    post, path = "/identities/{id}/tokenize", tag = "ledger",
    request_body = Fields,
    params(("id" = String, Path, description = "the identity's id (idt_…)")),
    responses(
        (status = 200, description = "tokenized", body = Object),
        (status = 400, description = "a field is not tokenizable or is empty", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:write", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn tokenize(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let done = async {
        let caller = access::require(&request, &app, Resource::Identities, Action::Write)?;
        let (wanted, _) = read::<Fields>(&request, body, &caller)?;
        if wanted.fields.is_empty() {
            let message = "at least one field must be specified";
            return Err(Fault::invalid("GEN_VALIDATION_ERROR", "fields", message));
        }
        let fields = fields_of(&wanted.fields)?;
        put_tokens(&app, &Identity::name_of(&caller.origin, &path), &fields).await?;
        Ok(Reply::ok(
            &json!({ "message": "Fields tokenized successfully" }),
        ))
    };
    answer(&request, &app, done).await
}

/// Puts a token in the place of a field.
#[utoipa::path(
    post, path = "/identities/{id}/tokenize/{field}", tag = "ledger",
    params(
        ("id" = String, Path, description = "the identity's id (idt_…)"),
        ("field" = String, Path, description = "FirstName, EmailAddress, …"),
    ),
    responses(
        (status = 200, description = "tokenized", body = Object),
        (status = 400, description = "the field is not tokenizable or is empty", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:write", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn tokenize_one(
    request: HttpRequest,
    path: Path<(String, String)>,
    app: Data<App>,
) -> HttpResponse {
    let done = async {
        let caller = access::require(&request, &app, Resource::Identities, Action::Write)?;
        let (id, field) = &*path;
        let field = field_of(field)?;
        put_tokens(&app, &Identity::name_of(&caller.origin, id), &[field]).await?;
        Ok(Reply::ok(
            &json!({ "message": "Field tokenized successfully" }),
        ))
    };
    answer(&request, &app, done).await
}

async fn put_tokens(
    app: &App,
    name: &str,
    fields: &[(&'static str, &'static str)],
) -> Result<(), Fault> {
    // The vault's key is held until what it sealed is recorded.
    let hold = app.vault.hold();
    let change = |registry: &Registry, now: Timestamp| {
        let mut kept = known(registry, name)?;
        for (word, field) in fields {
            kept.tokenize(field, &app.vault, name)
                .map_err(|error| not_sealed(&error))?;
            if !kept.tokenized().contains(word) {
                let message = format!("{word} is empty: there is nothing to tokenize");
                return Err(Fault::invalid("GEN_VALIDATION_ERROR", "fields", message));
            }
        }
        Ok(vec![set(name, &kept, now)?])
    };
    app.engine.change_registry::<Fault>(None, change).await?;
    drop(hold);
    Ok(())
}

fn original(
    kept: &Identity,
    app: &App,
    name: &str,
    (word, field): (&str, &str),
) -> Result<String, Fault> {
    let found = kept.original(field, &app.vault, name);
    let found = found.map_err(|error| not_sealed(&error))?;
    found.ok_or_else(|| {
        let message = format!("{word} is not tokenized");
        Fault::invalid("GEN_VALIDATION_ERROR", "fields", message)
    })
}

async fn originals(
    app: &App,
    (origin, id): (&str, &str),
    names: &[String],
) -> Result<Reply, Fault> {
    let wanted = fields_of(names)?;
    let kept = look(app, origin, id).await?;
    let name = Identity::name_of(origin, id);
    let mut found = BTreeMap::new();
    for pair in TOKENIZABLE {
        let is_wanted = match wanted.as_slice() {
            [] => kept.tokenized().contains(&pair.0),
            some => some.contains(&pair),
        };
        if is_wanted {
            found.insert(pair.0, original(&kept, app, &name, pair)?);
        }
    }
    Ok(Reply::ok(&json!({ "fields": found })))
}

/// Tells the originals of tokenized fields; they stay tokenized.
#[utoipa::path(
    post, path = "/identities/{id}/detokenize", tag = "ledger",
    request_body = Fields,
    params(("id" = String, Path, description = "the identity's id (idt_…)")),
    responses(
        (status = 200, description = "the originals by field; all of them if none is named", body = Object),
        (status = 400, description = "a field is not tokenized", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:write", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn detokenize(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let told = async {
        let caller = access::require(&request, &app, Resource::Identities, Action::Write)?;
        let (wanted, _) = read::<Fields>(&request, body, &caller)?;
        originals(&app, (&caller.origin, &path), &wanted.fields).await
    };
    answer(&request, &app, told).await
}

/// Tells the originals of all tokenized fields; they stay tokenized.
#[utoipa::path(
    get, path = "/identities/{id}/detokenize", tag = "ledger",
    params(("id" = String, Path, description = "the identity's id (idt_…)")),
    responses(
        (status = 200, description = "the originals by field", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:write", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn detokenize_all(
    request: HttpRequest,
    path: Path<String>,
    app: Data<App>,
) -> HttpResponse {
    let told = async {
        let caller = access::require(&request, &app, Resource::Identities, Action::Write)?;
        originals(&app, (&caller.origin, &path), &[]).await
    };
    answer(&request, &app, told).await
}

/// Tells the original of a tokenized field; it stays tokenized.
#[utoipa::path(
    get, path = "/identities/{id}/detokenize/{field}", tag = "ledger",
    params(
        ("id" = String, Path, description = "the identity's id (idt_…)"),
        ("field" = String, Path, description = "FirstName, EmailAddress, …"),
    ),
    responses(
        (status = 200, description = "the field and its original", body = Object),
        (status = 400, description = "the field is not tokenized", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:write", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn detokenize_one(
    request: HttpRequest,
    path: Path<(String, String)>,
    app: Data<App>,
) -> HttpResponse {
    tell_one(&request, &path, &app).await
}

/// The same by POST.
#[utoipa::path(
    post, path = "/identities/{id}/detokenize/{field}", tag = "ledger",
    params(
        ("id" = String, Path, description = "the identity's id (idt_…)"),
        ("field" = String, Path, description = "FirstName, EmailAddress, …"),
    ),
    responses(
        (status = 200, description = "the field and its original", body = Object),
        (status = 400, description = "the field is not tokenized", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "the key has not the scope identities:write", body = Object),
        (status = 404, description = "no such identity", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn detokenize_one_by_post(
    request: HttpRequest,
    path: Path<(String, String)>,
    app: Data<App>,
) -> HttpResponse {
    tell_one(&request, &path, &app).await
}

async fn tell_one(
    request: &HttpRequest,
    (id, field): &(String, String),
    app: &App,
) -> HttpResponse {
    let told = async {
        let caller = access::require(request, app, Resource::Identities, Action::Write)?;
        let pair = field_of(field)?;
        let kept = look(app, &caller.origin, id).await?;
        let value = original(&kept, app, &Identity::name_of(&caller.origin, id), pair)?;
        let view = json!({ "field": field, "value": value });
        Ok(Reply::new(StatusCode::OK, &view))
    };
    answer(request, app, told).await
}
