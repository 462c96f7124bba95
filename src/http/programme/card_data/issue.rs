//! Issues a card: a number that nobody has, sealed for this account alone.

use super::super::super::{App, problem::Problem};
use crate::{
    actors::{Answer, EngineError},
    domain::{
        account::Medium,
        card::CardFile,
        ids::AccountNo,
        time::{Month, Timestamp},
    },
    vault::{
        Hold, VaultError,
        issue::{CardData, card_aad, card_text},
    },
};

/// How long a new card is valid, in years.
const CARD_YEARS: u16 = 5;
/// How often another number is tried. Where so many are taken, the range is as good as used up.
const TRIES_MAX: usize = 64;

/// A card that is about to be recorded. Until then its number is reserved and its key is held.
pub struct Issued {
    /// Its face.
    pub medium: Medium,
    /// Its sealed data.
    pub file: Box<CardFile>,
    /// What keeps the key from being retired.
    _hold: Hold,
}

/// Issues a card of a programme for the account `no`.
///
/// # Errors
///
/// 503 where there is no randomness or no number left.
pub fn issue(app: &App, programme: &str, no: AccountNo) -> Result<Issued, Problem> {
    let hold = app.vault.hold();
    for _ in 0..TRIES_MAX {
        let pan = app.vault.new_pan(&app.cards.bin).map_err(no_randomness)?;
        let fingerprint = app.vault.fingerprint(&pan);
        if !app.engine.shared.indexes.reserve_number(fingerprint) {
            continue;
        }
        let last_four = pan.last_four();
        let expiry = expiry(app.engine.shared.clock.now());
        let text = card_text(&CardData { pan, expiry });
        let sealed = hold.seal(&card_aad(no), text.as_bytes());
        return Ok(Issued {
            medium: Medium::Card {
                programme: programme.to_owned(),
                last_four,
                expiry,
            },
            file: Box::new(CardFile {
                sealed: sealed.map_err(no_randomness)?,
                fingerprint,
                pin: None,
                tokens: Vec::new(),
            }),
            _hold: hold,
        });
    }
    tracing::error!("cards.bin is nearly used up: configure another range");
    Err(Problem::busy("no card number is free: try again"))
}

/// Gives a reserved number back if no card came of it.
pub fn settle(app: &App, fingerprint: [u8; 16], opened: &Result<Answer, EngineError>) {
    if !matches!(opened, Ok(answer) if !answer.is_replay) {
        app.engine.shared.indexes.release_number(fingerprint);
    }
}

fn no_randomness(error: VaultError) -> Problem {
    tracing::error!(%error, "a card could not be sealed");
    Problem::busy("no randomness: try again")
}

fn expiry(now: Timestamp) -> Month {
    now.month().plus_years(CARD_YEARS)
}
