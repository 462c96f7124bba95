//! What the outbox stores.

use cardwright::domain::outbox::{
    Destination, EventRef, LaidItem, LaneKey, LaneState, OutboxItem, OutboxRecord, ParkedEvent,
    Place, Replay, Spilled, Spot, Trouble,
};

const LANE: LaneKey = LaneKey {
    destination: 3,
    account: 70_001,
};
const EVENT: EventRef = EventRef {
    lsn: 80_002,
    place: 2,
};
const AT: Place = Place {
    lsn: 90_003,
    index: 4,
};

fn destination() -> Destination {
    Destination {
        origin: "acme".into(),
        target: "whe_0123".into(),
    }
}

fn parked() -> ParkedEvent {
    ParkedEvent {
        lane: LANE,
        event: EVENT,
        at: 1_700_000_000_000_001,
        failures: 12,
        status: 503,
    }
}

const TROUBLE: Trouble = Trouble {
    failures: 5,
    next_at: 1_700_000_000_000_002,
    since: 1_700_000_000_000_003,
};
const REPLAY: Replay = Replay {
    destination: 6,
    after: 70,
    upto: 8_000,
};

pub(super) fn records() -> Vec<(&'static str, OutboxRecord)> {
    let laid = OutboxRecord::Laid {
        read_to: 100_004,
        destinations: vec![(3, destination())],
        items: vec![LaidItem {
            lane: LANE,
            event: EVENT,
        }],
    };
    let delivered = OutboxRecord::Delivered { lane: LANE, at: AT };
    let failed = OutboxRecord::Failed {
        lane: LANE,
        trouble: TROUBLE,
    };
    let given_up = OutboxRecord::Parked {
        parked: parked(),
        at: AT,
    };
    vec![
        ("outbox-laid", laid),
        ("outbox-delivered", delivered),
        ("outbox-failed", failed),
        ("outbox-parked", given_up),
        ("outbox-replay-asked", OutboxRecord::ReplayAsked(REPLAY)),
        (
            "outbox-replay-reached",
            OutboxRecord::ReplayReached { after: 71 },
        ),
        ("outbox-dropped", OutboxRecord::Dropped { destination: 9 }),
    ]
}

pub(super) fn items() -> Vec<(&'static str, OutboxItem)> {
    let head = OutboxItem::Head {
        read_to: 100_004,
        next_destination: 7,
        replays: vec![REPLAY],
    };
    let lane = LaneState {
        key: LANE,
        waiting: vec![Spot {
            at: AT,
            event: EVENT,
        }],
        spilled: Some(Spilled {
            after: AT,
            upto: Place {
                lsn: 90_005,
                index: 6,
            },
        }),
        trouble: TROUBLE,
    };
    vec![
        ("outbox-item-head", head),
        (
            "outbox-item-destinations",
            OutboxItem::Destinations(vec![(3, destination())]),
        ),
        ("outbox-item-lanes", OutboxItem::Lanes(vec![lane])),
        ("outbox-item-parked", OutboxItem::Parked(vec![parked()])),
    ]
}
