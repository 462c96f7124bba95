//! Opens a data directory for reading: no lock, nothing is changed.

use std::path::Path;

use super::outcome::CliError;
use crate::journal::wal::WalReader;

/// Reads the log and the snapshots in `dir`.
///
/// # Errors
///
/// [`CliError::Usage`] if `dir` is no data directory, [`CliError::Fault`] if its log is gone.
pub(super) fn open(dir: &Path) -> Result<WalReader, CliError> {
    let shown = dir.display();
    if !dir.is_dir() {
        return Err(CliError::Usage(format!(
            "--data-dir {shown}: there is no such directory"
        )));
    }
    let has = |name: &str| dir.join(name).exists();
    let was_used = has("EPOCH") || has("snapshots") || has("archive");
    if !has("wal") && !was_used {
        return Err(CliError::Usage(format!(
            "--data-dir {shown} is no data directory: it has no wal/"
        )));
    }
    let reader = WalReader::open(dir)?;
    let (first, end) = reader.bounds();
    if first == end && was_used {
        return Err(CliError::Fault(format!(
            "{shown}/wal has no segments, though a server used this directory: restore them from a \
             backup or a replica"
        )));
    }
    Ok(reader)
}
