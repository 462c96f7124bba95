//! Where to look for a record's other side, so that not all are compared with all.

use std::hash::{DefaultHasher, Hash, Hasher};

use num_bigint::{BigInt, Sign};

use super::{
    record::{Entry, Units},
    rules::{Check, Field, Operator, Rule},
    text,
};

/// How many candidates of one record are compared, the nearest first, where its rule leaves more.
pub(super) const COMPARED_MAX: usize = 512;
/// How many whose texts are alike: comparing texts costs the most.
const ALIKE_MAX: usize = 128;
/// How many lists of texts that have three characters in common with one are gone through.
const LISTS_MAX: usize = 12;

/// What two records have in common that a rule wants to be the same to the letter, as a number; nothing
/// if one that is empty can have no other side.
fn key(rule: &Rule, entry: &Entry, wants: impl Fn(&Check) -> bool) -> Option<u64> {
    // The same numbers in each run: the hasher has no secret.
    let mut hasher = DefaultHasher::new();
    for check in rule.checks.iter().filter(|check| wants(check)) {
        match check {
            Check::Currency => entry.currency.hash(&mut hasher),
            Check::Amount(..) => entry.amount.hash(&mut hasher),
            Check::Text(field, ..) => {
                let text = text_of(*field, entry);
                if text.is_empty() {
                    return None;
                }
                text.hash(&mut hasher);
            }
            Check::Date(..) => {}
        }
    }
    Some(hasher.finish())
}

fn text_of(field: Field, entry: &Entry) -> &str {
    match field {
        Field::Description => &entry.description,
        Field::Reference | Field::Amount | Field::Currency | Field::Date => &entry.reference,
    }
}

/// Whether a criterion's two sides are the same where the drift is nothing. Dates are not: a day has
/// many moments.
fn is_same_when_exact(check: &Check) -> bool {
    match check {
        Check::Currency | Check::Text(..) => true,
        Check::Amount(operator, _) => *operator == Operator::Equals,
        Check::Date(..) => false,
    }
}

/// Whether a criterion's two sides are always the same.
fn is_same_always(check: &Check) -> bool {
    match check {
        Check::Currency => true,
        Check::Text(_, operator, drift) => *operator == Operator::Equals && *drift == 0,
        Check::Amount(operator, drift) => {
            *operator == Operator::Equals && drift.sign() == Sign::NoSign
        }
        Check::Date(..) => false,
    }
}

/// Records that have the same in common.
pub(super) struct Bucket<'a> {
    pub(super) externals: &'a [(u64, u32)],
    pub(super) internals: &'a [(u64, u32)],
}

/// Free records by what they have in common.
pub(super) struct Buckets {
    externals: Vec<(u64, u32)>,
    internals: Vec<(u64, u32)>,
}

impl Buckets {
    /// By all that the rule compares, but dates: for pairs without a drift.
    pub(super) fn exact(rule: &Rule, sides: (&[Entry], &[Entry]), free: (&[u32], &[u32])) -> Self {
        Self::by(rule, sides, free, is_same_when_exact)
    }

    /// By what can have no drift.
    pub(super) fn near(rule: &Rule, sides: (&[Entry], &[Entry]), free: (&[u32], &[u32])) -> Self {
        Self::by(rule, sides, free, is_same_always)
    }

    fn by(
        rule: &Rule,
        (externals, internals): (&[Entry], &[Entry]),
        free: (&[u32], &[u32]),
        wants: impl Fn(&Check) -> bool,
    ) -> Self {
        let keyed = |entries: &[Entry], ranks: &[u32]| {
            let of = |rank: &u32| Some((key(rule, at(entries, *rank)?, &wants)?, *rank));
            let mut keyed: Vec<(u64, u32)> = ranks.iter().filter_map(of).collect();
            keyed.sort_unstable();
            keyed
        };
        Self {
            externals: keyed(externals, free.0),
            internals: keyed(internals, free.1),
        }
    }

