//! Requests on their way to cards and back: made once by who asks, handed on by reference, and home
//! again when what came of them is on disk.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    desk::Place,
    durability::{Lane, Parcel, Undurable},
    hosted::{Answer, Refusal, Request},
    replies::Replies,
};
use crate::domain::ids::ActorId;

/// What came of a request a moment ago, not yet on disk.
pub(super) type Fresh = Result<Undurable<Answer>, Refusal>;

/// The words of an answer, written where the card is: what it was decided from is at hand there, and
/// need not be carried to another thread and taken apart on it.
#[derive(Clone, Copy, Debug)]
pub struct Telling {
    /// Writes them at the end of the text; `false` if who asks is to have the answer itself.
    pub write: fn(&Answer, &mut Vec<u8>) -> bool,
    /// How many bytes they usually are.
    pub bytes: usize,
}

/// What comes home of a decision.
#[derive(Debug)]
pub enum Said<T> {
    /// The answer.
    Answer(Answer),
    /// Its words.
    Told(T),
}

/// The same as [`Fresh`], with the words in its carrier's text.
type Sealed = Result<Undurable<Said<Range<usize>>>, Refusal>;

/// Has the answer told, if it is to be.
fn seal(fresh: Fresh, telling: Option<Telling>, text: &mut Vec<u8>) -> Sealed {
    let said = |answer: Answer| {
        let Some(telling) = telling else {
            return Said::Answer(answer);
        };
        let from = text.len();
        // The decision stands whatever becomes of its words.
        let told = catch_unwind(AssertUnwindSafe(|| (telling.write)(&answer, text)));
        if told.unwrap_or(false) {
            return Said::Told(from..text.len());
        }
        text.truncate(from);
        Said::Answer(answer)
    };
    fresh.map(|undurable| undurable.map(said))
}

/// One request.
pub struct Ticket {
    /// What is asked.
    pub(super) request: Request,
    /// Whom.
    pub(super) actor: ActorId,
    /// Where who asks waits.
    pub(super) lane: Arc<Lane>,
    telling: Option<Telling>,
    text: Vec<u8>,
    sealed: Option<Sealed>,
    decided: Option<Instant>,
    is_durable: bool,
    reply: Option<oneshot::Sender<Box<Self>>>,
}

impl Ticket {
    /// A request that was not sent yet.
    pub(super) fn new(request: Request, lane: Arc<Lane>, telling: Option<Telling>) -> Box<Self> {
        Box::new(Self {
            request,
            actor: ActorId(0),
            lane,
            telling,
            // Made where it is freed again.
            text: Vec::with_capacity(telling.map_or(0, |telling| telling.bytes)),
            sealed: None,
            decided: None,
            is_durable: false,
            reply: None,
        })
    }

    /// Makes it ready to be sent to `actor`, and tells where it will come back.
    pub(super) fn address(&mut self, actor: ActorId) -> oneshot::Receiver<Box<Self>> {
        let (reply, home) = oneshot::channel();
        (self.actor, self.reply) = (actor, Some(reply));
        home
    }

    /// Notes what came of it, not to be read before it is on disk.
    pub(super) fn seal(&mut self, fresh: Fresh) {
        self.decided = Some(Instant::now());
        self.sealed = Some(seal(fresh, self.telling, &mut self.text));
    }

    /// What came of it: an answer is on disk.
    pub(super) fn open(&mut self) -> Result<Said<Vec<u8>>, Refusal> {
        let said = open(self.sealed.take(), self.is_durable)?;
        Ok(match said {
            Said::Answer(answer) => Said::Answer(answer),
            Said::Told(_) => Said::Told(std::mem::take(&mut self.text)),
        })
    }
}

impl Parcel for Ticket {
    fn decided(&self) -> Option<Instant> {
        self.decided
    }

    fn arrive(mut self: Box<Self>, is_durable: bool) {
        self.is_durable = is_durable;
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(self);
        }
    }
}

fn open(sealed: Option<Sealed>, is_durable: bool) -> Result<Said<Range<usize>>, Refusal> {
    let undurable = sealed.unwrap_or(Err(Refusal::Unavailable))?;
    undurable.open(is_durable).ok_or(Refusal::Halted)
}

/// One request among many.
pub(super) struct Item {
    /// Its place in the batch.
    pub(super) number: usize,
    /// Whom.
    pub(super) actor: ActorId,
    /// Where that sits.
    pub(super) place: Place,
    /// Whether no other item of the batch is for the same card after it.
    pub(super) is_last: bool,
    /// What is asked.
    pub(super) request: Request,
    sealed: Option<Sealed>,
}

impl Item {
    /// A request that was not decided yet.
    pub(super) const fn new(
        (number, is_last): (usize, bool),
        (actor, place): (ActorId, Place),
        request: Request,
    ) -> Self {
        Self {
            number,
            actor,
            place,
            is_last,
            request,
            sealed: None,
        }
    }
}

