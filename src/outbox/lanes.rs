//! What waits to be delivered: a fold of the outbox's own log, the same while running and after a start.
//!
//! A lane holds a few positions in memory; those beyond stay in the log (`Spilled`) and are read from
//! there when there is room. Deliveries go in order, so that one place in the log says how far a lane
//! has come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::outbox::{
    Destination, EventRef, LaneKey, LaneState, OutboxItem, OutboxRecord, ParkedEvent, Place,
    Replay, Spilled, Spot, Trouble,
};

/// How much may be in memory.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Positions of one lane.
    pub lane_max: usize,
    /// Positions in all.
    pub waiting_max: usize,
    /// Events given up; beyond that the oldest are forgotten.
    pub parked_max: usize,
}

/// Some items at a time in a snapshot.
const ITEMS_AT_ONCE: usize = 256;

/// One lane.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// What waits in memory, in order.
    pub waiting: VecDeque<Spot>,
    /// What waits in the log behind that.
    pub spilled: Option<Spilled>,
    /// How its head fares.
    pub trouble: Trouble,
}

impl Lane {
    fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.spilled.is_none()
    }

    /// Forgets everything up to `at`; how many positions less are in memory.
    fn pass(&mut self, at: Place) -> usize {
        let before = self.waiting.len();
        while self.waiting.front().is_some_and(|spot| spot.at <= at) {
            self.waiting.pop_front();
        }
        if let Some(spilled) = &mut self.spilled {
            spilled.after = spilled.after.max(at);
            if spilled.after >= spilled.upto {
                self.spilled = None;
            }
        }
        self.trouble = Trouble {
            failures: self.trouble.failures,
            next_at: 0,
            since: self.trouble.since,
        };
        before.saturating_sub(self.waiting.len())
    }
}

/// All lanes, what was given up, and how far the engine's log was read.
#[derive(Clone, Debug)]
pub struct Lanes {
    bounds: Bounds,
    destinations: BTreeMap<u32, Destination>,
    numbers: BTreeMap<Destination, u32>,
    next_destination: u32,
    lanes: BTreeMap<LaneKey, Lane>,
    /// Lanes with room in memory and more in the log.
    hungry: BTreeSet<LaneKey>,
    parked: BTreeMap<(LaneKey, EventRef), ParkedEvent>,
    /// By the time of giving up.
    parked_order: BTreeSet<(i64, LaneKey, EventRef)>,
    replays: VecDeque<Replay>,
    read_to: u64,
    waiting: usize,
}

impl Lanes {
    /// Nothing waits; the engine's log was read up to `read_to`.
    #[must_use]
    pub const fn new(bounds: Bounds, read_to: u64) -> Self {
        Self {
            bounds,
            destinations: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next_destination: 1,
            lanes: BTreeMap::new(),
            hungry: BTreeSet::new(),
            parked: BTreeMap::new(),
            parked_order: BTreeSet::new(),
            replays: VecDeque::new(),
            read_to,
            waiting: 0,
        }
    }

    /// Up to where the engine's log was read.
    #[must_use]
    pub const fn read_to(&self) -> u64 {
        self.read_to
    }

    /// How many positions are in memory.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many events were given up and are still known.
    #[must_use]
    pub fn parked_count(&self) -> usize {
        self.parked.len()
    }

    /// What was given up, the latest first.
    pub fn parked(&self) -> impl Iterator<Item = &ParkedEvent> {
        let order = self.parked_order.iter().rev();
        order.filter_map(|(_, lane, event)| self.parked.get(&(*lane, *event)))
    }

    /// The destination of that number.
    #[must_use]
    pub fn destination(&self, number: u32) -> Option<&Destination> {
        self.destinations.get(&number)
    }

    /// The number of a destination, if it has one.
    #[must_use]
    pub fn number_of(&self, destination: &Destination) -> Option<u32> {
        self.numbers.get(destination).copied()
    }

    /// The number of some destination with that target.
    #[must_use]
    pub fn number_of_target(&self, target: &str) -> Option<u32> {
        let mut known = self.destinations.iter();
        known.find_map(|(number, known)| (known.target == target).then_some(*number))
    }

    /// The number that the next new destination gets.
    #[must_use]
    pub const fn next_destination(&self) -> u32 {
        self.next_destination
    }

    /// A lane, if something waits in it.
    #[must_use]
    pub fn lane(&self, key: LaneKey) -> Option<&Lane> {
        self.lanes.get(&key)
    }

    /// Every lane in which something waits.
    pub fn iter(&self) -> impl Iterator<Item = (LaneKey, &Lane)> {
        self.lanes.iter().map(|(key, lane)| (*key, lane))
    }

