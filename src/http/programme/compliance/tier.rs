//! `GET /api/compliance/{urn}/tier-status`: which level a holder has, what the next one wants, and how
//! much of its limits is used.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde_json::{Value, json};

use super::{
    super::{
        super::{App, problem::Problem},
        problem::ErrorView,
        request::{Reply, answer, caller},
    },
    gate, start,
    store::{self, Kept},
};
use crate::domain::{
    compliance::{Span, Spent, VerificationFile, file::Gap, policy::Level, policy::Window},
    money::Amount,
    registry::Registry,
};

/// Tells which level of verification a holder has, and what is missing for the next.
#[utoipa::path(
    get, path = "/api/compliance/{urn}/tier-status", tag = "programme",
    params(("urn" = String, Path, description = "the holder's URN, colons as they are")),
    responses(
        (status = 200, description = "the levels and what they want", body = Object),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no holder of the caller's", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let told = async {
        let caller = caller(&request, &app)?;
        start::require_seen(&caller, &path)?;
        let all = |registry: &Registry| {
            let kept = store::policy_in(registry, &caller.origin)?;
            let file = store::file_in(registry, &path)?.unwrap_or_default();
            let spent = store::spent_in(registry, &path)?;
            Ok::<_, Problem>((kept, file, spent))
        };
        let (kept, file, spent) = app.engine.look_at_registry(all).await??;
        let shared = &app.engine.shared;
        let spans = shared.zone.spans(shared.clock.now());
        Reply::new(StatusCode::OK, &view(&path, &kept, &file, (&spent, &spans)))
    };
    answer(&request, &app, told).await
}

fn view(
    urn: &str,
    kept: &Kept,
    file: &VerificationFile,
    (spent, spans): (&Spent, &[Span]),
) -> Value {
    let policy = &kept.policy;
    let effective = file.effective(policy).map(|level| level.level);
    let mut view = json!({
        "identity_urn": urn,
        "effective_level": gate::shown(effective),
        "policy_version": kept.version.to_string(),
        "levels": file.levels(policy).iter().map(|standing| json!({
            "level": standing.level.level,
            "name": standing.level.name,
            "satisfied": standing.is_satisfied,
            "requirements": requirements(standing.level, file),
        })).collect::<Vec<_>>(),
    });
    let Some(object) = view.as_object_mut() else {
        return view;
    };
    let above = |level: &&Level| effective.is_none_or(|effective| level.level > effective);
    let next = policy.levels.iter().find(above).map(|level| level.level);
    if let Some(gap) = next.and_then(|next| file.gap(policy, next)) {
        object.insert("next_level".into(), json!(gap.required));
        object.insert(
            "missing_requirements".into(),
            json!(gate::keys(&gap.missing)),
        );
        object.insert(
            "pending_requirements".into(),
            json!(gate::keys(&gap.pending)),
        );
        if !gap.is_pending() {
            object.insert("verification_flow".into(), flow(&gap));
        }
    }
    if let Some(level) = file
        .limiting(policy)
        .filter(|level| !level.limits.is_empty())
    {
        object.insert("limits".into(), limits(level, spent, spans));
    }
    view
}

fn requirements(level: &Level, file: &VerificationFile) -> Vec<Value> {
    let shown = |wanted: &crate::domain::compliance::policy::Requirement| {
        let status = file.standing(&wanted.key).tier_word();
        let mut view = json!({ "key": wanted.key, "kind": wanted.kind.word(), "status": status });
        let mark = file.requirements.get(&wanted.key);
        if let (Some(mark), Some(object)) = (mark, view.as_object_mut())
            && status == "pending_review"
        {
            object.insert("submitted_at".into(), json!(mark.at));
        }
        view
    };
    level.requirements.iter().map(shown).collect()
}

/// Source: Bloque SDK, which reads all of it where there is a flow.
fn flow(gap: &Gap<'_>) -> Value {
    json!({
        "type": gate::flow_kind(gap),
        "method": "POST",
        "start_endpoint": gate::START,
        "request_body": {
            "required": [],
            "optional": ["urn", "type", "return_url"],
            "return_url_policy": "server_allowlisted",
        },
        "response_url_field": "url",
        "transactional_redirect": false,
    })
}

fn limits(level: &Level, spent: &Spent, spans: &[Span]) -> Value {
    let mut windows = Vec::new();
    let mut each = None;
    for limit in &level.limits {
        let most = limit.cents();
        if limit.window == Window::PerTransaction {
            each = Some(most.to_string());
        }
        let Some(span) = spans.iter().find(|span| span.window == limit.window) else {
            continue;
        };
        let consumed = spent.in_window(span);
        let left: Amount = most.minus_or_zero(consumed);
        windows.push(json!({
            "window_type": span.window.word(),
            "window_key": span.key,
            "limit_usd_minor_units": most.to_string(),
            "consumed_usd_minor_units": consumed.to_string(),
            "remaining_usd_minor_units": left.to_string(),
            "reset_at": span.ends_at.to_string(),
        }));
    }
    let mut view = json!({ "windows": windows });
    if let (Some(each), Some(object)) = (each, view.as_object_mut()) {
        object.insert("max_per_transaction_usd_minor_units".into(), json!(each));
    }
    view
}
