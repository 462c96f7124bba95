//! Every error of the network and operator faces: its status, code and words.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::{HttpResponse, http::StatusCode};
use serde_json::{Value, json};

use crate::{
    actors::EngineError,
    domain::{money::MoneyError, outcome::Rejection},
};

/// An error as a caller sees it. Says which field, what is wrong, and what to do.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Which part of the request.
    pub field: Option<String>,
    /// More for programs.
    pub details: Option<Value>,
    /// After how many seconds to try again.
    pub retry_after_s: Option<u32>,
    /// For a card network: the ISO 8583 response code.
    pub response_code: Option<&'static str>,
}

impl Problem {
    /// A problem with a status, a code and a message.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            field: None,
            details: None,
            retry_after_s: None,
            response_code: None,
        }
    }

    /// 400: a field is malformed.
    pub fn malformed(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "malformed_request", message);
        problem.field = Some(field.into());
        problem
    }

    /// 422: a field is well formed and impossible.
    pub fn impossible(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "impossible_value",
            message,
        );
        problem.field = Some(field.into());
        problem
    }

    /// 422 for a sum of money.
    #[must_use]
    pub fn money(field: &str, error: &MoneyError) -> Self {
        Self::impossible(field, format!("{field}: {error}"))
    }

    /// 404.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 503: try again.
    pub fn busy(message: impl Into<String>) -> Self {
        note_busy();
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
        problem.retry_after_s = Some(1);
        problem
    }

    /// With details for programs.
    #[must_use]
    pub fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The `error` object.
    #[must_use]
    pub fn error(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(field), Some(object)) = (&self.field, error.as_object_mut()) {
            object.insert("field".into(), json!(field));
        }
        if let (Some(details), Some(object)) = (&self.details, error.as_object_mut()) {
            object.insert("details".into(), details.clone());
        }
        error
    }

    /// The whole answer.
    #[must_use]
    pub fn respond(&self, request_id: &str) -> HttpResponse {
        let mut body = json!({ "error": self.error(), "request_id": request_id });
        if let (Some(code), Some(object)) = (self.response_code, body.as_object_mut()) {
            object.insert("response_code".into(), json!(code));
        }
        let mut builder = HttpResponse::build(self.status);
        builder.insert_header(("x-request-id", request_id));
        if let Some(seconds) = self.retry_after_s {
            builder.insert_header(("retry-after", seconds.to_string()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            builder.insert_header(("www-authenticate", "Bearer"));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // What did not arrive is not waited for any more.
            builder.force_close();
        }
        builder.json(body)
    }
}

/// What was refused under load since it was last asked: whoever refuses a part of a batch or of a page has no
/// metrics at hand.
static BUSY: AtomicU64 = AtomicU64::new(0);

/// Counts something that was refused under load.
pub fn note_busy() {
    BUSY.fetch_add(1, Ordering::Relaxed);
}

/// How often that was since the last call.
pub fn take_busy() -> u64 {
    BUSY.swap(0, Ordering::Relaxed)
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Rejected(rejection) => Self::from(rejection),
            EngineError::KeyConflict => Self::conflict(
                "idempotency_conflict",
                "this transaction_id, reference or idempotency key was used for another request: \
                 send the same request again, or choose a new one",
            ),
            EngineError::Busy(why) => Self::busy(format!("{why}: try again in a second")),
            EngineError::Unavailable => {
                note_busy();
                let mut problem = Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "system_unavailable",
                    "the decision could not be made and nothing has changed: try again",
                );
                problem.response_code = Some("91");
                problem.retry_after_s = Some(1);
                problem
            }
            EngineError::Halted(_) => {
                Self::busy("the server is stopping: try again with the same id")
            }
            EngineError::Journal(_) | EngineError::Wire(_) => {
                tracing::error!(%error, "the log could not be read");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "storage_fault",
                    "stored data could not be read; the operator's log says where",
                )
            }
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let text = rejection.to_string();
        match rejection {
            Rejection::AccountNotFound => Self::not_found("account_not_found", text),
            Rejection::LedgerNotFound => Self::not_found("ledger_account_not_found", text),
            Rejection::AuthorizationNotFound => Self::not_found("authorization_not_found", text),
            Rejection::RefundNotFound => Self::not_found("refund_not_found", text),
            Rejection::TransferNotFound => Self::not_found("transfer_not_found", text),
            Rejection::AccountExists => Self::conflict("account_exists", text),
            Rejection::TransferKnown => Self::conflict("transfer_known", text),
            Rejection::IllegalTransition { from, .. } => {
                let legal: Vec<_> = from.next().iter().map(|status| status.word()).collect();
                illegal(&text, from.word(), &legal)
            }
            Rejection::AccountNotOpen { status } => {
                Self::conflict("account_not_active", text).with(json!({ "status": status.word() }))
            }
            Rejection::InsufficientFunds {
                asset,
                available,
                required,
            } => Self::conflict("insufficient_funds", text).with(json!({
                "asset": asset.to_string(),
                "available": available.to_string(),
                "required": required.to_string(),
            })),
            Rejection::StateForbids { state, .. } => Self::conflict("invalid_state", text)
                .with(json!({ "state": state.word(), "left": "0" })),
            Rejection::MoreThanLeft {
                state, left, asked, ..
            } => Self::conflict("more_than_left", text)
                .with(json!({ "state": state.word(), "left": left, "asked": asked })),
            Rejection::RefundAlreadyReversed { state } => Self::conflict("already_reversed", text)
                .with(json!({ "state": state.word(), "left": "0" })),
            Rejection::OtherCurrency { .. } => Self::impossible("local_currency", text),
            Rejection::AmountRequired => Self::impossible("local_amount", text),
            Rejection::Money(error) => Self::money("local_amount", &error),
            Rejection::Metadata(error) => Self::malformed(error.key, text),
            Rejection::Link(error) => Self::impossible(error.key, text),
            Rejection::Apart { links, .. } => {
                let first = links.into_iter().next();
                Self::impossible(first.map_or("metadata".to_owned(), |link| link.key), text)
            }
            Rejection::CannotJoin(_) => Self::impossible("metadata", text),
            Rejection::CannotLink(_) => Self {
                field: Some("ledger_account_id".to_owned()),
                ..Self::conflict("ledger_account_in_use", text)
            },
            Rejection::TooManyAccounts(_) => Self::impossible("ledger_account_id", text),
            Rejection::CreditClearing => Self::impossible("transaction_type", text),
            Rejection::NoAssetForCurrency { .. } => Self::impossible("local_currency", text),
            Rejection::NotACard => Self::impossible("urn", text),
            Rejection::BeingDecided => being_decided(&text),
            other @ (Rejection::NoCardFile
            | Rejection::SealedMeanwhile
            | Rejection::TokenNotFound
            | Rejection::TooManyTokens(_)
            | Rejection::IllegalTokenTransition { .. }) => of_cards(&other),
            other @ (Rejection::TransactionNotFound
            | Rejection::TransactionForbids { .. }
            | Rejection::MoreThanInflight { .. }
            | Rejection::MoreThanApplied { .. }
            | Rejection::Unbooked { .. }
            | Rejection::NothingDue
            | Rejection::OtherAsset { .. }
            | Rejection::TooManyTransactions) => of_books(&other),
            Rejection::SameMoney => Self::impossible("destination_account_urn", text),
        }
    }
}

