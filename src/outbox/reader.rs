//! Follows the engine's log behind the durable position and lays events out for those who want them.
//!
//! While nobody ever asked for events, nothing is read: the committer's thread notes the position, and
//! that is all. Of the records that are read, most are passed over by their first bytes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{
    Outbox,
    event::{OutEvent, words},
    names::Lookup,
    targets::{Endpoint, Endpoints},
};
use crate::{
    actors::Engine,
    domain::{
        documents::Shelf,
        ids::{AccountNo, ActorId},
        outbox::{Destination, EventRef, LaidItem, LaneKey, OutboxRecord, Place, Replay, Spot},
    },
    journal::{DurableWatcher, JournalError, Lsn, Record, RecordIter},
    wire,
};

/// How long records gather before they are looked at: so that a busy log wakes the reader a few hundred
/// times a second and no more.
const GATHER: Duration = Duration::from_millis(2);
/// How often it looks after itself when nothing happens.
const TICK: Duration = Duration::from_millis(500);
/// How many records one turn reads.
const RECORDS_MAX: usize = 1_024;
/// How many times it reads so many before it looks after the rest.
const BATCHES_MAX: usize = 16;
/// How many bytes of new destinations and items one record of the outbox takes, about.
const LAID_BYTES_MAX: usize = 64 << 10;
/// How much of the engine's log may pass without anything for anyone before that is noted, in bytes.
const NOTE_BYTES: u64 = 8 << 20;
/// How many lanes are filled from the log in one pass.
const REFILL_LANES_MAX: usize = 1_024;

/// Wakes the reader.
#[derive(Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        let mut rung = self.rung.lock();
        if !*rung {
            *rung = true;
            self.heard.notify_one();
        }
    }

    fn wait(&self, most: Duration) {
        let mut rung = self.rung.lock();
        if !*rung {
            self.heard.wait_for(&mut rung, most);
        }
        *rung = false;
    }
}

/// Hears of each commit, on the committer's thread.
pub(super) struct Follower {
    engine: Arc<Engine>,
    bell: Arc<Bell>,
    /// Up to here nobody had asked for events.
    idle_to: AtomicU64,
}

impl Follower {
    pub(super) fn new(outbox: &Outbox) -> Self {
        let shared = &outbox.engine.shared;
        let read_to = outbox.desk.lock().lanes.read_to();
        // If nobody asks for events at the start, all that came before it is nobody's.
        let begin = if shared.indexes.expects_webhooks() {
            read_to
        } else {
            shared.journal.durable().get().max(read_to)
        };
        Self {
            engine: outbox.engine.clone(),
            bell: outbox.bell.clone(),
            idle_to: AtomicU64::new(begin),
        }
    }
}

impl DurableWatcher for Follower {
    fn durable(&self, lsn: Lsn) {
        // Who asks says so before that is recorded: what stands up to here, nobody asked for.
        if self.engine.shared.indexes.expects_webhooks() {
            self.bell.ring();
        } else {
            self.idle_to.fetch_max(lsn.get(), Ordering::SeqCst);
        }
    }

    fn halted(&self, _reason: &str) {}
}

/// What the reader keeps between its turns.
struct Reader<'a> {
    outbox: &'a Outbox,
    read_to: u64,
    noted: u64,
    tail: Option<RecordIter>,
    replaying: Option<(Replay, RecordIter)>,
    looked_at: Instant,
}

