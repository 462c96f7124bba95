//! What the domain says, in the model's words.

use cardwright::domain::{
    books::{Reason, StepKind},
    event::Event,
    outcome::Rejection,
};

/// What the domain said, in the model's words.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "no others come of the books"
)]
pub(crate) fn lines(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::Booked(booked) => {
            let it = &booked.transaction;
            let is_news = booked.kind != StepKind::Noted;
            let reason = it.reason.as_ref().filter(|_| is_news);
            let reason = reason.map_or(String::new(), |it| format!(" {}", word(it)));
            let child = booked.child.as_ref().map_or(String::new(), |child| {
                let (whole, rest) = (child.amount.minor() / 100, child.amount.minor() % 100);
                let written = format!("{whole}.{rest:02}");
                let written = written.trim_end_matches('0').trim_end_matches('.');
                assert_eq!(child.precision.amount, written, "the child's own words");
                assert!(child.terms.reference.is_empty() && !child.terms.marks.inflight);
                format!(
                    " by {} {} of {}",
                    child.id,
                    child.state.word(),
                    child.amount
                )
            });
            format!(
                "{:?} {} {}{reason}{child}",
                booked.kind,
                it.id,
                it.state.word()
            )
        }
        Event::TransferSent(transfer, _) => format!("sent {}", transfer.amount),
        other => panic!("{other:?}"),
    };
    events.iter().map(line).collect()
}

fn word(reason: &Reason) -> &'static str {
    match reason {
        Reason::InsufficientFunds { .. } => "short",
        Reason::OverdraftLimit { .. } => "overdraft",
        Reason::AccountNotOpen { .. } => "not open",
        Reason::OtherPart => "other part",
        Reason::Hook => "hook",
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "no others come of the books"
)]
pub(crate) fn refusal(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Unbooked { place, reason } => format!("unbooked {place}: {}", word(reason)),
        Rejection::TransactionForbids { state } => format!("is {}", state.word()),
        Rejection::TransactionNotFound => "no transaction".into(),
        Rejection::NothingDue => "nothing due".into(),
        Rejection::MoreThanInflight { .. } => "more than inflight".into(),
        Rejection::MoreThanApplied { .. } => "more than applied".into(),
        Rejection::OtherAsset { .. } => "other asset".into(),
        Rejection::SameMoney => "same money".into(),
        Rejection::AccountNotFound => "no account".into(),
        Rejection::AmountRequired => "amount".into(),
        other => panic!("{other:?}"),
    }
}
