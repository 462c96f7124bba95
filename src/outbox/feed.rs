//! The log as a feed of events: pages of it, filtered, and whom to wake when it grows.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::watch;

use super::{
    event::{OutEvent, events_of},
    names::Lookup,
};
use crate::{
    actors::{Engine, EngineError},
    domain::{
        ids::{AccountNo, EventId},
        time::Timestamp,
    },
    journal::{DurableWatcher, JournalError, Lsn, RecordIter},
    wire,
};

/// The most records read for a page; a page that needs more is short and says where it goes on.
const RECORDS_MAX: usize = 10_000;
/// The most bytes of payloads in a page.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// How far apart, in seconds, the times of neighbours in the log may be: cards decide at once, on
/// threads of their own.
const SKEW_S: i64 = 60;
/// A moment is looked for down to this many bytes of the log; from there it is read.
const FOUND_BYTES: u64 = 1 << 20;

/// Tells whoever waits that the log has grown, and bounds how many wait.
pub struct Feed {
    grown: watch::Sender<u64>,
    is_closed: AtomicBool,
    waiting: AtomicUsize,
    waiting_max: usize,
}

impl DurableWatcher for Feed {
    fn durable(&self, lsn: Lsn) {
        self.grown.send_replace(lsn.get());
    }

    fn halted(&self, _reason: &str) {
        self.close();
    }
}

impl Feed {
    /// A feed of what `engine` makes durable, for at most `waiting_max` who wait at a time.
    #[must_use]
    pub fn new(engine: &Engine, waiting_max: usize) -> Arc<Self> {
        let feed = Arc::new(Self {
            grown: watch::Sender::new(engine.durability.durable()),
            is_closed: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            waiting_max,
        });
        engine.shared.journal.watch(feed.clone());
        feed
    }

    /// Lets all go who wait: the server stops.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.grown.send_modify(|_| {});
    }

    /// Whether nothing more is to be waited for.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// A place among those who wait; none if all are taken.
    #[must_use]
    pub fn wait_place(self: &Arc<Self>) -> Option<Waiting> {
        let max = self.waiting_max;
        let taken = self
            .waiting
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |waiting| {
                (waiting < max).then(|| waiting.saturating_add(1))
            });
        taken.ok().map(|_| Waiting {
            grown: self.grown.subscribe(),
            feed: self.clone(),
        })
    }
}

/// One who waits for the log to grow.
pub struct Waiting {
    feed: Arc<Feed>,
    grown: watch::Receiver<u64>,
}

impl Waiting {
    /// Returns once the log has grown since this was called last, or since the beginning; `false` if it
    /// will not any more.
    pub async fn grown(&mut self) -> bool {
        if self.feed.is_closed() {
            return false;
        }
        self.grown.changed().await.is_ok() && !self.feed.is_closed()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.feed.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whose events, and which.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this programme.
    pub origin: String,
    /// Of this holder's accounts alone.
    pub holder: Option<String>,
    /// Of this account.
    pub account: Option<AccountNo>,
    /// Of these names, or of names that begin so where one ends in `*`; of all, if there is none.
    pub words: Vec<String>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether the caller may see it and wants it.
    #[must_use]
    pub fn fits(&self, event: &OutEvent) -> bool {
        let no = event.account.as_ref().map(|(no, _)| *no);
        let is_own = |holder: &String| no.is_some() && event.holder_urn.as_ref() == Some(holder);
        event.origin == self.origin
            && self.holder.as_ref().is_none_or(is_own)
            && self.account.is_none_or(|wanted| no == Some(wanted))
            && (self.words.is_empty() || self.words.iter().any(|word| matches(word, &event.event)))
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
    }
}

/// Whether an event's name is one, or begins as one does that ends in `*`.
#[must_use]
pub fn matches(wanted: &str, event: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(start) => event.starts_with(start),
        None => wanted == event,
    }
}

/// Some events in their order.
pub struct Page {
    /// The events.
    pub events: Vec<OutEvent>,
    /// Behind what was read: where the next page begins.
    pub next: EventId,
    /// Whether there is, or may be, more at this moment.
    pub has_more: bool,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// What is asked for was let go of.
    #[error("the log begins behind that position")]
    Gone {
        /// Where the oldest kept begins.
        oldest: EventId,
    },
    /// The position is not one of this log.
    #[error("the log does not reach that position")]
    Unreached,
    /// The log cannot be read, or not now.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<JournalError> for FeedError {
    fn from(error: JournalError) -> Self {
        Self::Engine(error.into())
    }
}

/// The position behind everything of the record at `lsn`.
#[must_use]
pub const fn behind(lsn: u64) -> EventId {
    EventId {
        lsn,
        place: u16::MAX,
    }
}

/// A reader of the feed that knows where it is.
pub struct Reader {
    engine: Arc<Engine>,
    filter: Filter,
    log: RecordIter,
    after: EventId,
    is_over: bool,
}

impl Reader {
    /// Begins behind `after`, or with the oldest event kept that may fit. Blocks.
    ///
    /// # Errors
    ///
    /// [`FeedError`].
    pub fn new(
        engine: Arc<Engine>,
        filter: Filter,
        after: Option<EventId>,
    ) -> Result<Self, FeedError> {
        let journal = &engine.shared.journal;
        let oldest = behind(journal.oldest().get());
        let after = match (after, filter.since) {
            (Some(after), _) => after,
            (None, Some(since)) => behind(find(&engine, since)?),
            (None, None) => oldest,
        };
        if after.lsn > engine.durability.durable() {
            return Err(FeedError::Unreached);
        }
        if after < oldest {
            return Err(FeedError::Gone { oldest });
        }
        // From the record itself on, whose later events may be wanted.
        let from = match after.place {
            u16::MAX => after.lsn,
            _ => after.lsn.saturating_sub(1),
        };
        let log = match journal.follow(Lsn::new(from)) {
            Err(JournalError::NotFound { .. }) => return Err(FeedError::Gone { oldest }),
            other => other?,
        };
        Ok(Self {
            engine,
            filter,
            log,
            after,
            is_over: false,
        })
    }

