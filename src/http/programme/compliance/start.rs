//! `/api/compliance`: begins the verification of a holder, and tells how it stands.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::{
        super::{App, access, body::Body, problem::Problem},
        identities,
        problem::ErrorView,
        request::{self, Reply, Write, answer, caller, key_space},
    },
    page, store,
};
use crate::{
    actors::registrar::{Keyed, Principal},
    domain::{
        compliance::{Policy, VerificationFile, policy::Kind},
        documents::Shelf,
        identity::is_alias,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
};

/// A verification to begin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    /// The holder; a holder's token needs none.
    #[schema(example = "did:bloque:sandbox:demo")]
    urn: Option<String>,
    /// `kyc` (a person, the default) or `kyb` (a firm).
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Taken and not kept: the type says it.
    #[serde(default, rename = "accompliceType")]
    #[schema(value_type = Option<String>)]
    _accomplice: Option<Value>,
    /// Taken and not kept.
    #[serde(default, rename = "return_url")]
    #[schema(value_type = Option<String>)]
    _return_url: Option<Value>,
}

/// Where a holder is verified, and how that stands.
#[derive(Serialize, ToSchema)]
pub struct StartView {
    /// For the holder to open.
    url: String,
    /// kyc or kyb.
    #[serde(rename = "type")]
    kind: &'static str,
    /// basic.
    level: &'static str,
    /// Who verifies.
    provider: String,
    /// awaiting_compliance_verification, approved or rejected.
    status: &'static str,
    /// What stands in the URL of the server's own page.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// How long that page can be opened, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<String>,
}

/// How a verification stands.
#[derive(Serialize, ToSchema)]
pub struct VerificationView {
    /// kyc or kyb.
    #[serde(rename = "type")]
    kind: &'static str,
    /// basic.
    level: &'static str,
    /// Who verifies.
    provider: String,
    /// awaiting_compliance_verification, approved or rejected.
    status: &'static str,
    /// For the holder to open.
    verification_url: String,
    /// When it was approved or rejected.
    completed_at: Option<String>,
}

/// Begins the verification of a holder, or tells where it goes on.
#[utoipa::path(
    post, path = "/api/compliance", tag = "programme",
    request_body = StartRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key, same answer")),
    responses(
        (status = 200, description = "where the holder is verified", body = StartView),
        (status = 400, description = "the field is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no holder of the caller's", body = ErrorView),
        (status = 409, description = "the idempotency key was used otherwise", body = ErrorView),
        (status = 413, description = "the body is too large", body = ErrorView),
        (status = 415, description = "the body is not JSON", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn post(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    answer(&request, &app, start(&request, body, &app)).await
}

async fn start(request: &HttpRequest, bytes: Body, app: &App) -> Result<Reply, Problem> {
    let write: Write<StartRequest> = request::write(request, bytes, app)?;
    let caller = &write.caller;
    let named = write.body.urn.as_deref().or(caller.holder.as_deref());
    let urn = named.ok_or_else(|| {
        let message = "urn is missing: an origin's key has to say whom to verify";
        Problem::malformed("urn", message)
    })?;
    require_form(urn)?;
    require_seen(caller, urn)?;
    let kind = match write.body.kind.as_deref() {
        None | Some("kyc") => Kind::Kyc,
        Some("kyb") => Kind::Kyb,
        Some(_) => return Err(Problem::malformed("type", "type must be kyc or kyb")),
    };
    let keyed = write.idempotency.as_ref().map(|key| Keyed {
        key: key.key(key_space(caller)),
        fingerprint: key.fingerprint,
    });
    let begin = |registry: &Registry, now: Timestamp| {
        let known = store::file_in(registry, urn)?;
        let policy = store::policy_in(registry, &caller.origin)?.policy;
        let file = known.clone().unwrap_or_default();
        let file = file.started(&policy, kind, now);
        if keyed.is_none() && known.as_ref() == Some(&file) {
            return Ok(Vec::new());
        }
        Ok::<Vec<RegistryEvent>, Problem>(vec![store::set(Shelf::Verification, urn, &file, now)?])
    };
    let recorded = app.engine.change_registry(keyed, begin).await?;
    let file: Option<VerificationFile> = store::recorded(&recorded, Shelf::Verification)?;
    let file = file.map_or_else(|| store::file_now(app, urn), Ok)?;
    let policy = store::policy_now(app, &caller.origin)?.unwrap_or_default();
    let kind = kind_of(&file);
    let own = page::Link::new(request, app, urn);
    let theirs = policy.url_for(urn, kind);
    let view = StartView {
        url: theirs.clone().unwrap_or_else(|| own.url.clone()),
        kind,
        level: "basic",
        provider: policy.provider().to_owned(),
        status: file.outcome.word(),
        expires_in: theirs.is_none().then(|| page::LIFETIME_S.to_string()),
        token: theirs.is_none().then_some(own.token),
    };
    Ok(Reply::new(StatusCode::OK, &view)?.replayed(recorded.is_replay))
}

/// Tells how the verification of a holder stands.
#[utoipa::path(
    get, path = "/api/compliance/{urn}", tag = "programme",
    params(("urn" = String, Path, description = "the holder's URN, colons as they are")),
    responses(
        (status = 200, description = "how it stands", body = VerificationView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "none was begun, or no holder of the caller's", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let told = async {
        let caller = caller(&request, &app)?;
        require_seen(&caller, &path)?;
        let (policy, file) = look(&app, &caller, &path).await?;
        let file = file.ok_or_else(|| {
            let message = "verification not found: POST /api/compliance begins it";
            Problem::not_found("verification_not_found", message)
        })?;
        let kind = kind_of(&file);
        let own = || page::Link::new(&request, &app, &path).url;
        Reply::new(
            StatusCode::OK,
            &VerificationView {
                kind,
                level: "basic",
                provider: policy.provider().to_owned(),
                status: file.outcome.word(),
                verification_url: policy.url_for(&path, kind).unwrap_or_else(own),
                completed_at: file.completed_at,
            },
        )
    };
    answer(&request, &app, told).await
}

/// The policy, and what is known of a holder.
pub(super) async fn look(
    app: &App,
    caller: &Principal,
    urn: &str,
) -> Result<(Policy, Option<VerificationFile>), Problem> {
    let both = |registry: &Registry| {
        let policy = store::policy_in(registry, &caller.origin)?.policy;
        Ok::<_, Problem>((policy, store::file_in(registry, urn)?))
    };
    app.engine.look_at_registry(both).await?
}

fn require_form(urn: &str) -> Result<(), Problem> {
    let mut parts = urn.split(':');
    let start = (parts.next(), parts.next(), parts.next());
    let (alias, rest) = (parts.next(), parts.next());
    let is_holder = matches!(start, (Some("did"), Some("bloque"), Some(_)));
    if is_holder && alias.is_some_and(is_alias) && rest.is_none() {
        return Ok(());
    }
    let message = "urn must be did:bloque:{origin}:{alias}";
    Err(Problem::malformed("urn", message))
}

/// A holder of another origin, and for a holder's token every other holder, is not there.
pub(super) fn require_seen(caller: &Principal, urn: &str) -> Result<(), Problem> {
    let prefix = format!("did:bloque:{}:", caller.origin);
    let is_own = urn.strip_prefix(&prefix).is_some_and(is_alias);
    if is_own && access::may_see(caller, urn) {
        return Ok(());
    }
    Err(identities::not_found())
}

pub(super) fn kind_of(file: &VerificationFile) -> &'static str {
    file.kind.unwrap_or(Kind::Kyc).word()
}
