//! `GET /api/accounts/{urn}/movements`: read from the log itself, newest first.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{App, access, problem::Problem},
    movement::{self, Found, MovementView, Pocket, Subject},
    problem::{ErrorView, no_account},
    query::Params,
    request::{Reply, account_target, answer, caller},
    view::digits,
};
use crate::{
    actors::{EngineError, Target, engine::authorization_in, hosted::Hosted, registrar::Principal},
    domain::{
        account::Medium,
        command::Authorize,
        hold::State,
        ids::{AccountNo, ActorId, AuthorizationId, RecordId},
        money::Asset,
        time::Timestamp,
    },
    journal::Journal,
    replay::history::{History, HistoryError, entry_at},
    wire::{Body, Entry},
};

/// The most movements of a page.
const LIMIT_MAX: usize = 500;
/// The most records read for a page; a page that needs more is short and says where it goes on.
const READS_MAX: usize = 20_000;

/// A page of movements.
#[derive(Serialize, ToSchema)]
pub struct MovementsResult {
    /// Newest first.
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
        ("collapsed_view" = Option<bool>, Query, description = "taken; changes nothing"),
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
        let filter = Filter::read(&request)?;
        let (target, no) = account_target(None, &path)?;
        let page = page(&app, &caller, (target, no), filter).await?;
        Reply::new(StatusCode::OK, &page)
    };
    answer(&request, &app, listed).await
}

struct Filter {
    asset: Option<Asset>,
    reference: Option<String>,
    direction: Option<String>,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
    pocket: Pocket,
    limit: usize,
    next: Option<u64>,
}

impl Filter {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        const ONCE: [&str; 9] = [
            "asset",
            "limit",
            "before",
            "after",
            "reference",
            "direction",
            "pocket",
            "collapsed_view",
            "next",
        ];
        let params = Params::read(request, &ONCE, &[])?;
        let asset = params.one("asset").map(str::parse).transpose();
        let next = params.one("next").map(|text| {
            RecordId::parse(text, "nxt_", "a next of ours")
                .map(|id| id.0)
                .map_err(|error| Problem::malformed("next", format!("next {error}")))
        });
        params.word("collapsed_view", &["true", "false"])?;
        Ok(Self {
            asset: asset.map_err(|error| Problem::money("asset", &error))?,
            reference: params.one("reference").map(str::to_owned),
            direction: params.word("direction", &["in", "out"])?.map(str::to_owned),
            before: params.time("before")?,
            after: params.time("after")?,
            pocket: match params.word("pocket", &["main", "pending"])? {
                Some("pending") => Pocket::Pending,
                Some(_) | None => Pocket::Main,
            },
            limit: params.number("limit", 50, (1, LIMIT_MAX))?,
            next: next.transpose()?,
        })
    }

    fn fits(&self, view: &MovementView) -> bool {
        self.asset
            .is_none_or(|asset| view.asset == asset.to_string())
            && self
                .reference
                .as_ref()
                .is_none_or(|text| view.reference == *text)
            && self
                .direction
                .as_ref()
                .is_none_or(|word| view.direction == word)
    }
}

