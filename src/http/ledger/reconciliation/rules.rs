//! `/reconciliation/matching-rules`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    super::{
        access::{Action, Resource, require},
        fault::Fault,
    },
    RULES_MAX, Told, answer, find, invalid, keyed, not_found, recorded, room, set, time,
};
use crate::{
    actors::registrar::Keyed,
    domain::{documents::Shelf, registry::Registry, time::Timestamp},
    http::{
        App,
        body::{self, Body},
    },
    reconciliation::{
        record::Units,
        rules::{Criterion, Field, Operator, Rule},
        store::{KeptRule, new_id},
    },
};

const NAME_BYTES_MAX: usize = 256;
const DESCRIPTION_BYTES_MAX: usize = 2_048;

/// When an external record and a transaction are the same thing.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewRule {
    /// Its name.
    #[schema(example = "Settlement file")]
    name: String,
    /// For people.
    #[serde(default)]
    description: String,
    /// What must hold, all of it: 1 to 16.
    #[schema(min_items = 1, max_items = 16)]
    criteria: Vec<NewCriterion>,
}

/// What must hold.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCriterion {
    /// What is compared.
    field: Field,
    /// How: `equals` for all, `greater_than` and `less_than` for amounts and dates (the external one is
    /// larger or later, smaller or earlier), `contains` for texts.
    operator: Operator,
    /// Both records are held against this instead of each other.
    #[serde(default)]
    value: Option<String>,
    /// Both records' texts must be like this, where `*` stands for any characters.
    #[serde(default)]
    pattern: Option<String>,
    /// By how much they may differ: of an amount the part of the transaction's (0.01 is one percent), of a
    /// date seconds, of a text percent of its characters.
    #[serde(default)]
    #[schema(value_type = Option<f64>, example = 0.01)]
    allowable_drift: Option<Box<RawValue>>,
}

fn criterion((place, given): (usize, NewCriterion)) -> Result<Criterion, Fault> {
    let drift = match &given.allowable_drift {
        None => None,
        Some(raw) => {
            let field = format!("criteria[{place}].allowable_drift");
            let text = body::number_text(&field, raw)?;
            let exact = text.parse::<Units>();
            Some(exact.map_err(|error| invalid(&field, format!("{field} {error}")))?)
        }
    };
    Ok(Criterion {
        field: given.field,
        operator: given.operator,
        value: given.value,
        pattern: given.pattern,
        allowable_drift: drift.map(|drift| drift.to_string()),
    })
}

/// Reads and checks a rule; its times are for the record to say.
fn read(bytes: &[u8], id: &str) -> Result<KeptRule, Fault> {
    let given: NewRule = body::parse(bytes)?;
    for (field, text, most) in [
        ("name", &given.name, NAME_BYTES_MAX),
        ("description", &given.description, DESCRIPTION_BYTES_MAX),
    ] {
        if text.len() > most || text.chars().any(|c| c.is_control() && c != '\n') {
            let message = format!("{field} must have at most {most} bytes, no control characters");
            return Err(invalid(field, message));
        }
    }
    let criteria = given.criteria.into_iter().enumerate().map(criterion);
    let criteria = criteria.collect::<Result<Vec<_>, _>>()?;
    Rule::new(id, &given.name, &criteria).map_err(|error| {
        let field = format!("criteria[{}].{}", error.place, error.field);
        invalid(&field, error.to_string())
    })?;
    Ok(KeptRule {
        rule_id: id.to_owned(),
        name: given.name,
        description: given.description,
        criteria,
        created_micros: 0,
        updated_micros: 0,
    })
}

fn view(rule: &KeptRule) -> Result<Value, Fault> {
    let criterion = |criterion: &Criterion| {
        let mut view = json!({
            "field": criterion.field.word(),
            "operator": criterion.operator.word(),
        });
        if let Some(object) = view.as_object_mut() {
            if let Some(value) = &criterion.value {
                object.insert("value".into(), json!(value));
            }
            if let Some(pattern) = &criterion.pattern {
                object.insert("pattern".into(), json!(pattern));
            }
            // A number for the SDKs; it is only shown, and kept as its digits.
            let drift = criterion.allowable_drift.as_deref();
            if let Some(number) = drift.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
                object.insert("allowable_drift".into(), number);
            }
        }
        view
    };
    let criteria: Vec<Value> = rule.criteria.iter().map(criterion).collect();
    Ok(json!({
        "rule_id": rule.rule_id,
        "name": rule.name,
        "description": rule.description,
        "criteria": criteria,
        "created_at": time(rule.created_micros),
        "updated_at": time(rule.updated_micros),
    }))
}

pub(super) fn name_of(origin: &str, id: &str) -> String {
    format!("{origin}/{id}")
}

