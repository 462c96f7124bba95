//! Walks the log back through the records of some accounts and collects their movements.
//!
//! The order is that of time, newest first, and a page never ends inside a moment: so a page that goes
//! on before the last one's `created_at` misses nothing, whatever arrives meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use actix_web::HttpRequest;

use super::{
    super::problem::Problem,
    booked,
    movement::{self, Folded, Found, MovementView, Pocket, Rest, Subject},
    query::Params,
};
use crate::{
    actors::recall::authorization_in,
    domain::{
        command::Authorize,
        event::Event,
        hold::Authorization,
        ids::{ActorId, LedgerNo, RecordId},
        money::Asset,
        time::Timestamp,
    },
    journal::Journal,
    replay::history::{History, HistoryError, entry_at},
    wire::{Body, Entry},
};

/// The most movements of a page.
const LIMIT_MAX: usize = 500;

/// Which movements are wanted.
#[derive(Clone, Debug)]
pub struct Filter {
    asset: Option<Asset>,
    reference: Option<String>,
    direction: Option<String>,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
    pocket: Option<Pocket>,
    /// Whether each authorization is one line.
    is_collapsed: bool,
    /// How many at the most.
    pub limit: usize,
    /// The moment before which the page begins, where one before it ended.
    pub next: Option<Timestamp>,
}

impl Filter {
    /// Reads the query string; `many` are parameters of the caller's own.
    ///
    /// # Errors
    ///
    /// 400 with the parameter.
    pub fn read(request: &HttpRequest, many: &[&str]) -> Result<(Self, Params), Problem> {
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
        let params = Params::read(request, &ONCE, many)?;
        let asset = params.one("asset").map(str::parse).transpose();
        let collapsed = params.word("collapsed_view", &["true", "false"])?;
        let filter = Self {
            asset: asset.map_err(|error| Problem::money("asset", &error))?,
            reference: params.one("reference").map(str::to_owned),
            direction: params.word("direction", &["in", "out"])?.map(str::to_owned),
            before: params.time("before")?,
            after: params.time("after")?,
            pocket: match params.word("pocket", &["main", "pending"])? {
                Some("pending") => Some(Pocket::Pending),
                Some(_) => Some(Pocket::Main),
                None => None,
            },
            is_collapsed: collapsed == Some("true"),
            limit: params.number("limit", 50, (1, LIMIT_MAX))?,
            next: params.one("next").map(moment).transpose()?,
        };
        Ok((filter, params))
    }

    /// The money that is looked at: what came and went, unless the other is asked for.
    fn plain_pocket(&self) -> Pocket {
        self.pocket.unwrap_or(Pocket::Main)
    }

    /// Whether a movement is wanted, as far as its record says.
    fn fits(&self, view: &MovementView) -> bool {
        self.asset
            .is_none_or(|asset| view.asset == asset.to_string())
            && (view.direction.is_empty() || self.fits_direction(view))
    }

    /// Whether a movement is wanted by its reference.
    #[must_use]
    pub fn fits_reference(&self, view: &MovementView) -> bool {
        self.reference
            .as_ref()
            .is_none_or(|text| view.reference == *text)
    }

    fn fits_direction(&self, view: &MovementView) -> bool {
        self.direction
            .as_ref()
            .is_none_or(|word| view.direction == word)
    }

    /// Whether a folded line is wanted, now that all of it is known.
    #[must_use]
    pub fn fits_folded(&self, line: &Line) -> bool {
        let is_there = match self.pocket {
            None => true,
            Some(Pocket::Main) => line.has_captured,
            Some(Pocket::Pending) => line.is_held,
        };
        is_there && self.fits_direction(&line.view)
    }
}

/// A line that an authorization was folded into.
#[derive(Debug)]
pub struct Line {
    /// As shown.
    pub view: MovementView,
    /// Whether something of it was captured.
    pub has_captured: bool,
    /// Whether something of it is still held.
    pub is_held: bool,
}

/// The text of a moment at which a page ended.
#[must_use]
pub fn token(moment: Timestamp) -> String {
    RecordId(u64::try_from(moment.micros()).unwrap_or(0)).text("nxt_")
}

fn moment(token: &str) -> Result<Timestamp, Problem> {
    let id = RecordId::parse(token, "nxt_", "a next of ours");
    let micros = id.map(|id| i64::try_from(id.0).unwrap_or(i64::MAX));
    let micros = micros.map_err(|error| Problem::malformed("next", format!("next {error}")))?;
    Ok(Timestamp::from_micros(micros))
}

/// Whose movements are looked for, and where their records are.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    subjects: BTreeMap<LedgerNo, Arc<Subject>>,
    lines: BTreeMap<ActorId, u64>,
    /// The moment up to which everything was seen; none if one actor was asked alone.
    until: Option<Timestamp>,
}

