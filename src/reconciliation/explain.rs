//! Why a record has no other side: its nearest candidate, and what the rule has against it.

use super::{
    candidates::at,
    record::Entry,
    rules::{Finding, Rule},
};

/// How many are looked at that are next by amount or time.
const NEXT: usize = 4;

/// Why a record has no other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing is like it.
    Alone,
    /// The nearest candidate does not fulfil the rule.
    Differs {
        /// The candidate's place.
        candidate: usize,
        /// The rule's place.
        rule: usize,
        /// How it was judged.
        findings: Vec<Finding>,
    },
    /// Its other side is in another pair.
    Taken {
        /// The candidate's place.
        candidate: usize,
        /// The rule's place.
        rule: usize,
    },
    /// There are too many that could be it, and not all of them were looked at.
    TooMany {
        /// One of them.
        candidate: usize,
        /// The rule's place.
        rule: usize,
    },
}

/// Looks among the entries of one side for those that are like one of the other side.
pub struct Explainer<'a> {
    entries: &'a [Entry],
    rules: &'a [Rule],
    is_external: bool,
    by_reference: Vec<u32>,
    by_amount: Vec<u32>,
}

impl<'a> Explainer<'a> {
    /// Looks among `entries`, which are sorted and are the external ones or the internal ones.
    #[must_use]
    pub fn new(entries: &'a [Entry], is_external: bool, rules: &'a [Rule]) -> Self {
        let all: Vec<u32> = (0..entries.len())
            .filter_map(|rank| u32::try_from(rank).ok())
            .collect();
        let mut by_reference = all.clone();
        by_reference.sort_by_key(|rank| at(entries, *rank).map(|entry| &entry.reference));
        let mut by_amount = all;
        by_amount.sort_by_key(|rank| {
            at(entries, *rank).map(|entry| (&entry.currency, &entry.amount, entry.span))
        });
        Self {
            entries,
            rules,
            is_external,
            by_reference,
            by_amount,
        }
    }

    /// Why `entry` has no other side, when `is_taken` says whether an entry of this side is in a pair.
    #[must_use]
    pub fn why(&self, entry: &Entry, is_taken: &dyn Fn(usize) -> bool) -> Why {
        let mut best: Option<(Score, u32, usize)> = None;
        for candidate in self.near(entry) {
            let Some(other) = at(self.entries, candidate) else {
                continue;
            };
            for (place, rule) in self.rules.iter().enumerate() {
                let score = self.score(rule, entry, other);
                let found = (score, candidate, place);
                if score.is_like && best.is_none_or(|best| found < best) {
                    best = Some(found);
                }
            }
        }
        let Some((score, candidate, rule)) = best else {
            return Why::Alone;
        };
        let candidate = usize::try_from(candidate).unwrap_or(usize::MAX);
        if score.failed > 0 {
            return self.differs(entry, candidate, rule);
        }
        if is_taken(candidate) {
            return Why::Taken { candidate, rule };
        }
        Why::TooMany { candidate, rule }
    }

    fn differs(&self, entry: &Entry, candidate: usize, rule: usize) -> Why {
        let found = self.entries.get(candidate).zip(self.rules.get(rule));
        let findings = found.map(|(other, rule)| {
            let (external, internal) = self.sides(entry, other);
            rule.findings(external, internal)
        });
        Why::Differs {
            candidate,
            rule,
            findings: findings.unwrap_or_default(),
        }
    }

    fn sides<'b>(&self, entry: &'b Entry, other: &'b Entry) -> (&'b Entry, &'b Entry) {
        if self.is_external {
            (other, entry)
        } else {
            (entry, other)
        }
    }

    fn near(&self, entry: &Entry) -> Vec<u32> {
        let mut found = Vec::new();
        if !entry.reference.is_empty() {
            let reference = |rank: &u32| at(self.entries, *rank).map(|other| &*other.reference);
            let wanted = Some(&*entry.reference);
            let from = self
                .by_reference
                .partition_point(|rank| reference(rank) < wanted);
            let rest = self.by_reference.get(from..).unwrap_or_default().iter();
            let same = rest.take_while(|rank| reference(rank) == wanted);
            found.extend(same.take(NEXT * 4));
        }
        let wanted = Some((&entry.currency, &entry.amount, entry.span));
        let center = self.by_amount.partition_point(|rank| {
            at(self.entries, *rank).map(|other| (&other.currency, &other.amount, other.span))
                < wanted
        });
        let (from, to) = (center.saturating_sub(NEXT), center.saturating_add(NEXT));
        let to = to.min(self.by_amount.len());
        found.extend(self.by_amount.get(from..to).unwrap_or_default());
        found.sort_unstable();
        found.dedup();
        found
    }

    fn score(&self, rule: &Rule, entry: &Entry, other: &Entry) -> Score {
        let (external, internal) = self.sides(entry, other);
        let is_admitted = rule.admits(external) && rule.admits(internal);
        let excesses = rule
            .checks
            .iter()
            .map(|check| check.excess(external, internal));
        let excesses: Vec<u64> = excesses.collect();
        let failed = excesses.iter().filter(|excess| **excess > 0).count();
        let same_reference = !entry.reference.is_empty() && entry.reference == other.reference;
        let same_amount = entry.amount == other.amount && entry.currency == other.currency;
        // What has neither in common is like it only if most of what the rule wants holds.
        let mostly = excesses.len() > 1 && failed == 1 && excesses.iter().sum::<u64>() < NEARLY;
        Score {
            is_known_otherwise: !same_reference,
            failed,
            excess: excesses.iter().sum(),
            gap: entry.span.gap(other.span),
            is_like: is_admitted && (same_reference || same_amount || mostly || failed == 0),
        }
    }
}

/// Below this much excess, in billionths, one criterion is nearly fulfilled: a tenth.
const NEARLY: u64 = 100_000_000;

/// How far a candidate is; less is nearer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    is_known_otherwise: bool,
    failed: usize,
    excess: u64,
    gap: u64,
    is_like: bool,
}
