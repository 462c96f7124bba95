//! When which lane is tried: in memory only, made anew at each start.
//!
//! Lanes that lead to one endpoint, or to one host of accounts' own URLs, share a gate. A gate whose
//! attempts fail one after another closes for ever longer and lets one probe through each time, so that
//! an endpoint that is dead costs next to nothing however many lanes wait for it. Gates that have not
//! shown that they answer get half of the senders at the most: the rest is for those that do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::outbox::LaneKey;

/// How many attempts run at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In all.
    pub senders: usize,
    /// Through one gate that answers.
    pub per_gate: usize,
    /// For how long a gate closes at the most, in microseconds.
    pub closed_max: i64,
}

/// So many failures in a row close a gate.
const FAILURES_OPEN: u32 = 5;
/// For so long at first, in microseconds.
const CLOSED_FIRST: i64 = 5_000_000;

#[derive(Debug, Default)]
struct Gate {
    /// Lanes that wait, by when their head is due.
    due: BTreeSet<(i64, LaneKey)>,
    in_flight: usize,
    failures: u32,
    closed_until: i64,
    has_answered: bool,
    is_paused: bool,
    /// When something went through last: whoever waited longest comes first.
    taken_at: i64,
    /// Its place among those that wait.
    place: Option<i64>,
}

impl Gate {
    const fn is_failing(&self) -> bool {
        self.failures >= FAILURES_OPEN
    }

    /// When it next lets something through, if it does.
    fn opens_at(&self, limits: &Limits) -> Option<i64> {
        let most = if self.has_answered && !self.is_failing() {
            limits.per_gate
        } else {
            1
        };
        let (first, _) = self.due.first()?;
        if self.is_paused || self.in_flight >= most {
            return None;
        }
        Some((*first).max(self.closed_until))
    }
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This lane's head is to be tried now.
    Try(LaneKey),
    /// Nothing before that time, Unix microseconds.
    At(i64),
    /// Nothing until something changes.
    Nothing,
}

/// All gates.
#[derive(Debug)]
pub struct Schedule {
    limits: Limits,
    gates: BTreeMap<Arc<str>, Gate>,
    lanes: BTreeMap<LaneKey, (Arc<str>, Option<i64>)>,
    /// Gates that answer, by when they open and when they were served last.
    answering: BTreeSet<(i64, i64, Arc<str>)>,
    /// The others.
    unproven: BTreeSet<(i64, i64, Arc<str>)>,
    /// Attempts that run through gates that do not answer.
    probes: usize,
    in_flight: BTreeMap<LaneKey, bool>,
}

