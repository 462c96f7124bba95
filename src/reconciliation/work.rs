//! One reconciliation from records to report, without files or a clock.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    explain::{Explainer, Why},
    groups::{Strategy, grouped},
    matcher::{Pair, Stopped, pairs},
    record::{Entry, External, Span, Units, folded},
    report::{Kind, Line},
    rules::{Field, Finding, Rule},
    store::Counts,
};
use crate::domain::{time::Timestamp, uuids::AnyTransaction};

/// How much longer than the file's time transactions are looked at, so that near misses are told: a week.
const MARGIN_S: i64 = 604_800;

const DAY_S: i64 = 86_400;

/// A transaction of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Internal {
    /// Its id.
    pub id: AnyTransaction,
    /// How much.
    pub amount: Units,
    /// Of what.
    pub currency: String,
    /// What both sides may know it by.
    pub reference: String,
    /// For people.
    pub description: String,
    /// When it counts from.
    pub date: Span,
    /// The source's balance id or indicator.
    pub source: String,
    /// The destination's.
    pub destination: String,
}

/// Transactions that earlier runs matched, and by which.
pub type Earlier = BTreeMap<AnyTransaction, Arc<str>>;

/// What is to be done.
pub struct Task {
    /// Which side is taken together.
    pub strategy: Strategy,
    /// By what.
    pub grouping: Field,
    /// In the order in which they are tried.
    pub rules: Vec<Rule>,
    /// Somebody else's records.
    pub externals: Vec<External>,
    /// Whether transactions that earlier runs matched take part.
    pub include_matched: bool,
}

impl Task {
    /// The days of the external records, widened by what dates may differ; nothing without records. Whole days,
    /// so that what is missing at either end of the file is told too.
    #[must_use]
    pub fn time(&self) -> Option<Span> {
        let spans = self.externals.iter().map(|record| record.date);
        let whole = spans.reduce(Span::with)?;
        let drifts = self.rules.iter().filter_map(Rule::date_drift);
        let drift = i64::try_from(drifts.max().unwrap_or(0)).unwrap_or(i64::MAX);
        let moved = |at: Timestamp, by: i64| Timestamp::from_micros(at.micros().saturating_add(by));
        let end = moved(whole.last.utc_day().0.plus_seconds(DAY_S), -1);
        Some(Span {
            first: moved(whole.first.utc_day().0, drift.saturating_neg()),
            last: moved(end, drift),
        })
    }

    /// The time of the transactions that are looked at.
    #[must_use]
    pub fn looked_at(&self) -> Option<Span> {
        let time = self.time()?;
        Some(Span {
            first: time.first.plus_seconds(-MARGIN_S),
            last: time.last.plus_seconds(MARGIN_S),
        })
    }
}

/// What came of it.
pub struct Reconciled {
    task: Task,
    internals: Vec<Internal>,
    /// Sorted: of both sides, and the transactions that earlier runs matched.
    entries: (Vec<Entry>, Vec<Entry>),
    before: (Vec<Entry>, Earlier),
    pairs: Vec<Pair>,
    /// For each entry its pair.
    pair_of: (Vec<Option<usize>>, Vec<Option<usize>>),
    time: Option<Span>,
    /// How many of each.
    pub counts: Counts,
}

fn external_entry((place, record): (usize, &External), spelling: &dyn Fn(&str) -> String) -> Entry {
    Entry {
        span: record.date,
        amount: record.amount.clone(),
        currency: spelling(&record.currency),
        reference: folded(&record.reference),
        description: folded(&record.description),
        ids: vec![record.id.clone()],
        members: vec![place],
    }
}

fn internal_entry((place, record): (usize, &Internal), spelling: &dyn Fn(&str) -> String) -> Entry {
    Entry {
        span: record.date,
        amount: record.amount.clone(),
        currency: spelling(&record.currency),
        reference: folded(&record.reference),
        description: folded(&record.description),
        ids: vec![record.id.to_string()],
        members: vec![place],
    }
}

