//! What came of a run, line by line: pairs, then what is left of either side.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{record::External, rules::Finding, store::Files, work::Internal};

/// What a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A pair.
    Matched,
    /// External records without another side.
    UnmatchedExternal,
    /// Transactions without another side.
    UnmatchedInternal,
}

/// An external record as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalView {
    /// The line or place it was read from.
    pub line: u32,
    /// Its id.
    pub id: String,
    /// In units.
    pub amount: String,
    /// Of what.
    pub currency: String,
    /// What both sides may know it by.
    pub reference: String,
    /// For people.
    pub description: String,
    /// When.
    pub date: String,
    /// Whose books.
    pub source: String,
}

impl From<&External> for ExternalView {
    fn from(record: &External) -> Self {
        Self {
            line: record.row,
            id: record.id.clone(),
            amount: record.amount.to_string(),
            currency: record.currency.clone(),
            reference: record.reference.clone(),
            description: record.description.clone(),
            date: record.date.to_string(),
            source: record.source.clone(),
        }
    }
}

/// A transaction as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternalView {
    /// Its id.
    pub transaction_id: String,
    /// In units.
    pub amount: String,
    /// Of what.
    pub currency: String,
    /// What both sides may know it by.
    pub reference: String,
    /// For people.
    pub description: String,
    /// When it counts from.
    pub date: String,
    /// The source's balance id or indicator.
    pub source: String,
    /// The destination's.
    pub destination: String,
}

impl From<&Internal> for InternalView {
    fn from(record: &Internal) -> Self {
        Self {
            transaction_id: record.id.to_string(),
            amount: record.amount.to_string(),
            currency: record.currency.clone(),
            reference: record.reference.clone(),
            description: record.description.clone(),
            date: record.date.to_string(),
            source: record.source.clone(),
            destination: record.destination.clone(),
        }
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is of.
    pub kind: Kind,
    /// External records: of a pair, or those without another side, or the nearest candidate.
    pub external: Vec<ExternalView>,
    /// Transactions, likewise.
    pub internal: Vec<InternalView>,
    /// For programs: `exact` or `drift` of a pair; else `no_candidate`, `criterion`, `already_matched`,
    /// `matched_earlier` or `too_many_candidates`.
    pub why: String,
    /// For people.
    pub reason: String,
    /// The rule by which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_name: Option<String>,
    /// The run that had matched the transaction before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciliation_id: Option<String>,
    /// How each criterion judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<Finding>,
}

/// Writes the lines to a file that is whole and on disk when this returns.
///
/// # Errors
///
/// If the disk does not take it.
pub fn write(path: &Path, lines: impl Iterator<Item = Line>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 18, File::create(Files::unfinished(path))?);
    for line in lines {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Files::finish(path)
}

/// Goes through the lines of a file.
///
/// # Errors
///
/// If it cannot be read, or whatever `visit` finds.
pub fn each(path: &Path, mut visit: impl FnMut(Line)) -> io::Result<()> {
    for text in BufReader::with_capacity(1 << 18, File::open(path)?).lines() {
        visit(serde_json::from_str(&text?)?);
    }
    Ok(())
}

/// What a line begins with, read without the rest.
#[derive(Deserialize)]
struct Head {
    kind: Kind,
}

/// Some of the lines of a file, and how many there are of that kind.
///
/// # Errors
///
/// If it cannot be read.
pub fn page(
    path: &Path,
    wanted: Option<Kind>,
    (skipped, taken): (usize, usize),
) -> io::Result<(Vec<Line>, usize)> {
    let (mut lines, mut count) = (Vec::new(), 0_usize);
    for text in BufReader::with_capacity(1 << 18, File::open(path)?).lines() {
        let text = text?;
        if let Some(wanted) = wanted {
            let head: Head = serde_json::from_str(&text)?;
            if head.kind != wanted {
                continue;
            }
        }
        if count >= skipped && lines.len() < taken {
            lines.push(serde_json::from_str(&text)?);
        }
        count = count.saturating_add(1);
    }
    Ok((lines, count))
}

/// The columns of a report as CSV.
pub const COLUMNS: [&str; 16] = [
    "kind",
    "why",
    "reason",
    "rule_id",
    "external_line",
    "external_id",
    "external_amount",
    "external_currency",
    "external_reference",
    "external_date",
    "transaction_id",
    "internal_amount",
    "internal_currency",
    "internal_reference",
    "internal_date",
    "failed_criteria",
];

/// The lines as CSV, with a header.
///
/// # Errors
///
/// If it cannot be written, which memory always can.
pub fn csv(lines: &[Line]) -> Result<Vec<u8>, csv::Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(COLUMNS)?;
    for line in lines {
        out.write_record(cells(line))?;
    }
    out.into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}

fn cells(line: &Line) -> [String; COLUMNS.len()] {
    let external = |of: fn(&ExternalView) -> String| {
        let all: Vec<_> = line.external.iter().map(of).collect();
        plain(all.join(";"))
    };
    let internal = |of: fn(&InternalView) -> String| {
        let all: Vec<_> = line.internal.iter().map(of).collect();
        plain(all.join(";"))
    };
    let kind = match line.kind {
        Kind::Matched => "matched",
        Kind::UnmatchedExternal => "unmatched_external",
        Kind::UnmatchedInternal => "unmatched_internal",
    };
    let failed = line.criteria.iter().filter(|finding| !finding.holds);
    let failed: Vec<_> = failed.map(|finding| finding.field.word()).collect();
    [
        kind.to_owned(),
        line.why.clone(),
        plain(line.reason.clone()),
        line.rule_id.clone().unwrap_or_default(),
        external(|record| record.line.to_string()),
        external(|record| record.id.clone()),
        external(|record| record.amount.clone()),
        external(|record| record.currency.clone()),
        external(|record| record.reference.clone()),
        external(|record| record.date.clone()),
        internal(|record| record.transaction_id.clone()),
        internal(|record| record.amount.clone()),
        internal(|record| record.currency.clone()),
        internal(|record| record.reference.clone()),
        internal(|record| record.date.clone()),
        failed.join(";"),
    ]
}

/// A text that a spreadsheet does not take for a formula; numbers below zero stay what they are.
fn plain(text: String) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let is_number = text.strip_prefix('-').is_some_and(|digits| {
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    if is_formula && !is_number {
        return format!("'{text}");
    }
    text
}
