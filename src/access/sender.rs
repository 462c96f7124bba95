//! Who brings one-time codes to people: a trait for a provider, and the operator's file or log until
//! there is one.

use std::{io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

use parking_lot::Mutex;

use crate::domain::{identity::Contact, time::Timestamp};

/// A code and whom it is for.
pub struct Message<'a> {
    /// The holder.
    pub urn: &'a str,
    /// Where to.
    pub contact: &'a Contact,
    /// Six digits.
    pub code: &'a str,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
}

/// Brings codes to people. It may block, and is called on a thread where that is allowed.
pub trait CodeSender: Send + Sync {
    /// Sends a code.
    ///
    /// # Errors
    ///
    /// Whatever kept it from being sent; the code is not in it.
    fn send(&self, message: &Message<'_>) -> std::io::Result<()>;
}

fn line(message: &Message<'_>) -> String {
    let (how, to) = match message.contact {
        Contact::Phone(number) => ("phone", number),
        Contact::Email(address) => ("email", address),
    };
    format!(
        "{} {how} {to} code {} until {}",
        message.urn, message.code, message.expires_at
    )
}

/// Writes a line for each code to a file that only the operator's user reads.
pub struct FileSender {
    path: PathBuf,
    /// One line at a time.
    turn: Mutex<()>,
}

impl FileSender {
    /// The file is made with the first code.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self {
            path,
            turn: Mutex::new(()),
        }
    }
}

impl CodeSender for FileSender {
    fn send(&self, message: &Message<'_>) -> std::io::Result<()> {
        let _turn = self.turn.lock();
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.path)?;
        writeln!(file, "{}", line(message))
    }
}

/// Says each code in the operator's log, at info: for development.
pub struct LogSender;

impl CodeSender for LogSender {
    fn send(&self, message: &Message<'_>) -> std::io::Result<()> {
        tracing::info!("one-time code: {}", line(message));
        Ok(())
    }
}