/// Those that are in a pair, or those that are not.
fn those<'a>(entries: &'a [Entry], pair_of: &[Option<usize>], is_matched: bool) -> Vec<&'a Entry> {
    let all = entries.iter().zip(pair_of);
    let wanted = all.filter(|(_, pair)| pair.is_some() == is_matched);
    wanted.map(|(entry, _)| entry).collect()
}

/// Does it: `spelling` gives a currency or an asset one name for both sides.
///
/// # Errors
///
/// [`Stopped`] if `goes_on` says so.
pub fn reconcile(
    task: Task,
    internals: Vec<Internal>,
    earlier: Earlier,
    spelling: &dyn Fn(&str) -> String,
    goes_on: &dyn Fn() -> bool,
) -> Result<Reconciled, Stopped> {
    let externals = task.externals.iter().enumerate();
    let mut externals: Vec<Entry> = externals
        .map(|record| external_entry(record, spelling))
        .collect();
    let (mut own, mut before) = (Vec::new(), Vec::new());
    for (place, record) in internals.iter().enumerate() {
        let entry = internal_entry((place, record), spelling);
        if !task.include_matched && earlier.contains_key(&record.id) {
            before.push(entry);
        } else {
            own.push(entry);
        }
    }
    before.sort_unstable();
    match task.strategy {
        Strategy::OneToOne => {
            externals.sort_unstable();
            own.sort_unstable();
        }
        Strategy::OneToMany => {
            externals.sort_unstable();
            own = grouped(own, task.grouping);
        }
        Strategy::ManyToOne => {
            externals = grouped(externals, task.grouping);
            own.sort_unstable();
        }
    }
    let pairs = pairs(&externals, &own, &task.rules, goes_on)?;
    let mut pair_of = (vec![None; externals.len()], vec![None; own.len()]);
    for (place, pair) in pairs.iter().enumerate() {
        if let Some(mark) = pair_of.0.get_mut(pair.external) {
            *mark = Some(place);
        }
        if let Some(mark) = pair_of.1.get_mut(pair.internal) {
            *mark = Some(place);
        }
    }
    let time = task.time();
    let mut done = Reconciled {
        task,
        internals,
        entries: (externals, own),
        before: (before, earlier),
        pairs,
        pair_of,
        time,
        counts: Counts::default(),
    };
    done.counts = done.count();
    Ok(done)
}

impl Reconciled {
    /// Whether it is of the file's time, so that it should be in the file.
    fn is_of_time(&self, entry: &Entry) -> bool {
        self.time.is_some_and(|time| time.gap(entry.span) == 0)
    }

    fn count(&self) -> Counts {
        let sum = |entries: Vec<&Entry>| entries.iter().map(|entry| entry.members.len()).sum();
        let (externals, internals) = (&self.entries.0, &self.entries.1);
        let mut left = those(internals, &self.pair_of.1, false);
        left.retain(|entry| self.is_of_time(entry));
        let earlier = self.before.0.iter().filter(|entry| self.is_of_time(entry));
        Counts {
            external_matched: sum(those(externals, &self.pair_of.0, true)),
            external_unmatched: sum(those(externals, &self.pair_of.0, false)),
            internal_matched: sum(those(internals, &self.pair_of.1, true)),
            internal_unmatched: sum(left),
            internal_earlier: earlier.count(),
        }
    }

    /// The transactions that found their other side.
    #[must_use]
    pub fn matched(&self) -> Vec<AnyTransaction> {
        let entries = self.pairs.iter();
        let entries = entries.filter_map(|pair| self.entries.1.get(pair.internal));
        let members = entries.flat_map(|entry| &entry.members);
        let records = members.filter_map(|place| self.internals.get(*place));
        records.map(|record| record.id).collect()
    }

