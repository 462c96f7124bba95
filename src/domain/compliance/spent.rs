//! How much a holder has sent, by calendar windows, and what of it may still be given back.

use serde::{Deserialize, Serialize};

use super::policy::{Level, Limit, Window};
use crate::domain::{money::Amount, time::Timestamp};

/// The most reservations that are known one by one; beyond, the oldest only count.
pub const RESERVATIONS_MAX: usize = 32;

/// A calendar window at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which.
    pub window: Window,
    /// Its name: `2026-11-21`, `2026-W47`, `2026-11`, `2026`.
    pub key: String,
    /// When the next begins.
    pub ends_at: Timestamp,
}

/// What was counted in one window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The window.
    pub window: Window,
    /// Its name.
    pub key: String,
    /// US cents, as a string.
    pub cents: String,
}

impl Count {
    fn cents(&self) -> Amount {
        self.cents.parse().unwrap_or(Amount::ZERO)
    }
}

/// A transfer that was counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Which.
    pub id: String,
    /// US cents, as a string.
    pub cents: String,
    /// How many requests rely on it: the retries of one are counted once.
    pub uses: u32,
    /// The names of the windows it was counted in.
    pub keys: Vec<String>,
}

/// How much a holder has sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// One for each window.
    #[serde(default)]
    pub counts: Vec<Count>,
    /// The latest, from the oldest.
    #[serde(default)]
    pub reservations: Vec<Reservation>,
}

/// A limit that would be passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Over what it counts.
    pub window: Window,
    /// The window's name; none for a single transfer.
    pub span: Option<Span>,
    /// US cents.
    pub limit: Amount,
    /// US cents that were counted before.
    pub consumed: Amount,
}

impl Spent {
    /// What was counted in a window, in US cents.
    #[must_use]
    pub fn in_window(&self, span: &Span) -> Amount {
        let same = |count: &&Count| count.window == span.window && count.key == span.key;
        self.counts
            .iter()
            .find(same)
            .map_or(Amount::ZERO, Count::cents)
    }

    /// The same with `cents` counted for a transfer, unless it is counted already.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] with the first limit of the level that would be passed.
    pub fn reserved(
        mut self,
        level: Option<&Level>,
        spans: &[Span],
        (id, cents): (&str, Amount),
    ) -> Result<Self, Exceeded> {
        if let Some(known) = self.reservations.iter_mut().find(|known| known.id == id) {
            known.uses = known.uses.saturating_add(1);
            return Ok(self);
        }
        for limit in level
            .map(|level| level.limits.as_slice())
            .unwrap_or_default()
        {
            self.require(limit, spans, cents)?;
        }
        let count = |span: &Span| Count {
            window: span.window,
            key: span.key.clone(),
            cents: self.in_window(span).saturating_plus(cents).to_string(),
        };
        self.counts = spans.iter().map(count).collect();
        if self.reservations.len() >= RESERVATIONS_MAX {
            self.reservations.remove(0);
        }
        self.reservations.push(Reservation {
            id: id.to_owned(),
            cents: cents.to_string(),
            uses: 1,
            keys: spans.iter().map(|span| span.key.clone()).collect(),
        });
        Ok(self)
    }

    fn require(&self, limit: &Limit, spans: &[Span], cents: Amount) -> Result<(), Exceeded> {
        let span = spans.iter().find(|span| span.window == limit.window);
        let consumed = span.map_or(Amount::ZERO, |span| self.in_window(span));
        let most = limit.cents();
        if consumed.saturating_plus(cents) <= most {
            return Ok(());
        }
        Err(Exceeded {
            window: limit.window,
            span: span.cloned(),
            limit: most,
            consumed,
        })
    }

