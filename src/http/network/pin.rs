//! `POST /v1/cards/{urn}/pin/verify`: is it the card's PIN, and how often may one still try.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        App, access,
        body::{self, Body},
        problem::Problem,
        request_id,
    },
    authorize::{card_problem, card_target},
};
use crate::{
    domain::{card::PinVerifier, ids::AccountNo, registry::Scope, time::Timestamp},
    vault::pin::Pin,
};

/// How many wrong PINs in a row there may be.
const TRIES_MAX: u8 = 3;
/// How long a card is shut after the last of them, in seconds.
const SHUT_SECONDS: i64 = 24 * 3_600;
/// The most cards whose wrong tries are counted at once.
const CARDS_MAX: usize = 200_000;

/// A PIN to look at.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    /// From 4 to 12 digits.
    #[schema(value_type = String, example = "4929")]
    pin: Value,
}

/// Wrong tries in a row.
struct Tries {
    wrong: u8,
    last: Timestamp,
    /// Of which PIN: another one starts anew.
    of: PinVerifier,
}

/// Wrong PINs by card. In memory: a restart forgets them.
#[derive(Default)]
pub struct PinTries(Mutex<BTreeMap<AccountNo, Tries>>);

/// What a try came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Tried {
    is_valid: bool,
    left: u8,
}

impl PinTries {
    /// One try; nothing if too many cards are counted already. Counting and looking are one: no two
    /// tries at once take one place.
    fn take(
        &self,
        (card, of, now): (AccountNo, &PinVerifier, Timestamp),
        is_right: impl FnOnce() -> bool,
    ) -> Option<Tried> {
        let mut cards = self.0.lock();
        let is_over = |tries: &Tries| tries.last.plus_seconds(SHUT_SECONDS) <= now;
        let known = cards.get(&card);
        let known = known.filter(|tries| tries.of == *of && !is_over(tries));
        let wrong = known.map_or(0, |tries| tries.wrong);
        if wrong >= TRIES_MAX {
            return Some(Tried {
                is_valid: false,
                left: 0,
            });
        }
        if is_right() {
            cards.remove(&card);
            return Some(Tried {
                is_valid: true,
                left: TRIES_MAX,
            });
        }
        if cards.len() >= CARDS_MAX && !cards.contains_key(&card) {
            cards.retain(|_, tries| !is_over(tries));
            if cards.len() >= CARDS_MAX {
                return None;
            }
        }
        let wrong = wrong.saturating_add(1);
        let of = of.clone();
        let last = now;
        cards.insert(card, Tries { wrong, last, of });
        Some(Tried {
            is_valid: false,
            left: TRIES_MAX.saturating_sub(wrong),
        })
    }
}

/// Says whether it is the card's PIN. After three wrong ones in a row every answer is no, for 24 hours or
/// until the PIN is set again. `Idempotency-Key` is not read: each request is a try.
#[utoipa::path(
    post, path = "/v1/cards/{urn}/pin/verify", tag = "network",
    params(("urn" = String, Path, description = "the card: account URN, account id or card token")),
    request_body = PinRequest,
    responses(
        (status = 200, description = "`valid`, `attempts_remaining`", body = Value),
        (status = 400, description = "malformed: the field is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 404, description = "no such card"),
        (status = 409, description = "pin_not_set: the card has no PIN"),
        (status = 415, description = "the body is not JSON"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn verify(
    request: HttpRequest,
    path: Path<String>,
    body: Body,
    app: Data<App>,
) -> HttpResponse {
    let id = request_id(&request, &app);
    match look(&request, &path, body, &app).await {
        Ok(tried) => HttpResponse::Ok()
            .insert_header(("x-request-id", id))
            .insert_header(("cache-control", "no-store"))
            .json(json!({ "valid": tried.is_valid, "attempts_remaining": tried.left })),
        Err(problem) => problem.respond(&id),
    }
}

async fn look(request: &HttpRequest, card: &str, bytes: Body, app: &App) -> Result<Tried, Problem> {
    let principal = access::require(request, app, Scope::Network)?;
    body::require_json(request)?;
    let bytes = body::bytes(bytes)?;
    let asked: PinRequest = body::parse(&bytes)?;
    let pin = asked.pin.as_str().and_then(Pin::parse);
    let pin =
        pin.ok_or_else(|| Problem::malformed("pin", "pin must be a string of 4 to 12 digits"))?;
    let (target, no) = card_target(card)?;
    let origin = Some(principal.origin.clone());
    let known = app.engine.read(target, origin, move |hosted| {
        let account = hosted.group.account(no)?;
        Some(account.card.as_ref().and_then(|file| file.pin.clone()))
    });
    let known = known.await.map_err(card_problem)?;
    let known = known.ok_or_else(|| {
        card_problem(Problem::not_found("account_not_found", "account not found"))
    })?;
    let known = known.ok_or_else(|| {
        Problem::conflict(
            "pin_not_set",
            "the card has no PIN: set input.pin of its account first",
        )
    })?;
    let now = app.engine.shared.clock.now();
    let is_right = || pin.is(&known, &app.vault, no);
    let tried = app.pin_tries.take((no, &known, now), is_right);
    tried.ok_or_else(|| Problem::busy("too many cards have wrong PINs: try again later"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries in order: of which PIN, at which second, whether it is right; what comes of it.
    #[test]
    fn three_wrong_ones_shut_the_card() {
        let tries = PinTries::default();
        let check = |(card, of, second): (u64, u8, i64), right: bool, expect: (bool, u8)| {
            let now = Timestamp::default().plus_seconds(second);
            let verifier = PinVerifier([of; 32]);
            let tried = tries.take((AccountNo(card), &verifier, now), || right);
            let (is_valid, left) = expect;
            assert_eq!(
                tried,
                Some(Tried { is_valid, left }),
                "{card} {of} {second}"
            );
        };
        check((1, 1, 0), false, (false, 2));
        check((1, 1, 1), true, (true, 3));
        check((1, 1, 2), false, (false, 2));
        check((1, 1, 3), false, (false, 1));
        check((2, 9, 3), false, (false, 2));
        check((1, 1, 4), false, (false, 0));
        check((1, 1, 5), true, (false, 0));
        check((1, 1, 4 + SHUT_SECONDS - 1), true, (false, 0));
        // Another PIN is not shut by the tries at the old one.
        check((1, 2, 6), true, (true, 3));
        check((1, 1, 7), false, (false, 2));
        check((1, 1, 8), false, (false, 1));
        check((1, 1, 9), false, (false, 0));
        check((1, 1, 9 + SHUT_SECONDS), true, (true, 3));
    }
}
