//! How far the building of an index is.

use crate::domain::time::Timestamp;

/// How far the building of an index is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    stage: Stage,
    /// How many records are to be read, about.
    pub total: u64,
    /// How many were read.
    pub done: u64,
    /// When it was asked for.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Never,
    Asked,
    Running,
    Ended,
}

impl Progress {
    /// The word on the wire.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match (self.stage, &self.error) {
            (Stage::Never, _) => "not_started",
            (Stage::Asked | Stage::Running, _) => "in_progress",
            (Stage::Ended, None) => "completed",
            (Stage::Ended, Some(_)) => "failed",
        }
    }

    /// What goes on, for people.
    #[must_use]
    pub const fn phase(&self) -> &'static str {
        match self.stage {
            Stage::Never => "idle",
            Stage::Asked => "waiting",
            Stage::Running => "reading_log",
            Stage::Ended => "done",
        }
    }

    pub(super) fn ask(&mut self, now: Timestamp) -> bool {
        if matches!(self.stage, Stage::Asked | Stage::Running) {
            return false;
        }
        *self = Self {
            stage: Stage::Asked,
            started_at: Some(now),
            ..Self::default()
        };
        true
    }

    pub(super) fn is_asked(&self) -> bool {
        self.stage == Stage::Asked
    }

    pub(super) fn begin(&mut self, total: u64, now: Timestamp) {
        let started_at = self.started_at.filter(|_| self.is_asked()).or(Some(now));
        *self = Self {
            stage: Stage::Running,
            total,
            started_at,
            ..Self::default()
        };
    }

    pub(super) fn at(&mut self, done: u64) {
        self.done = done;
        self.total = self.total.max(done);
    }

    pub(super) fn end(&mut self, now: Timestamp, error: Option<String>) {
        self.stage = Stage::Ended;
        self.ended_at = Some(now);
        self.error = error;
        if self.error.is_none() {
            self.total = self.done;
        }
    }
}
