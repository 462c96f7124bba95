//! Where threads run: those that serve HTTP and run the cards each on a processor of its own, all others
//! wherever there is room.

use std::io;

use actix_rt::task::{JoinHandle, spawn_blocking};
use rustix::{
    process::getpid,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// Keeps the current thread, the one at `index` of `count` that share the work, on a processor of its own,
/// if there are just as many of these; whether it did.
///
/// Such threads sleep and wake thousands of times a second. Left alone, two of them often wait for each
/// other on one processor while the other is idle: for less time than after which Linux would move one.
/// Where there are more processors than threads, or fewer, Linux knows better.
pub fn keep_to_one(index: usize, count: usize) -> bool {
    let Ok(allowed) = sched_getaffinity(Some(getpid())) else {
        return false;
    };
    let allowed = processors(&allowed);
    let own = index
        .checked_rem(count)
        .and_then(|place| allowed.get(place));
    let Some(own) = own.filter(|_| allowed.len() == count) else {
        return false;
    };
    let mut only = CpuSet::new();
    only.set(*own);
    match sched_setaffinity(None, &only) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "a thread could not be kept on its processor: it is served all the same");
            false
        }
    }
}

fn processors(of: &CpuSet) -> Vec<usize> {
    let all = 0..CpuSet::MAX_CPU;
    all.filter(|processor| of.is_set(*processor)).collect()
}

/// Lets the current thread run wherever the process may: a thread begins where the one may that started it.
fn roam() {
    let allowed = sched_getaffinity(Some(getpid()));
    if let Err(error) = allowed.and_then(|allowed| sched_setaffinity(None, &allowed)) {
        tracing::debug!(%error, "a thread stays on the processor of the one that started it");
    }
}

/// Does what blocks or takes long on a thread for that, away from those that serve.
pub fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    spawn_blocking(move || {
        roam();
        work()
    })
}

/// Starts a thread of its own for work that nobody waits for.
///
/// # Errors
///
/// The system's, where there may be no more threads.
pub fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().spawn(move || {
        roam();
        work();
    });
    thread.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the current thread may run.
    fn own() -> Vec<usize> {
        processors(&sched_getaffinity(None).unwrap())
    }

    #[test]
    fn each_thread_has_a_processor_and_what_it_starts_has_all() {
        let all = own();
        let count = all.len();
        let mut taken: Vec<usize> = (0..count)
            .map(|index| {
                let thread = std::thread::spawn(move || {
                    assert!(keep_to_one(index, count));
                    let kept = own();
                    let (tell, told) = std::sync::mpsc::channel();
                    start(move || tell.send(own()).unwrap()).unwrap();
                    (kept, told.recv().unwrap())
                });
                let (kept, of_started) = thread.join().unwrap();
                assert_eq!((kept.len(), of_started), (1, own()));
                kept[0]
            })
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, all);
    }

    #[test]
    fn other_numbers_of_threads_roam() {
        let count = own().len();
        let thread = std::thread::spawn(move || {
            assert!(!keep_to_one(0, count + 1) && !keep_to_one(0, count - 1));
            own().len()
        });
        assert_eq!(thread.join().unwrap(), count);
    }

    #[test]
    fn what_is_done_aside_may_run_anywhere() {
        let all = own();
        let count = all.len();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                assert!(keep_to_one(0, count));
                aside(own).await.unwrap()
            })
        });
        assert_eq!(thread.join().unwrap(), all);
    }
}
