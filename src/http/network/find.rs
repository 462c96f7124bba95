//! `GET /v1/authorizations/{id}` and the list of a card's authorizations, newest first.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{App, access, json, problem::Problem, programme::query::Params, request_id},
    authorize::{card_problem, card_target, explained},
    steps, view,
};
use crate::{
    actors::{Answer, Target, recall::authorization_in, registrar::Principal},
    domain::{
        event::Event,
        explanation::Explanation,
        group::Group,
        hold::State,
        ids::{AccountNo, ActorId, AuthorizationId},
        registry::Scope,
        time::Timestamp,
    },
};

/// Shows one authorization as it is now.
#[utoipa::path(
    get, path = "/v1/authorizations/{id}", tag = "network",
    params(
        ("id" = String, Path, description = "the auth_ id, or its transaction_id"),
        ("explain" = Option<bool>, Query,
            description = "true: also why it was decided as it was, in `explanation`"),
    ),
    responses(
        (status = 200, description = "the authorization", body = super::schema::AuthorizationAnswer),
        (status = 400, description = "a wrong parameter: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 404, description = "no such authorization"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn one(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    show(&request, &path, &app).await
}

/// Shows the authorization whose transaction id is also the last word of another route.
pub async fn one_called(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let name = request.path().rsplit('/').next().unwrap_or_default();
    show(&request, name, &app).await
}

async fn show(request: &HttpRequest, name: &str, app: &App) -> HttpResponse {
    let id = request_id(request, app);
    match find_one(request, name, app).await {
        Ok(body) => json(StatusCode::OK, &id, body),
        Err(problem) => problem.respond(&id),
    }
}

async fn find_one(request: &HttpRequest, name: &str, app: &App) -> Result<Vec<u8>, Problem> {
    let principal = access::require(request, app, Scope::Network)?;
    let params = Params::read(request, &["explain"], &[])?;
    let is_explained = params.word("explain", &["true", "false"])? == Some("true");
    let id = steps::find(app, &principal, name).await?;
    let unknown = || Problem::not_found("authorization_not_found", "authorization not found");
    let target = Target::Authorization(id);
    let place = app
        .engine
        .read(target, Some(principal.origin.clone()), move |hosted| {
            place_of(&hosted.group, id)
        })
        .await
        .map_err(steps::hide_foreign)?;
    let answer = current(app, place.ok_or_else(unknown)?).await?;
    if !is_explained {
        return view::render(&answer).ok_or_else(unknown);
    }
    let approved = answer.events.iter().find_map(Event::approved);
    let first = match approved.map(|approved| approved.authorization.first_lsn) {
        Some(lsn) => app.engine.past(lsn).await?,
        None => answer.clone(),
    };
    Ok(explained(&answer, &first)?.to_string().into_bytes())
}

fn place_of(group: &Group, id: AuthorizationId) -> Option<u64> {
    let open = group
        .open
        .get(&id)
        .map(|authorization| authorization.last_lsn);
    open.or_else(|| group.closed.get(&id).copied())
}

/// The last record of an authorization, as an answer about it and no operation.
async fn current(app: &App, lsn: u64) -> Result<Answer, Problem> {
    let mut answer = app.engine.past(lsn).await?;
    let movement = answer
        .events
        .iter()
        .rev()
        .find(|event| event.authorization_id().is_some())
        .and_then(Event::movement)
        .cloned();
    if let (Some(authorization), Some(movement)) = (authorization_in(&answer.events, lsn), movement)
    {
        // The balance shown is the one after the authorization's last step.
        let request = first_request(app, &authorization, &answer)?;
        answer.events = vec![Event::AuthorizationApproved(Box::new(
            crate::domain::event::Approved {
                request,
                authorization: std::sync::Arc::new(authorization),
                movement,
                effects: None,
                explanation: Explanation::default(),
            },
        ))];
    }
    Ok(answer)
}

fn first_request(
    app: &App,
    authorization: &crate::domain::hold::Authorization,
    answer: &Answer,
) -> Result<std::sync::Arc<crate::domain::command::Authorize>, Problem> {
    let in_events = |events: &[Event]| {
        events
            .iter()
            .find_map(|event| event.approved().map(|approved| approved.request.clone()))
    };
    if let Some(request) = in_events(&answer.events) {
        return Ok(request);
    }
    let first = app.engine.entry(authorization.first_lsn)?;
    let found = match &first.body {
        crate::wire::Body::Group(events) => in_events(events),
        crate::wire::Body::Registry(_) => None,
    };
    found.ok_or_else(|| Problem::not_found("authorization_not_found", "authorization not found"))
}

struct Filter {
    card: String,
    state: Option<State>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
    limit: usize,
    cursor: Option<AuthorizationId>,
}

/// How many authorizations are looked at for one page.
const LOOKED_AT_MAX: usize = 5_000;

/// Lists a card's authorizations, newest first.
#[utoipa::path(
    get, path = "/v1/authorizations", tag = "network",
    params(
        ("card" = String, Query, description = "the card: URN, id or card token"),
        ("state" = Option<String>, Query, description = "only those in this state"),
        ("after" = Option<String>, Query, description = "only those made after it, RFC 3339"),
        ("before" = Option<String>, Query, description = "only those made before it, RFC 3339"),
        ("limit" = Option<u32>, Query, description = "how many at the most, 1 to 500; 50 if missing"),
        ("cursor" = Option<String>, Query, description = "where the page before ended"),
    ),
    responses(
        (status = 200, description = "a page", body = super::schema::AuthorizationPage),
        (status = 400, description = "a wrong parameter: it is named"),
        (status = 401, description = "no key, or an unknown one"),
        (status = 403, description = "the key has not the scope network"),
        (status = 404, description = "no such card"),
        (status = 422, description = "an impossible parameter: it is named"),
        (status = 503, description = "busy: try again"),
    ),
)]
pub async fn list(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let id = request_id(&request, &app);
    let listed = async {
        let principal = access::require(&request, &app, Scope::Network)?;
        page(&filter_of(&request)?, &app, &principal).await
    };
    match listed.await {
        Ok(body) => json(StatusCode::OK, &id, body),
        Err(problem) => problem.respond(&id),
    }
}

