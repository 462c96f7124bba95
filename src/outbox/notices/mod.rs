//! Tells cardholders of their purchases: a reader of the log with a thread and a position of its own,
//! far from any authorization.

pub mod sender;

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use sender::{NoticeError, NoticeSender};

use super::names::Lookup;
use crate::{
    actors::{Engine, EngineError, names},
    domain::{
        event::{Approved, Event},
        identity::Contact,
    },
    journal::{JournalError, Lsn, Record},
    wire::{self, Body},
};

/// How long a thread that has caught up rests.
const REST: Duration = Duration::from_millis(200);
/// How many records go by before the position is written again, if none of them is a notice.
const POSITION_EVERY: u32 = 10_000;
/// The first pause before a notice is tried again; each next is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// A purchase older than this, in seconds, is no news: nobody wants last night's all at once.
const NEWS_S: i64 = 3_600;

/// What a cardholder is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The telephone number, as the profile has it.
    pub phone: String,
    /// The card.
    pub card_urn: String,
    /// The card's last four digits, if it is a card.
    pub last_four: String,
    /// How much, with its currency: `50.00 USD`.
    pub amount: String,
    /// At whose shop.
    pub merchant: String,
    /// The processor's id of the purchase.
    pub transaction_id: String,
}

/// A telephone number without its middle: for logs and files.
#[must_use]
pub fn masked(phone: &str) -> String {
    let count = phone.chars().count();
    let (start, end) = (3.min(count / 4), count.saturating_sub(count.min(12) / 4));
    let shown = |(place, letter): (usize, char)| {
        if place < start || place >= end {
            letter
        } else {
            '*'
        }
    };
    phone.chars().enumerate().map(shown).collect()
}

/// Begins to tell, on a thread of its own, from where it was, or from now on if it never was anywhere.
pub fn start(
    engine: &Arc<Engine>,
    sender: Box<dyn NoticeSender>,
    (position, attempts_max): (PathBuf, u32),
) {
    let mut teller = Teller {
        engine: engine.clone(),
        sender,
        position,
        attempts_max,
        dropped: 0,
    };
    thread::spawn(move || {
        let mut at = read_position(&teller.position).unwrap_or_else(|| {
            let now = teller.engine.durability.durable();
            teller.write_position(now);
            now
        });
        loop {
            if let Err(error) = teller.follow(&mut at) {
                tracing::warn!(%error, at, "notices stand still; they are tried again");
                thread::sleep(Duration::from_secs(5));
            }
        }
    });
}

struct Teller {
    engine: Arc<Engine>,
    sender: Box<dyn NoticeSender>,
    position: PathBuf,
    attempts_max: u32,
    /// Since the start.
    dropped: u64,
}

impl Teller {
    fn follow(&mut self, at: &mut u64) -> Result<(), EngineError> {
        self.wait_for_a_phone(at);
        let journal = self.engine.shared.journal.clone();
        // A log that was put back from a copy may end before the position.
        *at = (*at).min(self.engine.durability.durable());
        let mut log = match journal.follow(Lsn::new(*at)) {
            Err(JournalError::NotFound { .. }) => {
                *at = journal.oldest().get();
                journal.follow(Lsn::new(*at))?
            }
            other => other?,
        };
        let mut unwritten = 0_u32;
        loop {
            let Some(record) = log.next() else {
                if unwritten > 0 {
                    self.write_position(*at);
                    unwritten = 0;
                }
                thread::sleep(REST);
                continue;
            };
            let record = record?;
            let has_told = self.tell_of(&record)?;
            *at = record.lsn.get();
            unwritten = unwritten.saturating_add(1);
            // After each notice, so that a crash repeats one at the most.
            if has_told || unwritten >= POSITION_EVERY {
                self.write_position(*at);
                unwritten = 0;
            }
        }
    }

    /// Passes over what nobody could be told of, without reading it. A holder gets a telephone before the
    /// purchases that it is told of, so none of those is passed over.
    fn wait_for_a_phone(&self, at: &mut u64) {
        let mut has_waited = false;
        loop {
            let durable = self.engine.durability.durable();
            if self.engine.registrar.has_phone() {
                break;
            }
            *at = durable;
            has_waited = true;
            thread::sleep(REST);
        }
        if has_waited {
            self.write_position(*at);
        }
    }

