//! `/hooks`: who is called before and after transactions. What the calls mean stands in [`crate::books::hooks`].

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path, Query},
};
use serde::Deserialize;
use serde_json::{Number, Value, json};
use utoipa::{OpenApi, ToSchema};

use super::{
    access::{self, Action, Caller, Resource},
    face::{self, new_id},
    fault::Fault,
    reply::{Reply, answer, broken, check_text, read},
};
use crate::{
    actors::registrar::Recorded,
    books::{
        Ask, Origin, Share,
        hooks::{Hook, HookKind, OnFailure},
        view::{self, NO_TIME, Shown},
    },
    domain::{
        books::{State, Transaction},
        documents::Shelf,
        registry::{Registry, RegistryEvent},
        time::Timestamp,
    },
    http::{App, body::Body, programme::request::outgoing_url, resource},
};

/// The most hooks of one origin.
const HOOKS_MAX: usize = 32;
/// The longest time of one attempt, in seconds.
const TIMEOUT_S_MAX: u32 = 60;
/// The most attempts that follow the first.
const RETRIES_MAX: u64 = 10;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/hooks")
                .route(web::post().to(create))
                .route(web::get().to(list)),
        )
        .service(
            resource("/hooks/{id}")
                .route(web::get().to(get))
                .route(web::put().to(update))
                .route(web::delete().to(delete)),
        );
}

#[derive(OpenApi)]
#[openapi(
    paths(create, list, get, update, delete),
    components(schemas(NewHook, HookKind, OnFailure))
)]
struct Document;

/// Its part of the OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Asks those who are to be asked before a transaction is taken.
///
/// # Errors
///
/// 400 if one of them says no.
pub async fn before(app: &App, origin: &Origin, ask: &Ask) -> Result<(), Fault> {
    let hooks = app.ledger.hooks.active(origin, HookKind::Before);
    if hooks.is_empty() {
        return Ok(());
    }
    let data = shown(ask, app.engine.shared.clock.now());
    let asked = app.ledger.hooks.ask_before(origin, hooks, &data).await;
    asked.map_err(|refused| {
        let what = match refused.status {
            Some(status) => format!("answered {status}"),
            None => "gave no answer".to_owned(),
        };
        let message = format!(
            "the hook {} {what}: the transaction is not taken",
            refused.hook.name
        );
        let mut fault = Fault::new(StatusCode::BAD_REQUEST, "TXN_VALIDATION_ERROR", message);
        fault.details = Some(json!({ "hook": refused.hook.id, "status": refused.status }));
        fault
    })
}

/// Whether anybody is to be told of transactions that were taken.
#[must_use]
pub fn wants_after(app: &App, origin: &Origin) -> bool {
    !app.ledger.hooks.active(origin, HookKind::After).is_empty()
}

/// Tells those who are to be told of a transaction that was taken. Nobody waits for that.
pub fn after(app: &App, origin: &Origin, transaction: &Transaction) {
    let hooks = app.ledger.hooks.active(origin, HookKind::After);
    if hooks.is_empty() {
        return;
    }
    let event = match transaction.state {
        State::Reserved => "transaction.queued",
        State::Scheduled => "transaction.scheduled",
        State::Inflight => "transaction.inflight",
        State::Applied => "transaction.applied",
        State::Committed => "transaction.commit",
        State::Voided | State::Expired => "transaction.void",
        State::Rejected => "transaction.rejected",
    };
    let data = view::transaction(transaction);
    let told = (event, data.get());
    app.ledger.hooks.tell_after(origin, hooks, told);
}

