//! `GET /api/accounts/{urn}/movements` and `GET /api/accounts/transactions`: read from the log itself,
//! newest first.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{App, access, problem::Problem},
    booked,
    describe::folded,
    movement::{Found, MovementView, Rest, Sent, Subject},
    problem::{ErrorView, no_account},
    request::{Reply, account_target, answer, caller},
    view::digits,
    walk::{self, Filter, Scope, Sum},
};
use crate::{
    actors::{
        EngineError, Target, courier,
        hosted::Hosted,
        indexes::{Order, Owner},
        recall::authorization_in,
        registrar::Principal,
    },
    domain::{
        account::Medium,
        hold::State,
        ids::{AccountNo, ActorId, AuthorizationId},
        outcome::Rejection,
    },
    journal::Journal,
    replay::history::{HistoryError, entry_at},
    threads,
    wire::Body,
};

/// The most records read for a page; a page that needs more is short and says where it goes on.
const READS_MAX: usize = 20_000;
/// The most accounts whose movements are read together.
const ACCOUNTS_MAX: usize = 200;

/// A page of movements.
#[derive(Serialize, ToSchema)]
pub struct MovementsResult {
    /// Newest first. May be longer than was asked, so as not to end inside one moment.
    data: Vec<MovementView>,
    /// The limit that was asked for.
    page_size: usize,
    /// Whether there are, or may be, older ones.
    has_more: bool,
    /// Where they go on: for the parameter `next`, with the same filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists an account's movements, newest first.
///
/// `pocket=main` has what came and went for good, `pending` what was held (direction out) and what
/// of it was let go (direction in).
///
/// With `collapsed_view=true` an authorization is one line, at the moment when it was approved: its
/// amount is what it took and still holds less what it gave back, its status `pending`, `settled` or
/// `cancelled`, and `details.metadata` has `authorization_status`, `held_amount`, `captured_amount` and
/// `refunded_amount`. Then `main` has those of which something was captured, `pending` those that still
/// hold, and no `pocket` both.
#[utoipa::path(
    get, path = "/api/accounts/{urn}/movements", tag = "programme",
    params(
        ("urn" = String, Path, description = "the account's URN, colons as they are, or its id"),
        ("asset" = Option<String>, Query, description = "of this asset", example = "DUSD/6"),
        ("limit" = Option<u32>, Query, description = "1 to 500; 50 if missing"),
        ("before" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("after" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("reference" = Option<String>, Query, description = "with this reference"),
        ("direction" = Option<String>, Query, description = "in or out"),
        ("pocket" = Option<String>, Query, description = "main (the default) or pending"),
        ("collapsed_view" = Option<bool>, Query, description = "true: one line for each authorization"),
        ("next" = Option<String>, Query, description = "where the page before ended"),
    ),
    responses(
        (status = 200, description = "a page", body = MovementsResult),
        (status = 400, description = "a wrong parameter: it is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "no such account", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn get(request: HttpRequest, path: Path<String>, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = caller(&request, &app)?;
        let (filter, _) = Filter::read(&request, &[])?;
        let mut scope = Scope::default();
        take_in(&app, &caller, account_target(None, &path)?, &mut scope)
            .await?
            .ok_or_else(|| no_account(None))?;
        let page = page(&app, &caller.origin, scope, filter).await?;
        Reply::new(StatusCode::OK, &page)
    };
    answer(&request, &app, listed).await
}

/// Lists the movements of several accounts together, newest first.
///
/// Money that some of them share counts once; a transfer between two of them is two movements.
#[utoipa::path(
    get, path = "/api/accounts/transactions", tag = "programme",
    params(
        ("account_urns" = Option<Vec<String>>, Query, description = "1 to 200 accounts; repeat it. \
            All that the caller sees if missing, where these are no more"),
        ("asset" = Option<String>, Query, description = "of this asset", example = "DUSD/6"),
        ("limit" = Option<u32>, Query, description = "1 to 500; 50 if missing"),
        ("before" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("after" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("reference" = Option<String>, Query, description = "with this reference"),
        ("direction" = Option<String>, Query, description = "in or out"),
        ("pocket" = Option<String>, Query, description = "main (the default) or pending"),
        ("collapsed_view" = Option<bool>, Query, description = "true: one line for each authorization"),
        ("next" = Option<String>, Query, description = "where the page before ended"),
    ),
    responses(
        (status = 200, description = "a page", body = MovementsResult),
        (status = 400, description = "a wrong parameter: it is named", body = ErrorView),
        (status = 401, description = "no key, or an unknown one", body = ErrorView),
        (status = 403, description = "the key has not the scope programme", body = ErrorView),
        (status = 404, description = "one of them is no account", body = ErrorView),
        (status = 503, description = "busy: try again", body = ErrorView),
    ),
)]
pub async fn transactions(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let listed = async {
        let caller = caller(&request, &app)?;
        let (filter, params) = Filter::read(&request, &["account_urns"])?;
        let named: Vec<&str> = params.all("account_urns").collect();
        // What happens while the accounts are asked one after the other is not of this page.
        let mut scope = Scope::until(app.engine.shared.clock.now());
        for account in accounts(&app, &caller, &named)? {
            take_in(&app, &caller, account, &mut scope)
                .await?
                .ok_or_else(|| no_account(Some("account_urns")))?;
        }
        let page = page(&app, &caller.origin, scope, filter).await?;
        Reply::new(StatusCode::OK, &page)
    };
    answer(&request, &app, listed).await
}

/// The accounts that were named; if none, all that the caller sees.
fn accounts(
    app: &App,
    caller: &Principal,
    named: &[&str],
) -> Result<Vec<(Target, AccountNo)>, Problem> {
    let field = "account_urns";
    let too_many = || {
        let message = format!("account_urns must name 1 to {ACCOUNTS_MAX} accounts");
        Problem::malformed(field, message)
    };
    if named.len() > ACCOUNTS_MAX {
        return Err(too_many());
    }
    if !named.is_empty() {
        let target = |name: &&str| account_target(Some(field), name);
        return named.iter().map(target).collect();
    }
    let of_holder = caller.holder.as_deref().map(Owner::Holder);
    let owner = of_holder.unwrap_or(Owner::Origin(&caller.origin));
    let page = (0, ACCOUNTS_MAX.saturating_add(1));
    let indexes = &app.engine.shared.indexes;
    let all = indexes.listed(owner, Order::NewestFirst, None, page);
    if all.len() > ACCOUNTS_MAX {
        return Err(too_many());
    }
    let target = |no| (Target::Account { no, urn: None }, no);
    Ok(all.into_iter().map(target).collect())
}

/// Adds an account to those whose movements are read; nothing if there is none for this caller.
async fn take_in(
    app: &App,
    caller: &Arc<Principal>,
    (target, no): (Target, AccountNo),
    scope: &mut Scope,
) -> Result<Option<()>, Problem> {
    let (origin, caller) = (caller.origin.clone(), caller.clone());
    let seen = app.engine.read(target, Some(origin), move |hosted| {
        let holder_urn = &hosted.group.account(no)?.holder_urn;
        if !access::may_see(&caller, holder_urn) {
            return None;
        }
        Some((subject(hosted, no)?, hosted.lines()))
    });
    let seen = match seen.await {
        Ok(seen) => seen,
        Err(EngineError::Rejected(Rejection::AccountNotFound)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(seen.map(|(subject, lines)| scope.add(subject, &lines)))
}

async fn page(
    app: &App,
    origin: &Arc<str>,
    scope: Scope,
    filter: Filter,
) -> Result<MovementsResult, Problem> {
    let (scope, filter) = (Arc::new(scope), Arc::new(filter));
    let (mut data, mut from, mut reads_left) = (Vec::new(), filter.next, READS_MAX);
    loop {
        let journal = app.engine.shared.journal.clone();
        let walks = scope.clone();
        let room = (filter.limit.saturating_sub(data.len()), reads_left);
        let asked = filter.clone();
        let walked =
            threads::aside(move || walk::walk(journal.as_ref(), &walks, &asked, from, room));
        let walked = walked.await.map_err(|_| stopping())?.map_err(unreadable)?;
        let of = |urn: &str| scope.subject(urn);
        let (found, asked) = booked::complete(app, origin, walked.found, of, &filter).await?;
        let (here, reads) = complete(app, found, &filter).await?;
        data.extend(here);
        from = walked.next;
        let reads = walked.reads.saturating_add(asked).saturating_add(reads);
        reads_left = reads_left.saturating_sub(reads);
        if from.is_none() || data.len() >= filter.limit || reads_left == 0 {
            break;
        }
    }
    Ok(MovementsResult {
        data,
        page_size: filter.limit,
        has_more: from.is_some(),
        next: from.map(walk::token),
    })
}

fn stopping() -> Problem {
    Problem::busy("the server is stopping: try again")
}

fn unreadable(error: HistoryError) -> Problem {
    match error {
        HistoryError::Journal(error) => EngineError::from(error).into(),
        HistoryError::Wire(error) => EngineError::from(error).into(),
    }
}

fn subject(hosted: &Hosted, no: AccountNo) -> Option<Subject> {
    let account = hosted.group.account(no)?;
    let mut cards = BTreeMap::new();
    for card in &hosted.group.accounts {
        if let Medium::Card { last_four, .. } = &card.medium {
            cards.insert(card.no, (card.no.card_id(), digits(*last_four)));
        }
    }
    Some(Subject {
        ledger: account.ledger,
        urn: account.urn(),
        cards,
    })
}

/// Where an authorization's last record stands, and whether it still holds money.
#[derive(Clone, Copy)]
struct Place {
    last: u64,
    is_open: bool,
}

/// Says what only the present can say; how many records were read for it.
async fn complete(
    app: &App,
    mut found: Vec<Found>,
    filter: &Arc<Filter>,
) -> Result<(Vec<MovementView>, usize), Problem> {
    arrivals(app, &mut found).await?;
    let wanted = |found: &Found| match &found.rest {
        Rest::Nothing | Rest::Sent(_) | Rest::Booked(_) => None,
        Rest::Hold(id) => Some(*id),
        Rest::Folded(folded) => Some(folded.id),
    };
    let ids: Vec<AuthorizationId> = found.iter().filter_map(wanted).collect();
    if ids.is_empty() {
        return Ok((found.into_iter().map(|found| found.view).collect(), 0));
    }
    let places = places(app, ids).await?;
    let (journal, filter) = (app.engine.shared.journal.clone(), filter.clone());
    let read = threads::aside(move || {
        let (mut views, mut reads) = (Vec::with_capacity(found.len()), 0_usize);
        for found in found {
            let (view, more) = completed(journal.as_ref(), found, &places, &filter)?;
            views.extend(view);
            reads = reads.saturating_add(more);
        }
        Ok((views, reads))
    });
    read.await.map_err(|_| stopping())?.map_err(unreadable)
}

/// Says of money that left for another actor whether it arrived. What its source no longer watches has
/// arrived or come back for good.
async fn arrivals(app: &App, found: &mut [Found]) -> Result<(), Problem> {
    for found in found {
        let Rest::Sent(Sent { id, source }) = found.rest else {
            continue;
        };
        let watches = move |hosted: &Hosted| hosted.group.outgoing.contains_key(&id);
        if app
            .engine
            .read(Target::Actor(source), None, watches)
            .await?
        {
            found.view.status = "pending";
        } else {
            // What arrived has a record under its key; what came back never had.
            let record = app.engine.shared.keys.get(courier::key(id));
            if let Some(lsn) = record {
                let waited = app.engine.durability.wait(lsn).await;
                waited.map_err(EngineError::from)?;
            }
            let has_arrived = record.is_some();
            found.view.status = if has_arrived { "confirmed" } else { "failed" };
        }
    }
    Ok(())
}

async fn places(
    app: &App,
    ids: Vec<AuthorizationId>,
) -> Result<BTreeMap<AuthorizationId, Place>, Problem> {
    let mut by_actor: BTreeMap<ActorId, Vec<AuthorizationId>> = BTreeMap::new();
    for id in ids {
        let actor = app.engine.actor_of(&Target::Authorization(id));
        by_actor.entry(actor).or_default().push(id);
    }
    let mut places = BTreeMap::new();
    for (actor, ids) in by_actor {
        let seen = app.engine.read(Target::Actor(actor), None, move |hosted| {
            let place = |id: AuthorizationId| {
                let open = hosted.group.open.get(&id).map(|open| open.last_lsn);
                let is_open = open.is_some();
                let last = open.or_else(|| hosted.group.closed.get(&id).copied())?;
                Some((id, Place { last, is_open }))
            };
            ids.into_iter().filter_map(place).collect::<Vec<_>>()
        });
        places.extend(seen.await?);
    }
    Ok(places)
}

fn completed(
    journal: &dyn Journal,
    mut found: Found,
    places: &BTreeMap<AuthorizationId, Place>,
    filter: &Filter,
) -> Result<(Option<MovementView>, usize), HistoryError> {
    match &found.rest {
        Rest::Nothing | Rest::Sent(_) | Rest::Booked(_) => Ok((Some(found.view), 0)),
        Rest::Hold(id) => {
            let place = places.get(id).filter(|place| !place.is_open);
            let Some(place) = place else {
                found.view.status = "pending";
                return Ok((Some(found.view), 0));
            };
            found.view.status = end(journal, place.last)?;
            Ok((Some(found.view), 1))
        }
        Rest::Folded(it) => {
            let sum = match places.get(&it.id) {
                Some(place) => walk::sum(journal, place.last, it.subject.ledger)?,
                None => Sum::default(),
            };
            let line = folded(it, &sum, found.view);
            let fits = filter.fits_folded(&line);
            Ok((fits.then_some(line.view), sum.reads))
        }
    }
}

/// What became of a hold, by its last record.
fn end(journal: &dyn Journal, last: u64) -> Result<&'static str, HistoryError> {
    let authorization = match entry_at(journal, last)?.body {
        Body::Group(events) => authorization_in(&events, last),
        Body::Registry(_) => None,
    };
    let was_let_go = authorization
        .is_some_and(|known| matches!(known.state(), State::Reversed | State::Expired));
    Ok(if was_let_go { "cancelled" } else { "settled" })
}