fn filter_of(request: &HttpRequest) -> Result<Filter, Problem> {
    const ONCE: [&str; 6] = ["card", "state", "after", "before", "limit", "cursor"];
    let params = Params::read(request, &ONCE, &[])?;
    let card = params.one("card");
    let card = card.ok_or_else(|| Problem::malformed("card", "card must name the card"))?;
    let state = params.one("state").map(|word| {
        let known = State::ALL.iter().find(|state| state.word() == word);
        known.copied().ok_or_else(|| {
            let words: Vec<_> = State::ALL.iter().map(|state| state.word()).collect();
            let message = format!("state must be one of {}", words.join(", "));
            Problem::impossible("state", message)
        })
    });
    let cursor = params.one("cursor").map(|text| {
        text.parse()
            .map_err(|_| Problem::malformed("cursor", "cursor is not one of ours"))
    });
    let limit = params
        .one("limit")
        .unwrap_or("50")
        .parse()
        .map_err(|_| Problem::malformed("limit", "limit must be a number from 1 to 500"))?;
    if !(1..=500).contains(&limit) {
        return Err(Problem::impossible("limit", "limit must be 1 to 500"));
    }
    Ok(Filter {
        card: card.to_owned(),
        state: state.transpose()?,
        after: params.time("after")?,
        before: params.time("before")?,
        limit,
        cursor: cursor.transpose()?,
    })
}

