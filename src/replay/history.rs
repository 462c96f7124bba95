//! Reads one actor's records from the log, newest first, from anywhere in its past.
//!
//! Each record points at the one before and far back (`domain::trail`), so a moment or a position in
//! a long history is reached in a logarithm of reads, and no index is kept.

use crate::{
    domain::{ids::ActorId, time::Timestamp},
    journal::{Journal, JournalError, Lsn},
    wire::{self, Entry, WireError},
};

/// Why the past cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The log cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record does not decode.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// A group's records, newest first. Reads block.
///
/// A group that others came into has several lines of records: its own, and theirs up to the moment of
/// their coming (`Hosted::lines`). They are read as one, in the order of the log.
pub struct History<'a> {
    journal: &'a dyn Journal,
    lines: Vec<Line>,
    reads: usize,
}

/// One actor's records.
struct Line {
    actor: ActorId,
    /// Where the next record stands, 0 at the end.
    next: u64,
    /// The record at `next`, if it was read on the way there.
    held: Option<Entry>,
}

impl<'a> History<'a> {
    /// Begins with the newest record of each line: its actor, and where that record stands, 0 for none.
    #[must_use]
    pub fn new(journal: &'a dyn Journal, lines: &[(ActorId, u64)]) -> Self {
        let line = |(actor, newest): &(ActorId, u64)| Line {
            actor: *actor,
            next: *newest,
            held: None,
        };
        Self {
            journal,
            lines: lines.iter().map(line).collect(),
            reads: 0,
        }
    }

    /// Where the next record stands; 0 at the end.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.lines.iter().map(|line| line.next).max().unwrap_or(0)
    }

    /// How many records were read so far.
    #[must_use]
    pub const fn reads(&self) -> usize {
        self.reads
    }

    /// The next older record, with its position.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if it cannot be read.
    pub fn older(&mut self) -> Result<Option<(u64, Entry)>, HistoryError> {
        loop {
            let newest = self.lines.iter_mut().max_by_key(|line| line.next);
            let Some(line) = newest.filter(|line| line.next != 0) else {
                return Ok(None);
            };
            let at = line.next;
            line.peek(self.journal, &mut self.reads)?;
            if let Some(entry) = line.held.take() {
                line.next = entry.links.previous;
                return Ok(Some((at, entry)));
            }
        }
    }

    /// The next record in the order of time, newest first, with its position. Records of two actors may
    /// have the same moment, and may stand in the log in the other order.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if it cannot be read.
    pub fn older_by_time(&mut self) -> Result<Option<(u64, Entry)>, HistoryError> {
        let mut newest: Option<(Timestamp, u64, usize)> = None;
        for (place, line) in self.lines.iter_mut().enumerate() {
            if let Some(entry) = line.peek(self.journal, &mut self.reads)? {
                newest = newest.max(Some((entry.time, line.next, place)));
            }
        }
        let line = newest.and_then(|(_, _, place)| self.lines.get_mut(place));
        let Some(line) = line else {
            return Ok(None);
        };
        let at = line.next;
        let entry = line.held.take();
        if let Some(entry) = &entry {
            line.next = entry.links.previous;
        }
        Ok(entry.map(|entry| (at, entry)))
    }

    /// Goes on to the newest records from before `moment`.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if a record on the way cannot be read.
    pub fn skip_to_before(&mut self, moment: Timestamp) -> Result<(), HistoryError> {
        for line in &mut self.lines {
            line.skip_to_before(moment, (self.journal, &mut self.reads))?;
        }
        Ok(())
    }

    /// Goes on to the newest record at or below `position`.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if a record on the way cannot be read.
    pub fn skip_to_position(&mut self, position: u64) -> Result<(), HistoryError> {
        for line in &mut self.lines {
            line.skip_to_position(position, (self.journal, &mut self.reads))?;
        }
        Ok(())
    }

    /// Reads no more of `actor`: all that is left of its records is too old.
    pub fn end(&mut self, actor: ActorId) {
        self.lines.retain(|line| line.actor != actor);
    }
}

