//! The one thread that writes the log: whatever has queued, one write, one sync, then the news.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tracing::warn;

use crate::journal::Lsn;

use super::{
    pace::{Came, Pace, Pause},
    queue::{Before, InFlight},
    shared::{Core, HaltOnPanic},
    storage::{StorageFile, widen, write_all_at},
};

/// A commit that takes so long, in microseconds, is told.
const SLOW_US: u64 = 1_000_000;

/// Hears of each batch made durable, for histograms. Called on the committer's thread.
pub trait CommitObserver: Send + Sync {
    /// `records` in `bytes` were written in `write_us` and synced in `sync_us` microseconds.
    fn committed(&self, records: usize, bytes: usize, write_us: u64, sync_us: u64);
}

/// The committer's own state.
pub(super) struct Committer {
    pub(super) core: Arc<Core>,
    pub(super) segment: u64,
    pub(super) file: Arc<dyn StorageFile>,
    /// Bytes of that file.
    pub(super) capacity: u64,
    pub(super) last: Lsn,
    pub(super) end: u64,
    pub(super) observer: Option<Arc<dyn CommitObserver>>,
    pub(super) pace: Pace,
}

impl Committer {
    /// Starts the thread.
    pub(super) fn spawn(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new()
            .name("journal-commit".to_owned())
            .spawn(move || self.run())
    }

    fn run(mut self) {
        let _guard = HaltOnPanic(Arc::clone(&self.core));
        let mut done = None;
        while let Some(batch) = self.next_batch(done.take()) {
            let begun = Instant::now();
            if let Err(reason) = self.commit(&batch) {
                self.core.halt(&reason);
                return;
            }
            let records = batch.read().count;
            self.gather(records, begun.elapsed());
            done = Some(batch);
        }
    }

    /// Lets records gather after a commit of `records` that took `time`.
    fn gather(&mut self, records: u32, time: Duration) {
        let mut queue = self.core.queue.lock();
        if queue.has_full_batch() {
            return;
        }
        let during_commit = Came {
            records: queue.waiting(),
            time,
        };
        let Some(Pause { until, at_most }) = self.pace.pause(records, during_commit) else {
            return;
        };
        let begun = Instant::now();
        queue.wake_at = Some(until);
        while queue.waiting() < until && !queue.is_closing && !queue.is_abandoned {
            let left = at_most.saturating_sub(begun.elapsed());
            let is_over = left.is_zero() || queue.has_full_batch();
            if is_over || self.core.wake.wait_for(&mut queue, left).timed_out() {
                break;
            }
        }
        queue.wake_at = None;
        if queue.has_full_batch() {
            return;
        }
        let during_pause = Came {
            records: queue.waiting().saturating_sub(during_commit.records),
            time: begun.elapsed(),
        };
        drop(queue);
        self.pace.learn(during_commit, during_pause);
    }

    fn next_batch(&self, mut done: Option<InFlight>) -> Option<InFlight> {
        let mut queue = self.core.queue.lock();
        loop {
            if queue.is_abandoned {
                return None;
            }
            if let Some(batch) = queue.take(done.take()) {
                return Some(batch);
            }
            if queue.is_closing {
                return None;
            }
            queue.is_committer_asleep = true;
            self.core.wake.wait(&mut queue);
            queue.is_committer_asleep = false;
        }
    }

    fn commit(&mut self, in_flight: &InFlight) -> Result<(), String> {
        let _under_way = self.core.begin_commit();
        let segment = in_flight.read().segment;
        let is_new_segment = segment != self.segment;
        let (previous, last_before) = (self.segment, self.last);
        if is_new_segment {
            let next = self.core.ready.wait_for(segment);
            self.file = next.ok_or("no space for the next segment")?;
            self.capacity = self
                .file
                .size()
                .map_err(|error| format!("the segment at {segment} tells no size: {error}"))?;
            self.segment = segment;
        }
        let mut batch = in_flight.write();
        let before = Before {
            synced_to: self.end,
            last: self.last,
            epoch: self.core.epoch,
        };
        batch.finish(before);
        let (end, bytes) = (batch.end(), batch.bytes.len());
        batch.pad(self.capacity);
        let batch = parking_lot::RwLockWriteGuard::downgrade(batch);

        let started = Instant::now();
        write_all_at(
            self.file.as_ref(),
            &batch.bytes,
            batch.start - batch.segment,
        )
        .map_err(|error| format!("writing the log at lsn {} failed: {error}", batch.start))?;
        let written = Instant::now();
        self.file
            .sync_data()
            .map_err(|error| format!("syncing the log at lsn {} failed: {error}", batch.start))?;
        let write_us = micros(started, written);
        let sync_us = micros(written, Instant::now());
        if write_us.saturating_add(sync_us) >= SLOW_US {
            warn!(
                write_us,
                sync_us, "a commit took longer than a second: the disk is slow, and answers wait"
            );
        }

        (self.last, self.end) = (batch.last, end);
        if is_new_segment {
            // Only now does the new segment hold something durable, so that the old one may go.
            self.core.catalog.set_last(previous, last_before);
            self.core.catalog.set_active(self.segment);
        }
        let records = batch.count;
        drop(batch);
        self.core.publish(self.last, self.end);
        self.count(records, bytes, write_us, sync_us);
        Ok(())
    }

    fn count(&self, records: u32, bytes: usize, write_us: u64, sync_us: u64) {
        let counters = &self.core.counters;
        counters.batches.fetch_add(1, Ordering::Relaxed);
        counters
            .records
            .fetch_add(records.into(), Ordering::Relaxed);
        counters.bytes.fetch_add(widen(bytes), Ordering::Relaxed);
        counters.sync_us_total.fetch_add(sync_us, Ordering::Relaxed);
        counters.sync_us_last.store(sync_us, Ordering::Relaxed);
        if let Some(observer) = &self.observer {
            let records = usize::try_from(records).unwrap_or(usize::MAX);
            observer.committed(records, bytes, write_us, sync_us);
        }
    }
}

fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.duration_since(from).as_micros()).unwrap_or(u64::MAX)
}
