//! The threads of an open journal, and how they are ended.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use crate::journal::JournalError;

use super::{committer::Committer, disk::Steward, shared::Core, storage::LockGuard};

/// What lives while the journal is open.
pub(super) struct Running {
    committer: JoinHandle<()>,
    steward: JoinHandle<()>,
    /// Where the log ends, if a close marker stands there already.
    marked_end: Option<u64>,
    _guard: LockGuard,
}

impl Running {
    /// Starts the threads.
    pub(super) fn start(
        committer: Committer,
        steward: Steward,
        guard: LockGuard,
        marked_end: Option<u64>,
    ) -> Result<Self, JournalError> {
        let core = Arc::clone(&committer.core);
        let failed = |source| JournalError::Io {
            what: "starting a thread".to_owned(),
            source,
        };
        let committer = committer.spawn().map_err(failed)?;
        let steward = steward.spawn().map_err(|error| {
            core.abandon();
            failed(error)
        })?;
        Ok(Self {
            committer,
            steward,
            marked_end,
            _guard: guard,
        })
    }

    /// Writes everything out, and the marker of a clean close; then lets go of the directory.
    pub(super) fn close(self, core: &Core) {
        core.stop("closed");
        core.ready.begin_close();
        {
            let mut queue = core.queue.lock();
            if self.marked_end != Some(core.head()) {
                queue.push_close();
            }
            queue.is_closing = true;
        }
        core.wake.notify_all();
        join(self.committer);
        core.ready.stop();
        join(self.steward);
    }

    /// Ends the threads after what they are doing; what is queued is not written.
    pub(super) fn abandon(self, core: &Core) {
        core.stop("dropped");
        core.abandon();
        join(self.committer);
        join(self.steward);
    }
}

fn join(thread: JoinHandle<()>) {
    // A watcher may hold the journal's last reference; its thread cannot wait for itself.
    if thread.thread().id() != thread::current().id() {
        // A panic was turned into a halt, which the caller sees.
        let _ = thread.join();
    }
}