impl Line {
    fn skip_to_before(
        &mut self,
        moment: Timestamp,
        (journal, reads): (&dyn Journal, &mut usize),
    ) -> Result<(), HistoryError> {
        while let Some(entry) = self.peek(journal, reads)? {
            if entry.time < moment {
                return Ok(());
            }
            let (skip, previous) = (entry.links.skip, entry.links.previous);
            let far = self.read(skip, journal, reads)?;
            (self.next, self.held) = match far.filter(|far| far.time >= moment) {
                Some(far) => (skip, Some(far)),
                None => (previous, None),
            };
        }
        Ok(())
    }

    fn skip_to_position(
        &mut self,
        position: u64,
        (journal, reads): (&dyn Journal, &mut usize),
    ) -> Result<(), HistoryError> {
        while self.next > position {
            let Some(entry) = self.peek(journal, reads)? else {
                return Ok(());
            };
            let (skip, previous) = (entry.links.skip, entry.links.previous);
            self.next = if skip >= position { skip } else { previous };
            self.held = None;
        }
        Ok(())
    }

    fn peek(
        &mut self,
        journal: &dyn Journal,
        reads: &mut usize,
    ) -> Result<Option<&Entry>, HistoryError> {
        if self.held.is_none() {
            self.held = self.read(self.next, journal, reads)?;
        }
        if self.held.is_none() {
            self.next = 0;
        }
        Ok(self.held.as_ref())
    }

    fn read(
        &self,
        at: u64,
        journal: &dyn Journal,
        reads: &mut usize,
    ) -> Result<Option<Entry>, HistoryError> {
        if at == 0 {
            return Ok(None);
        }
        *reads = reads.saturating_add(1);
        let entry = entry_at(journal, at)?;
        assert!(
            entry.actor == self.actor,
            "Invariant: a record points only at records of its own actor"
        );
        Ok(Some(entry))
    }
}

