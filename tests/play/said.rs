//! The domain's answers in the model's words.

use cardwright::domain::{
    event::{Event, StepKind, Stepped},
    ids::AuthorizationId,
    money::MoneyError,
    outcome::{DeclineReason, Rejection},
};

pub(super) fn said(result: &Result<Vec<Event>, Rejection>) -> String {
    match result {
        Ok(events) => event(&events[0]),
        Err(rejection) => format!("rejected {}", word(rejection)),
    }
}

/// The authorization an event leaves behind.
pub(super) fn subject(event: &Event) -> Option<AuthorizationId> {
    if let Event::AuthorizationApproved(approved) = event {
        return Some(approved.authorization.id);
    }
    if let Event::AuthorizationStepped(stepped) = event {
        return Some(stepped.authorization.id);
    }
    None
}

fn declined(reason: DeclineReason) -> String {
    format!("declined {} {}", reason.word(), reason.response_code())
}

fn event(event: &Event) -> String {
    match event {
        Event::AccountOpened(_) => "opened".into(),
        Event::AccountChanged { .. } => "changed".into(),
        Event::Deposited(..) => "deposited".into(),
        Event::Withdrawn(..) => "withdrawn".into(),
        Event::TransferredWithin(..) => "transferred".into(),
        Event::TransferSent(..) => "sent".into(),
        Event::TransferReceived(..) => "received".into(),
        Event::TransferSettled(_) => "settled".into(),
        Event::TransferReturned(..) => "returned".into(),
        Event::AuthorizationApproved(approved) => {
            let known = &approved.authorization;
            let word = match (known.is_forced, known.is_partial) {
                (true, _) => "posted",
                (false, true) => "partially approved",
                (false, false) => "approved",
            };
            format!("{word} {} {}", known.amount(), known.asset)
        }
        Event::AuthorizationDeclined(no) => declined(no.reason),
        Event::AuthorizationStepped(step) => stepped(step),
        Event::Absorbed(_) => "absorbed".into(),
        Event::Booked(_) => "booked".into(),
    }
}

fn stepped(step: &Stepped) -> String {
    let amount = step.amount;
    match step.kind {
        StepKind::Increment => format!("incremented {amount}"),
        StepKind::IncrementDeclined(reason) => declined(reason),
        StepKind::Capture => format!("captured {amount} adjusted {}", step.over.adjusted),
        StepKind::Reversal => format!("reversed {amount}"),
        StepKind::Expiry => format!("expired {amount}"),
        StepKind::Refund => {
            let refund = step.authorization.refunds.last().unwrap();
            format!("refunded {amount} suspended {}", refund.in_suspense[0])
        }
        StepKind::RefundReversal => format!("refund reversed {amount}"),
        StepKind::Concluded(verdict) => format!("decided {} {amount}", verdict.word()),
    }
}

const fn word(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::AccountNotFound => "no account",
        Rejection::LedgerNotFound => "no ledger",
        Rejection::AuthorizationNotFound => "no authorization",
        Rejection::RefundNotFound => "no refund",
        Rejection::TransferNotFound => "no transfer",
        Rejection::AccountExists => "account exists",
        Rejection::TransferKnown => "transfer known",
        Rejection::IllegalTransition { .. } => "illegal transition",
        Rejection::AccountNotOpen { .. } => "account not open",
        Rejection::InsufficientFunds { .. } => "insufficient funds",
        Rejection::StateForbids { .. } => "state",
        Rejection::MoreThanLeft { .. } => "more than left",
        Rejection::RefundAlreadyReversed { .. } => "already reversed",
        Rejection::OtherCurrency { .. } => "other currency",
        Rejection::AmountRequired => "amount required",
        Rejection::Money(MoneyError::Negative { .. }) => "negative",
        Rejection::Money(MoneyError::TooPrecise { .. }) => "too precise",
        Rejection::Money(MoneyError::OutOfRange) => "out of range",
        Rejection::Money(
            MoneyError::NotAnAmount { .. }
            | MoneyError::NotADecimal { .. }
            | MoneyError::TooLarge { .. }
            | MoneyError::NotAnAsset { .. }
            | MoneyError::NotACurrency { .. },
        ) => "money",
        Rejection::CreditClearing => "credit clearing",
        Rejection::Metadata(_) => "metadata",
        Rejection::Apart { .. } | Rejection::Link(_) => "link",
        Rejection::CannotJoin(_) => "cannot join",
        Rejection::BeingDecided => "being decided",
        Rejection::CannotLink(_) => "cannot link",
        Rejection::TooManyAccounts(_) => "too many accounts",
        Rejection::NotACard
        | Rejection::NoCardFile
        | Rejection::SealedMeanwhile
        | Rejection::TokenNotFound
        | Rejection::IllegalTokenTransition { .. }
        | Rejection::TooManyTokens(_) => "card data",
        Rejection::TransactionNotFound
        | Rejection::TransactionForbids { .. }
        | Rejection::MoreThanInflight { .. }
        | Rejection::MoreThanApplied { .. }
        | Rejection::Unbooked { .. }
        | Rejection::NothingDue
        | Rejection::OtherAsset { .. }
        | Rejection::TooManyTransactions => "books",
        Rejection::NoAssetForCurrency { .. } => "no asset",
        Rejection::SameMoney => "same money",
    }
}
