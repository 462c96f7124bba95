//! What lies beside the log's records: the outbox's own log, the epoch, and segments that became shorter.
//!
//! The outbox reads the engine's log behind the durable position. If it knows of more than the log has, records
//! that were durable are gone.

use std::path::Path;

use super::{
    Verdict,
    finding::{Check, Finding, Findings, Severity, Spot},
    snapshots::place_of,
};
use crate::{
    domain::outbox::{OutboxItem, OutboxRecord},
    journal::{
        JournalError, Lsn,
        wal::{LogEntry, WalReader},
    },
    wire,
};

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
        if let Err(error) = WalReader::epoch(dir) {
            files.damage(Check::Log, "", error);
        }
        let outbox = dir.join("outbox");
        if outbox.join("wal").exists()
            && let Err(error) = files.outbox(&outbox)
        {
            files.damage(Check::Outbox, "outbox/", error);
        }
        files
    }

    fn damage(&mut self, check: Check, folder: &str, error: JournalError) {
        let (mut spot, what) = place_of(error);
        spot.file = spot.file.map(|file| format!("{folder}{file}").into());
        self.findings.push(Severity::Damage, check, spot, what);
    }

    fn sizes(&mut self, log: &WalReader) {
        let short = match log.short_files() {
            Ok(short) => short,
            Err(error) => return self.damage(Check::Log, "", error),
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
            self.findings.push(Severity::Info, Check::Tail, spot, what);
        }
    }

    /// Beside a running server old segments and snapshots go: what went is not missed.
    fn outbox(&mut self, dir: &Path) -> Result<(), JournalError> {
        let reader = WalReader::open(dir)?;
        if let Some(info) = reader.snapshots()?.into_iter().next() {
            for item in reader.open_snapshot(info.lsn)? {
                match wire::decode_outbox_item(&item?) {
                    Ok(OutboxItem::Head { read_to, .. }) => self.reached(read_to),
                    Ok(_) => {}
                    Err(error) => self.undecodable(info.lsn, &error),
                }
            }
        }
        for entry in reader.records() {
            let record = match entry? {
                LogEntry::Record { record, .. } => record,
                LogEntry::Torn(_) => continue,
            };
            self.records = self.records.saturating_add(1);
            match wire::decode_outbox_record(&record.payload) {
                Ok(OutboxRecord::Laid { read_to, .. }) => self.reached(read_to),
                Ok(_) => {}
                Err(error) => self.undecodable(record.lsn, &error),
            }
        }
        Ok(())
    }

    fn reached(&mut self, read_to: u64) {
        self.read_to = self.read_to.max(read_to);
    }

    fn undecodable(&mut self, lsn: Lsn, error: &wire::WireError) {
        let spot = Spot {
            lsn: Some(lsn),
            file: Some("outbox/".into()),
            ..Spot::default()
        };
        let what = error.to_string();
        self.findings
            .push(Severity::Damage, Check::Outbox, spot, what);
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