    /// The next page of at most `limit` events. Blocks.
    ///
    /// # Errors
    ///
    /// [`FeedError`]; the reader is of no more use then.
    pub fn page(&mut self, limit: usize) -> Result<Page, FeedError> {
        let mut events = Vec::new();
        let (mut records, mut bytes) = (0_usize, 0_usize);
        let mut has_more = false;
        let engine = self.engine.clone();
        let names = Lookup::new(&engine);
        while !self.is_over {
            if records >= RECORDS_MAX || bytes >= PAGE_BYTES_MAX {
                has_more = true;
                break;
            }
            let Some(record) = self.log.next() else { break };
            let record = record?;
            records = records.saturating_add(1);
            let lsn = record.lsn.get();
            for event in self.events_in(lsn, &record.payload, &names)? {
                bytes = bytes.saturating_add(event.payload.len());
                events.push(event);
            }
            if !self.is_over {
                self.after = behind(lsn);
            }
            if events.len() >= limit {
                has_more = self.after.lsn < engine.durability.durable();
                break;
            }
        }
        if events.len() > limit {
            self.go_back_to(&mut events, limit)?;
            has_more = true;
        }
        Ok(Page {
            events,
            next: self.after,
            has_more,
        })
    }

    /// Cuts a page in the middle of its last record, and reads that again for the next.
    fn go_back_to(&mut self, events: &mut Vec<OutEvent>, limit: usize) -> Result<(), FeedError> {
        events.truncate(limit);
        let Some(last) = events.last() else {
            return Ok(());
        };
        let (lsn, place) = (last.lsn, last.place);
        self.after = EventId { lsn, place };
        let journal = &self.engine.shared.journal;
        self.log = journal.follow(Lsn::new(lsn.saturating_sub(1)))?;
        Ok(())
    }

    fn events_in(
        &mut self,
        lsn: u64,
        payload: &[u8],
        names: &Lookup<'_>,
    ) -> Result<Vec<OutEvent>, FeedError> {
        let indexes = &self.engine.shared.indexes;
        let (time, actor, _) = wire::decode_entry_head(payload).map_err(EngineError::from)?;
        let is_before = |since: Timestamp| time < since;
        let is_past = |until: Timestamp| time >= until.plus_seconds(SKEW_S);
        if self.filter.until.is_some_and(is_past) {
            self.is_over = true;
            return Ok(Vec::new());
        }
        let is_elsewhere = |account: AccountNo| indexes.home_of(actor) != indexes.actor_of(account);
        if self.filter.since.is_some_and(is_before) || self.filter.account.is_some_and(is_elsewhere)
        {
            return Ok(Vec::new());
        }
        let entry = wire::decode_entry(payload).map_err(EngineError::from)?;
        let mut events = events_of(lsn, &entry, names);
        if names.has_failed() {
            let busy = EngineError::Busy("who an account is cannot be said now");
            return Err(busy.into());
        }
        let after = self.after;
        let is_new = |event: &OutEvent| {
            let (lsn, place) = (event.lsn, event.place);
            EventId { lsn, place } > after
        };
        events.retain(|event| is_new(event) && self.filter.fits(event));
        Ok(events)
    }
}

/// One event, if there is one of that id. Blocks.
///
/// # Errors
///
/// [`FeedError`] if it cannot be read now.
pub fn one(engine: &Engine, id: EventId) -> Result<Option<OutEvent>, FeedError> {
    if id.lsn > engine.durability.durable() {
        return Ok(None);
    }
    let bytes = match engine.shared.journal.read(Lsn::new(id.lsn)) {
        // What stood in front of the log's beginning may have been one.
        Err(JournalError::NotFound { lsn }) if lsn > engine.shared.journal.oldest() => {
            return Ok(None);
        }
        other => other?,
    };
    let entry = wire::decode_entry(&bytes).map_err(EngineError::from)?;
    let names = Lookup::new(engine);
    let mut events = events_of(id.lsn, &entry, &names).into_iter();
    let found = events.find(|event| event.place == id.place);
    if names.has_failed() {
        return Err(EngineError::Busy("who an account is cannot be said now").into());
    }
    Ok(found)
}

/// A position before which everything is older than `moment`: by halves, so that a long log is not read
/// for it.
fn find(engine: &Engine, moment: Timestamp) -> Result<u64, FeedError> {
    let journal = &engine.shared.journal;
    let moment = moment.plus_seconds(SKEW_S.saturating_neg());
    let (mut low, mut high) = (journal.oldest().get(), journal.durable().get());
    while high.saturating_sub(low) > FOUND_BYTES {
        let middle = low.saturating_add(high.saturating_sub(low) / 2);
        let next = journal.scan(Lsn::new(middle))?.next();
        let is_before = match next {
            Some(record) => {
                let record = record?;
                let head = wire::decode_entry_head(&record.payload);
                head.map_err(EngineError::from)?.0 < moment
            }
            None => false,
        };
        if is_before {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