    fn tell_of(&mut self, record: &Record) -> Result<bool, EngineError> {
        let entry = wire::decode_entry(&record.payload)?;
        let Body::Group(events) = &entry.body else {
            return Ok(false);
        };
        let now = self.engine.shared.clock.now();
        if entry.time.plus_seconds(NEWS_S) < now {
            return Ok(false);
        }
        let Some(approved) = events.iter().find_map(Event::approved) else {
            return Ok(false);
        };
        let Some(notice) = self.notice(approved)? else {
            return Ok(false);
        };
        // The same that is told as `purchase`, and nothing else, is told.
        let told = super::event::events_of(record.lsn.get(), &entry, &Lookup::new(&self.engine));
        let mut words = told.iter().map(|event| event.event.as_str());
        if !words.any(|word| word == super::event::words::PURCHASE) {
            return Ok(false);
        }
        self.send(&notice);
        Ok(true)
    }

    /// What is to be told of a purchase; nothing if nobody is to be, or it was only a question.
    fn notice(&self, approved: &Approved) -> Result<Option<Notice>, EngineError> {
        let authorization = &approved.authorization;
        if authorization.amount().is_zero() {
            return Ok(None);
        }
        let face = names::face(&self.engine, authorization.account)?;
        let Some(face) = face.filter(|face| face.tells_holder) else {
            return Ok(None);
        };
        let Some(phone) = self.phone(&face.holder_urn) else {
            return Ok(None);
        };
        let merchant = approved.request.merchant.name.clone();
        let local = authorization.local_amount();
        Ok(Some(Notice {
            phone,
            card_urn: face.urn.clone(),
            last_four: face.last_four.clone(),
            amount: format!("{local} {}", local.currency.code()),
            merchant: merchant.unwrap_or_else(|| "a merchant".to_owned()),
            transaction_id: authorization.transaction_id.clone(),
        }))
    }

    fn phone(&self, holder_urn: &str) -> Option<String> {
        let known = loop {
            let look = |registry: &crate::domain::registry::Registry| {
                registry.identities.get(holder_urn).cloned()
            };
            let seen = self.engine.registrar.look(look);
            match seen.if_durable(&self.engine.durability) {
                Some(known) => break known,
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        match known?.contact()? {
            Contact::Phone(phone) => Some(phone),
            Contact::Email(_) => None,
        }
    }

    /// Tries a few times, then drops it: a notice an hour late helps nobody, and others wait.
    fn send(&mut self, notice: &Notice) {
        let mut pause = PAUSE;
        for attempt in 1..=self.attempts_max {
            let error = match self.sender.send(notice) {
                Ok(()) => return,
                Err(error) => error,
            };
            let is_last = attempt == self.attempts_max;
            if is_last || matches!(error, NoticeError::Refused(_)) {
                self.dropped = self.dropped.saturating_add(1);
                tracing::warn!(
                    %error,
                    attempt,
                    dropped = self.dropped,
                    phone = masked(&notice.phone),
                    transaction_id = notice.transaction_id,
                    "a notice to a cardholder was dropped"
                );
                return;
            }
            thread::sleep(pause);
            pause = pause.saturating_mul(2);
        }
    }

    fn write_position(&self, at: u64) {
        if let Err(error) = write_position(&self.position, at) {
            tracing::warn!(%error, "the position of notices was not written; some may come again");
        }
    }
}

fn read_position(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Under another name first: a crash leaves the one or the other.
fn write_position(path: &Path, at: u64) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    writeln!(file, "{at}")?;
    file.sync_data()?;
    std::fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_lose_their_middle() {
        for (phone, shown) in [
            ("+573001234567", "+57*******567"),
            ("12345", "1***5"),
            ("1", "*"),
            ("", ""),
        ] {
            assert_eq!(masked(phone), shown, "{phone}");
        }
    }

    #[test]
    fn a_position_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notices.position");
        assert_eq!(read_position(&path), None);
        for at in [0, 7, u64::MAX] {
            write_position(&path, at).unwrap();
            assert_eq!(read_position(&path), Some(at));
        }
    }
}
