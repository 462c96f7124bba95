//! Which URLs are to be fetched when: filled from anywhere, worked off by the threads that fetch.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

/// The most URLs that are fetched at all.
pub const URLS_MAX: usize = 10_000;

/// URLs, each with the moment from which it is due. A URL that was taken is on nobody's list until
/// it is put [`back`](Agenda::back).
#[derive(Debug, Default)]
pub struct Agenda {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeSet<Arc<str>>,
    /// By moment; the number tells apart what is due at one moment.
    due: BTreeMap<(Instant, u64), Arc<str>>,
    count: u64,
}

impl State {
    fn add(&mut self, url: Arc<str>, at: Instant) {
        self.count = self.count.wrapping_add(1);
        self.due.insert((at, self.count), url);
    }
}

impl Agenda {
    /// Asks for a URL to be fetched now and refreshed from then on, unless that is so already;
    /// `false` if it is one too many.
    pub fn want(&self, url: &Arc<str>) -> bool {
        let mut state = self.state.lock();
        if state.known.contains(url) {
            return true;
        }
        if state.known.len() >= URLS_MAX {
            return false;
        }
        state.known.insert(url.clone());
        state.add(url.clone(), Instant::now());
        self.changed.notify_one();
        true
    }

    /// Takes what is due longest; waits until something is.
    pub fn next(&self) -> Arc<str> {
        let mut state = self.state.lock();
        loop {
            match state.due.first_key_value().map(|((at, _), _)| *at) {
                None => self.changed.wait(&mut state),
                Some(at) if at > Instant::now() => {
                    self.changed.wait_until(&mut state, at);
                }
                Some(_) => {
                    if let Some((_, url)) = state.due.pop_first() {
                        return url;
                    }
                }
            }
        }
    }

    /// Puts a URL that was taken back, to be due in that time.
    pub fn back(&self, url: Arc<str>, after: Duration) {
        let now = Instant::now();
        let at = now.checked_add(after).unwrap_or(now);
        self.state.lock().add(url, at);
        self.changed.notify_one();
    }

    /// How many URLs are wanted.
    pub fn len(&self) -> usize {
        self.state.lock().known.len()
    }

    /// Whether none is wanted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_by_one_and_comes_again_in_its_time() {
        let agenda = Agenda::default();
        let url = |name: &str| Arc::<str>::from(name);
        assert!(agenda.want(&url("a")));
        assert!(agenda.want(&url("b")));
        assert!(agenda.want(&url("a")), "it is wanted already");
        assert_eq!(agenda.len(), 2);
        assert_eq!(&*agenda.next(), "a");
        agenda.back(url("a"), Duration::from_secs(3_600));
        assert_eq!(&*agenda.next(), "b");
        agenda.back(url("b"), Duration::ZERO);
        assert_eq!(&*agenda.next(), "b", "what is due later waits");
        let agenda = Arc::new(agenda);
        let other = agenda.clone();
        let waiting = std::thread::spawn(move || other.next());
        agenda.want(&url("c"));
        assert_eq!(&*waiting.join().unwrap(), "c", "one who waits is woken");
    }
}