/// Reads until the outbox is stopped.
pub(super) fn run(outbox: &Outbox, follower: &Follower) {
    super::give_way();
    let read_to = outbox.desk.lock().lanes.read_to();
    let mut reader = Reader {
        outbox,
        read_to,
        noted: read_to,
        tail: None,
        replaying: None,
        looked_at: Instant::now(),
    };
    while !outbox.is_stopped() {
        outbox.bell.wait(TICK);
        std::thread::sleep(GATHER);
        if let Err(error) = reader.turn(follower) {
            tracing::error!(%error, "the log cannot be read for webhooks; it is tried again");
            reader.tail = None;
            reader.replaying = None;
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    if reader.noted < reader.read_to {
        let noted = outbox
            .desk
            .lock()
            .note_read(outbox.journal.as_ref(), reader.read_to);
        if let Err(error) = noted {
            tracing::warn!(%error, "how far the log was read for webhooks was not noted");
        }
    }
}

impl Reader<'_> {
    fn turn(&mut self, follower: &Follower) -> Result<(), JournalError> {
        if self.tail.is_none() {
            self.read_to = self.read_to.max(follower.idle_to.load(Ordering::SeqCst));
        }
        if self.outbox.engine.shared.indexes.expects_webhooks() {
            self.follow()?;
            self.replay()?;
            self.refill()?;
        }
        if self.looked_at.elapsed() >= TICK {
            self.looked_at = Instant::now();
            self.outbox.measure();
            self.tidy()?;
        }
        Ok(())
    }

    /// Reads what is durable by now and lays it out.
    fn follow(&mut self) -> Result<(), JournalError> {
        let engine = &self.outbox.engine;
        let journal = engine.shared.journal.as_ref();
        if self.tail.is_none() {
            // From here on a start must not go back to before anyone asked.
            self.note()?;
            self.tail = Some(journal.follow(Lsn::new(self.read_to))?);
        }
        for _ in 0..BATCHES_MAX {
            let mut laying = Laying::new(self.outbox, None);
            let (mut count, mut reached, mut failure) = (0_usize, self.read_to, None);
            while count < RECORDS_MAX && laying.bytes < LAID_BYTES_MAX {
                match self.tail.as_mut().and_then(Iterator::next) {
                    Some(Ok(record)) if laying.look_at(&record) => reached = record.lsn.get(),
                    Some(Err(error)) => {
                        failure = Some(error);
                        break;
                    }
                    Some(Ok(_)) | None => break,
                }
                count = count.saturating_add(1);
            }
            // What was read counts as read once it is laid out: from there a failure goes on.
            if laying.items.is_empty() {
                self.read_to = reached;
                if reached.saturating_sub(self.noted) >= NOTE_BYTES {
                    self.note()?;
                }
            } else {
                self.lay(laying.items, reached)?;
                self.read_to = reached;
            }
            if let Some(error) = failure {
                return Err(error);
            }
            if count == 0 || self.outbox.is_stopped() {
                return Ok(());
            }
        }
        // There is more; what else is to be done has its turn first.
        self.outbox.bell.ring();
        Ok(())
    }

    fn note(&mut self) -> Result<(), JournalError> {
        let outbox = self.outbox;
        let mut desk = outbox.desk.lock();
        desk.note_read(outbox.journal.as_ref(), self.read_to)?;
        self.noted = self.read_to;
        Ok(())
    }

    /// Lays out what the log has for anyone up to `reached`.
    fn lay(
        &mut self,
        items: Vec<(Destination, u64, EventRef)>,
        reached: u64,
    ) -> Result<(), JournalError> {
        let mut tries = 0_u32;
        loop {
            match self.outbox.lay(&items, reached) {
                Ok(()) => break,
                Err(JournalError::Busy { .. } | JournalError::DiskLow { .. })
                    if !self.outbox.is_stopped() =>
                {
                    if tries % 1_000 == 200 {
                        tracing::warn!("webhooks wait for room in the outbox's log");
                    }
                    tries = tries.saturating_add(1);
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(error),
            }
        }
        self.noted = reached;
        Ok(())
    }

    /// Lays out a part of the range that somebody asked to get again.
    fn replay(&mut self) -> Result<(), JournalError> {
        let outbox = self.outbox;
        let Some(replay) = outbox.desk.lock().lanes.replay() else {
            self.replaying = None;
            return Ok(());
        };
        let is_same = |(known, _): &(Replay, RecordIter)| {
            known.destination == replay.destination && known.upto == replay.upto
        };
        let under_way = self.replaying.take().filter(is_same);
        let (_, mut records) = match under_way {
            Some(under_way) => under_way,
            None => {
                let journal = &outbox.engine.shared.journal;
                (replay, journal.scan(Lsn::new(replay.after))?)
            }
        };
        let target = outbox
            .desk
            .lock()
            .lanes
            .destination(replay.destination)
            .cloned();
        let mut laying = Laying::new(outbox, target.as_ref());
        let mut reached = replay.upto;
        let mut count = 0_usize;
        while let Some(record) = records.next().transpose()? {
            if record.lsn.get() > replay.upto {
                break;
            }
            if !laying.look_at(&record) {
                return Ok(());
            }
            count = count.saturating_add(1);
            if count >= RECORDS_MAX || laying.bytes >= LAID_BYTES_MAX {
                reached = record.lsn.get();
                break;
            }
        }
        let items = laying.items;
        if !items.is_empty() {
            self.lay(items, self.read_to)?;
        }
        let record = OutboxRecord::ReplayReached { after: reached };
        outbox
            .desk
            .lock()
            .append(outbox.journal.as_ref(), &record)?;
        self.replaying = (reached < replay.upto).then_some((replay, records));
        outbox.bell.ring();
        Ok(())
    }

    /// Fills lanes that have room from the outbox's own log.
    fn refill(&mut self) -> Result<(), JournalError> {
        let outbox = self.outbox;
        let (hungry, lane_max) = {
            let desk = outbox.desk.lock();
            (desk.lanes.hungry(REFILL_LANES_MAX), desk.lanes.lane_max())
        };
        let Some(from) = hungry.iter().map(|(_, spilled)| spilled.after.lsn).min() else {
            return Ok(());
        };
        let room = lane_max / 2;
        let mut wanted: BTreeMap<LaneKey, (Place, Place, Vec<Spot>)> = BTreeMap::new();
        for (key, spilled) in &hungry {
            wanted.insert(*key, (spilled.after, spilled.upto, Vec::new()));
        }
        let mut open = wanted.len();
        // The record in which the first of them stands is read too.
        for record in outbox.journal.scan(Lsn::new(from.saturating_sub(1)))? {
            let record = record?;
            let decoded = wire::decode_outbox_record(&record.payload);
            if let Ok(OutboxRecord::Laid { items, .. }) = decoded {
                collect(&mut wanted, &mut open, record.lsn.get(), (&items, room));
            }
            if open == 0 || outbox.is_stopped() {
                break;
            }
        }
        let mut desk = outbox.desk.lock();
        for (key, (after, _, found)) in wanted {
            desk.lanes.refill(key, after, &found);
            desk.place(key);
        }
        drop(desk);
        outbox.changed.notify_all();
        Ok(())
    }

    /// Writes what waits anew when the outbox's log has grown.
    fn tidy(&mut self) -> Result<(), JournalError> {
        let appended = self.outbox.journal.appended().get();
        let since = self.outbox.desk.lock().snapshot.get();
        if appended.saturating_sub(since) >= self.outbox.settings.snapshot_bytes {
            self.outbox.snapshot()?;
        }
        Ok(())
    }
}

/// Takes from one record of the outbox's log what the lanes want of it.
fn collect(
    wanted: &mut BTreeMap<LaneKey, (Place, Place, Vec<Spot>)>,
    open: &mut usize,
    lsn: u64,
    (items, room): (&[LaidItem], usize),
) {
    for (index, item) in (0_u32..).zip(items) {
        let Some((after, upto, found)) = wanted.get_mut(&item.lane) else {
            continue;
        };
        let at = Place { lsn, index };
        if at <= *after || at > *upto || found.len() >= room {
            continue;
        }
        found.push(Spot {
            at,
            event: item.event,
        });
        if found.len() >= room || at == *upto {
            *open = open.saturating_sub(1);
        }
    }
}

/// Who gets what of some records.
struct Laying<'a> {
    outbox: &'a Outbox,
    /// As they were when the record that is looked at had been read, or later.
    endpoints: Arc<Endpoints>,
    /// Only this destination, whatever it wants now: it asked for the range.
    only: Option<&'a Destination>,
    items: Vec<(Destination, u64, EventRef)>,
    bytes: usize,
}

impl<'a> Laying<'a> {
    fn new(outbox: &'a Outbox, only: Option<&'a Destination>) -> Self {
        Self {
            outbox,
            endpoints: Arc::default(),
            only,
            items: Vec::new(),
            bytes: 0,
        }
    }

    /// Whether anyone might want something of that actor's. All accounts of an actor are one programme's,
    /// and the first has its number.
    fn concerns(&self, actor: ActorId) -> bool {
        if actor == ActorId::REGISTRY {
            // Monitors may name an address of their own.
            let documents = &self.outbox.engine.shared.facts.documents;
            return !self.endpoints.is_empty() || documents.changes(Shelf::Monitor) > 0;
        }
        let indexes = &self.outbox.engine.shared.indexes;
        let is_of = |origin: &String| indexes.is_of(AccountNo(actor.0), origin);
        match self.only {
            Some(only) => is_of(&only.origin),
            None => indexes.is_hooked(actor) || self.endpoints.keys().any(is_of),
        }
    }

    /// Whether it was looked at; not if the outbox is stopped before all that it needs could be looked up.
    fn look_at(&mut self, record: &Record) -> bool {
        // Not before it was read: an endpoint may have been made in between, and what was bought after
        // that is for it.
        self.endpoints = self.outbox.endpoints();
        let Ok((_, actor, _)) = wire::decode_entry_head(&record.payload) else {
            tracing::error!(lsn = %record.lsn, "a record does not decode: no webhooks for it");
            return true;
        };
        if !self.concerns(actor) {
            return true;
        }
        let Ok(entry) = wire::decode_entry(&record.payload) else {
            tracing::error!(lsn = %record.lsn, "a record does not decode: no webhooks for it");
            return true;
        };
        let lookup = Lookup::new(&self.outbox.engine);
        let mut made = (self.outbox.events)(record.lsn.get(), &entry, &lookup);
        // Something would be missing of what is made without what could not be looked up.
        while lookup.has_failed() {
            if self.outbox.is_stopped() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
            made = (self.outbox.events)(record.lsn.get(), &entry, &lookup);
        }
        for event in &made {
            self.give(event);
        }
        true
    }

    fn give(&mut self, event: &OutEvent) {
        let account = event.account.as_ref().map(|(no, _)| *no);
        // What an account names is for the card's transactions; the rest is for endpoints.
        let is_asked = self.only.is_none() && words::is_of_card(&event.event);
        let account = account.filter(|_| is_asked);
        let url = account.and_then(|no| self.outbox.engine.shared.indexes.webhook_of(no));
        if let Some(url) = url {
            self.add(event, &url);
        }
        if let Some(url) = self.callback_of(event) {
            self.add(event, &url);
        }
        let endpoints = self.endpoints.clone();
        let own = endpoints.get(&event.origin);
        for endpoint in own.into_iter().flatten() {
            if self.wants(endpoint, event) {
                self.add(event, &endpoint.id);
            }
        }
    }

    /// The address that a watch names beside the endpoints.
    fn callback_of(&self, event: &OutEvent) -> Option<String> {
        if event.event != words::BALANCE_MONITOR || self.only.is_some() {
            return None;
        }
        let payload: serde_json::Value = serde_json::from_str(&event.payload).ok()?;
        let url = payload.pointer("/data/call_back_url")?.as_str()?;
        (!url.is_empty()).then(|| url.to_owned())
    }

    fn wants(&self, endpoint: &Endpoint, event: &OutEvent) -> bool {
        let is_meant = match self.only {
            Some(only) => only.target == endpoint.id,
            None => endpoint.enabled && endpoint.is_for(event.at),
        };
        is_meant && endpoint.accepts(&event.event)
    }

    fn add(&mut self, event: &OutEvent, target: &str) {
        let destination = Destination {
            origin: event.origin.clone(),
            target: target.to_owned(),
        };
        let place = EventRef {
            lsn: event.lsn,
            place: event.place,
        };
        let account = event.account.as_ref().map_or(0, |(no, _)| no.0);
        let size = destination
            .target
            .len()
            .saturating_add(destination.origin.len());
        self.bytes = self.bytes.saturating_add(size).saturating_add(32);
        self.items.push((destination, account, place));
    }
}

impl Outbox {
    /// Lays events out, each for a destination and an account, in order.
    pub(super) fn lay(
        &self,
        items: &[(Destination, u64, EventRef)],
        read_to: u64,
    ) -> Result<(), JournalError> {
        let mut desk = self.desk.lock();
        let mut fresh: BTreeMap<&Destination, u32> = BTreeMap::new();
        let mut next = desk.lanes.next_destination();
        let mut laid = Vec::with_capacity(items.len());
        for (destination, account, event) in items {
            let known = desk.lanes.number_of(destination);
            let number = known.or_else(|| fresh.get(destination).copied());
            let number = number.unwrap_or_else(|| {
                let number = next;
                next = next.saturating_add(1);
                fresh.insert(destination, number);
                number
            });
            let lane = LaneKey {
                destination: number,
                account: *account,
            };
            laid.push(LaidItem {
                lane,
                event: *event,
            });
        }
        let destinations = fresh.into_iter();
        let record = OutboxRecord::Laid {
            read_to,
            destinations: destinations
                .map(|(it, number)| (number, it.clone()))
                .collect(),
            items: laid,
        };
        let changed = desk.append(self.journal.as_ref(), &record)?;
        for key in changed {
            desk.place(key);
        }
        drop(desk);
        self.changed.notify_all();
        Ok(())
    }
}
