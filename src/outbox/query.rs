//! What people ask of the outbox: which attempts there were, what was given up, and to have it again.

use super::{
    Outbox,
    attempts::{Attempt, Ending},
};
use crate::{
    domain::{
        ids::RecordId,
        outbox::{Destination, EventRef, LaneKey, OutboxRecord, ParkedEvent, Replay},
        time::Timestamp,
    },
    journal::JournalError,
    wire,
};

/// One event for one destination and account: what an attempt is of, and what can be sent again.
///
/// Its text has a position and numbers, and the destination's is good for as long as something waits for
/// it, was given up, or was tried and is still shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryId {
    /// Which event.
    pub event: EventRef,
    /// Under which lane.
    pub lane: LaneKey,
}

impl DeliveryId {
    /// `whd_…`.
    #[must_use]
    pub fn text(self) -> String {
        let event = RecordId(self.event.lsn).text("whd_");
        let account = RecordId(self.lane.account).text("");
        let (place, destination) = (self.event.place, self.lane.destination);
        format!("{event}{account}{place:04x}{destination:08x}")
    }

    /// Reads it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("whd_")?;
        if rest.len() != 38 || !rest.is_ascii() {
            return None;
        }
        let number =
            |from: usize| RecordId::parse(rest.get(from..from.saturating_add(13))?, "", "").ok();
        Some(Self {
            event: EventRef {
                lsn: number(0)?.0,
                place: u16::from_str_radix(rest.get(26..30)?, 16).ok()?,
            },
            lane: LaneKey {
                destination: u32::from_str_radix(rest.get(30..38)?, 16).ok()?,
                account: number(13)?.0,
            },
        })
    }
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Whose programme.
    pub origin: String,
    /// Only this endpoint's.
    pub endpoint: Option<String>,
    /// Only of this account.
    pub account_urn: Option<String>,
    /// Only events of this name, or this event.
    pub event: Option<String>,
    /// Only those that ended so.
    pub ending: Option<Ending>,
    /// Only before this attempt.
    pub before: Option<u64>,
}

/// What is found.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What can be sent again.
    pub id: DeliveryId,
    /// What is known of it.
    pub attempt: Attempt,
}

impl Wanted {
    fn fits(&self, attempt: &Attempt) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|it| it == value);
        attempt.destination.origin == self.origin
            && is(&self.endpoint, &attempt.destination.target)
            && is(
                &self.account_urn,
                attempt.account_urn.as_deref().unwrap_or_default(),
            )
            && (is(&self.event, &attempt.event_name) || is(&self.event, &attempt.event_id))
            && self.ending.is_none_or(|ending| ending == attempt.ending)
    }
}

impl Outbox {
    /// The attempts made last that fit, the latest first.
    #[must_use]
    pub fn attempts(&self, wanted: &Wanted, most: usize) -> Vec<Listed> {
        let desk = self.desk.lock();
        let fitting = desk.attempts.latest(wanted.before);
        let listed = |attempt: &Attempt| Listed {
            id: DeliveryId {
                event: attempt.event,
                lane: attempt.lane,
            },
            attempt: attempt.clone(),
        };
        let fitting = fitting.filter(|attempt| wanted.fits(attempt));
        fitting.take(most).map(listed).collect()
    }

    /// What was given up and not sent again since, the latest first: at most `most` after `skip` of them.
    /// Blocks the thread: the events are made anew from the log.
    #[must_use]
    pub fn parked(&self, wanted: &Wanted, (skip, most): (usize, usize)) -> Vec<Listed> {
        let known: Vec<_> = {
            let desk = self.desk.lock();
            let of = |parked: &ParkedEvent| {
                let destination = desk.lanes.destination(parked.lane.destination)?.clone();
                let fits = destination.origin == wanted.origin
                    && wanted
                        .endpoint
                        .as_ref()
                        .is_none_or(|id| *id == destination.target);
                fits.then(|| (parked.clone(), destination))
            };
            desk.lanes.parked().filter_map(of).collect()
        };
        let shown = known
            .into_iter()
            .map(|(parked, destination)| self.show(&parked, destination));
        let fits = |listed: &Listed| wanted.fits(&listed.attempt);
        shown.filter(fits).skip(skip).take(most).collect()
    }

    fn show(&self, parked: &ParkedEvent, destination: Destination) -> Listed {
        let made = self.event_at(parked.event).ok();
        let (event_id, event_name, account_urn) = made.map_or_else(Default::default, |event| {
            (event.id, event.event, event.account.map(|(_, urn)| urn))
        });
        Listed {
            id: DeliveryId {
                event: parked.event,
                lane: parked.lane,
            },
            attempt: Attempt {
                number: 0,
                url: destination.target.clone(),
                destination,
                event: parked.event,
                event_id,
                event_name,
                account_urn,
                lane: parked.lane,
                at: Timestamp::from_micros(parked.at),
                attempt: parked.failures,
                ending: Ending::Parked,
                status: (parked.status > 0).then_some(parked.status),
                latency_ms: 0,
                error: None,
                next_at: None,
            },
        }
    }

