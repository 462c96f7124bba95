//! One-time codes: six digits, a few attempts, a few minutes. Kept in memory only, and only their MAC:
//! after a restart a new one is asked for.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha2::Sha256;

use super::token::mac;
use crate::domain::{registry::SigningKey, time::Timestamp};

const MICROS: i64 = 1_000_000;
/// The most holders with a code at one time.
const HOLDERS_MAX: usize = 100_000;
/// The most addresses and origins that are counted at one time.
const CALLERS_MAX: usize = 100_000;

/// How codes behave.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a code can be answered, in seconds; also the window in which they are counted.
    pub lifetime_s: i64,
    /// How many wrong answers a code bears.
    pub attempts_max: u32,
    /// How many codes a holder may ask for within one lifetime.
    pub sent_max: usize,
    /// How many an address may ask for within one lifetime, for whomever.
    pub sent_per_address_max: u32,
    /// How many may be asked for of an origin's holders within one lifetime.
    pub sent_per_origin_max: u32,
}

/// Who asks for a code, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The holder.
    pub urn: &'a str,
    /// The holder's origin.
    pub origin: &'a str,
    /// The address that asks, if it is known.
    pub address: Option<&'a str>,
}

/// How many were asked for in a window that began with the first.
struct Count {
    since: i64,
    asked: u32,
}

struct Challenge {
    tag: [u8; 32],
    expires_at: i64,
    attempts_left: u32,
    /// Answered already: the request that did it, if that named itself.
    spent_by: Option<Option<String>>,
    /// When codes were asked for, within the window.
    asked_at: Vec<i64>,
}

/// A code on its way to its holder.
pub struct Issued {
    /// Six digits. For the sender only.
    pub code: String,
    /// Until when it can be answered.
    pub expires_at: Timestamp,
    /// How many wrong answers it bears.
    pub attempts_left: u32,
}

/// Why there is no code, or a code is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Too many were asked for.
    #[error("too many codes were asked for")]
    TooMany {
        /// After how many seconds another can be.
        retry_after_s: u32,
    },
    /// It is another.
    #[error("the code is wrong")]
    Wrong {
        /// How many wrong answers are left.
        attempts_left: u32,
    },
    /// There is none, or no more.
    #[error("there is no code to answer: ask for another")]
    Gone,
}

/// The codes that wait for their answer, by holder.
pub struct Codes {
    mac: Hmac<Sha256>,
    rules: Rules,
    known: Mutex<BTreeMap<String, Challenge>>,
    /// By address and by origin.
    callers: Mutex<BTreeMap<String, Count>>,
}

impl Codes {
    /// None yet.
    #[must_use]
    pub fn new(key: &SigningKey, rules: Rules) -> Self {
        Self {
            mac: mac(key, "one-time code"),
            rules,
            known: Mutex::default(),
            callers: Mutex::default(),
        }
    }

    fn tag(&self, urn: &str, code: &str) -> [u8; 32] {
        let keyed = self.mac.clone().chain_update(urn.as_bytes());
        let keyed = keyed.chain_update(b"\n").chain_update(code.as_bytes());
        keyed.finalize().into_bytes().into()
    }