    /// The range that is to be laid out again, if there is one.
    #[must_use]
    pub fn replay(&self) -> Option<Replay> {
        self.replays.front().copied()
    }

    /// Lanes with room in memory and more in the log, and where that begins; at most `most`.
    #[must_use]
    pub fn hungry(&self, most: usize) -> Vec<(LaneKey, Spilled)> {
        if self.waiting >= self.bounds.waiting_max {
            return Vec::new();
        }
        let spilled = |key: &LaneKey| Some((*key, self.lanes.get(key)?.spilled?));
        self.hungry.iter().filter_map(spilled).take(most).collect()
    }

    /// How many positions one lane takes from the log at a time.
    #[must_use]
    pub const fn lane_max(&self) -> usize {
        self.bounds.lane_max
    }

    /// The first place of the outbox's log that some lane still needs; none if memory has it all.
    #[must_use]
    pub fn needed_from(&self) -> Option<u64> {
        let spilled = self.lanes.values().filter_map(|lane| lane.spilled);
        spilled.map(|spilled| spilled.after.lsn).min()
    }

    /// Applies the record that stands at `lsn` of the outbox's log; the lanes it changed.
    pub fn apply(&mut self, lsn: u64, record: &OutboxRecord) -> Vec<LaneKey> {
        match record {
            OutboxRecord::Laid {
                read_to,
                destinations,
                items,
            } => {
                self.read_to = self.read_to.max(*read_to);
                for (number, destination) in destinations {
                    self.know(*number, destination.clone());
                }
                for (index, item) in (0_u32..).zip(items) {
                    let at = Place { lsn, index };
                    self.unpark(item.lane, item.event);
                    self.lay(
                        item.lane,
                        Spot {
                            at,
                            event: item.event,
                        },
                    );
                }
                items.iter().map(|item| item.lane).collect()
            }
            OutboxRecord::Delivered { lane, at } => {
                self.pass(*lane, *at);
                if let Some(known) = self.lanes.get_mut(lane) {
                    known.trouble = Trouble::default();
                }
                vec![*lane]
            }
            OutboxRecord::Failed { lane, trouble } => {
                if let Some(known) = self.lanes.get_mut(lane) {
                    known.trouble = *trouble;
                }
                vec![*lane]
            }
            OutboxRecord::Parked { parked, at } => {
                self.pass(parked.lane, *at);
                self.park(parked.clone());
                vec![parked.lane]
            }
            OutboxRecord::ReplayAsked(replay) => {
                self.replays.push_back(*replay);
                Vec::new()
            }
            OutboxRecord::ReplayReached { after } => {
                if let Some(replay) = self.replays.front_mut() {
                    replay.after = replay.after.max(*after);
                    if replay.after >= replay.upto {
                        self.replays.pop_front();
                    }
                }
                Vec::new()
            }
            OutboxRecord::Dropped { destination } => self.drop_destination(*destination),
        }
    }

    fn know(&mut self, number: u32, destination: Destination) {
        self.numbers.insert(destination.clone(), number);
        self.destinations.insert(number, destination);
        self.next_destination = self.next_destination.max(number.saturating_add(1));
    }

    fn lay(&mut self, key: LaneKey, spot: Spot) {
        let is_full = self.waiting >= self.bounds.waiting_max;
        let lane = self.lanes.entry(key).or_default();
        if let Some(spilled) = &mut lane.spilled {
            spilled.upto = spot.at;
        } else if is_full || lane.waiting.len() >= self.bounds.lane_max {
            let last = lane.waiting.back().map(|last| last.at);
            // Just before this one, if nothing of the lane is in memory.
            let before = Place {
                lsn: spot.at.lsn.saturating_sub(1),
                index: u32::MAX,
            };
            lane.spilled = Some(Spilled {
                after: last.unwrap_or(before),
                upto: spot.at,
            });
        } else {
            lane.waiting.push_back(spot);
            self.waiting = self.waiting.saturating_add(1);
        }
        self.see_hunger(key);
    }