    /// Lays one event out again for whom it was, and writes that down for good; `false` if `origin` has no such delivery.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if that cannot be written down now.
    pub fn again(&self, origin: &str, id: DeliveryId) -> Result<bool, JournalError> {
        let destination = {
            let desk = self.desk.lock();
            let known = desk.lanes.destination(id.lane.destination).cloned();
            // A number that nothing waits for any more is given back; what was tried last names it too.
            known.or_else(|| {
                let mut tried = desk.attempts.latest(None);
                let found = tried.find(|it| it.lane == id.lane && it.event == id.event);
                found.map(|attempt| attempt.destination.clone())
            })
        };
        let Some(destination) = destination.filter(|it| it.origin == origin) else {
            return Ok(false);
        };
        let Ok(event) = self.event_at(id.event) else {
            return Ok(false);
        };
        let account = event.account.map_or(0, |(no, _)| no.0);
        if event.origin != origin || account != id.lane.account {
            return Ok(false);
        }
        self.lay(&[(destination, account, id.event)], 0)?;
        self.wait_durable(self.journal.appended())?;
        Ok(true)
    }

    /// Lays out again what was given up for an endpoint, and writes that down for good; how many.
    /// Blocks the thread.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if not all could be written down now.
    pub fn parked_again(&self, origin: &str, endpoint: &str) -> Result<usize, JournalError> {
        let destination = Destination {
            origin: origin.to_owned(),
            target: endpoint.to_owned(),
        };
        let mut events: Vec<_> = {
            let desk = self.desk.lock();
            let number = desk.lanes.number_of(&destination);
            let is_of = |parked: &&ParkedEvent| Some(parked.lane.destination) == number;
            let parked = desk.lanes.parked().filter(is_of);
            parked
                .map(|parked| (parked.event, parked.lane.account))
                .collect()
        };
        events.sort_unstable();
        for some in events.chunks(1_024) {
            let items = some.iter();
            let items = items.map(|(event, account)| (destination.clone(), *account, *event));
            self.lay(&items.collect::<Vec<_>>(), 0)?;
        }
        self.wait_durable(self.journal.appended())?;
        Ok(events.len())
    }

    /// Lays out again, from now on, all events after `after` up to `upto` that an endpoint wants; that it
    /// was asked is written down for good. Blocks the thread.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if that cannot be written down now.
    pub fn range_again(
        &self,
        origin: &str,
        endpoint: &str,
        (after, upto): (u64, u64),
    ) -> Result<(), JournalError> {
        let destination = Destination {
            origin: origin.to_owned(),
            target: endpoint.to_owned(),
        };
        let mut desk = self.desk.lock();
        let known = desk.lanes.number_of(&destination);
        let number = known.unwrap_or_else(|| desk.lanes.next_destination());
        if known.is_none() {
            let record = OutboxRecord::Laid {
                read_to: 0,
                destinations: vec![(number, destination)],
                items: Vec::new(),
            };
            desk.append(self.journal.as_ref(), &record)?;
        }
        let replay = Replay {
            destination: number,
            after,
            upto,
        };
        let record = OutboxRecord::ReplayAsked(replay);
        desk.append(self.journal.as_ref(), &record)?;
        drop(desk);
        self.bell.ring();
        self.wait_durable(self.journal.appended())
    }

    /// What waits for each endpoint and what was given up: numbers for its page.
    #[must_use]
    pub fn counts(&self, origin: &str, endpoint: &str) -> (usize, usize) {
        let destination = Destination {
            origin: origin.to_owned(),
            target: endpoint.to_owned(),
        };
        let desk = self.desk.lock();
        let Some(number) = desk.lanes.number_of(&destination) else {
            return (0, 0);
        };
        let lanes = desk
            .lanes
            .iter()
            .filter(|(key, _)| key.destination == number);
        let waiting = lanes.map(|(_, lane)| lane.waiting.len()).sum();
        let parked = desk
            .lanes
            .parked()
            .filter(|it| it.lane.destination == number);
        (waiting, parked.count())
    }

    /// Puts what waits into the metrics.
    pub(super) fn measure(&self) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (pending, parked, oldest) = {
            let desk = self.desk.lock();
            let heads = desk
                .lanes
                .iter()
                .filter_map(|(_, lane)| lane.waiting.front());
            let oldest = heads.map(|spot| spot.event.lsn).min();
            (desk.lanes.waiting(), desk.lanes.parked_count(), oldest)
        };
        let metrics = &self.engine.shared.metrics.webhooks;
        metrics.pending.set(gauge(pending));
        metrics.parked.set(gauge(parked));
        let read = |lsn| {
            self.engine
                .shared
                .journal
                .read(crate::journal::Lsn::new(lsn))
                .ok()
        };
        let head = |bytes: Vec<u8>| wire::decode_entry_head(&bytes).ok();
        let since = oldest.and_then(read).and_then(head);
        let age = since.map_or(0, |(time, ..)| self.now().saturating_sub(time.micros()));
        metrics.oldest_s.set(age.div_euclid(1_000_000).max(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_ids_read_back() {
        let id = DeliveryId {
            event: EventRef {
                lsn: 4_567_890,
                place: 3,
            },
            lane: LaneKey {
                destination: 77,
                account: 12,
            },
        };
        assert_eq!(DeliveryId::parse(&id.text()), Some(id));
        for wrong in ["", "whd_", "whd_1", "evt_1", "whd_é"] {
            assert_eq!(DeliveryId::parse(wrong), None, "{wrong}");
        }
    }
}
