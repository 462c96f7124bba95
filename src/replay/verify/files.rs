//! What lies beside the log's records: the outbox's own log, the epoch, and segments that became shorter.
//!
//! The outbox reads the engine's log behind the durable position. If it knows of more than the log has, records
//! that were durable are gone.

use std::{io::ErrorKind, path::Path};

use super::{
    Verdict,
    finding::{Check, Finding, Findings, Severity, Spot},
};
use crate::{
    domain::outbox::{OutboxItem, OutboxRecord},
    journal::{
        JournalError, Lsn,
        wal::{LogEntry, WalReader},
    },
    wire,
};

/// How often a running server may be in the way.
const LOOKS_MAX: u32 = 8;

/// What was found in the files, and up to where the outbox has read.
#[derive(Default)]
pub struct Files {
    findings: Findings,
    /// Records of the outbox's log.
    records: u64,
    read_to: u64,
}

impl Files {
    /// Looks at the data directory `dir`, whose log is `log`.
    #[must_use]
    pub fn look(dir: &Path, log: &WalReader) -> Self {
        let mut files = Self::default();
        files.sizes(log);
        files.epoch(dir);
        let outbox = dir.join("outbox");
        if !outbox.exists() {
            return files;
        }
        let was_used = files.epoch(&outbox);
        for look in 1.. {
            let mut seen = Self::default();
            match seen.outbox(&outbox, was_used) {
                // Beside a running server segments and snapshots go that were there a moment ago.
                Err(error) if is_gone(&error) && look < LOOKS_MAX => continue,
                Err(error) => seen.findings.refused(Check::Outbox, error),
                Ok(()) => {}
            }
            files.findings.append(seen.findings);
            (files.records, files.read_to) = (seen.records, seen.read_to);
            break;
        }
        files
    }

    /// Whether the directory says that a server has used it.
    fn epoch(&mut self, dir: &Path) -> bool {
        match WalReader::epoch(dir) {
            Ok(epoch) => epoch.is_some(),
            Err(error) => {
                self.findings.refused(Check::Epoch, error);
                true
            }
        }
    }

    fn sizes(&mut self, log: &WalReader) {
        let short = match log.short_files() {
            Ok(short) => short,
            Err(error) => return self.findings.refused(Check::Log, error),
        };
        for file in short {
            let spot = Spot {
                lsn: Some(Lsn::new(file.base.saturating_add(file.bytes))),
                file: Some(file.name.into()),
                offset: Some(file.bytes),
                actor: None,
            };
            let what = format!(
                "the file is shorter than it was made, {} of {} bytes, as a crash never leaves it: if \
                 this is a copy, it is not whole, and what stood behind its end is not known",
                file.bytes, file.capacity
            );
            self.findings.push(Severity::Info, Check::Size, spot, what);
        }
    }

    /// Reads it as a start does. A running server takes snapshots and lets segments go meanwhile: the log reaches
    /// what was a snapshot before it was opened, and begins at or before what is one after that.
    fn outbox(&mut self, dir: &Path, was_used: bool) -> Result<(), JournalError> {
        let before = WalReader::open(dir)?.snapshots()?.into_iter().next();
        let reader = WalReader::open(dir)?;
        let newest = reader.snapshots()?.into_iter().next();
        let (first, end) = reader.bounds();
        if first == end {
            let was_used = was_used || newest.is_some();
            return if was_used { Err(gone(dir)) } else { Ok(()) };
        }
        let snapshot = newest.as_ref().map_or(Lsn::ZERO, |info| info.lsn);
        let floor = reader.floor()?;
        if floor > snapshot {
            let what = format!(
                "the log of the outbox begins behind lsn {floor}, and what it begins with is in a snapshot \
                 up to lsn {snapshot}: segments in between are missing"
            );
            self.damage(floor, "outbox/wal", what);
        }
        if let Some(info) = newest {
            for item in reader.open_snapshot(info.lsn)? {
                match wire::decode_outbox_item(&item?) {
                    Ok(OutboxItem::Head { read_to, .. }) => self.reached(read_to),
                    Ok(_) => {}
                    Err(error) => self.undecodable(info.lsn, &error),
                }
            }
        }
        let mut last = floor;
        for entry in reader.records() {
            let record = match entry? {
                LogEntry::Record { record, .. } => record,
                LogEntry::Torn(_) => continue,
            };
            last = record.lsn;
            self.records = self.records.saturating_add(1);
            match wire::decode_outbox_record(&record.payload) {
                Ok(OutboxRecord::Laid { read_to, .. }) => self.reached(read_to),
                Ok(_) => {}
                Err(error) => self.undecodable(record.lsn, &error),
            }
        }
        let snapshot = before.map_or(Lsn::ZERO, |info| info.lsn);
        if snapshot > last {
            let what = format!(
                "the log of the outbox ends at lsn {last}, its snapshot at lsn {snapshot}: records were lost"
            );
            self.damage(last, "outbox/wal", what);
        }
        Ok(())
    }

    fn reached(&mut self, read_to: u64) {
        self.read_to = self.read_to.max(read_to);
    }

    fn undecodable(&mut self, lsn: Lsn, error: &wire::WireError) {
        self.damage(lsn, "outbox/", error.to_string());
    }

    fn damage(&mut self, lsn: Lsn, file: &str, what: String) {
        let spot = Spot {
            lsn: Some(lsn),
            file: Some(file.into()),
            ..Spot::default()
        };
        self.findings
            .push(Severity::Damage, Check::Outbox, spot, what);
    }
}

fn is_gone(error: &JournalError) -> bool {
    match error {
        JournalError::NotFound { .. } => true,
        JournalError::Io { source, .. } => source.kind() == ErrorKind::NotFound,
        JournalError::Busy { .. }
        | JournalError::DiskLow { .. }
        | JournalError::Halted { .. }
        | JournalError::Corrupt { .. }
        | JournalError::Locked { .. } => false,
    }
}

fn gone(outbox: &Path) -> JournalError {
    JournalError::Corrupt {
        file: outbox.join("wal").display().to_string(),
        offset: 0,
        lsn: Lsn::ZERO,
        what: "there is no segment, though the outbox was used before".to_owned(),
    }
}

impl Verdict {
    /// Adds what was found in the files before the log was read.
    pub fn add_files(&mut self, files: Files) {
        self.checked.outbox_records = files.records;
        self.findings.append(files.findings);
        // A log that was not read to its end says nothing of where it ends.
        let is_damaged = |finding: &Finding| finding.check == Check::Log;
        let is_read = !self.findings.kept.iter().any(is_damaged);
        if is_read && files.read_to > self.last.get() {
            let what = format!(
                "outbox/ has read the log up to lsn {}, but the log ends at lsn {}: records were lost",
                files.read_to, self.last
            );
            let spot = Spot {
                lsn: Some(self.last),
                ..Spot::default()
            };
            self.findings.push(Severity::Fault, Check::Lost, spot, what);
        }
        self.findings.sort();
    }
}