impl Schedule {
    /// Nothing waits.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            gates: BTreeMap::new(),
            lanes: BTreeMap::new(),
            answering: BTreeSet::new(),
            unproven: BTreeSet::new(),
            probes: 0,
            in_flight: BTreeMap::new(),
        }
    }

    /// Whether an attempt of that lane runs.
    #[must_use]
    pub fn is_in_flight(&self, lane: LaneKey) -> bool {
        self.in_flight.contains_key(&lane)
    }

    /// The head of `lane` is due at `at` through `gate`; nothing of it is, with none. A lane whose
    /// attempt runs waits until that has ended.
    pub fn set(&mut self, lane: LaneKey, gate: &Arc<str>, at: Option<i64>) {
        if self.is_in_flight(lane) {
            return;
        }
        if let Some((gate, Some(before))) = self.lanes.remove(&lane) {
            self.change(&gate, |gate| {
                gate.due.remove(&(before, lane));
            });
        }
        let Some(at) = at else {
            self.forget_idle(gate);
            return;
        };
        self.lanes.insert(lane, (gate.clone(), Some(at)));
        self.change(gate, |gate| {
            gate.due.insert((at, lane));
        });
    }

    /// A gate that nothing waits for and that did not fail is not kept.
    fn forget_idle(&mut self, name: &Arc<str>) {
        let is_idle = self.gates.get(name).is_some_and(|gate| {
            gate.due.is_empty() && gate.in_flight == 0 && !gate.is_paused && gate.failures == 0
        });
        // One that answered is remembered as such while there are few.
        if is_idle && self.gates.len() > 4_096 {
            self.gates.remove(name);
        }
    }

    /// Lets nothing through, or something again.
    pub fn pause(&mut self, gate: &Arc<str>, is_paused: bool) {
        self.change(gate, |gate| {
            gate.is_paused = is_paused;
            if !is_paused {
                (gate.failures, gate.closed_until) = (0, 0);
            }
        });
    }

    fn change(&mut self, name: &Arc<str>, change: impl FnOnce(&mut Gate)) {
        let gate = self.gates.entry(name.clone()).or_default();
        if let Some(at) = gate.place.take() {
            let key = (at, gate.taken_at, name.clone());
            self.answering.remove(&key);
            self.unproven.remove(&key);
        }
        change(gate);
        gate.place = gate.opens_at(&self.limits);
        if let Some(at) = gate.place {
            let key = (at, gate.taken_at, name.clone());
            if gate.has_answered && !gate.is_failing() {
                self.answering.insert(key);
            } else {
                self.unproven.insert(key);
            }
        }
    }

    /// What to try at `now`. A lane that is returned is in flight until [`Schedule::ended`].
    pub fn next(&mut self, now: i64) -> Next {
        if self.in_flight.len() >= self.limits.senders {
            return Next::Nothing;
        }
        let may_probe = self.probes < (self.limits.senders / 2).max(1);
        let first = self.answering.first().cloned();
        let probe = self.unproven.first().filter(|_| may_probe).cloned();
        let is_due = |(at, ..): &&(i64, i64, Arc<str>)| *at <= now;
        // Of what is due, whoever was served longest ago.
        let due = [&first, &probe];
        let due = due.into_iter().flatten().filter(is_due);
        let Some((_, _, name)) = due.min_by_key(|(_, taken_at, _)| *taken_at) else {
            let soonest = [&first, &probe].into_iter().flatten().map(|(at, ..)| *at);
            return soonest.min().map_or(Next::Nothing, Next::At);
        };
        let name = name.clone();
        let (mut lane, mut is_probe) = (None, false);
        self.change(&name, |gate| {
            is_probe = !gate.has_answered || gate.is_failing();
            lane = gate.due.pop_first().map(|(_, lane)| lane);
            gate.in_flight = gate.in_flight.saturating_add(1);
            gate.taken_at = now;
        });
        let Some(lane) = lane else {
            return Next::Nothing;
        };
        if is_probe {
            self.probes = self.probes.saturating_add(1);
        }
        self.lanes.insert(lane, (name, None));
        self.in_flight.insert(lane, is_probe);
        Next::Try(lane)
    }

    /// The attempt of `lane` ended: the gate answered, or did not and is to be left alone until
    /// `not_before` at least. The lanes that are to be tried at once because their gate, which had
    /// failed, answers again.
    pub fn ended(
        &mut self,
        lane: LaneKey,
        has_answered: bool,
        (now, not_before): (i64, i64),
    ) -> Vec<LaneKey> {
        if self.in_flight.remove(&lane) == Some(true) {
            self.probes = self.probes.saturating_sub(1);
        }
        let Some((name, _)) = self.lanes.remove(&lane) else {
            return Vec::new();
        };
        let closed_max = self.limits.closed_max;
        let mut woken = Vec::new();
        self.change(&name, |gate| {
            gate.in_flight = gate.in_flight.saturating_sub(1);
            gate.closed_until = gate.closed_until.max(not_before);
            if has_answered {
                if gate.is_failing() {
                    woken = gate.due.iter().map(|(_, lane)| *lane).collect();
                }
                gate.has_answered = true;
                gate.failures = 0;
                gate.closed_until = not_before;
                return;
            }
            gate.failures = gate.failures.saturating_add(1);
            if gate.is_failing() {
                let times = gate.failures.saturating_sub(FAILURES_OPEN).min(20);
                let closed = CLOSED_FIRST.saturating_mul(1_i64 << times).min(closed_max);
                gate.closed_until = gate.closed_until.max(now.saturating_add(closed));
            }
        });
        woken
    }
}