/// The requests of a batch for the cards of one thread.
pub(super) struct Errand {
    /// In the order of the batch.
    pub(super) items: Vec<Item>,
    /// How many of them are done.
    pub(super) done: usize,
    /// What must be on disk before any of it may be told.
    pub(super) lsn: u64,
    /// Where who asks waits.
    pub(super) lane: Arc<Lane>,
    telling: Option<Telling>,
    text: Vec<u8>,
    /// When the last of it was.
    decided: Option<Instant>,
    /// Whether it came back with all of it on disk.
    is_durable: bool,
    reply: mpsc::UnboundedSender<Box<Self>>,
}

/// An item's number, its request, and why it has no answer.
pub(super) type Refused = (usize, Request, Refusal);

impl Errand {
    /// Nothing to do yet.
    pub(super) fn new(
        lane: Arc<Lane>,
        telling: Option<Telling>,
        (room, reply): (usize, mpsc::UnboundedSender<Box<Self>>),
    ) -> Box<Self> {
        Box::new(Self {
            items: Vec::with_capacity(room),
            done: 0,
            lsn: 0,
            lane,
            telling,
            text: Vec::new(),
            decided: None,
            is_durable: false,
            reply,
        })
    }

    /// Makes room for the words of all its answers.
    pub(super) fn make_room(&mut self) {
        if let Some(telling) = self.telling
            && self.text.capacity() == 0
        {
            let bytes = self.items.len().saturating_mul(telling.bytes);
            self.text.reserve_exact(bytes);
        }
    }

    /// Notes what came of the item at `index`, not to be read before it is on disk.
    pub(super) fn seal(&mut self, index: usize, fresh: Fresh) {
        if let Some(item) = self.items.get_mut(index) {
            item.sealed = Some(seal(fresh, self.telling, &mut self.text));
        }
    }

    /// Notes that all of it is decided.
    pub(super) fn end(&mut self) {
        self.decided = Some(Instant::now());
    }

    /// Puts what came of its items among the replies: answers are on disk. Returns the items that have
    /// none.
    pub(super) fn open(mut self, replies: &mut Replies) -> Vec<Refused> {
        let mut refused = Vec::new();
        for (index, item) in self.items.iter_mut().enumerate() {
            match open(item.sealed.take(), self.is_durable) {
                Ok(Said::Told(range)) => replies.tell(item.number, range),
                Ok(Said::Answer(answer)) => replies.put(item.number, Ok(answer)),
                Err(refusal) => refused.push((index, refusal)),
            }
        }
        replies.add_text(self.text);
        // From the end, so that the ones before stay where they are.
        let of = |(index, refusal)| {
            let item = self.items.swap_remove(index);
            (item.number, item.request, refusal)
        };
        refused.into_iter().rev().map(of).collect()
    }
}

impl Parcel for Errand {
    fn decided(&self) -> Option<Instant> {
        self.decided
    }

    fn arrive(mut self: Box<Self>, is_durable: bool) {
        self.is_durable = is_durable;
        let reply = self.reply.clone();
        let _ = reply.send(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn fresh() -> Fresh {
        let answer = Answer {
            lsn: 7,
            time: Timestamp::from_micros(1),
            fingerprint: 0,
            events: Vec::new(),
            urns: Vec::new(),
            is_replay: false,
        };
        Ok(Undurable::new(7, answer))
    }

    fn sealed(write: fn(&Answer, &mut Vec<u8>) -> bool) -> (Sealed, Vec<u8>) {
        let mut text = b"before".to_vec();
        let sealed = seal(fresh(), Some(Telling { write, bytes: 8 }), &mut text);
        (sealed, text)
    }

    #[test]
    fn words_are_told_only_once_they_are_on_disk() {
        let write = |_: &Answer, text: &mut Vec<u8>| {
            text.extend_from_slice(b"yes");
            true
        };
        let (words, text) = sealed(write);
        assert_eq!(text, b"beforeyes");
        assert!(matches!(open(Some(words), true), Ok(Said::Told(range)) if range == (6..9)));
        let (words, _) = sealed(write);
        assert!(matches!(open(Some(words), false), Err(Refusal::Halted)));
    }

    #[test]
    fn an_answer_without_words_comes_itself_and_leaves_none() {
        let half = |_: &Answer, text: &mut Vec<u8>| {
            text.extend_from_slice(b"hal");
            false
        };
        let fault = |_: &Answer, text: &mut Vec<u8>| {
            text.extend_from_slice(b"hal");
            panic!("a fault in the telling")
        };
        for write in [half, fault] {
            let (answer, text) = sealed(write);
            assert_eq!(text, b"before");
            assert!(
                matches!(open(Some(answer), true), Ok(Said::Answer(answer)) if answer.lsn == 7)
            );
        }
    }
}
