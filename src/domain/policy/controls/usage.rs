//! What was counted against limits: counting, giving back, and what a window holds of it.
//!
//! A counter holds one window: it begins again when a purchase comes whose window began later. What
//! a rolling window looks at is kept one by one.

use super::{Calendar, Counter, Limit, Recent, Tally, Usage, Window};
use crate::domain::{
    ids::AuthorizationId,
    money::{Amount, Currency},
    time::Timestamp,
};

/// The most purchases kept one by one. Beyond it, those that lie close together in the older half
/// become one, at the latest's moment: that counts a little longer, never shorter.
pub(super) const RECENT_MAX: usize = 4_096;
/// How many times "close together" goes into the longest rolling window.
const SLOTS: i64 = 1_024;

impl Usage {
    /// Counts what was approved at `at`.
    ///
    /// `value` is in the minor unit of `currency`, which is none where only purchases are counted.
    /// What an increment adds is no purchase of its own. `rolling_seconds` is how far back the
    /// account's longest rolling window looks; 0 if it has none.
    #[expect(
        clippy::too_many_arguments,
        reason = "all of it is the caller's, and none of it belongs together"
    )]
    pub fn count(
        &mut self,
        currency: Option<Currency>,
        value: Amount,
        is_purchase: bool,
        calendar: &Calendar,
        at: Timestamp,
        id: AuthorizationId,
        rolling_seconds: u32,
    ) {
        let purchases = u32::from(is_purchase);
        let known = self
            .tallies
            .iter()
            .position(|tally| tally.currency == currency);
        let place = known.unwrap_or(self.tallies.len());
        if known.is_none() {
            self.tallies.push(Tally {
                currency,
                ..Tally::default()
            });
        }
        let Some(tally) = self.tallies.get_mut(place) else {
            return;
        };
        for (counter, since) in tally.windows.iter_mut().zip(calendar.starts()) {
            if counter.since < since {
                *counter = Counter {
                    since,
                    ..Counter::default()
                };
            }
            counter.amount = counter.amount.saturating_plus(value);
            counter.count = counter.count.saturating_add(purchases);
        }
        tally.forget(at, rolling_seconds);
        if rolling_seconds > 0 {
            tally.recent.push(Recent {
                authorization: id,
                at,
                amount: value,
                purchases,
            });
            tally.bound(rolling_seconds);
        }
    }

    /// Gives back what a released part of an authorization counted, in every window that still
    /// holds the moment the authorization was counted in.
    ///
    /// `created_at` is that moment, `value` in the minor unit of `currency`; `is_void` says that
    /// nothing of it was captured and nothing is held any more, so that it was no purchase at all.
    pub fn give_back(
        &mut self,
        currency: Option<Currency>,
        value: Amount,
        is_void: bool,
        created_at: Timestamp,
        id: AuthorizationId,
    ) {
        let Some(tally) = self
            .tallies
            .iter_mut()
            .find(|tally| tally.currency == currency)
        else {
            return;
        };
        let purchases = u32::from(is_void);
        for counter in &mut tally.windows {
            if counter.since <= created_at {
                counter.amount = counter.amount.minus_or_zero(value);
                counter.count = counter.count.saturating_sub(purchases);
            }
        }
        tally.give_back(value, purchases, created_at, id);
    }

    /// How much is used of a limit on amounts, in the minor unit of `currency`.
    #[must_use]
    pub fn used(
        &self,
        limit: &Limit,
        currency: Currency,
        calendar: &Calendar,
        now: Timestamp,
    ) -> Amount {
        let tally = self
            .tallies
            .iter()
            .find(|tally| tally.currency == Some(currency));
        tally.map_or(Amount::ZERO, |tally| {
            tally.in_window(limit.window, calendar, now).0
        })
    }

    /// How many purchases a window holds: a tally has all of them or only those since it began, so
    /// the one that knows of most is right.
    #[must_use]
    pub fn made(&self, window: Window, calendar: &Calendar, now: Timestamp) -> u32 {
        let made = self
            .tallies
            .iter()
            .map(|tally| tally.in_window(window, calendar, now).1);
        made.max().unwrap_or(0)
    }
}

