//! Finds the pairs: each record in one at the most, the same whatever order the records come in.
//!
//! Rules are tried in the order they are given. Under each, pairs without any drift are taken first: they
//! are found by what they have in common, all of them. Then what is left is held against its nearest
//! candidates (at most 512 of a record, 128 by their texts), and the pairs with
//! the smallest drift are taken, as many as can be.

use super::{
    assign::{Edge, assign},
    candidates::{Bucket, Buckets, TextIndex, amounts_within, at, nearest},
    record::{Entry, Units},
    rules::{Check, Operator, Rule},
};

/// How many pairs of one bucket are all compared.
const SMALL_BUCKET: usize = 4_096;
/// How many of a large bucket are compared with one, on either side of its time.
const NEIGHBOURS: usize = 8;
/// How many of its possible pairs are kept of a record.
const EDGES_MAX: usize = 32;
/// How many that are left of a large bucket are held against one, where its rule wants one to be more or less.
const LEFT_MAX: usize = 16_384;
/// How often what is left is tried again.
const ROUNDS_MAX: usize = 4;

/// A pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The place of the external entry.
    pub external: usize,
    /// The place of the internal entry.
    pub internal: usize,
    /// The place of the rule.
    pub rule: usize,
    /// Whether nothing differs that the rule compares.
    pub is_exact: bool,
}

/// Somebody asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped before its end")]
pub struct Stopped;

/// Finds the pairs among entries that are sorted (see [`Entry`]), each list by itself.
///
/// # Errors
///
/// [`Stopped`] if `goes_on` says so.
pub fn pairs(
    externals: &[Entry],
    internals: &[Entry],
    rules: &[Rule],
    goes_on: &dyn Fn() -> bool,
) -> Result<Vec<Pair>, Stopped> {
    debug_assert!(externals.is_sorted() && internals.is_sorted());
    let mut work = Work {
        externals,
        internals,
        is_taken: (vec![false; externals.len()], vec![false; internals.len()]),
        pairs: Vec::new(),
        goes_on,
    };
    for (place, rule) in rules.iter().enumerate() {
        work.exact(place, rule)?;
        if is_loose(rule) {
            work.near(place, rule)?;
        }
    }
    work.pairs.sort_unstable();
    Ok(work.pairs)
}

/// Whether the rule lets anything differ.
fn is_loose(rule: &Rule) -> bool {
    rule.checks.iter().any(|check| match check {
        Check::Currency => false,
        Check::Date(_, drift) => *drift > 0,
        Check::Amount(_, drift) => drift.sign() != num_bigint::Sign::NoSign,
        Check::Text(_, operator, drift) => *operator == Operator::Contains || *drift > 0,
    })
}

struct Work<'a> {
    externals: &'a [Entry],
    internals: &'a [Entry],
    is_taken: (Vec<bool>, Vec<bool>),
    pairs: Vec<Pair>,
    goes_on: &'a dyn Fn() -> bool,
}

fn free_of(entries: &[Entry], is_taken: &[bool], rule: &Rule) -> Vec<u32> {
    let all = entries.iter().zip(is_taken).enumerate();
    let free = all.filter(|(_, (entry, is_taken))| !**is_taken && rule.admits(entry));
    free.filter_map(|(rank, _)| u32::try_from(rank).ok())
        .collect()
}

