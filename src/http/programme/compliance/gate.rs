//! Whether a holder may do something yet, and how it is told that it may not.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::{
    super::super::{App, problem::Problem},
    store,
};
use crate::{
    actors::registrar::Principal,
    domain::{
        compliance::{
            Gate,
            file::Gap,
            policy::{Kind, Requirement},
        },
        identity::urn,
    },
};

/// Where a holder's verification begins.
pub(super) const START: &str = "/api/compliance";

/// Refuses what the holder's level does not allow, whoever asks for it. An origin without a policy, and
/// an origin's own accounts, are never refused.
///
/// # Errors
///
/// 403 `E_VERIFICATION_REQUIRED`, or `E_VERIFICATION_PENDING` if all that is missing is looked at.
pub fn require(app: &App, caller: &Principal, holder_urn: &str, gate: Gate) -> Result<(), Problem> {
    let Some(policy) = store::policy_now(app, &caller.origin)? else {
        return Ok(());
    };
    if !policy.gates.contains_key(&gate) || is_house(&caller.origin, holder_urn) {
        return Ok(());
    }
    let file = store::file_now(app, holder_urn)?;
    let gap = file.gap_at(&policy, gate);
    gap.map_or(Ok(()), |gap| Err(refused(&gap, gate)))
}

/// Whether that holder is the programme itself: nobody verifies it to itself.
pub(super) fn is_house(origin: &str, holder_urn: &str) -> bool {
    holder_urn == urn(origin, origin)
}

fn refused(gap: &Gap<'_>, gate: Gate) -> Problem {
    let names = keys(&gap.missing);
    let (code, message) = if gap.is_pending() {
        let message = format!(
            "{} needs verification level {}: what was sent in is being looked at ({})",
            gate.word(),
            gap.required,
            names.join(", ")
        );
        ("E_VERIFICATION_PENDING", message)
    } else {
        let message = format!(
            "{} needs verification level {}: {} missing; begin with POST {START}",
            gate.word(),
            gap.required,
            names.join(", ")
        );
        ("E_VERIFICATION_REQUIRED", message)
    };
    Problem::new(StatusCode::FORBIDDEN, code, message).with(json!({
        "current_level": shown(gap.current),
        "required_level": gap.required,
        "missing_requirements": names,
        "pending_requirements": keys(&gap.pending),
        "verification_flow": {
            "type": flow_kind(gap),
            "method": "POST",
            "start_endpoint": START,
        },
    }))
}

/// A level's number; -1 below the lowest. Source: Bloque SDK, tier status.
pub(super) fn shown(level: Option<u32>) -> Value {
    level.map_or_else(|| json!(-1), |level| json!(level))
}

/// Their names.
pub(super) fn keys(requirements: &[&Requirement]) -> Vec<String> {
    requirements.iter().map(|one| one.key.clone()).collect()
}

/// What the holder is to do first. The SDK knows the first and the last; what it does not know it
/// takes for a verification of identity.
pub(super) fn flow_kind(gap: &Gap<'_>) -> &'static str {
    let waits = |one: &&&Requirement| gap.pending.iter().any(|pending| pending.key == one.key);
    let first = gap.missing.iter().find(|one| !waits(one));
    match first.or_else(|| gap.missing.first()).map(|one| one.kind) {
        Some(Kind::Tos) => "tos_hosted_acceptance",
        Some(Kind::Kyc | Kind::Kyb) | None => "identity_verification",
        Some(Kind::Document | Kind::ManualReview | Kind::ProviderCheck) => "document_submission",
    }
}

/// Refuses keys of metadata that steer money and that the policy keeps from holders.
///
/// # Errors
///
/// 403 that names the key.
pub fn may_set<'a>(
    app: &App,
    caller: &Principal,
    keys: impl IntoIterator<Item = &'a str>,
) -> Result<(), Problem> {
    if caller.holder.is_none() {
        return Ok(());
    }
    let Some(policy) = store::policy_now(app, &caller.origin)? else {
        return Ok(());
    };
    let kept = keys.into_iter().find(|key| !policy.lets_holder_set(key));
    let Some(key) = kept else {
        return Ok(());
    };
    let field = format!("metadata.{key}");
    let message = format!("{field} is the programme's to set, not the holder's");
    let mut problem = Problem::new(StatusCode::FORBIDDEN, "forbidden", message);
    problem.field = Some(field);
    Err(problem)
}
