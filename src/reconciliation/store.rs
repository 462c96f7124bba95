//! What is kept of reconciliations: small documents in the registry, and files beside the log.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    groups::Strategy,
    rules::{BadRule, Criterion, Field, Rule},
};
use crate::domain::uuids;

/// An upload as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its id, `upload_…`.
    pub upload_id: String,
    /// Whose records, in the caller's words.
    pub source: String,
    /// How many records.
    pub record_count: usize,
    /// When it was taken, in microseconds since the Unix epoch.
    pub created_micros: i64,
}

/// A matching rule as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRule {
    /// Its id, `rule_…`.
    pub rule_id: String,
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// What must hold, all of it.
    pub criteria: Vec<Criterion>,
    /// When it was made, in microseconds since the Unix epoch.
    pub created_micros: i64,
    /// When it was changed last, in microseconds since the Unix epoch.
    pub updated_micros: i64,
}

impl KeptRule {
    /// The rule, ready to be used.
    ///
    /// # Errors
    ///
    /// [`BadRule`].
    pub fn rule(&self) -> Result<Rule, BadRule> {
        Rule::new(&self.rule_id, &self.name, &self.criteria)
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for its turn.
    Started,
    /// It is under way.
    InProgress,
    /// Its report is there.
    Completed,
    /// It has no report.
    Failed,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// How many records found their other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// External records that did.
    pub external_matched: usize,
    /// External records that did not.
    pub external_unmatched: usize,
    /// Transactions that did.
    pub internal_matched: usize,
    /// Transactions of the file's time that did not.
    pub internal_unmatched: usize,
    /// Transactions of the file's time that an earlier run had matched.
    pub internal_earlier: usize,
}

/// A run as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id, `recon_…`.
    pub reconciliation_id: String,
    /// Whose records.
    pub upload_id: String,
    /// Which side is taken together.
    pub strategy: Strategy,
    /// By what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grouping_criteria: Option<Field>,
    /// Whether its matches do not count for later runs.
    pub is_dry_run: bool,
    /// Whether transactions that earlier runs matched take part.
    #[serde(default)]
    pub include_matched: bool,
    /// The rules as they were when it was started.
    pub rules: Vec<KeptRule>,
    /// How far it has come.
    pub status: Status,
    /// What came of it.
    #[serde(default)]
    pub counts: Counts,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was asked for, in microseconds since the Unix epoch.
    pub started_micros: i64,
    /// When it ended, in microseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_micros: Option<i64>,
}

/// The name of an origin's upload among the documents.
#[must_use]
pub fn upload_name(origin: &str, id: &str) -> String {
    format!("{origin}/upload/{id}")
}

/// The name of an origin's run among the documents.
#[must_use]
pub fn run_name(origin: &str, id: &str) -> String {
    format!("{origin}/run/{id}")
}

/// A new id: the prefix and a random UUID.
///
/// # Errors
///
/// If the system gives no randomness.
pub fn new_id(prefix: &str) -> Result<String, getrandom::Error> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random)?;
    Ok(uuids::of_chance(prefix, random))
}

/// Whether it may be an id of that prefix: a file's name is made of it.
#[must_use]
pub fn is_id(text: &str, prefix: &str) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    rest.len() == 36 && rest.bytes().all(plain)
}

/// The files.
#[derive(Clone, Debug)]
pub struct Files {
    dir: PathBuf,
}

impl Files {
    /// In `reconciliation/` of a data directory; what was not finished when the process stopped is removed.
    ///
    /// # Errors
    ///
    /// If the folders cannot be made.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let files = Self {
            dir: data_dir.join("reconciliation"),
        };
        for folder in ["uploads", "results"] {
            let folder = files.dir.join(folder);
            fs::create_dir_all(&folder)?;
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "tmp") {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(files)
    }

    /// Where an upload stands.
    #[must_use]
    pub fn upload(&self, id: &str) -> PathBuf {
        self.dir.join("uploads").join(id)
    }

    /// Where the report of a run stands.
    #[must_use]
    pub fn results(&self, id: &str) -> PathBuf {
        self.dir.join("results").join(format!("{id}.ndjson"))
    }

    /// Where a file is written before it is whole.
    #[must_use]
    pub fn unfinished(path: &Path) -> PathBuf {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        path.with_file_name(name)
    }

    /// Puts a whole file in its place, on disk with its name.
    ///
    /// # Errors
    ///
    /// If the disk does not take it.
    pub fn finish(path: &Path) -> io::Result<()> {
        let unfinished = Self::unfinished(path);
        File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}
