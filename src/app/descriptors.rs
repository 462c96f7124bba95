//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Left for the log, snapshots, the index and calls to others: connections do not take them.
const RESERVED: u64 = 256;
/// What each thread takes at the least, however low the limit.
const CONNECTIONS_MIN: usize = 16;

/// How many connections each of `workers` threads takes, if `asked` were asked for: as many as leave files for
/// the log. A process that could open none would have to stop. The soft limit is raised to the hard one first.
pub(super) fn connections_of(asked: usize, workers: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it was");
            limit.current
        }
    };
    let Some(files) = current else {
        return asked;
    };
    let most = share_of(files, workers);
    if asked > most {
        tracing::warn!(
            files,
            asked,
            connections = most,
            "each thread takes fewer connections than server.connections_max: raise the limit of open \
             files (ulimit -n, LimitNOFILE)"
        );
    }
    asked.min(most)
}

fn share_of(files: u64, workers: usize) -> usize {
    let free = usize::try_from(files.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
    let share = free.checked_div(workers.max(1)).unwrap_or(free);
    share.max(CONNECTIONS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_log() {
        for (files, workers, each) in [
            (1_024, 2, 384),
            (1_024, 1, 768),
            (256, 2, CONNECTIONS_MIN),
            (0, 64, CONNECTIONS_MIN),
            (1_000_256, 4, 250_000),
        ] {
            assert_eq!(share_of(files, workers), each, "{files} files");
        }
    }
}