async fn page(
    app: &App,
    caller: &Arc<Principal>,
    (target, no): (Target, AccountNo),
    filter: Filter,
) -> Result<MovementsResult, Problem> {
    let (origin, caller) = (caller.origin.clone(), caller.clone());
    let seen = app.engine.read(target, Some(origin), move |hosted| {
        let holder_urn = &hosted.group.account(no)?.holder_urn;
        if !access::may_see(&caller, holder_urn) {
            return None;
        }
        let subject = subject(hosted, no)?;
        Some((subject, hosted.group.id, hosted.lines()))
    });
    let (subject, actor, lines) = seen.await?.ok_or_else(|| no_account(None))?;
    let page_size = filter.limit;
    let journal = app.engine.shared.journal.clone();
    let walked = web::block(move || walk(journal.as_ref(), &lines, &subject, &filter));
    let mut walked = walked.await.map_err(|_| stopping())?.map_err(unreadable)?;
    settle_holds(app, actor, &mut walked.found).await?;
    let next = walked.next.map(|lsn| RecordId(lsn).text("nxt_"));
    Ok(MovementsResult {
        data: walked.found.into_iter().map(|found| found.view).collect(),
        page_size,
        has_more: next.is_some(),
        next,
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

/// What a walk found, and the position where an older page begins, if there is more.
struct Walked {
    found: Vec<Found>,
    next: Option<u64>,
}

/// Reads the log back from the newest records of `lines`. A page never ends inside a record, and goes on at a record, so
/// what arrives meanwhile moves nothing.
fn walk(
    journal: &dyn Journal,
    lines: &[(ActorId, u64)],
    subject: &Subject,
    filter: &Filter,
) -> Result<Walked, HistoryError> {
    let mut history = History::new(journal, lines);
    if let Some(next) = filter.next {
        history.skip_to_position(next)?;
    }
    if let Some(before) = filter.before {
        history.skip_to_before(before)?;
    }
    let mut firsts = Firsts {
        journal,
        known: BTreeMap::new(),
    };
    let mut found: Vec<Found> = Vec::new();
    loop {
        let reads = history.reads().saturating_add(firsts.known.len());
        if reads >= READS_MAX && history.position() != 0 {
            let next = Some(history.position());
            return Ok(Walked { found, next });
        }
        let Some((lsn, entry)) = history.older()? else {
            break;
        };
        if filter.after.is_some_and(|after| entry.time <= after) {
            history.end(entry.actor);
            continue;
        }
        let here = movements_in(&entry, subject, filter, &mut firsts)?;
        if !here.is_empty() && found.len() >= filter.limit {
            let next = Some(lsn);
            return Ok(Walked { found, next });
        }
        found.extend(here);
    }
    Ok(Walked { found, next: None })
}

fn movements_in(
    entry: &Entry,
    subject: &Subject,
    filter: &Filter,
    firsts: &mut Firsts<'_>,
) -> Result<Vec<Found>, HistoryError> {
    let Body::Group(events) = &entry.body else {
        return Ok(Vec::new());
    };
    if movement::changes(events, subject.ledger, filter.pocket).is_empty() {
        return Ok(Vec::new());
    }
    let first = match movement::needs_first(events) {
        Some(lsn) => firsts.get(lsn)?,
        None => None,
    };
    let all = movement::found(events, entry.time, subject, filter.pocket, first.as_ref());
    let fits = |found: &Found| filter.fits(&found.view);
    Ok(all.into_iter().filter(fits).collect())
}

/// The requests behind authorizations, each read once.
struct Firsts<'a> {
    journal: &'a dyn Journal,
    known: BTreeMap<u64, Option<Arc<Authorize>>>,
}

impl Firsts<'_> {
    fn get(&mut self, lsn: u64) -> Result<Option<Arc<Authorize>>, HistoryError> {
        if let Some(known) = self.known.get(&lsn) {
            return Ok(known.clone());
        }
        let record = entry_at(self.journal, lsn)?;
        let request = record.and_then(|entry| match entry.body {
            Body::Group(events) => events
                .iter()
                .find_map(|event| event.approved().map(|approved| approved.request.clone())),
            Body::Registry(_) => None,
        });
        self.known.insert(lsn, request.clone());
        Ok(request)
    }
}

/// Says of each hold what has become of it.
async fn settle_holds(app: &App, actor: ActorId, found: &mut [Found]) -> Result<(), Problem> {
    let ids: Vec<AuthorizationId> = found.iter().filter_map(|found| found.hold).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let seen = app.engine.read(Target::Actor(actor), None, move |hosted| {
        let place = |id: &AuthorizationId| hosted.group.closed.get(id).copied();
        let closed = ids.iter().filter_map(|id| place(id).map(|lsn| (*id, lsn)));
        closed.collect::<BTreeMap<_, _>>()
    });
    let closed = seen.await?;
    let journal = app.engine.shared.journal.clone();
    let read = web::block(move || ends(journal.as_ref(), closed));
    let ends = read.await.map_err(|_| stopping())?.map_err(unreadable)?;
    for found in found {
        let Some(id) = found.hold else { continue };
        found.view.status = ends.get(&id).copied().unwrap_or("pending");
    }
    Ok(())
}

fn ends(
    journal: &dyn Journal,
    closed: BTreeMap<AuthorizationId, u64>,
) -> Result<BTreeMap<AuthorizationId, &'static str>, HistoryError> {
    let mut ends = BTreeMap::new();
    for (id, lsn) in closed {
        let record = entry_at(journal, lsn)?;
        let authorization = record.and_then(|entry| match entry.body {
            Body::Group(events) => authorization_in(&events, lsn),
            Body::Registry(_) => None,
        });
        let was_let_go = authorization
            .is_some_and(|known| matches!(known.state(), State::Reversed | State::Expired));
        ends.insert(id, if was_let_go { "cancelled" } else { "settled" });
    }
    Ok(ends)
}
