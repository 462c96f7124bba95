//! Steps on authorizations of the network face: a commit is a capture, a void a reversal, a refund a
//! refund. The rules are that face's; only the words are this one's.

use serde_json::value::RawValue;

use super::{
    movements::{self, unknown},
    request::given,
};
use crate::{
    actors::{Answer, EngineError, Request, Target, keys::key_of, recall::authorization_in},
    books::{Done, Guard},
    domain::{
        command::{Command, StepAmount, StepRequest},
        event::Event,
        hold::{Authorization, State},
        ids::AuthorizationId,
        money::{Amount, Decimal},
        outcome::Rejection,
        uuids::AnyTransaction,
    },
    http::{
        App,
        ledger::{access::Caller, face::new_id, fault::Fault},
    },
    wire::{self, KeyLife},
};

/// What is to become of an authorization.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    /// It is captured: so much, or all that is left.
    Commit {
        /// In units of the asset.
        amount: Option<&'a RawValue>,
        /// In its smallest unit.
        precise: Option<&'a RawValue>,
    },
    /// What is left is let go.
    Void,
    /// What was captured goes back.
    Refund,
}

impl What<'_> {
    const fn class(self) -> &'static str {
        match self {
            Self::Commit { .. } => "capture",
            Self::Void => "reverse",
            Self::Refund => "refund",
        }
    }

    const fn command(self) -> fn(StepRequest) -> Command {
        match self {
            Self::Commit { .. } => Command::Capture,
            Self::Void => Command::Reverse,
            Self::Refund => Command::Refund,
        }
    }
}