impl Scope {
    /// Of no account yet, and of nothing after `moment`.
    #[must_use]
    pub fn until(moment: Timestamp) -> Self {
        Self {
            until: Some(moment),
            ..Self::default()
        }
    }

    /// The account whose URN that is.
    #[must_use]
    pub fn subject(&self, urn: &str) -> Option<Arc<Subject>> {
        let mut all = self.subjects.values();
        all.find(|subject| subject.urn == urn).cloned()
    }

    /// Adds an account with the records of its group; money that is there already stays the account's
    /// that came first.
    pub fn add(&mut self, subject: Subject, lines: &[(ActorId, u64)]) {
        self.subjects
            .entry(subject.ledger)
            .or_insert_with(|| Arc::new(subject));
        for (actor, newest) in lines {
            let known = self.lines.entry(*actor).or_default();
            *known = (*known).max(*newest);
        }
    }
}

/// What a walk found.
#[derive(Debug)]
pub struct Walked {
    /// Newest first.
    pub found: Vec<Found>,
    /// The moment before which it goes on, if there is or may be more.
    pub next: Option<Timestamp>,
    /// How many records were read.
    pub reads: usize,
}

/// Reads back from `from`, or from the newest record, until `limit` movements are found or
/// `reads_max` records were read; at least one moment. Blocks.
///
/// # Errors
///
/// [`HistoryError`] if a record cannot be read.
pub fn walk(
    journal: &dyn Journal,
    scope: &Scope,
    filter: &Filter,
    from: Option<Timestamp>,
    (limit, reads_max): (usize, usize),
) -> Result<Walked, HistoryError> {
    let lines: Vec<_> = scope
        .lines
        .iter()
        .map(|(a, newest)| (*a, *newest))
        .collect();
    let mut history = History::new(journal, &lines);
    let until = scope.until.map(Timestamp::next);
    if let Some(end) = [from, filter.before, until].into_iter().flatten().min() {
        history.skip_to_before(end)?;
    }
    let mut past = Past::new(journal);
    let mut found: Vec<Found> = Vec::new();
    let mut last: Option<Timestamp> = None;
    let mut next = None;
    while let Some((_, entry)) = history.older_by_time()? {
        let is_next_moment = last.is_some_and(|last| entry.time < last);
        let is_spent = history.reads().saturating_add(past.reads) > reads_max;
        if is_spent && is_next_moment {
            next = Some(entry.time.next());
            break;
        }
        if filter.after.is_some_and(|after| entry.time <= after) {
            history.end(entry.actor);
            continue;
        }
        let here = movements_in(&entry, scope, filter, &mut past)?;
        if !here.is_empty() && found.len() >= limit && is_next_moment {
            next = Some(entry.time.next());
            break;
        }
        found.extend(here);
        last = Some(entry.time);
    }
    let reads = history.reads().saturating_add(past.reads);
    Ok(Walked { found, next, reads })
}

fn movements_in(
    entry: &Entry,
    scope: &Scope,
    filter: &Filter,
    past: &mut Past<'_>,
) -> Result<Vec<Found>, HistoryError> {
    let Body::Group(events) = &entry.body else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for ledger in movement::ledgers_in(events) {
        let Some(subject) = scope.subjects.get(&ledger) else {
            continue;
        };
        if filter.is_collapsed {
            all.extend(collapsed(entry, events, subject, filter, past)?);
        } else {
            let pocket = filter.plain_pocket();
            all.extend(plain(entry, events, (subject, pocket), past)?);
        }
    }
    // What a transaction of the books is called may have to be asked.
    all.retain(|found| {
        let is_named = matches!(found.rest, Rest::Booked(_)) || filter.fits_reference(&found.view);
        is_named && filter.fits(&found.view)
    });
    Ok(all)
}

fn plain(
    entry: &Entry,
    events: &[Event],
    (subject, pocket): (&Subject, Pocket),
    past: &mut Past<'_>,
) -> Result<Vec<Found>, HistoryError> {
    if booked::is_of_books(events) {
        return Ok(booked::found(events, entry.time, subject, pocket));
    }
    if movement::changes(events, subject.ledger, pocket).is_empty() {
        return Ok(Vec::new());
    }
    let first = match movement::needs_first(events) {
        Some(lsn) => past.first(lsn)?.map(|first| first.request),
        None => None,
    };
    let first = first.as_ref();
    Ok(movement::found(events, entry.time, subject, pocket, first))
}