fn being_decided(text: &str) -> Problem {
    let text = format!("{text}: try again when that is answered, in two seconds at most");
    Problem {
        retry_after_s: Some(2),
        ..Problem::conflict("being_decided", text)
    }
}

fn of_cards(rejection: &Rejection) -> Problem {
    let text = rejection.to_string();
    if let Rejection::IllegalTokenTransition { from, .. } = rejection {
        let legal: Vec<_> = from.next().iter().map(|status| status.word()).collect();
        return illegal(&text, from.word(), &legal);
    }
    if *rejection == Rejection::TokenNotFound {
        return Problem::not_found("token_not_found", text);
    }
    let code = if *rejection == Rejection::NoCardFile {
        "no_card_data"
    } else if *rejection == Rejection::SealedMeanwhile {
        "sealed_meanwhile"
    } else {
        "too_many_tokens"
    };
    Problem::conflict(code, text)
}

/// What only the ledger face meets, which has words of its own for it.
fn of_books(rejection: &Rejection) -> Problem {
    let text = rejection.to_string();
    if *rejection == Rejection::TransactionNotFound {
        return Problem::not_found("transaction_not_found", text);
    }
    Problem::conflict("transaction_refused", text)
}

fn illegal(text: &str, from: &str, legal: &[&str]) -> Problem {
    let text = format!("{text}; it can become: {}", listed(legal));
    Problem::conflict("illegal_transition", text).with(json!({ "status": from, "allowed": legal }))
}

fn listed(words: &[&str]) -> String {
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    }
}