/// One partial commit at a time: what is left is looked at before, since that face posts a clearing of
/// more than is held and this one refuses it.
static PARTIAL: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Takes the step, and says what came of it: a transaction whose parent is the authorization.
pub(super) async fn step(
    app: &App,
    caller: &Caller,
    (id, what): (AuthorizationId, What<'_>),
    guard: Guard,
) -> Result<Done<Vec<u8>>, Fault> {
    let is_partial = matches!(
        what,
        What::Commit { amount, precise } if amount.is_some() || precise.is_some()
    );
    let _turn = if is_partial {
        Some(PARTIAL.lock().await)
    } else {
        None
    };
    let local = match what {
        What::Commit { amount, precise } if is_partial => {
            part(app, caller, id, (amount, precise)).await?
        }
        What::Commit { .. } | What::Void | What::Refund => None,
    };
    let request = request_of(caller, (id, what), local, &guard)?;
    let answer = match app.engine.execute(request.clone()).await {
        Err(EngineError::Rejected(Rejection::BeingDecided)) => {
            Box::pin(app.decisions.finish(id)).await?;
            app.engine.execute(request).await
        }
        other => other,
    };
    let answer = answer.map_err(fault)?;
    told(app, caller, &answer).await
}

async fn told(app: &App, caller: &Caller, answer: &Answer) -> Result<Done<Vec<u8>>, Fault> {
    let stepped = |event: &&Event| event.stepped().is_some();
    let found = answer
        .events
        .iter()
        .enumerate()
        .find(|(_, event)| stepped(event));
    let (place, event) = found.ok_or(EngineError::KeyConflict)?;
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    let lsn = answer.lsn;
    let id = AnyTransaction::Movement { lsn, place }.to_string();
    let shown = movements::show_event(app, &caller.origin, event, (&id, answer.time));
    Ok(Done {
        value: shown.await?,
        is_replay: answer.is_replay,
    })
}

fn request_of(
    caller: &Caller,
    (id, what): (AuthorizationId, What<'_>),
    local: Option<StepAmount>,
    guard: &Guard,
) -> Result<Request, Fault> {
    // A retry under the same key is the same step.
    let transaction_id = match &guard.idempotency_key {
        Some(key) => format!("ledger-{:016x}", wire::fingerprint("ledger-step", key)),
        None => new_id("ledger-")?,
    };
    let step = StepRequest {
        authorization: id,
        transaction_id,
        local,
        is_final: None,
    };
    let own = key_of(&caller.origin, what.class(), &step.transaction_id);
    let mut keys = vec![(own, KeyLife::Permanent)];
    keys.extend(guard.idempotency_key.as_ref().map(|text| {
        (
            key_of(&caller.origin, "idempotency", text),
            KeyLife::Expiring,
        )
    }));
    Ok(Request {
        target: Target::Authorization(id),
        origin: Some(caller.origin.clone()),
        fingerprint: wire::fingerprint(what.class(), &step),
        command: what.command()(step),
        keys,
        recalled: None,
    })
}

/// How much is captured, in the merchant's currency; none for all that is left.
async fn part(
    app: &App,
    caller: &Caller,
    id: AuthorizationId,
    (amount, precise): (Option<&RawValue>, Option<&RawValue>),
) -> Result<Option<StepAmount>, Fault> {
    let (events, lsn) = movements::current(app, &caller.origin, id).await?;
    let known = authorization_in(&events, lsn).ok_or_else(not_inflight)?;
    let decimals = known.asset.decimals();
    let factor = 10_u64.checked_pow(u32::from(decimals)).unwrap_or(1);
    let read = if precise.is_some() {
        given((None, None), precise, 1)?
    } else {
        given((amount, None), None, factor)?
    };
    let Some((asked, _)) = read.filter(|(asked, _)| !asked.is_zero()) else {
        return Ok(None);
    };
    let left = known.held();
    if !left.is_zero() && asked > left {
        let text = format!("only {left} is left inflight, {asked} was asked");
        return Err(Fault::invalid("TXN_COMMIT_AMOUNT_EXCEEDED", "amount", text));
    }
    if asked == left {
        return Ok(None);
    }
    local_of(&known, asked).map(Some)
}

/// A part in the merchant's currency, which is what is captured.
fn local_of(known: &Authorization, asked: Amount) -> Result<StepAmount, Fault> {
    let is_direct = known.exact_rate.is_none() && known.rate.compare(Decimal::ONE).is_eq();
    let value = Decimal {
        mantissa: asked.minor(),
        scale: known.asset.decimals(),
    }
    .trimmed();
    if !is_direct || !known.surcharges.is_empty() || value.scale > known.currency.digits() {
        let message = "this authorization is captured in the merchant's currency: commit it wholly, or \
                       capture the part through the network face";
        return Err(Fault::invalid("TXN_INVALID_AMOUNT", "amount", message));
    }
    Ok(StepAmount {
        value,
        currency: None,
    })
}

fn not_inflight() -> Fault {
    let message = "the transaction is not inflight: it was declined";
    Fault::invalid("TXN_NOT_INFLIGHT", "id", message)
}

/// What that face refuses, in the words of this one.
fn fault(error: EngineError) -> Fault {
    if let EngineError::Rejected(rejection) = error {
        return refused(rejection);
    }
    error.into()
}

fn refused(rejection: Rejection) -> Fault {
    let conflict = actix_web::http::StatusCode::CONFLICT;
    if matches!(
        rejection,
        Rejection::AccountNotFound | Rejection::AuthorizationNotFound
    ) {
        return unknown();
    }
    if let Rejection::StateForbids { state, .. } = rejection {
        return match state {
            State::Captured | State::Refunded | State::PartiallyRefunded => Fault::new(
                conflict,
                "TXN_ALREADY_COMMITTED",
                "nothing is left inflight: the transaction has been committed",
            ),
            State::Reversed | State::Expired => Fault::new(
                conflict,
                "TXN_ALREADY_VOIDED",
                "the transaction has already been voided",
            ),
            State::Declined | State::Pending | State::PartiallyCaptured => not_inflight(),
        };
    }
    if matches!(rejection, Rejection::MoreThanLeft { .. }) {
        let text = rejection.to_string();
        return Fault::invalid("TXN_COMMIT_AMOUNT_EXCEEDED", "amount", text);
    }
    rejection.into()
}

/// What would come of a step, that face does not say.
pub(super) fn no_dry_run() -> Fault {
    let message = "dry_run is not available for what the network face did";
    Fault::invalid("GEN_BAD_REQUEST", "dry_run", message)
}