    /// The same without one use of a reservation; the last use gives back what was counted, in every
    /// window that still is the one it was counted in.
    #[must_use]
    pub fn given_back(mut self, id: &str) -> Self {
        let Some(place) = self.reservations.iter().position(|known| known.id == id) else {
            return self;
        };
        if let Some(known) = self.reservations.get_mut(place)
            && known.uses > 1
        {
            known.uses = known.uses.saturating_sub(1);
            return self;
        }
        let gone = self.reservations.remove(place);
        let cents: Amount = gone.cents.parse().unwrap_or(Amount::ZERO);
        for count in &mut self.counts {
            if gone.keys.contains(&count.key) {
                count.cents = count.cents().minus_or_zero(cents).to_string();
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(day: &str) -> Vec<Span> {
        let span = |window, key: &str| Span {
            window,
            key: key.to_owned(),
            ends_at: Timestamp::from_micros(9),
        };
        vec![
            span(Window::Day, day),
            span(Window::Week, "2026-W47"),
            span(Window::Month, "2026-11"),
            span(Window::Year, "2026"),
        ]
    }

    fn level(limits: &[(Window, &str)]) -> Level {
        let limit = |(window, cents): &(Window, &str)| Limit {
            window: *window,
            usd_minor_units: (*cents).to_owned(),
        };
        Level {
            level: 0,
            name: "a".to_owned(),
            requirements: Vec::new(),
            limits: limits.iter().map(limit).collect(),
        }
    }

    fn cents(minor: i128) -> Amount {
        Amount::from_minor(minor).expect("not negative")
    }

    #[test]
    fn a_limit_holds_to_the_cent_and_a_new_day_begins_at_zero() {
        let level = level(&[(Window::Day, "100"), (Window::Month, "150")]);
        let day = spans("2026-11-21");
        let spent = Spent::default().reserved(Some(&level), &day, ("a", cents(100)));
        let spent = spent.expect("to the cent");
        let over = spent.clone().reserved(Some(&level), &day, ("b", cents(1)));
        let over = over.expect_err("past it");
        assert_eq!(
            (over.window, over.consumed, over.limit),
            (Window::Day, cents(100), cents(100))
        );
        let next = spans("2026-11-22");
        let over = spent
            .clone()
            .reserved(Some(&level), &next, ("b", cents(51)));
        assert_eq!(over.expect_err("the month's").window, Window::Month);
        let spent = spent
            .reserved(Some(&level), &next, ("b", cents(50)))
            .expect("fits");
        assert_eq!(spent.in_window(&next[0]), cents(50));
        assert_eq!(spent.in_window(&next[2]), cents(150));
    }

    #[test]
    fn a_retry_counts_once_and_what_is_given_back_is_free_again() {
        let level = level(&[(Window::Day, "100")]);
        let day = spans("2026-11-21");
        let once = Spent::default()
            .reserved(Some(&level), &day, ("a", cents(80)))
            .expect("fits");
        let twice = once
            .clone()
            .reserved(Some(&level), &day, ("a", cents(80)))
            .expect("the same");
        assert_eq!(twice.in_window(&day[0]), cents(80));
        let one_left = twice.given_back("a");
        assert_eq!(one_left, once);
        let none = one_left.given_back("a");
        assert_eq!(none.in_window(&day[0]), Amount::ZERO);
        assert_eq!(none.clone().given_back("a"), none);
        // What was counted yesterday takes nothing from today.
        let today = spans("2026-11-22");
        let spent = once
            .reserved(Some(&level), &today, ("b", cents(30)))
            .expect("fits");
        let spent = spent.given_back("a");
        assert_eq!(spent.in_window(&today[0]), cents(30));
        assert_eq!(spent.in_window(&today[1]), cents(30));
    }

    #[test]
    fn one_transfer_has_a_limit_of_its_own() {
        let level = level(&[(Window::PerTransaction, "10")]);
        let day = spans("2026-11-21");
        let over = Spent::default().reserved(Some(&level), &day, ("a", cents(11)));
        let over = over.expect_err("too much");
        assert_eq!((over.window, over.span), (Window::PerTransaction, None));
    }

    #[test]
    fn the_list_of_reservations_ends() {
        let day = spans("2026-11-21");
        let mut spent = Spent::default();
        for n in 0..RESERVATIONS_MAX + 5 {
            spent = spent
                .reserved(None, &day, (&n.to_string(), cents(1)))
                .expect("no limit");
        }
        assert_eq!(spent.reservations.len(), RESERVATIONS_MAX);
        assert_eq!(spent.reservations[0].id, "5");
    }
}
