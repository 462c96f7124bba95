//! `/v1/identities/{urn}/verification`: an operator says what is verified of a holder.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    super::{
        super::{
            App, access,
            body::{self, Body},
            problem::Problem,
        },
        request::idempotency,
    },
    policy::respond,
    start, store,
};
use crate::{
    actors::registrar::{Keyed, Recorded},
    domain::{
        compliance::{Outcome, Policy, Standing, VerificationFile, file::Change},
        documents::Shelf,
        registry::{Registry, Scope},
        time::Timestamp,
    },
};

/// What is verified of a holder: its identity as a whole, or single requirements.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationPatch {
    /// approved or rejected: for every requirement of the kinds kyc and kyb.
    status: Option<String>,
    /// By key: satisfied, pending, missing or rejected.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    requirements: Option<BTreeMap<String, String>>,
}

/// Tells what is verified of a holder, by whom and since when.
#[utoipa::path(
    get, path = "/v1/identities/{urn}/verification", tag = "operator",
    params(("urn" = String, Path, description = "the holder's URN, colons as they are")),
    responses(
        (status = 200, description = "as it is now", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 404, description = "no holder of this origin"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let told = async {
        let principal = access::require(&request, &app, Scope::Operator)?;
        start::require_seen(&principal, &path)?;
        let (_, file) = start::look(&app, &principal, &path).await?;
        Ok((view(&path, &file.unwrap_or_default()), false))
    };
    respond(&request, &app, told).await
}

/// Says what is verified of a holder.
#[utoipa::path(
    patch, path = "/v1/identities/{urn}/verification", tag = "operator",
    request_body = VerificationPatch,
    params(
        ("urn" = String, Path, description = "the holder's URN, colons as they are"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = serde_json::Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope operator"),
        (status = 404, description = "no holder of this origin"),
        (status = 409, description = "the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 422, description = "an idempotency key that is no plain text"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let set = async {
        let principal = access::require(&request, &app, Scope::Operator)?;
        start::require_seen(&principal, &path)?;
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let wanted: VerificationPatch = body::parse(&bytes)?;
        let key = idempotency(&request, &bytes)?;
        let keyed = key.map(|key| Keyed {
            key: key.key(&principal.origin),
            fingerprint: key.fingerprint,
        });
        let whose = (&*principal.origin, path.as_str());
        let (recorded, file) = change(&app, whose, &wanted, ("operator", keyed)).await?;
        Ok((view(&path, &file), recorded.is_replay))
    };
    respond(&request, &app, set).await
}

/// Records what is verified of a holder; the one way for operators, providers and the sandbox.
///
/// # Errors
///
/// 400 with the field.
pub(super) async fn change(
    app: &App,
    (origin, urn): (&str, &str),
    wanted: &VerificationPatch,
    (by, keyed): (&str, Option<Keyed>),
) -> Result<(Recorded, VerificationFile), Problem> {
    let decide = |registry: &Registry, now: Timestamp| {
        let policy = store::policy_in(registry, origin)?.policy;
        let change = read(wanted, &policy)?;
        let file = store::file_in(registry, urn)?.unwrap_or_default();
        let file = file.changed(&policy, &change, by, now);
        Ok(vec![store::set(Shelf::Verification, urn, &file, now)?])
    };
    let recorded = app.engine.change_registry::<Problem>(keyed, decide).await?;
    let file = store::recorded(&recorded, Shelf::Verification)?;
    // Only a record of something else under the same key has none.
    let file = file.ok_or_else(|| Problem::from(crate::actors::EngineError::KeyConflict))?;
    Ok((recorded, file))
}

fn read(wanted: &VerificationPatch, policy: &Policy) -> Result<Change, Problem> {
    let outcome = match wanted.status.as_deref() {
        None => None,
        Some("approved") => Some(Outcome::Approved),
        Some("rejected") => Some(Outcome::Rejected),
        Some(_) => {
            let message = "status must be approved or rejected";
            return Err(Problem::malformed("status", message));
        }
    };
    let mut change = Change {
        outcome,
        ..Change::default()
    };
    for (key, word) in wanted.requirements.iter().flatten() {
        let field = format!("requirements.{key}");
        if !policy.requirements().any(|known| known.key == *key) {
            let message = format!("{field} is no requirement of the origin's policy");
            return Err(Problem::malformed(field, message));
        }
        let status = match word.as_str() {
            "satisfied" => Standing::Satisfied,
            "pending" => Standing::Pending,
            "missing" => Standing::Missing,
            "rejected" => Standing::Rejected,
            _ => {
                let message = format!("{field} must be satisfied, pending, missing or rejected");
                return Err(Problem::malformed(field, message));
            }
        };
        change.requirements.insert(key.clone(), status);
    }
    if change.outcome.is_none() && change.requirements.is_empty() {
        let message = "body must have status or requirements";
        return Err(Problem::malformed("body", message));
    }
    Ok(change)
}

fn view(urn: &str, file: &VerificationFile) -> Value {
    json!({
        "urn": urn,
        "type": file.kind.map(|kind| kind.word()),
        "provider": file.provider,
        "status": file.outcome.word(),
        "started_at": file.started_at,
        "completed_at": file.completed_at,
        "requirements": file.requirements,
    })
}

impl VerificationPatch {
    /// The whole verification, ended so.
    pub(super) fn of_status(status: &str) -> Self {
        Self {
            status: Some(status.to_owned()),
            requirements: None,
        }
    }

    /// From the parts of a webhook.
    pub(super) const fn of_parts(
        status: Option<String>,
        requirements: Option<BTreeMap<String, String>>,
    ) -> Self {
        Self {
            status,
            requirements,
        }
    }
}