/// A transaction that is asked for, as it would stand in the queue. It has no id yet.
fn shown(ask: &Ask, now: Timestamp) -> String {
    let one = |shares: &[Share]| match shares {
        [only] => only.name.clone(),
        _ => Arc::from(""),
    };
    let (source, destination) = (one(&ask.sources), one(&ask.destinations));
    let mut out = Vec::with_capacity(1_024);
    Shown {
        id: "",
        parent: "",
        source: &source,
        destination: &destination,
        split: &ask.split,
        amount: &ask.precision.amount,
        precise: ask.amount,
        precision: ask.precision.factor,
        overdraft: ask.overdraft,
        reference: &ask.reference,
        asset: ask.asset,
        description: &ask.description,
        status: "QUEUED",
        inflight: ask.marks.inflight,
        skip_queue: ask.marks.skip_queue,
        atomic: ask.marks.atomic,
        created_at: now,
        effective_at: ask.effective_at,
        scheduled_for: ask.scheduled_for,
        expires_at: ask.expires_at,
        commits_at: ask.commits_at,
        reason: None,
        metadata: &ask.metadata,
    }
    .write_into(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// A hook as it is to be. What else the clients send is passed over.
#[derive(Deserialize, ToSchema)]
pub struct NewHook {
    /// For people.
    name: String,
    /// Where to: http or https, without a user or password.
    url: String,
    /// When it is called.
    #[serde(rename = "type")]
    kind: HookKind,
    /// Whether it is called at all; yes, if it is not said.
    active: Option<bool>,
    /// How long one attempt may take, in seconds: more than 0, at most 60; 30, if it is not said.
    #[schema(value_type = Option<f64>)]
    timeout: Option<Number>,
    /// How many attempts may follow the first: at most 10; 3, if it is not said.
    #[schema(value_type = Option<u32>)]
    retry_count: Option<Number>,
    /// What it means for a transaction that its hook before could not be asked: allow, if it is not said.
    on_failure: Option<OnFailure>,
}

impl NewHook {
    fn check(self) -> Result<Hook, Fault> {
        let wrong = |field: &str, message: String| {
            Err(Fault::invalid("GEN_VALIDATION_ERROR", field, message))
        };
        if self.name.is_empty() {
            return wrong("name", "name is required".to_owned());
        }
        check_text("name", &self.name, 128)?;
        outgoing_url("url", &self.url)?;
        let timeout = self.timeout.unwrap_or_else(|| 30.into());
        let seconds = timeout.as_f64().unwrap_or(0.0);
        if seconds <= 0.0 || seconds > f64::from(TIMEOUT_S_MAX) {
            let message =
                format!("timeout must be more than 0 and at most {TIMEOUT_S_MAX} seconds");
            return wrong("timeout", message);
        }
        let retries = self.retry_count.unwrap_or_else(|| 3.into());
        let retries = retries.as_u64().filter(|retries| *retries <= RETRIES_MAX);
        let Some(retries) = retries else {
            let message = format!("retry_count must be a whole number from 0 to {RETRIES_MAX}");
            return wrong("retry_count", message);
        };
        Ok(Hook {
            id: String::new(),
            name: self.name,
            url: self.url,
            kind: self.kind,
            active: self.active.unwrap_or(true),
            timeout,
            retry_count: u32::try_from(retries).unwrap_or(0),
            on_failure: self.on_failure.unwrap_or_default(),
            created_at: String::new(),
        })
    }
}

fn name_of(origin: &str, id: &str) -> String {
    format!("{origin}/{id}")
}

fn no_hook() -> Fault {
    Fault::not_found("GEN_NOT_FOUND", "hook not found")
}

fn read_hook(text: &str) -> Result<Hook, Fault> {
    serde_json::from_str(text).map_err(|_| broken("hook"))
}

fn set(name: &str, hook: &Hook, at: Timestamp) -> Result<RegistryEvent, Fault> {
    let text = serde_json::to_string(hook).map_err(|_| broken("hook"))?;
    Ok(RegistryEvent::DocumentSet {
        shelf: Shelf::Hook,
        name: name.to_owned(),
        text: Some(text.into()),
        at,
    })
}

/// The hook as the record has it.
fn recorded(done: &Recorded) -> Result<Hook, Fault> {
    face::recorded(done, Shelf::Hook, |_, text| serde_json::from_str(text).ok())
}

fn view_of(app: &App, hook: &Hook) -> Value {
    let run = app.ledger.hooks.last_run(&hook.id);
    json!({
        "id": hook.id,
        "name": hook.name,
        "url": hook.url,
        "type": hook.kind.word(),
        "active": hook.active,
        "timeout": hook.timeout,
        "retry_count": hook.retry_count,
        "on_failure": hook.on_failure,
        "created_at": hook.created_at,
        "last_run": run.map_or_else(|| NO_TIME.to_owned(), |(at, _)| at.to_string()),
        "last_success": run.is_some_and(|(_, is_good)| is_good),
    })
}

/// Hooks see every transaction: they are for whoever has the master key.
fn admit(request: &HttpRequest, app: &App, action: Action) -> Result<Caller, Fault> {
    access::require_master(request, app, (Resource::Hooks, action), "hook management")
}

/// Makes a hook.
#[utoipa::path(
    post, path = "/hooks", tag = "ledger",
    request_body = NewHook,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: made once")),
    responses(
        (status = 201, description = "made", body = Object),
        (status = 400, description = "the field is named", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "it is not the master key", body = Object),
        (status = 409, description = "too many hooks, or the idempotency key was used otherwise", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn create(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let made = async {
        let caller = admit(&request, &app, Action::Write)?;
        let (wanted, keyed) = read::<NewHook>(&request, body, &caller)?;
        let wanted = wanted.check()?;
        let id = new_id("hook_")?;
        let prefix = name_of(&caller.origin, "");
        let change = |registry: &Registry, now: Timestamp| {
            if registry.documents.under(Shelf::Hook, &prefix).count() >= HOOKS_MAX {
                let message = format!("an origin has at most {HOOKS_MAX} hooks");
                return Err(Fault::new(StatusCode::CONFLICT, "GEN_CONFLICT", message));
            }
            let hook = Hook {
                id: id.clone(),
                created_at: now.to_string(),
                ..wanted.clone()
            };
            Ok(vec![set(&name_of(&caller.origin, &id), &hook, now)?])
        };
        let done = app.engine.change_registry::<Fault>(keyed, change).await?;
        let view = view_of(&app, &recorded(&done)?);
        Ok(Reply::created(&view, done.is_replay))
    };
    answer(&request, &app, made).await
}

/// Which hooks.
#[derive(Deserialize)]
pub struct OfKind {
    #[serde(rename = "type")]
    kind: Option<HookKind>,
}

/// Lists hooks.
#[utoipa::path(
    get, path = "/hooks", tag = "ledger",
    params(("type" = Option<HookKind>, Query, description = "only these")),
    responses(
        (status = 200, description = "the hooks; last_run is since the server started", body = Vec<serde_json::Value>),
        (status = 400, description = "the query is wrong", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "it is not the master key", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = admit(&request, &app, Action::Read)?;
        let query = Query::<OfKind>::from_query(request.query_string());
        let query = query.map_err(|_| {
            let message = "type must be PRE_TRANSACTION or POST_TRANSACTION";
            Fault::invalid("GEN_VALIDATION_ERROR", "type", message)
        })?;
        let prefix = name_of(&caller.origin, "");
        let own = |registry: &Registry| -> Vec<Arc<str>> {
            let all = registry.documents.under(Shelf::Hook, &prefix);
            all.map(|(_, text)| text.clone()).collect()
        };
        let texts = app.engine.look_at_registry(own).await?;
        let hooks: Result<Vec<Hook>, Fault> = texts.iter().map(|text| read_hook(text)).collect();
        let mut hooks = hooks?;
        hooks.retain(|hook| query.kind.is_none_or(|kind| kind == hook.kind));
        hooks.sort_by(|one, other| one.created_at.cmp(&other.created_at));
        let views = hooks.iter().map(|hook| view_of(&app, hook)).collect();
        Ok(Reply::ok(&Value::Array(views)))
    };
    answer(&request, &app, listed).await
}

/// Shows a hook.
#[utoipa::path(
    get, path = "/hooks/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the hook's id (hook_…)")),
    responses(
        (status = 200, description = "the hook", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "it is not the master key", body = Object),
        (status = 404, description = "no such hook", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let found = async {
        let caller = admit(&request, &app, Action::Read)?;
        let name = name_of(&caller.origin, &path);
        let find = |registry: &Registry| registry.documents.get(Shelf::Hook, &name).cloned();
        let text = app.engine.look_at_registry(find).await?;
        let hook = read_hook(&text.ok_or_else(no_hook)?)?;
        Ok(Reply::ok(&view_of(&app, &hook)))
    };
    answer(&request, &app, found).await
}

/// Replaces a hook.
#[utoipa::path(
    put, path = "/hooks/{id}", tag = "ledger",
    request_body = NewHook,
    params(
        ("id" = String, Path, description = "the hook's id (hook_…)"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key, same answer"),
    ),
    responses(
        (status = 200, description = "as it is now", body = Object),
        (status = 400, description = "the field is named", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "it is not the master key", body = Object),
        (status = 404, description = "no such hook", body = Object),
        (status = 409, description = "the idempotency key was used otherwise", body = Object),
        (status = 413, description = "the body is too large", body = Object),
        (status = 415, description = "the body is not JSON", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn update(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let updated = async {
        let caller = admit(&request, &app, Action::Write)?;
        let (wanted, keyed) = read::<NewHook>(&request, body, &caller)?;
        let wanted = wanted.check()?;
        let name = name_of(&caller.origin, &path);
        let change = |registry: &Registry, now: Timestamp| {
            let text = registry.documents.get(Shelf::Hook, &name);
            let known = read_hook(text.ok_or_else(no_hook)?)?;
            let hook = Hook {
                id: known.id,
                created_at: known.created_at,
                ..wanted.clone()
            };
            Ok(vec![set(&name, &hook, now)?])
        };
        let done = app.engine.change_registry::<Fault>(keyed, change).await?;
        Ok(Reply::ok(&view_of(&app, &recorded(&done)?)))
    };
    answer(&request, &app, updated).await
}

/// Removes a hook.
#[utoipa::path(
    delete, path = "/hooks/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the hook's id (hook_…)")),
    responses(
        (status = 200, description = "removed", body = Object),
        (status = 401, description = "no key, or one that is unknown or expired", body = Object),
        (status = 403, description = "it is not the master key", body = Object),
        (status = 404, description = "no such hook", body = Object),
        (status = 503, description = "busy: try again", body = Object),
    ),
)]
pub async fn delete(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let removed = async {
        let caller = admit(&request, &app, Action::Delete)?;
        let name = name_of(&caller.origin, &path);
        let change = |registry: &Registry, at: Timestamp| {
            if registry.documents.get(Shelf::Hook, &name).is_none() {
                return Err(no_hook());
            }
            Ok(vec![RegistryEvent::DocumentSet {
                shelf: Shelf::Hook,
                name: name.clone(),
                text: None,
                at,
            }])
        };
        app.engine.change_registry::<Fault>(None, change).await?;
        Ok(Reply::ok(
            &json!({ "message": "Hook deleted successfully" }),
        ))
    };
    answer(&request, &app, removed).await
}
