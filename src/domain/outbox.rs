//! What the outbox writes down of its deliveries: positions, never events. Pure data; `outbox/lanes.rs`
//! says what it means.

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// Whose programme: its secret signs, unless the endpoint has its own.
    pub origin: String,
    /// An endpoint's id (`whe_…`), or the URL that an account names.
    pub target: String,
}

/// What is delivered in order: the events of one account to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneKey {
    /// The destination's number in the outbox.
    pub destination: u32,
    /// The account's number; 0 for what is about none.
    pub account: u64,
}

/// A place in the outbox's own log: the record that laid an event out, and the how-manieth of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The record's position in the outbox's log.
    pub lsn: u64,
    /// From 0.
    pub index: u32,
}

/// Which event: its record's position in the engine's log, and the how-manieth of that record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRef {
    /// The record's position.
    pub lsn: u64,
    /// From 0.
    pub place: u16,
}

/// An event laid out for a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaidItem {
    /// For which lane.
    pub lane: LaneKey,
    /// Which event.
    pub event: EventRef,
}

/// An event that waits in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Where it was laid out.
    pub at: Place,
    /// Which event.
    pub event: EventRef,
}

/// Events of a lane that are in the outbox's log and not in memory: those after `after`, up to `upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spilled {
    /// The last one that memory has or had.
    pub after: Place,
    /// The last one there is.
    pub upto: Place,
}

/// How a lane's head fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Attempts that failed in a row.
    pub failures: u32,
    /// When the next is due, Unix microseconds.
    pub next_at: i64,
    /// When the first of them failed, Unix microseconds.
    pub since: i64,
}

/// An event that nobody tries any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEvent {
    /// For which lane it was.
    pub lane: LaneKey,
    /// Which event.
    pub event: EventRef,
    /// When it was given up, Unix microseconds.
    pub at: i64,
    /// How often its lane had failed in a row by then.
    pub failures: u32,
    /// The last answer's status; 0 for none.
    pub status: u16,
}

/// A range of the engine's log that an endpoint is to get again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// For which destination.
    pub destination: u32,
    /// Events after this position,
    pub after: u64,
    /// up to this one.
    pub upto: u64,
}

/// One record of the outbox's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxRecord {
    /// The engine's log was read up to a position; these events wait from now on.
    Laid {
        /// The position.
        read_to: u64,
        /// Destinations seen for the first time, by number.
        destinations: Vec<(u32, Destination)>,
        /// The events, in order. One that was parked is no longer.
        items: Vec<LaidItem>,
    },
    /// An event arrived, and with it all before it in its lane.
    Delivered {
        /// Which lane.
        lane: LaneKey,
        /// Where the event was laid out.
        at: Place,
    },
    /// A lane's head did not arrive.
    Failed {
        /// Which lane.
        lane: LaneKey,
        /// How it fares.
        trouble: Trouble,
    },
    /// A lane's head was given up; the lane goes on.
    Parked {
        /// What was given up.
        parked: ParkedEvent,
        /// Where it was laid out.
        at: Place,
    },
    /// A range is to be laid out again.
    ReplayAsked(Replay),
    /// The first range that was asked for was laid out up to a position.
    ReplayReached {
        /// The position.
        after: u64,
    },
    /// A destination is gone with all that waits for it.
    Dropped {
        /// Which.
        destination: u32,
    },
}

/// A lane as a snapshot of the outbox holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// Which.
    pub key: LaneKey,
    /// What waits in memory, in order.
    pub waiting: Vec<Spot>,
    /// What waits in the log behind that.
    pub spilled: Option<Spilled>,
    /// How its head fares.
    pub trouble: Trouble,
}

/// One item of a snapshot of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxItem {
    /// Up to where the engine's log was read, the next destination's number, the ranges asked for.
    Head {
        /// The position.
        read_to: u64,
        /// The number.
        next_destination: u32,
        /// The ranges, in the order of asking.
        replays: Vec<Replay>,
    },
    /// Destinations by number.
    Destinations(Vec<(u32, Destination)>),
    /// Lanes.
    Lanes(Vec<LaneState>),
    /// What was given up.
    Parked(Vec<ParkedEvent>),
}