/// An authorization stands once, at the moment when it first drew on the money; what it brings to
/// money that it does not draw on stays a line of its own.
fn collapsed(
    entry: &Entry,
    events: &[Event],
    subject: &Arc<Subject>,
    filter: &Filter,
    past: &mut Past<'_>,
) -> Result<Vec<Found>, HistoryError> {
    if booked::is_of_books(events) {
        return Ok(booked::collapsed(
            events,
            entry.time,
            subject,
            filter.pocket,
        ));
    }
    let draws = |authorization: &Authorization| {
        let mut legs = authorization.legs.iter();
        legs.any(|leg| leg.ledger == subject.ledger)
    };
    if let Some(approved) = events.iter().find_map(Event::approved)
        && draws(&approved.authorization)
    {
        let request = Some(approved.request.clone());
        let line = fold(entry, &approved.authorization, subject, request);
        return Ok(vec![line]);
    }
    if let Some(stepped) = events.iter().find_map(Event::stepped)
        && draws(&stepped.authorization)
    {
        let authorization = &stepped.authorization;
        let first = past.first(authorization.first_lsn)?;
        let drew_before = first
            .as_ref()
            .is_some_and(|first| draws(&first.authorization))
            || past
                .authorization(authorization.last_lsn)?
                .is_some_and(|before| draws(&before));
        if drew_before {
            return Ok(Vec::new());
        }
        let request = first.map(|first| first.request);
        return Ok(vec![fold(entry, authorization, subject, request)]);
    }
    if filter.pocket == Some(Pocket::Pending) {
        return Ok(Vec::new());
    }
    plain(entry, events, (subject, Pocket::Main), past)
}

fn fold(
    entry: &Entry,
    authorization: &Authorization,
    subject: &Arc<Subject>,
    request: Option<Arc<Authorize>>,
) -> Found {
    let mut found = super::describe::blank("authorization", String::new(), String::new());
    found.view.asset = authorization.asset.to_string();
    found
        .view
        .reference
        .clone_from(&authorization.transaction_id);
    found.view.created_at = entry.time.to_string();
    found.rest = Rest::Folded(Box::new(Folded {
        id: authorization.id,
        subject: subject.clone(),
        request,
    }));
    found
}

/// The request behind an authorization, and what was decided.
#[derive(Clone)]
struct First {
    request: Arc<Authorize>,
    authorization: Arc<Authorization>,
}

/// Records beside the walk, first ones read once.
struct Past<'a> {
    journal: &'a dyn Journal,
    firsts: BTreeMap<u64, Option<First>>,
    reads: usize,
}

impl<'a> Past<'a> {
    const fn new(journal: &'a dyn Journal) -> Self {
        Self {
            journal,
            firsts: BTreeMap::new(),
            reads: 0,
        }
    }

    fn first(&mut self, lsn: u64) -> Result<Option<First>, HistoryError> {
        if let Some(known) = self.firsts.get(&lsn) {
            return Ok(known.clone());
        }
        let events = self.events(lsn)?;
        let first = events.iter().find_map(Event::approved).map(|it| First {
            request: it.request.clone(),
            authorization: it.authorization.clone(),
        });
        self.firsts.insert(lsn, first.clone());
        Ok(first)
    }

    fn authorization(&mut self, lsn: u64) -> Result<Option<Authorization>, HistoryError> {
        Ok(authorization_in(&self.events(lsn)?, lsn))
    }

    fn events(&mut self, lsn: u64) -> Result<Vec<Event>, HistoryError> {
        self.reads = self.reads.saturating_add(1);
        Ok(match entry_at(self.journal, lsn)?.body {
            Body::Group(events) => events,
            Body::Registry(_) => Vec::new(),
        })
    }
}

/// What an authorization did to some money, all its records together.
#[derive(Debug, Default)]
pub struct Sum {
    /// What came, in smallest units.
    pub came: u128,
    /// What went.
    pub went: u128,
    /// How it stands now.
    pub authorization: Option<Authorization>,
    /// How many records it has.
    pub reads: usize,
}