/// Makes a matching rule.
#[utoipa::path(
    post, path = "/reconciliation/matching-rules", tag = "ledger",
    request_body = NewRule,
    params(("Idempotency-Key" = Option<String>, Header, description = "same key: made once")),
    responses(
        (status = 201, description = "made", body = serde_json::Value),
        (status = 400, description = "malformed or impossible: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 409, description = "too many rules, or the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn create(request: HttpRequest, body: Body, app: Data<App>) -> HttpResponse {
    let made = async {
        let caller = require(&request, &app, Resource::Reconciliation, Action::Write)?;
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let id = new_id("rule_").map_err(|_| super::busy("no randomness: try again"))?;
        let rule = read(&bytes, &id)?;
        let keyed = keyed(&request, &caller, &bytes)?;
        let name = name_of(&caller.origin, &id);
        let change = |registry: &Registry, now: Timestamp| {
            room(
                &registry.documents,
                Shelf::MatchingRule,
                &caller.origin,
                RULES_MAX,
            )?;
            let rule = KeptRule {
                created_micros: now.micros(),
                updated_micros: now.micros(),
                ..rule.clone()
            };
            Ok(vec![set(Shelf::MatchingRule, &name, Some(&rule), now)?])
        };
        let change = app.engine.change_registry::<Fault>(keyed, change).await?;
        let rule: KeptRule = recorded(&change, Shelf::MatchingRule)?;
        Ok(Told {
            status: StatusCode::CREATED,
            view: view(&rule)?,
            is_replay: change.is_replay,
        })
    };
    answer(&request, &app, made).await
}

/// Lists the matching rules.
#[utoipa::path(
    get, path = "/reconciliation/matching-rules", tag = "ledger",
    responses(
        (status = 200, description = "the rules, the oldest first", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = require(&request, &app, Resource::Reconciliation, Action::Read)?;
        let start = format!("{}/", caller.origin);
        let own = |registry: &Registry| -> Vec<KeptRule> {
            let all = registry.documents.of(Shelf::MatchingRule);
            let own = all.filter(|(name, _)| name.starts_with(&start));
            own.filter_map(|(_, text)| serde_json::from_str(text).ok())
                .collect()
        };
        let mut rules = app.engine.look_at_registry(own).await?;
        rules.sort_by(|one, other| {
            (one.created_micros, &one.rule_id).cmp(&(other.created_micros, &other.rule_id))
        });
        let views = rules.iter().map(view).collect::<Result<Vec<_>, _>>()?;
        Ok(Told::ok(Value::Array(views)))
    };
    answer(&request, &app, listed).await
}

/// Shows a matching rule.
#[utoipa::path(
    get, path = "/reconciliation/matching-rules/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the rule's id (rule_…)")),
    responses(
        (status = 200, description = "the rule", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 404, description = "no such rule"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let told = async {
        let caller = require(&request, &app, Resource::Reconciliation, Action::Read)?;
        let name = name_of(&caller.origin, &path);
        let find = |registry: &Registry| {
            let text = registry.documents.get(Shelf::MatchingRule, &name)?;
            serde_json::from_str::<KeptRule>(text).ok()
        };
        let rule = app.engine.look_at_registry(find).await?;
        let rule = rule.ok_or_else(|| not_found("matching rule"))?;
        Ok(Told::ok(view(&rule)?))
    };
    answer(&request, &app, told).await
}

/// Replaces a matching rule. Runs that were started before keep the rule as it was.
#[utoipa::path(
    put, path = "/reconciliation/matching-rules/{id}", tag = "ledger",
    request_body = NewRule,
    params(
        ("id" = String, Path, description = "the rule's id (rule_…)"),
        ("Idempotency-Key" = Option<String>, Header, description = "same key: done once"),
    ),
    responses(
        (status = 200, description = "as it is now", body = serde_json::Value),
        (status = 400, description = "malformed or impossible: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 404, description = "no such rule"),
        (status = 409, description = "the idempotency key was used otherwise"),
        (status = 413, description = "the body is too large"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn update(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let changed = async {
        let caller = require(&request, &app, Resource::Reconciliation, Action::Write)?;
        body::require_json(&request)?;
        let bytes = body::bytes(body)?;
        let name = name_of(&caller.origin, &path);
        if find::<KeptRule>(&app, Shelf::MatchingRule, &name).is_none() {
            return Err(not_found("matching rule"));
        }
        let rule = read(&bytes, &path)?;
        let keyed: Option<Keyed> = keyed(&request, &caller, &bytes)?;
        let change = |registry: &Registry, now: Timestamp| {
            let text = registry.documents.get(Shelf::MatchingRule, &name);
            let known = text.and_then(|text| serde_json::from_str::<KeptRule>(text).ok());
            let known = known.ok_or_else(|| not_found("matching rule"))?;
            let rule = KeptRule {
                created_micros: known.created_micros,
                updated_micros: now.micros(),
                ..rule.clone()
            };
            Ok(vec![set(Shelf::MatchingRule, &name, Some(&rule), now)?])
        };
        let change = app.engine.change_registry::<Fault>(keyed, change).await?;
        let rule: KeptRule = recorded(&change, Shelf::MatchingRule)?;
        Ok(Told {
            is_replay: change.is_replay,
            ..Told::ok(view(&rule)?)
        })
    };
    answer(&request, &app, changed).await
}

/// Removes a matching rule. Runs that were started before keep it.
#[utoipa::path(
    delete, path = "/reconciliation/matching-rules/{id}", tag = "ledger",
    params(("id" = String, Path, description = "the rule's id (rule_…)")),
    responses(
        (status = 200, description = "removed", body = serde_json::Value),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key does not allow it"),
        (status = 404, description = "no such rule"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn delete(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let removed = async {
        let caller = require(&request, &app, Resource::Reconciliation, Action::Delete)?;
        let name = name_of(&caller.origin, &path);
        let change = |registry: &Registry, now: Timestamp| {
            if registry.documents.get(Shelf::MatchingRule, &name).is_none() {
                return Err(not_found("matching rule"));
            }
            let nothing: Option<&KeptRule> = None;
            Ok(vec![set(Shelf::MatchingRule, &name, nothing, now)?])
        };
        app.engine.change_registry::<Fault>(None, change).await?;
        let message = "matching rule deleted successfully";
        Ok(Told::ok(json!({ "message": message })))
    };
    answer(&request, &app, removed).await
}