    /// The report: pairs, then what is left of either side, each in the order of time.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let rules = &self.task.rules;
        let among_internal = Explainer::new(&self.entries.1, false, rules);
        let among_before = Explainer::new(&self.before.0, false, rules);
        let among_external = Explainer::new(&self.entries.0, true, rules);
        let pairs = self.pairs.iter().filter_map(|pair| self.pair_line(pair));
        let left = |entries: &'_ [Entry], pair_of: &'_ [Option<usize>]| -> Vec<usize> {
            let all = (0..entries.len()).zip(pair_of);
            all.filter(|(_, pair)| pair.is_none())
                .map(|(place, _)| place)
                .collect()
        };
        let externals = left(&self.entries.0, &self.pair_of.0);
        let internals = left(&self.entries.1, &self.pair_of.1);
        let externals = externals.into_iter().filter_map(move |place| {
            let entry = self.entries.0.get(place)?;
            Some(self.external_line(entry, &among_internal, &among_before))
        });
        let internals = internals.into_iter().filter_map(move |place| {
            let entry = self.entries.1.get(place)?;
            self.is_of_time(entry)
                .then(|| self.internal_line(entry, &among_external))
        });
        pairs.chain(externals).chain(internals)
    }

    fn line(&self, kind: Kind, sides: (Option<&Entry>, Option<&Entry>)) -> Line {
        let external = sides.0.into_iter().flat_map(|entry| &entry.members);
        let external = external.filter_map(|place| self.task.externals.get(*place));
        let internal = sides.1.into_iter().flat_map(|entry| &entry.members);
        let internal = internal.filter_map(|place| self.internals.get(*place));
        Line {
            kind,
            external: external.map(Into::into).collect(),
            internal: internal.map(Into::into).collect(),
            why: String::new(),
            reason: String::new(),
            rule_id: None,
            rule_name: None,
            reconciliation_id: None,
            criteria: Vec::new(),
        }
    }

    fn by_rule(&self, line: &mut Line, rule: usize) {
        let rule = self.task.rules.get(rule);
        line.rule_id = rule.map(|rule| rule.id.clone());
        line.rule_name = rule.map(|rule| rule.name.clone());
    }

    fn pair_line(&self, pair: &Pair) -> Option<Line> {
        let external = self.entries.0.get(pair.external)?;
        let internal = self.entries.1.get(pair.internal)?;
        let rule = self.task.rules.get(pair.rule)?;
        let mut line = self.line(Kind::Matched, (Some(external), Some(internal)));
        self.by_rule(&mut line, pair.rule);
        line.reconciliation_id = self.run_before(internal);
        line.criteria = rule.findings(external, internal);
        let drifted = line.criteria.iter().filter(|found| found.difference != "0");
        let drifted: Vec<_> = drifted
            .map(|found| format!("{} by {}", found.field.word(), found.difference))
            .collect();
        (line.why, line.reason) = if pair.is_exact {
            let reason = "nothing differs that the rule compares".to_owned();
            ("exact".to_owned(), reason)
        } else {
            let reason = format!("differs within what is allowed: {}", drifted.join(", "));
            ("drift".to_owned(), reason)
        };
        Some(line)
    }

    fn external_line(
        &self,
        entry: &Entry,
        among_internal: &Explainer<'_>,
        among_before: &Explainer<'_>,
    ) -> Line {
        let is_taken = |place: usize| self.pair_of.1.get(place).is_some_and(Option::is_some);
        let why = among_internal.why(entry, &is_taken);
        if !matches!(why, Why::Taken { .. })
            && let Why::Taken { candidate, rule } = among_before.why(entry, &|_| true)
        {
            return self.before_line(entry, candidate, rule);
        }
        let candidate = match &why {
            Why::Alone => None,
            Why::Differs { candidate, .. }
            | Why::Taken { candidate, .. }
            | Why::TooMany { candidate, .. } => self.entries.1.get(*candidate),
        };
        let mut line = self.line(Kind::UnmatchedExternal, (Some(entry), candidate));
        let alone = "no transaction is like it: it is missing in the ledger, or is of another time";
        let partner = |place: usize| {
            let pair = self.pair_of.1.get(place).copied().flatten();
            let pair = pair.and_then(|pair| self.pairs.get(pair))?;
            self.entries.0.get(pair.external)
        };
        self.tell(&mut line, why, (alone, "transaction", &partner));
        line
    }

    fn before_line(&self, entry: &Entry, candidate: usize, rule: usize) -> Line {
        let candidate = self.before.0.get(candidate);
        let mut line = self.line(Kind::UnmatchedExternal, (Some(entry), candidate));
        self.by_rule(&mut line, rule);
        line.reconciliation_id = candidate.and_then(|entry| self.run_before(entry));
        "matched_earlier".clone_into(&mut line.why);
        line.reason = format!(
            "its transaction was matched by {} before: the record was sent again",
            line.reconciliation_id.as_deref().unwrap_or_default()
        );
        line
    }

    /// The earlier run that matched one of the entry's transactions.
    fn run_before(&self, entry: &Entry) -> Option<String> {
        let records = entry.members.iter();
        let mut records = records.filter_map(|place| self.internals.get(*place));
        let run = records.find_map(|record| self.before.1.get(&record.id));
        run.map(|run| run.to_string())
    }

    fn internal_line(&self, entry: &Entry, among_external: &Explainer<'_>) -> Line {
        let is_taken = |place: usize| self.pair_of.0.get(place).is_some_and(Option::is_some);
        let why = among_external.why(entry, &is_taken);
        let candidate = match &why {
            Why::Alone => None,
            Why::Differs { candidate, .. }
            | Why::Taken { candidate, .. }
            | Why::TooMany { candidate, .. } => self.entries.0.get(*candidate),
        };
        let mut line = self.line(Kind::UnmatchedInternal, (candidate, Some(entry)));
        let alone = "no external record is like it: it is missing in the file";
        let partner = |place: usize| {
            let pair = self.pair_of.0.get(place).copied().flatten();
            let pair = pair.and_then(|pair| self.pairs.get(pair))?;
            self.entries.1.get(pair.internal)
        };
        self.tell(&mut line, why, (alone, "external record", &partner));
        line
    }

    /// Says why in the line: `what` a candidate is, and which entry is its `partner` already.
    fn tell<'a>(
        &'a self,
        line: &mut Line,
        why: Why,
        (alone, what, partner): (&str, &str, &dyn Fn(usize) -> Option<&'a Entry>),
    ) {
        let (word, reason) = match why {
            Why::Alone => ("no_candidate", alone.to_owned()),
            Why::Differs { rule, findings, .. } => {
                self.by_rule(line, rule);
                let reason = format!("the nearest {what} differs: {}", differing(&findings));
                line.criteria = findings;
                ("criterion", reason)
            }
            Why::Taken { candidate, rule } => {
                self.by_rule(line, rule);
                let with = partner(candidate).map(|entry| entry.ids.join(", "));
                let with = with.unwrap_or_default();
                let reason = format!("its {what} is matched with {with} already");
                ("already_matched", reason)
            }
            Why::TooMany { rule, .. } => {
                self.by_rule(line, rule);
                let reason = format!("too many {what}s could be it: give the rule more to compare");
                ("too_many_candidates", reason)
            }
        };
        word.clone_into(&mut line.why);
        line.reason = reason;
    }
}

fn differing(findings: &[Finding]) -> String {
    let failed = findings.iter().filter(|found| !found.holds);
    let told: Vec<_> = failed
        .map(|found| {
            let unit = match found.field {
                Field::Date => " s",
                Field::Amount => "",
                Field::Currency | Field::Reference | Field::Description => " %",
            };
            format!(
                "{} {:?} against {:?} is off by {}{unit}, {}{unit} is allowed",
                found.field.word(),
                found.external,
                found.internal,
                found.difference,
                found.allowed
            )
        })
        .collect();
    told.join("; ")
}