/// Adds up the records of an authorization, from its last one back. Blocks.
///
/// # Errors
///
/// [`HistoryError`] if a record cannot be read.
pub fn sum(journal: &dyn Journal, last: u64, ledger: LedgerNo) -> Result<Sum, HistoryError> {
    let mut sum = Sum::default();
    let (mut at, mut past) = (last, Past::new(journal));
    let mut seen = BTreeSet::new();
    while at != 0 && seen.insert(at) {
        let events = past.events(at)?;
        for change in movement::changes(&events, ledger, Pocket::Main).into_values() {
            if change > 0 {
                sum.came = sum.came.saturating_add(change.unsigned_abs());
            } else {
                sum.went = sum.went.saturating_add(change.unsigned_abs());
            }
        }
        let before = events.iter().find_map(Event::stepped);
        let before = before.map_or(0, |stepped| stepped.authorization.last_lsn);
        if sum.authorization.is_none() {
            sum.authorization = authorization_in(&events, at);
        }
        at = before;
    }
    sum.reads = past.reads;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            command::MoveMoney,
            event::Movement,
            ids::AccountNo,
            money::Amount,
            posting::{House, Place, Posting},
            trail::Trail,
        },
        journal::memory::MemoryJournal,
        wire,
    };

    #[test]
    fn a_token_reads_back() {
        let at = Timestamp::from_micros(1_800_000_000_123_456);
        assert_eq!(moment(&token(at)).ok(), Some(at));
        assert!(moment("nxt_").is_err());
        assert!(moment("x").is_err());
    }

    const OWN: LedgerNo = LedgerNo(1);

    fn deposit(reference: &str) -> Event {
        let (asset, amount) = (
            "DUSD/6".parse().expect("an asset"),
            Amount::from_minor(1).expect("not negative"),
        );
        let posting = Posting {
            source: Place::House(House::World),
            destination: Place::Spendable(OWN),
            asset,
            amount,
        };
        let moved = MoveMoney {
            account: AccountNo(1),
            asset,
            amount,
            reference: reference.to_owned(),
            metadata: "{}".to_owned(),
        };
        let movement = Movement {
            postings: vec![posting],
            after: Vec::new(),
        };
        Event::Deposited(moved, movement)
    }

    /// One deposit for each `(actor, time)`; the reference says both.
    fn log(records: &[(u64, i64)]) -> (MemoryJournal, Scope) {
        let journal = MemoryJournal::new();
        let mut trails: BTreeMap<u64, Trail> = BTreeMap::new();
        for (actor, time) in records {
            let trail = trails.entry(*actor).or_default();
            let entry = Entry {
                time: Timestamp::from_micros(*time),
                actor: ActorId(*actor),
                sequence: trail.count() + 1,
                links: trail.next_links(),
                keys: Vec::new(),
                fingerprint: 0,
                body: Body::Group(vec![deposit(&format!("{actor}-{time}"))]),
            };
            let mut bytes = Vec::new();
            wire::encode_entry(&entry, &mut bytes);
            let place = journal.reserve().expect("room");
            trail.push(journal.append(place, &bytes).get());
        }
        let mut scope = Scope::default();
        let subject = Subject {
            ledger: OWN,
            urn: "did:x".to_owned(),
            cards: BTreeMap::new(),
        };
        let last = |(actor, trail): (&u64, &Trail)| (ActorId(*actor), trail.last());
        scope.add(subject, &trails.iter().map(last).collect::<Vec<_>>());
        (journal, scope)
    }

    fn filter(reference: Option<&str>, limit: usize) -> Filter {
        Filter {
            asset: None,
            reference: reference.map(str::to_owned),
            direction: None,
            before: None,
            after: None,
            pocket: None,
            is_collapsed: false,
            limit,
            next: None,
        }
    }

    #[test]
    fn a_page_reads_no_more_than_it_may_and_the_next_goes_on() {
        let records: Vec<_> = (1..=3_000).map(|time| (1, time)).collect();
        let (journal, scope) = log(&records);
        let filter = filter(Some("1-7"), 10);
        let (mut from, mut pages, mut found) = (None, 0, Vec::new());
        loop {
            let walked = walk(&journal, &scope, &filter, from, (10, 100)).expect("readable");
            assert!(walked.reads <= 200, "{} reads", walked.reads);
            found.extend(walked.found.into_iter().map(|it| it.view.reference));
            pages += 1;
            assert!(walked.next.is_none() || walked.next < from || from.is_none());
            from = walked.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(found, ["1-7"]);
        assert!(pages <= 100, "{pages} pages");
    }

    #[test]
    fn a_page_never_ends_inside_a_moment() {
        // Three actors whose records have the same moments.
        let records: Vec<_> = (1..=20_i64)
            .flat_map(|time| (1..=3_u64).map(move |actor| (actor, time)))
            .collect();
        let (journal, scope) = log(&records);
        for limit in 1..=7 {
            let filter = filter(None, limit);
            let (mut from, mut seen) = (None, Vec::new());
            loop {
                let walked =
                    walk(&journal, &scope, &filter, from, (limit, 1_000)).expect("readable");
                let page = walked.found.iter().map(|it| it.view.created_at.clone());
                let page: Vec<String> = page.collect();
                assert_eq!(page.len() % 3, 0, "limit {limit}");
                assert!(page.len() < limit + 3, "limit {limit}");
                seen.extend(page);
                // By the last one's time, as a caller without the token does it.
                let last = seen
                    .last()
                    .expect("some")
                    .parse::<Timestamp>()
                    .expect("a time");
                assert!(walked.next.is_none_or(|next| next <= last));
                if walked.next.is_none() {
                    break;
                }
                from = Some(last);
            }
            assert_eq!(seen.len(), 60, "limit {limit}");
            assert!(seen.is_sorted_by(|newer, older| newer >= older));
        }
    }
}