    /// Makes a code from `random`; the one before is no more.
    ///
    /// # Errors
    ///
    /// [`CodeError::TooMany`].
    pub fn issue(
        &self,
        asking: Asking<'_>,
        random: u64,
        now: Timestamp,
    ) -> Result<Issued, CodeError> {
        let urn = asking.urn;
        let (now, window) = (now.micros(), self.rules.lifetime_s.saturating_mul(MICROS));
        let mut known = self.known.lock();
        if known.len() >= HOLDERS_MAX {
            known.retain(|_, challenge| challenge.expires_at > now);
        }
        if known.len() >= HOLDERS_MAX && !known.contains_key(urn) {
            return Err(CodeError::TooMany { retry_after_s: 30 });
        }
        let mut asked_at = known
            .get(urn)
            .map_or_else(Vec::new, |old| old.asked_at.clone());
        asked_at.retain(|at| at.saturating_add(window) > now);
        if asked_at.len() >= self.rules.sent_max {
            let until = asked_at.first().map_or(now, |at| at.saturating_add(window));
            return Err(too_many(until.saturating_sub(now)));
        }
        // Only what is sent is counted, so that nobody uses up the others' by asking in vain.
        self.count(asking, now)?;
        asked_at.push(now);
        let code = format!("{:06}", random % 1_000_000);
        let expires_at = now.saturating_add(window);
        let challenge = Challenge {
            tag: self.tag(urn, &code),
            expires_at,
            attempts_left: self.rules.attempts_max,
            spent_by: None,
            asked_at,
        };
        known.insert(urn.to_owned(), challenge);
        Ok(Issued {
            code,
            expires_at: Timestamp::from_micros(expires_at),
            attempts_left: self.rules.attempts_max,
        })
    }

    /// Counts a request for a code against its address and its origin.
    fn count(&self, asking: Asking<'_>, now: i64) -> Result<(), CodeError> {
        let window = self.rules.lifetime_s.saturating_mul(MICROS);
        let address = asking.address.map(|address| format!("address {address}"));
        let address = address.map(|name| (name, self.rules.sent_per_address_max));
        let origin = format!("origin {}", asking.origin);
        let origin = (origin, self.rules.sent_per_origin_max);
        let counted: Vec<_> = address.into_iter().chain([origin]).collect();
        let mut callers = self.callers.lock();
        if callers.len() >= CALLERS_MAX {
            callers.retain(|_, count| count.since.saturating_add(window) > now);
        }
        for (name, most) in &counted {
            let live = |count: &&Count| count.since.saturating_add(window) > now;
            let known = callers.get(name).filter(live);
            if let Some(count) = known.filter(|count| count.asked >= *most) {
                let until = count.since.saturating_add(window);
                return Err(too_many(until.saturating_sub(now)));
            }
            if known.is_none() && callers.len() >= CALLERS_MAX {
                return Err(CodeError::TooMany { retry_after_s: 30 });
            }
        }
        for (name, _) in counted {
            let count = callers.entry(name).or_insert(Count {
                since: now,
                asked: 0,
            });
            if count.since.saturating_add(window) <= now {
                *count = Count {
                    since: now,
                    asked: 0,
                };
            }
            count.asked = count.asked.saturating_add(1);
        }
        Ok(())
    }

    /// Takes an answer. A right one counts once, or again for the same `request`, whose first answer
    /// may have been lost on the way.
    ///
    /// # Errors
    ///
    /// [`CodeError::Wrong`], [`CodeError::Gone`].
    pub fn answer(
        &self,
        urn: &str,
        code: &str,
        request: Option<&str>,
        now: Timestamp,
    ) -> Result<(), CodeError> {
        let tag = self.mac.clone().chain_update(urn.as_bytes());
        let tag = tag.chain_update(b"\n").chain_update(code.as_bytes());
        let mut known = self.known.lock();
        let challenge = known.get_mut(urn).ok_or(CodeError::Gone)?;
        if challenge.expires_at <= now.micros() || challenge.attempts_left == 0 {
            return Err(CodeError::Gone);
        }
        if let Some(by) = &challenge.spent_by
            && (by.is_none() || by.as_deref() != request)
        {
            return Err(CodeError::Gone);
        }
        if tag.verify_slice(&challenge.tag).is_err() {
            challenge.attempts_left = challenge.attempts_left.saturating_sub(1);
            let attempts_left = challenge.attempts_left;
            return Err(CodeError::Wrong { attempts_left });
        }
        challenge.spent_by = Some(request.map(str::to_owned));
        Ok(())
    }
}

