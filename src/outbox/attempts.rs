//! The attempts made last, in memory: for people who look for why an event did not come. What was given
//! up is durable and stands in `lanes`.

use std::collections::VecDeque;

use crate::domain::{
    outbox::{Destination, EventRef},
    time::Timestamp,
};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The event arrived.
    Delivered,
    /// It will be tried again.
    Failed,
    /// It was given up.
    Parked,
}

impl Ending {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Parked => "parked",
        }
    }
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The how-manieth since the start, from 1.
    pub number: u64,
    /// Where it went.
    pub destination: Destination,
    /// The URL that was called.
    pub url: String,
    /// Which event.
    pub event: EventRef,
    /// Its id.
    pub event_id: String,
    /// Its name.
    pub event_name: String,
    /// The account it is about.
    pub account_urn: Option<String>,
    /// The number of the destination and account it went under.
    pub lane: crate::domain::outbox::LaneKey,
    /// When it began.
    pub at: Timestamp,
    /// The how-manieth in a row of its lane, from 1.
    pub attempt: u32,
    /// How it ended.
    pub ending: Ending,
    /// The answer's status; none if none came.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// When the next attempt is due.
    pub next_at: Option<Timestamp>,
}

/// The attempts made last.
#[derive(Debug)]
pub struct Attempts {
    kept: VecDeque<Attempt>,
    kept_max: usize,
    count: u64,
}

impl Attempts {
    /// None yet; at most `kept_max` are kept.
    #[must_use]
    pub const fn new(kept_max: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            kept_max,
            count: 0,
        }
    }

    /// Keeps one more.
    pub fn push(&mut self, mut attempt: Attempt) {
        self.count = self.count.saturating_add(1);
        attempt.number = self.count;
        while self.kept.len() >= self.kept_max.max(1) {
            self.kept.pop_front();
        }
        self.kept.push_back(attempt);
    }

    /// The latest first, those before number `before` if it is given.
    pub fn latest(&self, before: Option<u64>) -> impl Iterator<Item = &Attempt> {
        let is_before = move |attempt: &&Attempt| before.is_none_or(|end| attempt.number < end);
        self.kept.iter().rev().filter(is_before)
    }
}
