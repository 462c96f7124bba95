//! What the outbox stores: all of it since version 2.

use super::{stored, stored_kinds};
use crate::domain::outbox::{
    Destination, EventRef, LaidItem, LaneKey, LaneState, OutboxItem, OutboxRecord, ParkedEvent,
    Place, Replay, Spilled, Spot, Trouble,
};

stored! {
    Destination { origin, target }
    LaneKey { destination, account }
    Place { lsn, index }
    EventRef { lsn, place }
    LaidItem { lane, event }
    Spot { at, event }
    Spilled { after, upto }
    Trouble { failures, next_at, since }
    ParkedEvent { lane, event, at, failures, status }
    Replay { destination, after, upto }
    LaneState { key, waiting, spilled, trouble }
}

stored_kinds! {
    OutboxRecord {
        0 => Laid { read_to: read_to, destinations: destinations, items: items },
        1 => Delivered { lane: lane, at: at },
        2 => Failed { lane: lane, trouble: trouble },
        3 => Parked { parked: parked, at: at },
        4 => ReplayAsked { 0: replay },
        5 => ReplayReached { after: after },
        6 => Dropped { destination: destination },
    }
    OutboxItem {
        0 => Head { read_to: read_to, next_destination: next_destination, replays: replays },
        1 => Destinations { 0: destinations },
        2 => Lanes { 0: lanes },
        3 => Parked { 0: parked },
    }
}
