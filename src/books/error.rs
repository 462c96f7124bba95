//! Why something of the books was not done.

use crate::{
    actors::EngineError,
    domain::{books::Reason, outcome::Rejection},
};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// There is no such thing for the caller.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The reference was used before.
    #[error("reference {reference} has already been used")]
    Duplicate {
        /// The reference.
        reference: String,
    },
    /// A transaction cannot be done, and was to leave no record then.
    #[error("the transaction cannot be done")]
    Short {
        /// Its place in a bulk.
        place: usize,
        /// Why.
        reason: Reason,
    },
    /// What was asked cannot be: which field, and what to do.
    #[error("{message}")]
    Invalid {
        /// The field.
        field: String,
        /// What to do.
        message: String,
    },
    /// The domain's no.
    #[error(transparent)]
    Rejected(Rejection),
    /// The engine's no.
    #[error(transparent)]
    Engine(EngineError),
}

impl From<EngineError> for BooksError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Rejected(rejection) => rejection.into(),
            other @ (EngineError::KeyConflict
            | EngineError::Busy(_)
            | EngineError::Unavailable
            | EngineError::Halted(_)
            | EngineError::Journal(_)
            | EngineError::Wire(_)) => Self::Engine(other),
        }
    }
}

impl From<Rejection> for BooksError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}
