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

/// How codes behave.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a code can be answered, in seconds; also the window in which they are counted.
    pub lifetime_s: i64,
    /// How many wrong answers a code bears.
    pub attempts_max: u32,
    /// How many codes a holder may ask for within one lifetime.
    pub sent_max: usize,
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
}

impl Codes {
    /// None yet.
    #[must_use]
    pub fn new(key: &SigningKey, rules: Rules) -> Self {
        Self {
            mac: mac(key, "one-time code"),
            rules,
            known: Mutex::default(),
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
    pub fn issue(&self, urn: &str, random: u64, now: Timestamp) -> Result<Issued, CodeError> {
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
        };
        Codes::new(&SigningKey([1; 32]), rules)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * MICROS)
    }

    #[test]
    fn a_right_answer_counts_once() {
        let codes = codes();
        let issued = codes.issue(ANA, 42, at(0)).expect("issued");
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
        codes.issue(ANA, 43, at(2)).expect("issued");
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
        codes.issue(ANA, 1, at(0)).expect("issued");
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
        codes.issue(ANA, 1, at(10)).expect("issued");
        assert_eq!(
            codes.answer(ANA, "000001", None, at(610)),
            Err(CodeError::Gone)
        );
    }

    #[test]
    fn too_many_are_refused_until_the_window_has_passed() {
        let codes = codes();
        for second in 0..3 {
            codes.issue(ANA, 1, at(second)).expect("issued");
        }
        let refused = codes.issue(ANA, 1, at(100)).err();
        assert_eq!(refused, Some(CodeError::TooMany { retry_after_s: 501 }));
        codes
            .issue(ANA, 1, at(600))
            .expect("the first is out of the window");
    }
}
