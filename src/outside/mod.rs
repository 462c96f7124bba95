//! What comes from outside by our asking: exchange rates from a file or a URL, lists of merchant
//! categories. Fetched on threads of its own, recorded by the registrar, never waited for by a card.
//!
//! One client makes every call ([`client`]): it reaches no private address, follows few redirects,
//! takes little at a time, and gives up in time. Programmes that are asked before an approval have one
//! with the same check of addresses and shorter times ([`question`]).

pub mod address;
pub mod client;
pub mod document;
pub mod lists;
pub mod question;
pub mod rates;

use std::time::Duration;

/// A part of `whole` more or less, by chance: so that many who wait for the same do not all come at
/// once.
fn jittered(whole: Duration) -> Duration {
    let chance = u64::from(getrandom::u32().unwrap_or_default()) % 21;
    let percent = 90_u64.saturating_add(chance);
    let millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis.saturating_mul(percent) / 100)
}

/// How long to wait after `failures` in a row: ever longer, at most `most`.
fn after_failures(failures: u32, most: Duration) -> Duration {
    let first = Duration::from_secs(5).min(most);
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    jittered(first.saturating_mul(factor).min(most))
}
