//! The steward: keeps the next segment ready before it is needed, and watches the free space.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use tracing::{info, warn};

use super::{
    options::Clock,
    segment::{Dirs, SegmentHeader, create_segment},
    shared::{Core, HaltOnPanic},
    storage::{Storage, StorageFile, is_out_of_descriptors, is_out_of_space},
};

/// How long the steward rests after each part of the next segment, while there is time: so that no commit
/// waits for more than a part of it.
const FILL_REST: Duration = Duration::from_millis(2);

/// A segment waiting for the committer.
pub(super) struct ReadySegment {
    pub(super) base: u64,
    pub(super) file: Arc<dyn StorageFile>,
}

struct State {
    segments: VecDeque<ReadySegment>,
    is_nudged: bool,
    is_closing: bool,
    is_stopped: bool,
}

/// Segments made ahead of time, and what is known of the disk.
pub(super) struct Ready {
    state: Mutex<State>,
    changed: Condvar,
    /// Position behind the last segment there is a file for.
    end: AtomicU64,
    is_low: AtomicBool,
    free_bytes: AtomicU64,
}

impl Ready {
    pub(super) fn new(segments: VecDeque<ReadySegment>, end: u64) -> Self {
        let state = State {
            segments,
            is_nudged: false,
            is_closing: false,
            is_stopped: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            end: AtomicU64::new(end),
            is_low: AtomicBool::new(false),
            free_bytes: AtomicU64::new(u64::MAX),
        }
    }

    /// Takes the segment at `base`, waiting until it is there; `None` if it will never be.
    pub(super) fn wait_for(&self, base: u64) -> Option<Arc<dyn StorageFile>> {
        let mut state = self.state.lock();
        loop {
            if state
                .segments
                .front()
                .is_some_and(|segment| segment.base == base)
            {
                return state.segments.pop_front().map(|segment| segment.file);
            }
            if state.is_stopped || (state.is_closing && self.is_low()) {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Position behind the last segment there is a file for.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Whether the disk is too full to take more.
    pub(super) fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Acquire)
    }

    /// Free bytes when last looked.
    pub(super) fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// Makes the steward look at once.
    pub(super) fn nudge(&self) {
        self.state.lock().is_nudged = true;
        self.changed.notify_all();
    }

    /// No more waiting for an operator to free space.
    pub(super) fn begin_close(&self) {
        self.state.lock().is_closing = true;
        self.nudge();
    }

    /// Ends the steward and all waiting.
    pub(super) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.changed.notify_all();
    }

    /// Whether [`Ready::stop`] was called.
    pub(super) fn is_stopped(&self) -> bool {
        self.state.lock().is_stopped
    }

    /// Whether the log is being closed, or was.
    fn is_ending(&self) -> bool {
        let state = self.state.lock();
        state.is_closing || state.is_stopped
    }

    fn push(&self, segment: ReadySegment, end: u64) {
        self.state.lock().segments.push_back(segment);
        self.end.store(end, Ordering::Release);
        self.changed.notify_all();
    }
}

/// What came of making a segment.
enum Made {
    Whole,
    /// There is no room for it.
    NoRoom,
    /// It is to be tried again soon: what is in the way goes by itself.
    NotNow,
}

/// The steward's own state.
pub(super) struct Steward {
    pub(super) core: Arc<Core>,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) dirs: Dirs,
    pub(super) segment_bytes: u64,
    pub(super) min_free_bytes: u64,
    pub(super) poll: Duration,
    pub(super) clock: Clock,
}

impl Steward {
    /// Starts the thread.
    pub(super) fn spawn(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new()
            .name("journal-disk".to_owned())
            .spawn(move || self.run())
    }

    fn run(self) {
        let _guard = HaltOnPanic(Arc::clone(&self.core));
        loop {
            if let Err(reason) = self.look() {
                self.core.halt(&reason);
                return;
            }
            let ready = &self.core.ready;
            let mut state = ready.state.lock();
            if !state.is_nudged && !state.is_stopped {
                ready.changed.wait_for(&mut state, self.poll);
            }
            state.is_nudged = false;
            if state.is_stopped {
                return;
            }
        }
    }