    fn pass(&mut self, key: LaneKey, at: Place) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        self.waiting = self.waiting.saturating_sub(lane.pass(at));
        if lane.is_done() {
            self.lanes.remove(&key);
        }
        self.see_hunger(key);
    }

    fn see_hunger(&mut self, key: LaneKey) {
        let low = self.bounds.lane_max / 4;
        let is_hungry = self
            .lanes
            .get(&key)
            .is_some_and(|lane| lane.spilled.is_some() && lane.waiting.len() <= low);
        if is_hungry {
            self.hungry.insert(key);
        } else {
            self.hungry.remove(&key);
        }
    }

    /// Takes into memory what was read from the log for a lane: everything of it from `after` to the
    /// last of `found`.
    pub fn refill(&mut self, key: LaneKey, after: Place, found: &[Spot]) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let (Some(spilled), Some(last)) = (lane.spilled, found.last()) else {
            return;
        };
        if spilled.after != after {
            return;
        }
        lane.waiting.extend(found);
        self.waiting = self.waiting.saturating_add(found.len());
        let (after, upto) = (last.at, spilled.upto);
        lane.spilled = (after < upto).then_some(Spilled { after, upto });
        self.see_hunger(key);
    }

    fn park(&mut self, parked: ParkedEvent) {
        self.unpark(parked.lane, parked.event);
        let (lane, event) = (parked.lane, parked.event);
        self.parked_order.insert((parked.at, lane, event));
        self.parked.insert((lane, event), parked);
        while self.parked.len() > self.bounds.parked_max {
            let Some((_, lane, event)) = self.parked_order.pop_first() else {
                return;
            };
            self.parked.remove(&(lane, event));
        }
    }

    fn unpark(&mut self, lane: LaneKey, event: EventRef) {
        if let Some(known) = self.parked.remove(&(lane, event)) {
            self.parked_order.remove(&(known.at, lane, event));
        }
    }

    fn drop_destination(&mut self, number: u32) -> Vec<LaneKey> {
        let is_of = |key: &LaneKey| key.destination == number;
        let keys: Vec<_> = self.lanes.keys().copied().filter(is_of).collect();
        for key in &keys {
            if let Some(lane) = self.lanes.remove(key) {
                self.waiting = self.waiting.saturating_sub(lane.waiting.len());
            }
            self.hungry.remove(key);
        }
        self.parked.retain(|(lane, _), _| !is_of(lane));
        self.parked_order.retain(|(_, lane, _)| !is_of(lane));
        self.replays.retain(|replay| replay.destination != number);
        if let Some(destination) = self.destinations.remove(&number) {
            self.numbers.remove(&destination);
        }
        keys
    }

    /// Forgets the numbers of destinations that nothing waits for, then says everything that is left.
    pub fn snapshot(&mut self) -> Vec<OutboxItem> {
        let mut used: BTreeSet<u32> = self.lanes.keys().map(|key| key.destination).collect();
        used.extend(self.parked.keys().map(|(lane, _)| lane.destination));
        used.extend(self.replays.iter().map(|replay| replay.destination));
        self.destinations.retain(|number, _| used.contains(number));
        self.numbers.retain(|_, number| used.contains(number));
        let mut items = vec![OutboxItem::Head {
            read_to: self.read_to,
            next_destination: self.next_destination,
            replays: self.replays.iter().copied().collect(),
        }];
        let destinations: Vec<_> = self.destinations.clone().into_iter().collect();
        let chunks = destinations.chunks(ITEMS_AT_ONCE);
        items.extend(chunks.map(|some| OutboxItem::Destinations(some.to_vec())));
        let state = |(key, lane): (&LaneKey, &Lane)| LaneState {
            key: *key,
            waiting: lane.waiting.iter().copied().collect(),
            spilled: lane.spilled,
            trouble: lane.trouble,
        };
        let lanes: Vec<_> = self.lanes.iter().map(state).collect();
        let chunks = lanes.chunks(ITEMS_AT_ONCE);
        items.extend(chunks.map(|some| OutboxItem::Lanes(some.to_vec())));
        let parked: Vec<_> = self.parked.values().cloned().collect();
        let chunks = parked.chunks(ITEMS_AT_ONCE);
        items.extend(chunks.map(|some| OutboxItem::Parked(some.to_vec())));
        items
    }

    /// Takes an item of a snapshot.
    pub fn restore(&mut self, item: OutboxItem) {
        match item {
            OutboxItem::Head {
                read_to,
                next_destination,
                replays,
            } => {
                self.read_to = read_to;
                self.next_destination = next_destination;
                self.replays = replays.into();
            }
            OutboxItem::Destinations(known) => {
                for (number, destination) in known {
                    self.know(number, destination);
                }
            }
            OutboxItem::Lanes(lanes) => {
                for state in lanes {
                    self.waiting = self.waiting.saturating_add(state.waiting.len());
                    let lane = Lane {
                        waiting: state.waiting.into(),
                        spilled: state.spilled,
                        trouble: state.trouble,
                    };
                    self.lanes.insert(state.key, lane);
                    self.see_hunger(state.key);
                }
            }
            OutboxItem::Parked(parked) => {
                for parked in parked {
                    self.park(parked);
                }
            }
        }
    }
}