impl Work<'_> {
    fn check_stop(&self) -> Result<(), Stopped> {
        (self.goes_on)().then_some(()).ok_or(Stopped)
    }

    fn free(&self, rule: &Rule) -> (Vec<u32>, Vec<u32>) {
        (
            free_of(self.externals, &self.is_taken.0, rule),
            free_of(self.internals, &self.is_taken.1, rule),
        )
    }

    fn edge(&self, rule: &Rule, external: u32, internal: u32) -> Option<Edge> {
        let cost = rule.cost(at(self.externals, external)?, at(self.internals, internal)?)?;
        Some(Edge {
            cost,
            external,
            internal,
        })
    }

    fn exact_edge(&self, rule: &Rule, external: u32, internal: u32) -> Option<Edge> {
        let edge = self.edge(rule, external, internal)?;
        (edge.cost.drift == 0).then_some(edge)
    }

    fn take(&mut self, place: usize, taken: &[(u32, u32)], is_exact: bool) {
        for (external, internal) in taken {
            let (Ok(external), Ok(internal)) =
                (usize::try_from(*external), usize::try_from(*internal))
            else {
                continue;
            };
            let marks = (
                self.is_taken.0.get_mut(external),
                self.is_taken.1.get_mut(internal),
            );
            if let (Some(one), Some(other)) = marks {
                assert!(!*one && !*other, "Invariant: a record is in one pair");
                (*one, *other) = (true, true);
            }
            self.pairs.push(Pair {
                external,
                internal,
                rule: place,
                is_exact,
            });
        }
    }

    /// Pairs without a drift.
    fn exact(&mut self, place: usize, rule: &Rule) -> Result<(), Stopped> {
        let free = self.free(rule);
        let sides = (self.externals, self.internals);
        let buckets = Buckets::exact(rule, sides, (&free.0, &free.1));
        for bucket in buckets.both() {
            self.check_stop()?;
            let all = bucket
                .externals
                .len()
                .saturating_mul(bucket.internals.len());
            if all <= SMALL_BUCKET {
                let edges = self.all_edges(rule, &bucket);
                self.take(place, &assign(edges), true);
            } else {
                let edges = self.neighbours(rule, &bucket)?;
                self.take(place, &assign(edges), true);
                self.leftovers(place, rule, &bucket)?;
            }
        }
        Ok(())
    }

    fn all_edges(&self, rule: &Rule, bucket: &Bucket<'_>) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (_, external) in bucket.externals {
            let to = |(_, internal): &(u64, u32)| self.exact_edge(rule, *external, *internal);
            edges.extend(bucket.internals.iter().filter_map(to));
        }
        edges
    }

    /// Of a large bucket: those with the same reference, and those next in time.
    fn neighbours(&self, rule: &Rule, bucket: &Bucket<'_>) -> Result<Vec<Edge>, Stopped> {
        let reference = |rank: u32| at(self.internals, rank).map(|entry| &*entry.reference);
        let ranks = bucket.internals.iter().map(|(_, rank)| *rank);
        let mut known: Vec<(&str, u32)> = ranks
            .filter_map(|rank| Some((reference(rank)?, rank)))
            .filter(|(reference, _)| !reference.is_empty())
            .collect();
        known.sort_unstable();
        let mut edges = Vec::new();
        for (_, external) in bucket.externals {
            self.check_stop()?;
            let Some(entry) = at(self.externals, *external) else {
                continue;
            };
            let wanted = &*entry.reference;
            let from = known.partition_point(|(other, _)| *other < wanted);
            let same = known.get(from..).unwrap_or_default().iter();
            let same = same.take_while(|(other, _)| *other == wanted);
            let same: Vec<u32> = same.take(NEIGHBOURS).map(|(_, rank)| *rank).collect();
            let before = |(_, rank): &(u64, u32)| {
                at(self.internals, *rank).is_some_and(|other| other.span.first < entry.span.first)
            };
            let center = bucket.internals.partition_point(before);
            let from = center.saturating_sub(NEIGHBOURS);
            let to = center.saturating_add(NEIGHBOURS);
            let to = to.min(bucket.internals.len());
            let next = bucket.internals.get(from..to).unwrap_or_default();
            let all = same.into_iter().chain(next.iter().map(|(_, rank)| *rank));
            edges.extend(all.filter_map(|internal| self.exact_edge(rule, *external, internal)));
        }
        Ok(edges)
    }

    /// What of a large bucket is still free, so that no two are left that could be a pair.
    fn leftovers(&mut self, place: usize, rule: &Rule, bucket: &Bucket<'_>) -> Result<(), Stopped> {
        let free = |ranks: &[(u64, u32)], is_taken: &[bool]| -> Vec<u32> {
            let is_free = |rank: &u32| {
                let place = usize::try_from(*rank).ok();
                place.and_then(|place| is_taken.get(place)) == Some(&false)
            };
            let ranks = ranks.iter().map(|(_, rank)| *rank);
            ranks.filter(is_free).collect()
        };
        let mut externals = free(bucket.externals, &self.is_taken.0);
        let internals = free(bucket.internals, &self.is_taken.1);
        // Who ends first is served first: the others have more to choose from.
        externals.sort_by_key(|rank| at(self.externals, *rank).map(|entry| entry.span.last));
        let mut waiting = Waiting::new(internals.len());
        let looks_at_dates = rule.date_drift().is_some();
        let length = |rank: &u32| at(self.internals, *rank).map_or(0, length);
        let longest = internals.iter().map(length).max().unwrap_or(0);
        let starts_before = |rank: &u32, moment: i64| {
            at(self.internals, *rank).is_some_and(|entry| entry.span.first.micros() < moment)
        };
        let mut taken = Vec::new();
        for external in externals {
            self.check_stop()?;
            let Some(span) = at(self.externals, external).map(|entry| entry.span) else {
                continue;
            };
            let (mut from, mut to) = (0, internals.len());
            if looks_at_dates {
                let begin = span.first.micros().saturating_sub(longest);
                from = internals.partition_point(|rank| starts_before(rank, begin));
                let end = span.last.micros().saturating_add(1);
                to = internals.partition_point(|rank| starts_before(rank, end));
            }
            for _ in 0..LEFT_MAX {
                from = waiting.next(from);
                let Some(internal) = internals.get(from).filter(|_| from < to) else {
                    break;
                };
                if self.exact_edge(rule, external, *internal).is_some() {
                    waiting.remove(from);
                    taken.push((external, *internal));
                    break;
                }
                from = from.saturating_add(1);
            }
        }
        self.take(place, &taken, true);
        Ok(())
    }

    /// Pairs with a drift: of what is left, until nothing more is found.
    fn near(&mut self, place: usize, rule: &Rule) -> Result<(), Stopped> {
        for _ in 0..ROUNDS_MAX {
            let free = self.free(rule);
            let sides = (self.externals, self.internals);
            let buckets = Buckets::near(rule, sides, (&free.0, &free.1));
            let alike = TextIndex::new(rule, self.internals, &free.1);
            let mut edges = Vec::new();
            for bucket in buckets.both() {
                self.near_edges(rule, &bucket, alike.as_ref(), &mut edges)?;
            }
            let taken = assign(edges);
            if taken.is_empty() {
                return Ok(());
            }
            self.take(place, &taken, false);
        }
        Ok(())
    }

    fn near_edges(
        &self,
        rule: &Rule,
        bucket: &Bucket<'_>,
        alike: Option<&TextIndex>,
        edges: &mut Vec<Edge>,
    ) -> Result<(), Stopped> {
        let near = Near::new(rule, bucket, self.internals);
        for (_, external) in bucket.externals {
            self.check_stop()?;
            let Some(entry) = at(self.externals, *external) else {
                continue;
            };
            let ranks = match (near.candidates(rule, entry), alike) {
                // Too many by amount and time: those whose texts are alike.
                ((ranks, false), Some(alike)) => {
                    let mut ranks = ranks;
                    ranks.truncate(NEIGHBOURS * 2);
                    ranks.extend(alike.alike(entry));
                    ranks
                }
                ((ranks, _), _) => ranks,
            };
            let mut found: Vec<Edge> = ranks
                .into_iter()
                .filter_map(|internal| self.edge(rule, *external, internal))
                .collect();
            found.sort_unstable();
            found.truncate(EDGES_MAX);
            edges.append(&mut found);
        }
        Ok(())
    }
}