/// The record at `at`, whosever it is; something points at it, so it must be there.
///
/// # Errors
///
/// [`HistoryError`] if it cannot be read, or is gone with its segment: a past with a hole is none.
pub fn entry_at(journal: &dyn Journal, at: u64) -> Result<Entry, HistoryError> {
    let bytes = match journal.read(Lsn::new(at)) {
        Err(JournalError::NotFound { lsn }) => Err(JournalError::Corrupt {
            file: "archive/".to_owned(),
            offset: 0,
            lsn,
            what: "the segment of this record is missing: restore it from a backup and start again"
                .to_owned(),
        }),
        read => read,
    };
    Ok(wire::decode_entry(&bytes?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::trail::Trail,
        journal::memory::MemoryJournal,
        wire::{Body, Entry},
    };

    /// Records 1 to `count` of actor 7 at the times 10, 20, 30, …, mixed with another actor's.
    fn log(count: u64) -> (MemoryJournal, Vec<u64>) {
        let journal = MemoryJournal::new();
        let (mut own, mut other) = (Trail::default(), Trail::default());
        let mut positions = Vec::new();
        for number in 1..=count {
            for (actor, trail) in [(8, &mut other), (7, &mut own)] {
                let entry = Entry {
                    time: Timestamp::from_micros(i64::try_from(number * 10).expect("small")),
                    actor: ActorId(actor),
                    sequence: number,
                    links: trail.next_links(),
                    keys: Vec::new(),
                    fingerprint: 0,
                    body: Body::Group(Vec::new()),
                };
                let mut bytes = Vec::new();
                wire::encode_entry(&entry, &mut bytes);
                let place = journal.reserve().expect("room");
                trail.push(journal.append(place, &bytes).get());
            }
            positions.push(own.last());
        }
        (journal, positions)
    }

    fn numbers(history: &mut History<'_>) -> Vec<u64> {
        std::iter::from_fn(|| history.older().expect("readable"))
            .map(|(_, entry)| entry.sequence)
            .collect()
    }

    #[test]
    fn every_record_is_read_newest_first() {
        let (journal, positions) = log(40);
        let mut history = History::new(&journal, &[(ActorId(7), positions[39])]);
        assert_eq!(numbers(&mut history), (1..=40).rev().collect::<Vec<_>>());
        assert_eq!(history.reads(), 40);
        assert_eq!(
            numbers(&mut History::new(&journal, &[(ActorId(7), 0)])),
            Vec::<u64>::new()
        );
    }

    #[test]
    fn a_moment_is_exclusive_and_found_in_few_reads() {
        let (journal, positions) = log(500);
        for moment in [0, 5, 10, 11, 20, 2_555, 2_560, 4_990, 5_000, 5_001, 9_999] {
            let mut history = History::new(&journal, &[(ActorId(7), positions[499])]);
            let at = Timestamp::from_micros(moment);
            history.skip_to_before(at).expect("readable");
            assert!(history.reads() <= 60, "{moment}: {} reads", history.reads());
            let expected = (1..=500_i64).rev().find(|number| number * 10 < moment);
            let found = history.older().expect("readable");
            let found = found.map(|(_, entry)| i64::try_from(entry.sequence).expect("small"));
            assert_eq!(found, expected, "before {moment}");
        }
    }

    #[test]
    fn a_position_need_not_be_a_record_of_the_actor() {
        let (journal, positions) = log(300);
        for wanted in [1_u64, 2, 63, 64, 65, 128, 299, 300] {
            let at = positions[usize::try_from(wanted - 1).expect("small")];
            for (position, expected) in [(at, wanted), (at + 1, wanted), (at - 1, wanted - 1)] {
                let mut history = History::new(&journal, &[(ActorId(7), positions[299])]);
                history.skip_to_position(position).expect("readable");
                assert!(
                    history.reads() <= 60,
                    "{position}: {} reads",
                    history.reads()
                );
                let found = history.older().expect("readable");
                let found = found.map_or(0, |(_, entry)| entry.sequence);
                assert_eq!(found, expected, "at or below {position}");
            }
        }
    }

    #[test]
    fn two_actors_are_read_in_the_order_of_time() {
        let journal = MemoryJournal::new();
        let (mut one, mut two) = (Trail::default(), Trail::default());
        // The log's order is not the time's, and two have the same moment.
        for (actor, time) in [(1, 10), (2, 30), (1, 20), (1, 40), (2, 40)] {
            let trail = if actor == 1 { &mut one } else { &mut two };
            let entry = Entry {
                time: Timestamp::from_micros(time),
                actor: ActorId(actor),
                sequence: trail.count() + 1,
                links: trail.next_links(),
                keys: Vec::new(),
                fingerprint: 0,
                body: Body::Group(Vec::new()),
            };
            let mut bytes = Vec::new();
            wire::encode_entry(&entry, &mut bytes);
            let place = journal.reserve().expect("room");
            trail.push(journal.append(place, &bytes).get());
        }
        let lines = [(ActorId(1), one.last()), (ActorId(2), two.last())];
        let mut history = History::new(&journal, &lines);
        let read = std::iter::from_fn(|| history.older_by_time().expect("readable"));
        let times: Vec<_> = read
            .map(|(_, entry)| (entry.time.micros(), entry.actor.0))
            .collect();
        assert_eq!(times, [(40, 2), (40, 1), (30, 2), (20, 1), (10, 1)]);
    }

    #[test]
    fn records_that_are_gone_are_missed() {
        let (journal, positions) = log(20);
        journal.retire(Lsn::new(positions[9])).expect("retired");
        let mut history = History::new(&journal, &[(ActorId(7), positions[19])]);
        for number in (11..=20).rev() {
            let (_, entry) = history.older().expect("readable").expect("there");
            assert_eq!(entry.sequence, number);
        }
        let gone = history.older().map(|_| ()).expect_err("missed").to_string();
        assert!(gone.contains("archive/"), "{gone}");
    }
}
