//! How this face says no: `message`, `code` and `req_id` at the top, as the SDK reads them.

use actix_web::{HttpResponse, http::StatusCode};
use serde_json::{Value, json};

use super::super::problem::Problem;

/// An error of this face.
#[derive(utoipa::ToSchema, serde::Serialize)]
pub struct ErrorView {
    /// What is wrong and what to do; names the field.
    message: String,
    /// For programs.
    code: String,
    /// More for programs: `field`, and what the code brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    extra_details: Option<Value>,
    /// The request's id.
    req_id: String,
    /// The same in the other faces' shape.
    #[schema(value_type = Object)]
    error: Value,
}

/// The SDK tells classes of errors apart by status, and knows 400 where the other faces say 422 to
/// a value that cannot be. A few codes have names of its own.
#[must_use]
pub fn translate(mut problem: Problem) -> Problem {
    match problem.code {
        "impossible_value" => problem.status = StatusCode::BAD_REQUEST,
        "insufficient_funds" => problem.code = "INSUFFICIENT_FUNDS",
        _ => {}
    }
    if let Some(field) = &problem.field
        && !problem.message.contains(field.as_str())
    {
        problem.message = format!("{field}: {}", problem.message);
    }
    problem
}

/// The whole answer.
#[must_use]
pub fn respond(problem: Problem, request_id: &str) -> HttpResponse {
    let problem = translate(problem);
    let mut extra = problem.details.clone().unwrap_or_else(|| json!({}));
    if let (Some(field), Some(object)) = (&problem.field, extra.as_object_mut()) {
        object.insert("field".into(), json!(field));
    }
    let has_extra = extra.as_object().is_none_or(|object| !object.is_empty());
    let mut builder = HttpResponse::build(problem.status);
    builder.insert_header(("x-request-id", request_id));
    if let Some(seconds) = problem.retry_after_s {
        builder.insert_header(("retry-after", seconds.to_string()));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        builder.insert_header(("www-authenticate", "Bearer"));
    }
    if problem.status == StatusCode::REQUEST_TIMEOUT {
        // What did not arrive is not waited for any more.
        builder.force_close();
    }
    builder.json(ErrorView {
        error: problem.error(),
        message: problem.message,
        code: problem.code.to_owned(),
        extra_details: has_extra.then_some(extra),
        req_id: request_id.to_owned(),
    })
}

/// 422: the field is known and its feature has not come yet.
#[must_use]
pub fn not_available(field: &str) -> Problem {
    let mut problem = Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "not_available",
        format!("{field} is not available yet"),
    );
    problem.field = Some(field.to_owned());
    problem
}

/// 404 for an account that a field or the path names.
#[must_use]
pub fn no_account(field: Option<&str>) -> Problem {
    let message = field.map_or_else(
        || "account not found".to_owned(),
        |field| format!("{field}: account not found"),
    );
    let mut problem = Problem::not_found("account_not_found", message);
    problem.field = field.map(str::to_owned);
    problem
}