/// The places of a list that still wait, so that those that do not are passed over at once.
struct Waiting(Vec<usize>);

impl Waiting {
    fn new(len: usize) -> Self {
        Self((0..=len).collect())
    }

    /// The first that waits from there on.
    fn next(&mut self, from: usize) -> usize {
        let mut found = from;
        while let Some(next) = self.0.get(found).copied().filter(|next| *next != found) {
            found = next;
        }
        let mut place = from;
        while place != found {
            let Some(next) = self.0.get_mut(place) else {
                break;
            };
            place = std::mem::replace(next, found);
        }
        found
    }

    fn remove(&mut self, place: usize) {
        if let Some(next) = self.0.get_mut(place) {
            *next = place.saturating_add(1);
        }
    }
}

/// The internal records of a bucket by what the rule lets drift.
enum Near<'a> {
    /// By amount.
    Amount(Vec<(&'a Units, u32)>),
    /// By time, with the longest span.
    Time(Vec<u32>, &'a [Entry], i64),
}

impl<'a> Near<'a> {
    fn new(rule: &Rule, bucket: &Bucket<'_>, internals: &'a [Entry]) -> Self {
        let ranks = bucket.internals.iter().map(|(_, rank)| *rank);
        let by_amount = rule.checks.iter().any(|check| match check {
            Check::Amount(Operator::Equals, drift) => drift.sign() != num_bigint::Sign::NoSign,
            Check::Amount(..) | Check::Date(..) | Check::Currency | Check::Text(..) => false,
        });
        if by_amount {
            let mut sorted: Vec<_> = ranks
                .filter_map(|rank| Some((&at(internals, rank)?.amount, rank)))
                .collect();
            sorted.sort_unstable();
            return Self::Amount(sorted);
        }
        let ranks: Vec<u32> = ranks.collect();
        let len = |rank: &u32| at(internals, *rank).map(length);
        let longest = ranks.iter().filter_map(len).max().unwrap_or(0);
        Self::Time(ranks, internals, longest)
    }

    /// The nearest, and whether they are all.
    fn candidates(&self, rule: &Rule, external: &Entry) -> (Vec<u32>, bool) {
        match self {
            Self::Amount(sorted) => {
                let (least, most) = amounts_within(rule, &external.amount)
                    .unwrap_or_else(|| (Units::default(), None));
                let from = sorted.partition_point(|(amount, _)| **amount < least);
                let to = most.map_or(sorted.len(), |most| {
                    sorted.partition_point(|(amount, _)| **amount <= most)
                });
                let center = sorted.partition_point(|(amount, _)| **amount < external.amount);
                let range = nearest((from, to.max(from)), center);
                let is_all = range.len() == to.saturating_sub(from);
                let found = sorted.get(range).unwrap_or_default();
                (found.iter().map(|(_, rank)| *rank).collect(), is_all)
            }
            Self::Time(ranks, internals, longest) => {
                let drift = rule
                    .date_drift()
                    .map(|drift| i64::try_from(drift).unwrap_or(i64::MAX));
                let starts_before = |rank: &u32, moment: i64| {
                    at(internals, *rank).is_some_and(|entry| entry.span.first.micros() < moment)
                };
                let (from, to) = drift.map_or((0, ranks.len()), |drift| {
                    let begin = external.span.first.micros().saturating_sub(drift);
                    let begin = begin.saturating_sub(*longest);
                    let end = external.span.last.micros().saturating_add(drift);
                    let end = end.saturating_add(1);
                    (
                        ranks.partition_point(|rank| starts_before(rank, begin)),
                        ranks.partition_point(|rank| starts_before(rank, end)),
                    )
                });
                let middle = external.span.first.micros();
                let center = ranks.partition_point(|rank| starts_before(rank, middle));
                let range = nearest((from, to.max(from)), center);
                let is_all = range.len() == to.saturating_sub(from);
                (ranks.get(range).unwrap_or_default().to_vec(), is_all)
            }
        }
    }
}

fn length(entry: &Entry) -> i64 {
    let (first, last) = (entry.span.first.micros(), entry.span.last.micros());
    last.saturating_sub(first)
}
