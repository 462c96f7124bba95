//! Errors as the SDKs read them: `{"error", "error_detail": {"code", "message", "details"?}}`.

use actix_web::{HttpResponse, http::StatusCode};
use serde_json::{Value, json};

use crate::{
    actors::EngineError,
    books::BooksError,
    domain::{
        books::{Reason, State},
        outcome::Rejection,
    },
    http::problem::{Problem, note_busy},
    search::SearchError,
};

/// An error of this face.
#[derive(Debug)]
pub struct Fault {
    /// The status.
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub message: String,
    /// What else a program may want: the field, for one.
    pub details: Option<Value>,
    /// Seconds after which another try may do.
    pub retry_after_s: Option<u32>,
}

impl Fault {
    /// Of a status, a code and a sentence.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: None,
            retry_after_s: None,
        }
    }

    /// 400 with the field.
    #[must_use]
    pub fn invalid(code: &'static str, field: &str, message: impl Into<String>) -> Self {
        Self {
            details: Some(json!({ "field": field })),
            ..Self::new(StatusCode::BAD_REQUEST, code, message)
        }
    }

    /// 404.
    #[must_use]
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// The answer.
    #[must_use]
    pub fn respond(&self, request_id: &str) -> HttpResponse {
        let mut detail = json!({ "code": self.code, "message": self.message });
        if let (Some(details), Some(object)) = (&self.details, detail.as_object_mut()) {
            object.insert("details".to_owned(), details.clone());
        }
        let body = json!({
            "error": self.message, "error_detail": detail, "request_id": request_id,
        });
        let mut builder = HttpResponse::build(self.status);
        builder.insert_header(("x-request-id", request_id));
        if self.status == StatusCode::UNAUTHORIZED {
            builder.insert_header(("www-authenticate", "Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            builder.insert_header(("retry-after", seconds.to_string()));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // What did not arrive is not waited for any more.
            builder.force_close();
        }
        builder.json(body)
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let code = match problem.status.as_u16() {
            401 => "AUTH_INVALID_API_KEY",
            403 => "AUTH_INSUFFICIENT_PERMISSIONS",
            404 => "GEN_NOT_FOUND",
            409 => "GEN_CONFLICT",
            429 => "GEN_RATE_LIMITED",
            422 => "GEN_VALIDATION_ERROR",
            503 => "GEN_RESOURCE_LOCKED",
            500.. => "GEN_INTERNAL",
            _ => "GEN_MALFORMED_REQUEST",
        };
        // An impossible value is a 400 here: the SDKs' own errors are.
        let status = match problem.status {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            other => other,
        };
        Self {
            status,
            code,
            details: problem.field.map(|field| json!({ "field": field })),
            retry_after_s: problem.retry_after_s,
            message: problem.message,
        }
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        Problem::from(error).into()
    }
}

impl From<SearchError> for Fault {
    fn from(error: SearchError) -> Self {
        if matches!(error, SearchError::Behind { .. }) {
            note_busy();
        }
        match error {
            SearchError::Behind { .. } => Self {
                retry_after_s: Some(1),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "GEN_RESOURCE_LOCKED",
                    error.to_string(),
                )
            },
            SearchError::Database(_)
            | SearchError::Io(_)
            | SearchError::Journal(_)
            | SearchError::NoBeginning { .. } => {
                tracing::error!(%error, "the index of the ledger face failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "GEN_INTERNAL",
                    "the index could not be read; the operator's log says why",
                )
            }
        }
    }
}

impl From<BooksError> for Fault {
    fn from(error: BooksError) -> Self {
        let text = error.to_string();
        match error {
            BooksError::NotFound("balance") => Self::not_found("BAL_NOT_FOUND", text),
            BooksError::NotFound("transaction") => Self::not_found("TXN_NOT_FOUND", text),
            BooksError::NotFound("ledger") => Self::not_found("LGR_NOT_FOUND", text),
            BooksError::NotFound(_) => Self::not_found("GEN_NOT_FOUND", text),
            BooksError::Duplicate { .. } => {
                Self::new(StatusCode::CONFLICT, "TXN_DUPLICATE_REFERENCE", text)
            }
            BooksError::Short { place, reason } => {
                let code = match reason {
                    Reason::InsufficientFunds { .. } | Reason::OverdraftLimit { .. } => {
                        "TXN_INSUFFICIENT_FUNDS"
                    }
                    Reason::AccountNotOpen { .. } | Reason::OtherPart | Reason::Hook => {
                        "TXN_VALIDATION_ERROR"
                    }
                };
                let text = super::transactions::sentence(&reason);
                let mut fault = Self::new(StatusCode::BAD_REQUEST, code, text);
                fault.details = Some(json!({ "transaction": place }));
                fault
            }
            BooksError::Invalid { field, message } => {
                Self::invalid("TXN_VALIDATION_ERROR", &field, message)
            }
            BooksError::Rejected(rejection) => rejection.into(),
            BooksError::Engine(error) => error.into(),
        }
    }
}

impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        let text = rejection.to_string();
        let bad = StatusCode::BAD_REQUEST;
        if matches!(rejection, Rejection::TransactionNotFound) {
            return Self::not_found("TXN_NOT_FOUND", text);
        }
        if matches!(rejection, Rejection::AccountNotFound) {
            return Self::not_found("BAL_NOT_FOUND", "balance not found");
        }
        if let Rejection::TransactionForbids { state } = rejection {
            let conflict = StatusCode::CONFLICT;
            return match state {
                State::Committed => Self::new(
                    conflict,
                    "TXN_ALREADY_COMMITTED",
                    "cannot commit: nothing is left inflight, the transaction has been committed",
                ),
                State::Voided | State::Expired => Self::new(
                    conflict,
                    "TXN_ALREADY_VOIDED",
                    "the transaction has already been voided",
                ),
                State::Reserved
                | State::Scheduled
                | State::Inflight
                | State::Applied
                | State::Rejected => Self::new(bad, "TXN_NOT_INFLIGHT", text),
            };
        }
        if matches!(rejection, Rejection::MoreThanInflight { .. }) {
            return Self::invalid("TXN_COMMIT_AMOUNT_EXCEEDED", "amount", text);
        }
        if let Rejection::MoreThanApplied { left, .. } = rejection {
            if left.is_zero() {
                let text = "the transaction has already been refunded";
                return Self::new(StatusCode::CONFLICT, "TXN_ALREADY_REFUNDED", text);
            }
            return Self::invalid("TXN_INVALID_AMOUNT", "amount", text);
        }
        if matches!(rejection, Rejection::OtherAsset { .. }) {
            return Self::invalid("TXN_VALIDATION_ERROR", "currency", text);
        }
        if matches!(rejection, Rejection::SameMoney) {
            return Self::invalid("TXN_VALIDATION_ERROR", "destination", text);
        }
        Problem::from(rejection).into()
    }
}