fn too_many(micros: i64) -> CodeError {
    let seconds = micros.div_euclid(MICROS).saturating_add(1);
    let retry_after_s = u32::try_from(seconds).unwrap_or(1);
    CodeError::TooMany { retry_after_s }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: &str = "did:bloque:acme:ana";

    fn codes() -> Codes {
        let rules = Rules {
            lifetime_s: 600,
            attempts_max: 5,
            sent_max: 3,
            sent_per_address_max: 4,
            sent_per_origin_max: 6,
        };
        Codes::new(&SigningKey([1; 32]), rules)
    }

    fn ana() -> Asking<'static> {
        asking(ANA, None)
    }

    fn asking<'a>(urn: &'a str, address: Option<&'a str>) -> Asking<'a> {
        Asking {
            urn,
            origin: "acme",
            address,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * MICROS)
    }

    #[test]
    fn a_right_answer_counts_once() {
        let codes = codes();
        let issued = codes.issue(ana(), 42, at(0)).expect("issued");
        assert_eq!(issued.code, "000042");
        assert_eq!(
            codes.answer("other", "000042", None, at(1)),
            Err(CodeError::Gone)
        );
        assert_eq!(codes.answer(ANA, "000042", None, at(1)), Ok(()));
        assert_eq!(
            codes.answer(ANA, "000042", None, at(1)),
            Err(CodeError::Gone)
        );
        codes.issue(ana(), 43, at(2)).expect("issued");
        assert_eq!(codes.answer(ANA, "000043", Some("r"), at(3)), Ok(()));
        assert_eq!(
            codes.answer(ANA, "000043", Some("r"), at(3)),
            Ok(()),
            "a retry"
        );
        assert_eq!(
            codes.answer(ANA, "000043", Some("s"), at(3)),
            Err(CodeError::Gone)
        );
    }

    #[test]
    fn five_wrong_answers_or_ten_minutes_end_it() {
        let codes = codes();
        codes.issue(ana(), 1, at(0)).expect("issued");
        for left in (0..5).rev() {
            let wrong = CodeError::Wrong {
                attempts_left: left,
            };
            assert_eq!(codes.answer(ANA, "000002", None, at(1)), Err(wrong));
        }
        assert_eq!(
            codes.answer(ANA, "000001", None, at(1)),
            Err(CodeError::Gone)
        );
        codes.issue(ana(), 1, at(10)).expect("issued");
        assert_eq!(
            codes.answer(ANA, "000001", None, at(610)),
            Err(CodeError::Gone)
        );
    }

    #[test]
    fn too_many_are_refused_until_the_window_has_passed() {
        let codes = codes();
        for second in 0..3 {
            codes.issue(ana(), 1, at(second)).expect("issued");
        }
        let refused = codes.issue(ana(), 1, at(100)).err();
        assert_eq!(refused, Some(CodeError::TooMany { retry_after_s: 501 }));
        codes
            .issue(ana(), 1, at(600))
            .expect("the first is out of the window");
    }

    #[test]
    fn an_address_and_an_origin_have_limits_of_their_own() {
        let codes = codes();
        let holders = ["a", "b", "c", "d", "e", "f", "g"];
        let ask = |holder: usize, address, second| {
            let refused = codes.issue(asking(holders[holder], Some(address)), 1, at(second));
            refused.err()
        };
        for holder in 0..4 {
            assert_eq!(ask(holder, "192.0.2.1", 0), None);
        }
        let refused = Some(CodeError::TooMany { retry_after_s: 600 });
        assert_eq!(ask(4, "192.0.2.1", 1), refused, "the address");
        assert_eq!(ask(4, "192.0.2.2", 1), None);
        assert_eq!(ask(5, "192.0.2.2", 1), None);
        assert_eq!(ask(6, "192.0.2.3", 1), refused, "the origin");
        assert_eq!(ask(6, "192.0.2.1", 600), None, "the window has passed");
    }
}