    /// Those that have records of both sides.
    pub(super) fn both(&self) -> impl Iterator<Item = Bucket<'_>> {
        self.externals
            .chunk_by(|one, other| one.0 == other.0)
            .filter_map(|externals| {
                let key = externals.first()?.0;
                let from = self.internals.partition_point(|(other, _)| *other < key);
                let rest = self.internals.get(from..)?;
                let len = rest.partition_point(|(other, _)| *other == key);
                let internals = rest.get(..len).filter(|found| !found.is_empty())?;
                Some(Bucket {
                    externals,
                    internals,
                })
            })
    }
}

/// The entry of that rank.
pub(super) fn at(entries: &[Entry], rank: u32) -> Option<&Entry> {
    entries.get(usize::try_from(rank).ok()?)
}

/// The amounts that a pair's internal side may have, if the rule bounds them.
pub(super) fn amounts_within(rule: &Rule, external: &Units) -> Option<(Units, Option<Units>)> {
    let drift = rule.checks.iter().find_map(|check| match check {
        Check::Amount(Operator::Equals, drift) => Some(drift),
        Check::Amount(..) | Check::Date(..) | Check::Currency | Check::Text(..) => None,
    })?;
    // |e - i| <= d·|i| and so e/(1+d) <= i <= e/(1-d), a little more for the rounding.
    let one = Units::one();
    let scaled = external.magnitude() * &one;
    let least = &scaled / (&one + drift);
    let rest = &one - drift;
    let most = (rest.sign() == Sign::Plus).then(|| scaled / rest + BigInt::from(1));
    if !external.is_negative() {
        return Some((Units::from_atoms(least), most.map(Units::from_atoms)));
    }
    // Of a negative amount the same, mirrored; without an end, nothing is left out below.
    let end = Units::from_atoms(-least);
    let begin = most.map(|most| Units::from_atoms(-most));
    begin.map(|begin| (begin, Some(end)))
}

/// The place in `sorted` of those between, the nearest to `center` if they are too many.
pub(super) fn nearest(range: (usize, usize), center: usize) -> std::ops::Range<usize> {
    let (from, to) = range;
    if to.saturating_sub(from) <= COMPARED_MAX {
        return from..to;
    }
    let begin = center.saturating_sub(COMPARED_MAX / 2).max(from);
    let begin = begin.min(to.saturating_sub(COMPARED_MAX));
    begin..begin.saturating_add(COMPARED_MAX)
}

/// Internal records by the runs of three characters of a text of theirs.
pub(super) struct TextIndex {
    field: Field,
    lists: Vec<(u64, u32)>,
}

impl TextIndex {
    /// Of the text that the rule allows to differ, if there is one.
    pub(super) fn new(rule: &Rule, internals: &[Entry], free: &[u32]) -> Option<Self> {
        let field = rule.checks.iter().find_map(|check| match check {
            Check::Text(field, operator, drift)
                if *operator == Operator::Contains || *drift > 0 =>
            {
                Some(*field)
            }
            Check::Text(..) | Check::Amount(..) | Check::Date(..) | Check::Currency => None,
        })?;
        let mut lists = Vec::new();
        for rank in free {
            let Some(entry) = at(internals, *rank) else {
                continue;
            };
            let runs = text::trigrams(text_of(field, entry));
            lists.extend(runs.into_iter().map(|run| (run, *rank)));
        }
        lists.sort_unstable();
        Some(Self { field, lists })
    }

    /// Those that have a rare run of characters in common with the record, the rarest first.
    pub(super) fn alike(&self, external: &Entry) -> Vec<u32> {
        let runs = text::trigrams(text_of(self.field, external));
        let list_of = |run: u64| {
            let from = self.lists.partition_point(|(other, _)| *other < run);
            let rest = self.lists.get(from..).unwrap_or_default();
            let len = rest.partition_point(|(other, _)| *other == run);
            rest.get(..len).unwrap_or_default()
        };
        let mut lists: Vec<&[(u64, u32)]> = runs.into_iter().map(list_of).collect();
        lists.retain(|list| !list.is_empty());
        lists.sort_by_key(|list| list.len());
        let mut found = Vec::new();
        for list in lists.into_iter().take(LISTS_MAX) {
            let room = ALIKE_MAX.saturating_sub(found.len());
            found.extend(list.iter().take(room).map(|(_, rank)| *rank));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