    /// Measures the free space; true if it is too little. Done once before the first reservation,
    /// so that its answer is right.
    pub(super) fn measure(&self) -> bool {
        let ready = &self.core.ready;
        match self.storage.free_bytes(&self.dirs.wal) {
            Ok(free) => {
                ready.free_bytes.store(free, Ordering::Relaxed);
                let is_low = free < self.min_free_bytes;
                if is_low {
                    ready.is_low.store(true, Ordering::Release);
                }
                is_low
            }
            Err(error) => {
                warn!(%error, "free space could not be measured");
                false
            }
        }
    }

    /// Measures the free space and makes the segments that are due.
    fn look(&self) -> Result<(), String> {
        let ready = &self.core.ready;
        let was_low = ready.is_low();
        let mut is_low = self.measure();
        while !is_low && !ready.is_stopped() && self.is_segment_due() {
            match self.make_segment()? {
                Made::Whole => {}
                Made::NoRoom => is_low = true,
                Made::NotNow => break,
            }
        }
        ready.is_low.store(is_low, Ordering::Release);
        let free_bytes = ready.free_bytes();
        if is_low && !was_low {
            warn!(
                free_bytes,
                required = self.min_free_bytes,
                "disk is low: refusing appends"
            );
        } else if was_low && !is_low {
            info!(free_bytes, "disk has space again: taking appends");
        }
        ready.changed.notify_all();
        Ok(())
    }

    fn is_segment_due(&self) -> bool {
        self.core.ready.end() < self.core.head().saturating_add(self.segment_bytes)
    }

    /// Whether the segment at `base`, of which so much is filled, cannot wait.
    fn is_late(&self, base: u64, filled: u64) -> bool {
        let before = base.saturating_sub(self.segment_bytes);
        let used = self.core.head().saturating_sub(before);
        is_behind(filled, used) || self.core.ready.is_ending()
    }

    /// Makes the next segment.
    fn make_segment(&self) -> Result<Made, String> {
        let header = SegmentHeader {
            base: self.core.ready.end(),
            capacity: self.segment_bytes,
            epoch: self.core.epoch,
            created_ms: self.clock.now_ms(),
        };
        let rest = |filled: u64| {
            if !self.is_late(header.base, filled) {
                thread::sleep(FILL_REST);
            }
        };
        match create_segment(self.storage.as_ref(), &self.dirs.wal, &header, &rest) {
            Ok(file) => {
                self.core.catalog.add(header.base, header.capacity, false);
                self.core.ready.push(
                    ReadySegment {
                        base: header.base,
                        file,
                    },
                    header.end(),
                );
                Ok(Made::Whole)
            }
            Err(error) if is_out_of_space(&error) => {
                warn!(%error, base = header.base, "no space to prepare the next segment");
                Ok(Made::NoRoom)
            }
            Err(error) if is_out_of_descriptors(&error) => {
                warn!(%error, base = header.base, "no file to be had for the next segment: it is tried again");
                Ok(Made::NotNow)
            }
            Err(error) => Err(format!(
                "preparing the segment at {} failed: {error}",
                header.base
            )),
        }
    }
}

/// Whether a segment may be needed before it is full: it is to be filled twice as fast, at least, as the one
/// before it is used up.
const fn is_behind(filled: u64, used: u64) -> bool {
    filled / 2 < used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_full_before_the_one_before_it_is_used_up() {
        const SEGMENT: u64 = 64 << 20;
        const PART: u64 = 256 << 10;
        // Bytes that are appended while a part is filled, without a rest and with one.
        for (hurried, rested) in [
            (0, 0),
            (1_000, 10_000),
            (90_000, 900_000),
            (PART / 2, SEGMENT / 2),
        ] {
            let (mut filled, mut used, mut rests) = (0, 0, 0);
            while filled < SEGMENT {
                filled += PART;
                used += hurried;
                if !is_behind(filled, used) {
                    used += rested;
                    rests += 1;
                }
            }
            assert!(
                used <= SEGMENT / 2 + rested,
                "{used} used of {SEGMENT}, {rests} rests"
            );
            assert!(rests > 0 || hurried > PART / 4);
        }
    }
}