impl Calendar {
    /// When the windows of a tally began, in its order: day, week, month, year, lifetime.
    #[must_use]
    pub const fn starts(&self) -> [Timestamp; 5] {
        [
            self.day,
            self.week,
            self.month,
            self.year,
            Timestamp::from_micros(0),
        ]
    }
}

impl Tally {
    fn in_window(&self, window: Window, calendar: &Calendar, now: Timestamp) -> (Amount, u32) {
        let place = match window {
            Window::Transaction => return (Amount::ZERO, 0),
            Window::Rolling(seconds) => return self.in_the_last(seconds, now),
            Window::Day => 0,
            Window::Week => 1,
            Window::Month => 2,
            Window::Year => 3,
            Window::Lifetime => 4,
        };
        let starts = calendar.starts();
        match (self.windows.get(place), starts.get(place)) {
            (Some(counter), Some(since)) if counter.since >= *since => {
                (counter.amount, counter.count)
            }
            _ => (Amount::ZERO, 0),
        }
    }

    fn in_the_last(&self, seconds: u32, now: Timestamp) -> (Amount, u32) {
        let after = now.plus_seconds(i64::from(seconds).saturating_neg());
        let inside = self
            .recent
            .iter()
            .rev()
            .take_while(|recent| recent.at > after);
        inside.fold((Amount::ZERO, 0), |(amount, count), recent| {
            let count: u32 = count;
            (
                amount.saturating_plus(recent.amount),
                count.saturating_add(recent.purchases),
            )
        })
    }

    /// Drops what no rolling window looks at any more: a good part at once, because what is left
    /// moves up.
    fn forget(&mut self, now: Timestamp, rolling_seconds: u32) {
        let after = now.plus_seconds(i64::from(rolling_seconds).saturating_neg());
        let old = self.recent.partition_point(|recent| recent.at <= after);
        if old.saturating_mul(4) >= self.recent.len() || self.recent.len() >= RECENT_MAX {
            self.recent.drain(..old);
        }
    }

    /// When there are too many, makes one of those of the older half that fall into one slot of the
    /// longest window, at the latest's moment.
    fn bound(&mut self, rolling_seconds: u32) {
        let newer = self.recent.get(RECENT_MAX / 2).map(|recent| recent.at);
        let (Some(newer), true) = (newer, self.recent.len() > RECENT_MAX) else {
            return;
        };
        let micros = i64::from(rolling_seconds).saturating_mul(1_000_000);
        let width = micros.div_euclid(SLOTS).max(1);
        let slot = |at: Timestamp| at.micros().div_euclid(width);
        self.recent.dedup_by(|later, kept| {
            let is_one = later.at < newer && slot(later.at) == slot(kept.at);
            if is_one {
                *kept = Recent {
                    amount: kept.amount.saturating_plus(later.amount),
                    purchases: kept.purchases.saturating_add(later.purchases),
                    ..*later
                };
            }
            is_one
        });
    }

    /// Takes `value` from what an authorization counted, the oldest first, as long as the moment
    /// at which it was first counted is still there.
    fn give_back(
        &mut self,
        value: Amount,
        purchases: u32,
        created_at: Timestamp,
        id: AuthorizationId,
    ) {
        let first = self.recent.partition_point(|recent| recent.at < created_at);
        let mut own = self
            .recent
            .iter_mut()
            .skip(first)
            .filter(|recent| recent.authorization == id)
            .peekable();
        let is_there = own.peek().is_some_and(|recent| recent.at == created_at);
        if !is_there {
            return;
        }
        let (mut left, mut purchases) = (value, purchases);
        for recent in own {
            let part = recent.amount.min(left);
            recent.amount = recent.amount.minus_or_zero(part);
            left = left.minus_or_zero(part);
            recent.purchases = recent.purchases.saturating_sub(purchases);
            purchases = 0;
        }
    }
}