async fn page(filter: &Filter, app: &App, principal: &Principal) -> Result<Vec<u8>, Problem> {
    let (target, account) = card_target(&filter.card)?;
    let cursor = filter.cursor;
    let origin = Some(principal.origin.clone());
    let places = app
        .engine
        .read(target, origin, move |hosted| {
            hosted
                .group
                .account(account)
                .map(|_| places_before(&hosted.group, cursor))
        })
        .await
        .map_err(card_problem)?;
    let places = places
        .ok_or_else(|| card_problem(Problem::not_found("account_not_found", "card not found")))?
        .ok_or_else(|| Problem::malformed("cursor", "cursor is of another card's list"))?;
    collect(app, account, filter, places).await
}

/// The newest authorizations of a group that come before `cursor`, one more than are looked at; nothing if
/// the cursor is none of the group's.
fn places_before(
    group: &Group,
    cursor: Option<AuthorizationId>,
) -> Option<Vec<(AuthorizationId, u64)>> {
    if cursor.is_some_and(|cursor| !group.numberers().any(|actor| actor == cursor.actor)) {
        return None;
    }
    let most = LOOKED_AT_MAX.saturating_add(1);
    let is_later = |actor: &ActorId| cursor.is_some_and(|cursor| cursor.actor != *actor);
    let mut places = Vec::new();
    for actor in group.numberers().skip_while(is_later) {
        let number = |number| AuthorizationId { actor, number };
        let end = cursor.filter(|cursor| cursor.actor == actor);
        let range = number(0)..end.unwrap_or(number(u32::MAX));
        let open = group.open.range(range.clone()).rev();
        let open = open.map(|(id, known)| (*id, known.last_lsn));
        let closed = group.closed.range(range).rev().map(|(id, lsn)| (*id, *lsn));
        let mut here: Vec<_> = open.take(most).chain(closed.take(most)).collect();
        here.sort_unstable_by(|a, b| b.cmp(a));
        places.append(&mut here);
        if places.len() >= most {
            break;
        }
    }
    places.truncate(most);
    Some(places)
}

async fn collect(
    app: &App,
    account: AccountNo,
    filter: &Filter,
    places: Vec<(AuthorizationId, u64)>,
) -> Result<Vec<u8>, Problem> {
    let mut data: Vec<Box<RawValue>> = Vec::new();
    let mut last = None;
    let mut has_more = false;
    for (looked_at, (id, lsn)) in places.into_iter().enumerate() {
        // Only another one that fits is more.
        let is_full = data.len() == filter.limit;
        if looked_at == LOOKED_AT_MAX {
            has_more = true;
            break;
        }
        if !is_full {
            last = Some(id);
        }
        let answer = current(app, lsn).await?;
        let Some((created_at, state, card)) = facts(&answer) else {
            continue;
        };
        // Of one card, what comes later here is older.
        let is_own = card == account;
        if is_own && filter.after.is_some_and(|after| created_at <= after) {
            break;
        }
        let fits = is_own
            && filter.before.is_none_or(|before| created_at < before)
            && filter.state.is_none_or(|wanted| wanted == state);
        if fits && is_full {
            has_more = true;
            break;
        }
        if fits && let Some(body) = view::render(&answer) {
            let text = String::from_utf8(body).unwrap_or_default();
            data.extend(RawValue::from_string(text).ok());
        }
    }
    let next_cursor = last.filter(|_| has_more).map(|id| id.to_string());
    let view = ListView {
        data,
        has_more,
        next_cursor,
    };
    serde_json::to_vec(&view).map_err(|error| Problem::malformed("body", error.to_string()))
}

#[derive(Serialize)]
struct ListView {
    data: Vec<Box<RawValue>>,
    has_more: bool,
    next_cursor: Option<String>,
}

fn facts(answer: &Answer) -> Option<(Timestamp, State, AccountNo)> {
    answer.events.iter().rev().find_map(|event| {
        if let Some(declined) = event.declined() {
            return Some((answer.time, State::Declined, declined.request.account));
        }
        let authorization = &event.approved()?.authorization;
        Some((
            authorization.created_at,
            authorization.state(),
            authorization.account,
        ))
    })
}
