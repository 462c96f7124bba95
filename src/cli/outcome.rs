//! How a command ends: exit 0, 1 for a fault or damage, 2 for wrong usage.

use std::{
    io::{self, BufWriter, StdoutLock, Write},
    process::ExitCode,
};

use crate::journal::JournalError;

/// Why a command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The arguments cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// It cannot be done, or what was found is wrong.
    #[error("{0}")]
    Fault(String),
    /// The log or a snapshot cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The output cannot be written.
    #[error("writing the output: {0}")]
    Output(#[from] io::Error),
}

/// Standard output, buffered.
pub(super) type Out = BufWriter<StdoutLock<'static>>;

/// Runs a command that answers whether all is well.
pub(super) fn conclude(
    command: &str,
    run: impl FnOnce(&mut Out) -> Result<bool, CliError>,
) -> ExitCode {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let ended = run(&mut out).and_then(|is_well| {
        unless_closed(out.flush().map_err(CliError::from))?;
        Ok(is_well)
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever read it has seen enough, as `head` has.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = out.flush();
            eprintln!("cardwright {command}: {error}");
            match error {
                CliError::Usage(_) => ExitCode::from(2),
                CliError::Fault(_) | CliError::Journal(_) | CliError::Output(_) => {
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// The same, unless only nobody reads any more: then what is answered stands.
pub(super) fn unless_closed(written: Result<(), CliError>) -> Result<(), CliError> {
    match written {
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a value as one line of JSON.
pub(super) fn json_line(out: &mut Out, value: &impl serde::Serialize) -> Result<(), CliError> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}
